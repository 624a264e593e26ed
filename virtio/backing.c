// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is on a disk: a regular file or a block device, as the VMM opened it. It owns all calls
 * into the host's file systems; guests, rings and requests are not known here.
 *
 * Contents pass through a buffer, so that a file system never sees guest memory, nor the guest
 * that of a file: what is written is what was read once. The buffer is one run of addresses
 * for us and single pages for the file system, so files that are opened with O_DIRECT work.
 */
#include <linux/bvec.h>
#include <linux/blkdev.h>
#include <linux/falloc.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uio.h>
#include <linux/vmalloc.h>

#include "compat.h"
#include "virtio/backing.h"

#define BUFFER_PAGES	(BACKING_BUFFER / PAGE_SIZE)

/**
 * struct backing_buffer - a buffer; of one thread
 * @data: its bytes
 * @pages: the same, by page
 */
struct backing_buffer {
	void *data;
	struct bio_vec pages[BUFFER_PAGES];
};

/**
 * backing_buffer_alloc() - make a buffer
 *
 * Return: it, or NULL.
 */
struct backing_buffer *backing_buffer_alloc(void)
{
	struct backing_buffer *buf = kzalloc(sizeof(*buf), GFP_KERNEL_ACCOUNT);
	unsigned int i;

	if (!buf)
		return NULL;
	buf->data = __vmalloc(BACKING_BUFFER, GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	if (!buf->data) {
		kfree(buf);
		return NULL;
	}
	for (i = 0; i < BUFFER_PAGES; i++)
		bvec_set_page(&buf->pages[i], vmalloc_to_page(buf->data + i * PAGE_SIZE),
			      PAGE_SIZE, 0);
	return buf;
}

/**
 * backing_buffer_free() - and free it
 * @buf: any, or NULL
 */
void backing_buffer_free(struct backing_buffer *buf)
{
	if (!buf)
		return;
	vfree(buf->data);
	kfree(buf);
}

/**
 * backing_buffer_data() - its bytes
 * @buf: any
 *
 * Return: %BACKING_BUFFER of them.
 */
void *backing_buffer_data(struct backing_buffer *buf)
{
	return buf->data;
}

static bool backing_usable(const struct file *file, bool readonly)
{
	umode_t mode = file_inode(file)->i_mode;
	fmode_t need = FMODE_READ | FMODE_CAN_READ | (readonly ? 0 : FMODE_WRITE | FMODE_CAN_WRITE);

	return (S_ISREG(mode) || S_ISBLK(mode)) && (file->f_mode & need) == need &&
	       file->f_op->read_iter && (readonly || file->f_op->write_iter) &&
	       !(file->f_flags & O_APPEND);
}

static u32 backing_block_size(const struct file *file)
{
	if (!S_ISBLK(file_inode(file)->i_mode))
		return BACKING_SECTOR;
	return bdev_logical_block_size(I_BDEV(file->f_mapping->host));
}

/**
 * backing_open() - use a file of the caller's
 * @b: filled in
 * @fd: the file
 * @readonly: it must not be written
 *
 * Return: 0; -EBADF; -EINVAL: it is neither a regular file nor a block device, or was not opened
 * for what is to be done with it.
 */
int backing_open(struct backing *b, int fd, bool readonly)
{
	struct file *file = fget(fd);

	if (!file)
		return -EBADF;
	if (!backing_usable(file, readonly)) {
		fput(file);
		return -EINVAL;
	}
	*b = (struct backing){
		.file = file,
		.size = i_size_read(file->f_mapping->host),
		.block = backing_block_size(file),
		.readonly = readonly,
		.punches = !readonly && file->f_op->fallocate,
	};
	return 0;
}

/**
 * backing_close() - give it back
 * @b: open
 */
void backing_close(struct backing *b)
{
	fput(b->file);
}

/* -EINTR means that the thread was told to end, and nothing else. */
static int backing_result(int err)
{
	if (err == -EINTR || err == -ERESTARTSYS)
		return signal_pending(current) ? -EINTR : -EIO;
	return err;
}

static int backing_move(const struct backing *b, struct backing_buffer *buf, loff_t pos, u32 len,
			bool write, rwf_t flags)
{
	struct iov_iter iter;
	u32 done = 0;
	ssize_t n;

	while (done < len) {
		/* A request may be of gigabytes, and what is in the page cache hears no signal. */
		if (signal_pending(current))
			return -EINTR;
		iov_iter_bvec(&iter, write ? ITER_SOURCE : ITER_DEST, buf->pages, BUFFER_PAGES,
			      len);
		iov_iter_advance(&iter, done);
		n = write ? compat_iter_write(b->file, &iter, &pos, flags) :
			    vfs_iter_read(b->file, &iter, &pos, flags);
		/* Neither may end early: the disk has a size. */
		if (n <= 0)
			return backing_result(n ?: -EIO);
		done += n;
	}
	return 0;
}

/**
 * backing_read() - from the disk into a buffer
 * @b: open
 * @buf: the caller's
 * @pos: byte; the caller has checked it against the size
 * @len: bytes, at most BACKING_BUFFER
 *
 * Process context; sleeps.
 *
 * Return: 0; -EINTR: the thread has to end; -errno of the file system.
 */
int backing_read(const struct backing *b, struct backing_buffer *buf, u64 pos, u32 len)
{
	return backing_move(b, buf, pos, len, false, 0);
}

/**
 * backing_write() - from a buffer to the disk
 * @b: open
 * @buf: the caller's
 * @pos: byte; the caller has checked it against the size
 * @len: bytes, at most BACKING_BUFFER
 * @stable: do not return before it would survive a loss of power
 *
 * Process context; sleeps.
 *
 * Return: as backing_read().
 */
int backing_write(const struct backing *b, struct backing_buffer *buf, u64 pos, u32 len,
		  bool stable)
{
	return backing_move(b, buf, pos, len, true, stable ? RWF_DSYNC : 0);
}

/**
 * backing_flush() - all that was written survives a loss of power
 * @b: open
 *
 * Process context; sleeps.
 *
 * Return: as backing_read().
 */
int backing_flush(const struct backing *b)
{
	return backing_result(vfs_fsync(b->file, 1));
}

static int backing_fallocate(const struct backing *b, int mode, u64 pos, u64 len)
{
	return backing_result(vfs_fallocate(b->file, mode | FALLOC_FL_KEEP_SIZE, pos, len));
}

/**
 * backing_discard() - contents that nobody needs
 * @b: open, and punches
 * @pos: byte
 * @len: bytes
 *
 * Process context; sleeps.
 *
 * Return: as backing_read(); -EOPNOTSUPP: nothing was done.
 */
int backing_discard(const struct backing *b, u64 pos, u64 len)
{
	return len ? backing_fallocate(b, FALLOC_FL_PUNCH_HOLE, pos, len) : 0;
}

/* Where the file system knows no better way. */
static int backing_write_zeroes(const struct backing *b, struct backing_buffer *buf, u64 pos,
				u64 len)
{
	u32 n;
	int err = 0;

	memset(buf->data, 0, BACKING_BUFFER);
	for (; len && !err; pos += n, len -= n) {
		n = min_t(u64, len, BACKING_BUFFER);
		err = backing_write(b, buf, pos, n, false);
		cond_resched();
	}
	return err;
}

/**
 * backing_zero() - have zeroes there
 * @b: open, and punches
 * @buf: the caller's; its contents are lost
 * @pos: byte
 * @len: bytes
 * @unmap: the room may be given back
 *
 * Process context; sleeps.
 *
 * Return: as backing_read().
 */
int backing_zero(const struct backing *b, struct backing_buffer *buf, u64 pos, u64 len,
		 bool unmap)
{
	int err = -EOPNOTSUPP;

	if (!len)
		return 0;
	if (unmap)
		err = backing_fallocate(b, FALLOC_FL_PUNCH_HOLE, pos, len);
	if (err == -EOPNOTSUPP)
		err = backing_fallocate(b, FALLOC_FL_ZERO_RANGE, pos, len);
	return err == -EOPNOTSUPP ? backing_write_zeroes(b, buf, pos, len) : err;
}
