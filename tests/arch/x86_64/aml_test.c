/* SPDX-License-Identifier: BSD-3-Clause */
/* Each term of the AML writer against the bytes that ACPI 6.5 §20.2 and §6.4 give for it. */
#include "arch/x86_64/aml.h"

#include <check.h>
#include <string.h>

static uint8_t buf[8192];
static struct aml aml;

static void setup(void)
{
    memset(buf, 0xcc, sizeof(buf));
    aml = (struct aml){.bytes = buf, .capacity = sizeof(buf)};
}

#define WROTE(...)                                                                                 \
    do {                                                                                           \
        static const uint8_t want_[] = {__VA_ARGS__};                                              \
        ck_assert_uint_eq(aml.size, sizeof(want_));                                                \
        ck_assert_mem_eq(buf, want_, sizeof(want_));                                               \
        ck_assert_uint_eq(buf[sizeof(want_)], 0xcc);                                               \
        ck_assert(!aml.full);                                                                      \
        aml.size = 0;                                                                              \
    } while (0)

START_TEST(integers_take_their_shortest_form)
{
    aml_int(&aml, 0);
    aml_int(&aml, 1);
    aml_int(&aml, 2);
    aml_int(&aml, 0xff);
    WROTE(0x00, 0x01, 0x0a, 0x02, 0x0a, 0xff);
    aml_int(&aml, 0x100);
    aml_int(&aml, 0xffff);
    WROTE(0x0b, 0x00, 0x01, 0x0b, 0xff, 0xff);
    aml_int(&aml, 0x10000);
    aml_int(&aml, 0xfedcba98);
    WROTE(0x0c, 0x00, 0x00, 0x01, 0x00, 0x0c, 0x98, 0xba, 0xdc, 0xfe);
}
END_TEST

START_TEST(string_and_name)
{
    aml_name(&aml, "_HID");
    aml_string(&aml, "AB1");
    WROTE(0x08, '_', 'H', 'I', 'D', 0x0d, 'A', 'B', '1', 0x00);
}
END_TEST

START_TEST(device_and_scope_have_their_length)
{
    size_t scope = aml_scope_open(&aml, "_SB_");
    size_t device = aml_device_open(&aml, "ABCD");
    aml_close(&aml, device);
    aml_close(&aml, scope);
    /* Lengths in three bytes: 0x80 + low nibble, then 8 bits each; they count themselves. */
    WROTE(0x10, 0x81, 0x01, 0x00, '\\', '_', 'S', 'B', '_', 0x5b, 0x82, 0x87, 0x00, 0x00, 'A', 'B',
          'C', 'D');
}
END_TEST

START_TEST(long_length_is_split_into_nibble_and_bytes)
{
    size_t device = aml_device_open(&aml, "ABCD");
    for (unsigned i = 0; i < 0x1234 - 7; i++)
        aml_byte(&aml, 0);
    aml_close(&aml, device);
    static const uint8_t want[] = {0x5b, 0x82, 0x84, 0x23, 0x01, 'A', 'B', 'C', 'D'};
    ck_assert_mem_eq(buf, want, sizeof(want));
}
END_TEST

START_TEST(package_has_its_element_count)
{
    size_t package = aml_package_open(&aml, 2);
    aml_int(&aml, 5);
    aml_int(&aml, 0);
    aml_close(&aml, package);
    WROTE(0x12, 0x87, 0x00, 0x00, 0x02, 0x0a, 0x05, 0x00);
}
END_TEST

START_TEST(resources_end_with_a_tag_and_know_their_size)
{
    size_t crs = aml_resources_open(&aml);
    aml_resource_ports(&aml, 0x3f8, 8);
    aml_resource_memory(&aml, 0xd0001000, 0x200);
    aml_resource_irq(&aml, 23, false);
    aml_resources_close(&aml, crs);
    WROTE(0x11, 0x84, 0x02, 0x00, 0x0a, 0x1f,             /* Buffer (0x1f) */
          0x47, 0x01, 0xf8, 0x03, 0xf8, 0x03, 0x01, 0x08, /* IO (Decode16, ...) */
          0x86, 0x09, 0x00, 0x01, 0x00, 0x10, 0x00, 0xd0, 0x00, 0x02, 0x00, 0x00, /* memory */
          0x89, 0x06, 0x00, 0x03, 0x01, 0x17, 0x00, 0x00, 0x00, /* Interrupt, edge */
          0x79, 0x00);
}
END_TEST

START_TEST(nothing_is_written_behind_the_buffer)
{
    for (size_t capacity = 0; capacity < 60; capacity++) {
        setup();
        aml.capacity = capacity;
        size_t device = aml_device_open(&aml, "ABCD");
        aml_name(&aml, "_CRS");
        size_t crs = aml_resources_open(&aml);
        aml_resource_memory(&aml, 0xd0001000, 0x200);
        aml_resource_irq(&aml, 23, false);
        aml_resources_close(&aml, crs);
        aml_close(&aml, device);
        ck_assert(aml.size <= capacity);
        ck_assert_int_eq(aml.full, capacity < 43);
        ck_assert_uint_eq(buf[capacity], 0xcc);
    }
}
END_TEST

Suite *aml_suite(void);
Suite *aml_suite(void)
{
    Suite *suite = suite_create("aml");
    TCase *tcase = tcase_create("aml");

    tcase_add_checked_fixture(tcase, setup, NULL);
    tcase_add_test(tcase, integers_take_their_shortest_form);
    tcase_add_test(tcase, string_and_name);
    tcase_add_test(tcase, device_and_scope_have_their_length);
    tcase_add_test(tcase, long_length_is_split_into_nibble_and_bytes);
    tcase_add_test(tcase, package_has_its_element_count);
    tcase_add_test(tcase, resources_end_with_a_tag_and_know_their_size);
    tcase_add_test(tcase, nothing_is_written_behind_the_buffer);
    suite_add_tcase(suite, tcase);
    return suite;
}
