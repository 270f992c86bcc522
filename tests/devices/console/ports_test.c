/* SPDX-License-Identifier: BSD-3-Clause */
/* The console device and its ports, as the driver sees them. */
#include "tests/devices/console/ports_fixture.h"

/* proves: CON-01, CON-10, CON-12, CON-13 */
START_TEST(ports_are_announced_named_and_opened)
{
    make_fd("name=two");
    ck_assert_uint_eq(fake_read(&drv, FAKE_DEVICE_ID), 3);
    ck_assert_uint_eq(fake_read(&drv, FAKE_CONFIG + 4), 2);
    ck_assert_uint_eq(dev->queue_count, 6);
    start(30);
    heard(0, ADD, 1, "");
    heard(1, ADD, 1, "");
    say(1, PORT_READY, 1);
    heard(1, OPEN, 1, "");
    heard(1, NAME, 1, "two");
    say(0, READY, 1); /* again: they are there already */
    say(0, PORT_READY, 1);
    heard(0, OPEN, 1, "");
    heard(0, NAME, 1, "one");
}
END_TEST

/* proves: CON-17 */
START_TEST(messages_wait_for_buffers)
{
    make_fd("name=two");
    start(0);
    offer(2, (struct fake_piece){CONTROL, 4, FAKE_WRITE}); /* too small for any: comes back */
    offer(2, (struct fake_piece){CONTROL + 64, 64, FAKE_WRITE});
    kick(2);
    ck_assert_uint_eq(used(2, NULL), 0);
    heard(0, ADD, 1, "");
    offer(2, (struct fake_piece){CONTROL + 128, 64, FAKE_WRITE});
    kick(2);
    heard(1, ADD, 1, "");
    say(1, PORT_READY, 1);
    offer(2, (struct fake_piece){CONTROL + 192, 64, FAKE_WRITE});
    offer(2, (struct fake_piece){CONTROL + 256, 10, FAKE_WRITE});
    kick(2);
    heard(1, OPEN, 1, "");
    ck_assert_uint_eq(used(2, NULL), 10); /* "tw" */
}
END_TEST

/* proves: CON-12, CON-16 */
START_TEST(nonsense_is_ignored)
{
    uint32_t id, len;

    make_fd(NULL);
    start(30);
    heard(0, ADD, 1, "");
    say(0xffffffff, PORT_READY, 1);
    say(1, PORT_READY, 1);
    say(0, OPEN, 1); /* before it is ready */
    say(0, 99, 1);
    say(0, ADD, 1);
    say(7, READY, 0);
    offer(3, (struct fake_piece){DATA, 7, 0});
    offer(3, (struct fake_piece){DATA, 64, FAKE_WRITE});
    kick(3);
    ck_assert_uint_eq(used(3, NULL), 0);
    ck_assert_uint_eq(used(3, NULL), 0);
    ck_assert(!fake_used(&drv.ring[2], &id, &len));
    ck_assert_uint_eq(fake_read(&drv, FAKE_STATUS), 15);
}
END_TEST

/* proves: CON-18 */
START_TEST(reset_begins_anew)
{
    make_fd(NULL);
    for (int i = 0; i < 3; i++) {
        start_open("one");
        send_text(1, "x");
        (void)used(1, NULL);
        host_gets("x");
        fake_write(&drv, FAKE_STATUS, 0);
    }
}
END_TEST

/* -- data -- */

/* proves: CON-05, CON-07 */
START_TEST(output_goes_to_the_other_end)
{
    make_fd(NULL);
    start_open("one");
    offer(1, (struct fake_piece){DATA, 4, FAKE_WRITE});
    send_text(1, "hello");
    ck_assert_uint_eq(used(1, NULL), 0);
    ck_assert_uint_eq(used(1, NULL), 0);
    host_gets("hello");
}
END_TEST

/* More pieces than the queue has descriptors, as splice() in the guest makes them. */
START_TEST(output_of_256_pieces_arrives)
{
    struct fake_piece pieces[256];
    char want[257] = "", got[257] = "";

    make_fd(NULL);
    ck_assert_uint_eq(fake_start(&drv, FAKE_VERSION_1 | FAKE_INDIRECT_DESC), 15);
    for (unsigned i = 0; i < 256; i++) {
        pieces[i] = (struct fake_piece){DATA + 16ull * i, 1, 0};
        want[i] = (char)('a' + i % 26);
        *ram(DATA + 16ull * i, 1) = (uint8_t)want[i];
    }
    fake_offer(&drv.ring[1], fake_chain_indirect(&drv.ring[1], TABLE, pieces, 256));
    kick(1);
    ck_assert_uint_eq(used(1, NULL), 0);
    ck_assert_int_eq(recv(host[0], got, 256, MSG_WAITALL), 256);
    ck_assert_str_eq(got, want);
}
END_TEST

/* proves: CON-06, CON-07, CON-15 */
START_TEST(input_waits_for_the_driver_to_open)
{
    uint32_t id, len;

    make_fd(NULL);
    ck_assert_int_eq(write(host[0], "early", 5), 5);
    start(30);
    heard(0, ADD, 1, "");
    say(0, PORT_READY, 1);
    offer(0, (struct fake_piece){INPUT, 3, 0});
    offer(0, (struct fake_piece){INPUT, 3, FAKE_WRITE});
    offer(0, (struct fake_piece){INPUT + 64, 64, FAKE_WRITE});
    kick(0);
    say(0, 99, 0); /* by now it was seen */
    ck_assert(!fake_used(&drv.ring[0], &id, &len));
    say(0, OPEN, 1);
    ck_assert_uint_eq(used(0, NULL), 0);
    ck_assert_uint_eq(used(0, NULL), 3);
    ck_assert_uint_eq(used(0, NULL), 2);
    ck_assert_int_eq(memcmp(ram(INPUT, 3), "ear", 3), 0);
    ck_assert_int_eq(memcmp(ram(INPUT + 64, 2), "ly", 2), 0);
}
END_TEST

/* proves: CON-13, CON-15 */
START_TEST(port_that_the_driver_gives_up_gets_nothing)
{
    uint32_t id, len;

    make_fd(NULL);
    start_open("one");
    offer(0, (struct fake_piece){INPUT, 64, FAKE_WRITE});
    kick(0);
    say(0, PORT_READY, 0);
    ck_assert_int_eq(write(host[0], "late", 4), 4);
    for (unsigned i = 0; i < 10; i++)
        say(0, 99, 0); /* by now it was seen */
    ck_assert(!fake_used(&drv.ring[0], &id, &len));
    say(0, PORT_READY, 1);
    heard(0, OPEN, 1, "");
    heard(0, NAME, 1, "one");
    say(0, OPEN, 1);
    ck_assert_uint_eq(used(0, NULL), 4);
}
END_TEST

/* proves: CON-06, CON-08 */
START_TEST(end_of_input_comes_behind_its_last_byte)
{
    uint32_t id, len;

    make_fd(NULL);
    start_open("one");
    ck_assert_int_eq(write(host[0], "last", 4), 4);
    ck_assert_int_eq(shutdown(host[0], SHUT_WR), 0);
    say(0, 99, 0);
    ck_assert(!fake_used(&drv.ring[2], &id, &len)); /* it waits for a buffer */
    offer(0, (struct fake_piece){INPUT, 64, FAKE_WRITE});
    offer(0, (struct fake_piece){INPUT + 64, 64, FAKE_WRITE});
    kick(0);
    heard(0, OPEN, 0, "");
    ck_assert(fake_used(&drv.ring[0], &id, &len));
    ck_assert_uint_eq(len, 4);
}
END_TEST

/* The kernel's buffers are full: that request waits, and another port does not. */
/* proves: CON-09 */
START_TEST(slow_reader_holds_up_its_own_port_only)
{
    static char got[0x40000];
    uint32_t id, len;
    size_t total = 0;

    make_fd("name=two,to=ring");
    start(30);
    heard(0, ADD, 1, "");
    heard(1, ADD, 1, "");
    say(0, PORT_READY, 1);
    say(1, PORT_READY, 1);
    memset(ram(BULK, 0x20000), 'x', 0x20000);
    for (int i = 0; i < 8; i++)
        offer(1, (struct fake_piece){BULK, 0x20000, 0});
    kick(1);
    send_text(5, "y");
    ck_assert_uint_eq(used(5, NULL), 0);
    say(0, OPEN, 0); /* all that it wrote still comes, then the end */
    for (;;) {
        ssize_t n = recv(host[0], got, sizeof(got), 0);
        ck_assert_int_ge(n, 0);
        if (n == 0)
            break;
        total += (size_t)n;
        if (total == 0x100000)
            break;
    }
    ck_assert_uint_eq(total, 0x100000);
    for (int i = 0; i < 8; i++)
        ck_assert(fake_used(&drv.ring[1], &id, &len) || fake_wait_used(&drv, 1, &id, &len));
}
END_TEST

START_TEST(the_guests_end_is_the_hosts_end_of_file)
{
    char byte;

    make_fd(NULL);
    start_open("one");
    send_text(1, "bye");
    say(0, OPEN, 0);
    host_gets("bye");
    ck_assert_int_eq(recv(host[0], &byte, 1, 0), 0);
    ck_assert_int_eq(write(host[0], "x", 1), 1); /* the other way is open */
}
END_TEST

START_TEST(the_hosts_end_closes_the_port)
{
    make_fd(NULL);
    start_open("one");
    fd_close(&host[0]);
    send_text(1, "nobody");
    ck_assert_uint_eq(used(1, NULL), 0);
    heard(0, OPEN, 0, "");
    send_text(1, "nobody");
    ck_assert_uint_eq(used(1, NULL), 0);
}
END_TEST

START_TEST(without_multiport_there_is_one_port)
{
    make_fd("name=two");
    ck_assert_uint_eq(fake_start(&drv, FAKE_VERSION_1), 15);
    send_text(1, "plain");
    ck_assert_uint_eq(used(1, NULL), 0);
    host_gets("plain");
    offer(0, (struct fake_piece){INPUT, 64, FAKE_WRITE});
    kick(0);
    ck_assert_int_eq(write(host[0], "in", 2), 2);
    ck_assert_uint_eq(used(0, NULL), 2);
}
END_TEST

START_TEST(broken_ring_needs_reset)
{
    static const unsigned queues[] = {0, 1, 3};
    unsigned queue = queues[_i];

    make_fd(NULL);
    start_open("one");
    offer(queue, (struct fake_piece){0xffffffffff, 16, queue == 0 ? FAKE_WRITE : 0});
    kick(queue);
    ck_assert(fake_wait_status(&drv, 64));
}
END_TEST

/* -- what people may get wrong -- */

START_TEST(bad_options_are_refused)
{
    static const char *const bad[][3] = {
        {"name=a", "name=a", "two of a"},
        {"name=a,to=file:/nowhere/x", NULL, "/nowhere/x"},
        {"name=a,to=file:/dev/null", NULL, "regular"},
        {"name=a,to=fifo:/dev/null", NULL, "no FIFO"},
        {"name=a,to=fifo:/nowhere/x", NULL, "/nowhere/x"},
        {"name=a,to=socket:/dev/null", NULL, "/dev/null"},
        {"name=a,to=fd:999", NULL, "socket"},
        {"name=a,to=fd:0", NULL, "socket"},
        {"name=a,to=fd:x", NULL, "no number"},
        {"name=a,to=stdio", "name=b,to=stdio", "port a has it"},
    };

    ck_assert_int_lt(try(bad[_i], bad[_i][1] == NULL ? 1 : 2), 0);
    const char *said = capture_look(&capture);
    ck_assert_one_error(said, bad[_i][2]);
}
END_TEST

START_TEST(there_may_be_24)
{
    static char names[24][32];
    const char *options[24];

    for (int i = 0; i < 24; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "name=p%d,to=null", i);
        options[i] = names[i];
    }
    make(options, 24);
    ck_assert_uint_eq(dev->queue_count, 50);
    start(30);
    for (uint32_t i = 0; i < 24; i++)
        heard(i, ADD, 1, "");
    say(23, PORT_READY, 1);
    heard(23, OPEN, 1, "");
    heard(23, NAME, 1, "p23");
    send_text(49, "last");
    ck_assert_uint_eq(used(49, NULL), 0);
}
END_TEST

Suite *ports_suite(void);
Suite *ports_suite(void)
{
    Suite *suite = suite_create("ports");
    TCase *tcase = tcase_create("ports");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, ports_are_announced_named_and_opened);
    tcase_add_test(tcase, messages_wait_for_buffers);
    tcase_add_test(tcase, nonsense_is_ignored);
    tcase_add_test(tcase, reset_begins_anew);
    tcase_add_test(tcase, output_goes_to_the_other_end);
    tcase_add_test(tcase, output_of_256_pieces_arrives);
    tcase_add_test(tcase, input_waits_for_the_driver_to_open);
    tcase_add_test(tcase, port_that_the_driver_gives_up_gets_nothing);
    tcase_add_test(tcase, end_of_input_comes_behind_its_last_byte);
    tcase_add_test(tcase, slow_reader_holds_up_its_own_port_only);
    tcase_add_test(tcase, the_guests_end_is_the_hosts_end_of_file);
    tcase_add_test(tcase, the_hosts_end_closes_the_port);
    tcase_add_test(tcase, without_multiport_there_is_one_port);
    tcase_add_loop_test(tcase, broken_ring_needs_reset, 0, 3);
    tcase_add_loop_test(tcase, bad_options_are_refused, 0, 10);
    tcase_add_test(tcase, there_may_be_24);
    suite_add_tcase(suite, tcase);
    return suite;
}
