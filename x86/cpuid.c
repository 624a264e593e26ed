// SPDX-License-Identifier: GPL-2.0-only
/*
 * CPUID: what a guest on this host can have (KVM_GET_SUPPORTED_CPUID), the table
 * that the VMM chose for a vCPU, and the CPUID instruction itself.
 *
 * A feature is offered when the CPU has it, Linux has not turned it off, and
 * features[] says that guests may have it; or when ditto makes it itself.  What
 * the table implies (reserved bits of cr4 and efer, XCR0, feature bits) is
 * derived once, when it is set.  Some bits follow other registers and are put
 * in at each execution, so that they cannot be stale.
 */
#include <linux/kvm_para.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <asm/apicdef.h>
#include <asm/cpufeature.h>
#include <asm/cpuid.h>
#include <asm/fpu/xcr.h>
#include <asm/msr.h>
#include <asm/processor.h>

#include "x86/irqchip.h"
#include "x86/x86.h"

#define NO_WORD		CPUID_WORDS
#define LEAF_XSTATE	0xd
#define XSAVE_BASE_SIZE	(512 + 64)

enum cpuid_reg { REG_EAX, REG_EBX, REG_ECX, REG_EDX };

#define F(name)	BIT(X86_FEATURE_##name & 31)

/**
 * struct feature_word - one register full of feature bits
 * @function: where CPUID reports it
 * @index: sub-leaf
 * @reg: enum cpuid_reg
 * @passed: features of the CPU that guests may have
 * @made: features that ditto makes, whatever the CPU has
 *
 * The place in features[] is the number of the kernel's capability word.
 */
struct feature_word {
	u32 function;
	u8 index;
	u8 reg;
	u32 passed;
	u32 made;
};

static const struct feature_word features[CPUID_WORDS] = {
	[0] = { 1, 0, REG_EDX,
		F(FPU) | F(VME) | F(DE) | F(PSE) | F(TSC) | F(MSR) | F(PAE) | F(MCE) | F(CX8) |
		F(SEP) | F(PGE) | F(MCA) | F(CMOV) | F(PAT) | F(PSE36) | F(CLFLUSH) |
		F(MMX) | F(FXSR) | F(XMM) | F(XMM2) | F(SELFSNOOP),
		F(APIC) | F(MTRR) },
	[1] = { 0x80000001, 0, REG_EDX,
		F(SYSCALL) | F(NX) | F(MMXEXT) | F(FXSR_OPT) | F(GBPAGES) | F(RDTSCP) | F(LM) |
		F(3DNOWEXT) | F(3DNOW) },
	[4] = { 1, 0, REG_ECX,
		F(XMM3) | F(PCLMULQDQ) | F(SSSE3) | F(FMA) | F(CX16) | F(PCID) | F(XMM4_1) |
		F(XMM4_2) | F(MOVBE) | F(POPCNT) | F(AES) | F(XSAVE) | F(AVX) | F(F16C) |
		F(RDRAND),
		F(X2APIC) | F(TSC_DEADLINE_TIMER) | F(HYPERVISOR) },
	[6] = { 0x80000001, 0, REG_ECX,
		F(LAHF_LM) | F(CR8_LEGACY) | F(ABM) | F(SSE4A) | F(MISALIGNSSE) |
		F(3DNOWPREFETCH) | F(XOP) | F(FMA4) | F(TBM) },
	[9] = { 7, 0, REG_EBX,
		F(FSGSBASE) | F(BMI1) | F(AVX2) | F(FDP_EXCPTN_ONLY) | F(SMEP) | F(BMI2) |
		F(ERMS) | F(INVPCID) | F(ZERO_FCS_FDS) | F(AVX512F) | F(AVX512DQ) | F(RDSEED) |
		F(ADX) | F(SMAP) | F(AVX512IFMA) | F(CLFLUSHOPT) | F(CLWB) | F(AVX512PF) |
		F(AVX512ER) | F(AVX512CD) | F(SHA_NI) | F(AVX512BW) | F(AVX512VL),
		F(TSC_ADJUST) },
	[10] = { LEAF_XSTATE, 1, REG_EAX, F(XSAVEOPT) | F(XSAVEC) | F(XGETBV1) | F(XSAVES) },
	[12] = { 7, 1, REG_EAX, F(AVX_VNNI) | F(AVX512_BF16) },
	[13] = { 0x80000008, 0, REG_EBX,
		F(CLZERO) | F(XSAVEERPTR) | F(WBNOINVD) | F(AMD_IBPB) | F(AMD_IBRS) |
		F(AMD_STIBP) | F(AMD_STIBP_ALWAYS_ON) | F(AMD_SSBD) | F(AMD_SSB_NO) | F(BTC_NO) },
	[16] = { 7, 0, REG_ECX,
		F(AVX512VBMI) | F(UMIP) | F(PKU) | F(AVX512_VBMI2) | F(GFNI) | F(VAES) |
		F(VPCLMULQDQ) | F(AVX512_VNNI) | F(AVX512_BITALG) | F(AVX512_VPOPCNTDQ) |
		F(RDPID) | F(CLDEMOTE) | F(MOVDIRI) | F(MOVDIR64B) },
	[18] = { 7, 0, REG_EDX,
		F(AVX512_4VNNIW) | F(AVX512_4FMAPS) | F(FSRM) | F(AVX512_VP2INTERSECT) |
		F(MD_CLEAR) | F(SERIALIZE) | F(AVX512_FP16) | F(SPEC_CTRL) | F(INTEL_STIBP) |
		F(FLUSH_L1D) | F(ARCH_CAPABILITIES) | F(SPEC_CTRL_SSBD) },
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
#define XSTATE_MAX	16

/*
 * What guests on this host can have; set by cpuid_setup(), then constant.
 * Sizes and offsets are of XSAVE's components, 0 when absent.
 */
static struct {
	u32 word[CPUID_WORDS];
	u64 cr4_reserved, efer_reserved;
	u64 xcr0;
	u32 xsize[XSTATE_MAX], xoffset[XSTATE_MAX];
	u32 xaligned;
	u8 phys_bits;
} host;

static bool word_has(const u32 *word, unsigned int feature)
{
	unsigned int w = feature / 32;

	return w < CPUID_WORDS && (word[w] & BIT(feature & 31));
}

static u64 cr4_reserved(const u32 *word)
{
	u64 allowed = CR4_ALWAYS;
	int i;

	for (i = 0; i < ARRAY_SIZE(cr4_bits); i++)
		if (word_has(word, cr4_bits[i].feature))
			allowed |= cr4_bits[i].bit;
	return ~allowed;
}

static u64 efer_reserved(const u32 *word)
{
	u64 allowed = 0;
	int i;

	for (i = 0; i < ARRAY_SIZE(efer_bits); i++)
		if (word_has(word, efer_bits[i].feature))
			allowed |= efer_bits[i].bit;
	return ~allowed;
}

static u32 host_reg(u32 function, u32 index, enum cpuid_reg reg)
{
	u32 r[4];

	if (function > cpuid_eax(function & 0x80000000))
		return 0;
	cpuid_count(function, index, &r[REG_EAX], &r[REG_EBX], &r[REG_ECX], &r[REG_EDX]);
	return r[reg];
}

static void host_words(void)
{
	int i;

	for (i = 0; i < CPUID_WORDS; i++) {
		const struct feature_word *w = &features[i];

		if (!w->function)
			continue;
		host.word[i] = host_reg(w->function, w->index, w->reg) & w->passed &
			       boot_cpu_data.x86_capability[i];
		host.word[i] |= w->made;
	}
}

static void host_hide_xsave(void)
{
	int i;

	host.xcr0 = 0;
	for (i = 0; i < ARRAY_SIZE(needs_xsave); i++)
		host.word[needs_xsave[i].word] &= ~needs_xsave[i].bits;
}

static void host_xstate(void)
{
	u32 eax, ebx, ecx, edx;
	int i;

	if (quirk_no_xsave || !boot_cpu_has(X86_FEATURE_OSXSAVE) ||
	    !word_has(host.word, X86_FEATURE_XSAVE)) {
		host_hide_xsave();
		return;
	}
	if (!backend || !backend->caps->xsaves)
		host.word[10] &= ~F(XSAVES);
	/* The kernel's own protection keys must be on for it to switch PKRU. */
	if (!boot_cpu_has(X86_FEATURE_OSPKE))
		host.word[16] &= ~F(PKU);

	host.xcr0 = xgetbv(XCR_XFEATURE_ENABLED_MASK) & XCR0_OFFERED;
	if (!word_has(host.word, X86_FEATURE_PKU))
		host.xcr0 &= ~(u64)XFEATURE_MASK_PKRU;
	for (i = 2; i < XSTATE_MAX; i++) {
		if (!(host.xcr0 & BIT_ULL(i)))
			continue;
		cpuid_count(LEAF_XSTATE, i, &eax, &ebx, &ecx, &edx);
		host.xsize[i] = eax;
		host.xoffset[i] = ebx;
		if (ecx & BIT(1))
			host.xaligned |= BIT(i);
	}
}

/**
 * cpuid_setup - learn what guests on this host can have
 *
 * Once, while the module is loaded, before any other function here.
 */
void cpuid_setup(void)
{
	memset(&host, 0, sizeof(host));
	host_words();
	host_xstate();
	host.cr4_reserved = cr4_reserved(host.word);
	host.efer_reserved = efer_reserved(host.word);
	/* As wide as the nested tables reach, should the CPU say more. */
	host.phys_bits = min_t(u32, host_reg(0x80000008, 0, REG_EAX) & 0xff,
			       backend && backend->caps->tdp.levels == 5 ? 57 : 48);
	if (!host.phys_bits)
		host.phys_bits = 36;
}

/**
 * cpuid_host_has - can a guest on this host have a feature?
 * @feature: X86_FEATURE_* that has a CPUID bit of its own
 */
bool cpuid_host_has(unsigned int feature)
{
	return word_has(host.word, feature);
}

/** cpuid_host_is_amd - is this an AMD CPU, or Hygon's of the same kind? */
bool cpuid_host_is_amd(void)
{
	return boot_cpu_data.x86_vendor == X86_VENDOR_AMD ||
	       boot_cpu_data.x86_vendor == X86_VENDOR_HYGON;
}

/** cpuid_host_cr4_reserved - bits of cr4 that no guest on this host can set */
u64 cpuid_host_cr4_reserved(void)
{
	return host.cr4_reserved;
}

/** cpuid_host_efer_reserved - bits of EFER that no guest on this host can set */
u64 cpuid_host_efer_reserved(void)
{
	return host.efer_reserved;
}

/** cpuid_host_xcr0 - bits of xcr0 that a guest on this host can have; 0 without XSAVE */
u64 cpuid_host_xcr0(void)
{
	return host.xcr0;
}

/**
 * cpuid_canonical - is a linear address canonical for a guest?
 * @addr: linear address
 *
 * Five-level paging is not offered to guests: 48 bits.
 */
bool cpuid_canonical(u64 addr)
{
	return (u64)((s64)(addr << 16) >> 16) == addr;
}

/**
 * cpuid_xsave_size - bytes of XSAVE's standard format
 * @xcr0: components
 */
u32 cpuid_xsave_size(u64 xcr0)
{
	u32 size = XSAVE_BASE_SIZE;
	int i;

	for (i = 2; i < XSTATE_MAX; i++)
		if (xcr0 & BIT_ULL(i))
			size = max(size, host.xoffset[i] + host.xsize[i]);
	return size;
}

/* Bytes of XSAVEC's format (SDM 13.4.3). */
static u32 xsave_compact_size(u64 xcr0)
{
	u32 size = XSAVE_BASE_SIZE;
	int i;

	for (i = 2; i < XSTATE_MAX; i++) {
		if (!(xcr0 & BIT_ULL(i)))
			continue;
		if (host.xaligned & BIT(i))
			size = ALIGN(size, 64);
		size += host.xsize[i];
	}
	return size;
}

/**
 * cpuid_xcr0_changed - let leaf 0xd follow XCR0
 * @vcpu: owned
 */
void cpuid_xcr0_changed(struct vcpu *vcpu)
{
	vcpu->cpuid.xsave_size = cpuid_xsave_size(vcpu->st.xcr0);
	vcpu->cpuid.xsave_compact_size = xsave_compact_size(vcpu->st.xcr0);
}

/*
 * Lookup: leaves hash into buckets; those of one bucket are chained in the
 * VMM's order, so that the first of two equal entries wins.
 */

static unsigned int bucket_of(u32 function)
{
	return (function ^ (function >> 24)) % CPUID_BUCKETS;
}

static void table_index(struct vcpu_cpuid *c)
{
	u32 i;

	memset(c->bucket, 0, sizeof(c->bucket));
	for (i = c->nent; i-- > 0;) {
		u16 *head = &c->bucket[bucket_of(c->entries[i].function)];

		c->next[i] = *head;
		*head = i + 1;
	}
}

static __always_inline const struct kvm_cpuid_entry2 *
table_find(const struct vcpu_cpuid *c, u32 function, u32 index)
{
	u32 i;

	for (i = c->bucket[bucket_of(function)]; i; i = c->next[i - 1]) {
		const struct kvm_cpuid_entry2 *e = &c->entries[i - 1];

		if (e->function == function &&
		    (e->index == index || !(e->flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX)))
			return e;
	}
	return NULL;
}

/*
 * A leaf beyond the last one of its range: Intel's CPUs give the data of the
 * last basic leaf, AMD's zero.  NULL for zero.
 */
static const struct kvm_cpuid_entry2 *table_find_beyond(const struct vcpu_cpuid *c,
							u32 function, u32 index)
{
	const struct kvm_cpuid_entry2 *basic, *range;
	u32 start;

	if (c->zero_out_of_range)
		return NULL;
	basic = table_find(c, 0, 0);
	if (!basic)
		return NULL;
	if (function - 0x40000000 < 0x10000000)
		start = function & 0xffffff00;	/* each hypervisor interface has a range */
	else if (function >= 0xc0000000)
		start = 0xc0000000;
	else
		start = function & 0x80000000;
	range = table_find(c, start, 0);
	if (range && function <= range->eax)
		return NULL;
	return table_find(c, basic->eax, index);
}

/* Bits that follow other registers, in leaves 1, 7 and 0xd. */
static noinline struct cpuid_regs query_live(struct vcpu *vcpu, u32 function, u32 index,
					     struct cpuid_regs r)
{
	if (function == 1) {
		r.ecx &= ~F(OSXSAVE);
		if (vcpu->st.cr4 & X86_CR4_OSXSAVE)
			r.ecx |= F(OSXSAVE);
		if (!(vlapic_get_base(vcpu) & MSR_IA32_APICBASE_ENABLE))
			r.edx &= ~F(APIC);
	} else if (function == 7 && !index) {
		r.ecx &= ~F(OSPKE);
		if (vcpu->st.cr4 & X86_CR4_PKE)
			r.ecx |= F(OSPKE);
	} else if (function == LEAF_XSTATE && index < 2 && vcpu->cpuid.xcr0_allowed) {
		if (!index)
			r.ebx = vcpu->cpuid.xsave_size;
		else if (cpuid_has(vcpu, X86_FEATURE_XSAVEC) ||
			 cpuid_has(vcpu, X86_FEATURE_XSAVES))
			r.ebx = vcpu->cpuid.xsave_compact_size;
	}
	return r;
}

static __always_inline struct cpuid_regs query_entry(struct vcpu *vcpu, u32 index,
						     const struct kvm_cpuid_entry2 *e)
{
	struct cpuid_regs r = { .eax = e->eax, .ebx = e->ebx, .ecx = e->ecx, .edx = e->edx };

	switch (e->function) {
	case 1:
	case 7:
	case LEAF_XSTATE:
		return query_live(vcpu, e->function, index, r);
	default:
		return r;
	}
}

/*
 * Zeros, or what the range's last leaf has.  Of topology leaves, an invalid sub-leaf
 * still tells index and APIC id (SDM CPUID).
 */
static noinline struct cpuid_regs query_missing(struct vcpu *vcpu, u32 function, u32 index)
{
	const struct vcpu_cpuid *c = &vcpu->cpuid;
	const struct kvm_cpuid_entry2 *e = table_find_beyond(c, function, index);
	struct cpuid_regs r = {};

	if (e)
		return query_entry(vcpu, index, e);
	if (function == 0xb || function == 0x1f) {
		e = table_find(c, function, 1);
		if (e) {
			r.ecx = index & 0xff;
			r.edx = e->edx;
		}
	}
	return r;
}

/**
 * cpuid_query - execute CPUID for the guest
 * @vcpu: owned
 * @function: what the guest has in eax
 * @index: and in ecx
 *
 * Returns the four registers.
 */
struct cpuid_regs cpuid_query(struct vcpu *vcpu, u32 function, u32 index)
{
	const struct kvm_cpuid_entry2 *e = table_find(&vcpu->cpuid, function, index);

	return likely(e) ? query_entry(vcpu, index, e) : query_missing(vcpu, function, index);
}

/**
 * cpuid_has - does the guest's CPUID show a feature?
 * @vcpu: owned
 * @feature: X86_FEATURE_* that has a CPUID bit of its own
 *
 * A vCPU without table has none.
 */
bool cpuid_has(struct vcpu *vcpu, unsigned int feature)
{
	return word_has(vcpu->cpuid.word, feature);
}

static u32 entry_reg(const struct kvm_cpuid_entry2 *e, u8 reg)
{
	switch (reg) {
	case REG_EAX:
		return e->eax;
	case REG_EBX:
		return e->ebx;
	case REG_ECX:
		return e->ecx;
	default:
		return e->edx;
	}
}

/* "AuthenticAMD" and "HygonGenuine". */
static bool vendor_is_amd(const struct kvm_cpuid_entry2 *e)
{
	return (e->ebx == 0x68747541 && e->edx == 0x69746e65 && e->ecx == 0x444d4163) ||
	       (e->ebx == 0x6f677948 && e->edx == 0x6e65476e && e->ecx == 0x656e6975);
}

static void derive_words(struct vcpu_cpuid *c)
{
	const struct kvm_cpuid_entry2 *e;
	int i;

	for (i = 0; i < CPUID_WORDS; i++) {
		const struct feature_word *w = &features[i];

		e = w->function ? table_find(c, w->function, w->index) : NULL;
		c->word[i] = e ? entry_reg(e, w->reg) : 0;
	}
}

static u64 derive_xcr0(struct vcpu_cpuid *c)
{
	const struct kvm_cpuid_entry2 *e = table_find(c, LEAF_XSTATE, 0);

	if (!e || !word_has(c->word, X86_FEATURE_XSAVE))
		return 0;
	return (e->eax | (u64)e->edx << 32) & host.xcr0;
}

/* Everything that follows from the table. */
static void table_derive(struct vcpu_cpuid *c)
{
	const struct kvm_cpuid_entry2 *e;

	table_index(c);
	derive_words(c);
	e = table_find(c, 0, 0);
	c->zero_out_of_range = e && vendor_is_amd(e);
	e = table_find(c, 0x80000008, 0);
	c->maxphyaddr = e && (e->eax & 0xff) ? min_t(u32, e->eax & 0xff, 52) : 36;
	c->cr4_reserved = cr4_reserved(c->word) | host.cr4_reserved;
	c->efer_reserved = efer_reserved(c->word) | host.efer_reserved;
	c->xcr0_allowed = derive_xcr0(c);
}

/* No table: whatever the host has. */
static void table_absent(struct vcpu_cpuid *c)
{
	memset(c, 0, sizeof(*c));
	c->maxphyaddr = host.phys_bits;
	c->cr4_reserved = host.cr4_reserved;
	c->efer_reserved = host.efer_reserved;
	c->xcr0_allowed = host.xcr0;
}

/**
 * vcpu_cpuid_init - begin without a table
 * @vcpu: being created; vcpu_reset() has not run yet
 */
void vcpu_cpuid_init(struct vcpu *vcpu)
{
	WARN_ON_ONCE(!host.phys_bits);
	table_absent(&vcpu->cpuid);
	cpuid_xcr0_changed(vcpu);
}

/**
 * vcpu_cpuid_free - free the table
 * @vcpu: dying
 */
void vcpu_cpuid_free(struct vcpu *vcpu)
{
	kvfree(vcpu->cpuid.entries);
	kvfree(vcpu->cpuid.next);
	vcpu->cpuid.entries = NULL;
	vcpu->cpuid.next = NULL;
	vcpu->cpuid.nent = 0;
}

/* KVM_SET_CPUID2 and KVM_GET_CPUID2 */

static void entry_live(struct vcpu *vcpu, struct kvm_cpuid_entry2 *e)
{
	struct cpuid_regs r = query_entry(vcpu, e->index, e);

	e->eax = r.eax;
	e->ebx = r.ebx;
	e->ecx = r.ecx;
	e->edx = r.edx;
}

/* The same but for the bits that follow other registers? */
static bool table_same(struct vcpu *vcpu, const struct kvm_cpuid_entry2 *entries, u32 nent)
{
	u32 i;

	if (nent != vcpu->cpuid.nent)
		return false;
	for (i = 0; i < nent; i++) {
		struct kvm_cpuid_entry2 a = vcpu->cpuid.entries[i], b = entries[i];

		entry_live(vcpu, &a);
		entry_live(vcpu, &b);
		if (a.function != b.function || a.index != b.index || a.flags != b.flags ||
		    a.eax != b.eax || a.ebx != b.ebx || a.ecx != b.ecx || a.edx != b.edx)
			return false;
	}
	return true;
}

static bool table_valid(const struct kvm_cpuid_entry2 *entries, u32 nent)
{
	u32 i, virt_bits;

	for (i = 0; i < nent; i++) {
		if (entries[i].function != 0x80000008)
			continue;
		virt_bits = (entries[i].eax >> 8) & 0xff;
		if (virt_bits != 0 && virt_bits != 48 && virt_bits != 57)
			return false;
	}
	return true;
}

/* Takes @entries over, whatever the result. */
static int table_replace(struct vcpu *vcpu, struct kvm_cpuid_entry2 *entries, u32 nent)
{
	struct vcpu_cpuid *c = &vcpu->cpuid;
	u16 *next = NULL;

	if (nent) {
		next = kvcalloc(nent, sizeof(*next), GFP_KERNEL_ACCOUNT);
		if (!next) {
			kvfree(entries);
			return -ENOMEM;
		}
	}
	vcpu_cpuid_free(vcpu);
	if (!nent) {
		table_absent(c);
		kvfree(entries);
	} else {
		c->entries = entries;
		c->next = next;
		c->nent = nent;
		table_derive(c);
	}
	cpuid_xcr0_changed(vcpu);
	return 0;
}

/* An exit was counted: the guest may have seen its CPUID. */
static bool vcpu_has_run(struct vcpu *vcpu)
{
	return memchr_inv(vcpu->exits, 0, sizeof(vcpu->exits));
}

/**
 * vcpu_cpuid_set - give a vCPU its table
 * @vcpu: owned
 * @entries: kvmalloc()ed, the function's from now on; NULL without entries
 * @nent: at most DITTO_MAX_CPUID_ENTRIES; 0 removes the table
 *
 * 0; -EINVAL for a table that no CPU could have, or one that differs from the
 * present one after the guest has run; -ENOMEM.
 */
int vcpu_cpuid_set(struct vcpu *vcpu, struct kvm_cpuid_entry2 *entries, u32 nent)
{
	int r = -EINVAL;

	if (table_valid(entries, nent)) {
		if (!vcpu_has_run(vcpu))
			return table_replace(vcpu, entries, nent);
		if (table_same(vcpu, entries, nent))
			r = 0;
	}
	kvfree(entries);
	return r;
}

/**
 * vcpu_ioctl_set_cpuid2 - KVM_SET_CPUID2
 * @vcpu: owned
 * @arg: struct kvm_cpuid2
 *
 * As vcpu_cpuid_set(); -E2BIG for too many entries, -EFAULT.
 */
int vcpu_ioctl_set_cpuid2(struct vcpu *vcpu, void __user *arg)
{
	struct kvm_cpuid2 __user *user = arg;
	struct kvm_cpuid_entry2 *entries = NULL;
	u32 nent;

	if (get_user(nent, &user->nent))
		return -EFAULT;
	if (nent > DITTO_MAX_CPUID_ENTRIES)
		return -E2BIG;
	if (nent) {
		entries = vmemdup_user(user->entries, array_size(nent, sizeof(*entries)));
		if (IS_ERR(entries))
			return PTR_ERR(entries);
	}
	return vcpu_cpuid_set(vcpu, entries, nent);
}

/**
 * vcpu_ioctl_get_cpuid2 - KVM_GET_CPUID2
 * @vcpu: owned
 * @arg: struct kvm_cpuid2
 *
 * 0 with @arg->nent set to the number of entries; -E2BIG, likewise set, when
 * they do not fit; -EFAULT.
 */
int vcpu_ioctl_get_cpuid2(struct vcpu *vcpu, void __user *arg)
{
	struct kvm_cpuid2 __user *user = arg;
	struct kvm_cpuid_entry2 e;
	u32 i, room, nent = vcpu->cpuid.nent;

	if (get_user(room, &user->nent) || put_user(nent, &user->nent))
		return -EFAULT;
	if (room < nent)
		return -E2BIG;
	for (i = 0; i < nent; i++) {
		e = vcpu->cpuid.entries[i];
		entry_live(vcpu, &e);
		if (copy_to_user(&user->entries[i], &e, sizeof(e)))
			return -EFAULT;
	}
	return 0;
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
	e->ecx = host.word[4];
	e->edx = host.word[0];
}

/* Deterministic cache parameters: sub-leaves until a cache of type 0. */
static void offer_caches(struct offer *o)
{
	struct kvm_cpuid_entry2 *e;
	u32 i = 0;

	do {
		e = offer_host(o, 4, i, true);
		e->eax &= 0x3ff;	/* one thread, one core: the VMM makes the topology */
	} while ((e->eax & 0x1f) && ++i < 8);
}

static void offer_leaf7(struct offer *o)
{
	struct kvm_cpuid_entry2 *e = offer_empty(o, 7, 0, true);

	e->ebx = host.word[9];
	e->ecx = host.word[16];
	e->edx = host.word[18];
	if (!host.word[12])
		return;
	e->eax = 1;
	offer_empty(o, 7, 1, true)->eax = host.word[12];
}

static void offer_xstate(struct offer *o)
{
	struct kvm_cpuid_entry2 *e = offer_empty(o, LEAF_XSTATE, 0, true);
	int i;

	if (!host.xcr0)
		return;
	e->eax = host.xcr0;
	e->edx = host.xcr0 >> 32;
	e->ebx = cpuid_xsave_size(XFEATURE_MASK_FPSSE);
	e->ecx = cpuid_xsave_size(host.xcr0);
	e = offer_empty(o, LEAF_XSTATE, 1, true);
	e->eax = host.word[10];
	if (e->eax & F(XSAVEC))
		e->ebx = xsave_compact_size(XFEATURE_MASK_FPSSE);
	for (i = 2; i < XSTATE_MAX; i++) {
		if (!(host.xcr0 & BIT_ULL(i)))
			continue;
		e = offer_empty(o, LEAF_XSTATE, i, true);
		e->eax = host.xsize[i];
		e->ebx = host.xoffset[i];
		e->ecx = host.xaligned & BIT(i) ? BIT(1) : 0;
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
		offer_caches(o);
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
		 BIT(KVM_FEATURE_CLOCKSOURCE2) | BIT(KVM_FEATURE_CLOCKSOURCE_STABLE_BIT);
}

/* AMD's leaf 0x80000001 repeats these bits of leaf 1. */
#define AMD_REPEATS	(F(FPU) | F(VME) | F(DE) | F(PSE) | F(TSC) | F(MSR) | F(PAE) | F(MCE) | \
			 F(CX8) | F(APIC) | F(MTRR) | F(PGE) | F(MCA) | F(CMOV) | F(PAT) | \
			 F(PSE36) | F(MMX) | F(FXSR))
/* Leaf 0x80000021: facts about the CPU that hold in guests, too. */
#define AMD_FACTS	(BIT(0) /* no nested data breakpoints */ | BIT(2) /* LFENCE serializes */ | \
			 BIT(6) /* null selectors clear bases */)

static void offer_extended_features(struct offer *o)
{
	struct kvm_cpuid_entry2 *e = offer_host(o, 0x80000001, 0, false);

	e->ebx = 0;
	e->ecx = host.word[6];
	e->edx = host.word[1];
	if (cpuid_host_is_amd())
		e->edx |= host.word[0] & AMD_REPEATS;
}

static void offer_extended(struct offer *o)
{
	struct kvm_cpuid_entry2 *e = offer_host(o, 0x80000000, 0, false);
	u32 max = min_t(u32, e->eax, 0x80000021);
	u32 i;

	e->eax = max_t(u32, max, 0x80000008);
	offer_extended_features(o);
	for (i = 0x80000002; i <= 0x80000006; i++)
		offer_host(o, i, 0, false);		/* name, caches, TLBs */
	e = offer_empty(o, 0x80000007, 0, false);
	e->edx = host_reg(0x80000007, 0, REG_EDX) & BIT(8);	/* invariant TSC */
	e = offer_empty(o, 0x80000008, 0, false);
	e->eax = host.phys_bits | 48 << 8;
	e->ebx = host.word[13];
	if (cpuid_host_is_amd() && max >= 0x80000021)
		offer_empty(o, 0x80000021, 0, false)->eax =
			host_reg(0x80000021, 0, REG_EAX) & AMD_FACTS;
}

/**
 * cpuid_offer - the table of everything that guests on this host can have
 * @entries: room for DITTO_MAX_CPUID_ENTRIES, filled
 *
 * The number of entries.
 */
u32 cpuid_offer(struct kvm_cpuid_entry2 *entries)
{
	struct offer o = { .entries = entries };

	offer_basic(&o);
	offer_kvm(&o);
	offer_extended(&o);
	return o.nent;
}

/**
 * cpuid_ioctl_get_supported - KVM_GET_SUPPORTED_CPUID
 * @arg: struct kvm_cpuid2
 *
 * 0 with @arg->nent set; -E2BIG when they do not fit; -EFAULT, -ENOMEM.
 */
int cpuid_ioctl_get_supported(void __user *arg)
{
	struct kvm_cpuid2 __user *user = arg;
	struct kvm_cpuid_entry2 *entries;
	u32 room, nent;
	int r = 0;

	if (get_user(room, &user->nent))
		return -EFAULT;
	entries = kvcalloc(DITTO_MAX_CPUID_ENTRIES, sizeof(*entries), GFP_KERNEL);
	if (!entries)
		return -ENOMEM;
	nent = cpuid_offer(entries);
	if (room < nent)
		r = -E2BIG;
	else if (put_user(nent, &user->nent) ||
		 copy_to_user(user->entries, entries, nent * sizeof(*entries)))
		r = -EFAULT;
	kvfree(entries);
	return r;
}
