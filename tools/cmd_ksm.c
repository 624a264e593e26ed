// SPDX-License-Identifier: GPL-2.0-only
/*
 * `ditto ksm`: the merge engine's files in sysfs by name. The directory
 * decides which knobs there are; this file only knows how to explain some.
 */
#include "cmd.h"
#include "table.h"
#include "util.h"

#include <argp.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KSM_DIR		"/sys/kernel/ditto/ksm"
#define VALUE_LEN	256

enum { OPT_DIR = 256 };

static const struct argp_option options[] = {
	{ "json",  'j',     NULL,   0, "print JSON", 0 },
	{ "sysfs", OPT_DIR, "DIR",  0, "where the knobs are (default: " KSM_DIR ")", 0 },
	{ 0 }
};

static const char doc[] =
	"Show and set the knobs of the merge engine. Without arguments, all of them; NAME shows "
	"one, NAME=VALUE sets one and needs root. Arguments are carried out in order, and the "
	"first that fails ends the command.\v"
	"Examples:\n"
	"  ditto ksm                      all knobs and figures\n"
	"  ditto ksm run=1 pages_to_scan=1000\n"
	"  ditto ksm pages_sharing        one figure, the number alone\n"
	"\n"
	"Exit status: 0; 1 for an unknown name, a refused value or a missing module.";

static const struct {
	const char *name;
	const char *meaning;
} known[] = {
	{ "run", "0: stand still, 1: merge, 2: undo all merging and stand still" },
	{ "pages_to_scan", "pages to look at before each rest" },
	{ "sleep_millisecs", "length of the rest, in milliseconds" },
	{ "workers", "threads of the engine" },
	{ "max_cpu", "percent of one CPU that they may take together; 0: no limit" },
	{ "merge_across_nodes", "1: pages of different NUMA nodes may be merged" },
	{ "advisor_mode", "scan-time: pages_to_scan is set by the engine" },
	{ "advisor_max_cpu", "percent of a CPU that the advisor lets it have" },
	{ "advisor_min_pages_to_scan", "the least that the advisor sets" },
	{ "advisor_max_pages_to_scan", "the most that the advisor sets" },
	{ "advisor_target_scan_time", "seconds that looking at everything should take" },
	{ "pages_skipped", "left alone because they changed soon after they were merged" },
	{ "full_scans", "times that everything mergeable was looked at" },
	{ "pages_shared", "shared pages that exist" },
	{ "pages_sharing", "more places that use them: the pages saved" },
	{ "pages_unshared", "looked at, unique so far" },
	{ "pages_volatile", "changed since they were looked at, or are held" },
	{ "pages_scanned", "pages looked at since the module was loaded" },
	{ "ksm_zero_pages", "pages that were all zero and cost nothing now" },
	{ "use_zero_pages", "1: pages full of zeros are given back" },
	{ "general_profit", "bytes saved less the engine's own memory" },
	{ "max_page_sharing", "how many places may use one shared page" },
	{ "stable_node_chains", "shared pages that exist more than once" },
};

/**
 * struct ksm - what `ditto ksm` was asked for
 * @dir: the directory
 * @json: print JSON
 * @args: NAME or NAME=VALUE; changed while read
 * @count: how many
 */
struct ksm {
	const char *dir;
	bool json;
	char **args;
	int count;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct ksm *ksm = state->input;

	switch (key) {
	case 'j':
		ksm->json = true;
		return 0;
	case OPT_DIR:
		ksm->dir = arg;
		return 0;
	case ARGP_KEY_ARGS:
		ksm->args = state->argv + state->next;
		ksm->count = state->argc - state->next;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const char *knob_meaning(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (!strcmp(known[i].name, name))
			return known[i].meaning;
	return "";
}

/* A name is one file of the directory: nothing that leads out of it. */
static char *knob_path(const struct ksm *ksm, const char *name)
{
	char *path;
	struct stat st;

	if (!*name || *name == '.' || strchr(name, '/')) {
		complain("'%s' is not the name of a knob", name);
		return NULL;
	}
	if (asprintf(&path, "%s/%s", ksm->dir, name) < 0)
		return NULL;
	if (!stat(path, &st) && S_ISREG(st.st_mode))
		return path;
	complain("no knob '%s'; `ditto ksm' lists them all", name);
	free(path);
	return NULL;
}

static int knob_write(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n;
	int err;

	if (fd < 0)
		return -errno;
	n = write(fd, value, strlen(value));
	err = n < 0 ? errno : 0;
	close(fd);
	return -err;
}

static int explain_write(const char *name, const char *value, int err)
{
	switch (-err) {
	case EACCES:
	case EPERM:
		complain("%s: permission denied: it is read-only, or you are not root", name);
		break;
	case EINVAL:
	case ERANGE:
		complain("%s: value '%s' refused", name, value);
		break;
	default:
		complain("%s=%s: %s", name, value, strerror(-err));
	}
	return 1;
}

static int knob_set(const struct ksm *ksm, const char *name, const char *value)
{
	char *path = knob_path(ksm, name);
	int ret;

	if (!path)
		return 1;
	ret = *value ? knob_write(path, value) : -EINVAL;
	free(path);
	return ret < 0 ? explain_write(name, value, ret) : 0;
}

static int knob_get(const struct ksm *ksm, const char *name, char *value, size_t len)
{
	char *path = knob_path(ksm, name);
	int ret;

	if (!path)
		return 1;
	ret = read_small_file(path, value, len);
	free(path);
	if (ret < 0)
		complain("%s: %s", name, strerror(-ret));
	return ret < 0;
}

static void json_add_value(struct json_object *o, const char *name, const char *value)
{
	char *end;
	long long number;

	errno = 0;
	number = strtoll(value, &end, 10);
	if (*value && !*end && !errno)
		json_object_object_add(o, name, json_object_new_int64(number));
	else
		json_object_object_add(o, name, json_object_new_string(value));
}

/* NAME shows, NAME=VALUE sets. With JSON, all that was shown is one object. */
static int do_arguments(const struct ksm *ksm, struct json_object *shown)
{
	char value[VALUE_LEN];

	for (int i = 0; i < ksm->count; i++) {
		char *equals = strchr(ksm->args[i], '=');

		if (equals) {
			*equals = '\0';
			if (knob_set(ksm, ksm->args[i], equals + 1))
				return 1;
			continue;
		}
		if (knob_get(ksm, ksm->args[i], value, sizeof(value)))
			return 1;
		if (shown)
			json_add_value(shown, ksm->args[i], value);
		else
			puts(value);
	}
	return 0;
}

static int not_hidden(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static void show_one(const struct ksm *ksm, const char *name, struct table *t,
		     struct json_object *shown)
{
	char *path, value[VALUE_LEN];
	struct stat st;

	if (asprintf(&path, "%s/%s", ksm->dir, name) < 0)
		return;
	/* Write-only files and directories are no figures. */
	if (!stat(path, &st) && S_ISREG(st.st_mode) &&
	    !read_small_file(path, value, sizeof(value))) {
		if (shown) {
			json_add_value(shown, name, value);
		} else {
			table_add(t, "%s", name);
			table_add(t, "%s", value);
			table_add(t, "%s", st.st_mode & 0222 ? "rw" : "r");
			table_add(t, "%s", knob_meaning(name));
		}
	}
	free(path);
}

static int show_all(const struct ksm *ksm, struct json_object *shown)
{
	struct dirent **names;
	struct table t;
	int count = scandir(ksm->dir, &names, not_hidden, alphasort);

	if (count < 0) {
		complain("%s: %s%s", ksm->dir, strerror(errno),
			 errno == ENOENT ? ": is the module loaded?" : "");
		return 1;
	}
	table_init(&t, "lrll");
	for (int i = 0; i < count; i++) {
		show_one(ksm, names[i]->d_name, &t, shown);
		free(names[i]);
	}
	free(names);
	table_print(&t, stdout);
	return 0;
}

static bool wants_output(const struct ksm *ksm)
{
	for (int i = 0; i < ksm->count; i++)
		if (!strchr(ksm->args[i], '='))
			return true;
	return !ksm->count;
}

static int ksm_run(const struct ksm *ksm)
{
	bool output = wants_output(ksm);
	struct json_object *shown = ksm->json ? json_object_new_object() : NULL;
	int status;

	if (ksm->count && access(ksm->dir, F_OK) < 0) {
		complain("%s: %s: is the module loaded?", ksm->dir, strerror(errno));
		status = 1;
	} else {
		status = ksm->count ? do_arguments(ksm, shown) : show_all(ksm, shown);
	}
	if (shown && output && !status)
		puts(json_object_to_json_string_ext(shown, JSON_C_TO_STRING_PRETTY |
					    JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(shown);
	return status;
}

/**
 * cmd_ksm() - `ditto ksm`
 * @argc: as for main()
 * @argv: as for main()
 *
 * Return: the exit status.
 */
int cmd_ksm(int argc, char **argv)
{
	static const struct argp argp = { options, parse, "[NAME[=VALUE]...]", doc, NULL, NULL,
					  NULL };
	struct ksm ksm = { .dir = KSM_DIR };

	argp_parse(&argp, argc, argv, 0, NULL, &ksm);
	return ksm_run(&ksm);
}
