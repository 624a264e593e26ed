// SPDX-License-Identifier: GPL-2.0-only
/*
 * The opcode maps of VEX: 0F, 0F 38 and 0F 3A.
 *
 * Data only, written as decode_tables.c.  An opcode that is in no entry is unknown: of what
 * has VEX, most is arithmetic on vectors, which nobody does on a device.
 */
#include "x86/emulate/tables.h"

/* BLSR, BLSMSK, BLSI; the destination is VEX.vvvv. */
static const struct emu_opcode group17[8] = {
	[1] = NEED(BMI1, WO | L0, By, Ey, __, emu_bls), NEED(BMI1, WO | L0, By, Ey, __, emu_bls),
	NEED(BMI1, WO | L0, By, Ey, __, emu_bls),
};

static const struct emu_opcode vex_38f2[4] = { NEED(BMI1, WO | L0, Gy, Ey, By, emu_andn) };
static const struct emu_opcode vex_38f3[4] = { GRP(GROUP, 0, 0, 0, group17) };

static const struct emu_opcode vex_38f5[4] = {
	NEED(BMI2, WO | L0, Gy, Ey, By, emu_bzhi),
	[2] = NEED(BMI2, WO | L0, Gy, Ey, By, emu_pext), NEED(BMI2, WO | L0, Gy, Ey, By, emu_pdep),
};

static const struct emu_opcode vex_38f6[4] = {
	[3] = NEED(BMI2, WO | L0, Gy, Ey, By, emu_mulx),
};

static const struct emu_opcode vex_38f7[4] = {
	NEED(BMI1, WO | L0, Gy, Ey, By, emu_bextr), NEED(BMI2, WO | L0, Gy, Ey, By, emu_shlx),
	NEED(BMI2, WO | L0, Gy, Ey, By, emu_sarx), NEED(BMI2, WO | L0, Gy, Ey, By, emu_shrx),
};

static const struct emu_opcode vex_3af0[4] = {
	[3] = NEED(BMI2, WO | L0, Gy, Ey, Ib, emu_rorx),
};

#define AVX(f, d, s, s2, fn)	NEED(AVX, SSE | WO | (f), d, s, s2, fn)

/* With 66 and without, the same. */
#define VEX_BOTH(name, ...) \
	static const struct emu_opcode name[4] = { AVX(__VA_ARGS__), AVX(__VA_ARGS__) }
/* Only with 66. */
#define VEX_66(name, ...)	static const struct emu_opcode name[4] = { [1] = AVX(__VA_ARGS__) }

/* VMOVSS and VMOVSD: from memory, to memory, between registers. */
static const struct emu_opcode vex_10_ss[2] = {
	AVX(0, Vdq, Wd, __, emu_sse_mov), AVX(0, Vdq, Wd, Hdq, emu_vex_mov_low),
};

static const struct emu_opcode vex_10_sd[2] = {
	AVX(0, Vdq, Wq, __, emu_sse_mov), AVX(0, Vdq, Wq, Hdq, emu_vex_mov_low),
};

static const struct emu_opcode vex_11_ss[2] = {
	AVX(0, Wd, Vd, __, emu_sse_mov), AVX(0, Wdq, Vd, Hdq, emu_vex_mov_low),
};

static const struct emu_opcode vex_11_sd[2] = {
	AVX(0, Wq, Vq, __, emu_sse_mov), AVX(0, Wdq, Vq, Hdq, emu_vex_mov_low),
};

static const struct emu_opcode vex_10[4] = {
	AVX(0, Vdq, Wdq, __, emu_sse_mov), AVX(0, Vdq, Wdq, __, emu_sse_mov),
	GRP(GROUP_MOD, 0, 0, 0, vex_10_ss), GRP(GROUP_MOD, 0, 0, 0, vex_10_sd),
};

static const struct emu_opcode vex_11[4] = {
	AVX(0, Wdq, Vdq, __, emu_sse_mov), AVX(0, Wdq, Vdq, __, emu_sse_mov),
	GRP(GROUP_MOD, 0, 0, 0, vex_11_ss), GRP(GROUP_MOD, 0, 0, 0, vex_11_sd),
};

static const struct emu_opcode vex_12_ps[2] = {
	AVX(L0, Vdq, Mq, Hdq, emu_vex_mov_low), AVX(L0, Vdq, Wdq, Hdq, emu_vex_high_to_low),
};

static const struct emu_opcode vex_12_pd[2] = { AVX(L0, Vdq, Mq, Hdq, emu_vex_mov_low) };

static const struct emu_opcode vex_12[4] = {
	GRP(GROUP_MOD, 0, 0, 0, vex_12_ps), GRP(GROUP_MOD, 0, 0, 0, vex_12_pd),
	AVX(0, Vdq, Wdq, __, emu_sse_dup),
};

static const struct emu_opcode vex_16_ps[2] = {
	AVX(L0, Vdq, Mq, Hdq, emu_vex_load_high), AVX(L0, Vdq, Wq, Hdq, emu_vex_load_high),
};

static const struct emu_opcode vex_16_pd[2] = { AVX(L0, Vdq, Mq, Hdq, emu_vex_load_high) };

static const struct emu_opcode vex_16[4] = {
	GRP(GROUP_MOD, 0, 0, 0, vex_16_ps), GRP(GROUP_MOD, 0, 0, 0, vex_16_pd),
	AVX(0, Vdq, Wdq, __, emu_sse_dup),
};

static const struct emu_opcode vex_6f[4] = {
	[1] = AVX(AL16, Vdq, Wdq, __, emu_sse_mov), AVX(0, Vdq, Wdq, __, emu_sse_mov),
};

static const struct emu_opcode vex_7e[4] = {
	[1] = AVX(L0, Ey, Vy, __, emu_sse_mov), AVX(L0, Vdq, Wq, __, emu_sse_mov),
};

static const struct emu_opcode vex_7f[4] = {
	[1] = AVX(AL16, Wdq, Vdq, __, emu_sse_mov), AVX(0, Wdq, Vdq, __, emu_sse_mov),
};

static const struct emu_opcode vex_f0[4] = { [3] = AVX(0, Vdq, Mdq, __, emu_sse_mov) };

VEX_BOTH(vex_13, L0, Mq, Vdq, __, emu_sse_mov);
VEX_BOTH(vex_17, L0, Mq, Vdq, __, emu_sse_store_high);
VEX_BOTH(vex_28, AL16, Vdq, Wdq, __, emu_sse_mov);
VEX_BOTH(vex_29, AL16, Wdq, Vdq, __, emu_sse_mov);
VEX_BOTH(vex_2b, AL16, Mdq, Vdq, __, emu_sse_mov);
VEX_BOTH(vex_54, 0, Vdq, Wdq, Hdq, emu_sse_and);
VEX_BOTH(vex_55, 0, Vdq, Wdq, Hdq, emu_sse_andn);
VEX_BOTH(vex_56, 0, Vdq, Wdq, Hdq, emu_sse_or);
VEX_BOTH(vex_57, 0, Vdq, Wdq, Hdq, emu_sse_xor);
VEX_66(vex_6e, L0, Vdq, Ey, __, emu_sse_mov);
VEX_66(vex_d6, L0, Wq, Vq, __, emu_sse_mov);
VEX_66(vex_db, 0, Vdq, Wdq, Hdq, emu_sse_int_and);
VEX_66(vex_df, 0, Vdq, Wdq, Hdq, emu_sse_int_andn);
VEX_66(vex_e7, AL16, Mdq, Vdq, __, emu_sse_mov);
VEX_66(vex_eb, 0, Vdq, Wdq, Hdq, emu_sse_int_or);
VEX_66(vex_ef, 0, Vdq, Wdq, Hdq, emu_sse_int_xor);
VEX_66(vex_3818, NOACC, Vdq, Mdq, __, emu_vex_broadcast);
VEX_66(vex_3a19, NOACC | RO, Wdq, Vdq, Ib, emu_vex_extract);
/* Parts of vectors: see decode_tables.c. */
VEX_66(vex_c4, L0 | NOACC, Vdq, Hdq, Ib, emu_lanes_insert);
VEX_66(vex_382a, AL16, Vdq, Mdq, __, emu_lanes_load);
VEX_66(vex_masked_load, NOACC, Vdq, Mdq, Hdq, emu_lanes_masked_load);
VEX_66(vex_masked_store, NOACC | RO, Mdq, Vdq, Hdq, emu_lanes_masked_store);
VEX_66(vex_widen, NOACC, Vdq, __, __, emu_lanes_widen);
VEX_66(vex_3a14, L0 | NOACC | RO, Vdq, __, Ib, emu_lanes_extract);
VEX_66(vex_3a18, NOACC, Vdq, Hdq, Ib, emu_lanes_insert_half);
VEX_66(vex_3a20, L0 | NOACC, Vdq, Hdq, Ib, emu_lanes_insert);
VEX_66(vex_3a21, L0 | NOACC, Vdq, Hdq, Ib, emu_lanes_insert_ps);

#define VEX2_66(name, f, d, s, s2, fn) \
	static const struct emu_opcode name[4] = { [1] = NEED(AVX2, SSE | WO | (f), d, s, s2, fn) }
VEX2_66(vex_broadcast2, NOACC, Vdq, __, __, emu_lanes_broadcast);
VEX2_66(vex_masked_load2, NOACC, Vdq, Mdq, Hdq, emu_lanes_masked_load);
VEX2_66(vex_masked_store2, NOACC | RO, Mdq, Vdq, Hdq, emu_lanes_masked_store);
VEX2_66(vex_3a38, NOACC, Vdq, Hdq, Ib, emu_lanes_insert_half);
VEX2_66(vex_3a39, NOACC | RO, Wdq, Vdq, Ib, emu_vex_extract);

static const struct emu_opcode vex_f7_reg[2] = {
	[1] = AVX(L0 | NOACC | RO, Vdq, Wdq, __, emu_lanes_maskmov),
};

static const struct emu_opcode vex_f7[4] = { [1] = GRP(GROUP_MOD, 0, 0, 0, vex_f7_reg) };

static const struct emu_opcode vex_0f[256] = {
	[0x10] = G(GROUP_PFX, vex_10), G(GROUP_PFX, vex_11), G(GROUP_PFX, vex_12),
	G(GROUP_PFX, vex_13), [0x16] = G(GROUP_PFX, vex_16), G(GROUP_PFX, vex_17),
	[0x28] = G(GROUP_PFX, vex_28), G(GROUP_PFX, vex_29), [0x2b] = G(GROUP_PFX, vex_2b),
	[0x54] = G(GROUP_PFX, vex_54), G(GROUP_PFX, vex_55), G(GROUP_PFX, vex_56),
	G(GROUP_PFX, vex_57), [0x6e] = G(GROUP_PFX, vex_6e), G(GROUP_PFX, vex_6f),
	[0x7e] = G(GROUP_PFX, vex_7e), G(GROUP_PFX, vex_7f), [0xc4] = G(GROUP_PFX, vex_c4),
	[0xd6] = G(GROUP_PFX, vex_d6),
	[0xdb] = G(GROUP_PFX, vex_db), [0xdf] = G(GROUP_PFX, vex_df),
	[0xe7] = G(GROUP_PFX, vex_e7), [0xeb] = G(GROUP_PFX, vex_eb), [0xef] = G(GROUP_PFX, vex_ef),
	[0xf0] = G(GROUP_PFX, vex_f0), [0xf7] = G(GROUP_PFX, vex_f7),
};

#define WIDEN(n) \
	[n] = G(GROUP_PFX, vex_widen), G(GROUP_PFX, vex_widen), G(GROUP_PFX, vex_widen), \
	G(GROUP_PFX, vex_widen), G(GROUP_PFX, vex_widen), G(GROUP_PFX, vex_widen)


static const struct emu_opcode vex_0f38[256] = {
	[0x18] = G(GROUP_PFX, vex_3818), G(GROUP_PFX, vex_3818), G(GROUP_PFX, vex_3818),
	WIDEN(0x20), [0x2a] = G(GROUP_PFX, vex_382a),
	[0x2c] = G(GROUP_PFX, vex_masked_load), G(GROUP_PFX, vex_masked_load),
	G(GROUP_PFX, vex_masked_store), G(GROUP_PFX, vex_masked_store), WIDEN(0x30),
	[0x58] = G(GROUP_PFX, vex_broadcast2), G(GROUP_PFX, vex_broadcast2),
	G(GROUP_PFX, vex_broadcast2), [0x78] = G(GROUP_PFX, vex_broadcast2),
	G(GROUP_PFX, vex_broadcast2), [0x8c] = G(GROUP_PFX, vex_masked_load2),
	[0x8e] = G(GROUP_PFX, vex_masked_store2),
	[0xf2] = G(GROUP_PFX, vex_38f2), G(GROUP_PFX, vex_38f3),
	[0xf5] = G(GROUP_PFX, vex_38f5), G(GROUP_PFX, vex_38f6), G(GROUP_PFX, vex_38f7),
};

static const struct emu_opcode vex_0f3a[256] = {
	[0x14] = G(GROUP_PFX, vex_3a14), G(GROUP_PFX, vex_3a14), G(GROUP_PFX, vex_3a14),
	G(GROUP_PFX, vex_3a14), G(GROUP_PFX, vex_3a18), G(GROUP_PFX, vex_3a19),
	[0x20] = G(GROUP_PFX, vex_3a20), G(GROUP_PFX, vex_3a21), G(GROUP_PFX, vex_3a20),
	[0x38] = G(GROUP_PFX, vex_3a38), G(GROUP_PFX, vex_3a39), [0xf0] = G(GROUP_PFX, vex_3af0),
};

const struct emu_opcode *const emu_vex_maps[4] = { NULL, vex_0f, vex_0f38, vex_0f3a };
