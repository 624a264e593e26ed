// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guest memory, as an emulated instruction uses it: through the guest's page tables.  What is
 * no memory is emulate_device.c's.
 */
#include <asm/traps.h>

#include "mmu/guest.h"
#include "x86/machine/vm.h"
#include "x86/run/emulate_glue.h"
#include "x86/run/walk.h"

/* No memo tells it. */
static noinline enum emu_result glue_walk(struct glue *g, struct walk_memo *memo, u64 gva,
					  u32 access, gpa_t *gpa)
{
	int err = mmu_walk_memo(glue_mmu(g), memo, &g->mode, gva, access, gpa, &g->fault);

	if (likely(!err))
		return EMU_OK;
	if (!g->fault.valid)
		return glue_error(g, err);
	g->c.fault = walk_fault_found(&g->fault);
	return EMU_FAULT;
}

static __always_inline enum emu_result glue_translate(struct emu_ctxt *c, u64 gva, u32 access,
						      gpa_t *gpa)
{
	struct glue *g = glue_of(c);
	struct walk_memo *memo = access & MMU_EXEC ? &g->vcpu->fetch_memo : &g->vcpu->data_memo;

	if (c->cpl == 3 && !(access & MMU_IMPLICIT))
		access |= MMU_USER;
	if (likely(memo_translate(glue_mmu(g), memo, &g->mode, gva, access, gpa)))
		return EMU_OK;
	return glue_walk(g, memo, gva, access, gpa);
}

static u32 glue_access_bits(unsigned int access)
{
	return ((access & EMU_ACC_WRITE) ? MMU_WRITE : MMU_READ) |
	       ((access & EMU_ACC_SYSTEM) ? MMU_IMPLICIT : 0);
}

/**
 * glue_fetch() - struct emu_ops
 * @c: context
 * @gva: linear address
 * @buf: for the bytes
 * @len: how many; all in one page
 *
 * Return: see there.
 */
enum emu_result glue_fetch(struct emu_ctxt *c, u64 gva, void *buf, unsigned int len)
{
	struct glue *g = glue_of(c);
	enum emu_result r;
	gpa_t gpa;
	int err;

	c->fault.valid = false;
	if (memo_read(glue_mmu(g), &g->vcpu->fetch_memo, &g->mode, gva, glue_fetch_access(c),
		      buf, len))
		return EMU_OK;
	r = glue_translate(c, gva, MMU_EXEC, &gpa);
	if (r != EMU_OK)
		return r;
	err = guest_read(glue_mmu(g), gpa, buf, len);
	/* Code in a device's memory cannot be told from a guest that has lost its way. */
	if (err == -ENXIO)
		return EMU_UNHANDLED;
	return err ? glue_error(g, err) : EMU_OK;
}

/* An access inside one page. */
static enum emu_result glue_read_gpa(struct emu_ctxt *c, gpa_t gpa, void *buf, unsigned int len)
{
	struct glue *g = glue_of(c);
	int err = guest_read(glue_mmu(g), gpa, buf, len);

	if (likely(!err))
		return EMU_OK;
	return err == -ENXIO ? glue_device(c, gpa, buf, len, false) : glue_error(g, err);
}

static enum emu_result glue_write_gpa(struct emu_ctxt *c, gpa_t gpa, const void *buf,
				      unsigned int len)
{
	struct glue *g = glue_of(c);
	int err;

	if (gpa >> PAGE_SHIFT == g->device)
		return glue_device(c, gpa, (void *)buf, len, true);
	err = guest_write(glue_mmu(g), gpa, buf, len);
	if (likely(!err))
		return EMU_OK;
	/* Writes to read-only memory are the VMM's to see, as to a device. */
	if (err == -ENXIO || err == -EROFS)
		return glue_device(c, gpa, (void *)buf, len, true);
	return glue_error(g, err);
}

/**
 * glue_read() - struct emu_ops
 * @c: context
 * @gva: linear address
 * @buf: for the bytes
 * @len: how many
 * @access: EMU_ACC_*
 *
 * Return: see there.
 */
enum emu_result glue_read(struct emu_ctxt *c, u64 gva, void *buf, unsigned int len,
			  unsigned int access)
{
	u32 bits = glue_access_bits(access);
	enum emu_result r = EMU_OK;

	c->fault.valid = false;
	while (len && r == EMU_OK) {
		unsigned int n = glue_in_page(gva, len);
		gpa_t gpa;

		r = glue_translate(c, gva, bits, &gpa);
		if (r == EMU_OK)
			r = glue_read_gpa(c, gpa, buf, n);
		gva += n;
		buf += n;
		len -= n;
	}
	return r;
}

/* Both pages are translated before a byte changes. */
static noinline enum emu_result glue_write_across(struct emu_ctxt *c, u64 gva, const void *buf,
						  unsigned int len, u32 bits)
{
	unsigned int n = glue_in_page(gva, len);
	enum emu_result r;
	gpa_t gpa, gpa2;

	r = glue_translate(c, gva, bits, &gpa);
	if (r == EMU_OK)
		r = glue_translate(c, gva + n, bits, &gpa2);
	if (r == EMU_OK)
		r = glue_write_gpa(c, gpa, buf, n);
	if (r == EMU_OK)
		r = glue_write_gpa(c, gpa2, buf + n, len - n);
	return r;
}

/**
 * glue_write() - struct emu_ops
 * @c: context
 * @gva: linear address
 * @buf: the bytes
 * @len: how many
 * @access: EMU_ACC_*
 *
 * At most two pages.
 *
 * Return: see there.
 */
enum emu_result glue_write(struct emu_ctxt *c, u64 gva, const void *buf, unsigned int len,
			   unsigned int access)
{
	u32 bits = glue_access_bits(access | EMU_ACC_WRITE);
	enum emu_result r;
	gpa_t gpa;

	c->fault.valid = false;
	if (unlikely(offset_in_page(gva) + len > PAGE_SIZE))
		return glue_write_across(c, gva, buf, len, bits);
	r = glue_translate(c, gva, bits, &gpa);
	return r == EMU_OK ? glue_write_gpa(c, gpa, buf, len) : r;
}

/* A batch of a string instruction is for memory only: of a device it would overflow the log. */
static enum emu_result glue_probe_memory(struct emu_ctxt *c, gpa_t gpa)
{
	u8 byte;
	int err = guest_read(glue_mmu(glue_of(c)), gpa, &byte, 1);

	if (err == -EINTR)
		return glue_error(glue_of(c), err);
	return err ? EMU_UNHANDLED : EMU_OK;
}

/**
 * glue_probe() - struct emu_ops
 * @c: context
 * @gva: linear address
 * @len: bytes
 * @access: EMU_ACC_*
 *
 * Return: see there.
 */
enum emu_result glue_probe(struct emu_ctxt *c, u64 gva, unsigned int len,
			   unsigned int access)
{
	u32 bits = glue_access_bits(access);
	bool batch = len > 32;
	enum emu_result r = EMU_OK;

	c->fault.valid = false;
	while (len && r == EMU_OK) {
		unsigned int n = glue_in_page(gva, len);
		gpa_t gpa;

		r = glue_translate(c, gva, bits, &gpa);
		if (r == EMU_OK && batch)
			r = glue_probe_memory(c, gpa);
		gva += n;
		len -= n;
	}
	return r;
}

/**
 * glue_cmpxchg() - struct emu_ops
 * @c: context
 * @gva: linear address
 * @old: what must be there
 * @new: what shall be
 * @len: bytes
 *
 * A locked access across pages is no single atomic operation on any memory that
 * we could name; the emulator is asked to write, then.
 *
 * Return: see there.
 */
enum emu_result glue_cmpxchg(struct emu_ctxt *c, u64 gva, const void *old,
			     const void *new, unsigned int len)
{
	struct glue *g = glue_of(c);
	enum emu_result r;
	u8 seen[16];
	gpa_t gpa;
	int err;

	/*
	 * A CPU without CMPXCHG16B would have raised #UD; another vCPU must have written
	 * the instruction after the exit.
	 */
	if (len == 16 && !boot_cpu_has(X86_FEATURE_CX16))
		return glue_fault(c, X86_TRAP_UD, false);
	if (glue_in_page(gva, len) < len)
		return glue_write(c, gva, new, len, 0);
	c->fault.valid = false;
	r = glue_translate(c, gva, MMU_WRITE, &gpa);
	if (r != EMU_OK)
		return r;
	memcpy(seen, old, len);
	err = guest_cmpxchg(glue_mmu(g), gpa, seen, new, len);
	if (!err)
		return memcmp(seen, old, len) ? EMU_RETRY : EMU_OK;
	if (err == -ENXIO || err == -EROFS)
		return glue_device(c, gpa, (void *)new, len, true);
	return glue_error(g, err);
}
