// SPDX-License-Identifier: GPL-2.0-only
/*
 * A virtio source of random numbers: a thread that fills what the guest offers with the
 * host's (getrandom()), a bounded piece at a time. What each piece costs is this process's.
 */
#include "rng.h"
#include "bus.h"
#include "vm.h"
#include "util.h"

#include <errno.h>
#include <linux/virtio_config.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>

#define PIECE	256	/* what getrandom() gives without a break */

static struct rng *of(struct virtio *v)
{
	return v->kind.owner;
}

/* One chain; false if there is none. More than a piece it gets when it asks again. */
static bool rng_serve(struct rng *rng, bool *used)
{
	uint8_t piece[PIECE];
	ssize_t len;

	if (!ring_next(&rng->ring, &rng->chain))
		return false;
	len = getrandom(piece, sizeof(piece), 0);
	len = chain_write(&rng->chain, 0, piece, len > 0 ? len : 0);
	explicit_bzero(piece, sizeof(piece));
	ring_complete(&rng->ring, rng->chain.head, len);
	*used |= ring_wants_interrupt(&rng->ring);
	return true;
}

static void rng_turn(struct rng *rng)
{
	bool used = false, told;

	pthread_mutex_lock(&rng->lock);
	for (unsigned int i = 0; i < VIRTIO_QUEUE_LEN && rng_serve(rng, &used); i++)
		;
	told = rng->ring.told;
	rng->ring.told = !!rng->ring.error;
	if (rng->ring.told && !told)
		eventfd_write(rng->virtio.err_fd, 1);
	pthread_mutex_unlock(&rng->lock);
	if (used)
		eventfd_write(rng->virtio.call_fd, 1);
}

static void *rng_thread(void *arg)
{
	struct rng *rng = arg;
	struct pollfd fds[] = { { .fd = rng->stop_fd, .events = POLLIN },
				{ .fd = rng->virtio.queue[0].kick_fd, .events = POLLIN } };
	eventfd_t count;

	pthread_setname_np(pthread_self(), "rng");
	for (;;) {
		poll(fds, 2, -1);
		if (fds[0].revents)
			return NULL;
		if (fds[1].revents && !eventfd_read(fds[1].fd, &count))
			rng_turn(rng);
	}
}

static int rng_accept(struct virtio *v)
{
	return v->accepted & (1ULL << VIRTIO_F_VERSION_1) ? 0 : -1;
}

static int rng_start(struct virtio *v, unsigned int index)
{
	struct rng *rng = of(v);
	int ret;

	pthread_mutex_lock(&rng->lock);
	ret = ring_begin(&rng->ring, &v->queue[index], &v->vm->ram);
	pthread_mutex_unlock(&rng->lock);
	/* What it offered before, it may have kicked for before. */
	eventfd_write(v->queue[index].kick_fd, 1);
	return ret;
}

static void rng_stop(struct virtio *v, unsigned int index)
{
	struct rng *rng = of(v);

	(void)index;
	pthread_mutex_lock(&rng->lock);
	rng->ring = (struct ring){ .num = 0 };
	pthread_mutex_unlock(&rng->lock);
}

static const char *rng_error(struct virtio *v, unsigned int index)
{
	struct rng *rng = of(v);
	const char *error;

	(void)index;
	pthread_mutex_lock(&rng->lock);
	error = rng->ring.error;
	pthread_mutex_unlock(&rng->lock);
	return error;
}

static const struct virtio_ops rng_ops = {
	.accept = rng_accept, .start = rng_start, .stop = rng_stop, .error = rng_error,
};

static int rng_start_thread(struct rng *rng)
{
	sigset_t all, old;

	rng->stop_fd = eventfd(0, EFD_CLOEXEC);
	if (rng->stop_fd < 0)
		return -1;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	errno = pthread_create(&rng->thread, NULL, rng_thread, rng);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (!errno)
		return 0;
	close(rng->stop_fd);
	return -1;
}

/**
 * rng_create() - give a machine a source of random numbers, if it was configured with one
 * @rng: filled in; rng_destroy() it whatever is returned
 * @vm: has its board and its memory
 *
 * Return: 0, or -1 after saying why not on standard error.
 */
int rng_create(struct rng *rng, struct vm *vm)
{
	const struct virtio_kind kind = {
		.ops = &rng_ops, .owner = rng, .label = "rng", .type = VIRTIO_ID_RNG, .queues = 1,
		.features = 1ULL << VIRTIO_F_VERSION_1, .config = "",
	};

	if (!vm->config->rng)
		return 0;
	pthread_mutex_init(&rng->lock, NULL);
	if (!bus_add(&vm->bus, &rng->virtio, vm, &kind)) {
		rng->created = !rng_start_thread(rng);
		if (rng->created)
			return 0;
		virtio_destroy(&rng->virtio);
	}
	complain("--rng: %s", strerror(errno));
	return -1;
}

/**
 * rng_destroy() - stop it
 * @rng: from rng_create(), or zeroed; the bus is stopped
 */
void rng_destroy(struct rng *rng)
{
	if (!rng->created)
		return;
	eventfd_write(rng->stop_fd, 1);
	pthread_join(rng->thread, NULL);
	close(rng->stop_fd);
	virtio_destroy(&rng->virtio);
	rng->created = false;
}
