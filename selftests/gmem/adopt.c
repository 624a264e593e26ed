// SPDX-License-Identifier: GPL-2.0-only
/*
 * Adoption: anonymous memory that a VMM marked as QEMU does becomes a gmem when the guest runs.
 * That no byte is lost on the way, whoever writes meanwhile; that what the VMM does to its memory
 * afterwards has the effect that it had before; and what is not adopted, and why. Runs as root;
 * ditto only. ADOPT_SECONDS makes the racing writers go on for longer.
 */
#include <fcntl.h>
#include <linux/mempolicy.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "mount.h"

#define SLOT_GPA	0x10000000ul
/* What g_write_forever writes to: the first word of each of these. */
#define GUEST_PAGES	256u
/* More than one piece of adoption's, at any address. */
#define SIZE		(40 * MIB)
#define PAGES		(SIZE / PAGE_SIZE)
#define SMALL		(4 * MIB)
/* What is moved at once, and is left alone when one of its pages cannot be. */
#define PIECE		(32 * MIB)

static u32 at(const u8 *p, u32 page)
{
	return *(volatile u32 *)(p + page * PAGE_SIZE);
}

static u8 *anonymous(size_t size)
{
	u8 *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT(p != MAP_FAILED);
	CHECKED(madvise(p, size, MADV_NOHUGEPAGE));
	return p;
}

/* SMALL bytes, @before of them before the end of a piece: all, or the rest is in the next. */
static u8 *in_pieces(size_t before)
{
	u8 *hole = mmap(NULL, 3 * PIECE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *p;

	ASSERT(hole != MAP_FAILED);
	CHECKED(munmap(hole, 3 * PIECE));
	p = (u8 *)(((uintptr_t)hole + 2 * PIECE) / PIECE * PIECE - before);
	ASSERT_EQ(mmap(p, SMALL, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0), p);
	CHECKED(madvise(p, SMALL, MADV_NOHUGEPAGE));
	return p;
}

static void mark(u8 *p, size_t size)
{
	CHECKED(madvise(p, size, MADV_DONTFORK));
	CHECKED(madvise(p, size, MADV_MERGEABLE));
}

/* How many bytes of [p, p + size) are gmem, and in how many mappings. */
static u64 adopted(const u8 *p, size_t size, u32 *mappings)
{
	u64 start, end, from = (uintptr_t)p, sum = 0;
	FILE *maps = fopen("/proc/self/maps", "r");
	char line[512];

	ASSERT(maps);
	*mappings = 0;
	while (fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%lx-%lx", &start, &end) != 2 || !strstr(line, "ditto-gmem"))
			continue;
		if (start < from)
			start = from;
		if (end > from + size)
			end = from + size;
		if (start >= end)
			continue;
		sum += end - start;
		++*mappings;
	}
	fclose(maps);
	return sum;
}

static bool is_adopted(const u8 *p, size_t size)
{
	u32 n;

	return adopted(p, size, &n) == size && n == 1;
}

static u32 unadopted(void)
{
	struct ditto_vm_info info[16];
	struct ditto_vm_list list = { .capacity = 16, .vms = (uintptr_t)info };
	int dev = dev_open();
	u32 i, found = 0;

	CHECKED(ioctl(dev, DITTO_LIST_VMS, &list));
	for (i = 0; i < list.count && i < 16; i++)
		if (info[i].pid == (u32)getpid())
			found = info[i].unadopted;
	close(dev);
	return found;
}

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

/* A new slot is looked at when the guest runs next. */
static void look_again(struct vm *vm, const void *hva, u64 size)
{
	CHECKED(vm_set_slot(vm, 1, 0, SLOT_GPA, 0, NULL));
	CHECKED(vm_set_slot(vm, 1, 0, SLOT_GPA, size, hva));
}

static void done(struct vm *vm)
{
	ASSERT_EQ(knob_violations(), 0);
	vm_free(vm);
	ASSERT_EQ(knob_violations(), 0);
}

/* Marked memory with a machine that has run once; all of it is adopted. */
static struct vm *adopted_guest(u8 **p, size_t size)
{
	struct vm *vm;

	need_ditto();
	*p = anonymous(size);
	mark(*p, size);
	vm = guest(*p, size, "g_write_forever");
	ASSERT_EQ(traced(vm), 0);
	ASSERT(is_adopted(*p, size));
	return vm;
}

/* Every byte that was there is there afterwards, and what was empty is. */
static void keeps(const void *arg)
{
	u8 *p = anonymous(SIZE);
	struct vm *vm;
	u32 i, n;

	for (i = 0; i < PAGES; i += 3)
		memset(p + i * PAGE_SIZE, i % 251 + 1, PAGE_SIZE);
	/* Pages that were only read are the kernel's zero page. */
	for (i = 1; i < PAGES; i += 30)
		ASSERT_EQ(at(p, i), 0);
	mark(p, SIZE);
	vm = guest(p, SIZE, "g_write_forever");
	ASSERT_EQ(adopted(p, SIZE, &n), 0);
	ASSERT_EQ(traced(vm), 0);
	if (adopted(p, SIZE, &n) != SIZE || n != 1)
		fail("%lu bytes are adopted, in %u mappings", adopted(p, SIZE, &n), n);
	for (i = 0; i < PAGES; i++)
		ASSERT_EQ(p[i * PAGE_SIZE + 77], i % 3 ? 0 : i % 251 + 1);
	ASSERT_EQ(traced(vm), 1);
	for (i = 0; i < GUEST_PAGES; i++)
		ASSERT_EQ(at(p, i), 1);
	done(vm);
	for (i = 0; i < PAGES; i++)
		ASSERT_EQ(p[i * PAGE_SIZE + 77], i % 3 ? 0 : i % 251 + 1);
}

/* Memory that is marked when the machine has run already. */
static void late(const void *arg)
{
	u8 *p = anonymous(SMALL);
	struct vm *vm = guest(p, SMALL, "g_write_forever");
	time_t end = time(NULL) + 15;
	u32 round = 0;

	ASSERT_EQ(traced(vm), round++);
	ASSERT(!is_adopted(p, SMALL));
	ASSERT_EQ(unadopted() & DITTO_UNADOPTED_MASK, DITTO_UNADOPTED_UNMARKED);
	ASSERT(unadopted() >> DITTO_UNADOPTED_SHIFT >= SMALL / MIB);
	mark(p, SMALL);
	while (!is_adopted(p, SMALL) && time(NULL) < end) {
		usleep(50000);
		ASSERT_EQ(traced(vm), round++);
	}
	ASSERT(is_adopted(p, SMALL));
	ASSERT_EQ(traced(vm), round);
	ASSERT_EQ(at(p, 200), round);
	done(vm);
}

/* Each makes a number larger that is its own, in every page, and knows what it is. */
struct writer {
	u8 *p;
	u32 rounds;
	pthread_t thread;
	void (*write)(u8 *p, u32 page, u32 value);
	u32 offset;
};

static volatile bool writers_end;

static void write_plainly(u8 *p, u32 page, u32 value)
{
	volatile u32 *w = (u32 *)(p + page * PAGE_SIZE + 64);

	*w = *w + 1;
}

static void write_atomically(u8 *p, u32 page, u32 value)
{
	__atomic_add_fetch((u32 *)(p + page * PAGE_SIZE + 128), 1, __ATOMIC_SEQ_CST);
}

/* As another process could; without the call for it by the file that a debugger writes to. */
static void write_from_afar(u8 *to, u32 value)
{
	struct iovec local = { &value, 4 }, remote = { to, 4 };
	static int mem_fd = -1;

	if (process_vm_writev(getpid(), &local, 1, &remote, 1, 0) == 4)
		return;
	if (errno != ENOSYS)
		fail("process_vm_writev: %s", strerror(errno));
	if (mem_fd < 0)
		mem_fd = CHECKED(open("/proc/self/mem", O_RDWR | O_CLOEXEC));
	ASSERT_EQ(pwrite(mem_fd, &value, 4, (uintptr_t)to), 4);
}

static void write_by_vm(u8 *p, u32 page, u32 value)
{
	u8 *to = p + page * PAGE_SIZE + 192;
	u32 was = *(volatile u32 *)to;

	if (was != value - 1)
		fail("page %u: %u was written, and %u is there", page, value - 1, was);
	write_from_afar(to, value);
}

static int direct_fd = -1;

/* 512 bytes from the disk, past the page cache. */
static void write_directly(u8 *p, u32 page, u32 value)
{
	u8 *to = p + page * PAGE_SIZE + 1024;

	if (pread(direct_fd, to, 512, value % 8 * 512) != 512)
		fail("pread: %s", strerror(errno));
	if (*(volatile u32 *)to != value % 8 + 1)
		fail("page %u: read %u, and %u is there", page, value % 8 + 1, *(u32 *)to);
}

static void *writer_run(void *arg)
{
	struct writer *w = arg;
	u32 page;

	while (!writers_end) {
		w->rounds++;
		for (page = GUEST_PAGES; page < SMALL / PAGE_SIZE; page++)
			w->write(w->p, page, w->rounds);
	}
	return NULL;
}

/* A file with O_DIRECT, each of whose first 8 sectors begins with its number from 1 on. */
static bool direct_open(void)
{
	static const char *const paths[] = { "/out/adopt-direct", "/root/adopt-direct" };
	u32 i, *block;
	u8 *buf;

	for (i = 0; i < 2 && direct_fd < 0; i++)
		direct_fd = open(paths[i], O_RDWR | O_CREAT | O_TRUNC | O_DIRECT, 0600);
	if (direct_fd < 0)
		return false;
	buf = anonymous(PAGE_SIZE);
	for (i = 0; i < 8; i++) {
		block = (u32 *)(buf + i * 512);
		*block = i + 1;
	}
	ASSERT_EQ(pwrite(direct_fd, buf, PAGE_SIZE, 0), PAGE_SIZE);
	munmap(buf, PAGE_SIZE);
	return true;
}

static void writers_check(const struct writer *w, u32 nr, u8 *p)
{
	u32 i, page;

	for (page = GUEST_PAGES; page < SMALL / PAGE_SIZE; page++) {
		u32 atomic = 0;

		for (i = 0; i < nr; i++) {
			if (w[i].write == write_atomically)
				atomic += w[i].rounds;
			else if (w[i].write != write_directly)
				ASSERT_EQ(*(u32 *)(p + page * PAGE_SIZE + w[i].offset),
					  w[i].rounds);
		}
		ASSERT_EQ(*(u32 *)(p + page * PAGE_SIZE + 128), atomic);
	}
}

/* One round: fresh memory, writers, and a machine that adopts it under them. */
static void race(u32 nr, struct writer *w)
{
	u8 *p = anonymous(SMALL);
	time_t end = time(NULL) + 20;
	u32 i, round = 0, looks = 0;
	struct vm *vm;

	writers_end = false;
	vm = guest(p, SMALL, "g_write_forever");
	for (i = 0; i < nr; i++) {
		w[i].p = p;
		w[i].rounds = 0;
		ASSERT_EQ(pthread_create(&w[i].thread, NULL, writer_run, &w[i]), 0);
	}
	ASSERT_EQ(traced(vm), round++);
	mark(p, SMALL);
	while (!is_adopted(p, SMALL) && time(NULL) < end) {
		look_again(vm, p, SMALL);
		ASSERT_EQ(traced(vm), round++);
		looks++;
	}
	for (i = 0; i < 3; i++)
		ASSERT_EQ(traced(vm), round++);
	writers_end = true;
	for (i = 0; i < nr; i++)
		pthread_join(w[i].thread, NULL);
	if (!is_adopted(p, SMALL))
		fail("not adopted under writers, with %u looks", looks);
	writers_check(w, nr, p);
	for (i = 0; i < GUEST_PAGES; i++)
		ASSERT_EQ(at(p, i), round - 1);
	done(vm);
	munmap(p, SMALL);
}

static u32 race_seconds(void)
{
	return atoi(getenv("ADOPT_SECONDS") ?: "10");
}

static void races(const void *arg)
{
	struct writer w[] = {
		{ .write = write_plainly, .offset = 64 },
		{ .write = write_atomically, .offset = 128 },
		{ .write = write_atomically, .offset = 128 },
		{ .write = write_by_vm, .offset = 192 },
		{ .write = write_directly, .offset = 1024 },
	};
	u32 nr = ARRAY_SIZE(w) - !direct_open(), rounds = 0;
	time_t end = time(NULL) + race_seconds();

	need_ditto();
	while (!rounds || time(NULL) < end) {
		race(nr, w);
		rounds++;
	}
	note("%u times adopted under %u writers", rounds, nr);
}

static void drops(const void *arg)
{
	struct vm *vm;
	u32 i, n;
	u8 *p;

	vm = adopted_guest(&p, SMALL);
	memset(p, 7, SMALL);
	CHECKED(madvise(p + 2 * PAGE_SIZE, 100 * PAGE_SIZE, MADV_DONTNEED));
	for (i = 0; i < 200; i++)
		ASSERT_EQ(p[i * PAGE_SIZE + 99], i >= 2 && i < 102 ? 0 : 7);
	ASSERT_EQ(traced(vm), 1);
	ASSERT_EQ(at(p, 50), 1);
	ASSERT_EQ(p[50 * PAGE_SIZE + 99], 0);
	/* Of what the process has no page, too. */
	CHECKED(madvise(p, SMALL, MADV_DONTNEED));
	CHECKED(madvise(p, SMALL, MADV_DONTNEED));
	for (i = 0; i < SMALL / PAGE_SIZE; i++)
		ASSERT_EQ(at(p, i), 0);
	ASSERT_EQ(traced(vm), 2);
	CHECKED(madvise(p, SMALL, MADV_DONTNEED));
	ASSERT_EQ(at(p, 9), 0);
	ASSERT_EQ(adopted(p, SMALL, &n), SMALL);
	done(vm);
}

/* Pages that are gone are not held: of what is dropped, and of what is unmapped. */
static void gives_back(const void *arg)
{
	long before, with;
	struct vm *vm;
	u8 *p;

	vm = adopted_guest(&p, SIZE);
	before = knob_read("/sys/kernel/ditto/gmem/private_pages");
	memset(p + 8 * MIB, 3, 16 * MIB);
	with = knob_read("/sys/kernel/ditto/gmem/private_pages");
	ASSERT(with - before >= (long)(16 * MIB / PAGE_SIZE));
	CHECKED(madvise(p + 8 * MIB, 8 * MIB, MADV_DONTNEED));
	with = knob_read("/sys/kernel/ditto/gmem/private_pages");
	ASSERT(with - before <= (long)(8 * MIB / PAGE_SIZE) + 8);
	CHECKED(munmap(p + 16 * MIB, 8 * MIB));
	with = knob_read("/sys/kernel/ditto/gmem/private_pages");
	ASSERT(with - before <= 8);
	ASSERT_EQ(traced(vm), 1);
	done(vm);
}

static void moves(const void *arg)
{
	u8 *p, *q = anonymous(SMALL);
	struct vm *vm;
	u32 i;

	vm = adopted_guest(&p, SMALL);
	memset(p, 5, SMALL);
	ASSERT_EQ(mremap(p, SMALL, SMALL, MREMAP_MAYMOVE | MREMAP_FIXED, q), q);
	ASSERT_EQ(vcpu_enter(&vm->vcpu[0]), -EFAULT);
	for (i = 0; i < SMALL; i += 512)
		ASSERT_EQ(q[i], 5);
	CHECKED(madvise(q, PAGE_SIZE, MADV_DONTNEED));
	ASSERT_EQ(q[0], 0);
	ASSERT_EQ(q[PAGE_SIZE], 5);
	ASSERT_EQ(mremap(q, SMALL, SMALL, MREMAP_MAYMOVE | MREMAP_FIXED, p), p);
	ASSERT_EQ(p[PAGE_SIZE], 5);
	ASSERT_EQ(traced(vm), 1);
	ASSERT_ERRNO(mremap(p, SMALL, 2 * SMALL, MREMAP_MAYMOVE), EFAULT);
	done(vm);
}

/* What is done to the memory afterwards: the same as before, or an error that is documented. */
static void calls(const void *arg)
{
	struct vm *vm;
	u32 value = 0x12345678;
	u8 *p;

	vm = adopted_guest(&p, SMALL);
	memset(p + MIB, 4, MIB);
	CHECKED(mprotect(p, SMALL, PROT_READ));
	ASSERT_EQ(vcpu_enter(&vm->vcpu[0]), -EFAULT);
	CHECKED(mprotect(p, SMALL, PROT_READ | PROT_WRITE));
	ASSERT_EQ(traced(vm), 1);
	CHECKED(mlock(p, SMALL));
	CHECKED(munlock(p, SMALL));
	CHECKED(madvise(p, SMALL, MADV_DONTDUMP));
	CHECKED(madvise(p, SMALL, MADV_WILLNEED));
	CHECKED(madvise(p, SMALL, MADV_UNMERGEABLE));
	CHECKED(madvise(p, SMALL, MADV_MERGEABLE));
	CHECKED(madvise(p, SMALL, MADV_HUGEPAGE));
	CHECKED(madvise(p + 2 * MIB, MIB, MADV_REMOVE));
	ASSERT_ERRNO(madvise(p, SMALL, MADV_FREE), EINVAL);
	ASSERT_ERRNO(madvise(p, SMALL, MADV_DODUMP), EINVAL);
	ASSERT_ERRNO(mprotect(p, SMALL, PROT_READ | PROT_EXEC), EACCES);
	write_from_afar(p + MIB + PAGE_SIZE, value);
	ASSERT_EQ(*(u32 *)(p + MIB + PAGE_SIZE), value);
	ASSERT_EQ(p[MIB + 9], 4);
	ASSERT_EQ(traced(vm), 2);
	done(vm);
}

/* The mapping is split at odd places, where the kernel thinks of huge pages. */
static void splits(const void *arg)
{
	u32 i, page;
	struct vm *vm;
	u8 *p;

	vm = adopted_guest(&p, SMALL);
	memset(p + MIB, 6, SMALL - MIB);
	for (i = 0; i < 8; i++) {
		page = GUEST_PAGES + 5 + 97 * i;
		CHECKED(mprotect(p + page * PAGE_SIZE, PAGE_SIZE, PROT_READ));
		/* Of what the guest had mapped, something may still be on its way back. */
		if (!i)
			ASSERT_EQ(knob_violations(), 0);
		if (i % 2)
			CHECKED(mprotect(p + page * PAGE_SIZE, PAGE_SIZE, PROT_READ | PROT_WRITE));
	}
	for (i = MIB; i < SMALL; i += 512)
		ASSERT_EQ(p[i], 6);
	CHECKED(munmap(p + 3 * MIB + PAGE_SIZE, PAGE_SIZE));
	CHECKED(madvise(p + 2 * MIB + PAGE_SIZE, PAGE_SIZE, MADV_DONTDUMP));
	for (i = MIB; i < SMALL; i += 512)
		if (i / PAGE_SIZE != 3 * MIB / PAGE_SIZE + 1)
			ASSERT_EQ(p[i], 6);
	done(vm);
}

/* A child that the parent lets have the memory gets none of it. */
static void forks(const void *arg)
{
	struct vm *vm;
	int status;
	pid_t child;
	u8 *p;

	vm = adopted_guest(&p, SMALL);
	memset(p + 2 * MIB, 8, MIB);
	child = fork();
	if (!child) {
		unsigned char vec;

		_exit(mincore(p, PAGE_SIZE, &vec) == -1 && errno == ENOMEM ? 0 : 1);
	}
	waitpid(child, &status, 0);
	ASSERT_EQ(status, 0);
	CHECKED(madvise(p, SMALL, MADV_DOFORK));
	CHECKED(madvise(p, SMALL, MADV_KEEPONFORK));
	child = fork();
	if (!child) {
		if (!bus_error(p + 2 * MIB, false) || !bus_error(p + 2 * MIB, true))
			_exit(1);
		madvise(p, SMALL, MADV_DONTNEED);
		madvise(p, SMALL, MADV_REMOVE);
		_exit(0);
	}
	waitpid(child, &status, 0);
	ASSERT_EQ(status, 0);
	ASSERT_EQ(traced(vm), 1);
	done(vm);
}

struct refusal {
	u32 why;
	void (*make)(u8 *p);
};

static void make_unmarked(u8 *p)
{
	CHECKED(madvise(p, SMALL, MADV_UNMERGEABLE));
}

static void make_forking(u8 *p)
{
	CHECKED(madvise(p, SMALL, MADV_DOFORK));
}

static void make_locked(u8 *p)
{
	CHECKED(mlock(p, SMALL));
}

static void make_policy(u8 *p)
{
	unsigned long node = 1;

	if (syscall(SYS_mbind, p, SMALL, MPOL_BIND, &node, 64, 0) < 0) {
		if (errno == ENOSYS)
			skip("a kernel without NUMA");
		fail("mbind: %s", strerror(errno));
	}
}

static void make_uffd(u8 *p)
{
	struct uffdio_register r = {
		.range = { (uintptr_t)p, SMALL }, .mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	struct uffdio_api api = { .api = UFFD_API };
	int fd = CHECKED(syscall(SYS_userfaultfd, O_CLOEXEC));

	memset(p, 1, SMALL);
	CHECKED(ioctl(fd, UFFDIO_API, &api));
	CHECKED(ioctl(fd, UFFDIO_REGISTER, &r));
}

static void make_pinned(u8 *p)
{
	static int pipes[2];
	struct iovec iov = { p + MIB, PAGE_SIZE };

	p[MIB] = 1;
	CHECKED(pipe(pipes));
	ASSERT_EQ(vmsplice(pipes[1], &iov, 1, 0), PAGE_SIZE);
}

static const struct refusal refusals[] = {
	{ DITTO_UNADOPTED_UNMARKED, make_unmarked },
	{ DITTO_UNADOPTED_FORK, make_forking },
	{ DITTO_UNADOPTED_LOCKED, make_locked },
	{ DITTO_UNADOPTED_POLICY, make_policy },
	{ DITTO_UNADOPTED_UFFD, make_uffd },
	{ DITTO_UNADOPTED_BUSY, make_pinned },
};

/* Memory that is not adopted is used as ever, and why is said. */
static void refuses(const void *arg)
{
	const struct refusal *r = arg;
	u8 *p = in_pieces(SMALL);
	struct vm *vm;
	u32 n, i;

	mark(p, SMALL);
	r->make(p);
	vm = guest(p, SMALL, "g_write_forever");
	ASSERT_EQ(traced(vm), 0);
	ASSERT_EQ(adopted(p, SMALL, &n), 0);
	/* The machine's own memory, 8 MiB, is unmarked and may be most. */
	CHECKED(vm_set_slot(vm, 0, 0, 0, 0, NULL));
	ASSERT_EQ(vcpu_enter(&vm->vcpu[0]) == KVM_EXIT_IO, false);
	look_again(vm, p, SMALL);
	vcpu_enter(&vm->vcpu[0]);
	ASSERT_EQ(unadopted() & DITTO_UNADOPTED_MASK, r->why);
	ASSERT_EQ(unadopted() >> DITTO_UNADOPTED_SHIFT, SMALL / MIB);
	for (i = 0; i < GUEST_PAGES; i++)
		ASSERT_EQ(at(p, i), 0);
	done(vm);
}

/* A page that is pinned keeps its own piece from being adopted, and no other. */
static void refuses_piece(const void *arg)
{
	u8 *p = in_pieces(MIB / 2);
	struct vm *vm;
	u32 n;

	mark(p, SMALL);
	make_pinned(p);
	vm = guest(p, SMALL, "g_write_forever");
	ASSERT_EQ(traced(vm), 0);
	ASSERT_EQ(adopted(p, SMALL, &n), MIB / 2);
	ASSERT_EQ(adopted(p, MIB / 2, &n), MIB / 2);
	done(vm);
}

/* Another thread takes its memory away, moves it and drops it while it is adopted. */
static void *hostile_run(void *arg)
{
	u8 *p = arg, *q = anonymous(8 * PAGE_SIZE);
	u32 i;

	for (i = 0; !writers_end; i++) {
		u8 *page = p + (i * 2654435761u >> 8) % (SMALL / PAGE_SIZE / 8) * 8 * PAGE_SIZE;

		switch (i % 5) {
		case 0:
			madvise(page, 8 * PAGE_SIZE, MADV_DONTNEED);
			break;
		case 1:
			mremap(page, 8 * PAGE_SIZE, 8 * PAGE_SIZE,
			       MREMAP_MAYMOVE | MREMAP_FIXED, q);
			mremap(q, 8 * PAGE_SIZE, 8 * PAGE_SIZE,
			       MREMAP_MAYMOVE | MREMAP_FIXED, page);
			break;
		case 2:
			mprotect(page, 8 * PAGE_SIZE, PROT_READ);
			mprotect(page, 8 * PAGE_SIZE, PROT_READ | PROT_WRITE);
			break;
		case 3:
			munmap(page, PAGE_SIZE);
			mmap(page, PAGE_SIZE, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
			madvise(page, PAGE_SIZE, MADV_MERGEABLE);
			madvise(page, PAGE_SIZE, MADV_DONTFORK);
			break;
		default:
			*(volatile u32 *)(page + 64) = i;
		}
	}
	return NULL;
}

static void hostile(const void *arg)
{
	time_t end = time(NULL) + race_seconds();
	u8 *p = anonymous(SMALL);
	pthread_t thread;
	struct vm *vm;
	u32 i, n, looks = 0;

	mark(p, SMALL);
	vm = guest(p, SMALL, "g_write_forever");
	writers_end = false;
	ASSERT_EQ(pthread_create(&thread, NULL, hostile_run, p), 0);
	while (time(NULL) < end) {
		look_again(vm, p, SMALL);
		vcpu_enter(&vm->vcpu[0]);
		looks++;
		if (looks % 8)
			continue;
		/* Once more from the beginning. */
		ASSERT_EQ(mmap(p, SMALL, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0), p);
		/* The other thread may just have a hole there. */
		madvise(p, SMALL, MADV_DONTFORK);
		madvise(p, SMALL, MADV_MERGEABLE);
	}
	writers_end = true;
	pthread_join(thread, NULL);
	for (i = 0; i < SMALL / PAGE_SIZE; i++)
		*(volatile u32 *)(p + i * PAGE_SIZE) = 1;
	note("%u looks, %lu bytes adopted in the end", looks, adopted(p, SMALL, &n));
	done(vm);
}

/* Equal pages of two machines whose memory nobody made a gmem of. */
static void merges(const void *arg)
{
	struct vm *vm[2];
	u32 i, tries;
	u8 *p[2];

	for (i = 0; i < 2; i++) {
		vm[i] = adopted_guest(&p[i], SMALL);
		memset(p[i] + MIB, 0x5a, MIB);
		ASSERT_EQ(traced(vm[i]), 1);
	}
	CHECKED(knob_write(DITTO_KSM "sleep_millisecs", 10));
	CHECKED(knob_write(DITTO_KSM "run", 1));
	for (tries = 0; tries < 100; tries++) {
		if (knob_read(DITTO_KSM "pages_sharing") >= 2 * (long)(MIB / PAGE_SIZE) - 8)
			break;
		usleep(100000);
	}
	CHECKED(knob_write(DITTO_KSM "run", 0));
	note("%ld pages shared by %ld", knob_read(DITTO_KSM "pages_shared"),
	     knob_read(DITTO_KSM "pages_sharing"));
	ASSERT(tries < 100);
	/* Merging takes page tables away, and nothing else. */
	for (i = 0; i < MIB; i += 256)
		ASSERT_EQ(p[0][MIB + i], 0x5a);
	memset(p[0] + MIB, 1, MIB);
	ASSERT_EQ(p[1][MIB + 5], 0x5a);
	for (i = 0; i < 2; i++)
		done(vm[i]);
}

/* A VMM that wants KVM_RUN to end at once does not wait for its memory to be moved. */
static void at_once(const void *arg)
{
	u8 *p = anonymous(SMALL);
	struct vm *vm;
	u32 n;

	mark(p, SMALL);
	vm = guest(p, SMALL, "g_write_forever");
	vm->vcpu[0].run->immediate_exit = 1;
	ASSERT_EQ(vcpu_enter(&vm->vcpu[0]), -EINTR);
	ASSERT_EQ(adopted(p, SMALL, &n), 0);
	vm->vcpu[0].run->immediate_exit = 0;
	ASSERT_EQ(traced(vm), 0);
	ASSERT(is_adopted(p, SMALL));
	done(vm);
}

/* A machine's policy, whether it comes before or after, is that of memory that no guest touches. */
static void policy(const void *arg)
{
	bool after = arg;
	struct vm *vm;
	u8 *p, *q;
	u32 i;

	p = anonymous(SMALL);
	q = anonymous(SMALL);
	mark(p, SMALL);
	mark(q, SMALL);
	memset(q, 0x5b, SMALL);
	vm = guest(p, SMALL, "g_write_forever");
	CHECKED(vm_set_slot(vm, 2, 0, 2 * SLOT_GPA, SMALL, q));
	if (!after)
		CHECKED(ioctl(vm->fd, DITTO_SET_POLICY, DITTO_POLICY_OFF));
	ASSERT_EQ(traced(vm), 0);
	ASSERT(is_adopted(p, SMALL) && is_adopted(q, SMALL));
	if (after)
		CHECKED(ioctl(vm->fd, DITTO_SET_POLICY, DITTO_POLICY_OFF));
	CHECKED(knob_write(DITTO_KSM "sleep_millisecs", 10));
	CHECKED(knob_write(DITTO_KSM "run", 1));
	for (i = 0; i < 20; i++) {
		ASSERT_EQ(knob_read(DITTO_KSM "pages_sharing"), 0);
		usleep(100000);
	}
	CHECKED(knob_write(DITTO_KSM "run", 0));
	done(vm);
}

/* Run the guest for so many seconds, or until its memory is adopted. */
static void run_for(struct vm *vm, const u8 *p, unsigned int seconds, u32 *round)
{
	time_t end = time(NULL) + seconds;

	while (time(NULL) < end && !is_adopted(p, SMALL)) {
		ASSERT_EQ(traced(vm), (*round)++);
		usleep(20000);
	}
}

/* What the parameter forbade for long, and then allows, is soon done. */
static void off(const void *arg)
{
	static const char knob[] = "/sys/module/ditto/parameters/adopt";
	u8 *p = anonymous(SMALL);
	u32 n, round = 0;
	struct vm *vm;

	need_ditto();
	mark(p, SMALL);
	CHECKED(knob_write_text(knob, "0"));
	vm = guest(p, SMALL, "g_write_forever");
	run_for(vm, p, 8, &round);
	n = unadopted();
	CHECKED(knob_write_text(knob, "1"));
	ASSERT_EQ(n & DITTO_UNADOPTED_MASK, DITTO_UNADOPTED_OFF);
	ASSERT_EQ(adopted(p, SMALL, &n), 0);
	run_for(vm, p, 4, &round);
	ASSERT(is_adopted(p, SMALL));
	done(vm);
}

static const struct tap_test tests[] = {
	{ "keeps", keeps, NULL, 60 },
	{ "late", late, NULL, 60 },
	{ "races", races, NULL, 900 },
	{ "drops", drops },
	{ "gives_back", gives_back, NULL, 60 },
	{ "moves", moves },
	{ "calls", calls },
	{ "splits", splits },
	{ "forks", forks },
	{ "refuses_unmarked", refuses, &refusals[0] },
	{ "refuses_forking", refuses, &refusals[1] },
	{ "refuses_locked", refuses, &refusals[2] },
	{ "refuses_policy", refuses, &refusals[3] },
	{ "refuses_uffd", refuses, &refusals[4] },
	{ "refuses_pinned", refuses, &refusals[5] },
	{ "refuses_piece", refuses_piece },
	{ "hostile", hostile, NULL, 900 },
	{ "merges", merges, NULL, 60 },
	{ "at_once", at_once },
	{ "policy_before", policy, NULL, 60 },
	{ "policy_after", policy, "after", 60 },
	{ "off", off, .seconds = 60 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, tests, ARRAY_SIZE(tests));
}
