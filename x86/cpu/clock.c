// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guest time: the TSC (an offset to the host's, and where the hardware scales, a
 * ratio) and KVM's paravirtual clock, which is the TSC with a page that says how
 * to read it as nanoseconds.  The page is written by run/kvmclock.c.
 *
 * The hard part is that a guest's CPUs must agree.  TSCs that the VMM writes one
 * after the other get one offset when they look like one clock.  All pages of a
 * VM are computed from one (host TSC, ns) pair, so where the host's TSC is stable
 * and the offsets are equal, the clocks are equal to the last bit, and the page
 * tells the guest so.  The pair is taken anew only when the VMM sets the clock.
 *
 * The host's TSC is counted here as if it had gone on while the host slept: where the
 * hardware began anew, clock_shift makes up for it, and is part of what the backend is
 * told.  So nothing in a guest falls back, and its TSC, its clock and its deadlines agree.
 */
#include <linux/ktime.h>
#include <linux/kvm_para.h>
#include <linux/math64.h>
#include <linux/timekeeping.h>

#include <asm/pvclock.h>
#include <asm/tsc.h>

#include "x86/cpu/clock.h"

#define TSC_TOLERANCE_PPM	250

static bool host_tsc_stable(void)
{
	return !check_tsc_unstable();
}

/* As of clock_suspend(). */
static u64 suspend_tsc, suspend_ns;

/**
 * clock_gap() - what to add to a TSC after the host slept
 * @before: TSC before
 * @now: TSC after
 * @slept_ns: time between, by a clock that may count in whole seconds
 * @khz: of the TSC
 *
 * Return: TSC ticks; 0 where the TSC did not stop.
 */
u64 clock_gap(u64 before, u64 now, u64 slept_ns, u32 khz)
{
	u64 expected = before + mul_u64_u32_div(slept_ns, khz, NSEC_PER_MSEC);
	u64 tolerance = 2000ULL * khz;

	if (now >= before && now - expected + tolerance <= 2 * tolerance)
		return 0;
	return expected - now;
}

/**
 * clock_suspend() - the host goes to sleep
 *
 * The last CPU, IRQs off.
 */
void clock_suspend(void)
{
	suspend_tsc = clock_host_tsc();
	suspend_ns = ktime_get_boottime_ns();
}

/**
 * clock_slept() - the host slept: count its TSC as if that had gone on
 * @before: TSC before, as it is counted here
 * @slept_ns: for how long
 *
 * Nothing else runs.
 */
void clock_slept(u64 before, u64 slept_ns)
{
	u64 gap = clock_gap(before, clock_host_tsc(), slept_ns, tsc_khz);

	WRITE_ONCE(clock_shift, clock_shift + gap);
}

/**
 * clock_resume() - it is awake again
 *
 * The first CPU, IRQs off, and the host's time goes on.
 */
void clock_resume(void)
{
	clock_slept(suspend_tsc, ktime_get_boottime_ns() - suspend_ns);
}

/* TSC and boottime of one instant, as well as software can. */
static void host_sample(u64 *tsc, u64 *ns)
{
	unsigned long flags;
	u64 before, after, best = U64_MAX;
	int i;

	/* An SMI or a slow clock between the reads shows as a long try. */
	for (i = 0; i < 3; i++) {
		u64 now;

		local_irq_save(flags);
		before = clock_host_tsc();
		now = ktime_get_boottime_ns();
		after = clock_host_tsc();
		local_irq_restore(flags);
		if (after - before >= best)
			continue;
		best = after - before;
		*tsc = before + best / 2;
		*ns = now;
	}
}

/*
 * The same by which a VM's time goes: a frozen one's stands. To read or set it takes vm->lock or
 * a vCPU, and so it is not thawed meanwhile.
 */
static void vm_sample(const struct vm *vm, u64 *tsc, u64 *ns)
{
	host_sample(tsc, ns);
	if (likely(!READ_ONCE(vm->frozen)))
		return;
	*tsc = vm->frozen_at.tsc;
	*ns -= ktime_get_ns() - vm->frozen_at.ns;
}

/**
 * vclock_pair() - the host's time of day and the guest's TSC at one instant
 * @vcpu: owned
 * @real: set
 * @tsc: set
 *
 * Return: false where the clocks are not one, because the host's TSC is not stable.
 */
bool vclock_pair(const struct vcpu *vcpu, struct timespec64 *real, u64 *tsc)
{
	u64 host_tsc, ns;

	if (!READ_ONCE(vcpu->vm->clock.stable))
		return false;
	host_sample(&host_tsc, &ns);
	*real = ns_to_timespec64(ns + ktime_to_ns(ktime_mono_to_any(0, TK_OFFS_REAL)) -
				 ktime_to_ns(ktime_mono_to_any(0, TK_OFFS_BOOT)));
	*tsc = clock_scaled(&vcpu->clock, host_tsc) + vcpu->clock.tsc_offset;
	return true;
}

/* TSC */

/* A shift may be one back, which as an unsigned number is scaled to something else. */
static u64 tsc_scaled_shift(const struct vcpu_clock *c, s64 shift)
{
	return shift < 0 ? -clock_scaled(c, -shift) : clock_scaled(c, shift);
}

/**
 * vtsc_push() - have the hardware add to its own TSC what the guest's is ahead
 * @vcpu: owned; the same for all vCPUs, whenever it is asked
 */
void vtsc_push(struct vcpu *vcpu)
{
	struct vcpu_clock *c = &vcpu->clock;

	c->shift = READ_ONCE(clock_shift);
	vcpu->st.tsc_offset = c->tsc_offset + tsc_scaled_shift(c, c->shift);
	vcpu_changed(vcpu, ST_TSC);
	vcpu_request(vcpu, REQ_TSC);
}

/* Request that every vCPU writes its page again. */
static void vm_clock_update_all(struct vm *vm)
{
	struct vcpu *vcpu;
	u32 i;

	vm_for_each_vcpu(vm, i, vcpu) {
		vcpu_request(vcpu, REQ_CLOCK_UPDATE);
		vcpu_kick(vcpu);
	}
}

static void tsc_set_offset(struct vcpu *vcpu, u64 offset)
{
	if (vcpu->clock.tsc_offset == offset)
		return;
	/* Others read it without owning the vCPU: tscs_match(). */
	WRITE_ONCE(vcpu->clock.tsc_offset, offset);
	vtsc_push(vcpu);
	/*
	 * This vCPU's page changes because of its offset; the others' may change because
	 * the TSCs may no longer match.
	 */
	vcpu_request(vcpu, REQ_CLOCK_UPDATE);
	vm_clock_update_all(vcpu->vm);
}

/**
 * vtsc_set() - the guest writes its TSC
 * @vcpu: owned
 * @tsc: new value
 */
void vtsc_set(struct vcpu *vcpu, u64 tsc)
{
	tsc_set_offset(vcpu, tsc - clock_scaled(&vcpu->clock, clock_host_tsc()));
}

/* What @khz makes of @ns; wraps as a TSC does, where a wide division would trap. */
static u64 tsc_ticks(u64 ns, u32 khz)
{
	return ns / NSEC_PER_MSEC * khz + ns % NSEC_PER_MSEC * khz / NSEC_PER_MSEC;
}

/*
 * Does @tsc, written @elapsed ns after the last one, look like the same clock? @elapsed is
 * negative if two threads come here in the other order than they read the time. A TSC of 0
 * always does, for a vCPU that joins a running VM. Otherwise it must be within a second of
 * what the last one reads by now; but the VMM's first value starts a new clock.
 */
static bool tsc_looks_same(const struct vm_clock *c, u32 khz, u64 tsc, s64 elapsed)
{
	u64 expected, second = khz * 1000ULL;

	if (!c->tsc_written || c->last_khz != khz)
		return false;
	if (!tsc)
		return true;
	if (!c->tsc_by_vmm)
		return false;
	expected = c->last_tsc + tsc_ticks(max(elapsed, 0LL), khz);
	return tsc - expected < second || expected - tsc < second;
}

/* What the next write is compared with. c->lock held. */
static void tsc_note_write(struct vm_clock *c, const struct vcpu *vcpu, u64 offset, u64 host_tsc,
			   u64 ns)
{
	c->tsc_written = true;
	c->last_tsc = clock_scaled(&vcpu->clock, host_tsc) + offset;
	c->last_ns = ns;
	c->last_offset = offset;
	c->last_khz = vcpu->clock.tsc_khz;
}

/**
 * vtsc_sync_at() - the VMM writes a TSC, at a moment that the caller names
 * @vcpu: owned
 * @tsc: new value
 * @host_tsc: when, by the host's TSC
 * @ns: and by its clock that goes on while it sleeps
 *
 * Takes vm->clock.lock.
 */
void vtsc_sync_at(struct vcpu *vcpu, u64 tsc, u64 host_tsc, u64 ns)
{
	struct vm_clock *c = &vcpu->vm->clock;
	u64 offset;

	spin_lock(&c->lock);
	if (host_tsc_stable() &&
	    tsc_looks_same(c, vcpu->clock.tsc_khz, tsc, ns - c->last_ns))
		offset = c->last_offset;
	else
		offset = tsc - clock_scaled(&vcpu->clock, host_tsc);
	c->tsc_by_vmm |= tsc != 0;
	tsc_note_write(c, vcpu, offset, host_tsc, ns);
	spin_unlock(&c->lock);
	tsc_set_offset(vcpu, offset);
}

/**
 * vtsc_sync() - the VMM writes a TSC, now
 * @vcpu: owned
 * @tsc: new value
 *
 * Takes vm->clock.lock.
 */
void vtsc_sync(struct vcpu *vcpu, u64 tsc)
{
	u64 host_tsc, ns;

	vm_sample(vcpu->vm, &host_tsc, &ns);
	vtsc_sync_at(vcpu, tsc, host_tsc, ns);
}

/**
 * vtsc_of_vmm() - the TSC as the VMM reads it: a frozen machine's stands
 * @vcpu: owned
 *
 * Return: the value.
 */
u64 vtsc_of_vmm(const struct vcpu *vcpu)
{
	u64 host_tsc, ns;

	if (likely(!READ_ONCE(vcpu->vm->frozen)))
		return vcpu_tsc(vcpu);
	vm_sample(vcpu->vm, &host_tsc, &ns);
	return clock_scaled(&vcpu->clock, host_tsc) + vcpu->clock.tsc_offset;
}

/**
 * vtsc_get_offset() - KVM_VCPU_TSC_OFFSET
 * @vcpu: owned and loaded
 *
 * Return: what the guest's TSC is ahead of the CPU's, which is multiplied first where the
 * frequencies differ.
 */
u64 vtsc_get_offset(const struct vcpu *vcpu)
{
	return vcpu->st.tsc_offset;
}

/**
 * vtsc_set_offset() - KVM_VCPU_TSC_OFFSET
 * @vcpu: owned and loaded
 * @offset: as of vtsc_get_offset()
 *
 * Exactly that: a VMM that moves a machine computes it from both hosts' clocks. Takes
 * vm->clock.lock.
 */
void vtsc_set_offset(struct vcpu *vcpu, u64 offset)
{
	struct vm_clock *c = &vcpu->vm->clock;
	u64 host_tsc, ns;

	vm_sample(vcpu->vm, &host_tsc, &ns);
	offset -= tsc_scaled_shift(&vcpu->clock, READ_ONCE(clock_shift));
	spin_lock(&c->lock);
	c->tsc_by_vmm = true;
	tsc_note_write(c, vcpu, offset, host_tsc, ns);
	spin_unlock(&c->lock);
	tsc_set_offset(vcpu, offset);
}

static bool khz_is_host(unsigned long khz)
{
	u64 diff = khz > tsc_khz ? khz - tsc_khz : tsc_khz - khz;

	return diff * 1000000 <= (u64)tsc_khz * TSC_TOLERANCE_PPM;
}

/* The host's frequency, near enough; any other one that the hardware can make. */
static bool khz_valid(unsigned long khz)
{
	if (!khz || khz > U32_MAX)
		return false;
	return khz_is_host(khz) || (backend->caps->tsc_scaling && khz / 256 < tsc_khz);
}

static void tsc_set_khz(struct vcpu *vcpu, u32 khz)
{
	struct vcpu_clock *c = &vcpu->clock;

	c->tsc_khz = khz;
	c->tsc_ratio = khz_is_host(khz) ? TSC_RATIO_ONE :
		       mul_u64_u32_div(TSC_RATIO_ONE, khz, tsc_khz);
	vtsc_push(vcpu);
	vcpu_request(vcpu, REQ_CLOCK_UPDATE);
}

/* What the guest's TSC really ticks at. */
static u32 tsc_real_khz(const struct vcpu *vcpu)
{
	return mul_u64_u64_shr(tsc_khz, vcpu->clock.tsc_ratio, TSC_RATIO_SHIFT);
}

/**
 * vm_clock_init() - start the VM's clock at 0
 * @vm: being created
 */
void vm_clock_init(struct vm *vm)
{
	struct vm_clock *c = &vm->clock;
	u64 ns;

	memset(c, 0, sizeof(*c));
	spin_lock_init(&c->lock);
	c->tsc_khz = tsc_khz;
	c->stable = host_tsc_stable();
	host_sample(&c->base_tsc, &ns);
	c->boot_offset = -(s64)ns;
}

/**
 * vclock_init() - give a vCPU the TSC that the VM's others have
 * @vcpu: being created, before vlapic_create(); vcpu->vm is set
 */
void vclock_init(struct vcpu *vcpu)
{
	memset(&vcpu->clock, 0, sizeof(vcpu->clock));
	tsc_set_khz(vcpu, READ_ONCE(vcpu->vm->clock.tsc_khz));
	vtsc_sync(vcpu, 0);
}

/**
 * vtsc_catch_up() - let the TSC follow a sleep of the host
 * @vcpu: owned
 */
void vtsc_catch_up(struct vcpu *vcpu)
{
	if (unlikely(clock_shifted(&vcpu->clock)))
		vtsc_push(vcpu);
}

/**
 * vclock_load() - the vCPU is being loaded, and something about it is new
 * @vcpu: owned; preemption is off
 * @moved: on another CPU than before: nothing changes where the host's TSCs agree
 *
 * What is to be done is done before the next entry.
 */
void vclock_load(struct vcpu *vcpu, bool moved)
{
	const struct vcpu_clock *c = &vcpu->clock;

	if (clock_shifted(c) ||
	    (moved && !READ_ONCE(vcpu->vm->clock.stable) &&
	     (c->system_time_msr & KVM_MSR_ENABLED)))
		vcpu_request(vcpu, REQ_CLOCK_UPDATE);
}

/* Paravirtual clock */

/* ns = ((ticks << shift) * mul) >> 32, mul with all of its 32 bits used. */
static void pvclock_scale(u32 khz, u32 *mul, s8 *shift)
{
	u64 ns = (u64)NSEC_PER_MSEC << 32;
	u64 ticks = max(khz, 1U);	/* per millisecond */

	for (*shift = 0; ticks >> -*shift > 2 * NSEC_PER_MSEC;)
		(*shift)--;
	if (*shift < 0)
		ns <<= -*shift;
	for (; ticks <= NSEC_PER_MSEC; ticks <<= 1)
		(*shift)++;
	*mul = min_t(u64, div64_u64(ns, ticks), U32_MAX);
}

/* Kvmclock in ns at a TSC of the host. @c->lock held. */
static u64 clock_at_tsc(const struct vm_clock *c, u64 host_tsc)
{
	u32 mul;
	s8 shift;

	pvclock_scale(tsc_khz, &mul, &shift);
	return c->base_ns + pvclock_scale_delta(host_tsc - c->base_tsc, mul, shift);
}

/**
 * vm_clock_now() - the kvmclock and the host's TSC at one instant
 * @vm: any
 * @host_tsc: set
 * @clock_ns: set
 */
void vm_clock_now(struct vm *vm, u64 *host_tsc, u64 *clock_ns)
{
	struct vm_clock *c = &vm->clock;
	u64 ns;

	vm_sample(vm, host_tsc, &ns);
	spin_lock(&c->lock);
	*clock_ns = c->stable ? clock_at_tsc(c, *host_tsc) : ns + c->boot_offset;
	spin_unlock(&c->lock);
}

/**
 * vm_clock_unstable() - the host's TSC cannot be relied on any more
 * @vm: any; process context
 *
 * From here on the kvmclock follows the host's boottime, and no page tells its guest that
 * all CPUs' clocks are one. A difference of the two clocks that the host's own corrections
 * explain is kept, so that the guest's clock does not step back. A larger one is the
 * unstable TSC's error and is dropped.
 */
void vm_clock_unstable(struct vm *vm)
{
	struct vm_clock *c = &vm->clock;
	u64 host_tsc, ns, age;
	s64 apart;

	host_sample(&host_tsc, &ns);
	spin_lock(&c->lock);
	if (c->stable) {
		age = ns + c->boot_offset;
		apart = clock_at_tsc(c, host_tsc) - age;
		/* No clock is corrected by more than one in a thousand. */
		if (abs(apart) <= NSEC_PER_SEC + age / 1000)
			c->boot_offset += apart;
		WRITE_ONCE(c->stable, false);
	}
	spin_unlock(&c->lock);
	vm_clock_update_all(vm);
}

/* Have all vCPUs this offset? */
static bool tscs_match(struct vm *vm, u64 offset)
{
	struct vcpu *vcpu;
	u32 i;

	vm_for_each_vcpu(vm, i, vcpu)
		if (READ_ONCE(vcpu->clock.tsc_offset) != offset)
			return false;
	return true;
}

/**
 * vclock_time_info() - what the vCPU's time page should say
 * @vcpu: owned
 * @info: filled, except for the version
 */
void vclock_time_info(struct vcpu *vcpu, struct pvclock_vcpu_time_info *info)
{
	struct vm_clock *c = &vcpu->vm->clock;
	u64 host_tsc, ns;
	bool stable;

	memset(info, 0, sizeof(*info));
	spin_lock(&c->lock);
	stable = c->stable;
	host_tsc = c->base_tsc;
	ns = c->base_ns;
	spin_unlock(&c->lock);
	if (!stable)
		vm_clock_now(vcpu->vm, &host_tsc, &ns);
	else if (tscs_match(vcpu->vm, vcpu->clock.tsc_offset))
		info->flags |= PVCLOCK_TSC_STABLE_BIT;
	info->tsc_timestamp = clock_scaled(&vcpu->clock, host_tsc) + vcpu->clock.tsc_offset;
	info->system_time = ns;
	pvclock_scale(tsc_real_khz(vcpu), &info->tsc_to_system_mul, &info->tsc_shift);
}

/* ioctls */

/**
 * vm_ioctl_get_clock() - KVM_GET_CLOCK
 * @vm: any
 * @data: filled
 *
 * Return: 0: it cannot fail.
 */
int vm_ioctl_get_clock(struct vm *vm, struct kvm_clock_data *data)
{
	u64 host_tsc, ns;

	memset(data, 0, sizeof(*data));
	vm_clock_now(vm, &host_tsc, &ns);
	data->clock = ns;
	if (READ_ONCE(vm->clock.stable)) {
		data->flags = CLOCK_FLAGS;
		/* The VMM compares it with what it reads itself. */
		data->host_tsc = host_tsc - READ_ONCE(clock_shift);
		data->realtime = ktime_get_real_ns();
	}
	return 0;
}

/**
 * vm_ioctl_set_clock() - KVM_SET_CLOCK, except for the pages
 * @vm: any
 * @data: from the VMM; with KVM_CLOCK_REALTIME, the time since then is added
 *
 * Return: 0; -EINVAL for unknown flags.
 */
int vm_ioctl_set_clock(struct vm *vm, struct kvm_clock_data *data)
{
	struct vm_clock *c = &vm->clock;
	u64 host_tsc, ns, clock = data->clock;

	if (data->flags & ~CLOCK_FLAGS)
		return -EINVAL;
	vm_sample(vm, &host_tsc, &ns);
	if (data->flags & KVM_CLOCK_REALTIME) {
		u64 real = ktime_get_real_ns();

		/* A host whose clock is behind the sender's must not make time run backwards. */
		if (real > data->realtime)
			clock += real - data->realtime;
	}
	spin_lock(&c->lock);
	c->base_tsc = host_tsc;
	c->base_ns = clock;
	c->boot_offset = clock - ns;
	spin_unlock(&c->lock);
	vm_clock_update_all(vm);
	return 0;
}

/**
 * vm_ioctl_get_tsc_khz() - KVM_GET_TSC_KHZ: what new vCPUs get
 * @vm: vm->lock held
 *
 * Also of a host whose TSC is not stable, as stock KVM does and its documentation does not.
 *
 * Return: kHz.
 */
int vm_ioctl_get_tsc_khz(struct vm *vm)
{
	return vm->clock.tsc_khz;
}

/**
 * vm_ioctl_set_tsc_khz() - KVM_SET_TSC_KHZ: what new vCPUs get
 * @vm: vm->lock held
 * @khz: 0: the host's
 *
 * Return: 0; -EINVAL for a frequency that this host cannot make or when vCPUs exist.
 */
int vm_ioctl_set_tsc_khz(struct vm *vm, unsigned long khz)
{
	if (!khz)
		khz = tsc_khz;
	if (!khz_valid(khz) || vm->nr_vcpus)
		return -EINVAL;
	WRITE_ONCE(vm->clock.tsc_khz, khz);
	return 0;
}

/**
 * vcpu_ioctl_get_tsc_khz() - KVM_GET_TSC_KHZ
 * @vcpu: owned
 *
 * Return: kHz.
 */
int vcpu_ioctl_get_tsc_khz(struct vcpu *vcpu)
{
	return vcpu->clock.tsc_khz;
}

/**
 * vcpu_ioctl_set_tsc_khz() - KVM_SET_TSC_KHZ
 * @vcpu: owned
 * @khz: 0: the host's
 *
 * Return: 0; -EINVAL for a frequency that this host cannot make.
 */
int vcpu_ioctl_set_tsc_khz(struct vcpu *vcpu, unsigned long khz)
{
	if (!khz)
		khz = tsc_khz;
	if (!khz_valid(khz))
		return -EINVAL;
	tsc_set_khz(vcpu, khz);
	return 0;
}
