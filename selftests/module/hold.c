// SPDX-License-Identifier: GPL-2.0-only
/*
 * hold [--dev PATH] vm|vcpu|gmem|run: makes one, closes everything else, and waits to
 * be killed; or runs a guest that exits all the time, until then.
 */
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "vm.h"

/* Whoever started us need not guess how long that takes here. */
static void say_so(void)
{
	puts("holding");
	fflush(stdout);
}

static void run_forever(void)
{
	static const u8 code[] = { 0x0f, 0xa2, 0xeb, 0xfc };	/* cpuid; jmp to it */
	struct vm *vm = vm_new(NULL);

	memcpy(vm->ram + 0x8000, code, sizeof(code));
	vcpu_enter_mode(&vm->vcpu[0], MODE_REAL, 0x8000);
	say_so();
	fail("KVM_RUN ended: exit %d", vcpu_enter(&vm->vcpu[0]));
}

static void hold(const char *what)
{
	int dev = dev_open(), vm;

	if (!strcmp(what, "gmem")) {
		gmem_new(4096, 0);
	} else if (!strcmp(what, "run")) {
		tap.gmem = tap.ditto = true;
		run_forever();
	} else {
		vm = CHECKED(ioctl(dev, KVM_CREATE_VM, 0));
		if (!strcmp(what, "vcpu")) {
			CHECKED(ioctl(vm, KVM_CREATE_VCPU, 0));
			close(vm);
		}
	}
	close(dev);
	say_so();
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
		fprintf(stderr, "usage: hold [--dev PATH] vm|vcpu|gmem|run\n");
		return 2;
	}
	hold(argv[1]);
	return 0;
}
