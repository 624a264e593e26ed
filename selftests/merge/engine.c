// SPDX-License-Identifier: GPL-2.0-only
/*
 * The merge engine's threads: that knobs hold at once, how much they take, and that crowds of
 * objects, mappings and endings do not hold them up. ditto only.
 */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "objects.h"

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

/* The engine's threads. */
static long engine_threads(void)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	char path[300], name[32];
	long count = 0;
	FILE *file;

	ASSERT(proc != NULL);
	while ((entry = readdir(proc))) {
		snprintf(path, sizeof(path), "/proc/%s/comm", entry->d_name);
		file = fopen(path, "r");
		if (!file)
			continue;
		count += fgets(name, sizeof(name), file) && !strncmp(name, "ditto-ksmd", 10);
		fclose(file);
	}
	closedir(proc);
	return count;
}

/* As many threads as are asked for, at once, though the others sleep. */
static void knobs_workers(const void *arg)
{
	make(0);
	engine_on();
	knob("sleep_millisecs", 3600000);
	usleep(300000);
	knob("workers", 3);
	ASSERT_EQ(engine_threads(), 3);
	scan_soon("sleep_millisecs", 20);
	knob("sleep_millisecs", 3600000);
	usleep(300000);
	knob("workers", 1);
	ASSERT_EQ(engine_threads(), 1);
	scan_soon("sleep_millisecs", 20);
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

/* However long it takes. */
static void reach(const char *name, long want)
{
	while (counter(name) != want)
		usleep(20000);
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
	reach("pages_to_scan", 600);
	CHECKED(knob_write_text(DITTO_KSM "advisor_mode", "none"));
	knob("advisor_min_pages_to_scan", 500);
	knob("advisor_target_scan_time", 200);
	verify_equal();
}

#define MUCH	(64 * MIB)

/* The advisor's other knobs, one after the other. */
static void advised_limits(const void *arg)
{
	u8 *much;

	make(0);
	much = gmem_map(gmem_new(MUCH, 0), MUCH);
	memset(much, 1, MUCH);
	knob("sleep_millisecs", 150);	/* so a round takes longer than a second */
	knob("pages_to_scan", 18000);
	knob("advisor_max_cpu", 100);
	knob("advisor_target_scan_time", 1);
	knob("advisor_max_pages_to_scan", 18100);
	knob("advisor_min_pages_to_scan", 1000);
	CHECKED(knob_write_text(DITTO_KSM "advisor_mode", "scan-time"));
	knob("run", 1);
	reach("pages_to_scan", 18100);
	knob("advisor_max_pages_to_scan", 18200);
	reach("pages_to_scan", 18200);
	memset(much, 2, MUCH);
	scans(4);
	ASSERT_EQ(counter("pages_to_scan"), 18200);

	/* All that takes more than a hundredth of a CPU's time. */
	knob("advisor_max_cpu", 1);
	memset(much, 3, MUCH);
	while (counter("pages_to_scan") == 18200)
		usleep(20000);
	knob("advisor_max_cpu", 100);

	knob("advisor_target_scan_time", 1000);
	reach("pages_to_scan", 1000);
	CHECKED(knob_write_text(DITTO_KSM "advisor_mode", "none"));
	knob("advisor_max_cpu", 70);
	knob("advisor_max_pages_to_scan", 30000);
	knob("advisor_min_pages_to_scan", 500);
	knob("advisor_target_scan_time", 200);
	munmap(much, MUCH);
}

/* A rest is no part of a round, however long it was. */
static void advised_after_rest(const void *arg)
{
	unsigned int i;

	make(0);
	keep_scanning();
	knob("sleep_millisecs", 20);
	knob("advisor_target_scan_time", 3);
	CHECKED(knob_write_text(DITTO_KSM "advisor_mode", "scan-time"));
	knob("run", 1);
	reach("pages_to_scan", 500);
	knob("run", 0);
	sleep(8);
	knob("run", 1);
	for (i = 0; i < 100; i++) {
		ASSERT_EQ(counter("pages_to_scan"), 500);
		usleep(10000);
	}
	CHECKED(knob_write_text(DITTO_KSM "advisor_mode", "none"));
	knob("advisor_target_scan_time", 200);
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
	{ "bad_knobs", bad_knobs }, { "knobs_at_once", knobs_at_once, .seconds = 60 },
	{ "knobs_next_page", knobs_next_page, .seconds = 60 },
	{ "knobs_workers", knobs_workers, .seconds = 60 },
	{ "max_cpu_at_once", max_cpu_at_once, .seconds = 100 },
	{ "advised", advised, .seconds = 60 },
	{ "advised_limits", advised_limits, .seconds = 100 },
	{ "advised_after_rest", advised_after_rest, .seconds = 60 },
	{ "workers", workers, .seconds = 60 },
	{ "budget", budget, .seconds = 60 }, { "counters", counters, .seconds = 60 },
	{ "crowd_of_objects", crowd_of_objects, .seconds = 90 },
	{ "crowd_of_mappings", crowd_of_mappings, .seconds = 90 },
	{ "killed", killed, .seconds = 90 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, tests, ARRAY_SIZE(tests));
}
