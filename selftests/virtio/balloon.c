// SPDX-License-Identifier: GPL-2.0-only
/*
 * The balloon in the kernel, without a guest: the test is the driver. That what is given back is
 * the host's and reads as zero, what has to stay stays, and that page numbers and chains of any
 * kind, however hostile, do no more than stop their queue.
 */
#include <fcntl.h>
#include <linux/virtio_balloon.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "virtio/ring.h"

#define RAM		(64 * MIB)
#define PFNS_AT		(DATA_AT - 2 * PAGE_SIZE)
#define BALLOON		(1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_RING_F_INDIRECT_DESC | \
			 1ull << VIRTIO_BALLOON_F_STATS_VQ | 1ull << VIRTIO_BALLOON_F_REPORTING)
#define POISON		(1ull << VIRTIO_BALLOON_F_PAGE_POISON)

enum { INFLATE, DEFLATE, STATS, HINTS, REPORTS };

static const struct ditto_create_virtio balloon_args = {
	.type = VIRTIO_ID_BALLOON, .fd = -1, .queues = DITTO_BALLOON_QUEUES,
};

static struct disk balloon_in(struct vm *vm, u64 features)
{
	static const u32 queues[] = { INFLATE, DEFLATE, STATS, REPORTS };
	struct disk d = device_new(vm, &balloon_args);

	for (u32 i = 0; i < ARRAY_SIZE(queues); i++)
		disk_set_up(&d, queues[i], features);
	for (u32 i = 0; i < ARRAY_SIZE(queues); i++)
		CHECKED(disk_enable(&d, queues[i], 1));
	return d;
}

static struct disk balloon_ready(void)
{
	return balloon_in(vm_new(&(struct vm_config){ .ram = RAM }), BALLOON);
}

static struct ditto_balloon balloon_state(struct disk *d)
{
	struct ditto_balloon b = { 0 };

	CHECKED(ioctl(d->fd, DITTO_BALLOON, &b));
	return b;
}

/* One descriptor in a queue; waits until it is answered. */
static void give(struct disk *d, u32 queue, u64 addr, u32 len, u16 flags)
{
	ring_desc(d, queue)[0] = (struct vring_desc){ addr, len, flags, 0 };
	ring_offer(d, queue, 0);
	ring_kick(d, queue);
	if (!event_comes(d->call[queue], 10000))
		fail("queue %u: no answer; error %u", queue, disk_state(d, queue).error);
	d->used[queue]++;
	ASSERT_EQ(__atomic_load_n(&ring_used(d, queue)->idx, __ATOMIC_SEQ_CST), d->used[queue]);
	ASSERT_EQ(ring_used(d, queue)->ring[(d->used[queue] - 1) % d->num].len, 0);
}

static void give_pfns(struct disk *d, u32 queue, const u32 *pfns, u32 n)
{
	memcpy(data_at(d, PFNS_AT), pfns, n * sizeof(*pfns));
	give(d, queue, PFNS_AT, n * sizeof(*pfns), 0);
}

static void give_run(struct disk *d, u32 queue, u64 gpa, u32 npages)
{
	u32 pfns[1024];

	for (u32 i = 0; i < npages; i++)
		pfns[i] = gpa / PAGE_SIZE + i;
	give_pfns(d, queue, pfns, npages);
}

/* What the guest's memory costs the host, in bytes. */
static u64 held(struct disk *d)
{
	struct ditto_gmem_stats st;

	CHECKED(ioctl(d->vm->gmem, DITTO_GMEM_STATS, &st));
	return st.private_bytes;
}

static void need_gmem(void)
{
	if (!tap.gmem)
		skip("of gmem only");
}

static void inflated_pages_are_the_hosts(const void *arg)
{
	struct disk d = balloon_ready();
	u8 *data = data_at(&d, DATA_AT);
	u64 before;

	need_gmem();
	memset(data, 0xaa, 1024 * PAGE_SIZE);
	before = held(&d);
	give_run(&d, INFLATE, DATA_AT + PAGE_SIZE, 1000);
	ASSERT_EQ(balloon_state(&d).inflated, 1000);
	ASSERT_EQ(balloon_state(&d).given, 1000);
	ASSERT(before - held(&d) >= 995 * PAGE_SIZE);
	ASSERT_EQ(data[0], 0xaa);
	ASSERT_EQ(data[PAGE_SIZE], 0);
	ASSERT_EQ(data[1000 * PAGE_SIZE], 0);
	ASSERT_EQ(data[1001 * PAGE_SIZE], 0xaa);
	/* And are the guest's when it takes them. */
	give_run(&d, DEFLATE, DATA_AT + PAGE_SIZE, 1000);
	memset(data, 0xbb, 1024 * PAGE_SIZE);
	ASSERT_EQ(balloon_state(&d).deflated, 1000);
	ASSERT_EQ(data[500 * PAGE_SIZE], 0xbb);
}

static void numbers_in_any_order(const void *arg)
{
	struct disk d = balloon_ready();
	u8 *data = data_at(&d, DATA_AT);
	u32 pfns[1024];

	need_gmem();
	memset(data, 0xaa, 1025 * PAGE_SIZE);
	for (u32 i = 0; i < 1024; i++)
		pfns[i] = DATA_AT / PAGE_SIZE + i * 389 % 1024;
	give_pfns(&d, INFLATE, pfns, 1024);
	for (u32 i = 0; i < 1024; i++)
		ASSERT_EQ(data[i * PAGE_SIZE], 0);
	ASSERT_EQ(data[1024 * PAGE_SIZE], 0xaa);
	ASSERT_EQ(balloon_state(&d).given, 1024);
	/* Again, and each of them twice: nothing is there to give. */
	give_pfns(&d, INFLATE, pfns, 1024);
	ASSERT_EQ(balloon_state(&d).given, 1024);
	ASSERT_EQ(balloon_state(&d).inflated, 2048);
}

static void reported_pages_are_the_hosts(const void *arg)
{
	struct disk d = balloon_ready();
	u8 *data = data_at(&d, 16 * MIB);

	need_gmem();
	memset(data, 0xaa, 6 * MIB);
	give(&d, REPORTS, 16 * MIB, 4 * MIB, VRING_DESC_F_WRITE);
	ASSERT_EQ(balloon_state(&d).reported, 1024);
	ASSERT_EQ(balloon_state(&d).given, 1024);
	ASSERT_EQ(data[0] | data[4 * MIB - 1], 0);
	ASSERT_EQ(data[4 * MIB], 0xaa);
	/* Parts of pages stay. */
	give(&d, REPORTS, 20 * MIB + 1, 2 * PAGE_SIZE + 4000, VRING_DESC_F_WRITE);
	ASSERT_EQ(data[4 * MIB], 0xaa);
	ASSERT_EQ(data[4 * MIB + PAGE_SIZE], 0);
	ASSERT_EQ(data[4 * MIB + 2 * PAGE_SIZE], 0xaa);
	give(&d, REPORTS, 21 * MIB + 1, 100, VRING_DESC_F_WRITE);
	ASSERT_EQ(data[5 * MIB], 0xaa);
	ASSERT_EQ(balloon_state(&d).reported, 1025);
}

static void set_config(struct disk *d, u32 off, u32 val, int err)
{
	struct {
		struct vhost_vdpa_config head;
		u32 val;
	} config = { { .off = off, .len = sizeof(val) }, val };

	if (err)
		ASSERT_ERRNO(ioctl(d->fd, VHOST_VDPA_SET_CONFIG, &config), err);
	else
		CHECKED(ioctl(d->fd, VHOST_VDPA_SET_CONFIG, &config));
}

static u32 get_config(struct disk *d, u32 off)
{
	struct {
		struct vhost_vdpa_config head;
		u32 val;
	} config = { { .off = off, .len = sizeof(u32) } };

	CHECKED(ioctl(d->fd, VHOST_VDPA_GET_CONFIG, &config));
	return config.val;
}

/* What the driver takes for granted of free pages must be true after they were reported. */
static void poisoned_pages_stay(const void *arg)
{
	const u32 at = offsetof(struct virtio_balloon_config, poison_val);
	struct vm *vm = vm_new(&(struct vm_config){ .ram = RAM });
	struct disk d = balloon_in(vm, BALLOON | POISON);
	u8 *data = data_at(&d, 16 * MIB);

	need_gmem();
	memset(data, 0xaa, 2 * MIB);
	set_config(&d, at, 0xaaaaaaaa, 0);
	give(&d, REPORTS, 16 * MIB, MIB, VRING_DESC_F_WRITE);
	ASSERT_EQ(data[0], 0xaa);
	ASSERT_EQ(balloon_state(&d).kept, 256);
	ASSERT_EQ(balloon_state(&d).poison, 0xaaaaaaaa);
	set_config(&d, at, 0, 0);
	give(&d, REPORTS, 16 * MIB, MIB, VRING_DESC_F_WRITE);
	ASSERT_EQ(data[0], 0);
	ASSERT_EQ(data[MIB], 0xaa);
	/* Who did not negotiate it says nothing by it. */
	d = balloon_ready();
	data = data_at(&d, 16 * MIB);
	memset(data, 0xaa, 2 * MIB);
	set_config(&d, at, 0xaaaaaaaa, 0);
	give(&d, REPORTS, 17 * MIB, MIB, VRING_DESC_F_WRITE);
	ASSERT_EQ(data[MIB - 1], 0xaa);
	ASSERT_EQ(data[MIB], 0);
}

static void configuration_space(const void *arg)
{
	struct disk d = balloon_ready();
	struct ditto_balloon b = { .flags = DITTO_BALLOON_SET_TARGET, .target = 1234 };
	u32 size;

	CHECKED(ioctl(d.fd, _IOR(VHOST_VIRTIO, 0x79, u32), &size));
	ASSERT_EQ(size, sizeof(struct virtio_balloon_config));
	CHECKED(ioctl(d.fd, DITTO_BALLOON, &b));
	ASSERT_EQ(get_config(&d, 0), 1234);
	b = (struct ditto_balloon){ .target = 1 };
	CHECKED(ioctl(d.fd, DITTO_BALLOON, &b));
	ASSERT_EQ(b.target, 1234);
	set_config(&d, 4, 1000, 0);
	ASSERT_EQ(get_config(&d, 4), 1000);
	ASSERT_EQ(balloon_state(&d).actual, 1000);
	/* The target is the VMM's, and the rest has no other fields. */
	set_config(&d, 0, 1, EINVAL);
	set_config(&d, 2, 1, EINVAL);
	set_config(&d, 8, 1, EINVAL);
	set_config(&d, 16, 1, EINVAL);
	set_config(&d, ~0u, 1, EINVAL);
	ASSERT_EQ(get_config(&d, 0), 1234);
}

static void put_stats(struct disk *d, u64 first)
{
	struct virtio_balloon_stat *s = data_at(d, PFNS_AT);

	s[0] = (struct virtio_balloon_stat){ VIRTIO_BALLOON_S_MEMFREE, first };
	s[1] = (struct virtio_balloon_stat){ VIRTIO_BALLOON_S_AVAIL, 7 };
	s[2] = (struct virtio_balloon_stat){ 0xffff, 8 };
	s[3] = (struct virtio_balloon_stat){ DITTO_BALLOON_STATS, 9 };
	ring_desc(d, STATS)[0] = (struct vring_desc){ PFNS_AT, 4 * sizeof(*s), 0, 0 };
	ring_offer(d, STATS, 0);
	ring_kick(d, STATS);
}

static struct ditto_balloon wait_told(struct disk *d, u64 told)
{
	struct ditto_balloon b;

	for (u32 tries = 0; tries < 5000; tries++) {
		b = balloon_state(d);
		if (b.told >= told)
			return b;
		usleep(1000);
	}
	fail("no statistics: told %llu times", (unsigned long long)b.told);
}

static void statistics_when_asked(const void *arg)
{
	struct disk d = balloon_ready();
	struct ditto_balloon b;

	put_stats(&d, 100);
	b = wait_told(&d, 1);
	ASSERT_EQ(b.known, 1 << VIRTIO_BALLOON_S_MEMFREE | 1 << VIRTIO_BALLOON_S_AVAIL);
	ASSERT_EQ(b.stats[VIRTIO_BALLOON_S_MEMFREE], 100);
	ASSERT_EQ(b.stats[VIRTIO_BALLOON_S_AVAIL], 7);
	/* The chain is the device's until somebody asks; kicks do not change that. */
	ring_kick(&d, STATS);
	ASSERT(!event_comes(d.call[STATS], 50));
	for (u32 i = 1; i <= 3; i++) {
		b = (struct ditto_balloon){ .flags = DITTO_BALLOON_ASK };
		CHECKED(ioctl(d.fd, DITTO_BALLOON, &b));
		ASSERT(event_comes(d.call[STATS], 10000));
		ASSERT_EQ(ring_used(&d, STATS)->idx, i);
		put_stats(&d, 100 + i);
		b = wait_told(&d, 1 + i);
		ASSERT_EQ(b.stats[VIRTIO_BALLOON_S_MEMFREE], 100 + i);
	}
	/* The chain that a stopped queue has waits for whoever starts it again. */
	CHECKED(disk_enable(&d, STATS, 0));
	ASSERT_EQ(ring_used(&d, STATS)->idx, 3);
	CHECKED(disk_enable(&d, STATS, 1));
	wait_told(&d, 5);
}

/* Pages that cannot be given back are passed over. */
static void pages_that_are_not_memory(const void *arg)
{
	struct disk d = balloon_ready();
	u32 pfns[] = { RAM / PAGE_SIZE, 0xfee00, ~0u, ~0u - 1, 0x80000000, 0x10000 };
	void *rom = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	need_gmem();
	give_pfns(&d, INFLATE, pfns, 5);
	ASSERT_EQ(balloon_state(&d).refused, 5);
	memset(rom, 0xcc, MIB);
	CHECKED(vm_set_slot(d.vm, 5, KVM_MEM_READONLY, 0x10000000, MIB, rom));
	pfns[0] = 0x10000;
	give_pfns(&d, INFLATE, pfns, 1);
	give(&d, REPORTS, 0x10000000, MIB, VRING_DESC_F_WRITE);
	ASSERT_EQ(balloon_state(&d).refused, 6 + 256);
	ASSERT_EQ(*(u8 *)rom, 0xcc);
	/* Across the end of memory, to the end of all addresses. */
	memset(data_at(&d, RAM - PAGE_SIZE), 0xaa, PAGE_SIZE);
	give(&d, REPORTS, RAM - PAGE_SIZE, 2 * PAGE_SIZE, VRING_DESC_F_WRITE);
	ASSERT_EQ(*(u8 *)data_at(&d, RAM - 1), 0);
	give(&d, REPORTS, -4096ull - PAGE_SIZE, PAGE_SIZE, VRING_DESC_F_WRITE);
	ASSERT_EQ(balloon_state(&d).given, 1);
}

/* Memory of the process: what the kernel lets us give back, and what not. */
static void memory_of_the_process(const void *arg)
{
	struct disk d = balloon_ready();
	int fd = CHECKED(memfd_create("ram", MFD_CLOEXEC));
	u8 *shared, *private;

	CHECKED(ftruncate(fd, 4 * MIB));
	shared = mmap(NULL, 4 * MIB, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	private = mmap(NULL, 4 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memset(shared, 0xaa, 4 * MIB);
	memset(private, 0xbb, 4 * MIB);
	CHECKED(vm_set_slot(d.vm, 5, 0, 0x10000000, 4 * MIB, shared));
	CHECKED(vm_set_slot(d.vm, 6, 0, 0x20000000, 4 * MIB, private));
	give(&d, REPORTS, 0x10000000 + PAGE_SIZE, 2 * MIB, VRING_DESC_F_WRITE);
	ASSERT_EQ(shared[0], 0xaa);
	ASSERT_EQ(shared[PAGE_SIZE], 0);
	ASSERT_EQ(shared[2 * MIB], 0);
	ASSERT_EQ(shared[2 * MIB + PAGE_SIZE], 0xaa);
	ASSERT_EQ(balloon_state(&d).given, 512);
	give(&d, REPORTS, 0x20000000, 2 * MIB, VRING_DESC_F_WRITE);
	ASSERT_EQ(private[0], 0xbb);
	ASSERT_EQ(balloon_state(&d).kept, 512);
}

/* A gmem that the VMM maps, in a slot of addresses, is given back page by page like any other. */
static void memory_behind_a_mapping(const void *arg)
{
	struct disk d = balloon_ready();
	int gmem = gmem_new(4 * MIB, 0);
	u8 *map = gmem_map(gmem, 4 * MIB);
	struct ditto_gmem_stats st;

	memset(map, 0xaa, 4 * MIB);
	CHECKED(vm_set_slot(d.vm, 5, 0, 0x10000000, 4 * MIB, map));
	give(&d, REPORTS, 0x10000000, 2 * MIB, VRING_DESC_F_WRITE);
	CHECKED(ioctl(gmem, DITTO_GMEM_STATS, &st));
	ASSERT_EQ(st.private_bytes, 2 * MIB);
	ASSERT_EQ(map[0], 0);
	ASSERT_EQ(map[2 * MIB], 0xaa);
}

/* A fork and its parent each have what they had; the pages are freed with the last. */
static void forked_pages(const void *arg)
{
	struct disk d = balloon_ready();
	u8 *data = data_at(&d, 16 * MIB), *copy;
	int fork;

	need_gmem();
	memset(data, 0xaa, 4 * MIB);
	fork = CHECKED(ioctl(d.vm->gmem, DITTO_GMEM_FORK));
	copy = mmap(NULL, 4 * MIB, PROT_READ, MAP_SHARED, fork, 16 * MIB);
	ASSERT(copy != MAP_FAILED);
	give(&d, REPORTS, 16 * MIB, MIB, VRING_DESC_F_WRITE);
	ASSERT_EQ(data[0] | data[MIB - 1], 0);
	ASSERT_EQ(data[MIB], 0xaa);
	for (u64 i = 0; i < 4 * MIB; i += PAGE_SIZE)
		ASSERT_EQ(copy[i], 0xaa);
}

static void dirty_log_knows_of_it(const void *arg)
{
	struct disk d = balloon_ready();
	static u64 bitmap[RAM / PAGE_SIZE / 64];
	struct kvm_dirty_log log = { .slot = 0, .dirty_bitmap = bitmap };
	u64 page = 16 * MIB / PAGE_SIZE;

	memset(data_at(&d, 16 * MIB), 0xaa, 4 * MIB);
	if (tap.gmem)
		CHECKED(vm_set_gmem_slot(d.vm, 0, KVM_MEM_LOG_DIRTY_PAGES, 0, RAM, d.vm->gmem, 0));
	else
		CHECKED(vm_set_slot(d.vm, 0, KVM_MEM_LOG_DIRTY_PAGES, 0, RAM, d.vm->ram));
	give(&d, REPORTS, 16 * MIB + PAGE_SIZE, 64 * PAGE_SIZE, VRING_DESC_F_WRITE);
	CHECKED(ioctl(d.vm->fd, KVM_GET_DIRTY_LOG, &log));
	ASSERT_EQ(bitmap[page / 64], ~1ull);
	ASSERT_EQ(bitmap[page / 64 + 1], 1);
	ASSERT_EQ(bitmap[page / 64 + 2], 0);
}

/* A page that somebody holds is not torn away from them: here a pipe, which holds what it got. */
static void held_pages_stay(const void *arg)
{
	struct disk d = balloon_ready();
	u8 *data = data_at(&d, 16 * MIB), byte;
	struct iovec iov = { data + PAGE_SIZE, PAGE_SIZE };
	int pipe_fds[2];

	need_gmem();
	memset(data, 0xaa, 4 * PAGE_SIZE);
	CHECKED(pipe(pipe_fds));
	ASSERT_EQ(vmsplice(pipe_fds[1], &iov, 1, 0), PAGE_SIZE);
	give(&d, REPORTS, 16 * MIB, 4 * PAGE_SIZE, VRING_DESC_F_WRITE);
	ASSERT_EQ(balloon_state(&d).given, 3);
	ASSERT_EQ(balloon_state(&d).kept, 1);
	ASSERT_EQ(data[0], 0);
	ASSERT_EQ(data[PAGE_SIZE], 0xaa);
	data[PAGE_SIZE] = 0x55;
	ASSERT_EQ(read(pipe_fds[0], &byte, 1), 1);
	ASSERT_EQ(byte, 0x55);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	give(&d, REPORTS, 16 * MIB, 4 * PAGE_SIZE, VRING_DESC_F_WRITE);
	ASSERT_EQ(data[PAGE_SIZE], 0);
}

/* Chains that are no request of their queue's stop it, and a new start heals it. */
static const struct {
	u32 queue, len;
	u16 flags;
} bad[] = {
	{ INFLATE, 4, VRING_DESC_F_WRITE }, { INFLATE, 3, 0 }, { INFLATE, 7, 0 },
	{ DEFLATE, 4, VRING_DESC_F_WRITE }, { DEFLATE, 5, 0 },
	{ STATS, 9, 0 }, { STATS, 20, VRING_DESC_F_WRITE }, { REPORTS, 4096, 0 },
};

static void bad_chains(const void *arg)
{
	struct disk d = balloon_ready();

	for (u32 i = 0; i < ARRAY_SIZE(bad); i++) {
		u32 queue = bad[i].queue;

		note("queue %u, %u bytes, flags %u", queue, bad[i].len, bad[i].flags);
		ring_desc(&d, queue)[0] =
			(struct vring_desc){ PFNS_AT, bad[i].len, bad[i].flags, 0 };
		ring_offer(&d, queue, 0);
		ring_kick(&d, queue);
		ASSERT(event_comes(d.err[queue], 10000));
		ASSERT_EQ(disk_state(&d, queue).error, DITTO_VIRTIO_ERR_REQUEST);
		CHECKED(disk_enable(&d, queue, 0));
		d.avail[queue] = ring_avail(&d, queue)->idx = d.used[queue];
		CHECKED(disk_enable(&d, queue, 1));
	}
	ring_desc(&d, INFLATE)[0] = (struct vring_desc){ 1ull << 40, 4, 0, 0 };
	ring_offer(&d, INFLATE, 0);
	ring_kick(&d, INFLATE);
	ASSERT(event_comes(d.err[INFLATE], 10000));
	ASSERT_EQ(disk_state(&d, INFLATE).error, DITTO_VIRTIO_ERR_MEMORY);
}

/* Four gigabytes in one chain, again and again: the queue can be stopped all the same. */
static void endless_reports(const void *arg)
{
	struct disk d = balloon_ready();
	time_t start;

	for (u32 i = 0; i < 60; i++)
		ring_table(&d, REPORTS)[i] = (struct vring_desc){
			RAM, 64 * MIB,
			VRING_DESC_F_WRITE | (i < 59 ? VRING_DESC_F_NEXT : 0), i + 1 };
	ring_desc(&d, REPORTS)[0] = (struct vring_desc){
		RING_AT + REPORTS * QUEUE_ROOM + 0x9000, 60 * 16, VRING_DESC_F_INDIRECT, 0 };
	for (u32 i = 0; i < d.num; i++)
		ring_offer(&d, REPORTS, 0);
	ring_kick(&d, REPORTS);
	start = time(NULL);
	CHECKED(disk_enable(&d, REPORTS, 0));
	ASSERT(time(NULL) - start <= 2);
}

static void ioctls_are_checked(const void *arg)
{
	struct vm *vm = vm_new(&(struct vm_config){ .ram = RAM });
	struct disk disk = disk_new(vm, file_new(MIB), 0, 1), d;
	u64 plain = 1ull << VIRTIO_F_VERSION_1, offered;
	struct ditto_balloon b = { .flags = 4 };

#define REFUSED(member, value) do {						\
	struct ditto_create_virtio args = balloon_args;				\
	args.member = value;							\
	ASSERT_ERRNO(ioctl(vm->fd, DITTO_CREATE_VIRTIO, &args), EINVAL);	\
} while (0)
	REFUSED(queues, 4);
	REFUSED(queues, 6);
	REFUSED(fd, 0);
	REFUSED(flags, DITTO_VIRTIO_READONLY);
	REFUSED(serial[5], 'x');
	REFUSED(reserved[0], 1);
	d = device_new(vm, &balloon_args);
	ASSERT_ERRNO(ioctl(d.fd, DITTO_BALLOON, &b), EINVAL);
	b = (struct ditto_balloon){ .reserved[1] = 1 };
	ASSERT_ERRNO(ioctl(d.fd, DITTO_BALLOON, &b), EINVAL);
	b = (struct ditto_balloon){ 0 };
	ASSERT_ERRNO(ioctl(disk.fd, DITTO_BALLOON, &b), ENODEV);
	set_config(&disk, 0, 1, EOPNOTSUPP);
	CHECKED(ioctl(d.fd, VHOST_GET_FEATURES, &offered));
	ASSERT_EQ(offered & 0x3f, 1 << VIRTIO_BALLOON_F_STATS_VQ | POISON |
		  1 << VIRTIO_BALLOON_F_DEFLATE_ON_OOM | 1 << VIRTIO_BALLOON_F_REPORTING);
	/* Queues of features that were not accepted are not there. */
	for (u32 i = 0; i < DITTO_BALLOON_QUEUES; i++) {
		disk_set_up(&d, i, plain);
		if (i <= DEFLATE)
			CHECKED(disk_enable(&d, i, 1));
		else
			ASSERT_ERRNO(disk_enable(&d, i, 1), EINVAL);
		CHECKED(disk_enable(&d, i, 0));
	}
	CHECKED(ioctl(d.fd, VHOST_RESET_OWNER));
	ASSERT_ERRNO(ioctl(d.fd, DITTO_BALLOON, &b), EPERM);
}

/* Drivers that leave no gaps report by the third queue, or the fourth. */
static void reports_by_other_queues(const void *arg)
{
	need_gmem();
	for (u32 queue = STATS; queue <= REPORTS; queue++) {
		struct vm *vm = vm_new(&(struct vm_config){ .ram = RAM });
		struct disk d = device_new(vm, &balloon_args);

		*(u8 *)data_at(&d, 16 * MIB) = 1;
		disk_set_up(&d, queue, queue != STATS ? BALLOON :
				       BALLOON & ~(1ull << VIRTIO_BALLOON_F_STATS_VQ));
		CHECKED(disk_enable(&d, queue, 1));
		give(&d, queue, 16 * MIB, MIB, VRING_DESC_F_WRITE);
		ASSERT_EQ(*(u8 *)data_at(&d, 16 * MIB), 0);
	}
}

/* Another thread touches, writes and reads what is given back at the same time. */
static volatile bool storm_over;

static void *storm(void *arg)
{
	struct disk *d = arg;
	unsigned int seed = 1;

	while (!storm_over) {
		u64 gpa = 16 * MIB + rand_r(&seed) % 1024 * PAGE_SIZE;

		*(volatile u8 *)data_at(d, gpa) = 0xaa;
		/* And in the rings and what they point at. */
		if (rand_r(&seed) % 16 == 0)
			*(volatile u32 *)data_at(d, PFNS_AT + rand_r(&seed) % 1024 * 4) =
				rand_r(&seed) % 2 ? rand_r(&seed) : 4096 + rand_r(&seed) % 1024;
		if (rand_r(&seed) % 64 == 0)
			*(volatile u16 *)((u8 *)ring_desc(d, INFLATE) + rand_r(&seed) % 16) =
				rand_r(&seed);
	}
	return NULL;
}

static void storm_round(struct disk *d, u32 i)
{
	u32 queue = i % 2 ? INFLATE : REPORTS;

	ring_desc(d, queue)[0] = queue == INFLATE ? (struct vring_desc){ PFNS_AT, 4096, 0, 0 } :
		(struct vring_desc){ 16 * MIB + i % 64 * PAGE_SIZE, MIB, VRING_DESC_F_WRITE, 0 };
	ring_offer(d, queue, 0);
	ring_kick(d, queue);
	usleep(500);
	if (!disk_state(d, queue).error)
		return;
	CHECKED(disk_enable(d, queue, 0));
	d->avail[queue] = ring_avail(d, queue)->idx = ring_used(d, queue)->idx;
	CHECKED(disk_enable(d, queue, 1));
}

static void given_back_while_used(const void *arg)
{
	struct disk d = balloon_ready();
	pthread_t thread;

	need_gmem();
	ASSERT_EQ(pthread_create(&thread, NULL, storm, &d), 0);
	for (u32 i = 0; i < 1000; i++)
		storm_round(&d, i);
	storm_over = true;
	pthread_join(thread, NULL);
	note("%llu pages went", (unsigned long long)balloon_state(&d).given);
	ASSERT(balloon_state(&d).given > 0);
}

static const struct tap_test tests[] = {
	{ "inflated_pages_are_the_hosts", inflated_pages_are_the_hosts },
	{ "numbers_in_any_order", numbers_in_any_order },
	{ "reported_pages_are_the_hosts", reported_pages_are_the_hosts },
	{ "poisoned_pages_stay", poisoned_pages_stay },
	{ "configuration_space", configuration_space },
	{ "statistics_when_asked", statistics_when_asked },
	{ "pages_that_are_not_memory", pages_that_are_not_memory },
	{ "memory_of_the_process", memory_of_the_process },
	{ "memory_behind_a_mapping", memory_behind_a_mapping },
	{ "forked_pages", forked_pages },
	{ "dirty_log_knows_of_it", dirty_log_knows_of_it },
	{ "held_pages_stay", held_pages_stay },
	{ "bad_chains", bad_chains },
	{ "endless_reports", endless_reports },
	{ "ioctls_are_checked", ioctls_are_checked },
	{ "reports_by_other_queues", reports_by_other_queues },
	{ "given_back_while_used", given_back_while_used },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, tests, ARRAY_SIZE(tests));
}
