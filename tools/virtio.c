// SPDX-License-Identifier: GPL-2.0-only
/*
 * A virtio device over MMIO (virtio 1.2, chapter 4.2): negotiation is here, and who
 * serves the queues is struct virtio_ops's: the module, Linux's vhost, or a thread of
 * this program. The registers are a page of the machine's memory that the guest sees
 * in a read-only memslot: reading them exits nowhere. Of writes, notifications
 * are ioeventfds, and so are acknowledgements of interrupts, which nobody has
 * to see: the interrupt is an edge, and its status register says always that
 * a queue may have news. So only negotiation comes to a vCPU's thread.
 */
#include "virtio.h"
#include "vm.h"
#include "util.h"

#include <assert.h>
#include <errno.h>
#include <linux/kvm.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define SLOT_FIRST	8	/* memslots below are RAM's */
#define MAGIC		0x74726976u
#define VENDOR		0x4f545444u	/* "DTTO" */
#define COMPLAINTS_MAX	64
#define CONFIG_MAX	(VIRTIO_MMIO_SIZE - VIRTIO_MMIO_CONFIG)

static void put(struct virtio *v, unsigned int offset, uint32_t value)
{
	__atomic_store_n((uint32_t *)(v->page + offset), value, __ATOMIC_SEQ_CST);
}

static uint32_t get(const struct virtio *v, unsigned int offset)
{
	return __atomic_load_n((uint32_t *)(v->page + offset), __ATOMIC_SEQ_CST);
}

static struct virtio_queue *selected(struct virtio *v)
{
	return v->queue_sel < v->kind.queues ? &v->queue[v->queue_sel] : NULL;
}

/* Registers that follow from what was selected. */
static void show_selected(struct virtio *v)
{
	struct virtio_queue *q = selected(v);

	put(v, VIRTIO_MMIO_DEVICE_FEATURES,
	    v->features_sel < 2 ? v->kind.features >> (32 * v->features_sel) : 0);
	put(v, VIRTIO_MMIO_QUEUE_NUM_MAX, q ? VIRTIO_QUEUE_LEN : 0);
	put(v, VIRTIO_MMIO_QUEUE_READY, q && q->ready);
}

static void queue_stop(struct virtio *v, unsigned int index)
{
	if (v->queue[index].enabled)
		v->kind.ops->stop(v, index);
	v->queue[index].enabled = false;
}

static int queue_start(struct virtio *v, unsigned int index)
{
	if (v->kind.ops->start(v, index) < 0)
		return -1;
	v->queue[index].enabled = true;
	return 0;
}

/* A packed ring begins with both wrap counters set. */
static uint32_t first_base(const struct virtio *v)
{
	return v->accepted >> VIRTIO_F_RING_PACKED & 1 ? 1u << 15 | 1u << 31 : 0;
}

/* From its beginning. */
static int queue_begin(struct virtio *v, unsigned int index)
{
	v->queue[index].base = first_base(v);
	return queue_start(v, index);
}

/* The driver did what it must not: it has to reset the device. */
static void need_reset(struct virtio *v)
{
	put(v, VIRTIO_MMIO_STATUS, get(v, VIRTIO_MMIO_STATUS) | VIRTIO_CONFIG_S_NEEDS_RESET);
	put(v, VIRTIO_MMIO_INTERRUPT_STATUS, VIRTIO_MMIO_INT_VRING | VIRTIO_MMIO_INT_CONFIG);
	eventfd_write(v->call_fd, 1);
}

static void reset(struct virtio *v)
{
	for (unsigned int i = 0; i < v->kind.queues; i++) {
		int kick_fd = v->queue[i].kick_fd;

		queue_stop(v, i);
		v->queue[i] = (struct virtio_queue){ .kick_fd = kick_fd };
	}
	v->accepted = 0;
	v->features_sel = v->accepted_sel = v->queue_sel = 0;
	put(v, VIRTIO_MMIO_STATUS, 0);
	put(v, VIRTIO_MMIO_INTERRUPT_STATUS, VIRTIO_MMIO_INT_VRING);
	show_selected(v);
}

static bool any_enabled(const struct virtio *v)
{
	for (unsigned int i = 0; i < v->kind.queues; i++)
		if (v->queue[i].enabled)
			return true;
	return false;
}

/* Who serves queues is not told of others in the middle of it. */
static bool features_refused(struct virtio *v)
{
	return any_enabled(v) || v->accepted & ~v->kind.features || v->kind.ops->accept(v) < 0;
}

static void write_status(struct virtio *v, uint32_t status)
{
	uint32_t old = get(v, VIRTIO_MMIO_STATUS), new = status & ~old;

	if (!status) {
		reset(v);
		return;
	}
	status |= old & VIRTIO_CONFIG_S_NEEDS_RESET;
	if ((new & VIRTIO_CONFIG_S_FEATURES_OK) && features_refused(v))
		status &= ~VIRTIO_CONFIG_S_FEATURES_OK;
	put(v, VIRTIO_MMIO_STATUS, status);
	if (!(new & VIRTIO_CONFIG_S_DRIVER_OK))
		return;
	for (unsigned int i = 0; i < v->kind.queues; i++) {
		if (v->queue[i].ready && !v->queue[i].enabled && queue_begin(v, i) < 0) {
			need_reset(v);
			return;
		}
	}
}

static void write_ready(struct virtio *v, uint32_t value)
{
	struct virtio_queue *q = selected(v);

	if (!q)
		return;
	q->ready = value & 1;
	if (!q->ready)
		queue_stop(v, v->queue_sel);
	show_selected(v);
}

static void set_half(uint64_t *to, bool high, uint32_t value)
{
	*to = high ? (*to & UINT32_MAX) | (uint64_t)value << 32
		   : (*to & ~(uint64_t)UINT32_MAX) | value;
}

static void write_queue(struct virtio *v, unsigned int offset, uint32_t value)
{
	struct virtio_queue *q = selected(v);

	/* What is in use does not change. */
	if (!q || q->ready)
		return;
	switch (offset) {
	case VIRTIO_MMIO_QUEUE_NUM:
		q->num = value;
		break;
	case VIRTIO_MMIO_QUEUE_DESC_LOW:
	case VIRTIO_MMIO_QUEUE_DESC_HIGH:
		set_half(&q->desc, offset == VIRTIO_MMIO_QUEUE_DESC_HIGH, value);
		break;
	case VIRTIO_MMIO_QUEUE_AVAIL_LOW:
	case VIRTIO_MMIO_QUEUE_AVAIL_HIGH:
		set_half(&q->avail, offset == VIRTIO_MMIO_QUEUE_AVAIL_HIGH, value);
		break;
	case VIRTIO_MMIO_QUEUE_USED_LOW:
	case VIRTIO_MMIO_QUEUE_USED_HIGH:
		set_half(&q->used, offset == VIRTIO_MMIO_QUEUE_USED_HIGH, value);
		break;
	}
}

static void write_register(struct virtio *v, unsigned int offset, uint32_t value)
{
	switch (offset) {
	case VIRTIO_MMIO_DEVICE_FEATURES_SEL:
		v->features_sel = value;
		show_selected(v);
		break;
	case VIRTIO_MMIO_DRIVER_FEATURES_SEL:
		v->accepted_sel = value;
		break;
	case VIRTIO_MMIO_DRIVER_FEATURES:
		/* What was agreed on does not change. */
		if (v->accepted_sel < 2 &&
		    !(get(v, VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_FEATURES_OK))
			set_half(&v->accepted, v->accepted_sel, value);
		break;
	case VIRTIO_MMIO_QUEUE_SEL:
		v->queue_sel = value;
		show_selected(v);
		break;
	case VIRTIO_MMIO_QUEUE_READY:
		write_ready(v, value);
		break;
	case VIRTIO_MMIO_STATUS:
		write_status(v, value & 0xff);
		break;
	default:
		write_queue(v, offset, value);
	}
}

static int show_config(struct virtio *v)
{
	uint8_t config[CONFIG_MAX];
	size_t len;

	if (v->kind.ops->read_config(v, config, &len) < 0)
		return -1;
	memcpy(v->page + VIRTIO_MMIO_CONFIG, config, len);
	return 0;
}

/* The driver writes a field: who serves the device knows which it may. */
static void write_config(struct virtio *v, unsigned int offset, const void *data, size_t len)
{
	const struct virtio_ops *ops = v->kind.ops;

	if (ops->write_config && !ops->write_config(v, offset - VIRTIO_MMIO_CONFIG, data, len))
		show_config(v);
}

/**
 * virtio_mmio() - carry out a KVM_EXIT_MMIO in a device's page
 * @v: the device
 * @run: the vCPU's
 * @offset: in the page
 */
void virtio_mmio(struct virtio *v, struct kvm_run *run, unsigned int offset)
{
	uint32_t value;

	pthread_mutex_lock(&v->lock);
	memcpy(&value, run->mmio.data, sizeof(value));
	/* Registers are words. */
	if (run->mmio.is_write && offset >= VIRTIO_MMIO_CONFIG)
		write_config(v, offset, run->mmio.data, run->mmio.len);
	else if (run->mmio.is_write && run->mmio.len == sizeof(value))
		write_register(v, offset, value);
	else if (!run->mmio.is_write && offset + run->mmio.len <= VIRTIO_MMIO_SIZE)
		memcpy(run->mmio.data, v->page + offset, run->mmio.len);
	pthread_mutex_unlock(&v->lock);
}

/**
 * virtio_config_changed() - the configuration space is another: the driver is told; any thread
 * @v: a device that has one which changes
 *
 * From now on its interrupt says that this may be why, which costs the driver a look at most.
 *
 * Return: 0, or -1 with errno.
 */
int virtio_config_changed(struct virtio *v)
{
	int ret;

	pthread_mutex_lock(&v->lock);
	ret = show_config(v);
	if (!ret) {
		put(v, VIRTIO_MMIO_CONFIG_GENERATION, get(v, VIRTIO_MMIO_CONFIG_GENERATION) + 1);
		put(v, VIRTIO_MMIO_INTERRUPT_STATUS,
		    VIRTIO_MMIO_INT_VRING | VIRTIO_MMIO_INT_CONFIG);
		eventfd_write(v->call_fd, 1);
	}
	pthread_mutex_unlock(&v->lock);
	return ret;
}

/* The guest decides how often: whose log it would fill is not its affair. */
static void tell_error(struct virtio *v, const char *which, const char *why)
{
	if (v->complaints == COMPLAINTS_MAX)
		return;
	complain("%s: the guest broke %s%s%s; it has to reset it%s", v->kind.label, which,
		 *why ? ": " : "", why,
		 ++v->complaints == COMPLAINTS_MAX ? "; no more is told of it" : "");
}

/* False: the driver has reset the device since. */
static bool tell_errors(struct virtio *v)
{
	const struct virtio_ops *ops = v->kind.ops;
	bool told = false;

	if (!ops->error) {
		tell_error(v, "a queue", "");
		return true;
	}
	for (unsigned int i = 0; i < v->kind.queues; i++) {
		const char *why = ops->error(v, i);
		char which[32];

		snprintf(which, sizeof(which), "queue %u", i);
		if (why)
			tell_error(v, which, why);
		told |= !!why;
	}
	return told;
}

/**
 * virtio_broken() - who serves it found that the guest broke a queue; any thread
 * @v: the device
 */
void virtio_broken(struct virtio *v)
{
	pthread_mutex_lock(&v->lock);
	if (tell_errors(v))
		need_reset(v);
	pthread_mutex_unlock(&v->lock);
}

/**
 * virtio_lost() - the process that served it is gone; any thread
 * @v: the device
 */
void virtio_lost(struct virtio *v)
{
	pthread_mutex_lock(&v->lock);
	v->kind.ops->lost(v);
	need_reset(v);
	pthread_mutex_unlock(&v->lock);
}

/**
 * virtio_pause() - serve none of its queues until virtio_resume()
 * @v: a device that can be paused; no vCPU runs
 *
 * What was begun is over then, so all of it is in the machine's memory.
 *
 * Return: 0, or -1 with errno; to be resumed in any case.
 */
int virtio_pause(struct virtio *v)
{
	int ret = 0;

	pthread_mutex_lock(&v->lock);
	for (unsigned int i = 0; i < v->kind.queues && !ret; i++) {
		if (!v->queue[i].enabled)
			continue;
		v->kind.ops->stop(v, i);
		ret = v->kind.ops->base(v, i, &v->queue[i].base);
	}
	pthread_mutex_unlock(&v->lock);
	return ret;
}

static int resume_queues(struct virtio *v)
{
	if ((get(v, VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_FEATURES_OK) &&
	    v->kind.ops->accept(v) < 0)
		return -1;
	for (unsigned int i = 0; i < v->kind.queues; i++)
		if (v->queue[i].enabled && queue_start(v, i) < 0)
			return -1;
	return 0;
}

/**
 * virtio_resume() - its queues are served again, from where they stood
 * @v: paused, or restored; no vCPU runs
 *
 * One that cannot go on is broken, and the driver told so.
 */
void virtio_resume(struct virtio *v)
{
	pthread_mutex_lock(&v->lock);
	if (resume_queues(v) < 0) {
		for (unsigned int i = 0; i < v->kind.queues; i++)
			queue_stop(v, i);
		complain("%s: cannot go on: %s", v->kind.label, strerror(errno));
		need_reset(v);
	}
	pthread_mutex_unlock(&v->lock);
}

/**
 * virtio_save() - what a fork of the machine inherits
 * @v: paused
 * @state: filled in
 */
void virtio_save(struct virtio *v, struct virtio_state *state)
{
	pthread_mutex_lock(&v->lock);
	*state = (struct virtio_state){
		.accepted = v->accepted, .features_sel = v->features_sel,
		.accepted_sel = v->accepted_sel, .queue_sel = v->queue_sel,
	};
	for (unsigned int i = 0; i < v->kind.queues; i++) {
		const struct virtio_queue *q = &v->queue[i];

		state->queue[i] = (struct virtio_queue_state){
			.desc = q->desc, .avail = q->avail, .used = q->used, .num = q->num,
			.base = q->base,
		};
		state->ready |= (uint32_t)q->ready << i;
		state->enabled |= (uint32_t)q->enabled << i;
	}
	pthread_mutex_unlock(&v->lock);
}

/**
 * virtio_restore() - be what it was when it was saved; virtio_resume() it
 * @v: new, or paused; its registers are what they were then
 * @state: from virtio_save(), perhaps another program's
 *
 * An interrupt that was under way then has reached one machine or none; the driver, which gets
 * one in any case, looks what there is.
 */
void virtio_restore(struct virtio *v, const struct virtio_state *state)
{
	pthread_mutex_lock(&v->lock);
	v->accepted = state->accepted;
	v->features_sel = state->features_sel;
	v->accepted_sel = state->accepted_sel;
	v->queue_sel = state->queue_sel;
	for (unsigned int i = 0; i < v->kind.queues; i++) {
		const struct virtio_queue_state *q = &state->queue[i];

		v->queue[i] = (struct virtio_queue){
			.num = q->num, .base = q->base, .desc = q->desc, .avail = q->avail,
			.used = q->used, .ready = state->ready >> i & 1,
			.enabled = state->enabled >> i & 1, .kick_fd = v->queue[i].kick_fd,
		};
	}
	eventfd_write(v->call_fd, 1);
	pthread_mutex_unlock(&v->lock);
}

/**
 * virtio_gsi() - which interrupt a device has
 * @index: of the device
 *
 * First the pins of the IOAPIC that no PIC has, then those of the PICs where a PC has nothing
 * that this machine has. They are edges, as the others.
 */
unsigned int virtio_gsi(unsigned int index)
{
	static const unsigned int isa[] = { 10, 11, 5, 7, 14, 15 };

	static_assert(VIRTIO_DEVICES_MAX == 8 + sizeof(isa) / sizeof(isa[0]), "a pin for each");
	return index < 8 ? VIRTIO_GSI + index : isa[index - 8];
}

static int eventfd_new(int *fd)
{
	*fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return *fd < 0 ? -1 : 0;
}

static int on_write(struct virtio *v, unsigned int offset, int fd, const unsigned int *match)
{
	struct kvm_ioeventfd io = {
		.addr = VIRTIO_MMIO + v->index * VIRTIO_MMIO_SIZE + offset, .len = 4, .fd = fd,
		.datamatch = match ? *match : 0,
		.flags = match ? KVM_IOEVENTFD_FLAG_DATAMATCH : 0,
	};

	return ioctl(v->vm->fd, KVM_IOEVENTFD, &io);
}

static int create_events(struct virtio *v)
{
	if (eventfd_new(&v->call_fd) < 0 || eventfd_new(&v->err_fd) < 0 ||
	    eventfd_new(&v->ack_fd) < 0)
		return -1;
	for (unsigned int i = 0; i < v->kind.queues; i++)
		if (eventfd_new(&v->queue[i].kick_fd) < 0)
			return -1;
	return 0;
}

/**
 * virtio_reconnect() - its eventfds are the machine's, which is another now
 * @v: the device; no vCPU runs
 *
 * Return: 0, or -1 with errno.
 */
int virtio_reconnect(struct virtio *v)
{
	struct kvm_irqfd irq = { .fd = v->call_fd, .gsi = virtio_gsi(v->index) };

	if (ioctl(v->vm->fd, KVM_IRQFD, &irq) < 0 ||
	    on_write(v, VIRTIO_MMIO_INTERRUPT_ACK, v->ack_fd, NULL) < 0)
		return -1;
	for (unsigned int i = 0; i < v->kind.queues; i++)
		if (on_write(v, VIRTIO_MMIO_QUEUE_NOTIFY, v->queue[i].kick_fd, &i) < 0)
			return -1;
	return 0;
}

static int attach_registers(struct virtio *v)
{
	int ret = ram_attach_device(&v->vm->ram, v->vm->fd, SLOT_FIRST + v->index,
				    VIRTIO_MMIO + v->index * VIRTIO_MMIO_SIZE, v->index);

	errno = -ret;
	return ret < 0 ? -1 : 0;
}

static int create_registers(struct virtio *v)
{
	v->page = ram_device_page(&v->vm->ram, v->index);
	if (v->kind.forked)
		return 0;
	put(v, VIRTIO_MMIO_MAGIC_VALUE, MAGIC);
	put(v, VIRTIO_MMIO_VERSION, 2);
	put(v, VIRTIO_MMIO_DEVICE_ID, v->kind.type);
	put(v, VIRTIO_MMIO_VENDOR_ID, VENDOR);
	put(v, VIRTIO_MMIO_SHM_LEN_LOW, UINT32_MAX);
	put(v, VIRTIO_MMIO_SHM_LEN_HIGH, UINT32_MAX);
	reset(v);
	memcpy(v->page + VIRTIO_MMIO_CONFIG, v->kind.config, v->kind.config_len);
	return attach_registers(v);
}

/**
 * virtio_create() - make a device
 * @v: filled in
 * @vm: its machine, which has interrupt controllers and memory
 * @index: of the device, below VIRTIO_DEVICES_MAX
 * @kind: what it is
 *
 * Return: 0, or -1 with errno; nothing is left then.
 */
int virtio_create(struct virtio *v, struct vm *vm, unsigned int index,
		  const struct virtio_kind *kind)
{
	*v = (struct virtio){ .vm = vm, .index = index, .kind = *kind,
			      .call_fd = -1, .err_fd = -1, .ack_fd = -1 };
	for (unsigned int i = 0; i < VIRTIO_QUEUES_MAX; i++)
		v->queue[i].kick_fd = -1;
	pthread_mutex_init(&v->lock, NULL);
	errno = EINVAL;
	if (kind->config_len <= CONFIG_MAX && kind->queues <= VIRTIO_QUEUES_MAX &&
	    !create_registers(v) && !create_events(v) && !virtio_reconnect(v)) {
		v->kind.config = NULL;
		return 0;
	}
	index = errno;
	virtio_destroy(v);
	errno = index;
	return -1;
}

static void close_if_open(int fd)
{
	if (fd >= 0)
		close(fd);
}

/**
 * virtio_destroy() - stop its queues and close it
 * @v: created; no vCPU runs
 */
void virtio_destroy(struct virtio *v)
{
	for (unsigned int i = 0; i < v->kind.queues; i++)
		queue_stop(v, i);
	for (unsigned int i = 0; i < VIRTIO_QUEUES_MAX; i++)
		close_if_open(v->queue[i].kick_fd);
	close_if_open(v->call_fd);
	close_if_open(v->err_fd);
	close_if_open(v->ack_fd);
}
