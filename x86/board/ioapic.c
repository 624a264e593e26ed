// SPDX-License-Identifier: GPL-2.0-only
/*
 * The IOAPIC (82093AA): 24 pins, each with an entry that says which message it
 * sends to the local APICs.  Polarity is ignored, as in KVM: a line that is
 * high is active.
 *
 * The hard part is the end of a level-triggered interrupt: remote IRR is
 * cleared, a device that waits for the acknowledge may lower the line (without our
 * lock), and only then is a line that is still high sent again.
 */
#include <linux/bits.h>
#include <linux/string.h>

#include "x86/board/irqchip_priv.h"
#include "x86/machine/vm.h"

#define REG_SELECT	0x00
#define REG_WINDOW	0x10

#define INDEX_ID	0x00
#define INDEX_VERSION	0x01
#define INDEX_ARB	0x02
#define INDEX_REDIR	0x10

#define IOAPIC_VERSION	(0x11 | (KVM_IOAPIC_NUM_PINS - 1) << 16)
/* Of an entry: 16:0 and the destination; 12 and 14 are the hardware's. */
#define ENTRY_VALID	(GENMASK_ULL(16, 0) | GENMASK_ULL(63, 56))
#define ENTRY_READ_ONLY	(BIT_ULL(12) | BIT_ULL(14))

static_assert(offsetof(struct kvm_ioapic_state, redirtbl) == 24);
static_assert(sizeof(struct kvm_ioapic_state) == 24 + 8 * KVM_IOAPIC_NUM_PINS);

static bool is_vectored(u32 mode)
{
	return mode == APIC_DM_FIXED || mode == APIC_DM_LOWEST;
}

/*
 * An edge is about to be sent, for the first time with this vector, whose end somebody
 * waits for. A CPU that ends interrupts by itself must be told to report the end of this
 * vector. If it ends this interrupt before it is told, that end is missed. Lock held.
 */
static void expect_end(struct irqchip *chip, u8 vector)
{
	struct vcpu *vcpu;
	u32 i;

	__set_bit(vector, chip->ioapic.edge_ends);
	vm_for_each_vcpu(chip->vm, i, vcpu) {
		vcpu_request(vcpu, REQ_EVENT);
		vcpu_kick(vcpu);
	}
}

/* Send what the pin's entry says.  Lock held.  Returns as irqchip_set_irq(). */
static int send_pin(struct irqchip *chip, unsigned int pin)
{
	typeof(&chip->ioapic.regs.redirtbl[0]) entry = &chip->ioapic.regs.redirtbl[pin];
	struct apic_msg msg = {
		.exclude = -1,
		.vector = entry->fields.vector,
		.mode = entry->fields.delivery_mode << 8,
		.logical = entry->fields.dest_mode,
	};
	int ret;

	if (entry->fields.mask || msg.mode == APIC_DM_STARTUP)
		return -1;
	apic_msg_set_dest(chip->vm, &msg, entry->fields.dest_id);
	msg.level = entry->fields.trig_mode && is_vectored(msg.mode);
	if (msg.level && entry->fields.remote_irr)
		return 0;
	if (!msg.level && !vioapic_wants_edge(chip, msg.vector) &&
	    irqchip_wants_ack(chip, KVM_IRQCHIP_IOAPIC, pin))
		expect_end(chip, msg.vector);
	ret = vlapic_send(chip, &msg);
	/* No local APIC took it, so none will end it: leave it pending. */
	if (msg.level && ret >= 0)
		entry->fields.remote_irr = 1;
	return ret;
}

/* After anything that may have let a level-triggered pin send. */
static void resend_level(struct irqchip *chip, unsigned int pin)
{
	struct kvm_ioapic_state *regs = &chip->ioapic.regs;

	if ((regs->irr & BIT(pin)) && regs->redirtbl[pin].fields.trig_mode)
		send_pin(chip, pin);
}

/**
 * vioapic_set_pin() - drive an input
 * @chip: the VM's controllers
 * @pin: below KVM_IOAPIC_NUM_PINS
 * @source: who drives
 * @level: how
 *
 * Any context; takes ioapic.lock.
 *
 * Return: as irqchip_set_irq().
 */
int vioapic_set_pin(struct irqchip *chip, unsigned int pin, enum irq_source source, bool level)
{
	struct vioapic *ioapic = &chip->ioapic;
	unsigned long flags;
	bool was_high;
	int ret = 1;

	raw_spin_lock_irqsave(&ioapic->lock, flags);
	was_high = ioapic->regs.irr & BIT(pin);
	if (!irq_line_update(&ioapic->sources[pin], source, level)) {
		ioapic->regs.irr &= ~BIT(pin);
	} else {
		ioapic->regs.irr |= BIT(pin);
		if (was_high && !ioapic->regs.redirtbl[pin].fields.trig_mode)
			ret = 0;
		else
			ret = send_pin(chip, pin);
	}
	raw_spin_unlock_irqrestore(&ioapic->lock, flags);
	return ret;
}

/*
 * Clear remote IRR of the pins that sent @vector; returns them, and those that may have,
 * as an edge leaves no trace.  Lock held.
 */
static u32 end_vector(struct vioapic *ioapic, u8 vector)
{
	unsigned int pin;
	u32 ended = 0;

	for (pin = 0; pin < KVM_IOAPIC_NUM_PINS; pin++) {
		typeof(&ioapic->regs.redirtbl[0]) entry = &ioapic->regs.redirtbl[pin];

		if (entry->fields.vector != vector ||
		    (entry->fields.trig_mode && !entry->fields.remote_irr))
			continue;
		entry->fields.remote_irr = 0;
		ended |= BIT(pin);
	}
	return ended;
}

/**
 * vioapic_eoi() - a local APIC tells of the end of an interrupt: of each level-triggered
 * one, and of edge-triggered ones that vioapic_wants_edge()
 * @chip: the VM's controllers
 * @vector: which
 *
 * Takes and drops ioapic.lock; calls acknowledge notifiers in between.
 */
void vioapic_eoi(struct irqchip *chip, u8 vector)
{
	struct vioapic *ioapic = &chip->ioapic;
	unsigned long flags, ended;
	unsigned int pin;

	raw_spin_lock_irqsave(&ioapic->lock, flags);
	ended = end_vector(ioapic, vector);
	raw_spin_unlock_irqrestore(&ioapic->lock, flags);
	if (!ended)
		return;

	for_each_set_bit(pin, &ended, KVM_IOAPIC_NUM_PINS)
		irqchip_notify_ack(chip, KVM_IRQCHIP_IOAPIC, pin);

	raw_spin_lock_irqsave(&ioapic->lock, flags);
	for_each_set_bit(pin, &ended, KVM_IOAPIC_NUM_PINS)
		resend_level(chip, pin);
	raw_spin_unlock_irqrestore(&ioapic->lock, flags);
}

static u32 read_window(const struct kvm_ioapic_state *regs)
{
	u32 index = regs->ioregsel, pin = (index - INDEX_REDIR) / 2;

	switch (index) {
	case INDEX_ID:
	case INDEX_ARB:
		return regs->id << 24;
	case INDEX_VERSION:
		return IOAPIC_VERSION;
	}
	if (index < INDEX_REDIR || pin >= KVM_IOAPIC_NUM_PINS)
		return 0;
	return regs->redirtbl[pin].bits >> (index % 2 * 32);
}

static void write_entry(struct irqchip *chip, unsigned int pin, bool high, u32 val)
{
	typeof(&chip->ioapic.regs.redirtbl[0]) entry = &chip->ioapic.regs.redirtbl[pin];
	u64 keep = ENTRY_READ_ONLY | (high ? GENMASK_ULL(31, 0) : GENMASK_ULL(63, 32));
	u64 new = high ? (u64)val << 32 : val;

	entry->bits = (entry->bits & keep) | (new & ENTRY_VALID & ~keep);
	/* Guests without an EOI register make the pin edge-triggered to end it. */
	if (!entry->fields.trig_mode)
		entry->fields.remote_irr = 0;
	resend_level(chip, pin);
}

static void write_window(struct irqchip *chip, u32 val)
{
	struct kvm_ioapic_state *regs = &chip->ioapic.regs;
	u32 index = regs->ioregsel, pin = (index - INDEX_REDIR) / 2;

	if (index == INDEX_ID)
		regs->id = val >> 24 & 0xf;
	else if (index >= INDEX_REDIR && pin < KVM_IOAPIC_NUM_PINS)
		write_entry(chip, pin, index % 2, val);
}

static u32 ioapic_read_reg(struct irqchip *chip, u32 offset)
{
	switch (offset) {
	case REG_SELECT:
		return chip->ioapic.regs.ioregsel;
	case REG_WINDOW:
		return read_window(&chip->ioapic.regs);
	default:
		return 0;
	}
}

static void ioapic_write_reg(struct irqchip *chip, u32 offset, u32 val)
{
	if (offset == REG_SELECT)
		chip->ioapic.regs.ioregsel = val & 0xff;
	else if (offset == REG_WINDOW)
		write_window(chip, val);
}

static int vioapic_access(struct io_device *dev, struct vcpu *vcpu, u64 addr,
			  unsigned int len, void *data, bool write)
{
	struct irqchip *chip = container_of(dev, struct irqchip, ioapic.dev);
	size_t part = min_t(size_t, len, sizeof(u32));
	u32 offset = addr - dev->addr, val = 0;
	unsigned long flags;

	if (write)
		memcpy(&val, data, part);
	raw_spin_lock_irqsave(&chip->ioapic.lock, flags);
	if (write)
		ioapic_write_reg(chip, offset, val);
	else
		val = ioapic_read_reg(chip, offset);
	raw_spin_unlock_irqrestore(&chip->ioapic.lock, flags);
	if (!write) {
		memset(data, 0, len);
		memcpy(data, &val, part);
	}
	return 0;
}

static const struct io_device_ops vioapic_ops = { .access = vioapic_access };

/**
 * vioapic_init() - state after power-on
 * @chip: zeroed, not yet known to anybody
 */
void vioapic_init(struct irqchip *chip)
{
	struct vioapic *ioapic = &chip->ioapic;
	unsigned int pin;

	raw_spin_lock_init(&ioapic->lock);
	ioapic->regs.base_address = IO_APIC_DEFAULT_PHYS_BASE;
	for (pin = 0; pin < KVM_IOAPIC_NUM_PINS; pin++)
		ioapic->regs.redirtbl[pin].fields.mask = 1;
	ioapic->dev = (struct io_device){
		.ops = &vioapic_ops,
		.addr = IO_APIC_DEFAULT_PHYS_BASE,
		.len = PAGE_SIZE,
	};
}

/**
 * vioapic_register() - put the IOAPIC on the VM's MMIO bus
 * @chip: the VM's controllers
 *
 * Return: errors as iobus_register().
 */
int vioapic_register(struct irqchip *chip)
{
	return iobus_register(&chip->vm->mmio, &chip->ioapic.dev);
}

/**
 * vioapic_unregister() - undo vioapic_register()
 * @chip: the VM's controllers
 */
void vioapic_unregister(struct irqchip *chip)
{
	iobus_unregister(&chip->vm->mmio, &chip->ioapic.dev);
}

/**
 * vioapic_get_state() - for KVM_GET_IRQCHIP
 * @chip: the VM's controllers
 * @state: out; irr has the lines that are high at level-triggered pins, as an
 *	edge is either delivered or lost
 */
void vioapic_get_state(struct irqchip *chip, struct kvm_ioapic_state *state)
{
	unsigned long flags;
	unsigned int pin;

	raw_spin_lock_irqsave(&chip->ioapic.lock, flags);
	*state = chip->ioapic.regs;
	raw_spin_unlock_irqrestore(&chip->ioapic.lock, flags);
	for (pin = 0; pin < KVM_IOAPIC_NUM_PINS; pin++)
		if (!state->redirtbl[pin].fields.trig_mode)
			state->irr &= ~BIT(pin);
}

/**
 * vioapic_set_state() - for KVM_SET_IRQCHIP
 * @chip: the VM's controllers
 * @state: registers; a pin in irr sends, unless remote IRR says that it has
 *
 * Return: 0, or -EINVAL for a moved base or registers that do not exist.
 */
int vioapic_set_state(struct irqchip *chip, const struct kvm_ioapic_state *state)
{
	struct vioapic *ioapic = &chip->ioapic;
	unsigned long flags, high = state->irr;
	unsigned int pin;

	if (state->base_address != IO_APIC_DEFAULT_PHYS_BASE || state->ioregsel > 0xff ||
	    state->id > 0xf || state->irr >> KVM_IOAPIC_NUM_PINS)
		return -EINVAL;
	raw_spin_lock_irqsave(&ioapic->lock, flags);
	ioapic->regs = *state;
	for (pin = 0; pin < KVM_IOAPIC_NUM_PINS; pin++)
		ioapic->regs.redirtbl[pin].bits &= ENTRY_VALID;
	for_each_set_bit(pin, &high, KVM_IOAPIC_NUM_PINS)
		send_pin(chip, pin);
	raw_spin_unlock_irqrestore(&ioapic->lock, flags);
	return 0;
}
