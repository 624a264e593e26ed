/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the operator sets and reads of compression: squeeze_sysfs.c shows it, squeeze.c keeps to it.
 */
#ifndef DITTO_GMEM_SQUEEZE_KNOBS_H
#define DITTO_GMEM_SQUEEZE_KNOBS_H

#include <linux/atomic.h>
#include <linux/kobject.h>

/* When pages are compressed. */
#define SQUEEZE_OFF		0
#define SQUEEZE_PRESSURE	1
#define SQUEEZE_ALWAYS		2

#define SQUEEZE_ALGORITHM	32	/* longest name of one, with its NUL */

/**
 * struct squeeze_knobs - what the operator sets and reads
 * @mode: SQUEEZE_*; changed by squeeze_set_mode()
 * @algorithm: constant once anything was to be compressed
 * @limit_pages: memory that compressed pages may take
 * @cold_passes: for so many passes a page is left untouched before it is compressed; 1 to 30
 * @pass_millisecs: from the end of a pass to the next
 * @passes: over all gmems, ever
 * @wanted: pages that the kernel has asked for and not got yet
 * @loads: pages that were decompressed, ever
 */
struct squeeze_knobs {
	unsigned int mode;
	char algorithm[SQUEEZE_ALGORITHM];
	unsigned long limit_pages;
	unsigned int cold_passes;
	unsigned int pass_millisecs;
	unsigned long passes;
	atomic_long_t wanted;
	atomic_long_t loads;
};

extern struct squeeze_knobs squeeze_knobs;

/* squeeze.c */
int squeeze_set_mode(unsigned int mode);
int squeeze_set_algorithm(const char *name, size_t len);
void squeeze_kick(void);
void squeeze_changed(void);

/* squeeze_sysfs.c */
int squeeze_knobs_add(struct kobject *parent);
void squeeze_knobs_remove(void);

#endif
