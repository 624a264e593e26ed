// SPDX-License-Identifier: GPL-2.0-only
/*
 * The operator's side: /sys/kernel/ditto/ksm/. Names and meanings are those of the
 * kernel's own /sys/kernel/mm/ksm/ (Documentation/admin-guide/mm/ksm.rst there).
 */
#include <linux/kobject.h>
#include <linux/mm.h>
#include <linux/sysfs.h>

#include "ksm/internal.h"

static struct kobject *ksm_kobj;

#define KNOB_RO(_name)	static struct kobj_attribute _name##_attr = __ATTR_RO(_name)
#define KNOB(_name)	static struct kobj_attribute _name##_attr = __ATTR_RW(_name)

static ssize_t run_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%u\n", READ_ONCE(merge_knobs.run));
}

static ssize_t run_store(struct kobject *kobj, struct kobj_attribute *attr,
			 const char *buf, size_t count)
{
	unsigned int run;
	int err;

	err = kstrtouint(buf, 10, &run);
	if (err)
		return -EINVAL;
	if (run > MERGE_UNMERGE)
		return -EINVAL;
	err = merge_set_run(run);
	return err ?: count;
}
KNOB(run);

static ssize_t pages_to_scan_show(struct kobject *kobj, struct kobj_attribute *attr,
				  char *buf)
{
	return sysfs_emit(buf, "%u\n", READ_ONCE(merge_knobs.pages_to_scan));
}

static ssize_t pages_to_scan_store(struct kobject *kobj, struct kobj_attribute *attr,
				   const char *buf, size_t count)
{
	unsigned int pages;

	if (kstrtouint(buf, 10, &pages) || READ_ONCE(merge_knobs.advisor.on))
		return -EINVAL;
	WRITE_ONCE(merge_knobs.pages_to_scan, pages);
	merge_thread_wake();
	return count;
}
KNOB(pages_to_scan);

static ssize_t sleep_millisecs_show(struct kobject *kobj, struct kobj_attribute *attr,
				    char *buf)
{
	return sysfs_emit(buf, "%u\n", READ_ONCE(merge_knobs.sleep_millisecs));
}

static ssize_t sleep_millisecs_store(struct kobject *kobj, struct kobj_attribute *attr,
				     const char *buf, size_t count)
{
	unsigned int msecs;

	if (kstrtouint(buf, 10, &msecs))
		return -EINVAL;
	WRITE_ONCE(merge_knobs.sleep_millisecs, msecs);
	merge_thread_wake();
	return count;
}
KNOB(sleep_millisecs);

/* A number between two, which the thread has to see at once. */
#define NUMBER(_name, _member, _min, _max)					\
static ssize_t _name##_show(struct kobject *kobj, struct kobj_attribute *attr,	\
			    char *buf)						\
{										\
	return sysfs_emit(buf, "%u\n", (unsigned int)READ_ONCE(merge_knobs._member)); \
}										\
static ssize_t _name##_store(struct kobject *kobj, struct kobj_attribute *attr,	\
			     const char *buf, size_t count)			\
{										\
	unsigned int value;							\
										\
	if (kstrtouint(buf, 10, &value) || value < (_min) || value > (_max))	\
		return -EINVAL;							\
	WRITE_ONCE(merge_knobs._member, value);					\
	merge_thread_wake();							\
	return count;								\
}										\
KNOB(_name)

NUMBER(max_cpu, max_cpu, 0, 100 * GMEM_WALKS);
NUMBER(use_zero_pages, use_zero_pages, 0, 1);
NUMBER(merge_across_nodes, merge_across_nodes, 0, 1);
NUMBER(max_page_sharing, max_page_sharing, 2, GMEM_MAX_SHARERS);
NUMBER(advisor_max_cpu, advisor.max_cpu, 1, 100);
NUMBER(advisor_min_pages_to_scan, advisor.min_pages, 1, merge_knobs.advisor.max_pages);
NUMBER(advisor_max_pages_to_scan, advisor.max_pages, merge_knobs.advisor.min_pages, UINT_MAX);
NUMBER(advisor_target_scan_time, advisor.target_secs, 1, UINT_MAX);

static ssize_t workers_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%u\n", READ_ONCE(merge_knobs.workers));
}

static ssize_t workers_store(struct kobject *kobj, struct kobj_attribute *attr,
			     const char *buf, size_t count)
{
	unsigned int nr;
	int err;

	if (kstrtouint(buf, 10, &nr) || !nr || nr > GMEM_WALKS)
		return -EINVAL;
	err = merge_set_workers(nr);
	return err ?: count;
}
KNOB(workers);

static ssize_t advisor_mode_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, READ_ONCE(merge_knobs.advisor.on) ? "none [scan-time]\n" :
								   "[none] scan-time\n");
}

static ssize_t advisor_mode_store(struct kobject *kobj, struct kobj_attribute *attr,
				  const char *buf, size_t count)
{
	bool on = sysfs_streq(buf, "scan-time");

	if (!on && !sysfs_streq(buf, "none"))
		return -EINVAL;
	WRITE_ONCE(merge_knobs.advisor.on, on);
	merge_thread_wake();
	return count;
}
KNOB(advisor_mode);

static ssize_t pages_skipped_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%lu\n", atomic_long_read(&merge_knobs.pages_skipped));
}
KNOB_RO(pages_skipped);

static ssize_t full_scans_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%lu\n", READ_ONCE(merge_knobs.full_scans));
}
KNOB_RO(full_scans);

static ssize_t pages_scanned_show(struct kobject *kobj, struct kobj_attribute *attr,
				  char *buf)
{
	return sysfs_emit(buf, "%lu\n", atomic_long_read(&merge_knobs.pages_scanned));
}
KNOB_RO(pages_scanned);

static ssize_t pages_shared_show(struct kobject *kobj, struct kobj_attribute *attr,
				 char *buf)
{
	return sysfs_emit(buf, "%ld\n", gmem_shared_pages());
}
KNOB_RO(pages_shared);

/* Counters are read one after the other: a difference may come out below zero. */
static long count_sharing(const struct gmem_totals *t)
{
	return max(0L, (long)(t->shared_entries - t->shared_pages));
}

static ssize_t pages_sharing_show(struct kobject *kobj, struct kobj_attribute *attr,
				  char *buf)
{
	struct gmem_totals t;

	gmem_totals(&t);
	return sysfs_emit(buf, "%ld\n", count_sharing(&t));
}
KNOB_RO(pages_sharing);

static ssize_t pages_unshared_show(struct kobject *kobj, struct kobj_attribute *attr,
				   char *buf)
{
	return sysfs_emit(buf, "%lu\n", merge_index_unshared());
}
KNOB_RO(pages_unshared);

static ssize_t pages_volatile_show(struct kobject *kobj, struct kobj_attribute *attr,
				   char *buf)
{
	struct gmem_totals t;

	gmem_totals(&t);
	return sysfs_emit(buf, "%lu\n", t.pending_pages);
}
KNOB_RO(pages_volatile);

static ssize_t ksm_zero_pages_show(struct kobject *kobj, struct kobj_attribute *attr,
				   char *buf)
{
	struct gmem_totals t;

	gmem_totals(&t);
	return sysfs_emit(buf, "%lu\n", t.zeroed_entries);
}
KNOB_RO(ksm_zero_pages);

static ssize_t general_profit_show(struct kobject *kobj, struct kobj_attribute *attr,
				   char *buf)
{
	struct gmem_totals t;
	long saved;

	gmem_totals(&t);
	saved = (count_sharing(&t) + t.zeroed_entries) * PAGE_SIZE;
	return sysfs_emit(buf, "%ld\n",
			  saved - (long)(t.overhead + merge_index_bytes()));
}
KNOB_RO(general_profit);

static struct attribute *ksm_attrs[] = {
	&run_attr.attr,
	&pages_to_scan_attr.attr,
	&sleep_millisecs_attr.attr,
	&workers_attr.attr,
	&max_cpu_attr.attr,
	&use_zero_pages_attr.attr,
	&merge_across_nodes_attr.attr,
	&max_page_sharing_attr.attr,
	&advisor_mode_attr.attr,
	&advisor_max_cpu_attr.attr,
	&advisor_min_pages_to_scan_attr.attr,
	&advisor_max_pages_to_scan_attr.attr,
	&advisor_target_scan_time_attr.attr,
	&full_scans_attr.attr,
	&pages_scanned_attr.attr,
	&pages_skipped_attr.attr,
	&pages_shared_attr.attr,
	&pages_sharing_attr.attr,
	&pages_unshared_attr.attr,
	&pages_volatile_attr.attr,
	&ksm_zero_pages_attr.attr,
	&general_profit_attr.attr,
	NULL,
};

static const struct attribute_group ksm_group = {
	.attrs = ksm_attrs,
};

/**
 * merge_sysfs_add() - make the directory
 * @parent: /sys/kernel/ditto
 *
 * Return: 0 or -errno, nothing left behind.
 */
int merge_sysfs_add(struct kobject *parent)
{
	int err;

	ksm_kobj = kobject_create_and_add("ksm", parent);
	if (!ksm_kobj)
		return -ENOMEM;
	err = sysfs_create_group(ksm_kobj, &ksm_group);
	if (err)
		kobject_put(ksm_kobj);
	return err;
}

/**
 * merge_sysfs_remove() - remove the directory
 *
 * Waits for writers.
 */
void merge_sysfs_remove(void)
{
	sysfs_remove_group(ksm_kobj, &ksm_group);
	kobject_put(ksm_kobj);
}
