// SPDX-License-Identifier: GPL-2.0-only
/*
 * State goes out and in again: every GET/SET pair with values that are no
 * defaults, and a running guest moved to a fresh machine half way.
 */
#include <asm/kvm_para.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "vm.h"

/* Set, get, and the same bytes; also after the vCPU ran. */
#define ROUND_TRIP(fd, SET, GET, value) do {				\
	typeof(value) want_ = (value), got_;				\
	CHECKED(ioctl(fd, SET, &want_));				\
	memset(&got_, 0xee, sizeof(got_));				\
	CHECKED(ioctl(fd, GET, &got_));					\
	if (memcmp(&want_, &got_, sizeof(want_)))			\
		fail("%s:%d: %s differs from %s", __FILE__, __LINE__, #GET, #SET); \
} while (0)

static void regs(const void *arg)
{
	struct vm *vm = vm_new(NULL);
	struct kvm_regs r;
	u64 *word = (u64 *)&r;
	size_t i;

	for (i = 0; i < sizeof(r) / 8; i++)
		word[i] = 0x0123456789abcdef * (i + 1);
	r.rflags = 0x246;
	ROUND_TRIP(vm->vcpu[0].fd, KVM_SET_REGS, KVM_GET_REGS, r);
	vm_free(vm);
}

static void sregs(const void *arg)
{
	struct vm *vm = vm_new(NULL);
	struct vcpu *vcpu = &vm->vcpu[0];
	struct kvm_sregs s;

	vcpu_call(vcpu, "g_arith", 0);
	s = vcpu_sregs(vcpu);
	s.cr2 = 0x123456789abc;
	s.cr8 = 5;
	s.fs.base = 0xffff888000001000;
	s.ldt = (struct kvm_segment) { .base = 0x5000, .limit = 0xff, .selector = 0x50,
				       .type = 2, .present = 1 };
	s.es.unusable = 1;
	s.es.present = 0;
	s.gdt.limit = 0x7f;
	s.idt.base = 0x123000;
	CHECKED(ioctl(vcpu->fd, KVM_SET_SREGS, &s));
	ASSERT_EQ(vcpu_sregs(vcpu).cr2, s.cr2);
	ASSERT_EQ(vcpu_sregs(vcpu).cr8, 5);
	ASSERT_EQ(vcpu_sregs(vcpu).fs.base, s.fs.base);
	ASSERT_EQ(vcpu_sregs(vcpu).ldt.base, 0x5000);
	ASSERT_EQ(vcpu_sregs(vcpu).ldt.limit, 0xff);
	ASSERT_EQ(vcpu_sregs(vcpu).ldt.selector, 0x50);
	ASSERT_EQ(vcpu_sregs(vcpu).gdt.limit, 0x7f);
	ASSERT_EQ(vcpu_sregs(vcpu).idt.base, 0x123000);
	ASSERT_EQ(vcpu_sregs(vcpu).efer, s.efer);
	ASSERT_EQ(vcpu_sregs(vcpu).cr4, s.cr4);
	ASSERT_EQ(vcpu_sregs(vcpu).cs.l, 1);
	ASSERT_EQ(vcpu_sregs(vcpu).tr.type, 11);
	vm_free(vm);
}

/* Page directories of 2 MiB pages, and what lies at 4 MiB by either. */
#define PAE_TABLES	GUEST_FREE
#define PAE_DIRECTORY(i) (GUEST_FREE + PAGE_SIZE * (1 + (i)))
#define PAE_PAGE(i)	(4 * MIB + 2 * MIB * (i))
#define PAE_CODE	(GUEST_FREE + 3 * PAGE_SIZE)

static void pae_tables(struct vm *vm)
{
	/* mov 0x400000, %eax; mov $0x5d4, %edx; out %eax, %dx; hlt */
	static const u8 code[] = { 0xa1, 0, 0, 0x40, 0, 0xba, 0xd4, 5, 0, 0, 0xef, 0xf4 };
	u64 *directory;
	u32 i;

	memcpy(vm->ram + PAE_CODE, code, sizeof(code));
	*(u64 *)(vm->ram + PAE_TABLES) = PAE_DIRECTORY(0) | 1;
	for (i = 0; i < 2; i++) {
		directory = (u64 *)(vm->ram + PAE_DIRECTORY(i));
		directory[0] = 0x83;
		directory[1] = 2 * MIB | 0x83;
		directory[2] = PAE_PAGE(i) | 0x83;
		*(u32 *)(vm->ram + PAE_PAGE(i)) = i;
	}
}

static struct kvm_sregs2 pae_sregs(struct vcpu *vcpu)
{
	struct kvm_sregs2 s;

	vcpu_enter_mode(vcpu, MODE_PROT32, PAE_CODE);
	CHECKED(ioctl(vcpu->fd, KVM_GET_SREGS2, &s));
	ASSERT_EQ(s.flags, 0);
	ASSERT_EQ(s.pdptrs[0], 0);
	s.cr0 |= 1ul << 31;
	s.cr4 |= 1 << 5;
	s.cr3 = PAE_TABLES;
	return s;
}

/* What the guest reads at 4 MiB. */
static u32 pae_read(struct vcpu *vcpu)
{
	ASSERT_EQ(vcpu_enter(vcpu), KVM_EXIT_IO);
	ASSERT_EQ(vcpu->run->io.port, GUEST_PORT_TRACE);
	return *(u32 *)((u8 *)vcpu->run + vcpu->run->io.data_offset);
}

/* The page-directory pointers of PAE paging: those in memory, unless the VMM gives others. */
static void sregs2(const void *arg)
{
	struct vm *vm = vm_new(NULL);
	struct vcpu *vcpu = &vm->vcpu[0];
	struct kvm_sregs2 s, got;
	u32 page;

	pae_tables(vm);
	s = pae_sregs(vcpu);
	CHECKED(ioctl(vcpu->fd, KVM_SET_SREGS2, &s));
	CHECKED(ioctl(vcpu->fd, KVM_GET_SREGS2, &got));
	ASSERT_EQ(got.flags, KVM_SREGS2_FLAGS_PDPTRS_VALID);
	ASSERT_EQ(got.pdptrs[0], PAE_DIRECTORY(0) | 1);
	ASSERT_EQ(got.pdptrs[3], 0);
	ASSERT_EQ(pae_read(vcpu), 0);

	s = pae_sregs(vcpu);
	s.flags = KVM_SREGS2_FLAGS_PDPTRS_VALID;
	s.pdptrs[0] = PAE_DIRECTORY(1) | 1;
	CHECKED(ioctl(vcpu->fd, KVM_SET_SREGS2, &s));
	page = pae_read(vcpu);
	/* AMD's CPUs read those in memory all the same. */
	ASSERT(page <= 1);
	CHECKED(ioctl(vcpu->fd, KVM_GET_SREGS2, &got));
	ASSERT_EQ(got.flags, KVM_SREGS2_FLAGS_PDPTRS_VALID);
	if (tap.ditto)
		/* QEMU's emulator marks it as accessed, which no CPU does. */
		ASSERT_EQ(got.pdptrs[0] & ~0x20ul, PAE_DIRECTORY(page) | 1);
	note("the CPU uses those in %s", page ? "registers" : "memory");

	/* None without PAE paging, none that are none, and nothing unknown. */
	s.flags = 2;
	ASSERT_ERRNO(ioctl(vcpu->fd, KVM_SET_SREGS2, &s), EINVAL);
	s.flags = KVM_SREGS2_FLAGS_PDPTRS_VALID;
	s.pdptrs[2] = 0x1e1;
	if (tap.ditto)		/* stock KVM's VM entry fails */
		ASSERT_ERRNO(ioctl(vcpu->fd, KVM_SET_SREGS2, &s), EINVAL);
	s.pdptrs[2] = 0;
	s.cr4 = 0;
	ASSERT_ERRNO(ioctl(vcpu->fd, KVM_SET_SREGS2, &s), EINVAL);
	CHECKED(ioctl(vcpu->fd, KVM_GET_SREGS2, &s));
	ASSERT(!memcmp(&s, &got, sizeof(s)));
	vm_call(vm, "g_arith", 0);
	vm_free(vm);
}

/* QEMU's emulator marks pointers in memory as accessed, which makes them invalid to load. */
static bool marks_pointers(void)
{
	const char *host = getenv("DITTO_HOST");

	return host && strcmp(host, "vmx");
}

/* A change of CR4.PGE has the CPU load them from memory, be there an exit or not. */
static void pae_pge(const void *arg)
{
	/*
	 * again: mov %cr4, %eax; xor $0x80, %al; mov %eax, %cr4; mov 0x400000, %eax;
	 * mov $0x5d4, %edx; out %eax, %dx; jmp again
	 */
	static const u8 code[] = { 0x0f, 0x20, 0xe0, 0x34, 0x80, 0x0f, 0x22, 0xe0, 0xa1, 0, 0,
				   0x40, 0, 0xba, 0xd4, 5, 0, 0, 0xef, 0xeb, 0xeb };
	struct vm *vm = vm_new(NULL);
	struct vcpu *vcpu = &vm->vcpu[0];
	struct kvm_sregs2 s;
	u32 i;

	if (marks_pointers())
		skip("this CPU marks page-directory pointers as accessed");
	pae_tables(vm);
	memcpy(vm->ram + PAE_CODE, code, sizeof(code));
	s = pae_sregs(vcpu);
	CHECKED(ioctl(vcpu->fd, KVM_SET_SREGS2, &s));
	for (i = 0; i < 4; i++) {
		*(u64 *)(vm->ram + PAE_TABLES) = PAE_DIRECTORY(i & 1) | 1;
		ASSERT_EQ(pae_read(vcpu), i & 1);
		CHECKED(ioctl(vcpu->fd, KVM_GET_SREGS2, &s));
		ASSERT_EQ(s.pdptrs[0], PAE_DIRECTORY(i & 1) | 1);
	}
	vm_free(vm);
}

/* The older ioctl: entries without index. */
static void old_cpuid(const void *arg)
{
	struct vm *vm = vm_new(NULL);
	struct kvm_cpuid2 *real = cpuid_supported(), *got = malloc(sizeof(*got) + 4096);
	struct kvm_cpuid *old = calloc(1, sizeof(*old) + real->nent * sizeof(old->entries[0]));
	u32 i, n = 0;

	for (i = 0; i < real->nent; i++)
		if (!real->entries[i].index)
			old->entries[n++] = (struct kvm_cpuid_entry) {
				real->entries[i].function, real->entries[i].eax,
				real->entries[i].ebx, real->entries[i].ecx, real->entries[i].edx };
	old->nent = n;
	CHECKED(ioctl(vm->vcpu[0].fd, KVM_SET_CPUID, old));
	got->nent = 100;
	CHECKED(ioctl(vm->vcpu[0].fd, KVM_GET_CPUID2, got));
	ASSERT_EQ(got->nent, n);
	for (i = 0; i < n; i++) {
		ASSERT_EQ(got->entries[i].function, old->entries[i].function);
		ASSERT_EQ(got->entries[i].index, 0);
		ASSERT_EQ(got->entries[i].flags, 0);
	}
	vm_call(vm, "g_arith", 0);
	old->nent = 0xffffffff;
	ASSERT_ERRNO(ioctl(vm->vcpu[0].fd, KVM_SET_CPUID, old), E2BIG);
	vm_free(vm);
}

#define PGE	0x80
#define CODE	0x8000

static u64 pge_after(struct vcpu *vcpu)
{
	ASSERT_EQ(vcpu_enter(vcpu), KVM_EXIT_IO);
	return vcpu_sregs(vcpu).cr4 & PGE;
}

/* A bit that CPUs let the guest change by itself. */
static void cr4_pge(const void *arg)
{
	/* again: mov eax, cr4; xor al, PGE; mov cr4, eax; out 0x7f, al; jmp again */
	static const u8 code[] = { 0x0f, 0x20, 0xe0, 0x34, PGE, 0x0f, 0x22, 0xe0, 0xe6, 0x7f,
				   0xeb, 0xf4 };
	struct vm *vm = vm_new(NULL);
	struct vcpu *vcpu = &vm->vcpu[0];
	struct kvm_sregs sregs;

	memcpy(vm->ram + CODE, code, sizeof(code));
	vcpu_enter_mode(vcpu, MODE_PROT32, CODE);
	ASSERT_EQ(pge_after(vcpu), PGE);
	ASSERT_EQ(pge_after(vcpu), 0);
	ASSERT_EQ(pge_after(vcpu), PGE);
	sregs = vcpu_sregs(vcpu);
	sregs.cr4 &= ~PGE;
	CHECKED(ioctl(vcpu->fd, KVM_SET_SREGS, &sregs));
	ASSERT_EQ(pge_after(vcpu), PGE);
	/* What is set beside it leaves it alone. */
	sregs = vcpu_sregs(vcpu);
	sregs.cr2 = 0x1000;
	CHECKED(ioctl(vcpu->fd, KVM_SET_SREGS, &sregs));
	ASSERT_EQ(pge_after(vcpu), 0);
	vm_free(vm);
}

static void fpu(const void *arg)
{
	struct vm *vm = vm_new(NULL);
	struct kvm_fpu want, got;
	size_t i;

	/* As after power-on, and none of the kernel's memory. */
	memset(&want, 0, sizeof(want));
	want.fcw = 0x37f;
	want.mxcsr = 0x1f80;
	memset(&got, 0xff, sizeof(got));
	CHECKED(ioctl(vm->vcpu[0].fd, KVM_GET_FPU, &got));
	ASSERT(!memcmp(&got, &want, sizeof(want)));
	/* Stock KVM keeps what is set only of a vCPU that used its SSE registers. */
	vm_call(vm, "g_nothing", 0);
	CHECKED(ioctl(vm->vcpu[0].fd, KVM_GET_FPU, &want));
	ASSERT_EQ(want.fcw, 0x37f);
	vm_call(vm, "g_fpu", 3);
	for (i = 0; i < sizeof(want.xmm); i++)
		((u8 *)want.xmm)[i] = i;
	for (i = 0; i < 8; i++)
		memset(want.fpr[i], i + 1, 10);
	want.fcw = 0x27f;
	want.mxcsr = 0x1fa0;
	CHECKED(ioctl(vm->vcpu[0].fd, KVM_SET_FPU, &want));
	vm_call(vm, "g_arith", 0);
	CHECKED(ioctl(vm->vcpu[0].fd, KVM_GET_FPU, &got));
	ASSERT(!memcmp(want.xmm, got.xmm, sizeof(want.xmm)));
	ASSERT(!memcmp(want.fpr, got.fpr, sizeof(want.fpr)));
	ASSERT_EQ(got.fcw, 0x27f);
	if (tap.ditto)		/* stock KVM moves all of struct kvm_fpu but this */
		ASSERT_EQ(got.mxcsr, 0x1fa0);
	/* Reserved MXCSR bits would fault in the host when loaded. */
	want.mxcsr = 0xffffffff;
	(void)ioctl(vm->vcpu[0].fd, KVM_SET_FPU, &want);
	vm_call(vm, "g_arith", 0);
	vm_free(vm);
}

static void xsave(const void *arg)
{
	struct vm *vm = vm_new(NULL);
	struct kvm_xsave *a = calloc(1, sizeof(*a) + PAGE_SIZE),
		*b = calloc(1, sizeof(*b) + PAGE_SIZE);
	struct kvm_xcrs xcrs;
	int fd = vm->vcpu[0].fd;

	CHECKED(ioctl(fd, KVM_GET_XSAVE, a));
	memset((u8 *)a + 160, 0x5a, 256);	/* xmm */
	((u64 *)a)[64] |= 3;			/* XSTATE_BV: x87 and SSE */
	CHECKED(ioctl(fd, KVM_SET_XSAVE, a));
	CHECKED(ioctl(fd, KVM_GET_XSAVE, b));
	ASSERT(!memcmp((u8 *)a + 160, (u8 *)b + 160, 256));
	/* Components and header bits that do not exist. */
	((u64 *)a)[64] = 1ull << 62;
	ASSERT_ERRNO(ioctl(fd, KVM_SET_XSAVE, a), EINVAL);
	if (!vm_cap(vm, KVM_CAP_XCRS)) {	/* a host or a module without XSAVE for guests */
		if (tap.ditto)		/* stock KVM answers all the same */
			ASSERT_ERRNO(ioctl(fd, KVM_GET_XCRS, &xcrs), EINVAL);
		vm_free(vm);
		return;
	}
	CHECKED(ioctl(fd, KVM_GET_XCRS, &xcrs));
	ASSERT_EQ(xcrs.nr_xcrs, 1);
	ASSERT_EQ(xcrs.xcrs[0].value, 1);
	CHECKED(ioctl(fd, KVM_SET_XCRS, &xcrs));
	xcrs.xcrs[0].value = 0;
	ASSERT_ERRNO(ioctl(fd, KVM_SET_XCRS, &xcrs), EINVAL);
	xcrs.xcrs[0].value = 1ull << 61 | 1;
	ASSERT_ERRNO(ioctl(fd, KVM_SET_XCRS, &xcrs), EINVAL);
	vm_free(vm);
}

/* Every MSR of the list can be read; those of a sort can be written back. */
static void msrs(const void *arg)
{
	struct vm *vm = vm_new(NULL);
	struct kvm_msr_list *list = calloc(1, sizeof(*list) + 4096);
	int dev = dev_open();
	u32 i;

	list->nmsrs = 1024;
	CHECKED(ioctl(dev, KVM_GET_MSR_INDEX_LIST, list));
	ASSERT(list->nmsrs > 10);
	for (i = 0; i < list->nmsrs; i++) {
		struct {
			struct kvm_msrs head;
			struct kvm_msr_entry entry;
		} msr = { { .nmsrs = 1 }, { .index = list->indices[i] } };

		/* Stock KVM lists some that this CPUID does not have. */
		if (ioctl(vm->vcpu[0].fd, KVM_GET_MSRS, &msr) != 1) {
			if (tap.ditto)
				fail("MSR %#x is in the list but cannot be read", list->indices[i]);
			continue;
		}
		if (ioctl(vm->vcpu[0].fd, KVM_SET_MSRS, &msr) != 1 && tap.ditto)
			fail("MSR %#x: %#llx cannot be written back", msr.entry.index,
			     msr.entry.data);
	}
	ASSERT_EQ(vcpu_try_set_msr(&vm->vcpu[0], 0xc0000081, 0x1234000000000000), 1);
	ASSERT_EQ(vcpu_msr(&vm->vcpu[0], 0xc0000081), 0x1234000000000000);
	vm_free(vm);
}

/* What VMMs save on stock KVM says that the vCPU is not in system management mode. */
static void no_smm(const void *arg)
{
	struct vm *vm = vm_new(NULL);
	struct kvm_vcpu_events no = { .flags = KVM_VCPUEVENT_VALID_NMI_PENDING |
					       KVM_VCPUEVENT_VALID_SHADOW |
					       KVM_VCPUEVENT_VALID_SMM };
	struct kvm_vcpu_events bad;
	u32 i;

	CHECKED(ioctl(vm->vcpu[0].fd, KVM_SET_VCPU_EVENTS, &no));
	for (i = 0; tap.ditto && i < 4; i++) {
		bad = no;
		((u8 *)&bad.smi)[i] = 1;
		ASSERT_ERRNO(ioctl(vm->vcpu[0].fd, KVM_SET_VCPU_EVENTS, &bad), EINVAL);
		bad.flags &= ~KVM_VCPUEVENT_VALID_SMM;
		CHECKED(ioctl(vm->vcpu[0].fd, KVM_SET_VCPU_EVENTS, &bad));
	}
	vm_free(vm);
}

static void debug_registers(const void *arg)
{
	struct vm *vm = vm_new(NULL);
	struct kvm_debugregs d = { .db = { 1, 2, 0xffff888000000000, 4 }, .dr6 = 0xffff0ff1,
				   .dr7 = 0x405 };

	ROUND_TRIP(vm->vcpu[0].fd, KVM_SET_DEBUGREGS, KVM_GET_DEBUGREGS, d);
	vm_free(vm);
}

static void events(const void *arg)
{
	struct vm *vm = vm_new(NULL);
	struct kvm_vcpu_events want = { .flags = KVM_VCPUEVENT_VALID_NMI_PENDING }, got;
	int fd = vm->vcpu[0].fd;

	want.nmi.pending = 1;
	want.nmi.masked = 1;
	want.interrupt.injected = 1;
	want.interrupt.nr = 0x77;
	CHECKED(ioctl(fd, KVM_SET_VCPU_EVENTS, &want));
	CHECKED(ioctl(fd, KVM_GET_VCPU_EVENTS, &got));
	ASSERT_EQ(got.nmi.pending, 1);
	ASSERT_EQ(got.nmi.masked, 1);
	ASSERT_EQ(got.interrupt.injected, 1);
	ASSERT_EQ(got.interrupt.nr, 0x77);
	/* An exception half delivered is delivered: #UD at the first instruction. */
	memset(&want, 0, sizeof(want));
	want.exception.injected = 1;
	want.exception.nr = 6;
	vcpu_call(&vm->vcpu[0], "g_arith", 0);
	CHECKED(ioctl(fd, KVM_SET_VCPU_EVENTS, &want));
	ASSERT_EQ(vcpu_run(&vm->vcpu[0]), KVM_EXIT_IO);
	ASSERT_EQ(vm->vcpu[0].run->io.port, GUEST_PORT_DONE);
	ASSERT_EQ(*((u8 *)vm->vcpu[0].run + vm->vcpu[0].run->io.data_offset), 1);
	ASSERT_EQ(((u64 *)vm_symbol(vm, "g_failure"))[2], image_symbol("g_arith"));
	vm_free(vm);
}

static void mp_state(const void *arg)
{
	struct vm *vm = vm_new(&(struct vm_config) { .vcpus = 2 });
	struct kvm_mp_state mp;
	u32 i;

	CHECKED(ioctl(vm->vcpu[0].fd, KVM_GET_MP_STATE, &mp));
	ASSERT_EQ(mp.mp_state, KVM_MP_STATE_RUNNABLE);
	CHECKED(ioctl(vm->vcpu[1].fd, KVM_GET_MP_STATE, &mp));
	ASSERT_EQ(mp.mp_state, KVM_MP_STATE_UNINITIALIZED);
	for (i = 0; i < 4; i++) {
		mp.mp_state = i;
		CHECKED(ioctl(vm->vcpu[1].fd, KVM_SET_MP_STATE, &mp));
		CHECKED(ioctl(vm->vcpu[1].fd, KVM_GET_MP_STATE, &mp));
		ASSERT_EQ(mp.mp_state, i);
	}
	/* Of guests with encrypted registers, and no more than a halt for others. */
	mp.mp_state = KVM_MP_STATE_AP_RESET_HOLD;
	CHECKED(ioctl(vm->vcpu[1].fd, KVM_SET_MP_STATE, &mp));
	CHECKED(ioctl(vm->vcpu[1].fd, KVM_GET_MP_STATE, &mp));
	ASSERT_EQ(mp.mp_state, KVM_MP_STATE_AP_RESET_HOLD);
	vm_free(vm);
	vm = vm_new(&(struct vm_config) { .no_irqchip = true });
	ASSERT_ERRNO(ioctl(vm->vcpu[0].fd, KVM_SET_MP_STATE, &mp), EINVAL);
	vm_free(vm);
}

/* A SIPI that came while the machine was moved: a state, and a vector beside it. */
static void sipi_received(const void *arg)
{
	struct vm *vm = vm_new(&(struct vm_config) { .vcpus = 2 });
	struct kvm_vcpu_events events = { .flags = KVM_VCPUEVENT_VALID_SIPI_VECTOR };
	struct kvm_mp_state mp = { .mp_state = KVM_MP_STATE_SIPI_RECEIVED };
	int fd = vm->vcpu[1].fd;
	u32 i;

	for (i = 0; i < 2; i++) {	/* in either order */
		events.sipi_vector = 0x12 + i;
		if (!i)
			CHECKED(ioctl(fd, KVM_SET_VCPU_EVENTS, &events));
		CHECKED(ioctl(fd, KVM_SET_MP_STATE, &mp));
		if (i)
			CHECKED(ioctl(fd, KVM_SET_VCPU_EVENTS, &events));
		CHECKED(ioctl(fd, KVM_GET_MP_STATE, &mp));
		ASSERT_EQ(mp.mp_state, KVM_MP_STATE_RUNNABLE);
		ASSERT_EQ(vcpu_sregs(&vm->vcpu[1]).cs.selector, 0x1200 + i * 0x100);
		ASSERT_EQ(vcpu_sregs(&vm->vcpu[1]).cs.base, 0x12000 + i * 0x1000);
		ASSERT_EQ(vcpu_regs(&vm->vcpu[1]).rip, 0);
		mp.mp_state = KVM_MP_STATE_SIPI_RECEIVED;
	}
	vm_free(vm);
	vm = vm_new(&(struct vm_config) { .no_irqchip = true });
	ASSERT_ERRNO(ioctl(vm->vcpu[0].fd, KVM_SET_MP_STATE, &mp), EINVAL);
	vm_free(vm);
}

static void lapic(const void *arg)
{
	struct vm *vm = vm_new(NULL);
	struct kvm_lapic_state a, b;
	int fd = vm->vcpu[0].fd;
	u32 v;

	CHECKED(ioctl(fd, KVM_GET_LAPIC, &a));
	memcpy(&v, a.regs + 0x2f0, 4);		/* no such register before KVM_X86_SETUP_MCE */
	ASSERT_EQ(v, 0);
	v = 0x1ff;
	memcpy(a.regs + 0xf0, &v, 4);
	v = 0x30;
	memcpy(a.regs + 0x80, &v, 4);
	v = 1 << 5;
	memcpy(a.regs + 0x230, &v, 4);		/* IRR: vector 0x65 */
	v = 0x10045;
	memcpy(a.regs + 0x320, &v, 4);
	CHECKED(ioctl(fd, KVM_SET_LAPIC, &a));
	CHECKED(ioctl(fd, KVM_GET_LAPIC, &b));
	ASSERT_EQ(memcmp(a.regs + 0x80, b.regs + 0x80, 4), 0);
	ASSERT_EQ(memcmp(a.regs + 0xf0, b.regs + 0xf0, 4), 0);
	ASSERT_EQ(memcmp(a.regs + 0x230, b.regs + 0x230, 4), 0);
	ASSERT_EQ(memcmp(a.regs + 0x320, b.regs + 0x320, 4), 0);
	ASSERT_EQ(vcpu_sregs(&vm->vcpu[0]).cr8, 3);
	memset(&a, 0xff, sizeof(a));		/* nonsense is refused or tamed */
	(void)ioctl(fd, KVM_SET_LAPIC, &a);
	vm_free(vm);
}

static void irqchips(const void *arg)
{
	struct vm *vm = vm_new(NULL);
	struct kvm_irqchip chip, got;
	u32 id;

	for (id = 0; id < 2; id++) {
		memset(&chip, 0, sizeof(chip));
		chip.chip_id = id;
		CHECKED(ioctl(vm->fd, KVM_GET_IRQCHIP, &chip));
		chip.chip.pic.imr = 0xa5;
		chip.chip.pic.irq_base = id ? 0x70 : 0x08;
		CHECKED(ioctl(vm->fd, KVM_SET_IRQCHIP, &chip));
		got = chip;
		CHECKED(ioctl(vm->fd, KVM_GET_IRQCHIP, &got));
		ASSERT(!memcmp(&chip.chip.pic, &got.chip.pic, sizeof(chip.chip.pic)));
	}
	memset(&chip, 0, sizeof(chip));
	chip.chip_id = KVM_IRQCHIP_IOAPIC;
	CHECKED(ioctl(vm->fd, KVM_GET_IRQCHIP, &chip));
	chip.chip.ioapic.redirtbl[4].bits = 0x0100000000000051;
	chip.chip.ioapic.id = 7;
	CHECKED(ioctl(vm->fd, KVM_SET_IRQCHIP, &chip));
	got = chip;
	CHECKED(ioctl(vm->fd, KVM_GET_IRQCHIP, &got));
	ASSERT_EQ(got.chip.ioapic.redirtbl[4].bits, 0x0100000000000051);
	ASSERT_EQ(got.chip.ioapic.id, 7);
	memset(&chip.chip, 0xff, sizeof(chip.chip));	/* nonsense */
	(void)ioctl(vm->fd, KVM_SET_IRQCHIP, &chip);
	vm_call(vm, "g_arith", 0);
	vm_free(vm);
}

static void pit_state(const void *arg)
{
	struct vm *vm = vm_new(&(struct vm_config) { .pit = true });
	struct kvm_pit_state2 pit;
	struct kvm_pit_state old;

	CHECKED(ioctl(vm->fd, KVM_GET_PIT2, &pit));
	pit.channels[2].count = 0x1234;
	pit.channels[2].mode = 3;
	CHECKED(ioctl(vm->fd, KVM_SET_PIT2, &pit));
	CHECKED(ioctl(vm->fd, KVM_GET_PIT2, &pit));
	ASSERT_EQ(pit.channels[2].count, 0x1234);
	ASSERT_EQ(pit.channels[2].mode, 3);
	CHECKED(ioctl(vm->fd, KVM_GET_PIT, &old));
	ASSERT(!memcmp(old.channels, pit.channels, sizeof(old.channels)));
	old.channels[2].count = 0x4321;
	CHECKED(ioctl(vm->fd, KVM_SET_PIT, &old));
	CHECKED(ioctl(vm->fd, KVM_GET_PIT2, &pit));
	ASSERT_EQ(pit.channels[2].count, 0x4321);
	old.channels[1].mode = 9;
	if (tap.ditto)
		ASSERT_ERRNO(ioctl(vm->fd, KVM_SET_PIT, &old), EINVAL);
	memset(&pit, 0xff, sizeof(pit));
	(void)ioctl(vm->fd, KVM_SET_PIT2, &pit);
	vm_call(vm, "g_arith", 0);
	vm_free(vm);
}

static u64 now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ull + now.tv_nsec;
}

/* A second, and as long as it took here. */
static void vm_clock(const void *arg)
{
	struct vm *vm = vm_new(NULL);
	struct kvm_clock_data clock = { .clock = 1000000000000 }, now;
	u64 begin = now_ns(), tsc;
	long khz;

	CHECKED(ioctl(vm->fd, KVM_SET_CLOCK, &clock));
	CHECKED(ioctl(vm->fd, KVM_GET_CLOCK, &now));
	ASSERT(now.clock >= clock.clock);
	ASSERT(now.clock < clock.clock + 1000000000 + (now_ns() - begin));
	khz = ioctl(vm->vcpu[0].fd, KVM_GET_TSC_KHZ, 0);
	ASSERT(khz > 0);
	clock.flags = 0x80000000;
	ASSERT_ERRNO(ioctl(vm->fd, KVM_SET_CLOCK, &clock), EINVAL);
	begin = now_ns();
	ASSERT_EQ(vcpu_try_set_msr(&vm->vcpu[0], 0x10, 1ull << 40), 1);
	tsc = vcpu_msr(&vm->vcpu[0], 0x10);
	ASSERT(tsc >= 1ull << 40);
	ASSERT(tsc < (1ull << 40) + khz * (1000ull + (now_ns() - begin) / 1000000));
	vm_free(vm);
}

/* A CPU's time page, as KVM's documentation has it. */
struct time_page {
	u32 version, pad0;
	u64 tsc, ns;
	u32 mul;
	signed char shift;
	u8 flags, pad[2];
};

/*
 * Linux reads the time of all CPUs from the first one's page, so a clock that is set
 * while no CPU runs has to be in every page before one does.
 */
static void clock_pages(const void *arg)
{
	struct vm *vm = vm_new(&(struct vm_config){ .vcpus = 2 });
	const volatile struct time_page *page = (void *)(vm->ram + 0x300000);
	struct kvm_clock_data clock = { .clock = 1000000000000 };
	int i, round;

	if (!tap.ditto)
		skip("stock KVM writes a page when its vCPU runs");
	for (i = 0; i < 2; i++)
		ASSERT_EQ(vcpu_try_set_msr(&vm->vcpu[i], MSR_KVM_SYSTEM_TIME_NEW,
					   (0x300000 + i * sizeof(*page)) | 1), 1);
	for (round = 0; round < 3; round++) {
		clock.clock *= 2;
		CHECKED(ioctl(vm->fd, KVM_SET_CLOCK, &clock));
		for (i = 0; i < 2; i++) {
			ASSERT(page[i].version && !(page[i].version & 1));
			ASSERT(page[i].ns >= clock.clock && page[i].ns < 2 * clock.clock);
		}
	}
	vm_free(vm);
}

#define MSR_TSC			0x10
#define MSR_TSC_DEADLINE	0x6e0
#define APIC_SPIV		0xf0
#define APIC_LVTT		0x320

/* A deadline that a new TSC puts off does not pass by the old one, though no guest runs. */
static void tsc_deadline(const void *arg)
{
	struct vm *vm = vm_new(NULL);
	struct vcpu *vcpu = &vm->vcpu[0];
	struct kvm_lapic_state lapic;
	const u64 from = 1ull << 44;
	u64 deadline;
	long khz;

	if (!tap.ditto)
		skip("stock KVM lets it pass");
	khz = ioctl(vcpu->fd, KVM_GET_TSC_KHZ, 0);
	if (khz <= 0)
		skip("nobody knows how fast the TSC is");
	CHECKED(ioctl(vcpu->fd, KVM_GET_LAPIC, &lapic));
	*(u32 *)&lapic.regs[APIC_SPIV] = 0x1ff;
	*(u32 *)&lapic.regs[APIC_LVTT] = 2 << 17 | 0xec;
	CHECKED(ioctl(vcpu->fd, KVM_SET_LAPIC, &lapic));
	ASSERT_EQ(vcpu_try_set_msr(vcpu, MSR_TSC, from), 1);
	deadline = from + khz * 300;
	ASSERT_EQ(vcpu_try_set_msr(vcpu, MSR_TSC_DEADLINE, deadline), 1);
	ASSERT_EQ(vcpu_try_set_msr(vcpu, MSR_TSC, from / 2), 1);
	usleep(500000);
	ASSERT_EQ(vcpu_msr(vcpu, MSR_TSC_DEADLINE), deadline);
	/* And one that it lets pass is over. */
	ASSERT_EQ(vcpu_try_set_msr(vcpu, MSR_TSC, from * 2), 1);
	usleep(1000);
	ASSERT_EQ(vcpu_msr(vcpu, MSR_TSC_DEADLINE), 0);
	vm_free(vm);
}

static u32 traced(struct vcpu *vcpu)
{
	u32 value;

	ASSERT_EQ(vcpu_enter(vcpu), KVM_EXIT_IO);
	memcpy(&value, (u8 *)vcpu->run + vcpu->run->io.data_offset, sizeof(value));
	return value;
}

/* How far the guest's TSC goes while the host's goes @ticks, the @i-th time. */
static u64 guest_ticks(int i, u64 ticks)
{
	return i ? ticks / 3 : ticks * 3;
}

/* A guest with a TSC of its own: three times as fast as the host's, and a third. */
static void tsc_frequency(const void *arg)
{
	long khz;
	int i;

	for (i = 0; i < 2; i++) {
		struct vm *vm = vm_new(NULL);
		struct vcpu *vcpu = &vm->vcpu[0];
		u64 begin, slept, guest, least, most;

		if (!vm_cap(vm, KVM_CAP_TSC_CONTROL))
			skip("the CPU does not scale the TSC");
		khz = CHECKED(ioctl(vcpu->fd, KVM_GET_TSC_KHZ, 0));
		CHECKED(ioctl(vcpu->fd, KVM_SET_TSC_KHZ, i ? khz / 3 : khz * 3));
		ASSERT_EQ(ioctl(vcpu->fd, KVM_GET_TSC_KHZ, 0), i ? khz / 3 : khz * 3);
		vcpu_call(vcpu, "g_tsc_twice", 0);
		begin = __builtin_ia32_rdtsc();
		guest = traced(vcpu);
		slept = __builtin_ia32_rdtsc();
		usleep(200000);
		slept = __builtin_ia32_rdtsc() - slept;
		guest = (u64)(u32)(traced(vcpu) - guest) << 4;
		/* The readings lie around the sleep, which may be short beside the way to them. */
		least = guest_ticks(i, slept);
		most = guest_ticks(i, __builtin_ia32_rdtsc() - begin);
		if (guest < least - least / 100 || guest > most + most / 100)
			fail("%llu ticks of the guest's, not %llu to %llu",
			     (unsigned long long)guest, (unsigned long long)least,
			     (unsigned long long)most);
		vm_free(vm);
	}
}

/* A guest half way through its registers and FPU goes on in another machine. */
static int tsc_attr(int fd, unsigned long cmd, u32 group, u64 nr, u64 *value)
{
	return ioctl(fd, cmd, &(struct kvm_device_attr) {
		.group = group, .attr = nr, .addr = (uintptr_t)value });
}

static s64 tsc_ahead(struct vcpu *vcpu)
{
	u64 tsc = vcpu_msr(vcpu, 0x10);

	return tsc - __builtin_ia32_rdtsc();
}

/* What the guest's TSC is ahead of the host's, at the host's frequency. */
static void tsc_offset(const void *arg)
{
	struct vm *vm = vm_new(NULL);
	struct vcpu *vcpu = &vm->vcpu[0];
	const u64 hour = 1ull << 43, second = 1ull << 32;
	u64 offset, got, xcr0;
	int dev = dev_open();

	CHECKED(tsc_attr(vcpu->fd, KVM_HAS_DEVICE_ATTR, 0, 0, NULL));
	CHECKED(tsc_attr(vcpu->fd, KVM_GET_DEVICE_ATTR, 0, 0, &offset));
	ASSERT(offset - tsc_ahead(vcpu) < second);
	offset += hour;
	CHECKED(tsc_attr(vcpu->fd, KVM_SET_DEVICE_ATTR, 0, 0, &offset));
	CHECKED(tsc_attr(vcpu->fd, KVM_GET_DEVICE_ATTR, 0, 0, &got));
	ASSERT_EQ(got, offset);
	ASSERT(offset - tsc_ahead(vcpu) < second);
	vm_call(vm, "g_arith", 0);
	CHECKED(tsc_attr(vcpu->fd, KVM_GET_DEVICE_ATTR, 0, 0, &got));
	ASSERT_EQ(got, offset);

	ASSERT_ERRNO(tsc_attr(vcpu->fd, KVM_HAS_DEVICE_ATTR, 1, 0, &got), ENXIO);
	ASSERT_ERRNO(tsc_attr(vcpu->fd, KVM_GET_DEVICE_ATTR, 0, 1, &got), ENXIO);
	ASSERT_ERRNO(tsc_attr(vcpu->fd, KVM_SET_DEVICE_ATTR, 0, 1, &got), ENXIO);
	ASSERT_ERRNO(tsc_attr(vcpu->fd, KVM_GET_DEVICE_ATTR, 0, 0, (u64 *)8), EFAULT);
	ASSERT_ERRNO(tsc_attr(vcpu->fd, KVM_SET_DEVICE_ATTR, 0, 0, (u64 *)8), EFAULT);

	/* And of the node: the XSAVE components that guests can have. */
	CHECKED(tsc_attr(dev, KVM_HAS_DEVICE_ATTR, 0, 0, NULL));
	CHECKED(tsc_attr(dev, KVM_GET_DEVICE_ATTR, 0, 0, &xcr0));
	if (vm_cap(vm, KVM_CAP_XCRS))
		ASSERT_EQ(xcr0 & 3, 3);
	ASSERT_ERRNO(tsc_attr(dev, KVM_HAS_DEVICE_ATTR, 0, 7, NULL), ENXIO);
	ASSERT_ERRNO(tsc_attr(dev, KVM_GET_DEVICE_ATTR, 9, 0, &xcr0), ENXIO);
	ASSERT_ERRNO(tsc_attr(dev, KVM_GET_DEVICE_ATTR, 0, 0, (u64 *)8), EFAULT);
	vm_free(vm);
}

static void migrate(const void *arg)
{
	struct vm *from = vm_new(NULL), *to = vm_new(NULL);
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	struct kvm_vcpu_events events;
	struct kvm_xsave xsave;
	u32 i;

	vcpu_call(&from->vcpu[0], "g_fpu", 6);
	for (i = 0; i < 7; i++)
		ASSERT_EQ(vcpu_enter(&from->vcpu[0]), KVM_EXIT_IO);
	/* Let the last access be completed before the state is read. */
	from->vcpu[0].run->immediate_exit = 1;
	ASSERT_EQ(vcpu_enter(&from->vcpu[0]), -EINTR);
	regs = vcpu_regs(&from->vcpu[0]);
	sregs = vcpu_sregs(&from->vcpu[0]);
	CHECKED(ioctl(from->vcpu[0].fd, KVM_GET_XSAVE, &xsave));
	CHECKED(ioctl(from->vcpu[0].fd, KVM_GET_VCPU_EVENTS, &events));
	memcpy(to->ram, from->ram, from->ram_size);
	vm_free(from);
	CHECKED(ioctl(to->vcpu[0].fd, KVM_SET_SREGS, &sregs));
	CHECKED(ioctl(to->vcpu[0].fd, KVM_SET_REGS, &regs));
	CHECKED(ioctl(to->vcpu[0].fd, KVM_SET_XSAVE, &xsave));
	CHECKED(ioctl(to->vcpu[0].fd, KVM_SET_VCPU_EVENTS, &events));
	vcpu_run_done(&to->vcpu[0]);
	ASSERT_EQ(to->nr_log, 13);
	vm_free(to);
}

static const struct tap_test tests[] = {
	{ "regs", regs }, { "sregs", sregs }, { "sregs2", sregs2 }, { "old_cpuid", old_cpuid },
	{ "cr4_pge", cr4_pge }, { "pae_pge", pae_pge }, { "fpu", fpu }, { "xsave", xsave },
	{ "msrs", msrs }, { "debug_registers", debug_registers }, { "events", events },
	{ "no_smm", no_smm },
	{ "mp_state", mp_state }, { "sipi_received", sipi_received }, { "lapic", lapic },
	{ "irqchips", irqchips }, { "pit_state", pit_state },
	{ "clock", vm_clock }, { "tsc_frequency", tsc_frequency }, { "migrate", migrate },
	{ "clock_pages", clock_pages },
	{ "tsc_deadline", tsc_deadline }, { "tsc_offset", tsc_offset },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, tests, ARRAY_SIZE(tests));
}
