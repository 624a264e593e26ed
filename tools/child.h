/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef DITTO_CHILD_H
#define DITTO_CHILD_H

#include "fork.h"

#define CHILDREN_MAX	100000	/* of one command */

/**
 * struct parent - what its process gave, to make forks of it
 * @state: checked
 * @fds: the template, and the disks' files
 */
struct parent {
	struct vm_state state;
	struct fork_fds fds;
};

/**
 * struct child_names - what forks are called
 * @parent: the parent's name
 * @pattern: of the names, whose first %d becomes a number; NULL: the parent's, "-" and a number
 * @next: number to try next
 */
struct child_names {
	const char *parent, *pattern;
	unsigned int next;
};

int parent_ask(struct parent *parent, const char *name);
void parent_close(struct parent *parent);
int child_take_name(struct child_names *f, struct control *control, struct vm *vm, char *name);
void child_background(void);
void child_close_others(const struct fork_fds *fds, unsigned int other);
void child_tell(int told_fd, const char *name);

#endif
