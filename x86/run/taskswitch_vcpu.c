// SPDX-License-Identifier: GPL-2.0-only
/*
 * Task switches of a vCPU: its memory for taskswitch.c, and what a switch does to events
 * in flight.  What a task switch is stands there.
 */
#include <asm/trapnr.h>
#include <uapi/asm/debugreg.h>

#include "mmu/guest.h"
#include "mmu/walk.h"
#include "x86/emulate/emulate.h"
#include "x86/machine/vm.h"
#include "x86/run/cr.h"
#include "x86/run/emulate_vcpu.h"
#include "x86/run/event_queue.h"
#include "x86/run/events.h"
#include "x86/run/skip.h"
#include "x86/run/taskswitch.h"
#include "x86/run/taskswitch_vcpu.h"
#include "x86/run/walk.h"

/**
 * struct task_glue - one switch
 * @t: it
 * @vcpu: whose
 * @mode: how addresses are translated just now
 * @err: why an op gave EMU_UNHANDLED, when the VMM is to hear it
 */
struct task_glue {
	struct task_switch t;
	struct vcpu *vcpu;
	struct paging_mode mode;
	int err;
};

static struct task_glue *task_of(struct task_switch *t)
{
	return t->owner;
}

static struct mmu *task_mmu(struct task_glue *g)
{
	return &g->vcpu->vm->mmu;
}

/* Where there is no memory, or none to write to, no task is switched. */
static enum emu_result task_result(struct task_glue *g, int err)
{
	if (!err)
		return EMU_OK;
	if (err == -EAGAIN || err == -EINTR)
		return EMU_RETRY;
	if (err != -ENXIO && err != -EROFS)
		g->err = err;
	return EMU_UNHANDLED;
}

static enum emu_result task_translate(struct task_glue *g, u32 gva, u32 access, gpa_t *gpa)
{
	struct walk_fault fault;
	int err = mmu_walk(task_mmu(g), &g->mode, gva, access, gpa, &fault);

	if (!err || !fault.valid)
		return task_result(g, err);
	g->t.fault = walk_fault_found(&fault);
	return EMU_FAULT;
}

static unsigned int task_in_page(u32 gva, unsigned int len)
{
	return min_t(unsigned int, len, PAGE_SIZE - offset_in_page(gva));
}

static enum emu_result task_op_read(struct task_switch *t, u32 gva, void *buf, unsigned int len)
{
	struct task_glue *g = task_of(t);
	enum emu_result r = EMU_OK;

	while (len && r == EMU_OK) {
		unsigned int n = task_in_page(gva, len);
		gpa_t gpa;

		r = task_translate(g, gva, MMU_READ | MMU_IMPLICIT, &gpa);
		if (r == EMU_OK)
			r = task_result(g, guest_read(task_mmu(g), gpa, buf, n));
		gva += n;
		buf += n;
		len -= n;
	}
	return r;
}

/* At most two pages: both are translated before a byte changes. */
static enum emu_result task_op_write(struct task_switch *t, u32 gva, const void *buf,
				     unsigned int len, bool user)
{
	u32 access = MMU_WRITE | (user ? MMU_USER : MMU_IMPLICIT);
	struct task_glue *g = task_of(t);
	unsigned int n = task_in_page(gva, len);
	gpa_t gpa, gpa2 = 0;
	enum emu_result r = task_translate(g, gva, access, &gpa);

	if (r == EMU_OK && n < len)
		r = task_translate(g, gva + n, access, &gpa2);
	if (r == EMU_OK)
		r = task_result(g, guest_write(task_mmu(g), gpa, buf, n));
	if (r == EMU_OK && n < len)
		r = task_result(g, guest_write(task_mmu(g), gpa2, buf + n, len - n));
	return r;
}

static enum emu_result task_op_probe(struct task_switch *t, u32 gva, unsigned int len)
{
	struct task_glue *g = task_of(t);
	enum emu_result r = EMU_OK;

	while (len && r == EMU_OK) {
		unsigned int n = task_in_page(gva, len);
		gpa_t gpa;
		u8 byte;

		r = task_translate(g, gva, MMU_WRITE | MMU_IMPLICIT, &gpa);
		if (r == EMU_OK)
			r = task_result(g, guest_read(task_mmu(g), gpa, &byte, 1));
		gva += n;
		len -= n;
	}
	return r;
}

/* Across pages no atomic access is possible. */
static enum emu_result task_op_exchange(struct task_switch *t, u32 gva, u64 old, u64 new)
{
	struct task_glue *g = task_of(t);
	u64 seen = old;
	enum emu_result r;
	gpa_t gpa;

	if (task_in_page(gva, sizeof(new)) < sizeof(new))
		return task_op_write(t, gva, &new, sizeof(new), false);
	r = task_translate(g, gva, MMU_WRITE | MMU_IMPLICIT, &gpa);
	if (r == EMU_OK)
		r = task_result(g, guest_cmpxchg(task_mmu(g), gpa, &seen, &new, sizeof(new)));
	return r == EMU_OK && seen != old ? EMU_RETRY : r;
}

static enum emu_result task_op_check_cr3(struct task_switch *t, u32 cr3)
{
	enum guest_fault fault = cr_check_cr3(task_of(t)->vcpu, cr3);

	if (fault != X86_FAULT)
		return fault ? EMU_RETRY : EMU_OK;
	t->fault = (struct emu_fault) { .valid = true, .vector = X86_TRAP_GP, .has_error = true };
	return EMU_FAULT;
}

static void task_op_use_cr3(struct task_switch *t, u32 cr3)
{
	task_of(t)->mode.cr3 = cr3;
}

static const struct task_ops task_ops = {
	.read = task_op_read,
	.write = task_op_write,
	.probe = task_op_probe,
	.exchange = task_op_exchange,
	.check_cr3 = task_op_check_cr3,
	.use_cr3 = task_op_use_cr3,
};

/* Was it an instruction of the program?  Then the old task goes on behind it. */
static bool task_is_instruction(const struct exit_facts *f)
{
	return f->task.source != TASK_GATE || f->vectoring.type == EVENT_SOFT_INT ||
	       f->vectoring.type == EVENT_SOFT_EXC;
}

/* Where no delivery was cut, only the event's type means anything: the rest is older. */
static struct x86_event task_event(const struct exit_facts *f)
{
	if (f->vectoring.type == EVENT_NONE)
		return (struct x86_event) { .type = EVENT_NONE };
	return f->vectoring;
}

static u8 task_insn_len(struct vcpu *vcpu, const struct exit_facts *f, int *err)
{
	return task_event(f).insn_len ?: emulate_insn_len(vcpu, f, err);
}

static void task_begin(struct task_glue *g, struct vcpu *vcpu, const struct task_request *req)
{
	vcpu_need(vcpu, ST_SEGS | ST_DT | ST_CR | ST_DR);
	g->vcpu = vcpu;
	walk_paging_mode(vcpu, &g->mode);
	g->t.ops = &task_ops;
	g->t.owner = g;
	g->t.st = &vcpu->st;
	g->t.event = req->event;
	g->t.selector = req->selector;
	g->t.source = req->source;
	g->t.next_eip = req->next_eip;
}

static void task_switched(struct task_glue *g)
{
	struct vcpu *vcpu = g->vcpu;

	vcpu_changed(vcpu, ST_SEGS | ST_CR | ST_DR);
	vcpu_flush_guest(vcpu);
	vcpu_request(vcpu, REQ_PDPTES);
	vcpu_request(vcpu, REQ_EVENT);
	if (g->t.source == TASK_IRET)
		vcpu->ev.nmi_masked = false;
	if (g->t.debug_trap)
		event_queue_debug(vcpu, DR_SWITCH);
}

/**
 * task_switch_by() - switch to another task
 * @vcpu: owned and loaded; the caller is in vm->mmu.srcu
 * @req: what asks for it; its second group is filled
 *
 * Return: EMU_OK: the new task runs. EMU_FAULT: @req->fault is to be raised. EMU_RETRY: a
 * signal, or another vCPU, came first: nothing has changed. EMU_UNHANDLED: there is no memory
 * where it must be.
 */
enum emu_result task_switch_by(struct vcpu *vcpu, struct task_request *req)
{
	struct task_glue g = { };
	enum emu_result r;

	task_begin(&g, vcpu, req);
	r = task_switch(&g.t);
	if (g.t.switched)
		task_switched(&g);
	req->switched = g.t.switched;
	req->fault = g.t.fault;
	req->err = g.err;
	return r;
}

/* No task can be switched to in this state: the machine cannot go on. */
static enum exit_outcome task_unhandled(struct vcpu *vcpu, const struct task_request *req,
					const struct exit_facts *f)
{
	struct kvm_run *run = vcpu->run;

	if (req->err)
		return vcpu_fails(vcpu, req->err);
	run->exit_reason = KVM_EXIT_INTERNAL_ERROR;
	run->internal.suberror = KVM_INTERNAL_ERROR_EMULATION;
	run->internal.ndata = 3;
	run->internal.data[0] = f->hw[0];
	run->internal.data[1] = f->hw[1];
	run->internal.data[2] = f->hw[2];
	return OUTCOME_USER;
}

/**
 * task_switch_vcpu() - EXIT_TASK_SWITCH
 * @vcpu: owned and loaded; the caller is in vm->mmu.srcu
 * @f: the exit; an event whose delivery is this switch is noted as cut
 *
 * Return: as exit_handle(). When memory fails the instruction or the event stays to be had
 * again.
 */
enum exit_outcome task_switch_vcpu(struct vcpu *vcpu, const struct exit_facts *f)
{
	struct task_request req = {
		.event = task_event(f), .selector = f->task.selector, .source = f->task.source,
	};
	enum emu_result r;
	u8 len = 0;
	int err;

	if (task_is_instruction(f)) {
		len = task_insn_len(vcpu, f, &err);
		if (!len)
			return skip_again(vcpu, err);
	}
	req.next_eip = vcpu->st.rip + len;
	r = task_switch_by(vcpu, &req);
	if (r == EMU_RETRY)
		return OUTCOME_ENTER;
	if (r != EMU_OK && r != EMU_FAULT)
		return task_unhandled(vcpu, &req, f);
	events_taken(vcpu, &f->vectoring, r == EMU_FAULT);
	if (r == EMU_FAULT)
		event_queue_fault(vcpu, &req.fault);
	return OUTCOME_ENTER;
}
