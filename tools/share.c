// SPDX-License-Identifier: GPL-2.0-only
/*
 * Folders of the host that the guest mounts (virtiofs). Each is served by a virtiofsd, a
 * process of its own that this one starts, connected by a socket that has no name: so it ends
 * with this one, however that ends, and leaves nothing. What it may do is its own affair; it
 * is started with the user's rights and shuts itself in.
 */
#include "share.h"
#include "bus.h"
#include "helper.h"
#include "vm.h"
#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define SOCKET_FD	3
#define QUEUES		2	/* one for what is urgent, and one */
#define FEATURES	(1ULL << VIRTIO_F_VERSION_1 | 1ULL << VIRTIO_RING_F_EVENT_IDX | \
			 1ULL << VIRTIO_RING_F_INDIRECT_DESC)

/**
 * struct server - a program that serves folders
 * @path: where Debian has it
 * @option: what comes before the folder's name
 * @escape: in which commas are escaped
 * @quiet: have it say what is wrong, and no more
 */
struct server {
	const char *path, *option, *quiet;
	bool escape;
};

/* The one that came after QEMU's, and QEMU's, to Debian 12. */
static const struct server servers[] = {
	{ "/usr/libexec/virtiofsd", "--shared-dir=", "--log-level=error", false },
	{ "/usr/lib/qemu/virtiofsd", "-osource=", "-olog_level=err", true },
};

static const struct server *server_find(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(servers); i++)
		if (!access(servers[i].path, X_OK))
			return &servers[i];
	return NULL;
}

/**
 * share_parse() - understand DIR[:TAG][,ro]
 * @config: filled in; share_forget() it whatever is returned
 * @arg: the text; its last comma and the last colon before it are not DIR's
 *
 * Return: NULL, or what is wrong with it.
 */
const char *share_parse(struct share_config *config, const char *arg)
{
	char *comma, *tag;
	const char *name = "share";

	*config = (struct share_config){ .dir = strdup(arg) };
	if (!config->dir)
		return strerror(ENOMEM);
	comma = strrchr(config->dir, ',');
	if (comma && !strcmp(comma, ",ro")) {
		config->readonly = true;
		*comma = '\0';
	}
	tag = strrchr(config->dir, ':');
	if (tag) {
		*tag = '\0';
		name = tag + 1;
	}
	if (!*config->dir)
		return "names no folder";
	if (!*name || strlen(name) > SHARE_TAG_MAX)
		return "a tag has 1 to 36 bytes";
	memcpy(config->tag, name, strlen(name));
	return NULL;
}

/**
 * share_check() - see that there is such a folder, and who serves it
 * @config: parsed
 *
 * Return: 0, or -1 after saying why not on standard error.
 */
int share_check(const struct share_config *config)
{
	char path[PATH_MAX];
	struct stat st;
	int err = 0;

	if (stat(config->dir, &st) < 0)
		err = errno;
	else if (!S_ISDIR(st.st_mode))
		err = ENOTDIR;
	else if (access(config->dir, R_OK | X_OK) < 0)
		err = errno;
	if (err) {
		complain("--share %s: %s", config->dir, strerror(err));
		return -1;
	}
	/* What is mounted over the root is not what a path leads to. */
	if (config->readonly && realpath(config->dir, path) && !strcmp(path, "/")) {
		complain("--share /,ro: the root folder can only be shared for writing");
		return -1;
	}
	if (server_find())
		return 0;
	complain("--share: needs virtiofsd (Debian 12's package qemu-system-common, later ones' "
		 "virtiofsd)");
	return -1;
}

/**
 * share_forget() - give back what share_parse() took
 * @config: parsed
 */
void share_forget(struct share_config *config)
{
	free(config->dir);
	config->dir = NULL;
}

/* In the new process. The folder becomes a mount of its own, which nobody can write to. */
static bool make_readonly(const char *dir)
{
	return !unshare(CLONE_NEWNS) && !mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) &&
	       !mount(dir, dir, NULL, MS_BIND, NULL) &&
	       !mount(NULL, dir, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL);
}

/* What the new process keeps is its standard error, and one socket. */
static int keep_only(int fd)
{
	int null = open("/dev/null", O_RDWR);

	if (dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0)
		return -1;
	if (fd == SOCKET_FD ? fcntl(fd, F_SETFD, 0) < 0 : dup2(fd, SOCKET_FD) < 0)
		return -1;
	return close_range(SOCKET_FD + 1, ~0u, 0);
}

/* The option that names the folder, from its root on. */
static bool name_folder(const struct server *server, const char *dir, char *option)
{
	char path[PATH_MAX];

	if (!realpath(dir, path))
		return false;
	option = stpcpy(option, server->option);
	for (const char *p = path; *p; p++) {
		if (server->escape && strchr(",\\", *p))
			*option++ = '\\';
		*option++ = *p;
	}
	*option = '\0';
	return true;
}

static void serve(const struct share_config *config, int fd, pid_t parent, bool detached)
{
	const struct server *server = server_find();
	char option[2 * PATH_MAX + 32];

	helper_begin(parent);
	/* Ctrl-C is the guest's, or this program's. */
	setsid();
	if ((!config->readonly || make_readonly(config->dir)) &&
	    name_folder(server, config->dir, option) && keep_only(fd) >= 0 &&
	    /* Who started a machine in the background is not to wait for this one's end. */
	    (!detached || dup2(STDOUT_FILENO, STDERR_FILENO) >= 0))
		execl(server->path, "virtiofsd", "--fd=3", option, server->quiet,
		      (char *)NULL);
	complain("--share %s%s: %s", config->dir, config->readonly ? ",ro" : "", strerror(errno));
	_exit(1);
}

/*
 * A socket that listens and has no name in any folder, and one that is connected to it. The
 * queue of those that wait has room for one: so it is this one, or there is an error.
 */
static int connect_pair(int *listening, int *connected)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	socklen_t len = sizeof(at);

	*listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	*connected = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (*listening < 0 || *connected < 0 ||
	    bind(*listening, (struct sockaddr *)&at, sizeof(at.sun_family)) < 0 ||
	    listen(*listening, 0) < 0 ||
	    getsockname(*listening, (struct sockaddr *)&at, &len) < 0)
		return -1;
	return connect(*connected, (struct sockaddr *)&at, len);
}

static int server_start(struct share *share, const struct share_config *config, bool detached)
{
	pid_t parent = getpid();
	int listening, ret;

	ret = connect_pair(&listening, &share->user.fd);
	if (!ret) {
		share->pid = fork();
		if (!share->pid)
			serve(config, listening, parent, detached);
		if (share->pid < 0) {
			share->pid = 0;
			ret = -1;
		}
	}
	if (listening >= 0)
		close(listening);
	return ret;
}

static struct share *of(struct virtio *v)
{
	return v->kind.owner;
}

static int share_accept(struct virtio *v)
{
	if (!(v->accepted & 1ULL << VIRTIO_F_VERSION_1) || of(v)->broken)
		return -1;
	return vhost_user_accept(&of(v)->user, v->accepted);
}

static int share_start(struct virtio *v, unsigned int index)
{
	if (!of(v)->broken && !vhost_user_start(&of(v)->user, v, index, &v->vm->ram))
		return 0;
	return -1;
}

/* Who does not say that it has stopped is stopped: the guest may use the memory otherwise. */
static void share_stop(struct virtio *v, unsigned int index)
{
	struct share *share = of(v);

	if (share->broken || !vhost_user_stop(&share->user, index))
		return;
	complain("%s: virtiofsd does not answer: %s", share->label, strerror(errno));
	share->broken = true;
	kill(share->pid, SIGKILL);
}

static void share_lost(struct virtio *v)
{
	of(v)->broken = true;
	complain("%s: virtiofsd has ended; what the guest asks of it has no answer", v->kind.label);
}

static const struct virtio_ops share_ops = {
	.accept = share_accept, .start = share_start, .stop = share_stop, .lost = share_lost,
};

static int share_create(struct share *share, struct vm *vm, const struct share_config *config)
{
	struct virtio_fs_config space = { .num_request_queues = QUEUES - 1 };
	struct virtio_kind kind = {
		.ops = &share_ops, .owner = share, .label = share->label, .type = VIRTIO_ID_FS,
		.queues = QUEUES, .config = &space, .config_len = sizeof(space),
	};

	memcpy(space.tag, config->tag, sizeof(space.tag));
	if (server_start(share, config, vm->config->detached) < 0 ||
	    vhost_user_begin(&share->user, &vm->ram) < 0) {
		const char *why = strerror(errno);

		complain("--share %s: virtiofsd: %s%s", config->dir, why,
			 geteuid() && server_find()->escape ?
			 " (the one of Debian 12 works for root only)" : "");
		return -1;
	}
	kind.features = share->user.features & FEATURES;
	kind.peer = share->user.fd;
	share->created = !bus_add(&vm->bus, &share->virtio, vm, &kind);
	if (!share->created)
		complain("--share %s: %s", config->dir, strerror(errno));
	return share->created ? 0 : -1;
}

/**
 * shares_create() - give a machine the folders it was configured with
 * @shares: filled in; shares_destroy() it whatever is returned
 * @vm: has its board and its memory
 *
 * Return: 0, or -1 after saying why not on standard error.
 */
int shares_create(struct shares *shares, struct vm *vm)
{
	if (vm->config->shares && vm->ram.gmem_fd < 0) {
		complain("--share: RAM has to be a gmem, which virtiofsd can map");
		return -1;
	}
	for (unsigned int i = 0; i < vm->config->shares; i++) {
		struct share *share = &shares->share[i];

		*share = (struct share){ .user.fd = -1 };
		snprintf(share->label, sizeof(share->label), "share %u", i);
		shares->count++;
		if (share_create(share, vm, &vm->config->share[i]) < 0)
			return -1;
	}
	return 0;
}

static void share_destroy(struct share *share)
{
	if (share->created)
		virtio_destroy(&share->virtio);
	if (share->user.fd >= 0)
		close(share->user.fd);
	if (share->pid) {
		kill(share->pid, SIGKILL);
		waitpid(share->pid, NULL, 0);
	}
}

/**
 * shares_destroy() - end the processes that serve them
 * @shares: from shares_create(), or zeroed; the bus is stopped
 */
void shares_destroy(struct shares *shares)
{
	for (; shares->count; shares->count--)
		share_destroy(&shares->share[shares->count - 1]);
}
