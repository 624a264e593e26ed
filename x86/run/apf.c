// SPDX-License-Identifier: GPL-2.0-only
/*
 * Asynchronous page faults (MSR_KVM_ASYNC_PF_EN, _INT, _ACK): a guest that touches memory
 * which the host must wait for is told so by #PF with a token in cr2, and runs something
 * else.  When the memory is there, an interrupt brings the token back.
 *
 * Owns what a vCPU waits for, at most APF_MAX pages.  Where the guest cannot be told (its
 * kernel does not want to be interrupted), or touches a page again that it was told of, the
 * vCPU naps until an interrupt or the page comes.
 *
 * The hard part is that a wait may outlive the vCPU: both have a reference to a struct
 * apf_page, and who of them leaves first cuts the tie, under its lock.
 */
#include <linux/kvm_para.h>
#include <linux/list.h>
#include <linux/refcount.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "mmu/guest.h"
#include "mmu/wait.h"
#include "x86/board/lapic_ipi.h"
#include "x86/machine/vm.h"
#include "x86/run/apf.h"
#include "x86/run/event_queue.h"
#include "x86/run/run.h"

/* Pages that a vCPU waits for at most; further faults wait for themselves. KVM has 64. */
#define APF_MAX		32

#define APF_RESERVED	GENMASK_ULL(5, 4)
#define APF_FLAGS	GENMASK_ULL(5, 0)

/* The guest gives 64 bytes; some headers count a member of its own to them. */
static_assert(offsetofend(struct kvm_vcpu_pv_apf_data, pad) == 64);

/**
 * struct apf_page - a page that is waited for
 * @wait: by whom
 * @refs: of the vCPU and of the thread that waits
 * @lock: @vcpu
 * @vcpu: wants to know; NULL: no more
 * @ready: the wait is over
 * @told: the guest was told that the page is not there; owner
 * @token: what it was told
 * @gfn: the page; constant
 * @node: in vcpu->pv.apf.pages; owner
 */
struct apf_page {
	struct mmu_wait wait;
	refcount_t refs;
	spinlock_t lock;
	struct vcpu *vcpu;
	bool ready;
	bool told;
	u32 token;
	gfn_t gfn;
	struct list_head node;
};

static void apf_put(struct apf_page *page)
{
	if (refcount_dec_and_test(&page->refs))
		kfree(page);
}

/* mmu_wait.done: in a thread of the kernel's */
static void apf_ready(struct mmu_wait *wait)
{
	struct apf_page *page = container_of(wait, struct apf_page, wait);

	spin_lock(&page->lock);
	WRITE_ONCE(page->ready, true);
	if (page->vcpu) {
		vcpu_request(page->vcpu, REQ_APF);
		vcpu_kick(page->vcpu);
	}
	spin_unlock(&page->lock);
	apf_put(page);
}

/* Owner: the vCPU wants to know of it no more. */
static void apf_forget(struct vcpu *vcpu, struct apf_page *page)
{
	spin_lock(&page->lock);
	page->vcpu = NULL;
	spin_unlock(&page->lock);
	list_del(&page->node);
	vcpu->pv.apf.nr--;
	apf_put(page);
}

/**
 * apf_init() - wait for nothing
 * @vcpu: being created
 */
void apf_init(struct vcpu *vcpu)
{
	INIT_LIST_HEAD(&vcpu->pv.apf.pages);
}

/**
 * apf_clear() - forget everything that is waited for; nobody is told any more
 * @vcpu: owned, or being destroyed; does not wait
 */
void apf_clear(struct vcpu *vcpu)
{
	struct apf_page *page;

	while (vcpu->pv.apf.nr) {
		page = list_first_entry(&vcpu->pv.apf.pages, struct apf_page, node);
		apf_forget(vcpu, page);
	}
	vcpu->pv.apf.unacked = false;
	vcpu->pv.apf.wake_all = false;
	vcpu->pv.apf.owed = false;
}

/**
 * apf_set_msr() - MSR_KVM_ASYNC_PF_EN was written
 * @vcpu: owned
 * @val: address of 64 bytes, and KVM_ASYNC_PF_*
 *
 * A guest that comes from elsewhere may wait for pages that nobody here knows of: it is
 * told to try all of them.
 *
 * Return: X86_NO_FAULT; X86_FAULT for bits that are reserved, ways to tell that there are not, or
 * anything without local APIC.
 */
enum guest_fault apf_set_msr(struct vcpu *vcpu, u64 val)
{
	if (val & (APF_RESERVED | KVM_ASYNC_PF_DELIVERY_AS_PF_VMEXIT))
		return X86_FAULT;
	if ((val & KVM_ASYNC_PF_DELIVERY_AS_INT) && !vcpu_pv_has(vcpu, KVM_FEATURE_ASYNC_PF_INT))
		return X86_FAULT;
	if (!vcpu->apic)
		return val ? X86_FAULT : X86_NO_FAULT;
	vcpu->pv.apf.msr = val;
	if (!apf_on(vcpu)) {
		apf_clear(vcpu);
		return X86_NO_FAULT;
	}
	vcpu->pv.apf.wake_all = true;
	vcpu_request(vcpu, REQ_APF);
	return X86_NO_FAULT;
}

/**
 * apf_set_vector() - MSR_KVM_ASYNC_PF_INT was written
 * @vcpu: owned
 * @val: vector
 *
 * Return: X86_NO_FAULT or X86_FAULT.
 */
enum guest_fault apf_set_vector(struct vcpu *vcpu, u64 val)
{
	if (val & ~(u64)KVM_ASYNC_PF_VEC_MASK)
		return X86_FAULT;
	vcpu->pv.apf.vector = val;
	return X86_NO_FAULT;
}

/**
 * apf_ack() - MSR_KVM_ASYNC_PF_ACK was written: the guest has taken the token
 * @vcpu: owned
 * @val: bit 0: so it is
 */
void apf_ack(struct vcpu *vcpu, u64 val)
{
	if (!(val & 1))
		return;
	vcpu->pv.apf.unacked = false;
	vcpu_request(vcpu, REQ_APF);
}

static gpa_t apf_gpa(const struct vcpu *vcpu, size_t member)
{
	return (vcpu->pv.apf.msr & ~APF_FLAGS) + member;
}

/* Bring back a token. False: not now. */
static bool apf_tell_ready(struct vcpu *vcpu, u32 token)
{
	gpa_t gpa = apf_gpa(vcpu, offsetof(struct kvm_vcpu_pv_apf_data, token));
	struct vcpu_apf *apf = &vcpu->pv.apf;
	u32 there;
	int err;

	if (apf->unacked)
		return false;
	err = guest_read(&vcpu->vm->mmu, gpa, &there, sizeof(there));
	/* The guest has not taken the last one: its acknowledgement asks again. */
	if (!err && there)
		return false;
	if (!err)
		err = guest_write(&vcpu->vm->mmu, gpa, &token, sizeof(token));
	if (err == -EINTR)
		vcpu_request(vcpu, REQ_APF);
	apf->owed = err;
	if (err)
		return false;
	apf->unacked = true;
	vlapic_interrupt(vcpu, apf->vector);
	return true;
}

/**
 * apf_check() - for REQ_APF: tell the guest of pages that are there
 * @vcpu: owned, in a read section of mmu.srcu; process context, may sleep
 *
 * One at a time; the guest's acknowledgement asks for the next. Where there is no memory to
 * tell it in, the next KVM_RUN, or what ends the vCPU's sleep, has it tried again.
 */
void apf_check(struct vcpu *vcpu)
{
	struct apf_page *page, *next;

	if (!apf_on(vcpu))
		return;
	if (vcpu->pv.apf.wake_all && apf_tell_ready(vcpu, ~0u))
		vcpu->pv.apf.wake_all = false;
	list_for_each_entry_safe(page, next, &vcpu->pv.apf.pages, node) {
		if (!READ_ONCE(page->ready))
			continue;
		if (!page->told || apf_tell_ready(vcpu, page->token))
			apf_forget(vcpu, page);
	}
}

/* Nothing waits to be delivered, and the guest can be interrupted. */
static bool apf_at_rest(const struct vcpu *vcpu)
{
	const struct vcpu_events *ev = &vcpu->ev;

	return !ev->exc_pending && !ev->exc_injected && !ev->nmi_injected && !ev->irq_injected &&
	       (vcpu->st.rflags & X86_EFLAGS_IF) && !vcpu->st.shadow;
}

/**
 * apf_access() - may a fault of the guest's be waited for by somebody else?
 * @vcpu: owned; wants to be told of such (apf_on())
 *
 * Return: MMU_ASYNC or 0.
 */
u32 apf_access(const struct vcpu *vcpu)
{
	return apf_at_rest(vcpu) && !vcpu->debug.control ? MMU_ASYNC : 0;
}

static struct apf_page *apf_find(struct vcpu *vcpu, gfn_t gfn)
{
	struct apf_page *page;

	list_for_each_entry(page, &vcpu->pv.apf.pages, node)
		if (page->gfn == gfn && !READ_ONCE(page->ready))
			return page;
	return NULL;
}

/* Not 0, which means that there is none, and not that of all pages. */
static u32 apf_token(struct vcpu *vcpu)
{
	u32 *id = &vcpu->pv.apf.id;

	*id = *id % (U32_MAX - 1) + 1;
	return *id;
}

/* Begin to wait for a page. NULL: somebody has to wait here. */
static struct apf_page *apf_begin(struct vcpu *vcpu, gpa_t gpa, bool write)
{
	struct apf_page *page;

	if (vcpu->pv.apf.nr >= APF_MAX)
		return NULL;
	page = kzalloc(sizeof(*page), GFP_KERNEL_ACCOUNT);
	if (!page)
		return NULL;
	refcount_set(&page->refs, 2);
	spin_lock_init(&page->lock);
	page->vcpu = vcpu;
	page->gfn = gpa >> PAGE_SHIFT;
	page->token = apf_token(vcpu);
	if (!mmu_wait_begin(&vcpu->vm->mmu, &page->wait, gpa, write, apf_ready)) {
		kfree(page);
		return NULL;
	}
	list_add_tail(&page->node, &vcpu->pv.apf.pages);
	vcpu->pv.apf.nr++;
	return page;
}

/* Its kernel may be told only if it said so. */
static bool apf_may_tell(struct vcpu *vcpu)
{
	if (vcpu->pv.apf.msr & KVM_ASYNC_PF_SEND_ALWAYS)
		return true;
	vcpu_need(vcpu, ST_CODE);
	return vcpu->st.code.cpl;
}

static bool apf_tell_absent(struct vcpu *vcpu, const struct apf_page *page)
{
	gpa_t gpa = apf_gpa(vcpu, offsetof(struct kvm_vcpu_pv_apf_data, flags));
	u32 reason = KVM_PV_REASON_PAGE_NOT_PRESENT;

	if (!apf_may_tell(vcpu) || guest_write(&vcpu->vm->mmu, gpa, &reason, sizeof(reason)))
		return false;
	event_queue_page_fault(vcpu, page->token, 0);
	return true;
}

/**
 * apf_fault() - an access of the guest's would have to wait
 * @vcpu: owned, in a read section of mmu.srcu; apf_access() said yes
 * @gpa: of the access
 * @write: it is a write
 *
 * When it returns true, the guest has something else to do, or the vCPU has napped: enter it
 * again.
 *
 * Return: false when the fault has to be waited for here.
 */
bool apf_fault(struct vcpu *vcpu, gpa_t gpa, bool write)
{
	struct apf_page *page = apf_find(vcpu, gpa >> PAGE_SHIFT);

	if (!page) {
		page = apf_begin(vcpu, gpa, write);
		if (!page)
			return false;
		page->told = apf_tell_absent(vcpu, page);
		if (page->told)
			return true;
	}
	vcpu_nap(vcpu);
	return true;
}
