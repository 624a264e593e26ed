// SPDX-License-Identifier: GPL-2.0-only
/*
 * Forks of gmems, by DITTO_GMEM_FORK and by FICLONE: what each side sees, what is refused, and
 * a storm of forks while threads write to mappings of parents and children. Runs as root; ditto
 * only.
 */
#include <pthread.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/xattr.h>
#include <linux/fs.h>

#include "mount.h"

#define PAGES	1536ul
#define SIZE	(PAGES * PAGE_SIZE)
#define WORDS	(PAGE_SIZE / sizeof(u64))
#define PUNCH	(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE)

static u64 *map_gmem(int fd)
{
	u64 *p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	ASSERT(p != MAP_FAILED);
	return p;
}

static volatile u64 *word(u64 *p, unsigned long page)
{
	return p + page * WORDS;
}

static int fork_gmem(int fd)
{
	return CHECKED(ioctl(fd, DITTO_GMEM_FORK));
}

static struct ditto_gmem_stats stats_of(int fd)
{
	struct ditto_gmem_stats st;

	CHECKED(ioctl(fd, DITTO_GMEM_STATS, &st));
	return st;
}

/* Both ways, through mappings that were there before. */
static void isolation(const void *arg)
{
	struct ditto_gmem_stats st;
	int a, b;
	u64 *p, *q;

	need_ditto();
	a = gmem_new(SIZE, 0);
	p = map_gmem(a);
	*word(p, 0) = 1;
	*word(p, 700) = 2;
	b = fork_gmem(a);
	q = map_gmem(b);
	st = stats_of(b);
	ASSERT_EQ(st.size, SIZE);
	ASSERT_EQ(st.private_bytes, 0);
	ASSERT_EQ(st.shared_bytes, 2 * PAGE_SIZE);
	ASSERT_EQ(st.charged_bytes, PAGE_SIZE);
	*word(p, 0) = 10;
	*word(p, 1) = 11;
	*word(q, 700) = 20;
	*word(q, 2) = 21;
	ASSERT_EQ(*word(q, 0), 1);
	ASSERT_EQ(*word(q, 1), 0);
	ASSERT_EQ(*word(p, 700), 2);
	ASSERT_EQ(*word(p, 2), 0);
	CHECKED(fallocate(a, PUNCH, 700 * PAGE_SIZE, PAGE_SIZE));
	ASSERT_EQ(*word(p, 700), 0);
	ASSERT_EQ(*word(q, 700), 20);
	ASSERT_EQ(knob_violations(), 0);
	munmap(p, SIZE);
	close(a);
	ASSERT_EQ(*word(q, 0), 1);
	munmap(q, SIZE);
	close(b);
	ASSERT_EQ(knob_violations(), 0);
}

static void refused(const void *arg)
{
	int fd;

	need_ditto();
	fd = gmem_new(SIZE, DITTO_GMEM_POLICY(DITTO_POLICY_SECURE));
	ASSERT_ERRNO(ioctl(fd, DITTO_GMEM_FORK), EOPNOTSUPP);
	close(fd);
	begin("");
	close(open_file("a", PAGE_SIZE));
	fd = CHECKED(open(DITTO "/a", O_WRONLY));
	ASSERT_ERRNO(ioctl(fd, DITTO_GMEM_FORK), EBADF);
	close(fd);
	end();
}

/* Who may read a file, no more, gets no fork: that would keep its owner's pages. */
static void readers(const void *arg)
{
	int fd;

	begin("");
	close(open_file("a", PAGE_SIZE));
	CHECKED(chmod(DITTO "/a", 0444));
	fd = CHECKED(open(DITTO "/a", O_RDONLY));
	close(CHECKED(ioctl(fd, DITTO_GMEM_FORK)));	/* the owner */
	CHECKED(seteuid(1));
	ASSERT_ERRNO(ioctl(fd, DITTO_GMEM_FORK), EPERM);
	CHECKED(seteuid(0));
	close(fd);
	fd = CHECKED(open(DITTO "/a", O_RDWR));
	CHECKED(seteuid(1));
	close(CHECKED(ioctl(fd, DITTO_GMEM_FORK)));
	CHECKED(seteuid(0));
	close(fd);
	end();
}

/*
 * A pipe keeps what a child had in a page, also when the child is gone and the parent writes to
 * that page again.
 */
static void pipes(const void *arg)
{
	struct iovec iov;
	u64 *p, *q, got;
	int a, b, fd[2];

	need_ditto();
	a = gmem_new(SIZE, 0);
	p = map_gmem(a);
	*word(p, 5) = 1;
	b = fork_gmem(a);
	q = map_gmem(b);
	ASSERT_EQ(*word(q, 5), 1);
	CHECKED(pipe(fd));
	iov.iov_base = (void *)word(q, 5);
	iov.iov_len = sizeof(got);
	ASSERT_EQ(vmsplice(fd[1], &iov, 1, 0), sizeof(got));
	munmap(q, SIZE);
	close(b);
	*word(p, 5) = 2;
	ASSERT_EQ(read(fd[0], &got, sizeof(got)), sizeof(got));
	ASSERT_EQ(got, 1);
	ASSERT_EQ(*word(p, 5), 2);
	close(fd[0]);
	close(fd[1]);
	munmap(p, SIZE);
	close(a);
	ASSERT_EQ(knob_violations(), 0);
}

/* A page to which somebody has a reference stays the parent's; the child has a copy of it. */
static void held(const void *arg)
{
	struct iovec iov;
	u64 *p, *q, got;
	int a, b, fd[2];

	need_ditto();
	a = gmem_new(SIZE, 0);
	p = map_gmem(a);
	*word(p, 5) = 1;
	*word(p, 6) = 6;
	CHECKED(pipe(fd));
	iov.iov_base = (void *)word(p, 5);
	iov.iov_len = sizeof(got);
	ASSERT_EQ(vmsplice(fd[1], &iov, 1, 0), sizeof(got));
	b = fork_gmem(a);
	q = map_gmem(b);
	ASSERT_EQ(stats_of(b).private_bytes, PAGE_SIZE);
	ASSERT_EQ(stats_of(b).shared_bytes, PAGE_SIZE);
	*word(p, 5) = 2;
	ASSERT_EQ(*word(q, 5), 1);
	ASSERT_EQ(*word(q, 6), 6);
	close(fork_gmem(a));
	*word(p, 5) = 3;
	ASSERT_EQ(read(fd[0], &got, sizeof(got)), sizeof(got));
	ASSERT_EQ(got, 3);
	*word(q, 5) = 4;
	ASSERT_EQ(*word(p, 5), 3);
	ASSERT_EQ(knob_violations(), 0);
	close(fd[0]);
	close(fd[1]);
	munmap(p, SIZE);
	munmap(q, SIZE);
	close(a);
	close(b);
	ASSERT_EQ(knob_violations(), 0);
}

#define APART	16	/* pages that both sides write to */

static void write_pages(u64 *p, u64 value)
{
	unsigned long i, j;

	for (i = 0; i < APART; i++)
		for (j = 0; j < WORDS; j++)
			word(p, i)[j] = value + i;
}

/* What a fork and its parent wrote, and is equal again, is merged as anything else. */
static void merged_again(const void *arg)
{
	u64 *p, *q;
	int a, b;

	need_ditto();
	a = gmem_new(SIZE, 0);
	p = map_gmem(a);
	write_pages(p, 1000);
	b = fork_gmem(a);
	q = map_gmem(b);
	write_pages(p, 2000);
	write_pages(q, 3000);
	ASSERT_EQ(stats_of(a).shared_bytes + stats_of(b).shared_bytes, 0);
	CHECKED(knob_write(DITTO_KSM "pages_to_scan", 100000));
	CHECKED(knob_write(DITTO_KSM "sleep_millisecs", 1));
	CHECKED(knob_write(DITTO_KSM "run", 1));
	write_pages(q, 2000);
	while (stats_of(a).private_bytes || stats_of(b).private_bytes)
		usleep(10000);
	CHECKED(knob_write(DITTO_KSM "run", 0));
	ASSERT_EQ(stats_of(a).shared_bytes, APART * PAGE_SIZE);
	ASSERT_EQ(stats_of(b).shared_bytes, APART * PAGE_SIZE);
	ASSERT_EQ(stats_of(b).charged_bytes, APART * PAGE_SIZE / 2);
	*word(q, 0) = 1;
	ASSERT_EQ(*word(p, 0), 2000);
	ASSERT_EQ(knob_violations(), 0);
	munmap(p, SIZE);
	munmap(q, SIZE);
	close(a);
	close(b);
}

static u64 read_word(int fd, unsigned long page)
{
	u64 value = ~0ull;

	ASSERT_EQ(pread(fd, &value, sizeof(value), page * PAGE_SIZE), sizeof(value));
	return value;
}

static void write_word(int fd, unsigned long page, u64 value)
{
	ASSERT_EQ(pwrite(fd, &value, sizeof(value), page * PAGE_SIZE), sizeof(value));
}

static void clones(const void *arg)
{
	struct file_clone_range part = { .src_length = PAGE_SIZE };
	int a, b, c;

	begin("size=16M");
	a = open_file("a", SIZE);
	b = open_file("b", 0);
	c = open_file("c", SIZE + PAGE_SIZE);
	write_word(a, 0, 1);
	write_word(a, 1000, 2);
	CHECKED(ioctl(b, FICLONE, a));
	ASSERT_EQ(lseek(b, 0, SEEK_END), SIZE);
	write_word(a, 0, 3);
	write_word(b, 1000, 4);
	ASSERT_EQ(read_word(b, 0), 1);
	ASSERT_EQ(read_word(b, 1), 0);
	ASSERT_EQ(read_word(a, 1000), 2);
	CHECKED(ioctl(b, FICLONE, a));		/* over what is there */
	ASSERT_EQ(read_word(b, 0), 3);
	ASSERT_EQ(read_word(b, 1000), 2);
	ASSERT_ERRNO(ioctl(a, FICLONE, a), EINVAL);
	ASSERT_ERRNO(ioctl(c, FICLONE, a), EOPNOTSUPP);
	part.src_fd = a;
	ASSERT_ERRNO(ioctl(b, FICLONERANGE, &part), EOPNOTSUPP);
	CHECKED(fsetxattr(b, "user.ditto.policy", "self", 4, 0));
	ASSERT_ERRNO(ioctl(b, FICLONE, a), EOPNOTSUPP);
	close(a);
	close(b);
	close(c);
	ASSERT_EQ(system("cp --reflink=always " DITTO "/a " DITTO "/d && "
			 "cmp " DITTO "/a " DITTO "/d"), 0);
	end();
}

/* Entries of both count in the mount. */
static void clone_limit(const void *arg)
{
	unsigned long i;
	int a, b;

	begin("size=1M");
	a = open_file("a", PAGE_SIZE * 200);
	b = open_file("b", 0);
	for (i = 0; i < 200; i++)
		write_word(a, i, i);
	ASSERT_ERRNO(ioctl(b, FICLONE, a), ENOSPC);
	CHECKED(ftruncate(a, PAGE_SIZE * 100));
	CHECKED(ioctl(b, FICLONE, a));
	ASSERT_EQ(read_word(b, 99), 99);
	close(a);
	close(b);
	end();
}

/* ---- storm ---- */

#define WRITERS	2

struct writer {
	pthread_t thread;
	u64 *p;
	unsigned long first;
	unsigned long rounds;
	volatile bool stop;
	volatile bool wrong;
};

/* Its pages, every word of them in order, with a number that grows. */
static void *writer_run(void *arg)
{
	struct writer *w = arg;
	unsigned long page, i;

	for (; !w->stop; w->rounds++) {
		for (page = w->first; page < PAGES && !w->stop; page += 7 * WRITERS) {
			volatile u64 *p = word(w->p, page);

			for (i = 0; i < WORDS; i++) {
				if (p[i] != w->rounds)
					w->wrong = true;
				p[i] = w->rounds + 1;
			}
		}
		/* Stopped half way: the rest, too. */
		for (; page < PAGES; page += 7 * WRITERS)
			for (i = 0; i < WORDS; i++)
				word(w->p, page)[i] = w->rounds + 1;
	}
	return NULL;
}

static void writers_start(struct writer *w, u64 *p)
{
	unsigned int i;

	for (i = 0; i < WRITERS; i++) {
		w[i] = (struct writer){ .p = p, .first = i };
		if (pthread_create(&w[i].thread, NULL, writer_run, &w[i]))
			fail("no thread");
	}
}

static void writers_stop(struct writer *w)
{
	unsigned int i;

	for (i = 0; i < WRITERS; i++) {
		w[i].stop = true;
		pthread_join(w[i].thread, NULL);
		ASSERT(!w[i].wrong);
	}
}

/* A page as it was at one moment of a writer that goes through it: never a later word first. */
static void snapshot_page(u64 *q, unsigned long page)
{
	u64 first = word(q, page)[0], was = first, now;
	unsigned long i;

	for (i = 1; i < WORDS; i++, was = now) {
		now = word(q, page)[i];
		if (now > was || now + 1 < first)
			fail("page %lu, word %lu: %lu after %lu, %lu", page, i, now, was, first);
	}
}

static void snapshot_check(u64 *q, u64 *copy)
{
	unsigned long page;

	for (page = 0; page < PAGES; page++)
		snapshot_page(q, page);
	memcpy(copy, q, SIZE);
	usleep(1000);
	ASSERT(!memcmp(copy, q, SIZE));
}

#define STORM_SECONDS	5

/* A child is looked at, written to, and is the parent of the next child but one. */
static void storm(const void *arg)
{
	u64 *p, *q, *copy = malloc(SIZE);
	time_t end = time(NULL) + STORM_SECONDS;
	struct writer w[WRITERS], v[WRITERS];
	unsigned long forks = 0;
	int a, b, c;

	need_ditto();
	ASSERT(copy);
	a = gmem_new(SIZE, 0);
	p = map_gmem(a);
	writers_start(w, p);
	do {
		b = fork_gmem(a);
		q = map_gmem(b);
		snapshot_check(q, copy);
		c = fork_gmem(b);
		memset(q, 0, SIZE);
		writers_start(v, q);
		q = map_gmem(c);
		ASSERT(!memcmp(copy, q, SIZE));
		writers_stop(v);
		munmap(v[0].p, SIZE);
		close(b);
		ASSERT(!memcmp(copy, q, SIZE));
		munmap(q, SIZE);
		close(c);
		forks += 2;
	} while (time(NULL) < end || forks < 6);
	writers_stop(w);
	printf("# %lu forks\n", forks);
	ASSERT_EQ(knob_violations(), 0);
	munmap(p, SIZE);
	close(a);
	free(copy);
	ASSERT_EQ(knob_violations(), 0);
}

static const struct tap_test tests[] = {
	{ "isolation", isolation },
	{ "refused", refused },
	{ "readers", readers },
	{ "pipes", pipes },
	{ "held", held },
	{ "merged_again", merged_again },
	{ "clone", clones },
	{ "clone-limit", clone_limit },
	{ "storm", storm },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, tests, ARRAY_SIZE(tests));
}
