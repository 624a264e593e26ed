/* SPDX-License-Identifier: GPL-2.0-only */
/* What the two files of decode share. */
#ifndef DITTO_EMULATE_DECODER_H
#define DITTO_EMULATE_DECODER_H

#include "x86/emulate/internal.h"

/**
 * struct emu_decoder - an instruction that is being decoded
 * @c: the context
 * @pos: next byte of c->insn[]
 * @err: sticky: the first failure
 */
struct emu_decoder {
	struct emu_ctxt *c;
	u8 pos;
	enum emu_result err;
};

u64 emu_next_imm(struct emu_decoder *d, unsigned int size);
void emu_decode_opsize(struct emu_ctxt *c);
enum emu_result emu_decode_operands(struct emu_decoder *d, const u8 spec[3]);

#endif
