/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The interrupt controllers in the kernel, as run.c, exits.c, msr.c and core see them.
 */
#ifndef DITTO_X86_IRQCHIP_H
#define DITTO_X86_IRQCHIP_H

#include <linux/kvm_types.h>

struct vcpu;
struct vm;

/* The VM's side: PIC pair, IOAPIC, GSI routing (default routes as KVM's). */
int irqchip_create(struct vm *vm);
void irqchip_destroy(struct vm *vm);

/* The vCPU's side. */
int vlapic_create(struct vcpu *vcpu);
void vlapic_free(struct vcpu *vcpu);
void vlapic_reset(struct vcpu *vcpu, bool init);

/*
 * Is there an interrupt that the guest could take if IF and the shadow allow
 * it (LAPIC above PPR, or PIC through LVT0/virtual wire)?  Lock-free; called
 * before every entry with REQ_EVENT.
 */
bool vcpu_has_irq(struct vcpu *vcpu);
/* Acknowledge the best one and return its vector, or -1.  IRQs may be off. */
int vcpu_take_irq(struct vcpu *vcpu);
/* An interrupt waits that only the TPR holds back: exit when cr8 is written. */
bool vlapic_tpr_blocks(struct vcpu *vcpu);

/* INIT or SIPI waits; accept calls vcpu_reset()/vcpu_sipi() and sets mp_state. */
bool vlapic_has_init_sipi(struct vcpu *vcpu);
void vlapic_accept_init_sipi(struct vcpu *vcpu);

/* Timer expired since last asked: move it into the IRR.  Owner only. */
void vlapic_timer_sync(struct vcpu *vcpu);
bool vlapic_timer_expired(struct vcpu *vcpu);

u64 vlapic_get_base(struct vcpu *vcpu);
int vlapic_set_base(struct vcpu *vcpu, u64 base, bool by_vmm);	/* 0 or X86_FAULT */
u64 vlapic_get_cr8(struct vcpu *vcpu);
void vlapic_set_cr8(struct vcpu *vcpu, u64 cr8);

/* xAPIC page; true when @gpa is this vCPU's APIC page and the access was made. */
bool vlapic_mmio(struct vcpu *vcpu, gpa_t gpa, unsigned int len, void *data, bool write);
/* x2APIC MSRs 0x800-0x8ff and MSR_IA32_TSC_DEADLINE; 0 or X86_FAULT. */
int vlapic_msr_read(struct vcpu *vcpu, u32 msr, u64 *val);
int vlapic_msr_write(struct vcpu *vcpu, u32 msr, u64 val);

#endif
