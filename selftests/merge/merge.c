// SPDX-License-Identifier: GPL-2.0-only
/*
 * What merges: exact counts for known contents, and every kind of write breaks exactly what it
 * must. ditto only.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "objects.h"

static void checker(const void *arg)
{
	need_ditto();
	ASSERT_EQ(knob_violations(), 0);
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
 * written to it through that mapping has to be noticed nevertheless. The page becomes a
 * candidate after the write, and before its own chunk is scanned again.
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
	{ "other_owner", other_owner, .seconds = 60 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, tests, ARRAY_SIZE(tests));
}
