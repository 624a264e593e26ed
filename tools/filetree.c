// SPDX-License-Identifier: GPL-2.0-only
/*
 * A tree of files that exists in this process's memory only, put together from what others
 * wrote and written out as an archive for a guest. Whatever its names and links say, nothing
 * of the host is reached through them: a path is walked in the tree, whose root is the end of
 * every "..". What is removed is freed with the tree.
 */
#include "cpio.h"
#include "filetree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINKS_MAX	40	/* on the way to one file, as Linux has it */
#define NAME_BYTES	255

/**
 * struct walk - a path that is being followed
 * @tree: in which
 * @at: how far
 * @layer: of folders that are missing and are made
 * @links: how many were followed
 */
struct walk {
	struct filetree *tree;
	struct file_node *at;
	unsigned int layer, links;
};

static size_t bucket_of(const struct filetree *t, const struct file_node *parent, const char *name)
{
	uint64_t hash = t->seed ^ (uintptr_t)parent;

	for (; *name; name++)
		hash = (hash ^ (uint8_t)*name) * 0x100000001b3ULL;
	return (hash ^ hash >> 32) % FILETREE_BUCKETS;
}

/**
 * filetree_inode() - make a file, which has no name yet
 * @t: the tree
 * @mode: with the type
 *
 * Return: the file, root's and empty; NULL: no memory.
 */
struct file_inode *filetree_inode(struct filetree *t, uint32_t mode)
{
	struct file_inode *inode = calloc(1, sizeof(*inode));

	if (!inode)
		return NULL;
	inode->mode = mode;
	inode->all = t->inodes;
	t->inodes = inode;
	return inode;
}

static struct file_node *new_node(struct filetree *t, struct file_node *parent, const char *name)
{
	size_t len = strlen(name);
	struct file_node *node = calloc(1, sizeof(*node) + len + 1);

	if (!node)
		return NULL;
	memcpy(node->name, name, len + 1);
	node->parent = parent;
	node->path_len = parent ? parent->path_len + 1 + len : 0;
	node->all = t->nodes;
	t->nodes = node;
	t->count++;
	return node;
}

/**
 * filetree_init() - begin with an empty root
 * @t: filled in; filetree_destroy() it whatever is returned
 *
 * Return: 0 or -errno.
 */
int filetree_init(struct filetree *t)
{
	*t = (struct filetree){ .contents = memfd_create("files", MFD_CLOEXEC) };
	if (t->contents < 0)
		return -errno;
	t->bucket = calloc(FILETREE_BUCKETS, sizeof(struct file_node *));
	t->root = new_node(t, NULL, "");
	if (!t->bucket || !t->root)
		return -ENOMEM;
	t->root->inode = filetree_inode(t, S_IFDIR | 0755);
	if (getrandom(&t->seed, sizeof(t->seed), 0) != sizeof(t->seed))
		return -errno;
	return t->root->inode ? 0 : -ENOMEM;
}

/**
 * filetree_destroy() - free everything
 * @t: from filetree_init()
 */
void filetree_destroy(struct filetree *t)
{
	while (t->nodes) {
		struct file_node *node = t->nodes;

		t->nodes = node->all;
		free(node);
	}
	while (t->inodes) {
		struct file_inode *inode = t->inodes;

		t->inodes = inode->all;
		free(inode->target);
		free(inode);
	}
	free(t->bucket);
	if (t->contents >= 0)
		close(t->contents);
	*t = (struct filetree){ .contents = -1 };
}

/**
 * filetree_append() - more of a file's contents; nothing of another file comes between them
 * @t: the tree
 * @inode: a regular file of it
 * @data: what
 * @len: how much
 *
 * Return: 0; -EFBIG: it would be more than FILETREE_BYTES_MAX altogether; or -errno.
 */
int filetree_append(struct filetree *t, struct file_inode *inode, const void *data, size_t len)
{
	if (len > FILETREE_BYTES_MAX - t->used)
		return -EFBIG;
	if (!inode->size)
		inode->at = t->used;
	while (len) {
		ssize_t n = pwrite(t->contents, data, len, t->used);

		if (n < 0)
			return -errno;
		data = (const char *)data + n;
		len -= n;
		t->used += n;
		inode->size += n;
	}
	return 0;
}

/**
 * filetree_find() - the file of that name in a folder
 * @t: the tree
 * @parent: the folder
 * @name: without "/"
 *
 * Return: NULL if there is none.
 */
struct file_node *filetree_find(struct filetree *t, struct file_node *parent, const char *name)
{
	struct file_node *node = t->bucket[bucket_of(t, parent, name)];

	while (node && (node->parent != parent || strcmp(node->name, name)))
		node = node->chain;
	return node;
}

static void unlink_node(struct filetree *t, struct file_node *node)
{
	struct file_node **link = &t->bucket[bucket_of(t, node->parent, node->name)];

	while (*link != node)
		link = &(*link)->chain;
	*link = node->chain;
	if (node->before)
		node->before->next = node->next;
	else
		node->parent->child = node->next;
	if (node->next)
		node->next->before = node->before;
}

/**
 * filetree_remove() - take a name away, and all below it
 * @t: the tree
 * @node: not the root
 */
void filetree_remove(struct filetree *t, struct file_node *node)
{
	while (node->child)
		filetree_remove(t, node->child);
	unlink_node(t, node);
}

/**
 * filetree_hide() - take away what is from lower layers
 * @t: the tree
 * @node: a name
 * @layer: the number of the lowest that stays
 * @itself: @node goes, too, unless it is of that layer, or something stays below it
 */
void filetree_hide(struct filetree *t, struct file_node *node, unsigned int layer, bool itself)
{
	/* Once is enough: what is from lower layers does not come back. */
	struct file_node *child = node->hidden == layer ? NULL : node->child, *next;

	node->hidden = layer;
	for (; child; child = next) {
		next = child->next;
		filetree_hide(t, child, layer, true);
	}
	if (itself && !node->child && node->layer < layer)
		unlink_node(t, node);
}

static int link_node(struct filetree *t, struct file_node *parent, const char *name,
		     struct file_inode *inode, unsigned int layer)
{
	struct file_node *node, **bucket = &t->bucket[bucket_of(t, parent, name)];
	size_t len = parent->path_len + 1 + strlen(name) +
		     (inode->target ? strlen(inode->target) : 0);

	if (strlen(name) > NAME_BYTES ||
	    parent->path_len + 1 + strlen(name) > FILETREE_PATH_MAX)
		return -ENAMETOOLONG;
	if (t->count >= FILETREE_NODES_MAX)
		return -ENFILE;
	if (len > FILETREE_BYTES_MAX - t->paths)
		return -EFBIG;
	t->paths += len;
	node = new_node(t, parent, name);
	if (!node)
		return -ENOMEM;
	node->inode = inode;
	node->layer = layer;
	node->next = parent->child;
	if (node->next)
		node->next->before = node;
	parent->child = node;
	node->chain = *bucket;
	*bucket = node;
	return 0;
}

/**
 * filetree_put() - give a file a name, in place of who had it
 * @t: the tree
 * @parent: a folder
 * @name: without "/", not "." or ".."
 * @inode: the file; if it is a folder, and that is one, it has its contents, too
 * @layer: the number of the layer that it is from
 *
 * Return: 0; -ENAMETOOLONG; -ENFILE: FILETREE_NODES_MAX; or -ENOMEM.
 */
int filetree_put(struct filetree *t, struct file_node *parent, const char *name,
		 struct file_inode *inode, unsigned int layer)
{
	struct file_node *node = filetree_find(t, parent, name);

	if (node && S_ISDIR(node->inode->mode) && S_ISDIR(inode->mode)) {
		/* The one that it had takes memory until the end, and so counts. */
		if (t->count >= FILETREE_NODES_MAX)
			return -ENFILE;
		t->count++;
		node->inode = inode;
		node->layer = layer;
		return 0;
	}
	if (node)
		filetree_remove(t, node);
	return link_node(t, parent, name, inode, layer);
}

static int follow(struct walk *w, const char *path, size_t len);

static int make_folder(struct walk *w, const char *name)
{
	struct file_inode *inode = filetree_inode(w->tree, S_IFDIR | 0755);

	return inode ? link_node(w->tree, w->at, name, inode, w->layer) : -ENOMEM;
}

static int follow_link(struct walk *w, const char *target)
{
	if (++w->links > LINKS_MAX)
		return -ELOOP;
	if (*target == '/')
		w->at = w->tree->root;
	return follow(w, target, strlen(target));
}

/* One step down. A folder that nobody has told of has to be there all the same. */
static int enter(struct walk *w, const char *name)
{
	struct file_node *node = filetree_find(w->tree, w->at, name);
	int ret = 0;

	if (!node) {
		ret = make_folder(w, name);
		node = ret ? NULL : filetree_find(w->tree, w->at, name);
	}
	if (!node)
		return ret;
	if (S_ISLNK(node->inode->mode))
		return follow_link(w, node->inode->target);
	if (!S_ISDIR(node->inode->mode))
		return -ENOTDIR;
	w->at = node;
	return 0;
}

static int follow(struct walk *w, const char *path, size_t len)
{
	const char *end = path + len;
	char name[NAME_BYTES + 1];
	int ret = 0;

	while (path < end && !ret) {
		size_t n = strcspn(path, "/");

		if (n > (size_t)(end - path))
			n = end - path;
		if (n > NAME_BYTES)
			return -ENAMETOOLONG;
		memcpy(name, path, n);
		name[n] = '\0';
		path += n + (path + n < end);
		if (!n || !strcmp(name, "."))
			continue;
		if (strcmp(name, ".."))
			ret = enter(w, name);
		else if (w->at->parent)
			w->at = w->at->parent;
	}
	return ret;
}

static bool goes_up(const char *path)
{
	while (*path) {
		size_t n = strcspn(path, "/");

		if (n == 2 && path[0] == '.' && path[1] == '.')
			return true;
		path += n + (path[n] == '/');
	}
	return false;
}

/**
 * filetree_parent() - the folder that a path leads to, and the name of the path's file in it
 * @t: the tree; folders on the way that are missing are made
 * @path: from the root on, with or without "/" or "." before it
 * @layer: whose
 * @parent: the folder; symbolic links on the way are followed within the tree
 * @name: 256 bytes; empty: it is the root itself
 *
 * Return: 0; -EXDEV: it has ".." in it; -ELOOP; -ENOTDIR: a file is in the way; or -errno.
 */
int filetree_parent(struct filetree *t, const char *path, unsigned int layer,
		    struct file_node **parent, char *name)
{
	struct walk w = { .tree = t, .at = t->root, .layer = layer };
	size_t len = strlen(path), start;
	int ret;

	if (goes_up(path))
		return -EXDEV;
	while (len && (path[len - 1] == '/' ||
		       (path[len - 1] == '.' && (len == 1 || path[len - 2] == '/'))))
		len--;
	for (start = len; start && path[start - 1] != '/'; start--)
		;
	if (len - start > NAME_BYTES)
		return -ENAMETOOLONG;
	ret = follow(&w, path, start);
	memcpy(name, path + start, len - start);
	name[len - start] = '\0';
	*parent = w.at;
	return ret;
}

/**
 * struct writing - an archive that is being written
 * @f: where to
 * @contents: of the tree's files
 * @number: of the last file
 * @pages: of all so far
 * @path: of the file that is written now
 */
struct writing {
	FILE *f;
	const char *contents;
	unsigned int number;
	uint64_t pages;
	char path[FILETREE_PATH_MAX + 1];
};

/*
 * The first name of a file has the contents; the others say that they are names of the same. Of
 * symbolic links Linux makes no such names: each has where it leads.
 */
static void write_node(struct writing *w, const struct file_node *node)
{
	struct file_inode *inode = node->inode;
	struct cpio_entry e = { .name = node->parent ? w->path : ".", .mode = inode->mode,
				.uid = inode->uid, .gid = inode->gid, .mtime = inode->mtime,
				.names = S_ISDIR(inode->mode) ? 2 : inode->names };

	if (!inode->number || inode->target) {
		e.data = inode->target ?: w->contents + inode->at;
		e.len = inode->target ? strlen(inode->target) : inode->size;
		/* One for itself, which is what a limit of their number allows for. */
		w->pages += (e.len + 4095) / 4096 ?: 1;
	}
	if (!inode->number)
		inode->number = ++w->number;
	e.number = inode->number;
	cpio_put(w->f, &e);
}

static void write_below(struct writing *w, struct file_node *node, size_t path_len)
{
	write_node(w, node);
	for (struct file_node *child = node->child; child; child = child->next) {
		size_t len = path_len;

		if (len)
			w->path[len++] = '/';
		strcpy(w->path + len, child->name);
		write_below(w, child, len + strlen(child->name));
		w->path[path_len] = '\0';
	}
}

static void count_names(struct file_node *node)
{
	node->inode->names++;
	for (struct file_node *child = node->child; child; child = child->next)
		count_names(child);
}

/**
 * filetree_write() - write everything as an archive that Linux unpacks, once
 * @t: the tree
 * @f: where to
 *
 * Return: 0 or -errno.
 */
int filetree_write(struct filetree *t, FILE *f)
{
	struct writing w = { .f = f };
	void *contents = NULL;

	if (t->used) {
		contents = mmap(NULL, t->used, PROT_READ, MAP_SHARED, t->contents, 0);
		if (contents == MAP_FAILED)
			return -errno;
	}
	w.contents = contents;
	count_names(t->root);
	write_below(&w, t->root, 0);
	cpio_end(f);
	t->pages = w.pages;
	if (contents)
		munmap(contents, t->used);
	return ferror(f) ? -EIO : 0;
}
