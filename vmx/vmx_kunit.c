// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit: what of the VMX backend needs no VMX: control words from capability
 * MSRs, access rights of segments, what exits and cut deliveries say, and the
 * checks that explain a refused entry.  Values are those that the manual prints,
 * or that CPUs gave.
 */
#include <kunit/test.h>
#include <asm/debugreg.h>
#include <asm/processor-flags.h>
#include <asm/trapnr.h>

#include "vmx/refusal.h"
#include "x86/machine/vm.h"

static u64 cap(u32 must, u32 may)
{
	return (u64)may << 32 | must;
}

static void adjust_takes_what_may_be(struct kunit *test)
{
	u32 control;

	KUNIT_EXPECT_TRUE(test, vmx_adjust(cap(0x16, 0xff), 0x21, 0, &control));
	KUNIT_EXPECT_EQ(test, control, 0x37);
	KUNIT_EXPECT_TRUE(test, vmx_adjust(cap(0x16, 0x3f), 0x21, 0xc8, &control));
	KUNIT_EXPECT_EQ(test, control, 0x3f);
}

static void adjust_refuses_what_may_not(struct kunit *test)
{
	u32 control;

	KUNIT_EXPECT_FALSE(test, vmx_adjust(cap(0x16, 0x3f), 0x61, 0, &control));
	KUNIT_EXPECT_FALSE(test, vmx_adjust(0, 1, 0, &control));
	KUNIT_EXPECT_TRUE(test, vmx_adjust(0, 0, ~0u, &control));
	KUNIT_EXPECT_EQ(test, control, 0);
}

static const struct {
	const char *name;
	struct kvm_segment seg;
	u32 rights;
} segs[] = {
	{ "64-bit code", { .type = 0xb, .s = 1, .present = 1, .l = 1, .g = 1 }, 0xa09b },
	{ "flat code of user mode",
	  { .type = 0xb, .s = 1, .present = 1, .db = 1, .g = 1, .dpl = 3 }, 0xc0fb },
	{ "data after reset", { .type = 3, .s = 1, .present = 1 }, 0x93 },
	{ "AVL", { .type = 3, .s = 1, .present = 1, .avl = 1 }, 0x1093 },
	{ "busy TSS", { .type = 0xb, .present = 1 }, 0x8b },
	{ "LDT", { .type = 2, .present = 1 }, 0x82 },
	{ "null", { .unusable = 1 }, 0x10000 },
	{ "null stack of ring 1", { .dpl = 1, .unusable = 1 }, 0x10020 },
};

static void rights_and_back(struct kunit *test)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(segs); i++) {
		struct kvm_segment back = { .padding = 1 };

		KUNIT_EXPECT_EQ_MSG(test, vmx_seg_rights(&segs[i].seg), segs[i].rights, "%s",
				    segs[i].name);
		vmx_seg_from_rights(&back, segs[i].rights);
		KUNIT_EXPECT_EQ_MSG(test, memcmp(&back, &segs[i].seg, sizeof(back)), 0, "%s",
				    segs[i].name);
	}
}

static void rights_of_loose_segments(struct kunit *test)
{
	struct kvm_segment never_accessed = { .type = 2, .s = 1, .present = 1 };
	struct kvm_segment not_present = { .type = 3, .s = 1 };
	struct kvm_segment back;

	KUNIT_EXPECT_EQ(test, vmx_seg_rights(&never_accessed), 0x93);
	KUNIT_EXPECT_EQ(test, vmx_seg_rights(&not_present), 0x10013);
	/* A CPU may leave the other bits in an unusable segment. */
	vmx_seg_from_rights(&back, 0x1c093);
	KUNIT_EXPECT_EQ(test, back.present, 0);
	KUNIT_EXPECT_EQ(test, back.unusable, 1);
}

static void io_qualifications(struct kunit *test)
{
	struct exit_facts f;

	vmx_io_facts(0x3f80000, &f);		/* out %al, %dx */
	KUNIT_EXPECT_EQ(test, f.kind, EXIT_IO);
	KUNIT_EXPECT_EQ(test, f.io.port, 0x3f8);
	KUNIT_EXPECT_EQ(test, f.io.size, 1);
	KUNIT_EXPECT_FALSE(test, f.io.in || f.io.string);
	vmx_io_facts(0xcfc0000 | BIT(3) | 3, &f);	/* in %dx, %eax */
	KUNIT_EXPECT_EQ(test, f.io.port, 0xcfc);
	KUNIT_EXPECT_EQ(test, f.io.size, 4);
	KUNIT_EXPECT_TRUE(test, f.io.in);
	vmx_io_facts(0x1f00000 | BIT(5) | BIT(4) | BIT(3) | 1, &f);	/* rep insw */
	KUNIT_EXPECT_EQ(test, f.io.size, 2);
	KUNIT_EXPECT_TRUE(test, f.io.in && f.io.string);
}

static void notify_qualifications(struct kunit *test)
{
	struct exit_facts f;

	vmx_notify_facts(BIT(12), &f);
	KUNIT_EXPECT_EQ(test, f.kind, EXIT_NOTIFY);
	KUNIT_EXPECT_FALSE(test, f.notify.state_lost);
	vmx_notify_facts(BIT(0), &f);
	KUNIT_EXPECT_TRUE(test, f.notify.state_lost);
}

/* Nothing that the VMM has not asked for. */
static void controls_of_a_vm(struct kunit *test)
{
	const u32 asked = SECONDARY_EXEC_BUS_LOCK_DETECTION | SECONDARY_EXEC_NOTIFY_VM_EXITING;
	const u32 all = SECONDARY_EXEC_ENABLE_EPT | SECONDARY_EXEC_PAUSE_LOOP_EXITING | asked;
	struct vm_enabled enabled = { };

	KUNIT_EXPECT_EQ(test, vmx_cpu2_of(all, &enabled), all & ~asked);
	enabled.bus_lock_exits = true;
	KUNIT_EXPECT_EQ(test, vmx_cpu2_of(all, &enabled), all & ~SECONDARY_EXEC_NOTIFY_VM_EXITING);
	enabled.notify = KVM_X86_NOTIFY_VMEXIT_ENABLED;
	KUNIT_EXPECT_EQ(test, vmx_cpu2_of(all, &enabled), all);
	KUNIT_EXPECT_EQ(test, vmx_cpu2_of(all & ~asked, &enabled), all & ~asked);
	enabled.exits_off = KVM_X86_DISABLE_EXITS_PAUSE;
	KUNIT_EXPECT_EQ(test, vmx_cpu2_of(all, &enabled), all & ~SECONDARY_EXEC_PAUSE_LOOP_EXITING);
}

static void register_qualifications(struct kunit *test)
{
	struct exit_facts f;

	vmx_cr_facts(0x304, &f);		/* mov %rbx, %cr4 */
	KUNIT_EXPECT_EQ(test, f.kind, EXIT_CR);
	KUNIT_EXPECT_EQ(test, f.reg.nr, 4);
	KUNIT_EXPECT_EQ(test, f.reg.gpr, GPR_RBX);
	KUNIT_EXPECT_TRUE(test, f.reg.write);
	vmx_cr_facts(0xf18, &f);		/* mov %cr8, %r15 */
	KUNIT_EXPECT_EQ(test, f.reg.nr, 8);
	KUNIT_EXPECT_EQ(test, f.reg.gpr, GPR_R15);
	KUNIT_EXPECT_FALSE(test, f.reg.write);
	vmx_cr_facts(0x20, &f);			/* clts */
	KUNIT_EXPECT_EQ(test, f.reg.gpr, GPR_NR);
	KUNIT_EXPECT_TRUE(test, f.reg.write);
	vmx_cr_facts(0x10030, &f);		/* lmsw */
	KUNIT_EXPECT_EQ(test, f.reg.gpr, GPR_NR);
	vmx_dr_facts(0x617, &f);		/* mov %dr7, %rsi */
	KUNIT_EXPECT_EQ(test, f.kind, EXIT_DR);
	KUNIT_EXPECT_EQ(test, f.reg.nr, 7);
	KUNIT_EXPECT_EQ(test, f.reg.gpr, GPR_RSI);
	KUNIT_EXPECT_FALSE(test, f.reg.write);
}

static void ept_qualifications(struct kunit *test)
{
	struct exit_facts f;

	vmx_ept_facts(0x181, &f);
	KUNIT_EXPECT_EQ(test, f.kind, EXIT_TDP_FAULT);
	KUNIT_EXPECT_EQ(test, f.tdp.access, MMU_READ);
	KUNIT_EXPECT_FALSE(test, f.tdp.table_walk);
	vmx_ept_facts(0x182, &f);
	KUNIT_EXPECT_EQ(test, f.tdp.access, MMU_WRITE);
	vmx_ept_facts(0x184, &f);
	KUNIT_EXPECT_EQ(test, f.tdp.access, MMU_EXEC);
	/* With accessed and dirty bits a walk reads and writes. */
	vmx_ept_facts(0x83, &f);
	KUNIT_EXPECT_EQ(test, f.tdp.access, MMU_WRITE);
	KUNIT_EXPECT_TRUE(test, f.tdp.table_walk);
	/* The load of PDPTEs has no linear address, and is no walk. */
	vmx_ept_facts(0x1, &f);
	KUNIT_EXPECT_FALSE(test, f.tdp.table_walk);
}

static void logged_writes(struct kunit *test)
{
	static const u64 log[VMX_LOG_ENTRIES];
	struct exit_facts f;

	vmx_log_facts(log, VMX_LOG_ENTRIES - 1, &f);
	KUNIT_EXPECT_EQ(test, f.nr_written, 0);
	vmx_log_facts(log, VMX_LOG_ENTRIES - 2, &f);
	KUNIT_EXPECT_EQ(test, f.nr_written, 1);
	KUNIT_EXPECT_PTR_EQ(test, f.written, &log[VMX_LOG_ENTRIES - 1]);
	vmx_log_facts(log, 0, &f);
	KUNIT_EXPECT_EQ(test, f.nr_written, VMX_LOG_ENTRIES - 1);
	KUNIT_EXPECT_PTR_EQ(test, f.written, &log[1]);
	/* Full: one below 0. */
	vmx_log_facts(log, 0xffff, &f);
	KUNIT_EXPECT_EQ(test, f.nr_written, VMX_LOG_ENTRIES);
	KUNIT_EXPECT_PTR_EQ(test, f.written, &log[0]);
}

static void task_switches(struct kunit *test)
{
	struct exit_facts f;

	vmx_task_facts(0xc0000058, &f);
	KUNIT_EXPECT_EQ(test, f.kind, EXIT_TASK_SWITCH);
	KUNIT_EXPECT_EQ(test, f.task.selector, 0x58);
	KUNIT_EXPECT_EQ(test, f.task.source, TASK_GATE);
	vmx_task_facts(0x40000060, &f);
	KUNIT_EXPECT_EQ(test, f.task.selector, 0x60);
	KUNIT_EXPECT_EQ(test, f.task.source, TASK_IRET);
}

static void cut_deliveries(struct kunit *test)
{
	struct x86_event e;

	vmx_vectoring(0x30, 5, 2, &e);
	KUNIT_EXPECT_EQ(test, e.type, EVENT_NONE);
	vmx_vectoring(0x80000030, 5, 2, &e);
	KUNIT_EXPECT_EQ(test, e.type, EVENT_IRQ);
	KUNIT_EXPECT_EQ(test, e.vector, 0x30);
	KUNIT_EXPECT_FALSE(test, e.has_error);
	vmx_vectoring(0x80000202, 5, 2, &e);
	KUNIT_EXPECT_EQ(test, e.type, EVENT_NMI);
	vmx_vectoring(0x80000b0e, 6, 2, &e);
	KUNIT_EXPECT_EQ(test, e.type, EVENT_EXCEPTION);
	KUNIT_EXPECT_EQ(test, e.vector, X86_TRAP_PF);
	KUNIT_EXPECT_TRUE(test, e.has_error);
	KUNIT_EXPECT_EQ(test, e.error, 6);
	vmx_vectoring(0x80000480, 0, 2, &e);
	KUNIT_EXPECT_EQ(test, e.type, EVENT_SOFT_INT);
	KUNIT_EXPECT_EQ(test, e.insn_len, 2);
	vmx_vectoring(0x80000603, 0, 1, &e);
	KUNIT_EXPECT_EQ(test, e.type, EVENT_SOFT_EXC);
	KUNIT_EXPECT_EQ(test, e.vector, X86_TRAP_BP);
	KUNIT_EXPECT_EQ(test, e.insn_len, 1);
	vmx_vectoring(0x80000501, 0, 1, &e);	/* INT1 is executed again */
	KUNIT_EXPECT_EQ(test, e.type, EVENT_SOFT_EXC);
	KUNIT_EXPECT_EQ(test, e.vector, X86_TRAP_DB);
	KUNIT_EXPECT_EQ(test, e.insn_len, 0);
}

static void image_init(struct vmx_image *g)
{
	enum x86_seg nr;

	*g = (struct vmx_image) {
		.cr0 = X86_CR0_PE | X86_CR0_PG | X86_CR0_NE, .cr0_set = X86_CR0_NE,
		.cr4 = X86_CR4_PAE | X86_CR4_VMXE, .cr4_set = X86_CR4_VMXE,
		.efer = EFER_LME | EFER_LMA, .entry_ctl = VM_ENTRY_IA32E_MODE,
		.pat = 0x0007040600070406ULL, .dr7 = 0x400,
		.rflags = X86_EFLAGS_FIXED | X86_EFLAGS_IF,
	};
	for (nr = 0; nr < SEG_NR; nr++)
		g->seg[nr].rights = VMX_AR_UNUSABLE_MASK;
	g->seg[SEG_CS] = (struct vmx_image_seg) { .limit = ~0u, .rights = 0xa09b };
	g->seg[SEG_TR] = (struct vmx_image_seg) { .limit = 0x67, .rights = 0x8b };
}

static void no_ne(struct vmx_image *g) { g->cr0 &= ~(u64)X86_CR0_NE; }
static void no_vmxe(struct vmx_image *g) { g->cr4 &= ~(u64)X86_CR4_VMXE; }
static void no_pae(struct vmx_image *g) { g->cr4 &= ~(u64)X86_CR4_PAE; }
static void dr7_wide(struct vmx_image *g) { g->dr7 |= BIT_ULL(32); }
static void pat_2(struct vmx_image *g) { g->pat = 2; }
static void lma_alone(struct vmx_image *g) { g->efer &= ~(u64)EFER_LME; }
static void tr_in_ldt(struct vmx_image *g) { g->seg[SEG_TR].selector = 0x44; }
static void fs_far(struct vmx_image *g) { g->seg[SEG_FS].base = BIT_ULL(63); }
static void cs_wide(struct vmx_image *g) { g->seg[SEG_CS].base = BIT_ULL(32); }
static void cs_l_and_d(struct vmx_image *g) { g->seg[SEG_CS].rights |= VMX_AR_DB_MASK; }
static void cs_data(struct vmx_image *g) { g->seg[SEG_CS].rights = 0xa091; }
static void ss_code(struct vmx_image *g) { g->seg[SEG_SS].rights = 0x9b; }
static void ds_not_accessed(struct vmx_image *g) { g->seg[SEG_DS].rights = 0x92; }
static void tr_idle(struct vmx_image *g) { g->seg[SEG_TR].rights = 0x89; }
static void tr_none(struct vmx_image *g) { g->seg[SEG_TR].rights |= VMX_AR_UNUSABLE_MASK; }
static void ldtr_data(struct vmx_image *g) { g->seg[SEG_LDTR].rights = 0x93; }
static void gdtr_far(struct vmx_image *g) { g->gdtr_base = BIT_ULL(63); }
static void idtr_long(struct vmx_image *g) { g->idtr_limit = 0x10000; }
static void rip_far(struct vmx_image *g) { g->rip = BIT_ULL(62); }
static void rflags_bit_3(struct vmx_image *g) { g->rflags |= BIT(3); }
static void sti_and_mov_ss(struct vmx_image *g) { g->interruptibility = 3; }

static void irq_without_if(struct vmx_image *g)
{
	g->rflags = X86_EFLAGS_FIXED;
	g->event = 0x80000030;
}

static void irq_in_shadow(struct vmx_image *g)
{
	g->interruptibility = GUEST_INTR_STATE_STI;
	g->event = 0x80000030;
}

static void nmi_in_nmi(struct vmx_image *g)
{
	g->interruptibility = GUEST_INTR_STATE_NMI;
	g->event = 0x80000202;
}

static void pdpte_reserved(struct vmx_image *g)
{
	g->entry_ctl = 0;
	g->efer = 0;
	g->seg[SEG_CS].rights = 0xc09b;
	g->pdpte[2] = 3;
}

static const struct {
	void (*spoil)(struct vmx_image *g);
	const char *name;
} refusals[] = {
	{ no_ne, "CR0" }, { no_vmxe, "CR4" },
	{ no_pae, "CR0.PG, CR4.PAE or CR4.PCIDE against long mode" },
	{ dr7_wide, "DR7" }, { pat_2, "PAT" }, { lma_alone, "EFER" },
	{ tr_in_ldt, "selector of TR or LDTR" },
	{ fs_far, "base of a segment" }, { cs_wide, "base of a segment" },
	{ cs_l_and_d, "access rights or limit of CS" },
	{ cs_data, "access rights or limit of CS" },
	{ ss_code, "access rights or limit of SS" },
	{ ds_not_accessed, "access rights or limit of DS, ES, FS or GS" },
	{ tr_idle, "access rights or limit of TR" },
	{ tr_none, "access rights or limit of TR" },
	{ ldtr_data, "access rights or limit of LDTR" },
	{ gdtr_far, "GDTR or IDTR" }, { idtr_long, "GDTR or IDTR" }, { rip_far, "RIP" },
	{ rflags_bit_3, "RFLAGS" }, { irq_without_if, "RFLAGS" },
	{ sti_and_mov_ss, "interruptibility" }, { irq_in_shadow, "interruptibility" },
	{ nmi_in_nmi, "interruptibility" }, { pdpte_reserved, "PDPTEs" },
};

static void refusals_have_names(struct kunit *test)
{
	struct vmx_image g;
	int i;

	image_init(&g);
	KUNIT_EXPECT_NULL(test, vmx_first_refused(&g));
	for (i = 0; i < ARRAY_SIZE(refusals); i++) {
		const char *name;

		image_init(&g);
		refusals[i].spoil(&g);
		name = vmx_first_refused(&g);
		KUNIT_ASSERT_NOT_NULL_MSG(test, name, "%s (%d)", refusals[i].name, i);
		KUNIT_EXPECT_STREQ(test, name, refusals[i].name);
	}
}

static void virtual_8086_mode(struct kunit *test)
{
	struct vmx_image g;
	enum x86_seg nr;

	image_init(&g);
	g.entry_ctl = 0;
	g.efer = 0;
	g.rflags |= X86_EFLAGS_VM;
	for (nr = SEG_ES; nr <= SEG_GS; nr++)
		g.seg[nr] = (struct vmx_image_seg) {
			.selector = 0x100, .base = 0x1000, .limit = 0xffff, .rights = 0xf3,
		};
	KUNIT_EXPECT_NULL(test, vmx_first_refused(&g));
	g.seg[SEG_GS].limit = 0xfffff;
	KUNIT_EXPECT_STREQ(test, vmx_first_refused(&g), "segments of virtual-8086 mode");
}

static void real_mode(struct kunit *test)
{
	struct vmx_image g;
	enum x86_seg nr;

	image_init(&g);
	g.entry_ctl = 0;
	g.efer = 0;
	g.cr0 = X86_CR0_NE;
	for (nr = SEG_ES; nr <= SEG_GS; nr++)
		g.seg[nr] = (struct vmx_image_seg) { .limit = 0xffff, .rights = 0x93 };
	g.seg[SEG_CS].base = 0xffff0000;
	g.rip = 0xfff0;
	KUNIT_EXPECT_NULL(test, vmx_first_refused(&g));
	/* "Big real mode", as a guest leaves it that was in protected mode before. */
	g.seg[SEG_DS].limit = ~0u;
	g.seg[SEG_DS].rights = 0xc093;
	KUNIT_EXPECT_NULL(test, vmx_first_refused(&g));
	g.seg[SEG_SS].rights = 0xf3;
	KUNIT_EXPECT_STREQ(test, vmx_first_refused(&g), "access rights or limit of SS");
}

static void timer_counts(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, vmx_timer_count(1000, 900, 0, 5000), 101);
	KUNIT_EXPECT_EQ(test, vmx_timer_count(1000, 999, 5, 5000), 1);
	KUNIT_EXPECT_EQ(test, vmx_timer_count(1000, 1000, 5, 5000), 0);
	KUNIT_EXPECT_EQ(test, vmx_timer_count(1000, 2000, 0, 5000), 0);
	KUNIT_EXPECT_EQ(test, vmx_timer_count(1064, 1000, 5, 5000), 3);
	/* The watchdog comes first; nothing overflows on the way. */
	KUNIT_EXPECT_EQ(test, vmx_timer_count(100000, 0, 0, 5000), 5000);
	KUNIT_EXPECT_EQ(test, vmx_timer_count(U64_MAX, 0, 0, 5000), 5000);
	KUNIT_EXPECT_EQ(test, vmx_timer_count(U64_MAX, 0, 31, U32_MAX), U32_MAX);
	KUNIT_EXPECT_EQ(test, vmx_timer_count(1, 0, 0, U32_MAX), 2);
}

/* Nested paging takes all of this, and where one is missing guests have shadow tables. */
static void nested_paging(struct kunit *test)
{
	static const struct { enum vmx_word word; u32 bit; const char *name; } takes[] = {
		{ VMX_CPU2, SECONDARY_EXEC_ENABLE_EPT, "EPT" },
		{ VMX_CPU2, SECONDARY_EXEC_UNRESTRICTED_GUEST, "unrestricted guests" },
		{ VMX_EXIT, VM_EXIT_LOAD_IA32_PAT, "loading of PAT on exit" },
		{ VMX_ENTRY, VM_ENTRY_LOAD_IA32_EFER, "loading of EFER on entry" },
	};
	const struct vmx_caps full = { .control = { ~0u, ~0u, ~0u, ~0u, ~0u }, .ept_vpid = ~0ULL };
	struct vmx_caps caps = full;
	int i;

	KUNIT_EXPECT_NULL(test, vmx_lacks_for_ept(&caps));
	for (i = 0; i < ARRAY_SIZE(takes); i++) {
		caps = full;
		caps.control[takes[i].word] &= ~takes[i].bit;
		KUNIT_EXPECT_STREQ(test, vmx_lacks_for_ept(&caps), takes[i].name);
	}
	caps = full;
	caps.ept_vpid &= ~(u64)VMX_EPT_EXTENT_GLOBAL_BIT;
	KUNIT_EXPECT_STREQ(test, vmx_lacks_for_ept(&caps), "INVEPT");
}

static void mixed_cpus(struct kunit *test)
{
	const struct vmx_caps first = {
		.control = { 0x7f, 0xb5a07dfa, 0xab, 0x36fff, 0xd1ff },
		.basic = 0xda040000000012, .misc = 0x7004c1e7, .ept_vpid = 0xf0106f34141,
		.cr0_set = 0x20, .cr4_set = 0x2000,
	};
	struct vmx_caps here = first;
	int i;

	KUNIT_EXPECT_NULL(test, vmx_differs(&first, &here));
	here.misc ^= BIT(5);		/* not the rate of the timer */
	here.ept_vpid ^= BIT(0);	/* execute-only pages */
	KUNIT_EXPECT_NULL(test, vmx_differs(&first, &here));
	here.misc ^= 1;
	KUNIT_EXPECT_STREQ(test, vmx_differs(&first, &here), "preemption timer");
	for (i = 0; i < VMX_NR_WORDS; i++) {
		here = first;
		here.control[i] ^= BIT(6);
		KUNIT_EXPECT_STREQ(test, vmx_differs(&first, &here), "controls");
	}
	here = first;
	here.basic++;
	KUNIT_EXPECT_STREQ(test, vmx_differs(&first, &here), "VMCS");
	here = first;
	here.cr4_set = 0;
	KUNIT_EXPECT_STREQ(test, vmx_differs(&first, &here), "fixed bits of CR0 or CR4");
	here = first;
	here.ept_vpid &= ~VMX_EPT_AD_BIT;
	KUNIT_EXPECT_STREQ(test, vmx_differs(&first, &here), "EPT or VPID");
}

static void cpus_refused(struct kunit *test)
{
	const char *why = "";

	KUNIT_EXPECT_EQ(test, vmx_cpu_verdict(true, false, NULL, &why), 0);
	KUNIT_EXPECT_EQ(test, vmx_cpu_verdict(true, true, NULL, &why), -EBUSY);
	KUNIT_EXPECT_NOT_NULL(test, strstr(why, "kvm_intel"));
	KUNIT_EXPECT_EQ(test, vmx_cpu_verdict(false, false, NULL, &why), -EPERM);
	KUNIT_EXPECT_NOT_NULL(test, strstr(why, "firmware"));
	KUNIT_EXPECT_EQ(test, vmx_cpu_verdict(true, false, "controls", &why), -ENODEV);
	KUNIT_EXPECT_NOT_NULL(test, strstr(why, "controls"));
}

static void timers_broken(struct kunit *test)
{
	KUNIT_EXPECT_TRUE(test, vmx_timer_broken(0x106a5));
	KUNIT_EXPECT_TRUE(test, vmx_timer_broken(0x306a8));
	KUNIT_EXPECT_TRUE(test, vmx_timer_broken(0xf000c000 | 0x20652));
	KUNIT_EXPECT_FALSE(test, vmx_timer_broken(0x306a9));
	KUNIT_EXPECT_FALSE(test, vmx_timer_broken(0x906ea));
	KUNIT_EXPECT_FALSE(test, vmx_timer_broken(0));
}

static void counters_switched(struct kunit *test)
{
	struct perf_guest_switch_msr msr[VMX_NR_COUNTERS] = {
		{ .msr = MSR_CORE_PERF_GLOBAL_CTRL, .host = 0x70000000f, .guest = 0x70000000e },
		{ .msr = MSR_IA32_DS_AREA, .host = 1ULL << 40, .guest = 1ULL << 40 },
		{ .msr = MSR_IA32_PEBS_ENABLE, .host = 1, .guest = 0 },
	};
	struct vmx_counters *c = kunit_kzalloc(test, sizeof(*c), GFP_KERNEL);
	int i;

	KUNIT_ASSERT_NOT_NULL(test, c);
	KUNIT_EXPECT_EQ(test, vmx_counters_differ(c, msr, 0), 0);
	KUNIT_EXPECT_EQ(test, vmx_counters_differ(c, msr, 2), 1);
	KUNIT_EXPECT_FALSE(test, vmx_counters_record(c, 1));
	KUNIT_EXPECT_EQ(test, vmx_counters_differ(c, msr, 3), 2);
	KUNIT_EXPECT_TRUE(test, vmx_counters_record(c, 2));
	KUNIT_EXPECT_EQ(test, c->guest[0].index, MSR_CORE_PERF_GLOBAL_CTRL);
	KUNIT_EXPECT_EQ(test, c->guest[0].value, 0x70000000eULL);
	KUNIT_EXPECT_EQ(test, c->host[0].value, 0x70000000fULL);
	KUNIT_EXPECT_EQ(test, c->guest[1].index, MSR_IA32_PEBS_ENABLE);
	KUNIT_EXPECT_EQ(test, c->host[1].index, MSR_IA32_PEBS_ENABLE);
	KUNIT_EXPECT_EQ(test, c->guest[1].value, 0ULL);
	KUNIT_EXPECT_EQ(test, c->host[1].value, 1ULL);
	for (i = 0; i < VMX_NR_COUNTERS; i++)
		msr[i] = (struct perf_guest_switch_msr){ .msr = 0x186 + i, .host = 1 };
	KUNIT_EXPECT_EQ(test, vmx_counters_differ(c, msr, i), i);
	KUNIT_EXPECT_EQ(test, c->host[i - 1].index, 0x186 + i - 1);
	/* The manual wants both lists at multiples of 16. */
	KUNIT_EXPECT_EQ(test, offsetof(struct vmx_vcpu, counters) % 16, 0);
	KUNIT_EXPECT_EQ(test, offsetof(struct vmx_counters, host) % 16, 0);
}

static void l1d_pages_differ(struct kunit *test)
{
	u8 *p = kunit_kzalloc(test, 4 * PAGE_SIZE, GFP_KERNEL);
	int i;

	KUNIT_ASSERT_NOT_NULL(test, p);
	vmx_l1d_fill(p, 4);
	for (i = 1; i < 4; i++)
		KUNIT_EXPECT_NE(test, memcmp(p, p + i * PAGE_SIZE, PAGE_SIZE), 0);
	KUNIT_EXPECT_NOT_NULL(test, memchr_inv(p, 0, PAGE_SIZE));
}

/* "l1tf=" as the kernel documents it, and only where the CPU has the bug. */
static void l1tf_decisions(struct kunit *test)
{
	static const struct {
		bool bug, skip, shadow;
		int wanted;
		enum vmx_l1tf when;
		int report;
	} want[] = {
		{ false, false, false, L1TF_MITIGATION_FULL_FORCE, L1TF_NEVER,
		  VMENTER_L1D_FLUSH_NOT_REQUIRED },
		{ true, true, true, L1TF_MITIGATION_FULL_FORCE, L1TF_NEVER,
		  VMENTER_L1D_FLUSH_NOT_REQUIRED },
		{ true, false, true, L1TF_MITIGATION_FULL_FORCE, L1TF_NEVER,
		  VMENTER_L1D_FLUSH_EPT_DISABLED },
		{ true, false, false, L1TF_MITIGATION_OFF, L1TF_NEVER, VMENTER_L1D_FLUSH_NEVER },
		{ true, false, false, L1TF_MITIGATION_FLUSH, L1TF_COND, VMENTER_L1D_FLUSH_COND },
		{ true, false, false, L1TF_MITIGATION_FLUSH_NOSMT, L1TF_COND,
		  VMENTER_L1D_FLUSH_COND },
		{ true, false, false, L1TF_MITIGATION_FULL, L1TF_ALWAYS, VMENTER_L1D_FLUSH_ALWAYS },
		{ true, false, false, L1TF_MITIGATION_FULL_FORCE, L1TF_ALWAYS,
		  VMENTER_L1D_FLUSH_ALWAYS },
	};
	int i, report;

	for (i = 0; i < ARRAY_SIZE(want); i++) {
		KUNIT_EXPECT_EQ_MSG(test, vmx_l1tf_decide(want[i].bug, want[i].skip,
							  want[i].shadow, want[i].wanted,
							  &report),
				    want[i].when, "%d", i);
		KUNIT_EXPECT_EQ_MSG(test, report, want[i].report, "%d", i);
	}
}

static struct kunit_case vmx_cases[] = {
	KUNIT_CASE(adjust_takes_what_may_be),
	KUNIT_CASE(adjust_refuses_what_may_not),
	KUNIT_CASE(rights_and_back),
	KUNIT_CASE(rights_of_loose_segments),
	KUNIT_CASE(io_qualifications),
	KUNIT_CASE(notify_qualifications),
	KUNIT_CASE(controls_of_a_vm),
	KUNIT_CASE(register_qualifications),
	KUNIT_CASE(ept_qualifications),
	KUNIT_CASE(logged_writes),
	KUNIT_CASE(task_switches),
	KUNIT_CASE(cut_deliveries),
	KUNIT_CASE(refusals_have_names),
	KUNIT_CASE(virtual_8086_mode),
	KUNIT_CASE(real_mode),
	KUNIT_CASE(timer_counts),
	KUNIT_CASE(nested_paging),
	KUNIT_CASE(mixed_cpus),
	KUNIT_CASE(cpus_refused),
	KUNIT_CASE(timers_broken),
	KUNIT_CASE(counters_switched),
	KUNIT_CASE(l1d_pages_differ),
	KUNIT_CASE(l1tf_decisions),
	{}
};

static struct kunit_suite vmx_suite = { .name = "ditto_vmx", .test_cases = vmx_cases };
kunit_test_suite(vmx_suite);
