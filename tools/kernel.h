/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef DITTO_KERNEL_H
#define DITTO_KERNEL_H

#include <asm/bootparam.h>
#include <stdint.h>

/**
 * struct image - a file that will be read into guest memory
 * @path: for messages; not owned
 * @fd: open for reading, or -1
 * @size: bytes
 */
struct image {
	const char *path;
	int fd;
	uint64_t size;
};

/**
 * struct kernel - a bzImage that was checked
 * @file: the image
 * @hdr: its setup header
 * @payload_offset: where the 64-bit part begins in the file
 * @payload_size: its length
 */
struct kernel {
	struct image file;
	struct setup_header hdr;
	uint64_t payload_offset;
	uint64_t payload_size;
};

int image_open(struct image *image, const char *path);
int image_read(const struct image *image, void *to, uint64_t offset, uint64_t len);
void image_close(struct image *image);
int kernel_check(struct kernel *kernel);

#endif
