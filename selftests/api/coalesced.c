// SPDX-License-Identifier: GPL-2.0-only
/*
 * Coalesced ports and MMIO: what a guest writes waits in the ring, in order and complete,
 * as long as there is room and a zone; all else goes to user space.
 */
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "vm.h"

#define RING_MAX ((PAGE_SIZE - sizeof(struct kvm_coalesced_mmio_ring)) / \
		  sizeof(struct kvm_coalesced_mmio))

static struct kvm_coalesced_mmio_ring *ring_of(struct vcpu *vcpu)
{
	long page = vm_cap(vcpu->vm, KVM_CAP_COALESCED_MMIO);

	ASSERT(page > 0);
	return (void *)((u8 *)vcpu->run + page * PAGE_SIZE);
}

static long zone(struct vm *vm, unsigned long cmd, u64 addr, u32 size, u32 pio)
{
	return ioctl(vm->fd, cmd, &(struct kvm_coalesced_mmio_zone) {
		.addr = addr, .size = size, .pio = pio });
}

static void add(struct vm *vm, u64 addr, u32 size, bool pio)
{
	CHECKED(zone(vm, KVM_REGISTER_COALESCED_MMIO, addr, size, pio));
}

static void want_entry(const struct kvm_coalesced_mmio_ring *ring, u32 at, u64 addr, u32 len,
		       u64 data, bool pio)
{
	const struct kvm_coalesced_mmio *e = &ring->coalesced_mmio[at];
	u64 got = 0;

	ASSERT_EQ(e->phys_addr, addr);
	ASSERT_EQ(e->len, len);
	ASSERT_EQ(e->pio, pio);
	memcpy(&got, e->data, len);
	ASSERT_EQ(got, data);
}

/* The writes that user space saw of g_port_sizes, which makes three, and then reads. */
static unsigned int writes_seen(const struct vm *vm)
{
	unsigned int i, writes = 0;

	for (i = 0; i < vm->nr_log; i++)
		writes += vm->log[i].write;
	return writes;
}

static void ports(const void *arg)
{
	struct vm *vm = vm_new(&(struct vm_config) { .vcpus = 2 });
	struct kvm_coalesced_mmio_ring *ring = ring_of(&vm->vcpu[0]);

	add(vm, GUEST_PORT, 8, true);
	vm_call(vm, "g_port_sizes", 0);
	ASSERT_EQ(writes_seen(vm), 0);
	ASSERT_EQ(vm->nr_log, 3);
	ASSERT_EQ(ring->first, 0);
	ASSERT_EQ(ring->last, 3);
	want_entry(ring, 0, GUEST_PORT, 1, 0x11, true);
	want_entry(ring, 1, GUEST_PORT + 2, 2, 0x2222, true);
	want_entry(ring, 2, GUEST_PORT + 4, 4, 0x44444444, true);
	/* All vCPUs have one ring. */
	ASSERT_EQ(ring_of(&vm->vcpu[1])->last, 3);
	/* A zone that ends in the middle of an access does not take it. */
	CHECKED(zone(vm, KVM_UNREGISTER_COALESCED_MMIO, GUEST_PORT, 8, 1));
	add(vm, GUEST_PORT, 6, true);
	vm->nr_log = vm->reads = 0;
	vm_call(vm, "g_port_sizes", 0);
	ASSERT_EQ(ring->last, 5);
	ASSERT_EQ(writes_seen(vm), 1);
	vm_free(vm);
}

/* What waits is done before the exit is: as VMMs do. */
static bool drain(struct vcpu *vcpu)
{
	struct kvm_coalesced_mmio_ring *ring = ring_of(vcpu);
	struct vm *vm = vcpu->vm;

	while (ring->first != ring->last) {
		struct kvm_coalesced_mmio *e = &ring->coalesced_mmio[ring->first];

		ASSERT_EQ(e->pio, 0);
		memcpy(vm->mmio + e->phys_addr - GUEST_MMIO, e->data, e->len);
		ring->first = (ring->first + 1) % RING_MAX;
	}
	return false;
}

static void memory(const void *arg)
{
	struct vm *vm = vm_new(NULL);

	add(vm, GUEST_MMIO, GUEST_MMIO_SIZE, false);
	vm->on_exit = drain;
	vm_call(vm, "g_mmio_widths", 0);
	ASSERT_EQ(writes_seen(vm), 0);
	ASSERT_EQ(ring_of(&vm->vcpu[0])->last, 4);
	vm_free(vm);
}

/* The VMM moves the ends to where it likes. */
static void ends(const void *arg)
{
	static const struct {
		u32 first, last, taken;
	} tries[] = {
		{ 2, 0, 1 }, { 1, 0, 0 }, { 0, RING_MAX - 1, 0 }, { 2, RING_MAX - 1, 2 },
		{ RING_MAX - 1, RING_MAX - 2, 0 }, { 0, RING_MAX, 0 }, { 0, ~0u, 0 },
		{ 0, 1u << 31, 0 }, { ~0u, 5, 3 }, { RING_MAX, RING_MAX - 2, 3 },
	};
	struct vm *vm = vm_new(NULL);
	struct kvm_coalesced_mmio_ring *ring = ring_of(&vm->vcpu[0]);
	size_t i;

	add(vm, GUEST_PORT, 8, true);
	for (i = 0; i < ARRAY_SIZE(tries); i++) {
		ring->first = tries[i].first;
		ring->last = tries[i].last;
		vm->nr_log = vm->reads = 0;
		vm_call(vm, "g_port_sizes", 0);
		if (writes_seen(vm) != 3 - tries[i].taken)
			fail("try %zu: user space saw %u writes", i, writes_seen(vm));
		if (tries[i].last < RING_MAX)
			ASSERT_EQ(ring->last, (tries[i].last + tries[i].taken) % RING_MAX);
		ASSERT_EQ(ring->first, tries[i].first);
	}
	vm_free(vm);
}

static void zones(const void *arg)
{
	struct vm *vm = vm_new(NULL);
	struct kvm_coalesced_mmio_ring *ring = ring_of(&vm->vcpu[0]);

	ASSERT_ERRNO(zone(vm, KVM_REGISTER_COALESCED_MMIO, GUEST_PORT, 8, 2), EINVAL);
	ASSERT_ERRNO(zone(vm, KVM_UNREGISTER_COALESCED_MMIO, GUEST_PORT, 8, 2), EINVAL);
	CHECKED(zone(vm, KVM_UNREGISTER_COALESCED_MMIO, GUEST_PORT, 8, 1));
	/* A zone of no bytes, and one of the other bus. */
	add(vm, GUEST_PORT, 0, true);
	add(vm, GUEST_PORT, 8, false);
	vm_call(vm, "g_port_sizes", 0);
	ASSERT_EQ(ring->last, 0);
	/* Twice the same, and a smaller one: what contains the range goes. */
	add(vm, GUEST_PORT, 8, true);
	add(vm, GUEST_PORT, 8, true);
	add(vm, GUEST_PORT + 4, 4, true);
	CHECKED(zone(vm, KVM_UNREGISTER_COALESCED_MMIO, GUEST_PORT, 2, 1));
	vm->nr_log = vm->reads = 0;
	vm_call(vm, "g_port_sizes", 0);
	ASSERT_EQ(ring->last, 1);
	want_entry(ring, 0, GUEST_PORT + 4, 4, 0x44444444, true);
	vm_free(vm);
}

/* A page that the VMM still maps when the machine is gone. */
static void ring_outlives(const void *arg)
{
	struct vm *vm = vm_new(NULL);
	struct kvm_coalesced_mmio_ring *ring;

	ring = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, vm->vcpu[0].fd,
		    vm_cap(vm, KVM_CAP_COALESCED_MMIO) * PAGE_SIZE);
	ASSERT(ring != MAP_FAILED);
	add(vm, GUEST_PORT, 8, true);
	vm_call(vm, "g_port_sizes", 0);
	vm_free(vm);
	ASSERT_EQ(ring->last, 3);
	ring->last = 7;
}

static const struct tap_test tests[] = {
	{ "ports", ports },
	{ "memory", memory },
	{ "ends", ends },
	{ "zones", zones },
	{ "ring_outlives", ring_outlives },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, tests, ARRAY_SIZE(tests));
}
