/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Guest faults: a function that acts for the guest and returns int gives 0, or
 * X86_FAULT when it refuses as the CPU would with #GP(0); nothing is changed
 * then and the caller injects.  -errno is for the VMM.
 */
#ifndef DITTO_MACHINE_FAULT_H
#define DITTO_MACHINE_FAULT_H

#define X86_FAULT	1
#define X86_FAULT_UD	2	/* #UD instead, from vcpu_get_dr() and vcpu_set_dr() only */

#endif
