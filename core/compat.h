/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Differences between the kernel versions that ditto builds for.  No other
 * file asks for the version.
 */
#ifndef DITTO_CORE_COMPAT_H
#define DITTO_CORE_COMPAT_H

#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/version.h>

/* 6.3: VMA flags are changed by helpers, inode operations take an idmap. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 3, 0)
#define mnt_idmap user_namespace

static inline void vm_flags_set(struct vm_area_struct *vma, vm_flags_t flags)
{
	vma->vm_flags |= flags;
}
#endif

/* 6.6: generic_fillattr() takes the request mask. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 6, 0)
#define compat_fillattr(idmap, mask, inode, stat) generic_fillattr(idmap, inode, stat)
#else
#define compat_fillattr(idmap, mask, inode, stat) generic_fillattr(idmap, mask, inode, stat)
#endif

#endif
