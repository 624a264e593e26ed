// SPDX-License-Identifier: GPL-2.0-only
/*
 * The merge engine's workers: which pages to look at, and when. A pass goes over all chunks
 * of a tenant's gmems in the order of their creation. Each directory is first asked which
 * chunks have something to be seen, and each of those what was written since the last pass;
 * only pages that have been calm since are read (internal.h).
 *
 * 1. A batch, between two sleeps of a worker, is so many pages, and so much time as these
 *    should take at most: what costs time and finds no page ends it, too. The sleep is as
 *    long as it has to be for all workers to keep to their part of a CPU.
 * 2. In a batch the tenants have turns, a slice of time each. A tenant that has used more
 *    than its slice is skipped until the excess is made up for, whichever worker it was
 *    with. Each has passes of its own, so none waits for the end of another's.
 * 3. In a turn a worker has one of the tenant's walks, and with it a directory (1 GiB). The
 *    walk stays when the turn ends, and the worker that has the tenant's next turn goes on with it.
 *    So workers meet only where they find equal pages; there the locks of chunks and of the
 *    index decide (merge.c).
 * 4. A turn is steps of a few pages, one chunk, or one directory. No step takes long. After
 *    each the batch ends if the engine is to stop, a knob has changed, or the system suspends.
 *
 * Between two steps a worker holds no reference to a gmem, only a position, so that it keeps
 * none alive.
 */
#define pr_fmt(fmt) "ditto: " fmt

#include <linux/bitmap.h>
#include <linux/freezer.h>
#include <linux/kthread.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/slab.h>

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
	.lock = __RWSEM_INITIALIZER(merge_knobs.lock),
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

/**
 * struct merge_worker - a thread of the engine
 * @task: the thread
 * @nr: its number
 * @pages: that it may still look at in this batch
 * @end: when the batch has to end, in nanoseconds
 * @counted: until when the batch's time is in round_busy, in nanoseconds
 * @changes: merge_knobs.changes when it began
 * @pass_ended: some tenant's has, by its doing, since then
 * @step: the pages at hand
 */
struct merge_worker {
	struct task_struct *task;
	unsigned int nr;
	long pages;
	u64 end, counted;
	int changes;
	bool pass_ended;
	struct merge_step step;
};

static struct merge_worker *workers[GMEM_WALKS];
static DEFINE_MUTEX(workers_lock);	/* starting and stopping them */
static DECLARE_WAIT_QUEUE_HEAD(thread_wait);

/* Under @turns: */
static DEFINE_MUTEX(turns);
static unsigned long turn_uid;		/* the tenant who had the last turn */
static u64 round_began, round_busy;	/* in nanoseconds: when, 0: not yet; how long at work */
static unsigned long round = 1;		/* of all tenants: each has ended a pass */

static atomic_t round_ended;		/* tenants who have, as far as it is known */

static bool merge_running(void)
{
	return READ_ONCE(merge_knobs.run) == MERGE_RUN && !kthread_should_stop();
}

static bool batch_may_go_on(const struct merge_worker *w, u64 now)
{
	return w->pages > 0 && merge_running() &&
	       atomic_read(&merge_knobs.changes) == w->changes && !freezing(current) &&
	       now < w->end;
}

/* 4. Examine some of the ripe pages of the chunk at hand. */
static void walk_ripe(struct merge_worker *w, struct gmem_walk *walk, struct gmem_cursor *cur)
{
	unsigned int n = merge_step(&w->step, cur, walk->ripe, &walk->nr, w->pages);

	atomic_long_add(n, &merge_knobs.pages_scanned);
	w->pages -= n;
	if (walk->nr < GMEM_CHUNK_PAGES)
		return;
	walk->in_chunk = false;
	walk->chunk++;
}

/* Ask a chunk what is ripe. */
static void walk_chunk(struct merge_worker *w, struct gmem_walk *walk, struct gmem_cursor *cur)
{
	unsigned long waits = 0;

	bitmap_zero(walk->ripe, GMEM_CHUNK_PAGES);
	walk->nr = 0;
	walk->in_chunk = gmem_scan_chunk(cur, walk->ripe, &waits);
	if (!walk->in_chunk)
		walk->chunk++;
	atomic_long_add(waits, &merge_knobs.pages_skipped);
	w->pages--;
}

/* The next chunk of the directory that has something to be seen. False: there is none. */
static bool walk_dir(struct merge_worker *w, struct gmem_walk *walk, struct gmem *g)
{
	struct gmem_cursor cur;

	walk->chunk = find_next_bit(walk->chunks, GMEM_DIR_CHUNKS, walk->chunk);
	if (walk->chunk >= GMEM_DIR_CHUNKS)
		return false;
	if (!gmem_scan_enter(&cur, g, walk->off + walk->chunk * GMEM_CHUNK_PAGES)) {
		walk->in_chunk = false;
		walk->chunk++;
		return true;
	}
	if (walk->in_chunk)
		walk_ripe(w, walk, &cur);
	else
		walk_chunk(w, walk, &cur);
	gmem_cursor_leave(&cur);
	return true;
}

/* Ask a directory which chunks have something to be seen. */
static void walk_survey(struct merge_worker *w, struct gmem_walk *walk, struct gmem *g)
{
	bitmap_zero(walk->chunks, GMEM_DIR_CHUNKS);
	gmem_scan_survey(g, walk->off, walk->chunks);
	walk->chunk = 0;
	walk->in_chunk = false;
	walk->in_dir = true;
	w->pages--;
}

/* One step in an open directory. False: it is done, or its gmem is gone. */
static bool walk_step(struct merge_worker *w, struct gmem_tenant *t, struct gmem_walk *walk)
{
	u64 id = walk->id;
	struct gmem *g = gmem_tenant_gmem(t, &id);
	bool more = g && id == walk->id && !gmem_scan_ends(g, walk->off);

	if (more && walk->in_dir)
		more = walk_dir(w, walk, g);
	else if (more)
		walk_survey(w, walk, g);
	if (g)
		gmem_put(g);
	return more;
}

static void walk_open(struct gmem_pass *pass, struct gmem_walk *walk)
{
	walk->id = pass->id;
	walk->off = pass->off;
	walk->in_dir = false;
	walk->open = true;
	pass->nr_open++;
	pass->off += GMEM_DIR_CHUNKS * GMEM_CHUNK_PAGES;
}

/* 3. Hand out the tenant's next directory; or pass something that is none. */
static void pass_hand_out(struct gmem_tenant *t, struct gmem_walk *walk)
{
	struct gmem_pass *pass = &t->pass;
	u64 id = pass->id;
	struct gmem *g = gmem_tenant_gmem(t, &id);

	if (!g) {
		pass->handed = true;
		return;
	}
	if (id != pass->id)
		pass->off = 0;
	pass->id = id;
	if (!gmem_scan_ends(g, pass->off))
		pass->off = gmem_scan_seek(g, pass->off);
	if (gmem_scan_ends(g, pass->off)) {
		pass->id = id + 1;
		pass->off = 0;
	} else {
		walk_open(pass, walk);
	}
	gmem_put(g);
}

/* A step of any kind; false if there is nothing to do for @walk. */
static bool pass_step(struct merge_worker *w, struct gmem_tenant *t, struct gmem_walk *walk)
{
	struct gmem_pass *pass = &t->pass;
	bool more;

	if (walk->open) {
		if (walk_step(w, t, walk))
			return true;
		mutex_lock(&pass->lock);
		walk->open = false;
		pass->nr_open--;
		mutex_unlock(&pass->lock);
		return true;
	}
	mutex_lock(&pass->lock);
	more = !pass->handed;
	if (more)
		pass_hand_out(t, walk);
	mutex_unlock(&pass->lock);
	return more;
}

/* May a tenant's next pass begin? Always decided by the present values of the knobs. */
static bool pass_due(const struct gmem_pass *pass)
{
	unsigned int msecs = READ_ONCE(merge_knobs.sleep_millisecs);

	if (pass->start != merge_knobs.starts)
		return true;
	if (check_mul_overflow(msecs, (unsigned int)PASS_SLEEPS, &msecs))
		msecs = UINT_MAX;
	return time_after_eq(jiffies, pass->ended + msecs_to_jiffies(msecs));
}

static void pass_begin(struct gmem_pass *pass)
{
	pass->active = true;
	pass->handed = false;
	pass->start = merge_knobs.starts;
	pass->id = 0;
	pass->off = 0;
}

/* A walk that nobody has: one that is open, else any while there is something to hand out. */
static struct gmem_walk *pass_claim(struct gmem_pass *pass)
{
	struct gmem_walk *walk, *idle = NULL;

	for (walk = pass->walk; walk < pass->walk + GMEM_WALKS; walk++) {
		if (walk->claimed)
			continue;
		if (walk->open)
			return walk;
		if (!pass->handed)
			idle = idle ?: walk;
	}
	return idle;
}

/* A tenant's turn begins: @credit is how long it may be. NULL if there is nothing to do. */
static struct gmem_walk *turn_begin(struct gmem_tenant *t, s64 *credit)
{
	struct gmem_pass *pass = &t->pass;
	struct gmem_walk *walk = NULL;

	mutex_lock(&pass->lock);
	if (!pass->active && pass_due(pass))
		pass_begin(pass);
	if (pass->active)
		walk = pass_claim(pass);
	if (walk) {
		walk->claimed = true;
		pass->credit += SLICE_NSECS;
		*credit = pass->credit;
	}
	mutex_unlock(&pass->lock);
	return walk;
}

static void turn_end(struct merge_worker *w, struct gmem_tenant *t, struct gmem_walk *walk,
		     s64 used)
{
	struct gmem_pass *pass = &t->pass;

	mutex_lock(&pass->lock);
	walk->claimed = false;
	pass->credit = min_t(s64, pass->credit - used, 0);
	if (pass->active && pass->handed && !pass->nr_open) {
		pass->active = false;
		pass->ended = jiffies;
		if (pass->round != READ_ONCE(round))
			atomic_inc(&round_ended);
		pass->round = READ_ONCE(round);
		w->pass_ended = true;
	}
	mutex_unlock(&pass->lock);
}

/* 2. A tenant's turn. False if he has nothing to do. */
static bool tenant_turn(struct merge_worker *w, struct gmem_tenant *t)
{
	struct gmem_walk *walk;
	u64 begin, now;
	s64 credit;

	walk = turn_begin(t, &credit);
	if (!walk)
		return false;
	begin = ktime_get_ns();
	now = begin;
	while (batch_may_go_on(w, now) && (s64)(now - begin) < credit && pass_step(w, t, walk)) {
		cond_resched();
		now = ktime_get_ns();
	}
	turn_end(w, t, walk, ktime_get_ns() - begin);
	return true;
}

/* The next tenant, round and round, or NULL if there is none. */
static struct gmem_tenant *next_tenant(void)
{
	struct gmem_tenant *t;

	mutex_lock(&turns);
	t = gmem_tenant_at(turn_uid + 1) ?: gmem_tenant_at(0);
	if (t)
		turn_uid = t->uid;
	mutex_unlock(&turns);
	return t;
}

/* Has a pass of every tenant ended since the last time this was so? @turns held. */
static void count_round(void)
{
	struct gmem_tenant *t;
	unsigned long uid = 0;
	bool ended = true;
	u64 now;

	for (t = gmem_tenant_at(uid); t && ended; t = gmem_tenant_at(uid)) {
		ended = READ_ONCE(t->pass.round) == round;
		uid = t->uid + 1;
		gmem_tenant_put(t);
	}
	if (!ended) {
		if (t)
			gmem_tenant_put(t);
		return;
	}
	now = ktime_get_ns();
	WRITE_ONCE(merge_knobs.full_scans, merge_knobs.full_scans + 1);
	WRITE_ONCE(round, round + 1);
	atomic_set(&round_ended, 0);
	if (round_began)
		merge_advise(now - round_began, round_busy);
	round_began = now;
	round_busy = 0;
}

/* While there is nothing to do, or it is not to be done, no round takes any time. */
static void round_rest(void)
{
	mutex_lock(&turns);
	round_began = 0;
	mutex_unlock(&turns);
}

static void round_goes_on(u64 now)
{
	mutex_lock(&turns);
	if (!round_began) {
		round_began = now;
		round_busy = 0;
	}
	mutex_unlock(&turns);
}

/* Account for the batch until now. */
static void batch_count(struct merge_worker *w)
{
	u64 now = ktime_get_ns();

	mutex_lock(&turns);
	round_busy += now - w->counted;
	w->counted = now;
	if (w->pass_ended)
		count_round();
	mutex_unlock(&turns);
	w->pass_ended = false;
}

/* 1. A batch. When sleep_millisecs is 0, it is many passes of tenants who have little to do. */
static void batch_run(struct merge_worker *w)
{
	unsigned int idle = 0;
	struct gmem_tenant *t;

	while (batch_may_go_on(w, ktime_get_ns()) && idle < gmem_tenants()) {
		t = next_tenant();
		if (!t)
			break;
		if (tenant_turn(w, t))
			idle = 0;
		else
			idle++;
		gmem_tenant_put(t);
		if (w->pass_ended && atomic_read(&round_ended) >= gmem_tenants())
			batch_count(w);
		cond_resched();
	}
}

/* The first worker's: what only the engine has goes, and the index when nobody needs it. */
static void merge_tidy(void)
{
	static unsigned long swept = INITIAL_JIFFIES;

	if (gmem_tenants() && time_before(jiffies, swept + HZ))
		return;
	swept = jiffies;
	if (gmem_tenants() && !merge_index_apart())
		return;
	down_write(&merge_knobs.lock);
	merge_index_sweep();
	if (!gmem_tenants())
		merge_index_release();
	up_write(&merge_knobs.lock);
}

/* With merge_knobs.lock for read, if this gives true: there is an index, and work. */
static bool index_ready(void)
{
	int err;

	if (!gmem_tenants() || !merge_running())
		return false;
	down_read(&merge_knobs.lock);
	if (merge_index_bytes())
		return true;
	up_read(&merge_knobs.lock);
	down_write(&merge_knobs.lock);
	err = merge_index_init();
	downgrade_write(&merge_knobs.lock);
	if (!err)
		return true;
	up_read(&merge_knobs.lock);
	return false;
}

/* Returns how long it took, in nanoseconds. */
static u64 worker_batch(struct merge_worker *w)
{
	u64 began = ktime_get_ns();

	w->pages = READ_ONCE(merge_knobs.pages_to_scan);
	w->end = began + w->pages * PAGE_NSECS;
	w->pass_ended = false;
	w->counted = began;
	if (!w->nr)
		merge_tidy();
	if (!index_ready()) {
		round_rest();
		return 0;
	}
	round_goes_on(began);
	batch_run(w);
	up_read(&merge_knobs.lock);
	batch_count(w);
	return w->counted - began;
}

/*
 * How long to sleep after a batch, in jiffies: as the operator says, or longer, such that all
 * workers together take no more than their part of a CPU.
 */
static unsigned long sleep_length(u64 took)
{
	unsigned long sleep = msecs_to_jiffies(READ_ONCE(merge_knobs.sleep_millisecs));
	unsigned int percent = READ_ONCE(merge_knobs.max_cpu);
	u64 all = took * READ_ONCE(merge_knobs.workers) * 100;

	if (percent && div_u64(all, percent) > took)
		sleep = max(sleep, nsecs_to_jiffies(div_u64(all, percent) - took) + 1);
	return max(1UL, sleep);
}

static void worker_sleep(struct merge_worker *w, u64 took)
{
	if (merge_running())
		wait_event_freezable_timeout(thread_wait, kthread_should_stop() ||
			atomic_read(&merge_knobs.changes) != w->changes, sleep_length(took));
	else if (!w->nr && merge_index_apart())
		wait_event_freezable_timeout(thread_wait, kthread_should_stop() ||
			atomic_read(&merge_knobs.changes) != w->changes, HZ);
	else
		wait_event_freezable(thread_wait, kthread_should_stop() ||
			atomic_read(&merge_knobs.changes) != w->changes);
}

static int worker_main(void *arg)
{
	struct merge_worker *w = arg;
	u64 took;

	set_freezable();
	set_user_nice(current, 5);
	while (!kthread_should_stop()) {
		w->changes = atomic_read(&merge_knobs.changes);
		took = worker_batch(w);
		try_to_freeze();
		worker_sleep(w, took);
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
	int err;

	for (g = gmem_next(NULL, true); g; g = gmem_next(g, true)) {
		err = gmem_unshare(g);
		if (err) {
			gmem_put(g);
			return err;
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
	int err = 0;

	WRITE_ONCE(merge_knobs.run, MERGE_STOP);	/* the batch that runs ends now */
	down_write(&merge_knobs.lock);
	merge_knobs.starts++;
	if (run == MERGE_RUN && gmem_tenants())
		err = merge_index_init();
	else if (run == MERGE_UNMERGE)
		err = unmerge_all();
	if (run == MERGE_UNMERGE)
		merge_index_sweep();
	WRITE_ONCE(merge_knobs.run, err ? MERGE_STOP : run);
	gmem_set_merge_runs(!err && run == MERGE_RUN);
	up_write(&merge_knobs.lock);
	merge_thread_wake();
	return err;
}

static void worker_stop(unsigned int nr)
{
	kthread_stop(workers[nr]->task);
	kfree(workers[nr]);
	workers[nr] = NULL;
}

static int worker_start(unsigned int nr)
{
	struct merge_worker *w = kzalloc(sizeof(*w), GFP_KERNEL);

	if (!w)
		return -ENOMEM;
	w->nr = nr;
	w->task = kthread_run(worker_main, w, nr ? "ditto-ksmd/%u" : "ditto-ksmd", nr);
	if (IS_ERR(w->task)) {
		int err = PTR_ERR(w->task);

		kfree(w);
		return err;
	}
	workers[nr] = w;
	return 0;
}

/**
 * merge_set_workers() - have so many threads
 * @nr: 0, when the engine ends, to GMEM_WALKS
 *
 * Process context. Waits for the end of those that are too many.
 *
 * Return: 0 or -errno; then there are as many as could be.
 */
int merge_set_workers(unsigned int nr)
{
	int err = 0;

	mutex_lock(&workers_lock);
	while (merge_knobs.workers > nr) {
		WRITE_ONCE(merge_knobs.workers, merge_knobs.workers - 1);
		worker_stop(merge_knobs.workers);
	}
	while (merge_knobs.workers < nr && !err) {
		err = worker_start(merge_knobs.workers);
		if (!err)
			WRITE_ONCE(merge_knobs.workers, merge_knobs.workers + 1);
	}
	mutex_unlock(&workers_lock);
	return err;
}

static void merge_settle(void)
{
	down_write(&merge_knobs.lock);
	merge_index_sweep();
	up_write(&merge_knobs.lock);
}

static const struct gmem_merge_hooks hooks = {
	.forget = merge_index_forget,
	.share = merge_index_share,
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
	int err;

	merge_digest_init();
	gmem_set_merge_hooks(&hooks);
	err = merge_set_workers(1);
	if (err)
		goto hooks;
	err = merge_sysfs_add(parent);
	if (err)
		goto stop;
	return 0;

stop:
	merge_set_workers(0);
hooks:
	gmem_set_merge_hooks(NULL);
	return err;
}

/**
 * merge_exit() - end the merge engine
 *
 * No gmem exists any more.
 */
void merge_exit(void)
{
	merge_sysfs_remove();
	merge_set_workers(0);
	gmem_drain();	/* what the thread let go of last still has pages in the index */
	merge_index_exit();
	gmem_set_merge_hooks(NULL);
}
