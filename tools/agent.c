// SPDX-License-Identifier: GPL-2.0-only
/*
 * The agent's way into a guest: an archive that comes before the user's initramfs and has
 * the agent in it, and a command line by which the kernel starts that first. The program
 * itself is part of this one.
 */
#include "agent.h"
#include "util.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PLACE		".ditto"
#define ALIGN		512	/* archives that follow each other begin at 4; tools like 512 */

__asm__(".section .rodata\n"
	"agent_program:\n"
	".incbin \"agent/agent\"\n"
	"agent_program_end:\n"
	".previous\n");

extern const char agent_program[], agent_program_end[];

/* The "newc" format: a head in hexadecimal, the name, the contents; each padded to 4 bytes. */
static void put_entry(FILE *f, const char *name, unsigned int mode, const void *data, size_t len)
{
	static const char zeroes[4];
	size_t name_len = strlen(name) + 1;

	fprintf(f, "070701%08x%08x%08x%08x%08x%08x%08zx%08x%08x%08x%08x%08zx%08x", 0, mode, 0, 0, 1,
		0, len, 0, 0, 0, 0, name_len, 0);
	fwrite(name, 1, name_len, f);
	fwrite(zeroes, 1, -(110 + name_len) & 3, f);
	fwrite(data, 1, len, f);
	fwrite(zeroes, 1, -len & 3, f);
}

static int make_archive(struct boot *boot)
{
	char *archive = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&archive, &len);

	if (!f)
		return -1;
	put_entry(f, PLACE, 040755, "", 0);
	put_entry(f, PLACE "/agent", 0100755, agent_program, agent_program_end - agent_program);
	put_entry(f, "TRAILER!!!", 0, "", 0);
	while (ftell(f) % ALIGN)
		fputc(0, f);
	if (fclose(f))
		return -1;
	boot->before = archive;
	boot->before_len = len;
	return 0;
}

/* The user's own first process is told to the agent, which starts it. */
static int make_cmdline(struct boot *boot)
{
	char *words = strdup(boot->cmdline), *line = NULL, *rest = words, *word;
	const char *init = "/init";
	size_t len;
	FILE *f = open_memstream(&line, &len);

	if (!words || !f)
		return -1;
	fprintf(f, "rdinit=/" PLACE "/agent");
	while ((word = strsep(&rest, " "))) {
		if (!strncmp(word, "rdinit=", 7))
			init = word + 7;
		else if (*word == '-' && !strcmp(word, "--"))
			break;
	}
	fprintf(f, " DITTO_INIT=%s", init);
	memcpy(words, boot->cmdline, strlen(boot->cmdline));
	rest = words;
	while ((word = strsep(&rest, " ")))
		if (strncmp(word, "rdinit=", 7))
			fprintf(f, " %s", word);
	free(words);
	if (fclose(f))
		return -1;
	boot->cmdline = line;
	return 0;
}

/**
 * agent_add() - let the agent be the first process of what is booted
 * @boot: has an initrd and a command line; not planned yet. Both get what lives as long as
 *	this process
 *
 * Return: 0, or -1 after saying why not on standard error.
 */
int agent_add(struct boot *boot)
{
	if (!make_archive(boot) && !make_cmdline(boot))
		return 0;
	complain("--agent: %s", strerror(errno));
	return -1;
}
