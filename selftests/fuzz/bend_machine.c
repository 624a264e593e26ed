// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is asked of a machine as a whole, and of the device: its name, its fork, its clock, what it
 * enables; and lists of machines.
 */
#include <stdio.h>

#include "bend.h"

/* What the build machine's headers may lack. */
#define CAP_APIC_BUS_CYCLES	237

void bend_list(struct world *w, struct rng *r, void *arg)
{
	struct ditto_vm_list *list = arg;
	static __thread struct ditto_vm_info infos[64];

	list->capacity = rng_one_in(r, 8) ? rng_interesting(r) : rng_below(r, 65);
	list->vms = rng_one_in(r, 16) ? rng_interesting(r) : (uintptr_t)infos;
	if (list->capacity > 64)
		list->vms = 8;
}

void bend_vm_stats(struct world *w, struct rng *r, void *arg)
{
	struct ditto_vm_stats *stats = arg;
	static __thread char file[16 * 1024];

	stats->id = rng_one_in(r, 8) ? rng_interesting(r) : rng_below(r, 64);
	stats->size = rng_one_in(r, 8) ? rng_interesting(r) : rng_below(r, sizeof(file) + 1);
	stats->data = rng_one_in(r, 16) ? rng_interesting(r) : (uintptr_t)file;
	if (stats->size > sizeof(file))
		stats->data = 8;
	stats->reserved = rng_one_in(r, 16) ? rng_interesting(r) : 0;
}

#define FORK_FDS	64

/* Of the last DITTO_FORK of this thread. */
static __thread struct ditto_fork *fork_args;
static __thread int fork_fds[FORK_FDS];

void bend_fork(struct world *w, struct rng *r, void *arg)
{
	struct ditto_fork *fork = fork_args = arg;

	memset(fork, 0, sizeof(*fork));
	fork->flags = rng_one_in(r, 16) ? rng_interesting(r) :
		      rng_one_in(r, 8) ? DITTO_FORK_FROZEN :
		      rng_below(r, 8) * DITTO_FORK_RESETTABLE;	/* and the two behind it */
	fork->capacity = rng_one_in(r, 16) ? rng_below(r, 4) : FORK_FDS;
	fork->vcpu_fds = rng_one_in(r, 16) ? 8 : (uintptr_t)fork_fds;
}

void keep_forked(struct world *w, struct rng *r)
{
	u32 i;

	world_keep(r, w->vms, 1, WORLD_VMS, fork_args->vm_fd);
	for (i = 0; i < fork_args->count && i < FORK_FDS; i++)
		world_keep(r, w->vcpus, w->vm->nr_vcpus, WORLD_VCPUS, fork_fds[i]);
}

void bend_name(struct world *w, struct rng *r, void *arg)
{
	snprintf(arg, DITTO_NAME_LEN, "fuzz%u", rng_below(r, 1000));
	if (rng_one_in(r, 4))
		memset(arg, rng_below(r, 256), DITTO_NAME_LEN);
}

void bend_identity_map(struct world *w, struct rng *r, void *arg)
{
	*(u64 *)arg = rng_interesting(r);
}

void bend_clock(struct world *w, struct rng *r, void *arg)
{
	struct kvm_clock_data *clock = arg;

	clock->flags = rng_one_in(r, 4) ? rng_interesting(r) : 0;
	clock->clock = rng_interesting(r);
}

/* Those that can be enabled, and their neighbours. */
void bend_enable(struct world *w, struct rng *r, void *arg)
{
	static const u32 caps[] = {
		KVM_CAP_DISABLE_QUIRKS, KVM_CAP_DISABLE_QUIRKS2, KVM_CAP_EXCEPTION_PAYLOAD,
		KVM_CAP_X86_TRIPLE_FAULT_EVENT, KVM_CAP_SPLIT_IRQCHIP, KVM_CAP_X2APIC_API,
		KVM_CAP_MAX_VCPU_ID, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2,
		KVM_CAP_X86_USER_SPACE_MSR, KVM_CAP_EXIT_ON_EMULATION_FAILURE,
		KVM_CAP_DIRTY_LOG_RING,
		KVM_CAP_ENFORCE_PV_FEATURE_CPUID, KVM_CAP_EXIT_HYPERCALL,
		KVM_CAP_X86_DISABLE_EXITS, KVM_CAP_MSR_PLATFORM_INFO, KVM_CAP_HALT_POLL,
		KVM_CAP_DIRTY_LOG_RING_ACQ_REL, KVM_CAP_X86_BUS_LOCK_EXIT,
		KVM_CAP_X86_NOTIFY_VMEXIT, CAP_APIC_BUS_CYCLES, DITTO_CAP_FORK_HYPERCALL,
	};

	*(struct kvm_enable_cap *)arg = (struct kvm_enable_cap) {
		.cap = rng_one_in(r, 8) ? rng_interesting(r) : caps[rng_below(r, ARRAY_SIZE(caps))],
		.flags = rng_one_in(r, 16) ? rng_interesting(r) : 0,
		.args[0] = rng_one_in(r, 4) ? rng_interesting(r) : rng_below(r, 16),
	};
}

void bend_attr(struct world *w, struct rng *r, void *arg)
{
	static __thread u64 value;

	value = rng_interesting(r);
	*(struct kvm_device_attr *)arg = (struct kvm_device_attr) {
		.flags = rng_one_in(r, 8) ? rng_interesting(r) : 0,
		.group = rng_one_in(r, 8) ? rng_interesting(r) : 0,
		.attr = rng_one_in(r, 8) ? rng_interesting(r) : 0,
		.addr = rng_one_in(r, 8) ? 8 : (uintptr_t)&value,
	};
}
