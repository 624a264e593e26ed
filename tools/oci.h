/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef DITTO_OCI_H
#define DITTO_OCI_H

#include "filetree.h"

#include <json-c/json.h>

int oci_unpack(const char *image, struct filetree *t, struct json_object **config);

#endif
