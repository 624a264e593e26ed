// SPDX-License-Identifier: GPL-2.0-only
/*
 * A kernel of a few functions for "ditto run --net", which drives its network device as no
 * driver should: rings that lie where nothing is, loops, lengths, indices that jump, then
 * descriptors at random. After each the device has to say NEEDS_RESET, and after a reset it
 * has to answer a frame as ever. It says TAP on the first serial port and turns itself off.
 * hostile-net makes a kernel of it; freestanding, 64 bits, flat memory, no interrupts.
 */
#include <linux/types.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>

#define DEVICE		0xd0000000ul
#define COM1		0x3f8
#define POWER		0x604
#define POWER_OFF	0x3400		/* SLP_EN, and what the DSDT calls S5 */
#define NUM		16u
#define LOW		(1ul << 20)
#define RAM_END		(32 * LOW)
#define RX		0
#define TX		1
#define PATIENCE	20000000ul

/* A queue each, and buffers; the machine has 32 MiB. */
struct queue {
	struct vring_desc desc[256];
	struct vring_avail avail __attribute__((aligned(4096)));
	__u16 avail_ring[256 + 1];
	struct vring_used used __attribute__((aligned(4096)));
	struct vring_used_elem used_ring[256 + 1];
} __attribute__((aligned(4096)));

static struct queue *const queues = (void *)(4 * LOW);
static __u8 *const buffers = (void *)(8 * LOW);
static __u64 seed = 0x9e3779b97f4a7c15;
static unsigned int test_number;

static void outb(__u16 port, __u8 value)
{
	__asm__ volatile("outb %0, %1" :: "a"(value), "Nd"(port));
}

static void say(const char *text)
{
	for (; *text; text++)
		outb(COM1, *text);
}

static void say_number(unsigned int n)
{
	if (n >= 10)
		say_number(n / 10);
	outb(COM1, '0' + n % 10);
}

static void put(unsigned int reg, __u32 value)
{
	__asm__ volatile("movl %0, (%1)" :: "r"(value), "r"(DEVICE + reg) : "memory");
}

static __u32 get(unsigned int reg)
{
	__u32 value;

	__asm__ volatile("movl (%1), %0" : "=r"(value) : "r"(DEVICE + reg) : "memory");
	return value;
}

static __u64 random(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	return seed ^= seed << 17;
}

static void status(__u32 bits)
{
	put(VIRTIO_MMIO_STATUS, get(VIRTIO_MMIO_STATUS) | bits);
}

static void negotiate(void)
{
	put(VIRTIO_MMIO_STATUS, 0);
	status(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER);
	put(VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
	put(VIRTIO_MMIO_DRIVER_FEATURES, 1u << (VIRTIO_F_VERSION_1 - 32));
	status(VIRTIO_CONFIG_S_FEATURES_OK);
}

static void queue_at(unsigned int q, __u32 num, __u64 desc, __u64 avail, __u64 used)
{
	put(VIRTIO_MMIO_QUEUE_SEL, q);
	put(VIRTIO_MMIO_QUEUE_NUM, num);
	put(VIRTIO_MMIO_QUEUE_DESC_LOW, desc);
	put(VIRTIO_MMIO_QUEUE_DESC_HIGH, desc >> 32);
	put(VIRTIO_MMIO_QUEUE_AVAIL_LOW, avail);
	put(VIRTIO_MMIO_QUEUE_AVAIL_HIGH, avail >> 32);
	put(VIRTIO_MMIO_QUEUE_USED_LOW, used);
	put(VIRTIO_MMIO_QUEUE_USED_HIGH, used >> 32);
	put(VIRTIO_MMIO_QUEUE_READY, 1);
}

static void clear(void *at, unsigned long len)
{
	for (__u8 *p = at; len--; p++)
		*(volatile __u8 *)p = 0;
}

static void set_up_queue(unsigned int q)
{
	struct queue *at = &queues[q];

	clear(at, sizeof(*at));
	queue_at(q, NUM, (__u64)at->desc, (__u64)&at->avail, (__u64)&at->used);
}

/* As a driver does it, up to DRIVER_OK. */
static void set_up(void)
{
	negotiate();
	set_up_queue(RX);
	set_up_queue(TX);
	status(VIRTIO_CONFIG_S_DRIVER_OK);
}

static void describe(unsigned int q, unsigned int i, __u64 addr, __u32 len, __u16 flags, __u16 next)
{
	queues[q].desc[i] = (struct vring_desc){ addr, len, flags, next };
}

static void offer(unsigned int q, __u16 head, __u16 index)
{
	queues[q].avail.ring[(__u16)(index - 1) % NUM] = head;
	__atomic_store_n(&queues[q].avail.idx, index, __ATOMIC_SEQ_CST);
	put(VIRTIO_MMIO_QUEUE_NOTIFY, q);
}

static int needs_reset(void)
{
	for (unsigned long i = 0; i < PATIENCE; i++) {
		if (get(VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_NEEDS_RESET)
			return 1;
		__asm__ volatile("pause");
	}
	return 0;
}

static int used_reaches(unsigned int q, __u16 index)
{
	for (unsigned long i = 0; i < PATIENCE; i++) {
		if (__atomic_load_n(&queues[q].used.idx, __ATOMIC_ACQUIRE) == index)
			return 1;
		__asm__ volatile("pause");
	}
	return 0;
}

/* Who has 10.0.2.2? */
static const __u8 question[] = {
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 8, 6,
	0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 10, 0, 2, 15, 0, 0, 0, 0, 0, 0, 10, 0, 2, 2,
};

static void put_frame(__u8 *at, const __u8 *frame, unsigned int len)
{
	clear(at, sizeof(struct virtio_net_hdr_v1));
	for (unsigned int i = 0; i < len; i++)
		at[sizeof(struct virtio_net_hdr_v1) + i] = frame[i];
}

/* The device is in order: the network answers. */
static int answers(void)
{
	__u8 *in = buffers, *out = buffers + 65536, *frame = in + sizeof(struct virtio_net_hdr_v1);

	set_up();
	clear(in, 2048);
	describe(RX, 0, (__u64)in, 2048, VRING_DESC_F_WRITE, 0);
	offer(RX, 0, 1);
	put_frame(out, question, sizeof(question));
	describe(TX, 0, (__u64)out, sizeof(struct virtio_net_hdr_v1) + 60, 0, 0);
	offer(TX, 0, 1);
	return used_reaches(TX, 1) && used_reaches(RX, 1) && frame[12] == 8 && frame[13] == 6 &&
	       frame[21] == 2 && !(get(VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_NEEDS_RESET);
}

/* Rings where there is no room for them. */
static int rings_outside(void)
{
	static const struct { __u32 num; __u64 desc, avail, used; } bad[] = {
		{ NUM, DEVICE, 5 * LOW, 6 * LOW }, { NUM, 5 * LOW, DEVICE, 6 * LOW },
		{ NUM, 5 * LOW, 6 * LOW, DEVICE }, { NUM, 5 * LOW, 6 * LOW, RAM_END - 16 },
		{ NUM, RAM_END - 16, 5 * LOW, 6 * LOW }, { NUM, -16ul, 5 * LOW, 6 * LOW },
		{ NUM, 5 * LOW, -2ul, 6 * LOW }, { NUM, 5 * LOW + 8, 6 * LOW, 7 * LOW },
		{ NUM, 5 * LOW, 6 * LOW + 1, 7 * LOW }, { NUM, 5 * LOW, 6 * LOW, 7 * LOW + 2 },
		{ 0, 5 * LOW, 6 * LOW, 7 * LOW }, { 3, 5 * LOW, 6 * LOW, 7 * LOW },
		{ 512, 5 * LOW, 6 * LOW, 7 * LOW }, { 1u << 31, 5 * LOW, 6 * LOW, 7 * LOW },
		{ NUM, 5 * LOW, 1ul << 32, 6 * LOW }, { NUM, 1ul << 63, 5 * LOW, 6 * LOW },
	};

	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		negotiate();
		set_up_queue(RX);
		queue_at(TX, bad[i].num, bad[i].desc, bad[i].avail, bad[i].used);
		status(VIRTIO_CONFIG_S_DRIVER_OK);
		if (!needs_reset())
			return 0;
	}
	return 1;
}

/* Each is a chain from descriptor 0 on. */
static const struct vring_desc chains[][2] = {
	{ { 8 * LOW, 64, VRING_DESC_F_NEXT, 0 } },
	{ { 8 * LOW, 64, VRING_DESC_F_NEXT, 1 }, { 8 * LOW, 64, VRING_DESC_F_NEXT, 0 } },
	{ { 8 * LOW, 64, VRING_DESC_F_NEXT, NUM } },
	{ { 8 * LOW, 64, VRING_DESC_F_NEXT, 0xffff } },
	{ { 8 * LOW, 64, VRING_DESC_F_INDIRECT, 0 } },
	{ { 8 * LOW, 64, 0x8000, 0 } },
	{ { 8 * LOW, 0, 0, 0 } },
	{ { 8 * LOW, 0xffffffff, 0, 0 } },
	{ { DEVICE, 64, 0, 0 } },
	{ { RAM_END - 63, 64, 0, 0 } },
	{ { RAM_END, 1, 0, 0 } },
	{ { -64ul, 64, 0, 0 } },
	{ { -1ul, 0xffffffff, 0, 0 } },
	{ { 1ul << 32, 64, 0, 0 } },
	{ { 8 * LOW, 64, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 1 }, { 8 * LOW, 64, 0, 0 } },
};

static int bad_chains(void)
{
	for (unsigned int i = 0; i < sizeof(chains) / sizeof(chains[0]); i++) {
		for (unsigned int q = RX; q <= TX; q++) {
			set_up();
			queues[q].desc[0] = chains[i][0];
			queues[q].desc[1] = chains[i][1];
			offer(q, 0, 1);
			/* What is to be received is looked at when something comes. */
			if (q == RX) {
				put_frame(buffers + 65536, question, sizeof(question));
				describe(TX, 0, (__u64)buffers + 65536, 72, 0, 0);
				offer(TX, 0, 1);
			}
			if (!needs_reset())
				return 0;
		}
	}
	return 1;
}

static int bad_indices(void)
{
	set_up();
	describe(TX, 0, (__u64)buffers, 64, 0, 0);
	offer(TX, 0, NUM + 1);
	if (!needs_reset())
		return 0;
	set_up();
	offer(TX, NUM, 1);
	if (!needs_reset())
		return 0;
	set_up();
	offer(TX, 0xffff, 1);
	return needs_reset();
}

/* Frames that are none are taken, and nothing comes of them. */
static int bad_frames(void)
{
	static const __u32 lengths[] = { 1, 11, 12, 13, 25, 26, 54, 1526, 1530, 1531, 4096, 65536,
					 16 * LOW };
	__u16 index = 0;

	set_up();
	for (unsigned int i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		describe(TX, 0, (__u64)buffers, lengths[i], 0, 0);
		offer(TX, 0, ++index);
		if (!used_reaches(TX, index))
			return 0;
	}
	/* To be written only, and so of no bytes. */
	describe(TX, 0, (__u64)buffers, 64, VRING_DESC_F_WRITE, 0);
	offer(TX, 0, ++index);
	return used_reaches(TX, index) &&
	       !(get(VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_NEEDS_RESET);
}

/* IPv4 and ARP with everything else at random, more than the device takes at once. */
static int flood(void)
{
	set_up();
	for (unsigned int i = 0; i < 2048; i++) {
		unsigned int slot = i % NUM;
		__u8 *at = buffers + slot * 2048;

		if (i >= NUM && slot == 0 && !used_reaches(TX, i))
			return 0;
		for (unsigned int k = 0; k < 128; k += 8)
			*(__u64 *)(at + k) = random();
		put_frame(at, question, random() % 24 + 14);
		if (random() & 1)
			at[24] = 8, at[25] = 0, at[26] = 0x45;
		describe(TX, slot, (__u64)at, 26 + random() % 1500, 0, 0);
		offer(TX, slot, i + 1);
	}
	return used_reaches(TX, 2048);
}

/* Too small for a frame: it stays the guest's, and the frame is lost. */
static int small_buffers(void)
{
	set_up();
	describe(RX, 0, (__u64)buffers, 13, VRING_DESC_F_WRITE, 0);
	offer(RX, 0, 1);
	put_frame(buffers + 65536, question, sizeof(question));
	describe(TX, 0, (__u64)buffers + 65536, 72, 0, 0);
	offer(TX, 0, 1);
	return used_reaches(TX, 1) && !queues[RX].used.idx;
}

/* Whatever comes of them, the device is to be had again. */
static int at_random(void)
{
	for (unsigned int round = 0; round < 200; round++) {
		set_up();
		for (unsigned int i = 0; i < 2 * NUM; i++)
			describe(i / NUM, i % NUM, random() & 7 ? random() % RAM_END : random(),
				 random() & 3 ? random() % 3000 : random(), random() & 3,
				 random() & 15 ? random() % NUM : random());
		for (unsigned int i = 0; i < NUM; i++) {
			queues[RX].avail.ring[i] = random() % NUM;
			queues[TX].avail.ring[i] = random() & 15 ? random() % NUM : random();
		}
		queues[RX].avail.idx = random() % NUM;
		offer(TX, random() % NUM, random() & 7 ? random() % NUM : random());
		put(VIRTIO_MMIO_QUEUE_NOTIFY, RX);
	}
	return 1;
}

/* Without the feature that its rings need, and with one that it does not have. */
static int bad_features(void)
{
	for (unsigned int i = 0; i < 2; i++) {
		put(VIRTIO_MMIO_STATUS, 0);
		put(VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
		put(VIRTIO_MMIO_DRIVER_FEATURES, i ? 0xffffffff : 0);
		status(VIRTIO_CONFIG_S_FEATURES_OK);
		if (get(VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_FEATURES_OK)
			return 0;
	}
	return 1;
}

static void result(const char *name, int ok)
{
	say(ok ? "ok " : "not ok ");
	say_number(++test_number);
	say(" - ");
	say(name);
	say("\n");
}

/* Each, and then whether the device is as good as new. */
static void run(const char *name, int (*test)(void))
{
	int ok = test();

	result(name, ok && answers());
}

__attribute__((used)) static void guest_main(void)
{
	say("KTAP version 1\n1..9\n");
	result("a network device", get(VIRTIO_MMIO_DEVICE_ID) == VIRTIO_ID_NET && answers());
	run("bad features", bad_features);
	run("rings outside of memory", rings_outside);
	run("bad chains", bad_chains);
	run("bad indices", bad_indices);
	run("bad frames", bad_frames);
	run("flood", flood);
	run("small buffers", small_buffers);
	run("descriptors at random", at_random);
	__asm__ volatile("outw %0, %1" :: "a"((__u16)POWER_OFF), "Nd"((__u16)POWER));
	for (;;)
		__asm__ volatile("hlt");
}

/* The 64-bit entry of a bzImage, with a stack of its own. */
__asm__(".section .entry, \"ax\"\n"
	"	mov $0x300000, %esp\n"
	"	call guest_main\n");
