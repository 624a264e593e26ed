/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a function gives that acts for the guest, as by writing one of its registers.
 */
#ifndef DITTO_MACHINE_FAULT_H
#define DITTO_MACHINE_FAULT_H

/**
 * enum guest_fault - what the guest gets for its instruction
 * @X86_NO_FAULT: it is done
 * @X86_FAULT: #GP(0), as the CPU would raise it
 * @X86_FAULT_UD: #UD, from cr_get_dr() and cr_set_dr() only
 * @X86_INTERRUPTED: a signal came before the guest's memory did: it executes it again
 *
 * With a fault nothing is changed, and the caller injects it.
 */
enum guest_fault {
	X86_NO_FAULT,
	X86_FAULT,
	X86_FAULT_UD,
	X86_INTERRUPTED,
};

#endif
