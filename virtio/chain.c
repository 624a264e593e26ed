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

static u16 desc_flags(const struct vring_desc *desc)
{
	return __virtio16_to_cpu(true, desc->flags);
}

static int chain_read_desc(struct ring *r, const struct chain_table *t, u32 index,
			   struct vring_desc *desc)
{
	return ring_read(r, t->at + (u64)index * sizeof(*desc), desc, sizeof(*desc));
}

/* From here on @t is the table that @desc points at. */
static int chain_enter(struct ring *r, struct chain_table *t, const struct vring_desc *desc)
{
	u32 len = __virtio32_to_cpu(true, desc->len);
	u64 end;

	if (!r->indirect || t->indirect || (desc_flags(desc) & VRING_DESC_F_NEXT))
		return ring_break(r, DITTO_VIRTIO_ERR_INDIRECT);
	if (!len || len % sizeof(*desc) ||
	    check_add_overflow(__virtio64_to_cpu(true, desc->addr), (u64)len, &end))
		return ring_break(r, DITTO_VIRTIO_ERR_INDIRECT);
	t->at = __virtio64_to_cpu(true, desc->addr);
	t->nr = len / sizeof(*desc);
	t->indirect = true;
	return 0;
}

static int chain_add(struct ring *r, struct ring_chain *c, const struct vring_desc *desc)
{
	bool write = desc_flags(desc) & VRING_DESC_F_WRITE;
	struct ring_segment seg = { .addr = __virtio64_to_cpu(true, desc->addr),
				    .len = __virtio32_to_cpu(true, desc->len) };
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

/**
 * chain_take() - copy and vet a chain
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
	struct vring_desc desc;
	u32 index = head;
	int err;

	if (head >= r->num)
		return ring_break(r, DITTO_VIRTIO_ERR_HEAD);
	c->head = head;
	c->nr = c->nr_out = 0;
	c->in_len = c->out_len = 0;
	for (;;) {
		err = chain_read_desc(r, &t, index, &desc);
		if (err)
			return err;
		if (desc_flags(&desc) & VRING_DESC_F_INDIRECT) {
			err = chain_enter(r, &t, &desc);
			index = 0;
		} else {
			err = chain_add(r, c, &desc);
			if (!err && !(desc_flags(&desc) & VRING_DESC_F_NEXT))
				return 0;
			index = __virtio16_to_cpu(true, desc.next);
		}
		if (err)
			return err;
		if (index >= t.nr)
			return ring_break(r, DITTO_VIRTIO_ERR_NEXT);
	}
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
