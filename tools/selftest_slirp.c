// SPDX-License-Identifier: GPL-2.0-only
/*
 * Self-test of slirp.c with the library itself: a guest's echo request has an answer, one in
 * fragments has none, and frames at random leave the network alive. TAP on standard output;
 * "make check" runs it.
 */
#include "slirp.h"
#include "net.h"
#include "util.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FRAMES	200000
#define IP	14
#define ICMP	(IP + 20)
#define DATA	16
#define LEN	(ICMP + DATA)

static struct slirp_net *net;
static unsigned int tests, failed, answers;

static void result(bool ok, const char *name)
{
	printf("%sok %u - %s\n", ok ? "" : "not ", ++tests, name);
	failed += !ok;
}

static void on_receive(void *owner, const void *frame, size_t len)
{
	(void)owner;
	answers += len > ICMP && !memcmp((const char *)frame + 12, "\x08\x00", 2);
}

static void put_sum(uint8_t *at, const uint8_t *from, size_t len)
{
	uint32_t sum = 0;

	at[0] = at[1] = 0;
	for (size_t i = 0; i < len; i += 2)
		sum += from[i] << 8 | from[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	at[0] = ~sum >> 8;
	at[1] = ~sum;
}

/* Who the guest is, so that there is somebody to answer. */
static void send_arp(void)
{
	static const uint8_t arp[42] = "\xff\xff\xff\xff\xff\xff\2\0\0\0\0\1\x08\6"
				       "\0\1\x08\0\6\4\0\1\2\0\0\0\0\1\x0a\0\2\x0f"
				       "\0\0\0\0\0\0\x0a\0\2\2";

	slirp_net_send(net, arp, sizeof(arp));
}

/* @part: 0: all of it; 1, 2: its halves. */
static size_t make_echo(uint8_t *frame, unsigned int part)
{
	static const uint8_t head[ICMP] = "\x52\x55\x0a\0\2\2\2\0\0\0\0\1\x08\0"
					  "\x45\0\0\0\0\7\0\0\x40\1\0\0\x0a\0\2\x0f\x0a\0\2\2";
	uint8_t icmp[DATA] = { 8, 0, 0, 0, 0, 1, 0, 1, 'd', 'i', 't', 't', 'o' };
	size_t len = part ? DATA / 2 : DATA;

	put_sum(icmp + 2, icmp, sizeof(icmp));
	memcpy(frame, head, sizeof(head));
	memcpy(frame + ICMP, icmp + (part == 2 ? DATA / 2 : 0), len);
	frame[IP + 3] = 20 + len;
	frame[IP + 6] = part == 1 ? 0x20 : 0;
	frame[IP + 7] = part == 2 ? DATA / 2 / 8 : 0;
	put_sum(frame + IP + 10, frame + IP, 20);
	return ICMP + len;
}

static bool answered(unsigned int first, unsigned int last)
{
	uint8_t frame[LEN];

	answers = 0;
	for (unsigned int part = first; part <= last; part++)
		slirp_net_send(net, frame, make_echo(frame, part));
	return answers;
}

/* Fragments above all: lengths, places and protocols at random, sums that are right. */
static void send_at_random(void)
{
	static const uint8_t protocols[] = { 1, 17, 17, 17, 0 };
	uint8_t frame[IP + 1500];
	size_t len = ICMP + 2 * (random() % 740);

	make_echo(frame, 0);
	for (size_t i = ICMP; i < len; i++)
		frame[i] = random();
	frame[IP + 2] = (len - IP) >> 8;
	frame[IP + 3] = len - IP;
	frame[IP + 5] = random() % 3;
	frame[IP + 6] = random() % 2 << 5;
	frame[IP + 7] = random() % 4 * (random() % 40);
	frame[IP + 9] = protocols[random() % ARRAY_SIZE(protocols)];
	frame[IP + 19] = random() % 2 ? 2 : 77;
	put_sum(frame + IP + 10, frame + IP, 20);
	slirp_net_send(net, frame, len);
}

int main(void)
{
	static const struct net_config config = { .tap_fd = -1, .vhost_fd = -1 };

	if (slirp_load() < 0) {
		printf("1..0 # SKIP no libslirp\n");
		return 0;
	}
	net = slirp_net_create(&config, 0, on_receive, NULL);
	if (!net)
		return 1;
	send_arp();
	result(answered(0, 0), "an echo has an answer");
	result(!answered(1, 2), "one in fragments has none");
	for (int i = 0; i < FRAMES; i++)
		send_at_random();
	result(answered(0, 0), "after frames at random");
	slirp_net_destroy(net);
	printf("1..%u\n", tests);
	return !!failed;
}
