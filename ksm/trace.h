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
	TP_PROTO(const struct gmem_cursor *cur, enum merge_result result),
	TP_ARGS(cur, result),
	TP_STRUCT__entry(
		__field(u64, gmem)
		__field(pgoff_t, offset)
		__field(u32, result)
	),
	TP_fast_assign(
		__entry->gmem = gmem_cursor_id(cur);
		__entry->offset = gmem_cursor_offset(cur);
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
