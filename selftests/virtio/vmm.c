// SPDX-License-Identifier: GPL-2.0-only
/*
 * The disk in the kernel, and a VMM that does what it likes with its fds, threads, memory and
 * credentials. What a guest can do is in blk.c.
 */
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "virtio/ring.h"

#define NOBODY	65534

static int create(struct vm *vm, int file, u32 flags)
{
	struct ditto_create_virtio args = {
		.type = VIRTIO_ID_BLOCK, .flags = flags, .fd = file, .queues = 1,
	};

	return ioctl(vm->fd, DITTO_CREATE_VIRTIO, &args);
}

static int reopen(int file, int flags)
{
	char name[64];

	snprintf(name, sizeof(name), "/proc/self/fd/%d", file);
	return CHECKED(open(name, flags));
}

static void files_are_used_as_they_were_opened(const void *arg)
{
	struct vm *vm = vm_new(&(struct vm_config){ .ram = 16 * MIB });
	int file = file_new(MIB), pipes[2], sockets[2];

	CHECKED(pipe(pipes));
	CHECKED(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
	ASSERT_ERRNO(create(vm, reopen(file, O_RDONLY), 0), EINVAL);
	CHECKED(create(vm, reopen(file, O_RDONLY), DITTO_VIRTIO_READONLY));
	ASSERT_ERRNO(create(vm, reopen(file, O_WRONLY), 0), EINVAL);
	ASSERT_ERRNO(create(vm, reopen(file, O_WRONLY), DITTO_VIRTIO_READONLY), EINVAL);
	ASSERT_ERRNO(create(vm, reopen(file, O_RDWR | O_APPEND), 0), EINVAL);
	ASSERT_ERRNO(create(vm, reopen(file, O_PATH), 0), EBADF);
	ASSERT_ERRNO(create(vm, CHECKED(open("/tmp", O_RDONLY)), DITTO_VIRTIO_READONLY), EINVAL);
	ASSERT_ERRNO(create(vm, pipes[0], DITTO_VIRTIO_READONLY), EINVAL);
	ASSERT_ERRNO(create(vm, sockets[0], 0), EINVAL);
	CHECKED(create(vm, file, 0));
}

/* What has no size is a disk without sectors, whatever it could be made to say. */
static void files_without_size(const void *arg)
{
	struct vm *vm = vm_new(&(struct vm_config){ .ram = 16 * MIB });
	struct disk d = disk_new(vm, CHECKED(open("/proc/self/mountinfo", O_RDONLY)),
				 DITTO_VIRTIO_READONLY, 1);

	disk_set_up(&d, 0, FEATURES);
	CHECKED(disk_enable(&d, 0, 1));
	ASSERT_EQ(disk_request(&d, VIRTIO_BLK_T_IN, 0, DATA_AT, SECTOR), VIRTIO_BLK_S_IOERR);
}

static void disk_has_whole_sectors(const void *arg)
{
	struct vm *vm = vm_new(&(struct vm_config){ .ram = 16 * MIB });
	int file = file_new(MIB);
	struct disk d;
	struct stat st;

	CHECKED(ftruncate(file, 3 * SECTOR + 511));
	d = disk_new(vm, file, 0, 1);
	disk_set_up(&d, 0, FEATURES);
	CHECKED(disk_enable(&d, 0, 1));
	ASSERT_EQ(disk_request(&d, VIRTIO_BLK_T_OUT, 2, DATA_AT, SECTOR), VIRTIO_BLK_S_OK);
	ASSERT_EQ(disk_request(&d, VIRTIO_BLK_T_OUT, 3, DATA_AT, SECTOR), VIRTIO_BLK_S_IOERR);
	ASSERT_EQ(disk_request(&d, VIRTIO_BLK_T_IN, 3, DATA_AT, SECTOR), VIRTIO_BLK_S_IOERR);
	CHECKED(fstat(file, &st));
	ASSERT_EQ(st.st_size, 3 * SECTOR + 511);
}

/* A driver that cannot flush. */
static void writes_through(const void *arg)
{
	struct vm *vm = vm_new(&(struct vm_config){ .ram = 16 * MIB });
	struct disk d = disk_new(vm, file_new(MIB), 0, 1);
	u8 byte;

	disk_set_up(&d, 0, 1ull << VIRTIO_F_VERSION_1);
	CHECKED(disk_enable(&d, 0, 1));
	*(u8 *)data_at(&d, DATA_AT) = 0xa5;
	ASSERT_EQ(disk_request(&d, VIRTIO_BLK_T_OUT, 9, DATA_AT, 300 * SECTOR), VIRTIO_BLK_S_OK);
	ASSERT_EQ(pread(d.file, &byte, 1, 9 * SECTOR), 1);
	ASSERT_EQ(byte, 0xa5);
}

/* Nothing is written where the guest itself may not write. */
static void readonly_memory(const void *arg)
{
	struct disk d = disk_ready(0);
	u8 *rom = mmap(NULL, 2 * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		       0);
	u64 at = 32 * MIB;
	struct vhost_vring_addr addr = {
		.desc_user_addr = RING_AT, .avail_user_addr = RING_AT + 0x4000,
		.used_user_addr = at,
	};

	ASSERT(rom != MAP_FAILED);
	CHECKED(vm_set_slot(d.vm, 1, KVM_MEM_READONLY, at, 2 * PAGE_SIZE, rom));
	ASSERT_EQ(disk_request(&d, VIRTIO_BLK_T_IN, 1, at, SECTOR), VIRTIO_BLK_S_IOERR);
	ASSERT_EQ(disk_request(&d, VIRTIO_BLK_T_OUT, 1, at, SECTOR), VIRTIO_BLK_S_OK);
	for (u32 i = 0; i < 2 * PAGE_SIZE; i++)
		ASSERT_EQ(rom[i], 0);
	CHECKED(disk_enable(&d, 0, 0));
	CHECKED(ioctl(d.fd, VHOST_SET_VRING_ADDR, &addr));
	CHECKED(disk_enable(&d, 0, 1));
	disk_submit(&d, VIRTIO_BLK_T_IN, 0, DATA_AT, SECTOR);
	ASSERT(event_comes(d.err[0], 10000));
	ASSERT_EQ(disk_state(&d, 0).error, DITTO_VIRTIO_ERR_MEMORY);
	for (u32 i = 0; i < 2 * PAGE_SIZE; i++)
		ASSERT_EQ(rom[i], 0);
}

/* Who may not give a file set-user-ID does not leave it there by writing, not even so. */
static void credentials_are_the_owners(const void *arg)
{
	struct vm *vm = vm_new(&(struct vm_config){ .ram = 16 * MIB });
	int file = file_new(MIB);
	struct disk d = disk_new(vm, file, 0, 1);
	struct stat st;

	CHECKED(fchmod(file, 06777));
	disk_set_up(&d, 0, FEATURES);
	CHECKED(setresgid(-1, NOBODY, -1));
	CHECKED(setresuid(-1, NOBODY, -1));
	CHECKED(disk_enable(&d, 0, 1));
	ASSERT_EQ(disk_request(&d, VIRTIO_BLK_T_OUT, 0, DATA_AT, SECTOR), VIRTIO_BLK_S_OK);
	CHECKED(fstat(file, &st));
	ASSERT_EQ(st.st_mode & (S_ISUID | S_ISGID), 0);
}

/* Threads count as what fork() makes, also where they are the kernel's. */
static void threads_are_limited(const void *arg)
{
	struct vm *vm = vm_new(&(struct vm_config){ .ram = 16 * MIB });
	struct disk d = disk_new(vm, file_new(MIB), 0, 4);
	u32 i;

	for (i = 0; i < 4; i++)
		disk_set_up(&d, i, FEATURES);
	CHECKED(setrlimit(RLIMIT_NPROC, &(struct rlimit){ 3, 3 }));
	CHECKED(setresuid(NOBODY, NOBODY, NOBODY));
	for (i = 0; i < 4 && !disk_enable(&d, i, 1); i++)
		;
	ASSERT(i > 0 && i < 4);
	ASSERT(errno == EAGAIN || errno == ENOMEM);
	/* What was given back can be had again, if not at once. */
	for (u32 n = 0; n < 10; n++) {
		CHECKED(disk_enable(&d, 0, 0));
		for (u32 tries = 0; disk_enable(&d, 0, 1) < 0 && tries < 1000; tries++)
			usleep(1000);
		ASSERT_ERRNO(disk_enable(&d, 0, 1), EBUSY);
	}
	ASSERT_EQ(disk_request(&d, VIRTIO_BLK_T_IN, 0, DATA_AT, SECTOR), VIRTIO_BLK_S_OK);
}

static void send_fd(int to, int fd)
{
	char room[CMSG_SPACE(sizeof(fd))] = { 0 }, byte = 0;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = room,
			      .msg_controllen = sizeof(room) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	*c = (struct cmsghdr){ CMSG_LEN(sizeof(fd)), SOL_SOCKET, SCM_RIGHTS };
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	ASSERT_EQ(sendmsg(to, &msg, 0), 1);
}

static int receive_fd(int from)
{
	char room[CMSG_SPACE(sizeof(int))] = { 0 }, byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = room,
			      .msg_controllen = sizeof(room) };
	int fd;

	ASSERT_EQ(recvmsg(from, &msg, 0), 1);
	ASSERT(CMSG_FIRSTHDR(&msg));
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
	return fd;
}

/* Its pages come when @uffd's owner wants; 97: there is no such thing. */
static int withhold(void *p, u64 size)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = {
		.range = { .start = (u64)p, .len = size }, .mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	int uffd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	if (uffd < 0)
		_exit(97);
	CHECKED(madvise(p, size, MADV_DONTNEED));
	CHECKED(ioctl(uffd, UFFDIO_API, &api));
	CHECKED(ioctl(uffd, UFFDIO_REGISTER, &reg));
	return uffd;
}

/* A request that does not end; its device is @to's alone then. */
static void send_stuck_disk(int to)
{
	struct vm *vm = vm_new(&(struct vm_config){ .ram = 16 * MIB, .user = true });
	struct disk d = disk_new(vm, file_new(MIB), 0, 1);
	struct pollfd p = { .events = POLLIN };

	disk_set_up(&d, 0, FEATURES);
	CHECKED(disk_enable(&d, 0, 1));
	p.fd = withhold(data_at(&d, DATA_AT), PAGE_SIZE);
	disk_submit(&d, VIRTIO_BLK_T_IN, 0, DATA_AT, SECTOR);
	ASSERT_EQ(poll(&p, 1, 10000), 1);
	send_fd(to, d.fd);
	close(d.fd);
	ASSERT_EQ(write(to, "", 1), 1);
	for (;;)
		pause();
}

static u64 now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ull + t.tv_nsec / 1000000;
}

static long module_uses(void)
{
	FILE *f = fopen("/sys/module/ditto/refcnt", "r");
	long uses = -1;

	if (!f || fscanf(f, "%ld", &uses) != 1)
		fail("no count of the module's users");
	fclose(f);
	return uses;
}

/* Closing the last reference does not wait for the memory of the process that made the device. */
static void last_reference_elsewhere(const void *arg)
{
	long uses = module_uses();
	int sockets[2], status, fd;
	char byte;
	u64 start;
	pid_t pid;

	CHECKED(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
	pid = fork();
	if (!pid)
		send_stuck_disk(sockets[1]);
	close(sockets[1]);
	if (recv(sockets[0], &byte, 1, MSG_PEEK) != 1) {
		ASSERT_EQ(waitpid(pid, &status, 0), pid);
		if (WIFEXITED(status) && WEXITSTATUS(status) == 97)
			skip("no userfaultfd");
		fail("the other process ended with %#x", status);
	}
	fd = receive_fd(sockets[0]);
	ASSERT_EQ(read(sockets[0], &byte, 1), 1);
	start = now_ms();
	close(fd);
	ASSERT(now_ms() - start < 2000);
	kill(pid, SIGKILL);
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	ASSERT(WIFSIGNALED(status));
	/* It is freed when its request has ended, which was the dead process's. */
	for (u32 tries = 0; module_uses() != uses && tries < 1000; tries++)
		usleep(10000);
	ASSERT_EQ(module_uses(), uses);
}

/* A read of 4000 MiB into the same 32, which has begun when this writes to @ready. */
static void read_much(int ready)
{
	struct vm *vm = vm_new(&(struct vm_config){ .ram = 64 * MIB });
	int file = file_new(MIB);
	volatile u8 *data;
	struct disk d;

	CHECKED(ftruncate(file, 4096 * MIB));
	d = disk_new(vm, file, 0, 1);
	disk_set_up(&d, 0, FEATURES);
	CHECKED(disk_enable(&d, 0, 1));
	data = data_at(&d, 16 * MIB);
	*data = 0xee;
	*(struct virtio_blk_outhdr *)data_at(&d, DATA_AT) = (struct virtio_blk_outhdr){ 0 };
	ring_table(&d, 0)[0] = (struct vring_desc){ DATA_AT, 16, VRING_DESC_F_NEXT, 1 };
	for (u32 i = 1; i <= 125; i++)
		ring_table(&d, 0)[i] = (struct vring_desc){
			16 * MIB, 32 * MIB, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, i + 1 };
	ring_table(&d, 0)[126] = (struct vring_desc){ DATA_AT + 16, 1, VRING_DESC_F_WRITE, 0 };
	ring_put(&d, 0, RING_AT + 0x9000, 127 * 16, VRING_DESC_F_INDIRECT, 0);
	ring_offer(&d, 0, 0);
	ring_kick(&d, 0);
	while (*data == 0xee)
		usleep(1000);
	ASSERT_EQ(ring_used(&d, 0)->idx, 0);
	ASSERT_EQ(write(ready, "", 1), 1);
	for (;;)
		pause();
}

/* What is in the page cache hears no signal, but who carries out a request of gigabytes does. */
static void long_request_ends_with_its_process(const void *arg)
{
	int status, ready[2];
	char byte;
	u64 start;
	pid_t pid;

	CHECKED(pipe(ready));
	pid = fork();
	if (!pid)
		read_much(ready[1]);
	close(ready[1]);
	ASSERT_EQ(read(ready[0], &byte, 1), 1);
	start = now_ms();
	kill(pid, SIGKILL);
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	note("it ended after %llu ms", (unsigned long long)(now_ms() - start));
	ASSERT(WIFSIGNALED(status));
	ASSERT(now_ms() - start < 3000);
}

/* Whatever is closed first, the disk works on until it is itself. */
static void closed_in_any_order(const void *arg)
{
	struct disk d = disk_ready(0);

	close(d.file);
	close(d.vm->fd);
	ASSERT_EQ(disk_request(&d, VIRTIO_BLK_T_IN, 7, DATA_AT, SECTOR), VIRTIO_BLK_S_OK);
	ASSERT_EQ(((u8 *)data_at(&d, DATA_AT))[5], file_byte(7 * SECTOR + 5));
	for (u32 i = 0; i < 8; i++)
		disk_submit(&d, VIRTIO_BLK_T_IN, 0, DATA_AT, 1000 * SECTOR);
	close(d.kick[0]);
	close(d.call[0]);
	close(d.err[0]);
	close(d.fd);
}

/* The owner's process becomes another program, which has the device, but no right to it. */
static void exec_at_work(const void *arg)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		struct disk d = disk_ready(0);

		CHECKED(fcntl(d.fd, F_SETFD, 0));
		for (u32 i = 0; i < 16; i++)
			disk_submit(&d, VIRTIO_BLK_T_OUT, 0, DATA_AT, 1000 * SECTOR);
		execl("/bin/true", "true", NULL);
		_exit(1);
	}
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	ASSERT_EQ(status, 0);
}

/* Threads that call everything in any order; what is refused is refused, no more. */
static volatile bool storm_over;

static void storm_one(struct disk *d, unsigned int *seed)
{
	u32 queue = rand_r(seed) % 2;
	struct vhost_vring_state state = { queue, rand_r(seed) % 2 ? 64 : 1u << rand_r(seed) % 12 };
	u64 at = RING_AT + queue * QUEUE_ROOM, features = FEATURES;
	struct vhost_vring_addr addr = { queue, 0, at, at + 0x6000, at + 0x4000, 0 };
	struct vhost_vring_file file = { queue, rand_r(seed) % 4 ? d->kick[queue] : -1 };

	switch (rand_r(seed) % 16) {
	case 0:
		ioctl(d->fd, VHOST_RESET_OWNER);
		break;
	case 1:
		ioctl(d->fd, VHOST_SET_OWNER);
		ioctl(d->fd, VHOST_SET_FEATURES, &features);
		break;
	case 2:
		ioctl(d->fd, VHOST_SET_VRING_NUM, &state);
		break;
	case 3:
		ioctl(d->fd, VHOST_SET_VRING_BASE, &state);
		break;
	case 4:
		ioctl(d->fd, VHOST_SET_VRING_ADDR, &addr);
		break;
	case 5:
		ioctl(d->fd, VHOST_SET_VRING_KICK, &file);
		break;
	case 6:
		/* A queue may call itself, and others. */
		file.fd = d->kick[rand_r(seed) % 2];
		ioctl(d->fd, rand_r(seed) % 2 ? VHOST_SET_VRING_CALL : VHOST_SET_VRING_ERR, &file);
		break;
	case 7:
		ioctl(d->fd, VHOST_GET_VRING_BASE, &state);
		break;
	case 8:
		ring_avail(d, queue)->idx++;
		break;
	case 9:
	case 10:
		disk_enable(d, queue, 0);
		break;
	case 11:
		ioctl(d->fd, DITTO_VIRTIO_STATE, &(struct ditto_virtio_state){ .queue = queue });
		break;
	case 12:
	case 13:
		eventfd_write(d->kick[queue], 1);
		break;
	default:
		disk_enable(d, queue, 1);
	}
}

static void *storm(void *arg)
{
	unsigned int seed = gettid();

	while (!storm_over)
		storm_one(arg, &seed);
	return NULL;
}

static void ioctls_at_the_same_time(const void *arg)
{
	struct vm *vm = vm_new(&(struct vm_config){ .ram = 16 * MIB });
	struct disk d = disk_new(vm, file_new(MIB), 0, 2);
	pthread_t thread[4];

	for (u32 i = 0; i < 2; i++) {
		disk_set_up(&d, i, FEATURES);
		ring_desc(&d, i)[0] = (struct vring_desc){ DATA_AT, 16, VRING_DESC_F_NEXT, 1 };
		ring_desc(&d, i)[1] = (struct vring_desc){
			DATA_AT + 4096, 8 * SECTOR, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 2 };
		ring_desc(&d, i)[2] = (struct vring_desc){ DATA_AT + 64, 1, VRING_DESC_F_WRITE, 0 };
	}
	for (u32 i = 0; i < 4; i++)
		ASSERT_EQ(pthread_create(&thread[i], NULL, storm, &d), 0);
	sleep(3);
	storm_over = true;
	for (u32 i = 0; i < 4; i++)
		pthread_join(thread[i], NULL);
	ioctl(d.fd, VHOST_SET_OWNER);
	note("%llu requests", (unsigned long long)(disk_state(&d, 0).requests +
						   disk_state(&d, 1).requests));
	ASSERT(disk_state(&d, 0).requests + disk_state(&d, 1).requests > 0);
	/* And it is as good as new. */
	CHECKED(ioctl(d.fd, VHOST_RESET_OWNER));
	CHECKED(ioctl(d.fd, VHOST_SET_OWNER));
	ring_avail(&d, 0)->idx = ring_used(&d, 0)->idx = 0;
	disk_set_up(&d, 0, FEATURES);
	CHECKED(disk_enable(&d, 0, 1));
	ASSERT_EQ(disk_request(&d, VIRTIO_BLK_T_IN, 0, DATA_AT, SECTOR), VIRTIO_BLK_S_OK);
}

static const struct tap_test tests[] = {
	{ "files_are_used_as_they_were_opened", files_are_used_as_they_were_opened },
	{ "files_without_size", files_without_size },
	{ "disk_has_whole_sectors", disk_has_whole_sectors },
	{ "writes_through", writes_through },
	{ "readonly_memory", readonly_memory },
	{ "credentials_are_the_owners", credentials_are_the_owners },
	{ "threads_are_limited", threads_are_limited },
	{ "last_reference_elsewhere", last_reference_elsewhere },
	{ "long_request_ends_with_its_process", long_request_ends_with_its_process },
	{ "closed_in_any_order", closed_in_any_order },
	{ "exec_at_work", exec_at_work },
	{ "ioctls_at_the_same_time", ioctls_at_the_same_time },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, tests, ARRAY_SIZE(tests));
}
