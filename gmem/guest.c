// SPDX-License-Identifier: GPL-2.0-only
/*
 * Gmems that only a machine sees: KVM's guest_memfd. Owns what can be done with such a file:
 * allocate, punch, measure, and map where it was made for that. It cannot be read or written,
 * and one machine may bind it, each offset once. In everything else it is a gmem: charged,
 * merged and freed like any.
 */
#include <linux/fs.h>
#include <linux/falloc.h>
#include <linux/file.h>
#include <linux/module.h>

#include <ditto.h>
#include "gmem/file.h"
#include "gmem/fs.h"
#include "gmem/internal.h"

static long guest_allocate(struct gmem *g, u64 pos, u64 len)
{
	if (pos + len > gmem_size(g))
		return -EINVAL;
	return gmem_allocate(g, pos >> PAGE_SHIFT, (pos + len) >> PAGE_SHIFT);
}

/* The kernel has checked that neither number is negative, nor their sum. */
static long guest_fallocate(struct file *file, int mode, loff_t pos, loff_t len)
{
	struct gmem *g = file->private_data;

	if (!(mode & FALLOC_FL_KEEP_SIZE))
		return -EOPNOTSUPP;
	if (mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE))
		return -EOPNOTSUPP;
	if (!PAGE_ALIGNED(pos) || !PAGE_ALIGNED(len))
		return -EINVAL;
	if (mode & FALLOC_FL_PUNCH_HOLE)
		return gmem_punch_bytes(g, pos, len);
	return guest_allocate(g, pos, len);
}

static const struct file_operations guest_fops = {
	.owner = THIS_MODULE,
	.flush = gmem_file_flush,
	.release = gmem_file_release,
	.fallocate = guest_fallocate,
	.unlocked_ioctl = gmem_file_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

static vm_fault_t guest_hidden_fault(struct vm_fault *vmf)
{
	return VM_FAULT_SIGBUS;
}

static const struct vm_operations_struct guest_hidden_ops = {
	.fault = guest_hidden_fault,
};

/* A mapping may be longer than the gmem; there is nothing behind its end. */
static int guest_mmap(struct file *file, struct vm_area_struct *vma)
{
	const struct gmem *g = file->private_data;

	if (!(vma->vm_flags & VM_SHARED))
		return -EINVAL;
	if (g->guest & GMEM_GUEST_SHARED)
		return gmem_mmap(file, vma);
	vma->vm_ops = &guest_hidden_ops;
	return 0;
}

static const struct file_operations guest_mapped_fops = {
	.owner = THIS_MODULE,
	.flush = gmem_file_flush,
	.release = gmem_file_release,
	.mmap = guest_mmap,
	.fallocate = guest_fallocate,
	.unlocked_ioctl = gmem_file_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

/**
 * gmem_create_guest() - make a gmem that only one machine sees, and its fd
 * @size: bytes
 * @owner: a number, not 0, that the machine has and no other ever had
 * @how: GMEM_GUEST_*
 *
 * Process context.
 *
 * Return: the fd, or as gmem_create().
 */
int gmem_create_guest(u64 size, u64 owner, u32 how)
{
	struct gmem *g = gmem_create_obj(size, 0);

	if (!IS_ERR(g)) {
		g->owner = owner;
		g->guest = how;
	}
	return gmem_new_fd(g, how & GMEM_GUEST_MAP ? &guest_mapped_fops : &guest_fops,
			   O_RDWR);
}

/**
 * gmem_guest_is_mappable() - was it made to be mapped?
 * @g: of gmem_create_guest()
 *
 * Return: whether it was.
 */
bool gmem_guest_is_mappable(const struct gmem *g)
{
	return g->guest & GMEM_GUEST_MAP;
}

/**
 * gmem_get_guest_fd() - the gmem of an fd, for the machine that it was made for
 * @fd: of the current process
 * @owner: as of gmem_create_guest()
 *
 * Return: the gmem, with a reference for the caller, or ERR_PTR: -EBADF: there is no such fd;
 * -EINVAL: it is no such gmem's, or another machine's.
 */
struct gmem *gmem_get_guest_fd(int fd, u64 owner)
{
	struct file *file = fget(fd);
	struct gmem *g = ERR_PTR(-EINVAL);

	if (!file)
		return ERR_PTR(-EBADF);
	if (file->f_op == &guest_fops || file->f_op == &guest_mapped_fops) {
		g = file->private_data;
		g = g->owner == owner ? gmem_get(g) : ERR_PTR(-EINVAL);
	}
	fput(file);
	return g;
}
