// SPDX-License-Identifier: GPL-2.0-only
/*
 * The disk in the kernel, without a guest: the test is the driver. What requests do, what is
 * refused, and that no ring, however hostile, does more than stop its queue.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "virtio/ring.h"

static void read_is_what_the_file_has(const void *arg)
{
	struct disk d = disk_ready(0);
	u8 *data = data_at(&d, DATA_AT);

	ASSERT_EQ(disk_request(&d, VIRTIO_BLK_T_IN, 3, DATA_AT + 100, 200 * SECTOR),
		  VIRTIO_BLK_S_OK);
	for (u64 i = 0; i < 200 * SECTOR; i++)
		ASSERT_EQ(data[100 + i], file_byte(3 * SECTOR + i));
	ASSERT_EQ(data[99], 0);
	ASSERT_EQ(data[100 + 200 * SECTOR], 0);
	ASSERT_EQ(ring_used(&d, 0)->ring[0].len, 200 * SECTOR + 1);
	ASSERT_EQ(ring_used(&d, 0)->ring[0].id, 0);
}

static void write_reaches_the_file(const void *arg)
{
	struct disk d = disk_ready(0);
	static u8 buf[300 * SECTOR];

	for (u64 i = 0; i < sizeof(buf); i++)
		((u8 *)data_at(&d, DATA_AT))[i] = i * 3 + 1;
	ASSERT_EQ(disk_request(&d, VIRTIO_BLK_T_OUT, 5, DATA_AT, sizeof(buf)), VIRTIO_BLK_S_OK);
	ASSERT_EQ(ring_used(&d, 0)->ring[0].len, 1);
	ASSERT_EQ(disk_request(&d, VIRTIO_BLK_T_FLUSH, 0, DATA_AT, 0), VIRTIO_BLK_S_OK);
	ASSERT_EQ(pread(d.file, buf, sizeof(buf), 5 * SECTOR), sizeof(buf));
	for (u64 i = 0; i < sizeof(buf); i++)
		ASSERT_EQ(buf[i], (u8)(i * 3 + 1));
	ASSERT_EQ(pread(d.file, buf, 1, 5 * SECTOR - 1), 1);
	ASSERT_EQ(buf[0], file_byte(5 * SECTOR - 1));
	ASSERT_EQ(pread(d.file, buf, 1, 305 * SECTOR), 1);
	ASSERT_EQ(buf[0], file_byte(305 * SECTOR));
}

static void beyond_the_end_is_an_error(const void *arg)
{
	static const struct { u64 sector; u32 len; } cases[] = {
		{ 2048, SECTOR }, { 2047, 2 * SECTOR }, { ~0ull, SECTOR },
		{ ~0ull / SECTOR, SECTOR },
		{ 1ull << 55, SECTOR }, { 0, SECTOR - 1 }, { 0, 1 },
	};
	struct disk d = disk_ready(0);
	struct stat st;

	for (u32 i = 0; i < ARRAY_SIZE(cases); i++) {
		ASSERT_EQ(disk_request(&d, VIRTIO_BLK_T_IN, cases[i].sector, DATA_AT, cases[i].len),
			  VIRTIO_BLK_S_IOERR);
		ASSERT_EQ(disk_request(&d, VIRTIO_BLK_T_OUT, cases[i].sector, DATA_AT,
				       cases[i].len),
			  VIRTIO_BLK_S_IOERR);
	}
	ASSERT_EQ(disk_request(&d, VIRTIO_BLK_T_OUT, 2047, DATA_AT, SECTOR), VIRTIO_BLK_S_OK);
	CHECKED(fstat(d.file, &st));
	ASSERT_EQ(st.st_size, MIB);
	ASSERT_EQ(disk_state(&d, 0).failed, 2 * ARRAY_SIZE(cases));
	ASSERT_EQ(disk_state(&d, 0).requests, 2 * ARRAY_SIZE(cases) + 1);
}

static void readonly_disk_is_not_written(const void *arg)
{
	struct disk d = disk_ready(DITTO_VIRTIO_READONLY);
	u64 features;
	u8 byte;

	CHECKED(ioctl(d.fd, VHOST_GET_FEATURES, &features));
	ASSERT(features & 1ull << VIRTIO_BLK_F_RO);
	ASSERT(!(features & 1ull << VIRTIO_BLK_F_DISCARD));
	ASSERT_EQ(disk_request(&d, VIRTIO_BLK_T_OUT, 0, DATA_AT, SECTOR), VIRTIO_BLK_S_IOERR);
	ASSERT_EQ(disk_request(&d, VIRTIO_BLK_T_DISCARD, 0, DATA_AT, 16), VIRTIO_BLK_S_UNSUPP);
	ASSERT_EQ(disk_request(&d, VIRTIO_BLK_T_IN, 0, DATA_AT, SECTOR), VIRTIO_BLK_S_OK);
	ASSERT_EQ(pread(d.file, &byte, 1, 3), 1);
	ASSERT_EQ(byte, file_byte(3));
}

static void serial_and_unknown_types(const void *arg)
{
	struct disk d = disk_ready(0);

	ASSERT_EQ(disk_request(&d, VIRTIO_BLK_T_GET_ID, 0, DATA_AT, 20), VIRTIO_BLK_S_OK);
	ASSERT_EQ(memcmp(data_at(&d, DATA_AT), "serial-of-the-disk\0", 20), 0);
	ASSERT_EQ(disk_request(&d, 77, 0, DATA_AT, SECTOR), VIRTIO_BLK_S_UNSUPP);
	ASSERT_EQ(disk_request(&d, ~0u, 0, DATA_AT, SECTOR), VIRTIO_BLK_S_UNSUPP);
}

static void put_run(struct disk *d, u64 sector, u32 sectors, u32 flags)
{
	*(struct virtio_blk_discard_write_zeroes *)data_at(d, DATA_AT) =
		(struct virtio_blk_discard_write_zeroes){ sector, sectors, flags };
}

static void zeroes_and_discards(const void *arg)
{
	struct disk d = disk_ready(0);
	u8 buf[4 * SECTOR];

	for (u32 unmap = 0; unmap < 2; unmap++) {
		put_run(&d, 16 + 100 * unmap, 2, unmap);
		ASSERT_EQ(disk_request(&d, VIRTIO_BLK_T_WRITE_ZEROES, 0, DATA_AT, 16),
			  VIRTIO_BLK_S_OK);
		ASSERT_EQ(pread(d.file, buf, sizeof(buf), (15 + 100 * unmap) * SECTOR),
			  sizeof(buf));
		for (u64 i = 0; i < sizeof(buf); i++)
			ASSERT_EQ(buf[i], i >= SECTOR && i < 3 * SECTOR ? 0 :
				  file_byte((15 + 100 * unmap) * SECTOR + i));
	}
	put_run(&d, 2047, 2, 0);
	ASSERT_EQ(disk_request(&d, VIRTIO_BLK_T_WRITE_ZEROES, 0, DATA_AT, 16), VIRTIO_BLK_S_IOERR);
	ASSERT_EQ(disk_request(&d, VIRTIO_BLK_T_DISCARD, 0, DATA_AT, 16), VIRTIO_BLK_S_IOERR);
	put_run(&d, 0, 1, 2);
	ASSERT_EQ(disk_request(&d, VIRTIO_BLK_T_WRITE_ZEROES, 0, DATA_AT, 16), VIRTIO_BLK_S_UNSUPP);
	put_run(&d, 0, 1, 1);
	ASSERT_EQ(disk_request(&d, VIRTIO_BLK_T_DISCARD, 0, DATA_AT, 16), VIRTIO_BLK_S_UNSUPP);
	ASSERT_EQ(disk_request(&d, VIRTIO_BLK_T_DISCARD, 0, DATA_AT, 15), VIRTIO_BLK_S_IOERR);
	ASSERT_EQ(disk_request(&d, VIRTIO_BLK_T_DISCARD, 0, DATA_AT, 17 * 16), VIRTIO_BLK_S_IOERR);
	ASSERT_EQ(pread(d.file, buf, 1, 0), 1);
	ASSERT_EQ(buf[0], file_byte(0));
}

/* Data where no memory is: the request fails, and the queue goes on. */
static void data_outside_memory(const void *arg)
{
	struct disk d = disk_ready(0);

	ASSERT_EQ(disk_request(&d, VIRTIO_BLK_T_IN, 0, 1ull << 40, SECTOR), VIRTIO_BLK_S_IOERR);
	ASSERT_EQ(ring_used(&d, 0)->ring[0].len, 0);
	ASSERT_EQ(disk_request(&d, VIRTIO_BLK_T_OUT, 0, 16 * MIB - 256, SECTOR),
		  VIRTIO_BLK_S_IOERR);
	ASSERT_EQ(disk_request(&d, VIRTIO_BLK_T_IN, 0, DATA_AT, SECTOR), VIRTIO_BLK_S_OK);
}

static void file_that_shrank(const void *arg)
{
	struct disk d = disk_ready(0);

	CHECKED(ftruncate(d.file, 100 * SECTOR));
	ASSERT_EQ(disk_request(&d, VIRTIO_BLK_T_IN, 90, DATA_AT, 20 * SECTOR), VIRTIO_BLK_S_IOERR);
	ASSERT_EQ(disk_request(&d, VIRTIO_BLK_T_IN, 90, DATA_AT, 10 * SECTOR), VIRTIO_BLK_S_OK);
}

/* Broken rings: each stops its queue with its own reason, and a new start heals it. */
static void no_change(struct disk *d) { }
static void far_avail(struct disk *d) { d->avail[0] += 100; }
static void loop(struct disk *d) { ring_desc(d, 0)[1].next = 1; }
static void next_outside(struct disk *d) { ring_desc(d, 0)[1].next = 64; }
static void order(struct disk *d)
{
	ring_desc(d, 0)[0].flags |= VRING_DESC_F_WRITE;
	ring_desc(d, 0)[1].flags &= ~VRING_DESC_F_WRITE;
}
static void empty(struct disk *d) { ring_desc(d, 0)[1].len = 0; }
static void wraps(struct disk *d) { ring_desc(d, 0)[1].addr = -100ull; }
static void short_header(struct disk *d) { ring_desc(d, 0)[0].len = 15; }
static void status_nowhere(struct disk *d) { ring_desc(d, 0)[2].addr = 1ull << 40; }
static void no_status(struct disk *d) { ring_desc(d, 0)[1].flags = 0; }
static void too_much(struct disk *d)
{
	ring_desc(d, 0)[0].len = ~0u;
	ring_desc(d, 0)[1].len = ~0u;
}
static void indirect_odd(struct disk *d)
{
	ring_put(d, 0, RING_AT + 0x9000, 17, VRING_DESC_F_INDIRECT, 0);
}
static void indirect_empty(struct disk *d)
{
	ring_put(d, 0, RING_AT + 0x9000, 0, VRING_DESC_F_INDIRECT, 0);
}
static void indirect_next(struct disk *d)
{
	ring_put(d, 0, RING_AT + 0x9000, 16, VRING_DESC_F_INDIRECT | VRING_DESC_F_NEXT, 1);
}
static void indirect_nested(struct disk *d)
{
	ring_put(d, 0, RING_AT + 0x9000, 16, VRING_DESC_F_INDIRECT, 0);
	ring_table(d, 0)[0] = ring_desc(d, 0)[0];
}
static void indirect_nowhere(struct disk *d)
{
	ring_put(d, 0, 1ull << 40, 16, VRING_DESC_F_INDIRECT, 0);
}

static const struct breakage {
	const char *name;
	void (*change)(struct disk *d);
	u16 head;
	u32 error;
} breakages[] = {
	{ "index jumps", far_avail, 0, DITTO_VIRTIO_ERR_AVAIL },
	{ "head", no_change, 64, DITTO_VIRTIO_ERR_HEAD },
	{ "loop", loop, 0, DITTO_VIRTIO_ERR_LONG },
	{ "next", next_outside, 0, DITTO_VIRTIO_ERR_NEXT },
	{ "order", order, 0, DITTO_VIRTIO_ERR_ORDER },
	{ "empty", empty, 0, DITTO_VIRTIO_ERR_LENGTH },
	{ "wraps", wraps, 0, DITTO_VIRTIO_ERR_LENGTH },
	{ "too much", too_much, 0, DITTO_VIRTIO_ERR_LENGTH },
	{ "short header", short_header, 0, DITTO_VIRTIO_ERR_REQUEST },
	{ "no status", no_status, 0, DITTO_VIRTIO_ERR_REQUEST },
	{ "status nowhere", status_nowhere, 0, DITTO_VIRTIO_ERR_MEMORY },
	{ "indirect odd", indirect_odd, 0, DITTO_VIRTIO_ERR_INDIRECT },
	{ "indirect empty", indirect_empty, 0, DITTO_VIRTIO_ERR_INDIRECT },
	{ "indirect and next", indirect_next, 0, DITTO_VIRTIO_ERR_INDIRECT },
	{ "indirect nested", indirect_nested, 0, DITTO_VIRTIO_ERR_INDIRECT },
	{ "indirect nowhere", indirect_nowhere, 0, DITTO_VIRTIO_ERR_MEMORY },
};

static void break_once(struct disk *d, const struct breakage *b)
{
	struct vhost_vring_state base = { 0 };

	note("%s", b->name);
	ring_put(d, 0, DATA_AT, 16, VRING_DESC_F_NEXT, 1);
	ring_put(d, 1, DATA_AT + 4096, SECTOR, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 2);
	ring_put(d, 2, DATA_AT + 16, 1, VRING_DESC_F_WRITE, 0);
	if (b->change == no_status)
		ring_put(d, 1, DATA_AT + 4096, SECTOR, 0, 0);
	b->change(d);
	ring_offer(d, 0, b->head);
	ring_kick(d, 0);
	ASSERT(event_comes(d->err[0], 10000));
	ASSERT_EQ(disk_state(d, 0).error, b->error);
	ASSERT_EQ(ring_used(d, 0)->idx, d->used[0]);
	/* Nothing but a new start heals it. */
	ring_kick(d, 0);
	ASSERT(!event_comes(d->call[0], 50));
	CHECKED(disk_enable(d, 0, 0));
	CHECKED(ioctl(d->fd, VHOST_GET_VRING_BASE, &base));
	ASSERT_EQ(base.num, d->used[0]);
	d->avail[0] = ring_avail(d, 0)->idx = base.num;
	CHECKED(disk_enable(d, 0, 1));
	ASSERT_EQ(disk_request(d, VIRTIO_BLK_T_IN, 0, DATA_AT, SECTOR), VIRTIO_BLK_S_OK);
}

static void broken_rings(const void *arg)
{
	struct disk d = disk_ready(0);

	for (u32 i = 0; i < ARRAY_SIZE(breakages); i++)
		break_once(&d, &breakages[i]);
}

static void indirect_request(const void *arg)
{
	struct disk d = disk_ready(0);
	struct vring_desc *t = ring_table(&d, 0);

	*(struct virtio_blk_outhdr *)data_at(&d, DATA_AT) =
		(struct virtio_blk_outhdr){ .type = VIRTIO_BLK_T_IN, .sector = 1 };
	t[0] = (struct vring_desc){ DATA_AT, 16, VRING_DESC_F_NEXT, 1 };
	for (u32 i = 1; i <= 100; i++)
		t[i] = (struct vring_desc){ DATA_AT + 0x1000 + 2 * i * SECTOR, SECTOR,
					    VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, i + 1 };
	t[101] = (struct vring_desc){ DATA_AT + 16, 1, VRING_DESC_F_WRITE, 0 };
	ring_put(&d, 7, RING_AT + 0x9000, 102 * 16, VRING_DESC_F_INDIRECT, 0);
	ring_offer(&d, 0, 7);
	ring_kick(&d, 0);
	ASSERT(event_comes(d.call[0], 10000));
	ASSERT_EQ(ring_used(&d, 0)->ring[0].id, 7);
	for (u32 i = 1; i <= 100; i++)
		for (u32 at = 0; at < SECTOR; at++)
			ASSERT_EQ(((u8 *)data_at(&d, DATA_AT + 0x1000 + 2 * i * SECTOR))[at],
				  file_byte(i * SECTOR + at));
}

/* Offers @n reads, which are carried out at once; how often it was called for them. */
static u64 calls_for(struct disk *d, u32 n)
{
	u64 calls = 0;

	for (u32 i = 0; i < n; i++)
		ring_offer(d, 0, 0);
	ring_kick(d, 0);
	d->used[0] += n;
	for (u32 tries = 0; tries < 10000; tries++) {
		calls += event_comes(d->call[0], 1);
		if (__atomic_load_n(&ring_used(d, 0)->idx, __ATOMIC_SEQ_CST) == d->used[0])
			break;
	}
	ASSERT_EQ(ring_used(d, 0)->idx, d->used[0]);
	return calls + event_comes(d->call[0], 50);
}

static void event_index_is_kept(const void *arg)
{
	struct vm *vm = vm_new(&(struct vm_config){ .ram = 16 * MIB });
	struct disk d = disk_new(vm, file_new(MIB), 0, 1);
	struct vring_used *used = ring_used(&d, 0);
	volatile u16 *used_event = &ring_avail(&d, 0)->ring[d.num];
	volatile u16 *avail_event = (u16 *)&used->ring[d.num];

	disk_set_up(&d, 0, FEATURES | 1ull << VIRTIO_RING_F_EVENT_IDX);
	CHECKED(disk_enable(&d, 0, 1));
	ASSERT_EQ(disk_request(&d, VIRTIO_BLK_T_IN, 0, DATA_AT, SECTOR), VIRTIO_BLK_S_OK);
	*used_event = d.used[0] + 7;
	ASSERT_EQ(calls_for(&d, 7), 0);
	ASSERT_EQ(calls_for(&d, 1), 1);
	ASSERT_EQ(calls_for(&d, 30), 0);
	for (u32 tries = 0; *avail_event != d.avail[0] && tries < 1000; tries++)
		usleep(1000);
	ASSERT_EQ(*avail_event, d.avail[0]);
}

static void calls_can_be_suppressed(const void *arg)
{
	struct disk d = disk_ready(0);

	ASSERT_EQ(disk_request(&d, VIRTIO_BLK_T_IN, 0, DATA_AT, SECTOR), VIRTIO_BLK_S_OK);
	ring_avail(&d, 0)->flags = VRING_AVAIL_F_NO_INTERRUPT;
	ASSERT_EQ(calls_for(&d, 5), 0);
	ring_avail(&d, 0)->flags = 0;
	ASSERT(calls_for(&d, 1) == 1);
}

static void dirty_log_knows_what_is_read(const void *arg)
{
	struct disk d = disk_ready(0);
	u64 bitmap[16 * MIB / PAGE_SIZE / 64] = { 0 };
	struct kvm_dirty_log log = { .slot = 0, .dirty_bitmap = bitmap };
	u64 page = DATA_AT / PAGE_SIZE;

	if (tap.gmem)
		CHECKED(vm_set_gmem_slot(d.vm, 0, KVM_MEM_LOG_DIRTY_PAGES, 0, 16 * MIB,
					 d.vm->gmem, 0));
	else
		CHECKED(vm_set_slot(d.vm, 0, KVM_MEM_LOG_DIRTY_PAGES, 0, 16 * MIB, d.vm->ram));
	ASSERT_EQ(disk_request(&d, VIRTIO_BLK_T_IN, 0, DATA_AT, 2 * PAGE_SIZE), VIRTIO_BLK_S_OK);
	CHECKED(ioctl(d.vm->fd, KVM_GET_DIRTY_LOG, &log));
	ASSERT_EQ(bitmap[page / 64] >> page % 64 & 7, 3);
	page = (RING_AT + 0x6000) / PAGE_SIZE;
	ASSERT(bitmap[page / 64] >> page % 64 & 1);
}

static void ioctls_are_checked(const void *arg)
{
	struct vm *vm = vm_new(&(struct vm_config){ .ram = 16 * MIB });
	struct ditto_create_virtio args = { .type = VIRTIO_ID_BLOCK, .fd = file_new(MIB),
		.queues = 1 };
	struct vhost_vring_addr addr = { .desc_user_addr = 8 };
	struct vhost_vring_state state = { .num = 3 };
	struct vhost_vring_file file = { .fd = args.fd };
	u64 features = 1ull << 60;
	int fd, null = CHECKED(open("/dev/null", O_RDWR)), status;

#define REFUSED(member, value, err) do {						\
	struct ditto_create_virtio bad = args;						\
	bad.member = value;								\
	ASSERT_ERRNO(ioctl(vm->fd, DITTO_CREATE_VIRTIO, &bad), err);			\
} while (0)
	REFUSED(type, VIRTIO_ID_NET, ENODEV);
	REFUSED(flags, 2, EINVAL);
	REFUSED(fd, -1, EBADF);
	REFUSED(fd, null, EINVAL);
	REFUSED(fd, vm->fd, EINVAL);
	REFUSED(queues, 0, EINVAL);
	REFUSED(queues, DITTO_VIRTIO_MAX_QUEUES + 1, EINVAL);
	REFUSED(reserved[3], 1, EINVAL);
	fd = CHECKED(ioctl(vm->fd, DITTO_CREATE_VIRTIO, &args));
	ASSERT_ERRNO(ioctl(fd, VHOST_SET_VRING_NUM, &state), EPERM);
	ASSERT_ERRNO(ioctl(fd, VHOST_RESET_OWNER), EPERM);
	CHECKED(ioctl(fd, VHOST_SET_OWNER));
	ASSERT_ERRNO(ioctl(fd, VHOST_SET_OWNER), EBUSY);
	ASSERT_ERRNO(ioctl(fd, VHOST_SET_MEM_TABLE, &state), ENOTTY);
	ASSERT_ERRNO(ioctl(fd, KVM_CREATE_VCPU, 0), ENOTTY);
	ASSERT_ERRNO(ioctl(fd, VHOST_SET_VRING_NUM, &state), EINVAL);
	state.num = 2048;
	ASSERT_ERRNO(ioctl(fd, VHOST_SET_VRING_NUM, &state), EINVAL);
	state.num = 0;
	ASSERT_ERRNO(ioctl(fd, VHOST_SET_VRING_NUM, &state), EINVAL);
	state.num = 0x10000;
	ASSERT_ERRNO(ioctl(fd, VHOST_SET_VRING_BASE, &state), EINVAL);
	ASSERT_ERRNO(ioctl(fd, VHOST_SET_VRING_ADDR, &addr), EINVAL);
	addr.desc_user_addr = 0;
	addr.flags = 1;
	ASSERT_ERRNO(ioctl(fd, VHOST_SET_VRING_ADDR, &addr), EOPNOTSUPP);
	ASSERT_ERRNO(ioctl(fd, VHOST_SET_VRING_KICK, &file), EINVAL);
	ASSERT_ERRNO(ioctl(fd, VHOST_SET_VRING_CALL, &file), EINVAL);
	ASSERT_ERRNO(ioctl(fd, VHOST_SET_FEATURES, &features), EOPNOTSUPP);
	features = 0;
	ASSERT_ERRNO(ioctl(fd, VHOST_SET_FEATURES, &features), EOPNOTSUPP);
	state = (struct vhost_vring_state){ .num = 1 };
	ASSERT_ERRNO(ioctl(fd, VHOST_VDPA_SET_VRING_ENABLE, &state), EINVAL);
	state.index = 1;
	ASSERT_ERRNO(ioctl(fd, VHOST_VDPA_SET_VRING_ENABLE, &state), ENOBUFS);
	if (!fork())
		_exit(ioctl(fd, VHOST_RESET_OWNER) == -1 && errno == EPERM ? 0 : 1);
	wait(&status);
	ASSERT_EQ(status, 0);
	CHECKED(ioctl(fd, VHOST_RESET_OWNER));
	ASSERT_ERRNO(ioctl(fd, VHOST_RESET_OWNER), EPERM);
}

static void enabled_queue_does_not_change(const void *arg)
{
	struct disk d = disk_ready(0);
	struct vhost_vring_state state = { .num = 64 };
	struct vhost_vring_file file = { .fd = -1 };
	u64 features = FEATURES;

	ASSERT_ERRNO(ioctl(d.fd, VHOST_SET_VRING_NUM, &state), EBUSY);
	ASSERT_ERRNO(ioctl(d.fd, VHOST_SET_VRING_BASE, &state), EBUSY);
	ASSERT_ERRNO(ioctl(d.fd, VHOST_SET_VRING_KICK, &file), EBUSY);
	ASSERT_ERRNO(ioctl(d.fd, VHOST_SET_FEATURES, &features), EBUSY);
	ASSERT_ERRNO(disk_enable(&d, 0, 1), EBUSY);
	CHECKED(ioctl(d.fd, VHOST_RESET_OWNER));
	CHECKED(ioctl(d.fd, VHOST_SET_OWNER));
	ASSERT_ERRNO(disk_enable(&d, 0, 1), EINVAL);
}

static void configuration_space(const void *arg)
{
	struct vm *vm = vm_new(&(struct vm_config){ .ram = 16 * MIB });
	struct disk d = disk_new(vm, file_new(MIB), 0, 3);
	struct {
		struct vhost_vdpa_config head;
		struct virtio_blk_config blk;
	} config = { { .len = sizeof(config.blk) } };
	u32 size, id;
	u16 num;

	CHECKED(ioctl(d.fd, VHOST_VDPA_GET_DEVICE_ID, &id));
	ASSERT_EQ(id, VIRTIO_ID_BLOCK);
	CHECKED(ioctl(d.fd, VHOST_VDPA_GET_VRING_NUM, &num));
	ASSERT_EQ(num, DITTO_VIRTIO_MAX_NUM);
	CHECKED(ioctl(d.fd, _IOR(VHOST_VIRTIO, 0x79, u32), &size));
	ASSERT(size >= 60 && size <= 4096);
	config.head.len = 60;
	CHECKED(ioctl(d.fd, VHOST_VDPA_GET_CONFIG, &config));
	ASSERT_EQ(config.blk.capacity, 2048);
	ASSERT_EQ(config.blk.num_queues, 3);
	ASSERT_EQ(config.blk.blk_size, 512);
	config.head.off = size - 59;
	ASSERT_ERRNO(ioctl(d.fd, VHOST_VDPA_GET_CONFIG, &config), EINVAL);
	config.head.off = ~0u;
	ASSERT_ERRNO(ioctl(d.fd, VHOST_VDPA_GET_CONFIG, &config), EINVAL);
}

/* A full queue at one kick, again and again; what a request costs, the system calls included. */
static void full_queues(const void *arg)
{
	const u32 type = arg ? VIRTIO_BLK_T_OUT : VIRTIO_BLK_T_IN, chains = 21, rounds = 50;
	struct disk d = disk_ready(0);
	struct virtio_blk_outhdr *heads = data_at(&d, DATA_AT);
	u8 *status = data_at(&d, DATA_AT + 2048);
	u64 begin;

	for (u32 i = 0; i < chains; i++) {
		heads[i] = (struct virtio_blk_outhdr){ .type = type, .sector = i * 8 };
		ring_put(&d, 3 * i, DATA_AT + i * 16, 16, VRING_DESC_F_NEXT, 3 * i + 1);
		ring_put(&d, 3 * i + 1, DATA_AT + (i + 1) * PAGE_SIZE, PAGE_SIZE,
			 VRING_DESC_F_NEXT | (arg ? 0 : VRING_DESC_F_WRITE), 3 * i + 2);
		ring_put(&d, 3 * i + 2, DATA_AT + 2048 + i, 1, VRING_DESC_F_WRITE, 0);
		memset(data_at(&d, DATA_AT + (i + 1) * PAGE_SIZE), i, PAGE_SIZE);
	}
	begin = __builtin_ia32_rdtsc();
	for (u32 round = 0; round < rounds; round++) {
		memset(status, 0xee, chains);
		for (u32 i = 0; i < chains; i++)
			ring_offer(&d, 0, 3 * i);
		ring_kick(&d, 0);
		d.used[0] += chains;
		while (__atomic_load_n(&ring_used(&d, 0)->idx, __ATOMIC_SEQ_CST) != d.used[0])
			ASSERT(event_comes(d.call[0], 10000));
		for (u32 i = 0; i < chains; i++)
			ASSERT_EQ(status[i], VIRTIO_BLK_S_OK);
	}
	note("%llu ticks for a request of 4 KiB",
	     (unsigned long long)((__builtin_ia32_rdtsc() - begin) / (rounds * chains)));
	for (u32 i = 0; i < chains; i++) {
		u8 buf[PAGE_SIZE], *data = data_at(&d, DATA_AT + (i + 1) * PAGE_SIZE);

		ASSERT_EQ(pread(d.file, buf, sizeof(buf), i * PAGE_SIZE), sizeof(buf));
		ASSERT_EQ(memcmp(buf, data, sizeof(buf)), 0);
		ASSERT_EQ(buf[5], arg ? (u8)i : file_byte(i * PAGE_SIZE + 5));
	}
}

/* Another thread writes over the rings while the device works; it must survive, no more. */
static volatile bool storm_over;

static void *storm(void *arg)
{
	struct disk *d = arg;
	unsigned int seed = 1;

	while (!storm_over) {
		u64 at = rand_r(&seed) % 2 ? rand_r(&seed) % 0x60 : 0x4000 + rand_r(&seed) % 8;
		u32 value = rand_r(&seed);

		if (at >= 0x4000 && rand_r(&seed) % 4)
			value = d->avail[0] + value % 3;
		*(volatile u16 *)((u8 *)ring_desc(d, 0) + (at & ~1ul)) = value;
		/* On one CPU the device looks at no ring that is not whole, otherwise. */
		if (rand_r(&seed) % 64 == 0)
			ring_kick(d, 0);
	}
	return NULL;
}

static void hostile_rings(const void *arg)
{
	struct disk d = disk_ready(0);
	u64 requests, broken = 0;
	pthread_t thread;

	ASSERT_EQ(pthread_create(&thread, NULL, storm, &d), 0);
	for (u32 i = 0; i < 150; i++) {
		struct vhost_vring_state base = { 0 };

		for (u32 n = 0; n < 4; n++) {
			d.avail[0] = ring_used(&d, 0)->idx;
			disk_submit(&d, i % 2 ? VIRTIO_BLK_T_IN : VIRTIO_BLK_T_OUT, i, DATA_AT,
				    4 * SECTOR);
		}
		/*
		 * On one CPU this is when the other thread has its turn; then look at what it left.
		 */
		usleep(1000);
		ring_kick(&d, 0);
		usleep(100);
		if (!disk_state(&d, 0).error)
			continue;
		broken++;
		CHECKED(disk_enable(&d, 0, 0));
		CHECKED(ioctl(d.fd, VHOST_GET_VRING_BASE, &base));
		d.avail[0] = ring_avail(&d, 0)->idx = base.num;
		CHECKED(disk_enable(&d, 0, 1));
	}
	storm_over = true;
	pthread_join(thread, NULL);
	requests = disk_state(&d, 0).requests;
	note("%llu requests, broken %llu times", (unsigned long long)requests,
	     (unsigned long long)broken);
	ASSERT(broken > 0);
	CHECKED(disk_enable(&d, 0, 0));
	d = disk_ready(0);
	ASSERT_EQ(disk_request(&d, VIRTIO_BLK_T_IN, 0, DATA_AT, SECTOR), VIRTIO_BLK_S_OK);
}

/* The process is killed, and its files closed, while requests are being carried out. */
static void killed_at_work(const void *arg)
{
	int status;

	for (u32 i = 0; i < 10; i++) {
		pid_t pid = fork();

		if (!pid) {
			struct disk d = disk_ready(0);

			for (;;)
				disk_submit(&d, VIRTIO_BLK_T_OUT, 0, DATA_AT, 1000 * SECTOR);
		}
		usleep(100000 + 10000 * i);
		kill(pid, SIGKILL);
		ASSERT_EQ(waitpid(pid, &status, 0), pid);
	}
}

static const struct tap_test tests[] = {
	{ "read_is_what_the_file_has", read_is_what_the_file_has },
	{ "write_reaches_the_file", write_reaches_the_file },
	{ "beyond_the_end_is_an_error", beyond_the_end_is_an_error },
	{ "readonly_disk_is_not_written", readonly_disk_is_not_written },
	{ "serial_and_unknown_types", serial_and_unknown_types },
	{ "zeroes_and_discards", zeroes_and_discards },
	{ "data_outside_memory", data_outside_memory },
	{ "file_that_shrank", file_that_shrank },
	{ "broken_rings", broken_rings },
	{ "indirect_request", indirect_request },
	{ "event_index_is_kept", event_index_is_kept },
	{ "calls_can_be_suppressed", calls_can_be_suppressed },
	{ "dirty_log_knows_what_is_read", dirty_log_knows_what_is_read },
	{ "ioctls_are_checked", ioctls_are_checked },
	{ "enabled_queue_does_not_change", enabled_queue_does_not_change },
	{ "configuration_space", configuration_space },
	{ "full_queues_read", full_queues },
	{ "full_queues_write", full_queues, "write" },
	{ "hostile_rings", hostile_rings },
	{ "killed_at_work", killed_at_work },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, tests, ARRAY_SIZE(tests));
}
