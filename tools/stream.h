/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef DITTO_STREAM_H
#define DITTO_STREAM_H

#include "sha256.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/**
 * struct blob - some bytes of a file
 * @label: what they are called, for messages
 * @fd: the file, which is not the blob's
 * @at, @len: where in it
 */
struct blob {
	const char *label;
	int fd;
	uint64_t at, len;
};

/**
 * struct stream - a blob that is read from its beginning to its end, and unpacked on the way
 * @label: the blob's
 * @fd: where it comes from: a pipe
 * @feeder, @unpacker: processes, or 0
 * @unpacks: what is needed for that
 * @sum: of what has been read
 * @left: bytes that may still come
 */
struct stream {
	const char *label;
	int fd;
	pid_t feeder, unpacker;
	const char *unpacks;
	struct sha256 sum;
	uint64_t left;
};

int blob_check(const struct blob *blob, const char *digest);
char *blob_text(const struct blob *blob);
int stream_open(struct stream *s, const struct blob *blob, uint64_t max);
int stream_read(struct stream *s, void *data, size_t len);
int stream_finish(struct stream *s, char text[SHA256_TEXT]);
void stream_close(struct stream *s);

#endif
