// SPDX-License-Identifier: GPL-2.0-only
/*
 * Out of memory at every allocation: an operation is repeated with its first,
 * second, third ... allocation failing, until one goes through untouched. Each
 * failure must be a clean errno, and the operation must work again afterwards.
 * Needs a kernel with failslab and fail_page_alloc (/proc/self/fail-nth).
 *
 * The kernel counts everything in a thread that can be made to fail, which on some kernels
 * includes copies from and to user space. Those are subtracted, and so is reading the count.
 */
#include <fcntl.h>
#include <linux/vhost.h>
#include <linux/virtio_ids.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "knobs.h"
#include "vm.h"

#define FAILSLAB "/sys/kernel/debug/failslab/"
#define FAIL_PAGE "/sys/kernel/debug/fail_page_alloc/"
#define FAIL_COPY "/sys/kernel/debug/fail_usercopy/"
#define MOST 2000

static int fail_nth;

/* A knob of both kinds of failure; those that one lacks do not matter. */
static void both(const char *name, const char *value)
{
	char path[128];

	snprintf(path, sizeof(path), FAILSLAB "%s", name);
	knob_write_text(path, value);
	snprintf(path, sizeof(path), FAIL_PAGE "%s", name);
	knob_write_text(path, value);
}

static void need_injection(void)
{
	knob_violations();		/* mounts debugfs */
	fail_nth = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	if (fail_nth < 0 || access(FAILSLAB, F_OK))
		skip("the kernel has no fault injection");
	both("probability", "0");
	both("task-filter", "N");
	both("ignore-gfp-wait", "N");
	both("ignore-gfp-highmem", "N");
	both("verbose", "0");
	knob_write_text(FAIL_PAGE "min-order", "0");
	/* Only those whose (empty) stack has an address of 1 or more: none. */
	knob_write_text(FAIL_COPY "stacktrace-depth", "0");
	knob_write_text(FAIL_COPY "require-start", "1");
}

/* The file that says which allocation of the thread named so fails. */
static int fail_nth_of(const char *name)
{
	char path[64], text[64] = "";
	FILE *pidof;
	long pid;
	int fd;

	snprintf(path, sizeof(path), "pgrep -x %s", name);
	pidof = popen(path, "r");
	if (!pidof || !fgets(text, sizeof(text), pidof))
		fail("no thread %s", name);
	pclose(pidof);
	pid = atol(text);
	snprintf(path, sizeof(path), "/proc/%ld/fail-nth", pid);
	fd = CHECKED(open(path, O_RDWR | O_CLOEXEC));
	return fd;
}

/* The nth allocation from here on fails, n from 1; 0: none. */
static void arm(unsigned int n)
{
	char text[16];
	int length = snprintf(text, sizeof(text), "%u", n);

	if (pwrite(fail_nth, text, length, 0) != length)
		fail("cannot set fail-nth to %u: %s", n, strerror(errno));
}

/* Whether the armed failure happened. */
static bool disarm(void)
{
	char text[16] = "";
	bool happened;

	if (pread(fail_nth, text, sizeof(text) - 1, 0) <= 0)
		fail("cannot read fail-nth: %s", strerror(errno));
	happened = atoi(text) == 0;
	arm(0);
	return happened;
}

/**
 * struct operation - what is repeated
 * @name: of it
 * @before: prepares, without failures
 * @act: under failures; 0 or more, or -errno
 * @after: takes back whatever it made, @result is act's
 * @tolerates: errors beside ENOMEM that are clean
 * @thread: name of the thread whose allocations fail; NULL for the caller
 * @ditto: stock KVM has no such thing
 */
struct operation {
	const char *name;
	void (*before)(void);
	long (*act)(void);
	void (*after)(long result);
	int tolerates;
	const char *thread;
	bool ditto;
};

static struct vm *vm;
static int dev, event;
static u8 *memory;

static long errno_of(long result)
{
	return result == -1 ? -errno : result;
}

static void make_empty(void)
{
	vm = vm_new(&(struct vm_config) { .empty = true });
}

static void make_vm(void)
{
	vm = vm_new(NULL);
}

static void free_vm(long result)
{
	vm_free(vm);
}

static void close_result(long result)
{
	if (result >= 0)
		close(result);
}

static void close_both(long result)
{
	close_result(result);
	vm_free(vm);
}

static void nothing(void)
{
}

static long create_vm(void) { return errno_of(ioctl(dev, KVM_CREATE_VM, 0)); }
static long create_vcpu(void) { return errno_of(ioctl(vm->fd, KVM_CREATE_VCPU, 0)); }

static long create_gmem(void)
{
	struct ditto_create_gmem args = { .size = 64 * MIB };

	return errno_of(ioctl(dev, DITTO_CREATE_GMEM, &args));
}

static void make_bare(void)
{
	vm = vm_new(&(struct vm_config) { .empty = true, .no_irqchip = true });
}

static long create_irqchip(void) { return errno_of(ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0)); }

static long create_pit(void)
{
	struct kvm_pit_config pit = { };

	return errno_of(ioctl(vm->fd, KVM_CREATE_PIT2, &pit));
}

static long set_slot(void)
{
	return errno_of(vm_set_slot(vm, 1, 0, 0x10000000, 4 * MIB, memory));
}

static void make_with_gmem(void)
{
	vm = vm_new(&(struct vm_config) { .user = true });
	event = gmem_new(4 * MIB, 0);
}

static long set_gmem_slot(void)
{
	return errno_of(vm_set_gmem_slot(vm, 1, 0, 0x10000000, 4 * MIB, event, 0));
}

static void close_gmem(long result)
{
	close(event);
	vm_free(vm);
}

static void make_event(void)
{
	make_vm();
	event = CHECKED(eventfd(0, 0));
}

static long add_irqfd(void)
{
	struct kvm_irqfd irqfd = { .fd = event, .gsi = 5 };

	return errno_of(ioctl(vm->fd, KVM_IRQFD, &irqfd));
}

static long add_ioeventfd(void)
{
	struct kvm_ioeventfd io = { .fd = event, .addr = 0x700, .len = 4,
				    .flags = KVM_IOEVENTFD_FLAG_PIO };

	return errno_of(ioctl(vm->fd, KVM_IOEVENTFD, &io));
}

static long set_routes(void)
{
	struct kvm_irq_routing *table = alloca(sizeof(*table) + sizeof(table->entries[0]));

	memset(table, 0, sizeof(*table) + sizeof(table->entries[0]));
	table->nr = 1;
	table->entries[0] = (struct kvm_irq_routing_entry) { .gsi = 30,
							     .type = KVM_IRQ_ROUTING_MSI };
	return errno_of(ioctl(vm->fd, KVM_SET_GSI_ROUTING, table));
}

static long set_cpuid(void)
{
	return errno_of(ioctl(vm->vcpu[0].fd, KVM_SET_CPUID2, cpuid_supported()));
}

static void make_toucher(void)
{
	vm = vm_new(&(struct vm_config) { .ram = 6 * MIB });
	vcpu_call(&vm->vcpu[0], "g_touch", 6 * MIB);
}

static void make_user_toucher(void)
{
	vm = vm_new(&(struct vm_config) { .ram = 6 * MIB, .user = true });
	vcpu_call(&vm->vcpu[0], "g_touch", 6 * MIB);
}

/* Faults of the guest: KVM_RUN fails with ENOMEM or EFAULT, and can be called again. */
static long run_guest(void)
{
	return vcpu_enter(&vm->vcpu[0]);
}

static void finish_guest(long result)
{
	if (result < 0)
		vcpu_run_done(&vm->vcpu[0]);
	vm_free(vm);
}

static long delete_slot(void)
{
	return errno_of(vm_set_slot(vm, 0, 0, 0, 0, NULL));
}

static void make_user(void)
{
	vm = vm_new(&(struct vm_config) { .user = true });
	vm_call(vm, "g_touch", 8 * MIB);
}

/* Ending everything may not fail at all. */
static long tear_down(void)
{
	vm_free(vm);
	return 0;
}

static void make_used(void)
{
	make_vm();
	vm_call(vm, "g_touch", 6 * MIB);
}

static void ignore(long result)
{
}

static void punch_before(void)
{
	make_with_gmem();
	memset(gmem_map(event, 4 * MIB), 1, 4 * MIB);
	CHECKED(vm_set_gmem_slot(vm, 1, 0, 0x10000000, 4 * MIB, event, 0));
}

static long punch(void)
{
	return errno_of(fallocate(event, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, PAGE_SIZE,
				  2 * MIB));
}

/* A gmem of equal pages, and one byte of each that is right before and after. */
static u8 *equal;

static void equal_before(void)
{
	event = gmem_new(2 * MIB, 0);
	equal = gmem_map(event, 2 * MIB);
	for (u64 at = 0; at < 2 * MIB; at += PAGE_SIZE)
		equal[at] = 1;
	knob_write(DITTO_KSM "pages_to_scan", 10000);
	knob_write(DITTO_KSM "sleep_millisecs", 5);
}

static void equal_after(long result)
{
	knob_write(DITTO_KSM "run", 2);
	ASSERT_EQ(knob_read(DITTO_KSM "pages_sharing"), 0);
	knob_write(DITTO_KSM "run", 0);
	munmap(equal, 2 * MIB);
	close(event);
}

static void equal_check(u8 want)
{
	for (u64 at = 0; at < 2 * MIB; at += PAGE_SIZE)
		if (equal[at] != want || equal[at + 1])
			fail("page %lu is wrong", at / PAGE_SIZE);
}

static long merge(void)
{
	unsigned int i;

	knob_write(DITTO_KSM "run", 1);
	for (i = 0; i < 10000 && knob_read(DITTO_KSM "pages_sharing") < 400; i++)
		usleep(10000);
	knob_write(DITTO_KSM "run", 0);
	equal_check(1);
	/* A failure may delay the engine, but not for good. */
	return i < 10000 ? 0 : -ETIMEDOUT;
}

static void merge_before(void)
{
	equal_before();
	ASSERT_EQ(merge(), 0);
}

/* run = 2 allocates a page for each that was shared. */
static long unmerge(void)
{
	long result = errno_of(knob_write(DITTO_KSM "run", 2));

	equal_check(1);
	return result;
}

/* An access through a mapping that finds no memory is a SIGBUS, and can be repeated. */
static sigjmp_buf no_memory;

static void on_bus(int number)
{
	siglongjmp(no_memory, 1);
}

static void catch_bus(void)
{
	struct sigaction action = { .sa_handler = on_bus };

	sigaction(SIGBUS, &action, NULL);
}

/* A write to a shared page that finds no memory can be tried again. */
static long break_shared(void)
{
	catch_bus();
	sigsetjmp(no_memory, 1);
	for (u64 at = 0; at < 2 * MIB; at += PAGE_SIZE)
		equal[at] = 2;
	equal_check(2);
	return 0;
}

static long first_touch(void)
{
	u8 *p = mmap(NULL, 4 * MIB, PROT_READ | PROT_WRITE, MAP_SHARED, event, 0);

	if (p == MAP_FAILED)
		return -errno;
	catch_bus();
	if (sigsetjmp(no_memory, 1)) {
		munmap(p, 4 * MIB);
		return -ENOMEM;
	}
	for (u64 at = 0; at < 4 * MIB; at += 16 * PAGE_SIZE) {
		p[at] = 1;
		ASSERT_EQ(p[at + 1], 0);
	}
	munmap(p, 4 * MIB);
	return 0;
}

/* What is done to it, and undone with it, has its fd in event; what comes of it is the result. */
static void forked_before(void)
{
	punch_before();
	equal = gmem_map(event, 4 * MIB);
}

static long fork_gmem(void)
{
	return errno_of(ioctl(event, DITTO_GMEM_FORK));
}

static void forked_after(long result)
{
	close_result(result);
	munmap(equal, 4 * MIB);
	close_gmem(0);
}

/* The first writes to memory that a fork shares, which make it the writer's own again. */
static int forked;

static void shared_by_fork(void)
{
	forked_before();
	forked = CHECKED(ioctl(event, DITTO_GMEM_FORK));
}

static long write_to_forked(void)
{
	catch_bus();
	sigsetjmp(no_memory, 1);
	for (u64 at = 0; at < 4 * MIB; at += 8 * PAGE_SIZE)
		equal[at] = 2;
	return 0;
}

static void written_after(long result)
{
	u8 *child = gmem_map(forked, 4 * MIB);

	for (u64 at = 0; at < 4 * MIB; at += 8 * PAGE_SIZE) {
		ASSERT_EQ(equal[at], 2);
		ASSERT_EQ(child[at], 1);
	}
	munmap(child, 4 * MIB);
	forked_after(forked);
}

static long fork_with(u32 flags)
{
	int vcpu = -1;
	struct ditto_fork args = { .capacity = 1, .flags = flags, .vcpu_fds = (uintptr_t)&vcpu };
	long result = errno_of(ioctl(vm->fd, DITTO_FORK, &args));

	if (result)
		return result;
	close(vcpu);
	return args.vm_fd;
}

static long fork_machine(void) { return fork_with(0); }
static long fork_resettable(void) { return fork_with(DITTO_FORK_RESETTABLE); }

/* A fork that has written since it was made, and what it had then; its fds. */
static int fork_vm, fork_vcpu;

static void make_resettable(void)
{
	struct ditto_fork args = { .capacity = 1, .flags = DITTO_FORK_RESETTABLE,
				   .vcpu_fds = (uintptr_t)&fork_vcpu };

	make_used();
	CHECKED(ioctl(vm->fd, DITTO_FORK, &args));
	fork_vm = args.vm_fd;
	event = CHECKED(ioctl(fork_vm, DITTO_SLOT_GMEM, 0));
	equal = gmem_map(event, 6 * MIB);
	for (u64 at = 0; at < 6 * MIB; at += PAGE_SIZE)
		equal[at + 77] ^= 1;
}

static long reset_machine(void) { return errno_of(ioctl(fork_vm, DITTO_RESET)); }

static void reset_after(long result)
{
	munmap(equal, 6 * MIB);
	close(fork_vcpu);
	close(fork_vm);
	close_gmem(0);
}

#define MARKED_GPA	0x10000000

/* Memory that is adopted when the guest runs, or stays what it is. */
static void make_marked(void)
{
	equal = mmap(NULL, 4 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT(equal != MAP_FAILED);
	CHECKED(madvise(equal, 4 * MIB, MADV_NOHUGEPAGE));
	CHECKED(madvise(equal, 4 * MIB, MADV_DONTFORK));
	CHECKED(madvise(equal, 4 * MIB, MADV_MERGEABLE));
	for (u64 at = 0; at < 4 * MIB; at += PAGE_SIZE)
		equal[at + 77] = 1 + at / PAGE_SIZE % 251;
	vm = vm_new(&(struct vm_config) { .user = true });
	CHECKED(vm_set_slot(vm, 1, 0, MARKED_GPA, 4 * MIB, equal));
	vcpu_call(&vm->vcpu[0], "g_write_forever", MARKED_GPA);
}

static void marked_after(long result)
{
	vm_free(vm);
	for (u64 at = 0; at < 4 * MIB; at += PAGE_SIZE)
		if (equal[at + 77] != 1 + at / PAGE_SIZE % 251)
			fail("page %lu is wrong", at / PAGE_SIZE);
	munmap(equal, 4 * MIB);
}

static void make_protected(void)
{
	vm = vm_new(&(struct vm_config) { .user = true, .type = SW_PROTECTED_VM });
	if (!vm_cap(vm, CAP_GUEST_MEMFD))
		skip("no guest_memfd here");
}

static long create_guest_memfd(void)
{
	struct guest_memfd args = { .size = 4 * MIB };

	return errno_of(ioctl(vm->fd, CREATE_GUEST_MEMFD, &args));
}

/* Every second page: a range of the tree for each. */
static long set_attributes(void)
{
	for (u64 at = 0; at < MIB; at += 2 * PAGE_SIZE) {
		struct attributes a = { .gpa = at, .size = PAGE_SIZE,
					.attributes = ATTRIBUTE_PRIVATE };

		if (ioctl(vm->fd, SET_MEMORY_ATTRIBUTES, &a))
			return -errno;
	}
	return 0;
}

static void make_ringed(void)
{
	vm = vm_new(&(struct vm_config) { .empty = true, .ring = 16 * PAGE_SIZE });
}

static long log_slot(void)
{
	return errno_of(vm_set_slot(vm, 1, KVM_MEM_LOG_DIRTY_PAGES, 0x10000000, 4 * MIB, memory));
}

static long pre_fault(void)
{
	struct pre_fault range = { .size = 4 * MIB };

	return errno_of(ioctl(vm->vcpu[0].fd, PRE_FAULT_MEMORY, &range));
}

static void make_user_untouched(void)
{
	vm = vm_new(&(struct vm_config) { .user = true });
	if (vm_cap(vm, CAP_PRE_FAULT_MEMORY) != 1)
		skip("absent here");
}

static void make_disk(void)
{
	make_vm();
	event = CHECKED(memfd_create("disk", MFD_CLOEXEC));
	CHECKED(ftruncate(event, MIB));
}

/* A queue's thread is made with its owner. */
static long create_disk(void)
{
	struct ditto_create_virtio args = { .type = VIRTIO_ID_BLOCK, .fd = event, .queues = 2 };
	int fd = ioctl(vm->fd, DITTO_CREATE_VIRTIO, &args);
	long result;

	if (fd < 0)
		return -errno;
	result = errno_of(ioctl(fd, VHOST_SET_OWNER));
	close(fd);
	return result;
}

/* Each of the first; later ones are the same few places again, for page after page. */
static unsigned int next(unsigned int n)
{
	return n + 1 + (n > 32 ? n / 4 : 0);
}

static void repeat(const void *arg)
{
	const struct operation *op = arg;
	unsigned int n, tried = 0, failed = 0;
	bool happened;
	long result;

	if (op->ditto)
		need_ditto();
	need_injection();
	if (op->thread)
		fail_nth = fail_nth_of(op->thread);
	dev = dev_open();
	cpuid_supported();
	memory = mmap(NULL, 4 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (n = 1; n <= MOST; n = next(n)) {
		op->before();
		arm(n);
		result = op->act();
		happened = disarm();
		if (result < 0 && !happened)
			fail("without a failure: %s", strerrorname_np(-result));
		if (result < 0 && result != -ENOMEM && result != -op->tolerates)
			fail("allocation %u failed, and then: %s", n, strerrorname_np(-result));
		failed += result < 0;
		tried += happened;
		op->after(result);
		if (!happened)
			break;
	}
	note("%s: %u allocations failed, the caller saw %u", op->name, tried, failed);
	if (n > MOST)
		fail("no end after %u allocations", MOST);
}

static const struct operation operations[] = {
	{ "create_vm", nothing, create_vm, close_result },
	{ "create_vcpu", make_empty, create_vcpu, close_both },
	{ "create_irqchip", make_bare, create_irqchip, free_vm },
	{ "create_pit", make_empty, create_pit, free_vm },
	{ "create_gmem", nothing, create_gmem, close_result, .ditto = true },
	{ "set_slot", make_vm, set_slot, free_vm },
	{ "set_gmem_slot", make_with_gmem, set_gmem_slot, close_gmem, .ditto = true },
	{ "delete_slot", make_user, delete_slot, free_vm },
	{ "irqfd", make_event, add_irqfd, close_gmem },
	{ "ioeventfd", make_event, add_ioeventfd, close_gmem },
	{ "routes", make_vm, set_routes, free_vm },
	{ "cpuid", make_vm, set_cpuid, free_vm },
	{ "run", make_toucher, run_guest, finish_guest, .tolerates = EFAULT },
	{ "run_user", make_user_toucher, run_guest, finish_guest, .tolerates = EFAULT },
	{ "touch", make_with_gmem, first_touch, close_gmem, .ditto = true },
	{ "punch", punch_before, punch, close_gmem, .ditto = true },
	{ "merge", equal_before, merge, equal_after, .thread = "ditto-ksmd", .ditto = true },
	{ "break", merge_before, break_shared, equal_after, .ditto = true },
	{ "unmerge", merge_before, unmerge, equal_after, .ditto = true },
	{ "fork_gmem", forked_before, fork_gmem, forked_after, .ditto = true },
	{ "write_forked", shared_by_fork, write_to_forked, written_after, .ditto = true },
	{ "fork_machine", make_used, fork_machine, close_both, .ditto = true },
	{ "fork_resettable", make_used, fork_resettable, close_both, .ditto = true },
	{ "reset_machine", make_resettable, reset_machine, reset_after, .ditto = true },
	{ "adopt", make_marked, run_guest, marked_after, .tolerates = EFAULT, .ditto = true },
	{ "guest_memfd", make_protected, create_guest_memfd, close_both },
	{ "attributes", make_protected, set_attributes, free_vm },
	{ "ring", make_ringed, create_vcpu, close_both },
	{ "log", make_vm, log_slot, free_vm },
	{ "pre_fault", make_user_untouched, pre_fault, free_vm },
	{ "disk", make_disk, create_disk, close_gmem, .ditto = true },
	{ "teardown", make_used, tear_down, ignore },
};

int main(int argc, char **argv)
{
	struct tap_test tests[ARRAY_SIZE(operations)];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(operations); i++)
		tests[i] = (struct tap_test) { operations[i].name, repeat, &operations[i], 90 };
	return tap_main(argc, argv, tests, ARRAY_SIZE(tests));
}
