/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A fake machine with 64 KiB of memory, for tests of single instructions.
 */
#ifndef DITTO_EMULATE_MACHINE_KUNIT_H
#define DITTO_EMULATE_MACHINE_KUNIT_H

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
	u8 fx[512];
	struct emu_x87 x87;
	struct kvm_segment loaded;
	bool any_loaded;
	u8 bounce[4096];
	bool answered;		/* the device has answered */
	unsigned int reads, writes, pio_calls;
	u32 pio_items;
	unsigned int pio_most;	/* items that a port does at once, 0: all */
};

void machine_reset(struct machine *m, const struct emu_case *t);
enum emu_result machine_step(struct machine *m);
struct machine *machine_alloc(struct kunit *test);

#endif
