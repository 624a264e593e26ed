/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The machine's CPUs, switched to and from virtualization, and who else wants them.
 */
#ifndef DITTO_CORE_CPUS_H
#define DITTO_CORE_CPUS_H

/* rival.c */
int rival_exclude(void);
void rival_admit(void);

/* cpus.c: the machine's CPUs, switched to and from virtualization. */
int cpus_enable(void);
void cpus_disable(void);

#endif
