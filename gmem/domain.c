// SPDX-License-Identifier: GPL-2.0-only
/*
 * Domains: which gmems may share pages. By default there is one per owner, that is uid and
 * user namespace. A domain lives as long as a gmem of it. A shared page lives only as long
 * as an entry of such a gmem points at it, so it may point at its domain without a
 * reference.
 */
#include <linux/hashtable.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <linux/user_namespace.h>

#include "gmem/internal.h"

static DEFINE_HASHTABLE(domains, 8);
static DEFINE_SPINLOCK(domains_lock);

static u32 domain_hash(kuid_t uid, struct user_namespace *ns)
{
	return hash_long((unsigned long)ns ^ __kuid_val(uid), 32);
}

/* In an RCU section, or with the lock held. */
static struct gmem_domain *domain_find(kuid_t uid, struct user_namespace *ns)
{
	struct gmem_domain *d;

	hash_for_each_possible_rcu(domains, d, node, domain_hash(uid, ns),
				   lockdep_is_held(&domains_lock))
		if (uid_eq(d->uid, uid) && d->ns == ns && refcount_inc_not_zero(&d->refs))
			return d;
	return NULL;
}

static struct gmem_domain *domain_alloc(kuid_t uid, struct user_namespace *ns)
{
	struct gmem_domain *d = kzalloc(sizeof(*d), GFP_KERNEL_ACCOUNT);

	if (!d)
		return NULL;
	refcount_set(&d->refs, 1);
	d->uid = uid;
	d->ns = get_user_ns(ns);
	get_random_bytes(&d->key, sizeof(d->key));
	return d;
}

/**
 * gmem_domain_get() - the domain of an owner
 * @uid: the owner
 * @ns: its user namespace
 *
 * Takes a lock only for an owner's first gmem. May sleep.
 *
 * Return: the domain, with a reference, or NULL when out of memory.
 */
struct gmem_domain *gmem_domain_get(kuid_t uid, struct user_namespace *ns)
{
	struct gmem_domain *d, *new;

	rcu_read_lock();
	d = domain_find(uid, ns);
	rcu_read_unlock();
	if (d)
		return d;
	new = domain_alloc(uid, ns);
	if (!new)
		return NULL;
	spin_lock(&domains_lock);
	d = domain_find(uid, ns);
	if (!d)
		hash_add_rcu(domains, &new->node, domain_hash(uid, ns));
	spin_unlock(&domains_lock);
	if (!d)
		return new;
	put_user_ns(new->ns);
	kfree(new);
	return d;
}

/**
 * gmem_domain_put() - give back a reference
 * @d: the domain, or NULL
 */
void gmem_domain_put(struct gmem_domain *d)
{
	if (!d || !refcount_dec_and_test(&d->refs))
		return;
	spin_lock(&domains_lock);
	hash_del_rcu(&d->node);
	spin_unlock(&domains_lock);
	put_user_ns(d->ns);
	kfree_rcu(d, rcu);
}
