/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The instruction emulator: one x86 instruction, executed in software.
 *
 * It knows no VM and no vendor.  Everything outside the general registers (memory, ports, control
 * registers, segments, XMM registers) is reached through struct emu_ops; all addresses given to the
 * ops are linear.  Nothing here allocates, sleeps or touches the FPU; the ops may sleep.
 *
 * Life of an instruction:
 *
 *	c->ops, owner, regs, rip, rflags, mode, cpl = the vCPU's state;
 *	r = emu_decode(c, 0);
 *	if (r == EMU_OK)
 *		r = emu_execute(c);
 *
 *	EMU_OK		copy regs, rip, rflags and cpl back, unless c->switched; look at
 *			c->restarted, c->shadow, c->single_step, c->iret, c->halt
 *	EMU_FAULT	copy regs and rflags back (REP may have advanced), inject c->fault
 *	EMU_IO		copy regs back; complete the access in user space; then call emu_execute()
 *			again on the same context (the decoded instruction is still in it), or
 *			decode again
 *	EMU_RETRY	copy regs back and enter the guest: it executes the instruction anew
 *	EMU_UNHANDLED	report c->insn[0 .. c->fetched) with KVM_EXIT_INTERNAL_ERROR
 *
 * An event that comes between two instructions is emu_deliver()'s, with the same results.
 *
 * Re-execution.  An instruction commits nothing until its last access has succeeded, and the
 * sequence of ops calls depends only on the registers and on what the ops returned.  So the owner
 * keeps a log of the device accesses that user space completed: a repeated call replays the log,
 * and the first access beyond it returns EMU_IO.  The log is emptied when the instruction ends (any
 * result but EMU_IO).  An op that touched a device, replayed or not, sets c->device: a REP batch
 * then ends after that iteration, so that one log never spans two iterations.
 *
 * Other code that can change the registers, the page tables or the instruction between the two
 * executions makes it another instruction.  So the owner replays to an access only what the same
 * access asked for, and a port access that asks for more items than were answered gets as many as
 * were.
 */
#ifndef DITTO_EMULATE_EMULATE_H
#define DITTO_EMULATE_EMULATE_H

#include <linux/types.h>
#include <linux/kvm.h>

#define EMU_INSN_MAX 15

enum emu_mode { EMU_REAL, EMU_VM86, EMU_PROT16, EMU_PROT32, EMU_PROT64 };

enum emu_result { EMU_OK, EMU_FAULT, EMU_IO, EMU_RETRY, EMU_UNHANDLED };

/* The numbers of the instruction encoding, as in ModRM and REX. */
enum emu_reg {
	EMU_RAX, EMU_RCX, EMU_RDX, EMU_RBX, EMU_RSP, EMU_RBP, EMU_RSI, EMU_RDI,
	EMU_R8, EMU_R9, EMU_R10, EMU_R11, EMU_R12, EMU_R13, EMU_R14, EMU_R15,
	EMU_NR_REGS
};

/* The first six are the numbers of the instruction encoding. */
enum emu_seg {
	EMU_ES, EMU_CS, EMU_SS, EMU_DS, EMU_FS, EMU_GS, EMU_TR, EMU_LDTR,
	EMU_NR_SEGS
};

/* What an access is for; decides the error code of a page fault. */
#define EMU_ACC_WRITE	(1u << 0)	/* a read that a write to the same place will follow */
#define EMU_ACC_SYSTEM	(1u << 1)	/* an implicit supervisor access: descriptor tables, TSS */

/* c->shadow: interrupts are held off for one instruction. */
#define EMU_SHADOW_STI		(1u << 0)
#define EMU_SHADOW_MOV_SS	(1u << 1)

/* What an instruction may need of the CPU that the guest sees. */
enum emu_need {
	EMU_NEED_NONE,
	EMU_NEED_LZCNT, EMU_NEED_POPCNT, EMU_NEED_SSE42, EMU_NEED_MOVBE, EMU_NEED_BMI1,
	EMU_NEED_BMI2, EMU_NEED_ADX, EMU_NEED_MOVDIRI, EMU_NEED_MOVDIR64B, EMU_NEED_SSE3,
	EMU_NEED_AVX, EMU_NEED_AVX2, EMU_NEED_RDTSCP, EMU_NEED_SMAP, EMU_NEED_XGETBV1,
	EMU_NEED_SSE41, EMU_NEED_RDPID,
	EMU_NR_NEEDS
};

/* What asks for a switch to another hardware task. */
enum emu_task { EMU_TASK_CALL, EMU_TASK_IRET, EMU_TASK_JMP, EMU_TASK_GATE };

/* Registers that instructions use without naming them; the guest's own MSRs. */
enum emu_sysreg {
	EMU_EFER, EMU_STAR, EMU_LSTAR, EMU_CSTAR, EMU_SFMASK, EMU_KERNEL_GS_BASE,
	EMU_SYSENTER_CS, EMU_SYSENTER_ESP, EMU_SYSENTER_EIP, EMU_TSC_AUX,
	EMU_NR_SYSREGS
};

#define EMU_EFER_SCE	(1u << 0)
#define EMU_EFER_FFXSR	(1u << 14)

struct emu_ctxt;
struct emu_opcode;

/**
 * struct emu_fault - the exception to inject after EMU_FAULT
 * @valid: the other members are set
 * @vector: exception number
 * @has_error: an error code is pushed
 * @error: the error code
 * @cr2: for #PF, the linear address that faulted; set by the op that found the fault
 */
struct emu_fault {
	bool valid;
	u8 vector;
	bool has_error;
	u32 error;
	u64 cr2;
};

/**
 * struct emu_event - an interrupt or exception, on its way to the guest's handler
 * @vector: its number
 * @insn_len: of the instruction at rip that raised it and is over (INT n, INT3, INTO), else 0
 * @has_error: an error code is pushed
 * @error: it
 */
struct emu_event {
	u8 vector;
	u8 insn_len;
	bool has_error;
	u32 error;
};

/**
 * struct emu_x87 - the registers of x87, as FXSAVE has them
 * @cw: control word
 * @sw: status word
 * @tag: a bit for each register that is not empty, by its own number
 * @st: the registers, counted from the top of the stack
 */
struct emu_x87 {
	u16 cw, sw;
	u8 tag;
	u8 st[8][10];
};

/**
 * struct emu_ops - the world outside the general registers
 *
 * Every op that returns enum emu_result may return EMU_OK; EMU_FAULT with c->fault filled; EMU_IO
 * when user space must complete the access; EMU_RETRY when the guest had better run the instruction
 * itself; EMU_UNHANDLED when the access cannot be made at all.  Any other result than EMU_OK means:
 * no effect.
 *
 * @fetch: read instruction bytes; never crosses a page
 * @read: read @len bytes (at most 32; INS and OUTS: up to c->batch_bytes) at @gva, EMU_ACC_* in
 *	@access.  May cross one page boundary; outside EMU_PROT64 addresses wrap at 4 GiB
 * @write: write them, likewise; every page is translated before a byte changes
 * @probe: would @read or (EMU_ACC_WRITE) @write of this range fault?  Sets c->fault as they would;
 *	never touches a device.  EMU_OK where a device is, but EMU_UNHANDLED when @len is above 32:
 *	INS and OUTS then go item by item
 * @cmpxchg: atomically replace @old by @new (@len 1, 2, 4, 8 or 16); EMU_RETRY when memory no
 *	longer holds @old.  For a device: as @write of @new
 * @want_batch: fill in c->batch_buf, if there is memory for it; NULL: it is as it is
 * @pio_in: read *@count items of @size bytes (1, 2, 4) from @port into @buf; *@count becomes how
 *	many it were, at least one and never more
 * @pio_out: write them, likewise; those that were not written are another iteration's
 * @has: has the guest's CPU what enum emu_need names?
 * @get_segment: fill @seg, hidden part included; @seg->limit is in bytes
 * @set_segment: load a segment register, hidden part included; the last op of an instruction
 * @get_dt: GDTR or IDTR
 * @set_dt: load it; likewise the last op
 * @is_lma: is the CPU in long mode, 64-bit or not?
 * @get_cr: CR0, CR2, CR3, CR4 or CR8; cannot fail
 * @set_cr: write it with all architectural checks (EMU_FAULT: #GP)
 * @get_dr: debug register 0-3, 6, 7 (EMU_FAULT: #DB for DR7.GD)
 * @set_dr: write it (EMU_FAULT: #GP for bits beyond 31 in DR6 or DR7, #DB for DR7.GD)
 * @get_xmm: copy 16 bytes out of XMM register @nr
 * @set_xmm: copy 16 bytes into it; the last op of an instruction
 * @get_ymm: copy 32 bytes out of YMM register @nr
 * @set_ymm: copy 32 bytes into it, and clear what lies above; likewise the last op
 * @get_xcr0: XCR0; cannot fail
 * @set_xcr0: write it (EMU_FAULT: #GP); the last op
 * @is_intel: is the guest's CPU one of Intel's, by its CPUID?
 * @get_sysreg: what enum emu_sysreg names; cannot fail
 * @set_kernel_gs_base: write it; one of the last ops
 * @cpuid: EAX, EBX, ECX and EDX: on entry EAX and ECX are what is asked (EMU_FAULT: #GP)
 * @get_tsc: the guest's time stamp counter; cannot fail
 * @get_pmc: read a performance counter (EMU_FAULT: #GP)
 * @get_msr: read an MSR, as RDMSR may (EMU_FAULT: #GP).  With EMU_IO user space completes
 *	the whole instruction, which is not executed again
 * @set_msr: write it, likewise; the last op
 * @monitor: are MONITOR and MWAIT there?  (EMU_FAULT: #UD)
 * @get_x87: copy the registers of x87
 * @set_x87: change them; the last op of an instruction
 * @get_fx: copy all that FXSAVE with REX.W stores, to 512 bytes
 * @set_fx: load it; MXCSR has no reserved bit set; the last op of an instruction
 * @task_switch: switch to the task whose TSS @selector names, with all its checks: all
 *	registers become the new task's.  @via is the vector of a gate of the IDT.  What it
 *	pushes or saves as the old task's goes on at c->next_rip.  EMU_FAULT: in whichever task
 *	is the present one then
 * @invlpg: drop the translations of @gva
 * @wbinvd: write back and invalidate caches
 */
struct emu_ops {
	enum emu_result (*fetch)(struct emu_ctxt *c, u64 gva, void *buf, unsigned int len);
	enum emu_result (*read)(struct emu_ctxt *c, u64 gva, void *buf, unsigned int len,
				unsigned int access);
	enum emu_result (*write)(struct emu_ctxt *c, u64 gva, const void *buf, unsigned int len,
				 unsigned int access);
	enum emu_result (*probe)(struct emu_ctxt *c, u64 gva, unsigned int len,
				 unsigned int access);
	enum emu_result (*cmpxchg)(struct emu_ctxt *c, u64 gva, const void *old, const void *new,
				   unsigned int len);
	void (*want_batch)(struct emu_ctxt *c);
	enum emu_result (*pio_in)(struct emu_ctxt *c, u16 port, unsigned int size, void *buf,
				  unsigned int *count);
	enum emu_result (*pio_out)(struct emu_ctxt *c, u16 port, unsigned int size,
				   const void *buf, unsigned int *count);
	bool (*has)(struct emu_ctxt *c, enum emu_need need);
	void (*get_segment)(struct emu_ctxt *c, enum emu_seg nr, struct kvm_segment *seg);
	void (*set_segment)(struct emu_ctxt *c, enum emu_seg nr, const struct kvm_segment *seg);
	void (*get_dt)(struct emu_ctxt *c, bool idt, struct kvm_dtable *dt);
	void (*set_dt)(struct emu_ctxt *c, bool idt, const struct kvm_dtable *dt);
	bool (*is_lma)(struct emu_ctxt *c);
	u64 (*get_cr)(struct emu_ctxt *c, unsigned int nr);
	enum emu_result (*set_cr)(struct emu_ctxt *c, unsigned int nr, u64 val);
	enum emu_result (*get_dr)(struct emu_ctxt *c, unsigned int nr, u64 *val);
	enum emu_result (*set_dr)(struct emu_ctxt *c, unsigned int nr, u64 val);
	void (*get_xmm)(struct emu_ctxt *c, unsigned int nr, void *buf);
	void (*set_xmm)(struct emu_ctxt *c, unsigned int nr, const void *buf);
	void (*get_ymm)(struct emu_ctxt *c, unsigned int nr, void *buf);
	void (*set_ymm)(struct emu_ctxt *c, unsigned int nr, const void *buf);
	u64 (*get_xcr0)(struct emu_ctxt *c);
	enum emu_result (*set_xcr0)(struct emu_ctxt *c, u64 val);
	bool (*is_intel)(struct emu_ctxt *c);
	u64 (*get_sysreg)(struct emu_ctxt *c, enum emu_sysreg nr);
	void (*set_kernel_gs_base)(struct emu_ctxt *c, u64 val);
	enum emu_result (*cpuid)(struct emu_ctxt *c, u32 regs[4]);
	u64 (*get_tsc)(struct emu_ctxt *c);
	enum emu_result (*get_pmc)(struct emu_ctxt *c, u32 index, u64 *val);
	enum emu_result (*get_msr)(struct emu_ctxt *c, u32 index, u64 *val);
	enum emu_result (*set_msr)(struct emu_ctxt *c, u32 index, u64 val);
	enum emu_result (*monitor)(struct emu_ctxt *c);
	void (*get_x87)(struct emu_ctxt *c, struct emu_x87 *x87);
	void (*set_x87)(struct emu_ctxt *c, const struct emu_x87 *x87);
	void (*get_fx)(struct emu_ctxt *c, void *fx);
	void (*set_fx)(struct emu_ctxt *c, const void *fx);
	enum emu_result (*task_switch)(struct emu_ctxt *c, u16 selector, enum emu_task source,
				       u8 via);
	enum emu_result (*invlpg)(struct emu_ctxt *c, u64 gva);
	enum emu_result (*wbinvd)(struct emu_ctxt *c);
};

enum emu_opnd_type {
	EMU_OPND_NONE, EMU_OPND_REG, EMU_OPND_REGH, EMU_OPND_MEM, EMU_OPND_IMM, EMU_OPND_XMM,
	EMU_OPND_MMX,
	EMU_OPND_SREG, EMU_OPND_CR, EMU_OPND_DR,
};

/**
 * struct emu_opnd - one operand of the decoded instruction
 * @type: where it lives; set by decode
 * @size: bytes, 1 to 32; set by decode
 * @reg: register number (@type REG, REGH, XMM, MMX, SREG, CR, DR); set by decode
 * @gva: linear address (@type MEM); set by execute
 * @val: the value, zero-extended; execute loads it and writes it back.  Immediates: set by decode,
 *	sign-extended
 * @orig: the value that was loaded, for the locked write-back
 */
struct emu_opnd {
	u8 type;
	u8 size;
	u8 reg;
	u64 gva;
	u64 val[4];
	u64 orig[2];
};

/**
 * struct emu_move - a plain move between memory and a register, or of a number to memory
 * @store: to memory
 * @size: bytes, at most 8
 * @val: what is stored
 * @ea: the effective address: where in its segment
 * @seg: that: enum emu_seg
 * @flat: its base is 0, whatever it holds
 */
struct emu_move {
	bool store;
	u8 size;
	u64 val;
	u64 ea;
	u8 seg;
	bool flat;
};

/**
 * struct emu_ctxt - one instruction in flight
 *
 * The caller sets the first group, zeroes nothing else, and may reuse the context for ever.
 *
 * @ops: the caller's; set before emu_decode(), as are the next six
 * @owner: for the ops
 * @batch_buf: bounce buffer for REP INS/OUTS, or NULL: one item at a time, unless @want_batch
 *	gives one
 * @batch_bytes: its size, at most 4096
 * @rep_limit: most REP iterations per emu_execute(); 0: EMU_REP_DEFAULT
 * @mode: of the CPU
 * @cpl: privilege level
 * @regs: EMU_NR_REGS of them, the caller's own; emu_execute() changes them, and the next two,
 *	when something is committed
 * @rip: where the instruction is
 * @rflags: flags
 * @device: set by an op: this access went to a device
 * @restarted: after emu_execute(): REP iterations were done, more remain, rip stands still
 * @single_step: TF was set and the instruction ended: #DB with DR6.BS is due
 * @shadow: EMU_SHADOW_*: begins after this instruction
 * @halt: it was HLT: the vCPU waits for an interrupt
 * @iret: it was an IRET: NMIs are no longer held off
 * @switched: another hardware task's registers are there; @rip, @rflags and @cpl are stale
 * @no_step: it does not end in a single step's trap
 * @x87_changed: @x87 has to be written back
 * @next_segs: which of @next_seg will be loaded: a bit for each
 * @nr_staged: registers in @staged
 * @ext: 1: error codes say that the event was not the program's
 * @push_error: the frame of the event ends with @error
 * @fault: after EMU_FAULT
 * @decoded_mode: the caller's: @mode of what was decoded, where it may be used again
 * @insn_len: after emu_decode(): bytes of the whole instruction
 * @fetched: bytes valid in @insn, whatever the result
 * @insn: the instruction; its end is there only so that 8 bytes can be read
 * @op: decoded: constant until the next emu_decode(), as is all down to @src2
 * @flags: EMU_F_* of the opcode and of the groups it was found in
 * @disp: displacement
 * @opcode: the last opcode byte
 * @opsize: operand size in bytes: 2, 4, 8
 * @adsize: address size in bytes: 2, 4, 8
 * @seg: of the memory operand, override applied
 * @lock: F0 seen; from here to @index one store sets all
 * @rep: 0, 0xF2 or 0xF3: the last one seen
 * @osz_prefix: 66 seen
 * @rex: the REX byte, 0: none
 * @modrm: the ModRM byte
 * @rip_relative: the memory operand is relative to the next instruction
 * @seg_override: enum emu_seg, or EMU_NR_SEGS: none
 * @vex: it has a VEX prefix; its fields are in @rex, @osz_prefix and @rep, too
 * @vex_l: 1: vectors of 256 bits
 * @vex_v: register number in VEX.vvvv
 * @scale: of the memory operand
 * @base: of the memory operand: enum emu_reg, or EMU_NR_REGS: none
 * @index: likewise
 * @dst: operand
 * @src: operand
 * @src2: operand
 * @next_rip: what will be committed; valid only inside emu_execute(), as is the rest
 * @next_rflags: likewise
 * @next_seg: segment registers that will be loaded
 * @next_cpl: the privilege level that will be
 * @error: code of the event that is delivered
 * @x87: loaded for instructions that want it
 * @staged: register writes, in the order in which they are committed; @high: AH, CH, DH, BH
 */
struct emu_ctxt {
	/* Set by the caller before emu_decode(). */
	const struct emu_ops *ops;
	void *owner;
	void *batch_buf;
	u32 batch_bytes;
	u32 rep_limit;
	enum emu_mode mode;
	u8 cpl;

	/* Set by the caller; advanced by emu_execute() when something is committed. */
	u64 *regs;
	u64 rip;
	u64 rflags;

	/* Cleared when an instruction begins; together, so that a store or two do it. */
	bool device;
	/* Results of emu_execute(). */
	bool restarted;
	bool single_step;
	u8 shadow;
	bool halt;
	bool iret;
	bool switched;
	/* Of its execution. */
	bool no_step;
	bool x87_changed;
	u8 next_segs;
	u8 nr_staged;
	u8 ext;
	bool push_error;

	struct emu_fault fault;

	/* Results of emu_decode(). */
	enum emu_mode decoded_mode;
	u8 insn_len;
	u8 fetched;
	u8 insn[EMU_INSN_MAX + 9];

	/* Decoded state; constant between emu_decode() and the next one. */
	const struct emu_opcode *op;
	u32 flags;
	u64 disp;
	u8 opcode;
	u8 opsize;
	u8 adsize;
	u8 seg;
	/* Together, so that one store sets them all. */
	u8 lock;
	u8 rep;
	u8 osz_prefix;
	u8 rex;
	u8 modrm;
	u8 rip_relative;
	u8 seg_override;
	u8 vex;
	u8 vex_l;
	u8 vex_v;
	u8 scale;
	u8 base, index;
	struct emu_opnd dst, src, src2;

	/* Execution: what will be committed, in this order; valid only inside emu_execute(). */
	u64 next_rip;
	u64 next_rflags;
	struct kvm_segment next_seg[EMU_NR_SEGS];
	u8 next_cpl;
	u32 error;
	struct emu_x87 x87;
	struct emu_staged {
		u8 reg;
		u8 size;
		bool high;
		u64 val;
	} staged[8];
};

#define EMU_REP_DEFAULT 4096

enum emu_result emu_decode(struct emu_ctxt *c, unsigned int prefetched);
enum emu_result emu_execute(struct emu_ctxt *c);
enum emu_result emu_deliver(struct emu_ctxt *c, const struct emu_event *e);
enum emu_need emu_needs(const struct emu_ctxt *c);
bool emu_is_move(struct emu_ctxt *c, struct emu_move *move);
void emu_end_move(struct emu_ctxt *c, u64 val);

#endif
