// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a container is made of, without a machine: selftest_container ARCHIVE ROOTFS|IMAGE
 * [ARGUMENT...] writes the guest's first root into ARCHIVE and prints the rest, a string a
 * line. Status 1, and a line on standard error, if it is refused.
 */
#include "container.h"

#include "agent/protocol.h"

#include <stdlib.h>
#include <string.h>

static void print_strings(const char *what, const struct strings *s)
{
	for (size_t at = 0; at < s->len; at += strlen(s->text + at) + 1)
		printf("%s %s\n", what, s->text + at);
}

static int print(const struct container *c)
{
	struct strings head = { 0 };

	for (char **arg = c->argv; *arg; arg++)
		printf("arg %s\n", *arg);
	print_strings("env", &c->all_env);
	if (container_head(c, AGENT_PIPES, "", &head) < 0)
		return EXIT_FAILURE;
	print_strings("head", &head);
	free(head.text);
	printf("stop %d\n", c->stop_signal);
	return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	struct container c = { 0 };
	int status = EXIT_FAILURE;
	FILE *f;

	if (argc < 3)
		return EXIT_FAILURE;
	if (strncmp(argv[2], "rootfs:", 7))
		c.image = argv[2];
	else
		c.rootfs = argv[2] + 7;
	if (argc > 3)
		c.args = argv + 3;
	f = fopen(argv[1], "w");
	if (f && !container_files(&c, f))
		status = print(&c);
	if (f && fclose(f))
		status = EXIT_FAILURE;
	container_destroy(&c);
	return status;
}
