// SPDX-License-Identifier: GPL-2.0-only
/*
 * What memory that nobody touches costs the merge engine: TSC ticks of a pass, per GiB, with
 * the engine running without pause. By ditto over a GiB that a guest has mapped, or by the
 * kernel's KSM over pages that are all different.
 */
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <x86intrin.h>

#include "knobs.h"
#include "vm.h"

#define GIB		(1024 * MIB)
#define KSM_SIZE	(64 * MIB)

static const char *knobs;

static long get(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s%s", knobs, name);
	return knob_read(path);
}

static void set(const char *name, long value)
{
	char path[128];

	snprintf(path, sizeof(path), "%s%s", knobs, name);
	if (knob_write(path, value))
		fail("%s: %s", path, strerror(errno));
}

/* Passes over, from the end of one to the end of a later one. */
static double pass_ticks(unsigned int passes)
{
	long scans = get("full_scans");
	u64 begin;

	while (get("full_scans") < scans + 3)	/* what there was to do is done */
		usleep(1000);
	begin = __rdtsc();
	scans = get("full_scans");
	while (get("full_scans") < scans + passes)
		usleep(1000);
	return (double)(__rdtsc() - begin) / (get("full_scans") - scans);
}

static void map_guest(void)
{
	struct vm *vm = vm_new(&(struct vm_config) { .user = true });
	struct pre_fault range = { .gpa = 4 * GIB, .size = GIB };

	CHECKED(vm_set_gmem_slot(vm, 1, 0, 4 * GIB, GIB, gmem_new(GIB, 0), 0));
	while (range.size)
		CHECKED(ioctl(vm->vcpu[0].fd, PRE_FAULT_MEMORY, &range));
}

static void fill_pages(void)
{
	u64 *p = mmap(NULL, KSM_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t i;

	CHECKED(madvise(p, KSM_SIZE, MADV_NOHUGEPAGE));
	CHECKED(madvise(p, KSM_SIZE, MADV_MERGEABLE));
	for (i = 0; i < KSM_SIZE / 8; i++)
		p[i] = i + 1;
}

int main(int argc, char **argv)
{
	bool ditto = argc > 1 && strcmp(argv[1], "ksm");
	double ticks;

	if (argc < 2) {
		fprintf(stderr, "usage: %s DEVICE|ksm\n", argv[0]);
		return 2;
	}
	tap.dev = argv[1];
	knobs = ditto ? DITTO_KSM : KERNEL_KSM;
	if (ditto)
		map_guest();
	else
		fill_pages();
	set("pages_to_scan", 1000000);
	set("sleep_millisecs", 0);
	alarm(500);
	set("run", 1);
	ticks = pass_ticks(ditto ? 200 : 3);
	printf("idle %.0f\n", ditto ? ticks : ticks * (GIB / KSM_SIZE));
	set("run", 0);
	return 0;
}
