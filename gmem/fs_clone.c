// SPDX-License-Identifier: GPL-2.0-only
/*
 * FICLONE: a file becomes a fork of another of the same mount (fork.c). Owns what can be asked
 * for: a whole file, in the place of one that is not longer. Parts of files would need entries
 * that are shared one by one, and who copies a part gets it copied (copy_file_range).
 */
#include <linux/fs.h>

#include "compat.h"
#include "gmem/fs.h"

/* Of regular files of one mount, opened for it: the kernel has looked. Their inodes are locked. */
static int clone_check(struct inode *in, struct inode *out, loff_t pos_in, loff_t pos_out,
		       loff_t len)
{
	loff_t size = i_size_read(in);

	if (in == out || IS_SWAPFILE(in) || IS_SWAPFILE(out))
		return -EINVAL;
	if (pos_in || pos_out || (len && len != size) || i_size_read(out) > size)
		return -EOPNOTSUPP;
	return inode_newsize_ok(out, size);
}

static int clone_locked(struct file *file_in, struct file *file_out, loff_t pos_in,
			loff_t pos_out, loff_t len)
{
	struct inode *in = file_inode(file_in), *out = file_inode(file_out);
	int err = clone_check(in, out, pos_in, pos_out, len);

	if (err || !i_size_read(in))
		return err;
	err = file_modified(file_out) ?: gmem_fork_over(in->i_private, out->i_private);
	if (!err)
		i_size_write(out, i_size_read(in));
	return err;
}

/**
 * gmem_fs_clone() - remap_file_range of a file: FICLONE, FICLONERANGE
 * @in: the file that is forked
 * @pos_in: must be 0
 * @out: the file that becomes the same
 * @pos_out: must be 0
 * @len: 0, or the size of @in
 * @flags: REMAP_FILE_*; pages that are equal are not looked for here
 *
 * Return: how many bytes; -EINVAL: the same file twice, or a flag; -EOPNOTSUPP: part of a file,
 * or a longer one, or as gmem_fork_over().
 */
loff_t gmem_fs_clone(struct file *in, loff_t pos_in, struct file *out, loff_t pos_out,
		     loff_t len, unsigned int flags)
{
	loff_t size;
	int err;

	if (flags & ~REMAP_FILE_ADVISORY)
		return -EINVAL;
	lock_two_nondirectories(file_inode(in), file_inode(out));
	size = i_size_read(file_inode(in));
	err = clone_locked(in, out, pos_in, pos_out, len);
	unlock_two_nondirectories(file_inode(in), file_inode(out));
	return err ?: size;
}
