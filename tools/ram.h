/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef DITTO_RAM_H
#define DITTO_RAM_H

#include <stdbool.h>
#include <stdint.h>

/* RAM that would reach into the hole below 4 GiB continues above it. */
#define RAM_HOLE_START	0xc0000000ULL
#define RAM_HOLE_END	0x100000000ULL

enum ram_backing {
	RAM_BACKING_AUTO,	/* gmem where the device has it, else anonymous */
	RAM_BACKING_GMEM,
	RAM_BACKING_ANON,
};

/* Pages behind RAM that are the devices': registers which the guest reads and never writes. */
#define RAM_DEVICE_PAGES	16

/**
 * struct ram - a machine's memory; set at creation, constant after
 * @size: bytes of RAM, without the hole
 * @host: where it is mapped in this process, contiguous, the devices' pages at its end
 * @gmem_fd: the gmem, or -1 for anonymous memory
 */
struct ram {
	uint64_t size;
	uint8_t *host;
	int gmem_fd;
};

static inline uint64_t ram_low_size(uint64_t size)
{
	return size < RAM_HOLE_START ? size : RAM_HOLE_START;
}

int ram_create(struct ram *ram, int dev_fd, uint64_t size, enum ram_backing backing, bool huge);
int ram_adopt(struct ram *ram, int gmem_fd, uint64_t size);
int ram_become(struct ram *ram, int gmem_fd);
int ram_attach(const struct ram *ram, int vm_fd);
int ram_attach_device(const struct ram *ram, int vm_fd, uint32_t slot, uint64_t gpa,
		      unsigned int page);
void *ram_device_page(const struct ram *ram, unsigned int page);
void *ram_at(const struct ram *ram, uint64_t gpa, uint64_t len);
void ram_destroy(struct ram *ram);

#endif
