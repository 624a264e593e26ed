/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The language in which the opcode maps are written: short names of operands and flags, and
 * macros for entries.  Only for the files that are tables.
 */
#ifndef DITTO_EMULATE_TABLES_H
#define DITTO_EMULATE_TABLES_H

#include "x86/emulate/internal.h"

enum {
	__ = 0,
	Eb = EMU_OPND(E, b), Ew = EMU_OPND(E, w), Ed = EMU_OPND(E, d), Ev = EMU_OPND(E, v),
	Ey = EMU_OPND(E, y), Eq = EMU_OPND(E, q),
	Mb = EMU_OPND(M, b), Mw = EMU_OPND(M, w), Md = EMU_OPND(M, d), Mq = EMU_OPND(M, q),
	Mdq = EMU_OPND(M, dq), My = EMU_OPND(M, y), Mv = EMU_OPND(M, v),
	Gb = EMU_OPND(G, b), Gw = EMU_OPND(G, w), Gv = EMU_OPND(G, v), Gy = EMU_OPND(G, y),
	Rv = EMU_OPND(R, v), Cv = EMU_OPND(C, v), Dv = EMU_OPND(D, v), Sw = EMU_OPND(S, w),
	Vdq = EMU_OPND(V, dq), Vq = EMU_OPND(V, q), Vd = EMU_OPND(V, d), Vy = EMU_OPND(V, y),
	Wdq = EMU_OPND(W, dq), Wq = EMU_OPND(W, q), Wd = EMU_OPND(W, d),
	Ib = EMU_OPND(I, b), Iw = EMU_OPND(I, w), Iz = EMU_OPND(I, z), Iv = EMU_OPND(I, v),
	Jb = EMU_OPND(J, b), Jz = EMU_OPND(J, z), Ob = EMU_OPND(O, b), Ov = EMU_OPND(O, v),
	Aw = EMU_OPND(A, w), Ab = EMU_OPND(A, b), Av = EMU_OPND(A, v), Az = EMU_OPND(A, z),
	Zb = EMU_OPND(Z, b), Zv = EMU_OPND(Z, v), CL = EMU_OPND(CL, b), DX = EMU_OPND(DX, w),
	One = EMU_OPND(ONE, b),
	Xb = EMU_OPND(X, b), Xv = EMU_OPND(X, v), Xz = EMU_OPND(X, z),
	Pq = EMU_OPND(P, q), Pd = EMU_OPND(P, d), Qq = EMU_OPND(Q, q),
	By = EMU_OPND(B, y), Hdq = EMU_OPND(H, dq), Ma = EMU_OPND(M, v),
	Yb = EMU_OPND(Y, b), Yv = EMU_OPND(Y, v), Yz = EMU_OPND(Y, z),
};

/* Short names for the flags, only for the tables. */
#define MODRM	EMU_F_MODRM
#define NO64	EMU_F_NO64
#define D64	EMU_F_D64
#define F64	EMU_F_F64
#define LOCK	EMU_F_LOCK
#define WO	EMU_F_WRONLY
#define RO	EMU_F_RDONLY
#define SSE	(EMU_F_SSE | EMU_F_MODRM)
#define MMX	(EMU_F_MMX | EMU_F_MODRM)
#define X87	(EMU_F_X87 | EMU_F_MODRM)
#define NOWAIT	EMU_F_NOWAIT
#define AL16	EMU_F_ALIGNED
#define STR	EMU_F_STRING
#define REPZ	(EMU_F_STRING | EMU_F_REPZ)
#define PRIV	EMU_F_PRIV
#define PROT	EMU_F_PROT
#define NOACC	EMU_F_NOACCESS
#define L0	EMU_F_VEX_L0
#define SYSREG	(EMU_F_PRIV | EMU_F_REGONLY)

#define ENTRY3(f, d, s, s2, fn) \
	{ .flags = (f), .dst = (d), .src = (s), .src2 = (s2), .defined = true, .exec = (fn) }
#define N(f, d, s, fn)		ENTRY3(f, d, s, 0, fn)			/* no ModRM */
#define M(f, d, s, fn)		ENTRY3((f) | MODRM, d, s, 0, fn)
#define M3(f, d, s, s2, fn)	ENTRY3((f) | MODRM, d, s, s2, fn)
#define L(f, s)			ENTRY3(f, 0, s, 0, NULL)		/* length only */
#define NEED(n, f, d, s, s2, fn) \
	{ .flags = (f), .dst = (d), .src = (s), .src2 = (s2), .defined = true, \
	  .need = EMU_NEED_##n, .exec = (fn) }
#define PFX			{ .flags = EMU_F_PREFIX, .defined = true }
#define GRP(kind, f, d, s, t) \
	{ .flags = EMU_F_##kind | (f), .dst = (d), .src = (s), .defined = true, .table = (t) }
#define G(kind, t)		GRP(kind, MODRM, 0, 0, t)

#define REP4(first, ...) \
	[first] = __VA_ARGS__, [(first) + 1] = __VA_ARGS__, \
	[(first) + 2] = __VA_ARGS__, [(first) + 3] = __VA_ARGS__
#define REP8(first, ...)	REP4(first, __VA_ARGS__), REP4((first) + 4, __VA_ARGS__)
#define REP16(first, ...)	REP8(first, __VA_ARGS__), REP8((first) + 8, __VA_ARGS__)

#endif
