// SPDX-License-Identifier: GPL-2.0-only
/*
 * The local APIC's registers as the guest reaches them: through the xAPIC page
 * or the x2APIC MSRs (SDM tables 11-1 and 11-6).  What a register means is in
 * lapic.c, lapic_ipi.c and lapic_timer.c.
 *
 * Everything runs in the owner's process context.  A register that does not
 * exist is an error bit in xAPIC mode and #GP in x2APIC mode.
 */
#include <linux/bitmap.h>
#include <linux/string.h>

#include "x86/board/irqchip_priv.h"
#include "x86/board/lapic_priv.h"
#include "x86/board/lapic_timer.h"
#include "x86/board/vapic.h"
#include "x86/machine/vm.h"

#define X2APIC_MSR(offset)	(APIC_BASE_MSR + ((offset) >> 4))
#define X2APIC_LAST_MSR		(APIC_BASE_MSR + 0xff)
/* Reserved in the x2APIC's ICR: 31:20, 17:16 and 13 (SDM figure 11-28). */
#define X2APIC_ICR_RESERVED	(GENMASK_ULL(31, 20) | GENMASK_ULL(17, 16) | BIT_ULL(13))

/**
 * vlapic_lvt_mask() - bits of an LVT entry that are not reserved or read-only
 * @lvt: enum vlapic_lvt
 *
 * SDM figure 11-8.
 *
 * Return: the bits.
 */
u32 vlapic_lvt_mask(unsigned int lvt)
{
	u32 mask = APIC_VECTOR_MASK | APIC_LVT_MASKED;

	switch (lvt) {
	case VLAPIC_LVT_TIMER:
		return mask | APIC_LVT_TIMER_PERIODIC | APIC_LVT_TIMER_TSCDEADLINE;
	case VLAPIC_LVT_THERMAL:
	case VLAPIC_LVT_PERF:
	case VLAPIC_LVT_CMCI:
		return mask | APIC_MODE_MASK;
	case VLAPIC_LVT_LINT0:
	case VLAPIC_LVT_LINT1:
		return mask | APIC_MODE_MASK | APIC_INPUT_POLARITY | APIC_LVT_LEVEL_TRIGGER;
	default:
		return mask;
	}
}

static bool read_xapic_only(struct vlapic *apic, u32 offset, u32 *val)
{
	if (vlapic_x2apic(apic))
		return false;
	switch (offset) {
	case APIC_ARBPRI:
	case APIC_RRR:
	case APIC_EOI:
		*val = 0;
		return true;
	case APIC_DFR:
	case APIC_ICR2:
		*val = vlapic_get(apic, offset);
		return true;
	default:
		return false;
	}
}

/**
 * vlapic_reg_read() - read a register
 * @apic: whose
 * @offset: in the xAPIC page, a multiple of 16
 * @val: out
 *
 * Owner.
 *
 * Return: false when there is no such register in the APIC's mode.
 */
bool vlapic_reg_read(struct vlapic *apic, u32 offset, u32 *val)
{
	switch (offset) {
	case APIC_TASKPRI:
		*val = vlapic_tpr(apic);
		return true;
	case APIC_PROCPRI:
		*val = vlapic_ppr(apic);
		return true;
	case APIC_TMCCT:
		*val = vlapic_timer_count(apic);
		return true;
	case APIC_TMR ... APIC_TMR + 0x70:
	case APIC_IRR ... APIC_IRR + 0x70:
		vlapic_collect(apic);
		fallthrough;
	case APIC_ID:
	case APIC_LVR:
	case APIC_LDR:
	case APIC_SPIV:
	case APIC_ISR ... APIC_ISR + 0x70:
	case APIC_ESR:
	case APIC_ICR:
	case APIC_LVTT ... APIC_LVTERR:
	case APIC_TMICT:
	case APIC_TDCR:
		*val = vlapic_get(apic, offset);
		return true;
	case APIC_LVTCMCI:
		if (!vlapic_has_cmci(apic))
			return false;
		*val = vlapic_get(apic, offset);
		return true;
	default:
		return read_xapic_only(apic, offset, val);
	}
}

static void write_svr(struct vlapic *apic, u32 val)
{
	unsigned int i;

	vlapic_put(apic, APIC_SPIV, val & VLAPIC_SVR_WRITABLE);
	if (vlapic_sw_enabled(apic))
		return;
	/* SDM 11.4.7.2: a disabled APIC masks its LVT entries. */
	for (i = 0; i < VLAPIC_LVTS; i++)
		vlapic_put(apic, vlapic_lvt_offset(i), vlapic_lvt(apic, i) | APIC_LVT_MASKED);
}

static void write_lvt(struct vlapic *apic, unsigned int lvt, u32 val)
{
	val &= vlapic_lvt_mask(lvt);
	if (!vlapic_sw_enabled(apic))
		val |= APIC_LVT_MASKED;
	if (lvt == VLAPIC_LVT_TIMER) {
		if (!cpuid_has(apic->vcpu, X86_FEATURE_TSC_DEADLINE_TIMER))
			val &= ~APIC_LVT_TIMER_TSCDEADLINE;
		vlapic_timer_set_lvt(apic, val);
		return;
	}
	vlapic_put(apic, vlapic_lvt_offset(lvt), val);
	/* The PIC's output may wait for LINT0 to let it in. */
	vcpu_request(apic->vcpu, REQ_EVENT);
}

static void write_icr(struct vlapic *apic, u64 val)
{
	vlapic_put(apic, APIC_ICR2, val >> 32);
	vlapic_put(apic, APIC_ICR, val & ~APIC_ICR_BUSY);
	vlapic_send_icr(apic);
}

static bool write_xapic_only(struct vlapic *apic, u32 offset, u32 val)
{
	if (vlapic_x2apic(apic))
		return false;
	switch (offset) {
	case APIC_LDR:
		vlapic_put(apic, offset, val & APIC_LDR_MASK);
		break;
	case APIC_DFR:
		vlapic_put(apic, offset, val | APIC_DFR_CLUSTER);
		break;
	case APIC_ICR2:
		vlapic_put(apic, offset, val & 0xff000000);
		return true;
	default:
		return false;
	}
	apicmap_update(apic->vcpu->vm->irqchip, apic);
	return true;
}

/**
 * vlapic_reg_write() - write a register
 * @apic: whose
 * @offset: in the xAPIC page, a multiple of 16
 * @val: what; reserved bits are dropped
 *
 * Owner; process context.
 *
 * Return: false when there is no such register to write in the APIC's mode.
 */
bool vlapic_reg_write(struct vlapic *apic, u32 offset, u32 val)
{
	switch (offset) {
	case APIC_TASKPRI:
		apic->vapic_late = false;	/* what is in memory is older */
		vlapic_put(apic, offset, val & APIC_TPRI_MASK);
		apic->vcpu->st.cr8 = (val & APIC_TPRI_MASK) >> 4;
		vcpu_request(apic->vcpu, REQ_EVENT);
		return true;
	case APIC_EOI:
		vlapic_eoi(apic);
		return true;
	case APIC_SPIV:
		write_svr(apic, val);
		return true;
	case APIC_ESR:
		vlapic_put(apic, offset, atomic_xchg(&apic->errors, 0));
		return true;
	case APIC_ICR:
		write_icr(apic, (vlapic_icr(apic) & GENMASK_ULL(63, 32)) | val);
		return true;
	case APIC_LVTT ... APIC_LVTERR:
		write_lvt(apic, (offset - APIC_LVTT) >> 4, val);
		return true;
	case APIC_LVTCMCI:
		if (!vlapic_has_cmci(apic))
			return false;
		write_lvt(apic, VLAPIC_LVT_CMCI, val);
		return true;
	case APIC_TMICT:
		vlapic_timer_set_initial(apic, val);
		return true;
	case APIC_TDCR:
		vlapic_timer_set_divide(apic, val);
		return true;
	default:
		return write_xapic_only(apic, offset, val);
	}
}

static void mmio_read(struct vlapic *apic, u32 offset, unsigned int len, void *data)
{
	u32 val = 0;

	if (!vlapic_reg_read(apic, offset & ~0xf, &val))
		vlapic_error(apic, APIC_ESR_ILLREGA);
	memset(data, 0, len);
	/* Of each 16 bytes only the first 4 hold a register. */
	if ((offset & 0xf) + len <= sizeof(val))
		memcpy(data, (u8 *)&val + (offset & 0xf), len);
}

static void mmio_write(struct vlapic *apic, u32 offset, unsigned int len, const void *data)
{
	u32 val;

	/* SDM 11.4.1: anything but an aligned doubleword is undefined; drop it. */
	if (len != sizeof(val) || (offset & 0xf))
		return;
	memcpy(&val, data, sizeof(val));
	if (!vlapic_reg_write(apic, offset, val) && !vlapic_reg_read(apic, offset, &val))
		vlapic_error(apic, APIC_ESR_ILLREGA);
}

static void mmio_hole(unsigned int len, void *data, bool write)
{
	if (!write)
		memset(data, 0xff, len);
}

/**
 * vlapic_mmio() - access to guest memory that may be the APIC's page
 * @vcpu: owned by the caller; process context
 * @gpa: where
 * @len: bytes, not across a page
 * @data: what is written, or where to put what is read
 * @write: direction
 *
 * An APIC that is off or an x2APIC still has its page, and in it nothing that answers: what
 * is written is lost, and what is read is all ones; unless the VMM wants to answer itself
 * (KVM_X86_QUIRK_LAPIC_MMIO_HOLE disabled).
 *
 * Return: true when it was this vCPU's APIC page; the access is complete then.
 */
bool vlapic_mmio(struct vcpu *vcpu, gpa_t gpa, unsigned int len, void *data, bool write)
{
	struct vlapic *apic = vcpu->apic;

	if (!apic || !vlapic_has_gpa(apic, gpa))
		return false;
	if (unlikely(!vlapic_hw_enabled(apic) || vlapic_x2apic(apic))) {
		if (!vm_has_quirk(vcpu->vm, KVM_X86_QUIRK_LAPIC_MMIO_HOLE))
			return false;
		mmio_hole(len, data, write);
	} else if (write) {
		mmio_write(apic, gpa & ~PAGE_MASK, len, data);
	} else {
		mmio_read(apic, gpa & ~PAGE_MASK, len, data);
	}
	if (unlikely(apic->reports_tpr) && (gpa & ~PAGE_MASK & ~0xful) == APIC_TASKPRI)
		vlapic_tpr_accessed(apic, write);
	return true;
}

static bool is_x2apic_msr(struct vlapic *apic, u32 msr)
{
	return vlapic_x2apic(apic) && msr >= APIC_BASE_MSR && msr <= X2APIC_LAST_MSR;
}

/**
 * vlapic_msr_read() - read an x2APIC MSR or MSR_IA32_TSC_DEADLINE
 * @vcpu: owned by the caller
 * @msr: which
 * @val: out
 *
 * Return: X86_NO_FAULT or X86_FAULT.
 */
enum guest_fault vlapic_msr_read(struct vcpu *vcpu, u32 msr, u64 *val)
{
	struct vlapic *apic = vcpu->apic;
	u32 low;

	if (!apic)
		return X86_FAULT;
	if (msr == MSR_IA32_TSC_DEADLINE) {
		/* The VMM may have set the TSC before it asks. */
		if (vcpu_take_request(vcpu, REQ_TSC))
			vlapic_tsc_changed(vcpu);
		*val = vlapic_timer_get_deadline(apic);
		return X86_NO_FAULT;
	}
	if (!is_x2apic_msr(apic, msr))
		return X86_FAULT;
	if (msr == X2APIC_MSR(APIC_ICR)) {
		*val = vlapic_icr(apic);
		return X86_NO_FAULT;
	}
	if (!vlapic_reg_read(apic, (msr - APIC_BASE_MSR) << 4, &low))
		return X86_FAULT;
	*val = low;
	return X86_NO_FAULT;
}

static enum guest_fault write_self_ipi(struct vlapic *apic, u64 val)
{
	if (val > APIC_VECTOR_MASK)
		return X86_FAULT;
	if (val < VLAPIC_FIRST_VECTOR)
		vlapic_error(apic, APIC_ESR_SENDILL);
	else if (vlapic_sw_enabled(apic))
		vlapic_raise(apic, val, false);
	return X86_NO_FAULT;
}

static enum guest_fault write_x2apic(struct vlapic *apic, u32 offset, u64 val)
{
	switch (offset) {
	case APIC_ICR:
		if (val & X2APIC_ICR_RESERVED)
			return X86_FAULT;
		write_icr(apic, val);
		return X86_NO_FAULT;
	case APIC_SELF_IPI:
		return write_self_ipi(apic, val);
	case APIC_EOI:
	case APIC_ESR:
		if (val)
			return X86_FAULT;
		break;
	case APIC_TASKPRI:
		if (val > APIC_TPRI_MASK)
			return X86_FAULT;
		break;
	}
	if (val >> 32)
		return X86_FAULT;
	return vlapic_reg_write(apic, offset, val) ? X86_NO_FAULT : X86_FAULT;
}

/**
 * vlapic_msr_write() - write an x2APIC MSR or MSR_IA32_TSC_DEADLINE
 * @vcpu: owned by the caller; process context
 * @msr: which
 * @val: what
 *
 * Return: X86_NO_FAULT or X86_FAULT. SDM 11.12.1.
 */
enum guest_fault vlapic_msr_write(struct vcpu *vcpu, u32 msr, u64 val)
{
	struct vlapic *apic = vcpu->apic;

	if (!apic)
		return X86_FAULT;
	if (msr == MSR_IA32_TSC_DEADLINE) {
		vlapic_timer_set_deadline(apic, val);
		return X86_NO_FAULT;
	}
	if (!is_x2apic_msr(apic, msr))
		return X86_FAULT;
	return write_x2apic(apic, (msr - APIC_BASE_MSR) << 4, val);
}
