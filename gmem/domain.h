/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Domains: gmems that may share pages with one another (domain.c).
 */
#ifndef DITTO_GMEM_DOMAIN_H
#define DITTO_GMEM_DOMAIN_H

#include <linux/atomic.h>
#include <linux/rcupdate.h>
#include <linux/refcount.h>
#include <linux/siphash.h>
#include <linux/types.h>
#include <linux/uidgid.h>

#include "gmem/internal.h"

struct user_namespace;

/* Longest name of a domain, with its NUL. */
#define GMEM_DOMAIN_NAME	32

/**
 * struct gmem_domain - gmems that may share pages with one another
 * @refs: of the gmems in it, and of a mount
 * @name: if it has one, or empty: then it is an owner's; constant
 * @uid: owner; constant
 * @ns: owner's user namespace, referenced; constant; NULL with a name
 * @secure: of gmems with that policy; constant
 * @key: of digests, so that none can be guessed; constant
 * @nr_shared: sum of the same of its gmems
 * @nr_shared_pages: shared pages that those entries point at
 * @nr_weighed: how many of them are in somebody's RSS (weight.c)
 * @node: in the table of domains; under its lock, read by RCU
 * @rcu: after the last reference
 */
struct gmem_domain {
	refcount_t refs;
	char name[GMEM_DOMAIN_NAME];
	kuid_t uid;
	struct user_namespace *ns;
	bool secure;
	hsiphash_key_t key;
	atomic_long_t nr_shared;
	atomic_long_t nr_shared_pages;
	atomic_long_t nr_weighed;
	struct hlist_node node;
	struct rcu_head rcu;
};

/* An entry of @g begins (1) or ceases (-1) to point at a shared page. */
static inline void gmem_count_shared(struct gmem *g, long n)
{
	atomic_long_add(n, &g->nr_shared);
	atomic_long_add(n, &g->domain->nr_shared);
}

/* domain.c */
struct gmem_domain *gmem_domain_get(kuid_t uid, struct user_namespace *ns);
struct gmem_domain *gmem_domain_named(const char *name);
struct gmem_domain *gmem_domain_alone(void);
struct gmem_domain *gmem_domain_secure(const struct gmem_domain *home);
void gmem_domain_put(struct gmem_domain *d);

/* index.c */
void gmem_count_shared_page(struct gmem_domain *d, long n);

#endif
