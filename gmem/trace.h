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

DECLARE_EVENT_CLASS(ditto_squeezing,
	TP_PROTO(u64 gmem, pgoff_t offset, unsigned int bytes),
	TP_ARGS(gmem, offset, bytes),
	TP_STRUCT__entry(
		__field(u64, gmem)
		__field(pgoff_t, offset)
		__field(unsigned int, bytes)
	),
	TP_fast_assign(
		__entry->gmem = gmem;
		__entry->offset = offset;
		__entry->bytes = bytes;
	),
	TP_printk("gmem %llu page 0x%lx: %u bytes", __entry->gmem, __entry->offset, __entry->bytes)
);

/* A page was compressed; to 0 bytes: it could not be. */
DEFINE_EVENT(ditto_squeezing, ditto_squeeze,
	TP_PROTO(u64 gmem, pgoff_t offset, unsigned int bytes),
	TP_ARGS(gmem, offset, bytes));

/* A page is decompressed. */
DEFINE_EVENT(ditto_squeezing, ditto_unsqueeze,
	TP_PROTO(u64 gmem, pgoff_t offset, unsigned int bytes),
	TP_ARGS(gmem, offset, bytes));

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH gmem
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
