/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef DITTO_FILETREE_H
#define DITTO_FILETREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#ifndef FILETREE_BYTES_MAX	/* the test's are smaller */
#define FILETREE_BYTES_MAX	(1ULL << 30)	/* of all files: what begins as a guest's RAM */
#define FILETREE_NODES_MAX	(1u << 20)
#endif
#define FILETREE_PATH_MAX	4000		/* Linux unpacks no longer one */
#define FILETREE_BUCKETS	65536

/**
 * struct file_inode - a file, whatever it is called
 * @all: the next one that was made
 * @mode: with its type: a folder, a regular file, a symbolic link or a FIFO
 * @uid, @gid, @mtime: as usual
 * @at, @size: where its contents are among the tree's
 * @target: of a symbolic link
 * @names: while it is written: how many there are
 * @number: while it is written, or 0
 */
struct file_inode {
	struct file_inode *all;
	uint32_t mode, uid, gid;
	uint64_t mtime, at, size;
	char *target;
	unsigned int names, number;
};

/**
 * struct file_node - a name of a file
 * @parent: the folder, or NULL: the root
 * @child: the first in it
 * @next, @before: its neighbours in its folder
 * @chain: the next of its bucket
 * @all: the next that was made
 * @inode: the file
 * @layer: the number of the layer that it is from
 * @hidden: the last layer that took away what is below it from lower ones
 * @path_len: of its path, from the root on
 * @name: without any "/"
 */
struct file_node {
	struct file_node *parent, *child, *next, *before, *chain, *all;
	struct file_inode *inode;
	unsigned int layer, hidden;
	size_t path_len;
	char name[];
};

/**
 * struct filetree - files in memory, which are nobody's yet
 * @root: its root
 * @bucket: of names
 * @seed: that nobody can guess which names share one
 * @nodes, @inodes: all that were made
 * @count: of nodes
 * @contents: of all files, one behind the other
 * @used: bytes of those
 * @paths: bytes of all paths, and of where links lead
 * @unpacked: bytes of all layers so far
 * @pages: once it is written: how many of 4096 bytes its files take when they are unpacked
 */
struct filetree {
	struct file_node *root;
	struct file_node **bucket;
	uint64_t seed;
	struct file_node *nodes;
	struct file_inode *inodes;
	unsigned int count;
	int contents;
	uint64_t used, paths, unpacked, pages;
};

int filetree_init(struct filetree *t);
void filetree_destroy(struct filetree *t);
struct file_inode *filetree_inode(struct filetree *t, uint32_t mode);
int filetree_append(struct filetree *t, struct file_inode *inode, const void *data, size_t len);
int filetree_parent(struct filetree *t, const char *path, unsigned int layer,
		    struct file_node **parent, char *name);
struct file_node *filetree_find(struct filetree *t, struct file_node *parent, const char *name);
int filetree_put(struct filetree *t, struct file_node *parent, const char *name,
		 struct file_inode *inode, unsigned int layer);
void filetree_remove(struct filetree *t, struct file_node *node);
void filetree_hide(struct filetree *t, struct file_node *node, unsigned int layer, bool itself);
int filetree_write(struct filetree *t, FILE *f);

#endif
