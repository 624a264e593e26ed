// SPDX-License-Identifier: GPL-2.0-only
/*
 * What compression costs and saves: pages of the C library, each with a word of its own. Ticks of
 * the TSC; in a host with --icount a tick is an instruction. One line per figure:
 *	compress_page		to compress a page, with the search for cold ones: time of the
 *				kernel's workers
 *	compress_touch		first touch of a compressed page, a read by the process: the fault,
 *				and all of its way to the page and back
 *	compress_percent	of the pages' memory that they take while they are compressed
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <x86intrin.h>

#include "knobs.h"
#include "vm.h"

#define COMPRESS "/sys/kernel/ditto/compress/"
#define LIBRARY "/lib/x86_64-linux-gnu/libc.so.6"
#define PAGES	2048ul

static long get(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), COMPRESS "%s", name);
	return CHECKED(knob_read(path));
}

static void set(const char *name, const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), COMPRESS "%s", name);
	CHECKED(knob_write_text(path, text));
}

/* Nanoseconds that a thread has run, if it is one of the kernel's workers. */
static u64 worker_time(const char *pid)
{
	char path[64], name[32] = "";
	unsigned long long ran = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%.16s/comm", pid);
	f = fopen(path, "r");
	if (!f)
		return 0;
	if (!fgets(name, sizeof(name), f))
		name[0] = 0;
	fclose(f);
	if (strncmp(name, "kworker/", 8))
		return 0;
	snprintf(path, sizeof(path), "/proc/%.16s/schedstat", pid);
	f = fopen(path, "r");
	if (!f)
		return 0;
	if (fscanf(f, "%llu", &ran) != 1)
		ran = 0;
	fclose(f);
	return ran;
}

static u64 workers_time(void)
{
	DIR *dir = opendir("/proc");
	struct dirent *d;
	u64 sum = 0;

	while ((d = readdir(dir)))
		sum += worker_time(d->d_name);
	closedir(dir);
	return sum;
}

static void fill(u8 *map)
{
	int fd = CHECKED(open(LIBRARY, O_RDONLY));
	unsigned long i;

	for (i = 0; i < PAGES; i++) {
		if (read(fd, map + i * PAGE_SIZE, PAGE_SIZE) != PAGE_SIZE) {
			CHECKED(lseek(fd, 0, SEEK_SET));
			ASSERT_EQ(read(fd, map + i * PAGE_SIZE, PAGE_SIZE), PAGE_SIZE);
		}
		*(u64 *)(map + i * PAGE_SIZE) = i + 1;
	}
	close(fd);
}

int main(void)
{
	u64 began, before, touch = 0, sum = 0, i, done, rejected;
	volatile u8 *map;

	tap.dev = "/dev/ditto";
	tap.gmem = tap.ditto = true;
	map = gmem_map(gmem_new(PAGES * PAGE_SIZE, DITTO_GMEM_NO_MERGE), PAGES * PAGE_SIZE);
	fill((u8 *)map);
	set("cold_passes", "1");
	set("pass_millisecs", "10");
	alarm(500);
	before = workers_time();
	rejected = get("pages_rejected");
	set("mode", "always");
	do {
		usleep(5000);
		done = get("pages_compressed");
	} while (done + get("pages_rejected") - rejected < PAGES);
	set("mode", "off");
	printf("compress_page %.0f\n", (double)(workers_time() - before) / PAGES);
	printf("compress_percent %.1f\n", 100.0 * (get("pool_pages") + PAGES - done) / PAGES);
	rejected = get("pages_restored");
	for (i = 0; i < PAGES; i++) {
		began = __rdtsc();
		(void)map[i * PAGE_SIZE];
		began = __rdtsc() - began;
		if ((u64)get("pages_restored") == rejected)
			continue;
		rejected = get("pages_restored");
		sum += began;
		touch++;
	}
	printf("compress_touch %.0f\n", (double)sum / touch);
	return 0;
}
