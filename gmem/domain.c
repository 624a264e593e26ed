// SPDX-License-Identifier: GPL-2.0-only
/*
 * Domains: which gmems may share pages. By default there is one per owner, that is uid and
 * user namespace; others have a name, and only a user who may mount gives gmems to them; and a gmem
 * that shares with itself only has one that nobody finds. A domain
 * lives as long as a gmem of it, or a mount. A shared page lives only as long
 * as an entry of such a gmem points at it, so it may point at its domain without a
 * reference.
 */
#include <linux/hashtable.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <linux/user_namespace.h>

#include "gmem/domain.h"

static DEFINE_HASHTABLE(domains, 8);
static DEFINE_SPINLOCK(domains_lock);

/**
 * struct domain_key - what tells domains apart
 * @name: or empty
 * @uid: of the owner, where there is no name
 * @ns: its user namespace, or NULL where there is a name
 * @secure: of gmems with that policy
 */
struct domain_key {
	const char *name;
	kuid_t uid;
	struct user_namespace *ns;
	bool secure;
};

static u32 domain_hash(const struct domain_key *k)
{
	if (*k->name)
		return full_name_hash(NULL, k->name, strlen(k->name));
	return hash_long((unsigned long)k->ns ^ __kuid_val(k->uid), 32);
}

/* In an RCU section, or with the lock held. */
static struct gmem_domain *domain_find(const struct domain_key *k)
{
	struct gmem_domain *d;

	hash_for_each_possible_rcu(domains, d, node, domain_hash(k),
				   lockdep_is_held(&domains_lock))
		if (!strcmp(d->name, k->name) && uid_eq(d->uid, k->uid) && d->ns == k->ns &&
		    d->secure == k->secure && refcount_inc_not_zero(&d->refs))
			return d;
	return NULL;
}

static struct gmem_domain *domain_alloc(const struct domain_key *k)
{
	struct gmem_domain *d = kzalloc(sizeof(*d), GFP_KERNEL_ACCOUNT);

	if (!d)
		return NULL;
	refcount_set(&d->refs, 1);
	strscpy(d->name, k->name, sizeof(d->name));
	d->uid = k->uid;
	d->secure = k->secure;
	d->ns = k->ns ? get_user_ns(k->ns) : NULL;
	get_random_bytes(&d->key, sizeof(d->key));
	return d;
}

static struct gmem_domain *domain_get(const struct domain_key *k)
{
	struct gmem_domain *d, *new;

	rcu_read_lock();
	d = domain_find(k);
	rcu_read_unlock();
	if (d)
		return d;
	new = domain_alloc(k);
	if (!new)
		return NULL;
	spin_lock(&domains_lock);
	d = domain_find(k);
	if (!d)
		hash_add_rcu(domains, &new->node, domain_hash(k));
	spin_unlock(&domains_lock);
	if (!d)
		return new;
	put_user_ns(new->ns);
	kfree(new);
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
	struct domain_key k = { .name = "", .uid = uid, .ns = ns };

	return domain_get(&k);
}

/**
 * gmem_domain_named() - the domain of a name
 * @name: not empty, and shorter than GMEM_DOMAIN_NAME
 *
 * May sleep.
 *
 * Return: the domain, with a reference, or NULL when out of memory.
 */
struct gmem_domain *gmem_domain_named(const char *name)
{
	struct domain_key k = { .name = name };

	return domain_get(&k);
}

/**
 * gmem_domain_secure() - where gmems of a domain share when their policy is "secure"
 * @home: the domain
 *
 * Of the same name; without one all owners share, as none of them can tell.
 *
 * Return: the domain, with a reference, or NULL when out of memory.
 */
struct gmem_domain *gmem_domain_secure(const struct gmem_domain *home)
{
	struct domain_key k = { .name = home->name, .secure = true };

	return domain_get(&k);
}

/**
 * gmem_domain_alone() - a domain that nobody else can find
 *
 * May sleep.
 *
 * Return: the domain, with a reference, or NULL when out of memory.
 */
struct gmem_domain *gmem_domain_alone(void)
{
	struct domain_key k = { .name = "" };
	struct gmem_domain *d = domain_alloc(&k);

	if (d)
		INIT_HLIST_NODE(&d->node);
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
	if (!hlist_unhashed(&d->node))
		hash_del_rcu(&d->node);
	spin_unlock(&domains_lock);
	put_user_ns(d->ns);
	kfree_rcu(d, rcu);
}
