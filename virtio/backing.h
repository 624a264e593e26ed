/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is on a disk: a file or a block device, and the buffer through which a queue reaches it.
 */
#ifndef DITTO_VIRTIO_BACKING_H
#define DITTO_VIRTIO_BACKING_H

#include <linux/types.h>

struct file;

/* Bytes of a sector, whatever the block size is. */
#define BACKING_SECTOR	512u

/* Bytes of a buffer. */
#define BACKING_BUFFER	(64u << 10)

/**
 * struct backing - what is on a disk; constant
 * @file: it; a reference
 * @size: bytes
 * @block: bytes of its smallest unit
 * @readonly: it must not be written
 * @punches: its contents can be given back
 */
struct backing {
	struct file *file;
	u64 size;
	u32 block;
	bool readonly, punches;
};

struct backing_buffer;

int backing_open(struct backing *b, int fd, bool readonly);
void backing_close(struct backing *b);
struct backing_buffer *backing_buffer_alloc(void);
void backing_buffer_free(struct backing_buffer *buf);
void *backing_buffer_data(struct backing_buffer *buf);
int backing_read(const struct backing *b, struct backing_buffer *buf, u64 pos, u32 len);
int backing_write(const struct backing *b, struct backing_buffer *buf, u64 pos, u32 len,
		  bool stable);
int backing_flush(const struct backing *b);
int backing_discard(const struct backing *b, u64 pos, u64 len);
int backing_zero(const struct backing *b, struct backing_buffer *buf, u64 pos, u64 len,
		 bool unmap);

#endif
