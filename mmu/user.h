/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory of the VMM's process, for the files of the mmu room.
 */
#ifndef DITTO_MMU_USER_H
#define DITTO_MMU_USER_H

#include <linux/kvm_types.h>
#include <linux/mm_types.h>

/**
 * struct user_page - what is behind an hva
 * @pfn: the frame
 * @page: it, with a reference; NULL where a driver mapped a frame
 * @writable: the process may write to it, without a fault
 * @device: it is no memory of the host's: not to be cached
 */
struct user_page {
	kvm_pfn_t pfn;
	struct page *page;
	bool writable;
	bool device;
};

int user_page_get(struct mm_struct *mm, unsigned long hva, bool write, bool want_write,
		  struct user_page *up);
int user_page_try(struct mm_struct *mm, unsigned long hva, bool write, bool want_write,
		  struct user_page *up);
unsigned int user_pages_ahead(struct mm_struct *mm, unsigned long hva, unsigned int n,
			      bool writable, bool write, struct page **page);
bool user_maps_large(struct mm_struct *mm, unsigned long hva);
int user_fault_in(struct mm_struct *mm, unsigned long hva, bool write);

#endif
