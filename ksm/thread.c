// SPDX-License-Identifier: GPL-2.0-only
/*
 * The merge engine's thread: which pages to look at, and when. A pass goes over all chunks
 * of a tenant's gmems in the order of their creation. Each chunk is first asked what was
 * written since the last pass; only pages that have been calm since are read (internal.h).
 *
 * 1. A batch, between two sleeps, is so many pages, and so much time as these should
 *    take at most: what costs time and finds no page ends it, too.
 * 2. In a batch the tenants have turns, a slice of time each. A tenant that has used more
 *    than its slice is skipped until the excess is made up for. Each has passes of its own,
 *    so none waits for the end of another's.
 * 3. A turn is steps of a few pages, one chunk, or one directory. No step takes long. After each the batch
 *    ends if the engine is to stop, a knob has changed, or the system suspends.
 *
 * Between two steps the thread holds no reference, only a position, so that it keeps no
 * gmem alive.
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
 * A tenant's passes begin at least so many sleeps apart: a page is calm when it has not
 * been written for one pass, and that should mean something when there is little to scan.
 */
#define PASS_SLEEPS	10

/* What a page of a batch may take at most; most take a tenth of that. */
#define PAGE_NSECS	(50 * NSEC_PER_USEC)

#define SLICE_NSECS	NSEC_PER_MSEC

struct merge_knobs merge_knobs = {
	.lock = __MUTEX_INITIALIZER(merge_knobs.lock),
	.pages_to_scan = 100,
	.sleep_millisecs = 20,
	.use_zero_pages = true,
	.max_page_sharing = GMEM_MAX_SHARERS,
	.merge_across_nodes = true,
	.advisor = {
		.max_cpu = 70,
		.min_pages = 500,
		.max_pages = 30000,
		.target_secs = 200,
	},
	.starts = 1,
};

static struct task_struct *thread;
static DECLARE_WAIT_QUEUE_HEAD(thread_wait);

/* All under merge_knobs.lock: */
static struct merge_step step;		/* the pages at hand */
static unsigned long turn_uid;		/* the tenant who had the last turn */
static unsigned long swept;		/* when the index was, in jiffies */
static u64 round_began, round_busy;	/* in nanoseconds: when, and how long at work */
static unsigned long round = 1;		/* of all tenants: each has ended a pass */

/**
 * struct batch - what the thread does between two sleeps
 * @pages: that may still be looked at
 * @end: when it has to end, in nanoseconds
 * @changes: merge_knobs.changes when it began
 * @pass_ended: some tenant's has
 */
struct batch {
	long pages;
	u64 end;
	int changes;
	bool pass_ended;
};

static bool merge_running(void)
{
	return READ_ONCE(merge_knobs.run) == MERGE_RUN && !kthread_should_stop();
}

static bool batch_may_go_on(const struct batch *b, u64 now)
{
	return b->pages > 0 && merge_running() && atomic_read(&merge_knobs.changes) == b->changes &&
	       !freezing(current) && now < b->end;
}

/* 3. Examine some of the ripe pages of the chunk at hand. */
static void scan_ripe(struct batch *b, struct gmem_pass *pass, struct gmem_cursor *cur)
{
	unsigned int n = merge_step(&step, cur, pass->ripe, &pass->nr, b->pages);

	merge_knobs.pages_scanned += n;
	b->pages -= n;
	if (pass->nr < GMEM_CHUNK_PAGES)
		return;
	pass->in_chunk = false;
	pass->chunk++;
}

/* Ask a chunk what is ripe. */
static void scan_chunk(struct batch *b, struct gmem_pass *pass, struct gmem_cursor *cur)
{
	bitmap_zero(pass->ripe, GMEM_CHUNK_PAGES);
	pass->nr = 0;
	pass->in_chunk = gmem_scan_chunk(cur, pass->ripe, &merge_knobs.pages_skipped);
	if (!pass->in_chunk)
		pass->chunk++;
	b->pages--;
}

/* The next chunk of the directory at hand that has something to be seen. */
static void scan_dir(struct batch *b, struct gmem_pass *pass, struct gmem *g)
{
	struct gmem_cursor cur;

	pass->chunk = find_next_bit(pass->chunks, GMEM_DIR_CHUNKS, pass->chunk);
	if (pass->chunk >= GMEM_DIR_CHUNKS) {
		pass->in_dir = false;
		pass->off += GMEM_DIR_CHUNKS * GMEM_CHUNK_PAGES;
		return;
	}
	if (!gmem_scan_enter(&cur, g, pass->off + pass->chunk * GMEM_CHUNK_PAGES)) {
		pass->in_chunk = false;
		pass->chunk++;
		return;
	}
	if (pass->in_chunk)
		scan_ripe(b, pass, &cur);
	else
		scan_chunk(b, pass, &cur);
	gmem_cursor_leave(&cur);
}

/* Find a directory, and ask it which chunks have something to be seen. */
static void scan_survey(struct batch *b, struct gmem_pass *pass, struct gmem *g)
{
	pass->off = gmem_scan_seek(g, pass->off);
	bitmap_zero(pass->chunks, GMEM_DIR_CHUNKS);
	gmem_scan_survey(g, pass->off, pass->chunks);
	pass->chunk = 0;
	pass->in_dir = true;
	b->pages--;
}

static void scan_gmem(struct batch *b, struct gmem_pass *pass, struct gmem *g)
{
	if (pass->in_dir)
		scan_dir(b, pass, g);
	else
		scan_survey(b, pass, g);
}

static void go_to_gmem(struct gmem_pass *pass, u64 id)
{
	pass->id = id;
	pass->off = 0;
	pass->in_dir = false;
	pass->in_chunk = false;
}

static void end_pass(struct batch *b, struct gmem_pass *pass)
{
	go_to_gmem(pass, 0);
	pass->active = false;
	pass->ended = jiffies;
	pass->round = round;
	b->pass_ended = true;
}

static void tenant_step(struct batch *b, struct gmem_tenant *t)
{
	struct gmem_pass *pass = &t->pass;
	u64 id = pass->id;
	struct gmem *g = gmem_tenant_gmem(t, &id);

	if (!g) {
		end_pass(b, pass);
		return;
	}
	if (id != pass->id)
		go_to_gmem(pass, id);
	if (!gmem_scan_ends(g, pass->off))
		scan_gmem(b, pass, g);
	if (gmem_scan_ends(g, pass->off))
		go_to_gmem(pass, id + 1);
	gmem_put(g);
}

/* May a tenant's next pass begin? Always decided by the present values of the knobs. */
static bool pass_due(struct gmem_pass *pass)
{
	unsigned int msecs = READ_ONCE(merge_knobs.sleep_millisecs);

	if (pass->start != merge_knobs.starts)
		return true;
	if (check_mul_overflow(msecs, (unsigned int)PASS_SLEEPS, &msecs))
		msecs = UINT_MAX;
	return time_after_eq(jiffies, pass->ended + msecs_to_jiffies(msecs));
}

/* 2. A tenant's turn. False if he has nothing to do. */
static bool tenant_turn(struct batch *b, struct gmem_tenant *t)
{
	struct gmem_pass *pass = &t->pass;
	u64 begin, now;

	if (!pass->active && !pass_due(pass))
		return false;
	pass->active = true;
	pass->start = merge_knobs.starts;
	pass->credit += SLICE_NSECS;
	begin = ktime_get_ns();
	now = begin;
	while (pass->active && batch_may_go_on(b, now) && (s64)(now - begin) < pass->credit) {
		tenant_step(b, t);
		cond_resched();
		now = ktime_get_ns();
	}
	pass->credit = min_t(s64, pass->credit - (now - begin), 0);
	return true;
}

/* The next tenant, round and round, or NULL if there is none. */
static struct gmem_tenant *next_tenant(void)
{
	struct gmem_tenant *t = gmem_tenant_at(turn_uid + 1) ?: gmem_tenant_at(0);

	if (t)
		turn_uid = t->uid;
	return t;
}

/* Has a pass of every tenant ended since the last time this returned true? */
static void count_round(void)
{
	struct gmem_tenant *t;
	unsigned long uid = 0;
	bool ended = true;

	for (t = gmem_tenant_at(uid); t && ended; t = gmem_tenant_at(uid)) {
		ended = t->pass.round == round;
		uid = t->uid + 1;
		gmem_tenant_put(t);
	}
	if (ended) {
		u64 now = ktime_get_ns();

		merge_knobs.full_scans++;
		round++;
		merge_advise(now - round_began, round_busy);
		round_began = now;
		round_busy = 0;
	} else if (t) {
		gmem_tenant_put(t);
	}
}

/* 1. A batch. */
static void batch_run(struct batch *b)
{
	u64 began = ktime_get_ns();
	unsigned int idle = 0;
	struct gmem_tenant *t;

	while (batch_may_go_on(b, ktime_get_ns()) && idle < gmem_tenants()) {
		t = next_tenant();
		if (!t)
			break;
		if (tenant_turn(b, t))
			idle = 0;
		else
			idle++;
		gmem_tenant_put(t);
		cond_resched();
	}
	round_busy += ktime_get_ns() - began;
	if (b->pass_ended)
		count_round();
}

/* The table of the merge index is there while there is somebody to merge. */
static bool index_ready(void)
{
	if (time_after_eq(jiffies, swept + HZ) || !gmem_tenants()) {
		merge_index_sweep();
		swept = jiffies;
	}
	if (gmem_tenants())
		return merge_running() && !merge_index_init();
	merge_index_release();
	return false;
}

static void thread_sleep(int changes)
{
	unsigned long timeout = msecs_to_jiffies(READ_ONCE(merge_knobs.sleep_millisecs));

	if (merge_running())
		wait_event_freezable_timeout(thread_wait, kthread_should_stop() ||
			atomic_read(&merge_knobs.changes) != changes, max(1UL, timeout));
	else if (merge_index_apart())
		wait_event_freezable_timeout(thread_wait, kthread_should_stop() ||
			atomic_read(&merge_knobs.changes) != changes, HZ);
	else
		wait_event_freezable(thread_wait, kthread_should_stop() ||
			atomic_read(&merge_knobs.changes) != changes);
}

static int thread_main(void *unused)
{
	struct batch b;

	set_freezable();
	set_user_nice(current, 5);
	while (!kthread_should_stop()) {
		b = (struct batch) {
			.pages = READ_ONCE(merge_knobs.pages_to_scan),
			.changes = atomic_read(&merge_knobs.changes),
		};
		b.end = ktime_get_ns() + b.pages * PAGE_NSECS;
		mutex_lock(&merge_knobs.lock);
		if (index_ready())
			batch_run(&b);
		mutex_unlock(&merge_knobs.lock);
		try_to_freeze();
		thread_sleep(b.changes);
	}
	return 0;
}

/**
 * merge_thread_wake() - something changed that the thread has to see at once
 */
void merge_thread_wake(void)
{
	atomic_inc(&merge_knobs.changes);
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
 * stopped, and part of it is unshared. With MERGE_RUN the next pass begins at once.
 *
 * Return: 0, -ENOMEM, or -EINTR when a fatal signal came.
 */
int merge_set_run(unsigned int run)
{
	int ret = 0;

	WRITE_ONCE(merge_knobs.run, MERGE_STOP);	/* the batch that runs ends now */
	mutex_lock(&merge_knobs.lock);
	merge_knobs.starts++;
	if (run == MERGE_RUN && gmem_tenants())
		ret = merge_index_init();
	else if (run == MERGE_UNMERGE)
		ret = unmerge_all();
	if (run == MERGE_UNMERGE)
		merge_index_sweep();
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

/**
 * merge_thread_stop() - end the thread, and wait for its end
 */
void merge_thread_stop(void)
{
	kthread_stop(thread);
}

static void merge_settle(void)
{
	mutex_lock(&merge_knobs.lock);
	merge_index_sweep();
	mutex_unlock(&merge_knobs.lock);
}

static const struct gmem_merge_hooks hooks = {
	.forget = merge_index_forget,
	.settle = merge_settle,
	.check = merge_index_check,
	.idle = merge_thread_wake,
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

/**
 * merge_exit() - end the merge engine
 *
 * No gmem exists any more.
 */
void merge_exit(void)
{
	merge_sysfs_remove();
	merge_thread_stop();
	gmem_drain();	/* what the thread let go of last still has pages in the index */
	merge_index_exit();
	gmem_set_merge_hooks(NULL);
}
