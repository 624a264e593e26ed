// SPDX-License-Identifier: GPL-2.0-only
/*
 * Threads that work for a process, on kernels where the process cannot have them itself: a
 * kernel thread with its memory, in its cgroups (version 1; version 2 keeps kernel threads in
 * the root group), at its nice value. It owns their life; what they do is not known here.
 *
 * The hard part is that such a thread does not end with the process, and may wait for memory
 * that the process provides itself (userfaultfd) while the process waits for it to stop. So
 * who stops it waits for a while, and then interrupts it.
 */
#include <linux/cgroup.h>
#include <linux/completion.h>
#include <linux/kthread.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "compat.h"

/* How long a thread may take to end by itself. */
#define WORKER_PATIENCE	(5 * HZ)

/**
 * struct compat_worker - such a thread
 * @task: it; a reference
 * @mm: the process's memory; used, so it stays
 * @fn: the work
 * @killed: told when the thread was killed
 * @data: for both
 * @stop: end
 * @dead: it was killed
 * @done: it has ended its work
 */
struct compat_worker {
	struct task_struct *task;
	struct mm_struct *mm;
	bool (*fn)(void *data);
	void (*killed)(void *data);
	void *data;
	bool stop, dead;
	struct completion done;
};

/* Root may kill any thread that listens; what remains of it waits for its stop. */
static void worker_hear(struct compat_worker *w)
{
	flush_signals(current);
	if (w->dead || READ_ONCE(w->stop))
		return;
	w->dead = true;
	w->killed(w->data);
}

static int worker_main(void *arg)
{
	struct compat_worker *w = arg;

	allow_signal(SIGKILL);
	kthread_use_mm(w->mm);
	for (;;) {
		if (signal_pending(current))
			worker_hear(w);
		set_current_state(TASK_INTERRUPTIBLE);
		if (READ_ONCE(w->stop))
			break;
		if (w->dead || !w->fn(w->data))
			schedule();
	}
	__set_current_state(TASK_RUNNING);
	kthread_unuse_mm(w->mm);
	complete(&w->done);
	return 0;
}

/**
 * compat_worker_create() - make a thread that works for the calling process
 * @fn: see compat.h
 * @killed: see compat.h
 * @arg: for both
 * @name: of the thread
 *
 * Return: it, not started, or ERR_PTR.
 */
struct compat_worker *compat_worker_create(bool (*fn)(void *), void (*killed)(void *), void *arg,
					   const char *name)
{
	struct compat_worker *w = kzalloc(sizeof(*w), GFP_KERNEL_ACCOUNT);
	int err;

	if (!w)
		return ERR_PTR(-ENOMEM);
	w->fn = fn;
	w->killed = killed;
	w->data = arg;
	init_completion(&w->done);
	w->task = kthread_create(worker_main, w, "%s-%d", name, task_tgid_nr(current));
	if (IS_ERR(w->task)) {
		err = PTR_ERR(w->task);
		kfree(w);
		return ERR_PTR(err);
	}
	get_task_struct(w->task);
	set_user_nice(w->task, task_nice(current));
	cgroup_attach_task_all(current, w->task);
	w->mm = current->mm;
	mmget(w->mm);
	return w;
}

/**
 * compat_worker_start() - let it begin
 * @w: made
 */
void compat_worker_start(struct compat_worker *w)
{
	wake_up_process(w->task);
}

/**
 * compat_worker_wake() - there may be work
 * @w: started or not, not stopped. Any context
 */
void compat_worker_wake(struct compat_worker *w)
{
	/* One that was not started looks for itself. */
	wake_up_process(w->task);
}

/**
 * compat_worker_stop() - end a thread, and wait until it has
 * @w: started; freed
 */
void compat_worker_stop(struct compat_worker *w)
{
	WRITE_ONCE(w->stop, true);
	wake_up_process(w->task);
	if (!wait_for_completion_timeout(&w->done, WORKER_PATIENCE))
		send_sig(SIGKILL, w->task, 1);
	kthread_stop(w->task);
	put_task_struct(w->task);
	mmput(w->mm);
	kfree(w);
}
