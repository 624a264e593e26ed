// SPDX-License-Identifier: GPL-2.0-only
/*
 * A layer of an image: a tar archive (POSIX's, with what GNU and pax add for long names and
 * large numbers) whose files come over those of the layers below, and which says by names
 * with ".wh." before them what is not to be seen of those. It is applied to a tree in memory:
 * nothing of it ever is a file of the host. Sockets and devices are left out.
 */
#include "layer.h"
#include "util.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define BLOCK		512u
#define LONG_MAX_BYTES	(MIB)	/* of a long name, and of pax's records */
#define TARGET_MAX	4095
#define HIDES		".wh."
#define HIDES_ALL	".wh..wh..opq"

struct head {
	char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], sum[8], type, link[100];
	char magic[8], user[32], group[32], major[8], minor[8], prefix[155], rest[12];
};
_Static_assert(sizeof(struct head) == BLOCK, "tar's head");

/**
 * struct entry - a file of the archive
 * @name, @link: its path, and where it leads or whose other name it is; to be freed
 * @type: as in the head
 * @mode, @uid, @gid, @size, @mtime: as usual
 * @has: which of those that follow a long one were said before the head
 */
struct entry {
	char *name, *link;
	char type;
	uint64_t mode, uid, gid, size, mtime;
	bool has_uid, has_gid, has_size, has_mtime;
};

/**
 * struct layer - a layer that is being applied
 * @tree: to which
 * @s: from where
 * @number: of the layer
 * @why: what is wrong, where that is not an errno
 */
struct layer {
	struct filetree *tree;
	struct stream *s;
	unsigned int number;
	const char *why;
};

static int wrong(struct layer *l, const char *why)
{
	l->why = why;
	return -EINVAL;
}

/* Octal digits between blanks, or with the first bit set a number of so many bytes. */
static bool number_of(const char *field, size_t len, uint64_t *value)
{
	const uint8_t *at = (const uint8_t *)field, *end = at + len;

	*value = 0;
	if (*at & 0x80) {
		if (*at != 0x80)	/* negative, or beyond 64 bits */
			return false;
		for (at++; at < end; at++) {
			if (*value >> 56)
				return false;
			*value = *value << 8 | *at;
		}
		return true;
	}
	while (at < end && *at == ' ')
		at++;
	for (; at < end && *at >= '0' && *at <= '7'; at++)
		*value = *value << 3 | (*at - '0');
	return at == end || !*at || *at == ' ';
}

static bool sum_is_right(const struct head *h)
{
	const uint8_t *bytes = (const uint8_t *)h;
	uint64_t sum = 0, said;

	for (size_t i = 0; i < BLOCK; i++)
		sum += i >= offsetof(struct head, sum) &&
		       i < offsetof(struct head, sum) + sizeof(h->sum) ? ' ' : bytes[i];
	return number_of(h->sum, sizeof(h->sum), &said) && said == sum;
}

static int skip(struct layer *l, uint64_t len)
{
	static uint8_t block[BLOCK];
	int ret = 1;

	for (uint64_t left = align_up(len, BLOCK); left && ret > 0; left -= BLOCK)
		ret = stream_read(l->s, block, BLOCK);
	return ret > 0 ? 0 : ret ?: -ENODATA;
}

/* The contents of what is no file, with a NUL behind them. */
static int read_long(struct layer *l, uint64_t size, char **text)
{
	int ret;

	if (size > LONG_MAX_BYTES)
		return wrong(l, "has a name that is too long");
	*text = malloc(align_up(size, BLOCK) + 1);
	if (!*text)
		return -ENOMEM;
	ret = size ? stream_read(l->s, *text, align_up(size, BLOCK)) : 1;
	(*text)[size] = '\0';
	if (ret > 0)
		return 0;
	free(*text);
	*text = NULL;
	return ret ?: -ENODATA;
}

static int take_text(char **to, const char *value, size_t len)
{
	free(*to);
	*to = strndup(value, len);
	return *to ? 0 : -ENOMEM;
}

static bool take_number(const char *value, uint64_t *number, bool *has)
{
	char *end;

	errno = 0;
	*number = strtoull(value, &end, 10);
	*has = true;
	/* Of times, there may be parts of a second. */
	return !errno && end != value && *value != '-' && (*end == '\n' || *end == '.');
}

/* One record of pax's, which ends with a newline: "KEY=VALUE". */
static int pax_record(struct layer *l, struct entry *e, const char *key, size_t len)
{
	const char *value = memchr(key, '=', len);
	size_t key_len = value ? (size_t)(value++ - key) : 0, value_len = key + len - 1 - value;
	bool ok = true;

	if (!key_len || key[len - 1] != '\n')
		return wrong(l, "has a pax record that is none");
	if (!strncmp(key, "path=", 5))
		return take_text(&e->name, value, value_len);
	if (!strncmp(key, "linkpath=", 9))
		return take_text(&e->link, value, value_len);
	if (!strncmp(key, "GNU.sparse.", 11))
		return wrong(l, "has a sparse file, which no image should have");
	if (!strncmp(key, "size=", 5))
		ok = take_number(value, &e->size, &e->has_size);
	else if (!strncmp(key, "uid=", 4))
		ok = take_number(value, &e->uid, &e->has_uid);
	else if (!strncmp(key, "gid=", 4))
		ok = take_number(value, &e->gid, &e->has_gid);
	else if (!strncmp(key, "mtime=", 6))
		take_number(value, &e->mtime, &e->has_mtime);
	return ok ? 0 : wrong(l, "has a pax record with a number that is none");
}

static int pax_records(struct layer *l, struct entry *e, const char *text, size_t len)
{
	const char *end = text + len;
	int ret = 0;

	while (text < end && *text && !ret) {
		char *key;
		unsigned long n = strtoul(text, &key, 10);

		/* The number counts itself, too. */
		if (*key != ' ' || n > (size_t)(end - text) || text + n <= key + 1)
			return wrong(l, "has a pax record of another length");
		ret = pax_record(l, e, key + 1, text + n - key - 1);
		text += n;
	}
	return ret;
}

/* What says something of the entry that follows. */
static int take_extra(struct layer *l, struct entry *e, char type, uint64_t size)
{
	char *text;
	int ret = read_long(l, size, &text);

	if (ret < 0)
		return ret;
	if (type == 'x')
		ret = pax_records(l, e, text, size);
	else if (type != 'g')
		ret = take_text(type == 'L' ? &e->name : &e->link, text, strlen(text));
	free(text);
	return ret;
}

static int take_head(struct layer *l, struct entry *e, const struct head *h)
{
	bool posix = !memcmp(h->magic, "ustar\0", 6);
	uint64_t size, uid, gid, mtime;
	char *name;
	int n;

	if (!number_of(h->mode, sizeof(h->mode), &e->mode) ||
	    !number_of(h->uid, sizeof(h->uid), &uid) || !number_of(h->gid, sizeof(h->gid), &gid) ||
	    !number_of(h->size, sizeof(h->size), &size))
		return wrong(l, "has a head with a number that is none");
	if (!number_of(h->mtime, sizeof(h->mtime), &mtime))
		mtime = 0;
	e->type = h->type ?: '0';
	e->size = e->has_size ? e->size : size;
	e->uid = e->has_uid ? e->uid : uid;
	e->gid = e->has_gid ? e->gid : gid;
	e->mtime = e->has_mtime ? e->mtime : mtime;
	if (!e->link && take_text(&e->link, h->link, strnlen(h->link, sizeof(h->link))) < 0)
		return -ENOMEM;
	if (e->name)
		return 0;
	if (posix && *h->prefix)
		n = asprintf(&name, "%.*s/%.*s", (int)sizeof(h->prefix), h->prefix,
			     (int)sizeof(h->name), h->name);
	else
		n = asprintf(&name, "%.*s", (int)sizeof(h->name), h->name);
	if (n < 0)
		return -ENOMEM;
	e->name = name;
	return 0;
}

/* Return: 1: an entry; 0: the end; or -errno. */
static int next_entry(struct layer *l, struct entry *e)
{
	static const struct head nothing;
	struct head h;
	uint64_t size;
	int ret;

	*e = (struct entry){ 0 };
	for (;;) {
		ret = stream_read(l->s, &h, sizeof(h));
		if (ret <= 0 || !memcmp(&h, &nothing, sizeof(h)))
			return ret < 0 ? ret : 0;
		if (!sum_is_right(&h))
			return wrong(l, "is no tar archive, or is damaged");
		if (!h.type || !strchr("xgLK", h.type)) {
			ret = take_head(l, e, &h);
			return ret < 0 ? ret : 1;
		}
		if (!number_of(h.size, sizeof(h.size), &size))
			return wrong(l, "has a head with a number that is none");
		ret = take_extra(l, e, h.type, size);
		if (ret < 0)
			return ret;
	}
}

static int read_contents(struct layer *l, struct file_inode *inode, uint64_t size)
{
	static uint8_t piece[128 * BLOCK];
	int ret = 0;

	if (size > FILETREE_BYTES_MAX)
		return -EFBIG;
	while (size && !ret) {
		uint64_t n = size < sizeof(piece) ? size : sizeof(piece);

		ret = stream_read(l->s, piece, align_up(n, BLOCK));
		if (ret <= 0)
			return ret ?: -ENODATA;
		ret = filetree_append(l->tree, inode, piece, n);
		size -= n;
	}
	return ret;
}

static void set_owner(struct file_inode *inode, const struct entry *e)
{
	inode->uid = e->uid;
	inode->gid = e->gid;
	inode->mtime = e->mtime;
}

static int put(struct layer *l, const struct entry *e, struct file_node *parent, const char *name,
	       uint32_t type, struct file_inode **made)
{
	struct file_inode *inode = filetree_inode(l->tree, type | (e->mode & 07777));

	if (!inode)
		return -ENOMEM;
	*made = inode;
	set_owner(inode, e);
	if (S_ISLNK(type)) {
		inode->mode = S_IFLNK | 0777;
		inode->target = strdup(e->link);
		if (!inode->target)
			return -ENOMEM;
	}
	return filetree_put(l->tree, parent, name, inode, l->number);
}

/* The other name is looked for like any: what it could lead to is in the tree. */
static int put_link(struct layer *l, const struct entry *e, struct file_node *parent,
		    const char *name)
{
	char other[256];
	struct file_node *folder, *node = NULL;
	int ret = filetree_parent(l->tree, e->link, l->number, &folder, other);

	if (ret < 0)
		return ret;
	if (*other)
		node = filetree_find(l->tree, folder, other);
	if (!node || S_ISDIR(node->inode->mode))
		return wrong(l, "is a hard link to no file of the image");
	if (folder == parent && !strcmp(other, name))
		return 0;
	return filetree_put(l->tree, parent, name, node->inode, l->number);
}

/* Return: whether it says what is not to be seen, and is no file. */
static bool hides(struct layer *l, struct file_node *parent, const char *name)
{
	struct file_node *node;

	if (strncmp(name, HIDES, strlen(HIDES)))
		return false;
	if (!strcmp(name, HIDES_ALL)) {
		filetree_hide(l->tree, parent, l->number, false);
		return true;
	}
	node = filetree_find(l->tree, parent, name + strlen(HIDES));
	if (node)
		filetree_hide(l->tree, node, l->number, true);
	return true;
}

static int put_file(struct layer *l, const struct entry *e, struct file_node *parent,
		    const char *name)
{
	struct file_inode *inode;
	int ret;

	switch (e->type) {
	case '0': case '7':
		ret = put(l, e, parent, name, S_IFREG, &inode);
		return ret < 0 ? ret : read_contents(l, inode, e->size);
	case '1':
		return put_link(l, e, parent, name);
	case '2':
		if (!*e->link || strlen(e->link) > TARGET_MAX)
			return wrong(l, "is a symbolic link to no path");
		return put(l, e, parent, name, S_IFLNK, &inode);
	case '5':
		return put(l, e, parent, name, S_IFDIR, &inode);
	case '6':
		return put(l, e, parent, name, S_IFIFO, &inode);
	default:
		return 0;	/* a device, of which the guest has its own */
	}
}

static int apply_root(struct layer *l, const struct entry *e)
{
	if (e->type != '5')
		return wrong(l, "is to be the root, and is no folder");
	l->tree->root->inode->mode = S_IFDIR | (e->mode & 07777);
	set_owner(l->tree->root->inode, e);
	return 0;
}

static int apply(struct layer *l, struct entry *e)
{
	size_t len = strlen(e->name);
	struct file_node *parent;
	char name[256];
	int ret;

	if (!strchr("01234567", e->type))
		return wrong(l, e->type == 'S' ? "is a sparse file, which no image should have"
					       : "is of an unknown type");
	/* As old archives say that it is a folder. */
	if (e->type == '0' && len && e->name[len - 1] == '/')
		e->type = '5';
	ret = filetree_parent(l->tree, e->name, l->number, &parent, name);
	if (ret < 0)
		return ret;
	if (!*name)
		return apply_root(l, e);
	if (hides(l, parent, name))
		return skip(l, strchr("07", e->type) ? e->size : 0);
	return put_file(l, e, parent, name);
}

static const char *reason(const struct layer *l, int err)
{
	switch (err) {
	case -EINVAL:
		return l->why ?: strerror(EINVAL);
	case -EXDEV:
		return "has a path with \"..\" in it";
	case -EFBIG:
		return "too much: an image may have 1 GiB of files";
	case -ENFILE:
		return "too many files";
	case -ENODATA:
		return "ends in the middle";
	default:
		return strerror(-err);
	}
}

static int apply_next(struct layer *l, struct entry *e)
{
	int ret = next_entry(l, e);

	if (ret <= 0)
		return ret;
	ret = apply(l, e);
	return ret < 0 ? ret : 1;
}

static void complain_of(const struct layer *l, const struct entry *e, int err)
{
	char name[64] = "";
	size_t n = 0;

	/* Whose idea it is may put anything into it, but not on a terminal. */
	for (const char *p = e->name ?: ""; *p && n < sizeof(name) - 1; p++)
		name[n++] = *p < ' ' || *p > '~' ? '?' : *p;
	complain("%s: %s%s%s", l->s->label, name, *name ? ": " : "", reason(l, err));
}

/**
 * layer_apply() - put the files of a layer over those that are there
 * @t: the tree
 * @s: the archive
 * @number: of the layer: higher than that of those below
 *
 * Return: 0, or -1 after saying why not on standard error.
 */
int layer_apply(struct filetree *t, struct stream *s, unsigned int number)
{
	struct layer l = { .tree = t, .s = s, .number = number };
	struct entry e;
	int ret;

	do {
		ret = apply_next(&l, &e);
		if (ret < 0)
			complain_of(&l, &e, ret);
		free(e.name);
		free(e.link);
	} while (ret > 0);
	return ret;
}
