// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_SET_GUEST_DEBUG: where a step ends, which breakpoints are met, what the VMM is told,
 * and that the guest sees nothing of it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "vm.h"

#define STEP	(KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP)
#define DR6	0xffff0ff0ull
#define DR6_BS	0x4000
#define TF	0x100
#define SLOT_GPA 0x10000000u

static void debug_set(struct vcpu *vcpu, u32 control)
{
	struct kvm_guest_debug debug = { .control = control };

	CHECKED(ioctl(vcpu->fd, KVM_SET_GUEST_DEBUG, &debug));
}

/* The emulated CPU of these hosts does not look at the DR7 of a VMCB. */
static bool no_breakpoints(void)
{
	const char *host = getenv("DITTO_HOST");

	return host && strcmp(host, "vmx");
}

/* Bochs's AMD CPUs inject software events without the VMCB's next-RIP. */
static bool no_soft_events(void)
{
	const char *host = getenv("DITTO_HOST");

	return host && !strcmp(host, "vmx") && __builtin_cpu_is("amd");
}

static struct vm *debug_vm(const char *symbol)
{
	struct vm *vm = vm_new(NULL);

	vcpu_call(&vm->vcpu[0], symbol, 0);
	return vm;
}

static void goto_symbol(struct vcpu *vcpu, const char *symbol)
{
	struct kvm_regs regs = vcpu_regs(vcpu);

	regs.rip = image_symbol(symbol);
	CHECKED(ioctl(vcpu->fd, KVM_SET_REGS, &regs));
}

static void stopped(struct vcpu *vcpu, u32 exception, u64 pc, u64 dr6)
{
	const struct kvm_debug_exit_arch *d = &vcpu->run->debug.arch;

	ASSERT_EQ(vcpu_run(vcpu), KVM_EXIT_DEBUG);
	if (d->pc != pc)
		note("rip %#llx", vcpu_regs(vcpu).rip);
	ASSERT_EQ(d->pc, pc);
	ASSERT_EQ(d->exception, exception);
	ASSERT_EQ(vcpu_regs(vcpu).rip, pc);
	if (exception == 1)
		ASSERT_EQ(d->dr6, dr6);
}

/* Stock KVM steps once where the last step ended in an emulated instruction. */
static void step_to(struct vcpu *vcpu, u32 control, u64 pc)
{
	debug_set(vcpu, STEP | control);
	stopped(vcpu, 1, pc, DR6 | DR6_BS);
	ASSERT(!(vcpu_regs(vcpu).rflags & TF));
}

static void step_until(struct vcpu *vcpu, u64 rip)
{
	while (vcpu_regs(vcpu).rip != rip) {
		debug_set(vcpu, STEP);
		ASSERT_EQ(vcpu_run(vcpu), KVM_EXIT_DEBUG);
	}
}

/* Each instruction of a sequence, and then the rest without steps. */
static void step_sequence(const char *name)
{
	char pcs[32], entry[32], start[32];
	const u64 *pc;
	struct vm *vm;

	snprintf(pcs, sizeof(pcs), "d_%s_pcs", name);
	snprintf(entry, sizeof(entry), "g_debug_%s", name);
	snprintf(start, sizeof(start), "d_%s", name);
	vm = debug_vm(entry);
	goto_symbol(&vm->vcpu[0], entry);
	step_to(&vm->vcpu[0], 0, image_symbol(start));
	for (pc = vm_symbol(vm, pcs); *pc; pc++)
		step_to(&vm->vcpu[0], 0, *pc);
	debug_set(&vm->vcpu[0], 0);
	vcpu_run_done(&vm->vcpu[0]);
	if (!strcmp(name, "flags")) {
		volatile u64 *flags = vm_symbol(vm, "g_flags_seen");

		ASSERT(!((flags[0] | flags[1] | flags[2]) & TF));
	}
	vm_free(vm);
}

static void step_plain(const void *arg)
{
	step_sequence("plain");
}

/* Stock KVM shows the guest a TF, and steps over two where one writes to a device. */
static void step_flags(const void *arg)
{
	need_ditto();
	step_sequence("flags");
}

/* What a guest does is the same when each of its instructions is a step. */
static void step_all(const void *symbol)
{
	struct vm *vm = debug_vm(symbol);
	struct vcpu *vcpu = &vm->vcpu[0];
	unsigned int steps = 0;

	need_ditto();
	if (no_soft_events() && !strcmp(symbol, "g_debug_exceptions"))
		skip("this CPU injects software events without the VMCB's next-RIP");
	debug_set(vcpu, STEP);
	while (vcpu_run(vcpu) == KVM_EXIT_DEBUG) {
		ASSERT_EQ(vcpu->run->debug.arch.exception, 1);
		ASSERT_EQ(vcpu->run->debug.arch.dr6 & DR6_BS, DR6_BS);
		steps++;
	}
	ASSERT_EQ(vcpu->run->exit_reason, KVM_EXIT_IO);
	ASSERT_EQ(vcpu->run->io.port, GUEST_PORT_DONE);
	ASSERT(steps > 50);
	note("%u steps", steps);
	vcpu_ended(vcpu);
	vm_free(vm);
}

/* An interrupt that waits is kept out, or comes between two steps. */
static void step_interrupt(const void *arg)
{
	struct vm *vm = debug_vm("g_debug_interrupt");
	struct vcpu *vcpu = &vm->vcpu[0];
	u64 from = image_symbol("d_popf"), stub = image_symbol("isr_stubs") + 0x41 * 16;
	unsigned int i;

	step_until(vcpu, from);
	if (arg) {
		for (i = 1; i <= 4; i++)
			step_to(vcpu, KVM_GUESTDBG_BLOCKIRQ, from + i);
	} else {
		need_ditto();
		step_to(vcpu, 0, from + 1);
		step_to(vcpu, 0, stub);
		/* Of the frame, RFLAGS. */
		ASSERT_EQ(*(u64 *)(vm->ram + vcpu_regs(vcpu).rsp + 16) & (TF | 0x200), 0x200);
		ASSERT_EQ(*(u64 *)(vm->ram + vcpu_regs(vcpu).rsp), from + 1);
		step_until(vcpu, from + 1);
		for (i = 2; i <= 4; i++)
			step_to(vcpu, 0, from + i);
	}
	debug_set(vcpu, 0);
	vcpu_run_done(vcpu);
	ASSERT_EQ(vm->traces[0], !arg);
	vm_free(vm);
}

/* Its handler begins with the instruction that it interrupts: the step ends before that. */
static void step_interrupt_itself(const void *arg)
{
	struct vm *vm = debug_vm("g_debug_interrupt");
	struct vcpu *vcpu = &vm->vcpu[0];
	u64 stub = image_symbol("isr_stubs") + 0x41 * 16, *frame;
	struct kvm_regs regs;

	need_ditto();
	step_until(vcpu, image_symbol("d_popf"));
	regs = vcpu_regs(vcpu);
	regs.rip = stub;
	regs.rflags |= 0x200;
	CHECKED(ioctl(vcpu->fd, KVM_SET_REGS, &regs));
	step_to(vcpu, 0, stub);
	frame = (u64 *)(vm->ram + vcpu_regs(vcpu).rsp);
	ASSERT_EQ(frame[0], stub);
	ASSERT_EQ(frame[3], regs.rsp);
	vm_free(vm);
}

static void hardware_breakpoints(const void *arg)
{
	struct vm *vm = debug_vm("g_debug_hardware");
	struct vcpu *vcpu = &vm->vcpu[0];
	struct kvm_guest_debug debug = { .control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP };
	const u64 *pc = vm_symbol(vm, "d_hardware_pcs");
	struct kvm_debugregs regs;

	if (no_breakpoints())
		skip("the emulated CPU has no breakpoints of a VMCB");
	debug.arch.debugreg[1] = image_symbol("d_exec");
	debug.arch.debugreg[2] = image_symbol("g_debug_value");
	debug.arch.debugreg[7] = 0x0d000414;	/* DR1: execute; DR2: write, 4 bytes */
	CHECKED(ioctl(vcpu->fd, KVM_SET_GUEST_DEBUG, &debug));
	stopped(vcpu, 1, image_symbol("d_exec"), DR6 | 2);
	ASSERT_EQ(vcpu->run->debug.arch.dr7, 0x0d000414);
	debug.arch.debugreg[7] = 0x0d000410;
	CHECKED(ioctl(vcpu->fd, KVM_SET_GUEST_DEBUG, &debug));
	stopped(vcpu, 1, pc[2], DR6 | 4);
	CHECKED(ioctl(vcpu->fd, KVM_GET_DEBUGREGS, &regs));
	ASSERT_EQ(regs.dr7, 0x400);
	ASSERT_EQ(regs.dr6, DR6);
	ASSERT_EQ(regs.db[1], 0);
	debug_set(vcpu, 0);
	vcpu_run_done(vcpu);
	vm_free(vm);
}

/* The guest's registers stay its own while the VMM uses the CPU's. */
static void guests_registers(const void *arg)
{
	struct vm *vm = debug_vm("g_debug_registers");
	struct vcpu *vcpu = &vm->vcpu[0];
	struct kvm_guest_debug debug = { .control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP };
	struct kvm_debugregs regs;

	debug.arch.debugreg[0] = 0x12345678;
	debug.arch.debugreg[3] = 0x23456789;
	debug.arch.debugreg[7] = 0x482;
	CHECKED(ioctl(vcpu->fd, KVM_SET_GUEST_DEBUG, &debug));
	vcpu_run_done(vcpu);
	CHECKED(ioctl(vcpu->fd, KVM_GET_DEBUGREGS, &regs));
	ASSERT_EQ(regs.db[0], 0x1111);
	ASSERT_EQ(regs.db[3], 0x3333);
	ASSERT_EQ(regs.dr7, 0x700);
	vm_free(vm);
}

/* Debug registers under general detection are the debugger's business, or the guest's. */
static void general_detect(const void *arg)
{
	struct vm *vm = debug_vm("g_debug_registers");
	struct vcpu *vcpu = &vm->vcpu[0];
	struct kvm_guest_debug debug = { .control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP };

	if (no_breakpoints() && !tap.ditto)
		skip("the emulated CPU has no breakpoints of a VMCB");
	debug.arch.debugreg[7] = 0x2400;
	CHECKED(ioctl(vcpu->fd, KVM_SET_GUEST_DEBUG, &debug));
	ASSERT_EQ(vcpu_run(vcpu), KVM_EXIT_DEBUG);
	ASSERT_EQ(vcpu->run->debug.arch.exception, 1);
	ASSERT_EQ(vcpu->run->debug.arch.dr6, DR6 | 0x2000);
	debug_set(vcpu, 0);
	vcpu_run_done(vcpu);
	vm_free(vm);
}

static void software_breakpoint(const void *arg)
{
	struct vm *vm = debug_vm("g_debug_soft");
	struct vcpu *vcpu = &vm->vcpu[0];
	u64 at = image_symbol("d_int3");

	if (no_breakpoints() && !tap.ditto)
		skip("INT3 of the emulated CPU has no exit");
	debug_set(vcpu, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_SW_BP);
	stopped(vcpu, 3, at, 0);
	stopped(vcpu, 3, at, 0);
	*(u8 *)vm_symbol(vm, "d_int3") = 0x90;
	step_to(vcpu, KVM_GUESTDBG_USE_SW_BP, at + 1);
	goto_symbol(vcpu, "d_int3");
	*(u8 *)vm_symbol(vm, "d_int3") = 0xcc;
	debug_set(vcpu, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP | KVM_GUESTDBG_USE_SW_BP);
	if (tap.ditto || !no_breakpoints())
		stopped(vcpu, 3, at, 0);
	vm_free(vm);
}

/* The breakpoint is still asked for when the guest has shut down, and is given a state again. */
static void breakpoint_stays(const void *arg)
{
	struct vm *vm = debug_vm("g_debug_soft");
	struct vcpu *vcpu = &vm->vcpu[0];
	u64 at = image_symbol("d_int3");
	u8 *code = vm_symbol(vm, "d_int3"), was[2];
	struct kvm_sregs sregs, none;
	struct kvm_regs regs;

	if (no_breakpoints() && !tap.ditto)
		skip("INT3 of the emulated CPU has no exit");
	debug_set(vcpu, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_SW_BP);
	stopped(vcpu, 3, at, 0);
	regs = vcpu_regs(vcpu);
	CHECKED(ioctl(vcpu->fd, KVM_GET_SREGS, &sregs));
	none = sregs;
	none.idt.limit = 0;
	CHECKED(ioctl(vcpu->fd, KVM_SET_SREGS, &none));
	memcpy(was, code, 2);
	memcpy(code, "\x0f\x0b", 2);		/* UD2 */
	ASSERT_EQ(vcpu_run(vcpu), KVM_EXIT_SHUTDOWN);
	memcpy(code, was, 2);
	CHECKED(ioctl(vcpu->fd, KVM_SET_SREGS, &sregs));
	CHECKED(ioctl(vcpu->fd, KVM_SET_REGS, &regs));
	stopped(vcpu, 3, at, 0);
	vm_free(vm);
}

static void inject_one(u32 control, u8 vector)
{
	struct kvm_guest_debug again = { .control = KVM_GUESTDBG_INJECT_DB };
	struct vm *vm = debug_vm("g_debug_injected");
	struct vcpu *vcpu = &vm->vcpu[0];
	u64 at = image_symbol("d_injected");

	step_until(vcpu, at);
	debug_set(vcpu, control);
	ASSERT_ERRNO(ioctl(vcpu->fd, KVM_SET_GUEST_DEBUG, &again), EBUSY);
	vcpu_run_done(vcpu);
	ASSERT_EQ(vm->nr_traces, 2);
	ASSERT_EQ(vm->traces[0], vector);
	/* INT3's handler goes on behind it. */
	ASSERT_EQ(vm->traces[1], at + (vector == 3));
	vm_free(vm);
}

/* The guest gets what the VMM says it shall get, and one at a time. */
static void inject(const void *arg)
{
	inject_one(KVM_GUESTDBG_INJECT_DB, 1);
	/* Stock KVM loses this one on CPUs without next-RIP, as the emulated one. */
	if ((tap.ditto || !no_breakpoints()) && !no_soft_events())
		inject_one(KVM_GUESTDBG_INJECT_BP, 3);
}

static void capabilities(const void *arg)
{
	struct vm *vm = vm_new(NULL);

	ASSERT_EQ(vm_cap(vm, KVM_CAP_SET_GUEST_DEBUG), 1);
	ASSERT_EQ(vm_cap(vm, KVM_CAP_X86_ROBUST_SINGLESTEP), 1);
	ASSERT_EQ(vm_cap(vm, KVM_CAP_SET_GUEST_DEBUG2),
		  KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP | KVM_GUESTDBG_USE_SW_BP |
		  KVM_GUESTDBG_USE_HW_BP | KVM_GUESTDBG_INJECT_DB | KVM_GUESTDBG_INJECT_BP |
		  KVM_GUESTDBG_BLOCKIRQ);
	vm_free(vm);
}

/*
 * What lies behind the instruction of a step is not looked at: it may be a device's, or memory
 * that takes long to come.
 */
static void page_behind(const void *arg)
{
	static const u8 last[] = { 0x90, 0x9c, 0xfb };		/* NOP, PUSHF, STI */
	struct vm *vm = vm_new(NULL);
	struct vcpu *vcpu = &vm->vcpu[0];
	unsigned char there;
	size_t i;
	u8 *p;

	need_ditto();
	for (i = 0; i < sizeof(last); i++) {
		p = mmap(NULL, 2 * PAGE_SIZE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		ASSERT(p != MAP_FAILED);
		p[PAGE_SIZE - 1] = last[i];
		CHECKED(vm_set_slot(vm, 1, 0, SLOT_GPA, 2 * PAGE_SIZE, p));
		vcpu_enter_mode(vcpu, MODE_PROT32, SLOT_GPA + PAGE_SIZE - 1);
		step_to(vcpu, 0, SLOT_GPA + PAGE_SIZE);
		CHECKED(mincore(p + PAGE_SIZE, PAGE_SIZE, &there));
		ASSERT(!(there & 1));
		/* Where there is nothing, too. */
		CHECKED(vm_set_slot(vm, 1, 0, 0, 0, p));
		CHECKED(vm_set_slot(vm, 1, 0, SLOT_GPA, PAGE_SIZE, p));
		vcpu_enter_mode(vcpu, MODE_PROT32, SLOT_GPA + PAGE_SIZE - 1);
		step_to(vcpu, 0, SLOT_GPA + PAGE_SIZE);
		CHECKED(vm_set_slot(vm, 1, 0, 0, 0, p));
		munmap(p, 2 * PAGE_SIZE);
	}
	vm_free(vm);
}

static const struct tap_test tests[] = {
	{ "capabilities", capabilities },
	{ "step_plain", step_plain },
	{ "step_flags", step_flags },
	{ "step_interrupt", step_interrupt },
	{ "step_interrupt_itself", step_interrupt_itself },
	{ "step_blockirq", step_interrupt, "" },
	{ "step_all_arith", step_all, "g_arith" },
	{ "step_all_single_step", step_all, "g_single_step" },
	{ "step_all_mov_ss", step_all, "g_mov_ss_shadow" },
	{ "step_all_exceptions", step_all, "g_debug_exceptions" },
	{ "step_all_syscall", step_all, "g_debug_syscall" },
	{ "step_all_dr", step_all, "g_dr_values" },
	{ "hardware_breakpoints", hardware_breakpoints },
	{ "guests_registers", guests_registers },
	{ "general_detect", general_detect },
	{ "software_breakpoint", software_breakpoint },
	{ "breakpoint_stays", breakpoint_stays },
	{ "inject", inject },
	{ "page_behind", page_behind },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, tests, ARRAY_SIZE(tests));
}
