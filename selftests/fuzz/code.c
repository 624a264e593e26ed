// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a fuzzed vCPU executes: random bytes, strewn with instructions that concern a
 * hypervisor, in real, protected and long mode, with registers and tables that point at
 * devices, at memory, at its edges and nowhere. The VMM's answers are random, too.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "fuzz.h"

#define CODE_SIZE 512

/* In hexadecimal; ".." is a random byte. */
static const char *const snippets[] = {
	/* in, out */
	"e4..", "e5..", "e6..", "e7..", "ec", "ed", "ee", "ef", "66ed", "66ef",
	"6c", "6d", "6e", "6f", "f36c", "f36d", "f36e", "f36f", "66f36d", "67f36c",
	"66ba0006", "ba00060000", "66bafd03", "b9..000000", "b9........", "31c9",
	/* exits */
	"0f01c1", "0f01d9", "0fa2", "0f30", "0f32", "0f31", "0f01f9", "0f33",
	"b980000000c00f32", "b9800000c00f30", "b9100000000f30", "b91b0000000f30",
	"0f20c0", "0f20d8", "0f20e0", "0f20..", "0f22c0", "0f22d8", "0f22e0", "0f22..",
	"440f20c0", "440f22c0", "0f21..", "0f23..", "0f06", "0f01e0", "0f01f0", "0f00..",
	"0f01..", "0f01d1", "0f01c8", "0f01c9", "0fae..", "0f09", "0f08", "f390", "0fc7..",
	"f4", "fb", "fa", "fbf4", "cf", "48cf", "cc", "f1", "0f0b", "cd..", "9d", "9c",
	"ea........0800", "9a........0800", "ea........4000", "cb", "8ed0", "8ed8", "8ec0",
	/* devices */
	"bf000000d0", "be000000d0", "bf........", "be........", "bffc0f00d0",
	"bf000000d0f3a4", "be000000d0f3a5", "bf000000d0f3ab", "be000000d0f3ad",
	"bf000000d0a6", "bf000000d0af", "bf0000e0fe", "bf0000c0fe", "8b07", "8907", "8807",
	"8a06", "0107", "8707", "f00fb10f", "0fc70f", "480fc70f", "f00107", "0fb607", "0fbe06",
	"ff07", "f717", "c707........", "c607..", "8307..", "8137........", "0fab07", "0fba2f..",
	"ff37", "8f07", "ff17", "ff27", "0f1007", "0f1107", "660f6f07", "660f7f07", "f30f7f07",
	"d907", "dd07", "dd17", "d9..", "db..", "df..", "0f..", "0f....", "f0....", "66....",
	"67....", "2e....", "65....", "f2....", "48....", "4c....", "a4", "a5", "aa", "ab", "ac",
	"f3a4", "f3a5", "f3aa", "f3ab", "f2ae", "f3a6", "60", "61", "c8......", "c9", "d7",
	"63..", "62..", "c4..", "c5..", "0fc8", "99", "f7..", "d3..", "0fa4..", "0fad..",
	/* FXSAVE and so on */
	"0fae07", "0fae0f", "480fae07", "480fae0f", "0fae17", "0fae1f",
	"ff1f", "ff2f", "48ff2f", "66ff1f", "ff1e", "ca....", "48cb", "66cf", "ce",	/* far */
	"0f05", "0f07", "480f07", "0f34", "0f35", "480f35",			/* system calls */
	"0f0017", "0f001f", "0f00d0", "0f00d8", "0f0117", "0f011f", "0fb207", "0fb407",
	"8e17", "8e1f", "07", "1f", "17", "0fa1", "0fa9", "0f02c0", "0f03c0", "0f00e0",
};

/* UD2 and "kvm": what follows is executed by the emulator, where the operator allows it. */
static const u8 forced[] = { 0x0f, 0x0b, 'k', 'v', 'm' };

static unsigned int nibble(char c)
{
	return c <= '9' ? c - '0' : c - 'a' + 10;
}

/* Breakpoints that a guest sets end or hang QEMU's CPU (Documentation/emulators.md). */
static bool snippet_kills(const char *text)
{
	const char *host = getenv("DITTO_HOST");

	return host && (!strcmp(host, "svm") || !strcmp(host, "debug")) && !strcmp(text, "0f23..");
}

static unsigned int put_snippet(struct rng *r, u8 *code)
{
	const char *text = snippets[rng_below(r, ARRAY_SIZE(snippets))];
	unsigned int length = 0;

	if (snippet_kills(text))
		return 0;
	for (; *text; text += 2)
		code[length++] = *text == '.' ? rng_next(r) >> 56 :
			nibble(text[0]) << 4 | nibble(text[1]);
	return length;
}

static void make_code(struct rng *r, u8 *code)
{
	u8 *end = code + CODE_SIZE - 24;

	rng_fill(r, code, CODE_SIZE);
	while (code < end) {
		if (rng_one_in(r, 6)) {
			memcpy(code, forced, sizeof(forced));
			code += sizeof(forced);
		}
		code += put_snippet(r, code);
		if (rng_one_in(r, 8))
			code += rng_below(r, 4);
	}
}

static u64 some_pointer(struct rng *r)
{
	switch (rng_below(r, 6)) {
	case 0: return GUEST_MMIO + rng_below(r, GUEST_MMIO_SIZE);
	case 1: return GUEST_FREE + rng_below(r, 0x1000);
	case 2: return WORLD_EXTRA_GPA + rng_below(r, WORLD_EXTRA);
	case 3: return 4 * MIB - 8 + rng_below(r, 16);
	case 4: return 0xfee00000 + rng_below(r, 0x1000);
	default: return rng_interesting(r);
	}
}

static struct kvm_regs some_regs(struct rng *r, u64 rip)
{
	u64 words[sizeof(struct kvm_regs) / 8];
	struct kvm_regs regs;

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		words[i] = some_pointer(r);
	memcpy(&regs, words, sizeof(regs));
	regs.rcx = rng_one_in(r, 2) ? rng_below(r, 9000) : regs.rcx;
	regs.rdx = rng_one_in(r, 2) ? GUEST_PORT + rng_below(r, 16) : regs.rdx;
	regs.rsp = rng_one_in(r, 8) ? regs.rsp : 0x7f00;
	regs.rip = rip;
	regs.rflags = rng_one_in(r, 4) ? rng_next(r) & 0x3f7fd7 : 0x202;
	regs.rflags |= 2;
	return regs;
}

void code_change_tables(struct world *w, struct rng *r)
{
	static const u64 tables[] = { GUEST_GDT, GUEST_IDT, GUEST_TSS };
	unsigned int changes = rng_below(r, 8);
	u64 at, value;

	while (changes--) {
		at = tables[rng_below(r, ARRAY_SIZE(tables))] + rng_below(r, 32) * 8;
		value = rng_next(r);
		if (rng_one_in(r, 2))	/* present, a system's, of some type and privilege */
			value = (value & ~(0x9full << 40)) | (0x80ull | rng_below(r, 16)) << 40;
		if (rng_one_in(r, 2))	/* and with a selector that there is */
			value = (value & ~0xffff0000ull) | (u64)rng_below(r, 16) << 19;
		careful_copy(w->vm->ram + at, &value, sizeof(value));
	}
}

/* Tables at devices, in memory that comes and goes, or without end. */
static void move_tables(struct kvm_sregs *sregs, struct rng *r)
{
	struct kvm_dtable *table = rng_one_in(r, 2) ? &sregs->gdt : &sregs->idt;

	table->base = rng_one_in(r, 2) ? GUEST_MMIO : WORLD_EXTRA_GPA + rng_below(r, WORLD_EXTRA);
	table->limit = rng_one_in(r, 4) ? rng_below(r, 256) : 0xffff;
}

static void set_state(struct world *w, struct vcpu *vcpu, struct rng *r, u64 rip)
{
	struct kvm_sregs sregs = w->modes[rng_below(r, MODE_RESET)];
	struct kvm_mp_state state = { KVM_MP_STATE_RUNNABLE };
	struct kvm_regs regs = some_regs(r, rip);
	u64 value;

	if (rng_one_in(r, 4)) {
		value = rng_interesting(r);
		memcpy((u8 *)&sregs + rng_below(r, sizeof(sregs) / 8) * 8, &value,
		       1u << rng_below(r, 4));
	}
	if (rng_one_in(r, 8))
		move_tables(&sregs, r);
	sregs.apic_base = 0xfee00800 | (vcpu->id ? 0 : 0x100);
	ioctl(vcpu->fd, KVM_SET_MP_STATE, &state);
	ioctl(vcpu->fd, KVM_SET_SREGS, &sregs);
	ioctl(vcpu->fd, KVM_SET_REGS, &regs);
}

/* What the devices of this VMM say. All that is read from kvm_run is checked first. */
static void answer(struct vcpu *vcpu, struct rng *r)
{
	u64 offset = ((volatile struct kvm_run *)vcpu->run)->io.data_offset;

	switch (((volatile struct kvm_run *)vcpu->run)->exit_reason) {
	case KVM_EXIT_IO:
		if (offset < vcpu->run_size - 64)
			rng_fill(r, (u8 *)vcpu->run + offset, 64);
		break;
	case KVM_EXIT_MMIO:
		rng_fill(r, vcpu->run->mmio.data, 8);
		break;
	}
}

void code_run(struct world *w, struct vcpu *vcpu, struct rng *r)
{
	u64 rip = GUEST_LOW + vcpu->id * 0x1000;
	u8 code[CODE_SIZE];
	unsigned int exits = rng_below(r, 200);
	u32 reason;

	make_code(r, code);
	careful_copy(w->vm->ram, w->snapshot, GUEST_LOW);
	careful_copy(w->vm->ram + rip, code, sizeof(code));
	if (rng_one_in(r, 3))
		code_change_tables(w, r);
	set_state(w, vcpu, r, rip);
	while (exits-- && !w->end) {
		if (ioctl(vcpu->fd, KVM_RUN, 0) && errno != EINTR && errno != EAGAIN)
			break;
		reason = ((volatile struct kvm_run *)vcpu->run)->exit_reason;
		counts->exits[reason < ARRAY_SIZE(counts->exits) ? reason :
			      ARRAY_SIZE(counts->exits) - 1]++;
		/* From there it would only go on failing. */
		if (reason == KVM_EXIT_SHUTDOWN || reason == KVM_EXIT_INTERNAL_ERROR ||
		    reason == KVM_EXIT_FAIL_ENTRY)
			break;
		answer(vcpu, r);
	}
}
