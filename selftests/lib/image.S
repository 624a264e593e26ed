/* SPDX-License-Identifier: GPL-2.0-only */
	.section .rodata
	.globl guest_elf, guest_elf_end
	.balign 16
guest_elf:
	.incbin "tiny-guests/code/guest.elf"
guest_elf_end:
	.section .note.GNU-stack,"",@progbits
