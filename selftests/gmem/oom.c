// SPDX-License-Identifier: GPL-2.0-only
/*
 * A host without memory at the moment at which a machine ends: its memory is on the way back,
 * and nobody is killed. Needs a small host with two CPUs, and nothing else in it. Runs as root;
 * ditto only.
 */
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "knobs.h"
#include "vm.h"

/* What is left free, and how much more than that is wanted then. */
#define LEFT	(48 * MIB)
#define SPARE	(16 * MIB)

static u64 available(void)
{
	long kib = knob_line("/proc/meminfo", "MemAvailable");

	ASSERT(kib > 0);
	return kib * 1024ul;
}

/* Processes that the OOM killer has killed. */
static long kills(void)
{
	FILE *f = fopen("/proc/vmstat", "r");
	long value, found = -1;
	char name[64];

	ASSERT(f);
	while (found < 0 && fscanf(f, "%63s %ld", name, &value) == 2)
		if (!strcmp(name, "oom_kill"))
			found = value;
	fclose(f);
	ASSERT(found >= 0);
	return found;
}

/* A gmem that has nearly all memory of the host. Returns how much. */
static u64 gmem_fill(int fd, u64 size)
{
	u8 *p = gmem_map(fd, size);
	u64 filled;

	for (filled = 0; filled < size && available() > LEFT; filled += 4 * MIB)
		memset(p + filled, 1, 4 * MIB);
	ASSERT(filled < size);
	ASSERT(filled > 2 * LEFT);
	CHECKED(munmap(p, size));
	return filled;
}

/*
 * An idle CPU is asked late whether it is done with what RCU waits for. So the memory of a gmem
 * that is gone is not free for half a second: that is long for who wants it.
 */
static void slow_rcu(void)
{
	CHECKED(knob_write("/sys/module/rcutree/parameters/jiffies_till_first_fqs", 125));
}

static void memory_comes_back(const void *arg)
{
	long before = kills();
	volatile u8 *hog;
	u64 filled, i;
	int fd;

	need_ditto();
	fd = gmem_new(1024 * MIB, 0);
	filled = gmem_fill(fd, 1024 * MIB);
	note("%lu MiB of %lu left", available() / MIB, (available() + filled) / MIB);
	hog = mmap(NULL, filled, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT(hog != MAP_FAILED);
	slow_rcu();
	close(fd);
	for (i = 0; i < filled - SPARE; i += PAGE_SIZE)
		hog[i] = 1;
	ASSERT_EQ(kills(), before);
}

static const struct tap_test tests[] = {
	{ "memory_comes_back", memory_comes_back, NULL, 60 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, tests, ARRAY_SIZE(tests));
}
