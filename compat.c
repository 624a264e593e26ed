// SPDX-License-Identifier: GPL-2.0-only
/*
 * What later kernels export for KVM's modules and for no other: found by name when ditto is
 * loaded, with symbol_get().  It goes round what the kernel's authors meant that export for;
 * Documentation/operations.md tells administrators.  Owns the names; what calls them is not
 * known here.
 *
 * The hard part is that some are called at each entry to a guest, where a call through a
 * pointer would cost a retpoline, and some from the kernel's own inline functions and
 * assembly, which know them by name.  So each name is a function of this module: a static
 * call in tail position, that is a jump whose destination is written once.  Until then
 * it returns at once, and nothing calls it.
 */
#define pr_fmt(fmt) "ditto: " fmt

#include <linux/linkage.h>
#include <linux/module.h>
#include <linux/perf_event.h>
#include <linux/static_call.h>
#include <asm/cpu.h>
#include <asm/debugreg.h>
#include <asm/e820/api.h>
#include <asm/fpu/api.h>
#include <asm/mmu_context.h>
#include <asm/memtype.h>
#include <asm/msr.h>
#include <asm/nospec-branch.h>
#include <asm/processor.h>
#include <asm/segment.h>
#include <asm/tlbflush.h>

#include "compat.h"

#define COMPAT_FUNCTIONS(DO)			\
	DO(amd_pmu_disable_virt)		\
	DO(amd_pmu_enable_virt)			\
	DO(clear_bhb_loop)			\
	DO(cr4_read_shadow)			\
	DO(current_save_fsgs)			\
	DO(e820__mapped_raw_any)		\
	DO(fpregs_assert_state_consistent)	\
	DO(fpu_alloc_guest_fpstate)		\
	DO(fpu_copy_guest_fpstate_to_uabi)	\
	DO(fpu_copy_uabi_to_guest_fpstate)	\
	DO(fpu_free_guest_fpstate)		\
	DO(fpu_swap_kvm_fpstate)		\
	DO(__get_current_cr3_fast)		\
	DO(handle_guest_split_lock)		\
	DO(hw_breakpoint_restore)		\
	DO(msr_clear_bit)			\
	DO(msr_set_bit)				\
	DO(pat_pfn_immune_to_uc_mtrr)		\
	DO(perf_get_x86_pmu_capability)		\
	DO(perf_guest_get_msrs)			\
	DO(switch_fpu_return)			\
	DO(write_ibpb)				\
	DO(x86_virt_get_ref)			\
	DO(x86_virt_put_ref)			\
	DO(x86_virt_register_emergency_callback)	\
	DO(x86_virt_unregister_emergency_callback)

#define COMPAT_DEFINE(name)							\
	DEFINE_STATIC_CALL_NULL(name, name);					\
	asm(".pushsection .text\n"						\
	    ASM_FUNC_ALIGN "\n"							\
	    ".globl " #name "\n"						\
	    ".type " #name ", @function\n"					\
	    #name ":\n"							\
	    "	jmp " STATIC_CALL_TRAMP_STR(name) "\n"				\
	    ".size " #name ", . - " #name "\n"					\
	    ".popsection\n");
COMPAT_FUNCTIONS(COMPAT_DEFINE)

#if IS_ENABLED(CONFIG_KVM_INTEL)
enum l1tf_mitigations *compat_l1tf;
enum vmx_l1d_flush_state *compat_l1tf_vmx;
#endif

/* VERW wants a writable data segment's selector in memory; any memory will do. */
u16 x86_verw_sel = __KERNEL_DS;

static int compat_lacks(const char *name)
{
	pr_err("cannot run here: this kernel has no %s() for its KVM, or has it elsewhere\n", name);
	return -EOPNOTSUPP;
}

/* They are Intel's: a kernel without KVM for Intel does not export them. */
static int compat_find_l1tf(void)
{
#if IS_ENABLED(CONFIG_KVM_INTEL)
	compat_l1tf = symbol_get(l1tf_mitigation);
	if (!compat_l1tf)
		return compat_lacks("l1tf_mitigation");
	compat_l1tf_vmx = symbol_get(l1tf_vmx_mitigation);
	if (!compat_l1tf_vmx)
		return compat_lacks("l1tf_vmx_mitigation");
#endif
	return 0;
}

/**
 * compat_init() - find what the kernel exports for KVM only
 *
 * At load, before anything else of the module.  What is found is the kernel's own, which does
 * not go away: nothing is to be given back.
 *
 * Return: 0, or -EOPNOTSUPP, and the log names what is missing.
 */
int compat_init(void)
{
	int err = compat_find_l1tf();

	if (err)
		return err;
#define COMPAT_FIND(name) do {						\
		typeof(&name) found = symbol_get(name);			\
									\
		if (!found)						\
			return compat_lacks(#name);			\
		static_call_update(name, found);			\
	} while (0);
	COMPAT_FUNCTIONS(COMPAT_FIND)
#undef COMPAT_FIND
	return 0;
}
