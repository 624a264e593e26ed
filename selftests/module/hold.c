// SPDX-License-Identifier: GPL-2.0-only
/*
 * hold [--dev PATH] vm|vcpu|gmem: makes one, closes everything else, and waits to
 * be killed.
 */
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "vm.h"

static void hold(const char *what)
{
	int dev = dev_open(), vm;

	if (!strcmp(what, "gmem")) {
		gmem_new(4096, 0);
	} else {
		vm = CHECKED(ioctl(dev, KVM_CREATE_VM, 0));
		if (!strcmp(what, "vcpu")) {
			CHECKED(ioctl(vm, KVM_CREATE_VCPU, 0));
			close(vm);
		}
	}
	close(dev);
	pause();
}

int main(int argc, char **argv)
{
	tap.dev = "/dev/ditto";
	if (argc == 4 && !strcmp(argv[1], "--dev")) {
		tap.dev = argv[2];
		argv += 2;
		argc -= 2;
	}
	if (argc != 2) {
		fprintf(stderr, "usage: hold [--dev PATH] vm|vcpu|gmem\n");
		return 2;
	}
	hold(argv[1]);
	return 0;
}
