// SPDX-License-Identifier: GPL-2.0-only
/*
 * The opcode maps: one-byte, 0F, 0F 38 and 0F 3A, and the groups that ModRM or a mandatory prefix
 * selects from.
 *
 * Data only.  Operands are written as in the Intel SDM, volume 2, appendix A, so that a map can be
 * read beside it.  L() is an opcode of which only the length is known: it decodes, but does not
 * execute. What is in no entry at all is unknown, and no length is guessed for it.
 */
#include "x86/emulate/tables.h"

#define POP_S		N(NO64 | WO | RO, Sw, __, emu_pop_sreg)
#define LOAD_FAR	M(NOACC | WO, Gv, Mv, emu_load_far)

/* The six forms of ADD and its kin. */
#define ALU(n, f, fn) \
	[n] = M(f, Eb, Gb, fn), [(n) + 1] = M(f, Ev, Gv, fn), \
	[(n) + 2] = M((f) & ~LOCK, Gb, Eb, fn), [(n) + 3] = M((f) & ~LOCK, Gv, Ev, fn), \
	[(n) + 4] = N((f) & ~LOCK, Ab, Ib, fn), [(n) + 5] = N((f) & ~LOCK, Av, Iz, fn)

static const struct emu_opcode group1[8] = {
	N(LOCK, __, __, emu_add), N(LOCK, __, __, emu_or), N(LOCK, __, __, emu_adc),
	N(LOCK, __, __, emu_sbb), N(LOCK, __, __, emu_and), N(LOCK, __, __, emu_sub),
	N(LOCK, __, __, emu_xor), N(RO, __, __, emu_cmp),
};

static const struct emu_opcode group1a[8] = {
	[0] = N(D64 | WO | EMU_F_POP, Ev, __, emu_pop),
};

static const struct emu_opcode group2[8] = {
	N(0, __, __, emu_rol), N(0, __, __, emu_ror), N(0, __, __, emu_rcl), N(0, __, __, emu_rcr),
	N(0, __, __, emu_shl), N(0, __, __, emu_shr), N(0, __, __, emu_shl), N(0, __, __, emu_sar),
};

static const struct emu_opcode group3b[8] = {
	N(RO, Eb, Ib, emu_test), N(RO, Eb, Ib, emu_test),
	N(LOCK, Eb, __, emu_not), N(LOCK, Eb, __, emu_neg),
	N(RO, __, Eb, emu_mul), N(RO, __, Eb, emu_imul),
	N(RO, __, Eb, emu_div), N(RO, __, Eb, emu_idiv),
};

static const struct emu_opcode group3v[8] = {
	N(RO, Ev, Iz, emu_test), N(RO, Ev, Iz, emu_test),
	N(LOCK, Ev, __, emu_not), N(LOCK, Ev, __, emu_neg),
	N(RO, __, Ev, emu_mul), N(RO, __, Ev, emu_imul),
	N(RO, __, Ev, emu_div), N(RO, __, Ev, emu_idiv),
};

static const struct emu_opcode group4[8] = {
	N(LOCK, Eb, __, emu_inc), N(LOCK, Eb, __, emu_dec),
};

static const struct emu_opcode group5[8] = {
	N(LOCK, Ev, __, emu_inc), N(LOCK, Ev, __, emu_dec),
	N(F64, __, Ev, emu_call_abs), N(NOACC | RO, __, Mv, emu_far_mem),
	N(F64, __, Ev, emu_jmp_abs), N(NOACC | RO, __, Mv, emu_far_mem),
	N(D64, __, Ev, emu_push),
};

/* To memory a selector is always 16 bits wide. */
static const struct emu_opcode group6_store[2] = {
	N(PROT | WO, Ew, __, emu_store_selector), N(PROT | WO, Ev, __, emu_store_selector),
};

static const struct emu_opcode group6[8] = {
	GRP(GROUP_MOD, 0, 0, 0, group6_store), GRP(GROUP_MOD, 0, 0, 0, group6_store),
	N(PROT | PRIV | RO, __, Ew, emu_lldt), N(PROT | PRIV | RO, __, Ew, emu_ltr),
	N(PROT | RO, __, Ew, emu_verify), N(PROT | RO, __, Ew, emu_verify),
};

static const struct emu_opcode group7_mem[8] = {
	N(NOACC | RO, __, Mb, emu_store_dt), N(NOACC | RO, __, Mb, emu_store_dt),
	N(PRIV | NOACC | RO, __, Mb, emu_load_dt), N(PRIV | NOACC | RO, __, Mb, emu_load_dt),
	N(WO, Ew, __, emu_smsw), L(0, __),
	N(PRIV, __, Ew, emu_lmsw), N(PRIV | RO | NOACC, Mb, __, emu_invlpg),
};

static const struct emu_opcode group7_1[8] = {
	N(0, __, __, emu_monitor), N(0, __, __, emu_monitor),
	NEED(SMAP, 0, __, __, __, emu_clac_stac), NEED(SMAP, 0, __, __, __, emu_clac_stac),
	L(0, __), L(0, __), L(0, __), L(0, __),
};

static const struct emu_opcode group7_2[8] = {
	N(0, __, __, emu_xgetbv), N(0, __, __, emu_xsetbv), L(0, __), L(0, __),
	L(0, __), L(0, __), L(0, __), L(0, __),
};

static const struct emu_opcode group7_7[8] = {
	N(0, __, __, emu_swapgs), NEED(RDTSCP, 0, __, __, __, emu_rdtsc), L(0, __), L(0, __),
	L(0, __), L(0, __), L(0, __), L(0, __),
};

/* VMCALL and VMX, MONITOR and SMAP, XSETBV, SVM, SMSW, CET, LMSW, SWAPGS and RDTSCP. */
static const struct emu_opcode group7_reg[8] = {
	L(0, __), GRP(GROUP_RM, 0, 0, 0, group7_1), GRP(GROUP_RM, 0, 0, 0, group7_2), L(0, __),
	N(WO, Ev, __, emu_smsw), L(0, __), N(PRIV, __, Ew, emu_lmsw),
	GRP(GROUP_RM, 0, 0, 0, group7_7),
};

static const struct emu_opcode group7[2] = {
	GRP(GROUP, 0, 0, 0, group7_mem), GRP(GROUP, 0, 0, 0, group7_reg),
};

static const struct emu_opcode group8[8] = {
	[4] = N(RO, __, __, emu_bt), N(LOCK, __, __, emu_bts),
	N(LOCK, __, __, emu_btr), N(LOCK, __, __, emu_btc),
};

static const struct emu_opcode group9_1[2] = {
	N(LOCK, Mq, __, emu_cmpxchg_wide), N(LOCK | AL16, Mdq, __, emu_cmpxchg_wide),
};

static const struct emu_opcode group9_mem[8] = {
	[1] = GRP(GROUP_W, 0, 0, 0, group9_1),
	[3] = L(0, __), L(0, __), L(0, __), L(0, __), L(0, __),	/* XSAVES and kin, VMX */
};

static const struct emu_opcode group9_reg_7[4] = {
	L(0, __), L(0, __), NEED(RDPID, WO, Rv, __, __, emu_rdpid),
};

static const struct emu_opcode group9_reg[8] = {
	[6] = L(0, __), GRP(GROUP_PFX, 0, 0, 0, group9_reg_7),	/* RDRAND, RDSEED and RDPID */
};

static const struct emu_opcode group9[2] = {
	GRP(GROUP, 0, 0, 0, group9_mem), GRP(GROUP, 0, 0, 0, group9_reg),
};

static const struct emu_opcode group11b[8] = { N(WO, Eb, Ib, emu_mov) };
static const struct emu_opcode group11v[8] = { N(WO, Ev, Iz, emu_mov) };

/* FXSAVE, FXRSTOR, LDMXCSR, STMXCSR, XSAVE, XRSTOR, XSAVEOPT, CLFLUSH. */
static const struct emu_opcode group15_mem[8] = {
	N(NOACC | WO | RO, Mb, __, emu_fxsave), N(NOACC | RO, __, Mb, emu_fxrstor),
	L(0, __), L(0, __), L(0, __), L(0, __), L(0, __),
	N(0, __, __, emu_nop),
};

/* CLWB and CLFLUSHOPT. */
static const struct emu_opcode group15_mem_66[8] = {
	[6] = N(0, __, __, emu_nop), N(0, __, __, emu_nop),
};

static const struct emu_opcode group15_reg[8] = {
	L(0, __), L(0, __), L(0, __), L(0, __), L(0, __),
	N(0, __, __, emu_nop), N(0, __, __, emu_nop), N(0, __, __, emu_nop),	/* the fences */
};

static const struct emu_opcode group15_mod[2] = {
	GRP(GROUP, 0, 0, 0, group15_mem), GRP(GROUP, 0, 0, 0, group15_reg),
};

static const struct emu_opcode group15_mod_66[2] = {
	GRP(GROUP, 0, 0, 0, group15_mem_66), L(0, __),
};

/* F3: RDFSBASE and kin. */
static const struct emu_opcode group15[4] = {
	GRP(GROUP_MOD, 0, 0, 0, group15_mod), GRP(GROUP_MOD, 0, 0, 0, group15_mod_66),
	L(0, __), L(0, __),
};

static const struct emu_opcode op_63[2] = { N(0, Ew, Gw, emu_arpl), N(WO, Gv, Ed, emu_movsx) };

/* To memory a selector is always 16 bits wide. */
static const struct emu_opcode op_8c[2] = {
	N(WO, Ew, Sw, emu_mov_from_sreg), N(WO, Ev, Sw, emu_mov_from_sreg),
};

static const struct emu_opcode op_0f10[4] = {
	N(SSE | WO, Vdq, Wdq, emu_sse_mov), N(SSE | WO, Vdq, Wdq, emu_sse_mov),
	N(SSE | WO, Vd, Wd, emu_sse_mov_low), N(SSE | WO, Vq, Wq, emu_sse_mov_low),
};

static const struct emu_opcode op_0f11[4] = {
	N(SSE | WO, Wdq, Vdq, emu_sse_mov), N(SSE | WO, Wdq, Vdq, emu_sse_mov),
	N(SSE | WO, Wd, Vd, emu_sse_mov_low), N(SSE | WO, Wq, Vq, emu_sse_mov_low),
};

static const struct emu_opcode op_0f12_ps[2] = {
	N(SSE, Vdq, Mq, emu_sse_mov_low), N(SSE | WO, Vq, Wdq, emu_sse_high_to_low),
};

static const struct emu_opcode op_0f12_pd[2] = { N(SSE, Vdq, Mq, emu_sse_mov_low) };

static const struct emu_opcode op_0f12[4] = {
	GRP(GROUP_MOD, 0, 0, 0, op_0f12_ps), GRP(GROUP_MOD, 0, 0, 0, op_0f12_pd),
	NEED(SSE3, SSE | WO | AL16, Vdq, Wdq, __, emu_sse_dup),
	NEED(SSE3, SSE | WO, Vdq, Wq, __, emu_sse_ddup),
};

static const struct emu_opcode op_0f13_m[4] = {
	N(SSE | WO, Mq, Vdq, emu_sse_mov), N(SSE | WO, Mq, Vdq, emu_sse_mov),
};

static const struct emu_opcode op_0f16_ps[2] = {
	N(SSE, Vdq, Mq, emu_sse_load_high), N(SSE, Vdq, Wq, emu_sse_load_high),
};

static const struct emu_opcode op_0f16_pd[2] = { N(SSE, Vdq, Mq, emu_sse_load_high) };

static const struct emu_opcode op_0f16[4] = {
	GRP(GROUP_MOD, 0, 0, 0, op_0f16_ps), GRP(GROUP_MOD, 0, 0, 0, op_0f16_pd),
	NEED(SSE3, SSE | WO | AL16, Vdq, Wdq, __, emu_sse_dup),
};

static const struct emu_opcode op_0f17_m[4] = {
	N(SSE | WO, Mq, Vdq, emu_sse_store_high), N(SSE | WO, Mq, Vdq, emu_sse_store_high),
};

static const struct emu_opcode op_0f13[2] = { GRP(GROUP_PFX, 0, 0, 0, op_0f13_m) };
static const struct emu_opcode op_0f17[2] = { GRP(GROUP_PFX, 0, 0, 0, op_0f17_m) };

/* ANDPS, ANDPD and their kin; and the integer ones, which without a prefix are MMX. */
#define LOGIC(name, fn) \
	static const struct emu_opcode name[4] = { \
		N(SSE | AL16, Vdq, Wdq, fn), N(SSE | AL16, Vdq, Wdq, fn), \
	}
#define LOGIC_INT(name, mmx, fn) \
	static const struct emu_opcode name[4] = { \
		N(MMX, Pq, Qq, mmx), N(SSE | AL16, Vdq, Wdq, fn), \
	}

LOGIC(op_0f54, emu_sse_and);
LOGIC(op_0f55, emu_sse_andn);
LOGIC(op_0f56, emu_sse_or);
LOGIC(op_0f57, emu_sse_xor);
LOGIC_INT(op_0fdb, emu_mmx_and, emu_sse_int_and);
LOGIC_INT(op_0fdf, emu_mmx_andn, emu_sse_int_andn);
LOGIC_INT(op_0feb, emu_mmx_or, emu_sse_int_or);
LOGIC_INT(op_0fef, emu_mmx_xor, emu_sse_int_xor);

static const struct emu_opcode op_0f28[4] = {
	N(SSE | WO | AL16, Vdq, Wdq, emu_sse_mov), N(SSE | WO | AL16, Vdq, Wdq, emu_sse_mov),
};

static const struct emu_opcode op_0f29[4] = {
	N(SSE | WO | AL16, Wdq, Vdq, emu_sse_mov), N(SSE | WO | AL16, Wdq, Vdq, emu_sse_mov),
};

static const struct emu_opcode op_0f2b[4] = {
	N(SSE | WO | AL16, Mdq, Vdq, emu_sse_mov), N(SSE | WO | AL16, Mdq, Vdq, emu_sse_mov),
};

static const struct emu_opcode op_0f6e[4] = {
	N(MMX | WO, Pq, Ey, emu_mmx_mov), N(SSE | WO, Vdq, Ey, emu_sse_mov),
};

static const struct emu_opcode op_0f6f[4] = {
	N(MMX | WO, Pq, Qq, emu_mmx_mov), N(SSE | WO | AL16, Vdq, Wdq, emu_sse_mov),
	N(SSE | WO, Vdq, Wdq, emu_sse_mov),
};

static const struct emu_opcode op_0f7e[4] = {
	N(MMX | WO, Ey, Pq, emu_mmx_mov), N(SSE | WO, Ey, Vy, emu_sse_mov),
	N(SSE | WO, Vdq, Wq, emu_sse_mov),
};

static const struct emu_opcode op_0f7f[4] = {
	N(MMX | WO, Qq, Pq, emu_mmx_mov), N(SSE | WO | AL16, Wdq, Vdq, emu_sse_mov),
	N(SSE | WO, Wdq, Vdq, emu_sse_mov),
};

/* TZCNT and LZCNT are BSF and BSR on CPUs without them. */
static const struct emu_opcode op_0fbc[4] = {
	N(RO, Gv, Ev, emu_bsf), N(RO, Gv, Ev, emu_bsf),
	N(RO, Gv, Ev, emu_tzcnt), N(RO, Gv, Ev, emu_bsf),
};

static const struct emu_opcode op_0fbd[4] = {
	N(RO, Gv, Ev, emu_bsr), N(RO, Gv, Ev, emu_bsr),
	N(RO, Gv, Ev, emu_lzcnt), N(RO, Gv, Ev, emu_bsr),
};

/* A register that does not compare equal is not written, not even zero-extended. */
static const struct emu_opcode op_0fb0[2] = {
	N(LOCK, __, __, emu_cmpxchg), N(RO, __, __, emu_cmpxchg_reg),
};

static const struct emu_opcode op_0fb8[4] = {
	[2] = NEED(POPCNT, WO, Gv, Ev, __, emu_popcnt),
};

static const struct emu_opcode op_0fc3[4] = { N(WO, My, Gy, emu_mov) };

static const struct emu_opcode op_0fd6[4] = {
	[1] = N(SSE | WO, Wq, Vq, emu_sse_mov), L(0, __), L(0, __),
};

static const struct emu_opcode op_0fe7[4] = {
	N(MMX | WO, Mq, Pq, emu_mmx_mov), N(SSE | WO | AL16, Mdq, Vdq, emu_sse_mov),
};

static const struct emu_opcode op_0ff0[4] = { [3] = N(SSE | WO, Vdq, Mdq, emu_sse_mov) };
static const struct emu_opcode op_0f382a[4] = { [1] = N(SSE | WO | AL16, Vdq, Mdq, emu_sse_mov) };

/* Parts of vectors: the operand in ModRM.rm is not named, lanes.c fetches it. */
#define LANES(name, n, ...) \
	static const struct emu_opcode name[4] = { [1] = NEED(n, SSE | WO | NOACC, __VA_ARGS__) }
LANES(op_widen, SSE41, Vdq, __, __, emu_lanes_widen);
LANES(op_insert, SSE41, Vdq, __, Ib, emu_lanes_insert);
LANES(op_insert_ps, SSE41, Vdq, __, Ib, emu_lanes_insert_ps);
static const struct emu_opcode op_extract[4] = {
	[1] = NEED(SSE41, SSE | RO | NOACC, Vdq, __, Ib, emu_lanes_extract),
};

static const struct emu_opcode op_0fc4[4] = {
	L(0, Ib), ENTRY3(SSE | WO | NOACC, Vdq, __, Ib, emu_lanes_insert),
};

static const struct emu_opcode op_0ff7_reg[2] = {
	[1] = N(SSE | RO | NOACC, Vdq, Wdq, emu_lanes_maskmov),
};

static const struct emu_opcode op_0ff7[4] = {
	L(0, __), GRP(GROUP_MOD, 0, 0, 0, op_0ff7_reg),
};


static const struct emu_opcode op_0f38f0[4] = {
	NEED(MOVBE, WO, Gv, Mv, __, emu_movbe), NEED(MOVBE, WO, Gv, Mv, __, emu_movbe),
	[3] = NEED(SSE42, 0, Gy, Eb, __, emu_crc32),
};

static const struct emu_opcode op_0f38f1[4] = {
	NEED(MOVBE, WO, Mv, Gv, __, emu_movbe), NEED(MOVBE, WO, Mv, Gv, __, emu_movbe),
	[3] = NEED(SSE42, 0, Gy, Ev, __, emu_crc32),
};

static const struct emu_opcode op_0f38f6[4] = {
	[1] = NEED(ADX, 0, Gy, Ey, __, emu_adcx), NEED(ADX, 0, Gy, Ey, __, emu_adox),
};

static const struct emu_opcode op_0f38f8[4] = {
	[1] = NEED(MOVDIR64B, EMU_F_NOACCESS | RO, __, Mb, __, emu_movdir64b),
};

static const struct emu_opcode op_0f38f9[4] = { NEED(MOVDIRI, WO, My, Gy, __, emu_mov) };

/*
 * x87: what moves between memory and the stack, and control. A store looks at its place only
 * when it knows that there will be one.
 */
#define X87_LD(s, fn)	N(X87 | RO, __, s, fn)
#define X87_ST(d, fn)	N(X87 | WO | RO | NOACC, d, __, fn)
#define X87_TTP(d)	NEED(SSE3, X87 | WO | RO | NOACC, d, __, __, emu_fisttp)

/* FLD of 32 bits is left out: KVM's own tests take it for what no emulator executes. */
static const struct emu_opcode op_d9_m[8] = {
	L(0, __), [2] = X87_ST(Md, emu_fst), X87_ST(Md, emu_fst), L(0, __),
	X87_LD(Mw, emu_fldcw), L(0, __), N(X87 | WO | NOWAIT, Mw, __, emu_fnstcw),
};

static const struct emu_opcode op_db_m[8] = {
	X87_LD(Md, emu_fild), X87_TTP(Md), X87_ST(Md, emu_fist), X87_ST(Md, emu_fist),
	[5] = N(X87 | RO | NOACC, __, Mb, emu_fld_80), [7] = X87_ST(Mb, emu_fstp_80),
};

static const struct emu_opcode op_db_e0[8] = {
	L(0, __), L(0, __), N(X87 | NOWAIT, __, __, emu_fnclex),
	N(X87 | NOWAIT, __, __, emu_fninit), L(0, __),
};

static const struct emu_opcode op_db_r[8] = {
	L(0, __), L(0, __), L(0, __), L(0, __), GRP(GROUP_RM, 0, 0, 0, op_db_e0), L(0, __),
	L(0, __),
};

static const struct emu_opcode op_dd_m[8] = {
	X87_LD(Mq, emu_fld), X87_TTP(Mq), X87_ST(Mq, emu_fst), X87_ST(Mq, emu_fst), L(0, __),
	[6] = L(0, __), N(X87 | WO | NOWAIT, Mw, __, emu_fnstsw),
};

static const struct emu_opcode op_df_m[8] = {
	X87_LD(Mw, emu_fild), X87_TTP(Mw), X87_ST(Mw, emu_fist), X87_ST(Mw, emu_fist), L(0, __),
	X87_LD(Mq, emu_fild), L(0, __), X87_ST(Mq, emu_fist),
};

static const struct emu_opcode op_df_e0[8] = { N(X87 | WO | NOWAIT, Aw, __, emu_fnstsw) };

static const struct emu_opcode op_df_r[8] = {
	L(0, __), L(0, __), L(0, __), L(0, __), GRP(GROUP_RM, 0, 0, 0, op_df_e0), L(0, __),
	L(0, __),
};

static const struct emu_opcode op_d9[2] = { GRP(GROUP, 0, 0, 0, op_d9_m), L(0, __) };
static const struct emu_opcode op_db[2] = {
	GRP(GROUP, 0, 0, 0, op_db_m), GRP(GROUP, 0, 0, 0, op_db_r),
};

static const struct emu_opcode op_dd[2] = { GRP(GROUP, 0, 0, 0, op_dd_m), L(0, __) };
static const struct emu_opcode op_df[2] = {
	GRP(GROUP, 0, 0, 0, op_df_m), GRP(GROUP, 0, 0, 0, op_df_r),
};

const struct emu_opcode emu_map_1[256] = {
	ALU(0x00, LOCK, emu_add), [0x06] = N(NO64, __, Sw, emu_push_sreg), POP_S,
	ALU(0x08, LOCK, emu_or), [0x0e] = N(NO64, __, Sw, emu_push_sreg),
	[0x0f] = GRP(ESCAPE, 0, 0, 0, emu_map_0f),
	ALU(0x10, LOCK, emu_adc), [0x16] = N(NO64, __, Sw, emu_push_sreg), POP_S,
	ALU(0x18, LOCK, emu_sbb), [0x1e] = N(NO64, __, Sw, emu_push_sreg), POP_S,
	ALU(0x20, LOCK, emu_and), [0x26] = PFX, N(NO64, __, __, emu_daa),
	ALU(0x28, LOCK, emu_sub), [0x2e] = PFX, N(NO64, __, __, emu_das),
	ALU(0x30, LOCK, emu_xor), [0x36] = PFX, N(NO64, __, __, emu_aaa),
	ALU(0x38, RO, emu_cmp), [0x3e] = PFX, N(NO64, __, __, emu_aas),
	REP8(0x40, N(NO64, Zv, __, emu_inc)),
	REP8(0x48, N(NO64, Zv, __, emu_dec)),
	REP8(0x50, N(D64, __, Zv, emu_push)),
	REP8(0x58, N(D64 | WO, Zv, __, emu_pop)),
	[0x60] = N(NO64, __, __, emu_pusha), N(NO64, __, __, emu_popa),
	M(EMU_F_VEX | NO64 | NOACC | RO, Gv, Ma, emu_bound), GRP(GROUP_64, MODRM, 0, 0, op_63),
	PFX, PFX, PFX, PFX,
	[0x68] = N(D64, __, Iz, emu_push), M3(WO, Gv, Ev, Iz, emu_imul3),
	N(D64, __, Ib, emu_push), M3(WO, Gv, Ev, Ib, emu_imul3),
	N(STR | WO, Yb, DX, emu_ins), N(STR | WO, Yz, DX, emu_ins),
	N(STR, DX, Xb, emu_outs), N(STR, DX, Xz, emu_outs),
	REP16(0x70, N(F64, __, Jb, emu_jcc)),
	[0x80] = GRP(GROUP, MODRM, Eb, Ib, group1), GRP(GROUP, MODRM, Ev, Iz, group1),
	GRP(GROUP, MODRM | NO64, Eb, Ib, group1), GRP(GROUP, MODRM, Ev, Ib, group1),
	M(RO, Eb, Gb, emu_test), M(RO, Ev, Gv, emu_test),
	M(LOCK | EMU_F_XCHG, Eb, Gb, emu_xchg), M(LOCK | EMU_F_XCHG, Ev, Gv, emu_xchg),
	[0x88] = M(WO, Eb, Gb, emu_mov), M(WO, Ev, Gv, emu_mov),
	M(WO, Gb, Eb, emu_mov), M(WO, Gv, Ev, emu_mov),
	G(GROUP_MOD, op_8c), M(WO | NOACC, Gv, Mv, emu_lea),
	M(WO | RO, Sw, Ew, emu_mov_to_sreg), G(GROUP, group1a),
	[0x90] = N(RO, Zv, Av, emu_xchg_nop), N(0, Zv, Av, emu_xchg), N(0, Zv, Av, emu_xchg),
	N(0, Zv, Av, emu_xchg), REP4(0x94, N(0, Zv, Av, emu_xchg)),
	[0x98] = N(0, __, __, emu_cbw), N(0, __, __, emu_cwd),
	ENTRY3(NO64, __, Iz, Iw, emu_far_imm),
	L(0, __), N(D64, __, __, emu_pushf), N(D64, __, __, emu_popf),
	N(0, __, __, emu_sahf), N(0, __, __, emu_lahf),
	[0xa0] = N(WO, Ab, Ob, emu_mov), N(WO, Av, Ov, emu_mov),
	N(WO, Ob, Ab, emu_mov), N(WO, Ov, Av, emu_mov),
	N(STR | WO, Yb, Xb, emu_movs), N(STR | WO, Yv, Xv, emu_movs),
	N(REPZ, Xb, Yb, emu_cmps), N(REPZ, Xv, Yv, emu_cmps),
	N(RO, Ab, Ib, emu_test), N(RO, Av, Iz, emu_test),
	N(STR | WO, Yb, Ab, emu_stos), N(STR | WO, Yv, Av, emu_stos),
	N(STR | WO, Ab, Xb, emu_lods), N(STR | WO, Av, Xv, emu_lods),
	N(REPZ, Ab, Yb, emu_scas), N(REPZ, Av, Yv, emu_scas),
	REP8(0xb0, N(WO, Zb, Ib, emu_mov)),
	REP8(0xb8, N(WO, Zv, Iv, emu_mov)),
	[0xc0] = GRP(GROUP, MODRM, Eb, Ib, group2), GRP(GROUP, MODRM, Ev, Ib, group2),
	N(F64, __, Iw, emu_ret_imm), N(F64, __, __, emu_ret),
	M(EMU_F_VEX | NO64 | NOACC | WO, Gv, Mv, emu_load_far),
	M(EMU_F_VEX | NO64 | NOACC | WO, Gv, Mv, emu_load_far),
	G(GROUP, group11b), G(GROUP, group11v),
	[0xc8] = ENTRY3(D64, __, Iw, Ib, emu_enter), N(D64, __, __, emu_leave),
	N(0, __, Iw, emu_ret_far),
	N(0, __, __, emu_ret_far), N(0, __, __, emu_int3), N(0, __, Ib, emu_int),
	N(NO64, __, __, emu_into), N(0, __, __, emu_iret),
	[0xd0] = GRP(GROUP, MODRM, Eb, One, group2), GRP(GROUP, MODRM, Ev, One, group2),
	GRP(GROUP, MODRM, Eb, CL, group2), GRP(GROUP, MODRM, Ev, CL, group2),
	N(NO64, __, Ib, emu_aam), N(NO64, __, Ib, emu_aad), N(NO64, __, __, emu_salc),
	N(0, __, __, emu_xlat),
	[0xd8] = L(MODRM, __), G(GROUP_MOD, op_d9), L(MODRM, __), G(GROUP_MOD, op_db),
	L(MODRM, __), G(GROUP_MOD, op_dd), L(MODRM, __), G(GROUP_MOD, op_df),
	[0xe0] = N(F64, __, Jb, emu_loop), N(F64, __, Jb, emu_loop), N(F64, __, Jb, emu_loop),
	N(F64, __, Jb, emu_jcxz),
	N(WO, Ab, Ib, emu_in), N(WO, Az, Ib, emu_in), N(RO, Ib, Ab, emu_out),
	N(RO, Ib, Az, emu_out),
	[0xe8] = N(F64, __, Jz, emu_call_rel), N(F64, __, Jz, emu_jmp_rel),
	ENTRY3(NO64, __, Iz, Iw, emu_far_imm), N(F64, __, Jb, emu_jmp_rel),
	N(WO, Ab, DX, emu_in), N(WO, Az, DX, emu_in), N(RO, DX, Ab, emu_out),
	N(RO, DX, Az, emu_out),
	[0xf0] = PFX, N(0, __, __, emu_int1), PFX, PFX, N(PRIV, __, __, emu_hlt),
	N(0, __, __, emu_cmc),
	G(GROUP, group3b), G(GROUP, group3v),
	[0xf8] = N(0, __, __, emu_clc), N(0, __, __, emu_stc), N(0, __, __, emu_cli),
	N(0, __, __, emu_sti), N(0, __, __, emu_cld), N(0, __, __, emu_std),
	G(GROUP, group4), G(GROUP, group5),
};

const struct emu_opcode emu_map_0f[256] = {
	[0x00] = G(GROUP, group6), G(GROUP_MOD, group7),
	M(PROT | RO | WO, Gv, Ew, emu_lar_lsl), M(PROT | RO | WO, Gv, Ew, emu_lar_lsl),
	[0x05] = N(0, __, __, emu_syscall), N(PRIV, __, __, emu_clts), N(0, __, __, emu_sysret),
	N(PRIV, __, __, emu_wbinvd), N(PRIV, __, __, emu_wbinvd),
	[0x0b] = N(0, __, __, emu_undefined),
	[0x0d] = M(NOACC, __, __, emu_nop), L(0, __), L(MODRM, Ib),
	[0x10] = G(GROUP_PFX, op_0f10), G(GROUP_PFX, op_0f11), G(GROUP_PFX, op_0f12),
	G(GROUP_MOD, op_0f13), L(MODRM, __), L(MODRM, __), G(GROUP_PFX, op_0f16),
	G(GROUP_MOD, op_0f17),
	REP8(0x18, M(NOACC, __, __, emu_nop)),
	[0x20] = M(SYSREG | WO, Rv, Cv, emu_mov_from_cr), M(SYSREG | WO, Rv, Dv, emu_mov_from_dr),
	M(SYSREG | WO, Cv, Rv, emu_mov_to_cr), M(SYSREG | WO, Dv, Rv, emu_mov_to_dr),
	[0x28] = G(GROUP_PFX, op_0f28), G(GROUP_PFX, op_0f29), L(MODRM, __),
	G(GROUP_PFX, op_0f2b), REP4(0x2c, L(MODRM, __)),
	[0x30] = N(PRIV, __, __, emu_wrmsr), N(0, __, __, emu_rdtsc), N(PRIV, __, __, emu_rdmsr),
	N(0, __, __, emu_rdpmc), N(0, __, __, emu_sysenter), N(0, __, __, emu_sysexit),
	[0x37] = L(0, __),
	[0x38] = GRP(ESCAPE, 0, 0, 0, emu_map_0f38), [0x3a] = GRP(ESCAPE, 0, 0, 0, emu_map_0f3a),
	REP16(0x40, M(0, Gv, Ev, emu_cmovcc)),
	REP4(0x50, L(MODRM, __)), G(GROUP_PFX, op_0f54), G(GROUP_PFX, op_0f55),
	G(GROUP_PFX, op_0f56), G(GROUP_PFX, op_0f57), REP8(0x58, L(MODRM, __)),
	REP8(0x60, L(MODRM, __)), REP4(0x68, L(MODRM, __)),
	[0x6c] = L(MODRM, __), L(MODRM, __), G(GROUP_PFX, op_0f6e), G(GROUP_PFX, op_0f6f),
	[0x70] = L(MODRM, Ib), L(MODRM, Ib), L(MODRM, Ib), L(MODRM, Ib),
	L(MODRM, __), L(MODRM, __), L(MODRM, __), L(0, __),
	[0x7c] = L(MODRM, __), L(MODRM, __), G(GROUP_PFX, op_0f7e), G(GROUP_PFX, op_0f7f),
	REP16(0x80, N(F64, __, Jz, emu_jcc)),
	REP16(0x90, M(WO, Eb, __, emu_setcc)),
	[0xa0] = N(D64, __, Sw, emu_push_sreg), N(D64 | WO | RO, Sw, __, emu_pop_sreg),
	N(0, __, __, emu_cpuid),
	M(RO | EMU_F_BITOFF, Ev, Gv, emu_bt),
	M3(0, Ev, Gv, Ib, emu_shld), M3(0, Ev, Gv, CL, emu_shld),
	[0xa8] = N(D64, __, Sw, emu_push_sreg), N(D64 | WO | RO, Sw, __, emu_pop_sreg), L(0, __),
	M(LOCK | EMU_F_BITOFF, Ev, Gv, emu_bts),
	M3(0, Ev, Gv, Ib, emu_shrd), M3(0, Ev, Gv, CL, emu_shrd),
	G(GROUP_PFX, group15), M(0, Gv, Ev, emu_imul2),
	[0xb0] = GRP(GROUP_MOD, MODRM, Eb, Gb, op_0fb0), GRP(GROUP_MOD, MODRM, Ev, Gv, op_0fb0),
	LOAD_FAR, M(LOCK | EMU_F_BITOFF, Ev, Gv, emu_btr), LOAD_FAR, LOAD_FAR,
	M(WO, Gv, Eb, emu_movzx), M(WO, Gv, Ew, emu_movzx),
	[0xb8] = G(GROUP_PFX, op_0fb8), M(NOACC, __, __, emu_undefined),
	GRP(GROUP, MODRM, Ev, Ib, group8), M(LOCK | EMU_F_BITOFF, Ev, Gv, emu_btc),
	G(GROUP_PFX, op_0fbc), G(GROUP_PFX, op_0fbd),
	M(WO, Gv, Eb, emu_movsx), M(WO, Gv, Ew, emu_movsx),
	[0xc0] = M(LOCK, Eb, Gb, emu_xadd), M(LOCK, Ev, Gv, emu_xadd),
	L(MODRM, Ib), G(GROUP_PFX, op_0fc3), G(GROUP_PFX, op_0fc4), L(MODRM, Ib), L(MODRM, Ib),
	G(GROUP_MOD, group9),
	REP8(0xc8, N(0, Zv, __, emu_bswap)),
	[0xd0] = L(MODRM, __), L(MODRM, __), L(MODRM, __), L(MODRM, __), L(MODRM, __),
	L(MODRM, __), G(GROUP_PFX, op_0fd6), L(MODRM, __),
	L(MODRM, __), L(MODRM, __), L(MODRM, __), G(GROUP_PFX, op_0fdb),
	L(MODRM, __), L(MODRM, __), L(MODRM, __), G(GROUP_PFX, op_0fdf),
	[0xe0] = L(MODRM, __), L(MODRM, __), L(MODRM, __), L(MODRM, __), L(MODRM, __),
	L(MODRM, __), L(MODRM, __), G(GROUP_PFX, op_0fe7),
	L(MODRM, __), L(MODRM, __), L(MODRM, __), G(GROUP_PFX, op_0feb),
	L(MODRM, __), L(MODRM, __), L(MODRM, __), G(GROUP_PFX, op_0fef),
	[0xf0] = G(GROUP_PFX, op_0ff0), L(MODRM, __), L(MODRM, __), L(MODRM, __),
	[0xf4] = L(MODRM, __), L(MODRM, __), L(MODRM, __), G(GROUP_PFX, op_0ff7),
	REP4(0xf8, L(MODRM, __)),
	L(MODRM, __), L(MODRM, __), L(MODRM, __), M(NOACC, __, __, emu_undefined),
};

const struct emu_opcode emu_map_0f38[256] = {
	[0x00] = L(MODRM, __), L(MODRM, __), L(MODRM, __), L(MODRM, __), L(MODRM, __), L(MODRM, __),
	L(MODRM, __), L(MODRM, __), L(MODRM, __), L(MODRM, __), L(MODRM, __), L(MODRM, __),
	[0x10] = L(MODRM, __), [0x14] = L(MODRM, __), L(MODRM, __), [0x17] = L(MODRM, __),
	[0x1c] = L(MODRM, __), L(MODRM, __), L(MODRM, __),
	[0x20] = G(GROUP_PFX, op_widen), G(GROUP_PFX, op_widen), G(GROUP_PFX, op_widen),
	G(GROUP_PFX, op_widen), G(GROUP_PFX, op_widen), G(GROUP_PFX, op_widen),
	[0x28] = L(MODRM, __), L(MODRM, __), G(GROUP_PFX, op_0f382a), L(MODRM, __),
	[0x30] = G(GROUP_PFX, op_widen), G(GROUP_PFX, op_widen), G(GROUP_PFX, op_widen),
	G(GROUP_PFX, op_widen), G(GROUP_PFX, op_widen), G(GROUP_PFX, op_widen),
	[0x37] = L(MODRM, __), REP8(0x38, L(MODRM, __)), [0x40] = L(MODRM, __), L(MODRM, __),
	[0x80] = L(MODRM, __), L(MODRM, __), L(MODRM, __),	/* INVEPT, INVVPID, INVPCID */
	REP4(0xc8, L(MODRM, __)), [0xcc] = L(MODRM, __), L(MODRM, __), [0xcf] = L(MODRM, __),
	[0xdb] = L(MODRM, __), L(MODRM, __), L(MODRM, __), L(MODRM, __), L(MODRM, __),
	[0xf0] = G(GROUP_PFX, op_0f38f0), G(GROUP_PFX, op_0f38f1),
	[0xf5] = L(MODRM, __), G(GROUP_PFX, op_0f38f6),
	[0xf8] = G(GROUP_PFX, op_0f38f8), G(GROUP_PFX, op_0f38f9),
};

/* Every opcode of this map has ModRM and an immediate byte. */
const struct emu_opcode emu_map_0f3a[256] = {
	REP8(0x08, L(MODRM, Ib)), REP4(0x14, G(GROUP_PFX, op_extract)),
	[0x20] = G(GROUP_PFX, op_insert), G(GROUP_PFX, op_insert_ps), G(GROUP_PFX, op_insert),
	REP4(0x40, L(MODRM, Ib)),
	REP4(0x60, L(MODRM, Ib)), [0xcc] = L(MODRM, Ib), [0xce] = L(MODRM, Ib), L(MODRM, Ib),
	[0xdf] = L(MODRM, Ib),
};
