// SPDX-License-Identifier: GPL-2.0-only
/*
 * A vCPU's registers and the bytes at its instruction pointer as text, for the
 * report of a machine that could not go on.
 */
#include "vm.h"
#include "util.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#define DUMP_BYTES	16

typedef unsigned long long ull;

static void dump_regs(FILE *out, const struct kvm_regs *r)
{
	fprintf(out, "rip %016llx  rflags %08llx\n", (ull)r->rip, (ull)r->rflags);
	fprintf(out, "rax %016llx  rbx %016llx  rcx %016llx  rdx %016llx\n",
		(ull)r->rax, (ull)r->rbx, (ull)r->rcx, (ull)r->rdx);
	fprintf(out, "rsi %016llx  rdi %016llx  rbp %016llx  rsp %016llx\n",
		(ull)r->rsi, (ull)r->rdi, (ull)r->rbp, (ull)r->rsp);
	fprintf(out, "r8  %016llx  r9  %016llx  r10 %016llx  r11 %016llx\n",
		(ull)r->r8, (ull)r->r9, (ull)r->r10, (ull)r->r11);
	fprintf(out, "r12 %016llx  r13 %016llx  r14 %016llx  r15 %016llx\n",
		(ull)r->r12, (ull)r->r13, (ull)r->r14, (ull)r->r15);
}

static void dump_segment(FILE *out, const char *name, const struct kvm_segment *s)
{
	fprintf(out, "%-3s %04x base %016llx limit %08x type %x%s%s%s%s dpl %u\n", name,
		s->selector, (ull)s->base, s->limit, s->type, s->present ? " present" : "",
		s->s ? "" : " system", s->l ? " 64" : s->db ? " 32" : "",
		s->unusable ? " unusable" : "", s->dpl);
}

static void dump_sregs(FILE *out, const struct kvm_sregs *s)
{
	dump_segment(out, "cs", &s->cs);
	dump_segment(out, "ds", &s->ds);
	dump_segment(out, "es", &s->es);
	dump_segment(out, "fs", &s->fs);
	dump_segment(out, "gs", &s->gs);
	dump_segment(out, "ss", &s->ss);
	dump_segment(out, "tr", &s->tr);
	dump_segment(out, "ldt", &s->ldt);
	fprintf(out, "gdt base %016llx limit %04x  idt base %016llx limit %04x\n",
		(ull)s->gdt.base, s->gdt.limit, (ull)s->idt.base, s->idt.limit);
	fprintf(out, "cr0 %08llx  cr2 %016llx  cr3 %016llx  cr4 %08llx  cr8 %llx\n",
		(ull)s->cr0, (ull)s->cr2, (ull)s->cr3, (ull)s->cr4, (ull)s->cr8);
	fprintf(out, "efer %04llx  apic_base %08llx\n", (ull)s->efer, (ull)s->apic_base);
}

/* As many as lie in the page of the first: the next page may be elsewhere. */
static void dump_code(FILE *out, struct vcpu *vcpu, uint64_t linear)
{
	struct kvm_translation tr = { .linear_address = linear };
	uint64_t len = PAGE_BYTES - linear % PAGE_BYTES;
	const uint8_t *code = NULL;

	if (len > DUMP_BYTES)
		len = DUMP_BYTES;
	if (!ioctl(vcpu->fd, KVM_TRANSLATE, &tr) && tr.valid)
		code = ram_at(&vcpu->vm->ram, tr.physical_address, len);
	fputs("code", out);
	for (uint64_t i = 0; code && i < len; i++)
		fprintf(out, " %02x", code[i]);
	fputs(code ? "" : " not readable", out);
}

/**
 * vcpu_dump() - the state of a vCPU; its own thread
 * @vcpu: the vCPU, out of KVM_RUN
 *
 * Return: text of several lines, without the last newline, to be freed; or NULL.
 */
char *vcpu_dump(struct vcpu *vcpu)
{
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	char *text = NULL;
	size_t len;
	FILE *out;

	if (ioctl(vcpu->fd, KVM_GET_REGS, &regs) < 0 || ioctl(vcpu->fd, KVM_GET_SREGS, &sregs) < 0)
		return NULL;
	out = open_memstream(&text, &len);
	if (!out)
		return NULL;
	dump_regs(out, &regs);
	dump_sregs(out, &sregs);
	dump_code(out, vcpu, sregs.cs.base + regs.rip);
	fclose(out);
	return text;
}
