// SPDX-License-Identifier: GPL-2.0-only
/*
 * The block device: what a request is, and what becomes of it. It owns the disk's configuration
 * space; the file is backing.c's, the chain ring.c's and chain.c's.
 *
 * The hard part is what to tell the guest. A request is answered when all of it is done, never
 * before; what is wrong with it, or with the disk, is its status; only a chain that has no room
 * for a request breaks the queue. What a signal interrupts is begun anew, which is the same
 * for the guest: nothing was answered yet.
 */
#include <linux/kernel.h>
#include <linux/slab.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_byteorder.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_ring.h>

#include "virtio/backing.h"
#include "virtio/device.h"

/* With the header and the status that is a chain of the least length. */
#define BLK_SEGMENTS	(RING_CHAIN_LEAST - 2)
/* Runs in one discard or write of zeroes, and sectors of each: 1 GiB. */
#define BLK_RUNS	16
#define BLK_RUN_SECTORS	(1u << 21)

/**
 * struct blk - a disk
 * @dev: what every device has
 * @backing: what is on it
 * @sectors: how many there are
 * @serial: what VIRTIO_BLK_T_GET_ID tells
 * @config: configuration space
 */
struct blk {
	struct virtio_dev dev;
	struct backing backing;
	u64 sectors;
	char serial[VIRTIO_BLK_ID_BYTES];
	struct virtio_blk_config config;
};
static_assert(VIRTIO_BLK_ID_BYTES == DITTO_VIRTIO_SERIAL_LEN);

/**
 * struct blk_request - a request that is being carried out
 * @blk: the disk
 * @vq: where it came from
 * @buf: of the queue
 * @type: VIRTIO_BLK_T_*
 * @sector: first sector
 * @out: behind the header
 * @out_len: bytes there
 * @in: the first writable byte
 * @in_len: bytes there, without the status
 * @written: of these, filled in
 */
struct blk_request {
	struct blk *blk;
	struct virtio_queue *vq;
	struct backing_buffer *buf;
	u32 type;
	u64 sector;
	struct ring_cursor out, in;
	u32 out_len, in_len, written;
};

static int blk_copy_out(struct blk_request *rq, void *buf, u32 len)
{
	return chain_copy_out(&rq->vq->ring, &rq->vq->chain, &rq->out, buf, len);
}

static int blk_copy_in(struct blk_request *rq, const void *buf, u32 len)
{
	int err = chain_copy_in(&rq->vq->ring, &rq->vq->chain, &rq->in, buf, len);

	if (!err)
		rq->written += len;
	return err;
}

/* Is there a run of @bytes on the disk? */
static bool blk_has(const struct blk *blk, u64 sector, u64 bytes)
{
	return !(bytes % BACKING_SECTOR) && sector <= blk->sectors &&
	       bytes / BACKING_SECTOR <= blk->sectors - sector;
}

/* Without a way to flush, what is answered is safe. */
static bool blk_writes_through(const struct blk *blk)
{
	return !(blk->dev.features & BIT_ULL(VIRTIO_BLK_F_FLUSH));
}

static int blk_read(struct blk_request *rq)
{
	u64 pos = rq->sector * BACKING_SECTOR;
	u32 n, left = rq->in_len;
	int err = 0;

	if (!blk_has(rq->blk, rq->sector, left))
		return -EIO;
	for (; left && !err; pos += n, left -= n) {
		n = min(left, BACKING_BUFFER);
		err = backing_read(&rq->blk->backing, rq->buf, pos, n);
		if (!err)
			err = blk_copy_in(rq, backing_buffer_data(rq->buf), n);
	}
	return err;
}

static int blk_write(struct blk_request *rq)
{
	u64 pos = rq->sector * BACKING_SECTOR;
	u32 n, left = rq->out_len;
	int err = 0;

	if (rq->blk->backing.readonly || !blk_has(rq->blk, rq->sector, left))
		return -EIO;
	for (; left && !err; pos += n, left -= n) {
		n = min(left, BACKING_BUFFER);
		err = blk_copy_out(rq, backing_buffer_data(rq->buf), n);
		if (!err)
			err = backing_write(&rq->blk->backing, rq->buf, pos, n,
					    blk_writes_through(rq->blk));
	}
	return err;
}

static int blk_get_id(struct blk_request *rq)
{
	return blk_copy_in(rq, rq->blk->serial, min_t(u32, rq->in_len, VIRTIO_BLK_ID_BYTES));
}

/* 0; -EOPNOTSUPP: a flag; -EIO: not on the disk, or more than was offered. */
static int blk_check_run(const struct blk_request *rq,
			 const struct virtio_blk_discard_write_zeroes *run)
{
	u32 known = rq->type == VIRTIO_BLK_T_WRITE_ZEROES ? VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP : 0;
	u32 sectors = le32_to_cpu(run->num_sectors);

	if (le32_to_cpu(run->flags) & ~known)
		return -EOPNOTSUPP;
	if (sectors > BLK_RUN_SECTORS)
		return -EIO;
	return blk_has(rq->blk, le64_to_cpu(run->sector), (u64)sectors * BACKING_SECTOR) ? 0 : -EIO;
}

static int blk_do_run(const struct blk_request *rq,
		      const struct virtio_blk_discard_write_zeroes *run)
{
	const struct backing *b = &rq->blk->backing;
	u64 pos = le64_to_cpu(run->sector) * BACKING_SECTOR;
	u64 len = (u64)le32_to_cpu(run->num_sectors) * BACKING_SECTOR;

	if (rq->type == VIRTIO_BLK_T_DISCARD)
		return backing_discard(b, pos, len);
	return backing_zero(b, rq->buf, pos, len,
			    le32_to_cpu(run->flags) & VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP);
}

static int blk_runs(struct blk_request *rq)
{
	struct virtio_blk_discard_write_zeroes runs[BLK_RUNS];
	u32 i, nr = rq->out_len / sizeof(runs[0]);
	int err = 0;

	if (!rq->blk->backing.punches)
		return -EOPNOTSUPP;
	if (!nr || rq->out_len % sizeof(runs[0]) || nr > BLK_RUNS)
		return -EIO;
	err = blk_copy_out(rq, runs, rq->out_len);
	for (i = 0; i < nr && !err; i++)
		err = blk_check_run(rq, &runs[i]);
	for (i = 0; i < nr && !err; i++)
		err = blk_do_run(rq, &runs[i]);
	if (!err && blk_writes_through(rq->blk))
		err = backing_flush(&rq->blk->backing);
	return err;
}

static int blk_execute(struct blk_request *rq)
{
	switch (rq->type) {
	case VIRTIO_BLK_T_IN:
		return blk_read(rq);
	case VIRTIO_BLK_T_OUT:
		return blk_write(rq);
	case VIRTIO_BLK_T_FLUSH:
		return backing_flush(&rq->blk->backing);
	case VIRTIO_BLK_T_GET_ID:
		return blk_get_id(rq);
	case VIRTIO_BLK_T_DISCARD:
	case VIRTIO_BLK_T_WRITE_ZEROES:
		return blk_runs(rq);
	default:
		return -EOPNOTSUPP;
	}
}

/* The header and room for the status, which every request has. */
static int blk_parse(struct blk_request *rq, struct virtio_queue *vq)
{
	const struct ring_chain *c = &vq->chain;
	struct virtio_blk_outhdr head;
	int err;

	*rq = (struct blk_request){
		.blk = container_of(vq->dev, struct blk, dev),
		.vq = vq, .buf = vq->buf, .in = chain_first_in(c),
	};
	if (c->out_len < sizeof(head) || !c->in_len)
		return ring_break(&vq->ring, DITTO_VIRTIO_ERR_REQUEST);
	err = blk_copy_out(rq, &head, sizeof(head));
	if (err)
		return err == -EINTR ? err : ring_break(&vq->ring, DITTO_VIRTIO_ERR_MEMORY);
	rq->type = __virtio32_to_cpu(true, head.type);
	rq->sector = __virtio64_to_cpu(true, head.sector);
	rq->out_len = c->out_len - sizeof(head);
	rq->in_len = c->in_len - 1;
	return 0;
}

/* The status is the last writable byte. */
static int blk_answer(struct blk_request *rq, u8 status)
{
	const struct ring_chain *c = &rq->vq->chain;
	struct ring_cursor at = { .seg = c->nr - 1, .off = c->seg[c->nr - 1].len - 1 };
	int err = chain_copy_in(&rq->vq->ring, c, &at, &status, sizeof(status));

	if (err && err != -EINTR)
		return ring_break(&rq->vq->ring, DITTO_VIRTIO_ERR_MEMORY);
	return err;
}

static u8 blk_status(int err)
{
	if (!err)
		return VIRTIO_BLK_S_OK;
	return err == -EOPNOTSUPP ? VIRTIO_BLK_S_UNSUPP : VIRTIO_BLK_S_IOERR;
}

/* virtio_ops.serve */
static s64 blk_serve(struct virtio_queue *vq)
{
	struct blk_request rq;
	int err = blk_parse(&rq, vq), ret;

	if (err)
		return err;
	err = blk_execute(&rq);
	if (err == -EINTR)
		return err;
	ret = blk_answer(&rq, blk_status(err));
	if (ret)
		return ret;
	if (err)
		WRITE_ONCE(vq->failed, vq->failed + 1);
	/* The status counts where there is no gap before it. */
	return rq.written + (rq.written == rq.in_len);
}

static int blk_alloc(struct virtio_queue *vq)
{
	vq->buf = backing_buffer_alloc();
	return vq->buf ? 0 : -ENOMEM;
}

static void blk_free(struct virtio_queue *vq)
{
	backing_buffer_free(vq->buf);
	vq->buf = NULL;
}

static void blk_destroy(struct virtio_dev *dev)
{
	struct blk *blk = container_of(dev, struct blk, dev);

	backing_close(&blk->backing);
	kfree(blk);
}

static const struct virtio_ops blk_ops = {
	.type = VIRTIO_ID_BLOCK,
	.config_size = sizeof(struct virtio_blk_config),
	.name = "ditto-blk",
	.alloc = blk_alloc,
	.free = blk_free,
	.serve = blk_serve,
	.destroy = blk_destroy,
};

static u64 blk_features(const struct blk *blk)
{
	u64 f = BIT_ULL(VIRTIO_F_VERSION_1) | BIT_ULL(VIRTIO_F_RING_PACKED) |
		BIT_ULL(VIRTIO_RING_F_EVENT_IDX) |
		BIT_ULL(VIRTIO_RING_F_INDIRECT_DESC) | BIT_ULL(VIRTIO_BLK_F_SEG_MAX) |
		BIT_ULL(VIRTIO_BLK_F_BLK_SIZE) | BIT_ULL(VIRTIO_BLK_F_FLUSH);

	if (blk->backing.readonly)
		f |= BIT_ULL(VIRTIO_BLK_F_RO);
	if (blk->backing.punches)
		f |= BIT_ULL(VIRTIO_BLK_F_DISCARD) | BIT_ULL(VIRTIO_BLK_F_WRITE_ZEROES);
	if (blk->dev.nr_queues > 1)
		f |= BIT_ULL(VIRTIO_BLK_F_MQ);
	return f;
}

static void blk_configure(struct blk *blk)
{
	struct virtio_blk_config *c = &blk->config;

	c->capacity = __cpu_to_virtio64(true, blk->sectors);
	c->seg_max = __cpu_to_virtio32(true, BLK_SEGMENTS);
	c->blk_size = __cpu_to_virtio32(true, blk->backing.block);
	c->num_queues = __cpu_to_virtio16(true, blk->dev.nr_queues);
	if (!blk->backing.punches)
		return;
	c->max_discard_sectors = __cpu_to_virtio32(true, BLK_RUN_SECTORS);
	c->max_write_zeroes_sectors = c->max_discard_sectors;
	c->max_discard_seg = c->max_write_zeroes_seg = __cpu_to_virtio32(true, BLK_RUNS);
	c->discard_sector_alignment = __cpu_to_virtio32(true, blk->backing.block / BACKING_SECTOR);
	c->write_zeroes_may_unmap = 1;
}

/**
 * blk_create() - make a disk
 * @mmu: the guest's memory
 * @args: its file and flags unchecked
 *
 * Return: the device, or ERR_PTR: -EINVAL, -EBADF, -ENOMEM.
 */
struct virtio_dev *blk_create(struct mmu *mmu, const struct ditto_create_virtio *args)
{
	struct blk *blk;
	int err;

	if (args->flags & ~DITTO_VIRTIO_READONLY)
		return ERR_PTR(-EINVAL);
	blk = kzalloc(sizeof(*blk), GFP_KERNEL_ACCOUNT);
	if (!blk)
		return ERR_PTR(-ENOMEM);
	err = backing_open(&blk->backing, args->fd, args->flags & DITTO_VIRTIO_READONLY);
	if (err)
		goto free;
	err = vdev_init(&blk->dev, &blk_ops, mmu, args->queues);
	if (err)
		goto close;
	blk->sectors = blk->backing.size / BACKING_SECTOR;
	memcpy(blk->serial, args->serial, sizeof(blk->serial));
	blk_configure(blk);
	blk->dev.config = &blk->config;
	blk->dev.offered = blk_features(blk);
	return &blk->dev;

close:
	backing_close(&blk->backing);
free:
	kfree(blk);
	return ERR_PTR(err);
}
