// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random ioctls. An argument begins as random bytes, or as what the matching GET
 * answers with a few bytes changed, and is then bent by its ioctl's own hand so that
 * it gets past the first checks. Of every answer three things are looked at: that
 * nothing lies behind its end, that it does not hold the secret, and, by whoever
 * watches the host's log, that the kernel stays silent.
 */
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/vhost.h>
#include <linux/virtio_ids.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"

#define BUFFER	(64 * 1024ul)
#define CANARY	0xc5

/* What the build machine's headers may lack. */
#define CAP_APIC_BUS_CYCLES	237

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
	void (*bend)(struct world *w, struct rng *r, void *arg);
	unsigned long get;
	size_t size;
	bool value, holds_pointer;
};

static int event(struct world *w, struct rng *r)
{
	return world_fd(r, w->events, WORLD_EVENTS);
}

static void *extra_at(struct world *w, struct rng *r)
{
	return w->extra + rng_below(r, WORLD_EXTRA / PAGE_SIZE) * PAGE_SIZE;
}

static void bend_create_gmem(struct world *w, struct rng *r, void *arg)
{
	*(struct ditto_create_gmem *)arg = (struct ditto_create_gmem) {
		.size = rng_one_in(r, 4) ? rng_interesting(r) : rng_below(r, 1000) * PAGE_SIZE,
		.flags = rng_below(r, 3), .reserved[0] = rng_one_in(r, 16),
	};
}

static void bend_list(struct world *w, struct rng *r, void *arg)
{
	struct ditto_vm_list *list = arg;
	static __thread struct ditto_vm_info infos[64];

	list->capacity = rng_one_in(r, 8) ? rng_interesting(r) : rng_below(r, 65);
	list->vms = rng_one_in(r, 16) ? rng_interesting(r) : (uintptr_t)infos;
	if (list->capacity > 64)
		list->vms = 8;
}

#define FORK_FDS	64

/* Of the last DITTO_FORK of this thread. */
static __thread struct ditto_fork *fork_args;
static __thread int fork_fds[FORK_FDS];

static void bend_fork(struct world *w, struct rng *r, void *arg)
{
	struct ditto_fork *fork = fork_args = arg;

	memset(fork, 0, sizeof(*fork));
	fork->flags = rng_one_in(r, 16) ? rng_interesting(r) :
		      rng_one_in(r, 8) ? DITTO_FORK_FROZEN :
		      rng_below(r, 8) * DITTO_FORK_RESETTABLE;	/* and the two behind it */
	fork->capacity = rng_one_in(r, 16) ? rng_below(r, 4) : FORK_FDS;
	fork->vcpu_fds = rng_one_in(r, 16) ? 8 : (uintptr_t)fork_fds;
}

static void keep_forked(struct world *w, struct rng *r)
{
	u32 i;

	world_keep(r, w->vms, 1, WORLD_VMS, fork_args->vm_fd);
	for (i = 0; i < fork_args->count && i < FORK_FDS; i++)
		world_keep(r, w->vcpus, w->vm->nr_vcpus, WORLD_VCPUS, fork_fds[i]);
}

static void bend_cpuid(struct world *w, struct rng *r, void *arg)
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

static void bend_old_cpuid(struct world *w, struct rng *r, void *arg)
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

static void bend_msrs(struct world *w, struct rng *r, void *arg)
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

static void bend_msr_list(struct world *w, struct rng *r, void *arg)
{
	((struct kvm_msr_list *)arg)->nmsrs = rng_one_in(r, 2) ? rng_below(r, 400) :
		rng_interesting(r);
}

static void bend_slot(struct world *w, struct rng *r, void *arg)
{
	*(struct kvm_userspace_memory_region *)arg = (struct kvm_userspace_memory_region) {
		.slot = rng_one_in(r, 16) ? rng_interesting(r) : 1 + rng_below(r, 6),
		.flags = rng_one_in(r, 4) ? rng_below(r, 16) : 0,
		.guest_phys_addr = rng_one_in(r, 8) ? rng_interesting(r) :
			WORLD_EXTRA_GPA + rng_below(r, 1024) * PAGE_SIZE,
		.memory_size = rng_one_in(r, 3) ? 0 :
			rng_one_in(r, 8) ? rng_interesting(r) : rng_below(r, 512) * PAGE_SIZE,
		.userspace_addr = (uintptr_t)extra_at(w, r),
	};
}

static void bend_slot2(struct world *w, struct rng *r, void *arg)
{
	struct region2 *slot = arg;

	bend_slot(w, r, arg);	/* what both structures begin with */
	slot->guest_memfd = world_fd(r, w->gmems, WORLD_GMEMS);
	slot->guest_memfd_offset = rng_one_in(r, 8) ? rng_interesting(r) :
				   rng_below(r, 64) * PAGE_SIZE;
}

static void bend_guest_memfd(struct world *w, struct rng *r, void *arg)
{
	*(struct guest_memfd *)arg = (struct guest_memfd) {
		.size = rng_one_in(r, 8) ? rng_interesting(r) : rng_below(r, 1000) * PAGE_SIZE,
		.flags = rng_one_in(r, 16) ? rng_interesting(r) : 0,
	};
}

static void bend_attributes(struct world *w, struct rng *r, void *arg)
{
	*(struct attributes *)arg = (struct attributes) {
		.gpa = rng_one_in(r, 8) ? rng_interesting(r) :
			WORLD_EXTRA_GPA + rng_below(r, 1024) * PAGE_SIZE,
		.size = rng_one_in(r, 8) ? rng_interesting(r) : rng_below(r, 512) * PAGE_SIZE,
		.attributes = rng_one_in(r, 16) ? rng_interesting(r) :
			rng_one_in(r, 2) * ATTRIBUTE_PRIVATE,
		.flags = rng_one_in(r, 32),
	};
}

static void bend_gmem_slot(struct world *w, struct rng *r, void *arg)
{
	*(struct ditto_gmem_region *)arg = (struct ditto_gmem_region) {
		.slot = 1 + rng_below(r, 6),
		.flags = rng_one_in(r, 4) ? rng_below(r, 16) : 0,
		.guest_phys_addr = rng_one_in(r, 8) ? rng_interesting(r) :
			WORLD_EXTRA_GPA + rng_below(r, 1024) * PAGE_SIZE,
		.memory_size = rng_one_in(r, 3) ? 0 :
			rng_one_in(r, 8) ? rng_interesting(r) : rng_below(r, 512) * PAGE_SIZE,
		.gmem_fd = rng_one_in(r, 16) ? event(w, r) : world_fd(r, w->gmems, WORLD_GMEMS),
		.gmem_offset = rng_one_in(r, 8) ? rng_interesting(r) :
			rng_below(r, 64) * PAGE_SIZE,
	};
}

/* A bitmap with a little room, so that large slots' end in nothing. */
static void *some_bitmap(struct rng *r)
{
	static __thread u8 *room;

	if (!room) {
		room = mmap(NULL, 3 * PAGE_SIZE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		mprotect(room + 2 * PAGE_SIZE, PAGE_SIZE, PROT_NONE);
	}
	return rng_one_in(r, 16) ? NULL : room + rng_below(r, 2 * PAGE_SIZE);
}

static void bend_dirty_log(struct world *w, struct rng *r, void *arg)
{
	*(struct kvm_dirty_log *)arg = (struct kvm_dirty_log) {
		.slot = rng_one_in(r, 16) ? rng_interesting(r) : 1 + rng_below(r, 6),
		.dirty_bitmap = some_bitmap(r),
	};
}

static void bend_clear_dirty_log(struct world *w, struct rng *r, void *arg)
{
	*(struct kvm_clear_dirty_log *)arg = (struct kvm_clear_dirty_log) {
		.slot = rng_one_in(r, 16) ? rng_interesting(r) : 1 + rng_below(r, 6),
		.first_page = rng_one_in(r, 8) ? rng_interesting(r) : rng_below(r, 8) * 64,
		.num_pages = rng_one_in(r, 8) ? rng_interesting(r) :
			rng_one_in(r, 4) ? rng_below(r, 512) : rng_below(r, 8) * 64,
		.dirty_bitmap = some_bitmap(r),
	};
}

static void bend_name(struct world *w, struct rng *r, void *arg)
{
	snprintf(arg, DITTO_NAME_LEN, "fuzz%u", rng_below(r, 1000));
	if (rng_one_in(r, 4))
		memset(arg, rng_below(r, 256), DITTO_NAME_LEN);
}

static void bend_identity_map(struct world *w, struct rng *r, void *arg)
{
	*(u64 *)arg = rng_interesting(r);
}

static void bend_chip(struct world *w, struct rng *r, void *arg)
{
	((struct kvm_irqchip *)arg)->chip_id = rng_below(r, 4);
}

static void bend_line(struct world *w, struct rng *r, void *arg)
{
	struct kvm_irq_level *line = arg;

	line->irq = rng_one_in(r, 8) ? rng_interesting(r) : rng_below(r, 28);
	line->level = rng_below(r, 2);
}

static void bend_msi(struct world *w, struct rng *r, void *arg)
{
	struct kvm_msi *msi = arg;

	memset(msi, 0, sizeof(*msi));
	msi->address_lo = 0xfee00000 | rng_below(r, 4) << 12 | rng_below(r, 16);
	msi->data = rng_one_in(r, 4) ? rng_interesting(r) : rng_below(r, 0x800);
	msi->address_hi = rng_one_in(r, 8) ? rng_interesting(r) : 0;
	msi->flags = rng_one_in(r, 8);
}

static void bend_routing(struct world *w, struct rng *r, void *arg)
{
	struct kvm_irq_routing *routing = arg;
	u32 i;

	routing->nr = rng_below(r, 40);
	routing->flags = rng_one_in(r, 16);
	for (i = 0; i < routing->nr; i++) {
		struct kvm_irq_routing_entry *e = &routing->entries[i];

		e->gsi = rng_one_in(r, 16) ? rng_interesting(r) : rng_below(r, 40);
		e->type = rng_one_in(r, 16) ? rng_below(r, 8) : 1 + rng_below(r, 2);
		e->flags = rng_one_in(r, 16);
		if (e->type == KVM_IRQ_ROUTING_IRQCHIP) {
			e->u.irqchip.irqchip = rng_below(r, 4);
			e->u.irqchip.pin = rng_below(r, 26);
		}
	}
	if (rng_one_in(r, 16))
		routing->nr = rng_interesting(r);
}

static void bend_irqfd(struct world *w, struct rng *r, void *arg)
{
	*(struct kvm_irqfd *)arg = (struct kvm_irqfd) {
		.fd = event(w, r), .gsi = rng_below(r, 40), .flags = rng_below(r, 4),
		.resamplefd = event(w, r),
	};
}

static void bend_ioeventfd(struct world *w, struct rng *r, void *arg)
{
	*(struct kvm_ioeventfd *)arg = (struct kvm_ioeventfd) {
		.datamatch = rng_interesting(r), .fd = event(w, r),
		.addr = rng_one_in(r, 2) ? GUEST_PORT + rng_below(r, 16) :
			GUEST_MMIO + rng_below(r, 64),
		.len = rng_one_in(r, 16) ? rng_interesting(r) : 1u << rng_below(r, 4),
		.flags = rng_below(r, 16),
	};
}

static void bend_zone(struct world *w, struct rng *r, void *arg)
{
	bool pio = rng_one_in(r, 2);

	*(struct kvm_coalesced_mmio_zone *)arg = (struct kvm_coalesced_mmio_zone) {
		.addr = rng_one_in(r, 8) ? rng_interesting(r) :
			(pio ? GUEST_PORT : GUEST_MMIO) + rng_below(r, 64),
		.size = rng_one_in(r, 8) ? rng_interesting(r) : rng_below(r, 64),
		.pio = rng_one_in(r, 16) ? rng_interesting(r) : pio,
	};
}

static void bend_interrupt(struct world *w, struct rng *r, void *arg)
{
	*(u32 *)arg = rng_one_in(r, 16) ? rng_interesting(r) : rng_below(r, 256);
}

static void bend_mp_state(struct world *w, struct rng *r, void *arg)
{
	*(u32 *)arg = rng_one_in(r, 16) ? rng_interesting(r) : rng_below(r, 6);
}

static void bend_signal_mask(struct world *w, struct rng *r, void *arg)
{
	((struct kvm_signal_mask *)arg)->len = rng_one_in(r, 4) ? rng_interesting(r) : 8;
	/* The kicker's signal stays unblocked. */
	memset(((struct kvm_signal_mask *)arg)->sigset, 0, 8);
}

static void bend_pre_fault(struct world *w, struct rng *r, void *arg)
{
	*(struct pre_fault *)arg = (struct pre_fault) {
		.gpa = rng_one_in(r, 4) ? rng_interesting(r) :
			WORLD_EXTRA_GPA + rng_below(r, 1024) * PAGE_SIZE,
		.size = rng_one_in(r, 8) ? rng_interesting(r) : rng_below(r, 512) * PAGE_SIZE,
		.flags = rng_one_in(r, 32),
	};
}

static void bend_translate(struct world *w, struct rng *r, void *arg)
{
	((struct kvm_translation *)arg)->linear_address = rng_interesting(r);
}

static void bend_clock(struct world *w, struct rng *r, void *arg)
{
	struct kvm_clock_data *clock = arg;

	clock->flags = rng_one_in(r, 4) ? rng_interesting(r) : 0;
	clock->clock = rng_interesting(r);
}

/* Those that can be enabled, and their neighbours. */
static void bend_enable(struct world *w, struct rng *r, void *arg)
{
	static const u32 caps[] = {
		KVM_CAP_DISABLE_QUIRKS, KVM_CAP_DISABLE_QUIRKS2, KVM_CAP_EXCEPTION_PAYLOAD,
		KVM_CAP_X86_TRIPLE_FAULT_EVENT, KVM_CAP_SPLIT_IRQCHIP, KVM_CAP_X2APIC_API,
		KVM_CAP_MAX_VCPU_ID, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2,
		KVM_CAP_X86_USER_SPACE_MSR, KVM_CAP_EXIT_ON_EMULATION_FAILURE,
		KVM_CAP_DIRTY_LOG_RING,
		KVM_CAP_ENFORCE_PV_FEATURE_CPUID, KVM_CAP_EXIT_HYPERCALL,
		KVM_CAP_X86_DISABLE_EXITS, KVM_CAP_MSR_PLATFORM_INFO, KVM_CAP_HALT_POLL,
		KVM_CAP_DIRTY_LOG_RING_ACQ_REL, KVM_CAP_X86_BUS_LOCK_EXIT,
		KVM_CAP_X86_NOTIFY_VMEXIT, CAP_APIC_BUS_CYCLES, DITTO_CAP_FORK_HYPERCALL,
	};

	*(struct kvm_enable_cap *)arg = (struct kvm_enable_cap) {
		.cap = rng_one_in(r, 8) ? rng_interesting(r) : caps[rng_below(r, ARRAY_SIZE(caps))],
		.flags = rng_one_in(r, 16) ? rng_interesting(r) : 0,
		.args[0] = rng_one_in(r, 4) ? rng_interesting(r) : rng_below(r, 16),
	};
}

/* Half of the time nobody debugs, or guests would never run at their pace. */
static void bend_guest_debug(struct world *w, struct rng *r, void *arg)
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

static void bend_msr_filter(struct world *w, struct rng *r, void *arg)
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

static void bend_mce_cap(struct world *w, struct rng *r, void *arg)
{
	*(u64 *)arg = rng_one_in(r, 4) ? rng_interesting(r)
				       : rng_below(r, 34) | rng_below(r, 2) << 8;
}

static void bend_mce(struct world *w, struct rng *r, void *arg)
{
	struct kvm_x86_mce *mce = arg;

	rng_fill(r, arg, sizeof(*mce));
	mce->status |= 1ull << 63;
	mce->mcg_status = rng_one_in(r, 4) ? rng_interesting(r) : rng_below(r, 8);
	mce->bank = rng_below(r, 36);
}

static void bend_tpr_reporting(struct world *w, struct rng *r, void *arg)
{
	*(struct kvm_tpr_access_ctl *)arg = (struct kvm_tpr_access_ctl) {
		.enabled = rng_one_in(r, 4), .flags = rng_one_in(r, 16),
	};
}

static void bend_vapic(struct world *w, struct rng *r, void *arg)
{
	*(u64 *)arg = rng_one_in(r, 4) ? rng_interesting(r) :
		      rng_one_in(r, 2) ? 0 : rng_below(r, 4 * MIB);
}

static void bend_attr(struct world *w, struct rng *r, void *arg)
{
	static __thread u64 value;

	value = rng_interesting(r);
	*(struct kvm_device_attr *)arg = (struct kvm_device_attr) {
		.flags = rng_one_in(r, 8) ? rng_interesting(r) : 0,
		.group = rng_one_in(r, 8) ? rng_interesting(r) : 0,
		.attr = rng_one_in(r, 8) ? rng_interesting(r) : 0,
		.addr = rng_one_in(r, 8) ? 8 : (uintptr_t)&value,
	};
}

/* What is on the disks: a file of the test's. */
static int disk_file(void)
{
	static atomic_int file = -1;
	int fd, none = -1;

	if (file < 0) {
		fd = memfd_create("disk", MFD_CLOEXEC);
		if (fd < 0 || ftruncate(fd, MIB) ||
		    !atomic_compare_exchange_strong(&file, &none, fd))
			close(fd);
	}
	return file;
}

static void bend_create_virtio(struct world *w, struct rng *r, void *arg)
{
	*(struct ditto_create_virtio *)arg = (struct ditto_create_virtio) {
		.type = rng_one_in(r, 16) ? rng_below(r, 32) : VIRTIO_ID_BLOCK,
		.flags = rng_below(r, 2), .reserved[0] = rng_one_in(r, 16),
		.fd = rng_one_in(r, 4) ? world_fd(r, w->gmems, WORLD_GMEMS) : disk_file(),
		.queues = rng_one_in(r, 16) ? rng_interesting(r) : 1 + rng_below(r, 4),
	};
}

static void bend_create_balloon(struct world *w, struct rng *r, void *arg)
{
	*(struct ditto_create_virtio *)arg = (struct ditto_create_virtio) {
		.type = VIRTIO_ID_BALLOON, .flags = rng_one_in(r, 16), .fd = -1,
		.queues = rng_one_in(r, 16) ? rng_interesting(r) : DITTO_BALLOON_QUEUES,
	};
}

static void bend_vring_state(struct world *w, struct rng *r, void *arg)
{
	static const u32 nums[] = { 0, 0, 1, 1, 1, 4, 64, 1024, 0x80008000 };

	*(struct vhost_vring_state *)arg = (struct vhost_vring_state) {
		.index = rng_below(r, 6), .num = nums[rng_below(r, ARRAY_SIZE(nums))],
	};
}

static void bend_vring_addr(struct world *w, struct rng *r, void *arg)
{
	u64 at = rng_below(r, w->vm->ram_size / PAGE_SIZE) * PAGE_SIZE;

	*(struct vhost_vring_addr *)arg = (struct vhost_vring_addr) {
		.index = rng_below(r, 5), .flags = rng_one_in(r, 16), .desc_user_addr = at,
		.avail_user_addr = at + rng_below(r, 64) * 16,
		.used_user_addr = rng_one_in(r, 8) ? rng_interesting(r) : at + PAGE_SIZE,
	};
}

static void bend_vring_file(struct world *w, struct rng *r, void *arg)
{
	*(struct vhost_vring_file *)arg = (struct vhost_vring_file) {
		.index = rng_below(r, 5), .fd = rng_one_in(r, 8) ? -1 : event(w, r),
	};
}

static void bend_features(struct world *w, struct rng *r, void *arg)
{
	*(u64 *)arg = 1ull << 32 | (u64)rng_below(r, 2) << 28 | (u64)rng_below(r, 2) << 29 |
		      (u64)rng_below(r, 2) << 34 | (rng_one_in(r, 2) ? 0x36 : 0) |
		      (rng_one_in(r, 16) ? rng_interesting(r) : 0);
}

static void bend_disk_state(struct world *w, struct rng *r, void *arg)
{
	((struct ditto_virtio_state *)arg)->queue = rng_below(r, 5);
}

static void bend_config(struct world *w, struct rng *r, void *arg)
{
	*(struct vhost_vdpa_config *)arg = (struct vhost_vdpa_config) {
		.off = rng_one_in(r, 4) ? rng_interesting(r) : rng_below(r, 64),
		.len = rng_one_in(r, 4) ? rng_interesting(r) : rng_below(r, 64),
	};
}

static void bend_set_config(struct world *w, struct rng *r, void *arg)
{
	struct vhost_vdpa_config *c = arg;

	bend_config(w, r, arg);
	if (rng_one_in(r, 2))
		*c = (struct vhost_vdpa_config) { .off = 4 + 8 * rng_below(r, 2), .len = 4 };
}

static void bend_balloon(struct world *w, struct rng *r, void *arg)
{
	*(struct ditto_balloon *)arg = (struct ditto_balloon) {
		.flags = rng_one_in(r, 8) ? rng_interesting(r) : rng_below(r, 4),
		.target = rng_interesting(r), .reserved[2] = rng_one_in(r, 16),
	};
}

static void bend_clone(struct world *w, struct rng *r, void *arg)
{
	*(struct file_clone_range *)arg = (struct file_clone_range) {
		.src_fd = world_fd(r, w->gmems, WORLD_GMEMS),
		.src_offset = rng_one_in(r, 8) ? rng_interesting(r) : 0,
		.src_length = rng_one_in(r, 8) ? rng_interesting(r) : 0,
		.dest_offset = rng_one_in(r, 8) ? rng_interesting(r) : 0,
	};
}

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
