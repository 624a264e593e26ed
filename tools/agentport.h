/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef DITTO_AGENTPORT_H
#define DITTO_AGENTPORT_H

#include "agent/protocol.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AGENTPORT_READY_MS	30000	/* until a fork's agent has answered, at most */

struct serial;

/**
 * struct agentport - the other end of the agent's serial port
 * @serial: constant; the port
 * @frames: a pair of sockets: the agent's frames can be read from the first, and a slow reader
 *	is waited for; or -1: nobody wants them
 * @coming: its magic has come, and not yet its first frame
 * @up: the agent has said that it listens; a fork's agent listens, too
 * @greeted: it has not answered a HELLO yet
 * @in, @in_len: vCPU threads, @in_lock: a frame that is not complete, or what may be the magic
 * @out, @out_len: under @lock: what the port has not taken yet
 */
struct agentport {
	struct serial *serial;
	int frames[2];
	_Atomic bool coming, up, greeted;
	pthread_mutex_t in_lock, lock;
	uint8_t in[AGENT_HEAD + AGENT_FRAME_MAX];
	size_t in_len;
	uint8_t *out;
	size_t out_len;
};

void agentport_init(struct agentport *p, struct serial *serial);
int agentport_listen(struct agentport *p);
void agentport_put(void *port, uint8_t byte);
void agentport_wake(void *port);
int agentport_send(struct agentport *p, uint8_t type, const void *data, size_t len);
void agentport_reset(struct agentport *p, bool up);
int agentport_greet(struct agentport *p);
int agentport_hello(struct agentport *p, int patience_ms, int signal_fd);
void agentport_close(struct agentport *p);
void agentport_destroy(struct agentport *p);

#endif
