/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * For KUnit: what becomes of a long call whose caller is being killed.
 */
#ifndef DITTO_GMEM_KILLED_H
#define DITTO_GMEM_KILLED_H

#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/kthread.h>
#include <linux/sched/signal.h>

/**
 * struct killed_call - a call by a thread to which a fatal signal has come before
 * @fn: what is called
 * @arg: with this
 * @result: what it returned
 * @ends: when it has
 */
struct killed_call {
	int (*fn)(void *arg);
	void *arg;
	int result;
	struct completion ends;
};

static inline int killed_main(void *arg)
{
	struct killed_call *k = arg;

	allow_signal(SIGKILL);
	send_sig(SIGKILL, current, 1);
	k->result = k->fn(k->arg);
	complete(&k->ends);
	return 0;
}

static inline int killed_call(struct kunit *test, int (*fn)(void *arg), void *arg)
{
	struct killed_call k = { .fn = fn, .arg = arg };
	struct task_struct *thread;

	init_completion(&k.ends);
	thread = kthread_run(killed_main, &k, "ditto-killed");
	KUNIT_ASSERT_FALSE(test, IS_ERR(thread));
	wait_for_completion(&k.ends);
	return k.result;
}

#endif
