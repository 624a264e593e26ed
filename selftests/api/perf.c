// SPDX-License-Identifier: GPL-2.0-only
/*
 * Samples of perf: one that interrupts a guest says so, and where that stood, in which mode;
 * one that interrupts the host says nothing of a guest. On stock KVM, too.
 */
#include <linux/perf_event.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "vm.h"

#define PERIOD_NS	1000000
#define RUN_US		300000
#define PAGES		64

/**
 * struct samples - how many there were
 * @host: of the host
 * @kernel, @user: of a guest, by its mode
 * @elsewhere: of these, where no guest stood
 */
struct samples {
	unsigned int host, kernel, user, elsewhere;
};

struct sample {
	struct perf_event_header header;
	u64 ip;
};

static void on_alarm(int signal)
{
}

/* A timer's samples of this thread; needs no counter of the CPU's. */
static int sampler(struct perf_event_mmap_page **page)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.sample_period = PERIOD_NS,
		.sample_type = PERF_SAMPLE_IP,
		.disabled = 1,
	};
	int fd = syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);

	if (fd < 0 && (errno == ENOSYS || errno == EACCES))
		skip("no perf events");
	ASSERT(fd >= 0);
	*page = mmap(NULL, (PAGES + 1) * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT(*page != MAP_FAILED);
	return fd;
}

static void count(struct samples *s, const struct sample *sample)
{
	bool guest = true;

	switch (sample->header.misc & PERF_RECORD_MISC_CPUMODE_MASK) {
	case PERF_RECORD_MISC_GUEST_KERNEL:
		s->kernel++;
		break;
	case PERF_RECORD_MISC_GUEST_USER:
		s->user++;
		break;
	default:
		s->host++;
		guest = false;
	}
	if (guest && (sample->ip < image_symbol("g_stand_begin") ||
		      sample->ip >= image_symbol("g_stand_end")))
		s->elsewhere++;
}

/* A run writes less than the ring has room for, and a record of ours never wraps. */
static struct samples take(const struct perf_event_mmap_page *page)
{
	const u8 *data = (const u8 *)page + 4096;
	struct samples s = { };
	u64 at, end = atomic_load((const _Atomic u64 *)&page->data_head);

	ASSERT(end < PAGES * 4096);
	for (at = 0; at < end;) {
		const struct sample *sample = (const struct sample *)(data + at);

		ASSERT(sample->header.size);
		if (sample->header.type == PERF_RECORD_SAMPLE)
			count(&s, sample);
		at += sample->header.size;
	}
	note("%u of the host, %u and %u of the guest's kernel and user mode, %u elsewhere",
	     s.host, s.kernel, s.user, s.elsewhere);
	return s;
}

static void set_alarm(void)
{
	const struct sigaction action = { .sa_handler = on_alarm };
	const struct itimerval timer = { .it_value.tv_usec = RUN_US };

	sigaction(SIGALRM, &action, NULL);
	CHECKED(setitimer(ITIMER_REAL, &timer, NULL));
}

static struct samples sampled(const char *guest)
{
	struct vm *vm = vm_new(NULL);
	struct perf_event_mmap_page *page;
	struct samples s;
	int fd = sampler(&page);

	vcpu_call(&vm->vcpu[0], guest, 0);
	set_alarm();
	CHECKED(ioctl(fd, PERF_EVENT_IOC_ENABLE, 0));
	ASSERT_EQ(vcpu_enter(&vm->vcpu[0]), -EINTR);
	CHECKED(ioctl(fd, PERF_EVENT_IOC_DISABLE, 0));
	s = take(page);
	close(fd);
	vm_free(vm);
	return s;
}

/* Nearly all of the time the guest runs, and but for its way there it stands. */
static void in_kernel(const void *arg)
{
	struct samples s = sampled("g_stand_kernel");

	ASSERT(s.kernel >= 8);
	ASSERT(s.kernel > s.host);
	ASSERT(s.elsewhere <= s.kernel / 4);
	ASSERT_EQ(s.user, 0);
}

/* The way there is in kernel mode. */
static void in_user(const void *arg)
{
	struct samples s = sampled("g_stand_user");

	ASSERT(s.user >= 8);
	ASSERT(s.user > s.host);
	ASSERT(s.elsewhere <= s.kernel);
}

static void in_host(const void *arg)
{
	struct vm *vm = vm_new(NULL);
	struct perf_event_mmap_page *page;
	struct timespec begin, now;
	struct samples s;
	int fd = sampler(&page);

	vcpu_call(&vm->vcpu[0], "g_stand_kernel", 0);
	set_alarm();
	ASSERT_EQ(vcpu_enter(&vm->vcpu[0]), -EINTR);
	CHECKED(ioctl(fd, PERF_EVENT_IOC_ENABLE, 0));
	clock_gettime(CLOCK_MONOTONIC, &begin);
	do
		clock_gettime(CLOCK_MONOTONIC, &now);
	while ((now.tv_sec - begin.tv_sec) * 1000000 + (now.tv_nsec - begin.tv_nsec) / 1000 <
	       RUN_US / 3);
	CHECKED(ioctl(fd, PERF_EVENT_IOC_DISABLE, 0));
	s = take(page);
	ASSERT(s.host > 0);
	ASSERT_EQ(s.kernel + s.user, 0);
	vm_free(vm);
}

static const struct tap_test tests[] = {
	{ "kernel", in_kernel },
	{ "user", in_user },
	{ "host", in_host },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, tests, ARRAY_SIZE(tests));
}
