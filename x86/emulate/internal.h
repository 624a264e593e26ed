/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Inside the emulator: what decode, the opcode tables and the execution functions share.
 * Nothing outside x86/emulate/ includes this.
 */
#ifndef DITTO_EMULATE_INTERNAL_H
#define DITTO_EMULATE_INTERNAL_H

#include "x86/emulate/emulate.h"

#include <linux/bits.h>
#include <linux/build_bug.h>
#include <linux/compiler.h>
#include <linux/minmax.h>
#include <linux/string.h>
#include <asm/processor-flags.h>
#include <asm/trapnr.h>

#define EMU_STATUS_FLAGS (X86_EFLAGS_CF | X86_EFLAGS_PF | X86_EFLAGS_AF | X86_EFLAGS_ZF | \
			  X86_EFLAGS_SF | X86_EFLAGS_OF)

/*
 * What an opcode does, with its operands loaded: changes nothing but c->dst.val, next_rip,
 * next_rflags and what is staged. EMU_OK; EMU_FAULT with c->fault filled; or what an op
 * returned.
 */
typedef enum emu_result emu_exec_fn(struct emu_ctxt *c);

/*
 * Where an operand comes from: the addressing letters of the Intel SDM, volume 2, appendix A.2.1,
 * and below its size letters of A.2.2.
 */
enum emu_opnd_kind {
	EMU_K_NONE,
	EMU_K_E,		/* ModRM.rm: general register or memory */
	EMU_K_M,		/* ModRM.rm: memory only */
	EMU_K_R,		/* ModRM.rm: general register, whatever mod says */
	EMU_K_G,		/* ModRM.reg: general register */
	EMU_K_C, EMU_K_D, EMU_K_S,	/* ModRM.reg: control, debug, segment register */
	EMU_K_V,		/* ModRM.reg: XMM or YMM register */
	EMU_K_W,		/* ModRM.rm: such a register, or memory */
	EMU_K_I,		/* immediate, sign-extended */
	EMU_K_J,		/* immediate, relative to the next instruction */
	EMU_K_O,		/* memory at an offset in the instruction */
	EMU_K_A,		/* rAX */
	EMU_K_Z,		/* general register in the low opcode bits */
	EMU_K_CL,
	EMU_K_DX,
	EMU_K_ONE,		/* the constant 1 */
	EMU_K_X,		/* memory at seg:rSI */
	EMU_K_Y,		/* memory at ES:rDI */
	EMU_K_B,		/* VEX.vvvv: general register */
	EMU_K_P,		/* ModRM.reg: MMX register */
	EMU_K_Q,		/* ModRM.rm: MMX register or memory */
	EMU_K_H,		/* VEX.vvvv: XMM or YMM register */
	EMU_NR_KINDS
};

enum emu_opnd_size {
	EMU_SZ_b, EMU_SZ_w, EMU_SZ_d, EMU_SZ_q,
	EMU_SZ_dq,		/* 16, or with VEX.L 32 */
	EMU_SZ_v,		/* operand size */
	EMU_SZ_y,		/* 8 with REX.W, else 4 */
	EMU_SZ_z,		/* 2 with a 16-bit operand size, else 4 */
};

#define EMU_OPND(kind, size)	(EMU_K_##kind << 3 | EMU_SZ_##size)
static_assert(EMU_NR_KINDS <= 32);

/* What decode must know about an opcode. */
#define EMU_F_MODRM	BIT(0)
#define EMU_F_NO64	BIT(1)	/* #UD in 64-bit mode */
#define EMU_F_VEX_L0	BIT(2)	/* #UD with VEX.L */
#define EMU_F_D64	BIT(3)	/* 64-bit mode: operand size 8 unless 66 */
#define EMU_F_F64	BIT(4)	/* 64-bit mode: operand size 8 always */
#define EMU_F_REGONLY	BIT(26)	/* ModRM.mod is ignored: always the register form */
#define EMU_F_PREFIX	BIT(5)	/* not an opcode but a prefix */
/* What follows the opcode selects from another table; at most one of these. */
#define EMU_F_GROUP	BIT(6)	/* by ModRM.reg */
#define EMU_F_GROUP_RM	BIT(7)	/* by ModRM.rm */
#define EMU_F_GROUP_MOD	BIT(8)	/* [0] memory, [1] register */
#define EMU_F_GROUP_PFX	BIT(9)	/* mandatory prefix: none, 66, F3, F2 */
#define EMU_F_GROUP_W	BIT(10)	/* [1] with REX.W */
#define EMU_F_GROUP_64	BIT(25)	/* [1] in 64-bit mode */
#define EMU_F_ESCAPE	BIT(11)	/* by the next opcode byte */
#define EMU_F_VEX	BIT(12)	/* VEX or EVEX in 64-bit mode, or when mod == 3 */
/* What execute must know. */
#define EMU_F_LOCK	BIT(13)	/* LOCK is allowed when dst is memory */
#define EMU_F_XCHG	BIT(14)	/* memory form is locked even without LOCK */
#define EMU_F_WRONLY	BIT(15)	/* dst is not loaded */
#define EMU_F_RDONLY	BIT(16)	/* dst is not written */
#define EMU_F_BITOFF	BIT(17)	/* src is a bit offset that moves a memory dst */
#define EMU_F_ALIGNED	BIT(18)	/* the memory operand must be aligned to its size: #GP */
#define EMU_F_SSE	BIT(19)	/* SSE, or with VEX AVX, must be there and be on */
#define EMU_F_STRING	BIT(20)	/* REP repeats it */
#define EMU_F_REPZ	BIT(21)	/* REPE, REPNE look at ZF */
#define EMU_F_PRIV	BIT(22)	/* CPL 0 only: #GP */
#define EMU_F_NOACCESS	BIT(23)	/* memory operands are addressed, not accessed */
#define EMU_F_POP	BIT(24)	/* address of dst is computed after rSP has been increased */
#define EMU_F_MMX	BIT(27)	/* MMX must be on */
#define EMU_F_X87	BIT(28)	/* x87 must be on */
#define EMU_F_NOWAIT	BIT(29)	/* does not wait for what x87 has to report */
#define EMU_F_PROT	BIT(30)	/* #UD in real and in virtual-8086 mode */

#define EMU_F_GROUPS	(EMU_F_GROUP | EMU_F_GROUP_RM | EMU_F_GROUP_MOD | EMU_F_GROUP_PFX | \
			 EMU_F_GROUP_W | EMU_F_GROUP_64)

/**
 * struct emu_opcode - one entry of an opcode map or group
 * @flags: EMU_F_*
 * @dst: EMU_OPND(), 0: none; a group member without any operand has those of the entry above it
 * @src: likewise
 * @src2: likewise, but never taken over
 * @defined: the entry is filled in; otherwise the opcode is unknown
 * @need: enum emu_need: #UD on CPUs without it
 * @exec: what it does; NULL: only its length is known
 * @table: with EMU_F_GROUP* or EMU_F_ESCAPE: where to look further
 */
struct emu_opcode {
	u32 flags;
	u8 dst, src, src2;
	u8 defined : 1, need : 7;
	union {
		emu_exec_fn *exec;
		const struct emu_opcode *table;
	};
};

extern const struct emu_opcode emu_map_1[256];
extern const struct emu_opcode emu_map_0f[256];
extern const struct emu_opcode emu_map_0f38[256];
extern const struct emu_opcode emu_map_0f3a[256];
/* By VEX.mmmmm: 1 to 3. */
extern const struct emu_opcode *const emu_vex_maps[4];

/* Values by size. */

static inline u64 emu_mask(unsigned int size)
{
	return ~0ULL >> (64 - 8 * size);
}

static inline u64 emu_sign_bit(unsigned int size)
{
	return 1ULL << (8 * size - 1);
}

static inline s64 emu_sext(u64 val, unsigned int size)
{
	unsigned int shift = 64 - 8 * size;

	return (s64)(val << shift) >> shift;
}

/* Is @c's address, operand or stack arithmetic in 64-bit mode? */
static inline bool emu_long(const struct emu_ctxt *c)
{
	return c->mode == EMU_PROT64;
}

/* Modes whose segments are only a base and a limit, and selectors mean nothing. */
static inline bool emu_realish(const struct emu_ctxt *c)
{
	return c->mode == EMU_REAL || c->mode == EMU_VM86;
}

/* Is @gva canonical with 4-level paging, hence always? */
static inline bool emu_canonical_48(u64 gva)
{
	return (u64)((s64)(gva << 16) >> 16) == gva;
}

/* The offset that ModRM, SIB and displacement make. */
static inline u64 emu_effective_address(const struct emu_ctxt *c)
{
	u64 ea = c->disp;

	if (c->base != EMU_NR_REGS)
		ea += c->regs[c->base];
	if (c->index != EMU_NR_REGS)
		ea += c->regs[c->index] << c->scale;
	if (c->rip_relative)
		ea += c->next_rip;
	if (c->flags & EMU_F_POP && c->base == EMU_RSP)
		ea += c->opsize;
	return ea & emu_mask(c->adsize);
}

/* Note that register @reg takes @val; happens when nothing can fail any more. */
static inline void emu_stage(struct emu_ctxt *c, unsigned int reg, unsigned int size, u64 val)
{
	struct emu_staged *s = &c->staged[c->nr_staged++];

	s->reg = reg;
	s->size = size;
	s->high = false;
	s->val = val;
}

static inline void emu_stage_opnd(struct emu_ctxt *c, const struct emu_opnd *o, u64 val)
{
	emu_stage(c, o->reg, o->size, val);
	c->staged[c->nr_staged - 1].high = o->type == EMU_OPND_REGH;
}

/* emulate.c: faults */
enum emu_result emu_fault(struct emu_ctxt *c, u8 vector);
enum emu_result emu_fault_code(struct emu_ctxt *c, u8 vector, u32 error);

static inline enum emu_result emu_ud(struct emu_ctxt *c)
{
	return emu_fault(c, X86_TRAP_UD);
}

static inline enum emu_result emu_gp0(struct emu_ctxt *c)
{
	return emu_fault_code(c, X86_TRAP_GP, 0);
}

static inline unsigned int emu_iopl(const struct emu_ctxt *c)
{
	return c->rflags >> X86_EFLAGS_IOPL_BIT & 3;
}

/* mem.c: segmentation and memory */
bool emu_canonical(struct emu_ctxt *c, u64 gva);
enum emu_result emu_linear(struct emu_ctxt *c, enum emu_seg seg, u64 ea, unsigned int len,
			   unsigned int access, u64 *gva);
bool emu_misaligned(struct emu_ctxt *c, u64 gva, unsigned int len);
bool emu_stack_allows(const struct kvm_segment *ss, bool realish, u64 ea, unsigned int len);
enum emu_result emu_read_gva(struct emu_ctxt *c, u64 gva, u8 *buf, unsigned int len);
enum emu_result emu_write_gva(struct emu_ctxt *c, u64 gva, const void *buf, unsigned int len);
enum emu_result emu_branch(struct emu_ctxt *c, u64 target);
enum emu_result emu_read_seg(struct emu_ctxt *c, enum emu_seg seg, u64 ea, void *buf,
			     unsigned int len);
enum emu_result emu_write_seg(struct emu_ctxt *c, enum emu_seg seg, u64 ea, const void *buf,
			      unsigned int len);

/* stack.c */
enum emu_result emu_check_vm86(struct emu_ctxt *c);
/* vme.c */
bool emu_vme(struct emu_ctxt *c);
bool emu_virtual_if(struct emu_ctxt *c);
u64 emu_vme_flags(const struct emu_ctxt *c);
enum emu_result emu_vme_load_flags(struct emu_ctxt *c, u64 val, u64 mask);
enum emu_result emu_vme_redirects(struct emu_ctxt *c, u8 vector, bool *redirects);

/* stack.c */
unsigned int emu_stack_width(struct emu_ctxt *c);
enum emu_result emu_pop_value(struct emu_ctxt *c, u64 *val);

/* io.c */
enum emu_result emu_io_allowed(struct emu_ctxt *c, u16 port, unsigned int size);

/* interrupt.c */
enum emu_result emu_raise(struct emu_ctxt *c, u8 vector);
/* string.c */
enum emu_result emu_run_string(struct emu_ctxt *c);
/* emulate.c */
void emu_commit_regs(struct emu_ctxt *c);

/* alu.c */
emu_exec_fn emu_add, emu_or, emu_adc, emu_sbb, emu_and, emu_sub, emu_xor, emu_cmp, emu_test,
	    emu_not, emu_neg, emu_inc, emu_dec, emu_xadd, emu_cmpxchg, emu_cmpxchg_reg,
	    emu_cmpxchg_wide, emu_bt, emu_bts, emu_btr, emu_btc, emu_bsf, emu_bsr,
	    emu_adcx, emu_adox, emu_arpl;
/* bits.c: BMI and other newer arithmetic on general registers */
emu_exec_fn emu_popcnt, emu_lzcnt, emu_tzcnt, emu_crc32, emu_andn, emu_bextr, emu_bls, emu_bzhi,
	    emu_pdep, emu_pext, emu_mulx, emu_rorx, emu_sarx, emu_shlx, emu_shrx;
/* bcd.c */
emu_exec_fn emu_daa, emu_das, emu_aaa, emu_aas, emu_aam, emu_aad;
/* shift.c: shifts, multiplication, division */
emu_exec_fn emu_rol, emu_ror, emu_rcl, emu_rcr, emu_shl, emu_shr, emu_sar, emu_shld, emu_shrd,
	    emu_mul, emu_imul, emu_imul2, emu_imul3, emu_div, emu_idiv;
/* mov.c: moves that look at no flag but a condition */
emu_exec_fn emu_mov, emu_movzx, emu_movsx, emu_movbe, emu_xchg, emu_lea, emu_cbw, emu_cwd,
	    emu_bswap, emu_setcc, emu_cmovcc, emu_lahf, emu_sahf, emu_nop, emu_xlat, emu_salc,
	    emu_xchg_nop, emu_movdir64b;
/* stack.c: stack and branches */
emu_exec_fn emu_push, emu_pop, emu_pusha, emu_popa, emu_pushf, emu_popf, emu_leave,
	    emu_jcc, emu_jmp_rel, emu_jmp_abs, emu_call_rel, emu_call_abs, emu_ret, emu_ret_imm,
	    emu_loop, emu_jcxz, emu_push_sreg, emu_enter, emu_bound;
/* far.c, return.c, interrupt.c: control transfers that load CS */
emu_exec_fn emu_far_imm, emu_far_mem, emu_ret_far, emu_iret, emu_int, emu_int1, emu_int3, emu_into;
/* string.c */
emu_exec_fn emu_movs, emu_cmps, emu_stos, emu_lods, emu_scas, emu_ins, emu_outs;
/* sse.c */
emu_exec_fn emu_sse_mov, emu_sse_mov_low, emu_sse_load_high, emu_sse_store_high, emu_sse_and,
	    emu_sse_andn, emu_sse_or, emu_sse_xor, emu_sse_int_and, emu_sse_int_andn,
	    emu_sse_int_or, emu_sse_int_xor, emu_sse_dup, emu_sse_ddup, emu_sse_high_to_low;
/* vex.c: what only VEX has, or does another way */
emu_exec_fn emu_vex_mov_low, emu_vex_load_high, emu_vex_high_to_low, emu_vex_broadcast,
	    emu_vex_extract;
/* lanes.c: parts of vectors */
emu_exec_fn emu_lanes_load, emu_lanes_insert, emu_lanes_insert_ps, emu_lanes_extract,
	    emu_lanes_insert_half, emu_lanes_broadcast, emu_lanes_widen, emu_lanes_masked_load,
	    emu_lanes_masked_store, emu_lanes_maskmov;
/* x87.c: and MMX, which has the same registers */
u64 emu_mmx_get(const struct emu_ctxt *c, unsigned int nr);
enum emu_result emu_check_x87(struct emu_ctxt *c);
emu_exec_fn emu_fld, emu_fld_80, emu_fild, emu_fist, emu_fisttp, emu_fst, emu_fstp_80, emu_fldcw,
	    emu_fnstcw, emu_fnstsw, emu_fninit, emu_fnclex, emu_mmx_mov, emu_mmx_and,
	    emu_mmx_andn, emu_mmx_or, emu_mmx_xor;
/* io.c: ports */
emu_exec_fn emu_in, emu_out;
/* segment.c */
emu_exec_fn emu_mov_to_sreg, emu_pop_sreg, emu_load_far, emu_store_dt, emu_load_dt,
	    emu_store_selector, emu_lar_lsl, emu_verify, emu_lldt, emu_ltr;
/* fx.c */
emu_exec_fn emu_fxsave, emu_fxrstor;
/* syscall.c */
emu_exec_fn emu_syscall, emu_sysret, emu_sysenter, emu_sysexit, emu_swapgs;
/* flags.c */
emu_exec_fn emu_clc, emu_stc, emu_cmc, emu_cld, emu_std, emu_cli, emu_sti;
/* system.c: system registers */
emu_exec_fn emu_clts, emu_invlpg, emu_wbinvd, emu_mov_to_cr, emu_mov_from_cr, emu_mov_to_dr,
	    emu_mov_from_dr, emu_mov_from_sreg, emu_smsw, emu_lmsw,
	    emu_undefined, emu_cpuid, emu_rdtsc, emu_rdpmc, emu_rdpid, emu_rdmsr, emu_wrmsr,
	    emu_xgetbv, emu_xsetbv, emu_hlt, emu_monitor, emu_clac_stac;

/* mov.c */
bool emu_condition(u64 rflags, u8 opcode);

#endif
