/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The dirty rings of a VM's vCPUs (ring.c).
 */
#ifndef DITTO_MMU_RING_H
#define DITTO_MMU_RING_H

#include <linux/percpu.h>

#include "mmu/types.h"

/* What KVM_CAP_DIRTY_LOG_RING says: 65,536 entries. */
#define MMU_RING_MAX_BYTES	(65536 * sizeof(struct kvm_dirty_gfn))

DECLARE_PER_CPU(struct dirty_ring *, ring_here);

int mmu_set_ring_bytes(struct mmu *mmu, u64 bytes);
int ring_alloc(struct mmu *mmu, struct dirty_ring *ring);
void ring_free(struct dirty_ring *ring);
struct page *ring_page(const struct dirty_ring *ring, unsigned long index);
int mmu_reset_ring(struct mmu *mmu, struct dirty_ring *ring);
void ring_copy(struct dirty_ring *to, struct dirty_ring *from);

/**
 * ring_arrive() - the thread on this CPU runs a vCPU; its writes enter this ring
 * @ring: of the vCPU; preemption off.  Call it whenever the thread comes to a CPU
 */
static inline void ring_arrive(struct dirty_ring *ring)
{
	if (unlikely(ring->entries))
		this_cpu_write(ring_here, ring);
}

/**
 * ring_leave() - undo ring_arrive()
 * @ring: of the vCPU; preemption off.  Call it whenever the thread leaves a CPU
 */
static inline void ring_leave(const struct dirty_ring *ring)
{
	if (unlikely(ring->entries))
		this_cpu_write(ring_here, NULL);
}

/**
 * ring_is_full() - is so little room left that the vCPU has to wait?
 * @ring: of a vCPU; may have no entries
 *
 * Return: whether it is.
 */
static inline bool ring_is_full(const struct dirty_ring *ring)
{
	return ring->entries && READ_ONCE(ring->entered) - READ_ONCE(ring->reset) >= ring->limit;
}

#endif
