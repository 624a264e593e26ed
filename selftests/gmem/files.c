// SPDX-License-Identifier: GPL-2.0-only
/*
 * The file system of gmems: its options and limits; and guests whose memory is a file, which
 * grows shorter, is punched, is unlinked, and whose mount has no room. Runs as root; ditto
 * only. like_tmpfs.c tests that they behave as files do.
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
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "mount.h"

#define POLICY "user.ditto.policy"
#define SLOT_GPA 0x10000000ul
#define PUNCH (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE)

/* ---- options ---- */

static void options(const void *arg)
{
	static const char *const bad[] = {
		"policy=most", "policy=", "domain=", "domain=a/b",
		"domain=0123456789012345678901234567890123456789", "size=", "size=1x", "size=101%",
		"size=100T", "nr_inodes=-1", "uid=-1", "mode=8", "nothing=1",
		"policy=off,domain=a", "policy=zero,domain=a", "policy=self,domain=a",
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
	ASSERT_EQ(system("grep -q '^none " DITTO " ditto .*domain=web,"
			 "policy=domain,size=8192k,nr_inodes=10,mode=750,uid=7,gid=8' "
			 "/proc/mounts"), 0);
	end();
}

static const char *policy_of(int fd)
{
	static char policy[32];

	memset(policy, 0, sizeof(policy));
	CHECKED(fgetxattr(fd, POLICY, policy, sizeof(policy) - 1));
	return policy;
}

/* A file begins with the mount's policy, and may be given a stricter one. */
static void policies(const void *arg)
{
	char list[64] = "";
	int fd;

	begin("policy=self");
	fd = open_file("a", PAGE_SIZE);
	ASSERT(!strcmp(policy_of(fd), "self"));
	ASSERT_EQ(flistxattr(fd, list, sizeof(list)), sizeof(POLICY));
	ASSERT(!strcmp(list, POLICY));
	ASSERT_EQ(fgetxattr(fd, POLICY, NULL, 0), 4);
	ASSERT_ERRNO(fgetxattr(fd, POLICY, list, 3), ERANGE);
	ASSERT_ERRNO(fsetxattr(fd, POLICY, "domain", 6, 0), EPERM);
	ASSERT_ERRNO(fsetxattr(fd, POLICY, "selfish", 7, 0), EINVAL);
	ASSERT_ERRNO(fsetxattr(fd, POLICY, "", 0, 0), EINVAL);
	ASSERT_ERRNO(fsetxattr(fd, POLICY, "zero", 4, XATTR_CREATE), EEXIST);
	ASSERT_ERRNO(fsetxattr(fd, "user.other", "x", 1, 0), EOPNOTSUPP);
	ASSERT_ERRNO(fremovexattr(fd, POLICY), EOPNOTSUPP);
	CHECKED(fsetxattr(fd, POLICY, "zero", 4, 0));
	ASSERT(!strcmp(policy_of(fd), "zero"));
	CHECKED(fsetxattr(fd, POLICY, "self", 4, XATTR_REPLACE));
	ASSERT(!strcmp(policy_of(fd), "self"));
	close(fd);
	end();
	begin("policy=off");
	fd = open_file("a", PAGE_SIZE);
	ASSERT(!strcmp(policy_of(fd), "off"));
	ASSERT_ERRNO(fsetxattr(fd, POLICY, "zero", 4, 0), EPERM);
	close(fd);
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
	CHECKED(mount(NULL, DITTO, NULL, MS_REMOUNT, "size=64K,nr_inodes=2"));
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
static double seconds(void)
{
	struct timespec ts;

	CHECKED(clock_gettime(CLOCK_MONOTONIC, &ts));
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

/* Whether there is room for much is looked at page by page: that can be ended. */
static void allocate_killed(const void *arg)
{
	double killed;
	int fd;
	pid_t pid;

	begin("size=1T");
	fd = open_file("a", PAGE_SIZE);
	pid = CHECKED(fork());
	if (!pid)
		_exit(fallocate(fd, 0, 0, 1l << 39) ? errno : 0);
	usleep(100000);
	killed = seconds();
	kill(pid, SIGKILL);
	CHECKED(waitpid(pid, NULL, 0));
	ASSERT(seconds() - killed < 3);
	close(fd);
	end();
}

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

/*
 * Who may only read a file, or only write to it, gets no memslot of it; and who may only read
 * it sets no policy.
 */
static void guest_rights(const void *arg)
{
	struct vm *vm;
	int fd;

	begin("");
	close(open_file("a", 2 * MIB));
	vm = vm_new(NULL);
	fd = CHECKED(open(DITTO "/a", O_RDONLY));
	ASSERT_ERRNO(vm_set_gmem_slot(vm, 1, 0, SLOT_GPA, 2 * MIB, fd, 0), EBADF);
	ASSERT_ERRNO(ioctl(fd, DITTO_GMEM_SET_POLICY, DITTO_POLICY_OFF), EBADF);
	close(fd);
	fd = CHECKED(open(DITTO "/a", O_WRONLY));
	ASSERT_ERRNO(vm_set_gmem_slot(vm, 1, 0, SLOT_GPA, 2 * MIB, fd, 0), EBADF);
	CHECKED(ioctl(fd, DITTO_GMEM_SET_POLICY, DITTO_POLICY_OFF));
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
	{ "options", options }, { "policies", policies }, { "remount", remount },
	{ "namespaces", namespaces },
	{ "busy", busy }, { "space", space }, { "space_merged", space_merged },
	{ "allocate_killed", allocate_killed, NULL, 60 },
	{ "inodes", inodes }, { "private_mapping", private_mapping }, { "large", large },
	{ "domains", domains, NULL, 60 },
	{ "guest_truncate", guest_truncate, &by_fd },
	{ "guest_truncate_mapped", guest_truncate, &by_map },
	{ "guest_rights", guest_rights }, { "guest_full", guest_full },
	{ "guest_alone", guest_alone },
	{ "guest_storm", guest_storm, &by_fd, 60 },
	{ "guest_storm_mapped", guest_storm, &by_map, 60 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, tests, ARRAY_SIZE(tests));
}
