// SPDX-License-Identifier: GPL-2.0-only
/*
 * A builder for the few AML terms that a DSDT without PCI needs (ACPI
 * specification, chapters 6.4 and 20). Blocks carry their length before their
 * contents, so *_begin() leaves room for it and returns a handle with which
 * the matching *_end() fills it in. Lengths always use the two-byte form.
 */
#include "aml.h"

#include <assert.h>
#include <string.h>

enum {
	OP_ZERO = 0x00,
	OP_ONE = 0x01,
	OP_NAME = 0x08,
	OP_BYTE = 0x0a,
	OP_WORD = 0x0b,
	OP_DWORD = 0x0c,
	OP_STRING = 0x0d,
	OP_SCOPE = 0x10,
	OP_BUFFER = 0x11,
	OP_PACKAGE = 0x12,
	OP_METHOD = 0x14,
	OP_DUAL_NAME = 0x2e,
	OP_EXT = 0x5b,
	OP_EXT_DEVICE = 0x82,
	OP_NOTIFY = 0x86,
};

enum {
	RES_IRQ = 0x22,		/* small item 4, 2 bytes: edge, active high */
	RES_IO = 0x47,		/* small item 8, 7 bytes */
	RES_MEMORY = 0x86,	/* large item 6: 32-bit fixed */
	RES_INTERRUPT = 0x89,	/* large item 9: extended */
	RES_END = 0x79,		/* small item 15, 1 byte: checksum, 0 = none */
};

static void emit(struct aml *a, uint8_t byte)
{
	assert(a->len < sizeof(a->bytes));
	a->bytes[a->len++] = byte;
}

static void emit_le(struct aml *a, uint32_t value, unsigned int bytes)
{
	while (bytes--) {
		emit(a, value);
		value >>= 8;
	}
}

static void emit_nameseg(struct aml *a, const char *name)
{
	assert(strlen(name) == 4);
	for (int i = 0; i < 4; i++)
		emit(a, name[i]);
}

static size_t block_begin(struct aml *a)
{
	size_t at = a->len;

	emit_le(a, 0, 2);
	return at;
}

/**
 * aml_end() - close a device or package
 * @a: the body
 * @block: from the matching begin
 */
void aml_end(struct aml *a, size_t block)
{
	size_t len = a->len - block;

	assert(len < 0x1000);
	a->bytes[block] = 0x40 | (len & 0xf);
	a->bytes[block + 1] = len >> 4;
}

static size_t scope_begin(struct aml *a, const char *name)
{
	size_t block;

	emit(a, OP_SCOPE);
	block = block_begin(a);
	emit(a, '\\');
	emit_nameseg(a, name);
	return block;
}

/**
 * aml_system_bus_begin() - Scope (\_SB) {
 * @a: the body
 *
 * Return: the block, for aml_end().
 */
size_t aml_system_bus_begin(struct aml *a)
{
	return scope_begin(a, "_SB_");
}

/**
 * aml_events_begin() - Scope (\_GPE) {
 * @a: the body
 *
 * Return: the block, for aml_end().
 */
size_t aml_events_begin(struct aml *a)
{
	return scope_begin(a, "_GPE");
}

/**
 * aml_method_begin() - Method (NAME, 0) {
 * @a: the body
 * @name: four characters
 *
 * Return: the block, for aml_end().
 */
size_t aml_method_begin(struct aml *a, const char *name)
{
	size_t block;

	emit(a, OP_METHOD);
	block = block_begin(a);
	emit_nameseg(a, name);
	emit(a, 0);
	return block;
}

/**
 * aml_notify() - Notify (\_SB.DEVICE, value)
 * @a: the body, inside a method
 * @device: four characters
 * @value: what happened
 */
void aml_notify(struct aml *a, const char *device, uint8_t value)
{
	emit(a, OP_NOTIFY);
	emit(a, '\\');
	emit(a, OP_DUAL_NAME);
	emit_nameseg(a, "_SB_");
	emit_nameseg(a, device);
	aml_integer(a, value);
}

/**
 * aml_device_begin() - Device (NAME) {
 * @a: the body
 * @name: four characters
 *
 * Return: the block, for aml_end().
 */
size_t aml_device_begin(struct aml *a, const char *name)
{
	size_t block;

	emit(a, OP_EXT);
	emit(a, OP_EXT_DEVICE);
	block = block_begin(a);
	emit_nameseg(a, name);
	return block;
}

/**
 * aml_package_begin() - Package (n) {
 * @a: the body
 * @elements: how many follow
 *
 * Return: the block, for aml_end().
 */
size_t aml_package_begin(struct aml *a, uint8_t elements)
{
	size_t block;

	emit(a, OP_PACKAGE);
	block = block_begin(a);
	emit(a, elements);
	return block;
}

/**
 * aml_resources_begin() - ResourceTemplate () {
 * @a: the body
 *
 * Return: the block, for aml_resources_end().
 */
size_t aml_resources_begin(struct aml *a)
{
	size_t block;

	emit(a, OP_BUFFER);
	block = block_begin(a);
	/* BufferSize, filled in at the end */
	emit(a, OP_BYTE);
	emit(a, 0);
	return block;
}

/**
 * aml_resources_end() - the end tag of the template, and both of its lengths
 * @a: the body
 * @block: from aml_resources_begin()
 */
void aml_resources_end(struct aml *a, size_t block)
{
	emit(a, RES_END);
	emit(a, 0);
	a->bytes[block + 3] = a->len - block - 4;
	aml_end(a, block);
}

/**
 * aml_name() - Name (NAME, ...): the value must follow
 * @a: the body
 * @name: four characters
 */
void aml_name(struct aml *a, const char *name)
{
	emit(a, OP_NAME);
	emit_nameseg(a, name);
}

/**
 * aml_integer() - an integer constant, in its shortest form
 * @a: the body
 * @value: the constant
 */
void aml_integer(struct aml *a, uint32_t value)
{
	if (value <= 1) {
		emit(a, value ? OP_ONE : OP_ZERO);
	} else if (value <= 0xff) {
		emit(a, OP_BYTE);
		emit(a, value);
	} else if (value <= 0xffff) {
		emit(a, OP_WORD);
		emit_le(a, value, 2);
	} else {
		emit(a, OP_DWORD);
		emit_le(a, value, 4);
	}
}

static unsigned int hex_digit(char c)
{
	return c >= 'A' ? c - 'A' + 10 : c - '0';
}

/**
 * aml_eisa_id() - EisaId ("PNP0501"): compressed and byte-swapped
 * @a: the body
 * @id: three capital letters, four hexadecimal digits
 */
void aml_eisa_id(struct aml *a, const char *id)
{
	uint32_t v = 0;

	for (int i = 0; i < 3; i++)
		v = v << 5 | (id[i] - 0x40);
	for (int i = 3; i < 7; i++)
		v = v << 4 | hex_digit(id[i]);
	emit(a, OP_DWORD);
	emit_le(a, __builtin_bswap32(v), 4);
}

/**
 * aml_io() - IO (Decode16, port, port, 1, len)
 * @a: the body, inside a resource template
 * @port: the first port
 * @len: how many
 */
void aml_io(struct aml *a, uint16_t port, uint8_t len)
{
	emit(a, RES_IO);
	emit(a, 1);
	emit_le(a, port, 2);
	emit_le(a, port, 2);
	emit(a, 1);
	emit(a, len);
}

/**
 * aml_irq() - IRQNoFlags () {irq}: edge-triggered, active high
 * @a: the body, inside a resource template
 * @irq: 0 to 15
 */
void aml_irq(struct aml *a, unsigned int irq)
{
	emit(a, RES_IRQ);
	emit_le(a, 1u << irq, 2);
}

/**
 * aml_string() - a string constant
 * @a: the body
 * @text: ASCII
 */
void aml_string(struct aml *a, const char *text)
{
	emit(a, OP_STRING);
	while (*text)
		emit(a, *text++);
	emit(a, 0);
}

/**
 * aml_memory() - Memory32Fixed (ReadWrite, base, len)
 * @a: the body, inside a resource template
 * @base: first byte
 * @len: bytes
 */
void aml_memory(struct aml *a, uint32_t base, uint32_t len)
{
	emit(a, RES_MEMORY);
	emit_le(a, 9, 2);
	emit(a, 1);
	emit_le(a, base, 4);
	emit_le(a, len, 4);
}

/**
 * aml_interrupt() - Interrupt (ResourceConsumer, Edge, ActiveHigh, Exclusive) {gsi}
 * @a: the body, inside a resource template
 * @gsi: global system interrupt
 */
void aml_interrupt(struct aml *a, uint32_t gsi)
{
	emit(a, RES_INTERRUPT);
	emit_le(a, 6, 2);
	emit(a, 3);
	emit(a, 1);
	emit_le(a, gsi, 4);
}
