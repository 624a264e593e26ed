/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of the x86 room offer each other and core.
 *
 * Guest faults: a function that acts for the guest and returns int gives 0, or
 * X86_FAULT when it refuses as the CPU would with #GP(0); nothing is changed
 * then and the caller injects.  -errno is for the VMM.
 */
#ifndef DITTO_X86_X86_H
#define DITTO_X86_X86_H

#include "core/vm.h"

#define X86_FAULT	1

/* cr.c: control registers, with the checks that the architecture asks for. */
int vcpu_set_cr0(struct vcpu *vcpu, u64 val);
int vcpu_set_cr3(struct vcpu *vcpu, u64 val);
int vcpu_set_cr4(struct vcpu *vcpu, u64 val);
int vcpu_set_cr8(struct vcpu *vcpu, u64 val);
int vcpu_set_efer(struct vcpu *vcpu, u64 val, bool by_vmm);
int vcpu_set_xcr0(struct vcpu *vcpu, u64 val);
int vcpu_get_dr(struct vcpu *vcpu, unsigned int nr, u64 *val);
int vcpu_set_dr(struct vcpu *vcpu, unsigned int nr, u64 val);

/* msr.c; X86_FAULT for an MSR or value that does not exist. */
int msr_read(struct vcpu *vcpu, u32 index, u64 *val, bool by_vmm);
int msr_write(struct vcpu *vcpu, u32 index, u64 val, bool by_vmm);
void msr_setup_passthrough(struct vcpu *vcpu);

/* reset.c: the state after power-on, INIT and SIPI (SDM table 10-1). */
void vcpu_reset(struct vcpu *vcpu, bool init);
void vcpu_sipi(struct vcpu *vcpu, u8 vector);

/* run.c */
int vcpu_run(struct vcpu *vcpu);
/* exits.c: 1: go on; 0: return to user space, vcpu->run is filled; -errno */
int exit_handle(struct vcpu *vcpu, struct exit_facts *facts);
int vcpu_halt(struct vcpu *vcpu);
int vcpu_skip(struct vcpu *vcpu, const struct exit_facts *facts, u8 opcode_len);

/* emuglue.c: the emulator's view of a vCPU. Results as exit_handle(). */
int vcpu_emulate(struct vcpu *vcpu, const struct exit_facts *facts);
void vcpu_paging_mode(struct vcpu *vcpu, struct paging_mode *mode);

/* regs.c, sregs.c, fpu.c: state ioctls; see the table in core/ioctl.c. */

#endif
