// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sixteen random bytes that show a leak. They are left in freed pages and freed
 * kernel objects, and fill a neighbour's memory; whoever finds them in an answer of the
 * kernel or in its guest has read memory that was not theirs. The process itself keeps
 * only their complement, so no pointer into it can find them.
 */
#include <stdlib.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>

#include "fuzz.h"

#define SPRAY_PAGES	(8 * MIB)

static u8 hidden[SECRET_SIZE];

static u8 secret_byte(size_t i)
{
	return hidden[i % SECRET_SIZE] ^ 0xff;
}

void secret_make(struct rng *r)
{
	rng_fill(r, hidden, sizeof(hidden));
}

void secret_fill(void *buffer, size_t size)
{
	u8 *p = buffer;

	for (size_t i = 0; i < size; i++)
		p[i] = secret_byte(i);
}

bool secret_is_all(const void *buffer, size_t size)
{
	const volatile u8 *p = buffer;

	for (size_t i = 0; i < size; i++)
		if (p[i] != secret_byte(i))
			return false;
	return true;
}

/* A run of the secret may begin in the middle of it, so any rotation of its bytes counts. */
static bool is_secret(const u8 *p)
{
	const u8 *start = memchr(hidden, p[0] ^ 0xff, SECRET_SIZE);
	unsigned int i, from;

	if (!start)
		return false;
	from = start - hidden;
	for (i = 1; i < SECRET_SIZE; i++)
		if (p[i] != secret_byte(from + i))
			return false;
	return true;
}

void secret_search(const void *buffer, size_t size, const char *where)
{
	const u8 *p = buffer;

	/* Runs of zeros, which most of memory is, are passed over by words. */
	for (size_t i = 0; i + SECRET_SIZE <= size; i++) {
		while (!(i & 7) && i + 8 <= size && !*(const u64 *)(p + i))
			i += 8;
		if (i + SECRET_SIZE <= size && is_secret(p + i))
			fail("freed or foreign memory at offset %#zx of %s", i, where);
	}
}

/* Pages: those of a mapping that goes away at once. */
static void spray_pages(void)
{
	void *p = mmap(NULL, SPRAY_PAGES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		       -1, 0);

	if (p == MAP_FAILED)
		return;
	madvise(p, SPRAY_PAGES, MADV_NOHUGEPAGE);
	secret_fill(p, SPRAY_PAGES);
	munmap(p, SPRAY_PAGES);
}

/* Objects: messages, which the kernel keeps in the caches that ioctls are copied to. */
static void spray_objects(size_t size)
{
	struct { long type; u8 text[4096]; } message = { 1 };
	int queue = msgget(IPC_PRIVATE, 0600), sent = 0;

	if (queue < 0)
		return;
	secret_fill(message.text, size);
	while (sent < 64 && !msgsnd(queue, &message, size, IPC_NOWAIT))
		sent++;
	while (sent-- > 0 && msgrcv(queue, &message, size, 0, IPC_NOWAIT) >= 0)
		;
	msgctl(queue, IPC_RMID, NULL);
}

void secret_spray(void)
{
	static const size_t sizes[] = { 16, 48, 80, 144, 208, 464, 976, 2000, 4000 };

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
		spray_objects(sizes[i]);
	spray_pages();
}
