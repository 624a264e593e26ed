// SPDX-License-Identifier: GPL-2.0-only
/*
 * A machine's virtio devices, one page of registers behind the other, and the thread that
 * hears of those that their guest broke, and of those whose process is gone. What the devices
 * are, who made them knows.
 */
#include "bus.h"
#include "util.h"

#include <errno.h>
#include <linux/kvm.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/**
 * bus_add() - make a device of a machine, before bus_start()
 * @bus: the machine's
 * @v: filled in; virtio_destroy() it after bus_stop()
 * @vm: the machine, which has its board
 * @kind: what it is
 *
 * Return: 0, or -1 with errno; @v is not to be destroyed then.
 */
int bus_add(struct bus *bus, struct virtio *v, struct vm *vm, const struct virtio_kind *kind)
{
	errno = ENOSPC;
	if (bus->count == VIRTIO_DEVICES_MAX || virtio_create(v, vm, bus->count, kind) < 0)
		return -1;
	bus->device[bus->count++] = v;
	return 0;
}

/* For each device two entries, its error and its peer, and the end behind them. */
static void bus_fill(const struct bus *bus, struct pollfd *fds)
{
	for (unsigned int i = 0; i < bus->count; i++) {
		const struct virtio *v = bus->device[i];

		fds[2 * i] = (struct pollfd){ .fd = v->err_fd, .events = POLLIN };
		fds[2 * i + 1] = (struct pollfd){ .fd = v->kind.ops->lost ? v->kind.peer : -1 };
	}
	fds[2 * bus->count] = (struct pollfd){ .fd = bus->stop_fd, .events = POLLIN };
}

static void bus_look(const struct bus *bus, struct pollfd *fds)
{
	eventfd_t count;

	for (unsigned int i = 0; i < bus->count; i++) {
		if (fds[2 * i].revents && !eventfd_read(fds[2 * i].fd, &count))
			virtio_broken(bus->device[i]);
		if (fds[2 * i + 1].revents) {
			virtio_lost(bus->device[i]);
			fds[2 * i + 1].fd = -1;
		}
	}
}

static void *bus_watch(void *arg)
{
	struct pollfd fds[2 * VIRTIO_DEVICES_MAX + 1];
	struct bus *bus = arg;

	bus_fill(bus, fds);
	for (;;) {
		if (poll(fds, 2 * bus->count + 1, -1) < 0 && errno != EINTR)
			return NULL;
		if (fds[2 * bus->count].revents)
			return NULL;
		bus_look(bus, fds);
	}
}

/**
 * bus_start() - all devices are there
 * @bus: the machine's; bus_stop() it whatever is returned
 *
 * Return: 0, or -1 after saying why not on standard error.
 */
int bus_start(struct bus *bus)
{
	if (!bus->count)
		return 0;
	bus->stop_fd = eventfd(0, EFD_CLOEXEC);
	if (bus->stop_fd >= 0) {
		errno = pthread_create(&bus->watcher, NULL, bus_watch, bus);
		bus->watching = !errno;
		if (bus->watching)
			return 0;
		close(bus->stop_fd);
	}
	complain("devices: %s", strerror(errno));
	return -1;
}

/**
 * bus_mmio() - carry out a KVM_EXIT_MMIO, if it is a device's
 * @bus: the machine's
 * @run: the vCPU's
 *
 * Return: false if it is not.
 */
bool bus_mmio(struct bus *bus, struct kvm_run *run)
{
	uint64_t at = run->mmio.phys_addr;
	uint64_t index = (at - VIRTIO_MMIO) / VIRTIO_MMIO_SIZE;

	if (at < VIRTIO_MMIO || index >= bus->count)
		return false;
	virtio_mmio(bus->device[index], run, at % VIRTIO_MMIO_SIZE);
	return true;
}

/**
 * bus_stop() - the devices may be destroyed after this
 * @bus: the machine's, or zeroed; no vCPU runs
 */
void bus_stop(struct bus *bus)
{
	if (bus->watching) {
		eventfd_write(bus->stop_fd, 1);
		pthread_join(bus->watcher, NULL);
		close(bus->stop_fd);
	}
	*bus = (struct bus){ .stop_fd = -1 };
}
