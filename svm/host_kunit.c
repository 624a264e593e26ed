// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit: what of the SVM backend needs no SVM: whom it refuses, and which pages it gives
 * to the CPU.
 */
#include <kunit/test.h>
#include <asm/cpufeature.h>

#include "svm/svm.h"

static const struct svm_machine usable = { .svm = true };

static int verdict(struct svm_machine m, const char *phrase, struct kunit *test)
{
	const char *why = "";
	int err = svm_verdict(&m, &why);

	KUNIT_EXPECT_NOT_NULL_MSG(test, strstr(why, phrase), "\"%s\"", why);
	return err;
}

static void machines_refused(struct kunit *test)
{
	struct svm_machine m = usable;

	KUNIT_EXPECT_EQ(test, verdict(m, "", test), 0);
	m.firmware_off = true;
	KUNIT_EXPECT_EQ(test, verdict(m, "firmware", test), -EPERM);
	m = usable;
	m.tlb_mmatch = true;
	KUNIT_EXPECT_EQ(test, verdict(m, "erratum 383", test), -ENODEV);
	m = usable;
	m.encrypted = true;
	KUNIT_EXPECT_EQ(test, verdict(m, "SEV", test), -ENODEV);
	m = (struct svm_machine){ .firmware_off = true };
	KUNIT_EXPECT_EQ(test, verdict(m, "no SVM", test), -ENODEV);
}

static void mixed_cpus(struct kunit *test)
{
	const struct svm_cpu_caps first = {
		.nr_asids = 32768,
		.features = BIT(X86_FEATURE_NPT & 31) | BIT(X86_FEATURE_NRIPS & 31) |
			    BIT(X86_FEATURE_FLUSHBYASID & 31) |
			    BIT(X86_FEATURE_DECODEASSISTS & 31) |
			    BIT(X86_FEATURE_PAUSEFILTER & 31) |
			    BIT(X86_FEATURE_V_SPEC_CTRL & 31),
	};
	struct svm_cpu_caps here = first;
	int bit;

	KUNIT_EXPECT_NULL(test, svm_lacks(&first, &here));
	here.nr_asids--;
	KUNIT_EXPECT_STREQ(test, svm_lacks(&first, &here), "ASIDs");
	for (bit = 0; bit < 32; bit++) {
		if (!(first.features & BIT(bit)))
			continue;
		here = first;
		here.features &= ~BIT(bit);
		KUNIT_EXPECT_NOT_NULL_MSG(test, svm_lacks(&first, &here), "bit %d", bit);
	}
	/* More than the first one has, and what nobody uses, is no reason. */
	here = (struct svm_cpu_caps){ .nr_asids = 65536, .features = ~0u };
	KUNIT_EXPECT_NULL(test, svm_lacks(&first, &here));
}

static void cpus_refused(struct kunit *test)
{
	const struct svm_cpu_caps all = { .nr_asids = U32_MAX, .features = ~0u };
	const char *why = "";

	KUNIT_EXPECT_EQ(test, svm_cpu_verdict(false, false, &all, &why), 0);
	KUNIT_EXPECT_EQ(test, svm_cpu_verdict(true, false, &all, &why), -EBUSY);
	KUNIT_EXPECT_NOT_NULL(test, strstr(why, "kvm_amd"));
	KUNIT_EXPECT_EQ(test, svm_cpu_verdict(false, true, &all, &why), -EPERM);
	KUNIT_EXPECT_NOT_NULL(test, strstr(why, "firmware"));
}

#define CPU_PAGES	2048u	/* of 1, 2 and 4: some 18 MiB */

static void pages_of_the_cpu(struct kunit *test)
{
	struct page **pages = kunit_kcalloc(test, CPU_PAGES, sizeof(*pages), GFP_KERNEL);
	unsigned int i, order, seen = 0;

	KUNIT_ASSERT_NOT_NULL(test, pages);
	KUNIT_EXPECT_TRUE(test, svm_pages_unsafe(0x200));
	KUNIT_EXPECT_TRUE(test, svm_pages_unsafe(0x12345 << 9));
	KUNIT_EXPECT_FALSE(test, svm_pages_unsafe(0x201));
	KUNIT_EXPECT_FALSE(test, svm_pages_unsafe(0x3ff));
	/* All are kept for as long, so that boundaries of 2 MiB are among what is offered. */
	for (i = 0; i < CPU_PAGES; i++) {
		order = i % 3;
		pages[i] = svm_pages_alloc(GFP_KERNEL | __GFP_ZERO, order);
		if (!pages[i])
			break;
		seen += svm_pages_unsafe(page_to_pfn(pages[i]));
		KUNIT_EXPECT_EQ(test, page_count(pages[i] + (1 << order) - 1), 1);
		memset(page_address(pages[i]), 0xff, PAGE_SIZE << order);
	}
	KUNIT_EXPECT_EQ(test, i, CPU_PAGES);
	KUNIT_EXPECT_EQ(test, seen, 0u);
	while (i--)
		svm_pages_free(pages[i], i % 3);
	svm_pages_free(NULL, 2);
}

static struct kunit_case svm_host_cases[] = {
	KUNIT_CASE(machines_refused),
	KUNIT_CASE(mixed_cpus),
	KUNIT_CASE(cpus_refused),
	KUNIT_CASE(pages_of_the_cpu),
	{}
};

static struct kunit_suite svm_host_suite = {
	.name = "ditto_svm_host",
	.test_cases = svm_host_cases,
};
kunit_test_suite(svm_host_suite);
