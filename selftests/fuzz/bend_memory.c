// SPDX-License-Identifier: GPL-2.0-only
/*
 * A machine's memory: gmems, memslots over them and over the process's own memory, their dirty
 * logs, and what a range is.
 */
#include <linux/fs.h>
#include <sys/mman.h>

#include "bend.h"

static void *extra_at(struct world *w, struct rng *r)
{
	return w->extra + rng_below(r, WORLD_EXTRA / PAGE_SIZE) * PAGE_SIZE;
}

void bend_create_gmem(struct world *w, struct rng *r, void *arg)
{
	*(struct ditto_create_gmem *)arg = (struct ditto_create_gmem) {
		.size = rng_one_in(r, 4) ? rng_interesting(r) : rng_below(r, 1000) * PAGE_SIZE,
		.flags = rng_below(r, 3), .reserved[0] = rng_one_in(r, 16),
	};
}

void bend_slot(struct world *w, struct rng *r, void *arg)
{
	*(struct kvm_userspace_memory_region *)arg = (struct kvm_userspace_memory_region) {
		.slot = rng_one_in(r, 16) ? rng_interesting(r) : 1 + rng_below(r, 6),
		.flags = rng_one_in(r, 4) ? rng_below(r, 16) : 0,
		.guest_phys_addr = rng_one_in(r, 8) ? rng_interesting(r) :
			WORLD_EXTRA_GPA + rng_below(r, 1024) * PAGE_SIZE,
		.memory_size = rng_one_in(r, 3) ? 0 :
			rng_one_in(r, 8) ? rng_interesting(r) : rng_below(r, 512) * PAGE_SIZE,
		.userspace_addr = (uintptr_t)extra_at(w, r),
	};
}

void bend_slot2(struct world *w, struct rng *r, void *arg)
{
	struct region2 *slot = arg;

	bend_slot(w, r, arg);	/* what both structures begin with */
	slot->guest_memfd = world_fd(r, w->gmems, WORLD_GMEMS);
	slot->guest_memfd_offset = rng_one_in(r, 8) ? rng_interesting(r) :
				   rng_below(r, 64) * PAGE_SIZE;
}

void bend_guest_memfd(struct world *w, struct rng *r, void *arg)
{
	*(struct guest_memfd *)arg = (struct guest_memfd) {
		.size = rng_one_in(r, 8) ? rng_interesting(r) : rng_below(r, 1000) * PAGE_SIZE,
		.flags = rng_one_in(r, 16) ? rng_interesting(r) : 0,
	};
}

void bend_attributes(struct world *w, struct rng *r, void *arg)
{
	*(struct attributes *)arg = (struct attributes) {
		.gpa = rng_one_in(r, 8) ? rng_interesting(r) :
			WORLD_EXTRA_GPA + rng_below(r, 1024) * PAGE_SIZE,
		.size = rng_one_in(r, 8) ? rng_interesting(r) : rng_below(r, 512) * PAGE_SIZE,
		.attributes = rng_one_in(r, 16) ? rng_interesting(r) :
			rng_one_in(r, 2) * ATTRIBUTE_PRIVATE,
		.flags = rng_one_in(r, 32),
	};
}

void bend_gmem_slot(struct world *w, struct rng *r, void *arg)
{
	*(struct ditto_gmem_region *)arg = (struct ditto_gmem_region) {
		.slot = 1 + rng_below(r, 6),
		.flags = rng_one_in(r, 4) ? rng_below(r, 16) : 0,
		.guest_phys_addr = rng_one_in(r, 8) ? rng_interesting(r) :
			WORLD_EXTRA_GPA + rng_below(r, 1024) * PAGE_SIZE,
		.memory_size = rng_one_in(r, 3) ? 0 :
			rng_one_in(r, 8) ? rng_interesting(r) : rng_below(r, 512) * PAGE_SIZE,
		.gmem_fd = rng_one_in(r, 16) ? event(w, r) : world_fd(r, w->gmems, WORLD_GMEMS),
		.gmem_offset = rng_one_in(r, 8) ? rng_interesting(r) :
			rng_below(r, 64) * PAGE_SIZE,
	};
}

/* A bitmap with a little room, so that large slots' end in nothing. */
static void *some_bitmap(struct rng *r)
{
	static __thread u8 *room;

	if (!room) {
		room = mmap(NULL, 3 * PAGE_SIZE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		mprotect(room + 2 * PAGE_SIZE, PAGE_SIZE, PROT_NONE);
	}
	return rng_one_in(r, 16) ? NULL : room + rng_below(r, 2 * PAGE_SIZE);
}

void bend_dirty_log(struct world *w, struct rng *r, void *arg)
{
	*(struct kvm_dirty_log *)arg = (struct kvm_dirty_log) {
		.slot = rng_one_in(r, 16) ? rng_interesting(r) : 1 + rng_below(r, 6),
		.dirty_bitmap = some_bitmap(r),
	};
}

void bend_clear_dirty_log(struct world *w, struct rng *r, void *arg)
{
	*(struct kvm_clear_dirty_log *)arg = (struct kvm_clear_dirty_log) {
		.slot = rng_one_in(r, 16) ? rng_interesting(r) : 1 + rng_below(r, 6),
		.first_page = rng_one_in(r, 8) ? rng_interesting(r) : rng_below(r, 8) * 64,
		.num_pages = rng_one_in(r, 8) ? rng_interesting(r) :
			rng_one_in(r, 4) ? rng_below(r, 512) : rng_below(r, 8) * 64,
		.dirty_bitmap = some_bitmap(r),
	};
}

void bend_pre_fault(struct world *w, struct rng *r, void *arg)
{
	*(struct pre_fault *)arg = (struct pre_fault) {
		.gpa = rng_one_in(r, 4) ? rng_interesting(r) :
			WORLD_EXTRA_GPA + rng_below(r, 1024) * PAGE_SIZE,
		.size = rng_one_in(r, 8) ? rng_interesting(r) : rng_below(r, 512) * PAGE_SIZE,
		.flags = rng_one_in(r, 32),
	};
}

void bend_clone(struct world *w, struct rng *r, void *arg)
{
	*(struct file_clone_range *)arg = (struct file_clone_range) {
		.src_fd = world_fd(r, w->gmems, WORLD_GMEMS),
		.src_offset = rng_one_in(r, 8) ? rng_interesting(r) : 0,
		.src_length = rng_one_in(r, 8) ? rng_interesting(r) : 0,
		.dest_offset = rng_one_in(r, 8) ? rng_interesting(r) : 0,
	};
}
