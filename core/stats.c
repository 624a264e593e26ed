// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_GET_STATS_FD: counters of a VM or a vCPU, with their names, in a file.
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

#include "core/core.h"
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
 * @desc: header.num_desc descriptors, and behind them as many counters
 */
struct stats {
	struct kvm_stats_header header;
	char id[STATS_NAME];
	struct stats_desc desc[];
};

static size_t stats_size(u32 nr)
{
	return sizeof(struct stats) + nr * (sizeof(struct stats_desc) + sizeof(u64));
}

static struct stats *stats_new(u32 nr)
{
	struct stats *s = kzalloc(stats_size(nr), GFP_KERNEL_ACCOUNT);

	if (!s)
		return NULL;
	s->header = (struct kvm_stats_header) {
		.name_size = STATS_NAME,
		.num_desc = nr,
		.id_offset = offsetof(struct stats, id),
		.desc_offset = offsetof(struct stats, desc),
		.data_offset = offsetof(struct stats, desc[nr]),
	};
	return s;
}

static void stats_set(struct stats *s, u32 i, const char *name, u32 flags, u64 value)
{
	u64 *data = (void *)s + s->header.data_offset;

	s->desc[i] = (struct stats_desc) {
		.flags = flags, .size = 1, .offset = i * sizeof(u64),
	};
	strscpy(s->desc[i].name, name, STATS_NAME);
	data[i] = value;
}

/* Copies what is wanted of it, and frees it. */
static ssize_t stats_read(struct stats *s, char __user *user, size_t count, loff_t *pos)
{
	ssize_t r;

	if (!s)
		return -ENOMEM;
	r = simple_read_from_buffer(user, count, pos, s, stats_size(s->header.num_desc));
	kfree(s);
	return r;
}

static ssize_t stats_read_vcpu(struct file *file, char __user *user, size_t count, loff_t *pos)
{
#define EXIT_NAME(kind, name) [EXIT_##kind] = #name "_exits",
	static const char *const names[EXIT_NR] = { EXIT_KINDS(EXIT_NAME, EXIT_NAME) };
#undef EXIT_NAME
	const u32 flags = KVM_STATS_TYPE_CUMULATIVE | KVM_STATS_UNIT_NONE | KVM_STATS_BASE_POW10;
	const struct vcpu *vcpu = file->private_data;
	struct stats *s = stats_new(EXIT_NR + 1);
	u64 count_of, sum = 0;
	u32 i;

	for (i = 0; s && i < EXIT_NR; i++) {
		count_of = READ_ONCE(vcpu->exits[i]);
		sum += count_of;
		stats_set(s, i + 1, names[i], flags, count_of);
	}
	if (s) {
		stats_set(s, 0, "exits", flags, sum);
		snprintf(s->id, STATS_NAME, "kvm-%d/vcpu-%u", pid_vnr(vcpu->vm->pid), vcpu->id);
	}
	return stats_read(s, user, count, pos);
}

static ssize_t stats_read_vm(struct file *file, char __user *user, size_t count, loff_t *pos)
{
	const u32 flags = KVM_STATS_TYPE_INSTANT | KVM_STATS_UNIT_BYTES | KVM_STATS_BASE_POW2;
	struct vm *vm = file->private_data;
	struct ditto_vm_info info = {};
	struct stats *s = stats_new(4);

	if (s) {
		mmu_stats(&vm->mmu, &info);
		stats_set(s, 0, "ram", flags, info.ram_bytes);
		stats_set(s, 1, "resident", flags, info.resident_bytes);
		stats_set(s, 2, "shared", flags, info.shared_bytes);
		stats_set(s, 3, "saved", flags, info.saved_bytes);
		snprintf(s->id, STATS_NAME, "kvm-%d", pid_vnr(vm->pid));
	}
	return stats_read(s, user, count, pos);
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
