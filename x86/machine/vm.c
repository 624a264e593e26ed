// SPDX-License-Identifier: GPL-2.0-only
/*
 * What any room may ask of a VM, and what all VMs share: the backend, and which of the
 * host's CPUs can run guests.  A VM's life is core/vm.c's.
 */
#include "x86/machine/backend_calls.h"
#include "x86/machine/vm.h"

const struct backend_ops *backend;
DEFINE_STATIC_CALL_NULL(backend_load, *((struct backend_ops *)NULL)->load);
DEFINE_STATIC_CALL_NULL(backend_put, *((struct backend_ops *)NULL)->put);
DEFINE_STATIC_CALL_NULL(backend_run, *((struct backend_ops *)NULL)->run);
DEFINE_PER_CPU(bool, cpus_on);
u64 clock_shift;

/**
 * backend_choose() - from now on it is this backend that runs guests
 * @ops: of this host's CPUs
 *
 * Once, while the module is loaded.
 */
void backend_choose(const struct backend_ops *ops)
{
	backend = ops;
	static_call_update(backend_load, ops->load);
	static_call_update(backend_put, ops->put);
	static_call_update(backend_run, ops->run);
}

/**
 * vm_kill() - end a VM after an internal error
 * @vm: every later ioctl on it gives -EIO, and its vCPUs leave KVM_RUN with it,
 *	whatever they do or wait for there; any context
 */
void vm_kill(struct vm *vm)
{
	struct vcpu *vcpu;
	u32 i;

	WRITE_ONCE(vm->dead, true);
	vm_for_each_vcpu(vm, i, vcpu)
		vcpu_kick(vcpu);
}

/**
 * vm_vcpu_by_id() - find a vCPU by the VMM's number for it
 * @vm: any context that keeps it alive
 * @id: vcpu_id
 *
 * Return: it, or NULL.
 */
struct vcpu *vm_vcpu_by_id(struct vm *vm, u32 id)
{
	struct vcpu *vcpu;
	u32 i;

	/* Most VMMs create vCPUs in the order of their ids. */
	vcpu = vm_vcpu(vm, id);
	if (vcpu && vcpu->id == id && id < smp_load_acquire(&vm->nr_vcpus))
		return vcpu;
	vm_for_each_vcpu(vm, i, vcpu) {
		if (vcpu->id == id)
			return vcpu;
	}
	return NULL;
}
