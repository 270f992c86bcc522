/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See table.h. The machine is hardware-reduced (ACPI 6.5 §4.1): no fixed-event registers, no SCI,
 * no FACS; interrupts are IOAPIC pins named in each device's _CRS, or messages; sleep goes through
 * the sleep registers of the power device. The DSDT's own terms are dsdt.c's.
 */
#include "arch/x86_64/table.h"
#include "arch/x86_64/aml.h"
#include "arch/x86_64/dsdt.h"
#include "arch/x86_64/layout.h"
#include "devices/power.h"
#include "devices/watchdog.h"

#include <string.h>

#define TABLE_ALIGN 16

/* -- layouts -- */

struct rsdp {
    char signature[8];
    uint8_t checksum; /* of the first 20 bytes */
    char oem_id[6];
    uint8_t revision;
    le32 rsdt; /* none */
    le32 length;
    le64 xsdt;
    uint8_t extended_checksum;
    uint8_t reserved[3];
} __attribute__((packed));
_Static_assert(sizeof(struct rsdp) == 36, "ACPI 6.5 table 5.3");

struct table_header {
    char signature[4];
    le32 length;
    uint8_t revision;
    uint8_t checksum;
    char oem_id[6];
    char oem_table_id[8];
    le32 oem_revision;
    char creator_id[4];
    le32 creator_revision;
} __attribute__((packed));
_Static_assert(sizeof(struct table_header) == 36, "ACPI 6.5 table 5.4");

/* Generic address structure. */
struct gas {
    uint8_t space; /* 0 memory, 1 I/O ports */
    uint8_t bit_width;
    uint8_t bit_offset;
    uint8_t access; /* 1: bytes */
    le64 address;
} __attribute__((packed));

/* Only the fields that hardware-reduced machines use have names. */
struct fadt {
    struct table_header header;
    uint8_t unused_1[73];
    le16 boot_arch; /* offset 109 */
    uint8_t unused_2;
    le32 flags;
    struct gas reset; /* offset 116 */
    uint8_t reset_value;
    uint8_t unused_3[2];
    uint8_t minor_revision;
    uint8_t unused_4[8];
    le64 x_dsdt; /* offset 140 */
    uint8_t unused_5[96];
    struct gas sleep_control; /* offset 244 */
    struct gas sleep_status;
    le64 hypervisor_id;
} __attribute__((packed));
_Static_assert(offsetof(struct fadt, boot_arch) == 109, "ACPI 6.5 table 5.9");
_Static_assert(offsetof(struct fadt, reset) == 116, "ACPI 6.5 table 5.9");
_Static_assert(offsetof(struct fadt, x_dsdt) == 140, "ACPI 6.5 table 5.9");
_Static_assert(offsetof(struct fadt, sleep_control) == 244, "ACPI 6.5 table 5.9");
_Static_assert(sizeof(struct fadt) == 276, "ACPI 6.5 table 5.9");

/* FADT flags, and IA-PC boot architecture flags. */
#define FADT_WBINVD          (1u << 0)
#define FADT_PROC_C1         (1u << 2)
#define FADT_NO_POWER_BUTTON (1u << 4)
#define FADT_NO_SLEEP_BUTTON (1u << 5)
#define FADT_RESET_REG       (1u << 10)
#define FADT_HW_REDUCED      (1u << 20)
#define BOOT_ARCH_NO_VGA     (1u << 2)
#define BOOT_ARCH_NO_RTC     (1u << 5)

struct madt {
    struct table_header header;
    le32 lapic;
    le32 flags;
} __attribute__((packed));
_Static_assert(sizeof(struct madt) == 44, "ACPI 6.5 table 5.19");

/* PCI Firmware 3.3 table 4-2: where the configuration space of some buses is. */
struct mcfg {
    struct table_header header;
    uint8_t reserved[8];
    le64 base;
    le16 segment;
    uint8_t bus_first, bus_last;
    uint8_t reserved_2[4];
} __attribute__((packed));
_Static_assert(sizeof(struct mcfg) == 60, "PCI Firmware 3.3 table 4-2");

struct madt_lapic {
    uint8_t type, length; /* 0, 8 */
    uint8_t uid;
    uint8_t apic_id;
    le32 flags; /* bit 0: enabled */
} __attribute__((packed));

struct madt_ioapic {
    uint8_t type, length; /* 1, 12 */
    uint8_t id;
    uint8_t reserved;
    le32 address;
    le32 gsi_base;
} __attribute__((packed));

/* Watchdog Action Table (Microsoft's "Hardware Watchdog Timers Design Specification"): how each
 * thing is done, as reads and writes. */
struct wdat {
    struct table_header header;
    le32 header_bytes; /* of what follows, but for the entries */
    le16 pci_segment;  /* 0xff: not on PCI */
    uint8_t pci_bus, pci_device, pci_function;
    uint8_t reserved_1[3];
    le32 period_ms;
    le32 count_max, count_min; /* of periods */
    uint8_t flags;             /* bit 0: there is one */
    uint8_t reserved_2[3];
    le32 entry_count;
} __attribute__((packed));
_Static_assert(sizeof(struct wdat) == 68, "header and 32 bytes");

struct wdat_entry {
    uint8_t action, instruction;
    le16 reserved;
    struct gas reg;
    le32 value, mask;
} __attribute__((packed));
_Static_assert(sizeof(struct wdat_entry) == 24, "24 bytes");

enum { WDAT_READ_VALUE, WDAT_READ_COUNT, WDAT_WRITE_VALUE, WDAT_WRITE_COUNT };

/* -- the frame around each table -- */

struct builder {
    struct aml out; /* a bounded buffer; tables other than the DSDT use it for its bounds alone */
    gpa_t base;
    struct acpi_tables tables;
};

static uint8_t checksum(const uint8_t *bytes, size_t len)
{
    uint8_t sum = 0;

    for (size_t i = 0; i < len; i++)
        sum = (uint8_t)(sum + bytes[i]);
    return (uint8_t)-sum;
}

/* Begins a table with that. */
static void begin(struct builder *b, const char *signature, const void *bytes, size_t size)
{
    assert(b->tables.count < ACPI_TABLES_MAX);
    while (b->out.size % TABLE_ALIGN != 0 && !b->out.full)
        aml_byte(&b->out, 0);
    b->tables.table[b->tables.count] = (struct acpi_table){signature, b->out.size, 0};
    aml_bytes(&b->out, bytes, size);
}

/* Ends a table and returns its address. */
static gpa_t end(struct builder *b)
{
    struct acpi_table *table = &b->tables.table[b->tables.count++];

    table->size = b->out.size - table->offset;
    return b->base + table->offset;
}

static struct table_header header_of(const char *signature, uint8_t revision)
{
    struct table_header header = {
        .revision = revision,
        .oem_revision = to_le32(1),
        .creator_revision = to_le32(1),
    };

    memcpy(header.signature, signature, 4);
    memcpy(header.oem_id, "LINNET", 6);
    memcpy(header.oem_table_id, "MACHINE ", 8);
    memcpy(header.creator_id, "LNNT", 4);
    return header;
}

/* Ends a table that starts with a table_header: sets its length and checksum. */
static gpa_t end_with_header(struct builder *b)
{
    uint8_t *at = b->out.bytes + b->tables.table[b->tables.count].offset;
    gpa_t address = end(b);
    size_t size = b->tables.table[b->tables.count - 1].size;
    le32 length = to_le32((uint32_t)size);

    if (b->out.full)
        return 0;
    memcpy(at + offsetof(struct table_header, length), &length, sizeof(length));
    at[offsetof(struct table_header, checksum)] = 0;
    at[offsetof(struct table_header, checksum)] = checksum(at, size);
    return address;
}

static gpa_t build_dsdt(struct builder *b, const struct platform *platform)
{
    struct table_header header = header_of("DSDT", 2);

    begin(b, "DSDT", &header, sizeof(header));
    dsdt_write(&b->out, platform);
    return end_with_header(b);
}

static struct gas byte_register(const struct platform_device *dev, unsigned offset)
{
    return (struct gas){
        .space = dev->port_io ? 1 : 0,
        .bit_width = 8,
        .access = 1,
        .address = to_le64(dev->base + offset),
    };
}

static gpa_t build_fadt(struct builder *b, const struct platform *platform, gpa_t dsdt)
{
    const struct platform_device *power = platform_find(platform, PLATFORM_POWER);
    uint32_t flags =
        FADT_WBINVD | FADT_PROC_C1 | FADT_NO_POWER_BUTTON | FADT_NO_SLEEP_BUTTON | FADT_HW_REDUCED;
    struct fadt fadt = {
        .header = header_of("FACP", 6),
        .boot_arch = to_le16(BOOT_ARCH_NO_VGA | BOOT_ARCH_NO_RTC), /* and no 8042 */
        .minor_revision = 5,
        .x_dsdt = to_le64(dsdt),
    };

    if (power != NULL) {
        flags |= FADT_RESET_REG;
        fadt.reset = byte_register(power, POWER_RESET);
        fadt.reset_value = POWER_RESET_VALUE;
        fadt.sleep_control = byte_register(power, POWER_SLEEP_CONTROL);
        fadt.sleep_status = byte_register(power, POWER_SLEEP_STATUS);
    }
    fadt.flags = to_le32(flags);
    begin(b, "FACP", &fadt, sizeof(fadt));
    return end_with_header(b);
}

static gpa_t build_madt(struct builder *b, const struct platform *platform)
{
    struct madt madt = {
        .header = header_of("APIC", 5),
        .lapic = to_le32(LAYOUT_LAPIC),
    };
    struct madt_ioapic ioapic = {
        .type = 1,
        .length = sizeof(ioapic),
        .address = to_le32(LAYOUT_IOAPIC),
    };

    assert(platform->cpu_count <= LAYOUT_CPUS_MAX); /* beyond, ids need x2APIC entries */
    begin(b, "APIC", &madt, sizeof(madt));
    for (unsigned i = 0; i < platform->cpu_count; i++) {
        struct madt_lapic lapic = {
            .length = sizeof(lapic),
            .uid = (uint8_t)i,
            .apic_id = (uint8_t)i,
            .flags = to_le32(1),
        };
        aml_bytes(&b->out, &lapic, sizeof(lapic));
    }
    aml_bytes(&b->out, &ioapic, sizeof(ioapic));
    return end_with_header(b);
}

/* The watchdog counts twice: a period is two of its ticks. */
static gpa_t build_wdat(struct builder *b, const struct platform_device *dev)
{
    static const struct {
        uint8_t action, instruction, reg;
        uint32_t value, mask;
    } rows[] = {
        {1, WDAT_WRITE_VALUE, WATCHDOG_CLEAR, 1, 1}, /* reset the timer */
        {5, WDAT_READ_COUNT, WATCHDOG_LOAD, 0, UINT32_MAX},
        {6, WDAT_WRITE_COUNT, WATCHDOG_LOAD, 0, UINT32_MAX},
        {8, WDAT_READ_VALUE, WATCHDOG_CONTROL, 3, 3},  /* is it running? */
        {9, WDAT_WRITE_VALUE, WATCHDOG_CONTROL, 3, 3}, /* run */
        {10, WDAT_READ_VALUE, WATCHDOG_CONTROL, 0, 3}, /* is it stopped? */
        {11, WDAT_WRITE_VALUE, WATCHDOG_CONTROL, 0, 3},
    };
    struct wdat wdat = {
        .header = header_of("WDAT", 1),
        .header_bytes = to_le32(sizeof(wdat) - sizeof(wdat.header)),
        .pci_segment = to_le16(0xff),
        .pci_bus = 0xff,
        .pci_device = 0xff,
        .pci_function = 0xff,
        .period_ms = to_le32(2 * 1000 / WATCHDOG_HZ),
        .count_max = to_le32(12 * 3600 * 1000 / 2),
        .count_min = to_le32(1),
        .flags = 1,
        .entry_count = to_le32(ARRAY_SIZE(rows)),
    };

    begin(b, "WDAT", &wdat, sizeof(wdat));
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct wdat_entry entry = {
            .action = rows[i].action,
            .instruction = rows[i].instruction,
            .reg = {.bit_width = 32, .access = 3, .address = to_le64(dev->base + rows[i].reg)},
            .value = to_le32(rows[i].value),
            .mask = to_le32(rows[i].mask),
        };
        aml_bytes(&b->out, &entry, sizeof(entry));
    }
    return end_with_header(b);
}

static gpa_t build_mcfg(struct builder *b, const struct platform_device *config)
{
    struct mcfg mcfg = {
        .header = header_of("MCFG", 1),
        .base = to_le64(config->base), /* of bus 0, which is all: Linux looks at each one named */
    };

    begin(b, "MCFG", &mcfg, sizeof(mcfg));
    return end_with_header(b);
}

/* Of addresses that are 0 there is no table. */
static gpa_t build_xsdt(struct builder *b, const gpa_t *tables, size_t count)
{
    struct table_header header = header_of("XSDT", 1);

    begin(b, "XSDT", &header, sizeof(header));
    for (size_t i = 0; i < count; i++) {
        le64 entry = to_le64(tables[i]);
        if (tables[i] != 0)
            aml_bytes(&b->out, &entry, sizeof(entry));
    }
    return end_with_header(b);
}

/* The first table of the buffer, written last, when the XSDT's address is known. */
static void fill_rsdp(struct builder *b, gpa_t xsdt)
{
    struct rsdp rsdp = {
        .revision = 2,
        .length = to_le32(sizeof(rsdp)),
        .xsdt = to_le64(xsdt),
    };

    memcpy(rsdp.signature, "RSD PTR ", 8);
    memcpy(rsdp.oem_id, "LINNET", 6);
    rsdp.checksum = checksum((const uint8_t *)&rsdp, 20);
    rsdp.extended_checksum = checksum((const uint8_t *)&rsdp, sizeof(rsdp));
    memcpy(b->out.bytes, &rsdp, sizeof(rsdp));
}

int acpi_build(const struct platform *platform, gpa_t base, uint8_t *buf, size_t capacity,
               struct acpi_tables *ret_tables)
{
    struct builder b = {.out = {.bytes = buf, .capacity = capacity}, .base = base};

    begin(&b, "RSDP", &(const struct rsdp){0}, sizeof(struct rsdp));
    (void)end(&b); /* its address is base */
    gpa_t dsdt = build_dsdt(&b, platform);
    gpa_t fadt = build_fadt(&b, platform, dsdt);
    gpa_t madt = build_madt(&b, platform);
    const struct platform_device *watchdog = platform_find(platform, PLATFORM_WATCHDOG);
    const struct platform_device *pci = platform_find(platform, PLATFORM_PCI);
    const gpa_t all[] = {
        fadt,
        madt,
        watchdog != NULL ? build_wdat(&b, watchdog) : 0,
        pci != NULL ? build_mcfg(&b, pci) : 0,
    };
    gpa_t xsdt = build_xsdt(&b, all, ARRAY_SIZE(all));
    if (b.out.full)
        return -ENOSPC;
    fill_rsdp(&b, xsdt);
    b.tables.size = b.out.size;
    *ret_tables = b.tables;
    return 0;
}
