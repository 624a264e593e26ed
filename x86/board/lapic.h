/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The local APIC of a vCPU, as code outside of the board calls it.  What it is made of is
 * the board's (lapic_priv.h), except for the looks that each entry takes (lapic_look.h).
 */
#ifndef DITTO_BOARD_LAPIC_H
#define DITTO_BOARD_LAPIC_H

#include <linux/kvm_types.h>

#include "x86/machine/fault.h"

/**
 * enum apic_answer - what became of a message to a local APIC
 * @APIC_REFUSED: the APIC does not take it
 * @APIC_MERGED: it merged with one that waits there
 * @APIC_TAKEN: it waits there now, or has woken the vCPU
 *
 * The numbers are those of KVM_IRQ_LINE_STATUS, which says of several how many took it.
 */
enum apic_answer {
	APIC_REFUSED = -1,
	APIC_MERGED,
	APIC_TAKEN,
};

struct kvm_lapic_state;
struct vcpu;
struct vlapic;
struct vm;

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

void vlapic_timer_sync(struct vcpu *vcpu);
void vlapic_tsc_changed(struct vcpu *vcpu);

u64 vlapic_get_base(struct vcpu *vcpu);
enum guest_fault vlapic_set_base(struct vcpu *vcpu, u64 base, bool by_vmm);
u64 vlapic_get_cr8(struct vcpu *vcpu);
void vlapic_set_cr8(struct vcpu *vcpu, u64 cr8);

bool vlapic_mmio(struct vcpu *vcpu, gpa_t gpa, unsigned int len, void *data, bool write);
enum guest_fault vlapic_msr_read(struct vcpu *vcpu, u32 msr, u64 *val);
enum guest_fault vlapic_msr_write(struct vcpu *vcpu, u32 msr, u64 val);

void vlapic_copy(struct vcpu *to, struct vcpu *from, u64 gone_ns);
void vlapic_revert(struct vcpu *vcpu, struct vcpu *base, u64 gone_ns);
void vlapic_timer_move(struct vcpu *vcpu, u64 ns);
void vlapic_timer_resume(struct vcpu *vcpu);
int vlapic_ioctl_get(struct vcpu *vcpu, struct kvm_lapic_state *arg);
int vlapic_ioctl_set(struct vcpu *vcpu, struct kvm_lapic_state *arg);

/* lapic_ipi.c: for hypercalls */
int vlapic_send_many(struct vm *vm, const u64 *ids, unsigned int width, u32 min, u32 icr);
struct vcpu *vlapic_find(struct vm *vm, u64 id);
enum apic_answer vlapic_interrupt(struct vcpu *vcpu, u8 vector);

/* Owner: what was posted goes into the IRR; a vector that the CPU ended. */
void vlapic_collect(struct vlapic *apic);
void vlapic_ended(struct vlapic *apic, u8 vector);

/* lapic_cpu.c: tell the CPU, and hear of it, what it does by itself. */
void vlapic_show(struct vcpu *vcpu);
void vlapic_hold(struct vcpu *vcpu, bool on);
void vlapic_keep_held(struct vcpu *vcpu);
bool vlapic_written(struct vcpu *vcpu, u32 offset);

/* The vCPU is about to sleep, and no longer is; the CPU left the guest because of the time. */
void vlapic_timer_halt(struct vcpu *vcpu);
void vlapic_timer_unhalt(struct vcpu *vcpu);
void vlapic_timer_exit(struct vcpu *vcpu);

#endif
