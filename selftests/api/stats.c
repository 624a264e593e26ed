// SPDX-License-Identifier: GPL-2.0-only
/*
 * The files of KVM_GET_STATS_FD: they describe themselves, count, and outlive the process that made
 * them. And what only they can show: how few page tables a machine has.
 */
#include <fcntl.h>
#include <linux/falloc.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

#include "forked.h"
#include "knobs.h"
#include "vm.h"

static struct kvm_stats_header header_of(int fd)
{
	struct kvm_stats_header h;

	ASSERT_EQ(pread(fd, &h, sizeof(h), 0), sizeof(h));
	ASSERT_EQ(h.flags, 0);
	ASSERT(h.num_desc > 0 && h.name_size > 0 && h.name_size <= 64);
	ASSERT(h.id_offset >= sizeof(h) && h.desc_offset >= sizeof(h));
	ASSERT(h.data_offset >= h.desc_offset + h.num_desc * (16 + h.name_size));
	return h;
}

static void id_of(int fd, char *id)
{
	struct kvm_stats_header h = header_of(fd);

	ASSERT_EQ(pread(fd, id, h.name_size, h.id_offset), h.name_size);
	ASSERT(strnlen(id, h.name_size) < h.name_size);
}

/* The sum of a name's values; every descriptor on the way has to make sense. */
static u64 stat_of(int fd, const char *name, u32 type)
{
	struct kvm_stats_header h = header_of(fd);
	struct {
		struct kvm_stats_desc desc;
		char name[64];
	} d;
	u64 value[64], sum;
	u32 i, j;

	for (i = 0; i < h.num_desc; i++) {
		ASSERT_EQ(pread(fd, &d, 16 + h.name_size, h.desc_offset + i * (16 + h.name_size)),
			  16 + h.name_size);
		ASSERT(strnlen(d.name, h.name_size) < h.name_size);
		ASSERT((d.desc.flags & KVM_STATS_TYPE_MASK) <= KVM_STATS_TYPE_MAX);
		ASSERT((d.desc.flags & KVM_STATS_UNIT_MASK) <= KVM_STATS_UNIT_MAX);
		ASSERT((d.desc.flags & KVM_STATS_BASE_MASK) <= KVM_STATS_BASE_MAX);
		ASSERT(d.desc.size >= 1 && d.desc.size <= ARRAY_SIZE(value));
		ASSERT_EQ(pread(fd, value, 8 * d.desc.size, h.data_offset + d.desc.offset),
			  8 * d.desc.size);
		if (strcmp(d.name, name))
			continue;
		ASSERT_EQ(d.desc.flags & KVM_STATS_TYPE_MASK, type);
		for (sum = 0, j = 0; j < d.desc.size; j++)
			sum += value[j];
		return sum;
	}
	fail("there is no %s", name);
}

static void ignore(int sig)
{
}

static void vcpu_file(const void *arg)
{
	struct vm *vm = vm_new(&(struct vm_config) { .vcpus = 2 });
	int fd = CHECKED(ioctl(vm->vcpu[1].fd, KVM_GET_STATS_FD, 0));
	int other = CHECKED(ioctl(vm->vcpu[0].fd, KVM_GET_STATS_FD, 0));
	u64 before = stat_of(fd, "exits", KVM_STATS_TYPE_CUMULATIVE), after;
	char id[64], want[64];

	id_of(fd, id);
	sprintf(want, "kvm-%d/vcpu-1", getpid());
	ASSERT(!strcmp(id, want));
	vcpu_call(&vm->vcpu[0], "g_arith", 0);
	vcpu_run_done(&vm->vcpu[0]);
	ASSERT_EQ(stat_of(fd, "exits", KVM_STATS_TYPE_CUMULATIVE), before);
	after = stat_of(other, "exits", KVM_STATS_TYPE_CUMULATIVE);
	ASSERT(after > 0);
	if (tap.ditto)
		ASSERT_EQ(stat_of(other, "io_exits", KVM_STATS_TYPE_CUMULATIVE), 1);
	vm_free(vm);
	ASSERT_EQ(stat_of(other, "exits", KVM_STATS_TYPE_CUMULATIVE), after);
}

/* A halt that an alarm ends is waited for, asleep or not; and the histograms say the same. */
static void halts(const void *arg)
{
	struct itimerval soon = { .it_value.tv_usec = 50000 };
	struct sigaction action = { .sa_handler = ignore };
	struct vm *vm = vm_new(NULL);
	int fd = CHECKED(ioctl(vm->vcpu[0].fd, KVM_GET_STATS_FD, 0));
	const u32 count = KVM_STATS_TYPE_CUMULATIVE, hist = KVM_STATS_TYPE_LOG_HIST;

	sigaction(SIGALRM, &action, NULL);
	ASSERT_EQ(stat_of(fd, "halt_wait_ns", count), 0);
	ASSERT_EQ(stat_of(fd, "halt_wait_hist", hist), 0);
	vcpu_call(&vm->vcpu[0], "g_hlt", 0);
	CHECKED(setitimer(ITIMER_REAL, &soon, NULL));
	ASSERT_EQ(vcpu_enter(&vm->vcpu[0]), -EINTR);
	ASSERT(stat_of(fd, "halt_wait_ns", count) > 20000000);
	ASSERT(stat_of(fd, "halt_wait_ns", count) < 10000000000);
	ASSERT_EQ(stat_of(fd, "halt_wait_hist", hist), 1);
	ASSERT_EQ(stat_of(fd, "halt_poll_fail_hist", hist) +
		  stat_of(fd, "halt_poll_success_hist", hist),
		  stat_of(fd, "halt_attempted_poll", count));
	ASSERT_EQ(stat_of(fd, "halt_exits", count), 1);
	ASSERT_EQ(stat_of(fd, "halt_wakeup", count), 0);
	ASSERT_EQ(stat_of(fd, "blocking", KVM_STATS_TYPE_INSTANT), 0);
	ASSERT_EQ(stat_of(fd, "signal_exits", count), 1);
	vm_free(vm);
}

/* What monitors of stock KVM ask for, by its names. */
static void events_counted(const void *arg)
{
	struct vm *vm = vm_new(NULL);
	int fd = CHECKED(ioctl(vm->vcpu[0].fd, KVM_GET_STATS_FD, 0)), n = 0;
	const u32 count = KVM_STATS_TYPE_CUMULATIVE;

	vcpu_call(&vm->vcpu[0], "g_mmio_to_register", 0);
	while (vcpu_enter(&vm->vcpu[0]) == KVM_EXIT_MMIO)
		n++;
	ASSERT(n > 0);
	ASSERT_EQ(stat_of(fd, "mmio_exits", count), n);
	ASSERT(stat_of(fd, "insn_emulation", count) > 0);
	ASSERT_EQ(stat_of(fd, "insn_emulation_fail", count), 0);
	ASSERT_EQ(stat_of(fd, "nmi_injections", count), 0);
	CHECKED(ioctl(vm->vcpu[0].fd, KVM_NMI, 0));
	vcpu_call(&vm->vcpu[0], "g_nothing", 0);
	vcpu_enter(&vm->vcpu[0]);
	ASSERT_EQ(stat_of(fd, "nmi_injections", count), 1);
	ASSERT_EQ(stat_of(fd, "irq_injections", count), 0);
	stat_of(fd, "invlpg", count);
	stat_of(fd, "hypercalls", count);
	stat_of(fd, "irq_exits", count);
	vm_free(vm);
}

static void vm_file(const void *arg)
{
	struct vm *vm = vm_new(NULL);
	int fd = CHECKED(ioctl(vm->fd, KVM_GET_STATS_FD, 0)), vcpu;
	char id[64], want[64], byte, *volatile nowhere = (char *)8;

	id_of(fd, id);
	sprintf(want, "kvm-%d", getpid());
	ASSERT(!strcmp(id, want));
	if (tap.ditto) {
		ASSERT_EQ(stat_of(fd, "ram", KVM_STATS_TYPE_INSTANT), vm->ram_size);
		ASSERT(stat_of(fd, "resident", KVM_STATS_TYPE_INSTANT) <= vm->ram_size);
	}
	stat_of(fd, "remote_tlb_flush", KVM_STATS_TYPE_CUMULATIVE);
	stat_of(fd, "remote_tlb_flush_requests", KVM_STATS_TYPE_CUMULATIVE);
	if (tap.ditto) {
		struct ditto_fork args = { .capacity = 1, .vcpu_fds = (uintptr_t)&vcpu };
		u64 ns = stat_of(fd, "pause_ns", KVM_STATS_TYPE_CUMULATIVE);

		ASSERT_EQ(ns, 0);
		CHECKED(ioctl(vm->fd, DITTO_FORK, &args));
		ASSERT_EQ(stat_of(fd, "pauses", KVM_STATS_TYPE_CUMULATIVE), 1);
		ASSERT(stat_of(fd, "pause_ns", KVM_STATS_TYPE_CUMULATIVE) > 0);
		close(vcpu);
		close(args.vm_fd);
	}
	/* Behind its end, at nowhere, and what no reader does. */
	ASSERT_EQ(pread(fd, &byte, 1, 1 << 20), 0);
	ASSERT_ERRNO(pread(fd, &byte, 1, -1), EINVAL);
	ASSERT_ERRNO(pread(fd, nowhere, 16, 0), EFAULT);
	ASSERT_ERRNO(write(fd, &byte, 1), EBADF);
	vm_free(vm);
	id_of(fd, id);
}

/* The number of this process's machine of that name. */
static u64 number_of(int dev, const char *name)
{
	struct ditto_vm_info info[64];
	struct ditto_vm_list list = { .capacity = 64, .vms = (uintptr_t)info };
	u32 i;

	CHECKED(ioctl(dev, DITTO_LIST_VMS, &list));
	for (i = 0; i < list.count && i < 64; i++)
		if (info[i].pid == (u32)getpid() && !strcmp(info[i].name, name))
			return info[i].id;
	fail("no machine %s", name);
}

/* A file with what those get who are not the VMM. */
static int file_by_number(int dev, u64 id)
{
	static char data[32 * 1024];
	struct ditto_vm_stats args = { .id = id, .size = sizeof(data), .data = (uintptr_t)data };
	int fd = CHECKED(memfd_create("stats", 0));

	CHECKED(ioctl(dev, DITTO_VM_STATS, &args));
	ASSERT(args.size > sizeof(struct kvm_stats_header) && args.size <= sizeof(data));
	ASSERT_EQ(write(fd, data, args.size), args.size);
	return fd;
}

static u64 by_number(int dev, u64 id, const char *name, u32 type)
{
	int fd = file_by_number(dev, id);
	u64 value = stat_of(fd, name, type);

	close(fd);
	return value;
}

#define NOBODY		65534

/* What is refused, and how much is written where there is not enough room. */
static void number_refused(int dev, u64 id)
{
	struct ditto_vm_stats args = { .id = id }, whole;
	char data[64];

	CHECKED(ioctl(dev, DITTO_VM_STATS, &args));
	whole = args;
	ASSERT(whole.size > sizeof(data));
	memset(data, 'x', sizeof(data));
	args = (struct ditto_vm_stats) { .id = id, .size = 24, .data = (uintptr_t)data };
	CHECKED(ioctl(dev, DITTO_VM_STATS, &args));
	ASSERT_EQ(args.size, whole.size);
	ASSERT(data[24] == 'x' && ((struct kvm_stats_header *)data)->num_desc > 0);
	args.data = 8;
	ASSERT_ERRNO(ioctl(dev, DITTO_VM_STATS, &args), EFAULT);
	args = (struct ditto_vm_stats) { .id = id, .reserved = 1 };
	ASSERT_ERRNO(ioctl(dev, DITTO_VM_STATS, &args), EINVAL);
	args = (struct ditto_vm_stats) { .id = ~0ull };
	ASSERT_ERRNO(ioctl(dev, DITTO_VM_STATS, &args), ENOENT);
	args.id = id;
	CHECKED(seteuid(NOBODY));
	ASSERT_ERRNO(ioctl(dev, DITTO_VM_STATS, &args), ENOENT);
	CHECKED(seteuid(0));
}

/* What is in pieces of 2 MiB, while it is; where the host has none this is 0. */
static void number_huge(int dev, u64 id, struct vm *vm)
{
	const u64 piece = 2ul << 20;
	const u32 now = KVM_STATS_TYPE_INSTANT;
	int fd = gmem_new(2 * piece, DITTO_GMEM_HUGEPAGE);
	u8 *map = gmem_map(fd, 2 * piece);
	struct ditto_gmem_stats s;

	CHECKED(vm_set_gmem_slot(vm, 5, 0, 0x40000000, 2 * piece, fd, 0));
	ASSERT_EQ(by_number(dev, id, "huge", now), 0);
	map[5] = 1;
	CHECKED(ioctl(fd, DITTO_GMEM_STATS, &s));
	ASSERT(s.huge_bytes == piece || s.private_bytes < piece);
	ASSERT_EQ(by_number(dev, id, "huge", now), s.huge_bytes);
	CHECKED(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, PAGE_SIZE));
	ASSERT_EQ(by_number(dev, id, "huge", now), 0);
	CHECKED(vm_set_gmem_slot(vm, 5, 0, 0x40000000, 0, fd, 0));
	munmap(map, 2 * piece);
	close(fd);
}

/* Who may see a machine gets its statistics by its number, sums over vCPUs and all kinds. */
static void number(const void *arg)
{
	const u32 count = KVM_STATS_TYPE_CUMULATIVE, now = KVM_STATS_TYPE_INSTANT;
	struct ditto_vm_name name = { "numbered" };
	struct vm *vm, *child;
	u64 id, unique;
	int dev;

	need_ditto();
	dev = dev_open();
	vm = vm_new(&(struct vm_config) { .vcpus = 2 });
	CHECKED(ioctl(vm->fd, DITTO_SET_NAME, &name));
	id = number_of(dev, "numbered");
	vcpu_call(&vm->vcpu[0], "g_arith", 0);
	vcpu_run_done(&vm->vcpu[0]);
	vcpu_call(&vm->vcpu[1], "g_arith", 0);
	vcpu_run_done(&vm->vcpu[1]);
	ASSERT_EQ(by_number(dev, id, "io_exits", count), 2);
	ASSERT(by_number(dev, id, "exits", count) > 2);
	ASSERT_EQ(by_number(dev, id, "vcpus", now), 2);
	ASSERT_EQ(by_number(dev, id, "ram", now), vm->ram_size);
	unique = by_number(dev, id, "unique", now);
	ASSERT_EQ(by_number(dev, id, "forked", now), 0);
	number_refused(dev, id);
	if (vm->gmem >= 0) {
		number_huge(dev, id, vm);
		ASSERT(unique > 0);
		child = fork_vm(vm);
		ASSERT_EQ(by_number(dev, id, "unique", now), 0);
		ASSERT_EQ(by_number(dev, id, "forked", now), unique);
		/* A page comes beside them: their chunk is copied, and they are no less forked. */
		vm->ram[0] ^= 1;
		ASSERT_EQ(by_number(dev, id, "unique", now), PAGE_SIZE);
		ASSERT_EQ(by_number(dev, id, "forked", now), unique);
		vm_free(child);
	}
	vm_free(vm);
	ASSERT_ERRNO(ioctl(dev, DITTO_VM_STATS, &((struct ditto_vm_stats) { .id = id })), ENOENT);
	close(dev);
}

#define SPREAD		128	/* pages, each below a table of its own */
#define SPREAD_GPA	0x20000000ul
#define FEW		4	/* faults: the guest's own page tables may have been dropped */

/* The guest reads them; how often it faulted. */
static u64 faults_of_reads(struct vm *vm, int stats)
{
	u64 before = stat_of(stats, "tdp_fault_exits", KVM_STATS_TYPE_CUMULATIVE), n;

	for (n = 0; n < SPREAD; n++) {
		vcpu_call(&vm->vcpu[0], "g_read", SPREAD_GPA + n * 2 * MIB);
		ASSERT_EQ(vcpu_enter(&vm->vcpu[0]), KVM_EXIT_IO);
		ASSERT_EQ(vm->vcpu[0].run->io.port, GUEST_PORT_TRACE);
	}
	return stat_of(stats, "tdp_fault_exits", KVM_STATS_TYPE_CUMULATIVE) - before;
}

/* What the VMM's limit for page tables takes away, the guest faults in again. */
static void few_tables(const void *arg)
{
	size_t size = SPREAD * 2 * MIB;
	struct vm *vm;
	u64 faults;
	int stats;
	void *p;

	need_ditto();
	if (knob_shadow())
		skip("shadow tables go whenever the VMM sets registers");
	vm = vm_new(&(struct vm_config) { .user = true });
	p = mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	ASSERT(p != MAP_FAILED);
	madvise(p, size, MADV_NOHUGEPAGE);
	CHECKED(vm_set_slot(vm, 1, 0, SPREAD_GPA, size, p));
	stats = CHECKED(ioctl(vm->vcpu[0].fd, KVM_GET_STATS_FD, 0));
	ASSERT_ERRNO(ioctl(vm->fd, KVM_SET_NR_MMU_PAGES, 0), EINVAL);
	ASSERT_ERRNO(ioctl(vm->fd, KVM_SET_NR_MMU_PAGES, 63), EINVAL);
	ASSERT(faults_of_reads(vm, stats) >= SPREAD);
	ASSERT(faults_of_reads(vm, stats) <= FEW);
	CHECKED(ioctl(vm->fd, KVM_SET_NR_MMU_PAGES, -1l));
	ASSERT(faults_of_reads(vm, stats) <= FEW);
	CHECKED(ioctl(vm->fd, KVM_SET_NR_MMU_PAGES, 64));
	faults = faults_of_reads(vm, stats);
	note("%lu faults, %d reads", faults, SPREAD);
	ASSERT(faults >= SPREAD);
	/* And again: they do not fit. */
	ASSERT(faults_of_reads(vm, stats) > SPREAD / 2);
	/* A change of slots keeps the limit. */
	CHECKED(vm_set_slot(vm, 2, 0, 1ul << 32, MIB, p));
	ASSERT(faults_of_reads(vm, stats) > SPREAD / 2);
	CHECKED(ioctl(vm->fd, KVM_SET_NR_MMU_PAGES, 4096));
	faults_of_reads(vm, stats);
	ASSERT(faults_of_reads(vm, stats) <= FEW);
	vm_free(vm);
}

/* What was mapped ahead, the guest does not fault in. */
static void mapped_ahead(const void *arg)
{
	size_t size = SPREAD * 2 * MIB;
	struct pre_fault range = { SPREAD_GPA, size };
	struct vm *vm;
	int stats;
	void *p;

	need_ditto();
	vm = vm_new(&(struct vm_config) { .user = true });
	p = mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	ASSERT(p != MAP_FAILED);
	CHECKED(vm_set_slot(vm, 1, 0, SPREAD_GPA, size, p));
	stats = CHECKED(ioctl(vm->vcpu[0].fd, KVM_GET_STATS_FD, 0));
	/* The image itself. */
	vcpu_call(&vm->vcpu[0], "g_read", 0);
	ASSERT_EQ(vcpu_enter(&vm->vcpu[0]), KVM_EXIT_IO);
	CHECKED(ioctl(vm->vcpu[0].fd, PRE_FAULT_MEMORY, &range));
	ASSERT_EQ(range.size, 0);
	ASSERT(faults_of_reads(vm, stats) <= FEW);
	vm_free(vm);
}

static const struct tap_test tests[] = {
	{ "vcpu_file", vcpu_file },
	{ "vm_file", vm_file },
	{ "number", number },
	{ "halts", halts }, { "events_counted", events_counted },
	{ "few_tables", few_tables },
	{ "mapped_ahead", mapped_ahead },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, tests, ARRAY_SIZE(tests));
}
