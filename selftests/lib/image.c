// SPDX-License-Identifier: GPL-2.0-only
/*
 * The tiny guests: one ELF file linked into every test program. It is copied
 * into guest memory segment by segment; its symbols are looked up by name.
 */
#include <elf.h>

#include "vm.h"

extern const u8 guest_elf[], guest_elf_end[];

static const Elf64_Ehdr *header(void)
{
	return (const void *)guest_elf;
}

void image_load(struct vm *vm)
{
	const Elf64_Phdr *segment = (const void *)(guest_elf + header()->e_phoff);
	unsigned int i;

	for (i = 0; i < header()->e_phnum; i++, segment++)
		if (segment->p_type == PT_LOAD)
			memcpy(vm->ram + segment->p_paddr, guest_elf + segment->p_offset,
			       segment->p_filesz);
}

static const Elf64_Shdr *section(unsigned int type)
{
	const Elf64_Shdr *s = (const void *)(guest_elf + header()->e_shoff);
	unsigned int i;

	for (i = 0; i < header()->e_shnum; i++, s++)
		if (s->sh_type == type)
			return s;
	fail("the guests' image has no section of type %u", type);
}

u64 image_symbol(const char *name)
{
	const Elf64_Shdr *table = section(SHT_SYMTAB);
	const Elf64_Shdr *sections = (const void *)(guest_elf + header()->e_shoff);
	const char *names = (const char *)guest_elf + sections[table->sh_link].sh_offset;
	const Elf64_Sym *symbol = (const void *)(guest_elf + table->sh_offset);
	size_t i;

	for (i = 0; i < table->sh_size / sizeof(*symbol); i++, symbol++)
		if (symbol->st_shndx != SHN_UNDEF && !strcmp(names + symbol->st_name, name))
			return symbol->st_value;
	fail("the guests' image has no %s", name);
}

void *vm_symbol(struct vm *vm, const char *name)
{
	return vm->ram + image_symbol(name);
}
