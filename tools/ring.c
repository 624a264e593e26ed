// SPDX-License-Identifier: GPL-2.0-only
/*
 * A split virtqueue (virtio 1.2, chapter 2.7) whose device is this program. The guest may
 * write to all of it at any time, and it may be hostile: so each word is read once, vetted
 * once, and only the copy used. A queue in which something is wrong says what, and is served
 * no more. Event indices and indirect tables are not offered, so they are not here.
 */
#include "ring.h"

#include <errno.h>
#include <string.h>

static void *part(const struct ram *ram, uint64_t at, uint64_t len, uint64_t align)
{
	return at % align ? NULL : ram_at(ram, at, len);
}

/**
 * ring_find() - find a queue's parts in this process
 * @parts: filled in
 * @q: what the driver wrote about it
 * @ram: the guest's memory
 *
 * Return: false if its length or its place is none that a queue can have.
 */
bool ring_find(struct ring_parts *parts, const struct virtio_queue *q, const struct ram *ram)
{
	if (!q->num || q->num > VIRTIO_QUEUE_LEN || q->num & (q->num - 1))
		return false;
	parts->desc = part(ram, q->desc, q->num * sizeof(struct vring_desc),
			   VRING_DESC_ALIGN_SIZE);
	parts->avail = part(ram, q->avail, sizeof(struct vring_avail) + (q->num + 1) * 2ul,
			    VRING_AVAIL_ALIGN_SIZE);
	parts->used = part(ram, q->used,
			   sizeof(struct vring_used) + q->num * sizeof(struct vring_used_elem) + 2,
			   VRING_USED_ALIGN_SIZE);
	return parts->desc && parts->avail && parts->used;
}

/**
 * ring_begin() - serve a queue from its beginning
 * @r: filled in
 * @q: what the driver wrote about it
 * @ram: the guest's memory
 *
 * Return: 0, or -1 if it is none.
 */
int ring_begin(struct ring *r, const struct virtio_queue *q, const struct ram *ram)
{
	*r = (struct ring){ .ram = ram };
	if (!ring_find(&r->parts, q, ram))
		return -1;
	r->num = q->num;
	return 0;
}

static bool ring_fail(struct ring *r, const char *why)
{
	r->error = why;
	r->num = 0;
	return false;
}

/* One descriptor's copy becomes a buffer of the chain. */
static bool chain_add(struct ring *r, struct chain *chain, const struct vring_desc *d)
{
	unsigned int count = chain->readable + chain->writable;
	void *at;

	if (count == r->num)
		return ring_fail(r, "a chain is a loop");
	if (d->flags & ~(VRING_DESC_F_NEXT | VRING_DESC_F_WRITE))
		return ring_fail(r, "a descriptor of a kind that was not offered");
	if (!(d->flags & VRING_DESC_F_WRITE) && chain->writable)
		return ring_fail(r, "a readable descriptor behind a writable one");
	at = d->len ? ram_at(r->ram, d->addr, d->len) : NULL;
	if (!at)
		return ring_fail(r, d->len ? "an address without memory"
					   : "a descriptor of no bytes");
	chain->buffer[count] = (struct iovec){ .iov_base = at, .iov_len = d->len };
	if (d->flags & VRING_DESC_F_WRITE)
		chain->writable++;
	else
		chain->readable++;
	return true;
}

static bool chain_fetch(struct ring *r, struct chain *chain)
{
	struct vring_desc d = { .flags = VRING_DESC_F_NEXT, .next = chain->head };

	chain->readable = chain->writable = 0;
	while (d.flags & VRING_DESC_F_NEXT) {
		if (d.next >= r->num)
			return ring_fail(r, "a chain goes on outside of the table");
		memcpy(&d, r->parts.desc + d.next, sizeof(d));
		/* The copy is what counts, not what the compiler could read again. */
		__asm__ volatile("" : "+m"(d));
		if (!chain_add(r, chain, &d))
			return false;
	}
	return true;
}

/**
 * ring_next() - take the next chain
 * @r: the queue
 * @chain: filled in
 *
 * Return: false if there is none, or the queue is in error.
 */
bool ring_next(struct ring *r, struct chain *chain)
{
	uint16_t index;

	if (!r->num)
		return false;
	index = __atomic_load_n(&r->parts.avail->idx, __ATOMIC_ACQUIRE);
	if (index == r->avail)
		return false;
	if ((uint16_t)(index - r->avail) > r->num)
		return ring_fail(r, "more is available than it has");
	chain->head = __atomic_load_n(&r->parts.avail->ring[r->avail % r->num], __ATOMIC_RELAXED);
	if (!chain_fetch(r, chain))
		return false;
	r->avail++;
	return true;
}

/**
 * ring_put_back() - what ring_next() took is the next one again
 * @r: the queue, which has completed nothing since
 */
void ring_put_back(struct ring *r)
{
	r->avail--;
}

/**
 * ring_complete() - give a chain back
 * @r: the queue, from which it was taken
 * @head: the chain's
 * @written: bytes, from the first writable one on
 */
void ring_complete(struct ring *r, uint16_t head, uint32_t written)
{
	if (!r->num)
		return;
	r->parts.used->ring[r->used % r->num] = (struct vring_used_elem){ .id = head,
									  .len = written };
	__atomic_store_n(&r->parts.used->idx, ++r->used, __ATOMIC_RELEASE);
}

/**
 * ring_wants_interrupt() - whether the driver is to hear of what was completed
 * @r: the queue
 */
bool ring_wants_interrupt(const struct ring *r)
{
	if (!r->num)
		return false;
	/* The driver allows interrupts first, and looks for used chains then. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return !(__atomic_load_n(&r->parts.avail->flags, __ATOMIC_RELAXED) &
		 VRING_AVAIL_F_NO_INTERRUPT);
}

/**
 * ring_spare_kicks() - tell the driver that a kick is not needed now
 * @r: the queue
 */
void ring_spare_kicks(struct ring *r)
{
	if (r->num)
		__atomic_store_n(&r->parts.used->flags, VRING_USED_F_NO_NOTIFY, __ATOMIC_RELAXED);
}

/**
 * ring_want_kicks() - tell the driver to kick, now that nothing seems to be available
 * @r: the queue
 *
 * Return: true if something is available nevertheless, for which no kick may come.
 */
bool ring_want_kicks(struct ring *r)
{
	if (!r->num)
		return false;
	__atomic_store_n(&r->parts.used->flags, 0, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return __atomic_load_n(&r->parts.avail->idx, __ATOMIC_RELAXED) != r->avail;
}

/**
 * chain_room() - how much the device may write
 * @chain: the chain
 *
 * Return: bytes.
 */
size_t chain_room(const struct chain *chain)
{
	size_t room = 0;

	for (unsigned int i = 0; i < chain->writable; i++)
		room += chain->buffer[chain->readable + i].iov_len;
	return room;
}

static size_t lesser(size_t a, size_t b)
{
	return a < b ? a : b;
}

/**
 * chain_read() - copy what the driver wrote for the device
 * @chain: the chain
 * @to: where to
 * @len: its room
 *
 * Return: how many bytes there are; only @len are copied if there are more.
 */
size_t chain_read(const struct chain *chain, void *to, size_t len)
{
	size_t total = 0;

	for (unsigned int i = 0; i < chain->readable; i++) {
		const struct iovec *b = &chain->buffer[i];

		if (total < len)
			memcpy((uint8_t *)to + total, b->iov_base,
			       lesser(b->iov_len, len - total));
		total += b->iov_len;
	}
	return total;
}

/**
 * chain_write() - copy something to where the device may write
 * @chain: the chain
 * @at: from which of the writable bytes on
 * @from: what
 * @len: how much
 *
 * Return: how much had room.
 */
size_t chain_write(const struct chain *chain, size_t at, const void *from, size_t len)
{
	const struct iovec *b = chain->buffer + chain->readable;
	size_t done = 0;

	for (unsigned int i = 0; i < chain->writable && done < len; i++, b++) {
		size_t count;

		if (at >= b->iov_len) {
			at -= b->iov_len;
			continue;
		}
		count = lesser(b->iov_len - at, len - done);
		memcpy((uint8_t *)b->iov_base + at, (const uint8_t *)from + done, count);
		done += count;
		at = 0;
	}
	return done;
}
