/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * What ditto adds to the KVM API. Everything else is in <linux/kvm.h>.
 *
 * /dev/ditto answers KVM's system ioctls and those marked "system" here; a
 * VM's fd answers KVM's VM ioctls and those marked "VM"; a gmem's fd answers
 * those marked "gmem", and a virtio device's those marked "virtio" and some of
 * <linux/vhost.h>. An ioctl that is not known to its fd is -ENOTTY.
 */
#ifndef _UAPI_DITTO_H
#define _UAPI_DITTO_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* KVM uses type 0xAE up to 0xE0; ours begin above that. */
#define DITTO_IO		0xDD

/**
 * struct ditto_create_gmem - arguments of DITTO_CREATE_GMEM
 * @size: bytes; a positive multiple of 4096, at most 2^46
 * @flags: DITTO_GMEM_* or 0; unknown bits are -EINVAL
 * @reserved: must be 0
 */
struct ditto_create_gmem {
	__u64 size;
	__u32 flags;
	__u32 reserved[5];
};

/* The gmem takes no part in merging, neither now nor later. */
#define DITTO_GMEM_NO_MERGE	(1u << 0)

/*
 * Where it is empty, a write to it takes 2 MiB of memory in one piece if the host has them, which
 * the guest's page tables then map by one entry.
 */
#define DITTO_GMEM_HUGEPAGE	(1u << 4)

/*
 * What a gmem's pages may be shared with: its policy. Those with a greater number may share
 * more. DITTO_GMEM_POLICY() of one goes into @flags; without it the module's default counts.
 */
#define DITTO_POLICY_OFF	1u	/* nothing */
#define DITTO_POLICY_ZERO	2u	/* pages that are all zero are given back, and no more */
#define DITTO_POLICY_SELF	3u	/* with pages of the same gmem */
#define DITTO_POLICY_SECURE	4u	/* with all others of this policy; none can tell */
#define DITTO_POLICY_DOMAIN	5u	/* with those of the gmems in its domain */
#define DITTO_GMEM_POLICY(p)	((p) << 1)
#define DITTO_GMEM_POLICY_MASK	(7u << 1)

/**
 * DITTO_CREATE_GMEM - system: make a guest memory object
 *
 * Returns an fd (O_CLOEXEC) that can be mmapped MAP_SHARED, given to a memslot
 * with DITTO_SET_GMEM_REGION, punched with fallocate(FALLOC_FL_PUNCH_HOLE) and
 * measured with fstat and DITTO_GMEM_STATS. Its pages are charged to the
 * memory cgroup of the caller. Errors: -EINVAL, -ENOMEM, -EMFILE.
 */
#define DITTO_CREATE_GMEM	_IOW(DITTO_IO, 0x00, struct ditto_create_gmem)

/**
 * struct ditto_gmem_stats - what DITTO_GMEM_STATS fills in, all in bytes
 * @size: the object's size
 * @private_bytes: held by pages that only this object has
 * @shared_bytes: offsets that read from a page shared by merging
 * @charged_bytes: @private_bytes, plus this object's fair part of the shared
 *	pages: each shared page's size divided by the entries that point at it
 * @overhead_bytes: index and bookkeeping memory
 * @breaks: shared entries that a write turned private again, since creation
 * @huge_bytes: of @private_bytes, in pieces of 2 MiB
 * @reserved: 0
 */
struct ditto_gmem_stats {
	__u64 size;
	__u64 private_bytes;
	__u64 shared_bytes;
	__u64 charged_bytes;
	__u64 overhead_bytes;
	__u64 breaks;
	__u64 huge_bytes;
	__u64 reserved[1];
};

/**
 * DITTO_GMEM_STATS - gmem: measure it
 */
#define DITTO_GMEM_STATS	_IOR(DITTO_IO, 0x01, struct ditto_gmem_stats)

/**
 * struct ditto_memory - what DITTO_MEMORY fills in, all in bytes
 * @size: of the gmems
 * @resident: offsets that have a page; the sum of the next three
 * @unique: of these, pages that were never shared, or were written since
 * @merged: what reads from pages that merging shares, with others or in itself
 * @forked: what reads from pages that a fork made common, also when the others have written or
 *	ended since
 * @compressed: offsets whose contents are compressed, and in no page
 * @zero: all others, which read as zero
 * @fair: the fair part: of each page an equal part for each that has it, of compressed contents
 *	their compressed size likewise. The parts of all gmems are the whole; what a machine that
 *	can be reset would be reset to has a part, too
 * @freed: what is free when these gmems end, and what a reset of them would bring back with
 *	them; if nobody else holds them. The index and page tables come on top of that
 * @user: memory of the machine that is its process's own, as that has it mapped
 * @reserved: 0
 *
 * Under the policy "secure" a page counts as if nobody else had it in @fair, and as if somebody
 * had in @freed, because nobody is to learn whether one has.
 */
struct ditto_memory {
	__u64 size;
	__u64 resident;
	__u64 unique;
	__u64 merged;
	__u64 forked;
	__u64 compressed;
	__u64 zero;
	__u64 fair;
	__u64 freed;
	__u64 user;
	__u64 reserved[6];
};

/**
 * DITTO_MEMORY - VM, gmem: measure the gmems of a machine together, or one
 *
 * Looks at every page, so it takes time by their size. It waits for nobody and stops nobody: what
 * it says is exact when nothing changes meanwhile. Errors: -ENOMEM, -EFAULT, -EINTR.
 */
#define DITTO_MEMORY		_IOR(DITTO_IO, 0x09, struct ditto_memory)

/**
 * DITTO_GMEM_SET_POLICY - gmem: change its policy
 *
 * The argument is a DITTO_POLICY_*. What was merged under the old policy is undone first,
 * which takes memory; what the new one allows is merged in time. Errors: -EINVAL: there is no
 * such policy; -EPERM: it may share more than this gmem ever may (it was made with
 * DITTO_GMEM_NO_MERGE, or on a mount whose policy is stricter); -ENOMEM or -EINTR: the old
 * policy stays, and part of the merging is undone.
 */
#define DITTO_GMEM_SET_POLICY	_IO(DITTO_IO, 0x05)

/**
 * DITTO_SET_POLICY - VM: the same for every gmem that backs a memslot of this machine, now and
 * whenever one comes to it
 *
 * The argument is a DITTO_POLICY_*. Errors as for DITTO_GMEM_SET_POLICY; some of the gmems may
 * have the new policy then.
 */
#define DITTO_SET_POLICY	_IO(DITTO_IO, 0x06)

/**
 * struct ditto_gmem_region - arguments of DITTO_SET_GMEM_REGION
 * @slot: as in struct kvm_userspace_memory_region
 * @flags: KVM_MEM_READONLY or 0
 * @guest_phys_addr: page-aligned
 * @memory_size: bytes, page-aligned; 0 deletes the slot
 * @gmem_fd: the gmem
 * @reserved: must be 0
 * @gmem_offset: page-aligned; offset + size must lie inside the gmem
 */
struct ditto_gmem_region {
	__u32 slot;
	__u32 flags;
	__u64 guest_phys_addr;
	__u64 memory_size;
	__s32 gmem_fd;
	__u32 reserved;
	__u64 gmem_offset;
};

/**
 * DITTO_SET_GMEM_REGION - VM: create, move or delete a memslot that a gmem backs
 *
 * The slot needs no user-space mapping and holds its own reference to the gmem.
 * Errors as for KVM_SET_USER_MEMORY_REGION, and -EBADF for an fd that is no gmem.
 */
#define DITTO_SET_GMEM_REGION	_IOW(DITTO_IO, 0x02, struct ditto_gmem_region)

#define DITTO_NAME_LEN		32

/**
 * struct ditto_vm_name - arguments of DITTO_SET_NAME
 * @name: NUL-terminated, printable ASCII without '/', may be empty
 */
struct ditto_vm_name {
	char name[DITTO_NAME_LEN];
};

/**
 * DITTO_SET_NAME - VM: the name that `ditto ps` shows. Error: -EINVAL.
 */
#define DITTO_SET_NAME		_IOW(DITTO_IO, 0x03, struct ditto_vm_name)

/*
 * Why memory of a machine is its process's own, as the last look found (ditto_vm_info). It is
 * looked at when the machine runs.
 */
#define DITTO_UNADOPTED_NONE		0	/* it is not */
#define DITTO_UNADOPTED_NOTHING		1	/* nothing is mapped there */
#define DITTO_UNADOPTED_OFF		2	/* the parameter "adopt" is off */
#define DITTO_UNADOPTED_UNMARKED	3	/* no MADV_MERGEABLE */
#define DITTO_UNADOPTED_FORK		4	/* no MADV_DONTFORK */
#define DITTO_UNADOPTED_LOCKED		5	/* mlock() */
#define DITTO_UNADOPTED_UFFD		6	/* registered with userfaultfd */
#define DITTO_UNADOPTED_RIGHTS		7	/* other than readable and writable */
#define DITTO_UNADOPTED_POLICY		8	/* mbind() */
#define DITTO_UNADOPTED_HUGE		9	/* hugetlb */
#define DITTO_UNADOPTED_KIND		10	/* a file, shared memory, a device's, sealed */
#define DITTO_UNADOPTED_SMALL		11	/* a mapping of less than 2 MiB */
#define DITTO_UNADOPTED_BUSY		12	/* pages are held, for I/O perhaps */
#define DITTO_UNADOPTED_MEMORY		13	/* out of memory, or the memory cgroup is */
#define DITTO_UNADOPTED_POISON		14	/* pages are bad */
#define DITTO_UNADOPTED_PRIVATE		15	/* the machine has guest_memfds */
#define DITTO_UNADOPTED_KINDS		16
#define DITTO_UNADOPTED_SHIFT		8
#define DITTO_UNADOPTED_MASK		0xff

/**
 * struct ditto_vm_info - one machine, as DITTO_LIST_VMS describes it
 * @id: unique since the module was loaded
 * @pid: of the process that created the VM, in the reader's pid namespace, or 0
 * @vcpus: created
 * @uid: of the owner, in the reader's user namespace
 * @unadopted: how much of its memory is its process's own although the module is there, and why:
 *	MiB, rounded up, above DITTO_UNADOPTED_SHIFT, and DITTO_UNADOPTED_* of most of it
 * @ram_bytes: sum of the memslots' sizes
 * @resident_bytes: of its gmems, offsets that have a page, shared ones included; of memory
 *	that is its process's own, what that process's page tables map
 * @shared_bytes: of its gmems, offsets that read from a shared page
 * @saved_bytes: @shared_bytes less this machine's fair part of those pages, estimated:
 *	as if the pages of its owner were all shared by equally many
 * @name: from DITTO_SET_NAME, or empty
 */
struct ditto_vm_info {
	__u64 id;
	__u32 pid;
	__u32 vcpus;
	__u32 uid;
	__u32 unadopted;
	__u64 ram_bytes;
	__u64 resident_bytes;
	__u64 shared_bytes;
	__u64 saved_bytes;
	char name[DITTO_NAME_LEN];
};

/**
 * struct ditto_vm_list - arguments of DITTO_LIST_VMS
 * @capacity: in: elements that fit into @vms
 * @count: out: machines that the caller may see; may exceed @capacity, then
 *	only @capacity elements were written
 * @vms: user address of an array of struct ditto_vm_info
 */
struct ditto_vm_list {
	__u32 capacity;
	__u32 count;
	__u64 vms;
};

/**
 * DITTO_LIST_VMS - system: the machines of the caller's uid, or every one
 * with CAP_SYS_ADMIN in the initial user namespace
 *
 * Reads counters, and the page tables of memory that is no gmem; waits for no machine's
 * users.
 */
#define DITTO_LIST_VMS		_IOWR(DITTO_IO, 0x04, struct ditto_vm_list)

/**
 * struct ditto_vm_stats - arguments of DITTO_VM_STATS
 * @id: in: the machine's, from DITTO_LIST_VMS
 * @size: in: bytes for which there is room at @data; out: bytes that there are. If these are more,
 *	only as many as fit were written
 * @data: user address
 * @reserved: must be 0
 */
struct ditto_vm_stats {
	__u64 id;
	__u64 size;
	__u64 data;
	__u64 reserved;
};

/**
 * DITTO_VM_STATS - system: the statistics of one of the machines that DITTO_LIST_VMS lists
 *
 * They are what a file of KVM_GET_STATS_FD of that VM has, which describes itself (struct
 * kvm_stats_header), but no fd is needed that only its VMM has, and the machine is not kept
 * alive. Reads counters, and the index of memory that is shared; waits for no machine's users.
 * Errors: -ENOENT: there is no such machine, or it is not the caller's to see; -EINVAL, -EFAULT,
 * -ENOMEM.
 */
#define DITTO_VM_STATS		_IOWR(DITTO_IO, 0x08, struct ditto_vm_stats)

/**
 * DITTO_GMEM_FORK - gmem: make another that has the same contents
 *
 * Returns an fd (O_CLOEXEC) of a gmem that begins with what this one holds at one moment of the
 * call; from then on neither sees what is written to the other. Pages are shared until one of
 * the two writes to them, so the time and the memory that it takes hardly depend on the size.
 * The new one has the same size and policy, and is charged to the memory cgroup of the caller.
 * The file of a mount must be open for reading, and for writing, too, unless it is the caller's
 * (-EPERM); what comes is no file of that mount. A page that is held by somebody who may write
 * to it, such as a device, stays this one's, and the new one has a copy. Errors: -EHWPOISON: such
 * a page cannot be read; -EOPNOTSUPP: the policy is "secure"; -EINVAL: the gmem is only one
 * machine's; -EBADF, -EMFILE, -ENFILE, -ENOMEM, -EINTR.
 */
#define DITTO_GMEM_FORK		_IO(DITTO_IO, 0x07)

/**
 * struct ditto_fork - arguments of DITTO_FORK
 * @flags: DITTO_FORK_* or 0; unknown bits are -EINVAL
 * @capacity: in: elements that fit into @vcpu_fds
 * @count: out: the machine's vCPUs
 * @vm_fd: out: of the new machine
 * @vcpu_fds: user address of an array of __s32: the new vCPUs' fds, in the order in which the
 *	parent's were created
 * @reserved: must be 0
 */
struct ditto_fork {
	__u32 flags;
	__u32 capacity;
	__u32 count;
	__s32 vm_fd;
	__u64 vcpu_fds;
	__u64 reserved[2];
};

/* The new machine is a template: it does not run, and its time stands still. */
#define DITTO_FORK_FROZEN	(1u << 0)
/*
 * DITTO_RESET can put the new machine back to what it is now, for as long as it lives. What it is
 * now is kept, so this takes about twice as long. Not together with DITTO_FORK_FROZEN.
 */
#define DITTO_FORK_RESETTABLE	(1u << 1)
/* The new machine's guest gets no interrupt, also no NMI and no SMI, before DITTO_UNBLOCK. */
#define DITTO_FORK_BLOCKED	(1u << 2)
/*
 * What passes while the time of the new machine, or of the template that it is made from, stands
 * still passes for its guest, too, all at once: its wall time is right afterwards. Without this
 * flag the guest's time goes on from where it stood.
 */
#define DITTO_FORK_JUMP		(1u << 3)

/**
 * DITTO_FORK - VM: a machine becomes two
 *
 * Makes a machine that is what this one is at one instant: its memory, shared until either
 * writes; its vCPUs, each between two instructions; interrupt controllers and timers. Both go
 * on from there; an exit that waits for its answer waits in both. The new machine is tied to
 * no process, has no name, and none of the parent's irqfds and ioeventfds. The fds are
 * O_CLOEXEC. Every memslot must be backed by a gmem, or lie over a single shared mapping of
 * one; in the new machine both kinds are backed by forks of the gmems.
 *
 * Errors, with nothing changed: -E2BIG: @capacity is too small, and @count says what is needed;
 * -EBUSY: a memslot is the process's own memory; -EHWPOISON: a page that a device holds, of which
 * the new machine gets a copy, cannot be read; -EOPNOTSUPP: memory of this machine can be
 * private, or its policy is "secure"; -EAGAIN: the caller's user has as many forks as he may (the
 * module's parameter max_forks; not with CAP_SYS_RESOURCE); -EINVAL, -EFAULT, -EINTR, -EMFILE,
 * -ENFILE, -ENOMEM.
 */
#define DITTO_FORK		_IOWR(DITTO_IO, 0x10, struct ditto_fork)

/**
 * DITTO_THAW - VM: a template becomes a machine that runs
 *
 * Its time goes on from where it stood. Error: -EINVAL: it is not frozen.
 */
#define DITTO_THAW		_IO(DITTO_IO, 0x11)

/**
 * DITTO_SLOT_GMEM - VM: an fd of the gmem that backs a memslot
 *
 * The argument is the slot's number. So who forked a machine can map the child's memory. Gives
 * an fd as DITTO_CREATE_GMEM does; of a slot with KVM_MEM_READONLY, one that is open for reading
 * only. Errors: -ENOENT: there is no such slot; -EINVAL: no gmem
 * backs it, or a guest_memfd or a file of a mount does; -EMFILE, -ENFILE, -ENOMEM, -EINTR.
 */
#define DITTO_SLOT_GMEM		_IO(DITTO_IO, 0x12)

/**
 * DITTO_RESET - VM: the machine is again what it was when it was forked
 *
 * It must have been made with DITTO_FORK_RESETTABLE. Its memory, its vCPUs, interrupt controllers
 * and timers are what they were then; its time goes on from there, too, or is the host's with
 * DITTO_FORK_JUMP. Its vCPUs may be running, and go on from there. The time that it takes follows
 * what the machine has written. Its fds and mappings, its name, statistics, irqfds, ioeventfds,
 * and what the VMM enabled stay; what irqfds held high is low. With DITTO_FORK_BLOCKED
 * interrupts are blocked again. An exit that waited for its answer is brought again, by the next
 * KVM_RUN or one that is under way. Errors, with nothing changed: -EINVAL: it was not made so;
 * -EBUSY: its memslots, vCPUs, interrupt controllers or PIT are not what they were, or a memslot
 * logs what is written; -EINTR, -ENOMEM.
 */
#define DITTO_RESET		_IO(DITTO_IO, 0x13)

/**
 * DITTO_UNBLOCK - VM: its guest gets interrupts again, first those that have waited
 *
 * Error: -EINVAL: they are not blocked.
 */
#define DITTO_UNBLOCK		_IO(DITTO_IO, 0x14)

/*
 * DITTO_CAP_FORK_HYPERCALL - for KVM_ENABLE_CAP of a VM, and KVM_CHECK_EXTENSION: a guest may ask
 * for its fork
 *
 * With args[0] 1, a hypercall of that number (in rax, by the guest's kernel) is a
 * KVM_EXIT_HYPERCALL with that nr; args[0] of it is the guest's rbx, which means what guest and
 * VMM agree upon. The exit waits in both machines of a DITTO_FORK: the VMM answers the parent's
 * with hypercall.ret 0, and the child's with the child's number, and the call returns in both. A
 * VMM that does not want it answers with a negative number. Without this capability, or with
 * args[0] 0, the guest gets -KVM_ENOSYS.
 */
#define DITTO_CAP_FORK_HYPERCALL	0xDD000001u
#define DITTO_HC_FORK			0xDD000001u

#define DITTO_VIRTIO_SERIAL_LEN	20
#define DITTO_VIRTIO_MAX_QUEUES	64
#define DITTO_VIRTIO_MAX_NUM	1024	/* entries of a queue */

/* struct ditto_create_virtio: the guest may not write to the disk. */
#define DITTO_VIRTIO_READONLY	(1u << 0)

/**
 * struct ditto_create_virtio - arguments of DITTO_CREATE_VIRTIO
 * @type: of the device, as <linux/virtio_ids.h> numbers them; VIRTIO_ID_BLOCK or
 *	VIRTIO_ID_BALLOON
 * @flags: of a disk: DITTO_VIRTIO_READONLY or 0; of a balloon: 0
 * @fd: what is on the disk: a regular file or a block device, opened for reading, and for
 *	writing unless the disk is read-only; not with O_APPEND. Of a balloon: -1
 * @queues: of a disk: 1 to DITTO_VIRTIO_MAX_QUEUES; of a balloon: DITTO_BALLOON_QUEUES; each has a
 *	thread of its own while it is enabled
 * @serial: what the guest reads as the disk's serial number; NUL-padded. Of a balloon: zeroes
 * @reserved: must be 0
 */
struct ditto_create_virtio {
	__u32 type;
	__u32 flags;
	__s32 fd;
	__u32 queues;
	char serial[DITTO_VIRTIO_SERIAL_LEN];
	__u32 reserved[7];
};

/**
 * DITTO_CREATE_VIRTIO - VM: make a virtio device whose data path is in the kernel
 *
 * Returns an fd (O_CLOEXEC) that answers ioctls of vhost; Documentation/api.md says which. The
 * device keeps its own reference to the file and to the VM. Errors: -EINVAL, -EBADF, -ENOMEM,
 * -EMFILE; -ENODEV: there is no such type of device.
 */
#define DITTO_CREATE_VIRTIO	_IOW(DITTO_IO, 0x20, struct ditto_create_virtio)

/* Why a queue takes no more requests: what the guest did in it. */
#define DITTO_VIRTIO_ERR_AVAIL		1u	/* more is available than the queue has */
#define DITTO_VIRTIO_ERR_HEAD		2u	/* a chain's first descriptor is not in the table */
#define DITTO_VIRTIO_ERR_NEXT		3u	/* nor is a later one */
#define DITTO_VIRTIO_ERR_LONG		4u	/* a chain is too long, or a loop */
#define DITTO_VIRTIO_ERR_INDIRECT	5u	/* a table that may not be there, or is none */
#define DITTO_VIRTIO_ERR_ORDER		6u	/* a readable descriptor behind a writable one */
#define DITTO_VIRTIO_ERR_LENGTH		7u	/* a descriptor of no bytes, or of too many */
#define DITTO_VIRTIO_ERR_MEMORY		8u	/* where there is no memory, or none could be had */
#define DITTO_VIRTIO_ERR_REQUEST	9u	/* no request fits into the chain */

/**
 * struct ditto_virtio_state - arguments of DITTO_VIRTIO_STATE
 * @queue: in: its index
 * @error: out: DITTO_VIRTIO_ERR_*, or 0: the queue is in order
 * @requests: out: carried out since the device was made
 * @failed: out: of those, told the guest to have failed
 * @reserved: 0
 */
struct ditto_virtio_state {
	__u32 queue;
	__u32 error;
	__u64 requests;
	__u64 failed;
	__u64 reserved[2];
};

/**
 * DITTO_VIRTIO_STATE - virtio: how a queue is. Errors: -EPERM: not the owner; -ENOBUFS: no such
 * queue.
 */
#define DITTO_VIRTIO_STATE	_IOWR(DITTO_IO, 0x21, struct ditto_virtio_state)

/* Queues of a balloon: inflate, deflate, statistics, one that is not used, and reports. */
#define DITTO_BALLOON_QUEUES	5
#define DITTO_BALLOON_STATS	32

/* struct ditto_balloon: @target is to be the size; the VMM tells the driver by an interrupt. */
#define DITTO_BALLOON_SET_TARGET	(1u << 0)
/* The guest shall tell its statistics; @told grows when it has. */
#define DITTO_BALLOON_ASK		(1u << 1)

/**
 * struct ditto_balloon - arguments of DITTO_BALLOON; sizes in pages of 4 KiB
 * @flags: in: DITTO_BALLOON_* or 0; unknown bits are -EINVAL
 * @target: in, with DITTO_BALLOON_SET_TARGET; out: how large the balloon should be
 * @actual: out: how large the driver says it is
 * @poison: out: what the driver says that its free pages contain
 * @inflated: out: pages that came into it since the device was made
 * @deflated: out: that were taken out of it
 * @reported: out: that the guest reported free
 * @given: out: that had memory, which is the host's again
 * @kept: out: that had to stay what they were, because somebody holds them, or their memory is
 *	not of a kind that can be given back, or the guest's free pages are not zero
 * @refused: out: that are in no memslot, or in a read-only one
 * @told: out: how often the guest told statistics
 * @known: out: bit n: @stats[n] was told last time
 * @stats: out: by tag, VIRTIO_BALLOON_S_* of <linux/virtio_balloon.h>
 * @reserved: must be 0
 */
struct ditto_balloon {
	__u32 flags;
	__u32 target;
	__u32 actual;
	__u32 poison;
	__u64 inflated;
	__u64 deflated;
	__u64 reported;
	__u64 given;
	__u64 kept;
	__u64 refused;
	__u64 told;
	__u64 known;
	__u64 stats[DITTO_BALLOON_STATS];
	__u64 reserved[4];
};

/**
 * DITTO_BALLOON - virtio: of a balloon: set its target, ask for statistics, see what it did.
 * Errors: -EPERM: not the owner; -ENODEV: it is no balloon; -EINVAL.
 */
#define DITTO_BALLOON		_IOWR(DITTO_IO, 0x22, struct ditto_balloon)

#endif
