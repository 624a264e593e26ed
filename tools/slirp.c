// SPDX-License-Identifier: GPL-2.0-only
/*
 * libslirp, which is a network with a router, a DHCP server and a name server in this process:
 * what the guest's connections are to it are ordinary sockets of the user's to the host. It is
 * loaded when a machine wants it, so that no other pays for it and what it needs.
 *
 * Network number n of a machine is 10.0.(2+n).0/24: .2 is the host, .3 the name server, .15
 * the guest. Only IPv4.
 */
#include "slirp.h"
#include "util.h"

#include <dlfcn.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <netinet/ip.h>
#include <slirp/libslirp.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LIBRARY		"libslirp.so.0"
#define HOST		2
#define NAME_SERVER	3
#define GUEST		15

/* The library's functions, after slirp_load(). */
static struct {
	__typeof__(slirp_new) *create;
	__typeof__(slirp_cleanup) *cleanup;
	__typeof__(slirp_pollfds_fill) *fill;
	__typeof__(slirp_pollfds_poll) *poll;
	__typeof__(slirp_input) *input;
	__typeof__(slirp_add_hostfwd) *forward;
} lib;

/**
 * struct slirp_net - a network; one thread at a time
 * @slirp: the library's
 * @receive, @owner: who gets frames
 * @polled: during slirp_net_fill() and _poll()
 */
struct slirp_net {
	Slirp *slirp;
	void (*receive)(void *owner, const void *frame, size_t len);
	void *owner;
	struct polled *polled;
};

/**
 * slirp_load() - load the library
 *
 * Return: 0, or -1 after saying why not on standard error.
 */
int slirp_load(void)
{
	void *so = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);

	if (!so) {
		complain("--net user: needs libslirp (Debian's package libslirp0): %s", dlerror());
		return -1;
	}
	lib.create = dlsym(so, "slirp_new");
	lib.cleanup = dlsym(so, "slirp_cleanup");
	lib.fill = dlsym(so, "slirp_pollfds_fill");
	lib.poll = dlsym(so, "slirp_pollfds_poll");
	lib.input = dlsym(so, "slirp_input");
	lib.forward = dlsym(so, "slirp_add_hostfwd");
	if (lib.create && lib.cleanup && lib.fill && lib.poll && lib.input && lib.forward)
		return 0;
	complain("--net user: " LIBRARY " is too old");
	return -1;
}

/**
 * polled_add() - wait for one more file
 * @polled: the files
 * @fd: the file
 * @events: of poll()
 *
 * Return: its index, or -1 if there is no memory: it is not waited for then.
 */
int polled_add(struct polled *polled, int fd, short events)
{
	if (polled->count == polled->room) {
		unsigned int room = polled->room ? 2 * polled->room : 32;
		struct pollfd *fds = realloc(polled->fds, room * sizeof(*fds));

		if (!fds)
			return -1;
		polled->fds = fds;
		polled->room = room;
	}
	polled->fds[polled->count] = (struct pollfd){ .fd = fd, .events = events };
	return polled->count++;
}

static ssize_t on_frame(const void *frame, size_t len, void *opaque)
{
	struct slirp_net *s = opaque;

	s->receive(s->owner, frame, len);
	return len;
}

/* The guest decides how often; whose log it would fill is not its affair. */
static void on_guest_error(const char *message, void *opaque)
{
	(void)message, (void)opaque;
}

static int64_t on_clock(void *opaque)
{
	struct timespec now;

	(void)opaque;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

/* What is waited for is asked for anew each time, by the thread that would be told. */
static void on_fd(int fd, void *opaque)
{
	(void)fd, (void)opaque;
}

static void on_notify(void *opaque)
{
	(void)opaque;
}

static struct in_addr address(unsigned int number, unsigned int host)
{
	return (struct in_addr){ .s_addr = htonl(10u << 24 | (2 + number) << 8 | host) };
}

static int slirp_forward(struct slirp_net *s, const struct net_config *config, struct in_addr guest)
{
	for (unsigned int i = 0; i < config->forwards; i++) {
		const struct net_forward *f = &config->forward[i];

		if (lib.forward(s->slirp, 0, f->address, f->host, guest, f->guest) < 0) {
			complain("--net user: fwd=%s:%u:%u: %s", inet_ntoa(f->address), f->host,
				 f->guest, strerror(errno));
			return -1;
		}
	}
	return 0;
}

/**
 * slirp_net_create() - make a network
 * @config: its forwards count
 * @number: of the network, below NETS_MAX
 * @receive: called for each frame to the guest, during slirp_net_poll() and _send()
 * @owner: for @receive
 *
 * Return: the network, or NULL after saying why not on standard error.
 */
struct slirp_net *slirp_net_create(const struct net_config *config, unsigned int number,
				   void (*receive)(void *owner, const void *frame, size_t len),
				   void *owner)
{
	/* Timers are only for router advertisements, of which IPv4 has none. */
	static const SlirpCb callbacks = {
		.send_packet = on_frame, .guest_error = on_guest_error, .clock_get_ns = on_clock,
		.register_poll_fd = on_fd, .unregister_poll_fd = on_fd, .notify = on_notify,
	};
	SlirpConfig slirp = {
		.version = 1, .in_enabled = true, .vnetwork = address(number, 0),
		.vnetmask.s_addr = htonl(0xffffff00), .vhost = address(number, HOST),
		.vdhcp_start = address(number, GUEST), .vnameserver = address(number, NAME_SERVER),
	};
	struct slirp_net *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->receive = receive;
	s->owner = owner;
	s->slirp = lib.create(&slirp, &callbacks, s);
	if (s->slirp && !slirp_forward(s, config, address(number, GUEST)))
		return s;
	if (!s->slirp)
		complain("--net user: libslirp makes no network");
	slirp_net_destroy(s);
	return NULL;
}

static int on_add_poll(int fd, int events, void *opaque)
{
	struct slirp_net *s = opaque;
	short wanted = 0;

	if (events & SLIRP_POLL_IN)
		wanted |= POLLIN;
	if (events & SLIRP_POLL_OUT)
		wanted |= POLLOUT;
	if (events & SLIRP_POLL_PRI)
		wanted |= POLLPRI;
	return polled_add(s->polled, fd, wanted);
}

static int on_events(int index, void *opaque)
{
	struct slirp_net *s = opaque;
	short seen;
	int events = 0;

	if (index < 0 || (unsigned int)index >= s->polled->count)
		return 0;
	seen = s->polled->fds[index].revents;
	if (seen & POLLIN)
		events |= SLIRP_POLL_IN;
	if (seen & POLLOUT)
		events |= SLIRP_POLL_OUT;
	if (seen & POLLPRI)
		events |= SLIRP_POLL_PRI;
	if (seen & POLLERR)
		events |= SLIRP_POLL_ERR;
	if (seen & POLLHUP)
		events |= SLIRP_POLL_HUP;
	return events;
}

/**
 * slirp_net_fill() - say what the network waits for
 * @s: the network
 * @polled: added to
 *
 * Return: for how many milliseconds at most, or -1.
 */
int slirp_net_fill(struct slirp_net *s, struct polled *polled)
{
	uint32_t timeout = INT32_MAX;

	s->polled = polled;
	lib.fill(s->slirp, &timeout, on_add_poll, s);
	return timeout >= INT32_MAX ? -1 : (int)timeout;
}

/**
 * slirp_net_poll() - let the network do what it waited for
 * @s: the network
 * @polled: from slirp_net_fill(), after poll()
 */
void slirp_net_poll(struct slirp_net *s, struct polled *polled)
{
	s->polled = polled;
	lib.poll(s->slirp, 0, on_events, s);
}

/* ARP, and IPv4 in one piece: the library knows more, which this network does not have. */
static bool is_wanted(const uint8_t *frame, size_t len)
{
	const uint8_t *ip = frame + ETH_HLEN;

	if (len < ETH_HLEN + sizeof(struct iphdr) || frame[12] != 0x08)
		return false;
	if (frame[13] == 0x06)
		return true;
	return !frame[13] && !((ip[6] << 8 | ip[7]) & (IP_MF | IP_OFFMASK));
}

/**
 * slirp_net_send() - a frame of the guest's
 * @s: the network
 * @frame: the frame
 * @len: bytes
 *
 * Fragments, among others, are lost. Where the library (4.7.0, Debian 12's) puts them together,
 * it follows pointers that come from the guest's data.
 */
void slirp_net_send(struct slirp_net *s, const void *frame, size_t len)
{
	if (!is_wanted(frame, len))
		return;
	lib.input(s->slirp, frame, len);
}

/**
 * slirp_net_destroy() - end all connections
 * @s: the network
 */
void slirp_net_destroy(struct slirp_net *s)
{
	if (s->slirp)
		lib.cleanup(s->slirp);
	free(s);
}
