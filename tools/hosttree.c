// SPDX-License-Identifier: GPL-2.0-only
/*
 * A folder of the host as a tree in memory: a copy, with owners, modes and hard links, of what
 * is on the folder's own file system. Sockets and devices are left out.
 */
#include "hosttree.h"
#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <limits.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/**
 * struct twin - a file that has more names than one
 * @dev, @ino: of the host's
 * @inode: the copy
 */
struct twin {
	dev_t dev;
	ino_t ino;
	struct file_inode *inode;
};

/**
 * struct copying - a folder that is being copied
 * @tree: to where
 * @twins: of tsearch()
 */
struct copying {
	struct filetree *tree;
	void *twins;
};

static int compare_twins(const void *a, const void *b)
{
	const struct twin *x = a, *y = b;

	if (x->dev != y->dev)
		return x->dev < y->dev ? -1 : 1;
	return x->ino < y->ino ? -1 : x->ino > y->ino;
}

static void set_status(struct file_inode *inode, const struct stat *st)
{
	inode->mode = st->st_mode;
	inode->uid = st->st_uid;
	inode->gid = st->st_gid;
	inode->mtime = st->st_mtime;
}

/* A path may lead elsewhere by now, if the folder is somebody else's. */
static int copy_contents(struct filetree *t, struct file_inode *inode, const FTSENT *e)
{
	static char piece[65536];
	int fd = open(e->fts_accpath, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK), ret = 0;
	struct stat st;
	ssize_t n;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0 || st.st_dev != e->fts_statp->st_dev ||
	    st.st_ino != e->fts_statp->st_ino)
		ret = -ESTALE;
	while (!ret && (n = read(fd, piece, sizeof(piece)))) {
		if (n > 0)
			ret = filetree_append(t, inode, piece, n);
		else if (errno != EINTR)
			ret = -errno;
	}
	close(fd);
	return ret;
}

static int copy_target(struct file_inode *inode, const char *path)
{
	char target[PATH_MAX];
	ssize_t n = readlink(path, target, sizeof(target));

	if (n < 0)
		return -errno;
	inode->target = n < PATH_MAX ? strndup(target, n) : NULL;
	inode->mode = S_IFLNK | 0777;
	return inode->target ? 0 : -ENOMEM;
}

static int copy_file(struct copying *c, const FTSENT *e, struct file_inode **made)
{
	struct file_inode *inode = filetree_inode(c->tree, 0);

	if (!inode)
		return -ENOMEM;
	set_status(inode, e->fts_statp);
	*made = inode;
	if (S_ISREG(inode->mode))
		return copy_contents(c->tree, inode, e);
	return S_ISLNK(inode->mode) ? copy_target(inode, e->fts_accpath) : 0;
}

static int copy_or_find(struct copying *c, const FTSENT *e, struct file_inode **inode)
{
	struct twin *twin, **found;
	int ret;

	if (e->fts_statp->st_nlink < 2 || S_ISDIR(e->fts_statp->st_mode))
		return copy_file(c, e, inode);
	twin = malloc(sizeof(*twin));
	if (!twin)
		return -ENOMEM;
	*twin = (struct twin){ .dev = e->fts_statp->st_dev, .ino = e->fts_statp->st_ino };
	found = tsearch(twin, &c->twins, compare_twins);
	if (!found || *found != twin) {
		free(twin);
		*inode = found ? (*found)->inode : NULL;
		return found ? 0 : -ENOMEM;
	}
	ret = copy_file(c, e, &twin->inode);
	*inode = twin->inode;
	return ret;
}

static bool is_copied(const FTSENT *e)
{
	return S_ISREG(e->fts_statp->st_mode) || S_ISLNK(e->fts_statp->st_mode) ||
	       S_ISDIR(e->fts_statp->st_mode) || S_ISFIFO(e->fts_statp->st_mode);
}

/* A folder's copy is its children's fts_pointer, which is where they are put. */
static int copy_entry(struct copying *c, FTSENT *e)
{
	struct file_node *parent = e->fts_level > 0 ? e->fts_parent->fts_pointer : NULL;
	struct file_inode *inode;
	int ret;

	switch (e->fts_info) {
	case FTS_DP:
		return 0;
	case FTS_DNR: case FTS_ERR: case FTS_NS:
		return -e->fts_errno;
	case FTS_DC:
		return -ELOOP;
	}
	if (!parent) {
		e->fts_pointer = c->tree->root;
		set_status(c->tree->root->inode, e->fts_statp);
		return 0;
	}
	if (!is_copied(e))
		return 0;
	ret = copy_or_find(c, e, &inode);
	if (!ret)
		ret = filetree_put(c->tree, parent, e->fts_name, inode, 0);
	if (!ret && S_ISDIR(inode->mode))
		e->fts_pointer = filetree_find(c->tree, parent, e->fts_name);
	return ret;
}

static void complain_of(const char *path, int err)
{
	complain("--rootfs: %s: %s", path,
		 err == -EFBIG ? "too much: it may be 1 GiB of files altogether" : strerror(-err));
}

static int copy_all(struct copying *c, FTS *fts, const char *dir)
{
	FTSENT *e;
	int ret;

	while ((e = fts_read(fts))) {
		ret = copy_entry(c, e);
		if (ret < 0) {
			complain_of(e->fts_path, ret);
			return -1;
		}
	}
	if (!errno)
		return 0;
	complain_of(dir, -errno);
	return -1;
}

/**
 * hosttree_add() - copy a folder
 * @t: empty; gets it
 * @dir: the folder
 *
 * Return: 0, or -1 after saying why not on standard error.
 */
int hosttree_add(struct filetree *t, const char *dir)
{
	char *paths[] = { realpath(dir, NULL), NULL };
	struct copying c = { .tree = t };
	struct stat st;
	FTS *fts = NULL;
	int ret = -1;

	if (paths[0] && !stat(paths[0], &st) && !S_ISDIR(st.st_mode))
		errno = ENOTDIR;
	else if (paths[0])
		fts = fts_open(paths, FTS_PHYSICAL | FTS_XDEV | FTS_NOCHDIR, NULL);
	if (fts) {
		ret = copy_all(&c, fts, dir);
		fts_close(fts);
	} else {
		complain_of(dir, -errno);
	}
	tdestroy(c.twins, free);
	free(paths[0]);
	return ret;
}
