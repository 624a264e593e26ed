// SPDX-License-Identifier: GPL-2.0-only
/*
 * VMs: their lifetime, their names and the list of all of them.  A VM lives as
 * long as its fd or one of its vCPUs' fds.  The list is kept per CPU of
 * creation, so that machines that come and go by the thousand meet no lock
 * that all of them share.
 */
#include <linux/anon_inodes.h>
#include <linux/cpumask.h>
#include <linux/ctype.h>
#include <linux/cred.h>
#include <linux/pid.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/user_namespace.h>
#include <linux/workqueue.h>
#include <asm/tsc.h>

#include "compat.h"
#include "core/ioctl.h"
#include "core/vcpu.h"
#include "core/vm.h"
#include "gmem/fork.h"
#include "mmu/mmu.h"
#include "mmu/ring.h"
#include "x86/board/coalesced.h"
#include "x86/board/iobus.h"
#include "x86/board/ioeventfd.h"
#include "x86/board/irqchip.h"
#include "x86/board/irqfd.h"
#include "x86/cpu/clock.h"
#include "x86/cpu/clocksource.h"
#include "x86/run/msr_filter.h"

/**
 * struct vm_bucket - the VMs that were created on one CPU
 * @lock: protects @vms, and with it the reference that a reader takes
 * @vms: by struct vm.node
 */
struct vm_bucket {
	spinlock_t lock;
	struct list_head vms;
};

static DEFINE_PER_CPU(struct vm_bucket, vm_buckets);
static DEFINE_PER_CPU(cpumask_var_t, vm_kick_masks);
static atomic64_t vm_last_id;
static struct workqueue_struct *vm_free_queue;

static void vm_ack(void *unused)
{
	/* Nothing to do: the interrupt itself has made the CPU leave the guest. */
}

/* Make vCPUs leave the guest, and wait for that; whether there were any. Preemption off. */
static bool vm_kick(struct vm *vm, bool flush)
{
	struct cpumask *mask = this_cpu_cpumask_var_ptr(vm_kick_masks);
	struct vcpu *vcpu;
	int cpu;
	u32 i;

	cpumask_clear(mask);
	vm_for_each_vcpu(vm, i, vcpu) {
		if (flush)
			vcpu_request(vcpu, REQ_TLB_FLUSH);
		smp_mb__after_atomic();
		cpu = vcpu_guest_cpu(vcpu);
		if (cpu >= 0)
			cpumask_set_cpu(cpu, mask);
	}
	smp_call_function_many(mask, vm_ack, NULL, true);
	return !cpumask_empty(mask);
}

/**
 * vm_collect_written() - mmu_host.collect_written
 * @mmu: of the VM
 *
 * A vCPU that leaves the guest reads its CPU's log with IRQs off, before it is out.
 */
void vm_collect_written(struct mmu *mmu)
{
	preempt_disable();
	smp_mb();
	vm_kick(container_of(mmu, struct vm, mmu), false);
	preempt_enable();
}

/**
 * vm_flush_tlbs() - mmu_host.flush_tlbs
 * @mmu: of the VM
 *
 * A vCPU that is not in the guest sees the request before it enters. One that is in the
 * guest is made to leave it, and this waits for that. Does not sleep; IRQs on.
 */
void vm_flush_tlbs(struct mmu *mmu)
{
	struct vm *vm = container_of(mmu, struct vm, mmu);

	preempt_disable();
	vm->flush_requests++;
	vm->flushes += vm_kick(vm, true);
	preempt_enable();
}

#ifdef DITTO_DEBUG
/* mmu_host.check_epoch; what a vCPU publishes is described in x86/run/run.c. */
static bool vm_check_epoch(struct mmu *mmu, u64 epoch)
{
	struct vm *vm = container_of(mmu, struct vm, mmu);
	struct vcpu *vcpu;
	u32 i;

	vm_for_each_vcpu(vm, i, vcpu) {
		if (READ_ONCE(vcpu->guest_epoch) < epoch)
			return false;
	}
	return true;
}
#endif

/* mmu_host.ring_full: the vCPU enters the guest no more before the VMM has seen to its ring. */
static void vm_ring_full(struct dirty_ring *ring)
{
	struct vcpu *vcpu = container_of(ring, struct vcpu, ring);

	vcpu_request(vcpu, REQ_RING_FULL);
	vcpu_kick(vcpu);
}

static struct mmu_host vm_mmu_host = {
	.flush_tlbs = vm_flush_tlbs,
	.collect_written = vm_collect_written,
	.ring_full = vm_ring_full,
#ifdef DITTO_DEBUG
	.check_epoch = vm_check_epoch,
#endif
};

static void vm_list_add(struct vm *vm)
{
	vm->bucket = raw_cpu_ptr(&vm_buckets);
	spin_lock(&vm->bucket->lock);
	list_add_tail(&vm->node, &vm->bucket->vms);
	spin_unlock(&vm->bucket->lock);
}

static void vm_list_del(struct vm *vm)
{
	if (!vm->bucket)
		return;
	spin_lock(&vm->bucket->lock);
	list_del(&vm->node);
	spin_unlock(&vm->bucket->lock);
}

static void vm_free_vcpus(struct vm *vm)
{
	struct vcpu *vcpu;
	unsigned long i;

	xa_for_each(&vm->vcpus, i, vcpu)
		vcpu_destroy(vcpu);
	xa_destroy(&vm->vcpus);
}

/*
 * The order is that of x86/board/irqchip.h, and the address space goes before the vCPUs:
 * until its slots are gone, merging and the mmu notifier flush the vCPUs' TLBs.
 */
static void vm_free(struct vm *vm)
{
	vm_list_del(vm);
	iobus_destroy(&vm->pio);
	iobus_destroy(&vm->mmio);
	vm_irqfds_destroy(vm);
	vm_ioeventfds_destroy(vm);
	vm_coalesced_destroy(vm);
	irqchip_destroy(vm);
	mmu_destroy(&vm->mmu);
	vm_free_vcpus(vm);
	msr_filter_free(vm);
	if (vm->base)
		vm_put(vm->base);
	gmem_tenant_uncount(vm->forker, GMEM_COUNTED_FORKS);
	put_pid(vm->pid);
	kfree(vm);
}

static void vm_release_ref(struct kref *ref)
{
	vm_free(container_of(ref, struct vm, ref));
}

/**
 * vm_get() - take a reference
 * @vm: the caller has one, or holds its bucket's lock and saw it alive
 */
void vm_get(struct vm *vm)
{
	kref_get(&vm->ref);
}

/**
 * vm_put() - drop a reference; the last one frees the VM, which sleeps
 * @vm: any
 */
void vm_put(struct vm *vm)
{
	kref_put(&vm->ref, vm_release_ref);
}

static void vm_free_work(struct work_struct *work)
{
	vm_free(container_of(work, struct vm, free_work));
}

static void vm_release_later(struct kref *ref)
{
	struct vm *vm = container_of(ref, struct vm, ref);

	INIT_WORK(&vm->free_work, vm_free_work);
	queue_work(vm_free_queue, &vm->free_work);
}

/**
 * vm_put_later() - vm_put() for who only looked at the VM, and has no part in it
 * @vm: any
 *
 * What the end of a VM takes depends on its user, who may have dropped his reference meanwhile:
 * whoever looked does not wait for it.
 */
void vm_put_later(struct vm *vm)
{
	kref_put(&vm->ref, vm_release_later);
}

static int vm_init_parts(struct vm *vm)
{
	int err;

	err = mmu_init(&vm->mmu, &vm_mmu_host);
	if (err)
		return err;
	iobus_init(&vm->pio);
	iobus_init(&vm->mmio);
	err = vm_irqfds_init(vm);
	if (err)
		goto free_mmu;
	vm_ioeventfds_init(vm);
	vm_coalesced_init(vm);
	vm_clock_init(vm);
	return 0;

free_mmu:
	mmu_destroy(&vm->mmu);
	return err;
}

/**
 * vm_alloc() - make a VM that nobody sees yet
 * @type: as of vm_create(), and valid
 *
 * The caller owns it, by uid and by pid.
 *
 * Return: it, with one reference, or ERR_PTR(-ENOMEM).
 */
struct vm *vm_alloc(unsigned long type)
{
	struct vm *vm = kzalloc(sizeof(*vm), GFP_KERNEL_ACCOUNT);
	int err;

	if (!vm)
		return ERR_PTR(-ENOMEM);
	kref_init(&vm->ref);
	mutex_init(&vm->lock);
	spin_lock_init(&vm->name_lock);
	xa_init(&vm->vcpus);
	init_waitqueue_head(&vm->resume);
	err = vm_init_parts(vm);
	if (err) {
		kfree(vm);
		return ERR_PTR(err);
	}
	vm->id = atomic64_inc_return(&vm_last_id);
	vm->mmu.owner = vm->id;
	vm->mmu.private_mem = type == KVM_X86_SW_PROTECTED_VM;
	vm->pid = get_pid(task_tgid(current));
	vm->uid = current_euid();
	return vm;
}

/**
 * vm_publish() - let a VM be seen in the list of all
 * @vm: new, and complete
 */
void vm_publish(struct vm *vm)
{
	vm_list_add(vm);
	/*
	 * A thread that handled all VMs on the list may have passed just before this VM was
	 * added.
	 */
	if (unlikely(check_tsc_unstable()))
		vm_clock_unstable(vm);
}

/**
 * vm_create() - KVM_CREATE_VM
 * @type: KVM_X86_DEFAULT_VM or KVM_X86_SW_PROTECTED_VM, whose memory can be private
 *
 * Return: an fd, or -EINVAL, -ENOMEM, -EMFILE.
 */
int vm_create(unsigned long type)
{
	struct vm *vm;
	int fd;

	if (type >= BITS_PER_LONG || !(VM_TYPES & BIT(type)))
		return -EINVAL;
	vm = vm_alloc(type);
	if (IS_ERR(vm))
		return PTR_ERR(vm);
	vm_publish(vm);
	fd = anon_inode_getfd("ditto-vm", &vm_fops, vm, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		vm_put(vm);
	return fd;
}

/**
 * vm_release() - file_operations.release of a VM's fd
 * @inode: unused
 * @file: its private data is the VM
 *
 * Return: 0.
 */
int vm_release(struct inode *inode, struct file *file)
{
	struct vm *vm = file->private_data;

	vm_put(vm);
	return 0;
}

/**
 * vm_set_clock() - KVM_SET_CLOCK
 * @vm: its lock is held
 * @data: as of vm_ioctl_set_clock()
 *
 * All vCPUs' pages tell of it before one of them runs again, if none does.
 *
 * Return: as of vm_ioctl_set_clock().
 */
int vm_set_clock(struct vm *vm, struct kvm_clock_data *data)
{
	int err = vm_ioctl_set_clock(vm, data);
	struct vcpu *vcpu;
	u32 i;

	if (err)
		return err;
	vm_for_each_vcpu(vm, i, vcpu)
		vcpu_publish_clock(vcpu);
	return 0;
}

/**
 * vm_ioctl_set_name() - DITTO_SET_NAME
 * @vm: vm->lock held
 * @args: copied in
 *
 * Return: 0 or -EINVAL.
 */
int vm_ioctl_set_name(struct vm *vm, struct ditto_vm_name *args)
{
	size_t len = strnlen(args->name, DITTO_NAME_LEN);
	size_t i;

	if (len == DITTO_NAME_LEN)
		return -EINVAL;
	for (i = 0; i < len; i++) {
		if (!isascii(args->name[i]) || !isprint(args->name[i]) || args->name[i] == '/')
			return -EINVAL;
	}
	spin_lock(&vm->name_lock);
	memset(vm->name, 0, sizeof(vm->name));
	memcpy(vm->name, args->name, len);
	spin_unlock(&vm->name_lock);
	return 0;
}

/**
 * vm_ioctl_set_policy() - DITTO_SET_POLICY
 * @vm: any
 * @policy: unchecked
 *
 * Return: as mmu_set_policy().
 */
int vm_ioctl_set_policy(struct vm *vm, unsigned long policy)
{
	return mmu_set_policy(&vm->mmu, policy);
}

/**
 * vm_ioctl_memory() - DITTO_MEMORY
 * @vm: any
 * @m: zeroed
 *
 * Return: as mmu_measure().
 */
int vm_ioctl_memory(struct vm *vm, struct ditto_memory *m)
{
	return mmu_measure(&vm->mmu, m);
}

/**
 * vm_ioctl_set_tss_addr() - KVM_SET_TSS_ADDR
 * @vm: vm->lock held
 * @addr: gpa of three pages below 4 GiB that the VMM keeps free
 *
 * The pages are for CPUs that cannot run real mode in a guest.
 *
 * Return: 0 or -EINVAL.
 */
int vm_ioctl_set_tss_addr(struct vm *vm, unsigned long addr)
{
	return addr > U32_MAX - 3 * PAGE_SIZE + 1 ? -EINVAL : 0;
}

/**
 * vm_ioctl_set_identity_map_addr() - KVM_SET_IDENTITY_MAP_ADDR
 * @vm: vm->lock held
 * @addr: gpa of a page that the VMM keeps free; as vm_ioctl_set_tss_addr()
 *
 * Return: 0, or -EINVAL when a vCPU exists.
 */
int vm_ioctl_set_identity_map_addr(struct vm *vm, u64 *addr)
{
	return vm->nr_vcpus ? -EINVAL : 0;
}

/**
 * vm_ioctl_set_boot_cpu_id() - KVM_SET_BOOT_CPU_ID
 * @vm: vm->lock held
 * @id: vcpu_id of the bootstrap processor
 *
 * Return: 0; -EBUSY when a vCPU exists; -EINVAL when none can have that id.
 */
int vm_ioctl_set_boot_cpu_id(struct vm *vm, unsigned long id)
{
	if (vm->nr_vcpus)
		return -EBUSY;
	if (id > DITTO_MAX_VCPU_IDS ||
	    (vm->enabled.max_vcpu_id && id > vm->enabled.max_vcpu_id))
		return -EINVAL;
	vm->bsp_id = id;
	return 0;
}

/**
 * vm_ioctl_reset_rings() - KVM_RESET_DIRTY_RINGS
 * @vm: any
 *
 * Return: how many entries of all rings were given back; -EINVAL when vCPUs have none;
 * -EINTR, and then some may have been.
 */
int vm_ioctl_reset_rings(struct vm *vm)
{
	struct vcpu *vcpu;
	int n, total = 0;
	u32 i;

	if (!vm->mmu.ring_bytes)
		return -EINVAL;
	vm_for_each_vcpu(vm, i, vcpu) {
		n = mmu_reset_ring(&vm->mmu, &vcpu->ring);
		if (n < 0)
			return n;
		total += n;
	}
	return total;
}

static bool vm_may_see(const struct vm *vm)
{
	return uid_eq(vm->uid, current_euid()) || capable(CAP_SYS_ADMIN);
}

/*
 * Takes none of the VM's mutexes: their holder may be waiting for a vCPU whose memory is
 * provided by user space (userfaultfd, FUSE), for as long as that likes.
 */
static void vm_describe(struct vm *vm, struct ditto_vm_info *info)
{
	memset(info, 0, sizeof(*info));
	info->id = vm->id;
	info->pid = pid_vnr(vm->pid);
	info->vcpus = smp_load_acquire(&vm->nr_vcpus);
	info->uid = from_kuid_munged(current_user_ns(), vm->uid);
	spin_lock(&vm->name_lock);
	memcpy(info->name, vm->name, sizeof(info->name));
	spin_unlock(&vm->name_lock);
	mmu_stats(&vm->mmu, info);
}

/*
 * The VM after @prev in @b that is alive, with a reference; drops @prev's.
 * A VM stays on its list until its last reference is gone.
 */
static struct vm *vm_next(struct vm_bucket *b, struct vm *prev)
{
	struct list_head *pos;
	struct vm *found = NULL;

	spin_lock(&b->lock);
	for (pos = prev ? prev->node.next : b->vms.next; pos != &b->vms; pos = pos->next) {
		struct vm *vm = list_entry(pos, struct vm, node);

		if (kref_get_unless_zero(&vm->ref)) {
			found = vm;
			break;
		}
	}
	spin_unlock(&b->lock);
	if (prev)
		vm_put_later(prev);
	return found;
}

/* Call @fn for every living VM; an error of it ends the walk. */
static int vm_for_each(int (*fn)(struct vm *vm, void *ctx), void *ctx)
{
	int cpu, err = 0;

	for_each_possible_cpu(cpu) {
		struct vm_bucket *b = per_cpu_ptr(&vm_buckets, cpu);
		struct vm *vm = NULL;

		while ((vm = vm_next(b, vm))) {
			err = fn(vm, ctx);
			if (err) {
				vm_put_later(vm);
				return err;
			}
		}
	}
	return 0;
}

static int vm_clock_one(struct vm *vm, void *unused)
{
	vm_clock_unstable(vm);
	return 0;
}

static void vm_clocks_unstable(void)
{
	vm_for_each(vm_clock_one, NULL);
}

static int vm_list_one(struct vm *vm, void *ctx)
{
	struct ditto_vm_list *args = ctx;
	struct ditto_vm_info __user *out = u64_to_user_ptr(args->vms);
	struct ditto_vm_info info;

	if (!vm_may_see(vm))
		return 0;
	if (args->count < args->capacity) {
		vm_describe(vm, &info);
		if (copy_to_user(out + args->count, &info, sizeof(info)))
			return -EFAULT;
	}
	args->count++;
	return 0;
}

/**
 * vm_list() - DITTO_LIST_VMS
 * @args: copied in, and out
 *
 * Return: 0 or -EFAULT.
 */
int vm_list(struct ditto_vm_list *args)
{
	args->count = 0;
	return vm_for_each(vm_list_one, args);
}

/**
 * struct vm_search - for the machine with a number
 * @id: the number
 * @found: the machine, with a reference
 */
struct vm_search {
	u64 id;
	struct vm *found;
};

static int vm_search_one(struct vm *vm, void *ctx)
{
	struct vm_search *search = ctx;

	if (vm->id != search->id || !vm_may_see(vm))
		return 0;
	vm_get(vm);
	search->found = vm;
	return -EEXIST;		/* which ends the walk */
}

/**
 * vm_find() - the machine with a number
 * @id: as DITTO_LIST_VMS says it
 *
 * Process context.
 *
 * Return: the machine, with a reference, for vm_put_later(); NULL: there is none, or the caller
 * may not see it.
 */
struct vm *vm_find(u64 id)
{
	struct vm_search search = { .id = id };

	vm_for_each(vm_search_one, &search);
	return search.found;
}

/**
 * struct vm_check_ctx - of the checker
 * @m: where it prints
 * @violations: so far
 */
struct vm_check_ctx {
	struct seq_file *m;
	int violations;
};

static int vm_check_one(struct vm *vm, void *p)
{
	struct vm_check_ctx *ctx = p;
	int violations = mmu_check(&vm->mmu, ctx->m);

	if (violations < 0)
		return violations;
	ctx->violations += violations;
	return 0;
}

/**
 * vm_check_all() - prove the invariants of every VM's address space anew
 * @m: gets a line per violation
 *
 * Return: their number, or -errno when not all could be looked at: -ENOMEM, -EINTR.
 */
int vm_check_all(struct seq_file *m)
{
	struct vm_check_ctx ctx = { .m = m };
	int err = vm_for_each(vm_check_one, &ctx);

	return err ? err : ctx.violations;
}

static int vm_show_exits_one(struct vm *vm, void *p)
{
#define EXIT_NAME(kind, name) [EXIT_##kind] = #name,
	static const char *const names[EXIT_NR] = { EXIT_KINDS(EXIT_NAME, EXIT_NAME) };
#undef EXIT_NAME
	struct seq_file *m = p;
	struct vcpu *vcpu;
	u32 i, kind;

	vm_for_each_vcpu(vm, i, vcpu) {
		seq_printf(m, "vm %llu vcpu %u:", vm->id, vcpu->id);
		for (kind = 0; kind < EXIT_NR; kind++) {
			u64 count = READ_ONCE(vcpu->exits[kind]);

			if (count)
				seq_printf(m, " %s %llu", names[kind], count);
		}
		seq_putc(m, '\n');
	}
	return 0;
}

/**
 * vm_show_exits() - a line per vCPU: how often it left the guest, by reason
 * @m: where to
 *
 * The counts are read while they grow.
 */
void vm_show_exits(struct seq_file *m)
{
	vm_for_each(vm_show_exits_one, m);
}

/**
 * vm_setup() - at load, after the backend's setup
 *
 * Return: 0 or -ENOMEM.
 */
int vm_setup(void)
{
	int cpu;

	vm_mmu_host.format = &backend->caps->tdp;
	vm_mmu_host.shadow = backend->caps->shadow;
	vm_mmu_host.max_gfn = 1ull << (boot_cpu_data.x86_phys_bits - PAGE_SHIFT);
	for_each_possible_cpu(cpu) {
		struct vm_bucket *b = per_cpu_ptr(&vm_buckets, cpu);

		spin_lock_init(&b->lock);
		INIT_LIST_HEAD(&b->vms);
		if (!zalloc_cpumask_var(per_cpu_ptr(&vm_kick_masks, cpu), GFP_KERNEL)) {
			vm_teardown();
			return -ENOMEM;
		}
	}
	return 0;
}

/**
 * vm_teardown() - at unload
 *
 * No VM lives.
 */
void vm_teardown(void)
{
	int cpu;

	iobus_exit();
	for_each_possible_cpu(cpu)
		free_cpumask_var(*per_cpu_ptr(&vm_kick_masks, cpu));
}

/**
 * vm_listing_setup() - at load, when nothing but users is missing
 *
 * From now on threads visit all VMs, and one may then be the last that has a VM: makes the
 * workqueue "ditto-vm", in which such a VM ends.
 *
 * Return: 0 or -ENOMEM.
 */
int vm_listing_setup(void)
{
	vm_free_queue = alloc_workqueue("ditto-vm", WQ_UNBOUND, 0);
	if (!vm_free_queue)
		return -ENOMEM;
	clocksource_watch(vm_clocks_unstable);
	return 0;
}

/**
 * vm_listing_teardown() - at unload, as soon as there are no users
 *
 * The last VMs are gone when it returns.
 */
void vm_listing_teardown(void)
{
	clocksource_unwatch();
	destroy_workqueue(vm_free_queue);
}
