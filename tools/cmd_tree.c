// SPDX-License-Identifier: GPL-2.0-only
/*
 * `ditto tree`: who is a fork of whom, and what each holds. Whose process it is and from whom
 * it was forked say the machines themselves, over their sockets; what they hold says the
 * module. A machine whose parent is gone stands where its parent would.
 */
#include "cmd.h"
#include "listing.h"
#include "machines.h"
#include "socket.h"
#include "table.h"
#include "util.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ANSWER_MS	1000	/* for a machine that does not answer */

static const char doc[] =
	"List this user's machines that can be reached, each below the one it is a fork of.\v"
	"RESIDENT is what is there of a machine's memory; UNIQUE what was never shared; "
	"FAIR is UNIQUE and an equal part of what it shares with others; FREED is what its end "
	"would give back, beside its page tables. Memory is its parent's and its own together "
	"until one of them writes.\n"
	"\n"
	"Exit status: 0; 1 if the machines cannot be listed.";

/**
 * struct member - a machine that answered
 * @info: what it said
 * @memory: likewise of its memory, page for page; NULL: it could not
 * @vm: what the module says of it, or NULL
 * @shown: it stands in the table
 */
struct member {
	struct json_object *info, *memory;
	const struct ditto_vm_info *vm;
	bool shown;
};

/**
 * struct family - all of them
 * @member, @count: in no order
 * @machines: the module's
 * @table: of people's output
 * @array: of programs', or NULL
 */
struct family {
	struct member *member;
	size_t count;
	struct machines machines;
	struct table table;
	struct json_object *array;
};

static void find_vm(const struct machines *m, struct member *member)
{
	struct json_object *pid;

	if (!json_object_object_get_ex(member->info, "pid", &pid))
		return;
	for (uint32_t i = 0; i < m->count; i++)
		if (m->vms[i].pid == (uint32_t)json_object_get_int(pid))
			member->vm = &m->vms[i];
}

static void member_end(struct member *m)
{
	json_object_put(m->info);
	json_object_put(m->memory);
}

static void member_add(struct family *f, struct member m)
{
	struct member *bigger = reallocarray(f->member, f->count + 1, sizeof(*bigger));

	if (!bigger) {
		member_end(&m);
		return;
	}
	f->member = bigger;
	f->member[f->count++] = m;
}

static void member_ask(struct family *f, int fd)
{
	struct member m = { 0 };

	if (machine_call(fd, "info", &m.info))
		return;
	if (machine_call(fd, "memory", &m.memory))
		m.memory = NULL;
	member_add(f, m);
}

static int by_name(const void *a, const void *b)
{
	const struct member *x = a, *y = b;

	return strverscmp(message_string(x->info, "name"), message_string(y->info, "name"));
}

/* Those that end meanwhile, or are somebody else's, are left out. */
static void family_ask(struct family *f)
{
	DIR *dir = socket_directory();
	struct dirent *entry;
	char name[256];

	while (dir && (entry = readdir(dir))) {
		int fd = socket_name(entry, name, sizeof(name)) ?
			 socket_connect(name, ANSWER_MS) : -1;

		if (fd == -ECONNREFUSED)
			socket_remove_stale(name);
		if (fd < 0)
			continue;
		member_ask(f, fd);
		close(fd);
	}
	if (dir)
		closedir(dir);
	if (f->count)
		qsort(f->member, f->count, sizeof(*f->member), by_name);
}

static const struct ditto_vm_info nothing;

/* What the machine said; else what the module's sums tell. */
static uint64_t bytes_of(const struct member *m, const char *name, uint64_t otherwise)
{
	struct json_object *bytes;

	return m->memory && json_object_object_get_ex(m->memory, name, &bytes) ?
	       json_object_get_uint64(bytes) : otherwise;
}

static void show_row(struct family *f, const struct member *m, unsigned int depth)
{
	const struct ditto_vm_info *vm = m->vm ?: &nothing;
	uint64_t alone = vm->resident_bytes - vm->shared_bytes;
	const uint64_t sizes[] = {
		vm->ram_bytes,
		bytes_of(m, "resident_bytes", vm->resident_bytes),
		bytes_of(m, "unique_bytes", alone),
		bytes_of(m, "fair_bytes", vm->resident_bytes - vm->saved_bytes),
		bytes_of(m, "freed_bytes", alone),
	};
	const char *name = message_string(m->info, "name");
	char buf[16];

	table_add(&f->table, "%*s%s", 2 * depth, "", *name ? name : "-");
	table_add(&f->table, "%u", vm->pid);
	table_add(&f->table, "%s", message_string(m->info, "state"));
	table_add(&f->table, "%s", message_string(m->info, "agent"));
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
		table_add(&f->table, "%s", format_size(sizes[i], buf, sizeof(buf)));
}

static void show_json(struct family *f, const struct member *m)
{
	struct json_object *o = json_object_get(m->info);
	const struct ditto_vm_info *vm = m->vm ?: &nothing;

	uint64_t alone = vm->resident_bytes - vm->shared_bytes;
	uint64_t resident = bytes_of(m, "resident_bytes", vm->resident_bytes);
	uint64_t unique = bytes_of(m, "unique_bytes", alone);

	json_object_object_add(o, "ram_bytes", json_object_new_uint64(vm->ram_bytes));
	json_object_object_add(o, "resident_bytes", json_object_new_uint64(resident));
	json_object_object_add(o, "unique_bytes", json_object_new_uint64(unique));
	json_object_object_add(o, "shared_bytes", json_object_new_uint64(resident - unique));
	json_object_object_add(o, "fair_bytes", json_object_new_uint64(
		bytes_of(m, "fair_bytes", vm->resident_bytes - vm->saved_bytes)));
	json_object_object_add(o, "freed_bytes", json_object_new_uint64(
		bytes_of(m, "freed_bytes", alone)));
	json_object_array_add(f->array, o);
}

/* Whoever is shown is not shown again, so that no answer can make this endless. */
static void show_below(struct family *f, const char *generation, unsigned int depth);

static void show(struct family *f, struct member *m, unsigned int depth)
{
	m->shown = true;
	if (f->array)
		show_json(f, m);
	else
		show_row(f, m, depth);
	show_below(f, message_string(m->info, "generation"), depth + 1);
}

static void show_below(struct family *f, const char *generation, unsigned int depth)
{
	for (size_t i = 0; i < f->count; i++)
		if (!f->member[i].shown &&
		    !strcmp(message_string(f->member[i].info, "parent"), generation))
			show(f, &f->member[i], depth);
}

static bool has_parent(const struct family *f, const struct member *m)
{
	for (size_t i = 0; i < f->count; i++)
		if (&f->member[i] != m && !strcmp(message_string(f->member[i].info, "generation"),
						  message_string(m->info, "parent")))
			return true;
	return false;
}

static void family_show(struct family *f)
{
	static const char *const heads[] = { "NAME", "PID", "STATE", "AGENT", "RAM", "RESIDENT",
					     "UNIQUE", "FAIR", "FREED" };

	table_init(&f->table, "lrllrrrrr");
	for (size_t i = 0; i < ARRAY_SIZE(heads); i++)
		table_add(&f->table, "%s", heads[i]);
	for (size_t i = 0; i < f->count; i++)
		if (!f->member[i].shown && !has_parent(f, &f->member[i]))
			show(f, &f->member[i], 0);
	/* Each other's parents, by what they say. */
	for (size_t i = 0; i < f->count; i++)
		if (!f->member[i].shown)
			show(f, &f->member[i], 0);
	if (!f->array)
		table_print(&f->table, stdout);
}

static int tree_print(const struct listing *l, int fd)
{
	struct family f = { .array = l->json ? json_object_new_array() : NULL };
	int ret;

	/* In this order: who has answered has its machine. */
	family_ask(&f);
	ret = machines_fetch(fd, &f.machines);
	for (size_t i = 0; i < f.count; i++)
		find_vm(&f.machines, &f.member[i]);
	if (ret < 0)
		complain("%s: %s", l->dev, strerror(-ret));
	else
		family_show(&f);
	if (f.array && !ret)
		json_print(f.array);
	json_object_put(f.array);
	while (f.count)
		member_end(&f.member[--f.count]);
	free(f.member);
	free(f.machines.vms);
	return ret < 0;
}

/**
 * cmd_tree() - `ditto tree`
 * @argc: as for main()
 * @argv: as for main()
 *
 * Return: the exit status.
 */
int cmd_tree(int argc, char **argv)
{
	return listing_main(argc, argv, doc, tree_print);
}
