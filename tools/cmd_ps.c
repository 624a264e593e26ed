// SPDX-License-Identifier: GPL-2.0-only
/*
 * `ditto ps`: the machines that the module lets the caller see, as a table for
 * people or as JSON in plain bytes for programs.
 */
#include "cmd.h"
#include "listing.h"
#include "machines.h"
#include "table.h"
#include "util.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

static const char doc[] =
	"List the machines of this user, or with CAP_SYS_ADMIN those of everybody.\v"
	"RAM is what the machine was promised, RESIDENT what is there of it, SHARED the part of "
	"that which reads from a page shared by merging, SAVED what SHARED would cost more "
	"without merging. UNADOPTED is memory that cannot be shared because it is the VMM's own, "
	"and why; - where there is none.\n"
	"\n"
	"Exit status: 0; 1 if the machines cannot be listed.";

static uint64_t unadopted_bytes(const struct ditto_vm_info *v)
{
	return (uint64_t)(v->unadopted >> DITTO_UNADOPTED_SHIFT) << 20;
}

static const char *unadopted_why(const struct ditto_vm_info *v)
{
	static const char *const words[DITTO_UNADOPTED_KINDS] = {
		[DITTO_UNADOPTED_NONE] = "", [DITTO_UNADOPTED_NOTHING] = "unmapped",
		[DITTO_UNADOPTED_OFF] = "off", [DITTO_UNADOPTED_UNMARKED] = "unmarked",
		[DITTO_UNADOPTED_FORK] = "fork", [DITTO_UNADOPTED_LOCKED] = "locked",
		[DITTO_UNADOPTED_UFFD] = "uffd", [DITTO_UNADOPTED_RIGHTS] = "rights",
		[DITTO_UNADOPTED_POLICY] = "mbind", [DITTO_UNADOPTED_HUGE] = "hugetlb",
		[DITTO_UNADOPTED_KIND] = "other", [DITTO_UNADOPTED_SMALL] = "small",
		[DITTO_UNADOPTED_BUSY] = "pinned", [DITTO_UNADOPTED_MEMORY] = "memory",
		[DITTO_UNADOPTED_POISON] = "poison", [DITTO_UNADOPTED_PRIVATE] = "private",
	};
	uint32_t why = v->unadopted & DITTO_UNADOPTED_MASK;

	return why < ARRAY_SIZE(words) ? words[why] : "unknown";
}

static void add_unadopted(struct table *t, const struct ditto_vm_info *v)
{
	char buf[16];

	if (unadopted_bytes(v))
		table_add(t, "%s %s", format_size(unadopted_bytes(v), buf, sizeof(buf)),
			  unadopted_why(v));
	else
		table_add(t, "-");
}

static struct ditto_vm_info machines_total(const struct machines *m)
{
	struct ditto_vm_info sum = { 0 };

	for (uint32_t i = 0; i < m->count; i++) {
		sum.vcpus += m->vms[i].vcpus;
		sum.ram_bytes += m->vms[i].ram_bytes;
		sum.resident_bytes += m->vms[i].resident_bytes;
		sum.shared_bytes += m->vms[i].shared_bytes;
		sum.saved_bytes += m->vms[i].saved_bytes;
	}
	return sum;
}

static void add_sizes(struct table *t, const struct ditto_vm_info *v)
{
	const uint64_t sizes[] = { v->ram_bytes, v->resident_bytes, v->shared_bytes,
				   v->saved_bytes };
	char buf[16];

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
		table_add(t, "%s", format_size(sizes[i], buf, sizeof(buf)));
}

static void print_table(const struct machines *m)
{
	static const char *const heads[] = { "ID", "NAME", "PID", "UID", "CPUS", "RAM",
					     "RESIDENT", "SHARED", "SAVED", "UNADOPTED" };
	struct ditto_vm_info sum = machines_total(m);
	struct table t;

	table_init(&t, "rlrrrrrrrl");
	for (size_t i = 0; i < ARRAY_SIZE(heads); i++)
		table_add(&t, "%s", heads[i]);
	for (uint32_t i = 0; i < m->count; i++) {
		const struct ditto_vm_info *v = &m->vms[i];

		table_add(&t, "%llu", (unsigned long long)v->id);
		table_add(&t, "%.*s", DITTO_NAME_LEN, v->name[0] ? v->name : "-");
		table_add(&t, "%u", v->pid);
		table_add(&t, "%u", v->uid);
		table_add(&t, "%u", v->vcpus);
		add_sizes(&t, v);
		add_unadopted(&t, v);
	}
	table_add(&t, "%s", "");
	table_add(&t, "total %u", m->count);
	table_add(&t, "%s", "");
	table_add(&t, "%s", "");
	table_add(&t, "%u", sum.vcpus);
	add_sizes(&t, &sum);
	table_add(&t, "%s", "");
	table_print(&t, stdout);
}

static void json_add_sizes(struct json_object *o, const struct ditto_vm_info *v)
{
	json_object_object_add(o, "vcpus", json_object_new_int64(v->vcpus));
	json_object_object_add(o, "ram_bytes", json_object_new_uint64(v->ram_bytes));
	json_object_object_add(o, "resident_bytes", json_object_new_uint64(v->resident_bytes));
	json_object_object_add(o, "shared_bytes", json_object_new_uint64(v->shared_bytes));
	json_object_object_add(o, "saved_bytes", json_object_new_uint64(v->saved_bytes));
}

static struct json_object *machine_json(const struct ditto_vm_info *v)
{
	struct json_object *o = json_object_new_object();
	int len = strnlen(v->name, sizeof(v->name));

	json_object_object_add(o, "id", json_object_new_uint64(v->id));
	json_object_object_add(o, "name", json_object_new_string_len(v->name, len));
	json_object_object_add(o, "pid", json_object_new_int64(v->pid));
	json_object_object_add(o, "uid", json_object_new_int64(v->uid));
	json_add_sizes(o, v);
	json_object_object_add(o, "unadopted_bytes", json_object_new_uint64(unadopted_bytes(v)));
	json_object_object_add(o, "unadopted", json_object_new_string(unadopted_why(v)));
	return o;
}

static void print_json(const struct machines *m)
{
	struct ditto_vm_info sum = machines_total(m);
	struct json_object *root = json_object_new_object();
	struct json_object *array = json_object_new_array();
	struct json_object *total = json_object_new_object();

	for (uint32_t i = 0; i < m->count; i++)
		json_object_array_add(array, machine_json(&m->vms[i]));
	json_object_object_add(total, "machines", json_object_new_int64(m->count));
	json_add_sizes(total, &sum);
	json_object_object_add(root, "machines", array);
	json_object_object_add(root, "total", total);
	json_print(root);
	json_object_put(root);
}

static int ps_print(const struct listing *l, int fd)
{
	struct machines m = { 0 };
	int ret = machines_fetch(fd, &m);

	if (ret < 0)
		complain("%s: %s", l->dev, strerror(-ret));
	else if (l->json)
		print_json(&m);
	else
		print_table(&m);
	free(m.vms);
	return ret < 0;
}

/**
 * cmd_ps() - `ditto ps`
 * @argc: as for main()
 * @argv: as for main()
 *
 * Return: the exit status.
 */
int cmd_ps(int argc, char **argv)
{
	return listing_main(argc, argv, doc, ps_print);
}
