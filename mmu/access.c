// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kernel's own accesses to guest memory, by gpa: the only way into it.  They go
 * to the gmem or to the process's memory behind the slot, never through TDP tables,
 * so gmem and the process see who writes, and mark what is dirty.
 */
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/uaccess.h>
#include <asm/cpufeature.h>

#include "compat.h"
#include "mmu/between.h"
#include "mmu/dirty.h"
#include "mmu/guest.h"
#include "mmu/shadow.h"
#include "mmu/slots.h"
#include "mmu/user.h"

/*
 * No slot has it now. What is private is no device's, nor what a slot has that was private;
 * where nothing can be private a slot that is there by now has just been made.
 */
static noinline int slot_missing(struct mmu *mmu, gpa_t gpa)
{
	gfn_t gfn = gpa >> PAGE_SHIFT;

	if (!mmu->private_mem)
		return -ENXIO;
	fault_between(mmu);
	return mmu_is_private(mmu, gfn) || slots_in_front(mmu, gfn) ? -EFAULT : -ENXIO;
}

static void __user *slot_hva(const struct memslot *slot, gpa_t gpa)
{
	return (void __user *)memslot_hva(slot, gpa);
}

static bool user_reachable(const struct memslot *slot)
{
	return current->mm == slot->mmu->mm;
}

/* Bytes of [gpa, gpa + len) that are in the slot, and of one kind. */
static unsigned int slot_clip(const struct memslot *slot, gpa_t gpa, unsigned int len)
{
	if (unlikely(slot->mmu->private_mem))
		return min_t(u64, len, PAGE_SIZE - offset_in_page(gpa));
	return min_t(u64, len, ((slot->base + slot->npages) << PAGE_SHIFT) - gpa);
}

/* What fits into a register is read and written in one access, as the CPU would do it. */
#define USER_READ_AS(type, buf, hva) ({						\
	type __val;								\
	int __err = get_user(__val, (type __user *)(hva));			\
	if (!__err)								\
		*(type *)(buf) = __val;						\
	__err;									\
})

static int user_read_once(void *buf, const void __user *hva, unsigned int len)
{
	switch (len) {
	case 8:
		return USER_READ_AS(u64, buf, hva);
	case 4:
		return USER_READ_AS(u32, buf, hva);
	case 2:
		return USER_READ_AS(u16, buf, hva);
	default:
		return copy_from_user(buf, hva, len) ? -EFAULT : 0;
	}
}

static int user_write_once(void __user *hva, const void *buf, unsigned int len)
{
	switch (len) {
	case 8:
		return put_user(*(u64 *)buf, (u64 __user *)hva);
	case 4:
		return put_user(*(u32 *)buf, (u32 __user *)hva);
	case 2:
		return put_user(*(u16 *)buf, (u16 __user *)hva);
	default:
		return copy_to_user(hva, buf, len) ? -EFAULT : 0;
	}
}

/* How many times memory may go away again before the access waits without hearing signals. */
#define USER_TRIES	16

/*
 * Have memory that the access did not find.  The kernel's own way to do that in the middle
 * of an access hears fatal signals only.  0: try again; 1: try again, the kernel's way,
 * which will refuse it most probably; -EINTR, -ENOMEM.
 */
static noinline int user_wait(const void __user *where, unsigned int len, bool write, int tries)
{
	unsigned long hva = (unsigned long)where, end = hva + len;
	int err = 0;

	if (!tries)
		return 1;
	for (hva &= PAGE_MASK; hva < end && !err; hva += PAGE_SIZE)
		err = user_fault_in(current->mm, hva, write);
	return err && err != -EINTR && err != -ENOMEM ? 1 : err;
}

static int user_read(void *buf, const void __user *hva, unsigned int len)
{
	int tries = USER_TRIES;
	int err;

	do {
		pagefault_disable();
		err = user_read_once(buf, hva, len);
		pagefault_enable();
		if (likely(!err))
			return 0;
		err = user_wait(hva, len, false, tries--);
	} while (!err);
	return err < 0 ? err : user_read_once(buf, hva, len);
}

static int user_write(void __user *hva, const void *buf, unsigned int len)
{
	int tries = USER_TRIES;
	int err = 0;

	/* A signal shall find nothing written, or all of it. */
	if (unlikely(offset_in_page(hva) + len > PAGE_SIZE))
		err = user_wait(hva, len, true, tries);
	while (!err) {
		pagefault_disable();
		err = user_write_once(hva, buf, len);
		pagefault_enable();
		if (likely(!err))
			return 0;
		err = user_wait(hva, len, true, tries--);
	}
	return err < 0 ? err : user_write_once(hva, buf, len);
}

static int slot_read(const struct memslot *slot, gpa_t gpa, void *buf, unsigned int len)
{
	if (likely(slot->gmem))
		return gmem_read(slot->gmem, memslot_pos(slot, gpa), buf, len);
	return user_reachable(slot) ? user_read(buf, slot_hva(slot, gpa), len) : -EFAULT;
}

/* [gpa, gpa + len) was written, which all ways to write do when they are done. */
static void slot_log_write(struct memslot *slot, gpa_t gpa, unsigned int len)
{
	gfn_t gfn = gpa >> PAGE_SHIFT, last = (gpa + len - 1) >> PAGE_SHIFT;

	if (slot->front)
		slot = slot->front;
	if (likely(!READ_ONCE(slot->log)))
		return;
	for (; gfn <= last; gfn++)
		memslot_log_write(slot, gfn);
}

/* Also when it fails: a part may be written. */
static int slot_write(struct memslot *slot, gpa_t gpa, const void *buf, unsigned int len)
{
	int err;

	if (memslot_readonly(slot))
		return -EROFS;
	if (likely(slot->gmem))
		err = gmem_write(slot->gmem, memslot_pos(slot, gpa), buf, len);
	else if (user_reachable(slot))
		err = user_write(slot_hva(slot, gpa), buf, len);
	else
		return -EFAULT;
	slot_log_write(slot, gpa, len);
	return err;
}

/**
 * guest_read() - copy out of guest memory
 * @mmu: the caller is in a read section of its srcu
 * @gpa: any
 * @buf: kernel memory
 * @len: bytes; may cross pages and slots.  2, 4 and 8 aligned ones are read at once
 *
 * Process context; may sleep where a user-backed slot is.
 *
 * Return: 0; -ENXIO: a byte is in no memslot; -EFAULT: the backing failed, or belongs to
 * another process, or a byte is private and no slot has private memory for it; -EINTR: a signal
 * came, of any kind, before the memory of a user-backed slot did; -ENOMEM. @buf may be filled in
 * part then.
 */
int guest_read(struct mmu *mmu, gpa_t gpa, void *buf, unsigned int len)
{
	while (len) {
		struct memslot *slot = mmu_find_slot(mmu, gpa >> PAGE_SHIFT);
		unsigned int n;
		int err;

		if (!slot)
			return slot_missing(mmu, gpa);
		n = slot_clip(slot, gpa, len);
		err = slot_read(slot, gpa, buf, n);
		if (err)
			return err;
		gpa += n;
		buf += n;
		len -= n;
	}
	return 0;
}

/**
 * guest_write() - copy into guest memory
 * @mmu: the caller is in a read section of its srcu
 * @gpa: any
 * @buf: kernel memory
 * @len: bytes; may cross pages and slots.  2, 4 and 8 aligned ones are written at once
 *
 * Process context; may sleep.
 *
 * Return: as guest_read(), and -EROFS: the slot is read-only. The bytes before the failing one may
 * be written then.
 */
int guest_write(struct mmu *mmu, gpa_t gpa, const void *buf, unsigned int len)
{
	while (len) {
		struct memslot *slot = mmu_find_slot(mmu, gpa >> PAGE_SHIFT);
		unsigned int n;
		int err;

		if (!slot)
			return slot_missing(mmu, gpa);
		n = slot_clip(slot, gpa, len);
		err = slot_write(slot, gpa, buf, n);
		if (unlikely(mmu->shadow))
			shadow_written(mmu, gpa, n);
		if (err)
			return err;
		gpa += n;
		buf += n;
		len -= n;
	}
	return 0;
}

/* 0: exchanged; 1: @old is what was there; -EFAULT. */
static int user_cmpxchg_once(void __user *ptr, void *old, const void *new, unsigned int len)
{
	switch (len) {
	case 1:
		return __try_cmpxchg_user((u8 __user *)ptr, (u8 *)old, *(u8 *)new, fault1);
	case 2:
		return __try_cmpxchg_user((u16 __user *)ptr, (u16 *)old, *(u16 *)new, fault2);
	case 4:
		return __try_cmpxchg_user((u32 __user *)ptr, (u32 *)old, *(u32 *)new, fault4);
	default:
		return __try_cmpxchg_user((u64 __user *)ptr, (u64 *)old, *(u64 *)new, fault8);
	}
}

/* 0; -EFAULT, -EINTR, -ENOMEM. */
static int user_cmpxchg(void __user *ptr, void *old, const void *new, unsigned int len,
			bool *swapped)
{
	int tries = USER_TRIES;
	int ret;

	do {
		pagefault_disable();
		ret = user_cmpxchg_once(ptr, old, new, len);
		pagefault_enable();
		if (likely(ret >= 0))
			break;
		ret = user_wait(ptr, len, true, tries--);
		if (ret > 0) {
			ret = user_cmpxchg_once(ptr, old, new, len);
			break;
		}
	} while (!ret);
	*swapped = !ret;
	return min(ret, 0);
}

static int gmem_cmpxchg_buf(const struct memslot *slot, gpa_t gpa, void *old, const void *new,
			    unsigned int len, bool *swapped)
{
	u64 old64 = 0, new64 = 0;
	int err;

	memcpy(&old64, old, len);
	memcpy(&new64, new, len);
	err = gmem_cmpxchg(slot->gmem, memslot_pos(slot, gpa), len, &old64, new64, swapped);
	if (!err)
		memcpy(old, &old64, len);
	return err;
}

/* At a kernel address that is aligned to 16; the CPU has the instruction. */
static void cmpxchg_16(void *va, u64 *old, const u64 *new)
{
	asm volatile("lock cmpxchg16b %[mem]"
		     : [mem] "+m" (*(u64 (*)[2])va), "+a" (old[0]), "+d" (old[1])
		     : "b" (new[0]), "c" (new[1])
		     : "memory", "cc");
}

static int user_cmpxchg_16(unsigned long hva, u64 *old, const u64 *new)
{
	struct page *page;
	void *va;
	int n;

	/* To pin it hears fatal signals only, and needs not wait when it is there. */
	if (user_fault_in(current->mm, hva, true) == -EINTR)
		return -EINTR;
	n = pin_user_pages_fast(hva & PAGE_MASK, 1, FOLL_WRITE, &page);
	if (n != 1)
		return n == -EINTR ? n : -EFAULT;
	va = kmap_local_page(page);
	cmpxchg_16(va + offset_in_page(hva), old, new);
	kunmap_local(va);
	unpin_user_pages_dirty_lock(&page, 1, true);
	return 0;
}

static int slot_cmpxchg_16(const struct memslot *slot, gpa_t gpa, void *old, const void *new)
{
	pgoff_t off = memslot_offset(slot, gpa >> PAGE_SHIFT);
	u64 o[2], n[2];
	int err = 0;
	void *va;

	memcpy(o, old, sizeof(o));
	memcpy(n, new, sizeof(n));
	if (slot->gmem) {
		va = gmem_pin_page(slot->gmem, off, true);
		if (IS_ERR(va))
			return PTR_ERR(va);
		cmpxchg_16(va + offset_in_page(gpa), o, n);
		gmem_unpin_page(slot->gmem, off, va, true);
	} else {
		err = user_cmpxchg_16(memslot_hva(slot, gpa), o, n);
	}
	if (!err)
		memcpy(old, o, sizeof(o));
	return err;
}

/*
 * Across natural boundaries there is no atomic operation that the host may use: locked
 * accesses there can be made to fault.
 */
static int cmpxchg_unaligned(struct mmu *mmu, gpa_t gpa, void *old, const void *new,
			     unsigned int len)
{
	u8 now[16];
	int err;

	err = guest_read(mmu, gpa, now, len);
	if (!err && !memcmp(now, old, len))
		err = guest_write(mmu, gpa, new, len);
	if (!err)
		memcpy(old, now, len);
	return err;
}

static int slot_cmpxchg(struct memslot *slot, gpa_t gpa, void *old, const void *new,
			unsigned int len)
{
	bool swapped = true;
	int err;

	if (memslot_readonly(slot))
		return -EROFS;
	if (!slot->gmem && !user_reachable(slot))
		return -EFAULT;
	if (len == 16)
		err = slot_cmpxchg_16(slot, gpa, old, new);
	else if (slot->gmem)
		err = gmem_cmpxchg_buf(slot, gpa, old, new, len, &swapped);
	else
		err = user_cmpxchg(slot_hva(slot, gpa), old, new, len, &swapped);
	if (!err && swapped)
		slot_log_write(slot, gpa, len);
	return err;
}

/**
 * guest_mark() - guest_cmpxchg() of an entry of the guest's tables, to mark it
 * @mmu: the caller is in a read section of its srcu
 * @gpa: a multiple of @len
 * @old: in: what is expected there; out: what was there
 * @new: the same with accessed or dirty bits
 * @len: 4 or 8
 *
 * No shadow table has to know of it.
 *
 * Return: as guest_cmpxchg().
 */
int guest_mark(struct mmu *mmu, gpa_t gpa, void *old, const void *new, unsigned int len)
{
	struct memslot *slot = mmu_find_slot(mmu, gpa >> PAGE_SHIFT);

	return slot ? slot_cmpxchg(slot, gpa, old, new, len) : slot_missing(mmu, gpa);
}

/**
 * guest_cmpxchg() - compare and exchange guest memory
 * @mmu: the caller is in a read section of its srcu
 * @gpa: any
 * @old: in: what is expected there; out: what was there
 * @new: what to put there if the expectation holds
 * @len: 1, 2, 4, 8 or, where the CPU has CMPXCHG16B, 16
 *
 * Process context; may sleep.  Atomic when @gpa is a multiple of @len; otherwise a
 * comparison and then a write.
 *
 * Return: 0, exchanged or not: it was if @old has not changed; -EINVAL for another @len;
 * else as guest_write(), with nothing changed.
 */
int guest_cmpxchg(struct mmu *mmu, gpa_t gpa, void *old, const void *new, unsigned int len)
{
	int err;

	if (!is_power_of_2(len) || len > (boot_cpu_has(X86_FEATURE_CX16) ? 16 : 8))
		return -EINVAL;
	if (!IS_ALIGNED(gpa, len))
		return cmpxchg_unaligned(mmu, gpa, old, new, len);
	err = guest_mark(mmu, gpa, old, new, len);
	if (unlikely(mmu->shadow))
		shadow_written(mmu, gpa, len);
	return err;
}
