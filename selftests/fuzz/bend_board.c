// SPDX-License-Identifier: GPL-2.0-only
/*
 * A machine's board: interrupt controllers, routes, and what answers at an address.
 */
#include "bend.h"

void bend_chip(struct world *w, struct rng *r, void *arg)
{
	((struct kvm_irqchip *)arg)->chip_id = rng_below(r, 4);
}

void bend_line(struct world *w, struct rng *r, void *arg)
{
	struct kvm_irq_level *line = arg;

	line->irq = rng_one_in(r, 8) ? rng_interesting(r) : rng_below(r, 28);
	line->level = rng_below(r, 2);
}

void bend_msi(struct world *w, struct rng *r, void *arg)
{
	struct kvm_msi *msi = arg;

	memset(msi, 0, sizeof(*msi));
	msi->address_lo = 0xfee00000 | rng_below(r, 4) << 12 | rng_below(r, 16);
	msi->data = rng_one_in(r, 4) ? rng_interesting(r) : rng_below(r, 0x800);
	msi->address_hi = rng_one_in(r, 8) ? rng_interesting(r) : 0;
	msi->flags = rng_one_in(r, 8);
}

void bend_routing(struct world *w, struct rng *r, void *arg)
{
	struct kvm_irq_routing *routing = arg;
	u32 i;

	routing->nr = rng_below(r, 40);
	routing->flags = rng_one_in(r, 16);
	for (i = 0; i < routing->nr; i++) {
		struct kvm_irq_routing_entry *e = &routing->entries[i];

		e->gsi = rng_one_in(r, 16) ? rng_interesting(r) : rng_below(r, 40);
		e->type = rng_one_in(r, 16) ? rng_below(r, 8) : 1 + rng_below(r, 2);
		e->flags = rng_one_in(r, 16);
		if (e->type == KVM_IRQ_ROUTING_IRQCHIP) {
			e->u.irqchip.irqchip = rng_below(r, 4);
			e->u.irqchip.pin = rng_below(r, 26);
		}
	}
	if (rng_one_in(r, 16))
		routing->nr = rng_interesting(r);
}

void bend_irqfd(struct world *w, struct rng *r, void *arg)
{
	*(struct kvm_irqfd *)arg = (struct kvm_irqfd) {
		.fd = event(w, r), .gsi = rng_below(r, 40), .flags = rng_below(r, 4),
		.resamplefd = event(w, r),
	};
}

void bend_ioeventfd(struct world *w, struct rng *r, void *arg)
{
	*(struct kvm_ioeventfd *)arg = (struct kvm_ioeventfd) {
		.datamatch = rng_interesting(r), .fd = event(w, r),
		.addr = rng_one_in(r, 2) ? GUEST_PORT + rng_below(r, 16) :
			GUEST_MMIO + rng_below(r, 64),
		.len = rng_one_in(r, 16) ? rng_interesting(r) : 1u << rng_below(r, 4),
		.flags = rng_below(r, 16),
	};
}

void bend_zone(struct world *w, struct rng *r, void *arg)
{
	bool pio = rng_one_in(r, 2);

	*(struct kvm_coalesced_mmio_zone *)arg = (struct kvm_coalesced_mmio_zone) {
		.addr = rng_one_in(r, 8) ? rng_interesting(r) :
			(pio ? GUEST_PORT : GUEST_MMIO) + rng_below(r, 64),
		.size = rng_one_in(r, 8) ? rng_interesting(r) : rng_below(r, 64),
		.pio = rng_one_in(r, 16) ? rng_interesting(r) : pio,
	};
}
