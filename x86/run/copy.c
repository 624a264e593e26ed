// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a vCPU is between two instructions, given to another vCPU of the same kind on another
 * machine: registers, events on their way, MSRs that live in software, what the VMM was asked
 * for and has not answered, and the pages that it maps. Both then go on from there. Time, the
 * FPU, CPUID and the local APIC are copied by their own files.
 *
 * Registers go the way of the ioctls: fetched here, pushed by the copy's first entry. So this
 * is one for all backends; what a backend arms for an event it arms anew.
 *
 * What belongs to the thread that runs a vCPU is not copied: its signal mask, its steal time
 * so far, how long its halts poll, statistics.
 */
#include "x86/cpu/cpuid.h"
#include "x86/machine/vm.h"
#include "x86/run/apf.h"
#include "x86/run/copy.h"
#include "x86/run/debug.h"

/* Requests that are a part of the vCPU's state; others follow from what is copied. */
#define COPY_REQUESTS	(BIT(REQ_PDPTES) | BIT(REQ_IOAPIC_EOI) | BIT(REQ_APF) | \
			 BIT(REQ_TPR_ACCESS) | BIT(REQ_RING_FULL) | BIT(REQ_SHUTDOWN))

static void copy_registers(struct vcpu *to, struct vcpu *from)
{
	u32 parts = (ST_ALL & ~ST_TSC) | (backend->caps->pdptes ? ST_PDPTE : 0);
	u64 tsc_offset = to->st.tsc_offset;

	vcpu_need(from, parts);
	to->st = from->st;
	/* Pushed with the clock: see vclock_copy(). */
	to->st.tsc_offset = tsc_offset;
	to->st.valid = to->st.dirty = 0;
	vcpu_changed(to, parts | ST_TSC);
}

static void copy_events(struct vcpu_events *to, struct vcpu_events *from)
{
	int asked = atomic_read(&from->nmi_asked);

	*to = *from;
	atomic_set(&to->nmi_asked, asked);
}

/*
 * The guest waits for pages that were not there. Nobody waits for them on the copy's behalf:
 * it is told to try all of them, as after a migration, and may be told again of each.
 */
static void copy_pv(struct vcpu *to, const struct vcpu *from)
{
	struct vcpu_pv *pv = &to->pv;

	*pv = from->pv;
	pv->steal_thread = NULL;
	apf_init(to);
	if (!pv->apf.nr)
		return;
	pv->apf.nr = 0;
	pv->apf.wake_all = true;
	vcpu_request(to, REQ_APF);
}

/* What the VMM wrote there, too. */
static void copy_pages(struct vcpu *to, const struct vcpu *from)
{
	memcpy(to->run, from->run, PAGE_SIZE);
	memcpy(to->pio_data, from->pio_data, PAGE_SIZE);
}

/* How the last exit was, except for a log that the CPU keeps. */
static void copy_facts(struct exit_facts *to, const struct exit_facts *from)
{
	*to = *from;
	to->written = NULL;
	to->nr_written = 0;
}

static void copy_requests(struct vcpu *to, const struct vcpu *from)
{
	unsigned long requests = READ_ONCE(from->requests) & COPY_REQUESTS;
	unsigned int req;

	for_each_set_bit(req, &requests, BITS_PER_LONG)
		vcpu_request(to, req);
	vcpu_request(to, REQ_EVENT);
}

static void copy_state(struct vcpu *to, struct vcpu *from)
{
	copy_registers(to, from);
	copy_events(&to->ev, &from->ev);
	copy_pv(to, from);
	copy_facts(&to->facts, &from->facts);
	to->msr = from->msr;
	to->mce = from->mce;
	to->io = from->io;
	to->vapic = from->vapic;
	to->mp_state = from->mp_state;
	copy_requests(to, from);
}

/**
 * vcpu_copy() - give a vCPU another one's state
 * @to: of the same id; nobody sees it yet
 * @from: owned and loaded, not in KVM_RUN
 */
void vcpu_copy(struct vcpu *to, struct vcpu *from)
{
	copy_pages(to, from);
	copy_state(to, from);
	vcpu_request(to, REQ_MSR_FILTER);
	debug_copy(to, from);
}

/* What comes before it, and from PAGE_SYNC on, says how the VMM wants the next KVM_RUN. */
#define PAGE_ANSWER	offsetof(struct kvm_run, exit_reason)
#define PAGE_SYNC	offsetof(struct kvm_run, kvm_valid_regs)

/**
 * vcpu_ask_again() - bring an exit again that waits for its answer since a reset
 * @vcpu: owned
 *
 * A VMM that was about to answer an exit from before the reset may have done so since, in the same
 * pages: they say what they said at the fork.
 */
void vcpu_ask_again(struct vcpu *vcpu)
{
	struct vm *base = vcpu->vm->base;
	struct vcpu *from = base ? vm_vcpu(base, vcpu->idx) : NULL;

	vcpu->io.again = false;
	if (!from)
		return;
	memcpy((void *)vcpu->run + PAGE_ANSWER, (void *)from->run + PAGE_ANSWER,
	       PAGE_SYNC - PAGE_ANSWER);
	memcpy(vcpu->pio_data, from->pio_data, PAGE_SIZE);
}

/**
 * vcpu_revert() - a vCPU goes back to another one's state
 * @vcpu: owned, not in KVM_RUN
 * @base: of which it is a copy, on a machine that nobody sees
 *
 * What the VMM wants of it stays: how it is debugged, when KVM_RUN returns, which registers go
 * in and out with it. If an exit waits for its answer in @base, the next KVM_RUN brings it again,
 * because the thread that calls it, or is in it, need not know of the reset.
 */
void vcpu_revert(struct vcpu *vcpu, struct vcpu *base)
{
	unsigned int req;

	apf_clear(vcpu);
	for (req = 0; req < BITS_PER_LONG; req++)
		if (COPY_REQUESTS & BIT(req))
			vcpu_take_request(vcpu, req);
	memcpy((void *)vcpu->run + PAGE_ANSWER, (void *)base->run + PAGE_ANSWER,
	       PAGE_SYNC - PAGE_ANSWER);
	memcpy(vcpu->pio_data, base->pio_data, PAGE_SIZE);
	copy_state(vcpu, base);
	vcpu->io.again = vcpu->io.complete;
	vcpu->emu_decoded = false;
	cpuid_xcr0_changed(vcpu);
	vcpu_flush_guest(vcpu);
}
