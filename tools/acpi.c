// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ACPI tables: RSDP, XSDT, FADT, FACS, MADT and a DSDT. They tell the
 * guest how many CPUs there are, where the interrupt controllers and the
 * fixed power registers (pm.c) are, and which ISA and virtio devices exist. There is no
 * PCI, and the only AML that runs tells of a new generation; the layouts are those of ACPI 6.x,
 * chapter 5.2.
 */
#include "acpi.h"
#include "aml.h"
#include "boot.h"
#include "pm.h"
#include "rtc.h"
#include "serial.h"
#include "virtio.h"
#include "vmgenid.h"
#include "util.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

#define PACKED			__attribute__((packed))
#define LAPIC_ADDRESS		0xfee00000u
#define IOAPIC_ADDRESS		0xfec00000u

struct rsdp {
	char signature[8];
	uint8_t checksum;
	char oem_id[6];
	uint8_t revision;
	uint32_t rsdt;
	uint32_t length;
	uint64_t xsdt;
	uint8_t extended_checksum;
	uint8_t reserved[3];
} PACKED;
static_assert(sizeof(struct rsdp) == 36, "ACPI 5.2.5.3");

struct sdt {
	char signature[4];
	uint32_t length;
	uint8_t revision;
	uint8_t checksum;
	char oem_id[6];
	char oem_table_id[8];
	uint32_t oem_revision;
	char creator_id[4];
	uint32_t creator_revision;
} PACKED;
static_assert(sizeof(struct sdt) == 36, "ACPI 5.2.6");

struct gas {
	uint8_t space;		/* 1: I/O ports */
	uint8_t bits;
	uint8_t offset;
	uint8_t access;		/* 1: bytes, 2: words, 3: dwords */
	uint64_t address;
} PACKED;

struct fadt {
	struct sdt h;
	uint32_t facs;
	uint32_t dsdt;
	uint8_t reserved0;
	uint8_t preferred_profile;
	uint16_t sci_int;
	uint32_t smi_cmd;
	uint8_t acpi_enable, acpi_disable, s4bios_req, pstate_cnt;
	uint32_t pm1a_evt, pm1b_evt, pm1a_cnt, pm1b_cnt, pm2_cnt, pm_tmr, gpe0, gpe1;
	uint8_t pm1_evt_len, pm1_cnt_len, pm2_cnt_len, pm_tmr_len;
	uint8_t gpe0_len, gpe1_len, gpe1_base, cst_cnt;
	uint16_t p_lvl2_lat, p_lvl3_lat, flush_size, flush_stride;
	uint8_t duty_offset, duty_width, day_alarm, month_alarm, century;
	uint16_t boot_arch;
	uint8_t reserved1;
	uint32_t flags;
	struct gas reset_reg;
	uint8_t reset_value;
	uint16_t arm_boot_arch;
	uint8_t minor;
	uint64_t x_facs, x_dsdt;
	struct gas x_pm1a_evt, x_pm1b_evt, x_pm1a_cnt, x_pm1b_cnt, x_pm2_cnt, x_pm_tmr;
	struct gas x_gpe0, x_gpe1, sleep_control, sleep_status;
	uint64_t hypervisor_id;
} PACKED;
static_assert(offsetof(struct fadt, flags) == 112, "ACPI 5.2.9");
static_assert(offsetof(struct fadt, x_pm1a_evt) == 148, "ACPI 5.2.9");
static_assert(sizeof(struct fadt) == 276, "ACPI 5.2.9");

#define FADT_WBINVD		(1u << 0)
#define FADT_PROC_C1		(1u << 2)
#define FADT_NO_POWER_BUTTON	(1u << 4)
#define FADT_NO_SLEEP_BUTTON	(1u << 5)
#define FADT_NO_RTC_WAKE	(1u << 6)
#define FADT_TIMER_32BIT	(1u << 8)
#define FADT_RESET_REG		(1u << 10)
/* Bit 1, an 8042, stays clear: there is no keyboard. */
#define FADT_BOOT_LEGACY	(1u << 0)
#define FADT_BOOT_NO_VGA	(1u << 2)

struct facs {
	char signature[4];
	uint32_t length;
	uint32_t hardware_signature, waking_vector, global_lock, flags;
	uint64_t x_waking_vector;
	uint8_t version;
	uint8_t reserved[31];
} PACKED;
static_assert(sizeof(struct facs) == 64, "ACPI 5.2.10");

struct madt {
	struct sdt h;
	uint32_t lapic_address;
	uint32_t flags;		/* 1: a PC's two 8259 are there too */
} PACKED;

struct madt_lapic {
	uint8_t type, length, processor_uid, apic_id;
	uint32_t flags;		/* 1: enabled */
} PACKED;
static_assert(sizeof(struct madt_lapic) == 8, "ACPI 5.2.12.2");

struct madt_ioapic {
	uint8_t type, length, id, reserved;
	uint32_t address, gsi_base;
} PACKED;
static_assert(sizeof(struct madt_ioapic) == 12, "ACPI 5.2.12.3");

struct madt_override {
	uint8_t type, length, bus, source;
	uint32_t gsi;
	uint16_t flags;		/* 0: as ISA; 0xd: active high, level */
} PACKED;
static_assert(sizeof(struct madt_override) == 10, "ACPI 5.2.12.5");

struct madt_nmi {
	uint8_t type, length, processor_uid;
	uint16_t flags;
	uint8_t lint;
} PACKED;
static_assert(sizeof(struct madt_nmi) == 6, "ACPI 5.2.12.7");

/**
 * struct area - the memory the tables are put into, filled from the bottom
 * @host: its address here
 * @gpa: its address in the guest
 * @used: bytes taken
 */
struct area {
	uint8_t *host;
	uint64_t gpa;
	size_t used;
};

static uint64_t area_put(struct area *a, const void *data, size_t len, size_t align)
{
	size_t at = align_up(a->used, align);

	assert(at + len <= BOOT_ACPI_MAX);
	memcpy(a->host + at, data, len);
	a->used = at + len;
	return a->gpa + at;
}

static uint8_t checksum(const void *data, size_t len)
{
	const uint8_t *p = data;
	uint8_t sum = 0;

	while (len--)
		sum += *p++;
	return -sum;
}

static void sdt_finish(struct sdt *h, const char *signature, uint8_t revision, uint32_t length)
{
	memcpy(h->signature, signature, 4);
	h->length = length;
	h->revision = revision;
	memcpy(h->oem_id, "DITTO ", 6);
	memcpy(h->oem_table_id, "DITTOVM ", 8);
	h->oem_revision = 1;
	memcpy(h->creator_id, "DTTO", 4);
	h->creator_revision = 1;
	h->checksum = 0;
	h->checksum = checksum(h, length);
}

static void isa_device(struct aml *a, const char *name, const char *id, unsigned int uid,
		       uint16_t port, uint8_t ports, unsigned int irq)
{
	size_t device = aml_device_begin(a, name), crs;

	aml_name(a, "_HID");
	aml_eisa_id(a, id);
	aml_name(a, "_UID");
	aml_integer(a, uid);
	aml_name(a, "_CRS");
	crs = aml_resources_begin(a);
	aml_io(a, port, ports);
	if (irq)
		aml_irq(a, irq);
	aml_resources_end(a, crs);
	aml_end(a, device);
}

/* "LNRO0005" is the name that Linux gave to virtio over MMIO. */
static void virtio_device(struct aml *a, unsigned int index)
{
	char name[] = "VIO0";
	size_t device, crs;

	name[3] = "0123456789ABCDEF"[index];
	device = aml_device_begin(a, name);
	aml_name(a, "_HID");
	aml_string(a, "LNRO0005");
	aml_name(a, "_UID");
	aml_integer(a, index);
	aml_name(a, "_CRS");
	crs = aml_resources_begin(a);
	aml_memory(a, VIRTIO_MMIO + index * VIRTIO_MMIO_SIZE, VIRTIO_MMIO_SIZE);
	aml_interrupt(a, virtio_gsi(index));
	aml_resources_end(a, crs);
	aml_end(a, device);
}

/* The identifier's driver goes by _CID, which firmware of all makers has. */
static void generation_device(struct aml *a)
{
	size_t device = aml_device_begin(a, "VGID"), package;

	aml_name(a, "_HID");
	aml_string(a, "DTTOVGID");
	aml_name(a, "_CID");
	aml_string(a, "VM_Gen_Counter");
	aml_name(a, "_DDN");
	aml_string(a, "VM_Gen_Counter");
	aml_name(a, "ADDR");
	package = aml_package_begin(a, 2);
	aml_integer(a, BOOT_VMGENID);
	aml_integer(a, 0);
	aml_end(a, package);
	aml_end(a, device);
}

/* The event of vmgenid.c: its bit is 0, and it tells the device that something changed. */
static void generation_event(struct aml *a)
{
	size_t scope = aml_events_begin(a), method = aml_method_begin(a, "_E00");

	aml_notify(a, "VGID", 0x80);
	aml_end(a, method);
	aml_end(a, scope);
}

static void dsdt_body(struct aml *a, const struct acpi_machine *machine)
{
	size_t package, scope;

	/* The value that PM1a_CNT.SLP_TYP takes to turn the power off. */
	aml_name(a, "_S5_");
	package = aml_package_begin(a, 4);
	aml_integer(a, PM_S5_TYPE);
	for (int i = 0; i < 3; i++)
		aml_integer(a, 0);
	aml_end(a, package);
	scope = aml_system_bus_begin(a);
	isa_device(a, "COM1", "PNP0501", 1, SERIAL_PORT, SERIAL_PORTS, SERIAL_IRQ);
	if (machine->agent)
		isa_device(a, "COM2", "PNP0501", 2, SERIAL2_PORT, SERIAL_PORTS, SERIAL2_IRQ);
	isa_device(a, "RTC0", "PNP0B00", 1, RTC_PORT, RTC_PORTS, 0);
	generation_device(a);
	for (unsigned int i = 0; i < machine->virtio; i++)
		virtio_device(a, i);
	aml_end(a, scope);
	generation_event(a);
}

static uint64_t put_dsdt(struct area *area, const struct acpi_machine *machine)
{
	struct {
		struct sdt h;
		uint8_t body[sizeof(((struct aml *)0)->bytes)];
	} PACKED dsdt = { 0 };
	struct aml aml = { .len = 0 };

	dsdt_body(&aml, machine);
	memcpy(dsdt.body, aml.bytes, aml.len);
	sdt_finish(&dsdt.h, "DSDT", 2, sizeof(dsdt.h) + aml.len);
	return area_put(area, &dsdt, dsdt.h.length, 16);
}

static uint64_t put_facs(struct area *area)
{
	struct facs facs = { .signature = "FACS", .length = sizeof(facs), .version = 2 };

	return area_put(area, &facs, sizeof(facs), 64);
}

static struct gas port_gas(uint16_t port, uint8_t bytes)
{
	return (struct gas){ .space = 1, .bits = bytes * 8, .access = bytes >= 4 ? 3 : bytes,
			     .address = port };
}

static uint64_t put_fadt(struct area *area, uint64_t facs, uint64_t dsdt)
{
	struct fadt f = {
		.facs = facs, .dsdt = dsdt, .x_dsdt = dsdt,
		.sci_int = PM_SCI,
		.pm1a_evt = PM_EVENT_PORT, .pm1_evt_len = PM_EVENT_LEN,
		.pm1a_cnt = PM_CONTROL_PORT, .pm1_cnt_len = PM_CONTROL_LEN,
		.pm_tmr = PM_TIMER_PORT, .pm_tmr_len = PM_TIMER_LEN,
		.gpe0 = VMGENID_EVENT_PORT, .gpe0_len = VMGENID_EVENT_LEN,
		.p_lvl2_lat = 0xfff, .p_lvl3_lat = 0xfff,	/* over the limit: no C2, no C3 */
		.century = RTC_CENTURY,
		.boot_arch = FADT_BOOT_LEGACY | FADT_BOOT_NO_VGA,
		.flags = FADT_WBINVD | FADT_PROC_C1 | FADT_NO_POWER_BUTTON |
			 FADT_NO_SLEEP_BUTTON | FADT_NO_RTC_WAKE | FADT_TIMER_32BIT |
			 FADT_RESET_REG,
		.reset_reg = port_gas(PM_RESET_PORT, 1), .reset_value = PM_RESET_VALUE,
		.x_pm1a_evt = port_gas(PM_EVENT_PORT, PM_EVENT_LEN),
		.x_pm1a_cnt = port_gas(PM_CONTROL_PORT, PM_CONTROL_LEN),
		.x_pm_tmr = port_gas(PM_TIMER_PORT, PM_TIMER_LEN),
		.x_gpe0 = port_gas(VMGENID_EVENT_PORT, VMGENID_EVENT_LEN),
	};

	/* Both event blocks are two registers; a wider access would straddle them. */
	f.x_pm1a_evt.access = 2;
	f.x_gpe0.access = 1;
	sdt_finish(&f.h, "FACP", 6, sizeof(f));
	return area_put(area, &f, sizeof(f), 16);
}

static size_t madt_entry(uint8_t *to, size_t at, const void *entry, size_t len)
{
	memcpy(to + at, entry, len);
	return at + len;
}

static size_t madt_fixed(uint8_t *to, size_t at)
{
	struct madt_ioapic ioapic = { .type = 1, .length = sizeof(ioapic),
				      .address = IOAPIC_ADDRESS };
	struct madt_override timer = { .type = 2, .length = sizeof(timer), .gsi = 2 };
	struct madt_override sci = { .type = 2, .length = sizeof(sci), .source = PM_SCI,
				     .gsi = PM_SCI, .flags = 0xd };
	struct madt_nmi nmi = { .type = 4, .length = sizeof(nmi), .processor_uid = 0xff,
				.lint = 1 };

	at = madt_entry(to, at, &ioapic, sizeof(ioapic));
	at = madt_entry(to, at, &timer, sizeof(timer));
	at = madt_entry(to, at, &sci, sizeof(sci));
	return madt_entry(to, at, &nmi, sizeof(nmi));
}

static uint64_t put_madt(struct area *area, unsigned int cpus)
{
	union {
		struct madt m;
		uint8_t bytes[1024];
	} t = { .m = { .lapic_address = LAPIC_ADDRESS, .flags = 1 } };
	size_t len = sizeof(t.m);

	for (unsigned int i = 0; i < cpus; i++) {
		struct madt_lapic lapic = { .length = sizeof(lapic), .processor_uid = i,
					    .apic_id = i, .flags = 1 };

		len = madt_entry(t.bytes, len, &lapic, sizeof(lapic));
	}
	len = madt_fixed(t.bytes, len);
	assert(len <= sizeof(t));
	sdt_finish(&t.m.h, "APIC", 4, len);
	return area_put(area, &t, len, 16);
}

static uint64_t put_xsdt(struct area *area, uint64_t fadt, uint64_t madt)
{
	struct {
		struct sdt h;
		uint64_t entry[2];
	} PACKED x = { .entry = { fadt, madt } };

	sdt_finish(&x.h, "XSDT", 1, sizeof(x));
	return area_put(area, &x, sizeof(x), 16);
}

static void put_rsdp(struct rsdp *r, uint64_t xsdt)
{
	*r = (struct rsdp){ .revision = 2, .length = sizeof(*r), .xsdt = xsdt };
	memcpy(r->signature, "RSD PTR ", 8);
	memcpy(r->oem_id, "DITTO ", 6);
	r->checksum = checksum(r, 20);
	r->extended_checksum = checksum(r, sizeof(*r));
}

/**
 * acpi_load() - write the tables into the BIOS area, the RSDP first
 * @ram: the machine's memory
 * @machine: what there is
 *
 * Return: 0, or -1 if the machine has no RAM there.
 */
int acpi_load(const struct ram *ram, const struct acpi_machine *machine)
{
	struct area area = { .host = ram_at(ram, BOOT_ACPI, BOOT_ACPI_MAX), .gpa = BOOT_ACPI,
			     .used = sizeof(struct rsdp) };
	uint64_t facs, dsdt, fadt, madt;

	if (!area.host)
		return -1;
	facs = put_facs(&area);
	dsdt = put_dsdt(&area, machine);
	fadt = put_fadt(&area, facs, dsdt);
	madt = put_madt(&area, machine->cpus);
	put_rsdp((struct rsdp *)area.host, put_xsdt(&area, fadt, madt));
	return 0;
}
