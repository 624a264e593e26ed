// SPDX-License-Identifier: GPL-2.0-only
/*
 * A gmem's life, and its face as a file: creation, references, fstat, fallocate, ioctl.
 * Files live in a mount that nobody else sees, so that each has an inode with a size and
 * an address space that user mappings hang off. The gmem outlives its file while memslots
 * refer to it; the file holds the module.
 */
#define pr_fmt(fmt) "ditto: " fmt

#include <linux/fs.h>
#include <linux/falloc.h>
#include <linux/file.h>
#include <linux/memcontrol.h>
#include <linux/module.h>
#include <linux/mount.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <ditto.h>

#include "compat.h"
#include "gmem/adoptee.h"
#include "gmem/claim.h"
#include "gmem/domain.h"
#include "gmem/entry.h"
#include "gmem/file.h"
#include "gmem/fork.h"
#include "gmem/frame.h"
#include "gmem/fs.h"
#include "gmem/index.h"
#include "gmem/internal.h"
#include "gmem/later.h"
#include "gmem/merge.h"
#include "gmem/policy.h"
#include "gmem/reader.h"
#include "gmem/space.h"
#include "gmem/squeeze.h"
#include "gmem/store.h"
#include "gmem/tenant.h"
#include "gmem/weight.h"
#include "gmem/whole.h"

/* Where the inodes are; between init and exit. */
static struct vfsmount *gmem_mnt;

/**
 * gmem_size() - size in bytes
 * @g: the gmem
 *
 * Return: whole pages; what it was created with, unless it is a file of a mount.
 */
u64 gmem_size(const struct gmem *g)
{
	return (u64)gmem_npages(g) << PAGE_SHIFT;
}

/**
 * gmem_get() - take a reference
 * @g: a gmem that the caller has a reference to
 *
 * Return: @g.
 */
struct gmem *gmem_get(struct gmem *g)
{
	kref_get(&g->ref);
	return g;
}

/* Its entries are none any more. What others have, too, has not been looked at one by one. */
static void gmem_uncount(struct gmem *g)
{
	long private = atomic_long_read(&g->nr_private), shared = atomic_long_read(&g->nr_shared);

	gmem_space_give(g, private + shared + atomic_long_read(&g->nr_zeroed) +
			   atomic_long_read(&g->nr_squeezed));
	gmem_count_private(g, -private);
	if (shared)
		gmem_count_shared(g, -shared);
}

/* This takes time in proportion to what it has, and forks of it have not. */
static void gmem_free(struct work_struct *work)
{
	struct gmem *g = container_of(work, struct gmem, free_work);

	gmem_index_free(g);
	gmem_uncount(g);
	gmem_weight_end(g);
	gmem_page_free(g->zero);
	WRITE_ONCE(g->holder->g, NULL);
	gmem_holder_put(g->holder);
	gmem_space_put(g->space);
	gmem_tenant_put(g->tenant);
	gmem_policy_end(g);
	gmem_adopt_free(g);
	mem_cgroup_put(g->memcg);
	iput(g->inode);
	if (g->base)
		gmem_put(g->base);
	kvfree_rcu(g, rcu);	/* gmem_usage() */
	gmem_leaving(-1);
}

static void gmem_release(struct kref *ref)
{
	struct gmem *g = container_of(ref, struct gmem, ref);

	gmem_leaving(1);
	gmem_unregister(g);
	WARN_ON_ONCE(!RB_EMPTY_ROOT(&g->bindings.rb_root));
	INIT_WORK(&g->free_work, gmem_free);
	if (!gmem_free_later(g))
		gmem_free(&g->free_work);
}

/**
 * gmem_put() - give back a reference
 * @g: the gmem; with the last reference its pages are freed. That may take long; a
 *	kernel thread does not wait for it
 *
 * Process context, no lock held.
 */
void gmem_put(struct gmem *g)
{
	kref_put(&g->ref, gmem_release);
}

/**
 * gmem_overhead() - bytes of bookkeeping
 * @g: the gmem
 *
 * Return: what the index takes, as it is allocated.
 */
unsigned long gmem_overhead(struct gmem *g)
{
	unsigned long roots = gmem_index_end(g) >> GMEM_ROOT_SHIFT;

	return sizeof(*g) + struct_size_t(struct gmem_root, dir, roots) +
	       (READ_ONCE(g->zero) ? PAGE_SIZE : 0) +
	       atomic_long_read(&g->nr_dirs) * sizeof(struct gmem_dir) +
	       atomic_long_read(&g->nr_chunks) * sizeof(struct gmem_chunk);
}

/*
 * As one of how many a gmem has a chunk: each of the directories that have it has an equal part,
 * of which the roots that have that directory have equal parts. So all parts are the whole.
 */
static u64 chunk_copies(struct gmem *g, struct gmem_chunk *c)
{
	struct gmem_dir *dir = gmem_dir_lookup(g, c->base);

	/* Forks without number make each of the two large. */
	return (u64)max(1, atomic_read(&c->owners)) * (dir ? max(1, atomic_read(&dir->owners)) : 1);
}

/* An entry's fair part of a page, in 1/256 bytes; 0 if the page is its own. */
static u64 entry_fair_part(unsigned long v, bool own, u64 copies)
{
	if (gmem_entry_private(v))
		return own ? 0 : (PAGE_SIZE << 8) / copies;
	if (gmem_entry_squeezed(v))
		return ((u64)gmem_squeezed_bytes(gmem_entry_object(v)) << 8) / copies /
		       max(1U, gmem_squeezed_refs(gmem_entry_object(v)));
	if (!(v & GMEM_SHARED))
		return 0;
	if (v & GMEM_APART)	/* nobody is to learn how many have it */
		return PAGE_SIZE << 8;
	return (PAGE_SIZE << 8) / copies /
	       max(1, atomic_read(gmem_page_sharers(gmem_entry_page(v))));
}

/* In an RCU section: a chunk's fair part of the shared pages, in 1/256 bytes. */
static u64 chunk_fair_part(struct gmem *g, struct gmem_chunk *c)
{
	bool own = gmem_chunk_held_by(c, g);
	u64 sum = 0, copies = own ? 1 : chunk_copies(g, c);
	unsigned int i;

	for (i = 0; i < GMEM_CHUNK_PAGES; i++)
		sum += entry_fair_part(READ_ONCE(c->entry[i]), own, copies);
	return sum;
}

static u64 fair_part(struct gmem *g)
{
	struct gmem_chunk *c;
	u64 sum = 0;
	pgoff_t off;

	if (!atomic_long_read(&g->nr_shared) && !atomic_long_read(&g->nr_squeezed))
		return 0;
	for (off = gmem_next_chunk(g, 0); off < gmem_index_end(g) && !fatal_signal_pending(current);
	     off = gmem_next_chunk(g, off + GMEM_CHUNK_PAGES)) {
		rcu_read_lock();
		c = gmem_chunk_lookup(g, off);
		if (c)
			sum += chunk_fair_part(g, c);
		rcu_read_unlock();
		cond_resched();
	}
	return sum >> 8;
}

/**
 * gmem_stats() - measure a gmem
 * @g: the gmem
 * @st: the measures; see <ditto.h>
 *
 * Process context; walks over the index if anything is shared. Who is being killed gets less.
 */
void gmem_stats(struct gmem *g, struct ditto_gmem_stats *st)
{
	memset(st, 0, sizeof(*st));
	st->size = gmem_size(g);
	st->private_bytes = (u64)atomic_long_read(&g->nr_private) << PAGE_SHIFT;
	st->shared_bytes = (u64)atomic_long_read(&g->nr_shared) << PAGE_SHIFT;
	st->charged_bytes = st->private_bytes + fair_part(g);
	st->overhead_bytes = gmem_overhead(g);
	st->breaks = atomic_long_read(&g->nr_breaks);
	st->huge_bytes = (u64)atomic_long_read(&g->nr_whole) << (PAGE_SHIFT + GMEM_CHUNK_SHIFT);
}

/**
 * gmem_usage() - read a gmem's counters
 * @g: the gmem; a reference, or an RCU section in which somebody else's was seen
 * @u: what they say
 *
 * Any context; takes no lock and walks over nothing.
 */
void gmem_usage(struct gmem *g, struct gmem_usage *u)
{
	/* Counters that others change meanwhile may be below 0 for a moment. */
	u64 nr_private = max(0L, atomic_long_read(&g->nr_private));
	u64 nr_shared = max(0L, atomic_long_read(&g->nr_shared));
	struct gmem_domain *d;
	u64 entries, pages;

	u->resident = (nr_private + nr_shared) << PAGE_SHIFT;
	u->shared = nr_shared << PAGE_SHIFT;
	u->saved = 0;
	if (!nr_shared)
		return;
	d = READ_ONCE(g->domain);	/* lives as long as the gmem */
	if (d->secure)
		return;
	entries = max(1L, atomic_long_read(&d->nr_shared));
	pages = clamp_t(long, atomic_long_read(&d->nr_shared_pages), 0, entries);
	u->saved = mul_u64_u64_div_u64(u->shared, entries - pages, entries);
}

/**
 * gmem_file_release() - the last reference to a gmem's file is dropped
 * @inode: unused
 * @file: the file
 *
 * Return: 0.
 */
int gmem_file_release(struct inode *inode, struct file *file)
{
	gmem_reader_close(file->private_data, file);
	gmem_put(file->private_data);
	return 0;
}

/**
 * gmem_file_flush() - a process closes it, or ends: its memory is gone by then
 * @file: the file
 * @id: unused
 *
 * Return: 0.
 */
int gmem_file_flush(struct file *file, fl_owner_t id)
{
	gmem_weight_pass(file->private_data);
	return 0;
}

/**
 * gmem_zero_part() - zero bytes of one page, unless it is empty anyway
 * @g: the gmem
 * @pos: the first byte
 * @end: the byte after the last
 *
 * Return: 0, or as gmem_write().
 */
int gmem_zero_part(struct gmem *g, u64 pos, u64 end)
{
	static const u8 zeroes[256];
	bool empty;
	size_t n;
	int err;

	rcu_read_lock();
	empty = !(gmem_entry_read(g, pos >> PAGE_SHIFT) & (GMEM_PRESENT | GMEM_APART));
	rcu_read_unlock();
	if (empty)
		return 0;
	for (; pos < end; pos += n) {
		n = min_t(u64, sizeof(zeroes), end - pos);
		err = gmem_write(g, pos, zeroes, n);
		if (err)
			return err;
	}
	return 0;
}

/**
 * gmem_punch_bytes() - punch a range of bytes; partial pages at its ends are zeroed
 * @g: the gmem
 * @pos: the first byte
 * @len: how many; what is beyond the end is left out
 *
 * Return: 0, or as gmem_punch() or gmem_write().
 */
int gmem_punch_bytes(struct gmem *g, u64 pos, u64 len)
{
	u64 end, first, last;
	int err = 0;

	if (pos >= gmem_size(g))
		return 0;
	end = min(pos + len, gmem_size(g));
	first = round_up(pos, PAGE_SIZE);
	last = round_down(end, PAGE_SIZE);

	if (first > last)		/* both inside one page */
		return gmem_zero_part(g, pos, end);
	if (pos < first)
		err = gmem_zero_part(g, pos, first);
	if (!err && last < end)
		err = gmem_zero_part(g, last, end);
	if (!err)
		err = gmem_punch(g, first >> PAGE_SHIFT, last >> PAGE_SHIFT);
	return err;
}

/**
 * gmem_file_fallocate() - fallocate: only PUNCH_HOLE
 * @file: the file
 * @mode: FALLOC_FL_*
 * @offset: first byte
 * @len: how many
 *
 * Return: 0, -EOPNOTSUPP, or as gmem_punch_bytes().
 */
long gmem_file_fallocate(struct file *file, int mode, loff_t offset, loff_t len)
{
	if (mode != (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE))
		return -EOPNOTSUPP;
	return gmem_punch_bytes(file->private_data, offset, len);
}

/* As with the xattr: who may write to a file may change it. */
static long file_set_policy(struct file *file, unsigned long policy)
{
	if (!(file->f_mode & FMODE_WRITE))
		return -EBADF;
	return policy > U32_MAX ? -EINVAL : gmem_set_policy(file->private_data, policy);
}

/*
 * Of a mount's file a fork keeps pages that others pay for, also when they have written anew, and
 * joins their domain, where the time of a write tells what they have. So to read it is not enough.
 */
static bool file_may_fork(struct file *file)
{
	return file->f_op != &gmem_fs_fops || (file->f_mode & FMODE_WRITE) ||
	       compat_is_owner(file_inode(file));
}

static long file_fork(struct file *file)
{
	struct gmem *g = file->private_data;

	if (g->owner)
		return -EINVAL;
	if (!(file->f_mode & FMODE_READ))
		return -EBADF;
	if (!file_may_fork(file))
		return -EPERM;
	return gmem_new_fd(gmem_fork(g), &gmem_fops, O_RDWR | O_CLOEXEC);
}

static int file_measure(struct file *file, void __user *arg)
{
	struct gmem *g = file->private_data;
	struct ditto_memory m = {};
	int err = gmem_measure(&g, 1, &m);

	return err ?: copy_to_user(arg, &m, sizeof(m)) ? -EFAULT : 0;
}

/**
 * gmem_file_ioctl() - ioctl of a gmem's file
 * @file: the file
 * @cmd: which
 * @arg: its argument
 *
 * Return: 0, an fd, -ENOTTY, -EFAULT; or as gmem_set_policy(), gmem_fork() or gmem_measure(). Also
 * -EBADF if the file is not open for that, -EPERM if it is not the caller's, -EINVAL if it is one
 * machine's.
 */
long gmem_file_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct ditto_gmem_stats st;

	if (cmd == DITTO_MEMORY)
		return file_measure(file, (void __user *)arg);

	if (cmd == DITTO_GMEM_SET_POLICY)
		return file_set_policy(file, arg);
	if (cmd == DITTO_GMEM_FORK)
		return file_fork(file);
	if (cmd != DITTO_GMEM_STATS)
		return -ENOTTY;
	gmem_stats(file->private_data, &st);
	return copy_to_user((void __user *)arg, &st, sizeof(st)) ? -EFAULT : 0;
}

const struct file_operations gmem_fops = {
	.owner = THIS_MODULE,
	.flush = gmem_file_flush,
	.release = gmem_file_release,
	.mmap = gmem_mmap,
	.fallocate = gmem_file_fallocate,
	.unlocked_ioctl = gmem_file_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.llseek = generic_file_llseek,
};

static int gmem_getattr(struct mnt_idmap *idmap, const struct path *path,
			struct kstat *stat, u32 mask, unsigned int flags)
{
	struct inode *inode = d_inode(path->dentry);
	struct gmem *g = inode->i_private;

	compat_fillattr(idmap, mask, inode, stat);
	stat->blocks = (u64)(atomic_long_read(&g->nr_private) + atomic_long_read(&g->nr_shared) +
			     atomic_long_read(&g->nr_squeezed)) << (PAGE_SHIFT - 9);
	return 0;
}

/* Size, owner and mode of a gmem cannot be changed. Of a guest_memfd KVM calls that invalid. */
static int gmem_setattr(struct mnt_idmap *idmap, struct dentry *dentry, struct iattr *attr)
{
	const struct gmem *g = d_inode(dentry)->i_private;

	return g->owner ? -EINVAL : -EPERM;
}

static const struct inode_operations gmem_iops = {
	.getattr = gmem_getattr,
	.setattr = gmem_setattr,
};

static struct inode *gmem_new_inode(struct gmem *g)
{
	struct inode *inode;

	inode = alloc_anon_inode(gmem_mnt->mnt_sb);
	if (IS_ERR(inode))
		return inode;
	inode->i_mode |= S_IFREG;
	inode->i_flags |= S_NOCMTIME;	/* it is memory: writes leave no time */
	inode->i_op = &gmem_iops;
	inode->i_private = g;
	inode->i_blkbits = PAGE_SHIFT;
	i_size_write(inode, gmem_size(g));
	return inode;
}

static struct gmem *gmem_alloc(u64 size, u32 flags)
{
	pgoff_t npages = size >> PAGE_SHIFT;
	struct gmem_root *root = gmem_root_alloc(npages);
	struct gmem *g = kzalloc(sizeof(*g), GFP_KERNEL_ACCOUNT);

	if (g)
		g->holder = gmem_holder_new(g);
	if (!g || !root || !g->holder) {
		if (g)
			gmem_holder_put(g->holder);
		kvfree(root);
		kfree(g);
		return NULL;
	}
	kref_init(&g->ref);
	RCU_INIT_POINTER(g->root, root);
	mutex_init(&g->size_lock);
	mutex_init(&g->policy_lock);
	init_rwsem(&g->fork_lock);
	spin_lock_init(&g->root_lock);
	g->npages = npages;
	g->flags = flags;
	init_rwsem(&g->bind_lock);
	init_rwsem(&g->readers_lock);
	INIT_LIST_HEAD(&g->readers);
	mutex_init(&g->reader_mutex);
	INIT_LIST_HEAD(&g->reader_users);
	g->bindings = RB_ROOT_CACHED;
	return g;
}

/* With whom it shares, and is scanned: in @domain, or its owner's. */
static int gmem_join(struct gmem *g, struct gmem_domain *domain, bool mounted)
{
	u32 policy = (g->flags & DITTO_GMEM_POLICY_MASK) / DITTO_GMEM_POLICY(1);

	if (g->flags & DITTO_GMEM_NO_MERGE) {
		g->max_policy = g->policy = DITTO_POLICY_OFF;
		return 0;
	}
	if (domain) {
		refcount_inc(&domain->refs);
		g->home = domain;
	} else {
		g->home = gmem_domain_get(current_euid(), current_user_ns());
	}
	if (!g->home)
		return -ENOMEM;
	/* What who mounted it has said is the most that a file may have. */
	g->max_policy = mounted && policy ? policy : DITTO_POLICY_DOMAIN;
	g->tenant = gmem_tenant_get(current_euid(), current_user_ns());
	return g->tenant ? gmem_policy_begin(g, policy) : -ENOMEM;
}

/* With its parent, if it is a fork. */
static int gmem_join_family(struct gmem *g, struct gmem *parent)
{
	int err = gmem_policy_fork(g, parent);

	if (err || !parent->tenant)
		return err;
	g->tenant = gmem_tenant_get(current_euid(), current_user_ns());
	return g->tenant ? 0 : -ENOMEM;
}

/* Everything of a new gmem that can fail; its domain and tenant are known, or are not wanted. */
static int gmem_begin(struct gmem *g)
{
	int err;

	g->inode = gmem_new_inode(g);
	if (IS_ERR(g->inode))
		return PTR_ERR(g->inode);
	g->memcg = get_mem_cgroup_from_mm(current->mm);
	gmem_weight_begin(g);
	err = gmem_register(g);
	if (!err)
		return 0;
	gmem_weight_end(g);
	mem_cgroup_put(g->memcg);
	iput(g->inode);
	return err;
}

/* A new gmem that has come to nothing. */
static void gmem_cancel(struct gmem *g)
{
	gmem_tenant_put(g->tenant);
	gmem_policy_end(g);
	gmem_index_free(g);
	gmem_holder_put(g->holder);
	kfree(g);
}

/**
 * gmem_create_in() - make a gmem, with one reference and no file yet
 * @size: bytes, whole pages
 * @flags: DITTO_GMEM_*
 * @space: of the mount that it is going to be a file of; or NULL, its size is constant then
 * @domain: who may share; or NULL: the owner's
 *
 * Return: the gmem or ERR_PTR(-ENOMEM).
 */
struct gmem *gmem_create_in(u64 size, u32 flags, struct gmem_space *space,
			    struct gmem_domain *domain)
{
	struct gmem *g = gmem_alloc(size, flags);
	int err;

	if (!g)
		return ERR_PTR(-ENOMEM);
	err = gmem_join(g, domain, space) ?: gmem_begin(g);
	if (err) {
		gmem_cancel(g);
		return ERR_PTR(err);
	}
	g->space = space;
	if (space)
		refcount_inc(&space->refs);
	return g;
}

/**
 * gmem_create_like() - make an empty gmem that is going to be another's fork
 * @parent: its policy_lock and size_lock are held
 *
 * It is in no mount, whatever its parent is; the current process's memory cgroup pays for what
 * it is going to have alone.
 *
 * Return: the gmem, with one reference and no file; or ERR_PTR: -EOPNOTSUPP, -ENOMEM.
 */
struct gmem *gmem_create_like(struct gmem *parent)
{
	struct gmem *g = gmem_alloc(gmem_size(parent), parent->flags);
	int err;

	if (!g)
		return ERR_PTR(-ENOMEM);
	err = gmem_join_family(g, parent) ?: gmem_begin(g);
	if (err) {
		gmem_cancel(g);
		return ERR_PTR(err);
	}
	return g;
}

/**
 * gmem_new_file() - a file for a new gmem
 * @g: the gmem; on success the file takes over the caller's reference
 * @fops: what can be done with it
 * @mode: O_RDWR or O_RDONLY
 *
 * Return: the file, or ERR_PTR().
 */
struct file *gmem_new_file(struct gmem *g, const struct file_operations *fops, int mode)
{
	struct file *file;
	int err;

	ihold(g->inode);
	__module_get(THIS_MODULE);
	file = alloc_file_pseudo(g->inode, gmem_mnt, "ditto-gmem", mode, fops);
	if (IS_ERR(file)) {
		module_put(THIS_MODULE);
		iput(g->inode);
		return file;
	}
	file->private_data = g;
	err = gmem_reader_open(g, file);
	if (!err)
		return file;
	gmem_get(g);	/* the end of the file drops one reference, and the caller his */
	fput(file);
	return ERR_PTR(err);
}

/* At most one of the two: a policy that there is, or no merging for ever. */
static bool flags_valid(u32 flags)
{
	u32 policy = (flags & DITTO_GMEM_POLICY_MASK) / DITTO_GMEM_POLICY(1);

	if (flags & ~(DITTO_GMEM_NO_MERGE | DITTO_GMEM_POLICY_MASK | DITTO_GMEM_HUGEPAGE))
		return false;
	return !policy || (gmem_policy_name(policy) && !(flags & DITTO_GMEM_NO_MERGE));
}

/**
 * gmem_create_obj() - make a gmem without a file
 * @size: bytes
 * @flags: DITTO_GMEM_*
 *
 * Return: the gmem, with a reference for the caller, or ERR_PTR: -EINVAL, -ENOMEM.
 */
struct gmem *gmem_create_obj(u64 size, u32 flags)
{
	if (!size || !PAGE_ALIGNED(size) || size > GMEM_MAX_SIZE)
		return ERR_PTR(-EINVAL);
	if (!flags_valid(flags))
		return ERR_PTR(-EINVAL);
	return gmem_create_in(size, flags, NULL, NULL);
}

/**
 * gmem_new_fd() - make an fd for a new gmem
 * @g: the gmem, or ERR_PTR(); its reference goes to the fd, or is dropped
 * @fops: what can be done with the file
 * @flags: O_RDWR or O_RDONLY; with O_CLOEXEC or without
 *
 * Return: the fd, or @g's error, -EMFILE, -ENFILE, -ENOMEM.
 */
int gmem_new_fd(struct gmem *g, const struct file_operations *fops, int flags)
{
	struct file *file;
	int fd;

	if (IS_ERR(g))
		return PTR_ERR(g);
	fd = get_unused_fd_flags(flags & O_CLOEXEC);
	if (fd < 0) {
		gmem_put(g);
		return fd;
	}
	file = gmem_new_file(g, fops, flags & O_ACCMODE);
	if (IS_ERR(file)) {
		put_unused_fd(fd);
		gmem_put(g);
		return PTR_ERR(file);
	}
	fd_install(fd, file);
	return fd;
}

/**
 * gmem_create() - make a gmem and its fd
 * @size: bytes
 * @flags: DITTO_GMEM_*
 *
 * Return: the fd (O_CLOEXEC), or -EINVAL, -ENOMEM, -EMFILE, -ENFILE.
 */
int gmem_create(u64 size, u32 flags)
{
	return gmem_new_fd(gmem_create_obj(size, flags), &gmem_fops, O_RDWR | O_CLOEXEC);
}

/**
 * gmem_open() - another fd for a gmem
 * @g: the caller's reference goes to the fd, or is dropped
 * @mode: O_RDWR or O_RDONLY
 *
 * Return: the fd (O_CLOEXEC); -EINVAL for one that only a machine sees, or that is a file of a
 * mount, whose mode and owner say who may open it; -EMFILE, -ENFILE, -ENOMEM.
 */
int gmem_open(struct gmem *g, int mode)
{
	if (g->owner || g->space) {
		gmem_put(g);
		return -EINVAL;
	}
	return gmem_new_fd(g, &gmem_fops, mode | O_CLOEXEC);
}

/**
 * gmem_ioctl_create() - DITTO_CREATE_GMEM
 * @args: from user space, copied
 *
 * Return: as gmem_create().
 */
int gmem_ioctl_create(const struct ditto_create_gmem *args)
{
	if (memchr_inv(args->reserved, 0, sizeof(args->reserved)))
		return -EINVAL;
	return gmem_create(args->size, args->flags);
}

/* Whoever has the gmem can read it and write to it, whatever the file's mode was for. */
static bool file_is_open_rw(const struct file *file)
{
	return !(~file->f_mode & (FMODE_READ | FMODE_WRITE));
}

/**
 * gmem_get_fd() - the gmem of an fd
 * @fd: of the current process
 *
 * Return: the gmem, with a reference for the caller, or ERR_PTR(-EBADF) if there is no
 * such fd, it is no gmem's, or it is a file's of a mount and not open for read and write.
 */
struct gmem *gmem_get_fd(int fd)
{
	struct file *file = fget(fd);
	struct gmem *g = ERR_PTR(-EBADF);

	if (!file)
		return g;
	if ((file->f_op == &gmem_fops || file->f_op == &gmem_fs_fops) && file_is_open_rw(file))
		g = gmem_get(file->private_data);
	fput(file);
	return g;
}

/*
 * A superblock whose operations are the kernel's own. The last reference to it is a file's,
 * dropped after the file has released the module, so nothing that is needed then may be in
 * the module.
 */
static int gmem_fs_init(void)
{
	struct file_system_type *type = get_fs_type("ramfs");	/* built in, always */

	if (!type)
		return -ENODEV;
	gmem_mnt = kern_mount(type);
	if (IS_ERR(gmem_mnt))
		return PTR_ERR(gmem_mnt);
	gmem_mnt->mnt_sb->s_iflags |= SB_I_NOEXEC;
	return 0;
}

/**
 * gmem_init() - before the first gmem
 * @parent: where the directory "gmem" of figures goes: /sys/kernel/ditto
 *
 * Return: 0 or -errno, nothing left behind.
 */
int gmem_init(struct kobject *parent)
{
	int err = gmem_index_init();

	if (err)
		return err;
	err = gmem_later_init();
	if (err)
		goto index;
	err = gmem_weight_init(parent);
	if (err)
		goto later;
	err = gmem_squeeze_init(parent);
	if (err)
		goto weight;
	err = whole_knobs_add(parent);
	if (err)
		goto squeeze;
	err = gmem_fs_init();
	if (err)
		goto whole;
	return 0;

whole:
	whole_knobs_remove();
squeeze:
	gmem_squeeze_exit();
weight:
	gmem_weight_exit();
later:
	gmem_later_exit();
index:
	gmem_index_exit();
	return err;
}

/**
 * gmem_exit() - after the last gmem
 *
 * Waits for what RCU still has to free.
 */
void gmem_exit(void)
{
	kern_unmount(gmem_mnt);
	whole_knobs_remove();
	gmem_adopt_exit();
	gmem_drain();
	/* When the kernel is out of memory, the weight's notifier asks for compression. */
	gmem_weight_exit();
	gmem_squeeze_exit();
	gmem_later_exit();
	gmem_index_exit();
}
