/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef DITTO_VM_H
#define DITTO_VM_H

#include "agentport.h"
#include "balloon.h"
#include "boot.h"
#include "bus.h"
#include "console.h"
#include "control.h"
#include "disk.h"
#include "guest_cpuid.h"
#include "i8042.h"
#include "ioports.h"
#include "net.h"
#include "park.h"
#include "pm.h"
#include "ram.h"
#include "rng.h"
#include "rtc.h"
#include "serial.h"
#include "share.h"
#include "vcpu.h"
#include "vmgenid.h"
#include "vsock.h"

#include "ditto.h"

#include <pthread.h>
#include <stdio.h>

#define VM_CPUS_MAX	64

/* How a machine ended, which is the exit status of `ditto run`. */
enum vm_status {
	VM_RUNNING = -1,
	VM_POWEROFF = 0,
	VM_ERROR = 1,		/* usage, set-up, this host */
	VM_BAD_KERNEL = 2,
	VM_REBOOT = 3,
	VM_SHUTDOWN = 4,	/* triple fault */
	VM_KVM_ERROR = 5,	/* the hypervisor could not go on */
	VM_GUEST_CRASH = 6,	/* the guest reported a crash */
	VM_SIGNAL = 128,	/* plus the signal's number */
};

/**
 * struct vm_config - what the user asked for
 * @dev: the device node
 * @name: for `ditto ps`; may be empty
 * @ram_size: bytes
 * @cpus: 1 to VM_CPUS_MAX
 * @backing: what to make the memory of
 * @hugepages: in pieces of 2 MiB
 * @policy: what it may be shared with, DITTO_POLICY_*, or 0 for the module's default
 * @disk: its disks, open
 * @disks: how many
 * @net: its network devices
 * @nets: how many
 * @balloon: it has a balloon
 * @vsock: its socket device
 * @share: its folders
 * @shares: how many
 * @rng: it has a source of random numbers
 * @agent: it has a second serial port, for the agent
 * @resettable: a fork that can be put back
 * @jump: a fork whose clocks are the host's, however long its parent had stood still
 * @attachable: its console is whoever attaches, not standard input and output
 * @container: it is a command's, which the agent runs
 * @detached: it is in the background
 * @stop_signal: how a container's command is told to end
 */
struct vm_config {
	const char *dev;
	const char *name;
	uint64_t ram_size;
	unsigned int cpus;
	enum ram_backing backing;
	bool hugepages;
	uint32_t policy;
	struct disk_config disk[DISKS_MAX];
	unsigned int disks;
	struct net_config net[NETS_MAX];
	unsigned int nets;
	struct vsock_config vsock;
	struct share_config share[SHARES_MAX];
	unsigned int shares;
	bool balloon, rng, agent, resettable, jump, attachable, container, detached;
	int stop_signal;
};

/**
 * struct vm - a machine. Constant once vCPUs run, unless said otherwise.
 * @config: what the user asked for
 * @dev_fd: the device, or -1
 * @fd: the machine, or -1
 * @ram: its memory
 * @cpuid: what every vCPU's CPUID is derived from
 * @ports: who answers which port
 * @serial, @rtc, @i8042, @pm, @vmgenid: the devices; they lock themselves
 * @serial2, @agent: the agent's port and its other end, if there is one; likewise
 * @bus: the virtio devices; they lock themselves
 * @disks, @nets, @vsock, @shares, @rng, @balloon: whose they are
 * @console: the other end of @serial; locks itself
 * @vcpu: the CPUs
 * @vcpus: how many were created
 * @threads: how many have a thread
 * @status: VM_RUNNING until vm_stop(); the first reason stays
 * @control: its socket
 * @park: who keeps the vCPUs out of the guest, and how (park.c)
 * @parent: of whom it is a fork: that machine's generation, or zeroes
 * @parent_name: that machine's name, or empty
 * @origin: control thread: what it was when it was forked, if it can be put back to that
 * @frozen: control thread: it is a template, and this is what it was when it became one
 * @report_lock: protects @report
 * @report: what to tell the user when the terminal is his again
 * @report_text, @report_len: where @report is kept
 */
struct vm {
	const struct vm_config *config;
	int dev_fd;
	int fd;
	struct ram ram;
	struct kvm_cpuid2 *cpuid;
	struct ioports ports;
	struct serial serial;
	struct rtc rtc;
	struct i8042 i8042;
	struct pm pm;
	struct vmgenid vmgenid;
	struct serial serial2;
	struct agentport agent;
	struct bus bus;
	struct disks disks;
	struct nets nets;
	struct balloon balloon;
	struct vsock vsock;
	struct shares shares;
	struct rng rng;
	struct console console;
	struct vcpu vcpu[VM_CPUS_MAX];
	unsigned int vcpus;
	unsigned int threads;
	_Atomic int status;
	struct control control;
	struct park park;
	uint8_t parent[GENERATION_BYTES];
	char parent_name[DITTO_NAME_LEN];
	struct vm_state *origin, *frozen;
	pthread_mutex_t report_lock;
	FILE *report;
	char *report_text;
	size_t report_len;
};

struct vm_state;

int vm_open(struct vm *vm, const struct vm_config *config);
void vm_attach_devices(struct vm *vm);
int vm_set_name(struct vm *vm);
int vm_start_threads(struct vm *vm);
int vm_create(struct vm *vm, const struct vm_config *config);
int vm_start(struct vm *vm, const struct boot *boot);
void vm_stop(struct vm *vm, int status);
void vm_fail(struct vm *vm, int status, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void vm_join(struct vm *vm);
void vm_destroy(struct vm *vm);
void vm_irq_line(struct vm *vm, unsigned int irq, bool level);
bool vm_has(const struct vm *vm, int capability);

#endif
