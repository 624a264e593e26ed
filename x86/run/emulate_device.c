// SPDX-License-Identifier: GPL-2.0-only
/*
 * What an instruction asks of devices, in memory and at ports: of those in the kernel at once,
 * of user space by way of kvm_run.
 *
 * The hard part is an access that user space must complete in the middle of an
 * instruction; struct vcpu_io says how.
 */
#include "x86/board/iobus.h"
#include "x86/board/lapic.h"
#include "x86/board/lapic_look.h"
#include "x86/machine/vm.h"
#include "x86/run/emulate_glue.h"

/* A page that a device in the kernel moved to, as the APIC may, is looked at first. */
static bool glue_kernel_device(struct vcpu *vcpu, gpa_t gpa, void *buf, unsigned int len,
			       bool write)
{
	if (vcpu->apic && vlapic_has_gpa(vcpu->apic, gpa) &&
	    vlapic_mmio(vcpu, gpa, len, buf, write))
		return true;
	if (iobus_nobody(&vcpu->vm->mmio, &vcpu->mmio_miss, gpa, len))
		return false;
	return !iobus_access_note(&vcpu->vm->mmio, &vcpu->mmio_miss, vcpu, gpa, len, buf, write);
}

/* Of a read, @m->data is zero. */
static void glue_ask_user(struct vcpu *vcpu, const struct vcpu_mmio *m, bool write)
{
	struct kvm_run *run = vcpu->run;

	vcpu->counts.mmio++;
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
	struct vcpu_io *io = &g->vcpu->io;
	struct vcpu_mmio *m = &io->writes[io->nr_writes];

	/* INS into read-only memory can get here. */
	if (unlikely(io->nr_writes == VCPU_IO_WRITES))
		return EMU_UNHANDLED;
	m->gpa = gpa;
	m->len = len;
	m->data = 0;
	memcpy(&m->data, buf, len);
	if (!glue_kernel_device(g->vcpu, gpa, &m->data, len, true))
		io->nr_writes++;
	return EMU_OK;
}

/* At most 8 bytes, as devices see them. */
static enum emu_result glue_device_item(struct glue *g, gpa_t gpa, void *buf, unsigned int len,
					bool write)
{
	return write ? glue_device_write(g, gpa, buf, len) : glue_device_read(g, gpa, buf, len);
}

/**
 * glue_device() - an access of a device's memory
 * @c: context
 * @gpa: where
 * @buf: what is read or written
 * @len: bytes, all in one page
 * @write: direction
 *
 * Return: EMU_OK; EMU_IO when user space must answer a read first; EMU_RETRY when an answer is
 * there that belongs to another access; EMU_UNHANDLED.  Writes for user space are kept until
 * the instruction has ended.
 */
enum emu_result glue_device(struct emu_ctxt *c, gpa_t gpa, void *buf, unsigned int len,
			    bool write)
{
	struct glue *g = glue_of(c);
	enum emu_result r = EMU_OK;

	c->device = true;
	for (; unlikely(len > 8) && r == EMU_OK; len -= 8) {
		r = glue_device_item(g, gpa, buf, 8, write);
		gpa += 8;
		buf += 8;
	}
	return r == EMU_OK ? glue_device_item(g, gpa, buf, len, write) : r;
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

/**
 * glue_pio_in() - struct emu_ops
 * @c: context
 * @port: port
 * @size: bytes of an item
 * @buf: for them
 * @count: items; changed to those that it were
 *
 * Return: see there.
 */
enum emu_result glue_pio_in(struct emu_ctxt *c, u16 port, unsigned int size, void *buf,
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

/**
 * glue_pio_out() - struct emu_ops
 * @c: context
 * @port: port
 * @size: bytes of an item
 * @buf: they
 * @count: items; changed to those that it were
 *
 * Each item goes to the kernel or to user space, in order.
 *
 * Return: see there.
 */
enum emu_result glue_pio_out(struct emu_ctxt *c, u16 port, unsigned int size,
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

/**
 * glue_next_write() - send user space the next write that the instruction left
 * @vcpu: owned and loaded; io.next_write says which
 *
 * Return: as exit_handle().
 */
enum exit_outcome glue_next_write(struct vcpu *vcpu)
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

static bool glue_from_page(struct vcpu *vcpu, const struct emu_move *move)
{
	if (move->flat)
		return true;
	vcpu_need(vcpu, ST_SEGS);
	return !offset_in_page(vcpu->st.seg[move->seg].base);
}

/*
 * Is @gpa, where the exit was, the first byte of the access, and all of it in that page? What
 * crosses into a page exits with that one's first byte, so there it is looked at where the
 * access begins, for which the segment's base counts, too.
 */
static bool glue_is_whole(struct vcpu *vcpu, const struct emu_move *move, gpa_t gpa)
{
	unsigned int at = offset_in_page(gpa);

	return at == offset_in_page(move->ea) && at + move->size <= PAGE_SIZE &&
	       (at || glue_from_page(vcpu, move));
}

/**
 * glue_move() - execute a plain move to or from a device by what its exit has told
 * @g: begun; the instruction at rip is decoded
 * @gpa: where the CPU's access was, which the guest was allowed
 * @write: direction
 *
 * Most of what drivers do. No segment is looked at and nothing is translated, as the CPU has
 * done both.
 *
 * Return: whether it is done; the caller goes on with glue_ok(). What is read must be of a
 * device in the kernel.
 */
bool glue_move(struct glue *g, gpa_t gpa, bool write)
{
	struct vcpu *vcpu = g->vcpu;
	struct emu_move move;
	u64 data = 0;

	if (!emu_is_move(&g->c, &move) || move.store != write || !glue_is_whole(vcpu, &move, gpa))
		return false;
	if (write)
		memcpy(&data, &move.val, move.size);
	if (!glue_kernel_device(vcpu, gpa, &data, move.size, write)) {
		if (!write)
			return false;
		vcpu->io.writes[0] = (struct vcpu_mmio){
			.gpa = gpa, .len = move.size, .data = data,
		};
		vcpu->io.nr_writes = 1;
	}
	emu_end_move(&g->c, data);
	return true;
}
