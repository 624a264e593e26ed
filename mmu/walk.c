// SPDX-License-Identifier: GPL-2.0-only
/*
 * The walk of the guest's own page tables, as the CPU would do it: all paging modes,
 * permissions, reserved bits, error codes, accessed and dirty bits.  Reads the tables
 * through the accessors; keeps nothing.
 *
 * The hard part is to agree with the CPU in every corner.  SDM volume 3, chapter 4
 * (4.3 32-bit, 4.4 PAE, 4.5 4- and 5-level, 4.6 rights, 4.7 error codes, 4.8 accessed
 * and dirty), and APM volume 2, chapter 5, are behind each rule.  Where the CPU reads
 * a table that is no memory, it gets what the bus returns; here the entry then counts
 * as not present.
 */
#include <linux/bits.h>
#include <linux/mm.h>
#include <asm/processor-flags.h>
#include <asm/msr-index.h>

#include "gmem/mc.h"
#include "mmu/guest.h"
#include "mmu/memo.h"
#include "mmu/slots.h"
#include "mmu/walk.h"

/* Entries, all modes. */
#define PT_PRESENT	BIT_ULL(0)
#define PT_WRITE	BIT_ULL(1)
#define PT_USER		BIT_ULL(2)
#define PT_ACCESSED	BIT_ULL(5)
#define PT_DIRTY	BIT_ULL(6)
#define PT_LARGE	BIT_ULL(7)
#define PT_NX		BIT_ULL(63)
#define PT_ADDR		GENMASK_ULL(51, 12)
#define PT_PKEY_SHIFT	59

/* Page-fault error codes. */
#define PF_PRESENT	BIT(0)
#define PF_WRITE	BIT(1)
#define PF_USER		BIT(2)
#define PF_RSVD		BIT(3)
#define PF_FETCH	BIT(4)
#define PF_PKEY		BIT(5)

/* How many times the walk starts again because the guest changes its tables meanwhile. */
#define WALK_TRIES	8

/**
 * struct walk - one walk
 * @mmu: whose memory
 * @mode: how the guest translates
 * @gva: what
 * @access: MMU_* bits
 * @kind: format of the tables
 * @user: it is a user-mode access
 * @top: level of the first table
 * @leaf: level of the entry that maps the page
 * @high: reserved bits of every entry
 * @rights: PT_WRITE and PT_USER: AND of the entries; PT_NX: OR
 * @error: the error code of the fault that the walk ended with
 * @host: why an entry could not be read: -EINTR or -ENOMEM, and then it is no fault
 * @pte: entries read, by level
 * @pte_gpa: their addresses
 * @pte_va: where they are in the host, for a memo; NULL when that is not known
 */
struct walk {
	struct mmu *mmu;
	const struct paging_mode *mode;
	gva_t gva;
	u32 access;
	enum walk_kind kind;
	bool user;
	int top, leaf;
	u64 high;
	u64 rights;
	u32 error;
	int host;
	u64 pte[MMU_WALK_LEVELS + 1];
	gpa_t pte_gpa[MMU_WALK_LEVELS + 1];
	const u64 *pte_va[MMU_WALK_LEVELS + 1];
};

static bool walk_nx_enabled(const struct walk *w)
{
	return w->kind != WALK_32 && (w->mode->efer & EFER_NX);
}

/* Bits from the physical address width up to @top. */
static u64 walk_bits_above(unsigned int maxphyaddr, unsigned int top)
{
	return maxphyaddr > top ? 0 : GENMASK_ULL(top, maxphyaddr);
}

static void walk_init(struct walk *w)
{
	const struct paging_mode *m = w->mode;

	w->user = (w->access & (MMU_USER | MMU_IMPLICIT)) == MMU_USER;
	if (!(m->cr4 & X86_CR4_PAE)) {
		w->kind = WALK_32;
		w->top = 2;
		w->high = 0;
		w->gva = (u32)w->gva;
		return;
	}
	if (m->efer & EFER_LMA) {
		w->kind = WALK_LONG;
		w->top = m->cr4 & X86_CR4_LA57 ? 5 : 4;
		w->high = walk_bits_above(m->maxphyaddr, 51);
	} else {
		w->kind = WALK_PAE;
		w->top = 3;
		w->high = walk_bits_above(m->maxphyaddr, 62);
		w->gva = (u32)w->gva;
	}
	if (!(m->efer & EFER_NX))
		w->high |= PT_NX;
}

/* Where the walk begins. */
static gpa_t walk_root(const struct walk *w)
{
	switch (w->kind) {
	case WALK_32:
		return w->mode->cr3 & GENMASK_ULL(31, 12);
	case WALK_PAE:
		return w->mode->cr3 & GENMASK_ULL(31, 5);
	default:
		return w->mode->cr3 & PT_ADDR;
	}
}

static unsigned int walk_shift(const struct walk *w, int level)
{
	return PAGE_SHIFT + (w->kind == WALK_32 ? 10 : 9) * (level - 1);
}

static bool walk_is_pdpte(const struct walk *w, int level)
{
	return w->kind == WALK_PAE && level == 3;
}

/* The bytes behind a gpa, when gmem has them; in an RCU section. */
static const void *walk_peek(struct mmu *mmu, gpa_t gpa)
{
	struct memslot *slot = mmu_find_slot(mmu, gpa >> PAGE_SHIFT);
	const void *page;

	if (unlikely(!slot || !slot->gmem))
		return NULL;
	page = gmem_peek(slot->gmem, memslot_offset(slot, gpa >> PAGE_SHIFT));
	return likely(page) ? page + offset_in_page(gpa) : NULL;
}

/* An entry that cannot be read is not present; one that is waited for may be. */
static noinline void walk_unread(struct walk *w, int level, int err)
{
	w->pte[level] = 0;
	if (err == -EINTR || err == -ENOMEM)
		w->host = err;
}

static void walk_read32(struct walk *w, int level)
{
	u32 pte;
	int err;

	w->pte_va[level] = NULL;
	err = guest_read(w->mmu, w->pte_gpa[level], &pte, sizeof(pte));
	if (likely(!err))
		w->pte[level] = pte;
	else
		walk_unread(w, level, err);
}

static void walk_read64(struct walk *w, int level)
{
	gpa_t gpa = w->pte_gpa[level];
	u64 *pte = &w->pte[level];
	const u64 *va;
	int err;

	rcu_read_lock_sched();
	va = walk_peek(w->mmu, gpa);
	if (likely(va) && unlikely(!mc_load(*pte, va)))
		va = NULL;	/* bad memory, which guest_read() tells of */
	rcu_read_unlock_sched();
	w->pte_va[level] = va;
	if (likely(va))
		return;
	err = guest_read(w->mmu, gpa, pte, sizeof(*pte));
	if (unlikely(err))
		walk_unread(w, level, err);
}

static void walk_read(struct walk *w, gpa_t table, int level)
{
	unsigned int index = w->gva >> walk_shift(w, level);

	if (w->kind == WALK_32) {
		w->pte_gpa[level] = table + index % 1024 * sizeof(u32);
		walk_read32(w, level);
	} else {
		w->pte_gpa[level] = table + index % 512 * sizeof(u64);
		walk_read64(w, level);
	}
}

static bool walk_is_leaf(const struct walk *w, int level)
{
	if (level == 1)
		return true;
	if (!(w->pte[level] & PT_LARGE))
		return false;
	if (w->kind == WALK_32)
		return w->mode->cr4 & X86_CR4_PSE;
	return level == 2 || (level == 3 && w->kind == WALK_LONG);
}

/* Bits that must be 0 in the present entry of a level (SDM figures 4-4, 4-7, 4-11). */
static u64 walk_reserved(const struct walk *w, int level, bool leaf)
{
	/* A CPU that reads PDPTEs with each walk may have marked them, bits 5 and 6. */
	if (walk_is_pdpte(w, level))
		return walk_bits_above(w->mode->maxphyaddr, 63) |
		       GENMASK_ULL(8, 7) | GENMASK_ULL(2, 1);
	if (level == 1)
		return w->high;
	if (w->kind == WALK_32)
		/* PSE-36: bits 20:13 are address bits 39:32, as far as there are any. */
		return leaf ? GENMASK_ULL(21, min_t(u8, w->mode->maxphyaddr, 40) - 19) : 0;
	if (leaf)
		return w->high | (level == 3 ? GENMASK_ULL(29, 13) : GENMASK_ULL(20, 13));
	return w->high | (level > 3 ? PT_LARGE : 0);
}

static gpa_t walk_page(const struct walk *w)
{
	u64 pte = w->pte[w->leaf];
	u64 inside = BIT_ULL(walk_shift(w, w->leaf)) - 1;
	gpa_t base = pte & PT_ADDR & ~inside;

	if (w->kind == WALK_32 && w->leaf == 2)
		base = (pte & GENMASK_ULL(31, 22)) | (pte & GENMASK_ULL(20, 13)) << 19;
	return base | (w->gva & inside);
}

/* The walk ends with a fault. Always false. */
static bool walk_fail(struct walk *w, u32 why)
{
	bool says_fetch = walk_nx_enabled(w) || (w->mode->cr4 & X86_CR4_SMEP);

	w->error = why | (w->access & MMU_WRITE ? PF_WRITE : 0) | (w->user ? PF_USER : 0) |
		   ((w->access & MMU_EXEC) && says_fetch ? PF_FETCH : 0);
	return false;
}

/* Does the page's protection key deny a data access (SDM 4.6.2)? PF_PKEY or 0. */
static u32 walk_pkey(const struct walk *w)
{
	const struct paging_mode *m = w->mode;
	u32 rights;

	if (likely(!(m->cr4 & X86_CR4_PKE)) || w->kind != WALK_LONG ||
	    (w->access & MMU_EXEC) || !(w->rights & PT_USER))
		return 0;
	rights = m->pkru >> (2 * (w->pte[w->leaf] >> PT_PKEY_SHIFT & 15));
	if (rights & 1)
		return PF_PKEY;
	if ((rights & 2) && (w->access & MMU_WRITE) && (w->user || (m->cr0 & X86_CR0_WP)))
		return PF_PKEY;
	return 0;
}

static bool walk_fetch_denied(const struct walk *w)
{
	bool user_page = w->rights & PT_USER;

	if (w->rights & PT_NX)
		return true;
	return w->user ? !user_page : user_page && (w->mode->cr4 & X86_CR4_SMEP);
}

static bool walk_data_denied(const struct walk *w)
{
	bool read_only = (w->access & MMU_WRITE) && !(w->rights & PT_WRITE);
	bool user_page = w->rights & PT_USER;
	const struct paging_mode *m = w->mode;

	if (w->user)
		return !user_page || read_only;
	if (read_only && (m->cr0 & X86_CR0_WP))
		return true;
	return user_page && (m->cr4 & X86_CR4_SMAP) &&
	       ((w->access & MMU_IMPLICIT) || !(m->rflags & X86_EFLAGS_AC));
}

/* Rights over all levels (SDM 4.6). */
static bool walk_check_rights(struct walk *w)
{
	u32 pkey = walk_pkey(w);
	bool denied = w->access & MMU_EXEC ? walk_fetch_denied(w) : walk_data_denied(w);

	return denied || pkey ? walk_fail(w, PF_PRESENT | pkey) : true;
}

/* Down to the leaf; false: a fault. */
static bool walk_down(struct walk *w)
{
	gpa_t table = walk_root(w);
	int level;

	w->rights = PT_WRITE | PT_USER;
	for (level = w->top; ; level--) {
		bool leaf;
		u64 pte;

		walk_read(w, table, level);
		pte = w->pte[level];
		if (unlikely(!(pte & PT_PRESENT)))
			return walk_fail(w, 0);
		leaf = walk_is_leaf(w, level);
		if (unlikely(pte & walk_reserved(w, level, leaf)))
			return walk_fail(w, PF_PRESENT | PF_RSVD);
		if (!walk_is_pdpte(w, level))
			w->rights = (w->rights & (pte | PT_NX)) | (pte & PT_NX);
		if (leaf) {
			w->leaf = level;
			return walk_check_rights(w);
		}
		table = pte & PT_ADDR;
	}
}

/*
 * Set bits in an entry, if it is still what was read.  0; -EAGAIN: it is not; -errno.
 * In a read-only slot the CPU could not, and goes on.
 */
static int walk_set_bits(struct walk *w, int level, u64 bits)
{
	unsigned int len = w->kind == WALK_32 ? 4 : 8;
	u64 seen = w->pte[level];
	u64 new = seen | bits;
	int err;

	err = guest_mark(w->mmu, w->pte_gpa[level], &seen, &new, len);
	if (err == -EROFS)
		return 0;
	if (err == -ENXIO || err == -EFAULT || (!err && seen != w->pte[level]))
		return -EAGAIN;
	return err;
}

/* SDM 4.8: accessed at every level, dirty in the leaf of a write. */
static int walk_mark(struct walk *w)
{
	int level, err = 0;

	for (level = w->top; level >= w->leaf && !err; level--) {
		u64 want = PT_ACCESSED;

		if (level == w->leaf && (w->access & MMU_WRITE))
			want |= PT_DIRTY;
		if (unlikely(~w->pte[level] & want) && !walk_is_pdpte(w, level))
			err = walk_set_bits(w, level, want);
	}
	return err;
}

static int walk_tell(const struct walk *w, gva_t gva, struct walk_fault *fault)
{
	if (unlikely(w->host)) {
		fault->valid = false;
		return w->host;
	}
	*fault = (struct walk_fault) { .valid = true, .error = w->error, .gva = gva };
	return -EFAULT;
}

/* All of a walk; as mmu_walk(), with paging on. */
static int walk_whole(struct walk *w, gva_t gva, struct walk_fault *fault)
{
	int tries = WALK_TRIES;
	int err;

	do {
		if (unlikely(!walk_down(w)))
			return walk_tell(w, gva, fault);
		err = walk_mark(w);
	} while (unlikely(err == -EAGAIN) && --tries);
	if (unlikely(err))
		fault->valid = false;
	return err;
}

/**
 * mmu_walk() - translate a guest-virtual address
 * @mmu: the caller is in a read section of its srcu
 * @mode: the guest's paging state
 * @gva: linear address.  That it is canonical is the caller's matter: bits above the
 *	mode's width are ignored
 * @access: one of MMU_READ, MMU_WRITE (a read may be with it), MMU_EXEC; MMU_USER at
 *	CPL 3; MMU_IMPLICIT for an access that is supervisor's at any CPL
 * @gpa: set on success
 * @fault: set on -EFAULT
 *
 * May sleep.  Sets accessed and dirty bits when it succeeds.  1 GiB pages and PSE-36
 * are taken to be supported.
 *
 * Return: 0; -EFAULT with @fault filled (#PF); another -errno, with @fault not valid, when
 * the host failed (-ENOMEM, -EINTR), or -EAGAIN: the guest keeps changing its tables, let
 * it run and try again.
 */
int mmu_walk(struct mmu *mmu, const struct paging_mode *mode, gva_t gva, u32 access,
	     gpa_t *gpa, struct walk_fault *fault)
{
	struct walk w = { .mmu = mmu, .mode = mode, .gva = gva, .access = access };
	int err;

	if (!(mode->cr0 & X86_CR0_PG)) {
		*gpa = gva;
		return 0;
	}
	walk_init(&w);
	err = walk_whole(&w, gva, fault);
	if (likely(!err))
		*gpa = walk_page(&w);
	return err;
}

/* @seq was read before the walk began, so that no entry is older. */
static void walk_remember(struct walk *w, struct walk_memo *m, unsigned long seq, gva_t gva)
{
	unsigned int i;
	int level;

	m->nr = 0;
	for (level = w->top; level >= w->leaf; level--) {
		if (!w->pte_va[level]) {
			m->nr = 0;
			return;
		}
		m->entry[m->nr] = w->pte_va[level];
		m->value[m->nr++] = w->pte[level];
	}
	for (i = m->nr; i < MMU_WALK_LEVELS; i++) {
		m->entry[i] = w->pte_va[w->leaf];
		m->value[i] = w->pte[w->leaf];
	}
	m->seq = seq;
	m->page = gva >> PAGE_SHIFT;
	m->access = w->access;
	m->mode = *w->mode;
	m->gpa = walk_page(w) & PAGE_MASK;
	rcu_read_lock_sched();
	m->data = walk_peek(w->mmu, m->gpa);
	rcu_read_unlock_sched();
}

static noinline int walk_anew(struct mmu *mmu, struct walk_memo *m,
			      const struct paging_mode *mode, gva_t gva, u32 access,
			      gpa_t *gpa, struct walk_fault *fault)
{
	struct walk w = { .mmu = mmu, .mode = mode, .gva = gva, .access = access };
	unsigned long seq = smp_load_acquire(&mmu->inv_seq);
	int err;

	walk_init(&w);
	err = walk_whole(&w, gva, fault);
	if (likely(!err)) {
		*gpa = walk_page(&w);
		walk_remember(&w, m, seq, gva);
	}
	return err;
}

/**
 * mmu_walk_memo() - mmu_walk(), unless it is the same as the last
 * @mmu: the caller is in a read section of its srcu
 * @m: of the vCPU; remembers the walk that is made
 * @mode: the guest's paging state
 * @gva: as for mmu_walk()
 * @access: likewise
 * @gpa: set on success
 * @fault: set on -EFAULT
 *
 * Return: as mmu_walk().
 */
int mmu_walk_memo(struct mmu *mmu, struct walk_memo *m, const struct paging_mode *mode,
		  gva_t gva, u32 access, gpa_t *gpa, struct walk_fault *fault)
{
	return likely(memo_translate(mmu, m, mode, gva, access, gpa)) ? 0 :
	       walk_anew(mmu, m, mode, gva, access, gpa, fault);
}

/* Level 3 of PAE allows all: its entries have no such bits. */
static void path_rights(const struct walk *w, struct walk_path *path)
{
	u8 rights = WALK_ALL;
	int level;

	for (level = w->top; level >= w->leaf; level--) {
		u64 pte = w->pte[level];

		if (!walk_is_pdpte(w, level)) {
			rights &= (pte & PT_WRITE ? WALK_ALL : ~WALK_WRITE) &
				  (pte & PT_USER ? WALK_ALL : ~WALK_USER) &
				  (pte & PT_NX ? ~WALK_EXEC : WALK_ALL);
			pte |= PT_ACCESSED;
		}
		if (level == w->leaf && (w->access & MMU_WRITE))
			pte |= PT_DIRTY;
		path->pte[level] = pte;
		path->pte_gpa[level] = w->pte_gpa[level];
		path->rights[level] = rights;
	}
}

/**
 * mmu_walk_path() - mmu_walk() that tells what it met
 * @mmu: the caller is in a read section of its srcu
 * @mode: the guest's paging state
 * @gva: as for mmu_walk()
 * @access: likewise
 * @path: filled on success
 * @fault: set on -EFAULT
 *
 * Return: as mmu_walk().
 */
int mmu_walk_path(struct mmu *mmu, const struct paging_mode *mode, gva_t gva, u32 access,
		  struct walk_path *path, struct walk_fault *fault)
{
	struct walk w = { .mmu = mmu, .mode = mode, .gva = gva, .access = access };
	int err;

	if (!(mode->cr0 & X86_CR0_PG)) {
		path->kind = WALK_NONE;
		path->gpa = (u32)gva;
		return 0;
	}
	walk_init(&w);
	err = walk_whole(&w, gva, fault);
	if (err)
		return err;
	path->kind = w.kind;
	path->top = w.top;
	path->leaf = w.leaf;
	path->root = walk_root(&w);
	path->gpa = walk_page(&w);
	path_rights(&w, path);
	return 0;
}
