// SPDX-License-Identifier: GPL-2.0-only
/*
 * How many pages the files of a mount have, and may have. An entry counts from its first
 * write until it is punched, whatever merging does with it meanwhile: so a page that was
 * merged can always be written again, and who fills a mount cannot tell by its free space
 * what others have in their memory.
 */
#include <linux/slab.h>

#include "gmem/internal.h"
#include "gmem/space.h"

/**
 * gmem_space_new() - a new mount's
 * @max: pages, 0 for no limit
 *
 * Return: it, with a reference, or NULL.
 */
struct gmem_space *gmem_space_new(unsigned long max)
{
	struct gmem_space *s = kzalloc(sizeof(*s), GFP_KERNEL);

	if (!s)
		return NULL;
	if (percpu_counter_init(&s->used, 0, GFP_KERNEL)) {
		kfree(s);
		return NULL;
	}
	refcount_set(&s->refs, 1);
	s->max = max;
	return s;
}

/**
 * gmem_space_put() - give back a reference
 * @s: the space, or NULL
 */
void gmem_space_put(struct gmem_space *s)
{
	if (!s || !refcount_dec_and_test(&s->refs))
		return;
	percpu_counter_destroy(&s->used);
	kfree(s);
}

/**
 * gmem_space_limit() - change the limit
 * @s: the space
 * @max: pages, 0 for no limit
 *
 * Return: 0, or -EINVAL when more are in use.
 */
int gmem_space_limit(struct gmem_space *s, unsigned long max)
{
	if (max && percpu_counter_compare(&s->used, max) > 0)
		return -EINVAL;
	WRITE_ONCE(s->max, max);
	return 0;
}

/**
 * gmem_space_take() - entries of a gmem are going to be written for the first time
 * @g: the gmem
 * @n: how many
 *
 * Near the limit, two who ask at once may both be refused.
 *
 * Return: false: there is no room.
 */
bool gmem_space_take(struct gmem *g, unsigned long n)
{
	struct gmem_space *s = g->space;
	unsigned long max;

	if (!s)
		return true;
	percpu_counter_add(&s->used, n);
	max = READ_ONCE(s->max);
	if (!max || percpu_counter_compare(&s->used, max) <= 0)
		return true;
	percpu_counter_sub(&s->used, n);
	return false;
}

/**
 * gmem_space_give() - entries have been punched, or not been written after all
 * @g: the gmem
 * @n: how many
 */
void gmem_space_give(struct gmem *g, unsigned long n)
{
	if (g->space && n)
		percpu_counter_sub(&g->space->used, n);
}
