/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef DITTO_SHARE_H
#define DITTO_SHARE_H

#include "vhost_user.h"

#include <linux/virtio_fs.h>
#include <sys/types.h>

#define SHARES_MAX	4
#define SHARE_TAG_MAX	36

struct vm;

/**
 * struct share_config - what the user asked for
 * @dir: the folder
 * @tag: what the guest calls it, NUL-padded
 * @readonly: the guest may not write
 */
struct share_config {
	char *dir;
	char tag[SHARE_TAG_MAX];
	bool readonly;
};

/**
 * struct share - a folder of the host's that the guest mounts
 * @virtio: how the guest sees it
 * @label: for messages, as in "share 0"
 * @user: the process that serves it; under the device's lock
 * @pid: that process, or 0
 * @created: the device is there
 * @broken: under the device's lock: it does not answer any more
 */
struct share {
	struct virtio virtio;
	char label[16];
	struct vhost_user user;
	pid_t pid;
	bool created, broken;
};

/**
 * struct shares - a machine's folders; constant once vCPUs run
 * @share: they are on its bus
 * @count: how many were begun
 */
struct shares {
	struct share share[SHARES_MAX];
	unsigned int count;
};

const char *share_parse(struct share_config *config, const char *arg);
int share_check(const struct share_config *config);
void share_forget(struct share_config *config);
int shares_create(struct shares *shares, struct vm *vm);
void shares_destroy(struct shares *shares);

#endif
