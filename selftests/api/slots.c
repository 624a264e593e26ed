// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory slots over process memory: bad ones, and what the process does to the
 * memory while a guest runs on it.
 */
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "vm.h"

static u8 *anonymous(size_t size)
{
	u8 *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT(p != MAP_FAILED);
	return p;
}

static void bad_slots(const void *arg)
{
	struct vm *vm = vm_new(&(struct vm_config) { .user = true });
	u8 *p = anonymous(16 * PAGE_SIZE);
	static const struct {
		u64 gpa, size, hva;	/* hva relative to p */
		u32 slot, flags;
		int error;
	} bad[] = {
		{ 0x10000800, PAGE_SIZE, 0, 1, 0, EINVAL },
		{ 0x10000000, 0x800, 0, 1, 0, EINVAL },
		{ 0x10000000, PAGE_SIZE, 0x10, 1, 0, EINVAL },
		{ 0x10000000, PAGE_SIZE, 0, 1, 0x8000, EINVAL },
		{ 0x10000000, PAGE_SIZE, 0, 0x7fff, 0x80000000, EINVAL },
		{ 0x10000000, PAGE_SIZE, 0, 0xffff, 0, EINVAL },
		{ 0x10000000, PAGE_SIZE, 0, 0xffffffff, 0, EINVAL },
		{ 0xfffffffffffff000, 2 * PAGE_SIZE, 0, 1, 0, EINVAL },	/* wraps */
		{ 0, 1ull << 60, 0, 1, 0, EINVAL },
		{ 0x1000, PAGE_SIZE, 0, 1, 0, EEXIST },			/* in slot 0 */
		{ 8 * MIB - PAGE_SIZE, 2 * PAGE_SIZE, 0, 1, 0, EEXIST },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++)
		if (vm_set_slot(vm, bad[i].slot, bad[i].flags, bad[i].gpa, bad[i].size,
				p + bad[i].hva) != -1 || errno != bad[i].error)
			fail("slot %zu: %s, want %s", i, strerrorname_np(errno),
			     strerrorname_np(bad[i].error));
	/* Kernel addresses, and the end of everything. */
	ASSERT_ERRNO(vm_set_slot(vm, 1, 0, 0x10000000, PAGE_SIZE, (void *)0xffff888000000000),
		     EINVAL);
	ASSERT_ERRNO(vm_set_slot(vm, 1, 0, 0x10000000, PAGE_SIZE, (void *)~0xffful), EINVAL);
	/* A slot that is there cannot change size or read-only. */
	CHECKED(vm_set_slot(vm, 1, 0, 0x10000000, 2 * PAGE_SIZE, p));
	ASSERT_ERRNO(vm_set_slot(vm, 1, 0, 0x10000000, PAGE_SIZE, p), EINVAL);
	ASSERT_ERRNO(vm_set_slot(vm, 1, KVM_MEM_READONLY, 0x10000000, 2 * PAGE_SIZE, p), EINVAL);
	ASSERT_ERRNO(vm_set_slot(vm, 1, 0, 0x10000000, 2 * PAGE_SIZE, p + PAGE_SIZE), EINVAL);
	/* It can move, and go; what was not there cannot go. */
	CHECKED(vm_set_slot(vm, 1, 0, 0x20000000, 2 * PAGE_SIZE, p));
	CHECKED(vm_set_slot(vm, 1, 0, 0x20000000, 0, p));
	ASSERT_ERRNO(vm_set_slot(vm, 1, 0, 0x20000000, 0, p), EINVAL);
	vm_call(vm, "g_arith", 0);
	vm_free(vm);
}

/* The limit of slots, each used and gone again. */
/* The larger structure is for a flag that is not there yet; else it does the same. */
static void region2(const void *arg)
{
	struct vm *vm = vm_new(&(struct vm_config) { .user = true });
	u8 *p = anonymous(PAGE_SIZE);
	struct region2 r = { .slot = 1, .gpa = 0x10000000, .size = PAGE_SIZE, .hva = (uintptr_t)p };

	if (!vm_cap(vm, CAP_USER_MEMORY2))
		skip("this KVM is older");
	CHECKED(ioctl(vm->fd, SET_USER_MEMORY_REGION2, &r));
	r.slot = 2;
	ASSERT_ERRNO(ioctl(vm->fd, SET_USER_MEMORY_REGION2, &r), EEXIST);
	r.flags = 4;				/* KVM_MEM_GUEST_MEMFD */
	ASSERT_ERRNO(ioctl(vm->fd, SET_USER_MEMORY_REGION2, &r), EINVAL);
	r.flags = 0x80000000;
	ASSERT_ERRNO(ioctl(vm->fd, SET_USER_MEMORY_REGION2, &r), EINVAL);
	r = (struct region2) { .slot = 1 };
	CHECKED(ioctl(vm->fd, SET_USER_MEMORY_REGION2, &r));
	ASSERT_ERRNO(ioctl(vm->fd, SET_USER_MEMORY_REGION2, &r), EINVAL);
	ASSERT_ERRNO(ioctl(vm->fd, SET_USER_MEMORY_REGION2, 8), EFAULT);
	vm_call(vm, "g_arith", 0);
	vm_free(vm);
}

static void many_slots(const void *arg)
{
	struct vm *vm = vm_new(&(struct vm_config) { .user = true });
	u8 *p = anonymous(PAGE_SIZE);
	u32 i, count = vm_cap(vm, KVM_CAP_NR_MEMSLOTS) - 1;

	if (count > 500)
		count = 500;
	for (i = 1; i <= count; i++)
		CHECKED(vm_set_slot(vm, i, 0, 0x10000000 + i * PAGE_SIZE, PAGE_SIZE, p));
	for (i = 1; i <= count; i += 2)
		CHECKED(vm_set_slot(vm, i, 0, 0, 0, NULL));
	vm_call(vm, "g_arith", 0);
	vm_free(vm);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

/* A machine with so many slots beside its memory; only the first of them stays free. */
static struct vm *crowd(u8 *p, u32 count)
{
	struct vm *vm = vm_new(&(struct vm_config) { .user = true });
	u32 i;

	for (i = 2; i <= count; i++)
		CHECKED(vm_set_slot(vm, i, 0, 0x10000000 + i * PAGE_SIZE, PAGE_SIZE, p));
	return vm;
}

static double change(struct vm *vm, u8 *p)
{
	double best = 1e9;
	u32 i, k;

	for (k = 0; k < 10; k++) {
		double begin = now();

		for (i = 0; i < 10; i++) {
			CHECKED(vm_set_slot(vm, 1, 0, 0x10001000, PAGE_SIZE, p));
			CHECKED(vm_set_slot(vm, 1, 0, 0, 0, NULL));
		}
		if (now() - begin < best)
			best = now() - begin;
	}
	return best;
}

/* Changing a slot costs the same beside many as beside few. */
static void crowded(const void *arg)
{
	u8 *p = anonymous(PAGE_SIZE);
	struct vm *few = crowd(p, 16), *many = crowd(p, 8192);
	double cheap = change(few, p), dear = change(many, p);

	note("%.0f us beside 16 slots, %.0f us beside 8192", cheap * 1e5, dear * 1e5);
	if (dear > 4 * cheap)
		fail("it takes %.1f times as long", dear / cheap);
	vm_call(many, "g_arith", 0);
	vm_free(few);
	vm_free(many);
}

/* A guest that reads gva and traces it; what it sees. */
static u32 guest_reads(struct vm *vm)
{
	struct vcpu *vcpu = &vm->vcpu[0];
	u32 value;

	ASSERT_EQ(vcpu_enter(vcpu), KVM_EXIT_IO);
	ASSERT_EQ(vcpu->run->io.port, GUEST_PORT_TRACE);
	memcpy(&value, (u8 *)vcpu->run + vcpu->run->io.data_offset, 4);
	return value;
}

#define SLOT_GPA 0x10000000ul

static struct vm *reader(u8 *hva, size_t size)
{
	struct vm *vm = vm_new(&(struct vm_config) { .user = true });

	CHECKED(vm_set_slot(vm, 1, 0, SLOT_GPA, size, hva));
	vcpu_call(&vm->vcpu[0], "g_read", SLOT_GPA);
	return vm;
}

static void not_mapped(const void *arg)
{
	u8 *p = anonymous(PAGE_SIZE);
	struct vm *vm = reader(p, PAGE_SIZE);

	munmap(p, PAGE_SIZE);
	ASSERT_EQ(vcpu_enter(&vm->vcpu[0]), -EFAULT);
	ASSERT_EQ(vcpu_enter(&vm->vcpu[0]), -EFAULT);
	/* It can be mended. */
	ASSERT_EQ(mmap(p, PAGE_SIZE, PROT_READ | PROT_WRITE,
		       MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), p);
	*(u32 *)p = 77;
	ASSERT_EQ(guest_reads(vm), 77);
	vm_free(vm);
}

static void unmapped_in_use(const void *arg)
{
	u8 *p = anonymous(PAGE_SIZE);
	struct vm *vm = reader(p, PAGE_SIZE);

	*(u32 *)p = 5;
	ASSERT_EQ(guest_reads(vm), 5);
	munmap(p, PAGE_SIZE);
	ASSERT_EQ(vcpu_enter(&vm->vcpu[0]), -EFAULT);
	vm_free(vm);
}

static void protected_in_use(const void *arg)
{
	u8 *p = anonymous(PAGE_SIZE);
	struct vm *vm = reader(p, PAGE_SIZE);

	*(u32 *)p = 5;
	ASSERT_EQ(guest_reads(vm), 5);
	mprotect(p, PAGE_SIZE, PROT_NONE);
	ASSERT_EQ(vcpu_enter(&vm->vcpu[0]), -EFAULT);
	mprotect(p, PAGE_SIZE, PROT_READ | PROT_WRITE);
	ASSERT_EQ(guest_reads(vm), 5);
	vm_free(vm);
}

static void dropped_in_use(const void *arg)
{
	u8 *p = anonymous(4 * MIB);
	struct vm *vm = reader(p, 4 * MIB);
	u32 i;

	for (i = 1; i < 20; i++) {
		*(u32 *)p = i;
		ASSERT_EQ(guest_reads(vm), i);
		CHECKED(madvise(p, i % 2 ? PAGE_SIZE : 4 * MIB, MADV_DONTNEED));
		ASSERT_EQ(guest_reads(vm), 0);
	}
	vm_free(vm);
}

/* After fork both have the pages read-only: the guest goes with the parent. */
static void forked_in_use(const void *arg)
{
	u8 *p = anonymous(PAGE_SIZE);
	struct vm *vm = reader(p, PAGE_SIZE);
	int status, go[2];
	pid_t child;
	char c;

	*(u32 *)p = 1;
	ASSERT_EQ(guest_reads(vm), 1);
	CHECKED(pipe(go));
	child = fork();
	if (!child) {
		if (read(go[0], &c, 1) != 1)
			_exit(2);
		/* The VM is another process's now; nothing of it changed here. */
		if (*(u32 *)p != 1)
			_exit(3);
		if (ioctl(vm->vcpu[0].fd, KVM_RUN, 0) != -1 || errno != EIO)
			_exit(4);
		_exit(0);
	}
	*(u32 *)p = 2;
	ASSERT_EQ(guest_reads(vm), 2);
	ASSERT_EQ(write(go[1], "x", 1), 1);
	waitpid(child, &status, 0);
	ASSERT_EQ(status, 0);
	vm_free(vm);
}

/* The guest's own write after fork is not seen in the child. */
static void forked_guest_writes(const void *arg)
{
	struct vm *vm = vm_new(&(struct vm_config) { .user = true });
	u8 *p = anonymous(MIB);
	int status, go[2];
	pid_t child;
	char c;
	u32 i;

	CHECKED(vm_set_slot(vm, 1, 0, SLOT_GPA, MIB, p));
	vcpu_call(&vm->vcpu[0], "g_write_forever", SLOT_GPA);
	ASSERT_EQ(guest_reads(vm), 0);
	CHECKED(pipe(go));
	child = fork();
	if (!child) {
		if (read(go[0], &c, 1) != 1)
			_exit(2);
		for (i = 0; i < MIB; i += PAGE_SIZE)
			if (*(u32 *)(p + i))
				_exit(3);
		_exit(0);
	}
	ASSERT_EQ(guest_reads(vm), 1);
	ASSERT_EQ(*(u32 *)p, 1);
	ASSERT_EQ(write(go[1], "x", 1), 1);
	waitpid(child, &status, 0);
	ASSERT_EQ(status, 0);
	vm_free(vm);
}

static void moved_in_use(const void *arg)
{
	u8 *p = anonymous(PAGE_SIZE), *q;
	struct vm *vm = reader(p, PAGE_SIZE);

	*(u32 *)p = 9;
	ASSERT_EQ(guest_reads(vm), 9);
	q = mremap(p, PAGE_SIZE, 2 * PAGE_SIZE, MREMAP_MAYMOVE | MREMAP_FIXED,
		   anonymous(2 * PAGE_SIZE));
	ASSERT(q != MAP_FAILED && q != p);
	ASSERT_EQ(vcpu_enter(&vm->vcpu[0]), -EFAULT);
	CHECKED(vm_set_slot(vm, 1, 0, SLOT_GPA, 0, NULL));
	CHECKED(vm_set_slot(vm, 1, 0, SLOT_GPA, PAGE_SIZE, q));
	ASSERT_EQ(guest_reads(vm), 9);
	vm_free(vm);
}

/* The slot goes while the guest uses it: then the accesses are MMIO. */
static void deleted_in_use(const void *arg)
{
	u8 *p = anonymous(PAGE_SIZE);
	struct vm *vm = reader(p, PAGE_SIZE);
	u32 i;

	for (i = 1; i < 50; i++) {
		*(u32 *)p = i;
		ASSERT_EQ(guest_reads(vm), i);
		CHECKED(vm_set_slot(vm, 1, 0, SLOT_GPA, 0, NULL));
		ASSERT_EQ(vcpu_enter(&vm->vcpu[0]), KVM_EXIT_MMIO);
		ASSERT_EQ(vm->vcpu[0].run->mmio.phys_addr, SLOT_GPA);
		*(u64 *)vm->vcpu[0].run->mmio.data = 0xabc;
		ASSERT_EQ(guest_reads(vm), 0xabc);
		CHECKED(vm_set_slot(vm, 1, 0, SLOT_GPA, PAGE_SIZE, p));
	}
	vm_free(vm);
}

static void *run_until_error(void *arg)
{
	struct vcpu *vcpu = arg;
	long last = -1, value;
	int result;

	while ((result = vcpu_enter(vcpu)) == KVM_EXIT_IO) {
		value = *(u32 *)((u8 *)vcpu->run + vcpu->run->io.data_offset);
		ASSERT(value > last);
		last = value;
	}
	return (void *)(long)result;
}

/* Everything at once: the guest writes in its thread while pages come and go. */
static void storm(const void *arg)
{
	struct vm *vm = vm_new(&(struct vm_config) { .user = true });
	u8 *p = anonymous(4 * MIB);
	pthread_t thread;
	void *result;
	u32 i;

	CHECKED(vm_set_slot(vm, 1, 0, SLOT_GPA, 4 * MIB, p));
	vcpu_call(&vm->vcpu[0], "g_write_forever", SLOT_GPA);
	pthread_create(&thread, NULL, run_until_error, &vm->vcpu[0]);
	for (i = 0; i < 200; i++) {
		u64 at = (i * 2654435761u >> 8) % 256 * PAGE_SIZE;

		switch (i % 5) {
		case 0:
			madvise(p + at, PAGE_SIZE, MADV_DONTNEED);
			break;
		case 1:
			madvise(p, 4 * MIB, MADV_DONTNEED);
			break;
		case 2:
			mprotect(p + at, PAGE_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC);
			break;
		case 3:
			madvise(p, 4 * MIB, i & 16 ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
			break;
		case 4:
			*(volatile u32 *)(p + at + 64) = i;
			break;
		}
		if (i % 50 == 0)
			usleep(1000);
	}
	munmap(p, 4 * MIB);
	pthread_join(thread, &result);
	ASSERT_EQ((long)result, -EFAULT);
	vm_free(vm);
}

/**
 * struct stuck - a machine whose vCPU waits for memory that nobody provides
 * @uffd: of that memory
 * @page: it
 * @thread: of the vCPU
 */
struct stuck {
	struct vm *vm;
	int uffd;
	u8 *page;
	pthread_t thread;
};

static void *enter_once(void *vcpu)
{
	return (void *)(long)vcpu_enter(vcpu);
}

static void ignore(int sig)
{
}

/* Memory of which each page waits until somebody gives it. */
static int withhold(u8 *p, u64 size)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = {
		.range = { .start = (u64)p, .len = size },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	int uffd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	if (uffd < 0)
		skip("no userfaultfd: %s", strerror(errno));
	CHECKED(ioctl(uffd, UFFDIO_API, &api));
	CHECKED(ioctl(uffd, UFFDIO_REGISTER, &reg));
	return uffd;
}

/* Its page is still there. */
static struct stuck stuck_new(void)
{
	struct stuck s = { .page = anonymous(PAGE_SIZE) };
	struct sigaction action = { .sa_handler = ignore };

	sigaction(SIGUSR1, &action, NULL);
	s.vm = vm_new(&(struct vm_config) { .user = true });
	CHECKED(vm_set_slot(s.vm, 1, 0, SLOT_GPA, PAGE_SIZE, s.page));
	return s;
}

/* What @fn does of the vCPU waits when this returns. */
static void stuck_begin(struct stuck *s, void *(*fn)(void *vcpu))
{
	struct pollfd fd = { .fd = s->uffd, .events = POLLIN };

	pthread_create(&s->thread, NULL, fn, &s->vm->vcpu[0]);
	ASSERT_EQ(poll(&fd, 1, 10000), 1);
}

static struct stuck stuck(const char *guest)
{
	struct stuck s = stuck_new();

	s.uffd = withhold(s.page, PAGE_SIZE);
	vcpu_call(&s.vm->vcpu[0], guest, SLOT_GPA);
	stuck_begin(&s, enter_once);
	return s;
}

static void provide(struct stuck *s)
{
	struct uffdio_zeropage zero = { .range = { .start = (u64)s->page, .len = PAGE_SIZE } };

	CHECKED(ioctl(s->uffd, UFFDIO_ZEROPAGE, &zero));
}

/* What the vCPU's thread ends with within some seconds. */
static long stuck_join(struct stuck *s)
{
	struct timespec until;
	void *result;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 5;
	if (pthread_timedjoin_np(s->thread, &result, &until))
		fail("KVM_RUN does not return");
	return (long)result;
}

/* A signal ends the wait; then the page comes. */
static void stuck_kick(struct stuck *s)
{
	ASSERT_EQ(pthread_kill(s->thread, SIGUSR1), 0);
	ASSERT_EQ(stuck_join(s), -EINTR);
	provide(s);
}

/* A vCPU that is kicked while it waits for a page goes on where it was. */
static void kicked_while_stuck(const void *guest)
{
	struct stuck s = stuck(guest);

	stuck_kick(&s);
	ASSERT_EQ(s.vm->vcpu[0].run->exit_reason, KVM_EXIT_INTR);
	ASSERT_EQ(guest_reads(s.vm), 0);
	vm_free(s.vm);
}

/* Accesses that the kernel makes for a guest in protected mode, to the page at SLOT_GPA. */
#define FLAT_CODE	0x8000

static void flat_code(struct vcpu *vcpu, const void *code, size_t size)
{
	struct kvm_regs regs;

	memcpy(vcpu->vm->ram + FLAT_CODE, code, size);
	vcpu_enter_mode(vcpu, MODE_PROT32, FLAT_CODE);
	regs = vcpu_regs(vcpu);
	regs.rsi = regs.rdi = SLOT_GPA;
	regs.rcx = 4;
	regs.rdx = GUEST_PORT_DONE;
	CHECKED(ioctl(vcpu->fd, KVM_SET_REGS, &regs));
}

/* A string of port accesses: its memory is the kernel's to read. */
static void prepare_outs(struct vcpu *vcpu)
{
	flat_code(vcpu, "\xf3\x6e\xf4", 3);
}

static void prepare_clock(struct vcpu *vcpu)
{
	struct { struct kvm_msrs head; struct kvm_msr_entry entry; } msrs = {
		.head.nmsrs = 1, .entry = { .index = 0x4b564d01, .data = SLOT_GPA | 1 },
	};

	flat_code(vcpu, "\xef\xf4", 2);
	ASSERT_EQ(ioctl(vcpu->fd, KVM_SET_MSRS, &msrs), 1);
}

/* Entries that nobody needs as long as nothing changes: the code is in the first one's. */
static void prepare_pdptes(struct vcpu *vcpu)
{
	struct kvm_sregs sregs;

	flat_code(vcpu, "\xef\xf4", 2);
	sregs = vcpu_sregs(vcpu);
	sregs.cr3 = SLOT_GPA;
	sregs.cr4 = 0x20;
	sregs.cr0 |= 0x80000000;
	CHECKED(ioctl(vcpu->fd, KVM_SET_SREGS, &sregs));
}

static struct stuck stuck_by(void (*prepare)(struct vcpu *vcpu))
{
	struct stuck s = stuck_new();

	s.uffd = withhold(s.page, PAGE_SIZE);
	prepare(&s.vm->vcpu[0]);
	stuck_begin(&s, enter_once);
	return s;
}

/* Likewise while the kernel waits for it on the guest's behalf. */
static void kicked_in_access(const void *prepare)
{
	struct stuck s;
	struct vcpu *vcpu;

	need_ditto();
	s = stuck_by(prepare);
	vcpu = &s.vm->vcpu[0];
	stuck_kick(&s);
	ASSERT_EQ(vcpu->run->exit_reason, KVM_EXIT_INTR);
	ASSERT_EQ(vcpu_regs(vcpu).rip, FLAT_CODE);
	if (prepare == prepare_pdptes) {
		/* There is no page directory: nothing but a triple fault can follow. */
		ASSERT_EQ(vcpu_enter(vcpu), KVM_EXIT_SHUTDOWN);
	} else {
		ASSERT_EQ(vcpu_enter(vcpu), KVM_EXIT_IO);
		ASSERT_EQ(vcpu->run->io.port, GUEST_PORT_DONE);
	}
	if (prepare == prepare_clock)
		ASSERT(*(u32 *)s.page && !(*(u32 *)s.page & 1));
	vm_free(s.vm);
}

/* What the VMM has answered is not asked for again, and not lost. */
static void kicked_with_answer(const void *arg)
{
	struct stuck s;
	struct vcpu *vcpu;

	need_ditto();
	s = stuck_new();
	vcpu = &s.vm->vcpu[0];
	flat_code(vcpu, "\xf3\x6c\xef", 3);
	ASSERT_EQ(vcpu_enter(vcpu), KVM_EXIT_IO);
	ASSERT_EQ(vcpu->run->io.direction, KVM_EXIT_IO_IN);
	ASSERT_EQ(vcpu->run->io.count, 4);
	memcpy((u8 *)vcpu->run + vcpu->run->io.data_offset, "abcd", 4);
	/* The page goes away before the answer comes. */
	madvise(s.page, PAGE_SIZE, MADV_DONTNEED);
	s.uffd = withhold(s.page, PAGE_SIZE);
	stuck_begin(&s, enter_once);
	stuck_kick(&s);
	ASSERT_EQ(vcpu->run->exit_reason, KVM_EXIT_INTR);
	ASSERT_EQ(vcpu_enter(vcpu), KVM_EXIT_IO);
	ASSERT_EQ(vcpu->run->io.direction, KVM_EXIT_IO_OUT);
	ASSERT(!memcmp(s.page, "abcd", 4));
	ASSERT_EQ((u32)vcpu_regs(vcpu).rcx, 0);
	vm_free(s.vm);
}

static void *translate(void *arg)
{
	struct kvm_translation tr = { .linear_address = 0 };
	struct vcpu *vcpu = arg;

	return (void *)(long)(ioctl(vcpu->fd, KVM_TRANSLATE, &tr) ? -errno : 0);
}

static void *get_pointers(void *arg)
{
	struct kvm_sregs2 sregs;
	struct vcpu *vcpu = arg;

	return (void *)(long)(ioctl(vcpu->fd, KVM_GET_SREGS2, &sregs) ? -errno : 0);
}

/* A walk of the guest's page tables for an ioctl other than KVM_RUN. */
static void kicked_in_look(void *(*look)(void *vcpu))
{
	struct stuck s;

	need_ditto();
	s = stuck_new();
	s.uffd = withhold(s.page, PAGE_SIZE);
	prepare_pdptes(&s.vm->vcpu[0]);
	stuck_begin(&s, look);
	stuck_kick(&s);
	ASSERT_EQ((long)look(&s.vm->vcpu[0]), 0);
	vm_free(s.vm);
}

static void kicked_in_walk(const void *arg)
{
	kicked_in_look(translate);
}

/* Where the CPU has no registers for them the kernel reads the pointers for this. */
static void kicked_in_pointers(const void *arg)
{
	kicked_in_look(get_pointers);
}

static void *delete_slot(void *arg)
{
	struct vm *vm = arg;

	CHECKED(vm_set_slot(vm, 1, 0, SLOT_GPA, 0, NULL));
	return NULL;
}

/* Listing machines waits neither for the vCPU nor for a thread that waits for the vCPU. */
static void listed_while_stuck(const void *arg)
{
	struct ditto_vm_info info[64];
	struct ditto_vm_list list = { .capacity = 64, .vms = (u64)info };
	struct stuck s;
	pthread_t deleter;
	int i, status;
	pid_t lister;

	need_ditto();
	s = stuck("g_read");
	pthread_create(&deleter, NULL, delete_slot, s.vm);
	usleep(300 * 1000);
	lister = fork();
	if (!lister)
		_exit(ioctl(dev_open(), DITTO_LIST_VMS, &list) || !list.count);
	for (i = 0; i < 100 && waitpid(lister, &status, WNOHANG) != lister; i++)
		usleep(50 * 1000);
	if (i == 100)
		fail("the list of machines does not come");
	ASSERT_EQ(status, 0);
	provide(&s);
	stuck_join(&s);
	pthread_join(deleter, NULL);
	vm_free(s.vm);
}

/* Memory that is no page of anything: the host's firmware, by its address. */
#define BIOS_ADDR	0xf0000
#define BIOS_SIZE	0x10000

/* The VMM's own mapping of frames; with *at, where something distinctive is. */
static u8 *map_frames(u64 *at)
{
	int fd = open("/dev/mem", O_RDONLY);
	u8 *p;

	if (fd < 0)
		skip("/dev/mem: %s", strerror(errno));
	p = mmap(NULL, BIOS_SIZE, PROT_READ, MAP_SHARED, fd, BIOS_ADDR);
	if (p == MAP_FAILED)
		skip("the firmware cannot be mapped: %s", strerror(errno));
	close(fd);
	for (*at = 0; *at < BIOS_SIZE; *at += 8)
		if (*(u32 *)(p + *at) && *(u32 *)(p + *at) != ~0u)
			return p;
	skip("there is nothing at %#x", BIOS_ADDR);
}

static void frames(const void *arg)
{
	u64 at;
	u8 *p = map_frames(&at);
	u32 want = *(u32 *)(p + at);
	struct vm *vm = vm_new(&(struct vm_config) { .user = true });
	struct vcpu *vcpu = &vm->vcpu[0];

	CHECKED(vm_set_slot(vm, 1, 0, SLOT_GPA, BIOS_SIZE, p));
	vcpu_call(vcpu, "g_read", SLOT_GPA + at);
	ASSERT_EQ(guest_reads(vm), want);
	ASSERT_EQ(guest_reads(vm), want);
	/* The slot follows the mapping; and its protection, which stock KVM overlooks. */
	if (tap.ditto) {
		CHECKED(mprotect(p, BIOS_SIZE, PROT_NONE));
		ASSERT_EQ(vcpu_enter(vcpu), -EFAULT);
		CHECKED(mprotect(p, BIOS_SIZE, PROT_READ));
	}
	ASSERT_EQ(guest_reads(vm), want);
	CHECKED(munmap(p, BIOS_SIZE));
	ASSERT_EQ(vcpu_enter(vcpu), -EFAULT);
	vm_free(vm);
}

/* What the process may only read, the guest may not write. */
static void frames_read_only(const void *arg)
{
	struct vm *vm;
	u64 at;
	u8 *p;

	need_ditto();	/* stock KVM makes it an MMIO exit */
	p = map_frames(&at);
	vm = vm_new(&(struct vm_config) { .user = true });
	CHECKED(vm_set_slot(vm, 1, 0, SLOT_GPA, BIOS_SIZE, p));
	vcpu_call(&vm->vcpu[0], "g_write_forever", SLOT_GPA);
	ASSERT_EQ(vcpu_enter(&vm->vcpu[0]), -EFAULT);
	vm_free(vm);
}

static siginfo_t bus;

static void on_bus(int sig, siginfo_t *info, void *context)
{
	bus = *info;
}

/* Broken memory: SIGBUS tells the VMM where, as if it had touched it itself. */
static void poisoned(const void *arg)
{
	struct sigaction action = { .sa_sigaction = on_bus, .sa_flags = SA_SIGINFO };
	u8 *p = anonymous(PAGE_SIZE);
	struct vm *vm = reader(p, PAGE_SIZE);

	*(u32 *)p = 5;
	ASSERT_EQ(guest_reads(vm), 5);
	sigaction(SIGBUS, &action, NULL);
	if (madvise(p, PAGE_SIZE, MADV_HWPOISON))
		skip("memory cannot be broken: %s", strerror(errno));
	memset(&bus, 0, sizeof(bus));
	ASSERT_EQ(vcpu_enter(&vm->vcpu[0]), -EINTR);
	ASSERT_EQ(bus.si_code, BUS_MCEERR_AR);
	ASSERT_EQ(bus.si_addr, p);
	vm_free(vm);
}

static const struct tap_test tests[] = {
	{ "bad_slots", bad_slots },
	{ "region2", region2 },
	{ "many_slots", many_slots },
	{ "not_mapped", not_mapped },
	{ "unmapped_in_use", unmapped_in_use },
	{ "protected_in_use", protected_in_use },
	{ "dropped_in_use", dropped_in_use },
	{ "forked_in_use", forked_in_use },
	{ "forked_guest_writes", forked_guest_writes },
	{ "moved_in_use", moved_in_use },
	{ "deleted_in_use", deleted_in_use },
	{ "crowded", crowded, .seconds = 60 },
	{ "kicked_while_stuck", kicked_while_stuck, "g_read" },
	{ "kicked_in_outs", kicked_in_access, prepare_outs },
	{ "kicked_in_clock", kicked_in_access, prepare_clock },
	{ "kicked_in_pdptes", kicked_in_access, prepare_pdptes },
	{ "kicked_with_answer", kicked_with_answer },
	{ "kicked_in_walk", kicked_in_walk },
	{ "kicked_in_pointers", kicked_in_pointers },
	{ "listed_while_stuck", listed_while_stuck },
	{ "frames", frames },
	{ "frames_read_only", frames_read_only },
	{ "poisoned", poisoned },
	{ "storm", storm, .seconds = 60 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, tests, ARRAY_SIZE(tests));
}
