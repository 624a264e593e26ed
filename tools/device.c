// SPDX-License-Identifier: GPL-2.0-only
/*
 * Opens the device node and makes sure it speaks the KVM API. What can go
 * wrong here is what an operator meets first, so every refusal says what to do.
 */
#include "device.h"
#include "cmd.h"
#include "util.h"

#include "ditto.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static void explain_open(const char *path, int err, char *why, size_t len)
{
	if (err == ENOENT && !strcmp(path, DITTO_DEV))
		snprintf(why, len, "%s: not there: load the module (modprobe ditto, or insmod "
			 "ditto.ko), or use --dev /dev/kvm", path);
	else if (err == EACCES)
		snprintf(why, len, "%s: permission denied: run as root, or join the group that "
			 "owns the node", path);
	else
		snprintf(why, len, "%s: %s", path, strerror(err));
}

/**
 * device_try() - open a node that speaks the KVM API
 * @path: /dev/ditto or /dev/kvm
 * @why: gets what is wrong
 * @len: its length
 *
 * Return: an fd, or -1.
 */
int device_try(const char *path, char *why, size_t len)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	int version;

	if (fd < 0) {
		explain_open(path, errno, why, len);
		return -1;
	}
	version = ioctl(fd, KVM_GET_API_VERSION, 0);
	if (version == KVM_API_VERSION)
		return fd;
	if (version < 0)
		snprintf(why, len, "%s: not a KVM device: %s", path, strerror(errno));
	else
		snprintf(why, len, "%s: KVM API version %d, need %d", path, version,
			 KVM_API_VERSION);
	close(fd);
	return -1;
}

/**
 * device_open() - likewise, for a command that cannot do without
 * @path: /dev/ditto or /dev/kvm
 *
 * Return: an fd, or -1 after saying why on standard error.
 */
int device_open(const char *path)
{
	char why[256];
	int fd = device_try(path, why, sizeof(why));

	if (fd < 0)
		complain("%s", why);
	return fd;
}

/**
 * device_has_gmem() - whether a KVM device is ditto's
 * @fd: from device_open()
 */
bool device_has_gmem(int fd)
{
	struct ditto_vm_list list = { 0 };

	return ioctl(fd, DITTO_LIST_VMS, &list) == 0;
}
