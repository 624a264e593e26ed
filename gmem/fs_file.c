// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is done with an open file of the file system of gmems: read, write, seek, allocate,
 * punch, change the size. The size in bytes is the inode's, and changes under its lock; the
 * gmem's size is as many pages. A page that is read or written here is held by a reference,
 * no lock: copying may fault, also in a mapping of the same page.
 */
#include <linux/fs.h>
#include <linux/falloc.h>
#include <linux/sched/signal.h>
#include <linux/splice.h>
#include <linux/uio.h>
#include <linux/xattr.h>

#include "compat.h"
#include "gmem/entry.h"
#include "gmem/fault.h"
#include "gmem/file.h"
#include "gmem/fs.h"
#include "gmem/index.h"
#include "gmem/internal.h"
#include "gmem/punch.h"
#include "gmem/reader.h"
#include "gmem/space.h"

static pgoff_t bytes_to_pages(u64 size)
{
	return DIV_ROUND_UP(size, PAGE_SIZE);
}

static int fs_open(struct inode *inode, struct file *file)
{
	file->private_data = inode->i_private;
	return generic_file_open(inode, file) ?: gmem_reader_open(inode->i_private, file);
}

static int fs_release(struct inode *inode, struct file *file)
{
	gmem_reader_close(file->private_data, file);
	return 0;
}

/* An entry that was written, whatever merging made of it: not a hole. */
static bool entry_used(struct gmem *g, pgoff_t off)
{
	bool used;

	rcu_read_lock();
	used = gmem_entry_read(g, off) & (GMEM_PRESENT | GMEM_ZEROED | GMEM_APART);
	rcu_read_unlock();
	return used;
}

/* The page of an entry, with a reference; NULL where it reads as zero. -EAGAIN: compressed. */
static struct page *entry_hold_now(struct gmem *g, pgoff_t off)
{
	struct page *page = NULL;
	unsigned long v;

	rcu_read_lock();
	v = gmem_entry_read(g, off);
	if (v & GMEM_PRESENT) {
		page = gmem_entry_page(v);
		get_page(page);
	} else if (gmem_entry_squeezed(v)) {
		page = ERR_PTR(-EAGAIN);
	}
	rcu_read_unlock();
	return page;
}

/* The same of what may be compressed; or ERR_PTR: -ENOMEM, -EINTR, -EIO. */
static struct page *entry_hold(struct gmem *g, pgoff_t off)
{
	struct page *page = entry_hold_now(g, off);
	int err;

	while (page == ERR_PTR(-EAGAIN)) {
		err = gmem_own(g, off);
		if (err && err != -ENOMEM && err != -EINTR)
			err = -EIO;
		page = err ? ERR_PTR(err) : entry_hold_now(g, off);
	}
	return page;
}

/* Part of one page. Returns how much was copied, or an error of entry_hold(). */
static ssize_t read_part(struct gmem *g, u64 pos, size_t n, struct iov_iter *to)
{
	struct page *page = entry_hold(g, pos >> PAGE_SHIFT);
	ssize_t ret = -EIO;

	if (IS_ERR(page))
		return PTR_ERR(page);
	if (!page)
		return iov_iter_zero(n, to);
	if (!PageHWPoison(page))
		ret = _copy_mc_to_iter(page_address(page) + offset_in_page(pos), n, to);
	put_page(page);
	return ret;
}

static ssize_t fs_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	struct inode *inode = file_inode(iocb->ki_filp);
	struct gmem *g = inode->i_private;
	ssize_t done = 0, ret = 0;
	size_t n;

	while (iov_iter_count(to) && iocb->ki_pos < i_size_read(inode)) {
		n = min_t(u64, iov_iter_count(to), PAGE_SIZE - offset_in_page(iocb->ki_pos));
		n = min_t(u64, n, i_size_read(inode) - iocb->ki_pos);
		ret = fatal_signal_pending(current) ? -EINTR : read_part(g, iocb->ki_pos, n, to);
		if (ret < 0)
			break;
		done += ret;
		iocb->ki_pos += ret;
		if (ret < n) {
			ret = -EFAULT;
			break;
		}
		cond_resched();
	}
	file_accessed(iocb->ki_filp);
	return done ?: min(ret, 0);
}

/* Part of one page. Returns how much was copied, or -errno. */
static ssize_t write_part(struct gmem *g, u64 pos, size_t n, struct iov_iter *from)
{
	pgoff_t off = pos >> PAGE_SHIFT;
	size_t copied;
	void *va;

	/* No page for what cannot be read. */
	if (fault_in_iov_iter_readable(from, n) == n)
		return -EFAULT;
	va = gmem_pin_page(g, off, true);
	if (IS_ERR(va))
		return PTR_ERR(va) == -EHWPOISON ? -EIO : PTR_ERR(va);
	copied = copy_from_iter(va + offset_in_page(pos), n, from);
	gmem_unpin_page(g, off, va, copied);
	return copied ?: -EFAULT;
}

/* The gmem reaches as far as is going to be written. */
static ssize_t write_all(struct inode *inode, struct kiocb *iocb, struct iov_iter *from)
{
	struct gmem *g = inode->i_private;
	ssize_t done = 0, ret = 0;

	while (iov_iter_count(from)) {
		size_t n = min_t(size_t, iov_iter_count(from),
				 PAGE_SIZE - offset_in_page(iocb->ki_pos));

		ret = fatal_signal_pending(current) ? -EINTR :
		      write_part(g, iocb->ki_pos, n, from);
		if (ret < 0)
			break;
		done += ret;
		iocb->ki_pos += ret;
		if (iocb->ki_pos > i_size_read(inode))
			i_size_write(inode, iocb->ki_pos);
		cond_resched();
	}
	return done ?: ret;
}

/* See that the gmem is @size bytes long, or longer. Undone by size_settle(). */
static int size_reach(struct gmem *g, u64 size)
{
	pgoff_t npages = bytes_to_pages(size);

	return npages > gmem_npages(g) ? gmem_resize(g, npages) : 0;
}

/* The gmem is as long as the inode says. */
static void size_settle(struct inode *inode)
{
	struct gmem *g = inode->i_private;
	pgoff_t npages = bytes_to_pages(i_size_read(inode));

	if (npages != gmem_npages(g))
		gmem_resize(g, npages);	/* shorter, which cannot fail */
}

static ssize_t fs_write_locked(struct inode *inode, struct kiocb *iocb, struct iov_iter *from)
{
	ssize_t ret = generic_write_checks(iocb, from);

	if (ret <= 0)
		return ret;
	ret = file_remove_privs(iocb->ki_filp);
	if (!ret)
		ret = file_update_time(iocb->ki_filp);
	if (!ret)
		ret = size_reach(inode->i_private, iocb->ki_pos + iov_iter_count(from));
	if (ret)
		return ret;
	ret = write_all(inode, iocb, from);
	size_settle(inode);
	return ret;
}

static ssize_t fs_write_iter(struct kiocb *iocb, struct iov_iter *from)
{
	struct inode *inode = file_inode(iocb->ki_filp);
	ssize_t ret;

	inode_lock(inode);
	ret = fs_write_locked(inode, iocb, from);
	inode_unlock(inode);
	return ret;
}

/* The first offset at or after @off that is data, or not; @end if there is none before. */
static pgoff_t seek_entry(struct gmem *g, pgoff_t off, pgoff_t end, bool data)
{
	while (off < end) {
		if (entry_used(g, off) == data)
			return off;
		off++;
		if (data && !(off % GMEM_CHUNK_PAGES))
			off = gmem_next_chunk(g, off);
		if (fatal_signal_pending(current))
			break;
		cond_resched();
	}
	return end;
}

static loff_t seek_locked(struct inode *inode, loff_t from, bool data)
{
	loff_t size = i_size_read(inode), pos;
	pgoff_t off;

	if (from < 0 || from >= size)
		return -ENXIO;
	off = seek_entry(inode->i_private, from >> PAGE_SHIFT, bytes_to_pages(size), data);
	pos = max_t(loff_t, from, (loff_t)off << PAGE_SHIFT);
	if (pos < size)
		return pos;
	return data ? -ENXIO : size;
}

static loff_t fs_llseek(struct file *file, loff_t offset, int whence)
{
	struct inode *inode = file_inode(file);

	if (whence != SEEK_DATA && whence != SEEK_HOLE)
		return generic_file_llseek(file, offset, whence);
	inode_lock(inode);
	offset = seek_locked(inode, offset, whence == SEEK_DATA);
	if (offset >= 0)
		offset = vfs_setpos(file, offset, inode->i_sb->s_maxbytes);
	inode_unlock(inode);
	return offset;
}

/* Would it be too much for the mount? */
static int allocate_check(struct gmem *g, pgoff_t start, pgoff_t end)
{
	unsigned long max = READ_ONCE(g->space->max), wanted = 0;
	pgoff_t off;

	if (!max)
		return 0;
	if (end - start > max)
		return -ENOSPC;
	/* After a fatal signal the result does not matter. */
	for (off = start; off < end && !fatal_signal_pending(current); off++) {
		wanted += !entry_used(g, off);
		cond_resched();
	}
	return percpu_counter_sum(&g->space->used) + wanted > max ? -ENOSPC : 0;
}

/**
 * gmem_allocate() - see that no page of a range is empty
 * @g: the gmem
 * @start: first offset
 * @end: offset after the last, inside the gmem
 *
 * Process context, no lock held but the inode's. When it fails, some may be allocated.
 *
 * Return: 0; -EINTR: a signal came, of any kind; or as gmem_own().
 */
int gmem_allocate(struct gmem *g, pgoff_t start, pgoff_t end)
{
	pgoff_t off;
	int err = 0;

	for (off = start; off < end && !err; off++) {
		if (signal_pending(current))
			return -EINTR;
		if (!entry_used(g, off))
			err = gmem_own(g, off);
		cond_resched();
	}
	return err;
}

/*
 * A page beyond the end cannot be allocated: a mapping could reach it. When it fails in
 * the middle, what was allocated of the file stays.
 */
static int fs_allocate(struct inode *inode, bool keep_size, u64 pos, u64 len)
{
	struct gmem *g = inode->i_private;
	u64 end = pos + len;
	int err;

	if (keep_size && bytes_to_pages(end) > gmem_npages(g))
		return -EOPNOTSUPP;
	err = inode_newsize_ok(inode, max_t(u64, end, i_size_read(inode)));
	if (!err)
		err = size_reach(g, end);
	if (err)
		return err;
	err = allocate_check(g, pos >> PAGE_SHIFT, bytes_to_pages(end)) ?:
	      gmem_allocate(g, pos >> PAGE_SHIFT, bytes_to_pages(end));
	if (!err && !keep_size && end > i_size_read(inode))
		i_size_write(inode, end);
	size_settle(inode);
	return err;
}

static long fs_fallocate(struct file *file, int mode, loff_t pos, loff_t len)
{
	struct inode *inode = file_inode(file);
	long err;

	if (mode & ~(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE))
		return -EOPNOTSUPP;
	inode_lock(inode);
	err = file_modified(file);
	if (!err && mode & FALLOC_FL_PUNCH_HOLE)
		err = gmem_punch_bytes(inode->i_private, pos, len);
	else if (!err)
		err = fs_allocate(inode, mode & FALLOC_FL_KEEP_SIZE, pos, len);
	inode_unlock(inode);
	return err;
}

const struct file_operations gmem_fs_fops = {
	.owner = THIS_MODULE,
	.open = fs_open,
	.flush = gmem_file_flush,
	.release = fs_release,
	.mmap = gmem_mmap,
	.read_iter = fs_read_iter,
	.write_iter = fs_write_iter,
	.splice_read = compat_splice_read,
	.splice_write = iter_file_splice_write,
	.fallocate = fs_fallocate,
	.remap_file_range = gmem_fs_clone,
	.fsync = noop_fsync,
	.llseek = fs_llseek,
	.unlocked_ioctl = gmem_file_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

static int fs_getattr(struct mnt_idmap *idmap, const struct path *path, struct kstat *stat,
		      u32 mask, unsigned int flags)
{
	struct inode *inode = d_inode(path->dentry);
	struct gmem *g = inode->i_private;
	long used = atomic_long_read(&g->nr_private) + atomic_long_read(&g->nr_shared) +
		    atomic_long_read(&g->nr_zeroed) + atomic_long_read(&g->nr_squeezed);

	compat_fillattr(idmap, mask, inode, stat);
	stat->blocks = (u64)max(used, 0L) << (PAGE_SHIFT - 9);
	return 0;
}

/* What is cut off a page does not come back when the file grows again. */
static int fs_set_size(struct inode *inode, u64 size)
{
	struct gmem *g = inode->i_private;
	u64 old = i_size_read(inode);
	int err = 0;

	if (size == old)
		return 0;
	if (size < old && !PAGE_ALIGNED(size))
		err = gmem_zero_part(g, size, round_up(size, PAGE_SIZE));
	if (!err && size > old)
		err = gmem_resize(g, bytes_to_pages(size));
	if (err)
		return err;
	i_size_write(inode, size);
	size_settle(inode);
	compat_inode_touch(inode);
	return 0;
}

static int fs_setattr(struct mnt_idmap *idmap, struct dentry *dentry, struct iattr *attr)
{
	struct inode *inode = d_inode(dentry);
	int err = setattr_prepare(idmap, dentry, attr);

	if (!err && attr->ia_valid & ATTR_SIZE)
		err = fs_set_size(inode, attr->ia_size);
	if (!err)
		setattr_copy(idmap, inode, attr);
	return err;
}

const struct inode_operations gmem_fs_file_iops = {
	.getattr = fs_getattr,
	.setattr = fs_setattr,
	.listxattr = generic_listxattr,
};
