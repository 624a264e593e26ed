// SPDX-License-Identifier: GPL-2.0-only
/*
 * What every command needs and nobody owns: one-line error reports, sizes
 * read and written in the units people use, the contents of small files
 * such as sysfs attributes, and lists of strings.
 */
#include "util.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/**
 * complain() - one line on standard error, with the program's name before it
 * @fmt: as for printf, without a newline
 *
 * Some of it may be what others wrote, as into an image: it does nothing to a terminal.
 */
void complain(const char *fmt, ...)
{
	va_list ap;
	char *line;
	int ret;

	va_start(ap, fmt);
	ret = vasprintf(&line, fmt, ap);
	va_end(ap);
	if (ret < 0)
		return;
	for (char *p = line; *p; p++)
		if (iscntrl((unsigned char)*p) && !strchr("\t\r\n", *p))
			*p = '?';
		else if (p[0] == '\xc2' && ((uint8_t)p[1] & 0xe0) == 0x80)	/* C1 in UTF-8 */
			p[0] = p[1] = '?';
	fprintf(stderr, "ditto: %s\n", line);
	free(line);
}

static int unit_shift(char unit)
{
	switch (toupper((unsigned char)unit)) {
	case 'K':
		return 10;
	case 'M':
		return 20;
	case 'G':
		return 30;
	case 'T':
		return 40;
	default:
		return -1;
	}
}

/**
 * parse_size() - read a number of bytes, as in 256M, 4G, 65536
 * @text: digits, then at most one of K M G T (binary), optionally "B" or "iB"
 * @bytes: the result; untouched on failure
 *
 * Return: whether @text was a size that fits into 64 bits.
 */
bool parse_size(const char *text, uint64_t *bytes)
{
	unsigned long long value;
	int shift = 0;
	char *end;

	if (!isdigit((unsigned char)text[0]))
		return false;
	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno)
		return false;
	if (*end) {
		shift = unit_shift(*end++);
		if (shift < 0 || (*end && strcmp(end, "B") && strcmp(end, "iB")))
			return false;
	}
	if (value > UINT64_MAX >> shift)
		return false;
	*bytes = value << shift;
	return true;
}

/**
 * parse_uint() - read a plain decimal number
 * @text: digits only
 * @value: the result; untouched on failure
 *
 * Return: whether @text was a number that fits.
 */
bool parse_uint(const char *text, unsigned int *value)
{
	unsigned long v;
	char *end;

	if (!isdigit((unsigned char)text[0]))
		return false;
	errno = 0;
	v = strtoul(text, &end, 10);
	if (errno || *end || v > UINT_MAX)
		return false;
	*value = v;
	return true;
}

/**
 * format_size() - bytes for people: "0", "512B", "96.0M", "1.5G"
 * @bytes: the number
 * @buf: where to write
 * @len: its length
 *
 * Return: @buf.
 */
char *format_size(uint64_t bytes, char *buf, size_t len)
{
	static const char units[] = "BKMGTPE";
	double value = bytes;
	unsigned int u = 0;

	while (value >= 1024 && units[u + 1]) {
		value /= 1024;
		u++;
	}
	if (!bytes)
		snprintf(buf, len, "0");
	else if (!u)
		snprintf(buf, len, "%uB", (unsigned int)bytes);
	else
		snprintf(buf, len, "%.1f%c", value, units[u]);
	return buf;
}

/**
 * read_small_file() - the text of a sysfs-like file, without its last newline
 * @path: the file
 * @buf: where to write; always NUL-terminated on success
 * @len: its length; a longer file is cut
 *
 * Return: 0 or -errno.
 */
int read_small_file(const char *path, char *buf, size_t len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, buf, len - 1);
	if (n < 0) {
		n = -errno;
		close(fd);
		return n;
	}
	close(fd);
	buf[n] = '\0';
	if (n && buf[n - 1] == '\n')
		buf[n - 1] = '\0';
	return 0;
}

/**
 * strings_add() - one more
 * @s: the strings
 * @text: copied
 *
 * Return: 0 or -ENOMEM.
 */
int strings_add(struct strings *s, const char *text)
{
	size_t len = strlen(text) + 1;
	char *bigger = realloc(s->text, s->len + len);

	if (!bigger)
		return -ENOMEM;
	s->text = bigger;
	memcpy(s->text + s->len, text, len);
	s->len += len;
	return 0;
}
