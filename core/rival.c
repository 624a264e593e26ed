// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM's modules and ditto keep each other out, where the kernel does not.  Of two that write
 * VMXON or SVME themselves the second finds it set and gives up; a kernel that counts who
 * wants it (compat_virt_on()) lets both run, and they would overwrite each other's
 * VM_HSAVE_PA, current VMCS and emergency callback.
 *
 * Where both may be loaded, only one can tell perf about guests, and the kernel warns of the
 * second: that is left to KVM, from before its module's code runs until after it ran last.
 */
#define pr_fmt(fmt) "ditto: " fmt

#include <linux/kobject.h>
#include <linux/lockdep.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/notifier.h>
#include <linux/string.h>

#include "compat.h"
#include "core/cpus.h"
#include "x86/cpu/sample.h"

static const char *const rival_names[] = { "kvm_amd", "kvm_intel" };

/*
 * Bits of rival_names: which of them are loaded; and of one that is and whose name is not known.
 * Perf asks ditto while none is; the lock is held while that changes.
 */
#define RIVAL_UNKNOWN	BIT(ARRAY_SIZE(rival_names))

static DEFINE_MUTEX(rival_lock);
static unsigned int rivals;
static bool rival_samples;

static void rival_sample(void)
{
	bool wanted = rival_samples && !rivals;
	static bool now;

	lockdep_assert_held(&rival_lock);
	if (wanted == now)
		return;
	now = wanted;
	if (now)
		sample_start();
	else
		sample_stop();
}

static void rival_change(unsigned int come, unsigned int gone)
{
	mutex_lock(&rival_lock);
	rivals = (rivals & ~gone) | come;
	rival_sample();
	mutex_unlock(&rival_lock);
}

/* It is told of each module before that one's code runs, and after it ran last. */
static int rival_moves(struct notifier_block *nb, unsigned long state, void *data)
{
	const struct module *mod = data;
	int which = match_string(rival_names, ARRAY_SIZE(rival_names), mod->name);

	if (which < 0)
		return NOTIFY_DONE;
	if (COMPAT_KERNEL_OWNS_VIRT && state == MODULE_STATE_COMING) {
		pr_notice("%s is kept out: ditto uses the CPUs, rmmod it first\n", mod->name);
		return notifier_from_errno(-EBUSY);
	}
	if (state == MODULE_STATE_COMING)
		rival_change(BIT(which), 0);
	else if (state == MODULE_STATE_GOING)
		rival_change(0, BIT(which) | RIVAL_UNKNOWN);
	return NOTIFY_DONE;
}

static struct notifier_block rival_nb = { .notifier_call = rival_moves };

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
	const char *there = NULL;
	struct kobject *kobj;
	struct module *mod;
	int i;

	for (i = 0; i < ARRAY_SIZE(rival_names); i++) {
		kobj = kset_find_obj(THIS_MODULE->mkobj.kobj.kset, rival_names[i]);
		if (!kobj)
			continue;
		mod = container_of(kobj, struct module_kobject, kobj)->mod;
		/* It is told of as gone before its name goes. */
		if (!mod || READ_ONCE(mod->state) != MODULE_STATE_GOING) {
			rival_change(BIT(i), 0);
			there = rival_names[i];
		}
		kobject_put(kobj);
	}
	if (there || !rival_on_its_way())
		return there;
	rival_change(RIVAL_UNKNOWN, 0);
	return "kvm";
}

static void rival_let_sample(bool on)
{
	mutex_lock(&rival_lock);
	rival_samples = on;
	rival_sample();
	mutex_unlock(&rival_lock);
}

/**
 * rival_exclude() - from here on KVM's modules and ditto are out of each other's way
 *
 * At load, before virtualization is switched on. Perf may ask about guests when this returns.
 *
 * Return: 0; -EBUSY when one of them is loaded and must not be, and the log says which.
 */
int rival_exclude(void)
{
	const char *there;
	int err = register_module_notifier(&rival_nb);

	if (err)
		return err;
	there = rival_there();
	if (!there || !COMPAT_KERNEL_OWNS_VIRT) {
		rival_let_sample(true);
		return 0;
	}
	pr_err("cannot run here: %s is loaded, rmmod it first\n", there);
	unregister_module_notifier(&rival_nb);
	return -EBUSY;
}

/**
 * rival_admit() - undo rival_exclude(), when virtualization is off
 */
void rival_admit(void)
{
	rival_let_sample(false);
	unregister_module_notifier(&rival_nb);
}
