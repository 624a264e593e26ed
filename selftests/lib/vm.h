/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Virtual machines for tests: memory, vCPUs, the tiny guests' image, and a run
 * loop that plays the devices the tiny guests talk to.
 *
 * What guest memory looks like (see tiny-guests/code/guest.lds for the image):
 *	0x1000 GDT and TSS	0x2000 IDT	0x3000-0x6fff page tables
 *	0x8000 low code (real mode, start of APs)	0x100000 the image
 *	0x200000 stacks, 32 KiB for each vCPU	0x300000 free
 */
#ifndef SELFTESTS_VM_H
#define SELFTESTS_VM_H

#include <linux/kvm.h>
#include <pthread.h>

#include <ditto.h>
#include "tiny-guests/code/layout.h"
#include "tap.h"

#define PAGE_SIZE	4096ul
#define MIB		(1024ul * 1024)
#define VM_MAX_VCPUS	8
#define VM_LOG		64

/* What the build machine's headers may lack. */
struct region2 {
	u32 slot, flags;
	u64 gpa, size, hva;
	u64 guest_memfd_offset;
	u32 guest_memfd, pad1;
	u64 pad2[14];
};
struct pre_fault {
	u64 gpa, size, flags, padding[5];
};
#define PRE_FAULT_MEMORY	_IOWR(KVMIO, 0xd5, struct pre_fault)
#define CAP_PRE_FAULT_MEMORY	236
#define SET_USER_MEMORY_REGION2	_IOW(KVMIO, 0x49, struct region2)
#define CAP_USER_MEMORY2	231
struct attributes {
	u64 gpa, size, attributes, flags;
};
struct guest_memfd {
	u64 size, flags, reserved[6];
};
#define SET_MEMORY_ATTRIBUTES	_IOW(KVMIO, 0xd2, struct attributes)
#define CREATE_GUEST_MEMFD	_IOWR(KVMIO, 0xd4, struct guest_memfd)
#define ATTRIBUTE_PRIVATE	(1ull << 3)
#define MEM_GUEST_MEMFD		(1u << 2)
#define CAP_MEMORY_FAULT_INFO	232
#define CAP_MEMORY_ATTRIBUTES	233
#define CAP_GUEST_MEMFD		234
#define CAP_VM_TYPES		235
#define CAP_GUEST_MEMFD_FLAGS	244
#define MEMFD_MMAP		(1ull << 0)
#define MEMFD_INIT_SHARED	(1ull << 1)
#define SW_PROTECTED_VM		1
#define EXIT_MEMORY_FAULT	39
/* Of kvm_run, with that exit. */
struct memory_fault {
	u64 flags, gpa, size;
};

struct vm;

/**
 * struct access - one access of a guest to a device of user space
 * @addr: port, or gpa
 * @mmio: which of them
 * @write: by the guest
 * @len: bytes
 * @data: little endian
 */
struct access {
	u64 addr;
	bool mmio, write;
	u8 len;
	u64 data;
};

struct vcpu {
	int fd;
	unsigned int id;
	struct vm *vm;
	struct kvm_run *run;
	size_t run_size;
	pthread_t thread;
};

/**
 * struct vm - one machine of a test
 * @fd: of the VM
 * @gmem: fd that backs @ram, or -1
 * @ram: slot 0, at gpa 0, mapped here
 * @log, @nr_log: device accesses, in order
 * @mmio: contents of the device at GUEST_MMIO, which behaves as memory
 * @reads: port reads so far; they answer with successive bytes
 * @traces: values the guest sent to GUEST_PORT_TRACE
 * @on_exit: asked first about every exit, false when it does not know it
 * @lock: @log, @mmio, @reads, @traces
 */
struct vm {
	int fd, gmem;
	u8 *ram;
	u64 ram_size;
	unsigned int nr_vcpus;
	struct vcpu vcpu[VM_MAX_VCPUS];
	struct access log[VM_LOG];
	unsigned int nr_log;
	u8 mmio[GUEST_MMIO_SIZE];
	u32 reads;
	u64 traces[VM_LOG];
	unsigned int nr_traces;
	bool (*on_exit)(struct vcpu *vcpu);
	pthread_mutex_t lock;
};

/**
 * struct vm_config - what vm_new makes
 * @ram: bytes, 0 for 8 MiB
 * @vcpus: 0 for 1
 * @no_irqchip: interrupt controllers are not in the kernel
 * @split: only local APICs are, and GSIs below 24 are the pins of an IOAPIC of the test's
 * @pit: with a PIT in the kernel
 * @empty: neither memory nor vCPUs
 * @ring: bytes of each vCPU's dirty ring
 * @user: memory is the process's own even where gmem is the default
 * @type: of KVM_CREATE_VM
 * @exits_off: KVM_X86_DISABLE_EXITS_*
 */
struct vm_config {
	u64 ram;
	unsigned int vcpus;
	u32 ring, type, exits_off;
	bool no_irqchip, split, pit, empty, user;
};

int dev_open(void);
int gmem_new(u64 size, u32 flags);
void *gmem_map(int fd, u64 size);

struct vm *vm_new(const struct vm_config *config);
void vm_free(struct vm *vm);
struct vcpu *vm_add_vcpu(struct vm *vm, unsigned int id);
int vm_set_slot(struct vm *vm, u32 slot, u32 flags, u64 gpa, u64 size, const void *hva);
int vm_set_gmem_slot(struct vm *vm, u32 slot, u32 flags, u64 gpa, u64 size, int gmem,
		     u64 offset);
long vm_cap(struct vm *vm, long cap);
void vm_irq_line(struct vm *vm, u32 gsi, int level);

/* The SUPPORTED_CPUID table with the vCPU's own ids put in. */
struct kvm_cpuid2 *cpuid_supported(void);
void vcpu_set_cpuid(struct vcpu *vcpu);
struct kvm_cpuid_entry2 *cpuid_find(struct kvm_cpuid2 *cpuid, u32 function, u32 index);

/* Tiny guests (image.c). */
void image_load(struct vm *vm);
u64 image_symbol(const char *name);
/* Where a symbol of the image is in this process. */
void *vm_symbol(struct vm *vm, const char *name);
#define vm_var(vm, type, name) (*(volatile type *)vm_symbol(vm, name))

/* Processor modes (mode.c). */
enum mode { MODE_LONG, MODE_REAL, MODE_PROT32, MODE_RESET };
void vcpu_enter_mode(struct vcpu *vcpu, enum mode mode, u64 entry);
/* Long mode at a function of the image; its one argument. */
void vcpu_call(struct vcpu *vcpu, const char *symbol, u64 arg);

struct kvm_regs vcpu_regs(struct vcpu *vcpu);
struct kvm_sregs vcpu_sregs(struct vcpu *vcpu);
u64 vcpu_msr(struct vcpu *vcpu, u32 index);
int vcpu_try_set_msr(struct vcpu *vcpu, u32 index, u64 value);

/* KVM_RUN once; the exit reason, or -errno. */
int vcpu_enter(struct vcpu *vcpu);
/* Enter until an exit that neither on_exit nor the test devices know. */
u32 vcpu_run(struct vcpu *vcpu);
/* The last exit must be the guest's saying that it is done; fails the test when it failed. */
void vcpu_ended(struct vcpu *vcpu);
/* Enter until the guest says so. */
void vcpu_run_done(struct vcpu *vcpu);
/* The same in a thread. */
void vcpu_start(struct vcpu *vcpu);
void vcpu_join(struct vcpu *vcpu);
/* One function of the image on vCPU 0, to its end. */
void vm_call(struct vm *vm, const char *symbol, u64 arg);

const char *exit_name(u32 reason);

#endif
