/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The life of a virtual machine: what the files of the core room know of it.
 */
#ifndef DITTO_CORE_VM_H
#define DITTO_CORE_VM_H

#include "x86/machine/vm.h"

struct seq_file;

void vm_get(struct vm *vm);
void vm_put(struct vm *vm);
void vm_put_later(struct vm *vm);
struct vm *vm_alloc(unsigned long type);
void vm_publish(struct vm *vm);
int vm_create(unsigned long type);
int vm_list(struct ditto_vm_list *args);
struct vm *vm_find(u64 id);
int vm_check_all(struct seq_file *m);
void vm_show_exits(struct seq_file *m);
void vm_collect_written(struct mmu *mmu);
void vm_flush_tlbs(struct mmu *mmu);	/* not static for its test only */
int vm_setup(void);
void vm_teardown(void);
int vm_listing_setup(void);
void vm_listing_teardown(void);
int vm_set_clock(struct vm *vm, struct kvm_clock_data *data);
int vm_ioctl_set_name(struct vm *vm, struct ditto_vm_name *args);
int vm_ioctl_set_policy(struct vm *vm, unsigned long policy);
int vm_ioctl_memory(struct vm *vm, struct ditto_memory *m);
int vm_ioctl_set_tss_addr(struct vm *vm, unsigned long addr);
int vm_ioctl_set_identity_map_addr(struct vm *vm, u64 *addr);
int vm_ioctl_reset_rings(struct vm *vm);
int vm_ioctl_set_boot_cpu_id(struct vm *vm, unsigned long id);
int vm_release(struct inode *inode, struct file *file);

/* pause.c */
int vm_pause(struct vm *vm);
void vm_resume(struct vm *vm);
int vm_wait_resumed(struct vm *vm);

#endif
