// SPDX-License-Identifier: GPL-2.0-only
/*
 * What this CPU's exit reasons and qualifications (SDM 28.2 and appendix C)
 * mean, as facts.  What follows from them is decided in x86/.
 *
 * The hard part is the NMI that an IRET unblocked before it faulted: the CPU
 * says so once, and wants it blocked again (28.2.3).
 */
#include <asm/cpufeature.h>
#include <asm/debugreg.h>
#include <asm/processor-flags.h>
#include <asm/traps.h>

#include "vmx/vmx.h"
#include "x86/cpu/hostwork.h"

/* Of a #DB's qualification, bits that stand where they do in dr6 (table 28-1). */
#define DEBUG_BITS	(DR_TRAP_BITS | BIT(13) | DR_STEP)

#define KIND(k)		(EXIT_##k + 1)
/* The exit was caused by an instruction, and the CPU reports its length. */
#define INSN(k)		(KIND(k) | 0x80)

/* Exit reasons that are a fact of their own; 0 for none. */
static const u8 vmx_kinds[] = {
#define ASKED(reason, kind) [EXIT_REASON_##reason] = INSN(kind),
	VMX_ASKED_EXITS(ASKED)
#undef ASKED
	[EXIT_REASON_EXTERNAL_INTERRUPT] = KIND(HOST_IRQ),
	[EXIT_REASON_TRIPLE_FAULT] = KIND(SHUTDOWN),
	[EXIT_REASON_INIT_SIGNAL] = KIND(HOST_IRQ),
	[EXIT_REASON_INTERRUPT_WINDOW] = KIND(IRQ_WINDOW),
	[EXIT_REASON_NMI_WINDOW] = KIND(NMI_WINDOW),
	[EXIT_REASON_CPUID] = INSN(CPUID),
	[VMX_REASON_GETSEC] = KIND(UNDEFINED),
	[EXIT_REASON_INVD] = INSN(WBINVD),
	[EXIT_REASON_INVLPG] = INSN(INVLPG),
	[EXIT_REASON_RDTSC] = INSN(RDTSC),
	[VMX_REASON_RSM] = KIND(UNDEFINED),
	[EXIT_REASON_VMCALL] = INSN(HYPERCALL),
	[EXIT_REASON_VMCLEAR] = KIND(UNDEFINED),
	[EXIT_REASON_VMLAUNCH] = KIND(UNDEFINED),
	[EXIT_REASON_VMPTRLD] = KIND(UNDEFINED),
	[EXIT_REASON_VMPTRST] = KIND(UNDEFINED),
	[EXIT_REASON_VMREAD] = KIND(UNDEFINED),
	[EXIT_REASON_VMRESUME] = KIND(UNDEFINED),
	[EXIT_REASON_VMWRITE] = KIND(UNDEFINED),
	[EXIT_REASON_VMOFF] = KIND(UNDEFINED),
	[EXIT_REASON_VMON] = KIND(UNDEFINED),
	[EXIT_REASON_PAUSE_INSTRUCTION] = INSN(PAUSE),
	[EXIT_REASON_EPT_MISCONFIG] = KIND(TDP_MISCONFIG),
	[EXIT_REASON_INVEPT] = KIND(UNDEFINED),
	[EXIT_REASON_RDTSCP] = INSN(RDTSCP),
	[EXIT_REASON_PREEMPTION_TIMER] = KIND(TIMER),
	[EXIT_REASON_INVVPID] = KIND(UNDEFINED),
	[EXIT_REASON_WBINVD] = INSN(WBINVD),
	[EXIT_REASON_XSETBV] = INSN(XSETBV),
	[EXIT_REASON_VMFUNC] = KIND(UNDEFINED),
	[EXIT_REASON_ENCLS] = KIND(UNDEFINED),
	[EXIT_REASON_BUS_LOCK] = KIND(BUS_LOCK),
};

/**
 * vmx_io_facts() - decode the qualification of an I/O exit (table 28-5)
 * @qualification: of the exit
 * @f: .kind and .io are set
 */
void vmx_io_facts(u64 qualification, struct exit_facts *f)
{
	f->kind = EXIT_IO;
	f->io.size = (qualification & 7) + 1;
	f->io.in = qualification & BIT(3);
	f->io.string = qualification & BIT(4);
	f->io.port = qualification >> 16;
}

/**
 * vmx_cr_facts() - decode the qualification of a control-register exit (table 28-3)
 * @qualification: of the exit
 * @f: .kind and .reg are set
 */
void vmx_cr_facts(u64 qualification, struct exit_facts *f)
{
	unsigned int type = (qualification & CONTROL_REG_ACCESS_TYPE) >> 4;

	f->kind = EXIT_CR;
	f->reg.nr = qualification & 0xf;
	f->reg.write = type != 1;
	/* CLTS and LMSW are more than a MOV. */
	f->reg.gpr = type < 2 ? qualification >> 8 & 0xf : GPR_NR;
}

/**
 * vmx_dr_facts() - decode the qualification of a debug-register exit (table 28-4)
 * @qualification: of the exit
 * @f: .kind and .reg are set
 */
void vmx_dr_facts(u64 qualification, struct exit_facts *f)
{
	f->kind = EXIT_DR;
	f->reg.nr = qualification & DEBUG_REG_ACCESS_NUM;
	f->reg.write = !(qualification & TYPE_MOV_FROM_DR);
	f->reg.gpr = DEBUG_REG_ACCESS_REG(qualification);
}

/**
 * vmx_task_facts() - decode the qualification of a task switch (table 28-2)
 * @qualification: of the exit
 * @f: .kind and .task are set
 */
void vmx_task_facts(u64 qualification, struct exit_facts *f)
{
	f->kind = EXIT_TASK_SWITCH;
	f->task.selector = qualification;
	f->task.source = qualification >> 30 & 3;
}

/**
 * vmx_ept_facts() - decode the qualification of an EPT violation (table 28-7)
 * @qualification: of the exit
 * @f: .kind and .tdp are set, but the gpa
 */
void vmx_ept_facts(u64 qualification, struct exit_facts *f)
{
	f->kind = EXIT_TDP_FAULT;
	f->tdp.access = (qualification & EPT_VIOLATION_ACC_INSTR) ? MMU_EXEC :
			(qualification & EPT_VIOLATION_ACC_WRITE) ? MMU_WRITE : MMU_READ;
	f->tdp.table_walk = (qualification & EPT_VIOLATION_GVA_IS_VALID) &&
			    !(qualification & EPT_VIOLATION_GVA_TRANSLATED);
}

/**
 * vmx_notify_facts() - decode the qualification of a notify exit
 * @qualification: of the exit
 * @f: .kind and .notify are set
 */
void vmx_notify_facts(u64 qualification, struct exit_facts *f)
{
	f->kind = EXIT_NOTIFY;
	f->notify.state_lost = qualification & NOTIFY_VM_CONTEXT_INVALID;
}

/**
 * vmx_vectoring() - which event's delivery an exit cut (25.9.3)
 * @info: IDT-vectoring information
 * @error: its error code
 * @insn_len: the exit's instruction length
 * @e: set
 *
 * For a software event that was raised by an instruction (and not injected), rip still
 * points at that instruction. INT1 is never injected.
 */
void vmx_vectoring(u32 info, u32 error, u32 insn_len, struct x86_event *e)
{
	*e = (struct x86_event) { .type = EVENT_NONE };
	if (likely(!(info & VECTORING_INFO_VALID_MASK)))
		return;
	e->vector = info & VECTORING_INFO_VECTOR_MASK;
	switch (info & VECTORING_INFO_TYPE_MASK) {
	case INTR_TYPE_EXT_INTR:
		e->type = EVENT_IRQ;
		break;
	case INTR_TYPE_NMI_INTR:
		e->type = EVENT_NMI;
		break;
	case INTR_TYPE_HARD_EXCEPTION:
		e->type = EVENT_EXCEPTION;
		e->has_error = info & VECTORING_INFO_DELIVER_CODE_MASK;
		e->error = error;
		break;
	case INTR_TYPE_SOFT_INTR:
		e->type = EVENT_SOFT_INT;
		e->insn_len = insn_len;
		break;
	case INTR_TYPE_SOFT_EXCEPTION:
		e->type = EVENT_SOFT_EXC;
		e->insn_len = insn_len;
		break;
	case INTR_TYPE_PRIV_SW_EXCEPTION:
		e->type = EVENT_SOFT_EXC;
		break;
	}
}

/**
 * vmx_log_facts() - what the page-modification log has (29.3.6)
 * @log: VMX_LOG_ENTRIES of them; some CPU leaves offsets in them
 * @index: the next entry that the CPU would write, downwards; a large one when full
 * @f: .written and .nr_written are set
 */
void vmx_log_facts(const u64 *log, u16 index, struct exit_facts *f)
{
	u16 first = index < VMX_LOG_ENTRIES ? index + 1 : 0;

	f->written = log + first;
	f->nr_written = VMX_LOG_ENTRIES - first;
}

static void vmx_fetch_vectoring(struct exit_facts *f)
{
	u32 info = vmcs_read(IDT_VECTORING_INFO_FIELD);

	if (likely(!(info & VECTORING_INFO_VALID_MASK)))
		return;
	vmx_vectoring(info, vmcs_read(IDT_VECTORING_ERROR_CODE),
		      vmcs_read(VM_EXIT_INSTRUCTION_LEN), &f->vectoring);
}

/*
 * An IRET faulted after it had unblocked NMIs. When the delivery of an event caused the
 * exit, the bit does not mean this.
 */
static void vmx_block_nmi_again(struct vmx_vcpu *vmx, const struct exit_facts *f)
{
	if (f->vectoring.type == EVENT_NONE)
		vmx->vcpu.ev.nmi_masked = true;
}

static void vmx_exception_facts(struct vmx_vcpu *vmx, struct exit_facts *f)
{
	u32 info = vmcs_read(VM_EXIT_INTR_INFO);
	u8 vector = info & INTR_INFO_VECTOR_MASK;

	vmx_fetch_vectoring(f);
	f->hw[2] = info;
	if ((info & INTR_INFO_INTR_TYPE_MASK) == INTR_TYPE_NMI_INTR || vector == X86_TRAP_MC) {
		/* The code after the VM exit has already handled the NMI. */
		if (vector == X86_TRAP_MC)
			hostwork_machine_check();
		f->kind = EXIT_HOST_IRQ;
		return;
	}
	if ((info & INTR_INFO_UNBLOCK_NMI) && vector != X86_TRAP_DF)
		vmx_block_nmi_again(vmx, f);
	/* INT1 exits before it is over, whatever its exception is (28.2.2). */
	if ((info & INTR_INFO_INTR_TYPE_MASK) == INTR_TYPE_PRIV_SW_EXCEPTION)
		f->insn_len = vmcs_read(VM_EXIT_INSTRUCTION_LEN);
	f->kind = EXIT_EXCEPTION;
	f->exception.vector = vector;
	f->exception.has_error = info & INTR_INFO_DELIVER_CODE_MASK;
	f->exception.error = f->exception.has_error ? vmcs_read(VM_EXIT_INTR_ERROR_CODE) : 0;
	f->exception.payload = 0;
	if (vector == X86_TRAP_PF)
		f->exception.payload = vmcs_read(EXIT_QUALIFICATION);
	else if (vector == X86_TRAP_DB)
		f->exception.payload = vmcs_read(EXIT_QUALIFICATION) & DEBUG_BITS;
}

static void vmx_violation_facts(struct vmx_vcpu *vmx, struct exit_facts *f)
{
	u64 qualification = vmcs_read(EXIT_QUALIFICATION);

	vmx_fetch_vectoring(f);
	vmx_ept_facts(qualification, f);
	f->tdp.gpa = vmcs_read(GUEST_PHYSICAL_ADDRESS);
	f->hw[1] = qualification;
	f->hw[2] = f->tdp.gpa;
	if (qualification & INTR_INFO_UNBLOCK_NMI)
		vmx_block_nmi_again(vmx, f);
}

/* The log itself is in the facts of every exit. */
static void vmx_log_full_facts(struct vmx_vcpu *vmx, struct exit_facts *f)
{
	vmx_fetch_vectoring(f);
	f->kind = EXIT_HOST_IRQ;
	if (vmcs_read(EXIT_QUALIFICATION) & INTR_INFO_UNBLOCK_NMI)
		vmx_block_nmi_again(vmx, f);
}

static void vmx_window_facts(struct vmx_vcpu *vmx, struct exit_facts *f)
{
	u64 qualification = vmcs_read(EXIT_QUALIFICATION);

	vmx_fetch_vectoring(f);
	vmx_notify_facts(qualification, f);
	f->hw[1] = qualification;
	if (qualification & INTR_INFO_UNBLOCK_NMI)
		vmx_block_nmi_again(vmx, f);
}

/* The length is an instruction's, if one asked for the switch (28.2.5). */
static void vmx_switch_facts(struct exit_facts *f)
{
	u64 qualification = vmcs_read(EXIT_QUALIFICATION);

	vmx_fetch_vectoring(f);
	vmx_task_facts(qualification, f);
	f->hw[1] = qualification;
	if (f->task.source != TASK_GATE || f->vectoring.type == EVENT_SOFT_INT ||
	    f->vectoring.type == EVENT_SOFT_EXC)
		f->insn_len = vmcs_read(VM_EXIT_INSTRUCTION_LEN);
}

/*
 * Where VM exits acknowledge interrupts, this interrupt is in service and its handler has
 * not run.
 */
static void vmx_host_irq_facts(struct exit_facts *f)
{
	if (vmx_uses(VMX_EXIT, VM_EXIT_ACK_INTR_ON_EXIT))
		f->host_vector = vmcs_read(VM_EXIT_INTR_INFO) & INTR_INFO_VECTOR_MASK;
}

/* The rest, whose operands are in the qualification. */
static void vmx_operand_facts(u32 reason, struct exit_facts *f)
{
	u64 qualification = vmcs_read(EXIT_QUALIFICATION);

	f->hw[1] = qualification;
	f->insn_len = vmcs_read(VM_EXIT_INSTRUCTION_LEN);
	switch (reason) {
	case EXIT_REASON_IO_INSTRUCTION:
		vmx_io_facts(qualification, f);
		break;
	case EXIT_REASON_MSR_READ:
	case EXIT_REASON_MSR_WRITE:
		f->kind = EXIT_MSR;
		f->msr.write = reason == EXIT_REASON_MSR_WRITE;
		break;
	case EXIT_REASON_CR_ACCESS:
		vmx_cr_facts(qualification, f);
		break;
	case EXIT_REASON_DR_ACCESS:
		vmx_dr_facts(qualification, f);
		break;
	case EXIT_REASON_EOI_INDUCED:
		f->kind = EXIT_APIC_EOI;
		f->apic.vector = qualification;
		break;
	case EXIT_REASON_APIC_WRITE:
		f->kind = EXIT_APIC_WRITE;
		f->apic.offset = qualification & 0xfff;
		break;
	default:
		f->kind = EXIT_UNKNOWN;
	}
}

/* All exits except those of instructions without operands (INSN() in vmx_kinds[]). */
static noinline void vmx_other_facts(struct vmx_vcpu *vmx, u32 reason, u8 kind,
				     struct exit_facts *f)
{
	f->insn_len = 0;
	if (reason == EXIT_REASON_EPT_VIOLATION) {
		vmx_violation_facts(vmx, f);
	} else if (kind) {
		f->kind = kind - 1;
		if (unlikely(reason == EXIT_REASON_EPT_MISCONFIG))
			f->hw[2] = vmcs_read(GUEST_PHYSICAL_ADDRESS);
		else if (reason == EXIT_REASON_EXTERNAL_INTERRUPT)
			vmx_host_irq_facts(f);
	} else if (reason == EXIT_REASON_EXCEPTION_NMI) {
		vmx_exception_facts(vmx, f);
	} else if (reason == EXIT_REASON_TASK_SWITCH) {
		vmx_switch_facts(f);
	} else if (reason == EXIT_REASON_NOTIFY) {
		vmx_window_facts(vmx, f);
	} else if (reason == EXIT_REASON_PML_FULL) {
		vmx_log_full_facts(vmx, f);
	} else {
		vmx_operand_facts(reason, f);
	}
}

/**
 * vmx_facts() - say why the guest came back
 * @vmx: loaded, just left; IRQs off
 * @reason: basic exit reason
 * @f: filled
 */
void vmx_facts(struct vmx_vcpu *vmx, u32 reason, struct exit_facts *f)
{
	u8 kind = reason < ARRAY_SIZE(vmx_kinds) ? vmx_kinds[reason] : 0;

	f->hw[0] = reason;
	f->hw[1] = 0;
	f->hw[2] = 0;
	f->host_vector = 0;
	f->vectoring.type = EVENT_NONE;
	if (kind & 0x80) {
		f->kind = (kind & 0x7f) - 1;
		f->insn_len = vmcs_read(VM_EXIT_INSTRUCTION_LEN);
	} else {
		vmx_other_facts(vmx, reason, kind, f);
	}
}
