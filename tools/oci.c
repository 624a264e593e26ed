// SPDX-License-Identifier: GPL-2.0-only
/*
 * Images of containers, as files: a folder in the layout of OCI (oci:DIR[:NAME]), or an archive
 * as "docker save" makes it (docker-archive:FILE). Both name a configuration and layers, which
 * are applied to a tree in memory. Nothing is believed of what they say but its form: each part
 * is what its SHA-256 sum says, or the image is refused.
 */
#include "layer.h"
#include "json.h"
#include "oci.h"
#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK		512u
#define DEPTH_MAX	4	/* of indexes in indexes */
#define LAYERS_MAX	512
/* What tar's heads add to files of FILETREE_BYTES_MAX. */
#define UNPACKED_MAX	(FILETREE_BYTES_MAX + FILETREE_NODES_MAX * 3ULL * BLOCK)
#define DIGEST_HEAD	"sha256:"
#define REF_NAME	"org.opencontainers.image.ref.name"

/**
 * struct part - a part of an image, open
 * @blob: its bytes
 * @path: for messages
 */
struct part {
	struct blob blob;
	char path[PATH_MAX];
};

static bool is_digest(const char *text)
{
	size_t head = strlen(DIGEST_HEAD);

	return !strncmp(text, DIGEST_HEAD, head) && strlen(text + head) == 2 * SHA256_BYTES &&
	       strspn(text + head, "0123456789abcdef") == 2 * SHA256_BYTES;
}

static int part_open(struct part *part)
{
	struct stat st;

	part->blob = (struct blob){ .label = part->path,
				    .fd = open(part->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) };
	errno = part->blob.fd >= 0 && !fstat(part->blob.fd, &st) && !S_ISREG(st.st_mode) ? EINVAL
											 : errno;
	if (part->blob.fd < 0 || !S_ISREG(st.st_mode)) {
		complain("%s: %s", part->path, strerror(errno));
		return -1;
	}
	part->blob.len = st.st_size;
	return 0;
}

static void part_close(struct part *part)
{
	if (part->blob.fd >= 0)
		close(part->blob.fd);
	part->blob.fd = -1;
}

/* What a descriptor of @dir's says, which was checked. */
static int part_open_digest(struct part *part, const char *dir, struct json_object *descriptor,
			    const char *where)
{
	const char *digest = json_text(descriptor, "digest");

	part->blob.fd = -1;
	if (!is_digest(digest)) {
		complain("%s: has a part without a digest of SHA-256", where);
		return -1;
	}
	digest += strlen(DIGEST_HEAD);
	snprintf(part->path, sizeof(part->path), "%s/blobs/sha256/%s", dir, digest);
	return part_open(part) < 0 ? -1 : blob_check(&part->blob, digest);
}

static struct json_object *part_json(struct part *part, const char *what)
{
	char *text = blob_text(&part->blob);
	struct json_object *object = text ? json_parse_object(part->path, text, what) : NULL;

	free(text);
	return object;
}

/* A layer, at last. @diff_id: the sum of what it unpacks to, or NULL: that is not known. */
static int apply_part(const struct part *part, struct filetree *t, unsigned int number,
		      const char *diff_id)
{
	char sum[SHA256_TEXT];
	struct stream s;
	int ret = -1;

	if (!stream_open(&s, &part->blob, UNPACKED_MAX - t->unpacked) &&
	    !layer_apply(t, &s, number) && !stream_finish(&s, sum)) {
		ret = diff_id && strcmp(sum, diff_id) ? -1 : 0;
		if (ret < 0)
			complain("%s: damaged: its SHA-256 sum is %s", s.label, sum);
	}
	t->unpacked = UNPACKED_MAX - s.left;
	stream_close(&s);
	return ret;
}

/* --- a folder in the layout of OCI --- */

static bool is_ours(struct json_object *platform)
{
	return !platform || (!strcmp(json_text(platform, "os"), "linux") &&
			     !strcmp(json_text(platform, "architecture"), "amd64"));
}

static bool has_name(struct json_object *descriptor, const char *name)
{
	struct json_object *notes = json_member(descriptor, "annotations", json_type_object);

	return !name || !strcmp(json_text(notes, REF_NAME), name);
}

/* The one of an index's manifests that is for us, or NULL after saying why. */
static struct json_object *choose(struct json_object *index, const char *name, const char *where)
{
	struct json_object *list = json_member(index, "manifests", json_type_array), *found = NULL;
	unsigned int count = 0;

	for (size_t i = 0; list && i < json_object_array_length(list); i++) {
		struct json_object *o = json_object_array_get_idx(list, i);

		if (!is_ours(json_member(o, "platform", json_type_object)) || !has_name(o, name))
			continue;
		found = o;
		count++;
	}
	if (count == 1)
		return found;
	if (!list)
		complain("%s: has no list of manifests", where);
	else if (name)
		complain("%s: has %u images for linux/amd64 with the name %s", where, count, name);
	else
		complain("%s: has %u images for linux/amd64%s", where, count,
			 count ? "; say which: oci:DIR:NAME" : "");
	return NULL;
}

/* From the index on down to the manifest. */
static struct json_object *find_manifest(const char *dir, const char *name, struct part *part)
{
	struct json_object *object, *next;

	snprintf(part->path, sizeof(part->path), "%s/index.json", dir);
	if (part_open(part) < 0)
		return NULL;
	object = part_json(part, "an index");
	for (int depth = 0; object && json_member(object, "manifests", json_type_array); depth++) {
		char where[PATH_MAX];

		memcpy(where, part->path, sizeof(where));
		next = choose(object, depth ? NULL : name, where);
		part_close(part);
		if (next && depth == DEPTH_MAX)
			complain("%s: too many indexes in one another", where);
		if (!next || depth == DEPTH_MAX || part_open_digest(part, dir, next, where) < 0)
			next = NULL;
		next = next ? part_json(part, "a manifest") : NULL;
		json_object_put(object);
		object = next;
	}
	return object;
}

static int apply_layers(const char *dir, struct json_object *manifest, const char *where,
			struct filetree *t)
{
	struct json_object *layers = json_member(manifest, "layers", json_type_array);
	size_t count = layers ? json_object_array_length(layers) : 0;

	if (!layers || count > LAYERS_MAX) {
		complain("%s: has %s", where, layers ? "too many layers" : "no list of layers");
		return -1;
	}
	for (size_t i = 0; i < count; i++) {
		struct part part;
		int ret = part_open_digest(&part, dir, json_object_array_get_idx(layers, i), where);

		if (!ret)
			ret = apply_part(&part, t, i + 1, NULL);
		part_close(&part);
		if (ret < 0)
			return -1;
	}
	return 0;
}

static int check_platform(struct json_object *config, const char *where)
{
	if (is_ours(config))
		return 0;
	complain("%s: is for %s/%s, not linux/amd64", where, json_text(config, "os"),
		 json_text(config, "architecture"));
	return -1;
}

static int unpack_manifest(const char *dir, struct json_object *manifest, const char *where,
			   struct filetree *t, struct json_object **config)
{
	struct part part;
	int ret = part_open_digest(&part, dir, json_member(manifest, "config", json_type_object),
				   where);

	*config = ret < 0 ? NULL : part_json(&part, "a configuration");
	part_close(&part);
	if (!*config || check_platform(*config, part.path) < 0)
		return -1;
	return apply_layers(dir, manifest, where, t);
}

/* A folder's name may have a colon in it. */
static int unpack_layout(const char *image, struct filetree *t, struct json_object **config)
{
	char *dir = strdup(image), *colon;
	struct part part = { .blob.fd = -1 };
	struct json_object *manifest;
	const char *name = NULL;
	int ret = -1;

	if (!dir)
		return -1;
	colon = strrchr(dir, ':');
	if (colon && access(dir, F_OK) < 0) {
		*colon = '\0';
		name = colon + 1;
	}
	manifest = find_manifest(dir, name, &part);
	part_close(&part);
	if (manifest)
		ret = unpack_manifest(dir, manifest, part.path, t, config);
	json_object_put(manifest);
	free(dir);
	return ret;
}

/* --- an archive as of "docker save" --- */

/**
 * struct member - a file of the archive
 * @next: the one before it
 * @at, @len: where it is
 * @link: where it leads, if it is a symbolic link
 * @name: its path
 */
struct member {
	struct member *next;
	uint64_t at, len;
	char link[101];
	char name[];
};

static uint64_t octal(const char *field, size_t len)
{
	uint64_t value = 0;

	for (size_t i = 0; i < len && field[i] >= '0' && field[i] <= '7'; i++)
		value = value << 3 | (field[i] - '0');
	return value;
}

/* Its members' names are short, and none is longer than 8 GiB: other ones nobody names. */
static struct member *members_of(int fd, uint64_t len)
{
	struct member *list = NULL, *m;
	char head[BLOCK];

	for (uint64_t at = 0; at + BLOCK <= len; at += BLOCK + align_up(m->len, BLOCK)) {
		if (pread(fd, head, BLOCK, at) != BLOCK || !*head)
			break;
		m = calloc(1, sizeof(*m) + 101);
		if (!m)
			break;
		m->next = list;
		list = m;
		memcpy(m->name, head, 100);
		m->at = at + BLOCK;
		m->len = octal(head + 124, 12);
		if (head[156] == '2')
			memcpy(m->link, head + 157, 100);
		if (m->len > len - m->at)
			m->len = len - m->at;
	}
	return list;
}

static void free_members(struct member *list)
{
	while (list) {
		struct member *next = list->next;

		free(list);
		list = next;
	}
}

static const struct member *find_member(const struct member *list, const char *name)
{
	while (list && strcmp(list->name, name))
		list = list->next;
	return list;
}

/* A layer that two images have is a link to the one's: "../ID/layer.tar". */
static const struct member *follow_member(const struct member *list, const char *name)
{
	const struct member *m = find_member(list, name);

	if (m && !strncmp(m->link, "../", 3))
		m = find_member(list, m->link + 3);
	return m;
}

static int member_open(struct part *part, const char *file, int fd, const struct member *list,
		       const char *name)
{
	const struct member *m = follow_member(list, name);

	snprintf(part->path, sizeof(part->path), "%s: %.100s", file, name);
	if (!m) {
		complain("%s: is not in the archive", part->path);
		return -1;
	}
	part->blob = (struct blob){ .label = part->path, .fd = fd, .at = m->at, .len = m->len };
	return 0;
}

/* The description is a list of one object, of which json_parse_object() wants the inside. */
static struct json_object *read_description(struct part *part)
{
	struct json_object *object = NULL;
	char *text = blob_text(&part->blob), *begin, *end;

	if (!text)
		return NULL;
	begin = text + strspn(text, " \t\r\n");
	end = text + strlen(text);
	while (end > begin && strchr(" \t\r\n", end[-1]))
		end--;
	if (*begin != '[' || end == begin + 1 || end[-1] != ']') {
		complain("%s:1: is not a list of images", part->path);
	} else {
		/* Lines stay where they are. */
		*begin = ' ';
		end[-1] = ' ';
		object = json_parse_object(part->path, text, "one image");
	}
	free(text);
	return object;
}

static const char *diff_id(struct json_object *config, size_t i)
{
	struct json_object *ids = json_member(json_member(config, "rootfs", json_type_object),
					      "diff_ids", json_type_array);
	const char *id = ids && i < json_object_array_length(ids)
				 ? json_object_get_string(json_object_array_get_idx(ids, i)) : NULL;

	return id && is_digest(id) ? id + strlen(DIGEST_HEAD) : NULL;
}

static int apply_members(const char *file, int fd, const struct member *list,
			 struct json_object *layers, struct json_object *config,
			 struct filetree *t)
{
	size_t count = layers ? json_object_array_length(layers) : 0;

	if (!layers || count > LAYERS_MAX) {
		complain("%s: manifest.json: has %s", file, layers ? "too many layers"
								   : "no list of layers");
		return -1;
	}
	for (size_t i = 0; i < count; i++) {
		const char *name = json_object_get_string(json_object_array_get_idx(layers, i));
		struct part part;

		if (!diff_id(config, i)) {
			complain("%s: has no digest of layer %zu", file, i + 1);
			return -1;
		}
		if (member_open(&part, file, fd, list, name ?: "") < 0 ||
		    apply_part(&part, t, i + 1, diff_id(config, i)) < 0)
			return -1;
	}
	return 0;
}

/* A configuration's name is its sum, as "SUM.json" or "blobs/sha256/SUM". */
static int check_config(const struct part *part, const char *name)
{
	const char *slash = strrchr(name, '/');
	char digest[SHA256_TEXT];

	snprintf(digest, sizeof(digest), "%s", slash ? slash + 1 : name);
	return blob_check(&part->blob, digest);
}

static int unpack_members(const char *file, int fd, const struct member *list, struct filetree *t,
			  struct json_object **config)
{
	struct json_object *description;
	const char *name;
	struct part part;
	int ret = -1;

	if (member_open(&part, file, fd, list, "manifest.json") < 0)
		return -1;
	description = read_description(&part);
	if (!description)
		return -1;
	name = json_text(description, "Config");
	if (!member_open(&part, file, fd, list, name) && !check_config(&part, name))
		*config = part_json(&part, "a configuration");
	if (*config && !check_platform(*config, part.path))
		ret = apply_members(file, fd, list,
				    json_member(description, "Layers", json_type_array), *config,
				    t);
	json_object_put(description);
	return ret;
}

static int unpack_archive(const char *file, struct filetree *t, struct json_object **config)
{
	struct part part;
	struct member *list;
	int ret;

	snprintf(part.path, sizeof(part.path), "%s", file);
	ret = part_open(&part);
	if (!ret) {
		list = members_of(part.blob.fd, part.blob.len);
		ret = unpack_members(file, part.blob.fd, list, t, config);
		free_members(list);
	}
	part_close(&part);
	return ret;
}

/**
 * oci_unpack() - put an image's files into a tree
 * @image: "oci:DIR[:NAME]" or "docker-archive:FILE"
 * @t: gets them
 * @config: gets its configuration, to be put, whatever is returned
 *
 * Return: 0, or -1 after saying why not on standard error.
 */
int oci_unpack(const char *image, struct filetree *t, struct json_object **config)
{
	*config = NULL;
	if (!strncmp(image, "oci:", 4))
		return unpack_layout(image + 4, t, config);
	if (!strncmp(image, "docker-archive:", 15))
		return unpack_archive(image + 15, t, config);
	complain("--image %s: is neither oci:DIR[:NAME] nor docker-archive:FILE", image);
	return -1;
}
