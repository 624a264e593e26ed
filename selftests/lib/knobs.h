/* SPDX-License-Identifier: GPL-2.0-only */
/* Files in /sys, /proc and debugfs that hold a number. */
#ifndef SELFTESTS_KNOBS_H
#define SELFTESTS_KNOBS_H

#include <stdbool.h>

#define DITTO_KSM "/sys/kernel/ditto/ksm/"
#define KERNEL_KSM "/sys/kernel/mm/ksm/"
#define DITTO_CHECK "/sys/kernel/debug/ditto/check"

/* The number in a file, or -1 with errno. */
long knob_read(const char *path);
/* 0, or -1 with errno. */
int knob_write(const char *path, long value);
int knob_write_text(const char *path, const char *text);
/* What the checker's last line says, or -1 when there is no checker. */
long knob_violations(void);
/* A line "Name: N" of /proc/meminfo or the like, or -1. */
long knob_line(const char *path, const char *name);
/* Was the module loaded with npt=0, so that guests run on shadow tables? */
bool knob_shadow(void);

#endif
