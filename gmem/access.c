// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kernel's own accesses to guest memory: read, write, compare-and-exchange, pin.
 * Reads are on the exit path of vCPUs: a lookup and a copy, no lock, no reference.
 * Writers hold a page reference while they write, which makes the merge engine leave
 * the page alone, and look at the entry again once they have it (internal.h, point 5).
 * Memory that is read may be bad: it is read so that the machine check ends the access, and not
 * the host. A write reads nothing, except for a compare-and-exchange.
 */
#include <linux/highmem.h>
#include <linux/uaccess.h>

#include "gmem/claim.h"
#include "gmem/entry.h"
#include "gmem/fault.h"
#include "gmem/index.h"
#include "gmem/internal.h"
#include "gmem/mc.h"

static bool in_bounds(const struct gmem *g, u64 pos, size_t len)
{
	u64 size = gmem_size(g);

	return pos <= size && len <= size - pos;
}

/* Tell the kernel of memory that was found bad. */
static noinline int access_bad(const void *va)
{
	memory_failure_queue(PHYS_PFN(__pa(va)), 0);
	return -EHWPOISON;
}

#ifdef DITTO_KUNIT
int (*gmem_copy_override)(void *to, const void *from, size_t len);
#endif

/**
 * gmem_copy() - copy guest memory, which may be bad
 * @to: any other memory
 * @from: in a page of a gmem that does not go away
 * @len: bytes, of that page
 *
 * Any context. The kernel is told of memory that was found bad.
 *
 * Return: 0; -EHWPOISON: it is bad, and part of it was copied.
 */
int gmem_copy(void *to, const void *from, size_t len)
{
#ifdef DITTO_KUNIT
	if (gmem_copy_override)
		return gmem_copy_override(to, from, len);
#endif
	if (likely(!copy_mc_to_kernel(to, from, len)))
		return 0;
	return access_bad(from);
}

/* One access, as the CPU would do it: page-table entries are read while the guest writes them. */
static int access_load(void *to, const void *from, size_t len)
{
	switch (len) {
	case 8:
		return likely(mc_load(*(u64 *)to, (const u64 *)from)) ? 0 : access_bad(from);
	case 4:
		return likely(mc_load(*(u32 *)to, (const u32 *)from)) ? 0 : access_bad(from);
	default:
		return likely(mc_load(*(u16 *)to, (const u16 *)from)) ? 0 : access_bad(from);
	}
}

static bool fits_register(size_t len)
{
	return len == 8 || len == 4 || len == 2;
}

/* A write: what fits into a register goes in one access. */
static void access_copy(void *to, const void *from, size_t len)
{
	switch (len) {
	case 8:
		WRITE_ONCE(*(u64 *)to, READ_ONCE(*(u64 *)from));
		break;
	case 4:
		WRITE_ONCE(*(u32 *)to, READ_ONCE(*(u32 *)from));
		break;
	case 2:
		WRITE_ONCE(*(u16 *)to, READ_ONCE(*(u16 *)from));
		break;
	default:
		memcpy(to, from, len);
	}
}

static int read_in_page(struct gmem *g, u64 pos, void *buf, size_t len)
{
	unsigned long v;
	const void *va;
	int err = 0;

	rcu_read_lock();
	v = gmem_entry_read(g, pos >> PAGE_SHIFT);
	va = gmem_entry_va(v) + offset_in_page(pos);
	if (unlikely(gmem_entry_squeezed(v)))
		err = -EAGAIN;
	else if (unlikely(!(v & GMEM_PRESENT)))
		memset(buf, 0, len);
	else if (unlikely(PageHWPoison(gmem_entry_page(v))))
		err = -EHWPOISON;
	else if (fits_register(len))
		err = access_load(buf, va, len);
	else
		err = gmem_copy(buf, va, len);
	rcu_read_unlock();
	return err;
}

/* read_in_page() of what may be compressed: it becomes a page again. */
static int read_some(struct gmem *g, u64 pos, void *buf, size_t len)
{
	int err = read_in_page(g, pos, buf, len);

	while (unlikely(err == -EAGAIN)) {
		err = gmem_own(g, pos >> PAGE_SHIFT) ?: read_in_page(g, pos, buf, len);
		if (err == -ENOSPC)
			err = -EFAULT;
	}
	return err;
}

/**
 * gmem_read() - copy out of guest memory
 * @g: the gmem
 * @pos: byte offset
 * @buf: kernel memory
 * @len: bytes; may cross pages, and is then not a snapshot
 *
 * Process context, no lock held but mmap_lock. Sleeps, and allocates, only where a page is
 * compressed.
 *
 * Return: 0; -EFAULT if any of it is beyond the end, @buf is then untouched; -EHWPOISON
 * if the memory of a page is bad, -ENOMEM, -EINTR: those before it are then read.
 */
int gmem_read(struct gmem *g, u64 pos, void *buf, size_t len)
{
	size_t n;
	int err;

	if (!in_bounds(g, pos, len))
		return -EFAULT;
	for (; len; pos += n, buf += n, len -= n) {
		n = min_t(size_t, len, PAGE_SIZE - offset_in_page(pos));
		err = read_some(g, pos, buf, n);
		if (unlikely(err))
			return err;
	}
	return 0;
}

/**
 * gmem_peek() - where a page's bytes are just now
 * @g: the gmem
 * @off: offset in pages
 *
 * In an RCU section (rcu_read_lock_sched() counts): the bytes may be read until it ends.
 * Before other bytes take their place, a binding that covers @off is told by a zap.
 * Allocates nothing. The bytes may be bad: mc_load() reads them.
 *
 * Return: the page's address, or NULL: gmem_read() knows why. The page is empty and
 * reads as zero, or compressed, or its memory is bad, or it is beyond the end, or just now
 * becomes something else.
 */
const void *gmem_peek(struct gmem *g, pgoff_t off)
{
	unsigned long v;

	if (unlikely(off >= gmem_npages(g)))
		return NULL;
	v = gmem_entry_read(g, off);
	/* In transition: the zap that tells of it may be over already. */
	if (unlikely((v & (GMEM_PRESENT | GMEM_LOCKED)) != GMEM_PRESENT ||
		     PageHWPoison(gmem_entry_page(v))))
		return NULL;
	return gmem_entry_va(v);
}

/* In an RCU section, no fork can end: a reference to a page that @g may write to, or NULL. */
static struct page *hold_private(struct gmem *g, struct gmem_chunk *c, pgoff_t off)
{
	unsigned long *e = &c->entry[off % GMEM_CHUNK_PAGES];
	unsigned long v = READ_ONCE(*e);
	struct page *page = gmem_entry_page(v);

	if (!gmem_entry_private(v) || (v & (GMEM_LOCKED | GMEM_APART)) || !gmem_chunk_held_by(c, g))
		return NULL;
	get_page(page);
	smp_mb__after_atomic();	/* pairs with the freezer: LOCKED, then page_count */
	if (likely(gmem_entry_same(READ_ONCE(*e), v)))
		return page;
	put_page(page);
	return NULL;
}

/* After a write through a held page: let the next scan know. In the RCU section. */
static void note_write(struct gmem_chunk *c, pgoff_t off)
{
	unsigned long *e = &c->entry[off % GMEM_CHUNK_PAGES];
	unsigned long v = READ_ONCE(*e);

	if (!(v & GMEM_DIRTY) && gmem_entry_private(v) && gmem_entry_set(e, v, GMEM_DIRTY))
		gmem_chunk_touch(c);
}

typedef bool (*access_fn)(void *va, void *arg);

/* access_private() on a page that is private by now, or -EAGAIN. In an RCU section. */
static int try_private(struct gmem *g, u64 pos, access_fn fn, void *arg)
{
	pgoff_t off = pos >> PAGE_SHIFT;
	struct gmem_chunk *c = gmem_chunk_lookup(g, off);
	struct page *page = c ? hold_private(g, c, off) : NULL;
	int err = 0;

	if (unlikely(!page))
		return -EAGAIN;
	if (unlikely(PageHWPoison(page)))
		err = -EHWPOISON;
	else if (fn(page_address(page) + offset_in_page(pos), arg))
		note_write(c, off);
	put_page(page);
	return err;
}

/* Which gmem each CPU is writing to just now. */
static DEFINE_PER_CPU(struct gmem *, access_writing);

/*
 * What is written must not be seen by a fork that came first. Instead of fork_lock, which vCPUs
 * would share, each CPU says what it writes to, and a fork waits for those that do. Process
 * context: a CPU has one word for it.
 */
static int access_now(struct gmem *g, u64 pos, access_fn fn, void *arg)
{
	int err;

	/* An access from an interrupt would clear the word that the interrupted access has set. */
	VM_WARN_ON_ONCE(!in_task());
	preempt_disable();
	this_cpu_write(access_writing, g);
	smp_mb();	/* pairs with gmem_wait_for_writes(): said, then the holder is looked at */
	rcu_read_lock();
	err = try_private(g, pos, fn, arg);
	rcu_read_unlock();
	smp_store_release(this_cpu_ptr(&access_writing), NULL);
	preempt_enable();
	return err;
}

/**
 * gmem_wait_for_writes() - wait for the kernel's own writes that may not have seen a fork
 * @g: has another holder by now; its fork_lock is held for write
 *
 * Each is one page long at most.
 */
void gmem_wait_for_writes(struct gmem *g)
{
	unsigned int cpu;

	smp_mb();	/* the holder, then what is said */
	for_each_possible_cpu(cpu)
		while (smp_load_acquire(per_cpu_ptr(&access_writing, cpu)) == g)
			cpu_relax();
}

/* Call fn on the private page of @pos, with the page held; make it private if needed. */
static int access_private(struct gmem *g, u64 pos, access_fn fn, void *arg)
{
	int err;

	for (;;) {
		err = access_now(g, pos, fn, arg);
		if (likely(err != -EAGAIN))
			return err;
		err = gmem_own(g, pos >> PAGE_SHIFT);
		if (err)
			return err == -ENOSPC ? -EFAULT : err;
	}
}

struct write_arg {
	const void *buf;
	size_t len;
};

static bool write_fn(void *va, void *arg)
{
	struct write_arg *w = arg;

	access_copy(va, w->buf, w->len);
	return true;
}

/**
 * gmem_write() - copy into guest memory
 * @g: the gmem
 * @pos: byte offset
 * @buf: kernel memory
 * @len: bytes; may cross pages
 *
 * Process context, no lock held; may sleep, but not for pages that are private already.
 *
 * Return: 0; -EFAULT if any of it is beyond the end, nothing is written then; -EFAULT when
 * its mount is full, -ENOMEM, -EHWPOISON or -EINTR, with the pages before the failing one written.
 */
int gmem_write(struct gmem *g, u64 pos, const void *buf, size_t len)
{
	struct write_arg w;
	int err;

	if (!in_bounds(g, pos, len))
		return -EFAULT;
	for (; len; pos += w.len, buf += w.len, len -= w.len) {
		w.buf = buf;
		w.len = min_t(size_t, len, PAGE_SIZE - offset_in_page(pos));
		err = access_private(g, pos, write_fn, &w);
		if (err)
			return err;
	}
	return 0;
}

struct cmpxchg_arg {
	unsigned int size;
	u64 *old;
	u64 new;
	bool swapped, bad;
};

static bool cmpxchg_fn(void *va, void *arg)
{
	struct cmpxchg_arg *a = arg;
	u64 was = 0;
	u8 first;

	/* One byte is enough: it brings in the cache line that all of the operand lies in. */
	a->bad = !mc_load(first, (const u8 *)va);
	if (unlikely(a->bad))
		return false;
	switch (a->size) {
	case 1:
		was = cmpxchg((u8 *)va, (u8)*a->old, (u8)a->new);
		a->swapped = was == (u8)*a->old;
		break;
	case 2:
		was = cmpxchg((u16 *)va, (u16)*a->old, (u16)a->new);
		a->swapped = was == (u16)*a->old;
		break;
	case 4:
		was = cmpxchg((u32 *)va, (u32)*a->old, (u32)a->new);
		a->swapped = was == (u32)*a->old;
		break;
	case 8:
		was = cmpxchg((u64 *)va, *a->old, a->new);
		a->swapped = was == *a->old;
		break;
	}
	*a->old = was;
	return a->swapped;
}

/**
 * gmem_cmpxchg() - atomic compare-and-exchange in guest memory
 * @g: the gmem
 * @pos: byte offset, a multiple of @size
 * @size: 1, 2, 4 or 8 bytes
 * @old: in: the expected value; out: what was there
 * @new: what to put there if the expectation holds
 * @swapped: out, with 0: whether it held
 *
 * Process context, no lock held; may sleep. Makes the page private either way.
 *
 * Return: 0; -EINVAL for a size or alignment that cannot be; -EFAULT beyond the end; -ENOMEM;
 * -EHWPOISON; -EINTR.
 */
int gmem_cmpxchg(struct gmem *g, u64 pos, unsigned int size, u64 *old, u64 new, bool *swapped)
{
	struct cmpxchg_arg a = { .size = size, .old = old, .new = new };
	int err;

	if (!is_power_of_2(size) || size > 8 || !IS_ALIGNED(pos, size))
		return -EINVAL;
	if (!in_bounds(g, pos, size))
		return -EFAULT;
	err = access_private(g, pos, cmpxchg_fn, &a);
	*swapped = a.swapped;
	return unlikely(!err && a.bad) ? -EHWPOISON : err;
}

/*
 * In an RCU section: a reference to the page that reads of @off use, or NULL: call
 * gmem_settle().
 */
static struct page *hold_any(struct gmem *g, pgoff_t off)
{
	unsigned long v = gmem_entry_read(g, off);
	struct page *page = v & GMEM_PRESENT ? gmem_entry_page(v) : READ_ONCE(g->zero);

	if (gmem_entry_squeezed(v))
		return NULL;
	if (page)
		get_page(page);
	return page;
}

/* A reference to the page of @off for writing, or NULL: call gmem_own(). */
static struct page *hold_for_write(struct gmem *g, pgoff_t off)
{
	struct page *page = NULL;
	struct gmem_chunk *c;

	down_read(&g->fork_lock);
	rcu_read_lock();
	c = gmem_chunk_lookup(g, off);
	if (c)
		page = hold_private(g, c, off);
	if (page)
		gmem_note_held(c);
	rcu_read_unlock();
	up_read(&g->fork_lock);
	return page;
}

static struct page *hold_for_read(struct gmem *g, pgoff_t off)
{
	struct page *page;

	rcu_read_lock();
	page = hold_any(g, off);
	rcu_read_unlock();
	return page;
}

/**
 * gmem_pin_page() - the address of a page, and a promise not to merge it
 * @g: the gmem
 * @off: offset in pages
 * @write: it will be written; it is made private first
 *
 * Process context, no lock held. A page pinned for writing stays in the gmem until it is
 * punched. A page pinned for reading turns into a snapshot at the next write to a shared or
 * empty entry. A binding that covers @off is told of both by a zap. There is no fork while a
 * page is pinned for writing.
 *
 * Return: the page's address, or ERR_PTR: -EFAULT beyond the end, -ENOMEM, -ENOSPC, -EHWPOISON,
 * -EINTR.
 */
void *gmem_pin_page(struct gmem *g, pgoff_t off, bool write)
{
	struct page *page;
	int err;

	if (off >= gmem_npages(g))
		return ERR_PTR(-EFAULT);
	for (;;) {
		page = write ? hold_for_write(g, off) : hold_for_read(g, off);
		if (page && PageHWPoison(page)) {
			put_page(page);
			return ERR_PTR(-EHWPOISON);
		}
		if (page)
			return page_address(page);
		err = write ? gmem_own(g, off) : gmem_settle(g, off);
		if (err)
			return ERR_PTR(err);
	}
}

/**
 * gmem_unpin_page() - the end of a pin
 * @g: the gmem
 * @off: as pinned
 * @va: from gmem_pin_page()
 * @dirty: it was written since
 */
void gmem_unpin_page(struct gmem *g, pgoff_t off, void *va, bool dirty)
{
	if (dirty)
		gmem_mark_dirty(g, off);
	put_page(virt_to_page(va));
}
