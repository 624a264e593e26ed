/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef DITTO_CHILD_H
#define DITTO_CHILD_H

#include "fork.h"

/**
 * struct parent - what its process gave, to make forks of it
 * @state: checked
 * @template_fd: the template
 */
struct parent {
	struct vm_state state;
	int template_fd;
};

int parent_ask(struct parent *parent, const char *name);

#endif
