/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The merge engine, as core sees it. It works on every gmem that does not opt out, and
 * is steered in /sys/kernel/ditto/ksm/. How it works: the top of ksm/internal.h.
 */
#ifndef DITTO_KSM_KSM_H
#define DITTO_KSM_KSM_H

struct kobject;

int merge_init(struct kobject *parent);
void merge_exit(void);

#endif
