/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The local APIC's struct, for the board, and for the looks at it before each entry.
 */
#ifndef DITTO_BOARD_LAPIC_LOOK_H
#define DITTO_BOARD_LAPIC_LOOK_H

#include <linux/atomic.h>
#include <linux/hrtimer.h>
#include <linux/kvm.h>
#include <asm/apicdef.h>

#include "x86/machine/vcpu.h"

#define VLAPIC_VECTORS		256

enum vlapic_lvt {
	VLAPIC_LVT_TIMER,
	VLAPIC_LVT_THERMAL,
	VLAPIC_LVT_PERF,
	VLAPIC_LVT_LINT0,
	VLAPIC_LVT_LINT1,
	VLAPIC_LVT_ERROR,
	VLAPIC_LVT_CMCI,	/* corrected machine checks, where IA32_MCG_CAP says so */
	VLAPIC_LVTS
};

/**
 * struct vlapic_timer - the APIC timer; owner, except for @expired
 *
 * Where the CPU can end the guest in time, vcpu->exit_tsc is set, too, and the hrtimer
 * runs only while the vCPU is halted.
 *
 * @hrtimer: fires at @target; its handler only sets @expired and kicks
 * @target: CLOCK_MONOTONIC ns when it fires next, 0 when it does not run
 * @period: ns between two expiries, 0 when it fires once
 * @deadline: MSR_IA32_TSC_DEADLINE; not 0 means armed in that mode
 * @expired: fired, and vlapic_timer_sync() has not seen it; any context
 */
struct vlapic_timer {
	struct hrtimer hrtimer;
	u64 target;
	u64 period;
	u64 deadline;
	int expired;
};

/**
 * struct vlapic - one local APIC
 *
 * "Owner" as in struct vcpu; what senders read too is written with WRITE_ONCE.
 *
 * The registers are in vcpu->apic_page, laid out as the xAPIC's page, so that a
 * CPU can read them and deliver from them.  The owner's.  Of them, PROCPRI and TMCCT are computed
 * when read, and TASKPRI's upper half may lag vcpu->st.cr8.
 *
 * @vcpu: constant
 * @regs: vcpu->apic_page; constant
 * @cpu_delivers: the CPU delivers interrupts by itself; owner
 * @inhibited: the CPU could do so, but must not now; owner
 * @cpu_helps: it does that, or reads registers; constant
 * @cpu_times: it ends the guest when the timer expires; constant
 * @msrs_pass: the guest reaches registers of its x2APIC without exits; owner
 * @reports_tpr: the VMM wants to hear of accesses to the TPR; owner
 * @vapic_late: the TPR in the guest's memory has not been taken yet; owner
 * @tpr_written: the last such access; owner
 * @tpr_rip: likewise
 * @base: a copy of vcpu->msr.apic_base; owner
 * @timer: see there
 * @posted: see there; vectors whose trigger mode is what the TMR says
 * @held: the others, edge-triggered and level-triggered: the owner changes the TMR first
 * @user_ends: vectors whose end the VMM is to hear of, for its IOAPICs; owner
 * @errors: errors since the last write to the ESR; any context
 * @signals: VLAPIC_SIGNAL_* that wait; any context
 * @sipi_vector: of the SIPI that waits or came last; written before the signal
 */
struct vlapic {
	struct vcpu *vcpu;
	u8 *regs;
	bool cpu_delivers, inhibited;
	bool cpu_helps;
	bool cpu_times;
	bool msrs_pass;
	bool reports_tpr, tpr_written, vapic_late;
	u64 tpr_rip;
	u64 base;
	struct vlapic_timer timer;
	struct posted posted;
	struct posted held[2];
	DECLARE_BITMAP(user_ends, VLAPIC_VECTORS);
	atomic_t errors;
	unsigned long signals;
	u8 sipi_vector;
};

/* Is it in the page of the registers?  By the owner. */
static inline bool vlapic_has_gpa(const struct vlapic *apic, gpa_t gpa)
{
	return gpa >> PAGE_SHIFT == apic->base >> PAGE_SHIFT;
}

/* A register, by its offset in the page. */
static inline u32 vlapic_get(const struct vlapic *apic, u32 offset)
{
	return READ_ONCE(*(const u32 *)(apic->regs + offset));
}

/* Where the LVT entry of a source is. */
static inline u32 vlapic_lvt_offset(unsigned int lvt)
{
	return lvt == VLAPIC_LVT_CMCI ? APIC_LVTCMCI : APIC_LVTT + lvt * 0x10;
}

static inline u32 vlapic_lvt(const struct vlapic *apic, unsigned int lvt)
{
	return vlapic_get(apic, vlapic_lvt_offset(lvt));
}

/*
 * The last check before each entry calls these, so they are inline. Any CPU may call them;
 * their answer may be out of date at once.
 */

/* INIT or SIPI waits for vlapic_take_init() and vlapic_take_sipi(). */
static inline bool vlapic_has_init_sipi(const struct vcpu *vcpu)
{
	return vcpu->apic && READ_ONCE(vcpu->apic->signals);
}

/* Interrupts wait for vlapic_collect(). */
static inline bool vlapic_has_posted(const struct vcpu *vcpu)
{
	return vcpu->apic && READ_ONCE(vcpu->apic->posted.any);
}

/* vlapic_timer_sync() would raise an interrupt; wakes from HLT. */
static inline bool vlapic_timer_expired(const struct vcpu *vcpu)
{
	const struct vlapic *apic = vcpu->apic;

	return apic && READ_ONCE(apic->timer.expired) &&
	       !(vlapic_lvt(apic, VLAPIC_LVT_TIMER) & APIC_LVT_MASKED);
}

#endif
