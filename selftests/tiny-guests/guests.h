/* SPDX-License-Identifier: GPL-2.0-only */
/* Tiny guests as tables: what runs, in which mode, and what the VMM must see. */
#ifndef SELFTESTS_GUESTS_H
#define SELFTESTS_GUESTS_H

#include "vm.h"

/**
 * struct guest_test - one tiny guest
 * @name: of the test
 * @entry: symbol of the image, by default @name
 * @mode: what vCPU 0 begins in
 * @arg: first argument in long mode
 * @config: of the machine
 * @exit: the exit that ends it; 0: the guest itself says that it is done
 * @seconds: time limit; 0: 20
 * @before: prepares the machine, may skip
 * @on_exit: devices of its own
 * @after: looks at what is left; also the place for everything unusual
 * @log, @nr_log: exactly these accesses came to user space, when given
 * @traces, @nr_traces: exactly these values were traced, when given
 */
struct guest_test {
	const char *name, *entry;
	enum mode mode;
	u64 arg;
	struct vm_config config;
	u32 exit;
	unsigned int seconds;
	void (*before)(struct vm *vm);
	bool (*on_exit)(struct vcpu *vcpu);
	void (*after)(struct vm *vm);
	const struct access *log;
	unsigned int nr_log;
	const u64 *traces;
	unsigned int nr_traces;
};

#define LOG(...) .log = (const struct access[]){ __VA_ARGS__ }, \
	.nr_log = ARRAY_SIZE(((const struct access[]){ __VA_ARGS__ }))
#define TRACES(...) .traces = (const u64[]){ __VA_ARGS__ }, \
	.nr_traces = ARRAY_SIZE(((const u64[]){ __VA_ARGS__ }))

struct guest_group {
	const char *name;
	const struct guest_test *tests;
	unsigned int count;
};

extern const struct guest_group cpu_group, io_group, mmio_group, fault_group, mode_group,
	irq_group, apic_group, smp_group, state_group, event_group, task_group;

/* True, once, for the trace that the guest just sent; its value is in *value. */
bool traced(struct vcpu *vcpu, u32 *value);

/* Skips on Bochs's AMD CPUs, for what Documentation/emulators.md says that they cannot. */
void bochs_amd_lacks(const char *what);

/* Is it QEMU's, which switches tasks without an exit, unlike all AMD's, and has no next-RIP? */
bool cpu_is_qemus(void);

/* Skip the test on that CPU when guests run on shadow tables. */
void qemu_shadow_lacks(const char *what);

/* For on_exit: a trace of 1 raises the line of a GSI, any other lowers it. */
bool trace_moves_line(struct vcpu *vcpu, u32 gsi);

#endif
