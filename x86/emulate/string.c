// SPDX-License-Identifier: GPL-2.0-only
/*
 * String instructions and their repetition.
 *
 * Each iteration is an instruction of its own: it stages rSI, rDI and rCX and they are committed
 * before the next one begins, so whatever stops the repetition (a fault, a device, the limit), the
 * registers say how far it came.  INS and OUTS do as many items at once as the bounce buffer, the
 * page and the port allow; that too is one iteration.
 */
#include "x86/emulate/internal.h"

/* Item size: in all string opcodes bit 0 says "not bytes". */
static unsigned int item_size(const struct emu_ctxt *c)
{
	return c->opcode & 1 ? c->opsize : 1;
}

static u64 string_reg(const struct emu_ctxt *c, enum emu_reg reg)
{
	return c->regs[reg] & emu_mask(c->adsize);
}

/* Stage an index register moved by @bytes in the direction of DF. */
static void string_advance(struct emu_ctxt *c, enum emu_reg reg, u64 bytes)
{
	u64 delta = c->rflags & X86_EFLAGS_DF ? -bytes : bytes;

	emu_stage(c, reg, c->adsize, c->regs[reg] + delta);
}

static void count_down(struct emu_ctxt *c, u64 items)
{
	if (c->rep)
		emu_stage(c, EMU_RCX, c->adsize, c->regs[EMU_RCX] - items);
}

static enum emu_result read_si(struct emu_ctxt *c, void *buf, unsigned int len)
{
	return emu_read_seg(c, c->seg, string_reg(c, EMU_RSI), buf, len);
}

static enum emu_result read_di(struct emu_ctxt *c, void *buf, unsigned int len)
{
	return emu_read_seg(c, EMU_ES, string_reg(c, EMU_RDI), buf, len);
}

static enum emu_result write_di(struct emu_ctxt *c, const void *buf, unsigned int len)
{
	return emu_write_seg(c, EMU_ES, string_reg(c, EMU_RDI), buf, len);
}

enum emu_result emu_movs(struct emu_ctxt *c)
{
	unsigned int size = item_size(c);
	enum emu_result r;
	u64 val = 0;

	r = read_si(c, &val, size);
	if (r == EMU_OK)
		r = write_di(c, &val, size);
	string_advance(c, EMU_RSI, size);
	string_advance(c, EMU_RDI, size);
	return r;
}

enum emu_result emu_stos(struct emu_ctxt *c)
{
	unsigned int size = item_size(c);

	string_advance(c, EMU_RDI, size);
	return write_di(c, &c->regs[EMU_RAX], size);
}

enum emu_result emu_lods(struct emu_ctxt *c)
{
	unsigned int size = item_size(c);
	enum emu_result r;
	u64 val = 0;

	r = read_si(c, &val, size);
	emu_stage(c, EMU_RAX, size, val);
	string_advance(c, EMU_RSI, size);
	return r;
}

/* CMPS compares [rSI] with [rDI], SCAS rAX with [rDI]; as CMP does. */
enum emu_result emu_cmps(struct emu_ctxt *c)
{
	unsigned int size = item_size(c);
	enum emu_result r;

	c->dst.size = size;
	c->dst.val[0] = 0;
	c->src.val[0] = 0;
	r = read_si(c, c->dst.val, size);
	if (r == EMU_OK)
		r = read_di(c, c->src.val, size);
	emu_cmp(c);
	string_advance(c, EMU_RSI, size);
	string_advance(c, EMU_RDI, size);
	return r;
}

enum emu_result emu_scas(struct emu_ctxt *c)
{
	unsigned int size = item_size(c);
	enum emu_result r;

	c->dst.size = size;
	c->dst.val[0] = c->regs[EMU_RAX] & emu_mask(size);
	c->src.val[0] = 0;
	r = read_di(c, c->src.val, size);
	emu_cmp(c);
	string_advance(c, EMU_RDI, size);
	return r;
}

/* INS and OUTS */

static unsigned int pio_size(const struct emu_ctxt *c)
{
	return min_t(unsigned int, item_size(c), 4);
}

/*
 * The most items that could be done at once: upwards, within one page, as the bounce buffer holds.
 */
static u64 batch_limit(struct emu_ctxt *c, u64 ea, unsigned int size, u64 gva)
{
	u64 n = min_t(u64, string_reg(c, EMU_RCX), c->rep_limit ?: EMU_REP_DEFAULT);

	if (!c->rep || c->rflags & (X86_EFLAGS_DF | X86_EFLAGS_TF))
		return 1;
	if (!c->batch_buf && c->ops->want_batch)
		c->ops->want_batch(c);
	if (!c->batch_buf)
		return 1;
	n = min_t(u64, n, c->batch_bytes / size);
	n = min_t(u64, n, (4096 - (gva & 4095)) / size);
	return min_t(u64, n, (emu_mask(c->adsize) - ea) / size);
}

/*
 * One item's address, and how many items can be done from there: all of them are known not to
 * fault.
 */
static enum emu_result pio_batch(struct emu_ctxt *c, enum emu_seg seg, u64 ea, unsigned int access,
				 u64 *gva, unsigned int *items)
{
	unsigned int size = pio_size(c);
	enum emu_result r = emu_linear(c, seg, ea, size, access, gva);
	u64 n;

	if (r != EMU_OK)
		return r;
	n = batch_limit(c, ea, size, *gva);
	*items = n;
	if (n > 1 && emu_linear(c, seg, ea, n * size, access, gva) == EMU_OK &&
	    c->ops->probe(c, *gva, n * size, access) == EMU_OK)
		return EMU_OK;
	*items = 1;
	c->fault.valid = false;
	return c->ops->probe(c, *gva, size, access);
}

/* The memory side of INS is checked before the port is read: the port must not be read twice. */
enum emu_result emu_ins(struct emu_ctxt *c)
{
	unsigned int size = pio_size(c), n = 1;
	u16 port = c->regs[EMU_RDX];
	enum emu_result r;
	u32 item = 0;
	void *buf;
	u64 gva;

	r = emu_io_allowed(c, port, size);
	if (r == EMU_OK)
		r = pio_batch(c, EMU_ES, string_reg(c, EMU_RDI), EMU_ACC_WRITE, &gva, &n);
	buf = n > 1 ? c->batch_buf : &item;
	if (r == EMU_OK)
		r = c->ops->pio_in(c, port, size, buf, &n);
	if (r == EMU_OK)
		r = c->ops->write(c, gva, buf, n * size, 0);
	string_advance(c, EMU_RDI, n * size);
	count_down(c, n);
	return r;
}

enum emu_result emu_outs(struct emu_ctxt *c)
{
	unsigned int size = pio_size(c), n = 1;
	u16 port = c->regs[EMU_RDX];
	enum emu_result r;
	u32 item = 0;
	void *buf;
	u64 gva;

	r = emu_io_allowed(c, port, size);
	if (r == EMU_OK)
		r = pio_batch(c, c->seg, string_reg(c, EMU_RSI), 0, &gva, &n);
	buf = n > 1 ? c->batch_buf : &item;
	if (r == EMU_OK)
		r = c->ops->read(c, gva, buf, n * size, 0);
	if (r == EMU_OK)
		r = c->ops->pio_out(c, port, size, buf, &n);
	string_advance(c, EMU_RSI, n * size);
	count_down(c, n);
	return r;
}

/* Repetition */

/* One iteration, committed when it succeeds. */
static enum emu_result string_iterate(struct emu_ctxt *c)
{
	bool pio = c->opcode >= 0x6c && c->opcode <= 0x6f;
	enum emu_result r;

	c->device = false;
	c->nr_staged = 0;
	r = c->op->exec(c);
	if (r != EMU_OK)
		return r;
	if (!pio)
		count_down(c, 1);
	emu_commit_regs(c);
	return EMU_OK;
}

/* Has the repetition come to its end? */
static bool repeat_ends(const struct emu_ctxt *c)
{
	if (!c->rep || !string_reg(c, EMU_RCX))
		return true;
	if (!(c->flags & EMU_F_REPZ))
		return false;
	return !(c->next_rflags & X86_EFLAGS_ZF) == (c->rep == 0xf3);
}

/**
 * emu_run_string() - execute a string instruction: all iterations, or a bounded number
 * @c: context
 *
 * Return: EMU_OK with c->restarted and rip standing still when more iterations remain.
 */
enum emu_result emu_run_string(struct emu_ctxt *c)
{
	u32 left = c->rep_limit ?: EMU_REP_DEFAULT;
	u64 before;
	enum emu_result r;

	if (c->rep && !string_reg(c, EMU_RCX))
		return EMU_OK;
	for (;;) {
		before = string_reg(c, EMU_RCX);
		r = string_iterate(c);
		if (r != EMU_OK)
			return r;
		if (repeat_ends(c))
			return EMU_OK;
		before -= string_reg(c, EMU_RCX);
		if (before >= left || c->device || c->rflags & X86_EFLAGS_TF)
			break;
		left -= before;
	}
	c->restarted = true;
	c->next_rip = c->rip;
	c->next_rflags |= c->rflags & X86_EFLAGS_RF;
	return EMU_OK;
}
