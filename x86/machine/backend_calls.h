/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The operations of the backend that each KVM_RUN and each entry need, as calls that are
 * patched into the code and take no look at the table.
 */
#ifndef DITTO_MACHINE_BACKEND_CALLS_H
#define DITTO_MACHINE_BACKEND_CALLS_H

#include <linux/static_call.h>

#include "x86/machine/backend.h"

DECLARE_STATIC_CALL(backend_load, *((struct backend_ops *)NULL)->load);
DECLARE_STATIC_CALL(backend_put, *((struct backend_ops *)NULL)->put);
DECLARE_STATIC_CALL(backend_run, *((struct backend_ops *)NULL)->run);

void backend_choose(const struct backend_ops *ops);

#endif
