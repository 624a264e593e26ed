// SPDX-License-Identifier: GPL-2.0-only
/*
 * The merge engine through its knobs: exact counts for known contents, and
 * every kind of write breaks exactly what it must. ditto only.
 */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "knobs.h"
#include "vm.h"

#define PAGES 256
#define SIZE (PAGES * PAGE_SIZE)
#define COUNT 4

static int gmem[COUNT];
static u8 *map[COUNT];

static void knob(const char *name, long value)
{
	char path[128];

	snprintf(path, sizeof(path), DITTO_KSM "%s", name);
	if (knob_write(path, value))
		fail("%s = %ld: %s", path, value, strerror(errno));
}

static long counter(const char *name)
{
	char path[128];
	long value;

	snprintf(path, sizeof(path), DITTO_KSM "%s", name);
	value = knob_read(path);
	if (value < 0)
		fail("%s: %s", path, strerror(errno));
	return value;
}

static void engine_off(void)
{
	knob("run", 2);
	knob("run", 0);
	ASSERT_EQ(counter("pages_shared"), 0);
	ASSERT_EQ(counter("pages_sharing"), 0);
}

static void engine_on(void)
{
	knob("pages_to_scan", 10000);
	knob("sleep_millisecs", 10);
	knob("run", 1);
}

/* Until a counter has exactly this value, and keeps it for two more full scans. */
static void settle(const char *name, long want)
{
	long scans = -1;

	for (;;) {
		long now = counter(name);

		if (now != want)
			scans = -1;
		else if (scans < 0)
			scans = counter("full_scans");
		else if (counter("full_scans") >= scans + 2)
			return;
		if (now > want)
			fail("%s is %ld, want %ld", name, now, want);
		usleep(20000);
	}
}

/* The engine counts scans only while there is something to scan: one page. */
static void keep_scanning(void)
{
	*(u8 *)gmem_map(gmem_new(PAGE_SIZE, 0), PAGE_SIZE) = 1;
}

/* Wait for some full scans, whatever they do. */
static void scans(long count)
{
	long until = counter("full_scans") + count;

	while (counter("full_scans") < until)
		usleep(20000);
}

static void fill(u8 *page, u64 value)
{
	size_t i;

	for (i = 0; i < PAGE_SIZE / 8; i++)
		((u64 *)page)[i] = value ? value * 0x9e3779b97f4a7c15 + i : 0;
}

static void verify(const u8 *page, u64 value)
{
	size_t i;

	for (i = 0; i < PAGE_SIZE / 8; i++)
		ASSERT_EQ(((u64 *)page)[i], value ? value * 0x9e3779b97f4a7c15 + i : 0);
}

static void make(u32 flags)
{
	unsigned int i;

	need_ditto();
	engine_off();
	for (i = 0; i < COUNT; i++) {
		gmem[i] = gmem_new(SIZE, flags);
		map[i] = gmem_map(gmem[i], SIZE);
	}
}

static struct ditto_gmem_stats stats(unsigned int i)
{
	struct ditto_gmem_stats s;

	CHECKED(ioctl(gmem[i], DITTO_GMEM_STATS, &s));
	return s;
}

static void checker(const void *arg)
{
	need_ditto();
	ASSERT_EQ(knob_violations(), 0);
}

/* All objects alike: PAGES pages remain, the others share them. */
static void fill_equal(void)
{
	unsigned int i, p;

	for (i = 0; i < COUNT; i++)
		for (p = 0; p < PAGES; p++)
			fill(map[i] + p * PAGE_SIZE, p + 1);
}

static void verify_equal(void)
{
	unsigned int i, p;

	for (i = 0; i < COUNT; i++)
		for (p = 0; p < PAGES; p++)
			verify(map[i] + p * PAGE_SIZE, p + 1);
}

static void equal(const void *arg)
{
	unsigned int i;

	make(0);
	fill_equal();
	engine_on();
	settle("pages_sharing", PAGES * (COUNT - 1));
	ASSERT_EQ(counter("pages_shared"), PAGES);
	for (i = 0; i < COUNT; i++) {
		ASSERT_EQ(stats(i).shared_bytes, SIZE);
		ASSERT_EQ(stats(i).private_bytes, 0);
		ASSERT_EQ(stats(i).charged_bytes, SIZE / COUNT);
	}
	ASSERT(counter("general_profit") > 0);
	verify_equal();
	ASSERT_EQ(counter("pages_sharing"), PAGES * (COUNT - 1));
	ASSERT_EQ(knob_violations(), 0);
}

static void different(const void *arg)
{
	unsigned int i, p;

	make(0);
	for (i = 0; i < COUNT; i++)
		for (p = 0; p < PAGES; p++)
			fill(map[i] + p * PAGE_SIZE, 1 + i * PAGES + p);
	engine_on();
	scans(4);
	ASSERT_EQ(counter("pages_shared"), 0);
	ASSERT_EQ(counter("pages_sharing"), 0);
	/* Pages that differ in their last byte only stay apart. */
	memcpy(map[1], map[0], SIZE);
	for (p = 0; p < PAGES; p++)
		map[1][p * PAGE_SIZE + PAGE_SIZE - 1] ^= 1;
	scans(4);
	ASSERT_EQ(counter("pages_sharing"), 0);
	for (p = 0; p < PAGES; p++)
		verify(map[0] + p * PAGE_SIZE, 1 + p);
}

/* Zero pages written out go back to nothing. */
static void zero(const void *arg)
{
	unsigned int i, p;

	make(0);
	for (i = 0; i < COUNT; i++) {
		memset(map[i], 1, SIZE);
		memset(map[i], 0, SIZE);
		ASSERT_EQ(stats(i).private_bytes, SIZE);
	}
	engine_on();
	while (stats(0).private_bytes || stats(COUNT - 1).private_bytes)
		usleep(20000);
	settle("pages_sharing", 0);
	for (i = 0; i < COUNT; i++)
		for (p = 0; p < PAGES; p++)
			verify(map[i] + p * PAGE_SIZE, 0);
	ASSERT(counter("ksm_zero_pages") >= 0);
}

/* Within one object too. */
static void within_one(const void *arg)
{
	unsigned int p;

	make(0);
	for (p = 0; p < PAGES; p++)
		fill(map[0] + p * PAGE_SIZE, 1 + p % 8);
	engine_on();
	settle("pages_sharing", PAGES - 8);
	ASSERT_EQ(counter("pages_shared"), 8);
	for (p = 0; p < PAGES; p++)
		verify(map[0] + p * PAGE_SIZE, 1 + p % 8);
}

/* The mapping writes into shared pages: the writer alone sees it. */
static void mapping_writes(const void *arg)
{
	unsigned int p;

	make(0);
	fill_equal();
	engine_on();
	settle("pages_sharing", PAGES * (COUNT - 1));
	knob("run", 0);
	for (p = 0; p < PAGES; p += 4)
		map[2][p * PAGE_SIZE + 5] ^= 0xff;
	ASSERT_EQ(counter("pages_sharing"), PAGES * (COUNT - 1) - PAGES / 4);
	ASSERT_EQ(stats(2).private_bytes, SIZE / 4);
	ASSERT_EQ(stats(2).breaks, PAGES / 4);
	ASSERT_EQ(stats(1).breaks, 0);
	for (p = 0; p < PAGES; p += 4)
		map[2][p * PAGE_SIZE + 5] ^= 0xff;
	verify_equal();
}

static void read_all(volatile u8 *p)
{
	unsigned int i;

	for (i = 0; i < PAGES; i++)
		p[i * PAGE_SIZE];
}

/* What is only read through a mapping, of whatever kind, is not looked at again. */
static void mapping_reads(const void *arg)
{
	unsigned int p;
	long looked;
	u8 *ro;

	make(0);
	for (p = 0; p < PAGES; p++)
		fill(map[0] + p * PAGE_SIZE, 1 + p);
	engine_on();
	scans(6);
	ASSERT_EQ(counter("pages_unshared"), PAGES);
	ro = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, gmem[0], 0);
	ASSERT(ro != MAP_FAILED);
	looked = counter("pages_scanned");
	for (p = 0; p < 6; p++) {
		read_all(p % 2 ? ro : map[0]);
		scans(2);
	}
	ASSERT_EQ(counter("pages_scanned"), looked);
	ASSERT_EQ(counter("pages_unshared"), PAGES);
	/* A write behind a read that was no fault of its own counts, whoever looks when. */
	knob("run", 0);
	read_all(map[0]);
	fill(map[0], 2);
	knob("run", 1);
	settle("pages_sharing", 1);
	CHECKED(mprotect(ro, SIZE, PROT_READ | PROT_WRITE));
	read_all(ro);
	fill(ro + 4 * PAGE_SIZE, 4);
	settle("pages_sharing", 2);
	/* One that is gone by the time that somebody looks, too. */
	knob("run", 0);
	fill(ro + 5 * PAGE_SIZE, 7);
	CHECKED(munmap(ro, SIZE));
	read_all(map[0]);
	fill(map[0] + 8 * PAGE_SIZE, 10);
	CHECKED(munmap(map[0], SIZE));
	knob("run", 1);
	settle("pages_sharing", 4);
	ASSERT_EQ(knob_violations(), 0);
}

/* So does the kernel, writing by O_DIRECT. */
static void direct_io_writes(const void *arg)
{
	const char *path = "/out/merge-direct-io";
	unsigned int p;
	int fd;

	make(0);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_DIRECT, 0600);
	if (fd < 0) {
		path = "/root/merge-direct-io";
		fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_DIRECT, 0600);
	}
	if (fd < 0)
		skip("no file system with O_DIRECT: %s", strerror(errno));
	memset(map[3], 0x77, SIZE);
	ASSERT_EQ(CHECKED(pwrite(fd, map[3], SIZE, 0)), SIZE);
	fill_equal();
	engine_on();
	settle("pages_sharing", PAGES * (COUNT - 1));
	ASSERT_EQ(CHECKED(pread(fd, map[1], SIZE, 0)), SIZE);
	for (p = 0; p < PAGES; p++) {
		ASSERT_EQ(map[1][p * PAGE_SIZE + 9], 0x77);
		verify(map[0] + p * PAGE_SIZE, p + 1);
		verify(map[2] + p * PAGE_SIZE, p + 1);
	}
	/* They are alike among themselves, and merge again. */
	settle("pages_sharing", PAGES * 2 + PAGES - 1);
	unlink(path);
}

/*
 * A page that the kernel holds (a pipe does) cannot be frozen, and stays mapped. What is
 * written to it through that mapping has to be noticed all the same. It is taken for a
 * candidate after it was written, and before its own chunk is scanned again.
 */
static void writes_while_held(const void *arg)
{
	struct iovec iov = { .iov_len = PAGE_SIZE };
	static u8 sink[PAGE_SIZE];
	int pipes[2];

	make(0);
	fill(map[2], 3);
	fill(map[1], 1);
	engine_on();
	scans(4);
	iov.iov_base = map[1];
	CHECKED(pipe(pipes));
	ASSERT_EQ(CHECKED(vmsplice(pipes[1], &iov, 1, 0)), PAGE_SIZE);
	knob("sleep_millisecs", 50);	/* time between two passes */
	scans(1);
	fill(map[0], 1);
	scans(1);
	fill(map[1], 2);		/* here the digest in the index is still that of 1 */
	scans(1);
	ASSERT_EQ(knob_violations(), 0);
	engine_on();
	scans(12);			/* found to be like no other */
	ASSERT_EQ(CHECKED(read(pipes[0], sink, PAGE_SIZE)), PAGE_SIZE);
	ASSERT_EQ(counter("pages_sharing"), 0);
	fill(map[1], 3);
	settle("pages_sharing", 1);
	close(pipes[0]);
	close(pipes[1]);
}

/* And a guest. */
static void guest_writes(const void *arg)
{
	struct vm *vm;
	unsigned int i, p;

	make(0);
	fill_equal();
	vm = vm_new(&(struct vm_config) { .user = true });
	CHECKED(vm_set_gmem_slot(vm, 1, 0, 0x10000000, SIZE, gmem[1], 0));
	engine_on();
	settle("pages_sharing", PAGES * (COUNT - 1));
	knob("run", 0);
	vcpu_call(&vm->vcpu[0], "g_write_forever", 0x10000000);
	for (i = 0; i < 2; i++)
		ASSERT_EQ(vcpu_enter(&vm->vcpu[0]), KVM_EXIT_IO);
	ASSERT_EQ(counter("pages_sharing"), PAGES * (COUNT - 2));
	for (p = 0; p < PAGES; p++) {
		ASSERT_EQ(*(u64 *)(map[1] + p * PAGE_SIZE), 1);
		verify(map[0] + p * PAGE_SIZE, p + 1);
		verify(map[2] + p * PAGE_SIZE, p + 1);
	}
	vm_free(vm);
}

/*
 * Pages of a guest that were examined and found unlike become alike: the engine has to
 * hear of every write.  More pages than a CPU can log at once.
 */
static void guest_rewrites(const void *arg)
{
	unsigned int pages = 1024, round;
	struct vm *vm;
	int fd;

	make(0);
	fd = gmem_new(pages * PAGE_SIZE, 0);
	vm = vm_new(&(struct vm_config) { .user = true });
	CHECKED(vm_set_gmem_slot(vm, 1, 0, 0x10000000, pages * PAGE_SIZE, fd, 0));
	engine_on();
	vcpu_call(&vm->vcpu[0], "g_rewrite", 0x10000000);
	for (round = 0; round < 4; round += 2) {
		ASSERT_EQ(vcpu_enter(&vm->vcpu[0]), KVM_EXIT_IO);
		scans(6);
		ASSERT_EQ(counter("pages_sharing"), 0);
		ASSERT_EQ(vcpu_enter(&vm->vcpu[0]), KVM_EXIT_IO);
		settle("pages_sharing", pages - 1);
	}
	vm_free(vm);
	close(fd);
}

/* Punching a sharer drops its part; closing drops the rest. */
static void punch_and_close(const void *arg)
{
	make(0);
	fill_equal();
	engine_on();
	settle("pages_sharing", PAGES * (COUNT - 1));
	CHECKED(fallocate(gmem[0], FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, SIZE / 2));
	settle("pages_sharing", PAGES / 2 * (COUNT - 1) + PAGES / 2 * (COUNT - 2));
	ASSERT_EQ(map[0][0], 0);
	verify(map[1], 1);
	munmap(map[0], SIZE);
	close(gmem[0]);
	settle("pages_sharing", PAGES * (COUNT - 2));
	munmap(map[1], SIZE);
	close(gmem[1]);
	munmap(map[2], SIZE);
	close(gmem[2]);
	settle("pages_sharing", 0);
	verify(map[3] + SIZE - PAGE_SIZE, PAGES);
}

/* run = 2 gives everybody his own pages back. */
static void unmerge(const void *arg)
{
	unsigned int i;

	make(0);
	fill_equal();
	engine_on();
	settle("pages_sharing", PAGES * (COUNT - 1));
	knob("run", 2);
	ASSERT_EQ(counter("pages_sharing"), 0);
	ASSERT_EQ(counter("pages_shared"), 0);
	for (i = 0; i < COUNT; i++)
		ASSERT_EQ(stats(i).private_bytes, SIZE);
	verify_equal();
	engine_on();
	settle("pages_sharing", PAGES * (COUNT - 1));
	verify_equal();
}

static void no_merge(const void *arg)
{
	make(DITTO_GMEM_NO_MERGE);
	keep_scanning();
	fill_equal();
	engine_on();
	scans(3);
	ASSERT_EQ(counter("pages_sharing"), 0);
	ASSERT_EQ(stats(0).shared_bytes, 0);
}

/* What each policy lets two of four equal objects share. */
static void by_policy(const void *arg)
{
	unsigned int i;

	make(0);
	for (i = 0; i < COUNT; i++) {
		ASSERT_ERRNO(ioctl(gmem[i], DITTO_GMEM_SET_POLICY, 0), EINVAL);
		ASSERT_ERRNO(ioctl(gmem[i], DITTO_GMEM_SET_POLICY, 6), EINVAL);
		ASSERT_ERRNO(ioctl(gmem[i], DITTO_GMEM_SET_POLICY, 1ul << 32), EINVAL);
	}
	fill_equal();
	engine_on();
	settle("pages_sharing", PAGES * (COUNT - 1));
	/* It leaves, and its pages are its own again when the call returns. */
	CHECKED(ioctl(gmem[0], DITTO_GMEM_SET_POLICY, DITTO_POLICY_OFF));
	ASSERT_EQ(stats(0).private_bytes, SIZE);
	ASSERT_EQ(counter("pages_sharing"), PAGES * (COUNT - 2));
	CHECKED(ioctl(gmem[1], DITTO_GMEM_SET_POLICY, DITTO_POLICY_SELF));
	CHECKED(ioctl(gmem[2], DITTO_GMEM_SET_POLICY, DITTO_POLICY_ZERO));
	fill(map[0], 2);
	fill(map[1], 2);
	fill(map[2], 2);
	memset(map[2] + PAGE_SIZE, 0, PAGE_SIZE);
	settle("pages_sharing", 1);		/* of 1's first two pages */
	while (counter("ksm_zero_pages") < 1)
		usleep(20000);
	scans(8);
	ASSERT_EQ(counter("pages_sharing"), 1);
	ASSERT_EQ(stats(0).shared_bytes, 0);
	ASSERT_EQ(stats(2).shared_bytes, 0);
	ASSERT_EQ(stats(2).private_bytes, SIZE - PAGE_SIZE);
	fill(map[0], 1);
	fill(map[1], 1);
	fill(map[2], 1);
	fill(map[2] + PAGE_SIZE, 2);
	for (i = 0; i < COUNT; i++)
		CHECKED(ioctl(gmem[i], DITTO_GMEM_SET_POLICY, DITTO_POLICY_DOMAIN));
	settle("pages_sharing", PAGES * (COUNT - 1));
	verify_equal();
	ASSERT_EQ(knob_violations(), 0);
}

/* A machine's policy is that of its memory, of what it has and of what it gets. */
static void machine_policy(const void *arg)
{
	struct vm *vm;

	make(DITTO_GMEM_POLICY(DITTO_POLICY_DOMAIN));
	fill_equal();
	vm = vm_new(&(struct vm_config) { .user = true });
	CHECKED(vm_set_gmem_slot(vm, 1, 0, 0x10000000, SIZE, gmem[0], 0));
	ASSERT_ERRNO(ioctl(vm->fd, DITTO_SET_POLICY, 7), EINVAL);
	CHECKED(ioctl(vm->fd, DITTO_SET_POLICY, DITTO_POLICY_SELF));
	CHECKED(vm_set_gmem_slot(vm, 2, 0, 0x20000000, SIZE, gmem[1], 0));
	engine_on();
	settle("pages_sharing", PAGES * (COUNT - 3));
	ASSERT_EQ(stats(0).shared_bytes, 0);
	ASSERT_EQ(stats(1).shared_bytes, 0);
	CHECKED(ioctl(vm->fd, DITTO_SET_POLICY, DITTO_POLICY_DOMAIN));
	settle("pages_sharing", PAGES * (COUNT - 1));
	verify_equal();
	vm_free(vm);
}

/* New objects have the module's default; those that there are keep theirs. */
static void default_policy(const void *arg)
{
	static const char path[] = "/sys/module/ditto/parameters/policy";
	unsigned int p;

	need_ditto();
	ASSERT_EQ(knob_write_text(path, "nothing"), -1);
	CHECKED(knob_write_text(path, "zero"));
	make(0);
	CHECKED(knob_write_text(path, "domain"));
	fill_equal();
	for (p = 0; p < PAGES / 2; p++)
		fill(map[3] + p * PAGE_SIZE, 0);
	engine_on();
	settle("ksm_zero_pages", PAGES / 2);
	ASSERT_EQ(counter("pages_sharing"), 0);
	ASSERT_EQ(stats(3).private_bytes, SIZE / 2);
}

/* Other owners' objects are another domain. */
static void other_owner(const void *arg)
{
	int ready[2], go[2], status;
	pid_t child;
	char c;

	need_ditto();
	engine_off();
	CHECKED(pipe(ready));
	CHECKED(pipe(go));
	child = fork();
	if (!child) {
		/* The device is opened first: the other user may not. */
		int dev = dev_open();
		struct ditto_create_gmem args = { .size = SIZE };
		unsigned int p;

		CHECKED(setresuid(12345, 12345, 12345));
		gmem[0] = CHECKED(ioctl(dev, DITTO_CREATE_GMEM, &args));
		map[0] = gmem_map(gmem[0], SIZE);
		for (p = 0; p < PAGES; p++)
			fill(map[0] + p * PAGE_SIZE, p + 1);
		CHECKED(write(ready[1], "x", 1));
		if (read(go[0], &c, 1) != 1)
			_exit(1);
		for (p = 0; p < PAGES; p++)
			verify(map[0] + p * PAGE_SIZE, p + 1);
		_exit(stats(0).shared_bytes != 0);
	}
	gmem[1] = gmem_new(SIZE, 0);
	map[1] = gmem_map(gmem[1], SIZE);
	for (unsigned int p = 0; p < PAGES; p++)
		fill(map[1] + p * PAGE_SIZE, p + 1);
	ASSERT_EQ(CHECKED(read(ready[0], &c, 1)), 1);
	engine_on();
	scans(4);
	ASSERT_EQ(counter("pages_sharing"), 0);
	ASSERT_EQ(stats(1).shared_bytes, 0);
	CHECKED(write(go[1], "x", 1));
	waitpid(child, &status, 0);
	ASSERT_EQ(status, 0);
}

static double now(void)
{
	struct timespec ts;

	CHECKED(clock_gettime(CLOCK_MONOTONIC, &ts));
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

/* A test host may be slow, and the counters are polled: a second, and what that takes. */
#define SOON 3.0

/* Set a knob, and soon there is a scan. */
static void scan_soon(const char *name, long value)
{
	long until = counter("full_scans") + 1;
	double begin = now();

	knob(name, value);
	while (counter("full_scans") < until) {
		if (now() - begin > SOON)
			fail("no scan %.1f s after %s = %ld", SOON, name, value);
		usleep(20000);
	}
}

/* A knob says what happens now, not from the end of a sleep on that another one began. */
static void knobs_at_once(const void *arg)
{
	static const long sleeps[] = { 60000, 3600000, 4294967295 };
	size_t i;

	make(0);
	keep_scanning();
	for (i = 0; i < ARRAY_SIZE(sleeps); i++) {
		engine_on();
		scans(1);
		knob("sleep_millisecs", sleeps[i]);
		usleep(300000);
		scan_soon("sleep_millisecs", 20);
		knob("sleep_millisecs", sleeps[i]);
		usleep(300000);
		knob("run", 0);
		scan_soon("run", 1);
	}
	knob("run", 0);
	knob("pages_to_scan", 0);
	knob("run", 1);
	usleep(300000);
	scan_soon("pages_to_scan", 4294967295);
}

/* A counter comes to a value soon after a knob was set. */
static void soon(const char *name, long want, const char *after)
{
	double begin = now();

	while (counter(name) != want) {
		if (now() - begin > SOON)
			fail("%s is %ld %.1f s after %s, not %ld", name, counter(name), SOON, after,
			     want);
		usleep(20000);
	}
}

/* Knobs that say what becomes of a page hold for the next one. */
static void knobs_next_page(const void *arg)
{
	unsigned int i;

	make(0);
	engine_on();
	knob("max_page_sharing", 2);
	for (i = 0; i < COUNT; i++)
		fill(map[i], 1);
	soon("pages_shared", 2, "max_page_sharing = 2");
	soon("pages_sharing", 2, "max_page_sharing = 2");
	knob("max_page_sharing", 1000);
	fill(map[0] + PAGE_SIZE, 1);
	soon("pages_sharing", 3, "max_page_sharing = 1000");

	knob("use_zero_pages", 0);
	fill(map[0] + 2 * PAGE_SIZE, 0);
	fill(map[1] + 2 * PAGE_SIZE, 0);
	soon("pages_shared", 3, "use_zero_pages = 0");
	ASSERT_EQ(counter("ksm_zero_pages"), 0);
	knob("use_zero_pages", 1);
	fill(map[2] + 2 * PAGE_SIZE, 0);
	soon("ksm_zero_pages", 1, "use_zero_pages = 1");

	knob("pages_to_scan", 100);
	CHECKED(knob_write_text(DITTO_KSM "advisor_mode", "scan-time"));
	soon("pages_to_scan", 500, "advisor_mode = scan-time");
	knob("advisor_min_pages_to_scan", 600);
	soon("pages_to_scan", 600, "advisor_min_pages_to_scan = 600");
	CHECKED(knob_write_text(DITTO_KSM "advisor_mode", "none"));
	knob("advisor_min_pages_to_scan", 500);
	knob("max_page_sharing", 1 << 30);
}

#define BUSY_SIZE (24 * MIB)

/* Wait until there is no scan for a second: the engine makes up for much work in a short time. */
static void wait_for_pause(u8 *p)
{
	long was;
	u64 i, n;

	for (n = 0; n < 20; n++) {
		for (i = 0; i < BUSY_SIZE / PAGE_SIZE; i++)
			fill(p + i * PAGE_SIZE, (n << 20) + i + 1);
		for (i = 0; i < 10; i++) {
			was = counter("full_scans");
			usleep(1000000);
			if (was == counter("full_scans"))
				return;
		}
	}
	fail("max_cpu = 1 stops nothing");
}

/* Nor does a sleep go on that only max_cpu has made long. */
static void max_cpu_at_once(const void *arg)
{
	u8 *p;

	make(0);
	p = gmem_map(gmem_new(BUSY_SIZE, 0), BUSY_SIZE);
	engine_on();
	knob("sleep_millisecs", 1);
	knob("pages_to_scan", 4294967295);
	knob("max_cpu", 1);
	wait_for_pause(p);
	scan_soon("max_cpu", 0);
	/* Or it might be the last that knows of this memory while the checker counts. */
	knob("run", 0);
}

/* The one counter that may be negative. */
static long profit(void)
{
	return knob_read(DITTO_KSM "general_profit");
}

/* What was never looked at is not volatile, and what is gone costs nothing. */
static void counters(const void *arg)
{
	double begin;
	unsigned int i;

	make(0);
	fill_equal();
	ASSERT_EQ(counter("pages_volatile"), 0);
	ASSERT_EQ(counter("pages_unshared"), 0);
	for (i = 1; i < COUNT; i++) {
		munmap(map[i], SIZE);
		close(gmem[i]);
	}
	engine_on();
	settle("pages_unshared", PAGES);
	ASSERT_EQ(counter("pages_volatile"), 0);
	ASSERT(profit() < 0);
	knob("run", 0);
	munmap(map[0], SIZE);
	close(gmem[0]);
	for (begin = now(); profit(); usleep(20000))
		if (now() - begin > SOON)
			fail("general_profit is %ld", profit());
	ASSERT_EQ(counter("pages_volatile"), 0);
	ASSERT_EQ(counter("pages_unshared"), 0);
}

/* How long it takes until two equal pages are one. */
static double time_to_merge(void)
{
	long want = counter("pages_sharing") + 1;
	static unsigned int page;
	double begin = now();

	page++;
	fill(map[0] + page * PAGE_SIZE, page);
	fill(map[1] + page * PAGE_SIZE, page);
	while (counter("pages_sharing") != want)
		usleep(2000);
	return now() - begin;
}

/* Another user's many objects, that cost a scan time and find it nothing to do. */
static void crowd_of_objects(const void *arg)
{
	struct rlimit files = { 10000, 10000 };
	double alone, crowded;
	int ready[2];
	pid_t child;
	char c;

	make(0);
	knob("pages_to_scan", 100);
	knob("sleep_millisecs", 1);
	knob("run", 1);
	alone = time_to_merge();
	CHECKED(pipe(ready));
	child = fork();
	if (!child) {
		int i, dev = dev_open();
		struct ditto_create_gmem args = { .size = 1ul << 40 };

		CHECKED(setrlimit(RLIMIT_NOFILE, &files));
		CHECKED(setresuid(12345, 12345, 12345));
		for (i = 0; i < 8000; i++)
			CHECKED(ioctl(dev, DITTO_CREATE_GMEM, &args));
		CHECKED(write(ready[1], "x", 1));
		pause();
	}
	ASSERT_EQ(CHECKED(read(ready[0], &c, 1)), 1);
	crowded = time_to_merge() + time_to_merge();
	crowded /= 2;
	printf("# merged in %.2f s, beside 8000 objects in %.2f s\n", alone, crowded);
	kill(child, SIGKILL);
	CHECKED(waitpid(child, NULL, 0));
	ASSERT(crowded < 3 * alone + 1);
}

/* The engine's thread. */
static int engine_pid(void)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	char path[300], name[32];
	int pid = 0, fd;

	ASSERT(proc != NULL);
	while (!pid && (entry = readdir(proc))) {
		snprintf(path, sizeof(path), "/proc/%s/comm", entry->d_name);
		fd = open(path, O_RDONLY);
		if (fd < 0)
			continue;
		memset(name, 0, sizeof(name));
		if (read(fd, name, sizeof(name) - 1) > 0 && !strcmp(name, "ditto-ksmd\n"))
			pid = atoi(entry->d_name);
		close(fd);
	}
	closedir(proc);
	ASSERT(pid);
	return pid;
}

/* What a pass over memory that is written all the time takes of a CPU, in milliseconds. */
static double pass_time(int pid, volatile u8 *page)
{
	char path[64];
	long begin, scanned;

	snprintf(path, sizeof(path), "/proc/%d/schedstat", pid);
	begin = knob_read(path);
	scanned = counter("full_scans");
	while (counter("full_scans") < scanned + 10) {
		(*page)++;
		usleep(1000);
	}
	return (knob_read(path) - begin) / 10e6;
}

/* What too many have mapped is left alone, and merged once it is not. */
static void crowd_of_mappings(const void *arg)
{
	unsigned int i, many = 20000;
	int pid = engine_pid();
	double few, lots;
	u8 **more;

	make(0);
	fill(map[0], 1);
	fill(map[1], 1);
	more = calloc(many, sizeof(*more));
	ASSERT(more != NULL);
	engine_on();
	few = pass_time(pid, map[0] + PAGE_SIZE);
	settle("pages_sharing", 1);
	for (i = 0; i < many; i++)
		more[i] = gmem_map(gmem[0], PAGE_SIZE * 2);
	lots = pass_time(pid, map[0] + PAGE_SIZE);
	printf("# a pass takes %.2f ms, with %u mappings %.2f ms\n", few, many, lots);
	fill(map[0], 2);
	fill(map[1], 2);
	scans(10);
	ASSERT_EQ(counter("pages_sharing"), 0);
	ASSERT_EQ(*(u64 *)more[many - 1], *(u64 *)map[1]);
	ASSERT_EQ(knob_violations(), 0);
	for (i = 0; i < many; i++)
		munmap(more[i], PAGE_SIZE * 2);
	settle("pages_sharing", 1);
	verify(map[0], 2);
	verify(map[1], 2);
	free(more);
}

static void bad_knobs(const void *arg)
{
	static const char *const text[] = { "3", "-1", "x", "", "99999999999999999999" };
	size_t i;

	need_ditto();
	engine_off();
	for (i = 0; i < ARRAY_SIZE(text); i++)
		if (*text[i])
			ASSERT_EQ(knob_write_text(DITTO_KSM "run", text[i]), -1);
	ASSERT_EQ(knob_write_text(DITTO_KSM "pages_to_scan", "-5"), -1);
	ASSERT_EQ(knob_write_text(DITTO_KSM "sleep_millisecs", "no"), -1);
	ASSERT_EQ(knob_write_text(DITTO_KSM "pages_sharing", "0"), -1);
	ASSERT_EQ(knob_write_text(DITTO_KSM "use_zero_pages", "2"), -1);
	ASSERT_EQ(knob_write_text(DITTO_KSM "merge_across_nodes", "2"), -1);
	ASSERT_EQ(knob_write_text(DITTO_KSM "max_page_sharing", "1"), -1);
	ASSERT_EQ(knob_write_text(DITTO_KSM "advisor_mode", "all"), -1);
	ASSERT_EQ(knob_write_text(DITTO_KSM "advisor_max_cpu", "101"), -1);
	ASSERT_EQ(knob_write_text(DITTO_KSM "advisor_max_cpu", "0"), -1);
	ASSERT_EQ(knob_write_text(DITTO_KSM "advisor_min_pages_to_scan", "30001"), -1);
	ASSERT_EQ(knob_write_text(DITTO_KSM "advisor_max_pages_to_scan", "499"), -1);
	ASSERT_EQ(knob_write_text(DITTO_KSM "advisor_target_scan_time", "0"), -1);
	/* The advisor alone sets what it sets. */
	CHECKED(knob_write_text(DITTO_KSM "advisor_mode", "scan-time"));
	ASSERT_EQ(knob_write_text(DITTO_KSM "pages_to_scan", "100"), -1);
	CHECKED(knob_write_text(DITTO_KSM "advisor_mode", "none"));
	knob("pages_to_scan", 100);
	ASSERT_EQ(counter("run"), 0);
}

/* With the advisor, pages_to_scan comes to what it may be at least, and all is merged. */
static void advised(const void *arg)
{
	make(0);
	fill_equal();
	engine_on();
	knob("advisor_min_pages_to_scan", 600);
	knob("advisor_target_scan_time", 1000);
	CHECKED(knob_write_text(DITTO_KSM "advisor_mode", "scan-time"));
	settle("pages_sharing", PAGES * (COUNT - 1));
	while (counter("pages_to_scan") > 600)
		usleep(20000);
	ASSERT_EQ(counter("pages_to_scan"), 600);
	CHECKED(knob_write_text(DITTO_KSM "advisor_mode", "none"));
	knob("advisor_min_pages_to_scan", 500);
	knob("advisor_target_scan_time", 200);
	verify_equal();
}

/* Several threads merge what there is, and go again. */
static void workers(const void *arg)
{
	make(0);
	ASSERT_EQ(knob_write_text(DITTO_KSM "workers", "0"), -1);
	ASSERT_EQ(knob_write_text(DITTO_KSM "workers", "9"), -1);
	knob("workers", 4);
	ASSERT_EQ(counter("workers"), 4);
	ASSERT_EQ(system("test $(pgrep -c '^ditto-ksmd') = 4"), 0);
	fill_equal();
	engine_on();
	settle("pages_sharing", PAGES * (COUNT - 1));
	verify_equal();
	knob("workers", 1);
	ASSERT_EQ(system("test $(pgrep -c '^ditto-ksmd') = 1"), 0);
	fill_equal();
	settle("pages_sharing", PAGES * (COUNT - 1));
	verify_equal();
	ASSERT_EQ(knob_violations(), 0);
}

/* CPU time of the engine's threads so far, in ticks. */
static long engine_ticks(void)
{
	FILE *f = popen("cat $(pgrep '^ditto-ksmd' | sed 's#.*#/proc/&/stat#') | "
			"awk '{ n += $14 + $15 } END { print n }'", "r");
	long ticks = -1;

	ASSERT(f && fscanf(f, "%ld", &ticks) == 1);
	pclose(f);
	return ticks;
}

/* With all the work in the world the engine takes no more than it may. */
static void budget(const void *arg)
{
	long begin, used, hz = sysconf(_SC_CLK_TCK);
	struct timespec t0, t1;
	double secs;

	make(0);
	knob("workers", 2);
	knob("max_cpu", 5);
	fill_equal();
	engine_on();
	knob("sleep_millisecs", 0);
	begin = engine_ticks();
	clock_gettime(CLOCK_MONOTONIC, &t0);
	do {
		fill_equal();
		clock_gettime(CLOCK_MONOTONIC, &t1);
		secs = (t1.tv_sec - t0.tv_sec) + (t1.tv_nsec - t0.tv_nsec) / 1e9;
	} while (secs < 8);
	used = engine_ticks() - begin;
	knob("max_cpu", 0);
	knob("workers", 1);
	note("%ld ticks of %.0f", used, secs * hz);
	ASSERT(used <= secs * hz * 0.06 + 2);
	ASSERT_EQ(knob_write_text(DITTO_KSM "max_cpu", "801"), -1);
}

/* Killed in the middle of merging, again and again. */
static void killed(const void *arg)
{
	unsigned int i;
	pid_t child;

	need_ditto();
	engine_off();
	engine_on();
	srandom(1);
	for (i = 0; i < 40; i++) {
		child = fork();
		if (!child) {
			for (unsigned int j = 0; j < COUNT; j++) {
				gmem[j] = gmem_new(SIZE, 0);
				map[j] = gmem_map(gmem[j], SIZE);
			}
			for (;;)
				fill_equal();
		}
		usleep(random() % 80000);
		kill(child, SIGKILL);
		CHECKED(waitpid(child, NULL, 0));
	}
	keep_scanning();
	settle("pages_sharing", 0);
	ASSERT_EQ(counter("pages_shared"), 0);
}

static const struct tap_test tests[] = {
	{ "checker", checker }, { "equal", equal, .seconds = 60 },
	{ "different", different, .seconds = 60 }, { "zero", zero, .seconds = 60 },
	{ "within_one", within_one, .seconds = 60 },
	{ "mapping_writes", mapping_writes, .seconds = 60 },
	{ "mapping_reads", mapping_reads, .seconds = 60 },
	{ "direct_io_writes", direct_io_writes, .seconds = 60 },
	{ "writes_while_held", writes_while_held, .seconds = 60 },
	{ "guest_writes", guest_writes, .seconds = 60 },
	{ "guest_rewrites", guest_rewrites, .seconds = 60 },
	{ "punch_and_close", punch_and_close, .seconds = 60 },
	{ "unmerge", unmerge, .seconds = 60 }, { "no_merge", no_merge, .seconds = 60 },
	{ "by_policy", by_policy, .seconds = 60 },
	{ "machine_policy", machine_policy, .seconds = 60 },
	{ "default_policy", default_policy, .seconds = 60 },
	{ "other_owner", other_owner, .seconds = 60 }, { "bad_knobs", bad_knobs },
	{ "knobs_at_once", knobs_at_once, .seconds = 60 },
	{ "knobs_next_page", knobs_next_page, .seconds = 60 },
	{ "max_cpu_at_once", max_cpu_at_once, .seconds = 100 },
	{ "advised", advised, .seconds = 60 },
	{ "workers", workers, .seconds = 60 }, { "budget", budget, .seconds = 60 },
	{ "counters", counters, .seconds = 60 },
	{ "crowd_of_objects", crowd_of_objects, .seconds = 90 },
	{ "crowd_of_mappings", crowd_of_mappings, .seconds = 90 },
	{ "killed", killed, .seconds = 90 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, tests, ARRAY_SIZE(tests));
}
