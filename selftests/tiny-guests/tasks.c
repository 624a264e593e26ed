// SPDX-License-Identifier: GPL-2.0-only
/*
 * The VMM's side of code/tasks.S: descriptor tables, TSSs and page tables that tasks are
 * switched with, and what must have become of them.
 */
#include <stdio.h>
#include <sys/ioctl.h>

#include "tiny-guests/code/tasks.h"
#include "guests.h"

/* Of TASK_TOUCH. */
#define GDT		0x300000u
#define IDT		0x301000u
#define TSS(letter)	(0x302000u + 0x1000u * ((letter) - 'a'))
#define LDT		0x306000u
#define PAGES_1		0x307000u
#define PAGES_2		0x308000u
#define TABLE		0x309000u
#define FAR_IDT		0x3f0000u	/* that is not touched before it is used */
#define STACK(letter)	(0x310000u + 0x1000u * ((letter) - 'a'))

#define FLAG_IF		0x200u
#define FLAG_NT		0x4000u
#define FLAG_RF		0x10000u
#define FLAG_VM		0x20000u
#define STATUS_FLAGS	0x8d5u

struct tss32 {
	u32 link, stacks[6], cr3, eip, eflags, gpr[8], sel[6], ldt;
	u16 trap, iomap;
};

struct tss16 {
	u16 link, stacks[6], ip, flags, gpr[8], sel[4], ldt;
};

/* Numbers of gpr[] and sel[]. */
enum { EAX, ECX, EDX, EBX, ESP, EBP, ESI, EDI };
enum { ES, CS, SS, DS, FS, GS };

static struct tss32 *tss(struct vm *vm, char letter)
{
	return (void *)(vm->ram + TSS(letter));
}

static struct tss16 *tss_c(struct vm *vm)
{
	return (void *)(vm->ram + TSS('c'));
}

static u64 *table(struct vm *vm, u32 gpa)
{
	return (void *)(vm->ram + gpa);
}

static u64 *desc(struct vm *vm, u16 selector)
{
	return table(vm, GDT) + selector / 8;
}

/* @access: P, DPL, S and type; @flags: G, D. */
static u64 descriptor(u32 base, u32 limit, u8 access, u8 flags)
{
	return (limit & 0xffff) | (u64)(base & 0xffffff) << 16 | (u64)access << 40 |
	       (u64)(limit >> 16) << 48 | (u64)flags << 52 | (u64)(base >> 24) << 56;
}

static u64 task_gate(u16 selector, u8 dpl)
{
	return (u64)selector << 16 | (0x85ull | dpl << 5) << 40;
}

static u64 int_gate(u32 to)
{
	return (to & 0xffff) | TASK_CODE << 16 | 0x8e00ull << 32 | (u64)(to >> 16) << 48;
}

static bool is_busy(struct vm *vm, u16 selector)
{
	return *desc(vm, selector) >> 41 & 1;
}

static void put_gdt(struct vm *vm)
{
	*desc(vm, TASK_CODE) = descriptor(0, 0xfffff, 0x9b, 0xc);
	*desc(vm, TASK_DATA) = descriptor(0, 0xfffff, 0x93, 0xc);
	*desc(vm, GUEST_CS32) = descriptor(0, 0xfffff, 0x9b, 0xc);
	*desc(vm, TASK_SEL_A) = descriptor(TSS('a'), 0x67, 0x8b, 0);
	*desc(vm, TASK_SEL_B) = descriptor(TSS('b'), 0x67, 0x89, 0);
	*desc(vm, TASK_SEL_C) = descriptor(TSS('c'), 0x2b, 0x81, 0);
	*desc(vm, TASK_SEL_GATE) = task_gate(TASK_SEL_B, 0);
	*desc(vm, TASK_SEL_ABSENT) = descriptor(TSS('b'), 0x67, 0x09, 0);
	*desc(vm, TASK_SEL_SHORT) = descriptor(TSS('b'), 0x66, 0x89, 0);
	*desc(vm, TASK_SEL_LDT) = descriptor(LDT, 0xf, 0x82, 0);
	*desc(vm, TASK_USER_CODE & ~7) = descriptor(0, 0xfffff, 0xfb, 0xc);
	*desc(vm, TASK_USER_DATA & ~7) = descriptor(0, 0xfffff, 0xf3, 0xc);
	*desc(vm, TASK_FRESH) = descriptor(0, 0xfffff, 0x92, 0xc);
}

static void put_idt(struct vm *vm)
{
	u64 stub = image_symbol("t_stubs");
	int i;

	for (i = 0; i < 32; i++, stub += 16)
		table(vm, IDT)[i] = int_gate(stub);
	table(vm, IDT)[TASK_VECTOR] = task_gate(TASK_SEL_B, 0);
}

/* A 32-bit task as B is in all tests; one that changes nothing else is switched to. */
static void put_tss32(struct vm *vm, char letter, const char *entry)
{
	*tss(vm, letter) = (struct tss32) {
		.stacks = { STACK(letter) + 0x800, TASK_DATA }, .cr3 = PAGES_1,
		.eip = image_symbol(entry), .eflags = 2 | STATUS_FLAGS,
		.gpr = { 0xb0000000, 0xb1111111, 0xb2222222, 0xb3333333, STACK(letter) + 0xf00,
			 0xb5555555, 0xb6666666, 0xb7777777 },
		.sel = { TASK_DATA, TASK_CODE, TASK_DATA, TASK_DATA, TASK_FRESH, TASK_DATA },
		.iomap = 0x68,
	};
}

static void put_tss16(struct vm *vm, const char *entry)
{
	*tss_c(vm) = (struct tss16) {
		.ip = image_symbol(entry), .flags = 2 | STATUS_FLAGS,
		.gpr = { 0xc000, 0xc111, 0xc222, 0xc333, 0xf00, 0xc555, 0xc666, 0xc777 },
		.sel = { TASK_DATA, TASK_CODE, TASK_DATA, TASK_DATA },
	};
}

/* 4 MiB pages, one to one, but that TASK_WINDOW shows two different places. */
static void put_pages(struct vm *vm)
{
	u32 *first = (void *)(vm->ram + PAGES_1), *second = (void *)(vm->ram + PAGES_2);
	u32 *pt = (void *)(vm->ram + TABLE), i;

	first[0] = second[0] = 0x83;
	first[1] = TABLE | 3;
	second[1] = 0x400083;
	for (i = 0; i < 1024; i++)
		pt[i] = (0x500000 + i * 0x1000) | 3;
	*(u32 *)(vm->ram + 0x500000) = TASK_SHOWN_1;
	*(u32 *)(vm->ram + 0x400000) = TASK_SHOWN_2;
}

static void tasks(struct vm *vm)
{
	struct kvm_sregs sregs = vcpu_sregs(&vm->vcpu[0]);
	struct kvm_regs regs = vcpu_regs(&vm->vcpu[0]);

	qemu_shadow_lacks("this CPU switches tasks without an exit, and loads the guest's CR3");
	put_gdt(vm);
	put_idt(vm);
	put_tss32(vm, 'a', "t_jmp");
	put_tss32(vm, 'b', "b_entry");
	put_tss16(vm, "b_entry");
	put_pages(vm);
	sregs.gdt.base = GDT;
	sregs.gdt.limit = 8 * TASK_NR_DESC - 1;
	sregs.idt.base = IDT;
	sregs.idt.limit = 8 * TASK_VECTOR + 7;
	sregs.tr = (struct kvm_segment) {
		.base = TSS('a'), .limit = 0x67, .selector = TASK_SEL_A, .type = 11, .present = 1,
	};
	regs.rsp = STACK('a') + 0xf00;
	regs.rcx = 0xa1111111;
	regs.rbx = 0xa3333333;
	regs.rsi = 0xa6666666;
	regs.rdi = regs.rip;
	regs.rip = image_symbol("t_touch");
	CHECKED(ioctl(vm->vcpu[0].fd, KVM_SET_SREGS, &sregs));
	CHECKED(ioctl(vm->vcpu[0].fd, KVM_SET_REGS, &regs));
}

static void tasks_iret(struct vm *vm)
{
	tasks(vm);
	tss(vm, 'b')->eip = image_symbol("b_iret");
	tss_c(vm)->ip = image_symbol("b_iret");
}

static void set_cr(struct vm *vm, u64 cr0, u64 cr3, u64 cr4)
{
	struct kvm_sregs sregs = vcpu_sregs(&vm->vcpu[0]);

	sregs.cr0 |= cr0;
	sregs.cr3 = cr3;
	sregs.cr4 |= cr4;
	CHECKED(ioctl(vm->vcpu[0].fd, KVM_SET_SREGS, &sregs));
}

static void tasks_paged(struct vm *vm)
{
	tasks(vm);
	set_cr(vm, 0x80000000, PAGES_1, 0x10);
}

static void check_segment(const struct kvm_segment *s, u16 selector, u32 base, u32 limit)
{
	ASSERT_EQ(s->selector, selector);
	ASSERT_EQ(s->base, base);
	ASSERT_EQ(s->limit, limit);
	ASSERT_EQ(s->unusable, 0);
}

static void check_saved(struct vm *vm, const char *eip, u32 eflags)
{
	struct tss32 *a = tss(vm, 'a');

	ASSERT_EQ(a->eip, image_symbol(eip));
	ASSERT_EQ(a->eflags & ~FLAG_RF, eflags);
	ASSERT_EQ(a->gpr[ECX], 0xa1111111);
	ASSERT_EQ(a->gpr[EBX], 0xa3333333);
	ASSERT_EQ(a->gpr[ESI], 0xa6666666);
	ASSERT_EQ(a->gpr[ESP], STACK('a') + 0xf00);
	ASSERT_EQ(a->sel[CS] & 0xffff, GUEST_CS32);
	ASSERT_EQ(a->sel[SS] & 0xffff, GUEST_DS);
	/* A switch does not save these. */
	ASSERT_EQ(a->cr3, PAGES_1);
	ASSERT_EQ(a->ldt, 0);
}

/* Task B runs, with what its TSS says. */
static void check_b(struct vm *vm, u32 nt)
{
	struct kvm_sregs s = vcpu_sregs(&vm->vcpu[0]);
	struct kvm_regs r = vcpu_regs(&vm->vcpu[0]);

	ASSERT_EQ(r.rcx, 0xb1111111);
	ASSERT_EQ(r.rbx, 0xb3333333);
	ASSERT_EQ(r.rbp, 0xb5555555);
	ASSERT_EQ(r.rsi, 0xb6666666);
	ASSERT_EQ(r.rdi, 0xb7777777);
	ASSERT_EQ(r.rflags & FLAG_NT, nt);
	check_segment(&s.cs, TASK_CODE, 0, 0xffffffff);
	check_segment(&s.ss, TASK_DATA, 0, 0xffffffff);
	check_segment(&s.ds, TASK_DATA, 0, 0xffffffff);
	check_segment(&s.fs, TASK_FRESH, 0, 0xffffffff);
	check_segment(&s.tr, TASK_SEL_B, TSS('b'), 0x67);
	ASSERT_EQ(s.tr.type, 11);
	ASSERT(is_busy(vm, TASK_SEL_B));
	/* Read by the guest: some CPU switches without an exit. */
	ASSERT_EQ(vm_var(vm, u32, "t_cr0") & 8, 8);
	/* One that switches itself may also forget to mark what it loads. */
	if (!cpu_is_qemus())
		ASSERT_EQ(*desc(vm, TASK_FRESH) >> 40 & 1, 1);
}

static void after_jmp(struct vm *vm)
{
	check_b(vm, 0);
	check_saved(vm, "t_jmp_next", 2);
	ASSERT_EQ(vcpu_regs(&vm->vcpu[0]).rsp, STACK('b') + 0xf00);
	ASSERT_EQ(tss(vm, 'b')->link, 0);
	ASSERT(!is_busy(vm, TASK_SEL_A));
}

static void nested(struct vm *vm, const char *eip, u32 eflags)
{
	check_b(vm, FLAG_NT);
	check_saved(vm, eip, eflags);
	ASSERT_EQ(tss(vm, 'b')->link, TASK_SEL_A);
	ASSERT(is_busy(vm, TASK_SEL_A));
}

static void after_call(struct vm *vm) { nested(vm, "t_call_next", 2); }
static void after_call_mem(struct vm *vm) { nested(vm, "t_call_mem_next", 2); }
static void after_int(struct vm *vm) { nested(vm, "t_int_next", 2); }
static void after_int3(struct vm *vm) { nested(vm, "t_int3_next", 2); }
static void after_into(struct vm *vm) { nested(vm, "t_into_next", 0x802); }
static void after_irq(struct vm *vm) { nested(vm, "t_irq_loop", 2 | FLAG_IF); }

static void after_jmp_gate(struct vm *vm)
{
	check_b(vm, 0);
	check_saved(vm, "t_jmp_gate_next", 2);
	ASSERT(!is_busy(vm, TASK_SEL_A));
}

static void after_iret(struct vm *vm)
{
	struct kvm_regs r = vcpu_regs(&vm->vcpu[0]);

	check_segment(&(struct kvm_segment[]){ vcpu_sregs(&vm->vcpu[0]).tr }[0], TASK_SEL_A,
		      TSS('a'), 0x67);
	ASSERT_EQ(r.rcx, 0xa1111111);
	ASSERT_EQ(r.rsp, STACK('a') + 0xf00);
	ASSERT_EQ(r.rflags & FLAG_NT, 0);
	ASSERT(is_busy(vm, TASK_SEL_A));
	ASSERT(!is_busy(vm, TASK_SEL_B));
	ASSERT_EQ(tss(vm, 'b')->eip, image_symbol("b_iret_next"));
	ASSERT_EQ(tss(vm, 'b')->eflags & FLAG_NT, 0);
}

/* B is left with IRET and entered again: it goes on behind that. */
static void twice(struct vm *vm)
{
	struct kvm_regs regs;

	after_iret(vm);
	regs = vcpu_regs(&vm->vcpu[0]);
	regs.rip = image_symbol("t_call");
	/* The OUT that said "done" ends first, and leads nowhere any more. */
	CHECKED(ioctl(vm->vcpu[0].fd, KVM_SET_REGS, &regs));
	vcpu_run_done(&vm->vcpu[0]);
	ASSERT_EQ(vm->nr_traces, 4);
	ASSERT_EQ(vm->traces[2], TASK_B2);
	ASSERT_EQ(vm->traces[3], TASK_A);
}

static void after_jmp16(struct vm *vm)
{
	struct kvm_sregs s = vcpu_sregs(&vm->vcpu[0]);
	struct kvm_regs r = vcpu_regs(&vm->vcpu[0]);

	check_saved(vm, "t_jmp16_next", 2);
	ASSERT_EQ(r.rcx & 0xffff, 0xc111);
	ASSERT_EQ(r.rdi & 0xffff, 0xc777);
	ASSERT_EQ(r.rsp & 0xffff, 0xf00);
	check_segment(&s.tr, TASK_SEL_C, TSS('c'), 0x2b);
	ASSERT_EQ(s.tr.type, 3);
	check_segment(&s.ss, TASK_DATA, 0, 0xffffffff);
	check_segment(&s.ds, TASK_DATA, 0, 0xffffffff);
	ASSERT_EQ(s.fs.selector | s.gs.selector, 0);
	ASSERT(is_busy(vm, TASK_SEL_C));
}

static void after_iret16(struct vm *vm)
{
	ASSERT_EQ(tss_c(vm)->ip, image_symbol("b_iret_next"));
	ASSERT_EQ(tss_c(vm)->link, TASK_SEL_A);
	ASSERT_EQ(tss_c(vm)->gpr[ECX], 0xc111);
	ASSERT_EQ(tss_c(vm)->sel[CS], TASK_CODE);
	ASSERT(!is_busy(vm, TASK_SEL_C));
	ASSERT_EQ(vcpu_regs(&vm->vcpu[0]).rcx, 0xa1111111);
}

static void gate_of(struct vm *vm, u8 vector, u16 selector)
{
	table(vm, IDT)[vector] = task_gate(selector, 0);
}

static void int3_gate(struct vm *vm)
{
	tasks(vm);
	gate_of(vm, 3, TASK_SEL_B);
}

static void int1_gate(struct vm *vm)
{
	tasks(vm);
	gate_of(vm, 1, TASK_SEL_B);
}

static void after_int1(struct vm *vm)
{
	if (!vm->nr_traces)
		skip("this CPU has no INT1");
	bochs_amd_lacks("this CPU leaves rip on an INT1 that a task gate takes");
	nested(vm, "t_int1_next", 2);
}

static void set_flags(struct vm *vm, u64 flags)
{
	struct kvm_regs regs = vcpu_regs(&vm->vcpu[0]);

	regs.rflags |= flags;
	CHECKED(ioctl(vm->vcpu[0].fd, KVM_SET_REGS, &regs));
}

static void into_gate(struct vm *vm)
{
	tasks(vm);
	gate_of(vm, 4, TASK_SEL_B);
	set_flags(vm, 0x800);
}

static void gp_gate(struct vm *vm)
{
	tasks(vm);
	gate_of(vm, 13, TASK_SEL_B);
}

/* The fault's EIP, and its error code, of ECX's selector, on B's stack. */
static void after_gp(struct vm *vm)
{
	nested(vm, "t_gp", 2);
	ASSERT_EQ(vcpu_regs(&vm->vcpu[0]).rsp, STACK('b') + 0xf00 - 4);
	ASSERT_EQ(*(u32 *)(vm->ram + STACK('b') + 0xf00 - 4), 0x1110);
}

static void gp_gate16(struct vm *vm)
{
	tasks(vm);
	gate_of(vm, 13, TASK_SEL_C);
	memset(vm->ram + 0xef0, 0x55, 16);
	/* A stack of 16 bits, so that what is above does not matter. */
	*desc(vm, TASK_FRESH) = descriptor(0, 0xffff, 0x93, 0);
	tss_c(vm)->sel[SS] = TASK_FRESH;
}

static void after_gp16(struct vm *vm)
{
	ASSERT_EQ(vcpu_regs(&vm->vcpu[0]).rsp & 0xffff, 0xf00 - 2);
	ASSERT_EQ(*(u32 *)(vm->ram + 0xefc), 0x11105555);
	check_saved(vm, "t_gp", 2);
}

/* What the CPU said of an event that was cut is nothing of a switch that comes later. */
static void far_idt(struct vm *vm)
{
	struct kvm_sregs sregs;

	tasks(vm);
	memcpy(vm->ram + FAR_IDT, vm->ram + IDT, 8 * (TASK_VECTOR + 1));
	table(vm, FAR_IDT)[13] = int_gate(image_symbol("t_skip"));
	table(vm, FAR_IDT)[TASK_CUT_VECTOR] = int_gate(image_symbol("t_back"));
	sregs = vcpu_sregs(&vm->vcpu[0]);
	sregs.idt.base = FAR_IDT;
	CHECKED(ioctl(vm->vcpu[0].fd, KVM_SET_SREGS, &sregs));
}

static void after_cut_gp(struct vm *vm)
{
	check_b(vm, 0);
	check_saved(vm, "t_cut_gp_next", 2);
	ASSERT_EQ(vcpu_regs(&vm->vcpu[0]).rsp, STACK('b') + 0xf00);	/* no error code */
}

static void after_cut_int(struct vm *vm)
{
	nested(vm, "t_cut_int_next", 2);
	ASSERT_EQ(vcpu_regs(&vm->vcpu[0]).rsp, STACK('b') + 0xf00);
}

static void send_irq(struct vm *vm)
{
	struct kvm_interrupt irq = { .irq = TASK_VECTOR };

	tasks(vm);
	CHECKED(ioctl(vm->vcpu[0].fd, KVM_INTERRUPT, &irq));
}

/* NMIs one after the other: each handler's IRET, a switch, lets the next one in. */
static void send_nmi(struct vm *vm)
{
	if (cpu_is_qemus())
		skip("this CPU saves the step over the handler's IRET in the handler's TSS");
	tasks_iret(vm);
	gate_of(vm, 2, TASK_SEL_B);
}

static bool nmi_again(struct vcpu *vcpu)
{
	u32 value;

	if (!traced(vcpu, &value))
		return false;
	vcpu->vm->traces[vcpu->vm->nr_traces++] = value;
	if (value == TASK_READY || value == TASK_B)
		CHECKED(ioctl(vcpu->fd, KVM_NMI, 0));
	else
		tss(vcpu->vm, 'a')->eip = image_symbol("t_nmi_next");
	return true;
}

static void with_ldt(struct vm *vm)
{
	tasks(vm);
	table(vm, LDT)[1] = descriptor(0x12345, 0x789, 0x93, 0x4);
	tss(vm, 'b')->ldt = TASK_SEL_LDT;
	tss(vm, 'b')->sel[ES] = 0xc;
}

static void after_ldt(struct vm *vm)
{
	struct kvm_sregs s = vcpu_sregs(&vm->vcpu[0]);

	check_b(vm, 0);
	check_segment(&s.ldt, TASK_SEL_LDT, LDT, 0xf);
	check_segment(&s.es, 0xc, 0x12345, 0x789);
}

static void with_cr3(struct vm *vm)
{
	tasks_paged(vm);
	tss(vm, 'b')->cr3 = PAGES_2;
	tss(vm, 'b')->eip = image_symbol("b_read");
}

static void after_cr3(struct vm *vm)
{
	ASSERT_EQ(vcpu_sregs(&vm->vcpu[0]).cr3, PAGES_2);
}

/* L0 and G1, where no code is. */
static void with_breakpoints(struct vm *vm)
{
	struct kvm_debugregs d = { .db = { 0x700000, 0x700000 }, .dr6 = 0xffff0ff0, .dr7 = 0x409 };

	tasks(vm);
	CHECKED(ioctl(vm->vcpu[0].fd, KVM_SET_DEBUGREGS, &d));
}

static void after_breakpoints(struct vm *vm)
{
	struct kvm_debugregs d;

	CHECKED(ioctl(vm->vcpu[0].fd, KVM_GET_DEBUGREGS, &d));
	ASSERT_EQ(d.dr7 & 0xff, 8);
}

/* As the stubs leave it. */
struct caught {
	u32 vector, error, eip, cs, eflags, esp, ss, es, ds;
};

static struct caught *caught(struct vm *vm)
{
	u64 rsp = vcpu_regs(&vm->vcpu[0]).rsp;

	ASSERT(rsp < vm->ram_size - sizeof(struct caught));
	return (void *)(vm->ram + rsp);
}

static void check_caught(struct vm *vm, u32 vector, u32 error, const char *eip, u16 tr)
{
	struct caught *c = caught(vm);

	ASSERT_EQ(vm->nr_traces, 0);
	ASSERT_EQ(c->vector, vector);
	ASSERT_EQ(c->error, error);
	ASSERT_EQ(c->eip, image_symbol(eip));
	ASSERT_EQ(vcpu_sregs(&vm->vcpu[0]).tr.selector, tr);
}

/* Found before the switch: the old task's. */
static void after_absent(struct vm *vm)
{
	check_caught(vm, 11, TASK_SEL_ABSENT, "t_jmp_absent", TASK_SEL_A);
	ASSERT_EQ(tss(vm, 'a')->gpr[ECX], 0xb1111111);
	ASSERT(is_busy(vm, TASK_SEL_A));
}

static void after_short(struct vm *vm)
{
	check_caught(vm, 10, TASK_SEL_SHORT, "t_jmp_short", TASK_SEL_A);
}

static void after_self(struct vm *vm)
{
	check_caught(vm, 13, TASK_SEL_A, "t_jmp_self", TASK_SEL_A);
}

static void free_link(struct vm *vm)
{
	tasks(vm);
	set_flags(vm, FLAG_NT);
	tss(vm, 'a')->link = TASK_SEL_B;
}

static void after_free_link(struct vm *vm)
{
	check_caught(vm, 10, TASK_SEL_B, "t_iret", TASK_SEL_A);
}

static void tss_not_mapped(struct vm *vm)
{
	tasks_paged(vm);
	((u32 *)(vm->ram + TABLE))[2] = 0;
	*desc(vm, TASK_SEL_B) = descriptor(TASK_WINDOW + 0x2000, 0x67, 0x89, 0);
}

static void after_not_mapped(struct vm *vm)
{
	struct caught *c = caught(vm);

	/* A read, or a write for the back link to come; by the supervisor. */
	check_caught(vm, 14, c->error & 2, "t_jmp", TASK_SEL_A);
	ASSERT_EQ(vcpu_sregs(&vm->vcpu[0]).cr2 >> 12, (TASK_WINDOW + 0x2000) >> 12);
	ASSERT(is_busy(vm, TASK_SEL_A));
	ASSERT(!is_busy(vm, TASK_SEL_B));
}

static void user_calls_gate(struct vm *vm)
{
	struct kvm_sregs sregs;

	tasks(vm);
	tss(vm, 'a')->stacks[0] = STACK('a') + 0x800;
	sregs = vcpu_sregs(&vm->vcpu[0]);
	sregs.cs.selector = TASK_USER_CODE;
	sregs.cs.dpl = 3;
	sregs.ss.selector = sregs.ds.selector = TASK_USER_DATA;
	sregs.ss.dpl = sregs.ds.dpl = 3;
	CHECKED(ioctl(vm->vcpu[0].fd, KVM_SET_SREGS, &sregs));
}

static void after_user(struct vm *vm)
{
	check_caught(vm, 13, TASK_VECTOR * 8 + 2, "t_int", TASK_SEL_A);
}

/* Found after it: the new task's. */
static void bad_ds(struct vm *vm)
{
	tasks(vm);
	tss(vm, 'b')->sel[DS] = TASK_SEL_LDT;
}

static void after_bad_ds(struct vm *vm)
{
	/* One that switches itself believes that it still was at the old task's instruction. */
	check_caught(vm, 10, TASK_SEL_LDT, cpu_is_qemus() ? "t_jmp" : "b_entry", TASK_SEL_B);
	ASSERT(!is_busy(vm, TASK_SEL_A));
	ASSERT(is_busy(vm, TASK_SEL_B));
	check_saved(vm, "t_jmp_next", 2);
	ASSERT_EQ(vcpu_regs(&vm->vcpu[0]).rcx, 0xb1111111);
}

/* Of B, which has no code to run, #TS leads to C. */
static void bad_cs(struct vm *vm)
{
	tasks(vm);
	tss(vm, 'b')->sel[CS] = TASK_DATA;
	gate_of(vm, 10, TASK_SEL_C);
}

static void after_bad_cs(struct vm *vm)
{
	ASSERT_EQ(vm->traces[0], TASK_B);
	ASSERT_EQ(vcpu_sregs(&vm->vcpu[0]).tr.selector, TASK_SEL_C);
	ASSERT_EQ(tss_c(vm)->link, TASK_SEL_B);
	if (!cpu_is_qemus())
		ASSERT_EQ(tss(vm, 'b')->eip, image_symbol("b_entry"));
	ASSERT_EQ(tss(vm, 'b')->sel[CS] & 0xffff, TASK_DATA);
	ASSERT(is_busy(vm, TASK_SEL_B));
}

/* HLT in VM86 mode is #GP, whose frame shows all of it. */
static void to_vm86(struct vm *vm)
{
	tasks(vm);
	tss(vm, 'b')->eflags = FLAG_VM | 2;
	tss(vm, 'b')->eip = image_symbol("b_vm86");
	tss(vm, 'b')->sel[CS] = 0;
	tss(vm, 'b')->sel[SS] = 0x1234;
	tss(vm, 'b')->sel[DS] = 0x2345;
	tss(vm, 'b')->sel[ES] = 0x3456;
	tss(vm, 'b')->gpr[ESP] = 0xabc;
}

static void after_vm86(struct vm *vm)
{
	struct caught *c = caught(vm);

	check_caught(vm, 13, 0, "b_vm86", TASK_SEL_B);
	ASSERT_EQ(c->eflags & FLAG_VM, FLAG_VM);
	ASSERT_EQ(c->cs & 0xffff, 0);
	ASSERT_EQ(c->esp, 0xabc);
	ASSERT_EQ(c->ss & 0xffff, 0x1234);
	ASSERT_EQ(c->es & 0xffff, 0x3456);
	ASSERT_EQ(c->ds & 0xffff, 0x2345);
}

static void with_trap(struct vm *vm)
{
	tasks(vm);
	tss(vm, 'b')->trap = 1;
}

static void after_trap(struct vm *vm)
{
	struct kvm_debugregs d;

	if (vm->nr_traces == 1 && cpu_is_qemus())
		skip("this CPU does not look at the T bit");
	check_caught(vm, 1, 0, "b_entry", TASK_SEL_B);
	CHECKED(ioctl(vm->vcpu[0].fd, KVM_GET_DEBUGREGS, &d));
	ASSERT_EQ(d.dr6 & 0x8000, 0x8000);
}

/* There is no memory for a TSS to be in: that machine ends, and says so. */
static void tss_in_device(struct vm *vm)
{
	tasks(vm);
	*desc(vm, TASK_SEL_B) = descriptor(GUEST_MMIO, 0x67, 0x89, 0);
}

#define TO_B(entry_name, prepare, check) \
	{ .name = entry_name, .mode = MODE_PROT32, .before = prepare, .after = check, \
	  TRACES(TASK_B) }
#define TO_FAULT(test, entry_name, prepare, check) \
	{ .name = test, .entry = entry_name, .mode = MODE_PROT32, .before = prepare, \
	  .after = check }

static const struct guest_test tests[] = {
	TO_B("t_jmp", tasks, after_jmp), TO_B("t_jmp_gate", tasks, after_jmp_gate),
	TO_B("t_call", tasks, after_call), TO_B("t_call_mem", tasks, after_call_mem),
	TO_B("t_int", tasks, after_int), TO_B("t_int3", int3_gate, after_int3),
	TO_B("t_into", into_gate, after_into), TO_B("t_gp", gp_gate, after_gp),
	TO_B("t_cut_gp", far_idt, after_cut_gp), TO_B("t_cut_int", far_idt, after_cut_int),
	TO_B("t_jmp16", tasks, after_jmp16),
	TO_FAULT("t_int1", "t_int1", int1_gate, after_int1),
	{ .name = "iret", .entry = "t_call", .mode = MODE_PROT32, .before = tasks_iret,
	  .after = after_iret, TRACES(TASK_B, TASK_A) },
	{ .name = "twice", .entry = "t_call", .mode = MODE_PROT32, .before = tasks_iret,
	  .after = twice, TRACES(TASK_B, TASK_A) },
	{ .name = "iret16", .entry = "t_call16", .mode = MODE_PROT32, .before = tasks_iret,
	  .after = after_iret16, TRACES(TASK_B, TASK_A) },
	{ .name = "gp16", .entry = "t_gp", .mode = MODE_PROT32, .before = gp_gate16,
	  .after = after_gp16, TRACES(TASK_B) },
	{ .name = "irq", .entry = "t_irq", .mode = MODE_PROT32, .config.no_irqchip = true,
	  .before = send_irq, .after = after_irq, TRACES(TASK_B) },
	{ .name = "nmi", .entry = "t_nmi", .mode = MODE_PROT32, .before = send_nmi,
	  .on_exit = nmi_again, TRACES(TASK_READY, TASK_B, TASK_B2, TASK_A) },
	{ .name = "ldt", .entry = "t_jmp", .mode = MODE_PROT32, .before = with_ldt,
	  .after = after_ldt, TRACES(TASK_B) },
	{ .name = "cr3", .entry = "t_jmp", .mode = MODE_PROT32, .before = with_cr3,
	  .after = after_cr3, TRACES(TASK_SHOWN_2) },
	{ .name = "paged", .entry = "t_jmp", .mode = MODE_PROT32, .before = tasks_paged,
	  .after = after_jmp, TRACES(TASK_B) },
	{ .name = "breakpoints", .entry = "t_jmp", .mode = MODE_PROT32,
	  .before = with_breakpoints, .after = after_breakpoints, TRACES(TASK_B) },
	TO_FAULT("absent", "t_jmp_absent", tasks, after_absent),
	TO_FAULT("short", "t_jmp_short", tasks, after_short),
	TO_FAULT("self", "t_jmp_self", tasks, after_self),
	TO_FAULT("free_link", "t_iret", free_link, after_free_link),
	TO_FAULT("not_mapped", "t_jmp", tss_not_mapped, after_not_mapped),
	TO_FAULT("user", "t_int", user_calls_gate, after_user),
	TO_FAULT("bad_ds", "t_jmp", bad_ds, after_bad_ds),
	TO_FAULT("bad_cs", "t_jmp", bad_cs, after_bad_cs),
	TO_FAULT("vm86", "t_jmp", to_vm86, after_vm86),
	TO_FAULT("trap", "t_jmp", with_trap, after_trap),
	{ .name = "device", .entry = "t_jmp", .mode = MODE_PROT32, .before = tss_in_device,
	  .exit = KVM_EXIT_INTERNAL_ERROR },
};

const struct guest_group task_group = { "task", tests, ARRAY_SIZE(tests) };
