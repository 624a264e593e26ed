# SPDX-License-Identifier: GPL-2.0-only
#
#	make			ditto.ko and tools/ditto
#	make KVER=6.1		... for Debian's kernel 6.1 (default 6.12), or KVER=debug, KVER=vmx, quick
#	make KDIR=/path		... for the kernel whose build directory that is
#	make module KVER=newest	... for the two newest series that the next Debian offers, which
#				are downloaded with their headers and compiler
#	make sparse		check the module's sources, and the arrows between its rooms
#	make kernel-doc		check the comments that document functions and types
#	make test		all tests, in throw-away hosts; installs what they need
#	make test HOST=native	on this machine, on its own SVM or VMX, as root
#	make test-all		everything, also what is too slow in the emulator of Intel's VMX
#	make demo		four Debian guests, merged; HOST=native uses this machine
#	make demo-fork		ten forks of one Debian guest run a test each (CHILDREN=); likewise
#	make bench		instructions per exit and per merged page
#	make docs		the documents as HTML, in build/html
#	make install		the command, its manual pages, udev rule, units; DESTDIR, prefix
#	make install-module	the module itself, for the kernel it was built for
#	make install-source	the module's source, for DKMS
#	make uninstall uninstall-source
#	make clean
#
# Each kernel has a build directory of its own, build/<release>/, in which the
# sources are symbolic links; the module built last is also ./ditto.ko, without the
# debugger's information that makes it 20 times as large: DEBUG_INFO=1 keeps it. With
# DEBUG=1 the module proves TLB flushes as it does where the kernel has KASAN. With
# KUNIT=1 the module has its KUnit tests in it, and always with KVER=debug and quick.
# WERROR=0 lets a build with warnings pass.

KVER   ?= 6.12
WERROR ?= 1
KUNIT  ?= $(if $(filter debug quick,$(KVER)),1)
ROOMS  := core x86 svm vmx mmu gmem ksm virtio uapi

NO_KERNEL := clean test test-all demo demo-fork bench tools docs install uninstall install-source uninstall-source

ifneq ($(filter-out $(NO_KERNEL),$(or $(MAKECMDGOALS),all)),)
ifndef KDIR
ifeq ($(KVER),newest)
NEWEST := $(shell selftests/host/newest-kernel)
KDIR := $(if $(NEWEST),$(NEWEST)/root/usr/src/linux-headers-$(shell cat $(NEWEST)/release))
else ifneq ($(filter debug quick vmx,$(KVER)),)
KDIR := $(shell selftests/host/built-kernel $(KVER))/build
else
KDIR := $(shell ls -d /lib/modules/$(KVER)[.-]*-amd64/build 2>/dev/null | \
		grep -vE -e '-(cloud|rt)-' | sort -V | tail -n 1)
endif
endif
ifeq ($(KDIR),)
$(error no headers of kernel $(KVER) here: install linux-headers-$(KVER)*-amd64, or give KDIR=)
endif
ifneq ($(shell ./kernel-check $(KDIR) && echo yes),yes)
$(error no module can be built for the kernel of $(KDIR))
endif
RELEASE := $(shell cut -d '"' -f 2 $(KDIR)/include/generated/utsrelease.h)
endif

BUILD := build/$(RELEASE)
# Later kernels' builds cannot make type information of a module that has none.
NO_INFO = $(if $(DEBUG_INFO),,$(if $(filter 6.%,$(RELEASE)),-g0))
KMAKE  = $(MAKE) -C $(KDIR) M=$(CURDIR)/$(BUILD) W=1 \
	 KCFLAGS="$(if $(filter-out 0,$(WERROR)),-Werror) $(NO_INFO)" \
	 $(if $(KUNIT),DITTO_KUNIT=y) $(if $(DEBUG),DITTO_DEBUG=y)

.PHONY: all module tools tree sparse kernel-doc test test-all demo demo-fork bench docs clean
.PHONY: install install-module uninstall install-source uninstall-source
all: module tools
	@cmp -s $(BUILD)/ditto.ko ditto.ko || cp $(BUILD)/ditto.ko ditto.ko

# There, each is built by its own compiler.
ifdef NEWEST
module:
	@for release in $$(cat $(NEWEST)/releases); do \
		selftests/host/newest-root make -s -j$(or $(DITTO_JOBS),$(shell nproc)) module \
			"KDIR=/usr/src/linux-headers-$$release" WERROR=$(WERROR) \
			KUNIT=$(KUNIT) DEBUG=$(DEBUG) DEBUG_INFO=$(DEBUG_INFO) || exit 1; \
	done
else
module: tree
	+$(KMAKE) modules
endif

tools:
	$(if $(wildcard tools/Makefile),+$(MAKE) -C tools)

# The build directory mirrors the sources: a link for each, none left over.
tree:
	@mkdir -p $(BUILD)
	@find $(BUILD) -xtype l -delete
	@find Kbuild dkms.conf $(wildcard *.h *.c $(ROOMS)) -type f ! -name '.*' | while read -r file; do \
		link=$(BUILD)/$$file; \
		[ -L "$$link" ] || { mkdir -p "$${link%/*}"; ln -s "$(CURDIR)/$$file" "$$link"; }; \
	done

sparse: tree
	@selftests/arrows
	+$(KMAKE) C=2 CF=-Wsparse-error modules

kernel-doc:
	selftests/kernel-doc --kdir $(KDIR)

ifeq ($(HOST),native)
test:
	selftests/setup build native
	selftests/test --stages native
else
test:
	selftests/setup build host vmx debug bochs newest manuals
	selftests/test
endif

test-all:
	selftests/setup build host vmx debug bochs newest manuals packages
	selftests/test --stages all

demo:
	selftests/demo/run

demo-fork:
	selftests/demo/run forks

bench:
	selftests/setup build host
	+$(MAKE) -s module tools KVER=6.12
	+$(MAKE) -s -C selftests
	selftests/bench/run

docs:
	selftests/setup docs
	Documentation/html build/html

install: tools
	+$(MAKE) -C packaging install

install-module: module
	+$(MAKE) -C $(KDIR) M=$(CURDIR)/$(BUILD) $(if $(DESTDIR),INSTALL_MOD_PATH=$(DESTDIR)) \
		INSTALL_MOD_DIR=updates modules_install

uninstall install-source uninstall-source:
	+$(MAKE) -C packaging $@

clean:
	rm -rf build ditto.ko
	$(MAKE) -C selftests clean
	$(if $(wildcard tools/Makefile),+$(MAKE) -C tools clean)
