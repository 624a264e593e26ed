// SPDX-License-Identifier: GPL-2.0-only
/*
 * Accounting of guest memory: for the OOM killer, in the RSS of its owner, and for
 * operators, in /sys/kernel/ditto/gmem/. A gmem's private pages, which are what freeing it
 * would give back, are added to the shared-memory counter of its owner's mm. The owner is
 * the process that created the gmem, and after its end one that has it mapped, or the next
 * process that adds a page. The hard part is to take back exactly what was added, whatever
 * ends first: the gmem counts what it added, and keeps the mm's structure (not its memory)
 * until it has taken it back.
 */
#include <linux/delay.h>
#include <linux/kobject.h>
#include <linux/oom.h>
#include <linux/percpu_counter.h>
#include <linux/sched/mm.h>
#include <linux/sysfs.h>

#include "compat.h"
#include "gmem/internal.h"
#include "gmem/merge.h"

static struct percpu_counter nr_private_pages;
static atomic_long_t nr_gmems;
static struct kobject *gmem_kobj;

/* The mm that would be charged for what the current task does, or NULL. */
static struct mm_struct *weight_current_mm(void)
{
	return current->flags & PF_KTHREAD ? NULL : current->mm;
}

/* Is there nobody whom it weighs on? @lock held. */
static bool weight_orphaned(const struct gmem_weight *w)
{
	return !w->mm || !atomic_read(&w->mm->mm_users);
}

/* The owner is gone: @new, if that is one, takes over. Returns the mm to let go of. */
static struct mm_struct *weight_inherit(struct gmem_weight *w, struct mm_struct *new)
{
	struct mm_struct *old = w->mm;

	if (!new || !weight_orphaned(w))
		return NULL;
	if (old)
		compat_mm_rss_add(old, -w->pages);
	mmgrab(new);
	w->mm = new;
	w->pages = 0;
	return old;
}

/* Bring the owner's RSS up to date; without one, it is @heir. */
static void weight_update(struct gmem *g, struct mm_struct *heir)
{
	struct gmem_weight *w = &g->weight;
	struct mm_struct *old;
	long pages;

	spin_lock(&w->lock);
	old = weight_inherit(w, heir);
	pages = atomic_long_read(&g->nr_private);
	if (w->mm) {
		compat_mm_rss_add(w->mm, pages - w->pages);
		WRITE_ONCE(w->pages, pages);
	}
	spin_unlock(&w->lock);
	if (old)
		mmdrop(old);
}

/**
 * gmem_count_private() - a gmem has more or fewer private pages
 * @g: the gmem
 * @n: how many more
 *
 * Process context; a chunk's lock may be held.
 */
void gmem_count_private(struct gmem *g, long n)
{
	long pages = atomic_long_add_return(n, &g->nr_private);

	percpu_counter_add(&nr_private_pages, n);
	/* In steps: the owner's counter is shared by all of its threads. */
	if (unlikely(abs(pages - READ_ONCE(g->weight.pages)) >= GMEM_WEIGHT_STEP))
		weight_update(g, weight_current_mm());
}

/**
 * struct heir_search - for who is going to have it in his RSS
 * @heir: found, its structure referenced
 * @n: how many mappings were looked at
 */
struct heir_search {
	struct mm_struct *heir;
	unsigned int n;
};

static bool weight_search(struct address_space *mapping, void *arg)
{
	struct heir_search *s = arg;
	struct rb_node *node;

	i_mmap_lock_read(mapping);
	node = rb_first_cached(&mapping->i_mmap);
	for (; node && !s->heir && s->n < GMEM_CROWD; node = rb_next(node), s->n++) {
		s->heir = rb_entry(node, struct vm_area_struct, shared.rb)->vm_mm;
		if (atomic_read(&s->heir->mm_users))
			mmgrab(s->heir);
		else
			s->heir = NULL;
	}
	i_mmap_unlock_read(mapping);
	return s->heir || s->n == GMEM_CROWD;
}

/* Who has it mapped and lives, with a reference to the mm's structure, or NULL. */
static struct mm_struct *weight_heir(struct gmem *g)
{
	struct heir_search s = { 0 };

	gmem_any_mapping(g, weight_search, &s);
	return s.heir;
}

/**
 * gmem_weight_pass() - see that it weighs on somebody, as far as anybody is known
 * @g: the gmem
 *
 * For when a mapping or a file was closed, by a process that is going perhaps. Process
 * context, no lock held but mmap_lock.
 */
void gmem_weight_pass(struct gmem *g)
{
	struct mm_struct *heir;
	bool orphaned;

	spin_lock(&g->weight.lock);
	orphaned = weight_orphaned(&g->weight);
	spin_unlock(&g->weight.lock);
	if (likely(!orphaned))
		return;
	heir = weight_heir(g);
	if (!heir)
		return;
	weight_update(g, heir);
	mmdrop(heir);
}

/**
 * gmem_weight_begin() - the current process is the owner of a new gmem
 * @g: the gmem
 */
void gmem_weight_begin(struct gmem *g)
{
	spin_lock_init(&g->weight.lock);
	g->weight.mm = weight_current_mm();
	if (g->weight.mm)
		mmgrab(g->weight.mm);
	atomic_long_inc(&nr_gmems);
}

/**
 * gmem_weight_end() - a gmem has been punched for the last time
 * @g: the gmem
 */
void gmem_weight_end(struct gmem *g)
{
	struct gmem_weight *w = &g->weight;

	atomic_long_dec(&nr_gmems);
	if (!w->mm)
		return;
	compat_mm_rss_add(w->mm, -w->pages);
	mmdrop(w->mm);
}

/**
 * gmem_oom_wait() - wait for memory instead of letting somebody be killed?
 * @waited: how often that has been the answer in a row
 * @coming: memory is on its way back
 *
 * The wait is limited: pages that come back one by one must not prevent a kill for ever.
 *
 * Return: true: wait.
 */
bool gmem_oom_wait(unsigned int *waited, bool coming)
{
	*waited = coming && *waited < OOM_PATIENCE ? *waited + 1 : 0;
	return *waited;
}

/*
 * The kernel is about to kill a process for lack of memory. If gmems are being freed
 * already, wait for them instead: the end of one machine may have made enough memory free.
 * One caller at a time: oom_lock.
 */
static int weight_oom(struct notifier_block *nb, unsigned long unused, void *freed)
{
	static unsigned int waited;
	long waiting = gmem_pages_waiting();

	if (!gmem_oom_wait(&waited, waiting > 0 || gmem_anyone_leaving()))
		return NOTIFY_OK;
	if (waiting > 0) {
		gmem_later_flush();
		*(unsigned long *)freed += waiting;
	} else {
		msleep(20);
		++*(unsigned long *)freed;
	}
	return NOTIFY_OK;
}

static struct notifier_block weight_oom_nb = {
	.notifier_call = weight_oom,
};

#define FIGURE(_name, _value)							\
static ssize_t _name##_show(struct kobject *kobj, struct kobj_attribute *attr,	\
			    char *buf)						\
{										\
	return sysfs_emit(buf, "%ld\n", (long)(_value));			\
}										\
static struct kobj_attribute _name##_attr = __ATTR_RO(_name)

FIGURE(objects, atomic_long_read(&nr_gmems));
FIGURE(private_pages, percpu_counter_sum(&nr_private_pages));
FIGURE(shared_pages, gmem_shared_pages());
FIGURE(freeing_pages, gmem_pages_waiting());

static struct attribute *gmem_attrs[] = {
	&objects_attr.attr,
	&private_pages_attr.attr,
	&shared_pages_attr.attr,
	&freeing_pages_attr.attr,
	NULL,
};

static const struct attribute_group gmem_group = {
	.attrs = gmem_attrs,
};

static int weight_sysfs_add(struct kobject *parent)
{
	int ret;

	gmem_kobj = kobject_create_and_add("gmem", parent);
	if (!gmem_kobj)
		return -ENOMEM;
	ret = sysfs_create_group(gmem_kobj, &gmem_group);
	if (ret)
		kobject_put(gmem_kobj);
	return ret;
}

/**
 * gmem_weight_init() - before the first gmem
 * @parent: where the directory "gmem" of figures goes
 *
 * Return: 0 or -errno, nothing left behind.
 */
int gmem_weight_init(struct kobject *parent)
{
	int ret = percpu_counter_init(&nr_private_pages, 0, GFP_KERNEL);

	if (ret)
		return ret;
	ret = weight_sysfs_add(parent);
	if (ret)
		goto counter;
	ret = register_oom_notifier(&weight_oom_nb);
	if (ret)
		goto sysfs;
	return 0;

sysfs:
	sysfs_remove_group(gmem_kobj, &gmem_group);
	kobject_put(gmem_kobj);
counter:
	percpu_counter_destroy(&nr_private_pages);
	return ret;
}

/**
 * gmem_weight_exit() - the mirror of gmem_weight_init()
 *
 * No gmem exists any more.
 */
void gmem_weight_exit(void)
{
	unregister_oom_notifier(&weight_oom_nb);
	sysfs_remove_group(gmem_kobj, &gmem_group);
	kobject_put(gmem_kobj);
	percpu_counter_destroy(&nr_private_pages);
}
