// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of bindings in numbers, when the merge engine leaves a range alone; and of what
 * the kernel gets from faults of mappings.
 */
#include <kunit/test.h>
#include <linux/delay.h>
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/kthread.h>
#include <linux/mman.h>
#include <linux/mmu_context.h>
#include <linux/pagemap.h>
#include <linux/uaccess.h>

#include "gmem/bind.h"
#include "gmem/entry.h"
#include "gmem/index.h"
#include "gmem/internal.h"
#include "gmem/merge.h"
#include "gmem/space.h"

static int harvests;

static void crowd_take(struct gmem_binding *b, pgoff_t start, pgoff_t end)
{
}

static void crowd_harvest(struct gmem_binding *b, pgoff_t start, pgoff_t end,
			  unsigned long *bitmap)
{
	harvests++;
}

static const struct gmem_binding_ops crowd_ops = {
	.zap = crowd_take,
	.wrprotect = crowd_take,
	.harvest = crowd_harvest,
};

static unsigned int scan(struct kunit *test, struct gmem *g, pgoff_t off)
{
	DECLARE_BITMAP(ripe, GMEM_CHUNK_PAGES) = { 0 };
	struct gmem_chunk *c = gmem_chunk_find(g, off);
	struct gmem_cursor cur = { .g = g, .c = c, .lock = &c->lock, .fork_lock = &g->fork_lock };

	KUNIT_ASSERT_NOT_NULL(test, c);
	harvests = 0;
	gmem_scan_chunk(&cur, ripe, &(unsigned long){ 0 });
	gmem_chunk_put(c);
	return harvests;
}

/* One binding too many of a chunk, and it is not scanned; its neighbour is. */
static void many_bindings(struct kunit *test)
{
	struct gmem_binding *b = kunit_kcalloc(test, GMEM_CROWD + 1, sizeof(*b), GFP_KERNEL);
	struct gmem *g = gmem_create_obj(2 * GMEM_CHUNK_PAGES << PAGE_SHIFT, 0);
	struct gmem_binding next;
	int i;

	KUNIT_ASSERT_NOT_NULL(test, b);
	KUNIT_ASSERT_FALSE(test, IS_ERR(g));
	KUNIT_EXPECT_EQ(test, gmem_write(g, 0, "x", 1), 0);
	KUNIT_EXPECT_EQ(test, gmem_write(g, GMEM_CHUNK_PAGES << PAGE_SHIFT, "x", 1), 0);
	KUNIT_EXPECT_EQ(test, gmem_bind(g, &next, GMEM_CHUNK_PAGES, GMEM_CHUNK_PAGES + 1,
					&crowd_ops), 0);
	for (i = 0; i <= GMEM_CROWD; i++) {
		KUNIT_EXPECT_FALSE(test, gmem_crowded(g, 0, GMEM_CHUNK_PAGES));
		KUNIT_EXPECT_EQ(test, scan(test, g, 0), i);
		KUNIT_EXPECT_EQ(test, gmem_bind(g, &b[i], i, i + 1, &crowd_ops), 0);
	}
	KUNIT_EXPECT_TRUE(test, gmem_crowded(g, 0, GMEM_CHUNK_PAGES));
	KUNIT_EXPECT_FALSE(test, gmem_crowded(g, 1, GMEM_CHUNK_PAGES));
	KUNIT_EXPECT_EQ(test, scan(test, g, 0), 0);
	KUNIT_EXPECT_EQ(test, scan(test, g, GMEM_CHUNK_PAGES), 1);

	while (i--)
		gmem_unbind(g, &b[i]);
	gmem_unbind(g, &next);
	gmem_put(g);
}

/* The same of mappings in user space; and of either while it is being changed. */
static void many_mappings(struct kunit *test)
{
	int i, fd = gmem_create(GMEM_CHUNK_PAGES << PAGE_SHIFT, 0);
	struct file *file = fget(fd);
	unsigned long first = 0;
	struct gmem *g;

	KUNIT_ASSERT_NOT_NULL(test, file);
	g = gmem_get_fd(fd);
	close_fd(fd);
	for (i = 0; i <= GMEM_CROWD; i++) {
		unsigned long addr;

		KUNIT_EXPECT_FALSE(test, gmem_crowded(g, 0, 1));
		addr = kunit_vm_mmap(test, file, 0, PAGE_SIZE, PROT_READ, MAP_SHARED, 0);
		KUNIT_ASSERT_NE(test, addr, 0);
		first = first ?: addr;
	}
	KUNIT_EXPECT_TRUE(test, gmem_crowded(g, 0, 1));
	KUNIT_EXPECT_EQ(test, vm_munmap(first, PAGE_SIZE), 0);
	KUNIT_EXPECT_FALSE(test, gmem_crowded(g, 0, 1));

	down_write(&g->bind_lock);
	KUNIT_EXPECT_TRUE(test, gmem_crowded(g, 0, 1));
	up_write(&g->bind_lock);
	i_mmap_lock_write(g->inode->i_mapping);
	KUNIT_EXPECT_TRUE(test, gmem_crowded(g, 0, 1));
	i_mmap_unlock_write(g->inode->i_mapping);
	gmem_put(g);
	fput(file);
}

/* What the kernel gets from a fault of a mapping of @file, which it lets go of. */
static vm_fault_t fault_of(struct kunit *test, struct file *file, unsigned long prot,
			   unsigned long flags, bool write)
{
	unsigned long addr = kunit_vm_mmap(test, file, 0, PAGE_SIZE, prot, flags, 0);
	vm_fault_t ret;

	KUNIT_ASSERT_NE(test, addr, 0);
	mmap_read_lock(current->mm);
	{
		struct vm_fault vmf = {
			.vma = find_vma(current->mm, addr),
			.address = addr,
			.flags = write ? FAULT_FLAG_WRITE : 0,
		};

		ret = vmf.vma->vm_ops->fault(&vmf);
		if (ret & VM_FAULT_LOCKED)
			unlock_page(vmf.page);
		if (vmf.page)
			put_page(vmf.page);
	}
	mmap_read_unlock(current->mm);
	return ret;
}

/*
 * The kernel looks itself whether the memory of a page that it gets is bad. It may have gone
 * bad just now, and a locked page would be asked for its mapping.
 */
static void no_locked_page(struct kunit *test)
{
	const unsigned long rw = PROT_READ | PROT_WRITE;
	int fd = gmem_create(PAGE_SIZE, 0);
	struct file *file = fget(fd);
	unsigned long addr;
	u8 value = 7;

	KUNIT_ASSERT_NOT_NULL(test, file);
	close_fd(fd);
	((struct gmem *)file->private_data)->space = gmem_space_new(0);	/* so: MAP_PRIVATE */
	addr = kunit_vm_mmap(test, file, 0, PAGE_SIZE, rw, MAP_SHARED, 0);
	KUNIT_ASSERT_NE(test, addr, 0);
	KUNIT_EXPECT_EQ(test, copy_to_user((u8 __user *)addr, &value, 1), 0);

	KUNIT_EXPECT_EQ(test, fault_of(test, file, PROT_READ, MAP_SHARED, false), VM_FAULT_NOPAGE);
	KUNIT_EXPECT_EQ(test, fault_of(test, file, rw, MAP_SHARED, false), VM_FAULT_NOPAGE);
	KUNIT_EXPECT_EQ(test, fault_of(test, file, rw, MAP_SHARED, true), VM_FAULT_NOPAGE);
	KUNIT_EXPECT_EQ(test, fault_of(test, file, rw, MAP_PRIVATE, false), VM_FAULT_NOPAGE);
	KUNIT_EXPECT_EQ(test, fault_of(test, file, rw, MAP_PRIVATE, true), VM_FAULT_NOPAGE);
	fput(file);
}

/* The only page of a new gmem behind @file, which was written. */
static struct page *written_page(struct kunit *test, struct file *file)
{
	struct gmem *g = file->private_data;
	unsigned long v;

	KUNIT_ASSERT_EQ(test, gmem_write(g, 0, "x", 1), 0);
	rcu_read_lock();
	v = READ_ONCE(*gmem_entry(g, 0));
	rcu_read_unlock();
	KUNIT_ASSERT_TRUE(test, gmem_entry_private(v));
	return gmem_entry_page(v);
}

/* Somebody who touches a mapping of this test's process. */
struct toucher {
	struct mm_struct *mm;
	u8 __user *addr;
	u8 seen;
	int err;
	struct completion done;
};

static int touch(void *arg)
{
	struct toucher *t = arg;

	kthread_use_mm(t->mm);
	t->err = get_user(t->seen, t->addr);
	kthread_unuse_mm(t->mm);
	complete(&t->done);
	return 0;
}

/* Is there a page table for an address? It only comes, as long as the mapping is there. */
static bool has_table(struct mm_struct *mm, unsigned long addr)
{
	pgd_t *pgd = pgd_offset(mm, addr);
	p4d_t *p4d = pgd_none(*pgd) ? NULL : p4d_offset(pgd, addr);
	pud_t *pud = !p4d || p4d_none(*p4d) ? NULL : pud_offset(p4d, addr);
	pmd_t *pmd = !pud || pud_none(*pud) ? NULL : pmd_offset(pud, addr);

	return pmd && !pmd_none(READ_ONCE(*pmd));
}

/* A fault that waits for the page's lock needs no more memory once it has it. */
static void table_before_lock(struct kunit *test)
{
	int tries, fd = gmem_create(PAGE_SIZE, 0);
	struct toucher t = { };
	struct file *file = fget(fd);
	struct task_struct *task;
	unsigned long addr;
	struct page *page;
	bool there;

	KUNIT_ASSERT_NOT_NULL(test, file);
	close_fd(fd);
	page = written_page(test, file);
	/* Where nothing else is. */
	addr = kunit_vm_mmap(test, file, SZ_1G, PAGE_SIZE, PROT_READ | PROT_WRITE,
			     MAP_SHARED | MAP_FIXED_NOREPLACE, 0);
	KUNIT_ASSERT_EQ(test, addr, SZ_1G);
	t.mm = current->mm;
	t.addr = (u8 __user *)addr;
	init_completion(&t.done);
	KUNIT_EXPECT_FALSE(test, has_table(t.mm, addr));
	lock_page(page);
	task = kthread_run(touch, &t, "ditto-touch");
	for (tries = 0; tries < 200 && !has_table(t.mm, addr); tries++)
		msleep(10);
	there = has_table(t.mm, addr);
	unlock_page(page);
	KUNIT_ASSERT_FALSE(test, IS_ERR(task));
	wait_for_completion(&t.done);
	KUNIT_EXPECT_TRUE(test, there);
	KUNIT_EXPECT_EQ(test, t.err, 0);
	KUNIT_EXPECT_EQ(test, t.seen, 'x');
	fput(file);
}

/* A process that maps a page so often that its references could overflow gets a bus error. */
static void many_references(struct kunit *test)
{
	int fd = gmem_create(PAGE_SIZE, 0);
	struct file *file = fget(fd);
	struct page *page;

	KUNIT_ASSERT_NOT_NULL(test, file);
	close_fd(fd);
	page = written_page(test, file);
	page_ref_add(page, INT_MAX / 4);
	KUNIT_EXPECT_EQ(test, fault_of(test, file, PROT_READ, MAP_SHARED, false), VM_FAULT_SIGBUS);
	page_ref_sub(page, INT_MAX / 4);
	KUNIT_EXPECT_EQ(test, fault_of(test, file, PROT_READ, MAP_SHARED, false), VM_FAULT_NOPAGE);
	fput(file);
}

static struct kunit_case bind_cases[] = {
	KUNIT_CASE(many_bindings),
	KUNIT_CASE(many_mappings),
	KUNIT_CASE(no_locked_page),
	KUNIT_CASE(table_before_lock),
	KUNIT_CASE(many_references),
	{}
};

static struct kunit_suite bind_suite = {
	.name = "ditto_gmem_bind",
	.test_cases = bind_cases,
};
kunit_test_suite(bind_suite);
