// SPDX-License-Identifier: GPL-2.0-only
/*
 * Numbers in files: sysfs knobs, the module's checker, /proc/meminfo.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "knobs.h"

static ssize_t slurp(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), saved;
	ssize_t length, all = 0;

	if (fd < 0)
		return -1;
	while ((length = read(fd, text + all, size - 1 - all)) > 0)
		all += length;
	saved = errno;
	close(fd);
	errno = saved;
	text[all] = 0;
	return length < 0 ? -1 : all;
}

long knob_read(const char *path)
{
	char text[64];

	if (slurp(path, text, sizeof(text)) <= 0)
		return -1;
	return strtol(text, NULL, 10);
}

int knob_write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), saved;
	ssize_t length;

	if (fd < 0)
		return -1;
	length = write(fd, text, strlen(text));
	saved = errno;
	close(fd);
	errno = saved;
	return length == (ssize_t)strlen(text) ? 0 : -1;
}

int knob_write(const char *path, long value)
{
	char text[32];

	snprintf(text, sizeof(text), "%ld\n", value);
	return knob_write_text(path, text);
}

/* What the last file of lines said. */
static char lines[65536];

long knob_line(const char *path, const char *name)
{
	const char *line = lines;

	if (slurp(path, lines, sizeof(lines)) < 0)
		return -1;
	for (; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!strncmp(line, name, strlen(name)) && line[strlen(name)] == ':')
			return strtol(line + strlen(name) + 1, NULL, 10);
	}
	return -1;
}

long knob_violations(void)
{
	long violations;

	if (access(DITTO_CHECK, F_OK))
		mount("debugfs", "/sys/kernel/debug", "debugfs", 0, NULL);
	violations = knob_line(DITTO_CHECK, "violations");
	if (violations > 0) {
		char *line, *rest = lines;

		/* Not those of a second look, which may find nothing any more. */
		while ((line = strsep(&rest, "\n")))
			printf("# check: %s\n", line);
	}
	return violations;
}

static bool is_off(const char *parameter)
{
	char text[8];

	return slurp(parameter, text, sizeof(text)) > 0 && text[0] == 'N';
}

bool knob_shadow(void)
{
	return is_off("/sys/module/ditto/parameters/npt") ||
	       is_off("/sys/module/ditto/parameters/ept");
}
