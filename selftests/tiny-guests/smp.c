// SPDX-License-Identifier: GPL-2.0-only
/*
 * The VMM's side of code/smp.c: the other vCPUs run in threads, and wait there
 * for their INIT and SIPI.
 */
#include <unistd.h>

#include "guests.h"

static void start_others(struct vm *vm)
{
	unsigned int i;

	vm_var(vm, u32, "g_nr_cpus") = vm->nr_vcpus;
	for (i = 1; i < vm->nr_vcpus; i++)
		vcpu_start(&vm->vcpu[i]);
}

/* They wait for ever; the end of the test's process ends them. */
static void leave(struct vm *vm)
{
	_exit(0);
}

static void second_vcpu(struct vm *vm)
{
	vcpu_call(&vm->vcpu[1], "g_pingpong", 1);
	vcpu_start(&vm->vcpu[1]);
}

static void join_second(struct vm *vm)
{
	vcpu_join(&vm->vcpu[1]);
}

#define SMP(n) .config.vcpus = n, .before = start_others, .after = leave, .seconds = 60

static const struct guest_test tests[] = {
	{ .name = "count_2", .entry = "g_smp_count", SMP(2) },
	{ .name = "count_4", .entry = "g_smp_count", SMP(4) },
	{ .name = "ipi_2", .entry = "g_smp_ipi", SMP(2) },
	{ .name = "ipi_4", .entry = "g_smp_ipi", SMP(4) },
	{ .name = "nmi_init_sipi", .entry = "g_smp_nmi", SMP(3) },
	{ .name = "shootdown", .entry = "g_smp_shootdown", SMP(3) },
	{ .name = "g_pingpong", .config.vcpus = 2, .before = second_vcpu, .after = join_second,
	  .seconds = 60 },
};

const struct guest_group smp_group = { "smp", tests, ARRAY_SIZE(tests) };
