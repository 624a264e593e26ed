/* SPDX-License-Identifier: GPL-2.0-only */
/* The sub-commands. Each gets its own argv, argv[0] being "ditto <name>". */
#ifndef DITTO_CMD_H
#define DITTO_CMD_H

#include <argp.h>

#define DITTO_DEV	"/dev/ditto"

int cmd_run(int argc, char **argv);
int cmd_ps(int argc, char **argv);
int cmd_ksm(int argc, char **argv);
int cmd_info(int argc, char **argv);
int cmd_metrics(int argc, char **argv);
int cmd_top(int argc, char **argv);
int cmd_stat(int argc, char **argv);
int cmd_plot(int argc, char **argv);
int cmd_fork(int argc, char **argv);
int cmd_tree(int argc, char **argv);
int cmd_exec(int argc, char **argv);
int cmd_freeze(int argc, char **argv);
int cmd_thaw(int argc, char **argv);
int cmd_reset(int argc, char **argv);
int cmd_stop(int argc, char **argv);
int cmd_kill(int argc, char **argv);
int cmd_balloon(int argc, char **argv);
int cmd_console(int argc, char **argv);

#endif
