// SPDX-License-Identifier: GPL-2.0-only
/*
 * The one extended attribute of a file of gmems: user.ditto.policy, the name of what its pages
 * may be shared with. A process that may write to the file may change it; what the mount allows is
 * the most (gmem/policy.c).
 */
#include <linux/fs.h>
#include <linux/string.h>
#include <linux/xattr.h>

#include "compat.h"
#include "gmem/fs.h"
#include "gmem/gmem.h"
#include "gmem/policy.h"

/* Longest name of a policy that anybody could mean, with its NUL. */
#define POLICY_LEN	16

static int xattr_get(const struct xattr_handler *handler, struct dentry *dentry,
		     struct inode *inode, const char *name, void *buffer, size_t size)
{
	const char *policy;
	size_t len;

	if (!S_ISREG(inode->i_mode))
		return -ENODATA;
	policy = gmem_policy_name(gmem_policy(inode->i_private));
	len = strlen(policy);
	if (!buffer)
		return len;
	if (size < len)
		return -ERANGE;
	memcpy(buffer, policy, len);
	return len;
}

static int xattr_set(const struct xattr_handler *handler, struct mnt_idmap *idmap,
		     struct dentry *dentry, struct inode *inode, const char *name,
		     const void *value, size_t size, int flags)
{
	char policy[POLICY_LEN] = "";

	if (!S_ISREG(inode->i_mode) || !value)
		return -EOPNOTSUPP;
	if (flags & XATTR_CREATE)
		return -EEXIST;
	if (size >= sizeof(policy))
		return -EINVAL;
	memcpy(policy, value, size);
	return gmem_set_policy(inode->i_private, gmem_policy_by_name(policy));
}

static const struct xattr_handler policy_handler = {
	.name = "user.ditto.policy",
	.get = xattr_get,
	.set = xattr_set,
};

/* Where the kernel's pointer is const, and where it is not. */
const struct xattr_handler *gmem_fs_xattrs[] = { &policy_handler, NULL };
