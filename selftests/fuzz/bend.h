/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What makes random bytes a plausible argument of an ioctl, for each that has one (calls.c has
 * the table). By noun: what the file of that name bends.
 */
#ifndef SELFTESTS_FUZZ_BEND_H
#define SELFTESTS_FUZZ_BEND_H

#include "fuzz.h"

/* Bends what is at @arg, which is zeroed. */
typedef void bend_fn(struct world *w, struct rng *r, void *arg);

/* bend_machine.c */
bend_fn bend_list, bend_vm_stats, bend_fork, bend_name, bend_identity_map, bend_clock, bend_enable,
	bend_attr;
/* Keeps what the last DITTO_FORK of this thread has made. */
void keep_forked(struct world *w, struct rng *r);

/* bend_memory.c */
bend_fn bend_create_gmem, bend_slot, bend_slot2, bend_guest_memfd, bend_attributes,
	bend_gmem_slot, bend_dirty_log, bend_clear_dirty_log, bend_pre_fault, bend_clone;

/* bend_board.c */
bend_fn bend_chip, bend_line, bend_msi, bend_routing, bend_irqfd, bend_ioeventfd, bend_zone;

/* bend_vcpu.c */
bend_fn bend_cpuid, bend_old_cpuid, bend_msrs, bend_msr_list, bend_interrupt, bend_mp_state,
	bend_signal_mask, bend_translate, bend_guest_debug, bend_msr_filter, bend_mce_cap, bend_mce,
	bend_tpr_reporting, bend_vapic;

/* bend_virtio.c */
bend_fn bend_create_virtio, bend_create_balloon, bend_vring_state, bend_vring_addr,
	bend_vring_file, bend_features, bend_disk_state, bend_config, bend_set_config, bend_balloon;

static inline int event(struct world *w, struct rng *r)
{
	return world_fd(r, w->events, WORLD_EVENTS);
}

#endif
