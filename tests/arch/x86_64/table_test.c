/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ACPI tables: every length, checksum and field that a hardware-reduced guest reads (ACPI 6.5
 * chapter 5), written out by hand; and iasl's opinion of all of them.
 */
#include "arch/arch.h"
#include "arch/x86_64/table.h"
#include "arch/x86_64/x86_64.h"
#include "tests/fake_kernel.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#define BASE 0xe0000

static struct platform platform;
static uint8_t buf[65536];
static struct acpi_tables tables;

static void add(struct platform_device device)
{
    platform.device[platform.device_count++] = device;
}

static void add_virtio(unsigned slot, uint32_t irq)
{
    add((struct platform_device){.kind = PLATFORM_VIRTIO,
                                 .index = slot,
                                 .base = 0xd0000000 + slot * 0x1000,
                                 .size = 0x200,
                                 .irq = irq});
}

static void setup(void)
{
    platform = (struct platform){.cpu_count = 2};
    memset(buf, 0xcc, sizeof(buf));
}

/* A machine with all that linnet has. */
static void whole_machine(void)
{
    for (unsigned i = 0; i < x86_64_layout.fixed_count; i++)
        add(x86_64_layout.fixed[i]);
    add(*x86_64_layout.watchdog);
    for (unsigned i = 0; i < x86_64_layout.virtio_slots; i++)
        add_virtio(i, x86_64_layout.virtio_irqs[i]);
    add((struct platform_device){.kind = PLATFORM_PCI, .base = 0xe0000000, .size = 0x100000});
}

static void build(void)
{
    ck_assert_int_eq(acpi_build(&platform, BASE, buf, sizeof(buf), &tables), 0);
}

static uint8_t sum(const uint8_t *bytes, size_t len)
{
    unsigned total = 0;

    for (size_t i = 0; i < len; i++)
        total += bytes[i];
    return (uint8_t)total;
}

/* The table with this signature, reached as a guest does: RSDP, XSDT, and from the FADT the DSDT.
 */
static const uint8_t *table(const char *signature)
{
    const uint8_t *xsdt = buf + (get64(buf, 24) - BASE);

    if (strcmp(signature, "XSDT") == 0)
        return xsdt;
    for (size_t at = 36; at < get32(xsdt, 4); at += 8) {
        const uint8_t *found = buf + (get64(xsdt, at) - BASE);
        if (memcmp(found, signature, 4) == 0)
            return found;
        if (memcmp(found, "FACP", 4) == 0 && strcmp(signature, "DSDT") == 0)
            return buf + (get64(found, 140) - BASE);
    }
    ck_abort_msg("no %s", signature);
}

/* True if the DSDT contains these bytes. */
static bool dsdt_has(const void *bytes, size_t len)
{
    const uint8_t *dsdt = table("DSDT");

    return memmem(dsdt, get32(dsdt, 4), bytes, len) != NULL;
}

START_TEST(root_pointer_has_both_checksums_and_only_an_xsdt)
{
    whole_machine();
    build();
    ck_assert_mem_eq(buf, "RSD PTR ", 8);
    ck_assert_uint_eq(sum(buf, 20), 0);
    ck_assert_uint_eq(sum(buf, 36), 0);
    ck_assert_mem_eq(buf + 9, "LINNET", 6);
    ck_assert_uint_eq(buf[15], 2);        /* revision */
    ck_assert_uint_eq(get32(buf, 16), 0); /* no RSDT */
    ck_assert_uint_eq(get32(buf, 20), 36);
    ck_assert_mem_eq(table("XSDT"), "XSDT", 4);
}
END_TEST

static const struct {
    const char *signature;
    uint32_t size; /* of a machine with two CPUs; 0: varies */
    uint8_t revision;
} headers[] = {{"XSDT", 68, 1}, {"FACP", 276, 6},         {"APIC", 44 + 2 * 8 + 12, 5},
               {"DSDT", 0, 2},  {"WDAT", 68 + 7 * 24, 1}, {"MCFG", 60, 1}};

START_TEST(headers_are_ours_and_sum_up_to_zero)
{
    whole_machine();
    build();
    const uint8_t *t = table(headers[_i].signature);
    ck_assert_mem_eq(t, headers[_i].signature, 4);
    ck_assert(headers[_i].size == 0 || get32(t, 4) == headers[_i].size);
    ck_assert_uint_eq(t[8], headers[_i].revision);
    ck_assert_uint_eq(sum(t, get32(t, 4)), 0);
    ck_assert_mem_eq(t + 10, "LINNETMACHINE ", 14);
    ck_assert_uint_eq((uintptr_t)(t - buf) % 16, 0);
}
END_TEST

START_TEST(list_of_tables_matches_the_buffer)
{
    whole_machine();
    build();
    ck_assert_uint_eq(tables.count, 7);
    ck_assert_str_eq(tables.table[0].signature, "RSDP");
    ck_assert_uint_eq(tables.table[0].offset, 0);
    ck_assert_uint_eq(tables.table[0].size, 36);
    for (unsigned i = 1; i < tables.count; i++) {
        const uint8_t *t = buf + tables.table[i].offset;
        ck_assert_mem_eq(t, tables.table[i].signature, 4);
        ck_assert_uint_eq(get32(t, 4), tables.table[i].size);
    }
    ck_assert_uint_eq(tables.size, tables.table[6].offset + tables.table[6].size);
    ck_assert_uint_eq(buf[tables.size], 0xcc);
}
END_TEST

START_TEST(fadt_is_hardware_reduced_with_sleep_and_reset_ports)
{
    static const uint8_t control[] = {1, 8, 0, 1, 0x00, 0x06, 0, 0, 0, 0, 0, 0};
    static const uint8_t status[] = {1, 8, 0, 1, 0x01, 0x06, 0, 0, 0, 0, 0, 0};
    static const uint8_t reset[] = {1, 8, 0, 1, 0x02, 0x06, 0, 0, 0, 0, 0, 0};

    whole_machine();
    build();
    const uint8_t *fadt = table("FACP");
    ck_assert_uint_eq(get16(fadt, 109), 0x0024); /* no VGA, no RTC; no 8042 */
    /* WBINVD, C1, no fixed power and sleep buttons, reset register, hardware-reduced. */
    ck_assert_uint_eq(get32(fadt, 112), 1 | 1 << 2 | 1 << 4 | 1 << 5 | 1 << 10 | 1 << 20);
    ck_assert_mem_eq(fadt + 116, reset, 12);
    ck_assert_uint_eq(fadt[128], 0x01); /* what resets */
    ck_assert_mem_eq(fadt + 244, control, 12);
    ck_assert_mem_eq(fadt + 256, status, 12);
    ck_assert_uint_eq(get32(fadt, 40), 0); /* the DSDT's 32-bit address is left to the other */
    for (size_t at = 46; at < 109; at++)
        ck_assert_uint_eq(fadt[at], 0); /* no SCI, no fixed registers */
}
END_TEST

START_TEST(without_power_device_there_is_no_way_to_sleep_or_reset)
{
    add_virtio(0, 5);
    build();
    const uint8_t *fadt = table("FACP");
    ck_assert_uint_eq(get32(fadt, 112) & 1 << 10, 0);
    for (size_t at = 116; at < 129; at++)
        ck_assert_uint_eq(fadt[at], 0);
    for (size_t at = 244; at < 268; at++)
        ck_assert_uint_eq(fadt[at], 0);
    ck_assert(!dsdt_has("_S5_", 4));
}
END_TEST

static const unsigned cpu_counts[] = {1, 4, 64};

START_TEST(madt_has_each_cpu_and_the_ioapic)
{
    platform.cpu_count = cpu_counts[_i];
    build();
    const uint8_t *madt = table("APIC");
    ck_assert_uint_eq(get32(madt, 4), 44 + 8 * cpu_counts[_i] + 12);
    ck_assert_uint_eq(get32(madt, 36), 0xfee00000);
    ck_assert_uint_eq(get32(madt, 40), 0); /* no 8259 */
    for (unsigned i = 0; i < cpu_counts[_i]; i++) {
        const uint8_t want[] = {0, 8, (uint8_t)i, (uint8_t)i, 1, 0, 0, 0};
        ck_assert_mem_eq(madt + 44 + (size_t)8 * i, want, 8);
    }
    static const uint8_t ioapic[] = {1, 12, 0, 0, 0x00, 0x00, 0xc0, 0xfe, 0, 0, 0, 0};
    ck_assert_mem_eq(madt + 44 + (size_t)8 * cpu_counts[_i], ioapic, 12);
}
END_TEST

/* proves: MMIO-35 */
START_TEST(virtio_slot_is_a_device_with_memory_and_edge_interrupt)
{
    static const uint8_t want[] = {
        0x5b, 0x82, 0x85, 0x04, 0x00, 'V',  '0',  '1',  '2', /* Device (V012) */
        0x08, '_',  'H',  'I',  'D',  0x0d, 'L',  'N',  'R',  'O',  '0',  '0',  '0',
        '5',  0x00, 0x08, '_',  'U',  'I',  'D',  0x0a, 12,   0x08, '_',  'C',  'C',
        'A',  0x01, 0x08, '_',  'C',  'R',  'S',  0x11, 0x8c, 0x01, 0x00, 0x0a, 0x17,
        0x86, 0x09, 0x00, 0x01, 0x00, 0xc0, 0x00, 0xd0, 0x00, 0x02, 0x00, 0x00, 0x89,
        0x06, 0x00, 0x0b, 0x01, 17,   0x00, 0x00, 0x00, 0x79, 0x00,
    };

    add_virtio(12, 17);
    build();
    ck_assert(dsdt_has(want, sizeof(want)));
}
END_TEST

START_TEST(serial_port_is_a_pnp0501_with_interrupt_4)
{
    static const uint8_t want[] = {
        'S',  '0',  '0',  '0',  0x08, '_',  'H',  'I',  'D',  0x0c, 0x41, 0xd0, 0x05,
        0x01, 0x08, '_',  'U',  'I',  'D',  0x00, 0x08, '_',  'C',  'R',  'S',  0x11,
        0x88, 0x01, 0x00, 0x0a, 0x13, 0x47, 0x01, 0xf8, 0x03, 0xf8, 0x03, 0x01, 0x08,
        0x89, 0x06, 0x00, 0x03, 0x01, 0x04, 0x00, 0x00, 0x00, 0x79, 0x00,
    };

    whole_machine();
    build();
    ck_assert(dsdt_has(want, sizeof(want)));
}
END_TEST

START_TEST(pvpanic_is_a_qemu0001_with_one_port)
{
    static const uint8_t want[] = {
        'P',  '0',  '0',  '0',  0x08, '_',  'H',  'I',  'D',  0x0d, 'Q',  'E',
        'M',  'U',  '0',  '0',  '0',  '1',  0x00, 0x08, '_',  'U',  'I',  'D',
        0x00, 0x08, '_',  'C',  'R',  'S',  0x11, 0x8f, 0x00, 0x00, 0x0a, 0x0a,
        0x47, 0x01, 0x05, 0x05, 0x05, 0x05, 0x01, 0x01, 0x79, 0x00,
    };

    whole_machine();
    build();
    ck_assert(dsdt_has(want, sizeof(want)));
}
END_TEST

/* Linux finds a cpuidle driver by it. */
START_TEST(each_processor_has_one_idle_state)
{
    static const uint8_t want[] = {
        'C',  '0',  '0',  '1',  0x08, '_',  'H',  'I',  'D',  0x0d, 'A',  'C',
        'P',  'I',  '0',  '0',  '0',  '7',  0x00, 0x08, '_',  'U',  'I',  'D',
        0x01, 0x08, '_',  'C',  'S',  'T',  0x12, 0x84, 0x02, 0x00, 0x02, 0x01, /* one state: */
        0x12, 0x8e, 0x01, 0x00, 0x04, 0x11, 0x86, 0x01, 0x00, 0x0a, 0x11,       /* 17 bytes: */
        0x82, 0x0c, 0x00, 0x7f, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x79, 0x00, 0x01, 0x01, 0x00, /* C1, 1 us, 0 mW */
    };

    whole_machine();
    build();
    ck_assert(dsdt_has(want, sizeof(want)));
    ck_assert(dsdt_has("C000", 4));
    ck_assert(!dsdt_has("C002", 4));
}
END_TEST

START_TEST(power_off_is_sleep_type_5)
{
    static const uint8_t want[] = {0x08, '_',  'S',  '5',  '_',  0x12, 0x89, 0x00,
                                   0x00, 0x04, 0x0a, 0x05, 0x00, 0x00, 0x00};

    whole_machine();
    build();
    ck_assert(dsdt_has(want, sizeof(want)));
}
END_TEST

START_TEST(a_slots_device_does_not_depend_on_the_others)
{
    static const uint8_t name[] = {'V', '0', '0', '3'};

    add_virtio(3, x86_64_layout.virtio_irqs[3]);
    build();
    const uint8_t *dsdt = table("DSDT");
    const uint8_t *alone = memmem(dsdt, get32(dsdt, 4), name, 4);
    uint8_t bytes[66];
    ck_assert_ptr_nonnull(alone);
    memcpy(bytes, alone, sizeof(bytes));
    setup();
    whole_machine();
    build();
    ck_assert(dsdt_has(bytes, sizeof(bytes)));
}
END_TEST

START_TEST(no_slot_has_a_pin_that_is_not_for_it)
{
    bool taken[24] = {
        [0] = true, [1] = true, [2] = true, [4] = true /* COM1 */, [8] = true, [9] = true};

    ck_assert_uint_eq(x86_64_layout.virtio_slots, 32);
    for (unsigned i = 0; i < x86_64_layout.virtio_slots; i++) {
        ck_assert_uint_lt(x86_64_layout.virtio_irqs[i], 24);
        ck_assert(!taken[x86_64_layout.virtio_irqs[i]]);
    }
}
END_TEST

/* Each instruction: action, instruction, register, value, mask. */
START_TEST(wdat_drives_the_watchdog)
{
    static const uint32_t want[][5] = {
        {1, 2, 0xc, 1, 1}, {5, 1, 0, 0, 0xffffffff}, {6, 3, 0, 0, 0xffffffff}, {8, 0, 8, 3, 3},
        {9, 2, 8, 3, 3},   {10, 0, 8, 0, 3},         {11, 2, 8, 0, 3},
    };

    add(*x86_64_layout.watchdog);
    build();
    const uint8_t *wdat = table("WDAT");
    ck_assert_uint_eq(get32(wdat, 4), 68 + 24 * ARRAY_SIZE(want));
    ck_assert_uint_eq(get32(wdat, 36), 32);
    ck_assert_mem_eq(wdat + 40, "\xff\0\xff\xff\xff", 5); /* not on PCI */
    ck_assert_uint_eq(get32(wdat, 48), 2);                /* ms */
    ck_assert_uint_eq(get32(wdat, 56), 1);
    ck_assert_uint_eq(wdat[60], 1); /* enabled */
    ck_assert_uint_eq(get32(wdat, 64), ARRAY_SIZE(want));
    for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
        const uint8_t *entry = wdat + 68 + 24 * i;
        ck_assert_uint_eq(entry[0], want[i][0]);
        ck_assert_uint_eq(entry[1], want[i][1]);
        ck_assert_mem_eq(entry + 4, "\0\x20\0\3", 4); /* memory, 32 bits, by 32 bits */
        ck_assert_uint_eq(get64(entry, 8), 0xfea00000 + want[i][2]);
        ck_assert_uint_eq(get32(entry, 16), want[i][3]);
        ck_assert_uint_eq(get32(entry, 20), want[i][4]);
    }
}
END_TEST

START_TEST(same_machine_same_bytes)
{
    static uint8_t first[sizeof(buf)];

    whole_machine();
    build();
    memcpy(first, buf, sizeof(buf));
    memset(buf, 0xcc, sizeof(buf));
    build();
    ck_assert_mem_eq(buf, first, sizeof(buf));
}
END_TEST

START_TEST(small_buffer_is_enospc_and_not_overrun)
{
    whole_machine();
    build();
    for (size_t capacity = 0; capacity < tables.size; capacity++) {
        struct acpi_tables unused = {.count = 99};
        buf[capacity] = 0xcc;
        ck_assert_int_eq(acpi_build(&platform, BASE, buf, capacity, &unused), -ENOSPC);
        ck_assert_uint_eq(buf[capacity], 0xcc);
        ck_assert_uint_eq(unused.count, 99);
    }
    ck_assert_int_eq(acpi_build(&platform, BASE, buf, tables.size, &tables), 0);
}
END_TEST

/* The words that boot stock kernels: a root bridge by PNP0A03 with one bus and its window, ECAM
 * reserved by a PNP0C02 device and named by the MCFG. */
START_TEST(pci_bus_is_described)
{
    static const uint8_t bridge[] = {
        0x08, '_', 'H', 'I', 'D', 0x0c, 0x41, 0xd0, 0x0a, 0x03, /* PNP0A03 */
    };
    static const uint8_t resources[] = {
        0x88, 13,   0, 2, 0x0c, 0, 0, 0, 0, 0, 0,    0, 0, 0,    1,    0, /* bus 0 */
        0x87, 23,   0, 0, 0x0c, 1, 0, 0, 0, 0, 0,    0, 0, 0xe1, 0xff, 0xff,
        0xff, 0xe1, 0, 0, 0,    0, 0, 0, 0, 1, 0x79, 0};
    static const uint8_t reserved[] = {0x0c, 0x41, 0xd0, 0x0c, 0x02}; /* PNP0C02 */
    static const uint8_t ecam[] = {0x86, 9, 0, 1, 0, 0, 0, 0xe0, 0, 0, 0x10, 0, 0x79, 0};

    whole_machine();
    build();
    ck_assert(dsdt_has(bridge, sizeof(bridge)));
    ck_assert(dsdt_has(resources, sizeof(resources)));
    ck_assert(dsdt_has(reserved, sizeof(reserved)));
    ck_assert(dsdt_has(ecam, sizeof(ecam)));
    const uint8_t *mcfg = table("MCFG");
    ck_assert_uint_eq(get64(mcfg, 44), 0xe0000000);
    ck_assert_uint_eq(get64(mcfg, 52), 0); /* segment 0, buses 0 to 0 */
}
END_TEST

START_TEST(without_a_pci_bus_nothing_is_said_of_one)
{
    add_virtio(0, 5);
    build();
    ck_assert_uint_eq(tables.count, 5);
    ck_assert_uint_eq(get32(table("XSDT"), 4), 52);
    ck_assert(!dsdt_has("PCI0", 4));
}
END_TEST

/* -- iasl, ACPICA's compiler and disassembler -- */

/* Runs a command in `folder`; its output is in folder/log. */
static int run(const char *folder, const char *command)
{
    char line[512];

    (void)snprintf(line, sizeof(line), "cd %s && { %s; } >>log 2>&1", folder, command);
    return system(line);
}

static void write_table(const char *folder, const struct acpi_table *t)
{
    char path[256];

    (void)snprintf(path, sizeof(path), "%s/%s.dat", folder, t->signature);
    FILE *file = fopen(path, "wb");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(buf + t->offset, 1, t->size, file), t->size);
    ck_assert_int_eq(fclose(file), 0);
}

/* Disassembled, and compiled again from that: the same table, with no complaint either way. */
START_TEST(iasl_reads_every_table_and_finds_nothing_to_say)
{
    char folder[] = "/tmp/linnet-acpi-XXXXXX";

    whole_machine();
    build();
    ck_assert_ptr_nonnull(mkdtemp(folder));
    for (unsigned i = 1; i < tables.count; i++)
        write_table(folder, &tables.table[i]);
    ck_assert_msg(run(folder, "command -v iasl") == 0, "iasl (acpica-tools) is not installed");
    ck_assert_int_eq(run(folder, "for t in *.dat; do iasl -d $t || exit; done"), 0);
    ck_assert_int_eq(run(folder, "for t in *.dsl; do iasl -p new-${t%.dsl} $t || exit; done"), 0);
    /* iasl signs with its own name: checksum, creator and creator revision differ. */
    ck_assert_int_eq(
        run(folder, "for t in FACP APIC WDAT MCFG XSDT; do test -z \"$(cmp -l new-$t.aml $t.dat |"
                    " awk '$1 != 10 && ($1 < 29 || $1 > 36)')\" || exit; done"),
        0);
    ck_assert_int_eq(run(folder, "test $(grep -c '0 Errors, 0 Warnings, 0 Remarks' log) = 6"), 0);
    ck_assert_int_eq(run(folder, "! grep -iE 'invalid|incorrect|unexpected|unknown' log"), 0);
    (void)run(folder, "rm -f *.dat *.dsl *.aml log");
    (void)rmdir(folder);
}
END_TEST

Suite *table_suite(void);
Suite *table_suite(void)
{
    Suite *suite = suite_create("table");
    TCase *tcase = tcase_create("table");

    tcase_add_checked_fixture(tcase, setup, NULL);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, root_pointer_has_both_checksums_and_only_an_xsdt);
    tcase_add_loop_test(tcase, headers_are_ours_and_sum_up_to_zero, 0, ARRAY_SIZE(headers));
    tcase_add_test(tcase, list_of_tables_matches_the_buffer);
    tcase_add_test(tcase, fadt_is_hardware_reduced_with_sleep_and_reset_ports);
    tcase_add_test(tcase, without_power_device_there_is_no_way_to_sleep_or_reset);
    tcase_add_loop_test(tcase, madt_has_each_cpu_and_the_ioapic, 0, ARRAY_SIZE(cpu_counts));
    tcase_add_test(tcase, virtio_slot_is_a_device_with_memory_and_edge_interrupt);
    tcase_add_test(tcase, serial_port_is_a_pnp0501_with_interrupt_4);
    tcase_add_test(tcase, pvpanic_is_a_qemu0001_with_one_port);
    tcase_add_test(tcase, pci_bus_is_described);
    tcase_add_test(tcase, without_a_pci_bus_nothing_is_said_of_one);
    tcase_add_test(tcase, power_off_is_sleep_type_5);
    tcase_add_test(tcase, each_processor_has_one_idle_state);
    tcase_add_test(tcase, a_slots_device_does_not_depend_on_the_others);
    tcase_add_test(tcase, no_slot_has_a_pin_that_is_not_for_it);
    tcase_add_test(tcase, same_machine_same_bytes);
    tcase_add_test(tcase, small_buffer_is_enospc_and_not_overrun);
    tcase_add_test(tcase, wdat_drives_the_watchdog);
    tcase_add_test(tcase, iasl_reads_every_table_and_finds_nothing_to_say);
    suite_add_tcase(suite, tcase);
    return suite;
}
