// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_PRE_FAULT_MEMORY: what it refuses, how much it reports as done, that a signal ends it, and
 * that races with other ioctls and with guests do no harm. Stock KVM passes, too.
 */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "knobs.h"
#include "vm.h"

#define SLOT		3
#define SLOT_GPA	0x10000000ul
#define PAGES		1024ul

static u8 *anonymous(size_t size)
{
	u8 *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	ASSERT(p != MAP_FAILED);
	return p;
}

static struct vm *machine(void)
{
	struct vm *vm = vm_new(&(struct vm_config) { .user = true });

	if (vm_cap(vm, CAP_PRE_FAULT_MEMORY) != 1)
		skip("absent here");
	return vm;
}

static int pre_fault(struct vm *vm, struct pre_fault *range)
{
	return ioctl(vm->vcpu[0].fd, PRE_FAULT_MEMORY, range);
}

/* It is refused, and the range stays what it was. */
static void refused(struct vm *vm, u64 gpa, u64 size, u64 flags, int error)
{
	struct pre_fault range = { gpa, size, flags };

	ASSERT_ERRNO(pre_fault(vm, &range), error);
	ASSERT_EQ(range.gpa, gpa);
	ASSERT_EQ(range.size, size);
}

static void bad_ranges(const void *arg)
{
	struct vm *vm = machine();

	refused(vm, 0, PAGE_SIZE, 1, EINVAL);
	refused(vm, 0, PAGE_SIZE, 1ull << 63, EINVAL);
	refused(vm, 0, 0, 0, EINVAL);
	refused(vm, 1, PAGE_SIZE, 0, EINVAL);
	refused(vm, 0, PAGE_SIZE + 1, 0, EINVAL);
	refused(vm, 0, 5, 0, EINVAL);
	refused(vm, -PAGE_SIZE, PAGE_SIZE, 0, EINVAL);
	refused(vm, PAGE_SIZE, -PAGE_SIZE, 0, EINVAL);
	refused(vm, SLOT_GPA, PAGE_SIZE, 0, ENOENT);
	refused(vm, SLOT_GPA, 1ull << 62, 0, ENOENT);
	if (tap.ditto)
		refused(vm, 1ull << 62, PAGE_SIZE, 0, ENOENT);
	ASSERT_ERRNO(ioctl(vm->vcpu[0].fd, PRE_FAULT_MEMORY, (void *)8), EFAULT);
	ASSERT_ERRNO(ioctl(vm->fd, PRE_FAULT_MEMORY, &(struct pre_fault) { 0, PAGE_SIZE }), ENOTTY);
	vm_free(vm);
}

/* As far as there is memory; and the rest is an error the next time. */
static void in_part(const void *arg)
{
	struct vm *vm = machine();
	u8 *p = anonymous(PAGES * PAGE_SIZE);
	struct pre_fault range = { SLOT_GPA, (PAGES + 5) * PAGE_SIZE };

	*(u32 *)p = 0x1234;
	CHECKED(vm_set_slot(vm, SLOT, 0, SLOT_GPA, PAGES * PAGE_SIZE, p));
	CHECKED(pre_fault(vm, &range));
	ASSERT_EQ(range.gpa, SLOT_GPA + PAGES * PAGE_SIZE);
	ASSERT_EQ(range.size, 5 * PAGE_SIZE);
	refused(vm, range.gpa, range.size, 0, ENOENT);
	range = (struct pre_fault) { SLOT_GPA, PAGES * PAGE_SIZE };
	CHECKED(pre_fault(vm, &range));
	ASSERT_EQ(range.size, 0);
	/* Memory that went away, and memory that nobody may read. */
	CHECKED(mprotect(p + 8 * PAGE_SIZE, PAGE_SIZE, PROT_NONE));
	range = (struct pre_fault) { SLOT_GPA, PAGES * PAGE_SIZE };
	if (tap.ditto) {
		CHECKED(pre_fault(vm, &range));
		ASSERT_EQ(range.gpa, SLOT_GPA + 8 * PAGE_SIZE);
		refused(vm, range.gpa, range.size, 0, EFAULT);
	}
	vcpu_call(&vm->vcpu[0], "g_read", SLOT_GPA);
	ASSERT_EQ(vcpu_enter(&vm->vcpu[0]), KVM_EXIT_IO);
	ASSERT_EQ(*(u32 *)((u8 *)vm->vcpu[0].run + vm->vcpu[0].run->io.data_offset), 0x1234);
	vm_free(vm);
}

static void on_alarm(int number)
{
}

/* More than can be done in the time: what is done is told. */
static void interrupted(const void *arg)
{
	struct sigaction action = { .sa_handler = on_alarm };
	struct itimerval soon = { .it_value.tv_usec = 100000 };
	struct vm *vm = machine();
	size_t size = 16ul << 30;
	u8 *p = anonymous(size);
	struct pre_fault range = { 1ul << 32, size };

	madvise(p, size, MADV_NOHUGEPAGE);
	CHECKED(vm_set_slot(vm, SLOT, 0, 1ul << 32, size, p));
	sigaction(SIGALRM, &action, NULL);
	CHECKED(setitimer(ITIMER_REAL, &soon, NULL));
	CHECKED(pre_fault(vm, &range));
	ASSERT(range.size > 0 && range.size < size);
	ASSERT_EQ(range.gpa + range.size, (1ul << 32) + size);
	vm_free(vm);
}

static volatile bool stop;

static void *changer(void *arg)
{
	struct vm *vm = arg;
	u8 *p = anonymous(PAGES * PAGE_SIZE);
	unsigned int i;

	for (i = 0; !stop; i++) {
		vm_set_slot(vm, SLOT, 0, SLOT_GPA, PAGES * PAGE_SIZE, p);
		memset(p + i % PAGES * PAGE_SIZE, 1, PAGE_SIZE);
		madvise(p, PAGES * PAGE_SIZE, i % 3 ? MADV_DONTNEED : MADV_NORMAL);
		vm_set_slot(vm, SLOT, i % 2 ? KVM_MEM_LOG_DIRTY_PAGES : 0, SLOT_GPA,
			    PAGES * PAGE_SIZE, p);
		vm_set_slot(vm, SLOT, 0, SLOT_GPA, 0, p);
	}
	return NULL;
}

/* Slots and memory come and go under it. */
static void storm(const void *arg)
{
	struct vm *vm = machine();
	pthread_t thread;
	unsigned int done = 0, calls = 0;
	time_t end = time(NULL) + 4;
	int err;

	ASSERT(!pthread_create(&thread, NULL, changer, vm));
	while (time(NULL) < end) {
		struct pre_fault range = { SLOT_GPA + rand() % PAGES * PAGE_SIZE, 32 * PAGE_SIZE };

		err = pre_fault(vm, &range);
		ASSERT(!err || errno == ENOENT || errno == EFAULT);
		done += !err;
		calls++;
	}
	stop = true;
	pthread_join(thread, NULL);
	note("%u of %u did something", done, calls);
	if (tap.ditto)
		ASSERT(knob_violations() <= 0);
	vm_free(vm);
}

static const struct tap_test tests[] = {
	{ "bad_ranges", bad_ranges },
	{ "in_part", in_part },
	{ "interrupted", interrupted, .seconds = 60 },
	{ "storm", storm, .seconds = 60 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, tests, ARRAY_SIZE(tests));
}
