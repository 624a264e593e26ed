/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Calling the handler of an interrupt that the CPU has acknowledged and not delivered:
 * the part of a delivery (SDM 7.14.2) that C cannot say.
 */
#include <linux/linkage.h>
#include <asm/nospec-branch.h>
#include <asm/segment.h>

/*
 * void hostwork_call_gate(unsigned long handler)
 *
 * IRQs are off, and stay so: the handler's IRET brings back the flags pushed here.  It
 * returns behind the call, whose return address is the frame's last part.
 */
.text
SYM_FUNC_START(hostwork_call_gate)
	push	%rbp
	mov	%rsp, %rbp
	/* As a delivery aligns it. */
	and	$-16, %rsp
	push	$__KERNEL_DS
	push	%rbp
	pushf
	push	$__KERNEL_CS
	CALL_NOSPEC rdi
	leave
	RET
SYM_FUNC_END(hostwork_call_gate)
