/* SPDX-License-Identifier: GPL-2.0-only */
/* Memory cgroups of this test, in a tree that is mounted for it. "" is the one at its top. */
#ifndef SELFTESTS_CGROUP_H
#define SELFTESTS_CGROUP_H

#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "knobs.h"
#include "tap.h"

#define CGROUPS "/tmp/cgroups/"

static inline const char *cgroup(const char *name, const char *file)
{
	static char path[4][128];
	static int n;

	snprintf(path[n %= 4], sizeof(path[0]), CGROUPS "%s%s%s", name, *file ? "/" : "", file);
	return path[n++];
}

static inline void cgroup_new(const char *name, long limit)
{
	mkdir(CGROUPS, 0700);
	if (access(CGROUPS "cgroup.procs", F_OK) &&
	    mount("none", CGROUPS, "cgroup2", 0, NULL))
		skip("no cgroup2: %s", strerror(errno));
	if (knob_write_text(CGROUPS "cgroup.subtree_control", "+memory"))
		skip("no memory controller: %s", strerror(errno));
	mkdir(cgroup(name, ""), 0700);
	CHECKED(knob_write(cgroup(name, "memory.max"), limit));
	knob_write(cgroup(name, "memory.swap.max"), 0);
}

static inline void cgroup_enter(const char *name)
{
	CHECKED(knob_write(cgroup(name, "cgroup.procs"), getpid()));
}

static inline long cgroup_kills(const char *name)
{
	FILE *f = fopen(cgroup(name, "memory.events"), "r");
	char line[128];
	long kills = -1;

	ASSERT(f);
	while (fgets(line, sizeof(line), f))
		sscanf(line, "oom_kill %ld", &kills);
	fclose(f);
	return kills;
}

#endif
