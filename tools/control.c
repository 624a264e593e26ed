// SPDX-License-Identifier: GPL-2.0-only
/*
 * The control socket of a running machine: what others of the same user ask of it. One
 * thread serves all clients, and no client is ever waited for: requests are packets, answers
 * that do not fit at once are not sent, and when there are more clients than places the one that
 * has been silent longest loses its own.
 */
#include "balloon.h"
#include "control.h"
#include "fork.h"
#include "socket.h"
#include "util.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/**
 * struct request - a command that is being carried out
 * @client: who asked
 * @message: what was asked
 * @answer: gets members
 * @fds: go with the answer; the first is closed then, the others are the machine's
 */
struct request {
	struct control_client *client;
	struct json_object *message, *answer;
	struct fork_fds fds;
};

static void add_string(struct request *r, const char *key, const char *value)
{
	json_object_object_add(r->answer, key, json_object_new_string(value));
}

static void add_hex(struct request *r, const char *key, const void *data, size_t len)
{
	char text[CONTROL_MESSAGE / 2];

	assert(2 * len < sizeof(text));
	for (size_t i = 0; i < len; i++)
		sprintf(text + 2 * i, "%02x", ((const uint8_t *)data)[i]);
	add_string(r, key, text);
}

static int do_info(struct vm *vm, struct request *r)
{
	add_string(r, "name", vm->config->name);
	add_string(r, "state", vm->frozen ? "frozen" : "running");
	add_string(r, "agent", vm->config->container ? "container" :
		   !vm->config->agent ? "none" :
		   vm->agent.up && !vm->agent.greeted ? "up" : "not up");
	add_hex(r, "generation", vm->vmgenid.generation, GENERATION_BYTES);
	add_hex(r, "parent", vm->parent, GENERATION_BYTES);
	add_string(r, "parent_name", vm->parent_name);
	json_object_object_add(r->answer, "pid", json_object_new_int(getpid()));
	return 0;
}

/* Looks at every page, so who only wants to know who this is does not ask for it. */
static int do_memory(struct vm *vm, struct request *r)
{
	struct ditto_memory m;

	if (ioctl(vm->fd, DITTO_MEMORY, &m) < 0)
		return -errno;
	const struct {
		const char *name;
		uint64_t bytes;
	} sums[] = {
		{ "resident_bytes", m.resident + m.user },
		{ "unique_bytes", m.unique + m.user },
		{ "merged_bytes", m.merged },
		{ "forked_bytes", m.forked },
		{ "compressed_bytes", m.compressed },
		{ "zero_bytes", m.zero },
		{ "fair_bytes", m.fair + m.user },
		{ "freed_bytes", m.freed + m.user },
	};

	for (size_t i = 0; i < ARRAY_SIZE(sums); i++)
		json_object_object_add(r->answer, sums[i].name,
				       json_object_new_uint64(sums[i].bytes));
	return 0;
}

static bool refused(struct vm *vm, struct request *r)
{
	char text[CONTROL_MESSAGE / 8];
	const char *why = fork_refusal(vm, text, sizeof(text));

	if (why)
		add_string(r, "why", why);
	return why;
}

static int do_fork(struct vm *vm, struct request *r)
{
	struct vm_state state;
	int fd = refused(vm, r) ? -EBUSY : fork_template(vm, &state);

	if (fd < 0)
		return fd;
	r->fds.fd[r->fds.count++] = fd;
	for (unsigned int i = 0; i < vm->disks.count; i++)
		r->fds.fd[r->fds.count++] = vm->disks.disk[i].args.fd;
	add_hex(r, "machine", &state, sizeof(state));
	return 0;
}

static int do_freeze(struct vm *vm, struct request *r)
{
	return refused(vm, r) ? -EBUSY : fork_freeze(vm);
}

static int do_thaw(struct vm *vm, struct request *r)
{
	(void)r;
	return fork_thaw(vm);
}

static int do_reset(struct vm *vm, struct request *r)
{
	(void)r;
	return fork_reset(vm);
}

static int do_kill(struct vm *vm, struct request *r)
{
	(void)r;
	vm_stop(vm, VM_SIGNAL + SIGTERM);
	return 0;
}

/* A kept fork's agent may have a command of its own, and hears this all the same. */
static int do_stop(struct vm *vm, struct request *r)
{
	uint8_t sig = vm->config->stop_signal;

	(void)r;
	if (!vm->config->agent || !vm->agent.up || vm->frozen)
		return -EOPNOTSUPP;
	return agentport_send(&vm->agent, AGENT_STOP, &sig, 1);
}

static int do_balloon(struct vm *vm, struct request *r)
{
	return balloon_control(&vm->balloon, r->message, r->answer);
}

/* The client is the console's from now on, when it has been told so. */
static int do_console(struct vm *vm, struct request *r)
{
	struct json_object *answer = json_object_new_object();
	/* While a container's command has this process's files, nobody has its console. */
	bool can = vm->console.attachable && (!vm->config->container || vm->config->detached);
	int ret = can ? socket_send(r->client->fd, answer, NULL) : -EOPNOTSUPP;

	json_object_put(answer);
	if (ret < 0)
		return ret;
	console_attach(&vm->console, r->client->fd);
	r->client->fd = -1;
	return 0;
}

static const struct {
	const char *name;
	int (*run)(struct vm *vm, struct request *r);
} commands[] = {
	{ "info", do_info },
	{ "memory", do_memory },
	{ "fork", do_fork },
	{ "freeze", do_freeze },
	{ "thaw", do_thaw },
	{ "reset", do_reset },
	{ "kill", do_kill },
	{ "stop", do_stop },
	{ "balloon", do_balloon },
	{ "console", do_console },
};

static int carry_out(struct vm *vm, const char *command, struct request *r)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(command, commands[i].name))
			return commands[i].run(vm, r);
	return -ENOTTY;
}

static void client_close(struct control_client *client)
{
	if (client->fd >= 0)
		close(client->fd);
	client->fd = -1;
}

static void client_ready(struct control *c, struct control_client *client)
{
	struct request r = { .client = client };
	struct json_object *message;
	int ret = socket_receive(client->fd, &message, NULL);

	if (ret < 0) {
		client_close(client);
		return;
	}
	client->since = socket_now_ms();
	r.message = message;
	r.answer = json_object_new_object();
	ret = carry_out(c->vm, message_string(message, "command"), &r);
	if (ret < 0)
		json_object_object_add(r.answer, "errno", json_object_new_int(-ret));
	if (client->fd >= 0 && socket_send(client->fd, r.answer, &r.fds) < 0)
		client_close(client);
	if (r.fds.count)
		close(r.fds.fd[0]);
	json_object_put(r.answer);
	json_object_put(message);
}

/* A free place, or that of the client which has been silent longest. */
static struct control_client *client_place(struct control *c)
{
	struct control_client *oldest = &c->client[0];

	for (unsigned int i = 0; i < CONTROL_CLIENTS; i++) {
		if (c->client[i].fd < 0)
			return &c->client[i];
		if (c->client[i].since < oldest->since)
			oldest = &c->client[i];
	}
	client_close(oldest);
	return oldest;
}

static void accept_client(struct control *c)
{
	int fd = accept4(c->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0) {
		/* Out of fds: the one who waits stays, and is not to keep us busy. */
		poll(NULL, 0, errno == EAGAIN ? 0 : 100);
		return;
	}
	if (!socket_peer_allowed(fd)) {
		close(fd);
		return;
	}
	*client_place(c) = (struct control_client){ .fd = fd, .since = socket_now_ms() };
}

static void serve(struct control *c, struct pollfd *p)
{
	for (unsigned int i = 0; i < CONTROL_CLIENTS; i++)
		if (p[i].fd >= 0 && p[i].revents)
			client_ready(c, &c->client[i]);
	if (p[CONTROL_CLIENTS].revents)
		accept_client(c);
}

static void *control_thread(void *arg)
{
	struct control *c = arg;
	struct pollfd p[CONTROL_CLIENTS + 2];

	pthread_setname_np(pthread_self(), "control");
	for (;;) {
		for (unsigned int i = 0; i < CONTROL_CLIENTS; i++)
			p[i] = (struct pollfd){ .fd = c->client[i].fd, .events = POLLIN };
		p[CONTROL_CLIENTS] = (struct pollfd){ .fd = c->listen_fd, .events = POLLIN };
		p[CONTROL_CLIENTS + 1] = (struct pollfd){ .fd = c->stop_fd, .events = POLLIN };
		if (poll(p, ARRAY_SIZE(p), -1) < 0 && errno != EINTR)
			return NULL;
		if (p[CONTROL_CLIENTS + 1].revents)
			return NULL;
		serve(c, p);
	}
}

/**
 * control_bind() - take the machine's name
 * @c: filled in; control_stop() it whatever is returned
 * @vm: the machine
 * @name: its name; empty: its process's pid
 *
 * Return: 0; -EADDRINUSE: another machine has it; or -errno.
 */
int control_bind(struct control *c, struct vm *vm, const char *name)
{
	char pid[16];

	*c = (struct control){ .vm = vm, .listen_fd = -1, .stop_fd = -1 };
	for (unsigned int i = 0; i < CONTROL_CLIENTS; i++)
		c->client[i].fd = -1;
	snprintf(pid, sizeof(pid), "%d", getpid());
	c->listen_fd = socket_listen(*name ? name : pid, &c->address);
	return c->listen_fd < 0 ? c->listen_fd : 0;
}

/**
 * control_start() - serve it in a thread of its own; when the machine's threads run
 * @c: bound, or not: then nothing happens
 *
 * Return: 0, or -1 after saying why not on standard error.
 */
int control_start(struct control *c)
{
	if (c->listen_fd < 0)
		return 0;
	c->stop_fd = eventfd(0, EFD_CLOEXEC);
	errno = c->stop_fd < 0 ? errno : pthread_create(&c->thread, NULL, control_thread, c);
	c->running = !errno;
	if (c->running)
		return 0;
	complain("control socket: %s", strerror(errno));
	return -1;
}

/**
 * control_stop() - end the thread, and give the name back; before vCPUs are joined
 * @c: from control_bind()
 */
void control_stop(struct control *c)
{
	if (c->running) {
		eventfd_write(c->stop_fd, 1);
		pthread_join(c->thread, NULL);
		c->running = false;
	}
	for (unsigned int i = 0; i < CONTROL_CLIENTS; i++)
		client_close(&c->client[i]);
	if (c->listen_fd >= 0) {
		unlink(c->address.sun_path);
		close(c->listen_fd);
	}
	if (c->stop_fd >= 0)
		close(c->stop_fd);
	c->listen_fd = c->stop_fd = -1;
}
