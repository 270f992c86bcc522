/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of vmm/control/control.c: what may be asked, of the machine and of its devices. */
#include "tests/alloc_fail.h"
#include "tests/capture.h"
#include "tests/vmm/control/control_rig.h"
#include "tests/wrap.h"

#include <check.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

Suite *control_socket_suite(void);

#define say   control_rig_say
#define heard control_rig_heard

static int fd; /* the one client of most tests */

static void setup(void)
{
    control_rig_setup();
    fd = control_rig_client();
}

static void teardown(void)
{
    fd_close(&fd);
    control_rig_step();
    control_rig_teardown();
}

#define OK      "{\"ok\":true}\n"
#define NO(why) "{\"ok\":false,\"error\":\"" why "\"}\n"

static const struct {
    const char *request, *answer;
} talks[] = {
    {"{\"do\": [\"talker0\", \"a\", \"b\"]}\n", "{\"ok\":true,\"told\":[\"[a]\",\"[b]\"]}\n"},
    {"{\"do\": [\"talker0\", \"a\"]}\r\n", "{\"ok\":true,\"told\":[\"[a]\"]}\n"},
    {"{\"id\": 7, \"do\": [\"talker0\", \"a\"]}\n", "{\"id\":7,\"ok\":true,\"told\":[\"[a]\"]}\n"},
    {"{\"id\": \"x\", \"do\": [\"talker0\", \"fail\"]}\n",
     "{\"id\":\"x\",\"ok\":false,\"error\":\"[fail]\"}\n"},
    {"{\"do\": [\"talker0\", \"a  b\", \"\", \"\xc3\xa4\"]}\n",
     "{\"ok\":true,\"told\":[\"[a  b]\",\"[]\",\"[\xc3\xa4]\"]}\n"},
    {"{\"do\": [\"talker0\", \"a\"]}\n{\"do\": [\"talker0\", \"b\"]}\n",
     "{\"ok\":true,\"told\":[\"[a]\"]}\n{\"ok\":true,\"told\":[\"[b]\"]}\n"},
    {"{\"do\": [\"talker0\", \"quiet\"]}\n", OK},
    {"{\"do\": \"help\"}\n", "{\"ok\":true,\"told\":[\"status\",\"pause\",\"resume\",\"quit\","
                             "\"events\",\"help\",\"talker0 WORD...\"]}\n"},
    {"{\"do\": [\"talker0\", \"fail\", \"b\"]}\n", NO("[fail]")},
    {"{\"do\": [\"talker0\", \"silent-fail\"]}\n", NO("Device or resource busy")},
    {"{\"do\": [\"mute0\", \"a\"]}\n", NO("mute0 takes no commands")},
    {"{\"do\": \"talker0\"}\n", NO("say what the device shall do")},
    {"{\"do\": [\"talker1\", \"a\"]}\n",
     NO("\\\"talker1\\\": no such request or device; did you mean talker0?")},
    {"{\"do\": \"puase\"}\n", NO("\\\"puase\\\": no such request or device; did you mean pause?")},
    {"{\"do\": \"xyzzy\"}\n", NO("\\\"xyzzy\\\": no such request or device; help lists them")},
    {"{\"do\": [\"status\", \"now\"]}\n", NO("nothing can follow this word")},
    {"status\n", NO("not JSON: '[' or '{' expected near 'status'")},
    {"\n", NO("not JSON: '[' or '{' expected near end of file")},
    {"{\"id\": 1}\n", "{\"id\":1,\"ok\":false,\"error\":\"a request is {\\\"do\\\": [WORD, ...]}, "
                      "with \\\"id\\\": TEXT or NUMBER if you like, and no more\"}\n"},
};

START_TEST(request_is_answered)
{
    say(fd, talks[_i].request);
    ck_assert_str_eq(heard(fd), talks[_i].answer);
    say(fd, "{\"do\":[\"talker0\",\"more\"]}\n"); /* and the conversation goes on */
    ck_assert_str_eq(heard(fd), "{\"ok\":true,\"told\":[\"[more]\"]}\n");
}
END_TEST

START_TEST(status_tells_what_it_is)
{
    char want[300];

    control_rig.now_ns += 1234999999;
    say(fd, "{\"do\":\"status\"}\n");
    (void)snprintf(want, sizeof(want),
                   "{\"ok\":true,\"told\":{\"name\":\"box\",\"state\":\"running\",\"pid\":%d,"
                   "\"uptime_ms\":1234,\"cpus\":2,\"memory_bytes\":1048576,"
                   "\"devices\":[\"talker0\",\"mute0\"]}}\n",
                   (int)getpid());
    ck_assert_str_eq(heard(fd), want);
}
END_TEST

START_TEST(pause_stands_until_resume)
{
    say(fd, "{\"do\":\"pause\"}\n");
    ck_assert_str_eq(heard(fd), OK);
    ck_assert(control_rig.paused);
    say(fd, "{\"do\":\"status\"}\n");
    ck_assert_ptr_nonnull(strstr(heard(fd), "\"state\":\"paused\""));
    say(fd, "{\"do\":\"pause\"}\n");
    ck_assert_str_eq(heard(fd), NO("it is paused already"));
    say(fd, "{\"do\":\"resume\"}\n");
    ck_assert_str_eq(heard(fd), OK);
    ck_assert(!control_rig.paused);
    say(fd, "{\"do\":\"resume\"}\n");
    ck_assert_str_eq(heard(fd), NO("it is not paused"));
    say(fd, "{\"do\":\"status\"}\n");
    ck_assert_ptr_nonnull(strstr(heard(fd), "\"state\":\"running\""));
}
END_TEST

START_TEST(pause_that_fails_says_why_and_changes_nothing)
{
    control_rig.pause_fails = -EIO;
    say(fd, "{\"do\":\"pause\"}\n");
    ck_assert_str_eq(heard(fd), NO("Input/output error"));
    say(fd, "{\"do\":\"status\"}\n");
    ck_assert_ptr_nonnull(strstr(heard(fd), "\"state\":\"running\""));
}
END_TEST

/* The guest runs again, with a time that may be wrong. */
START_TEST(resume_that_fails_says_why_and_goes_on)
{
    say(fd, "{\"do\":\"events\"}\n{\"do\":\"pause\"}\n");
    ck_assert_str_eq(heard(fd), OK "{\"event\":\"paused\"}\n" OK);
    control_rig.pause_fails = -EIO;
    say(fd, "{\"do\":\"resume\"}\n");
    ck_assert_str_eq(heard(fd), "{\"event\":\"resumed\"}\n" NO("Input/output error"));
    say(fd, "{\"do\":\"status\"}\n");
    ck_assert_ptr_nonnull(strstr(heard(fd), "\"state\":\"running\""));
}
END_TEST

START_TEST(device_of_a_paused_machine_is_not_asked)
{
    say(fd, "{\"do\":\"pause\"}\n{\"do\":[\"talker0\",\"a\"],\"id\":1}\n{\"do\":\"resume\"}\n");
    ck_assert_str_eq(heard(fd), OK "{\"id\":1,\"ok\":false,\"error\":\"the machine is paused; "
                                   "resume it first\"}\n" OK);
    say(fd, "{\"do\":[\"talker0\",\"a\"]}\n");
    ck_assert_str_eq(heard(fd), "{\"ok\":true,\"told\":[\"[a]\"]}\n");
}
END_TEST

START_TEST(quit_is_answered_and_done_also_when_paused)
{
    say(fd, "{\"do\":\"pause\"}\n");
    ck_assert_str_eq(heard(fd), OK);
    say(fd, "{\"do\":\"quit\"}\n");
    ck_assert_uint_eq(control_rig.quits, 1);
    ck_assert_str_eq(heard(fd), OK);
}
END_TEST

/* -- events -- */

START_TEST(events_come_to_who_asked_for_them)
{
    int watcher = control_rig_client();

    say(watcher, "{\"do\":\"events\"}\n");
    ck_assert_str_eq(heard(watcher), OK);
    say(fd, "{\"do\":\"pause\"}\n");
    ck_assert_str_eq(heard(fd), OK); /* and no event */
    ck_assert_str_eq(heard(watcher), "{\"event\":\"paused\"}\n");
    say(watcher, "{\"do\":\"pause\"}\n"); /* in vain: no event */
    ck_assert_str_eq(heard(watcher), NO("it is paused already"));
    say(watcher, "{\"do\":\"resume\",\"id\":3}\n"); /* told before the answer */
    ck_assert_str_eq(heard(watcher), "{\"event\":\"resumed\"}\n{\"id\":3,\"ok\":true}\n");
    control_end(control_rig.control, 38, "");
    ck_assert_str_eq(heard(watcher), "{\"event\":\"end\",\"status\":38}\n");
    ck_assert_str_eq(heard(fd), "");
    (void)close(watcher);
}
END_TEST

/* As a device's process has it: somebody is there from the beginning, and nothing can be paused. */
START_TEST(client_that_was_given_hears_results_and_why_it_ended)
{
    struct results results = {0};
    int ends[2];

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
    ck_assert_int_eq(control_take(control_rig.control, ends[1]), 0);
    control_rig.vm.pause = NULL;
    control_rig.vm.cpus = 0;
    control_rig.vm.memory_bytes = 0;
    say(ends[0], "{\"do\":\"pause\"}\n");
    ck_assert_str_eq(heard(ends[0]), NO("that is asked of the machine that it is a device of"));
    say(ends[0], "{\"do\":\"help\"}\n");
    ck_assert_str_eq(
        heard(ends[0]),
        "{\"ok\":true,\"told\":[\"status\",\"quit\",\"events\",\"help\",\"talker0 WORD...\"]}\n");
    say(ends[0], "{\"do\":\"status\"}\n");
    ck_assert_ptr_null(strstr(heard(ends[0]), "cpus"));
    results_file(&results, "a.wav");
    control_tell_results(control_rig.control, &results);
    ck_assert_str_eq(heard(ends[0]), "{\"event\":\"results\",\"told\":[{\"file\":\"a.wav\"}]}\n");
    control_end(control_rig.control, 38, "snd0: silence\nand more");
    ck_assert_str_eq(heard(ends[0]),
                     "{\"event\":\"end\",\"status\":38,\"message\":\"snd0: silence\"}\n");
    results_fini(&results);
    (void)close(ends[0]);
    control_rig_step();
}
END_TEST

/* -- requests under way -- */

START_TEST(next_request_waits_for_the_answer_and_others_do_not)
{
    int other = control_rig_client();

    control_rig.hold = true;
    say(fd, "{\"do\":[\"talker0\",\"a\"],\"id\":1}\n{\"do\":\"pause\",\"id\":2}\n");
    ck_assert_str_eq(heard(fd), "");
    ck_assert_str_eq(control_rig.held_with->name, "talker0");
    ck_assert_str_eq(control_rig.held->words[0], "a");
    ck_assert_ptr_null(control_rig.held->words[1]);
    say(other, "{\"do\":\"help\"}\n");
    ck_assert_ptr_nonnull(strstr(heard(other), "status"));
    control_rig_release("done\n", 0);
    control_rig_step();
    ck_assert_str_eq(heard(fd),
                     "{\"id\":1,\"ok\":true,\"told\":[\"done\"]}\n{\"id\":2,\"ok\":true}\n");
    (void)close(other);
}
END_TEST

/* Each is answered with its own, whichever is done first. */
START_TEST(requests_of_two_clients_are_kept_apart)
{
    int other = control_rig_client();

    control_rig.hold = true;
    say(fd, "{\"do\":[\"talker0\",\"a\"]}\n");
    control_rig_release("", 0);
    control_rig_step();
    ck_assert_str_eq(heard(fd), OK);
    say(fd, "{\"do\":[\"talker0\",\"b\"],\"id\":1}\n");
    struct virtio_command *first = control_rig.held;
    say(other, "{\"do\":[\"talker0\",\"c\"],\"id\":2}\n");
    control_rig_release("c\n", 0);
    control_rig_step();
    ck_assert_str_eq(heard(fd), "");
    ck_assert_str_eq(heard(other), "{\"id\":2,\"ok\":true,\"told\":[\"c\"]}\n");
    control_rig.held = first;
    control_rig_release("b\n", 0);
    control_rig_step();
    ck_assert_str_eq(heard(fd), "{\"id\":1,\"ok\":true,\"told\":[\"b\"]}\n");
    ck_assert_str_eq(heard(other), "");
    (void)close(other);
}
END_TEST

/* The device began before the pause, and is done when it is over. */
START_TEST(request_under_way_is_answered_after_a_pause)
{
    int other = control_rig_client();

    control_rig.hold = true;
    say(fd, "{\"do\":[\"talker0\",\"a\"]}\n");
    say(other, "{\"do\":\"pause\"}\n{\"do\":\"resume\"}\n");
    ck_assert_str_eq(heard(other), OK OK);
    ck_assert_str_eq(heard(fd), "");
    control_rig_release("no\nreally not\n", -EINVAL);
    control_rig_step();
    ck_assert_str_eq(heard(fd), NO("no"));
    (void)close(other);
}
END_TEST

START_TEST(events_go_on_while_a_device_is_asked)
{
    int other = control_rig_client();

    control_rig.hold = true;
    say(fd, "{\"do\":\"events\"}\n");
    say(fd, "{\"do\":[\"talker0\",\"a\"]}\n");
    say(other, "{\"do\":\"pause\"}\n");
    ck_assert_str_eq(heard(fd), OK "{\"event\":\"paused\"}\n");
    control_rig_release("", 0);
    control_rig_step();
    ck_assert_str_eq(heard(fd), OK);
    (void)close(other);
}
END_TEST

/* Its place is kept until the device is done: what it was asked for lies there. */
START_TEST(client_that_leaves_a_request_with_a_device_is_outlived_by_it)
{
    control_rig.hold = true;
    say(fd, "{\"do\":[\"talker0\",\"a\"]}\n");
    fd_close(&fd);
    control_rig_step();
    struct virtio_command *first = control_rig.held;
    ck_assert_str_eq(first->words[0], "a");
    fd = control_rig_client(); /* has another place */
    say(fd, "{\"do\":[\"talker0\",\"quiet\"]}\n");
    control_rig_release("second\n", 0);
    control_rig.held = first;
    control_rig_release("first\n", 0);
    control_rig_step();
    ck_assert_str_eq(heard(fd), "{\"ok\":true,\"told\":[\"second\"]}\n");
}
END_TEST

START_TEST(what_is_served_at_the_end_is_answered)
{
    control_rig.hold = true;
    say(fd, "{\"do\":[\"talker0\",\"a\"]}\n");
    control_rig_release("late\n", 0);
    control_end(control_rig.control, 0, "");
    ck_assert_str_eq(heard(fd), "{\"ok\":true,\"told\":[\"late\"]}\n");
}
END_TEST

START_TEST(end_of_the_socket_is_the_end_of_its_clients)
{
    char path[80];
    struct control *second;
    int free_fd = dup(0), left_fd;

    (void)close(free_fd);
    (void)snprintf(path, sizeof(path), "%s2", control_rig.path);
    ck_assert_int_eq(control_create(path, &control_rig.loop, &control_rig.vm, &second), 0);
    strcat(control_rig.path, "2");
    int other = control_rig_client();
    control_rig.hold = true;
    say(other, "{\"do\":[\"talker0\",\"a\"]}\n");
    control_rig_release("late\n", 0); /* and nobody looks */
    control_destroy(second);
    ck_assert_str_eq(heard(other), "gone");
    (void)close(other);
    left_fd = dup(0);
    (void)close(left_fd);
    ck_assert_int_eq(left_fd, free_fd);
    control_rig_step();
}
END_TEST

START_TEST(text_of_a_device_that_is_no_utf8_is_told_as_such)
{
    control_rig.hold = true;
    say(fd, "{\"do\":[\"talker0\",\"a\"]}\n");
    control_rig_release("good\nb\xff\n", 0);
    control_rig_step();
    ck_assert_str_eq(heard(fd), "{\"ok\":true,\"told\":[\"good\",\"(this is no UTF-8)\"]}\n");
}
END_TEST

/* -- host trouble -- */

/* A second socket, when one thing after the other fails: a line, and nothing is left. */
static void check_create_fails(enum wrap_call call, unsigned calls)
{
    int free_fd = dup(0), left_fd;
    char path[80];
    struct control *control = NULL;
    struct capture capture;

    (void)close(free_fd);
    (void)snprintf(path, sizeof(path), "%s2", control_rig.path);
    for (unsigned n = 0; n < calls; n++) {
        capture_start(&capture);
        wrap_fail_after(call, n, ENFILE);
        int r = control_create(path, &control_rig.loop, &control_rig.vm, &control);
        (void)wrap_stop(call);
        (void)capture_end(&capture);
        ck_assert_int_eq(r, -ENFILE);
        ck_assert_one_error(capture.text, "--control");
        ck_assert_int_eq(access(path, F_OK), -1);
        left_fd = dup(0);
        (void)close(left_fd);
        ck_assert_int_eq(left_fd, free_fd);
    }
    ck_assert_int_eq(control_create(path, &control_rig.loop, &control_rig.vm, &control), 0);
    control_destroy(control);
}

START_TEST(socket_that_can_not_be_watched_is_not_made)
{
    check_create_fails(WRAP_EVENTFD, 1);
    check_create_fails(WRAP_EPOLL_CTL, 2); /* what devices served, and the listener */
}
END_TEST

START_TEST(no_memory_for_the_socket_is_told)
{
    struct control *control = NULL;
    struct capture capture;
    char path[80];

    (void)snprintf(path, sizeof(path), "%s2", control_rig.path);
    for (unsigned n = 0; n < 2; n++) { /* itself, and the name of the file */
        capture_start(&capture);
        alloc_fail_after(n);
        int r = control_create(path, &control_rig.loop, &control_rig.vm, &control);
        ck_assert(alloc_fail_stop());
        (void)capture_end(&capture);
        ck_assert_int_eq(r, -ENOMEM);
        ck_assert_one_error(capture.text, "");
    }
}
END_TEST

/* It can not be watched: it is gone, and its place is free. */
START_TEST(client_that_can_not_be_watched_is_closed)
{
    int others[16];

    control_rig_step();
    for (unsigned i = 0; i < 16; i++) {
        wrap_fail_after(WRAP_EPOLL_CTL, 0, ENOMEM);
        int lost = control_rig_client();
        control_rig_step();
        (void)wrap_stop(WRAP_EPOLL_CTL);
        ck_assert_str_eq(heard(lost), "gone");
        (void)close(lost);
    }
    for (unsigned i = 1; i < 16; i++) {
        others[i] = control_rig_client();
        say(others[i], "{\"do\":\"resume\"}\n");
        ck_assert_str_eq(heard(others[i]), NO("it is not paused"));
    }
    for (unsigned i = 1; i < 16; i++)
        (void)close(others[i]);
}
END_TEST

Suite *control_socket_suite(void)
{
    Suite *suite = suite_create("control_socket");
    TCase *tcase = tcase_create("all");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase, request_is_answered, 0, ARRAY_SIZE(talks));
    tcase_add_test(tcase, status_tells_what_it_is);
    tcase_add_test(tcase, pause_stands_until_resume);
    tcase_add_test(tcase, pause_that_fails_says_why_and_changes_nothing);
    tcase_add_test(tcase, resume_that_fails_says_why_and_goes_on);
    tcase_add_test(tcase, device_of_a_paused_machine_is_not_asked);
    tcase_add_test(tcase, quit_is_answered_and_done_also_when_paused);
    tcase_add_test(tcase, events_come_to_who_asked_for_them);
    tcase_add_test(tcase, client_that_was_given_hears_results_and_why_it_ended);
    tcase_add_test(tcase, next_request_waits_for_the_answer_and_others_do_not);
    tcase_add_test(tcase, requests_of_two_clients_are_kept_apart);
    tcase_add_test(tcase, request_under_way_is_answered_after_a_pause);
    tcase_add_test(tcase, events_go_on_while_a_device_is_asked);
    tcase_add_test(tcase, client_that_leaves_a_request_with_a_device_is_outlived_by_it);
    tcase_add_test(tcase, what_is_served_at_the_end_is_answered);
    tcase_add_test(tcase, end_of_the_socket_is_the_end_of_its_clients);
    tcase_add_test(tcase, text_of_a_device_that_is_no_utf8_is_told_as_such);
    tcase_add_test(tcase, socket_that_can_not_be_watched_is_not_made);
    tcase_add_test(tcase, no_memory_for_the_socket_is_told);
    tcase_add_test(tcase, client_that_can_not_be_watched_is_closed);
    suite_add_tcase(suite, tcase);
    return suite;
}
