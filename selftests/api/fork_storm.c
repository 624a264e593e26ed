// SPDX-License-Identifier: GPL-2.0-only
/*
 * Forks, forks of forks and resets, ended in any order, while their guests run and their memory is
 * written, punched, and merged: no machine ever has a wrong byte. Each machine has a model of its
 * memory here, and its guest checks itself. STORM_SECONDS in the environment says for how long.
 */
#include <fcntl.h>
#include <string.h>

#include "forked.h"
#include "knobs.h"

#define RAM		(16 * MIB)
#define FIRST		(4 * MIB)	/* of the pages that have a model */
#define PAGES		1024u
#define MACHINES	6u		/* of each thread */
#define THREADS		2u

/**
 * struct machine - one that lives
 * @vm: it
 * @runs: its guest does
 * @ended: its guest has, for good; so was that of the base where @base_ended
 * @resettable: it can go back to @base
 * @now: first word of each page
 * @base: likewise, at the fork
 */
struct machine {
	struct vm *vm;
	bool runs, ended, base_ended, resettable;
	u64 now[PAGES], base[PAGES];
};

struct weather {
	struct vm *parent;
	u64 model[PAGES];
	u64 rnd, ops;
	time_t until;
	struct machine *machine[MACHINES];
};

static u64 rnd(struct weather *w)
{
	w->rnd ^= w->rnd << 13;
	w->rnd ^= w->rnd >> 7;
	w->rnd ^= w->rnd << 17;
	return w->rnd >> 8;
}

static volatile u64 *page_of(struct machine *m, unsigned int nr)
{
	return (volatile u64 *)(m->vm->ram + FIRST + nr * PAGE_SIZE);
}

static void must_have(struct machine *m, unsigned int nr)
{
	if (*page_of(m, nr) != m->now[nr])
		fail("page %u has %#lx, not %#lx", nr, *page_of(m, nr), m->now[nr]);
}

static void must_have_all(struct machine *m)
{
	unsigned int i;

	for (i = 0; i < PAGES; i++)
		must_have(m, i);
}

static void storm_fork(struct weather *w, struct vm *parent, const u64 *model, bool ended)
{
	unsigned int i = rnd(w) % MACHINES;
	struct machine *m;
	u32 flags = rnd(w) & (DITTO_FORK_RESETTABLE | DITTO_FORK_BLOCKED | DITTO_FORK_JUMP);

	if (w->machine[i])
		return;
	m = calloc(1, sizeof(*m));
	m->vm = fork_with(parent, flags);
	m->resettable = flags & DITTO_FORK_RESETTABLE;
	m->ended = m->base_ended = ended;
	memcpy(m->now, model, sizeof(m->now));
	memcpy(m->base, model, sizeof(m->base));
	w->machine[i] = m;
}

static void storm_end(struct weather *w, unsigned int i)
{
	struct machine *m = w->machine[i];

	if (!m)
		return;
	if (m->runs)
		stop(m->vm);
	must_have_all(m);
	vm_free(m->vm);
	free(m);
	w->machine[i] = NULL;
}

static void storm_write(struct weather *w, struct machine *m)
{
	unsigned int n = rnd(w) % 40, nr;
	u64 value;

	while (n--) {
		nr = rnd(w) % PAGES;
		value = rnd(w) % 4 ? rnd(w) : nr;	/* that others write, too: it is merged */
		*page_of(m, nr) = m->now[nr] = value;
	}
}

/* By the kernel, which gets hold of the page. */
static void storm_gup(struct weather *w, struct machine *m)
{
	unsigned int nr = rnd(w) % PAGES;
	u64 value = rnd(w);
	int mem = CHECKED(open("/proc/self/mem", O_RDWR));

	ASSERT_EQ(pwrite(mem, &value, sizeof(value), (uintptr_t)page_of(m, nr)), sizeof(value));
	close(mem);
	m->now[nr] = value;
}

static void storm_punch(struct weather *w, struct machine *m)
{
	unsigned int nr = rnd(w) % PAGES, n = 1 + rnd(w) % (PAGES - nr), i;

	if (rnd(w) % 2)
		n = 1 + n % 8;
	CHECKED(fallocate(m->vm->gmem, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			  FIRST + nr * PAGE_SIZE, n * PAGE_SIZE));
	for (i = nr; i < nr + n; i++)
		m->now[i] = 0;
}

static void storm_reset(struct machine *m)
{
	if (!m->resettable) {
		ASSERT_ERRNO(ioctl(m->vm->fd, DITTO_RESET), EINVAL);
		return;
	}
	CHECKED(ioctl(m->vm->fd, DITTO_RESET));
	memcpy(m->now, m->base, sizeof(m->now));
	m->ended = m->base_ended;
}

static void storm_run(struct machine *m)
{
	if (m->ended)
		return;
	if (m->runs) {
		stop(m->vm);
		vm_var(m->vm, u32, "g_fork_stop") = 0;
		m->ended = true;
	} else {
		start_all(m->vm);
	}
	m->runs = !m->runs;
}

static void storm_map(struct machine *m)
{
	munmap(m->vm->ram, RAM);
	m->vm->ram = gmem_map(m->vm->gmem, RAM);
}

static void storm_step(struct weather *w)
{
	unsigned int i = rnd(w) % MACHINES;
	struct machine *m = w->machine[i];

	if (!m) {
		storm_fork(w, w->parent, w->model, false);
		return;
	}
	must_have(m, rnd(w) % PAGES);
	switch (rnd(w) % 16) {
	case 0:
		storm_end(w, i);
		break;
	case 1 ... 2:
		storm_fork(w, m->vm, m->now, m->ended);
		break;
	case 3 ... 5:
		storm_reset(m);
		break;
	case 6:
		storm_punch(w, m);
		break;
	case 7:
		storm_gup(w, m);
		break;
	case 8:
		storm_run(m);
		break;
	case 9:
		storm_map(m);
		break;
	case 10:
		must_have_all(m);
		break;
	default:
		storm_write(w, m);
	}
	w->ops++;
}

static void *storm_thread(void *arg)
{
	struct weather *w = arg;
	unsigned int i;

	while (time(NULL) < w->until)
		storm_step(w);
	for (i = 0; i < MACHINES; i++)
		storm_end(w, i);
	return NULL;
}

static unsigned int seconds(void)
{
	const char *s = getenv("STORM_SECONDS");

	return s ? strtoul(s, NULL, 0) : 20;
}

/* No object and no page is there any more, when those that free them have come to it. */
static void must_be_gone(const char *figure)
{
	unsigned int patience = 10000;

	while (knob_read(figure) && patience--)
		sleep_ms(1);
	ASSERT_EQ(knob_read(figure), 0);
}

/* The parent's guest runs, and it is forked by all threads. */
static void storm(const void *arg)
{
	struct vm *vm = vm_new(&(struct vm_config) { .ram = RAM });
	struct weather w[THREADS] = { };
	pthread_t thread[THREADS];
	unsigned int i, nr;
	u64 ops = 0;

	CHECKED(knob_write(DITTO_KSM "sleep_millisecs", 0));
	CHECKED(knob_write(DITTO_KSM "run", 1));
	for (i = 0; i < THREADS; i++) {
		w[i].parent = vm;
		w[i].rnd = 0x9e3779b97f4a7c15ull * (i + 1);
		w[i].until = time(NULL) + seconds();
		for (nr = 0; nr < PAGES; nr++)
			w[i].model[nr] = nr % 3 ? nr : 0;
	}
	for (nr = 0; nr < PAGES; nr++)
		if (nr % 3)
			*(u64 *)(vm->ram + FIRST + nr * PAGE_SIZE) = nr;
	vcpu_call(&vm->vcpu[0], "g_fork_counts", NONCE);
	start_all(vm);
	for (i = 0; i < THREADS; i++)
		ASSERT_EQ(pthread_create(&thread[i], NULL, storm_thread, &w[i]), 0);
	for (i = 0; i < THREADS; i++) {
		pthread_join(thread[i], NULL);
		ops += w[i].ops;
	}
	must_count(vm);
	stop(vm);
	vm_free(vm);
	note("%lu steps", ops);
	ASSERT(knob_violations() <= 0);
	CHECKED(knob_write(DITTO_KSM "run", 0));
	must_be_gone("/sys/kernel/ditto/gmem/objects");
	must_be_gone("/sys/kernel/ditto/gmem/private_pages");
	must_be_gone("/sys/kernel/ditto/gmem/shared_pages");
}

static const struct tap_test tests[] = {
	{ "storm", storm, .seconds = 3600 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, tests, ARRAY_SIZE(tests));
}
