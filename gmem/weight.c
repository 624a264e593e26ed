// SPDX-License-Identifier: GPL-2.0-only
/*
 * Accounting of guest memory: for the OOM killer, in the RSS of the process that holds it, and for
 * operators, in /sys/kernel/ditto/gmem/. A gmem weighs on its owner: what it weighs is added
 * to the shared-memory counter of the owner's mm. The owner is the process that created the
 * gmem, and after its end one that has it mapped or in a memslot, or the next process that
 * adds a page.
 *
 * 1. A gmem weighs its private pages, which are what freeing it would give back; and what its
 *    compressed pages take, in full, whoever else has the same contents.
 * 2. Shared pages, whether merging or a fork made them so, weigh once on those who share them,
 *    so that nobody makes his memory invisible by sharing it with himself. Which pages a gmem
 *    has in common with whom is not known without a look at each. So a domain counts its shared
 *    pages, and how many of them weigh on somebody (@nr_weighed), and each gmem of it that is
 *    brought up to date takes as many as weigh on nobody yet, but never more than it has
 *    entries that are shared. One that has fewer, or ends, gives up the rest.
 * 3. A gmem is brought up to date when its private pages have become some more or fewer. Smaller
 *    changes, which are much in many gmems, what others did to it, and somebody's end are put
 *    right by a worker, which goes round all gmems once a second (weight_work).
 *
 * The hard part is to take back exactly what was added, whatever ends first: the gmem counts
 * what it added, and keeps the mm's structure (not its memory) until it has taken it back.
 */
#include <linux/delay.h>
#include <linux/kobject.h>
#include <linux/oom.h>
#include <linux/percpu_counter.h>
#include <linux/sched/mm.h>
#include <linux/sysfs.h>
#include <linux/workqueue.h>

#include "compat.h"
#include "gmem/bind.h"
#include "gmem/domain.h"
#include "gmem/internal.h"
#include "gmem/later.h"
#include "gmem/mappings.h"
#include "gmem/sharers.h"
#include "gmem/squeeze.h"
#include "gmem/tenant.h"
#include "gmem/weight.h"

static struct percpu_counter nr_private_pages;
static atomic_long_t nr_gmems;
static struct kobject *gmem_kobj;

/* The worker looks at so many gmems under one lock, and brings so many up to date in a row. */
#define SETTLE_LOOK	64
#define SETTLE_BATCH	64
#define SETTLE_PAUSE_MS	10

static void weight_settle(struct work_struct *work);
static DECLARE_DELAYED_WORK(weight_work, weight_settle);

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
		compat_mm_rss_add(old, -(w->private + w->shared));
	mmgrab(new);
	w->mm = new;
	compat_mm_rss_add(new, w->private + w->shared);
	return old;
}

/* Of a domain's shared pages, of which @sum weigh on somebody, and @mine of them on the asker. */
static long share_due(const struct gmem_domain *d, long sum, long mine, long most)
{
	return clamp(atomic_long_read(&d->nr_shared_pages) - (sum - mine), 0L, max(most, 0L));
}

/* From now on @d's pages weigh on the asker, at most @most. Returns how many. */
static long share_take(struct gmem_domain *d, long mine, long most)
{
	long sum = atomic_long_read(&d->nr_weighed), due;

	do {
		due = share_due(d, sum, mine, most);
	} while (due != mine && !atomic_long_try_cmpxchg(&d->nr_weighed, &sum, sum - mine + due));
	return due;
}

static void share_give(struct gmem_weight *w)
{
	if (w->domain)
		atomic_long_sub(w->shared, &w->domain->nr_weighed);
	w->domain = NULL;
}

/* How many shared pages weigh on the owner now. @lock held. */
static long weight_share(struct gmem *g)
{
	struct gmem_domain *d = READ_ONCE(g->domain);	/* @g keeps all that it ever had */
	long most = weight_orphaned(&g->weight) ? 0 : atomic_long_read(&g->nr_shared);
	struct gmem_weight *w = &g->weight;
	long mine = w->shared;

	if (d != w->domain) {
		share_give(w);
		w->domain = d;
		mine = 0;
	}
	return d ? share_take(d, mine, most) : 0;
}

/* What its own pages weigh, and what it has compressed. */
static long weight_private(const struct gmem *g)
{
	return atomic_long_read(&g->nr_private) + gmem_squeezed_pages(g);
}

/* Bring the owner's RSS up to date; without one, it is @heir. */
static void weight_update(struct gmem *g, struct mm_struct *heir)
{
	struct gmem_weight *w = &g->weight;
	struct mm_struct *old;
	long private, shared;

	spin_lock(&w->lock);
	old = weight_inherit(w, heir);
	private = weight_private(g);
	shared = weight_share(g);
	if (w->mm) {
		compat_mm_rss_add(w->mm, private - w->private + shared - w->shared);
		WRITE_ONCE(w->private, private);
		WRITE_ONCE(w->shared, shared);
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
	long pages = atomic_long_add_return(n, &g->nr_private) + gmem_squeezed_pages(g);

	percpu_counter_add(&nr_private_pages, n);
	/* In steps: the owner's counter is shared by all of its threads. */
	if (unlikely(abs(pages - READ_ONCE(g->weight.private)) >= GMEM_WEIGHT_STEP))
		weight_update(g, weight_current_mm());
}

/**
 * gmem_private_pages() - count private pages, roughly
 *
 * Any context; takes no lock.
 *
 * Return: of all gmems.
 */
long gmem_private_pages(void)
{
	return percpu_counter_read_positive(&nr_private_pages);
}

/* A reference to the structure of an mm that lives; else NULL. */
static struct mm_struct *heir_get(struct mm_struct *mm)
{
	if (!mm || !atomic_read(&mm->mm_users))
		return NULL;
	mmgrab(mm);
	return mm;
}

/**
 * struct heir_search - for the process that is going to have it in its RSS
 * @heir: found, its structure referenced
 * @n: how many mappings were looked at
 */
struct heir_search {
	struct mm_struct *heir;
	unsigned int n;
};

static bool heir_among(struct address_space *mapping, void *arg)
{
	struct heir_search *s = arg;
	struct rb_node *node;

	if (!i_mmap_trylock_read(mapping))
		return false;
	node = rb_first_cached(&mapping->i_mmap);
	for (; node && !s->heir && s->n < GMEM_CROWD; node = rb_next(node), s->n++)
		s->heir = heir_get(rb_entry(node, struct vm_area_struct, shared.rb)->vm_mm);
	i_mmap_unlock_read(mapping);
	return s->heir || s->n == GMEM_CROWD;
}

/*
 * The mm of a living process that maps @g, with a reference to its structure, or NULL. Takes
 * locks by trylock only, because a process can hold them for long; the worker tries again later.
 */
static struct mm_struct *heir_mapping(struct gmem *g)
{
	struct heir_search s = { 0 };

	gmem_try_mappings(g, heir_among, &s);
	return s.heir;
}

/* Whose machine has it in a memslot; likewise. */
static struct mm_struct *heir_binding(struct gmem *g)
{
	struct interval_tree_node *node;
	struct mm_struct *heir = NULL;
	unsigned int n = 0;

	if (!down_read_trylock(&g->bind_lock))
		return NULL;
	node = interval_tree_iter_first(&g->bindings, 0, ULONG_MAX);
	for (; node && !heir && n < GMEM_CROWD; n++) {
		heir = heir_get(container_of(node, struct gmem_binding, node)->mm);
		node = interval_tree_iter_next(node, 0, ULONG_MAX);
	}
	up_read(&g->bind_lock);
	return heir;
}

/**
 * gmem_weight_pass() - see that it weighs on somebody, as far as anybody is known
 * @g: the gmem
 *
 * For when a mapping or a file was closed, by a process that is going perhaps. Process
 * context. Waits for nobody: what cannot be seen now the worker sees, in a second.
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
	heir = heir_mapping(g) ?: heir_binding(g);
	weight_update(g, heir);
	if (heir)
		mmdrop(heir);
}

/* Is it not as it should be? @lock held. */
static bool weight_wrong(struct gmem *g)
{
	struct gmem_weight *w = &g->weight;
	struct gmem_domain *d = w->domain;

	if (!w->mm)
		return false;
	if (weight_orphaned(w) || d != READ_ONCE(g->domain) ||
	    w->private != weight_private(g))
		return true;
	return d && w->shared != share_due(d, atomic_long_read(&d->nr_weighed), w->shared,
					   atomic_long_read(&g->nr_shared));
}

/* @g may have no references any more, but has a weight still. */
static bool weight_unsettled(struct gmem *g)
{
	bool wrong;

	spin_lock(&g->weight.lock);
	wrong = weight_wrong(g);
	spin_unlock(&g->weight.lock);
	return wrong;
}

/* Not where pages are freed: the worker waits for locks that are held while that is waited for. */
static void weight_delay(unsigned long delay)
{
	queue_delayed_work(system_long_wq, &weight_work, delay);
}

/* Go on with the round over all gmems, which does not take long for the crowd that there is. */
static void weight_settle(struct work_struct *work)
{
	static u64 id;
	struct gmem *g;
	unsigned int n;

	for (n = 0; n < SETTLE_BATCH; n++) {
		g = gmem_search(&id, SETTLE_LOOK, weight_unsettled);
		if (g) {
			gmem_weight_pass(g);
			weight_update(g, NULL);
			gmem_put(g);
		}
		if (!id)
			break;
	}
	if (atomic_long_read(&nr_gmems))
		weight_delay(id ? msecs_to_jiffies(SETTLE_PAUSE_MS) : HZ);
}

/**
 * gmem_weight_drain() - wait until the worker has no reference to a gmem
 *
 * Process context, no lock held.
 */
void gmem_weight_drain(void)
{
	flush_work(&weight_work.work);
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
	if (atomic_long_inc_return(&nr_gmems) == 1)
		weight_delay(HZ);
}

/**
 * gmem_weight_end() - a gmem has been punched for the last time
 * @g: the gmem
 */
void gmem_weight_end(struct gmem *g)
{
	struct gmem_weight *w = &g->weight;

	atomic_long_dec(&nr_gmems);
	share_give(w);
	if (!w->mm)
		return;
	compat_mm_rss_add(w->mm, -(w->private + w->shared));
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

/**
 * gmem_weight_oom() - the kernel is about to kill a process for lack of memory
 * @freed: grows by the pages that came back: the kernel kills nobody then
 *
 * If gmems are being freed already, wait for them instead: the end of one machine may have
 * made enough memory free. One caller at a time: oom_lock.
 */
void gmem_weight_oom(unsigned long *freed)
{
	static unsigned int waited;
	long waiting = gmem_pages_waiting();

	if (!gmem_oom_wait(&waited, waiting > 0 || gmem_anyone_leaving() || gmem_squeeze_oom()))
		return;
	if (waiting > 0) {
		gmem_later_flush();
		*freed += waiting;
	} else {
		msleep(20);
		++*freed;
	}
}

static int weight_oom(struct notifier_block *nb, unsigned long unused, void *freed)
{
	gmem_weight_oom(freed);
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
	int err;

	gmem_kobj = kobject_create_and_add("gmem", parent);
	if (!gmem_kobj)
		return -ENOMEM;
	err = sysfs_create_group(gmem_kobj, &gmem_group);
	if (err)
		kobject_put(gmem_kobj);
	return err;
}

/**
 * gmem_weight_init() - before the first gmem
 * @parent: where the directory "gmem" of figures goes
 *
 * Return: 0 or -errno, nothing left behind.
 */
int gmem_weight_init(struct kobject *parent)
{
	int err = percpu_counter_init(&nr_private_pages, 0, GFP_KERNEL);

	if (err)
		return err;
	err = weight_sysfs_add(parent);
	if (err)
		goto counter;
	err = register_oom_notifier(&weight_oom_nb);
	if (err)
		goto sysfs;
	return 0;

sysfs:
	sysfs_remove_group(gmem_kobj, &gmem_group);
	kobject_put(gmem_kobj);
counter:
	percpu_counter_destroy(&nr_private_pages);
	return err;
}

/**
 * gmem_weight_exit() - the mirror of gmem_weight_init()
 *
 * No gmem exists any more.
 */
void gmem_weight_exit(void)
{
	cancel_delayed_work_sync(&weight_work);
	unregister_oom_notifier(&weight_oom_nb);
	sysfs_remove_group(gmem_kobj, &gmem_group);
	kobject_put(gmem_kobj);
	percpu_counter_destroy(&nr_private_pages);
}
