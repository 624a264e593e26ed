// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit: packed rings in a guest's memory, good ones and broken ones, without a device.
 */
#include <linux/virtio_ring.h>

#include "mmu/kunit.h"
#include "virtio/ring.h"

#define NUM	6u	/* no power of two: packed rings need not be that long */
#define DESC	0x0000
#define DRIVER	0x1000
#define DEVICE	0x2000
#define TABLE	0x3000
#define DATA	0x10000

#define N	VRING_DESC_F_NEXT
#define W	VRING_DESC_F_WRITE
#define I	VRING_DESC_F_INDIRECT
#define A	BIT(VRING_PACKED_DESC_F_AVAIL)
#define U	BIT(VRING_PACKED_DESC_F_USED)
#define WRAP	BIT(VRING_PACKED_EVENT_F_WRAP_CTR)

typedef struct vring_packed_desc pdesc;

/**
 * struct packed_test - a ring in 2 MiB of memory at 0, and its driver
 * @t: the memory
 * @r: the ring
 * @c: what was taken last
 * @seg: its segments
 * @next: where the driver makes something available
 * @wrap: its wrap counter there
 */
struct packed_test {
	struct test_mmu *t;
	struct ring r;
	struct ring_chain c;
	struct ring_segment seg[RING_CHAIN_LEAST];
	u16 next;
	bool wrap;
};

static struct packed_test *setup(struct kunit *test)
{
	struct packed_test *pt = kunit_kzalloc(test, sizeof(*pt), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, pt);
	pt->t = test_mmu_new(test);
	KUNIT_ASSERT_EQ(test, test_set_gmem(pt->t, 0, 0, SZ_2M, test_gmem_new(test, SZ_2M), 0), 0);
	pt->r = (struct ring){ .mmu = &pt->t->mmu, .num = NUM, .desc = DESC, .avail = DRIVER,
			       .used = DEVICE, .indirect = true, .packed = true,
			       .avail_wrap = true, .used_wrap = true };
	pt->c.seg = pt->seg;
	pt->c.max = ring_chain_max(NUM);
	pt->wrap = true;
	KUNIT_ASSERT_EQ(test, ring_start(&pt->r), 0);
	return pt;
}

static pdesc get_desc(struct packed_test *pt, u16 index)
{
	pdesc d;

	test_read(pt->t, DESC + index * sizeof(d), &d, sizeof(d));
	return d;
}

/* The driver makes a chain of @n descriptors available. Returns where it begins. */
static u16 offer(struct packed_test *pt, const pdesc *desc, u32 n)
{
	u16 head = pt->next;
	u32 i;

	for (i = 0; i < n; i++) {
		pdesc d = desc[i];

		d.flags |= pt->wrap ? A : U;
		test_write(pt->t, DESC + pt->next * sizeof(d), &d, sizeof(d));
		if (++pt->next == NUM) {
			pt->next = 0;
			pt->wrap = !pt->wrap;
		}
	}
	return head;
}

static u32 device_wish(struct packed_test *pt)
{
	u32 wish = 0;

	test_read(pt->t, DEVICE, &wish, sizeof(wish));
	return wish;
}

static void driver_wish(struct packed_test *pt, u16 off_wrap, u16 flags)
{
	u32 wish = off_wrap | (u32)flags << 16;

	test_write(pt->t, DRIVER, &wish, sizeof(wish));
}

static void takes_chains_round_and_round(struct kunit *test)
{
	const pdesc chain[] = { { DATA, 100, 77, N }, { DATA + 500, 7, 78, N | W },
				{ DATA + 900, 1, 79, W }, { DATA, 1, 80, 0 } };
	struct packed_test *pt = setup(test);
	u32 i;

	KUNIT_EXPECT_EQ(test, device_wish(pt), (u32)VRING_PACKED_EVENT_FLAG_ENABLE << 16 | WRAP);
	for (i = 0; i < 5 * NUM; i++) {
		u16 n = i % 2 ? 3 : 1, wrap = pt->wrap ? A | U : 0;
		u16 head;

		KUNIT_EXPECT_EQ(test, ring_next(&pt->r, &pt->c), RING_EMPTY);
		head = offer(pt, n == 3 ? chain : chain + 3, n);
		KUNIT_EXPECT_EQ(test, ring_next(&pt->r, &pt->c), RING_CHAIN);
		/* And again: it is the next one until it is answered. */
		KUNIT_ASSERT_EQ(test, ring_next(&pt->r, &pt->c), RING_CHAIN);
		KUNIT_EXPECT_EQ(test, pt->c.head, n == 3 ? 79 : 80);
		KUNIT_EXPECT_EQ(test, pt->c.nr, n);
		KUNIT_EXPECT_EQ(test, pt->c.out_len, n == 3 ? 100 : 1);
		KUNIT_EXPECT_EQ(test, pt->c.in_len, n == 3 ? 8 : 0);
		KUNIT_EXPECT_EQ(test, ring_complete(&pt->r, &pt->c, n == 3 ? 8 : 0), 0);
		KUNIT_EXPECT_EQ(test, get_desc(pt, head).id, pt->c.head);
		KUNIT_EXPECT_EQ(test, get_desc(pt, head).len, n == 3 ? 8 : 0);
		KUNIT_EXPECT_EQ(test, get_desc(pt, head).flags, wrap | (n == 3 ? W : 0));
		KUNIT_EXPECT_EQ(test, pt->r.next_avail, pt->next);
		KUNIT_EXPECT_EQ(test, pt->r.next_used, pt->next);
		KUNIT_EXPECT_EQ(test, pt->r.avail_wrap, pt->wrap);
		KUNIT_EXPECT_EQ(test, pt->r.used_wrap, pt->wrap);
	}
	KUNIT_EXPECT_EQ(test, pt->r.error, 0);
}

static void takes_tables(struct kunit *test)
{
	/* Nothing links them, whatever their flags and ids say. */
	const pdesc table[] = { { DATA, 10, 9, N }, { DATA, 20, 9, W }, { DATA, 30, 9, W | N } };
	const pdesc head = { TABLE, sizeof(table), 5, I };
	struct packed_test *pt = setup(test);

	test_write(pt->t, TABLE, table, sizeof(table));
	offer(pt, &head, 1);
	KUNIT_EXPECT_EQ(test, ring_next(&pt->r, &pt->c), RING_CHAIN);
	KUNIT_EXPECT_EQ(test, pt->c.nr, 3);
	KUNIT_EXPECT_EQ(test, pt->c.head, 5);
	KUNIT_EXPECT_EQ(test, pt->c.places, 1);
	KUNIT_EXPECT_EQ(test, pt->c.in_len, 50);
}

/* Chains that are refused: descriptors, those of the indirect table, and why. */
static const struct {
	const char *name;
	pdesc desc[NUM], table[2];
	u32 n;
	bool direct_only;
	u32 error;
} bad_chains[] = {
	{ "loop", { { DATA, 1, 0, N }, { DATA, 1, 0, N }, { DATA, 1, 0, N }, { DATA, 1, 0, N },
		    { DATA, 1, 0, N }, { DATA, 1, 0, N } }, {}, NUM, false,
	  DITTO_VIRTIO_ERR_LONG },
	{ "empty", { { DATA, 0, 0, 0 } }, {}, 1, false, DITTO_VIRTIO_ERR_LENGTH },
	{ "wraps", { { -1ull, 2, 0, 0 } }, {}, 1, false, DITTO_VIRTIO_ERR_LENGTH },
	{ "too much", { { DATA, ~0u, 0, N }, { DATA, 1, 0, W } }, {}, 2, false,
	  DITTO_VIRTIO_ERR_LENGTH },
	{ "order", { { DATA, 1, 0, N | W }, { DATA, 1, 0, 0 } }, {}, 2, false,
	  DITTO_VIRTIO_ERR_ORDER },
	{ "not negotiated", { { TABLE, 16, 0, I } }, { { DATA, 1, 0, 0 } }, 1, true,
	  DITTO_VIRTIO_ERR_INDIRECT },
	{ "nested", { { TABLE, 16, 0, I } }, { { TABLE, 16, 0, I } }, 1, false,
	  DITTO_VIRTIO_ERR_INDIRECT },
	{ "indirect and next", { { TABLE, 16, 0, I | N }, { DATA, 1, 0, 0 } }, {}, 2, false,
	  DITTO_VIRTIO_ERR_INDIRECT },
	{ "indirect behind another", { { DATA, 1, 0, N }, { TABLE, 16, 0, I } }, {}, 2, false,
	  DITTO_VIRTIO_ERR_INDIRECT },
	{ "no table", { { TABLE, 0, 0, I } }, {}, 1, false, DITTO_VIRTIO_ERR_INDIRECT },
	{ "part of a table", { { TABLE, 24, 0, I } }, {}, 1, false, DITTO_VIRTIO_ERR_INDIRECT },
	{ "table wraps", { { -16ull, 32, 0, I } }, {}, 1, false, DITTO_VIRTIO_ERR_INDIRECT },
	{ "table nowhere", { { SZ_2M, 16, 0, I } }, {}, 1, false, DITTO_VIRTIO_ERR_MEMORY },
};

static void refuses_bad_chains(struct kunit *test)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(bad_chains); i++) {
		struct packed_test *pt = setup(test);

		test_write(pt->t, TABLE, bad_chains[i].table, sizeof(bad_chains[i].table));
		pt->r.indirect = !bad_chains[i].direct_only;
		offer(pt, bad_chains[i].desc, bad_chains[i].n);
		KUNIT_EXPECT_EQ_MSG(test, ring_next(&pt->r, &pt->c), RING_BROKEN, "%s",
				    bad_chains[i].name);
		KUNIT_EXPECT_EQ_MSG(test, pt->r.error, bad_chains[i].error, "%s",
				    bad_chains[i].name);
		KUNIT_EXPECT_EQ(test, pt->r.next_avail, 0);
	}
}

static void longest_table(struct kunit *test)
{
	struct packed_test *pt = setup(test);
	u32 i, max = ring_chain_max(NUM);
	pdesc d = { DATA, 1, 0, 0 }, head = { TABLE, max * 16, 1, I };

	for (i = 0; i <= max; i++)
		test_write(pt->t, TABLE + i * sizeof(d), &d, sizeof(d));
	offer(pt, &head, 1);
	KUNIT_EXPECT_EQ(test, ring_next(&pt->r, &pt->c), RING_CHAIN);
	KUNIT_EXPECT_EQ(test, pt->c.nr, max);
	KUNIT_EXPECT_EQ(test, ring_complete(&pt->r, &pt->c, 0), 0);
	/* However long it says it is, no more than fits is read. */
	head.len = ~15u;
	offer(pt, &head, 1);
	KUNIT_EXPECT_EQ(test, ring_next(&pt->r, &pt->c), RING_BROKEN);
	KUNIT_EXPECT_EQ(test, pt->r.error, DITTO_VIRTIO_ERR_LONG);
}

static void ring_outside_memory(struct kunit *test)
{
	struct packed_test *pt = setup(test);

	pt->r.used = SZ_2M;
	KUNIT_EXPECT_EQ(test, ring_start(&pt->r), -EPROTO);
	pt->r.used = DEVICE;
	pt->r.desc = SZ_2M - 16;
	pt->r.next_avail = 1;
	KUNIT_EXPECT_EQ(test, ring_start(&pt->r), 0);
	KUNIT_EXPECT_EQ(test, ring_next(&pt->r, &pt->c), RING_BROKEN);
	KUNIT_EXPECT_EQ(test, pt->r.error, DITTO_VIRTIO_ERR_MEMORY);
	/* It stays broken. */
	pt->r.desc = DESC;
	KUNIT_EXPECT_EQ(test, ring_next(&pt->r, &pt->c), RING_BROKEN);
	KUNIT_EXPECT_EQ(test, ring_arm(&pt->r), RING_BROKEN);
}

static void complete_one(struct kunit *test, struct packed_test *pt)
{
	const pdesc d = { DATA, 1, 0, 0 };

	offer(pt, &d, 1);
	KUNIT_EXPECT_EQ(test, ring_next(&pt->r, &pt->c), RING_CHAIN);
	KUNIT_EXPECT_EQ(test, ring_complete(&pt->r, &pt->c, 0), 0);
}

static void calls_as_the_driver_wants(struct kunit *test)
{
	struct packed_test *pt = setup(test);
	u32 i, at;

	complete_one(test, pt);
	KUNIT_EXPECT_TRUE(test, ring_wants_call(&pt->r));
	driver_wish(pt, 0, VRING_PACKED_EVENT_FLAG_DISABLE);
	complete_one(test, pt);
	KUNIT_EXPECT_FALSE(test, ring_wants_call(&pt->r));
	/* Places mean nothing where they were not negotiated. */
	driver_wish(pt, 0, VRING_PACKED_EVENT_FLAG_DESC);
	complete_one(test, pt);
	KUNIT_EXPECT_TRUE(test, ring_wants_call(&pt->r));
	/* Each place of each turn is told of once, when it is passed. */
	pt->r.event_idx = true;
	for (at = 0; at < NUM; at++) {
		u16 place = (pt->next + at) % NUM;
		bool wrap = pt->wrap ^ (((pt->next + at) / NUM) & 1);

		driver_wish(pt, place | (wrap ? WRAP : 0), VRING_PACKED_EVENT_FLAG_DESC);
		for (i = 0; i < NUM; i++) {
			complete_one(test, pt);
			KUNIT_EXPECT_EQ_MSG(test, ring_wants_call(&pt->r), i == at, "%u %u", at, i);
		}
	}
}

static void asks_for_kicks(struct kunit *test)
{
	struct packed_test *pt = setup(test);
	const pdesc d = { DATA, 1, 0, 0 };
	u32 i;

	pt->r.event_idx = true;
	for (i = 0; i < 3 * NUM; i++) {
		complete_one(test, pt);
		KUNIT_EXPECT_EQ(test, ring_arm(&pt->r), RING_EMPTY);
		KUNIT_EXPECT_EQ(test, device_wish(pt),
				(u32)VRING_PACKED_EVENT_FLAG_DESC << 16 | pt->next |
				(pt->wrap ? WRAP : 0));
	}
	offer(pt, &d, 1);
	KUNIT_EXPECT_EQ(test, ring_arm(&pt->r), RING_CHAIN);
}

static struct kunit_case packed_cases[] = {
	KUNIT_CASE(takes_chains_round_and_round),
	KUNIT_CASE(takes_tables),
	KUNIT_CASE(refuses_bad_chains),
	KUNIT_CASE(longest_table),
	KUNIT_CASE(ring_outside_memory),
	KUNIT_CASE(calls_as_the_driver_wants),
	KUNIT_CASE(asks_for_kicks),
	{}
};

static struct kunit_suite packed_suite = {
	.name = "ditto_virtio_packed",
	.test_cases = packed_cases,
};
kunit_test_suite(packed_suite);
