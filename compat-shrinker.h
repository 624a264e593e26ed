/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How a module is asked for memory by the kernel: later ones allocate shrinkers themselves.
 */
#ifndef DITTO_COMPAT_SHRINKER_H
#define DITTO_COMPAT_SHRINKER_H

#include <linux/shrinker.h>
#include <linux/slab.h>

typedef unsigned long (*compat_shrink_fn)(struct shrinker *s, struct shrink_control *sc);

/* A shrinker that does not look at nodes or cgroups; NULL when out of memory. */
static inline struct shrinker *compat_shrinker_add(const char *name, compat_shrink_fn count,
						   compat_shrink_fn scan)
{
#ifdef DITTO_HAVE_SHRINKER_ALLOC
	struct shrinker *s = shrinker_alloc(0, "%s", name);

	if (!s)
		return NULL;
	s->count_objects = count;
	s->scan_objects = scan;
	s->seeks = DEFAULT_SEEKS;
	shrinker_register(s);
	return s;
#else
	struct shrinker *s = kzalloc(sizeof(*s), GFP_KERNEL);

	if (!s)
		return NULL;
	s->count_objects = count;
	s->scan_objects = scan;
	s->seeks = DEFAULT_SEEKS;
	if (!register_shrinker(s, "%s", name))
		return s;
	kfree(s);
	return NULL;
#endif
}

/* Waits for calls of it. */
static inline void compat_shrinker_remove(struct shrinker *s)
{
#ifdef DITTO_HAVE_SHRINKER_ALLOC
	shrinker_free(s);
#else
	unregister_shrinker(s);
	kfree(s);
#endif
}

#endif
