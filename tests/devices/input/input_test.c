/* SPDX-License-Identifier: BSD-3-Clause */
/* Input devices (virtio 1.2 §5.8): what they say of themselves, and events from a socket. */
#include "tests/devices/input/input_rig.h"
#include "tests/wrap.h"

/* proves: INP-01, INP-02, INP-04, INP-05, INP-06 */
START_TEST(keyboard_says_what_it_is)
{
    static const uint8_t ids[] = {6, 0, 0, 0, 1, 0, 1, 0};
    static const uint8_t question[] = {1, 0};
    uint8_t subsel = 17;
    uint8_t zero = 0;

    make("keyboard");
    ck_assert_uint_eq(fake_read(&drv, FAKE_DEVICE_ID), 18);
    ck_assert_uint_eq(ask(1, 0), 15);
    answers_text("linnet keyboard");
    (void)ask(2, 0);
    answers_text("input0");
    (void)ask(3, 0);
    answers(8, ids);
    ck_assert_uint_eq(ask(0x10, 0), 0);
    ck_assert_uint_eq(ask(0x11, KEY), 32); /* 1 to 248 */
    ck_assert_uint_eq(ask(0x11, REL), 0);
    (void)ask(0x11, LED);
    answers(1, "\x07");
    (void)ask(0x11, REP);
    answers(1, "\x03");
    ck_assert_uint_eq(ask(1, 1), 0);
    ck_assert_uint_eq(ask(2, 255), 0);
    ck_assert_uint_eq(ask(0, 0), 0);
    /* subsel first, or both at once */
    fake_write_bytes(&drv, FAKE_CONFIG + 1, &subsel, 1);
    fake_write_bytes(&drv, FAKE_CONFIG, "\x11", 1);
    answers(1, "\x07");
    fake_write_bytes(&drv, FAKE_CONFIG + 1, &zero, 1);
    answers(0, "");
    fake_write_bytes(&drv, FAKE_CONFIG, question, 2);
    answers_text("linnet keyboard");
}
END_TEST

/* proves: INP-06, INP-07 */
START_TEST(touch_screen_has_its_axes_and_no_others)
{
    static const uint8_t axes[] = {3, 0, 0, 0, 0, 0x80, 0x60, 2};
    static const uint8_t width[20] = {0, 0, 0, 0, 0x7f, 7};
    static const uint8_t height[20] = {0, 0, 0, 0, 0x37, 4};
    unsigned count = 0;

    make("touch,width=1920,height=1080");
    (void)ask(0x10, 0);
    answers(1, "\x02");
    (void)ask(0x11, ABS);
    answers(8, axes);
    (void)ask(0x12, 0);
    answers(20, width);
    (void)ask(0x12, 0x36);
    answers(20, height);
    for (unsigned axis = 0; axis < 256; axis++)
        count += ask(0x12, (uint8_t)axis) == 20;
    ck_assert_uint_eq(count, 6);
}
END_TEST

/* proves: INP-01, INP-03, INP-08 */
START_TEST(any_question_is_answered_within_bounds)
{
    const uint8_t zero[128] = {0};
    uint8_t bytes[8];

    make("mouse");
    for (unsigned select = 0; select < 256; select++)
        for (unsigned subsel = 0; subsel < 256; subsel++)
            ck_assert_uint_le(ask((uint8_t)select, (uint8_t)subsel), 128);
    (void)ask(1, 0);
    for (uint64_t off = 2; off < 136; off++)
        fake_write_bytes(&drv, FAKE_CONFIG + off, "\xff", 1);
    answers_text("linnet mouse");
    (void)ask(0, 0);
    answers(0, zero);
    fake_read_bytes(&drv, FAKE_CONFIG + 3, bytes, 5);
    ck_assert_mem_eq(bytes, zero, 5);
}
END_TEST

/* -- events from a socket -- */

/* proves: INP-11, INP-13 */
START_TEST(a_group_arrives_when_it_is_whole)
{
    make_connected("keyboard", 10);
    sends(client, KEY, 30, 1);
    sends(client, KEY, 48, 1);
    gets_nothing();
    sends(client, SYN, 0, 0);
    gets(KEY, 30, 1);
    gets(KEY, 48, 1);
    gets(SYN, 0, 0);
}
END_TEST

START_TEST(bytes_may_come_one_by_one)
{
    uint8_t bytes[16];

    make_connected("mouse", 10);
    pack(bytes, REL, 0, (uint32_t)-3);
    pack(bytes + 8, SYN, 0, 0);
    for (unsigned i = 0; i < 16; i++) {
        ck_assert_int_eq(write(client, bytes + i, 1), 1);
        (void)fake_command(dev, "x", NULL, reply);
    }
    gets(REL, 0, (uint32_t)-3);
    gets(SYN, 0, 0);
}
END_TEST

/* proves: INP-09, INP-16 */
START_TEST(what_the_device_has_not_is_left_out)
{
    make_connected("keyboard", 20);
    sends(client, KEY, 272, 1);
    sends(client, KEY, 0, 1);
    sends(client, KEY, 65535, 1);
    sends(client, REL, 0, 1);
    sends(client, LED, 1, 1);
    sends(client, REP, 0, 1);
    sends(client, 65535, 0, 1);
    sends(client, KEY, 30, 2); /* the guest repeats by itself */
    sends(client, SYN, 0, 0);
    sends(client, SYN, 2, 0);
    sends(client, KEY, 30, 1);
    sends(client, SYN, 0, 0);
    gets(KEY, 30, 1);
    gets(SYN, 0, 0);
    gets_nothing();
}
END_TEST

/* proves: INP-11, INP-16 */
START_TEST(groups_wait_for_buffers_and_their_sender_does)
{
    make_connected("keyboard", 2);
    sends(client, KEY, 30, 1);
    sends(client, KEY, 48, 1);
    sends(client, SYN, 0, 0);
    gets_nothing();
    offer(2);
    gets(KEY, 30, 1);
    gets(KEY, 48, 1);
    gets(SYN, 0, 0);
    /* The socket fills up: nothing is read beyond what fits. */
    uint8_t bytes[16];
    unsigned sent = 0;
    pack(bytes, KEY, 30, 0);
    pack(bytes + 8, SYN, 0, 0);
    while (send(client, bytes, 16, MSG_DONTWAIT) == 16)
        sent++;
    ck_assert_uint_lt(sent, 100000);
    for (unsigned i = 0; i < 32; i++) {
        offer(2);
        gets(KEY, 30, 0);
        gets(SYN, 0, 0);
    }
}
END_TEST

/* proves: INP-12 */
START_TEST(too_long_a_group_is_dropped_and_keys_are_settled)
{
    make_connected("keyboard", 64);
    for (unsigned i = 0; i < 63; i++)
        sends(client, KEY, 100 + i % 2, 1 - i / 2 % 2);
    sends(client, KEY, 30, 1);
    sends(client, SYN, 0, 0);
    gets(KEY, 30, 1);
    gets(KEY, 101, 1);
    gets(SYN, 0, 0);
    sends(client, KEY, 30, 0);
    sends(client, SYN, 0, 0);
    gets(KEY, 30, 0);
    gets(SYN, 0, 0);
}
END_TEST

START_TEST(the_longest_group_fits)
{
    make_connected("keyboard", 64);
    for (unsigned i = 0; i < 63; i++)
        sends(client, KEY, 1 + i, 1);
    sends(client, SYN, 0, 0);
    for (unsigned i = 0; i < 63; i++)
        gets(KEY, 1 + i, 1);
    gets(SYN, 0, 0);
}
END_TEST

/* proves: INP-12 */
START_TEST(who_leaves_holds_no_key_down)
{
    make_connected("keyboard", 30);
    sends(client, KEY, 42, 1);
    sends(client, SYN, 0, 0);
    gets(KEY, 42, 1);
    gets(SYN, 0, 0);
    sends(client, KEY, 30, 1); /* not whole: never told */
    fd_close(&client);
    gets(KEY, 42, 0);
    gets(SYN, 0, 0);
    gets_nothing();
}
END_TEST

START_TEST(who_leaves_lifts_fingers)
{
    make_connected("touch", 64);
    sends(client, ABS, 0x2f, 1);
    sends(client, ABS, 0x39, 7);
    sends(client, KEY, 330, 1);
    sends(client, SYN, 0, 0);
    gets(ABS, 0x2f, 1);
    gets(ABS, 0x39, 7);
    gets(KEY, 330, 1);
    gets(SYN, 0, 0);
    fd_close(&client);
    for (unsigned slot = 0; slot < 10; slot++) {
        gets(ABS, 0x2f, slot);
        gets(ABS, 0x39, (uint32_t)-1);
    }
    gets(KEY, 330, 0);
    gets(SYN, 0, 0);
}
END_TEST

/* proves: INP-11 */
START_TEST(client_waits_while_descriptors_are_out)
{
    wrap_fail_after(WRAP_ACCEPT4, 0, EMFILE);
    make_connected("keyboard", 10);
    sends(client, SYN, 0, 0);
    wrap_stop_if_calm(WRAP_ACCEPT4);
    sends(client, KEY, 30, 1);
    sends(client, SYN, 0, 0);
    gets(KEY, 30, 1);
}
END_TEST

START_TEST(clients_do_not_mix)
{
    int other[4];

    make_connected("keyboard", 40);
    for (unsigned i = 0; i < 4; i++)
        other[i] = connect_client(); /* the last waits for a place */
    sends(client, KEY, 30, 1);
    sends(other[0], KEY, 48, 1);
    sends(other[0], SYN, 0, 0);
    gets(KEY, 48, 1);
    gets(SYN, 0, 0);
    sends(client, SYN, 0, 0);
    gets(KEY, 30, 1);
    gets(SYN, 0, 0);
    sends(other[3], KEY, 57, 1);
    sends(other[3], SYN, 0, 0);
    gets_nothing();
    (void)close(other[1]);
    gets(KEY, 57, 1);
    gets(SYN, 0, 0);
    (void)close(other[0]);
    (void)close(other[2]);
    (void)close(other[3]);
}
END_TEST

/* -- what a driver may get wrong -- */

/* proves: INP-14 */
START_TEST(buffers_of_no_use_are_dropped)
{
    static const struct fake_piece bad[] = {
        {BUFFERS, 7, FAKE_WRITE}, {BUFFERS, 8, 0}, {BUFFERS, 0, FAKE_WRITE}};
    uint32_t id, len;

    make_connected("keyboard", 0);
    for (unsigned i = 0; i < 3; i++)
        fake_offer(&drv.ring[0], fake_chain(&drv.ring[0], &bad[i], 1));
    offer(2);
    sends(client, KEY, 30, 1);
    sends(client, SYN, 0, 0);
    for (unsigned i = 0; i < 3; i++) {
        ck_assert(fake_wait_used(&drv, 0, &id, &len));
        ck_assert_uint_eq(len, 0);
    }
    gets(KEY, 30, 1);
    gets(SYN, 0, 0);
}
END_TEST

START_TEST(broken_ring_needs_reset)
{
    struct fake_piece piece = {0xffffffffff, 8, _i == 0 ? FAKE_WRITE : 0};

    make_connected("keyboard", 0);
    fake_offer(&drv.ring[_i], fake_chain(&drv.ring[_i], &piece, 1));
    fake_write(&drv, FAKE_QUEUE_NOTIFY, (uint32_t)_i);
    sends(client, KEY, 30, 1);
    sends(client, SYN, 0, 0);
    ck_assert(fake_wait_status(&drv, 64));
}
END_TEST

/* proves: INP-15 */
START_TEST(lamps_go_to_the_sources)
{
    static const struct {
        unsigned type, code;
        uint32_t len;
    } ignored[] = {{LED, 1, 7},  {LED, 9, 8},       {REP, 0, 8},
                   {KEY, 30, 8}, {65535, 65535, 8}, {0, 0, 0}};
    uint8_t got[8], want[8];
    uint32_t id, len;

    make_connected("keyboard", 4);
    sends(client, KEY, 30, 1);
    sends(client, SYN, 0, 0);
    gets(KEY, 30, 1); /* by now it is a client */
    for (unsigned i = 0; i <= ARRAY_SIZE(ignored); i++) {
        struct fake_piece piece = {STATUS + 8ull * i, 8, 0};
        uint8_t bytes[8];
        pack(bytes, LED, 1, 1);
        if (i < ARRAY_SIZE(ignored)) {
            pack(bytes, ignored[i].type, ignored[i].code, 1);
            piece.len = ignored[i].len;
        }
        ck_assert_int_eq(memory_write(&mem, piece.addr, bytes, 8), 0);
        fake_offer(&drv.ring[1], fake_chain(&drv.ring[1], &piece, 1));
        fake_write(&drv, FAKE_QUEUE_NOTIFY, 1);
        ck_assert(fake_wait_used(&drv, 1, &id, &len));
        ck_assert_uint_eq(len, 0);
    }
    pack(want, LED, 1, 1);
    ck_assert_int_eq(recv(client, got, 8, MSG_WAITALL), 8);
    ck_assert_mem_eq(got, want, 8);
    ck_assert_int_eq(recv(client, got, 8, MSG_DONTWAIT), -1);
}
END_TEST

/* -- its life -- */

/* proves: INP-12 */
START_TEST(reset_drops_a_half_group_and_tells_the_keys_anew)
{
    make_connected("keyboard", 4);
    sends(client, KEY, 42, 1);
    sends(client, SYN, 0, 0);
    gets(KEY, 42, 1);
    gets(SYN, 0, 0);
    sends(client, KEY, 30, 1);
    gets_nothing();
    fake_write(&drv, FAKE_STATUS, 0);
    ck_assert_uint_eq(fake_read(&drv, FAKE_CONFIG), 0);
    start(8);
    gets_nothing(); /* the group goes on */
    sends(client, KEY, 30, 0);
    sends(client, SYN, 0, 0);
    gets(KEY, 42, 1);
    gets(SYN, 0, 0);
    sends(client, KEY, 42, 0);
    sends(client, SYN, 0, 0);
    gets(KEY, 42, 0);
    gets(SYN, 0, 0);
}
END_TEST

START_TEST(paused_it_reads_nothing_and_loses_nothing)
{
    uint32_t id, len;

    make_connected("keyboard", 8);
    virtio_pause(dev);
    sends(client, KEY, 30, 1);
    sends(client, SYN, 0, 0);
    (void)usleep(20000);
    ck_assert(!fake_used(&drv.ring[0], &id, &len));
    virtio_resume(dev, 20000000);
    gets(KEY, 30, 1);
    gets(SYN, 0, 0);
}
END_TEST

/* -- commands -- */

START_TEST(keys_are_pressed_by_name)
{
    make("keyboard");
    start(40);
    ck_assert_int_eq(fake_command(dev, "press", "LeftShift+a", reply), 0);
    gets(KEY, 42, 1);
    gets(SYN, 0, 0);
    gets(KEY, 30, 1);
    gets(SYN, 0, 0);
    gets(KEY, 30, 0);
    gets(SYN, 0, 0);
    gets(KEY, 42, 0);
    gets(SYN, 0, 0);
    ck_assert_int_eq(fake_command(dev, "press", "7", reply), 0);
    gets(KEY, 8, 1);
    gets(SYN, 0, 0);
    gets(KEY, 8, 0);
    gets(SYN, 0, 0);
    ck_assert_int_eq(fake_command(dev, "press", "248", reply), 0);
    gets(KEY, 248, 1);
}
END_TEST

START_TEST(keys_that_are_not_there_are_refused)
{
    static const char *const bad[][2] = {
        {"", "no key \"\""},    {"a+", "no key \"\""},
        {"+", "no key \"\""},   {"249", "no key"},
        {"btn_left", "no key"}, {"99999999999", "no key"},
        {"A\xc3\xa4", "no"},    {"a+s+d+f+g+h+j+k+l", "at most 8"}};

    make("keyboard");
    start(40);
    ck_assert_int_eq(fake_command(dev, "press", bad[_i][0], reply), -EINVAL);
    ck_assert_msg(strstr(reply, bad[_i][1]) != NULL, "%s", reply);
}
END_TEST

START_TEST(a_press_needs_a_driver_with_buffers)
{
    make("mouse");
    ck_assert_int_eq(fake_command(dev, "press", "btn_left", reply), -EAGAIN);
    ck_assert_ptr_nonnull(strstr(reply, "no driver"));
    start(3);
    ck_assert_int_eq(fake_command(dev, "press", "btn_left", reply), -EAGAIN);
    ck_assert_ptr_nonnull(strstr(reply, "no events"));
    offer(1);
    ck_assert_int_eq(fake_command(dev, "press", "btn_left", reply), 0);
    gets(KEY, 272, 1);
    ck_assert_int_eq(fake_command(dev, "click", NULL, reply), -EINVAL);
}
END_TEST

/* -- what people may get wrong -- */

START_TEST(bad_options_are_refused)
{
    static const char *const bad[][2] = {
        {"keyboard,width=10", "touch"},         {"mouse,height=10", "touch"},
        {"touch,width=0", "1 to 65536"},        {"keyboard,socket=/nowhere/x", "/nowhere/x"},
        {"evdev:/nowhere/x", "/nowhere/x"},     {"evdev:/dev/null", "event node"},
        {"evdev:/dev/null,socket=x", "socket"}, {"joystick", "keyboard, mouse, touch"},
    };

    ck_assert_int_lt(try(bad[_i][0]), 0);
    const char *said = capture_look(&capture);
    ck_assert_one_error(said, bad[_i][1]);
}
END_TEST

Suite *input_suite(void);
Suite *input_suite(void)
{
    Suite *suite = suite_create("input");
    TCase *tcase = tcase_create("input");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, keyboard_says_what_it_is);
    tcase_add_test(tcase, touch_screen_has_its_axes_and_no_others);
    tcase_add_test(tcase, any_question_is_answered_within_bounds);
    tcase_add_test(tcase, a_group_arrives_when_it_is_whole);
    tcase_add_test(tcase, bytes_may_come_one_by_one);
    tcase_add_test(tcase, what_the_device_has_not_is_left_out);
    tcase_add_test(tcase, groups_wait_for_buffers_and_their_sender_does);
    tcase_add_test(tcase, too_long_a_group_is_dropped_and_keys_are_settled);
    tcase_add_test(tcase, the_longest_group_fits);
    tcase_add_test(tcase, who_leaves_holds_no_key_down);
    tcase_add_test(tcase, who_leaves_lifts_fingers);
    tcase_add_test(tcase, client_waits_while_descriptors_are_out);
    tcase_add_test(tcase, clients_do_not_mix);
    tcase_add_test(tcase, buffers_of_no_use_are_dropped);
    tcase_add_loop_test(tcase, broken_ring_needs_reset, 0, 2);
    tcase_add_test(tcase, lamps_go_to_the_sources);
    tcase_add_test(tcase, reset_drops_a_half_group_and_tells_the_keys_anew);
    tcase_add_test(tcase, paused_it_reads_nothing_and_loses_nothing);
    tcase_add_test(tcase, keys_are_pressed_by_name);
    tcase_add_loop_test(tcase, keys_that_are_not_there_are_refused, 0, 8);
    tcase_add_test(tcase, a_press_needs_a_driver_with_buffers);
    tcase_add_loop_test(tcase, bad_options_are_refused, 0, 8);
    suite_add_tcase(suite, tcase);
    return suite;
}
