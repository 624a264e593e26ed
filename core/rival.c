// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM's modules and ditto keep each other out, where the kernel does not.  Of two that write
 * VMXON or SVME themselves the second finds it set and gives up; a kernel that counts who
 * wants it (compat_virt_on()) lets both run, and they would overwrite each other's
 * VM_HSAVE_PA, current VMCS and emergency callback.
 */
#define pr_fmt(fmt) "ditto: " fmt

#include <linux/kobject.h>
#include <linux/module.h>
#include <linux/notifier.h>
#include <linux/string.h>

#include "compat.h"
#include "core/cpus.h"

static const char *const rival_names[] = { "kvm_amd", "kvm_intel" };

/* It is told of each module before that one's code runs. */
static int rival_comes(struct notifier_block *nb, unsigned long state, void *data)
{
	const struct module *mod = data;

	if (state != MODULE_STATE_COMING ||
	    match_string(rival_names, ARRAY_SIZE(rival_names), mod->name) < 0)
		return NOTIFY_DONE;
	pr_notice("%s is kept out: ditto uses the CPUs, rmmod it first\n", mod->name);
	return notifier_from_errno(-EBUSY);
}

static struct notifier_block rival_nb = { .notifier_call = rival_comes };

/*
 * A module whose notifiers ran before ours was there, and that is not in /sys/module yet, is
 * not found by its name. It uses KVM's common module by then, which is there.
 */
static bool rival_on_its_way(void)
{
	struct kobject *kobj = kset_find_obj(THIS_MODULE->mkobj.kobj.kset, "kvm");
	struct module *kvm;
	bool used;

	if (!kobj)
		return false;
	kvm = container_of(kobj, struct module_kobject, kobj)->mod;
	used = kvm && module_refcount(kvm) > 0;
	kobject_put(kobj);
	return used;
}

/* Every module that is loaded is a name in /sys/module, where ours is. */
static const char *rival_there(void)
{
	struct kobject *kobj;
	int i;

	for (i = 0; i < ARRAY_SIZE(rival_names); i++) {
		kobj = kset_find_obj(THIS_MODULE->mkobj.kobj.kset, rival_names[i]);
		if (kobj) {
			kobject_put(kobj);
			return rival_names[i];
		}
	}
	return rival_on_its_way() ? "kvm" : NULL;
}

/**
 * rival_exclude() - from here on KVM's modules cannot be loaded
 *
 * At load, before virtualization is switched on.
 *
 * Return: 0; -EBUSY when one of them is, and the log says which.
 */
int rival_exclude(void)
{
	const char *there;
	int err;

	if (!COMPAT_KERNEL_OWNS_VIRT)
		return 0;
	err = register_module_notifier(&rival_nb);
	if (err)
		return err;
	there = rival_there();
	if (!there)
		return 0;
	pr_err("cannot run here: %s is loaded, rmmod it first\n", there);
	unregister_module_notifier(&rival_nb);
	return -EBUSY;
}

/**
 * rival_admit() - undo rival_exclude(), when virtualization is off
 */
void rival_admit(void)
{
	if (COMPAT_KERNEL_OWNS_VIRT)
		unregister_module_notifier(&rival_nb);
}
