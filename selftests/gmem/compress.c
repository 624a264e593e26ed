// SPDX-License-Identifier: GPL-2.0-only
/*
 * Compression: pages that nobody touches are compressed, and come back with every byte, whoever
 * touches them and how; what a fork, a punch, a limit and a policy make of them. Runs as root, with
 * the merge engine standing still but where it says so; ditto only. COMPRESS_SECONDS makes the race
 * long.
 */
#include <fcntl.h>
#include <linux/falloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "api/forked.h"
#include "mount.h"

#define COMPRESS "/sys/kernel/ditto/compress/"
#define PAGES	256ul
#define SIZE	(PAGES * PAGE_SIZE)
#define PUNCH	(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE)

static int set(const char *name, const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), COMPRESS "%s", name);
	return knob_write_text(path, text);
}

static void set_number(const char *name, long value)
{
	char path[128];

	snprintf(path, sizeof(path), COMPRESS "%s", name);
	CHECKED(knob_write(path, value));
}

static long figure(const char *name)
{
	char path[128];
	long value;

	snprintf(path, sizeof(path), COMPRESS "%s", name);
	value = knob_read(path);
	if (value < 0)
		fail("%s: %s", path, strerror(errno));
	return value;
}

/* A quiet engine, and a mode that is off; skips where the kernel has nothing to compress with. */
static void quiet(void)
{
	need_ditto();
	CHECKED(knob_write(DITTO_KSM "run", 2));
	CHECKED(knob_write(DITTO_KSM "run", 0));
	if (set("mode", "always")) {
		ASSERT_EQ(errno, EOPNOTSUPP);
		skip("this kernel has no compressor, or no store");
	}
	CHECKED(set("mode", "off"));
	set_number("cold_passes", 1);
	set_number("pass_millisecs", 10);
	set_number("limit_pages", 1 << 20);
	ASSERT_EQ(figure("pages_compressed"), 0);
}

static void over(void)
{
	CHECKED(set("mode", "off"));
	ASSERT_EQ(knob_violations(), 0);
}

/* Until so many entries are compressed; the test's time limit ends it else. */
static void squeeze(long want)
{
	CHECKED(set("mode", "always"));
	while (figure("pages_compressed") < want)
		usleep(10000);
	CHECKED(set("mode", "off"));
	ASSERT_EQ(figure("pages_compressed"), want);
}

/* As long as it takes to look at everything so often. */
static void passes(long n)
{
	long until = figure("full_passes") + n;

	CHECKED(set("mode", "always"));
	while (figure("full_passes") < until)
		usleep(10000);
	CHECKED(set("mode", "off"));
}

/* A page that becomes smaller, and whose bytes are all its number's. */
static u64 word(u64 value, size_t i)
{
	return (value + 1) * 0x9e3779b97f4a7c15 ^ (i / 64);
}

static void fill(u8 *page, u64 value)
{
	size_t i;

	for (i = 0; i < PAGE_SIZE / 8; i++)
		((u64 *)page)[i] = word(value, i);
}

static bool same(const u8 *page, u64 value)
{
	size_t i;

	for (i = 0; i < PAGE_SIZE / 8; i++)
		if (((u64 *)page)[i] != word(value, i))
			return false;
	return true;
}

static void fill_all(u8 *map)
{
	unsigned long i;

	for (i = 0; i < PAGES; i++)
		fill(map + i * PAGE_SIZE, i);
}

static void verify_all(const u8 *map)
{
	unsigned long i;

	for (i = 0; i < PAGES; i++)
		if (!same(map + i * PAGE_SIZE, i))
			fail("page %lu is not what was written", i);
}

static struct ditto_gmem_stats stats(int fd)
{
	struct ditto_gmem_stats s;

	CHECKED(ioctl(fd, DITTO_GMEM_STATS, &s));
	return s;
}

static void knobs(const void *arg)
{
	quiet();
	ASSERT(set("mode", "sometimes") && errno == EINVAL);
	ASSERT(set("cold_passes", "0") && errno == EINVAL);
	ASSERT(set("cold_passes", "31") && errno == EINVAL);
	ASSERT(set("pass_millisecs", "9") && errno == EINVAL);
	ASSERT(set("limit_pages", "many") && errno == EINVAL);
	ASSERT(set("algorithm", "../lz4") && errno == EINVAL);
	ASSERT(set("algorithm", "lz4hc") && errno == EBUSY);
	over();
}

static void mapping(const void *arg)
{
	int fd;
	u8 *map;
	volatile u8 *byte;

	quiet();
	fd = gmem_new(SIZE, 0);
	map = gmem_map(fd, SIZE);
	byte = map + 5 * PAGE_SIZE + 7;
	fill_all(map);
	squeeze(PAGES);
	ASSERT_EQ(stats(fd).private_bytes, 0);
	ASSERT(stats(fd).charged_bytes > 0);
	ASSERT(stats(fd).charged_bytes < SIZE / 2);
	ASSERT(figure("pool_pages") < (long)PAGES / 2);
	ASSERT_EQ(knob_violations(), 0);
	verify_all(map);
	ASSERT_EQ(figure("pages_compressed"), 0);
	ASSERT_EQ(stats(fd).private_bytes, SIZE);
	squeeze(PAGES);
	*byte = 1;	/* the first touch is a write */
	*byte = (u8)(word(5, 0) >> 56);
	ASSERT_EQ(figure("pages_compressed"), PAGES - 1);
	verify_all(map);
	over();
}

/* Pages that are touched all the time stay. */
static void hot(const void *arg)
{
	volatile u8 *map;
	unsigned long i;
	long until;
	int fd;

	quiet();
	set_number("cold_passes", 3);
	fd = gmem_new(SIZE, 0);
	map = gmem_map(fd, SIZE);
	fill_all((u8 *)map);
	until = figure("full_passes") + 30;
	CHECKED(set("mode", "always"));
	while (figure("full_passes") < until)
		for (i = 0; i < 8; i++)
			(void)map[i * PAGE_SIZE];
	CHECKED(set("mode", "off"));
	ASSERT_EQ(figure("pages_compressed"), PAGES - 8);
	verify_all((u8 *)map);
	close(fd);
	over();
}

/* The kernel takes the pages and copies, as for a debugger: each kernel has this way to do it. */
static int afar(void)
{
	return CHECKED(open("/proc/self/mem", O_RDWR | O_CLOEXEC));
}

static void copies(const void *arg)
{
	static u8 buf[SIZE];
	int fd, mem = afar();
	u8 *map;

	quiet();
	fd = gmem_new(SIZE, 0);
	map = gmem_map(fd, SIZE);
	fill_all(map);
	squeeze(PAGES);
	ASSERT_EQ(pread(mem, buf, SIZE, (uintptr_t)map), SIZE);
	verify_all(buf);
	squeeze(PAGES);
	fill(buf + PAGE_SIZE, 77);
	ASSERT_EQ(pwrite(mem, buf, SIZE, (uintptr_t)map), SIZE);
	ASSERT(same(map + PAGE_SIZE, 77));
	fill(map + PAGE_SIZE, 1);
	verify_all(map);
	close(mem);
	over();
}

static void file(const void *arg)
{
	static u8 buf[SIZE];
	struct stat st;
	int fd, copy;

	quiet();
	begin("");
	fd = open_file("a", SIZE);
	fill_all(buf);
	ASSERT_EQ(pwrite(fd, buf, SIZE, 0), SIZE);
	squeeze(PAGES);
	CHECKED(fstat(fd, &st));
	ASSERT_EQ(st.st_blocks, SIZE / 512);
	ASSERT_EQ(lseek(fd, 0, SEEK_HOLE), SIZE);
	memset(buf, 0, SIZE);
	ASSERT_EQ(pread(fd, buf, SIZE, 0), SIZE);
	verify_all(buf);
	squeeze(PAGES);
	copy = open_file("b", 0);
	CHECKED(ioctl(copy, _IOW(0x94, 9, int), fd));	/* FICLONE */
	ASSERT_EQ(figure("pages_compressed"), PAGES);
	memset(buf, 0, SIZE);
	ASSERT_EQ(pread(copy, buf, SIZE, 0), SIZE);
	verify_all(buf);
	ASSERT_EQ(figure("pages_compressed"), PAGES);
	CHECKED(ftruncate(fd, SIZE / 2 + 100));
	ASSERT_EQ(pread(fd, buf, SIZE, 0), SIZE / 2 + 100);
	CHECKED(ftruncate(fd, SIZE));
	CHECKED(fallocate(fd, PUNCH, 0, SIZE / 4 + 10));
	ASSERT_EQ(pread(fd, buf, SIZE, 0), SIZE);
	ASSERT_EQ(buf[SIZE / 4 + 9], 0);
	ASSERT_EQ(buf[SIZE / 4 + 10], (u8)(word(PAGES / 4, 1) >> 16));
	ASSERT_EQ(buf[SIZE / 2 + 100], 0);
	close(copy);
	close(fd);
	end();
	over();
}

static void forks(const void *arg)
{
	int fd, child, idle;
	u8 *map, *born;

	quiet();
	fd = gmem_new(SIZE, 0);
	map = gmem_map(fd, SIZE);
	fill_all(map);
	squeeze(PAGES);
	child = CHECKED(ioctl(fd, DITTO_GMEM_FORK));
	idle = CHECKED(ioctl(fd, DITTO_GMEM_FORK));
	ASSERT_EQ(figure("pages_compressed"), PAGES);
	ASSERT_EQ(knob_violations(), 0);
	born = gmem_map(child, SIZE);
	fill(born + 3 * PAGE_SIZE, 99);
	ASSERT_EQ(knob_violations(), 0);
	verify_all(map);
	ASSERT(same(born + 3 * PAGE_SIZE, 99));
	fill(born + 3 * PAGE_SIZE, 3);
	fill(map + 4 * PAGE_SIZE, 98);
	verify_all(born);
	ASSERT_EQ(knob_violations(), 0);
	munmap(born, SIZE);
	close(child);
	born = gmem_map(idle, SIZE);
	verify_all(born);
	munmap(born, SIZE);
	close(idle);
	ASSERT(same(map + 4 * PAGE_SIZE, 98));
	ASSERT_EQ(figure("pages_compressed"), 0);
	over();
}

static void punch(const void *arg)
{
	unsigned long i;
	int fd;
	u8 *map;

	quiet();
	fd = gmem_new(SIZE, 0);
	map = gmem_map(fd, SIZE);
	fill_all(map);
	squeeze(PAGES);
	CHECKED(fallocate(fd, PUNCH, SIZE / 4, SIZE / 4));
	ASSERT_EQ(figure("pages_compressed"), PAGES * 3 / 4);
	for (i = 0; i < PAGES; i++)
		if (i / (PAGES / 4) == 1)
			ASSERT_EQ(map[i * PAGE_SIZE + 1], 0);
		else
			ASSERT(same(map + i * PAGE_SIZE, i));
	squeeze(PAGES * 3 / 4);
	CHECKED(fallocate(fd, PUNCH, 0, SIZE));
	ASSERT_EQ(figure("pages_compressed"), 0);
	ASSERT_EQ(figure("pages_stored"), 0);
	over();
}

static void rejected(const void *arg)
{
	unsigned long i;
	long before;
	u8 *map;

	quiet();
	map = gmem_map(gmem_new(SIZE, 0), SIZE);
	srandom(1);
	for (i = 0; i < SIZE; i++)
		map[i] = random() >> 7;
	before = figure("pages_rejected");
	passes(10);
	ASSERT_EQ(figure("pages_compressed"), 0);
	/* Each once, and then they are left alone for a while. */
	ASSERT_EQ(figure("pages_rejected") - before, PAGES);
	srandom(1);
	for (i = 0; i < SIZE; i++)
		ASSERT_EQ(map[i], (u8)(random() >> 7));
	over();
}

/* Equal contents are one object in a domain, and not where each keeps to itself. */
static void joined(const void *arg)
{
	static const struct {
		u32 flags;
		unsigned int objects;
	} cases[] = {
		{ 0, 1 },
		{ DITTO_GMEM_POLICY(DITTO_POLICY_SELF), 2 },
		{ DITTO_GMEM_POLICY(DITTO_POLICY_ZERO), 2 },
		{ DITTO_GMEM_NO_MERGE, 2 },
	};
	int fd[2];
	u8 *map[2];
	size_t i, j;

	quiet();
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		for (j = 0; j < 2; j++) {
			fd[j] = gmem_new(SIZE, cases[i].flags);
			map[j] = gmem_map(fd[j], SIZE);
			fill_all(map[j]);
		}
		squeeze(2 * PAGES);
		ASSERT_EQ(figure("pages_stored"), cases[i].objects * PAGES);
		ASSERT_EQ(knob_violations(), 0);
		fill(map[0], 1000);
		verify_all(map[1]);
		for (j = 0; j < 2; j++) {
			munmap(map[j], SIZE);
			close(fd[j]);
		}
		ASSERT_EQ(figure("pages_stored"), 0);
	}
	over();
}

static void policies(const void *arg)
{
	int fd;
	u8 *map;

	quiet();
	fd = gmem_new(SIZE, 0);
	map = gmem_map(fd, SIZE);
	fill_all(map);
	squeeze(PAGES);
	CHECKED(ioctl(fd, DITTO_GMEM_SET_POLICY, DITTO_POLICY_SECURE));
	ASSERT_EQ(figure("pages_compressed"), 0);
	passes(10);
	ASSERT_EQ(figure("pages_compressed"), 0);
	verify_all(map);
	over();
}

static void limit(const void *arg)
{
	long most = 0;
	u8 *map;

	quiet();
	map = gmem_map(gmem_new(SIZE, 0), SIZE);
	fill_all(map);
	set_number("limit_pages", 4);
	CHECKED(set("mode", "always"));
	while (figure("pool_pages") < 4)
		usleep(10000);
	usleep(500000);
	most = figure("pool_pages");
	note("%ld pages with a limit of 4", most);
	/* What is compressed at one go may take some of each size. */
	ASSERT(most >= 4 && most <= 4 + 16);
	ASSERT(figure("pages_compressed") < (long)PAGES);
	verify_all(map);
	over();
}

/* The kernel asks for memory. */
static void pressure(const void *arg)
{
	u8 *map;

	quiet();
	map = gmem_map(gmem_new(SIZE, 0), SIZE);
	fill_all(map);
	CHECKED(set("mode", "pressure"));
	usleep(300000);
	ASSERT_EQ(figure("pages_compressed"), 0);
	while (figure("pages_compressed") < (long)PAGES) {
		CHECKED(knob_write("/proc/sys/vm/drop_caches", 2));
		usleep(50000);
	}
	verify_all(map);
	over();
}

/* Pages that are equal merge; those that are not are examined first, and then compressed. */
static void engine(const void *arg)
{
	u8 *map[2];
	int i;

	quiet();
	CHECKED(knob_write(DITTO_KSM "pages_to_scan", 10000));
	CHECKED(knob_write(DITTO_KSM "sleep_millisecs", 10));
	for (i = 0; i < 2; i++) {
		map[i] = gmem_map(gmem_new(SIZE, 0), SIZE);
		fill_all(map[i]);
		fill(map[i], 1000 + i);
	}
	CHECKED(knob_write(DITTO_KSM "run", 1));
	CHECKED(set("mode", "always"));
	while (knob_read(DITTO_KSM "pages_sharing") < (long)PAGES - 1 ||
	       figure("pages_compressed") < 2)
		usleep(10000);
	CHECKED(set("mode", "off"));
	ASSERT_EQ(figure("pages_compressed"), 2);
	for (i = 0; i < 2; i++) {
		ASSERT(same(map[i], 1000 + i));
		fill(map[i], 0);
		verify_all(map[i]);
	}
	CHECKED(knob_write(DITTO_KSM "run", 0));
	over();
}

static void guest(const void *arg)
{
	struct vm_config config = { .vcpus = 1 };
	unsigned int i;
	struct vm *vm;
	long before;

	quiet();
	vm = vm_new(&config);
	vm_call(vm, "g_arith", 0);
	for (i = 0; i < 3; i++) {
		passes(5);
		ASSERT(figure("pages_compressed") > 0);
		before = figure("pages_restored");
		vm_call(vm, "g_arith", 0);
		ASSERT(figure("pages_restored") > before);
	}
	vm_free(vm);
	ASSERT_EQ(figure("pages_compressed"), 0);
	over();
}

/* A reset puts back what was compressed, whatever has become of it since. */
static void resets(const void *arg)
{
	struct vm_config config = { .ram = 16 * MIB };
	struct vm *vm, *child;
	unsigned int i;
	u8 *map;

	quiet();
	vm = vm_new(&config);
	fill_all(vm->ram + 8 * MIB);
	passes(5);
	ASSERT(figure("pages_compressed") >= (long)PAGES);
	child = fork_with(vm, DITTO_FORK_RESETTABLE);
	map = child->ram + 8 * MIB;
	for (i = 0; i < 3; i++) {
		fill(map + 3 * PAGE_SIZE, 99);
		ASSERT(same(map + 4 * PAGE_SIZE, 4));
		CHECKED(fallocate(child->gmem, PUNCH, 8 * MIB + i * 64 * PAGE_SIZE, 8 * PAGE_SIZE));
		if (i)
			passes(5);
		ASSERT_EQ(knob_violations(), 0);
		CHECKED(ioctl(child->fd, DITTO_RESET));
		ASSERT_EQ(stats(child->gmem).private_bytes, 0);
		ASSERT_EQ(knob_violations(), 0);
	}
	verify_all(map);
	CHECKED(ioctl(child->fd, DITTO_RESET));
	verify_all(map);
	verify_all(vm->ram + 8 * MIB);
	vm_free(child);
	vm_free(vm);
	ASSERT_EQ(figure("pages_compressed"), 0);
	over();
}

/* ---- a race of writers, each of which has pages of its own, with everything at once ---- */

#define WRITERS 3

static struct {
	u8 *map, *other;
	int fd, mem;
	bool slow;
	volatile bool over;
} race;

static void race_touch(u8 *page, u64 value, unsigned int how)
{
	static __thread u8 buf[PAGE_SIZE];

	if (how % 3 == 0) {
		fill(page, value);
		return;
	}
	fill(buf, value);
	ASSERT_EQ(pwrite(race.mem, buf, PAGE_SIZE, (uintptr_t)page), PAGE_SIZE);
}

static void *race_writer(void *arg)
{
	unsigned long me = (unsigned long)arg, n, nr;
	u64 value[PAGES] = { 0 };
	unsigned int seed = me;

	for (n = 0; !race.over; n++) {
		nr = rand_r(&seed) % (PAGES / WRITERS) * WRITERS + me;
		if (nr >= PAGES)
			continue;
		if (value[nr] && !same((n & 1 ? race.map : race.other) + nr * PAGE_SIZE, value[nr]))
			fail("page %lu is not what was written", nr);
		if (rand_r(&seed) % 16 == 0) {
			CHECKED(fallocate(race.fd, PUNCH, nr * PAGE_SIZE, PAGE_SIZE));
			ASSERT_EQ(race.map[nr * PAGE_SIZE], 0);
		}
		value[nr] = n * WRITERS + me + 1;
		race_touch(race.map + nr * PAGE_SIZE, value[nr], n);
		if (race.slow || n % 64 == 0)
			usleep(rand_r(&seed) % 30000);
	}
	for (nr = me; nr < PAGES; nr += WRITERS)
		if (value[nr] && !same(race.map + nr * PAGE_SIZE, value[nr]))
			fail("page %lu is not what was written", nr);
	return NULL;
}

/* Forks see one moment: what they read stays what it is. */
static void race_fork(void)
{
	int fd = CHECKED(ioctl(race.fd, DITTO_GMEM_FORK));
	static u8 first[SIZE];
	u8 *map = gmem_map(fd, SIZE);

	memcpy(first, map, SIZE);
	usleep(20000);
	ASSERT(!memcmp(first, map, SIZE));
	map[0] ^= 1;
	munmap(map, SIZE);
	close(fd);
}

static void races(const void *arg)
{
	const char *text = getenv("COMPRESS_SECONDS");
	time_t end = time(NULL) + (text ? atoi(text) : 4);
	pthread_t thread[WRITERS];
	unsigned long i;
	long before;

	quiet();
	race.fd = gmem_new(SIZE, 0);
	race.map = gmem_map(race.fd, SIZE);
	race.other = gmem_map(race.fd, SIZE);
	race.mem = afar();
	before = figure("pages_restored");
	race.slow = arg;	/* what is written all the time is never examined */
	CHECKED(knob_write(DITTO_KSM "pages_to_scan", 10000));
	CHECKED(knob_write(DITTO_KSM "sleep_millisecs", 2));
	CHECKED(knob_write(DITTO_KSM "run", arg ? 1 : 0));
	CHECKED(set("mode", "always"));
	for (i = 0; i < WRITERS; i++)
		ASSERT_EQ(pthread_create(&thread[i], NULL, race_writer, (void *)i), 0);
	while (time(NULL) < end)
		race_fork();
	race.over = true;
	for (i = 0; i < WRITERS; i++)
		pthread_join(thread[i], NULL);
	CHECKED(knob_write(DITTO_KSM "run", 0));
	CHECKED(set("mode", "off"));
	close(race.mem);
	note("%ld pages were restored", figure("pages_restored") - before);
	/* What the engine has yet to examine may never become cold. */
	ASSERT(arg || figure("pages_restored") > before);
	over();
}

int main(int argc, char **argv)
{
	static const struct tap_test tests[] = {
		{ "knobs", knobs },
		{ "mapping", mapping },
		{ "hot", hot },
		{ "copies", copies },
		{ "file", file },
		{ "forks", forks },
		{ "punch", punch },
		{ "rejected", rejected },
		{ "joined", joined },
		{ "policies", policies },
		{ "limit", limit },
		{ "pressure", pressure },
		{ "engine", engine },
		{ "guest", guest },
		{ "resets", resets },
		{ "races", races, NULL, 900 },
		{ "races with the engine", races, "", 900 },
	};

	return tap_main(argc, argv, tests, ARRAY_SIZE(tests));
}
