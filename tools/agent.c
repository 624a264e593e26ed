// SPDX-License-Identifier: GPL-2.0-only
/*
 * The agent's way into a guest: an archive that comes before the user's initramfs and has
 * the agent in it, and a command line by which the kernel starts that first. The program
 * itself is part of this one.
 */
#include "agent.h"
#include "cpio.h"
#include "util.h"

#include "agent/protocol.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PLACE		AGENT_PLACE

__asm__(".section .rodata\n"
	"agent_program:\n"
	".incbin \"agent/agent\"\n"
	"agent_program_end:\n"
	".previous\n");

extern const char agent_program[], agent_program_end[];

static int make_archive(struct boot *boot)
{
	char *archive = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&archive, &len);

	if (!f)
		return -1;
	cpio_put(f, &(struct cpio_entry){ .name = PLACE, .mode = 040755 });
	cpio_put(f, &(struct cpio_entry){ .name = PLACE "/agent", .mode = 0100755,
					  .data = agent_program,
					  .len = agent_program_end - agent_program });
	cpio_end(f);
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
