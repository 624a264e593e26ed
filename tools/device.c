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
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static void explain_open(const char *path, int err)
{
	if (err == ENOENT && !strcmp(path, DITTO_DEV))
		complain("%s: not there: load the module (modprobe ditto, or insmod ditto.ko), or "
			 "use --dev /dev/kvm",
			 path);
	else if (err == EACCES)
		complain("%s: permission denied: run as root, or join the group that owns the node",
			 path);
	else
		complain("%s: %s", path, strerror(err));
}

/**
 * device_open() - open a node that speaks the KVM API
 * @path: /dev/ditto or /dev/kvm
 *
 * Return: an fd, or -1 after saying why on standard error.
 */
int device_open(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	int version;

	if (fd < 0) {
		explain_open(path, errno);
		return -1;
	}
	version = ioctl(fd, KVM_GET_API_VERSION, 0);
	if (version == KVM_API_VERSION)
		return fd;
	if (version < 0)
		complain("%s: not a KVM device: %s", path, strerror(errno));
	else
		complain("%s: KVM API version %d, need %d", path, version, KVM_API_VERSION);
	close(fd);
	return -1;
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
