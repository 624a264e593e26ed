// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory slots over process memory: bad ones, and what the process does to the
 * memory while a guest runs on it.
 */
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
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

static const struct tap_test tests[] = {
	{ "bad_slots", bad_slots },
	{ "many_slots", many_slots },
	{ "not_mapped", not_mapped },
	{ "unmapped_in_use", unmapped_in_use },
	{ "protected_in_use", protected_in_use },
	{ "dropped_in_use", dropped_in_use },
	{ "forked_in_use", forked_in_use },
	{ "forked_guest_writes", forked_guest_writes },
	{ "moved_in_use", moved_in_use },
	{ "deleted_in_use", deleted_in_use },
	{ "storm", storm, .seconds = 60 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, tests, ARRAY_SIZE(tests));
}
