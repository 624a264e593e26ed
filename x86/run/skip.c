// SPDX-License-Identifier: GPL-2.0-only
/*
 * Advancing rip past an instruction that exited. Where the CPU reports the length, that is
 * enough. Elsewhere the first byte is mostly enough, and it is read where the vCPU's last
 * walk ended. Where it is not, the emulator decodes the instruction (emulate_vcpu.c).
 */
#include "mmu/guest.h"
#include "mmu/memo.h"
#include "x86/machine/vm.h"
#include "x86/run/emulate_vcpu.h"
#include "x86/run/skip.h"
#include "x86/run/walk.h"

static void skip_where(struct vcpu *vcpu, u64 *gva, u32 *access)
{
	const struct x86_state *st = &vcpu->st;

	vcpu_need(vcpu, ST_CODE | ST_CR);
	*gva = st->rip + st->code.base;
	if (!(st->efer & EFER_LMA))
		*gva = (u32)*gva;
	*access = st->code.cpl == 3 ? MMU_EXEC | MMU_USER : MMU_EXEC;
}

/* The byte at rip, if the last walk still tells where it is; else 0. */
static u8 skip_recall(struct vcpu *vcpu, u64 gva, u32 access)
{
	const struct walk_memo *m = &vcpu->fetch_memo;
	u8 byte = 0;

	rcu_read_lock_sched();
	if (memo_walk_same(&vcpu->vm->mmu, m, gva, access) && walk_memo_mode(vcpu, m) && m->data)
		byte = *(const u8 *)(m->data + offset_in_page(gva));
	rcu_read_unlock_sched();
	return byte;
}

static noinline u8 skip_fetch(struct vcpu *vcpu, u64 gva, u32 access)
{
	struct mmu *mmu = &vcpu->vm->mmu;
	struct paging_mode mode;
	struct walk_fault fault;
	gpa_t gpa;
	u8 byte;

	walk_paging_mode(vcpu, &mode);
	if (mmu_walk_memo(mmu, &vcpu->fetch_memo, &mode, gva, access, &gpa, &fault) ||
	    guest_read(mmu, gpa, &byte, 1))
		return 0;
	return byte;
}

/*
 * For CPUs that do not report lengths: most instructions that exit have no
 * prefix, and then the first byte tells that the length is the opcode's.
 */
static bool skip_is_bare(struct vcpu *vcpu)
{
	u32 access;
	u64 gva;
	u8 byte;

	skip_where(vcpu, &gva, &access);
	byte = skip_recall(vcpu, gva, access);
	if (unlikely(!byte))
		byte = skip_fetch(vcpu, gva, access);
	return byte == 0x0f || byte == 0xf4;	/* two-byte opcodes, HLT */
}

/**
 * skip_len_unknown() - skip_len() where the CPU does not report it
 * @vcpu: owned and loaded
 * @f: the exit
 * @opcode_len: see there
 * @err: likewise
 *
 * Return: as skip_len().
 */
u8 skip_len_unknown(struct vcpu *vcpu, const struct exit_facts *f, u8 opcode_len, int *err)
{
	return skip_is_bare(vcpu) ? opcode_len : emulate_insn_len(vcpu, f, err);
}

/**
 * skip_again() - the instruction could not be read, and nothing of it was done
 * @vcpu: owned and loaded
 * @err: with which skip_len() returned 0
 *
 * What the CPU executed may come from a translation that the guest has not flushed; without a
 * flush it would exit here for ever.
 *
 * Return: as exit_handle().
 */
enum exit_outcome skip_again(struct vcpu *vcpu, int err)
{
	if (err)
		return vcpu_fails(vcpu, err);
	vcpu_flush_guest(vcpu);
	return OUTCOME_ENTER;
}
