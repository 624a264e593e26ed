/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory type range registers.
 */
#ifndef DITTO_RUN_MTRR_H
#define DITTO_RUN_MTRR_H

#include <linux/bits.h>
#include <asm/mtrr.h>

#include "x86/machine/fault.h"
#include "x86/machine/msrs.h"
#include "x86/run/msr_access.h"

#define MTRR_CAP		(MTRR_VAR_RANGES | BIT(8) /* fixed */ | BIT(10) /* WC */)
#define MTRR_DEF_TYPE_BITS	(0xffULL | BIT(10) | BIT(11))

enum guest_fault mtrr_cap_read(struct msr_access *a);
enum guest_fault mtrr_var_write(struct msr_access *a);
enum guest_fault mtrr_fixed_read(struct msr_access *a);
enum guest_fault mtrr_fixed_write(struct msr_access *a);
enum guest_fault mtrr_def_type_write(struct msr_access *a);

#endif
