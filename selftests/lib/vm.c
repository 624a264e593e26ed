// SPDX-License-Identifier: GPL-2.0-only
/*
 * Makes and frees the machines of tests, with memory of either kind. Everything
 * here succeeds or fails the test; what tests expect to fail they call themselves.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vm.h"

int dev_open(void)
{
	return CHECKED(open(tap.dev, O_RDWR | O_CLOEXEC));
}

int gmem_new(u64 size, u32 flags)
{
	struct ditto_create_gmem args = { .size = size, .flags = flags };
	int dev = dev_open();
	int fd = CHECKED(ioctl(dev, DITTO_CREATE_GMEM, &args));

	close(dev);
	return fd;
}

static void *map(size_t size, int flags, int fd)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, fd, 0);

	if (p == MAP_FAILED)
		fail("mmap of %#zx bytes: %s", size, strerror(errno));
	return p;
}

void *gmem_map(int fd, u64 size)
{
	return map(size, MAP_SHARED, fd);
}

int vm_set_slot(struct vm *vm, u32 slot, u32 flags, u64 gpa, u64 size, const void *hva)
{
	struct kvm_userspace_memory_region region = {
		.slot = slot, .flags = flags, .guest_phys_addr = gpa,
		.memory_size = size, .userspace_addr = (uintptr_t)hva,
	};

	return ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region);
}

int vm_set_gmem_slot(struct vm *vm, u32 slot, u32 flags, u64 gpa, u64 size, int gmem,
		     u64 offset)
{
	struct ditto_gmem_region region = {
		.slot = slot, .flags = flags, .guest_phys_addr = gpa,
		.memory_size = size, .gmem_fd = gmem, .gmem_offset = offset,
	};

	return ioctl(vm->fd, DITTO_SET_GMEM_REGION, &region);
}

static void add_ram(struct vm *vm, bool user)
{
	vm->gmem = -1;
	if (tap.gmem && !user) {
		vm->gmem = gmem_new(vm->ram_size, 0);
		vm->ram = gmem_map(vm->gmem, vm->ram_size);
		CHECKED(vm_set_gmem_slot(vm, 0, 0, 0, vm->ram_size, vm->gmem, 0));
		return;
	}
	vm->ram = map(vm->ram_size, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	CHECKED(vm_set_slot(vm, 0, 0, 0, vm->ram_size, vm->ram));
}

static size_t run_size(void)
{
	int dev = dev_open();
	size_t size = CHECKED(ioctl(dev, KVM_GET_VCPU_MMAP_SIZE, 0));

	close(dev);
	return size;
}

struct vcpu *vm_add_vcpu(struct vm *vm, unsigned int id)
{
	struct vcpu *vcpu = &vm->vcpu[vm->nr_vcpus++];

	vcpu->vm = vm;
	vcpu->id = id;
	vcpu->fd = CHECKED(ioctl(vm->fd, KVM_CREATE_VCPU, id));
	vcpu->run_size = run_size();
	vcpu->run = map(vcpu->run_size, MAP_SHARED, vcpu->fd);
	vcpu_set_cpuid(vcpu);
	return vcpu;
}

struct vm *vm_new(const struct vm_config *config)
{
	static const struct vm_config standard;
	struct vm *vm = calloc(1, sizeof(*vm));
	struct kvm_pit_config pit = { };
	unsigned int i;
	int dev = dev_open();

	config = config ?: &standard;
	pthread_mutex_init(&vm->lock, NULL);
	vm->gmem = -1;
	vm->fd = CHECKED(ioctl(dev, KVM_CREATE_VM, config->type));
	close(dev);
	if (config->split)
		CHECKED(ioctl(vm->fd, KVM_ENABLE_CAP, &(struct kvm_enable_cap) {
			.cap = KVM_CAP_SPLIT_IRQCHIP, .args[0] = 24 }));
	else if (!config->no_irqchip)
		CHECKED(ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0));
	if (config->pit)
		CHECKED(ioctl(vm->fd, KVM_CREATE_PIT2, &pit));
	if (config->ring)
		CHECKED(ioctl(vm->fd, KVM_ENABLE_CAP, &(struct kvm_enable_cap) {
			.cap = KVM_CAP_DIRTY_LOG_RING, .args[0] = config->ring }));
	if (config->exits_off)
		CHECKED(ioctl(vm->fd, KVM_ENABLE_CAP, &(struct kvm_enable_cap) {
			.cap = KVM_CAP_X86_DISABLE_EXITS, .args[0] = config->exits_off }));
	if (config->empty)
		return vm;
	vm->ram_size = config->ram ?: 8 * MIB;
	add_ram(vm, config->user);
	for (i = 0; i < (config->vcpus ?: 1); i++)
		vm_add_vcpu(vm, i);
	image_load(vm);
	return vm;
}

void vm_free(struct vm *vm)
{
	unsigned int i;

	for (i = 0; i < vm->nr_vcpus; i++) {
		munmap(vm->vcpu[i].run, vm->vcpu[i].run_size);
		close(vm->vcpu[i].fd);
	}
	close(vm->fd);
	if (vm->ram)
		munmap(vm->ram, vm->ram_size);
	if (vm->gmem >= 0)
		close(vm->gmem);
	free(vm);
}

long vm_cap(struct vm *vm, long cap)
{
	return ioctl(vm->fd, KVM_CHECK_EXTENSION, cap);
}

void vm_irq_line(struct vm *vm, u32 gsi, int level)
{
	struct kvm_irq_level line = { .irq = gsi, .level = level };

	CHECKED(ioctl(vm->fd, KVM_IRQ_LINE, &line));
}

struct kvm_cpuid2 *cpuid_supported(void)
{
	static struct kvm_cpuid2 *cpuid;
	int dev;

	if (cpuid)
		return cpuid;
	dev = dev_open();
	cpuid = calloc(1, sizeof(*cpuid) + 256 * sizeof(cpuid->entries[0]));
	cpuid->nent = 256;
	CHECKED(ioctl(dev, KVM_GET_SUPPORTED_CPUID, cpuid));
	close(dev);
	return cpuid;
}

struct kvm_cpuid_entry2 *cpuid_find(struct kvm_cpuid2 *cpuid, u32 function, u32 index)
{
	u32 i;

	for (i = 0; i < cpuid->nent; i++)
		if (cpuid->entries[i].function == function && cpuid->entries[i].index == index)
			return &cpuid->entries[i];
	return NULL;
}

void vcpu_set_cpuid(struct vcpu *vcpu)
{
	struct kvm_cpuid2 *cpuid = cpuid_supported();
	struct kvm_cpuid_entry2 *entry = cpuid_find(cpuid, 1, 0);
	u32 i;

	if (entry)
		entry->ebx = (entry->ebx & 0x00ffffff) | vcpu->id << 24;
	for (i = 0; i < cpuid->nent; i++)
		if (cpuid->entries[i].function == 0xb)
			cpuid->entries[i].edx = vcpu->id;
	CHECKED(ioctl(vcpu->fd, KVM_SET_CPUID2, cpuid));
}

struct kvm_regs vcpu_regs(struct vcpu *vcpu)
{
	struct kvm_regs regs;

	CHECKED(ioctl(vcpu->fd, KVM_GET_REGS, &regs));
	return regs;
}

struct kvm_sregs vcpu_sregs(struct vcpu *vcpu)
{
	struct kvm_sregs sregs;

	CHECKED(ioctl(vcpu->fd, KVM_GET_SREGS, &sregs));
	return sregs;
}

struct one_msr {
	struct kvm_msrs head;
	struct kvm_msr_entry entry;
};

u64 vcpu_msr(struct vcpu *vcpu, u32 index)
{
	struct one_msr msr = { { .nmsrs = 1 }, { .index = index } };

	ASSERT_EQ(ioctl(vcpu->fd, KVM_GET_MSRS, &msr), 1);
	return msr.entry.data;
}

int vcpu_try_set_msr(struct vcpu *vcpu, u32 index, u64 value)
{
	struct one_msr msr = { { .nmsrs = 1 }, { .index = index, .data = value } };

	return ioctl(vcpu->fd, KVM_SET_MSRS, &msr);
}
