// SPDX-License-Identifier: GPL-2.0-only
/*
 * The machines that the module lets the caller see.
 */
#include "machines.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/ioctl.h>

/**
 * machines_fetch() - ask the module for all machines
 * @fd: ditto's device
 * @m: empty; its array is to be freed, whatever is returned
 *
 * Return: 0 or -errno.
 */
int machines_fetch(int fd, struct machines *m)
{
	struct ditto_vm_list list = { .capacity = 64 };

	/* More machines may appear between asking how many and asking for them. */
	for (;;) {
		struct ditto_vm_info *vms = reallocarray(m->vms, list.capacity, sizeof(*vms));

		if (!vms)
			return -ENOMEM;
		m->vms = vms;
		list.vms = (uintptr_t)vms;
		if (ioctl(fd, DITTO_LIST_VMS, &list) < 0)
			return -errno;
		if (list.count <= list.capacity)
			break;
		list.capacity = list.count + 16;
	}
	m->count = list.count;
	return 0;
}
