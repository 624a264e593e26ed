// SPDX-License-Identifier: GPL-2.0-only
/*
 * Threads that work for a process, on kernels where the process cannot have them itself: a
 * kernel thread with its memory and its credentials, in its cgroups (version 1; version 2 keeps
 * kernel threads in the root group), at its nice value. It owns their life, and how many a user
 * may have; what they do is not known here.
 *
 * It may do no more than the process: by its own credentials, which are root's, it could spend
 * what a file system reserves, or leave a file that it writes to with set-user-ID.
 *
 * The hard part is that such a thread does not end with the process, and may wait for memory
 * that the process provides itself (userfaultfd) while the process waits for it to stop. So
 * who stops it waits for a while, and then interrupts it.
 */
#include <linux/cgroup.h>
#include <linux/completion.h>
#include <linux/cred.h>
#include <linux/freezer.h>
#include <linux/kthread.h>
#include <linux/mutex.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/xarray.h>

#include "compat.h"

/* How long a thread may take to end by itself. */
#define WORKER_PATIENCE	(5 * HZ)

/**
 * struct compat_worker - such a thread
 * @task: it; a reference
 * @mm: the process's memory; used, so it stays
 * @cred: whose it is; a reference
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
	const struct cred *cred;
	bool (*fn)(void *data);
	void (*killed)(void *data);
	void *data;
	bool stop, dead;
	struct completion done;
};

/* How many threads each user has: nobody else counts kernel threads as a user's. */
static DEFINE_XARRAY(worker_users);
static DEFINE_MUTEX(worker_users_lock);

static unsigned long worker_user_has(kuid_t uid)
{
	void *entry = xa_load(&worker_users, __kuid_val(uid));

	return entry ? xa_to_value(entry) : 0;
}

/* One more, within the limit of the caller's processes, and with fork()'s exemptions. */
static int worker_count(kuid_t uid)
{
	bool exempt = uid_eq(uid, GLOBAL_ROOT_UID) || capable(CAP_SYS_RESOURCE) ||
		      capable(CAP_SYS_ADMIN);
	int err = -EAGAIN;
	unsigned long n;

	mutex_lock(&worker_users_lock);
	n = worker_user_has(uid);
	if (exempt || n < rlimit(RLIMIT_NPROC))
		err = xa_err(xa_store(&worker_users, __kuid_val(uid), xa_mk_value(n + 1),
				      GFP_KERNEL));
	mutex_unlock(&worker_users_lock);
	return err;
}

static void worker_uncount(kuid_t uid)
{
	unsigned long n;

	mutex_lock(&worker_users_lock);
	n = worker_user_has(uid);
	/* Neither needs memory. */
	if (n > 1)
		xa_store(&worker_users, __kuid_val(uid), xa_mk_value(n - 1), GFP_KERNEL);
	else
		xa_erase(&worker_users, __kuid_val(uid));
	mutex_unlock(&worker_users_lock);
}

/* Root may kill any thread that listens; what remains of it waits for its stop. */
static void worker_hear(struct compat_worker *w)
{
	flush_signals(current);
	if (w->dead || READ_ONCE(w->stop))
		return;
	w->dead = true;
	w->killed(w->data);
}

static int compat_worker_main(void *arg)
{
	struct compat_worker *w = arg;
	const struct cred *old = override_creds(w->cred);

	allow_signal(SIGKILL);
	/*
	 * What it writes to files must not come between the image of a hibernated machine and it.
	 */
	set_freezable();
	kthread_use_mm(w->mm);
	for (;;) {
		try_to_freeze();
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
	revert_creds(old);
	complete(&w->done);
	return 0;
}

static void worker_free(struct compat_worker *w)
{
	worker_uncount(w->cred->uid);
	put_cred(w->cred);
	kfree(w);
}

/* Not started, and without memory. */
static struct compat_worker *worker_new(void)
{
	struct compat_worker *w = kzalloc(sizeof(*w), GFP_KERNEL_ACCOUNT);
	int err;

	if (!w)
		return ERR_PTR(-ENOMEM);
	w->cred = get_current_cred();
	err = worker_count(w->cred->uid);
	if (!err)
		return w;
	put_cred(w->cred);
	kfree(w);
	return ERR_PTR(err);
}

/**
 * compat_worker_create() - make a thread that works for the calling process
 * @fn: see compat.h
 * @killed: see compat.h
 * @arg: for both
 * @name: of the thread
 *
 * Return: it, not started, or ERR_PTR: -EAGAIN: the user has RLIMIT_NPROC of them; -ENOMEM.
 */
struct compat_worker *compat_worker_create(bool (*fn)(void *), void (*killed)(void *), void *arg,
					   const char *name)
{
	struct compat_worker *w = worker_new();
	int err;

	if (IS_ERR(w))
		return w;
	w->fn = fn;
	w->killed = killed;
	w->data = arg;
	init_completion(&w->done);
	w->task = kthread_create(compat_worker_main, w, "%s-%d", name, task_tgid_nr(current));
	if (IS_ERR(w->task)) {
		err = PTR_ERR(w->task);
		worker_free(w);
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

/* What it does is interrupted at once when its process ends, or has let go of it. */
static bool worker_ends_itself(struct compat_worker *w)
{
	if (current->flags & (PF_EXITING | PF_KTHREAD))
		return try_wait_for_completion(&w->done);
	return wait_for_completion_killable_timeout(&w->done, WORKER_PATIENCE) > 0;
}

/**
 * compat_worker_stop() - end a thread, and wait until it has
 * @w: started; freed
 */
void compat_worker_stop(struct compat_worker *w)
{
	WRITE_ONCE(w->stop, true);
	wake_up_process(w->task);
	if (!worker_ends_itself(w))
		send_sig(SIGKILL, w->task, 1);
	kthread_stop(w->task);
	put_task_struct(w->task);
	mmput(w->mm);
	worker_free(w);
}
