// SPDX-License-Identifier: GPL-2.0-only
/*
 * Rings, and split ones in particular (packed ones are packed.c's): taking what the driver made
 * available, giving it back, and who tells whom. It owns the indices; what a chain may look like
 * is chain.c's.
 *
 * The hard part is the order of accesses to memory that the guest reads and writes at the
 * same time. Each barrier below names the accesses of the driver that it pairs with.
 */
#include <linux/srcu.h>
#include <linux/virtio_byteorder.h>
#include <linux/virtio_ring.h>

#include <ditto.h>
#include "mmu/guest.h"
#include "virtio/ring.h"

static gpa_t avail_at(const struct ring *r, size_t offset)
{
	return r->avail + offset;
}

static gpa_t used_at(const struct ring *r, size_t offset)
{
	return r->used + offset;
}

/* Where the driver says after which used element it wants to be called. */
static gpa_t used_event_at(const struct ring *r)
{
	return avail_at(r, offsetof(struct vring_avail, ring) + r->num * sizeof(__virtio16));
}

/* Where the device says after which chain it wants to be kicked. */
static gpa_t avail_event_at(const struct ring *r)
{
	return used_at(r, offsetof(struct vring_used, ring) +
			  r->num * sizeof(struct vring_used_elem));
}

/**
 * ring_break() - the guest broke the ring
 * @r: nothing more is taken from it until it is started again
 * @error: DITTO_VIRTIO_ERR_*; the first stays
 *
 * Return: -EPROTO.
 */
int ring_break(struct ring *r, u32 error)
{
	if (!r->error)
		WRITE_ONCE(r->error, error);
	return -EPROTO;
}

/* A ring that is not in memory is the guest's fault; a signal is nobody's. */
static int ring_result(struct ring *r, int err)
{
	return !err || err == -EINTR ? err : ring_break(r, DITTO_VIRTIO_ERR_MEMORY);
}

/**
 * ring_read() - read a part of a ring
 * @r: the ring
 * @gpa: where
 * @buf: kernel memory
 * @len: bytes
 *
 * Process context; sleeps.
 *
 * Return: 0, -EINTR, or -EPROTO: the ring is broken.
 */
int ring_read(struct ring *r, gpa_t gpa, void *buf, u32 len)
{
	int idx = srcu_read_lock(&r->mmu->srcu);
	int err = guest_read(r->mmu, gpa, buf, len);

	srcu_read_unlock(&r->mmu->srcu, idx);
	return ring_result(r, err);
}

/**
 * ring_write() - write a part of a ring
 * @r: the ring
 * @gpa: where
 * @buf: kernel memory
 * @len: bytes
 *
 * Process context; sleeps.
 *
 * Return: as ring_read().
 */
int ring_write(struct ring *r, gpa_t gpa, const void *buf, u32 len)
{
	int idx = srcu_read_lock(&r->mmu->srcu);
	int err = guest_write(r->mmu, gpa, buf, len);

	srcu_read_unlock(&r->mmu->srcu, idx);
	return ring_result(r, err);
}

static int ring_read16(struct ring *r, gpa_t gpa, u16 *val)
{
	__le16 le;
	int err = ring_read(r, gpa, &le, sizeof(le));

	if (!err)
		*val = le16_to_cpu(le);
	return err;
}

static int ring_write16(struct ring *r, gpa_t gpa, u16 val)
{
	__le16 le = cpu_to_le16(val);

	return ring_write(r, gpa, &le, sizeof(le));
}

/**
 * ring_start() - before the first ring_next()
 * @r: everything but @called and @error is set, of a split ring also but @next_used
 *
 * With a split ring a device goes on where the used ring says that one before it ended. Process
 * context; sleeps.
 *
 * Return: 0, -EINTR, or -EPROTO.
 */
int ring_start(struct ring *r)
{
	r->error = 0;
	r->called_valid = false;
	if (r->packed)
		return packed_start(r);
	return ring_read16(r, used_at(r, offsetof(struct vring_used, idx)), &r->next_used);
}

/* How many chains wait; -EPROTO when that cannot be. */
static int ring_waiting(struct ring *r)
{
	u16 avail, n;
	int err;

	if (r->error)
		return -EPROTO;
	err = ring_read16(r, avail_at(r, offsetof(struct vring_avail, idx)), &avail);
	if (err)
		return err;
	n = avail - r->next_avail;
	return n > r->num ? ring_break(r, DITTO_VIRTIO_ERR_AVAIL) : n;
}

/**
 * ring_failed() - what an error of this file's functions means for the ring
 * @err: -errno
 *
 * Return: RING_BROKEN for -EPROTO, else RING_AGAIN.
 */
enum ring_result ring_failed(int err)
{
	return err == -EPROTO ? RING_BROKEN : RING_AGAIN;
}

/**
 * ring_next() - look at the next chain that the driver made available
 * @r: the ring
 * @c: filled in; @c->seg and @c->max are set
 *
 * It stays the next one until ring_complete(). Process context; sleeps.
 *
 * Return: RING_CHAIN, or why there is none.
 */
enum ring_result ring_next(struct ring *r, struct ring_chain *c)
{
	size_t entry = offsetof(struct vring_avail, ring) +
		       (r->next_avail & (r->num - 1)) * sizeof(__virtio16);
	u16 head;
	int ret;

	if (r->packed)
		return packed_next(r, c);
	ret = ring_waiting(r);
	if (ret <= 0)
		return ret ? ring_failed(ret) : RING_EMPTY;
	/* Entries and descriptors after the index, which the driver writes last. */
	smp_rmb();
	ret = ring_read16(r, avail_at(r, entry), &head);
	if (!ret)
		ret = chain_take(r, head, c);
	return ret ? ring_failed(ret) : RING_CHAIN;
}

/**
 * ring_complete() - give the chain back that ring_next() showed
 * @r: the ring
 * @c: the chain
 * @len: bytes written, counted from the first writable one
 *
 * Process context; sleeps.
 *
 * Return: 0; -EINTR, -EPROTO: it is not given back.
 */
int ring_complete(struct ring *r, const struct ring_chain *c, u32 len)
{
	struct vring_used_elem e = { .id = __cpu_to_virtio32(true, c->head),
				     .len = __cpu_to_virtio32(true, len) };
	size_t entry = offsetof(struct vring_used, ring) +
		       (r->next_used & (r->num - 1)) * sizeof(e);
	int err;

	if (r->packed)
		return packed_complete(r, c, len);
	err = ring_write(r, used_at(r, entry), &e, sizeof(e));
	if (err)
		return err;
	/*
	 * The element, and what the device wrote, before the index, which the driver reads first.
	 */
	smp_wmb();
	err = ring_write16(r, used_at(r, offsetof(struct vring_used, idx)), r->next_used + 1);
	if (err)
		return err;
	r->next_used++;
	r->next_avail++;
	return 0;
}

/**
 * ring_wants_call() - does the driver want to hear of what was given back?
 * @r: after ring_complete()
 *
 * Process context; sleeps. Where the answer is not to be had, it does.
 *
 * Return: whether it wants to.
 */
bool ring_wants_call(struct ring *r)
{
	u16 old = r->called, val;
	bool valid = r->called_valid;

	if (r->packed)
		return packed_wants_call(r);
	/*
	 * The index before the driver's wish, which it writes before it looks at the index again.
	 */
	smp_mb();
	if (!r->event_idx)
		return ring_read16(r, avail_at(r, offsetof(struct vring_avail, flags)), &val) ||
		       !(val & VRING_AVAIL_F_NO_INTERRUPT);
	r->called = r->next_used;
	r->called_valid = true;
	return ring_read16(r, used_event_at(r), &val) || !valid ||
	       vring_need_event(val, r->next_used, old);
}

/**
 * ring_arm() - have the driver kick when it makes another chain available
 * @r: ring_next() found none
 *
 * Without event index the driver always kicks. Process context; sleeps.
 *
 * Return: RING_EMPTY; RING_CHAIN: one came meanwhile, perhaps without a kick; or as ring_next().
 */
enum ring_result ring_arm(struct ring *r)
{
	int ret = 0;

	if (r->packed)
		return packed_arm(r);
	if (r->event_idx)
		ret = ring_write16(r, avail_event_at(r), r->next_avail);
	if (ret)
		return ring_failed(ret);
	/* The wish before the index, which the driver writes before it looks for the wish. */
	smp_mb();
	ret = ring_waiting(r);
	if (ret < 0)
		return ring_failed(ret);
	return ret ? RING_CHAIN : RING_EMPTY;
}
