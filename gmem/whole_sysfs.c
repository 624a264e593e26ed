// SPDX-License-Identifier: GPL-2.0-only
/*
 * The operator's side of whole chunks, /sys/kernel/ditto/hugepages/.
 */
#include <linux/kobject.h>
#include <linux/sysfs.h>

#include "gmem/gmem.h"
#include "gmem/whole.h"

static struct kobject *whole_kobj;

static const char *const whole_modes[] = { "never", "madvise", "always" };

static ssize_t enabled_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	unsigned int i, mode = READ_ONCE(whole_knobs.mode);
	ssize_t n = 0;

	for (i = 0; i < ARRAY_SIZE(whole_modes); i++)
		n += sysfs_emit_at(buf, n, i == mode ? "[%s] " : "%s ", whole_modes[i]);
	buf[n - 1] = '\n';
	return n;
}

static ssize_t enabled_store(struct kobject *kobj, struct kobj_attribute *attr, const char *buf,
			     size_t count)
{
	int mode = sysfs_match_string(whole_modes, buf);

	if (mode < 0)
		return mode;
	WRITE_ONCE(whole_knobs.mode, mode);
	return count;
}
static struct kobj_attribute enabled_attr = __ATTR_RW(enabled);

static ssize_t min_gain_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%u\n", READ_ONCE(whole_knobs.min_gain));
}

static ssize_t min_gain_store(struct kobject *kobj, struct kobj_attribute *attr, const char *buf,
			      size_t count)
{
	unsigned int value;

	if (kstrtouint(buf, 10, &value) || !value || value > GMEM_CHUNK_PAGES)
		return -EINVAL;
	WRITE_ONCE(whole_knobs.min_gain, value);
	return count;
}
static struct kobj_attribute min_gain_attr = __ATTR_RW(min_gain);

#define FIGURE(_name, _counter)							\
static ssize_t _name##_show(struct kobject *kobj, struct kobj_attribute *attr,	\
			    char *buf)						\
{										\
	return sysfs_emit(buf, "%ld\n", atomic_long_read(&whole_knobs._counter)); \
}										\
static struct kobj_attribute _name##_attr = __ATTR_RO(_name)

FIGURE(chunks, chunks);
FIGURE(filled, filled);
FIGURE(failed, failed);
FIGURE(split_merge, splits[SPLIT_MERGE]);
FIGURE(split_punch, splits[SPLIT_PUNCH]);
FIGURE(split_compress, splits[SPLIT_COMPRESS]);
FIGURE(split_reset, splits[SPLIT_RESET]);
FIGURE(split_fork, splits[SPLIT_FORK]);
FIGURE(split_broken, splits[SPLIT_BROKEN]);

static struct attribute *whole_attrs[] = {
	&enabled_attr.attr,
	&min_gain_attr.attr,
	&chunks_attr.attr,
	&filled_attr.attr,
	&failed_attr.attr,
	&split_merge_attr.attr,
	&split_punch_attr.attr,
	&split_compress_attr.attr,
	&split_reset_attr.attr,
	&split_fork_attr.attr,
	&split_broken_attr.attr,
	NULL,
};

static const struct attribute_group whole_group = {
	.attrs = whole_attrs,
};

/**
 * whole_knobs_add() - make the directory
 * @parent: /sys/kernel/ditto
 *
 * Return: 0 or -errno, nothing left behind.
 */
int whole_knobs_add(struct kobject *parent)
{
	int err;

	whole_kobj = kobject_create_and_add("hugepages", parent);
	if (!whole_kobj)
		return -ENOMEM;
	err = sysfs_create_group(whole_kobj, &whole_group);
	if (err)
		kobject_put(whole_kobj);
	return err;
}

/**
 * whole_knobs_remove() - the mirror of whole_knobs_add()
 *
 * Waits for who writes to a knob.
 */
void whole_knobs_remove(void)
{
	sysfs_remove_group(whole_kobj, &whole_group);
	kobject_put(whole_kobj);
}
