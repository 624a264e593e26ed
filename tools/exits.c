// SPDX-License-Identifier: GPL-2.0-only
/*
 * What to do when KVM_RUN returns: port I/O and MMIO go to the devices, and
 * everything else ends the machine with a status and a reason. Every exit has
 * a name, so that one we never asked for is still reported clearly.
 */
#include "vm.h"
#include "util.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *const exit_names[] = {
	[KVM_EXIT_UNKNOWN] = "UNKNOWN",
	[KVM_EXIT_EXCEPTION] = "EXCEPTION",
	[KVM_EXIT_IO] = "IO",
	[KVM_EXIT_HYPERCALL] = "HYPERCALL",
	[KVM_EXIT_DEBUG] = "DEBUG",
	[KVM_EXIT_HLT] = "HLT",
	[KVM_EXIT_MMIO] = "MMIO",
	[KVM_EXIT_IRQ_WINDOW_OPEN] = "IRQ_WINDOW_OPEN",
	[KVM_EXIT_SHUTDOWN] = "SHUTDOWN",
	[KVM_EXIT_FAIL_ENTRY] = "FAIL_ENTRY",
	[KVM_EXIT_INTR] = "INTR",
	[KVM_EXIT_SET_TPR] = "SET_TPR",
	[KVM_EXIT_TPR_ACCESS] = "TPR_ACCESS",
	[KVM_EXIT_NMI] = "NMI",
	[KVM_EXIT_INTERNAL_ERROR] = "INTERNAL_ERROR",
	[KVM_EXIT_SYSTEM_EVENT] = "SYSTEM_EVENT",
	[KVM_EXIT_IOAPIC_EOI] = "IOAPIC_EOI",
	[KVM_EXIT_HYPERV] = "HYPERV",
	[KVM_EXIT_X86_RDMSR] = "X86_RDMSR",
	[KVM_EXIT_X86_WRMSR] = "X86_WRMSR",
	[KVM_EXIT_DIRTY_RING_FULL] = "DIRTY_RING_FULL",
	[KVM_EXIT_X86_BUS_LOCK] = "X86_BUS_LOCK",
	[KVM_EXIT_XEN] = "XEN",
	[KVM_EXIT_NOTIFY] = "NOTIFY",
};

static const char *exit_name(uint32_t reason)
{
	if (reason < ARRAY_SIZE(exit_names) && exit_names[reason])
		return exit_names[reason];
	return "not known to this program";
}

/* The reason, then the registers; freed strings only, as other threads go on. */
static void fail_with_dump(struct vcpu *vcpu, int status, const char *why)
{
	char *dump = vcpu_dump(vcpu);

	vm_fail(vcpu->vm, status, "vCPU %u: %s\n%s", vcpu->id, why, dump ? dump : "");
	free(dump);
}

/* Where nothing is, all bits are ones. */
static void exit_mmio(struct vm *vm, struct kvm_run *run)
{
	if (!bus_mmio(&vm->bus, run) && !run->mmio.is_write)
		memset(run->mmio.data, 0xff, sizeof(run->mmio.data));
}

static void exit_fail_entry(struct vcpu *vcpu)
{
	char why[96];

	snprintf(why, sizeof(why), "the CPU refused to enter the guest, hardware reason 0x%llx",
		 (unsigned long long)vcpu->run->fail_entry.hardware_entry_failure_reason);
	fail_with_dump(vcpu, VM_KVM_ERROR, why);
}

static const char *internal_error_name(uint32_t suberror)
{
	switch (suberror) {
	case KVM_INTERNAL_ERROR_EMULATION:
		return "an instruction could not be emulated";
	case KVM_INTERNAL_ERROR_SIMUL_EX:
		return "two exceptions at once";
	case KVM_INTERNAL_ERROR_DELIVERY_EV:
		return "an exit while an event was delivered";
	case KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON:
		return "the hardware exited for an unexpected reason";
	default:
		return "unknown kind";
	}
}

static size_t append_insn_bytes(const struct kvm_run *run, char *to, size_t len)
{
	size_t at, count = run->emulation_failure.insn_size;

	if (run->internal.suberror != KVM_INTERNAL_ERROR_EMULATION || run->internal.ndata < 3 ||
	    !(run->emulation_failure.flags & KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES))
		return 0;
	at = snprintf(to, len, "; instruction bytes:");
	for (size_t i = 0; i < count && i < sizeof(run->emulation_failure.insn_bytes); i++)
		at += snprintf(to + at, len - at, " %02x", run->emulation_failure.insn_bytes[i]);
	return at;
}

static void exit_internal_error(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	char why[512];
	size_t at;

	at = snprintf(why, sizeof(why), "KVM internal error %u: %s", run->internal.suberror,
		      internal_error_name(run->internal.suberror));
	at += append_insn_bytes(run, why + at, sizeof(why) - at);
	for (uint32_t i = 0; i < run->internal.ndata && i < 8; i++)
		at += snprintf(why + at, sizeof(why) - at, "%s0x%llx", i ? " " : "; data: ",
			       (unsigned long long)run->internal.data[i]);
	fail_with_dump(vcpu, VM_KVM_ERROR, why);
}

static void exit_system_event(struct vcpu *vcpu)
{
	switch (vcpu->run->system_event.type) {
	case KVM_SYSTEM_EVENT_SHUTDOWN:
		vm_stop(vcpu->vm, VM_POWEROFF);
		break;
	case KVM_SYSTEM_EVENT_RESET:
		vm_stop(vcpu->vm, VM_REBOOT);
		break;
	case KVM_SYSTEM_EVENT_CRASH:
		vm_fail(vcpu->vm, VM_GUEST_CRASH, "vCPU %u: the guest reported a crash", vcpu->id);
		break;
	default:
		vm_fail(vcpu->vm, VM_KVM_ERROR, "vCPU %u: unknown system event %u", vcpu->id,
			vcpu->run->system_event.type);
	}
}

static void exit_unexpected(struct vcpu *vcpu)
{
	char why[96];

	snprintf(why, sizeof(why), "unexpected exit %u (%s)", vcpu->run->exit_reason,
		 exit_name(vcpu->run->exit_reason));
	fail_with_dump(vcpu, VM_KVM_ERROR, why);
}

/**
 * vcpu_handle_exit() - KVM_RUN returned 0; the vCPU's own thread
 * @vcpu: the vCPU
 */
void vcpu_handle_exit(struct vcpu *vcpu)
{
	switch (vcpu->run->exit_reason) {
	case KVM_EXIT_IO:
		ioports_exit(&vcpu->vm->ports, vcpu->run);
		break;
	case KVM_EXIT_MMIO:
		exit_mmio(vcpu->vm, vcpu->run);
		break;
	case KVM_EXIT_INTR:
	case KVM_EXIT_IRQ_WINDOW_OPEN:
		break;
	case KVM_EXIT_SHUTDOWN:
		fail_with_dump(vcpu, VM_SHUTDOWN, "triple fault");
		break;
	case KVM_EXIT_SYSTEM_EVENT:
		exit_system_event(vcpu);
		break;
	case KVM_EXIT_FAIL_ENTRY:
		exit_fail_entry(vcpu);
		break;
	case KVM_EXIT_INTERNAL_ERROR:
		exit_internal_error(vcpu);
		break;
	default:
		exit_unexpected(vcpu);
	}
}

/**
 * vcpu_run_failed() - KVM_RUN failed for good; the vCPU's own thread
 * @vcpu: the vCPU
 * @err: errno
 */
void vcpu_run_failed(struct vcpu *vcpu, int err)
{
	char why[128];

	snprintf(why, sizeof(why), "KVM_RUN: %s%s", strerror(err),
		 err == EFAULT || err == ENOMEM ? " (guest memory could not be had)" : "");
	fail_with_dump(vcpu, VM_KVM_ERROR, why);
}
