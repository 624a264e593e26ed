// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kernel's disk with a packed ring; the test is the driver. blk.c tests what requests do. This
 * file tests that rings wrap, stop, and go on where they stopped, and that a ring whose descriptors
 * change while they are read does nothing worse than stop.
 */
#include <pthread.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "virtio/ring.h"

#define PACKED		(FEATURES | 1ull << VIRTIO_F_RING_PACKED)
#define EVENT_IDX	(1ull << VIRTIO_RING_F_EVENT_IDX)
#define NUM		16
#define BASE		(1u << 15 | 1u << 31)
#define AVAIL		(1u << VRING_PACKED_DESC_F_AVAIL)
#define USED		(1u << VRING_PACKED_DESC_F_USED)
#define WRAP		(1u << VRING_PACKED_EVENT_F_WRAP_CTR)
#define HEADER_AT	(DATA_AT - PAGE_SIZE)
#define STATUS_AT	(HEADER_AT + 64)

/**
 * struct packed - a disk, and the driver's state
 * @d: the disk; its indices are not used
 * @next, @wrap: where the next descriptor is made available
 * @id: of the next request
 */
struct packed {
	struct disk d;
	u32 next, id;
	bool wrap;
};

static volatile struct vring_packed_desc *table(struct packed *p)
{
	return (void *)ring_desc(&p->d, 0);
}

static volatile struct vring_packed_desc_event *driver_wish(struct packed *p)
{
	return (void *)ring_avail(&p->d, 0);
}

static volatile struct vring_packed_desc_event *device_wish(struct packed *p)
{
	return (void *)ring_used(&p->d, 0);
}

static struct packed packed_ready(u64 features)
{
	struct vm *vm = vm_new(&(struct vm_config){ .ram = 16 * MIB });
	struct packed p = { .d = disk_new(vm, file_new(MIB), 0, 1), .wrap = true };

	p.d.num = NUM;
	p.d.base = BASE;
	disk_set_up(&p.d, 0, features);
	CHECKED(disk_enable(&p.d, 0, 1));
	return p;
}

/* @n descriptors become available, the first one last. Returns where they begin. */
static u32 offer(struct packed *p, const struct vring_packed_desc *desc, u32 n)
{
	u32 head = p->next;
	u16 first = 0;

	for (u32 i = 0; i < n; i++) {
		volatile struct vring_packed_desc *to = &table(p)[p->next];
		u16 flags = desc[i].flags | (p->wrap ? AVAIL : USED);

		to->addr = desc[i].addr;
		to->len = desc[i].len;
		to->id = desc[i].id;
		if (i)
			to->flags = flags;
		else
			first = flags;
		if (++p->next == NUM) {
			p->next = 0;
			p->wrap = !p->wrap;
		}
	}
	__atomic_store_n((u16 *)&table(p)[head].flags, first, __ATOMIC_SEQ_CST);
	return head;
}

/* A read of one sector, by a chain, or by a table. Returns where it begins. */
static u32 submit(struct packed *p, u64 sector, bool indirect)
{
	u16 id = ++p->id;
	struct vring_packed_desc chain[] = {
		{ HEADER_AT, 16, id, VRING_DESC_F_NEXT },
		{ DATA_AT, SECTOR, id, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE },
		{ STATUS_AT, 1, id, VRING_DESC_F_WRITE },
	}, one = { RING_AT + 0x9000, sizeof(chain), id, VRING_DESC_F_INDIRECT };

	*(struct virtio_blk_outhdr *)data_at(&p->d, HEADER_AT) =
		(struct virtio_blk_outhdr){ .type = VIRTIO_BLK_T_IN, .sector = sector };
	*(volatile u8 *)data_at(&p->d, STATUS_AT) = 0xee;
	if (!indirect)
		return offer(p, chain, 3);
	memcpy(ring_table(&p->d, 0), chain, sizeof(chain));
	return offer(p, &one, 1);
}

static void answered(struct packed *p, u32 head, u64 sector, u16 wrap)
{
	const u8 *data = data_at(&p->d, DATA_AT);
	u16 flags = __atomic_load_n((u16 *)&table(p)[head].flags, __ATOMIC_SEQ_CST);

	ASSERT_EQ(flags, wrap | VRING_DESC_F_WRITE);
	ASSERT_EQ(table(p)[head].id, (u16)p->id);
	ASSERT_EQ(table(p)[head].len, SECTOR + 1);
	ASSERT_EQ(*(volatile u8 *)data_at(&p->d, STATUS_AT), VIRTIO_BLK_S_OK);
	for (u32 i = 0; i < SECTOR; i++)
		ASSERT_EQ(data[i], file_byte(sector * SECTOR + i));
}

static void request(struct packed *p, u64 sector, bool indirect)
{
	u16 wrap = p->wrap ? AVAIL | USED : 0;
	u32 head = submit(p, sector, indirect);

	ring_kick(&p->d, 0);
	if (!event_comes(p->d.call[0], 10000))
		fail("no answer; error %u", disk_state(&p->d, 0).error);
	answered(p, head, sector, wrap);
}

static void rings_turn(const void *arg)
{
	struct packed p = packed_ready(PACKED);

	for (u32 i = 0; i < 20 * NUM; i++)
		request(&p, i, i % 3 == 0);
	ASSERT_EQ(disk_state(&p.d, 0).failed, 0);
}

/* The driver names a place; the device calls when it passes that, and waits for the next. */
static void places_are_kept(const void *arg)
{
	struct packed p = packed_ready(PACKED | EVENT_IDX);

	request(&p, 0, false);
	for (u32 i = 0; i < 4 * NUM; i++) {
		u32 last = (p.next + 2) % NUM;
		bool wrap = p.wrap ^ (p.next + 2 >= NUM);

		*driver_wish(&p) = (struct vring_packed_desc_event){
			last | (wrap ? WRAP : 0), VRING_PACKED_EVENT_FLAG_DESC };
		submit(&p, i, true);
		submit(&p, i, true);
		ring_kick(&p.d, 0);
		ASSERT(!event_comes(p.d.call[0], 20));
		request(&p, i, true);
		for (u32 tries = 0; tries < 1000 && device_wish(&p)->off_wrap !=
		     (p.next | (p.wrap ? WRAP : 0)); tries++)
			usleep(1000);
		ASSERT_EQ(device_wish(&p)->off_wrap, p.next | (p.wrap ? WRAP : 0));
		ASSERT_EQ(device_wish(&p)->flags, VRING_PACKED_EVENT_FLAG_DESC);
	}
}

static void calls_can_be_suppressed(const void *arg)
{
	struct packed p = packed_ready(PACKED);
	u16 wrap = AVAIL | USED;
	u32 head;

	driver_wish(&p)->flags = VRING_PACKED_EVENT_FLAG_DISABLE;
	head = submit(&p, 1, false);
	ring_kick(&p.d, 0);
	ASSERT(!event_comes(p.d.call[0], 100));
	answered(&p, head, 1, wrap);
}

static u32 get_base(struct packed *p)
{
	struct vhost_vring_state base = { 0 };

	CHECKED(ioctl(p->d.fd, VHOST_GET_VRING_BASE, &base));
	return base.num;
}

/* What GET_VRING_BASE says is where the next device goes on, in any turn. */
static void goes_on_where_it_stopped(const void *arg)
{
	struct packed p = packed_ready(PACKED);

	for (u32 i = 0; i < 30; i++) {
		u32 place = p.next | (p.wrap ? WRAP : 0);

		ASSERT_EQ(get_base(&p), place | place << 16);
		request(&p, i, i % 2);
		CHECKED(disk_enable(&p.d, 0, 0));
		p.d.base = get_base(&p);
		CHECKED(ioctl(p.d.fd, VHOST_RESET_OWNER));
		CHECKED(ioctl(p.d.fd, VHOST_SET_OWNER));
		disk_set_up(&p.d, 0, PACKED);
		CHECKED(disk_enable(&p.d, 0, 1));
	}
	/* A place that is not in the ring, and an area that is not aligned. */
	CHECKED(disk_enable(&p.d, 0, 0));
	for (u32 i = 0; i < 2; i++) {
		struct vhost_vring_state base = { .num = i ? NUM << 16 : NUM };

		CHECKED(ioctl(p.d.fd, VHOST_SET_VRING_BASE, &base));
		ASSERT_ERRNO(disk_enable(&p.d, 0, 1), EINVAL);
	}
	CHECKED(ioctl(p.d.fd, VHOST_SET_VRING_BASE, &(struct vhost_vring_state){ .num = BASE }));
	CHECKED(ioctl(p.d.fd, VHOST_SET_VRING_ADDR, &(struct vhost_vring_addr){
		.desc_user_addr = RING_AT, .avail_user_addr = RING_AT + 0x4002,
		.used_user_addr = RING_AT + 0x6000 }));
	ASSERT_ERRNO(disk_enable(&p.d, 0, 1), EINVAL);
}

/* Another thread writes over the ring while the device works; it must survive, no more. */
static volatile bool storm_over;

static void *storm(void *arg)
{
	struct packed *p = arg;
	unsigned int seed = 1;

	while (!storm_over) {
		volatile struct vring_packed_desc *d = &table(p)[rand_r(&seed) % NUM];

		switch (rand_r(&seed) % 4) {
		case 0:
			d->len = rand_r(&seed) % 4 ? rand_r(&seed) % 4096 : rand_r(&seed);
			break;
		case 1:
			d->addr = rand_r(&seed) % 2 ? DATA_AT : (u64)rand_r(&seed) << 12;
			break;
		default:
			d->flags = (u16)rand_r(&seed) & (AVAIL | USED | 7);
		}
		if (rand_r(&seed) % 64 == 0)
			ring_kick(&p->d, 0);
	}
	return NULL;
}

static void hostile_rings(const void *arg)
{
	struct packed p = packed_ready(PACKED | EVENT_IDX);
	u32 broken = 0;
	pthread_t thread;

	ASSERT_EQ(pthread_create(&thread, NULL, storm, &p), 0);
	for (u32 i = 0; i < 200; i++) {
		submit(&p, i, i % 2);
		ring_kick(&p.d, 0);
		usleep(1000);
		if (!disk_state(&p.d, 0).error)
			continue;
		broken++;
		CHECKED(disk_enable(&p.d, 0, 0));
		CHECKED(disk_enable(&p.d, 0, 1));
	}
	storm_over = true;
	pthread_join(thread, NULL);
	note("%llu requests, broken %u times",
	     (unsigned long long)disk_state(&p.d, 0).requests, broken);
	ASSERT(broken > 0);
	p = packed_ready(PACKED);
	request(&p, 1, false);
}

static const struct tap_test tests[] = {
	{ "rings_turn", rings_turn },
	{ "places_are_kept", places_are_kept },
	{ "calls_can_be_suppressed", calls_can_be_suppressed },
	{ "goes_on_where_it_stopped", goes_on_where_it_stopped },
	{ "hostile_rings", hostile_rings },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, tests, ARRAY_SIZE(tests));
}
