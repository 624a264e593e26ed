// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit: the guest's clocks: TSCs that are one clock or several, their rate, kvmclock, and what a
 * host that sleeps or whose TSC turns unstable does to them.
 */
#include <linux/delay.h>
#include <linux/ktime.h>
#include <asm/msr-index.h>
#include <asm/pvclock.h>
#include <asm/tsc.h>

#include "x86/cpu/clock.h"
#include "x86/cpu/clock_copy.h"
#include "x86/cpu/clocksource.h"
#include "x86/machine/vm.h"
#include "x86/run/kvmclock.h"
#include "x86/run/msr.h"
#include "x86/run/state_kunit.h"

/*
 * Write @first to @a and, @apart_ms later, @second to @b.  The moments are told, not waited
 * for: how fast this host is must not matter.
 */
static void sync_pair(struct vcpu *a, u64 first, struct vcpu *b, u64 second, u32 apart_ms)
{
	u64 ns = ktime_get_boottime_ns(), tsc = rdtsc();

	vtsc_sync_at(a, first, tsc, ns);
	vtsc_sync_at(b, second, tsc + (u64)apart_ms * tsc_khz, ns + apart_ms * NSEC_PER_MSEC);
}

static void tsc_test(struct kunit *test)
{
	struct state_world *w = test->priv;
	struct vcpu *a = w->vcpu, *b = state_vcpu_new(test, w->vm);
	u64 second = tsc_khz * 1000ULL;

	KUNIT_EXPECT_LT(test, vcpu_tsc(a), 600 * second);
	if (!check_tsc_unstable()) {
		/* Created together: one clock, that began at 0. */
		KUNIT_EXPECT_EQ(test, a->st.tsc_offset, b->st.tsc_offset);
		/* Within a second is the same clock, at once or later; more is not. */
		sync_pair(a, 10000 * second, b, 10000 * second + second / 2, 0);
		KUNIT_EXPECT_EQ(test, b->st.tsc_offset, a->st.tsc_offset);
		sync_pair(a, 20000 * second, b, 20000 * second + second - 1, 0);
		KUNIT_EXPECT_EQ(test, b->st.tsc_offset, a->st.tsc_offset);
		sync_pair(a, 30000 * second, b, 30090 * second + second / 2, 90000);
		KUNIT_EXPECT_EQ(test, b->st.tsc_offset, a->st.tsc_offset);
		sync_pair(a, 40000 * second, b, 40000 * second, 1500);
		KUNIT_EXPECT_NE(test, b->st.tsc_offset, a->st.tsc_offset);
		sync_pair(a, 50000 * second, b, 50001 * second + second / 10, 0);
		KUNIT_EXPECT_NE(test, b->st.tsc_offset, a->st.tsc_offset);
		sync_pair(a, 900000 * second, b, 900060 * second, 0);
		KUNIT_EXPECT_NE(test, b->st.tsc_offset, a->st.tsc_offset);
		/* A century later, and before it: nothing that a host may trip over. */
		vtsc_sync_at(b, 1, rdtsc(), ktime_get_boottime_ns() + BIT_ULL(61));
		vtsc_sync_at(a, second / 2, rdtsc(), ktime_get_boottime_ns());
		KUNIT_EXPECT_EQ(test, a->st.tsc_offset, b->st.tsc_offset);
		vtsc_sync(a, 0);
		KUNIT_EXPECT_EQ(test, a->st.tsc_offset, b->st.tsc_offset);
	}
	state_vcpu_delete(b);
}

static void tsc_adjust_test(struct kunit *test)
{
	struct vcpu *vcpu = the_vcpu(test);
	u64 offset = vcpu->st.tsc_offset, val;

	KUNIT_EXPECT_EQ(test, msr_write(vcpu, MSR_IA32_TSC_ADJUST, 1ULL << 50, true), 0);
	KUNIT_EXPECT_EQ(test, vcpu->st.tsc_offset, offset);
	KUNIT_EXPECT_EQ(test, msr_write(vcpu, MSR_IA32_TSC, 1ULL << 55, false), 0);
	KUNIT_EXPECT_EQ(test, msr_read(vcpu, MSR_IA32_TSC, &val, false), 0);
	KUNIT_EXPECT_EQ(test, val >> 40, 1ULL << 15);
	KUNIT_EXPECT_EQ(test, msr_read(vcpu, MSR_IA32_TSC_ADJUST, &val, false), 0);
	KUNIT_EXPECT_EQ(test, val >> 50, (1ULL << 55 >> 50));
}

static void tsc_khz_test(struct kunit *test)
{
	struct vcpu *vcpu = the_vcpu(test);

	KUNIT_EXPECT_EQ(test, vcpu_ioctl_set_tsc_khz(vcpu, 0), 0);
	KUNIT_EXPECT_EQ(test, vcpu->clock.tsc_khz, (u32)tsc_khz);
	KUNIT_EXPECT_EQ(test, vcpu_ioctl_set_tsc_khz(vcpu, tsc_khz + tsc_khz / 5000), 0);
	KUNIT_EXPECT_EQ(test, vcpu->clock.tsc_ratio, TSC_RATIO_ONE);
	KUNIT_EXPECT_EQ(test, vcpu_ioctl_set_tsc_khz(vcpu, tsc_khz * 2), -EINVAL);
	KUNIT_EXPECT_EQ(test, vcpu_ioctl_set_tsc_khz(vcpu, 1ULL << 32), -EINVAL);
	state_fake_caps.tsc_scaling = true;
	KUNIT_EXPECT_EQ(test, vcpu_ioctl_set_tsc_khz(vcpu, tsc_khz * 2), 0);
	KUNIT_EXPECT_EQ(test, vcpu->clock.tsc_ratio, 2 * TSC_RATIO_ONE);
	state_fake_caps.tsc_scaling = false;
}

static void clock_test(struct kunit *test)
{
	struct state_world *w = test->priv;
	struct kvm_clock_data data = { .clock = 5000000000ULL }, got;
	u64 before, since, after, wall;

	KUNIT_EXPECT_EQ(test, vm_ioctl_get_clock(w->vm, &got), 0);
	KUNIT_EXPECT_LT(test, got.clock, 600 * NSEC_PER_SEC);

	before = ktime_get_boottime_ns();
	KUNIT_EXPECT_EQ(test, vm_ioctl_set_clock(w->vm, &data), 0);
	since = ktime_get_boottime_ns();
	mdelay(20);
	since = ktime_get_boottime_ns() - since;	/* by the host's clock, which may be slow */
	KUNIT_EXPECT_EQ(test, vm_ioctl_get_clock(w->vm, &got), 0);
	after = ktime_get_boottime_ns();
	KUNIT_EXPECT_GE(test, got.clock + 5 * NSEC_PER_MSEC, data.clock + since);
	KUNIT_EXPECT_LE(test, got.clock, data.clock + (after - before) + 5 * NSEC_PER_MSEC);
	data.flags = BIT(31);
	KUNIT_EXPECT_EQ(test, vm_ioctl_set_clock(w->vm, &data), -EINVAL);
	/* Ten seconds ago, by the wall. */
	data.flags = KVM_CLOCK_REALTIME;
	wall = ktime_get_real_ns();
	data.realtime = wall - 10 * NSEC_PER_SEC;
	KUNIT_EXPECT_EQ(test, vm_ioctl_set_clock(w->vm, &data), 0);
	KUNIT_EXPECT_EQ(test, vm_ioctl_get_clock(w->vm, &got), 0);
	KUNIT_EXPECT_GE(test, got.clock, 15 * NSEC_PER_SEC);
	KUNIT_EXPECT_LT(test, got.clock, 16 * NSEC_PER_SEC + (ktime_get_real_ns() - wall));
	KUNIT_EXPECT_EQ(test, vcpu_ioctl_kvmclock_ctrl(w->vcpu), -EINVAL);
}

static void clock_gap_test(struct kunit *test)
{
	const u32 khz = 3000000;
	const u64 second = 3000000000ULL, before = 1000000 * second;

	/* It went on, as exactly as a clock of whole seconds can tell. */
	KUNIT_EXPECT_EQ(test, clock_gap(before, before + 60 * second, 60 * NSEC_PER_SEC, khz),
			0ULL);
	KUNIT_EXPECT_EQ(test, clock_gap(before, before + second, 2 * NSEC_PER_SEC, khz), 0ULL);
	KUNIT_EXPECT_EQ(test, clock_gap(before, before + 3 * second, 2 * NSEC_PER_SEC, khz), 0ULL);
	/* It began anew, stood still, or is of another boot. */
	KUNIT_EXPECT_EQ(test, clock_gap(before, second, 60 * NSEC_PER_SEC, khz),
			before + 59 * second);
	KUNIT_EXPECT_EQ(test, clock_gap(before, before, 60 * NSEC_PER_SEC, khz), 60 * second);
	KUNIT_EXPECT_EQ(test, clock_gap(second, 60 * second, 10 * NSEC_PER_SEC, khz),
			-49 * second);
	/* Less than the tolerance, but back. */
	KUNIT_EXPECT_EQ(test, clock_gap(before, before - 1, 0, khz), 1ULL);
}

static void slept_test(struct kunit *test)
{
	struct state_world *w = test->priv;
	struct vcpu *vcpu = w->vcpu;
	u64 hour = 3600ULL * 1000 * tsc_khz, second = 1000ULL * tsc_khz;
	u64 tsc = vcpu_tsc(vcpu), offset = vcpu->st.tsc_offset;
	struct kvm_clock_data before, after;

	vm_ioctl_get_clock(w->vm, &before);
	/* The TSC was an hour further, and the host slept for ten seconds. */
	clock_slept(rdtsc_ordered() + vcpu->clock.shift + hour, 10 * NSEC_PER_SEC);
	vm_ioctl_get_clock(w->vm, &after);
	KUNIT_EXPECT_GE(test, vcpu_tsc(vcpu), tsc + hour + 10 * second);
	if (before.flags & KVM_CLOCK_TSC_STABLE) {
		KUNIT_EXPECT_GE(test, after.clock, before.clock + 3600 * NSEC_PER_SEC);
		KUNIT_EXPECT_LE(test, after.host_tsc, rdtsc_ordered());
	}
	/* The hardware hears of it at the next load, before the next entry. */
	KUNIT_EXPECT_EQ(test, vcpu->st.tsc_offset, offset);
	clear_bit(REQ_CLOCK_UPDATE, &vcpu->requests);
	vcpu->st.dirty = 0;
	vclock_load(vcpu, false);
	KUNIT_EXPECT_TRUE(test, test_bit(REQ_CLOCK_UPDATE, &vcpu->requests));
	kvmclock_update(vcpu);
	/* Less what went by since the TSC was read. */
	KUNIT_EXPECT_GT(test, vcpu->st.tsc_offset - offset, hour);
	KUNIT_EXPECT_LT(test, vcpu->st.tsc_offset - offset, 2 * hour);
	KUNIT_EXPECT_TRUE(test, vcpu->st.dirty & ST_TSC);
	clear_bit(REQ_CLOCK_UPDATE, &vcpu->requests);
	vclock_load(vcpu, false);
	KUNIT_EXPECT_FALSE(test, test_bit(REQ_CLOCK_UPDATE, &vcpu->requests));
}

/* The host's TSC leaps by @by while it sleeps: what does the guest's hardware add then? */
static u64 offset_after_leap(struct vcpu *vcpu, u64 by)
{
	u64 offset = vcpu->st.tsc_offset;

	clock_slept(rdtsc_ordered() + vcpu->clock.shift - by, 0);
	kvmclock_update(vcpu);
	return vcpu->st.tsc_offset - offset;
}

/* The TSC leapt, so that less is to be shown than it says; and the guest's ticks faster. */
static void leap_scaled_test(struct kunit *test)
{
	struct vcpu *vcpu = the_vcpu(test);
	u64 hour = 3600ULL * 1000 * tsc_khz, was = vcpu->clock.shift, back, got;

	state_fake_caps.tsc_scaling = true;
	KUNIT_ASSERT_EQ(test, vcpu_ioctl_set_tsc_khz(vcpu, tsc_khz / 2 * 3), 0);
	/* However it stands, below 0. */
	got = offset_after_leap(vcpu, (max_t(s64, was, 0) + 3 * hour));
	back = was - vcpu->clock.shift;
	KUNIT_EXPECT_LT(test, (s64)vcpu->clock.shift, 0);
	KUNIT_EXPECT_GT(test, back, 2 * hour);
	KUNIT_EXPECT_LE(test, abs((s64)(-got - mul_u64_u64_shr(back, vcpu->clock.tsc_ratio,
							      TSC_RATIO_SHIFT))), 2);
	/* And ahead again, past 0. */
	got = offset_after_leap(vcpu, -back);
	KUNIT_EXPECT_GT(test, (s64)(vcpu->clock.shift - was), -(s64)hour);
	KUNIT_EXPECT_GT(test, got, hour);
	state_fake_caps.tsc_scaling = false;
}

static void tsc_unstable_test(struct kunit *test)
{
	struct state_world *w = test->priv;
	struct pvclock_vcpu_time_info info;
	struct kvm_clock_data before, after;

	if (check_tsc_unstable())
		kunit_skip(test, "this host's TSC is unstable already");
	vclock_time_info(w->vcpu, &info);
	KUNIT_EXPECT_TRUE(test, info.flags & PVCLOCK_TSC_STABLE_BIT);
	/* The host's other clock is half a second behind. */
	w->vm->clock.boot_offset -= NSEC_PER_SEC / 2;
	KUNIT_ASSERT_EQ(test, xa_err(xa_store(&w->vm->vcpus, 0, w->vcpu, GFP_KERNEL)), 0);
	w->vm->nr_vcpus = 1;
	clear_bit(REQ_CLOCK_UPDATE, &w->vcpu->requests);
	vm_ioctl_get_clock(w->vm, &before);
	KUNIT_EXPECT_TRUE(test, before.flags & KVM_CLOCK_TSC_STABLE);
	vm_clock_unstable(w->vm);
	vm_ioctl_get_clock(w->vm, &after);
	KUNIT_EXPECT_FALSE(test, after.flags & KVM_CLOCK_TSC_STABLE);
	KUNIT_EXPECT_GE(test, after.clock, before.clock);
	KUNIT_EXPECT_TRUE(test, test_bit(REQ_CLOCK_UPDATE, &w->vcpu->requests));
	vclock_time_info(w->vcpu, &info);
	KUNIT_EXPECT_FALSE(test, info.flags & PVCLOCK_TSC_STABLE_BIT);
	w->vm->nr_vcpus = 0;
	xa_destroy(&w->vm->vcpus);
}

static struct vm *unstable_vm;
static unsigned int unstable_told;

static void unstable_tell(void)
{
	unstable_told++;
	vm_clock_unstable(unstable_vm);
}

/* From the kernel's tick to the page from which the guest reads its time, once. */
static void tsc_unstable_told_test(struct kunit *test)
{
	struct state_world *w = test->priv;
	struct pvclock_vcpu_time_info info;

	if (check_tsc_unstable())
		kunit_skip(test, "this host's TSC is unstable already");
	unstable_vm = w->vm;
	unstable_told = 0;
	clocksource_tick(false, false, unstable_tell);
	vclock_time_info(w->vcpu, &info);
	KUNIT_EXPECT_TRUE(test, info.flags & PVCLOCK_TSC_STABLE_BIT);
	KUNIT_EXPECT_EQ(test, unstable_told, 0);
	clocksource_tick(true, false, unstable_tell);
	vclock_time_info(w->vcpu, &info);
	KUNIT_EXPECT_FALSE(test, info.flags & PVCLOCK_TSC_STABLE_BIT);
	KUNIT_EXPECT_EQ(test, unstable_told, 1);
	clocksource_tick(true, true, unstable_tell);
	KUNIT_EXPECT_EQ(test, unstable_told, 1);
	clocksource_tick(false, false, unstable_tell);
	KUNIT_EXPECT_EQ(test, unstable_told, 1);
}

static void tsc_far_off_test(struct kunit *test)
{
	struct state_world *w = test->priv;
	struct kvm_clock_data now;

	if (check_tsc_unstable())
		kunit_skip(test, "this host's TSC is unstable already");
	/* The TSC has jumped by an hour: that is not for the guest. */
	w->vm->clock.base_tsc -= 3600ULL * 1000 * tsc_khz;
	vm_clock_unstable(w->vm);
	vm_ioctl_get_clock(w->vm, &now);
	KUNIT_EXPECT_LT(test, now.clock, 600 * NSEC_PER_SEC);
}

/*
 * A machine that stood still for a second: what its guest reads by then, it reads a second later.
 */
static void still_test(struct kunit *test)
{
	struct state_world *w = test->priv;
	struct pvclock_vcpu_time_info before, after;
	struct clock_instant now, gone;
	u64 second = tsc_khz * 1000ULL, offset = w->vcpu->st.tsc_offset;

	clock_instant_now(&now);
	vm_clock_gone(w->vm, &now, &gone);
	KUNIT_EXPECT_EQ(test, gone.tsc, 0);
	KUNIT_EXPECT_EQ(test, gone.ns, 0);
	w->vm->frozen = true;
	w->vm->frozen_at = now;
	now.tsc += second;
	now.ns += NSEC_PER_SEC;
	vm_clock_gone(w->vm, &now, &gone);
	KUNIT_EXPECT_EQ(test, gone.tsc, second);
	KUNIT_EXPECT_EQ(test, gone.ns, NSEC_PER_SEC);
	w->vm->frozen = false;
	w->vcpu->clock.system_time_msr = KVM_MSR_ENABLED;
	vclock_time_info(w->vcpu, &before);
	vm_clock_move(w->vm, &gone);
	vclock_move(w->vcpu, &gone);
	vclock_time_info(w->vcpu, &after);
	KUNIT_EXPECT_EQ(test, w->vcpu->st.tsc_offset, offset - second);
	KUNIT_EXPECT_TRUE(test, w->vcpu->clock.guest_stopped);
	if (check_tsc_unstable())
		return;
	/* The same time at the same TSC of the guest's. */
	KUNIT_EXPECT_EQ(test, after.system_time, before.system_time);
	KUNIT_EXPECT_EQ(test, after.tsc_timestamp, before.tsc_timestamp);
	w->vcpu->clock.system_time_msr = 0;
}

static struct kunit_case clock_cases[] = {
	KUNIT_CASE(tsc_test),
	KUNIT_CASE(still_test),
	KUNIT_CASE(tsc_adjust_test),
	KUNIT_CASE(tsc_khz_test),
	KUNIT_CASE(clock_test),
	KUNIT_CASE(clock_gap_test),
	KUNIT_CASE(leap_scaled_test),
	KUNIT_CASE(slept_test),
	KUNIT_CASE(tsc_unstable_test),
	KUNIT_CASE(tsc_unstable_told_test),
	KUNIT_CASE(tsc_far_off_test),
	{}
};

static struct kunit_suite clock_suite = {
	.name = "ditto_x86_clock",
	.suite_init = state_suite_init,
	.suite_exit = state_suite_exit,
	.init = state_test_init,
	.exit = state_test_exit,
	.test_cases = clock_cases,
};

kunit_test_suite(clock_suite);
