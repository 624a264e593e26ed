/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef DITTO_HOST_H
#define DITTO_HOST_H

#include <stdbool.h>
#include <stddef.h>

enum tristate { NO, YES, UNKNOWN };

/**
 * struct host - what this machine's CPU and kernel offer
 * @vendor: as CPUID spells it
 * @under: the signature of a hypervisor this machine runs under, or empty
 * @svm, @vmx: in CPUID
 * @firmware: whether firmware left virtualization enabled
 * @module: ditto is loaded
 * @others: names of other hypervisors that are loaded, separated by blanks
 */
struct host {
	char vendor[13];
	char under[13];
	bool svm, vmx;
	enum tristate firmware;
	bool module;
	char others[64];
};

/**
 * struct host_feature - one property of the CPU's virtualization
 * @name: as manuals call it
 * @meaning: what it is for
 * @state: whether it is there
 */
struct host_feature {
	const char *name;
	const char *meaning;
	enum tristate state;
};

#define HOST_FEATURES_MAX	16

void host_probe(struct host *host);
size_t host_features(const struct host *host, struct host_feature features[HOST_FEATURES_MAX]);

#endif
