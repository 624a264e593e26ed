/* SPDX-License-Identifier: GPL-2.0-only */
/* Whose code perf's samples show: a guest's, where they interrupted one. */
#ifndef DITTO_CPU_SAMPLE_H
#define DITTO_CPU_SAMPLE_H

void sample_start(void);
void sample_stop(void);

#endif
