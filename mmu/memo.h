/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A vCPU's memory of its last walk of the guest's page tables.
 *
 * It is no TLB.  A CPU's may be stale until the guest flushes it, and that we do not
 * see; so a memo is believed only after each entry that the walk met was read again and
 * is still the same.  What it saves is finding those entries: it keeps their addresses
 * in the host.  They stay good as long as mmu->inv_seq does, because every change of
 * what backs a gpa bumps that number first and frees the old page by RCU; hence the RCU
 * section around the look at the number and all reads behind it.
 *
 * Guests with 4-byte entries, and tables that user memory backs, are not remembered.
 */
#ifndef DITTO_MMU_MEMO_H
#define DITTO_MMU_MEMO_H

#include <linux/mm.h>
#include <linux/rcupdate.h>
#include <asm/processor-flags.h>

#include "mmu/mmu.h"

static __always_inline bool memo_mode_same(const struct paging_mode *a, const struct paging_mode *b)
{
	return !((a->cr3 ^ b->cr3) | (a->cr4 ^ b->cr4) | (a->cr0 ^ b->cr0) |
		 (a->efer ^ b->efer) | ((a->rflags ^ b->rflags) & X86_EFLAGS_AC) |
		 (a->pkru ^ b->pkru) | (a->maxphyaddr ^ b->maxphyaddr));
}

/* Not 0: an entry is another one now.  Levels are few, and a loop costs more than they do. */
static __always_inline u64 memo_entries_differ(const struct walk_memo *m)
{
	static_assert(MMU_WALK_LEVELS == 5);
	return (READ_ONCE(*m->entry[0]) ^ m->value[0]) |
	       (READ_ONCE(*m->entry[1]) ^ m->value[1]) |
	       (READ_ONCE(*m->entry[2]) ^ m->value[2]) |
	       (READ_ONCE(*m->entry[3]) ^ m->value[3]) |
	       (READ_ONCE(*m->entry[4]) ^ m->value[4]);
}

/*
 * Would this walk, made in the same mode, end as the remembered one?  The caller is in
 * rcu_read_lock_sched(), and uses @m->data inside the same section.
 */
static __always_inline bool memo_walk_same(const struct mmu *mmu, const struct walk_memo *m,
					   gva_t gva, u32 access)
{
	return m->page == gva >> PAGE_SHIFT && m->access == access && m->nr &&
	       m->seq == smp_load_acquire(&mmu->inv_seq) && !memo_entries_differ(m);
}

static inline bool memo_holds(const struct mmu *mmu, const struct walk_memo *m,
			      const struct paging_mode *mode, gva_t gva, u32 access)
{
	return memo_mode_same(&m->mode, mode) && memo_walk_same(mmu, m, gva, access);
}

/**
 * memo_read() - read guest memory where a memo tells it
 * @mmu: the caller is in a read section of its srcu
 * @m: of the vCPU
 * @mode: the guest's paging state
 * @gva: linear address
 * @access: as for mmu_walk()
 * @buf: kernel memory
 * @len: bytes, in one page
 *
 * Any context.
 *
 * Return: true when @buf is filled; false when the memo does not help: mmu_walk_memo()
 * makes a new one.
 */
static inline bool memo_read(const struct mmu *mmu, const struct walk_memo *m,
			     const struct paging_mode *mode, gva_t gva, u32 access,
			     void *buf, unsigned int len)
{
	bool ok;

	rcu_read_lock_sched();
	ok = memo_holds(mmu, m, mode, gva, access) && m->data;
	if (likely(ok))
		memcpy(buf, m->data + offset_in_page(gva), len);
	rcu_read_unlock_sched();
	return ok;
}

/**
 * memo_translate() - mmu_walk() where there is no paging, or a memo tells how it ends
 * @mmu: the caller is in a read section of its srcu
 * @m: of the vCPU
 * @mode: the guest's paging state
 * @gva: linear address
 * @access: as for mmu_walk()
 * @gpa: set then
 *
 * Return: whether it is so; mmu_walk_memo() makes a new memo.
 */
static __always_inline bool memo_translate(const struct mmu *mmu, const struct walk_memo *m,
					   const struct paging_mode *mode, gva_t gva, u32 access,
					   gpa_t *gpa)
{
	bool holds;

	if (!(mode->cr0 & X86_CR0_PG)) {
		*gpa = gva;
		return true;
	}
	rcu_read_lock_sched();
	holds = memo_holds(mmu, m, mode, gva, access);
	rcu_read_unlock_sched();
	*gpa = m->gpa | offset_in_page(gva);
	return holds;
}

/**
 * struct nowhere_memo - a gfn that was in no memslot, most likely a device's; of the vCPU's owner
 * @gfn: it
 * @seq: mmu->slots_seq before that was found out: it holds until slots change
 */
struct nowhere_memo {
	gfn_t gfn;
	unsigned int seq;
};

static inline unsigned int memo_slots_seq(const struct mmu *mmu)
{
	return raw_read_seqcount_latch(&mmu->slots_seq);
}

/* Of 0 and 0, as it begins, it holds, too: no slot was ever made. */
static inline bool memo_is_nowhere(const struct mmu *mmu, const struct nowhere_memo *m, gfn_t gfn)
{
	return m->gfn == gfn && m->seq == memo_slots_seq(mmu);
}

/* @seq: of before the look.  Where memory can be private it depends on more. */
static inline void memo_note_nowhere(const struct mmu *mmu, struct nowhere_memo *m, gfn_t gfn,
				     unsigned int seq)
{
	if (mmu->private_mem)
		return;
	m->gfn = gfn;
	m->seq = seq;
}

int mmu_walk_memo(struct mmu *mmu, struct walk_memo *m, const struct paging_mode *mode,
		  gva_t gva, u32 access, gpa_t *gpa, struct walk_fault *fault);

#endif
