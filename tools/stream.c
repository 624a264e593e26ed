// SPDX-License-Identifier: GPL-2.0-only
/*
 * Parts of images: their sums, and their contents, which gzip or zstd unpacks where they are
 * packed. That is a process of its own, and so is who gives it the bytes; both end with this
 * one. How much comes out is bounded here, whatever the packed bytes say.
 */
#include "stream.h"
#include "helper.h"
#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define TEXT_MAX	(4 * MIB)	/* of a description */
#define PIECE		65536

/**
 * struct packer - a program that unpacks
 * @magic, @len: how what it unpacks begins
 * @program: its name, as well as that of Debian's package
 */
struct packer {
	const char *magic, *program;
	size_t len;
};

static const struct packer packers[] = {
	{ "\x1f\x8b", "gzip", 2 },
	{ "\x28\xb5\x2f\xfd", "zstd", 4 },
};

/* All of @len bytes. */
static int blob_read(const struct blob *blob, void *data, uint64_t at, size_t len)
{
	for (size_t done = 0; done < len;) {
		ssize_t n = pread(blob->fd, (char *)data + done, len - done,
				  blob->at + at + done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -ENODATA;
		done += n;
	}
	return 0;
}

/**
 * blob_check() - see that a blob is what it is called
 * @blob: the blob
 * @digest: its SHA-256 sum, in hexadecimal
 *
 * Return: 0, or -1 after saying why not on standard error.
 */
int blob_check(const struct blob *blob, const char *digest)
{
	static uint8_t piece[PIECE];
	char text[SHA256_TEXT];
	struct sha256 sum;
	int ret = 0;

	sha256_init(&sum);
	for (uint64_t at = 0; at < blob->len && !ret;) {
		size_t n = blob->len - at < PIECE ? blob->len - at : PIECE;

		ret = blob_read(blob, piece, at, n);
		sha256_add(&sum, piece, n);
		at += n;
	}
	sha256_end(&sum, text);
	if (ret < 0)
		complain("%s: %s", blob->label, strerror(-ret));
	else if (strcmp(text, digest))
		complain("%s: damaged: its SHA-256 sum is %s", blob->label, text);
	else
		return 0;
	return -1;
}

/**
 * blob_text() - all of a small blob
 * @blob: a text
 *
 * Return: the text, to be freed; or NULL after saying why not on standard error.
 */
char *blob_text(const struct blob *blob)
{
	char *text = blob->len <= TEXT_MAX ? malloc(blob->len + 1) : NULL;
	int ret = text ? blob_read(blob, text, 0, blob->len) : -ENOMEM;

	if (!ret && memchr(text, '\0', blob->len)) {
		complain("%s: has a zero byte", blob->label);
		ret = -EINVAL;
	} else if (ret < 0) {
		complain("%s: %s", blob->label, blob->len > TEXT_MAX ? "too long"
								    : strerror(-ret));
	}
	if (!ret) {
		text[blob->len] = '\0';
		return text;
	}
	free(text);
	return NULL;
}

static void feed(const struct blob *blob, int fd)
{
	static uint8_t piece[PIECE];

	for (uint64_t at = 0; at < blob->len;) {
		size_t n = blob->len - at < PIECE ? blob->len - at : PIECE;

		if (blob_read(blob, piece, at, n) < 0)
			_exit(1);
		for (size_t done = 0; done < n;) {
			ssize_t written = write(fd, piece + done, n - done);

			if (written <= 0)
				_exit(1);
			done += written;
		}
		at += n;
	}
	_exit(0);
}

static pid_t start_feeder(const struct blob *blob, int *from)
{
	pid_t parent = getpid(), pid;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -1;
	pid = fork();
	if (!pid) {
		helper_begin(parent);
		close(ends[0]);
		feed(blob, ends[1]);
	}
	close(ends[1]);
	*from = ends[0];
	return pid;
}

/* What it has to say to damaged bytes is said by its status. */
static pid_t start_unpacker(const char *program, int *from)
{
	pid_t parent = getpid(), pid;
	int ends[2], null;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -1;
	pid = fork();
	if (!pid) {
		helper_begin(parent);
		null = open("/dev/null", O_WRONLY | O_CLOEXEC);
		if (dup2(*from, STDIN_FILENO) >= 0 && dup2(ends[1], STDOUT_FILENO) >= 0 &&
		    dup2(null, STDERR_FILENO) >= 0)
			execlp(program, program, "-d", "-c", (char *)NULL);
		_exit(127);
	}
	close(ends[1]);
	close(*from);
	*from = ends[0];
	return pid;
}

static const struct packer *packer_of(const struct blob *blob)
{
	char magic[4];

	for (size_t i = 0; i < ARRAY_SIZE(packers); i++)
		if (packers[i].len <= blob->len &&
		    !blob_read(blob, magic, 0, packers[i].len) &&
		    !memcmp(magic, packers[i].magic, packers[i].len))
			return &packers[i];
	return NULL;
}

/**
 * stream_open() - begin to read a blob, unpacked
 * @s: filled in; stream_close() it whatever is returned
 * @blob: the blob; its label is kept
 * @max: bytes that it may have then
 *
 * Return: 0, or -1 after saying why not on standard error.
 */
int stream_open(struct stream *s, const struct blob *blob, uint64_t max)
{
	const struct packer *packer = packer_of(blob);
	pid_t pid;

	*s = (struct stream){ .label = blob->label, .fd = -1, .left = max };
	sha256_init(&s->sum);
	pid = start_feeder(blob, &s->fd);
	s->feeder = pid > 0 ? pid : 0;
	if (pid > 0 && packer) {
		s->unpacks = packer->program;
		pid = start_unpacker(packer->program, &s->fd);
		s->unpacker = pid > 0 ? pid : 0;
	}
	if (pid > 0)
		return 0;
	complain("%s: %s", s->label, strerror(errno));
	return -1;
}

/**
 * stream_read() - the next bytes
 * @s: the stream
 * @data: where to
 * @len: how many
 *
 * Return: 1; 0: it ended where they would begin; -EFBIG: more than it may have; -ENODATA: it
 * ended in the middle; or -errno.
 */
int stream_read(struct stream *s, void *data, size_t len)
{
	size_t done = 0;

	if (len > s->left)
		return -EFBIG;
	while (done < len) {
		ssize_t n = read(s->fd, (char *)data + done, len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			return done ? -ENODATA : 0;
		done += n;
	}
	sha256_add(&s->sum, data, len);
	s->left -= len;
	return 1;
}

static int end_of(pid_t *pid)
{
	int status = 0, ret = 0;

	while (*pid && (ret = waitpid(*pid, &status, 0)) < 0 && errno == EINTR)
		;
	*pid = 0;
	return ret < 0 ? -1 : status;
}

/* What comes behind what was wanted: padding. Its last piece may be a short one. */
static int read_rest(struct stream *s)
{
	static uint8_t piece[PIECE];
	ssize_t n;

	while ((n = read(s->fd, piece, sizeof(piece)))) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 || (uint64_t)n > s->left)
			return n < 0 ? -errno : -EFBIG;
		sha256_add(&s->sum, piece, n);
		s->left -= n;
	}
	return 0;
}

/**
 * stream_finish() - read what is left, and see that all of it could be unpacked
 * @s: the stream
 * @text: gets the sum of what was read
 *
 * Return: 0, or -1 after saying why not on standard error.
 */
int stream_finish(struct stream *s, char text[SHA256_TEXT])
{
	int ret = read_rest(s), status;

	if (ret < 0) {
		complain("%s: %s", s->label, strerror(-ret));
		return -1;
	}
	sha256_end(&s->sum, text);
	status = end_of(&s->unpacker);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		complain("%s: needs %s to be unpacked", s->label, s->unpacks);
	else if (status)
		complain("%s: damaged: %s cannot unpack it", s->label, s->unpacks);
	else if (end_of(&s->feeder))
		complain("%s: cannot be read", s->label);
	else
		return 0;
	return -1;
}

/**
 * stream_close() - end the stream's processes
 * @s: from stream_open()
 */
void stream_close(struct stream *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	if (s->unpacker)
		kill(s->unpacker, SIGKILL);
	if (s->feeder)
		kill(s->feeder, SIGKILL);
	end_of(&s->unpacker);
	end_of(&s->feeder);
}
