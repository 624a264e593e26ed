/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The guest-physical address space of one VM: memslots, the accessors through
 * which the kernel touches guest memory, the walk of the guest's own page
 * tables, and the TDP tables.  It knows no VM and no vCPU.
 */
#ifndef DITTO_MMU_MMU_H
#define DITTO_MMU_MMU_H

#include <linux/kvm.h>
#include <linux/kvm_types.h>
#include <linux/list.h>
#include <linux/mmu_notifier.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/srcu.h>

struct ditto_gmem_region;
struct ditto_vm_info;
struct emu_fault;
struct mmu;
struct seq_file;

/* What an access does. */
#define MMU_READ	BIT(0)
#define MMU_WRITE	BIT(1)
#define MMU_EXEC	BIT(2)
#define MMU_USER	BIT(3)	/* guest walks: made at CPL 3 */
#define MMU_IMPLICIT	BIT(4)	/* guest walks: supervisor access to a descriptor table */

/**
 * struct tdp_format - bits of a nested page-table entry
 * @levels: 4 or 5
 * @max_level: largest leaf: 1 (4 KiB), 2 (2 MiB)
 * @table: bits of every entry that points at a table
 * @leaf: bits of every leaf (present/readable, memory type)
 * @writable, @exec, @nx, @accessed, @dirty, @large: single bits, 0 where the
 *	format has none (NPT has @nx and no @exec, EPT the reverse)
 */
struct tdp_format {
	u8 levels;
	u8 max_level;
	u64 table, leaf;
	u64 writable, exec, nx, accessed, dirty, large;
};

/**
 * struct mmu_host - what the owner of a struct mmu provides
 * @format: of the TDP tables
 * @max_gfn: gfns at or above it are refused in memslots
 * @flush_tlbs: when this returns, every CPU that may have used the tables has
 *	flushed, or will flush before it enters the guest again.  Called in
 *	process context with mmu->lock held; may spin, not sleep
 */
struct mmu_host {
	const struct tdp_format *format;
	u64 max_gfn;
	void (*flush_tlbs)(struct mmu *mmu);
};

/**
 * struct paging_mode - how the guest translates addresses just now
 * @cpl is not here: MMU_USER says it
 */
struct paging_mode {
	u64 cr0, cr3, cr4, efer, rflags;
	u32 pkru;
	u8 maxphyaddr;
};

/* The room defines struct mmu (embedded in struct vm) below this line. */

/*
 * int  mmu_init(struct mmu *mmu, const struct mmu_host *host);
 * void mmu_destroy(struct mmu *mmu);
 *
 * Slots (mmu->slots_lock, a mutex, taken inside):
 * int  mmu_set_user_region(struct mmu *mmu, const struct kvm_userspace_memory_region *r);
 * int  mmu_set_gmem_region(struct mmu *mmu, const struct ditto_gmem_region *r);
 *
 * Accessors; process context, may sleep; -ENXIO: no memslot there (MMIO), -EROFS: read-only
 * slot, -EFAULT: the backing failed.  Any length, crossing pages.  The caller is in
 * srcu read section of mmu->srcu (vCPU threads hold it while they run):
 * int  guest_read(struct mmu *mmu, gpa_t gpa, void *buf, unsigned int len);
 * int  guest_write(struct mmu *mmu, gpa_t gpa, const void *buf, unsigned int len);
 * int  guest_cmpxchg(struct mmu *mmu, gpa_t gpa, void *old, const void *new, unsigned int len);
 *
 * The guest's own tables (sets A and D bits as the CPU would):
 * int  mmu_walk(struct mmu *mmu, const struct paging_mode *mode, gva_t gva, u32 access,
 *		 gpa_t *gpa, struct emu_fault *fault);	0, or -EFAULT with fault filled (#PF)
 *
 * enum mmu_fault_result { MMU_FAULT_DONE, MMU_FAULT_MMIO, MMU_FAULT_READONLY };
 * int  mmu_tdp_fault(struct mmu *mmu, gpa_t gpa, u32 access);	result, or -errno
 * hpa_t mmu_root(struct mmu *mmu);
 *
 * void mmu_stats(struct mmu *mmu, struct ditto_vm_info *info);
 * int  mmu_check(struct mmu *mmu, struct seq_file *m);	number of violations
 */

#endif
