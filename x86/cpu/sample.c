// SPDX-License-Identifier: GPL-2.0-only
/*
 * perf's samples of guests. An interrupt or NMI that ends a guest is handled in the host, at the
 * host's own instruction behind the exit; perf asks here whether it came out of a guest, and
 * where that stood. `perf kvm` tells the two apart by the answer.
 *
 * It does not count for guests: they have no PMU. And of KVM's modules and ditto one at a time
 * can answer, which core/rival.c sees to.
 */
#include <linux/percpu.h>
#include <linux/perf_event.h>

#include "x86/cpu/hostwork.h"
#include "x86/cpu/sample.h"
#include "x86/machine/backend.h"

DEFINE_PER_CPU(const struct vcpu *, hostwork_sampled);

#ifdef CONFIG_GUEST_PERF_EVENTS
/* Both are called in interrupt and NMI context, IRQs off. */
static unsigned int sample_state(void)
{
	const struct vcpu *vcpu = __this_cpu_read(hostwork_sampled);
	bool user;
	u64 ip;

	if (!vcpu)
		return 0;
	backend->sample(vcpu, &ip, &user);
	return user ? PERF_GUEST_ACTIVE | PERF_GUEST_USER : PERF_GUEST_ACTIVE;
}

static unsigned long sample_ip(void)
{
	const struct vcpu *vcpu = __this_cpu_read(hostwork_sampled);
	bool user;
	u64 ip;

	/* perf asks only for a guest that sample_state() told of. */
	if (WARN_ON_ONCE(!vcpu))
		return 0;
	backend->sample(vcpu, &ip, &user);
	return ip;
}

static struct perf_guest_info_callbacks sample_callbacks = {
	.state = sample_state,
	.get_ip = sample_ip,
};
#endif

/**
 * sample_start() - from here on perf asks ditto
 *
 * Nobody else may answer: no KVM module is there. May sleep. The perf of a kernel that was built
 * without KVM knows no guests.
 */
void sample_start(void)
{
#ifdef CONFIG_GUEST_PERF_EVENTS
	perf_register_guest_info_callbacks(&sample_callbacks);
#endif
}

/**
 * sample_stop() - perf asks no more, nor is it asking when this returns
 *
 * After sample_start(). May sleep.
 */
void sample_stop(void)
{
#ifdef CONFIG_GUEST_PERF_EVENTS
	perf_unregister_guest_info_callbacks(&sample_callbacks);
#endif
}
