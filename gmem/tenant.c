// SPDX-License-Identifier: GPL-2.0-only
/*
 * All gmems, by id, and those that take part in merging, by tenant. A tenant is a user
 * whose gmems may be made to wait for one another: the merge engine goes round the tenants,
 * not the gmems, so that a user with many gmems gets no larger share of it. Owns both
 * indexes and their locks. What a lookup finds is referenced before the lock is released.
 *
 * A user can create user namespaces and has many uids in them. So the tenant of a gmem is
 * the user who created the outermost user namespace that its owner is in. If that was root,
 * who runs containers for other people, the tenant is the owner's uid itself.
 */
#include <linux/cred.h>
#include <linux/slab.h>
#include <linux/user_namespace.h>
#include <linux/xarray.h>

#include "gmem/file.h"
#include "gmem/fork.h"
#include "gmem/hooks.h"
#include "gmem/internal.h"
#include "gmem/merge.h"
#include "gmem/sharers.h"
#include "gmem/tenant.h"

static DEFINE_XARRAY(gmems);		/* by id */
static DEFINE_XARRAY(tenants);		/* by uid */
static atomic64_t last_id;
static atomic_t nr_tenants;

/* Gmems summed up, or passed over, without a break. */
#define AT_A_TIME	64

static kuid_t tenant_uid(kuid_t uid, struct user_namespace *ns)
{
	if (ns == &init_user_ns)
		return uid;
	while (ns->parent != &init_user_ns)
		ns = ns->parent;
	return uid_eq(ns->owner, GLOBAL_ROOT_UID) ? uid : ns->owner;
}

/* The tenant of @key, with a reference, or NULL. */
static struct gmem_tenant *tenant_find(unsigned long key)
{
	struct gmem_tenant *t;

	xa_lock(&tenants);
	t = xa_load(&tenants, key);
	if (t)
		refcount_inc(&t->refs);
	xa_unlock(&tenants);
	return t;
}

static struct gmem_tenant *tenant_alloc(void)
{
	struct gmem_tenant *t = kzalloc(sizeof(*t), GFP_KERNEL_ACCOUNT);

	if (!t)
		return NULL;
	refcount_set(&t->refs, 1);
	xa_init_flags(&t->gmems, XA_FLAGS_ACCOUNT);
	mutex_init(&t->pass.lock);
	return t;
}

/**
 * gmem_tenant_get() - the tenant of an owner
 * @uid: the owner
 * @ns: its user namespace
 *
 * May sleep.
 *
 * Return: the tenant, with a reference, or NULL when out of memory.
 */
struct gmem_tenant *gmem_tenant_get(kuid_t uid, struct user_namespace *ns)
{
	unsigned long key = __kuid_val(tenant_uid(uid, ns));
	struct gmem_tenant *t, *new = NULL;
	void *old = NULL;

	for (;;) {
		t = tenant_find(key);
		if (t)
			break;
		if (!new)
			new = tenant_alloc();
		if (!new)
			return NULL;
		new->uid = key;
		old = xa_cmpxchg(&tenants, key, NULL, new, GFP_KERNEL_ACCOUNT);
		if (!old) {
			atomic_inc(&nr_tenants);
			return new;
		}
		if (xa_is_err(old))
			break;
	}
	kfree(new);
	return t;
}

/**
 * gmem_tenant_put() - give back a reference
 * @t: the tenant, or NULL
 */
void gmem_tenant_put(struct gmem_tenant *t)
{
	if (!t || refcount_dec_not_one(&t->refs))
		return;
	xa_lock(&tenants);
	if (!refcount_dec_and_test(&t->refs)) {
		xa_unlock(&tenants);
		return;
	}
	__xa_erase(&tenants, t->uid);
	xa_unlock(&tenants);
	kfree(t);
	if (atomic_dec_and_test(&nr_tenants))
		gmem_merge_idle();
}

/**
 * gmem_tenant_count() - the current user has one more of what has gmems
 * @what: of that
 * @max: as many as may be; 0: any number
 *
 * For who makes things that live by a user's gmems, and not by his processes. May sleep.
 *
 * Return: who is counted, for gmem_tenant_uncount(); ERR_PTR of -EAGAIN: there are @max, or of
 * -ENOMEM.
 */
struct gmem_tenant *gmem_tenant_count(enum gmem_counted what, unsigned int max)
{
	struct gmem_tenant *t = gmem_tenant_get(current_euid(), current_user_ns());

	if (!t)
		return ERR_PTR(-ENOMEM);
	if (atomic_inc_return(&t->counted[what]) <=
	    (max ? min(max, (unsigned int)INT_MAX) : INT_MAX))
		return t;
	gmem_tenant_uncount(t, what);
	return ERR_PTR(-EAGAIN);
}

/**
 * gmem_tenant_uncount() - and one less
 * @t: of gmem_tenant_count(), or NULL
 * @what: likewise
 */
void gmem_tenant_uncount(struct gmem_tenant *t, enum gmem_counted what)
{
	if (!t)
		return;
	atomic_dec(&t->counted[what]);
	gmem_tenant_put(t);
}

/**
 * gmem_tenant_at() - go round the tenants
 * @uid: where to look from
 *
 * Return: the first tenant whose uid is @uid or greater, with a reference, or NULL.
 */
struct gmem_tenant *gmem_tenant_at(unsigned long uid)
{
	XA_STATE(xas, &tenants, uid);
	struct gmem_tenant *t;

	xas_lock(&xas);
	t = xas_find(&xas, ULONG_MAX);
	if (t)
		refcount_inc(&t->refs);
	xas_unlock(&xas);
	return t;
}

/**
 * gmem_tenants() - count tenants
 *
 * Return: how many tenants there are.
 */
unsigned int gmem_tenants(void)
{
	return atomic_read(&nr_tenants);
}

/* The first gmem whose id is @id or greater, with a reference, or NULL. */
static struct gmem *find_gmem(struct xarray *xa, u64 id)
{
	XA_STATE(xas, xa, id);
	struct gmem *g;

	xas_lock(&xas);
	do {	/* only reserved, or about to be removed */
		g = xas_find(&xas, ULONG_MAX);
	} while (g && (xa_is_zero(g) || !kref_get_unless_zero(&g->ref)));
	xas_unlock(&xas);
	return g;
}

/**
 * gmem_at() - find a place in the order of all gmems again
 * @id: of a gmem, which may be gone
 *
 * Return: the first gmem whose id is @id or greater, with a reference, or NULL.
 */
struct gmem *gmem_at(u64 id)
{
	return find_gmem(&gmems, id);
}

/**
 * gmem_tenant_gmem() - find a place in the order of a tenant's gmems again
 * @t: the tenant
 * @id: of a gmem, which may be gone; becomes that of the one that is found
 *
 * Return: the first gmem of @t whose id is @id or greater, with a reference, or NULL.
 */
struct gmem *gmem_tenant_gmem(struct gmem_tenant *t, u64 *id)
{
	struct gmem *g = find_gmem(&t->gmems, *id);

	if (g)
		*id = g->id;
	return g;
}

/**
 * gmem_next() - walk over all gmems
 * @prev: the last one, whose reference is given back, or NULL to begin
 * @mergeable: only those that take part in merging
 *
 * Return: the next one, with a reference, or NULL at the end.
 */
struct gmem *gmem_next(struct gmem *prev, bool mergeable)
{
	u64 id;

	do {
		id = prev ? prev->id + 1 : 0;
		if (prev)
			gmem_put(prev);
		prev = find_gmem(&gmems, id);
	} while (prev && mergeable && !prev->tenant);
	return prev;
}

/**
 * gmem_search() - go on with a search of all gmems
 * @id: where to; becomes where to go on the next time, which is 0 at the end
 * @n: how many to look at
 * @wanted: the question, asked with the index' lock held; a gmem without references stays at
 *	least as long as that
 *
 * Return: the first that is wanted, with a reference; or NULL if none of @n is.
 */
struct gmem *gmem_search(u64 *id, unsigned int n, bool (*wanted)(struct gmem *g))
{
	XA_STATE(xas, &gmems, *id);
	struct gmem *g;

	*id = 0;
	xas_lock(&xas);
	xas_for_each(&xas, g, ULONG_MAX) {
		if (!n--) {
			*id = g->id;
			g = NULL;
			break;
		}
		if (wanted(g) && kref_get_unless_zero(&g->ref)) {
			*id = g->id + 1;
			break;
		}
	}
	xas_unlock(&xas);
	return g;
}

/**
 * gmem_register() - a new gmem can be found from now on
 * @g: complete except for its id; its tenant is known if it takes part in merging
 *
 * May sleep.
 *
 * Return: 0 or -ENOMEM.
 */
int gmem_register(struct gmem *g)
{
	int err;

	g->id = atomic64_inc_return(&last_id);
	/* Once it is in @gmems others hold references: nothing may fail after that. */
	if (g->tenant && xa_reserve(&g->tenant->gmems, g->id, GFP_KERNEL_ACCOUNT))
		return -ENOMEM;
	err = xa_err(xa_store(&gmems, g->id, g, GFP_KERNEL_ACCOUNT));
	if (!g->tenant)
		return err;
	if (err)
		xa_release(&g->tenant->gmems, g->id);
	else
		xa_store(&g->tenant->gmems, g->id, g, GFP_KERNEL_ACCOUNT);
	return err;
}

/**
 * gmem_unregister() - a gmem cannot be found any more
 * @g: without references; its tenant stays, until it has let go of its pages
 */
void gmem_unregister(struct gmem *g)
{
	if (g->tenant)
		xa_erase(&g->tenant->gmems, g->id);
	xa_erase(&gmems, g->id);
}

static void totals_add(struct gmem_totals *t, struct gmem *g)
{
	t->private_pages += atomic_long_read(&g->nr_private);
	t->shared_entries += atomic_long_read(&g->nr_shared);
	t->zeroed_entries += atomic_long_read(&g->nr_zeroed);
	t->pending_pages += atomic_long_read(&g->nr_pending);
	t->overhead += gmem_overhead(g);
}

/**
 * gmem_totals() - sum up all gmems that take part in merging
 * @t: the sums
 *
 * May sleep.
 */
void gmem_totals(struct gmem_totals *t)
{
	XA_STATE(xas, &gmems, 0);
	unsigned int n = 0;
	struct gmem *g;

	memset(t, 0, sizeof(*t));
	xas_lock(&xas);
	xas_for_each(&xas, g, ULONG_MAX) {
		if (g->tenant)
			totals_add(t, g);
		if (++n % AT_A_TIME)
			continue;
		xas_pause(&xas);
		xas_unlock(&xas);
		cond_resched();
		xas_lock(&xas);
	}
	xas_unlock(&xas);
	t->shared_pages = gmem_shared_pages();
}
