/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef DITTO_CONTAINER_H
#define DITTO_CONTAINER_H

#include "boot.h"
#include "command.h"

#include <json-c/json.h>
#include <stdio.h>

/**
 * struct container - a machine that runs a command in a file system, and ends with it
 * @rootfs: folder of the host that is copied, or NULL
 * @image: or of what image the file system is, or NULL: it is no container
 * @args: what the user said after the options, NULL-terminated, or NULL
 * @env: the user's variables
 * @workdir, @user: as the user said, or NULL
 * @tty: the command gets a terminal
 * @argv: command and arguments, NULL-terminated; after container_prepare()
 * @all_env: the image's variables and the user's; likewise
 * @config: the image's configuration, or NULL; likewise
 * @stop_signal: what `ditto stop` sends
 * @bytes: of the file system's archive
 * @room: bytes that it takes when it is unpacked
 */
struct container {
	const char *rootfs, *image;
	char **args;
	struct strings env;
	const char *workdir, *user;
	bool tty;
	char **argv;
	struct strings all_env;
	struct json_object *config;
	int stop_signal;
	uint64_t bytes, room;
};

static inline bool container_wanted(const struct container *c)
{
	return c->rootfs || c->image;
}

int container_prepare(struct container *c, struct boot *boot);
int container_files(struct container *c, FILE *f);
int container_head(const struct container *c, const char *files, const char *name,
		   struct strings *head);
void container_destroy(struct container *c);

#endif
