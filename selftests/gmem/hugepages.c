// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guest memory in pieces of 2 MiB: who gets them, that a guest and its VMM see in them what was
 * written, and what is left of one when a part of it is punched, merged, forked, pinned, logged,
 * compressed or limited; and that a host that has none gives pages. The checker looks at every
 * entry of every table each time. Runs as root; ditto only. HUGE_SECONDS makes the races long.
 */
#include <fcntl.h>
#include <linux/falloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <time.h>

#include "mount.h"

#define HUGE		"/sys/kernel/ditto/hugepages/"
#define COMPRESS	"/sys/kernel/ditto/compress/"
#define CGROUP		"/tmp/huge-cgroups/"
#define PIECE		(2 * MIB)
#define PIECES		2ul
#define SIZE		(PIECES * PIECE)
#define PAGES		(SIZE / PAGE_SIZE)
#define ROUND		256ul	/* pages that g_write_forever fills */
#define SLOT		3
#define SLOT_GPA	0x10000000ul
#define PUNCH		(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE)

static const char *path_of(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), HUGE "%s", name);
	return path;
}

static long figure(const char *name)
{
	long value = knob_read(path_of(name));

	if (value < 0)
		fail("%s: %s", path_of(name), strerror(errno));
	return value;
}

static void enable(const char *mode)
{
	CHECKED(knob_write_text(path_of("enabled"), mode));
}

static void quiet(void)
{
	need_ditto();
	CHECKED(knob_write(DITTO_KSM "run", 2));
	CHECKED(knob_write(DITTO_KSM "run", 0));
	CHECKED(knob_write(path_of("min_gain"), 64));
	enable("madvise");
	ASSERT_EQ(figure("chunks"), 0);
}

static void over(void)
{
	CHECKED(knob_write(DITTO_KSM "run", 0));
	enable("madvise");
	ASSERT_EQ(knob_violations(), 0);
}

static u64 huge_bytes(int fd)
{
	struct ditto_gmem_stats s;

	CHECKED(ioctl(fd, DITTO_GMEM_STATS, &s));
	return s.huge_bytes;
}

static u64 private_bytes(int fd)
{
	struct ditto_gmem_stats s;

	CHECKED(ioctl(fd, DITTO_GMEM_STATS, &s));
	return s.private_bytes;
}

static u64 shared_bytes(int fd)
{
	struct ditto_gmem_stats s;

	CHECKED(ioctl(fd, DITTO_GMEM_STATS, &s));
	return s.shared_bytes;
}

/**
 * struct world - a machine with a slot over a gmem that takes 2 MiB at a time
 * @vm: it
 * @fd: the gmem
 * @map: mapped here
 */
struct world {
	struct vm *vm;
	int fd;
	u8 *map;
};

static u64 *word(const struct world *w, unsigned long page)
{
	return (u64 *)(w->map + page * PAGE_SIZE);
}

static struct world world_new(void)
{
	struct world w = { .vm = vm_new(NULL), .fd = gmem_new(SIZE, DITTO_GMEM_HUGEPAGE) };

	w.map = gmem_map(w.fd, SIZE);
	CHECKED(vm_set_gmem_slot(w.vm, SLOT, 0, SLOT_GPA, SIZE, w.fd, 0));
	return w;
}

static void world_end(struct world *w)
{
	vm_free(w->vm);
	munmap(w->map, SIZE);
	close(w->fd);
}

/* The guest writes to 256 pages, once more than before. */
static void guest_round(struct world *w)
{
	ASSERT_EQ(vcpu_enter(&w->vm->vcpu[0]), KVM_EXIT_IO);
}

static void guest_writes(struct world *w, unsigned long page)
{
	vcpu_call(&w->vm->vcpu[0], "g_write_forever", SLOT_GPA + page * PAGE_SIZE);
	guest_round(w);
	guest_round(w);
}

/* Needs 2 MiB in one piece, which a host that has been up for long may not have. */
static void need_pieces(struct world *w, unsigned long pieces)
{
	if (huge_bytes(w->fd) != pieces * PIECE)
		skip("the host has no 2 MiB in one piece");
}

static void knobs(const void *arg)
{
	quiet();
	ASSERT(knob_write_text(path_of("enabled"), "sometimes") && errno == EINVAL);
	ASSERT(knob_write(path_of("min_gain"), 0) && errno == EINVAL);
	ASSERT(knob_write(path_of("min_gain"), 513) && errno == EINVAL);
	CHECKED(knob_write(path_of("min_gain"), 512));
	ASSERT_EQ(figure("min_gain"), 512);
	CHECKED(knob_write(path_of("min_gain"), 64));
	over();
}

static void touched(const void *arg)
{
	struct world w;
	unsigned long i;

	quiet();
	w = world_new();
	guest_writes(&w, 100);
	need_pieces(&w, 1);
	ASSERT_EQ(figure("chunks"), 1);
	ASSERT_EQ(private_bytes(w.fd), PIECE);
	for (i = 0; i < PAGES; i++)
		ASSERT_EQ(*word(&w, i), i >= 100 && i < 100 + ROUND);
	ASSERT_EQ(knob_violations(), 0);
	/* What one side writes the other sees. */
	*word(&w, 101) = 77;
	*word(&w, 700) = 78;	/* the VMM's first touch is like the guest's */
	ASSERT_EQ(huge_bytes(w.fd), SIZE);
	guest_round(&w);
	ASSERT_EQ(*word(&w, 101), 2);
	ASSERT_EQ(*word(&w, 700), 78);
	ASSERT_EQ(knob_violations(), 0);
	world_end(&w);
	ASSERT_EQ(figure("chunks"), 0);
	over();
}

/* Bytes that a gmem takes when a byte of it is written. */
static u64 taken(u32 flags)
{
	int fd = gmem_new(SIZE, flags);
	u8 *map = gmem_map(fd, SIZE);
	u64 bytes;

	map[5] = 1;
	bytes = private_bytes(fd);
	munmap(map, SIZE);
	close(fd);
	return bytes;
}

static void asked(const void *arg)
{
	struct world w;

	quiet();
	w = world_new();
	guest_writes(&w, 0);
	need_pieces(&w, 1);
	world_end(&w);
	ASSERT_EQ(taken(0), PAGE_SIZE);
	ASSERT_EQ(taken(DITTO_GMEM_HUGEPAGE), PIECE);
	ASSERT_EQ(taken(DITTO_GMEM_HUGEPAGE | DITTO_GMEM_POLICY(DITTO_POLICY_SECURE)), PAGE_SIZE);
	enable("never");
	ASSERT_EQ(taken(DITTO_GMEM_HUGEPAGE), PAGE_SIZE);
	enable("always");
	ASSERT_EQ(taken(0), PIECE);
	over();
}

/* The same of a file; by its mount, and by what a mapping is advised. */
static u64 taken_of_file(const char *options, int advice)
{
	struct stat st;
	u8 *map;
	int fd;

	begin(options);
	fd = open_file("f", SIZE);
	map = gmem_map(fd, SIZE);
	if (madvise(map, SIZE, advice))
		skip("this kernel has no MADV_HUGEPAGE");
	map[5] = 1;
	CHECKED(fstat(fd, &st));
	munmap(map, SIZE);
	close(fd);
	end();
	return st.st_blocks * 512;
}

static void files(const void *arg)
{
	quiet();
	ASSERT(mount_ditto("huge=within_size") && errno == EINVAL);
	if (taken_of_file("huge=always", MADV_NORMAL) != PIECE)
		skip("the host has no 2 MiB in one piece");
	ASSERT_EQ(taken_of_file("huge=advise", MADV_NORMAL), PAGE_SIZE);
	ASSERT_EQ(taken_of_file("huge=advise", MADV_HUGEPAGE), PIECE);
	ASSERT_EQ(taken_of_file("huge=never", MADV_HUGEPAGE), PAGE_SIZE);
	ASSERT_EQ(taken_of_file("size=1M,huge=always", MADV_NORMAL), PAGE_SIZE);
	enable("always");
	ASSERT_EQ(taken_of_file("mode=700", MADV_NORMAL), PIECE);
	ASSERT_EQ(taken_of_file("mode=700", MADV_NOHUGEPAGE), PAGE_SIZE);
	over();
}

/* fallocate() of a file takes pieces, too, and where the file ends in one it takes pages. */
static void allocated(const void *arg)
{
	struct stat st;
	long filled;
	int fd;

	quiet();
	begin("huge=always");
	filled = figure("filled");
	fd = open_file("f", SIZE + PIECE);
	CHECKED(fallocate(fd, 0, 0, SIZE + 5 * PAGE_SIZE));
	if (figure("filled") == filled)
		skip("the host has no 2 MiB in one piece");
	ASSERT_EQ(figure("filled"), filled + PIECES + 1);
	CHECKED(fstat(fd, &st));
	ASSERT_EQ(st.st_blocks * 512, SIZE + PIECE);
	CHECKED(ftruncate(fd, PIECE + 7 * PAGE_SIZE));
	CHECKED(fstat(fd, &st));
	ASSERT_EQ(st.st_blocks * 512, PIECE + 7 * PAGE_SIZE);
	CHECKED(ftruncate(fd, 0));
	CHECKED(fallocate(fd, 0, 0, PIECE + 7 * PAGE_SIZE));
	CHECKED(fstat(fd, &st));
	ASSERT_EQ(st.st_blocks * 512, PIECE + 7 * PAGE_SIZE);
	ASSERT_EQ(figure("chunks"), 1);
	close(fd);
	unlink(DITTO "/f");
	end();
	over();
}

/* A slot over a mapping that was advised, as QEMU has it. */
static void window(const void *arg)
{
	struct vm *vm;
	u8 *map, *at;
	struct stat st;
	int fd;

	quiet();
	begin("huge=advise");
	fd = open_file("f", SIZE);
	map = mmap(NULL, SIZE + PIECE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	at = (u8 *)(((uintptr_t)map + PIECE - 1) & ~(PIECE - 1));
	ASSERT(mmap(at, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) == at);
	if (madvise(at, SIZE, MADV_HUGEPAGE))
		skip("this kernel has no MADV_HUGEPAGE");
	vm = vm_new(&(struct vm_config) { .user = true });
	CHECKED(vm_set_slot(vm, SLOT, 0, SLOT_GPA, SIZE, at));
	vcpu_call(&vm->vcpu[0], "g_write_forever", SLOT_GPA);
	ASSERT_EQ(vcpu_enter(&vm->vcpu[0]), KVM_EXIT_IO);
	ASSERT_EQ(vcpu_enter(&vm->vcpu[0]), KVM_EXIT_IO);
	CHECKED(fstat(fd, &st));
	if (st.st_blocks * 512 != (long)PIECE)
		skip("the host has no 2 MiB in one piece");
	ASSERT_EQ(((u64 *)at)[512], 1);
	ASSERT_EQ(knob_violations(), 0);
	CHECKED(madvise(at + 3 * PAGE_SIZE, PAGE_SIZE, MADV_REMOVE));
	ASSERT_EQ(figure("chunks"), 0);
	ASSERT_EQ(at[3 * PAGE_SIZE], 0);
	ASSERT_EQ(vcpu_enter(&vm->vcpu[0]), KVM_EXIT_IO);
	ASSERT_EQ(((u64 *)at)[3 * 512], 2);
	ASSERT_EQ(knob_violations(), 0);
	vm_free(vm);
	munmap(map, SIZE + PIECE);
	close(fd);
	end();
	over();
}

static void punched(const void *arg)
{
	struct world w;
	unsigned long i;

	quiet();
	w = world_new();
	guest_writes(&w, 0);
	need_pieces(&w, 1);
	CHECKED(fallocate(w.fd, PUNCH, 3 * PAGE_SIZE, PAGE_SIZE));
	ASSERT_EQ(huge_bytes(w.fd), 0);
	ASSERT_EQ(private_bytes(w.fd), PIECE - PAGE_SIZE);
	for (i = 0; i < ROUND; i++)
		ASSERT_EQ(*word(&w, i), i != 3);
	guest_round(&w);
	for (i = 0; i < ROUND; i++)
		ASSERT_EQ(*word(&w, i), 2);
	ASSERT_EQ(private_bytes(w.fd), PIECE);
	ASSERT_EQ(huge_bytes(w.fd), 0);
	ASSERT_EQ(knob_violations(), 0);
	/* All of it, and it is there again. */
	CHECKED(fallocate(w.fd, PUNCH, 0, PIECE));
	ASSERT_EQ(private_bytes(w.fd), 0);
	guest_round(&w);
	ASSERT_EQ(huge_bytes(w.fd), PIECE);
	ASSERT_EQ(*word(&w, 7), 3);
	world_end(&w);
	over();
}

/* The engine has looked at everything, and found it calm. */
static void merge_all(void)
{
	long until = knob_read(DITTO_KSM "full_scans") + 12;

	CHECKED(knob_write(DITTO_KSM "pages_to_scan", 100000));
	CHECKED(knob_write(DITTO_KSM "sleep_millisecs", 1));
	CHECKED(knob_write(DITTO_KSM "run", 1));
	while (knob_read(DITTO_KSM "full_scans") < until)
		usleep(10000);
	CHECKED(knob_write(DITTO_KSM "run", 0));
}

/* Each page unlike any other, but that the first @same are those of the other gmem. */
static void fill(struct world *w, unsigned long same, u64 salt)
{
	unsigned long i;

	for (i = 0; i < PAGES; i++)
		*word(w, i) = i < same ? 1000 + i : salt << 32 | (i + 1);
}

static void merged(const void *arg)
{
	struct world w[2];
	long splits;
	int i;

	quiet();
	splits = figure("split_merge");
	for (i = 0; i < 2; i++) {
		w[i] = world_new();
		fill(&w[i], 63, i + 1);
		need_pieces(&w[i], PIECES);
	}
	merge_all();
	ASSERT_EQ(figure("split_merge"), splits);
	ASSERT_EQ(private_bytes(w[0].fd), SIZE);
	ASSERT_EQ(private_bytes(w[1].fd), SIZE);
	ASSERT_EQ(knob_violations(), 0);
	/* One more, in each. */
	*word(&w[0], 63) = *word(&w[1], 63) = 1063;
	merge_all();
	ASSERT_EQ(figure("split_merge"), splits + 2);
	ASSERT_EQ(private_bytes(w[0].fd), SIZE - 64 * PAGE_SIZE);
	ASSERT_EQ(private_bytes(w[1].fd), SIZE - 64 * PAGE_SIZE);
	ASSERT_EQ(huge_bytes(w[0].fd), PIECE);
	ASSERT_EQ(knob_violations(), 0);
	/* The guest writes to merged ones and to others. */
	guest_writes(&w[0], 0);
	ASSERT_EQ(*word(&w[0], 5), 1);
	ASSERT_EQ(*word(&w[1], 5), 1005);
	ASSERT_EQ(knob_violations(), 0);
	for (i = 0; i < 2; i++)
		world_end(&w[i]);
	over();
}

/* What the guest has not written yet is zero, and more than it gains by being whole. */
static void merged_zero(const void *arg)
{
	struct world w;

	quiet();
	w = world_new();
	guest_writes(&w, 0);
	need_pieces(&w, 1);
	merge_all();
	ASSERT_EQ(huge_bytes(w.fd), 0);
	/* What it has written is all the same. */
	ASSERT_EQ(private_bytes(w.fd), 0);
	ASSERT_EQ(shared_bytes(w.fd), ROUND * PAGE_SIZE);
	ASSERT_EQ(knob_violations(), 0);
	guest_round(&w);
	ASSERT_EQ(*word(&w, 9), 2);
	world_end(&w);
	over();
}

static void forked(const void *arg)
{
	struct world w, child;
	unsigned long i;

	quiet();
	w = world_new();
	guest_writes(&w, 0);
	need_pieces(&w, 1);
	*word(&w, 600) = 600;
	child = (struct world) { .vm = vm_new(NULL), .fd = CHECKED(ioctl(w.fd, DITTO_GMEM_FORK)) };
	child.map = gmem_map(child.fd, SIZE);
	CHECKED(vm_set_gmem_slot(child.vm, SLOT, 0, SLOT_GPA, SIZE, child.fd, 0));
	ASSERT_EQ(*word(&child, 600), 600);
	ASSERT_EQ(knob_violations(), 0);
	guest_round(&w);
	ASSERT_EQ(*word(&w, 8), 2);
	ASSERT_EQ(*word(&child, 8), 1);
	guest_writes(&child, 400);
	ASSERT_EQ(knob_violations(), 0);
	for (i = 0; i < PAGES; i++) {
		ASSERT_EQ(*word(&w, i), i < ROUND ? 2 : i == 600 ? 600 : 0);
		ASSERT_EQ(*word(&child, i), i < ROUND ? 1 : i >= 400 && i < 400 + ROUND);
	}
	world_end(&w);
	ASSERT_EQ(*word(&child, 8), 1);
	ASSERT_EQ(knob_violations(), 0);
	world_end(&child);
	over();
}

/* A pipe has a page; it has it still when that is gone, and a fork has a copy. */
static void pinned(const void *arg)
{
	struct iovec iov;
	struct world w;
	int pipes[2], child;
	u64 got[512];
	u8 *map;

	quiet();
	w = world_new();
	guest_writes(&w, 0);
	need_pieces(&w, 1);
	CHECKED(pipe(pipes));
	iov = (struct iovec) { word(&w, 5), PAGE_SIZE };
	ASSERT_EQ(vmsplice(pipes[1], &iov, 1, 0), PAGE_SIZE);
	ASSERT_EQ(huge_bytes(w.fd), PIECE);
	child = CHECKED(ioctl(w.fd, DITTO_GMEM_FORK));
	*word(&w, 5) = 99;
	map = gmem_map(child, SIZE);
	ASSERT_EQ(((u64 *)map)[5 * 512], 1);
	ASSERT_EQ(knob_violations(), 0);
	CHECKED(fallocate(w.fd, PUNCH, 5 * PAGE_SIZE, PAGE_SIZE));
	ASSERT_EQ(*word(&w, 5), 0);
	ASSERT_EQ(read(pipes[0], got, sizeof(got)), sizeof(got));
	ASSERT(got[0] == 1 || got[0] == 99);
	ASSERT_EQ(knob_violations(), 0);
	munmap(map, SIZE);
	close(child);
	close(pipes[0]);
	close(pipes[1]);
	world_end(&w);
	over();
}

static void log_flags(struct world *w, u32 flags)
{
	CHECKED(vm_set_gmem_slot(w->vm, SLOT, flags, SLOT_GPA, SIZE, w->fd, 0));
}

static unsigned int log_pages(struct world *w)
{
	u64 bits[PAGES / 64];
	struct kvm_dirty_log log = { .slot = SLOT, .dirty_bitmap = bits };
	unsigned int i, n = 0;

	CHECKED(ioctl(w->vm->fd, KVM_GET_DIRTY_LOG, &log));
	for (i = 0; i < PAGES / 64; i++)
		n += __builtin_popcountll(bits[i]);
	return n;
}

static void logged(const void *arg)
{
	struct world w;

	quiet();
	w = world_new();
	guest_writes(&w, 0);
	need_pieces(&w, 1);
	log_flags(&w, KVM_MEM_LOG_DIRTY_PAGES);
	ASSERT_EQ(log_pages(&w), 0);
	guest_round(&w);
	ASSERT_EQ(knob_violations(), 0);
	ASSERT_EQ(log_pages(&w), ROUND);
	ASSERT_EQ(log_pages(&w), 0);
	guest_round(&w);
	ASSERT_EQ(log_pages(&w), ROUND);
	ASSERT_EQ(huge_bytes(w.fd), PIECE);
	log_flags(&w, 0);
	guest_round(&w);
	ASSERT_EQ(*word(&w, 9), 4);
	ASSERT_EQ(knob_violations(), 0);
	world_end(&w);
	over();
}

static void compressed(const void *arg)
{
	struct world w;
	unsigned long i;

	quiet();
	w = world_new();
	fill(&w, 0, 1);
	need_pieces(&w, PIECES);
	if (knob_write_text(COMPRESS "mode", "always"))
		skip("this kernel has no compressor, or no store");
	CHECKED(knob_write(COMPRESS "pass_millisecs", 10));
	while (knob_read(COMPRESS "pages_compressed") < (long)PAGES)
		usleep(10000);
	CHECKED(knob_write_text(COMPRESS "mode", "off"));
	ASSERT_EQ(huge_bytes(w.fd), 0);
	ASSERT_EQ(knob_violations(), 0);
	for (i = 0; i < PAGES; i++)
		ASSERT_EQ(*word(&w, i), 1ull << 32 | (i + 1));
	guest_writes(&w, 0);
	ASSERT_EQ(*word(&w, 9), 1);
	world_end(&w);
	over();
}

/* A page's memory is bad: nobody reads it, and everybody has the rest. */
static void broken(const void *arg)
{
	struct world w;
	long splits;
	volatile int ret = 0;

	quiet();
	w = world_new();
	fill(&w, 0, 1);
	need_pieces(&w, PIECES);
	signal(SIGBUS, bus_handler);
	if (!sigsetjmp(bus_back, 1))
		ret = madvise(word(&w, 5), PAGE_SIZE, MADV_HWPOISON);
	if (ret && errno != EBUSY)
		skip("no MADV_HWPOISON: %s", strerror(errno));
	splits = figure("split_broken");
	guest_writes(&w, 8);
	ASSERT_EQ(*word(&w, 9), 1);
	vcpu_call(&w.vm->vcpu[0], "g_read", SLOT_GPA + 5 * PAGE_SIZE);
	ASSERT_EQ(vcpu_enter(&w.vm->vcpu[0]), -EHWPOISON);
	ASSERT_EQ(figure("split_broken"), splits + 1);
	ASSERT_EQ(huge_bytes(w.fd), PIECE);
	guest_writes(&w, 8);
	CHECKED(fallocate(w.fd, PUNCH, 5 * PAGE_SIZE, PAGE_SIZE));
	ASSERT_EQ(*word(&w, 5), 0);
	ASSERT_EQ(*word(&w, 4), 1ull << 32 | 5);
	world_end(&w);
	over();
}

/* Who has no room for 2 MiB gets pages, as many as there is room for. */
static void limited(const void *arg)
{
	long failed;
	int fd;
	u8 *map;

	quiet();
	mkdir(CGROUP, 0700);
	if (mount("none", CGROUP, "cgroup2", 0, NULL) ||
	    knob_write_text(CGROUP "cgroup.subtree_control", "+memory"))
		skip("no cgroup2 with memory: %s", strerror(errno));
	mkdir(CGROUP "huge", 0700);
	CHECKED(knob_write(CGROUP "huge/memory.max", MIB + MIB / 2));
	CHECKED(knob_write(CGROUP "huge/cgroup.procs", 0));
	fd = gmem_new(SIZE, DITTO_GMEM_HUGEPAGE);
	map = gmem_map(fd, SIZE);
	failed = figure("failed");
	map[5] = map[PAGE_SIZE] = 1;
	ASSERT_EQ(figure("failed"), failed + 1);
	ASSERT_EQ(private_bytes(fd), 2 * PAGE_SIZE);
	munmap(map, SIZE);
	close(fd);
	CHECKED(knob_write(CGROUP "cgroup.procs", 0));
	over();
	umount2(CGROUP, MNT_DETACH);
}

static u64 meminfo(const char *name)
{
	FILE *file = fopen("/proc/meminfo", "r");
	unsigned long kib = 0;
	char line[128];

	ASSERT(file);
	while (fgets(line, sizeof(line), file))
		if (!strncmp(line, name, strlen(name)))
			kib = strtoul(line + strlen(name), NULL, 10);
	fclose(file);
	return kib * 1024ull;
}

/* Take nearly all of the host's memory, and give back every other page of a part of it. */
static u8 *fragment(u64 *size)
{
	u64 left = 64 * MIB, holes = 256 * MIB, at, all = meminfo("MemFree:");
	u8 *map;

	if (all < left + holes)
		skip("the host has %llu MiB free", (unsigned long long)(all / MIB));
	*size = (all - left) & ~(PIECE - 1);
	map = mmap(NULL, *size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT(map != MAP_FAILED);
	madvise(map, *size, MADV_NOHUGEPAGE);
	for (at = 0; at < *size; at += PAGE_SIZE)
		map[at] = 1;
	for (at = 0; at < holes; at += 2 * PAGE_SIZE)
		CHECKED(madvise(map + at, PAGE_SIZE, MADV_DONTNEED));
	return map;
}

/* Where there are no more pieces the rest is pages, and nobody sees a difference. */
static void fragmented(const void *arg)
{
	const unsigned long pieces = 64;
	unsigned long n = 0, i;
	u64 size, before;
	long failed;
	u8 *all, *map;
	int fd;

	quiet();
	all = fragment(&size);
	failed = figure("failed");
	fd = gmem_new(pieces * PIECE, DITTO_GMEM_HUGEPAGE);
	map = gmem_map(fd, pieces * PIECE);
	for (; n < pieces && figure("failed") == failed; n++)
		map[n * PIECE + 5] = n + 1;
	if (figure("failed") == failed)
		skip("the host has pieces enough");
	note("%lu pieces, then none", n - 1);
	ASSERT_EQ(huge_bytes(fd), (n - 1) * PIECE);
	before = private_bytes(fd);
	ASSERT(before > huge_bytes(fd) && before < huge_bytes(fd) + MIB);
	for (i = 0; i < PIECE / PAGE_SIZE; i++)
		map[(n - 1) * PIECE + i * PAGE_SIZE + 9] = i;
	ASSERT_EQ(private_bytes(fd), n * PIECE);
	ASSERT_EQ(huge_bytes(fd), (n - 1) * PIECE);
	for (i = 0; i < n; i++)
		ASSERT_EQ(map[i * PIECE + 5], i + 1);
	for (i = 0; i < PIECE / PAGE_SIZE; i++)
		ASSERT_EQ(map[(n - 1) * PIECE + i * PAGE_SIZE + 9], (u8)i);
	munmap(all, size);
	munmap(map, pieces * PIECE);
	close(fd);
	over();
}

/* ---- everything at once ---- */

static struct {
	struct world w;
	volatile bool over;
	u64 last[PAGES];
} race;

static void *race_guest(void *unused)
{
	while (!race.over)
		if (vcpu_enter(&race.w.vm->vcpu[0]) != KVM_EXIT_IO)
			return "the guest ended";
	return NULL;
}

/* Pages that the guest does not write: each is what was written last, or was punched since. */
static void *race_writer(void *unused)
{
	unsigned long n = 0, page;

	for (; !race.over; n++) {
		page = ROUND + n * 7919 % (PAGES - ROUND);
		if (*word(&race.w, page) != race.last[page])
			return "a page is not what was written";
		race.last[page] = n % 5 ? n % 64 : 0;
		*word(&race.w, page) = race.last[page];
	}
	return NULL;
}

static void races(const void *arg)
{
	const char *text = getenv("HUGE_SECONDS");
	time_t end = time(NULL) + (text ? atoi(text) : 4);
	pthread_t thread[2];
	unsigned long n = 0;
	void *bad;
	int fd;

	quiet();
	race.w = world_new();
	vcpu_call(&race.w.vm->vcpu[0], "g_write_forever", SLOT_GPA);
	CHECKED(knob_write(path_of("min_gain"), 1));
	CHECKED(knob_write(DITTO_KSM "pages_to_scan", 10000));
	CHECKED(knob_write(DITTO_KSM "sleep_millisecs", 2));
	CHECKED(knob_write(DITTO_KSM "run", 1));
	ASSERT(!pthread_create(&thread[0], NULL, race_guest, NULL));
	ASSERT(!pthread_create(&thread[1], NULL, race_writer, NULL));
	for (; time(NULL) < end; n++) {
		/* All of what the guest writes, or a page, or a moment of its past. */
		if (n % 3 == 0)
			CHECKED(fallocate(race.w.fd, PUNCH, 0, ROUND * PAGE_SIZE));
		else if (n % 3 == 1)
			CHECKED(fallocate(race.w.fd, PUNCH, n % ROUND * PAGE_SIZE, PAGE_SIZE));
		fd = n % 16 ? -1 : ioctl(race.w.fd, DITTO_GMEM_FORK);
		if (fd >= 0)
			close(fd);
		usleep(1000);
	}
	race.over = true;
	for (n = 0; n < 2; n++) {
		pthread_join(thread[n], &bad);
		if (bad)
			fail("%s", (char *)bad);
	}
	world_end(&race.w);
	over();
}

int main(int argc, char **argv)
{
	static const struct tap_test tests[] = {
		{ "knobs", knobs },
		{ "touched", touched },
		{ "asked", asked },
		{ "files", files },
		{ "allocated", allocated },
		{ "window", window },
		{ "punched", punched },
		{ "merged", merged },
		{ "merged zero", merged_zero },
		{ "forked", forked },
		{ "pinned", pinned },
		{ "logged", logged },
		{ "compressed", compressed },
		{ "broken", broken },
		{ "limited", limited },
		{ "fragmented", fragmented, NULL, 150 },
		{ "races", races, NULL, 900 },
	};

	return tap_main(argc, argv, tests, ARRAY_SIZE(tests));
}
