/* SPDX-License-Identifier: BSD-3-Clause */
/* An input device that is a node of this host's evdev: a keyboard with a knob for two fingers, key
 * 20 and axis 8 (tests/fake_evdev.c). */
#include "tests/devices/input/input_rig.h"

static void node_sends(unsigned type, unsigned code, int32_t value)
{
    uint8_t record[24] = {0xaa, 0xbb};

    memset(record + 8, 0xcc, 8);
    pack(record + 16, type, code, (uint32_t)value);
    ck_assert_int_eq(write(evdev.ours, record, 24), 24);
}

/* proves: INP-06, INP-07 */
START_TEST(a_node_is_copied)
{
    static const uint8_t ids[] = {3, 0, 0x34, 0x12, 0x78, 0x56, 1, 0};
    static const uint8_t axis[20] = {0xff, 0xff, 0xff, 0xff, 7, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4};

    make("evdev:" FAKE_EVDEV);
    (void)ask(1, 0);
    answers_text("Knobs Inc");
    (void)ask(2, 0);
    answers_text("0815");
    (void)ask(3, 0);
    answers(8, ids);
    (void)ask(0x10, 0);
    answers(1, "\x01");
    (void)ask(0x11, KEY);
    answers(3, "\0\0\x10");
    (void)ask(0x11, ABS);
    answers(6, "\0\1\0\0\0\x80");
    (void)ask(0x12, 8);
    answers(20, axis);
    (void)ask(0x11, REP);
    answers(1, "\x03");
    ck_assert_uint_eq(ask(0x11, 21), 0); /* force feedback */
    ck_assert(!evdev.grabbed);
}
END_TEST

START_TEST(a_node_is_the_guests_while_it_has_a_driver)
{
    uint8_t got[24], want[8];
    struct fake_piece piece = {STATUS, 8, 0};

    make("evdev:" FAKE_EVDEV);
    node_sends(KEY, 20, 1); /* before: somebody else's */
    node_sends(SYN, 0, 0);
    start(20);
    ck_assert(evdev.grabbed);
    node_sends(KEY, 20, 1);
    node_sends(ABS, 8, -1);
    node_sends(SYN, 0, 0);
    gets(KEY, 20, 1);
    gets(ABS, 8, (uint32_t)-1);
    gets(SYN, 0, 0);
    pack(want, LED, 1, 1);
    ck_assert_int_eq(memory_write(&mem, STATUS, want, 8), 0);
    fake_offer(&drv.ring[1], fake_chain(&drv.ring[1], &piece, 1));
    fake_write(&drv, FAKE_QUEUE_NOTIFY, 1);
    (void)fake_command(dev, "x", NULL, reply);
    ck_assert_int_eq(recv(evdev.ours, got, 24, MSG_WAITALL), 24);
    ck_assert_mem_eq(got + 16, want, 8);
    fake_write(&drv, FAKE_STATUS, 0);
    ck_assert(!evdev.grabbed);
}
END_TEST

/* proves: INP-12 */
START_TEST(what_a_node_dropped_is_settled)
{
    make("evdev:" FAKE_EVDEV);
    start(40);
    node_sends(KEY, 20, 1);
    node_sends(SYN, 0, 0);
    gets(KEY, 20, 1);
    gets(SYN, 0, 0);
    node_sends(ABS, 8, 1);
    node_sends(SYN, 3, 0);
    node_sends(ABS, 8, 2);
    gets_nothing();
    node_sends(SYN, 0, 0);
    for (unsigned slot = 0; slot < 2; slot++) {
        gets(ABS, 0x2f, slot);
        gets(ABS, 0x39, (uint32_t)-1);
    }
    gets(KEY, 20, 0);
    gets(SYN, 0, 0);
}
END_TEST

START_TEST(a_node_may_say_that_it_has_any_number_of_fingers)
{
    evdev.any_finger = true;
    make("evdev:" FAKE_EVDEV);
    start(64);
    node_sends(SYN, 3, 0);
    node_sends(SYN, 0, 0);
    for (unsigned slot = 0; slot < 31; slot++) {
        gets(ABS, 0x2f, slot);
        gets(ABS, 0x39, (uint32_t)-1);
    }
    gets(SYN, 0, 0);
}
END_TEST

START_TEST(keys_held_from_the_start_are_told)
{
    make("evdev:" FAKE_EVDEV);
    evdev.down[2] = 0x10;
    start(10);
    gets(KEY, 20, 1);
    gets(SYN, 0, 0);
}
END_TEST

START_TEST(a_node_that_is_pulled_out_lets_go)
{
    make("evdev:" FAKE_EVDEV);
    start(20);
    node_sends(KEY, 20, 1);
    node_sends(SYN, 0, 0);
    gets(KEY, 20, 1);
    gets(SYN, 0, 0);
    fd_close(&evdev.ours);
    for (unsigned slot = 0; slot < 2; slot++) {
        gets(ABS, 0x2f, slot);
        gets(ABS, 0x39, (uint32_t)-1);
    }
    gets(KEY, 20, 0);
    gets(SYN, 0, 0);
    ck_assert_ptr_nonnull(strstr(capture_look(&capture), "input0: Knobs Inc is gone"));
    fake_write(&drv, FAKE_STATUS, 0);
    start(4);
    gets_nothing();
}
END_TEST

START_TEST(a_node_that_another_takes_needs_reset)
{
    make("evdev:" FAKE_EVDEV);
    evdev.grab_error = EBUSY;
    (void)fake_start(&drv, FAKE_VERSION_1);
    ck_assert(fake_wait_status(&drv, 64));
}
END_TEST

START_TEST(a_node_that_is_anothers_is_refused)
{
    evdev.grab_error = EBUSY;
    ck_assert_int_eq(try("evdev:" FAKE_EVDEV), -EINVAL);
    ck_assert_ptr_nonnull(strstr(capture_look(&capture), "another program has it"));
    evdev.ours = -1;
}
END_TEST

Suite *evdev_suite(void);
Suite *evdev_suite(void)
{
    Suite *suite = suite_create("evdev");
    TCase *tcase = tcase_create("evdev");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, a_node_is_copied);
    tcase_add_test(tcase, a_node_is_the_guests_while_it_has_a_driver);
    tcase_add_test(tcase, what_a_node_dropped_is_settled);
    tcase_add_test(tcase, a_node_may_say_that_it_has_any_number_of_fingers);
    tcase_add_test(tcase, keys_held_from_the_start_are_told);
    tcase_add_test(tcase, a_node_that_is_pulled_out_lets_go);
    tcase_add_test(tcase, a_node_that_another_takes_needs_reset);
    tcase_add_test(tcase, a_node_that_is_anothers_is_refused);
    suite_add_tcase(suite, tcase);
    return suite;
}
