/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef DITTO_MACHINES_H
#define DITTO_MACHINES_H

#include "ditto.h"

#include <stdint.h>

/**
 * struct machines - the answer of DITTO_LIST_VMS
 * @vms: array, to be freed
 * @count: how many
 */
struct machines {
	struct ditto_vm_info *vms;
	uint32_t count;
};

int machines_fetch(int fd, struct machines *m);

#endif
