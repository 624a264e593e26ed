// SPDX-License-Identifier: GPL-2.0-only
/*
 * The same random operations on files of gmems and of tmpfs: the answers have to be the
 * same. Runs as root; ditto only.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mount.h"

#define TMPFS "/tmp/files-tmpfs"
#define PUNCH (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE)

#define NAMES 6
#define SPACE (96 * PAGE_SIZE)

static const char *const roots[2] = { DITTO, TMPFS };

/**
 * struct twin - a file open on both sides
 * @fd: on each
 * @name: it was opened by, for messages
 * @loose: tmpfs has pages where ours has none, because holes were read through a mapping
 *	or allocated: blocks and holes are not compared
 */
struct twin {
	int fd[2];
	unsigned int name;
	bool loose;
};

static struct twin twins[NAMES];
static u64 seed;

static u32 random_below(u32 n)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (seed >> 33) % n;
}

/* What an operation says on each side: the result, or -errno. */
static long answer(long result)
{
	return result == -1 ? -errno : result;
}

static void same(const char *what, long ours, long theirs)
{
	if (ours != theirs)
		fail("%s: %ld (%s), tmpfs %ld (%s)", what, ours, ours < 0 ? strerror(-ours) : "",
		     theirs, theirs < 0 ? strerror(-theirs) : "");
}

#define BOTH(what, call) do {						\
	long said_[2];							\
	for (int s = 0; s < 2; s++)					\
		said_[s] = answer(call);				\
	same(what, said_[0], said_[1]);					\
} while (0)

static const char *path(int side, unsigned int name)
{
	static char paths[4][64];
	static int turn;
	char *p = paths[turn++ % 4];

	snprintf(p, sizeof(paths[0]), "%s/%s%u", roots[side], name & 1 ? "d/" : "", name);
	return p;
}

static void compare_stat(struct twin *t)
{
	struct stat st[2];

	BOTH("fstat", fstat(t->fd[s], &st[s]));
	same("size", st[0].st_size, st[1].st_size);
	same("mode", st[0].st_mode, st[1].st_mode);
	same("links", st[0].st_nlink, st[1].st_nlink);
	if (!t->loose)
		same("blocks", st[0].st_blocks, st[1].st_blocks);
}

static void compare_contents(struct twin *t)
{
	static u8 data[2][SPACE + 2 * PAGE_SIZE];

	BOTH("pread of all", pread(t->fd[s], data[s], sizeof(data[s]), 0));
	if (memcmp(data[0], data[1], sizeof(data[0])))
		fail("file %u: different contents", t->name);
}

static void op_open(struct twin *t)
{
	static const int flags[] = { 0, O_CREAT, O_CREAT, O_CREAT | O_EXCL, O_CREAT | O_TRUNC,
				     O_TRUNC, O_APPEND | O_CREAT, O_DIRECTORY };
	int how = O_RDWR | flags[random_below(ARRAY_SIZE(flags))];
	unsigned int name = random_below(NAMES);
	long fd[2];
	int s;

	for (s = 0; s < 2; s++)
		fd[s] = answer(open(path(s, name), how, 0640));
	same("open", fd[0] < 0 ? fd[0] : 0, fd[1] < 0 ? fd[1] : 0);
	if (fd[0] < 0)
		return;
	for (s = 0; s < 2; s++) {
		if (t->fd[s] >= 0)
			close(t->fd[s]);
		t->fd[s] = fd[s];
	}
	t->name = name;
	t->loose = true;	/* whatever others did with it */
}

static void op_tmpfile(struct twin *t)
{
	int s;

	for (s = 0; s < 2; s++) {
		if (t->fd[s] >= 0)
			close(t->fd[s]);
		t->fd[s] = CHECKED(open(roots[s], O_RDWR | O_TMPFILE, 0600));
	}
	t->name = 99;
	t->loose = false;
}

static u8 buffer[2][8 * PAGE_SIZE];

static void op_write(struct twin *t)
{
	u32 pos = random_below(SPACE), len = random_below(5 * PAGE_SIZE);

	memset(buffer[0], random_below(255) + 1, len);
	BOTH("pwrite", pwrite(t->fd[s], buffer[0], len, pos));
}

/* The second half of what is to be written cannot be read. */
static void op_write_fault(struct twin *t)
{
	static u8 *p;

	if (!p) {
		p = mmap(NULL, 2 * PAGE_SIZE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		CHECKED(mprotect(p + PAGE_SIZE, PAGE_SIZE, PROT_NONE));
		memset(p, 0x77, PAGE_SIZE);
	}
	BOTH("pwrite of too much", pwrite(t->fd[s], p, 2 * PAGE_SIZE, 3 * PAGE_SIZE));
	BOTH("pwrite from nowhere", pwrite(t->fd[s], p + PAGE_SIZE, 10, 3 * PAGE_SIZE));
	BOTH("pread to nowhere", pread(t->fd[s], p + PAGE_SIZE, 10, 0));
}

static void op_read(struct twin *t)
{
	u32 pos = random_below(SPACE + PAGE_SIZE), len = random_below(sizeof(buffer[0]));

	memset(buffer, 0, sizeof(buffer));
	BOTH("pread", pread(t->fd[s], buffer[s], len, pos));
	ASSERT(!memcmp(buffer[0], buffer[1], len));
}

/* Where the last write, or a seek, left the file; or at its end. */
static void op_write_on(struct twin *t)
{
	u32 len = random_below(2 * PAGE_SIZE);

	if (lseek(t->fd[0], 0, SEEK_END) > (off_t)SPACE || lseek(t->fd[1], 0, SEEK_END) < 0)
		return;
	memset(buffer[0], random_below(255) + 1, len);
	BOTH("write", write(t->fd[s], buffer[0], len));
	BOTH("position", lseek(t->fd[s], 0, SEEK_CUR));
}

static void op_truncate(struct twin *t)
{
	u32 size = random_below(4) ? random_below(SPACE) : random_below(96) * PAGE_SIZE;

	BOTH("ftruncate", ftruncate(t->fd[s], size));
	if (!size)
		t->loose = false;
}

static void op_punch(struct twin *t)
{
	u32 pos = random_below(SPACE), len = random_below(20 * PAGE_SIZE);

	BOTH("punch", fallocate(t->fd[s], PUNCH, pos, len));
}

static void op_allocate(struct twin *t)
{
	u32 pos = random_below(SPACE - 10 * PAGE_SIZE), len = random_below(9 * PAGE_SIZE);

	BOTH("fallocate", fallocate(t->fd[s], 0, pos, len));
	BOTH("collapse", fallocate(t->fd[s], FALLOC_FL_COLLAPSE_RANGE, 0, PAGE_SIZE));
	BOTH("punch only", fallocate(t->fd[s], FALLOC_FL_PUNCH_HOLE, 0, PAGE_SIZE));
	t->loose = true;
}

static void op_seek(struct twin *t)
{
	u32 pos = random_below(SPACE);

	BOTH("SEEK_END", lseek(t->fd[s], -5, SEEK_END));
	BOTH("SEEK_SET", lseek(t->fd[s], -1, SEEK_SET));
	if (t->loose)
		return;
	BOTH("SEEK_DATA", lseek(t->fd[s], pos, SEEK_DATA));
	BOTH("SEEK_HOLE", lseek(t->fd[s], pos, SEEK_HOLE));
}

/* Write and read a page through a mapping. */
static void op_map(struct twin *t)
{
	int how = random_below(2) ? MAP_SHARED : MAP_PRIVATE;
	u32 at = random_below(96) * PAGE_SIZE, value = random_below(256);
	long bus[2];
	int s;

	for (s = 0; s < 2; s++) {
		u8 *p = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, how, t->fd[s], at);

		ASSERT(p != MAP_FAILED);
		bus[s] = bus_error(p, true);
		if (!bus[s])
			memset(p, value, PAGE_SIZE / 2);
		memcpy(buffer[s], bus[s] ? buffer[0] : p, PAGE_SIZE);
		munmap(p, PAGE_SIZE);
	}
	same("bus error", bus[0], bus[1]);
	ASSERT(!memcmp(buffer[0], buffer[1], PAGE_SIZE));
	if (how == MAP_PRIVATE)
		t->loose = true;
}

/* By another name, or in another opening. */
static bool same_file(const struct twin *a, const struct twin *b)
{
	struct stat st[2];

	CHECKED(fstat(a->fd[0], &st[0]));
	CHECKED(fstat(b->fd[0], &st[1]));
	return st[0].st_ino == st[1].st_ino;
}

/* Not within a file: what comes out depends on how much is copied at once. */
static void op_copy(struct twin *t)
{
	struct twin *from = &twins[random_below(NAMES)];
	u32 len = random_below(6 * PAGE_SIZE), at = random_below(SPACE);
	loff_t to = random_below(SPACE - 10 * PAGE_SIZE);

	if (from->fd[0] < 0 || same_file(from, t))
		return;
	BOTH("lseek", lseek(t->fd[s], to, SEEK_SET));
	BOTH("sendfile", ({
		off_t pos = at;
		sendfile(t->fd[s], from->fd[s], &pos, len);
	}));
	BOTH("position", lseek(t->fd[s], 0, SEEK_CUR));
	t->loose = true;
}

static void op_names(struct twin *t)
{
	unsigned int a = random_below(NAMES), b = random_below(NAMES);

	switch (random_below(9)) {
	case 0:
		BOTH("unlink", unlink(path(s, a)));
		break;
	case 1:
		BOTH("link", link(path(s, a), path(s, b)));
		break;
	case 2:
		BOTH("rename", rename(path(s, a), path(s, b)));
		break;
	case 3:
		BOTH("symlink", symlink("d", path(s, a)));
		break;
	case 4:
		BOTH("mkdir", mkdir(path(s, a), 0700));
		break;
	case 5:
		BOTH("rmdir", rmdir(path(s, a)));
		break;
	case 6:
		BOTH("exchange", renameat2(AT_FDCWD, path(s, a), AT_FDCWD, path(s, b),
					   RENAME_EXCHANGE));
		break;
	case 7:
		BOTH("noreplace", renameat2(AT_FDCWD, path(s, a), AT_FDCWD, path(s, b),
					    RENAME_NOREPLACE));
		break;
	default:
		BOTH("chmod", chmod(path(s, a), 0600 + random_below(1)));
		BOTH("chown", chown(path(s, a), 1, 2));
		BOTH("readlink", readlink(path(s, a), (char *)buffer[s], PAGE_SIZE));
	}
}

static void random_op(struct twin *t)
{
	static void (*const ops[])(struct twin *t) = {
		op_write, op_write, op_write_on, op_write_fault, op_read, op_truncate, op_punch,
		op_punch, op_allocate, op_seek, op_seek, op_map, op_map, op_copy,
	};
	u32 what = random_below(20);

	if (what == 0)
		op_names(t);
	else if (what == 1 || t->fd[0] < 0)
		op_open(t);
	else if (what == 2)
		op_tmpfile(t);
	else
		ops[random_below(ARRAY_SIZE(ops))](t);
	if (t->fd[0] < 0)
		return;
	compare_stat(t);
	if (!random_below(8))
		compare_contents(t);
}

static void like_tmpfs(const void *arg)
{
	const char *seconds = getenv("FILES_SECONDS"), *start = getenv("FILES_SEED");
	time_t until = time(NULL) + (seconds ? atoi(seconds) : 8);
	unsigned long n = 0;
	int i, s;

	begin("");
	umount2(TMPFS, MNT_DETACH);
	mkdir(TMPFS, 0755);
	CHECKED(mount("none", TMPFS, "tmpfs", 0, "huge=never"));
	seed = start ? strtoul(start, NULL, 0) : (u64)time(NULL) * 1000003 + getpid();
	note("seed %llu", (unsigned long long)seed);
	CHECKED(knob_write(DITTO_KSM "sleep_millisecs", 1));
	CHECKED(knob_write(DITTO_KSM "run", 1));
	BOTH("mkdir", mkdir(s ? TMPFS "/d" : DITTO "/d", 0755));
	for (i = 0; i < NAMES; i++)
		twins[i].fd[0] = twins[i].fd[1] = -1;
	for (; time(NULL) < until; n++)
		random_op(&twins[random_below(NAMES)]);
	note("%lu operations", n);
	CHECKED(knob_write(DITTO_KSM "run", 0));
	ASSERT_EQ(knob_violations(), 0);
	for (i = 0; i < NAMES; i++)
		for (s = 0; s < 2 && twins[i].fd[0] >= 0; s++)
			close(twins[i].fd[s]);
	CHECKED(umount(TMPFS));
	end();
}

/* Pages of a file as one open for writing sees them, and two open for reading only. */
struct views {
	volatile u8 *writer, *shared, *copies;
};

static volatile u8 *view(int fd, int prot, int how)
{
	u8 *p = mmap(NULL, 4 * PAGE_SIZE, prot, how, fd, 0);

	ASSERT(p != MAP_FAILED);
	return p;
}

/* The files are closed, and stay open by their mappings. */
static struct views views_of(const char *path, int fd)
{
	int readers[2] = { CHECKED(open(path, O_RDONLY)), CHECKED(open(path, O_RDONLY)) };
	struct views v = {
		.writer = view(fd, PROT_READ | PROT_WRITE, MAP_SHARED),
		.shared = view(readers[0], PROT_READ, MAP_SHARED),
		.copies = view(readers[1], PROT_READ | PROT_WRITE, MAP_PRIVATE),
	};

	close(readers[0]);
	close(readers[1]);
	return v;
}

static void views_say(const struct views *v, unsigned int page, u8 shared, u8 copies)
{
	ASSERT_EQ(v->shared[page * PAGE_SIZE], shared);
	ASSERT_EQ(v->copies[page * PAGE_SIZE], copies);
}

/* What was copied is the process's own, and its child's. */
static void views_fork(const struct views *v)
{
	pid_t child = CHECKED(fork());
	int status;

	if (!child) {
		views_say(v, 1, 2, 2);
		views_say(v, 2, 3, 9);
		_exit(0);
	}
	waitpid(child, &status, 0);
	ASSERT_EQ(status, 0);
	views_say(v, 2, 3, 9);
}

static void readers_of(const char *root)
{
	char path[64];
	struct views v;
	int fd;

	snprintf(path, sizeof(path), "%s/readers", root);
	fd = CHECKED(open(path, O_RDWR | O_CREAT, 0600));
	CHECKED(ftruncate(fd, 4 * PAGE_SIZE));
	v = views_of(path, fd);
	views_say(&v, 0, 0, 0);
	ASSERT_EQ(pwrite(fd, "\1", 1, 0), 1);
	views_say(&v, 0, 1, 1);
	v.writer[PAGE_SIZE] = 2;
	views_say(&v, 1, 2, 2);
	v.writer[2 * PAGE_SIZE] = 3;
	v.copies[2 * PAGE_SIZE] = 9;
	views_say(&v, 2, 3, 9);
	views_fork(&v);
	CHECKED(fallocate(fd, PUNCH, 0, 4 * PAGE_SIZE));
	views_say(&v, 1, 0, 0);
	views_say(&v, 2, 0, 9);
	CHECKED(ftruncate(fd, 2 * PAGE_SIZE));
	views_say(&v, 1, 0, 0);
	ASSERT(bus_error((u8 *)v.shared + 2 * PAGE_SIZE, false));
	ASSERT(bus_error((u8 *)v.copies + 2 * PAGE_SIZE, false));
	close(fd);
	CHECKED(unlink(path));
	ASSERT_EQ(knob_violations(), 0);
	munmap((void *)v.writer, 4 * PAGE_SIZE);
	munmap((void *)v.shared, 4 * PAGE_SIZE);
	munmap((void *)v.copies, 4 * PAGE_SIZE);
}

/* Mappings by way of files that may only be read, of which the kernel knows apart. */
static void readers(const void *arg)
{
	begin("");
	umount2(TMPFS, MNT_DETACH);
	mkdir(TMPFS, 0755);
	CHECKED(mount("none", TMPFS, "tmpfs", 0, "huge=never"));
	readers_of(TMPFS);
	readers_of(DITTO);
	CHECKED(umount(TMPFS));
	end();
}

/* Who asks later that all is appended gets that, from whatever writes to the file. */
static void appending_of(const char *root)
{
	char path[64], got[8] = "";
	int fd, from;

	snprintf(path, sizeof(path), "%s/from", root);
	from = CHECKED(open(path, O_RDWR | O_CREAT, 0600));
	ASSERT_EQ(write(from, "zzz", 3), 3);
	snprintf(path, sizeof(path), "%s/append", root);
	fd = CHECKED(open(path, O_RDWR | O_CREAT, 0600));
	ASSERT_EQ(write(fd, "abc", 3), 3);
	CHECKED(fcntl(fd, F_SETFL, O_APPEND));
	ASSERT_EQ(pwrite(fd, "d", 1, 0), 1);
	CHECKED(lseek(fd, 1, SEEK_SET));
	ASSERT_EQ(write(fd, "e", 1), 1);
	ASSERT_ERRNO(copy_file_range(from, &(off_t){ 0 }, fd, &(off_t){ 0 }, 1, 0), EBADF);
	ASSERT_ERRNO(sendfile(fd, from, &(off_t){ 0 }, 1), EINVAL);
	if (!strcmp(root, DITTO))
		ASSERT_ERRNO(ioctl(fd, FICLONE, from), EBADF);
	ASSERT_EQ(pread(fd, got, sizeof(got), 0), 5);
	ASSERT(!memcmp(got, "abcde", 5));
	CHECKED(fcntl(fd, F_SETFL, 0));
	ASSERT_EQ(pwrite(fd, "A", 1, 0), 1);
	ASSERT_EQ(pread(fd, got, 1, 0), 1);
	ASSERT_EQ(got[0], 'A');
	close(fd);
	close(from);
}

static void appending(const void *arg)
{
	begin("");
	umount2(TMPFS, MNT_DETACH);
	mkdir(TMPFS, 0755);
	CHECKED(mount("none", TMPFS, "tmpfs", 0, "huge=never"));
	appending_of(TMPFS);
	appending_of(DITTO);
	CHECKED(umount(TMPFS));
	end();
}

static const struct tap_test tests[] = {
	{ "appending", appending, NULL, 30 },
	{ "readers", readers, NULL, 30 },
	{ "like_tmpfs", like_tmpfs, NULL, 600 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, tests, ARRAY_SIZE(tests));
}
