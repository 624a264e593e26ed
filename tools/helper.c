// SPDX-License-Identifier: GPL-2.0-only
/*
 * Processes that help this one, and end with it, however that ends: so nothing is left behind.
 */
#include "helper.h"

#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

/**
 * helper_begin() - in a new process: it ends with its parent, and blocks no signal
 * @parent: who made it
 *
 * Does not return where that one has ended already.
 */
void helper_begin(pid_t parent)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	/* Who dies before this is said has died already. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
}
