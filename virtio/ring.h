/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Rings: what a guest and a device share. Knows no device and no thread.
 */
#ifndef DITTO_VIRTIO_RING_H
#define DITTO_VIRTIO_RING_H

#include <linux/kvm_types.h>
#include <linux/types.h>

struct mmu;

/* A chain may have at least so many segments, however short the queue is. */
#define RING_CHAIN_LEAST	128u

/**
 * struct ring - one ring, split or packed, as the device sees it
 * @mmu: where it lies
 * @num: entries; a power of two, at most DITTO_VIRTIO_MAX_NUM
 * @desc: descriptor table; of a packed ring all of it
 * @avail: what the driver makes available; packed: when the driver wants to be called
 * @used: what the device gives back; packed: when the device wants to be kicked
 * @packed: VIRTIO_F_RING_PACKED was negotiated
 * @event_idx: VIRTIO_RING_F_EVENT_IDX was negotiated
 * @indirect: VIRTIO_RING_F_INDIRECT_DESC was negotiated
 * @next_avail: number of the chain that is taken next; packed: where its descriptors begin
 * @next_used: number of the next used element; packed: its place
 * @avail_wrap: packed: the wrap counter that belongs to @next_avail
 * @used_wrap: and to @next_used
 * @called: @next_used when it was last decided whether to call the driver; packed: less @num for
 *	each turn since
 * @called_valid: it was
 * @error: DITTO_VIRTIO_ERR_*: what the guest did wrong, or 0
 *
 * All but the addresses' contents are the serving thread's while the queue is enabled.
 */
struct ring {
	struct mmu *mmu;
	u32 num;
	gpa_t desc, avail, used;
	bool packed, event_idx, indirect;
	u16 next_avail, next_used;
	bool avail_wrap, used_wrap;
	u16 called;
	bool called_valid;
	u32 error;
};

/**
 * struct ring_segment - a run of guest memory
 * @addr: first byte
 * @len: bytes, not 0; does not wrap
 */
struct ring_segment {
	gpa_t addr;
	u32 len;
};

/**
 * enum ring_result - what a look at a ring found
 * @RING_EMPTY: nothing that the driver made available
 * @RING_CHAIN: a chain
 * @RING_AGAIN: a signal comes first; to be looked at again
 * @RING_HELD: a chain that the device answers later: it wakes the queue for it
 * @RING_BROKEN: what no driver does (struct ring says what); the ring stands still
 */
enum ring_result {
	RING_EMPTY,
	RING_CHAIN,
	RING_AGAIN,
	RING_HELD,
	RING_BROKEN,
};

/**
 * struct ring_chain - a chain of descriptors: a copy, vetted
 * @head: its number in the descriptor table; packed: the buffer's id
 * @places: packed: descriptors of the ring that it takes
 * @nr: segments
 * @max: what fits into @seg
 * @nr_out: of @nr, the first, which the device reads; it writes the others
 * @out_len: bytes of the former
 * @in_len: bytes of the latter
 * @seg: segments
 */
struct ring_chain {
	u16 head, places;
	u32 nr, max, nr_out;
	u64 out_len, in_len;
	struct ring_segment *seg;
};

/**
 * struct ring_cursor - a place in a chain
 * @seg: segment
 * @off: byte in it
 */
struct ring_cursor {
	u32 seg, off;
};

static inline u32 ring_chain_max(u32 num)
{
	return num > RING_CHAIN_LEAST ? num : RING_CHAIN_LEAST;
}

int ring_break(struct ring *r, u32 error);
int ring_read(struct ring *r, gpa_t gpa, void *buf, u32 len);
int ring_write(struct ring *r, gpa_t gpa, const void *buf, u32 len);
int ring_start(struct ring *r);
enum ring_result ring_next(struct ring *r, struct ring_chain *c);
int ring_complete(struct ring *r, const struct ring_chain *c, u32 len);
bool ring_wants_call(struct ring *r);
enum ring_result ring_arm(struct ring *r);
enum ring_result ring_failed(int err);

/* packed.c: the same of packed rings */
int packed_start(struct ring *r);
enum ring_result packed_next(struct ring *r, struct ring_chain *c);
int packed_complete(struct ring *r, const struct ring_chain *c, u32 len);
bool packed_wants_call(struct ring *r);
enum ring_result packed_arm(struct ring *r);

/* chain.c */
int chain_take_packed(struct ring *r, u16 index, struct ring_chain *c);
int chain_take(struct ring *r, u16 head, struct ring_chain *c);
struct ring_cursor chain_first_in(const struct ring_chain *c);
int chain_copy_out(struct ring *r, const struct ring_chain *c, struct ring_cursor *at,
		   void *buf, u32 len);
int chain_copy_in(struct ring *r, const struct ring_chain *c, struct ring_cursor *at,
		  const void *buf, u32 len);

#endif
