// SPDX-License-Identifier: GPL-2.0-only
/*
 * The instruction that stands at rip, looked at for a reason of its own: how long it is, what
 * it is, whether it is to be executed in software or replaced, because this CPU has it not.
 */
#include <linux/moduleparam.h>

#include "x86/machine/vm.h"
#include "x86/run/emulate_glue.h"
#include "x86/run/emulate_vcpu.h"
#include "x86/run/event_queue.h"
#include "x86/run/exits.h"

/* Where the byte at rip + @offset is, before paging. */
static u64 glue_code_at(struct vcpu *vcpu, unsigned int offset)
{
	u64 gva = vcpu->st.rip + vcpu->st.code.base + offset;

	return vcpu->st.efer & EFER_LMA ? gva : (u32)gva;
}

/* The prefix that asks for emulation: UD2 and a name. KVM has the same. */
static const u8 forced_prefix[] = { 0x0f, 0x0b, 'k', 'v', 'm' };

static int force_emulation_prefix;
module_param(force_emulation_prefix, int, 0644);
MODULE_PARM_DESC(force_emulation_prefix,
		 "execute what follows UD2 and \"kvm\" in software: for tests");

/* Is it what stands at rip?  EMU_OK: yes; EMU_RETRY: that has to wait. */
static enum emu_result glue_is_forced(struct vcpu *vcpu)
{
	u8 insn[sizeof(forced_prefix)];
	enum emu_result r = EMU_OK;
	unsigned int i;

	glue_begin(vcpu);
	for (i = 0; i < sizeof(insn) && r == EMU_OK; i++)
		r = glue_fetch(vcpu->emu, glue_code_at(vcpu, i), &insn[i], 1);
	if (r == EMU_OK && memcmp(insn, forced_prefix, sizeof(insn)))
		return EMU_UNHANDLED;
	return r;
}

/* Where it is to be executed again, or goes on, it is so in software. */
static enum exit_outcome glue_emulate_forced(struct vcpu *vcpu)
{
	u64 rip = vcpu->st.rip, behind = rip + sizeof(forced_prefix);
	enum exit_outcome outcome;
	enum emu_result r;
	struct glue *g;

	if (vcpu->emu->mode != EMU_PROT64)
		behind = (u32)behind;
	vcpu->st.rip = behind;
	g = glue_begin(vcpu);
	r = glue_decode(g);
	if (r == EMU_OK)
		r = emu_execute(&g->c);
	outcome = glue_result(g, r);
	if (vcpu->st.rip == behind && (r == EMU_OK ? vcpu->emu->restarted :
					r == EMU_RETRY && outcome == OUTCOME_ENTER))
		vcpu->st.rip = rip;
	return outcome;
}

/* Does the guest's CPU have what stands at rip, and this one not?  As glue_is_forced(). */
static enum emu_result glue_is_missing(struct vcpu *vcpu)
{
	enum emu_result r = glue_decode(glue_begin(vcpu));
	enum emu_need need;

	if (r != EMU_OK)
		return r;
	need = emu_needs(vcpu->emu);
	if (need && !boot_cpu_has(glue_feature[need]) && cpuid_has(vcpu, glue_feature[need]))
		return EMU_OK;
	return EMU_UNHANDLED;
}

/**
 * emulate_undefined() - execute in software what was #UD on this CPU
 * @vcpu: owned and loaded, its FPU too; the caller is in vm->mmu.srcu
 * @outcome: set when it was: what is next
 *
 * That is what the guest's CPUID has and this CPU has not, as KVM_GET_EMULATED_CPUID says,
 * and, where the operator wants that, what has the prefix which asks for it.
 *
 * Return: whether it was.
 */
bool emulate_undefined(struct vcpu *vcpu, enum exit_outcome *outcome)
{
	enum emu_result r = EMU_UNHANDLED;

	*outcome = OUTCOME_ENTER;
	vcpu->io.log_len = 0;
	vcpu->io.pio_answered = false;
	if (unlikely(READ_ONCE(force_emulation_prefix)))
		r = glue_is_forced(vcpu);
	if (r == EMU_OK) {
		*outcome = glue_emulate_forced(vcpu);
		return true;
	}
	if (r != EMU_RETRY)
		r = glue_is_missing(vcpu);
	if (r == EMU_OK)
		*outcome = glue_emulate(vcpu, GLUE_NO_PAGE);
	return r == EMU_OK || r == EMU_RETRY;
}

/**
 * emulate_insn_len() - length of the instruction that caused an exit
 * @vcpu: owned and loaded; rip stands on it
 * @f: the exit
 * @err: set with a length of 0
 *
 * Return: it; 0, and *@err is -errno, or 0 when it cannot be fetched, the guest's fault is then
 * queued, or when what stands there is no instruction that we know: another vCPU has rewritten
 * it since, and the guest executes what is there now.
 */
u8 emulate_insn_len(struct vcpu *vcpu, const struct exit_facts *f, int *err)
{
	enum emu_result r;
	struct glue *g;

	if (likely(f->insn_len))
		return f->insn_len;
	g = glue_begin(vcpu);
	r = glue_decode(g);
	if (r == EMU_OK)
		return vcpu->emu->insn_len;
	if (r == EMU_FAULT)
		event_queue_fault(vcpu, &vcpu->emu->fault);
	*err = r == EMU_UNHANDLED ? g->err : 0;
	return 0;
}

static bool is_hypercall(const u8 *insn)
{
	return insn[0] == 0x0f && insn[1] == 0x01 && (insn[2] == 0xc1 || insn[2] == 0xd9);
}

/**
 * emulate_fix_hypercall() - write this CPU's hypercall over the other vendor's
 * @vcpu: owned and loaded; what stands at rip was #UD
 * @outcome: set when it was one: what is next, perhaps with a fault of that write queued
 *
 * So that a guest which chose its hypercall by another CPU than the one where it is now
 * finds the right one when it executes it again.  The guest itself must be able to write
 * there.
 *
 * Return: whether it was; false also when it lies in memory that keeps what it has.
 */
bool emulate_fix_hypercall(struct vcpu *vcpu, enum exit_outcome *outcome)
{
	const u8 *own = backend->caps->hypercall;
	enum emu_result r = EMU_OK;
	u8 insn[HYPERCALL_LEN];
	struct glue *g = glue_begin(vcpu);
	unsigned int i;

	*outcome = OUTCOME_ENTER;
	for (i = 0; i < HYPERCALL_LEN && r == EMU_OK; i++)
		r = glue_fetch(vcpu->emu, glue_code_at(vcpu, i), &insn[i], 1);
	if (r != EMU_OK || !is_hypercall(insn) || !memcmp(insn, own, HYPERCALL_LEN))
		return r == EMU_RETRY;
	r = glue_write(vcpu->emu, glue_code_at(vcpu, 0), own, HYPERCALL_LEN, 0);
	if (r == EMU_FAULT)
		event_queue_fault(vcpu, &vcpu->emu->fault);
	if (r != EMU_UNHANDLED)
		return !vcpu->io.nr_writes;
	*outcome = vcpu_fails(vcpu, g->err);
	return g->err;
}

static bool is_prefix(u8 byte, bool is_64)
{
	switch (byte) {
	case 0x26:
	case 0x2e:
	case 0x36:
	case 0x3e:
	case 0x64 ... 0x67:
	case 0xf0:
	case 0xf2:
	case 0xf3:
		return true;
	default:
		return is_64 && byte >= 0x40 && byte <= 0x4f;
	}
}

/* Of @bytes, of which @count could be read; false when that is too few. */
static bool insn_scan(const u8 *bytes, unsigned int count, struct insn_peek *insn)
{
	unsigned int i = 0;

	insn->rex_w = insn->lock = false;
	while (i < count && is_prefix(bytes[i], insn->is_64)) {
		insn->lock |= bytes[i] == 0xf0;
		insn->rex_w = insn->is_64 && (bytes[i] & 0xf8) == 0x48;
		i++;
	}
	insn->two_byte = i < count && bytes[i] == 0x0f;
	i += insn->two_byte;
	if (i >= count)
		return false;
	insn->opcode = bytes[i];
	insn->len = i + 1;
	insn->has_next = i + 1 < count;
	insn->next = insn->has_next ? bytes[i + 1] : 0;
	return true;
}

/* INT n, of which n was not among the bytes. */
static bool insn_wants_next(const struct insn_peek *insn)
{
	return insn->opcode == 0xcd && !insn->two_byte && !insn->has_next;
}

/**
 * emulate_peek_insn() - what is the next instruction?
 * @vcpu: owned and loaded; process context
 * @insn: filled
 *
 * Nothing is decided by what cannot be read: the guest will get that fault, or not.  The
 * page behind that of the first byte is looked at only when the instruction is there, too.
 *
 * Return: whether it could be read.
 */
bool emulate_peek_insn(struct vcpu *vcpu, struct insn_peek *insn)
{
	u64 gva = glue_code_at(vcpu, 0);
	u8 bytes[EMU_INSN_MAX];
	unsigned int n = glue_in_page(gva, sizeof(bytes));

	glue_begin(vcpu);
	insn->is_64 = vcpu->emu->mode == EMU_PROT64;
	if (glue_fetch(vcpu->emu, gva, bytes, n) != EMU_OK)
		return false;
	if (insn_scan(bytes, n, insn) && !insn_wants_next(insn))
		return true;
	if (n < sizeof(bytes) && glue_fetch(vcpu->emu, glue_code_at(vcpu, n), &bytes[n],
					    sizeof(bytes) - n) == EMU_OK)
		n = sizeof(bytes);
	return insn_scan(bytes, n, insn);
}
