// SPDX-License-Identifier: GPL-2.0-only
/*
 * The 64-bit boot protocol of Linux (Documentation/arch/x86/boot.rst): where
 * kernel, initrd and command line go, the zero page, the page tables and GDT
 * that the entry point wants, and the registers to enter with. Placing is
 * decided by boot_plan() before there is a machine; boot_load() then only
 * copies.
 */
#include "boot.h"
#include "util.h"

#include <asm/processor-flags.h>
#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

#define ENTRY_64		0x200
#define LOADER_UNDEFINED	0xff
#define VIDEO_NORMAL		0xffff

#define SEL_CODE		0x10
#define SEL_DATA		0x18
#define GDT_ENTRIES		4
#define GDT_CODE64		0x00af9b000000ffffULL
#define GDT_DATA		0x00cf93000000ffffULL

#define PTE_PRESENT		(1ULL << 0)
#define PTE_WRITE		(1ULL << 1)
#define PTE_LARGE		(1ULL << 7)
#define PT_ENTRIES		512
#define IDENTITY_PDS		4

#define EFER_LME		(1ULL << 8)
#define EFER_LMA		(1ULL << 10)

#define E820_RAM		1
#define E820_RESERVED		2

static_assert(offsetof(struct boot_params, acpi_rsdp_addr) == 0x70, "zero page layout");
static_assert(offsetof(struct boot_params, e820_table) == 0x2d0, "zero page layout");

static int plan_kernel(struct boot *b)
{
	const struct setup_header *hdr = &b->kernel.hdr;
	uint64_t room = b->kernel.payload_size > hdr->init_size ? b->kernel.payload_size
								: hdr->init_size;
	char need[16], have[16];

	b->kernel_addr = hdr->pref_address;
	if (b->kernel_addr + room <= ram_low_size(b->ram_size))
		return 0;
	complain("--memory %s is too small: this kernel needs %s to start",
		 format_size(b->ram_size, have, sizeof(have)),
		 format_size(b->kernel_addr + room, need, sizeof(need)));
	return -1;
}

/* As high as the kernel allows, so that it is far from where the kernel unpacks. */
static int plan_initrd(struct boot *b)
{
	uint64_t top = b->kernel.hdr.initrd_addr_max + 1ULL;
	uint64_t bottom = align_up(b->kernel_addr + b->kernel.hdr.init_size, PAGE_BYTES);
	char size[16], have[16];

	if (b->initrd.fd < 0)
		return 0;
	if (!b->initrd.size) {
		complain("%s: empty file", b->initrd.path);
		return -1;
	}
	if (top > ram_low_size(b->ram_size))
		top = ram_low_size(b->ram_size);
	if (top < bottom || b->before_len > top - bottom ||
	    b->initrd.size > top - bottom - b->before_len) {
		complain("--memory %s is too small: no room for the initrd of %s beside the kernel",
			 format_size(b->ram_size, have, sizeof(have)),
			 format_size(b->initrd.size, size, sizeof(size)));
		return -1;
	}
	b->initrd_addr = align_down(top - b->initrd.size - b->before_len, PAGE_BYTES);
	return 0;
}

static int plan_cmdline(const struct boot *b)
{
	size_t max = b->kernel.hdr.cmdline_size;

	if (max > BOOT_CMDLINE_MAX - 1)
		max = BOOT_CMDLINE_MAX - 1;
	if (strlen(b->cmdline) <= max)
		return 0;
	complain("--append: %zu characters; this kernel takes %zu", strlen(b->cmdline), max);
	return -1;
}

/**
 * boot_plan() - decide where everything goes
 * @boot: everything but the addresses is set
 *
 * Return: 0, or -1 after saying on standard error what does not fit.
 */
int boot_plan(struct boot *boot)
{
	if (plan_kernel(boot) < 0 || plan_initrd(boot) < 0)
		return -1;
	return plan_cmdline(boot);
}

static void e820_add(struct boot_params *bp, uint64_t start, uint64_t end, uint32_t type)
{
	struct boot_e820_entry *e = &bp->e820_table[bp->e820_entries++];

	*e = (struct boot_e820_entry){ .addr = start, .size = end - start, .type = type };
}

static void load_e820(struct boot_params *bp, uint64_t ram_size)
{
	uint64_t low = ram_low_size(ram_size);

	e820_add(bp, 0, BOOT_EBDA, E820_RAM);
	e820_add(bp, BOOT_EBDA, 0xa0000, E820_RESERVED);
	e820_add(bp, BOOT_ACPI, MIB, E820_RESERVED);
	e820_add(bp, MIB, low, E820_RAM);
	if (ram_size > low)
		e820_add(bp, RAM_HOLE_END, RAM_HOLE_END + ram_size - low, E820_RAM);
}

static void load_zero_page(const struct boot *b, const struct ram *ram)
{
	struct boot_params *bp = ram_at(ram, BOOT_ZERO_PAGE, sizeof(*bp));

	memset(bp, 0, sizeof(*bp));
	bp->hdr = b->kernel.hdr;
	bp->hdr.type_of_loader = LOADER_UNDEFINED;
	bp->hdr.vid_mode = VIDEO_NORMAL;
	bp->hdr.code32_start = b->kernel_addr;
	bp->hdr.cmd_line_ptr = BOOT_CMDLINE;
	bp->hdr.setup_data = 0;
	if (b->initrd.fd >= 0) {
		bp->hdr.ramdisk_image = b->initrd_addr;
		bp->hdr.ramdisk_size = b->before_len + b->initrd.size;
	}
	bp->acpi_rsdp_addr = BOOT_ACPI;
	load_e820(bp, b->ram_size);
}

static void load_page_tables(const struct ram *ram)
{
	uint64_t *pml4 = ram_at(ram, BOOT_PML4, PAGE_BYTES);
	uint64_t *pdpt = ram_at(ram, BOOT_PDPT, PAGE_BYTES);
	uint64_t *pd = ram_at(ram, BOOT_PD, IDENTITY_PDS * PAGE_BYTES);

	pml4[0] = BOOT_PDPT | PTE_PRESENT | PTE_WRITE;
	for (uint64_t i = 0; i < IDENTITY_PDS; i++)
		pdpt[i] = (BOOT_PD + i * PAGE_BYTES) | PTE_PRESENT | PTE_WRITE;
	for (uint64_t i = 0; i < IDENTITY_PDS * PT_ENTRIES; i++)
		pd[i] = i * 2 * MIB | PTE_PRESENT | PTE_WRITE | PTE_LARGE;
}

static void load_gdt(const struct ram *ram)
{
	uint64_t *gdt = ram_at(ram, BOOT_GDT, GDT_ENTRIES * sizeof(*gdt));

	gdt[SEL_CODE / 8] = GDT_CODE64;
	gdt[SEL_DATA / 8] = GDT_DATA;
}

static int load_file(const struct image *image, const struct ram *ram, uint64_t gpa,
		     uint64_t offset, uint64_t len)
{
	int ret = image_read(image, ram_at(ram, gpa, len), offset, len);

	if (ret < 0)
		complain("%s: %s", image->path,
			 ret == -ENODATA ? "shrank while it was being read" : strerror(-ret));
	return ret;
}

/**
 * boot_load() - copy everything to its place in guest memory
 * @boot: planned
 * @ram: of @boot->ram_size bytes
 *
 * Return: 0, or negative after saying on standard error which file failed.
 */
int boot_load(const struct boot *boot, const struct ram *ram)
{
	const struct kernel *k = &boot->kernel;
	size_t len = strlen(boot->cmdline) + 1;

	load_zero_page(boot, ram);
	load_page_tables(ram);
	load_gdt(ram);
	memcpy(ram_at(ram, BOOT_CMDLINE, len), boot->cmdline, len);
	if (boot->before_len)
		memcpy(ram_at(ram, boot->initrd_addr, boot->before_len), boot->before,
		       boot->before_len);
	if (boot->initrd.fd >= 0 && load_file(&boot->initrd, ram,
					      boot->initrd_addr + boot->before_len, 0,
					      boot->initrd.size) < 0)
		return -1;
	return load_file(&k->file, ram, boot->kernel_addr, k->payload_offset, k->payload_size);
}

/**
 * boot_regs() - general registers of the boot CPU at the kernel's 64-bit entry
 * @boot: planned
 * @regs: filled in
 */
void boot_regs(const struct boot *boot, struct kvm_regs *regs)
{
	*regs = (struct kvm_regs){
		.rip = boot->kernel_addr + ENTRY_64,
		.rsi = BOOT_ZERO_PAGE,
		.rflags = X86_EFLAGS_FIXED,
	};
}

/**
 * boot_sregs() - system registers of the boot CPU: 64-bit mode, identity-mapped
 * @sregs: the state after reset; changed into what the kernel expects
 */
void boot_sregs(struct kvm_sregs *sregs)
{
	struct kvm_segment code = {
		.selector = SEL_CODE, .limit = 0xffffffff, .type = 11,
		.present = 1, .s = 1, .l = 1, .g = 1,
	};
	struct kvm_segment data = {
		.selector = SEL_DATA, .limit = 0xffffffff, .type = 3,
		.present = 1, .s = 1, .db = 1, .g = 1,
	};

	sregs->cs = code;
	sregs->ds = sregs->es = sregs->fs = sregs->gs = sregs->ss = data;
	sregs->gdt = (struct kvm_dtable){ .base = BOOT_GDT, .limit = GDT_ENTRIES * 8 - 1 };
	sregs->idt = (struct kvm_dtable){ 0 };
	sregs->cr0 = X86_CR0_PE | X86_CR0_ET | X86_CR0_NE | X86_CR0_PG;
	sregs->cr3 = BOOT_PML4;
	sregs->cr4 = X86_CR4_PAE;
	sregs->efer = EFER_LME | EFER_LMA;
}
