/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A guest that does one thing again and again, in long mode or in protected mode without
 * paging: the same bytes are the same instructions in both.
 */
#ifndef SELFTESTS_LOOP_H
#define SELFTESTS_LOOP_H

#include <string.h>
#include <sys/ioctl.h>
#include <x86intrin.h>

#include "vm.h"

#define LOOP_CODE	0x8000

/**
 * struct loop - what is repeated
 * @code: instructions; eax is 0, and rdi is not theirs
 * @size: of @code, in bytes
 * @port: in dx
 * @address: in rsi
 */
struct loop {
	const char *code;
	u8 size;
	u16 port;
	u64 address;
};

/* Let vCPU 0 do it @n times, and end as the functions of the image do. */
static inline void loop_call(struct vm *vm, enum mode mode, const struct loop *loop,
			     unsigned int n)
{
	struct vcpu *vcpu = &vm->vcpu[0];
	u8 *code = vm->ram + LOOP_CODE;
	u8 jump = 0x100 - loop->size - 4;
	/* dec edi; jnz; mov dx, PORT; out dx, eax */
	u8 end[] = { 0xff, 0xcf, 0x75, jump, 0x66, 0xba, GUEST_PORT_DONE & 0xff,
		     GUEST_PORT_DONE >> 8, 0xef };
	struct kvm_regs regs;

	vcpu_enter_mode(vcpu, mode, LOOP_CODE);
	memcpy(code, loop->code, loop->size);
	memcpy(code + loop->size, end, sizeof(end));
	regs = vcpu_regs(vcpu);
	regs.rdi = n;
	regs.rdx = loop->port;
	regs.rsi = loop->address;
	CHECKED(ioctl(vcpu->fd, KVM_SET_REGS, &regs));
}

/* Ticks until it is done; the caller does as little as a VMM can. */
static inline u64 loop_ticks(struct vm *vm, enum mode mode, const struct loop *loop,
			     unsigned int n)
{
	struct vcpu *vcpu = &vm->vcpu[0];
	u64 begin;

	loop_call(vm, mode, loop, n);
	begin = __rdtsc();
	do {
		if (ioctl(vcpu->fd, KVM_RUN, 0))
			fail("KVM_RUN: %s", strerror(errno));
	} while (vcpu->run->exit_reason != KVM_EXIT_IO ||
		 vcpu->run->io.port != GUEST_PORT_DONE);
	return __rdtsc() - begin;
}

#endif
