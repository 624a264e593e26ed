// SPDX-License-Identifier: GPL-2.0-only
/*
 * A machine from creation to end: the VM fd, the in-kernel interrupt
 * controllers and timer, memory, devices, vCPUs and their threads. Whoever
 * decides that the machine ends calls vm_stop(), from any thread; the first
 * reason counts. Only the main thread joins and tears down.
 */
#include "vm.h"
#include "acpi.h"
#include "device.h"
#include "util.h"

#include "ditto.h"

#include <errno.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Just below the firmware area at the top of 4 GiB; no guest looks there. */
#define IDENTITY_MAP_ADDRESS	0xfffbc000ULL
#define TSS_ADDRESS		0xfffbd000UL

#define PIC_PINS		8
#define IOAPIC_PINS		24
#define TIMER_PIN		2	/* where ISA interrupt 0 arrives; the MADT says so */

#define STACK_BYTES		(256 * 1024)	/* of each thread */

/**
 * vm_has() - ask for a capability
 * @vm: a machine with an open device
 * @capability: KVM_CAP_*
 */
bool vm_has(const struct vm *vm, int capability)
{
	return ioctl(vm->dev_fd, KVM_CHECK_EXTENSION, capability) > 0;
}

static int refuse(const struct vm *vm, const char *what)
{
	complain("%s: %s: %s", vm->config->dev, what, strerror(errno));
	return -1;
}

static int vm_check(const struct vm *vm)
{
	static const struct {
		int capability;
		const char *name;
	} need[] = {
		{ KVM_CAP_IRQCHIP, "KVM_CAP_IRQCHIP" },
		{ KVM_CAP_PIT2, "KVM_CAP_PIT2" },
		{ KVM_CAP_EXT_CPUID, "KVM_CAP_EXT_CPUID" },
		{ KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT" },
	};
	int max;

	for (size_t i = 0; i < ARRAY_SIZE(need); i++) {
		if (!vm_has(vm, need[i].capability)) {
			complain("%s: lacks %s", vm->config->dev, need[i].name);
			return -1;
		}
	}
	max = ioctl(vm->dev_fd, KVM_CHECK_EXTENSION, KVM_CAP_MAX_VCPUS);
	if (max > 0 && vm->config->cpus > (unsigned int)max) {
		complain("--cpus %u: this host allows %d", vm->config->cpus, max);
		return -1;
	}
	return 0;
}

/* Intel needs three pages and one page for real-mode emulation; AMD does not ask. */
static int vm_reserve_addresses(struct vm *vm)
{
	uint64_t identity = IDENTITY_MAP_ADDRESS;

	if (vm_has(vm, KVM_CAP_SET_IDENTITY_MAP_ADDR) &&
	    ioctl(vm->fd, KVM_SET_IDENTITY_MAP_ADDR, &identity) < 0)
		return refuse(vm, "KVM_SET_IDENTITY_MAP_ADDR");
	if (vm_has(vm, KVM_CAP_SET_TSS_ADDR) && ioctl(vm->fd, KVM_SET_TSS_ADDR, TSS_ADDRESS) < 0)
		return refuse(vm, "KVM_SET_TSS_ADDR");
	return 0;
}

static void route(struct kvm_irq_routing *r, uint32_t gsi, uint32_t chip, uint32_t pin)
{
	r->entries[r->nr++] = (struct kvm_irq_routing_entry){
		.gsi = gsi, .type = KVM_IRQ_ROUTING_IRQCHIP,
		.u.irqchip = { .irqchip = chip, .pin = pin },
	};
}

/* A PC's wiring: ISA interrupts reach both PICs and the IOAPIC, the timer at pin 2. */
static int vm_route_irqs(struct vm *vm)
{
	union {
		struct kvm_irq_routing r;
		char room[sizeof(struct kvm_irq_routing) +
			  64 * sizeof(struct kvm_irq_routing_entry)];
	} u = { 0 };

	if (!vm_has(vm, KVM_CAP_IRQ_ROUTING))
		return 0;
	for (uint32_t gsi = 0; gsi < 2 * PIC_PINS; gsi++)
		route(&u.r, gsi, gsi < PIC_PINS ? KVM_IRQCHIP_PIC_MASTER : KVM_IRQCHIP_PIC_SLAVE,
		      gsi % PIC_PINS);
	for (uint32_t gsi = 0; gsi < IOAPIC_PINS; gsi++)
		if (gsi != TIMER_PIN)
			route(&u.r, gsi, KVM_IRQCHIP_IOAPIC, gsi ? gsi : TIMER_PIN);
	if (ioctl(vm->fd, KVM_SET_GSI_ROUTING, &u.r) < 0)
		return refuse(vm, "KVM_SET_GSI_ROUTING");
	return 0;
}

static int vm_create_board(struct vm *vm)
{
	struct kvm_pit_config pit = { .flags = KVM_PIT_SPEAKER_DUMMY };

	if (vm_reserve_addresses(vm) < 0)
		return -1;
	if (ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0) < 0)
		return refuse(vm, "KVM_CREATE_IRQCHIP");
	if (ioctl(vm->fd, KVM_CREATE_PIT2, &pit) < 0)
		return refuse(vm, "KVM_CREATE_PIT2");
	return vm_route_irqs(vm);
}

static int vm_create_ram(struct vm *vm, bool has_gmem)
{
	enum ram_backing backing = vm->config->backing;
	int ret;

	if (backing == RAM_BACKING_AUTO)
		backing = has_gmem ? RAM_BACKING_GMEM : RAM_BACKING_ANON;
	if (backing == RAM_BACKING_GMEM && !has_gmem) {
		complain("%s: has no gmem: only ditto's device has", vm->config->dev);
		return -1;
	}
	ret = ram_create(&vm->ram, vm->dev_fd, vm->config->ram_size, backing,
			 vm->config->hugepages);
	if (!ret)
		ret = ram_attach(&vm->ram, vm->fd);
	errno = -ret;
	return ret < 0 ? refuse(vm, "guest memory") : 0;
}

/**
 * vm_set_name() - tell the module what the machine is called
 * @vm: has an fd, and a name in its configuration
 *
 * Return: 0, or -1 after saying why not on standard error.
 */
int vm_set_name(struct vm *vm)
{
	struct ditto_vm_name arg = { 0 };

	snprintf(arg.name, sizeof(arg.name), "%s", vm->config->name);
	if (ioctl(vm->fd, DITTO_SET_NAME, &arg) < 0)
		return refuse(vm, "the machine's name");
	return 0;
}

/* Before there is memory: what it shares with is decided when it comes. */
static int vm_set_policy(struct vm *vm)
{
	if (!vm->config->policy)
		return 0;
	if (ioctl(vm->fd, DITTO_SET_POLICY, vm->config->policy) < 0)
		return refuse(vm, "what memory may be shared with");
	return 0;
}

static void console_sent(void *console, uint8_t byte)
{
	console_put(console, byte);
}

static void console_room(void *console)
{
	console_wake(console);
}

static void agent_sent(void *port, unsigned int offset, unsigned int size, uint32_t value)
{
	(void)offset, (void)size;
	agentport_put(port, value);
}

static void vm_attach_agent(struct vm *vm)
{
	struct serial_line com2 = { .port = SERIAL2_PORT, .irq = SERIAL2_IRQ, .put = agentport_put,
				    .wake = agentport_wake, .end = &vm->agent };

	serial_attach(&vm->serial2, &vm->ports, vm, &com2);
	agentport_init(&vm->agent, &vm->serial2);
	ioports_add(&vm->ports, (struct ioport_range){
		.first = AGENT_PORT, .count = 1, .bytewise = true, .out = agent_sent,
		.device = &vm->agent,
	});
}

/**
 * vm_attach_devices() - put the devices that live in this process at their ports
 * @vm: has an fd and memory
 */
void vm_attach_devices(struct vm *vm)
{
	struct serial_line com1 = { .port = SERIAL_PORT, .irq = SERIAL_IRQ, .put = console_sent,
				    .wake = console_room, .end = &vm->console };

	serial_attach(&vm->serial, &vm->ports, vm, &com1);
	rtc_attach(&vm->rtc, &vm->ports);
	i8042_attach(&vm->i8042, &vm->ports, vm);
	pm_attach(&vm->pm, &vm->ports, vm);
	vmgenid_attach(&vm->vmgenid, &vm->ports, vm);
	if (vm->config->agent)
		vm_attach_agent(vm);
}

static int vm_create_vcpus(struct vm *vm)
{
	int run_size = ioctl(vm->dev_fd, KVM_GET_VCPU_MMAP_SIZE, 0);

	if (run_size < (int)sizeof(struct kvm_run))
		return refuse(vm, "KVM_GET_VCPU_MMAP_SIZE");
	vm->cpuid = cpuid_fetch(vm->dev_fd);
	if (!vm->cpuid)
		return refuse(vm, "KVM_GET_SUPPORTED_CPUID");
	while (vm->vcpus < vm->config->cpus) {
		if (vcpu_create(&vm->vcpu[vm->vcpus], vm, vm->vcpus, run_size) < 0)
			return -1;
		vm->vcpus++;
	}
	return 0;
}

/*
 * There may be thousands of these processes. With one heap and small stacks side by side a
 * thread needs no page tables of its own; none here nests deeply, or keeps much on its stack.
 */
static void keep_small(void)
{
	pthread_attr_t attr;

	mallopt(M_ARENA_MAX, 1);
	if (pthread_attr_init(&attr))
		return;
	if (!pthread_attr_setstacksize(&attr, STACK_BYTES))
		pthread_setattr_default_np(&attr);
	pthread_attr_destroy(&attr);
}

/**
 * vm_open() - what a machine has before it is one: the device and the console
 * @vm: zeroes, and filled in; vm_destroy() it whatever is returned
 * @config: kept
 *
 * The console's and the agent's buffers are in it: what is not written takes no memory.
 *
 * Return: 0, or -1 after saying why not on standard error.
 */
int vm_open(struct vm *vm, const struct vm_config *config)
{
	keep_small();
	vm->config = config;
	vm->dev_fd = vm->fd = vm->ram.gmem_fd = -1;
	vm->status = VM_RUNNING;
	pthread_mutex_init(&vm->report_lock, NULL);
	park_init(&vm->park);
	vm->control.listen_fd = vm->control.stop_fd = -1;
	if (console_create(&vm->console, vm) < 0)
		return -1;
	vm->dev_fd = device_open(config->dev);
	return vm->dev_fd < 0 || vm_check(vm) < 0 ? -1 : 0;
}

/**
 * vm_create() - make a machine that has everything but contents
 * @vm: zeroes, and filled in; vm_destroy() it whatever is returned
 * @config: kept
 *
 * Return: 0, or -1 after saying why not on standard error.
 */
int vm_create(struct vm *vm, const struct vm_config *config)
{
	bool has_gmem;

	if (vm_open(vm, config) < 0)
		return -1;
	vm->fd = ioctl(vm->dev_fd, KVM_CREATE_VM, 0);
	if (vm->fd < 0)
		return refuse(vm, "KVM_CREATE_VM");
	has_gmem = device_has_gmem(vm->dev_fd);
	if (has_gmem && vm_set_name(vm) < 0)
		return -1;
	if (vm_set_policy(vm) < 0)
		return -1;
	if (vm_create_board(vm) < 0 || vm_create_ram(vm, has_gmem) < 0 ||
	    shares_create(&vm->shares, vm) < 0 ||	/* it forks: before threads */
	    disks_create(&vm->disks, vm) < 0 || nets_create(&vm->nets, vm) < 0 ||
	    vsock_create(&vm->vsock, vm) < 0 || rng_create(&vm->rng, vm) < 0 ||
	    balloon_create(&vm->balloon, vm) < 0 || bus_start(&vm->bus) < 0)
		return -1;
	vm_attach_devices(vm);
	return vm_create_vcpus(vm);
}

/**
 * vm_start() - load the kernel and let the CPUs run
 * @vm: created
 * @boot: planned for this machine's memory
 *
 * Return: 0, or -1 after saying why not on standard error.
 */
int vm_start(struct vm *vm, const struct boot *boot)
{
	struct acpi_machine machine = { .cpus = vm->vcpus, .virtio = vm->bus.count,
				       .agent = vm->config->agent };

	if (boot_load(boot, &vm->ram) < 0 || acpi_load(&vm->ram, &machine) < 0)
		return -1;
	if (vmgenid_renew(&vm->vmgenid) < 0 || vcpu_set_boot(&vm->vcpu[0], boot) < 0)
		return -1;
	return vm_start_threads(vm);
}

/**
 * vm_start_threads() - let the CPUs run
 * @vm: complete
 *
 * Return: 0, or -1 after saying why not on standard error.
 */
int vm_start_threads(struct vm *vm)
{
	vcpu_catch_kicks();
	for (; vm->threads < vm->vcpus; vm->threads++)
		if (vcpu_start(&vm->vcpu[vm->threads]) < 0)
			return -1;
	return 0;
}

/**
 * vm_stop() - the machine ends; any thread
 * @vm: the machine
 * @status: why; ignored if there was a reason before
 */
void vm_stop(struct vm *vm, int status)
{
	int running = VM_RUNNING;

	__atomic_compare_exchange_n(&vm->status, &running, status, false, __ATOMIC_SEQ_CST,
				    __ATOMIC_SEQ_CST);
	park_wake(&vm->park);
	if (vm->config->agent)
		agentport_close(&vm->agent);
	console_wake(&vm->console);
}

/**
 * vm_fail() - the machine ends, and the user is told why; any thread
 * @vm: the machine
 * @status: why
 * @fmt: as for printf; printed when the terminal is restored
 */
void vm_fail(struct vm *vm, int status, const char *fmt, ...)
{
	va_list ap;

	pthread_mutex_lock(&vm->report_lock);
	if (!vm->report)
		vm->report = open_memstream(&vm->report_text, &vm->report_len);
	if (vm->report) {
		fputs("ditto: ", vm->report);
		va_start(ap, fmt);
		vfprintf(vm->report, fmt, ap);
		va_end(ap);
		fputc('\n', vm->report);
	}
	pthread_mutex_unlock(&vm->report_lock);
	vm_stop(vm, status);
}

/**
 * vm_join() - stop every vCPU thread and wait for it; main thread
 * @vm: the machine; if it has not ended, it ends with VM_ERROR
 */
void vm_join(struct vm *vm)
{
	vm_stop(vm, VM_ERROR);
	console_close(&vm->console);
	for (unsigned int i = 0; i < vm->threads; i++)
		vcpu_kick(&vm->vcpu[i]);
	for (; vm->threads; vm->threads--)
		pthread_join(vm->vcpu[vm->threads - 1].thread, NULL);
}

static void vm_print_report(struct vm *vm)
{
	if (!vm->report)
		return;
	fclose(vm->report);
	fputs(vm->report_text, stderr);
	free(vm->report_text);
	vm->report = NULL;
}

/**
 * vm_destroy() - give everything back, then print what vm_fail() kept
 * @vm: joined, or never started
 */
void vm_destroy(struct vm *vm)
{
	for (; vm->vcpus; vm->vcpus--)
		vcpu_destroy(&vm->vcpu[vm->vcpus - 1]);
	agentport_destroy(&vm->agent);
	free(vm->cpuid);
	free(vm->frozen);
	free(vm->origin);
	bus_stop(&vm->bus);
	balloon_destroy(&vm->balloon);
	rng_destroy(&vm->rng);
	vsock_destroy(&vm->vsock);
	nets_destroy(&vm->nets);
	disks_destroy(&vm->disks);
	shares_destroy(&vm->shares);
	if (vm->fd >= 0)
		close(vm->fd);
	ram_destroy(&vm->ram);
	if (vm->dev_fd >= 0)
		close(vm->dev_fd);
	console_destroy(&vm->console);
	vm_print_report(vm);
}

/**
 * vm_irq_line() - drive an ISA interrupt line; any thread
 * @vm: the machine
 * @irq: the line
 * @level: high or low
 */
void vm_irq_line(struct vm *vm, unsigned int irq, bool level)
{
	struct kvm_irq_level arg = { .irq = irq, .level = level };

	if (ioctl(vm->fd, KVM_IRQ_LINE, &arg) < 0)
		vm_fail(vm, VM_KVM_ERROR, "KVM_IRQ_LINE %u: %s", irq, strerror(errno));
}
