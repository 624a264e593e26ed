// SPDX-License-Identifier: GPL-2.0-only
/*
 * The dirty log: which writes are in it and which are not, what becomes of it when slots
 * change, and that none is lost while guests write and slots move. Over both kinds of
 * memory; stock KVM passes with its own.
 */
#include <asm/kvm_para.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "knobs.h"
#include "logged.h"

#define WORDS		((PAGES + 63) / 64)

/**
 * struct world - a machine, and a slot whose writes are logged
 * @l: both
 * @manual: the VMM clears the log itself
 */
struct world {
	struct logged l;
	bool manual;
};

static u8 *anonymous(size_t size)
{
	u8 *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT(p != MAP_FAILED);
	return p;
}

static void slot_flags(struct world *w, u32 flags)
{
	CHECKED(logged_set(&w->l, flags, SLOT_GPA, PAGES * PAGE_SIZE));
}

/* @kind: "gmem" or "user". The slot is not there yet. */
static struct world *world_new(const char *kind, unsigned int vcpus)
{
	bool user = !strcmp(kind, "user");
	struct world *w = calloc(1, sizeof(*w));

	if (!user)
		need_ditto();
	w->l.vm = vm_new(&(struct vm_config) { .user = user, .vcpus = vcpus });
	w->l.gmem = user ? -1 : gmem_new(PAGES * PAGE_SIZE, 0);
	w->l.p = user ? anonymous(PAGES * PAGE_SIZE) : gmem_map(w->l.gmem, PAGES * PAGE_SIZE);
	return w;
}

static int log_get(struct world *w, u32 slot, void *bitmap)
{
	struct kvm_dirty_log log = { .slot = slot, .dirty_bitmap = bitmap };

	return ioctl(w->l.vm->fd, KVM_GET_DIRTY_LOG, &log);
}

static int log_clear(struct world *w, u64 first, u32 pages, const void *bitmap)
{
	struct kvm_clear_dirty_log log = {
		.slot = SLOT, .first_page = first, .num_pages = pages,
		.dirty_bitmap = (void *)bitmap,
	};

	return ioctl(w->l.vm->fd, KVM_CLEAR_DIRTY_LOG, &log);
}

static int manual_flags(struct world *w, u32 flags, u64 manual)
{
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, .flags = flags, .args[0] = manual,
	};

	return ioctl(w->l.vm->fd, KVM_ENABLE_CAP, &cap);
}

static void manual(struct world *w, u64 manual)
{
	CHECKED(manual_flags(w, 0, manual));
}

static bool bit(const u64 *bitmap, u64 n)
{
	return bitmap[n / 64] >> n % 64 & 1;
}

/* Exactly pages [first, end) are in the log, which is empty then unless it is manual. */
static void log_expect(struct world *w, u64 first, u64 end)
{
	u64 bitmap[WORDS + 1], n;

	memset(bitmap, 0xa5, sizeof(bitmap));
	CHECKED(log_get(w, SLOT, bitmap));
	ASSERT_EQ(bitmap[WORDS], 0xa5a5a5a5a5a5a5a5);
	for (n = 0; n < WORDS * 64; n++)
		if (bit(bitmap, n) != (n >= first && n < end))
			fail("page %lu is %s in the log", n, bit(bitmap, n) ? "" : "not");
}

static void log_expect_none(struct world *w)
{
	log_expect(w, 0, 0);
}

/* From the start of the guest on: it writes to all pages of [first, first + ROUND). */
static void guest_writes(struct world *w, u64 first)
{
	vcpu_call(&w->l.vm->vcpu[0], "g_write_forever", SLOT_GPA + first * PAGE_SIZE);
	ASSERT_EQ(vcpu_enter(&w->l.vm->vcpu[0]), KVM_EXIT_IO);
}

static void guest_reads(struct world *w, u64 page)
{
	vcpu_call(&w->l.vm->vcpu[0], "g_read", SLOT_GPA + page * PAGE_SIZE);
	ASSERT_EQ(vcpu_enter(&w->l.vm->vcpu[0]), KVM_EXIT_IO);
}

static void checker(void)
{
	if (tap.ditto)
		ASSERT(knob_violations() <= 0);
}

static void world_end(struct world *w)
{
	checker();
	vm_free(w->l.vm);
	munmap(w->l.p, PAGES * PAGE_SIZE);
	if (w->l.gmem >= 0)
		close(w->l.gmem);
	free(w);
}

static void bad_arguments(const void *kind)
{
	struct world *w = world_new(kind, 1);
	u64 bitmap[WORDS];

	ASSERT_ERRNO(log_get(w, SLOT, bitmap), ENOENT);
	slot_flags(w, 0);
	ASSERT_ERRNO(log_get(w, SLOT, bitmap), ENOENT);
	ASSERT_ERRNO(log_get(w, 0, bitmap), ENOENT);
	ASSERT_ERRNO(log_get(w, 0x7fff, bitmap), EINVAL);
	ASSERT_ERRNO(log_get(w, 2 << 16 | SLOT, bitmap), EINVAL);
	ASSERT_ERRNO(log_get(w, ~0u, bitmap), EINVAL);
	ASSERT_ERRNO(ioctl(w->l.vm->fd, KVM_GET_DIRTY_LOG, (void *)8), EFAULT);
	ASSERT_ERRNO(logged_set(&w->l, 4, SLOT_GPA, PAGES * PAGE_SIZE), EINVAL);
	ASSERT_ERRNO(logged_set(&w->l, KVM_MEM_LOG_DIRTY_PAGES, SLOT_GPA, PAGE_SIZE), EINVAL);
	ASSERT_ERRNO(logged_set(&w->l, KVM_MEM_LOG_DIRTY_PAGES | KVM_MEM_READONLY, SLOT_GPA,
			      PAGES * PAGE_SIZE), EINVAL);
	ASSERT_ERRNO(log_get(w, SLOT, bitmap), ENOENT);
	slot_flags(w, KVM_MEM_LOG_DIRTY_PAGES);
	ASSERT_ERRNO(log_get(w, SLOT, (void *)8), EFAULT);
	ASSERT_ERRNO(log_get(w, SLOT, (void *)0xffff888000000000), EFAULT);
	log_expect_none(w);
	world_end(w);
}

/* The VMM did not get the bits, so they are still there: bitmaps that end in nothing. */
static void fails_and_keeps(const void *kind)
{
	struct world *w;
	u8 *end = anonymous(2 * PAGE_SIZE) + PAGE_SIZE;

	need_ditto();
	w = world_new(kind, 1);
	munmap(end, PAGE_SIZE);
	slot_flags(w, KVM_MEM_LOG_DIRTY_PAGES);
	guest_writes(w, 100);
	ASSERT_ERRNO(log_get(w, SLOT, end - 40), EFAULT);
	ASSERT_ERRNO(log_get(w, SLOT, NULL), EFAULT);
	checker();
	log_expect(w, 100, 100 + ROUND);
	ASSERT_ERRNO(log_get(w, SLOT, end - 40), EFAULT);
	log_expect_none(w);
	ASSERT_EQ(vcpu_enter(&w->l.vm->vcpu[0]), KVM_EXIT_IO);
	log_expect(w, 100, 100 + ROUND);
	world_end(w);
}

/* Each harvest has what was written since the last; reads are in none. */
static void guest_is_logged(const void *kind)
{
	struct world *w = world_new(kind, 1);
	int i;

	slot_flags(w, KVM_MEM_LOG_DIRTY_PAGES);
	guest_reads(w, 5);
	log_expect_none(w);
	guest_writes(w, 100);
	checker();
	log_expect(w, 100, 100 + ROUND);
	checker();
	log_expect_none(w);
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(vcpu_enter(&w->l.vm->vcpu[0]), KVM_EXIT_IO);
		log_expect(w, 100, 100 + ROUND);
	}
	guest_writes(w, PAGES - ROUND);
	guest_reads(w, 1);
	log_expect(w, PAGES - ROUND, PAGES);
	world_end(w);
}

/* What the VMM does through its own mapping is its own affair; what the guest then does is not. */
static void vmm_is_not(const void *kind)
{
	struct world *w = world_new(kind, 1);
	u64 bitmap[WORDS];

	slot_flags(w, KVM_MEM_LOG_DIRTY_PAGES);
	memset(w->l.p, 1, PAGES * PAGE_SIZE);
	log_expect_none(w);
	guest_reads(w, 7);
	/* Stock KVM maps such a page writable, and takes it as written. */
	if (!tap.ditto)
		CHECKED(log_get(w, SLOT, bitmap));
	memset(w->l.p, 2, PAGES * PAGE_SIZE);
	log_expect_none(w);
	guest_writes(w, 0);
	log_expect(w, 0, ROUND);
	CHECKED(madvise(w->l.p, PAGES * PAGE_SIZE, w->l.gmem < 0 ? MADV_DONTNEED : MADV_NORMAL));
	log_expect_none(w);
	ASSERT_EQ(vcpu_enter(&w->l.vm->vcpu[0]), KVM_EXIT_IO);
	log_expect(w, 0, ROUND);
	world_end(w);
}

/* The kernel writes the time: at once, and when the vCPU runs. */
static void kernel_is_logged(const void *kind)
{
	struct world *w = world_new(kind, 1);
	struct vcpu *vcpu = &w->l.vm->vcpu[0];

	slot_flags(w, KVM_MEM_LOG_DIRTY_PAGES);
	ASSERT_EQ(vcpu_try_set_msr(vcpu, MSR_KVM_WALL_CLOCK_NEW, SLOT_GPA + 65 * PAGE_SIZE), 1);
	log_expect(w, 65, 66);
	log_expect_none(w);
	ASSERT_EQ(vcpu_try_set_msr(vcpu, MSR_KVM_SYSTEM_TIME_NEW,
				   (SLOT_GPA + 66 * PAGE_SIZE) | 1), 1);
	vcpu_call(vcpu, "g_read", SLOT_GPA);
	ASSERT_EQ(vcpu_enter(vcpu), KVM_EXIT_IO);
	log_expect(w, 66, 67);
	world_end(w);
}

/* Logging begins and ends while the guest has the pages; what was before does not count. */
static void switched(const void *kind)
{
	struct world *w = world_new(kind, 1);
	struct vcpu *vcpu = &w->l.vm->vcpu[0];
	u64 bitmap[WORDS];
	int i;

	slot_flags(w, 0);
	guest_writes(w, 64);
	for (i = 0; i < 3; i++) {
		slot_flags(w, KVM_MEM_LOG_DIRTY_PAGES);
		checker();
		log_expect_none(w);
		ASSERT_EQ(vcpu_enter(vcpu), KVM_EXIT_IO);
		slot_flags(w, KVM_MEM_LOG_DIRTY_PAGES);
		log_expect(w, 64, 64 + ROUND);
		ASSERT_EQ(vcpu_enter(vcpu), KVM_EXIT_IO);
		slot_flags(w, 0);
		ASSERT_ERRNO(log_get(w, SLOT, bitmap), ENOENT);
		ASSERT_EQ(vcpu_enter(vcpu), KVM_EXIT_IO);
	}
	world_end(w);
}

/* A slot that moves takes its log along; one that is made anew begins with none. */
static void moved(const void *kind)
{
	struct world *w = world_new(kind, 1);
	u64 size = PAGES * PAGE_SIZE, bitmap[WORDS];

	slot_flags(w, KVM_MEM_LOG_DIRTY_PAGES);
	guest_writes(w, 64);
	CHECKED(logged_set(&w->l, KVM_MEM_LOG_DIRTY_PAGES, 2 * SLOT_GPA, size));
	checker();
	log_expect(w, 64, 64 + ROUND);
	log_expect_none(w);
	CHECKED(logged_set(&w->l, KVM_MEM_LOG_DIRTY_PAGES, SLOT_GPA, size));
	guest_writes(w, 0);
	CHECKED(logged_set(&w->l, 0, 2 * SLOT_GPA, size));
	ASSERT_ERRNO(log_get(w, SLOT, bitmap), ENOENT);
	CHECKED(logged_set(&w->l, KVM_MEM_LOG_DIRTY_PAGES, SLOT_GPA, size));
	log_expect_none(w);
	guest_writes(w, 0);
	CHECKED(logged_set(&w->l, 0, SLOT_GPA, 0));
	ASSERT_ERRNO(log_get(w, SLOT, bitmap), ENOENT);
	slot_flags(w, KVM_MEM_LOG_DIRTY_PAGES);
	log_expect_none(w);
	guest_writes(w, 0);
	log_expect(w, 0, ROUND);
	world_end(w);
}

/* What no guest can write to is never dirty. */
static void read_only(const void *kind)
{
	struct world *w = world_new(kind, 1);

	slot_flags(w, KVM_MEM_READONLY | KVM_MEM_LOG_DIRTY_PAGES);
	guest_reads(w, 3);
	log_expect_none(w);
	vcpu_call(&w->l.vm->vcpu[0], "g_write_forever", SLOT_GPA);
	ASSERT_EQ(vcpu_enter(&w->l.vm->vcpu[0]), KVM_EXIT_MMIO);
	log_expect_none(w);
	slot_flags(w, KVM_MEM_READONLY);
	slot_flags(w, KVM_MEM_READONLY | KVM_MEM_LOG_DIRTY_PAGES);
	guest_reads(w, 3);
	log_expect_none(w);
	world_end(w);
}

static void bad_manual(const void *kind)
{
	struct world *w = world_new(kind, 1);
	u64 bitmap[WORDS] = { };

	ASSERT_EQ(vm_cap(w->l.vm, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2),
		  KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE | KVM_DIRTY_LOG_INITIALLY_SET);
	ASSERT_ERRNO(manual_flags(w, 1, 1), EINVAL);
	ASSERT_ERRNO(manual_flags(w, 0, 4), EINVAL);
	ASSERT_ERRNO(manual_flags(w, 0, KVM_DIRTY_LOG_INITIALLY_SET), EINVAL);
	ASSERT_ERRNO(manual_flags(w, 0, 1ull << 63 | 1), EINVAL);
	ASSERT_ERRNO(log_clear(w, 0, 64, bitmap), ENOENT);
	slot_flags(w, 0);
	ASSERT_ERRNO(log_clear(w, 0, 64, bitmap), ENOENT);
	slot_flags(w, KVM_MEM_LOG_DIRTY_PAGES);
	ASSERT_ERRNO(log_clear(w, 1, 64, bitmap), EINVAL);
	ASSERT_ERRNO(log_clear(w, 0, 63, bitmap), EINVAL);
	ASSERT_ERRNO(log_clear(w, 0, PAGES + 1, bitmap), EINVAL);
	ASSERT_ERRNO(log_clear(w, 0, 640, bitmap), EINVAL);
	ASSERT_ERRNO(log_clear(w, 64, PAGES, bitmap), EINVAL);
	ASSERT_ERRNO(log_clear(w, 640, 0, bitmap), EINVAL);
	ASSERT_ERRNO(log_clear(w, ~63ull, 64, bitmap), EINVAL);
	ASSERT_ERRNO(log_clear(w, 0, ~0u, bitmap), EINVAL);
	ASSERT_ERRNO(log_clear(w, 0, 64, (void *)8), EFAULT);
	CHECKED(log_clear(w, 0, 0, (void *)8));
	CHECKED(log_clear(w, 576, 0, bitmap));
	CHECKED(log_clear(w, 576, PAGES - 576, bitmap));
	CHECKED(log_clear(w, 0, PAGES, bitmap));
	manual(w, KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE);
	manual(w, 0);
	world_end(w);
}

/* The VMM clears what it has seen, and no more; a clear of what is clean is nothing. */
static void cleared(const void *kind)
{
	struct world *w = world_new(kind, 1);
	struct vcpu *vcpu = &w->l.vm->vcpu[0];
	u64 all[WORDS];

	memset(all, 0xff, sizeof(all));
	manual(w, KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE);
	slot_flags(w, KVM_MEM_LOG_DIRTY_PAGES);
	log_expect_none(w);
	guest_writes(w, 128);
	log_expect(w, 128, 128 + ROUND);
	log_expect(w, 128, 128 + ROUND);
	checker();
	CHECKED(log_clear(w, 0, 192, all));
	log_expect(w, 192, 128 + ROUND);
	checker();
	CHECKED(log_clear(w, 320, PAGES - 320, all));
	log_expect(w, 192, 320);
	ASSERT_EQ(vcpu_enter(vcpu), KVM_EXIT_IO);
	log_expect(w, 128, 128 + ROUND);
	CHECKED(log_clear(w, 128, 64, (u64 []) { ~0xffull }));
	CHECKED(log_clear(w, 192, PAGES - 192, all));
	log_expect(w, 128, 136);
	CHECKED(log_clear(w, 0, PAGES, all));
	log_expect_none(w);
	checker();
	ASSERT_EQ(vcpu_enter(vcpu), KVM_EXIT_IO);
	manual(w, 0);
	log_expect(w, 128, 128 + ROUND);
	log_expect_none(w);
	world_end(w);
}

/* All pages are dirty first, those too that the guest had before. */
static void all_at_first(const void *kind)
{
	struct world *w = world_new(kind, 1);
	struct vcpu *vcpu = &w->l.vm->vcpu[0];
	u64 all[WORDS];
	int i;

	memset(all, 0xff, sizeof(all));
	slot_flags(w, 0);
	guest_writes(w, 128);
	manual(w, KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE | KVM_DIRTY_LOG_INITIALLY_SET);
	for (i = 0; i < 2; i++) {
		slot_flags(w, KVM_MEM_LOG_DIRTY_PAGES);
		checker();
		log_expect(w, 0, PAGES);
		ASSERT_EQ(vcpu_enter(vcpu), KVM_EXIT_IO);
		CHECKED(log_clear(w, 192, PAGES - 192, all));
		log_expect(w, 0, 192);
		checker();
		CHECKED(log_clear(w, 0, 192, all));
		log_expect_none(w);
		ASSERT_EQ(vcpu_enter(vcpu), KVM_EXIT_IO);
		log_expect(w, 128, 128 + ROUND);
		CHECKED(logged_set(&w->l, 0, SLOT_GPA, i ? 0 : PAGES * PAGE_SIZE));
	}
	slot_flags(w, KVM_MEM_LOG_DIRTY_PAGES);
	log_expect(w, 0, PAGES);
	world_end(w);
}

/* Memory that is mapped by 2 MiB is logged by the page. */
static void large_pages(const void *arg)
{
	struct world w = { .l.gmem = -1 };
	u64 size = 8 * MIB, bitmap[8 * MIB / PAGE_SIZE / 64], n;
	int round;

	w.l.vm = vm_new(&(struct vm_config) { .user = true });
	w.l.p = (u8 *)(((uintptr_t)anonymous(size + 2 * MIB) + 2 * MIB - 1) & -2 * MIB);
	madvise(w.l.p, size, MADV_HUGEPAGE);
	memset(w.l.p, 1, size);
	CHECKED(logged_set(&w.l, 0, SLOT_GPA, size));
	guest_writes(&w, 300);
	for (round = 0; round < 2; round++) {
		CHECKED(logged_set(&w.l, KVM_MEM_LOG_DIRTY_PAGES, SLOT_GPA, size));
		ASSERT_EQ(vcpu_enter(&w.l.vm->vcpu[0]), KVM_EXIT_IO);
		checker();
		CHECKED(log_get(&w, SLOT, bitmap));
		for (n = 0; n < size / PAGE_SIZE; n++)
			ASSERT_EQ(bit(bitmap, n), n >= 300 && n < 300 + ROUND);
		CHECKED(logged_set(&w.l, 0, SLOT_GPA, size));
		ASSERT_EQ(vcpu_enter(&w.l.vm->vcpu[0]), KVM_EXIT_IO);
	}
	/* A clear of a part of what is mapped at once. */
	manual(&w, KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE | KVM_DIRTY_LOG_INITIALLY_SET);
	CHECKED(logged_set(&w.l, KVM_MEM_LOG_DIRTY_PAGES, SLOT_GPA, size));
	ASSERT_EQ(vcpu_enter(&w.l.vm->vcpu[0]), KVM_EXIT_IO);
	memset(bitmap, 0xff, sizeof(bitmap));
	CHECKED(log_clear(&w, 384, 64, bitmap));
	checker();
	ASSERT_EQ(vcpu_enter(&w.l.vm->vcpu[0]), KVM_EXIT_IO);
	CHECKED(log_clear(&w, 0, 256, bitmap));
	CHECKED(log_get(&w, SLOT, bitmap));
	for (n = 0; n < size / PAGE_SIZE; n++)
		ASSERT_EQ(bit(bitmap, n), n >= 256);
	checker();
	vm_free(w.l.vm);
}

/* A vCPU that writes for ever, until it may stop between two entries. */
static void *writer(void *arg)
{
	struct vcpu *vcpu = arg;

	while (!stop)
		if (vcpu_enter(vcpu) != KVM_EXIT_IO)
			return (void *)1;
	return NULL;
}

/* Copy what the log reports to where the machine is going; how many pages. */
static u64 migrate(struct world *w, u8 *copy)
{
	u64 bitmap[WORDS], n, copied = 0;

	CHECKED(log_get(w, SLOT, bitmap));
	/* Before they are copied: what is written after that is dirty again. */
	if (w->manual)
		CHECKED(log_clear(w, 0, PAGES, bitmap));
	for (n = 0; n < PAGES; n++) {
		if (!bit(bitmap, n))
			continue;
		memcpy(copy + n * PAGE_SIZE, w->l.p + n * PAGE_SIZE, PAGE_SIZE);
		copied++;
	}
	return copied;
}

/* vCPUs write all the time. What is copied when the log says so is all of it in the end. */
static void nothing_lost(const void *kind)
{
	struct world *w = world_new(kind, 2);
	unsigned int turn;
	u8 *copy = anonymous(PAGES * PAGE_SIZE);
	double end = now() + 4;
	u64 rounds, harvests = 0, copied = 0;

	slot_flags(w, 0);
	writers_start(w->l.vm, writer);
	for (turn = 0; now() < end; turn++) {
		w->manual = turn % 3;
		manual(w, w->manual ? (turn % 3 > 1 ? 3 : 1) : 0);
		slot_flags(w, KVM_MEM_LOG_DIRTY_PAGES);
		memcpy(copy, w->l.p, PAGES * PAGE_SIZE);
		for (rounds = 0; rounds < 50; rounds++) {
			copied += migrate(w, copy);
			usleep(rounds % 4 * 1000);
		}
		harvests += rounds;
		writers_stop(w->l.vm);
		migrate(w, copy);
		ASSERT(!memcmp(copy, w->l.p, PAGES * PAGE_SIZE));
		checker();
		log_expect_none(w);
		slot_flags(w, 0);
		writers_start(w->l.vm, writer);
	}
	writers_stop(w->l.vm);
	note("%lu pages in %lu harvests", copied, harvests);
	ASSERT(copied > harvests);
	world_end(w);
}

static void *flipper(void *arg)
{
	struct world *w = arg;
	u64 size = PAGES * PAGE_SIZE;
	unsigned int i;

	for (i = 0; !stop; i++) {
		logged_set(&w->l, i & 1 ? KVM_MEM_LOG_DIRTY_PAGES : 0, SLOT_GPA, size);
		logged_set(&w->l, i & 2 ? KVM_MEM_LOG_DIRTY_PAGES : 0, 2 * SLOT_GPA, size);
		logged_set(&w->l, KVM_MEM_LOG_DIRTY_PAGES, SLOT_GPA, size);
		if (i % 8 == 7) {
			logged_set(&w->l, 0, SLOT_GPA, 0);
			logged_set(&w->l, KVM_MEM_LOG_DIRTY_PAGES, SLOT_GPA, size);
		}
	}
	return NULL;
}

/* Slots change and go while they are written to and harvested. */
static void storm(const void *kind)
{
	struct world *w = world_new(kind, 2);
	double end = now() + 5;
	u64 bitmap[WORDS];
	pthread_t flip;
	int err;

	slot_flags(w, KVM_MEM_LOG_DIRTY_PAGES);
	writers_start(w->l.vm, stubborn);
	ASSERT(!pthread_create(&flip, NULL, flipper, w));
	while (now() < end) {
		err = log_get(w, SLOT, bitmap);
		ASSERT(!err || errno == ENOENT);
		manual(w, (u64)(now() * 1000) % 3 == 1 ? 3 : (u64)(now() * 1000) % 2);
		err = log_clear(w, 64, 448, bitmap);
		ASSERT(!err || errno == ENOENT);
		if (w->l.gmem < 0 && (u64)(now() * 1000) % 7 == 0)
			CHECKED(madvise(w->l.p, PAGES * PAGE_SIZE, MADV_DONTNEED));
	}
	writers_stop(w->l.vm);
	pthread_join(flip, NULL);
	manual(w, 0);
	logged_set(&w->l, KVM_MEM_LOG_DIRTY_PAGES, SLOT_GPA, PAGES * PAGE_SIZE);
	CHECKED(log_get(w, SLOT, bitmap));
	guest_writes(w, 300);
	log_expect(w, 300, 300 + ROUND);
	world_end(w);
}

#define BOTH(fn) { #fn "_user", fn, "user" }, { #fn "_gmem", fn, "gmem" }
#define BOTH_LONG(fn)						\
	{ #fn "_user", fn, "user", .seconds = 60 }, { #fn "_gmem", fn, "gmem", .seconds = 60 }

static const struct tap_test tests[] = {
	BOTH(bad_arguments),
	BOTH(fails_and_keeps),
	BOTH(guest_is_logged),
	BOTH(vmm_is_not),
	BOTH(kernel_is_logged),
	BOTH(switched),
	BOTH(moved),
	BOTH(read_only),
	BOTH(bad_manual),
	BOTH(cleared),
	BOTH(all_at_first),
	{ "large_pages", large_pages },
	BOTH_LONG(nothing_lost),
	BOTH_LONG(storm),
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, tests, ARRAY_SIZE(tests));
}
