// SPDX-License-Identifier: GPL-2.0-only
/*
 * Devices that ditto itself answers for: disks and balloons, and their rings.
 */
#include <linux/vhost.h>
#include <linux/virtio_ids.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bend.h"

/* What is on the disks: a file of the test's. */
static int disk_file(void)
{
	static atomic_int file = -1;
	int fd, none = -1;

	if (file < 0) {
		fd = memfd_create("disk", MFD_CLOEXEC);
		if (fd < 0 || ftruncate(fd, MIB) ||
		    !atomic_compare_exchange_strong(&file, &none, fd))
			close(fd);
	}
	return file;
}

void bend_create_virtio(struct world *w, struct rng *r, void *arg)
{
	*(struct ditto_create_virtio *)arg = (struct ditto_create_virtio) {
		.type = rng_one_in(r, 16) ? rng_below(r, 32) : VIRTIO_ID_BLOCK,
		.flags = rng_below(r, 2), .reserved[0] = rng_one_in(r, 16),
		.fd = rng_one_in(r, 4) ? world_fd(r, w->gmems, WORLD_GMEMS) : disk_file(),
		.queues = rng_one_in(r, 16) ? rng_interesting(r) : 1 + rng_below(r, 4),
	};
}

void bend_create_balloon(struct world *w, struct rng *r, void *arg)
{
	*(struct ditto_create_virtio *)arg = (struct ditto_create_virtio) {
		.type = VIRTIO_ID_BALLOON, .flags = rng_one_in(r, 16), .fd = -1,
		.queues = rng_one_in(r, 16) ? rng_interesting(r) : DITTO_BALLOON_QUEUES,
	};
}

void bend_vring_state(struct world *w, struct rng *r, void *arg)
{
	static const u32 nums[] = { 0, 0, 1, 1, 1, 4, 64, 1024, 0x80008000 };

	*(struct vhost_vring_state *)arg = (struct vhost_vring_state) {
		.index = rng_below(r, 6), .num = nums[rng_below(r, ARRAY_SIZE(nums))],
	};
}

void bend_vring_addr(struct world *w, struct rng *r, void *arg)
{
	u64 at = rng_below(r, w->vm->ram_size / PAGE_SIZE) * PAGE_SIZE;

	*(struct vhost_vring_addr *)arg = (struct vhost_vring_addr) {
		.index = rng_below(r, 5), .flags = rng_one_in(r, 16), .desc_user_addr = at,
		.avail_user_addr = at + rng_below(r, 64) * 16,
		.used_user_addr = rng_one_in(r, 8) ? rng_interesting(r) : at + PAGE_SIZE,
	};
}

void bend_vring_file(struct world *w, struct rng *r, void *arg)
{
	*(struct vhost_vring_file *)arg = (struct vhost_vring_file) {
		.index = rng_below(r, 5), .fd = rng_one_in(r, 8) ? -1 : event(w, r),
	};
}

void bend_features(struct world *w, struct rng *r, void *arg)
{
	*(u64 *)arg = 1ull << 32 | (u64)rng_below(r, 2) << 28 | (u64)rng_below(r, 2) << 29 |
		      (u64)rng_below(r, 2) << 34 | (rng_one_in(r, 2) ? 0x36 : 0) |
		      (rng_one_in(r, 16) ? rng_interesting(r) : 0);
}

void bend_disk_state(struct world *w, struct rng *r, void *arg)
{
	((struct ditto_virtio_state *)arg)->queue = rng_below(r, 5);
}

void bend_config(struct world *w, struct rng *r, void *arg)
{
	*(struct vhost_vdpa_config *)arg = (struct vhost_vdpa_config) {
		.off = rng_one_in(r, 4) ? rng_interesting(r) : rng_below(r, 64),
		.len = rng_one_in(r, 4) ? rng_interesting(r) : rng_below(r, 64),
	};
}

void bend_set_config(struct world *w, struct rng *r, void *arg)
{
	struct vhost_vdpa_config *c = arg;

	bend_config(w, r, arg);
	if (rng_one_in(r, 2))
		*c = (struct vhost_vdpa_config) { .off = 4 + 8 * rng_below(r, 2), .len = 4 };
}

void bend_balloon(struct world *w, struct rng *r, void *arg)
{
	*(struct ditto_balloon *)arg = (struct ditto_balloon) {
		.flags = rng_one_in(r, 8) ? rng_interesting(r) : rng_below(r, 4),
		.target = rng_interesting(r), .reserved[2] = rng_one_in(r, 16),
	};
}
