// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory slots over mappings of gmems, as an unmodified VMM makes them: they are bound to the
 * gmem, and follow whatever the process does to its mappings while the guest uses them. Runs
 * as root; ditto only.
 */
#include <fcntl.h>
#include <linux/falloc.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "mount.h"

#define SLOT_GPA 0x10000000ul
/* What g_write_forever writes to. */
#define PAGES 256
#define SIZE (PAGES * PAGE_SIZE)
#define PUNCH (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE)

static u32 at(const u8 *p, u32 page)
{
	return *(volatile u32 *)(p + page * PAGE_SIZE);
}

/* Does the process itself have a page there? */
static bool present(const u8 *p, u32 page)
{
	int fd = CHECKED(open("/proc/self/pagemap", O_RDONLY));
	u64 entry;

	ASSERT_EQ(pread(fd, &entry, 8, ((uintptr_t)p / PAGE_SIZE + page) * 8), 8);
	close(fd);
	return entry >> 63;
}

static u64 resident(const struct vm *vm)
{
	struct ditto_vm_info info[16];
	struct ditto_vm_list list = { .capacity = 16, .vms = (uintptr_t)info };
	u64 sum = 0;
	u32 i;
	int dev = dev_open();

	CHECKED(ioctl(dev, DITTO_LIST_VMS, &list));
	for (i = 0; i < list.count && i < 16; i++)
		if (info[i].pid == (u32)getpid())
			sum += info[i].resident_bytes;
	close(dev);
	return sum;
}

/* The next value that the guest traces; the exit must be that. */
static u32 traced(struct vm *vm)
{
	struct vcpu *vcpu = &vm->vcpu[0];
	u32 value;

	ASSERT_EQ(vcpu_enter(vcpu), KVM_EXIT_IO);
	ASSERT_EQ(vcpu->run->io.port, GUEST_PORT_TRACE);
	memcpy(&value, (u8 *)vcpu->run + vcpu->run->io.data_offset, 4);
	return value;
}

static struct vm *guest(const void *hva, u64 size, const char *what)
{
	struct vm *vm;

	need_ditto();
	vm = vm_new(&(struct vm_config) { .user = true });
	CHECKED(vm_set_slot(vm, 1, 0, SLOT_GPA, size, hva));
	vcpu_call(&vm->vcpu[0], what, SLOT_GPA);
	return vm;
}

static u8 *anonymous(size_t size)
{
	u8 *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT(p != MAP_FAILED);
	return p;
}

static void *put(void *where, size_t size, int fd, u64 offset)
{
	int flags = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;

	ASSERT_EQ(mmap(where, size, PROT_READ | PROT_WRITE, flags | MAP_FIXED, fd, offset), where);
	return where;
}

static void done(struct vm *vm)
{
	ASSERT_EQ(knob_violations(), 0);
	vm_free(vm);
	ASSERT_EQ(knob_violations(), 0);
}

/* The guest's pages do not go through the process's page tables. */
static void bound(const void *arg)
{
	int fd = gmem_new(SIZE, 0);
	u8 *p = gmem_map(fd, SIZE);
	struct vm *vm = guest(p, SIZE, "g_write_forever");
	u64 before = resident(vm), more;
	u32 i, n = 0;

	ASSERT_EQ(traced(vm), 0);
	ASSERT_EQ(traced(vm), 1);
	for (i = 0; i < PAGES; i++)
		n += present(p, i);
	if (n > 2)
		fail("the process has %u of the guest's pages", n);
	/* And some of the guest's other memory. */
	more = resident(vm) - before;
	if (more < SIZE || more > SIZE + MIB / 2)
		fail("%lu bytes are counted", more);
	for (i = 0; i < PAGES; i++)
		ASSERT_EQ(at(p, i), 1);
	ASSERT_EQ(traced(vm), 2);
	for (i = 0; i < PAGES; i++)
		ASSERT_EQ(at(p, i), 2);
	done(vm);
}

static void unmapped(const void *arg)
{
	int fd = gmem_new(SIZE, 0);
	u8 *p = gmem_map(fd, SIZE);
	struct vm *vm = guest(p, SIZE, "g_write_forever");
	u32 i;

	ASSERT_EQ(traced(vm), 0);
	CHECKED(munmap(p + 100 * PAGE_SIZE, PAGE_SIZE));
	ASSERT_EQ(vcpu_enter(&vm->vcpu[0]), -EFAULT);
	ASSERT_EQ(knob_violations(), 0);
	/* It is what is put there. */
	put(p + 100 * PAGE_SIZE, PAGE_SIZE, -1, 0);
	ASSERT_EQ(traced(vm), 1);
	for (i = 0; i < PAGES; i++)
		ASSERT_EQ(at(p, i), 1);
	/* Not what was there. */
	put(p + 100 * PAGE_SIZE, PAGE_SIZE, fd, 100 * PAGE_SIZE);
	ASSERT_EQ(at(p, 100), 0);
	ASSERT_EQ(traced(vm), 2);
	ASSERT_EQ(at(p, 100), 2);
	CHECKED(munmap(p, SIZE));
	ASSERT_EQ(vcpu_enter(&vm->vcpu[0]), -EFAULT);
	done(vm);
}

/* Protection of memory of which the process has no page, so that no page table tells. */
static void protected(const void *arg)
{
	int fd = gmem_new(SIZE, 0);
	u8 *p = gmem_map(fd, SIZE);
	struct vm *vm = guest(p, SIZE, "g_write_forever");

	ASSERT_EQ(traced(vm), 0);
	ASSERT(!present(p, 200));
	CHECKED(mprotect(p + 200 * PAGE_SIZE, 10 * PAGE_SIZE, PROT_READ));
	ASSERT_EQ(vcpu_enter(&vm->vcpu[0]), -EFAULT);
	ASSERT_EQ(at(p, 199), 1);
	ASSERT_EQ(at(p, 200), 0);
	CHECKED(mprotect(p + 200 * PAGE_SIZE, 10 * PAGE_SIZE, PROT_NONE));
	ASSERT_EQ(vcpu_enter(&vm->vcpu[0]), -EFAULT);
	CHECKED(mprotect(p, SIZE, PROT_READ | PROT_WRITE));
	ASSERT_EQ(traced(vm), 1);
	ASSERT_EQ(at(p, 200), 1);
	CHECKED(mprotect(p, SIZE, PROT_NONE));
	ASSERT_EQ(vcpu_enter(&vm->vcpu[0]), -EFAULT);
	CHECKED(mprotect(p, SIZE, PROT_READ | PROT_WRITE));
	ASSERT_EQ(traced(vm), 2);
	done(vm);
}

static void moved(const void *arg)
{
	int fd = gmem_new(2 * SIZE, 0);
	u8 *p = gmem_map(fd, 2 * SIZE), *q = anonymous(SIZE), *r;
	struct vm *vm = guest(p, SIZE, "g_write_forever");
	u32 i;

	ASSERT_EQ(traced(vm), 0);
	ASSERT_EQ(mremap(p, SIZE, SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, q), q);
	ASSERT_EQ(vcpu_enter(&vm->vcpu[0]), -EFAULT);
	/* The other half of the gmem is there now. */
	put(p, SIZE, fd, SIZE);
	ASSERT_EQ(traced(vm), 1);
	for (i = 0; i < PAGES; i++) {
		ASSERT_EQ(at(q, i), 0);
		ASSERT_EQ(at(p, i), 1);
	}
	/* And a part of it back. */
	r = mremap(q, 10 * PAGE_SIZE, 10 * PAGE_SIZE, MREMAP_MAYMOVE | MREMAP_FIXED,
		   p + 50 * PAGE_SIZE);
	ASSERT_EQ(r, p + 50 * PAGE_SIZE);
	ASSERT_EQ(at(p, 50), 0);
	ASSERT_EQ(traced(vm), 2);
	for (i = 0; i < PAGES; i++)
		ASSERT_EQ(at(p, i), 2);
	/* Shorter, and not longer. */
	ASSERT_EQ(mremap(p, 50 * PAGE_SIZE, 20 * PAGE_SIZE, 0), p);
	ASSERT_EQ(vcpu_enter(&vm->vcpu[0]), -EFAULT);
	ASSERT_ERRNO(mremap(p, 20 * PAGE_SIZE, 50 * PAGE_SIZE, 0), EFAULT);
	put(p + 20 * PAGE_SIZE, 30 * PAGE_SIZE, -1, 0);
	ASSERT_EQ(traced(vm), 3);
	done(vm);
}

/* What is done to pages is done to the file, and the mapping stays. */
static void pages_only(const void *arg)
{
	int fd, i;
	struct vm *vm;
	u8 *p;

	begin("");
	fd = open_file("a", SIZE);
	p = gmem_map(fd, SIZE);
	vm = guest(p, SIZE, "g_write_forever");
	ASSERT_EQ(traced(vm), 0);
	ASSERT_EQ(traced(vm), 1);
	CHECKED(madvise(p, SIZE, MADV_DONTNEED));
	for (i = 0; i < PAGES; i++)
		ASSERT_EQ(at(p, i), 1);
	CHECKED(madvise(p + PAGE_SIZE, PAGE_SIZE, MADV_REMOVE));
	ASSERT_EQ(at(p, 1), 0);
	CHECKED(fallocate(fd, PUNCH, 2 * PAGE_SIZE, 2 * PAGE_SIZE));
	ASSERT_EQ(at(p, 2), 0);
	ASSERT_EQ(at(p, 4), 1);
	ASSERT_EQ(traced(vm), 2);
	ASSERT_EQ(at(p, 1), 2);
	CHECKED(ftruncate(fd, 200 * PAGE_SIZE));
	ASSERT_EQ(vcpu_enter(&vm->vcpu[0]), -EFAULT);
	ASSERT_EQ(at(p, 199), 3);
	CHECKED(ftruncate(fd, SIZE));
	ASSERT_EQ(at(p, 200), 0);
	ASSERT_EQ(traced(vm), 3);
	ASSERT_EQ(at(p, 200), 3);
	done(vm);
	munmap(p, SIZE);
	close(fd);
	end();
}

/* A file that grows under a mapping that was longer from the beginning. */
static void grown(const void *arg)
{
	struct vm *vm;
	int fd;
	u8 *p;

	begin("");
	fd = open_file("a", 100 * PAGE_SIZE);
	p = gmem_map(fd, SIZE);
	vm = guest(p, SIZE, "g_write_forever");
	ASSERT_EQ(vcpu_enter(&vm->vcpu[0]), -EFAULT);
	ASSERT_EQ(at(p, 99), 0);
	CHECKED(ftruncate(fd, SIZE));
	ASSERT_EQ(traced(vm), 0);
	ASSERT_EQ(traced(vm), 1);
	ASSERT_EQ(at(p, 99), 1);
	ASSERT_EQ(at(p, 100), 1);
	done(vm);
	munmap(p, SIZE);
	close(fd);
	end();
}

/* The child shares the memory, and has no machine. */
static void forked(const void *arg)
{
	int fd = gmem_new(SIZE, 0), status, go[2];
	u8 *p = gmem_map(fd, SIZE);
	struct vm *vm = guest(p, SIZE, "g_write_forever");
	pid_t child;
	char c;

	ASSERT_EQ(traced(vm), 0);
	CHECKED(pipe(go));
	child = fork();
	if (!child) {
		if (read(go[0], &c, 1) != 1 || at(p, 200) != 1)
			_exit(2);
		if (ioctl(vm->vcpu[0].fd, KVM_RUN, 0) != -1 || errno != EIO)
			_exit(3);
		munmap(p, SIZE);
		_exit(0);
	}
	ASSERT_EQ(traced(vm), 1);
	ASSERT_EQ(write(go[1], "x", 1), 1);
	waitpid(child, &status, 0);
	ASSERT_EQ(status, 0);
	ASSERT_EQ(traced(vm), 2);
	ASSERT_EQ(at(p, 200), 2);
	done(vm);
}

/* One slot over so many mappings, of two gmems and of other memory. */
static void pieces(const void *arg)
{
	u32 n = (uintptr_t)arg, each = PAGES / n, round, i;
	int a = gmem_new(SIZE, 0), b = gmem_new(SIZE, 0);
	u8 *p = anonymous(SIZE);
	struct vm *vm;

	for (i = 0; i < n; i++)
		put(p + i * each * PAGE_SIZE, each * PAGE_SIZE,
		    i % 3 == 0 ? -1 : i % 3 == 1 ? a : b, (n - 1 - i) * each * PAGE_SIZE);
	vm = guest(p, SIZE, "g_write_forever");
	for (round = 0; round < 4; round++) {
		ASSERT_EQ(traced(vm), round);
		for (i = 0; i < PAGES; i++)
			ASSERT_EQ(at(p, i), round);
		ASSERT_EQ(knob_violations(), 0);
		/* The first of a piece changes to another kind. */
		if (round < n)
			put(p + round * each * PAGE_SIZE, PAGE_SIZE, round % 2 ? -1 : b,
			    SIZE - PAGE_SIZE);
	}
	done(vm);
}

/* A mapping with fewer rights than the slot gives, and a slot that gives fewer. */
static void rights(const void *arg)
{
	int fd = gmem_new(SIZE, 0);
	u8 *p = gmem_map(fd, SIZE);
	u8 *q = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, fd, 0);
	struct vm *vm;

	ASSERT(q != MAP_FAILED);
	*(u32 *)p = 7;
	vm = guest(q, SIZE, "g_read");
	ASSERT_EQ(traced(vm), 7);
	vcpu_call(&vm->vcpu[0], "g_replace", SLOT_GPA);
	ASSERT_EQ(vcpu_enter(&vm->vcpu[0]), -EFAULT);
	ASSERT_EQ(*(u32 *)p, 7);
	done(vm);
	vm = vm_new(&(struct vm_config) { .user = true });
	CHECKED(vm_set_slot(vm, 1, KVM_MEM_READONLY, SLOT_GPA, SIZE, p));
	vcpu_call(&vm->vcpu[0], "g_replace", SLOT_GPA);
	ASSERT_EQ(vcpu_enter(&vm->vcpu[0]), KVM_EXIT_MMIO);
	ASSERT(vm->vcpu[0].run->mmio.is_write);
	ASSERT_EQ(traced(vm), 7);
	ASSERT_EQ(*(u32 *)p, 7);
	done(vm);
}

static u32 logged(struct vm *vm)
{
	u64 bits[PAGES / 64] = { 0 };
	struct kvm_dirty_log log = { .slot = 1, .dirty_bitmap = bits };
	u32 i, n = 0;

	CHECKED(ioctl(vm->fd, KVM_GET_DIRTY_LOG, &log));
	for (i = 0; i < PAGES / 64; i++)
		n += __builtin_popcountll(bits[i]);
	return n;
}

/* The slot's dirty log has what is written through windows. */
static void dirty_log(const void *arg)
{
	int fd = gmem_new(SIZE, 0);
	u8 *p = gmem_map(fd, SIZE);
	struct vm *vm = guest(p, SIZE, "g_write_forever");

	ASSERT_EQ(traced(vm), 0);
	CHECKED(vm_set_slot(vm, 1, KVM_MEM_LOG_DIRTY_PAGES, SLOT_GPA, SIZE, p));
	ASSERT_EQ(logged(vm), 0);
	ASSERT_EQ(traced(vm), 1);
	ASSERT_EQ(logged(vm), PAGES);
	ASSERT_EQ(logged(vm), 0);
	put(p + 100 * PAGE_SIZE, 10 * PAGE_SIZE, fd, 100 * PAGE_SIZE);
	ASSERT_EQ(traced(vm), 2);
	ASSERT_EQ(logged(vm), PAGES);
	ASSERT_EQ(at(p, 105), 2);
	CHECKED(vm_set_slot(vm, 1, 0, SLOT_GPA, SIZE, p));
	ASSERT_EQ(traced(vm), 3);
	done(vm);
}

/* The slot moves, goes and comes back while a window is there. */
static void slot_changes(const void *arg)
{
	int fd = gmem_new(SIZE, 0);
	u8 *p = gmem_map(fd, SIZE);
	struct vm *vm = guest(p, SIZE, "g_replace");
	u32 i;

	for (i = 0; i < 20; i++) {
		ASSERT_EQ(traced(vm), i);
		CHECKED(vm_set_slot(vm, 1, 0, 2 * SLOT_GPA, SIZE, p));
		CHECKED(vm_set_slot(vm, 1, 0, SLOT_GPA, SIZE, p));
		if (i % 2)
			continue;
		CHECKED(vm_set_slot(vm, 1, 0, SLOT_GPA, 0, NULL));
		CHECKED(vm_set_slot(vm, 1, 0, SLOT_GPA, SIZE, p));
	}
	close(fd);
	munmap(p, SIZE);
	ASSERT_EQ(vcpu_enter(&vm->vcpu[0]), -EFAULT);
	done(vm);
}

static void calm(u8 *p, struct vm *vm, u32 value)
{
	u32 i, tries;

	for (tries = 0; tries < 100; tries++) {
		if (knob_read(DITTO_KSM "pages_sharing") >= PAGES - 2)
			break;
		usleep(100000);
	}
	note("%ld pages shared by %ld", knob_read(DITTO_KSM "pages_shared"),
	     knob_read(DITTO_KSM "pages_sharing"));
	ASSERT(tries < 100);
	for (i = 0; i < PAGES; i++)
		ASSERT_EQ(at(p, i), value);
}

/* Pages that the guest wrote, and those that the process has touched as well, merge. */
static void merges(const void *arg)
{
	int fd = gmem_new(SIZE, 0);
	u8 *p = gmem_map(fd, SIZE);
	struct vm *vm = guest(p, SIZE, "g_write_forever");
	u32 i;

	ASSERT_EQ(traced(vm), 0);
	ASSERT_EQ(traced(vm), 1);
	CHECKED(knob_write(DITTO_KSM "sleep_millisecs", 10));
	CHECKED(knob_write(DITTO_KSM "run", 1));
	calm(p, vm, 1);
	calm(p, vm, 1);
	ASSERT_EQ(traced(vm), 2);
	for (i = 0; i < PAGES; i++)
		ASSERT_EQ(at(p, i), 2);
	/* The process writes, and the guest goes on. */
	memset(p, 9, SIZE);
	ASSERT_EQ(traced(vm), 3);
	calm(p, vm, 3);
	CHECKED(knob_write(DITTO_KSM "run", 0));
	done(vm);
}

static volatile bool storm_ends;

static void *storm_maps(void *arg)
{
	u8 *p = arg, *q = anonymous(SIZE);
	u32 i;

	for (i = 0; !storm_ends; i++) {
		u64 page = (i * 2654435761u >> 8) % (PAGES / 8) * 8 * PAGE_SIZE;

		switch (i % 6) {
		case 0:
			CHECKED(mprotect(p + page, 8 * PAGE_SIZE, PROT_READ));
			CHECKED(mprotect(p + page, 8 * PAGE_SIZE, PROT_READ | PROT_WRITE));
			break;
		case 1:
			CHECKED(madvise(p + page, 8 * PAGE_SIZE, MADV_DONTNEED));
			break;
		case 2:
			*(volatile u32 *)(p + page + 64) = i;
			break;
		case 3:
			CHECKED(mprotect(p, SIZE, PROT_READ));
			CHECKED(mprotect(p, SIZE, PROT_READ | PROT_WRITE));
			break;
		case 4:
			CHECKED(mremap(p + page, 8 * PAGE_SIZE, 8 * PAGE_SIZE,
				       MREMAP_MAYMOVE | MREMAP_FIXED, q));
			CHECKED(mremap(q, 8 * PAGE_SIZE, 8 * PAGE_SIZE,
				       MREMAP_MAYMOVE | MREMAP_FIXED, p + page));
			break;
		case 5:
			usleep(i % 1000);
			break;
		}
	}
	return NULL;
}

/* The guest writes while its mappings come and go: it loses nothing, or hears of a fault. */
static void storm(const void *arg)
{
	int fd = gmem_new(SIZE, 0);
	u8 *p = gmem_map(fd, SIZE);
	struct vm *vm = guest(p, SIZE, "g_write_forever");
	u32 round, i, faults = 0;
	time_t end = time(NULL) + 20;
	pthread_t thread;
	int exit;

	CHECKED(knob_write(DITTO_KSM "sleep_millisecs", 10));
	CHECKED(knob_write(DITTO_KSM "run", 1));
	pthread_create(&thread, NULL, storm_maps, p);
	for (round = 0; round < 300 && time(NULL) < end; round++) {
		while ((exit = vcpu_enter(&vm->vcpu[0])) == -EFAULT)
			faults++;
		ASSERT_EQ(exit, KVM_EXIT_IO);
		ASSERT_EQ(*(u32 *)((u8 *)vm->vcpu[0].run + vm->vcpu[0].run->io.data_offset), round);
	}
	storm_ends = true;
	pthread_join(thread, NULL);
	CHECKED(knob_write(DITTO_KSM "run", 0));
	for (i = 0; i < PAGES; i++)
		ASSERT_EQ(at(p, i), round - 1);
	note("%u rounds, %u faults", round, faults);
	done(vm);
}

/* The process ends; its machine does not, because a child of it has it open. */
static void orphan(const void *arg)
{
	int fd = gmem_new(SIZE, 0), status, said[2];
	int error = 0;
	pid_t child;

	need_ditto();
	CHECKED(pipe(said));
	child = fork();
	if (!child) {
		struct vm *vm = guest(gmem_map(fd, SIZE), SIZE, "g_write_forever");

		if (traced(vm))
			_exit(2);
		if (!fork()) {
			usleep(500000);
			error = ioctl(vm->vcpu[0].fd, KVM_RUN, 0) == -1 ? errno : -1;
			_exit(write(said[1], &error, sizeof(error)) != sizeof(error));
		}
		_exit(0);
	}
	waitpid(child, &status, 0);
	ASSERT_EQ(status, 0);
	usleep(200000);
	ASSERT_EQ(knob_violations(), 0);
	ASSERT_EQ(read(said[0], &error, sizeof(error)), sizeof(error));
	ASSERT_EQ(error, EIO);
	usleep(200000);
	ASSERT_EQ(knob_violations(), 0);
	close(fd);
}

static const struct tap_test tests[] = {
	{ "bound", bound }, { "unmapped", unmapped }, { "protected", protected },
	{ "moved", moved }, { "pages_only", pages_only }, { "grown", grown },
	{ "forked", forked },
	{ "pieces_2", pieces, (void *)2 }, { "pieces_8", pieces, (void *)8 },
	{ "pieces_64", pieces, (void *)64 },
	{ "rights", rights }, { "dirty_log", dirty_log }, { "slot_changes", slot_changes },
	{ "merges", merges, NULL, 60 }, { "storm", storm, NULL, 90 }, { "orphan", orphan },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, tests, ARRAY_SIZE(tests));
}
