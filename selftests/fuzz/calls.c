// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random ioctls. An argument begins as random bytes, or as what the matching GET
 * answers with a few bytes changed, and is then bent (bend_*.c) so that it gets past the
 * first checks. Of every answer three things are looked at: that nothing lies behind its end,
 * that it does not hold the secret, and, by whoever watches the host's log, that the kernel
 * stays silent.
 */
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/vhost.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bend.h"

#define BUFFER	(64 * 1024ul)
#define CANARY	0xc5

enum target { DEV, VM, VCPU, GMEM, DISK, TARGETS };

/**
 * struct call - one ioctl
 * @cmd: its number
 * @target: the fd it is meant for
 * @bend: makes random bytes at @arg plausible; NULL for none
 * @get: answers what @cmd takes, or 0
 * @size: of arguments whose number does not tell
 * @value: the argument is a number, not a pointer
 * @holds_pointer: the argument has a pointer in it, which must stay what @bend made of it,
 *	or the kernel would write over this process
 */
struct call {
	unsigned long cmd;
	enum target target;
	bend_fn *bend;
	unsigned long get;
	size_t size;
	bool value, holds_pointer;
};

#define NUMBER(cmd, target)		{ cmd, target, .value = true }
#define GETS(cmd, target)		{ cmd, target }
#define TAKES(cmd, target, bend)	{ cmd, target, bend }
#define POINTS(cmd, target, bend)	{ cmd, target, bend, .holds_pointer = true }
#define PAIR(set, get, target)		{ set, target, NULL, get }, { get, target }
#define SIZED(cmd, target, bend, size)	{ cmd, target, bend, 0, size }

static const struct call calls[] = {
	NUMBER(KVM_GET_API_VERSION, DEV),
	NUMBER(KVM_CREATE_VM, DEV),
	NUMBER(KVM_CHECK_EXTENSION, DEV),
	NUMBER(KVM_GET_VCPU_MMAP_SIZE, DEV),
	TAKES(DITTO_CREATE_GMEM, DEV, bend_create_gmem),
	POINTS(DITTO_LIST_VMS, DEV, bend_list),
	POINTS(DITTO_VM_STATS, DEV, bend_vm_stats),
	SIZED(KVM_GET_SUPPORTED_CPUID, DEV, bend_cpuid, 12 * 1024),
	SIZED(KVM_GET_EMULATED_CPUID, DEV, bend_cpuid, 12 * 1024),
	SIZED(KVM_GET_MSR_INDEX_LIST, DEV, bend_msr_list, 2048),
	SIZED(KVM_GET_MSR_FEATURE_INDEX_LIST, DEV, bend_msr_list, 2048),
	SIZED(KVM_GET_MSRS, DEV, bend_msrs, 8 * 1024),
	GETS(KVM_X86_GET_MCE_CAP_SUPPORTED, DEV),

	POINTS(KVM_HAS_DEVICE_ATTR, DEV, bend_attr),
	POINTS(KVM_GET_DEVICE_ATTR, DEV, bend_attr),

	NUMBER(KVM_CHECK_EXTENSION, VM),
	NUMBER(KVM_CREATE_VCPU, VM),
	TAKES(KVM_ENABLE_CAP, VM, bend_enable),
	POINTS(KVM_X86_SET_MSR_FILTER, VM, bend_msr_filter),
	POINTS(KVM_SET_USER_MEMORY_REGION, VM, bend_slot),
	POINTS(KVM_SET_USER_MEMORY_REGION, VM, bend_slot),
	TAKES(DITTO_SET_GMEM_REGION, VM, bend_gmem_slot),
	POINTS(SET_USER_MEMORY_REGION2, VM, bend_slot2),
	TAKES(CREATE_GUEST_MEMFD, VM, bend_guest_memfd),
	TAKES(SET_MEMORY_ATTRIBUTES, VM, bend_attributes),
	TAKES(DITTO_SET_GMEM_REGION, VM, bend_gmem_slot),
	POINTS(KVM_GET_DIRTY_LOG, VM, bend_dirty_log),
	POINTS(KVM_CLEAR_DIRTY_LOG, VM, bend_clear_dirty_log),
	NUMBER(KVM_RESET_DIRTY_RINGS, VM),
	NUMBER(KVM_SET_NR_MMU_PAGES, VM),
	TAKES(DITTO_SET_NAME, VM, bend_name),
	NUMBER(DITTO_SET_POLICY, VM),
	GETS(DITTO_MEMORY, VM),
	POINTS(DITTO_FORK, VM, bend_fork),
	NUMBER(DITTO_THAW, VM),
	NUMBER(DITTO_RESET, VM),
	NUMBER(DITTO_UNBLOCK, VM),
	NUMBER(DITTO_SLOT_GMEM, VM),
	NUMBER(KVM_SET_TSS_ADDR, VM),
	TAKES(KVM_SET_IDENTITY_MAP_ADDR, VM, bend_identity_map),
	NUMBER(KVM_SET_BOOT_CPU_ID, VM),
	NUMBER(KVM_CREATE_IRQCHIP, VM),
	TAKES(KVM_CREATE_PIT2, VM, NULL),
	{ KVM_SET_IRQCHIP, VM, bend_chip, KVM_GET_IRQCHIP },
	TAKES(KVM_GET_IRQCHIP, VM, bend_chip),
	PAIR(KVM_SET_PIT2, KVM_GET_PIT2, VM),
	PAIR(KVM_SET_PIT, KVM_GET_PIT, VM),
	NUMBER(KVM_CREATE_PIT, VM),
	TAKES(KVM_IRQ_LINE, VM, bend_line),
	TAKES(KVM_IRQ_LINE_STATUS, VM, bend_line),
	TAKES(KVM_SIGNAL_MSI, VM, bend_msi),
	SIZED(KVM_SET_GSI_ROUTING, VM, bend_routing, 4096),
	TAKES(KVM_IRQFD, VM, bend_irqfd),
	TAKES(KVM_IOEVENTFD, VM, bend_ioeventfd),
	TAKES(KVM_REGISTER_COALESCED_MMIO, VM, bend_zone),
	TAKES(KVM_UNREGISTER_COALESCED_MMIO, VM, bend_zone),
	{ KVM_SET_CLOCK, VM, bend_clock, KVM_GET_CLOCK },
	GETS(KVM_GET_CLOCK, VM),
	NUMBER(KVM_GET_TSC_KHZ, VM),
	NUMBER(KVM_SET_TSC_KHZ, VM),
	NUMBER(KVM_REINJECT_CONTROL, VM),
	NUMBER(KVM_GET_STATS_FD, VM),
	TAKES(DITTO_CREATE_VIRTIO, VM, bend_create_virtio),
	TAKES(DITTO_CREATE_VIRTIO, VM, bend_create_balloon),

	PAIR(KVM_SET_REGS, KVM_GET_REGS, VCPU),
	PAIR(KVM_SET_SREGS, KVM_GET_SREGS, VCPU),
	PAIR(KVM_SET_SREGS2, KVM_GET_SREGS2, VCPU),
	TAKES(KVM_INTERRUPT, VCPU, bend_interrupt),
	NUMBER(KVM_NMI, VCPU),
	TAKES(KVM_ENABLE_CAP, VCPU, bend_enable),
	TAKES(KVM_TRANSLATE, VCPU, bend_translate),
	TAKES(PRE_FAULT_MEMORY, VCPU, bend_pre_fault),
	SIZED(KVM_SET_SIGNAL_MASK, VCPU, bend_signal_mask, 64),
	PAIR(KVM_SET_FPU, KVM_GET_FPU, VCPU),
	PAIR(KVM_SET_XSAVE, KVM_GET_XSAVE, VCPU),
	SIZED(KVM_GET_XSAVE2, VCPU, NULL, 16 * 1024),
	PAIR(KVM_SET_XCRS, KVM_GET_XCRS, VCPU),
	SIZED(KVM_SET_CPUID2, VCPU, bend_cpuid, 12 * 1024),
	SIZED(KVM_SET_CPUID, VCPU, bend_old_cpuid, 8 * 1024),
	SIZED(KVM_GET_CPUID2, VCPU, bend_cpuid, 12 * 1024),
	SIZED(KVM_GET_MSRS, VCPU, bend_msrs, 8 * 1024),
	SIZED(KVM_SET_MSRS, VCPU, bend_msrs, 8 * 1024),
	PAIR(KVM_SET_DEBUGREGS, KVM_GET_DEBUGREGS, VCPU),
	PAIR(KVM_SET_VCPU_EVENTS, KVM_GET_VCPU_EVENTS, VCPU),
	TAKES(KVM_SET_MP_STATE, VCPU, bend_mp_state),
	GETS(KVM_GET_MP_STATE, VCPU),
	PAIR(KVM_SET_LAPIC, KVM_GET_LAPIC, VCPU),
	NUMBER(KVM_GET_TSC_KHZ, VCPU),
	NUMBER(KVM_SET_TSC_KHZ, VCPU),
	NUMBER(KVM_KVMCLOCK_CTRL, VCPU),
	TAKES(KVM_TPR_ACCESS_REPORTING, VCPU, bend_tpr_reporting),
	TAKES(KVM_SET_VAPIC_ADDR, VCPU, bend_vapic),
	TAKES(KVM_SET_GUEST_DEBUG, VCPU, bend_guest_debug),
	TAKES(KVM_X86_SETUP_MCE, VCPU, bend_mce_cap),
	TAKES(KVM_X86_SET_MCE, VCPU, bend_mce),
	NUMBER(KVM_GET_STATS_FD, VCPU),
	POINTS(KVM_HAS_DEVICE_ATTR, VCPU, bend_attr),
	POINTS(KVM_GET_DEVICE_ATTR, VCPU, bend_attr),
	POINTS(KVM_SET_DEVICE_ATTR, VCPU, bend_attr),

	GETS(DITTO_GMEM_STATS, GMEM),
	GETS(DITTO_MEMORY, GMEM),
	NUMBER(DITTO_GMEM_SET_POLICY, GMEM),
	NUMBER(DITTO_GMEM_FORK, GMEM),
	TAKES(FICLONERANGE, GMEM, bend_clone),

	NUMBER(VHOST_SET_OWNER, DISK),
	NUMBER(VHOST_RESET_OWNER, DISK),
	GETS(VHOST_GET_FEATURES, DISK),
	TAKES(VHOST_SET_FEATURES, DISK, bend_features),
	TAKES(VHOST_SET_VRING_NUM, DISK, bend_vring_state),
	TAKES(VHOST_SET_VRING_BASE, DISK, bend_vring_state),
	TAKES(VHOST_GET_VRING_BASE, DISK, bend_vring_state),
	TAKES(VHOST_SET_VRING_ADDR, DISK, bend_vring_addr),
	TAKES(VHOST_SET_VRING_KICK, DISK, bend_vring_file),
	TAKES(VHOST_SET_VRING_CALL, DISK, bend_vring_file),
	TAKES(VHOST_SET_VRING_ERR, DISK, bend_vring_file),
	TAKES(VHOST_VDPA_SET_VRING_ENABLE, DISK, bend_vring_state),
	TAKES(VHOST_VDPA_SET_VRING_ENABLE, DISK, bend_vring_state),
	GETS(VHOST_VDPA_GET_DEVICE_ID, DISK),
	GETS(VHOST_VDPA_GET_VRING_NUM, DISK),
	GETS(VHOST_VDPA_GET_CONFIG_SIZE, DISK),
	SIZED(VHOST_VDPA_GET_CONFIG, DISK, bend_config, 256),
	SIZED(VHOST_VDPA_SET_CONFIG, DISK, bend_set_config, 256),
	TAKES(DITTO_VIRTIO_STATE, DISK, bend_disk_state),
	TAKES(DITTO_BALLOON, DISK, bend_balloon),
};

static int target_fd(struct world *w, struct rng *r, enum target target)
{
	switch (target) {
	case DEV: return w->dev;
	/* Mostly the machine that runs. */
	case VM: return rng_one_in(r, 3) ? world_fd(r, w->vms, WORLD_VMS) : w->vms[0];
	case VCPU: return world_fd(r, w->vcpus, WORLD_VCPUS);
	case DISK: return world_fd(r, w->disks, WORLD_DISKS);
	default: return world_fd(r, w->gmems, WORLD_GMEMS);
	}
}

static size_t size_of(const struct call *call)
{
	return call->size ?: _IOC_SIZE(call->cmd);
}

static void change_some(struct rng *r, u8 *arg, size_t size)
{
	unsigned int changes = 1 + rng_below(r, 4);
	u64 value;

	while (changes--) {
		value = rng_interesting(r);
		if (size >= 8)
			memcpy(arg + rng_below(r, size / 8) * 8, &value, 1u << rng_below(r, 4));
	}
}

static void fill(struct world *w, struct rng *r, const struct call *call, int fd, u8 *arg)
{
	size_t size = size_of(call);

	memset(arg, 0, size);
	if (call->bend)
		call->bend(w, r, arg);
	else if (!call->get || rng_one_in(r, 16))
		rng_fill(r, arg, size);
	if (call->get && !ioctl(fd, call->get, arg)) {
		secret_search(arg, size, "the state of something");
		change_some(r, arg, size);
	} else if (!call->holds_pointer && rng_one_in(r, 8)) {
		change_some(r, arg, size);
	}
}

/* A part of a file of counters. */
static void read_stats(struct rng *r, int fd)
{
	u8 part[4096];
	ssize_t n = pread(fd, part, rng_below(r, sizeof(part)), rng_below(r, 8192));

	if (n > 0)
		secret_search(part, n, "a file of counters");
	close(fd);
}

/* What came of it: new fds are kept, so that later calls meet them. */
static void keep(struct world *w, struct rng *r, const struct call *call, long result)
{
	if (result < 0)
		return;
	if (call->cmd == KVM_CREATE_VM)
		world_keep(r, w->vms, 1, WORLD_VMS, result);
	else if (call->cmd == KVM_CREATE_VCPU)
		world_keep(r, w->vcpus, w->vm->nr_vcpus, WORLD_VCPUS, result);
	else if (call->cmd == KVM_GET_STATS_FD)
		read_stats(r, result);
	else if (call->cmd == DITTO_CREATE_VIRTIO)
		world_keep(r, w->disks, 0, WORLD_DISKS, result);
	else if (call->cmd == DITTO_FORK)
		keep_forked(w, r);
	else if (call->cmd == DITTO_CREATE_GMEM || call->cmd == CREATE_GUEST_MEMFD ||
		 call->cmd == DITTO_SLOT_GMEM || call->cmd == DITTO_GMEM_FORK)
		world_keep(r, w->gmems, 1, WORLD_GMEMS, result);
}

static void check_answer(const struct call *call, const u8 *arg)
{
	size_t size = size_of(call);

	for (size_t i = size; i < size + 64; i++)
		if (arg[i] != CANARY)
			fail("ioctl %#lx wrote behind its argument, at %#zx", call->cmd, i);
	secret_search(arg, size, "an answer");
}

static long call_by_number(struct rng *r, const struct call *call, int fd)
{
	unsigned long arg = rng_one_in(r, 2) ? rng_below(r, 8) : rng_interesting(r);

	/* Machines and vCPUs that can do something. */
	if (call->cmd == KVM_CREATE_VM && !rng_one_in(r, 8))
		arg = rng_one_in(r, 2) * SW_PROTECTED_VM;
	return ioctl(fd, call->cmd, arg);
}

static long call_by_pointer(struct world *w, struct rng *r, const struct call *call, int fd)
{
	static __thread u8 *buffer;
	u8 *arg;
	long result;

	if (!buffer) {
		buffer = mmap(NULL, BUFFER + PAGE_SIZE, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (buffer == MAP_FAILED || mprotect(buffer + BUFFER, PAGE_SIZE, PROT_NONE)) {
			buffer = NULL;
			return -1;
		}
	}
	if (rng_one_in(r, 32))
		return ioctl(fd, call->cmd, rng_interesting(r));
	/* At the end of what is mapped, so that one byte too many is a fault; or before. */
	arg = buffer + BUFFER - size_of(call);
	if (rng_one_in(r, 2))
		arg = buffer + rng_below(r, 64) * 8;
	fill(w, r, call, fd, arg);
	if (arg + size_of(call) == buffer + BUFFER)
		return ioctl(fd, call->cmd, arg);
	memset(arg + size_of(call), CANARY, 64);
	result = ioctl(fd, call->cmd, arg);
	check_answer(call, arg);
	return result;
}

static __thread int fail_nth = -1;

void call_with_failures(void)
{
	fail_nth = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
}

static void arm(unsigned int n)
{
	char text[16];

	if (fail_nth >= 0 && pwrite(fail_nth, text, sprintf(text, "%u", n), 0) < 0)
		fail_nth = -1;
}

void call_random(struct world *w, struct rng *r)
{
	const struct call *call = &calls[rng_below(r, ARRAY_SIZE(calls))];
	bool armed = rng_one_in(r, 8);
	long result;
	int fd;

	fd = target_fd(w, r, rng_one_in(r, 64) ? rng_below(r, TARGETS) : call->target);
	if (armed)
		arm(1 + rng_below(r, 16));
	if (rng_one_in(r, 256))
		result = ioctl(fd, rng_next(r), rng_interesting(r));
	else if (call->value)
		result = call_by_number(r, call, fd);
	else
		result = call_by_pointer(w, r, call, fd);
	if (armed)
		arm(0);
	counts->calls++;
	counts->accepted += result >= 0;
	keep(w, r, call, result);
}
