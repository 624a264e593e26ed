// SPDX-License-Identifier: GPL-2.0-only
/*
 * A network device whose other end is in this process (slirp.c). One thread is the device and
 * the network: it waits for the driver's kicks, which are eventfds, and for the network's
 * sockets, and holds the lock for all else that it does. vCPUs' threads only start and stop
 * the queues.
 *
 * What the guest does not take waits in a queue of bounded length; what it sends is served in
 * turns of bounded length, so that it cannot keep the thread from the sockets.
 */
#include "net.h"
#include "bus.h"
#include "ring.h"
#include "slirp.h"
#include "vm.h"
#include "util.h"

#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define QUEUES		2
#define RX		0
#define TX		1
#define HEADER		sizeof(struct virtio_net_hdr_v1)
#define FRAME_MAX	1518	/* with a tag; the MTU is 1500 */
#define WAITING_MAX	512
#define TURN		64	/* chains */

/**
 * struct frame - waits for a buffer of the guest's
 * @next: the one behind it
 * @len: of @data
 * @data: the frame
 */
struct frame {
	struct frame *next;
	size_t len;
	uint8_t data[];
};

/**
 * struct net_user - the device; under @lock
 * @net: how the guest sees it; constant
 * @lock: taken after the device's
 * @thread: serves it
 * @running: there is @thread
 * @stop_fd: an eventfd that ends it
 * @slirp: the network
 * @polled: the thread's alone
 * @ring: the queues
 * @first, @last, @waiting: frames that wait
 * @used: something was given back since the last interrupt
 * @chain: what is being served
 * @frame: likewise
 */
struct net_user {
	struct net *net;
	pthread_mutex_t lock;
	pthread_t thread;
	bool running;
	int stop_fd;
	struct slirp_net *slirp;
	struct polled polled;
	struct ring ring[QUEUES];
	struct frame *first, *last;
	unsigned int waiting;
	bool used;
	struct chain chain;
	uint8_t frame[HEADER + FRAME_MAX];
};

/* Into the guest's next buffer; false if there is none. A frame that does not fit is lost. */
static bool user_deliver(struct net_user *u, const void *frame, size_t len)
{
	struct virtio_net_hdr_v1 header = { .num_buffers = 1 };
	struct ring *rx = &u->ring[RX];

	if (!ring_next(rx, &u->chain))
		return false;
	if (chain_room(&u->chain) < HEADER + len) {
		ring_put_back(rx);
		return true;
	}
	chain_write(&u->chain, 0, &header, HEADER);
	chain_write(&u->chain, HEADER, frame, len);
	ring_complete(rx, u->chain.head, HEADER + len);
	u->used |= ring_wants_interrupt(rx);
	return true;
}

static void user_drop_first(struct net_user *u)
{
	struct frame *frame = u->first;

	u->first = frame->next;
	u->waiting--;
	free(frame);
}

static void user_drop_all(struct net_user *u)
{
	while (u->first)
		user_drop_first(u);
}

/* Kicks of this queue are wanted only while something waits for it. */
static void user_deliver_waiting(struct net_user *u)
{
	do {
		while (u->first && user_deliver(u, u->first->data, u->first->len))
			user_drop_first(u);
	} while (u->first && ring_want_kicks(&u->ring[RX]));
	if (!u->first)
		ring_spare_kicks(&u->ring[RX]);
}

static void user_wait(struct net_user *u, const void *data, size_t len)
{
	struct frame *frame = u->waiting < WAITING_MAX ? malloc(sizeof(*frame) + len) : NULL;

	if (!frame)
		return;
	frame->next = NULL;
	frame->len = len;
	memcpy(frame->data, data, len);
	if (u->first)
		u->last->next = frame;
	else
		u->first = frame;
	u->last = frame;
	u->waiting++;
}

/* From the network; the thread's, in slirp_net_poll() and _send(). */
static void user_receive(void *owner, const void *frame, size_t len)
{
	struct net_user *u = owner;

	if (!u->ring[RX].num || len > FRAME_MAX)
		return;
	if (u->first || !user_deliver(u, frame, len))
		user_wait(u, frame, len);
}

/* Nothing was offered that a header could ask for; such a frame, and one of no size, is lost. */
static void user_send(struct net_user *u, size_t len)
{
	struct virtio_net_hdr_v1 header;

	if (len < HEADER + ETH_HLEN || len > sizeof(u->frame))
		return;
	memcpy(&header, u->frame, HEADER);
	if (!header.flags && header.gso_type == VIRTIO_NET_HDR_GSO_NONE)
		slirp_net_send(u->slirp, u->frame + HEADER, len - HEADER);
}

/* A turn; true if there may be more. */
static bool user_serve_tx(struct net_user *u)
{
	struct ring *tx = &u->ring[TX];

	ring_spare_kicks(tx);
	for (unsigned int i = 0; i < TURN; i++) {
		uint16_t head;

		if (!ring_next(tx, &u->chain))
			return ring_want_kicks(tx);
		/* An answer may come at once, and take a chain of the other queue. */
		head = u->chain.head;
		user_send(u, chain_read(&u->chain, u->frame, sizeof(u->frame)));
		ring_complete(tx, head, 0);
		u->used |= ring_wants_interrupt(tx);
	}
	return true;
}

static void user_tell(struct net_user *u)
{
	if (u->used)
		eventfd_write(u->net->virtio.call_fd, 1);
	u->used = false;
	for (unsigned int i = 0; i < QUEUES; i++) {
		if (u->ring[i].error && !u->ring[i].told) {
			u->ring[i].told = true;
			eventfd_write(u->net->virtio.err_fd, 1);
		}
	}
}

/* What the first entries of the array are. */
enum { AT_STOP, AT_RX, AT_TX, AT_SOCKETS };

static int user_fill(struct net_user *u, bool more)
{
	int timeout;

	u->polled.count = 0;
	polled_add(&u->polled, u->stop_fd, POLLIN);
	polled_add(&u->polled, u->net->virtio.queue[RX].kick_fd, POLLIN);
	polled_add(&u->polled, u->net->virtio.queue[TX].kick_fd, POLLIN);
	timeout = slirp_net_fill(u->slirp, &u->polled);
	return more ? 0 : timeout;
}

static bool user_serve(struct net_user *u)
{
	eventfd_t count;
	bool more;

	for (unsigned int i = AT_RX; i < AT_SOCKETS; i++)
		if (u->polled.fds[i].revents)
			eventfd_read(u->polled.fds[i].fd, &count);
	slirp_net_poll(u->slirp, &u->polled);
	more = user_serve_tx(u);
	user_deliver_waiting(u);
	user_tell(u);
	return more;
}

static void *user_thread(void *arg)
{
	struct net_user *u = arg;
	bool more = false;
	int timeout;

	pthread_setname_np(pthread_self(), u->net->label);
	for (;;) {
		pthread_mutex_lock(&u->lock);
		timeout = user_fill(u, more);
		pthread_mutex_unlock(&u->lock);
		if (poll(u->polled.fds, u->polled.count, timeout) < 0)
			continue;
		if (u->polled.fds[AT_STOP].revents)
			return NULL;
		pthread_mutex_lock(&u->lock);
		more = user_serve(u);
		pthread_mutex_unlock(&u->lock);
	}
}

static int user_accept(struct virtio *v)
{
	return v->accepted & (1ULL << VIRTIO_F_VERSION_1) ? 0 : -1;
}

/* What the driver made available before, it may have kicked for before. */
static int user_start(struct virtio *v, unsigned int index)
{
	struct net_user *u = ((struct net *)v->kind.owner)->user;
	int ret;

	pthread_mutex_lock(&u->lock);
	ret = ring_begin(&u->ring[index], &v->queue[index], &v->vm->ram);
	pthread_mutex_unlock(&u->lock);
	eventfd_write(v->queue[index].kick_fd, 1);
	return ret;
}

static void user_stop(struct virtio *v, unsigned int index)
{
	struct net_user *u = ((struct net *)v->kind.owner)->user;

	pthread_mutex_lock(&u->lock);
	u->ring[index] = (struct ring){ .num = 0 };
	if (index == RX)
		user_drop_all(u);
	pthread_mutex_unlock(&u->lock);
}

static const char *user_error(struct virtio *v, unsigned int index)
{
	struct net_user *u = ((struct net *)v->kind.owner)->user;
	const char *error;

	pthread_mutex_lock(&u->lock);
	error = u->ring[index].error;
	pthread_mutex_unlock(&u->lock);
	return error;
}

static const struct virtio_ops user_ops = {
	.accept = user_accept, .start = user_start, .stop = user_stop, .error = user_error,
};

static void user_free(struct net_user *u)
{
	if (u->slirp)
		slirp_net_destroy(u->slirp);
	if (u->stop_fd >= 0)
		close(u->stop_fd);
	user_drop_all(u);
	free(u->polled.fds);
	free(u);
}

static void user_destroy(struct net *net)
{
	struct net_user *u = net->user;

	eventfd_write(u->stop_fd, 1);
	pthread_join(u->thread, NULL);
	virtio_destroy(&net->virtio);
	user_free(u);
}

/* Signals are for the main thread; a connection that broke is no signal. */
static int user_start_thread(struct net_user *u)
{
	sigset_t all, old;

	/* The first entries of the array are always there. */
	user_fill(u, false);
	if (u->polled.count < AT_SOCKETS)
		return -1;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	errno = pthread_create(&u->thread, NULL, user_thread, u);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return errno ? -1 : 0;
}

static int user_add(struct net_user *u, struct vm *vm)
{
	struct net *net = u->net;
	struct virtio_kind kind = {
		.ops = &user_ops, .owner = net, .label = net->label, .type = VIRTIO_ID_NET,
		.queues = QUEUES, .config = net->config->mac, .config_len = ETH_ALEN,
		.features = 1ULL << VIRTIO_F_VERSION_1 | 1ULL << VIRTIO_NET_F_MAC,
	};

	u->stop_fd = eventfd(0, EFD_CLOEXEC);
	if (u->stop_fd >= 0 && !bus_add(&vm->bus, &net->virtio, vm, &kind)) {
		if (!user_start_thread(u))
			return 0;
		virtio_destroy(&net->virtio);
	}
	complain("--net user: %s", strerror(errno));
	return -1;
}

static int user_create(struct net *net, struct vm *vm)
{
	struct net_user *u = calloc(1, sizeof(*u));

	if (!u) {
		complain("--net user: %s", strerror(errno));
		return -1;
	}
	u->net = net;
	u->stop_fd = -1;
	pthread_mutex_init(&u->lock, NULL);
	net->user = u;
	net->destroy = user_destroy;
	u->slirp = slirp_net_create(net->config, net->index, user_receive, u);
	if (u->slirp && !user_add(u, vm))
		return 0;
	user_free(u);
	return -1;
}

/**
 * net_user_open() - see that there is a network for this process
 * @net: parsed
 *
 * Return: 0, or -1 after saying why not on standard error.
 */
int net_user_open(struct net_config *net)
{
	net->create = user_create;
	return slirp_load();
}
