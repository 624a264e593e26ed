/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef DITTO_DISK_H
#define DITTO_DISK_H

#include "module_device.h"

#include "ditto.h"

#define DISKS_MAX	8

struct vm;

/**
 * struct disk_config - what the user asked for
 * @path: the file or block device
 * @serial: NUL-padded
 * @readonly: the guest may not write
 * @fd: open and locked, or -1
 */
struct disk_config {
	char *path;
	char serial[DITTO_VIRTIO_SERIAL_LEN];
	bool readonly;
	int fd;
};

/**
 * struct disk_state - what a fork inherits of a disk, beside its file
 * @serial: NUL-padded
 * @virtio: the device
 */
struct disk_state {
	char serial[DITTO_VIRTIO_SERIAL_LEN];
	struct virtio_state virtio;
};

/**
 * struct disks_state - what a fork inherits of all of them
 * @count: how many
 * @disk: they
 */
struct disks_state {
	uint32_t count;
	struct disk_state disk[DISKS_MAX];
};

/**
 * struct disks - a machine's disks; constant once vCPUs run
 * @disk: they are on its bus; the fds of what they were made of are theirs
 * @count: how many were created
 */
struct disks {
	struct module_device disk[DISKS_MAX];
	unsigned int count;
};

bool disk_parse(struct disk_config *disk, const char *arg);
int disk_open(struct disk_config *disk);
void disk_close(struct disk_config *disk);
int disks_create(struct disks *disks, struct vm *vm);
int disks_adopt(struct disks *disks, struct vm *vm, const struct disks_state *state,
		const int *files);
const char *disks_writable(const struct vm *vm);
int disks_pause(struct disks *disks);
void disks_resume(struct disks *disks);
void disks_save(struct disks *disks, struct disks_state *state);
void disks_restore(struct disks *disks, const struct disks_state *state);
int disks_become(struct disks *disks);
void disks_destroy(struct disks *disks);

#endif
