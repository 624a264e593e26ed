// SPDX-License-Identifier: GPL-2.0-only
/*
 * DITTO_MEMORY: what gmems hold, kind by kind, and what their end gives back, to the page.
 * "kills" ends one of many that share by forks and by merging, again and again, and compares with
 * what the host had before and after; ROUNDS of them (100). Runs as root, alone; ditto only.
 */
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "objects.h"

#define GMEM_SYSFS	"/sys/kernel/ditto/gmem/"
#define ALL		8		/* objects at a time */
#define FAR		(1ull << 30)	/* another directory of the index */
#define BIG		(FAR + 4 * MIB)
#define KINDS		12		/* different pages; of kind 0 all bytes are zero */

static struct ditto_memory memory_of(int fd)
{
	struct ditto_memory m;

	CHECKED(ioctl(fd, DITTO_MEMORY, &m));
	ASSERT_EQ(m.unique + m.merged + m.forked, m.resident);
	ASSERT_EQ(m.resident + m.compressed + m.zero, m.size);
	ASSERT(m.fair <= m.resident);
	return m;
}

static u64 fair_of(int fd)
{
	return memory_of(fd).fair;
}

static u64 freed_of(int fd)
{
	return memory_of(fd).freed;
}

/* Pages of guests that the host has; those that wait for the end of a grace period are gone. */
static long held(void)
{
	return knob_read(GMEM_SYSFS "private_pages") + knob_read(GMEM_SYSFS "shared_pages");
}

static void write_kind(int fd, u64 off, unsigned int kind)
{
	void *page = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, off);

	ASSERT(page != MAP_FAILED);
	memset(page, kind, PAGE_SIZE);
	munmap(page, PAGE_SIZE);
}

static void kinds(const void *arg)
{
	int fd, other;
	u64 i;

	need_ditto();
	engine_off();
	fd = gmem_new(BIG, 0);
	ASSERT_EQ(memory_of(fd).zero, BIG);
	ASSERT_EQ(freed_of(fd), 0);
	for (i = 0; i < 8; i++)
		write_kind(fd, i % 2 ? FAR + i * PAGE_SIZE : i * MIB, i + 1);
	ASSERT_EQ(memory_of(fd).unique, 8 * PAGE_SIZE);
	ASSERT_EQ(fair_of(fd), 8 * PAGE_SIZE);
	ASSERT_EQ(freed_of(fd), 8 * PAGE_SIZE);

	other = CHECKED(ioctl(fd, DITTO_GMEM_FORK));
	ASSERT_EQ(memory_of(fd).forked, 8 * PAGE_SIZE);
	ASSERT_EQ(fair_of(fd), 4 * PAGE_SIZE);
	ASSERT_EQ(fair_of(other), 4 * PAGE_SIZE);
	ASSERT_EQ(freed_of(fd), 0);
	/* The others of its chunk are had in common as before. */
	write_kind(other, 0, 100);
	ASSERT_EQ(memory_of(other).resident, 8 * PAGE_SIZE);
	ASSERT_EQ(memory_of(other).unique, PAGE_SIZE);
	ASSERT_EQ(fair_of(fd) + fair_of(other), 9 * PAGE_SIZE);
	ASSERT_EQ(freed_of(other), PAGE_SIZE);
	ASSERT_EQ(freed_of(fd), PAGE_SIZE);
	close(other);
	ASSERT_EQ(freed_of(fd), 8 * PAGE_SIZE);
	ASSERT_EQ(fair_of(fd), 8 * PAGE_SIZE);
	close(fd);
}

/* Three entries in two gmems have one page: its end is that of the last of them. */
static void merged(const void *arg)
{
	int a, b;

	need_ditto();
	engine_off();
	a = gmem_new(SIZE, 0);
	b = gmem_new(SIZE, 0);
	write_kind(a, 0, 1);
	write_kind(a, PAGE_SIZE, 1);
	write_kind(b, 0, 1);
	write_kind(b, PAGE_SIZE, 0);
	engine_on();
	settle("pages_sharing", 2);
	knob("run", 0);
	ASSERT_EQ(memory_of(a).merged, 2 * PAGE_SIZE);
	ASSERT_EQ(memory_of(b).merged, PAGE_SIZE);
	ASSERT_EQ(memory_of(b).zero, SIZE - PAGE_SIZE);
	ASSERT_EQ(freed_of(a), 0);
	ASSERT_EQ(freed_of(b), 0);
	ASSERT_EQ(fair_of(a) * 3 / PAGE_SIZE, 1);	/* two thirds, rounded down to 2730 bytes */
	ASSERT_EQ(fair_of(a), 2 * ((PAGE_SIZE << 8) / 3) >> 8);
	close(b);
	ASSERT_EQ(freed_of(a), PAGE_SIZE);
	close(a);
}

/* A machine's gmems are one: what two of them share is free with it. So is what a reset needs. */
static void machine(const void *arg)
{
	struct ditto_fork args = { .flags = DITTO_FORK_RESETTABLE, .capacity = 1 };
	struct vm *vm;
	int a, b, vcpu;

	need_ditto();
	engine_off();
	vm = vm_new(&(struct vm_config) { .empty = true });
	args.vcpu_fds = (uintptr_t)&vcpu;
	a = gmem_new(SIZE, 0);
	write_kind(a, 0, 1);
	write_kind(a, PAGE_SIZE, 2);
	b = CHECKED(ioctl(a, DITTO_GMEM_FORK));
	CHECKED(vm_set_gmem_slot(vm, 0, 0, 0, SIZE, a, 0));
	ASSERT_EQ(freed_of(vm->fd), 0);
	CHECKED(vm_set_gmem_slot(vm, 1, 0, SIZE, SIZE, b, 0));
	CHECKED(vm_set_gmem_slot(vm, 2, 0, 2 * SIZE, SIZE, b, 0));
	ASSERT_EQ(memory_of(vm->fd).size, 2 * SIZE);
	ASSERT_EQ(memory_of(vm->fd).forked, 4 * PAGE_SIZE);
	ASSERT_EQ(fair_of(vm->fd), 2 * PAGE_SIZE);
	ASSERT_EQ(freed_of(vm->fd), 2 * PAGE_SIZE);
	close(a);
	close(b);

	CHECKED(ioctl(vm->fd, DITTO_FORK, &args));
	ASSERT_EQ(freed_of(vm->fd), 0);
	ASSERT_EQ(freed_of(args.vm_fd), 0);
	vm_free(vm);
	ASSERT_EQ(memory_of(args.vm_fd).forked, 4 * PAGE_SIZE);
	ASSERT_EQ(freed_of(args.vm_fd), 2 * PAGE_SIZE);
	close(args.vm_fd);
}

/* KiB that the host has free, those on lists of its CPUs included, which may be many. */
static long host_free(void)
{
	FILE *f = fopen("/proc/zoneinfo", "r");
	long sum = knob_line("/proc/meminfo", "MemFree"), pages;
	char line[256];

	ASSERT(f && sum > 0);
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, " count: %ld", &pages) == 1)
			sum += pages * (PAGE_SIZE >> 10);
	fclose(f);
	return sum;
}

static void host(const void *arg)
{
	const u64 size = 128 * MIB;
	int i, fd, other;
	long before, freed;
	u8 *map;

	need_ditto();
	engine_off();
	fd = gmem_new(size, 0);
	map = gmem_map(fd, size);
	memset(map, 1, size);
	other = CHECKED(ioctl(fd, DITTO_GMEM_FORK));
	memset(map, 2, size / 2);
	munmap(map, size);
	freed = freed_of(fd) >> 10;
	ASSERT_EQ(freed, size / 2 >> 10);
	before = host_free();
	close(fd);
	for (i = 0; i < 300; i++) {
		if (host_free() - before > freed - freed / 8)
			break;
		usleep(10000);
	}
	note("%ld KiB, and the host %+ld KiB", freed, host_free() - before);
	ASSERT(host_free() - before > freed - freed / 8);
	ASSERT(host_free() - before < freed + freed / 8);
	close(other);
}

static void bad_calls(const void *arg)
{
	int fd;

	need_ditto();
	fd = gmem_new(SIZE, 0);
	ASSERT_ERRNO(ioctl(fd, DITTO_MEMORY, 8), EFAULT);
	ASSERT_ERRNO(ioctl(dev_open(), DITTO_MEMORY, 8), ENOTTY);
	close(fd);
}

/* A process that has the gmem, and nothing else of ours. */
static struct object {
	int fd;
	pid_t pid;
} object[ALL];

static void object_hold(struct object *o)
{
	int i;

	o->pid = CHECKED(fork());
	if (o->pid)
		return;
	for (i = 0; i < ALL; i++)
		if (object[i].fd >= 0 && &object[i] != o)
			close(object[i].fd);
	for (;;)
		pause();
}

/* New contents, or a fork of another with some of them; many pages are others', too. */
static void object_make(struct object *o)
{
	const struct object *parent = &object[random() % ALL];
	unsigned int i, nr = 20 + random() % 300;

	o->fd = parent != o && parent->fd >= 0 && random() % 3 ?
		CHECKED(ioctl(parent->fd, DITTO_GMEM_FORK)) : gmem_new(BIG, 0);
	for (i = 0; i < nr; i++)
		write_kind(o->fd, random() % 2 * FAR + random() % (4 * MIB / PAGE_SIZE) * PAGE_SIZE,
			   random() % KINDS ? : random());
	object_hold(o);
}

static void object_end(struct object *o)
{
	close(o->fd);
	o->fd = -1;
	CHECKED(kill(o->pid, SIGKILL));
	ASSERT_EQ(waitpid(o->pid, NULL, 0), o->pid);
}

static void merge_some(void)
{
	engine_on();
	usleep(random() % 300000);
	knob("run", 0);
}

/* What all have together is what the host has, but for what each rounds down. */
static void check_fair(long pages)
{
	u64 sum = 0;
	int i;

	for (i = 0; i < ALL; i++)
		sum += fair_of(object[i].fd);
	ASSERT(sum <= pages * PAGE_SIZE);
	ASSERT(sum + ALL * 64 >= pages * PAGE_SIZE * 0.999);
}

static void kill_one(void)
{
	struct object *o = &object[random() % ALL];
	long before = held(), pages = freed_of(o->fd) / PAGE_SIZE, i;

	check_fair(before);
	object_end(o);
	/* The last reference to a file is dropped, and pages are freed, a little later. */
	for (i = 0; held() != before - pages && i < 500; i++)
		usleep(10000);
	ASSERT_EQ(held(), before - pages);
	object_make(o);
}

static void kills(const void *arg)
{
	const char *rounds = getenv("ROUNDS");
	int i, nr = rounds ? atoi(rounds) : 100;
	long before;

	need_ditto();
	engine_off();
	before = held();
	srandom(nr);
	for (i = 0; i < ALL; i++)
		object[i].fd = -1;
	for (i = 0; i < ALL; i++)
		object_make(&object[i]);
	for (i = 0; i < nr; i++) {
		if (i % 3 == 0)
			merge_some();
		kill_one();
	}
	for (i = 0; i < ALL; i++)
		object_end(&object[i]);
	for (i = 0; held() != before && i < 500; i++)
		usleep(10000);
	ASSERT_EQ(held(), before);
}

static const struct tap_test tests[] = {
	{ "kinds", kinds },
	{ "merged", merged, .seconds = 60 },
	{ "machine", machine },
	{ "host", host, .seconds = 60 },
	{ "bad calls", bad_calls },
	{ "kills", kills, .seconds = 120 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, tests, ARRAY_SIZE(tests));
}
