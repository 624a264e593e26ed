// SPDX-License-Identifier: GPL-2.0-only
/*
 * Forks of a machine, as far as they are this program's. A machine is in the module, and in
 * the process that runs it are its devices. So who wants a fork gets two things from the
 * parent's process, both of one instant: a template, and what the devices were (struct
 * vm_state). The new machine's process then forks the template by itself, so that it is the
 * one who pays, and makes the devices anew.
 *
 * A disk that is only read is forked, too: its queues' threads, which are the module's, stand
 * still when all that they have begun is in the memory, and the fork's begin there. What is
 * available then is read once in either machine.
 *
 * The parent's vCPUs are parked only while the template is made. What the parent sends may
 * come from another version, and is checked as if it came from anybody.
 */
#include "fork.h"
#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static void save(struct vm *vm, struct vm_state *state)
{
	memset(state, 0, sizeof(*state));
	snprintf(state->version, sizeof(state->version), "%s", DITTO_VERSION);
	state->size = sizeof(*state);
	state->cpus = vm->vcpus;
	state->ram_size = vm->ram.size;
	snprintf(state->name, sizeof(state->name), "%s", vm->config->name);
	serial_save(&vm->serial, &state->serial);
	state->agent = vm->config->agent;
	if (state->agent) {
		state->agent_up = vm->agent.up;
		serial_save(&vm->serial2, &state->serial2);
	}
	state->rtc = vm->rtc.state;
	state->i8042 = vm->i8042.state;
	pm_save(&vm->pm, &state->pm);
	vmgenid_save(&vm->vmgenid, &state->vmgenid);
	disks_save(&vm->disks, &state->disks);
}

/*
 * The template of a machine that runs has stood for as long as it took to get here, of which the
 * fork is to know nothing. Of what can be reset time begins anew with each reset.
 */
static bool jumps(const struct vm_config *config, const struct vm_state *state)
{
	return config->jump || (state->runs && !config->resettable);
}

static int restore(struct vm *vm, const struct vm_state *state)
{
	vm->rtc.state = state->rtc;
	vm->i8042.state = state->i8042;
	pm_restore(&vm->pm, &state->pm, jumps(vm->config, state));
	vmgenid_restore(&vm->vmgenid, &state->vmgenid);
	disks_restore(&vm->disks, &state->disks);
	if (state->agent) {
		vm->agent.up = state->agent_up;
		if (!serial_restore(&vm->serial2, &state->serial2))
			return -1;
	}
	return serial_restore(&vm->serial, &state->serial) ? 0 : -1;
}

/**
 * fork_state_valid() - can this program make a machine of it?
 * @state: from whomever
 */
bool fork_state_valid(const struct vm_state *state)
{
	return state->size == sizeof(*state) &&
	       !strncmp(state->version, DITTO_VERSION, sizeof(state->version)) &&
	       state->cpus && state->cpus <= VM_CPUS_MAX && state->ram_size &&
	       state->ram_size % PAGE_BYTES == 0 && state->rtc.index < sizeof(state->rtc.cmos) &&
	       !state->name[sizeof(state->name) - 1] && state->disks.count <= DISKS_MAX;
}

static void close_all(const int *fds, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		close(fds[i]);
}

static int fork_vm(int vm_fd, uint32_t flags, unsigned int cpus, int *fds)
{
	struct ditto_fork args = { .flags = flags, .capacity = cpus, .vcpu_fds = (uintptr_t)fds };

	if (ioctl(vm_fd, DITTO_FORK, &args) < 0)
		return -errno;
	if (args.count == cpus)
		return args.vm_fd;
	close_all(fds, args.count);
	close(args.vm_fd);
	return -EINVAL;
}

/*
 * A connection has one other end, and that is not forked with it; nor are such devices, nor who
 * waits for a container's command.
 */
static const char *has_peers(const struct vm *vm)
{
	return vm->config->container ? "it is a container"
	     : vm->nets.count ? "it has a network"
	     : vm->vsock.created ? "it has sockets (--vsock)"
	     : vm->shares.count ? "it has a folder of the host's"
	     : vm->rng.created ? "it has --rng"
	     : vm->balloon.present ? "it has a balloon" : NULL;
}

/**
 * fork_refusal() - why a machine cannot be forked, as far as that is this program's affair
 * @vm: the machine
 * @text: room for it
 * @len: of that
 *
 * Return: why, or NULL.
 */
const char *fork_refusal(const struct vm *vm, char *text, size_t len)
{
	const char *why = has_peers(vm), *disk = disks_writable(vm);

	/* Half of what its agent says, or after a reset is told, would be lost. */
	if (!why && vm->agent.greeted)
		why = "its agent has not answered since a reset";
	if (!why && vm->agent.coming)
		why = "its agent is just coming up";
	if (why || !disk)
		return why;
	snprintf(text, len, "it may write to its disk %s, which two machines cannot: a disk that "
		 "can be forked has `,ro'", disk);
	return text;
}

/* Nothing but this thread changes the machine. */
static int stand_still(struct vm *vm)
{
	int ret = park_all(vm);

	if (ret < 0 || !disks_pause(&vm->disks))
		return ret;
	ret = -errno;
	disks_resume(&vm->disks);
	park_release(vm);
	return ret;
}

static void go_on(struct vm *vm)
{
	disks_resume(&vm->disks);
	park_release(vm);
}

/**
 * fork_template() - what somebody needs who wants to fork this machine; the control thread
 * @vm: runs, or is frozen; has no fork_refusal()
 * @state: filled in
 *
 * Return: an fd of a template, or -errno.
 */
int fork_template(struct vm *vm, struct vm_state *state)
{
	int fds[VM_CPUS_MAX], fd;

	if (vm->frozen) {
		*state = *vm->frozen;
		fd = fcntl(vm->fd, F_DUPFD_CLOEXEC, 0);
		return fd < 0 ? -errno : fd;
	}
	fd = stand_still(vm);
	if (fd < 0)
		return fd;
	fd = fork_vm(vm->fd, DITTO_FORK_FROZEN, vm->vcpus, fds);
	save(vm, state);
	state->runs = true;
	go_on(vm);
	if (fd >= 0)
		close_all(fds, vm->vcpus);
	return fd;
}

/* Everything stays where it is, as numbers and addresses, and becomes the template's. */
static int become(struct vm *vm, int vm_fd, const int *fds)
{
	int gmem_fd = ioctl(vm_fd, DITTO_SLOT_GMEM, 0), ret;

	if (gmem_fd < 0)
		return -errno;
	ret = ram_become(&vm->ram, gmem_fd);
	close(gmem_fd);
	for (unsigned int i = 0; i < vm->vcpus && !ret; i++)
		ret = vcpu_become(&vm->vcpu[i], fds[i]);
	if (!ret && dup3(vm_fd, vm->fd, O_CLOEXEC) < 0)
		ret = -errno;
	return ret ?: disks_become(&vm->disks);
}

static int freeze_parked(struct vm *vm)
{
	int fds[VM_CPUS_MAX], fd = fork_vm(vm->fd, DITTO_FORK_FROZEN, vm->vcpus, fds), ret;

	if (fd < 0)
		return fd;
	save(vm, vm->frozen);
	ret = become(vm, fd, fds);
	close_all(fds, vm->vcpus);
	close(fd);
	if (ret < 0) {
		vm_fail(vm, VM_ERROR, "freeze: %s", strerror(-ret));
		return ret;
	}
	vm_set_name(vm);
	/* What it could be put back to belongs to the machine that it was. */
	free(vm->origin);
	vm->origin = NULL;
	return 0;
}

/**
 * fork_freeze() - let the machine become a template; the control thread
 * @vm: the machine
 *
 * It becomes a fork of itself that is one, because only forks can be; its vCPUs stay parked, and
 * its disks paused. It has no fork_refusal().
 * Return: 0, also when it is one, or -errno.
 */
int fork_freeze(struct vm *vm)
{
	int ret;

	if (vm->frozen)
		return 0;
	ret = stand_still(vm);
	if (ret < 0)
		return ret;
	vm->frozen = malloc(sizeof(*vm->frozen));
	ret = vm->frozen ? freeze_parked(vm) : -ENOMEM;
	if (ret < 0) {
		free(vm->frozen);
		vm->frozen = NULL;
		go_on(vm);
	}
	return ret;
}

/**
 * fork_thaw() - let a template run; the control thread
 * @vm: the machine
 *
 * Return: 0, also when it runs, or -errno.
 */
int fork_thaw(struct vm *vm)
{
	if (!vm->frozen)
		return 0;
	if (ioctl(vm->fd, DITTO_THAW) < 0)
		return -errno;
	pm_restore(&vm->pm, &vm->frozen->pm, false);
	disks_restore(&vm->disks, &vm->frozen->disks);
	free(vm->frozen);
	vm->frozen = NULL;
	go_on(vm);
	return 0;
}

static int reset_parked(struct vm *vm)
{
	if (ioctl(vm->fd, DITTO_RESET, 0) < 0)
		return -errno;
	/* First, so that nothing of it comes into the UART that is restored. */
	console_forget(&vm->console);
	if (restore(vm, vm->origin) < 0 || vmgenid_tell(&vm->vmgenid) < 0) {
		vm_fail(vm, VM_ERROR, "reset: no new generation");
		return -EIO;
	}
	if (vm->config->agent)
		agentport_reset(&vm->agent, vm->origin->agent_up);
	return 0;
}

/**
 * fork_reset() - let a fork be again what it was when it was made; the control thread
 * @vm: runs
 *
 * It is another machine than the one that ran so far, so it has a generation of its own.
 * Return: 0; -EOPNOTSUPP: it was not made so; or -errno.
 */
int fork_reset(struct vm *vm)
{
	int ret;

	if (!vm->origin || vm->frozen)
		return -EOPNOTSUPP;
	ret = stand_still(vm);
	if (ret < 0)
		return ret;
	ret = reset_parked(vm);
	go_on(vm);
	if (!ret && vm->origin->agent_up)
		ret = agentport_greet(&vm->agent);
	return ret;
}

static int refuse(const char *what, int err)
{
	const char *why = "";

	if (err == EBUSY)
		why = " (other memory than ditto's)";
	else if (err == EAGAIN)
		why = " (you have as many forks as the module's parameter max_forks allows)";
	complain("fork: %s: %s%s", what, strerror(err), why);
	return -1;
}

static int adopt_vcpus(struct vm *vm, const int *fds, unsigned int count)
{
	int run_size = ioctl(vm->dev_fd, KVM_GET_VCPU_MMAP_SIZE, 0);

	if (run_size < (int)sizeof(struct kvm_run)) {
		close_all(fds, count);
		return refuse("KVM_GET_VCPU_MMAP_SIZE", errno);
	}
	for (; vm->vcpus < count; vm->vcpus++) {
		if (vcpu_adopt(&vm->vcpu[vm->vcpus], vm, vm->vcpus, fds[vm->vcpus], run_size) < 0) {
			close_all(fds + vm->vcpus + 1, count - vm->vcpus - 1);
			return -1;
		}
	}
	return 0;
}

static int adopt_ram(struct vm *vm, uint64_t size)
{
	int fd = ioctl(vm->fd, DITTO_SLOT_GMEM, 0), ret;

	if (fd < 0)
		return refuse("memory", errno);
	ret = ram_adopt(&vm->ram, fd, size);
	return ret < 0 ? refuse("memory", -ret) : 0;
}

static uint32_t fork_flags(const struct vm_config *config, const struct vm_state *state)
{
	return (config->resettable ? DITTO_FORK_RESETTABLE : 0) |
	       (jumps(config, state) ? DITTO_FORK_JUMP : 0);
}

/**
 * fork_create() - make a machine of a template; vm_start_threads() makes it run
 * @vm: zeroes, and filled in; vm_destroy() it whatever is returned
 * @config: kept; its device, its name, who has its console, whether it can be reset, and its
 *	clocks jump count; and it has an agent's port if @state has
 * @state: valid
 * @fds: what the parent's process gave, with @state; they stay the caller's
 *
 * Return: 0, or -1 after saying why not on standard error.
 */
int fork_create(struct vm *vm, const struct vm_config *config, const struct vm_state *state,
		const struct fork_fds *fds)
{
	int vcpu_fds[VM_CPUS_MAX];

	if (vm_open(vm, config) < 0)
		return -1;
	if (config->resettable) {
		vm->origin = malloc(sizeof(*vm->origin));
		if (!vm->origin)
			return refuse("the machine", ENOMEM);
		*vm->origin = *state;
	}
	vm->fd = fork_vm(fds->fd[0], fork_flags(config, state), state->cpus, vcpu_fds);
	if (vm->fd < 0) {
		errno = -vm->fd;
		vm->fd = -1;
		return refuse("the machine", errno);
	}
	if (adopt_vcpus(vm, vcpu_fds, state->cpus) < 0 || adopt_ram(vm, state->ram_size) < 0)
		return -1;
	memcpy(vm->parent, state->vmgenid.generation, sizeof(vm->parent));
	memcpy(vm->parent_name, state->name, sizeof(vm->parent_name));
	if (disks_adopt(&vm->disks, vm, &state->disks, fds->fd + 1) < 0)
		return refuse("disks", errno);
	if (bus_start(&vm->bus) < 0)
		return -1;
	vm_attach_devices(vm);
	if (restore(vm, state) < 0)
		return refuse("devices", EINVAL);
	disks_resume(&vm->disks);
	return vm_set_name(vm) < 0 || vmgenid_tell(&vm->vmgenid) < 0 ? -1 : 0;
}
