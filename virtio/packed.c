// SPDX-License-Identifier: GPL-2.0-only
/*
 * Packed rings (VIRTIO_F_RING_PACKED): one table that driver and device write to in turn. It owns
 * the places in it and the wrap counters; what a chain may look like is chain.c's.
 *
 * The hard part is that a descriptor is available or used by its flags alone, which are written
 * last and read first, and which a guest can change at any time: they are read once to see
 * whether there is a chain, and of what is copied then only the copy counts.
 *
 * Chains are answered in the order in which they came, each before the next is taken, so the
 * place of the next used element is the one that the chain at hand came from, unless the VMM
 * says otherwise (SET_VRING_BASE).
 */
#include <linux/virtio_ring.h>

#include <ditto.h>
#include "virtio/ring.h"

#define PACKED_AVAIL	BIT(VRING_PACKED_DESC_F_AVAIL)
#define PACKED_USED	BIT(VRING_PACKED_DESC_F_USED)
#define PACKED_WRAP	BIT(VRING_PACKED_EVENT_F_WRAP_CTR)

typedef struct vring_packed_desc_event packed_event;
static_assert(sizeof(packed_event) == 4);	/* read and written at once */

static gpa_t packed_at(const struct ring *r, u16 index)
{
	return r->desc + index * sizeof(struct vring_packed_desc);
}

/* When the device wants to be kicked; @flags is VRING_PACKED_EVENT_FLAG_*. */
static int packed_wish(struct ring *r, u16 flags)
{
	packed_event event = {
		.off_wrap = cpu_to_le16(r->next_avail | (r->avail_wrap ? PACKED_WRAP : 0)),
		.flags = cpu_to_le16(flags),
	};

	return ring_write(r, r->used, &event, sizeof(event));
}

/**
 * packed_start() - ring_start() of a packed ring
 * @r: all of it is set, but @called and @error
 *
 * Return: as ring_start().
 */
int packed_start(struct ring *r)
{
	return packed_wish(r, VRING_PACKED_EVENT_FLAG_ENABLE);
}

/* 1: a chain waits; 0; -EINTR, -EPROTO. */
static int packed_waiting(struct ring *r)
{
	__le16 le;
	u16 flags;
	int err;

	if (r->error)
		return -EPROTO;
	err = ring_read(r, packed_at(r, r->next_avail) + offsetof(struct vring_packed_desc, flags),
			&le, sizeof(le));
	if (err)
		return err;
	flags = le16_to_cpu(le);
	return !!(flags & PACKED_AVAIL) == r->avail_wrap &&
	       !!(flags & PACKED_USED) != r->avail_wrap;
}

/**
 * packed_next() - ring_next() of a packed ring
 * @r: the ring
 * @c: filled in
 *
 * Return: as ring_next().
 */
enum ring_result packed_next(struct ring *r, struct ring_chain *c)
{
	int ret = packed_waiting(r);

	if (ret <= 0)
		return ret ? ring_failed(ret) : RING_EMPTY;
	/* The descriptors after the first one's flags, which the driver writes last. */
	smp_rmb();
	ret = chain_take_packed(r, r->next_avail, c);
	return ret ? ring_failed(ret) : RING_CHAIN;
}

/* @places further, which are at most a turn. Returns whether this began another turn. */
static bool packed_advance(const struct ring *r, u16 *place, bool *wrap, u16 places)
{
	u32 to = *place + places;
	bool turn = to >= r->num;

	WRITE_ONCE(*place, turn ? to - r->num : to);
	if (turn)
		WRITE_ONCE(*wrap, !*wrap);
	return turn;
}

/**
 * packed_complete() - ring_complete() of a packed ring
 * @r: the ring
 * @c: the chain that packed_next() showed
 * @len: bytes written
 *
 * Return: as ring_complete().
 */
int packed_complete(struct ring *r, const struct ring_chain *c, u32 len)
{
	gpa_t at = packed_at(r, r->next_used);
	struct vring_packed_desc desc = {
		.len = cpu_to_le32(len), .id = cpu_to_le16(c->head),
		.flags = cpu_to_le16((r->used_wrap ? PACKED_AVAIL | PACKED_USED : 0) |
				     (len ? VRING_DESC_F_WRITE : 0)),
	};
	const size_t first = offsetof(struct vring_packed_desc, len);
	const size_t last = offsetof(struct vring_packed_desc, flags);
	int err = ring_write(r, at + first, &desc.len, last - first);

	if (err)
		return err;
	/*
	 * The element, and what the device wrote, before its flags, which the driver reads first.
	 */
	smp_wmb();
	err = ring_write(r, at + last, &desc.flags, sizeof(desc.flags));
	if (err)
		return err;
	if (packed_advance(r, &r->next_used, &r->used_wrap, c->places))
		r->called -= r->num;
	packed_advance(r, &r->next_avail, &r->avail_wrap, c->places);
	return 0;
}

/* Is the place that the driver named among those since the last call? */
static bool packed_passed(const struct ring *r, u16 off_wrap, u16 old)
{
	u16 place = off_wrap & ~PACKED_WRAP;

	/* Of the turn before this one. */
	if (!!(off_wrap & PACKED_WRAP) != r->used_wrap)
		place -= r->num;
	return vring_need_event(place, r->next_used, old);
}

/**
 * packed_wants_call() - ring_wants_call() of a packed ring
 * @r: after packed_complete()
 *
 * Return: as ring_wants_call().
 */
bool packed_wants_call(struct ring *r)
{
	bool valid = r->called_valid;
	u16 old = r->called;
	packed_event event;

	/* The flags before the driver's wish, which it writes before it looks at flags again. */
	smp_mb();
	r->called = r->next_used;
	r->called_valid = true;
	if (ring_read(r, r->avail, &event, sizeof(event)))
		return true;
	switch (le16_to_cpu(event.flags)) {
	case VRING_PACKED_EVENT_FLAG_DISABLE:
		return false;
	case VRING_PACKED_EVENT_FLAG_DESC:
		return !r->event_idx || !valid ||
		       packed_passed(r, le16_to_cpu(event.off_wrap), old);
	default:
		return true;
	}
}

/**
 * packed_arm() - ring_arm() of a packed ring
 * @r: packed_next() found nothing
 *
 * Return: as ring_arm().
 */
enum ring_result packed_arm(struct ring *r)
{
	int ret = 0;

	if (r->event_idx)
		ret = packed_wish(r, VRING_PACKED_EVENT_FLAG_DESC);
	if (ret)
		return ring_failed(ret);
	/* The wish before the flags, which the driver writes before it looks for the wish. */
	smp_mb();
	ret = packed_waiting(r);
	if (ret < 0)
		return ring_failed(ret);
	return ret ? RING_CHAIN : RING_EMPTY;
}
