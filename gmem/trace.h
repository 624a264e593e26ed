/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tracepoints of guest memory: events/ditto/ in tracefs.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM ditto

#if !defined(DITTO_GMEM_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define DITTO_GMEM_TRACE_H

#include <linux/tracepoint.h>

TRACE_EVENT(ditto_punch,
	TP_PROTO(u64 gmem, pgoff_t start, pgoff_t end),
	TP_ARGS(gmem, start, end),
	TP_STRUCT__entry(
		__field(u64, gmem)
		__field(pgoff_t, start)
		__field(pgoff_t, end)
	),
	TP_fast_assign(
		__entry->gmem = gmem;
		__entry->start = start;
		__entry->end = end;
	),
	TP_printk("gmem %llu pages 0x%lx-0x%lx", __entry->gmem, __entry->start, __entry->end)
);

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH gmem
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
