/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef DITTO_FORK_H
#define DITTO_FORK_H

#include "vm.h"

/**
 * struct vm_state - what a fork needs to know that is not in the module
 * @version: of the program, and @size: of this structure: only the same understand each other
 * @agent: there is a second serial port, @agent_up: and the agent listens there
 * @runs: the parent went on at once, and with it its time
 * @cpus: vCPUs
 * @ram_size: bytes
 * @name: the parent's
 * @serial, @serial2, @rtc, @i8042, @pm, @vmgenid, @disks: its devices
 */
struct vm_state {
	char version[12];
	uint32_t size;
	uint32_t cpus;
	uint32_t agent, agent_up;
	uint32_t runs;
	uint64_t ram_size;
	char name[DITTO_NAME_LEN];
	struct serial_state serial, serial2;
	struct rtc_state rtc;
	struct i8042_state i8042;
	struct pm_state pm;
	struct vmgenid_state vmgenid;
	struct disks_state disks;
};

#define FORK_FDS_MAX	(1 + DISKS_MAX)

/**
 * struct fork_fds - what has to be open in a process to have forks of a machine
 * @fd: a template, and each disk's file
 * @count: how many
 */
struct fork_fds {
	int fd[FORK_FDS_MAX];
	unsigned int count;
};

const char *fork_refusal(const struct vm *vm, char *text, size_t len);
int fork_template(struct vm *vm, struct vm_state *state);
int fork_freeze(struct vm *vm);
int fork_reset(struct vm *vm);
int fork_thaw(struct vm *vm);
bool fork_state_valid(const struct vm_state *state);
int fork_create(struct vm *vm, const struct vm_config *config, const struct vm_state *state,
		const struct fork_fds *fds);

#endif
