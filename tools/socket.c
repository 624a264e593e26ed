// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where machines' control sockets are, and what goes through them: packets, each one JSON
 * object, with fds where a machine is to be forked. The directory is $XDG_RUNTIME_DIR/ditto, or
 * else /run/ditto; a socket is NAME.sock, or PID.sock of a machine without a name. Both ends must
 * be of the same user, or root's.
 *
 * A socket whose machine died by SIGKILL stays behind. Whoever wants its name, or lists
 * machines, finds that nobody listens, and removes it; the directory is locked meanwhile, so
 * that two who want a name do not remove each other's.
 */
#include "socket.h"
#include "control.h"
#include "fork.h"
#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define TIMEOUT_MS	10000

/**
 * socket_now_ms() - a clock that only goes forward
 */
int64_t socket_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

static int directory_path(char *path, size_t len)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	int n = runtime && *runtime == '/' ? snprintf(path, len, "%s/ditto", runtime)
					   : snprintf(path, len, "/run/ditto");

	return n < (int)len ? 0 : -ENAMETOOLONG;
}

/**
 * socket_address() - where a machine's socket is
 * @name: the machine's
 * @address: filled in
 *
 * Return: 0, -ENOENT or -ENAMETOOLONG.
 */
int socket_address(const char *name, struct sockaddr_un *address)
{
	char dir[sizeof(address->sun_path)];
	int n;

	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	/* No machine has such a name, and it would lead elsewhere. */
	if (strchr(name, '/'))
		return -ENOENT;
	if (directory_path(dir, sizeof(dir)) < 0)
		return -ENAMETOOLONG;
	n = snprintf(address->sun_path, sizeof(address->sun_path), "%s/%s" SOCKET_SUFFIX, dir,
		     name);
	return n < (int)sizeof(address->sun_path) ? 0 : -ENAMETOOLONG;
}

/* Ours, or root's as systemd and the packages make it; nobody else may put sockets there. */
static int lock_directory(void)
{
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	struct stat st;
	int fd, ret = directory_path(path, sizeof(path));

	if (ret < 0)
		return ret;
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return -errno;
	/* A link may be somebody else's, who can let it lead elsewhere when this was checked. */
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		ret = -errno;
	else if (st.st_uid != geteuid() || st.st_mode & 022)
		ret = -EPERM;
	else if (flock(fd, LOCK_EX) < 0)
		ret = -errno;
	if (!ret)
		return fd;
	close(fd);
	return ret;
}

static bool is_stale(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool stale;

	if (fd < 0)
		return false;
	stale = connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 &&
		errno == ECONNREFUSED;
	close(fd);
	return stale;
}

/* With the directory locked. */
static int listen_at(int fd, const struct sockaddr_un *address)
{
	const struct sockaddr *sa = (const struct sockaddr *)address;
	int ret = bind(fd, sa, sizeof(*address));

	if (ret < 0 && errno == EADDRINUSE && is_stale(address)) {
		unlink(address->sun_path);
		ret = bind(fd, sa, sizeof(*address));
	}
	if (ret < 0)
		return -errno;
	if (chmod(address->sun_path, 0600) == 0 && listen(fd, CONTROL_CLIENTS) == 0)
		return 0;
	ret = -errno;
	unlink(address->sun_path);
	return ret;
}

/**
 * socket_listen() - take a name
 * @name: the machine's
 * @address: filled in; to be unlinked in the end
 *
 * Return: an fd that accepts, non-blocking; -EADDRINUSE: a machine has that name; or -errno.
 */
int socket_listen(const char *name, struct sockaddr_un *address)
{
	int dir, fd, ret = socket_address(name, address);

	if (ret < 0)
		return ret;
	dir = lock_directory();
	if (dir < 0)
		return dir;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	ret = fd < 0 ? -errno : listen_at(fd, address);
	close(dir);
	if (ret < 0 && fd >= 0)
		close(fd);
	return ret < 0 ? ret : fd;
}

/**
 * socket_remove_stale() - remove a socket whose machine is gone
 * @name: the machine's
 *
 * With the directory locked, so that it is not another's who has just taken the name.
 */
void socket_remove_stale(const char *name)
{
	struct sockaddr_un address;
	int dir = lock_directory();

	if (dir < 0)
		return;
	if (!socket_address(name, &address) && is_stale(&address))
		unlink(address.sun_path);
	close(dir);
}

/**
 * socket_peer_allowed() - is the other end's user ours, or root?
 * @fd: a connection
 */
bool socket_peer_allowed(int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	return !getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) &&
	       (peer.uid == geteuid() || peer.uid == 0);
}

/**
 * socket_connect() - reach a machine
 * @name: its name, or its pid where it has none
 * @timeout_ms: of each packet that is sent or waited for
 *
 * Return: an fd or -errno.
 */
int socket_connect(const char *name, unsigned int timeout_ms)
{
	struct timeval timeout = { timeout_ms / 1000, timeout_ms % 1000 * 1000 };
	struct sockaddr_un address;
	int fd, ret = socket_address(name, &address);

	if (ret < 0)
		return ret;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		ret = -errno;
	else if (!socket_peer_allowed(fd))
		ret = -EPERM;
	if (!ret)
		return fd;
	close(fd);
	return ret;
}

/**
 * socket_directory() - the directory of sockets, to be listed
 *
 * Return: NULL if there is none.
 */
DIR *socket_directory(void)
{
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];

	return directory_path(path, sizeof(path)) < 0 ? NULL : opendir(path);
}

/**
 * socket_name() - the machine's name of a socket
 * @entry: of the directory
 * @name: filled in
 * @len: of @name
 *
 * Return: false if it is no socket's.
 */
bool socket_name(const struct dirent *entry, char *name, size_t len)
{
	size_t n = strlen(entry->d_name), end = strlen(SOCKET_SUFFIX);

	if (n <= end || n - end >= len || strcmp(entry->d_name + n - end, SOCKET_SUFFIX))
		return false;
	memcpy(name, entry->d_name, n - end);
	name[n - end] = '\0';
	return true;
}

/* Room for the fds of a packet. */
union socket_fds {
	char room[CMSG_SPACE(FORK_FDS_MAX * sizeof(int))];
	struct cmsghdr align;
};

static void put_fds(struct msghdr *msg, union socket_fds *control, const struct fork_fds *fds)
{
	struct cmsghdr *head;

	msg->msg_control = control->room;
	msg->msg_controllen = CMSG_SPACE(fds->count * sizeof(int));
	head = CMSG_FIRSTHDR(msg);
	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(fds->count * sizeof(int));
	memcpy(CMSG_DATA(head), fds->fd, fds->count * sizeof(int));
}

/**
 * socket_send() - one packet
 * @fd: a connection
 * @message: what
 * @fds: go with it, if there are any; NULL: none
 *
 * Return: 0 or -errno; -EMSGSIZE: @message is too long.
 */
int socket_send(int fd, struct json_object *message, const struct fork_fds *fds)
{
	size_t len;
	const char *text = json_object_to_json_string_length(message, JSON_C_TO_STRING_PLAIN, &len);
	struct iovec iov = { (void *)text, len };
	union socket_fds control = { { 0 } };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (!text || len > CONTROL_MESSAGE)
		return -EMSGSIZE;
	if (fds && fds->count)
		put_fds(&msg, &control, fds);
	return sendmsg(fd, &msg, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* The fds of a packet: kept if they are wanted, as far as there is room. */
static void take_fds(struct msghdr *msg, struct fork_fds *fds)
{
	for (struct cmsghdr *h = CMSG_FIRSTHDR(msg); h; h = CMSG_NXTHDR(msg, h)) {
		size_t count;

		if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
			continue;
		count = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < count; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(h) + i * sizeof(fd), sizeof(fd));
			if (fds && fds->count < FORK_FDS_MAX)
				fds->fd[fds->count++] = fd;
			else
				close(fd);
		}
	}
}

/**
 * socket_close_fds() - close what was received
 * @fds: empty afterwards
 */
void socket_close_fds(struct fork_fds *fds)
{
	while (fds->count)
		close(fds->fd[--fds->count]);
}

/**
 * socket_receive() - one packet
 * @fd: a connection
 * @message: filled in; an object
 * @fds: filled in with those that came; NULL: none is wanted
 *
 * Return: 0; -ENOTCONN: the other end has closed; -EPROTO: it is no object; or -errno.
 */
int socket_receive(int fd, struct json_object **message, struct fork_fds *fds)
{
	char text[CONTROL_MESSAGE + 1];
	struct iovec iov = { text, CONTROL_MESSAGE };
	union socket_fds control;
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.room,
			      .msg_controllen = sizeof(control.room) };
	ssize_t n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);

	*message = NULL;
	if (fds)
		fds->count = 0;
	if (n <= 0)
		return n ? -errno : -ENOTCONN;
	take_fds(&msg, fds);
	text[n] = '\0';
	if (!(msg.msg_flags & MSG_TRUNC))
		*message = json_tokener_parse(text);
	if (json_object_is_type(*message, json_type_object))
		return 0;
	json_object_put(*message);
	*message = NULL;
	if (fds)
		socket_close_fds(fds);
	return -EPROTO;
}

/**
 * message_string() - a member that is a string
 * @message: an object
 * @key: its name
 *
 * Return: the string, which is @message's, or "".
 */
const char *message_string(struct json_object *message, const char *key)
{
	struct json_object *value;

	if (json_object_object_get_ex(message, key, &value) &&
	    json_object_is_type(value, json_type_string))
		return json_object_get_string(value);
	return "";
}

/**
 * message_new() - an object with one member
 * @key: its name
 * @value: a string
 */
struct json_object *message_new(const char *key, const char *value)
{
	struct json_object *message = json_object_new_object();

	json_object_object_add(message, key, json_object_new_string(value));
	return message;
}

/* Where the machine says that it failed there is an answer, too, which may say why. */
static int call(int fd, struct json_object *request, struct json_object **answer,
		struct fork_fds *fds)
{
	struct json_object *error;
	int ret = socket_send(fd, request, NULL);

	*answer = NULL;
	if (!ret)
		ret = socket_receive(fd, answer, fds);
	if (ret == -EAGAIN)
		ret = -ETIMEDOUT;
	if (ret < 0 || !json_object_object_get_ex(*answer, "errno", &error))
		return ret;
	ret = json_object_get_int(error);
	return ret > 0 && ret < 4096 ? -ret : -EPROTO;
}

/**
 * machine_call() - ask a machine for something, and wait for the answer
 * @fd: of socket_connect()
 * @command: what
 * @answer: filled in, unless an error is returned
 *
 * Return: 0, or -errno: also when the machine says that it failed.
 */
int machine_call(int fd, const char *command, struct json_object **answer)
{
	struct json_object *request = message_new("command", command);
	int ret = call(fd, request, answer, NULL);

	if (ret < 0)
		json_object_put(*answer);
	json_object_put(request);
	return ret;
}

static const char *why_unsupported(const char *command)
{
	if (!strcmp(command, "reset"))
		return ": it is not a fork made with --resettable, or has been frozen since";
	if (!strcmp(command, "console"))
		return ": its console is where `ditto run' was started";
	if (!strcmp(command, "fork") || !strcmp(command, "freeze"))
		return ": its memory has the policy `secure'";
	if (!strcmp(command, "stop"))
		return ": it has no agent, or its agent is not up, or it is frozen; `ditto kill' "
		       "ends it";
	return "";
}

/* @why: the machine's own words, or "" */
static void explain(const char *name, const char *command, int err, const char *why)
{
	if (*why) {
		complain("%s: %s: %s", name, command, why);
		return;
	}
	if (err == EINVAL && !strcmp(command, "balloon")) {
		complain("%s: balloon: the size is more than the machine's RAM", name);
		return;
	}
	switch (err) {
	case ENOENT:
	case ECONNREFUSED:
		complain("%s: no such machine of yours (`ditto tree' lists them)", name);
		break;
	case EBUSY:
		complain("%s: %s: busy: it has other memory than ditto's, or nobody reads its "
			 "console", name, command);
		break;
	case ENODEV:
		complain("%s: %s: it was not started with --%s", name, command, command);
		break;
	case ENOTTY:
		complain("%s: %s: only machines on ditto's device can do that", name, command);
		break;
	case EACCES:
		complain("%s: the folder of the machines' sockets is another user's; set "
			 "XDG_RUNTIME_DIR to a folder of your own", name);
		break;
	case EOPNOTSUPP:
		complain("%s: %s: this machine cannot do that%s", name, command,
			 why_unsupported(command));
		break;
	case EAGAIN:
		complain("%s: %s: %s: perhaps you have as many forks as the module's parameter "
			 "max_forks allows", name, command, strerror(err));
		break;
	default:
		complain("%s: %s: %s", name, command, strerror(err));
	}
}

/**
 * machine_request() - find a machine, and ask it for something
 * @name: the machine's
 * @request: "command" says what; the reference is taken over
 * @answer: as for machine_call(); NULL: not wanted
 * @fds: as for socket_receive()
 *
 * Return: the connection, or -1 after saying why not on standard error.
 */
int machine_request(const char *name, struct json_object *request, struct json_object **answer,
		    struct fork_fds *fds)
{
	int fd = socket_connect(name, TIMEOUT_MS), ret = fd;
	struct json_object *got = NULL;

	if (fd >= 0)
		ret = call(fd, request, &got, fds);
	if (ret < 0) {
		explain(name, message_string(request, "command"), -ret,
			got ? message_string(got, "why") : "");
		json_object_put(got);
		if (fd >= 0)
			close(fd);
	} else if (answer) {
		*answer = got;
	} else {
		json_object_put(got);
	}
	json_object_put(request);
	return ret < 0 ? -1 : fd;
}

/**
 * machine_ask() - the same, where the command is all there is to say
 * @name: the machine's
 * @command: what
 * @answer: as for machine_call(); NULL: not wanted
 * @fds: as for socket_receive()
 *
 * Return: as machine_request().
 */
int machine_ask(const char *name, const char *command, struct json_object **answer,
		struct fork_fds *fds)
{
	return machine_request(name, message_new("command", command), answer, fds);
}
