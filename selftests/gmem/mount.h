/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A mount of the file system of gmems, for the programs that test it. As root.
 */
#ifndef GMEM_MOUNT_H
#define GMEM_MOUNT_H

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "knobs.h"
#include "vm.h"

#define DITTO "/tmp/files-ditto"

static inline int mount_ditto(const char *options)
{
	mkdir(DITTO, 0755);
	return mount("none", DITTO, "ditto", 0, options);
}

static inline void begin(const char *options)
{
	need_ditto();
	umount2(DITTO, MNT_DETACH);
	CHECKED(mount_ditto(options));
}

static inline void end(void)
{
	CHECKED(umount(DITTO));
	ASSERT_EQ(knob_violations(), 0);
}

static inline int open_file(const char *name, u64 size)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), DITTO "/%s", name);
	fd = CHECKED(open(path, O_RDWR | O_CREAT | O_TRUNC, 0600));
	CHECKED(ftruncate(fd, size));
	return fd;
}

static sigjmp_buf bus_back;

static inline void bus_handler(int sig)
{
	siglongjmp(bus_back, 1);
}

/* Does an access give a bus error? */
static inline bool bus_error(volatile u8 *p, bool write)
{
	signal(SIGBUS, bus_handler);
	if (sigsetjmp(bus_back, 1))
		return true;
	if (write)
		*p = 1;
	else
		(void)*p;
	return false;
}

#endif
