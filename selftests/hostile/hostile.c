// SPDX-License-Identifier: GPL-2.0-only
/*
 * What an unprivileged tenant can do to others: a process of another user makes as much of one
 * thing as it is allowed to, and works on it without a pause, while a victim, at a real-time
 * priority, wakes up every millisecond, enters its guest once or touches its memory, and measures
 * the time since it should have woken up. The longest of these is how long the host's kernel
 * delayed it, by a lock or by not scheduling. Then the victim's memory, in which all pages are
 * equal by now, has to be merged, and that must not take long either. In a host with --icount
 * a nanosecond is an instruction.
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench/loop.h"
#include "gmem/mount.h"

#define SAMPLES		100
/* What others may hold up, in ns. With nobody there it is 3 ms, in which the host starts. */
#define LIMIT		20000000u
/* How often the victim may have to fault in what it has mapped. A few are of its own memory. */
#define FAULTS		200
/* How long merging of the victim's memory may take, in ns. */
#define MERGE_LIMIT	1000000000ull
#define PUNCH		(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE)
#define VICTIM_PAGES	64ul
#define VICTIM_SIZE	(VICTIM_PAGES * PAGE_SIZE)

/**
 * struct attack - what a tenant does
 * @name: of the test
 * @begin: makes what it takes; may be NULL
 * @again: again and again; may be NULL: nothing
 */
struct attack {
	const char *name;
	void (*begin)(void);
	void (*again)(void);
};

static int fd;		/* the attacker's */
static u8 *mem;
static struct vm *attacker;

/* Many objects, each with a page. */
static void gmems_begin(void)
{
	struct rlimit files = { 4096, 4096 };
	unsigned int i;

	setrlimit(RLIMIT_NOFILE, &files);
	for (i = 0; i < 900; i++) {
		fd = gmem_new(MIB, 0);
		mem = gmem_map(fd, MIB);
		mem[0] = 1;
		munmap(mem, MIB);
	}
}

static void gmems_again(void)
{
	fd = gmem_new(64 * MIB, 0);
	mem = gmem_map(fd, 64 * MIB);
	mem[0] = mem[32 * MIB] = 1;
	munmap(mem, 64 * MIB);
	close(fd);
}

/* One chunk, mapped very often. */
static void mappings_begin(void)
{
	unsigned int i;

	fd = gmem_new(2 * MIB, 0);
	for (i = 0; i < 3000; i++) {
		mem = gmem_map(fd, 2 * MIB);
		mem[0] = i;
	}
}

static void mappings_again(void)
{
	CHECKED(fallocate(fd, PUNCH, 0, PAGE_SIZE));
	mem[0] = 1;
}

/* One chunk in very many memslots. */
static void slots_begin(void)
{
	unsigned int i;

	fd = gmem_new(2 * MIB, 0);
	mem = gmem_map(fd, 2 * MIB);
	attacker = vm_new(&(struct vm_config) { .empty = true });
	for (i = 0; i < 1800; i++)
		CHECKED(vm_set_gmem_slot(attacker, i, 0, i * 2 * MIB, 2 * MIB, fd, 0));
}

static void slots_again(void)
{
	mem[0] = 1;
	CHECKED(fallocate(fd, PUNCH, 0, PAGE_SIZE));
	CHECKED(vm_set_gmem_slot(attacker, 7, 0, 0, 0, fd, 0));
	CHECKED(vm_set_gmem_slot(attacker, 7, 0, 7 * 2 * MIB, 2 * MIB, fd, 0));
}

static void set_private(u64 gpa, u64 size, bool private)
{
	struct attributes a = { gpa, size, private ? ATTRIBUTE_PRIVATE : 0 };

	CHECKED(ioctl(attacker->fd, SET_MEMORY_ATTRIBUTES, &a));
}

/* Every second page is private; then all are. */
static void attributes_begin(void)
{
	attacker = vm_new(&(struct vm_config) { .empty = true, .type = SW_PROTECTED_VM });
}

static void attributes_again(void)
{
	static unsigned int n;

	if (n < 8000) {
		set_private(n++ * 2 * PAGE_SIZE, PAGE_SIZE, true);
		return;
	}
	set_private(0, 1ull << 40, n % 2);
	n = 0;
}

/* A policy and another one, over memory that is merged in between. */
static void policies_begin(void)
{
	u64 off;

	fd = gmem_new(16 * MIB, 0);
	mem = gmem_map(fd, 16 * MIB);
	for (off = 0; off < 16 * MIB; off += PAGE_SIZE)
		mem[off] = 1;
}

static void policies_again(void)
{
	CHECKED(ioctl(fd, DITTO_GMEM_SET_POLICY, DITTO_POLICY_OFF));
	CHECKED(ioctl(fd, DITTO_GMEM_SET_POLICY, DITTO_POLICY_DOMAIN));
}

/* The victim's file, of which one may read, and write to copies of one's own. */
static void copies_begin(void)
{
	fd = CHECKED(open(DITTO "/victim", O_RDONLY));
	mem = mmap(NULL, VICTIM_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	ASSERT(mem != MAP_FAILED);
	memset(mem, 1, VICTIM_SIZE);
}

/* Split and joined. */
static void copies_again(void)
{
	CHECKED(mprotect(mem + PAGE_SIZE, PAGE_SIZE, PROT_READ));
	CHECKED(mprotect(mem + PAGE_SIZE, PAGE_SIZE, PROT_READ | PROT_WRITE));
}

static void forks_begin(void)
{
	fd = gmem_new(32 * MIB, 0);
	mem = gmem_map(fd, 32 * MIB);
	memset(mem, 1, 32 * MIB);
	copies_begin();
}

static void forks_again(void)
{
	pid_t child = CHECKED(fork());

	if (!child)
		_exit(0);
	waitpid(child, NULL, 0);
}

/* The kernel reads, so that what may not be read is an error. */
static bool readable(const void *p)
{
	struct iovec to = { &(u8) { 0 }, 1 }, from = { (void *)p, 1 };

	return process_vm_readv(getpid(), &to, 1, &from, 1, 0) == 1;
}

/* The victim's file, mapped as often as allowed by a user who may only read it. */
static void readers_begin(void)
{
	unsigned int i;
	void *p;

	fd = CHECKED(open(DITTO "/victim", O_RDONLY));
	for (i = 0; i < 2000; i++) {
		p = mmap(NULL, VICTIM_SIZE, PROT_READ, i % 2 ? MAP_SHARED : MAP_PRIVATE, fd, 0);
		if (p == MAP_FAILED)
			break;
		mem = p;
		ASSERT(readable(mem));
	}
	ASSERT_EQ(errno, ENOMEM);
	ASSERT(i > 500 && i < 600);
}

static void readers_again(void)
{
	u64 off;

	for (off = 0; off < VICTIM_SIZE; off += PAGE_SIZE)
		ASSERT(readable(mem + off));
}

static void crowd_again(void)
{
	u64 off;

	for (off = 0; off < VICTIM_SIZE; off += PAGE_SIZE)
		readable(mem + off);
}

/* His children have them, too: more than anybody may have. */
static void crowd_begin(void)
{
	pid_t self = getpid();
	unsigned int i;

	readers_begin();
	for (i = 0; i < 3; i++) {
		if (CHECKED(fork()))
			continue;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		while (getppid() == self)
			crowd_again();
		_exit(0);
	}
	ASSERT(!readable(mem));
}

/* Forks of a gmem that has much. */
static void gmem_forks_begin(void)
{
	fd = gmem_new(64 * MIB, 0);
	mem = gmem_map(fd, 64 * MIB);
	memset(mem, 1, 64 * MIB);
}

static void gmem_forks_again(void)
{
	static unsigned int n;
	int child = CHECKED(ioctl(fd, DITTO_GMEM_FORK));

	n++;
	memset(mem + n % 32 * 2 * MIB, n, 2 * MIB);
	close(child);
}

/* Always something new to be merged. */
static void writer_again(void)
{
	static unsigned int n;
	u64 off;

	n++;
	for (off = 0; off < 32 * MIB; off += PAGE_SIZE)
		mem[off] = n + off / PAGE_SIZE % 64;
}

/* A page that a guest has at very many addresses: on shadow page tables a list of them. */
#define ALIAS_TABLES	16ul
#define ALIAS_PD	GUEST_FREE
#define ALIAS_PT(n)	(GUEST_FREE + ((n) + 1) * PAGE_SIZE)
#define ALIAS_GPA	(256 * MIB)
#define ALIAS_GVA	(1024 * MIB)

static u64 *table(u64 gpa)
{
	return (u64 *)(attacker->ram + gpa);
}

static void aliases_begin(void)
{
	unsigned int i, n;

	attacker = vm_new(NULL);
	fd = gmem_new(2 * MIB, 0);
	CHECKED(vm_set_gmem_slot(attacker, 9, 0, ALIAS_GPA, 2 * MIB, fd, 0));
	for (n = 0; n < ALIAS_TABLES; n++) {
		table(ALIAS_PD)[n] = ALIAS_PT(n) | 7;
		for (i = 0; i < 512; i++)
			table(ALIAS_PT(n))[i] = ALIAS_GPA | 7;
	}
}

static void aliases_again(void)
{
	/* mov (%rsi), %al; add $0x1000, %rsi */
	static const struct loop touch = { "\x8a\x06\x48\x81\xc6\x00\x10\x00\x00", 9, 0,
		ALIAS_GVA };

	loop_call(attacker, MODE_LONG, &touch, ALIAS_TABLES * 512);
	table(GUEST_PDPT)[1] = ALIAS_PD | 7;
	ASSERT_EQ(vcpu_enter(&attacker->vcpu[0]), KVM_EXIT_IO);
	CHECKED(fallocate(fd, PUNCH, 0, PAGE_SIZE));
}

static const struct attack attacks[] = {
	{ "nobody", NULL, NULL },
	{ "gmems", gmems_begin, gmems_again },
	{ "mappings", mappings_begin, mappings_again },
	{ "slots", slots_begin, slots_again },
	{ "attributes", attributes_begin, attributes_again },
	{ "policies", policies_begin, policies_again },
	{ "copies", copies_begin, copies_again },
	{ "forks", forks_begin, forks_again },
	{ "readers", readers_begin, readers_again },
	{ "crowd", crowd_begin, crowd_again },
	{ "gmem_forks", gmem_forks_begin, gmem_forks_again },
	{ "writer", gmem_forks_begin, writer_again },
	{ "aliases", aliases_begin, aliases_again },
};

static void attack(const struct attack *a, int ready)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	CHECKED(setresgid(65534, 65534, 65534));
	CHECKED(setresuid(65534, 65534, 65534));
	if (a->begin)
		a->begin();
	CHECKED(write(ready, "r", 1));
	for (;;) {
		if (a->again)
			a->again();
		else
			pause();
	}
}

static pid_t start(const struct attack *a)
{
	int ready[2];
	pid_t pid;
	char c;

	CHECKED(pipe(ready));
	pid = CHECKED(fork());
	if (!pid)
		attack(a, ready[1]);
	close(ready[1]);
	if (read(ready[0], &c, 1) != 1)
		fail("the attacker gave up");
	close(ready[0]);
	return pid;
}

static u64 now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static void sleep_until(u64 ns)
{
	struct timespec t = { ns / 1000000000, ns % 1000000000 };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL))
		;
}

/* One exit of the victim's guest. */
static void enter(struct vm *vm)
{
	ASSERT_EQ(vcpu_enter(&vm->vcpu[0]), KVM_EXIT_IO);
}

/* The longest of all, in ns. */
static u64 worst(struct vm *vm, volatile u8 *shared)
{
	static const struct loop out = { "\xef", 1, GUEST_PORT };
	u64 at, longest = 0, page;
	unsigned int i;

	loop_call(vm, MODE_LONG, &out, 10 * SAMPLES);
	enter(vm);
	at = now();
	for (i = 0; i < SAMPLES; i++) {
		at += 1000000;
		sleep_until(at);
		if (i % 2)
			enter(vm);
		else
			for (page = 0; page < VICTIM_PAGES; page++)
				shared[page * PAGE_SIZE]++;
		if (now() - at > longest)
			longest = now() - at;
		if (now() > at)
			at = now();
	}
	return longest;
}

static u64 shared_bytes(int file)
{
	struct ditto_gmem_stats st;

	CHECKED(ioctl(file, DITTO_GMEM_STATS, &st));
	return st.shared_bytes;
}

/* How long it takes until all of a file is merged, in ns; at most twice what it may. */
static u64 merging(int file)
{
	u64 begin = now(), at = begin;

	CHECKED(knob_write(DITTO_KSM "sleep_millisecs", 1));
	CHECKED(knob_write(DITTO_KSM "run", 1));
	while (shared_bytes(file) < VICTIM_SIZE && at - begin < 2 * MERGE_LIMIT) {
		sleep_until(at + 1000000);
		at = now();
	}
	CHECKED(knob_write(DITTO_KSM "run", 0));
	return at - begin;
}

/* So many has this process had. */
static long faults(void)
{
	struct rusage u;

	CHECKED(getrusage(RUSAGE_SELF, &u));
	return u.ru_minflt;
}

static void suffer(const void *arg)
{
	const struct attack *a = arg;
	struct sched_param first = { .sched_priority = 1 };
	struct vm *vm;
	long taken;
	pid_t pid;
	u8 *shared;
	u64 ns, merge;
	int file;

	begin("");
	file = open_file("victim", VICTIM_SIZE);
	CHECKED(fchmod(file, 0644));
	shared = gmem_map(file, VICTIM_SIZE);
	memset(shared, 1, VICTIM_SIZE);
	vm = vm_new(NULL);
	CHECKED(prctl(PR_SET_CHILD_SUBREAPER, 1));
	pid = start(a);
	CHECKED(sched_setscheduler(0, SCHED_FIFO, &first));
	taken = -faults();
	ns = worst(vm, shared);
	taken += faults();
	merge = merging(file);
	first.sched_priority = 0;
	CHECKED(sched_setscheduler(0, SCHED_OTHER, &first));
	kill(pid, SIGKILL);
	while (wait(NULL) > 0)		/* and its children */
		;
	note("%s: held up for %llu us at most, %ld faults, merged in %llu ms", a->name,
	     (unsigned long long)ns / 1000, taken, (unsigned long long)merge / 1000000);
	if (ns >= LIMIT)
		fail("%s: held up for more than %u ms", a->name, LIMIT / 1000000);
	if (merge >= MERGE_LIMIT)
		fail("%s: merged in more than %llu ms", a->name, MERGE_LIMIT / 1000000);
	if (taken > FAULTS)
		fail("%s: more than %u faults", a->name, FAULTS);
	munmap(shared, VICTIM_SIZE);
	close(file);
	vm_free(vm);
	end();
}

int main(int argc, char **argv)
{
	struct tap_test tests[ARRAY_SIZE(attacks)];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(attacks); i++)
		tests[i] = (struct tap_test){ attacks[i].name, suffer, &attacks[i], 120 };
	chmod("/dev/ditto", 0666);
	return tap_main(argc, argv, tests, ARRAY_SIZE(tests));
}
