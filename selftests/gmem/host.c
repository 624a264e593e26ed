// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the host does to guest memory, and guest memory to the host: memory that goes
 * bad, memory cgroups that are full, what a process weighs for the OOM killer, and
 * pins that last. Runs as root; ditto only.
 */
#include <fcntl.h>
#include <linux/io_uring.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cgroup.h"
#include "knobs.h"
#include "vm.h"

#define SLOT_GPA 0x10000000ul
#define NEXT_GPA (8 * MIB)		/* behind slot 0: g_touch() goes on there */
#define GMEM_SYSFS "/sys/kernel/ditto/gmem/"

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

/* The engine rests, whatever the test before left. */
static void begin(void)
{
	need_ditto();
	CHECKED(knob_write(DITTO_KSM "run", 0));
}

static void merge_start(void)
{
	CHECKED(knob_write(DITTO_KSM "pages_to_scan", 100000));
	CHECKED(knob_write(DITTO_KSM "sleep_millisecs", 1));
	CHECKED(knob_write(DITTO_KSM "run", 1));
}

static void merge_for_passes(int passes)
{
	long until = knob_read(DITTO_KSM "full_scans") + passes;

	while (knob_read(DITTO_KSM "full_scans") < until)
		usleep(2000);
}

/* ---- bus errors ---- */

static sigjmp_buf bus_back;
static volatile int bus_code;
static void *volatile bus_addr;

static void bus_handler(int sig, siginfo_t *info, void *context)
{
	bus_code = info->si_code;
	bus_addr = info->si_addr;
	siglongjmp(bus_back, 1);
}

static void bus_catch(void)
{
	struct sigaction sa = { .sa_sigaction = bus_handler, .sa_flags = SA_SIGINFO };

	CHECKED(sigaction(SIGBUS, &sa, NULL));
}

/* The code of the bus error that an access gives, 0 for none. */
static int touch(volatile u8 *p, bool write)
{
	bus_code = 0;
	if (sigsetjmp(bus_back, 1)) {
		ASSERT_EQ(bus_addr, p);
		return bus_code;
	}
	if (write)
		*p = 1;
	else
		(void)*p;
	return 0;
}

/* ---- bad memory ---- */

/*
 * Without the MCE of a real one: the kernel thinks that the memory at @p is bad. It sends
 * a signal at once for memory that it knows, and is EBUSY with a gmem's, though marked.
 */
static void poison(void *p)
{
	bus_catch();
	if (!sigsetjmp(bus_back, 1) && madvise(p, PAGE_SIZE, MADV_HWPOISON) && errno != EBUSY)
		skip("no MADV_HWPOISON: %s", strerror(errno));
}

/* Each other mapping is told, by its address; a punched page is a new one. */
static void poison_mappings(const void *arg)
{
	u8 *p, *q, *r, out[PAGE_SIZE];
	struct iovec local = { out, PAGE_SIZE }, remote;
	int fd;

	begin();
	bus_catch();
	fd = gmem_new(8 * PAGE_SIZE, 0);
	p = gmem_map(fd, 8 * PAGE_SIZE);
	q = gmem_map(fd, 8 * PAGE_SIZE);
	r = gmem_map(fd, 8 * PAGE_SIZE);
	memset(p, 7, 4 * PAGE_SIZE);
	ASSERT_EQ(touch(r + 7 * PAGE_SIZE, false), 0);	/* so that its writes are watched */
	ASSERT_EQ(touch(r, false), 0);
	poison(p);
	ASSERT_EQ(touch(r, true), BUS_MCEERR_AR);
	ASSERT_EQ(touch(q, false), BUS_MCEERR_AR);
	ASSERT_EQ(touch(q, true), BUS_MCEERR_AR);
	ASSERT_EQ(touch(p, false), BUS_MCEERR_AR);
	ASSERT_EQ(q[PAGE_SIZE], 7);
	remote = (struct iovec) { q, PAGE_SIZE };
	ASSERT_ERRNO(process_vm_readv(getpid(), &local, 1, &remote, 1, 0), EFAULT);
	CHECKED(punch(fd, 0, PAGE_SIZE));
	ASSERT_EQ(touch(q, true), 0);
	ASSERT_EQ(p[0], 1);
	ASSERT_EQ(p[1], 0);
	ASSERT_EQ(stats(fd).private_bytes, 4 * PAGE_SIZE);
}

/* A guest's access ends KVM_RUN; nothing is lost, and it goes on with a new page. */
static void poison_guest(const void *arg)
{
	struct vm *vm;
	u32 value;
	u8 *p;
	int fd;

	begin();
	vm = vm_new(NULL);
	fd = gmem_new(2 * MIB, 0);
	p = gmem_map(fd, 2 * MIB);
	CHECKED(vm_set_gmem_slot(vm, 1, 0, SLOT_GPA, 2 * MIB, fd, 0));
	memset(p, 7, 3 * PAGE_SIZE);
	poison(p + PAGE_SIZE);
	vcpu_call(&vm->vcpu[0], "g_read", SLOT_GPA + PAGE_SIZE);
	ASSERT_EQ(vcpu_enter(&vm->vcpu[0]), -EHWPOISON);
	ASSERT_EQ(vcpu_enter(&vm->vcpu[0]), -EHWPOISON);
	CHECKED(punch(fd, PAGE_SIZE, PAGE_SIZE));
	p[PAGE_SIZE] = 5;
	ASSERT_EQ(vcpu_enter(&vm->vcpu[0]), KVM_EXIT_IO);
	memcpy(&value, (u8 *)vm->vcpu[0].run + vm->vcpu[0].run->io.data_offset, 4);
	ASSERT_EQ(value, 5);
	vm_free(vm);
}

/* Not read by the engine, and not copied when a shared one is written. */
static void poison_merged(const void *arg)
{
	u8 *p[2];
	int fd[2], i;

	begin();
	bus_catch();
	for (i = 0; i < 2; i++) {
		fd[i] = gmem_new(4 * PAGE_SIZE, 0);
		p[i] = gmem_map(fd[i], 4 * PAGE_SIZE);
		memset(p[i], 0x11, PAGE_SIZE);
		memset(p[i] + PAGE_SIZE, 0x22, PAGE_SIZE);
		memset(p[i] + 2 * PAGE_SIZE, 0, PAGE_SIZE);
	}
	poison(p[0]);
	poison(p[0] + 2 * PAGE_SIZE);
	merge_start();
	merge_for_passes(12);
	ASSERT_EQ(stats(fd[0]).shared_bytes, PAGE_SIZE);
	ASSERT_EQ(stats(fd[0]).private_bytes, 2 * PAGE_SIZE);
	ASSERT_EQ(stats(fd[1]).shared_bytes, PAGE_SIZE);
	ASSERT_EQ(p[1][PAGE_SIZE], 0x22);
	poison(p[1] + PAGE_SIZE);
	ASSERT_EQ(touch(p[1] + PAGE_SIZE, true), BUS_MCEERR_AR);
	ASSERT_EQ(touch(p[0] + PAGE_SIZE, true), BUS_MCEERR_AR);
	ASSERT_EQ(touch(p[0] + PAGE_SIZE, false), BUS_MCEERR_AR);
	ASSERT_EQ(stats(fd[0]).breaks, 0);
	CHECKED(knob_write(DITTO_KSM "run", 2));
	CHECKED(knob_write(DITTO_KSM "run", 0));
	ASSERT_EQ(p[1][0], 0x11);
	CHECKED(punch(fd[0], 0, 4 * PAGE_SIZE));
	CHECKED(punch(fd[1], 0, 4 * PAGE_SIZE));
}

/* Memory of the process's own behind a slot: the VMM gets the signal, with the address. */
static void poison_user(const void *arg)
{
	struct vm *vm;
	u8 *p;

	begin();
	bus_catch();
	vm = vm_new(NULL);
	p = mmap(NULL, 2 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT(p != MAP_FAILED);
	CHECKED(madvise(p, 2 * MIB, MADV_NOHUGEPAGE));
	memset(p, 7, 2 * PAGE_SIZE);
	CHECKED(vm_set_slot(vm, 1, 0, SLOT_GPA, 2 * MIB, p));
	poison(p + PAGE_SIZE);
	vcpu_call(&vm->vcpu[0], "g_read", SLOT_GPA + PAGE_SIZE);
	bus_code = 0;
	if (!sigsetjmp(bus_back, 1))
		vcpu_enter(&vm->vcpu[0]);
	ASSERT_EQ(bus_code, BUS_MCEERR_AR);
	ASSERT_EQ(bus_addr, p + PAGE_SIZE);
	vm_free(vm);
}

/* ---- memory cgroups ---- */

static pid_t bystander_new(long bytes)
{
	pid_t pid = fork();
	volatile u8 *p;
	long i;

	if (pid)
		return pid;
	p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (i = 0; i < bytes; i += PAGE_SIZE)
		p[i] = 1;
	for (;;)
		pause();
}

static bool bystander_lives(pid_t pid)
{
	bool lives = waitpid(pid, NULL, WNOHANG) == 0;

	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return lives;
}

/* A gmem of a cgroup that has 12 MiB, in the hands of a process outside of it. */
static int cgroup_gmem(const char *name, pid_t *bystander, u64 size)
{
	int fd;

	cgroup_new(name, 12 * MIB);
	cgroup_enter(name);
	fd = gmem_new(size, 0);
	*bystander = bystander_new(MIB);
	cgroup_enter("");
	return fd;
}

/* What was punched a moment ago makes room, though it is not free yet. */
static void cgroup_punched(const void *arg)
{
	int fd, round;
	pid_t pid;
	u64 i;
	u8 *p;

	begin();
	bus_catch();
	fd = cgroup_gmem("punched", &pid, 8 * MIB);
	p = gmem_map(fd, 8 * MIB);
	for (round = 0; round < 20; round++) {
		for (i = 0; i < 8 * MIB; i += PAGE_SIZE)
			ASSERT_EQ(touch(p + i, true), 0);
		CHECKED(punch(fd, 0, 8 * MIB));
	}
	ASSERT_EQ(cgroup_kills("punched"), 0);
	ASSERT(bystander_lives(pid));
}

/* It is the owner's cgroup that pays; when that is full, a bus error, and nobody dies. */
static void cgroup_mapping(const void *arg)
{
	u64 i, first;
	pid_t pid;
	u8 *p;
	int fd;

	begin();
	bus_catch();
	fd = cgroup_gmem("mapping", &pid, 24 * MIB);
	p = gmem_map(fd, 24 * MIB);
	for (i = 0; i < 24 * MIB && !touch(p + i, true); i += PAGE_SIZE)
		;
	note("bus error after %lu MiB", i / MIB);
	ASSERT(i >= 4 * MIB && i < 12 * MIB);
	ASSERT_EQ(bus_code, BUS_ADRERR);
	ASSERT(knob_read(cgroup("mapping", "memory.current")) > (long)(4 * MIB));
	first = i;
	ASSERT_EQ(touch(p + first, true), BUS_ADRERR);
	CHECKED(knob_write(cgroup("mapping", "memory.max"), 128 * MIB));
	for (; i < 24 * MIB; i += PAGE_SIZE)
		ASSERT_EQ(touch(p + i, true), 0);
	ASSERT_EQ(p[first], 1);
	ASSERT_EQ(cgroup_kills("mapping"), 0);
	ASSERT(bystander_lives(pid));
	munmap(p, 24 * MIB);
	close(fd);
}

/* The same for a guest: KVM_RUN says ENOMEM, and can be called again. */
static void cgroup_guest(const void *arg)
{
	struct vm *vm;
	pid_t pid;
	int fd;

	begin();
	fd = cgroup_gmem("guest", &pid, 24 * MIB);
	vm = vm_new(NULL);
	CHECKED(vm_set_gmem_slot(vm, 1, 0, NEXT_GPA, 24 * MIB, fd, 0));
	vcpu_call(&vm->vcpu[0], "g_touch", NEXT_GPA + 20 * MIB);
	ASSERT_EQ(vcpu_enter(&vm->vcpu[0]), -ENOMEM);
	ASSERT(stats(fd).private_bytes >= 4 * MIB && stats(fd).private_bytes < 12 * MIB);
	ASSERT_EQ(vcpu_enter(&vm->vcpu[0]), -ENOMEM);
	CHECKED(knob_write(cgroup("guest", "memory.max"), 128 * MIB));
	vcpu_run_done(&vm->vcpu[0]);
	ASSERT(stats(fd).private_bytes >= 20 * MIB);
	ASSERT_EQ(cgroup_kills("guest"), 0);
	ASSERT(bystander_lives(pid));
	vm_free(vm);
	close(fd);
}

/* What a write copies is charged to the gmem that it was written to. */
static void cgroup_copies(const void *arg)
{
	long before;
	u8 *p, *q;
	int mine, theirs, i;

	begin();
	cgroup_new("copies", 64 * MIB);
	mine = gmem_new(16 * MIB, 0);
	p = gmem_map(mine, 16 * MIB);
	cgroup_enter("copies");
	theirs = gmem_new(16 * MIB, 0);
	cgroup_enter("");
	q = gmem_map(theirs, 16 * MIB);
	for (i = 0; i < 1024; i++)
		memset(p + i * PAGE_SIZE, 1 + i % 100, PAGE_SIZE);
	merge_start();
	merge_for_passes(8);		/* "mine" is first, and so pays for what is shared */
	for (i = 0; i < 1024; i++)
		memset(q + i * PAGE_SIZE, 1 + i % 100, PAGE_SIZE);
	merge_for_passes(16);
	ASSERT_EQ(stats(theirs).private_bytes, 0);
	CHECKED(knob_write(DITTO_KSM "run", 0));
	usleep(300000);			/* what was merged is freed */
	before = knob_read(cgroup("copies", "memory.current"));
	ASSERT(before < (long)MIB);
	for (i = 0; i < 1024; i++)
		q[i * PAGE_SIZE + 5] = 0xff;
	ASSERT(knob_read(cgroup("copies", "memory.current")) - before > (long)(3 * MIB));
	munmap(p, 16 * MIB);
	munmap(q, 16 * MIB);
	close(mine);
	close(theirs);
}

/* ---- weight ---- */

static long rss_kib(void)
{
	return knob_line("/proc/self/status", "RssShmem");
}

static bool near(long got, long want)
{
	note("%ld KiB, %ld wanted", got, want);
	return got >= want - 512 && got <= want + 512;
}

/* A guest's memory is in its owner's RSS, and leaves it when it is punched or freed. */
static void weight(const void *arg)
{
	struct vm *vm;
	long before;
	int fd;

	begin();
	before = rss_kib();
	ASSERT(before >= 0);
	vm = vm_new(NULL);
	fd = gmem_new(24 * MIB, 0);
	CHECKED(vm_set_gmem_slot(vm, 1, 0, NEXT_GPA, 24 * MIB, fd, 0));
	vm_call(vm, "g_touch", NEXT_GPA + 20 * MIB);
	ASSERT(stats(fd).private_bytes >= 20 * MIB);
	ASSERT(near(rss_kib() - before,
		    (stats(fd).private_bytes + stats(vm->gmem).private_bytes) / 1024));
	ASSERT(knob_read(GMEM_SYSFS "private_pages") * (long)PAGE_SIZE >=
	       (long)stats(fd).private_bytes);
	ASSERT(knob_read(GMEM_SYSFS "objects") >= 2);
	CHECKED(punch(fd, 0, 24 * MIB));
	ASSERT(near(rss_kib() - before, stats(vm->gmem).private_bytes / 1024));
	vm_free(vm);
	close(fd);
	ASSERT(near(rss_kib(), before));
}

/* Who holds a gmem when its maker is gone has its weight, once it uses it. */
static void weight_inherited(const void *arg)
{
	struct ditto_create_gmem args = { .size = 32 * MIB };
	int up[2], fd, status;
	pid_t pid;
	u8 *p;

	begin();
	CHECKED(pipe(up));
	/* One table of files for both: what the child makes stays. */
	pid = syscall(SYS_clone, CLONE_FILES | SIGCHLD, NULL, NULL, NULL, NULL);
	if (!pid) {
		int dev = open(tap.dev, O_RDWR | O_CLOEXEC);

		fd = ioctl(dev, DITTO_CREATE_GMEM, &args);
		p = mmap(NULL, 32 * MIB, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		memset(p, 1, 8 * MIB);
		munmap(p, 32 * MIB);
		if (!near(rss_kib(), 8 * 1024))
			_exit(1);
		if (write(up[1], &fd, sizeof(fd)) != sizeof(fd))
			_exit(1);
		_exit(0);
	}
	ASSERT_EQ(read(up[0], &fd, sizeof(fd)), sizeof(fd));
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	ASSERT_EQ(status, 0);
	ASSERT(near(rss_kib(), 0));
	p = gmem_map(fd, 32 * MIB);
	memset(p + 16 * MIB, 2, 4 * MIB);
	munmap(p, 32 * MIB);
	ASSERT(near(rss_kib(), 12 * 1024));
	close(fd);
	ASSERT(near(rss_kib(), 0));
}

/* Who has it mapped has its weight as soon as its maker is gone, and touches nothing. */
static void weight_passed(const void *arg)
{
	struct ditto_create_gmem args = { .size = 32 * MIB };
	int up[2], down[2], fd, status;
	pid_t pid;
	u8 *p;

	begin();
	CHECKED(pipe(up));
	CHECKED(pipe(down));
	pid = syscall(SYS_clone, CLONE_FILES | SIGCHLD, NULL, NULL, NULL, NULL);
	if (!pid) {
		int dev = open(tap.dev, O_RDWR | O_CLOEXEC);

		fd = ioctl(dev, DITTO_CREATE_GMEM, &args);
		p = mmap(NULL, 32 * MIB, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		memset(p, 1, 8 * MIB);
		if (write(up[1], &fd, sizeof(fd)) != sizeof(fd) ||
		    read(down[0], &fd, sizeof(fd)) != sizeof(fd))
			_exit(1);
		_exit(!near(rss_kib(), 8 * 1024));
	}
	ASSERT_EQ(read(up[0], &fd, sizeof(fd)), sizeof(fd));
	p = gmem_map(fd, 32 * MIB);
	ASSERT(near(rss_kib(), 0));
	ASSERT_EQ(write(down[1], &fd, sizeof(fd)), sizeof(fd));
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	ASSERT_EQ(status, 0);
	ASSERT(near(rss_kib(), 8 * 1024));
	CHECKED(munmap(p, 32 * MIB));
	close(fd);
	ASSERT(near(rss_kib(), 0));
}

/* What others did to a gmem, or somebody's end, is put right a second later. */
static bool settles(long kib)
{
	int i;

	for (i = 0; i < 50 && labs(rss_kib() - kib) > 512; i++)
		usleep(100000);
	return near(rss_kib(), kib);
}

/* Many gmems that have little each weigh what they have together. */
static void weight_of_many(const void *arg)
{
	long before;
	int i, fd[128];
	u8 *p;

	begin();
	before = rss_kib();
	for (i = 0; i < 128; i++) {
		fd[i] = gmem_new(128 * 1024, 0);
		p = gmem_map(fd[i], 128 * 1024);
		memset(p, 1, 128 * 1024);
		CHECKED(munmap(p, 128 * 1024));
	}
	ASSERT(settles(before + 16 * 1024));
	for (i = 0; i < 128; i++)
		close(fd[i]);
	ASSERT(near(rss_kib(), before));
}

/* What a fork makes common weighs once, whatever is forked, written and closed. */
static void weight_forked(const void *arg)
{
	long before;
	int fd, child;
	u8 *p;

	begin();
	before = rss_kib();
	fd = gmem_new(16 * MIB, 0);
	p = gmem_map(fd, 16 * MIB);
	memset(p, 1, 16 * MIB);
	child = CHECKED(ioctl(fd, DITTO_GMEM_FORK));
	ASSERT(near(rss_kib() - before, 16 * 1024));
	close(child);
	ASSERT(near(rss_kib() - before, 16 * 1024));
	memset(p, 2, 8 * MIB);		/* in place */
	ASSERT(near(rss_kib() - before, 16 * 1024));

	child = CHECKED(ioctl(fd, DITTO_GMEM_FORK));
	memset(p, 3, 8 * MIB);		/* copies: 8 MiB that the child has alone */
	ASSERT(settles(before + 24 * 1024));
	CHECKED(munmap(p, 16 * MIB));
	close(fd);
	ASSERT(settles(before + 16 * 1024));
	close(child);
	ASSERT(near(rss_kib(), before));
}

/* At its parent's end what a fork has weighs on who holds the fork. */
static void weight_of_parent(const void *arg)
{
	struct ditto_create_gmem args = { .size = 16 * MIB };
	int up[2], down[2], fd, child, status;
	pid_t pid;
	u8 *p;

	begin();
	CHECKED(pipe(up));
	CHECKED(pipe(down));
	pid = syscall(SYS_clone, CLONE_FILES | SIGCHLD, NULL, NULL, NULL, NULL);
	if (!pid) {
		int dev = open(tap.dev, O_RDWR | O_CLOEXEC);

		fd = ioctl(dev, DITTO_CREATE_GMEM, &args);
		p = mmap(NULL, 16 * MIB, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		memset(p, 1, 8 * MIB);
		if (write(up[1], &fd, sizeof(fd)) != sizeof(fd) ||
		    read(down[0], &fd, sizeof(fd)) != sizeof(fd))
			_exit(1);
		_exit(!near(rss_kib(), 8 * 1024));
	}
	ASSERT_EQ(read(up[0], &fd, sizeof(fd)), sizeof(fd));
	child = CHECKED(ioctl(fd, DITTO_GMEM_FORK));
	usleep(2500000);
	ASSERT(near(rss_kib(), 0));
	ASSERT_EQ(write(down[1], &fd, sizeof(fd)), sizeof(fd));
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	ASSERT_EQ(status, 0);
	close(fd);
	ASSERT(settles(8 * 1024));
	close(child);
	ASSERT(near(rss_kib(), 0));
}

/* Who merges two gmems of his own still has the memory that there is. */
static void weight_merged(const void *arg)
{
	long before;
	u8 *p, *q;
	int a, b, i;

	begin();
	before = rss_kib();
	a = gmem_new(4 * MIB, 0);
	b = gmem_new(4 * MIB, 0);
	p = gmem_map(a, 4 * MIB);
	q = gmem_map(b, 4 * MIB);
	for (i = 0; i < 1024; i++) {
		memset(p + i * PAGE_SIZE, 1 + i % 100, PAGE_SIZE);
		*(int *)(p + i * PAGE_SIZE) = i;
		memcpy(q + i * PAGE_SIZE, p + i * PAGE_SIZE, PAGE_SIZE);
	}
	ASSERT(near(rss_kib() - before, 8 * 1024));
	merge_start();
	merge_for_passes(16);
	CHECKED(knob_write(DITTO_KSM "run", 0));
	ASSERT_EQ(stats(a).private_bytes + stats(b).private_bytes, 0);
	ASSERT(settles(before + 4 * 1024));
	CHECKED(munmap(p, 4 * MIB));
	close(a);
	ASSERT(settles(before + 4 * 1024));
	CHECKED(munmap(q, 4 * MIB));
	close(b);
	ASSERT(near(rss_kib(), before));
}

/* Who has it in a memslot only has its weight when its maker is gone, and touches nothing. */
static void weight_by_slot(const void *arg)
{
	struct ditto_create_gmem args = { .size = 16 * MIB };
	int up[2], down[2], fd, status;
	struct vm *vm;
	long before;
	pid_t pid;
	u8 *p;

	begin();
	vm = vm_new(NULL);
	before = rss_kib();
	CHECKED(pipe(up));
	CHECKED(pipe(down));
	pid = syscall(SYS_clone, CLONE_FILES | SIGCHLD, NULL, NULL, NULL, NULL);
	if (!pid) {
		int dev = open(tap.dev, O_RDWR | O_CLOEXEC);

		fd = ioctl(dev, DITTO_CREATE_GMEM, &args);
		p = mmap(NULL, 16 * MIB, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		memset(p, 1, 8 * MIB);
		munmap(p, 16 * MIB);
		if (write(up[1], &fd, sizeof(fd)) != sizeof(fd) ||
		    read(down[0], &fd, sizeof(fd)) != sizeof(fd))
			_exit(1);
		_exit(0);
	}
	ASSERT_EQ(read(up[0], &fd, sizeof(fd)), sizeof(fd));
	CHECKED(vm_set_gmem_slot(vm, 1, 0, NEXT_GPA, 16 * MIB, fd, 0));
	ASSERT_EQ(write(down[1], &fd, sizeof(fd)), sizeof(fd));
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	ASSERT_EQ(status, 0);
	ASSERT(settles(before + 8 * 1024));
	vm_free(vm);
	close(fd);
}

/* Did the OOM killer take the one with much guest memory, and nobody beside it? */
static bool oom_once(const char *group)
{
	pid_t vmm, small, hog;
	int status, ready[2];
	bool lived;
	long before;
	char c;

	cgroup_new(group, 80 * MIB);
	before = cgroup_kills(group);
	CHECKED(pipe(ready));
	cgroup_enter(group);
	vmm = fork();
	if (!vmm) {
		int fd = gmem_new(64 * MIB, 0);
		u8 *p = gmem_map(fd, 64 * MIB);

		memset(p, 1, 48 * MIB);
		munmap(p, 64 * MIB);
		if (!strcmp(group, "forks"))
			close(ioctl(fd, DITTO_GMEM_FORK));
		if (write(ready[1], "x", 1) == 1)
			for (;;)
				pause();
		_exit(1);
	}
	ASSERT_EQ(read(ready[0], &c, 1), 1);
	small = bystander_new(16 * MIB);
	usleep(200000);
	hog = bystander_new(36 * MIB);
	cgroup_enter("");
	ASSERT_EQ(waitpid(vmm, &status, 0), vmm);
	ASSERT(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	lived = bystander_lives(small);
	lived &= bystander_lives(hog);
	return lived && cgroup_kills(group) == before + 1;
}

/*
 * Forked or not. What the killed one had is free after an RCU grace period only, which the
 * kernel does not wait for when a memory cgroup is full: sometimes it kills one more.
 */
static void weight_oom(const void *arg)
{
	int tries;

	begin();
	for (tries = 0; tries < 5; tries++)
		if (oom_once(arg))
			return;
	fail("others were killed, too, each time");
}

/* ---- pins ---- */

static int uring(void)
{
	struct io_uring_params params = { 0 };
	int fd = syscall(SYS_io_uring_setup, 4, &params);

	if (fd < 0)
		skip("no io_uring: %s", strerror(errno));
	return fd;
}

static void pin(int ring, void *p, size_t len)
{
	struct iovec iov = { p, len };
	long result = syscall(SYS_io_uring_register, ring, IORING_REGISTER_BUFFERS, &iov, 1);

	/* Linux 6.1 does not even ask the mapping. */
	if (result == -1 && errno == EOPNOTSUPP)
		skip("this kernel's io_uring takes no mappings of files");
	CHECKED(result);
}

static void unpin(int ring)
{
	CHECKED(syscall(SYS_io_uring_register, ring, IORING_UNREGISTER_BUFFERS, NULL, 0));
}

/* Written, never written and merged pages can be pinned; what is pinned is not merged. */
static void pins(const void *arg)
{
	u8 *p[2], *q;
	int fd[2], i, j, ring;

	begin();
	ring = uring();
	for (i = 0; i < 2; i++) {
		fd[i] = gmem_new(16 * PAGE_SIZE, 0);
		p[i] = gmem_map(fd[i], 16 * PAGE_SIZE);
		for (j = 0; j < 12; j++)
			memset(p[i] + j * PAGE_SIZE, j + 1, PAGE_SIZE);
	}
	pin(ring, p[0], 4 * PAGE_SIZE);
	merge_start();
	merge_for_passes(20);
	ASSERT_EQ(stats(fd[0]).private_bytes, 4 * PAGE_SIZE);
	ASSERT_EQ(stats(fd[0]).shared_bytes, 8 * PAGE_SIZE);
	unpin(ring);
	merge_for_passes(20);
	ASSERT_EQ(stats(fd[0]).private_bytes, 0);

	/* Shared and empty pages get a page of their own first. */
	q = gmem_map(fd[0], 16 * PAGE_SIZE);
	pin(ring, q, 16 * PAGE_SIZE);
	ASSERT_EQ(stats(fd[0]).private_bytes, 16 * PAGE_SIZE);
	merge_for_passes(20);
	ASSERT_EQ(stats(fd[0]).private_bytes, 16 * PAGE_SIZE);
	CHECKED(knob_write(DITTO_KSM "run", 2));
	CHECKED(knob_write(DITTO_KSM "run", 0));
	for (j = 0; j < 16; j++) {
		ASSERT_EQ(p[0][j * PAGE_SIZE], j < 12 ? j + 1 : 0);
		ASSERT_EQ(q[j * PAGE_SIZE], j < 12 ? j + 1 : 0);
	}
	unpin(ring);
	close(ring);
}

/* A device writes to what is pinned: seen by everybody. */
static void pins_io(const void *arg)
{
	static const char path[] = "/tmp/gmem-pins";
	struct io_uring_params params = { 0 };
	int ring, fd, file;
	struct io_uring_sqe *sqe;
	u8 *p, *q, *sq, *cq;
	u8 text[PAGE_SIZE];

	begin();
	ring = uring();
	close(ring);
	ring = CHECKED(syscall(SYS_io_uring_setup, 4, &params));
	sq = mmap(NULL, params.sq_off.array + 4 * sizeof(u32), PROT_READ | PROT_WRITE,
		  MAP_SHARED, ring, IORING_OFF_SQ_RING);
	cq = mmap(NULL, params.cq_off.cqes + 8 * sizeof(struct io_uring_cqe),
		  PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_CQ_RING);
	sqe = mmap(NULL, 4 * sizeof(*sqe), PROT_READ | PROT_WRITE, MAP_SHARED, ring,
		   IORING_OFF_SQES);
	ASSERT(sq != MAP_FAILED && cq != MAP_FAILED && (void *)sqe != MAP_FAILED);
	fd = gmem_new(4 * PAGE_SIZE, 0);
	p = gmem_map(fd, 4 * PAGE_SIZE);
	q = gmem_map(fd, 4 * PAGE_SIZE);
	ASSERT_EQ(q[PAGE_SIZE], 0);
	pin(ring, p, 4 * PAGE_SIZE);
	file = CHECKED(open(path, O_RDWR | O_CREAT | O_TRUNC, 0600));
	unlink(path);
	memset(text, 0x5a, sizeof(text));
	ASSERT_EQ(write(file, text, sizeof(text)), sizeof(text));
	memset(sqe, 0, sizeof(*sqe));
	sqe->opcode = IORING_OP_READ_FIXED;
	sqe->fd = file;
	sqe->addr = (uintptr_t)(p + PAGE_SIZE);
	sqe->len = PAGE_SIZE;
	*(u32 *)(sq + params.sq_off.array) = 0;
	__atomic_store_n((u32 *)(sq + params.sq_off.tail), 1, __ATOMIC_RELEASE);
	ASSERT_EQ(syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0), 1);
	ASSERT_EQ(((struct io_uring_cqe *)(cq + params.cq_off.cqes))->res, PAGE_SIZE);
	ASSERT(!memcmp(q + PAGE_SIZE, text, PAGE_SIZE));
	ASSERT(!memcmp(p + PAGE_SIZE, text, PAGE_SIZE));
	unpin(ring);
	close(ring);
}

static const struct tap_test tests[] = {
	{ "poison_mappings", poison_mappings }, { "poison_guest", poison_guest },
	{ "poison_merged", poison_merged, NULL, 60 }, { "poison_user", poison_user },
	{ "cgroup_punched", cgroup_punched, NULL, 60 },
	{ "cgroup_mapping", cgroup_mapping, NULL, 60 }, { "cgroup_guest", cgroup_guest, NULL, 60 },
	{ "cgroup_copies", cgroup_copies, NULL, 60 },
	{ "weight", weight, NULL, 60 }, { "weight_passed", weight_passed },
	{ "weight_inherited", weight_inherited, NULL, 60 },
	{ "weight_of_many", weight_of_many, NULL, 60 },
	{ "weight_forked", weight_forked, NULL, 60 },
	{ "weight_of_parent", weight_of_parent, NULL, 60 },
	{ "weight_merged", weight_merged, NULL, 60 },
	{ "weight_by_slot", weight_by_slot, NULL, 60 },
	{ "weight_oom", weight_oom, "crowd", 60 },
	{ "weight_oom_forked", weight_oom, "forks", 60 },
	{ "pins", pins, NULL, 60 }, { "pins_io", pins_io, NULL, 60 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, tests, ARRAY_SIZE(tests));
}
