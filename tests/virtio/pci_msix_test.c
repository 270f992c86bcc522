/* SPDX-License-Identifier: BSD-3-Clause */
/* A virtio function's news: kicks, messages, and what holds them back (virtio 1.2 §4.1.5; PCI 3.0
 * §6.8.2). */
#include "tests/virtio/pci_fixture.h"

/* proves: PCI-33, PCI-34, PCI-49 */
START_TEST(kicks_and_messages)
{
    start(FAKE_VERSION_1);
    ping(0, 0x41);
    ping(1, 0x42);
    bar_wr(QUEUE_SELECT, 0, 2);
    bar_wr(QUEUE_VECTOR, 2, 2); /* both share one */
    ping(0, 0x42);
    offer(0);
    bar_wr(NOTIFY, 0x12340000, 4); /* the address says which queue */
    wait_used(0);
    bar_wr(NOTIFY + 8, 2, 2); /* and this is none */
    bar_wr(NOTIFY + 0xffe, 0, 2);
    ck_assert_uint_eq(bar_rd(NOTIFY, 4), 0);
}
END_TEST

/* proves: PCI-50, PCI-51, PCI-53, PCI-54 */
START_TEST(vectors_read_back)
{
    start(FAKE_VERSION_1);
    for (unsigned v = 0; v < 3; v++) {
        bar_wr(CONFIG_VECTOR, v, 2);
        ck_assert_uint_eq(bar_rd(CONFIG_VECTOR, 2), v);
        bar_wr(QUEUE_VECTOR, v, 2);
        ck_assert_uint_eq(bar_rd(QUEUE_VECTOR, 2), v);
    }
    bar_wr(CONFIG_VECTOR, 3, 2);
    bar_wr(QUEUE_VECTOR, 0x8000, 2);
    ck_assert_uint_eq(bar_rd(CONFIG_VECTOR, 2), NO_VECTOR);
    ck_assert_uint_eq(bar_rd(QUEUE_VECTOR, 2), NO_VECTOR);
}
END_TEST

/* proves: PCI-50, PCI-55, PCI-56 */
START_TEST(no_vector_no_interrupt)
{
    uint8_t byte = 1;

    start(FAKE_VERSION_1);
    bar_wr(CONFIG_VECTOR, NO_VECTOR, 2);
    for (unsigned q = 0; q < 2; q++) {
        bar_wr(QUEUE_SELECT, q, 2);
        bar_wr(QUEUE_VECTOR, NO_VECTOR, 2);
    }
    offer(0);
    kick(0);
    wait_used(0);
    virtio_config_set(dev, 0, &byte, 1);
    bar_wr(QUEUE_SELECT, 1, 2);
    bar_wr(QUEUE_VECTOR, 2, 2);
    ping(1, 0x42); /* the worker has long been through with the others */
    ck_assert_uint_eq(messages(), 1);
    ck_assert_uint_eq(bar_rd(ISR, 1), 2); /* of config space alone */
}
END_TEST

/* proves: PCI-36, PCI-37, PCI-38, PCI-39 */
START_TEST(without_msix_the_isr_tells)
{
    uint8_t byte = 1;

    start(FAKE_VERSION_1);
    msix_flags(0);
    virtio_config_set(dev, 0, &byte, 1);
    ck_assert_uint_eq(config_rd(STATUS, 2), 0x0018);
    ck_assert_uint_eq(bar_rd(ISR, 1), 2);
    ck_assert_uint_eq(bar_rd(ISR, 1), 0);
    ck_assert_uint_eq(config_rd(STATUS, 2), 0x0010);
    offer(0);
    kick(0);
    wait_used(0);
    while (config_rd(STATUS, 2) != 0x0018)
        (void)sched_yield();
    ck_assert_uint_eq(bar_rd(ISR, 1), 1);
    ck_assert_uint_eq(messages(), 0);
}
END_TEST

/* proves: PCI-36 */
START_TEST(with_msix_config_news_sets_its_isr_bit)
{
    uint8_t byte = 1;

    start(FAKE_VERSION_1);
    virtio_config_set(dev, 0, &byte, 1);
    ck_assert_uint_eq(wait_messages(), 1);
    ck_assert_uint_eq(ours.message[0].data, 0x40);
    ck_assert_uint_eq(config_rd(STATUS, 2), 0x0010); /* no pin to speak of */
    ck_assert_uint_eq(bar_rd(ISR, 1), 2);
}
END_TEST

/* proves: PCI-57 */
START_TEST(a_masked_message_waits)
{
    start(FAKE_VERSION_1);
    hold((enum hold)_i, true);
    for (unsigned i = 0; i < 3; i++) {
        offer(0);
        kick(0);
        wait_used(0);
    }
    assert_held((enum hold)_i);
}
END_TEST

START_TEST(a_message_goes_where_the_entry_says_when_it_is_sent)
{
    start(FAKE_VERSION_1);
    hold(HOLD_ENTRY, true);
    offer(0);
    kick(0);
    wait_used(0);
    while (bar_rd(PENDING, 8) != 2)
        (void)sched_yield();
    entry(1, 0x1fee01000, 0x77);
    (void)wait_messages();
    ck_assert_uint_eq(ours.message[0].addr, 0x1fee01000);
    ck_assert_uint_eq(ours.message[0].data, 0x77);
}
END_TEST

START_TEST(turned_off_msix_forgets)
{
    start(FAKE_VERSION_1);
    hold(HOLD_ENTRY, true);
    offer(0);
    kick(0);
    wait_used(0);
    while (bar_rd(PENDING, 8) != 2)
        (void)sched_yield();
    msix_flags(0);
    msix_flags(MSIX_ENABLE);
    hold(HOLD_ENTRY, false);
    ping(0, 0x41);
    ck_assert_uint_eq(messages(), 1);
}
END_TEST

START_TEST(table_of_any_width_and_past_its_end)
{
    bar_wr(TABLE, 0x1122334455667788, 8);
    bar_wr(TABLE + 2, 0xaabb, 2);
    bar_wr(TABLE + 12, ~0ull, 8); /* and the next entry's address */
    ck_assert_uint_eq(bar_rd(TABLE, 8), 0x11223344aabb7788);
    ck_assert_uint_eq(bar_rd(TABLE + 12, 4), 1); /* the rest is reserved */
    ck_assert_uint_eq(bar_rd(TABLE + 16, 4), 0xffffffff);
    bar_wr(TABLE + 44, 0, 8); /* half of it is the last entry's */
    ck_assert_uint_eq(bar_rd(TABLE + 44, 8), 0);
    bar_wr(TABLE + 48, ~0ull, 8);
    ck_assert_uint_eq(bar_rd(TABLE + 48, 8), 0);
    bar_wr(PENDING, ~0ull, 8);
    ck_assert_uint_eq(bar_rd(PENDING, 8), 0);
    ck_assert_uint_eq(bar_rd(PENDING + 8, 8), 0);
}
END_TEST

Suite *pci_msix_suite(void);
Suite *pci_msix_suite(void)
{
    Suite *suite = suite_create("pci_msix");
    TCase *tcase = tcase_create("messages");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, kicks_and_messages);
    tcase_add_test(tcase, vectors_read_back);
    tcase_add_test(tcase, no_vector_no_interrupt);
    tcase_add_test(tcase, without_msix_the_isr_tells);
    tcase_add_test(tcase, with_msix_config_news_sets_its_isr_bit);
    tcase_add_loop_test(tcase, a_masked_message_waits, 0, HOLDS);
    tcase_add_test(tcase, a_message_goes_where_the_entry_says_when_it_is_sent);
    tcase_add_test(tcase, turned_off_msix_forgets);
    tcase_add_test(tcase, table_of_any_width_and_past_its_end);
    suite_add_tcase(suite, tcase);
    return suite;
}
