// SPDX-License-Identifier: GPL-2.0-only
/*
 * Processes that fork while they have gmems mapped: what the child has of them at once, and
 * what it sees. A fork must take no references to pages that anybody may map any number of
 * times; that nothing of a mapping is in the child's page tables shows it. Runs as root;
 * ditto only.
 */
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "mount.h"

#ifndef MADV_KEEPONFORK
#define MADV_KEEPONFORK 19
#endif

#define PAGES	16ul
#define SIZE	(PAGES * PAGE_SIZE)
#define PUNCH	(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE)

/* KiB of the mapping at @p that this process's page tables have. */
static long rss_kib(const void *p)
{
	unsigned long start, end;
	FILE *f = fopen("/proc/self/smaps", "r");
	bool here = false;
	char line[256];
	long kib = -1;

	if (!f)
		return -1;
	while (kib < 0 && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			here = start <= (uintptr_t)p && (uintptr_t)p < end;
		if (here)
			sscanf(line, "Rss: %ld kB", &kib);
	}
	fclose(f);
	return kib;
}

/* A mapping of a new file, all pages of which are read, and of which some are written. */
static u8 *mapping(int flags, int prot, unsigned long written)
{
	int fd = open_file("a", SIZE);
	volatile u8 *p = mmap(NULL, SIZE, prot, flags, fd, 0);
	unsigned long i;

	ASSERT(p != MAP_FAILED);
	CHECKED(pwrite(fd, "f", 1, 0));
	CHECKED(pwrite(fd, "f", 1, PAGE_SIZE));
	for (i = 0; i < PAGES; i++)
		(void)p[i * PAGE_SIZE];
	for (i = 0; i < written; i++)
		p[i * PAGE_SIZE] = 'w';
	ASSERT_EQ(rss_kib((u8 *)p), SIZE >> 10);
	close(fd);
	return (u8 *)p;
}

struct fork_case {
	const char *name;
	int flags, prot;
	bool keep;		/* MADV_KEEPONFORK before */
	unsigned long copies;	/* pages of the process's own, which are copied */
};

static const struct fork_case fork_cases[] = {
	{ "shared", MAP_SHARED, PROT_READ | PROT_WRITE },
	{ "shared, kept", MAP_SHARED, PROT_READ | PROT_WRITE, true },
	{ "read only", MAP_SHARED, PROT_READ },
	{ "read only, kept", MAP_SHARED, PROT_READ, true },
	{ "private", MAP_PRIVATE, PROT_READ | PROT_WRITE },
	{ "private, written", MAP_PRIVATE, PROT_READ | PROT_WRITE, false, 3 },
	{ "private, written, kept", MAP_PRIVATE, PROT_READ | PROT_WRITE, true, 3 },
	{ "private, read only", MAP_PRIVATE, PROT_READ },
};

/* In the child: how much is there at once, and is it right? */
static int child_sees(const struct fork_case *c, const u8 *p)
{
	unsigned long written = c->prot & PROT_WRITE && c->flags == MAP_SHARED ? PAGES : c->copies;
	unsigned long i;

	if (rss_kib(p) != (long)(c->copies * PAGE_SIZE >> 10))
		return 2;
	for (i = 0; i < PAGES; i++)
		if (p[i * PAGE_SIZE] != (i < written ? 'w' : i < 2 ? 'f' : 0))
			return 3;
	return 0;
}

static void fork_takes(const void *arg)
{
	const struct fork_case *c = arg;
	int status;
	pid_t child;
	u8 *p;

	begin("");
	p = mapping(c->flags, c->prot,
		    c->prot & PROT_WRITE && c->flags == MAP_SHARED ? PAGES : c->copies);
	if (c->keep)
		CHECKED(madvise(p, SIZE, MADV_KEEPONFORK));
	child = CHECKED(fork());
	if (!child)
		_exit(child_sees(c, p));
	ASSERT_EQ(waitpid(child, &status, 0), child);
	ASSERT_EQ(status, 0);
	munmap(p, SIZE);
	end();
}

/* The file of mapping() once more, shared, with all its pages. */
static u8 *mapping_of_others(void)
{
	int fd = CHECKED(open(DITTO "/a", O_RDWR));
	u8 *p = gmem_map(fd, SIZE);
	unsigned long i;

	for (i = 0; i < PAGES; i++)
		(void)*(volatile u8 *)(p + i * PAGE_SIZE);
	ASSERT_EQ(rss_kib(p), SIZE >> 10);
	close(fd);
	return p;
}

/*
 * What is split or moved keeps its contents, and the process's copies; and others keep what
 * they have mapped of the file.
 */
static void split(const void *arg)
{
	u8 *p, *q, *others;
	unsigned long i;

	begin("");
	p = mapping(MAP_PRIVATE, PROT_READ | PROT_WRITE, 3);
	others = mapping_of_others();
	CHECKED(mprotect(p + PAGE_SIZE, PAGE_SIZE, PROT_READ));
	q = mmap(NULL, SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT(q != MAP_FAILED);
	ASSERT(mremap(p + 2 * PAGE_SIZE, SIZE - 2 * PAGE_SIZE, SIZE - 2 * PAGE_SIZE,
		      MREMAP_MAYMOVE | MREMAP_FIXED, q) == q);
	for (i = 0; i < PAGES; i++)
		ASSERT_EQ(i < 2 ? p[i * PAGE_SIZE] : q[(i - 2) * PAGE_SIZE], i < 3 ? 'w' : 0);
	ASSERT_EQ(rss_kib(others), SIZE >> 10);
	munmap(p, 2 * PAGE_SIZE);
	munmap(q, SIZE);
	munmap(others, SIZE);
	end();
}

/* A machine's memory stays the machine's: the child writes to the same. */
static void machine(const void *arg)
{
	struct vm *vm;
	int fd, status;
	pid_t child;
	u8 *p;

	begin("");
	vm = vm_new(NULL);
	fd = open_file("a", SIZE);
	p = gmem_map(fd, SIZE);
	CHECKED(vm_set_gmem_slot(vm, 1, 0, 0x10000000, SIZE, fd, 0));
	p[0] = 1;
	child = CHECKED(fork());
	if (!child) {
		if (p[0] != 1)
			_exit(2);
		p[PAGE_SIZE] = 7;
		_exit(CHECKED(fallocate(fd, PUNCH, 0, PAGE_SIZE)));
	}
	ASSERT_EQ(waitpid(child, &status, 0), child);
	ASSERT_EQ(status, 0);
	ASSERT_EQ(p[0], 0);
	ASSERT_EQ(p[PAGE_SIZE], 7);
	vm_call(vm, "g_arith", 0);
	vm_free(vm);
	munmap(p, SIZE);
	close(fd);
	end();
}

int main(int argc, char **argv)
{
	struct tap_test tests[ARRAY_SIZE(fork_cases) + 2];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(fork_cases); i++)
		tests[i] = (struct tap_test){ fork_cases[i].name, fork_takes, &fork_cases[i] };
	tests[i++] = (struct tap_test){ "split", split };
	tests[i++] = (struct tap_test){ "machine", machine };
	return tap_main(argc, argv, tests, i);
}
