// SPDX-License-Identifier: GPL-2.0-only
/*
 * The emulator's view of a vCPU: its registers, its memory through the guest's
 * page tables, its devices in the kernel, and those in user space.  What an
 * instruction does is emulate*.c's affair.
 *
 * The hard part is an access that user space must complete in the middle of an
 * instruction; struct vcpu_io says how.
 */
#include <linux/gfp.h>
#include <linux/moduleparam.h>
#include <linux/slab.h>
#include <asm/traps.h>

#include "mmu/memo.h"
#include "mmu/mmu.h"
#include "x86/board/iobus.h"
#include "x86/board/lapic.h"
#include "x86/cpu/fpu.h"
#include "x86/emulate/emulate.h"
#include "x86/machine/vm.h"
#include "x86/run/cr.h"
#include "x86/run/emulate_glue.h"
#include "x86/run/emulate_vcpu.h"
#include "x86/run/events.h"
#include "x86/run/exits.h"
#include "x86/run/walk.h"

/**
 * vcpu_emulator_init() - give a vCPU an instruction emulator
 * @vcpu: being created
 *
 * Return: 0 or -ENOMEM.
 */
int vcpu_emulator_init(struct vcpu *vcpu)
{
	struct emu_ctxt *c = kzalloc(sizeof(*c), GFP_KERNEL_ACCOUNT);

	if (!c)
		return -ENOMEM;
	c->batch_buf = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (!c->batch_buf) {
		kfree(c);
		return -ENOMEM;
	}
	c->batch_bytes = PAGE_SIZE;
	vcpu->emu = c;
	return 0;
}

/**
 * vcpu_emulator_free() - take it away
 * @vcpu: dying, with one
 */
void vcpu_emulator_free(struct vcpu *vcpu)
{
	free_page((unsigned long)vcpu->emu->batch_buf);
	kfree(vcpu->emu);
}

/* The emulator knows none of our types, and has the same numbers. */
static_assert((int)EMU_R15 == (int)GPR_R15 && (int)EMU_NR_REGS == (int)GPR_NR);
static_assert((int)EMU_ES == (int)SEG_ES && (int)EMU_LDTR == (int)SEG_LDTR &&
	      (int)EMU_NR_SEGS == (int)SEG_NR);
static_assert(EMU_SHADOW_STI == SHADOW_STI && EMU_SHADOW_MOV_SS == SHADOW_MOV_SS);

static struct mmu *glue_mmu(struct glue *g)
{
	return &g->vcpu->vm->mmu;
}

static enum emu_mode glue_mode(struct vcpu *vcpu)
{
	const struct x86_state *st = &vcpu->st;

	vcpu_need(vcpu, ST_CODE);
	if (!(st->cr0 & X86_CR0_PE))
		return EMU_REAL;
	if (st->rflags & X86_EFLAGS_VM)
		return EMU_VM86;
	if ((st->efer & EFER_LMA) && st->code.l)
		return EMU_PROT64;
	return st->code.db ? EMU_PROT32 : EMU_PROT16;
}

static void glue_begin(struct glue *g, struct vcpu *vcpu, const struct emu_ops *ops)
{
	struct emu_ctxt *c = vcpu->emu;

	g->vcpu = vcpu;
	g->device = GLUE_NO_PAGE;
	g->err = 0;
	g->interrupted = false;
	vcpu_need(vcpu, ST_CODE | ST_CR);
	vcpu_paging_mode(vcpu, &g->mode);
	c->ops = ops;
	c->owner = g;
	c->mode = glue_mode(vcpu);
	c->cpl = vcpu->st.code.cpl;
	c->regs = vcpu->st.gpr;
	c->rip = vcpu->st.rip;
	c->rflags = vcpu->st.rflags;
	vcpu->io.log_pos = 0;
	vcpu->io.nr_writes = 0;
}

/**
 * glue_error() - an accessor's -errno as the emulator's result
 * @g: run
 * @err: -errno
 *
 * Return: EMU_RETRY or EMU_UNHANDLED.
 */
enum emu_result glue_error(struct glue *g, int err)
{
	if (err == -EINTR || err == -EAGAIN) {
		g->interrupted |= err == -EINTR;
		return EMU_RETRY;
	}
	g->err = err;
	return EMU_UNHANDLED;
}

static enum emu_result glue_translate(struct emu_ctxt *c, u64 gva, u32 access, gpa_t *gpa)
{
	struct glue *g = glue_of(c);
	struct walk_fault fault;
	int err;

	if (c->cpl == 3 && !(access & MMU_IMPLICIT))
		access |= MMU_USER;
	err = mmu_walk_memo(glue_mmu(g), access & MMU_EXEC ? &g->vcpu->fetch_memo :
			    &g->vcpu->data_memo, &g->mode, gva, access, gpa, &fault);
	if (likely(!err))
		return EMU_OK;
	if (!fault.valid)
		return glue_error(g, err);
	c->fault = vcpu_walk_fault(&fault);
	return EMU_FAULT;
}

static u32 glue_access_bits(unsigned int access)
{
	return ((access & EMU_ACC_WRITE) ? MMU_WRITE : MMU_READ) |
	       ((access & EMU_ACC_SYSTEM) ? MMU_IMPLICIT : 0);
}

static u32 glue_fetch_access(const struct emu_ctxt *c)
{
	return c->cpl == 3 ? MMU_EXEC | MMU_USER : MMU_EXEC;
}

static enum emu_result glue_fetch(struct emu_ctxt *c, u64 gva, void *buf, unsigned int len)
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

/* A page that a device in the kernel moved to, as the APIC may, is looked at first. */
static bool glue_kernel_device(struct vcpu *vcpu, gpa_t gpa, void *buf, unsigned int len,
			       bool write)
{
	if (vcpu->apic && vlapic_mmio(vcpu, gpa, len, buf, write))
		return true;
	if (iobus_nobody(&vcpu->vm->mmio, &vcpu->mmio_miss, gpa, len))
		return false;
	return !iobus_access_note(&vcpu->vm->mmio, &vcpu->mmio_miss, vcpu, gpa, len, buf, write);
}

/* Of a read, @m->data is zero. */
static void glue_ask_user(struct vcpu *vcpu, const struct vcpu_mmio *m, bool write)
{
	struct kvm_run *run = vcpu->run;

	run->exit_reason = KVM_EXIT_MMIO;
	run->mmio.phys_addr = m->gpa;
	run->mmio.len = m->len;
	run->mmio.is_write = write;
	memcpy(run->mmio.data, &m->data, sizeof(run->mmio.data));
}

/* The answer belongs to another read: somebody has changed the instruction meanwhile. */
static enum emu_result glue_replay(struct vcpu_io *io, gpa_t gpa, void *buf, unsigned int len)
{
	const struct vcpu_mmio *m = &io->log[io->log_pos++];

	if (m->gpa != gpa || m->len != len)
		return EMU_RETRY;
	memcpy(buf, &m->data, len);
	return EMU_OK;
}

static enum exit_outcome glue_complete_read(struct vcpu *vcpu);

static enum emu_result glue_device_read(struct glue *g, gpa_t gpa, void *buf, unsigned int len)
{
	struct vcpu_io *io = &g->vcpu->io;
	struct vcpu_mmio *m;

	if (io->log_pos < io->log_len)
		return glue_replay(io, gpa, buf, len);
	if (io->log_len == VCPU_IO_LOG)
		return EMU_UNHANDLED;
	m = &io->log[io->log_len];
	*m = (struct vcpu_mmio){ .gpa = gpa, .len = len };
	if (!glue_kernel_device(g->vcpu, gpa, &m->data, len, false)) {
		glue_ask_user(g->vcpu, m, false);
		io->complete = glue_complete_read;
		return EMU_IO;
	}
	io->log_len++;
	io->log_pos++;
	memcpy(buf, &m->data, len);
	return EMU_OK;
}

static enum emu_result glue_device_write(struct glue *g, gpa_t gpa, const void *buf,
					 unsigned int len)
{
	struct vcpu_mmio m = { .gpa = gpa, .len = len };
	struct vcpu_io *io = &g->vcpu->io;

	memcpy(&m.data, buf, len);
	if (glue_kernel_device(g->vcpu, gpa, &m.data, len, true))
		return EMU_OK;
	/* INS into read-only memory can get here. */
	if (io->nr_writes == VCPU_IO_WRITES)
		return EMU_UNHANDLED;
	io->writes[io->nr_writes++] = m;
	return EMU_OK;
}

/* Devices see at most 8 bytes at a time. */
static enum emu_result glue_device(struct emu_ctxt *c, gpa_t gpa, void *buf, unsigned int len,
				   bool write)
{
	struct glue *g = glue_of(c);
	enum emu_result r = EMU_OK;

	c->device = true;
	while (len && r == EMU_OK) {
		unsigned int n = min(len, 8u);

		r = write ? glue_device_write(g, gpa, buf, n) : glue_device_read(g, gpa, buf, n);
		gpa += n;
		buf += n;
		len -= n;
	}
	return r;
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

static unsigned int glue_in_page(u64 gva, unsigned int len)
{
	return min_t(unsigned int, len, PAGE_SIZE - offset_in_page(gva));
}

static enum emu_result glue_read(struct emu_ctxt *c, u64 gva, void *buf, unsigned int len,
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

/* At most two pages: both are translated before a byte changes. */
static enum emu_result glue_write(struct emu_ctxt *c, u64 gva, const void *buf, unsigned int len,
				  unsigned int access)
{
	u32 bits = glue_access_bits(access | EMU_ACC_WRITE);
	unsigned int n = glue_in_page(gva, len);
	gpa_t gpa, gpa2 = 0;
	enum emu_result r;

	c->fault.valid = false;
	r = glue_translate(c, gva, bits, &gpa);
	if (r == EMU_OK && n < len)
		r = glue_translate(c, gva + n, bits, &gpa2);
	if (r == EMU_OK)
		r = glue_write_gpa(c, gpa, buf, n);
	if (r == EMU_OK && n < len)
		r = glue_write_gpa(c, gpa2, buf + n, len - n);
	return r;
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

static enum emu_result glue_probe(struct emu_ctxt *c, u64 gva, unsigned int len,
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

/*
 * A locked access across pages is no single atomic operation on any memory that
 * we could name; the emulator is asked to write, then.
 */
static enum emu_result glue_cmpxchg(struct emu_ctxt *c, u64 gva, const void *old,
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

/* A port access for user space, as many items as one page takes. */
static void glue_ask_user_pio(struct vcpu *vcpu, u16 port, unsigned int size,
			      unsigned int count, bool in)
{
	struct kvm_run *run = vcpu->run;
	struct vcpu_io *io = &vcpu->io;

	run->exit_reason = KVM_EXIT_IO;
	run->io.direction = in ? KVM_EXIT_IO_IN : KVM_EXIT_IO_OUT;
	run->io.size = size;
	run->io.port = port;
	run->io.count = count;
	run->io.data_offset = KVM_PIO_PAGE_OFFSET * PAGE_SIZE;
	io->port = port;
	io->size = size;
	io->in = in;
	io->pio_count = count;
}

/* Items a device in the kernel took, from the first one on. */
static unsigned int glue_kernel_pio(struct vcpu *vcpu, u16 port, unsigned int size, void *buf,
				    unsigned int count, bool write)
{
	struct iobus *bus = &vcpu->vm->pio;
	unsigned int i;

	if (iobus_nobody(bus, &vcpu->pio_miss, port, size))
		return 0;
	for (i = 0; i < count; i++) {
		if (iobus_access_note(bus, &vcpu->pio_miss, vcpu, port, size, buf + i * size,
				      write))
			break;
	}
	return i;
}

/*
 * Items for user space, when the kernel did not take the first: a device that lets one
 * write go, as it is not of its value, may want the next.
 */
static unsigned int glue_user_items(struct vcpu *vcpu, u16 port, unsigned int size,
				    unsigned int count)
{
	return iobus_nobody(&vcpu->vm->pio, &vcpu->pio_miss, port, size) ? count : 1;
}

/* What user space answered: of this very port, and no more items than it was asked for. */
static enum emu_result glue_pio_answer(struct vcpu *vcpu, u16 port, unsigned int size, void *buf,
				       unsigned int *count)
{
	const struct vcpu_io *io = &vcpu->io;

	if (!io->in || io->port != port || io->size != size)
		return EMU_RETRY;
	*count = min_t(unsigned int, *count, io->pio_count);
	memcpy(buf, vcpu->pio_data, *count * size);
	return EMU_OK;
}

static enum exit_outcome glue_complete_pio_in(struct vcpu *vcpu);
static enum exit_outcome glue_complete_pio_out(struct vcpu *vcpu);

static enum emu_result glue_pio_in(struct emu_ctxt *c, u16 port, unsigned int size, void *buf,
				   unsigned int *count)
{
	struct vcpu *vcpu = glue_of(c)->vcpu;
	unsigned int taken;

	c->device = true;
	if (vcpu->io.pio_answered)
		return glue_pio_answer(vcpu, port, size, buf, count);
	taken = glue_kernel_pio(vcpu, port, size, buf, *count, false);
	if (taken) {
		*count = taken;
		return EMU_OK;
	}
	glue_ask_user_pio(vcpu, port, size, *count, true);
	vcpu->io.complete = glue_complete_pio_in;
	return EMU_IO;
}

/* Each item goes to the kernel or to user space, in order. */
static enum emu_result glue_pio_out(struct emu_ctxt *c, u16 port, unsigned int size,
				    const void *buf, unsigned int *count)
{
	struct vcpu *vcpu = glue_of(c)->vcpu;
	unsigned int taken;

	c->device = true;
	taken = glue_kernel_pio(vcpu, port, size, (void *)buf, *count, true);
	if (taken) {
		*count = taken;
		return EMU_OK;
	}
	*count = glue_user_items(vcpu, port, size, *count);
	memcpy(vcpu->pio_data, buf, *count * size);
	glue_ask_user_pio(vcpu, port, size, *count, false);
	vcpu->io.complete = glue_complete_pio_out;
	return EMU_OK;
}

static const u16 glue_feature[EMU_NR_NEEDS] = {
	[EMU_NEED_LZCNT] = X86_FEATURE_ABM, [EMU_NEED_POPCNT] = X86_FEATURE_POPCNT,
	[EMU_NEED_SSE42] = X86_FEATURE_XMM4_2, [EMU_NEED_MOVBE] = X86_FEATURE_MOVBE,
	[EMU_NEED_BMI1] = X86_FEATURE_BMI1, [EMU_NEED_BMI2] = X86_FEATURE_BMI2,
	[EMU_NEED_ADX] = X86_FEATURE_ADX, [EMU_NEED_MOVDIRI] = X86_FEATURE_MOVDIRI,
	[EMU_NEED_MOVDIR64B] = X86_FEATURE_MOVDIR64B, [EMU_NEED_SSE3] = X86_FEATURE_XMM3,
	[EMU_NEED_AVX] = X86_FEATURE_AVX, [EMU_NEED_AVX2] = X86_FEATURE_AVX2,
	[EMU_NEED_RDTSCP] = X86_FEATURE_RDTSCP, [EMU_NEED_SMAP] = X86_FEATURE_SMAP,
};

/* No CPU lets a hypervisor take these away: what this one executes, the guest has. */
static bool glue_has(struct emu_ctxt *c, enum emu_need need)
{
	return boot_cpu_has(glue_feature[need]) || cpuid_has(glue_of(c)->vcpu, glue_feature[need]);
}

static void glue_get_segment(struct emu_ctxt *c, enum emu_seg nr, struct kvm_segment *seg)
{
	struct vcpu *vcpu = glue_of(c)->vcpu;

	vcpu_need(vcpu, ST_SEGS);
	*seg = vcpu->st.seg[nr];
}

static void glue_set_segment(struct emu_ctxt *c, enum emu_seg nr, const struct kvm_segment *seg)
{
	struct vcpu *vcpu = glue_of(c)->vcpu;

	vcpu_need(vcpu, ST_SEGS);
	vcpu->st.seg[nr] = *seg;
	vcpu_changed(vcpu, ST_SEGS);
}

static void glue_get_dt(struct emu_ctxt *c, bool idt, struct kvm_dtable *dt)
{
	struct vcpu *vcpu = glue_of(c)->vcpu;

	vcpu_need(vcpu, ST_DT);
	*dt = idt ? vcpu->st.idt : vcpu->st.gdt;
}

static void glue_set_dt(struct emu_ctxt *c, bool idt, const struct kvm_dtable *dt)
{
	struct vcpu *vcpu = glue_of(c)->vcpu;

	vcpu_need(vcpu, ST_DT);
	*(idt ? &vcpu->st.idt : &vcpu->st.gdt) = *dt;
	vcpu_changed(vcpu, ST_DT);
}

static bool glue_is_lma(struct emu_ctxt *c)
{
	return glue_of(c)->vcpu->st.efer & EFER_LMA;
}

static u64 glue_get_cr(struct emu_ctxt *c, unsigned int nr)
{
	struct vcpu *vcpu = glue_of(c)->vcpu;

	vcpu_need(vcpu, ST_CR);
	switch (nr) {
	case 0:
		return vcpu->st.cr0;
	case 2:
		return vcpu->st.cr2;
	case 3:
		return vcpu->st.cr3;
	case 4:
		return vcpu->st.cr4;
	default:
		return vlapic_get_cr8(vcpu);
	}
}

static enum emu_result glue_set_cr(struct emu_ctxt *c, unsigned int nr, u64 val)
{
	struct vcpu *vcpu = glue_of(c)->vcpu;
	enum guest_fault fault = X86_NO_FAULT;

	switch (nr) {
	case 0:
		fault = vcpu_set_cr0(vcpu, val);
		break;
	case 2:
		vcpu_need(vcpu, ST_CR);
		vcpu->st.cr2 = val;
		vcpu_changed(vcpu, ST_CR);
		break;
	case 3:
		fault = vcpu_set_cr3(vcpu, val);
		break;
	case 4:
		fault = vcpu_set_cr4(vcpu, val);
		break;
	default:
		fault = vcpu_set_cr8(vcpu, val);
	}
	if (unlikely(fault == X86_INTERRUPTED))
		return glue_error(glue_of(c), -EINTR);
	return fault ? glue_fault(c, X86_TRAP_GP, true) : EMU_OK;
}

static enum emu_result glue_dr_result(struct emu_ctxt *c, enum guest_fault fault)
{
	if (!fault)
		return EMU_OK;
	return fault == X86_FAULT_UD ? glue_fault(c, X86_TRAP_UD, false) :
				       glue_fault(c, X86_TRAP_GP, true);
}

static enum emu_result glue_get_dr(struct emu_ctxt *c, unsigned int nr, u64 *val)
{
	return glue_dr_result(c, vcpu_get_dr(glue_of(c)->vcpu, nr, val));
}

static enum emu_result glue_set_dr(struct emu_ctxt *c, unsigned int nr, u64 val)
{
	return glue_dr_result(c, vcpu_set_dr(glue_of(c)->vcpu, nr, val));
}

static void glue_get_xmm(struct emu_ctxt *c, unsigned int nr, void *buf)
{
	vcpu_read_xmm(glue_of(c)->vcpu, nr, buf);
}

static void glue_set_xmm(struct emu_ctxt *c, unsigned int nr, const void *buf)
{
	vcpu_write_xmm(glue_of(c)->vcpu, nr, buf);
}

static void glue_get_ymm(struct emu_ctxt *c, unsigned int nr, void *buf)
{
	vcpu_read_ymm(glue_of(c)->vcpu, nr, buf);
}

static void glue_set_ymm(struct emu_ctxt *c, unsigned int nr, const void *buf)
{
	vcpu_write_ymm(glue_of(c)->vcpu, nr, buf);
}

static void glue_get_x87(struct emu_ctxt *c, struct emu_x87 *x)
{
	/* Cleared: some CPUs leave the pointers out when they save, but load them. */
	struct fxregs_state fx __aligned(16) = { };
	unsigned int i;

	vcpu_read_fx(glue_of(c)->vcpu, &fx);
	x->cw = fx.cwd;
	x->sw = fx.swd;
	x->tag = fx.twd;
	for (i = 0; i < 8; i++)
		memcpy(x->st[i], (u8 *)fx.st_space + 16 * i, sizeof(x->st[i]));
}

static void glue_set_x87(struct emu_ctxt *c, const struct emu_x87 *x)
{
	/* Cleared: some CPUs leave the pointers out when they save, but load them. */
	struct fxregs_state fx __aligned(16) = { };
	unsigned int i;

	vcpu_read_fx(glue_of(c)->vcpu, &fx);
	fx.cwd = x->cw;
	fx.swd = x->sw;
	fx.twd = x->tag;
	for (i = 0; i < 8; i++)
		memcpy((u8 *)fx.st_space + 16 * i, x->st[i], sizeof(x->st[i]));
	vcpu_write_fx(glue_of(c)->vcpu, &fx);
}

static u64 glue_get_xcr0(struct emu_ctxt *c)
{
	return glue_of(c)->vcpu->st.xcr0;
}

static enum emu_result glue_invlpg(struct emu_ctxt *c, u64 gva)
{
	vcpu_request(glue_of(c)->vcpu, REQ_TLB_FLUSH);
	return EMU_OK;
}

static enum emu_result glue_wbinvd(struct emu_ctxt *c)
{
	return EMU_OK;
}

static const struct emu_ops glue_ops = {
	.fetch = glue_fetch,
	.read = glue_read,
	.write = glue_write,
	.probe = glue_probe,
	.cmpxchg = glue_cmpxchg,
	.pio_in = glue_pio_in,
	.pio_out = glue_pio_out,
	.has = glue_has,
	.get_segment = glue_get_segment,
	.set_segment = glue_set_segment,
	.get_dt = glue_get_dt,
	.set_dt = glue_set_dt,
	.is_lma = glue_is_lma,
	.get_cr = glue_get_cr,
	.set_cr = glue_set_cr,
	.get_dr = glue_get_dr,
	.set_dr = glue_set_dr,
	.get_xmm = glue_get_xmm,
	.set_xmm = glue_set_xmm,
	.get_ymm = glue_get_ymm,
	.set_ymm = glue_set_ymm,
	.get_xcr0 = glue_get_xcr0,
	.get_x87 = glue_get_x87,
	.set_x87 = glue_set_x87,
	.set_xcr0 = glue_set_xcr0,
	.is_intel = glue_is_intel,
	.get_sysreg = glue_get_sysreg,
	.set_kernel_gs_base = glue_set_kernel_gs_base,
	.cpuid = glue_cpuid,
	.get_tsc = glue_get_tsc,
	.get_pmc = glue_get_pmc,
	.get_msr = glue_get_msr,
	.set_msr = glue_set_msr,
	.monitor = glue_monitor,
	.get_fx = glue_get_fx,
	.set_fx = glue_set_fx,
	.task_switch = glue_task_switch,
	.invlpg = glue_invlpg,
	.wbinvd = glue_wbinvd,
};

/*
 * KVM_EXIT_INTERNAL_ERROR with the instruction, for people and VMMs. A user-mode program
 * must not be able to end its machine in this way: outside of ring 0 the guest gets #UD,
 * unless the VMM asked for these exits, too, to go on after them
 * (KVM_CAP_EXIT_ON_EMULATION_FAILURE).
 */
static enum exit_outcome glue_unhandled(struct vcpu *vcpu)
{
	const struct emu_ctxt *c = vcpu->emu;
	struct kvm_run *run = vcpu->run;

	if (c->cpl && !READ_ONCE(vcpu->vm->enabled.emulation_exits)) {
		vcpu_queue_exception(vcpu, X86_TRAP_UD);
		return OUTCOME_ENTER;
	}
	memset(&run->emulation_failure, 0, sizeof(run->emulation_failure));
	run->exit_reason = KVM_EXIT_INTERNAL_ERROR;
	run->emulation_failure.suberror = KVM_INTERNAL_ERROR_EMULATION;
	run->emulation_failure.ndata = 3;
	run->emulation_failure.flags = KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES;
	run->emulation_failure.insn_size = min_t(u8, c->fetched, EMU_INSN_MAX);
	memcpy(run->emulation_failure.insn_bytes, c->insn, run->emulation_failure.insn_size);
	return OUTCOME_USER;
}

static enum exit_outcome glue_delivery_error(struct vcpu *vcpu, const struct exit_facts *f)
{
	struct kvm_run *run = vcpu->run;

	run->exit_reason = KVM_EXIT_INTERNAL_ERROR;
	run->internal.suberror = KVM_INTERNAL_ERROR_DELIVERY_EV;
	run->internal.ndata = 3;
	run->internal.data[0] = f->vectoring.vector | f->vectoring.type << 8;
	run->internal.data[1] = f->hw[0];
	run->internal.data[2] = f->tdp.gpa;
	return OUTCOME_USER;
}

static enum exit_outcome glue_emulate(struct vcpu *vcpu, gfn_t device);

/* User space has read from its device for us: execute the instruction again. */
static enum exit_outcome glue_complete_read(struct vcpu *vcpu)
{
	struct vcpu_io *io = &vcpu->io;
	struct vcpu_mmio *m = &io->log[io->log_len];

	if (vcpu->st.rip != io->rip)
		return OUTCOME_ENTER;
	memcpy(&m->data, vcpu->run->mmio.data, m->len);
	io->log_len++;
	return glue_emulate(vcpu, GLUE_NO_PAGE);
}

static enum exit_outcome glue_complete_pio_in(struct vcpu *vcpu)
{
	if (vcpu->st.rip != vcpu->io.rip)
		return OUTCOME_ENTER;
	vcpu->io.pio_answered = true;
	return glue_emulate(vcpu, GLUE_NO_PAGE);
}

static enum exit_outcome glue_next_write(struct vcpu *vcpu)
{
	struct vcpu_io *io = &vcpu->io;
	unsigned int i = io->next_write;

	if (i >= io->nr_writes) {
		io->nr_writes = 0;
		return OUTCOME_ENTER;
	}
	io->next_write++;
	glue_ask_user(vcpu, &io->writes[i], true);
	io->complete = glue_next_write;
	return OUTCOME_USER;
}

/* OUTS: the data is on its way, nothing comes back. */
static enum exit_outcome glue_complete_pio_out(struct vcpu *vcpu)
{
	return OUTCOME_ENTER;
}

/* What the instruction has left in the context; another task has left it elsewhere. */
static void glue_commit(struct vcpu *vcpu)
{
	struct emu_ctxt *c = vcpu->emu;

	vcpu->st.rip = c->rip;
	vcpu->st.rflags = c->rflags;
	vcpu->st.shadow = c->shadow;
	if (unlikely(c->next_segs))	/* they were written, and cpl is one of that part */
		vcpu->st.cpl = c->cpl;
	if (unlikely(c->iret)) {
		vcpu->ev.nmi_masked = false;
		vcpu_request(vcpu, REQ_EVENT);
	}
	if (c->single_step)
		vcpu_queue_debug(vcpu, DR_STEP);
}

static enum exit_outcome glue_ok(struct vcpu *vcpu)
{
	struct emu_ctxt *c = vcpu->emu;
	struct vcpu_io *io = &vcpu->io;

	if (likely(!c->switched))
		glue_commit(vcpu);
	if (unlikely(c->halt))
		return vcpu_halt(vcpu);
	/* OUTS waits for user space to take what it wrote. */
	if (io->complete)
		return OUTCOME_USER;
	io->next_write = 0;
	return io->nr_writes ? glue_next_write(vcpu) : OUTCOME_ENTER;
}

/* What it queued so far is forgotten, and queued again with the answer. */
static enum exit_outcome glue_wait_for_user(struct vcpu *vcpu)
{
	vcpu->io.rip = vcpu->st.rip;
	return OUTCOME_USER;
}

static enum exit_outcome glue_complete_interrupted(struct vcpu *vcpu)
{
	return vcpu->st.rip == vcpu->io.rip ? glue_emulate(vcpu, GLUE_NO_PAGE) : OUTCOME_ENTER;
}

/* Devices have answered some of the instruction, and must not be asked a second time. */
static bool glue_must_go_on(const struct glue *g)
{
	const struct vcpu_io *io = &g->vcpu->io;

	return g->interrupted && (io->log_len || io->pio_answered);
}

static enum exit_outcome glue_go_on_later(struct vcpu *vcpu)
{
	vcpu->io.rip = vcpu->st.rip;
	vcpu->io.complete = glue_complete_interrupted;
	vcpu->run->exit_reason = KVM_EXIT_INTR;
	return vcpu_fails(vcpu, -EINTR);
}

static enum exit_outcome glue_result(struct glue *g, enum emu_result r)
{
	struct vcpu *vcpu = g->vcpu;

	if (unlikely(r == EMU_RETRY) && glue_must_go_on(g))
		return glue_go_on_later(vcpu);

	switch (r) {
	case EMU_OK:
		return glue_ok(vcpu);
	case EMU_IO:
		return glue_wait_for_user(vcpu);
	default:
		break;
	}
	/*
	 * Drop the pending instruction: its answer is no longer awaited, and its writes are
	 * not sent.
	 */
	vcpu->io.complete = NULL;
	if (r == EMU_UNHANDLED)
		return g->err ? vcpu_fails(vcpu, g->err) : glue_unhandled(vcpu);
	if (r == EMU_FAULT)
		vcpu_queue_fault(vcpu, &vcpu->emu->fault);
	return OUTCOME_ENTER;
}

/* Do the first @len of 16 bytes differ? */
static bool insn_differs(const u8 *a, const u8 *b, unsigned int len)
{
	u64 x[2], y[2];

	memcpy(x, a, sizeof(x));
	memcpy(y, b, sizeof(y));
	if (len <= 8)
		return (x[0] ^ y[0]) << (64 - 8 * len);
	return x[0] != y[0] || (x[1] ^ y[1]) << (128 - 8 * len);
}

/*
 * What stands at rip, as @len bytes of one page; false: it takes more than a look, and so
 * decoding does.  Where memory must be waited for, decoding will do that, too.
 */
static bool glue_peek(struct glue *g, u8 *insn, unsigned int len)
{
	struct vcpu *vcpu = g->vcpu;
	struct emu_ctxt *c = vcpu->emu;
	u64 gva = c->rip;

	if (c->mode == EMU_PROT32) {
		gva = (u32)(gva + vcpu->st.code.base);
		if (c->rip > U32_MAX - len)
			return false;
	}
	if (offset_in_page(gva) > PAGE_SIZE - len)
		return false;
	if (!(g->mode.cr0 & X86_CR0_PG))
		return !guest_read(glue_mmu(g), gva, insn, len);
	return memo_read(glue_mmu(g), &vcpu->fetch_memo, &g->mode, gva, glue_fetch_access(c),
			 insn, len);
}

/*
 * Is the instruction at rip the one that was decoded last?  A driver's loop executes
 * the same few, and what decoding gives depends on the bytes and the mode alone.
 */
static bool glue_is_decoded(struct glue *g)
{
	struct vcpu *vcpu = g->vcpu;
	struct emu_ctxt *c = vcpu->emu;
	u8 insn[16];

	static_assert(sizeof(c->insn) >= sizeof(insn));
	if (!vcpu->emu_decoded || c->mode != c->decoded_mode ||
	    !glue_peek(g, insn, sizeof(insn)))
		return false;
	return !insn_differs(insn, c->insn, c->insn_len);
}

static enum emu_result glue_decode(struct glue *g)
{
	struct vcpu *vcpu = g->vcpu;
	enum emu_result r;

	if (glue_is_decoded(g))
		return EMU_OK;
	r = emu_decode(vcpu->emu, 0);
	/* In the older modes a segment's end cuts instructions, too. */
	vcpu->emu_decoded = r == EMU_OK && (vcpu->emu->mode == EMU_PROT64 ||
					    vcpu->emu->mode == EMU_PROT32);
	vcpu->emu->decoded_mode = vcpu->emu->mode;
	return r;
}

/* Decode what stands at rip, execute it, and say what comes next. @device: of struct glue. */
static enum exit_outcome glue_emulate(struct vcpu *vcpu, gfn_t device)
{
	struct glue g;
	enum emu_result r;

	glue_begin(&g, vcpu, &glue_ops);
	g.device = device;
	r = glue_decode(&g);
	if (r == EMU_OK)
		r = emu_execute(vcpu->emu);
	return glue_result(&g, r);
}

/**
 * vcpu_emulate() - execute the instruction at rip in software
 * @vcpu: owned and loaded, its FPU too; the caller is in vm->mmu.srcu
 * @f: the exit that asks for it
 *
 * Return: as exit_handle().
 */
enum exit_outcome vcpu_emulate(struct vcpu *vcpu, const struct exit_facts *f)
{
	/* Not the instruction at rip made this access. */
	if (f->kind == EXIT_TDP_FAULT && f->vectoring.type != EVENT_NONE)
		return glue_delivery_error(vcpu, f);
	/* No answer of user space to another instruction is good for this one. */
	vcpu->io.log_len = 0;
	vcpu->io.pio_answered = false;
	/* The page is in no slot, or it was a write to a slot that may only be read. */
	return glue_emulate(vcpu, f->kind == EXIT_TDP_FAULT ? f->tdp.gpa >> PAGE_SHIFT :
			    GLUE_NO_PAGE);
}

/* Where the byte at rip + @offset is, before paging. */
static u64 glue_code_at(struct vcpu *vcpu, unsigned int offset)
{
	u64 gva = vcpu->st.rip + vcpu->st.code.base + offset;

	return vcpu->st.efer & EFER_LMA ? gva : (u32)gva;
}

/* The prefix that asks for emulation: UD2 and a name. KVM has the same. */
static const u8 forced_prefix[] = { 0x0f, 0x0b, 'k', 'v', 'm' };

static int force_emulation_prefix;
module_param(force_emulation_prefix, int, 0644);
MODULE_PARM_DESC(force_emulation_prefix, "execute what follows UD2 and \"kvm\" in software: for tests");

/* Is it what stands at rip?  EMU_OK: yes; EMU_RETRY: that has to wait. */
static enum emu_result glue_is_forced(struct vcpu *vcpu)
{
	u8 insn[sizeof(forced_prefix)];
	enum emu_result r = EMU_OK;
	struct glue g;
	unsigned int i;

	glue_begin(&g, vcpu, &glue_ops);
	for (i = 0; i < sizeof(insn) && r == EMU_OK; i++)
		r = glue_fetch(vcpu->emu, glue_code_at(vcpu, i), &insn[i], 1);
	if (r == EMU_OK && memcmp(insn, forced_prefix, sizeof(insn)))
		return EMU_UNHANDLED;
	return r;
}

/* Where it is to be executed again, or goes on, it is so in software. */
static enum exit_outcome glue_emulate_forced(struct vcpu *vcpu)
{
	u64 rip = vcpu->st.rip, behind = rip + sizeof(forced_prefix);
	enum exit_outcome outcome;
	enum emu_result r;
	struct glue g;

	if (vcpu->emu->mode != EMU_PROT64)
		behind = (u32)behind;
	vcpu->st.rip = behind;
	glue_begin(&g, vcpu, &glue_ops);
	r = glue_decode(&g);
	if (r == EMU_OK)
		r = emu_execute(vcpu->emu);
	outcome = glue_result(&g, r);
	if (vcpu->st.rip == behind && (r == EMU_OK ? vcpu->emu->restarted :
					r == EMU_RETRY && outcome == OUTCOME_ENTER))
		vcpu->st.rip = rip;
	return outcome;
}

/* Does the guest's CPU have what stands at rip, and this one not?  As glue_is_forced(). */
static enum emu_result glue_is_missing(struct vcpu *vcpu)
{
	enum emu_result r;
	enum emu_need need;
	struct glue g;

	glue_begin(&g, vcpu, &glue_ops);
	r = glue_decode(&g);
	if (r != EMU_OK)
		return r;
	need = emu_needs(vcpu->emu);
	if (need && !boot_cpu_has(glue_feature[need]) && cpuid_has(vcpu, glue_feature[need]))
		return EMU_OK;
	return EMU_UNHANDLED;
}

/**
 * vcpu_emulate_undefined() - execute in software what was #UD on this CPU
 * @vcpu: owned and loaded, its FPU too; the caller is in vm->mmu.srcu
 * @outcome: set when it was: what is next
 *
 * That is what the guest's CPUID has and this CPU has not, as KVM_GET_EMULATED_CPUID says,
 * and, where the operator wants that, what has the prefix which asks for it.
 *
 * Return: whether it was.
 */
bool vcpu_emulate_undefined(struct vcpu *vcpu, enum exit_outcome *outcome)
{
	enum emu_result r = EMU_UNHANDLED;

	*outcome = OUTCOME_ENTER;
	vcpu->io.log_len = 0;
	vcpu->io.pio_answered = false;
	if (unlikely(READ_ONCE(force_emulation_prefix)))
		r = glue_is_forced(vcpu);
	if (r == EMU_OK) {
		*outcome = glue_emulate_forced(vcpu);
		return true;
	}
	if (r != EMU_RETRY)
		r = glue_is_missing(vcpu);
	if (r == EMU_OK)
		*outcome = glue_emulate(vcpu, GLUE_NO_PAGE);
	return r == EMU_OK || r == EMU_RETRY;
}

/**
 * vcpu_insn_len() - length of the instruction that caused an exit
 * @vcpu: owned and loaded; rip stands on it
 * @f: the exit
 *
 * Return: it; 0 when it cannot be fetched, the guest's fault is then queued, or when what
 * stands there is no instruction that we know: another vCPU has rewritten it since, and the
 * guest executes what is there now; -errno.
 */
int vcpu_insn_len(struct vcpu *vcpu, const struct exit_facts *f)
{
	struct glue g;
	enum emu_result r;

	if (likely(f->insn_len))
		return f->insn_len;
	glue_begin(&g, vcpu, &glue_ops);
	r = glue_decode(&g);
	if (r == EMU_OK)
		return vcpu->emu->insn_len;
	if (r == EMU_FAULT)
		vcpu_queue_fault(vcpu, &vcpu->emu->fault);
	return r == EMU_UNHANDLED ? g.err : 0;
}

static bool is_hypercall(const u8 *insn)
{
	return insn[0] == 0x0f && insn[1] == 0x01 && (insn[2] == 0xc1 || insn[2] == 0xd9);
}

/**
 * vcpu_fix_hypercall() - write this CPU's hypercall over the other vendor's
 * @vcpu: owned and loaded; what stands at rip was #UD
 * @outcome: set when it was one: what is next, perhaps with a fault of that write queued
 *
 * So that a guest which chose its hypercall by another CPU than the one where it is now
 * finds the right one when it executes it again.  The guest itself must be able to write
 * there.
 *
 * Return: whether it was; false also when it lies in memory that keeps what it has.
 */
bool vcpu_fix_hypercall(struct vcpu *vcpu, enum exit_outcome *outcome)
{
	const u8 *own = backend->caps->hypercall;
	enum emu_result r = EMU_OK;
	u8 insn[HYPERCALL_LEN];
	struct glue g;
	unsigned int i;

	*outcome = OUTCOME_ENTER;
	glue_begin(&g, vcpu, &glue_ops);
	for (i = 0; i < HYPERCALL_LEN && r == EMU_OK; i++)
		r = glue_fetch(vcpu->emu, glue_code_at(vcpu, i), &insn[i], 1);
	if (r != EMU_OK || !is_hypercall(insn) || !memcmp(insn, own, HYPERCALL_LEN))
		return r == EMU_RETRY;
	r = glue_write(vcpu->emu, glue_code_at(vcpu, 0), own, HYPERCALL_LEN, 0);
	if (r == EMU_FAULT)
		vcpu_queue_fault(vcpu, &vcpu->emu->fault);
	if (r != EMU_UNHANDLED)
		return !vcpu->io.nr_writes;
	*outcome = vcpu_fails(vcpu, g.err);
	return g.err;
}

static bool is_prefix(u8 byte, bool is_64)
{
	switch (byte) {
	case 0x26:
	case 0x2e:
	case 0x36:
	case 0x3e:
	case 0x64 ... 0x67:
	case 0xf0:
	case 0xf2:
	case 0xf3:
		return true;
	default:
		return is_64 && byte >= 0x40 && byte <= 0x4f;
	}
}

/* Of @bytes, of which @count could be read; false when that is too few. */
static bool insn_scan(const u8 *bytes, unsigned int count, struct insn_peek *insn)
{
	unsigned int i = 0;

	insn->rex_w = insn->lock = false;
	while (i < count && is_prefix(bytes[i], insn->is_64)) {
		insn->lock |= bytes[i] == 0xf0;
		insn->rex_w = insn->is_64 && (bytes[i] & 0xf8) == 0x48;
		i++;
	}
	insn->two_byte = i < count && bytes[i] == 0x0f;
	i += insn->two_byte;
	if (i >= count)
		return false;
	insn->opcode = bytes[i];
	insn->len = i + 1;
	insn->has_next = i + 1 < count;
	insn->next = insn->has_next ? bytes[i + 1] : 0;
	return true;
}

/* INT n, of which n was not among the bytes. */
static bool insn_wants_next(const struct insn_peek *insn)
{
	return insn->opcode == 0xcd && !insn->two_byte && !insn->has_next;
}

/**
 * vcpu_peek_insn() - what is the next instruction?
 * @vcpu: owned and loaded; process context
 * @insn: filled
 *
 * Nothing is decided by what cannot be read: the guest will get that fault, or not.  The
 * page behind that of the first byte is looked at only when the instruction is there, too.
 *
 * Return: whether it could be read.
 */
bool vcpu_peek_insn(struct vcpu *vcpu, struct insn_peek *insn)
{
	u64 gva = glue_code_at(vcpu, 0);
	u8 bytes[EMU_INSN_MAX];
	unsigned int n = glue_in_page(gva, sizeof(bytes));
	struct glue g;

	glue_begin(&g, vcpu, &glue_ops);
	insn->is_64 = vcpu->emu->mode == EMU_PROT64;
	if (glue_fetch(vcpu->emu, gva, bytes, n) != EMU_OK)
		return false;
	if (insn_scan(bytes, n, insn) && !insn_wants_next(insn))
		return true;
	if (n < sizeof(bytes) && glue_fetch(vcpu->emu, glue_code_at(vcpu, n), &bytes[n],
					    sizeof(bytes) - n) == EMU_OK)
		n = sizeof(bytes);
	return insn_scan(bytes, n, insn);
}
