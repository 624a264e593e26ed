/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A virtual CPU, and how one thread asks something of one that another thread runs.
 */
#ifndef DITTO_MACHINE_VCPU_H
#define DITTO_MACHINE_VCPU_H

#include <linux/kvm.h>
#include <linux/mutex.h>
#include <linux/preempt.h>
#include <linux/rcuwait.h>
#include <linux/signal_types.h>
#include <asm/fpu/api.h>

#include "mmu/types.h"
#include "x86/machine/backend.h"
#include "x86/machine/clock.h"
#include "x86/machine/cpuid.h"
#include "x86/machine/debug.h"
#include "x86/machine/events.h"
#include "x86/machine/fault.h"
#include "x86/machine/halt.h"
#include "x86/machine/io.h"
#include "x86/machine/iobus.h"
#include "x86/machine/msrs.h"
#include "x86/machine/outcome.h"
#include "x86/machine/pv.h"
#include "x86/machine/state.h"

struct emu_ctxt;
struct vlapic;
struct vm;

/* vcpu->requests: work to do before the next entry. */
enum vcpu_request {
	REQ_EVENT,		/* interrupts, NMIs or timers may be pending: look again */
	REQ_TLB_FLUSH,		/* flush this vCPU's translations */
	REQ_RELOAD_ROOT,	/* fetch the TDP root again; of shadow tables, the guest's flush */
	REQ_PDPTES,		/* load the PDPTEs of PAE paging */
	REQ_CLOCK_UPDATE,	/* publish the paravirtual clock again */
	REQ_TSC,		/* the TSC jumped or changed its pace: timers follow */
	REQ_MSR_FILTER,		/* which MSRs need no exit has changed */
	REQ_IOAPIC_EOI,		/* tell the VMM's IOAPICs of an interrupt's end */
	REQ_STEAL,		/* tell the guest that it runs, and how long it did not */
	REQ_APF,		/* memory that was waited for is there */
	REQ_TPR_ACCESS,		/* leave with KVM_EXIT_TPR_ACCESS */
	REQ_RING_FULL,		/* leave with KVM_EXIT_DIRTY_RING_FULL, until it is not */
	REQ_SHUTDOWN,		/* triple fault: leave with KVM_EXIT_SHUTDOWN */
	REQ_PAUSE,		/* let go of the vCPU, and take it again when vm->paused is over */
};

/* vcpu->mode */
enum vcpu_mode {
	VCPU_OUTSIDE,		/* in the host; looks at requests before it enters */
	VCPU_IN_GUEST,		/* must be kicked to look at requests */
};

/**
 * struct vcpu_counts - what a vCPU did that no kind of exit tells
 * @emulated: instructions that the emulator executed, or parts of those that repeat
 * @not_emulated: those that it does not know
 * @mmio: accesses that the VMM was asked to make
 * @signals: KVM_RUNs that a signal ended
 * @irqs: interrupts delivered
 * @nmis: NMIs delivered
 */
struct vcpu_counts {
	u64 emulated, not_emulated, mmio, signals, irqs, nmis;
};

/**
 * struct vcpu - one virtual CPU
 *
 * "Owner" is the thread that holds @mutex.
 *
 * @vm: constant
 * @idx: creation index in vm->vcpus; constant
 * @id: the VMM's vcpu_id, also the initial APIC id; constant
 * @mutex: held by the thread that runs or inspects the vCPU
 * @run: page shared with the VMM; contents untrusted: read each member once
 * @pio_data: page behind @run that the VMM mmaps: data of port I/O
 * @st: architectural state; owner
 * @ev: what waits to be injected, and NMI state; owner, but atomics inside
 * @apic: local APIC, or NULL without in-kernel irqchip; constant
 * @user_pic: the PIC is the VMM's, which injects its interrupts by KVM_INTERRUPT; constant
 * @apic_page: its registers where a CPU can use them, see x86/board/lapic.h; without it only
 *	TASKPRI counts.  Constant address
 * @posted: interrupts that others send to @apic, or NULL without; constant address
 * @exit_tsc: host TSC that ends the guest with EXIT_TIMER, or 0; where backend_caps.timer
 *	says so; owner
 * @cpuid: the VMM's table and what follows from it; owner
 * @msr: MSRs that no hardware holds; owner
 * @clock: TSC and paravirtual clock; owner
 * @pv: paravirtual features
 * @fpu: the guest's FPU state; loaded in the CPU while KVM_RUN runs
 * @guest_dr: the guest may use the CPU's debug registers until its next exit;
 *	owner
 * @debug: what the VMM that debugs it wants; owner
 * @vapic: gpa of a task priority in guest memory, or 0; owner
 * @facts: of the last exit; owner
 * @emu: the instruction emulator's context; constant address, the rest the owner's
 * @emu_decoded: it holds a decoded instruction of 64-bit code; owner
 * @pio_miss: the last accesses that no device in the kernel answered; owner
 * @mmio_miss: likewise
 * @streaks: where it touched memory last; owner
 * @shadow: its part of shadow paging; owner
 * @ring: the dirty ring; see there
 * @fetch_memo: the last walks for an instruction and for an operand; owner
 * @data_memo: likewise
 * @io: access that waits for user space; owner
 * @error: -errno that KVM_RUN gives; valid with OUTCOME_ERROR; owner
 * @halt: see there
 * @mp_state: KVM_MP_STATE_*; owner
 * @requests: bits of enum vcpu_request; any thread
 * @mode: enum vcpu_mode; written by the owner, read by kickers
 * @cpu: CPU that last loaded it, or -1, which it can be even with VCPU_IN_GUEST: see
 *	vcpu_guest_cpu()
 * @loaded: the backend has it on this CPU; owner, preemption off
 * @wait: the owner sleeps here while halted
 * @thread: who called KVM_RUN last, with a reference, or NULL; written by the owner
 * @thread_lock: held for a few instructions, to change @thread or to take a reference
 * @ready: its thread wants a CPU and has none; any thread reads
 * @preempt: tells the backend when the scheduler moves the owner
 * @sigset: KVM_SET_SIGNAL_MASK; owner
 * @sigset_active: likewise
 * @exits: per enum exit_kind, since creation; owner
 * @counts: what else it did, since creation; owner
 * @mce: machine-check registers; owner
 * @srcu_idx: the owner's read section in vm->mmu.srcu while it runs
 * @epoch: the mmu's epoch when the TLB was last flushed; owner (DITTO_DEBUG)
 * @guest_epoch: the same while the vCPU is in the guest, else U64_MAX; written by the
 *	owner with IRQs off, read by code that asks for flushes (DITTO_DEBUG)
 */
struct vcpu {
	struct vm *vm;
	u32 idx;
	u32 id;
	struct mutex mutex;
	struct kvm_run *run;
	void *pio_data;
	struct x86_state st;
	struct vcpu_events ev;
	struct vlapic *apic;
	bool user_pic;
	u8 *apic_page;
	struct posted *posted;
	u64 exit_tsc;
	struct vcpu_cpuid cpuid;
	struct vcpu_msrs msr;
	struct vcpu_clock clock;
	struct vcpu_pv pv;
	struct fpu_guest fpu;
	bool guest_dr;
	struct vcpu_debug debug;
	gpa_t vapic;
	struct exit_facts facts;
	struct emu_ctxt *emu;
	bool emu_decoded;
	struct iobus_miss pio_miss, mmio_miss;
	struct fault_streaks streaks;
	struct shadow_vcpu shadow;
	struct dirty_ring ring;
	struct walk_memo fetch_memo, data_memo;
	struct vcpu_io io;
	int error;
	struct vcpu_halt halt;
	u32 mp_state;
	unsigned long requests;
	int mode;
	int cpu;
	bool loaded;
	struct rcuwait wait;
	struct pid *thread;
	spinlock_t thread_lock;
	bool ready;
	struct preempt_notifier preempt;
	int srcu_idx;
	bool sigset_active;
	sigset_t sigset;
	u64 exits[EXIT_NR];
	struct vcpu_counts counts;
	struct vcpu_mce mce;
#ifdef DITTO_DEBUG
	u64 epoch;
	u64 guest_epoch;
#endif
};

/**
 * vcpu_need() - make parts of vcpu->st hold the guest's values
 * @vcpu: owned by the caller and loaded
 * @parts: ST_* bits
 */
static inline void vcpu_need(struct vcpu *vcpu, u32 parts)
{
	u32 missing = parts & ~vcpu->st.valid;

	if (missing) {
		backend->fetch(vcpu, missing);
		vcpu->st.valid |= missing;
	}
}

/**
 * vcpu_changed() - say that parts of vcpu->st were changed here
 * @vcpu: owned by the caller
 * @parts: ST_* bits; must have been valid before, unless wholly overwritten
 */
static inline void vcpu_changed(struct vcpu *vcpu, u32 parts)
{
	vcpu->st.valid |= parts;
	vcpu->st.dirty |= parts;
	if (parts & ST_SEGS)
		vcpu->st.valid &= ~ST_CODE;	/* a copy of some of it */
}

/**
 * vcpu_request() - ask for work before the vCPU's next entry; see vcpu_kick()
 * @vcpu: any
 * @req: what
 */
static inline void vcpu_request(struct vcpu *vcpu, enum vcpu_request req)
{
	/* The requester's data must be visible to the thread that sees the bit. */
	smp_mb__before_atomic();
	set_bit(req, &vcpu->requests);
}

static inline bool vcpu_take_request(struct vcpu *vcpu, enum vcpu_request req)
{
	if (likely(!test_bit(req, &vcpu->requests)))
		return false;
	clear_bit(req, &vcpu->requests);
	smp_mb__after_atomic();
	return true;
}

/**
 * vcpu_guest_cpu() - the CPU on which a vCPU may be in the guest
 * @vcpu: any; preemption off
 *
 * The caller has set a request, or the like, and then made a full barrier: a vCPU that is
 * not in the guest will see it before it enters.
 *
 * Return: -1 for such a one, also when it is about to look and no CPU has loaded it yet.
 */
static inline int vcpu_guest_cpu(struct vcpu *vcpu)
{
	/* Pairs with the store of the mode before the last look at requests. */
	return smp_load_acquire(&vcpu->mode) == VCPU_IN_GUEST ? READ_ONCE(vcpu->cpu) : -1;
}

/**
 * vcpu_fails() - KVM_RUN cannot go on
 * @vcpu: owned
 * @err: -errno
 *
 * Return: OUTCOME_ERROR.
 */
static inline enum exit_outcome vcpu_fails(struct vcpu *vcpu, int err)
{
	vcpu->error = err;
	return OUTCOME_ERROR;
}

/**
 * vcpu_tsc() - the TSC as the guest reads it at this instant
 * @vcpu: owned
 *
 * Return: the value.
 */
static inline u64 vcpu_tsc(const struct vcpu *vcpu)
{
	return clock_scaled(&vcpu->clock, clock_host_tsc()) + vcpu->clock.tsc_offset;
}

/**
 * cpuid_has() - does the guest's CPUID show a feature?
 * @vcpu: owned
 * @feature: X86_FEATURE_* that has a CPUID bit of its own
 *
 * Return: whether it does; a vCPU without a table has no feature.
 */
static inline bool cpuid_has(const struct vcpu *vcpu, unsigned int feature)
{
	return cpuid_words_have(vcpu->cpuid.word, feature);
}

/**
 * vcpu_pv_has() - may the guest use a paravirtual feature?
 * @vcpu: owned
 * @feature: KVM_FEATURE_*
 *
 * Return: whether CPUID shows it, where the VMM wants that to count.
 */
static inline bool vcpu_pv_has(const struct vcpu *vcpu, unsigned int feature)
{
	return !vcpu->pv.enforce || (vcpu->cpuid.pv_features & BIT(feature));
}

void vcpu_kick(struct vcpu *vcpu);
void vcpu_notify(struct vcpu *vcpu);
void vcpu_wake(struct vcpu *vcpu);
void vcpu_nmi(struct vcpu *vcpu);
u64 vcpu_wrap_rip(struct vcpu *vcpu, u64 rip);

#endif
