// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hardware task switches, in the order of the SDM, vol. 3, "Task Switching":
 *
 * 1. Find the new TSS and check it.
 * 2. See that all that is to be read or written can be; read the new TSS.
 * 3. Save the old task in its TSS, and link the new one to it.
 * 4. Load what the new TSS names from the descriptor tables, in its address space.
 * 5. Mark which tasks are busy.
 * 6. Only then change registers.
 *
 * The hard part is where a fault belongs.  Up to 3 it is the old task's, and its registers
 * have not changed; what 4 finds is the new task's, and the switch has taken place.  When
 * the host fails, in any step, the guest executes the same again later: so 3 and 4 write
 * only what they would write again, and 5 comes last.
 */
#include <linux/bits.h>
#include <linux/build_bug.h>
#include <linux/string.h>
#include <asm/msr-index.h>
#include <asm/processor-flags.h>
#include <asm/trapnr.h>
#include <uapi/asm/debugreg.h>

#include "x86/run/taskswitch.h"

/* The two layouts (SDM figures 8-2 and 8-10), which the kernel's headers do not have. */
struct tss32 {
	u32 link, stacks[6], cr3, eip, eflags, gpr[8], sel[6], ldt;
	u16 trap, iomap;
};

struct tss16 {
	u16 link, stacks[6], ip, flags, gpr[8], sel[4], ldt;
};

static_assert(sizeof(struct tss32) == 104 && offsetof(struct tss32, eip) == 0x20);
static_assert(sizeof(struct tss16) == 44 && offsetof(struct tss16, ip) == 0x0e);

/* What a switch saves. */
#define SAVED32		offsetof(struct tss32, eip)
#define SAVED32_LEN	(offsetof(struct tss32, ldt) - SAVED32)
#define SAVED16		offsetof(struct tss16, ip)
#define SAVED16_LEN	(offsetof(struct tss16, ldt) - SAVED16)

/* Descriptors, as numbers (SDM figure 3-8). */
#define DESC_TYPE(d)	((d) >> 40 & 0xf)
#define DESC_S		BIT_ULL(44)
#define DESC_DPL(d)	((d) >> 45 & 3)
#define DESC_P		BIT_ULL(47)
#define DESC_ACCESSED	BIT_ULL(40)
#define DESC_BUSY	BIT_ULL(41)
#define DESC_G		BIT_ULL(55)

/* Types of segments that matter here. */
#define TYPE_LDT	2
#define TYPE_TSS16	1	/* and the next are available tasks; bit 1: busy */
#define TYPE_TSS32	9
#define TYPE_BUSY	2
#define TYPE_WIDE	8
#define TYPE_CODE	8
#define TYPE_CONFORMING	4
#define TYPE_RW		2	/* data: writable; code: readable */

#define SEL_TI		4
#define SEL_RPL		3

/* Bits of EFLAGS that exist. */
#define EFLAGS_DEFINED	(X86_EFLAGS_CF | X86_EFLAGS_PF | X86_EFLAGS_AF | X86_EFLAGS_ZF | \
			 X86_EFLAGS_SF | X86_EFLAGS_TF | X86_EFLAGS_IF | X86_EFLAGS_DF | \
			 X86_EFLAGS_OF | X86_EFLAGS_IOPL | X86_EFLAGS_NT | X86_EFLAGS_RF | \
			 X86_EFLAGS_VM | X86_EFLAGS_AC | X86_EFLAGS_VIF | X86_EFLAGS_VIP | \
			 X86_EFLAGS_ID)

/* Did something else than the program's own instruction ask for the switch? */
static bool task_external(const struct task_switch *t)
{
	switch (t->event.type) {
	case EVENT_IRQ:
	case EVENT_NMI:
	case EVENT_EXCEPTION:
		return true;
	case EVENT_SOFT_EXC:
		return t->event.vector == X86_TRAP_DB;
	default:
		return false;
	}
}

/* Error codes that name a selector or a gate have EXT in bit 0. */
static enum emu_result task_fault(struct task_switch *t, u8 vector, u32 error)
{
	t->fault = (struct emu_fault) {
		.valid = true, .vector = vector, .has_error = true,
		.error = (error & ~1u) | task_external(t),
	};
	return EMU_FAULT;
}

static enum emu_result task_fault_sel(struct task_switch *t, u8 vector, u16 selector)
{
	return task_fault(t, vector, selector & ~SEL_RPL);
}

static bool task_is_null(u16 selector)
{
	return !(selector & ~SEL_RPL);
}

/* Does the new task return to the old one? */
static bool task_nests(const struct task_switch *t)
{
	return t->source == TASK_CALL || t->source == TASK_GATE;
}

static u32 desc_limit(u64 desc)
{
	u32 limit = (desc & 0xffff) | (desc >> 32 & 0xf0000);

	return desc & DESC_G ? limit << 12 | 0xfff : limit;
}

static u32 desc_base(u64 desc)
{
	return (desc >> 16 & 0xffffff) | (desc >> 32 & 0xff000000);
}

static void desc_to_segment(u64 desc, u16 selector, struct kvm_segment *s)
{
	*s = (struct kvm_segment) {
		.selector = selector, .base = desc_base(desc), .limit = desc_limit(desc),
		.type = DESC_TYPE(desc), .s = !!(desc & DESC_S), .dpl = DESC_DPL(desc),
		.present = !!(desc & DESC_P), .avl = desc >> 52 & 1, .l = desc >> 53 & 1,
		.db = desc >> 54 & 1, .g = !!(desc & DESC_G),
	};
}

static u32 task_gdt_gva(const struct task_switch *t, u16 selector)
{
	return t->st->gdt.base + (selector & ~7u);
}

/* Read a descriptor of the GDT or the new task's LDT; outside of them it is @vector's fault. */
static enum emu_result task_read_desc(struct task_switch *t, u16 selector, u8 vector,
				      u64 *desc, u32 *gva)
{
	const struct kvm_segment *ldt = &t->seg[SEG_LDTR];
	u32 limit = t->st->gdt.limit;

	*gva = task_gdt_gva(t, selector);
	if (selector & SEL_TI) {
		limit = ldt->limit;
		*gva = ldt->base + (selector & ~7u);
		if (ldt->unusable)
			return task_fault_sel(t, vector, selector);
	}
	if (limit < (selector | 7u))
		return task_fault_sel(t, vector, selector);
	return t->ops->read(t, *gva, desc, sizeof(*desc));
}

/*
 * 1. The new TSS.
 */

/* The CPU checked the gate before the exit, but another vCPU may have changed it since. */
static enum emu_result task_check_gate(struct task_switch *t)
{
	u32 offset = t->event.vector * 8;
	enum emu_result r;
	u64 gate;

	if ((t->event.type != EVENT_SOFT_INT && t->event.type != EVENT_SOFT_EXC) ||
	    task_external(t))
		return EMU_OK;
	if (t->st->idt.limit < offset + 7)
		return task_fault(t, X86_TRAP_GP, offset + 2);
	r = t->ops->read(t, t->st->idt.base + offset, &gate, sizeof(gate));
	if (r == EMU_OK && DESC_DPL(gate) < t->st->cpl)
		return task_fault(t, X86_TRAP_GP, offset + 2);
	return r;
}

static enum emu_result task_check_desc(struct task_switch *t)
{
	u8 vector = t->source == TASK_IRET ? X86_TRAP_TS : X86_TRAP_GP;
	u8 type = DESC_TYPE(t->desc);
	u8 busy = t->source == TASK_IRET ? TYPE_BUSY : 0;

	if ((t->desc & DESC_S) || (type != (TYPE_TSS16 | busy) && type != (TYPE_TSS32 | busy)))
		return task_fault_sel(t, vector, t->selector);
	if (!(t->desc & DESC_P))
		return task_fault_sel(t, X86_TRAP_NP, t->selector);
	t->wide = type & TYPE_WIDE;
	if (desc_limit(t->desc) + 1ull < (t->wide ? sizeof(struct tss32) : sizeof(struct tss16)))
		return task_fault_sel(t, X86_TRAP_TS, t->selector);
	return EMU_OK;
}

static enum emu_result task_find(struct task_switch *t)
{
	u8 vector = t->source == TASK_IRET ? X86_TRAP_TS : X86_TRAP_GP;
	enum emu_result r = task_check_gate(t);
	u32 gva;

	if (r != EMU_OK)
		return r;
	if (task_is_null(t->selector) || (t->selector & SEL_TI))
		return task_fault_sel(t, vector, t->selector);
	r = task_read_desc(t, t->selector, vector, &t->desc, &gva);
	return r == EMU_OK ? task_check_desc(t) : r;
}

/*
 * 2. What can be read and written.
 */

static bool task_old_is_wide(const struct task_switch *t)
{
	return t->st->seg[SEG_TR].type & TYPE_WIDE;
}

static enum emu_result task_probe_old(struct task_switch *t)
{
	const struct kvm_segment *tr = &t->st->seg[SEG_TR];
	bool wide = task_old_is_wide(t);
	u32 offset = wide ? SAVED32 : SAVED16, len = wide ? SAVED32_LEN : SAVED16_LEN;

	if (tr->limit < offset + len - 1)
		return task_fault_sel(t, X86_TRAP_TS, tr->selector);
	return t->ops->probe(t, tr->base + offset, len);
}

/* The descriptors whose busy bits change. */
static enum emu_result task_probe_marks(struct task_switch *t)
{
	enum emu_result r = EMU_OK;

	if (t->source != TASK_IRET)
		r = t->ops->probe(t, task_gdt_gva(t, t->selector), sizeof(u64));
	if (r == EMU_OK && !task_nests(t))
		r = t->ops->probe(t, task_gdt_gva(t, t->st->seg[SEG_TR].selector), sizeof(u64));
	return r;
}

static void task_from_tss32(struct task_image *n, const struct tss32 *tss)
{
	int i;

	n->cr3 = tss->cr3;
	n->eip = tss->eip;
	n->eflags = tss->eflags & EFLAGS_DEFINED;
	memcpy(n->gpr, tss->gpr, sizeof(n->gpr));
	for (i = SEG_ES; i <= SEG_GS; i++)
		n->sel[i] = tss->sel[i];
	n->ldt = tss->ldt;
	n->trap = tss->trap & 1;
}

/* Upper halves of registers are undefined: zero, as under stock KVM.  FS and GS are null. */
static void task_from_tss16(struct task_image *n, const struct tss16 *tss)
{
	int i;

	n->eip = tss->ip;
	n->eflags = tss->flags & EFLAGS_DEFINED;
	for (i = 0; i < ARRAY_SIZE(n->gpr); i++)
		n->gpr[i] = tss->gpr[i];
	memcpy(n->sel, tss->sel, sizeof(tss->sel));
	n->ldt = tss->ldt;
}

static enum emu_result task_read_new(struct task_switch *t)
{
	union {
		struct tss32 wide;
		struct tss16 narrow;
	} tss;
	enum emu_result r = t->ops->read(t, desc_base(t->desc), &tss,
					 t->wide ? sizeof(tss.wide) : sizeof(tss.narrow));

	if (r != EMU_OK)
		return r;
	t->new = (struct task_image) { .cr3 = t->st->cr3 };
	if (t->wide)
		task_from_tss32(&t->new, &tss.wide);
	else
		task_from_tss16(&t->new, &tss.narrow);
	/* Without paging CR3 stays as it is. */
	if (!(t->st->cr0 & X86_CR0_PG))
		t->new.cr3 = t->st->cr3;
	t->new.eflags |= X86_EFLAGS_FIXED | (task_nests(t) ? X86_EFLAGS_NT : 0);
	return EMU_OK;
}

static enum emu_result task_fetch(struct task_switch *t)
{
	enum emu_result r = task_probe_old(t);

	if (r == EMU_OK)
		r = task_probe_marks(t);
	if (r == EMU_OK)
		r = task_read_new(t);
	if (r == EMU_OK && task_nests(t))
		r = t->ops->probe(t, desc_base(t->desc), sizeof(u16));
	if (r == EMU_OK && t->new.cr3 != t->st->cr3)
		r = t->ops->check_cr3(t, t->new.cr3);
	return r;
}

/*
 * 3. The old task.
 */

static u32 task_old_eflags(const struct task_switch *t)
{
	/* The task has ended with IRET, so clear NT: it must not return a second time. */
	return t->source == TASK_IRET ? t->st->rflags & ~X86_EFLAGS_NT : t->st->rflags;
}

static enum emu_result task_save32(struct task_switch *t)
{
	const struct x86_state *st = t->st;
	u32 gva = st->seg[SEG_TR].base + SAVED32;
	struct tss32 tss;
	enum emu_result r = t->ops->read(t, gva, &tss.eip, SAVED32_LEN);
	int i;

	if (r != EMU_OK)
		return r;
	tss.eip = t->next_eip;
	tss.eflags = task_old_eflags(t);
	for (i = 0; i < ARRAY_SIZE(tss.gpr); i++)
		tss.gpr[i] = st->gpr[i];
	for (i = SEG_ES; i <= SEG_GS; i++)
		tss.sel[i] = (tss.sel[i] & 0xffff0000) | st->seg[i].selector;
	return t->ops->write(t, gva, &tss.eip, SAVED32_LEN, false);
}

static enum emu_result task_save16(struct task_switch *t)
{
	const struct x86_state *st = t->st;
	struct tss16 tss = { .ip = t->next_eip, .flags = task_old_eflags(t) };
	int i;

	for (i = 0; i < ARRAY_SIZE(tss.gpr); i++)
		tss.gpr[i] = st->gpr[i];
	for (i = SEG_ES; i <= SEG_DS; i++)
		tss.sel[i] = st->seg[i].selector;
	return t->ops->write(t, st->seg[SEG_TR].base + SAVED16, &tss.ip, SAVED16_LEN, false);
}

static enum emu_result task_leave(struct task_switch *t)
{
	u16 link = t->st->seg[SEG_TR].selector;
	enum emu_result r = task_old_is_wide(t) ? task_save32(t) : task_save16(t);

	if (r == EMU_OK && task_nests(t))
		r = t->ops->write(t, desc_base(t->desc), &link, sizeof(link), false);
	return r;
}

/*
 * 4. The new task's segments.
 */

/*
 * Until its descriptor has been found good, a segment has only its selector.  CS must be
 * something that a CPU can enter a guest with: nothing can be executed in it.
 */
static void task_unload(struct task_switch *t)
{
	enum x86_seg nr;

	t->cpl = t->new.eflags & X86_EFLAGS_VM ? 3 : t->new.sel[SEG_CS] & SEL_RPL;
	for (nr = SEG_ES; nr <= SEG_GS; nr++)
		t->seg[nr] = (struct kvm_segment) {
			.selector = t->new.sel[nr], .dpl = t->cpl, .s = 1, .type = 3,
			.unusable = 1,
		};
	t->seg[SEG_CS].type = 11;
	t->seg[SEG_CS].present = 1;
	t->seg[SEG_CS].unusable = 0;
	t->seg[SEG_LDTR] = (struct kvm_segment) {
		.selector = t->new.ldt, .type = TYPE_LDT, .unusable = 1,
	};
	desc_to_segment(t->desc | DESC_BUSY, t->selector, &t->seg[SEG_TR]);
}

static enum emu_result task_load_ldt(struct task_switch *t)
{
	u16 selector = t->new.ldt;
	enum emu_result r;
	u64 desc;
	u32 gva;

	if (task_is_null(selector))
		return EMU_OK;
	if (selector & SEL_TI)
		return task_fault_sel(t, X86_TRAP_TS, selector);
	r = task_read_desc(t, selector, X86_TRAP_TS, &desc, &gva);
	if (r != EMU_OK)
		return r;
	if ((desc & DESC_S) || DESC_TYPE(desc) != TYPE_LDT || !(desc & DESC_P))
		return task_fault_sel(t, X86_TRAP_TS, selector);
	desc_to_segment(desc, selector, &t->seg[SEG_LDTR]);
	return EMU_OK;
}

/* In VM86 mode a selector is a base, and nothing can be wrong with it. */
static void task_load_vm86(struct task_switch *t)
{
	enum x86_seg nr;

	for (nr = SEG_ES; nr <= SEG_GS; nr++)
		t->seg[nr] = (struct kvm_segment) {
			.selector = t->new.sel[nr], .base = t->new.sel[nr] << 4, .limit = 0xffff,
			.type = 3, .s = 1, .dpl = 3, .present = 1,
		};
}

static bool task_cs_fits(const struct task_switch *t, u64 desc)
{
	u8 dpl = DESC_DPL(desc);

	if (!(desc & DESC_S) || !(DESC_TYPE(desc) & TYPE_CODE))
		return false;
	return DESC_TYPE(desc) & TYPE_CONFORMING ? dpl <= t->cpl : dpl == t->cpl;
}

static bool task_ss_fits(const struct task_switch *t, u16 selector, u64 desc)
{
	return (desc & DESC_S) && (DESC_TYPE(desc) & (TYPE_CODE | TYPE_RW)) == TYPE_RW &&
	       (selector & SEL_RPL) == t->cpl && DESC_DPL(desc) == t->cpl;
}

static bool task_data_fits(const struct task_switch *t, u16 selector, u64 desc)
{
	u8 type = DESC_TYPE(desc), dpl = DESC_DPL(desc);

	if (!(desc & DESC_S) || (type & (TYPE_CODE | TYPE_RW)) == TYPE_CODE)
		return false;
	return (type & (TYPE_CODE | TYPE_CONFORMING)) == (TYPE_CODE | TYPE_CONFORMING) ||
	       (dpl >= t->cpl && dpl >= (selector & SEL_RPL));
}

static bool task_seg_fits(const struct task_switch *t, enum x86_seg nr, u64 desc)
{
	if (nr == SEG_CS)
		return task_cs_fits(t, desc);
	if (nr == SEG_SS)
		return task_ss_fits(t, t->new.sel[nr], desc);
	return task_data_fits(t, t->new.sel[nr], desc);
}

static enum emu_result task_load_seg(struct task_switch *t, enum x86_seg nr)
{
	u16 selector = t->new.sel[nr];
	enum emu_result r;
	u64 desc;
	u32 gva;

	if (task_is_null(selector))
		return nr == SEG_CS || nr == SEG_SS ?
			task_fault_sel(t, X86_TRAP_TS, selector) : EMU_OK;
	r = task_read_desc(t, selector, X86_TRAP_TS, &desc, &gva);
	if (r != EMU_OK)
		return r;
	if (!task_seg_fits(t, nr, desc))
		return task_fault_sel(t, X86_TRAP_TS, selector);
	if (!(desc & DESC_P))
		return task_fault_sel(t, nr == SEG_SS ? X86_TRAP_SS : X86_TRAP_NP, selector);
	if (!(desc & DESC_ACCESSED)) {
		u8 byte = (desc | DESC_ACCESSED) >> 40;

		r = t->ops->write(t, gva + 5, &byte, 1, false);
		if (r != EMU_OK)
			return r;
	}
	desc_to_segment(desc | DESC_ACCESSED, selector, &t->seg[nr]);
	return EMU_OK;
}

static enum emu_result task_load_segs(struct task_switch *t)
{
	static const u8 order[] = { SEG_CS, SEG_SS, SEG_DS, SEG_ES, SEG_FS, SEG_GS };
	enum emu_result r;
	int i;

	/* Whatever its LDT is: a CPU enters VM86 mode with no other segments. */
	if (t->new.eflags & X86_EFLAGS_VM)
		task_load_vm86(t);
	r = task_load_ldt(t);
	if (t->new.eflags & X86_EFLAGS_VM)
		return r;
	for (i = 0; i < ARRAY_SIZE(order) && r == EMU_OK; i++)
		r = task_load_seg(t, order[i]);
	return r;
}

static bool task_stack_has(const struct kvm_segment *ss, u32 offset, u32 len)
{
	u32 last = offset + len - 1, top = ss->db ? U32_MAX : 0xffff;

	if (last < offset || last > top)
		return false;
	return ss->type & 4 ? offset > ss->limit : last <= ss->limit;
}

/* An exception that has an error code leaves it on the new task's stack. */
static enum emu_result task_push_error(struct task_switch *t)
{
	const struct kvm_segment *ss = &t->seg[SEG_SS];
	u32 *esp = &t->new.gpr[GPR_RSP];
	u32 len = t->wide ? 4 : 2;
	u32 mask = ss->db ? U32_MAX : 0xffff;
	u32 offset = (*esp - len) & mask;
	enum emu_result r;

	if (!t->event.has_error)
		return EMU_OK;
	if (!task_stack_has(ss, offset, len))
		return task_fault(t, X86_TRAP_SS, 0);
	r = t->ops->write(t, ss->base + offset, &t->event.error, len, t->cpl == 3);
	if (r == EMU_OK)
		*esp = (*esp & ~mask) | offset;
	return r;
}

static enum emu_result task_enter(struct task_switch *t)
{
	enum emu_result r;

	t->ops->use_cr3(t, t->new.cr3);
	task_unload(t);
	r = task_load_segs(t);
	return r == EMU_OK ? task_push_error(t) : r;
}

/*
 * 5. Busy bits, in the old address space.
 */

static enum emu_result task_mark(struct task_switch *t)
{
	u32 gva = task_gdt_gva(t, t->st->seg[SEG_TR].selector);
	enum emu_result r = EMU_OK;
	u64 old;

	t->ops->use_cr3(t, t->st->cr3);
	if (!task_nests(t)) {
		r = t->ops->read(t, gva, &old, sizeof(old));
		if (r == EMU_OK)
			r = t->ops->exchange(t, gva, old, old & ~DESC_BUSY);
	}
	/* If another CPU has entered this task meanwhile, that one has it. */
	if (r == EMU_OK && t->source != TASK_IRET)
		r = t->ops->exchange(t, task_gdt_gva(t, t->selector), t->desc,
				    t->desc | DESC_BUSY);
	return r;
}

/*
 * 6. Registers.
 */

static void task_commit(struct task_switch *t)
{
	struct x86_state *st = t->st;
	int i;

	for (i = 0; i < ARRAY_SIZE(t->new.gpr); i++)
		st->gpr[i] = t->new.gpr[i];
	st->rip = t->new.eip;
	st->rflags = t->new.eflags;
	st->shadow = 0;
	memcpy(st->seg, t->seg, sizeof(st->seg));
	st->cpl = t->cpl;
	st->cr0 |= X86_CR0_TS;
	st->cr3 = t->new.cr3;
	st->dr7 &= ~(u64)(DR_LOCAL_ENABLE_MASK | DR_LOCAL_SLOWDOWN);
	t->switched = true;
}

/**
 * task_switch() - make a task switch
 * @t: first group set
 *
 * No locks; the ops may sleep.  Nothing but what the ops touch changes, and, when the
 * switch takes place, @t->st.
 *
 * Return: EMU_OK: the new task runs. EMU_FAULT: @t->fault is to be raised, in the new task
 * if @t->switched. EMU_RETRY, EMU_UNHANDLED: as an op said; the switch has not taken place,
 * and the same may be tried again.
 */
enum emu_result task_switch(struct task_switch *t)
{
	enum emu_result r, entered;

	t->switched = false;
	t->debug_trap = false;
	if ((t->st->efer & EFER_LMA) || !(t->st->cr0 & X86_CR0_PE))
		return EMU_UNHANDLED;
	r = task_find(t);
	if (r == EMU_OK)
		r = task_fetch(t);
	if (r == EMU_OK)
		r = task_leave(t);
	if (r != EMU_OK)
		return r;
	entered = task_enter(t);
	if (entered == EMU_OK || entered == EMU_FAULT) {
		struct emu_fault fault = t->fault;

		r = task_mark(t);
		if (r != EMU_OK)
			return r;
		t->fault = fault;
		task_commit(t);
		t->debug_trap = entered == EMU_OK && t->new.trap;
	}
	return entered;
}
