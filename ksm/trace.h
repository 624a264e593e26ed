/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tracepoints of the merge engine: events/ditto/ in tracefs.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM ditto

#if !defined(DITTO_KSM_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define DITTO_KSM_TRACE_H

#include <linux/tracepoint.h>

#include "ksm/internal.h"

TRACE_EVENT(ditto_merge,
	TP_PROTO(u64 gmem, pgoff_t offset, enum merge_result result),
	TP_ARGS(gmem, offset, result),
	TP_STRUCT__entry(
		__field(u64, gmem)
		__field(pgoff_t, offset)
		__field(u32, result)
	),
	TP_fast_assign(
		__entry->gmem = gmem;
		__entry->offset = offset;
		__entry->result = result;
	),
	TP_printk("gmem %llu page 0x%lx: %s", __entry->gmem, __entry->offset,
		  __print_symbolic(__entry->result, MERGE_RESULTS))
);

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH ksm
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
