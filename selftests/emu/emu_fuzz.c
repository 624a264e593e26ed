// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random bytes through the emulator, in every mode, with ops that fail at random.
 *
 * Built with ASAN and UBSAN.  What must hold for any bytes: decode ends within 15 bytes; a result
 * that is not EMU_OK leaves rip and rflags, and without REP all registers, as they were; an
 * instruction that stopped for user space and is run again makes the same accesses; a REP batch
 * stays within its limit; and a plain move that somebody else makes ends as one made here.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "x86/emulate/internal.h"

static u64 seed = 88172645463325252ULL;
static unsigned int fail_one_in;	/* an op fails with this chance, 0: never */
static unsigned int io_after;		/* the access that is answered later; counts down */
static u64 log_hash, log_before;	/* of all accesses; of those before the EMU_IO */
static unsigned int accesses;
static u8 code[EMU_INSN_MAX];
static u8 bounce[4096];
static struct emu_ctxt ctxt;
static u64 ctxt_regs[EMU_NR_REGS], was_regs[EMU_NR_REGS];
static const char *broken;
static unsigned int xmm_writes;	/* and of other registers by ops */
/* The last access of memory. */
static struct { u64 gva, val; unsigned int len; bool write; } last;
static unsigned long moves;

static u64 rnd(void)
{
	seed ^= seed >> 12;
	seed ^= seed << 25;
	seed ^= seed >> 27;
	return seed * 2685821657736338717ULL;
}

static void must(bool holds, const char *what)
{
	if (!holds && !broken)
		broken = what;
}

/* Note one access; decide how it ends. */
static enum emu_result access_op(struct emu_ctxt *c, unsigned int kind, u64 addr, unsigned int len)
{
	log_hash = (log_hash ^ kind ^ addr * 31 ^ (u64)len << 56) * 0x9e3779b97f4a7c15ULL;
	accesses++;
	must(len >= 1 && len <= sizeof(bounce), "length of an access");
	if (io_after && !--io_after) {
		log_before = log_hash;
		return EMU_IO;
	}
	if (fail_one_in && rnd() % fail_one_in == 0) {
		c->fault = (struct emu_fault){ .valid = true, .vector = X86_TRAP_PF };
		return EMU_FAULT + rnd() % 4;
	}
	return EMU_OK;
}

/* Memory whose contents depend only on the address, so that a second run reads the same. */
static void fill(void *buf, u64 addr, unsigned int len)
{
	u8 *p = buf;

	for (; len--; addr++)
		*p++ = addr * 0x9d + (addr >> 8);
}

static enum emu_result f_fetch(struct emu_ctxt *c, u64 gva, void *buf, unsigned int len)
{
	unsigned int pos = c->fetched;

	must(len >= 1 && pos + len <= EMU_INSN_MAX, "length of a fetch");
	must((gva & 4095) + len <= 4096, "a fetch crosses a page");
	if (fail_one_in && rnd() % (4 * fail_one_in) == 0) {
		c->fault = (struct emu_fault){ .valid = true, .vector = X86_TRAP_PF };
		return EMU_FAULT;
	}
	memcpy(buf, code + pos, len);
	return EMU_OK;
}

static enum emu_result f_read(struct emu_ctxt *c, u64 gva, void *buf, unsigned int len,
			      unsigned int access)
{
	enum emu_result r = access_op(c, 1 + access, gva, len);

	if (r == EMU_OK)
		fill(buf, gva, len);
	last.gva = gva;
	last.len = len;
	last.write = false;
	return r;
}

static enum emu_result f_write(struct emu_ctxt *c, u64 gva, const void *buf, unsigned int len,
			       unsigned int access)
{
	u64 sum = 0;
	unsigned int i;

	for (i = 0; i < len; i++)
		sum = sum * 257 + ((const u8 *)buf)[i];
	log_hash ^= sum;
	last.gva = gva;
	last.len = len;
	last.write = true;
	last.val = 0;
	memcpy(&last.val, buf, len < sizeof(last.val) ? len : sizeof(last.val));
	return access_op(c, 8 + access, gva, len);
}

static enum emu_result f_probe(struct emu_ctxt *c, u64 gva, unsigned int len, unsigned int access)
{
	return access_op(c, 16 + access, gva, len);
}

static enum emu_result f_cmpxchg(struct emu_ctxt *c, u64 gva, const void *old, const void *new,
				 unsigned int len)
{
	u8 was[16];

	fill(was, gva, len);
	must(!memcmp(was, old, len), "cmpxchg expects what was read");
	return f_write(c, gva, new, len, 8);
}

/* Of the present case: what ops answer follows from it. */
static u64 case_seed;

/* Ports do as many items as they like. */
static void pio_some(unsigned int *count)
{
	must(*count, "a port access has items");
	if (*count > 1)
		*count -= case_seed % *count;
}

static enum emu_result f_pio_in(struct emu_ctxt *c, u16 port, unsigned int size, void *buf,
				unsigned int *count)
{
	enum emu_result r = access_op(c, 32 + size, port, size * *count);

	if (r != EMU_OK)
		return r;
	pio_some(count);
	fill(buf, port, size * *count);
	return r;
}

static enum emu_result f_pio_out(struct emu_ctxt *c, u16 port, unsigned int size, const void *buf,
				 unsigned int *count)
{
	pio_some(count);
	return f_write(c, port, buf, size * *count, 64 + size);
}

/* Segments, control and debug registers: by number, from the seed of this case. */

static void f_get_segment(struct emu_ctxt *c, enum emu_seg nr, struct kvm_segment *seg)
{
	u64 x = (case_seed + nr) * 0x9e3779b97f4a7c15ULL;

	must(nr < EMU_NR_SEGS, "number of a segment");
	memset(seg, 0, sizeof(*seg));
	seg->base = nr == EMU_CS ? 0 : x >> 32 << (x & 31);
	seg->limit = nr == EMU_CS || x & 3 ? 0xffffffff : x >> 40;
	seg->selector = x >> 16;
	seg->type = x >> 8 & 15;
	seg->db = x >> 12 & 1;
	seg->present = (x >> 13 & 15) != 0;
}

static bool f_has(struct emu_ctxt *c, enum emu_need need)
{
	must(need && need < EMU_NR_NEEDS, "number of a need");
	return case_seed >> need & 1;
}

static void f_set_segment(struct emu_ctxt *c, enum emu_seg nr, const struct kvm_segment *seg)
{
	must(nr < EMU_NR_SEGS, "number of a segment to load");
	must(seg->unusable || seg->present || c->mode < EMU_PROT16, "a segment is there");
	must(nr < EMU_TR || c->cpl == 0, "privilege");
	must(nr != EMU_CS || !seg->unusable, "CS is usable");
	xmm_writes++;
}

static void f_get_dt(struct emu_ctxt *c, bool idt, struct kvm_dtable *dt)
{
	dt->base = case_seed >> 20;
	dt->limit = case_seed;
}

static void f_set_dt(struct emu_ctxt *c, bool idt, const struct kvm_dtable *dt)
{
	must(c->cpl == 0, "privilege");
	xmm_writes++;
}

static bool f_is_lma(struct emu_ctxt *c)
{
	return c->mode == EMU_PROT64 || (c->mode > EMU_VM86 && case_seed >> 40 & 1);
}

static u64 f_get_cr(struct emu_ctxt *c, unsigned int nr)
{
	u64 cr = case_seed * (nr + 3);

	must(nr <= 8 && 0x11d >> nr & 1, "number of a control register");
	return nr == 0 ? cr & ~(u64)(X86_CR0_EM | X86_CR0_TS) : cr | X86_CR4_OSFXSR |
	       X86_CR4_OSXSAVE;
}

static enum emu_result f_set_cr(struct emu_ctxt *c, unsigned int nr, u64 val)
{
	return access_op(c, 100 + nr, val, 8);
}

static enum emu_result f_get_dr(struct emu_ctxt *c, unsigned int nr, u64 *val)
{
	must(nr < 8 && nr != 4 && nr != 5, "number of a debug register");
	*val = case_seed;
	return access_op(c, 110 + nr, 0, 8);
}

static enum emu_result f_set_dr(struct emu_ctxt *c, unsigned int nr, u64 val)
{
	must(nr < 8 && nr != 4 && nr != 5, "number of a debug register");
	return access_op(c, 120 + nr, val, 8);
}

static void f_get_xmm(struct emu_ctxt *c, unsigned int nr, void *buf)
{
	must(nr < 16, "number of an XMM register");
	fill(buf, nr * 16, 16);
}

static void f_set_xmm(struct emu_ctxt *c, unsigned int nr, const void *buf)
{
	must(nr < 16, "number of an XMM register");
	xmm_writes++;
}

static void f_get_ymm(struct emu_ctxt *c, unsigned int nr, void *buf)
{
	must(nr < 16, "number of a YMM register");
	fill(buf, nr * 32, 32);
}

static void f_set_ymm(struct emu_ctxt *c, unsigned int nr, const void *buf)
{
	must(nr < 16 && ((const u8 *)buf)[31] + 1, "number of a YMM register");
	xmm_writes++;
}

static void f_get_x87(struct emu_ctxt *c, struct emu_x87 *x)
{
	fill(x, case_seed, sizeof(*x));
}

static void f_set_x87(struct emu_ctxt *c, const struct emu_x87 *x)
{
	xmm_writes++;
}

static u64 f_get_xcr0(struct emu_ctxt *c)
{
	return case_seed & 1 ? 7 : 3;
}

static enum emu_result f_set_xcr0(struct emu_ctxt *c, u64 val)
{
	must(c->cpl == 0, "privilege");
	return access_op(c, 140, val, 1);
}

static bool f_is_intel(struct emu_ctxt *c)
{
	return case_seed >> 41 & 1;
}

static u64 f_get_sysreg(struct emu_ctxt *c, enum emu_sysreg nr)
{
	must(nr < EMU_NR_SYSREGS, "number of a system register");
	return case_seed * (nr + 5);
}

static void f_set_kernel_gs_base(struct emu_ctxt *c, u64 val)
{
	must(c->cpl == 0, "privilege");
	xmm_writes++;
}

static enum emu_result f_cpuid(struct emu_ctxt *c, u32 regs[4])
{
	fill(regs, case_seed, 16);
	return EMU_OK;
}

static u64 f_get_tsc(struct emu_ctxt *c)
{
	return case_seed;
}

static enum emu_result f_get_pmc(struct emu_ctxt *c, u32 index, u64 *val)
{
	*val = case_seed;
	return access_op(c, 141, index, 1);
}

static enum emu_result f_get_msr(struct emu_ctxt *c, u32 index, u64 *val)
{
	must(c->cpl == 0, "privilege");
	*val = case_seed;
	return access_op(c, 142, index, 1);
}

static enum emu_result f_set_msr(struct emu_ctxt *c, u32 index, u64 val)
{
	must(c->cpl == 0, "privilege");
	return access_op(c, 143, index + val, 1);
}

static enum emu_result f_monitor(struct emu_ctxt *c)
{
	return access_op(c, 144, 0, 1);
}

static void f_get_fx(struct emu_ctxt *c, void *fx)
{
	fill(fx, case_seed, 512);
}

static void f_set_fx(struct emu_ctxt *c, const void *fx)
{
	xmm_writes++;
}

static enum emu_result f_task_switch(struct emu_ctxt *c, u16 selector, enum emu_task source, u8 via)
{
	enum emu_result r = access_op(c, 150 + source, selector + via, 1);

	must(c->mode > EMU_VM86 || source == EMU_TASK_GATE, "a task of protected mode");
	c->switched = r == EMU_OK;
	return r;
}

static enum emu_result f_invlpg(struct emu_ctxt *c, u64 gva)
{
	return access_op(c, 130, gva, 1);
}

static enum emu_result f_wbinvd(struct emu_ctxt *c)
{
	return access_op(c, 131, 0, 1);
}

static const struct emu_ops fuzz_ops = {
	.fetch = f_fetch, .read = f_read, .write = f_write, .probe = f_probe,
	.cmpxchg = f_cmpxchg, .pio_in = f_pio_in, .pio_out = f_pio_out,
	.get_segment = f_get_segment, .get_cr = f_get_cr, .set_cr = f_set_cr,
	.has = f_has, .get_dr = f_get_dr, .set_dr = f_set_dr, .get_xmm = f_get_xmm,
	.set_xmm = f_set_xmm,
	.get_ymm = f_get_ymm, .set_ymm = f_set_ymm, .get_xcr0 = f_get_xcr0,
	.set_segment = f_set_segment, .get_dt = f_get_dt, .set_dt = f_set_dt, .is_lma = f_is_lma,
	.get_x87 = f_get_x87, .set_x87 = f_set_x87,
	.set_xcr0 = f_set_xcr0, .is_intel = f_is_intel, .get_sysreg = f_get_sysreg,
	.set_kernel_gs_base = f_set_kernel_gs_base, .cpuid = f_cpuid, .get_tsc = f_get_tsc,
	.get_pmc = f_get_pmc, .get_msr = f_get_msr, .set_msr = f_set_msr, .monitor = f_monitor,
	.get_fx = f_get_fx, .set_fx = f_set_fx, .task_switch = f_task_switch,
	.invlpg = f_invlpg, .wbinvd = f_wbinvd,
};

/* Bytes: plain random, or prefixes before an opcode, so that more of them mean something. */
static void gen_code(void)
{
	static const u8 prefixes[] = { 0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x2e, 0x36, 0x64, 0x48, 0x4f };
	unsigned int i, n = rnd() % 4;

	for (i = 0; i < sizeof(code); i++)
		code[i] = rnd();
	if (rnd() % 3 == 0)
		return;
	if (rnd() % 100 == 0)
		n = rnd() % 16;
	for (i = 0; i < n && i < sizeof(code); i++)
		code[i] = prefixes[rnd() % sizeof(prefixes)];
	if (rnd() % 3 == 0 && n < sizeof(code))
		code[n] = rnd() % 4 ? 0x0f : 0xc4 + rnd() % 2;
}

static void gen_context(struct emu_ctxt *c)
{
	unsigned int i;

	case_seed = rnd();
	c->ops = &fuzz_ops;
	c->mode = rnd() % 5;
	c->cpl = c->mode == EMU_REAL ? 0 : c->mode == EMU_VM86 ? 3 : rnd() % 4;
	c->regs = ctxt_regs;
	for (i = 0; i < EMU_NR_REGS; i++)
		c->regs[i] = rnd() >> (rnd() & 63);
	c->rip = rnd() >> (c->mode == EMU_PROT64 ? 17 : c->mode == EMU_PROT32 ? 33 : 49);
	c->rflags = (rnd() & 0x3f7fd5) | 2;
	c->batch_buf = rnd() & 1 ? bounce : NULL;
	c->batch_bytes = rnd() % (sizeof(bounce) + 1);
	c->rep_limit = rnd() % 20;
	fail_one_in = rnd() & 1 ? 4 + rnd() % 8 : 0;
	io_after = 0;
}

static void check_result(const struct emu_ctxt *was, enum emu_result r)
{
	const struct emu_ctxt *c = &ctxt;

	must(r <= EMU_UNHANDLED, "result is one of the enum");
	must(c->nr_staged <= 8, "stage");
	must(r != EMU_FAULT || c->fault.valid, "a fault says which");
	must(c->flags & EMU_F_STRING || accesses <= 64, "number of accesses");
	if (r == EMU_OK) {
		must(!c->restarted || c->rip == was->rip, "restarted: rip");
		return;
	}
	must(c->rip == was->rip && c->rflags == was->rflags && c->cpl == was->cpl,
	     "failed: rip, rflags and cpl");
	must(!xmm_writes, "failed: XMM");
	if (!(c->flags & EMU_F_STRING))
		must(!memcmp(ctxt_regs, was_regs, sizeof(was_regs)), "failed: registers");
}

/* Stop at a random access as for user space, then run again: the same accesses lead there. */
static void check_replay(void)
{
	unsigned int stop = 1 + rnd() % 3;
	u64 rip = ctxt.rip, regs[EMU_NR_REGS];

	fail_one_in = 0;
	memcpy(regs, ctxt.regs, sizeof(regs));
	ctxt.rep_limit = 1;
	log_hash = 0;
	io_after = stop;
	if (emu_execute(&ctxt) != EMU_IO)
		return;
	must(ctxt.rip == rip && !memcmp(regs, ctxt.regs, sizeof(regs)), "EMU_IO: state");
	log_hash = 0;
	io_after = stop;
	must(emu_execute(&ctxt) == EMU_IO && log_hash == log_before, "replay");
	io_after = 0;
	accesses = 0;
	emu_execute(&ctxt);
}

/* What emu_end_move() leaves of the context is what emu_execute() left in @done. */
static void check_ends(const struct emu_ctxt *done, const u64 regs[EMU_NR_REGS])
{
	const struct emu_ctxt *c = &ctxt;

	must(!memcmp(regs, ctxt_regs, sizeof(ctxt_regs)), "a move's registers");
	must(c->rip == done->rip && c->rflags == done->rflags && c->cpl == done->cpl,
	     "a move's rip, rflags and cpl");
	must(c->single_step == done->single_step && c->shadow == done->shadow &&
	     c->restarted == done->restarted && c->halt == done->halt && c->iret == done->iret &&
	     c->switched == done->switched && c->next_segs == done->next_segs, "a move's results");
}

/* Made by somebody who knows where it goes, a move must not differ from one made here. */
static void check_move(void)
{
	u64 regs[EMU_NR_REGS], val = 0;
	struct emu_ctxt was, done;
	struct emu_move move;

	if (!emu_is_move(&ctxt, &move))
		return;
	was = ctxt;
	fail_one_in = 0;
	accesses = 0;
	memcpy(was_regs, ctxt_regs, sizeof(was_regs));
	if (emu_execute(&ctxt) != EMU_OK) {
		/* The exit would have told that the access is allowed, but not the instruction. */
		must(ctxt.fault.valid && ctxt.fault.vector != X86_TRAP_UD, "a move that is none");
		return;
	}
	moves++;
	must(accesses == 1 && last.write == move.store && last.len == move.size, "a move's access");
	must(!move.flat || last.gva == move.ea, "a move's address");
	must(!move.store || !memcmp(&last.val, &move.val, move.size), "a move's value");
	done = ctxt;
	memcpy(regs, ctxt_regs, sizeof(regs));
	ctxt = was;
	memcpy(ctxt_regs, was_regs, sizeof(was_regs));
	fill(&val, last.gva, move.size);
	emu_end_move(&ctxt, val);
	check_ends(&done, regs);
}

static void one_case(unsigned int executed[5])
{
	struct emu_ctxt *c = &ctxt, was;
	enum emu_result r;

	gen_code();
	gen_context(c);
	accesses = 0;
	xmm_writes = 0;
	was = *c;
	memcpy(was_regs, ctxt_regs, sizeof(was_regs));
	r = emu_decode(c, 0);
	must(c->fetched <= EMU_INSN_MAX, "fetched");
	must(!memcmp(was_regs, ctxt_regs, sizeof(was_regs)) && was.rip == c->rip, "decode: state");
	if (r != EMU_OK)
		return;
	must(c->insn_len >= 1 && c->insn_len <= EMU_INSN_MAX, "insn_len");
	r = emu_execute(c);
	check_result(&was, r);
	if (r <= EMU_UNHANDLED)
		executed[r]++;
	check_move();
	check_replay();
}

static void report(void)
{
	unsigned int i;

	printf("# broken: %s; mode %d:", broken, ctxt.mode);
	for (i = 0; i < sizeof(code); i++)
		printf(" %02x", code[i]);
	printf("\n");
}

int main(int argc, char **argv)
{
	unsigned long i, n = (argc > 1 ? strtoul(argv[1], NULL, 0) : 20000) * 100;
	unsigned int executed[5] = { 0 };
	bool enough;

	if (argc > 2)
		seed = strtoull(argv[2], NULL, 0) | 1;
	printf("TAP version 13\n1..2\n");
	for (i = 0; i < n && !broken; i++)
		one_case(executed);
	if (broken)
		report();
	printf("%sok 1 - %lu random instructions keep the emulator's promises\n",
	       broken ? "not " : "", i);
	printf("# ok %u, fault %u, io %u, retry %u, unhandled %u\n", executed[EMU_OK],
	       executed[EMU_FAULT], executed[EMU_IO], executed[EMU_RETRY], executed[EMU_UNHANDLED]);
	printf("# plain moves: %lu\n", moves);
	/* A fuzzer that gets nowhere proves nothing. */
	enough = executed[EMU_OK] > n / 10 && moves > n / 1000;
	printf("%sok 2 - a tenth of them executed, and some are plain moves\n",
	       enough ? "" : "not ");
	return broken || !enough;
}
