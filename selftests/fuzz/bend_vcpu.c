// SPDX-License-Identifier: GPL-2.0-only
/*
 * A virtual CPU: its CPUID and MSRs, its events, and who debugs it.
 */
#include "bend.h"

void bend_cpuid(struct world *w, struct rng *r, void *arg)
{
	struct kvm_cpuid2 *cpuid = arg;
	struct kvm_cpuid2 *real = cpuid_supported();
	unsigned int changes = rng_below(r, 4);

	memcpy(cpuid, real, sizeof(*real) + real->nent * sizeof(real->entries[0]));
	while (changes--) {
		u32 *words = (u32 *)&cpuid->entries[rng_below(r, real->nent)];

		words[rng_below(r, sizeof(cpuid->entries[0]) / 4)] = rng_interesting(r);
	}
	if (rng_one_in(r, 4))
		cpuid->nent = rng_one_in(r, 2) ? rng_below(r, 300) : rng_interesting(r);
}

void bend_old_cpuid(struct world *w, struct rng *r, void *arg)
{
	struct kvm_cpuid *cpuid = arg;
	struct kvm_cpuid2 *real = cpuid_supported();
	u32 i;

	cpuid->nent = real->nent;
	for (i = 0; i < real->nent; i++)
		cpuid->entries[i] = (struct kvm_cpuid_entry) {
			real->entries[i].function, real->entries[i].eax, real->entries[i].ebx,
			real->entries[i].ecx,
			rng_one_in(r, 16) ? rng_interesting(r) : real->entries[i].edx,
		};
	if (rng_one_in(r, 4))
		cpuid->nent = rng_one_in(r, 2) ? rng_below(r, 300) : rng_interesting(r);
}

/* MSRs that mean something to a hypervisor, and their neighbours. */
static u32 some_msr(struct rng *r)
{
	static const u32 msrs[] = {
		0x10, 0x1b, 0x3a, 0x3b, 0x48, 0x49, 0x79, 0x8b, 0xc1, 0xce, 0xfe, 0x10a, 0x10b,
		0x122, 0x174, 0x175, 0x176, 0x179, 0x17a, 0x17b, 0x186, 0x1a0, 0x1c9, 0x1d9,
		0x200, 0x20f, 0x250, 0x277, 0x2ff, 0x345, 0x38d, 0x38f, 0x400, 0x480, 0x491,
		0x4e0, 0x560, 0x600, 0x6a0, 0x6e0, 0x800, 0x802, 0x80b, 0x830, 0x832, 0x838,
		0x83f, 0xd90, 0xda0, 0x11, 0x12, 0x4b564d00, 0x4b564d01, 0x4b564d02, 0x4b564d03,
		0x4b564d04, 0x4b564d05, 0x4b564d06, 0x4b564d07, 0x4b564d08, 0x40000000, 0x40000020,
		0xc0000080, 0xc0000081,
		0xc0000082, 0xc0000083, 0xc0000084, 0xc0000100, 0xc0000101, 0xc0000102,
		0xc0000103, 0xc0000104, 0xc0010000, 0xc0010015, 0xc001001f, 0xc0010055,
		0xc0010114, 0xc0010117, 0xc001011f, 0xc0011029,
	};

	if (rng_one_in(r, 16))
		return rng_interesting(r);
	return msrs[rng_below(r, ARRAY_SIZE(msrs))] + (rng_one_in(r, 8) ? rng_below(r, 8) : 0);
}

/* Or an address in memory, with flags: of what KVM's own MSRs tell the guest there. */
static u64 some_value(struct rng *r)
{
	u64 gpa = rng_one_in(r, 2) ? GUEST_FREE : WORLD_EXTRA_GPA + rng_below(r, 512) * PAGE_SIZE;

	return rng_one_in(r, 3) ? gpa + rng_below(r, 64) * 64 + rng_below(r, 16) :
	       rng_interesting(r);
}

void bend_msrs(struct world *w, struct rng *r, void *arg)
{
	struct kvm_msrs *msrs = arg;
	u32 i;

	msrs->nmsrs = rng_below(r, 20);
	for (i = 0; i < msrs->nmsrs; i++)
		msrs->entries[i] = (struct kvm_msr_entry) { .index = some_msr(r),
							    .data = some_value(r) };
	if (rng_one_in(r, 16))
		msrs->nmsrs = rng_interesting(r);
}

void bend_msr_list(struct world *w, struct rng *r, void *arg)
{
	((struct kvm_msr_list *)arg)->nmsrs = rng_one_in(r, 2) ? rng_below(r, 400) :
		rng_interesting(r);
}

void bend_interrupt(struct world *w, struct rng *r, void *arg)
{
	*(u32 *)arg = rng_one_in(r, 16) ? rng_interesting(r) : rng_below(r, 256);
}

void bend_mp_state(struct world *w, struct rng *r, void *arg)
{
	*(u32 *)arg = rng_one_in(r, 16) ? rng_interesting(r) : rng_below(r, 6);
}

void bend_signal_mask(struct world *w, struct rng *r, void *arg)
{
	((struct kvm_signal_mask *)arg)->len = rng_one_in(r, 4) ? rng_interesting(r) : 8;
	/* The kicker's signal stays unblocked. */
	memset(((struct kvm_signal_mask *)arg)->sigset, 0, 8);
}

void bend_translate(struct world *w, struct rng *r, void *arg)
{
	((struct kvm_translation *)arg)->linear_address = rng_interesting(r);
}

/* Half of the time nobody debugs, or guests would never run at their pace. */
void bend_guest_debug(struct world *w, struct rng *r, void *arg)
{
	static const u32 bits[] = { KVM_GUESTDBG_ENABLE, KVM_GUESTDBG_SINGLESTEP,
				    KVM_GUESTDBG_USE_SW_BP, KVM_GUESTDBG_USE_HW_BP,
				    KVM_GUESTDBG_INJECT_DB, KVM_GUESTDBG_INJECT_BP,
				    KVM_GUESTDBG_BLOCKIRQ, 1u << 31 };
	struct kvm_guest_debug *debug = arg;
	size_t i;

	debug->control = 0;
	for (i = rng_below(r, 2); i < ARRAY_SIZE(bits); i++)
		if (rng_one_in(r, 2))
			debug->control |= bits[i];
}

void bend_msr_filter(struct world *w, struct rng *r, void *arg)
{
	struct kvm_msr_filter *filter = arg;
	static u8 bits[0x600];
	u32 i;

	rng_fill(r, bits, sizeof(bits));
	memset(filter, 0, sizeof(*filter));
	filter->flags = rng_one_in(r, 4);
	for (i = rng_below(r, KVM_MSR_FILTER_MAX_RANGES + 1); i < KVM_MSR_FILTER_MAX_RANGES; i++)
		filter->ranges[i] = (struct kvm_msr_filter_range) {
			.flags = rng_one_in(r, 16) ? rng_interesting(r) : 1 + rng_below(r, 3),
			.nmsrs = rng_one_in(r, 8) ? rng_interesting(r) : rng_below(r, 0x3000),
			.base = some_msr(r) - rng_below(r, 64), .bitmap = bits,
		};
}

void bend_mce_cap(struct world *w, struct rng *r, void *arg)
{
	*(u64 *)arg = rng_one_in(r, 4) ? rng_interesting(r)
				       : rng_below(r, 34) | rng_below(r, 2) << 8;
}

void bend_mce(struct world *w, struct rng *r, void *arg)
{
	struct kvm_x86_mce *mce = arg;

	rng_fill(r, arg, sizeof(*mce));
	mce->status |= 1ull << 63;
	mce->mcg_status = rng_one_in(r, 4) ? rng_interesting(r) : rng_below(r, 8);
	mce->bank = rng_below(r, 36);
}

void bend_tpr_reporting(struct world *w, struct rng *r, void *arg)
{
	*(struct kvm_tpr_access_ctl *)arg = (struct kvm_tpr_access_ctl) {
		.enabled = rng_one_in(r, 4), .flags = rng_one_in(r, 16),
	};
}

void bend_vapic(struct world *w, struct rng *r, void *arg)
{
	*(u64 *)arg = rng_one_in(r, 4) ? rng_interesting(r) :
		      rng_one_in(r, 2) ? 0 : rng_below(r, 4 * MIB);
}
