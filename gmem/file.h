/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A gmem's life and its file: what file.c and umap.c do for all kinds of files that have a gmem.
 */
#ifndef DITTO_GMEM_FILE_H
#define DITTO_GMEM_FILE_H

#include <linux/fs.h>
#include <linux/mm_types.h>
#include <linux/types.h>

struct gmem;
struct gmem_domain;
struct gmem_space;

/* file.c */
unsigned long gmem_overhead(struct gmem *g);
struct gmem *gmem_create_in(u64 size, u32 flags, struct gmem_space *space,
			    struct gmem_domain *domain);
struct gmem *gmem_create_like(struct gmem *parent);
extern const struct file_operations gmem_fops;
struct file *gmem_new_file(struct gmem *g, const struct file_operations *fops, int mode);
int gmem_new_fd(struct gmem *g, const struct file_operations *fops, int flags);
int gmem_file_flush(struct file *file, fl_owner_t id);
int gmem_file_release(struct inode *inode, struct file *file);
long gmem_file_fallocate(struct file *file, int mode, loff_t offset, loff_t len);
long gmem_file_ioctl(struct file *file, unsigned int cmd, unsigned long arg);
int gmem_zero_part(struct gmem *g, u64 pos, u64 end);
int gmem_punch_bytes(struct gmem *g, u64 pos, u64 len);

/* umap.c */
int gmem_mmap(struct file *file, struct vm_area_struct *vma);

#endif
