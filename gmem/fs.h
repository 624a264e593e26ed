/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The file system of gmems (fs*.c): a mount, and what its files share.
 */
#ifndef DITTO_GMEM_FS_H
#define DITTO_GMEM_FS_H

#include <linux/fs.h>
#include <linux/types.h>
#include <linux/uidgid.h>
#include <linux/xattr.h>

struct gmem;
struct gmem_domain;
struct gmem_space;

/**
 * struct gmem_fs - a mount
 * @space: its files' pages, referenced
 * @domain: its files', referenced; NULL: each its owner's
 * @policy: its files', DITTO_POLICY_*, which may not have a greater one; 0: the default
 * @huge: which of its files get 2 MiB at a time: flags of a gmem; changed by a remount
 * @max_inodes: limit, 0 for none; changed by a remount, read without
 * @inodes: how many there are
 * @uid: owner of the top directory; constant, as all that follows
 * @gid: its group
 * @mode: its mode
 */
struct gmem_fs {
	struct gmem_space *space;
	struct gmem_domain *domain;
	u32 policy;
	u32 huge;
	unsigned long max_inodes;
	atomic_long_t inodes;
	kuid_t uid;
	kgid_t gid;
	umode_t mode;
};

/* fs_dir.c */
struct inode *gmem_fs_inode(struct super_block *sb, struct inode *dir, umode_t mode);
void gmem_fs_drop(struct inode *inode);

/* fs_file.c */
extern const struct file_operations gmem_fs_fops;
extern const struct inode_operations gmem_fs_file_iops;
int gmem_allocate(struct gmem *g, pgoff_t start, pgoff_t end);

/* fs_clone.c, and fork.c for it */
loff_t gmem_fs_clone(struct file *in, loff_t pos_in, struct file *out, loff_t pos_out,
		     loff_t len, unsigned int flags);
int gmem_fork_over(struct gmem *from, struct gmem *to);

/* fs_xattr.c */
extern const struct xattr_handler *gmem_fs_xattrs[];

#endif
