/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Events: what each entry delivers.
 */
#ifndef DITTO_RUN_EVENTS_H
#define DITTO_RUN_EVENTS_H

#include <linux/types.h>

struct vcpu;
struct x86_event;

void events_cut(struct vcpu *vcpu, const struct x86_event *vectoring);
void events_taken(struct vcpu *vcpu, const struct x86_event *e, bool faulted);
void events_inject(struct vcpu *vcpu);
void events_take(struct vcpu *vcpu, struct x86_event *e);
bool events_open(const struct vcpu *vcpu);
void events_apply_payload(struct vcpu *vcpu);
bool events_vmm_wants_window(struct vcpu *vcpu);
bool events_wake(struct vcpu *vcpu);
void events_hold(struct vcpu *vcpu);

#endif
