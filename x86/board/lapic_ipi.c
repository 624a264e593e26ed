// SPDX-License-Identifier: GPL-2.0-only
/*
 * Interrupt messages: which local APICs a message addresses, and what happens
 * at each.  Owns the address map and the IPIs of the ICR; not the senders
 * outside (ioapic.c, irqchip.c), nor what the owner does with its IRR (lapic.c).
 *
 * Messages come from any context, hard interrupts included. Delivery takes no lock: post
 * the vector at the target, then tell its CPU or its owner. A sender that floods others
 * spends its own CPU time on it.
 */
#include <linux/bitmap.h>
#include <linux/nospec.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>

#include "x86/board/irqchip_priv.h"
#include "x86/board/lapic_ipi.h"
#include "x86/board/lapic_priv.h"
#include "x86/machine/vm.h"

static void put_bit(unsigned long *set, u32 id, bool value)
{
	if (test_bit(id, set) == value)
		return;
	if (value)
		set_bit(id, set);
	else
		clear_bit(id, set);
}

/**
 * apicmap_reserve() - have a place for an APIC
 * @chip: the VM's controllers
 * @id: of the APIC, below VLAPIC_MAX_IDS
 *
 * vm->lock held. What is there already serves again.
 *
 * Return: 0 or -ENOMEM.
 */
int apicmap_reserve(struct irqchip *chip, u32 id)
{
	struct apic_map *map = &chip->map;
	struct vlapic **block;

	if (!map->block[id / APIC_BLOCK]) {
		block = kcalloc(APIC_BLOCK, sizeof(*block), GFP_KERNEL_ACCOUNT);
		if (!block)
			return -ENOMEM;
		smp_store_release(&map->block[id / APIC_BLOCK], block);
	}
	WRITE_ONCE(map->end, max(map->end, round_down(id, APIC_BLOCK) + APIC_BLOCK));
	return 0;
}

/**
 * apicmap_free() - no message will look for an APIC any more
 * @chip: about to be freed
 */
void apicmap_free(struct irqchip *chip)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(chip->map.block); i++)
		kfree(chip->map.block[i]);
}

/**
 * apicmap_update() - make messages find an APIC where its registers say
 * @chip: the VM's controllers
 * @apic: whose base, LDR or DFR has changed
 *
 * Owner, or before the vCPU is known to anybody.  SDM 11.6.2, 11.12.10.
 */
void apicmap_update(struct irqchip *chip, struct vlapic *apic)
{
	bool present = vlapic_hw_enabled(apic);
	bool xapic = present && !vlapic_x2apic(apic);
	u32 logical = GET_APIC_LOGICAL_ID(vlapic_get(apic, APIC_LDR));
	u32 dfr = vlapic_get(apic, APIC_DFR);
	bool flat = xapic && dfr == APIC_DFR_FLAT;
	bool cluster = xapic && dfr == APIC_DFR_CLUSTER;
	struct apic_map *map = &chip->map;
	u32 id = apic->vcpu->id, i;

	for (i = 0; i < 8 && id < VLAPIC_XAPIC_IDS; i++)
		put_bit(map->flat[i], id, flat && (logical & BIT(i)));
	for (i = 0; i < ARRAY_SIZE(map->cluster) && id < VLAPIC_XAPIC_IDS; i++)
		put_bit(map->cluster[i], id,
			cluster && logical >> 4 == i / 4 && (logical & BIT(i % 4)));
	put_bit(map->x2apic, id, present && !xapic);
	put_bit(map->present, id, present);
	/* Pairs with apicmap_get(). */
	smp_store_release(&map->block[id / APIC_BLOCK][id % APIC_BLOCK], apic);
}

/**
 * apicmap_remove() - no message finds this APIC any more
 * @chip: the VM's controllers
 * @apic: about to be freed
 *
 * Sleeps until senders that may have found it are done.
 */
void apicmap_remove(struct irqchip *chip, struct vlapic *apic)
{
	u32 id = apic->vcpu->id;

	/* A vCPU that failed to be created must leave the one alone that has the id. */
	if (apicmap_get(&chip->map, id) != apic)
		return;
	WRITE_ONCE(chip->map.block[id / APIC_BLOCK][id % APIC_BLOCK], NULL);
	clear_bit(id, chip->map.present);
	synchronize_rcu();
}

static void add_set(unsigned long *set, const unsigned long *more, u32 end)
{
	bitmap_or(set, set, more, min_t(u32, end, VLAPIC_XAPIC_IDS));
}

static void add_xapics(unsigned long *set, const struct apic_map *map, u32 base, u32 nr)
{
	const unsigned long *present = map->present + base / BITS_PER_LONG;
	const unsigned long *x2apic = map->x2apic + base / BITS_PER_LONG;
	unsigned int i;

	for (i = 0; i < BITS_TO_LONGS(nr); i++)
		set[i] |= READ_ONCE(present[i]) & ~READ_ONCE(x2apic[i]);
}

/* xAPICs, whose ids are low. */
static void resolve_xapic_logical(const struct apic_map *map, u32 dest, unsigned long *set, u32 nr)
{
	u32 i, xapic = array_index_nospec(dest, 0x100);

	for (i = 0; i < 8; i++)
		if (xapic & BIT(i))
			add_set(set, map->flat[i], nr);
	for (i = 0; i < 4; i++)
		if (xapic & BIT(i))
			add_set(set, map->cluster[(xapic >> 4) * 4 + i], nr);
}

static void resolve_logical(const struct apic_map *map, u32 dest, u32 base, unsigned long *set,
			    u32 nr)
{
	u32 first = (dest >> 16) * 16, at = first - base;
	unsigned long matches;

	bitmap_zero(set, nr);
	if (!base && dest <= 0xff)
		resolve_xapic_logical(map, dest, set, nr);
	/* A cluster of 16 lies in one word. */
	if (at < nr) {
		first = array_index_nospec(first, VLAPIC_MAX_IDS);
		at = array_index_nospec(at, VLAPIC_WINDOW);
		matches = (unsigned long)(dest & 0xffff) << (first % BITS_PER_LONG);
		set[at / BITS_PER_LONG] |=
			READ_ONCE(map->x2apic[first / BITS_PER_LONG]) & matches;
	}
}

/**
 * apicmap_resolve() - which APICs get a message
 * @map: the map
 * @msg: the message
 * @base: of the ids that are asked about, VLAPIC_WINDOW of them: all would be too much for a
 *	stack; a multiple of that
 * @set: out: a bit each; those of absent APICs may be in it.  Has VLAPIC_WINDOW bits
 *
 * Any context.  SDM 11.6.2: physical, flat, cluster and x2APIC logical
 * destinations; each APIC matches by the mode that it is in.
 *
 * Return: how many bits of @set are of meaning; 0: all ids are below @base.
 */
u32 apicmap_resolve(const struct apic_map *map, const struct apic_msg *msg, u32 base,
		    unsigned long *set)
{
	u32 end = READ_ONCE(map->end);
	u32 nr = base < end ? min_t(u32, end - base, VLAPIC_WINDOW) : 0;

	if (msg->broadcast) {
		bitmap_copy(set, map->present + base / BITS_PER_LONG, nr);
	} else if (msg->logical) {
		resolve_logical(map, msg->dest, base, set, nr);
	} else {
		u32 id = array_index_nospec(msg->dest, VLAPIC_MAX_IDS);

		bitmap_zero(set, nr);
		if (msg->dest - base < nr && test_bit(id, map->present))
			__set_bit(array_index_nospec(msg->dest - base, VLAPIC_WINDOW), set);
	}
	if (unlikely(msg->xapics))
		add_xapics(set, map, base, nr);
	if (msg->exclude >= 0 && msg->exclude - base < nr)
		__clear_bit(msg->exclude - base, set);
	return nr;
}

static void wake_owner(struct vlapic *apic)
{
	vcpu_request(apic->vcpu, REQ_EVENT);
	vcpu_kick(apic->vcpu);
}

/**
 * vlapic_raise() - request an interrupt
 * @apic: the target
 * @vector: 16 or more
 * @level: its EOI goes to the IOAPIC
 *
 * Any context.
 *
 * A CPU that delivers by itself must know beforehand which ends to report. So a vector whose
 * trigger mode differs from what the TMR says is held back for the owner, who updates the TMR.
 *
 * Return: APIC_TAKEN, or APIC_MERGED when the vector was already requested.
 */
enum apic_answer vlapic_raise(struct vlapic *apic, u8 vector, bool level)
{
	bool waits = vlapic_has_vector(apic, APIC_IRR, vector);
	bool same = vlapic_has_vector(apic, APIC_TMR, vector) == level;
	struct posted *posted = likely(same) ? &apic->posted : &apic->held[level];

	/*
	 * The sender that posts first also notifies; the notification serves all that are
	 * posted by then.
	 */
	if (test_and_set_bit(vector, posted->vectors))
		return APIC_MERGED;
	if (!test_and_set_bit(0, &posted->any)) {
		if (likely(same))
			vcpu_notify(apic->vcpu);
		else
			wake_owner(apic);
	}
	/*
	 * The CPU may be delivering the earlier request at this moment, so post the vector
	 * in any case.
	 */
	return waits ? APIC_MERGED : APIC_TAKEN;
}

/**
 * vlapic_error() - note an error, and raise the error interrupt for a new one
 * @apic: where
 * @bit: APIC_ESR_*
 *
 * Any context.  SDM 11.5.3.
 */
void vlapic_error(struct vlapic *apic, u32 bit)
{
	u32 lvt = vlapic_lvt(apic, VLAPIC_LVT_ERROR);

	if (atomic_fetch_or(bit, &apic->errors) & bit)
		return;
	if (lvt & APIC_LVT_MASKED)
		return;
	if ((lvt & APIC_VECTOR_MASK) < VLAPIC_FIRST_VECTOR)
		atomic_or(APIC_ESR_RECVILL, &apic->errors);
	else
		vlapic_raise(apic, lvt & APIC_VECTOR_MASK, false);
}

static enum apic_answer accept_vector(struct vlapic *apic, u8 vector, bool level)
{
	if (!vlapic_sw_enabled(apic))
		return APIC_REFUSED;
	if (vector < VLAPIC_FIRST_VECTOR) {
		vlapic_error(apic, APIC_ESR_RECVILL);
		return APIC_REFUSED;
	}
	return vlapic_raise(apic, vector, level);
}

static enum apic_answer accept_init(struct vlapic *apic)
{
	/* INIT makes the CPU forget a start-up that came before. */
	xchg(&apic->signals, BIT(VLAPIC_SIGNAL_INIT));
	wake_owner(apic);
	return APIC_TAKEN;
}

static enum apic_answer accept_sipi(struct vlapic *apic, u8 vector)
{
	WRITE_ONCE(apic->sipi_vector, vector);
	smp_wmb();	/* the signal says that the vector is there */
	set_bit(VLAPIC_SIGNAL_SIPI, &apic->signals);
	wake_owner(apic);
	return APIC_TAKEN;
}

/**
 * vlapic_accept() - a message has reached an APIC
 * @apic: the target
 * @msg: what
 *
 * Any context.
 *
 * Return: what became of it.
 */
enum apic_answer vlapic_accept(struct vlapic *apic, const struct apic_msg *msg)
{
	switch (msg->mode) {
	case APIC_DM_FIXED:
	case APIC_DM_LOWEST:
		return accept_vector(apic, msg->vector, msg->level);
	case APIC_DM_NMI:
		vcpu_nmi(apic->vcpu);
		return APIC_TAKEN;
	case APIC_DM_INIT:
		return accept_init(apic);
	case APIC_DM_STARTUP:
		return accept_sipi(apic, msg->vector);
	default:	/* there is no SMM; ExtINT comes through LINT0 only */
		return APIC_REFUSED;
	}
}

/*
 * Lowest priority: no CPU since the Pentium 4 promises a particular choice.
 * Take the APIC by the vector, so that a vector stays where it was.
 */
struct lowest {
	struct vlapic *able[16];
	unsigned int nr;
};

static void lowest_add(struct lowest *lowest, struct vlapic *apic)
{
	if (lowest->nr < ARRAY_SIZE(lowest->able) && vlapic_sw_enabled(apic))
		lowest->able[lowest->nr++] = apic;
}

static enum apic_answer lowest_send(const struct lowest *lowest, const struct apic_msg *msg)
{
	if (!lowest->nr)
		return APIC_REFUSED;
	return vlapic_accept(lowest->able[msg->vector % lowest->nr], msg);
}

/* How many took it, as vlapic_send(), added to @ret. */
static int send_to(struct vlapic *apic, const struct apic_msg *msg, int ret)
{
	enum apic_answer one = vlapic_accept(apic, msg);

	return one == APIC_REFUSED ? ret : max(ret, 0) + (one == APIC_TAKEN);
}

/* To all in a set. */
static int send_many(struct irqchip *chip, const struct apic_msg *msg)
{
	bool to_lowest = msg->mode == APIC_DM_LOWEST;
	DECLARE_BITMAP(set, VLAPIC_WINDOW);
	struct lowest lowest = { .nr = 0 };
	u32 base, nr, bit;
	int ret = APIC_REFUSED;

	for (base = 0; (nr = apicmap_resolve(&chip->map, msg, base, set)); base += VLAPIC_WINDOW) {
		for_each_set_bit(bit, set, nr) {
			struct vlapic *apic = apicmap_get(&chip->map, base + bit);

			if (apic && to_lowest)
				lowest_add(&lowest, apic);
			else if (apic)
				ret = send_to(apic, msg, ret);
		}
	}
	return to_lowest ? lowest_send(&lowest, msg) : ret;
}

/* To an id, as most messages go. */
static enum apic_answer send_one(struct irqchip *chip, const struct apic_msg *msg)
{
	u32 id = array_index_nospec(msg->dest, VLAPIC_MAX_IDS);
	struct vlapic *apic;

	if (msg->dest >= VLAPIC_MAX_IDS || !test_bit(id, chip->map.present))
		return APIC_REFUSED;
	apic = id == msg->exclude ? NULL : apicmap_get(&chip->map, id);
	return apic ? vlapic_accept(apic, msg) : APIC_REFUSED;
}

/**
 * vlapic_send() - send a message to those that it addresses
 * @chip: the VM's controllers
 * @msg: the message
 *
 * Any context.
 *
 * Return: the number of APICs that took it, 0 when it merged with what waits there, -1 when
 * none took it.
 */
int vlapic_send(struct irqchip *chip, const struct apic_msg *msg)
{
	int ret;

	rcu_read_lock();
	if (likely(!msg->broadcast && !msg->logical && !msg->xapics))
		ret = send_one(chip, msg);
	else
		ret = send_many(chip, msg);
	rcu_read_unlock();
	return ret;
}

/**
 * vlapic_deliver_lvt() - a local interrupt source fires
 * @apic: whose
 * @lvt: which source
 *
 * Any context. ExtINT only tells the owner to look: it asks the PIC then.
 *
 * Return: as vlapic_accept(). SDM 11.5.1.
 */
enum apic_answer vlapic_deliver_lvt(struct vlapic *apic, enum vlapic_lvt lvt)
{
	u32 reg = vlapic_lvt(apic, lvt);

	if (reg & APIC_LVT_MASKED)
		return APIC_REFUSED;
	switch (reg & APIC_MODE_MASK) {
	case APIC_DM_FIXED:
		return accept_vector(apic, reg & APIC_VECTOR_MASK, false);
	case APIC_DM_NMI:
		vcpu_nmi(apic->vcpu);
		return APIC_TAKEN;
	case APIC_DM_EXTINT:
		wake_owner(apic);
		return APIC_TAKEN;
	default:
		return APIC_REFUSED;
	}
}

/* The destination field of the ICR, in the sender's mode. */
static void decode_icr_dest(struct vlapic *apic, struct apic_msg *msg)
{
	u32 high = vlapic_get(apic, APIC_ICR2);

	if (vlapic_x2apic(apic)) {
		msg->dest = high;
		msg->broadcast = high == VLAPIC_DEST_ALL_X2APIC;
	} else {
		msg->dest = GET_XAPIC_DEST_FIELD(high);
		msg->broadcast = msg->dest == VLAPIC_DEST_ALL_XAPIC;
	}
	switch (vlapic_get(apic, APIC_ICR) & APIC_DEST_ALLBUT) {
	case APIC_DEST_SELF:
		msg->dest = apic->vcpu->id;
		msg->logical = false;
		msg->broadcast = false;
		break;
	case APIC_DEST_ALLBUT:
		msg->exclude = apic->vcpu->id;
		fallthrough;
	case APIC_DEST_ALLINC:
		msg->broadcast = true;
	}
}

/**
 * vlapic_send_icr() - send the IPI that the ICR describes
 * @apic: the sender's
 *
 * Owner.  SDM 11.6.1.
 */
void vlapic_send_icr(struct vlapic *apic)
{
	u32 low = vlapic_get(apic, APIC_ICR);
	struct apic_msg msg = {
		.exclude = -1,
		.vector = low & APIC_VECTOR_MASK,
		.mode = low & APIC_DM_FIXED_MASK,
		.logical = low & APIC_DEST_LOGICAL,
	};
	bool has_vector = msg.mode == APIC_DM_FIXED || msg.mode == APIC_DM_LOWEST;

	/* The deassert half of the INIT protocol of the 486 era: nothing to do. */
	if (msg.mode == APIC_DM_INIT && (low & APIC_INT_LEVELTRIG) && !(low & APIC_INT_ASSERT))
		return;
	if (has_vector && msg.vector < VLAPIC_FIRST_VECTOR) {
		vlapic_error(apic, APIC_ESR_SENDILL);
		return;
	}
	decode_icr_dest(apic, &msg);
	vlapic_send(apic->vcpu->vm->irqchip, &msg);
}

/* Those of 64 ids from @min on that @ids has; how many took it. */
static int send_ids(struct irqchip *chip, const struct apic_msg *msg, u64 min, u64 ids)
{
	struct vlapic *apic;
	int count = 0;

	for (; ids && min < VLAPIC_MAX_IDS; ids >>= 1, min++) {
		if (!(ids & 1))
			continue;
		apic = apicmap_get(&chip->map, array_index_nospec(min, VLAPIC_MAX_IDS));
		count += apic && vlapic_accept(apic, msg) != APIC_REFUSED;
	}
	return count;
}

/**
 * vlapic_send_many() - an interrupt to a set of APICs, for KVM_HC_SEND_IPI
 * @vm: with local APICs in the kernel
 * @ids: 128 APIC ids from @min on, a bit each
 * @width: bits that a word of @ids has: 64, or 32
 * @min: the first id
 * @icr: vector, mode and trigger mode as in the ICR
 *
 * Process context.
 *
 * Return: how many took it.
 */
int vlapic_send_many(struct vm *vm, const u64 *ids, unsigned int width, u32 min, u32 icr)
{
	struct apic_msg msg = {
		.exclude = -1,
		.vector = icr & APIC_VECTOR_MASK,
		.mode = icr & APIC_DM_FIXED_MASK,
		.level = icr & APIC_INT_LEVELTRIG,
	};
	int count;

	rcu_read_lock();
	count = send_ids(vm->irqchip, &msg, min, ids[0]) +
		send_ids(vm->irqchip, &msg, (u64)min + width, ids[1]);
	rcu_read_unlock();
	return count;
}

/**
 * vlapic_interrupt() - an interrupt that comes from the host itself
 * @vcpu: with a local APIC; any context
 * @vector: edge-triggered
 *
 * Return: as vlapic_accept().
 */
enum apic_answer vlapic_interrupt(struct vcpu *vcpu, u8 vector)
{
	return accept_vector(vcpu->apic, vector, false);
}

/**
 * vlapic_find() - the vCPU that has an APIC id
 * @vm: any
 * @id: of the APIC
 *
 * Return: the vCPU, which lives as long as @vm; NULL for none, or one without APIC.
 */
struct vcpu *vlapic_find(struct vm *vm, u64 id)
{
	struct vlapic *apic = NULL;
	struct vcpu *vcpu = NULL;

	rcu_read_lock();
	if (vm->irqchip && id < VLAPIC_MAX_IDS)
		apic = apicmap_get(&vm->irqchip->map, array_index_nospec(id, VLAPIC_MAX_IDS));
	/* One that is still being made is in the map, but may be freed again. */
	if (apic && apic->vcpu->idx < smp_load_acquire(&vm->nr_vcpus))
		vcpu = apic->vcpu;
	rcu_read_unlock();
	return vcpu;
}
