/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tracepoints of running a guest: events/ditto/ in tracefs. Documented for
 * operators in Documentation/operations.md.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM ditto

#if !defined(DITTO_X86_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define DITTO_X86_TRACE_H

#include <linux/tracepoint.h>

#include "mmu/mmu.h"
#include "x86/machine/vm.h"

#ifndef DITTO_TRACE_EXIT
#define DITTO_TRACE_EXIT(kind, name)	{ EXIT_##kind, #name },
#define DITTO_TRACE_LAST(kind, name)	{ EXIT_##kind, #name }
#define DITTO_TRACE_ENUM(kind, name)	TRACE_DEFINE_ENUM(EXIT_##kind);
#endif

/* So that tools which read the formats know the values. */
EXIT_KINDS(DITTO_TRACE_ENUM, DITTO_TRACE_ENUM)
TRACE_DEFINE_ENUM(MMU_FAULT_DONE);
TRACE_DEFINE_ENUM(MMU_FAULT_MMIO);
TRACE_DEFINE_ENUM(MMU_FAULT_READONLY);
TRACE_DEFINE_ENUM(EVENT_IRQ);
TRACE_DEFINE_ENUM(EVENT_NMI);
TRACE_DEFINE_ENUM(EVENT_EXCEPTION);
TRACE_DEFINE_ENUM(EVENT_SOFT_INT);
TRACE_DEFINE_ENUM(EVENT_SOFT_EXC);

TRACE_EVENT(ditto_entry,
	TP_PROTO(const struct vcpu *vcpu),
	TP_ARGS(vcpu),
	TP_STRUCT__entry(
		__field(u64, vm)
		__field(u32, vcpu)
		__field(u64, rip)
	),
	TP_fast_assign(
		__entry->vm = vcpu->vm->id;
		__entry->vcpu = vcpu->id;
		__entry->rip = vcpu->st.rip;
	),
	TP_printk("vm %llu vcpu %u rip 0x%llx", __entry->vm, __entry->vcpu, __entry->rip)
);

TRACE_EVENT(ditto_exit,
	TP_PROTO(const struct vcpu *vcpu, const struct exit_facts *facts),
	TP_ARGS(vcpu, facts),
	TP_STRUCT__entry(
		__field(u64, vm)
		__field(u32, vcpu)
		__field(u32, kind)
		__field(u64, rip)
		__field(u64, code)
		__field(u64, info1)
		__field(u64, info2)
	),
	TP_fast_assign(
		__entry->vm = vcpu->vm->id;
		__entry->vcpu = vcpu->id;
		__entry->kind = facts->kind;
		__entry->rip = vcpu->st.rip;
		__entry->code = facts->hw[0];
		__entry->info1 = facts->hw[1];
		__entry->info2 = facts->hw[2];
	),
	TP_printk("vm %llu vcpu %u %s rip 0x%llx hw 0x%llx 0x%llx 0x%llx",
		  __entry->vm, __entry->vcpu,
		  __print_symbolic(__entry->kind, EXIT_KINDS(DITTO_TRACE_EXIT, DITTO_TRACE_LAST)),
		  __entry->rip, __entry->code, __entry->info1, __entry->info2)
);

TRACE_EVENT(ditto_fault,
	TP_PROTO(const struct vcpu *vcpu, gpa_t gpa, u32 access, enum mmu_fault_result result),
	TP_ARGS(vcpu, gpa, access, result),
	TP_STRUCT__entry(
		__field(u64, vm)
		__field(u32, vcpu)
		__field(u64, gpa)
		__field(u32, access)
		__field(int, result)
	),
	TP_fast_assign(
		__entry->vm = vcpu->vm->id;
		__entry->vcpu = vcpu->id;
		__entry->gpa = gpa;
		__entry->access = access;
		__entry->result = result == MMU_FAULT_FAILED ? vcpu->streaks.error : (int)result;
	),
	TP_printk("vm %llu vcpu %u gpa 0x%llx %s: %s (%d)", __entry->vm, __entry->vcpu,
		  __entry->gpa,
		  __print_flags(__entry->access, "|", { MMU_READ, "read" },
				{ MMU_WRITE, "write" }, { MMU_EXEC, "exec" }),
		  __entry->result < 0 ? "error" :
		  __print_symbolic(__entry->result, { MMU_FAULT_DONE, "done" },
				   { MMU_FAULT_MMIO, "mmio" },
				   { MMU_FAULT_READONLY, "readonly" }),
		  __entry->result)
);

TRACE_EVENT(ditto_inject,
	TP_PROTO(const struct vcpu *vcpu, const struct x86_event *event),
	TP_ARGS(vcpu, event),
	TP_STRUCT__entry(
		__field(u64, vm)
		__field(u32, vcpu)
		__field(u8, type)
		__field(u8, vector)
		__field(bool, has_error)
		__field(u32, error)
	),
	TP_fast_assign(
		__entry->vm = vcpu->vm->id;
		__entry->vcpu = vcpu->id;
		__entry->type = event->type;
		__entry->vector = event->vector;
		__entry->has_error = event->has_error;
		__entry->error = event->has_error ? event->error : 0;
	),
	TP_printk("vm %llu vcpu %u %s vector 0x%02x error 0x%x%s", __entry->vm, __entry->vcpu,
		  __print_symbolic(__entry->type, { EVENT_IRQ, "irq" }, { EVENT_NMI, "nmi" },
				   { EVENT_EXCEPTION, "exception" },
				   { EVENT_SOFT_INT, "int" }, { EVENT_SOFT_EXC, "int3" }),
		  __entry->vector, __entry->error, __entry->has_error ? "" : " (none)")
);

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH x86/run
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
