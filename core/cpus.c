// SPDX-License-Identifier: GPL-2.0-only
/*
 * The host's CPUs: virtualization is on in every online one from load to
 * unload, and off in a CPU that goes offline, sleeps, reboots or crashes.
 *
 * The hard part is a CPU on which virtualization is switched off while a vCPU's thread runs
 * there. The switch is always made on that CPU, and clears a flag. The run loop looks at
 * the flag with IRQs off; if it is clear, the thread waits until it is moved or the CPU
 * comes back. Only a crash does not wait for the run loop: its NMI or its own CPU never
 * returns to a vCPU, and the instructions that would fault without SVM have exception-table
 * entries.
 */
#define pr_fmt(fmt) "ditto: " fmt

#include <linux/cpu.h>
#include <linux/cpuhotplug.h>
#include <linux/percpu.h>
#include <linux/syscore_ops.h>

#include "compat.h"
#include "core/cpus.h"
#include "x86/cpu/clock.h"

static enum cpuhp_state cpus_state;

/* Also from IPIs and with IRQs off: this CPU only. */
static int cpus_enable_here(void)
{
	const char *why = "";
	unsigned long flags;
	int err;

	local_irq_save(flags);
	err = backend->cpu_enable(&why);
	__this_cpu_write(cpus_on, !err);
	local_irq_restore(flags);
	if (err)
		pr_err("CPU %u: %s\n", raw_smp_processor_id(), why);
	return err;
}

static void cpus_disable_here(void *unused)
{
	unsigned long flags;

	local_irq_save(flags);
	if (__this_cpu_read(cpus_on)) {
		__this_cpu_write(cpus_on, false);
		backend->cpu_disable();
	}
	local_irq_restore(flags);
}

static int cpus_online(unsigned int cpu)
{
	return cpus_enable_here();
}

static int cpus_offline(unsigned int cpu)
{
	cpus_disable_here(NULL);
	return 0;
}

/* The last CPU, after the others went offline; nothing else runs. */
static void cpus_suspend(void)
{
	clock_suspend();
	cpus_disable_here(NULL);
}

static void cpus_resume(void)
{
	clock_resume();
	/* It was ours before; firmware does not take it. */
	WARN_ON_ONCE(cpus_enable_here());
}

/* Reboot and kexec: leave no CPU in a mode that the next kernel does not expect. */
static void cpus_shutdown(void)
{
	on_each_cpu(cpus_disable_here, NULL, 1);
}

COMPAT_SYSCORE(cpus_syscore, cpus_suspend, cpus_resume, cpus_shutdown);

/**
 * cpus_enable() - switch virtualization on, on every CPU now and later online
 *
 * Return: 0, or what backend_ops.cpu_enable returned on a CPU; then nothing is switched,
 * and the log says why.
 */
int cpus_enable(void)
{
	int state = cpuhp_setup_state(CPUHP_AP_ONLINE_DYN, "ditto:online", cpus_online,
				      cpus_offline);

	if (state < 0)
		return state;
	cpus_state = state;
	compat_emergency_register(backend->emergency_disable);
	compat_syscore_register(&cpus_syscore);
	return 0;
}

/**
 * cpus_disable() - undo cpus_enable()
 *
 * No VM lives.
 */
void cpus_disable(void)
{
	compat_syscore_unregister(&cpus_syscore);
	compat_emergency_unregister(backend->emergency_disable);
	cpuhp_remove_state(cpus_state);
}
