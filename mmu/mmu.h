/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The guest-physical address space of one VM: memslots, TDP and shadow tables. It knows no VM
 * and no vCPU. Beside it: guest.h (the kernel's own accesses to guest memory), ring.h (dirty
 * rings), copy.h (forks and resets of the whole), wait.h (pages that have to be waited for).
 */
#ifndef DITTO_MMU_MMU_H
#define DITTO_MMU_MMU_H

#include <linux/jiffies.h>
#include <linux/sched.h>

#include "mmu/types.h"

struct ditto_gmem_region;
struct kvm_memory_attributes;
struct kvm_userspace_memory_region2;
struct ditto_vm_info;
struct seq_file;

/* What KVM_CAP_NR_MEMSLOTS says: slot numbers are below it. */
#define MMU_NR_SLOTS	32764

/* The lowest limit for page tables that the VMM may set: KVM's. */
#define MMU_LEAST_TABLES	64

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

/* adopt.c */
void mmu_adopt_look(struct mmu *mmu);

/**
 * mmu_adopt() - see to memory that the VMM has marked since the last time
 * @mmu: its process calls, in no read section; no lock but the vCPU's is held
 *
 * On the way of each KVM_RUN: a comparison. May sleep, when it is time.
 */
static inline void mmu_adopt(struct mmu *mmu)
{
	if (unlikely(time_after_eq(jiffies, READ_ONCE(mmu->adopt_due))))
		mmu_adopt_look(mmu);
}

/* dirty.c */
int mmu_set_log_manual(struct mmu *mmu, u64 manual);
int mmu_get_dirty_log(struct mmu *mmu, const struct kvm_dirty_log *args);
int mmu_clear_dirty_log(struct mmu *mmu, const struct kvm_clear_dirty_log *args);

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

/* prefault.c */
int mmu_pre_fault(struct mmu *mmu, struct fault_streaks *streaks, u64 *gpa, u64 *size);

/* binding.c */
void mmu_note_written(struct mmu *mmu, const u64 *gpas, unsigned int nr);

/* gmems.c */
int mmu_set_policy(struct mmu *mmu, unsigned long policy);
void mmu_stats(struct mmu *mmu, struct ditto_vm_info *info);
int mmu_measure(struct mmu *mmu, struct ditto_memory *m);
void mmu_kinds(struct mmu *mmu, struct gmem_kinds *kinds);

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
