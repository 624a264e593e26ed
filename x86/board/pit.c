// SPDX-License-Identifier: GPL-2.0-only
/*
 * The interval timer (8254): three counters, the first one wired to GSI 0, the
 * third one gated and read through port 0x61.  State is kept in KVM's layout.
 *
 * Counters do not tick: the count at any moment follows from the time since it was loaded.
 * Only counter 0 needs a host timer. Its ticks are pulses, of which the PIC and IOAPIC
 * remember at most one. Ticks that come while one is pending are counted as owed, unless
 * the VMM wants them dropped, and are delivered one by one: each at the end of the
 * interrupt before, or else with the next tick.
 */
#include <linux/bcd.h>
#include <linux/hrtimer.h>
#include <linux/math64.h>
#include <linux/slab.h>
#include <linux/timex.h>
#include <linux/uaccess.h>

#include "compat.h"
#include "x86/board/irqchip_priv.h"
#include "x86/board/pit.h"
#include "x86/board/pit_priv.h"
#include "x86/machine/vm.h"

#define PORT_CONTROL	3	/* of the four at 0x40 */
#define PIT_GSI		0
/* Ticks that can be owed: days of the fastest.  Added to itself it still fits. */
#define MAX_OWED	(INT_MAX / 2)

/* st.read_state, st.write_state, st.count_latched: the byte that comes next */
#define BYTE_NONE	0
#define BYTE_LOW	1	/* only low */
#define BYTE_HIGH	2	/* only high */
#define WORD_LOW	3	/* low, then high */
#define WORD_HIGH	4	/* high, low is done */

#define MODE_UNSET	0xff	/* no control word yet */

/* Port 0x61 */
#define SPK_GATE	BIT(0)
#define SPK_DATA	BIT(1)
#define SPK_REFRESH	BIT(4)
#define SPK_OUT		BIT(5)

static_assert(sizeof(struct kvm_pit_channel_state) == 24);

static bool is_periodic(u8 mode)
{
	return mode == 2 || mode == 3;
}

/* Hardware-triggered: a rising gate begins to count, not the load. */
static bool is_triggered(u8 mode)
{
	return mode == 1 || mode == 5;
}

static u32 vpit_modulus(const struct kvm_pit_channel_state *st)
{
	return st->bcd ? 10000 : 0x10000;
}

/**
 * vpit_ns() - time that the PIT takes to count
 * @ticks: of 1.193182 MHz
 *
 * Return: nanoseconds.
 */
u64 vpit_ns(u64 ticks)
{
	return mul_u64_u32_div(ticks, NSEC_PER_SEC, PIT_TICK_RATE);
}

/**
 * vpit_count() - value of a counter
 * @st: its mode and initial count
 * @ticks: counted since it was loaded or triggered
 *
 * 8254 data sheet, "mode definitions".
 *
 * Return: the value, as it is read.
 */
u32 vpit_count(const struct kvm_pit_channel_state *st, u64 ticks)
{
	u32 mod = vpit_modulus(st);

	switch (st->mode) {
	case 2:
		return st->count - ticks % st->count;
	case 3:		/* counts by two, twice per period */
		return st->count - 2 * ticks % st->count;
	default:	/* goes on below 0 */
		return (st->count + mod - ticks % mod) % mod;
	}
}

/**
 * vpit_out() - level of a counter's output
 * @ch: the counter
 * @ticks: counted since it was loaded or triggered
 *
 * Return: whether it is high.
 */
bool vpit_out(const struct vpit_channel *ch, u64 ticks)
{
	const struct kvm_pit_channel_state *st = &ch->st;

	switch (st->mode) {
	case 0:
		return ticks >= st->count;
	case 1:
		return ch->paused || ticks >= st->count;
	case 2:
		return ch->paused || ticks % st->count != st->count - 1;
	case 3:
		return ch->paused || ticks % st->count < (st->count + 1) / 2;
	case 4:
	case 5:
		return ch->paused || ticks != st->count;
	default:
		return false;
	}
}

static u64 channel_ticks(const struct vpit_channel *ch)
{
	s64 since = ktime_get_ns() - ch->st.count_load_time;

	if (ch->paused)
		return ch->elapsed;
	return since > 0 ? mul_u64_u32_div(since, PIT_TICK_RATE, NSEC_PER_SEC) : 0;
}

static bool channel_out(const struct vpit_channel *ch)
{
	return vpit_out(ch, channel_ticks(ch));
}

/* BCD has four digits, two in each half of the register. */
static u16 to_register(const struct kvm_pit_channel_state *st, u32 count)
{
	if (!st->bcd)
		return count;
	count %= 10000;
	return bin2bcd(count / 100) << 8 | bin2bcd(count % 100);
}

static u32 from_register(const struct kvm_pit_channel_state *st, u16 val)
{
	u32 count = val;

	if (st->bcd)
		count = (bcd2bin(val >> 8) * 100 + bcd2bin(val & 0xff)) % 10000;
	return count ?: vpit_modulus(st);
}

/* Any context.  Returns as irqchip_set_irq(). */
static int vpit_pulse(struct vpit *pit)
{
	int ret = irqchip_set_irq(pit->chip->vm, IRQ_SOURCE_PIT, PIT_GSI, true);

	irqchip_set_irq(pit->chip->vm, IRQ_SOURCE_PIT, PIT_GSI, false);
	return ret;
}

/*
 * Send one of the owed ticks. It is taken off the count before it is sent, so that no other
 * thread sends it too. If an interrupt is still pending it goes back on the count, and the
 * end of that interrupt will send it.
 */
static void deliver_owed(struct vpit *pit)
{
	int ret;

	if (atomic_dec_if_positive(&pit->owed) < 0)
		return;
	ret = vpit_pulse(pit);
	if (!ret)
		atomic_inc(&pit->owed);
	else if (ret < 0)	/* masked: the guest gets none of them */
		atomic_set(&pit->owed, 0);
}

/* struct irq_ack_notifier: the guest has ended an interrupt of ours. */
static void tick_ended(struct irq_ack_notifier *notifier)
{
	deliver_owed(container_of(notifier, struct vpit, ack));
}

static enum hrtimer_restart vpit_tick(struct hrtimer *timer)
{
	struct vpit *pit = container_of(timer, struct vpit, timer);
	u64 ticks = 1;

	if (pit->period)
		ticks = hrtimer_forward_now(timer, ns_to_ktime(pit->period)) ?: 1;
	if (!READ_ONCE(pit->reinject)) {
		vpit_pulse(pit);
	} else {
		if (atomic_read(&pit->owed) < MAX_OWED)
			atomic_add(min_t(u64, ticks, MAX_OWED), &pit->owed);
		deliver_owed(pit);
	}
	return pit->period ? HRTIMER_RESTART : HRTIMER_NORESTART;
}

/* Drop the ticks that counter 0 owes from its previous programming. Lock held. */
static void stop_timer(struct vpit *pit)
{
	hrtimer_cancel(&pit->timer);
	pit->stopped = false;
	atomic_set(&pit->owed, 0);
}

/* Counter 0 was programmed: its interrupts begin, or end.  Lock held. */
static void pit_restart_timer(struct vpit *pit)
{
	const struct kvm_pit_channel_state *st = &pit->channel[0].st;
	u64 wait = vpit_ns(st->count);

	stop_timer(pit);
	if ((pit->flags & KVM_PIT_FLAGS_HPET_LEGACY) || st->mode > 4 || st->mode == 1)
		return;
	pit->period = 0;
	if (is_periodic(st->mode)) {
		wait = max(wait, irqchip_min_period_ns());
		pit->period = wait;
	}
	hrtimer_set_expires(&pit->timer, ns_to_ktime(st->count_load_time + wait));
	pit->stopped = READ_ONCE(pit->chip->vm->frozen);
	if (!pit->stopped)
		hrtimer_start_expires(&pit->timer, HRTIMER_MODE_ABS_SOFT);
}

static void vpit_load(struct vpit *pit, unsigned int nr, u32 count)
{
	struct vpit_channel *ch = &pit->channel[nr];

	ch->st.count = count;
	ch->st.count_load_time = ktime_get_ns();
	ch->elapsed = 0;
	ch->paused = is_triggered(ch->st.mode) || !ch->st.gate;
	if (nr == 0)
		pit_restart_timer(pit);
}

/**
 * vpit_set_gate() - drive a counter's gate
 * @ch: the counter
 * @gate: level
 *
 * Caller has exclusive access.  8254 data sheet, "gate pin operations".
 */
void vpit_set_gate(struct vpit_channel *ch, bool gate)
{
	u64 ticks = channel_ticks(ch);
	bool rising = gate && !ch->st.gate, falling = !gate && ch->st.gate;

	ch->st.gate = gate;
	if (falling && !is_triggered(ch->st.mode)) {
		ch->elapsed = ticks;
		ch->paused = true;
	}
	if (!rising)
		return;
	/* Modes 0 and 4 go on, the others begin again. */
	ticks = is_periodic(ch->st.mode) || is_triggered(ch->st.mode) ? 0 : ch->elapsed;
	ch->st.count_load_time = ktime_get_ns() - vpit_ns(ticks);
	ch->paused = false;
}

static void latch_count(struct vpit_channel *ch)
{
	if (ch->st.count_latched)
		return;
	ch->st.latched_count = to_register(&ch->st, vpit_count(&ch->st, channel_ticks(ch)));
	ch->st.count_latched = ch->st.rw_mode;
}

static void latch_status(struct vpit_channel *ch)
{
	if (ch->st.status_latched)
		return;
	ch->st.status = channel_out(ch) << 7 | ch->st.rw_mode << 4 |
			(ch->st.mode & 7) << 1 | ch->st.bcd;
	ch->st.status_latched = 1;
}

static void read_back(struct vpit *pit, u8 val)
{
	unsigned int nr;

	for (nr = 0; nr < 3; nr++) {
		if (!(val & BIT(nr + 1)))
			continue;
		if (!(val & BIT(5)))
			latch_count(&pit->channel[nr]);
		if (!(val & BIT(4)))
			latch_status(&pit->channel[nr]);
	}
}

static void write_control(struct vpit *pit, u8 val)
{
	unsigned int nr = val >> 6, rw = val >> 4 & 3, mode = val >> 1 & 7;
	struct vpit_channel *ch;

	if (nr == 3) {
		read_back(pit, val);
		return;
	}
	ch = &pit->channel[nr];
	if (!rw) {
		latch_count(ch);
		return;
	}
	ch->st.rw_mode = rw;
	ch->st.read_state = rw;
	ch->st.write_state = rw;
	ch->st.count_latched = BYTE_NONE;
	ch->st.status_latched = 0;
	ch->st.mode = mode > 5 ? mode & 3 : mode;
	ch->st.bcd = val & 1;
	ch->st.count = min(ch->st.count, vpit_modulus(&ch->st));
	/* Nothing counts until a count is written. */
	ch->paused = true;
	ch->elapsed = 0;
	if (nr == 0)
		stop_timer(pit);
}

static void write_count(struct vpit *pit, unsigned int nr, u8 val)
{
	struct kvm_pit_channel_state *st = &pit->channel[nr].st;
	u16 reg;

	switch (st->write_state) {
	case BYTE_LOW:
		reg = val;
		break;
	case BYTE_HIGH:
		reg = val << 8;
		break;
	case WORD_LOW:
		st->write_latch = val;
		st->write_state = WORD_HIGH;
		return;
	case WORD_HIGH:
		reg = val << 8 | st->write_latch;
		st->write_state = WORD_LOW;
		break;
	default:	/* no control word yet */
		return;
	}
	vpit_load(pit, nr, from_register(st, reg));
}

/* The next byte of @word; @state moves on, to BYTE_NONE after the last one of a latch. */
static u8 next_byte(u8 *state, u16 word, bool latched)
{
	u8 now = *state;

	if (now == WORD_LOW)
		*state = WORD_HIGH;
	else if (latched)
		*state = BYTE_NONE;
	else if (now == WORD_HIGH)
		*state = WORD_LOW;
	return now == BYTE_HIGH || now == WORD_HIGH ? word >> 8 : word;
}

static u8 read_count(struct vpit_channel *ch)
{
	struct kvm_pit_channel_state *st = &ch->st;

	if (st->status_latched) {
		st->status_latched = 0;
		return st->status;
	}
	if (st->count_latched)
		return next_byte(&st->count_latched, st->latched_count, true);
	return next_byte(&st->read_state,
			 to_register(st, vpit_count(st, channel_ticks(ch))), false);
}

static void port_access(struct vpit *pit, unsigned int port, u8 *data, bool write)
{
	if (port == PORT_CONTROL) {
		if (write)
			write_control(pit, *data);
		else
			*data = 0;
	} else if (port < PORT_CONTROL) {
		if (write)
			write_count(pit, port, *data);
		else
			*data = read_count(&pit->channel[port]);
	}
}

static int access_ports(struct io_device *dev, struct vcpu *vcpu, u64 addr,
			unsigned int len, void *data, bool write)
{
	struct vpit *pit = container_of(dev, struct vpit, dev);
	unsigned int i;

	mutex_lock(&pit->lock);
	for (i = 0; i < len; i++)
		port_access(pit, addr - dev->addr + i, (u8 *)data + i, write);
	mutex_unlock(&pit->lock);
	return 0;
}

static u8 read_speaker(const struct vpit *pit)
{
	const struct vpit_channel *ch = &pit->channel[2];
	u8 val = 0;

	if (ch->st.gate)
		val |= SPK_GATE;
	if (pit->flags & KVM_PIT_FLAGS_SPEAKER_DATA_ON)
		val |= SPK_DATA;
	/* Toggles with every refresh of memory, about every 15 us. */
	if (ktime_get_ns() & BIT(14))
		val |= SPK_REFRESH;
	if (channel_out(ch))
		val |= SPK_OUT;
	return val;
}

static int access_speaker(struct io_device *dev, struct vcpu *vcpu, u64 addr,
			  unsigned int len, void *data, bool write)
{
	struct vpit *pit = container_of(dev, struct vpit, speaker);
	u8 *val = data;

	mutex_lock(&pit->lock);
	if (!write) {
		*val = read_speaker(pit);
	} else {
		vpit_set_gate(&pit->channel[2], *val & SPK_GATE);
		pit->flags &= ~KVM_PIT_FLAGS_SPEAKER_DATA_ON;
		if (*val & SPK_DATA)
			pit->flags |= KVM_PIT_FLAGS_SPEAKER_DATA_ON;
	}
	mutex_unlock(&pit->lock);
	return 0;
}

static const struct io_device_ops port_ops = { .access = access_ports };
static const struct io_device_ops speaker_ops = { .access = access_speaker };

/**
 * vpit_init() - state after power-on
 * @pit: zeroed, not yet known to anybody
 * @chip: the VM's controllers
 */
void vpit_init(struct vpit *pit, struct irqchip *chip)
{
	unsigned int nr;

	pit->chip = chip;
	mutex_init(&pit->lock);
	hrtimer_setup(&pit->timer, vpit_tick, CLOCK_MONOTONIC, HRTIMER_MODE_ABS_SOFT);
	pit->reinject = true;
	pit->ack = (struct irq_ack_notifier){ .gsi = PIT_GSI, .acked = tick_ended };
	pit->dev = (struct io_device){ .ops = &port_ops, .addr = 0x40, .len = 4 };
	pit->speaker = (struct io_device){ .ops = &speaker_ops, .addr = 0x61, .len = 1 };
	for (nr = 0; nr < 3; nr++) {
		pit->channel[nr].st.mode = MODE_UNSET;
		pit->channel[nr].st.gate = nr != 2;
		pit->channel[nr].st.count = 0x10000;
		pit->channel[nr].paused = true;
	}
}

static int register_ports(struct vpit *pit)
{
	struct iobus *bus = &pit->chip->vm->pio;
	int err = iobus_register(bus, &pit->dev);

	if (!err && pit->has_speaker)
		err = iobus_register(bus, &pit->speaker);
	if (err)
		iobus_unregister(bus, &pit->dev);
	return err;
}

/**
 * vpit_free() - end the PIT
 * @pit: or NULL
 *
 * On return neither its timer nor a vCPU uses it.  Sleeps.  As no vCPU runs any more,
 * nobody looks for acknowledge notifiers either: the list ends with the controllers.
 */
void vpit_free(struct vpit *pit)
{
	if (!pit)
		return;
	iobus_unregister(&pit->chip->vm->pio, &pit->dev);
	iobus_unregister(&pit->chip->vm->pio, &pit->speaker);
	hrtimer_cancel(&pit->timer);
	kfree(pit);
}

/**
 * irqchip_ioctl_create_pit() - KVM_CREATE_PIT2
 * @vm: vm->lock held
 * @arg: flags: KVM_PIT_SPEAKER_DUMMY has port 0x61 answered here; others mean nothing, as
 *	under KVM
 *
 * Return: 0, -ENOENT without irqchip, -EEXIST, -ENOMEM or -ENOSPC.
 */
int irqchip_ioctl_create_pit(struct vm *vm, struct kvm_pit_config *arg)
{
	struct irqchip *chip = irqchip_is_split(vm) ? NULL : READ_ONCE(vm->irqchip);
	struct vpit *pit;
	int err;

	if (!chip)
		return -ENOENT;
	if (chip->pit)
		return -EEXIST;
	pit = kzalloc(sizeof(*pit), GFP_KERNEL_ACCOUNT);
	if (!pit)
		return -ENOMEM;
	vpit_init(pit, chip);
	pit->has_speaker = arg->flags & KVM_PIT_SPEAKER_DUMMY;
	err = register_ports(pit);
	if (err) {
		kfree(pit);
		return err;
	}
	irqchip_add_ack_notifier(vm, &pit->ack);
	smp_store_release(&chip->pit, pit);
	return 0;
}

/**
 * irqchip_ioctl_create_pit1() - KVM_CREATE_PIT
 * @vm: vm->lock held
 *
 * With port 0x61.
 *
 * Return: as irqchip_ioctl_create_pit().
 */
int irqchip_ioctl_create_pit1(struct vm *vm)
{
	struct kvm_pit_config config = { .flags = KVM_PIT_SPEAKER_DUMMY };

	return irqchip_ioctl_create_pit(vm, &config);
}

static struct vpit *vm_pit(struct vm *vm)
{
	struct irqchip *chip = READ_ONCE(vm->irqchip);

	return chip ? smp_load_acquire(&chip->pit) : NULL;
}

/**
 * irqchip_ioctl_reinject() - KVM_REINJECT_CONTROL: what becomes of ticks that come too late
 * @vm: any
 * @arg: struct kvm_reinject_control; not 0: the guest gets them later, as it does unless
 *	told otherwise; 0: they are dropped
 *
 * Takes pit.lock.
 *
 * Return: 0, -EFAULT, or -ENXIO without PIT.
 */
int irqchip_ioctl_reinject(struct vm *vm, void __user *arg)
{
	struct kvm_reinject_control control;
	struct vpit *pit = vm_pit(vm);

	if (copy_from_user(&control, arg, sizeof(control)))
		return -EFAULT;
	if (!pit)
		return -ENXIO;
	mutex_lock(&pit->lock);
	WRITE_ONCE(pit->reinject, control.pit_reinject);
	if (!control.pit_reinject)
		atomic_set(&pit->owed, 0);
	mutex_unlock(&pit->lock);
	return 0;
}

/**
 * irqchip_ioctl_get_pit() - KVM_GET_PIT2
 * @vm: any
 * @arg: out
 *
 * Return: 0, or -ENXIO without PIT.
 */
int irqchip_ioctl_get_pit(struct vm *vm, struct kvm_pit_state2 *arg)
{
	struct vpit *pit = vm_pit(vm);
	unsigned int nr;

	if (!pit)
		return -ENXIO;
	memset(arg, 0, sizeof(*arg));
	mutex_lock(&pit->lock);
	for (nr = 0; nr < 3; nr++)
		arg->channels[nr] = pit->channel[nr].st;
	arg->flags = pit->flags;
	mutex_unlock(&pit->lock);
	return 0;
}

static bool channel_is_valid(const struct kvm_pit_channel_state *st)
{
	return st->bcd <= 1 && st->gate <= 1 && st->status_latched <= 1 &&
	       st->count <= vpit_modulus(st) && st->rw_mode <= 3 &&
	       st->count_latched <= WORD_HIGH && st->read_state <= WORD_HIGH &&
	       st->write_state <= WORD_HIGH && (st->mode <= 5 || st->mode == MODE_UNSET);
}

static bool channels_are_valid(const struct kvm_pit_channel_state st[3])
{
	return channel_is_valid(&st[0]) && channel_is_valid(&st[1]) && channel_is_valid(&st[2]);
}

static void restore_channel(struct vpit *pit, unsigned int nr,
			    const struct kvm_pit_channel_state *st)
{
	struct vpit_channel *ch = &pit->channel[nr];

	ch->st = *st;
	ch->paused = true;
	ch->elapsed = 0;
	/* Counting begins again: load times of another host mean nothing here. */
	if (st->mode == MODE_UNSET)
		ch->st.count = vpit_modulus(st);
	else
		vpit_load(pit, nr, st->count ?: vpit_modulus(st));
}

/* pit->lock held. */
static void restore_channels(struct vpit *pit, const struct kvm_pit_channel_state st[3])
{
	unsigned int nr;

	stop_timer(pit);
	for (nr = 0; nr < 3; nr++)
		restore_channel(pit, nr, &st[nr]);
}

/**
 * irqchip_ioctl_set_pit() - KVM_SET_PIT2
 * @vm: any
 * @arg: state; every counter begins anew with its count; a count of 0 stands
 *	for the greatest, as in the registers
 *
 * Return: 0, -ENXIO without PIT, -EINVAL for what no counter can be in.
 */
int irqchip_ioctl_set_pit(struct vm *vm, struct kvm_pit_state2 *arg)
{
	struct vpit *pit = vm_pit(vm);

	if (!pit)
		return -ENXIO;
	if (arg->flags & ~(KVM_PIT_FLAGS_HPET_LEGACY | KVM_PIT_FLAGS_SPEAKER_DATA_ON))
		return -EINVAL;
	if (!channels_are_valid(arg->channels))
		return -EINVAL;
	mutex_lock(&pit->lock);
	pit->flags = arg->flags;
	restore_channels(pit, arg->channels);
	mutex_unlock(&pit->lock);
	return 0;
}

/**
 * irqchip_ioctl_get_pit1() - KVM_GET_PIT
 * @vm: any
 * @arg: out
 *
 * Return: 0, or -ENXIO without PIT.
 */
int irqchip_ioctl_get_pit1(struct vm *vm, struct kvm_pit_state *arg)
{
	struct kvm_pit_state2 state;
	int err = irqchip_ioctl_get_pit(vm, &state);

	if (!err)
		memcpy(arg->channels, state.channels, sizeof(arg->channels));
	return err;
}

/**
 * irqchip_ioctl_set_pit1() - KVM_SET_PIT
 * @vm: any
 * @arg: as of irqchip_ioctl_set_pit(), without the flags, which stay
 *
 * Return: 0, -ENXIO without PIT, -EINVAL for what no counter can be in.
 */
int irqchip_ioctl_set_pit1(struct vm *vm, struct kvm_pit_state *arg)
{
	struct vpit *pit = vm_pit(vm);

	if (!pit)
		return -ENXIO;
	if (!channels_are_valid(arg->channels))
		return -EINVAL;
	mutex_lock(&pit->lock);
	restore_channels(pit, arg->channels);
	mutex_unlock(&pit->lock);
	return 0;
}
