// SPDX-License-Identifier: GPL-2.0-only
/*
 * The front end of vhost-user: a device in another process, which maps the guest's memory (the
 * gmem's fd is sent to it), is told of queues over a socket, and hears kicks from and sends
 * interrupts through the eventfds that are sent to it as well. The other process is believed
 * in nothing but its answers' lengths, which are checked; one that is silent for too long, or
 * gone, is an error of the device's.
 */
#include "vhost_user.h"
#include "ram.h"
#include "ring.h"

#include <errno.h>
#include <linux/vhost_types.h>
#include <linux/virtio_config.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#ifndef PATIENCE_MS
#define PATIENCE_MS	10000	/* for all of an answer */
#endif
#define VERSION		1u
#define IS_REPLY	(1u << 2)
#define WANT_REPLY	(1u << 3)

#define F_PROTOCOL_FEATURES	30	/* among the device's features */
#define PROTOCOL_REPLY_ACK	3
#define PROTOCOL_MASK		(1ULL << PROTOCOL_REPLY_ACK)

/* What is asked: numbers of the protocol. */
enum {
	GET_FEATURES = 1, SET_FEATURES, SET_OWNER, SET_MEM_TABLE = 5, SET_VRING_NUM = 8,
	SET_VRING_ADDR, SET_VRING_BASE, GET_VRING_BASE, SET_VRING_KICK, SET_VRING_CALL,
	SET_VRING_ERR, GET_PROTOCOL_FEATURES, SET_PROTOCOL_FEATURES, SET_VRING_ENABLE = 18,
};

struct region {
	uint64_t gpa, size, here, offset;
};

/**
 * struct message - one of the protocol
 * @request, @flags, @size: how it begins; @size is of what follows
 * @number, @state, @addr, @memory: what follows, according to @request
 */
struct message {
	uint32_t request, flags, size;
	union {
		uint64_t number;
		struct vhost_vring_state state;
		struct vhost_vring_addr addr;
		struct {
			uint32_t count, padding;
			struct region region[2];
		} memory;
	} __attribute__((packed));
} __attribute__((packed));

#define HEAD	offsetof(struct message, number)

static int message_send(const struct vhost_user *u, struct message *m, const int *fds,
			unsigned int count)
{
	char control[CMSG_SPACE(2 * sizeof(int))] = { 0 };
	struct iovec iov = { .iov_base = m, .iov_len = HEAD + m->size };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *c;

	m->flags |= VERSION;
	errno = 0;
	if (count) {
		msg.msg_control = control;
		msg.msg_controllen = CMSG_SPACE(count * sizeof(int));
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(count * sizeof(int));
		memcpy(CMSG_DATA(c), fds, count * sizeof(int));
	}
	if (sendmsg(u->fd, &msg, MSG_NOSIGNAL) == (ssize_t)iov.iov_len)
		return 0;
	errno = errno ?: EPIPE;
	return -1;
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

/* Something can be received. Signals, as a vCPU's thread gets, are no reason to give up. */
static int receive_wait(const struct vhost_user *u, int64_t until)
{
	struct pollfd p = { .fd = u->fd, .events = POLLIN };
	int64_t left;

	while ((left = until - now_ms()) > 0) {
		int ret = poll(&p, 1, left);

		if (ret > 0)
			return 0;
		if (ret < 0 && errno != EINTR)
			return -1;
	}
	errno = ETIMEDOUT;
	return -1;
}

static int receive(const struct vhost_user *u, void *to, size_t len, int64_t until)
{
	for (size_t done = 0; done < len;) {
		ssize_t n;

		if (receive_wait(u, until) < 0)
			return -1;
		n = recv(u->fd, (char *)to + done, len - done, 0);
		if (n <= 0) {
			errno = n ? errno : ECONNRESET;
			return -1;
		}
		done += n;
	}
	return 0;
}

/* The answer to @request takes the message's place. */
static int message_receive(const struct vhost_user *u, struct message *m, uint32_t request,
			   uint32_t size)
{
	int64_t until = now_ms() + PATIENCE_MS;

	if (receive(u, m, HEAD, until) < 0)
		return -1;
	if (m->request == request && m->flags & IS_REPLY && m->size == size)
		return receive(u, &m->number, size, until);
	errno = EPROTO;
	return -1;
}

static int get_number(const struct vhost_user *u, uint32_t request, uint64_t *number)
{
	struct message m = { .request = request };

	if (message_send(u, &m, NULL, 0) < 0 ||
	    message_receive(u, &m, request, sizeof(*number)) < 0)
		return -1;
	*number = m.number;
	return 0;
}

static int set_number(const struct vhost_user *u, uint32_t request, uint64_t number)
{
	struct message m = { .request = request, .size = sizeof(number), .number = number };

	return message_send(u, &m, NULL, 0);
}

static int set_state(const struct vhost_user *u, uint32_t request, unsigned int index,
		     unsigned int value)
{
	struct message m = { .request = request, .size = sizeof(m.state),
			     .state = { .index = index, .num = value } };

	return message_send(u, &m, NULL, 0);
}

static int set_event(const struct vhost_user *u, uint32_t request, unsigned int index, int fd)
{
	struct message m = { .request = request, .size = sizeof(m.number), .number = index };

	return message_send(u, &m, &fd, 1);
}

/* It has mapped the memory, or could not, when it answers. */
static int set_memory(const struct vhost_user *u, const struct ram *ram)
{
	uint64_t low = ram_low_size(ram->size);
	struct message m = { .request = SET_MEM_TABLE, .flags = WANT_REPLY,
			     .memory.count = low < ram->size ? 2 : 1 };
	int fds[2] = { ram->gmem_fd, ram->gmem_fd };

	m.memory.region[0] = (struct region){ .size = low, .here = (uintptr_t)ram->host };
	m.memory.region[1] = (struct region){ .gpa = RAM_HOLE_END, .size = ram->size - low,
					      .here = (uintptr_t)ram->host + low, .offset = low };
	m.size = 8 + m.memory.count * sizeof(struct region);
	if (message_send(u, &m, fds, m.memory.count) < 0 ||
	    message_receive(u, &m, SET_MEM_TABLE, sizeof(m.number)) < 0)
		return -1;
	errno = ENOMEM;
	return m.number ? -1 : 0;
}

/**
 * vhost_user_begin() - become the owner of a device, and give it the guest's memory
 * @u: its socket is connected
 * @ram: a gmem
 *
 * Return: 0, or -1 with errno.
 */
int vhost_user_begin(struct vhost_user *u, const struct ram *ram)
{
	struct message owner = { .request = SET_OWNER };
	uint64_t protocol;

	if (get_number(u, GET_FEATURES, &u->features) < 0 || message_send(u, &owner, NULL, 0) < 0)
		return -1;
	errno = EPROTONOSUPPORT;
	if (!(u->features >> F_PROTOCOL_FEATURES & 1) ||
	    get_number(u, GET_PROTOCOL_FEATURES, &protocol) < 0)
		return -1;
	errno = EPROTONOSUPPORT;
	if (!(protocol >> PROTOCOL_REPLY_ACK & 1) ||
	    set_number(u, SET_PROTOCOL_FEATURES, protocol & PROTOCOL_MASK) < 0)
		return -1;
	return set_memory(u, ram);
}

/**
 * vhost_user_accept() - tell it what the driver chose
 * @u: the device, none of whose queues is served
 * @features: the driver's
 *
 * Return: 0, or -1 with errno.
 */
int vhost_user_accept(struct vhost_user *u, uint64_t features)
{
	return set_number(u, SET_FEATURES, features | 1ULL << F_PROTOCOL_FEATURES);
}

/**
 * vhost_user_start() - let it serve a queue, from its beginning
 * @u: the device
 * @v: the driver's words
 * @index: of the queue
 * @ram: what it was given
 *
 * Return: 0, or -1 with errno.
 */
int vhost_user_start(struct vhost_user *u, const struct virtio *v, unsigned int index,
		     const struct ram *ram)
{
	const struct virtio_queue *q = &v->queue[index];
	struct message m = { .request = SET_VRING_ADDR, .size = sizeof(m.addr) };
	struct ring_parts parts;

	errno = EFAULT;
	if (!ring_find(&parts, q, ram))
		return -1;
	m.addr = (struct vhost_vring_addr){
		.index = index, .desc_user_addr = (uintptr_t)parts.desc,
		.avail_user_addr = (uintptr_t)parts.avail, .used_user_addr = (uintptr_t)parts.used,
	};
	if (set_state(u, SET_VRING_NUM, index, q->num) < 0 ||
	    set_state(u, SET_VRING_BASE, index, 0) < 0 || message_send(u, &m, NULL, 0) < 0 ||
	    set_event(u, SET_VRING_CALL, index, v->call_fd) < 0 ||
	    set_event(u, SET_VRING_ERR, index, v->err_fd) < 0 ||
	    set_event(u, SET_VRING_KICK, index, q->kick_fd) < 0)
		return -1;
	return set_state(u, SET_VRING_ENABLE, index, 1);
}

/**
 * vhost_user_stop() - let it serve a queue no more
 * @u: the device
 * @index: of the queue, which is served
 *
 * Return: 0 when it does not any more, or -1 with errno.
 */
int vhost_user_stop(struct vhost_user *u, unsigned int index)
{
	struct message m = { .state.index = index };

	if (set_state(u, GET_VRING_BASE, index, 0) < 0)
		return -1;
	return message_receive(u, &m, GET_VRING_BASE, sizeof(m.state));
}
