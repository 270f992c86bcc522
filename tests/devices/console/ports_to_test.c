/* SPDX-License-Identifier: BSD-3-Clause */
/* Where bytes of ports go on the host, and come from. */
#include "vmm/base/unix_listener.h"

#include "tests/devices/console/ports_fixture.h"
#include "tests/wrap.h"

#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>

static char reply[FAKE_REPLY_BYTES];

static int command(const char *first, const char *second)
{
    return fake_command(dev, first, second, reply);
}

/* Sends through port 0, which is named "p". */
static void through(const char *to, const char *text)
{
    char options[200];

    (void)snprintf(options, sizeof(options), "name=p,to=%s", to);
    make((const char *const[]){options}, 1);
    start_open("p");
    send_text(1, text);
    ck_assert_uint_eq(used(1, NULL), 0);
}

static const char *in_folder(const char *kind, const char *name)
{
    static char text[120];

    (void)snprintf(text, sizeof(text), "%s%s/%s", kind, folder, name);
    return text;
}

START_TEST(a_file_holds_what_was_written)
{
    char got[16] = "";

    through(in_folder("file:", "out"), "to a file");
    int fd = open(in_folder("", "out"), O_RDONLY);
    ck_assert_int_eq(read(fd, got, sizeof(got)), 9);
    ck_assert_str_eq(got, "to a file");
    (void)close(fd);
    ck_assert_int_eq(virtio_finish(dev), 0);
}
END_TEST

static off_t out_bytes(void)
{
    struct stat st;

    ck_assert_int_eq(stat(in_folder("", "out"), &st), 0);
    return st.st_size;
}

/* Half a GiB, of buffers that overlap, which may take a while: a pause does not wait for all. */
START_TEST(a_file_takes_much_piece_by_piece)
{
    struct fake_piece pieces[256];

    for (unsigned i = 0; i < 256; i++)
        pieces[i] = (struct fake_piece){i % 2 == 0 ? 0 : 8, 0x1ffff0, 0};
    make((const char *const[]){in_folder("name=p,to=file:", "out")}, 1);
    ck_assert_uint_eq(fake_start(&drv, FAKE_VERSION_1 | FAKE_INDIRECT_DESC), 15);
    fake_offer(&drv.ring[1], fake_chain_indirect(&drv.ring[1], TABLE, pieces, 256));
    kick(1);
    virtio_pause(dev);
    ck_assert_int_lt(out_bytes(), 256 * 0x1ffff0);
    virtio_resume(dev, 0);
    ck_assert_uint_eq(used(1, NULL), 0);
    ck_assert_int_eq(out_bytes(), 256 * 0x1ffff0);
    ck_assert_int_eq(virtio_finish(dev), 0);
}
END_TEST

START_TEST(a_ring_keeps_the_last_of_it)
{
    through("ring", "one\r\ntwo\x01\xff\nthree");
    ck_assert_int_eq(command("read", "p"), 0);
    ck_assert_str_eq(reply, "one\ntwo..\nthree\n");
    memset(ram(DATA + 4096, 4096), 'a', 4096);
    for (int i = 0; i < 16; i++) {
        offer(1, (struct fake_piece){DATA + 4096, 4096, 0});
        kick(1);
        (void)used(1, NULL);
    }
    ck_assert_int_eq(command("read", "p"), 0);
    ck_assert_int_eq(reply[0], 'a');
    ck_assert_int_eq(command("read", "q"), -ENOENT);
    ck_assert_int_eq(command("write", "p"), -EINVAL);
    ck_assert_int_eq(command("ports", NULL), 0);
    ck_assert_str_eq(reply, "p: open here, open in the guest\n");
}
END_TEST

/* 128 GiB, of buffers that overlap: none takes longer than what is kept of it. */
START_TEST(a_ring_takes_no_longer_than_what_it_keeps)
{
    struct fake_piece pieces[256];
    clock_t begin = clock();

    for (unsigned i = 0; i < 256; i++)
        pieces[i] = (struct fake_piece){i % 2 == 0 ? 0 : 8, 0x1ffff0, 0};
    make((const char *const[]){"name=p,to=ring"}, 1);
    ck_assert_uint_eq(fake_start(&drv, FAKE_VERSION_1 | FAKE_INDIRECT_DESC), 15);
    for (unsigned i = 0; i < 256; i++) {
        fake_offer(&drv.ring[1], fake_chain_indirect(&drv.ring[1], TABLE, pieces, 256));
        kick(1);
        ck_assert_uint_eq(used(1, NULL), 0);
    }
    ck_assert_int_lt(clock() - begin, 2 * CLOCKS_PER_SEC); /* all of them: many */
}
END_TEST

START_TEST(a_fifo_holds_what_nobody_has_read_yet)
{
    char got[16] = "";

    through(in_folder("fifo:", "fifo"), "to a fifo");
    int fd = open(in_folder("", "fifo"), O_RDONLY);
    ck_assert_int_eq(read(fd, got, sizeof(got)), 9);
    (void)close(fd);
}
END_TEST

START_TEST(a_terminal_takes_both_ways)
{
    char got[16] = "", *path;

    through("pty", "tty\n");
    path = strstr(capture_look(&capture), "/dev/pts/");
    ck_assert_ptr_nonnull(path);
    *strchr(path, '\n') = '\0';
    int fd = open(path, O_RDWR | O_NOCTTY);
    ck_assert_int_eq(read(fd, got, sizeof(got)), 4);
    ck_assert_str_eq(got, "tty\n");
    offer(0, (struct fake_piece){INPUT, 64, FAKE_WRITE});
    kick(0);
    ck_assert_int_eq(write(fd, "key", 3), 3);
    ck_assert_uint_eq(used(0, NULL), 3);
    (void)close(fd);
}
END_TEST

START_TEST(a_terminal_that_nobody_reads_holds_up_nobody)
{
    through("pty", "x");
    memset(ram(DATA + 4096, 4096), 'a', 4096);
    for (int i = 0; i < 64; i++) {
        offer(1, (struct fake_piece){DATA + 4096, 4096, 0});
        kick(1);
        (void)used(1, NULL);
    }
}
END_TEST

static int socket_connect(const char *path)
{
    struct sockaddr_un address;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ck_assert_int_eq(unix_address(path, &address), 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

/* A socket's port, with so many buffers for control. */
static void start_socket(unsigned buffers)
{
    char options[200];

    (void)snprintf(options, sizeof(options), "name=p,to=%s", in_folder("socket:", "s"));
    make((const char *const[]){options}, 1);
    start(buffers);
    heard(0, ADD, 1, "");
    say(0, PORT_READY, 1);
    heard(0, OPEN, 0, "");
    heard(0, NAME, 1, "p");
}

START_TEST(who_comes_to_a_socket_waits_while_descriptors_are_out)
{
    start_socket(30);
    wrap_fail_after(WRAP_ACCEPT4, 0, EMFILE);
    int fd = socket_connect(in_folder("", "s"));
    wrap_stop_if_calm(WRAP_ACCEPT4);
    heard(0, OPEN, 1, "");
    ck_assert_int_eq(close(fd), 0);
}
END_TEST

START_TEST(a_socket_opens_and_closes_the_port)
{
    start_socket(30);
    say(0, OPEN, 1);
    for (int i = 0; i < 3; i++)
        offer(0, (struct fake_piece){INPUT, 64, FAKE_WRITE});
    kick(0);
    for (int i = 0; i < 2; i++) {
        char got[8] = "";
        int fd = socket_connect(in_folder("", "s"));
        heard(0, OPEN, 1, "");
        ck_assert_int_eq(write(fd, "in", 2), 2);
        ck_assert_uint_eq(used(0, NULL), 2);
        send_text(1, "out");
        (void)used(1, NULL);
        ck_assert_int_eq(read(fd, got, sizeof(got)), 3);
        ck_assert_str_eq(got, "out");
        (void)close(fd);
        heard(0, OPEN, 0, "");
    }
    send_text(1, "nobody");
    ck_assert_uint_eq(used(1, NULL), 0);
}
END_TEST

/* The same with a client, which the guest has opened. */
static int start_client(unsigned buffers)
{
    start_socket(buffers);
    int fd = socket_connect(in_folder("", "s"));
    heard(0, OPEN, 1, "");
    say(0, OPEN, 1);
    return fd;
}

/* One that leaves, and one that comes, while the driver has no buffer to be told: it is told of
 * both. */
START_TEST(the_next_client_waits_until_the_last_ones_end_was_told)
{
    int first = start_client(4);
    int second = socket_connect(in_folder("", "s"));
    ck_assert_int_eq(write(second, "two", 3), 3);
    (void)close(first);
    offer(0, (struct fake_piece){INPUT, 64, FAKE_WRITE});
    kick(0);
    say(0, 99, 1); /* by now it was seen that the first one left */
    offer(2, (struct fake_piece){CONTROL + 4 * 64, 64, FAKE_WRITE});
    offer(2, (struct fake_piece){CONTROL + 5 * 64, 64, FAKE_WRITE});
    kick(2);
    heard(0, OPEN, 0, "");
    heard(0, OPEN, 1, "");
    ck_assert_uint_eq(used(0, NULL), 3);
    (void)close(second);
}
END_TEST

/* A client of the second port has left unnoticed, which is seen when a reset flushes it. */
START_TEST(nobody_is_let_in_while_the_device_is_idle)
{
    char options[2][200];

    (void)snprintf(options[0], sizeof(options[0]), "name=p,to=%s", in_folder("socket:", "s"));
    (void)snprintf(options[1], sizeof(options[1]), "name=q,to=fd:%d", host[1]);
    make((const char *const[]){options[0], options[1]}, 2);
    start(30);
    (void)memcpy(ram(DATA, 4), "late", 4);
    offer(5, (struct fake_piece){DATA, 4, 0});
    fd_close(&host[0]);
    fake_write(&drv, FAKE_STATUS, 0);
    while (fake_read(&drv, FAKE_STATUS) != 0)
        (void)usleep(1000);
    int fd = socket_connect(in_folder("", "s"));
    (void)usleep(100000);
    ck_assert_int_eq(command("ports", NULL), 0);
    ck_assert_str_eq(reply, "p: closed here, closed in the guest\n"
                            "q: closed here, closed in the guest\n");
    (void)close(fd);
}
END_TEST

START_TEST(a_client_that_sends_no_more_gets_what_the_guest_sends)
{
    char got[8] = "";
    uint32_t id, len;
    int fd = start_client(30);

    ck_assert_int_eq(write(fd, "in", 2), 2);
    ck_assert_int_eq(shutdown(fd, SHUT_WR), 0);
    for (int i = 0; i <= _i; i++) /* the second one meets the end */
        offer(0, (struct fake_piece){INPUT, 64, FAKE_WRITE});
    kick(0);
    ck_assert_uint_eq(used(0, NULL), 2);
    for (int i = 0; i < 3; i++) {
        send_text(1, "out");
        (void)used(1, NULL);
        ck_assert_int_eq(read(fd, got, sizeof(got)), 3);
    }
    ck_assert(!fake_used(&drv.ring[2], &id, &len));
    say(0, OPEN, 0);
    ck_assert_int_eq(read(fd, got, sizeof(got)), 0);
    heard(0, OPEN, 0, "");
    (void)close(fd);
}
END_TEST

START_TEST(a_client_that_sends_no_more_may_leave)
{
    int fd = start_client(30);

    ck_assert_int_eq(shutdown(fd, SHUT_WR), 0);
    offer(0, (struct fake_piece){INPUT, 64, FAKE_WRITE});
    kick(0);
    send_text(1, "out");
    (void)used(1, NULL);
    (void)close(fd);
    heard(0, OPEN, 0, "");
}
END_TEST

/* The guest writes to it before it has had a buffer for what came in. */
START_TEST(what_a_client_sent_before_it_left_is_not_lost)
{
    int fd = start_client(30);

    ck_assert_int_eq(write(fd, "last words", 10), 10);
    (void)close(fd);
    send_text(1, "nobody");
    ck_assert_uint_eq(used(1, NULL), 0);
    offer(0, (struct fake_piece){INPUT, 64, FAKE_WRITE});
    offer(0, (struct fake_piece){INPUT, 64, FAKE_WRITE});
    kick(0);
    ck_assert_uint_eq(used(0, NULL), 10);
    ck_assert_int_eq(memcmp(ram(INPUT, 10), "last words", 10), 0);
    heard(0, OPEN, 0, "");
}
END_TEST

/* End of input does not end the output, and what was written is out when the device is gone. */
START_TEST(standard_streams_are_copied)
{
    int in[2], out[2], saved[2] = {dup(0), dup(1)};
    char got[8] = "";

    ck_assert(pipe(in) == 0 && pipe(out) == 0 && dup2(in[0], 0) == 0 && dup2(out[1], 1) == 1);
    make((const char *const[]){"name=one,to=stdio"}, 1);
    start_open("one");
    ck_assert_int_eq(write(in[1], "in", 2), 2);
    offer(0, (struct fake_piece){INPUT, 64, FAKE_WRITE});
    offer(0, (struct fake_piece){INPUT, 64, FAKE_WRITE});
    kick(0);
    ck_assert_uint_eq(used(0, NULL), 2);
    (void)close(in[1]);
    for (int i = 0; i < 2; i++) {
        send_text(1, "out");
        (void)used(1, NULL);
        ck_assert_int_eq(read(out[0], got, sizeof(got)), 3);
        ck_assert_str_eq(got, "out");
    }
    send_text(1, "last");
    (void)used(1, NULL);
    virtio_destroy(dev);
    fake_driver_fini(&drv);
    dev = NULL;
    ck_assert_int_eq(fcntl(out[0], F_SETFL, O_NONBLOCK), 0);
    ck_assert_int_eq(read(out[0], got, sizeof(got)), 4);
    ck_assert_int_eq(fcntl(out[1], F_GETFL) & O_NONBLOCK, 0); /* it is shared: left as it was */
    ck_assert(dup2(saved[0], 0) == 0 && dup2(saved[1], 1) == 1);
}
END_TEST

Suite *ports_to_suite(void);
Suite *ports_to_suite(void)
{
    Suite *suite = suite_create("ports_to");
    TCase *tcase = tcase_create("ends");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, a_file_holds_what_was_written);
    tcase_add_test(tcase, a_file_takes_much_piece_by_piece);
    tcase_add_test(tcase, a_ring_keeps_the_last_of_it);
    tcase_add_test(tcase, a_ring_takes_no_longer_than_what_it_keeps);
    tcase_add_test(tcase, a_fifo_holds_what_nobody_has_read_yet);
    tcase_add_test(tcase, a_terminal_takes_both_ways);
    tcase_add_test(tcase, a_terminal_that_nobody_reads_holds_up_nobody);
    tcase_add_test(tcase, who_comes_to_a_socket_waits_while_descriptors_are_out);
    tcase_add_test(tcase, a_socket_opens_and_closes_the_port);
    tcase_add_test(tcase, the_next_client_waits_until_the_last_ones_end_was_told);
    tcase_add_test(tcase, nobody_is_let_in_while_the_device_is_idle);
    tcase_add_loop_test(tcase, a_client_that_sends_no_more_gets_what_the_guest_sends, 0, 2);
    tcase_add_test(tcase, a_client_that_sends_no_more_may_leave);
    tcase_add_test(tcase, what_a_client_sent_before_it_left_is_not_lost);
    tcase_add_test(tcase, standard_streams_are_copied);
    suite_add_tcase(suite, tcase);
    return suite;
}
