// SPDX-License-Identifier: GPL-2.0-only
/*
 * Samples as JSON, one a line: what `ditto stat --json` writes and what can be read back. A
 * member that is not there counts as 0, so that other versions' logs can be read; one of the
 * wrong type is an error, with its line.
 */
#include "sample.h"
#include "json.h"
#include "util.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char *const figure_keys[FIGURES] = {
	[RAM] = "ram_bytes", [RESIDENT] = "resident_bytes", [SHARED] = "shared_bytes",
	[SAVED] = "saved_bytes", [UNIQUE] = "unique_bytes", [MERGED] = "merged_bytes",
	[FORKED] = "forked_bytes", [COMPRESSED] = "compressed_bytes",
	[COMPRESSED_TO] = "compressed_to_bytes", [ZERO] = "zero_bytes", [BREAKS] = "breaks",
	[EXITS] = "exits", [IRQS] = "irq_injections", [MMIO] = "mmio_exits",
	[HALT_NS] = "halt_wait_ns",
};

static const char *const engine_keys[ENGINES] = {
	[RUN] = "run", [FULL_SCANS] = "full_scans", [PAGES_SCANNED] = "pages_scanned",
	[PAGES_SHARED] = "pages_shared", [PAGES_SHARING] = "pages_sharing",
	[ZERO_PAGES] = "ksm_zero_pages", [PROFIT] = "general_profit",
	[PRIVATE_PAGES] = "private_pages", [POOL_PAGES] = "pool_pages",
};

static struct json_object *machine_json(const struct source *s, const struct machine *m)
{
	struct json_object *o = json_object_new_object(), *exits = json_object_new_object();

	json_object_object_add(o, "id", json_object_new_uint64(m->id));
	json_object_object_add(o, "name", json_object_new_string(m->name));
	json_object_object_add(o, "pid", json_object_new_int64(m->pid));
	json_object_object_add(o, "uid", json_object_new_int64(m->uid));
	json_object_object_add(o, "vcpus", json_object_new_int64(m->vcpus));
	for (size_t i = 0; i < FIGURES; i++)
		json_object_object_add(o, figure_keys[i], json_object_new_uint64(m->figure[i]));
	json_object_object_add(o, "fair_bytes", json_object_new_uint64(machine_fair(m)));
	for (size_t i = 0; i < s->kinds.count; i++)
		if (m->exits[i])
			json_object_object_add(exits, s->kinds.name[i],
					       json_object_new_uint64(m->exits[i]));
	json_object_object_add(o, "exits_by_kind", exits);
	return o;
}

/**
 * sample_json() - a sample for programs
 * @s: where it comes from
 * @sample: the sample
 *
 * Return: an object, to be put.
 */
struct json_object *sample_json(const struct source *s, const struct sample *sample)
{
	struct json_object *o = json_object_new_object(), *engine = json_object_new_object();
	struct json_object *array = json_object_new_array();
	char text[32];

	snprintf(text, sizeof(text), "%.3f", sample->time);
	json_object_object_add(o, "time", json_object_new_double_s(sample->time, text));
	for (size_t i = 0; i < sample->count; i++)
		json_object_array_add(array, machine_json(s, &sample->machine[i]));
	for (size_t i = 0; i < ENGINES; i++)
		json_object_object_add(engine, engine_keys[i],
				       json_object_new_int64(sample->engine[i]));
	json_object_object_add(o, "machines", array);
	json_object_object_add(o, "engine", engine);
	return o;
}

/* A member that is a number not below 0, or is not there. */
static bool take_number(struct json_object *o, const char *key, uint64_t *value)
{
	struct json_object *member;

	if (!json_object_object_get_ex(o, key, &member))
		return true;
	if (!json_object_is_type(member, json_type_int) || json_object_get_int64(member) < 0)
		return false;
	*value = json_object_get_uint64(member);
	return true;
}

static bool take_small(struct json_object *o, const char *key, uint32_t *value)
{
	uint64_t wide = 0;
	bool ok = take_number(o, key, &wide) && wide <= UINT32_MAX;

	*value = wide;
	return ok;
}

static bool is_plain(const char *text)
{
	for (; *text; text++)
		if (*text < ' ' || *text > '~')
			return false;
	return true;
}

/* Kinds of exits that no module has are left out: they would go to a terminal, as names do. */
static bool take_exits(struct source *s, struct json_object *o, struct machine *m)
{
	struct json_object *exits = json_member(o, "exits_by_kind", json_type_object);
	struct json_object_iterator at, end;

	if (!exits)
		return true;
	at = json_object_iter_begin(exits);
	end = json_object_iter_end(exits);
	for (; !json_object_iter_equal(&at, &end); json_object_iter_next(&at)) {
		const char *name = json_object_iter_peek_name(&at);
		size_t kind = is_plain(name) ? exit_kind(&s->kinds, name) : EXIT_KINDS_MAX;
		uint64_t value = 0;

		if (!take_number(exits, name, &value))
			return false;
		if (kind < EXIT_KINDS_MAX)
			m->exits[kind] = value;
	}
	return true;
}

static bool take_machine(struct source *s, struct json_object *o, struct machine *m)
{
	const char *name = json_text(o, "name");

	*m = (struct machine){ 0 };
	if (!json_object_is_type(o, json_type_object) || strlen(name) > DITTO_NAME_LEN ||
	    !take_number(o, "id", &m->id) || !take_small(o, "pid", &m->pid) ||
	    !take_small(o, "uid", &m->uid) || !take_small(o, "vcpus", &m->vcpus))
		return false;
	/* It may be anybody's log, and is going to a terminal. */
	for (char *to = m->name; *name; name++)
		*to++ = *name < ' ' || *name > '~' ? '?' : *name;
	for (size_t i = 0; i < FIGURES; i++)
		if (!take_number(o, figure_keys[i], &m->figure[i]))
			return false;
	return take_exits(s, o, m);
}

static bool take_machines(struct source *s, struct json_object *array, struct sample *sample)
{
	size_t n = json_object_array_length(array);

	sample->machine = calloc(n ?: 1, sizeof(*sample->machine));
	if (!sample->machine)
		return false;
	for (; sample->count < n; sample->count++)
		if (!take_machine(s, json_object_array_get_idx(array, sample->count),
				  &sample->machine[sample->count]))
			return false;
	return true;
}

static bool take_sample(struct source *s, struct json_object *o, struct sample *sample)
{
	struct json_object *engine = json_member(o, "engine", json_type_object);
	struct json_object *array = json_member(o, "machines", json_type_array);
	struct json_object *time;

	if (!array || !json_object_object_get_ex(o, "time", &time) ||
	    !(json_object_is_type(time, json_type_double) ||
	      json_object_is_type(time, json_type_int)))
		return false;
	sample->time = json_object_get_double(time);
	for (size_t i = 0; engine && i < ENGINES; i++) {
		struct json_object *value = json_member(engine, engine_keys[i], json_type_int);

		sample->engine[i] = value ? json_object_get_int64(value) : 0;
	}
	return sample->time >= 0 && sample->time < 1e12 && take_machines(s, array, sample);
}

/**
 * sample_parse() - understand a line of a log
 * @s: its @why says why it is none
 * @line: the line
 * @sample: zero; filled in
 *
 * Return: 0 or -1.
 */
int sample_parse(struct source *s, const char *line, struct sample *sample)
{
	struct json_object *o = json_tokener_parse(line);
	bool ok = json_object_is_type(o, json_type_object) && take_sample(s, o, sample);

	json_object_put(o);
	if (!ok)
		snprintf(s->why, sizeof(s->why), "%s:%u: is no line of `ditto stat --json'",
			 s->path, s->line);
	return ok ? 0 : -1;
}
