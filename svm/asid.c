// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which ASID a vCPU runs with, and what VMRUN flushes (15.16). The hard part is a VMRUN
 * that the CPU refuses: it may not have flushed anything, so the flush that was asked for
 * stays pending, both for the CPU and for the vCPU.
 */
#include "svm/svm.h"

/**
 * svm_asids_renew() - start a new generation of ASIDs, so that the whole TLB is flushed
 * @asids: of this CPU
 */
void svm_asids_renew(struct svm_asids *asids)
{
	asids->generation++;
	asids->next = 1;
	asids->flush = true;
	asids->settled = U64_MAX;
}

/**
 * svm_asid_drop() - the vCPU needs a new one
 * @asid: of the vCPU
 */
void svm_asid_drop(struct svm_asid *asid)
{
	asid->generation = 0;
	asid->settled = 0;
}

/**
 * svm_asid_flush() - nothing that the TLB has of it may be used any more
 * @asid: of the vCPU; the CPU flushes by ASID
 */
void svm_asid_flush(struct svm_asid *asid)
{
	asid->flush = true;
	asid->settled = 0;
}

/**
 * svm_asid_take() - an ASID for the coming VMRUN
 * @asids: of this CPU
 * @asid: of the vCPU; a new one where the old is not of this generation
 *
 * Return: what VMRUN is to flush, TLB_CONTROL_*.
 */
u8 svm_asid_take(struct svm_asids *asids, struct svm_asid *asid)
{
	if (asid->generation != asids->generation) {
		if (asids->next > asids->max)
			svm_asids_renew(asids);
		asid->generation = asids->generation;
		asid->asid = asids->next++;
		asid->flush = false;
	}
	if (asids->flush)
		return TLB_CONTROL_FLUSH_ALL_ASID;
	if (asid->flush)
		return TLB_CONTROL_FLUSH_ASID;
	asid->settled = asid->generation;
	return TLB_CONTROL_DO_NOTHING;
}

/**
 * svm_asid_accepted() - a VMRUN flushed, and entered the guest
 * @asids: of this CPU
 * @asid: of the vCPU
 * @tlb_ctl: what svm_asid_take() said, not TLB_CONTROL_DO_NOTHING
 */
void svm_asid_accepted(struct svm_asids *asids, struct svm_asid *asid, u8 tlb_ctl)
{
	if (tlb_ctl == TLB_CONTROL_FLUSH_ALL_ASID) {
		asids->flush = false;
		asids->settled = asids->generation;
	}
	asid->flush = false;
	asid->settled = asid->generation;
}

/**
 * svm_new_asid() - the slow part of svm_prepare_asid()
 * @svm: loaded; IRQs off
 * @sc: this CPU's
 */
void svm_new_asid(struct svm_vcpu *svm, struct svm_cpu *sc)
{
	struct vmcb_control_area *c = &svm->vmcb->control;

	c->tlb_ctl = svm_asid_take(&sc->asids, &svm->asid);
	if (c->asid == svm->asid.asid)
		return;
	c->asid = svm->asid.asid;
	svm_dirty(svm, CLEAN_ASID);
}
