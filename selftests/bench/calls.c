// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the ioctls cost that a VMM makes while its guest runs: TSC ticks, the system call
 * included. In a host with --icount a tick is an instruction. One line per ioctl: name
 * and figure.
 */
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <x86intrin.h>

#include "vm.h"

#define COUNT	2000

static struct vm *vm;

static union {
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	struct kvm_fpu fpu;
	struct kvm_lapic_state lapic;
	struct kvm_vcpu_events events;
	struct kvm_mp_state mp_state;
	struct kvm_debugregs debugregs;
	struct kvm_xcrs xcrs;
	struct { struct kvm_msrs head; struct kvm_msr_entry entry; } msr;
	struct kvm_irq_level line;
	struct kvm_msi msi;
} arg;

/**
 * struct call - an ioctl that is measured
 * @name: of its line
 * @cmd: its number
 * @get: filled @arg before, or 0
 * @on_vm: it is the VM's
 */
static const struct call {
	const char *name;
	unsigned long cmd, get;
	bool on_vm;
} calls[] = {
	{ "call_run", KVM_RUN },
	{ "call_get_regs", KVM_GET_REGS },
	{ "call_set_regs", KVM_SET_REGS, KVM_GET_REGS },
	{ "call_get_sregs", KVM_GET_SREGS },
	{ "call_set_sregs", KVM_SET_SREGS, KVM_GET_SREGS },
	{ "call_get_fpu", KVM_GET_FPU },
	{ "call_set_fpu", KVM_SET_FPU, KVM_GET_FPU },
	{ "call_get_msrs", KVM_GET_MSRS },
	{ "call_set_msrs", KVM_SET_MSRS, KVM_GET_MSRS },
	{ "call_get_events", KVM_GET_VCPU_EVENTS },
	{ "call_set_events", KVM_SET_VCPU_EVENTS, KVM_GET_VCPU_EVENTS },
	{ "call_get_mp_state", KVM_GET_MP_STATE },
	{ "call_set_mp_state", KVM_SET_MP_STATE, KVM_GET_MP_STATE },
	{ "call_get_debugregs", KVM_GET_DEBUGREGS },
	{ "call_get_lapic", KVM_GET_LAPIC },
	{ "call_set_lapic", KVM_SET_LAPIC, KVM_GET_LAPIC },
	{ "call_nmi", KVM_NMI },
	{ "call_irq_line", KVM_IRQ_LINE, .on_vm = true },
	{ "call_signal_msi", KVM_SIGNAL_MSI, .on_vm = true },
};

/* What the ioctl is to be told, where nothing else has filled it. */
static void prepare(const struct call *call)
{
	memset(&arg, 0, sizeof(arg));
	vm->vcpu[0].run->immediate_exit = 1;
	if (call->cmd == KVM_GET_MSRS || call->get == KVM_GET_MSRS) {
		arg.msr.head.nmsrs = 1;
		arg.msr.entry.index = 0xc0000082;	/* LSTAR */
	} else if (call->cmd == KVM_SIGNAL_MSI) {
		arg.msi = (struct kvm_msi) { .address_lo = 0xfee00000, .data = 0x40 };
	}
	if (call->get && ioctl(vm->vcpu[0].fd, call->get, &arg) < 0)
		fail("%s: %s", call->name, strerror(errno));
}

static double per_call(const struct call *call)
{
	int fd = call->on_vm ? vm->fd : vm->vcpu[0].fd;
	/* With immediate_exit KVM_RUN ends at once, by its own kind of error. */
	bool run = call->cmd == KVM_RUN;
	void *where = run ? NULL : &arg;
	u64 begin;
	int i;

	prepare(call);
	begin = __rdtsc();
	for (i = 0; i < COUNT; i++)
		if (ioctl(fd, call->cmd, where) < 0 && !run)
			fail("%s: %s", call->name, strerror(errno));
	return (double)(__rdtsc() - begin) / COUNT;
}

int main(int argc, char **argv)
{
	size_t i;

	if (argc < 2) {
		fprintf(stderr, "usage: %s DEVICE\n", argv[0]);
		return 2;
	}
	tap.dev = argv[1];
	tap.gmem = tap.ditto = strcmp(tap.dev, "/dev/kvm");
	vm = vm_new(&(struct vm_config) { .user = true });
	vcpu_enter_mode(&vm->vcpu[0], MODE_LONG, image_symbol("g_bench_empty"));
	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		per_call(&calls[i]);
		printf("%s %.0f\n", calls[i].name, per_call(&calls[i]));
	}
	vm_free(vm);
	return 0;
}
