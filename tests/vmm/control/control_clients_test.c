/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of vmm/control/control_clients.c: slow, rude and too many clients. */
#include "tests/vmm/control/control_rig.h"
#include "vmm/base/unix_listener.h"
#include "vmm/control/control_clients.h"

#include "tests/wrap.h"

#include <check.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>

Suite *control_clients_suite(void);

#define say    control_rig_say
#define heard  control_rig_heard
#define client control_rig_client
#define step   control_rig_step

#define ASK    "{\"do\":[\"talker0\",\"a\"]}\n"
#define ANSWER "{\"ok\":true,\"told\":[\"[a]\"]}\n"

static void check_served(int fd)
{
    say(fd, ASK);
    ck_assert_str_eq(heard(fd), ANSWER);
}

START_TEST(line_may_come_in_pieces)
{
    int fd = client();

    for (const char *at = ASK; *at != '\0'; at++) {
        ck_assert_str_eq(heard(fd), "");
        say(fd, (const char[]){*at, '\0'});
    }
    ck_assert_str_eq(heard(fd), ANSWER);
    (void)close(fd);
}
END_TEST

START_TEST(longest_line_is_taken_and_a_longer_one_is_the_last)
{
    static char line[CONTROL_LINE_MAX + 2];
    int fd = client();

    memset(line, ' ', sizeof(line));
    memcpy(line, ASK, strlen(ASK) - 1);
    line[CONTROL_LINE_MAX - 1] = '\n';
    line[CONTROL_LINE_MAX] = '\0';
    say(fd, line);
    ck_assert_str_eq(heard(fd), ANSWER);
    line[CONTROL_LINE_MAX - 1] = ' ';
    say(fd, line);
    ck_assert_str_eq(heard(fd), "{\"ok\":false,\"error\":\"the line is too long\"}\n");
    ck_assert_str_eq(heard(fd), "gone");
    (void)close(fd);
}
END_TEST

START_TEST(line_without_end_is_told_so)
{
    int fd = client();

    ck_assert_int_eq(send(fd, ASK, strlen(ASK) - 1, 0), (ssize_t)strlen(ASK) - 1);
    ck_assert_int_eq(shutdown(fd, SHUT_WR), 0);
    step();
    ck_assert_str_eq(heard(fd), "{\"ok\":false,\"error\":\"a line ends with a newline\"}\n");
    ck_assert_str_eq(heard(fd), "gone");
    (void)close(fd);
}
END_TEST

START_TEST(client_that_only_writes_is_answered_first)
{
    int fd = client();

    ck_assert_int_eq(send(fd, ASK ASK, strlen(ASK ASK), 0), (ssize_t)strlen(ASK ASK));
    ck_assert_int_eq(shutdown(fd, SHUT_WR), 0);
    step();
    ck_assert_str_eq(heard(fd), ANSWER ANSWER);
    ck_assert_str_eq(heard(fd), "gone");
    (void)close(fd);
}
END_TEST

START_TEST(client_that_says_nothing_holds_up_nobody)
{
    int silent = client(), other = client();

    step();
    check_served(other);
    ck_assert_str_eq(heard(silent), "");
    (void)close(silent);
    step();
    check_served(other);
    (void)close(other);
}
END_TEST

/* It asks again and again, and never reads: it is no longer read from, and others are served. */
START_TEST(client_that_does_not_read_holds_up_nobody)
{
    int slow = client(), other = client();
    const int small = 1;
    size_t asked = 0;
    ssize_t sent;

    (void)setsockopt(slow, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
    while ((sent = send(slow, ASK ASK ASK ASK, strlen(ASK) * 4, MSG_NOSIGNAL)) > 0) {
        asked += (size_t)sent;
        ck_assert_uint_lt(asked, 100 << 20);
        step();
    }
    ck_assert_int_eq(errno, EAGAIN);
    check_served(other);
    ck_assert_str_ne(heard(slow), "gone"); /* it may yet read */
    step();
    (void)close(slow);
    step();
    check_served(other);
    (void)close(other);
}
END_TEST

/* It has asked for events, and does not read them: what is kept for it is bounded. */
START_TEST(client_that_is_owed_too_much_is_closed)
{
    int slow = client(), other = client();
    size_t got = 0;

    say(slow, "{\"do\":\"events\"}\n");
    ck_assert_str_eq(heard(slow), "{\"ok\":true}\n");
    for (unsigned i = 0; i < 100000; i++) /* 30 bytes each */
        control_tell_results(control_rig.control, &(struct results){0});
    check_served(other);
    const char *text = heard(slow);
    for (; strcmp(text, "gone") != 0; text = heard(slow)) {
        ck_assert_str_ne(text, "");
        got += strlen(text);
    }
    ck_assert_uint_lt(got, 1 << 20); /* what the kernel had taken before */
    (void)close(slow);
    (void)close(other);
}
END_TEST

/* What is owed comes whole, however late it is read. */
START_TEST(client_that_reads_late_misses_nothing)
{
    static const char event[] = "{\"event\":\"results\",\"told\":[]}\n";
    int late = client(), other = client();
    size_t got = 0;

    say(late, "{\"do\":\"events\"}\n");
    ck_assert_str_eq(heard(late), "{\"ok\":true}\n");
    for (unsigned i = 0; i < 30000; i++)
        control_tell_results(control_rig.control, &(struct results){0});
    check_served(other); /* a round sees that more waits to be sent */
    for (const char *text = heard(late); *text != '\0'; text = heard(late)) {
        for (; *text != '\0'; text++, got++)
            ck_assert_int_eq(*text, event[got % strlen(event)]);
        step();
    }
    ck_assert_uint_eq(got, 30000 * strlen(event));
    (void)close(other);
    (void)close(late);
}
END_TEST

/* How much comes until the end. */
static void *read_slowly(void *arg)
{
    static size_t got;
    char bytes[4096];
    ssize_t n;

    got = 0;
    while ((n = recv(*(int *)arg, bytes, sizeof(bytes), 0)) > 0) {
        got += (size_t)n;
        if (memmem(bytes, (size_t)n, "\"end\"", 5) != NULL)
            break;
        (void)usleep(1000);
    }
    return &got;
}

/* More than a socket holds. */
START_TEST(client_that_reads_slowly_has_all_at_the_end)
{
    int slow = client(), stuck = client();
    pthread_t thread;
    void *got;

    for (unsigned i = 0; i < 2; i++) {
        say(i == 0 ? slow : stuck, "{\"do\":\"events\"}\n");
        ck_assert_str_eq(heard(i == 0 ? slow : stuck), "{\"ok\":true}\n");
    }
    for (unsigned i = 0; i < 20000; i++)
        control_tell_results(control_rig.control, &(struct results){0});
    ck_assert_int_eq(fcntl(slow, F_SETFL, 0), 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, read_slowly, &slow), 0);
    control_end(control_rig.control, 0, ""); /* the other one does not keep us for long */
    ck_assert_int_eq(shutdown(slow, SHUT_RD), 0);
    ck_assert_int_eq(pthread_join(thread, &got), 0);
    ck_assert_uint_eq(*(size_t *)got, 20000 * 30 + 27);
    (void)close(slow);
    (void)close(stuck);
}
END_TEST

START_TEST(client_that_can_not_be_answered_is_closed)
{
    int deaf = client(), other = client();

    ck_assert_int_eq(shutdown(deaf, SHUT_RD), 0);
    say(deaf, ASK);
    ck_assert_int_eq(send(deaf, ASK, strlen(ASK), MSG_NOSIGNAL), -1);
    check_served(other);
    (void)close(deaf);
    (void)close(other);
}
END_TEST

START_TEST(client_beyond_the_last_is_told_so)
{
    int fds[17];

    for (unsigned i = 0; i < 17; i++) {
        fds[i] = client();
        step();
    }
    ck_assert_str_eq(heard(fds[16]), "{\"ok\":false,\"error\":\"there are too many clients; try "
                                     "again when one has gone\"}\n");
    ck_assert_str_eq(heard(fds[16]), "gone");
    for (unsigned i = 0; i < 16; i++)
        check_served(fds[i]);
    (void)close(fds[3]);
    step();
    (void)close(fds[16]);
    fds[3] = client();
    for (unsigned i = 0; i < 16; i++)
        check_served(fds[i]);
    for (unsigned i = 0; i < 16; i++)
        (void)close(fds[i]);
    step();
}
END_TEST

/* A place is not given away while a device has the request of who had it. */
START_TEST(place_is_taken_while_a_device_is_asked)
{
    int fds[16], last;

    control_rig.hold = true;
    fds[0] = client();
    say(fds[0], ASK);
    control_rig.hold = false;
    for (unsigned i = 1; i < 16; i++) {
        fds[i] = client();
        step();
    }
    (void)close(fds[0]);
    step();
    last = client();
    step();
    ck_assert_ptr_nonnull(strstr(heard(last), "too many clients"));
    (void)close(last);
    control_rig_release("", 0);
    step();
    fds[0] = client();
    for (unsigned i = 0; i < 16; i++) {
        check_served(fds[i]);
        (void)close(fds[i]);
    }
}
END_TEST

START_TEST(client_that_hangs_up_is_forgotten)
{
    for (unsigned i = 0; i < 100; i++) {
        int fd = client();
        if (i % 4 != 0)
            ck_assert_int_eq(send(fd, ASK ASK, i % 40, 0), i % 40);
        if (i % 3 == 0)
            step();
        if (i % 5 == 0)
            (void)shutdown(fd, SHUT_WR);
        (void)close(fd);
        step();
    }
    int fd = client();
    check_served(fd);
    (void)close(fd);
}
END_TEST

START_TEST(other_user_is_turned_away)
{
    control_rig.peer_uid = geteuid() + 1;
    int fd = client();

    step();
    ck_assert_str_eq(heard(fd), "{\"ok\":false,\"error\":\"this machine is another user's\"}\n");
    ck_assert_str_eq(heard(fd), "gone");
    (void)close(fd);
}
END_TEST

START_TEST(root_may_ask)
{
    control_rig.peer_uid = 0;
    int fd = client();

    check_served(fd);
    (void)close(fd);
}
END_TEST

/* They are served when there are descriptors again; nothing spins until then. */
START_TEST(clients_wait_while_descriptors_are_out)
{
    control_rig.loop.timebase = &control_rig.timebase;
    wrap_fail_after(WRAP_ACCEPT4, 0, EMFILE);
    int fd[2] = {client(), client()};
    step();
    ck_assert_uint_eq(wrap_stop(WRAP_ACCEPT4), 1);
    step();
    ck_assert_str_eq(heard(fd[0]), "");
    control_rig.now_ns += SECOND_NS;
    loop_stop(&control_rig.loop); /* a round, for the time */
    ck_assert_int_eq(loop_run(&control_rig.loop), 0);
    for (unsigned i = 0; i < 2; i++) {
        check_served(fd[i]);
        (void)close(fd[i]);
    }
}
END_TEST

Suite *control_clients_suite(void)
{
    Suite *suite = suite_create("control_clients");
    TCase *tcase = tcase_create("all");

    tcase_add_checked_fixture(tcase, control_rig_setup, control_rig_teardown);
    tcase_set_timeout(tcase, 30);
    tcase_add_test(tcase, line_may_come_in_pieces);
    tcase_add_test(tcase, longest_line_is_taken_and_a_longer_one_is_the_last);
    tcase_add_test(tcase, line_without_end_is_told_so);
    tcase_add_test(tcase, client_that_only_writes_is_answered_first);
    tcase_add_test(tcase, client_that_says_nothing_holds_up_nobody);
    tcase_add_test(tcase, client_that_does_not_read_holds_up_nobody);
    tcase_add_test(tcase, client_that_is_owed_too_much_is_closed);
    tcase_add_test(tcase, client_that_reads_late_misses_nothing);
    tcase_add_test(tcase, client_that_reads_slowly_has_all_at_the_end);
    tcase_add_test(tcase, client_that_can_not_be_answered_is_closed);
    tcase_add_test(tcase, client_beyond_the_last_is_told_so);
    tcase_add_test(tcase, place_is_taken_while_a_device_is_asked);
    tcase_add_test(tcase, client_that_hangs_up_is_forgotten);
    tcase_add_test(tcase, other_user_is_turned_away);
    tcase_add_test(tcase, root_may_ask);
    tcase_add_test(tcase, clients_wait_while_descriptors_are_out);
    suite_add_tcase(suite, tcase);
    return suite;
}
