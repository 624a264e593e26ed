// SPDX-License-Identifier: GPL-2.0-only
/*
 * Attributes: values that user space reads and writes by group and number, of /dev/ditto
 * and of vCPUs.  What they mean is their owners'; here is which of them has which.
 */
#include <linux/kvm.h>
#include <linux/uaccess.h>

#include "core/ioctl.h"
#include "x86/cpu/clock.h"
#include "x86/cpu/cpuid_host.h"

/* One that exists does so on every host. */
static bool attr_is(const struct kvm_device_attr *attr, u32 group, u64 nr)
{
	return attr->group == group && attr->attr == nr;
}

static int attr_put(const struct kvm_device_attr *attr, u64 value)
{
	u64 __user *user = u64_to_user_ptr(attr->addr);

	return put_user(value, user) ? -EFAULT : 0;
}

/**
 * system_ioctl_has_attr() - KVM_HAS_DEVICE_ATTR of the device node
 * @attr: copied in
 *
 * Return: 0 or -ENXIO.
 */
int system_ioctl_has_attr(struct kvm_device_attr *attr)
{
	return attr_is(attr, 0, KVM_X86_XCOMP_GUEST_SUPP) ? 0 : -ENXIO;
}

/**
 * system_ioctl_get_attr() - KVM_GET_DEVICE_ATTR of the device node
 * @attr: copied in
 *
 * Return: 0; -ENXIO for one that does not exist, -EFAULT.
 */
int system_ioctl_get_attr(struct kvm_device_attr *attr)
{
	return system_ioctl_has_attr(attr) ?: attr_put(attr, cpuid_host_xcr0());
}

/**
 * vcpu_ioctl_has_attr() - KVM_HAS_DEVICE_ATTR
 * @vcpu: owned
 * @attr: copied in
 *
 * Return: 0 or -ENXIO.
 */
int vcpu_ioctl_has_attr(struct vcpu *vcpu, struct kvm_device_attr *attr)
{
	return attr_is(attr, KVM_VCPU_TSC_CTRL, KVM_VCPU_TSC_OFFSET) ? 0 : -ENXIO;
}

/**
 * vcpu_ioctl_get_attr() - KVM_GET_DEVICE_ATTR
 * @vcpu: owned and loaded
 * @attr: copied in
 *
 * Return: 0; -ENXIO for one that does not exist, -EFAULT.
 */
int vcpu_ioctl_get_attr(struct vcpu *vcpu, struct kvm_device_attr *attr)
{
	return vcpu_ioctl_has_attr(vcpu, attr) ?: attr_put(attr, vtsc_get_offset(vcpu));
}

/**
 * vcpu_ioctl_set_attr() - KVM_SET_DEVICE_ATTR
 * @vcpu: owned and loaded
 * @attr: copied in
 *
 * Return: 0; -ENXIO for one that does not exist, -EFAULT.
 */
int vcpu_ioctl_set_attr(struct vcpu *vcpu, struct kvm_device_attr *attr)
{
	u64 __user *user = u64_to_user_ptr(attr->addr);
	u64 offset;

	if (vcpu_ioctl_has_attr(vcpu, attr))
		return -ENXIO;
	if (get_user(offset, user))
		return -EFAULT;
	vtsc_set_offset(vcpu, offset);
	return 0;
}
