// SPDX-License-Identifier: GPL-2.0-only
/*
 * Asynchronous page faults: what a guest is told of memory that somebody else provides when it
 * suits them (userfaultfd), and what becomes of a machine that waits for it.
 */
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "vm.h"

#define APF_EN		0x4b564d02
#define APF_INT		0x4b564d06
#define APF_ACK		0x4b564d07
#define FEATURES	0x40000001
#define SLOT_GPA	0x10000000ul
#define LATE_GPA	0x20000000ul
#define PAGES		40ul
#define MOST		32	/* that ditto waits for at once */

/**
 * struct stuck - a machine with memory that nobody has given yet
 */
struct stuck {
	struct vm *vm;
	struct vcpu *vcpu;
	int uffd;
	u8 *pages;
};

static void ignore(int sig)
{
}

static struct stuck stuck(const char *guest)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct sigaction action = { .sa_handler = ignore };
	struct stuck s = { .uffd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK) };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct kvm_cpuid_entry2 *e = cpuid_find(cpuid_supported(), FEATURES, 0);

	if (!e || !(e->eax & 1 << 14))
		skip("absent here");
	if (s.uffd < 0)
		skip("no userfaultfd: %s", strerror(errno));
	sigaction(SIGALRM, &action, NULL);
	s.pages = mmap(NULL, PAGES * PAGE_SIZE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT(s.pages != MAP_FAILED);
	reg.range = (struct uffdio_range) { .start = (u64)s.pages, .len = PAGES * PAGE_SIZE };
	CHECKED(ioctl(s.uffd, UFFDIO_API, &api));
	CHECKED(ioctl(s.uffd, UFFDIO_REGISTER, &reg));
	s.vm = vm_new(NULL);
	s.vcpu = &s.vm->vcpu[0];
	CHECKED(vm_set_slot(s.vm, 1, 0, SLOT_GPA, PAGES * PAGE_SIZE, s.pages));
	vcpu_call(s.vcpu, guest, SLOT_GPA);
	return s;
}

static void give(struct stuck *s, unsigned int i)
{
	static u32 data[PAGE_SIZE / 4] = { 0x1234 };
	struct uffdio_copy copy = {
		.dst = (u64)s->pages + i * PAGE_SIZE, .src = (u64)data, .len = PAGE_SIZE,
	};

	CHECKED(ioctl(s->uffd, UFFDIO_COPY, &copy));
}

/* The first page, as soon as somebody waits for it, and that long after. */
static void provide(struct stuck *s, unsigned int ms)
{
	struct pollfd fd = { .fd = s->uffd, .events = POLLIN };

	ASSERT_EQ(poll(&fd, 1, 10000), 1);
	usleep(ms * 1000);
	give(s, 0);
}

static void *provider(void *arg)
{
	provide(arg, 200);
	return NULL;
}

static u32 traced(struct vcpu *vcpu)
{
	ASSERT_EQ(vcpu_enter(vcpu), KVM_EXIT_IO);
	return *(u32 *)((u8 *)vcpu->run + vcpu->run->io.data_offset);
}

static void done(struct stuck *s)
{
	vcpu_run_done(s->vcpu);
	vm_free(s->vm);
	close(s->uffd);
}

/* The guest goes on at once, and halts; the page ends its halt. */
static void told(const void *arg)
{
	struct stuck s = stuck("g_apf");
	pthread_t thread;

	ASSERT_EQ(traced(s.vcpu), 1);
	ASSERT(!pthread_create(&thread, NULL, provider, &s));
	done(&s);
	pthread_join(thread, NULL);
}

/* As if the access took its time: the guest is not told, or was already. */
static void nap(const void *guest)
{
	bool of_it = !strcmp(guest, "g_apf_nap_told");
	struct stuck s = stuck(guest);
	pthread_t thread;

	ASSERT_EQ(traced(s.vcpu), 1);
	ASSERT(!pthread_create(&thread, NULL, provider, &s));
	ASSERT_EQ(traced(s.vcpu), of_it);
	done(&s);
	pthread_join(thread, NULL);
}

static double cpu_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

/* As nap(), after a kick: the vCPU still sleeps, and its next halt ends at once. */
static void nap_kicked(const void *arg)
{
	struct stuck s = stuck("g_apf_nap_kicked");
	pthread_t thread;
	double before;

	if (!tap.ditto)
		skip("stock KVM stays awake");
	ASSERT_EQ(traced(s.vcpu), 1);
	ASSERT(!pthread_create(&thread, NULL, provider, &s));
	before = cpu_seconds();
	ASSERT_EQ(traced(s.vcpu), 0);
	note("%.3f s of a CPU", cpu_seconds() - before);
	ASSERT(cpu_seconds() - before < 0.1);
	done(&s);
	pthread_join(thread, NULL);
}

/* What never comes is the VMM's to hear of at once: nobody waits for it. */
static void never(const void *arg)
{
	int fd = memfd_create("never", 0);
	struct stuck s = stuck("g_apf");
	u8 *p;

	if (!tap.ditto)
		skip("stock KVM tells the guest for ever");
	/* Behind the end of a file. */
	p = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT(p != MAP_FAILED);
	CHECKED(vm_set_slot(s.vm, 1, 0, 0, 0, NULL));
	CHECKED(vm_set_slot(s.vm, 1, 0, SLOT_GPA, PAGE_SIZE, p));
	ASSERT_EQ(vcpu_enter(s.vcpu), -EFAULT);
	ASSERT_EQ(vm_var(s.vm, u32, "g_apf_absent"), 0);
	CHECKED(ftruncate(fd, PAGE_SIZE));
	ASSERT_EQ(traced(s.vcpu), 1);
	vm_free(s.vm);
	close(s.uffd);
	close(fd);
}

static void alarm_in(unsigned int ms)
{
	struct itimerval soon = { .it_value.tv_usec = ms * 1000 };

	CHECKED(setitimer(ITIMER_REAL, &soon, NULL));
}

/* A signal fetches a vCPU out of its nap, which nobody sees. */
static void nap_ends(const void *arg)
{
	struct stuck s = stuck("g_apf_nap_user");
	struct kvm_mp_state state;

	ASSERT_EQ(traced(s.vcpu), 1);
	alarm_in(300);
	ASSERT_EQ(vcpu_enter(s.vcpu), -EINTR);
	CHECKED(ioctl(s.vcpu->fd, KVM_GET_MP_STATE, &state));
	ASSERT_EQ(state.mp_state, KVM_MP_STATE_RUNNABLE);
	provide(&s, 0);
	ASSERT_EQ(traced(s.vcpu), 0);
	done(&s);
}

/* There is a limit; behind it the vCPU waits. Each page comes back once. */
static void many(const void *arg)
{
	struct stuck s = stuck("g_apf_many");
	unsigned int i;

	if (!tap.ditto)
		skip("another limit there");
	alarm_in(900);
	ASSERT_EQ(vcpu_enter(s.vcpu), -EINTR);
	ASSERT_EQ(vm_var(s.vm, u32, "g_apf_absent"), MOST);
	for (i = 0; i < PAGES; i++)
		give(&s, i);
	ASSERT(traced(s.vcpu) >= MOST);
	done(&s);
}

#define CROWD	8

/* However many machines somebody has, others' guests are told of what has to be waited for. */
static void others(const void *arg)
{
	struct stuck s[CROWD + 1];
	unsigned int i;

	if (!tap.ditto)
		skip("no limit for all there");
	for (i = 0; i <= CROWD; i++)
		s[i] = stuck("g_apf_many");
	for (i = 0; i <= CROWD; i++) {
		CHECKED(seteuid(i < CROWD ? 1000 : 0));
		alarm_in(600);
		ASSERT_EQ(vcpu_enter(s[i].vcpu), -EINTR);
	}
	ASSERT_EQ(vm_var(s[0].vm, u32, "g_apf_absent"), MOST);
	ASSERT_EQ(vm_var(s[CROWD].vm, u32, "g_apf_absent"), MOST);
	for (i = 0; i <= CROWD; i++) {
		vm_free(s[i].vm);
		close(s[i].uffd);
	}
}

/* Turned off, nothing is told any more. */
static void off(const void *arg)
{
	struct stuck s = stuck("g_apf_off");

	ASSERT_EQ(traced(s.vcpu), 1);
	provide(&s, 0);
	done(&s);
}

static void msrs(const void *arg)
{
	struct stuck s = stuck("g_apf");
	struct vcpu *vcpu = s.vcpu;

	ASSERT_EQ(vcpu_try_set_msr(vcpu, APF_EN, GUEST_FREE | 1 | 8 | 16), 0);
	ASSERT_EQ(vcpu_try_set_msr(vcpu, APF_EN, GUEST_FREE | 1 | 8 | 32), 0);
	if (tap.ditto)
		ASSERT_EQ(vcpu_try_set_msr(vcpu, APF_EN, GUEST_FREE | 1 | 4), 0);
	ASSERT_EQ(vcpu_try_set_msr(vcpu, APF_INT, 0x100), 0);
	ASSERT_EQ(vcpu_try_set_msr(vcpu, APF_INT, 0x43), 1);
	ASSERT_EQ(vcpu_try_set_msr(vcpu, APF_ACK, 1), 1);
	ASSERT_EQ(vcpu_msr(vcpu, APF_INT), 0x43);
	ASSERT_EQ(vcpu_msr(vcpu, APF_ACK), 0);
	/*
	 * One that comes from elsewhere is to try everything; where no memory is, it is not told.
	 */
	ASSERT_EQ(vcpu_try_set_msr(vcpu, APF_EN, GUEST_FREE | 1 | 8), 1);
	ASSERT_EQ(vcpu_msr(vcpu, APF_EN), GUEST_FREE | 1 | 8);
	vcpu_call(vcpu, "g_nothing", 0);
	vcpu_run_done(vcpu);
	ASSERT_EQ(*(u32 *)(s.vm->ram + GUEST_FREE + 4), ~0u);
	ASSERT_EQ(vcpu_try_set_msr(vcpu, APF_EN, (1ull << 40) | 1 | 8), 1);
	vcpu_call(vcpu, "g_nothing", 0);
	vcpu_run_done(vcpu);
	vm_free(s.vm);
	close(s.uffd);
}

/* Where there is no memory for the token, the guest is told as soon as there is. */
static void late_memory(const void *arg)
{
	struct stuck s = stuck("g_nothing");
	u8 *p = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (!tap.ditto)
		skip("stock KVM forgets it");
	ASSERT(p != MAP_FAILED);
	ASSERT_EQ(vcpu_try_set_msr(s.vcpu, APF_INT, 0x43), 1);
	ASSERT_EQ(vcpu_try_set_msr(s.vcpu, APF_EN, LATE_GPA | 1 | 8), 1);
	vcpu_run_done(s.vcpu);
	CHECKED(vm_set_slot(s.vm, 2, 0, LATE_GPA, PAGE_SIZE, p));
	vcpu_call(s.vcpu, "g_nothing", 0);
	vcpu_run_done(s.vcpu);
	ASSERT_EQ(*(u32 *)(p + 4), ~0u);
	vm_free(s.vm);
	close(s.uffd);
}

/* Nobody waits for memory that never comes when the machine ends. */
static void dies(const void *arg)
{
	struct stuck s = stuck("g_apf");
	struct timespec before, after;

	ASSERT_EQ(traced(s.vcpu), 1);
	clock_gettime(CLOCK_MONOTONIC, &before);
	vm_free(s.vm);
	clock_gettime(CLOCK_MONOTONIC, &after);
	ASSERT(after.tv_sec - before.tv_sec < 3);
	provide(&s, 0);
	close(s.uffd);
}

static const struct tap_test tests[] = {
	{ "told", told },
	{ "nap_user", nap, "g_apf_nap_user" },
	{ "nap_told", nap, "g_apf_nap_told" },
	{ "nap_ends", nap_ends },
	{ "nap_kicked", nap_kicked },
	{ "never", never },
	{ "many", many },
	{ "others", others, .seconds = 60 },
	{ "off", off },
	{ "msrs", msrs },
	{ "late_memory", late_memory },
	{ "dies", dies },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, tests, ARRAY_SIZE(tests));
}
