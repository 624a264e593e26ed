/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The local APIC, as the files of this room see it.
 */
#ifndef DITTO_BOARD_LAPIC_PRIV_H
#define DITTO_BOARD_LAPIC_PRIV_H

#include <linux/atomic.h>
#include <linux/bitmap.h>
#include <linux/kvm_types.h>
#include <asm/apicdef.h>
#include <asm/mce.h>
#include <asm/msr-index.h>

#include "x86/board/lapic.h"
#include "x86/board/lapic_ipi.h"
#include "x86/board/lapic_look.h"
#include "x86/machine/vm.h"

struct irqchip;
struct vcpu;
struct vm;

#define VLAPIC_MAX_IDS		DITTO_MAX_VCPU_IDS	/* APIC ids are below this */
#define VLAPIC_WINDOW		4096	/* ids that are looked at at once; see apicmap_resolve() */
#define VLAPIC_XAPIC_IDS	256	/* those that have 8 bits */
#define VLAPIC_FIRST_VECTOR	16	/* lower ones are illegal in messages */
/* An integrated APIC with no directed EOI (SDM 11.4.8), except for the number of LVT entries. */
#define VLAPIC_VERSION		0x14
#define VLAPIC_SVR_WRITABLE	(APIC_VECTOR_MASK | APIC_SPIV_APIC_ENABLED | \
				 APIC_SPIV_FOCUS_DISABLED)
#define VLAPIC_DEST_ALL_XAPIC	0xffu
#define VLAPIC_DEST_ALL_X2APIC	0xffffffffu

/* vlapic->signals */
#define VLAPIC_SIGNAL_INIT	0
#define VLAPIC_SIGNAL_SIPI	1

/**
 * struct apic_msg - an interrupt message on its way to local APICs
 * @dest: destination as sent: 8 bits, or 32 from an x2APIC's ICR
 * @exclude: APIC id that does not get it, or -1
 * @vector: for fixed, lowest priority and start-up
 * @mode: APIC_DM_*
 * @logical: @dest is a logical destination
 * @broadcast: to all, whatever @dest is
 * @xapics: to those that are xAPICs, and to whom @dest is
 * @level: level-triggered
 */
struct apic_msg {
	u32 dest;
	int exclude;
	u8 vector;
	u32 mode;
	bool logical;
	bool broadcast;
	bool xapics;
	bool level;
};

#define APIC_SET_LONGS	BITS_TO_LONGS(VLAPIC_MAX_IDS)
#define APIC_XAPIC_LONGS	BITS_TO_LONGS(VLAPIC_XAPIC_IDS)
#define APIC_BLOCK		64	/* APICs whose places are allocated together */
#define APIC_CLUSTER_BITS	64	/* 16 clusters of 4 */

/**
 * struct apic_map - who is addressed by what
 *
 * Each APIC's owner changes only the bits of its own id, atomically, so there
 * is nothing to lock, to allocate or to publish: a message that races a change
 * goes by the old or the new address, as on hardware.
 *
 * @block: places of APICs, by id / APIC_BLOCK, or NULL; come with the first APIC there, and go
 *	with the VM.  RCU keeps an APIC while a sender uses it
 * @end: all ids are below it, a multiple of APIC_BLOCK; grows
 * @present: enabled by the APIC base MSR
 * @x2apic: in x2APIC mode, where logical ids follow from ids
 * @flat: xAPIC, flat model: members of each bit of the logical destination; only of ids that an
 *	xAPIC can have
 * @cluster: xAPIC, cluster model: members of each bit of each cluster; likewise
 */
struct apic_map {
	struct vlapic **block[VLAPIC_MAX_IDS / APIC_BLOCK];
	u32 end;
	unsigned long present[APIC_SET_LONGS];
	unsigned long x2apic[APIC_SET_LONGS];
	unsigned long flat[8][APIC_XAPIC_LONGS];
	unsigned long cluster[APIC_CLUSTER_BITS][APIC_XAPIC_LONGS];
};

static_assert(APIC_BLOCK % BITS_PER_LONG == 0);
static_assert(VLAPIC_MAX_IDS % VLAPIC_WINDOW == 0 && VLAPIC_XAPIC_IDS <= VLAPIC_WINDOW);

/* The APIC that has an id, which is below VLAPIC_MAX_IDS, or NULL. In an RCU section. */
static inline struct vlapic *apicmap_get(const struct apic_map *map, u32 id)
{
	struct vlapic **block = smp_load_acquire(&map->block[id / APIC_BLOCK]);

	/* Code that finds the APIC finds it complete. */
	return block ? smp_load_acquire(&block[id % APIC_BLOCK]) : NULL;
}

/*
 * Where a message goes that a device sends: 0xff means all. An x2APIC, where that is an id
 * like others, takes it for that, too, as under KVM, unless the VMM turned that off.
 */
static inline void apic_msg_set_dest(const struct vm *vm, struct apic_msg *msg, u32 dest)
{
	bool all = dest == VLAPIC_DEST_ALL_XAPIC;
	bool exact = READ_ONCE(vm->enabled.x2apic_exact);

	msg->dest = dest;
	msg->xapics = all && exact;
	msg->broadcast = (all && !exact) || dest == VLAPIC_DEST_ALL_X2APIC;
}

static inline void vlapic_put(struct vlapic *apic, u32 offset, u32 val)
{
	WRITE_ONCE(*(u32 *)(apic->regs + offset), val);
}

/* As the x2APIC's: ICR2 is the upper half. */
static inline u64 vlapic_icr(const struct vlapic *apic)
{
	return vlapic_get(apic, APIC_ICR) | (u64)vlapic_get(apic, APIC_ICR2) << 32;
}

/* Of the 256 bits of the IRR, ISR or TMR there are 32 every 16 bytes. */
static inline unsigned long *vlapic_vector_word(struct vlapic *apic, u32 set, u8 vector)
{
	return (unsigned long *)(apic->regs + set + (vector >> 5) * 0x10);
}

static inline bool vlapic_has_vector(struct vlapic *apic, u32 set, u8 vector)
{
	return test_bit(vector & 31, vlapic_vector_word(apic, set, vector));
}

/* The guest has corrected machine checks by interrupt, and so the LVT entry for them. */
static inline bool vlapic_has_cmci(const struct vlapic *apic)
{
	return apic->vcpu->mce.cap & MCG_CMCI_P;
}

static inline bool vlapic_hw_enabled(const struct vlapic *apic)
{
	return apic->base & MSR_IA32_APICBASE_ENABLE;
}

static inline bool vlapic_x2apic(const struct vlapic *apic)
{
	return apic->base & X2APIC_ENABLE;
}

static inline bool vlapic_sw_enabled(const struct vlapic *apic)
{
	return vlapic_get(apic, APIC_SPIV) & APIC_SPIV_APIC_ENABLED;
}

/* The logical id that an x2APIC derives from its id (SDM 11.12.10.2). */
static inline u32 vlapic_x2apic_ldr(u32 id)
{
	return (id >> 4) << 16 | 1u << (id & 15);
}

/* lapic.c */
u32 vlapic_ppr(struct vlapic *apic);
u8 vlapic_tpr(struct vlapic *apic);
unsigned int vlapic_highest(const struct vlapic *apic, u32 set);
void vlapic_eoi(struct vlapic *apic);
void vlapic_forget_posted(struct vlapic *apic);
void vlapic_show_id(struct vlapic *apic);
void vlapic_clear(struct vlapic *apic);
void vlapic_lint0(struct vlapic *apic, bool rising);

/* lapic_cpu.c: what the CPU does by itself */
void vlapic_view(struct vlapic *apic, struct apic_view *view);
/* lapic_regs.c */
u32 vlapic_lvt_mask(unsigned int lvt);
bool vlapic_reg_read(struct vlapic *apic, u32 offset, u32 *val);
bool vlapic_reg_write(struct vlapic *apic, u32 offset, u32 val);

/* lapic_ipi.c: sending and accepting messages */
int apicmap_reserve(struct irqchip *chip, u32 id);
void apicmap_free(struct irqchip *chip);
void apicmap_update(struct irqchip *chip, struct vlapic *apic);
void apicmap_remove(struct irqchip *chip, struct vlapic *apic);
u32 apicmap_resolve(const struct apic_map *map, const struct apic_msg *msg, u32 base,
		    unsigned long *set);
int vlapic_send(struct irqchip *chip, const struct apic_msg *msg);
enum apic_answer vlapic_accept(struct vlapic *apic, const struct apic_msg *msg);
enum apic_answer vlapic_raise(struct vlapic *apic, u8 vector, bool level);
enum apic_answer vlapic_deliver_lvt(struct vlapic *apic, enum vlapic_lvt lvt);
void vlapic_error(struct vlapic *apic, u32 bit);
void vlapic_send_icr(struct vlapic *apic);

/* lapic_timer.c */
void vlapic_timer_init(struct vlapic *apic);
void vlapic_timer_stop(struct vlapic *apic);
void vlapic_timer_forget(struct vlapic *apic);
u64 vlapic_timer_divide(u32 tdcr);
u64 vlapic_timer_remaining(u64 target, u64 period, u64 now);
u64 vlapic_tsc_to_ns(u64 delta, u32 tsc_khz);
u32 vlapic_timer_count(struct vlapic *apic);
void vlapic_timer_start(struct vlapic *apic, u64 first_ns);
void vlapic_timer_set_lvt(struct vlapic *apic, u32 val);
void vlapic_timer_set_initial(struct vlapic *apic, u32 val);
void vlapic_timer_set_divide(struct vlapic *apic, u32 val);
u64 vlapic_timer_get_deadline(struct vlapic *apic);
void vlapic_timer_set_deadline(struct vlapic *apic, u64 deadline);
u64 vlapic_timer_ns(const struct vlapic *apic, u32 count);

#endif
