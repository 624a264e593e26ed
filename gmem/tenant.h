/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Whose gmems there are (tenant.c). What the merge engine sees of tenants is in merge.h.
 */
#ifndef DITTO_GMEM_TENANT_H
#define DITTO_GMEM_TENANT_H

#include <linux/types.h>
#include <linux/uidgid.h>

struct gmem;
struct gmem_tenant;
struct user_namespace;

struct gmem_tenant *gmem_tenant_get(kuid_t uid, struct user_namespace *ns);
struct gmem *gmem_at(u64 id);
struct gmem *gmem_search(u64 *id, unsigned int n, bool (*wanted)(struct gmem *g));
int gmem_register(struct gmem *g);
void gmem_unregister(struct gmem *g);

#endif
