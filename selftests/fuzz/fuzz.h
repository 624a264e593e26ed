/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The fuzzer's parts. A round is one process with a world of its own: a machine, its
 * memory, and whatever fds come to be. Threads of it attack that world, each with its
 * own random numbers, until the round's time is over; then the process ends, with
 * ioctls still in flight, and the parent asks the module whether all is well.
 */
#ifndef SELFTESTS_FUZZ_H
#define SELFTESTS_FUZZ_H

#include <setjmp.h>
#include <stdatomic.h>

#include "vm.h"

#define WORLD_VMS	3
#define WORLD_VCPUS	4
#define WORLD_GMEMS	4
#define WORLD_EVENTS	4
#define WORLD_DISKS	3
/* A second piece of guest memory, which slots come and go over. */
#define WORLD_EXTRA	(2 * MIB)
#define WORLD_EXTRA_GPA	0x10000000ul
#define SECRET_SIZE	16

/**
 * struct rng - random numbers of one thread (xorshift64*)
 * @state: never 0
 */
struct rng {
	u64 state;
};

static inline u64 rng_next(struct rng *r)
{
	r->state ^= r->state >> 12;
	r->state ^= r->state << 25;
	r->state ^= r->state >> 27;
	return r->state * 0x2545f4914f6cdd1dull;
}

/* 0 to @n - 1. */
static inline u32 rng_below(struct rng *r, u32 n)
{
	return (rng_next(r) >> 32) % n;
}

static inline bool rng_one_in(struct rng *r, u32 n)
{
	return !rng_below(r, n);
}

void rng_seed(struct rng *r, u64 seed, u64 stream);
/* Numbers at the edges of what code compares with, and plain random ones. */
u64 rng_interesting(struct rng *r);
void rng_fill(struct rng *r, void *buffer, size_t size);

/**
 * struct world - what a round's threads attack
 * @dev: the device
 * @mount: a directory whose files are gmems, or -1
 * @vm: the machine whose vCPUs run; made by the library, so that it works at first
 * @vms, @vcpus, @gmems, @events, @disks: fds; any thread may close one and put in another.
 *	The first of @vms and of @vcpus are @vm's own and stay open.
 * @runs: mappings of kvm_run, for those of @vm's vCPUs
 * @extra: memory of the process, WORLD_EXTRA bytes, for slots over it
 * @uffd: tells of what is missing of @extra's second half, or -1
 * @rings: mappings of dirty rings, of those vCPUs
 * @ring_size: their entries; 0: there are none
 * @snapshot: the first 64 KiB of guest memory as the library laid them out
 * @modes: system registers of a vCPU in each mode
 * @end: threads stop
 */
struct world {
	int dev, mount;
	struct vm *vm;
	atomic_int vms[WORLD_VMS], vcpus[WORLD_VCPUS], gmems[WORLD_GMEMS], events[WORLD_EVENTS];
	atomic_int disks[WORLD_DISKS];
	u8 *extra;
	int uffd;
	struct kvm_dirty_gfn *rings[WORLD_VCPUS];
	unsigned int ring_size;
	u8 snapshot[64 * 1024];
	struct kvm_sregs modes[MODE_RESET];
	atomic_bool end;
};

void world_make(struct world *w, struct rng *r);
int world_fd(struct rng *r, atomic_int *fds, unsigned int count);
/* Keeps a new fd instead of another one, or closes it. */
void world_keep(struct rng *r, atomic_int *fds, unsigned int first, unsigned int count, int fd);
/* Threads that change memory behind slots, and scribble over kvm_run. */
void *world_disturb(void *world);
void *world_scribble(void *world);
/* A thread that gives what @uffd tells of, sooner or later. */
void *world_provide(void *world);

/* Memory that another thread may take away meanwhile: false, and nothing more, if so. */
bool careful_copy(void *to, const void *from, size_t size);
void careful_install(void);

/* One random ioctl. */
void call_random(struct world *w, struct rng *r);
/* From here on in this thread an allocation now and then fails, where the kernel can. */
void call_with_failures(void);

/* Code and registers for a vCPU of @vm, then KVM_RUN for some exits. */
void code_run(struct world *w, struct vcpu *vcpu, struct rng *r);
/* Descriptors and gates of every kind, and TSSs that lead to others; at any time. */
void code_change_tables(struct world *w, struct rng *r);

/**
 * struct fuzz_counts - what rounds did, shared with them, so that it can be seen whether
 *	they do anything
 * @calls, @accepted: ioctls other than KVM_RUN, and those that did not fail
 * @exits: returns of KVM_RUN by exit reason; what is not known counts as the last
 */
struct fuzz_counts {
	atomic_ulong calls, accepted, exits[64];
};

extern struct fuzz_counts *counts;

/* The secret: bytes that lie in freed memory and in a neighbour's, and nowhere else. */
void secret_make(struct rng *r);
void secret_spray(void);
void secret_fill(void *buffer, size_t size);
/* Fails the round, with @where, when the secret is in there. */
void secret_search(const void *buffer, size_t size, const char *where);
bool secret_is_all(const void *buffer, size_t size);

#endif
