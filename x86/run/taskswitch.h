/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The switch from one hardware task to another (SDM vol. 3 chapter 8, APM vol. 2
 * chapter 12), which no CPU makes inside a guest.
 *
 * It knows no VM: registers are those of a struct x86_state, and memory is reached through
 * struct task_ops, by linear addresses.
 */
#ifndef DITTO_RUN_TASKSWITCH_H
#define DITTO_RUN_TASKSWITCH_H

#include "x86/machine/backend.h"
#include "x86/emulate/emulate.h"
#include "x86/machine/state.h"

struct task_switch;

/**
 * struct task_ops - the guest's memory, for a task switch
 *
 * Each gives EMU_OK; EMU_FAULT with t->fault filled (#PF); EMU_RETRY when the guest had
 * better come back later; EMU_UNHANDLED for what is no memory, or when the host failed.
 * Anything but EMU_OK means no effect.  Lengths are at most 104.
 *
 * @read: an implicit supervisor access, as to descriptor tables
 * @write: the same, or, where @user, an access at CPL 3
 * @probe: would @write by the supervisor be allowed there?
 * @exchange: put @new where @old is, 8 bytes; EMU_RETRY when something else is there
 * @check_cr3: may this become CR3?  EMU_FAULT with #GP when not (PAE's entries)
 * @use_cr3: translate by this CR3 from now on
 */
struct task_ops {
	enum emu_result (*read)(struct task_switch *t, u32 gva, void *buf, unsigned int len);
	enum emu_result (*write)(struct task_switch *t, u32 gva, const void *buf,
				 unsigned int len, bool user);
	enum emu_result (*probe)(struct task_switch *t, u32 gva, unsigned int len);
	enum emu_result (*exchange)(struct task_switch *t, u32 gva, u64 old, u64 new);
	enum emu_result (*check_cr3)(struct task_switch *t, u32 cr3);
	void (*use_cr3)(struct task_switch *t, u32 cr3);
};

/**
 * struct task_image - what a task's registers are, read from its TSS
 * @cr3: as there; of a 16-bit TSS the upper halves are made up
 * @eip: likewise
 * @eflags: likewise
 * @gpr: likewise
 * @sel: of ES, CS, SS, DS, FS, GS, as numbered by enum x86_seg
 * @ldt: selector of its LDT
 * @trap: its T bit
 */
struct task_image {
	u32 cr3, eip, eflags, gpr[8];
	u16 sel[6];
	u16 ldt;
	bool trap;
};

/**
 * struct task_switch - one switch; the first group is the caller's
 * @ops: see there
 * @owner: likewise
 * @st: all of its parts valid; changed only when the switch takes place
 * @event: what went through a task gate of the IDT, else of type EVENT_NONE
 * @selector: of the new TSS, as the CPU had it
 * @source: enum task_source
 * @next_eip: where the old task goes on
 *
 * @fault: after EMU_FAULT
 * @switched: @st is the new task's; a fault is then the new task's, too
 * @debug_trap: #DB with DR6.BT is due before the new task's first instruction
 *
 * The rest is task_switch()'s own.
 *
 * @new: the new task's registers
 * @seg: its segments, LDTR and TR included, with what was found in the descriptor tables
 * @cpl: its privilege level
 * @wide: its TSS is a 32-bit one
 * @desc: descriptor of its TSS, as read
 */
struct task_switch {
	const struct task_ops *ops;
	void *owner;
	struct x86_state *st;
	struct x86_event event;
	u16 selector;
	u8 source;
	u32 next_eip;

	struct emu_fault fault;
	bool switched;
	bool debug_trap;

	struct task_image new;
	struct kvm_segment seg[SEG_NR];
	u8 cpl;
	bool wide;
	u64 desc;
};

enum emu_result task_switch(struct task_switch *t);

#endif
