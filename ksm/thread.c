// SPDX-License-Identifier: GPL-2.0-only
/*
 * The merge engine's thread: which pages to look at, and when. A pass goes over all
 * chunks of all gmems in the order of their creation; a chunk is first asked what was
 * written since the last pass, and only pages that were written before that, and not
 * since, are read. Between two batches the thread holds no reference, only a position,
 * so that it keeps no gmem alive.
 */
#define pr_fmt(fmt) "ditto: " fmt

#include <linux/bitmap.h>
#include <linux/freezer.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/sched.h>

#include "ksm/internal.h"
#include "ksm/ksm.h"

/*
 * Passes begin at least so many sleeps apart: a page is calm when it has not been
 * written for one pass, and that should mean something when there is little to scan.
 */
#define PASS_SLEEPS	10

/* Sleep while there is nothing to scan at all. */
#define IDLE_MSECS	1000

struct merge_knobs merge_knobs = {
	.lock = __MUTEX_INITIALIZER(merge_knobs.lock),
	.pages_to_scan = 100,
	.sleep_millisecs = 20,
};

static struct task_struct *thread;
static DECLARE_WAIT_QUEUE_HEAD(thread_wait);

/**
 * struct position - where the pass is; all under merge_knobs.lock
 * @id: of the gmem at hand, or one that is gone
 * @off: first offset of the chunk at hand
 * @slot: next slot to look at in @ripe
 * @in_chunk: @ripe is that of the chunk at hand
 * @ripe: pages to examine
 * @seen: gmems seen in this pass
 * @next_pass: when the next pass may begin, in jiffies
 */
static struct position {
	u64 id;
	pgoff_t off;
	unsigned int slot;
	bool in_chunk;
	DECLARE_BITMAP(ripe, GMEM_CHUNK_PAGES);
	unsigned int seen;
	unsigned long next_pass;
} pos;

static bool running(void)
{
	return READ_ONCE(merge_knobs.run) == MERGE_RUN && !kthread_should_stop();
}

/* Examine the ripe pages of the chunk at hand. Returns the budget that is left. */
static long scan_ripe(struct gmem *g, struct gmem_chunk *c, long budget)
{
	struct gmem_cursor cur = { .g = g, .c = c };

	while (budget > 0 && running()) {
		pos.slot = find_next_bit(pos.ripe, GMEM_CHUNK_PAGES, pos.slot);
		if (pos.slot >= GMEM_CHUNK_PAGES) {
			pos.in_chunk = false;
			pos.off += GMEM_CHUNK_PAGES;
			break;
		}
		cur.slot = pos.slot++;
		merge_one(&cur);
		merge_knobs.pages_scanned++;
		budget--;
		cond_resched();
	}
	return budget;
}

static long scan_chunk(struct gmem *g, struct gmem_chunk *c, long budget)
{
	if (!pos.in_chunk) {
		bitmap_zero(pos.ripe, GMEM_CHUNK_PAGES);
		gmem_scan_chunk(c, pos.ripe);
		pos.in_chunk = true;
		pos.slot = 0;
		budget--;
	}
	return scan_ripe(g, c, budget);
}

/* Go on in a gmem, until its end or that of the budget. */
static long scan_gmem(struct gmem *g, long budget)
{
	struct gmem_chunk *c;
	pgoff_t off;

	while (budget > 0 && running()) {
		/* Nobody but us has it: let it go. */
		off = kref_read(&g->ref) == 1 ? g->npages : gmem_next_chunk(g, pos.off);
		if (off != pos.off)
			pos.in_chunk = false;
		pos.off = off;
		if (off >= g->npages)
			break;
		c = gmem_chunk_find(g, off);
		if (!c) {
			pos.in_chunk = false;
			pos.off += GMEM_CHUNK_PAGES;
			continue;
		}
		budget = scan_chunk(g, c, budget);
		gmem_chunk_put(c);
	}
	return budget;
}

static void begin_gmem(struct gmem *g)
{
	if (g->id == pos.id)
		return;
	pos.id = g->id;
	pos.off = 0;
	pos.in_chunk = false;
	pos.seen++;
}

static void end_pass(void)
{
	unsigned int msecs = READ_ONCE(merge_knobs.sleep_millisecs);

	if (pos.seen)
		merge_knobs.full_scans++;
	if (!pos.seen)
		msecs = IDLE_MSECS;
	else if (check_mul_overflow(msecs, (unsigned int)PASS_SLEEPS, &msecs))
		msecs = UINT_MAX;
	memset(&pos, 0, sizeof(pos));
	pos.next_pass = jiffies + msecs_to_jiffies(msecs);
}

/* One batch: @budget pages, less at the end of a pass. */
static void batch(long budget)
{
	struct gmem *g;

	if (!pos.id && time_before(jiffies, pos.next_pass))
		return;
	while (budget > 0 && running()) {
		g = gmem_at(pos.id);
		if (g && g->id == pos.id && pos.off >= g->npages) {
			gmem_put(g);
			g = gmem_at(pos.id + 1);
		}
		if (!g) {
			end_pass();
			return;
		}
		begin_gmem(g);
		budget = scan_gmem(g, budget);
		gmem_put(g);
		cond_resched();
	}
}

static void thread_sleep(void)
{
	unsigned int msecs = READ_ONCE(merge_knobs.sleep_millisecs);

	if (running())
		wait_event_freezable_timeout(thread_wait, kthread_should_stop() ||
			READ_ONCE(merge_knobs.sleep_millisecs) != msecs,
			max(1UL, msecs_to_jiffies(msecs)));
	else
		wait_event_freezable(thread_wait, running() || kthread_should_stop());
}

static int thread_main(void *unused)
{
	set_freezable();
	set_user_nice(current, 5);
	while (!kthread_should_stop()) {
		mutex_lock(&merge_knobs.lock);
		batch(merge_knobs.pages_to_scan);
		mutex_unlock(&merge_knobs.lock);
		thread_sleep();
	}
	return 0;
}

/** merge_thread_wake() - a knob changed that the thread waits for. */
void merge_thread_wake(void)
{
	wake_up_interruptible(&thread_wait);
}

static int unmerge_all(void)
{
	struct gmem *g;
	int ret;

	for (g = gmem_next(NULL, true); g; g = gmem_next(g, true)) {
		ret = gmem_unshare(g);
		if (ret) {
			gmem_put(g);
			return ret;
		}
	}
	return 0;
}

/**
 * merge_set_run() - stop, run, or undo all merging
 * @run: MERGE_*
 *
 * With MERGE_UNMERGE it returns when everything is unshared; if that fails the engine is
 * stopped, and part of it is unshared.
 *
 * Return: 0, -ENOMEM, or -EINTR when a fatal signal came.
 */
int merge_set_run(unsigned int run)
{
	int ret = 0;

	WRITE_ONCE(merge_knobs.run, MERGE_STOP);	/* the batch that runs ends now */
	mutex_lock(&merge_knobs.lock);
	if (run == MERGE_RUN)
		ret = merge_index_init();
	else if (run == MERGE_UNMERGE)
		ret = unmerge_all();
	WRITE_ONCE(merge_knobs.run, ret ? MERGE_STOP : run);
	mutex_unlock(&merge_knobs.lock);
	merge_thread_wake();
	return ret;
}

/**
 * merge_thread_start() - create the thread; it waits until merging is to run
 *
 * Return: 0 or -errno.
 */
int merge_thread_start(void)
{
	thread = kthread_run(thread_main, NULL, "ditto-ksmd");
	return PTR_ERR_OR_ZERO(thread);
}

/** merge_thread_stop() - end the thread, and wait for its end. */
void merge_thread_stop(void)
{
	kthread_stop(thread);
}

static const struct gmem_merge_hooks hooks = {
	.forget = merge_index_forget,
	.check = merge_index_check,
};

/**
 * merge_init() - start the merge engine, with run = 0
 * @parent: where its directory "ksm" of knobs goes
 *
 * After gmem_init(), before the first gmem.
 *
 * Return: 0 or -errno, nothing left behind.
 */
int merge_init(struct kobject *parent)
{
	int ret;

	merge_digest_init();
	gmem_set_merge_hooks(&hooks);
	ret = merge_thread_start();
	if (ret)
		goto hooks;
	ret = merge_sysfs_add(parent);
	if (ret)
		goto stop;
	return 0;

stop:
	merge_thread_stop();
hooks:
	gmem_set_merge_hooks(NULL);
	return ret;
}

/** merge_exit() - end the merge engine; no gmem exists any more. */
void merge_exit(void)
{
	merge_sysfs_remove();
	merge_thread_stop();
	gmem_drain();	/* what the thread let go of last still has pages in the index */
	merge_index_exit();
	gmem_set_merge_hooks(NULL);
}
