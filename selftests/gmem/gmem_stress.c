// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guest memory objects and merging, seen from user space; TAP. Runs as root on
 * a machine with the module loaded and nobody else using it:
 *
 *	gmem_stress [SECONDS]
 *
 * First the promises one by one. Then, for SECONDS (default 10), several threads
 * write, punch and verify pages of few different contents through mappings, GUP and
 * O_DIRECT, while merging is switched on, off and undone, children fork and are
 * killed. Every page has a shadow that says what must be in it. The checker must be
 * clean after each test.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <linux/falloc.h>

#include <ditto.h>

#define PAGE	4096UL
#define KSM	"/sys/kernel/ditto/ksm/"
#define CHECK	"/sys/kernel/debug/ditto/check"

static int dev;
static bool can_gup;		/* the kernel has process_vm_writev */
static char scratch[64];	/* a file system where O_DIRECT works, or empty */

/* ---- TAP ---- */

static int test_nr, failures;
static bool failed;
static const char *skipped;

#define EXPECT(cond, ...)							\
	do {									\
		if (!(cond)) {							\
			failed = true;						\
			printf("# %s:%d: %s", __func__, __LINE__, #cond);	\
			printf(" " __VA_ARGS__);				\
			printf("\n");						\
			return;							\
		}								\
	} while (0)

static void die(const char *what)
{
	printf("Bail out! %s: %s\n", what, strerror(errno));
	exit(1);
}

/* ---- the module's knobs ---- */

static long knob(const char *name)
{
	char path[128], text[64] = "";
	int fd;

	snprintf(path, sizeof(path), KSM "%s", name);
	fd = open(path, O_RDONLY);
	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
		die(path);
	close(fd);
	return atol(text);
}

static int set_knob(const char *name, long value)
{
	char path[128], text[32];
	int fd, n, ret;

	snprintf(path, sizeof(path), KSM "%s", name);
	fd = open(path, O_WRONLY);
	if (fd < 0)
		die(path);
	n = snprintf(text, sizeof(text), "%ld", value);
	ret = write(fd, text, n) == n ? 0 : -errno;
	close(fd);
	return ret;
}

/* Wait until the engine has had @passes whole passes. */
static void wait_passes(int passes)
{
	long until = knob("full_scans") + passes;

	while (knob("full_scans") < until)
		usleep(2000);
}

static bool check_clean(void)
{
	char line[256];
	FILE *f = fopen(CHECK, "r");
	bool clean = false;

	if (!f)
		die(CHECK);
	while (fgets(line, sizeof(line), f)) {
		if (strstr(line, "violation:"))
			printf("# %s", line);
		if (strstr(line, ", 0 violations"))
			clean = true;
	}
	fclose(f);
	return clean;
}

/* ---- gmems ---- */

static int gmem_create(uint64_t size, uint32_t flags)
{
	struct ditto_create_gmem args = { .size = size, .flags = flags };
	int fd = ioctl(dev, DITTO_CREATE_GMEM, &args);

	return fd < 0 ? -errno : fd;
}

static int gmem_new(uint64_t pages)
{
	int fd = gmem_create(pages * PAGE, 0);

	if (fd < 0) {
		errno = -fd;
		die("DITTO_CREATE_GMEM");
	}
	return fd;
}

static struct ditto_gmem_stats stats(int fd)
{
	struct ditto_gmem_stats st;

	if (ioctl(fd, DITTO_GMEM_STATS, &st))
		die("DITTO_GMEM_STATS");
	return st;
}

static char *map(int fd, uint64_t pages)
{
	char *p = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		die("mmap");
	return p;
}

static int punch(int fd, uint64_t pos, uint64_t len)
{
	return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, pos, len);
}

/* Contents number @k: zero for 0. */
static void fill(void *page, unsigned int k)
{
	uint64_t *p = page, x = k * 0x9e3779b97f4a7c15ull;

	for (unsigned int i = 0; i < PAGE / 8; i++, x += k)
		p[i] = x * k;
}

static bool is_filled(const void *page, unsigned int k)
{
	char want[PAGE];

	fill(want, k);
	return !memcmp(page, want, PAGE);
}

/* ---- the promises ---- */

static void test_create(void)
{
	struct ditto_create_gmem args = { .size = PAGE, .reserved = { 0, 0, 1 } };
	int fd;

	EXPECT(gmem_create(0, 0) == -EINVAL);
	EXPECT(gmem_create(PAGE + 1, 0) == -EINVAL);
	EXPECT(gmem_create((1ull << 46) + PAGE, 0) == -EINVAL);
	EXPECT(gmem_create(-PAGE, 0) == -EINVAL);
	EXPECT(gmem_create(PAGE, 1u << 5) == -EINVAL);
	EXPECT(ioctl(dev, DITTO_CREATE_GMEM, &args) == -1 && errno == EINVAL);
	EXPECT(ioctl(dev, DITTO_CREATE_GMEM, 8) == -1 && errno == EFAULT);
	fd = gmem_create(1ull << 46, 0);
	EXPECT(fd >= 0, "%d", fd);
	EXPECT(fcntl(fd, F_GETFD) == FD_CLOEXEC);
	EXPECT(ioctl(fd, DITTO_CREATE_GMEM, &args) == -1 && errno == ENOTTY);
	close(fd);
}

static void test_file(void)
{
	int fd = gmem_new(1000), flags = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
	char *p = map(fd, 1000);
	struct stat st;

	EXPECT(!fstat(fd, &st) && S_ISREG(st.st_mode));
	EXPECT(st.st_size == 1000 * PAGE && st.st_blocks == 0);
	p[0] = p[5 * PAGE] = 1;
	EXPECT(!fstat(fd, &st) && st.st_blocks == 16, "%ld", (long)st.st_blocks);
	EXPECT(ftruncate(fd, 0) == -1 && errno == EPERM);
	EXPECT(fallocate(fd, 0, 0, PAGE) == -1 && errno == EOPNOTSUPP);
	EXPECT(fallocate(fd, flags, -1, PAGE) == -1 && errno == EINVAL);
	EXPECT(!fallocate(fd, flags, 2000 * PAGE, PAGE));
	EXPECT(read(fd, &st, 1) == -1 && errno == EINVAL);
	EXPECT(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0) == MAP_FAILED && errno == EINVAL);
	EXPECT(mmap(NULL, 1001 * PAGE, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED);
	EXPECT(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 1000 * PAGE) == MAP_FAILED);
	EXPECT(mmap(NULL, PAGE, PROT_EXEC, MAP_SHARED, fd, 0) == MAP_FAILED && errno == EPERM);
	EXPECT(mremap(p, 1000 * PAGE, 1001 * PAGE, MREMAP_MAYMOVE) == MAP_FAILED);
	munmap(p, 1000 * PAGE);
	close(fd);
}

static void test_zero(void)
{
	int fd = gmem_new(2048);
	char *p = map(fd, 2048);

	for (int i = 0; i < 2048; i++)
		EXPECT(is_filled(p + i * PAGE, 0), "page %d", i);
	EXPECT(stats(fd).private_bytes == 0);
	p[7 * PAGE] = 1;
	EXPECT(p[7 * PAGE] == 1 && p[7 * PAGE + 1] == 0 && p[6 * PAGE] == 0);
	EXPECT(stats(fd).private_bytes == PAGE);
	munmap(p, 2048 * PAGE);
	close(fd);
}

static void test_two_mappings(void)
{
	int fd = gmem_new(16);
	char *p = map(fd, 16), *q = map(fd, 16);

	for (int i = 0; i < 16; i++) {
		EXPECT(q[i * PAGE] == 0);	/* zero page mapped in q, then replaced */
		p[i * PAGE] = i + 1;
		EXPECT(q[i * PAGE] == i + 1, "page %d", i);
		q[i * PAGE] = i + 2;
		EXPECT(p[i * PAGE] == i + 2, "page %d", i);
	}
	munmap(p, 16 * PAGE);
	EXPECT(q[15 * PAGE] == 17);
	close(fd);		/* the mapping keeps it */
	EXPECT(q[14 * PAGE] == 16);
	munmap(q, 16 * PAGE);
}

static void test_punch(void)
{
	int fd = gmem_new(1536);
	char *p = map(fd, 1536);
	uint64_t chunk = stats(fd).overhead_bytes;

	for (int i = 0; i < 1536; i++)
		fill(p + i * PAGE, i + 1);
	EXPECT(stats(fd).private_bytes == 1536 * PAGE);
	chunk = (stats(fd).overhead_bytes - chunk) / 3;
	EXPECT(!punch(fd, 512 * PAGE, 512 * PAGE));
	EXPECT(is_filled(p + 511 * PAGE, 512) && is_filled(p + 1024 * PAGE, 1025));
	for (int i = 512; i < 1024; i++)
		EXPECT(is_filled(p + i * PAGE, 0), "page %d", i);
	EXPECT(!punch(fd, 100 * PAGE + 10, 2 * PAGE));
	EXPECT(p[100 * PAGE + 9] && is_filled(p + 101 * PAGE, 0));
	for (unsigned int i = 10; i < PAGE; i++)
		EXPECT(p[100 * PAGE + i] == 0, "byte %u", i);
	EXPECT(p[102 * PAGE + 9] == 0 && p[102 * PAGE + 10]);
	EXPECT(!punch(fd, 200 * PAGE + 8, 8));
	EXPECT(((uint64_t *)(p + 200 * PAGE))[0] && !((uint64_t *)(p + 200 * PAGE))[1] &&
	       ((uint64_t *)(p + 200 * PAGE))[2]);
	EXPECT(stats(fd).private_bytes == (1024 - 1) * PAGE);
	munmap(p, 1536 * PAGE);
	EXPECT(!punch(fd, 0, 1536 * PAGE));
	EXPECT(stats(fd).private_bytes == 0);
	EXPECT(stats(fd).overhead_bytes < chunk * 3);
	close(fd);
}

static void test_fork(void)
{
	int fd = gmem_new(64), status;
	char *p = map(fd, 64);
	pid_t pid;

	p[0] = 1;
	pid = fork();
	if (!pid) {
		if (p[0] != 1 || p[PAGE])
			_exit(1);
		p[0] = 2;
		p[PAGE] = 3;
		p[2 * PAGE] = 4;
		_exit(0);
	}
	EXPECT(waitpid(pid, &status, 0) == pid && status == 0);
	EXPECT(p[0] == 2 && p[PAGE] == 3 && p[2 * PAGE] == 4);
	munmap(p, 64 * PAGE);
	close(fd);
}

/* GUP writes to and reads from pages in every state. */
static void test_gup(void)
{
	int fd = gmem_new(64);
	char *p = map(fd, 64), buf[PAGE], out[PAGE];
	struct iovec local = { buf, PAGE }, remote = { p + PAGE, PAGE };

	fill(buf, 9);
	if (!can_gup) {
		skipped = "no process_vm_writev in this kernel";
		return;
	}
	EXPECT(process_vm_writev(getpid(), &local, 1, &remote, 1, 0) == PAGE);
	EXPECT(is_filled(p + PAGE, 9));
	remote.iov_base = p + 2 * PAGE;
	local.iov_base = out;
	memset(out, 1, PAGE);
	EXPECT(process_vm_readv(getpid(), &local, 1, &remote, 1, 0) == PAGE);
	EXPECT(is_filled(out, 0));
	munmap(p, 64 * PAGE);
	close(fd);
}

static int direct_file(void)
{
	char path[96];
	int fd;

	if (!scratch[0])
		return -1;
	snprintf(path, sizeof(path), "%s/gmem_stress.XXXXXX", scratch);
	fd = mkostemp(path, O_DIRECT);
	if (fd >= 0)
		unlink(path);
	return fd;
}

static void test_direct_io(void)
{
	int fd = gmem_new(64), file = direct_file();
	char *p = map(fd, 64);

	if (file < 0) {
		skipped = "no file system with O_DIRECT here";
		return;
	}
	for (int i = 0; i < 32; i++)
		fill(p + i * PAGE, i + 1);
	EXPECT(pwrite(file, p, 32 * PAGE, 0) == 32 * PAGE, "%s", strerror(errno));
	EXPECT(pwrite(file, p + 40 * PAGE, PAGE, 32 * PAGE) == PAGE);	/* an empty one */
	EXPECT(pread(file, p + 32 * PAGE, 32 * PAGE, PAGE) == 32 * PAGE);
	for (int i = 32; i < 63; i++)
		EXPECT(is_filled(p + i * PAGE, i - 30), "page %d", i);
	EXPECT(is_filled(p + 63 * PAGE, 0));
	munmap(p, 64 * PAGE);
	close(fd);
	close(file);
}

/* ---- merging ---- */

/* Two gmems of @pages, page i of each with contents i % @kinds. */
struct pair {
	int fd[2];
	char *p[2];
	unsigned int pages;
};

static struct pair pair_new(unsigned int pages, unsigned int kinds)
{
	struct pair pr = { .pages = pages };

	for (int g = 0; g < 2; g++) {
		pr.fd[g] = gmem_new(pages);
		pr.p[g] = map(pr.fd[g], pages);
		for (unsigned int i = 0; i < pages; i++)
			fill(pr.p[g] + i * PAGE, i % kinds);
	}
	return pr;
}

static void pair_free(struct pair *pr)
{
	for (int g = 0; g < 2; g++) {
		munmap(pr->p[g], pr->pages * PAGE);
		close(pr->fd[g]);
	}
}

static bool pair_right(const struct pair *pr, unsigned int kinds)
{
	for (int g = 0; g < 2; g++)
		for (unsigned int i = 0; i < pr->pages; i++)
			if (!is_filled(pr->p[g] + i * PAGE, i % kinds))
				return false;
	return true;
}

static void test_merge(void)
{
	struct pair pr = pair_new(600, 100);
	uint64_t *word;
	long charged;

	EXPECT(!set_knob("run", 1));
	wait_passes(8);
	EXPECT(knob("pages_shared") == 99, "%ld", knob("pages_shared"));
	EXPECT(knob("pages_sharing") == 12 * 99 - 99, "%ld", knob("pages_sharing"));
	EXPECT(knob("ksm_zero_pages") == 12, "%ld", knob("ksm_zero_pages"));
	EXPECT(knob("pages_volatile") == 0 && knob("pages_unshared") == 0);
	EXPECT(stats(pr.fd[0]).shared_bytes == 6 * 99 * PAGE);
	EXPECT(stats(pr.fd[0]).private_bytes == 0);
	charged = stats(pr.fd[0]).charged_bytes;	/* rounds down */
	EXPECT(charged <= (long)(99 * PAGE / 2) && charged > (long)(98 * PAGE / 2), "%ld", charged);
	EXPECT(pair_right(&pr, 100));

	/* A write breaks this one only. */
	word = (uint64_t *)(pr.p[0] + 5 * PAGE);
	word[3] = 42;
	EXPECT(!is_filled(word, 5) && word[3] == 42);
	word[3] = ((uint64_t *)(pr.p[1] + 5 * PAGE))[3];
	EXPECT(pair_right(&pr, 100));
	EXPECT(stats(pr.fd[0]).private_bytes == PAGE && stats(pr.fd[0]).breaks == 1);
	EXPECT(knob("pages_sharing") == 12 * 99 - 99 - 1);

	/* A page emptied by merging is written. */
	pr.p[1][100 * PAGE] = 0;
	EXPECT(knob("ksm_zero_pages") == 11);

	/* And everything comes apart again. */
	EXPECT(!set_knob("run", 2));
	EXPECT(knob("pages_shared") == 0 && knob("pages_sharing") == 0);
	EXPECT(knob("ksm_zero_pages") == 0 && knob("pages_unshared") == 0);
	EXPECT(pair_right(&pr, 100));
	EXPECT(stats(pr.fd[1]).private_bytes == 600 * PAGE);

	EXPECT(!set_knob("run", 1));
	wait_passes(12);
	EXPECT(knob("pages_sharing") == 12 * 99 - 99, "%ld", knob("pages_sharing"));
	pair_free(&pr);
	EXPECT(knob("pages_shared") == 0 && knob("pages_sharing") == 0);
}

static void test_unique(void)
{
	struct pair pr = pair_new(700, 1400);
	long scanned;

	for (int i = 0; i < 700; i++)
		fill(pr.p[1] + i * PAGE, 10000 + i);
	fill(pr.p[0], 5000);
	EXPECT(!set_knob("run", 1));
	wait_passes(8);
	EXPECT(knob("pages_unshared") == 1400, "%ld", knob("pages_unshared"));
	EXPECT(knob("pages_shared") == 0 && knob("pages_sharing") == 0);
	scanned = knob("pages_scanned");
	wait_passes(8);
	EXPECT(knob("pages_scanned") == scanned);	/* what rests is not read */
	pr.p[0][3 * PAGE]++;
	wait_passes(8);
	EXPECT(knob("pages_scanned") == scanned + 1, "%ld", knob("pages_scanned") - scanned);
	EXPECT(knob("pages_unshared") == 1400);
	pair_free(&pr);
	EXPECT(knob("pages_unshared") == 0, "%ld", knob("pages_unshared"));
}

static void test_opt_out(void)
{
	int fd = gmem_create(64 * PAGE, DITTO_GMEM_NO_MERGE);
	char *p = map(fd, 64);

	for (int i = 0; i < 64; i++)
		fill(p + i * PAGE, 7);
	EXPECT(!set_knob("run", 1));
	usleep(200000);
	EXPECT(stats(fd).private_bytes == 64 * PAGE && stats(fd).shared_bytes == 0);
	munmap(p, 64 * PAGE);
	close(fd);
}

/* Another uid's gmem with the same contents: each merges within itself only. */
static void test_domains(void)
{
	struct pair pr;
	int up[2], down[2];
	pid_t pid;
	char c;

	if (pipe(up) || pipe(down))
		die("pipe");
	pid = fork();
	if (!pid) {
		if (setresuid(12345, 12345, 12345) || prctl(PR_SET_PDEATHSIG, SIGKILL))
			_exit(1);
		pair_new(50, 50);
		if (write(up[1], "x", 1) != 1 || read(down[0], &c, 1) != 1)
			_exit(1);
		_exit(0);
	}
	EXPECT(read(up[0], &c, 1) == 1);
	pr = pair_new(50, 50);
	EXPECT(!set_knob("run", 1));
	wait_passes(8);
	EXPECT(knob("pages_shared") == 2 * 49, "%ld", knob("pages_shared"));
	EXPECT(knob("pages_sharing") == 2 * 49, "%ld", knob("pages_sharing"));
	EXPECT(write(down[1], "x", 1) == 1 && waitpid(pid, NULL, 0) == pid);
	EXPECT(knob("pages_shared") == 49, "%ld", knob("pages_shared"));
	EXPECT(pair_right(&pr, 50));
	pair_free(&pr);
	for (int i = 0; i < 2; i++) {
		close(up[i]);
		close(down[i]);
	}
}

/* Pages in a pipe (a page reference is held) are left alone until they are out. */
static void test_pinned(void)
{
	struct pair pr = pair_new(8, 8);
	struct iovec iov = { pr.p[0] + PAGE, 4 * PAGE };
	char buf[4 * PAGE];
	int fds[2];

	if (pipe(fds))
		die("pipe");
	EXPECT(vmsplice(fds[1], &iov, 1, 0) == 4 * PAGE, "%s", strerror(errno));
	EXPECT(!set_knob("run", 1));
	wait_passes(20);
	EXPECT(stats(pr.fd[0]).private_bytes == 4 * PAGE, "%ld",
	       (long)stats(pr.fd[0]).private_bytes);
	EXPECT(read(fds[0], buf, sizeof(buf)) == sizeof(buf));
	for (int i = 0; i < 4; i++)
		EXPECT(is_filled(buf + i * PAGE, i + 1));
	close(fds[0]);
	close(fds[1]);
	wait_passes(20);
	EXPECT(stats(pr.fd[0]).private_bytes == 0, "%ld", (long)stats(pr.fd[0]).private_bytes);
	EXPECT(pair_right(&pr, 8));
	pair_free(&pr);
}

static void test_knobs(void)
{
	EXPECT(set_knob("run", 3) == -EINVAL && set_knob("run", -1) == -EINVAL);
	EXPECT(set_knob("pages_to_scan", -1) == -EINVAL);
	EXPECT(set_knob("sleep_millisecs", 1L << 40) == -EINVAL);
	EXPECT(!set_knob("run", 0) && knob("run") == 0);
	EXPECT(!set_knob("pages_to_scan", 12345) && knob("pages_to_scan") == 12345);
	EXPECT(!set_knob("sleep_millisecs", 1) && knob("sleep_millisecs") == 1);
	EXPECT(!set_knob("run", 1) && knob("run") == 1);
}

/* ---- the storm ---- */

#define GMEMS		3
#define PAGES		1100UL
#define WORKERS		4
#define KINDS		6

/* What must be in a page: contents @kind, but word @word is @value (if word >= 0). */
struct shadow {
	unsigned int kind;
	int word;
	uint64_t value;
};

struct storm_gmem {
	int fd;
	char *p;
	struct shadow shadow[PAGES];
};

static struct storm_gmem storm_gmems[GMEMS];
static volatile bool storm_over;
static volatile bool storm_wrong;
static volatile unsigned long storm_ops;

static void storm_error(int g, unsigned long i, const char *what)
{
	storm_wrong = storm_over = true;
	printf("# gmem %d page %lu: %s (%s)\n", g, i, what, strerror(errno));
}

static void storm_verify(int g, unsigned long i)
{
	struct storm_gmem *sg = &storm_gmems[g];
	struct shadow *sh = &sg->shadow[i];
	uint64_t want[PAGE / 8];

	fill(want, sh->kind);
	if (sh->word >= 0)
		want[sh->word] = sh->value;
	if (memcmp(sg->p + i * PAGE, want, PAGE))
		storm_error(g, i, "wrong contents");
}

static void storm_gup_write(char *page, unsigned int kind)
{
	uint64_t buf[PAGE / 8];
	struct iovec local = { buf, PAGE }, remote = { page, PAGE };

	fill(buf, kind);
	if (!can_gup)
		memcpy(page, buf, PAGE);
	else if (process_vm_writev(getpid(), &local, 1, &remote, 1, 0) != PAGE)
		storm_error(0, 0, "process_vm_writev");
}

/* O_DIRECT, both ways: to the file and back from where it was put. */
static void storm_direct(char *page, int file, unsigned int worker)
{
	if (pwrite(file, page, PAGE, worker * PAGE) != PAGE)
		storm_error(0, 0, "O_DIRECT write");
	memset(page, 0xee, 64);
	if (pread(file, page, PAGE, worker * PAGE) != PAGE)
		storm_error(0, 0, "O_DIRECT read");
}

static void storm_change(int g, unsigned long i, unsigned int op, int file, unsigned int worker)
{
	struct storm_gmem *sg = &storm_gmems[g];
	struct shadow *sh = &sg->shadow[i];
	char *page = sg->p + i * PAGE;

	switch (op % 8) {
	case 0:
	case 1:
		sh->kind = op / 8 % KINDS;
		sh->word = -1;
		fill(page, sh->kind);
		break;
	case 2:
		if (sh->word >= 0)	/* one word at a time differs */
			break;
		sh->word = op / 8 % (PAGE / 8);
		sh->value = op;
		((volatile uint64_t *)page)[sh->word] = op;
		break;
	case 3:
		sh->kind = 0;
		sh->word = -1;
		if (punch(sg->fd, i * PAGE, PAGE))
			storm_error(g, i, "punch");
		break;
	case 4:
		sh->kind = op / 8 % KINDS;
		sh->word = -1;
		storm_gup_write(page, sh->kind);
		break;
	case 5:
		if (file >= 0)
			storm_direct(page, file, worker);
		break;
	case 6:
		if (op / 8 % 64 == 0)
			madvise(page, PAGE, MADV_DONTNEED);
		break;
	default:	/* just verify */
		break;
	}
}

static void *storm_worker(void *arg)
{
	unsigned int worker = (uintptr_t)arg, seed = worker * 7919 + 1;
	int file = direct_file();

	while (!storm_over) {
		int g = rand_r(&seed) % GMEMS;
		unsigned long i = rand_r(&seed) % (PAGES / WORKERS) * WORKERS + worker;

		storm_verify(g, i);
		storm_change(g, i, rand_r(&seed), file, worker);
		storm_verify(g, i);
		__atomic_fetch_add(&storm_ops, 1, __ATOMIC_RELAXED);
	}
	if (file >= 0)
		close(file);
	return NULL;
}

static void *storm_toggler(void *arg)
{
	unsigned int seed = 99;

	(void)arg;
	while (!storm_over) {
		int r = rand_r(&seed) % 8;

		if (set_knob("run", r < 5 ? 1 : r < 7 ? 2 : 0))
			storm_error(0, 0, "run");
		set_knob("sleep_millisecs", rand_r(&seed) % 3);
		usleep(rand_r(&seed) % 150000);
	}
	return NULL;
}

/* A child makes gmems of its own, shares contents with everybody, and is killed. */
static void *storm_forker(void *arg)
{
	unsigned int seed = 5;

	(void)arg;
	while (!storm_over) {
		pid_t pid = fork();

		if (!pid) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			for (;;) {
				struct pair pr = pair_new(300, KINDS);

				if (!pair_right(&pr, KINDS))
					_exit(9);
				usleep(20000);
				if (!pair_right(&pr, KINDS))
					_exit(9);
				pair_free(&pr);
			}
		}
		usleep(rand_r(&seed) % 100000);
		kill(pid, SIGKILL);
		int status;

		waitpid(pid, &status, 0);
		if (WIFEXITED(status))
			storm_error(0, 0, "a child saw wrong contents");
	}
	return NULL;
}

static unsigned int storm_seconds = 10;

static void test_storm(void)
{
	pthread_t workers[WORKERS], toggler, forker;
	unsigned long i;
	int g;

	for (g = 0; g < GMEMS; g++) {
		storm_gmems[g].fd = gmem_new(PAGES);
		storm_gmems[g].p = map(storm_gmems[g].fd, PAGES);
		for (i = 0; i < PAGES; i++)
			storm_gmems[g].shadow[i] = (struct shadow){ .word = -1 };
	}
	for (i = 0; i < WORKERS; i++)
		pthread_create(&workers[i], NULL, storm_worker, (void *)(uintptr_t)i);
	pthread_create(&toggler, NULL, storm_toggler, NULL);
	pthread_create(&forker, NULL, storm_forker, NULL);
	for (i = 0; i < storm_seconds * 10 && !storm_over; i++)
		usleep(100000);
	storm_over = true;
	for (i = 0; i < WORKERS; i++)
		pthread_join(workers[i], NULL);
	pthread_join(toggler, NULL);
	pthread_join(forker, NULL);
	set_knob("sleep_millisecs", 1);
	set_knob("run", 1);
	wait_passes(12);
	for (g = 0; g < GMEMS; g++)
		for (i = 0; i < PAGES / WORKERS * WORKERS; i++)
			storm_verify(g, i);
	printf("# %lu changes verified, %ld pages shared by %ld more, %ld scanned\n",
	       storm_ops, knob("pages_shared"), knob("pages_sharing"), knob("pages_scanned"));
	EXPECT(!storm_wrong);
	EXPECT(knob("pages_sharing") > 0);
	set_knob("run", 0);
	usleep(10000);
	EXPECT(check_clean());
	for (g = 0; g < GMEMS; g++) {
		munmap(storm_gmems[g].p, PAGES * PAGE);
		close(storm_gmems[g].fd);
	}
	EXPECT(knob("pages_shared") == 0 && knob("pages_sharing") == 0);
}

static const struct {
	const char *name;
	void (*run)(void);
} tests[] = {
	{ "create: arguments are checked", test_create },
	{ "the fd behaves as a file of fixed size", test_file },
	{ "what was never written reads as zero and costs nothing", test_zero },
	{ "two mappings see one memory", test_two_mappings },
	{ "punch: whole and partial pages, whole chunks", test_punch },
	{ "fork of the process: both see one memory", test_fork },
	{ "GUP reads and writes", test_gup },
	{ "O_DIRECT reads and writes", test_direct_io },
	{ "knobs: values are checked", test_knobs },
	{ "equal pages merge, break on write, and unmerge", test_merge },
	{ "unequal pages stay, and are read once", test_unique },
	{ "a gmem that opts out is left alone", test_opt_out },
	{ "owners do not share with one another", test_domains },
	{ "a page that somebody holds is not merged", test_pinned },
	{ "the storm", test_storm },
};

static void find_scratch(void)
{
	static const char *const places[] = { "/var/tmp", "/root", "/tmp", "/dev/shm", "/out" };

	for (unsigned int i = 0; i < sizeof(places) / sizeof(*places); i++) {
		int fd;

		snprintf(scratch, sizeof(scratch), "%s", places[i]);
		fd = direct_file();
		if (fd >= 0) {
			close(fd);
			return;
		}
	}
	scratch[0] = 0;
}

int main(int argc, char **argv)
{
	int nr = sizeof(tests) / sizeof(*tests);

	if (argc > 1)
		storm_seconds = atoi(argv[1]);
	setvbuf(stdout, NULL, _IOLBF, 0);
	dev = open("/dev/ditto", O_RDWR | O_CLOEXEC);
	if (dev < 0)
		die("/dev/ditto");
	find_scratch();
	can_gup = process_vm_writev(getpid(), NULL, 0, NULL, 0, 0) == 0;
	printf("TAP version 13\n1..%d\n", nr);
	for (test_nr = 1; test_nr <= nr; test_nr++) {
		failed = false;
		skipped = NULL;
		tests[test_nr - 1].run();
		set_knob("run", 0);
		if (!failed && !check_clean())
			failed = true;
		printf("%sok %d - %s%s%s\n", failed ? "not " : "", test_nr,
		       tests[test_nr - 1].name, skipped ? " # SKIP " : "", skipped ?: "");
		failures += failed;
	}
	return failures ? 1 : 0;
}
