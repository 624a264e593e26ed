// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory that the VMM cannot see: guest_memfd, regions with it, private and shared pages, and
 * the exit where there is no memory; and guest_memfds that it sees. Stock KVM passes, too, where it
 * has such machines.
 */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "knobs.h"
#include "vm.h"

#define WALL_CLOCK	0x11
#define SLOT	3
#define GPA	0x10000000ul
#define PAGES	16ul
#define SIZE	(PAGES * PAGE_SIZE)

static u8 *anonymous(size_t size)
{
	u8 *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT(p != MAP_FAILED);
	return p;
}

static struct vm *machine(void)
{
	int dev = dev_open();
	int types = ioctl(dev, KVM_CHECK_EXTENSION, CAP_VM_TYPES);

	close(dev);
	if (types <= 0 || !(types & 1 << SW_PROTECTED_VM))
		skip("no such machines here");
	return vm_new(&(struct vm_config) { .user = true, .type = SW_PROTECTED_VM });
}

static int memfd(struct vm *vm, u64 size, u64 flags)
{
	struct guest_memfd args = { .size = size, .flags = flags };

	return ioctl(vm->fd, CREATE_GUEST_MEMFD, &args);
}

static int set_private(struct vm *vm, u64 gpa, u64 size, bool private)
{
	struct attributes a = { gpa, size, private ? ATTRIBUTE_PRIVATE : 0, 0 };

	return ioctl(vm->fd, SET_MEMORY_ATTRIBUTES, &a);
}

static int set_region(struct vm *vm, u32 slot, u32 flags, u64 gpa, u64 size, const void *hva,
		      int fd, u64 offset)
{
	struct region2 r = {
		.slot = slot, .flags = flags, .gpa = gpa, .size = size, .hva = (uintptr_t)hva,
		.guest_memfd = fd, .guest_memfd_offset = offset,
	};

	return ioctl(vm->fd, SET_USER_MEMORY_REGION2, &r);
}

/* A machine with a region of both kinds of memory. */
static struct vm *machine_with(u8 **shared, int *fd)
{
	struct vm *vm = machine();

	*shared = anonymous(SIZE);
	*fd = CHECKED(memfd(vm, SIZE, 0));
	CHECKED(set_region(vm, SLOT, MEM_GUEST_MEMFD, GPA, SIZE, *shared, *fd, 0));
	return vm;
}

/* What the guest's next OUT says. */
static u32 traced(struct vcpu *vcpu)
{
	ASSERT_EQ(vcpu_enter(vcpu), KVM_EXIT_IO);
	return *(u32 *)((u8 *)vcpu->run + vcpu->run->io.data_offset);
}

static void capabilities(const void *arg)
{
	struct vm *vm = machine(), *plain = vm_new(NULL);
	struct attributes a = { GPA, SIZE, ATTRIBUTE_PRIVATE, 0 };
	static const unsigned long types[] = { 2, 5, 31, 32, 63, 64, 65, 1ul << 32, -1ul };
	int dev = dev_open();
	size_t i;

	ASSERT_EQ(ioctl(dev, KVM_CHECK_EXTENSION, CAP_GUEST_MEMFD), 1);
	ASSERT_EQ(ioctl(dev, KVM_CHECK_EXTENSION, CAP_MEMORY_ATTRIBUTES), ATTRIBUTE_PRIVATE);
	ASSERT_EQ(vm_cap(vm, CAP_GUEST_MEMFD), 1);
	ASSERT_EQ(vm_cap(vm, CAP_MEMORY_ATTRIBUTES), ATTRIBUTE_PRIVATE);
	ASSERT_EQ(vm_cap(vm, CAP_MEMORY_FAULT_INFO), 1);
	ASSERT_EQ(vm_cap(plain, CAP_MEMORY_ATTRIBUTES), 0);
	for (i = 0; i < ARRAY_SIZE(types); i++)
		if (tap.ditto)
			ASSERT_ERRNO(ioctl(dev, KVM_CREATE_VM, types[i]), EINVAL);
	/* Of an ordinary machine nothing can be private. */
	if (tap.ditto) {
		ASSERT_EQ(vm_cap(plain, CAP_GUEST_MEMFD), 1);
		ASSERT_EQ(vm_cap(plain, CAP_GUEST_MEMFD_FLAGS), MEMFD_MMAP | MEMFD_INIT_SHARED);
		ASSERT_EQ(vm_cap(vm, CAP_GUEST_MEMFD_FLAGS), 0);
	}
	ASSERT_ERRNO(ioctl(plain->fd, SET_MEMORY_ATTRIBUTES, &a), EINVAL);
	a.attributes = 0;
	CHECKED(ioctl(plain->fd, SET_MEMORY_ATTRIBUTES, &a));
	close(dev);
	vm_free(plain);
	vm_free(vm);
}

static void bad_attributes(const void *arg)
{
	static const struct attributes bad[] = {
		{ GPA, PAGE_SIZE, ATTRIBUTE_PRIVATE, 1 },
		{ GPA, PAGE_SIZE, ATTRIBUTE_PRIVATE | 1, 0 },
		{ GPA, PAGE_SIZE, 1ull << 63, 0 },
		{ GPA, 0, ATTRIBUTE_PRIVATE, 0 },
		{ GPA + 1, PAGE_SIZE, ATTRIBUTE_PRIVATE, 0 },
		{ GPA, PAGE_SIZE - 1, ATTRIBUTE_PRIVATE, 0 },
		{ GPA, -PAGE_SIZE, ATTRIBUTE_PRIVATE, 0 },
		{ -PAGE_SIZE, 2 * PAGE_SIZE, ATTRIBUTE_PRIVATE, 0 },
	};
	struct vm *vm = machine();
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++)
		ASSERT_ERRNO(ioctl(vm->fd, SET_MEMORY_ATTRIBUTES, &bad[i]), EINVAL);
	ASSERT_ERRNO(ioctl(vm->fd, SET_MEMORY_ATTRIBUTES, (void *)8), EFAULT);
	vm_call(vm, "g_arith", 0);
	vm_free(vm);
}

static void bad_regions(const void *arg)
{
	struct vm *vm = machine(), *other = machine(), *plain = vm_new(NULL);
	u8 *p = anonymous(2 * SIZE);
	int fd = CHECKED(memfd(vm, 2 * SIZE, 0));
	int others = CHECKED(memfd(other, SIZE, 0)), plains = CHECKED(memfd(plain, SIZE, 0));
	const u32 G = MEM_GUEST_MEMFD;

	ASSERT_ERRNO(memfd(vm, 0, 0), EINVAL);
	ASSERT_ERRNO(memfd(vm, 100, 0), EINVAL);
	ASSERT_ERRNO(memfd(vm, -PAGE_SIZE, 0), EINVAL);
	ASSERT_ERRNO(memfd(vm, SIZE, 1ull << 63), EINVAL);
	ASSERT_ERRNO(ioctl(vm->fd, CREATE_GUEST_MEMFD, (void *)8), EFAULT);
	ASSERT_ERRNO(set_region(vm, SLOT, G | KVM_MEM_READONLY, GPA, SIZE, p, fd, 0), EINVAL);
	ASSERT_ERRNO(set_region(vm, SLOT, G | KVM_MEM_LOG_DIRTY_PAGES, GPA, SIZE, p, fd, 0),
		     EINVAL);
	if (vm_cap(plain, CAP_GUEST_MEMFD))
		CHECKED(set_region(plain, SLOT, G, GPA, SIZE, p, plains, 0));
	else
		ASSERT_ERRNO(set_region(plain, SLOT, G, GPA, SIZE, p, plains, 0), EINVAL);
	ASSERT_ERRNO(vm_set_slot(vm, SLOT, G, GPA, SIZE, p), EINVAL);
	ASSERT_ERRNO(set_region(vm, SLOT, G, GPA, SIZE, p, others, 0), EINVAL);
	ASSERT_ERRNO(set_region(vm, SLOT, G, GPA, SIZE, p, vm->fd, 0), EINVAL);
	ASSERT_ERRNO(set_region(vm, SLOT, G, GPA, SIZE, p, -1, 0), EBADF);
	ASSERT_ERRNO(set_region(vm, SLOT, G, GPA, SIZE, p, fd, 8), EINVAL);
	ASSERT_ERRNO(set_region(vm, SLOT, G, GPA, SIZE, p, fd, SIZE + PAGE_SIZE), EINVAL);
	ASSERT_ERRNO(set_region(vm, SLOT, G, GPA, SIZE, p, fd, -PAGE_SIZE), EINVAL);
	ASSERT_ERRNO(set_region(vm, SLOT, G, 0, SIZE, p, fd, 0), EEXIST);
	if (tap.ditto)
		ASSERT_ERRNO(vm_set_gmem_slot(vm, SLOT, 0, GPA, SIZE, fd, 0), EBADF);
	CHECKED(set_region(vm, SLOT, G, GPA, SIZE, p, fd, 0));
	/* It can only be deleted; and each offset is at one place. */
	ASSERT_ERRNO(set_region(vm, SLOT, G, GPA, SIZE, p, fd, 0), EINVAL);
	ASSERT_ERRNO(set_region(vm, SLOT, G, GPA + SIZE, SIZE, p, fd, 0), EINVAL);
	ASSERT_ERRNO(set_region(vm, SLOT, 0, GPA, SIZE, p, 0, 0), EINVAL);
	ASSERT_ERRNO(set_region(vm, SLOT + 1, G, GPA + SIZE, SIZE, p, fd, PAGE_SIZE), EINVAL);
	CHECKED(set_region(vm, SLOT + 1, G, GPA + SIZE, SIZE, p + SIZE, fd, SIZE));
	CHECKED(set_region(vm, SLOT, G, GPA, 0, NULL, -1, 0));
	CHECKED(set_region(vm, SLOT, G, GPA, SIZE, p, fd, 0));
	vm_call(vm, "g_arith", 0);
	vm_free(vm);
	vm_free(other);
	vm_free(plain);
}

/* Nobody but the guest reads it or writes to it. */
static void file(const void *arg)
{
	struct vm *vm = machine();
	int fd = CHECKED(memfd(vm, SIZE, 0));
	struct stat st;
	char c;

	ASSERT(mmap(NULL, SIZE, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED);
	ASSERT(mmap(NULL, SIZE, PROT_READ, MAP_PRIVATE, fd, 0) == MAP_FAILED);
	ASSERT_EQ(pread(fd, &c, 1, 0), -1);
	ASSERT_EQ(pwrite(fd, &c, 1, 0), -1);
	ASSERT_EQ(ftruncate(fd, 2 * SIZE), -1);
	CHECKED(fstat(fd, &st));
	ASSERT_EQ(st.st_size, SIZE);
	ASSERT_EQ(st.st_blocks, 0);
	ASSERT_ERRNO(fallocate(fd, 0, 0, SIZE), EOPNOTSUPP);
	ASSERT_ERRNO(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, SIZE + PAGE_SIZE), EINVAL);
	ASSERT_ERRNO(fallocate(fd, FALLOC_FL_KEEP_SIZE, 8, PAGE_SIZE), EINVAL);
	ASSERT_ERRNO(fallocate(fd, FALLOC_FL_KEEP_SIZE | FALLOC_FL_ZERO_RANGE, 0, PAGE_SIZE),
		     EOPNOTSUPP);
	CHECKED(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, SIZE));
	if (tap.ditto) {
		CHECKED(fstat(fd, &st));
		ASSERT_EQ(st.st_blocks, SIZE / 512);
	}
	CHECKED(fallocate(fd, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, 0, 4 * SIZE));
	CHECKED(fstat(fd, &st));
	ASSERT_EQ(st.st_blocks, 0);
	/* It outlives its machine. */
	vm_free(vm);
	CHECKED(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, SIZE));
	close(fd);
}

/* Both kinds keep their contents; the VMM sees one. */
static void contents(const void *arg)
{
	u8 *shared;
	int fd;
	struct vm *vm = machine_with(&shared, &fd);
	struct vcpu *vcpu = &vm->vcpu[0];
	u64 gpa = GPA + 3 * PAGE_SIZE;
	u32 *seen = (u32 *)(shared + 3 * PAGE_SIZE);

	*seen = 1000;
	vcpu_call(vcpu, "g_replace", gpa);
	ASSERT_EQ(traced(vcpu), 1000);
	ASSERT_EQ(traced(vcpu), 1);
	ASSERT_EQ(*seen, 2);
	CHECKED(set_private(vm, gpa, PAGE_SIZE, true));
	ASSERT_EQ(traced(vcpu), 0);
	ASSERT_EQ(traced(vcpu), 3);
	ASSERT_EQ(*seen, 2);
	/* Another page does not matter, nor what it was already. */
	CHECKED(set_private(vm, GPA, 3 * PAGE_SIZE, true));
	CHECKED(set_private(vm, GPA, 8 * PAGE_SIZE, true));
	CHECKED(set_private(vm, GPA, 3 * PAGE_SIZE, false));
	ASSERT_EQ(traced(vcpu), 4);
	CHECKED(set_private(vm, 0, 1ull << 52, false));
	*seen = 2000;
	ASSERT_EQ(traced(vcpu), 2000);
	ASSERT_EQ(traced(vcpu), 6);
	ASSERT_EQ(*seen, 7);
	CHECKED(set_private(vm, gpa, PAGE_SIZE, true));
	ASSERT_EQ(traced(vcpu), 5);
	CHECKED(fallocate(fd, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, 3 * PAGE_SIZE,
			  PAGE_SIZE));
	ASSERT_EQ(traced(vcpu), 0);
	if (tap.ditto)
		ASSERT(knob_violations() <= 0);
	vm_free(vm);
}

static void faults_at(struct vcpu *vcpu, u64 gpa, u64 flags)
{
	struct memory_fault *fault = (void *)&vcpu->run->hw;

	ASSERT_EQ(vcpu_enter(vcpu), -EFAULT);
	if (!flags && !tap.ditto)
		return;
	ASSERT_EQ(vcpu->run->exit_reason, EXIT_MEMORY_FAULT);
	ASSERT_EQ(fault->flags, flags);
	ASSERT_EQ(fault->gpa, gpa);
	ASSERT_EQ(fault->size, PAGE_SIZE);
}

/* Without memory the VMM is asked, and the access is made anew afterwards. */
static void absent(const void *arg)
{
	struct vm *vm = machine();
	struct vcpu *vcpu = &vm->vcpu[0];
	u8 *p = anonymous(SIZE);

	*(u32 *)p = 77;
	vcpu_call(vcpu, "g_read", GPA + 8);
	CHECKED(set_private(vm, GPA, SIZE, true));
	faults_at(vcpu, GPA, ATTRIBUTE_PRIVATE);
	CHECKED(set_region(vm, SLOT, 0, GPA, SIZE, p, 0, 0));
	faults_at(vcpu, GPA, ATTRIBUTE_PRIVATE);
	/* Where a guest reads its instructions, too. */
	CHECKED(set_private(vm, GUEST_IMAGE, MIB, true));
	ASSERT_EQ(vcpu_enter(vcpu), -EFAULT);
	CHECKED(set_private(vm, GUEST_IMAGE, MIB, false));
	CHECKED(set_private(vm, GPA, SIZE, false));
	ASSERT_EQ(traced(vcpu), 0);
	CHECKED(munmap(p, SIZE));
	faults_at(vcpu, GPA, 0);
	vm_free(vm);
}

/* What the kernel reads for the guest is what the guest would read. */
static void by_kernel(const void *arg)
{
	u8 *shared;
	int fd;
	struct vm *vm = machine_with(&shared, &fd);
	struct vcpu *vcpu = &vm->vcpu[0];

	if (!tap.ditto)
		skip("stock KVM reads the other page");
	*(u32 *)shared = 1000;
	CHECKED(set_private(vm, GPA, PAGE_SIZE, true));
	vcpu_call(vcpu, "g_replace", GPA);
	ASSERT_EQ(traced(vcpu), 0);
	ASSERT_EQ(traced(vcpu), 1);
	ASSERT_EQ(traced(vcpu), 2);
	vcpu_call(vcpu, "g_to_device", GPA);
	ASSERT_EQ(vcpu_enter(vcpu), KVM_EXIT_MMIO);
	ASSERT_EQ(*(u32 *)vcpu->run->mmio.data, 3);
	CHECKED(set_private(vm, GPA, PAGE_SIZE, false));
	ASSERT_EQ(vcpu_enter(vcpu), KVM_EXIT_MMIO);
	ASSERT_EQ(*(u32 *)vcpu->run->mmio.data, 1000);
	/* Half in a page that is private, half in one that is not. */
	*(u32 *)(shared + PAGE_SIZE) = 0x11223344;
	*(u32 *)(shared + PAGE_SIZE - 4) = 0x55667788;
	CHECKED(set_private(vm, GPA, PAGE_SIZE, true));
	vcpu_call(vcpu, "g_to_device", GPA + PAGE_SIZE - 2);
	ASSERT_EQ(vcpu_enter(vcpu), KVM_EXIT_MMIO);
	ASSERT_EQ(*(u32 *)vcpu->run->mmio.data, 0x33440000);
	memset(shared, 0, 2 * PAGE_SIZE);
	ASSERT_EQ(vcpu_try_set_msr(vcpu, WALL_CLOCK, GPA + PAGE_SIZE - 4), 1);
	ASSERT_EQ(*(u32 *)(shared + PAGE_SIZE - 4), 0);
	ASSERT(*(u32 *)(shared + PAGE_SIZE));
	vm_free(vm);
}

/* All there is, and every second page: neither takes long. */
static void many(const void *arg)
{
	u8 *shared;
	int fd;
	struct vm *vm = machine_with(&shared, &fd);
	struct vcpu *vcpu = &vm->vcpu[0];
	u64 gpa;

	if (!tap.ditto)
		skip("stock KVM has an entry for each page");
	for (gpa = 1ull << 40; gpa < (1ull << 40) + 20000 * PAGE_SIZE; gpa += 2 * PAGE_SIZE)
		CHECKED(set_private(vm, gpa, PAGE_SIZE, true));
	CHECKED(set_private(vm, GPA, -GPA - PAGE_SIZE, true));
	vcpu_call(vcpu, "g_replace", GPA);
	*(u32 *)shared = 1000;
	ASSERT_EQ(traced(vcpu), 0);
	for (gpa = GPA; gpa < GPA + SIZE; gpa += 2 * PAGE_SIZE)
		CHECKED(set_private(vm, gpa, PAGE_SIZE, false));
	ASSERT_EQ(traced(vcpu), 1000);
	CHECKED(set_private(vm, GPA, -GPA - PAGE_SIZE, false));
	ASSERT_EQ(traced(vcpu), 2);
	vm_free(vm);
}

static volatile bool stop;

static void *converter(void *arg)
{
	struct vm *vm = arg;
	unsigned int i;

	for (i = 0; !stop; i++) {
		CHECKED(set_private(vm, GPA, SIZE, i & 1));
		CHECKED(set_private(vm, GPA + i % PAGES * PAGE_SIZE, PAGE_SIZE, i & 2));
	}
	return NULL;
}

/* Under a guest that writes, the VMM converts, punches, and takes its own pages away. */
static void storm(const void *arg)
{
	struct vm *vm = machine();
	struct vcpu *vcpu = &vm->vcpu[0];
	u8 *shared = anonymous(MIB);
	int fd = CHECKED(memfd(vm, MIB, 0));
	time_t end = time(NULL) + 4;
	pthread_t thread;
	unsigned int i;

	CHECKED(set_region(vm, SLOT, MEM_GUEST_MEMFD, GPA, MIB, shared, fd, 0));
	vcpu_call(vcpu, "g_write_forever", GPA);
	ASSERT(!pthread_create(&thread, NULL, converter, vm));
	for (i = 0; time(NULL) < end; i++) {
		ASSERT_EQ(vcpu_enter(vcpu), KVM_EXIT_IO);
		if (i % 3 == 0)
			madvise(shared, MIB, MADV_DONTNEED);
		if (i % 3 == 1)
			fallocate(fd, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, 0, SIZE);
	}
	stop = true;
	pthread_join(thread, NULL);
	note("%u rounds", i);
	if (tap.ditto)
		ASSERT(knob_violations() <= 0);
	vm_free(vm);
	close(fd);
}

static u64 shared_bytes(int fd)
{
	struct ditto_gmem_stats stats;

	CHECKED(ioctl(fd, DITTO_GMEM_STATS, &stats));
	return stats.shared_bytes;
}

/* Two machines write the same into their private memory: it is merged as any gmem's. */
static void merged(const void *arg)
{
	time_t end = time(NULL) + 30;
	struct vm *vm[2];
	int fd[2], i, j;
	u8 *shared;

	need_ditto();
	for (i = 0; i < 2; i++) {
		vm[i] = machine_with(&shared, &fd[i]);
		CHECKED(set_private(vm[i], GPA, SIZE, true));
		vcpu_call(&vm[i]->vcpu[0], "g_replace", GPA);
		for (j = 0; j < 3; j++)
			traced(&vm[i]->vcpu[0]);
		ASSERT_EQ(shared_bytes(fd[i]), 0);
	}
	CHECKED(knob_write(DITTO_KSM "pages_to_scan", 10000));
	CHECKED(knob_write(DITTO_KSM "sleep_millisecs", 10));
	CHECKED(knob_write(DITTO_KSM "run", 1));
	while (!shared_bytes(fd[0]) && time(NULL) < end)
		usleep(10000);
	for (i = 0; i < 2; i++)
		ASSERT_EQ(shared_bytes(fd[i]), PAGE_SIZE);
	ASSERT(knob_violations() <= 0);
	/* And parted again by the next write. */
	for (j = 3; j < 6; j++)
		ASSERT_EQ(traced(&vm[0]->vcpu[0]), j);
	ASSERT_EQ(traced(&vm[1]->vcpu[0]), 3);
	CHECKED(knob_write(DITTO_KSM "run", 0));
	vm_free(vm[0]);
	vm_free(vm[1]);
}

/* An ordinary machine, whose guest_memfds can be mapped. */
static struct vm *machine_that_maps(void)
{
	struct vm *vm = vm_new(NULL);

	if (!(vm_cap(vm, CAP_GUEST_MEMFD_FLAGS) & MEMFD_INIT_SHARED))
		skip("guest_memfds cannot be mapped here");
	return vm;
}

static sigjmp_buf at_sigbus;

static void on_sigbus(int sig)
{
	siglongjmp(at_sigbus, 1);
}

/* Is there nothing to be read? */
static bool is_bus_error(const volatile u8 *p)
{
	bool error = true;

	signal(SIGBUS, on_sigbus);
	if (!sigsetjmp(at_sigbus, 1)) {
		(void)*p;
		error = false;
	}
	signal(SIGBUS, SIG_DFL);
	return error;
}

/* The VMM and the guest see the same memory, whatever the VMM says where it has it. */
static void mapped(const void *arg)
{
	struct vm *vm = machine_that_maps();
	struct vcpu *vcpu = &vm->vcpu[0];
	int fd = CHECKED(memfd(vm, SIZE, MEMFD_MMAP | MEMFD_INIT_SHARED));
	const u32 G = MEM_GUEST_MEMFD;
	u8 *p = mmap(NULL, 2 * SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	u32 *seen = (u32 *)(p + 3 * PAGE_SIZE);
	u8 *elsewhere = anonymous(SIZE);

	ASSERT(p != MAP_FAILED);
	*seen = 1000;
	CHECKED(set_region(vm, SLOT, G, GPA, SIZE, elsewhere, fd, 0));
	vcpu_call(vcpu, "g_replace", GPA + 3 * PAGE_SIZE);
	ASSERT_EQ(traced(vcpu), 1000);
	ASSERT_EQ(traced(vcpu), 1);
	ASSERT_EQ(*seen, 2);
	*seen = 2000;
	ASSERT_EQ(traced(vcpu), 2000);
	CHECKED(fallocate(fd, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, 3 * PAGE_SIZE,
			  PAGE_SIZE));
	ASSERT_EQ(*seen, 0);
	ASSERT_EQ(traced(vcpu), 0);
	ASSERT_EQ(*seen, 4);
	/* The region can only be deleted. */
	ASSERT_ERRNO(set_region(vm, SLOT, G, GPA, SIZE, p, fd, 0), EINVAL);
	ASSERT_ERRNO(set_region(vm, SLOT, G, GPA + SIZE, SIZE, p, fd, 0), EINVAL);
	ASSERT_ERRNO(set_region(vm, SLOT, 0, GPA, SIZE, p, 0, 0), EINVAL);
	ASSERT_ERRNO(set_region(vm, SLOT + 1, G, GPA + SIZE, SIZE, p, fd, 0), EINVAL);
	CHECKED(set_region(vm, SLOT, G, GPA, 0, NULL, -1, 0));
	ASSERT_EQ(*seen, 4);
	ASSERT(is_bus_error(p + SIZE));
	ASSERT(!is_bus_error(p));
	if (tap.ditto)
		ASSERT(knob_violations() <= 0);
	/* It outlives its machine. */
	vm_free(vm);
	ASSERT_EQ(*seen, 4);
	CHECKED(munmap(p, 2 * SIZE));
	close(fd);
}

/* How it can be mapped, and what is to be seen there. */
static void mappings(const void *arg)
{
	struct vm *vm = machine_that_maps();
	int open = CHECKED(memfd(vm, SIZE, MEMFD_MMAP | MEMFD_INIT_SHARED));
	int hidden = CHECKED(memfd(vm, SIZE, MEMFD_MMAP));
	int neither = CHECKED(memfd(vm, SIZE, 0));
	int unmapped = CHECKED(memfd(vm, SIZE, MEMFD_INIT_SHARED));
	u8 *p;

	ASSERT_ERRNO(memfd(vm, SIZE, 1 << 2), EINVAL);
	ASSERT(mmap(NULL, SIZE, PROT_READ, MAP_PRIVATE, open, 0) == MAP_FAILED && errno == EINVAL);
	ASSERT(mmap(NULL, SIZE, PROT_READ, MAP_PRIVATE, hidden, 0) == MAP_FAILED &&
	       errno == EINVAL);
	ASSERT(mmap(NULL, SIZE, PROT_READ, MAP_SHARED, neither, 0) == MAP_FAILED &&
	       errno == ENODEV);
	ASSERT(mmap(NULL, SIZE, PROT_READ, MAP_SHARED, unmapped, 0) == MAP_FAILED &&
	       errno == ENODEV);
	p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, hidden, 0);
	ASSERT(p != MAP_FAILED);
	ASSERT(is_bus_error(p));
	CHECKED(set_region(vm, SLOT, MEM_GUEST_MEMFD, GPA, SIZE, p, hidden, 0));
	vcpu_call(&vm->vcpu[0], "g_replace", GPA);
	ASSERT_EQ(traced(&vm->vcpu[0]), 0);
	ASSERT_EQ(traced(&vm->vcpu[0]), 1);
	ASSERT(is_bus_error(p));
	vm_free(vm);
}

/* Without, nothing of the guest's is in it where nothing can be private. */
static void unused(const void *arg)
{
	struct vm *vm = machine_that_maps();
	int fd = CHECKED(memfd(vm, SIZE, 0));
	u8 *p = anonymous(SIZE);

	*(u32 *)p = 1000;
	CHECKED(set_region(vm, SLOT, MEM_GUEST_MEMFD, GPA, SIZE, p, fd, 0));
	vcpu_call(&vm->vcpu[0], "g_replace", GPA);
	ASSERT_EQ(traced(&vm->vcpu[0]), 1000);
	ASSERT_EQ(traced(&vm->vcpu[0]), 1);
	ASSERT_EQ(*(u32 *)p, 2);
	vm_free(vm);
}

static const struct tap_test tests[] = {
	{ "capabilities", capabilities },
	{ "bad_attributes", bad_attributes },
	{ "bad_regions", bad_regions },
	{ "file", file },
	{ "contents", contents },
	{ "absent", absent },
	{ "by_kernel", by_kernel },
	{ "many", many },
	{ "storm", storm, .seconds = 60 },
	{ "merged", merged, .seconds = 60 },
	{ "mapped", mapped },
	{ "mappings", mappings },
	{ "unused", unused },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, tests, ARRAY_SIZE(tests));
}
