/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Machines that were forked, for the tests of forks and of resets.
 */
#ifndef SELFTESTS_FORKED_H
#define SELFTESTS_FORKED_H

#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "vm.h"

#define NONCE	0x1234567890abcdefull
#define MS	1000000ull

static inline void sleep_ms(unsigned int ms)
{
	usleep(ms * 1000);
}

static inline u64 now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ull + ts.tv_nsec / MS;
}

static inline int try_fork(struct vm *vm, struct ditto_fork *args)
{
	return ioctl(vm->fd, DITTO_FORK, args);
}

/* The child, to be used as any machine. */
static inline struct vm *fork_with(struct vm *parent, u32 flags)
{
	int fds[VM_MAX_VCPUS];
	struct ditto_fork args = { .flags = flags, .capacity = VM_MAX_VCPUS,
				   .vcpu_fds = (uintptr_t)fds };
	struct vm *vm = calloc(1, sizeof(*vm));
	unsigned int i;

	CHECKED(try_fork(parent, &args));
	ASSERT_EQ(args.count, parent->nr_vcpus);
	pthread_mutex_init(&vm->lock, NULL);
	vm->fd = args.vm_fd;
	vm->nr_vcpus = args.count;
	for (i = 0; i < args.count; i++) {
		struct vcpu *vcpu = &vm->vcpu[i];

		*vcpu = (struct vcpu) { .fd = fds[i], .id = parent->vcpu[i].id, .vm = vm,
					.run_size = parent->vcpu[i].run_size };
		vcpu->run = mmap(NULL, vcpu->run_size, PROT_READ | PROT_WRITE, MAP_SHARED,
				 vcpu->fd, 0);
		ASSERT(vcpu->run != MAP_FAILED);
	}
	vm->gmem = CHECKED(ioctl(vm->fd, DITTO_SLOT_GMEM, 0));
	vm->ram_size = parent->ram_size;
	vm->ram = gmem_map(vm->gmem, vm->ram_size);
	return vm;
}

static inline struct vm *fork_vm(struct vm *parent)
{
	return fork_with(parent, 0);
}

static inline void wait_trace(struct vm *vm, unsigned int nr)
{
	while (*(volatile unsigned int *)&vm->nr_traces < nr)
		sleep_ms(1);
}

static inline void stop(struct vm *vm)
{
	unsigned int i;

	vm_var(vm, u32, "g_fork_stop") = 1;
	for (i = 0; i < vm->nr_vcpus; i++)
		vcpu_join(&vm->vcpu[i]);
}

static inline void start_all(struct vm *vm)
{
	unsigned int i;

	for (i = 0; i < vm->nr_vcpus; i++)
		vcpu_start(&vm->vcpu[i]);
}

static inline u64 count_of(struct vm *vm, unsigned int cpu)
{
	return ((volatile u64 *)vm_symbol(vm, "g_fork_count"))[cpu];
}

/* Does it go on counting? */
static inline void must_count(struct vm *vm)
{
	u64 before = count_of(vm, 0);

	while (count_of(vm, 0) == before)
		sleep_ms(1);
}

/* Two vCPUs that count in turns, so that neither is ahead by more than one. */
static inline struct vm *counting_in_turns(void)
{
	struct vm *vm = vm_new(&(struct vm_config) { .vcpus = 2 });
	unsigned int i;

	for (i = 0; i < 2; i++)
		vcpu_call(&vm->vcpu[i], "g_fork_turns", i);
	start_all(vm);
	return vm;
}

static inline struct vm *counting(void)
{
	struct vm *vm = vm_new(NULL);

	vcpu_call(&vm->vcpu[0], "g_fork_counts", NONCE);
	vcpu_start(&vm->vcpu[0]);
	must_count(vm);
	return vm;
}

#endif
