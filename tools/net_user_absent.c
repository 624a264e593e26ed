// SPDX-License-Identifier: GPL-2.0-only
/* In place of net_user.c, where this program was built without libslirp. */
#include "net.h"
#include "util.h"

/**
 * net_user_open() - refuse a network of the process's own
 * @net: parsed
 *
 * Return: -1 after saying why on standard error.
 */
int net_user_open(struct net_config *net)
{
	(void)net;
	complain("--net user: this ditto was built without libslirp");
	return -1;
}
