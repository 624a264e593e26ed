// SPDX-License-Identifier: GPL-2.0-only
/*
 * Network devices: what --net says, and what both kinds have in common. What is behind them
 * is in net_user.c (a network inside this process, which needs no rights) and net_tap.c (an
 * interface of the host, served by its kernel).
 */
#include "net.h"
#include "vm.h"
#include "util.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

static bool parse_port(const char *text, uint16_t *port)
{
	unsigned int value;

	if (!parse_uint(text, &value) || !value || value > UINT16_MAX)
		return false;
	*port = value;
	return true;
}

/* [ADDRESS:]HOSTPORT:GUESTPORT; what has no address is for this host only. */
static const char *net_parse_forward(struct net_config *net, char *text)
{
	struct net_forward *f = &net->forward[net->forwards];
	char *guest = strrchr(text, ':'), *host;

	if (net->forwards == FORWARDS_MAX)
		return "too many forwards";
	if (!guest)
		return "not a forward as in fwd=8080:80";
	*guest++ = '\0';
	host = strrchr(text, ':');
	f->address.s_addr = htonl(INADDR_LOOPBACK);
	if (host) {
		*host++ = '\0';
		if (!inet_aton(text, &f->address))
			return "a forward's address is not one as in 192.0.2.1";
	}
	if (!parse_port(host ?: text, &f->host) || !parse_port(guest, &f->guest))
		return "a forward's ports are numbers from 1 to 65535";
	net->forwards++;
	return NULL;
}

/* Six pairs of digits: sscanf() takes spaces, signs and more for parts of a number. */
static bool is_mac(const char *text)
{
	for (int i = 0; i < 17; i++)
		if (i % 3 == 2 ? text[i] != ':' : !isxdigit((unsigned char)text[i]))
			return false;
	return !text[17];
}

static const char *net_parse_mac(struct net_config *net, const char *text)
{
	unsigned int byte[ETH_ALEN], any = 0;

	if (!is_mac(text) ||
	    sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x", &byte[0], &byte[1], &byte[2], &byte[3],
		   &byte[4], &byte[5]) != ETH_ALEN)
		return "not an address as in mac=02:00:00:00:00:01";
	for (int i = 0; i < ETH_ALEN; i++) {
		net->mac[i] = byte[i];
		any |= byte[i];
	}
	if (byte[0] & 1 || !any)
		return "mac= is not the address of one interface";
	net->has_mac = true;
	return NULL;
}

static const char *net_parse_tap(struct net_config *net, const char *name)
{
	size_t len = strlen(name);

	if (!len || len >= sizeof(net->tap))
		return "tap= is no interface's name";
	for (const char *p = name; *p; p++)
		if (*p == '/' || *p == '%' || isspace((unsigned char)*p))
			return "tap= is no interface's name";
	memcpy(net->tap, name, len + 1);
	return NULL;
}

static const char *net_parse_option(struct net_config *net, char *option)
{
	if (!strncmp(option, "mac=", 4))
		return net_parse_mac(net, option + 4);
	if (strncmp(option, "fwd=", 4))
		return "what follows is neither fwd= nor mac=";
	if (*net->tap)
		return "only `user' forwards ports";
	return net_parse_forward(net, option + 4);
}

static const char *net_parse_words(struct net_config *net, char *text)
{
	const char *wrong = NULL;
	char *save, *word = strtok_r(text, ",", &save);

	if (word && !strncmp(word, "tap=", 4))
		wrong = net_parse_tap(net, word + 4);
	else if (!word || strcmp(word, "user"))
		wrong = "neither user, nor tap=INTERFACE, nor none";
	while (!wrong && (word = strtok_r(NULL, ",", &save)))
		wrong = net_parse_option(net, word);
	return wrong;
}

/**
 * net_parse() - understand user[,fwd=...][,mac=...] or tap=INTERFACE[,mac=...]
 * @net: filled in
 * @arg: the text
 *
 * Return: NULL, or what is wrong with it.
 */
const char *net_parse(struct net_config *net, const char *arg)
{
	char *text = strdup(arg);
	const char *wrong;

	*net = (struct net_config){ .tap_fd = -1, .vhost_fd = -1 };
	wrong = text ? net_parse_words(net, text) : strerror(ENOMEM);
	free(text);
	return wrong;
}

/* An address that nobody gave away, of those that everybody may use. */
static int net_choose_mac(struct net_config *net)
{
	if (net->has_mac)
		return 0;
	if (getrandom(net->mac, sizeof(net->mac), 0) != sizeof(net->mac)) {
		complain("--net: no address: %s", strerror(errno));
		return -1;
	}
	net->mac[0] = (net->mac[0] & ~1) | 2;
	return 0;
}

/**
 * net_open() - open what is behind a network device
 * @net: parsed; net_close() it whatever is returned
 *
 * Return: 0, or -1 after saying why not on standard error.
 */
int net_open(struct net_config *net)
{
	if (net_choose_mac(net) < 0)
		return -1;
	return *net->tap ? net_tap_open(net) : net_user_open(net);
}

/**
 * net_close() - forget it; after the machine
 * @net: parsed
 */
void net_close(struct net_config *net)
{
	if (net->vhost_fd >= 0)
		close(net->vhost_fd);
	if (net->tap_fd >= 0)
		close(net->tap_fd);
	net->vhost_fd = net->tap_fd = -1;
}

/**
 * nets_create() - give a machine the network devices it was configured with
 * @nets: filled in; nets_destroy() it whatever is returned
 * @vm: has its board and its memory
 *
 * Return: 0, or -1 after saying why not on standard error.
 */
int nets_create(struct nets *nets, struct vm *vm)
{
	for (unsigned int i = 0; i < vm->config->nets; i++) {
		struct net *net = &nets->net[i];

		*net = (struct net){ .config = &vm->config->net[i], .index = i };
		snprintf(net->label, sizeof(net->label), "net %u", i);
		if (net->config->create(net, vm) < 0)
			return -1;
		nets->count++;
	}
	return 0;
}

/**
 * nets_destroy() - close everything
 * @nets: from nets_create(), or zeroed; the bus is stopped
 */
void nets_destroy(struct nets *nets)
{
	for (; nets->count; nets->count--)
		nets->net[nets->count - 1].destroy(&nets->net[nets->count - 1]);
}
