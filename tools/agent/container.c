// SPDX-License-Identifier: GPL-2.0-only
/*
 * The agent in a guest that is nothing but a container: it is the first process, mounts what
 * every program expects, and starts the command as the user, in the folder and with the
 * standard files that were asked for. Users are those of the container's own files.
 */
#include "container.h"
#include "protocol.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <net/if.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#define PLACE		"/" AGENT_PLACE
#define GROUPS_MAX	64

static const struct {
	const char *path, *type, *options;
	unsigned int mode;
} mounts[] = {
	{ "/proc", "proc", NULL, 0555 },
	{ "/sys", "sysfs", NULL, 0555 },
	{ "/dev", "devtmpfs", "mode=0755", 0755 },
	{ "/dev/pts", "devpts", "newinstance,ptmxmode=0666,mode=0620,gid=5", 0755 },
	{ "/dev/shm", "tmpfs", "mode=1777", 01777 },
};

static const struct {
	const char *target, *path;
} links[] = {
	{ "/proc/self/fd", "/dev/fd" }, { "/proc/self/fd/0", "/dev/stdin" },
	{ "/proc/self/fd/1", "/dev/stdout" }, { "/proc/self/fd/2", "/dev/stderr" },
};

static void loopback_up(void)
{
	struct ifreq request = { .ifr_name = "lo" };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return;
	if (ioctl(fd, SIOCGIFFLAGS, &request) >= 0) {
		request.ifr_flags |= IFF_UP;
		ioctl(fd, SIOCSIFFLAGS, &request);
	}
	close(fd);
}

/* As the first process. What an image has in the way, as a file where a folder is to be, stays. */
bool container_mount(void)
{
	bool ok = true;

	for (size_t i = 0; i < sizeof(mounts) / sizeof(mounts[0]); i++) {
		mkdir(mounts[i].path, mounts[i].mode);
		if (mount("none", mounts[i].path, mounts[i].type, MS_NOSUID, mounts[i].options) < 0)
			ok = false;
	}
	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++)
		if (symlink(links[i].target, links[i].path) < 0 && errno != EEXIST)
			ok = false;
	loopback_up();
	return ok;
}

/* Everything of the agent's is open: the command finds nothing of it among its files. */
void container_clean(void)
{
	static const char *const names[] = { "agent", "port", "kmsg", "urandom" };
	char path[32];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), PLACE "/%s", names[i]);
		unlink(path);
	}
	rmdir(PLACE);
}

/* Return: an errno, or 0. */
int container_open_tty(int std[3], int *input_fd, int *output_fd)
{
	int master = open("/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC), zero = 0;
	char name[32];
	unsigned int number;

	if (master < 0)
		return errno;
	*output_fd = master;
	*input_fd = fcntl(master, F_DUPFD_CLOEXEC, 0);
	if (ioctl(master, TIOCSPTLCK, &zero) < 0 || ioctl(master, TIOCGPTN, &number) < 0)
		return errno;
	snprintf(name, sizeof(name), "/dev/pts/%u", number);
	std[0] = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
	std[1] = fcntl(std[0], F_DUPFD_CLOEXEC, 0);
	std[2] = fcntl(std[0], F_DUPFD_CLOEXEC, 0);
	return std[2] < 0 ? errno : 0;
}

/* Return: an errno, or 0. */
int container_open_console(int std[3])
{
	std[0] = open("/dev/ttyS0", O_RDWR | O_NOCTTY | O_CLOEXEC);
	std[1] = fcntl(std[0], F_DUPFD_CLOEXEC, 0);
	std[2] = fcntl(std[0], F_DUPFD_CLOEXEC, 0);
	return std[2] < 0 ? errno : 0;
}

/**
 * struct identity - who a command is
 * @uid, @gid, @groups, @count: as usual
 * @name: of the user, or empty: it has only a number
 * @home: directory
 */
struct identity {
	uid_t uid;
	gid_t gid, groups[GROUPS_MAX];
	size_t count;
	char name[256], home[4096];
};

static bool number_of(const char *text, unsigned int *number)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	*number = value;
	return *text >= '0' && *text <= '9' && !*end && value < 0xffffffff;
}

/* By name or else by number; who has only a number need not be in the file. */
static bool find_user(const char *text, struct identity *who)
{
	FILE *f = fopen("/etc/passwd", "re");
	bool is_number = number_of(text, &who->uid), found = false;
	struct passwd *p;

	while (f && !found && (p = fgetpwent(f))) {
		found = is_number ? p->pw_uid == who->uid : !strcmp(p->pw_name, text);
		if (!found)
			continue;
		who->uid = p->pw_uid;
		who->gid = p->pw_gid;
		snprintf(who->name, sizeof(who->name), "%s", p->pw_name);
		snprintf(who->home, sizeof(who->home), "%s", p->pw_dir);
	}
	if (f)
		fclose(f);
	return found || is_number;
}

static bool find_group(const char *text, struct identity *who)
{
	FILE *f = fopen("/etc/group", "re");
	bool found = number_of(text, &who->gid);
	struct group *g;

	while (f && !found && (g = fgetgrent(f))) {
		found = !strcmp(g->gr_name, text);
		if (found)
			who->gid = g->gr_gid;
	}
	if (f)
		fclose(f);
	return found;
}

static bool is_member(const struct group *g, const char *name)
{
	for (char **m = g->gr_mem; *m; m++)
		if (!strcmp(*m, name))
			return true;
	return false;
}

static void find_groups(struct identity *who)
{
	FILE *f = fopen("/etc/group", "re");
	struct group *g;

	while (f && *who->name && who->count < GROUPS_MAX && (g = fgetgrent(f)))
		if (is_member(g, who->name))
			who->groups[who->count++] = g->gr_gid;
	if (f)
		fclose(f);
}

static bool identify(const char *spec, struct identity *who)
{
	char *user = strdup(*spec ? spec : "0"), *group;
	bool ok;

	if (!user)
		return false;
	group = strchr(user, ':');
	if (group)
		*group++ = '\0';
	ok = find_user(*user ? user : "0", who);
	if (group && *group)
		ok = ok && find_group(group, who);
	who->groups[who->count++] = who->gid;
	if (ok && !(group && *group))
		find_groups(who);
	free(user);
	return ok;
}

static void make_folders(const char *dir)
{
	char path[4096];

	for (const char *p = dir; *p; p++) {
		size_t len = p + 1 - dir;

		if (p[1] != '/' && p[1])
			continue;
		if (len >= sizeof(path))
			return;
		memcpy(path, dir, len);
		path[len] = '\0';
		mkdir(path, 0755);
	}
}

/*
 * In the command's process, after its environment was set.
 * Return: 0, an errno, or NO_SUCH_USER.
 */
int container_enter(const struct run *run, const char *dir)
{
	static struct identity who = { .home = "/" };

	if (strcmp(run->files, AGENT_PIPES)) {
		ioctl(STDIN_FILENO, TIOCSCTTY, 0);
		setenv("TERM", "xterm", 0);
	}
	if (!identify(run->user, &who))
		return NO_SUCH_USER;
	setenv("HOME", who.home, 0);
	setenv("HOSTNAME", run->host, 0);
	make_folders(dir);
	/* Not what says that there is no such command. */
	if (chdir(*dir ? dir : "/") < 0)
		return errno == ENOENT ? ENOTDIR : errno;
	/* So that it can open again, by its name, what it has. */
	for (int fd = 0; fd < 3; fd++)
		if (fchown(fd, who.uid, -1) < 0)
			return errno;
	if (setgroups(who.count, who.groups) < 0 || setgid(who.gid) < 0 || setuid(who.uid) < 0)
		return errno;
	return 0;
}
