/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of the core room share.
 */
#ifndef DITTO_CORE_CORE_H
#define DITTO_CORE_CORE_H

#include "x86/machine/vm.h"

struct seq_file;

/* rival.c */
int rival_exclude(void);
void rival_admit(void);

/* cpus.c: the machine's CPUs, switched to and from virtualization. */
int cpus_enable(void);
void cpus_disable(void);

/* vm.c */
void vm_clocks_unstable(void);
void vm_get(struct vm *vm);
void vm_put(struct vm *vm);
struct vm *vm_alloc(unsigned long type);
void vm_publish(struct vm *vm);
int vm_create(unsigned long type);
int vm_list(struct ditto_vm_list *args);
int vm_check_all(struct seq_file *m);
void vm_show_exits(struct seq_file *m);
void vm_collect_written(struct mmu *mmu);
void vm_flush_tlbs(struct mmu *mmu);	/* not static for its test only */
int vm_setup(void);
void vm_teardown(void);
int vm_set_clock(struct vm *vm, struct kvm_clock_data *data);
int vm_ioctl_set_name(struct vm *vm, struct ditto_vm_name *args);
int vm_ioctl_set_policy(struct vm *vm, unsigned long policy);
int vm_ioctl_set_tss_addr(struct vm *vm, unsigned long addr);
int vm_ioctl_set_identity_map_addr(struct vm *vm, u64 *addr);
int vm_ioctl_reset_rings(struct vm *vm);
int vm_ioctl_set_boot_cpu_id(struct vm *vm, unsigned long id);

/* pause.c */
int vm_pause(struct vm *vm);
void vm_resume(struct vm *vm);
int vm_wait_resumed(struct vm *vm);

/* fork.c */
int vm_ioctl_fork(struct vm *vm, void __user *arg);
int vm_ioctl_thaw(struct vm *vm);
int vm_ioctl_unblock(struct vm *vm);
void fork_start_timers(struct vm *vm);
void fork_time_gone(const struct vm *from, const struct vm *to, const struct clock_instant *now,
		    struct clock_instant *gone);

/* reset.c */
int vm_ioctl_reset(struct vm *vm);

/* ioctl.c */
void ioctl_init(void);

/* vcpu.c */
void vcpu_load(struct vcpu *vcpu);
void vcpu_put(struct vcpu *vcpu);
void vcpu_publish_clock(struct vcpu *vcpu);
struct vcpu *vcpu_add(struct vm *vm, u32 id);
void vcpu_publish(struct vcpu *vcpu);
int vcpu_create(struct vm *vm, unsigned long id);
void vcpu_destroy(struct vcpu *vcpu);
int vcpu_ioctl_run(struct vcpu *vcpu);
int vcpu_ioctl_nmi(struct vcpu *vcpu);
int vcpu_ioctl_interrupt(struct vcpu *vcpu, struct kvm_interrupt *irq);
int vcpu_ioctl_set_signal_mask(struct vcpu *vcpu, void __user *arg);
int vcpu_ioctl_pre_fault(struct vcpu *vcpu, void __user *arg);

/* ioctl.c */
extern const struct file_operations device_fops;
extern const struct file_operations vm_fops;
extern const struct file_operations vcpu_fops;
extern const struct file_operations virtio_fops;

/* attr.c */
int system_ioctl_has_attr(struct kvm_device_attr *attr);
int system_ioctl_get_attr(struct kvm_device_attr *attr);
int vcpu_ioctl_has_attr(struct vcpu *vcpu, struct kvm_device_attr *attr);
int vcpu_ioctl_get_attr(struct vcpu *vcpu, struct kvm_device_attr *attr);
int vcpu_ioctl_set_attr(struct vcpu *vcpu, struct kvm_device_attr *attr);

/* stats.c */
int vm_ioctl_stats_fd(struct vm *vm);
int vcpu_ioctl_stats_fd(struct vcpu *vcpu);

/* caps.c */
int caps_check(struct vm *vm, unsigned long cap);
u32 vm_exits_off(void);

/* enable.c */
int vm_ioctl_enable_cap(struct vm *vm, struct kvm_enable_cap *args);
int vcpu_ioctl_enable_cap(struct vcpu *vcpu, struct kvm_enable_cap *args);

/* virtio.c */
int vm_ioctl_create_virtio(struct vm *vm, struct ditto_create_virtio *args);
int virtio_release(struct inode *inode, struct file *file);

/* vm.c and vcpu.c, for the files' operations. */
int vm_release(struct inode *inode, struct file *file);
int vcpu_release(struct inode *inode, struct file *file);
int vcpu_mmap(struct file *file, struct vm_area_struct *vma);

/* Pages of a vCPU that the VMM maps: kvm_run, the data of port accesses, the VM's ring. */
#define VCPU_MMAP_PAGES	3

#endif
