/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the KUnit suites of the mmu room share: an address space with a host that
 * counts flushes, and gmems behind fds.
 */
#ifndef DITTO_MMU_KUNIT_H
#define DITTO_MMU_KUNIT_H

#include <kunit/test.h>
#include <linux/file.h>
#include <linux/fdtable.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

#include <ditto.h>
#include "gmem/gmem.h"
#include "mmu/guest.h"
#include "mmu/mmu.h"
#include "mmu/slots.h"
#include "mmu/tdp.h"

/* Looks like NPT: bits of an x86 page-table entry. */
#define TEST_WRITABLE	BIT_ULL(1)
#define TEST_DEVICE	BIT_ULL(4)
#define TEST_ACCESSED	BIT_ULL(5)
#define TEST_DIRTY	BIT_ULL(6)
#define TEST_LARGE	BIT_ULL(7)

/**
 * struct test_mmu - an address space under test
 * @mmu: it
 * @host: its host; flush_tlbs() counts
 * @format: NPT's; a test may change it before it maps anything
 * @flushes: calls of flush_tlbs()
 * @streaks: of the only vCPU, in tests that have not more
 */
struct test_mmu {
	struct mmu mmu;
	struct mmu_host host;
	struct tdp_format format;
	atomic_t flushes;
	struct fault_streaks streaks;
};

static inline void test_flush_tlbs(struct mmu *mmu)
{
	atomic_inc(&container_of(mmu, struct test_mmu, mmu)->flushes);
}

static inline void test_mmu_free(void *arg)
{
	struct test_mmu *t = arg;

	mmu_destroy(&t->mmu);
	kfree(t);
}

/* An empty address space of 2^40 bytes; destroyed when the test ends. */
static inline struct test_mmu *test_mmu_new_as(struct kunit *test, bool shadow)
{
	struct test_mmu *t = kzalloc(sizeof(*t), GFP_KERNEL);
	int err = -ENOMEM;

	if (t) {
		t->format = (struct tdp_format) {
			.levels = 4,
			.max_level = 2,
			.table = 0x27,
			.leaf = shadow ? 0x1 : 0x5,
			.device = 0x5 | TEST_DEVICE,
			.writable = TEST_WRITABLE,
			.accessed = shadow ? 0 : TEST_ACCESSED,
			.dirty = shadow ? 0 : TEST_DIRTY,
			.large = TEST_LARGE,
			.nx = BIT_ULL(63),
		};
		if (shadow)
			t->format.device = 0x1 | TEST_DEVICE;
		t->host.format = &t->format;
		t->host.shadow = shadow;
		t->host.max_gfn = BIT_ULL(40 - PAGE_SHIFT);
		t->host.flush_tlbs = test_flush_tlbs;
		err = mmu_init(&t->mmu, &t->host);
		if (err)
			kfree(t);
	}
	KUNIT_ASSERT_EQ(test, err, 0);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, test_mmu_free, t), 0);
	return t;
}

static inline struct test_mmu *test_mmu_new(struct kunit *test)
{
	return test_mmu_new_as(test, false);
}

static inline void test_fd_close(void *fd)
{
	close_fd((long)fd);
}

/* A gmem; its fd is closed when the test ends. */
static inline int test_gmem_new_as(struct kunit *test, u64 size, u32 flags)
{
	int fd = gmem_create(size, flags);

	KUNIT_ASSERT_GE(test, fd, 0);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, test_fd_close,
							(void *)(long)fd), 0);
	return fd;
}

static inline int test_gmem_new(struct kunit *test, u64 size)
{
	return test_gmem_new_as(test, size, 0);
}

static inline int test_set_gmem(struct test_mmu *t, u32 slot, u64 gpa, u64 size, int fd,
				u64 offset)
{
	struct ditto_gmem_region r = {
		.slot = slot,
		.guest_phys_addr = gpa,
		.memory_size = size,
		.gmem_fd = fd,
		.gmem_offset = offset,
	};

	return mmu_set_gmem_region(&t->mmu, &r);
}

static inline int test_set_user(struct test_mmu *t, u32 slot, u64 gpa, u64 size,
				unsigned long hva, u32 flags)
{
	struct kvm_userspace_memory_region r = {
		.slot = slot,
		.flags = flags,
		.guest_phys_addr = gpa,
		.memory_size = size,
		.userspace_addr = hva,
	};

	return mmu_set_user_region(&t->mmu, &r);
}

/* Anonymous memory in the test's own process. */
static inline unsigned long test_mmap(struct kunit *test, unsigned long size, int prot)
{
	unsigned long hva = kunit_vm_mmap(test, NULL, 0, size, prot,
					  MAP_ANONYMOUS | MAP_PRIVATE, 0);

	KUNIT_ASSERT_NE(test, hva, 0);
	KUNIT_ASSERT_LT(test, hva, TASK_SIZE);
	return hva;
}

static inline bool test_leaf(struct mmu *mmu, u64 *sptep, gfn_t gfn, int level, void *arg)
{
	*(u64 *)arg = READ_ONCE(*sptep);
	return false;
}

/* The leaf that maps a gfn, or 0. */
static inline u64 test_spte(struct test_mmu *t, gfn_t gfn)
{
	u64 spte = 0;

	read_lock(&t->mmu.lock);
	tdp_for_each_leaf(&t->mmu, gfn, gfn + 1, test_leaf, &spte);
	read_unlock(&t->mmu.lock);
	return spte;
}

/* As the vCPU whose @streaks these are. Gives enum mmu_fault_result or, failed, -errno. */
static inline int test_fault_as(struct test_mmu *t, struct fault_streaks *streaks, gpa_t gpa,
				u32 access)
{
	int idx = srcu_read_lock(&t->mmu.srcu);
	enum mmu_fault_result r = mmu_tdp_fault(&t->mmu, streaks, gpa, access);

	srcu_read_unlock(&t->mmu.srcu, idx);
	return r == MMU_FAULT_FAILED ? streaks->error : (int)r;
}

static inline int test_fault(struct test_mmu *t, gpa_t gpa, u32 access)
{
	return test_fault_as(t, &t->streaks, gpa, access);
}

static inline int test_read(struct test_mmu *t, gpa_t gpa, void *buf, unsigned int len)
{
	int idx = srcu_read_lock(&t->mmu.srcu);
	int r = guest_read(&t->mmu, gpa, buf, len);

	srcu_read_unlock(&t->mmu.srcu, idx);
	return r;
}

static inline int test_write(struct test_mmu *t, gpa_t gpa, const void *buf, unsigned int len)
{
	int idx = srcu_read_lock(&t->mmu.srcu);
	int r = guest_write(&t->mmu, gpa, buf, len);

	srcu_read_unlock(&t->mmu.srcu, idx);
	return r;
}

/* Violations that mmu_check() finds; what it prints goes to the log. */
static inline int test_check(struct kunit *test, struct test_mmu *t)
{
	struct seq_file m = { .size = PAGE_SIZE };
	int violations;

	m.buf = kunit_kzalloc(test, PAGE_SIZE, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, m.buf);
	violations = mmu_check(&t->mmu, &m);
	if (violations)
		kunit_err(test, "%.*s", (int)m.count, m.buf);
	return violations;
}

#endif
