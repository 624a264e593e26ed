// SPDX-License-Identifier: GPL-2.0-only
/*
 * A fuzzer of the whole interface, for FUZZ_SECONDS (60): rounds of some seconds, each a
 * process in which threads run random code on vCPUs, call random ioctls on every kind of
 * fd, change the memory behind slots, scribble over kvm_run, and let allocations fail.
 * Between rounds it is looked at whether the module's invariants hold, whether a
 * neighbour's memory is what it was, and whether the round ended at all. The first
 * round's seed is FUZZ_SEED, or the time; it is printed, and a round can be repeated
 * (as far as threads can) with FUZZ_SEED set and FUZZ_SECONDS=1.
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fuzz.h"
#include "knobs.h"

#define NEIGHBOUR_SIZE	MIB
#define CALLERS		2
#define ROUND_MS	2500
/* A round that does not end by itself is stuck in the kernel; hosts are slow. */
#define STUCK_SECONDS	180
/* Memory that rounds may leave behind in caches of the host. */
#define SLACK_KIB	(96 * 1024)

static u64 seed;
struct fuzz_counts *counts;

/**
 * struct attacker - one thread of a round
 * @world: which it attacks
 * @vcpu: which it runs, for those who run one
 * @rng: its own
 */
struct attacker {
	struct world *world;
	struct vcpu *vcpu;
	struct rng rng;
	pthread_t thread;
};

static void *run_code(void *arg)
{
	struct attacker *a = arg;

	while (!a->world->end)
		code_run(a->world, a->vcpu, &a->rng);
	return NULL;
}

static void *make_calls(void *arg)
{
	struct attacker *a = arg;

	call_with_failures();
	while (!a->world->end)
		call_random(a->world, &a->rng);
	return NULL;
}

static void start(struct attacker *a, struct world *w, struct vcpu *vcpu, unsigned int stream,
		  void *(*fn)(void *))
{
	a->world = w;
	a->vcpu = vcpu;
	rng_seed(&a->rng, seed, stream);
	if (pthread_create(&a->thread, NULL, fn, a))
		fail("no thread");
}

static void on_kick(int number)
{
}

/* A guest may run for ever: all threads that run one are kicked, over and over. */
static void kick_until_end(struct attacker *attackers, unsigned int count)
{
	struct timespec now, end;
	unsigned int i;

	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += ROUND_MS / 1000;
	do {
		usleep(15000);
		for (i = 0; i < count; i++)
			pthread_kill(attackers[i].thread, SIGUSR1);
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while (now.tv_sec < end.tv_sec ||
		 (now.tv_sec == end.tv_sec && now.tv_nsec < end.tv_nsec));
}

static void search_memory(const u8 *memory, size_t size, const char *what)
{
	u8 page[PAGE_SIZE];

	for (size_t at = 0; at < size; at += PAGE_SIZE)
		if (careful_copy(page, memory + at, PAGE_SIZE))
			secret_search(page, PAGE_SIZE, what);
}

static void round_process(void)
{
	static struct attacker attackers[VM_MAX_VCPUS + CALLERS];
	static struct world world;
	struct sigaction kick = { .sa_handler = on_kick };
	struct rng r;
	unsigned int i, count = 0;
	pthread_t others[3];

	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigaction(SIGUSR1, &kick, NULL);
	careful_install();
	rng_seed(&r, seed, 0);
	world_make(&world, &r);
	for (i = 0; i < world.vm->nr_vcpus; i++, count++)
		start(&attackers[count], &world, &world.vm->vcpu[i], count + 1, run_code);
	for (i = 0; i < CALLERS; i++, count++)
		start(&attackers[count], &world, NULL, count + 1, make_calls);
	if (pthread_create(&others[0], NULL, world_disturb, &world) ||
	    pthread_create(&others[1], NULL, world_scribble, &world) ||
	    pthread_create(&others[2], NULL, world_provide, &world))
		fail("no thread");
	kick_until_end(attackers, count);
	search_memory(world.vm->ram, world.vm->ram_size, "guest memory");
	search_memory(world.extra, WORLD_EXTRA, "a slot's memory");
	/* Ends with everything still going on, one time in two. */
	if (seed & 1)
		_exit(0);
	world.end = true;
	for (i = 0; i < 100; i++) {
		for (unsigned int k = 0; k < count; k++)
			pthread_kill(attackers[k].thread, SIGUSR1);
		usleep(5000);
	}
	_exit(0);
}

/* Whether the round ended well; a process that its own memory games killed is no fault. */
static bool round_ends(pid_t pid)
{
	int status, ms;
	siginfo_t info = { };

	for (ms = 0; ms < STUCK_SECONDS * 1000; ms += 50) {
		if (!waitid(P_PID, pid, &info, WEXITED | WNOHANG | WNOWAIT) && info.si_pid)
			break;
		usleep(50000);
	}
	if (ms >= STUCK_SECONDS * 1000) {
		note("seed %llu: stuck", (unsigned long long)seed);
		kill(-pid, SIGKILL);
		return false;
	}
	kill(-pid, SIGKILL);
	waitpid(pid, &status, 0);
	if (WIFEXITED(status) && WEXITSTATUS(status)) {
		note("seed %llu: status %d", (unsigned long long)seed, WEXITSTATUS(status));
		return false;
	}
	return true;
}

/*
 * The checker wants a quiet moment: the engine stops, and what ends in the background may,
 * which takes its time on a busy machine.
 */
static long violations_left(void)
{
	long violations = 0;

	if (!tap.ditto)
		return 0;
	knob_write(DITTO_KSM "run", 0);
	for (int attempt = 0; attempt < 50; attempt++) {
		violations = knob_violations();
		if (violations <= 0)
			break;
		usleep(200000);
	}
	return violations;
}

static bool round_passes(void)
{
	pid_t pid = fork();
	long violations;

	if (!pid)
		round_process();
	if (pid < 0 || !round_ends(pid))
		return false;
	violations = violations_left();
	if (violations > 0)
		note("seed %llu: %ld violations", (unsigned long long)seed, violations);
	return violations <= 0;
}

/* The merge engine beside, with knobs that change. */
static void turn_knobs(struct rng *r)
{
	static const long runs[] = { 1, 1, 1, 2, 0 };

	if (!tap.ditto)
		return;
	knob_write(DITTO_KSM "sleep_millisecs", rng_below(r, 3) * 10);
	knob_write(DITTO_KSM "pages_to_scan", 1 + rng_below(r, 5000));
	if (knob_write(DITTO_KSM "run", runs[rng_below(r, ARRAY_SIZE(runs))]))
		note("run: %s", strerror(errno));
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static void *make_neighbour(void)
{
	void *neighbour = MAP_FAILED;

	if (tap.ditto)
		neighbour = gmem_map(gmem_new(NEIGHBOUR_SIZE, 0), NEIGHBOUR_SIZE);
	else
		neighbour = mmap(NULL, NEIGHBOUR_SIZE, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	/* Rounds do not have it mapped. */
	madvise(neighbour, NEIGHBOUR_SIZE, MADV_DONTFORK);
	secret_fill(neighbour, NEIGHBOUR_SIZE);
	return neighbour;
}

static void make_counts(void)
{
	counts = mmap(NULL, sizeof(*counts), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	if (counts == MAP_FAILED)
		fail("mmap: %s", strerror(errno));
}

/* A fuzzer that gets nowhere finds nothing. */
static void judge_counts(void)
{
	note("%lu of %lu ioctls accepted; exits to user space:", counts->accepted, counts->calls);
	for (u32 i = 0; i < ARRAY_SIZE(counts->exits); i++)
		if (counts->exits[i])
			note("  %s %lu", exit_name(i), counts->exits[i]);
	if (!counts->accepted || !counts->exits[KVM_EXIT_IO] || !counts->exits[KVM_EXIT_MMIO])
		fail("no ioctl accepted, or no port or MMIO access of a guest");
}

static unsigned int seconds(void)
{
	return getenv("FUZZ_SECONDS") ? atoi(getenv("FUZZ_SECONDS")) : 60;
}

static void fuzz(const void *arg)
{
	struct rlimit no_core = { };
	double end = now() + seconds();
	long available = 0, left;
	struct rng r;
	unsigned int rounds = 0;
	u8 *neighbour;

	setrlimit(RLIMIT_CORE, &no_core);
	seed = getenv("FUZZ_SEED") ? strtoull(getenv("FUZZ_SEED"), NULL, 0) : (u64)time(NULL);
	note("seed %llu", (unsigned long long)seed);
	make_counts();
	/* Stock KVM has another. */
	if (tap.ditto)
		knob_write("/sys/module/ditto/parameters/force_emulation_prefix", 1);
	rng_seed(&r, seed, 1000);
	secret_make(&r);
	neighbour = make_neighbour();
	/* One read before: the table is the same for all rounds. */
	cpuid_supported();
	do {
		secret_spray();
		turn_knobs(&r);
		if (!round_passes())
			fail("round %u, seed %llu", rounds, (unsigned long long)seed);
		if (!secret_is_all(neighbour, NEIGHBOUR_SIZE))
			fail("seed %llu: a neighbour's memory has changed",
			     (unsigned long long)seed);
		if (rounds == 2)
			available = knob_line("/proc/meminfo", "MemAvailable");
		rounds++;
		seed++;
	} while (now() < end);
	left = knob_line("/proc/meminfo", "MemAvailable");
	note("%u rounds; %ld KiB less available than after the third", rounds,
	     available ? available - left : 0);
	if (available - left > SLACK_KIB)
		fail("memory is lost");
	judge_counts();
}

int main(int argc, char **argv)
{
	/* The limit is for a round that hangs: its own has to come first. */
	const struct tap_test tests[] = {
		{ "fuzz", fuzz, NULL, seconds() + STUCK_SECONDS + 60 },
	};

	return tap_main(argc, argv, tests, ARRAY_SIZE(tests));
}
