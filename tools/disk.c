// SPDX-License-Identifier: GPL-2.0-only
/*
 * Disks: what --disk says, and their files. How the guest sees them is virtio.c's;
 * what is read and written never comes here, but goes through the module.
 */
#include "disk.h"
#include "vm.h"
#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

/* Take one option off the end; false when there is none, and the rest is a name. */
static bool disk_take_option(struct disk_config *disk)
{
	char *comma = strrchr(disk->path, ',');
	size_t len;

	if (!comma)
		return false;
	len = strlen(comma + 1);
	if (!strcmp(comma + 1, "ro")) {
		disk->readonly = true;
	} else if (!strncmp(comma + 1, "serial=", 7) && len - 7 <= sizeof(disk->serial)) {
		memset(disk->serial, 0, sizeof(disk->serial));
		memcpy(disk->serial, comma + 8, len - 7);
	} else {
		return false;
	}
	*comma = '\0';
	return true;
}

/**
 * disk_parse() - understand FILE[,ro][,serial=TEXT]
 * @disk: filled in; disk_close() it whatever is returned
 * @arg: the text; commas in FILE are FILE's
 *
 * Return: false if there is no FILE, or no memory.
 */
bool disk_parse(struct disk_config *disk, const char *arg)
{
	*disk = (struct disk_config){ .fd = -1, .path = strdup(arg) };
	if (!disk->path)
		return false;
	while (disk_take_option(disk))
		;
	return *disk->path;
}

/**
 * disk_open() - open the file, for this machine alone unless all only read
 * @disk: parsed
 *
 * Return: 0, or -1 after saying why not on standard error.
 */
int disk_open(struct disk_config *disk)
{
	int flags = (disk->readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC;

	disk->fd = open(disk->path, flags);
	if (disk->fd < 0) {
		complain("%s: %s", disk->path, strerror(errno));
		return -1;
	}
	if (!flock(disk->fd, (disk->readonly ? LOCK_SH : LOCK_EX) | LOCK_NB))
		return 0;
	if (errno == EWOULDBLOCK)
		complain("%s: in use by another machine", disk->path);
	else
		complain("%s: cannot be locked: %s", disk->path, strerror(errno));
	return -1;
}

/**
 * disk_close() - forget it; a machine that has it keeps it
 * @disk: parsed
 */
void disk_close(struct disk_config *disk)
{
	if (disk->fd >= 0)
		close(disk->fd);
	disk->fd = -1;
	free(disk->path);
	disk->path = NULL;
}

/* The file is opened anew, so that it is the disk's own for as long as there is one. */
static int disk_add(struct disks *disks, struct vm *vm, struct ditto_create_virtio *args,
		    bool forked)
{
	struct module_device *disk = &disks->disk[disks->count];
	int err;

	args->type = VIRTIO_ID_BLOCK;
	args->queues = vm->config->cpus;
	if (args->queues > VIRTIO_QUEUES_MAX)
		args->queues = VIRTIO_QUEUES_MAX;
	snprintf(disk->label, sizeof(disk->label), "disk %u", disks->count);
	args->fd = fcntl(args->fd, F_DUPFD_CLOEXEC, 0);
	if (args->fd < 0)
		return -1;
	if (!module_device_create(disk, vm, args, forked)) {
		disks->count++;
		return 0;
	}
	err = errno;
	close(args->fd);
	errno = err;
	return -1;
}

static int disk_create(struct disks *disks, struct vm *vm, const struct disk_config *config)
{
	struct ditto_create_virtio args = {
		.fd = config->fd, .flags = config->readonly ? DITTO_VIRTIO_READONLY : 0,
	};

	memcpy(args.serial, config->serial, sizeof(args.serial));
	if (!disk_add(disks, vm, &args, false))
		return 0;
	complain("%s: %s", config->path,
		 errno == ENOTTY ? "only ditto's device has disks" : strerror(errno));
	return -1;
}

/**
 * disks_create() - give a machine the disks it was configured with
 * @disks: filled in; disks_destroy() it whatever is returned
 * @vm: has its board
 *
 * Return: 0, or -1 after saying why not on standard error.
 */
int disks_create(struct disks *disks, struct vm *vm)
{
	for (unsigned int i = 0; i < vm->config->disks; i++)
		if (disk_create(disks, vm, &vm->config->disk[i]) < 0)
			return -1;
	return 0;
}

/**
 * disks_adopt() - give a fork the disks that its parent has: they are only read
 * @disks: filled in; disks_destroy() it whatever is returned
 * @vm: the fork, with its memory
 * @state: the parent's; to be restored
 * @files: their contents, which stay the caller's
 *
 * Return: 0, or -1 with errno.
 */
int disks_adopt(struct disks *disks, struct vm *vm, const struct disks_state *state,
		const int *files)
{
	for (unsigned int i = 0; i < state->count; i++) {
		struct ditto_create_virtio args = {
			.fd = files[i], .flags = DITTO_VIRTIO_READONLY,
		};

		memcpy(args.serial, state->disk[i].serial, sizeof(args.serial));
		if (disk_add(disks, vm, &args, true) < 0)
			return -1;
	}
	return 0;
}

/**
 * disks_writable() - a disk that a fork cannot have, because two machines would write to it
 * @vm: the machine
 *
 * Return: its path, or NULL.
 */
const char *disks_writable(const struct vm *vm)
{
	for (unsigned int i = 0; i < vm->config->disks; i++)
		if (!vm->config->disk[i].readonly)
			return vm->config->disk[i].path;
	return NULL;
}

/**
 * disks_pause() - nothing of the machine's memory is read or written on their behalf
 * @disks: the machine's; no vCPU runs
 *
 * Return: 0, or -1 with errno; to be resumed in any case.
 */
int disks_pause(struct disks *disks)
{
	for (unsigned int i = 0; i < disks->count; i++)
		if (virtio_pause(&disks->disk[i].virtio) < 0)
			return -1;
	return 0;
}

/**
 * disks_resume() - they go on
 * @disks: paused, or restored; no vCPU runs
 */
void disks_resume(struct disks *disks)
{
	for (unsigned int i = 0; i < disks->count; i++)
		virtio_resume(&disks->disk[i].virtio);
}

/**
 * disks_save() - what a fork of the machine inherits
 * @disks: paused
 * @state: filled in
 */
void disks_save(struct disks *disks, struct disks_state *state)
{
	state->count = disks->count;
	for (unsigned int i = 0; i < disks->count; i++) {
		memcpy(state->disk[i].serial, disks->disk[i].args.serial,
		       sizeof(state->disk[i].serial));
		virtio_save(&disks->disk[i].virtio, &state->disk[i].virtio);
	}
}

/**
 * disks_restore() - be what they were; to be resumed
 * @disks: adopted, or paused; as many as there were
 * @state: from disks_save()
 */
void disks_restore(struct disks *disks, const struct disks_state *state)
{
	for (unsigned int i = 0; i < disks->count; i++)
		virtio_restore(&disks->disk[i].virtio, &state->disk[i].virtio);
}

/**
 * disks_become() - be those of the machine that this one has become
 * @disks: paused
 *
 * Return: 0 or -errno.
 */
int disks_become(struct disks *disks)
{
	for (unsigned int i = 0; i < disks->count; i++)
		if (module_device_become(&disks->disk[i]) < 0)
			return -errno;
	return 0;
}

/**
 * disks_destroy() - close everything; waits for what the module is writing
 * @disks: from disks_create(), or zeroed; the bus is stopped
 */
void disks_destroy(struct disks *disks)
{
	for (; disks->count; disks->count--) {
		module_device_destroy(&disks->disk[disks->count - 1]);
		close(disks->disk[disks->count - 1].args.fd);
	}
}
