/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of the SVM backend share.  Sections named are those of the
 * AMD64 Architecture Programmer's Manual, volume 2.
 */
#ifndef DITTO_SVM_SVM_H
#define DITTO_SVM_SVM_H

#include <linux/hrtimer.h>
#include <linux/io.h>
#include <linux/jump_label.h>
#include <linux/mem_encrypt.h>
#include <linux/mm.h>
#include <asm/asm.h>
#include <asm/msr.h>
#include <asm/svm.h>

#include "compat.h"
#include "x86/machine/vm.h"

/* VMCB clean bits (15.15.3): a set bit says that the CPU may use its cached copy. */
#define CLEAN_INTERCEPTS	BIT(0)
#define CLEAN_PERM_MAPS		BIT(1)
#define CLEAN_ASID		BIT(2)
#define CLEAN_TPR		BIT(3)
#define CLEAN_NPT		BIT(4)
#define CLEAN_CR		BIT(5)
#define CLEAN_DR		BIT(6)
#define CLEAN_DT		BIT(7)
#define CLEAN_SEG		BIT(8)
#define CLEAN_CR2		BIT(9)
#define CLEAN_LBR		BIT(10)
#define CLEAN_ALL		GENMASK(10, 0)

/**
 * struct svm_asids - a CPU's ASIDs (15.16)
 *
 * An ASID is never given out twice in a generation, so a new one needs no flush; a new
 * generation flushes all of them.
 *
 * @generation: a vCPU whose ASID is of another one takes a new one; never 0
 * @next: to give out
 * @max: the last that there is
 * @flush: a generation began, and no VMRUN since has flushed yet: it is the next that
 *	the CPU accepts which does, no matter whose that is
 * @settled: U64_MAX while @flush, else @generation
 */
struct svm_asids {
	u64 generation;
	u64 settled;
	u32 next;
	u32 max;
	bool flush;
};

/**
 * struct svm_asid - a vCPU's ASID
 * @generation: that it is of; 0 takes a new one
 * @asid: on the CPU where the vCPU was last
 * @flush: what the TLB has of it is to be flushed by the next VMRUN that is accepted
 * @settled: 0 while it takes svm_asid_take() to enter the guest, else @generation
 */
struct svm_asid {
	u64 generation;
	u64 settled;
	u32 asid;
	bool flush;
};

/* May this vCPU run with the ASID that it has, and VMRUN flush nothing? */
static inline bool svm_asid_settled(const struct svm_asids *asids, const struct svm_asid *asid)
{
	return asid->settled == asids->settled;
}

/**
 * struct svm_cpu - this CPU's part
 *
 * Written with preemption off on that CPU.
 *
 * @hsave: host save area of VMRUN; constant
 * @host: page for the host's VMSAVE state; constant
 * @host_area: it, in the kernel's addresses; constant
 * @host_pa: its address in the CPU's; constant
 * @asids: see there
 * @has_tsc_aux: this CPU has MSR_TSC_AUX
 * @tsc_aux: the host's value of that MSR
 */
struct svm_cpu {
	struct page *hsave;
	struct page *host;
	struct vmcb *host_area;
	u64 host_pa;
	struct svm_asids asids;
	bool has_tsc_aux;
	u64 tsc_aux;
};

/* EXITINFO1 of a nested page fault: made by the walk of the guest's tables (15.25.6). */
#define SVM_NPF_TABLE_WALK	BIT_ULL(33)

DECLARE_PER_CPU(struct svm_cpu, svm_cpus);

/* How far the guest is from the end of its NMI handler, which its IRET is (15.20). */
enum svm_nmi {
	SVM_NMI_FREE,		/* in no handler, or not looked at yet */
	SVM_NMI_WATCH,		/* IRET exits */
	SVM_NMI_LEAVE,		/* the next instruction is that IRET, and executes */
};

/**
 * struct svm_machine - what decides whether guests can run on a machine
 * @svm: its CPUs have SVM
 * @encrypted: it is a guest itself whose memory is encrypted
 * @tlb_mmatch: its CPUs have erratum 383
 * @firmware_off: the firmware has disabled SVM
 */
struct svm_machine {
	bool svm, encrypted, tlb_mmatch, firmware_off;
};

/**
 * struct svm_cpu_caps - what one CPU's SVM can do
 * @nr_asids: number of ASIDs, that of the host included
 * @features: as CPUID says
 */
struct svm_cpu_caps {
	u32 nr_asids, features;
};

extern struct backend_caps svm_caps;

/**
 * struct svm_vcpu - a vCPU on SVM; owner's
 * @vcpu: must be first
 * @vmcb: the control block; constant, as are the next four
 * @vmcb_page: its page
 * @vmcb_pa: its address
 * @msrpm: MSR permission map
 * @msrpm_pages: its pages
 * @asid: the one in @vmcb
 * @exception_exits: what set_exception_exits() said
 * @windows: WINDOW_* that are armed
 * @nmi_busy: nmi.c has something armed, or something to arm
 * @nmi: see there
 * @iret_rip: of the IRET of SVM_NMI_LEAVE
 * @iret_rsp: likewise
 * @stepping: it is executed with our TF, so that #DB tells of its end
 * @stepped: the last exit was that #DB, and tells of nothing else
 * @step_dr6: the guest's DR6 at the entry with our TF
 * @in_shadow: an NMI waits for the end of the guest's interrupt shadow
 * @shadow_timer: ends the guest some time after the shadow, if nothing else does
 * @soft_len: of the instruction whose software event goes in with this entry, else 0
 * @soft_rip: the VMCB's rip then
 * @soft_info: type and vector, as EVENTINJ and EXITINTINFO have them
 * @guest_tsc_aux: the CPU holds the guest's TSC_AUX
 * @shadow_root: of the tables that the CPU walks, with svm_shadow
 * @host_debugctl: what svm_put() sets again in the CPU's DEBUGCTL
 */
struct svm_vcpu {
	struct vcpu vcpu;
	struct vmcb *vmcb;
	struct page *vmcb_page;
	u64 vmcb_pa;
	void *msrpm;
	struct page *msrpm_pages;
	struct svm_asid asid;
	u32 exception_exits;
	u32 windows;
	bool nmi_busy;
	enum svm_nmi nmi;
	bool stepping, stepped, in_shadow;
	u64 iret_rip, iret_rsp;
	u64 step_dr6;
	struct hrtimer shadow_timer;
	u8 soft_len;
	u64 soft_rip;
	u32 soft_info;
	bool guest_tsc_aux;
	u64 shadow_root;
	unsigned long host_debugctl;
};

/* Guests run on shadow tables. */
DECLARE_STATIC_KEY_FALSE(svm_shadow);

/*
 * An instruction that faults when SVM was switched off under us by a crash or a
 * reboot, and then is skipped: nobody waits for its result any more.
 */
#define svm_insn(insn, ...)						\
	asm volatile("1: " insn "\n2:\n" _ASM_EXTABLE(1b, 2b) :: __VA_ARGS__ : "memory")

/* Address of a page as the hardware is told it, memory encryption's bit included. */
static inline u64 svm_page_pa(struct page *page)
{
	return __sme_set(page_to_phys(page));
}

static inline struct svm_vcpu *to_svm(struct vcpu *vcpu)
{
	return container_of(vcpu, struct svm_vcpu, vcpu);
}

static inline void svm_dirty(struct svm_vcpu *svm, u32 clean_bits)
{
	svm->vmcb->control.clean &= ~clean_bits;
}

static inline void svm_intercept(struct svm_vcpu *svm, unsigned int bit, bool on)
{
	u32 *word = &svm->vmcb->control.intercepts[bit / 32];
	u32 old = *word;

	*word = on ? old | BIT(bit % 32) : old & ~BIT(bit % 32);
	if (*word != old)
		svm_dirty(svm, CLEAN_INTERCEPTS);
}

extern struct page *svm_iopm;

/* caps.c */
int svm_verdict(const struct svm_machine *m, const char **why);
const char *svm_lacks(const struct svm_cpu_caps *first, const struct svm_cpu_caps *here);
int svm_cpu_verdict(bool on, bool off, const struct svm_cpu_caps *here, const char **why);
int svm_check_cpu(u64 efer, const char **why);
int svm_probe(const char **why);

/* pages.c */
bool svm_pages_unsafe(unsigned long pfn);
struct page *svm_pages_alloc(gfp_t gfp, unsigned int order);
void svm_pages_free(struct page *page, unsigned int order);

/* enter.S */
void svm_enter(u64 *gpr, u64 guest_pa, u64 host_pa, const u64 *spec_ctrl, u32 sti);

/* vcpu.c */
int svm_vcpu_init(struct vcpu *vcpu);
void svm_vcpu_renew(struct svm_vcpu *svm);
void svm_vcpu_free(struct vcpu *vcpu);
void svm_load(struct vcpu *vcpu, int cpu);
void svm_put(struct vcpu *vcpu);
void svm_inject(struct vcpu *vcpu, const struct x86_event *event);
void svm_set_window(struct vcpu *vcpu, u32 windows);
void svm_flush_tlb(struct vcpu *vcpu);
void svm_set_tdp_root(struct vcpu *vcpu, hpa_t root);
void svm_pass_msr(struct vcpu *vcpu, u32 msr, bool read, bool write);
void svm_set_dr_exits(struct vcpu *vcpu, bool on);
void svm_set_exception_exits(struct vcpu *vcpu, u32 vectors);
void svm_update_exceptions(struct svm_vcpu *svm);
void svm_update_windows(struct svm_vcpu *svm);

/* asid.c */
void svm_asids_renew(struct svm_asids *asids);
void svm_asid_drop(struct svm_asid *asid);
void svm_asid_flush(struct svm_asid *asid);
u8 svm_asid_take(struct svm_asids *asids, struct svm_asid *asid);
void svm_asid_accepted(struct svm_asids *asids, struct svm_asid *asid, u8 tlb_ctl);
void svm_new_asid(struct svm_vcpu *svm, struct svm_cpu *sc);

/* state.c */
void svm_fetch(struct vcpu *vcpu, u32 parts);
void svm_push(struct svm_vcpu *svm);

/* nmi.c */
void svm_nmi_init(struct svm_vcpu *svm);
void svm_nmi_forget(struct svm_vcpu *svm);
void svm_nmi_free(struct svm_vcpu *svm);
void svm_nmi_before(struct svm_vcpu *svm);
void svm_nmi_after(struct svm_vcpu *svm);
void svm_nmi_iret(struct svm_vcpu *svm);

/* run.c */
void svm_ask_exits(struct svm_vcpu *svm);
void svm_vectoring(struct svm_vcpu *svm, struct x86_event *e);
void svm_run(struct vcpu *vcpu, struct exit_facts *facts);
void svm_sample(const struct vcpu *vcpu, u64 *ip, bool *user);

/* Give the vCPU an ASID that is valid on this CPU, and say what VMRUN flushes. Loaded; IRQs off. */
static inline void svm_prepare_asid(struct svm_vcpu *svm)
{
	struct svm_cpu *sc = this_cpu_ptr(&svm_cpus);

	if (unlikely(!svm_asid_settled(&sc->asids, &svm->asid)))
		svm_new_asid(svm, sc);
}

/* RDTSCP and RDPID give the guest's value from here on. Loaded; preemption off. */
static inline void svm_load_tsc_aux(struct svm_vcpu *svm)
{
	const struct svm_cpu *sc = this_cpu_ptr(&svm_cpus);
	u64 aux = svm->vcpu.st.msrs.tsc_aux;

	if (!sc->has_tsc_aux || (!svm->guest_tsc_aux && aux == sc->tsc_aux))
		return;
	wrmsrl(MSR_TSC_AUX, aux);
	svm->guest_tsc_aux = true;
}

#endif
