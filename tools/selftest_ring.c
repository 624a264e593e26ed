// SPDX-License-Identifier: GPL-2.0-only
/*
 * Self-test of ring.c, with nothing of a machine: rings in memory that ends where RAM ends,
 * wrong in every way, then a million chains at random, while another thread writes over all
 * of it. Whatever comes out has to lie in RAM. TAP on standard output; "make check" runs it.
 */
#include "ring.h"
#include "util.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define RAM_BYTES	(1 * MIB)
#define NUM		16
#define DESC		0x1000
#define AVAIL		0x2000
#define USED		0x3000
#define DATA		0x8000
#define CHAINS		1000000

static struct ram ram;
static struct ring ring;
static struct chain chain;
static struct virtio_queue queue = { .num = NUM, .desc = DESC, .avail = AVAIL, .used = USED };
static unsigned int tests, failed;

static void result(bool ok, const char *name)
{
	printf("%sok %u - %s\n", ok ? "" : "not ", ++tests, name);
	failed += !ok;
}

/* RAM with nothing behind it. */
static bool ram_make(void)
{
	uint8_t *p = mmap(NULL, RAM_BYTES + 2 * PAGE_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);

	if (p == MAP_FAILED)
		return false;
	ram = (struct ram){ .size = RAM_BYTES, .host = p + PAGE_BYTES, .gmem_fd = -1 };
	return !mprotect(ram.host, RAM_BYTES, PROT_READ | PROT_WRITE);
}

static void fresh(void)
{
	memset(ram.host, 0, RAM_BYTES);
	if (ring_begin(&ring, &queue, &ram) < 0)
		abort();
}

static void describe(unsigned int i, uint64_t addr, uint32_t len, uint16_t flags, uint16_t next)
{
	ring.parts.desc[i] = (struct vring_desc){ addr, len, flags, next };
}

static void offer(uint16_t head)
{
	ring.parts.avail->ring[ring.parts.avail->idx % NUM] = head;
	ring.parts.avail->idx++;
}

static bool ends_with(const char *why)
{
	bool ok = !ring_next(&ring, &chain) && ring.error && !strcmp(ring.error, why);

	/* For good. */
	return ok && !ring_next(&ring, &chain) && !ring_wants_interrupt(&ring);
}

static void places(void)
{
	static const struct virtio_queue bad[] = {
		{ .num = 0, .desc = DESC, .avail = AVAIL, .used = USED },
		{ .num = 3, .desc = DESC, .avail = AVAIL, .used = USED },
		{ .num = 512, .desc = DESC, .avail = AVAIL, .used = USED },
		{ .num = 1u << 31, .desc = DESC, .avail = AVAIL, .used = USED },
		{ .num = NUM, .desc = DESC + 8, .avail = AVAIL, .used = USED },
		{ .num = NUM, .desc = DESC, .avail = AVAIL + 1, .used = USED },
		{ .num = NUM, .desc = DESC, .avail = AVAIL, .used = USED + 2 },
		{ .num = NUM, .desc = RAM_BYTES - 16 * NUM + 16, .avail = AVAIL, .used = USED },
		{ .num = NUM, .desc = DESC, .avail = RAM_BYTES - 2 * NUM - 4, .used = USED },
		{ .num = NUM, .desc = DESC, .avail = AVAIL, .used = RAM_BYTES - 8 * NUM - 4 },
		{ .num = NUM, .desc = -16ull, .avail = AVAIL, .used = USED },
		{ .num = NUM, .desc = RAM_HOLE_START, .avail = AVAIL, .used = USED },
	};
	struct virtio_queue last = { .num = NUM, .desc = RAM_BYTES - 16 * NUM,
				     .avail = RAM_BYTES - 2 * NUM - 6,
				     .used = RAM_BYTES - 8 * NUM - 8 };
	bool ok = true;

	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++)
		ok &= ring_begin(&ring, &bad[i], &ram) < 0 && !ring.num;
	result(ok, "rings where there is no room for them");
	result(!ring_begin(&ring, &last, &ram), "rings up to the end of memory");
}

static void wrong_chains(void)
{
	static const struct {
		struct vring_desc d[2];
		const char *why;
	} bad[] = {
		{ { { DATA, 1, VRING_DESC_F_NEXT, 0 } }, "a chain is a loop" },
		{ { { DATA, 1, VRING_DESC_F_NEXT, 1 }, { DATA, 1, VRING_DESC_F_NEXT, 0 } },
		  "a chain is a loop" },
		{ { { DATA, 1, VRING_DESC_F_NEXT, NUM } }, "a chain goes on outside of the table" },
		{ { { DATA, 1, VRING_DESC_F_INDIRECT, 0 } },
		  "a descriptor of a kind that was not offered" },
		{ { { DATA, 1, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 1 }, { DATA, 1, 0, 0 } },
		  "a readable descriptor behind a writable one" },
		{ { { DATA, 0, 0, 0 } }, "a descriptor of no bytes" },
		{ { { DATA, UINT32_MAX, 0, 0 } }, "an address without memory" },
		{ { { RAM_BYTES - 7, 8, 0, 0 } }, "an address without memory" },
		{ { { -8ull, 16, 0, 0 } }, "an address without memory" },
	};
	bool ok = true;

	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		fresh();
		memcpy(ring.parts.desc, bad[i].d, sizeof(bad[i].d));
		offer(0);
		ok &= ends_with(bad[i].why) && chain.readable + chain.writable <= NUM;
	}
	result(ok, "chains that are none, each with its reason");
}

static void wrong_indices(void)
{
	bool ok;

	fresh();
	offer(NUM);
	ok = ends_with("a chain goes on outside of the table");
	fresh();
	ring.parts.avail->idx = NUM + 1;
	ok &= ends_with("more is available than it has");
	fresh();
	ring.parts.avail->idx = -1;
	ok &= ends_with("more is available than it has");
	result(ok, "indices that jump");
}

/* Around the end of the index, in pieces, and back. */
static void right_chains(void)
{
	uint8_t text[] = "what the driver wrote", copy[sizeof(text)];
	bool ok = true;

	fresh();
	for (unsigned int i = 0; i < 70000; i++) {
		memcpy(ram.host + DATA, text, sizeof(text));
		describe(3, DATA, 5, VRING_DESC_F_NEXT, 7);
		describe(7, DATA + 5, sizeof(text) - 5, VRING_DESC_F_NEXT, 1);
		describe(1, DATA + 64, 3, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 2);
		describe(2, RAM_BYTES - 100, 100, VRING_DESC_F_WRITE, 0);
		offer(3);
		ok &= ring_next(&ring, &chain) && chain.readable == 2 && chain.writable == 2;
		ok &= chain_read(&chain, copy, sizeof(copy)) == sizeof(text);
		ok &= !memcmp(copy, text, sizeof(text)) && chain_room(&chain) == 103;
		ok &= chain_write(&chain, 2, text, sizeof(text)) == sizeof(text);
		ok &= ram.host[DATA + 66] == 'w';
		ok &= !memcmp(ram.host + RAM_BYTES - 100, text + 1, 20);
		ok &= chain_write(&chain, 100, text, sizeof(text)) == 3;
		ok &= chain_read(&chain, copy, 2) == sizeof(text);
		ring_complete(&ring, chain.head, i);
		ok &= ring.parts.used->idx == (uint16_t)(i + 1) && !ring_next(&ring, &chain);
		ok &= ring.parts.used->ring[i % NUM].id == 3;
		ok &= ring.parts.used->ring[i % NUM].len == i;
	}
	result(ok && !ring.error, "chains around the end of the index");
	ring.parts.avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
	ok = !ring_wants_interrupt(&ring);
	ring.parts.avail->flags = 0;
	ok &= ring_wants_interrupt(&ring);
	ring_spare_kicks(&ring);
	ok &= ring.parts.used->flags == VRING_USED_F_NO_NOTIFY && !ring_want_kicks(&ring);
	offer(3);
	ok &= ring_want_kicks(&ring) && !ring.parts.used->flags && ring_next(&ring, &chain);
	ring_put_back(&ring);
	result(ok && ring_next(&ring, &chain), "what is suppressed, and what is put back");
}

static uint64_t next_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	return *seed ^= *seed << 17;
}

static _Atomic bool done;

/* The guest's other CPU: mostly what may be right, so that chains get long. */
static void *scribble(void *arg)
{
	struct vring_desc *desc = (void *)(ram.host + DESC);
	uint64_t seed = 88172645463325252ull, r;

	(void)arg;
	while (!done) {
		volatile struct vring_desc *d = &desc[next_random(&seed) % NUM];

		r = next_random(&seed);
		d->addr = r & 0xff ? r % RAM_BYTES : r;
		d->len = r & 0xff00 ? (r >> 16) % 3000 : r >> 32;
		d->flags = r & 0xf0000 ? (r >> 20) & 3 : r >> 40;
		d->next = r & 0xf00000 ? (r >> 24) % NUM : r >> 48;
	}
	return NULL;
}

static bool in_ram(const struct iovec *b)
{
	uint8_t *at = b->iov_base;

	return b->iov_len && at >= ram.host && b->iov_len <= RAM_BYTES &&
	       at <= ram.host + RAM_BYTES - b->iov_len;
}

static bool chain_in_ram(void)
{
	unsigned int count = chain.readable + chain.writable;
	bool ok = chain.head < NUM && count && count <= NUM;

	for (unsigned int i = 0; i < count && ok; i++)
		ok = in_ram(&chain.buffer[i]);
	return ok;
}

static void at_random(void)
{
	uint64_t seed = 362436069362436069ull;
	unsigned int right = 0, wrong = 0;
	pthread_t thread;
	bool ok = true;

	fresh();
	if (pthread_create(&thread, NULL, scribble, NULL))
		abort();
	while (right + wrong < CHAINS && ok) {
		if (!ring.num)
			ring_begin(&ring, &queue, &ram);
		ring.parts.avail->ring[ring.avail % NUM] = next_random(&seed) % (NUM + 1);
		ring.parts.avail->idx = ring.avail + 1;
		if (ring_next(&ring, &chain)) {
			ok = chain_in_ram();
			ring_complete(&ring, chain.head, 0);
			right++;
		} else {
			ok = ring.error && !ring.num;
			wrong++;
		}
	}
	done = true;
	pthread_join(thread, NULL);
	printf("# %u chains, %u refused\n", right, wrong);
	result(ok && right > CHAINS / 100 && wrong > CHAINS / 100, "a million chains at random");
}

int main(void)
{
	puts("TAP version 13\n1..7");
	if (!ram_make())
		return 1;
	places();
	wrong_chains();
	wrong_indices();
	right_chains();
	at_random();
	return failed || tests != 7;
}
