/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of the x86 room offer each other and core.
 */
#ifndef DITTO_X86_X86_H
#define DITTO_X86_X86_H

#include <linux/sched.h>
#include <asm/debugreg.h>
#include <asm/processor-flags.h>
#include <asm/trapnr.h>

#include "mmu/memo.h"
#include "x86/cpu/clock.h"
#include "x86/cpu/cpuid.h"
#include "x86/cpu/fpu.h"
#include "x86/emulate/emulate.h"
#include "x86/machine/vm.h"
#include "x86/run/events.h"

/* cr.c */
bool cr_consistent(struct vcpu *vcpu, u64 cr0, u64 cr3, u64 cr4, u64 efer);
#define DR7_GD	BIT_ULL(13)	/* general detect: debug register accesses are #DB */
u64 cr_fixup_cr0(u64 val);
u64 cr_fixup_dr6(u64 val);
u64 cr_fixup_dr7(u64 val);

/* cr.c: control and debug registers, with the checks that the architecture asks for. */
int vcpu_set_cr0(struct vcpu *vcpu, u64 val);
int vcpu_set_cr3(struct vcpu *vcpu, u64 val);
int vcpu_set_cr4(struct vcpu *vcpu, u64 val);
int vcpu_set_cr8(struct vcpu *vcpu, u64 val);
bool vcpu_cr3_usable(struct vcpu *vcpu, u64 cr3);
void vcpu_reload_pdptes(struct vcpu *vcpu);
int vcpu_set_efer(struct vcpu *vcpu, u64 val, bool by_vmm);
int vcpu_get_dr(struct vcpu *vcpu, unsigned int nr, u64 *val);
int vcpu_set_dr(struct vcpu *vcpu, unsigned int nr, u64 val);

/* msr.c */
int msr_read(struct vcpu *vcpu, u32 index, u64 *val, bool by_vmm);
int msr_write(struct vcpu *vcpu, u32 index, u64 val, bool by_vmm);
void msr_setup_passthrough(struct vcpu *vcpu);
void msr_reset(struct vcpu *vcpu);
void msr_setup(void);

/* reset.c */
void vcpu_reset(struct vcpu *vcpu, bool init);
void vcpu_sipi(struct vcpu *vcpu, u8 vector);
void vcpu_accept_init_sipi(struct vcpu *vcpu);

/* run.c */
int vcpu_run(struct vcpu *vcpu);
bool vcpu_has_work(struct vcpu *vcpu);
/* exits.c */
int exit_handle(struct vcpu *vcpu, struct exit_facts *facts);
bool exit_is_alignment_check(u8 cpl, u64 cr0, u64 rflags);
int vcpu_halt(struct vcpu *vcpu);
/* skip.c */
int vcpu_len_unknown(struct vcpu *vcpu, const struct exit_facts *facts, u8 opcode_len);

/* emulate_vcpu.c: the emulator's view of a vCPU */
int vcpu_emulator_init(struct vcpu *vcpu);
void vcpu_emulator_free(struct vcpu *vcpu);
int vcpu_insn_len(struct vcpu *vcpu, const struct exit_facts *facts);
int vcpu_emulate(struct vcpu *vcpu, const struct exit_facts *facts);
/* What a walk found, as the emulator says it. */
static inline struct emu_fault vcpu_walk_fault(const struct walk_fault *fault)
{
	return (struct emu_fault) {
		.valid = true,
		.vector = X86_TRAP_PF,
		.has_error = true,
		.error = fault->error,
		.cr2 = fault->gva,
	};
}

/* taskswitch_vcpu.c */
int vcpu_task_switch(struct vcpu *vcpu, const struct exit_facts *facts);

/**
 * vcpu_paging_mode() - what a walk of the guest's page tables needs to know
 * @vcpu: owned and loaded; ST_CR is valid
 * @mode: filled
 */
static __always_inline void vcpu_paging_mode(const struct vcpu *vcpu, struct paging_mode *mode)
{
	const struct x86_state *st = &vcpu->st;

	mode->cr0 = st->cr0;
	mode->cr3 = st->cr3;
	mode->cr4 = st->cr4;
	mode->efer = st->efer;
	mode->rflags = st->rflags;
	mode->pkru = st->pkru;
	mode->maxphyaddr = vcpu->cpuid.maxphyaddr;
}

/* Was a memo's walk made in the mode that the guest is in now?  ST_CR is valid. */
static __always_inline bool vcpu_memo_mode(const struct vcpu *vcpu, const struct walk_memo *m)
{
	struct paging_mode mode;

	vcpu_paging_mode(vcpu, &mode);
	return memo_mode_same(&m->mode, &mode);
}

/**
 * vcpu_end_insn() - an instruction of @len bytes at rip has ended, and no trap is due
 * @vcpu: owned and loaded
 * @len: its length
 */
static inline void vcpu_end_insn(struct vcpu *vcpu, u8 len)
{
	struct x86_state *st = &vcpu->st;
	u64 rip = st->rip + len;

	/* Outside of 64-bit code the upper half was 0: only a carry changes it. */
	if (unlikely((rip ^ st->rip) >> 32))
		rip = vcpu_wrap_rip(vcpu, rip);
	st->rip = rip;
	st->shadow = 0;
	st->rflags &= ~X86_EFLAGS_RF;
}

/**
 * vcpu_advance() - an instruction of @len bytes at rip has ended
 * @vcpu: owned and loaded
 * @len: its length
 */
static inline void vcpu_advance(struct vcpu *vcpu, u8 len)
{
	vcpu_end_insn(vcpu, len);
	if (unlikely(vcpu->st.rflags & X86_EFLAGS_TF))
		vcpu_queue_debug(vcpu, DR_STEP);
}

/**
 * vcpu_len() - how far to vcpu_advance() once the instruction that caused an exit is done
 * @vcpu: owned and loaded
 * @f: the exit
 * @opcode_len: its length without prefixes; it begins with 0F, or is HLT
 *
 * To be asked before anything of the instruction is done: where its bytes must be looked at
 * they may be gone, and the guest is to execute it anew.
 *
 * Return: the length; 0 then, with a fault queued or none; -errno for KVM_RUN.
 */
static inline int vcpu_len(struct vcpu *vcpu, const struct exit_facts *f, u8 opcode_len)
{
	return likely(f->insn_len) ? f->insn_len : vcpu_len_unknown(vcpu, f, opcode_len);
}

/*
 * State ioctls.  Structures were copied in, or are copied out, by the
 * dispatcher; the caller holds vcpu->mutex and has loaded the vCPU, but not its
 * FPU.  __user pointers are to arguments of variable size.
 */
/* regs.c */
int vcpu_ioctl_get_regs(struct vcpu *vcpu, struct kvm_regs *regs);
int vcpu_ioctl_set_regs(struct vcpu *vcpu, struct kvm_regs *regs);
int vcpu_ioctl_get_debugregs(struct vcpu *vcpu, struct kvm_debugregs *dbg);
int vcpu_ioctl_set_debugregs(struct vcpu *vcpu, struct kvm_debugregs *dbg);
int vcpu_ioctl_get_vcpu_events(struct vcpu *vcpu, struct kvm_vcpu_events *events);
int vcpu_ioctl_set_vcpu_events(struct vcpu *vcpu, struct kvm_vcpu_events *events);
int vcpu_ioctl_get_mp_state(struct vcpu *vcpu, struct kvm_mp_state *state);
int vcpu_ioctl_set_mp_state(struct vcpu *vcpu, struct kvm_mp_state *state);
/* sregs.c */
int vcpu_ioctl_get_sregs(struct vcpu *vcpu, struct kvm_sregs *sregs);
int vcpu_ioctl_set_sregs(struct vcpu *vcpu, struct kvm_sregs *sregs);
int vcpu_ioctl_translate(struct vcpu *vcpu, struct kvm_translation *tr);
/* msr.c */
int msr_ioctl_index_list(void __user *arg);
int msr_ioctl_feature_index_list(void __user *arg);
int msr_ioctl_get_features(void __user *arg);
int vcpu_ioctl_get_msrs(struct vcpu *vcpu, void __user *arg);
int vcpu_ioctl_set_msrs(struct vcpu *vcpu, void __user *arg);
/**
 * x86_setup() - learn what this host's CPUs can do for guests
 *
 * Once, when the module is loaded: after its parameters are known and
 * backend->setup() has filled the backend's capabilities.
 */
static inline void x86_setup(void)
{
	cpuid_setup();
	fpu_setup();
	msr_setup();
}

#endif
