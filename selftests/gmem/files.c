// SPDX-License-Identifier: GPL-2.0-only
/*
 * The file system of gmems: the same random operations on it and on tmpfs, whose answers
 * have to be the same; its options and limits; and guests whose memory is a file, which
 * grows shorter, is punched, is unlinked, and whose mount has no room. Runs as root; ditto
 * only.
 */
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "knobs.h"
#include "vm.h"

#define DITTO "/tmp/files-ditto"
#define TMPFS "/tmp/files-tmpfs"
#define SLOT_GPA 0x10000000ul
#define PUNCH (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE)

static int mount_ditto(const char *options)
{
	mkdir(DITTO, 0755);
	return mount("none", DITTO, "ditto", 0, options);
}

static void begin(const char *options)
{
	need_ditto();
	umount2(DITTO, MNT_DETACH);
	CHECKED(mount_ditto(options));
}

static void end(void)
{
	CHECKED(umount(DITTO));
	ASSERT_EQ(knob_violations(), 0);
}

static int open_file(const char *name, u64 size)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), DITTO "/%s", name);
	fd = CHECKED(open(path, O_RDWR | O_CREAT | O_TRUNC, 0600));
	CHECKED(ftruncate(fd, size));
	return fd;
}

static sigjmp_buf bus_back;

static void bus_handler(int sig)
{
	siglongjmp(bus_back, 1);
}

/* Does an access give a bus error? */
static bool bus_error(volatile u8 *p, bool write)
{
	signal(SIGBUS, bus_handler);
	if (sigsetjmp(bus_back, 1))
		return true;
	if (write)
		*p = 1;
	else
		(void)*p;
	return false;
}

/* ---- options ---- */

static void options(const void *arg)
{
	static const char *const bad[] = {
		"policy=secure", "policy=zero", "policy=", "domain=", "domain=a/b",
		"domain=0123456789012345678901234567890123456789", "size=", "size=1x", "size=101%",
		"size=100T", "nr_inodes=-1", "uid=-1", "mode=8", "nothing=1",
		"policy=off,domain=a",
	};
	struct stat st;
	size_t i;

	need_ditto();
	umount2(DITTO, MNT_DETACH);
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		if (mount_ditto(bad[i]) != -1 || errno != EINVAL)
			fail("%s: %s", bad[i], strerror(errno));
	begin("domain=web,policy=domain,size=8M,nr_inodes=10,uid=7,gid=8,mode=0750");
	CHECKED(stat(DITTO, &st));
	ASSERT_EQ(st.st_uid, 7);
	ASSERT_EQ(st.st_gid, 8);
	ASSERT_EQ(st.st_mode, S_IFDIR | 0750);
	ASSERT_EQ(system("grep -q '^none " DITTO " ditto .*domain=web,size=8192k,nr_inodes=10,"
			 "mode=750,uid=7,gid=8' /proc/mounts"), 0);
	end();
}

static void remount(const void *arg)
{
	struct statfs sf;
	int fd;

	begin("size=1M");
	fd = open_file("a", 16 * PAGE_SIZE);
	CHECKED(posix_fallocate(fd, 0, 16 * PAGE_SIZE));
	ASSERT_ERRNO(mount(NULL, DITTO, NULL, MS_REMOUNT, "size=60K"), EINVAL);
	ASSERT_ERRNO(mount(NULL, DITTO, NULL, MS_REMOUNT, "domain=other"), EINVAL);
	ASSERT_ERRNO(mount(NULL, DITTO, NULL, MS_REMOUNT, "policy=off"), EINVAL);
	ASSERT_ERRNO(mount(NULL, DITTO, NULL, MS_REMOUNT, "nr_inodes=1"), EINVAL);
	CHECKED(mount(NULL, DITTO, NULL, MS_REMOUNT, "size=64K,nr_inodes=2,policy=domain"));
	CHECKED(statfs(DITTO, &sf));
	ASSERT_EQ(sf.f_blocks, 16);
	ASSERT_EQ(sf.f_bfree, 0);
	ASSERT_EQ(sf.f_files, 2);
	ASSERT_EQ(sf.f_ffree, 0);
	CHECKED(mount(NULL, DITTO, NULL, MS_REMOUNT, "size=0"));
	CHECKED(statfs(DITTO, &sf));
	ASSERT_EQ(sf.f_blocks, 0);
	close(fd);
	end();
}

/* Who is root only in a user namespace of its own may not. */
static void namespaces(const void *arg)
{
	int status;
	pid_t child;

	need_ditto();
	child = fork();
	if (!child) {
		if (unshare(CLONE_NEWUSER | CLONE_NEWNS))
			_exit(4);
		_exit(!(mount_ditto("") == -1 && errno == EPERM));
	}
	waitpid(child, &status, 0);
	if (WEXITSTATUS(status) == 4)
		skip("no user namespaces");
	ASSERT_EQ(status, 0);
}

static void busy(const void *arg)
{
	int fd;

	begin("");
	fd = open_file("a", PAGE_SIZE);
	ASSERT_ERRNO(umount(DITTO), EBUSY);
	ASSERT(system("rmmod ditto 2>/dev/null") != 0);
	/* Without a name, but open: the mount ends with the file. */
	CHECKED(umount2(DITTO, MNT_DETACH));
	ASSERT_EQ(CHECKED(write(fd, "x", 1)), 1);
	ASSERT(system("rmmod ditto 2>/dev/null") != 0);
	close(fd);
	ASSERT_EQ(knob_violations(), 0);
}

/* ---- limits ---- */

static void space(const void *arg)
{
	static u8 text[16 * PAGE_SIZE];
	struct statfs sf;
	int fd, other;
	u8 *p;

	begin("size=64K");
	memset(text, 1, sizeof(text));
	fd = open_file("a", 0);
	ASSERT_EQ(CHECKED(write(fd, text, 10 * PAGE_SIZE)), 10 * PAGE_SIZE);
	ASSERT_EQ(CHECKED(write(fd, text, sizeof(text))), 6 * PAGE_SIZE);
	ASSERT_ERRNO(write(fd, text, 1), ENOSPC);
	ASSERT_EQ(lseek(fd, 0, SEEK_END), 16 * PAGE_SIZE);
	other = open_file("b", 64 * PAGE_SIZE);
	ASSERT_ERRNO(fallocate(other, 0, 0, PAGE_SIZE), ENOSPC);
	p = gmem_map(other, 64 * PAGE_SIZE);
	ASSERT(!bus_error(p, false));
	ASSERT(bus_error(p, true));
	CHECKED(fallocate(fd, PUNCH, PAGE_SIZE, 2 * PAGE_SIZE));
	ASSERT(!bus_error(p, true));
	CHECKED(fallocate(other, 0, PAGE_SIZE, PAGE_SIZE));
	ASSERT_ERRNO(fallocate(other, 0, 0, 3 * PAGE_SIZE), ENOSPC);
	CHECKED(statfs(DITTO, &sf));
	ASSERT_EQ(sf.f_bfree, 0);
	munmap(p, 64 * PAGE_SIZE);
	close(other);
	unlink(DITTO "/b");
	CHECKED(statfs(DITTO, &sf));
	ASSERT_EQ(sf.f_bfree, 2);
	CHECKED(ftruncate(fd, 1));
	CHECKED(statfs(DITTO, &sf));
	ASSERT_EQ(sf.f_bfree, 15);
	close(fd);
	end();
}

/* What was merged is still counted, so it can be written again. */
static void space_merged(const void *arg)
{
	struct statfs sf;
	struct stat st;
	int fd, i;
	u8 *p;

	begin("size=64K");
	fd = open_file("a", 16 * PAGE_SIZE);
	p = gmem_map(fd, 16 * PAGE_SIZE);
	for (i = 0; i < 16; i++)
		memset(p + i * PAGE_SIZE, i < 8 ? 7 : 0, PAGE_SIZE);
	CHECKED(knob_write(DITTO_KSM "pages_to_scan", 100000));
	CHECKED(knob_write(DITTO_KSM "sleep_millisecs", 1));
	CHECKED(knob_write(DITTO_KSM "run", 1));
	for (;;) {
		struct ditto_gmem_stats s;

		CHECKED(ioctl(fd, DITTO_GMEM_STATS, &s));
		if (s.shared_bytes == 8 * PAGE_SIZE && !s.private_bytes)
			break;
		usleep(10000);
	}
	CHECKED(fstat(fd, &st));
	ASSERT_EQ(st.st_blocks, 16 * 8);
	CHECKED(statfs(DITTO, &sf));
	ASSERT_EQ(sf.f_bfree, 0);
	CHECKED(knob_write(DITTO_KSM "run", 0));
	for (i = 0; i < 16; i++)
		ASSERT(!bus_error(p + i * PAGE_SIZE, true));
	for (i = 0; i < 16; i++)
		ASSERT_EQ(p[i * PAGE_SIZE + 1], i < 8 ? 7 : 0);
	ASSERT_EQ(knob_violations(), 0);
	munmap(p, 16 * PAGE_SIZE);
	close(fd);
	end();
}

static void inodes(const void *arg)
{
	begin("nr_inodes=3");
	close(open_file("a", 0));
	CHECKED(mkdir(DITTO "/d", 0700));
	ASSERT_ERRNO(open(DITTO "/b", O_CREAT | O_RDWR, 0600), ENOSPC);
	ASSERT_ERRNO(open(DITTO, O_TMPFILE | O_RDWR, 0600), ENOSPC);
	ASSERT_ERRNO(symlink("a", DITTO "/s"), ENOSPC);
	CHECKED(rmdir(DITTO "/d"));
	CHECKED(symlink("a", DITTO "/s"));
	ASSERT_ERRNO(mkdir(DITTO "/d", 0700), ENOSPC);
	ASSERT_ERRNO(mkfifo(DITTO "/f", 0700), EPERM);
	end();
}

/* ---- files ---- */

/* The kernel keeps copies; they go when the file gets shorter. */
static void private_mapping(const void *arg)
{
	int fd;
	u8 *p, *q;

	begin("");
	fd = open_file("a", 4 * PAGE_SIZE);
	p = gmem_map(fd, 4 * PAGE_SIZE);
	q = mmap(NULL, 4 * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	ASSERT(q != MAP_FAILED);
	p[0] = 1;
	ASSERT_EQ(q[0], 1);
	q[0] = 2;
	q[PAGE_SIZE] = 3;
	ASSERT_EQ(p[0], 1);
	ASSERT_EQ(p[PAGE_SIZE], 0);
	p[0] = 4;
	ASSERT_EQ(q[0], 2);
	ASSERT_EQ(knob_violations(), 0);
	CHECKED(fallocate(fd, PUNCH, 0, PAGE_SIZE));
	ASSERT_EQ(q[0], 2);
	CHECKED(ftruncate(fd, 100));
	ASSERT(bus_error(q + PAGE_SIZE, false));
	ASSERT(bus_error(p + PAGE_SIZE, false));
	ASSERT_EQ(q[0], 2);
	CHECKED(ftruncate(fd, 4 * PAGE_SIZE));
	ASSERT_EQ(q[PAGE_SIZE], 0);
	munmap(p, 4 * PAGE_SIZE);
	munmap(q, 4 * PAGE_SIZE);
	close(fd);
	end();
}

/* Far beyond the first GiB, forth and back. */
static void large(const void *arg)
{
	u64 size = 5ul << 30, far = size - PAGE_SIZE;
	char c = 1;
	int fd;
	u8 *p;

	begin("");
	fd = open_file("a", PAGE_SIZE);
	ASSERT_EQ(CHECKED(pwrite(fd, &c, 1, 0)), 1);
	CHECKED(ftruncate(fd, size));
	p = gmem_map(fd, size);
	p[far] = 2;
	ASSERT_EQ(lseek(fd, PAGE_SIZE, SEEK_DATA), far);
	CHECKED(ftruncate(fd, PAGE_SIZE));
	ASSERT(bus_error(p + far, false));
	CHECKED(ftruncate(fd, size));
	ASSERT_EQ(p[far], 0);
	ASSERT_EQ(p[0], 1);
	ASSERT_ERRNO(ftruncate(fd, (1ul << 46) + 1), EFBIG);
	munmap(p, size);
	close(fd);
	end();
}

/* A copy of a file is a copy: nothing forks memory yet. */
static void no_clone(const void *arg)
{
	int from, to;

	begin("");
	from = open_file("a", PAGE_SIZE);
	to = open_file("b", 0);
	ASSERT_ERRNO(ioctl(to, _IOW(0x94, 9, int), from), EOPNOTSUPP);
	close(from);
	close(to);
	end();
}

/* ---- the same as tmpfs ---- */

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

static void op_copy(struct twin *t)
{
	struct twin *from = &twins[random_below(NAMES)];
	u32 len = random_below(6 * PAGE_SIZE), at = random_below(SPACE);
	loff_t to = random_below(SPACE - 10 * PAGE_SIZE);

	if (from->fd[0] < 0 || from == t)
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

/* ---- merging ---- */

static u64 shared_bytes(int fd)
{
	struct ditto_gmem_stats s;

	CHECKED(ioctl(fd, DITTO_GMEM_STATS, &s));
	return s.shared_bytes;
}

/* A file that another user made. */
static int file_of(uid_t uid, const char *name)
{
	int fd;

	CHECKED(seteuid(uid));
	fd = open_file(name, 8 * PAGE_SIZE);
	CHECKED(seteuid(0));
	memset(gmem_map(fd, 8 * PAGE_SIZE), 0x3c, PAGE_SIZE);
	return fd;
}

static void merge_for(long passes)
{
	long until;

	CHECKED(knob_write(DITTO_KSM "pages_to_scan", 100000));
	CHECKED(knob_write(DITTO_KSM "sleep_millisecs", 1));
	CHECKED(knob_write(DITTO_KSM "run", 1));
	until = knob_read(DITTO_KSM "full_scans") + passes;
	while (knob_read(DITTO_KSM "full_scans") < until)
		usleep(2000);
	CHECKED(knob_write(DITTO_KSM "run", 0));
}

/* Files of two users: one domain if it has a name, and else two, or none. */
static void domains(const void *arg)
{
	static const struct { const char *options; u64 shared; } mounts[] = {
		{ "domain=both", PAGE_SIZE }, { "", 0 }, { "policy=off", 0 },
	};
	int a, b;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(mounts); i++) {
		begin(mounts[i].options);
		a = file_of(1000, "a");
		b = file_of(1001, "b");
		/* Something that always can be scanned. */
		*(u8 *)gmem_map(gmem_new(PAGE_SIZE, 0), PAGE_SIZE) = 1;
		merge_for(12);
		ASSERT_EQ(shared_bytes(a), mounts[i].shared);
		ASSERT_EQ(shared_bytes(b), mounts[i].shared);
		ASSERT_EQ(knob_violations(), 0);
		close(a);
		close(b);
		CHECKED(umount2(DITTO, MNT_DETACH));	/* still mapped */
	}
}

/* ---- guests ---- */

static u32 guest_value(struct vcpu *vcpu)
{
	u32 value;

	ASSERT_EQ(vcpu_enter(vcpu), KVM_EXIT_IO);
	memcpy(&value, (u8 *)vcpu->run + vcpu->run->io.data_offset, 4);
	return value;
}

/* A slot of a file, by its fd or by where it is mapped. */
static struct vm *guest_of(int fd, u8 *map, bool by_fd)
{
	struct vm *vm = vm_new(NULL);

	if (by_fd)
		CHECKED(vm_set_gmem_slot(vm, 1, 0, SLOT_GPA, 2 * MIB, fd, 0));
	else
		CHECKED(vm_set_slot(vm, 1, 0, SLOT_GPA, 2 * MIB, map));
	return vm;
}

static const bool by_fd = true, by_map;

/* Shorter: the guest gets no stale page, and its VMM an error; longer: memory again. */
static void guest_truncate(const void *arg)
{
	bool fd_slot = *(const bool *)arg;
	struct vcpu *vcpu;
	struct vm *vm;
	u32 *p;
	int fd;

	begin("");
	fd = open_file("a", 2 * MIB);
	p = gmem_map(fd, 2 * MIB);
	vm = guest_of(fd, (u8 *)p, fd_slot);
	vcpu = &vm->vcpu[0];
	vcpu_call(vcpu, "g_read", SLOT_GPA);
	*p = 77;
	ASSERT_EQ(guest_value(vcpu), 77);
	CHECKED(ftruncate(fd, 0));
	ASSERT_EQ(vcpu_enter(vcpu), -EFAULT);
	ASSERT_EQ(vcpu_enter(vcpu), -EFAULT);
	CHECKED(ftruncate(fd, 2 * MIB));
	ASSERT_EQ(guest_value(vcpu), 0);
	*p = 78;
	ASSERT_EQ(guest_value(vcpu), 78);
	ASSERT_EQ(knob_violations(), 0);
	vm_free(vm);
	munmap(p, 2 * MIB);
	close(fd);
	end();
}

/* No room: an error for the VMM, and the guest goes on when there is some. */
static void guest_full(const void *arg)
{
	struct vcpu *vcpu;
	struct vm *vm;
	int fd, i;

	begin("size=64K");
	fd = open_file("a", 2 * MIB);
	vm = guest_of(fd, NULL, true);
	vcpu = &vm->vcpu[0];
	vcpu_call(vcpu, "g_write_forever", SLOT_GPA);
	ASSERT_EQ(vcpu_enter(vcpu), -EFAULT);
	ASSERT_EQ(vcpu_enter(vcpu), -EFAULT);
	CHECKED(mount(NULL, DITTO, NULL, MS_REMOUNT, "size=4M"));
	for (i = 0; i < 3; i++)
		ASSERT_EQ(vcpu_enter(vcpu), KVM_EXIT_IO);
	ASSERT_EQ(knob_violations(), 0);
	vm_free(vm);
	close(fd);
	end();
}

/* Who may only read a file, or only write to it, gets no memslot of it. */
static void guest_rights(const void *arg)
{
	struct vm *vm;
	int fd;

	begin("");
	close(open_file("a", 2 * MIB));
	vm = vm_new(NULL);
	fd = CHECKED(open(DITTO "/a", O_RDONLY));
	ASSERT_ERRNO(vm_set_gmem_slot(vm, 1, 0, SLOT_GPA, 2 * MIB, fd, 0), EBADF);
	close(fd);
	fd = CHECKED(open(DITTO "/a", O_WRONLY));
	ASSERT_ERRNO(vm_set_gmem_slot(vm, 1, 0, SLOT_GPA, 2 * MIB, fd, 0), EBADF);
	close(fd);
	fd = CHECKED(open(DITTO "/a", O_RDWR));
	CHECKED(vm_set_gmem_slot(vm, 1, 0, SLOT_GPA, 2 * MIB, fd, 0));
	close(fd);
	vm_free(vm);
	end();
}

/* A memslot keeps the memory, whatever becomes of the file and its mount. */
static void guest_alone(const void *arg)
{
	struct vcpu *vcpu;
	struct vm *vm;
	int fd;

	begin("size=4M,domain=alone");
	fd = open_file("a", 2 * MIB);
	ASSERT_EQ(CHECKED(pwrite(fd, "\5", 1, 0)), 1);
	vm = guest_of(fd, NULL, true);
	close(fd);
	CHECKED(unlink(DITTO "/a"));
	CHECKED(umount(DITTO));
	ASSERT_EQ(knob_violations(), 0);
	vcpu = &vm->vcpu[0];
	vcpu_call(vcpu, "g_read", SLOT_GPA);
	ASSERT_EQ(guest_value(vcpu), 5);
	vcpu_call(vcpu, "g_write_forever", SLOT_GPA);
	ASSERT_EQ(vcpu_enter(vcpu), KVM_EXIT_IO);
	ASSERT_EQ(knob_violations(), 0);
	vm_free(vm);
	ASSERT_EQ(knob_violations(), 0);
}

static volatile bool storm_ends;

static void *storm_cut(void *arg)
{
	int fd = *(int *)arg, i;

	for (i = 0; !storm_ends; i++) {
		ftruncate(fd, i % 3 * PAGE_SIZE * 100);
		fallocate(fd, PUNCH, i % 7 * PAGE_SIZE, 50 * PAGE_SIZE);
		ftruncate(fd, 2 * MIB);
	}
	return NULL;
}

/* Cut, punched, grown, merged, while a vCPU and a mapping write: then all is accounted for. */
static void guest_storm(const void *arg)
{
	bool fd_slot = *(const bool *)arg;
	time_t until = time(NULL) + 4;
	pthread_t cutter;
	struct vm *vm;
	int fd, r = 0;
	u32 n = 0;
	u8 *p;

	begin("size=3M");
	fd = open_file("a", 2 * MIB);
	p = gmem_map(fd, 2 * MIB);
	vm = guest_of(fd, p, fd_slot);
	CHECKED(knob_write(DITTO_KSM "sleep_millisecs", 1));
	CHECKED(knob_write(DITTO_KSM "run", 1));
	vcpu_call(&vm->vcpu[0], "g_write_forever", SLOT_GPA);
	storm_ends = false;
	CHECKED(pthread_create(&cutter, NULL, storm_cut, &fd));
	for (; time(NULL) < until; n++) {
		bus_error(p + n % 512 * PAGE_SIZE, n & 1);
		r = vcpu_enter(&vm->vcpu[0]);
		if (r != KVM_EXIT_IO && r != -EFAULT)
			fail("KVM_RUN: %d", r);
	}
	storm_ends = true;
	pthread_join(cutter, NULL);
	CHECKED(knob_write(DITTO_KSM "run", 0));
	note("%u runs", n);
	ASSERT_EQ(knob_violations(), 0);
	CHECKED(ftruncate(fd, 0));
	ASSERT_EQ(knob_violations(), 0);
	vm_free(vm);
	munmap(p, 2 * MIB);
	close(fd);
	end();
}

static const struct tap_test tests[] = {
	{ "options", options }, { "remount", remount }, { "namespaces", namespaces },
	{ "busy", busy }, { "space", space }, { "space_merged", space_merged },
	{ "inodes", inodes }, { "private_mapping", private_mapping }, { "large", large },
	{ "no_clone", no_clone }, { "like_tmpfs", like_tmpfs, NULL, 600 },
	{ "domains", domains, NULL, 60 },
	{ "guest_truncate", guest_truncate, &by_fd },
	{ "guest_truncate_mapped", guest_truncate, &by_map },
	{ "guest_rights", guest_rights }, { "guest_full", guest_full }, { "guest_alone", guest_alone },
	{ "guest_storm", guest_storm, &by_fd, 60 },
	{ "guest_storm_mapped", guest_storm, &by_map, 60 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, tests, ARRAY_SIZE(tests));
}
