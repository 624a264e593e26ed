// SPDX-License-Identifier: GPL-2.0-only
/*
 * `ditto metrics`: all figures once, in Prometheus' text format, as node_exporter's textfile
 * collector reads it. They come from sysfs, from DITTO_LIST_VMS, and the exits from debugfs,
 * which only root can read: KVM's statistics of a vCPU are asked of an fd that is its VMM's.
 *
 * In that format all samples of a metric stand together, and a label's value is any text in
 * which backslash, quote and newline are escaped.
 */
#include "cmd.h"
#include "device.h"
#include "listing.h"
#include "machines.h"
#include "replace.h"
#include "util.h"

#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXITS_FILE	"/sys/kernel/debug/ditto/exits"
#define MODULE_VERSION	"/sys/module/ditto/version"

enum { OPT_DIR = 256, OPT_EXITS };

static const struct argp_option options[] = {
	{ "output", 'o',	"FILE", 0, "write FILE, all at once, instead of standard output",
	  0 },
	{ "dev",    'd',	"PATH", 0, "device (default: /dev/ditto)", 0 },
	{ "sysfs",  OPT_DIR,	"DIR",  0, "the module's directory (default: " SYSFS_DIR ")", 0 },
	{ "exits",  OPT_EXITS,	"FILE", 0, "exits of vCPUs (default: " EXITS_FILE ")", 0 },
	{ 0 }
};

static const char doc[] =
	"Print all figures once, in the text format of Prometheus: of the merge engine, of guest "
	"memory, and of the machines that `ditto ps' shows; as root, also how often each vCPU "
	"left its guest, and why. Without the module there is only ditto_up, which is 0.\v"
	"For node_exporter's textfile collector, from a timer:\n"
	"  ditto metrics --output=/var/lib/prometheus/node-exporter/ditto.prom\n"
	"\n"
	"Exit status: 0; 1 if the figures cannot be read or written.";

/**
 * struct metrics - what is asked for
 * @dev: device
 * @dir: the module's in sysfs
 * @exits: the module's file in debugfs
 * @path: file to write, or NULL
 * @out: where to
 */
struct metrics {
	const char *dev, *dir, *exits, *path;
	FILE *out;
};

/* A file below the module's directory; names as node_exporter gives them to the kernel's KSM. */
static const struct {
	const char *file, *name, *type, *help;
} files[] = {
	{ "ksm/run", "ksm_run", "gauge",
	  "0: the merge engine stands still, 1: it merges, 2: unmerged" },
	{ "ksm/workers", "ksm_workers", "gauge", "Threads of the merge engine" },
	{ "ksm/max_cpu", "ksm_max_cpu_percent", "gauge",
	  "Percent of one CPU that they may take, 0: no limit" },
	{ "ksm/pages_to_scan", "ksm_pages_to_scan", "gauge", "Pages looked at before each sleep" },
	{ "ksm/sleep_millisecs", "ksm_sleep_milliseconds", "gauge", "That sleep" },
	{ "ksm/full_scans", "ksm_full_scans_total", "counter", "Passes over all that changed" },
	{ "ksm/pages_scanned", "ksm_pages_scanned_total", "counter", "Pages looked at" },
	{ "ksm/pages_skipped", "ksm_pages_skipped_total", "counter",
	  "Pages left alone that broke soon after they were merged, or were held" },
	{ "ksm/pages_shared", "ksm_pages_shared", "gauge", "Shared pages that there are" },
	{ "ksm/pages_sharing", "ksm_pages_sharing", "gauge", "Pages saved by them" },
	{ "ksm/pages_unshared", "ksm_pages_unshared", "gauge", "Pages that are like no other" },
	{ "ksm/pages_volatile", "ksm_pages_volatile", "gauge",
	  "Pages that changed, or are held, and wait to be looked at" },
	{ "ksm/ksm_zero_pages", "ksm_zero_pages", "gauge", "Zero pages that were given back" },
	{ "ksm/general_profit", "ksm_general_profit_bytes", "gauge",
	  "Memory saved, less bookkeeping" },
	{ "gmem/objects", "gmem_objects", "gauge", "Guest memory objects" },
	{ "gmem/private_pages", "gmem_private_pages", "gauge", "Pages that one object has" },
	{ "gmem/shared_pages", "gmem_shared_pages", "gauge", "Pages that merging shares" },
	{ "gmem/freeing_pages", "gmem_freeing_pages", "gauge", "Pages about to be freed" },
	{ "hugepages/chunks", "hugepages", "gauge", "Pieces of 2 MiB that guest memory is in" },
	{ "hugepages/filled", "hugepages_filled_total", "counter",
	  "Pieces that guest memory was taken in" },
	{ "hugepages/failed", "hugepages_failed_total", "counter",
	  "Times that it was taken in pages, for lack of a piece" },
	{ "hugepages/split_merge", "hugepages_split_for_merging_total", "counter",
	  "Pieces that were split because pages of them could be merged" },
	{ "compress/pages_compressed", "compress_pages", "gauge", "Pages that are compressed" },
	{ "compress/pages_stored", "compress_contents", "gauge",
	  "Different contents of compressed pages" },
	{ "compress/bytes_stored", "compress_bytes", "gauge",
	  "What these have been compressed to" },
	{ "compress/pool_pages", "compress_pool_pages", "gauge",
	  "Pages of memory that they take" },
	{ "compress/pages_rejected", "compress_rejected_total", "counter",
	  "Times that a page did not become small enough" },
	{ "compress/pages_restored", "compress_restored_total", "counter",
	  "Compressed pages that were touched" },
};

#define OF_VM(member)	offsetof(struct ditto_vm_info, member)

static const struct {
	const char *name, *help;
	size_t at;
} sizes[] = {
	{ "machine_ram_bytes", "Memory that the machine was promised", OF_VM(ram_bytes) },
	{ "machine_resident_bytes", "What is there of it", OF_VM(resident_bytes) },
	{ "machine_shared_bytes", "The part that reads from shared pages", OF_VM(shared_bytes) },
	{ "machine_saved_bytes", "What that would cost more without merging, estimated",
	  OF_VM(saved_bytes) },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct metrics *m = state->input;

	switch (key) {
	case 'o':
		m->path = arg;
		return 0;
	case 'd':
		m->dev = arg;
		return 0;
	case OPT_DIR:
		m->dir = arg;
		return 0;
	case OPT_EXITS:
		m->exits = arg;
		return 0;
	default:
		return parse_no_argument(key, arg, state);
	}
}

static void put_head(FILE *out, const char *name, const char *type, const char *help)
{
	fprintf(out, "# HELP ditto_%s %s.\n# TYPE ditto_%s %s\n", name, help, name, type);
}

/* @len: at most; text of the module's ends where its array does. */
static void put_escaped(FILE *out, const char *text, size_t len)
{
	for (size_t i = 0; i < len && text[i]; i++) {
		if (text[i] == '\n') {
			fputs("\\n", out);
			continue;
		}
		if (text[i] == '\\' || text[i] == '"')
			fputc('\\', out);
		fputc(text[i], out);
	}
}

static void put_info(FILE *out)
{
	char loaded[64];

	if (read_small_file(MODULE_VERSION, loaded, sizeof(loaded)))
		loaded[0] = '\0';
	put_head(out, "info", "gauge", "Versions of this command and of the module that is loaded");
	fprintf(out, "ditto_info{version=\"%s\",module=\"", DITTO_VERSION);
	put_escaped(out, loaded, sizeof(loaded));
	fputs("\"} 1\n", out);
}

/* A file that this version of the module does not have, or that is no number, is left out. */
static void put_file(const struct metrics *m, size_t i)
{
	char path[PATH_MAX], text[64], *end;
	long long value;

	snprintf(path, sizeof(path), "%s/%s", m->dir, files[i].file);
	if (read_small_file(path, text, sizeof(text)))
		return;
	errno = 0;
	value = strtoll(text, &end, 10);
	if (end == text || *end || errno)
		return;
	put_head(m->out, files[i].name, files[i].type, files[i].help);
	fprintf(m->out, "ditto_%s %lld\n", files[i].name, value);
}

static void put_machine_labels(FILE *out, const struct ditto_vm_info *v)
{
	fprintf(out, "{id=\"%" PRIu64 "\",name=\"", (uint64_t)v->id);
	put_escaped(out, v->name, sizeof(v->name));
	fprintf(out, "\",pid=\"%u\",uid=\"%u\"}", v->pid, v->uid);
}

static void put_machines(FILE *out, const struct machines *all)
{
	put_head(out, "machines", "gauge", "Machines that the reader may see");
	fprintf(out, "ditto_machines %u\n", all->count);
	if (!all->count)
		return;
	for (size_t s = 0; s < ARRAY_SIZE(sizes); s++) {
		put_head(out, sizes[s].name, "gauge", sizes[s].help);
		for (uint32_t i = 0; i < all->count; i++) {
			uint64_t value;

			memcpy(&value, (char *)&all->vms[i] + sizes[s].at, sizeof(value));
			fprintf(out, "ditto_%s", sizes[s].name);
			put_machine_labels(out, &all->vms[i]);
			fprintf(out, " %" PRIu64 "\n", value);
		}
	}
	put_head(out, "machine_vcpus", "gauge", "Virtual CPUs that were made");
	for (uint32_t i = 0; i < all->count; i++) {
		fputs("ditto_machine_vcpus", out);
		put_machine_labels(out, &all->vms[i]);
		fprintf(out, " %u\n", all->vms[i].vcpus);
	}
}

/* "vm 46 vcpu 0: host_irq 167 cpuid 23231": a vCPU, and pairs of reason and count. */
static void put_exits_line(FILE *out, char *line)
{
	unsigned long long vm, count;
	unsigned int vcpu;
	char reason[64];
	int n;

	if (sscanf(line, "vm %llu vcpu %u:%n", &vm, &vcpu, &n) < 2)
		return;
	for (line += n; sscanf(line, " %63[a-z0-9_] %llu%n", reason, &count, &n) == 2; line += n)
		fprintf(out, "ditto_vcpu_exits_total{id=\"%llu\",vcpu=\"%u\",reason=\"%s\"} %llu\n",
			vm, vcpu, reason, count);
}

static void put_exits(const struct metrics *m)
{
	FILE *f = fopen(m->exits, "re");
	char *line = NULL;
	size_t len = 0;

	if (!f)
		return;
	put_head(m->out, "vcpu_exits_total", "counter",
		 "How often a virtual CPU left its guest, by reason");
	while (getline(&line, &len, f) > 0)
		put_exits_line(m->out, line);
	free(line);
	fclose(f);
}

static void put_up(FILE *out, bool up)
{
	put_head(out, "up", "gauge", "1: the module is loaded");
	fprintf(out, "ditto_up %d\n", up);
}

static int put_all(const struct metrics *m, int fd)
{
	struct machines all = { 0 };
	int ret = machines_fetch(fd, &all);

	if (ret < 0) {
		complain("%s: %s", m->dev, ret == -ENOTTY ? "not ditto's device" : strerror(-ret));
	} else {
		put_up(m->out, true);
		put_info(m->out);
		for (size_t i = 0; i < ARRAY_SIZE(files); i++)
			put_file(m, i);
		put_machines(m->out, &all);
		put_exits(m);
	}
	free(all.vms);
	return ret < 0;
}

static int put_metrics(const struct metrics *m)
{
	int fd, status;

	if (access(m->dev, F_OK) < 0 && errno == ENOENT) {
		put_up(m->out, false);
		return 0;
	}
	fd = device_open(m->dev);
	if (fd < 0)
		return 1;
	status = put_all(m, fd);
	close(fd);
	return status;
}

static int write_file(struct metrics *m)
{
	struct replacement file;

	if (replace_begin(&file, m->path) < 0)
		return 1;
	m->out = file.out;
	return replace_end(&file, put_metrics(m));
}

/**
 * cmd_metrics() - `ditto metrics`
 * @argc: as for main()
 * @argv: as for main()
 *
 * Return: the exit status.
 */
int cmd_metrics(int argc, char **argv)
{
	static const struct argp argp = { options, parse, NULL, doc, NULL, NULL, NULL };
	struct metrics m = { .dev = DITTO_DEV, .dir = SYSFS_DIR, .exits = EXITS_FILE,
			     .out = stdout };

	argp_parse(&argp, argc, argv, 0, NULL, &m);
	return m.path ? write_file(&m) : put_metrics(&m);
}
