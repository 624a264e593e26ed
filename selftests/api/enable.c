// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_ENABLE_CAP: what it refuses, and what each capability changes once it is enabled.
 */
#include <sys/eventfd.h>
#include <sys/ioctl.h>

#include "vm.h"

#define DR6_RESET	0xffff0ff0u
#define APIC_LVT0	0x350
#define QUIRK_STUFF_FEATURE_MSRS	(1 << 8)	/* younger than the headers here */

static int enable(int fd, u32 cap, u64 arg)
{
	return ioctl(fd, KVM_ENABLE_CAP, &(struct kvm_enable_cap) { .cap = cap, .args[0] = arg });
}

static void refused(const void *arg)
{
	struct vm *vm = vm_new(NULL);
	struct kvm_enable_cap cap = { .cap = KVM_CAP_EXCEPTION_PAYLOAD, .flags = 1 };

	ASSERT_EQ(vm_cap(vm, KVM_CAP_ENABLE_CAP_VM), 1);
	ASSERT_ERRNO(ioctl(vm->fd, KVM_ENABLE_CAP, &cap), EINVAL);
	ASSERT_ERRNO(ioctl(vm->fd, KVM_ENABLE_CAP, 8), EFAULT);
	ASSERT_ERRNO(ioctl(vm->vcpu[0].fd, KVM_ENABLE_CAP, 8), EFAULT);
	ASSERT_ERRNO(enable(vm->fd, 0, 0), EINVAL);
	ASSERT_ERRNO(enable(vm->fd, KVM_CAP_IRQCHIP, 0), EINVAL);
	ASSERT_ERRNO(enable(vm->fd, ~0u, 0), EINVAL);
	/* What is a VM's is not a vCPU's. */
	ASSERT_ERRNO(enable(vm->vcpu[0].fd, 0, 0), EINVAL);
	ASSERT_ERRNO(enable(vm->vcpu[0].fd, KVM_CAP_EXCEPTION_PAYLOAD, 1), EINVAL);
	ASSERT_ERRNO(enable(vm->fd, KVM_CAP_DISABLE_QUIRKS2, 1ull << 63), EINVAL);
	vm_free(vm);
}

static u32 lvt0(struct vcpu *vcpu)
{
	struct kvm_lapic_state lapic;

	CHECKED(ioctl(vcpu->fd, KVM_GET_LAPIC, &lapic));
	return *(u32 *)&lapic.regs[APIC_LVT0];
}

/* LINT0 of the first CPU is open to the PIC at reset, unless the VMM disables that. */
static void quirks(const void *arg)
{
	struct vm *vm = vm_new(&(struct vm_config) { .empty = true });
	u64 mask = vm_cap(vm, KVM_CAP_DISABLE_QUIRKS2);

	ASSERT(mask & KVM_X86_QUIRK_LINT0_REENABLED);
	ASSERT_EQ(vm_cap(vm, KVM_CAP_DISABLE_QUIRKS), 1);
	/* One that nobody knows is ignored, or refused. */
	CHECKED(enable(vm->fd, KVM_CAP_DISABLE_QUIRKS, 1ull << 62));
	ASSERT_ERRNO(enable(vm->fd, KVM_CAP_DISABLE_QUIRKS2,
			    1ull << 62 | KVM_X86_QUIRK_LINT0_REENABLED), EINVAL);
	ASSERT_EQ(lvt0(vm_add_vcpu(vm, 0)), 0x700);
	vm_free(vm);

	vm = vm_new(&(struct vm_config) { .empty = true });
	CHECKED(enable(vm->fd, KVM_CAP_DISABLE_QUIRKS2, KVM_X86_QUIRK_LINT0_REENABLED));
	/* Nothing turns it on again. */
	CHECKED(enable(vm->fd, KVM_CAP_DISABLE_QUIRKS2, 0));
	ASSERT_EQ(lvt0(vm_add_vcpu(vm, 0)), 0x10000);
	vm_free(vm);
}

static struct kvm_vcpu_events events(struct vcpu *vcpu)
{
	struct kvm_vcpu_events e;

	CHECKED(ioctl(vcpu->fd, KVM_GET_VCPU_EVENTS, &e));
	return e;
}

static u64 dr6(struct vcpu *vcpu)
{
	struct kvm_debugregs debug;

	CHECKED(ioctl(vcpu->fd, KVM_GET_DEBUGREGS, &debug));
	return debug.dr6;
}

/* An exception that waits is seen as such, and cr2 gets its address only at delivery. */
static void payload(const void *arg)
{
	struct vm *vm = vm_new(NULL);
	struct vcpu *vcpu = &vm->vcpu[0];
	struct kvm_vcpu_events e = {
		.flags = KVM_VCPUEVENT_VALID_PAYLOAD,
		.exception = { .pending = 1, .nr = 14, .has_error_code = 1, .error_code = 2 },
		.exception_has_payload = 1, .exception_payload = 0x123456789000,
	};

	ASSERT_EQ(vm_cap(vm, KVM_CAP_EXCEPTION_PAYLOAD), 1);
	vcpu_call(vcpu, "g_nothing", 0);
	ASSERT_ERRNO(ioctl(vcpu->fd, KVM_SET_VCPU_EVENTS, &e), EINVAL);
	ASSERT(!(events(vcpu).flags & KVM_VCPUEVENT_VALID_PAYLOAD));
	CHECKED(enable(vm->fd, KVM_CAP_EXCEPTION_PAYLOAD, 1));
	e.exception.nr = 32;
	ASSERT_ERRNO(ioctl(vcpu->fd, KVM_SET_VCPU_EVENTS, &e), EINVAL);
	e.exception.nr = 14;
	CHECKED(ioctl(vcpu->fd, KVM_SET_VCPU_EVENTS, &e));
	e = events(vcpu);
	ASSERT(e.flags & KVM_VCPUEVENT_VALID_PAYLOAD);
	ASSERT_EQ(e.exception.pending, 1);
	ASSERT_EQ(e.exception.injected, 0);
	ASSERT_EQ(e.exception_has_payload, 1);
	ASSERT_EQ(e.exception_payload, 0x123456789000);
	ASSERT_EQ(vcpu_sregs(vcpu).cr2, 0);
	/* Who disables it sees them in one again, with the payload where it belongs. */
	CHECKED(enable(vm->fd, KVM_CAP_EXCEPTION_PAYLOAD, 0));
	e = events(vcpu);
	ASSERT_EQ(e.exception.injected, 1);
	ASSERT_EQ(e.exception_has_payload, 0);
	ASSERT_EQ(vcpu_sregs(vcpu).cr2, 0x123456789000);
	vm_free(vm);
}

/* The guest finds in dr6 what came with its #DB, and only bits that dr6 has. */
static void payload_delivered(const void *arg)
{
	struct vm *vm = vm_new(NULL);
	struct vcpu *vcpu = &vm->vcpu[0];
	struct kvm_vcpu_events e = {
		.flags = KVM_VCPUEVENT_VALID_PAYLOAD,
		.exception = { .pending = 1, .nr = 1 },
		.exception_has_payload = 1, .exception_payload = 0x4001 | 0x1000 | 1ull << 40,
	};

	CHECKED(enable(vm->fd, KVM_CAP_EXCEPTION_PAYLOAD, 1));
	vcpu_call(vcpu, "g_nothing", 0);
	CHECKED(ioctl(vcpu->fd, KVM_SET_VCPU_EVENTS, &e));
	ASSERT_EQ(dr6(vcpu), DR6_RESET);
	vcpu->run->immediate_exit = 1;
	ASSERT_EQ(vcpu_enter(vcpu), -EINTR);
	vcpu->run->immediate_exit = 0;
	ASSERT_EQ(events(vcpu).exception.pending, 1);
	/* The guest has no handler, and says so. */
	vcpu_enter(vcpu);
	if (tap.ditto)
		ASSERT_EQ(dr6(vcpu), DR6_RESET | 0x4001);
	ASSERT_EQ(events(vcpu).exception.pending, 0);
	vm_free(vm);
}

static void triple_fault(const void *arg)
{
	struct vm *vm = vm_new(NULL);
	struct vcpu *vcpu = &vm->vcpu[0];
	struct kvm_vcpu_events e = {
		.flags = KVM_VCPUEVENT_VALID_TRIPLE_FAULT, .triple_fault.pending = 1,
	};

	ASSERT_EQ(vm_cap(vm, KVM_CAP_X86_TRIPLE_FAULT_EVENT), 1);
	vcpu_call(vcpu, "g_nothing", 0);
	ASSERT_ERRNO(ioctl(vcpu->fd, KVM_SET_VCPU_EVENTS, &e), EINVAL);
	CHECKED(enable(vm->fd, KVM_CAP_X86_TRIPLE_FAULT_EVENT, 1));
	CHECKED(ioctl(vcpu->fd, KVM_SET_VCPU_EVENTS, &e));
	ASSERT_EQ(events(vcpu).triple_fault.pending, 1);
	ASSERT(events(vcpu).flags & KVM_VCPUEVENT_VALID_TRIPLE_FAULT);
	ASSERT_EQ(vcpu_enter(vcpu), KVM_EXIT_SHUTDOWN);
	ASSERT_EQ(events(vcpu).triple_fault.pending, 0);
	/* It can be taken back. */
	CHECKED(ioctl(vcpu->fd, KVM_SET_VCPU_EVENTS, &e));
	e.triple_fault.pending = 0;
	CHECKED(ioctl(vcpu->fd, KVM_SET_VCPU_EVENTS, &e));
	vcpu_run_done(vcpu);
	vm_free(vm);
}

/* What of the APIC's page and of foreign hypercalls becomes of a CPU that has neither. */
static void quirks_of_cpu(const void *arg)
{
	struct vm *vm = vm_new(NULL);
	struct vcpu *vcpu = &vm->vcpu[0];

	CHECKED(enable(vm->fd, KVM_CAP_DISABLE_QUIRKS2,
		       KVM_X86_QUIRK_LAPIC_MMIO_HOLE | KVM_X86_QUIRK_FIX_HYPERCALL_INSN));
	vcpu_call(vcpu, "g_apic_hole", 0);
	ASSERT_EQ(vcpu_run(vcpu), KVM_EXIT_MMIO);
	ASSERT_EQ(vcpu->run->mmio.phys_addr, 0xfee00030);
	vm_free(vm);
	vm = vm_new(NULL);
	CHECKED(enable(vm->fd, KVM_CAP_DISABLE_QUIRKS2, KVM_X86_QUIRK_FIX_HYPERCALL_INSN));
	vm_call(vm, "g_hypercall_undefined", 0);
	vm_free(vm);
}

static int route_pin(struct vm *vm)
{
	struct {
		struct kvm_irq_routing head;
		struct kvm_irq_routing_entry entry;
	} table = { { .nr = 1 }, { .gsi = 1, .type = KVM_IRQ_ROUTING_IRQCHIP,
				   .u.irqchip = { KVM_IRQCHIP_IOAPIC, 1 } } };

	return ioctl(vm->fd, KVM_SET_GSI_ROUTING, &table);
}

static void split(const void *arg)
{
	struct vm *vm = vm_new(&(struct vm_config) { .empty = true, .no_irqchip = true });
	struct kvm_irqfd irqfd = { .fd = CHECKED(eventfd(0, 0)), .gsi = 1 };
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };
	struct kvm_interrupt irq = { .irq = 0x30 };
	struct kvm_pit_config pit = { };
	struct vcpu *vcpu;

	ASSERT_EQ(vm_cap(vm, KVM_CAP_SPLIT_IRQCHIP), 1);
	ASSERT_ERRNO(enable(vm->fd, KVM_CAP_SPLIT_IRQCHIP, 4097), EINVAL);
	CHECKED(enable(vm->fd, KVM_CAP_SPLIT_IRQCHIP, 24));
	ASSERT_ERRNO(enable(vm->fd, KVM_CAP_SPLIT_IRQCHIP, 24), EEXIST);
	ASSERT_ERRNO(ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0), EEXIST);
	ASSERT_ERRNO(ioctl(vm->fd, KVM_CREATE_PIT2, &pit), ENOENT);
	ASSERT_ERRNO(ioctl(vm->fd, KVM_GET_IRQCHIP, &chip), ENXIO);
	ASSERT_ERRNO(ioctl(vm->fd, KVM_SET_IRQCHIP, &chip), ENXIO);
	ASSERT_ERRNO(route_pin(vm), EINVAL);
	CHECKED(ioctl(vm->fd, KVM_IRQFD, &irqfd));
	irqfd.flags = KVM_IRQFD_FLAG_DEASSIGN;
	CHECKED(ioctl(vm->fd, KVM_IRQFD, &irqfd));
	irqfd.flags = KVM_IRQFD_FLAG_RESAMPLE;
	irqfd.resamplefd = CHECKED(eventfd(0, 0));
	ASSERT_ERRNO(ioctl(vm->fd, KVM_IRQFD, &irqfd), EINVAL);
	vcpu = vm_add_vcpu(vm, 0);
	ASSERT_EQ(lvt0(vcpu), 0x700);
	CHECKED(ioctl(vcpu->fd, KVM_INTERRUPT, &irq));
	ASSERT_ERRNO(ioctl(vcpu->fd, KVM_INTERRUPT, &irq), EEXIST);
	vm_free(vm);

	vm = vm_new(&(struct vm_config) { .empty = true, .no_irqchip = true });
	vm_add_vcpu(vm, 0);
	ASSERT_ERRNO(enable(vm->fd, KVM_CAP_SPLIT_IRQCHIP, 24), EEXIST);
	vm_free(vm);
	vm = vm_new(&(struct vm_config) { .empty = true });
	ASSERT_ERRNO(enable(vm->fd, KVM_CAP_SPLIT_IRQCHIP, 24), EEXIST);
	vm_free(vm);
}

#define APIC_ID		0x20
#define APIC_SPIV	0xf0
#define X2APIC_BASE	0xfee00c00

static u32 *apic_reg(struct kvm_lapic_state *lapic, u32 offset)
{
	return (u32 *)&lapic->regs[offset];
}

/* A vCPU with id 1 whose APIC is an x2APIC, and enabled. */
static struct vcpu *add_x2apic(struct vm *vm, struct kvm_lapic_state *lapic)
{
	struct vcpu *vcpu = vm_add_vcpu(vm, 1);

	vcpu_set_cpuid(vcpu);
	ASSERT_EQ(vcpu_try_set_msr(vcpu, 0x1b, X2APIC_BASE), 1);
	CHECKED(ioctl(vcpu->fd, KVM_GET_LAPIC, lapic));
	*apic_reg(lapic, APIC_SPIV) = 0x1ff;
	CHECKED(ioctl(vcpu->fd, KVM_SET_LAPIC, lapic));
	return vcpu;
}

static void x2apic(const void *arg)
{
	struct vm *vm = vm_new(&(struct vm_config) { .empty = true });
	struct kvm_msi msi = { .address_lo = 0xfeeff000, .data = 0x45 };
	struct kvm_lapic_state lapic;
	struct vcpu *vcpu;

	ASSERT_EQ(vm_cap(vm, KVM_CAP_X2APIC_API), 3);
	ASSERT_ERRNO(enable(vm->fd, KVM_CAP_X2APIC_API, 4), EINVAL);
	vcpu = add_x2apic(vm, &lapic);
	ASSERT_EQ(*apic_reg(&lapic, APIC_ID), 1u << 24);
	/* To 0xff means to all, and the upper half of the address means nothing. */
	msi.address_hi = 0x55;
	ASSERT_EQ(ioctl(vm->fd, KVM_SIGNAL_MSI, &msi), 1);
	CHECKED(enable(vm->fd, KVM_CAP_X2APIC_API, KVM_X2APIC_API_USE_32BIT_IDS));
	CHECKED(ioctl(vcpu->fd, KVM_GET_LAPIC, &lapic));
	ASSERT_EQ(*apic_reg(&lapic, APIC_ID), 1);
	*apic_reg(&lapic, APIC_ID) = 1u << 24;
	ASSERT_ERRNO(ioctl(vcpu->fd, KVM_SET_LAPIC, &lapic), EINVAL);
	*apic_reg(&lapic, APIC_ID) = 1;
	CHECKED(ioctl(vcpu->fd, KVM_SET_LAPIC, &lapic));
	ASSERT_ERRNO(ioctl(vm->fd, KVM_SIGNAL_MSI, &msi), EINVAL);
	msi.address_hi = 0x100;
	msi.address_lo = 0xfee01000;
	ASSERT_EQ(ioctl(vm->fd, KVM_SIGNAL_MSI, &msi), 0);
	msi.address_hi = 0;
	msi.data = 0x46;
	ASSERT_EQ(ioctl(vm->fd, KVM_SIGNAL_MSI, &msi), 1);
	vm_free(vm);

	/* Without the quirk 0xff is an id like others. */
	vm = vm_new(&(struct vm_config) { .empty = true });
	CHECKED(enable(vm->fd, KVM_CAP_X2APIC_API, KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK));
	add_x2apic(vm, &lapic);
	msi.address_lo = 0xfeeff000;
	ASSERT_EQ(ioctl(vm->fd, KVM_SIGNAL_MSI, &msi), 0);
	vm_free(vm);
}

static void max_vcpu_id(const void *arg)
{
	struct vm *vm = vm_new(&(struct vm_config) { .empty = true });

	ASSERT_ERRNO(enable(vm->fd, KVM_CAP_MAX_VCPU_ID, vm_cap(vm, KVM_CAP_MAX_VCPU_ID) + 1),
		     EINVAL);
	CHECKED(enable(vm->fd, KVM_CAP_MAX_VCPU_ID, 4));
	CHECKED(enable(vm->fd, KVM_CAP_MAX_VCPU_ID, 4));
	ASSERT_ERRNO(enable(vm->fd, KVM_CAP_MAX_VCPU_ID, 5), EINVAL);
	ASSERT_ERRNO(ioctl(vm->fd, KVM_SET_BOOT_CPU_ID, 5), EINVAL);
	ASSERT_ERRNO(ioctl(vm->fd, KVM_CREATE_VCPU, 4), EINVAL);
	vm_add_vcpu(vm, 3);
	vm_free(vm);
	/* One that is there already may be above it. */
	vm = vm_new(&(struct vm_config) { .empty = true });
	vm_add_vcpu(vm, 7);
	ASSERT_ERRNO(enable(vm->fd, KVM_CAP_MAX_VCPU_ID, 4), EINVAL);
	CHECKED(enable(vm->fd, KVM_CAP_MAX_VCPU_ID, vm_cap(vm, KVM_CAP_MAX_VCPU_ID)));
	vm_free(vm);
}

/* Exits that only few CPUs have. */
static void rare_exits(const void *arg)
{
	const u64 window = 100000ull << 32;
	struct vm *vm = vm_new(&(struct vm_config) { .empty = true });
	int off_and_exit = vm_cap(vm, KVM_CAP_X86_BUS_LOCK_EXIT);

	ASSERT(!off_and_exit || off_and_exit == 3);
	ASSERT_ERRNO(enable(vm->fd, KVM_CAP_X86_BUS_LOCK_EXIT, 4), EINVAL);
	ASSERT_ERRNO(enable(vm->fd, KVM_CAP_X86_BUS_LOCK_EXIT, 3), EINVAL);
	if (off_and_exit)
		CHECKED(enable(vm->fd, KVM_CAP_X86_BUS_LOCK_EXIT, KVM_BUS_LOCK_DETECTION_EXIT));
	else
		ASSERT_ERRNO(enable(vm->fd, KVM_CAP_X86_BUS_LOCK_EXIT,
				    KVM_BUS_LOCK_DETECTION_EXIT), EINVAL);
	ASSERT_ERRNO(enable(vm->fd, KVM_CAP_X86_NOTIFY_VMEXIT, window), EINVAL);
	ASSERT_ERRNO(enable(vm->fd, KVM_CAP_X86_NOTIFY_VMEXIT, window | 5), EINVAL);
	if (vm_cap(vm, KVM_CAP_X86_NOTIFY_VMEXIT))
		CHECKED(enable(vm->fd, KVM_CAP_X86_NOTIFY_VMEXIT, window | 1));
	vm_add_vcpu(vm, 0);
	ASSERT_ERRNO(enable(vm->fd, KVM_CAP_X86_NOTIFY_VMEXIT, window | 1), EINVAL);
	vm_free(vm);
}

#define CODE		0x8000
#define PORT_VAPIC	0x7e

static struct vcpu *flat_code(const u8 *code, size_t size, struct vm **vm)
{
	*vm = vm_new(NULL);
	memcpy((*vm)->ram + CODE, code, size);
	vcpu_enter_mode(&(*vm)->vcpu[0], MODE_PROT32, CODE);
	return &(*vm)->vcpu[0];
}

/* QEMU's option ROM for the TPR expects to be found behind its OUT to this port. */
static void vapic_port(const void *arg)
{
	static const u8 code[] = { 0xe6, PORT_VAPIC, 0xe4, PORT_VAPIC, 0xe6, 0x7f };
	bool off = *(const bool *)arg;
	struct vcpu *vcpu;
	struct vm *vm;

	vcpu = flat_code(code, sizeof(code), &vm);
	if (off)
		CHECKED(enable(vm->fd, KVM_CAP_DISABLE_QUIRKS2, KVM_X86_QUIRK_OUT_7E_INC_RIP));
	ASSERT_EQ(vcpu_enter(vcpu), KVM_EXIT_IO);
	ASSERT_EQ(vcpu->run->io.port, PORT_VAPIC);
	ASSERT_EQ(vcpu_regs(vcpu).rip, off ? CODE : CODE + 2);
	/* Not IN, and no other port. */
	ASSERT_EQ(vcpu_enter(vcpu), KVM_EXIT_IO);
	ASSERT_EQ(vcpu->run->io.direction, KVM_EXIT_IO_IN);
	ASSERT_EQ(vcpu_regs(vcpu).rip, CODE + 2);
	ASSERT_EQ(vcpu_enter(vcpu), KVM_EXIT_IO);
	ASSERT_EQ(vcpu->run->io.port, 0x7f);
	ASSERT_EQ(vcpu_regs(vcpu).rip, CODE + 4);
	vm_free(vm);
}

#define ARCH_CAPABILITIES	0x10a
#define PLATFORM_INFO		0xce
#define MISC_FEATURES		0x140
#define CPUID_FAULTS		(1u << 31)

/* What tells of the host is there from the beginning, unless the VMM sets it. */
static void feature_msrs(const void *arg)
{
	struct vm *vm = vm_new(&(struct vm_config) { .empty = true });
	struct vcpu *vcpu;

	if (!(vm_cap(vm, KVM_CAP_DISABLE_QUIRKS2) & QUIRK_STUFF_FEATURE_MSRS))
		skip("no such quirk");
	ASSERT_EQ(vcpu_msr(vm_add_vcpu(vm, 0), PLATFORM_INFO), CPUID_FAULTS);
	CHECKED(enable(vm->fd, KVM_CAP_DISABLE_QUIRKS2, QUIRK_STUFF_FEATURE_MSRS));
	vcpu = vm_add_vcpu(vm, 1);
	ASSERT_EQ(vcpu_msr(vcpu, PLATFORM_INFO), 0);
	ASSERT_EQ(vcpu_msr(vcpu, ARCH_CAPABILITIES), 0);
	/* And with it what rests on it. */
	ASSERT_EQ(vcpu_try_set_msr(vcpu, MISC_FEATURES, 1), 0);
	ASSERT_EQ(vcpu_try_set_msr(vcpu, PLATFORM_INFO, CPUID_FAULTS), 1);
	ASSERT_EQ(vcpu_try_set_msr(vcpu, MISC_FEATURES, 1), 1);
	vm_free(vm);
}

/* CPUID, and OUT, which is allowed at this level. */
static unsigned int after_cpuid(u8 cpl, bool faults)
{
	static const u8 code[] = { 0x0f, 0xa2, 0xe6, 0x7f };
	struct kvm_sregs sregs;
	struct kvm_regs regs;
	struct vcpu *vcpu;
	unsigned int exit;
	struct vm *vm;

	vcpu = flat_code(code, sizeof(code), &vm);
	sregs = vcpu_sregs(vcpu);
	sregs.cs.dpl = sregs.ss.dpl = cpl;
	sregs.cs.selector |= cpl;
	sregs.ss.selector |= cpl;
	CHECKED(ioctl(vcpu->fd, KVM_SET_SREGS, &sregs));
	regs = vcpu_regs(vcpu);
	regs.rflags |= 0x3000;
	CHECKED(ioctl(vcpu->fd, KVM_SET_REGS, &regs));
	ASSERT_EQ(vcpu_try_set_msr(vcpu, MISC_FEATURES, faults), 1);
	exit = vcpu_enter(vcpu);
	vm_free(vm);
	return exit;
}

/* The guest has no IDT, so that a fault is a triple one. */
static void cpuid_faults(const void *arg)
{
	ASSERT_EQ(after_cpuid(3, false), KVM_EXIT_IO);
	ASSERT_EQ(after_cpuid(0, true), KVM_EXIT_IO);
	ASSERT_EQ(after_cpuid(3, true), KVM_EXIT_SHUTDOWN);
}

static const struct tap_test tests[] = {
	{ "refused", refused },
	{ "rare_exits", rare_exits },
	{ "quirks", quirks },
	{ "quirks_of_cpu", quirks_of_cpu },
	{ "vapic_port", vapic_port, &(const bool) { false } },
	{ "vapic_port_exact", vapic_port, &(const bool) { true } },
	{ "feature_msrs", feature_msrs },
	{ "cpuid_faults", cpuid_faults },
	{ "payload", payload },
	{ "payload_delivered", payload_delivered },
	{ "triple_fault", triple_fault },
	{ "split", split },
	{ "x2apic", x2apic },
	{ "max_vcpu_id", max_vcpu_id },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, tests, ARRAY_SIZE(tests));
}
