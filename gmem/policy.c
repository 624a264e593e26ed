// SPDX-License-Identifier: GPL-2.0-only
/*
 * Policies: what a gmem's pages may be shared with. Owns their names, the default, and the
 * change from one to another. A policy comes down to a domain: pages are shared with pages of
 * the same domain only, and a gmem with the policy "self" has one of its own.
 *
 * The hard part is the change. A shared page belongs to one domain as long as it is there, so
 * what is merged has to be undone before the domain changes, while the engine must not merge
 * anew what is undone already. Therefore the policy is "off" meanwhile: the engine looks at it
 * with the chunk's lock held, before it freezes anything (gmem_cursor_has()), and undoing
 * takes the lock of each chunk after that.
 */
#include <linux/module.h>
#include <linux/string.h>
#include <ditto.h>

#include "gmem/domain.h"
#include "gmem/frame.h"
#include "gmem/internal.h"
#include "gmem/policy.h"

static const char *const policy_names[] = {
	[DITTO_POLICY_OFF] = "off",
	[DITTO_POLICY_ZERO] = "zero",
	[DITTO_POLICY_SELF] = "self",
	[DITTO_POLICY_SECURE] = "secure",
	[DITTO_POLICY_DOMAIN] = "domain",
};

static u32 policy_default = DITTO_POLICY_DOMAIN;

/**
 * gmem_policy_name() - how people call a policy
 * @policy: DITTO_POLICY_*
 *
 * Return: its name, or NULL if there is no such policy.
 */
const char *gmem_policy_name(u32 policy)
{
	return policy < ARRAY_SIZE(policy_names) ? policy_names[policy] : NULL;
}

/**
 * gmem_policy_by_name() - the policy of a name
 * @name: a blank or newline at its end does not count
 *
 * Return: DITTO_POLICY_*, or 0 if there is none.
 */
u32 gmem_policy_by_name(const char *name)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(policy_names); i++)
		if (policy_names[i] && sysfs_streq(name, policy_names[i]))
			return i;
	return 0;
}

static int policy_param_set(const char *val, const struct kernel_param *kp)
{
	u32 policy = gmem_policy_by_name(val);

	if (!policy)
		return -EINVAL;
	WRITE_ONCE(policy_default, policy);
	return 0;
}

static int policy_param_get(char *buf, const struct kernel_param *kp)
{
	return sysfs_emit(buf, "%s\n", policy_names[READ_ONCE(policy_default)]);
}

static const struct kernel_param_ops policy_param_ops = {
	.set = policy_param_set,
	.get = policy_param_get,
};
module_param_cb(policy, &policy_param_ops, NULL, 0644);
MODULE_PARM_DESC(policy,
		 "what a new gmem's pages may be shared with: off, zero, self, secure, domain");

static struct gmem_domain *policy_secure(struct gmem *g)
{
	if (!g->pool)
		WRITE_ONCE(g->pool, gmem_pool_new(g));
	if (g->pool && !g->secure)
		g->secure = gmem_domain_secure(g->home);
	return g->secure;
}

/* The domain that a policy means for a gmem; @policy_lock held, or nobody else knows it. */
static struct gmem_domain *policy_domain(struct gmem *g, u32 policy)
{
	if (policy == DITTO_POLICY_SECURE)
		return policy_secure(g);
	if (policy != DITTO_POLICY_SELF)
		return g->home;
	if (!g->self)
		g->self = gmem_domain_alone();
	return g->self;
}

/**
 * gmem_policy_begin() - a new gmem's policy
 * @g: the gmem, its home and max_policy known; nobody else knows it
 * @policy: DITTO_POLICY_*, or 0 for the default, or what @g may have if that is stricter
 *
 * Return: 0; -EPERM: more than @g may; -ENOMEM.
 */
int gmem_policy_begin(struct gmem *g, u32 policy)
{
	if (!policy)
		policy = min(READ_ONCE(policy_default), g->max_policy);
	if (policy > g->max_policy)
		return -EPERM;
	g->domain = policy_domain(g, policy);
	g->policy = policy;
	return g->domain ? 0 : -ENOMEM;
}

/* Who never merges shares by forks only, with its own. @policy_lock held. */
static struct gmem_domain *policy_family(struct gmem *g)
{
	if (!g->self)
		g->self = gmem_domain_alone();
	return g->self;
}

static void policy_inherit(struct gmem_domain **place, struct gmem_domain *d)
{
	if (d)
		refcount_inc(&d->refs);
	*place = d;
}

/**
 * gmem_policy_fork() - a fork's policy: its parent's
 * @g: the fork, which nobody else knows
 * @parent: its policy_lock is held
 *
 * The two share what was not written since. So they have one domain: under "self", too, where
 * pages that become equal later are merged across the forks of a gmem.
 *
 * Return: 0; -EOPNOTSUPP: of a gmem whose policy is "secure"; -ENOMEM.
 */
int gmem_policy_fork(struct gmem *g, struct gmem *parent)
{
	/*
	 * By the time that a first write takes, a fork would tell which gmems were written before.
	 */
	if (parent->policy == DITTO_POLICY_SECURE)
		return -EOPNOTSUPP;
	if (!parent->domain)
		WRITE_ONCE(parent->domain, policy_family(parent));
	if (!parent->domain)
		return -ENOMEM;
	g->max_policy = parent->max_policy;
	g->policy = parent->policy;
	policy_inherit(&g->home, parent->home);
	policy_inherit(&g->self, parent->self);
	g->domain = parent->domain;
	return 0;
}

/**
 * gmem_policy_end() - let go of the domains of a gmem
 * @g: the gmem, which has no pages any more
 */
void gmem_policy_end(struct gmem *g)
{
	gmem_pool_free(g->pool);
	gmem_domain_put(g->secure);
	gmem_domain_put(g->self);
	gmem_domain_put(g->home);
}

/* @policy_lock held. */
static int policy_change(struct gmem *g, u32 policy)
{
	struct gmem_domain *d = policy_domain(g, policy);
	u32 old = g->policy;
	int err;

	if (!d)
		return -ENOMEM;
	/* Seen under the lock of each chunk that is undone after this. */
	WRITE_ONCE(g->policy_changes, true);
	WRITE_ONCE(g->policy, DITTO_POLICY_OFF);
	/* Under "secure" an emptied entry would be told from others by the time of an access. */
	err = gmem_undo_merging(g, policy == DITTO_POLICY_OFF || policy == DITTO_POLICY_SECURE);
	if (err)
		policy = old;
	else
		WRITE_ONCE(g->domain, d);
	smp_wmb();	/* pairs with cursor_set(): the policy, then its domain */
	WRITE_ONCE(g->policy, policy);
	smp_store_release(&g->policy_changes, false);
	return err;
}

/**
 * gmem_set_policy() - change what a gmem's pages may be shared with
 * @g: the gmem
 * @policy: DITTO_POLICY_*, unchecked
 *
 * Process context, no lock held. Undoes what was merged, which takes time and memory.
 *
 * Return: 0; -EINVAL: no such policy; -EPERM: @g may not have it; -EBUSY: it can be reset, to
 * what has its policy of now; -ENOMEM, or -EINTR when a fatal signal came: nothing has changed, but
 * part of the merging is undone.
 */
int gmem_set_policy(struct gmem *g, u32 policy)
{
	int err;

	if (!gmem_policy_name(policy))
		return -EINVAL;
	if (policy > g->max_policy)
		return -EPERM;
	if (!g->home)
		return 0;	/* off, for good */
	if (g->base && policy != g->policy)
		return -EBUSY;
	err = mutex_lock_killable(&g->policy_lock);
	if (err)
		return err;
	if (g->policy != policy)
		err = policy_change(g, policy);
	mutex_unlock(&g->policy_lock);
	return err;
}

/**
 * gmem_policy_valid() - is there such a policy?
 * @policy: any number
 *
 * Return: whether it is a DITTO_POLICY_*.
 */
bool gmem_policy_valid(u32 policy)
{
	return gmem_policy_name(policy);
}

/**
 * gmem_limit_policy() - gmem_set_policy(), or what comes nearest
 * @g: the gmem
 * @policy: DITTO_POLICY_*; where it is more than @g may have, it gets the most that it may
 *
 * Return: as gmem_set_policy(), except for -EPERM.
 */
int gmem_limit_policy(struct gmem *g, u32 policy)
{
	return gmem_set_policy(g, min(policy, g->max_policy));
}

/**
 * gmem_has_policy() - would gmem_limit_policy() change nothing?
 * @g: the gmem
 * @policy: DITTO_POLICY_*
 *
 * Return: whether it has that policy, or the most that it may.
 */
bool gmem_has_policy(const struct gmem *g, u32 policy)
{
	return gmem_policy(g) == min(policy, g->max_policy);
}

/**
 * gmem_policy() - what a gmem's pages may be shared with
 * @g: the gmem
 *
 * Return: DITTO_POLICY_*.
 */
u32 gmem_policy(const struct gmem *g)
{
	return READ_ONCE(g->policy);
}
