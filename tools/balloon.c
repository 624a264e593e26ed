// SPDX-License-Identifier: GPL-2.0-only
/*
 * The balloon: how large it should be, and what it and the guest's statistics say. How
 * the guest sees it is virtio.c's; memory goes back to the host in the module.
 */
#include "balloon.h"
#include "vm.h"
#include "util.h"

#include "ditto.h"

#include <errno.h>
#include <linux/virtio_balloon.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

/* What the guest's statistics are called, by tag; those of pages and bytes are all in bytes. */
static const char *const stat_names[] = {
	[VIRTIO_BALLOON_S_SWAP_IN] = "swapped_in_bytes",
	[VIRTIO_BALLOON_S_SWAP_OUT] = "swapped_out_bytes",
	[VIRTIO_BALLOON_S_MAJFLT] = "major_faults",
	[VIRTIO_BALLOON_S_MINFLT] = "minor_faults",
	[VIRTIO_BALLOON_S_MEMFREE] = "free_bytes",
	[VIRTIO_BALLOON_S_MEMTOT] = "total_bytes",
	[VIRTIO_BALLOON_S_AVAIL] = "available_bytes",
	[VIRTIO_BALLOON_S_CACHES] = "caches_bytes",
	[VIRTIO_BALLOON_S_HTLB_PGALLOC] = "hugetlb_allocations",
	[VIRTIO_BALLOON_S_HTLB_PGFAIL] = "hugetlb_failures",
};

/**
 * balloon_create() - give a machine its balloon, if it was configured with one
 * @b: zeroed; balloon_destroy() it whatever is returned
 * @vm: has its board and memory
 *
 * Return: 0, or -1 after saying why not on standard error.
 */
int balloon_create(struct balloon *b, struct vm *vm)
{
	const struct ditto_create_virtio args = {
		.type = VIRTIO_ID_BALLOON, .fd = -1, .queues = DITTO_BALLOON_QUEUES,
	};

	if (!vm->config->balloon)
		return 0;
	snprintf(b->device.label, sizeof(b->device.label), "balloon");
	b->present = !module_device_create(&b->device, vm, &args, false);
	if (!b->present)
		complain("balloon: %s",
			 errno == ENOTTY ? "only ditto's device has it" : strerror(errno));
	return b->present ? 0 : -1;
}

static void add_number(struct json_object *o, const char *key, uint64_t value)
{
	json_object_object_add(o, key, json_object_new_uint64(value));
}

static struct json_object *balloon_statistics(const struct ditto_balloon *state)
{
	struct json_object *o = json_object_new_object();

	for (size_t i = 0; i < ARRAY_SIZE(stat_names); i++)
		if (state->known >> i & 1)
			add_number(o, stat_names[i], state->stats[i]);
	return o;
}

static void balloon_tell(const struct ditto_balloon *state, struct json_object *answer)
{
	add_number(answer, "target_bytes", state->target * PAGE_BYTES);
	add_number(answer, "actual_bytes", state->actual * PAGE_BYTES);
	add_number(answer, "inflated_bytes", state->inflated * PAGE_BYTES);
	add_number(answer, "deflated_bytes", state->deflated * PAGE_BYTES);
	add_number(answer, "reported_bytes", state->reported * PAGE_BYTES);
	add_number(answer, "returned_bytes", state->given * PAGE_BYTES);
	add_number(answer, "kept_bytes", state->kept * PAGE_BYTES);
	add_number(answer, "refused_bytes", state->refused * PAGE_BYTES);
	add_number(answer, "told", state->told);
	json_object_object_add(answer, "guest", balloon_statistics(state));
}

static bool flag(struct json_object *request, const char *key)
{
	struct json_object *value;

	return json_object_object_get_ex(request, key, &value) && json_object_get_boolean(value);
}

/**
 * balloon_control() - what `ditto balloon' asks of the machine
 * @b: the machine's
 * @request: "target", in bytes, if that is to change; "ask": the guest shall tell its statistics
 * @answer: gets what there is to say; "told" grows when the guest has told
 *
 * Return: 0; -ENODEV: there is no balloon; -EINVAL: more than all memory; or -errno.
 */
int balloon_control(struct balloon *b, struct json_object *request, struct json_object *answer)
{
	struct ditto_balloon state = { .flags = flag(request, "ask") ? DITTO_BALLOON_ASK : 0 };
	struct json_object *target;

	if (!b->present)
		return -ENODEV;
	if (json_object_object_get_ex(request, "target", &target)) {
		uint64_t bytes = json_object_get_uint64(target);

		if (bytes > b->device.virtio.vm->config->ram_size)
			return -EINVAL;
		state.flags |= DITTO_BALLOON_SET_TARGET;
		state.target = bytes / PAGE_BYTES;
	}
	if (ioctl(b->device.fd, DITTO_BALLOON, &state) < 0)
		return -errno;
	if ((state.flags & DITTO_BALLOON_SET_TARGET) &&
	    virtio_config_changed(&b->device.virtio) < 0)
		return -errno;
	balloon_tell(&state, answer);
	return 0;
}

/**
 * balloon_destroy() - close everything
 * @b: from balloon_create(), or zeroed; the bus is stopped
 */
void balloon_destroy(struct balloon *b)
{
	if (b->present)
		module_device_destroy(&b->device);
	b->present = false;
}
