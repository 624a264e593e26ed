// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a fork of a gmem costs: TSC ticks, system calls included; in a host with --icount a tick
 * is an instruction. One line per figure: name and figure.
 *	gmem_fork_SIZE		DITTO_GMEM_FORK of a gmem of that size, with a page in each GiB
 *	gmem_fork_SIZE_close	the end of that fork
 *	gmem_fork_page		a write to a page of a fork, whose neighbours were written to: a
 *				fault of the process, with the copy
 *	gmem_fork_region	the same in a 2 MiB region that was not written to since the fork,
 *				all of whose pages are there
 *	gmem_fork_gigabyte	the same in a GiB likewise
 */
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <x86intrin.h>

#include "vm.h"

#define GIB	(1024 * MIB)
#define COUNT	5

static u64 least(u64 a, u64 b)
{
	return a && a < b ? a : b;
}

static void measure(const char *name, u64 size)
{
	u64 begin, made, off, took = 0, closed = 0;
	int i, child, fd = gmem_new(size, 0);
	volatile u8 *p = gmem_map(fd, size);

	for (off = 0; off < size; off += GIB)
		p[off] = 1;
	for (i = 0; i < COUNT; i++) {
		p[0] = i;
		begin = __rdtsc();
		child = CHECKED(ioctl(fd, DITTO_GMEM_FORK));
		made = __rdtsc();
		close(child);
		closed = least(closed, __rdtsc() - made);
		took = least(took, made - begin);
	}
	printf("gmem_fork_%s %lu\ngmem_fork_%s_close %lu\n", name, took, name, closed);
	munmap((void *)p, size);
	close(fd);
}

static u64 write_cost(volatile u8 *p)
{
	u64 begin = __rdtsc();

	*p = 2;
	return __rdtsc() - begin;
}

static void writes(void)
{
	u64 off, page = 0, region = 0, giga;
	int fd = gmem_new(GIB, 0), child, i;
	volatile u8 *p = gmem_map(fd, GIB), *q;

	for (off = 0; off < 16 * MIB; off += PAGE_SIZE)
		p[off] = 1;
	child = CHECKED(ioctl(fd, DITTO_GMEM_FORK));
	q = gmem_map(child, GIB);
	for (off = 0; off < 16 * MIB; off += PAGE_SIZE)
		(void)q[off];		/* page tables, and the kind of the mapping */
	giga = write_cost(q);
	for (i = 1; i < COUNT; i++) {
		region = least(region, write_cost(q + i * 2 * MIB));
		page = least(page, write_cost(q + i * 2 * MIB + 7 * PAGE_SIZE));
	}
	printf("gmem_fork_page %lu\ngmem_fork_region %lu\ngmem_fork_gigabyte %lu\n", page, region,
	       giga);
}

int main(void)
{
	tap.dev = "/dev/ditto";
	tap.gmem = tap.ditto = true;
	measure("64m", 64 * MIB);
	measure("1g", GIB);
	measure("1t", 1024 * GIB);
	writes();
	return 0;
}
