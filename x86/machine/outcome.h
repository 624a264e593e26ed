/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What follows from an exit, or from anything else that is done between two entries.
 */
#ifndef DITTO_MACHINE_OUTCOME_H
#define DITTO_MACHINE_OUTCOME_H

/**
 * enum exit_outcome - where the vCPU goes from here
 * @OUTCOME_USER: to user space, with vcpu->run filled
 * @OUTCOME_ENTER: into the guest
 * @OUTCOME_ERROR: to user space, with vcpu->error: see vcpu_fails()
 */
enum exit_outcome {
	OUTCOME_USER,
	OUTCOME_ENTER,
	OUTCOME_ERROR,
};

#endif
