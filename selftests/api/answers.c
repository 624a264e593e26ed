// SPDX-License-Identifier: GPL-2.0-only
/*
 * Accesses that wait for the VMM's answer, while the VMM or another vCPU changes
 * registers, page tables, the instruction or kvm_run: no access gets more than it
 * asked for, and none gets the answer to another one.
 */
#include <sys/ioctl.h>

#include "vm.h"

#define AWAY	0x401000ul	/* as in tiny-guests/code/io.c */
#define COUNT	4095u
#define OLD	0xaa

static u8 *pio_data(struct vcpu *vcpu)
{
	return (u8 *)vcpu->run + vcpu->run->io.data_offset;
}

static void want_io(struct vcpu *vcpu, u8 direction, u32 count)
{
	ASSERT_EQ(vcpu_enter(vcpu), KVM_EXIT_IO);
	ASSERT_EQ(vcpu->run->io.port, GUEST_PORT);
	ASSERT_EQ(vcpu->run->io.direction, direction);
	ASSERT_EQ(vcpu->run->io.size, 1);
	ASSERT_EQ(vcpu->run->io.count, count);
}

static void want_mmio(struct vcpu *vcpu, u64 gpa, u32 len, bool write)
{
	ASSERT_EQ(vcpu_enter(vcpu), KVM_EXIT_MMIO);
	ASSERT_EQ(vcpu->run->mmio.phys_addr, gpa);
	ASSERT_EQ(vcpu->run->mmio.len, len);
	ASSERT_EQ(vcpu->run->mmio.is_write, write);
}

static void set_reg(struct vcpu *vcpu, size_t offset, u64 value)
{
	struct kvm_regs regs = vcpu_regs(vcpu);

	memcpy((u8 *)&regs + offset, &value, 8);
	CHECKED(ioctl(vcpu->fd, KVM_SET_REGS, &regs));
}

#define SET_REG(vcpu, reg, value) set_reg(vcpu, offsetof(struct kvm_regs, reg), value)

static void want_trace(struct vcpu *vcpu, u32 value)
{
	u32 got;

	ASSERT_EQ(vcpu_enter(vcpu), KVM_EXIT_IO);
	ASSERT_EQ(vcpu->run->io.port, GUEST_PORT_TRACE);
	memcpy(&got, pio_data(vcpu), 4);
	ASSERT_EQ(got, value);
}

static void run_other(struct vm *vm, const char *function)
{
	vcpu_call(&vm->vcpu[1], function, 0);
	vcpu_run_done(&vm->vcpu[1]);
}

/* A machine whose vCPU has asked for the first byte of an INS to a device. */
static struct vm *ins_waits(void)
{
	struct vm *vm = vm_new(&(struct vm_config) { .vcpus = 2 });

	vcpu_call(&vm->vcpu[0], "g_answer_ins", COUNT);
	memset(vm->ram + AWAY, OLD, PAGE_SIZE);
	want_io(&vm->vcpu[0], KVM_EXIT_IO_IN, 1);
	return vm;
}

/* One byte came; the rest is asked for, and nothing of it is in memory. */
static void one_came(struct vm *vm, u8 byte)
{
	unsigned int i;

	want_io(&vm->vcpu[0], KVM_EXIT_IO_IN, COUNT - 1);
	ASSERT_EQ(vm->ram[AWAY], byte);
	for (i = 1; i < PAGE_SIZE; i++)
		if (vm->ram[AWAY + i] != OLD)
			fail("byte %u is %#x: nobody answered it", i, vm->ram[AWAY + i]);
}

/* The rest is answered, and arrives. */
static void rest_comes(struct vm *vm)
{
	struct vcpu *vcpu = &vm->vcpu[0];
	unsigned int i;

	memset(pio_data(vcpu), 0x5b, COUNT - 1);
	vcpu_run_done(vcpu);
	for (i = 1; i < COUNT; i++)
		ASSERT_EQ(vm->ram[AWAY + i], 0x5b);
	ASSERT_EQ(vm->ram[AWAY + COUNT], OLD);
	vm_free(vm);
}

/* Another vCPU makes the destination memory. */
static void ins_remapped(const void *arg)
{
	struct vm *vm = ins_waits();

	pio_data(&vm->vcpu[0])[0] = 0x5a;
	run_other(vm, "g_answer_to_ram");
	one_came(vm, 0x5a);
	rest_comes(vm);
}

/* The VMM raises RCX. */
static void ins_counted_up(const void *arg)
{
	struct vm *vm = vm_new(NULL);

	vcpu_call(&vm->vcpu[0], "g_answer_ins_ram", 1);
	memset(vm->ram + AWAY, OLD, PAGE_SIZE);
	want_io(&vm->vcpu[0], KVM_EXIT_IO_IN, 1);
	pio_data(&vm->vcpu[0])[0] = 0x5a;
	SET_REG(&vm->vcpu[0], rcx, COUNT);
	one_came(vm, 0x5a);
	rest_comes(vm);
}

/* What kvm_run says is for the VMM alone. */
static void ins_scribbled(const void *arg)
{
	struct vm *vm = ins_waits();
	struct kvm_run *run = vm->vcpu[0].run;

	pio_data(&vm->vcpu[0])[0] = 0x5a;
	run_other(vm, "g_answer_to_ram");
	run->io.count = 0xffffffff;
	run->io.size = 4;
	run->io.direction = KVM_EXIT_IO_OUT;
	run->io.port = GUEST_PORT_TRACE;
	run->io.data_offset = ~0ull;
	run->exit_reason = KVM_EXIT_MMIO;
	one_came(vm, 0x5a);
	rest_comes(vm);
}

/* The other way round: what was asked for memory does not go to a device, beyond one item. */
static void ins_to_device(const void *arg)
{
	struct vm *vm = vm_new(&(struct vm_config) { .vcpus = 2 });
	struct vcpu *vcpu = &vm->vcpu[0];

	vcpu_call(vcpu, "g_answer_ins_ram", COUNT);
	want_io(vcpu, KVM_EXIT_IO_IN, COUNT);
	memset(pio_data(vcpu), 0x5a, COUNT);
	run_other(vm, "g_answer_to_device");
	want_mmio(vcpu, GUEST_MMIO, 1, true);
	ASSERT_EQ(vcpu->run->mmio.data[0], 0x5a);
	want_io(vcpu, KVM_EXIT_IO_IN, 1);
	vm_free(vm);
}

/* The answer to one port's exit is not taken for another port's, or for another size's. */
static void ins_of_another_port(const void *arg)
{
	struct vm *vm = vm_new(NULL);
	struct vcpu *vcpu = &vm->vcpu[0];

	vcpu_call(vcpu, "g_answer_ins_ram", 8);
	memset(vm->ram + AWAY, OLD, PAGE_SIZE);
	want_io(vcpu, KVM_EXIT_IO_IN, 8);
	memset(pio_data(vcpu), 0x5a, 8);
	SET_REG(vcpu, rdx, GUEST_PORT + 4);
	ASSERT_EQ(vcpu_enter(vcpu), KVM_EXIT_IO);
	ASSERT_EQ(vcpu->run->io.port, GUEST_PORT + 4);
	ASSERT_EQ(vm->ram[AWAY], OLD);
	vm_free(vm);
}

/* After OUTS there is nothing to come back, whatever kvm_run says. */
static void outs_scribbled(const void *arg)
{
	struct vm *vm = vm_new(NULL);
	struct vcpu *vcpu = &vm->vcpu[0];

	vcpu_call(vcpu, "g_answer_outs", 8);
	want_io(vcpu, KVM_EXIT_IO_OUT, 8);
	ASSERT(!memcmp(pio_data(vcpu), "\1\2\3\4\5\6\7\10", 8));
	vcpu->run->io.direction = KVM_EXIT_IO_IN;
	vcpu->run->io.count = 0xffffffff;
	ASSERT_EQ(vcpu_enter(vcpu), KVM_EXIT_IO);
	ASSERT_EQ(vcpu->run->io.port, GUEST_PORT + 1);
	ASSERT_EQ(pio_data(vcpu)[0], 9);
	vcpu_run_done(vcpu);
	vm_free(vm);
}

static void answer_mmio(struct vcpu *vcpu, u64 data)
{
	memcpy(vcpu->run->mmio.data, &data, 8);
}

/* A load in two pieces, scribbled on between them. */
static void load_scribbled(const void *arg)
{
	struct vm *vm = vm_new(NULL);
	struct vcpu *vcpu = &vm->vcpu[0];

	vcpu_call(vcpu, "g_answer_load", GUEST_MMIO);
	want_mmio(vcpu, GUEST_MMIO, 8, false);
	answer_mmio(vcpu, 0x11);
	vcpu->run->mmio.len = 0xffffffff;
	vcpu->run->mmio.is_write = 1;
	vcpu->run->mmio.phys_addr = 0;
	vcpu->run->exit_reason = KVM_EXIT_IO;
	vcpu->run->io.count = 0xffffffff;
	answer_mmio(vcpu, 0x11);
	want_mmio(vcpu, GUEST_MMIO + 8, 8, false);
	answer_mmio(vcpu, 0x22);
	want_trace(vcpu, 0x11);
	want_trace(vcpu, 0x22);
	vm_free(vm);
}

/* The address moves between the pieces: what was answered was for another one. */
static void load_moved(const void *arg)
{
	struct vm *vm = vm_new(NULL);
	struct vcpu *vcpu = &vm->vcpu[0];
	struct kvm_regs regs;

	vcpu_call(vcpu, "g_answer_load", GUEST_MMIO);
	want_mmio(vcpu, GUEST_MMIO, 8, false);
	answer_mmio(vcpu, 0x11);
	want_mmio(vcpu, GUEST_MMIO + 8, 8, false);
	answer_mmio(vcpu, 0x22);
	regs = vcpu_regs(vcpu);
	ASSERT_EQ(regs.rdi, GUEST_MMIO);
	SET_REG(vcpu, rdi, GUEST_MMIO + 0x100);
	want_mmio(vcpu, GUEST_MMIO + 0x100, 8, false);
	answer_mmio(vcpu, 0x33);
	want_mmio(vcpu, GUEST_MMIO + 0x108, 8, false);
	answer_mmio(vcpu, 0x44);
	want_trace(vcpu, 0x33);
	want_trace(vcpu, 0x44);
	vm_free(vm);
}

/* The instruction is another one when the answer comes: it asks for itself. */
static void load_widened(const void *arg)
{
	struct vm *vm = vm_new(NULL);
	struct vcpu *vcpu = &vm->vcpu[0];
	u8 *code = vm_symbol(vm, "g_answer_widened_at");

	vcpu_call(vcpu, "g_answer_widened", GUEST_MMIO);
	want_mmio(vcpu, GUEST_MMIO, 1, false);
	answer_mmio(vcpu, 0xdeadbeefcafe0011);
	code[1] = 0x8b;
	want_mmio(vcpu, GUEST_MMIO, 8, false);
	answer_mmio(vcpu, 0x2200000033);
	want_trace(vcpu, 0x33);
	want_trace(vcpu, 0x22);
	vm_free(vm);
}

/* What of an answer lies beyond its length goes nowhere. */
static void load_of_a_byte(const void *arg)
{
	struct vm *vm = vm_new(NULL);
	struct vcpu *vcpu = &vm->vcpu[0];

	vcpu_call(vcpu, "g_answer_widened", GUEST_MMIO);
	want_mmio(vcpu, GUEST_MMIO, 1, false);
	answer_mmio(vcpu, 0xdeadbeefcafe0011);
	want_trace(vcpu, 0x11);
	want_trace(vcpu, 0);
	vm_free(vm);
}

/* The second piece of a store is what it was, wherever the VMM points the first. */
static void store_scribbled(const void *arg)
{
	struct vm *vm = vm_new(NULL);
	struct vcpu *vcpu = &vm->vcpu[0];
	u64 data;

	vcpu_call(vcpu, "g_answer_store", GUEST_MMIO);
	want_mmio(vcpu, GUEST_MMIO, 8, true);
	memset(&vcpu->run->mmio, 0xff, sizeof(vcpu->run->mmio));
	vcpu->run->exit_reason = KVM_EXIT_IO;
	CHECKED(ioctl(vcpu->fd, KVM_SET_REGS, &(struct kvm_regs) { .rip = 0x1000, .rflags = 2 }));
	want_mmio(vcpu, GUEST_MMIO + 8, 8, true);
	memcpy(&data, vcpu->run->mmio.data, 8);
	ASSERT_EQ(data, 0x3333333344444444);
	vm_free(vm);
}

/* The VMM resets the machine while an access waits: the answer is nobody's. */
static void reset_while_waiting(const void *arg)
{
	struct vm *vm = ins_waits();
	struct vcpu *vcpu = &vm->vcpu[0];

	pio_data(vcpu)[0] = 0x5a;
	vcpu_call(vcpu, "g_answer_load", GUEST_MMIO);
	want_mmio(vcpu, GUEST_MMIO, 8, false);
	ASSERT_EQ(vm->ram[AWAY], OLD);
	vcpu_call(vcpu, "g_arith", 0);
	vcpu_run_done(vcpu);
	vm_free(vm);
}

/* Another INS of the same port is another one. */
static void ins_elsewhere(const void *arg)
{
	struct vm *vm = ins_waits();
	struct vcpu *vcpu = &vm->vcpu[0];
	struct kvm_regs regs = vcpu_regs(vcpu);

	pio_data(vcpu)[0] = 0x5a;
	ASSERT(regs.rip != image_symbol("g_answer_ins_at"));
	regs.rip = image_symbol("g_answer_ins_at");
	regs.rdi = AWAY + PAGE_SIZE;
	regs.rcx = 8;
	memset(vm->ram + AWAY + PAGE_SIZE, OLD, PAGE_SIZE);
	CHECKED(ioctl(vcpu->fd, KVM_SET_REGS, &regs));
	want_io(vcpu, KVM_EXIT_IO_IN, 8);
	ASSERT_EQ(vm->ram[AWAY + PAGE_SIZE], OLD);
	vm_free(vm);
}

/* The segments change under the wait: the instruction at rip is decoded as what it is now. */
static void mode_changed(const void *arg)
{
	struct vm *vm = ins_waits();
	struct vcpu *vcpu = &vm->vcpu[0];
	struct kvm_sregs good = vcpu_sregs(vcpu), sregs = good;

	pio_data(vcpu)[0] = 0x5a;
	sregs.es.base = sregs.ds.base = PAGE_SIZE;
	sregs.cs.l = 0;
	sregs.cs.db = 1;
	CHECKED(ioctl(vcpu->fd, KVM_SET_SREGS, &sregs));
	/* Flat, or a page on: the second page is memory. */
	memset(vm->ram + AWAY + PAGE_SIZE, OLD, PAGE_SIZE);
	(void)vcpu_enter(vcpu);
	ASSERT_EQ(vm->ram[AWAY + PAGE_SIZE + 1], OLD);
	ASSERT_EQ(vm->ram[AWAY + PAGE_SIZE + COUNT - 1], OLD);
	vm_free(vm);
}

/* What the VMM maps is empty when it is new. */
static void fresh_pages(const void *arg)
{
	struct vm *vm = vm_new(NULL);
	const u8 *run = (u8 *)vm->vcpu[0].run;
	size_t i;

	for (i = 0; i < 2 * PAGE_SIZE; i++)
		if (run[i])
			fail("byte %#zx of a new vCPU's pages is %#x", i, run[i]);
	vm_free(vm);
}

static const struct tap_test tests[] = {
	{ "ins_remapped", ins_remapped }, { "ins_counted_up", ins_counted_up },
	{ "ins_scribbled", ins_scribbled }, { "ins_to_device", ins_to_device },
	{ "ins_of_another_port", ins_of_another_port }, { "outs_scribbled", outs_scribbled },
	{ "load_scribbled", load_scribbled }, { "load_moved", load_moved },
	{ "load_widened", load_widened }, { "load_of_a_byte", load_of_a_byte },
	{ "store_scribbled", store_scribbled }, { "reset_while_waiting", reset_while_waiting },
	{ "ins_elsewhere", ins_elsewhere }, { "mode_changed", mode_changed },
	{ "fresh_pages", fresh_pages },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, tests, ARRAY_SIZE(tests));
}
