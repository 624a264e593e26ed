/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The guest-physical address space of one VM: memslots, the accessors through
 * which the kernel touches guest memory, the walk of the guest's own page
 * tables, and the TDP tables.  It knows no VM and no vCPU.
 */
#ifndef DITTO_MMU_MMU_H
#define DITTO_MMU_MMU_H

#include <linux/percpu.h>
#include <linux/sched.h>
#include <linux/workqueue.h>

#include "mmu/types.h"

struct ditto_gmem_region;
struct kvm_memory_attributes;
struct kvm_userspace_memory_region2;
struct mmu_copy;
struct ditto_vm_info;
struct seq_file;

/* What KVM_CAP_NR_MEMSLOTS says: slot numbers are below it. */
#define MMU_NR_SLOTS	32764

/* The lowest limit for page tables that the VMM may set: KVM's. */
#define MMU_LEAST_TABLES	64

/* What KVM_CAP_DIRTY_LOG_RING says: 65,536 entries. */
#define MMU_RING_MAX_BYTES	(65536 * sizeof(struct kvm_dirty_gfn))

/**
 * enum mmu_fault_result - what became of a TDP fault
 * @MMU_FAULT_DONE: mapped, or settled by somebody else: enter the guest again
 * @MMU_FAULT_MMIO: no memslot there
 * @MMU_FAULT_READONLY: a write to a read-only memslot: MMIO for the VMM
 * @MMU_FAULT_FAILED: the access cannot be had: fault_streaks.error says why
 * @MMU_FAULT_WAITS: with MMU_ASYNC: the memory would have to be waited for
 * @MMU_FAULT_GUEST: the guest's own tables do not allow it (mmu_shadow_fault() only)
 * @MMU_FAULT_ROOT: the vCPU needs another root first (likewise)
 */
enum mmu_fault_result {
	MMU_FAULT_DONE,
	MMU_FAULT_MMIO,
	MMU_FAULT_READONLY,
	MMU_FAULT_FAILED,
	MMU_FAULT_WAITS,
	MMU_FAULT_GUEST,
	MMU_FAULT_ROOT,
};

/**
 * struct mmu_wait - a page that a thread of the kernel's waits for (wait.c)
 * @work: it
 * @mm: the process, kept meanwhile
 * @hva: the page
 * @write: for a write
 * @done: called when it is over
 */
struct mmu_wait {
	struct work_struct work;
	struct mm_struct *mm;
	unsigned long hva;
	bool write;
	void (*done)(struct mmu_wait *w);
};

/**
 * mmu_is_foreign() - does the address space belong to another process?
 * @mmu: any
 *
 * One whose slots are all gmem belongs to nobody.
 *
 * Return: whether it belongs to another process than the caller's.
 */
static inline bool mmu_is_foreign(const struct mmu *mmu)
{
	const struct mm_struct *mm = READ_ONCE(mmu->mm);

	return mm && mm != current->mm;
}

int mmu_init(struct mmu *mmu, const struct mmu_host *host);
void mmu_destroy(struct mmu *mmu);

/* slots.c */
int mmu_set_user_region(struct mmu *mmu, const struct kvm_userspace_memory_region *r);
int mmu_set_user_region2(struct mmu *mmu, const struct kvm_userspace_memory_region2 *r);
int mmu_set_max_tables(struct mmu *mmu, unsigned long nr);
int mmu_set_gmem_region(struct mmu *mmu, const struct ditto_gmem_region *r);
struct gmem *mmu_slot_gmem(struct mmu *mmu, unsigned long id, bool *readonly);

/* copy.c */
struct mmu_copy *mmu_copy_begin(struct mmu *from);
int mmu_copy_fork(struct mmu_copy *copy, struct mmu *to, bool resettable);
int mmu_copy_slots(struct mmu_copy *copy, struct mmu *to);
void mmu_copy_end(struct mmu_copy *copy);
void mmu_copy_settings(struct mmu *to, const struct mmu *from);
int mmu_reset_begin(struct mmu *mmu, struct mmu *base);
void mmu_reset_memory(struct mmu *mmu);
void mmu_reset_end(struct mmu *mmu);

/* dirty.c */
int mmu_set_log_manual(struct mmu *mmu, u64 manual);
int mmu_get_dirty_log(struct mmu *mmu, const struct kvm_dirty_log *args);
int mmu_clear_dirty_log(struct mmu *mmu, const struct kvm_clear_dirty_log *args);

/* ring.c */
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

/* access.c: accesses by the kernel */
int guest_read(struct mmu *mmu, gpa_t gpa, void *buf, unsigned int len);
int guest_write(struct mmu *mmu, gpa_t gpa, const void *buf, unsigned int len);
int guest_cmpxchg(struct mmu *mmu, gpa_t gpa, void *old, const void *new, unsigned int len);
int guest_mark(struct mmu *mmu, gpa_t gpa, void *old, const void *new, unsigned int len);

/* poke.c: the same of one byte, where nothing may sleep */
bool guest_poke(struct mmu *mmu, gpa_t gpa, u8 val);

/* walk.c: the guest's own page tables */
int mmu_walk(struct mmu *mmu, const struct paging_mode *mode, gva_t gva, u32 access,
	     gpa_t *gpa, struct walk_fault *fault);

/* fault.c */
enum mmu_fault_result mmu_tdp_fault(struct mmu *mmu, struct fault_streaks *streaks, gpa_t gpa,
				    u32 access);

/* shadow.c, shadow_sync.c, shadow_fault.c */
void mmu_shadow_vcpu_free(struct shadow_vcpu *sv);
void mmu_shadow_forget(struct mmu *mmu);
int mmu_shadow_load(struct mmu *mmu, struct shadow_vcpu *sv, const struct paging_mode *mode,
		    hpa_t *root);
void mmu_shadow_invlpg(struct mmu *mmu, struct shadow_vcpu *sv, gva_t gva);
enum mmu_fault_result mmu_shadow_fault(struct mmu *mmu, struct shadow_vcpu *sv,
				       struct fault_streaks *streaks,
				       const struct paging_mode *mode, gva_t gva, u32 access,
				       gpa_t *gpa, struct walk_fault *fault);

/* private.c: memory that the VMM cannot see */
bool mmu_is_private(struct mmu *mmu, gfn_t gfn);
u64 mmu_attributes(const struct mmu *mmu);
u64 mmu_guest_memfd_flags(const struct mmu *mmu);
int mmu_set_attributes(struct mmu *mmu, const struct kvm_memory_attributes *a);

/* wait.c */
int mmu_wait_init(void);
void mmu_wait_exit(void);
bool mmu_wait_begin(struct mmu *mmu, struct mmu_wait *w, gpa_t gpa, bool write,
		    void (*done)(struct mmu_wait *w));

/* prefault.c */
int mmu_pre_fault(struct mmu *mmu, struct fault_streaks *streaks, u64 *gpa, u64 *size);

/* binding.c */
void mmu_note_written(struct mmu *mmu, const u64 *gpas, unsigned int nr);

/* gmems.c */
int mmu_set_policy(struct mmu *mmu, unsigned long policy);
void mmu_stats(struct mmu *mmu, struct ditto_vm_info *info);

/* check.c */
int mmu_check(struct mmu *mmu, struct seq_file *m);

/**
 * mmu_root() - the physical address of the top TDP table
 * @mmu: initialized
 *
 * Return: the address, which is constant for the life of @mmu.
 */
static inline hpa_t mmu_root(struct mmu *mmu)
{
	return __pa(mmu->root);
}

/**
 * mmu_epoch_current() - number of the last permission taken away (debug builds)
 * @mmu: initialized
 *
 * A vCPU reads this just before it flushes its TLB and remembers it. When
 * host->flush_tlbs() returns, every vCPU in the guest must remember at least what this
 * returned when the call began.
 *
 * Return: the number; 0 without DITTO_DEBUG.
 */
static inline u64 mmu_epoch_current(struct mmu *mmu)
{
#ifdef DITTO_DEBUG
	return READ_ONCE(mmu->epoch);
#else
	return 0;
#endif
}

/**
 * mmu_epoch_flushed() - the last epoch that a flush has covered (debug builds)
 * @mmu: initialized
 *
 * No vCPU may enter the guest that flushed before that.
 *
 * Return: the epoch; 0 without DITTO_DEBUG.
 */
static inline u64 mmu_epoch_flushed(struct mmu *mmu)
{
#ifdef DITTO_DEBUG
	/* Pairs with the release in mmu_flush(). */
	return smp_load_acquire(&mmu->epoch_flushed);
#else
	return 0;
#endif
}

#endif
