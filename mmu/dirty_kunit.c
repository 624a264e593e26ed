// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit: the dirty log. What the guest may write without being noticed, what a harvest
 * takes, and that every way of the kernel into guest memory is logged.
 */
#include <linux/hugetlb.h>
#include <linux/mman.h>
#include <linux/uaccess.h>

#include "gmem/killed.h"
#include "mmu/dirty.h"
#include "mmu/guest.h"
#include "mmu/kunit.h"
#include "mmu/ring.h"

#define NPAGES		200ull
#define NWORDS		4	/* of a bitmap */
#define BASE		0x40000000ull
#define BASE_GFN	(BASE >> PAGE_SHIFT)

/**
 * struct log_test - a logged slot under test
 * @t: its address space
 * @fd: of the gmem behind it, or -1
 * @gmem: the same
 * @hva: of the process's memory behind it, or 0
 * @bitmap: user memory for harvests
 */
struct log_test {
	struct test_mmu *t;
	int fd;
	struct gmem *gmem;
	unsigned long hva;
	unsigned long bitmap;
};

static int log_set(struct log_test *l, u32 flags, u64 gpa)
{
	struct ditto_gmem_region r = {
		.flags = flags, .guest_phys_addr = gpa, .memory_size = NPAGES * PAGE_SIZE,
		.gmem_fd = l->fd,
	};

	if (l->hva)
		return test_set_user(l->t, 0, gpa, NPAGES * PAGE_SIZE, l->hva, flags);
	return mmu_set_gmem_region(&l->t->mmu, &r);
}

static void log_put(void *gmem)
{
	gmem_put(gmem);
}

static struct log_test log_of_gmem(struct kunit *test, u32 flags)
{
	struct log_test l = {
		.t = test_mmu_new(test), .fd = test_gmem_new(test, NPAGES * PAGE_SIZE),
	};

	l.gmem = gmem_get_fd(l.fd);
	KUNIT_ASSERT_FALSE(test, IS_ERR(l.gmem));
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, log_put, l.gmem), 0);
	l.bitmap = test_mmap(test, PAGE_SIZE, PROT_READ | PROT_WRITE);
	KUNIT_ASSERT_EQ(test, log_set(&l, flags, BASE), 0);
	return l;
}

static struct log_test log_of_user(struct kunit *test, u32 flags)
{
	struct log_test l = { .t = test_mmu_new(test), .fd = -1 };

	l.hva = test_mmap(test, NPAGES * PAGE_SIZE, PROT_READ | PROT_WRITE);
	l.bitmap = test_mmap(test, PAGE_SIZE, PROT_READ | PROT_WRITE);
	KUNIT_ASSERT_EQ(test, log_set(&l, flags, BASE), 0);
	return l;
}

static int log_get(struct log_test *l, unsigned long to)
{
	struct kvm_dirty_log args = { .padding2 = to };

	return mmu_get_dirty_log(&l->t->mmu, &args);
}

static bool log_has(struct log_test *l, u64 n)
{
	return test_bit(n, ((struct memslot *)xa_load(&l->t->mmu.slots_by_id, 0))->log->bits);
}

/* A harvest has exactly the pages [first, end). */
static void log_expect(struct kunit *test, struct log_test *l, u64 first, u64 end)
{
	unsigned long bits[NWORDS] = { };
	u64 n;

	KUNIT_ASSERT_EQ(test, log_get(l, l->bitmap), 0);
	KUNIT_ASSERT_EQ(test, copy_from_user(bits, (void __user *)l->bitmap, sizeof(bits)), 0);
	for (n = 0; n < 64 * NWORDS; n++)
		KUNIT_EXPECT_EQ_MSG(test, test_bit(n, bits), n >= first && n < end, "page %llu", n);
	KUNIT_EXPECT_EQ(test, test_check(test, l->t), 0);
}

static gpa_t page_gpa(u64 n)
{
	return BASE + n * PAGE_SIZE;
}

static u64 page_spte(struct log_test *l, u64 n)
{
	return test_spte(l->t, BASE_GFN + n);
}

static int flushes(struct log_test *l)
{
	return atomic_xchg(&l->t->flushes, 0);
}

/* Mapped so that the guest's next write faults, and that costs nothing more. */
static bool guarded(struct log_test *l, u64 n)
{
	return (page_spte(l, n) & (TEST_WRITABLE | TDP_LOG_GUARD)) == TDP_LOG_GUARD;
}

static bool writable(struct log_test *l, u64 n)
{
	return (page_spte(l, n) & (TEST_WRITABLE | TDP_LOG_GUARD)) == TEST_WRITABLE;
}

static void first_writes(struct kunit *test, struct log_test *l)
{
	u64 n;

	for (n = 60; n < 70; n++)
		KUNIT_EXPECT_EQ(test, test_fault(l->t, page_gpa(n), MMU_WRITE), 0);
	for (n = 60; n < 70; n++)
		KUNIT_EXPECT_TRUE(test, writable(l, n));
	KUNIT_EXPECT_FALSE(test, writable(l, 70));
	flushes(l);
	log_expect(test, l, 60, 70);
	KUNIT_EXPECT_EQ(test, flushes(l), 1);
	for (n = 60; n < 70; n++)
		KUNIT_EXPECT_TRUE(test, guarded(l, n));
	/* A clean slot's harvest looks at nothing. */
	log_expect(test, l, 0, 0);
	KUNIT_EXPECT_EQ(test, flushes(l), 0);
	KUNIT_EXPECT_EQ(test, test_fault(l->t, page_gpa(63), MMU_READ), 0);
	KUNIT_EXPECT_TRUE(test, guarded(l, 63));
	KUNIT_EXPECT_EQ(test, test_fault(l->t, page_gpa(64), MMU_WRITE), 0);
	KUNIT_EXPECT_TRUE(test, writable(l, 64));
	KUNIT_EXPECT_TRUE(test, guarded(l, 65));
	KUNIT_EXPECT_EQ(test, flushes(l), 0);
	log_expect(test, l, 64, 65);
	/* The last page has no neighbours in its word. */
	KUNIT_EXPECT_EQ(test, test_fault(l->t, page_gpa(NPAGES - 1), MMU_WRITE), 0);
	log_expect(test, l, NPAGES - 1, NPAGES);
}

static void guest_gmem(struct kunit *test)
{
	struct log_test l = log_of_gmem(test, KVM_MEM_LOG_DIRTY_PAGES);

	first_writes(test, &l);
}

static void guest_user(struct kunit *test)
{
	struct log_test l = log_of_user(test, KVM_MEM_LOG_DIRTY_PAGES);

	first_writes(test, &l);
}

/* Without hardware dirty bits gmem's own harvest takes permissions, too. */
static void guest_without_dirty(struct kunit *test)
{
	struct log_test l = log_of_gmem(test, 0);

	l.t->format.dirty = 0;
	KUNIT_ASSERT_EQ(test, log_set(&l, KVM_MEM_LOG_DIRTY_PAGES, BASE), 0);
	first_writes(test, &l);
}

/* A read of a page that could be written maps it guarded; so do neighbours of a fault. */
static void reads_are_guarded(struct kunit *test)
{
	struct log_test l = log_of_gmem(test, KVM_MEM_LOG_DIRTY_PAGES);
	u64 n;

	for (n = 0; n < 8; n++)
		KUNIT_EXPECT_EQ(test, gmem_write(l.gmem, n * PAGE_SIZE, "x", 1), 0);
	KUNIT_EXPECT_EQ(test, test_fault(l.t, page_gpa(0), MMU_READ), 0);
	KUNIT_EXPECT_EQ(test, test_fault(l.t, page_gpa(1), MMU_READ), 0);
	for (n = 0; n < 3; n++)
		KUNIT_EXPECT_TRUE(test, guarded(&l, n));
	log_expect(test, &l, 0, 0);
	/* Whose bit is set may be mapped writable at once. */
	KUNIT_EXPECT_EQ(test, test_write(l.t, page_gpa(6), "y", 1), 0);
	KUNIT_EXPECT_EQ(test, test_fault(l.t, page_gpa(6), MMU_READ), 0);
	KUNIT_EXPECT_TRUE(test, writable(&l, 6));
	log_expect(test, &l, 6, 7);
	KUNIT_EXPECT_TRUE(test, guarded(&l, 6));
}

/* A page that may no longer be written is not guarded, but read-only. */
static void guard_goes_with_right(struct kunit *test)
{
	struct log_test l = log_of_gmem(test, KVM_MEM_LOG_DIRTY_PAGES);
	struct memslot *slot = xa_load(&l.t->mmu.slots_by_id, 0);

	KUNIT_EXPECT_EQ(test, test_fault(l.t, page_gpa(5), MMU_WRITE), 0);
	log_expect(test, &l, 5, 6);
	KUNIT_EXPECT_TRUE(test, guarded(&l, 5));
	flushes(&l);
	slot->binding.ops->wrprotect(&slot->binding, 0, NPAGES);
	KUNIT_EXPECT_EQ(test, flushes(&l), 0);
	KUNIT_EXPECT_NE(test, page_spte(&l, 5), 0);
	KUNIT_EXPECT_FALSE(test, guarded(&l, 5) || writable(&l, 5));
	KUNIT_EXPECT_EQ(test, test_fault(l.t, page_gpa(5), MMU_WRITE), 0);
	KUNIT_EXPECT_TRUE(test, writable(&l, 5));
	log_expect(test, &l, 5, 6);
	KUNIT_EXPECT_EQ(test, gmem_punch(l.gmem, 5, 6), 0);
	KUNIT_EXPECT_EQ(test, page_spte(&l, 5), 0);
	KUNIT_EXPECT_EQ(test, test_fault(l.t, page_gpa(5), MMU_READ), 0);
	KUNIT_EXPECT_FALSE(test, guarded(&l, 5) || writable(&l, 5));
	log_expect(test, &l, 0, 0);
}

static int log_cmpxchg(struct log_test *l, gpa_t gpa, u64 old, u64 new, unsigned int len)
{
	u64 o[2] = { old }, n[2] = { new };
	int idx = srcu_read_lock(&l->t->mmu.srcu);
	int err = guest_cmpxchg(&l->t->mmu, gpa, o, n, len);

	srcu_read_unlock(&l->t->mmu.srcu, idx);
	return err;
}

/* Whatever the kernel writes, in whichever way; what it does not, is not logged. */
static void kernel_writes(struct kunit *test, struct log_test *l)
{
	u64 v = 0;

	KUNIT_EXPECT_EQ(test, test_read(l->t, page_gpa(1), &v, 8), 0);
	log_expect(test, l, 0, 0);
	KUNIT_EXPECT_EQ(test, test_write(l->t, page_gpa(1), "12345678", 8), 0);
	log_expect(test, l, 1, 2);
	/* Across pages. */
	KUNIT_EXPECT_EQ(test, test_write(l->t, page_gpa(64) - 3, "1234567", 7), 0);
	log_expect(test, l, 63, 65);
	KUNIT_EXPECT_EQ(test, log_cmpxchg(l, page_gpa(7), 0, 5, 8), 0);
	log_expect(test, l, 7, 8);
	KUNIT_EXPECT_EQ(test, log_cmpxchg(l, page_gpa(7), 0, 6, 4), 0);
	log_expect(test, l, 0, 0);
	KUNIT_EXPECT_EQ(test, log_cmpxchg(l, page_gpa(9) - 2, 0, 7, 4), 0);
	log_expect(test, l, 8, 10);
	if (boot_cpu_has(X86_FEATURE_CX16)) {
		KUNIT_EXPECT_EQ(test, log_cmpxchg(l, page_gpa(NPAGES - 1), 0, 5, 16), 0);
		log_expect(test, l, NPAGES - 1, NPAGES);
	}
}

static void kernel_gmem(struct kunit *test)
{
	struct log_test l = log_of_gmem(test, KVM_MEM_LOG_DIRTY_PAGES);

	kernel_writes(test, &l);
}

static void kernel_user(struct kunit *test)
{
	struct log_test l = log_of_user(test, KVM_MEM_LOG_DIRTY_PAGES);

	kernel_writes(test, &l);
}

/* Mappings of before are guarded when logging begins, and stay good when it ends. */
static void begin_and_end(struct kunit *test)
{
	struct log_test l = log_of_gmem(test, 0);

	KUNIT_EXPECT_FALSE(test, l.t->mmu.ever_logged);
	KUNIT_EXPECT_EQ(test, test_fault(l.t, page_gpa(3), MMU_WRITE), 0);
	KUNIT_EXPECT_EQ(test, test_fault(l.t, page_gpa(9), MMU_READ), 0);
	KUNIT_EXPECT_EQ(test, log_get(&l, l.bitmap), -ENOENT);
	flushes(&l);
	KUNIT_EXPECT_EQ(test, log_set(&l, KVM_MEM_LOG_DIRTY_PAGES, BASE), 0);
	KUNIT_EXPECT_EQ(test, flushes(&l), 1);
	KUNIT_EXPECT_TRUE(test, guarded(&l, 3));
	KUNIT_EXPECT_NE(test, page_spte(&l, 9), 0);
	log_expect(test, &l, 0, 0);
	KUNIT_EXPECT_EQ(test, log_set(&l, 0, BASE), 0);
	KUNIT_EXPECT_EQ(test, log_get(&l, l.bitmap), -ENOENT);
	KUNIT_EXPECT_TRUE(test, guarded(&l, 3));
	KUNIT_EXPECT_EQ(test, test_fault(l.t, page_gpa(3), MMU_WRITE), 0);
	KUNIT_EXPECT_TRUE(test, writable(&l, 3));
	KUNIT_EXPECT_EQ(test, flushes(&l), 0);
	KUNIT_EXPECT_EQ(test, test_check(test, l.t), 0);
}

static int start_call(void *l)
{
	return log_set(l, KVM_MEM_LOG_DIRTY_PAGES, BASE);
}

static int harvest_call(void *l)
{
	return log_get(l, 0);
}

/* There is no log, or nothing is taken from it, when who asked is killed. */
static void log_killed(struct kunit *test)
{
	struct log_test l = log_of_gmem(test, 0);

	KUNIT_EXPECT_EQ(test, test_fault(l.t, page_gpa(3), MMU_WRITE), 0);
	KUNIT_EXPECT_EQ(test, killed_call(test, start_call, &l), -EINTR);
	KUNIT_EXPECT_EQ(test, log_get(&l, l.bitmap), -ENOENT);
	KUNIT_EXPECT_EQ(test, log_set(&l, KVM_MEM_LOG_DIRTY_PAGES, BASE), 0);
	KUNIT_EXPECT_EQ(test, test_fault(l.t, page_gpa(3), MMU_WRITE), 0);
	KUNIT_EXPECT_EQ(test, test_fault(l.t, page_gpa(NPAGES - 1), MMU_WRITE), 0);
	KUNIT_EXPECT_EQ(test, killed_call(test, harvest_call, &l), -EINTR);
	KUNIT_EXPECT_TRUE(test, log_has(&l, 3));
	KUNIT_EXPECT_TRUE(test, log_has(&l, NPAGES - 1));
	KUNIT_EXPECT_EQ(test, log_get(&l, l.bitmap), 0);
	KUNIT_EXPECT_FALSE(test, log_has(&l, 3));
	KUNIT_EXPECT_EQ(test, test_check(test, l.t), 0);
}

/* What is dirty stays so when the slot moves. */
static void moved(struct kunit *test)
{
	struct log_test l = log_of_gmem(test, KVM_MEM_LOG_DIRTY_PAGES);

	KUNIT_EXPECT_EQ(test, test_fault(l.t, page_gpa(3), MMU_WRITE), 0);
	KUNIT_EXPECT_EQ(test, log_set(&l, KVM_MEM_LOG_DIRTY_PAGES, 2 * BASE), 0);
	KUNIT_EXPECT_TRUE(test, log_has(&l, 3));
	KUNIT_EXPECT_EQ(test, test_fault(l.t, BASE + page_gpa(4), MMU_WRITE), 0);
	log_expect(test, &l, 3, 5);
	KUNIT_EXPECT_EQ(test, log_set(&l, 0, BASE), 0);
	KUNIT_EXPECT_EQ(test, log_set(&l, KVM_MEM_LOG_DIRTY_PAGES, 2 * BASE), 0);
	log_expect(test, &l, 0, 0);
}

/* Who did not get the bits finds them the next time, and their pages guarded. */
static void nowhere(struct kunit *test)
{
	struct log_test l = log_of_gmem(test, KVM_MEM_LOG_DIRTY_PAGES);

	KUNIT_EXPECT_EQ(test, test_fault(l.t, page_gpa(3), MMU_WRITE), 0);
	KUNIT_EXPECT_EQ(test, log_get(&l, 8), -EFAULT);
	KUNIT_EXPECT_TRUE(test, log_has(&l, 3));
	KUNIT_EXPECT_EQ(test, log_get(&l, BIT_ULL(63)), -EFAULT);
	KUNIT_EXPECT_EQ(test, test_check(test, l.t), 0);
	log_expect(test, &l, 3, 4);
	KUNIT_EXPECT_EQ(test, log_get(&l, 8), -EFAULT);
	log_expect(test, &l, 0, 0);
}

static int log_clear(struct log_test *l, u64 first, u32 pages, u64 to)
{
	struct kvm_clear_dirty_log args = {
		.first_page = first, .num_pages = pages, .padding2 = to,
	};

	return mmu_clear_dirty_log(&l->t->mmu, &args);
}

/* Nothing is taken but what the VMM clears; a flush for what that takes away, and no other. */
static void manual_clear(struct kunit *test)
{
	struct log_test l = log_of_gmem(test, KVM_MEM_LOG_DIRTY_PAGES);
	u64 bits[NWORDS] = { BIT_ULL(3), 0, 0, ~0ull };
	u64 n;

	KUNIT_EXPECT_EQ(test, mmu_set_log_manual(&l.t->mmu, 4), -EINVAL);
	KUNIT_EXPECT_EQ(test, mmu_set_log_manual(&l.t->mmu, 2), -EINVAL);
	KUNIT_ASSERT_EQ(test, mmu_set_log_manual(&l.t->mmu, 1), 0);
	for (n = 3; n < 6; n++)
		KUNIT_EXPECT_EQ(test, test_fault(l.t, page_gpa(n), MMU_WRITE), 0);
	flushes(&l);
	log_expect(test, &l, 3, 6);
	log_expect(test, &l, 3, 6);
	KUNIT_EXPECT_EQ(test, flushes(&l), 0);
	KUNIT_EXPECT_TRUE(test, writable(&l, 3));
	KUNIT_ASSERT_EQ(test, copy_to_user((void __user *)l.bitmap, bits, sizeof(bits)), 0);
	KUNIT_EXPECT_EQ(test, log_clear(&l, 64, 128, l.bitmap), 0);
	KUNIT_EXPECT_EQ(test, flushes(&l), 0);
	KUNIT_EXPECT_EQ(test, log_clear(&l, 0, NPAGES, l.bitmap), 0);
	KUNIT_EXPECT_EQ(test, flushes(&l), 1);
	KUNIT_EXPECT_TRUE(test, guarded(&l, 3));
	KUNIT_EXPECT_TRUE(test, writable(&l, 4));
	log_expect(test, &l, 4, 6);
	KUNIT_EXPECT_EQ(test, log_clear(&l, 0, 64, 8), -EFAULT);
	KUNIT_EXPECT_EQ(test, log_clear(&l, 0, NPAGES - 1, l.bitmap), -EINVAL);
	KUNIT_EXPECT_EQ(test, log_clear(&l, 256, 0, l.bitmap), -EINVAL);
	KUNIT_EXPECT_EQ(test, log_clear(&l, -64ull, 64, l.bitmap), -EINVAL);
	log_expect(test, &l, 4, 6);
}

/* No leaf is touched when all pages count as dirty from the beginning. */
static void initially_set(struct kunit *test)
{
	struct log_test l = log_of_gmem(test, 0);

	KUNIT_ASSERT_EQ(test, mmu_set_log_manual(&l.t->mmu, 3), 0);
	KUNIT_EXPECT_EQ(test, test_fault(l.t, page_gpa(3), MMU_WRITE), 0);
	flushes(&l);
	KUNIT_EXPECT_EQ(test, log_set(&l, KVM_MEM_LOG_DIRTY_PAGES, BASE), 0);
	KUNIT_EXPECT_EQ(test, flushes(&l), 0);
	KUNIT_EXPECT_TRUE(test, writable(&l, 3));
	log_expect(test, &l, 0, NPAGES);
	KUNIT_EXPECT_EQ(test, log_clear(&l, 0, NPAGES, l.bitmap), 0);
	KUNIT_EXPECT_EQ(test, flushes(&l), 1);
	KUNIT_EXPECT_TRUE(test, guarded(&l, 3));
	log_expect(test, &l, 0, 0);
}

/* The checker sees a page that the guest could write behind the log's back. */
static void planted(struct kunit *test)
{
	struct log_test l = log_of_gmem(test, KVM_MEM_LOG_DIRTY_PAGES);
	struct memslot *slot = xa_load(&l.t->mmu.slots_by_id, 0);

	KUNIT_EXPECT_EQ(test, test_fault(l.t, page_gpa(3), MMU_WRITE), 0);
	KUNIT_EXPECT_EQ(test, test_check(test, l.t), 0);
	clear_bit(3, slot->log->bits);
	KUNIT_EXPECT_EQ(test, test_check(test, l.t), 1);
	set_bit(3, slot->log->bits);
	KUNIT_EXPECT_EQ(test, test_check(test, l.t), 0);
}

/* The CPU logs: what the guest wrote through a leaf that may be written. */
static bool make_dirty(struct mmu *mmu, u64 *sptep, gfn_t gfn, int level, void *arg)
{
	*sptep |= TEST_DIRTY;
	return true;
}

static void cpu_writes(struct log_test *l, u64 n)
{
	struct mmu *mmu = &l->t->mmu;
	u64 gpa = page_gpa(n) + 0x123;
	int idx = srcu_read_lock(&mmu->srcu);

	read_lock(&mmu->lock);
	tdp_for_each_leaf(mmu, BASE_GFN + n, BASE_GFN + n + 1, make_dirty, NULL);
	read_unlock(&mmu->lock);
	mmu_note_written(mmu, &gpa, 1);
	srcu_read_unlock(&mmu->srcu, idx);
}

/* Mapped so that the guest may write, and the CPU says so. */
static bool clean(struct log_test *l, u64 n)
{
	return (page_spte(l, n) & (TEST_WRITABLE | TEST_DIRTY | TDP_LOG_GUARD)) == TEST_WRITABLE;
}

static struct log_test log_by_cpu(struct kunit *test, bool gmem)
{
	struct log_test l = gmem ? log_of_gmem(test, 0) : log_of_user(test, 0);

	l.t->format.logged = true;
	return l;
}

/* How many pages merging finds written since it looked last. */
static unsigned int merge_harvest(struct log_test *l)
{
	struct memslot *slot = xa_load(&l->t->mmu.slots_by_id, 0);
	DECLARE_BITMAP(bits, NPAGES) = { };

	slot->binding.ops->harvest(&slot->binding, 0, NPAGES, bits);
	return bitmap_weight(bits, NPAGES);
}

static void by_cpu(struct kunit *test, struct log_test *l)
{
	u64 n;

	KUNIT_EXPECT_EQ(test, test_fault(l->t, page_gpa(2), MMU_WRITE), 0);
	KUNIT_EXPECT_TRUE(test, page_spte(l, 2) & TEST_DIRTY);
	flushes(l);
	KUNIT_ASSERT_EQ(test, log_set(l, KVM_MEM_LOG_DIRTY_PAGES, BASE), 0);
	KUNIT_EXPECT_EQ(test, flushes(l), 1);
	KUNIT_EXPECT_TRUE(test, clean(l, 2));
	log_expect(test, l, 0, 0);
	cpu_writes(l, 2);
	log_expect(test, l, 2, 3);
	KUNIT_EXPECT_EQ(test, flushes(l), 1);
	KUNIT_EXPECT_TRUE(test, clean(l, 2));
	/* A fault for a write is in the log at once, one for a read is not. */
	KUNIT_EXPECT_EQ(test, test_fault(l->t, page_gpa(60), MMU_WRITE), 0);
	log_expect(test, l, 60, 61);
	/* A neighbour of a fault may be written already: then the CPU sets its dirty bit. */
	for (n = 60; n < 70; n++) {
		KUNIT_EXPECT_EQ(test, test_fault(l->t, page_gpa(n), MMU_WRITE), 0);
		cpu_writes(l, n);
	}
	log_expect(test, l, 60, 70);
	KUNIT_EXPECT_TRUE(test, clean(l, 60) && clean(l, 69));
	log_expect(test, l, 0, 0);
	KUNIT_EXPECT_EQ(test, test_read(l->t, page_gpa(64), &n, 8), 0);
	KUNIT_EXPECT_EQ(test, test_fault(l->t, page_gpa(64), MMU_READ), 0);
	log_expect(test, l, 0, 0);
	cpu_writes(l, 64);
	cpu_writes(l, 64);
	log_expect(test, l, 64, 65);
}

static void by_cpu_gmem(struct kunit *test)
{
	struct log_test l = log_by_cpu(test, true);

	by_cpu(test, &l);
	/* That the log took the dirty bits does not hide from merging that pages were written. */
	KUNIT_EXPECT_EQ(test, merge_harvest(&l), 11);
	KUNIT_EXPECT_EQ(test, merge_harvest(&l), 0);
	KUNIT_EXPECT_TRUE(test, clean(&l, 64));
	log_expect(test, &l, 0, 0);
	/* What merging takes is in the log all the same. */
	cpu_writes(&l, 64);
	KUNIT_EXPECT_EQ(test, merge_harvest(&l), 1);
	log_expect(test, &l, 64, 65);
}

static void by_cpu_user(struct kunit *test)
{
	struct log_test l = log_by_cpu(test, false);

	by_cpu(test, &l);
}

/* Who writes where nothing can be told does not write before the log knows. */
static void by_cpu_poke(struct kunit *test)
{
	struct log_test l = log_by_cpu(test, true);

	KUNIT_ASSERT_EQ(test, log_set(&l, KVM_MEM_LOG_DIRTY_PAGES, BASE), 0);
	KUNIT_EXPECT_EQ(test, test_fault(l.t, page_gpa(2), MMU_WRITE), 0);
	KUNIT_EXPECT_TRUE(test, guest_poke(&l.t->mmu, page_gpa(2), 1));
	log_expect(test, &l, 2, 3);
	KUNIT_EXPECT_TRUE(test, clean(&l, 2));
	KUNIT_EXPECT_FALSE(test, guest_poke(&l.t->mmu, page_gpa(2), 1));
	log_expect(test, &l, 0, 0);
}

/* The checker sees what the CPU wrote and nobody was told of. */
static void by_cpu_planted(struct kunit *test)
{
	struct log_test l = log_by_cpu(test, true);
	struct memslot *slot;

	KUNIT_ASSERT_EQ(test, log_set(&l, KVM_MEM_LOG_DIRTY_PAGES, BASE), 0);
	slot = xa_load(&l.t->mmu.slots_by_id, 0);
	KUNIT_EXPECT_EQ(test, test_fault(l.t, page_gpa(3), MMU_WRITE), 0);
	KUNIT_EXPECT_EQ(test, test_check(test, l.t), 0);
	clear_bit(3, slot->log->bits);
	KUNIT_EXPECT_EQ(test, test_check(test, l.t), 1);
	set_bit(3, slot->log->bits);
}

/*
 * With rings the log is by write protection, whatever the CPU can: it may log more pages in one
 * exit than a ring has room for.
 */
static void by_cpu_rings(struct kunit *test)
{
	struct log_test l = log_by_cpu(test, true);

	KUNIT_ASSERT_EQ(test, mmu_set_ring_bytes(&l.t->mmu, SZ_64K), 0);
	KUNIT_EXPECT_EQ(test, test_fault(l.t, page_gpa(2), MMU_WRITE), 0);
	KUNIT_ASSERT_EQ(test, log_set(&l, KVM_MEM_LOG_DIRTY_PAGES, BASE), 0);
	KUNIT_EXPECT_TRUE(test, guarded(&l, 2));
	KUNIT_EXPECT_EQ(test, test_fault(l.t, page_gpa(5), MMU_READ), 0);
	KUNIT_EXPECT_FALSE(test, writable(&l, 5));
	KUNIT_EXPECT_EQ(test, test_check(test, l.t), 0);
}

static struct kunit_case dirty_cases[] = {
	KUNIT_CASE(guest_gmem),
	KUNIT_CASE(guest_user),
	KUNIT_CASE(guest_without_dirty),
	KUNIT_CASE(reads_are_guarded),
	KUNIT_CASE(guard_goes_with_right),
	KUNIT_CASE(kernel_gmem),
	KUNIT_CASE(kernel_user),
	KUNIT_CASE(begin_and_end),
	KUNIT_CASE(log_killed),
	KUNIT_CASE(moved),
	KUNIT_CASE(nowhere),
	KUNIT_CASE(manual_clear),
	KUNIT_CASE(initially_set),
	KUNIT_CASE(planted),
	KUNIT_CASE(by_cpu_gmem),
	KUNIT_CASE(by_cpu_user),
	KUNIT_CASE(by_cpu_poke),
	KUNIT_CASE(by_cpu_planted),
	KUNIT_CASE(by_cpu_rings),
	{ }
};

static struct kunit_suite dirty_suite = {
	.name = "ditto_mmu_dirty",
	.test_cases = dirty_cases,
};
kunit_test_suite(dirty_suite);
