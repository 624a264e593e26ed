// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a fork costs: TSC ticks, system calls included; in a host with --icount a tick is an
 * instruction. One line per figure: name and figure.
 *	fork_SIZE_ioctl		DITTO_FORK of a machine with one vCPU and so much memory
 *	fork_SIZE_first		from its begin to the child's first exit, whose guest does no more
 *				than one instruction
 *	fork_SIZE_pause		of that, what the parent's vCPU had to wait for, if it ran; in such
 *				a host a nanosecond is an instruction, too
 *	fork_SIZE_gap		the longest time that the running parent was out of the guest
 *				meanwhile; with one CPU in the host that is the whole ioctl
 *	reset_SIZE_0		DITTO_RESET of a machine that has written nothing since the last
 *	reset_SIZE_N		and of one whose guest has written to some N random pages, 128 of
 *				them in the first 64 MiB, with some of its registers and timers
 */
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <x86intrin.h>

#include "vm.h"

#define COUNT	5
#define GIB	(1024 * MIB)

static const struct size {
	const char *name;
	u64 more;
} sizes[] = { { "64m", 56 * MIB }, { "1g", GIB }, { "1t", 1000 * GIB } };

struct cost {
	u64 ioctl, first;
};

static u64 least(u64 a, u64 b)
{
	return a && a < b ? a : b;
}

static void fork_once(struct vm *vm, struct cost *cost)
{
	int fd;
	struct ditto_fork args = { .capacity = 1, .vcpu_fds = (uintptr_t)&fd };
	u64 begin = __rdtsc(), made, first;

	CHECKED(ioctl(vm->fd, DITTO_FORK, &args));
	made = __rdtsc();
	CHECKED(ioctl(fd, KVM_RUN, 0));
	first = __rdtsc();
	cost->ioctl = least(cost->ioctl, made - begin);
	cost->first = least(cost->first, first - begin);
	close(fd);
	close(args.vm_fd);
}

static void measure(const struct size *size)
{
	struct vm *vm = vm_new(NULL);
	int gmem = gmem_new(size->more, 0);
	struct cost cost = { };
	unsigned int i;

	CHECKED(vm_set_gmem_slot(vm, 1, 0, 4 * GIB, size->more, gmem, 0));
	vcpu_call(&vm->vcpu[0], "g_fork_exits", 0);
	for (i = 0; i < 10; i++)
		ASSERT_EQ(vcpu_enter(&vm->vcpu[0]), KVM_EXIT_IO);
	for (i = 0; i < COUNT; i++)
		fork_once(vm, &cost);
	printf("fork_%s_ioctl %lu\n", size->name, cost.ioctl);
	printf("fork_%s_first %lu\n", size->name, cost.first);
	vm_free(vm);
	close(gmem);
}

/* What KVM_GET_STATS_FD's file says of a name. */
static u64 stat_of(int fd, const char *name)
{
	struct kvm_stats_header h;
	struct {
		struct kvm_stats_desc desc;
		char name[64];
	} d;
	u64 value;
	u32 i;

	ASSERT_EQ(pread(fd, &h, sizeof(h), 0), sizeof(h));
	for (i = 0; i < h.num_desc; i++) {
		ASSERT(pread(fd, &d, sizeof(d.desc) + h.name_size,
			     h.desc_offset + i * (sizeof(d.desc) + h.name_size)) > 0);
		if (strcmp(d.name, name))
			continue;
		ASSERT_EQ(pread(fd, &value, sizeof(value), h.data_offset + d.desc.offset),
			  sizeof(value));
		return value;
	}
	fail("there is no %s", name);
}

static void measure_gap(const struct size *size)
{
	struct vm *vm = vm_new(NULL);
	int gmem = gmem_new(size->more, 0);
	u64 gap, best = 0, paused, pause = 0;
	unsigned int i;
	int fd, stats = CHECKED(ioctl(vm->fd, KVM_GET_STATS_FD, 0));

	CHECKED(vm_set_gmem_slot(vm, 1, 0, 4 * GIB, size->more, gmem, 0));
	vcpu_call(&vm->vcpu[0], "g_fork_gaps", 0);
	vcpu_start(&vm->vcpu[0]);
	for (i = 0; i < COUNT; i++) {
		struct ditto_fork args = { .capacity = 1, .vcpu_fds = (uintptr_t)&fd };

		usleep(20000);
		vm_var(vm, u64, "g_fork_gap") = 0;
		paused = stat_of(stats, "pause_ns");
		CHECKED(ioctl(vm->fd, DITTO_FORK, &args));
		pause = least(pause, stat_of(stats, "pause_ns") - paused);
		usleep(100);
		gap = vm_var(vm, u64, "g_fork_gap");
		best = least(best, gap);
		close(fd);
		close(args.vm_fd);
	}
	vm_var(vm, u32, "g_fork_stop") = 1;
	vcpu_join(&vm->vcpu[0]);
	printf("fork_%s_gap %lu\n", size->name, best);
	printf("fork_%s_pause %lu\n", size->name, pause);
	close(stats);
	vm_free(vm);
	close(gmem);
}

#define RESET_RAM	(64 * MIB)

static u64 reset_once(struct vm *child)
{
	u64 begin = __rdtsc();

	CHECKED(ioctl(child->fd, DITTO_RESET));
	return __rdtsc() - begin;
}

/* The child runs to its second exit; what it brings again after a reset is the first. */
static void reset_dirty(int fd)
{
	CHECKED(ioctl(fd, KVM_RUN, 0));
	CHECKED(ioctl(fd, KVM_RUN, 0));
}

static void measure_reset(const struct size *size, unsigned int pages)
{
	struct vm *vm = vm_new(&(struct vm_config) { .ram = RESET_RAM }), child = { };
	int gmem = gmem_new(size->more, 0), fd;
	struct ditto_fork args = { .flags = DITTO_FORK_RESETTABLE, .capacity = 1,
				   .vcpu_fds = (uintptr_t)&fd };
	u64 i, clean = 0, dirty = 0;

	memset(vm->ram + 4 * MIB, 1, RESET_RAM / 2);
	CHECKED(vm_set_gmem_slot(vm, 1, 0, 4 * GIB, size->more, gmem, 0));
	vm_var(vm, u64, "g_reset_seed") = 1;
	vcpu_call(&vm->vcpu[0], "g_reset_dirties", pages);
	ASSERT_EQ(vcpu_enter(&vm->vcpu[0]), KVM_EXIT_IO);
	CHECKED(ioctl(vm->fd, DITTO_FORK, &args));
	child.fd = args.vm_fd;
	reset_once(&child);
	for (i = 0; i < COUNT; i++) {
		reset_dirty(fd);
		dirty = least(dirty, reset_once(&child));
		clean = least(clean, reset_once(&child));
	}
	printf("reset_%s_0 %lu\n", size->name, clean);
	printf("reset_%s_%u %lu\n", size->name, pages, dirty);
	close(fd);
	close(args.vm_fd);
	vm_free(vm);
	close(gmem);
}

int main(int argc, char **argv)
{
	size_t i;

	tap.dev = "/dev/ditto";
	tap.ditto = tap.gmem = true;
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		measure(&sizes[i]);
		measure_gap(&sizes[i]);
		measure_reset(&sizes[i], 128);
	}
	return 0;
}
