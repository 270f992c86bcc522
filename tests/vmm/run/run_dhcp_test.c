/* SPDX-License-Identifier: BSD-3-Clause */
/* What init in the guest says and hears to get an address. */
#include "vmm/run/guest/dhcp.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static const struct dhcp_client client = {.id = 0x04030201, .mac = {2, 3, 4, 5, 6, 7}};
static struct dhcp_lease lease;
static uint8_t packet[512];
static size_t size;

/* An answer as a server writes it, with the least IP head: in `packet`, `size`. */
static void answer(int type)
{
    static const uint8_t options[] = {
        99,  130, 83,  99,                        /* magic */
        53,  1,   0,                              /* type, below */
        0,   0,                                   /* padding */
        1,   4,   255, 255, 255, 0,               /* mask */
        3,   8,   10,  0,   0,   2,  10, 0, 0, 3, /* routers: the first counts */
        6,   8,   10,  0,   0,   53, 1,  1, 1, 1, /* name servers */
        26,  2,   5,   220,                       /* an option that nobody wants */
        54,  4,   10,  0,   0,   1,               /* server */
        255,
    };

    memset(packet, 0, sizeof(packet));
    memset(&lease, 0, sizeof(lease));
    packet[0] = 0x45;
    packet[9] = 17;
    packet[20 + 1] = 67;
    packet[20 + 3] = 68;
    packet[28] = 2;
    memcpy(packet + 32, (const uint8_t[]){1, 2, 3, 4}, 4);
    memcpy(packet + 44, (const uint8_t[]){10, 0, 0, 15}, 4);
    memcpy(packet + 56, client.mac, 6);
    memcpy(packet + 264, options, sizeof(options));
    packet[264 + 6] = (uint8_t)type;
    size = 264 + sizeof(options);
    packet[2] = (uint8_t)(size >> 8);
    packet[3] = (uint8_t)size;
}

static bool hear(int type)
{
    return dhcp_read(&client, type, packet, size, &lease);
}

START_TEST(discover_is_said_to_all)
{
    dhcp_write(&client, DHCP_DISCOVER, NULL, packet);
    ck_assert_mem_eq(packet, "\x45\0\1\x4c\0\0\0\0\x40\x11\x79\xa2\0\0\0\0\xff\xff\xff\xff", 20);
    ck_assert_mem_eq(packet + 20, "\0\x44\0\x43\1\x38\0\0", 8);
    ck_assert_mem_eq(packet + 28, "\1\1\6\0\1\2\3\4\0\0\x80\0", 12);
    ck_assert_mem_eq(packet + 56, client.mac, 6);
    ck_assert_mem_eq(packet + 264, "\x63\x82\x53\x63\x35\1\1\x37\3\1\3\6\xff", 13);
}
END_TEST

START_TEST(request_names_what_was_offered)
{
    answer(DHCP_OFFER);
    ck_assert(hear(DHCP_OFFER));
    dhcp_write(&client, DHCP_REQUEST, &lease, packet);
    ck_assert_mem_eq(packet + 268, "\x35\1\3\x37\3\1\3\6\x32\4\12\0\0\17\x36\4\12\0\0\1\xff", 21);
}
END_TEST

START_TEST(answer_is_a_lease)
{
    answer(DHCP_ACK);
    ck_assert(hear(DHCP_ACK));
    ck_assert_mem_eq(&lease.address, "\12\0\0\17", 4);
    ck_assert_mem_eq(&lease.mask, "\xff\xff\xff\0", 4);
    ck_assert_mem_eq(&lease.router, "\12\0\0\2", 4);
    ck_assert_mem_eq(&lease.server, "\12\0\0\1", 4);
    ck_assert_mem_eq(lease.names, "\12\0\0\x35\1\1\1\1\0\0\0\0", 12);
}
END_TEST

START_TEST(ip_head_with_options_is_skipped)
{
    answer(DHCP_ACK);
    memmove(packet + 24, packet + 20, size - 20);
    packet[0] = 0x46;
    size += 4;
    packet[2] = (uint8_t)(size >> 8);
    packet[3] = (uint8_t)size;
    size += 18; /* padded by the link */
    ck_assert(hear(DHCP_ACK));
    ck_assert_mem_eq(&lease.router, "\12\0\0\2", 4);
}
END_TEST

/* A byte that makes it something else. */
static const struct {
    size_t at;
    uint8_t value;
} wrong[] = {
    {0, 0x65}, {0, 0x44}, {0, 0x4f},  {9, 6},   {20 + 3, 67},
    {28, 1},   {32, 9},   {56, 0xff}, {264, 0}, {270, 2},
};

START_TEST(what_is_not_for_us_is_not_taken)
{
    answer(DHCP_ACK);
    packet[wrong[_i].at] = wrong[_i].value;
    ck_assert(!hear(DHCP_ACK));
    ck_assert_uint_eq(lease.address, 0);
}
END_TEST

START_TEST(answer_without_an_address_is_none)
{
    answer(DHCP_ACK);
    memset(packet + 44, 0, 4);
    ck_assert(!hear(DHCP_ACK));
}
END_TEST

/* Each shorter one is refused, or ends before an option; memory behind it is never looked at. */
START_TEST(packet_may_end_anywhere)
{
    answer(DHCP_ACK);
    const size_t whole = size;
    for (size = 0; size < whole; size++) {
        uint8_t *copy = malloc(size + 1);
        ck_assert_ptr_nonnull(copy);
        memcpy(copy, packet, size);
        if (size >= 4) {
            copy[2] = (uint8_t)(size >> 8);
            copy[3] = (uint8_t)size;
        }
        uint8_t *exact = realloc(copy, size == 0 ? 1 : size);
        bool taken = dhcp_read(&client, DHCP_ACK, exact, size, &lease);
        ck_assert(!taken || size >= 264 + 7);
        free(exact);
    }
}
END_TEST

START_TEST(length_beyond_the_packet_is_refused)
{
    answer(DHCP_ACK);
    size--;
    ck_assert(!hear(DHCP_ACK));
}
END_TEST

Suite *run_dhcp_suite(void);
Suite *run_dhcp_suite(void)
{
    Suite *suite = suite_create("run_dhcp");
    TCase *tc = tcase_create("dhcp");

    tcase_add_test(tc, discover_is_said_to_all);
    tcase_add_test(tc, request_names_what_was_offered);
    tcase_add_test(tc, answer_is_a_lease);
    tcase_add_test(tc, ip_head_with_options_is_skipped);
    tcase_add_loop_test(tc, what_is_not_for_us_is_not_taken, 0, sizeof(wrong) / sizeof(wrong[0]));
    tcase_add_test(tc, answer_without_an_address_is_none);
    tcase_add_test(tc, packet_may_end_anywhere);
    tcase_add_test(tc, length_beyond_the_packet_is_refused);
    suite_add_tcase(suite, tc);
    return suite;
}
