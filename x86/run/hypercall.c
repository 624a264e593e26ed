// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hypercalls: a table of KVM's, by number.  Number and arguments are in rax, rbx, rcx, rdx
 * and rsi, the result goes to rax.  What they ask of interrupt controllers is board/'s.
 *
 * The hard part is the one that user space answers: the answer serves the same instruction
 * only, and what of it counts is its result.
 */
#include <linux/kvm_para.h>
#include <linux/nospec.h>
#include <linux/pid.h>
#include <linux/sched.h>
#include <linux/sched/stat.h>
#include <linux/sched/task.h>
#include <asm/apicdef.h>

#include <ditto.h>

#include "compat.h"
#include "mmu/guest.h"
#include "x86/board/lapic_ipi.h"
#include "x86/cpu/clock.h"
#include "x86/machine/vm.h"
#include "x86/run/hypercall.h"
#include "x86/run/skip.h"

/* Given to the VMM; like the next not a value that a hypercall returns. */
#define HYPERCALL_USER	S64_MAX
/* A signal came before the guest's memory: the instruction is executed again. */
#define HYPERCALL_AGAIN	S64_MIN

/**
 * struct hypercall - one on its way
 * @arg: rbx, rcx, rdx, rsi
 * @is_64: made in 64-bit code; otherwise all values have 32 bits
 * @len: of the instruction
 */
struct hypercall {
	u64 arg[4];
	bool is_64;
	u8 len;
};

static __always_inline bool hypercall_is_64(struct vcpu *vcpu)
{
	vcpu_need(vcpu, ST_CODE);
	return (vcpu->st.efer & EFER_LMA) && vcpu->st.code.l;
}

/* The guest waits for @to: its thread may have the rest of this one's time. */
static void hypercall_yield_to(struct vcpu *vcpu, struct vcpu *to)
	__must_hold(&vcpu->vm->mmu.srcu)
{
	struct task_struct *task;
	struct pid *pid;

	if (!to || to == vcpu || !READ_ONCE(to->ready) || single_task_running())
		return;
	spin_lock(&to->thread_lock);
	pid = get_pid(to->thread);
	spin_unlock(&to->thread_lock);
	task = get_pid_task(pid, PIDTYPE_PID);
	put_pid(pid);
	if (!task)
		return;
	srcu_read_unlock(&vcpu->vm->mmu.srcu, vcpu->srcu_idx);
	yield_to(task, true);
	vcpu->srcu_idx = srcu_read_lock(&vcpu->vm->mmu.srcu);
	put_task_struct(task);
}

static s64 hypercall_vapic_poll_irq(struct vcpu *vcpu, const struct hypercall *h)
{
	return 0;
}

static s64 hypercall_kick_cpu(struct vcpu *vcpu, const struct hypercall *h)
	__must_hold(&vcpu->vm->mmu.srcu)
{
	struct vcpu *to = vlapic_find(vcpu->vm, h->arg[1]);

	if (to) {
		WRITE_ONCE(to->pv.unhalted, true);
		vcpu_kick(to);
	}
	hypercall_yield_to(vcpu, to);
	return 0;
}

static s64 hypercall_clock_pairing(struct vcpu *vcpu, const struct hypercall *h)
{
	struct kvm_clock_pairing pairing = {};
	struct timespec64 ts;
	int err;

	if (h->arg[1] != KVM_CLOCK_PAIRING_WALLCLOCK || !vclock_pair(vcpu, &ts, &pairing.tsc))
		return -KVM_EOPNOTSUPP;
	pairing.sec = ts.tv_sec;
	pairing.nsec = ts.tv_nsec;
	err = guest_write(&vcpu->vm->mmu, h->arg[0], &pairing, sizeof(pairing));
	if (err == -EINTR)
		return HYPERCALL_AGAIN;
	return err ? -KVM_EFAULT : 0;
}

static s64 hypercall_send_ipi(struct vcpu *vcpu, const struct hypercall *h)
{
	if (h->arg[3] & (APIC_DEST_LOGICAL | APIC_DEST_ALLBUT))
		return -KVM_EINVAL;
	if (!vcpu->apic)
		return -KVM_EOPNOTSUPP;
	return vlapic_send_many(vcpu->vm, h->arg, h->is_64 ? 64 : 32, h->arg[2], h->arg[3]);
}

static s64 hypercall_sched_yield(struct vcpu *vcpu, const struct hypercall *h)
	__must_hold(&vcpu->vm->mmu.srcu)
{
	hypercall_yield_to(vcpu, vlapic_find(vcpu->vm, h->arg[0]));
	return 0;
}

static void hypercall_result(struct vcpu *vcpu, u64 result, bool is_64)
{
	vcpu->st.gpr[GPR_RAX] = is_64 ? result : (u32)result;
}

static u64 hypercall_value(struct vcpu *vcpu, unsigned int gpr, bool is_64)
{
	return is_64 ? vcpu->st.gpr[gpr] : (u32)vcpu->st.gpr[gpr];
}

static enum exit_outcome hypercall_complete(struct vcpu *vcpu)
{
	/* User space has moved rip, or another one's answer comes late. */
	if (vcpu->st.rip != vcpu->io.rip)
		return OUTCOME_ENTER;
	hypercall_result(vcpu, READ_ONCE(vcpu->run->hypercall.ret), hypercall_is_64(vcpu));
	skip_advance(vcpu, vcpu->io.insn_len);
	return OUTCOME_ENTER;
}

static s64 hypercall_map_gpa_range(struct vcpu *vcpu, const struct hypercall *h)
{
	u64 gpa = h->arg[0], npages = h->arg[1], gfn = gpa >> PAGE_SHIFT;
	struct kvm_run *run = vcpu->run;

	if (!(READ_ONCE(vcpu->vm->enabled.hypercall_exits) & BIT(KVM_HC_MAP_GPA_RANGE)))
		return -KVM_ENOSYS;
	if (!PAGE_ALIGNED(gpa) || !npages || gfn + npages <= gfn)
		return -KVM_EINVAL;
	run->exit_reason = KVM_EXIT_HYPERCALL;
	memset(&run->hypercall, 0, sizeof(run->hypercall));
	run->hypercall.nr = KVM_HC_MAP_GPA_RANGE;
	run->hypercall.args[0] = gpa;
	run->hypercall.args[1] = npages;
	run->hypercall.args[2] = h->arg[2];
	compat_hypercall_flags(run) = h->is_64 ? KVM_EXIT_HYPERCALL_LONG_MODE : 0;
	vcpu->io.rip = vcpu->st.rip;
	vcpu->io.insn_len = h->len;
	vcpu->io.complete = hypercall_complete;
	return HYPERCALL_USER;
}

/*
 * The VMM forks the machine, which has this exit unfinished in both, and answers each: what it
 * puts into kvm_run's hypercall.ret is the result.
 */
static enum exit_outcome hypercall_fork(struct vcpu *vcpu, bool is_64, u8 len)
{
	struct kvm_run *run = vcpu->run;

	run->exit_reason = KVM_EXIT_HYPERCALL;
	memset(&run->hypercall, 0, sizeof(run->hypercall));
	run->hypercall.nr = DITTO_HC_FORK;
	run->hypercall.args[0] = hypercall_value(vcpu, GPR_RBX, is_64);
	compat_hypercall_flags(run) = is_64 ? KVM_EXIT_HYPERCALL_LONG_MODE : 0;
	vcpu->io.rip = vcpu->st.rip;
	vcpu->io.insn_len = len;
	vcpu->io.complete = hypercall_complete;
	return OUTCOME_USER;
}

#define NO_FEATURE	0xff

/* By number; @feature: KVM_FEATURE_* that the guest needs for it. */
static const struct {
	s64 (*fn)(struct vcpu *vcpu, const struct hypercall *h);
	u8 feature;
} hypercalls[] = {
	[KVM_HC_VAPIC_POLL_IRQ] = { hypercall_vapic_poll_irq, NO_FEATURE },
	[KVM_HC_KICK_CPU] = { hypercall_kick_cpu, KVM_FEATURE_PV_UNHALT },
	[KVM_HC_CLOCK_PAIRING] = { hypercall_clock_pairing, NO_FEATURE },
	[KVM_HC_SEND_IPI] = { hypercall_send_ipi, KVM_FEATURE_PV_SEND_IPI },
	[KVM_HC_SCHED_YIELD] = { hypercall_sched_yield, KVM_FEATURE_PV_SCHED_YIELD },
	[KVM_HC_MAP_GPA_RANGE] = { hypercall_map_gpa_range, NO_FEATURE },
};

static enum exit_outcome hypercall_end(struct vcpu *vcpu, u64 result, bool is_64, u8 len)
{
	hypercall_result(vcpu, result, is_64);
	skip_advance(vcpu, len);
	return OUTCOME_ENTER;
}

static bool hypercall_is_there(struct vcpu *vcpu, u64 nr)
{
	return hypercalls[nr].fn && (hypercalls[nr].feature == NO_FEATURE ||
				     vcpu_pv_has(vcpu, hypercalls[nr].feature));
}

/* A number of the table. Apart, so that others pay nothing for the arguments. */
static noinline enum exit_outcome hypercall_make(struct vcpu *vcpu, u64 nr, bool is_64, u8 len)
{
	static const u8 args[] = { GPR_RBX, GPR_RCX, GPR_RDX, GPR_RSI };
	struct hypercall h = { .is_64 = is_64, .len = len };
	s64 result = -KVM_ENOSYS;
	int i;

	nr = array_index_nospec(nr, ARRAY_SIZE(hypercalls));
	for (i = 0; i < ARRAY_SIZE(args); i++)
		h.arg[i] = hypercall_value(vcpu, args[i], is_64);
	if (hypercall_is_there(vcpu, nr))
		result = hypercalls[nr].fn(vcpu, &h);
	if (result == HYPERCALL_USER)
		return OUTCOME_USER;
	if (result == HYPERCALL_AGAIN)
		return OUTCOME_ENTER;
	return hypercall_end(vcpu, result, is_64, len);
}

/**
 * hypercall_carry_out() - the guest executed its CPU's hypercall instruction
 * @vcpu: owned and loaded, in a read section of mmu.srcu
 * @f: the exit
 *
 * Return: as exit_handle().
 */
enum exit_outcome hypercall_carry_out(struct vcpu *vcpu, const struct exit_facts *f)
{
	bool is_64 = hypercall_is_64(vcpu);
	int err;
	u8 len = skip_len(vcpu, f, HYPERCALL_LEN, &err);
	u64 nr = hypercall_value(vcpu, GPR_RAX, is_64);

	if (unlikely(!len))
		return skip_again(vcpu, err);
	if (vcpu->st.code.cpl)
		return hypercall_end(vcpu, -KVM_EPERM, is_64, len);
	if (nr < ARRAY_SIZE(hypercalls))
		return hypercall_make(vcpu, nr, is_64, len);
	if (nr == DITTO_HC_FORK && READ_ONCE(vcpu->vm->enabled.fork_hypercall))
		return hypercall_fork(vcpu, is_64, len);
	return hypercall_end(vcpu, -KVM_ENOSYS, is_64, len);
}
