// SPDX-License-Identifier: GPL-2.0-only
/*
 * The fake machine of the tests of single instructions: memory with a hole, a page that may only
 * be read, a device that answers when it is told to, ports, and registers.
 */
#include "x86/emulate/machine_kunit.h"

static enum emu_result machine_check(struct emu_ctxt *c, u64 gva, unsigned int len, bool write)
{
	u64 last = gva + len - 1;

	if (last >= MEM_SIZE || last >> 12 == HOLE >> 12 || gva >> 12 == HOLE >> 12 ||
	    (write && (gva >> 12 == RDONLY >> 12 || last >> 12 == RDONLY >> 12))) {
		c->fault = (struct emu_fault){ .valid = true, .vector = X86_TRAP_PF,
					       .has_error = true, .error = write ? 2 : 0,
					       .cr2 = gva };
		return EMU_FAULT;
	}
	return EMU_OK;
}

static enum emu_result machine_device(struct emu_ctxt *c, u64 gva)
{
	struct machine *m = c->owner;

	if (gva >> 12 != DEVICE >> 12)
		return EMU_OK;
	c->device = true;
	if (m->answered)
		return EMU_OK;
	return EMU_IO;
}

static enum emu_result machine_fetch(struct emu_ctxt *c, u64 gva, void *buf, unsigned int len)
{
	struct machine *m = c->owner;
	enum emu_result r = machine_check(c, gva, len, false);

	if (r == EMU_OK)
		memcpy(buf, m->mem + gva, len);
	return r;
}

static enum emu_result machine_probe(struct emu_ctxt *c, u64 gva, unsigned int len,
				     unsigned int access)
{
	if (len > 32 && gva >> 12 == DEVICE >> 12)
		return EMU_UNHANDLED;
	return machine_check(c, gva, len, access & EMU_ACC_WRITE);
}

static enum emu_result machine_read(struct emu_ctxt *c, u64 gva, void *buf, unsigned int len,
				    unsigned int access)
{
	struct machine *m = c->owner;
	enum emu_result r = machine_check(c, gva, len, access & EMU_ACC_WRITE);

	if (r == EMU_OK)
		r = machine_device(c, gva);
	if (r == EMU_OK)
		memcpy(buf, m->mem + gva, len);
	m->reads++;
	return r;
}

static enum emu_result machine_write(struct emu_ctxt *c, u64 gva, const void *buf,
				     unsigned int len, unsigned int access)
{
	struct machine *m = c->owner;
	enum emu_result r = machine_check(c, gva, len, true);

	if (r == EMU_OK)
		r = machine_device(c, gva);
	if (r == EMU_OK)
		memcpy(m->mem + gva, buf, len);
	m->writes++;
	return r;
}

static enum emu_result machine_cmpxchg(struct emu_ctxt *c, u64 gva, const void *old,
				       const void *new, unsigned int len)
{
	struct machine *m = c->owner;

	if (memcmp(m->mem + gva, old, len))
		return EMU_RETRY;
	return machine_write(c, gva, new, len, 0);
}

static void machine_count_pio(struct machine *m, unsigned int *count)
{
	if (m->pio_most && *count > m->pio_most)
		*count = m->pio_most;
	m->pio_calls++;
	m->pio_items += *count;
}

static enum emu_result machine_pio_in(struct emu_ctxt *c, u16 port, unsigned int size, void *buf,
				      unsigned int *count)
{
	struct machine *m = c->owner;
	unsigned int i;

	if (!m->answered)
		return EMU_IO;
	machine_count_pio(m, count);
	for (i = 0; i < size * *count; i++)
		((u8 *)buf)[i] = port + i;
	return EMU_OK;
}

static enum emu_result machine_pio_out(struct emu_ctxt *c, u16 port, unsigned int size,
				       const void *buf, unsigned int *count)
{
	struct machine *m = c->owner;

	memcpy(m->mem + MEM_SIZE - 16, buf, size);
	machine_count_pio(m, count);
	return EMU_OK;
}

static void machine_get_segment(struct emu_ctxt *c, enum emu_seg nr, struct kvm_segment *seg)
{
	struct machine *m = c->owner;

	*seg = (struct kvm_segment){
		.limit = c->mode == EMU_REAL || c->mode == EMU_VM86 ? 0xffff : 0xffffffff,
		.selector = nr * 8, .type = nr == EMU_CS ? 11 : 3, .present = 1, .s = 1,
		.db = c->mode == EMU_PROT32, .l = c->mode == EMU_PROT64,
	};
	if (m->t && m->t->seg.limit && m->t->seg_nr == nr)
		*seg = m->t->seg;
}

static bool machine_has(struct emu_ctxt *c, enum emu_need need)
{
	return true;
}

static void machine_set_segment(struct emu_ctxt *c, enum emu_seg nr, const struct kvm_segment *seg)
{
	struct machine *m = c->owner;

	m->loaded = *seg;
	m->any_loaded = true;
}

/* The GDT has six descriptors. */
static void machine_get_dt(struct emu_ctxt *c, bool idt, struct kvm_dtable *dt)
{
	*dt = (struct kvm_dtable){ .base = idt ? 0x4000 : 0x3000, .limit = 0x2f };
}

static void machine_set_dt(struct emu_ctxt *c, bool idt, const struct kvm_dtable *dt)
{
	struct machine *m = c->owner;

	m->loaded = (struct kvm_segment){ .base = dt->base, .limit = dt->limit };
	m->any_loaded = true;
}

static bool machine_is_lma(struct emu_ctxt *c)
{
	return c->mode == EMU_PROT64;
}

static u64 machine_get_cr(struct emu_ctxt *c, unsigned int nr)
{
	struct machine *m = c->owner;

	return nr == 0 ? m->t->cr0 | X86_CR0_PE : m->t->cr4;
}

static enum emu_result machine_set_cr(struct emu_ctxt *c, unsigned int nr, u64 val)
{
	return val >> 32 ? emu_gp0(c) : EMU_OK;
}

static void machine_get_xmm(struct emu_ctxt *c, unsigned int nr, void *buf)
{
	memcpy(buf, ((struct machine *)c->owner)->ymm[nr], 16);
}

static void machine_set_xmm(struct emu_ctxt *c, unsigned int nr, const void *buf)
{
	memcpy(((struct machine *)c->owner)->ymm[nr], buf, 16);
}

static void machine_get_ymm(struct emu_ctxt *c, unsigned int nr, void *buf)
{
	memcpy(buf, ((struct machine *)c->owner)->ymm[nr], 32);
}

static void machine_set_ymm(struct emu_ctxt *c, unsigned int nr, const void *buf)
{
	memcpy(((struct machine *)c->owner)->ymm[nr], buf, 32);
}

static void machine_get_x87(struct emu_ctxt *c, struct emu_x87 *x)
{
	*x = ((struct machine *)c->owner)->x87;
}

static void machine_set_x87(struct emu_ctxt *c, const struct emu_x87 *x)
{
	((struct machine *)c->owner)->x87 = *x;
}

static void machine_get_fx(struct emu_ctxt *c, void *fx)
{
	memcpy(fx, ((struct machine *)c->owner)->fx, 512);
}

static void machine_set_fx(struct emu_ctxt *c, const void *fx)
{
	memcpy(((struct machine *)c->owner)->fx, fx, 512);
}

static u64 machine_get_sysreg(struct emu_ctxt *c, enum emu_sysreg nr)
{
	return 0;
}

static u64 machine_get_xcr0(struct emu_ctxt *c)
{
	return 7;
}

static const struct emu_ops machine_ops = {
	.fetch = machine_fetch, .read = machine_read, .write = machine_write,
	.probe = machine_probe, .cmpxchg = machine_cmpxchg,
	.pio_in = machine_pio_in, .pio_out = machine_pio_out,
	.has = machine_has, .get_segment = machine_get_segment, .get_cr = machine_get_cr,
	.set_cr = machine_set_cr,
	.get_xmm = machine_get_xmm, .set_xmm = machine_set_xmm,
	.get_ymm = machine_get_ymm, .set_ymm = machine_set_ymm, .get_xcr0 = machine_get_xcr0,
	.set_segment = machine_set_segment, .get_dt = machine_get_dt, .set_dt = machine_set_dt,
	.is_lma = machine_is_lma, .get_x87 = machine_get_x87, .set_x87 = machine_set_x87,
	.get_fx = machine_get_fx, .set_fx = machine_set_fx, .get_sysreg = machine_get_sysreg,
};

/**
 * machine_reset() - a machine as a case wants it
 * @m: machine
 * @t: case; it outlives what is done with @m
 */
void machine_reset(struct machine *m, const struct emu_case *t)
{
	struct emu_ctxt *c = &m->c;
	unsigned int i;

	memset(m, 0, sizeof(*m));
	m->t = t;
	c->ops = &machine_ops;
	c->owner = m;
	c->regs = m->regs;
	c->batch_buf = m->bounce;
	c->batch_bytes = sizeof(m->bounce);
	c->mode = t->mode;
	c->cpl = t->cpl;
	c->rip = CODE;
	c->rflags = t->flags_in | X86_EFLAGS_FIXED;
	memcpy(m->mem + CODE, t->code, sizeof(t->code));
	for (i = 0; i < ARRAY_SIZE(t->in); i++)
		if (t->in[i].used)
			c->regs[t->in[i].reg] = t->in[i].val;
	if (t->addr)
		memcpy(m->mem + t->addr, &t->mem_in, 8);
}

/**
 * machine_step() - execute the instruction at rip
 * @m: machine
 *
 * Return: enum emu_result.
 */
enum emu_result machine_step(struct machine *m)
{
	enum emu_result r = emu_decode(&m->c, 0);

	return r == EMU_OK ? emu_execute(&m->c) : r;
}

/**
 * machine_alloc() - a machine, until the test ends
 * @test: test
 *
 * Return: it; it must be reset first.
 */
struct machine *machine_alloc(struct kunit *test)
{
	struct machine *m = kunit_kzalloc(test, sizeof(*m), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, m);
	return m;
}
