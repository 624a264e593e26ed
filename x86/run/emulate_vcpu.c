// SPDX-License-Identifier: GPL-2.0-only
/*
 * An instruction that is executed in software for a vCPU: how it begins, what its result means
 * for the guest and the VMM, and what of it is kept for the next one.
 *
 * What an instruction does is x86/emulate's affair; what it reaches of the vCPU is in
 * emulate_ops.c, emulate_memory.c, emulate_device.c and emulate_system.c.
 */
#include <linux/gfp.h>
#include <linux/slab.h>
#include <asm/traps.h>

#include "mmu/guest.h"
#include "mmu/memo.h"
#include "x86/machine/vm.h"
#include "x86/run/emulate_glue.h"
#include "x86/run/emulate_vcpu.h"
#include "x86/run/event_queue.h"
#include "x86/run/events.h"
#include "x86/run/exits.h"
#include "x86/run/walk.h"

/**
 * emulator_init() - give a vCPU an instruction emulator
 * @vcpu: being created
 *
 * Return: 0 or -ENOMEM.
 */
int emulator_init(struct vcpu *vcpu)
{
	struct glue *g = kzalloc(sizeof(*g), GFP_KERNEL_ACCOUNT);

	if (!g)
		return -ENOMEM;
	g->c.batch_bytes = PAGE_SIZE;
	g->c.ops = &glue_ops;
	g->c.regs = vcpu->st.gpr;
	g->vcpu = vcpu;
	vcpu->emu = &g->c;
	return 0;
}

/**
 * emulator_free() - take it away
 * @vcpu: dying, with one
 */
void emulator_free(struct vcpu *vcpu)
{
	free_page((unsigned long)vcpu->emu->batch_buf);
	kfree(glue_of(vcpu->emu));
}

/* The emulator knows none of our types, and has the same numbers. */
static_assert((int)EMU_R15 == (int)GPR_R15 && (int)EMU_NR_REGS == (int)GPR_NR);

static enum emu_mode glue_mode(struct vcpu *vcpu)
{
	const struct x86_state *st = &vcpu->st;

	vcpu_need(vcpu, ST_CODE);
	if (!(st->cr0 & X86_CR0_PE))
		return EMU_REAL;
	if (st->rflags & X86_EFLAGS_VM)
		return EMU_VM86;
	if ((st->efer & EFER_LMA) && st->code.l)
		return EMU_PROT64;
	return st->code.db ? EMU_PROT32 : EMU_PROT16;
}

/* Inline, as are others of their kind below, where every exit to a device comes by. */
static __always_inline struct glue *glue_start(struct vcpu *vcpu)
{
	struct emu_ctxt *c = vcpu->emu;
	struct glue *g = glue_of(c);

	g->device = GLUE_NO_PAGE;
	g->err = 0;
	g->interrupted = false;
	vcpu_need(vcpu, ST_CODE | ST_CR);
	walk_paging_mode(vcpu, &g->mode);
	c->mode = glue_mode(vcpu);
	c->cpl = vcpu->st.code.cpl;
	c->rip = vcpu->st.rip;
	c->rflags = vcpu->st.rflags;
	vcpu->io.log_pos = 0;
	vcpu->io.nr_writes = 0;
	return g;
}

/**
 * glue_begin() - begin a run of the emulator
 * @vcpu: owned and loaded
 *
 * Return: it; no page is known to be a device's. The next one ends it.
 */
struct glue *glue_begin(struct vcpu *vcpu)
{
	return glue_start(vcpu);
}

/**
 * glue_error() - an accessor's -errno as the emulator's result
 * @g: run
 * @err: -errno
 *
 * Return: EMU_RETRY or EMU_UNHANDLED.
 */
enum emu_result glue_error(struct glue *g, int err)
{
	if (err == -EINTR || err == -EAGAIN) {
		g->interrupted |= err == -EINTR;
		return EMU_RETRY;
	}
	g->err = err;
	return EMU_UNHANDLED;
}

/*
 * KVM_EXIT_INTERNAL_ERROR with the instruction, for people and VMMs. A user-mode program
 * must not be able to end its machine in this way: outside of ring 0 the guest gets #UD,
 * unless the VMM asked for these exits, too, to go on after them
 * (KVM_CAP_EXIT_ON_EMULATION_FAILURE).
 */
static enum exit_outcome glue_unhandled(struct vcpu *vcpu)
{
	const struct emu_ctxt *c = vcpu->emu;
	struct kvm_run *run = vcpu->run;

	vcpu->counts.not_emulated++;
	if (c->cpl && !READ_ONCE(vcpu->vm->enabled.emulation_exits)) {
		event_queue_exception(vcpu, X86_TRAP_UD);
		return OUTCOME_ENTER;
	}
	memset(&run->emulation_failure, 0, sizeof(run->emulation_failure));
	run->exit_reason = KVM_EXIT_INTERNAL_ERROR;
	run->emulation_failure.suberror = KVM_INTERNAL_ERROR_EMULATION;
	run->emulation_failure.ndata = 3;
	run->emulation_failure.flags = KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES;
	run->emulation_failure.insn_size = min_t(u8, c->fetched, EMU_INSN_MAX);
	memcpy(run->emulation_failure.insn_bytes, c->insn, run->emulation_failure.insn_size);
	return OUTCOME_USER;
}

static enum exit_outcome glue_delivery_error(struct vcpu *vcpu, const struct exit_facts *f)
{
	struct kvm_run *run = vcpu->run;

	run->exit_reason = KVM_EXIT_INTERNAL_ERROR;
	run->internal.suberror = KVM_INTERNAL_ERROR_DELIVERY_EV;
	run->internal.ndata = 3;
	run->internal.data[0] = f->vectoring.vector | f->vectoring.type << 8;
	run->internal.data[1] = f->hw[0];
	run->internal.data[2] = f->tdp.gpa;
	return OUTCOME_USER;
}

/* What the instruction has left in the context; another task has left it elsewhere. */
static void glue_commit(struct vcpu *vcpu)
{
	struct emu_ctxt *c = vcpu->emu;

	vcpu->st.rip = c->rip;
	vcpu->st.rflags = c->rflags;
	vcpu->st.shadow = c->shadow;
	if (unlikely(c->next_segs))	/* they were written, and cpl is one of that part */
		vcpu->st.cpl = c->cpl;
	if (unlikely(c->iret)) {
		vcpu->ev.nmi_masked = false;
		vcpu_request(vcpu, REQ_EVENT);
	}
	if (c->single_step)
		event_queue_debug(vcpu, DR_STEP);
}

static enum exit_outcome glue_ok(struct vcpu *vcpu)
{
	struct emu_ctxt *c = vcpu->emu;
	struct vcpu_io *io = &vcpu->io;

	vcpu->counts.emulated++;
	if (likely(!c->switched))
		glue_commit(vcpu);
	if (unlikely(c->halt))
		return vcpu_halt(vcpu);
	/* OUTS waits for user space to take what it wrote. */
	if (io->complete)
		return OUTCOME_USER;
	io->next_write = 0;
	return io->nr_writes ? glue_next_write(vcpu) : OUTCOME_ENTER;
}

/* What it queued so far is forgotten, and queued again with the answer. */
static enum exit_outcome glue_wait_for_user(struct vcpu *vcpu)
{
	vcpu->io.rip = vcpu->st.rip;
	return OUTCOME_USER;
}

static enum exit_outcome glue_complete_interrupted(struct vcpu *vcpu)
{
	return vcpu->st.rip == vcpu->io.rip ? glue_emulate(vcpu, GLUE_NO_PAGE) : OUTCOME_ENTER;
}

/* Devices have answered some of the instruction, and must not be asked a second time. */
static bool glue_must_go_on(const struct glue *g)
{
	const struct vcpu_io *io = &g->vcpu->io;

	return g->interrupted && (io->log_len || io->pio_answered);
}

static enum exit_outcome glue_go_on_later(struct vcpu *vcpu)
{
	vcpu->io.rip = vcpu->st.rip;
	vcpu->io.complete = glue_complete_interrupted;
	vcpu->run->exit_reason = KVM_EXIT_INTR;
	return vcpu_fails(vcpu, -EINTR);
}

/**
 * glue_result() - what comes next, after decoding and executing
 * @g: run
 * @r: their result
 *
 * Return: as exit_handle().
 */
enum exit_outcome glue_result(struct glue *g, enum emu_result r)
{
	struct vcpu *vcpu = g->vcpu;

	if (unlikely(r == EMU_RETRY) && glue_must_go_on(g))
		return glue_go_on_later(vcpu);

	switch (r) {
	case EMU_OK:
		return glue_ok(vcpu);
	case EMU_IO:
		return glue_wait_for_user(vcpu);
	default:
		break;
	}
	/*
	 * Drop the pending instruction: its answer is no longer awaited, and its writes are
	 * not sent.
	 */
	vcpu->io.complete = NULL;
	if (r == EMU_UNHANDLED)
		return g->err ? vcpu_fails(vcpu, g->err) : glue_unhandled(vcpu);
	if (r == EMU_FAULT)
		event_queue_fault(vcpu, &vcpu->emu->fault);
	return OUTCOME_ENTER;
}

/* Do the first @len of 16 bytes differ? */
static bool insn_differs(const u8 *a, const u8 *b, unsigned int len)
{
	u64 x[2], y[2];

	memcpy(x, a, sizeof(x));
	memcpy(y, b, sizeof(y));
	if (len <= 8)
		return (x[0] ^ y[0]) << (64 - 8 * len);
	return x[0] != y[0] || (x[1] ^ y[1]) << (128 - 8 * len);
}

/*
 * What stands at rip, as @len bytes of one page; false: it takes more than a look, and so
 * decoding does.  Where memory must be waited for, decoding will do that, too.
 */
static bool glue_peek(struct glue *g, u8 *insn, unsigned int len)
{
	struct vcpu *vcpu = g->vcpu;
	struct emu_ctxt *c = vcpu->emu;
	u64 gva = c->rip;

	if (c->mode == EMU_PROT32) {
		gva = (u32)(gva + vcpu->st.code.base);
		if (c->rip > U32_MAX - len)
			return false;
	}
	if (offset_in_page(gva) > PAGE_SIZE - len)
		return false;
	if (!(g->mode.cr0 & X86_CR0_PG))
		return !guest_read(glue_mmu(g), gva, insn, len);
	return memo_read(glue_mmu(g), &vcpu->fetch_memo, &g->mode, gva, glue_fetch_access(c),
			 insn, len);
}

/*
 * Is the instruction at rip the one that was decoded last?  A driver's loop executes
 * the same few, and what decoding gives depends on the bytes and the mode alone.
 */
static __always_inline bool glue_is_decoded(struct glue *g)
{
	struct vcpu *vcpu = g->vcpu;
	struct emu_ctxt *c = vcpu->emu;
	u8 insn[16] = { };

	static_assert(sizeof(c->insn) >= sizeof(insn));
	/* Of user memory 8 bytes are read at once, and most instructions have no more. */
	if (!vcpu->emu_decoded || c->mode != c->decoded_mode ||
	    !glue_peek(g, insn, c->insn_len <= 8 ? 8 : sizeof(insn)))
		return false;
	return !insn_differs(insn, c->insn, c->insn_len);
}

static noinline enum emu_result glue_decode_anew(struct glue *g)
{
	struct vcpu *vcpu = g->vcpu;
	enum emu_result r = emu_decode(vcpu->emu, 0);

	/* In the older modes a segment's end cuts instructions, too. */
	vcpu->emu_decoded = r == EMU_OK && (vcpu->emu->mode == EMU_PROT64 ||
					    vcpu->emu->mode == EMU_PROT32);
	vcpu->emu->decoded_mode = vcpu->emu->mode;
	return r;
}

/**
 * glue_decode() - decode what stands at rip, if it is not what was decoded last
 * @g: begun
 *
 * Return: as emu_decode().
 */
enum emu_result glue_decode(struct glue *g)
{
	return glue_is_decoded(g) ? EMU_OK : glue_decode_anew(g);
}

/* May what the exit tells of the access stand for the instruction's own? */
static __always_inline bool glue_knows_access(const struct exit_facts *f)
{
	return f->kind == EXIT_TDP_FAULT && !f->tdp.table_walk &&
	       (f->tdp.access == MMU_WRITE || f->tdp.access == MMU_READ);
}

/**
 * glue_emulate() - decode what stands at rip, execute it, and say what comes next
 * @vcpu: owned and loaded, its FPU too; the caller is in vm->mmu.srcu
 * @device: of struct glue
 *
 * Return: as exit_handle().
 */
enum exit_outcome glue_emulate(struct vcpu *vcpu, gfn_t device)
{
	struct glue *g = glue_start(vcpu);
	enum emu_result r;

	g->device = device;
	r = likely(glue_is_decoded(g)) ? EMU_OK : glue_decode_anew(g);
	if (r == EMU_OK)
		r = emu_execute(&g->c);
	return likely(r == EMU_OK) ? glue_ok(vcpu) : glue_result(g, r);
}

static bool glue_move_known(struct vcpu *vcpu, const struct exit_facts *f)
{
	struct glue *g = glue_start(vcpu);

	return likely(glue_is_decoded(g)) &&
	       glue_move(g, f->tdp.gpa, f->tdp.access == MMU_WRITE);
}

/**
 * emulate_vcpu() - execute the instruction at rip in software
 * @vcpu: owned and loaded, its FPU too; the caller is in vm->mmu.srcu
 * @f: the exit that asks for it
 *
 * Return: as exit_handle().
 */
enum exit_outcome emulate_vcpu(struct vcpu *vcpu, const struct exit_facts *f)
{
	/* Not the instruction at rip made this access. */
	if (f->kind == EXIT_TDP_FAULT && f->vectoring.type != EVENT_NONE)
		return glue_delivery_error(vcpu, f);
	/* No answer of user space to another instruction is good for this one. */
	vcpu->io.log_len = 0;
	vcpu->io.pio_answered = false;
	if (likely(glue_knows_access(f)) && glue_move_known(vcpu, f))
		return glue_ok(vcpu);
	/* The page is in no slot, or it was a write to a slot that may only be read. */
	return glue_emulate(vcpu, f->kind == EXIT_TDP_FAULT ? f->tdp.gpa >> PAGE_SHIFT :
			    GLUE_NO_PAGE);
}

/**
 * emulate_event() - deliver an event to the guest in software
 * @vcpu: as for emulate_vcpu()
 * @e: the event, which has been taken as one that goes in
 *
 * Return: as exit_handle(). Where memory must be waited for the event stays to be had again.
 */
enum exit_outcome emulate_event(struct vcpu *vcpu, const struct x86_event *e)
{
	const struct emu_event event = {
		.vector = e->vector, .insn_len = e->insn_len,
		.has_error = e->has_error, .error = e->error,
	};
	const struct exit_facts f = { .vectoring = *e };
	struct glue *g = glue_begin(vcpu);
	enum emu_result r;

	vcpu->io.log_len = 0;
	vcpu->io.pio_answered = false;
	vcpu->emu_decoded = false;
	r = emu_deliver(&g->c, &event);
	if (r == EMU_RETRY)
		return OUTCOME_ENTER;
	if (r != EMU_OK && r != EMU_FAULT) {
		vcpu->io.complete = NULL;
		return g->err ? vcpu_fails(vcpu, g->err) : glue_delivery_error(vcpu, &f);
	}
	events_taken(vcpu, e, r == EMU_FAULT);
	if (r == EMU_FAULT) {
		event_queue_fault(vcpu, &g->c.fault);
		return OUTCOME_ENTER;
	}
	if (likely(!g->c.switched))
		glue_commit(vcpu);
	/* A frame may lie in a device. */
	vcpu->io.next_write = 0;
	return unlikely(vcpu->io.nr_writes) ? glue_next_write(vcpu) : OUTCOME_ENTER;
}
