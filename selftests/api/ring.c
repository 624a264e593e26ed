// SPDX-License-Identifier: GPL-2.0-only
/*
 * Dirty rings: what enters them and what does not, what a full one does, what becomes of
 * entries that the VMM makes up, and that no write is lost while guests write, slots come and
 * go, and somebody scribbles over the rings. Stock KVM passes what is not ditto's own.
 */
#include <asm/kvm_para.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "knobs.h"
#include "logged.h"

#ifndef KVM_CAP_DIRTY_LOG_RING_ACQ_REL
#define KVM_CAP_DIRTY_LOG_RING_ACQ_REL	223
#endif
#define RING_AT		(KVM_DIRTY_LOG_PAGE_OFFSET * PAGE_SIZE)

/**
 * struct world - a machine whose vCPUs have rings
 * @l: it, and its slot
 * @ring: each vCPU's
 * @next: of each, the entry to read next
 * @entries: of a ring
 */
struct world {
	struct logged l;
	struct kvm_dirty_gfn *ring[2];
	u32 next[2];
	u32 entries;
};

static int enable(struct vm *vm, u32 cap, u64 bytes)
{
	return ioctl(vm->fd, KVM_ENABLE_CAP,
		     &(struct kvm_enable_cap) { .cap = cap, .args[0] = bytes });
}

static int reset(struct world *w)
{
	return ioctl(w->l.vm->fd, KVM_RESET_DIRTY_RINGS, 0);
}

static void slot_flags(struct world *w, u32 flags)
{
	CHECKED(logged_set(&w->l, flags, SLOT_GPA, PAGES * PAGE_SIZE));
}

static struct world *world_new(const char *kind, unsigned int vcpus, u32 entries)
{
	struct world *w = calloc(1, sizeof(*w));
	unsigned int i;
	void *p;

	if (strcmp(kind, "user"))
		need_ditto();
	w->entries = entries;
	w->l.vm = vm_new(&(struct vm_config) {
		.user = true, .vcpus = vcpus, .ring = entries * sizeof(struct kvm_dirty_gfn),
	});
	w->l.gmem = strcmp(kind, "user") ? gmem_new(PAGES * PAGE_SIZE, 0) : -1;
	p = mmap(NULL, PAGES * PAGE_SIZE, PROT_READ | PROT_WRITE,
		 w->l.gmem < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED, w->l.gmem, 0);
	ASSERT(p != MAP_FAILED);
	w->l.p = p;
	for (i = 0; i < vcpus; i++) {
		p = mmap(NULL, entries * sizeof(struct kvm_dirty_gfn), PROT_READ | PROT_WRITE,
			 MAP_SHARED, w->l.vm->vcpu[i].fd, RING_AT);
		ASSERT(p != MAP_FAILED);
		w->ring[i] = p;
	}
	return w;
}

static void world_end(struct world *w)
{
	if (tap.ditto)
		ASSERT(knob_violations() <= 0);
	vm_free(w->l.vm);
	/* The rings' pages are still there. */
	w->ring[0][0].flags = 3;
}

/* Take what the VMM finds in a ring, until there is no more; how many, with a bit for each. */
static u32 harvest(struct world *w, unsigned int i, u8 *seen)
{
	u32 n = 0;

	for (;; n++) {
		struct kvm_dirty_gfn *e = &w->ring[i][w->next[i] % w->entries];

		if (__atomic_load_n(&e->flags, __ATOMIC_ACQUIRE) != KVM_DIRTY_GFN_F_DIRTY)
			return n;
		ASSERT_EQ(e->slot, SLOT);
		ASSERT(e->offset < PAGES);
		seen[e->offset]++;
		__atomic_store_n(&e->flags, KVM_DIRTY_GFN_F_RESET, __ATOMIC_RELEASE);
		w->next[i]++;
	}
}

/* The first ring has the pages [first, end), each once; they are reset. */
static void ring_expect(struct world *w, u64 first, u64 end)
{
	u8 seen[PAGES] = { };
	u64 n;

	ASSERT_EQ(harvest(w, 0, seen), end - first);
	for (n = 0; n < PAGES; n++)
		if (seen[n] != (n >= first && n < end))
			fail("page %lu is %u times in the ring", n, seen[n]);
	ASSERT_EQ(reset(w), end - first);
	ASSERT_EQ(reset(w), 0);
}

static void guest_writes(struct world *w, u64 first)
{
	vcpu_call(&w->l.vm->vcpu[0], "g_write_forever", SLOT_GPA + first * PAGE_SIZE);
	ASSERT_EQ(vcpu_enter(&w->l.vm->vcpu[0]), KVM_EXIT_IO);
}

static void bad_sizes(const void *arg)
{
	struct vm *vm = vm_new(&(struct vm_config) { .empty = true });
	struct kvm_dirty_log log = { .dirty_bitmap = &vm };
	struct kvm_clear_dirty_log clear = { .num_pages = 64, .dirty_bitmap = &vm };
	struct vcpu *vcpu;
	long page = 4096;

	ASSERT_EQ(vm_cap(vm, KVM_CAP_DIRTY_LOG_RING), MIB);
	ASSERT_EQ(vm_cap(vm, KVM_CAP_DIRTY_LOG_RING_ACQ_REL), MIB);
	ASSERT_EQ(vm_cap(vm, 225), 0);	/* ..._WITH_BITMAP */
	ASSERT_ERRNO(ioctl(vm->fd, KVM_RESET_DIRTY_RINGS, 0), EINVAL);
	ASSERT_ERRNO(enable(vm, KVM_CAP_DIRTY_LOG_RING, 0), EINVAL);
	ASSERT_ERRNO(enable(vm, KVM_CAP_DIRTY_LOG_RING, page / 2), EINVAL);
	ASSERT_ERRNO(enable(vm, KVM_CAP_DIRTY_LOG_RING, 3 * page), EINVAL);
	ASSERT_ERRNO(enable(vm, KVM_CAP_DIRTY_LOG_RING, 2 * MIB), E2BIG);
	ASSERT_ERRNO(ioctl(vm->fd, KVM_GET_DIRTY_LOG, &log), ENOENT);
	CHECKED(enable(vm, KVM_CAP_DIRTY_LOG_RING_ACQ_REL, 16 * page));
	ASSERT_ERRNO(enable(vm, KVM_CAP_DIRTY_LOG_RING, 16 * page), EINVAL);
	ASSERT_ERRNO(ioctl(vm->fd, KVM_GET_DIRTY_LOG, &log), ENXIO);
	ASSERT_ERRNO(ioctl(vm->fd, KVM_CLEAR_DIRTY_LOG, &clear), ENXIO);
	ASSERT_EQ(ioctl(vm->fd, KVM_RESET_DIRTY_RINGS, 0), 0);
	vcpu = vm_add_vcpu(vm, 0);
	ASSERT(mmap(NULL, page, PROT_READ, MAP_PRIVATE, vcpu->fd, RING_AT) == MAP_FAILED);
	ASSERT(mmap(NULL, page, PROT_READ | PROT_EXEC, MAP_SHARED, vcpu->fd, RING_AT) ==
	       MAP_FAILED);
	ASSERT(mmap(NULL, page, PROT_READ, MAP_SHARED, vcpu->fd, RING_AT + 15 * page) !=
	       MAP_FAILED);
	vm_free(vm);
	vm = vm_new(&(struct vm_config) { .empty = true });
	vm_add_vcpu(vm, 0);
	ASSERT_ERRNO(enable(vm, KVM_CAP_DIRTY_LOG_RING, page), EINVAL);
	need_ditto();
	ASSERT(mmap(NULL, page, PROT_READ, MAP_SHARED, vm->vcpu[0].fd, RING_AT) == MAP_FAILED);
	vm_free(vm);
}

/* Each page once, until it is reset; nothing of a slot that is not logged. */
static void entered_once(const void *kind)
{
	struct world *w = world_new(kind, 1, 1024);
	struct vcpu *vcpu = &w->l.vm->vcpu[0];

	slot_flags(w, 0);
	guest_writes(w, 100);
	ring_expect(w, 0, 0);
	slot_flags(w, KVM_MEM_LOG_DIRTY_PAGES);
	guest_writes(w, 100);
	ASSERT_EQ(vcpu_enter(vcpu), KVM_EXIT_IO);
	ring_expect(w, 100, 100 + ROUND);
	ASSERT_EQ(vcpu_enter(vcpu), KVM_EXIT_IO);
	ring_expect(w, 100, 100 + ROUND);
	/* Stock KVM enters it for each of three writes. */
	if (tap.ditto) {
		ASSERT_EQ(vcpu_try_set_msr(vcpu, MSR_KVM_WALL_CLOCK_NEW,
					   SLOT_GPA + 65 * PAGE_SIZE), 1);
		ring_expect(w, 65, 66);
	}
	slot_flags(w, 0);
	ASSERT_EQ(vcpu_enter(vcpu), KVM_EXIT_IO);
	ring_expect(w, 0, 0);
	world_end(w);
}

/* The vCPU waits while its ring is full, and goes on when there is room. */
static void full(const void *kind)
{
	struct world *w = world_new(kind, 1, 256);
	struct vcpu *vcpu = &w->l.vm->vcpu[0];
	u8 seen[PAGES] = { };
	u32 n, limit;

	slot_flags(w, KVM_MEM_LOG_DIRTY_PAGES);
	vcpu_call(vcpu, "g_write_forever", SLOT_GPA);
	ASSERT_EQ(vcpu_enter(vcpu), KVM_EXIT_DIRTY_RING_FULL);
	ASSERT_EQ(vcpu_enter(vcpu), KVM_EXIT_DIRTY_RING_FULL);
	ASSERT_EQ(reset(w), 0);
	ASSERT_EQ(vcpu_enter(vcpu), KVM_EXIT_DIRTY_RING_FULL);
	limit = harvest(w, 0, seen);
	note("full with %u of 256", limit);
	ASSERT(limit > 100 && limit <= 192);
	/* It is the reset that makes room. */
	ASSERT_EQ(vcpu_enter(vcpu), KVM_EXIT_DIRTY_RING_FULL);
	ASSERT_EQ(reset(w), limit);
	ASSERT_EQ(vcpu_enter(vcpu), KVM_EXIT_IO);
	/* The page that made it full was entered, and not yet written to. */
	ASSERT(harvest(w, 0, seen) <= ROUND - limit + 1);
	for (n = 0; n < ROUND; n++)
		ASSERT(seen[n] == 1 || (seen[n] == 2 && n == limit - 1));
	world_end(w);
}

/* A VMM that lets the kernel write more than a ring holds still gets all of it. */
static void overflow(const void *kind)
{
	struct world *w;
	u8 seen[PAGES] = { };
	u32 n;

	need_ditto();
	w = world_new(kind, 1, 256);
	slot_flags(w, KVM_MEM_LOG_DIRTY_PAGES);
	for (n = 0; n < 400; n++)
		ASSERT_EQ(vcpu_try_set_msr(&w->l.vm->vcpu[0], MSR_KVM_WALL_CLOCK_NEW,
					   SLOT_GPA + n * PAGE_SIZE), 1);
	ASSERT_EQ(harvest(w, 0, seen), 256);
	ASSERT_EQ(reset(w), 256);
	ASSERT_EQ(harvest(w, 0, seen), 144);
	ASSERT_EQ(reset(w), 144);
	ASSERT_EQ(harvest(w, 0, seen), 0);
	for (n = 0; n < PAGES; n++)
		ASSERT_EQ(seen[n], n < 400);
	world_end(w);
}

/* Entries that were never entered, and name what is not there, or another slot. */
static void made_up(const void *kind)
{
	struct world *w;
	u32 n;

	need_ditto();
	w = world_new(kind, 1, 1024);
	slot_flags(w, KVM_MEM_LOG_DIRTY_PAGES);
	for (n = 0; n < 1024; n++)
		w->ring[0][n] = (struct kvm_dirty_gfn) { KVM_DIRTY_GFN_F_RESET, n,
			~0ull << n % 64 };
	ASSERT_EQ(reset(w), 0);
	guest_writes(w, 0);
	for (n = 0; n < 1024; n++)
		w->ring[0][n] = (struct kvm_dirty_gfn) {
			3, n % 3 ? SLOT : n % 2 ? 0 : ~n, n % 5 ? n * 7 : ~0ull - n,
		};
	ASSERT_EQ(reset(w), ROUND);
	ASSERT_EQ(reset(w), 0);
	memset(w->ring[0], 0, 1024 * sizeof(struct kvm_dirty_gfn));
	w->next[0] = ROUND;
	slot_flags(w, 0);
	slot_flags(w, KVM_MEM_LOG_DIRTY_PAGES);
	guest_writes(w, 300);
	ring_expect(w, 300, 300 + ROUND);
	world_end(w);
}

/* A slot that moves takes its log along; one that is gone is in nobody's way. */
static void slots_change(const void *kind)
{
	struct world *w = world_new(kind, 1, 1024);
	u8 seen[PAGES] = { };

	slot_flags(w, KVM_MEM_LOG_DIRTY_PAGES);
	guest_writes(w, 0);
	CHECKED(logged_set(&w->l, KVM_MEM_LOG_DIRTY_PAGES, 2 * SLOT_GPA, PAGES * PAGE_SIZE));
	ring_expect(w, 0, ROUND);
	CHECKED(logged_set(&w->l, KVM_MEM_LOG_DIRTY_PAGES, SLOT_GPA, PAGES * PAGE_SIZE));
	guest_writes(w, 0);
	ASSERT_EQ(harvest(w, 0, seen), ROUND);
	CHECKED(logged_set(&w->l, 0, SLOT_GPA, 0));
	ASSERT_EQ(reset(w), ROUND);
	slot_flags(w, KVM_MEM_LOG_DIRTY_PAGES);
	guest_writes(w, 0);
	ring_expect(w, 0, ROUND);
	world_end(w);
}

static void *writer(void *arg)
{
	while (!stop) {
		int r = vcpu_enter(arg);

		if (r == KVM_EXIT_DIRTY_RING_FULL)
			usleep(100);
		else if (r != KVM_EXIT_IO)
			return (void *)1;
	}
	return NULL;
}

/* Copy what the rings report to where the machine is going; how many pages. */
static u32 migrate(struct world *w, u8 *copy)
{
	u8 seen[PAGES] = { };
	u32 got = harvest(w, 0, seen) + harvest(w, 1, seen);
	u64 n;

	ASSERT_EQ(reset(w), got);
	for (n = 0; n < PAGES; n++)
		if (seen[n])
			memcpy(copy + n * PAGE_SIZE, w->l.p + n * PAGE_SIZE, PAGE_SIZE);
	return got;
}

/* What is copied when the rings say so is all of it in the end. */
static void nothing_lost(const void *kind)
{
	struct world *w = world_new(kind, 2, 256);
	u8 *copy = calloc(PAGES, PAGE_SIZE);
	double end = now() + 3;
	u64 copied = 0, turn, rounds;

	for (turn = 0; now() < end; turn++) {
		slot_flags(w, KVM_MEM_LOG_DIRTY_PAGES);
		memcpy(copy, w->l.p, PAGES * PAGE_SIZE);
		writers_start(w->l.vm, writer);
		for (rounds = 0; rounds < 50; rounds++) {
			copied += migrate(w, copy);
			usleep(rounds % 4 * 1000);
		}
		writers_stop(w->l.vm);
		migrate(w, copy);
		ASSERT(!memcmp(copy, w->l.p, PAGES * PAGE_SIZE));
		slot_flags(w, 0);
	}
	note("%lu pages in %lu turns", copied, turn);
	ASSERT(copied > turn * ROUND);
	world_end(w);
}

static void *flipper(void *arg)
{
	struct world *w = arg;
	u64 size = PAGES * PAGE_SIZE;
	unsigned int i;

	for (i = 0; !stop; i++) {
		logged_set(&w->l, i & 1 ? KVM_MEM_LOG_DIRTY_PAGES : 0, SLOT_GPA, size);
		logged_set(&w->l, KVM_MEM_LOG_DIRTY_PAGES, (1 + i % 2) * SLOT_GPA, size);
		if (i % 4 == 3)
			logged_set(&w->l, 0, SLOT_GPA, 0);
	}
	return NULL;
}

/* Everything at once, over rings that somebody fills with anything. */
static void storm(const void *kind)
{
	struct world *w;
	double end = now() + 4;
	pthread_t flip;
	u32 n;

	need_ditto();
	w = world_new(kind, 2, 256);
	slot_flags(w, KVM_MEM_LOG_DIRTY_PAGES);
	writers_start(w->l.vm, stubborn);
	ASSERT(!pthread_create(&flip, NULL, flipper, w));
	while (now() < end) {
		for (n = 0; n < 256; n++)
			w->ring[n % 2][rand() % 256] = (struct kvm_dirty_gfn) {
				rand() % 4, rand() % 4 ? SLOT : rand(), rand() % 1000,
			};
		ASSERT(reset(w) <= 512);
		ioctl(w->l.vm->fd, KVM_RESET_DIRTY_RINGS, 0);
	}
	writers_stop(w->l.vm);
	pthread_join(flip, NULL);
	world_end(w);
}

#define BOTH(fn, ...) { #fn "_user", fn, "user", ##__VA_ARGS__ }, \
		      { #fn "_gmem", fn, "gmem", ##__VA_ARGS__ }

static const struct tap_test tests[] = {
	{ "bad_sizes", bad_sizes },
	BOTH(entered_once),
	BOTH(full),
	BOTH(overflow),
	BOTH(made_up),
	BOTH(slots_change),
	BOTH(nothing_lost, .seconds = 60),
	BOTH(storm, .seconds = 60),
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, tests, ARRAY_SIZE(tests));
}
