// SPDX-License-Identifier: GPL-2.0-only
/*
 * Task switches that take their time: a TSS in memory that is not there yet, the way to it in
 * a device, and a signal meanwhile.
 */
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include "vm.h"

#define CODE		0x8000u
#define TASK_CODE	0x8100u
#define OLD_TSS		0xa000u
#define NEW_TSS		0x10000000u	/* in the slot */
#define TASK		0x60		/* selector of the new one */
#define TSS_LIMIT	0x67

static const u8 jumps_by_device[] = { 0xff, 0x2d, 0, 0, 0, 0xd0 };	/* ljmp *GUEST_MMIO */
static const u8 says_so[] = { 0xe6, 0x70 };				/* out %al, $0x70 */

static void ignore(int sig)
{
}

static int watch(void *page)
{
	struct uffdio_register reg = {
		.range = { (u64)page, PAGE_SIZE }, .mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	struct uffdio_api api = { .api = UFFD_API };
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		skip("no userfaultfd: %s", strerror(errno));
	CHECKED(ioctl(fd, UFFDIO_API, &api));
	CHECKED(ioctl(fd, UFFDIO_REGISTER, &reg));
	return fd;
}

static void give_task(int uffd, void *page)
{
	static u32 tss[PAGE_SIZE / 4] __attribute__((aligned(4096)));
	struct uffdio_copy copy = { .dst = (u64)page, .src = (u64)tss, .len = PAGE_SIZE };
	int i;

	tss[0x20 / 4] = TASK_CODE;		/* eip */
	tss[0x24 / 4] = 2;			/* eflags */
	tss[0x38 / 4] = 0x7f00;			/* esp */
	for (i = 0x48; i <= 0x5c; i += 4)	/* es, cs, ss, ds, fs, gs */
		tss[i / 4] = i == 0x4c ? GUEST_CS32 : GUEST_DS;
	CHECKED(ioctl(uffd, UFFDIO_COPY, &copy));
}

/* In protected mode, with a task to leave and the descriptor of one to go to. */
static void begin_in_task(struct vcpu *vcpu)
{
	u64 task = TSS_LIMIT | (NEW_TSS & 0xffffffull) << 16 | 0x89ull << 40 |
		   (u64)(NEW_TSS >> 24) << 56;
	struct kvm_sregs sregs;

	vcpu_enter_mode(vcpu, MODE_PROT32, CODE);
	memcpy(vcpu->vm->ram + GUEST_GDT + TASK, &task, sizeof(task));
	memcpy(vcpu->vm->ram + CODE, jumps_by_device, sizeof(jumps_by_device));
	memcpy(vcpu->vm->ram + TASK_CODE, says_so, sizeof(says_so));
	sregs = vcpu_sregs(vcpu);
	sregs.gdt.limit = TASK + 7;
	sregs.tr = (struct kvm_segment) {
		.base = OLD_TSS, .limit = TSS_LIMIT, .selector = GUEST_TR, .type = 11, .present = 1,
	};
	CHECKED(ioctl(vcpu->fd, KVM_SET_SREGS, &sregs));
}

/* The device's answer: a far pointer to the task. Gives the exit after it. */
static int answer_all(struct vcpu *vcpu)
{
	static const u8 pointer[8] = { 0, 0, 0, 0, TASK, 0 };
	int reason;

	while ((reason = vcpu_enter(vcpu)) == KVM_EXIT_MMIO) {
		u64 offset = vcpu->run->mmio.phys_addr - GUEST_MMIO;

		ASSERT(!vcpu->run->mmio.is_write && offset + vcpu->run->mmio.len <= 8);
		memcpy(vcpu->run->mmio.data, pointer + offset, vcpu->run->mmio.len);
	}
	return reason;
}

/* A switch that a signal ends, and that is repeated, does not ask the device again. */
static void asked_once(const void *arg)
{
	struct itimerval soon = { .it_value.tv_usec = 300000 };
	struct sigaction action = { .sa_handler = ignore };
	struct vm *vm = vm_new(NULL);
	struct vcpu *vcpu = &vm->vcpu[0];
	int uffd;
	u8 *page;

	need_ditto();
	sigaction(SIGALRM, &action, NULL);
	page = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT(page != MAP_FAILED);
	uffd = watch(page);
	CHECKED(vm_set_slot(vm, 1, 0, NEW_TSS, PAGE_SIZE, page));
	begin_in_task(vcpu);
	CHECKED(setitimer(ITIMER_REAL, &soon, NULL));
	ASSERT_EQ(answer_all(vcpu), -EINTR);
	give_task(uffd, page);
	ASSERT_EQ(vcpu_enter(vcpu), KVM_EXIT_IO);
	ASSERT_EQ(vcpu_sregs(vcpu).tr.selector, TASK);
	vm_free(vm);
	close(uffd);
}

static const struct tap_test tests[] = {
	{ "asked_once", asked_once },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, tests, ARRAY_SIZE(tests));
}
