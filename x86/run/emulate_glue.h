/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files share that connect the emulator to a vCPU.
 */
#ifndef DITTO_RUN_EMULATE_GLUE_H
#define DITTO_RUN_EMULATE_GLUE_H

#include "mmu/memo.h"
#include "mmu/mmu.h"
#include "x86/emulate/emulate.h"
#include "x86/machine/outcome.h"
#include "x86/machine/vm.h"

/**
 * struct glue - a vCPU's emulator, and one run of it; of the vCPU's owner
 * @c: its context, which vcpu->emu points to
 * @vcpu: whose instruction it is
 * @mode: how its addresses are translated
 * @device: a page where a write is for a device, as the exit has shown, or GLUE_NO_PAGE
 * @err: why an op gave EMU_UNHANDLED, when the VMM is to hear it
 * @interrupted: an op gave EMU_RETRY because a signal came before memory did
 * @fault: of the last walk that ended in one
 * @nowhere: the page of the last exit to a device
 */
struct glue {
	struct emu_ctxt c;
	struct vcpu *vcpu;
	struct paging_mode mode;
	gfn_t device;
	int err;
	bool interrupted;
	struct walk_fault fault;
	struct nowhere_memo nowhere;
};

#define GLUE_NO_PAGE	(~(gfn_t)0)

static inline struct glue *glue_of(struct emu_ctxt *c)
{
	return container_of(c, struct glue, c);
}

static inline struct mmu *glue_mmu(struct glue *g)
{
	return &g->vcpu->vm->mmu;
}

static inline u32 glue_fetch_access(const struct emu_ctxt *c)
{
	return c->cpl == 3 ? MMU_EXEC | MMU_USER : MMU_EXEC;
}

static inline unsigned int glue_in_page(u64 gva, unsigned int len)
{
	return min_t(unsigned int, len, PAGE_SIZE - offset_in_page(gva));
}

static inline enum emu_result glue_fault(struct emu_ctxt *c, u8 vector, bool has_error)
{
	c->fault.valid = true;
	c->fault.vector = vector;
	c->fault.has_error = has_error;
	c->fault.error = 0;
	return EMU_FAULT;
}

/* emulate_vcpu.c: a run */
struct glue *glue_begin(struct vcpu *vcpu);
enum emu_result glue_error(struct glue *g, int err);
enum emu_result glue_decode(struct glue *g);
enum exit_outcome glue_result(struct glue *g, enum emu_result r);
enum exit_outcome glue_emulate(struct vcpu *vcpu, gfn_t device);

/* emulate_ops.c: the table, and what CPUID calls each enum emu_need */
extern const struct emu_ops glue_ops;
extern const u16 glue_feature[EMU_NR_NEEDS];

/* emulate_memory.c: ops */
enum emu_result glue_fetch(struct emu_ctxt *c, u64 gva, void *buf, unsigned int len);
enum emu_result glue_read(struct emu_ctxt *c, u64 gva, void *buf, unsigned int len,
			  unsigned int access);
enum emu_result glue_write(struct emu_ctxt *c, u64 gva, const void *buf, unsigned int len,
			   unsigned int access);
enum emu_result glue_probe(struct emu_ctxt *c, u64 gva, unsigned int len, unsigned int access);
enum emu_result glue_cmpxchg(struct emu_ctxt *c, u64 gva, const void *old, const void *new,
			     unsigned int len);

/* emulate_device.c: ops, and what they have left for user space */
enum emu_result glue_device(struct emu_ctxt *c, gpa_t gpa, void *buf, unsigned int len,
			    bool write);
enum emu_result glue_pio_in(struct emu_ctxt *c, u16 port, unsigned int size, void *buf,
			    unsigned int *count);
enum emu_result glue_pio_out(struct emu_ctxt *c, u16 port, unsigned int size, const void *buf,
			     unsigned int *count);
enum exit_outcome glue_next_write(struct vcpu *vcpu);
bool glue_move(struct glue *g, gpa_t gpa, bool write);

/* emulate_system.c: ops */
enum emu_result glue_set_xcr0(struct emu_ctxt *c, u64 val);
bool glue_is_intel(struct emu_ctxt *c);
u64 glue_get_sysreg(struct emu_ctxt *c, enum emu_sysreg nr);
void glue_set_kernel_gs_base(struct emu_ctxt *c, u64 val);
enum emu_result glue_cpuid(struct emu_ctxt *c, u32 regs[4]);
u64 glue_get_tsc(struct emu_ctxt *c);
enum emu_result glue_get_pmc(struct emu_ctxt *c, u32 index, u64 *val);
enum emu_result glue_get_msr(struct emu_ctxt *c, u32 index, u64 *val);
enum emu_result glue_set_msr(struct emu_ctxt *c, u32 index, u64 val);
enum emu_result glue_monitor(struct emu_ctxt *c);
void glue_get_fx(struct emu_ctxt *c, void *fx);
void glue_set_fx(struct emu_ctxt *c, const void *fx);
enum emu_result glue_task_switch(struct emu_ctxt *c, u16 selector, enum emu_task source, u8 via);

#endif
