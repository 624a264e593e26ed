/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The access of a guest that waits for user space.
 */
#ifndef DITTO_MACHINE_IO_H
#define DITTO_MACHINE_IO_H

#include <linux/kvm_types.h>

#include "x86/machine/outcome.h"

struct vcpu;

/* Device reads that one iteration of an instruction can make: 64 bytes, or 32 across pages. */
#define VCPU_IO_LOG	8
/*
 * Device writes likewise; and of every other of 16 bytes (MASKMOVDQU) seven at most, and two
 * beside one another, across pages.
 */
#define VCPU_IO_WRITES	9

/**
 * struct vcpu_mmio - one access to a device in memory
 * @gpa: where
 * @data: little endian, zero beyond @len
 * @len: bytes, 1 to 8
 */
struct vcpu_mmio {
	gpa_t gpa;
	u64 data;
	u8 len;
};

/**
 * struct vcpu_io - an access that user space completes; owner
 *
 * The emulator executes an instruction whose read goes to user space again once
 * the answer is there: answers are kept in @log and replayed in order (see
 * x86/emulate/emulate.h).  Writes come last in an instruction; they are queued, the
 * instruction ends, and user space gets them one by one.
 *
 * What was asked is kept here and never read back from kvm_run, to which the VMM may write
 * at any time. Until the answer is used, the VMM and other vCPUs may change registers, page
 * tables and the instruction itself. So an answer serves only the same access that asked
 * for it, and gives no more than was asked.
 *
 * @complete: called at the next KVM_RUN to take the answer, or NULL
 * @again: the next KVM_RUN asks once more (vcpu_ask_again())
 * @rip: of the instruction; an answer to one that is no longer there is dropped
 * @insn_len: of the port access in flight
 * @port: likewise
 * @size: likewise
 * @in: likewise
 * @pio_count: items that a string port access asked for
 * @pio_answered: they are in the page behind kvm_run
 * @log: reads, how many are answered, and how many were replayed;
 *	the one behind the answered ones is in flight
 * @log_len: likewise
 * @log_pos: likewise
 * @writes: queued for user space
 * @nr_writes: likewise
 * @next_write: likewise
 */
struct vcpu_io {
	enum exit_outcome (*complete)(struct vcpu *vcpu);
	u64 rip;
	bool again;
	u8 insn_len;
	u8 size;
	bool in;
	bool pio_answered;
	u16 port;
	u16 pio_count;
	u8 log_len, log_pos;
	u8 nr_writes, next_write;
	struct vcpu_mmio log[VCPU_IO_LOG];
	struct vcpu_mmio writes[VCPU_IO_WRITES];
};

#endif
