// SPDX-License-Identifier: GPL-2.0-only
/*
 * The host's end of the agent's ports: frames are put together from bytes by the vCPU
 * that sends them, and taken apart into bytes as the port has room. What the agent says comes
 * from the guest: a frame is at most as long as there is room, and whoever reads it checks it.
 */
#include "agentport.h"
#include "serial.h"
#include "socket.h"
#include "util.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

/* More than an agent that takes what it says it has taken ever leaves: input comes by the byte. */
#define OUT_MAX		(4 * AGENT_FRAME_MAX)
#define MAGIC_LEN	(sizeof(AGENT_MAGIC) - 1)

/**
 * agentport_init() - nobody is there yet
 * @p: filled in
 * @serial: the port
 */
void agentport_init(struct agentport *p, struct serial *serial)
{
	p->serial = serial;
	p->frames[0] = p->frames[1] = -1;
	p->coming = p->up = p->greeted = false;
	p->in_len = p->out_len = 0;
	p->out = NULL;
	pthread_mutex_init(&p->in_lock, NULL);
	pthread_mutex_init(&p->lock, NULL);
}

/**
 * agentport_listen() - let the agent's frames come through @frames
 * @p: no vCPU runs
 *
 * Return: 0, or -1 after saying why not on standard error.
 */
int agentport_listen(struct agentport *p)
{
	if (!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, p->frames))
		return 0;
	complain("agent: %s", strerror(errno));
	return -1;
}

/* With @in_lock. What is not the magic is somebody's who had the port before. */
static void look_for_magic(struct agentport *p)
{
	if (p->in_len > MAGIC_LEN)
		memmove(p->in, p->in + 1, --p->in_len);
	if (p->in_len < MAGIC_LEN || memcmp(p->in, AGENT_MAGIC, MAGIC_LEN))
		return;
	p->coming = true;
	p->in_len = 0;
}

/* With @in_lock. A frame is complete. */
static void take_frame(struct agentport *p)
{
	p->up = true;
	p->coming = false;
	if (p->in[0] == AGENT_READY)
		p->greeted = false;
	if (p->frames[1] >= 0)
		send(p->frames[1], p->in, p->in_len, MSG_NOSIGNAL);
	p->in_len = 0;
}

/**
 * agentport_put() - the agent sends a byte; a vCPU's thread
 * @port: struct agentport
 * @byte: the byte
 *
 * Waits until the reader of the frames has room.
 */
void agentport_put(void *port, uint8_t byte)
{
	struct agentport *p = port;
	size_t len;

	pthread_mutex_lock(&p->in_lock);
	p->in[p->in_len++] = byte;
	if (!p->up && !p->coming)
		look_for_magic(p);
	len = p->in_len < AGENT_HEAD ? 0 : p->in[1] | p->in[2] << 8;
	/* None is that long: the agent is broken, or is none. */
	if ((p->up || p->coming) && len > AGENT_FRAME_MAX)
		p->in_len = 0;
	else if ((p->up || p->coming) && p->in_len >= AGENT_HEAD && p->in_len == AGENT_HEAD + len)
		take_frame(p);
	pthread_mutex_unlock(&p->in_lock);
}

/**
 * agentport_wake() - give the port what it has room for; any thread
 * @port: struct agentport
 */
void agentport_wake(void *port)
{
	struct agentport *p = port;
	size_t n;

	pthread_mutex_lock(&p->lock);
	if (p->out_len) {
		n = serial_receive(p->serial, p->out, p->out_len);
		p->out_len -= n;
		memmove(p->out, p->out + n, p->out_len);
	}
	pthread_mutex_unlock(&p->lock);
}

/**
 * agentport_send() - a frame to the agent; any thread
 * @p: the port
 * @type: AGENT_*
 * @data: what
 * @len: at most AGENT_FRAME_MAX
 *
 * Return: 0; -ENOBUFS: the guest has not taken what is waiting; or -ENOMEM.
 */
int agentport_send(struct agentport *p, uint8_t type, const void *data, size_t len)
{
	uint8_t head[AGENT_HEAD] = { type, len & 0xff, len >> 8 }, *bigger;

	pthread_mutex_lock(&p->lock);
	if (p->out_len + AGENT_HEAD + len > OUT_MAX) {
		pthread_mutex_unlock(&p->lock);
		return -ENOBUFS;
	}
	bigger = realloc(p->out, p->out_len + AGENT_HEAD + len);
	if (bigger) {
		p->out = bigger;
		memcpy(p->out + p->out_len, head, AGENT_HEAD);
		memcpy(p->out + p->out_len + AGENT_HEAD, data, len);
		p->out_len += AGENT_HEAD + len;
	}
	pthread_mutex_unlock(&p->lock);
	if (!bigger)
		return -ENOMEM;
	agentport_wake(p);
	return 0;
}

/**
 * agentport_reset() - what was on its way is not; no vCPU runs
 * @p: the port
 * @up: the agent listens
 */
void agentport_reset(struct agentport *p, bool up)
{
	pthread_mutex_lock(&p->in_lock);
	p->in_len = 0;
	p->up = up;
	p->coming = false;
	pthread_mutex_unlock(&p->in_lock);
	pthread_mutex_lock(&p->lock);
	p->out_len = 0;
	pthread_mutex_unlock(&p->lock);
}

/**
 * agentport_greet() - tell the agent that it is in a fork; @greeted is false when it has seen it
 * @p: of a fork whose agent is up
 *
 * Return: 0 or -errno.
 */
int agentport_greet(struct agentport *p)
{
	uint8_t seed[AGENT_SEED];
	int ret;

	if (getrandom(seed, sizeof(seed), 0) != sizeof(seed))
		return -errno;
	/* Before, because the answer may come at once. */
	p->greeted = true;
	ret = agentport_send(p, AGENT_HELLO, seed, sizeof(seed));
	if (ret < 0)
		p->greeted = false;
	return ret;
}

/**
 * agentport_hello() - wait until a fork's agent has seen that it is in one
 * @p: of a running fork whose agent is up; listens
 * @patience_ms: for how long, whatever else the guest says
 * @signal_fd: a signal that comes there ends the wait, and stays there
 *
 * Return: 0; -EINTR: a signal; or -1 after saying why not on standard error.
 */
int agentport_hello(struct agentport *p, int patience_ms, int signal_fd)
{
	struct pollfd poll_fds[] = {
		{ .fd = p->frames[0], .events = POLLIN },
		{ .fd = signal_fd, .events = POLLIN },
	};
	int64_t until = socket_now_ms() + patience_ms, left;
	uint8_t frame[AGENT_HEAD + AGENT_FRAME_MAX];
	ssize_t n;

	if (agentport_greet(p) < 0)
		return -1;
	while ((left = until - socket_now_ms()) > 0 && poll(poll_fds, 2, left) > 0) {
		if (poll_fds[1].revents)
			return -EINTR;
		n = recv(p->frames[0], frame, sizeof(frame), 0);
		if (n <= 0)
			break;
		if (frame[0] != AGENT_READY || n != AGENT_HEAD + 1)
			continue;
		if (frame[AGENT_HEAD] == 1)
			return 0;
		complain("agent: the guest's kernel takes no note of its new generation "
			 "(CONFIG_VMGENID?)");
		return -1;
	}
	complain("agent: no answer");
	return -1;
}

/**
 * agentport_close() - stop waiting for the reader of the frames; any thread
 * @p: the port
 */
void agentport_close(struct agentport *p)
{
	if (p->serial && p->frames[0] >= 0)
		shutdown(p->frames[0], SHUT_RDWR);
}

/**
 * agentport_destroy() - close and free
 * @p: initialized, or zeroes; no vCPU runs
 */
void agentport_destroy(struct agentport *p)
{
	if (!p->serial)
		return;
	for (int i = 0; i < 2; i++)
		if (p->frames[i] >= 0)
			close(p->frames[i]);
	free(p->out);
}
