// SPDX-License-Identifier: GPL-2.0-only
/*
 * Forks without end, in a memory cgroup. The hard part is that the kernel decides how that ends: an
 * allocation that finds no room in a cgroup fails, or a process of that cgroup is killed.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cgroup.h"
#include "knobs.h"
#include "vm.h"

#define BOMB_LIMIT (32 * MIB)
#define BOMB_FDS 60000

/* Forks without end, in a cgroup of its own; says by an 'x' each that it is made. */
static void bomb(int out)
{
	struct rlimit files = { BOMB_FDS, BOMB_FDS };
	struct vm *vm;
	int vcpu;

	cgroup_enter("bomb");
	CHECKED(setrlimit(RLIMIT_NOFILE, &files));
	vm = vm_new(NULL);
	for (;;) {
		struct ditto_fork args = { .capacity = 1, .vcpu_fds = (uintptr_t)&vcpu };

		if (ioctl(vm->fd, DITTO_FORK, &args))
			_exit(errno);
		if (write(out, "x", 1) != 1)
			_exit(0);
	}
}

/* What a bomb takes of the host until it has ended, in bytes; @ended: how. */
static long bomb_takes(pid_t pid, int *ended)
{
	long before = knob_line("/proc/meminfo", "MemAvailable"), least = before, now;

	while (!waitpid(pid, ended, WNOHANG)) {
		now = knob_line("/proc/meminfo", "MemAvailable");
		if (now < least)
			least = now;
		usleep(2000);
	}
	return (before - least) * 1024;
}

/* Outside of the cgroup, and with more memory than the bomb's process. */
static pid_t neighbour_new(void)
{
	pid_t pid = fork();
	u8 *p;

	if (pid)
		return pid;
	p = mmap(NULL, BOMB_LIMIT, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memset(p, 1, BOMB_LIMIT);
	for (;;)
		pause();
}

/*
 * Forks are charged to who makes them. One that does so without end meets the limit of its cgroup:
 * it is refused, or ended; another's machine and process go on, and the host has what it had.
 */
static void bomb_in_cgroup(const void *arg)
{
	struct vm *vm;
	pid_t pid, neighbour;
	int out[2], ended;
	char made[BOMB_FDS];
	long taken, nr;

	need_ditto();
	cgroup_new("bomb", BOMB_LIMIT);
	neighbour = neighbour_new();
	vm = vm_new(NULL);
	CHECKED(pipe(out));
	CHECKED(fcntl(out[1], F_SETPIPE_SZ, BOMB_FDS));
	pid = fork();
	if (!pid)
		bomb(out[1]);
	close(out[1]);
	taken = bomb_takes(pid, &ended);
	nr = read(out[0], made, sizeof(made));
	note("%ld forks took %ld MiB; status %#x", nr, taken / (long)MIB, ended);
	ASSERT(nr > 50 && nr < BOMB_FDS / 4);
	ASSERT(taken < 2 * (long)BOMB_LIMIT);
	ASSERT(WIFSIGNALED(ended) ? WTERMSIG(ended) == SIGKILL && cgroup_kills("bomb") == 1 :
	       WEXITSTATUS(ended) == ENOMEM);
	ASSERT_EQ(waitpid(neighbour, NULL, WNOHANG), 0);
	vm_call(vm, "g_touch", 6 * MIB);
	vm_free(vm);
}

static const struct tap_test tests[] = {
	{ "bomb_in_cgroup", bomb_in_cgroup, .seconds = 120 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, tests, ARRAY_SIZE(tests));
}
