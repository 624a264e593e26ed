/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The contract between the vendor-neutral CPU (x86/) and a hardware backend
 * (svm/, vmx/): a backend turns a hardware exit into struct exit_facts and
 * moves state; it decides nothing.
 */
#ifndef DITTO_MACHINE_BACKEND_H
#define DITTO_MACHINE_BACKEND_H

#include <linux/bitmap.h>
#include <linux/percpu.h>
#include <linux/types.h>
#include <asm/trapnr.h>

#include "mmu/types.h"

struct vcpu;

/* Types of events, as both vendors number them (APM 15.20, SDM 25.8.3). */
enum event_type {
	EVENT_IRQ = 0,		/* external interrupt */
	EVENT_NMI = 2,
	EVENT_EXCEPTION = 3,	/* fault or trap the CPU found */
	EVENT_SOFT_INT = 4,	/* INT n, pushes the rip after the instruction */
	EVENT_SOFT_EXC = 6,	/* INT3, INTO and INT1, likewise */
	EVENT_NONE = 0xff,
};

/**
 * struct x86_event - something delivered through the guest's IDT
 * @type: enum event_type
 * @vector: IDT index
 * @has_error: @error is pushed
 * @insn_len: of the instruction that raised it (EVENT_SOFT_*).  As a fact 0 says that rip
 *	stands on that instruction, which can be executed again; to @inject it is never 0
 * @error: error code
 */
struct x86_event {
	u8 type;
	u8 vector;
	bool has_error;
	u8 insn_len;
	u32 error;
};

/**
 * exc_is_soft() - is this exception raised by INT3 or INTO, whose frame has the rip after it?
 * @vector: X86_TRAP_*
 *
 * Return: whether it is INT3's or INTO's. INT1's is #DB, which others raise, too.
 */
static inline bool exc_is_soft(u8 vector)
{
	return vector == X86_TRAP_BP || vector == X86_TRAP_OF;
}

/* What asked for a switch to another hardware task (as VMX numbers it, SDM table 28-2). */
enum task_source {
	TASK_CALL = 0,
	TASK_IRET = 1,
	TASK_JMP = 2,
	TASK_GATE = 3,		/* a task gate in the IDT */
};

/*
 * Why the CPU left the guest, each kind once: X(KIND, name), and LAST for the last one.
 * It gives EXIT_KIND its number, people the name, and x86/run/exits.c its table: exit_name()
 * handles it, and a kind without does not compile.
 */
#define EXIT_KINDS(X, LAST)								\
	X(HOST_IRQ, host_irq)	/* the host's own interrupt, NMI or SMI; nothing to do */ \
	X(CPUID, cpuid)									\
	X(HLT, hlt)									\
	X(IO, io)		/* .io */						\
	X(MSR, msr)		/* .msr */						\
	X(CR, cr)		/* .reg */						\
	X(DR, dr)		/* .reg */						\
	X(EXCEPTION, exception)	/* .exception */					\
	X(HYPERCALL, hypercall)								\
	X(TDP_FAULT, tdp_fault)	/* .tdp */						\
	X(TDP_MISCONFIG, tdp_misconfig)	/* a table entry that the CPU rejects; hw[2]: gpa */	\
	X(XSETBV, xsetbv)								\
	X(INVLPG, invlpg)								\
	X(WBINVD, wbinvd)	/* also WBNOINVD, INVD */				\
	X(PAUSE, pause)									\
	X(MONITOR, monitor)								\
	X(MWAIT, mwait)									\
	X(RDPMC, rdpmc)									\
	X(RDTSC, rdtsc)									\
	X(RDTSCP, rdtscp)								\
	X(SOFT_INT, soft_int)	/* INT n, or INT3; only where #BP should exit and cannot */ \
	X(TASK_SWITCH, task_switch) /* .task; .vectoring, if a gate of the IDT was met */ \
	X(IRQ_WINDOW, irq_window) /* the guest can take an interrupt now */		\
	X(NMI_WINDOW, nmi_window) /* the guest can take an NMI now */			\
	X(UNDEFINED, undefined)	/* an instruction this virtual CPU does not have: #UD */ \
	X(SHUTDOWN, shutdown)	/* triple fault */					\
	X(TIMER, timer)		/* vcpu->exit_tsc is reached, or the watchdog fired */ \
	X(APIC_EOI, apic_eoi)	/* .apic: the CPU ended a vector of apic_view.eoi_exits */ \
	X(APIC_WRITE, apic_write) /* .apic: the CPU wrote a register, the rest is ours */ \
	X(BUS_LOCK, bus_lock)	/* .bus_lock; the instruction is over */		\
	X(NOTIFY, notify)	/* .notify: nothing could come in between for too long */ \
	X(FAIL_ENTRY, fail_entry) /* the CPU refused the guest state; hw[] says why */	\
	LAST(UNKNOWN, unknown)

enum exit_kind {
#define EXIT_KIND(kind, name) EXIT_##kind,
	EXIT_KINDS(EXIT_KIND, EXIT_KIND)
#undef EXIT_KIND
	EXIT_NR
};

/**
 * struct exit_facts - why the CPU left the guest, without opinion
 * @kind: enum exit_kind
 * @insn_len: length of the exiting instruction, 0 when the CPU does not say, or when the
 *	exit is not an instruction's: of the exceptions only INT1 has one, and rip stands on it
 * @vectoring: an event whose delivery this exit cut off, or EVENT_NONE
 * @written: where tdp.logged, gpas of pages whose dirty bit the CPU set since the last
 *	exit; valid until the next entry
 * @nr_written: how many
 * @bus_lock: the guest locked the bus before this exit; the backend only sets it
 * @io: @string leaves the operands to the emulator
 * @msr: number and value are in the guest's registers
 * @reg: control or debug register @nr; @gpr is GPR_NR when unknown
 * @tdp: @access is MMU_READ | MMU_WRITE | MMU_EXEC; @table_walk: made by the
 *	CPU's walk of the guest's own tables
 * @exception: @payload is cr2 for #PF, the new dr6 bits for #DB
 * @task: the @selector of the TSS, and what @source (enum task_source) led there.  For an
 *	instruction @insn_len is its length or 0; rflags is what the old task's would be
 * @apic: the @vector that ended, or the @offset of the register; the instruction is over
 * @notify: @state_lost: what the VMCS says of the guest is not to be relied on
 * @host_vector: the host's interrupt that ended the guest, where the exit has
 *	acknowledged it and its handler is still to run; else 0, which is what a backend
 *	whose exits do not leaves there
 * @hw: the raw exit code and its two information words, for reports
 */
struct exit_facts {
	u8 kind;
	u8 insn_len;
	u8 host_vector;
	struct x86_event vectoring;
	u16 nr_written;
	bool bus_lock;
	const u64 *written;
	union {
		struct {
			u16 port;
			u8 size;
			bool in, string;
		} io;
		struct {
			bool write;
		} msr;
		struct {
			u8 nr;
			u8 gpr;
			bool write;
		} reg;
		struct {
			gpa_t gpa;
			u32 access;
			bool table_walk;
		} tdp;
		struct {
			u8 vector;
			bool has_error;
			u32 error;
			u64 payload;
		} exception;
		struct {
			u16 selector;
			u8 source;
		} task;
		struct {
			u8 vector;
			u16 offset;
		} apic;
		struct {
			bool state_lost;
		} notify;
	};
	u64 hw[3];
};

/* What set_window() arms. */
#define WINDOW_IRQ	BIT(0)	/* exit when the guest can take an interrupt */
#define WINDOW_NMI	BIT(1)	/* exit when the guest can take an NMI */
#define WINDOW_CR8	BIT(2)	/* exit when the guest writes cr8 */

/*
 * Vectors that exit instead of being delivered, always: #DB and #AC, whose delivery could
 * loop inside the CPU for ever; #UD, for instructions that only the other vendor's CPUs
 * have; and #MC, which is the host's, wherever it strikes.
 */
#define EXCEPTION_EXITS		(BIT(1) | BIT(6) | BIT(17) | BIT(18))

/**
 * struct posted - interrupts on their way to a local APIC; any context, atomic bits
 * @vectors: a bit each, until the owner, or the CPU that runs the guest, takes it
 * @any: bit 0: set after a bit of @vectors was, cleared before they are taken.  Who sets
 *	it tells the owner or the CPU
 * @unused: which only VT-d knows
 *
 * Laid out as VMX's posted-interrupt descriptor (SDM 30.6), where @any is
 * "outstanding notification".
 */
struct posted {
	DECLARE_BITMAP(vectors, 256);
	unsigned long any;
	unsigned long unused[3];
} __aligned(64);

/**
 * struct apic_view - what a CPU must know that uses the registers in vcpu->apic_page
 * @x2apic: the APIC is in x2APIC mode
 * @requested: highest vectors in the IRR and the ISR that count, 0 for none
 * @in_service: likewise
 * @eoi_exits: a bit for each vector whose end is EXIT_APIC_EOI
 */
struct apic_view {
	bool x2apic;
	u8 requested, in_service;
	u64 eoi_exits[4];
};

#define HYPERCALL_LEN	3	/* of VMCALL and of VMMCALL */

/**
 * struct backend_caps - what the hardware can do, fixed once set up
 * @tdp: format of the nested page tables
 * @shadow: the CPU walks shadow tables, which @set_tdp_root names, instead; with CR0.PG and
 *	CR0.WP, CR4.PAE and EFER.NX set, whatever the guest has there.  #PF exits, and so does
 *	each access to CR3, and INVLPG
 * @restricted: the CPU refuses to enter a guest in real mode, and one whose segments protected
 *	mode would not have loaded; shared code executes those in software.  None of the
 *	abilities from @irq_delivery on is there
 * @max_asid: for information
 * @hypercall: the instruction that is one
 * @tsc_scaling: a guest may have its own TSC frequency
 * @xsaves: XSAVES and XRSTORS work in guests
 * @pdptes: page-directory pointers of PAE paging are registers; others read them from
 *	memory when they need them
 * @timer: a guest is left when the host's TSC reaches vcpu->exit_tsc
 * @exits_off: KVM_X86_DISABLE_EXITS_*: exits that vCPUs can be made without, as
 *	vm->enabled.exits_off then says
 * @bus_locks: vCPUs can be made that exit after the guest locked the bus, as
 *	vm->enabled.bus_lock_exits says
 * @notify: likewise vCPUs that exit when nothing could come in between for a window of time
 * @shutdown_loses_state: after EXIT_SHUTDOWN nothing of the guest's state is left but its
 *	MSRs
 * @irq_delivery: the CPU delivers what the IRR in vcpu->apic_page requests, and moves
 *	it to the ISR
 * @posting: and takes what is in vcpu->posted while it is in the guest, when @notify
 *	asks it to
 * @x2apic_reads: in x2APIC mode RDMSRs that are let through read vcpu->apic_page
 * @x2apic_writes: likewise WRMSRs of TPR, EOI and SELF IPI act on it
 */
struct backend_caps {
	struct tdp_format tdp;
	bool shadow, restricted;
	u32 max_asid;
	u8 hypercall[HYPERCALL_LEN];
	bool tsc_scaling;
	bool xsaves;
	bool pdptes;
	bool timer;
	u32 exits_off;
	bool bus_locks, notify;
	bool shutdown_loses_state;
	bool irq_delivery;
	bool posting;
	bool x2apic_reads, x2apic_writes;
};

/**
 * struct backend_ops - one hardware backend
 *
 * Ops on a vCPU are called with its mutex held, by the thread that loaded it
 * (but vcpu_init and vcpu_free), and with preemption enabled, unless said.
 *
 * @name: "svm" or "vmx"
 * @vcpu_size: bytes of its struct that begins with struct vcpu
 * @caps: filled by @setup
 * @probe: 0, or -ENODEV (the CPU has none), -EPERM (firmware disabled it);
 *	@why becomes one clear phrase
 * @setup: allocate what the module needs
 * @teardown: free it
 * @cpu_enable: on each CPU, IRQs off, one CPU at a time; -EBUSY when another
 *	hypervisor has this CPU, -EPERM when the firmware disabled it, -ENODEV when it
 *	lacks what the first CPU has; @why becomes a phrase then
 * @cpu_disable: on each CPU, IRQs off
 * @emergency_disable: leave the CPU clean for a crash kernel or the firmware;
 *	any context
 * @vcpu_init: make the hardware's control structures
 * @vcpu_free: free them
 * @load: the vCPU's thread begins to own this CPU; preemption off
 * @put: it ceases to; preemption off. May come after @cpu_disable
 * @fetch: bring ST_* parts into vcpu->st
 * @run: push vcpu->st.dirty, enter the guest once, fill @facts; IRQs off.
 *	vcpu->ev.nmi_masked, whether the guest is in its NMI handler, goes in and comes
 *	out.  Shared code sets it with the NMI that it injects, and to what the VMM or a
 *	reset says, and calls @set_window after that, before @run; that the handler ended
 *	is for @run alone to find out, and it must do so whether or not a WINDOW_NMI is
 *	armed: a guest that halts, or that is sent its next NMI much later, must not be
 *	found masked.  So a CPU that does not track NMI blocking has its guest's IRETs
 *	watched from the injection on.  What the backend does for that, the guest must not
 *	see
 * @sample: of the guest that this CPU has just left: its rip, and whether it ran at CPL 3.  In
 *	interrupt and NMI context, between hostwork_begin_sample() and hostwork_end_sample()
 * @inject: deliver @event at the coming entry; IRQs off
 * @set_window: arm exactly these WINDOW_* exits
 * @flush_tlb: no translation of this guest survives the next entry; IRQs off
 * @set_tdp_root: the table to use from the next entry on; IRQs off or on
 * @pass_msr: may the guest read/write this MSR without an exit
 * @set_dr_exits: do accesses to debug registers exit?  On at first
 * @set_exception_exits: exceptions of these vectors exit, beside EXCEPTION_EXITS; never the
 *	NMI's
 * @show_apic: what the local APIC has become; IRQs off.  Called only where
 *	irq_delivery or x2apic_reads say so, else it may be NULL
 * @notify: interrupt the guest on @cpu so that it takes what is posted.  Any context,
 *	preemption off; a CPU that is in the host takes no notice.  Called only where
 *	posting says so, else it may be NULL
 */
struct backend_ops {
	const char *name;
	size_t vcpu_size;
	struct backend_caps *caps;

	int (*probe)(const char **why);
	int (*setup)(void);
	void (*teardown)(void);
	int (*cpu_enable)(const char **why);
	void (*cpu_disable)(void);
	void (*emergency_disable)(void);

	int (*vcpu_init)(struct vcpu *vcpu);
	void (*vcpu_free)(struct vcpu *vcpu);
	void (*load)(struct vcpu *vcpu, int cpu);
	void (*put)(struct vcpu *vcpu);

	void (*fetch)(struct vcpu *vcpu, u32 parts);
	void (*run)(struct vcpu *vcpu, struct exit_facts *facts);
	void (*sample)(const struct vcpu *vcpu, u64 *ip, bool *user);
	void (*inject)(struct vcpu *vcpu, const struct x86_event *event);
	void (*set_window)(struct vcpu *vcpu, u32 windows);
	void (*flush_tlb)(struct vcpu *vcpu);
	void (*set_tdp_root)(struct vcpu *vcpu, hpa_t root);
	void (*pass_msr)(struct vcpu *vcpu, u32 msr, bool read, bool write);
	void (*set_dr_exits)(struct vcpu *vcpu, bool on);
	void (*set_exception_exits)(struct vcpu *vcpu, u32 vectors);
	void (*show_apic)(struct vcpu *vcpu, const struct apic_view *view);
	void (*notify)(int cpu);
};

extern const struct backend_ops svm_backend;
extern const struct backend_ops vmx_backend;

/* The one in use; set before the first VM can be made. */
extern const struct backend_ops *backend;

/* Virtualization is on; written by core/cpus.c on that CPU, IRQs off. */
DECLARE_PER_CPU(bool, cpus_on);

/**
 * cpus_here_enabled() - can this CPU run a guest just now?
 *
 * With IRQs off the answer holds until they are on again; with preemption off
 * or less it is a hint.
 *
 * Return: whether it can.
 */
static inline bool cpus_here_enabled(void)
{
	return raw_cpu_read(cpus_on);
}

#endif
