// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guest memory objects: created, mapped, punched, measured, read into by
 * O_DIRECT, seen alike by guest and mapping; and all bad arguments. ditto only.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vm.h"

#define SLOT_GPA 0x10000000ul

static int create(u64 size, u32 flags, u32 reserved)
{
	struct ditto_create_gmem args = { .size = size, .flags = flags, .reserved[4] = reserved };
	int dev = dev_open(), fd = ioctl(dev, DITTO_CREATE_GMEM, &args), saved = errno;

	close(dev);
	errno = saved;
	return fd;
}

static struct ditto_gmem_stats stats(int fd)
{
	struct ditto_gmem_stats s;

	CHECKED(ioctl(fd, DITTO_GMEM_STATS, &s));
	return s;
}

static int punch(int fd, u64 offset, u64 length)
{
	return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length);
}

static void bad_create(const void *arg)
{
	int dev;

	need_ditto();
	ASSERT_ERRNO(create(0, 0, 0), EINVAL);
	ASSERT_ERRNO(create(100, 0, 0), EINVAL);
	ASSERT_ERRNO(create(4097, 0, 0), EINVAL);
	ASSERT_ERRNO(create((1ull << 46) + 4096, 0, 0), EINVAL);
	ASSERT_ERRNO(create(~0xfffull, 0, 0), EINVAL);
	ASSERT_ERRNO(create(4096, 0x80000000, 0), EINVAL);
	ASSERT_ERRNO(create(4096, 0, 1), EINVAL);
	dev = dev_open();
	ASSERT_ERRNO(ioctl(dev, DITTO_CREATE_GMEM, (void *)8), EFAULT);
	close(dev);
}

/* Empty costs next to nothing, whatever the size; the fd closes on exec. */
static void sizes(const void *arg)
{
	static const u64 good[] = { 4096, 2 * MIB, 2 * MIB + 4096, 1ull << 32, 1ull << 40,
		1ull << 46 };
	struct stat st;
	size_t i;
	int fd;

	need_ditto();
	for (i = 0; i < ARRAY_SIZE(good); i++) {
		fd = create(good[i], 0, 0);
		if (fd < 0 && errno == ENOMEM && good[i] > 1ull << 40)
			continue;	/* its directory does not fit into this host */
		CHECKED(fd);
		ASSERT(fcntl(fd, F_GETFD) & FD_CLOEXEC);
		CHECKED(fstat(fd, &st));
		ASSERT_EQ(st.st_size, good[i]);
		ASSERT_EQ(st.st_blocks, 0);
		ASSERT_EQ(stats(fd).size, good[i]);
		ASSERT_EQ(stats(fd).private_bytes, 0);
		ASSERT_EQ(stats(fd).shared_bytes, 0);
		close(fd);
	}
}

static void bad_mmap(const void *arg)
{
	int fd;

	need_ditto();
	fd = gmem_new(4 * PAGE_SIZE, 0);
	ASSERT(mmap(NULL, PAGE_SIZE, PROT_READ, MAP_PRIVATE, fd, 0) == MAP_FAILED);
	ASSERT(mmap(NULL, 5 * PAGE_SIZE, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED);
	ASSERT(mmap(NULL, PAGE_SIZE, PROT_READ, MAP_SHARED, fd, 4 * PAGE_SIZE) == MAP_FAILED);
	ASSERT(mmap(NULL, PAGE_SIZE, PROT_READ, MAP_SHARED, fd, ~0xfffl) == MAP_FAILED);
	close(fd);
}

static void bad_fallocate(const void *arg)
{
	int fd;

	need_ditto();
	fd = gmem_new(4 * PAGE_SIZE, 0);
	ASSERT_EQ(fallocate(fd, 0, 0, PAGE_SIZE), -1);
	ASSERT_EQ(fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 0, PAGE_SIZE), -1);
	ASSERT_ERRNO(punch(fd, -4096, PAGE_SIZE), EINVAL);
	ASSERT_ERRNO(punch(fd, 0, 0), EINVAL);
	ASSERT_EQ(ftruncate(fd, PAGE_SIZE), -1);
	ASSERT_ERRNO(ioctl(fd, DITTO_GMEM_STATS, (void *)8), EFAULT);
	ASSERT_ERRNO(ioctl(fd, KVM_CREATE_VM, 0), ENOTTY);
	close(fd);
}

static void bad_regions(const void *arg)
{
	struct vm *vm;
	int fd, i, null;
	static const struct {
		u64 gpa, size, offset;
		u32 slot, flags;
		int error;
	} bad[] = {
		{ SLOT_GPA + 1, PAGE_SIZE, 0, 1, 0, EINVAL },
		{ SLOT_GPA, 100, 0, 1, 0, EINVAL },
		{ SLOT_GPA, PAGE_SIZE, 1, 1, 0, EINVAL },
		{ SLOT_GPA, 5 * PAGE_SIZE, 0, 1, 0, EINVAL },
		{ SLOT_GPA, 2 * PAGE_SIZE, 3 * PAGE_SIZE, 1, 0, EINVAL },
		{ SLOT_GPA, PAGE_SIZE, ~0xfffull, 1, 0, EINVAL },
		{ SLOT_GPA, PAGE_SIZE, 0, 1, 0x100, EINVAL },
		{ SLOT_GPA, PAGE_SIZE, 0, ~0u, 0, EINVAL },
		{ ~0xfffull, 2 * PAGE_SIZE, 0, 1, 0, EINVAL },
		{ 0x1000, PAGE_SIZE, 0, 1, 0, EEXIST },
	};

	need_ditto();
	vm = vm_new(NULL);
	fd = gmem_new(4 * PAGE_SIZE, 0);
	null = CHECKED(open("/dev/null", O_RDWR));
	for (i = 0; i < (int)ARRAY_SIZE(bad); i++)
		if (vm_set_gmem_slot(vm, bad[i].slot, bad[i].flags, bad[i].gpa, bad[i].size, fd,
				     bad[i].offset) != -1 || errno != bad[i].error)
			fail("region %d: %s, want %s", i, strerrorname_np(errno),
			     strerrorname_np(bad[i].error));
	ASSERT_ERRNO(vm_set_gmem_slot(vm, 1, 0, SLOT_GPA, PAGE_SIZE, -1, 0), EBADF);
	ASSERT_ERRNO(vm_set_gmem_slot(vm, 1, 0, SLOT_GPA, PAGE_SIZE, 9999, 0), EBADF);
	ASSERT_ERRNO(vm_set_gmem_slot(vm, 1, 0, SLOT_GPA, PAGE_SIZE, null, 0), EBADF);
	ASSERT_ERRNO(vm_set_gmem_slot(vm, 1, 0, SLOT_GPA, PAGE_SIZE, vm->fd, 0), EBADF);
	ASSERT_ERRNO(ioctl(vm->fd, DITTO_SET_GMEM_REGION, (void *)8), EFAULT);
	vm_call(vm, "g_arith", 0);
	vm_free(vm);
}

/* First zero, then what was written; accounted page by page; gone when punched. */
static void pages(const void *arg)
{
	struct stat st;
	u8 *p;
	int fd, i;

	need_ditto();
	fd = gmem_new(4 * MIB, 0);
	p = gmem_map(fd, 4 * MIB);
	for (i = 0; i < 1024; i++)
		ASSERT_EQ(p[i * PAGE_SIZE], 0);
	ASSERT_EQ(stats(fd).private_bytes, 0);
	for (i = 0; i < 100; i++)
		p[i * 7 * PAGE_SIZE] = i + 1;
	ASSERT_EQ(stats(fd).private_bytes, 100 * PAGE_SIZE);
	ASSERT_EQ(stats(fd).charged_bytes, 100 * PAGE_SIZE);
	CHECKED(fstat(fd, &st));
	ASSERT_EQ(st.st_blocks, 100 * 8);
	for (i = 0; i < 100; i++)
		ASSERT_EQ(p[i * 7 * PAGE_SIZE], i + 1);
	CHECKED(punch(fd, 0, 70 * PAGE_SIZE));
	ASSERT_EQ(stats(fd).private_bytes, 90 * PAGE_SIZE);
	ASSERT_EQ(p[7 * PAGE_SIZE], 0);
	ASSERT_EQ(p[70 * PAGE_SIZE], 11);
	CHECKED(punch(fd, 0, 4 * MIB));
	ASSERT_EQ(stats(fd).private_bytes, 0);
	ASSERT_EQ(p[70 * PAGE_SIZE], 0);
	p[70 * PAGE_SIZE] = 5;
	ASSERT_EQ(stats(fd).private_bytes, PAGE_SIZE);
	munmap(p, 4 * MIB);
	close(fd);
}

/* Two mappings, in two processes, are the same memory. */
static void shared_mapping(const void *arg)
{
	volatile u8 *p, *q;
	int fd, status;
	pid_t child;

	need_ditto();
	fd = gmem_new(2 * PAGE_SIZE, 0);
	p = gmem_map(fd, 2 * PAGE_SIZE);
	q = gmem_map(fd, 2 * PAGE_SIZE);
	p[5] = 7;
	ASSERT_EQ(q[5], 7);
	child = fork();
	if (!child) {
		if (p[5] != 7)
			_exit(1);
		p[PAGE_SIZE] = 9;
		_exit(0);
	}
	waitpid(child, &status, 0);
	ASSERT_EQ(status, 0);
	ASSERT_EQ(q[PAGE_SIZE], 9);
}

/* The kernel writes into it and reads from it past the page cache. */
static void direct_io(const void *arg)
{
	static const char path[] = "/out/gmem-direct-io";
	const char *file = path;
	u8 *p;
	int fd, io, i;

	need_ditto();
	fd = gmem_new(MIB, 0);
	p = gmem_map(fd, MIB);
	io = open(file, O_RDWR | O_CREAT | O_TRUNC | O_DIRECT, 0600);
	if (io < 0) {
		file = "/root/gmem-direct-io";
		io = open(file, O_RDWR | O_CREAT | O_TRUNC | O_DIRECT, 0600);
	}
	if (io < 0)
		skip("no file system with O_DIRECT: %s", strerror(errno));
	for (i = 0; i < 256; i++)
		memset(p + i * PAGE_SIZE, i, PAGE_SIZE);
	ASSERT_EQ(CHECKED(pwrite(io, p, MIB, 0)), MIB);
	CHECKED(punch(fd, 0, MIB));
	ASSERT_EQ(CHECKED(pread(io, p, MIB, 0)), MIB);
	for (i = 0; i < 256; i++)
		ASSERT_EQ(p[i * PAGE_SIZE + 77], (u8)i);
	unlink(file);
}

/* What the guest wrote is in the mapping; what the mapping wrote the guest reads. */
static void guest_and_mapping(const void *arg)
{
	struct vm *vm;
	struct vcpu *vcpu;
	volatile u64 *p;
	u32 i, value;
	int fd;

	need_ditto();
	vm = vm_new(NULL);
	vcpu = &vm->vcpu[0];
	fd = gmem_new(4 * MIB, 0);
	p = gmem_map(fd, 4 * MIB);
	CHECKED(vm_set_gmem_slot(vm, 1, 0, SLOT_GPA, 2 * MIB, fd, MIB));
	close(fd);
	vcpu_call(vcpu, "g_read", SLOT_GPA);
	for (i = 0; i < 20; i++) {
		p[MIB / 8] = i;
		ASSERT_EQ(vcpu_enter(vcpu), KVM_EXIT_IO);
		memcpy(&value, (u8 *)vcpu->run + vcpu->run->io.data_offset, 4);
		ASSERT_EQ(value, i);
	}
	vcpu_call(vcpu, "g_write_forever", SLOT_GPA);
	for (i = 0; i < 4; i++) {
		ASSERT_EQ(vcpu_enter(vcpu), KVM_EXIT_IO);
		for (u32 j = 0; j < 256; j++)
			ASSERT_EQ(p[(MIB + j * PAGE_SIZE) / 8], i);
	}
	ASSERT_EQ(p[0], 0);
	vm_free(vm);
}

/* Punched under a running guest: zeros, and never an error. */
static void punch_under_guest(const void *arg)
{
	struct vm *vm;
	struct vcpu *vcpu;
	volatile u64 *p;
	u32 i, value;
	int fd;

	need_ditto();
	vm = vm_new(NULL);
	vcpu = &vm->vcpu[0];
	fd = gmem_new(2 * MIB, 0);
	p = gmem_map(fd, 2 * MIB);
	CHECKED(vm_set_gmem_slot(vm, 1, 0, SLOT_GPA, 2 * MIB, fd, 0));
	vcpu_call(vcpu, "g_read", SLOT_GPA);
	for (i = 1; i < 20; i++) {
		p[0] = i;
		ASSERT_EQ(vcpu_enter(vcpu), KVM_EXIT_IO);
		memcpy(&value, (u8 *)vcpu->run + vcpu->run->io.data_offset, 4);
		ASSERT_EQ(value, i);
		CHECKED(punch(fd, 0, i & 1 ? PAGE_SIZE : 2 * MIB));
		ASSERT_EQ(vcpu_enter(vcpu), KVM_EXIT_IO);
		memcpy(&value, (u8 *)vcpu->run + vcpu->run->io.data_offset, 4);
		ASSERT_EQ(value, 0);
	}
	vm_free(vm);
}

/* One gmem in two VMs, and twice in one, is one memory. */
static void two_vms(const void *arg)
{
	struct vm *a, *b;
	u32 value;
	int fd;

	need_ditto();
	a = vm_new(NULL);
	b = vm_new(NULL);
	fd = gmem_new(MIB, 0);
	CHECKED(vm_set_gmem_slot(a, 1, 0, SLOT_GPA, MIB, fd, 0));
	CHECKED(vm_set_gmem_slot(b, 1, 0, SLOT_GPA, MIB, fd, 0));
	CHECKED(vm_set_gmem_slot(b, 2, 0, 2 * SLOT_GPA, MIB, fd, 0));
	vcpu_call(&a->vcpu[0], "g_write_forever", SLOT_GPA);
	ASSERT_EQ(vcpu_enter(&a->vcpu[0]), KVM_EXIT_IO);
	ASSERT_EQ(vcpu_enter(&a->vcpu[0]), KVM_EXIT_IO);
	vcpu_call(&b->vcpu[0], "g_read", 2 * SLOT_GPA + 255 * PAGE_SIZE);
	ASSERT_EQ(vcpu_enter(&b->vcpu[0]), KVM_EXIT_IO);
	memcpy(&value, (u8 *)b->vcpu[0].run + b->vcpu[0].run->io.data_offset, 4);
	ASSERT_EQ(value, 1);
	vm_free(a);
	ASSERT_EQ(vcpu_enter(&b->vcpu[0]), KVM_EXIT_IO);
	vm_free(b);
}

static int set_name(struct vm *vm, const char *name)
{
	struct ditto_vm_name args;

	memset(&args, 'x', sizeof(args));
	if (name)
		strncpy(args.name, name, sizeof(args.name));
	return ioctl(vm->fd, DITTO_SET_NAME, &args);
}

static void names_and_list(const void *arg)
{
	struct ditto_vm_info info[64];
	struct ditto_vm_list list = { .capacity = 64, .vms = (uintptr_t)info };
	struct vm *vm;
	int dev, found = 0;
	u32 i;

	need_ditto();
	vm = vm_new(&(struct vm_config) { .vcpus = 2 });
	vm_call(vm, "g_touch", 6 * MIB);
	CHECKED(set_name(vm, "test machine"));
	ASSERT_ERRNO(set_name(vm, NULL), EINVAL);
	ASSERT_ERRNO(set_name(vm, "a/b"), EINVAL);
	ASSERT_ERRNO(set_name(vm, "new\nline"), EINVAL);
	ASSERT_ERRNO(set_name(vm, "\x80"), EINVAL);
	dev = dev_open();
	CHECKED(ioctl(dev, DITTO_LIST_VMS, &list));
	ASSERT(list.count >= 1);
	for (i = 0; i < list.count && i < 64; i++) {
		if (info[i].pid != (u32)getpid())
			continue;
		found++;
		ASSERT(!strcmp(info[i].name, "test machine"));
		ASSERT_EQ(info[i].vcpus, 2);
		ASSERT_EQ(info[i].ram_bytes, vm->ram_size);
		ASSERT(vm->gmem < 0 || info[i].resident_bytes >= 2 * MIB);
		ASSERT_EQ(info[i].uid, getuid());
	}
	ASSERT_EQ(found, 1);
	list.capacity = 0;
	list.vms = 8;
	CHECKED(ioctl(dev, DITTO_LIST_VMS, &list));
	ASSERT(list.count >= 1);
	list.capacity = 1;
	ASSERT_ERRNO(ioctl(dev, DITTO_LIST_VMS, &list), EFAULT);
	list.capacity = 0xffffffff;
	list.vms = (uintptr_t)info;
	(void)ioctl(dev, DITTO_LIST_VMS, &list);
	vm_free(vm);
}

/* What the list says of the calling process's one machine. */
static u64 listed_resident(void)
{
	struct ditto_vm_info info[64];
	struct ditto_vm_list list = { .capacity = 64, .vms = (uintptr_t)info };
	u32 i;

	CHECKED(ioctl(dev_open(), DITTO_LIST_VMS, &list));
	for (i = 0; i < list.count && i < 64; i++)
		if (info[i].pid == (u32)getpid())
			return info[i].resident_bytes;
	fail("the machine is not in the list");
}

/* Memory of the VMM's own is counted, too, by whomever it was touched. */
static void list_own_memory(const void *arg)
{
	struct vm *vm;
	u64 before;

	need_ditto();
	vm = vm_new(&(struct vm_config) { .ram = 32 * MIB, .user = true });
	CHECKED(madvise(vm->ram, vm->ram_size, MADV_NOHUGEPAGE));
	vm_call(vm, "g_touch", 6 * MIB);
	before = listed_resident();
	ASSERT(before >= 2 * MIB && before < 8 * MIB);
	memset(vm->ram + 16 * MIB, 1, 4 * MIB);
	ASSERT_EQ(listed_resident(), before + 4 * MIB);
	CHECKED(madvise(vm->ram + 16 * MIB, 1 * MIB, MADV_DONTNEED));
	ASSERT_EQ(listed_resident(), before + 3 * MIB);
	vm_free(vm);
}

static const struct tap_test tests[] = {
	{ "bad_create", bad_create }, { "sizes", sizes }, { "bad_mmap", bad_mmap },
	{ "bad_fallocate", bad_fallocate }, { "bad_regions", bad_regions },
	{ "pages", pages }, { "shared_mapping", shared_mapping }, { "direct_io", direct_io },
	{ "guest_and_mapping", guest_and_mapping }, { "punch_under_guest", punch_under_guest },
	{ "two_vms", two_vms }, { "names_and_list", names_and_list },
	{ "list_own_memory", list_own_memory },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, tests, ARRAY_SIZE(tests));
}
