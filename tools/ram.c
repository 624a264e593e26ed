// SPDX-License-Identifier: GPL-2.0-only
/*
 * The machine's memory: one mapping in this process, one or two memslots in
 * the machine (below and above the hole under 4 GiB). On ditto the mapping is
 * a gmem's, so equal pages merge; elsewhere it is anonymous memory marked
 * MADV_MERGEABLE, so the host's KSM may do what it can.
 *
 * Behind RAM there are pages for the registers of devices, in slots of their own. They are of
 * the same gmem, so that a fork has them as it has RAM, to be written, too: of a gmem that has
 * none but read-only slots, only the one who made it can write to it.
 */
#include "ram.h"
#include "util.h"

#include "ditto.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

/* Of the whole mapping. */
static uint64_t ram_bytes(const struct ram *ram)
{
	return ram->size + RAM_DEVICE_PAGES * PAGE_BYTES;
}

static int ram_map(struct ram *ram, int flags)
{
	void *p = mmap(NULL, ram_bytes(ram), PROT_READ | PROT_WRITE, flags, ram->gmem_fd, 0);

	if (p == MAP_FAILED)
		return -errno;
	ram->host = p;
	return 0;
}

static int ram_create_gmem(struct ram *ram, int dev_fd, bool huge)
{
	struct ditto_create_gmem args = {
		.size = ram_bytes(ram), .flags = huge ? DITTO_GMEM_HUGEPAGE : 0,
	};
	int ret;

	ram->gmem_fd = ioctl(dev_fd, DITTO_CREATE_GMEM, &args);
	if (ram->gmem_fd < 0)
		return -errno;
	ret = ram_map(ram, MAP_SHARED);
	if (ret < 0)
		close(ram->gmem_fd);
	return ret;
}

static int ram_create_anon(struct ram *ram, bool huge)
{
	int ret;

	ram->gmem_fd = -1;
	ret = ram_map(ram, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE);
	if (ret < 0)
		return ret;
	/* Merging is a favour: a host kernel without KSM refuses, and that is fine. */
	madvise(ram->host, ram_bytes(ram), MADV_MERGEABLE);
	/* And one without huge pages refuses that. */
	if (huge)
		madvise(ram->host, ram_bytes(ram), MADV_HUGEPAGE);
	return 0;
}

/**
 * ram_create() - make the memory and map it here
 * @ram: filled in
 * @dev_fd: the device, for a gmem
 * @size: bytes, a multiple of 4096
 * @backing: RAM_BACKING_GMEM or RAM_BACKING_ANON
 * @huge: in pieces of 2 MiB where there are such
 *
 * Return: 0 or -errno.
 */
int ram_create(struct ram *ram, int dev_fd, uint64_t size, enum ram_backing backing, bool huge)
{
	*ram = (struct ram){ .size = size, .gmem_fd = -1 };
	return backing == RAM_BACKING_GMEM ? ram_create_gmem(ram, dev_fd, huge) :
					     ram_create_anon(ram, huge);
}

/**
 * ram_adopt() - map the memory that a fork has
 * @ram: filled in
 * @gmem_fd: what is behind the fork's slots; closed on failure
 * @size: bytes; checked
 *
 * Return: 0 or -errno.
 */
int ram_adopt(struct ram *ram, int gmem_fd, uint64_t size)
{
	struct ditto_gmem_stats stats;
	int ret;

	*ram = (struct ram){ .size = size, .gmem_fd = gmem_fd };
	if (ioctl(gmem_fd, DITTO_GMEM_STATS, &stats) < 0)
		ret = -errno;
	else
		ret = stats.size == ram_bytes(ram) ? ram_map(ram, MAP_SHARED) : -EINVAL;
	if (ret < 0) {
		close(gmem_fd);
		ram->gmem_fd = -1;
	}
	return ret;
}

/**
 * ram_become() - be a fork's memory from now on, at the same fd and address
 * @ram: nobody uses it
 * @gmem_fd: the fork's
 *
 * Return: 0 or -errno.
 */
int ram_become(struct ram *ram, int gmem_fd)
{
	if (mmap(ram->host, ram_bytes(ram), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
		 gmem_fd, 0) == MAP_FAILED || dup3(gmem_fd, ram->gmem_fd, O_CLOEXEC) < 0)
		return -errno;
	return 0;
}

/**
 * struct part - of the mapping, in a memslot
 * @slot: its number
 * @flags: KVM_MEM_*
 * @gpa: where the guest has it
 * @offset: in the mapping
 * @size: bytes
 */
struct part {
	uint32_t slot, flags;
	uint64_t gpa, offset, size;
};

static int ram_attach_part(const struct ram *ram, int vm_fd, const struct part *p)
{
	if (ram->gmem_fd >= 0) {
		struct ditto_gmem_region r = {
			.slot = p->slot, .flags = p->flags, .guest_phys_addr = p->gpa,
			.memory_size = p->size, .gmem_fd = ram->gmem_fd, .gmem_offset = p->offset,
		};
		return ioctl(vm_fd, DITTO_SET_GMEM_REGION, &r) < 0 ? -errno : 0;
	}
	struct kvm_userspace_memory_region r = {
		.slot = p->slot, .flags = p->flags, .guest_phys_addr = p->gpa,
		.memory_size = p->size, .userspace_addr = (uintptr_t)ram->host + p->offset,
	};
	return ioctl(vm_fd, KVM_SET_USER_MEMORY_REGION, &r) < 0 ? -errno : 0;
}

/**
 * ram_attach() - give the memory to a machine, as memslots 0 and 1
 * @ram: the memory
 * @vm_fd: the machine
 *
 * Return: 0 or -errno.
 */
int ram_attach(const struct ram *ram, int vm_fd)
{
	struct part low = { .size = ram_low_size(ram->size) };
	struct part high = { .slot = 1, .gpa = RAM_HOLE_END, .offset = low.size,
			     .size = ram->size - low.size };
	int ret = ram_attach_part(ram, vm_fd, &low);

	return ret < 0 || !high.size ? ret : ram_attach_part(ram, vm_fd, &high);
}

/**
 * ram_attach_device() - let the guest read a page of a device's
 * @ram: the memory
 * @vm_fd: the machine
 * @slot: memslot of its own
 * @gpa: where
 * @page: which, below RAM_DEVICE_PAGES
 *
 * Return: 0 or -errno.
 */
int ram_attach_device(const struct ram *ram, int vm_fd, uint32_t slot, uint64_t gpa,
		      unsigned int page)
{
	struct part p = { .slot = slot, .flags = KVM_MEM_READONLY, .gpa = gpa,
			  .offset = ram->size + page * PAGE_BYTES, .size = PAGE_BYTES };

	return ram_attach_part(ram, vm_fd, &p);
}

/**
 * ram_device_page() - where a page of a device's is in this process
 * @ram: the memory
 * @page: which, below RAM_DEVICE_PAGES
 */
void *ram_device_page(const struct ram *ram, unsigned int page)
{
	return ram->host + ram->size + page * PAGE_BYTES;
}

/**
 * ram_at() - where a guest-physical range is in this process
 * @ram: the memory
 * @gpa: its first byte
 * @len: its length
 *
 * Return: the address, or NULL unless all of it is RAM of one slot.
 */
void *ram_at(const struct ram *ram, uint64_t gpa, uint64_t len)
{
	uint64_t low = ram_low_size(ram->size);

	if (gpa <= low && len <= low - gpa)
		return ram->host + gpa;
	if (gpa < RAM_HOLE_END)
		return NULL;
	gpa = gpa - RAM_HOLE_END + low;
	if (gpa <= ram->size && len <= ram->size - gpa)
		return ram->host + gpa;
	return NULL;
}

/**
 * ram_destroy() - unmap and close; the machine keeps its own reference to a gmem
 * @ram: from ram_create(), or zeroed with @gmem_fd = -1
 */
void ram_destroy(struct ram *ram)
{
	if (ram->host)
		munmap(ram->host, ram_bytes(ram));
	if (ram->gmem_fd >= 0)
		close(ram->gmem_fd);
	*ram = (struct ram){ .gmem_fd = -1 };
}
