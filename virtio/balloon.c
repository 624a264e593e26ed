// SPDX-License-Identifier: GPL-2.0-only
/*
 * The balloon: memory that a guest has no use for goes back to the host. It owns what the
 * queues' chains mean, the configuration space, and the guest's statistics; how memory is given
 * back is mmu/discard.c's.
 *
 * Inflating and reporting differ in what follows, not in what is done: a page in the balloon is
 * the guest's again when it says so, a reported one when its report is answered. Either reads as
 * zero from then on, so where the driver negotiated that free pages have another content
 * (VIRTIO_BALLOON_F_PAGE_POISON), what it reports stays. Taking pages out of the balloon needs
 * nothing: a page is there again when the guest touches it.
 *
 * The hard part is that a guest says what it likes. Page numbers are looked up in memslots, and
 * what is in none is counted and passed over; the work that one chain can ask for is done in
 * pieces, and the thread can be stopped between them. What was begun is then begun anew: to give
 * back twice is to give back once.
 */
#include <linux/align.h>
#include <linux/kernel.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/virtio_balloon.h>
#include <linux/virtio_byteorder.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_ring.h>

#include "mmu/discard.h"
#include "virtio/device.h"
#include "virtio/runs.h"

static_assert(VIRTIO_BALLOON_PFN_SHIFT == PAGE_SHIFT);

/* The queues, as the standard numbers them; the fourth, for hints, is never offered. */
enum { QUEUE_INFLATE, QUEUE_DEFLATE, QUEUE_STATS, QUEUE_HINTS, QUEUE_REPORTS, NR_QUEUES };
static_assert(NR_QUEUES == DITTO_BALLOON_QUEUES);

/* Page numbers that are read at once, and pages that are given back without a look at signals. */
#define PFNS		512u
#define PIECE		4096u

/* What a driver tells of statistics that is looked at. */
#define STATS_MAX	64u

/**
 * struct balloon - a balloon
 * @dev: what every device has
 * @config: configuration space; changed under the device's lock, read without
 * @inflated: pages that came into the balloon; so are the next ones, of pages
 * @deflated: that were taken out
 * @reported: that were reported free
 * @given: that had memory, which is the host's again
 * @kept: of @inflated and @reported, that had to stay what they were
 * @refused: that cannot be given back at all
 * @asked: the guest shall tell its statistics anew
 * @stats_lock: of the rest; innermost
 * @told: how often it did
 * @known: bit n: @stats[n] was told
 * @stats: by tag
 */
struct balloon {
	struct virtio_dev dev;
	struct virtio_balloon_config config;
	atomic64_t inflated, deflated, reported, given, kept, refused;
	bool asked;
	spinlock_t stats_lock;
	u64 told, known, stats[DITTO_BALLOON_STATS];
};

/**
 * struct balloon_queue - what a queue's thread needs
 * @pfns: as they were read
 * @runs: what they are
 * @done: what became of the chain at hand
 * @holds: of the queue of statistics: the chain was read, and is the answer to a question that
 *	nobody has asked yet
 */
struct balloon_queue {
	__le32 pfns[PFNS];
	struct runs runs;
	struct mmu_discarded done;
	bool holds;
};
static_assert(PFNS <= RUNS_MAX);

static struct balloon *queue_balloon(const struct virtio_queue *vq)
{
	return container_of(vq->dev, struct balloon, dev);
}

static bool balloon_has(const struct balloon *b, unsigned int feature)
{
	return b->dev.features & BIT_ULL(feature);
}

static bool balloon_interrupted(const struct virtio_queue *vq)
{
	return READ_ONCE(vq->stopping) || signal_pending(current);
}

/* What a guest's memory makes of an error is the guest's affair, a signal nobody's. */
static int balloon_result(struct virtio_queue *vq, int err)
{
	return !err || err == -EINTR ? err : ring_break(&vq->ring, DITTO_VIRTIO_ERR_MEMORY);
}

/* Want of memory on the host's side is no reason to stop: the pages stay. */
static int balloon_discard(struct virtio_queue *vq, gfn_t gfn, u64 npages)
{
	struct balloon_queue *bq = vq->buf;
	u64 n;
	int err;

	for (; npages; gfn += n, npages -= n) {
		if (balloon_interrupted(vq))
			return -EINTR;
		n = min_t(u64, npages, PIECE);
		err = guest_discard(vq->dev->mmu, gfn, n, &bq->done);
		if (err == -EINTR)
			return err;
	}
	return 0;
}

static int balloon_discard_pfns(struct virtio_queue *vq, u32 nr)
{
	struct balloon_queue *bq = vq->buf;
	int err = 0;
	u32 i;

	bq->runs.nr = 0;
	for (i = 0; i < nr; i++)
		runs_add(&bq->runs, le32_to_cpu(bq->pfns[i]));
	runs_merge(&bq->runs);
	for (i = 0; i < bq->runs.nr && !err; i++)
		err = balloon_discard(vq, bq->runs.run[i].gfn, bq->runs.run[i].npages);
	return err;
}

/* Page numbers, and nothing to write to. How many there are, or -EPROTO. */
static s64 balloon_pfns(struct virtio_queue *vq)
{
	const struct ring_chain *c = &vq->chain;

	if (!c->out_len || c->in_len || c->out_len % sizeof(__le32))
		return ring_break(&vq->ring, DITTO_VIRTIO_ERR_REQUEST);
	return c->out_len / sizeof(__le32);
}

static s64 balloon_inflate(struct virtio_queue *vq)
{
	struct balloon_queue *bq = vq->buf;
	struct ring_cursor at = { };
	s64 nr = balloon_pfns(vq), left;
	u32 n;
	int err = 0;

	for (left = nr; left > 0 && !err; left -= n) {
		n = min_t(s64, left, PFNS);
		err = balloon_result(vq, chain_copy_out(&vq->ring, &vq->chain, &at, bq->pfns,
							n * sizeof(__le32)));
		if (!err)
			err = balloon_discard_pfns(vq, n);
	}
	if (nr > 0 && !err)
		atomic64_add(nr, &queue_balloon(vq)->inflated);
	return nr < 0 ? nr : err;
}

static s64 balloon_deflate(struct virtio_queue *vq)
{
	s64 nr = balloon_pfns(vq);

	if (nr > 0)
		atomic64_add(nr, &queue_balloon(vq)->deflated);
	return min(nr, 0LL);
}

/* May what the driver reports become zero? It says what it takes for granted. */
static bool balloon_may_clear(const struct balloon *b)
{
	return !balloon_has(b, VIRTIO_BALLOON_F_PAGE_POISON) || !READ_ONCE(b->config.poison_val);
}

/* The pages that are wholly in a segment. */
static int balloon_report_segment(struct virtio_queue *vq, const struct ring_segment *seg,
				  u64 *pages)
{
	struct run run = run_within(seg->addr, seg->len);
	struct balloon_queue *bq = vq->buf;

	*pages += run.npages;
	if (balloon_may_clear(queue_balloon(vq)))
		return balloon_discard(vq, run.gfn, run.npages);
	bq->done.kept += run.npages;
	return 0;
}

/* The pages are what the device might write to. */
static s64 balloon_report(struct virtio_queue *vq)
{
	const struct ring_chain *c = &vq->chain;
	u64 pages = 0;
	int err = 0;
	u32 i;

	if (c->nr_out)
		return ring_break(&vq->ring, DITTO_VIRTIO_ERR_REQUEST);
	for (i = 0; i < c->nr && !err; i++)
		err = balloon_report_segment(vq, &c->seg[i], &pages);
	if (!err)
		atomic64_add(pages, &queue_balloon(vq)->reported);
	return err;
}

static void balloon_note_stats(struct balloon *b, const struct virtio_balloon_stat *stat, u32 nr)
{
	u32 i;

	spin_lock(&b->stats_lock);
	b->known = 0;
	for (i = 0; i < nr; i++) {
		u16 tag = __virtio16_to_cpu(true, stat[i].tag);

		if (tag >= DITTO_BALLOON_STATS)
			continue;
		b->known |= BIT_ULL(tag);
		b->stats[tag] = __virtio64_to_cpu(true, stat[i].val);
	}
	b->told++;
	spin_unlock(&b->stats_lock);
}

/*
 * A chain with statistics is answered when there is a question. The driver then makes another
 * available, with the statistics of that moment.
 */
static s64 balloon_stats(struct virtio_queue *vq)
{
	struct virtio_balloon_stat stat[STATS_MAX];
	struct balloon *b = queue_balloon(vq);
	struct balloon_queue *bq = vq->buf;
	struct ring_cursor at = { };
	u32 nr = min_t(u64, vq->chain.out_len / sizeof(*stat), STATS_MAX);
	int err;

	if (!bq->holds) {
		if (!nr || vq->chain.in_len)
			return ring_break(&vq->ring, DITTO_VIRTIO_ERR_REQUEST);
		err = balloon_result(vq, chain_copy_out(&vq->ring, &vq->chain, &at, stat,
							nr * sizeof(*stat)));
		if (err)
			return err;
		balloon_note_stats(b, stat, nr);
	}
	bq->holds = !xchg(&b->asked, false);
	return bq->holds ? -EAGAIN : 0;
}

typedef s64 (*balloon_serve_fn)(struct virtio_queue *vq);

/*
 * What a queue is for, or NULL. Drivers before Linux 6.11 have no gaps between the queues of the
 * features that they accepted: their reports may come by any but the first two.
 */
static balloon_serve_fn balloon_role(const struct virtio_queue *vq)
{
	const struct balloon *b = queue_balloon(vq);
	u32 index = vq - b->dev.queues;

	if (index == QUEUE_INFLATE)
		return balloon_inflate;
	if (index == QUEUE_DEFLATE)
		return balloon_deflate;
	if (index == QUEUE_STATS && balloon_has(b, VIRTIO_BALLOON_F_STATS_VQ))
		return balloon_stats;
	return balloon_has(b, VIRTIO_BALLOON_F_REPORTING) ? balloon_report : NULL;
}

static void balloon_count(struct balloon *b, const struct mmu_discarded *n)
{
	atomic64_add(n->given, &b->given);
	atomic64_add(n->kept, &b->kept);
	atomic64_add(n->refused, &b->refused);
}

/* virtio_ops.serve */
static s64 balloon_serve(struct virtio_queue *vq)
{
	struct balloon_queue *bq = vq->buf;
	s64 ret;

	bq->done = (struct mmu_discarded){ };
	ret = balloon_role(vq)(vq);
	balloon_count(queue_balloon(vq), &bq->done);
	return ret;
}

static int balloon_alloc(struct virtio_queue *vq)
{
	if (!balloon_role(vq))
		return -EINVAL;
	vq->buf = kvzalloc(sizeof(struct balloon_queue), GFP_KERNEL_ACCOUNT);
	return vq->buf ? 0 : -ENOMEM;
}

static void balloon_free(struct virtio_queue *vq)
{
	kvfree(vq->buf);
	vq->buf = NULL;
}

/* What a driver may write: how large the balloon is, and what free pages contain. */
static int balloon_set_config(struct virtio_dev *dev, u32 off, const void *buf, u32 len)
{
	struct balloon *b = container_of(dev, struct balloon, dev);
	u32 val;

	if (len != sizeof(val))
		return -EINVAL;
	memcpy(&val, buf, sizeof(val));
	if (off == offsetof(struct virtio_balloon_config, actual))
		WRITE_ONCE(b->config.actual, (__force __le32)val);
	else if (off == offsetof(struct virtio_balloon_config, poison_val))
		WRITE_ONCE(b->config.poison_val, (__force __le32)val);
	else
		return -EINVAL;
	return 0;
}

static void balloon_destroy(struct virtio_dev *dev)
{
	kfree(container_of(dev, struct balloon, dev));
}

static const struct virtio_ops balloon_ops = {
	.type = VIRTIO_ID_BALLOON,
	.config_size = sizeof(struct virtio_balloon_config),
	.name = "ditto-balloon",
	.alloc = balloon_alloc,
	.free = balloon_free,
	.serve = balloon_serve,
	.set_config = balloon_set_config,
	.destroy = balloon_destroy,
};

/**
 * balloon_create() - make a balloon
 * @mmu: the guest's memory
 * @args: unchecked
 *
 * Return: the device, or ERR_PTR: -EINVAL, -ENOMEM.
 */
struct virtio_dev *balloon_create(struct mmu *mmu, const struct ditto_create_virtio *args)
{
	struct balloon *b;
	int err;

	if (args->flags || args->fd != -1 || args->queues != NR_QUEUES ||
	    memchr_inv(args->serial, 0, sizeof(args->serial)))
		return ERR_PTR(-EINVAL);
	b = kzalloc(sizeof(*b), GFP_KERNEL_ACCOUNT);
	if (!b)
		return ERR_PTR(-ENOMEM);
	err = vdev_init(&b->dev, &balloon_ops, mmu, args->queues);
	if (err) {
		kfree(b);
		return ERR_PTR(err);
	}
	spin_lock_init(&b->stats_lock);
	b->dev.config = &b->config;
	b->dev.offered = BIT_ULL(VIRTIO_F_VERSION_1) | BIT_ULL(VIRTIO_F_RING_PACKED) |
			 BIT_ULL(VIRTIO_RING_F_EVENT_IDX) |
			 BIT_ULL(VIRTIO_RING_F_INDIRECT_DESC) |
			 BIT_ULL(VIRTIO_BALLOON_F_STATS_VQ) |
			 BIT_ULL(VIRTIO_BALLOON_F_DEFLATE_ON_OOM) |
			 BIT_ULL(VIRTIO_BALLOON_F_PAGE_POISON) |
			 BIT_ULL(VIRTIO_BALLOON_F_REPORTING);
	return &b->dev;
}

static void balloon_tell_stats(struct balloon *b, struct ditto_balloon *args)
{
	spin_lock(&b->stats_lock);
	args->told = b->told;
	args->known = b->known;
	memcpy(args->stats, b->stats, sizeof(args->stats));
	spin_unlock(&b->stats_lock);
}

static void balloon_tell(struct balloon *b, struct ditto_balloon *args)
{
	args->target = le32_to_cpu(b->config.num_pages);
	args->actual = le32_to_cpu(b->config.actual);
	args->poison = le32_to_cpu(b->config.poison_val);
	args->inflated = atomic64_read(&b->inflated);
	args->deflated = atomic64_read(&b->deflated);
	args->reported = atomic64_read(&b->reported);
	args->given = atomic64_read(&b->given);
	args->kept = atomic64_read(&b->kept);
	args->refused = atomic64_read(&b->refused);
	balloon_tell_stats(b, args);
}

/**
 * vdev_balloon() - DITTO_BALLOON
 * @dev: locked
 * @args: copied in, and out
 *
 * Return: 0; -EINVAL: an unknown flag, or @reserved is not 0; -ENODEV: it is no balloon.
 */
int vdev_balloon(struct virtio_dev *dev, struct ditto_balloon *args)
{
	struct balloon *b = container_of(dev, struct balloon, dev);

	if (dev->ops != &balloon_ops)
		return -ENODEV;
	if ((args->flags & ~(DITTO_BALLOON_SET_TARGET | DITTO_BALLOON_ASK)) ||
	    memchr_inv(args->reserved, 0, sizeof(args->reserved)))
		return -EINVAL;
	if (args->flags & DITTO_BALLOON_SET_TARGET)
		WRITE_ONCE(b->config.num_pages, cpu_to_le32(args->target));
	if (args->flags & DITTO_BALLOON_ASK) {
		WRITE_ONCE(b->asked, true);
		queue_wake(&dev->queues[QUEUE_STATS]);
	}
	balloon_tell(b, args);
	return 0;
}
