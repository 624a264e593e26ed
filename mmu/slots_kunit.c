// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit: memslots and the accessors.  What KVM_SET_USER_MEMORY_REGION and
 * DITTO_SET_GMEM_REGION take and refuse, that a refusal changes nothing, and that
 * every byte goes to where the slots say.
 */
#include <linux/completion.h>
#include <linux/kthread.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>

#include "gmem/killed.h"
#include "mmu/copy.h"
#include "mmu/guest.h"
#include "mmu/kunit.h"

struct region_case {
	const char *name;
	int err;
	u32 slot, flags;
	u64 gpa, size, addr;	/* addr: added to the test's mapping */
};

/* Slot 1 is there: 64 KiB at 1 MiB, backed by the mapping's beginning. */
static const struct region_case user_cases[] = {
	{ "beside it", 0, 2, 0, 0x110000, SZ_64K, 0 },
	{ "below it", 0, 2, 0, 0xf0000, SZ_64K, 0 },
	{ "read-only", 0, 2, KVM_MEM_READONLY, 0, SZ_64K, 0 },
	{ "highest slot number", 0, MMU_NR_SLOTS - 1, 0, 0, SZ_64K, 0 },
	{ "top of the address space", 0, 2, 0, BIT_ULL(40) - SZ_64K, SZ_64K, 0 },
	{ "the same again", 0, 1, 0, 0x100000, SZ_64K, 0 },
	{ "moved", 0, 1, 0, 0x108000, SZ_64K, 0 },
	{ "slot number too high", -EINVAL, MMU_NR_SLOTS, 0, 0, SZ_64K, 0 },
	{ "another address space", -EINVAL, 0x10001, 0, 0, SZ_64K, 0 },
	{ "dirty log", 0, 2, KVM_MEM_LOG_DIRTY_PAGES, 0, SZ_64K, 0 },
	{ "unknown flag", -EINVAL, 2, BIT(31), 0, SZ_64K, 0 },
	{ "gpa unaligned", -EINVAL, 2, 0, 0x800, SZ_64K, 0 },
	{ "size unaligned", -EINVAL, 2, 0, 0, 0x1001, 0 },
	{ "hva unaligned", -EINVAL, 2, 0, 0, SZ_64K, 0x10 },
	{ "gpa wraps", -EINVAL, 2, 0, -(u64)SZ_64K, 2ull * SZ_64K, 0 },
	{ "gpa too high", -EINVAL, 2, 0, BIT_ULL(40), SZ_64K, 0 },
	{ "end too high", -EINVAL, 2, 0, BIT_ULL(40) - SZ_64K, 2ull * SZ_64K, 0 },
	{ "huge", -EINVAL, 2, 0, 0, BIT_ULL(43), 0 },
	{ "hva is the kernel's", -EINVAL, 2, 0, 0, SZ_64K, BIT_ULL(63) },
	{ "hva wraps", -EINVAL, 2, 0, 0, BIT_ULL(39), 0x7fff00000000ull },
	{ "deleting nothing", -EINVAL, 2, 0, 0, 0, 0 },
	{ "larger", -EINVAL, 1, 0, 0x100000, 2ull * SZ_64K, 0 },
	{ "smaller", -EINVAL, 1, 0, 0x100000, 0x1000, 0 },
	{ "other memory", -EINVAL, 1, 0, 0x100000, SZ_64K, 0x1000 },
	{ "turned read-only", -EINVAL, 1, KVM_MEM_READONLY, 0x100000, SZ_64K, 0 },
	{ "overlap at its end", -EEXIST, 2, 0, 0x10f000, SZ_64K, 0 },
	{ "overlap at its start", -EEXIST, 2, 0, 0xf1000, SZ_64K, 0 },
	{ "around it", -EEXIST, 2, 0, 0, 0x200000, 0 },
	{ "inside it", -EEXIST, 2, 0, 0x101000, 0x1000, 0 },
	{ "deleted", 0, 1, 0, 0, 0, 0 },
};

static void user_regions(struct kunit *test)
{
	unsigned long hva = test_mmap(test, SZ_2M, PROT_READ | PROT_WRITE);
	int i;

	for (i = 0; i < ARRAY_SIZE(user_cases); i++) {
		const struct region_case *c = &user_cases[i];
		struct test_mmu *t = test_mmu_new(test);
		unsigned long seq;
		int err;

		KUNIT_ASSERT_EQ(test, test_set_user(t, 1, 0x100000, SZ_64K, hva, 0), 0);
		seq = t->mmu.inv_seq;
		err = test_set_user(t, c->slot, c->gpa, c->size, hva + c->addr, c->flags);
		KUNIT_EXPECT_EQ_MSG(test, err, c->err, "%s", c->name);
		if (c->err)
			KUNIT_EXPECT_EQ_MSG(test, t->mmu.inv_seq, seq,
					    "%s", c->name);
		KUNIT_EXPECT_EQ(test, test_check(test, t), 0);
		kunit_release_action(test, test_mmu_free, t);
	}
}

/* Of a gmem of 64 KiB; slot 1 is there: its first 32 KiB at 1 MiB. */
static const struct region_case gmem_cases[] = {
	{ "the other half", 0, 2, 0, 0, 0x8000, 0x8000 },
	{ "the same memory twice", 0, 2, 0, 0, SZ_64K, 0 },
	{ "read-only", 0, 2, KVM_MEM_READONLY, 0, SZ_64K, 0 },
	{ "the same again", 0, 1, 0, 0x100000, 0x8000, 0 },
	{ "moved", 0, 1, 0, 0x104000, 0x8000, 0 },
	{ "deleted", 0, 1, 0, 0, 0, 0 },
	{ "beyond the gmem's end", -EINVAL, 2, 0, 0, SZ_64K, 0x1000 },
	{ "larger than the gmem", -EINVAL, 2, 0, 0, 2ull * SZ_64K, 0 },
	{ "offset beyond its end", -EINVAL, 2, 0, 0, 0x1000, SZ_64K },
	{ "offset wraps", -EINVAL, 2, 0, 0, 0x2000, -0x1000ull },
	{ "offset unaligned", -EINVAL, 2, 0, 0, 0x1000, 1 },
	{ "other offset", -EINVAL, 1, 0, 0x100000, 0x8000, 0x1000 },
	{ "slot number too high", -EINVAL, MMU_NR_SLOTS, 0, 0, 0x1000, 0 },
	{ "dirty log", 0, 2, KVM_MEM_LOG_DIRTY_PAGES, 0, 0x1000, 0 },
	{ "overlap", -EEXIST, 2, 0, 0x107000, 0x1000, 0 },
};

static void gmem_regions(struct kunit *test)
{
	int fd = test_gmem_new(test, SZ_64K);
	int i;

	for (i = 0; i < ARRAY_SIZE(gmem_cases); i++) {
		const struct region_case *c = &gmem_cases[i];
		struct test_mmu *t = test_mmu_new(test);
		unsigned long seq;
		int err;

		KUNIT_ASSERT_EQ(test, test_set_gmem(t, 1, 0x100000, 0x8000, fd, 0), 0);
		seq = t->mmu.inv_seq;
		err = mmu_set_gmem_region(&t->mmu, &(struct ditto_gmem_region) {
			.slot = c->slot, .flags = c->flags, .guest_phys_addr = c->gpa,
			.memory_size = c->size, .gmem_fd = fd, .gmem_offset = c->addr });
		KUNIT_EXPECT_EQ_MSG(test, err, c->err, "%s", c->name);
		if (c->err)
			KUNIT_EXPECT_EQ_MSG(test, t->mmu.inv_seq, seq,
					    "%s", c->name);
		KUNIT_EXPECT_EQ(test, test_check(test, t), 0);
		kunit_release_action(test, test_mmu_free, t);
	}
}

static void gmem_fds(struct kunit *test)
{
	struct test_mmu *t = test_mmu_new(test);
	int fd = test_gmem_new(test, SZ_64K);
	struct ditto_gmem_region r = { .memory_size = 0x1000, .gmem_fd = fd, .reserved = 1 };

	KUNIT_EXPECT_EQ(test, test_set_gmem(t, 0, 0, 0x1000, -1, 0), -EBADF);
	KUNIT_EXPECT_EQ(test, test_set_gmem(t, 0, 0, 0x1000, 1 << 20, 0), -EBADF);
	KUNIT_EXPECT_EQ(test, mmu_set_gmem_region(&t->mmu, &r), -EINVAL);
	KUNIT_EXPECT_EQ(test, t->mmu.inv_seq, 0);
	/* The kinds do not turn into one another, and either ioctl deletes either. */
	KUNIT_EXPECT_EQ(test, test_set_gmem(t, 0, 0, 0x1000, fd, 0), 0);
	KUNIT_EXPECT_EQ(test, test_set_user(t, 0, 0, 0, 0, 0), 0);
	KUNIT_EXPECT_EQ(test, test_set_gmem(t, 0, 0, 0, -1, 0), -EINVAL);
	KUNIT_EXPECT_PTR_EQ(test, t->mmu.mm, NULL);
}

/* 300 slots in no order, with gaps; each gfn finds its own. */
static void many_slots(struct kunit *test)
{
	struct test_mmu *t = test_mmu_new(test);
	int fd = test_gmem_new(test, 300 * PAGE_SIZE);
	struct memslot *slot;
	int i, idx;

	for (i = 0; i < 300; i++) {
		u32 n = i * 7 % 300;

		KUNIT_ASSERT_EQ(test, test_set_gmem(t, n, n * 0x2000ull, 0x1000, fd,
						    n * 0x1000ull), 0);
	}
	idx = srcu_read_lock(&t->mmu.srcu);
	KUNIT_EXPECT_PTR_EQ(test, mmu_find_slot(&t->mmu, 600), NULL);
	for (i = 0; i < 600; i++) {
		slot = mmu_find_slot(&t->mmu, i);
		if (i % 2) {
			KUNIT_EXPECT_PTR_EQ(test, slot, NULL);
			continue;
		}
		KUNIT_ASSERT_NOT_NULL(test, slot);
		KUNIT_EXPECT_EQ(test, slot->id, i / 2);
		KUNIT_EXPECT_PTR_EQ(test, mmu_find_slot(&t->mmu, i), slot);
	}
	srcu_read_unlock(&t->mmu.srcu, idx);
}

static void expect_byte(struct kunit *test, struct test_mmu *t, gpa_t gpa, u8 want)
{
	u8 byte = ~want;

	KUNIT_EXPECT_EQ(test, test_read(t, gpa, &byte, 1), 0);
	KUNIT_EXPECT_EQ_MSG(test, byte, want, "at %llx", gpa);
}

/* Slots: 0 at 0 and 1 at 64K adjoin, both of @fd, swapped; 2 is read-only. */
static void accesses(struct kunit *test)
{
	struct test_mmu *t = test_mmu_new(test);
	int fd = test_gmem_new(test, 2ull * SZ_64K);
	u8 *buf = kunit_kmalloc(test, 0x3000, GFP_KERNEL);
	struct ditto_gmem_region ro = {
		.slot = 2, .flags = KVM_MEM_READONLY, .guest_phys_addr = 0x100000,
		.memory_size = 2ull * SZ_64K, .gmem_fd = fd,
	};

	KUNIT_ASSERT_NOT_NULL(test, buf);
	memset(buf, 0xa5, 0x3000);
	KUNIT_ASSERT_EQ(test, test_set_gmem(t, 0, 0, SZ_64K, fd, SZ_64K), 0);
	KUNIT_ASSERT_EQ(test, test_set_gmem(t, 1, SZ_64K, SZ_64K, fd, 0), 0);
	KUNIT_ASSERT_EQ(test, mmu_set_gmem_region(&t->mmu, &ro), 0);

	KUNIT_EXPECT_EQ(test, test_write(t, 0xf800, buf, 0x2800), 0);
	expect_byte(test, t, 0xf7ff, 0);
	expect_byte(test, t, 0xf800, 0xa5);
	expect_byte(test, t, 0x11fff, 0xa5);
	expect_byte(test, t, 0x12000, 0);
	/* By its offset: 0x0-0x1fff, and 0x1f800-0x1ffff. */
	expect_byte(test, t, 0x100000, 0xa5);
	expect_byte(test, t, 0x102000, 0);
	expect_byte(test, t, 0x11f7ff, 0);
	expect_byte(test, t, 0x11f800, 0xa5);

	KUNIT_EXPECT_EQ(test, test_write(t, 0x100000, buf, 1), -EROFS);
	KUNIT_EXPECT_EQ(test, test_write(t, 0x20000, buf, 1), -ENXIO);
	KUNIT_EXPECT_EQ(test, test_read(t, 0x1ffff, buf, 2), -ENXIO);
	KUNIT_EXPECT_EQ(test, test_read(t, -1ull, buf, 2), -ENXIO);
	KUNIT_EXPECT_EQ(test, test_read(t, -1ull, buf, 0), 0);
}

static int cmpxchg_at(struct test_mmu *t, gpa_t gpa, void *old, const void *new, int len)
{
	int idx = srcu_read_lock(&t->mmu.srcu);
	int err = guest_cmpxchg(&t->mmu, gpa, old, new, len);

	srcu_read_unlock(&t->mmu.srcu, idx);
	return err;
}

static void cmpxchg_one(struct kunit *test, struct test_mmu *t, gpa_t gpa, int len)
{
	u8 before[18], after[18], old[16], new[16], zero[16] = { 0 };

	memset(before, 0x11, sizeof(before));
	memset(new, 0x22, sizeof(new));
	KUNIT_ASSERT_EQ(test, test_write(t, gpa - 1, before, len + 2), 0);

	memcpy(old, zero, sizeof(old));
	KUNIT_EXPECT_EQ(test, cmpxchg_at(t, gpa, old, new, len), 0);
	KUNIT_EXPECT_MEMEQ_MSG(test, old, before, len, "length %d", len);
	KUNIT_EXPECT_EQ(test, cmpxchg_at(t, gpa, old, new, len), 0);
	KUNIT_EXPECT_MEMEQ_MSG(test, old, before, len, "length %d", len);
	memset(before + 1, 0x22, len);
	KUNIT_ASSERT_EQ(test, test_read(t, gpa - 1, after, len + 2), 0);
	KUNIT_EXPECT_MEMEQ_MSG(test, after, before, len + 2, "length %d", len);
}

static void cmpxchg_all(struct kunit *test, struct test_mmu *t, gpa_t base)
{
	int len, longest = boot_cpu_has(X86_FEATURE_CX16) ? 16 : 8;
	u64 old[4] = { 0 }, new[4] = { 0 };

	for (len = 1; len <= longest; len *= 2) {
		cmpxchg_one(test, t, base + 0x100, len);
		cmpxchg_one(test, t, base + 0x1000, len);
		cmpxchg_one(test, t, base + 0x203, len);
		cmpxchg_one(test, t, base + 0xfff, len);
	}
	KUNIT_EXPECT_EQ(test, cmpxchg_at(t, base, old, new, 3), -EINVAL);
	KUNIT_EXPECT_EQ(test, cmpxchg_at(t, base, old, new, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, cmpxchg_at(t, base, old, new, longest * 2), -EINVAL);
	KUNIT_EXPECT_EQ(test, cmpxchg_at(t, 0x900000, old, new, 8), -ENXIO);
}

static void cmpxchg_gmem(struct kunit *test)
{
	struct test_mmu *t = test_mmu_new(test);
	int fd = test_gmem_new(test, SZ_64K);

	KUNIT_ASSERT_EQ(test, test_set_gmem(t, 0, SZ_64K, SZ_64K, fd, 0), 0);
	cmpxchg_all(test, t, SZ_64K);
}

static void cmpxchg_user(struct kunit *test)
{
	unsigned long hva = test_mmap(test, SZ_64K, PROT_READ | PROT_WRITE);
	struct test_mmu *t = test_mmu_new(test);
	u64 old = 0, new = 1;

	KUNIT_ASSERT_EQ(test, test_set_user(t, 0, SZ_64K, SZ_64K, hva, 0), 0);
	cmpxchg_all(test, t, SZ_64K);
	KUNIT_ASSERT_EQ(test, vm_munmap(hva + 0x4000, 0x1000), 0);
	KUNIT_EXPECT_EQ(test, cmpxchg_at(t, SZ_64K + 0x4000, &old, &new, 8), -EFAULT);
	KUNIT_EXPECT_EQ(test, test_read(t, SZ_64K + 0x4000, &old, 8), -EFAULT);
	KUNIT_EXPECT_EQ(test, test_write(t, SZ_64K + 0x3fff, &old, 2), -EFAULT);
}

struct stranger {
	struct test_mmu *t;
	unsigned long hva;
	int set, read, fault, delete;
	struct completion done;
};

/* A thread with another mm (none): what it may do with a VM of this process. */
static int stranger_thread(void *arg)
{
	struct stranger *s = arg;
	u8 byte;

	s->set = test_set_user(s->t, 5, 0x100000, 0x1000, s->hva, 0);
	s->read = test_read(s->t, 0, &byte, 1);
	s->fault = test_fault(s->t, 0, MMU_READ);
	s->delete = test_set_user(s->t, 0, 0, 0, 0, 0);
	complete(&s->done);
	return 0;
}

static void other_process(struct kunit *test)
{
	unsigned long hva = test_mmap(test, SZ_64K, PROT_READ | PROT_WRITE);
	struct stranger s = { .t = test_mmu_new(test), .hva = hva };
	struct task_struct *task;

	init_completion(&s.done);
	KUNIT_ASSERT_EQ(test, test_set_user(s.t, 0, 0, SZ_64K, hva, 0), 0);
	task = kthread_run(stranger_thread, &s, "ditto-stranger");
	KUNIT_ASSERT_FALSE(test, IS_ERR(task));
	wait_for_completion(&s.done);
	KUNIT_EXPECT_EQ(test, s.set, -EIO);
	KUNIT_EXPECT_EQ(test, s.read, -EFAULT);
	KUNIT_EXPECT_EQ(test, s.fault, -EIO);
	KUNIT_EXPECT_EQ(test, s.delete, 0);
}

/* A gmem in two slots is counted once, also after the first of them is gone. */
static void stats(struct kunit *test)
{
	struct test_mmu *t = test_mmu_new(test);
	int fd = test_gmem_new(test, SZ_64K);
	struct ditto_vm_info info = { 0 };
	u64 one = 1;

	KUNIT_ASSERT_EQ(test, test_set_gmem(t, 0, 0, SZ_64K, fd, 0), 0);
	KUNIT_ASSERT_EQ(test, test_set_gmem(t, 1, SZ_64K, SZ_64K, fd, 0), 0);
	KUNIT_ASSERT_EQ(test, test_write(t, 0x1ffc, &one, 8), 0);
	mmu_stats(&t->mmu, &info);
	KUNIT_EXPECT_EQ(test, info.ram_bytes, 2ull * SZ_64K);
	KUNIT_EXPECT_EQ(test, info.resident_bytes, 0x2000);
	KUNIT_EXPECT_EQ(test, info.shared_bytes, 0);
	KUNIT_EXPECT_EQ(test, info.saved_bytes, 0);

	KUNIT_ASSERT_EQ(test, test_set_gmem(t, 0, 0, 0, -1, 0), 0);
	memset(&info, 0, sizeof(info));
	mmu_stats(&t->mmu, &info);
	KUNIT_EXPECT_EQ(test, info.ram_bytes, SZ_64K);
	KUNIT_EXPECT_EQ(test, info.resident_bytes, 0x2000);
}

/* Of the process's own memory what is there is counted, once however many slots have it. */
static void stats_user(struct kunit *test)
{
	struct test_mmu *t = test_mmu_new(test);
	unsigned long hva = test_mmap(test, SZ_64K, PROT_READ | PROT_WRITE);
	struct ditto_vm_info info = { 0 };
	u64 one = 1;
	u8 byte;

	KUNIT_ASSERT_EQ(test, test_set_user(t, 0, 0, SZ_64K, hva, 0), 0);
	KUNIT_ASSERT_EQ(test, test_set_user(t, 1, SZ_64K, SZ_32K, hva + SZ_16K, 0), 0);
	mmu_stats(&t->mmu, &info);
	KUNIT_EXPECT_EQ(test, info.resident_bytes, 0);
	/* Two pages, and one that is read alone, which is the page of zeroes. */
	KUNIT_ASSERT_EQ(test, test_write(t, 0x5ffc, &one, 8), 0);
	KUNIT_ASSERT_EQ(test, copy_from_user(&byte, (void __user *)hva + 0x9000, 1), 0);
	memset(&info, 0, sizeof(info));
	mmu_stats(&t->mmu, &info);
	KUNIT_EXPECT_EQ(test, info.ram_bytes, SZ_64K + SZ_32K);
	KUNIT_EXPECT_EQ(test, info.resident_bytes, 0x2000);
	/* The last page of the first slot, which the second one has not. */
	KUNIT_ASSERT_EQ(test, test_write(t, SZ_64K - 8, &one, 8), 0);
	memset(&info, 0, sizeof(info));
	mmu_stats(&t->mmu, &info);
	KUNIT_EXPECT_EQ(test, info.resident_bytes, 0x3000);
}

/* The tables of a machine whose memory is all there fit below the limit. */
static void table_limit(struct kunit *test)
{
	u64 gib, pages, need;

	for (gib = 1; gib <= 64 << 10; gib *= 2) {
		pages = gib << (30 - PAGE_SHIFT);
		need = pages / 512 + pages / 512 / 512 + 64;
		KUNIT_EXPECT_GE(test, tdp_max_tables(pages, pages), (long)need);
	}
	/* A sparse one on a small host gets 1 GiB of them, on a large one in proportion. */
	KUNIT_EXPECT_EQ(test, tdp_max_tables(BIT_ULL(50), BIT_ULL(22)), 1L << 18);
	KUNIT_EXPECT_EQ(test, tdp_max_tables(BIT_ULL(50), BIT_ULL(32)), 1L << 25);
}

/* Pages of a gmem that user space has far apart: slot @id of test_scatter(). */
static gfn_t scatter_gfn(u32 id)
{
	return id * 7919 % 4096 * 3 + 16;
}

/*
 * Thousands of slots, in no order, some moved and some gone again: each is found where
 * it is, nothing is found between them, and the checker agrees.
 */
static void scattered_slots(struct kunit *test)
{
	struct test_mmu *t = test_mmu_new(test);
	int fd = test_gmem_new(test, SZ_64K);
	u32 id, removed;
	int idx;

	for (id = 0; id < 4096; id++)
		KUNIT_ASSERT_EQ(test, test_set_gmem(t, id, scatter_gfn(id) << PAGE_SHIFT,
						    SZ_4K, fd, 0), 0);
	for (id = 0; id < 4096; id += 7)
		KUNIT_ASSERT_EQ(test, test_set_gmem(t, id, (scatter_gfn(id) + 1) << PAGE_SHIFT,
						    SZ_4K, fd, 0), 0);
	removed = t->mmu.slots_removed;
	for (id = 3; id < 4096; id += 7)
		KUNIT_ASSERT_EQ(test, test_set_gmem(t, id, 0, 0, -1, 0), 0);
	KUNIT_EXPECT_EQ(test, t->mmu.slots_removed - removed, 585);
	idx = srcu_read_lock(&t->mmu.srcu);
	for (id = 0; id < 4096; id++) {
		struct memslot *there = mmu_find_slot(&t->mmu, scatter_gfn(id));
		struct memslot *beside = mmu_find_slot(&t->mmu, scatter_gfn(id) + 1);

		KUNIT_EXPECT_PTR_EQ(test, mmu_find_slot(&t->mmu, scatter_gfn(id) + 2), NULL);
		if (id % 7 == 0)
			swap(there, beside);
		KUNIT_EXPECT_PTR_EQ(test, beside, NULL);
		KUNIT_EXPECT_EQ(test, there ? there->id : -1, id % 7 == 3 ? -1 : id);
	}
	srcu_read_unlock(&t->mmu.srcu, idx);
	KUNIT_EXPECT_EQ(test, test_check(test, t), 0);
}

/* A reader that found a slot before it went does not leave it to one that looks afterwards. */
static void slot_hints(struct kunit *test)
{
	struct test_mmu *t = test_mmu_new(test);
	int fd = test_gmem_new(test, SZ_64K);
	struct memslot *slot;
	int idx, i;

	for (i = 0; i < 3; i++) {
		KUNIT_ASSERT_EQ(test, test_set_gmem(t, 1, SZ_64K, SZ_64K, fd, 0), 0);
		idx = srcu_read_lock(&t->mmu.srcu);
		slot = mmu_find_slot(&t->mmu, 16);
		KUNIT_ASSERT_NOT_NULL(test, slot);
		KUNIT_EXPECT_PTR_EQ(test, t->mmu.slot_hint[t->mmu.slots_removed & 1], slot);
		srcu_read_unlock(&t->mmu.srcu, idx);
		KUNIT_ASSERT_EQ(test, test_set_gmem(t, 1, 0, 0, -1, 0), 0);
		KUNIT_EXPECT_PTR_EQ(test, t->mmu.slot_hint[t->mmu.slots_removed & 1], NULL);
	}
}

/* Somebody who runs the checker, and is killed. */
struct checker {
	struct test_mmu *t;
	struct completion begins, ends;
	int result;
};

static int run_checker(void *arg)
{
	struct checker *c = arg;
	struct seq_file m = { };

	allow_signal(SIGKILL);
	complete(&c->begins);
	c->result = mmu_check(&c->t->mmu, &m);
	complete(&c->ends);
	return 0;
}

static int mmu_check_call(void *mmu)
{
	struct seq_file m = { };

	return mmu_check(mmu, &m);
}

/*
 * The thread that holds the slots may wait for long, and there may be many pages: the checker can
 * be killed, and found nothing wrong.
 */
static void checker_killed(struct kunit *test)
{
	struct checker c = { .t = test_mmu_new(test) };
	struct task_struct *thread;
	unsigned long left;

	init_completion(&c.begins);
	init_completion(&c.ends);
	mutex_lock(&c.t->mmu.slots_lock);
	thread = kthread_run(run_checker, &c, "ditto-check");
	if (!IS_ERR(thread)) {
		get_task_struct(thread);
		wait_for_completion(&c.begins);
		send_sig(SIGKILL, thread, 1);
		left = wait_for_completion_timeout(&c.ends, 10 * HZ);
		put_task_struct(thread);
	}
	mutex_unlock(&c.t->mmu.slots_lock);
	KUNIT_ASSERT_FALSE(test, IS_ERR(thread));
	KUNIT_EXPECT_NE(test, left, 0);
	if (!left)
		wait_for_completion(&c.ends);
	KUNIT_EXPECT_EQ(test, c.result, -EINTR);
	KUNIT_EXPECT_EQ(test, killed_call(test, mmu_check_call, &c.t->mmu), -EINTR);
	KUNIT_EXPECT_EQ(test, mmu_check(&c.t->mmu, NULL), 0);
}

static int copy_call(void *mmu)
{
	struct mmu_copy *copy = mmu_copy_begin(mmu);

	if (!IS_ERR(copy))
		mmu_copy_end(copy);
	return PTR_ERR_OR_ZERO(copy);
}

static int policy_call(void *mmu)
{
	return mmu_set_policy(mmu, DITTO_POLICY_SELF);
}

/* There may be tens of thousands of gmems; each is asked once. */
static void policy_killed(struct kunit *test)
{
	struct test_mmu *t = test_mmu_new(test);
	struct gmem *gmem[3];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(gmem); i++) {
		int fd = test_gmem_new(test, SZ_64K);

		gmem[i] = gmem_get_fd(fd);
		KUNIT_ASSERT_FALSE(test, IS_ERR(gmem[i]));
		KUNIT_ASSERT_EQ(test, test_set_gmem(t, i, i * SZ_64K, SZ_64K, fd, 0), 0);
	}
	KUNIT_EXPECT_EQ(test, killed_call(test, policy_call, &t->mmu), -EINTR);
	for (i = 0; i < ARRAY_SIZE(gmem); i++)
		KUNIT_EXPECT_FALSE(test, gmem_has_policy(gmem[i], DITTO_POLICY_SELF));
	KUNIT_EXPECT_EQ(test, mmu_set_policy(&t->mmu, DITTO_POLICY_SELF), 0);
	for (i = 0; i < ARRAY_SIZE(gmem); i++)
		KUNIT_EXPECT_TRUE(test, gmem_has_policy(gmem[i], DITTO_POLICY_SELF));
	for (i = 0; i < ARRAY_SIZE(gmem); i++)
		gmem_put(gmem[i]);
}

/* There may be tens of thousands of slots. */
static void copy_killed(struct kunit *test)
{
	struct test_mmu *t = test_mmu_new(test);
	int fd = test_gmem_new(test, SZ_64K);

	KUNIT_ASSERT_EQ(test, test_set_gmem(t, 1, 0, SZ_64K, fd, 0), 0);
	KUNIT_EXPECT_EQ(test, killed_call(test, copy_call, &t->mmu), -EINTR);
	KUNIT_EXPECT_EQ(test, copy_call(&t->mmu), 0);
	KUNIT_EXPECT_EQ(test, mmu_check(&t->mmu, NULL), 0);
}

static struct kunit_case slots_cases[] = {
	KUNIT_CASE(user_regions),
	KUNIT_CASE(gmem_regions),
	KUNIT_CASE(gmem_fds),
	KUNIT_CASE(many_slots),
	KUNIT_CASE(table_limit),
	KUNIT_CASE(scattered_slots),
	KUNIT_CASE(slot_hints),
	KUNIT_CASE(accesses),
	KUNIT_CASE(cmpxchg_gmem),
	KUNIT_CASE(cmpxchg_user),
	KUNIT_CASE(other_process),
	KUNIT_CASE(stats),
	KUNIT_CASE(stats_user),
	KUNIT_CASE(checker_killed),
	KUNIT_CASE(policy_killed),
	KUNIT_CASE(copy_killed),
	{}
};

static struct kunit_suite slots_suite = {
	.name = "ditto_mmu_slots",
	.test_cases = slots_cases,
};
kunit_test_suite(slots_suite);
