// SPDX-License-Identifier: GPL-2.0-only
/*
 * The VMM's side of code/irq.c: lines, messages and eventfds, on the guest's
 * word (its traces) or from another thread while it sleeps.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "guests.h"

#define VEC(n) (0x40 + (n))

static bool line_5(struct vcpu *vcpu)
{
	return trace_moves_line(vcpu, 5);
}

static bool line_9(struct vcpu *vcpu)
{
	return trace_moves_line(vcpu, 9);
}

/* 1 and 2 raise and lower line 3; 3 and 4 line 12. */
static bool pic_lines(struct vcpu *vcpu)
{
	u32 value;

	if (!traced(vcpu, &value))
		return false;
	if (value == 1)
		vm_irq_line(vcpu->vm, 3, 0);
	vm_irq_line(vcpu->vm, value <= 2 ? 3 : 12, value & 1);
	return true;
}

static void *later(void *arg)
{
	void (*act)(struct vm *vm) = ((void **)arg)[0];

	usleep(20000);
	act(((void **)arg)[1]);
	return NULL;
}

/* Do it when the guest had time to fall asleep. */
static void do_later(struct vm *vm, void (*act)(struct vm *vm))
{
	static void *arg[2];
	pthread_t thread;

	arg[0] = act;
	arg[1] = vm;
	ASSERT(!pthread_create(&thread, NULL, later, arg));
	pthread_detach(thread);
}

static void send_msi(struct vm *vm)
{
	struct kvm_msi msi = { .address_lo = 0xfee00000, .data = VEC(7) };

	ASSERT_EQ(CHECKED(ioctl(vm->fd, KVM_SIGNAL_MSI, &msi)), 1);
}

static bool msi_later(struct vcpu *vcpu)
{
	u32 value;

	if (!traced(vcpu, &value))
		return false;
	do_later(vcpu->vm, send_msi);
	return true;
}

static int event;

static void signal_event(struct vm *vm)
{
	u64 one = 1;

	ASSERT_EQ(write(event, &one, 8), 8);
}

static bool event_later(struct vcpu *vcpu)
{
	u32 value;

	if (!traced(vcpu, &value))
		return false;
	do_later(vcpu->vm, signal_event);
	return true;
}

static void assign_irqfd(struct vm *vm, u32 gsi)
{
	struct kvm_irqfd irqfd = { .gsi = gsi };

	event = CHECKED(eventfd(0, EFD_CLOEXEC));
	irqfd.fd = event;
	CHECKED(ioctl(vm->fd, KVM_IRQFD, &irqfd));
}

static void route(struct vm *vm, struct kvm_irq_routing_entry entry)
{
	struct kvm_irq_routing *table = calloc(1, sizeof(*table) + sizeof(entry));

	table->nr = 1;
	table->entries[0] = entry;
	CHECKED(ioctl(vm->fd, KVM_SET_GSI_ROUTING, table));
	free(table);
}

static void irqfd_msi(struct vm *vm)
{
	route(vm, (struct kvm_irq_routing_entry) {
		.gsi = 40, .type = KVM_IRQ_ROUTING_MSI,
		.u.msi = { .address_lo = 0xfee00000, .data = VEC(7) },
	});
	assign_irqfd(vm, 40);
}

/* The IOAPIC's pin 7 before the guest runs: redirection entry by KVM_SET_IRQCHIP. */
static void irqfd_ioapic(struct vm *vm)
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };

	CHECKED(ioctl(vm->fd, KVM_GET_IRQCHIP, &chip));
	ASSERT_EQ(chip.chip.ioapic.redirtbl[7].fields.mask, 1);
	chip.chip.ioapic.redirtbl[7].bits = VEC(7);
	CHECKED(ioctl(vm->fd, KVM_SET_IRQCHIP, &chip));
	assign_irqfd(vm, 7);
}

/* After deassignment the eventfd sends nothing. */
static void deassign(struct vm *vm)
{
	struct kvm_irqfd irqfd = { .fd = event, .gsi = 40, .flags = KVM_IRQFD_FLAG_DEASSIGN };
	u64 one = 1, count;

	CHECKED(ioctl(vm->fd, KVM_IRQFD, &irqfd));
	CHECKED(write(event, &one, 8));
	usleep(10000);
	ASSERT_EQ(CHECKED(read(event, &count, 8)), 8);
	ASSERT_EQ(count, 1);
}

static int io_events[4];

static void ioeventfds(struct vm *vm)
{
	struct kvm_ioeventfd io[4] = {
		{ .addr = GUEST_PORT + 8, .len = 4, .datamatch = 77,
		  .flags = KVM_IOEVENTFD_FLAG_PIO | KVM_IOEVENTFD_FLAG_DATAMATCH },
		{ .addr = GUEST_PORT + 0x10, .len = 2, .flags = KVM_IOEVENTFD_FLAG_PIO },
		{ .addr = GUEST_MMIO + 0x800, .len = 4, .datamatch = 2,
		  .flags = KVM_IOEVENTFD_FLAG_DATAMATCH },
		{ .addr = GUEST_MMIO + 0x900, .len = 4 },
	};
	unsigned int i;

	for (i = 0; i < 4; i++) {
		io_events[i] = io[i].fd = CHECKED(eventfd(0, EFD_NONBLOCK));
		CHECKED(ioctl(vm->fd, KVM_IOEVENTFD, &io[i]));
		ASSERT_ERRNO(ioctl(vm->fd, KVM_IOEVENTFD, &io[i]), EEXIST);
	}
}

static void check_io_events(struct vm *vm)
{
	static const u64 want[4] = { 1, 2, 1, 1 };
	unsigned int i;
	u64 count;

	for (i = 0; i < 4; i++) {
		ASSERT_EQ(CHECKED(read(io_events[i], &count, 8)), 8);
		ASSERT_EQ(count, want[i]);
	}
}

static u64 event_count(int event)
{
	u64 count = 0;

	if (read(event, &count, 8) == -1)
		ASSERT_EQ(errno, EAGAIN);
	return count;
}

static void check_string_events(struct vm *vm)
{
	ASSERT_EQ(event_count(io_events[0]), 4);
	ASSERT_EQ(event_count(io_events[1]), 3);
}

#define WIDE 0xff00000012345678ull

static void wide_ioeventfds(struct vm *vm)
{
	struct kvm_ioeventfd io[3] = {
		{ .addr = GUEST_PORT + 8, .len = 4, .datamatch = WIDE,
		  .flags = KVM_IOEVENTFD_FLAG_PIO | KVM_IOEVENTFD_FLAG_DATAMATCH },
		{ .addr = GUEST_MMIO + 0x800, .len = 4, .datamatch = WIDE,
		  .flags = KVM_IOEVENTFD_FLAG_DATAMATCH },
		{ .addr = GUEST_MMIO + 0x808, .len = 8, .datamatch = WIDE,
		  .flags = KVM_IOEVENTFD_FLAG_DATAMATCH },
	}, narrow;
	unsigned int i;

	for (i = 0; i < 3; i++) {
		io_events[i] = io[i].fd = CHECKED(eventfd(0, EFD_NONBLOCK));
		CHECKED(ioctl(vm->fd, KVM_IOEVENTFD, &io[i]));
	}
	/* Neither is it the one for the value's lower half, nor in its way. */
	narrow = io[0];
	narrow.datamatch = (u32)WIDE;
	narrow.flags |= KVM_IOEVENTFD_FLAG_DEASSIGN;
	ASSERT_ERRNO(ioctl(vm->fd, KVM_IOEVENTFD, &narrow), ENOENT);
	narrow.flags &= ~KVM_IOEVENTFD_FLAG_DEASSIGN;
	CHECKED(ioctl(vm->fd, KVM_IOEVENTFD, &narrow));
	narrow.flags |= KVM_IOEVENTFD_FLAG_DEASSIGN;
	CHECKED(ioctl(vm->fd, KVM_IOEVENTFD, &narrow));
}

static void check_wide_events(struct vm *vm)
{
	ASSERT_EQ(event_count(io_events[0]), 0);
	ASSERT_EQ(event_count(io_events[1]), 0);
	ASSERT_EQ(event_count(io_events[2]), 1);
}

static void need_deadline(struct vm *vm)
{
	struct kvm_cpuid_entry2 *entry = cpuid_find(cpuid_supported(), 1, 0);

	if (vm_cap(vm, KVM_CAP_TSC_DEADLINE_TIMER) <= 0)
		skip("no KVM_CAP_TSC_DEADLINE_TIMER");
	entry->ecx |= 1 << 24;
	vcpu_set_cpuid(&vm->vcpu[0]);
}

static void need_x2apic(struct vm *vm)
{
	if (!(cpuid_find(cpuid_supported(), 1, 0)->ecx & 1 << 21))
		skip("CPUID offers no x2APIC");
}

static void send_nmi(struct vm *vm)
{
	CHECKED(ioctl(vm->vcpu[0].fd, KVM_NMI, 0));
}

/* 1: at once. 2: later, from elsewhere: a vCPU ioctl waits for KVM_RUN, so by MSI. */
static bool nmis(struct vcpu *vcpu)
{
	u32 value;

	if (!traced(vcpu, &value))
		return false;
	send_nmi(vcpu->vm);
	return true;
}

static void set_shadow_to(struct vcpu *vcpu, u8 shadow)
{
	struct kvm_vcpu_events events;

	/* First the OUT has to end. */
	vcpu->run->immediate_exit = 1;
	ASSERT(ioctl(vcpu->fd, KVM_RUN, 0) < 0 && errno == EINTR);
	vcpu->run->immediate_exit = 0;
	CHECKED(ioctl(vcpu->fd, KVM_GET_VCPU_EVENTS, &events));
	events.flags |= KVM_VCPUEVENT_VALID_SHADOW;
	events.interrupt.shadow = shadow;
	CHECKED(ioctl(vcpu->fd, KVM_SET_VCPU_EVENTS, &events));
}

static bool set_shadow(struct vcpu *vcpu)
{
	u32 value;

	if (!traced(vcpu, &value))
		return false;
	set_shadow_to(vcpu, KVM_X86_SHADOW_INT_STI);
	return true;
}

/* 1: in a shadow of STI. 2: in one of MOV SS. 3: in none. 0: no NMI. */
static bool nmi_in_shadow(struct vcpu *vcpu)
{
	u32 value;

	if (!traced(vcpu, &value))
		return false;
	if (value == 1)
		set_shadow_to(vcpu, KVM_X86_SHADOW_INT_STI);
	else if (value == 2)
		set_shadow_to(vcpu, KVM_X86_SHADOW_INT_MOV_SS);
	if (value)
		send_nmi(vcpu->vm);
	return true;
}

static void send_nmi_msi(struct vm *vm)
{
	struct kvm_msi msi = { .address_lo = 0xfee00000, .data = 0x400 };

	CHECKED(ioctl(vm->fd, KVM_SIGNAL_MSI, &msi));
}

static bool nmi_later(struct vcpu *vcpu)
{
	u32 value;

	if (!traced(vcpu, &value))
		return false;
	do_later(vcpu->vm, send_nmi_msi);
	return true;
}

/* Without irqchip: ask for the window, inject when it opens. */
static bool user_irq(struct vcpu *vcpu)
{
	struct kvm_interrupt irq = { .irq = 0x55 };
	u32 value;

	if (traced(vcpu, &value)) {
		ASSERT_EQ(vcpu->run->if_flag, 0);
		ASSERT_EQ(vcpu->run->ready_for_interrupt_injection, 0);
		vcpu->run->request_interrupt_window = 1;
		return true;
	}
	if (vcpu->run->exit_reason != KVM_EXIT_IRQ_WINDOW_OPEN)
		return false;
	ASSERT_EQ(vcpu->run->ready_for_interrupt_injection, 1);
	vcpu->run->request_interrupt_window = 0;
	CHECKED(ioctl(vcpu->fd, KVM_INTERRUPT, &irq));
	return true;
}

/* Likewise, and the segments are read and written back while it waits: it comes once. */
static bool user_irq_kept(struct vcpu *vcpu)
{
	bool injects = vcpu->run->exit_reason == KVM_EXIT_IRQ_WINDOW_OPEN;
	struct kvm_sregs sregs;

	if (!user_irq(vcpu))
		return false;
	if (!injects)
		return true;
	sregs = vcpu_sregs(vcpu);
	CHECKED(ioctl(vcpu->fd, KVM_SET_SREGS, &sregs));
	return true;
}

static unsigned int ends;
static bool line_is_high;

/* Messages to vector 9, level-triggered, and 8, as if from pins of those numbers. */
static void route_pins(struct vm *vm)
{
	struct kvm_irq_routing *table = calloc(1, sizeof(*table) + 2 * sizeof(table->entries[0]));

	table->nr = 2;
	table->entries[0] = (struct kvm_irq_routing_entry) {
		.gsi = 9, .type = KVM_IRQ_ROUTING_MSI,
		.u.msi = { .address_lo = 0xfee00000, .data = VEC(9) | 3 << 14 } };
	table->entries[1] = (struct kvm_irq_routing_entry) {
		.gsi = 8, .type = KVM_IRQ_ROUTING_MSI,
		.u.msi = { .address_lo = 0xfee00000, .data = VEC(8) } };
	CHECKED(ioctl(vm->fd, KVM_SET_GSI_ROUTING, table));
	free(table);
	ends = 0;
}

static void route_pins_x2apic(struct vm *vm)
{
	need_x2apic(vm);
	route_pins(vm);
}

/* An IOAPIC of the test's: 1 and 2 raise and lower the line of pin 9, 3 is an edge at 8. */
static bool split_pins(struct vcpu *vcpu)
{
	u32 value;

	if (vcpu->run->exit_reason == KVM_EXIT_IOAPIC_EOI) {
		ASSERT_EQ(vcpu->run->eoi.vector, VEC(9));
		ends++;
		if (line_is_high)
			vm_irq_line(vcpu->vm, 9, 1);
		return true;
	}
	if (!traced(vcpu, &value))
		return false;
	line_is_high = value == 1;
	if (value != 2)
		vm_irq_line(vcpu->vm, value == 1 ? 9 : 8, 1);
	return true;
}

static void three_ends(struct vm *vm)
{
	ASSERT_EQ(ends, 3);
}

/*
 * With the controllers in the kernel the window is theirs, also where the local APIC lets the
 * PIC's interrupts through: nobody is told.
 */
static void ask_window(struct vm *vm)
{
	vm->vcpu[0].run->request_interrupt_window = 1;
}

static bool pic_lines_no_window(struct vcpu *vcpu)
{
	ASSERT(vcpu->run->exit_reason != KVM_EXIT_IRQ_WINDOW_OPEN);
	return pic_lines(vcpu);
}

/* The VMM sees where its APIC has gone, and puts it back. */
static bool apic_base_moves(struct vcpu *vcpu)
{
	struct kvm_sregs sregs;
	u32 value;

	if (!traced(vcpu, &value))
		return false;
	sregs = vcpu_sregs(vcpu);
	if (value == 1)
		ASSERT_EQ(sregs.apic_base, 0xfee00900);
	if (value == 2) {
		ASSERT_EQ(sregs.apic_base, 0xfed00900);
		ASSERT_EQ(vcpu->run->apic_base, 0xfed00900);
		sregs.apic_base = 0xfee00100;
		CHECKED(ioctl(vcpu->fd, KVM_SET_SREGS, &sregs));
		ASSERT_EQ(vcpu_sregs(vcpu).apic_base, 0xfee00100);
		sregs.apic_base = ~0ull;
		ASSERT_ERRNO(ioctl(vcpu->fd, KVM_SET_SREGS, &sregs), EINVAL);
	}
	return true;
}

#define TICK_NS		49999916ull	/* 59659 of 1193182 Hz */

static u64 now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ull + now.tv_nsec;
}

static u64 pit_began;
static volatile bool pit_back;

static u32 ticks_of(struct vm *vm)
{
	return ((volatile u32 *)vm_symbol(vm, "g_count"))[VEC(8)];
}

/* Ticks that were due and have not come, give or take the one that is just due. */
static s64 ticks_missing(struct vm *vm)
{
	u64 due = (now_ns() - pit_began) / TICK_NS;

	return (s64)due - ticks_of(vm);
}

/* The guest has started its timer, and then does not run for two seconds. */
static bool away(struct vcpu *vcpu)
{
	u32 value;

	if (!traced(vcpu, &value))
		return false;
	pit_began = now_ns();
	usleep(2000000);
	ASSERT(ticks_missing(vcpu->vm) >= 38);
	pit_back = true;
	return true;
}

/* However slow this machine is, what the guest missed comes in the end, and no more. */
static void *await_ticks(void *arg)
{
	struct vm *vm = arg;

	while (!pit_back || ticks_missing(vm) > 2)
		usleep(1000);
	ASSERT(ticks_missing(vm) >= -2);
	vm_var(vm, u32, "g_pit_stop") = 1;
	return NULL;
}

/* It ticks again, and what was missed is gone. */
static void *await_loss(void *arg)
{
	struct vm *vm = arg;

	while (!pit_back || ticks_of(vm) < 20)
		usleep(1000);
	ASSERT(ticks_missing(vm) >= 35);
	vm_var(vm, u32, "g_pit_stop") = 1;
	return NULL;
}

static void watch(struct vm *vm, void *(*fn)(void *vm))
{
	pthread_t thread;

	ASSERT(!pthread_create(&thread, NULL, fn, vm));
	pthread_detach(thread);
}

static void pit_makes_up(struct vm *vm)
{
	ASSERT(vm_cap(vm, KVM_CAP_REINJECT_CONTROL) == 1);
	watch(vm, await_ticks);
}

static void pit_drops(struct vm *vm)
{
	struct kvm_reinject_control control = { .pit_reinject = 0 };

	CHECKED(ioctl(vm->fd, KVM_REINJECT_CONTROL, &control));
	watch(vm, await_loss);
}

static const struct guest_test tests[] = {
	{ .name = "g_ioapic_edge", .on_exit = line_5 },
	{ .name = "g_ioapic_level", .on_exit = line_9 },
	{ .name = "g_ioapic_mask", .on_exit = line_5 },
	{ .name = "g_ioapic_registers" },
	{ .name = "g_pic", .on_exit = pic_lines },
	{ .name = "msi", .entry = "g_wait_vec7", .on_exit = msi_later },
	{ .name = "irqfd_msi", .entry = "g_wait_vec7", .before = irqfd_msi,
	  .on_exit = event_later, .after = deassign },
	{ .name = "irqfd_ioapic", .entry = "g_wait_vec7", .before = irqfd_ioapic,
	  .on_exit = event_later },
	{ .name = "g_ioeventfd", .before = ioeventfds, .after = check_io_events,
	  LOG({ .addr = GUEST_PORT + 8, .write = true, .len = 4, .data = 1 },
	      { .addr = GUEST_MMIO + 0x800, .mmio = true, .write = true, .len = 4, .data = 1 },
	      { .addr = GUEST_MMIO + 0x900, .mmio = true, .write = true, .len = 2, .data = 3 }) },
	{ .name = "g_ioeventfd_string", .before = ioeventfds, .after = check_string_events,
	  LOG({ .addr = GUEST_PORT + 8, .write = true, .len = 4, .data = 1 },
	      { .addr = GUEST_PORT + 8, .write = true, .len = 4, .data = 2 },
	      { .addr = GUEST_PORT + 8, .write = true, .len = 4, .data = 3 },
	      { .addr = GUEST_PORT + 8, .len = 4, .data = 0x04030201 },
	      { .addr = GUEST_PORT + 8, .len = 4, .data = 0x08070605 }) },
	{ .name = "g_ioeventfd_wide", .before = wide_ioeventfds, .after = check_wide_events,
	  LOG({ .addr = GUEST_PORT + 8, .write = true, .len = 4, .data = 0x12345678 },
	      { .addr = GUEST_MMIO + 0x800, .mmio = true, .write = true, .len = 4,
		.data = 0x12345678 }) },
	{ .name = "g_timer_oneshot" },
	{ .name = "g_timer_periodic" },
	{ .name = "g_timer_deadline", .before = need_deadline },
	{ .name = "g_pit", .config.pit = true },
	{ .name = "pit_late_ioapic", .entry = "g_pit_20hz", .config.pit = true,
	  .before = pit_makes_up, .on_exit = away, .seconds = 60 },
	{ .name = "pit_late_pic", .entry = "g_pit_20hz", .arg = 1, .config.pit = true,
	  .before = pit_makes_up, .on_exit = away, .seconds = 60 },
	{ .name = "pit_dropped", .entry = "g_pit_20hz", .config.pit = true,
	  .before = pit_drops, .on_exit = away, .seconds = 60 },
	{ .name = "g_nmi", .on_exit = nmis },
	{ .name = "g_nmi_wakes_hlt", .on_exit = nmi_later },
	{ .name = "g_nmi_again", .on_exit = nmis },
	{ .name = "g_nmi_again_halted", .on_exit = nmi_later },
	{ .name = "g_nmi_in_shadow", .on_exit = nmi_in_shadow },
	{ .name = "g_nmi_behind_iret", .on_exit = nmi_in_shadow },
	{ .name = "g_nmi_iret_gp", .on_exit = nmi_in_shadow },
	{ .name = "g_nmi_iret_pf", .on_exit = nmi_in_shadow },
	{ .name = "g_nmi_stepping", .on_exit = nmi_in_shadow },
	{ .name = "g_sti_window" },
	{ .name = "g_shadow_kept", .on_exit = set_shadow },
	{ .name = "g_sti_hlt" },
	/* A guest that halts the CPU itself. */
	{ .name = "own_halt_irq", .entry = "g_sti_hlt",
	  .config.exits_off = KVM_X86_DISABLE_EXITS_HLT },
	{ .name = "own_halt_nmi", .entry = "g_nmi_own_halt", .on_exit = nmi_later,
	  .config.exits_off = KVM_X86_DISABLE_EXITS_HLT },
	{ .name = "own_halt_timer", .entry = "g_timer_oneshot",
	  .config.exits_off = KVM_X86_DISABLE_EXITS_HLT },
	{ .name = "g_popf_window" },
	{ .name = "g_tpr" },
	{ .name = "g_priority" },
	{ .name = "g_nested" },
	{ .name = "g_lapic_registers" },
	{ .name = "g_x2apic", .before = need_x2apic },
	{ .name = "g_user_irq", .config.no_irqchip = true, .on_exit = user_irq },
	{ .name = "user_irq_kept", .entry = "g_user_irq", .config.no_irqchip = true,
	  .on_exit = user_irq_kept },
	{ .name = "g_split_pic", .config.split = true, .on_exit = user_irq },
	{ .name = "split_pic_kept", .entry = "g_split_pic", .config.split = true,
	  .on_exit = user_irq_kept },
	{ .name = "g_split_level", .config.split = true, .before = route_pins,
	  .on_exit = split_pins, .after = three_ends },
	{ .name = "g_split_level_x2apic", .config.split = true, .before = route_pins_x2apic,
	  .on_exit = split_pins, .after = three_ends },
	{ .name = "window_not_asked", .entry = "g_pic", .before = ask_window,
	  .on_exit = pic_lines_no_window },
	{ .name = "g_user_apic_base", .config.no_irqchip = true, .on_exit = apic_base_moves },
	{ .name = "g_held", .seconds = 60 },
	{ .name = "g_flood", .seconds = 60, .before = NULL },
};

const struct guest_group irq_group = { "irq", tests, ARRAY_SIZE(tests) };
