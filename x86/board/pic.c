// SPDX-License-Identifier: GPL-2.0-only
/*
 * The pair of 8259A interrupt controllers, the slave on the master's input 2,
 * and the edge/level control registers at 0x4d0.  Owns the two chips' state in
 * KVM's layout; the CPUs see its output through LINT0 (lapic.c).
 *
 * The cascade input is not latched: it follows the slave's output, so a slave
 * that changes its mind leaves nothing behind in the master.  What the guest
 * acknowledges is noted under the lock and told to others after it.
 */
#include <linux/bitops.h>
#include <linux/bits.h>
#include <linux/string.h>

#include "x86/board/irqchip_priv.h"
#include "x86/machine/vm.h"

#define MASTER		0
#define SLAVE		1
#define CASCADE		2	/* the master's input */
#define NO_IRQ		8	/* a priority lower than all */
#define SPURIOUS	7

/* Inputs whose trigger mode software may choose. */
static const u8 elcr_mask[2] = { 0xf8, 0xde };

static_assert(sizeof(struct kvm_pic_state) == 16);

/* 0 is the highest priority, NO_IRQ means that none is set. */
static unsigned int best_priority(const struct kvm_pic_state *s, u8 set)
{
	return set ? __ffs(ror8(set, s->priority_add)) : NO_IRQ;
}

/* The input that the chip asks the CPU to serve, or -1. */
static int vpic_requested(const struct vpic *pic, unsigned int c)
{
	const struct kvm_pic_state *s = &pic->chip[c];
	unsigned int prio = best_priority(s, s->irr & ~s->imr);
	u8 blocking = s->isr;

	if (s->special_mask)
		blocking &= ~s->imr;
	/* Special fully nested: the slave may interrupt its own service. */
	if (s->special_fully_nested_mode && c == MASTER)
		blocking &= ~BIT(CASCADE);
	if (prio >= best_priority(s, blocking))
		return -1;
	return (prio + s->priority_add) & 7;
}

/* Bring cascade and output up to date after any change.  Lock held. */
static void vpic_update(struct vpic *pic)
{
	struct kvm_pic_state *master = &pic->chip[MASTER];

	if (vpic_requested(pic, SLAVE) >= 0)
		master->irr |= BIT(CASCADE);
	else
		master->irr &= ~BIT(CASCADE);
	WRITE_ONCE(pic->output, vpic_requested(pic, MASTER) >= 0);
}

static void tell_apics(struct irqchip *chip, bool rising)
{
	u32 bsp = READ_ONCE(chip->vm->bsp_id);
	struct vlapic *apic;
	unsigned int id;

	rcu_read_lock();
	for_each_set_bit(id, chip->map.present, READ_ONCE(chip->map.end)) {
		apic = apicmap_get(&chip->map, id);
		if (apic)
			vlapic_lint0(apic, rising);
	}
	/* If the bootstrap processor's APIC is off, the PIC's output goes straight to that CPU. */
	if (bsp < VLAPIC_MAX_IDS && !test_bit(bsp, chip->map.present)) {
		apic = apicmap_get(&chip->map, bsp);
		if (apic)
			vlapic_lint0(apic, rising);
	}
	rcu_read_unlock();
}

static unsigned long pic_lock(struct vpic *pic) __acquires(&pic->lock)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&pic->lock, flags);
	return flags;
}

/* Drops the lock, then tells CPUs and notifiers what has changed. */
static void pic_unlock(struct irqchip *chip, unsigned long flags)
	__releases(&chip->pic.lock)
{
	struct vpic *pic = &chip->pic;
	bool was = pic->output, now;
	unsigned long acked;
	unsigned int pin;

	vpic_update(pic);
	now = pic->output;
	acked = pic->acked;
	pic->acked = 0;
	raw_spin_unlock_irqrestore(&pic->lock, flags);

	if (now)
		tell_apics(chip, !was);
	for_each_set_bit(pin, &acked, VPIC_PINS)
		irqchip_notify_ack(chip, pin / 8 ? KVM_IRQCHIP_PIC_SLAVE :
				   KVM_IRQCHIP_PIC_MASTER, pin % 8);
}

/* Returns as irqchip_set_irq(). */
static int set_line(struct kvm_pic_state *s, unsigned int input, bool level)
{
	u8 bit = BIT(input);
	bool was_high = s->last_irr & bit, was_requested = s->irr & bit;

	s->last_irr = level ? s->last_irr | bit : s->last_irr & ~bit;
	if (s->elcr & bit)
		s->irr = level ? s->irr | bit : s->irr & ~bit;
	else if (level && !was_high)
		s->irr |= bit;
	if (s->imr & bit)
		return -1;
	return !level || (!was_requested && (s->irr & bit));
}

/**
 * vpic_set_pin() - drive an input
 * @chip: the VM's controllers
 * @pin: 0-15
 * @source: who drives
 * @level: how
 *
 * Any context; takes pic.lock.
 *
 * Return: as irqchip_set_irq().
 */
int vpic_set_pin(struct irqchip *chip, unsigned int pin, enum irq_source source, bool level)
{
	struct vpic *pic = &chip->pic;
	unsigned long flags = pic_lock(pic);
	bool high = irq_line_update(&pic->sources[pin], source, level);
	int ret = set_line(&pic->chip[pin / 8], pin % 8, high);

	pic_unlock(chip, flags);
	return ret;
}

static void note_ack(struct vpic *pic, unsigned int c, unsigned int input)
{
	if (c == MASTER && input == CASCADE)
		return;
	pic->acked |= BIT(c * 8 + input);
}

static void end_input(struct vpic *pic, unsigned int c, unsigned int input)
{
	struct kvm_pic_state *s = &pic->chip[c];

	if (!(s->isr & BIT(input)))
		return;
	s->isr &= ~BIT(input);
	note_ack(pic, c, input);
}

/* The CPU acknowledges @input (8259A: INTA sequence). */
static void begin_input(struct vpic *pic, unsigned int c, unsigned int input)
{
	struct kvm_pic_state *s = &pic->chip[c];

	if (!(s->elcr & BIT(input)))
		s->irr &= ~BIT(input);
	s->isr |= BIT(input);
	if (!s->auto_eoi)
		return;
	end_input(pic, c, input);
	if (s->rotate_on_auto_eoi)
		s->priority_add = (input + 1) & 7;
}

/* One chip's part of an INTA; an input that went away is spurious, 7. */
static unsigned int vpic_acknowledge(struct vpic *pic, unsigned int c)
{
	int input = vpic_requested(pic, c);

	if (input < 0)
		return SPURIOUS;
	begin_input(pic, c, input);
	return input;
}

/**
 * vpic_intack() - the CPU asks for a vector
 * @chip: the VM's controllers
 *
 * Interrupts may be off; takes pic.lock.
 *
 * Return: a vector in any case.
 */
int vpic_intack(struct irqchip *chip)
{
	struct vpic *pic = &chip->pic;
	unsigned long flags = pic_lock(pic);
	unsigned int c = MASTER, input;
	bool cascaded = vpic_requested(pic, MASTER) == CASCADE;
	int vector;

	input = vpic_acknowledge(pic, MASTER);
	if (cascaded) {
		c = SLAVE;
		input = vpic_acknowledge(pic, SLAVE);
	}
	vector = pic->chip[c].irq_base + input;
	pic_unlock(chip, flags);
	return vector;
}

/* ICW1: start of initialization.  Lines that are high need a new edge. */
static void begin_init(struct kvm_pic_state *s, u8 val)
{
	s->irr &= s->elcr;
	s->imr = 0;
	s->isr = 0;
	s->priority_add = 0;
	s->read_reg_select = 0;
	s->poll = 0;
	s->special_mask = 0;
	s->auto_eoi = 0;
	s->rotate_on_auto_eoi = 0;
	s->special_fully_nested_mode = 0;
	s->init4 = val & 1;
	s->init_state = 1;
}

static void write_ocw2(struct vpic *pic, unsigned int c, u8 val)
{
	struct kvm_pic_state *s = &pic->chip[c];
	unsigned int input = val & 7, command = val >> 5, prio;

	switch (command) {
	case 0:		/* rotate in automatic EOI mode: off, on */
	case 4:
		s->rotate_on_auto_eoi = command >> 2;
		return;
	case 1:		/* non-specific EOI, without and with rotation */
	case 5:
		prio = best_priority(s, s->isr);
		if (prio == NO_IRQ)
			return;
		input = (prio + s->priority_add) & 7;
		fallthrough;
	case 3:		/* specific EOI, without and with rotation */
	case 7:
		end_input(pic, c, input);
		if (!(command & 4))
			return;
		fallthrough;
	case 6:		/* set priority */
		s->priority_add = (input + 1) & 7;
	}
}

static void write_ocw3(struct kvm_pic_state *s, u8 val)
{
	s->poll = !!(val & BIT(2));
	if (val & BIT(1))
		s->read_reg_select = val & 1;
	if (val & BIT(6))
		s->special_mask = !!(val & BIT(5));
}

static void write_command(struct vpic *pic, unsigned int c, u8 val)
{
	if (val & BIT(4))
		begin_init(&pic->chip[c], val);
	else if (val & BIT(3))
		write_ocw3(&pic->chip[c], val);
	else
		write_ocw2(pic, c, val);
}

/* OCW1, or the initialization word that is due. */
static void write_data(struct kvm_pic_state *s, u8 val)
{
	switch (s->init_state) {
	case 0:
		s->imr = val;
		break;
	case 1:
		s->irq_base = val & 0xf8;
		s->init_state = 2;
		break;
	case 2:		/* ICW3: how the chips are wired is fixed */
		s->init_state = s->init4 ? 3 : 0;
		break;
	case 3:
		s->special_fully_nested_mode = val >> 4 & 1;
		s->auto_eoi = val >> 1 & 1;
		s->init_state = 0;
	}
}

static u8 read_polled(struct vpic *pic, unsigned int c)
{
	int input = vpic_requested(pic, c);

	pic->chip[c].poll = 0;
	if (input < 0)
		return 0;
	begin_input(pic, c, input);
	return 0x80 | input;
}

static u8 read_port(struct vpic *pic, unsigned int c, bool data_port)
{
	struct kvm_pic_state *s = &pic->chip[c];

	if (s->poll)
		return read_polled(pic, c);
	if (data_port)
		return s->imr;
	return s->read_reg_select ? s->isr : s->irr;
}

static void write_elcr(struct kvm_pic_state *s, u8 val)
{
	s->elcr = val & s->elcr_mask;
	/* A level-triggered input requests as long as its line is high. */
	s->irr = (s->irr & ~s->elcr) | (s->last_irr & s->elcr);
}

static void chip_access(struct vpic *pic, unsigned int c, bool data_port, u8 *data, bool write)
{
	if (!write)
		*data = read_port(pic, c, data_port);
	else if (data_port)
		write_data(&pic->chip[c], *data);
	else
		write_command(pic, c, *data);
}

static int access_chip(struct irqchip *chip, unsigned int c, u32 port, unsigned int len,
		       u8 *data, bool write)
{
	unsigned long flags = pic_lock(&chip->pic);
	unsigned int i;

	/* An 8-bit device: wider accesses reach its ports one by one. */
	for (i = 0; i < len; i++)
		chip_access(&chip->pic, c, (port + i) & 1, data + i, write);
	pic_unlock(chip, flags);
	return 0;
}

static int access_master(struct io_device *dev, struct vcpu *vcpu, u64 addr,
			 unsigned int len, void *data, bool write)
{
	return access_chip(container_of(dev, struct irqchip, pic.master), MASTER,
			   addr, len, data, write);
}

static int access_slave(struct io_device *dev, struct vcpu *vcpu, u64 addr,
			unsigned int len, void *data, bool write)
{
	return access_chip(container_of(dev, struct irqchip, pic.slave), SLAVE,
			   addr, len, data, write);
}

static int access_elcr(struct io_device *dev, struct vcpu *vcpu, u64 addr,
		       unsigned int len, void *data, bool write)
{
	struct irqchip *chip = container_of(dev, struct irqchip, pic.elcr);
	unsigned long flags = pic_lock(&chip->pic);
	struct kvm_pic_state *s;
	u8 *byte = data;
	unsigned int i;

	for (i = 0; i < len; i++) {
		s = &chip->pic.chip[(addr + i) & 1];
		if (write)
			write_elcr(s, byte[i]);
		else
			byte[i] = s->elcr;
	}
	pic_unlock(chip, flags);
	return 0;
}

static const struct io_device_ops master_ops = { .access = access_master };
static const struct io_device_ops slave_ops = { .access = access_slave };
static const struct io_device_ops elcr_ops = { .access = access_elcr };

/**
 * vpic_init() - state after power-on
 * @chip: zeroed, not yet known to anybody
 */
void vpic_init(struct irqchip *chip)
{
	struct vpic *pic = &chip->pic;

	raw_spin_lock_init(&pic->lock);
	pic->chip[MASTER].elcr_mask = elcr_mask[MASTER];
	pic->chip[SLAVE].elcr_mask = elcr_mask[SLAVE];
	pic->master = (struct io_device){ .ops = &master_ops, .addr = 0x20, .len = 2 };
	pic->slave = (struct io_device){ .ops = &slave_ops, .addr = 0xa0, .len = 2 };
	pic->elcr = (struct io_device){ .ops = &elcr_ops, .addr = 0x4d0, .len = 2 };
}

/**
 * vpic_unregister() - take the PIC off the VM's port bus
 * @chip: the VM's controllers
 */
void vpic_unregister(struct irqchip *chip)
{
	iobus_unregister(&chip->vm->pio, &chip->pic.elcr);
	iobus_unregister(&chip->vm->pio, &chip->pic.slave);
	iobus_unregister(&chip->vm->pio, &chip->pic.master);
}

/**
 * vpic_register() - put the PIC on the VM's port bus
 * @chip: the VM's controllers
 *
 * Return: errors as iobus_register(); then nothing is registered.
 */
int vpic_register(struct irqchip *chip)
{
	struct iobus *bus = &chip->vm->pio;
	int err;

	err = iobus_register(bus, &chip->pic.master);
	if (!err)
		err = iobus_register(bus, &chip->pic.slave);
	if (!err)
		err = iobus_register(bus, &chip->pic.elcr);
	if (err)
		vpic_unregister(chip);
	return err;
}

/**
 * vpic_get_state() - for KVM_GET_IRQCHIP
 * @chip: the VM's controllers
 * @which: 0 master, 1 slave
 * @state: out
 */
void vpic_get_state(struct irqchip *chip, unsigned int which, struct kvm_pic_state *state)
{
	unsigned long flags = pic_lock(&chip->pic);

	*state = chip->pic.chip[which];
	pic_unlock(chip, flags);
}

static bool pic_state_is_valid(const struct kvm_pic_state *s, unsigned int which)
{
	return s->priority_add < 8 && s->init_state <= 3 && !(s->irq_base & 7) &&
	       s->read_reg_select <= 1 && s->poll <= 1 && s->special_mask <= 1 &&
	       s->auto_eoi <= 1 && s->rotate_on_auto_eoi <= 1 &&
	       s->special_fully_nested_mode <= 1 && s->init4 <= 1 &&
	       !(s->elcr & ~elcr_mask[which]);
}

/**
 * vpic_set_state() - for KVM_SET_IRQCHIP
 * @chip: the VM's controllers
 * @which: 0 master, 1 slave
 * @state: registers; elcr_mask is fixed, what the VMM passes is ignored
 *
 * Return: 0, or -EINVAL for what no register can hold.
 */
int vpic_set_state(struct irqchip *chip, unsigned int which, const struct kvm_pic_state *state)
{
	unsigned long flags;

	if (!pic_state_is_valid(state, which))
		return -EINVAL;
	flags = pic_lock(&chip->pic);
	chip->pic.chip[which] = *state;
	chip->pic.chip[which].elcr_mask = elcr_mask[which];
	pic_unlock(chip, flags);
	return 0;
}
