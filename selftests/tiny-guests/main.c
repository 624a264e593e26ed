// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs the tiny guests of all tables. A test is named group/name, so a group is
 * chosen by "mmio/" on the command line.
 */
#include <stdio.h>
#include <stdlib.h>

#include "guests.h"
#include "knobs.h"

static const struct guest_group *const groups[] = {
	&cpu_group, &io_group, &mmio_group, &fault_group, &mode_group, &irq_group, &apic_group,
	&smp_group, &state_group, &event_group, &task_group,
};

bool traced(struct vcpu *vcpu, u32 *value)
{
	struct kvm_run *run = vcpu->run;

	if (run->exit_reason != KVM_EXIT_IO || run->io.port != GUEST_PORT_TRACE ||
	    run->io.size != 4)
		return false;
	memcpy(value, (u8 *)run + run->io.data_offset, 4);
	return true;
}

void bochs_amd_lacks(const char *what)
{
	const char *host = getenv("DITTO_HOST");

	if (host && !strcmp(host, "vmx") &&
	    cpuid_find(cpuid_supported(), 0, 0)->ebx == 0x68747541)
		skip("%s", what);
}

bool cpu_is_qemus(void)
{
	char line[4096];
	FILE *info = fopen("/proc/cpuinfo", "r");
	bool intel = false, nrip = false;

	while (info && fgets(line, sizeof(line), info)) {
		intel |= !!strstr(line, "GenuineIntel");
		nrip |= !!strstr(line, " nrip_save");
	}
	if (info)
		fclose(info);
	return !intel && !nrip;
}

void qemu_shadow_lacks(const char *what)
{
	if (knob_shadow() && cpu_is_qemus())
		skip("%s", what);
}

bool trace_moves_line(struct vcpu *vcpu, u32 gsi)
{
	u32 value;

	if (!traced(vcpu, &value))
		return false;
	vm_irq_line(vcpu->vm, gsi, value == 1);
	return true;
}

static void check_log(const struct guest_test *test, struct vm *vm)
{
	unsigned int i;

	for (i = 0; i < vm->nr_log && i < test->nr_log; i++) {
		const struct access *got = &vm->log[i], *want = &test->log[i];

		if (got->addr != want->addr || got->mmio != want->mmio ||
		    got->write != want->write || got->len != want->len ||
		    got->data != want->data)
			fail("access %u: %s %s %#lx, %u bytes, data %#lx; want %s %#lx, %u bytes, "
			     "%#lx",
			     i, got->mmio ? "mmio" : "port", got->write ? "write" : "read",
			     got->addr, got->len, got->data, want->write ? "write" : "read",
			     want->addr, want->len, want->data);
	}
	ASSERT_EQ(vm->nr_log, test->nr_log);
}

static void check_traces(const struct guest_test *test, struct vm *vm)
{
	unsigned int i;

	for (i = 0; i < vm->nr_traces && i < test->nr_traces; i++)
		if (vm->traces[i] != test->traces[i])
			fail("trace %u is %#lx, want %#lx", i, vm->traces[i], test->traces[i]);
	ASSERT_EQ(vm->nr_traces, test->nr_traces);
}

static void run_guest(const void *arg)
{
	const struct guest_test *test = arg;
	struct vm *vm = vm_new(&test->config);
	struct vcpu *vcpu = &vm->vcpu[0];
	const char *entry = test->entry ?: test->name;

	vm->on_exit = test->on_exit;
	if (test->mode == MODE_LONG)
		vcpu_call(vcpu, entry, test->arg);
	else
		vcpu_enter_mode(vcpu, test->mode, image_symbol(entry));
	if (test->before)
		test->before(vm);
	if (test->exit) {
		u32 reason = vcpu_run(vcpu);

		if (reason != test->exit)
			fail("KVM_EXIT_%s, want %u", exit_name(reason), test->exit);
	} else {
		vcpu_run_done(vcpu);
	}
	if (test->log)
		check_log(test, vm);
	if (test->traces)
		check_traces(test, vm);
	if (test->after)
		test->after(vm);
	vm_free(vm);
}

static char *full_name(const char *group, const char *name)
{
	char *full;

	if (!strncmp(name, "g_", 2) || !strncmp(name, "m_", 2) ||
	    !strncmp(name, "t_", 2))
		name += 2;
	if (asprintf(&full, "%s/%s", group, name) < 0)
		abort();
	return full;
}

int main(int argc, char **argv)
{
	static struct tap_test tests[512];
	size_t count = 0, g, i;

	for (g = 0; g < ARRAY_SIZE(groups); g++)
		for (i = 0; i < groups[g]->count; i++) {
			const struct guest_test *test = &groups[g]->tests[i];

			tests[count++] = (struct tap_test) {
				.name = full_name(groups[g]->name, test->name),
				.fn = run_guest, .arg = test, .seconds = test->seconds,
			};
		}
	return tap_main(argc, argv, tests, count);
}
