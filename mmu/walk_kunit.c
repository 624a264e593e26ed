// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit: the walk of the guest's page tables.  Each case builds one translation in
 * guest memory, in one mode, with one thing changed, and expects an address and the
 * accessed and dirty bits, or an exact error code and untouched tables.
 */
#include <asm/msr-index.h>
#include <asm/processor-flags.h>

#include "mmu/kunit.h"
#include "mmu/memo.h"
#include "mmu/walk.h"

#define P	BIT_ULL(0)
#define W	BIT_ULL(1)
#define U	BIT_ULL(2)
#define A	BIT_ULL(5)
#define D	BIT_ULL(6)
#define PS	BIT_ULL(7)
#define NX	BIT_ULL(63)
#define PKEY(n)	((u64)(n) << 59)

/* Error codes. */
#define EP	BIT(0)
#define EW	BIT(1)
#define EU	BIT(2)
#define ER	BIT(3)
#define EI	BIT(4)
#define EK	BIT(5)
#define OK	(-1)

#define RD	MMU_READ
#define WR	MMU_WRITE
#define EX	MMU_EXEC
#define USR	MMU_USER
#define IMP	MMU_IMPLICIT

#define WP	X86_CR0_WP
#define PSE	X86_CR4_PSE
#define PKE	X86_CR4_PKE
#define SMEP	X86_CR4_SMEP
#define SMAP	X86_CR4_SMAP
#define AC	X86_EFLAGS_AC

enum test_mode { M32, PAE, L4, L5 };

/**
 * struct walk_case - one translation
 * @name: for people
 * @mode: of paging
 * @leaf: level of the leaf; above 1 it gets PS
 * @level: the entry of this level is changed (it else has P, W and U)
 * @set: bits added to it
 * @clear: bits taken away
 * @access: MMU_* bits
 * @cr0: beside what @mode needs
 * @cr4: likewise
 * @rflags: likewise
 * @pkru: as it is
 * @no_nx: EFER.NXE is 0
 * @maxphyaddr: 0 means 40
 * @error: the error code, or OK
 */
struct walk_case {
	const char *name;
	enum test_mode mode;
	int leaf;
	int level;
	u64 set, clear;
	u32 access;
	u64 cr0, cr4, rflags;
	u32 pkru;
	bool no_nx;
	u8 maxphyaddr;
	int error;
};

static const struct walk_case walk_cases[] = {
	{ "32-bit read", M32, 1, .access = RD, .error = OK },
	{ "32-bit write", M32, 1, .access = WR | USR, .error = OK },
	{ "32-bit 4M", M32, 2, .access = WR, .cr4 = PSE, .error = OK },
	{ "32-bit 4M, PSE-36", M32, 2, 2, 0xffull << 13, .access = RD, .cr4 = PSE, .error = OK },
	{ "32-bit 4M, bit 21", M32, 2, 2, BIT_ULL(21), .access = RD, .cr4 = PSE,
	  .error = EP | ER },
	{ "32-bit 4M, above 36 bits", M32, 2, 2, BIT_ULL(17), .access = WR | USR, .cr4 = PSE,
	  .maxphyaddr = 36, .error = EP | ER | EW | EU },
	{ "32-bit 4M, in 36 bits", M32, 2, 2, BIT_ULL(16), .access = RD, .cr4 = PSE,
	  .maxphyaddr = 36, .error = OK },
	{ "32-bit 4M, 32 bits", M32, 2, 2, BIT_ULL(13), .access = RD, .cr4 = PSE,
	  .maxphyaddr = 32, .error = EP | ER },
	{ "32-bit, PS without CR4.PSE", M32, 1, 2, PS, .access = RD, .error = OK },
	{ "32-bit, fetch says no I", M32, 1, 1, 0, P, .access = EX, .error = 0 },
	{ "32-bit, fetch says I with SMEP", M32, 1, 1, 0, P, .access = EX, .cr4 = SMEP,
	  .error = EI },
	{ "32-bit, SMEP", M32, 1, .access = EX, .cr4 = SMEP, .error = EP | EI },
	{ "32-bit, directory not present", M32, 1, 2, 0, P, .access = WR | USR,
	  .error = EW | EU },

	{ "PAE read", PAE, 1, .access = RD, .error = OK },
	{ "PAE write", PAE, 1, .access = WR, .error = OK },
	{ "PAE 2M", PAE, 2, .access = WR | USR, .error = OK },
	{ "PAE 2M, bit 13", PAE, 2, 2, BIT_ULL(13), .access = RD, .error = EP | ER },
	{ "PAE 2M, PAT", PAE, 2, 2, BIT_ULL(12), .access = RD, .error = OK },
	{ "PAE, PDPTE not present", PAE, 1, 3, 0, P, .access = RD, .error = 0 },
	{ "PAE, PDPTE bit 1", PAE, 1, 3, BIT_ULL(1), .access = RD, .error = EP | ER },
	{ "PAE, PDPTE marked by the CPU", PAE, 1, 3, BIT_ULL(5), .access = RD, .error = OK },
	{ "PAE, PDPTE bit 7", PAE, 1, 3, BIT_ULL(7), .access = RD, .error = EP | ER },
	{ "PAE, PDPTE bit 63", PAE, 1, 3, BIT_ULL(63), .access = RD, .error = EP | ER },
	{ "PAE, bit 52", PAE, 1, 1, BIT_ULL(52), .access = RD, .error = EP | ER },
	{ "PAE, bit 62", PAE, 1, 2, BIT_ULL(62), .access = RD, .error = EP | ER },
	{ "PAE, NX", PAE, 1, 1, NX, .access = EX, .error = EP | EI },
	{ "PAE, NX does not matter to data", PAE, 1, 1, NX, .access = RD, .error = OK },

	{ "long read", L4, 1, .access = RD, .error = OK },
	{ "long user write", L4, 1, .access = WR | USR, .error = OK },
	{ "long fetch", L4, 1, .access = EX | USR, .error = OK },
	{ "long read-write", L4, 1, .access = RD | WR, .error = OK },
	{ "long 2M", L4, 2, .access = WR, .error = OK },
	{ "long 1G", L4, 3, .access = WR, .error = OK },
	{ "long 2M, bit 20", L4, 2, 2, BIT_ULL(20), .access = RD, .error = EP | ER },
	{ "long 1G, bit 29", L4, 3, 3, BIT_ULL(29), .access = RD, .error = EP | ER },
	{ "long, PS at the top", L4, 1, 4, PS, .access = RD, .error = EP | ER },
	{ "5 levels", L5, 1, .access = WR | USR, .error = OK },
	{ "5 levels, 2M", L5, 2, .access = RD, .error = OK },
	{ "5 levels, PS at the top", L5, 1, 5, PS, .access = RD, .error = EP | ER },
	{ "5 levels, PS below the top", L5, 1, 4, PS, .access = RD, .error = EP | ER },
	{ "long, bits for software", L4, 1, 1, GENMASK_ULL(58, 52) | GENMASK_ULL(11, 9),
	  .access = RD, .error = OK },
	{ "long, above 40 bits", L4, 1, 3, BIT_ULL(40), .access = RD, .error = EP | ER },
	{ "long, 52 bits", L4, 1, 1, BIT_ULL(51), .access = RD, .maxphyaddr = 52, .error = OK },
	{ "long, above 51 bits", L4, 1, 1, BIT_ULL(51), .access = RD, .maxphyaddr = 51,
	  .error = EP | ER },

	{ "top not present", L4, 1, 4, 0, P, .access = RD, .error = 0 },
	{ "level 3 not present", L4, 1, 3, 0, P, .access = WR, .error = EW },
	{ "level 2 not present", L4, 1, 2, 0, P, .access = RD | USR, .error = EU },
	{ "leaf not present", L4, 1, 1, 0, P, .access = EX | USR, .error = EU | EI },
	{ "not present hides reserved", L4, 1, 1, BIT_ULL(45), P, .access = RD, .error = 0 },
	{ "reserved hides rights", L4, 1, 1, BIT_ULL(45), W | U, .access = WR | USR,
	  .error = EP | ER | EW | EU },

	{ "user, supervisor's page", L4, 1, 1, 0, U, .access = RD | USR, .error = EP | EU },
	{ "user, supervisor's directory", L4, 1, 3, 0, U, .access = RD | USR,
	  .error = EP | EU },
	{ "user, read-only page", L4, 1, 1, 0, W, .access = WR | USR, .error = EP | EW | EU },
	{ "user, read-only directory", L4, 1, 4, 0, W, .access = WR | USR,
	  .error = EP | EW | EU },
	{ "supervisor, read-only, WP", L4, 1, 1, 0, W, .access = WR, .cr0 = WP,
	  .error = EP | EW },
	{ "supervisor, read-only, no WP", L4, 1, 1, 0, W, .access = WR, .error = OK },
	{ "user, read-only, no WP", L4, 2, 2, 0, W, .access = WR | USR, .error = EP | EW | EU },
	{ "reading read-only", L4, 1, 1, 0, W, .access = RD | USR, .cr0 = WP, .error = OK },

	{ "NX", L4, 1, 1, NX, .access = EX, .error = EP | EI },
	{ "NX in a directory", L4, 1, 4, NX, .access = EX | USR, .error = EP | EI | EU },
	{ "NX, data", L4, 1, 1, NX, .access = WR, .error = OK },
	{ "NX without NXE is reserved", L4, 1, 1, NX, .access = RD, .no_nx = true,
	  .error = EP | ER },
	{ "fetch without NXE says no I", L4, 1, 1, 0, U, .access = EX | USR, .no_nx = true,
	  .error = EP | EU },

	{ "SMEP", L4, 1, .access = EX, .cr4 = SMEP, .error = EP | EI },
	{ "SMEP, supervisor's directory", L4, 1, 2, 0, U, .access = EX, .cr4 = SMEP,
	  .error = OK },
	{ "SMEP, user", L4, 1, .access = EX | USR, .cr4 = SMEP, .error = OK },
	{ "SMAP read", L4, 1, .access = RD, .cr4 = SMAP, .error = EP },
	{ "SMAP write", L4, 1, .access = WR, .cr4 = SMAP, .error = EP | EW },
	{ "SMAP, AC", L4, 1, .access = WR, .cr4 = SMAP, .rflags = AC, .error = OK },
	{ "SMAP, AC, implicit", L4, 1, .access = RD | IMP, .cr4 = SMAP, .rflags = AC,
	  .error = EP },
	{ "SMAP, implicit at CPL 3", L4, 1, .access = RD | IMP | USR, .cr4 = SMAP,
	  .error = EP },
	{ "SMAP, supervisor's page", L4, 1, 1, 0, U, .access = RD, .cr4 = SMAP, .error = OK },
	{ "SMAP, user", L4, 1, .access = RD | USR, .cr4 = SMAP, .error = OK },
	{ "SMAP does not matter to fetches", L4, 1, .access = EX, .cr4 = SMAP, .error = OK },
	{ "implicit at CPL 3", L4, 1, 1, 0, U, .access = RD | IMP | USR, .error = OK },

	{ "key, access denied", L4, 1, 1, PKEY(3), .access = RD | USR, .cr4 = PKE,
	  .pkru = 1 << 6, .error = EP | EU | EK },
	{ "key, of another page", L4, 1, 1, PKEY(2), .access = RD | USR, .cr4 = PKE,
	  .pkru = 1 << 6, .error = OK },
	{ "key, write denied", L4, 1, 1, PKEY(15), .access = WR | USR, .cr4 = PKE,
	  .pkru = 2u << 30, .error = EP | EU | EW | EK },
	{ "key, write denied, read", L4, 1, 1, PKEY(15), .access = RD | USR, .cr4 = PKE,
	  .pkru = 2u << 30, .error = OK },
	{ "key, supervisor's write, no WP", L4, 1, 1, PKEY(1), .access = WR, .cr4 = PKE,
	  .pkru = 8, .error = OK },
	{ "key, supervisor's write, WP", L4, 1, 1, PKEY(1), .access = WR, .cr0 = WP,
	  .cr4 = PKE, .pkru = 8, .error = EP | EW | EK },
	{ "key, supervisor's read", L4, 1, 1, PKEY(1), .access = RD, .cr4 = PKE, .pkru = 4,
	  .error = EP | EK },
	{ "key, supervisor's page", L4, 1, 1, PKEY(1), U, .access = RD, .cr4 = PKE, .pkru = 4,
	  .error = OK },
	{ "key, fetch", L4, 1, 1, PKEY(1), .access = EX | USR, .cr4 = PKE, .pkru = 4,
	  .error = OK },
	{ "key without PKE", L4, 1, 1, PKEY(1), .access = RD | USR, .pkru = 4, .error = OK },
	{ "key and rights", L4, 1, 1, PKEY(1), W, .access = WR | USR, .cr4 = PKE, .pkru = 4,
	  .error = EP | EU | EW | EK },
	{ "key of a 2M page", L4, 2, 2, PKEY(4), .access = RD | USR, .cr4 = PKE,
	  .pkru = 1 << 8, .error = EP | EU | EK },
};

static const u64 test_gva[] = {
	[M32] = 0xc2345678, [PAE] = 0xc2345678,
	[L4] = 0x00005a5a5a5a5a5aull, [L5] = 0x00aa5a5a5a5a5a5aull,
};

static const int test_top[] = { [M32] = 2, [PAE] = 3, [L4] = 4, [L5] = 5 };

static gpa_t table_gpa(int level)
{
	return 0x10000 + 0x1000 * level;
}

static unsigned int test_shift(enum test_mode mode, int level)
{
	return 12 + (mode == M32 ? 10 : 9) * (level - 1);
}

static unsigned int pte_len(const struct walk_case *c)
{
	return c->mode == M32 ? 4 : 8;
}

static gpa_t pte_gpa(const struct walk_case *c, int level)
{
	u64 index = test_gva[c->mode] >> test_shift(c->mode, level);

	return table_gpa(level) + index % (c->mode == M32 ? 1024 : 512) * pte_len(c);
}

static u64 case_pte(const struct walk_case *c, int level)
{
	u64 pte = P | W | U;

	if (c->mode == PAE && level == 3)
		pte = P;
	if (level == c->leaf)
		pte |= 0x40000000 | (level > 1 ? PS : 0);
	else
		pte |= table_gpa(level - 1);
	return level == c->level ? (pte & ~c->clear) | c->set : pte;
}

static gpa_t case_gpa(const struct walk_case *c)
{
	u64 inside = BIT_ULL(test_shift(c->mode, c->leaf)) - 1;
	u64 pte = case_pte(c, c->leaf);
	gpa_t base = pte & GENMASK_ULL(51, 12) & ~inside;

	if (c->mode == M32 && c->leaf == 2)
		base = (pte & 0xffc00000) | (pte >> 13 & 0xff) << 32;
	return base | (test_gva[c->mode] & inside);
}

static void case_build(struct kunit *test, struct test_mmu *t, const struct walk_case *c)
{
	int level;

	for (level = c->leaf; level <= test_top[c->mode]; level++) {
		u64 pte = case_pte(c, level);

		KUNIT_ASSERT_EQ(test, test_write(t, pte_gpa(c, level), &pte, pte_len(c)), 0);
	}
}

static void case_mode(const struct walk_case *c, struct paging_mode *m)
{
	*m = (struct paging_mode) {
		.cr0 = X86_CR0_PE | X86_CR0_PG | c->cr0,
		/* PCID or PCD in the low bits, nothing of which is address. */
		.cr3 = table_gpa(test_top[c->mode]) | (c->mode == PAE ? 0 : 0x18),
		.cr4 = c->cr4 | (c->mode != M32 ? X86_CR4_PAE : 0) |
		       (c->mode == L5 ? X86_CR4_LA57 : 0),
		.efer = (c->no_nx ? 0 : EFER_NX) |
			(c->mode >= L4 ? EFER_LME | EFER_LMA : 0),
		.rflags = c->rflags | X86_EFLAGS_FIXED,
		.pkru = c->pkru,
		.maxphyaddr = c->maxphyaddr ?: 40,
	};
}

static u64 expected_pte(const struct walk_case *c, int level)
{
	u64 pte = case_pte(c, level);

	if (c->error != OK || (c->mode == PAE && level == 3))
		return pte;
	return pte | A | (level == c->leaf && (c->access & WR) ? D : 0);
}

static void case_check_ptes(struct kunit *test, struct test_mmu *t, const struct walk_case *c)
{
	int level;

	for (level = c->leaf; level <= test_top[c->mode]; level++) {
		u64 pte = 0;

		KUNIT_ASSERT_EQ(test, test_read(t, pte_gpa(c, level), &pte, pte_len(c)), 0);
		KUNIT_EXPECT_EQ_MSG(test, pte, expected_pte(c, level), "%s: level %d",
				    c->name, level);
	}
}

static int walk_at(struct test_mmu *t, const struct paging_mode *m, gva_t gva, u32 access,
		   gpa_t *gpa, struct walk_fault *fault)
{
	int idx = srcu_read_lock(&t->mmu.srcu);
	int err = mmu_walk(&t->mmu, m, gva, access, gpa, fault);

	srcu_read_unlock(&t->mmu.srcu, idx);
	return err;
}

static void case_run(struct kunit *test, struct test_mmu *t, const struct walk_case *c)
{
	struct walk_fault fault = { 0 };
	struct paging_mode m;
	gpa_t gpa = 0;
	int err;

	case_build(test, t, c);
	case_mode(c, &m);
	err = walk_at(t, &m, test_gva[c->mode], c->access, &gpa, &fault);
	if (c->error == OK) {
		KUNIT_EXPECT_EQ_MSG(test, err, 0, "%s", c->name);
		KUNIT_EXPECT_EQ_MSG(test, gpa, case_gpa(c), "%s", c->name);
	} else {
		KUNIT_EXPECT_EQ_MSG(test, err, -EFAULT, "%s", c->name);
		KUNIT_EXPECT_TRUE_MSG(test, fault.valid, "%s", c->name);
		KUNIT_EXPECT_EQ_MSG(test, fault.error, c->error, "%s", c->name);
		KUNIT_EXPECT_EQ_MSG(test, fault.gva, test_gva[c->mode], "%s", c->name);
	}
	case_check_ptes(test, t, c);
}

static void walks_gmem(struct kunit *test)
{
	struct test_mmu *t = test_mmu_new(test);
	int fd = test_gmem_new(test, SZ_128K);
	int i;

	KUNIT_ASSERT_EQ(test, test_set_gmem(t, 0, 0, SZ_128K, fd, 0), 0);
	for (i = 0; i < ARRAY_SIZE(walk_cases); i++)
		case_run(test, t, &walk_cases[i]);
}

static void walks_user(struct kunit *test)
{
	unsigned long hva = test_mmap(test, SZ_128K, PROT_READ | PROT_WRITE);
	struct test_mmu *t = test_mmu_new(test);
	int i;

	KUNIT_ASSERT_EQ(test, test_set_user(t, 0, 0, SZ_128K, hva, 0), 0);
	for (i = 0; i < ARRAY_SIZE(walk_cases); i++)
		case_run(test, t, &walk_cases[i]);
}

static void no_paging(struct kunit *test)
{
	struct test_mmu *t = test_mmu_new(test);
	struct paging_mode m = { .cr0 = X86_CR0_PE, .maxphyaddr = 40 };
	struct walk_fault fault = { 0 };
	gpa_t gpa = 0;

	KUNIT_EXPECT_EQ(test, walk_at(t, &m, 0xfffffff0, WR, &gpa, &fault), 0);
	KUNIT_EXPECT_EQ(test, gpa, 0xfffffff0);
	KUNIT_EXPECT_FALSE(test, fault.valid);
}

/* Tables where there is no memory, and tables that cannot be written. */
static void odd_places(struct kunit *test)
{
	static const struct walk_case c = { "odd", L4, 1, .access = WR, .error = EW };
	struct test_mmu *t = test_mmu_new(test);
	int fd = test_gmem_new(test, SZ_128K);
	struct ditto_gmem_region ro = {
		.flags = KVM_MEM_READONLY, .memory_size = SZ_128K, .gmem_fd = fd,
	};
	struct walk_fault fault = { 0 };
	struct paging_mode m;
	gpa_t gpa = 0;
	u64 pte = 0;

	case_mode(&c, &m);
	KUNIT_EXPECT_EQ(test, walk_at(t, &m, test_gva[L4], WR, &gpa, &fault), -EFAULT);
	KUNIT_EXPECT_EQ(test, fault.error, EW);

	KUNIT_ASSERT_EQ(test, test_set_gmem(t, 0, 0, SZ_128K, fd, 0), 0);
	case_build(test, t, &c);
	KUNIT_ASSERT_EQ(test, test_set_gmem(t, 0, 0, 0, -1, 0), 0);
	KUNIT_ASSERT_EQ(test, mmu_set_gmem_region(&t->mmu, &ro), 0);
	KUNIT_EXPECT_EQ(test, walk_at(t, &m, test_gva[L4], WR, &gpa, &fault), 0);
	KUNIT_EXPECT_EQ(test, gpa, case_gpa(&c));
	KUNIT_ASSERT_EQ(test, test_read(t, pte_gpa(&c, 1), &pte, 8), 0);
	KUNIT_EXPECT_EQ(test, pte, case_pte(&c, 1));
}

/* Where in the gmem the page is that the walk leads to. */
#define MEMO_PAGE	31

/**
 * struct memo_test - a walk that is remembered
 * @t: whose memory
 * @c: what it goes through
 * @m: in which mode
 * @memo: the memory
 */
struct memo_test {
	struct test_mmu *t;
	struct walk_case c;
	struct paging_mode m;
	struct walk_memo memo;
};

static bool memo_helps(struct memo_test *s, u32 access, u8 *byte)
{
	int idx = srcu_read_lock(&s->t->mmu.srcu);
	bool ok = memo_read(&s->t->mmu, &s->memo, &s->m, test_gva[L4], access, byte, 1);

	srcu_read_unlock(&s->t->mmu.srcu, idx);
	return ok;
}

/* Twice: the first walk sets accessed and dirty bits, so its entries are old at once. */
static void memo_make(struct kunit *test, struct memo_test *s, u32 access)
{
	struct walk_fault fault = { 0 };
	int i, idx = srcu_read_lock(&s->t->mmu.srcu);
	gpa_t gpa = 0;

	for (i = 0; i < 2; i++) {
		KUNIT_EXPECT_EQ(test, mmu_walk_memo(&s->t->mmu, &s->memo, &s->m, test_gva[L4],
						    access, &gpa, &fault), 0);
		KUNIT_EXPECT_EQ(test, gpa, case_gpa(&s->c));
	}
	srcu_read_unlock(&s->t->mmu.srcu, idx);
}

static struct memo_test *memo_new(struct kunit *test, int fd)
{
	struct memo_test *s = kunit_kzalloc(test, sizeof(*s), GFP_KERNEL);
	u8 byte = 0x5a;

	KUNIT_ASSERT_NOT_NULL(test, s);
	s->c = (struct walk_case){ "memo", L4, 1, .access = RD, .error = OK };
	s->t = test_mmu_new(test);
	KUNIT_ASSERT_EQ(test, test_set_gmem(s->t, 0, 0, SZ_64K + SZ_32K, fd, 0), 0);
	KUNIT_ASSERT_EQ(test, test_set_gmem(s->t, 1, case_gpa(&s->c) & PAGE_MASK, PAGE_SIZE, fd,
					    MEMO_PAGE * PAGE_SIZE), 0);
	case_build(test, s->t, &s->c);
	case_mode(&s->c, &s->m);
	KUNIT_ASSERT_EQ(test, test_write(s->t, case_gpa(&s->c), &byte, 1), 0);
	return s;
}

/* Every reason for which a remembered walk may not be believed, one at a time. */
static void memo_doubts(struct kunit *test)
{
	struct memo_test *s = memo_new(test, test_gmem_new(test, SZ_128K));
	u64 pte, changed;
	u8 byte = 0;
	int level;

	KUNIT_EXPECT_FALSE(test, memo_helps(s, RD, &byte));
	memo_make(test, s, RD);
	KUNIT_EXPECT_TRUE(test, memo_helps(s, RD, &byte));
	KUNIT_EXPECT_EQ(test, byte, 0x5a);

	KUNIT_EXPECT_FALSE(test, memo_helps(s, WR, &byte));
	KUNIT_EXPECT_FALSE(test, memo_helps(s, RD | USR, &byte));
	s->m.cr3 ^= 0x1000;
	KUNIT_EXPECT_FALSE(test, memo_helps(s, RD, &byte));
	s->m.cr3 ^= 0x1000;
	s->m.cr4 ^= SMAP;
	KUNIT_EXPECT_FALSE(test, memo_helps(s, RD, &byte));
	s->m.cr4 ^= SMAP;
	s->m.rflags ^= AC;
	KUNIT_EXPECT_FALSE(test, memo_helps(s, RD, &byte));
	s->m.rflags ^= AC;
	KUNIT_EXPECT_TRUE(test, memo_helps(s, RD, &byte));

	for (level = 1; level <= 4; level++) {
		KUNIT_ASSERT_EQ(test, test_read(s->t, pte_gpa(&s->c, level), &pte, 8), 0);
		changed = pte & ~P;
		KUNIT_ASSERT_EQ(test, test_write(s->t, pte_gpa(&s->c, level), &changed, 8), 0);
		KUNIT_EXPECT_FALSE_MSG(test, memo_helps(s, RD, &byte), "level %d", level);
		KUNIT_ASSERT_EQ(test, test_write(s->t, pte_gpa(&s->c, level), &pte, 8), 0);
		KUNIT_EXPECT_TRUE_MSG(test, memo_helps(s, RD, &byte), "level %d", level);
	}
}

/* The page or a table moves in the host: the old bytes are not read again. */
static void memo_moves(struct kunit *test)
{
	int fd = test_gmem_new(test, SZ_128K);
	struct memo_test *s = memo_new(test, fd);
	struct gmem *g = gmem_get_fd(fd);
	u8 byte = 0;

	memo_make(test, s, RD);
	KUNIT_EXPECT_TRUE(test, memo_helps(s, RD, &byte));
	KUNIT_EXPECT_EQ(test, gmem_punch(g, MEMO_PAGE, MEMO_PAGE + 1), 0);
	KUNIT_EXPECT_FALSE(test, memo_helps(s, RD, &byte));
	gmem_put(g);

	memo_make(test, s, RD);
	KUNIT_EXPECT_FALSE(test, memo_helps(s, RD, &byte));	/* empty: nowhere to read */
	byte = 0xa5;
	KUNIT_ASSERT_EQ(test, test_write(s->t, case_gpa(&s->c), &byte, 1), 0);
	memo_make(test, s, WR);
	KUNIT_EXPECT_TRUE(test, memo_helps(s, WR, &byte));
	KUNIT_EXPECT_EQ(test, byte, 0xa5);

	KUNIT_ASSERT_EQ(test, test_set_gmem(s->t, 0, 0, 0, -1, 0), 0);
	KUNIT_EXPECT_FALSE(test, memo_helps(s, WR, &byte));
}

/* What has no address in the host is walked each time. */
static void memo_of_user_memory(struct kunit *test)
{
	unsigned long hva = test_mmap(test, SZ_128K, PROT_READ | PROT_WRITE);
	struct memo_test *s = kunit_kzalloc(test, sizeof(*s), GFP_KERNEL);
	u8 byte;

	KUNIT_ASSERT_NOT_NULL(test, s);
	s->c = (struct walk_case){ "memo", L4, 1, .access = RD, .error = OK };
	s->t = test_mmu_new(test);
	KUNIT_ASSERT_EQ(test, test_set_user(s->t, 0, 0, SZ_128K, hva, 0), 0);
	case_build(test, s->t, &s->c);
	case_mode(&s->c, &s->m);
	memo_make(test, s, RD);
	KUNIT_EXPECT_FALSE(test, memo_helps(s, RD, &byte));
	KUNIT_EXPECT_EQ(test, s->memo.nr, 0);
}

static struct kunit_case walk_kunit_cases[] = {
	KUNIT_CASE(walks_gmem),
	KUNIT_CASE(walks_user),
	KUNIT_CASE(no_paging),
	KUNIT_CASE(odd_places),
	KUNIT_CASE(memo_doubts),
	KUNIT_CASE(memo_moves),
	KUNIT_CASE(memo_of_user_memory),
	{}
};

static struct kunit_suite walk_suite = {
	.name = "ditto_mmu_walk",
	.test_cases = walk_kunit_cases,
};
kunit_test_suite(walk_suite);
