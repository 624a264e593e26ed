// SPDX-License-Identifier: GPL-2.0-only
/*
 * Save and restore of a local APIC in KVM's layout: the xAPIC page's registers,
 * whatever mode the APIC is in; and a copy of one, with all that it has, for another machine.
 * All of it is the owner's, in process context.
 *
 * The id and the version are not the VMM's to choose; what it passes for them
 * is ignored, as is the x2APIC's logical id, which follows from the id.
 */
#include <linux/bitmap.h>
#include <linux/string.h>

#include "x86/board/lapic_priv.h"
#include "x86/board/lapic_state.h"
#include "x86/board/lapic_timer.h"
#include "x86/machine/vm.h"

static_assert(sizeof(struct kvm_lapic_state) == KVM_APIC_REG_SIZE);

static u32 get_reg(const struct kvm_lapic_state *state, u32 offset)
{
	u32 val;

	memcpy(&val, state->regs + offset, sizeof(val));
	return val;
}

static void put_reg(struct kvm_lapic_state *state, u32 offset, u32 val)
{
	memcpy(state->regs + offset, &val, sizeof(val));
}

/* Does the state have an x2APIC's whole id, and not 8 bits where an xAPIC has them? */
static bool state_has_id(const struct vlapic *apic)
{
	return vlapic_x2apic(apic) && READ_ONCE(apic->vcpu->vm->enabled.x2apic_ids);
}

/**
 * vlapic_ioctl_get() - KVM_GET_LAPIC
 * @vcpu: owned by the caller
 * @state: out
 *
 * Return: 0, or -EINVAL without APIC.
 */
int vlapic_ioctl_get(struct vcpu *vcpu, struct kvm_lapic_state *state)
{
	struct vlapic *apic = vcpu->apic;

	if (!apic)
		return -EINVAL;
	/* An expiry that nobody has seen must not be lost. */
	if (vcpu_take_request(vcpu, REQ_TSC))
		vlapic_tsc_changed(vcpu);
	vlapic_timer_sync(vcpu);
	vlapic_collect(apic);
	/* As they are at one time: the TMR says what the requests are. */
	memcpy(state->regs, apic->regs, sizeof(state->regs));
	put_reg(state, APIC_ID, state_has_id(apic) ? vcpu->id : vcpu->id << 24);
	put_reg(state, APIC_TASKPRI, vlapic_tpr(apic));
	put_reg(state, APIC_PROCPRI, vlapic_ppr(apic));
	put_reg(state, APIC_TMCCT, vlapic_timer_count(apic));
	/* Nothing can be read there, but a CPU that takes writes for us leaves them in its page. */
	put_reg(state, APIC_EOI, 0);
	put_reg(state, APIC_SELF_IPI, 0);
	if (!vlapic_has_cmci(apic))
		put_reg(state, APIC_LVTCMCI, 0);
	return 0;
}

static bool lapic_state_is_valid(const struct vlapic *apic, const struct kvm_lapic_state *state)
{
	u32 mode = get_reg(state, APIC_LVTT) & (3u << 17);

	if (state_has_id(apic) && get_reg(state, APIC_ID) != apic->vcpu->id)
		return false;
	/*
	 * Vectors below 16 are reserved (SDM figure 11-20), and only a VMM can set their bits.
	 * They stand there, as with KVM; of priority class 0, no such interrupt is delivered.
	 */
	return mode != (APIC_LVT_TIMER_PERIODIC | APIC_LVT_TIMER_TSCDEADLINE);
}

static void set_vectors(struct vlapic *apic, const struct kvm_lapic_state *state, u32 set)
{
	u32 offset;

	for (offset = set; offset < set + VLAPIC_VECTORS / 2; offset += 0x10)
		vlapic_put(apic, offset, get_reg(state, offset));
}

static void set_registers(struct vlapic *apic, const struct kvm_lapic_state *state)
{
	u8 tpr = get_reg(state, APIC_TASKPRI);
	unsigned int i;

	vlapic_put(apic, APIC_TASKPRI, tpr);
	apic->vcpu->st.cr8 = tpr >> 4;
	vlapic_put(apic, APIC_LDR, get_reg(state, APIC_LDR) & APIC_LDR_MASK);
	vlapic_show_id(apic);
	vlapic_put(apic, APIC_DFR, get_reg(state, APIC_DFR) | APIC_DFR_CLUSTER);
	vlapic_put(apic, APIC_ESR, get_reg(state, APIC_ESR) & 0xff);
	vlapic_put(apic, APIC_ICR2, get_reg(state, APIC_ICR2));
	vlapic_put(apic, APIC_ICR, get_reg(state, APIC_ICR) & ~APIC_ICR_BUSY);
	vlapic_put(apic, APIC_TDCR, get_reg(state, APIC_TDCR) & 0xb);
	vlapic_put(apic, APIC_TMICT, get_reg(state, APIC_TMICT));
	/* Not masked even if disabled: the BSP's LINT0 is so after a reset. */
	for (i = 0; i < VLAPIC_LVTS; i++) {
		u32 offset = vlapic_lvt_offset(i);

		vlapic_put(apic, offset, get_reg(state, offset) & vlapic_lvt_mask(i));
	}
	vlapic_put(apic, APIC_SPIV, get_reg(state, APIC_SPIV) & VLAPIC_SVR_WRITABLE);
}

/*
 * A one-shot timer whose count is 0 fires again: VMMs that do not keep the
 * current count would otherwise lose a tick that the guest waits for.
 */
static void lapic_restart_timer(struct vlapic *apic, u32 count)
{
	u32 mode = vlapic_lvt(apic, VLAPIC_LVT_TIMER) & (3u << 17);
	u32 initial = vlapic_get(apic, APIC_TMICT);

	if (!initial || mode == APIC_LVT_TIMER_TSCDEADLINE)
		return;
	if (!count && mode == APIC_LVT_TIMER_PERIODIC)
		count = initial;
	vlapic_timer_start(apic, vlapic_timer_ns(apic, min(count, initial)));
}

/**
 * vlapic_ioctl_set() - KVM_SET_LAPIC
 * @vcpu: owned by the caller; process context
 * @state: registers; the APIC base MSR is set before this, a TSC deadline after
 *
 * Return: 0, or -EINVAL without APIC or for a state that no APIC can be in.
 */
int vlapic_ioctl_set(struct vcpu *vcpu, struct kvm_lapic_state *state)
{
	struct vlapic *apic = vcpu->apic;

	if (!apic || !lapic_state_is_valid(apic, state))
		return -EINVAL;
	vlapic_timer_stop(apic);
	apic->vapic_late = false;
	set_registers(apic, state);
	vlapic_forget_posted(apic);
	set_vectors(apic, state, APIC_ISR);
	set_vectors(apic, state, APIC_TMR);
	set_vectors(apic, state, APIC_IRR);
	apicmap_update(vcpu->vm->irqchip, apic);
	lapic_restart_timer(apic, get_reg(state, APIC_TMCCT));
	vcpu_request(vcpu, REQ_EVENT);
	return 0;
}

/* When it fires next; vlapic_timer_resume() arms it. */
static void copy_timer(struct vlapic_timer *to, const struct vlapic_timer *from)
{
	to->target = from->target;
	to->period = from->period;
	to->deadline = from->deadline;
}

static void copy_apic(struct vlapic *to, struct vlapic *from)
{
	to->base = from->base;
	to->cpu_delivers = from->cpu_delivers;
	to->inhibited = from->inhibited;
	to->reports_tpr = from->reports_tpr;
	to->tpr_written = from->tpr_written;
	to->tpr_rip = from->tpr_rip;
	to->vapic_late = from->vapic_late;
	bitmap_copy(to->user_ends, from->user_ends, VLAPIC_VECTORS);
	atomic_set(&to->errors, atomic_read(&from->errors));
	to->signals = READ_ONCE(from->signals);
	smp_rmb();	/* pairs with accept_sipi() */
	to->sipi_vector = READ_ONCE(from->sipi_vector);
}

/**
 * vlapic_copy() - give a vCPU another one's local APIC, with what waits there
 * @to: nobody sees it yet; its base MSR and cr8 are copied by others
 * @from: owned and loaded, as of a machine that stands still
 * @gone_ns: for how long its time did
 *
 * An expiry of the timer that nobody has seen becomes an interrupt first, in both; one that
 * comes meanwhile is seen by both later. So it fires once in each.
 */
void vlapic_copy(struct vcpu *to, struct vcpu *from, u64 gone_ns)
{
	if (!from->apic) {
		memcpy(to->apic_page, from->apic_page, KVM_APIC_REG_SIZE);
		return;
	}
	if (vcpu_take_request(from, REQ_TSC))
		vlapic_tsc_changed(from);
	vlapic_timer_sync(from);
	vlapic_collect(from->apic);
	memcpy(to->apic_page, from->apic_page, KVM_APIC_REG_SIZE);
	copy_apic(to->apic, from->apic);
	copy_timer(&to->apic->timer, &from->apic->timer);
	vlapic_timer_move(to, gone_ns);
	apicmap_update(to->vm->irqchip, to->apic);
	vcpu_request(to, REQ_EVENT);
	vcpu_request(from, REQ_EVENT);
}

/**
 * vlapic_revert() - a vCPU's local APIC goes back to another one's state
 * @vcpu: owned, not in KVM_RUN
 * @base: of which it is a copy, on a machine that nobody sees
 * @gone_ns: for how long the time of @base stood still
 *
 * What others send at this moment comes before or after.
 */
void vlapic_revert(struct vcpu *vcpu, struct vcpu *base, u64 gone_ns)
{
	struct vlapic *apic = vcpu->apic;

	if (apic) {
		vlapic_timer_forget(apic);
		vlapic_forget_posted(apic);
	}
	vlapic_copy(vcpu, base, gone_ns);
}
