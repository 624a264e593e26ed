/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef DITTO_VCPU_H
#define DITTO_VCPU_H

#include <linux/kvm.h>
#include <pthread.h>
#include <stddef.h>

struct boot;
struct vm;

/**
 * struct vcpu - one virtual CPU; constant after creation
 * @vm: its machine
 * @id: its number and APIC id; 0 boots, the others wait for INIT and SIPI
 * @fd: the vCPU
 * @run: shared with the hypervisor
 * @run_size: length of @run's mapping
 * @thread: runs it
 */
struct vcpu {
	struct vm *vm;
	unsigned int id;
	int fd;
	struct kvm_run *run;
	size_t run_size;
	pthread_t thread;
};

int vcpu_create(struct vcpu *vcpu, struct vm *vm, unsigned int id, size_t run_size);
int vcpu_adopt(struct vcpu *vcpu, struct vm *vm, unsigned int id, int fd, size_t run_size);
int vcpu_become(struct vcpu *vcpu, int fd);
int vcpu_set_boot(struct vcpu *vcpu, const struct boot *boot);
void vcpu_catch_kicks(void);
int vcpu_start(struct vcpu *vcpu);
void vcpu_kick(struct vcpu *vcpu);
void vcpu_destroy(struct vcpu *vcpu);

/* exits.c */
void vcpu_handle_exit(struct vcpu *vcpu);
void vcpu_run_failed(struct vcpu *vcpu, int err);

/* dump.c */
char *vcpu_dump(struct vcpu *vcpu);

#endif
