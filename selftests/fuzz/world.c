// SPDX-License-Identifier: GPL-2.0-only
/*
 * Makes a round's world, keeps its fds, and does to its memory what a VMM may do at any
 * time: punch holes, unmap, protect, drop, map again, fork; and writes over kvm_run.
 */
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fuzz.h"

void rng_seed(struct rng *r, u64 seed, u64 stream)
{
	r->state = (seed + 1) * 0x9e3779b97f4a7c15ull ^ (stream + 1) * 0xd1b54a32d192ed03ull;
	r->state = r->state ?: 1;
	for (int i = 0; i < 8; i++)
		rng_next(r);
}

u64 rng_interesting(struct rng *r)
{
	static const u64 edges[] = {
		0, 1, 2, 7, 0x7f, 0x80, 0xff, 0x100, 0xfff, 0x1000, 0x7fff, 0x8000, 0xffff,
		0x10000, 0x7fffffff, 0x80000000, 0xffffffff, 0x100000000, 0xfee00000, 0xfec00000,
		0x7fffffffffff, 0x800000000000, 0x7fffffffffffffff, 0x8000000000000000, -1ull,
		-0x1000ull, GUEST_MMIO, WORLD_EXTRA_GPA, WORLD_EXTRA, 1ull << 40, 1ull << 52,
	};

	switch (rng_below(r, 5)) {
	case 0: return edges[rng_below(r, ARRAY_SIZE(edges))];
	case 1: return edges[rng_below(r, ARRAY_SIZE(edges))] + rng_below(r, 17) - 8;
	case 2: return 1ull << rng_below(r, 64);
	case 3: return rng_below(r, 64);
	default: return rng_next(r) >> rng_below(r, 64);
	}
}

void rng_fill(struct rng *r, void *buffer, size_t size)
{
	u8 *p = buffer;

	for (size_t i = 0; i < size; i++)
		p[i] = rng_next(r) >> 56;
}

/* Where this thread goes on when memory is not there. */
static __thread sigjmp_buf missing;
static __thread volatile sig_atomic_t careful;

static void on_missing(int number)
{
	if (careful)
		siglongjmp(missing, 1);
	signal(number, SIG_DFL);
}

void careful_install(void)
{
	struct sigaction action = { .sa_handler = on_missing, .sa_flags = SA_NODEFER };

	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
}

bool careful_copy(void *to, const void *from, size_t size)
{
	/* Mask not saved: SA_NODEFER leaves it alone, and a system call is spared. */
	if (sigsetjmp(missing, 0)) {
		careful = 0;
		return false;
	}
	careful = 1;
	memcpy(to, from, size);
	careful = 0;
	return true;
}

int world_fd(struct rng *r, atomic_int *fds, unsigned int count)
{
	return fds[rng_below(r, count)];
}

void world_keep(struct rng *r, atomic_int *fds, unsigned int first, unsigned int count, int fd)
{
	if (fd < 0)
		return;
	close(atomic_exchange(&fds[first + rng_below(r, count - first)], fd));
}

/* A mount of this process's own; it goes with the round. -1: it cannot be had. */
static int mount_gmems(void)
{
	const char *where = "/tmp/fuzz-gmems";

	mkdir(where, 0700);
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("none", where, "ditto", 0, "size=16m"))
		return -1;
	return open(where, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
}

/* One of the device's, or a file of the mount. */
static int any_gmem(struct world *w, struct rng *r)
{
	struct ditto_create_gmem args = { .size = (1 + rng_below(r, 600)) * PAGE_SIZE };
	int fd;

	if (w->mount < 0 || rng_one_in(r, 2))
		return ioctl(w->dev, DITTO_CREATE_GMEM, &args);
	fd = openat(w->mount, ".", O_TMPFILE | (rng_one_in(r, 4) ? O_WRONLY : O_RDWR), 0600);
	if (fd >= 0 && ftruncate(fd, args.size))
		note("ftruncate: %s", strerror(errno));
	return fd;
}

static void learn_modes(struct world *w)
{
	/* Long mode last: the library goes there from any mode, and to none from there. */
	static const enum mode order[] = { MODE_REAL, MODE_PROT32, MODE_LONG };
	struct vcpu *vcpu = &w->vm->vcpu[0];

	for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
		vcpu_enter_mode(vcpu, order[i], GUEST_LOW);
		w->modes[order[i]] = vcpu_sregs(vcpu);
	}
	memcpy(w->snapshot, w->vm->ram, sizeof(w->snapshot));
}

static void fill_fds(struct world *w, struct rng *r)
{
	unsigned int i;

	w->vms[0] = w->vm->fd;
	for (i = 1; i < WORLD_VMS; i++)
		w->vms[i] = -1;
	for (i = 0; i < WORLD_VCPUS; i++)
		w->vcpus[i] = i < w->vm->nr_vcpus ? w->vm->vcpu[i].fd : -1;
	w->gmems[0] = w->vm->gmem;
	for (i = 1; i < WORLD_GMEMS; i++)
		w->gmems[i] = tap.ditto ? any_gmem(w, r) : -1;
	for (i = 0; i < WORLD_DISKS; i++)
		w->disks[i] = -1;
	for (i = 0; i < WORLD_EVENTS; i++)
		w->events[i] = eventfd(0, EFD_NONBLOCK);
}

static void map_rings(struct world *w, size_t size)
{
	w->ring_size = size / sizeof(struct kvm_dirty_gfn);
	for (unsigned int i = 0; size && i < w->vm->nr_vcpus; i++)
		w->rings[i] = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED,
				   w->vm->vcpu[i].fd, KVM_DIRTY_LOG_PAGE_OFFSET * PAGE_SIZE);
}

/* Memory that the guest waits for, or is told of when it comes. */
static int watch(u8 *memory, size_t size)
{
	struct uffdio_register reg = {
		.range = { (uintptr_t)memory, size }, .mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	struct uffdio_api api = { .api = UFFD_API };
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	if (fd >= 0 && (ioctl(fd, UFFDIO_API, &api) || ioctl(fd, UFFDIO_REGISTER, &reg))) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/* Both kinds of memory at one place. */
static void make_private_slot(struct world *w)
{
	struct guest_memfd args = { .size = WORLD_EXTRA };
	struct region2 region = {
		.slot = 1, .flags = MEM_GUEST_MEMFD, .gpa = WORLD_EXTRA_GPA, .size = WORLD_EXTRA,
		.hva = (uintptr_t)w->extra,
	};
	int fd = ioctl(w->vm->fd, CREATE_GUEST_MEMFD, &args);

	if (fd < 0)
		return;
	region.guest_memfd = fd;
	ioctl(w->vm->fd, SET_USER_MEMORY_REGION2, &region);
	close(w->gmems[1]);
	w->gmems[1] = fd;
}

void world_make(struct world *w, struct rng *r)
{
	struct vm_config config = {
		.ram = 4 * MIB, .vcpus = 1 + rng_below(r, 3), .no_irqchip = rng_one_in(r, 3),
		.user = rng_one_in(r, 3),
		.ring = rng_one_in(r, 3) ? PAGE_SIZE << rng_below(r, 4) : 0,
	};

	config.split = !config.no_irqchip && rng_one_in(r, 4);
	config.pit = !config.no_irqchip && !config.split && rng_one_in(r, 2);
	config.type = rng_one_in(r, 3) * SW_PROTECTED_VM;
	w->dev = dev_open();
	w->mount = tap.ditto ? mount_gmems() : -1;
	w->vm = vm_new(&config);
	w->extra = mmap(NULL, WORLD_EXTRA, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			-1, 0);
	w->uffd = rng_one_in(r, 2) ? watch(w->extra + WORLD_EXTRA / 2, WORLD_EXTRA / 2) : -1;
	learn_modes(w);
	map_rings(w, config.ring);
	fill_fds(w, r);
	if (config.type)
		make_private_slot(w);
	else
		vm_set_slot(w->vm, 1, 0, WORLD_EXTRA_GPA, WORLD_EXTRA, w->extra);
}

static void punch(struct world *w, struct rng *r)
{
	int mode = rng_one_in(r, 8) ? rng_below(r, 256) :
		FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
	u64 from = rng_below(r, 1100) * PAGE_SIZE + (rng_one_in(r, 8) ? rng_below(r, 4096) : 0);

	if (fallocate(world_fd(r, w->gmems, WORLD_GMEMS), mode, from,
		      rng_below(r, 64) * PAGE_SIZE)) {
		/* Refused: as good. */
	}
}

/* What programs do to files: another size, other contents, and a look at those. */
static void use_as_file(struct world *w, struct rng *r)
{
	int fd = world_fd(r, w->gmems, WORLD_GMEMS);
	u64 at = rng_one_in(r, 8) ? rng_interesting(r) : rng_below(r, 600 * PAGE_SIZE);
	u8 value[64];
	ssize_t n;

	switch (rng_below(r, 3)) {
	case 0:
		if (ftruncate(fd, at)) {
			/* A gmem of the device has the size it was made with. */
		}
		break;
	case 1:
		rng_fill(r, value, sizeof(value));
		if (pwrite(fd, value, rng_below(r, sizeof(value)), at) < 0) {
			/* As good. */
		}
		break;
	default:
		n = pread(fd, value, sizeof(value), at);
		if (n > 0)
			secret_search(value, n, "a read of a gmem");
	}
}

/* A child reads and writes, and forks in its turn, while its parent does, too. */
static void fork_with(u8 *p, size_t size, struct rng *r)
{
	u8 value[64], *at = p + rng_below(r, size - sizeof(value));
	pid_t pid = fork();

	if (!pid) {
		if (rng_one_in(r, 2))
			fork();
		if (careful_copy(value, at, sizeof(value)))
			careful_copy(p, value, sizeof(value));
		_exit(0);
	}
	careful_copy(at, value, sizeof(value) / 2);
	if (pid > 0)
		waitpid(pid, NULL, 0);
}

static void map_gmem(struct world *w, struct rng *r)
{
	size_t size = (1 + rng_below(r, 512)) * PAGE_SIZE;
	int protection = rng_below(r, 8), flags = rng_one_in(r, 8) ? MAP_PRIVATE : MAP_SHARED;
	u8 value[64];
	u8 *p = mmap(NULL, size, protection, flags, world_fd(r, w->gmems, WORLD_GMEMS),
		     rng_below(r, 64) * PAGE_SIZE);

	if (p == MAP_FAILED)
		return;
	for (int i = rng_below(r, 40); i; i--) {
		u8 *at = p + rng_below(r, size - sizeof(value));

		if (!careful_copy(value, at, sizeof(value)))
			continue;
		secret_search(value, sizeof(value), "a mapping of a gmem");
		rng_fill(r, value, sizeof(value));
		careful_copy(at, value, rng_below(r, sizeof(value)));
	}
	madvise(p, size, rng_below(r, 26));
	if (rng_one_in(r, 8))
		fork_with(p, size, r);
	munmap(p, size);
}

/* Some part of the memory behind slots: @size bytes at the result. */
static u8 *some_memory(struct world *w, struct rng *r, size_t *size)
{
	bool extra = rng_one_in(r, 2);
	size_t all = extra ? WORLD_EXTRA : w->vm->ram_size, from;

	from = rng_below(r, all / PAGE_SIZE) * PAGE_SIZE;
	*size = PAGE_SIZE << rng_below(r, 9);
	if (*size > all - from)
		*size = all - from;
	return (extra ? w->extra : w->vm->ram) + from;
}

static void change_mapping(struct world *w, struct rng *r)
{
	size_t size;
	u8 *p = some_memory(w, r, &size);

	switch (rng_below(r, 5)) {
	case 0:
		madvise(p, size, rng_one_in(r, 2) ? MADV_DONTNEED : (int)rng_below(r, 26));
		break;
	case 1:
		mprotect(p, size, rng_below(r, 4));
		mprotect(p, size, PROT_READ | PROT_WRITE);
		break;
	case 2:
		munmap(p, size);
		mmap(p, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
		     -1, 0);
		break;
	case 3:
		mmap(p, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
		     world_fd(r, w->gmems, WORLD_GMEMS), 0);
		break;
	default:
		mlock(p, size);
		munlock(p, size);
	}
}

/* Makes private memory copy-on-write, and the machine somebody else's for a moment. */
static void fork_once(struct world *w, struct rng *r)
{
	pid_t pid = fork();

	if (!pid) {
		ioctl(w->vms[0], KVM_CHECK_EXTENSION, 0);
		ioctl(w->vcpus[0], KVM_RUN, 0);
		_exit(0);
	}
	if (pid > 0)
		waitpid(pid, NULL, 0);
}

/* Private becomes shared, shared private, under guests that use it. */
static void convert(struct world *w, struct rng *r)
{
	for (int i = rng_below(r, 20); i; i--) {
		struct attributes a = {
			.gpa = WORLD_EXTRA_GPA + rng_below(r, 512) * PAGE_SIZE,
			.size = (1 + rng_below(r, rng_one_in(r, 2) ? 4 : 512)) * PAGE_SIZE,
			.attributes = rng_one_in(r, 2) * ATTRIBUTE_PRIVATE,
		};

		ioctl(w->vm->fd, SET_MEMORY_ATTRIBUTES, &a);
	}
}

void *world_disturb(void *world)
{
	struct world *w = world;
	struct rng r;

	rng_seed(&r, (uintptr_t)&r, getpid());
	while (!w->end) {
		switch (rng_below(&r, 20)) {
		case 0: fork_once(w, &r); break;
		case 1 ... 5: punch(w, &r); break;
		case 6 ... 10: map_gmem(w, &r); break;
		case 11 ... 13: convert(w, &r); break;
		case 14 ... 15: use_as_file(w, &r); break;
		default: change_mapping(w, &r);
		}
		usleep(rng_below(&r, 2000));
	}
	return NULL;
}

/* Most often where a pending access is described, sometimes anywhere. */
static void scribble(struct vcpu *vcpu, struct rng *r)
{
	u64 value = rng_interesting(r);
	size_t at = rng_one_in(r, 4) ? rng_below(r, vcpu->run_size - 8) :
		offsetof(struct kvm_run, io) + rng_below(r, 32);

	memcpy((u8 *)vcpu->run + at, &value, 1u << rng_below(r, 4));
}

/* Give entries of a ring back, and lie about what they are of. */
static void scribble_ring(struct kvm_dirty_gfn *ring, unsigned int size, struct rng *r)
{
	struct kvm_dirty_gfn *e = &ring[rng_below(r, size)];

	e->flags = rng_one_in(r, 8) ? rng_interesting(r) : KVM_DIRTY_GFN_F_RESET;
	if (rng_one_in(r, 2))
		e->slot = rng_one_in(r, 4) ? rng_interesting(r) : rng_below(r, 8);
	if (rng_one_in(r, 2))
		e->offset = rng_one_in(r, 4) ? rng_interesting(r) : rng_below(r, 1024);
}

void *world_scribble(void *world)
{
	struct world *w = world;
	struct rng r;

	rng_seed(&r, (uintptr_t)&r, getpid());
	while (!w->end) {
		unsigned int i = rng_below(&r, w->vm->nr_vcpus), n;
		struct vcpu *vcpu = &w->vm->vcpu[i];

		scribble(vcpu, &r);
		for (n = 0; n < 32 && w->ring_size; n++)
			scribble_ring(w->rings[i], w->ring_size, &r);
		if (rng_one_in(&r, 8))
			code_change_tables(w, &r);
		/* Or nothing would run any more. */
		if (!rng_one_in(&r, 8))
			vcpu->run->immediate_exit = 0;
		if (rng_one_in(&r, 4))
			usleep(rng_below(&r, 300));
	}
	return NULL;
}

/* Nobody waits for ever: whoever asks gets a page, of zeros or of something. */
static void provide(int uffd, struct rng *r)
{
	static const u8 something[PAGE_SIZE] __attribute__((aligned(4096))) = { 1, 2, 3 };
	struct uffd_msg msg;

	while (read(uffd, &msg, sizeof(msg)) == sizeof(msg)) {
		u64 at = msg.arg.pagefault.address & -PAGE_SIZE;
		struct uffdio_copy copy = {
			.dst = at, .src = (uintptr_t)something, .len = PAGE_SIZE,
		};
		struct uffdio_zeropage zero = { .range = { at, PAGE_SIZE } };
		struct uffdio_range range = { at, PAGE_SIZE };

		if (msg.event != UFFD_EVENT_PAGEFAULT)
			continue;
		if (rng_one_in(r, 4))
			usleep(rng_below(r, 20000));
		if (rng_one_in(r, 2) ? ioctl(uffd, UFFDIO_COPY, &copy) :
				       ioctl(uffd, UFFDIO_ZEROPAGE, &zero))
			ioctl(uffd, UFFDIO_WAKE, &range);
	}
}

void *world_provide(void *world)
{
	struct world *w = world;
	struct rng r;

	rng_seed(&r, (uintptr_t)&r, getpid());
	/* Until the process ends: who searches memory at the end asks, too. */
	while (w->uffd >= 0) {
		provide(w->uffd, &r);
		usleep(rng_below(&r, 3000));
	}
	return NULL;
}
