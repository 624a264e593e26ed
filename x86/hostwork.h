/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the host kernel wants of a thread that enters and leaves a guest:
 * accounting, context tracking, and work that waits for the way to user mode.
 */
#ifndef DITTO_X86_HOSTWORK_H
#define DITTO_X86_HOSTWORK_H

#include <linux/types.h>

int hostwork_init(void);
void hostwork_exit(void);
bool hostwork_pending(void);
int hostwork_do(void);
void hostwork_begin_guest_time(void);
void hostwork_enter_guest(void);
void hostwork_leave_guest(void);
void hostwork_end_guest_time(void);
void hostwork_machine_check(void);

#endif
