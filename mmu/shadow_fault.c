// SPDX-License-Identifier: GPL-2.0-only
/*
 * Page faults on shadow tables: whose fault it is, and what is entered for one that is ours;
 * and which root a vCPU begins with.
 *
 * A fault is settled so:
 * 1. Read shadow->seq, then walk the guest's tables, without lock. If they do not allow the
 *    access, the fault is the guest's.
 * 2. Have a TDP leaf that allows it: mmu_tdp_fault(), with all that it knows of slots.
 * 3. Under mmu->lock: has a flush of the guest begun since 1, or is the leaf gone: start
 *    again. Find or make the shadow pages of the tables that were met. The guest could write
 *    unseen to one that is new, so its entry is read again.
 * 4. Link them, and enter the SPTE.
 *
 * The hard part is CR0.WP. The CPU runs with it set, so that write protection counts for the
 * kernel, too. A guest that has it clear may write, as supervisor, where its entry says
 * read-only: the SPTE then allows writes and denies user accesses, until one of these comes.
 */
#include <linux/sched/signal.h>
#include <asm/msr-index.h>
#include <asm/processor-flags.h>

#include "mmu/between.h"
#include "mmu/shadow.h"
#include "mmu/walk.h"

/* How many lost races one fault may have before the guest repeats the access. */
#define SHADOW_TRIES	16

#define GPTE_DIRTY	BIT_ULL(6)
#define GPTE_ADDR	GENMASK_ULL(51, 12)

/**
 * struct shadow_fault - one on its way
 * @mmu: whose
 * @sv: the vCPU's
 * @mode: how the guest translates
 * @gva: of the access
 * @access: MMU_* bits
 * @path: what the walk met
 * @seq: shadow->seq before it
 * @top: level of the root
 * @sp: shadow pages, by level
 * @fresh: one of them is new, and shadows a table
 */
struct shadow_fault {
	struct mmu *mmu;
	struct shadow_vcpu *sv;
	const struct paging_mode *mode;
	gva_t gva;
	u32 access;
	struct walk_path path;
	unsigned long seq;
	int top;
	struct shadow_page *sp[MMU_WALK_LEVELS + 1];
	bool fresh;
};

/* What all shadow pages of a mode have in common. */
static union shadow_role mode_role(const struct paging_mode *m)
{
	union shadow_role role = { .write = 1, .user = 1, .exec = 1 };

	if (!(m->cr0 & X86_CR0_PG)) {
		role.kind = WALK_NONE;
		role.direct = 1;
		return role;
	}
	if (!(m->cr4 & X86_CR4_PAE)) {
		role.kind = WALK_32;
		role.pse = !!(m->cr4 & X86_CR4_PSE);
	} else {
		role.kind = m->efer & EFER_LMA ? WALK_LONG : WALK_PAE;
		role.nx = !!(m->efer & EFER_NX);
		role.la57 = role.kind == WALK_LONG && (m->cr4 & X86_CR4_LA57);
	}
	role.wp = !!(m->cr0 & X86_CR0_WP);
	role.smep_nowp = !role.wp && (m->cr4 & X86_CR4_SMEP);
	role.smap_nowp = !role.wp && (m->cr4 & X86_CR4_SMAP);
	role.maxphyaddr = m->maxphyaddr;
	return role;
}

static int mode_levels(const struct paging_mode *m)
{
	if (!(m->cr0 & X86_CR0_PG) || !(m->efer & EFER_LMA))
		return 3;
	return m->cr4 & X86_CR4_LA57 ? 5 : 4;
}

/* Does the root of one serve the other? AC and PKRU change nothing. */
static bool mode_same(const struct paging_mode *a, const struct paging_mode *b)
{
	return a->cr3 == b->cr3 && mode_role(a).word == mode_role(b).word;
}

/* Before any are made; @lock held for write. */
static void limit_pages(struct mmu *mmu)
{
	if (mmu->shadow->nr + SHADOW_CACHE > READ_ONCE(mmu->max_tables))
		shadow_reclaim(mmu);
}

static void load_root(struct mmu *mmu, struct shadow_vcpu *sv, const struct paging_mode *mode)
{
	union shadow_role role = mode_role(mode);
	struct shadow_page *root = sv->pae;
	bool fresh;

	shadow_put_root(mmu, sv);
	if (role.kind == WALK_LONG) {
		role.level = mode_levels(mode);
		root = shadow_get(mmu, sv, (mode->cr3 & GPTE_ADDR) >> PAGE_SHIFT, role, &fresh);
		root->roots++;
	}
	sv->root = root;
	sv->mode = *mode;
}

/**
 * mmu_shadow_load() - the guest flushes everything, and may translate otherwise
 * @mmu: takes its lock
 * @sv: of the vCPU, which is not in the guest
 * @mode: how it translates from now on
 * @root: set to the root's address: what the CPU's cr3 is to be
 *
 * May sleep.  The vCPU's TLB is to be flushed then.
 *
 * Return: 0 or -ENOMEM.
 */
int mmu_shadow_load(struct mmu *mmu, struct shadow_vcpu *sv, const struct paging_mode *mode,
		    hpa_t *root)
{
	int err = shadow_topup(mmu, sv);

	if (err)
		return err;
	write_lock(&mmu->lock);
	shadow_sync(mmu);
	limit_pages(mmu);
	load_root(mmu, sv, mode);
	shadow_flush(mmu);
	*root = __pa(sv->root->block);
	write_unlock(&mmu->lock);
	return 0;
}

/* Of a guest's entry the level below it, or what it maps. */
static struct shadow_page *fault_child(struct shadow_fault *f, int level)
{
	const struct walk_path *p = &f->path;
	union shadow_role role = mode_role(f->mode);
	gfn_t gfn = (p->gpa >> PAGE_SHIFT) & ~(tdp_pages(level) - 1);

	role.level = level - 1;
	if (p->kind == WALK_NONE)
		return shadow_get(f->mmu, f->sv, gfn, role, &f->fresh);
	if (p->kind == WALK_32 && level == 3) {
		role.quadrant = f->gva >> 30;
		return shadow_get(f->mmu, f->sv, p->root >> PAGE_SHIFT, role, &f->fresh);
	}
	role.write = !!(p->rights[max(level, p->leaf)] & WALK_WRITE);
	role.user = !!(p->rights[max(level, p->leaf)] & WALK_USER);
	role.exec = !!(p->rights[max(level, p->leaf)] & WALK_EXEC);
	if (level > p->leaf) {
		if (p->kind == WALK_32)
			role.quadrant = f->gva >> 21 & 1;	/* of the two halves */
		return shadow_get(f->mmu, f->sv, (p->pte[level] & GPTE_ADDR) >> PAGE_SHIFT, role,
				  &f->fresh);
	}
	/* Nothing that was written stays writable when the guest has it marked as clean. */
	role.dirty = !!(p->pte[p->leaf] & GPTE_DIRTY);
	role.direct = 1;
	return shadow_get(f->mmu, f->sv, gfn, role, &f->fresh);
}

static unsigned int fault_index(const struct shadow_fault *f, int level)
{
	unsigned int i = tdp_index(f->gva >> PAGE_SHIFT, level);

	return f->sp[level]->role.pae_root ? i % 4 : i;
}

/* The guest's entry behind an SPTE; 0 where there is none. */
static u64 fault_gpte(const struct shadow_fault *f, int level)
{
	const struct walk_path *p = &f->path;

	if (p->kind == WALK_NONE || level < p->leaf || level > p->top)
		return 0;
	return p->pte[level];
}

/* Step 3: the shadow pages. */
static void fault_pages(struct shadow_fault *f)
{
	int level;

	f->fresh = false;
	f->sp[f->top] = f->sv->root;
	for (level = f->top; level > 1; level--)
		f->sp[level - 1] = fault_child(f, level);
}

/* Are the entries still those that were met? Those of page-directory pointers are registers. */
static bool fault_path_holds(const struct shadow_fault *f)
{
	const struct walk_path *p = &f->path;
	unsigned int len = p->kind == WALK_32 ? 4 : 8;
	int level;
	u64 now;

	for (level = p->top; level >= p->leaf; level--)
		if (!shadow_peek(f->mmu, p->pte_gpa[level], len, &now) ||
		    shadow_gpte_changed(p->kind, p->pte[level], now))
			return false;
	return true;
}

static void fault_link(struct shadow_fault *f, int level)
{
	struct shadow_page *parent = f->sp[level], *child = f->sp[level - 1];
	const struct tdp_format *format = f->mmu->host->format;
	u64 *sptep = &parent->block->spte[fault_index(f, level)];
	struct shadow_entry *e = shadow_entry_of(sptep);
	u64 spte = __pa(child->block) | format->table;

	/* In the four entries of a root most bits are reserved. */
	if (parent->role.pae_root)
		spte &= ~(SPTE_WRITE | SPTE_USER | SPTE_ACCESSED);
	e->gpte = fault_gpte(f, level);
	if (*sptep == spte)
		return;
	shadow_clear(f->mmu, sptep);
	hlist_add_head(&e->node, &child->parents);
	parent->nr++;
	WRITE_ONCE(*sptep, spte);
}

/* What the guest allows, as SPTE bits. */
static u64 leaf_guest_bits(const struct shadow_fault *f, bool *write)
{
	const union shadow_role role = f->sp[1]->role;
	const struct walk_path *p = &f->path;
	u8 rights = WALK_ALL;
	u64 bits;

	*write = true;
	if (p->kind != WALK_NONE) {
		rights = p->rights[p->leaf];
		*write = (rights & WALK_WRITE) && (p->pte[p->leaf] & GPTE_DIRTY);
	}
	bits = (rights & WALK_USER ? SPTE_USER : 0) | (rights & WALK_EXEC ? 0 : SPTE_NX);
	if (*write || !(f->access & MMU_WRITE))
		return bits;
	/* A write with CR0.WP clear: else the walk would have refused it. */
	*write = true;
	if (role.smep_nowp && (bits & SPTE_USER))
		bits |= SPTE_NX;
	return bits & ~SPTE_USER;
}

/* May the gfn be written, as far as it is a guest's table? */
static bool leaf_table_ok(const struct shadow_fault *f, gfn_t gfn)
{
	struct shadow *s = f->mmu->shadow;

	if (f->access & MMU_WRITE) {
		shadow_mark(s, gfn);
		return true;
	}
	return shadow_all_unsync(s, gfn);
}

/* Does an SPTE forbid what the one before it allows, or map another page? */
static bool leaf_loses(u64 old, u64 new)
{
	u64 allows = SPTE_WRITE | SPTE_USER;

	return ((old ^ new) & ~(allows | SPTE_NX)) || (old & ~new & allows) ||
	       (new & ~old & SPTE_NX);
}

/* Step 4: the SPTE. @leaf is the TDP's, and allows the access. */
static void shadow_fault_enter(struct shadow_fault *f, u64 *leaf, int tdp_level)
{
	const struct tdp_format *format = f->mmu->host->format;
	u64 *sptep = &f->sp[1]->block->spte[fault_index(f, 1)];
	struct shadow_entry *e = shadow_entry_of(sptep);
	gfn_t gfn = f->path.gpa >> PAGE_SHIFT;
	kvm_pfn_t pfn = tdp_pfn(format, *leaf) + (gfn & (tdp_pages(tdp_level) - 1));
	u64 old = *sptep, spte;
	bool write;

	spte = leaf_guest_bits(f, &write) | (*leaf & format->device) | pfn << PAGE_SHIFT |
	       SPTE_ACCESSED | SPTE_DIRTY;
	if (write && (*leaf & format->writable) && leaf_table_ok(f, gfn))
		spte |= SPTE_WRITE;
	e->gpte = fault_gpte(f, 1);
	/* One that only allows more needs no flush. */
	if (old && !leaf_loses(old, spte))
		shadow_unlink(sptep);
	else
		shadow_clear(f->mmu, sptep);
	shadow_rmap_add(f->mmu, leaf, tdp_level, e);
	f->sp[1]->nr++;
	WRITE_ONCE(*sptep, spte);
}

/*
 * Is there something stale in or below a table that is linked anew? The guest need not flush for
 * that: it did when the table was taken out.
 */
static bool fault_links_stale(const struct shadow_fault *f)
{
	const struct tdp_format *format = f->mmu->host->format;
	int level;

	if (list_empty(&f->mmu->shadow->unsync))
		return false;
	for (level = f->top; level > 1; level--) {
		const struct shadow_page *child = f->sp[level - 1];
		u64 spte = f->sp[level]->block->spte[fault_index(f, level)];

		if (child->nr && !child->role.direct &&
		    (!spte || shadow_page_of(tdp_table(format, spte)) != child))
			return true;
	}
	return false;
}

/* Steps 3 and 4; @lock held for write. -EAGAIN: a race was lost; -ENOENT: no TDP leaf. */
static int fault_locked(struct shadow_fault *f)
{
	struct mmu *mmu = f->mmu;
	gfn_t gfn = f->path.gpa >> PAGE_SHIFT;
	int level, tdp_level;
	u64 *leaf;

	if (mmu->shadow->seq != f->seq)
		return -EAGAIN;
	leaf = shadow_tdp_leaf(mmu, gfn, &tdp_level);
	if (!leaf || ((f->access & MMU_WRITE) && !(*leaf & mmu->host->format->writable)))
		return -ENOENT;
	limit_pages(mmu);
	fault_pages(f);
	shadow_flush(mmu);
	if (f->fresh && !fault_path_holds(f))
		return -EAGAIN;
	if (fault_links_stale(f)) {
		shadow_sync(mmu);	/* may free f->sp[] */
		return -EAGAIN;
	}
	/* After that, or each try would mark the table that it writes to. */
	if (f->access & MMU_WRITE)
		shadow_table_write(mmu, gfn);
	for (level = f->top; level > 1; level--)
		fault_link(f, level);
	shadow_fault_enter(f, leaf, tdp_level);
	shadow_flush(mmu);
	return 0;
}

/* Is the vCPU's root that of the mode it is in? @lock held. */
static bool fault_root_holds(const struct shadow_fault *f)
{
	const struct shadow_vcpu *sv = f->sv;

	return sv->root && !sv->root->dead && mode_same(&sv->mode, f->mode);
}

/* Steps 2 to 4, once the walk is made; -EAGAIN in @err: start again. */
static enum mmu_fault_result fault_ours(struct shadow_fault *f, struct fault_streaks *streaks,
					int *err)
{
	u32 access = f->access & (MMU_READ | MMU_WRITE | MMU_EXEC | MMU_ASYNC);
	enum mmu_fault_result r = MMU_FAULT_DONE;
	bool asked = false;

	for (;;) {
		*err = shadow_topup(f->mmu, f->sv);
		if (*err)
			return MMU_FAULT_FAILED;
		write_lock(&f->mmu->lock);
		if (fault_root_holds(f))
			*err = fault_locked(f);
		else
			r = MMU_FAULT_ROOT;
		write_unlock(&f->mmu->lock);
		if (r != MMU_FAULT_DONE || *err != -ENOENT)
			return r;
		if (asked) {
			*err = -EAGAIN;
			return r;
		}
		r = mmu_tdp_fault(f->mmu, streaks, f->path.gpa, access);
		*err = streaks->error;
		if (r != MMU_FAULT_DONE)
			return r;
		asked = true;
	}
}

/**
 * mmu_shadow_fault() - settle a page fault on shadow tables
 * @mmu: the caller is in a read section of its srcu, and holds no lock
 * @sv: of the vCPU
 * @streaks: likewise
 * @mode: how the guest translates now
 * @gva: of the access
 * @access: one of MMU_READ, MMU_WRITE, MMU_EXEC; MMU_USER and MMU_IMPLICIT as for mmu_walk();
 *	MMU_ASYNC as for mmu_tdp_fault()
 * @gpa: set to where the access goes, unless the fault is the guest's
 * @fault: set with MMU_FAULT_GUEST
 *
 * May sleep.
 *
 * Return: as mmu_tdp_fault(), and MMU_FAULT_GUEST: the guest is to have a page fault;
 * MMU_FAULT_ROOT: mmu_shadow_load() first.
 */
enum mmu_fault_result mmu_shadow_fault(struct mmu *mmu, struct shadow_vcpu *sv,
				       struct fault_streaks *streaks,
				       const struct paging_mode *mode, gva_t gva, u32 access,
				       gpa_t *gpa, struct walk_fault *fault)
{
	struct shadow_fault f = {
		.mmu = mmu, .sv = sv, .mode = mode, .gva = gva, .access = access,
		.top = mode_levels(mode),
	};
	enum mmu_fault_result r;
	int tries = SHADOW_TRIES;
	int err;

	do {
		/* Pairs with the lock that a flush takes: what is read now is not older. */
		f.seq = smp_load_acquire(&mmu->shadow->seq);
		err = mmu_walk_path(mmu, mode, gva, access & ~MMU_ASYNC, &f.path, fault);
		if (err == -EFAULT && fault->valid)
			return MMU_FAULT_GUEST;
		if (err) {
			streaks->error = err;
			return err == -EAGAIN ? MMU_FAULT_DONE : MMU_FAULT_FAILED;
		}
		*gpa = f.path.gpa;
		fault_between(mmu);
		r = fault_ours(&f, streaks, &err);
		if (r == MMU_FAULT_FAILED)
			streaks->error = err;
		if (r != MMU_FAULT_DONE || err != -EAGAIN)
			return r;
		cond_resched();
	} while (--tries && !fatal_signal_pending(current));
	return MMU_FAULT_DONE;
}
