/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef DITTO_SAMPLE_H
#define DITTO_SAMPLE_H

#include "ditto.h"

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* What is known of a machine; sizes in bytes up to SIZES, counters from there on. */
enum figure {
	RAM, RESIDENT, SHARED, SAVED, UNIQUE, MERGED, FORKED, COMPRESSED, COMPRESSED_TO, ZERO,
	SIZES,
	BREAKS = SIZES, EXITS, IRQS, MMIO, HALT_NS,
	FIGURES
};

/* What is known of the merge engine, and of all guest memory; some are counters. */
enum engine {
	RUN, FULL_SCANS, PAGES_SCANNED, PAGES_SHARED, PAGES_SHARING, ZERO_PAGES, PROFIT,
	PRIVATE_PAGES, POOL_PAGES,
	ENGINES
};

#define EXIT_KINDS_MAX	64
#define EXIT_KIND_LEN	32

/**
 * struct exit_kinds - the kinds of exits that have been seen, in the order in which they were
 * @name, @count: which; what more there is counts as no kind
 */
struct exit_kinds {
	char name[EXIT_KINDS_MAX][EXIT_KIND_LEN];
	size_t count;
};

/**
 * struct machine - a machine at one moment
 * @id, @pid: together never another machine's, even when the module was loaded again
 * @uid, @vcpus, @name: as DITTO_LIST_VMS has them
 * @figure: by enum figure
 * @exits: since it was made, by kind
 */
struct machine {
	uint64_t id;
	uint32_t pid, uid, vcpus;
	char name[DITTO_NAME_LEN + 1];
	uint64_t figure[FIGURES];
	uint64_t exits[EXIT_KINDS_MAX];
};

/**
 * struct sample - all machines at one moment
 * @time: in seconds since 1970
 * @machine, @count: array, owned
 * @engine: by enum engine; 0 where the module has no such figure
 */
struct sample {
	double time;
	struct machine *machine;
	size_t count;
	long long engine[ENGINES];
};

/**
 * struct source - where samples come from
 * @dev, @sysfs: the module's device, and its directory
 * @path, @log, @line: a log in their place, and how many lines were read; or NULL
 * @kinds: of exits, in all samples
 * @why: what went wrong
 */
struct source {
	const char *dev, *sysfs;
	const char *path;
	FILE *log;
	unsigned int line;
	struct exit_kinds kinds;
	char why[256];
};

#define SYSFS_DIR	"/sys/kernel/ditto"

int source_open(struct source *s);
int source_look(struct source *s, struct sample *sample);
void source_close(struct source *s);

void sample_free(struct sample *sample);
void sample_move(struct sample *to, struct sample *from);
const struct machine *sample_find(const struct sample *sample, const struct machine *m);
const struct machine *sample_named(const struct sample *sample, const char *name);
size_t exit_kind(struct exit_kinds *kinds, const char *name);
uint64_t machine_fair(const struct machine *m);
double rate_of(uint64_t before, uint64_t now, double seconds);

/* samplelog.c */
struct json_object *sample_json(const struct source *s, const struct sample *sample);
int sample_parse(struct source *s, const char *line, struct sample *sample);

#endif
