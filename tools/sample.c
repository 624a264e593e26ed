// SPDX-License-Identifier: GPL-2.0-only
/*
 * All machines at one moment, with their counters: what `ditto top`, `ditto stat` and `ditto plot`
 * look at. It comes from the module, which each look asks anew and lets go of, so that it can be
 * unloaded between two of them; or from a log that `ditto stat --json' wrote.
 *
 * A machine may end while it is looked at: then it is left out.
 */
#include "sample.h"
#include "device.h"
#include "machines.h"
#include "util.h"

#include <errno.h>
#include <limits.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define STAT_NAME_MAX	64
#define EXITS_SUFFIX	"_exits"

/* By their names in KVM's binary statistics. */
static const char *const figure_stats[FIGURES] = {
	[RAM] = "ram", [RESIDENT] = "resident", [SHARED] = "shared", [SAVED] = "saved",
	[UNIQUE] = "unique", [MERGED] = "merged", [FORKED] = "forked",
	[COMPRESSED] = "compressed", [COMPRESSED_TO] = "compressed_to", [ZERO] = "zero",
	[BREAKS] = "breaks", [EXITS] = "exits", [IRQS] = "irq_injections", [MMIO] = "mmio_exits",
	[HALT_NS] = "halt_wait_ns",
};

static const char *const engine_files[ENGINES] = {
	[RUN] = "ksm/run", [FULL_SCANS] = "ksm/full_scans", [PAGES_SCANNED] = "ksm/pages_scanned",
	[PAGES_SHARED] = "ksm/pages_shared", [PAGES_SHARING] = "ksm/pages_sharing",
	[ZERO_PAGES] = "ksm/ksm_zero_pages", [PROFIT] = "ksm/general_profit",
	[PRIVATE_PAGES] = "gmem/private_pages", [POOL_PAGES] = "compress/pool_pages",
};

/**
 * struct stat_file - a machine's statistics, as DITTO_VM_STATS gives them
 * @data, @size: of the file; grows; to be freed
 */
struct stat_file {
	char *data;
	size_t size;
};

/**
 * source_open() - see that samples can be had
 * @s: its @dev and @sysfs, or @path, say from where
 *
 * Return: 0, or -1: @why says why not. source_close() it in both cases.
 */
int source_open(struct source *s)
{
	if (!s->path)
		return 0;
	s->log = strcmp(s->path, "-") ? fopen(s->path, "re") : stdin;
	if (s->log)
		return 0;
	snprintf(s->why, sizeof(s->why), "%s: %s", s->path, strerror(errno));
	return -1;
}

/**
 * source_close() - the end of it
 * @s: from source_open()
 */
void source_close(struct source *s)
{
	if (s->log && s->log != stdin)
		fclose(s->log);
	s->log = NULL;
}

/**
 * exit_kind() - the number of a kind of exits
 * @kinds: may get one more
 * @name: of the kind
 *
 * Return: the number, or EXIT_KINDS_MAX: there are too many.
 */
size_t exit_kind(struct exit_kinds *kinds, const char *name)
{
	size_t i = 0;

	while (i < kinds->count && strcmp(kinds->name[i], name))
		i++;
	if (i < kinds->count)
		return i;
	if (i == EXIT_KINDS_MAX || strlen(name) >= EXIT_KIND_LEN)
		return EXIT_KINDS_MAX;
	strcpy(kinds->name[kinds->count++], name);
	return i;
}

/* A figure that we know, or a kind of exits. */
static void take_stat(struct source *s, struct machine *m, char *name, uint64_t value)
{
	size_t len = strlen(name), end = strlen(EXITS_SUFFIX), kind;

	for (size_t i = 0; i < FIGURES; i++)
		if (!strcmp(name, figure_stats[i])) {
			m->figure[i] = value;
			return;
		}
	if (len <= end || strcmp(name + len - end, EXITS_SUFFIX) ||
	    !strcmp(name, "signal" EXITS_SUFFIX))
		return;
	name[len - end] = '\0';
	kind = exit_kind(&s->kinds, name);
	if (kind < EXIT_KINDS_MAX)
		m->exits[kind] = value;
}

static bool take_stats(struct source *s, struct machine *m, const struct stat_file *f)
{
	struct kvm_stats_header h;
	size_t each;

	if (f->size < sizeof(h))
		return false;
	memcpy(&h, f->data, sizeof(h));
	each = sizeof(struct kvm_stats_desc) + h.name_size;
	if (h.name_size > STAT_NAME_MAX || h.desc_offset > f->size || h.data_offset > f->size ||
	    h.num_desc > (f->size - h.desc_offset) / each)
		return false;
	for (uint32_t i = 0; i < h.num_desc; i++) {
		const char *at = f->data + h.desc_offset + i * each;
		char name[STAT_NAME_MAX + 1] = "";
		struct kvm_stats_desc d;
		uint64_t value;

		memcpy(&d, at, sizeof(d));
		if (d.offset + sizeof(value) > f->size - h.data_offset)
			return false;
		memcpy(name, at + sizeof(d), h.name_size);
		memcpy(&value, f->data + h.data_offset + d.offset, sizeof(value));
		take_stat(s, m, name, value);
	}
	return true;
}

/* 0 or -errno; it may be the first that has more counters than there was room for. */
static int fetch_stats(int fd, uint64_t id, struct stat_file *f)
{
	for (;;) {
		struct ditto_vm_stats args = { .id = id, .size = f->size,
					       .data = (uintptr_t)f->data };
		char *bigger;

		if (ioctl(fd, DITTO_VM_STATS, &args) < 0)
			return -errno;
		if (args.size <= f->size)
			return 0;
		bigger = realloc(f->data, args.size);
		if (!bigger)
			return -ENOMEM;
		f->data = bigger;
		f->size = args.size;
	}
}

static int take_machine(struct source *s, int fd, const struct ditto_vm_info *v,
			struct sample *sample, struct stat_file *f)
{
	struct machine *m = &sample->machine[sample->count];
	int ret = fetch_stats(fd, v->id, f);

	if (ret == -ENOENT)
		return 0;
	if (ret < 0)
		return ret;
	*m = (struct machine){ .id = v->id, .pid = v->pid, .uid = v->uid, .vcpus = v->vcpus };
	memcpy(m->name, v->name, sizeof(v->name));
	if (!take_stats(s, m, f))
		return -EPROTO;
	sample->count++;
	return 0;
}

static int take_machines(struct source *s, int fd, struct sample *sample)
{
	struct machines all = { 0 };
	struct stat_file f = { 0 };
	int ret = machines_fetch(fd, &all);

	if (ret == 0 && all.count) {
		sample->machine = calloc(all.count, sizeof(*sample->machine));
		ret = sample->machine ? 0 : -ENOMEM;
	}
	for (uint32_t i = 0; i < all.count && ret == 0; i++)
		ret = take_machine(s, fd, &all.vms[i], sample, &f);
	free(f.data);
	free(all.vms);
	return ret;
}

static void take_engine(const struct source *s, struct sample *sample)
{
	char path[PATH_MAX], text[64];

	for (size_t i = 0; i < ENGINES; i++) {
		snprintf(path, sizeof(path), "%s/%s", s->sysfs, engine_files[i]);
		if (!read_small_file(path, text, sizeof(text)))
			sample->engine[i] = strtoll(text, NULL, 10);
	}
}

static double time_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

static int look_at_module(struct source *s, struct sample *sample)
{
	int fd = device_try(s->dev, s->why, sizeof(s->why)), ret;

	if (fd < 0)
		return -1;
	sample->time = time_now();
	ret = take_machines(s, fd, sample);
	close(fd);
	take_engine(s, sample);
	if (ret == 0)
		return 1;
	snprintf(s->why, sizeof(s->why), "%s: %s", s->dev, ret == -ENOTTY ?
		 "not the device of a module of this version" : strerror(-ret));
	return -1;
}

static int look_at_log(struct source *s, struct sample *sample)
{
	char *line = NULL;
	size_t room = 0;
	ssize_t len;
	int ret;

	do {
		s->line++;
		len = getline(&line, &room, s->log);
	} while (len == 1 && *line == '\n');
	ret = len > 0 ? 1 : 0;
	if (len < 0 && ferror(s->log)) {
		snprintf(s->why, sizeof(s->why), "%s: %s", s->path, strerror(errno));
		ret = -1;
	}
	if (ret > 0 && sample_parse(s, line, sample) < 0)
		ret = -1;
	free(line);
	return ret;
}

/**
 * source_look() - all machines that can be seen, now
 * @s: open
 * @sample: filled in; to be freed whatever is returned
 *
 * Return: 1; 0: the log has ended; -1: @why says why there are none.
 */
int source_look(struct source *s, struct sample *sample)
{
	*sample = (struct sample){ 0 };
	return s->log ? look_at_log(s, sample) : look_at_module(s, sample);
}

/**
 * sample_free() - forget it
 * @sample: any, or one that is zero; zero afterwards
 */
void sample_free(struct sample *sample)
{
	free(sample->machine);
	*sample = (struct sample){ 0 };
}

/**
 * sample_move() - one takes another's place
 * @to: forgotten
 * @from: zero afterwards
 */
void sample_move(struct sample *to, struct sample *from)
{
	sample_free(to);
	*to = *from;
	*from = (struct sample){ 0 };
}

/**
 * sample_find() - a machine at another moment
 * @sample: that moment
 * @m: the machine
 *
 * Return: the machine, or NULL. A number and a process together are never another machine's.
 */
const struct machine *sample_find(const struct sample *sample, const struct machine *m)
{
	for (size_t i = 0; i < sample->count; i++)
		if (sample->machine[i].id == m->id && sample->machine[i].pid == m->pid)
			return &sample->machine[i];
	return NULL;
}

/**
 * sample_named() - the machine that somebody means
 * @sample: all
 * @name: its name, or its number
 *
 * Return: the machine, or NULL.
 */
const struct machine *sample_named(const struct sample *sample, const char *name)
{
	unsigned int id;

	for (size_t i = 0; i < sample->count; i++)
		if (!strcmp(sample->machine[i].name, name))
			return &sample->machine[i];
	if (!parse_uint(name, &id))
		return NULL;
	for (size_t i = 0; i < sample->count; i++)
		if (sample->machine[i].id == id)
			return &sample->machine[i];
	return NULL;
}

/**
 * machine_fair() - what a machine takes of the host, estimated
 * @m: the machine
 *
 * Return: what no other has, an equal part of what is shared, and what is compressed; in bytes.
 */
uint64_t machine_fair(const struct machine *m)
{
	uint64_t saved = m->figure[SAVED];

	if (saved > m->figure[RESIDENT])
		saved = m->figure[RESIDENT];
	return m->figure[RESIDENT] - saved + m->figure[COMPRESSED_TO];
}

/**
 * rate_of() - how fast a counter grows
 * @before: what it was
 * @now: what it is
 * @seconds: between the two
 *
 * Return: per second; 0 where it is another's counter, or no time has passed.
 */
double rate_of(uint64_t before, uint64_t now, double seconds)
{
	return now > before && seconds > 0 ? (now - before) / seconds : 0;
}
