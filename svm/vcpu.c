// SPDX-License-Identifier: GPL-2.0-only
/*
 * A vCPU's control structures on SVM, what is armed in them, and what happens
 * when its thread comes to a CPU and leaves it.  What the guest's registers
 * hold is state.c's, entering the guest run.c's.
 */
#include <linux/gfp.h>
#include <linux/moduleparam.h>
#include <linux/mem_encrypt.h>
#include <asm/debugreg.h>
#include <asm/msr.h>
#include <asm/trapnr.h>

#include "svm/svm.h"
#include "x86/cpu/hostwork.h"

static bool svm_quirk_int3 __read_mostly;
module_param_named(quirk_int3, svm_quirk_int3, bool, 0444);
MODULE_PARM_DESC(quirk_int3,
		 "Have INT n exit where #BP should: for emulated CPUs that take INT3 for one");

#define MSRPM_ORDER	1

/* MSRPM (15.11): 2 bits per MSR, read then write, in three ranges of 2 KiB. */
static const u32 msrpm_ranges[] = { 0, 0xc0000000, 0xc0010000 };

/* Besides those that svm_kinds[] asks for: exits that say more than their kind. */
static const u8 svm_always[] = {
	INTERCEPT_CR0_WRITE, INTERCEPT_CR4_WRITE,
	INTERCEPT_IOIO_PROT, INTERCEPT_MSR_PROT, INTERCEPT_TASK_SWITCH, INTERCEPT_SHUTDOWN,
};

/* What the CPU would do with shadow tables, and the guest means its own. */
static const u8 svm_shadow_always[] = {
	INTERCEPT_CR3_READ, INTERCEPT_CR3_WRITE, INTERCEPT_INVLPG,
};

static void svm_init_shadow_intercepts(struct svm_vcpu *svm)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(svm_shadow_always); i++)
		svm_intercept(svm, svm_shadow_always[i], true);
	if (boot_cpu_has(X86_FEATURE_INVPCID))
		svm_intercept(svm, INTERCEPT_INVPCID, true);
}

static void svm_init_intercepts(struct svm_vcpu *svm)
{
	u32 off = READ_ONCE(svm->vcpu.vm->enabled.exits_off);
	bool mwait = !(off & KVM_X86_DISABLE_EXITS_MWAIT);
	int i;

	svm_ask_exits(svm);
	for (i = 0; i < ARRAY_SIZE(svm_always); i++)
		svm_intercept(svm, svm_always[i], true);
	if (svm_caps.shadow)
		svm_init_shadow_intercepts(svm);
	svm_intercept(svm, INTERCEPT_HLT, !(off & KVM_X86_DISABLE_EXITS_HLT));
	svm_intercept(svm, INTERCEPT_MONITOR, mwait);
	svm_intercept(svm, INTERCEPT_MWAIT, mwait);
	svm_set_dr_exits(&svm->vcpu, true);
	/* Those that a debugger asked for outlive the VMCB. */
	svm_set_exception_exits(&svm->vcpu, svm->exception_exits);
	if (boot_cpu_has(X86_FEATURE_PAUSEFILTER) && !(off & KVM_X86_DISABLE_EXITS_PAUSE)) {
		svm->vmcb->control.pause_filter_count = 3000;
		svm_intercept(svm, INTERCEPT_PAUSE, true);
	}
}

static void svm_init_control(struct svm_vcpu *svm)
{
	struct vmcb_control_area *c = &svm->vmcb->control;

	c->iopm_base_pa = svm_page_pa(svm_iopm);
	c->msrpm_base_pa = svm_page_pa(svm->msrpm_pages);
	if (!svm_caps.shadow)
		compat_vmcb_enable_np(c);
	/* The host's IF decides over physical interrupts, the guest's over virtual. */
	c->int_ctl = V_INTR_MASKING_MASK;
	svm_init_intercepts(svm);
}

/**
 * svm_vcpu_init() - backend_ops.vcpu_init
 * @vcpu: all else in it is initialized
 *
 * Return: 0 or -ENOMEM.
 */
int svm_vcpu_init(struct vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	svm_nmi_init(svm);
	svm->vmcb_page = svm_pages_alloc(GFP_KERNEL_ACCOUNT | __GFP_ZERO, 0);
	svm->msrpm_pages = svm_pages_alloc(GFP_KERNEL_ACCOUNT, MSRPM_ORDER);
	if (!svm->vmcb_page || !svm->msrpm_pages) {
		svm_vcpu_free(vcpu);
		return -ENOMEM;
	}
	svm->vmcb = page_address(svm->vmcb_page);
	svm->msrpm = page_address(svm->msrpm_pages);
	memset(svm->msrpm, 0xff, PAGE_SIZE << MSRPM_ORDER);
	svm->vmcb_pa = svm_page_pa(svm->vmcb_page);
	svm_init_control(svm);
	return 0;
}

/**
 * svm_vcpu_renew() - a VMCB as of a new vCPU
 * @svm: a shutdown ended the guest, and what is in the VMCB is undefined (15.14.3)
 *
 * But for what VMSAVE has written since: the MSRs, which a reset keeps.
 */
void svm_vcpu_renew(struct svm_vcpu *svm)
{
	vcpu_need(&svm->vcpu, ST_ALL & ~ST_TSC);
	vcpu_changed(&svm->vcpu, ST_ALL);
	vcpu_request(&svm->vcpu, REQ_RELOAD_ROOT);
	svm_asid_drop(&svm->asid);
	svm->windows = 0;
	svm_nmi_forget(svm);
	clear_page(svm->vmcb);
	svm_init_control(svm);
}

/**
 * svm_vcpu_free() - backend_ops.vcpu_free
 * @vcpu: never runs again; may be half initialized
 */
void svm_vcpu_free(struct vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	svm_nmi_free(svm);
	svm_pages_free(svm->vmcb_page, 0);
	svm_pages_free(svm->msrpm_pages, MSRPM_ORDER);
}

/*
 * What the VMLOAD after each exit restores: FS and GS of the thread, and TR and the
 * system-call MSRs of the CPU, which do not change while the CPU is up. LDTR is different:
 * another thread of the process may change the LDT at any time and free the old one. So an
 * exit loads a null LDTR, and svm_put() loads the LDT of that moment.
 */
static void svm_save_host(const struct svm_cpu *sc)
{
	svm_insn("vmsave %0", "a" (sc->host_pa));
	sc->host_area->save.ldtr = (struct vmcb_seg) {};
}

/*
 * Only LBR virtualization switches DEBUGCTL. Without it, a guest would run with the host's
 * value, and a bus lock or a branch in the guest could raise a #DB that it does not expect.
 * Both bits act in user mode only, and this thread does not return to user mode before
 * svm_put(). The other bits belong to the performance counters, which change them at any
 * time, and have no effect on a guest.
 */
#define SVM_DEBUGCTL_OFF	(DEBUGCTLMSR_BTF | DEBUGCTLMSR_BUS_LOCK_DETECT)

/* Interrupts change the performance counters' bits, so read and write with IRQs off. */
static void svm_change_debugctl(unsigned long off, unsigned long on)
{
	unsigned long flags;

	local_irq_save(flags);
	update_debugctlmsr((hostwork_debugctl() & ~off) | on);
	local_irq_restore(flags);
}

static void svm_load_debugctl(struct svm_vcpu *svm)
{
	svm->host_debugctl = hostwork_debugctl() & SVM_DEBUGCTL_OFF;
	if (unlikely(svm->host_debugctl))
		svm_change_debugctl(SVM_DEBUGCTL_OFF, 0);
}

static void svm_put_debugctl(struct svm_vcpu *svm)
{
	if (unlikely(svm->host_debugctl))
		svm_change_debugctl(0, svm->host_debugctl);
}

/**
 * svm_load() - backend_ops.load: the vCPU's thread comes to a CPU
 * @vcpu: owned by this thread
 * @cpu: this one; preemption is off
 */
void svm_load(struct vcpu *vcpu, int cpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	if (vcpu->cpu != cpu) {
		svm_asid_drop(&svm->asid);
		svm->vmcb->control.clean = 0;
	}
	svm_save_host(this_cpu_ptr(&svm_cpus));
	svm_load_tsc_aux(svm);
	svm_load_debugctl(svm);
}

/**
 * svm_put() - backend_ops.put: the vCPU's thread leaves its CPU
 * @vcpu: owned by this thread; preemption is off
 */
void svm_put(struct vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	svm_put_debugctl(svm);
	hostwork_load_ldt();
	if (!svm->guest_tsc_aux)
		return;
	svm->guest_tsc_aux = false;
	wrmsrl(MSR_TSC_AUX, this_cpu_read(svm_cpus.tsc_aux));
}

/**
 * svm_flush_tlb() - backend_ops.flush_tlb
 * @vcpu: loaded; IRQs off
 */
void svm_flush_tlb(struct vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	if (boot_cpu_has(X86_FEATURE_FLUSHBYASID))
		svm_asid_flush(&svm->asid);
	else
		svm_asid_drop(&svm->asid);
}

/**
 * svm_set_tdp_root() - backend_ops.set_tdp_root
 * @vcpu: loaded; IRQs off
 * @root: of the NPT, or of the shadow tables
 */
void svm_set_tdp_root(struct vcpu *vcpu, hpa_t root)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	if (svm_caps.shadow) {
		svm->shadow_root = __sme_set(root);
		svm->vmcb->save.cr3 = svm->shadow_root;
		svm_dirty(svm, CLEAN_CR);
		return;
	}
	svm->vmcb->control.nested_cr3 = __sme_set(root);
	svm_dirty(svm, CLEAN_NPT);
}

static bool svm_msrpm_bit(u32 msr, unsigned long *bit)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(msrpm_ranges); i++) {
		if (msr - msrpm_ranges[i] < 0x2000) {
			*bit = i * 0x4000 + (msr - msrpm_ranges[i]) * 2;
			return true;
		}
	}
	return false;
}

/**
 * svm_pass_msr() - backend_ops.pass_msr
 * @vcpu: any state
 * @msr: one that this backend switches; others are never let through
 * @read: RDMSR makes no exit
 * @write: WRMSR makes no exit
 */
void svm_pass_msr(struct vcpu *vcpu, u32 msr, bool read, bool write)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	unsigned long bit;

	if (WARN_ON_ONCE(!svm_msrpm_bit(msr, &bit)))
		return;
	__assign_bit(bit, svm->msrpm, !read);
	__assign_bit(bit + 1, svm->msrpm, !write);
	svm_dirty(svm, CLEAN_PERM_MAPS);
}

/* What an IRET may raise. */
#define IRET_FAULTS	(BIT(X86_TRAP_UD) | BIT(X86_TRAP_TS) | BIT(X86_TRAP_NP) | \
			 BIT(X86_TRAP_SS) | BIT(X86_TRAP_GP) | BIT(X86_TRAP_PF))

/**
 * svm_update_exceptions() - intercept the exceptions that are to be
 * @svm: owned
 */
void svm_update_exceptions(struct svm_vcpu *svm)
{
	svm->vmcb->control.intercepts[INTERCEPT_EXCEPTION] =
		EXCEPTION_EXITS | svm->exception_exits | (svm->stepping ? IRET_FAULTS : 0);
	if (svm_caps.shadow)
		svm->vmcb->control.intercepts[INTERCEPT_EXCEPTION] |= BIT(X86_TRAP_PF);
	svm_dirty(svm, CLEAN_INTERCEPTS);
}

/**
 * svm_set_dr_exits() - backend_ops.set_dr_exits
 * @vcpu: owned
 * @on: reads and writes of DR0 to DR7 exit
 */
void svm_set_dr_exits(struct vcpu *vcpu, bool on)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	svm->vmcb->control.intercepts[INTERCEPT_DR] = on ? 0xff00ff : 0;
	svm_dirty(svm, CLEAN_INTERCEPTS);
}

/**
 * svm_set_exception_exits() - backend_ops.set_exception_exits
 * @vcpu: owned
 * @vectors: a bit each
 */
void svm_set_exception_exits(struct vcpu *vcpu, u32 vectors)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	svm->exception_exits = vectors;
	svm_update_exceptions(svm);
	if (svm_quirk_int3)
		svm_intercept(svm, INTERCEPT_INTn, vectors & BIT(X86_TRAP_BP));
}

/* A virtual interrupt of the highest priority, which exits when it could be taken. */
static void svm_arm_vintr(struct svm_vcpu *svm, bool on)
{
	struct vmcb_control_area *c = &svm->vmcb->control;

	c->int_ctl &= ~V_IRQ_INJECTION_BITS_MASK;
	if (on)
		c->int_ctl |= V_IRQ_MASK | V_INTR_PRIO_MASK | V_IGN_TPR_MASK;
	c->int_vector = 0;
	svm_intercept(svm, INTERCEPT_VINTR, on);
	svm_dirty(svm, CLEAN_TPR);
}

/**
 * svm_update_windows() - arm what @windows and @in_shadow ask for
 * @svm: owned
 *
 * Writes of CR8 exit with either: they decide whether the interrupt can be taken.
 */
void svm_update_windows(struct svm_vcpu *svm)
{
	svm_arm_vintr(svm, (svm->windows & WINDOW_IRQ) || svm->in_shadow);
	svm_intercept(svm, INTERCEPT_CR8_WRITE, (svm->windows & WINDOW_CR8) || svm->in_shadow);
}

/**
 * svm_set_window() - backend_ops.set_window
 * @vcpu: owned
 * @windows: WINDOW_*
 *
 * There is no NMI window in SVM: see nmi.c.
 */
void svm_set_window(struct vcpu *vcpu, u32 windows)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	if (unlikely(vcpu->ev.nmi_masked || (windows & WINDOW_NMI)))
		svm->nmi_busy = true;
	if (likely(svm->windows == windows))
		return;
	svm->windows = windows;
	svm_update_windows(svm);
}

/*
 * Of a software event the CPU pushes the address behind the instruction: nRIP, or, when it
 * has none, rip as it is (15.20).
 */
static void svm_inject_soft(struct svm_vcpu *svm, u8 len)
{
	struct x86_state *st = &svm->vcpu.st;
	u64 next = vcpu_wrap_rip(&svm->vcpu, st->rip + len);

	if (boot_cpu_has(X86_FEATURE_NRIPS))
		svm->vmcb->control.next_rip = next;
	else
		st->rip = next;
	svm->soft_len = len;
	svm->soft_rip = st->rip;
}

/**
 * svm_inject() - backend_ops.inject
 * @vcpu: loaded; IRQs off
 * @event: delivered by the CPU before the guest's next instruction (15.20)
 */
void svm_inject(struct vcpu *vcpu, const struct x86_event *event)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	struct vmcb_control_area *c = &svm->vmcb->control;
	/* INT3 and INTO are exceptions like any other here. */
	u32 type = event->type == EVENT_SOFT_EXC ? EVENT_EXCEPTION : event->type;

	u32 info = event->vector | (type << SVM_EVTINJ_TYPE_SHIFT);

	if (unlikely(event->insn_len)) {
		svm_inject_soft(svm, event->insn_len);
		svm->soft_info = info;
	}
	c->event_inj = info | SVM_EVTINJ_VALID | (event->has_error ? SVM_EVTINJ_VALID_ERR : 0);
	c->event_inj_err = event->error;
}
