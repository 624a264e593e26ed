/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef DITTO_AGENT_CONTAINER_H
#define DITTO_AGENT_CONTAINER_H

#include <stdbool.h>

#define NO_SUCH_USER	(-1)	/* beside errnos */

/**
 * struct run - what a container's command is told, beside what any is
 * @files: its standard files: AGENT_PIPES, AGENT_TTY or AGENT_CONSOLE
 * @user: "NAME", "NUMBER", or one of those, a colon and a group; or empty
 * @host: what its machine is called
 */
struct run {
	const char *files, *user, *host;
};

bool container_mount(void);
void container_clean(void);
int container_open_tty(int std[3], int *input_fd, int *output_fd);
int container_open_console(int std[3]);
int container_enter(const struct run *run, const char *dir);

#endif
