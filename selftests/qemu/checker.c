// SPDX-License-Identifier: GPL-2.0-only
/*
 * checker: runs in a guest and looks, until it is told to end, whether the machine below
 * it is whole. Each CPU has a process of its own that rewrites a memory of its own, page
 * by page, after having found in it what it wrote last, with its clocks going forward;
 * they hand each other a token, which takes interrupts between CPUs, and sleep, which
 * takes a timer's. Says "CHECK <rounds>" every second of the guest's, "CHECK FAILED" and
 * why, and after the line "end" on its input "CHECK END <rounds>"; after "where" it says
 * "CHECK AT <address>" of check_float(), for debuggers. Any other line is a command, which it
 * has a shell run, between "CHECK RUN" and "CHECK STATUS <status>".
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#define PAGES		1024
#define PAGE_WORDS	512
#define MAX_CPUS	16
/* What emulation below emulation may hold a process up for, in seconds of its clock. */
#define TOO_LONG	60

struct shared {
	_Atomic uint64_t rounds[MAX_CPUS];
	_Atomic int failed;
};

static struct shared *shared;

static void fail(const char *format, ...)
{
	char text[200];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	printf("CHECK FAILED %s\n", text);
	fflush(stdout);
	shared->failed = 1;
	_exit(1);
}

static double now(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return time.tv_sec + time.tv_nsec / 1e9;
}

static uint64_t word_of(int cpu, int page, int word, uint64_t round)
{
	return (round * 0x9e3779b97f4a7c15) ^ ((uint64_t)cpu << 56) ^ ((uint64_t)page << 16) ^ word;
}

/* A fresh look at an eighth of the memory, so that some of it is calm for a while. */
static void check_memory(int cpu, uint64_t *memory, uint64_t *written, uint64_t round)
{
	for (int page = round % 8; page < PAGES; page += 8) {
		uint64_t *words = memory + page * PAGE_WORDS;

		for (int word = 0; word < PAGE_WORDS; word += 64)
			if (words[word] != word_of(cpu, page, word, written[page]))
				fail("CPU %d page %d word %d: %#lx, written in round %lu", cpu,
				     page, word, words[word], written[page]);
		written[page] = round;
		for (int word = 0; word < PAGE_WORDS; word += 64)
			words[word] = word_of(cpu, page, word, round);
	}
}

static void check_time(int cpu, double *last, uint64_t *tsc)
{
	double monotonic = now(CLOCK_MONOTONIC);
	uint64_t counter = __rdtsc();

	if (monotonic < *last || monotonic > *last + TOO_LONG)
		fail("CPU %d: the clock went from %.6f to %.6f", cpu, *last, monotonic);
	if (counter < *tsc)
		fail("CPU %d: the TSC went from %lu to %lu", cpu, *tsc, counter);
	*last = monotonic;
	*tsc = counter;
}

/* Arithmetic whose operands stay in the registers of the FPU while others run. */
static __attribute__((noipa)) void check_float(int cpu)
{
	volatile double sum = 0;

	for (int i = 1; i <= 2000; i++)
		sum += 1.0 / i;
	if (sum < 8.178368103610 || sum > 8.178368103611)
		fail("CPU %d: a sum of floating-point numbers is %.12f", cpu, sum);
}

static void worker(int cpu, int from, int to)
{
	uint64_t *memory = mmap(NULL, PAGES * 4096, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t *written = calloc(PAGES, sizeof(*written)), tsc = __rdtsc();
	double last = now(CLOCK_MONOTONIC);
	cpu_set_t set;
	char token;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		fail("CPU %d: %s", cpu, strerror(errno));
	for (int page = 0; page < PAGES; page++)
		for (int word = 0; word < PAGE_WORDS; word += 64)
			memory[page * PAGE_WORDS + word] = word_of(cpu, page, word, 0);
	for (uint64_t round = 1; !shared->failed; round++) {
		if (read(from, &token, 1) != 1)
			fail("CPU %d: no token", cpu);
		check_memory(cpu, memory, written, round);
		check_time(cpu, &last, &tsc);
		check_float(cpu);
		usleep(5000);
		check_time(cpu, &last, &tsc);
		shared->rounds[cpu]++;
		if (write(to, &token, 1) != 1)
			fail("CPU %d: nobody takes the token", cpu);
	}
	_exit(1);
}

static void start(int cpus)
{
	int pipes[MAX_CPUS][2];

	for (int cpu = 0; cpu < cpus; cpu++)
		if (pipe(pipes[cpu]))
			exit(2);
	for (int cpu = 0; cpu < cpus; cpu++) {
		if (!fork()) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			worker(cpu, pipes[cpu][0], pipes[(cpu + 1) % cpus][1]);
		}
	}
	/* One less than there are CPUs, but at least one: they work beside each other, and wait. */
	for (int cpu = 0; cpu < (cpus > 1 ? cpus - 1 : 1); cpu++)
		if (write(pipes[cpu][1], "t", 1) != 1)
			exit(2);
}

static uint64_t all_rounds(int cpus)
{
	uint64_t sum = 0;

	for (int cpu = 0; cpu < cpus; cpu++)
		sum += shared->rounds[cpu];
	return sum;
}

/* Takes a line that comes within a second; true if it is the last. */
static bool told_to_end(void)
{
	struct pollfd input = { .fd = 0, .events = POLLIN };
	char line[400];

	if (poll(&input, 1, 1000) <= 0 || !fgets(line, sizeof(line), stdin))
		return false;
	if (!strncmp(line, "end", 3))
		return true;
	if (!strncmp(line, "where", 5)) {
		printf("CHECK AT %lx\n", (unsigned long)check_float);
		fflush(stdout);
		return false;
	}
	printf("CHECK RUN\n");
	fflush(stdout);
	printf("\nCHECK STATUS %d\n", system(line));
	fflush(stdout);
	return false;
}

int main(void)
{
	int cpus = sysconf(_SC_NPROCESSORS_ONLN), calm = 0;
	uint64_t before = 0, rounds;

	setvbuf(stdin, NULL, _IONBF, 0);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	start(cpus > MAX_CPUS ? MAX_CPUS : cpus);
	while (!told_to_end()) {
		rounds = all_rounds(cpus);
		calm = rounds == before ? calm + 1 : 0;
		before = rounds;
		if (calm > TOO_LONG)
			fail("nothing moves since round %lu", rounds);
		printf("CHECK %lu\n", rounds);
		fflush(stdout);
	}
	printf("CHECK %s %lu\n", shared->failed ? "FAILED at the end" : "END", all_rounds(cpus));
	return shared->failed;
}
