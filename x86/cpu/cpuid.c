// SPDX-License-Identifier: GPL-2.0-only
/*
 * CPUID: the table that the VMM chose for a vCPU, and the CPUID instruction itself.
 * What may be chosen is cpuid_host.c's.
 *
 * What the table implies (reserved bits of cr4 and efer, XCR0, feature bits) is
 * derived once, when it is set.  Some bits follow other registers and are put
 * in at each execution, so that they cannot be stale.
 */
#include <linux/kvm_para.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <asm/apicdef.h>
#include <asm/cpufeature.h>
#include <asm/msr.h>
#include <asm/processor.h>

#include "x86/cpu/cpuid_host.h"
#include "x86/cpu/cpuid_impl.h"
#include "x86/machine/vm.h"

/**
 * cpuid_xcr0_changed() - let leaf 0xd follow XCR0
 * @vcpu: owned
 */
void cpuid_xcr0_changed(struct vcpu *vcpu)
{
	vcpu->cpuid.xsave_size = cpuid_xsave_size(vcpu->st.xcr0);
	vcpu->cpuid.xsave_compact_size = cpuid_xsave_compact_size(vcpu->st.xcr0);
}

/*
 * Lookup: leaves hash into buckets; those of one bucket are chained in the
 * VMM's order, so that the first of two equal entries wins.
 */

static unsigned int cpuid_bucket(u32 function)
{
	return (function ^ (function >> 24)) % CPUID_BUCKETS;
}

static void table_index(struct vcpu_cpuid *c)
{
	u32 i;

	memset(c->bucket, 0, sizeof(c->bucket));
	for (i = c->nent; i-- > 0;) {
		u16 *head = &c->bucket[cpuid_bucket(c->entries[i].function)];

		c->next[i] = *head;
		*head = i + 1;
	}
}

static __always_inline const struct kvm_cpuid_entry2 *
table_find(const struct vcpu_cpuid *c, u32 function, u32 index)
{
	u32 i;

	for (i = c->bucket[cpuid_bucket(function)]; i; i = c->next[i - 1]) {
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

/**
 * cpuid_has_mwait() - does the guest's CPUID show MONITOR and MWAIT just now?
 * @vcpu: owned
 *
 * Return: whether it does.
 */
bool cpuid_has_mwait(struct vcpu *vcpu)
{
	return vcpu->cpuid.nent && (cpuid_query(vcpu, 1, 0).ecx & F(MWAIT));
}

/* Bits that follow other registers, in leaves 1, 7 and 0xd. */
static noinline struct cpuid_regs query_live(struct vcpu *vcpu, u32 function, u32 index,
					     struct cpuid_regs r)
{
	if (function == 1) {
		r.ecx &= ~F(OSXSAVE);
		if (vcpu->st.cr4 & X86_CR4_OSXSAVE)
			r.ecx |= F(OSXSAVE);
		if (!(vcpu->msr.apic_base & MSR_IA32_APICBASE_ENABLE))
			r.edx &= ~F(APIC);
		if (!vm_has_quirk(vcpu->vm, KVM_X86_QUIRK_MISC_ENABLE_NO_MWAIT)) {
			r.ecx &= ~F(MWAIT);
			if (vcpu->msr.misc_enable & MSR_IA32_MISC_ENABLE_MWAIT)
				r.ecx |= F(MWAIT);
		}
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
 * cpuid_query() - execute CPUID for the guest
 * @vcpu: owned
 * @function: what the guest has in eax
 * @index: and in ecx
 *
 * Return: the four registers.
 */
struct cpuid_regs cpuid_query(struct vcpu *vcpu, u32 function, u32 index)
{
	const struct kvm_cpuid_entry2 *e = table_find(&vcpu->cpuid, function, index);

	return likely(e) ? query_entry(vcpu, index, e) : query_missing(vcpu, function, index);
}

static u32 entry_reg(const struct kvm_cpuid_entry2 *e, u8 reg)
{
	switch (reg) {
	case CPUID_EAX:
		return e->eax;
	case CPUID_EBX:
		return e->ebx;
	case CPUID_ECX:
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
		const struct feature_word *w = &cpuid_features[i];

		e = w->function ? table_find(c, w->function, w->index) : NULL;
		c->word[i] = e ? entry_reg(e, w->reg) : 0;
	}
}

static u64 derive_xcr0(struct vcpu_cpuid *c)
{
	const struct kvm_cpuid_entry2 *e = table_find(c, LEAF_XSTATE, 0);

	if (!e || !cpuid_words_have(c->word, X86_FEATURE_XSAVE))
		return 0;
	return (e->eax | (u64)e->edx << 32) & cpuid_host.xcr0;
}

/* KVM's leaves may stand behind other hypervisors' interfaces. */
static u32 derive_pv_features(struct vcpu_cpuid *c, bool hlt_in_guest)
{
	const struct kvm_cpuid_entry2 *e;
	u32 base, sig[3];

	memcpy(sig, KVM_SIGNATURE, sizeof(sig));
	for (base = KVM_CPUID_SIGNATURE; base < KVM_CPUID_SIGNATURE + 0x10000; base += 0x100) {
		e = table_find(c, base, 0);
		if (!e || e->ebx != sig[0] || e->ecx != sig[1] || e->edx != sig[2])
			continue;
		e = table_find(c, base | KVM_CPUID_FEATURES, 0);
		if (!e)
			return 0;
		/* A guest that halts without an exit is not to be woken by a hypercall. */
		if (hlt_in_guest)
			c->entries[e - c->entries].eax &= ~BIT(KVM_FEATURE_PV_UNHALT);
		return e->eax;
	}
	return 0;
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
	c->maxphyaddr = e && (e->eax & 0xff) ? clamp_t(u32, e->eax & 0xff, 32, 52) : 36;
	c->cr4_reserved = cpuid_cr4_reserved(c->word) | cpuid_host.cr4_reserved;
	c->efer_reserved = cpuid_efer_reserved(c->word) | cpuid_host.efer_reserved;
	c->xcr0_allowed = derive_xcr0(c);
}

/* No table: whatever the host has. */
static void table_absent(struct vcpu_cpuid *c)
{
	memset(c, 0, sizeof(*c));
	c->maxphyaddr = cpuid_host.phys_bits;
	c->cr4_reserved = cpuid_host.cr4_reserved;
	c->efer_reserved = cpuid_host.efer_reserved;
	c->xcr0_allowed = cpuid_host.xcr0;
}

/**
 * vcpuid_init() - begin without a table
 * @vcpu: being created; vcpu_reset() has not run yet
 */
void vcpuid_init(struct vcpu *vcpu)
{
	WARN_ON_ONCE(!cpuid_host.phys_bits);
	table_absent(&vcpu->cpuid);
	cpuid_xcr0_changed(vcpu);
}

/**
 * vcpuid_free() - free the table
 * @vcpu: dying
 */
void vcpuid_free(struct vcpu *vcpu)
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

/* The same except for the bits that follow other registers? */
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
	vcpuid_free(vcpu);
	if (!nent) {
		table_absent(c);
		kvfree(entries);
	} else {
		c->entries = entries;
		c->next = next;
		c->nent = nent;
		table_derive(c);
		c->pv_features = derive_pv_features(c, READ_ONCE(vcpu->vm->enabled.exits_off) &
						       KVM_X86_DISABLE_EXITS_HLT);
	}
	cpuid_xcr0_changed(vcpu);
	return 0;
}

/* An exit was counted: the guest may have seen its CPUID. */
static bool cpuid_vcpu_has_run(struct vcpu *vcpu)
{
	return memchr_inv(vcpu->exits, 0, sizeof(vcpu->exits));
}

/**
 * vcpuid_set() - give a vCPU its table
 * @vcpu: owned
 * @entries: kvmalloc()ed, the function's from now on; NULL without entries
 * @nent: at most DITTO_MAX_CPUID_ENTRIES; 0 removes the table
 *
 * Return: 0; -EINVAL for a table that no CPU could have, or one that differs from the
 * present one after the guest has run; -ENOMEM.
 */
int vcpuid_set(struct vcpu *vcpu, struct kvm_cpuid_entry2 *entries, u32 nent)
{
	int err = -EINVAL;

	if (table_valid(entries, nent)) {
		if (!cpuid_vcpu_has_run(vcpu))
			return table_replace(vcpu, entries, nent);
		if (table_same(vcpu, entries, nent))
			err = 0;
	}
	kvfree(entries);
	return err;
}

/**
 * vcpuid_copy() - give a vCPU another one's table
 * @to: has none, and nobody sees it yet
 * @from: owned
 *
 * Return: 0 or -ENOMEM.
 */
int vcpuid_copy(struct vcpu *to, const struct vcpu *from)
{
	const struct vcpu_cpuid *c = &from->cpuid;
	struct kvm_cpuid_entry2 *entries = NULL;
	u16 *next = NULL;

	if (c->nent) {
		entries = kvmalloc_array(c->nent, sizeof(*entries), GFP_KERNEL_ACCOUNT);
		next = kvmalloc_array(c->nent, sizeof(*next), GFP_KERNEL_ACCOUNT);
		if (!entries || !next) {
			kvfree(entries);
			kvfree(next);
			return -ENOMEM;
		}
		memcpy(entries, c->entries, array_size(c->nent, sizeof(*entries)));
		memcpy(next, c->next, array_size(c->nent, sizeof(*next)));
	}
	to->cpuid = *c;
	to->cpuid.entries = entries;
	to->cpuid.next = next;
	return 0;
}

static struct kvm_cpuid_entry2 *table_from_new(const void __user *user, u32 nent)
{
	return vmemdup_user(user, array_size(nent, sizeof(struct kvm_cpuid_entry2)));
}

/* Both kinds of table begin alike, and their entries lie behind that. */
static int table_set(struct vcpu *vcpu, void __user *arg,
		     struct kvm_cpuid_entry2 *(*copy)(const void __user *user, u32 nent))
{
	struct kvm_cpuid2 __user *user = arg;
	struct kvm_cpuid_entry2 *entries = NULL;
	u32 nent;

	static_assert(offsetof(struct kvm_cpuid, nent) == offsetof(struct kvm_cpuid2, nent) &&
		      offsetof(struct kvm_cpuid, entries) == offsetof(struct kvm_cpuid2, entries));
	if (get_user(nent, &user->nent))
		return -EFAULT;
	if (nent > DITTO_MAX_CPUID_ENTRIES)
		return -E2BIG;
	if (nent) {
		entries = copy(user->entries, nent);
		if (IS_ERR(entries))
			return PTR_ERR(entries);
	}
	return vcpuid_set(vcpu, entries, nent);
}

/**
 * vcpu_ioctl_set_cpuid2() - KVM_SET_CPUID2
 * @vcpu: owned
 * @arg: struct kvm_cpuid2
 *
 * Return: as vcpuid_set(); -E2BIG for too many entries, -EFAULT.
 */
int vcpu_ioctl_set_cpuid2(struct vcpu *vcpu, void __user *arg)
{
	return table_set(vcpu, arg, table_from_new);
}

/* Entries of the older kind have no index, which is as good as index 0 of any. */
static struct kvm_cpuid_entry2 *table_from_old(const void __user *arg, u32 nent)
{
	const struct kvm_cpuid_entry __user *user = arg;
	struct kvm_cpuid_entry2 *entries = kvcalloc(nent, sizeof(*entries), GFP_KERNEL_ACCOUNT);
	struct kvm_cpuid_entry e;
	u32 i;

	if (!entries)
		return ERR_PTR(-ENOMEM);
	for (i = 0; i < nent; i++) {
		if (copy_from_user(&e, &user[i], sizeof(e))) {
			kvfree(entries);
			return ERR_PTR(-EFAULT);
		}
		entries[i] = (struct kvm_cpuid_entry2) {
			.function = e.function,
			.eax = e.eax, .ebx = e.ebx, .ecx = e.ecx, .edx = e.edx,
		};
	}
	return entries;
}

/**
 * vcpu_ioctl_set_cpuid() - KVM_SET_CPUID
 * @vcpu: owned
 * @arg: struct kvm_cpuid
 *
 * Return: as vcpu_ioctl_set_cpuid2().
 */
int vcpu_ioctl_set_cpuid(struct vcpu *vcpu, void __user *arg)
{
	return table_set(vcpu, arg, table_from_old);
}

/**
 * vcpu_ioctl_get_cpuid2() - KVM_GET_CPUID2
 * @vcpu: owned
 * @arg: struct kvm_cpuid2
 *
 * Return: 0 with @arg->nent set to the number of entries; -E2BIG when they do not fit;
 * -EFAULT. @arg->nent is left alone then.
 */
int vcpu_ioctl_get_cpuid2(struct vcpu *vcpu, void __user *arg)
{
	struct kvm_cpuid2 __user *user = arg;
	struct kvm_cpuid_entry2 e;
	u32 i, room, nent = vcpu->cpuid.nent;

	if (get_user(room, &user->nent))
		return -EFAULT;
	if (room < nent)
		return -E2BIG;
	for (i = 0; i < nent; i++) {
		e = vcpu->cpuid.entries[i];
		entry_live(vcpu, &e);
		if (copy_to_user(&user->entries[i], &e, sizeof(e)))
			return -EFAULT;
	}
	return put_user(nent, &user->nent);
}
