// SPDX-License-Identifier: GPL-2.0-only
/*
 * The module: its parameters, its device nodes, and the order in which its
 * rooms are set up and taken down.
 */
#define pr_fmt(fmt) "ditto: " fmt

#include <linux/debugfs.h>
#include <linux/kobject.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/preempt.h>
#include <linux/seq_file.h>

#include "compat.h"
#include "core/cpus.h"
#include "core/ioctl.h"
#include "core/vm.h"
#include "gmem/gmem.h"
#include "ksm/ksm.h"
#include "mmu/wait.h"
#include "mmu/window.h"
#include "x86/board/irqfd.h"
#include "x86/cpu/cpuid_host.h"
#include "x86/cpu/fpu.h"
#include "x86/cpu/hostwork.h"
#include "x86/machine/backend_calls.h"
#include "x86/machine/vm.h"
#include "x86/run/msr.h"

static bool kvm_node;
module_param(kvm_node, bool, 0444);
MODULE_PARM_DESC(kvm_node, "also register /dev/kvm, when that name is free");

module_param(quirk_no_xsave, bool, 0444);
MODULE_PARM_DESC(quirk_no_xsave,
		 "hide XSAVE from guests: for emulated CPUs that share XCR0 with them");

static struct kobject *main_kobj;
static struct dentry *main_debugfs;

static struct miscdevice main_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "ditto",
	.fops = &device_fops,
	.mode = 0660,
};

static struct miscdevice main_kvm_device = {
	.minor = KVM_MINOR,
	.name = "kvm",
	.fops = &device_fops,
	.mode = 0660,
};

/* Reading the file runs the checker; its last line is the verdict. */
static int main_check_show(struct seq_file *m, void *unused)
{
	int violations = vm_check_all(m), more;

	if (violations < 0)
		return violations;
	more = gmem_check_all(m);
	if (more < 0)
		return more;
	violations += more;
	seq_printf(m, "violations: %d\n", violations);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(main_check);

static int main_exits_show(struct seq_file *m, void *unused)
{
	vm_show_exits(m);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(main_exits);

/* A CPU has one of the two at most. If firmware disabled one, that is the reason to report. */
static int main_find_backend(void)
{
	const char *why_svm, *why_vmx;
	int svm = svm_backend.probe(&why_svm);
	int vmx = svm ? vmx_backend.probe(&why_vmx) : 0;

	if (svm && vmx) {
		if (svm == -EPERM)
			pr_err("cannot run here: %s\n", why_svm);
		else if (vmx == -EPERM)
			pr_err("cannot run here: %s\n", why_vmx);
		else
			pr_err("cannot run here: %s, %s\n", why_svm, why_vmx);
		return svm == -EPERM ? svm : vmx;
	}
	backend_choose(svm ? &vmx_backend : &svm_backend);
	return 0;
}

static int main_register_nodes(void)
{
	int err = misc_register(&main_device);

	if (err || !kvm_node)
		return err;
	err = misc_register(&main_kvm_device);
	if (err) {
		pr_err("cannot register /dev/kvm: the name is taken\n");
		misc_deregister(&main_device);
	}
	return err;
}

static void main_unregister_nodes(void)
{
	if (kvm_node)
		misc_deregister(&main_kvm_device);
	misc_deregister(&main_device);
}

/* The last step: from here on there are users. */
static int main_register_names(void)
{
	int err = gmem_fs_register();

	if (err)
		return err;
	err = main_register_nodes();
	if (err)
		gmem_fs_unregister();
	return err;
}

static int main_setup_memory(void)
{
	int err;

	main_kobj = kobject_create_and_add("ditto", kernel_kobj);
	if (!main_kobj)
		return -ENOMEM;
	err = gmem_init(main_kobj);
	if (err)
		goto put_kobj;
	err = merge_init(main_kobj);
	if (err)
		goto exit_gmem;
	err = windows_setup();
	if (err)
		goto exit_merge;
	err = mmu_wait_init();
	if (err)
		goto teardown_windows;
	return 0;

teardown_windows:
	windows_teardown();
exit_merge:
	merge_exit();
exit_gmem:
	gmem_exit();
put_kobj:
	kobject_put(main_kobj);
	return err;
}

static void main_teardown_memory(void)
{
	mmu_wait_exit();
	windows_teardown();
	merge_exit();
	gmem_exit();
	kobject_put(main_kobj);
}

static int main_setup_cpu(void)
{
	int err;

	err = backend->setup();
	if (err)
		return err;
	/* What this host's CPUs can do for guests: parameters and backend say it. */
	cpuid_setup();
	fpu_setup();
	msr_setup();
	err = hostwork_init();
	if (err)
		goto teardown_backend;
	err = vm_setup();
	if (err)
		goto exit_hostwork;
	err = irqfds_setup();
	if (err)
		goto teardown_vm;
	err = cpus_enable();
	if (err)
		goto teardown_irqfds;
	/* Switched once, not with each VM, because the switch patches the scheduler's code. */
	preempt_notifier_inc();
	return 0;

teardown_irqfds:
	irqfds_teardown();
teardown_vm:
	vm_teardown();
exit_hostwork:
	hostwork_exit();
teardown_backend:
	backend->teardown();
	return err;
}

static void main_teardown_cpu(void)
{
	preempt_notifier_dec();
	cpus_disable();
	irqfds_teardown();
	vm_teardown();
	hostwork_exit();
	backend->teardown();
}

static int __init main_init(void)
{
	int err;

	ioctl_init();
	err = compat_init();
	if (err)
		return err;
	err = main_find_backend();
	if (err)
		return err;
	err = rival_exclude();
	if (err)
		return err;
	err = main_setup_cpu();
	if (err)
		goto admit_rival;
	err = main_setup_memory();
	if (err)
		goto teardown_cpu;
	err = vm_listing_setup();
	if (err)
		goto teardown_memory;
	main_debugfs = debugfs_create_dir("ditto", NULL);
	debugfs_create_file("check", 0400, main_debugfs, NULL, &main_check_fops);
	debugfs_create_file("exits", 0400, main_debugfs, NULL, &main_exits_fops);
	err = main_register_names();
	if (err)
		goto teardown_listing;
	pr_info("%s backend ready\n", backend->name);
	return 0;

teardown_listing:
	debugfs_remove(main_debugfs);
	vm_listing_teardown();
teardown_memory:
	main_teardown_memory();
teardown_cpu:
	main_teardown_cpu();
admit_rival:
	rival_admit();
	return err;
}

static void __exit main_exit(void)
{
	gmem_fs_unregister();
	main_unregister_nodes();
	debugfs_remove(main_debugfs);
	vm_listing_teardown();
	main_teardown_memory();
	main_teardown_cpu();
	rival_admit();
}

module_init(main_init);
module_exit(main_exit);

MODULE_DESCRIPTION("ditto: a hypervisor that keeps identical guest pages once");
MODULE_AUTHOR("The ditto developers");
MODULE_LICENSE("GPL");
/* Of dkms.conf, by Kbuild. */
MODULE_VERSION(DITTO_VERSION);
