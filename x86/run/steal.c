// SPDX-License-Identifier: GPL-2.0-only
/*
 * Steal time (MSR_KVM_STEAL_TIME): 64 bytes of guest memory that say how long the vCPU's
 * thread waited for a CPU, and whether it has one now. A guest does not spin for a vCPU that
 * does not run; and instead of interrupting it for a TLB flush, it leaves a flag in the same
 * byte, which is taken before the next entry (KVM_FEATURE_PV_TLB_FLUSH).
 *
 * The hard part is that flag. Once a guest may have seen "preempted", the vCPU must not
 * enter before the byte was taken; and it must not act for the guest by translations that
 * are older than a flush which was left there. So the byte says "preempted" only where no
 * instruction is being emulated.
 */
#include <linux/kvm_para.h>
#include <linux/sched.h>
#include <linux/sched/stat.h>

#include "compat.h"
#include "mmu/guest.h"
#include "x86/machine/vm.h"
#include "x86/run/steal.h"

/* A guest that goes on changing the byte of a vCPU that runs is not waited for. */
#define STEAL_TRIES	4

static_assert(sizeof(struct kvm_steal_time) == 64);

#ifdef DITTO_KUNIT
void (*vcpu_steal_between)(struct vcpu *vcpu);
#endif

static gpa_t steal_gpa(const struct vcpu *vcpu)
{
	return vcpu->pv.steal_msr & KVM_STEAL_VALID_BITS;
}

/* What the thread has waited since the last call; from the start, if it is another one. */
static u64 steal_delta(struct vcpu *vcpu)
{
	struct vcpu_pv *pv = &vcpu->pv;
	u64 now = compat_run_delay(current);
	u64 delta = pv->steal_thread == current ? now - pv->steal_seen : 0;

	pv->steal_thread = current;
	pv->steal_seen = now;
	return delta;
}

/**
 * steal_set_msr() - MSR_KVM_STEAL_TIME was written
 * @vcpu: owned
 * @val: address, a multiple of 64; bit 0 enables
 *
 * Return: X86_NO_FAULT; X86_FAULT for reserved bits, or where the host does not keep account.
 */
enum guest_fault steal_set_msr(struct vcpu *vcpu, u64 val)
{
	if (!sched_info_on() || (val & KVM_STEAL_RESERVED_MASK))
		return X86_FAULT;
	if (!steal_on(vcpu))
		steal_delta(vcpu);
	vcpu->pv.steal_msr = val;
	if (steal_on(vcpu))
		vcpu_request(vcpu, REQ_STEAL);
	return X86_NO_FAULT;
}

/* The byte becomes 0. Gives what was there, or -errno. */
static int steal_take_flags(struct vcpu *vcpu, u8 seen)
{
	gpa_t gpa = steal_gpa(vcpu) + offsetof(struct kvm_steal_time, preempted);
	struct mmu *mmu = &vcpu->vm->mmu;
	u8 old = seen, none = 0;
	int i, err;

	for (i = 0; i < STEAL_TRIES && seen; i++) {
		err = guest_cmpxchg(mmu, gpa, &seen, &none, 1);
		if (err || seen == old)
			return err ? err : old;
		old = seen;
	}
	if (!seen)
		return 0;
	err = guest_write(mmu, gpa, &none, 1);
	return err ? err : old | KVM_VCPU_FLUSH_TLB;
}

/* Odd version, contents, even version. */
static void steal_write(struct vcpu *vcpu, struct kvm_steal_time *st)
{
	gpa_t gpa = steal_gpa(vcpu), version = gpa + offsetof(struct kvm_steal_time, version);
	struct mmu *mmu = &vcpu->vm->mmu;

	st->version = (st->version | 1) + 2;
	guest_write(mmu, version, &st->version, sizeof(st->version));
	smp_wmb();	/* the odd version before the contents */
	guest_write(mmu, gpa + offsetof(struct kvm_steal_time, steal), &st->steal,
		    sizeof(st->steal));
	smp_wmb();	/* the contents before the even version */
	st->version++;
	guest_write(mmu, version, &st->version, sizeof(st->version));
}

/**
 * steal_update() - the vCPU has a CPU: say so, and for how long it had none
 * @vcpu: owned and loaded, in a read section of mmu.srcu; process context, may sleep
 *
 * For REQ_STEAL.  Where no memory is, nothing is said; what a guest may have left there
 * is assumed then.
 */
void steal_update(struct vcpu *vcpu)
{
	struct mmu *mmu = &vcpu->vm->mmu;
	struct kvm_steal_time st;
	int flags;

	if (!steal_on(vcpu))
		return;
	flags = guest_read(mmu, steal_gpa(vcpu), &st, sizeof(st));
#ifdef DITTO_KUNIT
	if (vcpu_steal_between)
		vcpu_steal_between(vcpu);
#endif
	if (!flags)
		flags = steal_take_flags(vcpu, st.preempted);
	/* Not before: steal_left() would write over a flag that was not taken yet. */
	barrier();
	WRITE_ONCE(vcpu->pv.preempted, false);
	if (flags < 0 || (flags & KVM_VCPU_FLUSH_TLB))
		vcpu_flush_guest(vcpu);
	if (flags < 0)
		return;
	st.steal += steal_delta(vcpu);
	steal_write(vcpu, &st);
}

/* Between two of the guest's instructions, with nothing begun; see the top of the file. */
static bool steal_at_rest(const struct vcpu *vcpu)
{
	switch (vcpu->facts.kind) {
	case EXIT_HOST_IRQ:
	case EXIT_TIMER:
		return true;
	case EXIT_HLT:
		return vcpu->mp_state == KVM_MP_STATE_HALTED;
	default:
		return false;
	}
}

/**
 * steal_left() - the vCPU has lost its CPU: say so, if that can be done now
 * @vcpu: with steal time; preemption off, locks of the scheduler may be held
 */
void steal_left(struct vcpu *vcpu)
{
	if (vcpu->pv.preempted || !steal_at_rest(vcpu))
		return;
	/* Set first: from the write on the guest may leave its flag. */
	vcpu->pv.preempted = true;
	if (!guest_poke(&vcpu->vm->mmu,
			steal_gpa(vcpu) + offsetof(struct kvm_steal_time, preempted),
			KVM_VCPU_PREEMPTED))
		vcpu->pv.preempted = false;
}
