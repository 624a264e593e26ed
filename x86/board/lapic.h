/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The local APIC of a vCPU, as code outside of the board calls it: its life, its registers, and
 * what it has for the vCPU. Beside it: its timer (lapic_timer.h), messages to it (lapic_ipi.h),
 * what the CPU does by itself (lapic_cpu.h), its state as a whole (lapic_state.h), and the looks
 * that each entry takes (lapic_look.h). What it is made of is the board's (lapic_priv.h).
 */
#ifndef DITTO_BOARD_LAPIC_H
#define DITTO_BOARD_LAPIC_H

#include <linux/kvm_types.h>

#include "x86/machine/fault.h"

struct vcpu;
struct vlapic;

int vlapic_create(struct vcpu *vcpu);
void vlapic_free(struct vcpu *vcpu);
void vlapic_reset(struct vcpu *vcpu, bool init);
void vlapic_mce_changed(struct vcpu *vcpu);
void vlapic_corrected_error(struct vcpu *vcpu);

bool board_has_irq(struct vcpu *vcpu);
bool board_injects_irq(struct vcpu *vcpu);
int board_take_irq(struct vcpu *vcpu);
bool vlapic_tpr_blocks(struct vcpu *vcpu);
bool vlapic_accepts_pic(const struct vcpu *vcpu);
int vlapic_take_user_end(struct vcpu *vcpu);

bool vlapic_take_init(struct vcpu *vcpu);
int vlapic_take_sipi(struct vcpu *vcpu);
void vlapic_post_sipi(struct vcpu *vcpu);
void vlapic_set_sipi_vector(struct vcpu *vcpu, u8 vector);

u64 vlapic_get_base(struct vcpu *vcpu);
enum guest_fault vlapic_set_base(struct vcpu *vcpu, u64 base, bool by_vmm);
u64 vlapic_get_cr8(struct vcpu *vcpu);
void vlapic_set_cr8(struct vcpu *vcpu, u64 cr8);

bool vlapic_mmio(struct vcpu *vcpu, gpa_t gpa, unsigned int len, void *data, bool write);
enum guest_fault vlapic_msr_read(struct vcpu *vcpu, u32 msr, u64 *val);
enum guest_fault vlapic_msr_write(struct vcpu *vcpu, u32 msr, u64 val);

void vlapic_collect(struct vlapic *apic);
void vlapic_ended(struct vlapic *apic, u8 vector);

#endif
