// SPDX-License-Identifier: GPL-2.0-only
/*
 * Self-test of virtio.c and vhost_user.c, with nothing of a machine (ioctls succeed): drivers that
 * do what none does, registers written at random in all sizes, and a device in another process that
 * answers late, wrong, in pieces or never. TAP on standard output; "make check" runs it.
 */
#include "util.h"
#include "vhost_user.h"
#include "vm.h"

#include <linux/kvm.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define QUEUES		3
#define FEATURES	(1ULL << VIRTIO_F_VERSION_1 | 1ULL << VIRTIO_F_RING_PACKED | 1)
#define CONFIG_BYTES	20
#define WRITES		2000000
#define BASE		0x12345678u	/* where a queue stands that was stopped */

int __wrap_ioctl(int fd, unsigned long request, ...);

int __wrap_ioctl(int fd, unsigned long request, ...)
{
	(void)fd, (void)request;
	return 0;
}

static struct vm vm;
static struct virtio device;
static bool runs[QUEUES], wrong;
static uint32_t begun[QUEUES];
static uint64_t agreed;
static uint8_t space[CONFIG_BYTES];
static unsigned int tests, failed;

static void result(bool ok, const char *name)
{
	printf("%sok %u - %s\n", ok ? "" : "not ", ++tests, name);
	failed += !ok;
}

static int on_accept(struct virtio *v)
{
	for (unsigned int i = 0; i < QUEUES; i++)
		wrong |= runs[i];
	agreed = v->accepted;
	return v->accepted >> VIRTIO_F_VERSION_1 & 1 ? 0 : -1;
}

static int on_start(struct virtio *v, unsigned int index)
{
	wrong |= index >= QUEUES || runs[index];
	if (v->queue[index].num > VIRTIO_QUEUE_LEN)
		return -1;
	runs[index] = true;
	begun[index] = v->queue[index].base;
	return 0;
}

static void on_stop(struct virtio *v, unsigned int index)
{
	(void)v;
	wrong |= index >= QUEUES || !runs[index];
	runs[index] = false;
}

static int on_base(struct virtio *v, unsigned int index, uint32_t *base)
{
	(void)v;
	wrong |= runs[index];
	*base = BASE;
	return 0;
}

static int on_read_config(struct virtio *v, void *config, size_t *len)
{
	(void)v;
	memcpy(config, space, sizeof(space));
	*len = sizeof(space);
	return 0;
}

static int on_write_config(struct virtio *v, unsigned int offset, const void *data, size_t len)
{
	(void)v;
	if (offset >= sizeof(space) || len > sizeof(space) - offset)
		return -1;
	memcpy(space + offset, data, len);
	return 0;
}

static const struct virtio_ops ops = {
	.accept = on_accept, .start = on_start, .stop = on_stop, .base = on_base,
	.read_config = on_read_config, .write_config = on_write_config,
};

static void write_bytes(unsigned int offset, const void *data, unsigned int len)
{
	struct kvm_run run = { .mmio = { .is_write = 1, .len = len } };

	memcpy(run.mmio.data, data, len);
	virtio_mmio(&device, &run, offset);
	for (unsigned int i = 0; i < QUEUES; i++)
		wrong |= runs[i] && !device.queue[i].ready;
}

static void write_word(unsigned int offset, uint32_t value)
{
	write_bytes(offset, &value, sizeof(value));
}

static void negotiate_with(uint32_t high)
{
	write_word(VIRTIO_MMIO_STATUS, 0);
	write_word(VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
	write_word(VIRTIO_MMIO_DRIVER_FEATURES, high);
	write_word(VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_FEATURES_OK);
	write_word(VIRTIO_MMIO_QUEUE_SEL, 1);
	write_word(VIRTIO_MMIO_QUEUE_NUM, 8);
	write_word(VIRTIO_MMIO_QUEUE_READY, 1);
	write_word(VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK);
}

static void negotiate(void)
{
	negotiate_with(1);
}

static void wrong_drivers(void)
{
	bool ok;

	negotiate();
	ok = runs[1];
	write_word(VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_FEATURES_OK);
	write_word(VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK);
	result(ok && runs[1] && !wrong, "a queue that runs is not started again");
	wrong = false;
	write_word(VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_DRIVER_OK);
	write_word(VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK);
	result(!wrong, "features are not chosen while a queue runs");
	wrong = false;
	negotiate();
	write_word(VIRTIO_MMIO_DRIVER_FEATURES, 7);
	result(device.accepted == agreed, "features do not change after they were chosen");
	write_word(VIRTIO_MMIO_QUEUE_READY, 2);
	result(!runs[1] && !wrong, "a queue that is not ready does not run");
	wrong = false;
}

static uint32_t status_of(const struct virtio *v)
{
	return *(uint32_t *)(v->page + VIRTIO_MMIO_STATUS);
}

static void pauses(void)
{
	bool ok;

	negotiate_with(1 | 1u << (VIRTIO_F_RING_PACKED - 32));
	result(begun[1] == 0x80008000, "a packed ring begins with its wrap counters set");
	negotiate();
	ok = !begun[1] && !virtio_pause(&device) && !runs[1] && device.queue[1].enabled;
	virtio_resume(&device);
	result(ok && runs[1] && begun[1] == BASE && !wrong, "a queue goes on where it stood");
	negotiate();
	result(!begun[1], "and from its beginning after a reset");
}

/* As in a fork: the registers are in its memory, everything else is in the state. */
static void forks(const struct virtio_kind *kind)
{
	struct virtio_kind forked = *kind;
	struct virtio_state state;
	static struct vm other;
	static struct virtio copy;
	eventfd_t calls = 0;
	bool ok;

	negotiate();
	write_word(VIRTIO_MMIO_QUEUE_SEL, 1);
	ok = !virtio_pause(&device);
	virtio_save(&device, &state);
	ok &= !ram_create(&other.ram, -1, 0, RAM_BACKING_ANON, false);
	memcpy(ram_device_page(&other.ram, 0), device.page, VIRTIO_MMIO_SIZE);
	forked.forked = true;
	if (virtio_create(&copy, &other, 0, &forked) < 0)
		abort();
	virtio_restore(&copy, &state);
	virtio_resume(&copy);
	ok &= runs[1] && begun[1] == BASE && copy.accepted == device.accepted &&
	      copy.queue_sel == 1 && copy.queue[1].num == 8 && copy.queue[1].ready &&
	      !eventfd_read(copy.call_fd, &calls) && calls == 1;
	result(ok && !wrong, "a fork's queue goes on, and its driver is interrupted once");
	ok = !virtio_pause(&copy);
	state.queue[1].num = VIRTIO_QUEUE_LEN + 1;
	virtio_restore(&copy, &state);
	virtio_resume(&copy);
	result(ok && !copy.queue[1].enabled && (status_of(&copy) & VIRTIO_CONFIG_S_NEEDS_RESET),
	       "a queue that cannot go on is broken");
	wrong = false;		/* one that did not run was stopped */
	virtio_destroy(&copy);
	ram_destroy(&other.ram);
	virtio_resume(&device);
}

static void random_drivers(void)
{
	static const uint16_t often[] = {
		VIRTIO_MMIO_QUEUE_SEL, VIRTIO_MMIO_QUEUE_READY, VIRTIO_MMIO_STATUS,
		VIRTIO_MMIO_QUEUE_NUM, VIRTIO_MMIO_DRIVER_FEATURES,
		VIRTIO_MMIO_DRIVER_FEATURES_SEL,
	};
	uint8_t before[CONFIG_BYTES];

	for (unsigned int i = 0; i < WRITES; i++) {
		unsigned int offset = random() % 8 ? often[random() % ARRAY_SIZE(often)]
						   : random() % VIRTIO_MMIO_SIZE;
		uint64_t data = random() % 2 ? (uint64_t)random() % 16
					     : (uint64_t)random() << 33 ^ (uint64_t)random();

		write_bytes(offset, &data, random() % 4 ? 4 : 1 + random() % 8);
	}
	memcpy(before, device.page + VIRTIO_MMIO_CONFIG, sizeof(before));
	result(!wrong && !memcmp(before, space, sizeof(space)), "registers written at random");
	write_word(VIRTIO_MMIO_STATUS, 0);
	result(!runs[0] && !runs[1] && !runs[2], "a reset stops all");
}

/* Standard error is a pipe meanwhile. */
static void complaints(void)
{
	int fds[2], old = dup(STDERR_FILENO);
	unsigned int lines = 0;
	char c;

	if (old < 0 || pipe(fds) < 0 || dup2(fds[1], STDERR_FILENO) < 0)
		abort();
	close(fds[1]);
	for (int i = 0; i < 200; i++)
		virtio_broken(&device);
	dup2(old, STDERR_FILENO);
	close(old);
	while (read(fds[0], &c, 1) == 1)
		lines += c == '\n';
	close(fds[0]);
	result(lines && lines < 100, "a guest does not fill the log");
}

/**
 * struct peer - how the other process answers GET_VRING_BASE
 * @fd: its end
 * @before_us: so late
 * @each_us: between two bytes, or 0: all at once
 * @bytes, @len: what it says
 */
struct peer {
	int fd;
	unsigned int before_us, each_us;
	uint32_t bytes[8];
	size_t len;
};

static void *peer_thread(void *arg)
{
	const struct peer *p = arg;
	char question[64];

	if (recv(p->fd, question, sizeof(question), 0) <= 0)
		return NULL;
	usleep(p->before_us);
	for (size_t i = 0; i < p->len; i += p->each_us ? 1 : p->len) {
		if (send(p->fd, (const char *)p->bytes + i, p->each_us ? 1 : p->len,
			 MSG_NOSIGNAL) < 0)
			break;
		usleep(p->each_us);
	}
	return NULL;
}

/* Whether it has said that it stopped, and how long that took. */
static int ask(struct peer *p, unsigned int *ms)
{
	struct vhost_user u;
	struct timespec from, to;
	pthread_t thread;
	int fds[2], ret;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0)
		abort();
	u = (struct vhost_user){ .fd = fds[0] };
	p->fd = fds[1];
	clock_gettime(CLOCK_MONOTONIC, &from);
	if (pthread_create(&thread, NULL, peer_thread, p))
		abort();
	ret = vhost_user_stop(&u, 1);
	clock_gettime(CLOCK_MONOTONIC, &to);
	*ms = (to.tv_sec - from.tv_sec) * 1000 + (to.tv_nsec - from.tv_nsec) / 1000000;
	close(fds[0]);
	pthread_join(thread, NULL);
	close(fds[1]);
	return ret;
}

#define ANSWER	{ 11, 1 | 4, 8, 1, 0 }

static void peers(void)
{
	struct peer good = { .bytes = ANSWER, .len = 20 };
	struct peer late = { .bytes = ANSWER, .len = 20, .before_us = 200000 };
	struct peer slow = { .bytes = ANSWER, .len = 20, .each_us = 600000 };
	struct peer silent = { .len = 0 };
	struct peer longer = { .bytes = { 11, 5, 0xffffffff, 1 }, .len = 20 };
	struct peer other = { .bytes = { 1, 5, 8, 1 }, .len = 20 };
	struct itimerval tick = { { 0, 20000 }, { 0, 20000 } }, none = { { 0, 0 }, { 0, 0 } };
	unsigned int ms;
	bool ok;

	result(!ask(&good, &ms), "an answer");
	ok = ask(&longer, &ms) < 0;
	ok &= ask(&other, &ms) < 0;
	result(ok, "answers that are none");
	setitimer(ITIMER_REAL, &tick, NULL);
	result(!ask(&late, &ms), "signals while an answer is waited for");
	setitimer(ITIMER_REAL, &none, NULL);
	result(ask(&silent, &ms) < 0 && ms < 5000, "no answer");
	result(ask(&slow, &ms) < 0 && ms < 5000, "an answer that takes for ever");
}

static void on_alarm(int sig)
{
	(void)sig;
}

int main(void)
{
	static const struct virtio_kind kind = {
		.ops = &ops, .label = "test", .type = 1, .queues = QUEUES, .features = FEATURES,
		.config = space, .config_len = sizeof(space),
	};
	const struct sigaction sa = { .sa_handler = on_alarm };

	sigaction(SIGALRM, &sa, NULL);
	if (ram_create(&vm.ram, -1, 0, RAM_BACKING_ANON, false) ||
	    virtio_create(&device, &vm, 0, &kind) < 0)
		abort();
	wrong_drivers();
	pauses();
	forks(&kind);
	random_drivers();
	complaints();
	virtio_destroy(&device);
	ram_destroy(&vm.ram);
	peers();
	printf("1..%u\n", tests);
	return !!failed;
}
