// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bad arguments to every ioctl, and ioctls in the wrong order: a clear errno,
 * and the machine goes on as before.
 */
#include <asm/kvm_para.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "vm.h"

#define NOWHERE ((void *)8)

static struct vm *empty_vm(bool no_irqchip)
{
	return vm_new(&(struct vm_config) { .empty = true, .no_irqchip = no_irqchip });
}

static void version(const void *arg)
{
	int dev = dev_open();

	ASSERT_EQ(ioctl(dev, KVM_GET_API_VERSION, 0), 12);
	ASSERT_EQ(CHECKED(ioctl(dev, KVM_GET_VCPU_MMAP_SIZE, 0)) % PAGE_SIZE, 0);
	ASSERT_ERRNO(ioctl(dev, KVM_CREATE_VM, 0xdeadul << 8), EINVAL);
}

/*
 * A caller of an ioctl without an argument leaves any value in the register.  Stock KVM has a
 * few that insist on a 0.
 */
static void no_argument(const void *arg)
{
	static const long garbage[] = { 0, 1, 0x7fff12345678, -1 };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(garbage); i++) {
		struct vm *empty = empty_vm(true), *vm = vm_new(NULL);
		int dev = dev_open(), vcpu = vm->vcpu[0].fd;
		long rest = garbage[i], result;

		if (tap.ditto) {
			ASSERT_EQ(CHECKED(ioctl(dev, KVM_GET_API_VERSION, rest)), 12);
			ASSERT(CHECKED(ioctl(dev, KVM_GET_VCPU_MMAP_SIZE, rest)) > 0);
		}
		close(dev);
		CHECKED(ioctl(empty->fd, KVM_CREATE_IRQCHIP, rest));
		vm_free(empty);
		result = ioctl(vm->fd, KVM_GET_TSC_KHZ, rest);
		ASSERT(result > 0 || errno == EIO || (!tap.ditto && errno == ENOTTY));
		result = ioctl(vcpu, KVM_GET_TSC_KHZ, rest);
		ASSERT(result > 0 || errno == EIO);
		ASSERT_EQ(vcpu_try_set_msr(&vm->vcpu[0], MSR_KVM_SYSTEM_TIME_NEW,
					   GUEST_FREE | 1), 1);
		CHECKED(ioctl(vcpu, KVM_KVMCLOCK_CTRL, rest));
		CHECKED(ioctl(vcpu, KVM_NMI, rest));
		vcpu_call(&vm->vcpu[0], "g_nothing", 0);
		CHECKED(ioctl(vcpu, KVM_RUN, tap.ditto ? rest : 0));
		vm_free(vm);
	}
}

/* What the API promises must be there; what nobody knows is 0. */
static void extensions(const void *arg)
{
	static const long must[] = {
		KVM_CAP_IRQCHIP, KVM_CAP_HLT, KVM_CAP_USER_MEMORY, KVM_CAP_SET_TSS_ADDR,
		KVM_CAP_EXT_CPUID, KVM_CAP_CLOCKSOURCE, KVM_CAP_NR_VCPUS, KVM_CAP_NR_MEMSLOTS,
		KVM_CAP_MP_STATE, KVM_CAP_IRQ_ROUTING, KVM_CAP_IRQFD, KVM_CAP_PIT2,
		KVM_CAP_REINJECT_CONTROL,
		KVM_CAP_IOEVENTFD, KVM_CAP_ADJUST_CLOCK, KVM_CAP_VCPU_EVENTS,
		KVM_CAP_DEBUGREGS, KVM_CAP_GET_TSC_KHZ,
		KVM_CAP_MAX_VCPUS, KVM_CAP_SIGNAL_MSI, KVM_CAP_READONLY_MEM,
		KVM_CAP_CHECK_EXTENSION_VM, KVM_CAP_IMMEDIATE_EXIT,
		KVM_CAP_PIT, KVM_CAP_SREGS2,
		KVM_CAP_IOEVENTFD_NO_LENGTH, KVM_CAP_COALESCED_MMIO, KVM_CAP_COALESCED_PIO,
	};
	int dev = dev_open();
	struct vm *vm = empty_vm(false);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(must); i++) {
		if (ioctl(dev, KVM_CHECK_EXTENSION, must[i]) <= 0)
			fail("capability %ld is missing", must[i]);
		ASSERT(vm_cap(vm, must[i]) > 0);
	}
	ASSERT_EQ(ioctl(dev, KVM_CHECK_EXTENSION, 0x7fffffff), 0);
	ASSERT_EQ(ioctl(dev, KVM_CHECK_EXTENSION, -1l), 0);
	ASSERT(vm_cap(vm, KVM_CAP_NR_MEMSLOTS) >= 32);
	vm_free(vm);
}

static void unknown_ioctls(const void *arg)
{
	static const unsigned long unknown[] = {
		0, _IO(0xae, 0xdf), _IOW(0xae, 0xde, u64), _IOWR(0xdd, 0x7f, u64), ~0u,
	};
	struct vm *vm = vm_new(NULL);
	int dev = dev_open();
	size_t i;

	for (i = 0; i < ARRAY_SIZE(unknown); i++) {
		/* Stock KVM says EINVAL here and there. */
		if (tap.ditto)
			ASSERT_ERRNO(ioctl(dev, unknown[i], 0), ENOTTY);
		else
			ASSERT_EQ(ioctl(dev, unknown[i], 0), -1);
		if (tap.ditto)
			ASSERT_ERRNO(ioctl(vm->fd, unknown[i], 0), ENOTTY);
		if (tap.ditto)
			ASSERT_ERRNO(ioctl(vm->vcpu[0].fd, unknown[i], 0), ENOTTY);
		else
			ASSERT_EQ(ioctl(vm->vcpu[0].fd, unknown[i], 0), -1);
	}
	/* The right number on the wrong fd. */
	ASSERT_EQ(ioctl(dev, KVM_RUN, 0), -1);
	ASSERT_ERRNO(ioctl(vm->fd, KVM_RUN, 0), ENOTTY);
	ASSERT_EQ(ioctl(vm->vcpu[0].fd, KVM_CREATE_VCPU, 0), -1);
	vm_call(vm, "g_arith", 0);
	vm_free(vm);
}

/* Pointers to nowhere for everything that takes one. */
static void bad_pointers(const void *arg)
{
	static const unsigned long on_vm[] = {
		KVM_SET_USER_MEMORY_REGION, KVM_IRQ_LINE, KVM_IRQFD, KVM_IOEVENTFD,
		KVM_SET_GSI_ROUTING, KVM_SIGNAL_MSI, KVM_GET_IRQCHIP, KVM_SET_IRQCHIP,
		KVM_GET_CLOCK, KVM_SET_CLOCK, KVM_GET_PIT2, KVM_SET_PIT2, KVM_CREATE_PIT2,
		KVM_ENABLE_CAP, KVM_GET_DIRTY_LOG, KVM_CLEAR_DIRTY_LOG, KVM_X86_SET_MSR_FILTER,
		KVM_REINJECT_CONTROL, KVM_REGISTER_COALESCED_MMIO,
		KVM_UNREGISTER_COALESCED_MMIO, KVM_GET_PIT, KVM_SET_PIT,
	};
	static const unsigned long on_vcpu[] = {
		KVM_GET_REGS, KVM_SET_REGS, KVM_GET_SREGS, KVM_SET_SREGS, KVM_GET_FPU,
		KVM_GET_SREGS2, KVM_SET_SREGS2, KVM_SET_CPUID, KVM_HAS_DEVICE_ATTR,
		KVM_GET_DEVICE_ATTR, KVM_SET_DEVICE_ATTR,
		KVM_SET_FPU, KVM_GET_MSRS, KVM_SET_MSRS, KVM_SET_CPUID2,
		KVM_GET_LAPIC, KVM_SET_LAPIC, KVM_GET_MP_STATE, KVM_SET_MP_STATE,
		KVM_GET_VCPU_EVENTS, KVM_SET_VCPU_EVENTS, KVM_GET_DEBUGREGS,
		KVM_SET_DEBUGREGS, KVM_GET_XSAVE, KVM_SET_XSAVE, KVM_GET_XCRS, KVM_SET_XCRS,
		KVM_ENABLE_CAP, KVM_SET_GUEST_DEBUG, KVM_X86_SETUP_MCE, KVM_X86_SET_MCE,
	};
	struct vm *vm = vm_new(&(struct vm_config) { .pit = true });
	int dev = dev_open();
	size_t i;

	ASSERT_ERRNO(ioctl(dev, KVM_GET_SUPPORTED_CPUID, NOWHERE), EFAULT);
	ASSERT_ERRNO(ioctl(dev, KVM_GET_EMULATED_CPUID, NOWHERE), EFAULT);
	ASSERT_ERRNO(ioctl(dev, KVM_GET_MSR_INDEX_LIST, NOWHERE), EFAULT);
	for (i = 0; i < ARRAY_SIZE(on_vm); i++)
		if (ioctl(vm->fd, on_vm[i], NOWHERE) != -1 || errno != EFAULT)
			fail("VM ioctl %#lx: errno %s", on_vm[i], strerrorname_np(errno));
	for (i = 0; i < ARRAY_SIZE(on_vcpu); i++) {
		/* Without XSAVE for guests there is nothing to point at. */
		int want = on_vcpu[i] == KVM_GET_XCRS && !vm_cap(vm, KVM_CAP_XCRS)
			   ? EINVAL : EFAULT;

		if (ioctl(vm->vcpu[0].fd, on_vcpu[i], NOWHERE) != -1 || errno != want)
			fail("vCPU ioctl %#lx: errno %s", on_vcpu[i], strerrorname_np(errno));
	}
	vm_call(vm, "g_arith", 0);
	vm_free(vm);
}

static void lists_too_small(const void *arg)
{
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entry[1];
	} cpuid = { { .nent = 1 } };
	struct kvm_msr_list list = { .nmsrs = 0 };
	struct vm *vm = vm_new(NULL);
	struct kvm_msrs msrs = { .nmsrs = 0xffffffff };
	int dev = dev_open();

	/* What did not fit leaves the number as it was. */
	vcpu_set_cpuid(&vm->vcpu[0]);
	ASSERT_ERRNO(ioctl(vm->vcpu[0].fd, KVM_GET_CPUID2, &cpuid), E2BIG);
	ASSERT_EQ(cpuid.head.nent, 1);

	ASSERT_ERRNO(ioctl(dev, KVM_GET_SUPPORTED_CPUID, &cpuid), E2BIG);
	ASSERT_ERRNO(ioctl(dev, KVM_GET_EMULATED_CPUID, &cpuid), E2BIG);
	ASSERT_ERRNO(ioctl(dev, KVM_GET_MSR_INDEX_LIST, &list), E2BIG);
	ASSERT(list.nmsrs > 5);
	ASSERT_ERRNO(ioctl(vm->vcpu[0].fd, KVM_GET_MSRS, &msrs), E2BIG);
	ASSERT_ERRNO(ioctl(vm->vcpu[0].fd, KVM_SET_MSRS, &msrs), E2BIG);
	cpuid.head.nent = 0xffffffff;
	ASSERT_ERRNO(ioctl(vm->vcpu[0].fd, KVM_SET_CPUID2, &cpuid), E2BIG);
	vm_free(vm);
}

static void vcpu_ids(const void *arg)
{
	struct vm *vm = empty_vm(false);
	long max = vm_cap(vm, KVM_CAP_MAX_VCPU_ID);
	int fd;

	ASSERT_ERRNO(ioctl(vm->fd, KVM_SET_BOOT_CPU_ID, max + 1), EINVAL);
	if (tap.ditto)	/* a stock kernel before 6.11 looks at the lower half only */
		ASSERT_ERRNO(ioctl(vm->fd, KVM_SET_BOOT_CPU_ID, 1l << 32), EINVAL);

	max = max > 0 ? max : vm_cap(vm, KVM_CAP_MAX_VCPUS);
	ASSERT_ERRNO(ioctl(vm->fd, KVM_CREATE_VCPU, max), EINVAL);
	ASSERT_ERRNO(ioctl(vm->fd, KVM_CREATE_VCPU, 0xffffffff), EINVAL);
	ASSERT_ERRNO(ioctl(vm->fd, KVM_CREATE_VCPU, 0x80000000), EINVAL);
	fd = CHECKED(ioctl(vm->fd, KVM_CREATE_VCPU, 3));
	ASSERT_ERRNO(ioctl(vm->fd, KVM_CREATE_VCPU, 3), EEXIST);
	close(fd);
	/* Closed is not gone: the vCPU lives as long as the VM. */
	ASSERT_ERRNO(ioctl(vm->fd, KVM_CREATE_VCPU, 3), EEXIST);
	close(CHECKED(ioctl(vm->fd, KVM_CREATE_VCPU, 0)));
	vm_free(vm);
}

/* A mapping of a vCPU's pages has the pages that there are, and gets no more. */
static void mapped_pages(const void *arg)
{
	struct vm *vm = empty_vm(false);
	struct vcpu *vcpu = vm_add_vcpu(vm, 0);
	u32 last = vcpu->run_size / PAGE_SIZE - 1;
	u8 *p = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd,
		     last * PAGE_SIZE);
	u8 *longer;

	ASSERT(p != MAP_FAILED);
	longer = mremap(p, PAGE_SIZE, 16 * PAGE_SIZE, MREMAP_MAYMOVE);
	if (tap.ditto)
		ASSERT(longer == MAP_FAILED && errno == EFAULT);
	else if (longer != MAP_FAILED)
		munmap(longer, 16 * PAGE_SIZE);
	ASSERT(mmap(NULL, PAGE_SIZE, PROT_READ, MAP_SHARED, vcpu->fd, (last + 1) * PAGE_SIZE) ==
	       MAP_FAILED);
	vm_free(vm);
}

static void wrong_order(const void *arg)
{
	struct vm *vm = empty_vm(true);
	struct kvm_irq_level line = { .irq = 1, .level = 1 };
	struct kvm_pit_config pit = { };
	struct kvm_irqchip chip = { };
	struct kvm_pit_state2 state;
	struct kvm_reinject_control reinject = { };
	struct vcpu *vcpu;

	ASSERT_ERRNO(ioctl(vm->fd, KVM_IRQ_LINE, &line), ENXIO);
	ASSERT_ERRNO(ioctl(vm->fd, KVM_SIGNAL_MSI, &(struct kvm_msi) { }), EINVAL);
	ASSERT_ERRNO(ioctl(vm->fd, KVM_GET_IRQCHIP, &chip), ENXIO);
	ASSERT_ERRNO(ioctl(vm->fd, KVM_CREATE_PIT2, &pit), ENOENT);
	ASSERT_ERRNO(ioctl(vm->fd, KVM_GET_PIT2, &state), ENXIO);
	ASSERT_ERRNO(ioctl(vm->fd, KVM_CREATE_PIT, 0), ENOENT);
	ASSERT_ERRNO(ioctl(vm->fd, KVM_GET_PIT, &state), ENXIO);
	ASSERT_ERRNO(ioctl(vm->fd, KVM_SET_PIT, &state), ENXIO);
	ASSERT_ERRNO(ioctl(vm->fd, KVM_REINJECT_CONTROL, &reinject), ENXIO);
	vcpu = vm_add_vcpu(vm, 0);
	ASSERT_ERRNO(ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0), EINVAL);
	ASSERT(ioctl(vcpu->fd, KVM_GET_LAPIC, calloc(1, PAGE_SIZE)) == -1);
	vm_free(vm);

	vm = empty_vm(false);
	ASSERT_ERRNO(ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0), EEXIST);
	CHECKED(ioctl(vm->fd, KVM_CREATE_PIT2, &pit));
	ASSERT_ERRNO(ioctl(vm->fd, KVM_CREATE_PIT2, &pit), EEXIST);
	ASSERT_ERRNO(ioctl(vm->fd, KVM_CREATE_PIT, 0), EEXIST);
	chip.chip_id = 3;
	ASSERT_ERRNO(ioctl(vm->fd, KVM_GET_IRQCHIP, &chip), EINVAL);
	ASSERT_ERRNO(ioctl(vm->fd, KVM_SET_IRQCHIP, &chip), EINVAL);
	vcpu = vm_add_vcpu(vm, 0);
	ASSERT_ERRNO(ioctl(vcpu->fd, KVM_INTERRUPT, &(struct kvm_interrupt) { 0x30 }), ENXIO);
	vm_free(vm);
}

/* What CPUs need that cannot run real mode in a guest: below 4 GiB, before the first vCPU. */
static void addresses(const void *arg)
{
	struct vm *vm = empty_vm(false);
	u64 map = 0xfffbc000;

	CHECKED(ioctl(vm->fd, KVM_SET_TSS_ADDR, 0xfffbd000ul));
	CHECKED(ioctl(vm->fd, KVM_SET_TSS_ADDR, 0xffffd000ul));
	ASSERT_ERRNO(ioctl(vm->fd, KVM_SET_TSS_ADDR, 0xffffe000ul), EINVAL);
	ASSERT_ERRNO(ioctl(vm->fd, KVM_SET_TSS_ADDR, 1ul << 32), EINVAL);
	CHECKED(ioctl(vm->fd, KVM_SET_IDENTITY_MAP_ADDR, &map));
	ASSERT_ERRNO(ioctl(vm->fd, KVM_SET_IDENTITY_MAP_ADDR, NOWHERE), EFAULT);
	vm_add_vcpu(vm, 0);
	ASSERT_ERRNO(ioctl(vm->fd, KVM_SET_IDENTITY_MAP_ADDR, &map), EINVAL);
	CHECKED(ioctl(vm->fd, KVM_SET_TSS_ADDR, 0xfffbd000ul));
	vm_free(vm);
}

/* An edge; what became of it. */
static int edge(struct vm *vm, u32 gsi)
{
	struct kvm_irq_level line = { .irq = gsi, .level = 1 }, low = { .irq = gsi };

	CHECKED(ioctl(vm->fd, KVM_IRQ_LINE_STATUS, &line));
	CHECKED(ioctl(vm->fd, KVM_IRQ_LINE_STATUS, &low));
	return line.status;
}

#define APIC_SPIV	0xf0
#define PIN		20

static void line_status(const void *arg)
{
	struct vm *vm = vm_new(NULL);
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };
	struct kvm_lapic_state lapic;

	ASSERT_EQ(edge(vm, 1000), -1);		/* leads nowhere */
	ASSERT_EQ(edge(vm, PIN), -1);		/* masked */
	CHECKED(ioctl(vm->vcpu[0].fd, KVM_GET_LAPIC, &lapic));
	lapic.regs[APIC_SPIV + 1] |= 1;		/* software enable */
	CHECKED(ioctl(vm->vcpu[0].fd, KVM_SET_LAPIC, &lapic));
	CHECKED(ioctl(vm->fd, KVM_GET_IRQCHIP, &chip));
	chip.chip.ioapic.redirtbl[PIN].bits = 0x51;
	CHECKED(ioctl(vm->fd, KVM_SET_IRQCHIP, &chip));
	ASSERT_EQ(edge(vm, PIN), 1);
	ASSERT_EQ(edge(vm, PIN), 0);		/* one waits already */
	ASSERT_ERRNO(ioctl(vm->fd, KVM_IRQ_LINE_STATUS, NOWHERE), EFAULT);
	vm_free(vm);
}

static void interrupt_numbers(const void *arg)
{
	struct vm *vm = vm_new(&(struct vm_config) { .no_irqchip = true });
	struct kvm_irq_routing none = { };
	struct kvm_sregs sregs;

	ASSERT_ERRNO(ioctl(vm->vcpu[0].fd, KVM_INTERRUPT, &(struct kvm_interrupt) { 256 }), EINVAL);
	ASSERT_ERRNO(ioctl(vm->vcpu[0].fd, KVM_INTERRUPT, &(struct kvm_interrupt) { ~0u }), EINVAL);
	/* Without an APIC the last one counts. */
	CHECKED(ioctl(vm->vcpu[0].fd, KVM_INTERRUPT, &(struct kvm_interrupt) { 0x30 }));
	CHECKED(ioctl(vm->vcpu[0].fd, KVM_INTERRUPT, &(struct kvm_interrupt) { 0x31 }));
	CHECKED(ioctl(vm->vcpu[0].fd, KVM_GET_SREGS, &sregs));
	ASSERT_EQ(sregs.interrupt_bitmap[0], 1ull << 0x31);
	/* A table that cannot be read comes before one that cannot be had. */
	ASSERT_ERRNO(ioctl(vm->fd, KVM_SET_GSI_ROUTING, 8), EFAULT);
	ASSERT_ERRNO(ioctl(vm->fd, KVM_SET_GSI_ROUTING, &none), EINVAL);
	vm_free(vm);
}

static void eventfds(const void *arg)
{
	struct vm *vm = vm_new(NULL);
	int event = CHECKED(eventfd(0, 0));
	struct kvm_irqfd irq = { .fd = -1, .gsi = 5 };
	struct kvm_ioeventfd io = { .fd = event, .addr = 0x700, .len = 3,
				    .flags = KVM_IOEVENTFD_FLAG_PIO };

	ASSERT_ERRNO(ioctl(vm->fd, KVM_IRQFD, &irq), EBADF);
	irq.fd = vm->fd;
	ASSERT_ERRNO(ioctl(vm->fd, KVM_IRQFD, &irq), EINVAL);
	irq.fd = event;
	irq.flags = 0x80;
	ASSERT_ERRNO(ioctl(vm->fd, KVM_IRQFD, &irq), EINVAL);
	irq.flags = 0;
	CHECKED(ioctl(vm->fd, KVM_IRQFD, &irq));
	ASSERT_ERRNO(ioctl(vm->fd, KVM_IRQFD, &irq), EBUSY);
	irq.flags = KVM_IRQFD_FLAG_DEASSIGN;
	CHECKED(ioctl(vm->fd, KVM_IRQFD, &irq));

	ASSERT_ERRNO(ioctl(vm->fd, KVM_IOEVENTFD, &io), EINVAL);
	io.len = 4;
	io.flags = 0x100;
	ASSERT_ERRNO(ioctl(vm->fd, KVM_IOEVENTFD, &io), EINVAL);
	io.flags = 0;
	io.addr = ~0ull;
	ASSERT_ERRNO(ioctl(vm->fd, KVM_IOEVENTFD, &io), EINVAL);
	io.addr = 0x700;
	io.fd = -1;
	ASSERT_ERRNO(ioctl(vm->fd, KVM_IOEVENTFD, &io), EBADF);
	io.fd = event;
	io.flags = KVM_IOEVENTFD_FLAG_DEASSIGN;
	ASSERT_ERRNO(ioctl(vm->fd, KVM_IOEVENTFD, &io), ENOENT);
	io.flags = 0;
	io.len = 0;
	io.datamatch = 1;
	io.flags = KVM_IOEVENTFD_FLAG_DATAMATCH;
	ASSERT_ERRNO(ioctl(vm->fd, KVM_IOEVENTFD, &io), EINVAL);
	vm_free(vm);
}

static u64 now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

#define CROWD 300

/* So many irqfds that end at once are none of another machine's business, and no work for it. */
static void irqfds_leave(const void *arg)
{
	struct vm *crowd = vm_new(NULL), *vm = vm_new(NULL);
	struct kvm_irqfd irq = { .fd = CHECKED(eventfd(0, 0)), .gsi = 5 };
	struct kvm_irqfd one = { .gsi = 6, .flags = KVM_IRQFD_FLAG_RESAMPLE };
	u64 begun, other, own;
	int event[CROWD], i;

	need_ditto();
	one.resamplefd = CHECKED(eventfd(0, 0));
	for (i = 0; i < CROWD; i++) {
		one.fd = event[i] = CHECKED(eventfd(0, 0));
		CHECKED(ioctl(crowd->fd, KVM_IRQFD, &one));
	}
	CHECKED(ioctl(vm->fd, KVM_IRQFD, &irq));
	for (i = 0; i < CROWD; i++)
		close(event[i]);
	begun = now_ms();
	irq.flags = KVM_IRQFD_FLAG_DEASSIGN;
	CHECKED(ioctl(vm->fd, KVM_IRQFD, &irq));
	other = now_ms() - begun;
	begun = now_ms();
	vm_free(crowd);
	own = now_ms() - begun;
	note("%lu ms, and %lu ms until all are gone", other, own);
	ASSERT(other < 1000 && own < 2000);
	/* A GSI that all have left can have others. */
	one.fd = irq.fd;
	for (i = 0; i < 3; i++) {
		one.flags = KVM_IRQFD_FLAG_RESAMPLE;
		CHECKED(ioctl(vm->fd, KVM_IRQFD, &one));
		one.flags = KVM_IRQFD_FLAG_DEASSIGN;
		CHECKED(ioctl(vm->fd, KVM_IRQFD, &one));
	}
	vm_free(vm);
	close(irq.fd);
	close(one.resamplefd);
}

#define MOST_IRQFDS 8192

/* A machine has as many irqfds as it can be given, and not as many as there are eventfds. */
static void irqfds_many(const void *arg)
{
	struct rlimit files = { 2 * MOST_IRQFDS, 2 * MOST_IRQFDS };
	struct vm *vm = vm_new(NULL);
	struct kvm_irqfd irq = { .gsi = 7 };
	int i, first = 0;

	need_ditto();
	CHECKED(setrlimit(RLIMIT_NOFILE, &files));
	for (i = 0; i < MOST_IRQFDS; i++) {
		irq.fd = CHECKED(eventfd(0, 0));
		if (!i)
			first = irq.fd;
		CHECKED(ioctl(vm->fd, KVM_IRQFD, &irq));
	}
	irq.fd = CHECKED(eventfd(0, 0));
	ASSERT_ERRNO(ioctl(vm->fd, KVM_IRQFD, &irq), ENOSPC);
	irq.fd = first;
	irq.flags = KVM_IRQFD_FLAG_DEASSIGN;
	CHECKED(ioctl(vm->fd, KVM_IRQFD, &irq));
	irq.flags = 0;
	CHECKED(ioctl(vm->fd, KVM_IRQFD, &irq));
	vm_free(vm);
}

static int set_route(struct vm *vm, struct kvm_irq_routing_entry entry, u32 flags)
{
	struct kvm_irq_routing *table = calloc(1, sizeof(*table) + sizeof(entry));
	int result;

	table->nr = 1;
	table->flags = flags;
	table->entries[0] = entry;
	result = ioctl(vm->fd, KVM_SET_GSI_ROUTING, table);
	free(table);
	return result;
}

static void routes(const void *arg)
{
	struct vm *vm = vm_new(NULL);
	struct kvm_irq_routing_entry good = { .gsi = 30, .type = KVM_IRQ_ROUTING_MSI };
	struct kvm_irq_routing_entry bad = good;
	struct kvm_irq_routing huge = { .nr = 0xffffffff };

	ASSERT_EQ(set_route(vm, good, 0), 0);
	ASSERT_ERRNO(set_route(vm, good, 1), EINVAL);
	bad.type = 77;
	ASSERT_ERRNO(set_route(vm, bad, 0), EINVAL);
	bad = good;
	bad.gsi = 0x7fffffff;
	ASSERT_ERRNO(set_route(vm, bad, 0), EINVAL);
	bad = good;
	bad.flags = 0x80;
	ASSERT_ERRNO(set_route(vm, bad, 0), EINVAL);
	bad = (struct kvm_irq_routing_entry) { .gsi = 3, .type = KVM_IRQ_ROUTING_IRQCHIP,
					       .u.irqchip = { .irqchip = 9, .pin = 1 } };
	ASSERT_ERRNO(set_route(vm, bad, 0), EINVAL);
	bad.u.irqchip.irqchip = KVM_IRQCHIP_IOAPIC;
	bad.u.irqchip.pin = 24;
	ASSERT_ERRNO(set_route(vm, bad, 0), EINVAL);
	ASSERT_ERRNO(ioctl(vm->fd, KVM_SET_GSI_ROUTING, &huge), EINVAL);
	vm_free(vm);
}

static void bad_sregs(struct vcpu *vcpu)
{
	struct kvm_sregs good = vcpu_sregs(vcpu), bad = good;

	bad.cr4 |= 1ull << 40;
	ASSERT_ERRNO(ioctl(vcpu->fd, KVM_SET_SREGS, &bad), EINVAL);
	bad = good;
	bad.cr4 &= ~0x20ull;		/* long mode without PAE */
	ASSERT_ERRNO(ioctl(vcpu->fd, KVM_SET_SREGS, &bad), EINVAL);
	bad = good;
	bad.cr0 |= 1ull << 33;
	ASSERT_ERRNO(ioctl(vcpu->fd, KVM_SET_SREGS, &bad), EINVAL);
	bad = good;
	bad.efer |= 1ull << 50;
	ASSERT_ERRNO(ioctl(vcpu->fd, KVM_SET_SREGS, &bad), EINVAL);
	bad = good;
	bad.apic_base = ~0ull;
	ASSERT_ERRNO(ioctl(vcpu->fd, KVM_SET_SREGS, &bad), EINVAL);
	bad = vcpu_sregs(vcpu);
	ASSERT(!memcmp(&good, &bad, sizeof(good)));
}

static void bad_events(struct vcpu *vcpu)
{
	struct kvm_vcpu_events events = { .flags = 0x80000000 };

	ASSERT_ERRNO(ioctl(vcpu->fd, KVM_SET_VCPU_EVENTS, &events), EINVAL);
	events.flags = 0;
	events.exception.injected = 1;
	events.exception.nr = 77;
	ASSERT_ERRNO(ioctl(vcpu->fd, KVM_SET_VCPU_EVENTS, &events), EINVAL);
	events.exception.nr = 2;	/* an NMI is no exception */
	ASSERT_ERRNO(ioctl(vcpu->fd, KVM_SET_VCPU_EVENTS, &events), EINVAL);
}

static void bad_debug_registers(struct vcpu *vcpu)
{
	struct kvm_debugregs debug = { .dr7 = 1ull << 40 };

	ASSERT_ERRNO(ioctl(vcpu->fd, KVM_SET_DEBUGREGS, &debug), EINVAL);
	debug.dr7 = 0x400;
	debug.dr6 = 1ull << 40;
	ASSERT_ERRNO(ioctl(vcpu->fd, KVM_SET_DEBUGREGS, &debug), EINVAL);
	debug.dr6 = 0xffff0ff0;
	debug.flags = 1;
	ASSERT_ERRNO(ioctl(vcpu->fd, KVM_SET_DEBUGREGS, &debug), EINVAL);
}

/* vCPU state that cannot be is refused, and the old stays. */
static void vcpu_state(const void *arg)
{
	struct vm *vm = vm_new(NULL);
	struct vcpu *vcpu = &vm->vcpu[0];
	struct kvm_mp_state mp = { .mp_state = 99 };

	vcpu_call(vcpu, "g_arith", 0);
	bad_sregs(vcpu);
	ASSERT_ERRNO(ioctl(vcpu->fd, KVM_SET_MP_STATE, &mp), EINVAL);
	bad_events(vcpu);
	bad_debug_registers(vcpu);
	/* One bad MSR: the number of good ones before it. */
	ASSERT_EQ(vcpu_try_set_msr(vcpu, 0x12345, 1), 0);
	ASSERT_EQ(vcpu_try_set_msr(vcpu, 0xc0000082, 1ull << 63), 0);
	ASSERT_EQ(vcpu_try_set_msr(vcpu, 0xc0000082, 0x1000), 1);
	vcpu_run_done(vcpu);
	vm_free(vm);
}

/* A VMM that scribbles over kvm_run at every exit hurts only itself. */
static void garbage_run_page(const void *arg)
{
	struct vm *vm = vm_new(NULL);
	struct vcpu *vcpu = &vm->vcpu[0];
	unsigned int i;

	for (i = 0; i < 50; i++) {
		vcpu_call(vcpu, i & 1 ? "g_port_ins" : "g_mmio_string", 0);
		for (unsigned int j = 0; j < 6; j++) {
			int result = vcpu_enter(vcpu);

			/* It saw nonsense and said so; it would halt now. */
			if (result == KVM_EXIT_IO && vcpu->run->io.port == GUEST_PORT_DONE)
				break;
			if (result < 0 && result != -EINTR && result != -EINVAL)
				fail("KVM_RUN: %s", strerrorname_np(-result));
			for (size_t k = 0; k < vcpu->run_size; k++)
				((u8 *)vcpu->run)[k] = k * 31 + i * 7 + j;
			vcpu->run->immediate_exit = 0;
			vcpu->run->kvm_valid_regs = vcpu->run->kvm_dirty_regs = 0;
			vcpu->run->request_interrupt_window = 0;
		}
	}
	vm_free(vm);
	/* The host is well: another machine runs. */
	vm = vm_new(NULL);
	vm_call(vm, "g_port_ins", 0);
	vm_free(vm);
}

static const struct tap_test tests[] = {
	{ "version", version },
	{ "no_argument", no_argument },
	{ "extensions", extensions },
	{ "unknown_ioctls", unknown_ioctls },
	{ "bad_pointers", bad_pointers },
	{ "lists_too_small", lists_too_small },
	{ "vcpu_ids", vcpu_ids },
	{ "wrong_order", wrong_order },
	{ "mapped_pages", mapped_pages },
	{ "interrupt_numbers", interrupt_numbers },
	{ "addresses", addresses }, { "line_status", line_status },
	{ "eventfds", eventfds },
	{ "irqfds_leave", irqfds_leave, .seconds = 60 },
	{ "irqfds_many", irqfds_many, .seconds = 60 },
	{ "routes", routes },
	{ "vcpu_state", vcpu_state },
	{ "garbage_run_page", garbage_run_page, .seconds = 60 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, tests, ARRAY_SIZE(tests));
}
