// SPDX-License-Identifier: GPL-2.0-only
/*
 * Inodes and directories of the file system of gmems. Directories live in the dentry cache,
 * as those of ramfs. A file's inode keeps its gmem, never the other way round: a gmem has an
 * inode of its own, which user mappings hang off, and which the file's borrows its address
 * space from. So a memslot can keep a gmem when file and mount are gone.
 */
#include <linux/fs.h>
#include <linux/namei.h>
#include <linux/slab.h>
#include <ditto.h>

#include "compat.h"
#include "gmem/file.h"
#include "gmem/fs.h"
#include "gmem/internal.h"

static const struct inode_operations fs_dir_iops;

static bool inodes_take(struct gmem_fs *fs)
{
	unsigned long max = READ_ONCE(fs->max_inodes);

	if (atomic_long_inc_return(&fs->inodes) <= max || !max)
		return true;
	atomic_long_dec(&fs->inodes);
	return false;
}

/* A regular file: an empty gmem. */
static int inode_add_gmem(struct inode *inode, struct gmem_fs *fs)
{
	u32 flags = fs->policy == DITTO_POLICY_OFF ? DITTO_GMEM_NO_MERGE :
						     DITTO_GMEM_POLICY(fs->policy);
	struct gmem *g = gmem_create_in(0, flags | READ_ONCE(fs->huge), fs->space, fs->domain);

	if (IS_ERR(g))
		return PTR_ERR(g);
	inode->i_private = g;
	inode->i_mapping = g->inode->i_mapping;
	inode->i_mapping->host = inode;	/* the kernel reads the file's size there */
	inode->i_op = &gmem_fs_file_iops;
	inode->i_fop = &gmem_fs_fops;
	return 0;
}

static int inode_equip(struct inode *inode, struct gmem_fs *fs)
{
	switch (inode->i_mode & S_IFMT) {
	case S_IFREG:
		return inode_add_gmem(inode, fs);
	case S_IFDIR:
		inode->i_op = &fs_dir_iops;
		inode->i_fop = &simple_dir_operations;
		inc_nlink(inode);
		return 0;
	default:
		inode->i_op = &simple_symlink_inode_operations;
		return 0;
	}
}

/**
 * gmem_fs_inode() - make an inode
 * @sb: of this mount
 * @dir: where it is going to be; NULL for the top directory
 * @mode: S_IFREG, S_IFDIR or S_IFLNK, and permissions
 *
 * Return: the inode or ERR_PTR: -ENOSPC, -ENOMEM.
 */
struct inode *gmem_fs_inode(struct super_block *sb, struct inode *dir, umode_t mode)
{
	struct gmem_fs *fs = sb->s_fs_info;
	struct inode *inode;
	int err;

	if (!inodes_take(fs))
		return ERR_PTR(-ENOSPC);
	inode = new_inode(sb);
	if (!inode) {
		atomic_long_dec(&fs->inodes);
		return ERR_PTR(-ENOMEM);
	}
	inode->i_ino = get_next_ino();
	compat_init_owner(inode, dir, mode);
	compat_inode_init_times(inode);
	err = inode_equip(inode, fs);
	if (!err)
		return inode;
	iput(inode);	/* counts it out */
	return ERR_PTR(err);
}

/**
 * gmem_fs_drop() - the end of an inode
 * @inode: made by gmem_fs_inode()
 */
void gmem_fs_drop(struct inode *inode)
{
	struct gmem_fs *fs = inode->i_sb->s_fs_info;
	struct gmem *g = inode->i_private;

	if (g) {
		g->inode->i_mapping->host = g->inode;
		inode->i_mapping = &inode->i_data;
		gmem_put(g);
	}
	atomic_long_dec(&fs->inodes);
}

static void dir_enter(struct inode *dir, struct dentry *dentry, struct inode *inode)
{
	compat_dentry_stays(dentry, inode);
	compat_inode_touch(dir);
}

static int dir_add_file(struct inode *dir, struct dentry *dentry, umode_t mode)
{
	struct inode *inode = gmem_fs_inode(dir->i_sb, dir, S_IFREG | mode);

	if (IS_ERR(inode))
		return PTR_ERR(inode);
	dir_enter(dir, dentry, inode);
	return 0;
}

static int dir_create(struct mnt_idmap *idmap, struct inode *dir, struct dentry *dentry,
		      umode_t mode COMPAT_CREATE_EXCL)
{
	return dir_add_file(dir, dentry, mode);
}

static int dir_mknod(struct mnt_idmap *idmap, struct inode *dir, struct dentry *dentry,
		     umode_t mode, dev_t dev)
{
	return S_ISREG(mode) ? dir_add_file(dir, dentry, mode) : -EPERM;
}

static int dir_make(struct inode *dir, struct dentry *dentry, umode_t mode)
{
	struct inode *inode = gmem_fs_inode(dir->i_sb, dir, S_IFDIR | mode);

	if (IS_ERR(inode))
		return PTR_ERR(inode);
	dir_enter(dir, dentry, inode);
	inc_nlink(dir);
	return 0;
}

static COMPAT_MKDIR dir_mkdir(struct mnt_idmap *idmap, struct inode *dir,
			      struct dentry *dentry, umode_t mode)
{
	return compat_mkdir_result(dir_make(dir, dentry, mode));
}

static int dir_symlink(struct mnt_idmap *idmap, struct inode *dir, struct dentry *dentry,
		       const char *target)
{
	char *link = kstrdup(target, GFP_KERNEL_ACCOUNT);
	struct inode *inode;

	if (!link)
		return -ENOMEM;
	inode = gmem_fs_inode(dir->i_sb, dir, S_IFLNK | 0777);
	if (IS_ERR(inode)) {
		kfree(link);
		return PTR_ERR(inode);
	}
	inode->i_link = link;
	i_size_write(inode, strlen(link));
	dir_enter(dir, dentry, inode);
	return 0;
}

static int dir_tmpfile(struct mnt_idmap *idmap, struct inode *dir, struct file *file,
		       umode_t mode)
{
	struct inode *inode = gmem_fs_inode(dir->i_sb, dir, mode);

	if (IS_ERR(inode))
		return finish_open_simple(file, PTR_ERR(inode));
	d_tmpfile(file, inode);
	return finish_open_simple(file, 0);
}

static const struct inode_operations fs_dir_iops = {
	.create = dir_create,
	.lookup = simple_lookup,
	.link = simple_link,
	.unlink = simple_unlink,
	.symlink = dir_symlink,
	.mkdir = dir_mkdir,
	.rmdir = simple_rmdir,
	.mknod = dir_mknod,
	.rename = simple_rename,
	.tmpfile = dir_tmpfile,
};
