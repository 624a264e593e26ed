/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef DITTO_HOSTTREE_H
#define DITTO_HOSTTREE_H

#include "filetree.h"

int hosttree_add(struct filetree *t, const char *dir);

#endif
