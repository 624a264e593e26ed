// SPDX-License-Identifier: GPL-2.0-only
/*
 * CPUID: what guests on this host can have, and KVM_GET_SUPPORTED_CPUID, which says
 * so.  What one of them has is cpuid.c's.
 *
 * A feature is offered when the CPU has it, Linux has not turned it off, and
 * cpuid_features[] says that guests may have it; or when ditto makes it itself.
 */
#include <linux/kvm_para.h>
#include <linux/sched/stat.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <asm/apicdef.h>
#include <asm/cpufeature.h>
#include <asm/fpu/xcr.h>
#include <asm/msr.h>
#include <asm/processor.h>

#include "compat.h"
#include "x86/cpu/cpuid_host.h"
#include "x86/cpu/cpuid_impl.h"

#define XSAVE_BASE_SIZE	(512 + 64)

bool quirk_no_xsave;

const struct feature_word cpuid_features[CPUID_WORDS] = {
	[0] = { 1, 0, CPUID_EDX,
		F(FPU) | F(VME) | F(DE) | F(PSE) | F(TSC) | F(MSR) | F(PAE) | F(MCE) | F(CX8) |
		F(SEP) | F(PGE) | F(MCA) | F(CMOV) | F(PAT) | F(PSE36) | F(CLFLUSH) |
		F(MMX) | F(FXSR) | F(XMM) | F(XMM2) | F(SELFSNOOP),
		F(APIC) | F(MTRR) },
	[1] = { 0x80000001, 0, CPUID_EDX,
		F(SYSCALL) | F(NX) | F(MMXEXT) | F(FXSR_OPT) | F(GBPAGES) | F(RDTSCP) | F(LM) |
		F(3DNOWEXT) | F(3DNOW) },
	[4] = { 1, 0, CPUID_ECX,
		F(XMM3) | F(PCLMULQDQ) | F(SSSE3) | F(FMA) | F(CX16) | F(PCID) | F(XMM4_1) |
		F(XMM4_2) | F(MOVBE) | F(POPCNT) | F(AES) | F(XSAVE) | F(AVX) | F(F16C) |
		F(RDRAND),
		F(X2APIC) | F(TSC_DEADLINE_TIMER) | F(HYPERVISOR) },
	[6] = { 0x80000001, 0, CPUID_ECX,
		F(LAHF_LM) | F(CR8_LEGACY) | F(ABM) | F(SSE4A) | F(MISALIGNSSE) |
		F(3DNOWPREFETCH) | F(XOP) | F(FMA4) | F(TBM) | F(TOPOEXT) },
	[9] = { 7, 0, CPUID_EBX,
		F(FSGSBASE) | F(BMI1) | F(AVX2) | F(FDP_EXCPTN_ONLY) | F(SMEP) | F(BMI2) |
		F(ERMS) | F(INVPCID) | F(ZERO_FCS_FDS) | F(AVX512F) | F(AVX512DQ) | F(RDSEED) |
		F(ADX) | F(SMAP) | F(AVX512IFMA) | F(CLFLUSHOPT) | F(CLWB) | F(AVX512PF) |
		F(AVX512ER) | F(AVX512CD) | F(SHA_NI) | F(AVX512BW) | F(AVX512VL),
		F(TSC_ADJUST) },
	[10] = { LEAF_XSTATE, 1, CPUID_EAX, F(XSAVEOPT) | F(XSAVEC) | F(XGETBV1) | F(XSAVES) },
	[12] = { 7, 1, CPUID_EAX, F(AVX_VNNI) | F(AVX512_BF16) },
	[13] = { 0x80000008, 0, CPUID_EBX,
		F(CLZERO) | F(XSAVEERPTR) | F(WBNOINVD) | F(AMD_IBPB) | F(AMD_IBRS) |
		F(AMD_STIBP) | F(AMD_STIBP_ALWAYS_ON) | F(AMD_SSBD) | F(AMD_SSB_NO) | F(BTC_NO) },
	[16] = { 7, 0, CPUID_ECX,
		F(AVX512VBMI) | F(UMIP) | F(PKU) | F(AVX512_VBMI2) | F(GFNI) | F(VAES) |
		F(VPCLMULQDQ) | F(AVX512_VNNI) | F(AVX512_BITALG) | F(AVX512_VPOPCNTDQ) |
		F(RDPID) | F(CLDEMOTE) | F(MOVDIRI) | F(MOVDIR64B) },
	[18] = { 7, 0, CPUID_EDX,
		F(AVX512_4VNNIW) | F(AVX512_4FMAPS) | F(FSRM) | F(AVX512_VP2INTERSECT) |
		F(MD_CLEAR) | F(SERIALIZE) | F(AVX512_FP16) | F(SPEC_CTRL) | F(INTEL_STIBP) |
		F(FLUSH_L1D) | F(SPEC_CTRL_SSBD),
		F(ARCH_CAPABILITIES) },
};

/* Without XSAVE there is nothing that could hold or switch their state. */
static const struct { u8 word; u32 bits; } needs_xsave[] = {
	{ 4, F(XSAVE) | F(AVX) | F(FMA) | F(F16C) },
	{ 6, F(XOP) | F(FMA4) },
	{ 9, F(AVX2) | F(AVX512F) | F(AVX512DQ) | F(AVX512IFMA) | F(AVX512PF) | F(AVX512ER) |
	     F(AVX512CD) | F(AVX512BW) | F(AVX512VL) },
	{ 10, ~0u },
	{ 12, F(AVX_VNNI) | F(AVX512_BF16) },
	{ 16, F(AVX512VBMI) | F(PKU) | F(AVX512_VBMI2) | F(VAES) | F(VPCLMULQDQ) |
	      F(AVX512_VNNI) | F(AVX512_BITALG) | F(AVX512_VPOPCNTDQ) },
	{ 18, F(AVX512_4VNNIW) | F(AVX512_4FMAPS) | F(AVX512_VP2INTERSECT) | F(AVX512_FP16) },
};

/* cr4 and efer bits that exist with a feature. */
static const struct { u64 bit; unsigned int feature; } cr4_bits[] = {
	{ X86_CR4_UMIP, X86_FEATURE_UMIP },
	{ X86_CR4_FSGSBASE, X86_FEATURE_FSGSBASE },
	{ X86_CR4_PCIDE, X86_FEATURE_PCID },
	{ X86_CR4_OSXSAVE, X86_FEATURE_XSAVE },
	{ X86_CR4_SMEP, X86_FEATURE_SMEP },
	{ X86_CR4_SMAP, X86_FEATURE_SMAP },
	{ X86_CR4_PKE, X86_FEATURE_PKU },
};

static const struct { u64 bit; unsigned int feature; } efer_bits[] = {
	{ EFER_SCE, X86_FEATURE_SYSCALL },
	{ EFER_LME | EFER_LMA, X86_FEATURE_LM },
	{ EFER_NX, X86_FEATURE_NX },
	{ EFER_FFXSR, X86_FEATURE_FXSR_OPT },
};

#define CR4_ALWAYS	(X86_CR4_VME | X86_CR4_PVI | X86_CR4_TSD | X86_CR4_DE | X86_CR4_PSE | \
			 X86_CR4_PAE | X86_CR4_MCE | X86_CR4_PGE | X86_CR4_PCE | \
			 X86_CR4_OSFXSR | X86_CR4_OSXMMEXCPT)

#define XCR0_OFFERED	(XFEATURE_MASK_FPSSE | XFEATURE_MASK_YMM | XFEATURE_MASK_AVX512 | \
			 XFEATURE_MASK_PKRU)

struct cpuid_host cpuid_host;

/**
 * cpuid_cr4_reserved() - bits of cr4 that go with features which are not there
 * @word: CPUID_WORDS feature words
 *
 * Return: the bits.
 */
u64 cpuid_cr4_reserved(const u32 *word)
{
	u64 allowed = CR4_ALWAYS;
	int i;

	for (i = 0; i < ARRAY_SIZE(cr4_bits); i++)
		if (cpuid_words_have(word, cr4_bits[i].feature))
			allowed |= cr4_bits[i].bit;
	return ~allowed;
}

/**
 * cpuid_efer_reserved() - bits of EFER that go with features which are not there
 * @word: CPUID_WORDS feature words
 *
 * Return: the bits.
 */
u64 cpuid_efer_reserved(const u32 *word)
{
	u64 allowed = 0;
	int i;

	for (i = 0; i < ARRAY_SIZE(efer_bits); i++)
		if (cpuid_words_have(word, efer_bits[i].feature))
			allowed |= efer_bits[i].bit;
	return ~allowed;
}

static u32 host_reg(u32 function, u32 index, enum cpuid_regs_idx reg)
{
	u32 r[4];

	if (function > cpuid_eax(function & 0x80000000))
		return 0;
	cpuid_count(function, index, &r[CPUID_EAX], &r[CPUID_EBX], &r[CPUID_ECX], &r[CPUID_EDX]);
	return r[reg];
}

static void host_words(void)
{
	int i;

	for (i = 0; i < CPUID_WORDS; i++) {
		const struct feature_word *w = &cpuid_features[i];

		if (!w->function)
			continue;
		cpuid_host.word[i] = host_reg(w->function, w->index, w->reg) & w->passed &
			       boot_cpu_data.x86_capability[i];
		cpuid_host.word[i] |= w->made;
	}
}

static void host_hide_xsave(void)
{
	int i;

	cpuid_host.xcr0 = 0;
	for (i = 0; i < ARRAY_SIZE(needs_xsave); i++)
		cpuid_host.word[needs_xsave[i].word] &= ~needs_xsave[i].bits;
}

static void host_xstate(void)
{
	u32 eax, ebx, ecx, edx;
	int i;

	if (quirk_no_xsave || !boot_cpu_has(X86_FEATURE_OSXSAVE) ||
	    !cpuid_words_have(cpuid_host.word, X86_FEATURE_XSAVE)) {
		host_hide_xsave();
		return;
	}
	if (!backend || !backend->caps->xsaves)
		cpuid_host.word[10] &= ~F(XSAVES);
	/* The kernel's own protection keys must be on for it to switch PKRU. */
	if (!boot_cpu_has(X86_FEATURE_OSPKE))
		cpuid_host.word[16] &= ~F(PKU);

	cpuid_host.xcr0 = xgetbv(XCR_XFEATURE_ENABLED_MASK) & XCR0_OFFERED;
	if (!cpuid_words_have(cpuid_host.word, X86_FEATURE_PKU))
		cpuid_host.xcr0 &= ~(u64)XFEATURE_MASK_PKRU;
	for (i = 2; i < XSTATE_MAX; i++) {
		if (!(cpuid_host.xcr0 & BIT_ULL(i)))
			continue;
		cpuid_count(LEAF_XSTATE, i, &eax, &ebx, &ecx, &edx);
		cpuid_host.xsize[i] = eax;
		cpuid_host.xoffset[i] = ebx;
		if (ecx & BIT(1))
			cpuid_host.xaligned |= BIT(i);
	}
}

/* What needs tables of the guest's own kind, or flushes that the CPU makes by itself. */
static void host_hide_from_shadow(void)
{
	cpuid_host.word[4] &= ~F(PCID);
	cpuid_host.word[9] &= ~F(INVPCID);
	cpuid_host.word[16] &= ~F(PKU);
}

/**
 * cpuid_setup() - learn what guests on this host can have
 *
 * Once, while the module is loaded, before any other function here.
 */
void cpuid_setup(void)
{
	memset(&cpuid_host, 0, sizeof(cpuid_host));
	host_words();
	if (backend && backend->caps->shadow)
		host_hide_from_shadow();
	host_xstate();
	cpuid_host.cr4_reserved = cpuid_cr4_reserved(cpuid_host.word);
	cpuid_host.efer_reserved = cpuid_efer_reserved(cpuid_host.word);
	/* As wide as the nested tables reach, should the CPU say more. */
	cpuid_host.phys_bits = min_t(u32, host_reg(0x80000008, 0, CPUID_EAX) & 0xff,
			       backend && backend->caps->tdp.levels == 5 ? 57 : 48);
	if (!cpuid_host.phys_bits)
		cpuid_host.phys_bits = 36;
}

/**
 * cpuid_host_has() - can a guest on this host have a feature?
 * @feature: X86_FEATURE_* that has a CPUID bit of its own
 *
 * Return: whether it can.
 */
bool cpuid_host_has(unsigned int feature)
{
	return cpuid_words_have(cpuid_host.word, feature);
}

/**
 * cpuid_host_is_amd() - is this an AMD CPU, or Hygon's of the same kind?
 *
 * Return: whether it is.
 */
bool cpuid_host_is_amd(void)
{
	return boot_cpu_data.x86_vendor == X86_VENDOR_AMD ||
	       boot_cpu_data.x86_vendor == X86_VENDOR_HYGON;
}

/**
 * cpuid_host_efer_reserved() - bits of EFER that no guest on this host can set
 *
 * Return: the bits.
 */
u64 cpuid_host_efer_reserved(void)
{
	return cpuid_host.efer_reserved;
}

/**
 * cpuid_host_xcr0() - bits of xcr0 that a guest on this host can have
 *
 * Return: the bits; 0 without XSAVE.
 */
u64 cpuid_host_xcr0(void)
{
	return cpuid_host.xcr0;
}
/**
 * cpuid_xsave_size() - bytes of XSAVE's standard format
 * @xcr0: components
 *
 * Return: the size.
 */
u32 cpuid_xsave_size(u64 xcr0)
{
	u32 size = XSAVE_BASE_SIZE;
	int i;

	for (i = 2; i < XSTATE_MAX; i++)
		if (xcr0 & BIT_ULL(i))
			size = max(size, cpuid_host.xoffset[i] + cpuid_host.xsize[i]);
	return size;
}

/**
 * cpuid_xsave_compact_size() - bytes of XSAVEC's format (SDM 13.4.3)
 * @xcr0: components
 *
 * Return: the size.
 */
u32 cpuid_xsave_compact_size(u64 xcr0)
{
	u32 size = XSAVE_BASE_SIZE;
	int i;

	for (i = 2; i < XSTATE_MAX; i++) {
		if (!(xcr0 & BIT_ULL(i)))
			continue;
		if (cpuid_host.xaligned & BIT(i))
			size = ALIGN(size, 64);
		size += cpuid_host.xsize[i];
	}
	return size;
}
/* KVM_GET_SUPPORTED_CPUID */

/**
 * struct offer - the table in the making
 * @entries: DITTO_MAX_CPUID_ENTRIES of them
 * @nent: made so far
 */
struct offer {
	struct kvm_cpuid_entry2 *entries;
	u32 nent;
};

static struct kvm_cpuid_entry2 *offer_empty(struct offer *o, u32 function, u32 index,
					    bool indexed)
{
	/* The table is far from full; the last entry serves as a sink if it ever is. */
	u32 i = min_t(u32, o->nent, DITTO_MAX_CPUID_ENTRIES - 1);
	struct kvm_cpuid_entry2 *e = &o->entries[i];

	WARN_ON_ONCE(o->nent >= DITTO_MAX_CPUID_ENTRIES);
	o->nent = i + 1;
	memset(e, 0, sizeof(*e));
	e->function = function;
	e->index = index;
	e->flags = indexed ? KVM_CPUID_FLAG_SIGNIFCANT_INDEX : 0;
	return e;
}

static struct kvm_cpuid_entry2 *offer_host(struct offer *o, u32 function, u32 index,
					   bool indexed)
{
	struct kvm_cpuid_entry2 *e = offer_empty(o, function, index, indexed);

	cpuid_count(function, index, &e->eax, &e->ebx, &e->ecx, &e->edx);
	return e;
}

static void offer_leaf1(struct offer *o)
{
	struct kvm_cpuid_entry2 *e = offer_host(o, 1, 0, false);

	e->ebx &= 0x0000ff00;	/* CLFLUSH line size; not this CPU's APIC id */
	e->ecx = cpuid_host.word[4];
	e->edx = cpuid_host.word[0];
}

/* Deterministic cache parameters: sub-leaves until a cache of type 0. */
static void offer_caches(struct offer *o, u32 function)
{
	struct kvm_cpuid_entry2 *e;
	u32 i = 0;

	do {
		e = offer_host(o, function, i, true);
		e->eax &= 0x3ff;	/* one thread, one core: the VMM makes the topology */
	} while ((e->eax & 0x1f) && ++i < 8);
}

static void offer_leaf7(struct offer *o)
{
	struct kvm_cpuid_entry2 *e = offer_empty(o, 7, 0, true);

	e->ebx = cpuid_host.word[9];
	e->ecx = cpuid_host.word[16];
	e->edx = cpuid_host.word[18];
	if (!cpuid_host.word[12])
		return;
	e->eax = 1;
	offer_empty(o, 7, 1, true)->eax = cpuid_host.word[12];
}

static void offer_xstate(struct offer *o)
{
	struct kvm_cpuid_entry2 *e = offer_empty(o, LEAF_XSTATE, 0, true);
	int i;

	if (!cpuid_host.xcr0)
		return;
	e->eax = cpuid_host.xcr0;
	e->edx = cpuid_host.xcr0 >> 32;
	e->ebx = cpuid_xsave_size(XFEATURE_MASK_FPSSE);
	e->ecx = cpuid_xsave_size(cpuid_host.xcr0);
	e = offer_empty(o, LEAF_XSTATE, 1, true);
	e->eax = cpuid_host.word[10];
	if (e->eax & F(XSAVEC))
		e->ebx = cpuid_xsave_compact_size(XFEATURE_MASK_FPSSE);
	for (i = 2; i < XSTATE_MAX; i++) {
		if (!(cpuid_host.xcr0 & BIT_ULL(i)))
			continue;
		e = offer_empty(o, LEAF_XSTATE, i, true);
		e->eax = cpuid_host.xsize[i];
		e->ebx = cpuid_host.xoffset[i];
		e->ecx = cpuid_host.xaligned & BIT(i) ? BIT(1) : 0;
	}
}

static void offer_basic(struct offer *o)
{
	struct kvm_cpuid_entry2 *e = offer_host(o, 0, 0, false);
	u32 max = min_t(u32, e->eax, 0x1f);

	e->eax = max_t(u32, max, LEAF_XSTATE);
	offer_leaf1(o);
	if (!cpuid_host_is_amd()) {
		offer_host(o, 2, 0, false);
		offer_caches(o, 4);
	}
	offer_empty(o, 6, 0, false)->eax = F(ARAT);	/* the APIC timer never stops */
	offer_leaf7(o);
	offer_empty(o, 0xa, 0, false);			/* no performance counters */
	offer_empty(o, 0xb, 0, true);			/* no topology but the VMM's */
	offer_xstate(o);
	if (max >= 0x1f)
		offer_empty(o, 0x1f, 0, true);
}

static void offer_kvm(struct offer *o)
{
	struct kvm_cpuid_entry2 *e = offer_empty(o, KVM_CPUID_SIGNATURE, 0, false);
	u32 sig[3];

	memcpy(sig, KVM_SIGNATURE, sizeof(sig));
	e->eax = KVM_CPUID_FEATURES;
	e->ebx = sig[0];
	e->ecx = sig[1];
	e->edx = sig[2];
	e = offer_empty(o, KVM_CPUID_FEATURES, 0, false);
	e->eax = BIT(KVM_FEATURE_CLOCKSOURCE) | BIT(KVM_FEATURE_NOP_IO_DELAY) |
		 BIT(KVM_FEATURE_CLOCKSOURCE2) | BIT(KVM_FEATURE_CLOCKSOURCE_STABLE_BIT) |
		 BIT(KVM_FEATURE_PV_UNHALT) | BIT(KVM_FEATURE_PV_TLB_FLUSH) |
		 BIT(KVM_FEATURE_PV_SEND_IPI) | BIT(KVM_FEATURE_PV_SCHED_YIELD) |
		 BIT(KVM_FEATURE_PV_EOI) | BIT(KVM_FEATURE_POLL_CONTROL) |
		 BIT(KVM_FEATURE_ASYNC_PF) | BIT(KVM_FEATURE_ASYNC_PF_INT);
	if (sched_info_on())
		e->eax |= BIT(KVM_FEATURE_STEAL_TIME);
}

/* AMD's leaf 0x80000001 repeats these bits of leaf 1. */
#define AMD_REPEATS	(F(FPU) | F(VME) | F(DE) | F(PSE) | F(TSC) | F(MSR) | F(PAE) | F(MCE) | \
			 F(CX8) | F(APIC) | F(MTRR) | F(PGE) | F(MCA) | F(CMOV) | F(PAT) | \
			 F(PSE36) | F(MMX) | F(FXSR))
/* Leaf 0x80000021: facts about the CPU that hold in guests, too, and one about all guests. */
#define LEAF_AMD_FACTS		0x80000021
#define AMD_FACTS		(BIT(0) /* no nested data breakpoints */ | \
				 AMD_LFENCE_SERIALIZES | AMD_NULL_CLEARS_BASE)
#define AMD_LFENCE_SERIALIZES	BIT(2)
#define AMD_NULL_CLEARS_BASE	BIT(6)
#define AMD_NO_SMM_CTL_MSR	BIT(9)

static void offer_extended_features(struct offer *o)
{
	struct kvm_cpuid_entry2 *e = offer_host(o, 0x80000001, 0, false);

	e->ebx = 0;
	e->ecx = cpuid_host.word[6];
	e->edx = cpuid_host.word[1];
	if (cpuid_host_is_amd())
		e->edx |= cpuid_host.word[0] & AMD_REPEATS;
}

/* A CPU older than the leaf may be as it says. */
static void offer_amd_facts(struct offer *o)
{
	u32 facts = host_reg(LEAF_AMD_FACTS, 0, CPUID_EAX) & AMD_FACTS;

	if (boot_cpu_has(X86_FEATURE_LFENCE_RDTSC))
		facts |= AMD_LFENCE_SERIALIZES;
	if (!boot_cpu_has_bug(X86_BUG_NULL_SEG))
		facts |= AMD_NULL_CLEARS_BASE;
	offer_empty(o, LEAF_AMD_FACTS, 0, false)->eax = facts | AMD_NO_SMM_CTL_MSR;
}

/* How wide the VMM's memory can be, behind how wide the guest's tables can. */
static u32 offer_widths(void)
{
	u32 mapped = backend && backend->caps->shadow ? 0 : cpuid_host.phys_bits;

	return cpuid_host.phys_bits | 48 << 8 | mapped << 16;
}

static void offer_extended(struct offer *o)
{
	struct kvm_cpuid_entry2 *e = offer_host(o, 0x80000000, 0, false);
	bool facts = cpuid_host_is_amd() && e->eax >= 0x8000001d;
	u32 max = facts ? LEAF_AMD_FACTS : min_t(u32, e->eax, LEAF_AMD_FACTS);
	u32 i;

	e->eax = max_t(u32, max, 0x80000008);
	offer_extended_features(o);
	for (i = 0x80000002; i <= 0x80000006; i++)
		offer_host(o, i, 0, false);		/* name, caches, TLBs */
	e = offer_empty(o, 0x80000007, 0, false);
	e->edx = host_reg(0x80000007, 0, CPUID_EDX) & BIT(8);	/* invariant TSC */
	e = offer_empty(o, 0x80000008, 0, false);
	e->eax = offer_widths();
	e->ebx = cpuid_host.word[13];
	if (!facts)
		return;
	offer_caches(o, 0x8000001d);
	offer_empty(o, 0x8000001e, 0, false);		/* no topology but the VMM's */
	offer_amd_facts(o);
}

/**
 * cpuid_offer() - the table of everything that guests on this host can have
 * @entries: room for DITTO_MAX_CPUID_ENTRIES, filled
 *
 * Return: the number of entries.
 */
u32 cpuid_offer(struct kvm_cpuid_entry2 *entries)
{
	struct offer o = { .entries = entries };

	offer_basic(&o);
	offer_kvm(&o);
	offer_extended(&o);
	return o.nent;
}

/*
 * What a guest's CPUID may have on any host, because the emulator executes it where the CPU
 * says #UD. What a CPU without it executes as something else, as TZCNT, is not here.
 */
static u32 offer_emulated(struct kvm_cpuid_entry2 *entries)
{
	struct offer o = { .entries = entries };
	struct kvm_cpuid_entry2 *e;

	offer_empty(&o, 0, 0, false)->eax = 7;
	offer_empty(&o, 1, 0, false)->ecx = F(MOVBE) | F(POPCNT);
	e = offer_empty(&o, 7, 0, true);
	e->ebx = F(BMI2) | F(ADX);
	/* What RDPID reads is a register that comes with RDTSCP. */
	e->ecx = F(MOVDIRI) | F(MOVDIR64B) | (cpuid_host_has(X86_FEATURE_RDTSCP) ? F(RDPID) : 0);
	return o.nent;
}

/* A table for user space, made by @make. */
static int offer_ioctl(void __user *arg, u32 (*make)(struct kvm_cpuid_entry2 *entries))
{
	struct kvm_cpuid2 __user *user = arg;
	struct kvm_cpuid_entry2 *entries;
	u32 room, nent;
	int err = 0;

	if (get_user(room, &user->nent))
		return -EFAULT;
	entries = kvcalloc(DITTO_MAX_CPUID_ENTRIES, sizeof(*entries), GFP_KERNEL);
	if (!entries)
		return -ENOMEM;
	nent = make(entries);
	if (room < nent)
		err = -E2BIG;
	else if (put_user(nent, &user->nent) ||
		 copy_to_user(user->entries, entries, nent * sizeof(*entries)))
		err = -EFAULT;
	kvfree(entries);
	return err;
}

/**
 * cpuid_ioctl_get_supported() - KVM_GET_SUPPORTED_CPUID
 * @arg: struct kvm_cpuid2
 *
 * Return: 0 with @arg->nent set; -E2BIG when they do not fit; -EFAULT, -ENOMEM.
 */
int cpuid_ioctl_get_supported(void __user *arg)
{
	return offer_ioctl(arg, cpuid_offer);
}

/**
 * cpuid_ioctl_get_emulated() - KVM_GET_EMULATED_CPUID
 * @arg: struct kvm_cpuid2
 *
 * Return: as cpuid_ioctl_get_supported().
 */
int cpuid_ioctl_get_emulated(void __user *arg)
{
	return offer_ioctl(arg, offer_emulated);
}
