// SPDX-License-Identifier: GPL-2.0-only
/*
 * Translations that the CPU keeps of guests (SDM 29.4): tags, and forgetting.
 *
 * With EPT the CPU keeps guest-physical mappings, tagged with the EPT root, and
 * combined ones, tagged with the root and the VPID; INVEPT of a root takes
 * both.  With shadow tables it keeps linear mappings, tagged with the VPID, which
 * INVVPID takes; without VPID each entry and each exit forgets them.  A vCPU that comes
 * to another CPU begins there with an invalidation, as that CPU may have run it, or an
 * earlier owner of its root or VPID, before.
 */
#include <linux/bitmap.h>
#include <linux/spinlock.h>

#include "vmx/vmx.h"

/* VPIDs in use; 0 is the host's. */
static DECLARE_BITMAP(vpids, VMX_NR_VPIDS);
static DEFINE_SPINLOCK(vpids_lock);

/**
 * vmx_vpid_alloc() - a VPID for a vCPU
 *
 * Return: the VPID, or 0 when there is none left; entries and exits of such a vCPU flush.
 */
u16 vmx_vpid_alloc(void)
{
	unsigned long vpid = 0;

	if (!vmx_uses(VMX_CPU2, SECONDARY_EXEC_ENABLE_VPID))
		return 0;
	spin_lock(&vpids_lock);
	vpid = find_next_zero_bit(vpids, VMX_NR_VPIDS, 1);
	if (vpid < VMX_NR_VPIDS)
		__set_bit(vpid, vpids);
	else
		vpid = 0;
	spin_unlock(&vpids_lock);
	return vpid;
}

/**
 * vmx_vpid_free() - give a VPID back
 * @vpid: from vmx_vpid_alloc()
 */
void vmx_vpid_free(u16 vpid)
{
	if (!vpid)
		return;
	spin_lock(&vpids_lock);
	__clear_bit(vpid, vpids);
	spin_unlock(&vpids_lock);
}

/**
 * vmx_eptp() - the EPT pointer (25.6.11)
 * @root: of the tables
 *
 * Return: the value for the VMCS field.
 */
u64 vmx_eptp(hpa_t root)
{
	return root | VMX_EPTP_MT_WB | VMX_EPTP_PWL_4 |
	       (vmx_backend_caps.tdp.dirty ? VMX_EPTP_AD_ENABLE_BIT : 0);
}

static void vmx_invept(unsigned long extent, u64 eptp)
{
	struct { u64 eptp, zero; } desc = { eptp, 0 };

	asm goto("1:	invept %[desc], %[extent]\n"
		 "	jna %l[failed]\n"
		 _ASM_EXTABLE(1b, %l[failed])
		 : : [desc] "m" (desc), [extent] "r" (extent) : "cc", "memory" : failed);
	return;
failed:
	vmcs_access_failed("INVEPT", extent);
}

static void vmx_invvpid(unsigned long extent, u16 vpid)
{
	struct { u64 vpid, address; } desc = { vpid, 0 };

	asm goto("1:	invvpid %[desc], %[extent]\n"
		 "	jna %l[failed]\n"
		 _ASM_EXTABLE(1b, %l[failed])
		 : : [desc] "m" (desc), [extent] "r" (extent) : "cc", "memory" : failed);
	return;
failed:
	vmcs_access_failed("INVVPID", extent);
}

/**
 * vmx_invalidate_all() - this CPU forgets all guests
 *
 * VMX is on, IRQs off.
 */
void vmx_invalidate_all(void)
{
	if (!vmx_backend_caps.shadow)
		vmx_invept(VMX_EPT_EXTENT_GLOBAL, 0);
	if (vmx_uses(VMX_CPU2, SECONDARY_EXEC_ENABLE_VPID))
		vmx_invvpid(VMX_VPID_EXTENT_ALL_CONTEXT, 0);
}

static void vmx_invalidate_ept(const struct vmx_vcpu *vmx)
{
	if (vmx_caps.ept_vpid & VMX_EPT_EXTENT_CONTEXT_BIT)
		vmx_invept(VMX_EPT_EXTENT_CONTEXT, vmx->eptp);
	else
		vmx_invept(VMX_EPT_EXTENT_GLOBAL, 0);
}

/**
 * vmx_invalidate() - what @vmx asked for with flush and new_cpu
 * @vmx: loaded; IRQs off
 */
void vmx_invalidate(struct vmx_vcpu *vmx)
{
	bool shadow = static_branch_unlikely(&vmx_shadow);

	if (!shadow)
		vmx_invalidate_ept(vmx);
	if ((shadow || vmx->new_cpu) && vmx->vpid)
		vmx_invvpid(VMX_VPID_EXTENT_SINGLE_CONTEXT, vmx->vpid);
	vmx->flush = false;
	vmx->new_cpu = false;
}
