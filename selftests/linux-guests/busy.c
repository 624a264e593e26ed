// SPDX-License-Identifier: GPL-2.0-only
/*
 * busy HZ COMMAND: what a guest is in the middle of when its machine is forked: a heartbeat,
 * timers that are armed in rounds and have to fire once each, memory that is rewritten on each CPU,
 * and random numbers that are drawn all the time. Nothing here knows of forks. A line on standard
 * input asks what it has seen; the answer is lines that begin with "busy", up to "busy end":
 *
 *	report SINCE ROUND	all but the files, when ROUND of the timers has begun; of the random
 *				numbers those that were drawn after SINCE ms
 *	time			of day
 *	files			what COMMAND says
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define CPUS		2
#define TIMERS		64
#define TIMER_STEP	100		/* ms from one's expiry to the next one's */
#define PATIENCE	60000		/* ms for one that does not come */
#define WORDS		(1 << 17)	/* rewritten on each CPU */
#define KEPT		(1 << 19)	/* words that nobody changes */
#define DRAWS		4096
#define DRAW_PERIOD	250		/* ms */

static volatile int64_t gap;
static volatile unsigned int begun, armed, wrong, bad, passes, drawn;
static unsigned int hz;
static uint64_t nonce[2], kept[KEPT], rewritten[CPUS][WORDS];
static struct { int64_t ms; uint64_t value; } draws[DRAWS];

static int64_t clock_us(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return t.tv_sec * 1000000ll + t.tv_nsec / 1000;
}

static int64_t now_ms(void)
{
	return clock_us(CLOCK_MONOTONIC) / 1000;
}

static void *beat(void *unused)
{
	int64_t last = clock_us(CLOCK_MONOTONIC), now;

	for (;; last = now) {
		usleep(1000000 / hz);
		now = clock_us(CLOCK_MONOTONIC);
		if (now - last > gap)
			gap = now - last;
	}
	return NULL;
}

/* How many have not fired yet. */
static unsigned int collect(const int *fd, uint64_t *fired)
{
	unsigned int left = 0, i;
	uint64_t n;

	for (i = 0; i < TIMERS; i++) {
		if (read(fd[i], &n, sizeof(n)) == sizeof(n))
			fired[i] += n;
		left += !fired[i];
	}
	return left;
}

static void arm(int fd, unsigned int ms)
{
	struct itimerspec t = { .it_value = { ms / 1000, ms % 1000 * 1000000l } };

	timerfd_settime(fd, 0, &t, NULL);
}

static void *keep_timers(void *unused)
{
	int fd[TIMERS];
	unsigned int i;
	int64_t until;

	for (i = 0; i < TIMERS; i++)
		fd[i] = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
	for (;;) {
		uint64_t fired[TIMERS] = { 0 };

		for (i = 0; i < TIMERS; i++)
			arm(fd[i], (i + 1) * TIMER_STEP);
		armed = TIMERS;
		begun++;
		until = now_ms() + TIMERS * TIMER_STEP + PATIENCE;
		while ((armed = collect(fd, fired)) && now_ms() < until)
			usleep(20000);
		/* One that comes again has some time to do so. */
		usleep(4 * TIMER_STEP * 1000);
		collect(fd, fired);
		for (i = 0; i < TIMERS; i++)
			wrong += fired[i] != 1;
	}
	return NULL;
}

static void *rewrite(void *words)
{
	uint64_t *w = words, pass = 0, i;

	for (;; pass++, passes++, usleep(20000)) {
		for (i = 0; i < WORDS; i++) {
			bad += w[i] != (pass ? (pass - 1) * 31 + i : 0);
			w[i] = pass * 31 + i;
		}
	}
	return NULL;
}

static void *draw(void *unused)
{
	FILE *f = fopen("/dev/urandom", "r");
	unsigned int nr;

	setvbuf(f, NULL, _IONBF, 0);
	for (;; usleep(DRAW_PERIOD * 1000)) {
		nr = drawn % DRAWS;
		draws[nr].ms = now_ms();
		if (fread(&draws[nr].value, sizeof(draws[nr].value), 1, f) == 1)
			drawn++;
	}
	return NULL;
}

static uint64_t sum_of_kept(void)
{
	uint64_t sum = 0xcbf29ce484222325ull;
	unsigned int i;

	for (i = 0; i < KEPT; i++)
		sum = (sum ^ kept[i]) * 0x100000001b3ull;
	return sum;
}

static void say_lines(const char *key, FILE *f)
{
	char line[256];

	while (f && fgets(line, sizeof(line), f))
		printf("busy %s %s", key, line);
}

static void say_file(const char *key, const char *path)
{
	FILE *f = fopen(path, "r");

	say_lines(key, f);
	if (f)
		fclose(f);
}

static void report(int64_t since, unsigned int round)
{
	unsigned int i;

	while (begun < round)
		usleep(20000);
	printf("busy round %u\nbusy armed %u\nbusy wrong %u\nbusy bad %u\nbusy passes %u\n", begun,
	       armed, wrong, bad, passes);
	printf("busy gap %ld\n", (long)gap);
	gap = 0;
	printf("busy nonce %016lx%016lx\nbusy kept %016lx\n", nonce[0], nonce[1], sum_of_kept());
	say_file("uuid", "/proc/sys/kernel/random/uuid");
	say_file("boot_id", "/proc/sys/kernel/random/boot_id");
	for (i = drawn > DRAWS ? drawn - DRAWS : 0; i < drawn; i++)
		if (draws[i % DRAWS].ms > since)
			printf("busy draw %ld %016lx\n", (long)draws[i % DRAWS].ms,
			       draws[i % DRAWS].value);
	printf("busy now %ld\n", (long)now_ms());
}

static void say_files(const char *command)
{
	FILE *f = popen(command, "r");

	say_lines("files", f);
	printf("busy status %d\n", f ? pclose(f) : -1);
}

static void start(void *(*fn)(void *), void *arg)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, fn, arg))
		exit(1);
}

int main(int argc, char **argv)
{
	char line[256];
	long since;
	unsigned int round, i;

	hz = atoi(argv[1]);
	getrandom(nonce, sizeof(nonce), 0);
	for (i = 0; i < KEPT; i++)
		kept[i] = (nonce[0] + i) * (nonce[1] | 1);
	start(beat, NULL);
	start(keep_timers, NULL);
	start(draw, NULL);
	for (i = 0; i < CPUS; i++)
		start(rewrite, rewritten[i]);
	printf("busy ready\nbusy end\n");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		if (sscanf(line, "report %ld %u", &since, &round) == 2)
			report(since, round);
		else if (!strcmp(line, "time\n"))
			printf("busy time %ld\n", (long)clock_us(CLOCK_REALTIME));
		else if (!strcmp(line, "files\n"))
			say_files(argv[2]);
		printf("busy end\n");
		fflush(stdout);
	}
	return 0;
}
