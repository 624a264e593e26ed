// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is freed later: pages that lockless readers may still look at, and whole gmems
 * whose last reference was dropped by somebody who must not wait that long. Owns the
 * queues and their workers. A page waits in the queue of the CPU that dropped it; one
 * grace period serves all that came together, however many they are, and they are
 * freed in process context, so that no softirq runs for long.
 */
#include <linux/delay.h>
#include <linux/llist.h>
#include <linux/percpu.h>
#include <linux/workqueue.h>

#include "gmem/internal.h"
#include "gmem/later.h"
#include "gmem/squeeze.h"
#include "gmem/weight.h"

/* A gmem with more chunks than these is not freed by a kernel thread. */
#define QUICK_CHUNKS	8

/**
 * struct later - pages on their way back, of one CPU
 * @next: what came since the grace period at hand began; linked by gmem_page_waits()
 * @waiting: what waits for it; the worker's
 * @armed: a grace period is running, or the worker is
 * @pages: in both lists
 * @work: the worker, after a grace period
 */
struct later {
	struct llist_head next;
	struct llist_node *waiting;
	atomic_t armed;
	atomic_long_t pages;
	struct rcu_work work;
};

static DEFINE_PER_CPU(struct later, laters);
static struct workqueue_struct *later_wq;

/* Gmems that are being freed, by whomever. */
static atomic_t leaving;

static void later_begin(struct later *l)
{
	l->waiting = llist_del_all(&l->next);
	queue_rcu_work(later_wq, &l->work);
}

/*
 * Start a grace period unless one is running. A page that was added before must be visible
 * to the CPU that finds @armed set.
 */
static void later_arm(struct later *l)
{
	smp_mb();	/* pairs with itself: the list, then @armed; and the other way round */
	if (!atomic_read(&l->armed) && !atomic_xchg(&l->armed, 1))
		later_begin(l);
}

/* So many are put at once, which is cheaper. */
#define PUT_PAGES	32

static void later_put(struct later *l, struct llist_node *node)
{
	struct page *page[PUT_PAGES];
	unsigned int n;

	while (node) {
		for (n = 0; node && n < PUT_PAGES; node = node->next)
			page[n++] = gmem_waiting_page(node);
		release_pages(page, n);
		atomic_long_sub(n, &l->pages);
		cond_resched();
	}
}

static void later_work(struct work_struct *work)
{
	struct later *l = container_of(to_rcu_work(work), struct later, work);

	later_put(l, l->waiting);
	if (!llist_empty(&l->next)) {
		later_begin(l);
		return;
	}
	atomic_set(&l->armed, 0);
	smp_mb();	/* as in later_arm() */
	if (!llist_empty(&l->next))
		later_arm(l);
}

/**
 * gmem_put_page_later() - put a page when no RCU section can still look at it
 * @page: a page that no entry points at any more; its gmem_page_waits() is used
 *
 * Any context but hard interrupts. Allocates nothing.
 */
void gmem_put_page_later(struct page *page)
{
	struct later *l = raw_cpu_ptr(&laters);	/* whichever: the queue is lockless */

	atomic_long_inc(&l->pages);
	llist_add(gmem_page_waits(page), &l->next);
	later_arm(l);
}

/**
 * gmem_put_pages_later() - the same of many
 * @first: linked by gmem_page_waits() to the next, and so on
 * @last: the end of it
 * @n: how many
 */
void gmem_put_pages_later(struct page *first, struct page *last, unsigned int n)
{
	struct later *l = raw_cpu_ptr(&laters);

	atomic_long_add(n, &l->pages);
	llist_add_batch(gmem_page_waits(first), gmem_page_waits(last), &l->next);
	later_arm(l);
}

/**
 * gmem_pages_waiting() - count pages on their way back
 *
 * Return: how many there are.
 */
long gmem_pages_waiting(void)
{
	long sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += atomic_long_read(&per_cpu_ptr(&laters, cpu)->pages);
	return sum;
}

/**
 * gmem_later_flush() - wait until pages dropped before are free
 *
 * Process context; hold no lock that an RCU section waits for. Waits for a grace
 * period or two; what others drop meanwhile may remain.
 */
void gmem_later_flush(void)
{
	int cpu, rounds;

	for_each_possible_cpu(cpu) {
		struct later *l = per_cpu_ptr(&laters, cpu);

		for (rounds = 0; rounds < 2 && atomic_read(&l->armed); rounds++)
			flush_rcu_work(&l->work);
	}
}

/**
 * gmem_leaving() - a gmem begins or ceases to be freed
 * @n: 1 or -1
 */
void gmem_leaving(int n)
{
	atomic_add(n, &leaving);
}

/**
 * gmem_anyone_leaving() - is a gmem being freed now?
 *
 * Return: whether a gmem is being freed now.
 */
bool gmem_anyone_leaving(void)
{
	return atomic_read(&leaving);
}

/**
 * gmem_free_later() - may the caller leave the freeing of a gmem to a worker?
 * @g: a gmem without references; its @free_work is set up
 *
 * A kernel thread must not be held up by one gmem. A process, however, frees what it held
 * itself, so that it cannot make gmems faster than they are freed.
 *
 * Return: true: done, or about to be. false: the caller has to free it.
 */
bool gmem_free_later(struct gmem *g)
{
	if (!(current->flags & PF_KTHREAD) || atomic_long_read(&g->nr_chunks) <= QUICK_CHUNKS)
		return false;
	return queue_work(later_wq, &g->free_work);
}

/**
 * gmem_drain() - wait until gmems without references are gone
 *
 * Process context. What others drop meanwhile may remain.
 */
void gmem_drain(void)
{
	gmem_weight_drain();
	gmem_squeeze_drain();
	flush_workqueue(later_wq);
}

/**
 * gmem_later_init() - before the first gmem
 *
 * Return: 0 or -ENOMEM.
 */
int gmem_later_init(void)
{
	int cpu;

	later_wq = alloc_workqueue("ditto_gmem", WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	if (!later_wq)
		return -ENOMEM;
	for_each_possible_cpu(cpu)
		INIT_RCU_WORK(&per_cpu_ptr(&laters, cpu)->work, later_work);
	return 0;
}

/**
 * gmem_later_exit() - the mirror of gmem_later_init(): everything is freed
 */
void gmem_later_exit(void)
{
	int cpu;

	gmem_drain();
	for_each_possible_cpu(cpu)
		while (atomic_read(&per_cpu_ptr(&laters, cpu)->armed))
			flush_rcu_work(&per_cpu_ptr(&laters, cpu)->work);
	destroy_workqueue(later_wq);
}
