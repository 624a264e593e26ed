// SPDX-License-Identifier: GPL-2.0-only
/*
 * The policy "secure": can the time of an access tell whether a page is merged? Two objects
 * have pages that are equal and pages that are not, in an order drawn at random. When the
 * engine has been over them, each page is touched once, and the TSC ticks of that are put
 * into two samples, of merged pages and of others. The samples are compared by the greatest
 * distance between their distributions (Kolmogorov and Smirnov). For a host with --icount,
 * where a tick is an instruction. The policy "domain" shows that the comparison can see a
 * difference.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <x86intrin.h>

#include "knobs.h"
#include "vm.h"

#define PAGES 1024ul
#define SIZE (PAGES * PAGE_SIZE)

struct sample {
	u64 ticks[PAGES];
	unsigned int n;
};

static void knob(const char *name, long value)
{
	char path[128];

	snprintf(path, sizeof(path), DITTO_KSM "%s", name);
	if (knob_write(path, value))
		fail("%s = %ld: %s", path, value, strerror(errno));
}

static void fill(u8 *page, u64 value)
{
	size_t i;

	for (i = 0; i < PAGE_SIZE / 8; i++)
		((u64 *)page)[i] = value * 0x9e3779b97f4a7c15 + i;
}

static u64 private_bytes(int gmem)
{
	struct ditto_gmem_stats s;

	CHECKED(ioctl(gmem, DITTO_GMEM_STATS, &s));
	return s.private_bytes;
}

static int by_ticks(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return x < y ? -1 : x > y;
}

/* The greatest distance of the two distributions, squared. */
static double distance(struct sample *a, struct sample *b)
{
	unsigned int i = 0, j = 0;
	double d, most = 0;

	qsort(a->ticks, a->n, sizeof(u64), by_ticks);
	qsort(b->ticks, b->n, sizeof(u64), by_ticks);
	while (i < a->n && j < b->n) {
		u64 at = a->ticks[i] < b->ticks[j] ? a->ticks[i] : b->ticks[j];

		while (i < a->n && a->ticks[i] <= at)
			i++;
		while (j < b->n && b->ticks[j] <= at)
			j++;
		d = (double)i / a->n - (double)j / b->n;
		if (d * d > most)
			most = d * d;
	}
	return most;
}

static void shuffle(unsigned int *order)
{
	unsigned int i, j, was;

	for (i = 0; i < PAGES; i++)
		order[i] = i;
	for (i = PAGES - 1; i; i--) {
		j = rand() % (i + 1);
		was = order[i];
		order[i] = order[j];
		order[j] = was;
	}
}

static u64 touch(u8 *page, bool write)
{
	volatile u8 *p = page + 64 * (rand() % 64);
	u64 begin;

	_mm_lfence();
	begin = __rdtsc();
	if (write)
		*p = *p + 1;
	else
		(void)*p;
	_mm_lfence();
	return __rdtsc() - begin;
}

/* Merge what the policy lets; then touch all pages of one object. */
static void measure(u32 policy, bool write, struct sample *merged, struct sample *alone)
{
	int gmem[2] = { gmem_new(SIZE, DITTO_GMEM_POLICY(policy)),
			gmem_new(SIZE, DITTO_GMEM_POLICY(policy)) };
	u8 *map[2] = { gmem_map(gmem[0], SIZE), gmem_map(gmem[1], SIZE) };
	static bool equal[PAGES];
	unsigned int order[PAGES], i;

	for (i = 0; i < PAGES; i++) {
		equal[i] = rand() % 2;
		fill(map[0] + i * PAGE_SIZE, i + 1);
		fill(map[1] + i * PAGE_SIZE, equal[i] ? i + 1 : PAGES + i + 1);
	}
	knob("pages_to_scan", 100000);
	knob("sleep_millisecs", 10);
	knob("run", 1);
	if (policy == DITTO_POLICY_SECURE) {
		while (private_bytes(gmem[0]) || private_bytes(gmem[1]))
			usleep(20000);
	} else {
		usleep(2000000);
	}
	knob("run", 0);
	shuffle(order);
	merged->n = alone->n = 0;
	for (i = 0; i < PAGES; i++) {
		struct sample *s = equal[order[i]] ? merged : alone;

		s->ticks[s->n++] = touch(map[0] + order[i] * PAGE_SIZE, write);
	}
	for (i = 0; i < 2; i++) {
		munmap(map[i], SIZE);
		close(gmem[i]);
	}
}

/* What is exceeded by chance once in 10,000 tries: 2.23 times a square root. */
static double chance(const struct sample *a, const struct sample *b)
{
	return 2.23 * 2.23 * (a->n + b->n) / ((double)a->n * b->n);
}

static void say(const char *what, struct sample *a, struct sample *b, double d)
{
	note("%s: merged %lu ticks (median), alone %lu, squared distance %.4f, by chance %.4f",
	     what, a->ticks[a->n / 2], b->ticks[b->n / 2], d, chance(a, b));
}

static void indistinct(const void *arg)
{
	static struct sample merged, alone;
	bool write = arg;
	double d;

	need_ditto();
	measure(DITTO_POLICY_SECURE, write, &merged, &alone);
	d = distance(&merged, &alone);
	say(write ? "secure, writes" : "secure, reads", &merged, &alone, d);
	ASSERT(d < chance(&merged, &alone));
}

static void distinct(const void *arg)
{
	static struct sample merged, alone;
	double d;

	need_ditto();
	measure(DITTO_POLICY_DOMAIN, true, &merged, &alone);
	d = distance(&merged, &alone);
	say("domain, writes", &merged, &alone, d);
	ASSERT(d > 0.25);
}

static const struct tap_test tests[] = {
	{ "reads", indistinct, NULL, .seconds = 100 },
	{ "writes", indistinct, "write", .seconds = 100 },
	{ "domain_writes", distinct, .seconds = 100 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, tests, ARRAY_SIZE(tests));
}
