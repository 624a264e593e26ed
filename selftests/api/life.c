// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lives of VMs and vCPUs: signals, threads that race, fds closed in any order,
 * processes killed at any moment.
 */
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "vm.h"

static void immediate_exit(const void *arg)
{
	struct vm *vm = vm_new(NULL);
	struct vcpu *vcpu = &vm->vcpu[0];
	struct kvm_regs before, after;

	vcpu_call(vcpu, "g_spin_forever", 0);
	before = vcpu_regs(vcpu);
	vcpu->run->immediate_exit = 1;
	vcpu->run->exit_reason = 0x1234;
	ASSERT_EQ(vcpu_enter(vcpu), -EINTR);
	ASSERT_EQ(vcpu->run->exit_reason, 0x1234);
	after = vcpu_regs(vcpu);
	ASSERT(!memcmp(&before, &after, sizeof(before)));
	vcpu->run->immediate_exit = 0;
	vm_free(vm);
}

/*
 * An access that waits is completed although the guest is not entered, and why the guest
 * was left last can still be read.
 */
static void immediate_exit_completes(const void *arg)
{
	struct vm *vm = vm_new(NULL);
	struct vcpu *vcpu = &vm->vcpu[0];
	u64 rip;

	vcpu_call(vcpu, "g_mmio_widths", 0);
	ASSERT_EQ(vcpu_enter(vcpu), KVM_EXIT_MMIO);
	vcpu->run->immediate_exit = 1;
	ASSERT_EQ(vcpu_enter(vcpu), -EINTR);
	ASSERT_EQ(vcpu->run->exit_reason, KVM_EXIT_MMIO);
	rip = vcpu_regs(vcpu).rip;
	ASSERT_EQ(vcpu_enter(vcpu), -EINTR);
	ASSERT_EQ(vcpu_regs(vcpu).rip, rip);
	vcpu->run->immediate_exit = 0;
	ASSERT_EQ(vcpu_enter(vcpu), KVM_EXIT_MMIO);
	ASSERT_EQ(vcpu->run->mmio.len, 2);
	vm_free(vm);
}

static void on_signal(int signal)
{
}

static void arm(long microseconds)
{
	struct sigaction action = { .sa_handler = on_signal };
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
	struct itimerspec in = { .it_value.tv_sec = microseconds / 1000000,
				 .it_value.tv_nsec = microseconds % 1000000 * 1000 };
	timer_t timer;

	sigaction(SIGUSR1, &action, NULL);
	CHECKED(timer_create(CLOCK_MONOTONIC, &event, &timer));
	CHECKED(timer_settime(timer, 0, &in, NULL));
}

/* A signal ends KVM_RUN, of a guest that spins with interrupts off and of one that sleeps. */
static void signals(const void *guest)
{
	struct vm *vm = vm_new(NULL);
	struct vcpu *vcpu = &vm->vcpu[0];
	unsigned int i;

	vcpu_call(vcpu, guest, 0);
	for (i = 0; i < 5; i++) {
		arm(30000);
		vcpu->run->exit_reason = 0;
		ASSERT_EQ(vcpu_enter(vcpu), -EINTR);
		ASSERT_EQ(vcpu->run->exit_reason, KVM_EXIT_INTR);
	}
	vm_free(vm);
}

/* KVM_SET_SIGNAL_MASK is for older VMMs; where it is offered it must work. */
static void signal_mask(const void *arg)
{
	struct {
		struct kvm_signal_mask head;
		sigset_t set;
	} mask = { .head.len = 8 };
	struct vm *vm = vm_new(NULL);
	sigset_t block;

	sigemptyset(&block);
	sigaddset(&block, SIGUSR1);
	sigprocmask(SIG_BLOCK, &block, NULL);
	if (ioctl(vm->vcpu[0].fd, KVM_SET_SIGNAL_MASK, &mask) == -1 && errno == ENOTTY)
		skip("no KVM_SET_SIGNAL_MASK");
	vcpu_call(&vm->vcpu[0], "g_spin_forever", 0);
	arm(30000);
	ASSERT_EQ(vcpu_enter(&vm->vcpu[0]), -EINTR);
	vm_free(vm);
}

static volatile bool stop;

static void *run_and_run(void *arg)
{
	struct vcpu *vcpu = arg;
	int result;

	while (!stop) {
		result = vcpu_enter(vcpu);
		if (result < 0 && result != -EINTR)
			fail("KVM_RUN: %s", strerrorname_np(-result));
	}
	return NULL;
}

static void *look_and_look(void *arg)
{
	struct vcpu *vcpu = arg;
	struct kvm_regs regs;
	struct kvm_sregs sregs;

	while (!stop) {
		CHECKED(ioctl(vcpu->fd, KVM_GET_REGS, &regs));
		CHECKED(ioctl(vcpu->fd, KVM_GET_SREGS, &sregs));
		ASSERT_EQ(sregs.cr3, GUEST_PML4);
	}
	return NULL;
}

/* Two threads run one vCPU and a third inspects it: they take turns. */
static void race_on_vcpu(const void *arg)
{
	struct vm *vm = vm_new(NULL);
	pthread_t threads[3];
	unsigned int i;

	vcpu_call(&vm->vcpu[0], "g_write_forever", 0x400000);
	pthread_create(&threads[0], NULL, run_and_run, &vm->vcpu[0]);
	pthread_create(&threads[1], NULL, run_and_run, &vm->vcpu[0]);
	pthread_create(&threads[2], NULL, look_and_look, &vm->vcpu[0]);
	usleep(500000);
	stop = true;
	for (i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	vm_free(vm);
}

static void *make_vcpus(void *arg)
{
	struct vm *vm = arg;
	long made = 0;
	unsigned int id;
	int fd;

	for (id = 0; id < 32; id++) {
		fd = ioctl(vm->fd, KVM_CREATE_VCPU, id);
		if (fd < 0 && errno != EEXIST)
			fail("KVM_CREATE_VCPU: %s", strerror(errno));
		made += fd >= 0;
		if (fd >= 0)
			close(fd);
	}
	return (void *)made;
}

static void *change_slots(void *arg)
{
	struct vm *vm = arg;
	u8 *p = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned int i;

	for (i = 0; i < 300; i++)
		if (vm_set_slot(vm, 1 + i % 3, 0, 0x10000000, i % 2 ? 0 : PAGE_SIZE, p) == -1 &&
		    errno != EEXIST && errno != EINVAL)
			fail("slot: %s", strerror(errno));
	return NULL;
}

/* Each vCPU id is given once, whoever asks first. */
static void race_on_vm(const void *arg)
{
	struct vm *vm = vm_new(&(struct vm_config) { .empty = true });
	pthread_t threads[4];
	void *made[2];

	pthread_create(&threads[0], NULL, make_vcpus, vm);
	pthread_create(&threads[1], NULL, make_vcpus, vm);
	pthread_create(&threads[2], NULL, change_slots, vm);
	pthread_create(&threads[3], NULL, change_slots, vm);
	pthread_join(threads[0], &made[0]);
	pthread_join(threads[1], &made[1]);
	pthread_join(threads[2], NULL);
	pthread_join(threads[3], NULL);
	ASSERT_EQ((long)made[0] + (long)made[1], 32);
	vm_free(vm);
}

/* The VM's fd, the vCPUs' fds, their mappings, the gmem: last to go is each once. */
static void close_orders(const void *arg)
{
	unsigned int order, step;

	for (order = 0; order < 24; order++) {
		struct vm *vm = vm_new(&(struct vm_config) { .vcpus = 2 });
		unsigned int left = 0xf, pick = order;

		vm_call(vm, "g_arith", 0);
		for (step = 4; step; step--) {
			unsigned int nth = pick % step, what = 0;

			pick /= step;
			while (!(left & 1 << what) || nth--)
				what++;
			left &= ~(1 << what);
			if (what == 0)
				close(vm->fd);
			else if (what == 1)
				close(vm->vcpu[0].fd);
			else if (what == 2)
				munmap(vm->vcpu[0].run, vm->vcpu[0].run_size);
			else if (vm->gmem >= 0)
				close(vm->gmem);
		}
		close(vm->vcpu[1].fd);
		munmap(vm->vcpu[1].run, vm->vcpu[1].run_size);
		munmap(vm->ram, vm->ram_size);
		free(vm);
	}
}

/* The vCPU runs on although the VM's fd and the gmem's are closed. */
static void run_after_close(const void *arg)
{
	struct vm *vm = vm_new(NULL);

	close(vm->fd);
	if (vm->gmem >= 0)
		close(vm->gmem);
	vm_call(vm, "g_touch", 8 * MIB);
}

/* vm_new and a guest until somebody kills this process. */
static void run_for_ever(unsigned int what)
{
	static const char *const guests[] = { "g_spin_forever", "g_write_forever",
					      "g_halt_forever", "g_touch" };
	struct vm *vm;

	for (;;) {
		vm = vm_new(&(struct vm_config) { .vcpus = 2, .ram = 16 * MIB, .user = what & 8 });
		if (what & 4) {
			vcpu_call(&vm->vcpu[1], "g_write_forever", 0x800000);
			vcpu_start(&vm->vcpu[1]);
		}
		vcpu_call(&vm->vcpu[0], guests[what % 4], what % 4 == 1 ? 0x400000 : 16 * MIB);
		vcpu_run(&vm->vcpu[0]);
		if (!(what & 4))
			vm_free(vm);
	}
}

static void killed(const void *arg)
{
	unsigned int i;
	pid_t child;

	srandom(1);
	for (i = 0; i < 64; i++) {
		child = fork();
		if (!child) {
			run_for_ever(i);
			_exit(0);
		}
		usleep(random() % 60000);
		kill(child, SIGKILL);
		ASSERT_EQ(CHECKED(waitpid(child, NULL, 0)), child);
	}
}

static void many_vms(const void *arg)
{
	unsigned int i;

	for (i = 0; i < 300; i++) {
		struct vm *vm = vm_new(i % 3 ? NULL : &(struct vm_config) { .empty = true });

		if (i % 30 == 1)
			vm_call(vm, "g_arith", 0);
		vm_free(vm);
	}
}

/* Many at the same time; fds run out before anything else does. */
static void vms_at_once(const void *arg)
{
	struct vm *vms[50];
	unsigned int i;

	for (i = 0; i < 50; i++)
		vms[i] = vm_new(&(struct vm_config) { .ram = 4 * MIB });
	for (i = 0; i < 50; i++)
		vm_call(vms[i], "g_arith", 0);
	for (i = 0; i < 50; i += 2)
		vm_free(vms[i]);
	for (i = 1; i < 50; i += 2) {
		vm_call(vms[i], "g_arith", 0);
		vm_free(vms[i]);
	}
}

#define HELD (32 * MIB)

static double cpu_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

/* A machine that alone has that much memory. */
static struct vm *rich_vm(void)
{
	struct vm *vm = vm_new(NULL);
	int fd = gmem_new(HELD, 0);
	void *p = gmem_map(fd, HELD);

	memset(p, 1, HELD);
	munmap(p, HELD);
	CHECKED(vm_set_gmem_slot(vm, 9, 0, 1ul << 32, HELD, fd, 0));
	close(fd);
	return vm;
}

/**
 * struct lister - who lists machines, with a page for the answer that comes late
 * @uffd: provides it
 * @page: where it is
 * @seconds: of a CPU that the rest took
 */
struct lister {
	int uffd;
	void *page;
	double seconds;
};

static void *list_slowly(void *arg)
{
	struct lister *l = arg;
	struct ditto_vm_list list = { .capacity = 1, .vms = (uintptr_t)l->page };
	double before = cpu_seconds();
	int dev = dev_open();

	CHECKED(ioctl(dev, DITTO_LIST_VMS, &list));
	l->seconds = cpu_seconds() - before;
	close(dev);
	return NULL;
}

static struct lister slow_lister(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct lister l = { .uffd = syscall(SYS_userfaultfd, O_CLOEXEC) };

	if (l.uffd < 0)
		skip("no userfaultfd: %s", strerror(errno));
	l.page = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT(l.page != MAP_FAILED);
	reg.range = (struct uffdio_range) { .start = (u64)l.page, .len = PAGE_SIZE };
	CHECKED(ioctl(l.uffd, UFFDIO_API, &api));
	CHECKED(ioctl(l.uffd, UFFDIO_REGISTER, &reg));
	return l;
}

/* Seconds of a CPU that the end of such a machine takes. */
static double end_seconds(void)
{
	struct vm *vm = rich_vm();
	double before = cpu_seconds();

	vm_free(vm);
	return cpu_seconds() - before;
}

/* And those of who lists it meanwhile. */
static double list_seconds(void)
{
	struct uffdio_zeropage zero = { .range.len = PAGE_SIZE };
	struct lister l = slow_lister();
	struct pollfd waits = { .fd = l.uffd, .events = POLLIN };
	struct vm *vm = rich_vm();
	pthread_t thread;

	ASSERT(!pthread_create(&thread, NULL, list_slowly, &l));
	ASSERT_EQ(poll(&waits, 1, 10000), 1);
	vm_free(vm);
	zero.range.start = (u64)l.page;
	CHECKED(ioctl(l.uffd, UFFDIO_ZEROPAGE, &zero));
	pthread_join(thread, NULL);
	close(l.uffd);
	return l.seconds;
}

static double least_of(double (*seconds)(void), unsigned int times)
{
	double least = seconds(), more;

	while (--times) {
		more = seconds();
		if (more < least)
			least = more;
	}
	return least;
}

/* Who lists a machine that ends just then does not do what its end takes. */
static void ends_while_listed(const void *arg)
{
	double end, listing;

	need_ditto();
	end = least_of(end_seconds, 3);
	listing = least_of(list_seconds, 5);
	note("an end takes %.1f ms, listing %.1f", end * 1000, listing * 1000);
	ASSERT(listing < end / 2);
}

static const struct tap_test tests[] = {
	{ "immediate_exit", immediate_exit },
	{ "immediate_exit_completes", immediate_exit_completes },
	{ "signal_spinning", signals, "g_spin_forever" },
	{ "signal_halted", signals, "g_halt_forever" },
	{ "signal_mask", signal_mask },
	{ "race_on_vcpu", race_on_vcpu },
	{ "race_on_vm", race_on_vm },
	{ "close_orders", close_orders },
	{ "run_after_close", run_after_close },
	{ "killed", killed, .seconds = 120 },
	{ "many_vms", many_vms, .seconds = 120 },
	{ "vms_at_once", vms_at_once, .seconds = 60 },
	{ "ends_while_listed", ends_while_listed, .seconds = 60 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, tests, ARRAY_SIZE(tests));
}
