// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit: single instructions from a table, run on a fake machine with 64 KiB of memory.
 *
 * The comparison with a real CPU (selftests/emu) covers the arithmetic of 64-bit mode; here is what it cannot
 * reach: the old modes, segmentation, privilege, ports, devices and re-execution.  All that a case does not
 * name must be unchanged.
 */
#include <kunit/test.h>

#include "x86/emulate/internal.h"

#define MEM_SIZE	0x10000
#define HOLE		0x8000	/* this page has no memory: #PF */
#define DEVICE		0xc000	/* this page is a device: EMU_IO the first time */
#define RDONLY		0xa000	/* writes to this page: #PF */
#define CODE		0x1000
#define ARITH		EMU_STATUS_FLAGS

struct reg_val {
	u8 reg;
	bool used;
	u64 val;
};

#define R(name, value)	{ EMU_##name, true, value }
#define CODE_BYTES(...)	.code = { __VA_ARGS__ }, .len = sizeof((u8[]){ __VA_ARGS__ })

/* One instruction. */
struct emu_case {
	const char *name;		/* what it shows */
	enum emu_mode mode;
	u8 cpl;
	u8 code[16];
	u8 len;				/* of the code; also how far rip must move */
	struct reg_val in[4];		/* registers before; all others are 0 */
	struct reg_val out[4];		/* those that change */
	u64 flags_in, flags_out;	/* besides bit 1; compared whole */
	u64 addr, mem_in, mem_out;	/* eight bytes of memory; addr 0: none */
	u64 rip_out;			/* where a branch goes, 0: to the next instruction */
	enum emu_result result;
	u8 vector;
	u32 error;
	bool no_error;			/* the fault has no error code */
	u8 shadow;			/* c->shadow afterwards */
	struct kvm_segment seg;		/* with a limit: replaces segment seg_nr */
	enum emu_seg seg_nr;
	struct kvm_segment seg_out;	/* with a limit: what is loaded */
	u64 cr0, cr4;
};

struct machine {
	struct emu_ctxt c;
	u64 regs[EMU_NR_REGS];
	const struct emu_case *t;
	u8 mem[MEM_SIZE];
	u8 ymm[16][32];
	struct emu_x87 x87;
	struct kvm_segment loaded;
	bool any_loaded;
	u8 bounce[4096];
	bool answered;		/* the device has answered */
	unsigned int reads, writes, pio_calls;
	u32 pio_items;
	unsigned int pio_most;	/* items that a port does at once, 0: all */
};

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

static u64 machine_get_xcr0(struct emu_ctxt *c)
{
	return 7;
}

static const struct emu_ops machine_ops = {
	.fetch = machine_fetch, .read = machine_read, .write = machine_write,
	.probe = machine_probe, .cmpxchg = machine_cmpxchg,
	.pio_in = machine_pio_in, .pio_out = machine_pio_out,
	.has = machine_has, .get_segment = machine_get_segment, .get_cr = machine_get_cr, .set_cr = machine_set_cr,
	.get_xmm = machine_get_xmm, .set_xmm = machine_set_xmm,
	.get_ymm = machine_get_ymm, .set_ymm = machine_set_ymm, .get_xcr0 = machine_get_xcr0,
	.set_segment = machine_set_segment, .get_dt = machine_get_dt, .set_dt = machine_set_dt,
	.is_lma = machine_is_lma, .get_x87 = machine_get_x87, .set_x87 = machine_set_x87,
};

static const struct emu_case cases[] = {
	/* Operand and address sizes in each mode */
	{ "real: mov to memory, 16 bits", EMU_REAL, CODE_BYTES(0x89, 0x07),
	  .in = { R(RAX, 0x11112222), R(RBX, 0xffff2000) },
	  .addr = 0x2000, .mem_in = -1, .mem_out = 0xffffffffffff2222 },
	{ "real: 66 makes 32 bits", EMU_REAL, CODE_BYTES(0x66, 0x89, 0x07),
	  .in = { R(RAX, 0x11112222), R(RBX, 0x2000) },
	  .addr = 0x2000, .mem_in = -1, .mem_out = 0xffffffff11112222 },
	{ "real: 67 makes 32-bit addresses", EMU_REAL, CODE_BYTES(0x67, 0x89, 0x43, 0x04),
	  .in = { R(RAX, 0x2222), R(RBX, 0x2000) },
	  .addr = 0x2004, .mem_in = 0, .mem_out = 0x2222 },
	{ "real: bp+si+disp8", EMU_REAL, CODE_BYTES(0x8b, 0x42, 0xfe),
	  .in = { R(RBP, 0x2000), R(RSI, 0x10) }, .out = { R(RAX, 0xbeef) },
	  .addr = 0x200e, .mem_in = 0xbeef, .mem_out = 0xbeef },
	{ "real: bx+di", EMU_REAL, CODE_BYTES(0x8a, 0x21), .in = { R(RBX, 0x2000), R(RDI, 8) },
	  .out = { R(RAX, 0x5a00) }, .addr = 0x2008, .mem_in = 0x5a, .mem_out = 0x5a },
	{ "real: disp16", EMU_REAL, CODE_BYTES(0xc7, 0x06, 0x00, 0x20, 0x34, 0x12),
	  .addr = 0x2000, .mem_in = 0, .mem_out = 0x1234 },
	{ "real: 16-bit address wraps", EMU_REAL, CODE_BYTES(0x88, 0x40, 0x10),
	  .in = { R(RAX, 7), R(RBX, 0xfff0), R(RSI, 0x2000) },
	  .addr = 0x2000, .mem_in = 0, .mem_out = 7 },
	{ "real: word at ffff: #GP without code", EMU_REAL, CODE_BYTES(0x8b, 0x07),
	  .in = { R(RBX, 0xffff) }, .result = EMU_FAULT, .vector = X86_TRAP_GP, .no_error = true },
	{ "real: word at ss:ffff: #SS", EMU_REAL, CODE_BYTES(0x8b, 0x46, 0x00),
	  .in = { R(RBP, 0xffff) }, .result = EMU_FAULT, .vector = X86_TRAP_SS, .no_error = true },
	{ "real: segment base and override", EMU_REAL, CODE_BYTES(0x26, 0xa0, 0x04, 0x00),
	  .seg = { .base = 0x2000, .limit = 0xffff }, .seg_nr = EMU_ES,
	  .out = { R(RAX, 0x77) }, .addr = 0x2004, .mem_in = 0x77, .mem_out = 0x77 },
	{ "prot16: push is 2 bytes", EMU_PROT16, CODE_BYTES(0x50), .in = { R(RAX, 0xabcd),
	  R(RSP, 0x12342002) }, .out = { R(RSP, 0x12342000) },
	  .addr = 0x2000, .mem_in = 0, .mem_out = 0xabcd },
	{ "prot32: push is 4 bytes", EMU_PROT32, CODE_BYTES(0x6a, 0xff), .in = { R(RSP, 0x2004) },
	  .out = { R(RSP, 0x2000) }, .addr = 0x2000, .mem_in = 0, .mem_out = 0xffffffff },
	{ "prot32: push word", EMU_PROT32, CODE_BYTES(0x66, 0x68, 0x34, 0x12),
	  .in = { R(RSP, 0x2002) }, .out = { R(RSP, 0x2000) },
	  .addr = 0x2000, .mem_in = 0, .mem_out = 0x1234 },
	{ "prot32: stack of 16 bits", EMU_PROT32, CODE_BYTES(0x50),
	  .in = { R(RAX, 0x01020304), R(RSP, 0x56782004) }, .out = { R(RSP, 0x56782000) },
	  .seg = { .limit = 0xffff, .type = 3, .present = 1, .s = 1 }, .seg_nr = EMU_SS,
	  .addr = 0x2000, .mem_in = 0, .mem_out = 0x01020304 },
	{ "prot32: inc is one byte", EMU_PROT32, CODE_BYTES(0x41), .in = { R(RCX, 0xffffffff) },
	  .out = { R(RCX, 0) }, .flags_out = X86_EFLAGS_ZF | X86_EFLAGS_PF | X86_EFLAGS_AF },
	{ "prot32: disp32 is absolute", EMU_PROT32, CODE_BYTES(0xa3, 0x00, 0x20, 0x00, 0x00),
	  .in = { R(RAX, 0x55) }, .addr = 0x2000, .mem_in = 0, .mem_out = 0x55 },
	{ "prot32: ah to memory", EMU_PROT32, CODE_BYTES(0x88, 0x23),
	  .in = { R(RAX, 0x4100), R(RBX, 0x2000) }, .addr = 0x2000, .mem_in = 0, .mem_out = 0x41 },
	{ "prot32: 67 is 16-bit", EMU_PROT32, CODE_BYTES(0x67, 0x8b, 0x07),
	  .in = { R(RBX, 0xabcd2000) }, .out = { R(RAX, 9) }, .addr = 0x2000, .mem_in = 9,
	  .mem_out = 9 },
	{ "prot64: rip-relative with immediate", EMU_PROT64,
	  CODE_BYTES(0xc7, 0x05, 0xf6, 0x0f, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff),
	  .addr = 0x2000, .mem_in = 0, .mem_out = 0xffffffff },
	{ "prot64: 67 truncates the address", EMU_PROT64, CODE_BYTES(0x67, 0x8b, 0x03),
	  .in = { R(RBX, 0x100002000) }, .out = { R(RAX, 3) }, .addr = 0x2000, .mem_in = 3,
	  .mem_out = 3 },
	{ "prot64: fs has a base", EMU_PROT64, CODE_BYTES(0x64, 0x8b, 0x03),
	  .in = { R(RBX, 0x10) }, .out = { R(RAX, 4) }, .seg = { .base = 0x2000, .limit = 1 },
	  .seg_nr = EMU_FS, .addr = 0x2010, .mem_in = 4, .mem_out = 4 },
	{ "prot64: ds has none", EMU_PROT64, CODE_BYTES(0x3e, 0x8b, 0x03), .in = { R(RBX, 0x2000) },
	  .out = { R(RAX, 4) }, .seg = { .base = 0x3000, .limit = 1 }, .seg_nr = EMU_DS,
	  .addr = 0x2000, .mem_in = 4, .mem_out = 4 },
	{ "prot64: mov imm64", EMU_PROT64,
	  CODE_BYTES(0x48, 0xb8, 1, 2, 3, 4, 5, 6, 7, 8), .out = { R(RAX, 0x0807060504030201) } },
	{ "prot64: moffs64", EMU_PROT64, CODE_BYTES(0xa2, 0x00, 0x20, 0, 0, 0, 0, 0, 0),
	  .in = { R(RAX, 0x1ff) }, .addr = 0x2000, .mem_in = 0, .mem_out = 0xff },
	{ "prot64: spl with REX", EMU_PROT64, CODE_BYTES(0x40, 0x88, 0xe0),
	  .in = { R(RSP, 0x99) }, .out = { R(RAX, 0x99) } },
	{ "prot64: REX before a prefix does not count", EMU_PROT64, CODE_BYTES(0x48, 0x66, 0x01, 0xd8),
	  .in = { R(RAX, 0xffff), R(RBX, 1) }, .out = { R(RAX, 0) },
	  .flags_out = X86_EFLAGS_ZF | X86_EFLAGS_PF | X86_EFLAGS_AF | X86_EFLAGS_CF },
	{ "prot64: nop keeps the upper half", EMU_PROT64, CODE_BYTES(0x90),
	  .in = { R(RAX, 0x123456789abcdef0) } },
	{ "prot64: 49 90 is xchg", EMU_PROT64, CODE_BYTES(0x49, 0x90),
	  .in = { R(RAX, 1), R(R8, 2) }, .out = { R(RAX, 2), R(R8, 1) } },

	/* Segments: the descriptor is the GDT's first, and a load marks it as accessed */
#define DATA_DESC	0x11cf92223344ffffULL
#define LOADED		.seg_out = { .base = 0x11223344, .limit = 0xffffffff, .type = 3 }
#define REFUSED(vec, code)	.result = EMU_FAULT, .vector = X86_TRAP_##vec, .error = (code)
#define DESC(in, out)	.addr = 0x3008, .mem_in = (in), .mem_out = (out)
	{ "mov ds", EMU_PROT32, CODE_BYTES(0x8e, 0xd8), .in = { R(RAX, 8) },
	  DESC(DATA_DESC, DATA_DESC | 1ULL << 40), LOADED },
	{ "mov ss", EMU_PROT32, CODE_BYTES(0x8e, 0xd0), .in = { R(RAX, 8) },
	  DESC(DATA_DESC, DATA_DESC | 1ULL << 40), LOADED, .shadow = EMU_SHADOW_MOV_SS },
	{ "mov fs, at CPL 3 of DPL 0", EMU_PROT32, 3, CODE_BYTES(0x8e, 0xe0), .in = { R(RAX, 8) },
	  DESC(DATA_DESC, DATA_DESC), REFUSED(GP, 8) },
	{ "mov ds, RPL above DPL", EMU_PROT32, CODE_BYTES(0x8e, 0xd8), .in = { R(RAX, 11) },
	  DESC(DATA_DESC, DATA_DESC), REFUSED(GP, 8) },
	{ "mov ds, not present", EMU_PROT32, CODE_BYTES(0x8e, 0xd8), .in = { R(RAX, 8) },
	  DESC(DATA_DESC & ~(1ULL << 47), DATA_DESC & ~(1ULL << 47)), REFUSED(NP, 8) },
	{ "mov ss, not present", EMU_PROT32, CODE_BYTES(0x8e, 0xd0), .in = { R(RAX, 8) },
	  DESC(DATA_DESC & ~(1ULL << 47), DATA_DESC & ~(1ULL << 47)), REFUSED(SS, 8),
	  .shadow = EMU_SHADOW_MOV_SS },
	{ "mov ss, read-only", EMU_PROT32, CODE_BYTES(0x8e, 0xd0), .in = { R(RAX, 8) },
	  DESC(DATA_DESC & ~(1ULL << 41), DATA_DESC & ~(1ULL << 41)), REFUSED(GP, 8),
	  .shadow = EMU_SHADOW_MOV_SS },
	{ "mov ds, code that cannot be read", EMU_PROT32, CODE_BYTES(0x8e, 0xd8),
	  .in = { R(RAX, 8) }, DESC(0x11cf98223344ffffULL, 0x11cf98223344ffffULL), REFUSED(GP, 8) },
	{ "mov ds, a system segment", EMU_PROT32, CODE_BYTES(0x8e, 0xd8), .in = { R(RAX, 8) },
	  DESC(0x11cf82223344ffffULL, 0x11cf82223344ffffULL), REFUSED(GP, 8) },
	{ "mov ds, beyond the table", EMU_PROT32, CODE_BYTES(0x8e, 0xd8), .in = { R(RAX, 0x30) },
	  REFUSED(GP, 0x30) },
	{ "mov ss, null", EMU_PROT32, CODE_BYTES(0x8e, 0xd0), .shadow = EMU_SHADOW_MOV_SS,
	  REFUSED(GP, 0) },
	{ "mov cs", EMU_PROT32, CODE_BYTES(0x8e, 0xc8), REFUSED(UD, 0), .no_error = true },
	{ "mov es in real mode", EMU_REAL, CODE_BYTES(0x8e, 0xc0), .in = { R(RAX, 0x1234) },
	  .seg_out = { .base = 0x12340, .limit = 0xffff, .type = 3 } },
	{ "pop ss", EMU_REAL, CODE_BYTES(0x17), .in = { R(RSP, 0x2000) }, .out = { R(RSP, 0x2002) },
	  .addr = 0x2000, .mem_in = 0x1234, .mem_out = 0x1234, .shadow = EMU_SHADOW_MOV_SS,
	  .seg_out = { .base = 0x12340, .limit = 0xffff, .type = 3 } },
	{ "les", EMU_REAL, CODE_BYTES(0xc4, 0x07), .in = { R(RBX, 0x2000) }, .out = { R(RAX, 0x5678) },
	  .addr = 0x2000, .mem_in = 0x12345678, .mem_out = 0x12345678,
	  .seg_out = { .base = 0x12340, .limit = 0xffff, .type = 3 } },
	{ "les of a register, which elsewhere is VEX", EMU_REAL,
	  CODE_BYTES(0xc4, 0xe2, 0x60, 0xf2, 0xc1), REFUSED(UD, 0), .no_error = true },
	{ "sgdt", EMU_PROT32, CODE_BYTES(0x0f, 0x01, 0x03), .in = { R(RBX, 0x2000) },
	  .addr = 0x2000, .mem_in = -1, .mem_out = 0xffff00003000002fULL },
	{ "sidt, with UMIP", EMU_PROT64, 3, CODE_BYTES(0x0f, 0x01, 0x0b), .in = { R(RBX, 0x2000) },
	  .cr4 = X86_CR4_UMIP, REFUSED(GP, 0) },
	{ "lgdt of 24 bits", EMU_REAL, CODE_BYTES(0x0f, 0x01, 0x17), .in = { R(RBX, 0x2000) },
	  .addr = 0x2000, .mem_in = 0x112233440010ULL, .mem_out = 0x112233440010ULL,
	  .seg_out = { .base = 0x223344, .limit = 0x10 } },
	{ "lidt at CPL 3", EMU_PROT32, 3, CODE_BYTES(0x0f, 0x01, 0x1b), REFUSED(GP, 0) },
	{ "str", EMU_PROT32, CODE_BYTES(0x0f, 0x00, 0xc8), .out = { R(RAX, EMU_TR * 8) } },
	{ "sldt in real mode", EMU_REAL, CODE_BYTES(0x0f, 0x00, 0xc0), REFUSED(UD, 0),
	  .no_error = true },
	{ "lar", EMU_PROT32, CODE_BYTES(0x0f, 0x02, 0xc3), .in = { R(RBX, 8) },
	  .out = { R(RAX, 0xcf9200) }, .flags_out = X86_EFLAGS_ZF, DESC(DATA_DESC, DATA_DESC) },
	{ "lsl", EMU_PROT32, CODE_BYTES(0x0f, 0x03, 0xc3), .in = { R(RBX, 8) },
	  .out = { R(RAX, 0xffffffff) }, .flags_out = X86_EFLAGS_ZF, DESC(DATA_DESC, DATA_DESC) },
	{ "lsl of what is out of reach", EMU_PROT32, 3, CODE_BYTES(0x0f, 0x03, 0xc3),
	  .in = { R(RBX, 8) }, .flags_in = X86_EFLAGS_ZF, DESC(DATA_DESC, DATA_DESC) },
	{ "verw", EMU_PROT32, CODE_BYTES(0x0f, 0x00, 0xe8), .in = { R(RAX, 8) },
	  .flags_out = X86_EFLAGS_ZF, DESC(DATA_DESC, DATA_DESC) },
	{ "verr, null", EMU_PROT32, CODE_BYTES(0x0f, 0x00, 0xe0), .flags_in = X86_EFLAGS_ZF },

	/* Decimal arithmetic, BOUND, ARPL and ENTER: 64-bit mode has them not, or not so */
	{ "daa", EMU_PROT32, CODE_BYTES(0x27), .in = { R(RAX, 0xae) }, .out = { R(RAX, 0x14) },
	  .flags_out = X86_EFLAGS_CF | X86_EFLAGS_AF | X86_EFLAGS_PF },
	{ "daa with CF", EMU_REAL, CODE_BYTES(0x27), .in = { R(RAX, 0x2e) },
	  .out = { R(RAX, 0x94) }, .flags_in = X86_EFLAGS_CF,
	  .flags_out = X86_EFLAGS_CF | X86_EFLAGS_AF | X86_EFLAGS_SF },
	{ "das", EMU_PROT32, CODE_BYTES(0x2f), .in = { R(RAX, 0x35ee) }, .out = { R(RAX, 0x3588) },
	  .flags_out = X86_EFLAGS_CF | X86_EFLAGS_AF | X86_EFLAGS_SF | X86_EFLAGS_PF },
	{ "das borrows for the low digit", EMU_PROT32, CODE_BYTES(0x2f), .in = { R(RAX, 3) },
	  .out = { R(RAX, 0xfd) }, .flags_in = X86_EFLAGS_AF,
	  .flags_out = X86_EFLAGS_CF | X86_EFLAGS_AF | X86_EFLAGS_SF },
	{ "aaa", EMU_PROT32, CODE_BYTES(0x37), .in = { R(RAX, 0x10b) }, .out = { R(RAX, 0x201) },
	  .flags_out = X86_EFLAGS_CF | X86_EFLAGS_AF },
	{ "aaa leaves a digit", EMU_PROT32, CODE_BYTES(0x37), .in = { R(RAX, 0x175) },
	  .out = { R(RAX, 0x105) }, .flags_in = X86_EFLAGS_CF },
	{ "aas", EMU_PROT32, CODE_BYTES(0x3f), .in = { R(RAX, 0x2ff) }, .out = { R(RAX, 0x109) },
	  .flags_out = X86_EFLAGS_CF | X86_EFLAGS_AF },
	{ "aam", EMU_PROT32, CODE_BYTES(0xd4, 10), .in = { R(RAX, 0x773f) },
	  .out = { R(RAX, 0x603) }, .flags_out = X86_EFLAGS_PF },
	{ "aam by nothing: #DE", EMU_PROT32, CODE_BYTES(0xd4, 0), .in = { R(RAX, 1) },
	  .result = EMU_FAULT, .vector = X86_TRAP_DE, .no_error = true },
	{ "aad", EMU_PROT32, CODE_BYTES(0xd5, 10), .in = { R(RAX, 0x709) }, .out = { R(RAX, 0x4f) } },
	{ "aad in 64-bit mode: #UD", EMU_PROT64, CODE_BYTES(0xd5, 10), .result = EMU_FAULT,
	  .vector = X86_TRAP_UD, .no_error = true },
	{ "bound, inside", EMU_PROT32, CODE_BYTES(0x62, 0x03),
	  .in = { R(RAX, -3u), R(RBX, 0x2000) }, .addr = 0x2000, .mem_in = 0x5fffffffdULL,
	  .mem_out = 0x5fffffffdULL },
	{ "bound, above: #BR", EMU_PROT32, CODE_BYTES(0x62, 0x03), .in = { R(RAX, 6), R(RBX, 0x2000) },
	  .addr = 0x2000, .mem_in = 0x5fffffffdULL, .mem_out = 0x5fffffffdULL,
	  .result = EMU_FAULT, .vector = X86_TRAP_BR, .no_error = true },
	{ "bound of 16 bits, below: #BR", EMU_REAL, CODE_BYTES(0x62, 0x07),
	  .in = { R(RAX, 0x8000), R(RBX, 0x2000) }, .addr = 0x2000, .mem_in = 0x00058001,
	  .mem_out = 0x00058001, .result = EMU_FAULT, .vector = X86_TRAP_BR, .no_error = true },
	{ "arpl raises", EMU_PROT32, CODE_BYTES(0x63, 0xd8), .in = { R(RAX, 0x10), R(RBX, 3) },
	  .out = { R(RAX, 0x13) }, .flags_out = X86_EFLAGS_ZF },
	{ "arpl leaves", EMU_PROT32, CODE_BYTES(0x63, 0xd8), .in = { R(RAX, 0x13), R(RBX, 1) },
	  .flags_in = X86_EFLAGS_ZF },
	{ "arpl in real mode: #UD", EMU_REAL, CODE_BYTES(0x63, 0xd8), .result = EMU_FAULT,
	  .vector = X86_TRAP_UD, .no_error = true },
	{ "enter of 16 bits on a stack of 32", EMU_PROT32, CODE_BYTES(0x66, 0xc8, 4, 0, 0),
	  .in = { R(RSP, 0x2004), R(RBP, 0x11223344) },
	  .out = { R(RSP, 0x1ffe), R(RBP, 0x11222002) }, .addr = 0x2000, .mem_in = 0,
	  .mem_out = 0x33440000 },
	{ "enter with frames", EMU_PROT32, CODE_BYTES(0xc8, 0, 0, 2),
	  .in = { R(RSP, 0x200c), R(RBP, 0x2010) }, .out = { R(RSP, 0x2000), R(RBP, 0x2008) },
	  .addr = 0x2000, .mem_out = 0x2008 },
	{ "lzcnt in 16 bits", EMU_REAL, CODE_BYTES(0xf3, 0x0f, 0xbd, 0xc3), .in = { R(RBX, 0x100) },
	  .out = { R(RAX, 7) } },
	{ "andn in 32-bit mode", EMU_PROT32, CODE_BYTES(0xc4, 0xe2, 0x60, 0xf2, 0xc1),
	  .in = { R(RBX, 0xff), R(RCX, 0x80000ff0) }, .out = { R(RAX, 0x80000f00) },
	  .flags_out = X86_EFLAGS_SF },
	{ "VEX behind 66: #UD", EMU_PROT32, CODE_BYTES(0x66, 0xc4, 0xe2, 0x60, 0xf2, 0xc1),
	  .result = EMU_FAULT, .vector = X86_TRAP_UD, .no_error = true },
	{ "VEX.L where it may not be: #UD", EMU_PROT64, CODE_BYTES(0xc4, 0xe2, 0x64, 0xf2, 0xc1),
	  .result = EMU_FAULT, .vector = X86_TRAP_UD, .no_error = true },
	{ "VEX.vvvv where it may not be: #UD", EMU_PROT64,
	  CODE_BYTES(0xc4, 0xe3, 0x63, 0xf0, 0xc1, 3),
	  .result = EMU_FAULT, .vector = X86_TRAP_UD, .no_error = true },

	/* Faults */
	{ "more than 15 bytes", EMU_PROT64,
	  .code = { 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66,
		    0x66, 0x66, 0x90 }, .result = EMU_FAULT, .vector = X86_TRAP_GP },
	{ "lock mov", EMU_PROT64, CODE_BYTES(0xf0, 0x89, 0x03), .in = { R(RBX, 0x2000) },
	  .result = EMU_FAULT, .vector = X86_TRAP_UD, .no_error = true },
	{ "lock add to a register", EMU_PROT64, CODE_BYTES(0xf0, 0x01, 0xc3),
	  .result = EMU_FAULT, .vector = X86_TRAP_UD, .no_error = true },
	{ "lock bt", EMU_PROT64, CODE_BYTES(0xf0, 0x0f, 0xa3, 0x03), .in = { R(RBX, 0x2000) },
	  .result = EMU_FAULT, .vector = X86_TRAP_UD, .no_error = true },
	{ "pusha in 64-bit mode", EMU_PROT64, CODE_BYTES(0x60),
	  .result = EMU_FAULT, .vector = X86_TRAP_UD, .no_error = true },
	{ "lea of a register", EMU_PROT64, CODE_BYTES(0x8d, 0xc0),
	  .result = EMU_FAULT, .vector = X86_TRAP_UD, .no_error = true },
	{ "not canonical", EMU_PROT64, CODE_BYTES(0x8b, 0x03), .in = { R(RBX, 1ULL << 47) },
	  .result = EMU_FAULT, .vector = X86_TRAP_GP },
	{ "not canonical at its end", EMU_PROT64, CODE_BYTES(0x8b, 0x03),
	  .in = { R(RBX, (1ULL << 47) - 1) }, .result = EMU_FAULT, .vector = X86_TRAP_GP },
	{ "not canonical, stack segment", EMU_PROT64, CODE_BYTES(0x8b, 0x45, 0x00),
	  .in = { R(RBP, 1ULL << 47) }, .result = EMU_FAULT, .vector = X86_TRAP_SS },
	{ "canonical with LA57", EMU_PROT64, CODE_BYTES(0x8b, 0x03), .in = { R(RBX, 1ULL << 47) },
	  .cr4 = X86_CR4_LA57, .result = EMU_FAULT, .vector = X86_TRAP_PF },
	{ "page fault on a write", EMU_PROT64, CODE_BYTES(0x89, 0x03), .in = { R(RBX, HOLE) },
	  .result = EMU_FAULT, .vector = X86_TRAP_PF, .error = 2 },
	{ "add to read-only memory faults as a write", EMU_PROT64, CODE_BYTES(0x01, 0x03),
	  .in = { R(RBX, RDONLY), R(RAX, 1) }, .result = EMU_FAULT, .vector = X86_TRAP_PF,
	  .error = 2, .addr = RDONLY, .mem_in = 5, .mem_out = 5 },
	{ "cmp with read-only memory", EMU_PROT64, CODE_BYTES(0x39, 0x03), .in = { R(RBX, RDONLY) },
	  .flags_out = X86_EFLAGS_ZF | X86_EFLAGS_PF },
	{ "write across into nothing changes nothing", EMU_PROT64, CODE_BYTES(0x48, 0x89, 0x03),
	  .in = { R(RBX, HOLE - 4), R(RAX, -1) }, .result = EMU_FAULT, .vector = X86_TRAP_PF,
	  .error = 2, .addr = HOLE - 8, .mem_in = 6, .mem_out = 6 },
	{ "limit of a data segment", EMU_PROT32, CODE_BYTES(0x8b, 0x03), .in = { R(RBX, 0x1ffd) },
	  .seg = { .limit = 0x1fff, .type = 3, .present = 1 }, .seg_nr = EMU_DS,
	  .result = EMU_FAULT, .vector = X86_TRAP_GP },
	{ "just inside the limit", EMU_PROT32, CODE_BYTES(0x8b, 0x03), .in = { R(RBX, 0x1ffc) },
	  .seg = { .limit = 0x1fff, .type = 3, .present = 1 }, .seg_nr = EMU_DS,
	  .out = { R(RAX, 8) }, .addr = 0x1ffc, .mem_in = 8, .mem_out = 8 },
	{ "offset that wraps is beyond the limit", EMU_PROT32, CODE_BYTES(0x8b, 0x03),
	  .in = { R(RBX, 0xfffffffe) }, .result = EMU_FAULT, .vector = X86_TRAP_GP },
	{ "expand-down: below", EMU_PROT32, CODE_BYTES(0x8b, 0x03), .in = { R(RBX, 0x1fff) },
	  .seg = { .limit = 0x1fff, .type = 7, .present = 1, .db = 1 }, .seg_nr = EMU_DS,
	  .result = EMU_FAULT, .vector = X86_TRAP_GP },
	{ "expand-down: above", EMU_PROT32, CODE_BYTES(0x8b, 0x03), .in = { R(RBX, 0x2000) },
	  .seg = { .limit = 0x1fff, .type = 7, .present = 1, .db = 1 }, .seg_nr = EMU_DS,
	  .out = { R(RAX, 8) }, .addr = 0x2000, .mem_in = 8, .mem_out = 8 },
	{ "expand-down: 16-bit top", EMU_PROT32, CODE_BYTES(0x8b, 0x03), .in = { R(RBX, 0xfffd) },
	  .seg = { .limit = 0x1fff, .type = 7, .present = 1 }, .seg_nr = EMU_DS,
	  .result = EMU_FAULT, .vector = X86_TRAP_GP },
	{ "write to a read-only segment", EMU_PROT32, CODE_BYTES(0x89, 0x03), .in = { R(RBX, 0x2000) },
	  .seg = { .limit = 0xffff, .type = 1, .present = 1 }, .seg_nr = EMU_DS,
	  .result = EMU_FAULT, .vector = X86_TRAP_GP },
	{ "write to the code segment", EMU_PROT32, CODE_BYTES(0x2e, 0x89, 0x03),
	  .in = { R(RBX, 0x2000) }, .result = EMU_FAULT, .vector = X86_TRAP_GP },
	{ "read of an execute-only segment", EMU_PROT32, CODE_BYTES(0x2e, 0x8b, 0x03),
	  .in = { R(RBX, 0x2000) }, .seg = { .limit = 0xffff, .type = 9, .present = 1 },
	  .seg_nr = EMU_CS, .result = EMU_FAULT, .vector = X86_TRAP_GP },
	{ "null segment", EMU_PROT32, CODE_BYTES(0x8b, 0x03), .in = { R(RBX, 0x2000) },
	  .seg = { .limit = 0xffff, .type = 3, .present = 1, .unusable = 1 }, .seg_nr = EMU_DS,
	  .result = EMU_FAULT, .vector = X86_TRAP_GP },
	{ "stack limit", EMU_PROT32, CODE_BYTES(0x50), .in = { R(RSP, 0x2002) },
	  .seg = { .limit = 0x1fff, .type = 3, .present = 1, .db = 1 }, .seg_nr = EMU_SS,
	  .result = EMU_FAULT, .vector = X86_TRAP_SS },
	{ "code beyond the limit", EMU_PROT32, CODE_BYTES(0x81, 0xc0, 1, 2, 3, 4),
	  .seg = { .limit = CODE + 4, .type = 11, .present = 1, .db = 1 }, .seg_nr = EMU_CS,
	  .result = EMU_FAULT, .vector = X86_TRAP_GP },
	{ "alignment check", EMU_PROT64, 3, CODE_BYTES(0x8b, 0x03), .in = { R(RBX, 0x2001) },
	  .flags_in = X86_EFLAGS_AC, .cr0 = X86_CR0_AM, .result = EMU_FAULT,
	  .vector = X86_TRAP_AC },
	{ "no alignment check in the kernel", EMU_PROT64, CODE_BYTES(0x8b, 0x03),
	  .in = { R(RBX, 0x2001) }, .flags_in = X86_EFLAGS_AC, .flags_out = X86_EFLAGS_AC,
	  .cr0 = X86_CR0_AM, .out = { R(RAX, 2) }, .addr = 0x2001, .mem_in = 2, .mem_out = 2 },
	{ "movdqa wants alignment", EMU_PROT64, CODE_BYTES(0x66, 0x0f, 0x6f, 0x03),
	  .in = { R(RBX, 0x2008) }, .cr4 = X86_CR4_OSFXSR, .result = EMU_FAULT,
	  .vector = X86_TRAP_GP },
	{ "movdqa without OSFXSR", EMU_PROT64, CODE_BYTES(0x66, 0x0f, 0x6f, 0x03),
	  .in = { R(RBX, 0x2000) }, .result = EMU_FAULT, .vector = X86_TRAP_UD, .no_error = true },
	{ "movdqa with TS", EMU_PROT64, CODE_BYTES(0x66, 0x0f, 0x6f, 0x03),
	  .in = { R(RBX, 0x2000) }, .cr0 = X86_CR0_TS, .cr4 = X86_CR4_OSFXSR,
	  .result = EMU_FAULT, .vector = X86_TRAP_NM, .no_error = true },
	{ "divide by zero", EMU_PROT64, CODE_BYTES(0xf7, 0xf3), .in = { R(RAX, 5) },
	  .result = EMU_FAULT, .vector = X86_TRAP_DE, .no_error = true },
	{ "idiv: most negative by -1", EMU_PROT64, CODE_BYTES(0x48, 0xf7, 0xfb),
	  .in = { R(RAX, 1ULL << 63), R(RDX, -1), R(RBX, -1) },
	  .result = EMU_FAULT, .vector = X86_TRAP_DE, .no_error = true },
	{ "VEX is not known", EMU_PROT64, CODE_BYTES(0xc5, 0xf8, 0x77), .result = EMU_UNHANDLED },
	{ "a map that VEX does not have", EMU_PROT32, CODE_BYTES(0xc4, 0xe0, 0x78, 0x10, 0xc0),
	  .result = EMU_UNHANDLED },
	{ "VEX.vvvv that is no operand counts whole", EMU_PROT32,
	  CODE_BYTES(0xc4, 0xe3, 0x3b, 0xf0, 0xc0, 0x01), .result = EMU_FAULT,
	  .vector = X86_TRAP_UD, .no_error = true },
	{ "emms only has a length", EMU_PROT64, CODE_BYTES(0x0f, 0x77), .result = EMU_UNHANDLED },
	{ "undefined 0F opcode", EMU_PROT64, CODE_BYTES(0x0f, 0x04), .result = EMU_UNHANDLED },

	/* Privilege and system registers */
	{ "cli in user mode", EMU_PROT64, 3, CODE_BYTES(0xfa), .flags_in = X86_EFLAGS_IF,
	  .result = EMU_FAULT, .vector = X86_TRAP_GP },
	{ "cli with IOPL 3", EMU_PROT64, 3, CODE_BYTES(0xfa),
	  .flags_in = X86_EFLAGS_IF | X86_EFLAGS_IOPL, .flags_out = X86_EFLAGS_IOPL },
	{ "sti has a shadow", EMU_PROT64, CODE_BYTES(0xfb), .flags_out = X86_EFLAGS_IF,
	  .shadow = EMU_SHADOW_STI },
	{ "second sti has none", EMU_PROT64, CODE_BYTES(0xfb), .flags_in = X86_EFLAGS_IF,
	  .flags_out = X86_EFLAGS_IF },
	{ "clts in user mode", EMU_PROT64, 3, CODE_BYTES(0x0f, 0x06),
	  .result = EMU_FAULT, .vector = X86_TRAP_GP },
	{ "mov from cr4 ignores mod", EMU_PROT64, CODE_BYTES(0x0f, 0x20, 0x20),
	  .cr4 = 0x20, .out = { R(RAX, 0x20) } },
	{ "mov to cr1", EMU_PROT64, CODE_BYTES(0x0f, 0x22, 0xc8),
	  .result = EMU_FAULT, .vector = X86_TRAP_UD, .no_error = true },
	{ "mov to cr0 that the op refuses", EMU_PROT64, CODE_BYTES(0x0f, 0x22, 0xc0),
	  .in = { R(RAX, 1ULL << 40) }, .result = EMU_FAULT, .vector = X86_TRAP_GP },
	{ "popf in user mode keeps IF and IOPL", EMU_PROT64, 3, CODE_BYTES(0x9d),
	  .in = { R(RSP, 0x2000) }, .out = { R(RSP, 0x2008) }, .addr = 0x2000,
	  .mem_in = 0x3041, .mem_out = 0x3041, .flags_in = X86_EFLAGS_IF,
	  .flags_out = X86_EFLAGS_IF | X86_EFLAGS_ZF | X86_EFLAGS_CF },
	{ "pushf in vm86 with IOPL 0", EMU_VM86, 3, CODE_BYTES(0x9c), .in = { R(RSP, 0x2002) },
	  .result = EMU_FAULT, .vector = X86_TRAP_GP },
	{ "mov from fs", EMU_PROT64, CODE_BYTES(0x8c, 0xe0), .in = { R(RAX, -1) },
	  .out = { R(RAX, 0x20) } },

	/* Ports */
	{ "in al, imm8", EMU_REAL, CODE_BYTES(0xe4, 0xf8), .result = EMU_IO },
	{ "out dx", EMU_PROT32, CODE_BYTES(0xef), .in = { R(RAX, 0x12345678), R(RDX, 0x3f8) },
	  .addr = MEM_SIZE - 16, .mem_in = 0, .mem_out = 0x12345678 },
	{ "in without permission", EMU_PROT32, 3, CODE_BYTES(0xec),
	  .seg = { .base = 0x3000, .limit = 0x60, .type = 11, .present = 1 }, .seg_nr = EMU_TR,
	  .result = EMU_FAULT, .vector = X86_TRAP_GP },
	{ "out that the TSS allows", EMU_PROT32, 3, CODE_BYTES(0xe6, 0x10), .in = { R(RAX, 0x42) },
	  .seg = { .base = 0x3000, .limit = 0x200, .type = 11, .present = 1 }, .seg_nr = EMU_TR,
	  .addr = MEM_SIZE - 16, .mem_in = 0, .mem_out = 0x42 },
	{ "out that the TSS forbids", EMU_PROT32, 3, CODE_BYTES(0xe6, 0x12),
	  .seg = { .base = 0x3000 - 102 - 0x10, .limit = 0x200, .type = 11, .present = 1 },
	  .seg_nr = EMU_TR, .addr = 0x3000 - 0x10, .mem_in = 0x64, .mem_out = 0x64,
	  .result = EMU_FAULT, .vector = X86_TRAP_GP },

	/* Control transfer */
	{ "jmp rel8 backwards", EMU_PROT64, CODE_BYTES(0xeb, 0xfe), .rip_out = CODE },
	{ "jmp rel16 wraps", EMU_REAL, CODE_BYTES(0xe9, 0x00, 0xf0), .rip_out = 3 },
	{ "jz taken", EMU_PROT32, CODE_BYTES(0x74, 0x10), .flags_in = X86_EFLAGS_ZF,
	  .flags_out = X86_EFLAGS_ZF, .rip_out = CODE + 0x12 },
	{ "jz not taken", EMU_PROT32, CODE_BYTES(0x0f, 0x84, 0, 1, 0, 0) },
	{ "jmp beyond the limit", EMU_PROT32, CODE_BYTES(0xff, 0xe0), .in = { R(RAX, 0x2000) },
	  .seg = { .limit = 0x1fff, .type = 11, .present = 1, .db = 1 }, .seg_nr = EMU_CS,
	  .result = EMU_FAULT, .vector = X86_TRAP_GP },
	{ "call to where nothing is canonical", EMU_PROT64, CODE_BYTES(0xff, 0xd0),
	  .in = { R(RAX, 1ULL << 60), R(RSP, 0x2008) }, .addr = 0x2000, .mem_in = 1, .mem_out = 1,
	  .result = EMU_FAULT, .vector = X86_TRAP_GP },
	{ "call rel32", EMU_PROT64, CODE_BYTES(0xe8, 0x00, 0x01, 0, 0), .in = { R(RSP, 0x2008) },
	  .out = { R(RSP, 0x2000) }, .addr = 0x2000, .mem_out = CODE + 5,
	  .rip_out = CODE + 0x105 },
	{ "ret imm16", EMU_PROT32, CODE_BYTES(0xc2, 0x08, 0x00), .in = { R(RSP, 0x2000) },
	  .out = { R(RSP, 0x200c) }, .addr = 0x2000, .mem_in = 0x4567, .mem_out = 0x4567,
	  .rip_out = 0x4567 },
	{ "loop", EMU_PROT32, CODE_BYTES(0xe2, 0xf0), .in = { R(RCX, 2) }, .out = { R(RCX, 1) },
	  .rip_out = CODE - 0x0e },
	{ "loop ends", EMU_REAL, CODE_BYTES(0xe2, 0xf0), .in = { R(RCX, 0x10001) },
	  .out = { R(RCX, 0x10000) } },
	{ "jcxz by address size", EMU_PROT64, CODE_BYTES(0x67, 0xe3, 0x10),
	  .in = { R(RCX, 1ULL << 32) }, .rip_out = CODE + 0x13 },
	{ "pop to [esp] uses the new esp", EMU_PROT32, CODE_BYTES(0x8f, 0x04, 0x24),
	  .in = { R(RSP, 0x2000) }, .out = { R(RSP, 0x2004) },
	  .addr = 0x2000, .mem_in = 0x1122, .mem_out = 0x0000112200001122 },
	{ "pop esp", EMU_PROT32, CODE_BYTES(0x5c), .in = { R(RSP, 0x2000) },
	  .out = { R(RSP, 0x1122) }, .addr = 0x2000, .mem_in = 0x1122, .mem_out = 0x1122 },

	/* Strings */
	{ "rep stos", EMU_PROT32, CODE_BYTES(0xf3, 0xaa),
	  .in = { R(RAX, 0x5a), R(RCX, 3), R(RDI, 0x2000) }, .out = { R(RCX, 0), R(RDI, 0x2003) },
	  .addr = 0x2000, .mem_in = 0, .mem_out = 0x5a5a5a },
	{ "rep with count 0", EMU_PROT32, CODE_BYTES(0xf3, 0xa4), .in = { R(RSI, HOLE) } },
	{ "rep movs backwards, 16-bit registers", EMU_REAL, CODE_BYTES(0xf3, 0xa4),
	  .in = { R(RCX, 0xffff0002), R(RSI, 0x2001), R(RDI, 0x2003) },
	  .out = { R(RCX, 0xffff0000), R(RSI, 0x1fff), R(RDI, 0x2001) },
	  .flags_in = X86_EFLAGS_DF, .flags_out = X86_EFLAGS_DF,
	  .addr = 0x2000, .mem_in = 0x0000bbaa, .mem_out = 0xbbaabbaa },
	{ "repe cmps stops at a difference", EMU_PROT32, CODE_BYTES(0xf3, 0xa6),
	  .in = { R(RCX, 9), R(RSI, 0x2000), R(RDI, 0x2004) },
	  .out = { R(RCX, 7), R(RSI, 0x2002), R(RDI, 0x2006) },
	  .addr = 0x2000, .mem_in = 0x0000020100000301, .mem_out = 0x0000020100000301 },
	{ "repne scas finds", EMU_PROT64, CODE_BYTES(0xf2, 0xae),
	  .in = { R(RAX, 3), R(RCX, 8), R(RDI, 0x2000) }, .out = { R(RCX, 5), R(RDI, 0x2003) },
	  .addr = 0x2000, .mem_in = 0x030201, .mem_out = 0x030201,
	  .flags_out = X86_EFLAGS_ZF | X86_EFLAGS_PF },
	{ "rep movs into a hole stops there", EMU_PROT64, CODE_BYTES(0xf3, 0xa4),
	  .in = { R(RCX, 5), R(RSI, 0x2000), R(RDI, HOLE - 2) },
	  .out = { R(RCX, 3), R(RSI, 0x2002), R(RDI, HOLE) },
	  .addr = 0x2000, .mem_in = 7, .mem_out = 7, .result = EMU_FAULT, .vector = X86_TRAP_PF,
	  .error = 2 },

	/* Locked, wide */
	{ "lock cmpxchg8b", EMU_PROT32, CODE_BYTES(0xf0, 0x0f, 0xc7, 0x0f),
	  .in = { R(RAX, 1), R(RBX, 3), R(RCX, 4), R(RDI, 0x2000) },
	  .addr = 0x2000, .mem_in = 1, .mem_out = 0x400000003, .flags_out = X86_EFLAGS_ZF },
	{ "cmpxchg8b differs", EMU_PROT32, CODE_BYTES(0x0f, 0xc7, 0x0f),
	  .in = { R(RAX, 1), R(RDI, 0x2000) }, .out = { R(RAX, 9), R(RDX, 8) },
	  .addr = 0x2000, .mem_in = 0x800000009, .mem_out = 0x800000009 },
	{ "cmpxchg16b wants alignment", EMU_PROT64, CODE_BYTES(0x48, 0x0f, 0xc7, 0x0f),
	  .in = { R(RDI, 0x2008) }, .result = EMU_FAULT, .vector = X86_TRAP_GP },
	{ "xchg with memory", EMU_PROT64, CODE_BYTES(0x87, 0x03), .in = { R(RAX, 5), R(RBX, 0x2000) },
	  .out = { R(RAX, 6) }, .addr = 0x2000, .mem_in = 6, .mem_out = 5 },
	{ "bts far below the address", EMU_PROT32, CODE_BYTES(0x0f, 0xab, 0x03),
	  .in = { R(RAX, (u32)-33), R(RBX, 0x2008) },
	  .addr = 0x2000, .mem_in = 0, .mem_out = 0x80000000 },

	/* Devices */
	{ "clflush is no access", EMU_PROT64, CODE_BYTES(0x0f, 0xae, 0x3b), .in = { R(RBX, DEVICE) } },
	{ "lmsw cannot clear PE", EMU_PROT64, CODE_BYTES(0x0f, 0x01, 0xf0), .cr0 = X86_CR0_TS },
	{ "load from a device", EMU_PROT64, CODE_BYTES(0x8b, 0x03), .in = { R(RBX, DEVICE) },
	  .result = EMU_IO },
	{ "rep stos to a device", EMU_PROT64, CODE_BYTES(0xf3, 0xab),
	  .in = { R(RBX, 0), R(RCX, 4), R(RDI, DEVICE - 8) },
	  .out = { R(RCX, 2), R(RDI, DEVICE) }, .result = EMU_IO },
};

/* Running a case */

static void machine_reset(struct machine *m, const struct emu_case *t)
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

static enum emu_result machine_step(struct machine *m)
{
	enum emu_result r = emu_decode(&m->c, 0);

	return r == EMU_OK ? emu_execute(&m->c) : r;
}

static void check_regs(struct kunit *test, const struct machine *m)
{
	const struct emu_case *t = m->t;
	u64 want[EMU_NR_REGS] = { 0 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(t->in); i++)
		if (t->in[i].used)
			want[t->in[i].reg] = t->in[i].val;
	for (i = 0; i < ARRAY_SIZE(t->out); i++)
		if (t->out[i].used)
			want[t->out[i].reg] = t->out[i].val;
	for (i = 0; i < EMU_NR_REGS; i++)
		KUNIT_EXPECT_EQ_MSG(test, m->c.regs[i], want[i], "%s: register %u", t->name, i);
}

static void check_fault(struct kunit *test, const struct machine *m)
{
	const struct emu_case *t = m->t;

	KUNIT_EXPECT_TRUE_MSG(test, m->c.fault.valid, "%s: a fault", t->name);
	KUNIT_EXPECT_EQ_MSG(test, m->c.fault.vector, t->vector, "%s: vector", t->name);
	KUNIT_EXPECT_EQ_MSG(test, m->c.fault.has_error, !t->no_error, "%s: has code", t->name);
	KUNIT_EXPECT_EQ_MSG(test, m->c.fault.error, t->error, "%s: error code", t->name);
}

static void run_case(struct kunit *test, struct machine *m, const struct emu_case *t)
{
	u64 rip = t->rip_out ?: CODE + t->len, flags = t->flags_out, mem = t->mem_in;
	enum emu_result r;

	machine_reset(m, t);
	r = machine_step(m);
	if (t->result != EMU_OK) {
		rip = CODE;
		flags = t->flags_in;
	}
	KUNIT_EXPECT_EQ_MSG(test, (int)r, (int)t->result, "%s: result", t->name);
	KUNIT_EXPECT_EQ_MSG(test, m->c.rip, rip, "%s: rip", t->name);
	KUNIT_EXPECT_EQ_MSG(test, m->c.rflags, flags | X86_EFLAGS_FIXED, "%s: rflags", t->name);
	KUNIT_EXPECT_EQ_MSG(test, m->c.shadow, t->shadow, "%s: shadow", t->name);
	check_regs(test, m);
	if (t->addr) {
		memcpy(&mem, m->mem + t->addr, 8);
		KUNIT_EXPECT_EQ_MSG(test, mem, t->mem_out, "%s: memory", t->name);
	}
	KUNIT_EXPECT_EQ_MSG(test, m->any_loaded, t->seg_out.limit != 0, "%s: loads", t->name);
	if (t->seg_out.limit) {
		KUNIT_EXPECT_EQ_MSG(test, m->loaded.base, t->seg_out.base, "%s: base", t->name);
		KUNIT_EXPECT_EQ_MSG(test, m->loaded.limit, t->seg_out.limit, "%s: limit", t->name);
		KUNIT_EXPECT_EQ_MSG(test, m->loaded.type, t->seg_out.type, "%s: type", t->name);
	}
	if (t->result == EMU_FAULT)
		check_fault(test, m);
}

static struct machine *machine_alloc(struct kunit *test)
{
	struct machine *m = kunit_kzalloc(test, sizeof(*m), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, m);
	return m;
}

static void emu_test_cases(struct kunit *test)
{
	struct machine *m = machine_alloc(test);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++)
		run_case(test, m, &cases[i]);
}

/* A load from a device stops, and completes when run again with the answer. */
static void emu_test_replay(struct kunit *test)
{
	static const struct emu_case t = { "replay", EMU_PROT64, CODE_BYTES(0x03, 0x03),
		.in = { R(RAX, 1), R(RBX, DEVICE) }, .addr = DEVICE, .mem_in = 41 };
	struct machine *m = machine_alloc(test);

	machine_reset(m, &t);
	KUNIT_EXPECT_EQ(test, (int)machine_step(m), (int)EMU_IO);
	KUNIT_EXPECT_EQ(test, m->c.regs[EMU_RAX], 1ULL);
	m->answered = true;
	KUNIT_EXPECT_EQ(test, (int)emu_execute(&m->c), (int)EMU_OK);
	KUNIT_EXPECT_EQ(test, m->c.regs[EMU_RAX], 42ULL);
	KUNIT_EXPECT_EQ(test, m->c.rip, (u64)CODE + 2);
}

/* REP over a device goes one iteration at a time. */
static void emu_test_rep_device(struct kunit *test)
{
	static const struct emu_case t = { "rep", EMU_PROT64, CODE_BYTES(0xf3, 0xa4),
		.in = { R(RCX, 3), R(RSI, DEVICE), R(RDI, 0x2000) } };
	struct machine *m = machine_alloc(test);

	machine_reset(m, &t);
	m->answered = true;
	KUNIT_EXPECT_EQ(test, (int)machine_step(m), (int)EMU_OK);
	KUNIT_EXPECT_TRUE(test, m->c.restarted);
	KUNIT_EXPECT_EQ(test, m->c.regs[EMU_RCX], 2ULL);
	KUNIT_EXPECT_EQ(test, m->c.rip, (u64)CODE);
	KUNIT_EXPECT_EQ(test, (int)emu_execute(&m->c), (int)EMU_OK);
	KUNIT_EXPECT_EQ(test, (int)emu_execute(&m->c), (int)EMU_OK);
	KUNIT_EXPECT_FALSE(test, m->c.restarted);
	KUNIT_EXPECT_EQ(test, m->c.regs[EMU_RCX], 0ULL);
	KUNIT_EXPECT_EQ(test, m->c.rip, (u64)CODE + 2);
}

/* The caller's limit, and a single step, end a batch. */
static void emu_test_rep_limit(struct kunit *test)
{
	static const struct emu_case t = { "limit", EMU_PROT64, CODE_BYTES(0xf3, 0xaa),
		.in = { R(RCX, 100), R(RDI, 0x2000) } };
	struct machine *m = machine_alloc(test);

	machine_reset(m, &t);
	m->c.rep_limit = 10;
	KUNIT_EXPECT_EQ(test, (int)machine_step(m), (int)EMU_OK);
	KUNIT_EXPECT_EQ(test, m->c.regs[EMU_RCX], 90ULL);
	KUNIT_EXPECT_TRUE(test, m->c.restarted);
	KUNIT_EXPECT_FALSE(test, m->c.single_step);
	m->c.rflags |= X86_EFLAGS_TF;
	KUNIT_EXPECT_EQ(test, (int)emu_execute(&m->c), (int)EMU_OK);
	KUNIT_EXPECT_EQ(test, m->c.regs[EMU_RCX], 89ULL);
	KUNIT_EXPECT_TRUE(test, m->c.single_step);
}

/* REP INS fills what is left of the page with one call, then goes on. */
static void emu_test_ins_batch(struct kunit *test)
{
	static const struct emu_case t = { "ins", EMU_PROT64, CODE_BYTES(0xf3, 0x6d),
		.in = { R(RCX, 1024), R(RDX, 0x1f0), R(RDI, 0x2800) } };
	struct machine *m = machine_alloc(test);

	machine_reset(m, &t);
	KUNIT_EXPECT_EQ(test, (int)machine_step(m), (int)EMU_IO);
	KUNIT_EXPECT_EQ(test, m->c.regs[EMU_RCX], 1024ULL);
	m->answered = true;
	KUNIT_EXPECT_EQ(test, (int)emu_execute(&m->c), (int)EMU_OK);
	KUNIT_EXPECT_EQ(test, m->pio_items, 1024);
	KUNIT_EXPECT_EQ(test, m->pio_calls, 2);
	KUNIT_EXPECT_EQ(test, m->c.regs[EMU_RDI], 0x3800ULL);
	KUNIT_EXPECT_EQ(test, m->c.regs[EMU_RCX], 0ULL);
	KUNIT_EXPECT_EQ(test, m->mem[0x2801], 0xf1);
}

/* A port that does some of the items: no byte more is written, and the rest comes later. */
static void emu_test_ins_short(struct kunit *test)
{
	static const struct emu_case t = { "ins", EMU_PROT64, CODE_BYTES(0xf3, 0x6c),
		.in = { R(RCX, 100), R(RDX, 0x1f0), R(RDI, 0x2000) } };
	struct machine *m = machine_alloc(test);
	int i;

	machine_reset(m, &t);
	m->answered = true;
	m->pio_most = 3;
	m->c.rep_limit = 5;
	memset(m->mem + 0x2000, 0xaa, 100);
	KUNIT_EXPECT_EQ(test, (int)machine_step(m), (int)EMU_OK);
	KUNIT_EXPECT_EQ(test, m->pio_calls, 2);
	KUNIT_EXPECT_TRUE(test, m->c.restarted);
	KUNIT_EXPECT_EQ(test, m->c.regs[EMU_RCX], 94ULL);
	KUNIT_EXPECT_EQ(test, memcmp(m->mem + 0x2000, "\xf0\xf1\xf2\xf0\xf1\xf2\xaa\xaa\xaa", 9), 0);
	m->c.rep_limit = 0;
	KUNIT_EXPECT_EQ(test, (int)emu_execute(&m->c), (int)EMU_OK);
	KUNIT_EXPECT_EQ(test, m->pio_calls, 34);
	KUNIT_EXPECT_EQ(test, m->c.regs[EMU_RCX], 0ULL);
	KUNIT_EXPECT_EQ(test, m->c.regs[EMU_RDI], 0x2064ULL);
	for (i = 0; i < 34 * 3; i += 3)
		KUNIT_EXPECT_EQ(test, memcmp(m->mem + 0x2000 + i, "\xf0\xf1\xf2", i < 99 ? 3 : 1), 0);
	KUNIT_EXPECT_EQ(test, m->mem[0x2064], 0);
}

static void emu_test_outs_short(struct kunit *test)
{
	static const struct emu_case t = { "outs", EMU_PROT64, CODE_BYTES(0xf3, 0x6f),
		.in = { R(RCX, 10), R(RDX, 0x1f0), R(RSI, 0x2000) } };
	struct machine *m = machine_alloc(test);

	machine_reset(m, &t);
	m->pio_most = 4;
	KUNIT_EXPECT_EQ(test, (int)machine_step(m), (int)EMU_OK);
	KUNIT_EXPECT_EQ(test, m->pio_calls, 3);
	KUNIT_EXPECT_EQ(test, m->pio_items, 10);
	KUNIT_EXPECT_EQ(test, m->c.regs[EMU_RSI], 0x2028ULL);
	KUNIT_EXPECT_EQ(test, m->c.regs[EMU_RCX], 0ULL);
}

/* OUTS out of a device goes item by item. */
static void emu_test_outs_device(struct kunit *test)
{
	static const struct emu_case t = { "outs", EMU_PROT64, CODE_BYTES(0xf3, 0x6f),
		.in = { R(RCX, 100), R(RSI, DEVICE) } };
	struct machine *m = machine_alloc(test);

	machine_reset(m, &t);
	m->answered = true;
	KUNIT_EXPECT_EQ(test, (int)machine_step(m), (int)EMU_OK);
	KUNIT_EXPECT_EQ(test, m->pio_items, 1);
	KUNIT_EXPECT_EQ(test, m->c.regs[EMU_RCX], 99ULL);
	KUNIT_EXPECT_TRUE(test, m->c.restarted);
}

/* INS to memory that cannot be written must not read the port. */
static void emu_test_ins_checks_first(struct kunit *test)
{
	static const struct emu_case t = { "ins", EMU_PROT64, CODE_BYTES(0x6c),
		.in = { R(RDX, 0x60), R(RDI, RDONLY) } };
	struct machine *m = machine_alloc(test);

	machine_reset(m, &t);
	m->answered = true;
	KUNIT_EXPECT_EQ(test, (int)machine_step(m), (int)EMU_FAULT);
	KUNIT_EXPECT_EQ(test, m->pio_calls, 0);
}

/* XMM registers go to memory and back whole. */
static void emu_test_xmm(struct kunit *test)
{
	static const struct emu_case store = { "movups", EMU_PROT64,
		CODE_BYTES(0x44, 0x0f, 0x11, 0x0b), .in = { R(RBX, 0x2001) },
		.cr4 = X86_CR4_OSFXSR };
	static const struct emu_case load = { "movdqu", EMU_PROT64,
		CODE_BYTES(0xf3, 0x0f, 0x6f, 0x13), .in = { R(RBX, 0x2001) },
		.cr4 = X86_CR4_OSFXSR };
	struct machine *m = machine_alloc(test);
	u8 bytes[16];

	memset(bytes, 0xa5, sizeof(bytes));
	bytes[3] = 1;
	machine_reset(m, &store);
	memcpy(m->ymm[9], bytes, 16);
	KUNIT_EXPECT_EQ(test, (int)machine_step(m), (int)EMU_OK);
	KUNIT_EXPECT_EQ(test, memcmp(m->mem + 0x2001, bytes, 16), 0);
	KUNIT_EXPECT_EQ(test, m->writes, 1);
	machine_reset(m, &load);
	memcpy(m->mem + 0x2001, bytes, 16);
	KUNIT_EXPECT_EQ(test, (int)machine_step(m), (int)EMU_OK);
	KUNIT_EXPECT_EQ(test, memcmp(m->ymm[2], bytes, 16), 0);
}

static const struct {
	enum emu_mode mode;
	u8 code[16];
	u8 len;
} lengths[] = {
	{ EMU_PROT64, CODE_BYTES(0x0f, 0xa2) },					/* cpuid */
	{ EMU_PROT64, CODE_BYTES(0x0f, 0x32) },					/* rdmsr */
	{ EMU_PROT64, CODE_BYTES(0x0f, 0x01, 0xd9) },				/* vmmcall */
	{ EMU_PROT64, CODE_BYTES(0x0f, 0x01, 0xd1) },				/* xsetbv */
	{ EMU_PROT64, CODE_BYTES(0x0f, 0x01, 0x3b) },				/* invlpg */
	{ EMU_PROT64, CODE_BYTES(0xf4) },					/* hlt */
	{ EMU_PROT64, CODE_BYTES(0x65, 0x48, 0x8b, 0x04, 0x25, 1, 0, 0, 0) },
	{ EMU_PROT64, CODE_BYTES(0x41, 0x0f, 0x22, 0xc0) },			/* mov %r8, %cr0 */
	{ EMU_PROT64, CODE_BYTES(0x66, 0x0f, 0x3a, 0x0f, 0x43, 0x10, 0x08) },	/* palignr */
	{ EMU_PROT64, CODE_BYTES(0x0f, 0xae, 0x64, 0x24, 0x40) },		/* xsave */
	{ EMU_PROT64, CODE_BYTES(0xdd, 0x44, 0x24, 0x08) },			/* fld */
	{ EMU_PROT32, CODE_BYTES(0xea, 0, 0, 0, 0, 8, 0) },			/* ljmp */
	{ EMU_REAL, CODE_BYTES(0xea, 0, 0, 0, 0xf0) },
	{ EMU_REAL, CODE_BYTES(0x66, 0xea, 0, 0, 0, 0, 8, 0) },
	{ EMU_REAL, CODE_BYTES(0xc8, 0x10, 0x00, 0x00) },			/* enter */
	{ EMU_PROT32, CODE_BYTES(0x66, 0xc7, 0x84, 0x98, 0, 1, 0, 0, 0x34, 0x12) },
	{ EMU_PROT64, CODE_BYTES(0xf2, 0x0f, 0x38, 0xf1, 0xc3) },		/* crc32 */
};

static void emu_test_length(struct kunit *test)
{
	struct machine *m = machine_alloc(test);
	struct emu_case t = { .name = "length" };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(lengths); i++) {
		t.mode = lengths[i].mode;
		memcpy(t.code, lengths[i].code, sizeof(t.code));
		machine_reset(m, &t);
		KUNIT_EXPECT_EQ(test, (int)emu_decode(&m->c, 0), (int)EMU_OK);
		KUNIT_EXPECT_EQ_MSG(test, (int)m->c.insn_len, (int)lengths[i].len, "length %u", i);
	}
}

/* Bytes are fetched up to the end of the page; beyond it only when they are needed. */
static void emu_test_fetch(struct kunit *test)
{
	static const struct emu_case t = { .name = "fetch", .mode = EMU_PROT64 };
	struct machine *m = machine_alloc(test);

	machine_reset(m, &t);
	m->c.rip = HOLE - 2;
	m->mem[HOLE - 2] = 0x89;
	m->mem[HOLE - 1] = 0xc3;
	KUNIT_EXPECT_EQ(test, (int)machine_step(m), (int)EMU_OK);
	KUNIT_EXPECT_EQ(test, m->c.rip, (u64)HOLE);
	m->c.rip = HOLE - 1;
	m->mem[HOLE - 1] = 0x89;
	KUNIT_EXPECT_EQ(test, (int)machine_step(m), (int)EMU_FAULT);
	KUNIT_EXPECT_EQ(test, m->c.fault.cr2, (u64)HOLE);
	KUNIT_EXPECT_EQ(test, m->c.fetched, 1);
}

/* What cannot be done leaves the bytes for the report. */
static void emu_test_unhandled(struct kunit *test)
{
	static const struct emu_case t = { "unhandled", EMU_PROT64, CODE_BYTES(0xc5, 0xf8, 0x77) };
	struct machine *m = machine_alloc(test);

	machine_reset(m, &t);
	KUNIT_EXPECT_EQ(test, (int)machine_step(m), (int)EMU_UNHANDLED);
	KUNIT_EXPECT_EQ(test, m->c.fetched, EMU_INSN_MAX);
	KUNIT_EXPECT_EQ(test, memcmp(m->c.insn, t.code, 3), 0);
}

static struct kunit_case emu_kunit_cases[] = {
	KUNIT_CASE(emu_test_cases),
	KUNIT_CASE(emu_test_replay),
	KUNIT_CASE(emu_test_rep_device),
	KUNIT_CASE(emu_test_rep_limit),
	KUNIT_CASE(emu_test_ins_batch),
	KUNIT_CASE(emu_test_ins_short),
	KUNIT_CASE(emu_test_outs_short),
	KUNIT_CASE(emu_test_outs_device),
	KUNIT_CASE(emu_test_ins_checks_first),
	KUNIT_CASE(emu_test_xmm),
	KUNIT_CASE(emu_test_length),
	KUNIT_CASE(emu_test_fetch),
	KUNIT_CASE(emu_test_unhandled),
	{}
};

static struct kunit_suite emu_kunit_suite = {
	.name = "ditto_emulate",
	.test_cases = emu_kunit_cases,
};

kunit_test_suite(emu_kunit_suite);
