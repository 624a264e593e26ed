// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a 32-bit VMM calls: the ioctls whose arguments have pointers in them, and a few that
 * have none.  The calls are made by the 32-bit gate from this process, with all that they
 * point at below 4 GiB, so that no second compiler is needed.
 */
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "vm.h"

#define NR_IOCTL32	54
#define LSTAR		0xc0000082
#define DONE_GP		13

/* struct kvm_msr_filter and struct kvm_dirty_log as a 32-bit compiler lays them out. */
struct filter32 {
	u32 flags;
	struct {
		u32 flags, nmsrs, base, bitmap;
	} ranges[KVM_MSR_FILTER_MAX_RANGES];
};

struct dirty_log32 {
	u32 slot, padding, bitmap, above;
};

#define SET_FILTER32	_IOW(KVMIO, 0xc6, struct filter32)

static int ioctl32(int fd, unsigned long cmd, const void *arg)
{
	long r = NR_IOCTL32;

	asm volatile("int $0x80" : "+a"(r) : "b"((long)fd), "c"(cmd), "d"(arg)
		     : "memory", "r8", "r9", "r10", "r11");
	if ((int)r >= 0)
		return (int)r;
	errno = -(int)r;
	return -1;
}

/* Memory that a pointer of 32 bits reaches. */
static void *low(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);

	ASSERT(p != MAP_FAILED);
	return p;
}

static u32 address(const void *p)
{
	ASSERT((uintptr_t)p <= ~0u);
	return (uintptr_t)p;
}

/* Whether this kernel has the gate. */
static void need_gate(void)
{
	if (ioctl32(-1, KVM_GET_API_VERSION, NULL) == -1 && errno == ENOSYS)
		skip("the host's kernel runs no 32-bit programs");
}

static void plain(const void *arg)
{
	struct vm *vm;
	struct kvm_regs *regs = low(sizeof(*regs));
	int dev = dev_open();

	need_gate();
	ASSERT_EQ(CHECKED(ioctl32(dev, KVM_GET_API_VERSION, NULL)), 12);
	vm = vm_new(NULL);
	CHECKED(ioctl32(vm->vcpu[0].fd, KVM_GET_REGS, regs));
	regs->rax = 0x123456789abcdef0;
	CHECKED(ioctl32(vm->vcpu[0].fd, KVM_SET_REGS, regs));
	ASSERT_EQ(vcpu_regs(&vm->vcpu[0]).rax, 0x123456789abcdef0);
	ASSERT_ERRNO(ioctl32(vm->vcpu[0].fd, KVM_GET_REGS, (void *)8), EFAULT);
	vm_free(vm);
}

static u64 read_lstar(struct vcpu *vcpu)
{
	vcpu->vm->nr_traces = 0;
	vcpu_call(vcpu, "g_msr_read", LSTAR);
	vcpu_run_done(vcpu);
	ASSERT_EQ(vcpu->vm->nr_traces, 1);
	return vcpu->vm->traces[0];
}

static void filter(const void *arg)
{
	struct filter32 *filter = low(sizeof(*filter));
	struct vm *vm;

	need_gate();
	vm = vm_new(NULL);
	ASSERT_EQ(vcpu_try_set_msr(&vm->vcpu[0], LSTAR, 0x1234), 1);
	filter->ranges[2].flags = KVM_MSR_FILTER_READ;
	filter->ranges[2].nmsrs = 8;
	filter->ranges[2].base = LSTAR - 1;
	filter->ranges[2].bitmap = address(low(1));
	CHECKED(ioctl32(vm->fd, SET_FILTER32, filter));
	ASSERT_EQ(read_lstar(&vm->vcpu[0]), DONE_GP);
	filter->ranges[2].bitmap = 8;
	ASSERT_ERRNO(ioctl32(vm->fd, SET_FILTER32, filter), EFAULT);
	filter->ranges[2].nmsrs = 0;
	CHECKED(ioctl32(vm->fd, SET_FILTER32, filter));
	ASSERT_EQ(read_lstar(&vm->vcpu[0]), 0x1234);
	/* To others the number means nothing. */
	ASSERT_ERRNO(ioctl(vm->fd, SET_FILTER32, filter), ENOTTY);
	vm_free(vm);
}

/* What stands above the pointer is no part of it. */
static void dirty_log(const void *arg)
{
	struct dirty_log32 *log = low(sizeof(*log));
	u64 *bitmap = low(PAGE_SIZE);
	struct vm *vm;
	u8 *page = low(PAGE_SIZE);

	need_gate();
	vm = vm_new(NULL);
	CHECKED(vm_set_slot(vm, 1, KVM_MEM_LOG_DIRTY_PAGES, 0x10000000, PAGE_SIZE, page));
	vm_call(vm, "g_nothing", 0);
	*log = (struct dirty_log32) { .slot = 1, .bitmap = address(bitmap), .above = ~0u };
	bitmap[0] = ~0ull;
	CHECKED(ioctl32(vm->fd, KVM_GET_DIRTY_LOG, log));
	ASSERT_EQ(bitmap[0], 0);
	log->bitmap = 8;
	ASSERT_ERRNO(ioctl32(vm->fd, KVM_GET_DIRTY_LOG, log), EFAULT);
	vm_free(vm);
}

static const struct tap_test tests[] = {
	{ "plain", plain }, { "filter", filter }, { "dirty_log", dirty_log },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, tests, ARRAY_SIZE(tests));
}
