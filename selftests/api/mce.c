// SPDX-License-Identifier: GPL-2.0-only
/*
 * Machine checks that the VMM reports: which errors end where, and what the banks say
 * afterwards. What a guest with a handler sees is tiny-guests/events.c's.
 */
#include <sys/ioctl.h>
#include <unistd.h>

#include "vm.h"

#define FEATURE_CONTROL	0x3a
#define LOCKED		1ull
#define LMCE_ENABLED	(1ull << 20)
#define MCG_EXT_CTL	0x4d0
#define MCG_CAP		0x179
#define MCG_STATUS	0x17a
#define MCG_CTL		0x17b
#define MC_CTL2(n)	(0x280 + (n))
#define MC_CTL(n)	(0x400 + 4 * (n))
#define MC_STATUS(n)	(MC_CTL(n) + 1)
#define MC_ADDR(n)	(MC_CTL(n) + 2)
#define MC_MISC(n)	(MC_CTL(n) + 3)
#define CAP_CTL		(1ull << 8)
#define CAP_CMCI	(1ull << 10)
#define CAP_SER		(1ull << 24)
#define CAP_LMCE	(1ull << 27)
#define CTL2_CMCI	(1ull << 30)
#define VALID		(1ull << 63)
#define OVERFLOW	(1ull << 62)
#define UNCORRECTED	(1ull << 61)
#define CORRUPT		(1ull << 57)
#define IN_PROGRESS	4ull
#define CR4_MCE		0x40ull
#define BANKS		10

static int setup(struct vcpu *vcpu, u64 cap)
{
	return ioctl(vcpu->fd, KVM_X86_SETUP_MCE, &cap);
}

static int report(struct vcpu *vcpu, u8 bank, u64 status, u64 addr, u64 mcg_status)
{
	struct kvm_x86_mce mce = { .bank = bank, .status = status, .addr = addr,
				   .misc = addr + 1, .mcg_status = mcg_status };

	return ioctl(vcpu->fd, KVM_X86_SET_MCE, &mce);
}

static struct vm *with_banks(void)
{
	struct vm *vm = vm_new(NULL);

	CHECKED(setup(&vm->vcpu[0], CAP_CTL | BANKS));
	return vm;
}

static void arguments(const void *arg)
{
	struct vm *vm = vm_new(NULL);
	struct vcpu *vcpu = &vm->vcpu[0];
	int dev = dev_open();
	u64 cap = 0;

	ASSERT_EQ(vm_cap(vm, KVM_CAP_MCE), 32);
	CHECKED(ioctl(dev, KVM_X86_GET_MCE_CAP_SUPPORTED, &cap));
	ASSERT_EQ(cap & (CAP_CTL | CAP_SER), CAP_CTL | CAP_SER);
	ASSERT_ERRNO(ioctl(dev, KVM_X86_GET_MCE_CAP_SUPPORTED, 8), EFAULT);
	ASSERT_EQ(vcpu_msr(vcpu, MCG_CAP), 32);
	ASSERT_ERRNO(setup(vcpu, 0), EINVAL);
	ASSERT_ERRNO(setup(vcpu, 33), EINVAL);
	ASSERT_ERRNO(setup(vcpu, CAP_CTL), EINVAL);
	ASSERT_ERRNO(setup(vcpu, 1ull << 40 | BANKS), EINVAL);
	ASSERT_EQ(vcpu_msr(vcpu, MCG_CAP), 32);
	CHECKED(setup(vcpu, CAP_CTL | BANKS));
	ASSERT_ERRNO(report(vcpu, BANKS, VALID, 0, 0), EINVAL);
	ASSERT_ERRNO(report(vcpu, 255, VALID, 0, 0), EINVAL);
	ASSERT_ERRNO(report(vcpu, 0, 0, 0, 0), EINVAL);
	vm_free(vm);
}

static void registers(const void *arg)
{
	struct vm *vm = vm_new(NULL);
	struct vcpu *vcpu = &vm->vcpu[0];

	/* VMMs write it even where it is not there. */
	ASSERT_EQ(vcpu_try_set_msr(vcpu, MCG_CTL, 0), 1);
	ASSERT_EQ(vcpu_try_set_msr(vcpu, MCG_CTL, ~0ull), 0);
	CHECKED(setup(vcpu, CAP_CTL | BANKS));
	ASSERT_EQ(vcpu_msr(vcpu, MCG_CAP), CAP_CTL | BANKS);
	ASSERT_EQ(vcpu_msr(vcpu, MCG_CTL), ~0ull);
	ASSERT_EQ(vcpu_msr(vcpu, MC_CTL(BANKS - 1)), ~0ull);
	ASSERT_EQ(vcpu_try_set_msr(vcpu, MCG_CAP, BANKS), 0);
	ASSERT_EQ(vcpu_try_set_msr(vcpu, MCG_CTL, 1), 0);
	ASSERT_EQ(vcpu_try_set_msr(vcpu, MCG_CTL, 0), 1);
	ASSERT_EQ(vcpu_try_set_msr(vcpu, MC_CTL(0), 3), 0);
	ASSERT_EQ(vcpu_try_set_msr(vcpu, MC_STATUS(3), VALID | 0x135), 1);
	ASSERT_EQ(vcpu_msr(vcpu, MC_STATUS(3)), VALID | 0x135);
	ASSERT_EQ(vcpu_try_set_msr(vcpu, MC_ADDR(3), 0x1234), 1);
	ASSERT_EQ(vcpu_try_set_msr(vcpu, MC_CTL(BANKS), 0), 0);
	ASSERT_EQ(vcpu_try_set_msr(vcpu, MC_CTL2(0), 0), 1);
	ASSERT_EQ(vcpu_try_set_msr(vcpu, MC_CTL2(0), 1ull << 30), 0);
	ASSERT_EQ(vcpu_try_set_msr(vcpu, MC_CTL2(BANKS), 0), 0);
	vm_free(vm);
}

/* They wait in their bank; the second one says that there were more. */
static void corrected(const void *arg)
{
	struct vm *vm = with_banks();
	struct vcpu *vcpu = &vm->vcpu[0];

	vcpu_call(vcpu, "g_nothing", 0);
	CHECKED(report(vcpu, 1, VALID | 1, 0x1000, 0));
	ASSERT_EQ(vcpu_msr(vcpu, MC_STATUS(1)), VALID | 1);
	ASSERT_EQ(vcpu_msr(vcpu, MC_ADDR(1)), 0x1000);
	ASSERT_EQ(vcpu_msr(vcpu, MC_MISC(1)), 0x1001);
	CHECKED(report(vcpu, 1, VALID | 2, 0x2000, 0));
	ASSERT_EQ(vcpu_msr(vcpu, MC_STATUS(1)), VALID | OVERFLOW | 2);
	/* An uncorrected one is not lost for it. */
	ASSERT_EQ(vcpu_try_set_msr(vcpu, MC_STATUS(1), VALID | UNCORRECTED | 3), 1);
	CHECKED(report(vcpu, 1, VALID | 4, 0x4000, 0));
	ASSERT_EQ(vcpu_msr(vcpu, MC_STATUS(1)), VALID | UNCORRECTED | OVERFLOW | 3);
	ASSERT_EQ(vcpu_msr(vcpu, MC_ADDR(1)), 0x2000);
	vcpu_run_done(vcpu);
	vm_free(vm);
}

/* Uncorrected, but of data that nobody uses: no #MC. */
static void no_action(const void *arg)
{
	struct vm *vm = with_banks();
	struct vcpu *vcpu = &vm->vcpu[0];

	vcpu_call(vcpu, "g_nothing", 0);
	CHECKED(report(vcpu, 1, VALID | UNCORRECTED, 0x5000, 0));
	ASSERT_EQ(vcpu_msr(vcpu, MC_STATUS(1)), VALID | UNCORRECTED);
	ASSERT_EQ(vcpu_msr(vcpu, MC_ADDR(1)), 0x5000);
	vcpu_run_done(vcpu);
	vm_free(vm);
}

/* Where the guest has turned reports off there is nothing to see. */
static void not_reported(const void *arg)
{
	struct vm *vm = with_banks();
	struct vcpu *vcpu = &vm->vcpu[0];

	vcpu_call(vcpu, "g_nothing", 0);
	ASSERT_EQ(vcpu_try_set_msr(vcpu, MC_CTL(1), 0), 1);
	CHECKED(report(vcpu, 1, VALID | UNCORRECTED | CORRUPT, 0x5000, IN_PROGRESS));
	ASSERT_EQ(vcpu_msr(vcpu, MC_STATUS(1)), 0);
	ASSERT_EQ(vcpu_try_set_msr(vcpu, MC_CTL(1), ~0ull), 1);
	ASSERT_EQ(vcpu_try_set_msr(vcpu, MCG_CTL, 0), 1);
	CHECKED(report(vcpu, 1, VALID | UNCORRECTED | CORRUPT, 0x5000, IN_PROGRESS));
	ASSERT_EQ(vcpu_msr(vcpu, MC_STATUS(1)), 0);
	ASSERT_EQ(vcpu_msr(vcpu, MCG_STATUS), 0);
	vcpu_run_done(vcpu);
	vm_free(vm);
}

/* A guest that takes no #MC, or is in the handler of one. */
static void shutdown(const void *arg)
{
	struct vm *vm = with_banks();
	struct vcpu *vcpu = &vm->vcpu[0];
	struct kvm_sregs sregs;

	vcpu_call(vcpu, "g_nothing", 0);
	CHECKED(report(vcpu, 1, VALID | UNCORRECTED | CORRUPT, 0x5000, IN_PROGRESS));
	ASSERT_EQ(vcpu_msr(vcpu, MC_STATUS(1)), 0);
	ASSERT_EQ(vcpu_enter(vcpu), KVM_EXIT_SHUTDOWN);
	vm_free(vm);

	vm = with_banks();
	vcpu = &vm->vcpu[0];
	vcpu_call(vcpu, "g_nothing", 0);
	sregs = vcpu_sregs(vcpu);
	sregs.cr4 |= CR4_MCE;
	CHECKED(ioctl(vcpu->fd, KVM_SET_SREGS, &sregs));
	ASSERT_EQ(vcpu_try_set_msr(vcpu, MCG_STATUS, IN_PROGRESS), 1);
	CHECKED(report(vcpu, 1, VALID | UNCORRECTED | CORRUPT, 0x5000, IN_PROGRESS));
	ASSERT_EQ(vcpu_enter(vcpu), KVM_EXIT_SHUTDOWN);
	vm_free(vm);
}

static u64 supported(void)
{
	int dev = dev_open();
	u64 cap = 0;

	CHECKED(ioctl(dev, KVM_X86_GET_MCE_CAP_SUPPORTED, &cap));
	close(dev);
	return cap;
}

#define APIC_LVR	0x30
#define APIC_SPIV	0xf0
#define APIC_IRR	0x200
#define APIC_LVTCMCI	0x2f0
#define CMCI_VECTOR	0xa9

static u32 apic_get(struct vcpu *vcpu, u32 offset)
{
	struct kvm_lapic_state state;
	u32 val;

	CHECKED(ioctl(vcpu->fd, KVM_GET_LAPIC, &state));
	memcpy(&val, state.regs + offset, sizeof(val));
	return val;
}

static void apic_put(struct vcpu *vcpu, u32 offset, u32 val)
{
	struct kvm_lapic_state state;

	CHECKED(ioctl(vcpu->fd, KVM_GET_LAPIC, &state));
	memcpy(state.regs + offset, &val, sizeof(val));
	CHECKED(ioctl(vcpu->fd, KVM_SET_LAPIC, &state));
}

static bool cmci_requested(struct vcpu *vcpu)
{
	return apic_get(vcpu, APIC_IRR + (CMCI_VECTOR >> 5) * 0x10) & 1u << (CMCI_VECTOR & 31);
}

/* AMD's CPUs have neither, and say so. */
static void not_offered(const void *arg)
{
	struct vm *vm = vm_new(NULL);
	struct vcpu *vcpu = &vm->vcpu[0];

	if (supported() & CAP_CMCI)
		skip("this CPU has them");
	ASSERT_ERRNO(setup(vcpu, CAP_CMCI | BANKS), EINVAL);
	ASSERT_ERRNO(setup(vcpu, CAP_LMCE | BANKS), EINVAL);
	ASSERT_EQ(vcpu_try_set_msr(vcpu, FEATURE_CONTROL, 0), 0);
	ASSERT_EQ(vcpu_try_set_msr(vcpu, MCG_EXT_CTL, 0), 0);
	vm_free(vm);
}

/* The interrupt by errors that are no exception. */
static void cmci(const void *arg)
{
	struct vm *vm = vm_new(NULL);
	struct vcpu *vcpu = &vm->vcpu[0];

	if (!(supported() & CAP_CMCI))
		skip("this CPU has none");
	ASSERT_EQ(apic_get(vcpu, APIC_LVR) >> 16, 5);
	apic_put(vcpu, APIC_LVTCMCI, CMCI_VECTOR);
	ASSERT_EQ(apic_get(vcpu, APIC_LVTCMCI), 0);
	CHECKED(setup(vcpu, CAP_CTL | CAP_CMCI | BANKS));
	ASSERT_EQ(apic_get(vcpu, APIC_LVR) >> 16, 6);
	ASSERT_EQ(apic_get(vcpu, APIC_LVTCMCI), 0x10000);
	apic_put(vcpu, APIC_SPIV, 0x1ff);
	apic_put(vcpu, APIC_LVTCMCI, CMCI_VECTOR);
	ASSERT_EQ(apic_get(vcpu, APIC_LVTCMCI), CMCI_VECTOR);

	ASSERT_EQ(vcpu_try_set_msr(vcpu, MC_CTL2(1), CTL2_CMCI | 1ull << 15), 0);
	ASSERT_EQ(vcpu_try_set_msr(vcpu, MC_CTL2(BANKS), CTL2_CMCI), 0);
	CHECKED(report(vcpu, 1, VALID | UNCORRECTED, 0x5000, 0));
	ASSERT(!cmci_requested(vcpu));
	ASSERT_EQ(vcpu_try_set_msr(vcpu, MC_CTL2(1), CTL2_CMCI | 0x7fff), 1);
	ASSERT_EQ(vcpu_msr(vcpu, MC_CTL2(1)), CTL2_CMCI | 0x7fff);
	CHECKED(report(vcpu, 2, VALID | UNCORRECTED, 0x6000, 0));
	ASSERT(!cmci_requested(vcpu));
	CHECKED(report(vcpu, 1, VALID | UNCORRECTED, 0x7000, 0));
	ASSERT(cmci_requested(vcpu));
	ASSERT_EQ(vcpu_msr(vcpu, MC_ADDR(1)), 0x7000);

	/* Setting up anew without takes all of it away. */
	CHECKED(setup(vcpu, CAP_CTL | BANKS));
	ASSERT_EQ(apic_get(vcpu, APIC_LVR) >> 16, 5);
	ASSERT_EQ(vcpu_msr(vcpu, MC_CTL2(1)), 0);
	ASSERT_EQ(vcpu_try_set_msr(vcpu, MC_CTL2(1), CTL2_CMCI), 0);
	vm_free(vm);
}

/* The registers by which a guest asks for machine checks of one CPU alone. */
static void lmce(const void *arg)
{
	struct vm *vm = vm_new(NULL);
	struct vcpu *vcpu = &vm->vcpu[0];

	if (!(supported() & CAP_LMCE))
		skip("this CPU has none");
	CHECKED(setup(vcpu, CAP_CTL | CAP_SER | CAP_LMCE | BANKS));
	ASSERT_EQ(vcpu_msr(vcpu, FEATURE_CONTROL), 0);
	ASSERT_EQ(vcpu_try_set_msr(vcpu, FEATURE_CONTROL, 1ull << 40), 0);
	ASSERT_EQ(vcpu_try_set_msr(vcpu, FEATURE_CONTROL, LOCKED | LMCE_ENABLED), 1);
	ASSERT_EQ(vcpu_msr(vcpu, FEATURE_CONTROL), LOCKED | LMCE_ENABLED);
	ASSERT_EQ(vcpu_try_set_msr(vcpu, MCG_EXT_CTL, 2), 0);
	ASSERT_EQ(vcpu_try_set_msr(vcpu, MCG_EXT_CTL, 1), 1);
	ASSERT_EQ(vcpu_msr(vcpu, MCG_EXT_CTL), 1);
	/* The lock holds for the guest only. */
	ASSERT_EQ(vcpu_try_set_msr(vcpu, FEATURE_CONTROL, 0), 1);
	vm_free(vm);
}

static const struct tap_test tests[] = {
	{ "arguments", arguments },
	{ "registers", registers },
	{ "corrected", corrected },
	{ "no_action", no_action },
	{ "not_reported", not_reported },
	{ "shutdown", shutdown },
	{ "not_offered", not_offered },
	{ "cmci", cmci },
	{ "lmce", lmce },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, tests, ARRAY_SIZE(tests));
}
