/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef DITTO_LAYER_H
#define DITTO_LAYER_H

#include "filetree.h"
#include "stream.h"

int layer_apply(struct filetree *t, struct stream *s, unsigned int number);

#endif
