// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit: rings in a guest's memory, good ones and all kinds of broken ones, without a device.
 */
#include <linux/virtio_ring.h>

#include "mmu/kunit.h"
#include "virtio/ring.h"

#define NUM	8u
#define DESC	0x0000
#define AVAIL	0x1000
#define USED	0x2000
#define TABLE	0x3000
#define DATA	0x10000

#define N	VRING_DESC_F_NEXT
#define W	VRING_DESC_F_WRITE
#define I	VRING_DESC_F_INDIRECT

/**
 * struct ring_test - a ring in 2 MiB of memory at 0
 * @t: the memory
 * @r: the ring
 * @c: what was taken last
 * @seg: its segments
 */
struct ring_test {
	struct test_mmu *t;
	struct ring r;
	struct ring_chain c;
	struct ring_segment seg[RING_CHAIN_LEAST];
};

static struct ring_test *setup(struct kunit *test)
{
	struct ring_test *rt = kunit_kzalloc(test, sizeof(*rt), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, rt);
	rt->t = test_mmu_new(test);
	KUNIT_ASSERT_EQ(test, test_set_gmem(rt->t, 0, 0, SZ_2M, test_gmem_new(test, SZ_2M), 0), 0);
	rt->r = (struct ring){ .mmu = &rt->t->mmu, .num = NUM, .desc = DESC, .avail = AVAIL,
			       .used = USED, .indirect = true };
	rt->c.seg = rt->seg;
	rt->c.max = ring_chain_max(NUM);
	return rt;
}

static void put16(struct ring_test *rt, gpa_t gpa, u16 val)
{
	test_write(rt->t, gpa, &val, sizeof(val));
}

static u16 get16(struct ring_test *rt, gpa_t gpa)
{
	u16 val = 0xdead;

	test_read(rt->t, gpa, &val, sizeof(val));
	return val;
}

static void put_desc(struct ring_test *rt, gpa_t table, u32 i, struct vring_desc d)
{
	test_write(rt->t, table + i * sizeof(d), &d, sizeof(d));
}

/* The driver makes a chain available. */
static void offer(struct ring_test *rt, u16 head)
{
	u16 idx = get16(rt, AVAIL + 2);

	put16(rt, AVAIL + 4 + idx % NUM * 2, head);
	put16(rt, AVAIL + 2, idx + 1);
}

static void takes_a_chain(struct kunit *test)
{
	struct ring_test *rt = setup(test);
	u32 used[2];

	put_desc(rt, DESC, 5, (struct vring_desc){ DATA, 100, N, 2 });
	put_desc(rt, DESC, 2, (struct vring_desc){ DATA + 500, 7, N | W, 7 });
	put_desc(rt, DESC, 7, (struct vring_desc){ DATA + 900, 1, W, 3 });
	KUNIT_EXPECT_EQ(test, ring_start(&rt->r), 0);
	KUNIT_EXPECT_EQ(test, ring_next(&rt->r, &rt->c), RING_EMPTY);
	offer(rt, 5);
	KUNIT_EXPECT_EQ(test, ring_next(&rt->r, &rt->c), RING_CHAIN);
	KUNIT_EXPECT_EQ(test, rt->c.head, 5);
	KUNIT_EXPECT_EQ(test, rt->c.nr, 3);
	KUNIT_EXPECT_EQ(test, rt->c.nr_out, 1);
	KUNIT_EXPECT_EQ(test, rt->c.out_len, 100);
	KUNIT_EXPECT_EQ(test, rt->c.in_len, 8);
	KUNIT_EXPECT_EQ(test, ring_complete(&rt->r, &rt->c, 8), 0);
	KUNIT_EXPECT_EQ(test, get16(rt, USED + 2), 1);
	KUNIT_EXPECT_EQ(test, test_read(rt->t, USED + 4, used, sizeof(used)), 0);
	KUNIT_EXPECT_EQ(test, used[0], 5);
	KUNIT_EXPECT_EQ(test, used[1], 8);
	KUNIT_EXPECT_EQ(test, ring_next(&rt->r, &rt->c), RING_EMPTY);
	KUNIT_EXPECT_EQ(test, rt->r.error, 0);
}

static void indices_wrap(struct kunit *test)
{
	struct ring_test *rt = setup(test);
	u32 i;

	put16(rt, AVAIL + 2, 0xfffd);
	put16(rt, USED + 2, 0xfffd);
	put_desc(rt, DESC, 1, (struct vring_desc){ DATA, 1, 0, 0 });
	rt->r.next_avail = 0xfffd;
	KUNIT_EXPECT_EQ(test, ring_start(&rt->r), 0);
	for (i = 0; i < 2 * NUM; i++) {
		offer(rt, 1);
		KUNIT_EXPECT_EQ(test, ring_next(&rt->r, &rt->c), RING_CHAIN);
		KUNIT_EXPECT_EQ(test, ring_complete(&rt->r, &rt->c, 0), 0);
		KUNIT_EXPECT_EQ(test, get16(rt, USED + 2), (u16)(0xfffe + i));
	}
	KUNIT_EXPECT_EQ(test, rt->r.error, 0);
}

/* Chains that are refused: descriptors from 0 on, those of the indirect table, and why. */
static const struct {
	const char *name;
	struct vring_desc desc[4], table[4];
	u16 head;
	bool direct_only;
	u32 error;
} bad_chains[] = {
	{ "head", {}, {}, NUM, false, DITTO_VIRTIO_ERR_HEAD },
	{ "head far away", {}, {}, 0xffff, false, DITTO_VIRTIO_ERR_HEAD },
	{ "next", { { DATA, 1, N, NUM } }, {}, 0, false, DITTO_VIRTIO_ERR_NEXT },
	{ "itself", { { DATA, 1, N, 0 } }, {}, 0, false, DITTO_VIRTIO_ERR_LONG },
	{ "loop", { { DATA, 1, N, 1 }, { DATA, 1, N, 0 } }, {}, 0, false, DITTO_VIRTIO_ERR_LONG },
	{ "empty", { { DATA, 0, 0, 0 } }, {}, 0, false, DITTO_VIRTIO_ERR_LENGTH },
	{ "wraps", { { -1ull, 2, 0, 0 } }, {}, 0, false, DITTO_VIRTIO_ERR_LENGTH },
	{ "too much", { { DATA, ~0u, N, 1 }, { DATA, 1, W, 0 } }, {}, 0, false,
	  DITTO_VIRTIO_ERR_LENGTH },
	{ "order", { { DATA, 1, N | W, 1 }, { DATA, 1, 0, 0 } }, {}, 0, false,
	  DITTO_VIRTIO_ERR_ORDER },
	{ "not negotiated", { { TABLE, 16, I, 0 } }, { { DATA, 1, 0, 0 } }, 0, true,
	  DITTO_VIRTIO_ERR_INDIRECT },
	{ "nested", { { TABLE, 16, I, 0 } }, { { TABLE, 16, I, 0 } }, 0, false,
	  DITTO_VIRTIO_ERR_INDIRECT },
	{ "indirect and next", { { TABLE, 16, I | N, 1 }, { DATA, 1, 0, 0 } },
	  { { DATA, 1, 0, 0 } }, 0, false, DITTO_VIRTIO_ERR_INDIRECT },
	{ "no table", { { TABLE, 0, I, 0 } }, {}, 0, false, DITTO_VIRTIO_ERR_INDIRECT },
	{ "part of a table", { { TABLE, 24, I, 0 } }, { { DATA, 1, 0, 0 } }, 0, false,
	  DITTO_VIRTIO_ERR_INDIRECT },
	{ "table wraps", { { -16ull, 32, I, 0 } }, {}, 0, false, DITTO_VIRTIO_ERR_INDIRECT },
	{ "table ends", { { TABLE, 32, I, 0 } }, { { DATA, 1, N, 1 }, { DATA, 1, N, 2 } }, 0, false,
	  DITTO_VIRTIO_ERR_NEXT },
	{ "loop in a table", { { TABLE, 32, I, 0 } }, { { DATA, 1, N, 1 }, { DATA, 1, N, 0 } }, 0,
	  false, DITTO_VIRTIO_ERR_LONG },
	{ "table nowhere", { { SZ_2M, 16, I, 0 } }, {}, 0, false, DITTO_VIRTIO_ERR_MEMORY },
};

static void refuses_bad_chains(struct kunit *test)
{
	struct ring_test *rt = setup(test);
	u32 i, k;

	for (i = 0; i < ARRAY_SIZE(bad_chains); i++) {
		for (k = 0; k < 4; k++) {
			put_desc(rt, DESC, k, bad_chains[i].desc[k]);
			put_desc(rt, TABLE, k, bad_chains[i].table[k]);
		}
		rt->r.indirect = !bad_chains[i].direct_only;
		rt->r.next_avail = get16(rt, AVAIL + 2);
		KUNIT_EXPECT_EQ(test, ring_start(&rt->r), 0);
		offer(rt, bad_chains[i].head);
		KUNIT_EXPECT_EQ_MSG(test, ring_next(&rt->r, &rt->c), RING_BROKEN, "%s",
				    bad_chains[i].name);
		KUNIT_EXPECT_EQ_MSG(test, rt->r.error, bad_chains[i].error, "%s",
				    bad_chains[i].name);
		KUNIT_EXPECT_EQ(test, get16(rt, USED + 2), 0);
	}
}

static void longest_chains(struct kunit *test)
{
	struct ring_test *rt = setup(test);
	u32 i, max = ring_chain_max(NUM);

	for (i = 0; i < max + 1; i++)
		put_desc(rt, TABLE, i, (struct vring_desc){ DATA, 1, i < max - 1 ? N : 0, i + 1 });
	put_desc(rt, DESC, 0, (struct vring_desc){ TABLE, (max + 1) * 16, I, 0 });
	KUNIT_EXPECT_EQ(test, ring_start(&rt->r), 0);
	offer(rt, 0);
	KUNIT_EXPECT_EQ(test, ring_next(&rt->r, &rt->c), RING_CHAIN);
	KUNIT_EXPECT_EQ(test, rt->c.nr, max);
	put_desc(rt, TABLE, max - 1, (struct vring_desc){ DATA, 1, N, max });
	KUNIT_EXPECT_EQ(test, ring_next(&rt->r, &rt->c), RING_BROKEN);
	KUNIT_EXPECT_EQ(test, rt->r.error, DITTO_VIRTIO_ERR_LONG);
}

static void index_jumps(struct kunit *test)
{
	struct ring_test *rt = setup(test);

	put_desc(rt, DESC, 0, (struct vring_desc){ DATA, 1, 0, 0 });
	KUNIT_EXPECT_EQ(test, ring_start(&rt->r), 0);
	put16(rt, AVAIL + 2, NUM);
	KUNIT_EXPECT_EQ(test, ring_next(&rt->r, &rt->c), RING_CHAIN);
	put16(rt, AVAIL + 2, NUM + 1);
	KUNIT_EXPECT_EQ(test, ring_next(&rt->r, &rt->c), RING_BROKEN);
	KUNIT_EXPECT_EQ(test, rt->r.error, DITTO_VIRTIO_ERR_AVAIL);
	/* It stays broken, for the first reason. */
	put16(rt, AVAIL + 2, 1);
	KUNIT_EXPECT_EQ(test, ring_next(&rt->r, &rt->c), RING_BROKEN);
	KUNIT_EXPECT_EQ(test, ring_break(&rt->r, DITTO_VIRTIO_ERR_REQUEST), -EPROTO);
	KUNIT_EXPECT_EQ(test, rt->r.error, DITTO_VIRTIO_ERR_AVAIL);
	/* Backwards is a jump, too. */
	rt->r.next_avail = 2;
	KUNIT_EXPECT_EQ(test, ring_start(&rt->r), 0);
	KUNIT_EXPECT_EQ(test, ring_next(&rt->r, &rt->c), RING_BROKEN);
}

static void ring_outside_memory(struct kunit *test)
{
	struct ring_test *rt = setup(test);

	rt->r.used = SZ_2M;
	KUNIT_EXPECT_EQ(test, ring_start(&rt->r), -EPROTO);
	KUNIT_EXPECT_EQ(test, rt->r.error, DITTO_VIRTIO_ERR_MEMORY);
	rt->r.used = SZ_2M - 4;
	put_desc(rt, DESC, 0, (struct vring_desc){ DATA, 1, 0, 0 });
	offer(rt, 0);
	KUNIT_EXPECT_EQ(test, ring_start(&rt->r), 0);
	KUNIT_EXPECT_EQ(test, ring_next(&rt->r, &rt->c), RING_CHAIN);
	KUNIT_EXPECT_EQ(test, ring_complete(&rt->r, &rt->c, 0), -EPROTO);
	KUNIT_EXPECT_EQ(test, rt->r.next_avail, 0);
}

/* Gives one chain back. */
static void complete_one(struct kunit *test, struct ring_test *rt)
{
	offer(rt, 0);
	KUNIT_EXPECT_EQ(test, ring_next(&rt->r, &rt->c), RING_CHAIN);
	KUNIT_EXPECT_EQ(test, ring_complete(&rt->r, &rt->c, 0), 0);
}

static void calls_as_the_driver_wants(struct kunit *test)
{
	struct ring_test *rt = setup(test);
	u32 i;

	put_desc(rt, DESC, 0, (struct vring_desc){ DATA, 1, 0, 0 });
	KUNIT_EXPECT_EQ(test, ring_start(&rt->r), 0);
	complete_one(test, rt);
	KUNIT_EXPECT_TRUE(test, ring_wants_call(&rt->r));
	put16(rt, AVAIL, VRING_AVAIL_F_NO_INTERRUPT);
	complete_one(test, rt);
	KUNIT_EXPECT_FALSE(test, ring_wants_call(&rt->r));
	/* With event index the flag means nothing; the first time it is called in any case. */
	rt->r.event_idx = true;
	put16(rt, AVAIL + 4 + NUM * 2, 6);
	for (i = 3; i <= 9; i++) {
		complete_one(test, rt);
		KUNIT_EXPECT_EQ(test, ring_wants_call(&rt->r), i == 3 || i == 7);
	}
}

static void asks_for_kicks(struct kunit *test)
{
	struct ring_test *rt = setup(test);

	put_desc(rt, DESC, 0, (struct vring_desc){ DATA, 1, 0, 0 });
	rt->r.event_idx = true;
	KUNIT_EXPECT_EQ(test, ring_start(&rt->r), 0);
	complete_one(test, rt);
	KUNIT_EXPECT_EQ(test, ring_arm(&rt->r), RING_EMPTY);
	KUNIT_EXPECT_EQ(test, get16(rt, USED + 4 + NUM * 8), 1);
	offer(rt, 0);
	KUNIT_EXPECT_EQ(test, ring_arm(&rt->r), RING_CHAIN);
}

static void copies_across_segments(struct kunit *test)
{
	struct ring_test *rt = setup(test);
	struct ring_cursor at = {};
	u8 out[9], in[6] = "world!", back[4];

	put_desc(rt, DESC, 0, (struct vring_desc){ DATA + PAGE_SIZE - 2, 5, N, 1 });
	put_desc(rt, DESC, 1, (struct vring_desc){ DATA + 3 * PAGE_SIZE, 4, N, 2 });
	put_desc(rt, DESC, 2, (struct vring_desc){ DATA, 2, N | W, 3 });
	put_desc(rt, DESC, 3, (struct vring_desc){ DATA + 100, 4, W, 0 });
	test_write(rt->t, DATA + PAGE_SIZE - 2, "hello", 5);
	test_write(rt->t, DATA + 3 * PAGE_SIZE, "you.", 4);
	KUNIT_EXPECT_EQ(test, ring_start(&rt->r), 0);
	offer(rt, 0);
	KUNIT_ASSERT_EQ(test, ring_next(&rt->r, &rt->c), RING_CHAIN);
	KUNIT_EXPECT_EQ(test, chain_copy_out(&rt->r, &rt->c, &at, out, 3), 0);
	KUNIT_EXPECT_EQ(test, chain_copy_out(&rt->r, &rt->c, &at, out + 3, 6), 0);
	KUNIT_EXPECT_EQ(test, memcmp(out, "helloyou.", 9), 0);
	at = chain_first_in(&rt->c);
	KUNIT_EXPECT_EQ(test, chain_copy_in(&rt->r, &rt->c, &at, in, 6), 0);
	KUNIT_EXPECT_EQ(test, test_read(rt->t, DATA + 100, back, 4), 0);
	KUNIT_EXPECT_EQ(test, memcmp(back, "rld!", 4), 0);
}

static struct kunit_case ring_cases[] = {
	KUNIT_CASE(takes_a_chain),
	KUNIT_CASE(indices_wrap),
	KUNIT_CASE(refuses_bad_chains),
	KUNIT_CASE(longest_chains),
	KUNIT_CASE(index_jumps),
	KUNIT_CASE(ring_outside_memory),
	KUNIT_CASE(calls_as_the_driver_wants),
	KUNIT_CASE(asks_for_kicks),
	KUNIT_CASE(copies_across_segments),
	{}
};

static struct kunit_suite ring_suite = {
	.name = "ditto_virtio_ring",
	.test_cases = ring_cases,
};
kunit_test_suite(ring_suite);
