// SPDX-License-Identifier: GPL-2.0-only
/*
 * The operator's side of compression, /sys/kernel/ditto/compress/; and the kernel's, which asks for
 * memory by way of a shrinker.
 */
#include <linux/ctype.h>
#include <linux/kobject.h>
#include <linux/sysfs.h>

#include "compat-shrinker.h"
#include "gmem/squeeze_knobs.h"
#include "gmem/store.h"
#include "gmem/weight.h"

static struct kobject *squeeze_kobj;
static struct shrinker *squeeze_shrinker;

static const char *const squeeze_modes[] = { "off", "pressure", "always" };

static ssize_t mode_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	unsigned int i, mode = READ_ONCE(squeeze_knobs.mode);
	ssize_t n = 0;

	if (!gmem_store_can_open())
		return sysfs_emit(buf, "unavailable\n");
	for (i = 0; i < ARRAY_SIZE(squeeze_modes); i++)
		n += sysfs_emit_at(buf, n, i == mode ? "[%s] " : "%s ", squeeze_modes[i]);
	buf[n - 1] = '\n';
	return n;
}

static ssize_t mode_store(struct kobject *kobj, struct kobj_attribute *attr, const char *buf,
			  size_t count)
{
	int mode = sysfs_match_string(squeeze_modes, buf);
	int err = mode < 0 ? mode : squeeze_set_mode(mode);

	return err ?: count;
}
static struct kobj_attribute mode_attr = __ATTR_RW(mode);

static ssize_t algorithm_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%s\n", squeeze_knobs.algorithm);
}

/* The name goes to modprobe, so it is a name. */
static bool algorithm_valid(const char *name, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (!isalnum(name[i]) && name[i] != '-' && name[i] != '_')
			return false;
	return len && len < SQUEEZE_ALGORITHM;
}

static ssize_t algorithm_store(struct kobject *kobj, struct kobj_attribute *attr, const char *buf,
			       size_t count)
{
	size_t len = count && buf[count - 1] == '\n' ? count - 1 : count;
	int err;

	if (!algorithm_valid(buf, len))
		return -EINVAL;
	err = squeeze_set_algorithm(buf, len);
	return err ?: count;
}
static struct kobj_attribute algorithm_attr = __ATTR_RW(algorithm);

/* A number between two. */
#define NUMBER(_name, _min, _max)						\
static ssize_t _name##_show(struct kobject *kobj, struct kobj_attribute *attr,	\
			    char *buf)						\
{										\
	return sysfs_emit(buf, "%lu\n", (unsigned long)READ_ONCE(squeeze_knobs._name)); \
}										\
static ssize_t _name##_store(struct kobject *kobj, struct kobj_attribute *attr,	\
			     const char *buf, size_t count)			\
{										\
	unsigned long value;							\
										\
	if (kstrtoul(buf, 10, &value) || value < (_min) || value > (_max))	\
		return -EINVAL;							\
	WRITE_ONCE(squeeze_knobs._name, value);					\
	squeeze_changed();							\
	return count;								\
}										\
static struct kobj_attribute _name##_attr = __ATTR_RW(_name)

NUMBER(limit_pages, 0, ULONG_MAX);
NUMBER(cold_passes, 1, 30);
NUMBER(pass_millisecs, 10, 3600000);

#define FIGURE(_name, _value)							\
static ssize_t _name##_show(struct kobject *kobj, struct kobj_attribute *attr,	\
			    char *buf)						\
{										\
	struct gmem_store_figures f;						\
										\
	gmem_store_figures(&f);							\
	return sysfs_emit(buf, "%lu\n", (unsigned long)(_value));		\
}										\
static struct kobj_attribute _name##_attr = __ATTR_RO(_name)

FIGURE(pages_compressed, f.entries);
FIGURE(pages_stored, f.objects);
FIGURE(bytes_stored, f.bytes);
FIGURE(pool_pages, f.pool_pages);
FIGURE(pages_rejected, f.rejected);
FIGURE(pages_joined, f.joined);
FIGURE(pages_restored, atomic_long_read(&squeeze_knobs.loads));
FIGURE(full_passes, READ_ONCE(squeeze_knobs.passes));

static struct attribute *squeeze_attrs[] = {
	&mode_attr.attr,
	&algorithm_attr.attr,
	&limit_pages_attr.attr,
	&cold_passes_attr.attr,
	&pass_millisecs_attr.attr,
	&pages_compressed_attr.attr,
	&pages_stored_attr.attr,
	&bytes_stored_attr.attr,
	&pool_pages_attr.attr,
	&pages_rejected_attr.attr,
	&pages_joined_attr.attr,
	&pages_restored_attr.attr,
	&full_passes_attr.attr,
	NULL,
};

static const struct attribute_group squeeze_group = {
	.attrs = squeeze_attrs,
};

/*
 * Pages that may turn out to be cold. The kernel asks for a part of them that grows with its need.
 */
static unsigned long squeeze_count(struct shrinker *s, struct shrink_control *sc)
{
	long pages = gmem_private_pages();

	return READ_ONCE(squeeze_knobs.mode) == SQUEEZE_PRESSURE && pages > 0 ? pages : 0;
}

/*
 * Called where memory is being looked for, with any lock held: only notes what is wanted. None
 * has come when this returns.
 */
static unsigned long squeeze_scan(struct shrinker *s, struct shrink_control *sc)
{
	long most = gmem_private_pages();

	if (READ_ONCE(squeeze_knobs.mode) != SQUEEZE_PRESSURE)
		return SHRINK_STOP;
	if (atomic_long_add_return(sc->nr_to_scan, &squeeze_knobs.wanted) > most)
		atomic_long_set(&squeeze_knobs.wanted, most);
	squeeze_kick();
	return 0;
}

static int squeeze_group_add(struct kobject *parent)
{
	int err;

	squeeze_kobj = kobject_create_and_add("compress", parent);
	if (!squeeze_kobj)
		return -ENOMEM;
	err = sysfs_create_group(squeeze_kobj, &squeeze_group);
	if (err)
		kobject_put(squeeze_kobj);
	return err;
}

/**
 * squeeze_knobs_add() - make the directory, and be asked for memory
 * @parent: /sys/kernel/ditto
 *
 * Return: 0 or -errno, nothing left behind.
 */
int squeeze_knobs_add(struct kobject *parent)
{
	int err = squeeze_group_add(parent);

	if (err)
		return err;
	squeeze_shrinker = compat_shrinker_add("ditto-compress", squeeze_count, squeeze_scan);
	if (squeeze_shrinker)
		return 0;
	sysfs_remove_group(squeeze_kobj, &squeeze_group);
	kobject_put(squeeze_kobj);
	return -ENOMEM;
}

/**
 * squeeze_knobs_remove() - the mirror of squeeze_knobs_add()
 *
 * Waits for who writes to a knob, and for who asks for memory.
 */
void squeeze_knobs_remove(void)
{
	compat_shrinker_remove(squeeze_shrinker);
	sysfs_remove_group(squeeze_kobj, &squeeze_group);
	kobject_put(squeeze_kobj);
}
