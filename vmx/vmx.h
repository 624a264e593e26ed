/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of the VMX backend share.  Sections named are those of the
 * Intel Software Developer's Manual, volume 3.
 */
#ifndef DITTO_VMX_VMX_H
#define DITTO_VMX_VMX_H

#include <linux/io.h>
#include <linux/jump_label.h>
#include <linux/list.h>
#include <asm/asm.h>
#include <asm/perf_event.h>
#include <asm/vmx.h>

#include "compat.h"
#include "x86/machine/vm.h"

/* Exit reason (25.9.1): the reason itself, and that nothing was entered. */
#define VMX_REASON		GENMASK(15, 0)
#define VMX_REASON_NOT_ENTERED	BIT(31)
#define VMX_REASON_BUS_LOCK	BIT(26)
/* Of VMs that only Intel's manual numbers (table C-1). */
#define VMX_REASON_GETSEC	11
#define VMX_REASON_RSM		17

/* Control words, in the order of struct vmx_controls. */
enum vmx_word { VMX_PIN, VMX_CPU, VMX_CPU2, VMX_EXIT, VMX_ENTRY, VMX_NR_WORDS };

/**
 * struct vmx_caps - what the CPUs can do, and what we use of it; set by probe
 * @control: what every VMCS begins with
 * @basic: MSR_IA32_VMX_BASIC
 * @misc: MSR_IA32_VMX_MISC
 * @ept_vpid: MSR_IA32_VMX_EPT_VPID_CAP
 * @cr0_set: bits that must be 1 in the CPU's CR0, but PE and PG
 * @cr4_set: likewise CR4
 * @watchdog: value of the preemption timer when nothing else is due
 * @timer_rate: bits of the TSC that it does not count
 * @no_ept: why there is no nested paging, as one of its names; NULL: there is
 */
struct vmx_caps {
	u32 control[VMX_NR_WORDS];
	u64 basic, misc, ept_vpid;
	u64 cr0_set, cr4_set;
	u32 watchdog, timer_rate;
	const char *no_ept;
};

extern struct vmx_caps vmx_caps;
extern struct backend_caps vmx_backend_caps;

/* Guests run on shadow tables. */
DECLARE_STATIC_KEY_FALSE(vmx_shadow);

/**
 * vmx_uses() - is a control on in every VMCS?
 * @word: which word
 * @bit: of the word
 *
 * Return: whether it is.
 */
static inline bool vmx_uses(enum vmx_word word, u32 bit)
{
	return vmx_caps.control[word] & bit;
}

/* Entries of the page-modification log, which the CPU fills from the last one on. */
#define VMX_LOG_ENTRIES	512

/*
 * MSRs that neither the VMCS nor any entry or exit switches. VMX_EFER, of which LME and LMA do
 * switch, is the same for host and guests where the VMCS has it.
 */
enum vmx_msr {
	VMX_STAR, VMX_LSTAR, VMX_CSTAR, VMX_SFMASK, VMX_EFER, VMX_TSC_AUX, VMX_NR_MSRS
};

/**
 * struct vmx_cpu - this CPU's part
 *
 * Written with preemption off on that CPU, @loaded and @current_vmcs with IRQs off.
 *
 * @vmxon: the region that VMXON wants; constant
 * @on: in VMX operation
 * @loaded: vCPUs whose VMCS this CPU may hold in its caches
 * @current_vmcs: address of the current one, 0 when there is none
 * @msr: the host's values of enum vmx_msr
 */
struct vmx_cpu {
	struct page *vmxon;
	bool on;
	struct list_head loaded;
	u64 current_vmcs;
	u64 msr[VMX_NR_MSRS];
};

DECLARE_PER_CPU(struct vmx_cpu, vmx_cpus);

/**
 * struct vmx_host - the host's state that a vCPU's thread gets back; owner
 * @fs_base: of the thread's user mode
 * @gs_base: likewise
 * @ds: selector, as are the next three
 * @es: selector
 * @fs: selector
 * @gs: selector
 */
struct vmx_host {
	u64 fs_base, gs_base;
	u16 ds, es, fs, gs;
};

/* Of the host's performance counters, those that an entry and an exit switch at once. */
#define VMX_NR_COUNTERS	16

/**
 * struct vmx_counters - MSRs of the host's performance counters that guests must not have
 * @guest: loaded by an entry
 * @host: loaded by an exit; as many, of the same MSRs
 */
struct vmx_counters {
	struct vmx_msr_entry guest[VMX_NR_COUNTERS];
	struct vmx_msr_entry host[VMX_NR_COUNTERS];
};

/*
 * Bits of cr4 that the guest may change without an exit, unless that flushes shadow tables: as
 * st.cr3, they are a part of ST_CR.
 */
#define VMX_CR4_OF_GUEST	((u64)X86_CR4_PGE)

/**
 * struct vmx_written - what VMCS fields hold, so that they need not be written again
 * @rip: GUEST_RIP
 * @rsp: GUEST_RSP
 * @rflags: GUEST_RFLAGS
 * @host_cr3: HOST_CR3
 * @host_cr4: HOST_CR4
 * @host_fs_base: HOST_FS_BASE
 * @host_rsp: HOST_RSP; written by vmx_enter()
 * @interruptibility: GUEST_INTERRUPTIBILITY_INFO
 * @cpu_ctl: CPU_BASED_VM_EXEC_CONTROL
 * @exceptions: EXCEPTION_BITMAP
 * @cpu2: SECONDARY_VM_EXEC_CONTROL
 * @entry_ctl: VM_ENTRY_CONTROLS
 * @timer: VMX_PREEMPTION_TIMER_VALUE
 * @nr_counters: VM_ENTRY_MSR_LOAD_COUNT, and VM_EXIT_MSR_LOAD_COUNT
 * @eoi_exits: EOI_EXIT_BITMAP0 to 3
 */
struct vmx_written {
	u64 rip, rsp, rflags;
	u64 host_cr3, host_cr4, host_fs_base;
	unsigned long host_rsp;
	u32 interruptibility;
	u32 cpu_ctl, cpu2, entry_ctl;
	u32 exceptions;
	u32 timer;
	u32 nr_counters;
	u64 eoi_exits[4];
};

/**
 * struct vmx_vcpu - a vCPU on VMX; owner's unless said
 * @vcpu: must be first
 * @vmcs_page: page of the control structure; constant
 * @vmcs_pa: its address; constant
 * @msr_bitmap: constant address
 * @log: page-modification log, NULL without; constant address
 * @loaded_node: in vmx_cpus.loaded of CPU @loaded_cpu; that CPU, IRQs off
 * @loaded_cpu: the CPU that may hold the VMCS, or -1; written there, IRQs off
 * @launched: VMRESUME enters it; likewise
 * @ready: the VMCS was filled
 * @vpid: 0 when it has none; constant
 * @eptp: EPT pointer
 * @shadow_root: of the tables that the CPU walks, with vmx_shadow
 * @cpu2: secondary controls except for "virtualize x2APIC mode"; constant
 * @cpu_ctl: processor-based controls that the next entry wants
 * @exceptions: vectors that it wants to exit, a bit each
 * @flush: the next entry begins with INVEPT
 * @new_cpu: and with INVVPID: this CPU may have seen the vCPU before
 * @injecting_nmi: the next entry delivers an NMI
 * @halts: HLT does not exit; constant
 * @halted: the VMCS says that the guest waits in HLT
 * @wrote_pending: the pending debug exceptions may have BS set by us
 * @flush_l1d: something ran since the last entry that may have left secrets in L1D
 * @guest_msrs: the CPU holds the guest's values of enum vmx_msr and the rest of
 *	what vmx_load_guest() loads
 * @kernel_gs_base: the guest's, while the CPU does not hold it
 * @msr: the guest's values of enum vmx_msr; only the guest's exits change them
 * @counters: see there; the VMCS has its address
 * @host: see there
 * @written: see there
 */
struct vmx_vcpu {
	struct vcpu vcpu;
	struct page *vmcs_page;
	u64 vmcs_pa;
	unsigned long *msr_bitmap;
	u64 *log;
	struct list_head loaded_node;
	int loaded_cpu;
	bool launched;
	bool ready;
	u16 vpid;
	u64 eptp;
	hpa_t shadow_root;
	u32 cpu2;
	u32 cpu_ctl;
	u32 exceptions;
	bool flush;
	bool new_cpu;
	bool injecting_nmi;
	bool halts, halted;
	bool wrote_pending;
	bool flush_l1d;
	bool guest_msrs;
	u64 kernel_gs_base;
	u64 msr[VMX_NR_MSRS];
	struct vmx_counters counters;
	struct vmx_host host;
	struct vmx_written written;
};

static inline struct vmx_vcpu *to_vmx(struct vcpu *vcpu)
{
	return container_of(vcpu, struct vmx_vcpu, vcpu);
}

void vmcs_access_failed(const char *what, unsigned long field);

/* A field of the current VMCS; 0 when VMX is off (30.3). */
static __always_inline u64 vmcs_read(unsigned long field)
{
	u64 val;

	asm volatile goto("1:	vmread %[field], %[val]\n"
			  "	jna %l[failed]\n"
			  _ASM_EXTABLE(1b, %l[failed])
			  : [val] "=r" (val) : [field] "r" (field) : "cc" : failed);
	/* Some compilers forget that an asm goto with outputs is volatile. */
	asm volatile("");
	return val;
failed:
	vmcs_access_failed("VMREAD", field);
	return 0;
}

static __always_inline void vmcs_write(unsigned long field, u64 val)
{
	asm goto("1:	vmwrite %[val], %[field]\n"
		 "	jna %l[failed]\n"
		 _ASM_EXTABLE(1b, %l[failed])
		 : : [val] "rm" (val), [field] "r" (field) : "cc" : failed);
	return;
failed:
	vmcs_access_failed("VMWRITE", field);
}

/* Write a field that seldom changes. */
#define vmcs_update(field, written, val)		\
	do {						\
		typeof(written) new_val = (val);	\
		if (unlikely((written) != new_val)) {	\
			(written) = new_val;		\
			vmcs_write(field, new_val);	\
		}					\
	} while (0)

/* caps.c */
int vmx_probe(const char **why);
bool vmx_adjust(u64 cap, u32 required, u32 wanted, u32 *control);
const char *vmx_lacks_for_ept(const struct vmx_caps *caps);
bool vmx_timer_broken(u32 signature);
const char *vmx_differs(const struct vmx_caps *first, const struct vmx_caps *here);
int vmx_cpu_verdict(bool has, bool on, const char *differs, const char **why);
int vmx_check_cpu(bool on, const char **why);

/* l1tf.c */
DECLARE_STATIC_KEY_FALSE(vmx_flushes_l1d);
enum vmx_l1tf { L1TF_NEVER, L1TF_COND, L1TF_ALWAYS };

enum vmx_l1tf vmx_l1tf_decide(bool bug, bool skip, bool shadow, int wanted, int *report);
int vmx_l1tf_setup(void);
void vmx_l1tf_teardown(void);
void vmx_l1d_fill(u8 *p, unsigned int nr);
void vmx_flush_l1d(struct vmx_vcpu *vmx);

/* tlb.c */
u16 vmx_vpid_alloc(void);
void vmx_vpid_free(u16 vpid);
u64 vmx_eptp(hpa_t root);
void vmx_invalidate_all(void);
void vmx_invalidate(struct vmx_vcpu *vmx);

/* vmcs.c */
int vmx_vmcs_alloc(struct vmx_vcpu *vmx);
void vmx_vmcs_free(struct vmx_vcpu *vmx);
void vmx_vmcs_load(struct vmx_vcpu *vmx, int cpu);
void vmx_vmcs_clear_all(struct vmx_cpu *vc);

/* host.c: what the host has in registers that the guest uses, too. */
void vmx_host_constant(void);
void vmx_host_of_cpu(int cpu);
void vmx_host_msrs(struct vmx_cpu *vc);
void vmx_load_guest(struct vmx_vcpu *vmx);
void vmx_load_host(struct vmx_vcpu *vmx);
void vmx_load_msr(struct vmx_vcpu *vmx, enum vmx_msr nr, u64 val);

/* vcpu.c */
u32 vmx_cpu2_of(u32 cpu2, const struct vm_enabled *enabled);
int vmx_vcpu_init(struct vcpu *vcpu);
void vmx_vcpu_free(struct vcpu *vcpu);
void vmx_load(struct vcpu *vcpu, int cpu);
void vmx_put(struct vcpu *vcpu);
void vmx_inject(struct vcpu *vcpu, const struct x86_event *event);
void vmx_set_window(struct vcpu *vcpu, u32 windows);
void vmx_flush_tlb(struct vcpu *vcpu);
void vmx_set_tdp_root(struct vcpu *vcpu, hpa_t root);
void vmx_pass_msr(struct vcpu *vcpu, u32 msr, bool read, bool write);
void vmx_set_dr_exits(struct vcpu *vcpu, bool on);
void vmx_set_exception_exits(struct vcpu *vcpu, u32 vectors);
void vmx_end_halt(struct vmx_vcpu *vmx);
void vmx_show_apic(struct vcpu *vcpu, const struct apic_view *view);
void vmx_notify(int cpu);

/* state.c */
void vmx_fetch(struct vcpu *vcpu, u32 parts);
void vmx_push(struct vmx_vcpu *vmx);
u32 vmx_seg_rights(const struct kvm_segment *s);
void vmx_seg_from_rights(struct kvm_segment *s, u32 rights);

/*
 * Instructions that exit only when a control of VMX_CPU says so, and do so here unless the VMM
 * turned it off: X(exit reason, kind); the control has the kind's name.
 */
#define VMX_ASKED_EXITS(X)		\
	X(HLT, HLT)			\
	X(RDPMC, RDPMC)			\
	X(MWAIT_INSTRUCTION, MWAIT)	\
	X(MONITOR_INSTRUCTION, MONITOR)

/* facts.c */
void vmx_facts(struct vmx_vcpu *vmx, u32 reason, struct exit_facts *f);
void vmx_io_facts(u64 qualification, struct exit_facts *f);
void vmx_cr_facts(u64 qualification, struct exit_facts *f);
void vmx_dr_facts(u64 qualification, struct exit_facts *f);
void vmx_task_facts(u64 qualification, struct exit_facts *f);
void vmx_ept_facts(u64 qualification, struct exit_facts *f);
void vmx_notify_facts(u64 qualification, struct exit_facts *f);
void vmx_log_facts(const u64 *log, u16 index, struct exit_facts *f);
void vmx_vectoring(u32 info, u32 error, u32 insn_len, struct x86_event *e);

/* counters.c */
DECLARE_STATIC_KEY_FALSE(vmx_has_counters);
void vmx_counters_setup(void);
void vmx_counters_teardown(void);
unsigned int vmx_counters_differ(struct vmx_counters *c, const struct perf_guest_switch_msr *msr,
				 unsigned int nr);
bool vmx_counters_record(const struct vmx_counters *c, unsigned int nr);
void vmx_switch_counters(struct vmx_vcpu *vmx);

/* run.c */
void vmx_run(struct vcpu *vcpu, struct exit_facts *facts);
void vmx_sample(const struct vcpu *vcpu, u64 *ip, bool *user);
u32 vmx_timer_count(u64 exit_tsc, u64 now, u32 rate, u32 limit);

/* refusal.c */
void vmx_report_refusal(struct vmx_vcpu *vmx, u32 reason);
void vmx_report_failure(struct vmx_vcpu *vmx, u32 error);

/* enter.S */
enum vmx_entered { VMX_ENTERED, VMX_FAILED, VMX_OFF };
int vmx_enter(u64 *gpr, const u64 *spec_ctrl, bool launched, unsigned long *host_rsp);
void vmx_exit_point(void);

#endif
