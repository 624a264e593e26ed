/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Descriptors of segments and gates, and stacks other than the present one: for the files
 * that load segments, transfer control far and raise interrupts.
 */
#ifndef DITTO_EMULATE_DESCRIPTOR_H
#define DITTO_EMULATE_DESCRIPTOR_H

#include "x86/emulate/internal.h"

/* Descriptors, as numbers (SDM figure 3-8). */
#define DESC_TYPE(d)	((d) >> 40 & 15)
#define DESC_DPL(d)	((d) >> 45 & 3)
#define DESC_S		BIT(44)
#define DESC_P		BIT(47)
#define DESC_L		BIT(53)
#define DESC_D		BIT(54)
#define DESC_G		BIT(55)

/* Types of segments and of gates. */
#define TYPE_CODE	8
#define TYPE_CONFORMING	4
#define TYPE_RW		2
#define TYPE_ACCESSED	1
#define TYPE_TSS16	1
#define TYPE_LDT	2
#define TYPE_CALL16	4
#define TYPE_TASK_GATE	5
#define TYPE_INT16	6
#define TYPE_TRAP16	7
#define TYPE_TSS32	9
#define TYPE_CALL32	12
#define TYPE_INT32	14
#define TYPE_TRAP32	15
#define TYPE_BUSY	2	/* of a TSS */
#define TYPE_WIDE	8	/* of a gate or a TSS: not a 16-bit one */

/**
 * struct emu_desc - a descriptor that was read
 * @raw: its first eight bytes
 * @high: the next eight, where it has so many
 * @gva: where it stands
 * @selector: what names it
 */
struct emu_desc {
	u64 raw, high;
	u64 gva;
	u16 selector;
};

/**
 * struct emu_frame - what is about to be pushed, onto the present stack or another one
 * @ss: the stack's segment
 * @rsp: before anything is pushed
 * @cpl: level of the pushes
 * @wide: of 64-bit code: no segment
 * @switched: it is not the present stack
 * @size: of one item
 * @error: error code of #SS
 * @len: bytes in @buf
 * @buf: the items, the last one pushed first, at the end
 */
struct emu_frame {
	struct kvm_segment ss;
	u64 rsp;
	u8 cpl;
	bool wide, switched;
	u8 size;
	u32 error;
	unsigned int len;
	u8 buf[160];
};

static inline bool selector_is_null(u16 selector)
{
	return !(selector & ~3);
}

static inline bool desc_is_code(u64 desc)
{
	return desc & DESC_S && DESC_TYPE(desc) & TYPE_CODE;
}

static inline bool desc_is_writable_data(u64 desc)
{
	return desc & DESC_S && (DESC_TYPE(desc) & (TYPE_CODE | TYPE_RW)) == TYPE_RW;
}

static inline bool desc_conforms(u64 desc)
{
	return (DESC_TYPE(desc) & (TYPE_CODE | TYPE_CONFORMING)) == (TYPE_CODE | TYPE_CONFORMING);
}

u32 emu_desc_limit(u64 desc);
bool emu_desc_find(struct emu_ctxt *c, u16 selector, unsigned int size, u64 *gva);
enum emu_result emu_selector_fault(struct emu_ctxt *c, u8 vector, u16 selector);
enum emu_result emu_desc_read(struct emu_ctxt *c, u16 selector, u8 vector, struct emu_desc *d);
enum emu_result emu_desc_read_target(struct emu_ctxt *c, u16 selector, struct emu_desc *d);
enum emu_result emu_desc_check_code(struct emu_ctxt *c, const struct emu_desc *d, bool fits);
bool emu_desc_is_mixed(struct emu_ctxt *c, u64 desc);
bool emu_desc_fits_gate(struct emu_ctxt *c, u64 desc);
enum emu_result emu_desc_read_high(struct emu_ctxt *c, u8 vector, struct emu_desc *d);
enum emu_result emu_desc_mark(struct emu_ctxt *c, const struct emu_desc *d);
struct kvm_segment emu_desc_segment(const struct emu_desc *d);
struct kvm_segment emu_null_stack(u16 selector, u8 cpl);
void emu_segment_stage(struct emu_ctxt *c, enum emu_seg nr, const struct kvm_segment *seg);
void emu_segment_stage_real(struct emu_ctxt *c, enum emu_seg nr, u16 selector);

enum emu_result emu_code_check_target(struct emu_ctxt *c, const struct kvm_segment *cs, u64 rip);
bool emu_code_is_64(struct emu_ctxt *c, const struct kvm_segment *cs);

void emu_frame_begin(struct emu_ctxt *c, struct emu_frame *f, unsigned int size);
enum emu_result emu_frame_begin_inner(struct emu_ctxt *c, struct emu_frame *f, u8 cpl,
				      unsigned int ist);
void emu_frame_push(struct emu_frame *f, u64 val);
void emu_frame_push_bytes(struct emu_frame *f, const void *buf, unsigned int len);
enum emu_result emu_frame_check(struct emu_ctxt *c, const struct emu_frame *f);
enum emu_result emu_frame_write(struct emu_ctxt *c, const struct emu_frame *f);

#endif
