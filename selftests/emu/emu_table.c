// SPDX-License-Identifier: GPL-2.0-only
/*
 * Prints Documentation/emulator.md: which opcodes the emulator executes, out of its own
 * tables, so that the document cannot say anything else. `make -C selftests/emu table`
 * writes it, and `run` compares.
 */
#include <stdio.h>

#include "x86/emulate/internal.h"

/* What the forms of an opcode are: bits. */
#define EXECUTED	1
#define LENGTH		2
#define UNKNOWN		4

static unsigned int members(unsigned int group)
{
	switch (group) {
	case EMU_F_GROUP:
	case EMU_F_GROUP_RM:
		return 8;
	case EMU_F_GROUP_PFX:
		return 4;
	default:
		return 2;
	}
}

static unsigned int forms(const struct emu_opcode *op)
{
	unsigned int i, all = 0;

	if (!op->defined)
		return UNKNOWN;
	if (!(op->flags & EMU_F_GROUPS))
		return op->exec ? EXECUTED : LENGTH;
	for (i = 0; i < members(op->flags & EMU_F_GROUPS); i++)
		all |= forms(&op->table[i]);
	return all;
}

static char sign(const struct emu_opcode *op)
{
	if (op->flags & (EMU_F_PREFIX | EMU_F_ESCAPE))
		return '>';
	switch (forms(op)) {
	case EXECUTED:
		return 'X';
	case LENGTH:
		return '-';
	case UNKNOWN:
		return '.';
	case LENGTH | UNKNOWN:
		return '-';
	default:
		return 'x';
	}
}

static void print_map(const char *name, const struct emu_opcode *map)
{
	unsigned int row, col;

	printf("\n## %s\n\n        0 1 2 3 4 5 6 7 8 9 a b c d e f\n", name);
	for (row = 0; row < 16; row++) {
		printf("    %x0 ", row);
		for (col = 0; col < 16; col++)
			printf(" %c", sign(&map[row * 16 + col]));
		printf("\n");
	}
}

int main(void)
{
	printf("# What the instruction emulator executes\n\n"
	       "Made by selftests/emu from the emulator's tables, and compared with them by its\n"
	       "tests. A guest's instruction gets here when it accesses a device, or page tables\n"
	       "that are watched, when only the guest's CPUID has it and not the CPU\n"
	       "(KVM_GET_EMULATED_CPUID), and when the module parameter force_emulation_prefix "
	       "says so.\n\n"
	       "- `X`: executed, in all forms\n"
	       "- `x`: executed in some forms: by prefix, by ModRM, in memory or in registers\n"
	       "- `-`: its length is known and no more; `.`: not even that\n"
	       "- `>`: a prefix, or the way to another map\n\n"
	       "What is not executed ends the machine with KVM_EXIT_INTERNAL_ERROR in ring 0, and\n"
	       "is #UD elsewhere. The last three maps are those of VEX.\n\n"
	       "Left out on purpose: arithmetic of x87 and of SSE, which nobody does in a\n"
	       "device's memory; and FLD of 32 bits, which KVM's own\n"
	       "exit_on_emulation_failure_test takes for what no emulator executes. XSAVE and\n"
	       "XRSTOR to a device, and everything with EVEX (AVX-512), are not executed\n"
	       "either.\n");
	print_map("One byte", emu_map_1);
	print_map("0F", emu_map_0f);
	print_map("0F 38", emu_map_0f38);
	print_map("0F 3A", emu_map_0f3a);
	print_map("VEX, 0F", emu_vex_maps[1]);
	print_map("VEX, 0F 38", emu_vex_maps[2]);
	print_map("VEX, 0F 3A", emu_vex_maps[3]);
	return 0;
}
