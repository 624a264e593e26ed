/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef DITTO_CONTROL_H
#define DITTO_CONTROL_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/un.h>

#define CONTROL_CLIENTS	16
#define CONTROL_MESSAGE	16384	/* bytes of the longest request or answer */

struct vm;

/**
 * struct control_client - who has connected
 * @fd: the connection, or -1
 * @since: when it connected or asked last, in ms; whoever is silent goes first
 */
struct control_client {
	int fd;
	int64_t since;
};

/**
 * struct control - a machine's socket, and the thread that serves it
 * @vm: constant
 * @listen_fd: constant; the socket, or -1: there is none
 * @stop_fd: constant; eventfd: the thread is to end
 * @address: constant; where the socket is
 * @thread: serves it
 * @running: main thread: @thread has to be joined
 * @client: the thread's
 */
struct control {
	struct vm *vm;
	int listen_fd, stop_fd;
	struct sockaddr_un address;
	pthread_t thread;
	bool running;
	struct control_client client[CONTROL_CLIENTS];
};

int control_bind(struct control *c, struct vm *vm, const char *name);
int control_start(struct control *c);
void control_stop(struct control *c);

#endif
