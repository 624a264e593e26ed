// SPDX-License-Identifier: GPL-2.0-only
/*
 * Files to boot from, and the checks that make a file a kernel. Everything a
 * bzImage says about itself (Documentation/arch/x86/boot.rst in Linux) is
 * compared with the file before a machine exists, so that a truncated or
 * foreign file is one clear line and not a guest that dies mysteriously.
 */
#include "kernel.h"
#include "util.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECTOR			512u
#define PARAGRAPH		16u
#define HEADER_OFFSET		0x1f1u
#define HEADER_END_BASE		0x202u	/* plus the byte at 0x201: end of the header */
#define BOOT_FLAG		0xaa55
#define HEADER_MAGIC		0x53726448	/* "HdrS" */
#define VERSION_XLOADFLAGS	0x020c	/* 2.12: the first that can say "64-bit" */
#define ENTRY_64		0x200u

static_assert(offsetof(struct boot_params, hdr) == HEADER_OFFSET, "zero page layout");
static_assert(offsetof(struct setup_header, header) + HEADER_OFFSET == 0x202, "header layout");
static_assert(sizeof(struct boot_params) == 4096, "zero page layout");

/**
 * image_open() - open a regular file for reading
 * @image: filled in
 * @path: kept for messages
 *
 * Return: 0, or -1 after saying why not on standard error.
 */
int image_open(struct image *image, const char *path)
{
	struct stat st;
	int err;

	*image = (struct image){ .path = path, .fd = open(path, O_RDONLY | O_CLOEXEC) };
	if (image->fd < 0) {
		complain("%s: %s", path, strerror(errno));
		return -1;
	}
	err = fstat(image->fd, &st) < 0 ? errno : S_ISDIR(st.st_mode) ? EISDIR : 0;
	if (err || !S_ISREG(st.st_mode)) {
		complain("%s: %s", path, err ? strerror(err) : "not a regular file");
		image_close(image);
		return -1;
	}
	image->size = st.st_size;
	return 0;
}

/**
 * image_read() - read part of the file
 * @image: the file
 * @to: where to
 * @offset: where from
 * @len: how much
 *
 * Return: 0 or -errno; -ENODATA if the file ends early.
 */
int image_read(const struct image *image, void *to, uint64_t offset, uint64_t len)
{
	while (len) {
		ssize_t n = pread(image->fd, to, len > GIB ? GIB : len, offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -ENODATA;
		to = (char *)to + n;
		offset += n;
		len -= n;
	}
	return 0;
}

/**
 * image_close() - close the file
 * @image: from image_open(), or closed already
 */
void image_close(struct image *image)
{
	if (image->fd >= 0)
		close(image->fd);
	image->fd = -1;
}

static const char *foreign_file(const uint8_t *head)
{
	if (!memcmp(head, "\177ELF", 4))
		return "an ELF file, not a bzImage: give arch/x86/boot/bzImage or /boot/vmlinuz-*";
	if (head[0] == 0x1f && head[1] == 0x8b)
		return "a gzip file, not a bzImage";
	return "not a Linux kernel image (no boot signature)";
}

/* The header's length is in the jump instruction that skips it. */
static void header_copy(struct setup_header *hdr, const uint8_t *head)
{
	size_t len = HEADER_END_BASE + head[0x201] - HEADER_OFFSET;

	memset(hdr, 0, sizeof(*hdr));
	memcpy(hdr, head + HEADER_OFFSET, len < sizeof(*hdr) ? len : sizeof(*hdr));
}

static const char *header_refuse(const struct setup_header *hdr)
{
	if (hdr->header != HEADER_MAGIC)
		return "not a Linux kernel image (no HdrS header)";
	if (hdr->version < VERSION_XLOADFLAGS)
		return "boot protocol older than 2.12 (Linux 3.8 or later is needed)";
	if (!(hdr->loadflags & LOADED_HIGH))
		return "a zImage, not a bzImage";
	if (!(hdr->xloadflags & XLF_KERNEL_64))
		return "a 32-bit kernel: only 64-bit kernels can be booted";
	if (!hdr->init_size || hdr->init_size > 2 * GIB || hdr->pref_address > 2 * GIB ||
	    hdr->pref_address < MIB || hdr->pref_address % PAGE_BYTES)
		return "damaged kernel image (load address or init size makes no sense)";
	return NULL;
}

/* The header counts paragraphs: of the last one the file may lack a part, which is 0. */
static const char *measure(struct kernel *k)
{
	uint64_t wanted = k->hdr.syssize * (uint64_t)PARAGRAPH, have;

	k->payload_offset = ((k->hdr.setup_sects ?: 4) + 1) * (uint64_t)SECTOR;
	have = k->file.size > k->payload_offset ? k->file.size - k->payload_offset : 0;
	if (wanted >= have + PARAGRAPH)
		return "truncated kernel image";
	k->payload_size = wanted < have ? wanted : have;
	return NULL;
}

static const char *size_refuse(const struct kernel *k)
{
	uint64_t payload_end = (uint64_t)k->hdr.payload_offset + k->hdr.payload_length;

	if (k->payload_size <= ENTRY_64)
		return "damaged kernel image (no code)";
	if (payload_end > k->payload_size)
		return "damaged kernel image (payload reaches beyond its end)";
	return NULL;
}

static const char *kernel_refuse(struct kernel *k)
{
	uint8_t head[2 * SECTOR] = { 0 };
	uint64_t have = k->file.size < sizeof(head) ? k->file.size : sizeof(head);
	const char *why;
	int ret = image_read(&k->file, head, 0, have);

	if (ret < 0)
		return strerror(-ret);
	if (!have)
		return "empty file";
	header_copy(&k->hdr, head);
	if (k->hdr.boot_flag != BOOT_FLAG)
		return foreign_file(head);
	why = header_refuse(&k->hdr);
	if (!why)
		why = measure(k);
	return why ?: size_refuse(k);
}

/**
 * kernel_check() - make sure that a file is a kernel we can boot, and measure it
 * @kernel: @file is open; the rest is filled in
 *
 * Return: 0, or -1 after saying why not on standard error.
 */
int kernel_check(struct kernel *kernel)
{
	const char *why = kernel_refuse(kernel);

	if (!why)
		return 0;
	complain("%s: %s", kernel->file.path, why);
	return -1;
}
