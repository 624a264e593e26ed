// SPDX-License-Identifier: GPL-2.0-only
/*
 * Chains of descriptors: each descriptor is copied once, vetted, and then only the copy is
 * used. It owns what a chain may look like; what it means is the device's.
 *
 * A chain's length is bounded by what its copy has room for, so loops are just too long.
 */
#include <linux/overflow.h>
#include <linux/srcu.h>
#include <linux/virtio_byteorder.h>
#include <linux/virtio_ring.h>

#include <ditto.h>
#include "mmu/guest.h"
#include "virtio/ring.h"

/**
 * struct chain_table - descriptors that point at one another
 * @at: where they are
 * @nr: how many there are
 * @indirect: it is one that a descriptor of the ring points at
 */
struct chain_table {
	gpa_t at;
	u32 nr;
	bool indirect;
};

/**
 * struct chain_desc - the copy of a descriptor, of either kind of ring
 * @addr: where its bytes are
 * @len: how many
 * @flags: VRING_DESC_F_*
 * @link: the next one's number, or, in a packed ring, the buffer's id
 */
struct chain_desc {
	u64 addr;
	u32 len;
	u16 flags, link;
};

/* They differ in the order of the last two members. */
#define DESC_SIZE	sizeof(struct vring_desc)
static_assert(sizeof(struct vring_packed_desc) == DESC_SIZE);
static_assert(offsetof(struct vring_packed_desc, len) == offsetof(struct vring_desc, len));

static int chain_read_desc(struct ring *r, const struct chain_table *t, u32 index,
			   struct chain_desc *desc)
{
	union {
		struct vring_desc split;
		struct vring_packed_desc packed;
	} d;
	int err = ring_read(r, t->at + (u64)index * DESC_SIZE, &d, sizeof(d));

	if (err)
		return err;
	*desc = (struct chain_desc){
		.addr = __virtio64_to_cpu(true, d.split.addr),
		.len = __virtio32_to_cpu(true, d.split.len),
		.flags = r->packed ? le16_to_cpu(d.packed.flags) :
			 __virtio16_to_cpu(true, d.split.flags),
		.link = r->packed ? le16_to_cpu(d.packed.id) :
			__virtio16_to_cpu(true, d.split.next),
	};
	return 0;
}

/* From here on @t is the table that @desc points at. */
static int chain_enter(struct ring *r, struct chain_table *t, const struct chain_desc *desc)
{
	u64 end;

	if (!r->indirect || t->indirect || (desc->flags & VRING_DESC_F_NEXT))
		return ring_break(r, DITTO_VIRTIO_ERR_INDIRECT);
	if (!desc->len || desc->len % DESC_SIZE ||
	    check_add_overflow(desc->addr, (u64)desc->len, &end))
		return ring_break(r, DITTO_VIRTIO_ERR_INDIRECT);
	t->at = desc->addr;
	t->nr = desc->len / DESC_SIZE;
	t->indirect = true;
	return 0;
}

static int chain_add(struct ring *r, struct ring_chain *c, const struct chain_desc *desc)
{
	struct ring_segment seg = { .addr = desc->addr, .len = desc->len };
	bool write = desc->flags & VRING_DESC_F_WRITE;
	u64 end;

	if (c->nr == c->max)
		return ring_break(r, DITTO_VIRTIO_ERR_LONG);
	if (!seg.len || check_add_overflow(seg.addr, (u64)seg.len, &end))
		return ring_break(r, DITTO_VIRTIO_ERR_LENGTH);
	if (!write && c->nr != c->nr_out)
		return ring_break(r, DITTO_VIRTIO_ERR_ORDER);
	c->seg[c->nr++] = seg;
	if (write) {
		c->in_len += seg.len;
	} else {
		c->nr_out++;
		c->out_len += seg.len;
	}
	/* As the standard has it; used elements could not tell of more. */
	return c->in_len + c->out_len > U32_MAX ? ring_break(r, DITTO_VIRTIO_ERR_LENGTH) : 0;
}

static void chain_begin(struct ring_chain *c, u16 head)
{
	c->head = head;
	c->places = 1;
	c->nr = c->nr_out = 0;
	c->in_len = c->out_len = 0;
}

/**
 * chain_take() - copy and vet a chain of a split ring
 * @r: the ring
 * @head: its first descriptor; unchecked
 * @c: filled in
 *
 * Process context; sleeps. Reads at most @c->max + 2 descriptors.
 *
 * Return: 0, -EINTR, or -EPROTO: ring.error says why.
 */
int chain_take(struct ring *r, u16 head, struct ring_chain *c)
{
	struct chain_table t = { .at = r->desc, .nr = r->num };
	struct chain_desc desc;
	u32 index = head;
	int err;

	if (head >= r->num)
		return ring_break(r, DITTO_VIRTIO_ERR_HEAD);
	chain_begin(c, head);
	for (;;) {
		err = chain_read_desc(r, &t, index, &desc);
		if (err)
			return err;
		if (desc.flags & VRING_DESC_F_INDIRECT) {
			err = chain_enter(r, &t, &desc);
			index = 0;
		} else {
			err = chain_add(r, c, &desc);
			if (!err && !(desc.flags & VRING_DESC_F_NEXT))
				return 0;
			index = desc.link;
		}
		if (err)
			return err;
		if (index >= t.nr)
			return ring_break(r, DITTO_VIRTIO_ERR_NEXT);
	}
}

/* All of an indirect table, in its order: in packed rings nothing links them. */
static int chain_take_table(struct ring *r, const struct chain_table *t, struct ring_chain *c)
{
	struct chain_desc desc;
	int err = 0;
	u32 i;

	for (i = 0; i < t->nr && !err; i++) {
		err = chain_read_desc(r, t, i, &desc);
		if (!err && (desc.flags & VRING_DESC_F_INDIRECT))
			err = ring_break(r, DITTO_VIRTIO_ERR_INDIRECT);
		if (!err)
			err = chain_add(r, c, &desc);
	}
	return err;
}

/**
 * chain_take_packed() - copy and vet a chain of a packed ring
 * @r: the ring
 * @index: its first descriptor, which the driver made available; below @r->num
 * @c: filled in
 *
 * Process context; sleeps. Reads at most @c->max + 1 descriptors.
 *
 * Return: as chain_take().
 */
int chain_take_packed(struct ring *r, u16 index, struct ring_chain *c)
{
	struct chain_table t = { .at = r->desc, .nr = r->num };
	struct chain_desc desc;
	int err;

	for (chain_begin(c, 0); c->places <= r->num; c->places++) {
		err = chain_read_desc(r, &t, index, &desc);
		if (err)
			return err;
		/* The last one's counts. */
		c->head = desc.link;
		if (desc.flags & VRING_DESC_F_INDIRECT) {
			if (c->places > 1)
				return ring_break(r, DITTO_VIRTIO_ERR_INDIRECT);
			err = chain_enter(r, &t, &desc);
			return err ?: chain_take_table(r, &t, c);
		}
		err = chain_add(r, c, &desc);
		if (err || !(desc.flags & VRING_DESC_F_NEXT))
			return err;
		index = index + 1 < r->num ? index + 1 : 0;
	}
	return ring_break(r, DITTO_VIRTIO_ERR_LONG);
}

/**
 * chain_first_in() - where a chain begins to be writable
 * @c: taken
 *
 * Return: the place.
 */
struct ring_cursor chain_first_in(const struct ring_chain *c)
{
	return (struct ring_cursor){ .seg = c->nr_out };
}

/* The run at @at, of at most @len bytes; @at goes behind it. */
static struct ring_segment chain_step(const struct ring_chain *c, struct ring_cursor *at, u32 len)
{
	const struct ring_segment *seg = &c->seg[at->seg];
	struct ring_segment run = { .addr = seg->addr + at->off,
				    .len = min(len, seg->len - at->off) };

	at->off += run.len;
	if (at->off == seg->len) {
		at->seg++;
		at->off = 0;
	}
	return run;
}

/**
 * chain_copy_out() - copy what the driver wrote
 * @r: the ring
 * @c: one of its chains
 * @at: from where; goes behind what was copied
 * @buf: kernel memory
 * @len: bytes; the readable part has them
 *
 * Process context; sleeps.
 *
 * Return: as guest_read().
 */
int chain_copy_out(struct ring *r, const struct ring_chain *c, struct ring_cursor *at,
		   void *buf, u32 len)
{
	int idx = srcu_read_lock(&r->mmu->srcu), err = 0;

	while (len && !err) {
		struct ring_segment run = chain_step(c, at, len);

		err = guest_read(r->mmu, run.addr, buf, run.len);
		buf += run.len;
		len -= run.len;
	}
	srcu_read_unlock(&r->mmu->srcu, idx);
	return err;
}

/**
 * chain_copy_in() - copy to where the driver reads
 * @r: the ring
 * @c: one of its chains
 * @at: where to; goes behind what was copied
 * @buf: kernel memory
 * @len: bytes; the writable part has room for them
 *
 * Process context; sleeps.
 *
 * Return: as guest_write().
 */
int chain_copy_in(struct ring *r, const struct ring_chain *c, struct ring_cursor *at,
		  const void *buf, u32 len)
{
	int idx = srcu_read_lock(&r->mmu->srcu), err = 0;

	while (len && !err) {
		struct ring_segment run = chain_step(c, at, len);

		err = guest_write(r->mmu, run.addr, buf, run.len);
		buf += run.len;
		len -= run.len;
	}
	srcu_read_unlock(&r->mmu->srcu, idx);
	return err;
}
