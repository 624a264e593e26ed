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
 * struct disks - a machine's disks; constant once vCPUs run
 * @disk: they are on its bus
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
void disks_destroy(struct disks *disks);

#endif
