// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_GET_STATS_FD: counters of a VM or a vCPU, with their names, in a file; and DITTO_VM_STATS, by
 * which others than the VMM get that of a VM.
 *
 * The file is a header, a name of the object, a descriptor of each counter, and the
 * counters.  All of it is made anew for each read, so a read sees counters of one
 * moment, as far as they stand still.
 */
#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kvm.h>
#include <linux/pid.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "core/ioctl.h"
#include "core/vm.h"
#include "gmem/gmem.h"
#include "mmu/mmu.h"

#define STATS_NAME	48	/* bytes of each name, as in KVM's own files */

/**
 * struct stats_desc - struct kvm_stats_desc as user space sees it, with its name
 * @flags: type, unit and base of the counter
 * @exponent: of the base
 * @size: values
 * @offset: of the first, among the counters
 * @bucket_size: of histograms
 * @name: how it is called
 */
struct stats_desc {
	u32 flags;
	s16 exponent;
	u16 size;
	u32 offset;
	u32 bucket_size;
	char name[STATS_NAME];
};
static_assert(offsetof(struct stats_desc, name) == offsetof(struct kvm_stats_desc, name) &&
	      offsetof(struct stats_desc, bucket_size) ==
	      offsetof(struct kvm_stats_desc, bucket_size));

/**
 * struct stats - the file while it is being made; what it begins with
 * @header: says where the rest is
 * @id: name of the object
 * @desc: header.num_desc descriptors, and behind them their values
 */
struct stats {
	struct kvm_stats_header header;
	char id[STATS_NAME];
	struct stats_desc desc[];
};

/**
 * struct stats_item - a counter, and where it is
 * @name: how it is called
 * @flags: type, unit and base
 * @exponent: of the base
 * @size: values, one behind the other
 * @at: offset of the first u64 in the object
 */
struct stats_item {
	const char *name;
	u32 flags;
	s16 exponent;
	u16 size;
	u32 at;
};

#define ITEM(_name, _flags, _exponent, _size, _at) \
	{ .name = _name, .flags = _flags, .exponent = _exponent, .size = _size, .at = _at }
#define COUNT(name, at) \
	ITEM(name, KVM_STATS_TYPE_CUMULATIVE | KVM_STATS_UNIT_NONE | KVM_STATS_BASE_POW10, 0, 1, at)
#define NSEC(name, at) \
	ITEM(name, KVM_STATS_TYPE_CUMULATIVE | KVM_STATS_UNIT_SECONDS | KVM_STATS_BASE_POW10, \
	     -9, 1, at)
#define HIST(name, size, at) \
	ITEM(name, KVM_STATS_TYPE_LOG_HIST | KVM_STATS_UNIT_SECONDS | KVM_STATS_BASE_POW10, \
	     -9, size, at)
#define BOOLEAN(name, at) \
	ITEM(name, KVM_STATS_TYPE_INSTANT | KVM_STATS_UNIT_BOOLEAN | KVM_STATS_BASE_POW10, 0, 1, at)
#define NUMBER(name, at) \
	ITEM(name, KVM_STATS_TYPE_INSTANT | KVM_STATS_UNIT_NONE | KVM_STATS_BASE_POW10, 0, 1, at)
#define BYTES(name, at) \
	ITEM(name, KVM_STATS_TYPE_INSTANT | KVM_STATS_UNIT_BYTES | KVM_STATS_BASE_POW2, 0, 1, at)

#define AT(member)		offsetof(struct vcpu, member)
#define HALT(member)		AT(halt.member)
#define DONE(member)		AT(counts.member)
#define EXITS(kind, name)	COUNT(#name "_exits", AT(exits[EXIT_##kind])),

/* The first is the sum of those in vcpu->exits. Names of KVM's, where it has the same. */
static const struct stats_item stats_vcpu[] = {
	COUNT("exits", AT(exits)),
	COUNT("halt_successful_poll", HALT(successful)),
	COUNT("halt_attempted_poll", HALT(attempted)),
	COUNT("halt_poll_invalid", HALT(invalid)),
	COUNT("halt_wakeup", HALT(wakeups)),
	NSEC("halt_poll_success_ns", HALT(success_ns)),
	NSEC("halt_poll_fail_ns", HALT(fail_ns)),
	NSEC("halt_wait_ns", HALT(wait_ns)),
	HIST("halt_poll_success_hist", HALT_BUCKETS, HALT(success_hist)),
	HIST("halt_poll_fail_hist", HALT_BUCKETS, HALT(fail_hist)),
	HIST("halt_wait_hist", HALT_BUCKETS, HALT(wait_hist)),
	BOOLEAN("blocking", HALT(blocking)),
	COUNT("pf_taken", AT(exits[EXIT_TDP_FAULT])),
	COUNT("irq_exits", AT(exits[EXIT_HOST_IRQ])),
	COUNT("halt_exits", AT(exits[EXIT_HLT])),
	COUNT("notify_window_exits", AT(exits[EXIT_NOTIFY])),
	COUNT("hypercalls", AT(exits[EXIT_HYPERCALL])),
	COUNT("invlpg", AT(exits[EXIT_INVLPG])),
	COUNT("mmio_exits", DONE(mmio)),
	COUNT("signal_exits", DONE(signals)),
	COUNT("insn_emulation", DONE(emulated)),
	COUNT("insn_emulation_fail", DONE(not_emulated)),
	COUNT("irq_injections", DONE(irqs)),
	COUNT("nmi_injections", DONE(nmis)),
	EXIT_KINDS(EXITS, EXITS)
};

/**
 * struct stats_vm_values - the counters of a VM, gathered
 * @info: of its memory
 * @kinds: likewise
 * @flush_requests: see struct vm
 * @flushes: likewise
 * @pauses: likewise
 * @pause_ns: likewise
 * @vcpus: how many it has; what follows are sums over them
 * @halt_wait_ns: see struct vcpu_halt
 * @counts: see struct vcpu
 * @all_exits: the sum of @exits
 * @exits: see struct vcpu
 */
struct stats_vm_values {
	struct ditto_vm_info info;
	struct gmem_kinds kinds;
	u64 flush_requests, flushes, pauses, pause_ns;
	u64 vcpus, halt_wait_ns;
	struct vcpu_counts counts;
	u64 all_exits, exits[EXIT_NR];
};

#define VM_AT(member)		offsetof(struct stats_vm_values, member)
#define VM_EXITS(kind, name)	COUNT(#name "_exits", VM_AT(exits[EXIT_##kind])),

static const struct stats_item stats_vm[] = {
	BYTES("ram", VM_AT(info.ram_bytes)),
	BYTES("resident", VM_AT(info.resident_bytes)),
	BYTES("shared", VM_AT(info.shared_bytes)),
	BYTES("saved", VM_AT(info.saved_bytes)),
	BYTES("unique", VM_AT(kinds.unique)),
	BYTES("merged", VM_AT(kinds.merged)),
	BYTES("forked", VM_AT(kinds.forked)),
	BYTES("compressed", VM_AT(kinds.compressed)),
	BYTES("compressed_to", VM_AT(kinds.compressed_to)),
	BYTES("zero", VM_AT(kinds.zero)),
	BYTES("huge", VM_AT(kinds.huge)),
	COUNT("breaks", VM_AT(kinds.breaks)),
	COUNT("remote_tlb_flush", VM_AT(flushes)),
	COUNT("remote_tlb_flush_requests", VM_AT(flush_requests)),
	COUNT("pauses", VM_AT(pauses)),
	NSEC("pause_ns", VM_AT(pause_ns)),
	NUMBER("vcpus", VM_AT(vcpus)),
	NSEC("halt_wait_ns", VM_AT(halt_wait_ns)),
	COUNT("exits", VM_AT(all_exits)),
	COUNT("mmio_exits", VM_AT(counts.mmio)),
	COUNT("signal_exits", VM_AT(counts.signals)),
	COUNT("insn_emulation", VM_AT(counts.emulated)),
	COUNT("irq_injections", VM_AT(counts.irqs)),
	COUNT("nmi_injections", VM_AT(counts.nmis)),
	EXIT_KINDS(VM_EXITS, VM_EXITS)
};

static unsigned int stats_values(const struct stats_item *items, unsigned int nr)
{
	unsigned int i, values = 0;

	for (i = 0; i < nr; i++)
		values += items[i].size;
	return values;
}

/* What the file consists of. */
static size_t stats_size(const struct stats_item *items, unsigned int nr)
{
	return struct_size_t(struct stats, desc, nr) + stats_values(items, nr) * sizeof(u64);
}

/* One counter, from the values at @from; @offset is where it has its place in the file. */
static void stats_put(struct stats *s, u32 i, const struct stats_item *item, const u64 *from,
		      u32 offset)
{
	u64 *to = (void *)s + s->header.data_offset + offset;
	unsigned int j;

	s->desc[i] = (struct stats_desc) {
		.flags = item->flags, .exponent = item->exponent, .size = item->size,
		.offset = offset,
	};
	strscpy(s->desc[i].name, item->name, STATS_NAME);
	for (j = 0; j < item->size; j++)
		to[j] = READ_ONCE(from[j]);
}

/* The file, except for its name; NULL without memory. */
static struct stats *stats_new(const struct stats_item *items, unsigned int nr, const void *object)
{
	struct stats *s = kzalloc(stats_size(items, nr), GFP_KERNEL_ACCOUNT);
	u32 i, offset = 0;

	if (!s)
		return NULL;
	s->header = (struct kvm_stats_header) {
		.name_size = STATS_NAME,
		.num_desc = nr,
		.id_offset = offsetof(struct stats, id),
		.desc_offset = offsetof(struct stats, desc),
		.data_offset = struct_size_t(struct stats, desc, nr),
	};
	for (i = 0; i < nr; i++) {
		stats_put(s, i, &items[i], object + items[i].at, offset);
		offset += items[i].size * sizeof(u64);
	}
	return s;
}

static u64 stats_sum_exits(const struct vcpu *vcpu)
{
	u64 sum = 0;
	u32 i;

	for (i = 0; i < EXIT_NR; i++)
		sum += READ_ONCE(vcpu->exits[i]);
	return sum;
}

static ssize_t stats_read_vcpu(struct file *file, char __user *user, size_t count, loff_t *pos)
{
	const struct vcpu *vcpu = file->private_data;
	struct stats *s = stats_new(stats_vcpu, ARRAY_SIZE(stats_vcpu), vcpu);
	ssize_t ret;

	if (!s)
		return -ENOMEM;
	*(u64 *)((void *)s + s->header.data_offset) = stats_sum_exits(vcpu);
	snprintf(s->id, STATS_NAME, "kvm-%d/vcpu-%u", pid_vnr(vcpu->vm->pid), vcpu->id);
	ret = simple_read_from_buffer(user, count, pos, s,
				    stats_size(stats_vcpu, ARRAY_SIZE(stats_vcpu)));
	kfree(s);
	return ret;
}

static void stats_add_vcpu(struct stats_vm_values *values, const struct vcpu *vcpu)
{
	u32 i;

	values->vcpus++;
	values->halt_wait_ns += READ_ONCE(vcpu->halt.wait_ns);
	values->counts.mmio += READ_ONCE(vcpu->counts.mmio);
	values->counts.signals += READ_ONCE(vcpu->counts.signals);
	values->counts.emulated += READ_ONCE(vcpu->counts.emulated);
	values->counts.irqs += READ_ONCE(vcpu->counts.irqs);
	values->counts.nmis += READ_ONCE(vcpu->counts.nmis);
	for (i = 0; i < EXIT_NR; i++) {
		u64 exits = READ_ONCE(vcpu->exits[i]);

		values->exits[i] += exits;
		values->all_exits += exits;
	}
}

/* The file of a VM; NULL without memory. None of the VM's mutexes is taken: see vm_describe(). */
static struct stats *stats_of_vm(struct vm *vm)
{
	struct stats_vm_values values = {
		.flush_requests = READ_ONCE(vm->flush_requests), .flushes = READ_ONCE(vm->flushes),
		.pauses = READ_ONCE(vm->pauses), .pause_ns = READ_ONCE(vm->pause_ns),
	};
	struct vcpu *vcpu;
	struct stats *s;
	u32 i;

	mmu_stats(&vm->mmu, &values.info);
	mmu_kinds(&vm->mmu, &values.kinds);
	vm_for_each_vcpu(vm, i, vcpu)
		stats_add_vcpu(&values, vcpu);
	s = stats_new(stats_vm, ARRAY_SIZE(stats_vm), &values);
	if (s)
		snprintf(s->id, STATS_NAME, "kvm-%d", pid_vnr(vm->pid));
	return s;
}

static ssize_t stats_read_vm(struct file *file, char __user *user, size_t count, loff_t *pos)
{
	struct stats *s = stats_of_vm(file->private_data);
	ssize_t ret;

	if (!s)
		return -ENOMEM;
	ret = simple_read_from_buffer(user, count, pos, s,
				    stats_size(stats_vm, ARRAY_SIZE(stats_vm)));
	kfree(s);
	return ret;
}

/* As much of @s as there is room for. */
static int stats_give(const struct stats *s, struct ditto_vm_stats *args)
{
	u64 size = stats_size(stats_vm, ARRAY_SIZE(stats_vm));

	if (copy_to_user(u64_to_user_ptr(args->data), s, min(args->size, size)))
		return -EFAULT;
	args->size = size;
	return 0;
}

/**
 * system_ioctl_vm_stats() - DITTO_VM_STATS
 * @args: copied in, and out
 *
 * Unlike a file of KVM_GET_STATS_FD this keeps no machine alive.
 *
 * Return: 0, -EINVAL, -ENOENT, -ENOMEM or -EFAULT.
 */
int system_ioctl_vm_stats(struct ditto_vm_stats *args)
{
	struct stats *s;
	struct vm *vm;
	int err;

	if (args->reserved)
		return -EINVAL;
	vm = vm_find(args->id);
	if (!vm)
		return -ENOENT;
	s = stats_of_vm(vm);
	vm_put_later(vm);
	if (!s)
		return -ENOMEM;
	err = stats_give(s, args);
	kfree(s);
	return err;
}

static int stats_release_vcpu(struct inode *inode, struct file *file)
{
	struct vcpu *vcpu = file->private_data;

	vm_put(vcpu->vm);
	return 0;
}

static const struct file_operations stats_vcpu_fops = {
	.owner = THIS_MODULE,
	.read = stats_read_vcpu,
	.release = stats_release_vcpu,
	.llseek = noop_llseek,
};

static const struct file_operations stats_vm_fops = {
	.owner = THIS_MODULE,
	.read = stats_read_vm,
	.release = vm_release,
	.llseek = noop_llseek,
};

/* Of @vm, which it keeps alive. */
static int stats_open(struct vm *vm, const char *name, const struct file_operations *fops,
		      void *object)
{
	int fd = get_unused_fd_flags(O_CLOEXEC);
	struct file *file;

	if (fd < 0)
		return fd;
	file = anon_inode_getfile(name, fops, object, O_RDONLY);
	if (IS_ERR(file)) {
		put_unused_fd(fd);
		return PTR_ERR(file);
	}
	vm_get(vm);
	/* Readers know from the header where to look. */
	file->f_mode |= FMODE_PREAD;
	fd_install(fd, file);
	return fd;
}

/**
 * vm_ioctl_stats_fd() - KVM_GET_STATS_FD of a VM
 * @vm: any
 *
 * Return: an fd; -EMFILE, -ENFILE, -ENOMEM.
 */
int vm_ioctl_stats_fd(struct vm *vm)
{
	return stats_open(vm, "ditto-vm-stats", &stats_vm_fops, vm);
}

/**
 * vcpu_ioctl_stats_fd() - KVM_GET_STATS_FD of a vCPU
 * @vcpu: owned
 *
 * The file is read without owning the vCPU: while it runs, too.
 *
 * Return: an fd; -EMFILE, -ENFILE, -ENOMEM.
 */
int vcpu_ioctl_stats_fd(struct vcpu *vcpu)
{
	return stats_open(vcpu->vm, "ditto-vcpu-stats", &stats_vcpu_fops, vcpu);
}
