// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM's paravirtual features: what a guest finds in its memory, what hypercalls do, and what
 * becomes of them where there is no memory, or where the VMM takes it away.
 */
#include <linux/kvm_para.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "vm.h"

#define STEAL_TIME	0x4b564d03
#define POLL_CONTROL	0x4b564d05
#define PLATFORM_INFO	0xce
#define CAP_APIC_BUS_CYCLES	237
#define HC_MAP_GPA_RANGE	12
#define FEATURES	0x40000001
#define FEATURE_STEAL	5
#define SLOT_GPA	0x10000000ul
#define PREEMPTED	1
#define FLUSH		2

struct steal {
	u64 steal;
	u32 version, flags;
	u8 preempted, pad[47];
};

static int enable(int fd, u32 cap, u64 arg)
{
	return ioctl(fd, KVM_ENABLE_CAP, &(struct kvm_enable_cap) { .cap = cap, .args[0] = arg });
}

static volatile struct steal *steal_at(struct vm *vm, u64 gpa)
{
	return (void *)(vm->ram + gpa);
}

static void steal_on(struct vcpu *vcpu, u64 gpa)
{
	ASSERT_EQ(vcpu_try_set_msr(vcpu, STEAL_TIME, gpa | 1), 1);
	ASSERT_EQ(vcpu_msr(vcpu, STEAL_TIME), gpa | 1);
}

static void offered(const void *arg)
{
	struct kvm_cpuid_entry2 *e = cpuid_find(cpuid_supported(), FEATURES, 0);
	struct vm *vm = vm_new(NULL);

	ASSERT(e);
	/* Steal time, unhalt, TLB flush, IPIs, yield. */
	ASSERT_EQ(e->eax & 0x2aa0, 0x2aa0);
	ASSERT_EQ(vm_cap(vm, KVM_CAP_ENFORCE_PV_FEATURE_CPUID), 1);
	ASSERT_EQ(vm_cap(vm, KVM_CAP_EXIT_HYPERCALL), 1 << HC_MAP_GPA_RANGE);
	ASSERT_EQ(vm_cap(vm, KVM_CAP_ASYNC_PF), 1);
	ASSERT_EQ(vm_cap(vm, KVM_CAP_ASYNC_PF_INT), 1);
	ASSERT_EQ(vm_cap(vm, KVM_CAP_STEAL_TIME), 1);
	vm_free(vm);
}

/* The page is written at each load of the vCPU, in an order that readers can rely on. */
static void steal(const void *arg)
{
	struct vm *vm = vm_new(NULL);
	struct vcpu *vcpu = &vm->vcpu[0];
	volatile struct steal *st = steal_at(vm, GUEST_FREE);
	u32 version;

	ASSERT_EQ(vcpu_try_set_msr(vcpu, STEAL_TIME, GUEST_FREE | 2), 0);
	ASSERT_EQ(vcpu_try_set_msr(vcpu, STEAL_TIME, GUEST_FREE | 0x21), 0);
	ASSERT_EQ(vcpu_msr(vcpu, STEAL_TIME), 0);
	st->steal = 1ull << 40;
	st->version = 7;
	steal_on(vcpu, GUEST_FREE);
	vcpu_call(vcpu, "g_nothing", 0);
	vcpu_run_done(vcpu);
	ASSERT(!(st->version & 1));
	ASSERT(st->version > 7);
	ASSERT(st->steal >= 1ull << 40);
	ASSERT(st->steal < (1ull << 40) + 100 * 1000000000ull);
	ASSERT_EQ(st->preempted, 0);
	version = st->version;
	vcpu_call(vcpu, "g_nothing", 0);
	vcpu_run_done(vcpu);
	ASSERT(st->version > version);
	/* Off: nothing is written any more. */
	ASSERT_EQ(vcpu_try_set_msr(vcpu, STEAL_TIME, 0), 1);
	version = st->version;
	vcpu_call(vcpu, "g_nothing", 0);
	vcpu_run_done(vcpu);
	ASSERT_EQ(st->version, version);
	vm_free(vm);
}

/* What another vCPU left in the byte is taken before the guest runs. */
static void flush(const void *arg)
{
	struct vm *vm = vm_new(NULL);
	struct vcpu *vcpu = &vm->vcpu[0];
	volatile struct steal *st = steal_at(vm, GUEST_FREE);

	st->preempted = PREEMPTED | FLUSH;
	steal_on(vcpu, GUEST_FREE);
	vcpu_call(vcpu, "g_nothing", 0);
	vcpu_run_done(vcpu);
	ASSERT_EQ(st->preempted, 0);
	vm_free(vm);
}

/* This thread and the vCPU's share a CPU: while this one looks, the other does not run. */
static void preempted(const void *arg)
{
	struct vm *vm = vm_new(NULL);
	struct vcpu *vcpu = &vm->vcpu[0];
	volatile struct steal *st = steal_at(vm, GUEST_FREE);
	volatile u8 *touched = &vm->ram[GUEST_FREE + 63];
	cpu_set_t one;
	u64 before;

	CPU_ZERO(&one);
	CPU_SET(0, &one);
	CHECKED(sched_setaffinity(0, sizeof(one), &one));
	*touched = 0;
	steal_on(vcpu, GUEST_FREE);
	vcpu_call(vcpu, "g_pv_spin", GUEST_FREE);
	vcpu_start(vcpu);
	while (!*touched)
		sched_yield();
	while (!(st->preempted & PREEMPTED))
		sched_yield();
	before = st->steal;
	st->preempted |= FLUSH;
	while (st->steal < before + 5000000)
		;
	vm_var(vm, u32, "g_pv_go") = 1;
	vcpu_join(vcpu);
	vcpu_ended(vcpu);
	ASSERT(!(st->preempted & FLUSH));
	vm_free(vm);
}

/* No memory, a device's, read-only memory, the last bytes below 2^64: the guest goes on. */
static void hostile(const void *arg)
{
	static const u64 gpas[] = { 1ull << 45, GUEST_MMIO, SLOT_GPA, ~0ull << 6, 0xfee00000 };
	struct vm *vm = vm_new(NULL);
	struct vcpu *vcpu = &vm->vcpu[0];
	unsigned int i;

	CHECKED(vm_set_slot(vm, 1, KVM_MEM_READONLY, SLOT_GPA, PAGE_SIZE, vm->ram));
	for (i = 0; i < ARRAY_SIZE(gpas); i++) {
		steal_on(vcpu, gpas[i]);
		vcpu_call(vcpu, "g_nothing", 0);
		vcpu_run_done(vcpu);
	}
	vm_free(vm);
}

/* The slot goes, and comes back as other memory, while the guest has it in use. */
static void slot_goes(const void *arg)
{
	struct vm *vm = vm_new(&(struct vm_config) { .user = true });
	struct vcpu *vcpu = &vm->vcpu[0];
	u64 bitmap = 0;
	u8 *a = aligned_alloc(PAGE_SIZE, PAGE_SIZE), *b = aligned_alloc(PAGE_SIZE, PAGE_SIZE);

	memset(a, 0, PAGE_SIZE);
	memset(b, 0, PAGE_SIZE);
	CHECKED(vm_set_slot(vm, 1, 0, SLOT_GPA, PAGE_SIZE, a));
	steal_on(vcpu, SLOT_GPA + PAGE_SIZE - 64);
	vm_call(vm, "g_nothing", 0);
	ASSERT(((struct steal *)(a + PAGE_SIZE - 64))->version);
	CHECKED(vm_set_slot(vm, 1, 0, SLOT_GPA, 0, a));
	memset(a, 0, PAGE_SIZE);
	vm_call(vm, "g_nothing", 0);
	CHECKED(vm_set_slot(vm, 1, KVM_MEM_LOG_DIRTY_PAGES, SLOT_GPA, PAGE_SIZE, b));
	vm_call(vm, "g_nothing", 0);
	ASSERT_EQ(((struct steal *)(a + PAGE_SIZE - 64))->version, 0);
	ASSERT(((struct steal *)(b + PAGE_SIZE - 64))->version);
	CHECKED(ioctl(vm->fd, KVM_GET_DIRTY_LOG,
		      &(struct kvm_dirty_log) { .slot = 1, .dirty_bitmap = &bitmap }));
	ASSERT_EQ(bitmap, 1);
	vm_free(vm);
}

static void call(const void *symbol)
{
	struct vm *vm = vm_new(NULL);

	vm_call(vm, symbol, GUEST_FREE);
	vm_free(vm);
}

static void user_mode(const void *arg)
{
	struct vm *vm = vm_new(NULL);

	vm_call(vm, "g_pv_user", 0);
	ASSERT_EQ(vm_var(vm, s64, "g_pv_result"), -1);
	vm_free(vm);
}

static void clock_pairing(const void *arg)
{
	struct vm *vm = vm_new(NULL);
	s64 seconds;

	vm_call(vm, "g_pv_clock_pairing", GUEST_FREE);
	if (vm_var(vm, s64, "g_pv_result") == -95)
		skip("the host's TSC is not stable");
	ASSERT_EQ(vm_var(vm, s64, "g_pv_result"), 0);
	seconds = *(volatile s64 *)(vm->ram + GUEST_FREE) - time(NULL);
	ASSERT(seconds >= -10 && seconds <= 1);
	vm_free(vm);
}

/* The VMM answers; what it says of another instruction's is dropped. */
static void map_range(const void *arg)
{
	struct vm *vm = vm_new(NULL);
	struct vcpu *vcpu = &vm->vcpu[0];

	ASSERT_ERRNO(enable(vm->fd, KVM_CAP_EXIT_HYPERCALL, 1 << 5), EINVAL);
	CHECKED(enable(vm->fd, KVM_CAP_EXIT_HYPERCALL, 1 << HC_MAP_GPA_RANGE));
	vcpu_call(vcpu, "g_pv_map_range", 0);
	ASSERT_EQ(vcpu_run(vcpu), KVM_EXIT_HYPERCALL);
	ASSERT_EQ(vcpu->run->hypercall.nr, HC_MAP_GPA_RANGE);
	ASSERT_EQ(vcpu->run->hypercall.args[0], 0x3000);
	ASSERT_EQ(vcpu->run->hypercall.args[1], 5);
	ASSERT_EQ(vcpu->run->hypercall.args[2], 0x12);
	ASSERT_EQ(vcpu->run->hypercall.longmode, 1);
	vcpu->run->hypercall.ret = 0x123456789;
	vcpu_run_done(vcpu);
	ASSERT_EQ(vm_var(vm, s64, "g_pv_result"), 0x123456789);
	vcpu_call(vcpu, "g_pv_map_range", 0);
	ASSERT_EQ(vcpu_run(vcpu), KVM_EXIT_HYPERCALL);
	vcpu_call(vcpu, "g_nothing", 0);
	vcpu->run->hypercall.ret = 5;
	vcpu_run_done(vcpu);
	ASSERT_EQ(vm_var(vm, s64, "g_pv_result"), 0x123456789);
	vm_free(vm);
}

/* A kick ends a halt that no interrupt could end, and one that comes before it the next. */
static void kick(const void *arg)
{
	struct vm *vm = vm_new(&(struct vm_config) { .vcpus = 2 });
	struct kvm_mp_state runs = { .mp_state = KVM_MP_STATE_RUNNABLE };

	CHECKED(ioctl(vm->vcpu[1].fd, KVM_SET_MP_STATE, &runs));
	vcpu_call(&vm->vcpu[1], "g_pv_halt", 0);
	vcpu_start(&vm->vcpu[1]);
	usleep(arg ? 100000 : 0);
	vcpu_call(&vm->vcpu[0], "g_pv_kick", 0);
	vcpu_run_done(&vm->vcpu[0]);
	vcpu_join(&vm->vcpu[1]);
	vcpu_ended(&vm->vcpu[1]);
	vm_free(vm);
}

/* Interrupts whose end costs no exit, where the CPU does not end them by itself. */
static void eoi(const void *arg)
{
	struct vm *vm = vm_new(NULL);
	struct kvm_cpuid_entry2 *e = cpuid_find(cpuid_supported(), 0, 0);

	vm_call(vm, "g_pv_eoi", GUEST_FREE);
	if (e->ebx == 0x68747541)		/* "Auth" */
		ASSERT(vm_var(vm, s64, "g_pv_result") > 0);
	vm_free(vm);
}

static void ignore(int sig)
{
}

static void *enter_once(void *vcpu)
{
	return (void *)(long)vcpu_enter(vcpu);
}

/*
 * The guest has ended its interrupt in memory that is away when a signal ends KVM_RUN. Shows
 * something only where the guest runs on a CPU of its own meanwhile: else the exit before
 * this thread's turn has taken it.
 */
static void eoi_late(const void *arg)
{
	struct vm *vm = vm_new(&(struct vm_config) { .user = true });
	struct sigaction action = { .sa_handler = ignore };
	struct vcpu *vcpu = &vm->vcpu[0];
	pthread_t thread;
	volatile u32 *late;
	void *result, *page;

	sigaction(SIGUSR1, &action, NULL);
	page = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT(page != MAP_FAILED);
	CHECKED(vm_set_slot(vm, 1, 0, SLOT_GPA, PAGE_SIZE, page));
	vcpu_call(vcpu, "g_pv_eoi_late", SLOT_GPA);
	late = vm_symbol(vm, "g_pv_late");
	ASSERT(!pthread_create(&thread, NULL, enter_once, vcpu));
	while (*late != 1)
		usleep(1000);
	CHECKED(madvise(page, PAGE_SIZE, MADV_DONTNEED));
	ASSERT_EQ(pthread_kill(thread, SIGUSR1), 0);
	pthread_join(thread, &result);
	ASSERT_EQ(result, -EINTR);
	*late = 2;
	vcpu_run_done(vcpu);
	vm_free(vm);
}

/* The guest asks for no polls; the counters that VMMs know are there. */
static void poll_control(const void *arg)
{
	struct vm *vm = vm_new(NULL);
	struct vcpu *vcpu = &vm->vcpu[0];

	ASSERT_EQ(vm_cap(vm, KVM_CAP_HALT_POLL), 1);
	ASSERT_EQ(vcpu_msr(vcpu, POLL_CONTROL), 1);
	ASSERT_EQ(vcpu_try_set_msr(vcpu, POLL_CONTROL, 2), 0);
	ASSERT_EQ(vcpu_try_set_msr(vcpu, POLL_CONTROL, 0), 1);
	ASSERT_EQ(vcpu_msr(vcpu, POLL_CONTROL), 0);
	ASSERT_ERRNO(enable(vm->fd, KVM_CAP_HALT_POLL, 1ull << 32), EINVAL);
	CHECKED(enable(vm->fd, KVM_CAP_HALT_POLL, 0));
	CHECKED(enable(vm->fd, KVM_CAP_HALT_POLL, 1000000));
	vm_free(vm);
}

static void platform_info(const void *arg)
{
	struct vm *vm = vm_new(NULL);
	struct vcpu *vcpu = &vm->vcpu[0];

	ASSERT_EQ(vm_cap(vm, KVM_CAP_MSR_PLATFORM_INFO), 1);
	ASSERT_EQ(vcpu_try_set_msr(vcpu, PLATFORM_INFO, 0xff00), 1);
	vm_call(vm, "g_pv_platform_info", 0xff00);
	CHECKED(enable(vm->fd, KVM_CAP_MSR_PLATFORM_INFO, 0));
	vm_call(vm, "g_pv_no_platform_info", 0);
	ASSERT_EQ(vcpu_msr(vcpu, PLATFORM_INFO), 0xff00);
	vm_free(vm);
}

static void bus_cycles(const void *arg)
{
	struct vm *without = vm_new(&(struct vm_config) { .empty = true, .no_irqchip = true });
	struct vm *vm = vm_new(NULL);

	ASSERT_EQ(vm_cap(vm, CAP_APIC_BUS_CYCLES), 1);
	ASSERT_ERRNO(enable(vm->fd, CAP_APIC_BUS_CYCLES, 40), EINVAL);
	ASSERT_ERRNO(enable(without->fd, CAP_APIC_BUS_CYCLES, 0), EINVAL);
	ASSERT_ERRNO(enable(without->fd, CAP_APIC_BUS_CYCLES, 1ull << 40), EINVAL);
	ASSERT_ERRNO(enable(without->fd, CAP_APIC_BUS_CYCLES, 40), ENXIO);
	vm_free(without);
	vm_free(vm);
}

/* MONITOR and MWAIT do nothing, or there is neither. */
static void mwait(const void *arg)
{
	struct vm *vm = vm_new(NULL);

	vm_call(vm, "g_pv_mwait", 0);
	CHECKED(enable(vm->fd, KVM_CAP_DISABLE_QUIRKS2, KVM_X86_QUIRK_MWAIT_NEVER_UD_FAULTS));
	vm_call(vm, "g_pv_mwait", 1);
	vm_free(vm);
}

/* Halts that the host does not see, on a CPU that an interrupt of the host's ends. */
static void exits_off(const void *arg)
{
	struct vm *vm = vm_new(&(struct vm_config) { .empty = true });
	u32 exits = vm_cap(vm, KVM_CAP_X86_DISABLE_EXITS);

	ASSERT(exits & KVM_X86_DISABLE_EXITS_PAUSE);
	ASSERT_ERRNO(enable(vm->fd, KVM_CAP_X86_DISABLE_EXITS, 1 << 4), EINVAL);
	CHECKED(enable(vm->fd, KVM_CAP_X86_DISABLE_EXITS, exits));
	vm_free(vm);
}

/* What CPUID does not show is not there, where the VMM says so; it may still save zeros. */
static void enforced(const void *arg)
{
	struct kvm_cpuid2 *cpuid = cpuid_supported();
	struct kvm_cpuid_entry2 *e = cpuid_find(cpuid, FEATURES, 0);
	struct vm *vm = vm_new(NULL);
	struct vcpu *vcpu = &vm->vcpu[0];

	e->eax &= ~(1 << FEATURE_STEAL);
	CHECKED(ioctl(vcpu->fd, KVM_SET_CPUID2, cpuid));
	ASSERT_EQ(vcpu_try_set_msr(vcpu, STEAL_TIME, GUEST_FREE | 1), 1);
	ASSERT_EQ(vcpu_try_set_msr(vcpu, STEAL_TIME, 0), 1);
	CHECKED(enable(vcpu->fd, KVM_CAP_ENFORCE_PV_FEATURE_CPUID, 1));
	ASSERT_EQ(vcpu_try_set_msr(vcpu, STEAL_TIME, GUEST_FREE | 1), 0);
	ASSERT_EQ(vcpu_try_set_msr(vcpu, STEAL_TIME, 0), 1);
	ASSERT_EQ(vcpu_msr(vcpu, STEAL_TIME), 0);
	CHECKED(enable(vcpu->fd, KVM_CAP_ENFORCE_PV_FEATURE_CPUID, 0));
	ASSERT_EQ(vcpu_try_set_msr(vcpu, STEAL_TIME, GUEST_FREE | 1), 1);
	vm_free(vm);
}

static const struct tap_test tests[] = {
	{ "offered", offered },
	{ "steal", steal },
	{ "flush", flush },
	{ "preempted", preempted },
	{ "hostile", hostile },
	{ "slot_goes", slot_goes },
	{ "hypercalls", call, "g_pv_hypercalls" },
	{ "send_ipi", call, "g_pv_send_ipi" },
	{ "user_mode", user_mode },
	{ "clock_pairing", clock_pairing },
	{ "map_range", map_range },
	{ "kick", kick, "asleep" },
	{ "kick_first", kick },
	{ "enforced", enforced },
	{ "eoi", eoi },
	{ "eoi_late", eoi_late },
	{ "poll_control", poll_control },
	{ "platform_info", platform_info },
	{ "bus_cycles", bus_cycles },
	{ "mwait", mwait },
	{ "exits_off", exits_off },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, tests, ARRAY_SIZE(tests));
}
