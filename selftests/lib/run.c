// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs vCPUs and plays the VMM's devices: ports that answer reads with
 * successive bytes, a piece of MMIO that behaves as memory, and the two ports by
 * which tiny guests report.
 */
#include <stdio.h>
#include <sys/ioctl.h>

#include "vm.h"

const char *exit_name(u32 reason)
{
	static const char *const names[] = {
		[KVM_EXIT_UNKNOWN] = "UNKNOWN", [KVM_EXIT_EXCEPTION] = "EXCEPTION",
		[KVM_EXIT_IO] = "IO", [KVM_EXIT_HYPERCALL] = "HYPERCALL",
		[KVM_EXIT_DEBUG] = "DEBUG", [KVM_EXIT_HLT] = "HLT", [KVM_EXIT_MMIO] = "MMIO",
		[KVM_EXIT_IRQ_WINDOW_OPEN] = "IRQ_WINDOW_OPEN",
		[KVM_EXIT_SHUTDOWN] = "SHUTDOWN", [KVM_EXIT_FAIL_ENTRY] = "FAIL_ENTRY",
		[KVM_EXIT_INTR] = "INTR", [KVM_EXIT_SET_TPR] = "SET_TPR",
		[KVM_EXIT_INTERNAL_ERROR] = "INTERNAL_ERROR",
		[KVM_EXIT_SYSTEM_EVENT] = "SYSTEM_EVENT",
	};
	static char number[24];

	if (reason < ARRAY_SIZE(names) && names[reason])
		return names[reason];
	snprintf(number, sizeof(number), "%u", reason);
	return number;
}

int vcpu_enter(struct vcpu *vcpu)
{
	if (ioctl(vcpu->fd, KVM_RUN, 0) == -1)
		return -errno;
	return vcpu->run->exit_reason;
}

/* As written by code/report.c. */
struct guest_failure {
	u64 file, what, got, want;
	u32 line;
};

static const char *guest_text(struct vm *vm, u64 gpa)
{
	return gpa < vm->ram_size - 256 ? (const char *)vm->ram + gpa : "?";
}

static void note_traces(struct vm *vm)
{
	unsigned int i;

	for (i = vm->nr_traces > 8 ? vm->nr_traces - 8 : 0; i < vm->nr_traces; i++)
		note("trace %u: %#lx", i, vm->traces[i]);
}

static void guest_failed(struct vcpu *vcpu)
{
	struct guest_failure *f = vm_symbol(vcpu->vm, "g_failure");

	note_traces(vcpu->vm);
	fail("guest, vCPU %u: %s:%u: %s is %#llx, want %#llx", vcpu->id,
	     guest_text(vcpu->vm, f->file), f->line, guest_text(vcpu->vm, f->what),
	     (unsigned long long)f->got, (unsigned long long)f->want);
}

static void log_access(struct vm *vm, struct access access)
{
	if (vm->nr_log < VM_LOG)
		vm->log[vm->nr_log++] = access;
}

static void port_element(struct vm *vm, struct kvm_run *run, u8 *data)
{
	struct access access = { .addr = run->io.port, .len = run->io.size,
				 .write = run->io.direction == KVM_EXIT_IO_OUT };
	unsigned int i;

	if (!access.write)
		for (i = 0; i < run->io.size; i++)
			data[i] = ++vm->reads;
	memcpy(&access.data, data, run->io.size);
	log_access(vm, access);
}

/* True when a port of ours was meant. GUEST_PORT_DONE is the caller's affair. */
static bool do_port(struct vm *vm, struct kvm_run *run)
{
	u8 *data = (u8 *)run + run->io.data_offset;
	u32 value = 0, i;

	if (run->io.port == GUEST_PORT_TRACE && run->io.size == 4) {
		memcpy(&value, data, 4);
		if (vm->nr_traces < VM_LOG)
			vm->traces[vm->nr_traces++] = value;
		return true;
	}
	if (run->io.port < GUEST_PORT || run->io.port >= GUEST_PORT + GUEST_PORTS)
		return false;
	for (i = 0; i < run->io.count; i++)
		port_element(vm, run, data + i * run->io.size);
	return true;
}

static bool do_mmio(struct vm *vm, struct kvm_run *run)
{
	struct access access = { .addr = run->mmio.phys_addr, .mmio = true,
				 .len = run->mmio.len, .write = run->mmio.is_write };
	u64 offset = access.addr - GUEST_MMIO;

	if (offset > GUEST_MMIO_SIZE || access.len > 8 || offset + access.len > GUEST_MMIO_SIZE)
		return false;
	if (access.write)
		memcpy(vm->mmio + offset, run->mmio.data, access.len);
	else
		memcpy(run->mmio.data, vm->mmio + offset, access.len);
	memcpy(&access.data, run->mmio.data, access.len);
	log_access(vm, access);
	return true;
}

static bool do_exit(struct vcpu *vcpu)
{
	struct vm *vm = vcpu->vm;
	bool done = false;

	pthread_mutex_lock(&vm->lock);
	if (vm->on_exit)
		done = vm->on_exit(vcpu);
	if (!done && vcpu->run->exit_reason == KVM_EXIT_IO)
		done = do_port(vm, vcpu->run);
	else if (!done && vcpu->run->exit_reason == KVM_EXIT_MMIO)
		done = do_mmio(vm, vcpu->run);
	pthread_mutex_unlock(&vm->lock);
	return done;
}

u32 vcpu_run(struct vcpu *vcpu)
{
	int reason;

	do {
		reason = vcpu_enter(vcpu);
		/* EAGAIN: it waited for SIPI, and may run now. */
		if (reason == -EAGAIN)
			continue;
		if (reason < 0 && reason != -EINTR)
			fail("KVM_RUN: %s", strerrorname_np(-reason));
	} while (reason < 0 || do_exit(vcpu));
	return reason;
}

static void explain(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	struct kvm_regs regs = vcpu_regs(vcpu);

	note_traces(vcpu->vm);
	note("vCPU %u: KVM_EXIT_%s at rip %#llx rsp %#llx rax %#llx", vcpu->id,
	     exit_name(run->exit_reason), regs.rip, regs.rsp, regs.rax);
	if (run->exit_reason == KVM_EXIT_IO)
		note("port %#x size %u count %u %s", run->io.port, run->io.size,
		     run->io.count, run->io.direction ? "out" : "in");
	if (run->exit_reason == KVM_EXIT_MMIO)
		note("gpa %#llx len %u %s", run->mmio.phys_addr, run->mmio.len,
		     run->mmio.is_write ? "write" : "read");
	if (run->exit_reason == KVM_EXIT_INTERNAL_ERROR)
		note("suberror %u, %u words: %#llx %#llx %#llx", run->internal.suberror,
		     run->internal.ndata, run->internal.data[0], run->internal.data[1],
		     run->internal.data[2]);
	if (run->exit_reason == KVM_EXIT_FAIL_ENTRY)
		note("hardware reason %#llx", run->fail_entry.hardware_entry_failure_reason);
}

void vcpu_ended(struct vcpu *vcpu)
{
	u8 *data = (u8 *)vcpu->run + vcpu->run->io.data_offset;

	if (vcpu->run->exit_reason != KVM_EXIT_IO || vcpu->run->io.port != GUEST_PORT_DONE) {
		explain(vcpu);
		fail("the guest did not come to its end");
	}
	if (data[0])
		guest_failed(vcpu);
}

void vcpu_run_done(struct vcpu *vcpu)
{
	vcpu_run(vcpu);
	vcpu_ended(vcpu);
}

static void *run_thread(void *vcpu)
{
	vcpu_run_done(vcpu);
	return NULL;
}

void vcpu_start(struct vcpu *vcpu)
{
	int error = pthread_create(&vcpu->thread, NULL, run_thread, vcpu);

	if (error)
		fail("pthread_create: %s", strerror(error));
}

void vcpu_join(struct vcpu *vcpu)
{
	pthread_join(vcpu->thread, NULL);
}

void vm_call(struct vm *vm, const char *symbol, u64 arg)
{
	vcpu_call(&vm->vcpu[0], symbol, arg);
	vcpu_run_done(&vm->vcpu[0]);
}
