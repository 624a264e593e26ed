// SPDX-License-Identifier: GPL-2.0-only
/*
 * A virtual CPU: its creation and first state, and the thread that runs it.
 * Stopping and parking are free of races: the machine's status is set first,
 * then the signal comes, and its handler sets immediate_exit, so a KVM_RUN that
 * begins after the status was tested returns at once.
 */
#include "vm.h"
#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define KICK_SIGNAL		SIGRTMIN

#define MSR_MISC_ENABLE		0x1a0
#define MISC_FAST_STRINGS	(1ULL << 0)
#define MSR_MTRR_DEF_TYPE	0x2ff
#define MTRR_ENABLED_WB		0x806	/* enabled, no fixed ranges, default write-back */

#define APIC_LVT_LINT0		0x350
#define APIC_LVT_LINT1		0x360
#define LVT_NMI			(4u << 8)
#define LVT_EXTINT		(7u << 8)

static __thread struct kvm_run *this_run;

static void on_kick(int sig)
{
	(void)sig;
	if (this_run)
		this_run->immediate_exit = 1;
}

/**
 * vcpu_catch_kicks() - install the handler that vcpu_kick() relies on
 */
void vcpu_catch_kicks(void)
{
	struct sigaction sa = { .sa_handler = on_kick };

	sigaction(KICK_SIGNAL, &sa, NULL);
}

static int refuse(const struct vcpu *vcpu, const char *what)
{
	complain("vCPU %u: %s: %s", vcpu->id, what, strerror(errno));
	return -1;
}

/* What a PC's firmware leaves behind: legacy interrupts by LINT0, NMI by LINT1. */
static int vcpu_set_lints(struct vcpu *vcpu)
{
	struct kvm_lapic_state lapic;
	uint32_t lint0 = LVT_EXTINT, lint1 = LVT_NMI;

	if (ioctl(vcpu->fd, KVM_GET_LAPIC, &lapic) < 0)
		return refuse(vcpu, "KVM_GET_LAPIC");
	memcpy(lapic.regs + APIC_LVT_LINT0, &lint0, sizeof(lint0));
	memcpy(lapic.regs + APIC_LVT_LINT1, &lint1, sizeof(lint1));
	if (ioctl(vcpu->fd, KVM_SET_LAPIC, &lapic) < 0)
		return refuse(vcpu, "KVM_SET_LAPIC");
	return 0;
}

/* The firmware's work too: memory is write-back, string moves are fast. */
static int vcpu_set_msrs(struct vcpu *vcpu)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry[2];
	} msrs = { .head.nmsrs = 0 };

	if (cpuid_has_mtrr(vcpu->vm->cpuid))
		msrs.entry[msrs.head.nmsrs++] = (struct kvm_msr_entry){
			.index = MSR_MTRR_DEF_TYPE, .data = MTRR_ENABLED_WB };
	if (cpuid_is_intel(vcpu->vm->cpuid))
		msrs.entry[msrs.head.nmsrs++] = (struct kvm_msr_entry){
			.index = MSR_MISC_ENABLE, .data = MISC_FAST_STRINGS };
	if (!msrs.head.nmsrs)
		return 0;
	errno = EINVAL;
	if (ioctl(vcpu->fd, KVM_SET_MSRS, &msrs) != (int)msrs.head.nmsrs)
		return refuse(vcpu, "KVM_SET_MSRS");
	return 0;
}

/**
 * vcpu_create() - make a vCPU and give it the state that firmware would leave
 * @vcpu: filled in
 * @vm: its machine, which has fetched the CPUID table
 * @id: its number
 * @run_size: of KVM_GET_VCPU_MMAP_SIZE
 *
 * Return: 0, or -1 after saying why not on standard error; nothing is left then.
 */
int vcpu_create(struct vcpu *vcpu, struct vm *vm, unsigned int id, size_t run_size)
{
	*vcpu = (struct vcpu){ .vm = vm, .id = id, .run_size = run_size };
	vcpu->fd = ioctl(vm->fd, KVM_CREATE_VCPU, id);
	if (vcpu->fd < 0)
		return refuse(vcpu, "KVM_CREATE_VCPU");
	vcpu->run = mmap(NULL, run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, 0);
	if (vcpu->run == MAP_FAILED) {
		refuse(vcpu, "mmap");
		close(vcpu->fd);
		return -1;
	}
	if (cpuid_set(vm->cpuid, vcpu->fd, id, vm->config->cpus,
		      vm_has(vm, KVM_CAP_TSC_DEADLINE_TIMER)) < 0)
		refuse(vcpu, "KVM_SET_CPUID2");
	else if (!vcpu_set_msrs(vcpu) && !vcpu_set_lints(vcpu))
		return 0;
	vcpu_destroy(vcpu);
	return -1;
}

/**
 * vcpu_adopt() - take over a vCPU that a fork made
 * @vcpu: filled in
 * @vm: its machine
 * @id: its number
 * @fd: the vCPU; closed on failure
 * @run_size: of KVM_GET_VCPU_MMAP_SIZE
 *
 * Return: 0, or -1 after saying why not on standard error.
 */
int vcpu_adopt(struct vcpu *vcpu, struct vm *vm, unsigned int id, int fd, size_t run_size)
{
	*vcpu = (struct vcpu){ .vm = vm, .id = id, .fd = fd, .run_size = run_size };
	vcpu->run = mmap(NULL, run_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (vcpu->run != MAP_FAILED)
		return 0;
	refuse(vcpu, "mmap");
	close(fd);
	return -1;
}

/**
 * vcpu_become() - be a fork's vCPU from now on, at the same fd and address
 * @vcpu: its thread is parked
 * @fd: the fork's
 *
 * Return: 0 or -errno.
 */
int vcpu_become(struct vcpu *vcpu, int fd)
{
	if (mmap(vcpu->run, vcpu->run_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd,
		 0) == MAP_FAILED || dup3(fd, vcpu->fd, O_CLOEXEC) < 0)
		return -errno;
	return 0;
}

/**
 * vcpu_set_boot() - put the boot CPU at the kernel's entry
 * @vcpu: number 0
 * @boot: loaded
 *
 * Return: 0, or -1 after saying why not on standard error.
 */
int vcpu_set_boot(struct vcpu *vcpu, const struct boot *boot)
{
	struct kvm_sregs sregs;
	struct kvm_regs regs;

	if (ioctl(vcpu->fd, KVM_GET_SREGS, &sregs) < 0)
		return refuse(vcpu, "KVM_GET_SREGS");
	boot_sregs(&sregs);
	if (ioctl(vcpu->fd, KVM_SET_SREGS, &sregs) < 0)
		return refuse(vcpu, "KVM_SET_SREGS");
	boot_regs(boot, &regs);
	if (ioctl(vcpu->fd, KVM_SET_REGS, &regs) < 0)
		return refuse(vcpu, "KVM_SET_REGS");
	return 0;
}

static void *vcpu_thread(void *arg)
{
	struct vcpu *vcpu = arg;
	char name[16];

	snprintf(name, sizeof(name), "vcpu%u", vcpu->id);
	pthread_setname_np(pthread_self(), name);
	this_run = vcpu->run;
	for (;;) {
		/* First, so that a kick from here on is not lost. */
		vcpu->run->immediate_exit = 0;
		park_gate(vcpu);
		if (vcpu->vm->status != VM_RUNNING)
			break;
		if (ioctl(vcpu->fd, KVM_RUN, 0) == 0)
			vcpu_handle_exit(vcpu);
		else if (errno != EINTR && errno != EAGAIN)
			vcpu_run_failed(vcpu, errno);
	}
	return NULL;
}

/**
 * vcpu_start() - let it run in a thread of its own
 * @vcpu: ready
 *
 * Return: 0, or -1 after saying why not on standard error.
 */
int vcpu_start(struct vcpu *vcpu)
{
	errno = pthread_create(&vcpu->thread, NULL, vcpu_thread, vcpu);
	return errno ? refuse(vcpu, "thread") : 0;
}

/**
 * vcpu_kick() - make it notice the machine's status
 * @vcpu: has a thread that was not joined; the status is set already
 */
void vcpu_kick(struct vcpu *vcpu)
{
	pthread_kill(vcpu->thread, KICK_SIGNAL);
}

/**
 * vcpu_destroy() - unmap and close
 * @vcpu: its thread is gone
 */
void vcpu_destroy(struct vcpu *vcpu)
{
	munmap(vcpu->run, vcpu->run_size);
	close(vcpu->fd);
}
