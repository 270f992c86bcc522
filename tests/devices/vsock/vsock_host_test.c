/* SPDX-License-Identifier: BSD-3-Clause */
/* What the socket device is asked for, clients that do not behave, TCP doors, and time. */
#include "devices/vsock/vsock.h"

#include "tests/devices/vsock/vsock_rig.h"

#include <netinet/in.h>
#include <stdatomic.h>
#include <sys/resource.h>

/* -- options -- */

static const struct {
    const char *options;
    int result;
    const char *said;
} refused[] = {
    {",cid=2", -EINVAL, "--vsock cid: \"2\" is out of range"},
    {",cid=4294967295", -EINVAL, "--vsock cid: "},
    {",forward=tcp:127.0.0.1:1", -EINVAL, "--vsock forward: \"tcp:127.0.0.1:1\" will not do"},
    {",forward=tcp:127.0.0.1:0-0", -EINVAL, "--vsock forward: "},
    {",forward=tcp:127.0.0.1:0-4294967295", -EINVAL, "--vsock forward: "},
    {",forward=udp:127.0.0.1:0-1", -EINVAL, "--vsock forward: streams only; give tcp:..."},
    {",forward=tcp:localhost:0-1", -EINVAL, "\"localhost\" is not an address of IP"},
    {",forward=tcp:192.0.2.1:0-1", -EADDRNOTAVAIL,
     "--vsock forward: 192.0.2.1 port 0: give another"},
};

START_TEST(options_that_will_not_do_are_refused)
{
    int r = try_at(path, refused[_i].options, &dev);
    const char *said = capture_look(&capture);

    ck_assert_int_eq(r, refused[_i].result);
    ck_assert_msg(strstr(said, refused[_i].said) != NULL, "%s", said);
    ck_assert_one_error(said, "");
}
END_TEST

START_TEST(path_leaves_room_for_ports)
{
    char name[128] = "/tmp/linnet-vsock-";

    memset(name + strlen(name), 'x', 97 - strlen(name));
    ck_assert_int_eq(try_at(name, "", &dev), -EINVAL);
    ck_assert_ptr_nonnull(strstr(capture_look(&capture), "a name of at most 96 bytes"));
    name[96] = '\0';
    ck_assert_int_eq(try_at(name, "", &dev), 0);
    fake_driver_init(&drv, dev, RINGS);
}
END_TEST

START_TEST(two_machines_can_not_have_one_path)
{
    struct virtio_device *second = NULL;

    make("", 16);
    ck_assert_int_eq(try_at(path, "", &second), -EADDRINUSE);
    ck_assert_ptr_null(second);
    ck_assert_ptr_nonnull(strstr(capture_look(&capture), "another machine has it"));
    (void)guest_began(); /* the first one has it still */
}
END_TEST

START_TEST(socket_that_a_dead_machine_left_is_taken_over)
{
    struct sockaddr_un address;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ck_assert_int_eq(unix_address(path, &address), 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    ck_assert_int_eq(close(fd), 0);
    uint32_t port;
    make("", 16);
    ck_assert_int_eq(close(host_began(&port)), 0);
}
END_TEST

START_TEST(other_addresses_are_the_guests_own)
{
    ck_assert_int_eq(try_at(path, ",cid=4294967294", &dev), 0);
    fake_driver_init(&drv, dev, RINGS);
    ck_assert_uint_eq(fake_read(&drv, FAKE_CONFIG), 4294967294u);
    ck_assert_uint_eq(fake_read(&drv, FAKE_CONFIG + 4), 0);
}
END_TEST

/* -- clients that do not behave -- */

static const char *const lines[] = {
    "\n",
    "hello\n",
    "CONNECT\n",
    "CONNECT \n",
    "CONNECT x\n",
    "CONNECT 5x\n",
    "CONNECT -1\n",
    "CONNECT 4294967295\n",
    "CONNECT 99999999999999999999\n",
    "Connect 5000\n",
    "CONNECT  5000\n",
    "CONNECT 5000\r\n",
    "CONNECT 000000000000000000000005000\n", /* too long, and so are these */
    "01234567890123456789012345678901",
    "0123456789012345678901234567890123456789",
};

START_TEST(client_that_says_something_else_is_dropped)
{
    char byte;

    make("", 16);
    int fd = host_connect();
    host_send(fd, lines[_i]);
    ck_assert_int_le(recv(fd, &byte, 1, 0), 0);
    ck_assert_int_eq(close(fd), 0);
    expect_nothing();
}
END_TEST

START_TEST(client_that_leaves_is_dropped)
{
    char reply[FAKE_REPLY_BYTES];

    make("", 16);
    int fd = host_connect();
    host_send(fd, "CONN");
    ck_assert_int_eq(shutdown(fd, SHUT_WR), 0);
    host_ends(fd);
    ck_assert_int_eq(close(fd), 0);
    ck_assert_int_eq(fake_command(dev, "status", NULL, reply), 0);
    ck_assert_ptr_nonnull(strstr(reply, "streams: 0, ever: 1\n"));
}
END_TEST

/* They wait in front of the door, and are served as the others say what they want. */
START_TEST(clients_that_say_nothing_are_bounded)
{
    int fds[64], late;

    make("", 16);
    for (unsigned i = 0; i < 64; i++)
        fds[i] = host_connect();
    late = host_connect();
    host_send(late, "CONNECT 5000\n");
    expect_nothing();
    ck_assert_int_eq(close(fds[7]), 0);
    ck_assert_uint_eq(hear().dst_port, 5000);
    for (unsigned i = 0; i < 64; i++)
        if (i != 7)
            ck_assert_int_eq(close(fds[i]), 0);
    ck_assert_int_eq(close(late), 0);
}
END_TEST

/* -- time -- */

static _Atomic uint64_t ahead_ns; /* of the real clock */

static uint64_t ahead_now(struct timebase *timebase)
{
    (void)timebase;
    return timebase_monotonic.now_ns(&timebase_monotonic) + ahead_ns;
}

static struct timebase ahead = {.now_ns = ahead_now};

/* As make(), by a clock that can be put forward. */
static void make_timed(unsigned buffers)
{
    ahead_ns = 0;
    ck_assert_int_eq(try_at(path, "", &dev), 0);
    dev->worker[0].loop.timebase = &ahead;
    fake_driver_init(&drv, dev, RINGS);
    ck_assert_int_eq(virtio_start(dev), 0);
    ck_assert_uint_eq(fake_start(&drv, FAKE_VERSION_1), 15);
    offer_buffers(buffers);
}

/* Puts the clock forward and has the worker look at it. */
static void pass(uint64_t seconds)
{
    char reply[FAKE_REPLY_BYTES];

    ahead_ns += seconds * SECOND_NS;
    ck_assert_int_eq(fake_command(dev, "status", NULL, reply), 0);
}

/* Within so long. */
static bool host_ended(int fd, int ms)
{
    struct pollfd end = {.fd = fd, .events = POLLIN};
    char byte;

    settle();
    (void)poll(&end, 1, ms);
    ssize_t n = recv(fd, &byte, 1, MSG_DONTWAIT);
    return n == 0 || (n < 0 && errno == ECONNRESET);
}

START_TEST(client_has_five_seconds_to_say_what_it_wants)
{
    make_timed(16);
    int fd = host_connect();
    host_send(fd, "CONN");
    settle();
    pass(4);
    ck_assert(!host_ended(fd, 0));
    pass(2);
    ck_assert(host_ended(fd, 30000));
    ck_assert_int_eq(close(fd), 0);
}
END_TEST

/* With and without a buffer for the question. */
START_TEST(guest_has_ten_seconds_to_answer)
{
    make_timed((unsigned)_i);
    int fd = host_connect();
    host_send(fd, "CONNECT 5000\n");
    settle();
    pass(9);
    ck_assert(!host_ended(fd, 0));
    pass(2);
    ck_assert(host_ended(fd, 30000));
    offer_buffers(4);
    if (_i == 1) {
        uint32_t port = hear().src_port;
        (void)expect(port, 5000, RST);
    }
    expect_nothing();
    ck_assert_int_eq(close(fd), 0);
}
END_TEST

/* proves: VSK-15 */
START_TEST(guest_has_eight_seconds_to_let_go)
{
    make_timed(16);
    int fd = guest_began();
    ck_assert_int_eq(close(fd), 0);
    (void)expect(9, 7, SHUTDOWN);
    pass(7);
    expect_nothing();
    pass(2);
    (void)expect(9, 7, RST);
}
END_TEST

/* While the guest stands still, so does the time that it has. */
START_TEST(pause_does_not_count)
{
    make_timed(16);
    int fd = host_connect();
    host_send(fd, "CONNECT 5000\n");
    uint32_t port = hear().src_port;
    virtio_pause(dev);
    ahead_ns += 3600 * SECOND_NS;
    virtio_resume(dev, 3600 * SECOND_NS);
    expect_nothing();
    say(5000, port, RESPONSE, 0);
    host_gets(fd, "OK 5000\n");
    ck_assert_int_eq(close(fd), 0);
}
END_TEST

/* Clients wait until there are descriptors again, and nothing spins meanwhile. */
START_TEST(without_descriptors_clients_wait)
{
    struct rlimit limit, none;
    struct rusage before, after;

    make_timed(16);
    int fd = host_connect(), late = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_un address;
    ck_assert_int_eq(unix_address(path, &address), 0);
    settle();
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    none = (struct rlimit){3, limit.rlim_max};
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    ck_assert_int_eq(connect(late, (struct sockaddr *)&address, sizeof(address)), 0);
    host_send(late, "CONNECT 6000\n");
    say(7, 9, REQUEST, 0);
    (void)expect(9, 7, RST); /* no descriptor for that one */
    expect_nothing();
    (void)getrusage(RUSAGE_SELF, &before);
    (void)poll(NULL, 0, 50);
    (void)getrusage(RUSAGE_SELF, &after);
    ck_assert_int_lt((after.ru_utime.tv_sec - before.ru_utime.tv_sec) * 1000000 +
                         after.ru_utime.tv_usec - before.ru_utime.tv_usec,
                     25000);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    pass(2);
    ck_assert_uint_eq(hear().dst_port, 6000);
    ck_assert_int_eq(close(fd), 0);
    ck_assert_int_eq(close(late), 0);
}
END_TEST

/* -- TCP doors -- */

static int door_connect(uint16_t *ret_port)
{
    char reply[FAKE_REPLY_BYTES];
    unsigned port = 0;

    ck_assert_int_eq(fake_command(dev, "status", NULL, reply), 0);
    const char *line = strstr(reply, "tcp 127.0.0.1 port ");
    ck_assert_ptr_nonnull(line);
    ck_assert_int_eq(sscanf(line, "tcp 127.0.0.1 port %u to 5555\n", &port), 1);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    *ret_port = (uint16_t)port;
    return fd;
}

START_TEST(door_leads_to_a_port_of_the_guest)
{
    struct results results = {0};
    uint16_t tcp;

    make(",forward=tcp:127.0.0.1:0-5555+tcp:[::1]:0-4000000000", 16);
    int fd = door_connect(&tcp);
    host_send(fd, "no line is needed");
    uint32_t port = hear().src_port;
    say(5555, port, RESPONSE, 0);
    ck_assert_uint_eq(expect(port, 5555, RW).len, 17);
    say_bytes(5555, port, "answer", 6);
    say(5555, port, SHUTDOWN, NO_SEND);
    host_gets(fd, "answer");
    host_ends(fd);
    ck_assert_int_eq(close(fd), 0);
    virtio_vsock.results(dev, &results);
    ck_assert_uint_eq(results.count, 2);
    ck_assert_str_eq(results.at[0].what, "vsock:5555");
    ck_assert_uint_eq(results.at[0].port, tcp);
    ck_assert_str_eq(results.at[1].what, "vsock:4000000000");
    results_fini(&results);
}
END_TEST

START_TEST(door_of_a_guest_that_refuses_is_reset)
{
    uint16_t tcp;
    char byte;

    make(",forward=tcp:127.0.0.1:0-5555", 16);
    int fd = door_connect(&tcp);
    say(5555, hear().src_port, RST, 0);
    ck_assert_int_eq(recv(fd, &byte, 1, 0), -1);
    ck_assert_int_eq(errno, ECONNRESET);
    ck_assert_int_eq(close(fd), 0);
}
END_TEST

/* -- commands -- */

START_TEST(status_is_told)
{
    char reply[FAKE_REPLY_BYTES], want[256];

    make("", 16);
    int fd = guest_began();
    say_bytes(7, 9, "12345", 5);
    host_gets(fd, "12345");
    host_send(fd, "123");
    (void)expect(9, 7, RW);
    ck_assert_int_eq(fake_command(dev, "status", NULL, reply), 0);
    (void)snprintf(want, sizeof(want),
                   "guest's address 3, here %s\nstreams: 1, ever: 1\n"
                   "bytes to the guest: 3, from it: 5\n",
                   path);
    ck_assert_str_eq(reply, want);
    ck_assert_int_eq(fake_command(dev, "state", NULL, reply), -EINVAL);
    ck_assert_str_eq(reply, "vsock0 takes: status");
    ck_assert_int_eq(fake_command(dev, "status", "x", reply), -EINVAL);
    ck_assert_int_eq(close(fd), 0);
}
END_TEST

Suite *vsock_host_suite(void);
Suite *vsock_host_suite(void)
{
    Suite *suite = suite_create("vsock_host");
    TCase *tcase = tcase_create("host");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase, options_that_will_not_do_are_refused, 0, ARRAY_SIZE(refused));
    tcase_add_test(tcase, path_leaves_room_for_ports);
    tcase_add_test(tcase, two_machines_can_not_have_one_path);
    tcase_add_test(tcase, socket_that_a_dead_machine_left_is_taken_over);
    tcase_add_test(tcase, other_addresses_are_the_guests_own);
    tcase_add_loop_test(tcase, client_that_says_something_else_is_dropped, 0, ARRAY_SIZE(lines));
    tcase_add_test(tcase, client_that_leaves_is_dropped);
    tcase_add_test(tcase, clients_that_say_nothing_are_bounded);
    tcase_add_test(tcase, client_has_five_seconds_to_say_what_it_wants);
    tcase_add_loop_test(tcase, guest_has_ten_seconds_to_answer, 0, 2);
    tcase_add_test(tcase, guest_has_eight_seconds_to_let_go);
    tcase_add_test(tcase, pause_does_not_count);
    tcase_add_test(tcase, without_descriptors_clients_wait);
    tcase_add_test(tcase, door_leads_to_a_port_of_the_guest);
    tcase_add_test(tcase, door_of_a_guest_that_refuses_is_reset);
    tcase_add_test(tcase, status_is_told);
    suite_add_tcase(suite, tcase);
    return suite;
}
