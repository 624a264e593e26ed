// SPDX-License-Identifier: GPL-2.0-only
/*
 * A container as a machine: its file system becomes the guest's first root, which Linux unpacks
 * from an archive, and a command runs in it, as an image says or the user does.
 *
 * An archive, because every kernel can unpack one: no driver, no process on the host and no
 * right is needed, files keep their owners whoever runs it, and the folder or image on the host
 * cannot be written to. Nothing of an image becomes a file of the host on the way, so there is
 * nothing in it that could lead elsewhere, and nothing to be removed, however the process ends.
 */
#include "agent.h"
#include "container.h"
#include "hosttree.h"
#include "json.h"
#include "oci.h"
#include "util.h"

#include "agent/protocol.h"

#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static struct json_object *image_config(const struct container *c)
{
	return json_member(c->config, "config", json_type_object);
}

static size_t list_length(struct json_object *list)
{
	return list ? json_object_array_length(list) : 0;
}

/* The strings of a list of the configuration; what is no string is not there. */
static char **add_list(char **to, struct json_object *list)
{
	for (size_t i = 0; i < list_length(list); i++) {
		struct json_object *o = json_object_array_get_idx(list, i);

		if (json_object_is_type(o, json_type_string))
			*to++ = (char *)json_object_get_string(o);
	}
	return to;
}

/* The entry point, and behind it the user's arguments or else the image's. */
static int choose_command(struct container *c)
{
	struct json_object *config = image_config(c),
		*entry = json_member(config, "Entrypoint", json_type_array),
		*args = json_member(config, "Cmd", json_type_array);
	size_t count = list_length(entry) + list_length(args);
	char **to;

	for (char **arg = c->args; arg && *arg; arg++)
		count++;
	c->argv = to = calloc(count + 1, sizeof(*to));
	if (!to)
		return -1;
	to = add_list(to, entry);
	if (!c->args)
		add_list(to, args);
	for (char **arg = c->args; arg && *arg; arg++)
		*to++ = *arg;
	if (c->argv[0])
		return 0;
	complain("%s: which command? The image names none", c->image ?: c->rootfs);
	return -1;
}

static int choose_env(struct container *c)
{
	struct json_object *env = json_member(image_config(c), "Env", json_type_array);
	const char *text;

	for (size_t i = 0; i < list_length(env); i++) {
		struct json_object *o = json_object_array_get_idx(env, i);

		text = json_object_is_type(o, json_type_string) ? json_object_get_string(o) : "";
		if (strchr(text, '=') && *text != '=' &&
		    strings_add(&c->all_env, text) < 0)
			return -1;
	}
	/* Of two with the same name the later one counts. */
	for (size_t at = 0; at < c->env.len; at += strlen(c->env.text + at) + 1)
		if (strings_add(&c->all_env, c->env.text + at) < 0)
			return -1;
	return 0;
}

static void choose_stop_signal(struct container *c)
{
	const char *name = json_text(image_config(c), "StopSignal");
	unsigned int number;

	c->stop_signal = SIGTERM;
	if (parse_uint(name, &number) && number && number < NSIG)
		c->stop_signal = number;
	if (!strncmp(name, "SIG", 3))
		name += 3;
	if (!strncmp(name, "RTMIN+", 6) && parse_uint(name + 6, &number) &&
	    number <= (unsigned int)(SIGRTMAX - SIGRTMIN))
		c->stop_signal = SIGRTMIN + number;
	for (int sig = 1; sig < NSIG; sig++)
		if (sigabbrev_np(sig) && !strcmp(sigabbrev_np(sig), name))
			c->stop_signal = sig;
}

/* Where the agent's own place would be is nothing of the image's. */
static void leave_place(struct filetree *t)
{
	/* The other is no file to Linux: it ends what is known of other names. */
	static const char *const names[] = { AGENT_PLACE, "TRAILER!!!" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct file_node *node = filetree_find(t, t->root, names[i]);

		if (node)
			filetree_remove(t, node);
	}
}

/**
 * container_files() - understand what the container is made of, and write its file system
 * @c: as the user said; container_destroy() it whatever is returned
 * @f: gets an archive
 *
 * Return: 0, or -1 after saying why not on standard error.
 */
int container_files(struct container *c, FILE *f)
{
	struct filetree t;
	int ret = filetree_init(&t);

	if (ret < 0)
		complain("%s: %s", c->image ?: c->rootfs, strerror(-ret));
	else
		ret = c->image ? oci_unpack(c->image, &t, &c->config)
			       : hosttree_add(&t, c->rootfs);
	if (!ret && (choose_command(c) < 0 || choose_env(c) < 0))
		ret = -1;
	if (!ret) {
		choose_stop_signal(c);
		leave_place(&t);
		ret = filetree_write(&t, f);
		c->room = t.pages * PAGE_BYTES;
		if (ret < 0)
			complain("%s: %s", c->image ?: c->rootfs, strerror(-ret));
	}
	filetree_destroy(&t);
	return ret < 0 ? -1 : 0;
}

/* A kernel that cannot go on is not waited for. */
static int add_cmdline(struct boot *boot)
{
	char *line;

	if (asprintf(&line, AGENT_CONTAINER "=1 panic=-1 %s", boot->cmdline) < 0)
		return -1;
	boot->cmdline = line;
	return agent_add(boot);
}

/**
 * container_prepare() - let the container's file system and its agent be what is booted
 * @c: as for container_files()
 * @boot: gets an initrd, and what agent_add() gives it
 *
 * Return: 0, or -1 after saying why not on standard error.
 */
int container_prepare(struct container *c, struct boot *boot)
{
	int fd = memfd_create("container", MFD_CLOEXEC), copy = dup(fd), ret;
	FILE *f = copy < 0 ? NULL : fdopen(copy, "w");
	struct stat st;

	if (!f) {
		complain("%s: %s", c->image ?: c->rootfs, strerror(errno));
		return -1;
	}
	ret = container_files(c, f);
	if (fclose(f) && !ret) {
		complain("%s: %s", c->image ?: c->rootfs, strerror(errno));
		ret = -1;
	}
	if (ret < 0 || fstat(fd, &st) < 0) {
		close(fd);
		return -1;
	}
	c->bytes = st.st_size;
	boot->initrd = (struct image){ .path = c->image ?: c->rootfs, .fd = fd,
				       .size = st.st_size };
	return add_cmdline(boot);
}

/**
 * container_head() - what the agent is told beside the command and its environment
 * @c: prepared
 * @files: AGENT_PIPES, AGENT_TTY or AGENT_CONSOLE
 * @name: of the machine, or empty
 * @head: empty; to be freed
 *
 * Return: 0 or -ENOMEM.
 */
int container_head(const struct container *c, const char *files, const char *name,
		   struct strings *head)
{
	struct json_object *config = image_config(c);

	if (strings_add(head, files) < 0 ||
	    strings_add(head, c->user ?: json_text(config, "User")) < 0 ||
	    strings_add(head, *name ? name : "ditto") < 0)
		return -ENOMEM;
	return strings_add(head, c->workdir ?: json_text(config, "WorkingDir"));
}

/**
 * container_destroy() - free everything
 * @c: prepared, or not
 */
void container_destroy(struct container *c)
{
	free(c->argv);
	free(c->all_env.text);
	free(c->env.text);
	json_object_put(c->config);
}
