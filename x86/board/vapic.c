// SPDX-License-Identifier: GPL-2.0-only
/*
 * The task priority of guests that write it often, as 32-bit Windows does, at an exit each:
 * KVM_TPR_ACCESS_REPORTING tells the VMM which instructions access it, the VMM rewrites
 * them, and from then on the guest finds its priority, and what waits and what is in
 * service, in four bytes of its own memory (KVM_SET_VAPIC_ADDR).  This file keeps these and
 * the APIC in step, around each entry.
 *
 * The bytes are, from the lowest: TPR, the class of the vector in service, 0, the vector
 * that waits.  The guest changes only the first.
 */
#include "mmu/guest.h"
#include "x86/board/lapic_priv.h"
#include "x86/board/vapic.h"
#include "x86/machine/vm.h"

/**
 * vlapic_ioctl_tpr_reporting() - KVM_TPR_ACCESS_REPORTING
 * @vcpu: owned
 * @ctl: whether accesses to the TPR in the xAPIC's page end KVM_RUN
 *
 * Without an APIC in the kernel there are none.
 *
 * Return: 0, or -EINVAL for flags.
 */
int vlapic_ioctl_tpr_reporting(struct vcpu *vcpu, struct kvm_tpr_access_ctl *ctl)
{
	if (ctl->flags)
		return -EINVAL;
	if (vcpu->apic)
		vcpu->apic->reports_tpr = ctl->enabled;
	return 0;
}

/**
 * vlapic_ioctl_set_vapic() - KVM_SET_VAPIC_ADDR
 * @vcpu: owned
 * @addr: gpa of the four bytes, or 0 for none
 *
 * Return: 0; -EINVAL without an APIC in the kernel, or when there is no memory; -EINTR when
 * a signal came before it.
 */
int vlapic_ioctl_set_vapic(struct vcpu *vcpu, struct kvm_vapic_addr *addr)
{
	struct mmu *mmu = &vcpu->vm->mmu;
	int idx, err = 0;
	u32 val;

	if (!vcpu->apic)
		return -EINVAL;
	if (addr->vapic_addr) {
		idx = srcu_read_lock(&mmu->srcu);
		err = guest_read(mmu, addr->vapic_addr, &val, sizeof(val));
		srcu_read_unlock(&mmu->srcu, idx);
	}
	if (err)
		return err == -EINTR ? err : -EINVAL;
	vcpu->vapic = addr->vapic_addr;
	vcpu->apic->vapic_late = false;
	return 0;
}

/**
 * vlapic_tpr_accessed() - the guest accessed the TPR in the xAPIC's page
 * @apic: whose; the VMM wants to hear of it
 * @write: direction
 *
 * Rip still stands on the instruction.
 */
void vlapic_tpr_accessed(struct vlapic *apic, bool write)
{
	apic->tpr_rip = apic->vcpu->st.rip;
	apic->tpr_written = write;
	vcpu_request(apic->vcpu, REQ_TPR_ACCESS);
}

/**
 * vlapic_report_tpr() - tell the VMM of such an access
 * @vcpu: REQ_TPR_ACCESS was taken
 */
void vlapic_report_tpr(struct vcpu *vcpu)
{
	vcpu->run->exit_reason = KVM_EXIT_TPR_ACCESS;
	memset(&vcpu->run->tpr_access, 0, sizeof(vcpu->run->tpr_access));
	vcpu->run->tpr_access.rip = vcpu->apic->tpr_rip;
	vcpu->run->tpr_access.is_write = vcpu->apic->tpr_written;
}

/**
 * vlapic_to_vapic() - show the guest its APIC, before an entry
 * @vcpu: owned, with vcpu->vapic; in a read section of mmu.srcu, process context
 *
 * Memory that is not there any more is the VMM's affair: nothing is shown.
 */
void vlapic_to_vapic(struct vcpu *vcpu)
{
	struct vlapic *apic = vcpu->apic;
	u32 val;

	if (unlikely(apic->vapic_late)) {
		vlapic_from_vapic(vcpu);
		if (apic->vapic_late)
			return;		/* for the same signal, which forbids the entry */
	}
	val = vlapic_tpr(apic) | (vlapic_highest(apic, APIC_ISR) & 0xf0) << 8 |
	      vlapic_highest(apic, APIC_IRR) << 24;
	guest_write(&vcpu->vm->mmu, vcpu->vapic, &val, sizeof(val));
}

/**
 * vlapic_from_vapic() - take the TPR that the guest has set, after an exit
 * @vcpu: as for vlapic_to_vapic()
 *
 * If a signal comes before the memory, it is taken before the next entry; until then the
 * APIC has the one from before.
 */
void vlapic_from_vapic(struct vcpu *vcpu)
{
	struct vlapic *apic = vcpu->apic;
	u8 tpr;
	int err = guest_read(&vcpu->vm->mmu, vcpu->vapic, &tpr, sizeof(tpr));

	apic->vapic_late = err == -EINTR;
	if (!err && tpr != vlapic_tpr(apic))
		vlapic_reg_write(apic, APIC_TASKPRI, tpr);
}
