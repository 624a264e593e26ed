// SPDX-License-Identifier: GPL-2.0-only
/*
 * A 16550A UART. Transmission takes no time; reception is under flow control:
 * serial_receive() takes what there is room for and wakes the other end when there
 * is room again, so pasted text is not lost. There is room only while the guest has the
 * receive interrupt enabled, because a driver that is just starting empties
 * the FIFO. The hard part is the interrupt: it is edge-triggered at the
 * controller, so a cause that returns must be a new edge.
 */
#include "serial.h"
#include "vm.h"

#include <linux/serial_reg.h>

#define IER_ALL		(UART_IER_RDI | UART_IER_THRI | UART_IER_RLSI | UART_IER_MSI)
#define MCR_ALL		(UART_MCR_DTR | UART_MCR_RTS | UART_MCR_OUT1 | UART_MCR_OUT2 | \
			 UART_MCR_LOOP)
#define MSR_CONNECTED	(UART_MSR_DCD | UART_MSR_DSR | UART_MSR_CTS)
#define IIR_FIFO_ON	0xc0

static bool fifo_on(const struct serial *s)
{
	return s->fcr & UART_FCR_ENABLE_FIFO;
}

static unsigned int rx_capacity(const struct serial *s)
{
	return fifo_on(s) ? SERIAL_FIFO : 1;
}

static unsigned int rx_trigger(const struct serial *s)
{
	static const uint8_t level[] = { 1, 4, 8, 14 };

	return fifo_on(s) ? level[s->fcr >> 6] : 1;
}

static void rx_push(struct serial *s, uint8_t byte)
{
	if (s->rx_count >= rx_capacity(s)) {
		s->overrun = true;
		return;
	}
	s->rx[(s->rx_head + s->rx_count++) % SERIAL_FIFO] = byte;
}

static uint8_t rx_pop(struct serial *s)
{
	uint8_t byte = s->rx[s->rx_head];

	if (!s->rx_count)
		return 0;
	s->rx_head = (s->rx_head + 1) % SERIAL_FIFO;
	s->rx_count--;
	return byte;
}

static unsigned int rx_room(const struct serial *s)
{
	if (!(s->ier & UART_IER_RDI) || s->mcr & UART_MCR_LOOP)
		return 0;
	return s->rx_count < rx_capacity(s) ? rx_capacity(s) - s->rx_count : 0;
}

/* The cause with the highest priority, as IIR shows it. */
static uint8_t irq_cause(const struct serial *s)
{
	if (s->ier & UART_IER_RLSI && s->overrun)
		return UART_IIR_RLSI;
	if (s->ier & UART_IER_RDI && s->rx_count)
		return s->rx_count >= rx_trigger(s) ? UART_IIR_RDI : UART_IIR_RX_TIMEOUT;
	if (s->ier & UART_IER_THRI && s->thre_pending)
		return UART_IIR_THRI;
	if (s->ier & UART_IER_MSI && s->msr_delta)
		return UART_IIR_MSI;
	return UART_IIR_NO_INT;
}

/* OUT2 gates the interrupt on a PC, and loopback cuts OUT2 off its pin. */
static void irq_update(struct serial *s)
{
	bool gate = s->mcr & UART_MCR_OUT2 && !(s->mcr & UART_MCR_LOOP);
	bool level = gate && irq_cause(s) != UART_IIR_NO_INT;

	if (level == s->irq_level)
		return;
	s->irq_level = level;
	vm_irq_line(s->vm, s->line.irq, level);
}

static uint8_t modem_lines(const struct serial *s)
{
	uint8_t msr = 0;

	if (!(s->mcr & UART_MCR_LOOP))
		return MSR_CONNECTED;
	if (s->mcr & UART_MCR_RTS)
		msr |= UART_MSR_CTS;
	if (s->mcr & UART_MCR_DTR)
		msr |= UART_MSR_DSR;
	if (s->mcr & UART_MCR_OUT1)
		msr |= UART_MSR_RI;
	if (s->mcr & UART_MCR_OUT2)
		msr |= UART_MSR_DCD;
	return msr;
}

static void write_mcr(struct serial *s, uint8_t value)
{
	uint8_t before = modem_lines(s), after;

	s->mcr = value & MCR_ALL;
	after = modem_lines(s);
	s->msr_delta |= (before ^ after) >> 4 & (UART_MSR_DCTS | UART_MSR_DDSR | UART_MSR_DDCD);
	/* The ring indicator counts only when it ends. */
	if (before & ~after & UART_MSR_RI)
		s->msr_delta |= UART_MSR_TERI;
}

/*
 * A 16550 also drops what it holds when FIFO mode changes. We keep it: Linux
 * changes the mode just after it has enabled reception, and would lose a byte.
 */
static void write_fcr(struct serial *s, uint8_t value)
{
	if (value & UART_FCR_CLEAR_RCVR)
		s->rx_count = 0;
	s->fcr = value & UART_FCR_ENABLE_FIFO ? value & (UART_FCR_ENABLE_FIFO | 0xc0) : 0;
}

static void write_ier(struct serial *s, uint8_t value)
{
	if (value & ~s->ier & UART_IER_THRI)
		s->thre_pending = true;
	s->ier = value & IER_ALL;
}

/* Sent at once: the cause goes away and comes back, which is a new edge. */
static void transmitted(struct serial *s)
{
	s->thre_pending = false;
	irq_update(s);
	s->thre_pending = true;
}

/* Called without the lock: the other end may make the vCPU wait for its reader. */
static void write_thr(struct serial *s, uint8_t byte)
{
	bool loop;

	pthread_mutex_lock(&s->lock);
	loop = s->mcr & UART_MCR_LOOP;
	if (loop)
		rx_push(s, byte);
	pthread_mutex_unlock(&s->lock);
	if (!loop)
		s->line.put(s->line.end, byte);
}

static bool is_thr(struct serial *s, unsigned int offset)
{
	bool thr;

	pthread_mutex_lock(&s->lock);
	thr = offset == UART_TX && !(s->lcr & UART_LCR_DLAB);
	pthread_mutex_unlock(&s->lock);
	return thr;
}

static void write_locked(struct serial *s, unsigned int offset, uint8_t value)
{
	bool dlab = s->lcr & UART_LCR_DLAB;

	switch (offset) {
	case UART_TX:
		if (dlab)
			s->divisor = (s->divisor & 0xff00) | value;
		else
			transmitted(s);
		break;
	case UART_IER:
		if (dlab)
			s->divisor = (s->divisor & 0x00ff) | value << 8;
		else
			write_ier(s, value);
		break;
	case UART_FCR:
		write_fcr(s, value);
		break;
	case UART_LCR:
		s->lcr = value;
		break;
	case UART_MCR:
		write_mcr(s, value);
		break;
	case UART_SCR:
		s->scr = value;
		break;
	}
}

static uint8_t read_iir(struct serial *s)
{
	uint8_t cause = irq_cause(s);

	if (cause == UART_IIR_THRI)
		s->thre_pending = false;
	return cause | (fifo_on(s) ? IIR_FIFO_ON : 0);
}

static uint8_t read_lsr(struct serial *s)
{
	uint8_t lsr = UART_LSR_THRE | UART_LSR_TEMT;

	if (s->rx_count)
		lsr |= UART_LSR_DR;
	if (s->overrun)
		lsr |= UART_LSR_OE;
	s->overrun = false;
	return lsr;
}

static uint8_t read_msr(struct serial *s)
{
	uint8_t msr = modem_lines(s) | s->msr_delta;

	s->msr_delta = 0;
	return msr;
}

static uint8_t read_locked(struct serial *s, unsigned int offset)
{
	bool dlab = s->lcr & UART_LCR_DLAB;

	switch (offset) {
	case UART_RX:
		return dlab ? s->divisor & 0xff : rx_pop(s);
	case UART_IER:
		return dlab ? s->divisor >> 8 : s->ier;
	case UART_IIR:
		return read_iir(s);
	case UART_LCR:
		return s->lcr;
	case UART_MCR:
		return s->mcr;
	case UART_LSR:
		return read_lsr(s);
	case UART_MSR:
		return read_msr(s);
	default:
		return s->scr;
	}
}

/* After any access: tell the controller, and the other end if it may go on. */
static void settle_and_unlock(struct serial *s)
{
	bool wake = s->rx_waiting && rx_room(s);

	if (wake)
		s->rx_waiting = false;
	irq_update(s);
	pthread_mutex_unlock(&s->lock);
	if (wake)
		s->line.wake(s->line.end);
}

static uint32_t serial_in(void *device, unsigned int offset, unsigned int size)
{
	struct serial *s = device;
	uint8_t value;

	(void)size;
	pthread_mutex_lock(&s->lock);
	value = read_locked(s, offset);
	settle_and_unlock(s);
	return value;
}

static void serial_out(void *device, unsigned int offset, unsigned int size, uint32_t value)
{
	struct serial *s = device;

	(void)size;
	if (is_thr(s, offset))
		write_thr(s, value);
	pthread_mutex_lock(&s->lock);
	write_locked(s, offset, value);
	settle_and_unlock(s);
}

/**
 * serial_attach() - put the UART at its ports
 * @s: the UART
 * @ports: the port table
 * @vm: whose interrupt line it drives
 * @line: copied
 */
void serial_attach(struct serial *s, struct ioports *ports, struct vm *vm,
		   const struct serial_line *line)
{
	*s = (struct serial){ .vm = vm, .line = *line, .state.divisor = 12 };
	pthread_mutex_init(&s->lock, NULL);
	ioports_add(ports, (struct ioport_range){
		.first = line->port, .count = SERIAL_PORTS, .bytewise = true,
		.in = serial_in, .out = serial_out, .device = s,
	});
}

/**
 * serial_receive() - bytes arrive on the line; the main thread
 * @s: the UART
 * @bytes: the bytes
 * @count: how many
 *
 * Return: how many the guest had room for; if not all, the line's wake is
 * called when there is room again.
 */
size_t serial_receive(struct serial *s, const uint8_t *bytes, size_t count)
{
	size_t room;

	pthread_mutex_lock(&s->lock);
	room = rx_room(s);
	s->rx_waiting = count > room;
	if (count > room)
		count = room;
	for (size_t i = 0; i < count; i++)
		rx_push(s, bytes[i]);
	irq_update(s);
	pthread_mutex_unlock(&s->lock);
	return count;
}

/**
 * serial_save() - what a fork of the machine inherits; any thread
 * @s: the UART; no vCPU is using it
 * @state: filled in
 */
void serial_save(struct serial *s, struct serial_state *state)
{
	pthread_mutex_lock(&s->lock);
	*state = s->state;
	pthread_mutex_unlock(&s->lock);
}

/**
 * serial_restore() - be what the parent's UART was; no vCPU runs
 * @s: the UART
 * @state: from serial_save(), in whatever process
 *
 * The interrupt line is driven again: input that came after the fork's instant is in
 * @state, but its interrupt is only in the parent.
 *
 * Return: false if @state is none.
 */
bool serial_restore(struct serial *s, const struct serial_state *state)
{
	if (state->rx_head >= SERIAL_FIFO || state->rx_count > SERIAL_FIFO)
		return false;
	pthread_mutex_lock(&s->lock);
	s->state = *state;
	vm_irq_line(s->vm, s->line.irq, s->irq_level);
	pthread_mutex_unlock(&s->lock);
	return true;
}
