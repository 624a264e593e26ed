// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_TPR_ACCESS_REPORTING and KVM_SET_VAPIC_ADDR: which accesses to a guest's task priority the
 * VMM is told of, and a priority that is in the guest's memory.
 */
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vm.h"

#define SLOT_GPA	0x10000000u
#define FLAG		0x9000
#define CODE		0x8000

static void report(struct vcpu *vcpu, u32 enabled)
{
	struct kvm_tpr_access_ctl ctl = { .enabled = enabled };

	CHECKED(ioctl(vcpu->fd, KVM_TPR_ACCESS_REPORTING, &ctl));
	ASSERT_EQ(ctl.enabled, enabled);
}

static void reported(struct vcpu *vcpu, const char *symbol, bool write)
{
	ASSERT_EQ(vcpu_run(vcpu), KVM_EXIT_TPR_ACCESS);
	ASSERT_EQ(vcpu->run->tpr_access.rip, image_symbol(symbol));
	ASSERT_EQ(vcpu->run->tpr_access.is_write, write);
}

/* The access is made, and then told of. */
static void reporting(const void *arg)
{
	struct vm *vm = vm_new(NULL);
	struct vcpu *vcpu = &vm->vcpu[0];
	struct kvm_lapic_state lapic;

	vcpu_call(vcpu, "g_tpr_accesses", 0);
	report(vcpu, 1);
	reported(vcpu, "d_tpr_write", true);
	CHECKED(ioctl(vcpu->fd, KVM_GET_LAPIC, &lapic));
	ASSERT_EQ(*(u32 *)&lapic.regs[0x80], 0x30);
	reported(vcpu, "d_tpr_read", false);
	report(vcpu, 0);
	vcpu_run_done(vcpu);
	vm_free(vm);
}

static void memory(const void *arg)
{
	struct kvm_vapic_addr addr = { .vapic_addr = GUEST_FREE };
	struct vm *vm = vm_new(NULL);
	struct vcpu *vcpu = &vm->vcpu[0];

	vcpu_call(vcpu, "g_tpr_memory", 0);
	CHECKED(ioctl(vcpu->fd, KVM_SET_VAPIC_ADDR, &addr));
	vcpu_run_done(vcpu);
	addr.vapic_addr = 0;
	CHECKED(ioctl(vcpu->fd, KVM_SET_VAPIC_ADDR, &addr));
	vm_call(vm, "g_arith", 0);
	vm_free(vm);
}

/* Write a byte (offset 6 here) to the slot, say so and spin until told, then hand it out. */
static const u8 writes_and_spins[] = {
	0xc6, 0x05, 0, 0, 0, 0x10, 0,				/* movb $0, SLOT_GPA */
	0xc7, 0x05, 0, 0x90, 0, 0, 1, 0, 0, 0,			/* movl $1, FLAG */
	0x83, 0x3d, 0, 0x90, 0, 0, 2,				/* 1: cmpl $2, FLAG */
	0x75, 0xf7,						/* jne 1b */
	0xa0, 0, 0, 0, 0x10,					/* mov SLOT_GPA, %al */
	0xe6, 0x70,						/* out %al, $0x70 */
};

static void ignore(int sig)
{
}

static void *enter_once(void *vcpu)
{
	return (void *)(long)vcpu_enter(vcpu);
}

/* The guest writes @tpr; then its page is away, and KVM_RUN ends for a signal. */
static void write_and_signal(struct vcpu *vcpu, u8 tpr, void *page)
{
	volatile u32 *flag = (u32 *)(vcpu->vm->ram + FLAG);
	pthread_t thread;
	void *result;

	vcpu->vm->ram[CODE + 6] = tpr;
	vcpu_enter_mode(vcpu, MODE_PROT32, CODE);
	*flag = 0;
	pthread_create(&thread, NULL, enter_once, vcpu);
	while (*flag != 1)
		usleep(1000);
	CHECKED(madvise(page, PAGE_SIZE, MADV_DONTNEED));
	ASSERT_EQ(pthread_kill(thread, SIGUSR1), 0);
	pthread_join(thread, &result);
	ASSERT_EQ(result, -EINTR);
	*flag = 2;
}

/*
 * Where a signal comes before the page does, the guest's byte is taken later. Several times:
 * an exit just before the page goes would have taken it.
 */
static void late(const void *arg)
{
	struct kvm_vapic_addr addr = { .vapic_addr = SLOT_GPA };
	struct vm *vm = vm_new(&(struct vm_config) { .user = true });
	struct sigaction action = { .sa_handler = ignore };
	struct vcpu *vcpu = &vm->vcpu[0];
	struct kvm_lapic_state lapic;
	u8 *page, tpr;

	sigaction(SIGUSR1, &action, NULL);
	page = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT(page != MAP_FAILED);
	CHECKED(vm_set_slot(vm, 1, 0, SLOT_GPA, PAGE_SIZE, page));
	memcpy(vm->ram + CODE, writes_and_spins, sizeof(writes_and_spins));
	CHECKED(ioctl(vcpu->fd, KVM_SET_VAPIC_ADDR, &addr));
	for (tpr = 0x10; tpr < 0xf0; tpr += 0x10) {
		write_and_signal(vcpu, tpr, page);
		ASSERT_EQ(vcpu_enter(vcpu), KVM_EXIT_IO);
		ASSERT_EQ(*((u8 *)vcpu->run + vcpu->run->io.data_offset), tpr);
		CHECKED(ioctl(vcpu->fd, KVM_GET_LAPIC, &lapic));
		ASSERT_EQ(*(u32 *)&lapic.regs[0x80], tpr);
	}
	vm_free(vm);
}

static void refused(const void *arg)
{
	struct kvm_vapic_addr addr = { .vapic_addr = 1ull << 45 };
	struct kvm_tpr_access_ctl ctl = { .flags = 1 };
	struct vm *vm = vm_new(NULL), *without = vm_new(&(struct vm_config) { .no_irqchip = true });

	ASSERT_EQ(vm_cap(vm, KVM_CAP_VAPIC), 1);
	ASSERT_ERRNO(ioctl(vm->vcpu[0].fd, KVM_TPR_ACCESS_REPORTING, &ctl), EINVAL);
	ASSERT_ERRNO(ioctl(vm->vcpu[0].fd, KVM_TPR_ACCESS_REPORTING, 8), EFAULT);
	ASSERT_ERRNO(ioctl(vm->vcpu[0].fd, KVM_SET_VAPIC_ADDR, &addr), EINVAL);
	ASSERT_ERRNO(ioctl(vm->vcpu[0].fd, KVM_SET_VAPIC_ADDR, 8), EFAULT);
	addr.vapic_addr = GUEST_FREE;
	ASSERT_ERRNO(ioctl(without->vcpu[0].fd, KVM_SET_VAPIC_ADDR, &addr), EINVAL);
	vm_free(without);
	vm_free(vm);
}

static const struct tap_test tests[] = {
	{ "reporting", reporting },
	{ "memory", memory },
	{ "late", late },
	{ "refused", refused },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, tests, ARRAY_SIZE(tests));
}
