/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef DITTO_BOOT_H
#define DITTO_BOOT_H

#include "kernel.h"
#include "ram.h"

#include <linux/kvm.h>

/* Guest-physical addresses of what the loader puts into the first MiB. */
#define BOOT_ZERO_PAGE		0x7000
#define BOOT_GDT		0x8000
#define BOOT_PML4		0x9000
#define BOOT_PDPT		0xa000
#define BOOT_PD			0xb000	/* four pages: 4 GiB in 2 MiB steps */
#define BOOT_CMDLINE		0x20000
#define BOOT_CMDLINE_MAX	0x10000
#define BOOT_EBDA		0x9fc00
#define BOOT_ACPI		0xe0000
#define BOOT_ACPI_MAX		0xf000
#define BOOT_VMGENID		0xef000	/* a page with nothing else */

/**
 * struct boot - what to boot and where it goes
 * @kernel: checked
 * @initrd: open, or @initrd.fd == -1
 * @before, @before_len: what comes before the initrd in memory; a multiple of 4 bytes, or none
 * @cmdline: the guest's command line
 * @ram_size: bytes of RAM
 * @kernel_addr: where the kernel goes; from boot_plan()
 * @initrd_addr: where the initrd goes; from boot_plan()
 */
struct boot {
	struct kernel kernel;
	struct image initrd;
	const void *before;
	uint64_t before_len;
	const char *cmdline;
	uint64_t ram_size;
	uint64_t kernel_addr;
	uint64_t initrd_addr;
};

int boot_plan(struct boot *boot);
int boot_load(const struct boot *boot, const struct ram *ram);
void boot_regs(const struct boot *boot, struct kvm_regs *regs);
void boot_sregs(struct kvm_sregs *sregs);

#endif
