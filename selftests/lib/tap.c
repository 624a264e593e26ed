// SPDX-License-Identifier: GPL-2.0-only
/*
 * The runner: command line, one child process per test, time limits, KTAP.
 * After every test on ditto it asks the module's checker whether all invariants
 * hold. The hard part is leaving nothing behind: a test is a process group,
 * and the group is killed however the test ended.
 */
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ditto.h>
#include "knobs.h"
#include "tap.h"

#define EXIT_SKIP 4

struct tap_options tap;

/* Shared with the child: why it skipped. */
static char *skip_reason;
#define SKIP_REASON_SIZE 4096

static void vnote(const char *format, va_list args)
{
	char text[1024];

	vsnprintf(text, sizeof(text), format, args);
	printf("# %s\n", text);
	fflush(stdout);
}

void note(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vnote(format, args);
	va_end(args);
}

void fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vnote(format, args);
	va_end(args);
	_exit(1);
}

void skip(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(skip_reason, SKIP_REASON_SIZE, format, args);
	va_end(args);
	_exit(EXIT_SKIP);
}

void assert_eq(const char *file, int line, const char *what, u64 got, u64 want)
{
	if (got != want)
		fail("%s:%d: %s is %#llx, want %#llx", file, line, what,
		     (unsigned long long)got, (unsigned long long)want);
}

void assert_true(const char *file, int line, const char *what, bool is)
{
	if (!is)
		fail("%s:%d: not true: %s", file, line, what);
}

void assert_errno(const char *file, int line, const char *what, long result, int want)
{
	int got = errno;

	if (result != -1)
		fail("%s:%d: %s gave %ld, want %s", file, line, what, result,
		     strerrorname_np(want));
	if (got != want)
		fail("%s:%d: %s failed with %s, want %s", file, line, what,
		     strerrorname_np(got), strerrorname_np(want));
}

void need_ditto(void)
{
	if (!tap.ditto)
		skip("%s is stock KVM", tap.dev);
}

/* Only ditto makes gmems; and what is not named "kvm" must. */
static bool is_ditto(const char *path, int fd)
{
	struct ditto_create_gmem args = { .size = 4096 };
	const char *slash = strrchr(path, '/');
	int gmem;

	if (strcmp(slash ? slash + 1 : path, "kvm"))
		return true;
	gmem = ioctl(fd, DITTO_CREATE_GMEM, &args);
	if (gmem >= 0)
		close(gmem);
	return gmem >= 0;
}

/* The last of the names that the test's contains decides. */
static bool wanted(const char *name, char **names, int count)
{
	bool is = !count || names[0][0] == '!';
	int i;

	for (i = 0; i < count; i++) {
		bool no = names[i][0] == '!';

		if (strstr(name, names[i] + no))
			is = !no;
	}
	return is;
}

static int run_child(const struct tap_test *test)
{
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	test->fn(test->arg);
	fflush(stdout);
	_exit(0);
}

/* Wait for the child, at most so many seconds; false if it had to be killed. */
static bool wait_child(pid_t pid, unsigned int seconds, int *status)
{
	int pidfd = syscall(SYS_pidfd_open, pid, 0);
	struct pollfd poll_child = { .fd = pidfd, .events = POLLIN };
	bool in_time = poll(&poll_child, 1, seconds * 1000) == 1;

	close(pidfd);
	kill(-pid, SIGKILL);
	kill(pid, SIGKILL);
	waitpid(pid, status, 0);
	return in_time;
}

/* What the checker finds after a test; NULL when it is content or absent. */
static const char *check_module(void)
{
	static char text[256];
	long violations;

	if (!tap.ditto)
		return NULL;
	violations = knob_violations();
	if (violations <= 0)
		return NULL;
	snprintf(text, sizeof(text), "checker: %ld violations", violations);
	return text;
}

/*
 * The debug host checks every access to memory and takes its time; a second of
 * the vmx host has few instructions in it.
 */
static unsigned int slowness(void)
{
	const char *host = getenv("DITTO_HOST");

	if (host && !strcmp(host, "vmx"))
		return 10;
	return host && !strcmp(host, "debug") ? 4 : 1;
}

/* One test: 0 passed, 1 failed, EXIT_SKIP skipped. */
static int run_test(const struct tap_test *test, unsigned int number)
{
	unsigned int seconds = (test->seconds ?: 20) * slowness();
	const char *broken;
	int status;
	bool in_time;
	pid_t pid;

	fflush(stdout);
	skip_reason[0] = 0;
	pid = fork();
	if (!pid)
		run_child(test);
	setpgid(pid, pid);
	in_time = wait_child(pid, seconds, &status);
	if (!in_time)
		note("no end after %u seconds", seconds);
	else if (WIFSIGNALED(status))
		note("died of signal %d", WTERMSIG(status));
	broken = check_module();
	if (broken)
		note("%s", broken);
	if (in_time && !broken && WIFEXITED(status)) {
		if (WEXITSTATUS(status) == EXIT_SKIP) {
			printf("ok %u - %s # SKIP %s\n", number, test->name, skip_reason);
			return EXIT_SKIP;
		}
		if (!WEXITSTATUS(status)) {
			printf("ok %u - %s\n", number, test->name);
			return 0;
		}
	}
	printf("not ok %u - %s\n", number, test->name);
	return 1;
}

static void usage(const char *program)
{
	printf("usage: %s [--dev PATH] [--backing gmem|user] [--list] [NAME...]\n"
	       "Runs the tests whose names contain a NAME, or all; and none that contain a "
	       "!NAME.\n",
	       program);
}

static bool bad_backing(const char *text)
{
	tap.gmem = !strcmp(text, "gmem");
	return !tap.gmem && strcmp(text, "user");
}

/* Asks the device what it is. Returns false when there is none. */
static bool look_at_device(void)
{
	int fd = open(tap.dev, O_RDWR | O_CLOEXEC);

	if (fd < 0) {
		printf("Bail out! %s: %s\n", tap.dev, strerror(errno));
		return false;
	}
	tap.ditto = is_ditto(tap.dev, fd);
	close(fd);
	tap.gmem = tap.ditto;
	return true;
}

/* Returns false when the program shall exit with *status at once. */
static bool parse(int argc, char **argv, const struct tap_test *tests, size_t count,
		  int *status)
{
	static const struct option options[] = {
		{ "dev", required_argument, NULL, 'd' },
		{ "backing", required_argument, NULL, 'b' },
		{ "list", no_argument, NULL, 'l' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	const char *backing = NULL;
	int option;
	size_t i;

	*status = 0;
	tap.dev = getenv("DITTO_DEV") ?: "/dev/ditto";
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'd':
			tap.dev = optarg;
			break;
		case 'b':
			backing = optarg;
			break;
		case 'l':
			for (i = 0; i < count; i++)
				puts(tests[i].name);
			return false;
		default:
			usage(argv[0]);
			*status = option == 'h' ? 0 : 2;
			return false;
		}
	}
	if (!look_at_device()) {
		*status = 1;
		return false;
	}
	if (backing && bad_backing(backing)) {
		usage(argv[0]);
		*status = 2;
		return false;
	}
	return true;
}

/**
 * tap_main - run the tests of a program
 *
 * Returns the exit status: 0 if none failed, 1 if one did or none was found.
 */
int tap_main(int argc, char **argv, const struct tap_test *tests, size_t count)
{
	unsigned int number = 0, failed = 0, skipped = 0;
	int status;
	size_t i;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!parse(argc, argv, tests, count, &status))
		return status;
	skip_reason = mmap(NULL, SKIP_REASON_SIZE, PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	for (i = 0; i < count; i++)
		number += wanted(tests[i].name, argv + optind, argc - optind);
	printf("KTAP version 1\n1..%u\n", number);
	if (!number) {
		note("no test has such a name");
		return 1;
	}
	number = 0;
	for (i = 0; i < count; i++) {
		if (!wanted(tests[i].name, argv + optind, argc - optind))
			continue;
		status = run_test(&tests[i], ++number);
		failed += status == 1;
		skipped += status == EXIT_SKIP;
	}
	note("%s: %u passed, %u failed, %u skipped", tap.dev, number - failed - skipped,
	     failed, skipped);
	return failed ? 1 : 0;
}
