// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit: shadow tables against the walk of the guest's tables. Random tables, which point at
 * each other, at themselves and at nothing, are used and changed in random order; what a CPU
 * would do with the shadow tables, a model here says.
 *
 * After a flush of the guest: what the shadow tables allow, the guest's allow, to the same
 * page, and without a mark that the CPU would still have to set there. And an access that
 * the guest's tables allow gets through, after as many faults as there are levels.
 */
#include <linux/prandom.h>
#include <asm/msr-index.h>
#include <asm/processor-flags.h>

#include "mmu/between.h"
#include "mmu/kunit.h"
#include "mmu/shadow.h"
#include "mmu/walk.h"

#define P	BIT_ULL(0)
#define W	BIT_ULL(1)
#define U	BIT_ULL(2)
#define A	BIT_ULL(5)
#define D	BIT_ULL(6)
#define PS	BIT_ULL(7)
#define NX	BIT_ULL(63)

/* Pages that there are; the first ones are tables, two of each level. */
#define NPAGES		48
#define NTABLES		10
#define STEPS		6000

enum shadow_mode { MODE_NONE, MODE_32, MODE_PAE, MODE_LONG };

/**
 * struct shadow_test - a machine under test
 * @t: its address space
 * @gmem: its memory
 * @sv: its vCPU
 * @mode: how it translates
 * @kind: likewise
 * @rnd: what happens next
 * @stale: the guest has changed a table and not flushed since
 * @before: the tables at some time
 * @after: and later
 */
struct shadow_test {
	struct test_mmu *t;
	struct gmem *gmem;
	struct shadow_vcpu sv;
	struct paging_mode mode;
	enum shadow_mode kind;
	struct rnd_state rnd;
	bool stale;
	u8 *before, *after;
};

static u32 any(struct shadow_test *s, u32 below)
{
	return prandom_u32_state(&s->rnd) % below;
}

static unsigned int entry_size(const struct shadow_test *s)
{
	return s->kind == MODE_32 ? 4 : 8;
}

/* Few addresses, which meet in few entries. */
static gva_t any_gva(struct shadow_test *s)
{
	gva_t gva = (gva_t)any(s, 4) << PAGE_SHIFT | any(s, PAGE_SIZE);

	gva |= (gva_t)any(s, 3) << 21;
	if (s->kind == MODE_NONE)
		return gva % (2 * NPAGES << PAGE_SHIFT);
	gva |= (gva_t)any(s, 2) << (s->kind == MODE_32 ? 22 : 30);
	if (s->kind == MODE_LONG)
		gva |= (gva_t)any(s, 2) << 39;
	return gva;
}

static u64 any_entry(struct shadow_test *s, int level)
{
	u64 pte = 0;

	if (any(s, 8))
		pte |= P;
	if (any(s, 4))
		pte |= W;
	if (any(s, 4))
		pte |= U;
	if (s->kind == MODE_PAE && level == 3)
		return (pte & P) | (u64)(4 + any(s, 2)) << PAGE_SHIFT;
	if (!any(s, 2))
		pte |= A;
	if (!any(s, 2))
		pte |= D;
	if (!any(s, 6) && s->kind != MODE_32 && (s->mode.efer & EFER_NX))
		pte |= NX;
	if (level > 1 && level < 4 && !any(s, 8))
		return pte | PS;	/* of everything from 0 on */
	if (level == 1 || !any(s, 16))
		return pte | (u64)any(s, 2 * NPAGES) << PAGE_SHIFT;
	return pte | (u64)(2 * (level - 1) + any(s, 2)) << PAGE_SHIFT;
}

/* The tables of level n are pages 2n and 2n + 1; the first is the root. */
static gpa_t any_place(struct shadow_test *s, int *level)
{
	int top = s->kind == MODE_32 ? 2 : s->kind == MODE_PAE ? 3 : 4;
	unsigned int index;

	*level = 1 + any(s, top);
	index = any(s, 4);
	if (!any(s, 3))
		index += 512 >> any(s, 3);
	if (s->kind == MODE_PAE && *level == 3)
		index %= 4;
	index %= PAGE_SIZE / entry_size(s);
	return (gpa_t)(2 * *level + any(s, 2)) << PAGE_SHIFT | index * entry_size(s);
}

/*
 * What a CPU would make of the shadow tables: the pfn, or 0: a fault. CR0.WP and paging are
 * always on.
 */
static kvm_pfn_t cpu_walk(struct shadow_test *s, gva_t gva, u32 access)
{
	const struct shadow_page *sp = s->sv.root;
	bool user = access & MMU_USER, user_page;
	u64 spte, rights = W | U, nx = 0;
	bool paging = s->mode.cr0 & X86_CR0_PG;
	int level;

	for (level = sp->role.level; ; level--) {
		unsigned int i = tdp_index(gva >> PAGE_SHIFT, level);

		spte = sp->block->spte[sp->role.pae_root ? i % 4 : i];
		if (!(spte & P))
			return 0;
		if (!sp->role.pae_root) {
			rights &= spte;
			nx |= spte & NX;
		}
		if (level == 1)
			break;
		sp = shadow_page_of(tdp_table(&s->t->format, spte));
	}
	user_page = rights & U;
	if ((user && !user_page) || ((access & MMU_WRITE) && !(rights & W)))
		return 0;
	if (access & MMU_EXEC)
		return nx || (!user && user_page && paging && (s->mode.cr4 & X86_CR4_SMEP)) ?
			0 : tdp_pfn(&s->t->format, spte);
	if (!user && user_page && paging && (s->mode.cr4 & X86_CR4_SMAP) &&
	    !(s->mode.rflags & X86_EFLAGS_AC))
		return 0;
	return tdp_pfn(&s->t->format, spte);
}

static void load(struct kunit *test, struct shadow_test *s)
{
	hpa_t root;

	KUNIT_ASSERT_EQ(test, mmu_shadow_load(&s->t->mmu, &s->sv, &s->mode, &root), 0);
	KUNIT_EXPECT_EQ(test, root, __pa(s->sv.root->block));
	s->stale = false;
}

/* The page that the TDP tables have, or 0. */
static kvm_pfn_t gpa_pfn(struct shadow_test *s, gpa_t gpa)
{
	u64 spte = test_spte(s->t, gpa >> PAGE_SHIFT);

	return spte ? tdp_pfn(&s->t->format, spte) : 0;
}

static void read_tables(struct kunit *test, struct shadow_test *s, u8 *to)
{
	KUNIT_ASSERT_EQ(test, test_read(s->t, 0, to, NTABLES * PAGE_SIZE), 0);
}

/* Do the guest's tables allow it? 0: yes, @gpa is set. */
static int guest_walk(struct shadow_test *s, gva_t gva, u32 access, gpa_t *gpa)
{
	int idx = srcu_read_lock(&s->t->mmu.srcu);
	struct walk_fault fault;
	int err = mmu_walk(&s->t->mmu, &s->mode, gva, access, gpa, &fault);

	srcu_read_unlock(&s->t->mmu.srcu, idx);
	return err;
}

static int fault_in(struct shadow_test *s, gva_t gva, u32 access, gpa_t *gpa)
{
	int idx = srcu_read_lock(&s->t->mmu.srcu);
	struct walk_fault fault;
	int ret;

	ret = mmu_shadow_fault(&s->t->mmu, &s->sv, &s->t->streaks, &s->mode, gva, access, gpa,
			     &fault);
	srcu_read_unlock(&s->t->mmu.srcu, idx);
	return ret;
}

/* No more than the guest's tables allow, and to the same page. */
static void expect_no_more(struct kunit *test, struct shadow_test *s, gva_t gva, u32 access)
{
	kvm_pfn_t pfn = cpu_walk(s, gva, access);
	gpa_t gpa = 0;

	if (!pfn)
		return;
	read_tables(test, s, s->before);
	KUNIT_ASSERT_EQ_MSG(test, guest_walk(s, gva, access, &gpa), 0, "gva %lx, access %x", gva,
			    access);
	KUNIT_EXPECT_EQ_MSG(test, pfn, gpa_pfn(s, gpa), "gva %lx, access %x", gva, access);
	read_tables(test, s, s->after);
	KUNIT_EXPECT_EQ_MSG(test, memcmp(s->before, s->after, NTABLES * PAGE_SIZE), 0,
			    "gva %lx, access %x: a mark is missing", gva, access);
}

static void access_one(struct kunit *test, struct shadow_test *s, gva_t gva, u32 access)
{
	gpa_t gpa, to = 0;
	int tries, ret, err;

	if (!s->stale)
		expect_no_more(test, s, gva, access);
	for (tries = 0; tries < 24; tries++) {
		kvm_pfn_t pfn = cpu_walk(s, gva, access);

		if (pfn) {
			if (!s->stale)
				expect_no_more(test, s, gva, access);
			return;
		}
		err = guest_walk(s, gva, access, &gpa);
		ret = fault_in(s, gva, access, &to);
		if (ret == MMU_FAULT_ROOT) {
			load(test, s);
			continue;
		}
		if (err) {
			KUNIT_EXPECT_EQ(test, ret, MMU_FAULT_GUEST);
			return;
		}
		KUNIT_EXPECT_EQ(test, to, gpa);
		if (gpa >> PAGE_SHIFT >= NPAGES) {
			KUNIT_EXPECT_EQ(test, ret, MMU_FAULT_MMIO);
			return;
		}
		KUNIT_ASSERT_EQ_MSG(test, ret, MMU_FAULT_DONE, "gva %lx, access %x", gva, access);
	}
	KUNIT_FAIL(test, "gva %lx, access %x: faults for ever", gva, access);
}

static u32 any_access(struct shadow_test *s)
{
	static const u32 kinds[] = { MMU_READ, MMU_WRITE, MMU_EXEC };
	u32 access = kinds[any(s, 3)];

	return any(s, 2) ? access | MMU_USER : access;
}

/* The guest writes to its tables: through the shadow tables where they allow it. */
static void change(struct kunit *test, struct shadow_test *s)
{
	gva_t gva = any_gva(s) & PAGE_MASK;
	int level;
	gpa_t gpa = any_place(s, &level);
	u64 pte = any_entry(s, level);
	kvm_pfn_t pfn = cpu_walk(s, gva, MMU_WRITE);

	s->stale = true;
	if (pfn && pfn == gpa_pfn(s, gpa)) {
		memcpy(pfn_to_kaddr(pfn) + offset_in_page(gpa), &pte, entry_size(s));
		return;
	}
	KUNIT_ASSERT_EQ(test, test_write(s->t, gpa, &pte, entry_size(s)), 0);
}

static void change_mode(struct kunit *test, struct shadow_test *s)
{
	/* SMAP without CR0.WP is not as in a CPU, for what the guest's kernel wrote. */
	s->mode.cr0 ^= X86_CR0_WP;
	s->mode.cr4 &= ~(X86_CR4_SMEP | X86_CR4_SMAP);
	if (any(s, 2))
		s->mode.cr4 |= X86_CR4_SMEP;
	if (any(s, 2) && (s->mode.cr0 & X86_CR0_WP))
		s->mode.cr4 |= X86_CR4_SMAP;
	s->mode.rflags = any(s, 2) ? X86_EFLAGS_AC : 0;
	if (s->kind != MODE_NONE)
		s->mode.cr3 = (u64)(2 * (s->kind == MODE_32 ? 2 : s->kind == MODE_PAE ? 3 : 4) +
				    any(s, 2)) << PAGE_SHIFT;
	load(test, s);
}

static void flush_one(struct kunit *test, struct shadow_test *s)
{
	gva_t gva = any_gva(s);

	mmu_shadow_invlpg(&s->t->mmu, &s->sv, gva);
	/* The pointers of PAE paging stay what they were when CR3 was loaded. */
	if (s->kind == MODE_PAE && s->stale)
		return;
	expect_no_more(test, s, gva, any_access(s));
}

static void step(struct kunit *test, struct shadow_test *s)
{
	switch (any(s, 40)) {
	case 0 ... 5:
		change(test, s);
		break;
	case 6 ... 8:
		load(test, s);
		break;
	case 9 ... 10:
		flush_one(test, s);
		break;
	case 11:
		change_mode(test, s);
		break;
	case 12:
		tdp_zap_all(&s->t->mmu, true);
		break;
	case 13:
		if (!any(s, 4))
			mmu_shadow_forget(&s->t->mmu);
		break;
	case 14:
		if (!any(s, 8))
			KUNIT_ASSERT_EQ(test, test_check(test, s->t), 0);
		break;
	default:
		access_one(test, s, any_gva(s), any_access(s));
	}
}

static void free_vcpu(void *sv)
{
	mmu_shadow_vcpu_free(sv);
}

static struct shadow_test *setup(struct kunit *test, enum shadow_mode kind)
{
	struct shadow_test *s = kunit_kzalloc(test, sizeof(*s), GFP_KERNEL);
	int i, level, fd;

	KUNIT_ASSERT_NOT_NULL(test, s);
	s->before = kunit_kzalloc(test, NTABLES * PAGE_SIZE, GFP_KERNEL);
	s->after = kunit_kzalloc(test, NTABLES * PAGE_SIZE, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, s->before);
	KUNIT_ASSERT_NOT_NULL(test, s->after);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, free_vcpu, &s->sv), 0);
	s->t = test_mmu_new_as(test, true);
	fd = test_gmem_new(test, NPAGES * PAGE_SIZE);
	KUNIT_ASSERT_EQ(test, test_set_gmem(s->t, 0, 0, NPAGES * PAGE_SIZE, fd, 0), 0);
	s->kind = kind;
	prandom_seed_state(&s->rnd, 16 + kind);
	s->mode.maxphyaddr = 40;
	if (kind != MODE_NONE)
		s->mode.cr0 = X86_CR0_PG | X86_CR0_PE;
	if (kind >= MODE_PAE) {
		s->mode.cr4 = X86_CR4_PAE;
		s->mode.efer = EFER_NX;
	} else {
		s->mode.cr4 = X86_CR4_PSE;
	}
	if (kind == MODE_LONG)
		s->mode.efer |= EFER_LMA | EFER_LME;
	for (i = 0; kind != MODE_NONE && i < 64; i++) {
		gpa_t gpa = any_place(s, &level);
		u64 pte = any_entry(s, level);

		KUNIT_ASSERT_EQ(test, test_write(s->t, gpa, &pte, entry_size(s)), 0);
	}
	change_mode(test, s);
	return s;
}

static void torture(struct kunit *test, enum shadow_mode kind)
{
	struct shadow_test *s = setup(test, kind);
	int i;

	for (i = 0; i < STEPS && test->status != KUNIT_FAILURE; i++)
		step(test, s);
	KUNIT_EXPECT_EQ(test, test_check(test, s->t), 0);
}

static void without_paging(struct kunit *test)
{
	torture(test, MODE_NONE);
}

static void legacy(struct kunit *test)
{
	torture(test, MODE_32);
}

static void pae(struct kunit *test)
{
	torture(test, MODE_PAE);
}

static void long_mode(struct kunit *test)
{
	torture(test, MODE_LONG);
}

/* However many tables the guest makes, there are no more shadow pages than allowed. */
static void limit(struct kunit *test)
{
	struct shadow_test *s = setup(test, MODE_LONG);
	long most = 0;
	int i;

	KUNIT_ASSERT_EQ(test, mmu_set_max_tables(&s->t->mmu, MMU_LEAST_TABLES), 0);
	for (i = 0; i < STEPS / 4 && test->status != KUNIT_FAILURE; i++) {
		step(test, s);
		s->mode.maxphyaddr = 32 + i % 20;
		load(test, s);
		most = max(most, s->t->mmu.shadow->nr);
	}
	KUNIT_EXPECT_LE(test, most, MMU_LEAST_TABLES);
	KUNIT_EXPECT_EQ(test, test_check(test, s->t), 0);
}

/* How many entries follow the leaf of a gfn. */
static unsigned int followers(struct shadow_test *s, gfn_t gfn)
{
	struct mmu *mmu = &s->t->mmu;
	struct hlist_node *node;
	unsigned int n = 0;
	int level;
	u64 *leaf;

	read_lock(&mmu->lock);
	leaf = shadow_tdp_leaf(mmu, gfn, &level);
	if (leaf)
		hlist_for_each(node, shadow_rmap(leaf))
			n++;
	read_unlock(&mmu->lock);
	return n;
}

#define USABLE	(P | W | U | A | D)

/* Tables 8 -> 6 -> 4 -> 2, the last of which maps page 20 everywhere; not loaded. */
static void one_table(struct kunit *test, struct shadow_test *s)
{
	unsigned int i;
	u64 pte;

	for (i = 8; i > 2; i -= 2) {
		pte = USABLE | (u64)(i - 2) << PAGE_SHIFT;
		KUNIT_ASSERT_EQ(test, test_write(s->t, (gpa_t)i << PAGE_SHIFT, &pte, 8), 0);
	}
	pte = USABLE | 20ull << PAGE_SHIFT;
	for (i = 0; i < 512; i++)
		KUNIT_ASSERT_EQ(test, test_write(s->t, (2 << PAGE_SHIFT) + 8 * i, &pte, 8), 0);
	s->mode.cr3 = 8 << PAGE_SHIFT;
	s->mode.cr4 = X86_CR4_PAE;
}

/* Another vCPU, which comes between a fault's walk and what the fault makes of it. */
static struct shadow_test *between;
static struct shadow_vcpu other;

static void shadow_between(struct mmu *mmu)
{
	u64 pte = USABLE | 21ull << PAGE_SHIFT;
	struct walk_fault fault;
	hpa_t root;
	gpa_t gpa;

	mmu_fault_between = NULL;
	test_write(between->t, (2 << PAGE_SHIFT) + 8, &pte, 8);
	mmu_shadow_load(mmu, &other, &between->mode, &root);
	mmu_shadow_fault(mmu, &other, &between->t->streaks, &between->mode, 2 << PAGE_SHIFT,
			 MMU_READ, &gpa, &fault);
}

/* A table was changed after it was walked, and before it was shadowed for another vCPU. */
static void walked_before(struct kunit *test)
{
	struct shadow_test *s = setup(test, MODE_LONG);
	gpa_t gpa;

	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, free_vcpu, &other), 0);
	one_table(test, s);
	/* The pages are there, and nothing is shadowed. */
	load(test, s);
	KUNIT_ASSERT_EQ(test, fault_in(s, PAGE_SIZE, MMU_READ, &gpa), MMU_FAULT_DONE);
	mmu_shadow_forget(&s->t->mmu);
	load(test, s);
	between = s;
	mmu_fault_between = shadow_between;
	KUNIT_EXPECT_EQ(test, fault_in(s, PAGE_SIZE, MMU_READ, &gpa), MMU_FAULT_DONE);
	KUNIT_EXPECT_PTR_EQ(test, mmu_fault_between, NULL);
	load(test, s);
	expect_no_more(test, s, PAGE_SIZE, MMU_READ);
	access_one(test, s, PAGE_SIZE, MMU_READ);
	KUNIT_EXPECT_EQ(test, test_check(test, s->t), 0);
}

/* However often a guest maps one page, there is no long list of that. */
static void one_page(struct kunit *test)
{
	struct shadow_test *s = setup(test, MODE_LONG);
	unsigned int i, modes, most = 0;
	gpa_t gpa;

	one_table(test, s);
	/* In modes that differ a little there are other shadow pages. */
	for (modes = 0; modes < 20; modes++) {
		s->mode.maxphyaddr = 32 + modes;
		load(test, s);
		for (i = 0; i < 512; i++)
			while (!cpu_walk(s, (gva_t)i << PAGE_SHIFT, MMU_READ))
				KUNIT_ASSERT_EQ(test, fault_in(s, (gva_t)i << PAGE_SHIFT, MMU_READ,
							       &gpa), MMU_FAULT_DONE);
		most = max(most, followers(s, 20));
	}
	KUNIT_EXPECT_GE(test, most, 512);
	KUNIT_EXPECT_LT(test, most, 8192);
	KUNIT_EXPECT_EQ(test, test_check(test, s->t), 0);
	/* All of them go, though not at once. */
	KUNIT_EXPECT_GT(test, s->t->mmu.shadow->nr, 64);
	mmu_shadow_forget(&s->t->mmu);
	KUNIT_EXPECT_EQ(test, s->t->mmu.shadow->nr, 0);
}

static struct kunit_case shadow_cases[] = {
	KUNIT_CASE(without_paging),
	KUNIT_CASE(legacy),
	KUNIT_CASE(pae),
	KUNIT_CASE(long_mode),
	KUNIT_CASE(limit),
	KUNIT_CASE(walked_before),
	KUNIT_CASE(one_page),
	{}
};

static struct kunit_suite shadow_suite = {
	.name = "ditto_mmu_shadow",
	.test_cases = shadow_cases,
};

kunit_test_suite(shadow_suite);
