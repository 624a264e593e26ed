// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of bindings in numbers, when the merge engine leaves a range alone; and of what
 * the kernel gets from faults of mappings.
 */
#include <kunit/test.h>
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/mman.h>
#include <linux/pagemap.h>
#include <linux/uaccess.h>

#include "gmem/internal.h"
#include "gmem/merge.h"

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

	KUNIT_ASSERT_NOT_NULL(test, c);
	harvests = 0;
	gmem_scan_chunk(&(struct gmem_cursor){ .c = c }, ripe, &(unsigned long){ 0 });
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

static struct kunit_case bind_cases[] = {
	KUNIT_CASE(many_bindings),
	KUNIT_CASE(many_mappings),
	KUNIT_CASE(no_locked_page),
	{}
};

static struct kunit_suite bind_suite = {
	.name = "ditto_gmem_bind",
	.test_cases = bind_cases,
};
kunit_test_suite(bind_suite);
