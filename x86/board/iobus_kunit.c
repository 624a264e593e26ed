// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit: which device on a bus an access reaches.
 */
#include <kunit/test.h>

#include "x86/board/iobus.h"

struct test_device {
	struct io_device dev;
	unsigned int hits;
	bool decline;
};

static int test_access(struct io_device *dev, struct vcpu *vcpu, u64 addr,
		       unsigned int len, void *data, bool write)
{
	struct test_device *d = container_of(dev, struct test_device, dev);

	d->hits++;
	return d->decline ? -EOPNOTSUPP : 0;
}

static const struct io_device_ops test_device_ops = { .access = test_access };

#define DEVICE(at, size) { .dev = { .ops = &test_device_ops, .addr = at, .len = size } }

static int probe(struct iobus *bus, u64 addr, unsigned int len)
{
	struct iobus_miss miss;
	u64 data = 0;

	return iobus_access_note(bus, &miss, NULL, addr, len, &data, true);
}

static void iobus_test_lookup(struct kunit *test)
{
	struct iobus *bus = test->priv;
	struct test_device wide = DEVICE(0x1000, 0x1000), inner = DEVICE(0x1800, 8);
	struct test_device any = DEVICE(0x3000, 0), last = DEVICE(~0ull, 1);
	struct test_device wraps = DEVICE(~0ull, 2);

	KUNIT_EXPECT_EQ(test, iobus_register(bus, &last.dev), 0);
	KUNIT_EXPECT_EQ(test, iobus_register(bus, &inner.dev), 0);
	KUNIT_EXPECT_EQ(test, iobus_register(bus, &any.dev), 0);
	KUNIT_EXPECT_EQ(test, iobus_register(bus, &wide.dev), 0);
	KUNIT_EXPECT_EQ(test, iobus_register(bus, &wraps.dev), -EINVAL);

	KUNIT_EXPECT_EQ(test, probe(bus, 0xfff, 1), -EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, probe(bus, 0x1000, 8), 0);
	KUNIT_EXPECT_EQ(test, probe(bus, 0x1fff, 1), 0);
	KUNIT_EXPECT_EQ(test, probe(bus, 0x1ffd, 4), -EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, probe(bus, 0x2000, 1), -EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, wide.hits, 2u);
	KUNIT_EXPECT_EQ(test, probe(bus, 0x3000, 1), 0);
	KUNIT_EXPECT_EQ(test, probe(bus, 0x3000, 8), 0);
	KUNIT_EXPECT_EQ(test, probe(bus, 0x3001, 1), -EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, any.hits, 2u);
	KUNIT_EXPECT_EQ(test, probe(bus, ~0ull, 1), 0);
	KUNIT_EXPECT_EQ(test, last.hits, 1u);

	/* The lower address is asked first, and may decline. */
	KUNIT_EXPECT_EQ(test, probe(bus, 0x1800, 8), 0);
	KUNIT_EXPECT_EQ(test, inner.hits, 0u);
	wide.decline = true;
	KUNIT_EXPECT_EQ(test, probe(bus, 0x1804, 4), 0);
	KUNIT_EXPECT_EQ(test, inner.hits, 1u);
	KUNIT_EXPECT_EQ(test, probe(bus, 0x1806, 4), -EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, inner.hits, 1u);
}

static void iobus_test_unregister(struct kunit *test)
{
	struct iobus *bus = test->priv;
	struct test_device one = DEVICE(0x1000, 4), two = DEVICE(0x1000, 4);
	struct test_device three = DEVICE(0x2000, 4);

	KUNIT_EXPECT_EQ(test, iobus_register(bus, &one.dev), 0);
	KUNIT_EXPECT_EQ(test, iobus_register(bus, &two.dev), 0);
	KUNIT_EXPECT_EQ(test, probe(bus, 0x1000, 4), 0);
	KUNIT_EXPECT_EQ(test, one.hits, 1u);
	iobus_unregister(bus, &one.dev);
	KUNIT_EXPECT_EQ(test, probe(bus, 0x1000, 4), 0);
	KUNIT_EXPECT_EQ(test, one.hits, 1u);
	KUNIT_EXPECT_EQ(test, two.hits, 1u);
	/* Twice, and what was never there. */
	iobus_unregister(bus, &one.dev);
	iobus_unregister(bus, &three.dev);
	/* The hole closes. */
	KUNIT_EXPECT_EQ(test, iobus_register(bus, &three.dev), 0);
	KUNIT_EXPECT_EQ(test, probe(bus, 0x2000, 4), 0);
	KUNIT_EXPECT_EQ(test, probe(bus, 0x1000, 4), 0);
	KUNIT_EXPECT_EQ(test, two.hits, 2u);
}

static int iobus_kunit_init(struct kunit *test)
{
	struct iobus *bus = kunit_kzalloc(test, sizeof(*bus), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, bus);
	test->priv = bus;
	iobus_init(bus);
	return 0;
}

static void iobus_kunit_exit(struct kunit *test)
{
	iobus_destroy(test->priv);
}

static struct kunit_case iobus_kunit_cases[] = {
	KUNIT_CASE(iobus_test_lookup),
	KUNIT_CASE(iobus_test_unregister),
	{}
};

static struct kunit_suite iobus_kunit_suite = {
	.name = "ditto_iobus",
	.init = iobus_kunit_init,
	.exit = iobus_kunit_exit,
	.test_cases = iobus_kunit_cases,
};

kunit_test_suite(iobus_kunit_suite);
