// SPDX-License-Identifier: GPL-2.0-only
/*
 * The instruction emulator against the CPU, in guests: the same instruction is executed once
 * by the CPU, behind five NOPs, and once by the emulator, behind UD2 and "kvm", and must leave
 * the same registers, flags, segments and memory, or the same fault.
 *
 * All of it lies below 64 KiB, so that it serves every mode. Wherever code can come to, there
 * is an IN that the TSS allows: there the guest stops, and is looked at.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "vm.h"

#define PARAMETER	"/sys/module/ditto/parameters/force_emulation_prefix"

#define GDT		0x1000u
#define IDT		0x2000u
#define PAGES		0x3000u
#define TSS		0x6000u
#define DATA		0x9000u
#define STACK		0xb800u
#define STACK0		0xc800u
#define STACK_IST	0xcc00u
#define LDT		0xd000u
#define CODE		0xe100u		/* the instruction; the five bytes before it are the way */
#define TARGET		0xe400u
#define STUBS		0xe800u		/* of vectors, four bytes each */
#define SPACE		0x10000u

/* Selectors; the names of code and data end with their level. */
#define C64_0	0x08
#define DATA_0	0x10
#define C32_0	0x18
#define C32_3	0x23
#define DATA_3	0x2b
#define C64_3	0x33
#define C16_0	0x38
#define CONF_0	0x40	/* conforming */
#define GATE32	0x4b	/* to C32_0, with two parameters */
#define GATE16	0x53	/* to C16_0 */
#define ABSENT	0x58
#define FREE_LDT 0x60	/* of 16 bytes */
#define FREE_TSS 0x70	/* likewise */
#define GATE64	0x83	/* likewise, to C64_0 */
#define FRESH	0x90	/* data, not accessed yet */
#define SMALL	0x98	/* 32-bit code that ends below TARGET */
#define BUSY	0xa0	/* the TSS in use; of 16 bytes */
#define GDT_LIMIT 0xcf

#define FLAG_CF	0x1u
#define FLAG_TF	0x100u
#define FLAG_IF	0x200u
#define FLAG_DF	0x400u
#define FLAG_OF	0x800u
#define IOPL_3	0x3000u
#define FLAG_NT	0x4000u
#define FLAG_RF	0x10000u
#define FLAG_VM	0x20000u
#define FLAG_AC	0x40000u

/* Of CPUID. */
#define MOVBE	(1u << 22)	/* 1, ECX */
#define MOVDIRI	(1u << 27)	/* 7, ECX */
#define RDPID	(1u << 22)
#define RDTSCP	(1u << 27)	/* of 0x80000001's EDX */
#define TSC_AUX	0xc0000103

enum way { BY_CPU, BY_EMULATOR };

enum shape { REAL, VM86, P16, P32, COMPAT, P64 };

/**
 * struct snippet - one instruction and what it begins with
 * @name: for people
 * @shape: mode
 * @cpl: 0 or 3
 * @code, @len: its bytes
 * @flags: RFLAGS, besides the bit that is always set
 * @rax, @rcx, @rdx: registers; 0: some value
 * @size: of items on the stack
 * @stack, @nr_stack: items, lowest first
 * @data: what RBX points to
 * @blank: what RBX points to is 0, a block of 512 bytes
 * @not_qemu: QEMU's CPU errs there; Documentation/emulators.md says how
 */
struct snippet {
	const char *name;
	enum shape shape;
	u8 cpl;
	u8 code[14], len;
	u32 flags;
	u64 rax, rcx, rdx;
	u8 size, nr_stack;
	u64 stack[9];
	u64 data[2];
	bool blank, not_qemu;
};

#define CODE_BYTES(...)	.code = { __VA_ARGS__ }, .len = sizeof((u8[]){ __VA_ARGS__ })
#define STACKED(n, ...)	.size = (n), .stack = { __VA_ARGS__ }, \
	.nr_stack = sizeof((u64[]){ __VA_ARGS__ }) / sizeof(u64)

#include "forced_cases.h"

/* What is left of an execution. */
struct result {
	u32 exit;
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	u8 memory[SPACE];
};

/* @access: P, DPL, S and type; @flags: G, D, L. */
static u64 descriptor(u32 base, u32 limit, u8 access, u8 flags)
{
	return (limit & 0xffff) | (u64)(base & 0xffffff) << 16 | (u64)access << 40 |
	       (u64)(limit >> 16) << 48 | (u64)flags << 52 | (u64)(base >> 24) << 56;
}

static u64 gate(u16 selector, u32 offset, u8 access, u8 low)
{
	return (offset & 0xffff) | (u64)selector << 16 | (u64)low << 32 | (u64)access << 40 |
	       (u64)(offset >> 16) << 48;
}

static u64 *at(u8 *mem, u32 gpa)
{
	return (u64 *)(mem + gpa);
}

static u64 *desc(u8 *mem, u16 selector)
{
	return at(mem, GDT + (selector & ~7));
}

static void put_gdt(u8 *mem)
{
	*desc(mem, C64_0) = descriptor(0, 0xfffff, 0x9b, 0xa);
	*desc(mem, DATA_0) = descriptor(0, 0xfffff, 0x93, 0xc);
	*desc(mem, C32_0) = descriptor(0, 0xfffff, 0x9b, 0xc);
	*desc(mem, C32_3) = descriptor(0, 0xfffff, 0xfb, 0xc);
	*desc(mem, DATA_3) = descriptor(0, 0xfffff, 0xf3, 0xc);
	*desc(mem, C64_3) = descriptor(0, 0xfffff, 0xfb, 0xa);
	*desc(mem, C16_0) = descriptor(0, 0xffff, 0x9b, 0);
	*desc(mem, CONF_0) = descriptor(0, 0xfffff, 0x9f, 0xc);
	*desc(mem, GATE32) = gate(C32_0, TARGET, 0xec, 2);
	*desc(mem, GATE16) = gate(C16_0, TARGET, 0xe4, 0);
	*desc(mem, ABSENT) = descriptor(0, 0xfffff, 0x1b, 0xc);
	*desc(mem, FREE_LDT) = descriptor(LDT, 0xf, 0x82, 0);
	*desc(mem, FREE_TSS) = descriptor(TSS, 0x2fff, 0x89, 0);
	*desc(mem, GATE64) = gate(C64_0, TARGET, 0xec, 0);
	*desc(mem, FRESH) = descriptor(0, 0xfffff, 0x92, 0xc);
	*desc(mem, SMALL) = descriptor(0, 0xe3ff, 0x9b, 4);
	*desc(mem, BUSY) = descriptor(TSS, 0x2fff, 0x8b, 0);
}

/* 30: interrupt, 31: trap, 32: for level 0, 33: on an IST, 34: 16 bits, 35: absent. */
static void put_gate(u8 *mem, bool lma, u8 vector, u16 cs, u8 access, u8 ist)
{
	u32 to = STUBS + 4 * vector;

	if (!lma) {
		*at(mem, IDT + 8 * vector) = gate(cs, to, access, 0);
		return;
	}
	*at(mem, IDT + 16 * vector) = gate(cs, to, access, ist);
}

static void put_idt(u8 *mem, bool lma)
{
	u16 cs = lma ? C64_0 : C32_0;
	int i;

	for (i = 0; i < 32; i++)
		put_gate(mem, lma, i, cs, i == 3 || i == 4 ? 0xee : 0x8e, 0);
	put_gate(mem, lma, 0x30, cs, 0xee, 0);
	put_gate(mem, lma, 0x31, cs, 0xef, 0);
	put_gate(mem, lma, 0x32, cs, 0x8e, 0);
	put_gate(mem, lma, 0x33, cs, 0xee, 1);
	put_gate(mem, lma, 0x34, C16_0, 0xe6, 0);
	put_gate(mem, lma, 0x35, cs, 0x6e, 0);
	put_gate(mem, lma, 0x36, CONF_0, 0xee, 0);
}

static void put_vectors(u8 *mem)
{
	u16 *ivt = (u16 *)mem;
	int i;

	for (i = 0; i < 0x40; i++)
		ivt[2 * i] = STUBS + 4 * i;
}

/* Every port may be read. */
static void put_tss(u8 *mem, bool lma)
{
	u32 *tss = (u32 *)(mem + TSS);

	tss[1] = STACK0;
	tss[2] = lma ? 0 : DATA_0;
	tss[9] = lma ? STACK_IST : 0;
	*(u16 *)(mem + TSS + 0x66) = 0x68;
}

/* One to one, for user mode, too. */
static void put_pages(u8 *mem)
{
	*at(mem, PAGES) = (PAGES + 0x1000) | 7;
	*at(mem, PAGES + 0x1000) = (PAGES + 0x2000) | 7;
	*at(mem, PAGES + 0x2000) = 0xe7;
}

static void put_code(u8 *mem, const struct snippet *s, enum way way)
{
	static const u8 nops[] = { 0x90, 0x90, 0x90, 0x90, 0x90 };
	static const u8 prefix[] = { 0x0f, 0x0b, 'k', 'v', 'm' };
	static const u8 stop[] = { 0xe4, 0x40 };
	u32 i;

	for (i = CODE & ~0xfffu; i < SPACE - 0x1000; i += 2)
		memcpy(mem + i, stop, 2);
	memcpy(mem + CODE - 5, way == BY_CPU ? nops : prefix, 5);
	memcpy(mem + CODE, s->code, s->len);
	memcpy(mem + CODE + s->len, stop, 2);
}

static bool is_long(const struct snippet *s)
{
	return s->shape == COMPAT || s->shape == P64;
}

static void put_memory(u8 *mem, const struct snippet *s, enum way way)
{
	unsigned int i;

	memset(mem, 0, SPACE);
	for (i = 0; i < 0x2000; i++)
		mem[DATA + i] = i * 7 + (i >> 8);
	put_gdt(mem);
	if (s->shape == REAL)
		put_vectors(mem);
	else
		put_idt(mem, is_long(s));
	put_tss(mem, is_long(s));
	put_pages(mem);
	put_code(mem, s, way);
	if (s->blank)
		memset(mem + DATA, 0, 512);
	if (s->data[0])
		memcpy(mem + DATA, s->data, sizeof(s->data));
	for (i = 0; i < s->nr_stack; i++)
		memcpy(mem + STACK + i * s->size, &s->stack[i], s->size);
}

/* What a segment register has that was loaded with this selector. */
static struct kvm_segment loaded(u8 *mem, u16 selector)
{
	u64 d = *desc(mem, selector);
	u32 limit = (d & 0xffff) | (d >> 32 & 0xf0000);

	return (struct kvm_segment) {
		.base = (d >> 16 & 0xffffff) | (d >> 32 & 0xff000000), .selector = selector,
		.limit = d >> 55 & 1 ? limit << 12 | 0xfff : limit, .type = d >> 40 & 15,
		.present = 1, .dpl = d >> 45 & 3, .db = d >> 54 & 1, .s = d >> 44 & 1,
		.l = d >> 53 & 1, .g = d >> 55 & 1,
	};
}

static struct kvm_segment loaded_16(const struct snippet *s, u8 type)
{
	return (struct kvm_segment) {
		.limit = 0xffff, .type = type, .present = 1, .s = 1,
		.dpl = s->shape == VM86 ? 3 : 0,
	};
}

static void put_segments(struct kvm_sregs *r, u8 *mem, const struct snippet *s)
{
	static const u16 code[2][6] = {
		{ 0, 0, C16_0, C32_0, C32_0, C64_0 }, { 0, 0, C16_0, C32_3, C32_3, C64_3 },
	};
	u16 data = s->cpl ? DATA_3 : DATA_0;

	if (s->shape <= VM86) {
		r->cs = loaded_16(s, s->shape == VM86 ? 3 : 11);
		r->ss = r->ds = r->es = r->fs = r->gs = loaded_16(s, 3);
	} else {
		r->cs = loaded(mem, code[s->cpl == 3][s->shape]);
		r->ss = r->ds = loaded(mem, data);
		r->es = r->fs = r->gs = loaded(mem, DATA_3);
	}
	r->tr = loaded(mem, BUSY);
	r->ldt = (struct kvm_segment) { .type = 2, .unusable = 1 };
}

static void put_control(struct kvm_sregs *r, const struct snippet *s)
{
	r->gdt.base = GDT;
	r->gdt.limit = GDT_LIMIT;
	r->idt.base = s->shape == REAL ? 0 : IDT;
	r->idt.limit = s->shape == REAL ? 0xff : is_long(s) ? 0x7ff : 0x3ff;
	r->cr0 = 0x10 | (s->shape != REAL);
	r->cr2 = 0;
	r->cr3 = PAGES;
	r->cr4 = 0x600;
	r->efer = 0;
	if (!is_long(s))
		return;
	r->cr0 |= 0x80000000;
	r->cr4 |= 0x20;
	r->efer = 0x501;
}

static struct kvm_regs first_regs(const struct snippet *s)
{
	struct kvm_regs r = {
		.rax = s->rax ?: 0x12345678, .rbx = DATA, .rcx = s->rcx ?: 3,
		.rdx = s->rdx ?: 0x76543210, .rsi = DATA + 0x100, .rdi = DATA + 0x200,
		.rbp = STACK + 0x80, .rsp = STACK, .rip = CODE - 5, .rflags = 2 | s->flags,
	};

	if (s->shape == VM86)
		r.rflags |= FLAG_VM;
	if (s->shape == P64) {
		r.r8 = 0x8888888888888888;
		r.r9 = 0x9999999999999999;
		r.r11 = 0x202;
	}
	return r;
}

static void put_vcpu(struct vcpu *vcpu, const struct snippet *s)
{
	struct kvm_sregs sregs = vcpu_sregs(vcpu);
	struct kvm_regs regs = first_regs(s);
	struct kvm_vcpu_events events = { 0 };

	put_control(&sregs, s);
	put_segments(&sregs, vcpu->vm->ram, s);
	CHECKED(ioctl(vcpu->fd, KVM_SET_VCPU_EVENTS, &events));
	/* RFLAGS first: with VM it is level 3, whatever SS says. */
	CHECKED(ioctl(vcpu->fd, KVM_SET_REGS, &regs));
	CHECKED(ioctl(vcpu->fd, KVM_SET_SREGS, &sregs));
}

/* What is of no account: the way in, and RF, which some of the hosts' CPUs do not set. */
static void forgive(struct result *r)
{
	memset(r->memory + CODE - 5, 0, 5);
	r->regs.rflags &= ~(u64)FLAG_RF;
	memset(r->sregs.interrupt_bitmap, 0, sizeof(r->sregs.interrupt_bitmap));
}

static void execute(struct vcpu *vcpu, const struct snippet *s, enum way way, struct result *r)
{
	put_memory(vcpu->vm->ram, s, way);
	put_vcpu(vcpu, s);
	r->exit = vcpu_enter(vcpu);
	r->regs = vcpu_regs(vcpu);
	r->sregs = vcpu_sregs(vcpu);
	memcpy(r->memory, vcpu->vm->ram, SPACE);
	forgive(r);
}

static bool same_segment(const struct snippet *s, const char *name,
			 const struct kvm_segment *cpu, const struct kvm_segment *emu)
{
	bool attributes = cpu->base == emu->base && cpu->limit == emu->limit &&
			  cpu->type == emu->type && cpu->dpl == emu->dpl && cpu->db == emu->db &&
			  cpu->l == emu->l;

	/* What is behind a null selector nobody can tell. */
	if (cpu->selector == emu->selector && is_long(s) && !(cpu->selector & ~3))
		return true;
	if (cpu->selector == emu->selector && cpu->unusable == emu->unusable &&
	    (attributes || cpu->unusable))
		return true;
	note("%s: %s: CPU %#x %llx+%x type %u dpl %u db %u l %u unusable %u", s->name, name,
	     cpu->selector, cpu->base, cpu->limit, cpu->type, cpu->dpl, cpu->db, cpu->l,
	     cpu->unusable);
	note("%s: %s: emulator %#x %llx+%x type %u dpl %u db %u l %u unusable %u", s->name, name,
	     emu->selector, emu->base, emu->limit, emu->type, emu->dpl, emu->db, emu->l,
	     emu->unusable);
	return false;
}

static bool same_number(const struct snippet *s, const char *name, u64 cpu, u64 emu)
{
	if (cpu == emu)
		return true;
	note("%s: %s: CPU %#lx, emulator %#lx", s->name, name, cpu, emu);
	return false;
}

static bool same_sregs(const struct snippet *s, const struct kvm_sregs *cpu,
		       const struct kvm_sregs *emu)
{
	bool same = true;

#define SEG(name) same &= same_segment(s, #name, &cpu->name, &emu->name)
#define REG(name) same &= same_number(s, #name, cpu->name, emu->name)
	SEG(cs), SEG(ss), SEG(ds), SEG(es), SEG(fs), SEG(gs), SEG(tr), SEG(ldt);
	REG(gdt.base), REG(gdt.limit), REG(idt.base), REG(idt.limit);
	REG(cr0), REG(cr2), REG(cr3), REG(cr4), REG(efer);
#undef SEG
	return same;
}

static bool same_regs(const struct snippet *s, const struct kvm_regs *cpu,
		      const struct kvm_regs *emu)
{
	bool same = true;

	REG(rip), REG(rsp), REG(rflags), REG(rax), REG(rbx), REG(rcx), REG(rdx), REG(rsi);
	REG(rdi), REG(rbp), REG(r8), REG(r9), REG(r11);
#undef REG
	return same;
}

/* RF in the frame of a fault is not the same on all of the hosts' CPUs. */
static bool is_rf(u32 gpa, u8 cpu, u8 emu)
{
	return (gpa & 3) == 2 && (cpu ^ emu) == 1 && gpa >= STACK - 0x100 && gpa < LDT;
}

static bool same_memory(const struct snippet *s, const u8 *cpu, const u8 *emu)
{
	bool same = true;
	u32 i;

	for (i = 0; i < SPACE; i++) {
		if (cpu[i] == emu[i] || is_rf(i, cpu[i], emu[i]))
			continue;
		if (same)
			note("%s: memory %#x: CPU %02x, emulator %02x", s->name, i, cpu[i], emu[i]);
		same = false;
	}
	return same;
}

static bool same_result(const struct snippet *s, const struct result *cpu,
			const struct result *emu)
{
	bool same = same_number(s, "exit", cpu->exit, emu->exit);

	same &= same_regs(s, &cpu->regs, &emu->regs);
	same &= same_sregs(s, &cpu->sregs, &emu->sregs);
	same &= same_memory(s, cpu->memory, emu->memory);
	return same;
}

/* Where the parameter was before, and where it is to be again. */
static void set_parameter(const char *value)
{
	int fd = CHECKED(open(PARAMETER, O_WRONLY));

	ASSERT_EQ(write(fd, value, 1), 1);
	close(fd);
}

static void put_msrs(struct vcpu *vcpu)
{
	static const struct { u32 index; u64 value; } msrs[] = {
		{ 0xc0000081, (u64)(C32_3 & ~3) << 48 | (u64)C64_0 << 32 | TARGET },
		{ 0xc0000082, TARGET }, { 0xc0000083, TARGET }, { 0xc0000084, FLAG_IF },
		{ 0xc0000102, 0x5678 }, { 0x174, C64_0 }, { 0x175, STACK0 }, { 0x176, TARGET },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(msrs); i++)
		ASSERT_EQ(vcpu_try_set_msr(vcpu, msrs[i].index, msrs[i].value), 1);
}

static bool cpu_is_qemu(void)
{
	const char *host = getenv("DITTO_HOST");

	return host && strcmp(host, "vmx");
}

static void run_group(const void *arg)
{
	const struct group *group = arg;
	static struct result cpu, emu;
	struct vm *vm;
	unsigned int i, failed = 0;

	need_ditto();
	set_parameter("1");
	vm = vm_new(&(struct vm_config){ .no_irqchip = true });
	vcpu_set_cpuid(&vm->vcpu[0]);
	for (i = 0; i < group->count; i++) {
		const struct snippet *s = &group->snippets[i];

		if (s->not_qemu && cpu_is_qemu())
			continue;
		put_msrs(&vm->vcpu[0]);
		execute(&vm->vcpu[0], s, BY_CPU, &cpu);
		put_msrs(&vm->vcpu[0]);
		execute(&vm->vcpu[0], s, BY_EMULATOR, &emu);
		failed += !same_result(s, &cpu, &emu);
	}
	vm_free(vm);
	if (failed)
		fail("%u of %u instructions differ", failed, group->count);
}

/* Without the parameter it is UD2 and nothing else. */
static void refused(const void *arg)
{
	static const struct snippet s = { "nop", P32, 0, CODE_BYTES(0x90) };
	struct vm *vm;

	need_ditto();
	set_parameter("0");
	vm = vm_new(&(struct vm_config){ .no_irqchip = true });
	put_memory(vm->ram, &s, BY_EMULATOR);
	put_vcpu(&vm->vcpu[0], &s);
	ASSERT_EQ(vcpu_enter(&vm->vcpu[0]), KVM_EXIT_IO);
	ASSERT_EQ(vcpu_regs(&vm->vcpu[0]).rip, STUBS + 4 * 6);
	set_parameter("1");
	put_vcpu(&vm->vcpu[0], &s);
	ASSERT_EQ(vcpu_enter(&vm->vcpu[0]), KVM_EXIT_IO);
	ASSERT_EQ(vcpu_regs(&vm->vcpu[0]).rip, CODE + 1);
	vm_free(vm);
}

/* What KVM_GET_EMULATED_CPUID says of a leaf, or NULL. */
static struct kvm_cpuid_entry2 *emulated(struct kvm_cpuid2 *table, u32 function)
{
	table->nent = 16;
	CHECKED(ioctl(dev_open(), KVM_GET_EMULATED_CPUID, table));
	return cpuid_find(table, function, 0);
}

/* Where the guest comes to, whose CPUID has @bit of leaf 7's ECX or not. */
static u64 run_missing(struct vm *vm, const struct snippet *s, u32 bit, bool has)
{
	struct kvm_cpuid2 *cpuid = cpuid_supported();

	if (has)
		cpuid_find(cpuid, 7, 0)->ecx |= bit;
	CHECKED(ioctl(vm->vcpu[0].fd, KVM_SET_CPUID2, cpuid));
	put_memory(vm->ram, s, BY_CPU);
	put_vcpu(&vm->vcpu[0], s);
	ASSERT_EQ(vcpu_enter(&vm->vcpu[0]), KVM_EXIT_IO);
	return vcpu_regs(&vm->vcpu[0]).rip;
}

/* An instruction that this CPU has not: the guest has it when its CPUID says so. */
static void missing(const void *arg)
{
	static const struct snippet s = { "movdiri", P64, 3, CODE_BYTES(0x0f, 0x38, 0xf9, 0x03),
					  .data = { 1 } };
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entries[16];
	} table;
	struct vm *vm;

	need_ditto();
	set_parameter("0");
	ASSERT(emulated(&table.head, 7)->ecx & MOVDIRI);
	ASSERT(emulated(&table.head, 1)->ecx & MOVBE);
	if (cpuid_find(cpuid_supported(), 7, 0)->ecx & MOVDIRI)
		skip("this CPU has MOVDIRI");
	vm = vm_new(&(struct vm_config){ .no_irqchip = true });
	ASSERT_EQ(run_missing(vm, &s, MOVDIRI, false), STUBS + 4 * 6);
	ASSERT_EQ(vm->ram[DATA], 1);
	vm_free(vm);
	vm = vm_new(&(struct vm_config){ .no_irqchip = true });
	ASSERT_EQ(run_missing(vm, &s, MOVDIRI, true), CODE + 4);
	ASSERT_EQ(*(u32 *)(vm->ram + DATA), 0x12345678);
	vm_free(vm);
}

/* RDPID, by the CPU or the emulator: what IA32_TSC_AUX holds. */
static void rdpid(const void *arg)
{
	static const struct snippet s = { "rdpid", P64, 3, CODE_BYTES(0xf3, 0x0f, 0xc7, 0xf8) };
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entries[16];
	} table;
	struct vm *vm;

	need_ditto();
	set_parameter("0");
	if (!(cpuid_find(cpuid_supported(), 0x80000001, 0)->edx & RDTSCP))
		skip("this CPU has no RDTSCP");
	ASSERT(emulated(&table.head, 7)->ecx & RDPID);
	vm = vm_new(&(struct vm_config){ .no_irqchip = true });
	vcpu_set_cpuid(&vm->vcpu[0]);
	ASSERT_EQ(vcpu_try_set_msr(&vm->vcpu[0], TSC_AUX, 0x5a17), 1);
	ASSERT_EQ(run_missing(vm, &s, RDPID, true), CODE + 4);
	ASSERT_EQ(vcpu_regs(&vm->vcpu[0]).rax, 0x5a17);
	vm_free(vm);
}

int main(int argc, char **argv)
{
	struct tap_test tests[ARRAY_SIZE(groups) + 3] = {
		{ "refused", refused }, { "missing", missing }, { "rdpid", rdpid },
	};
	size_t i;
	int r;

	for (i = 0; i < ARRAY_SIZE(groups); i++)
		tests[i + 3] = (struct tap_test){ groups[i].name, run_group, &groups[i], 60 };
	r = tap_main(argc, argv, tests, ARRAY_SIZE(tests));
	if (!access(PARAMETER, W_OK))
		set_parameter("0");
	return r;
}
