/* SPDX-License-Identifier: BSD-3-Clause */
/* What is said with a device's process: the test is that process, which may say anything, or
 * nothing, or be gone. */
#include "vmm/isolate_link.h"

#include "tests/capture.h"
#include "vmm/control/control_request.h"
#include "vmm/control/control_results.h"

#include <check.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

Suite *isolate_link_suite(void);

#define ASKS 3

/* What is asked for, and what came of it. */
static struct asked {
    struct virtio_command command;
    const char *words[80];
    char *reply;
    size_t size;
    bool done;
} asked[ASKS];

static struct isolate_link talk;
static struct loop loop;
static struct capture capture;
static int process; /* its end */

static void setup(void)
{
    int ends[2];

    ck_assert_int_eq(loop_init(&loop), 0);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    process = ends[1];
    ck_assert_int_eq(isolate_link_init(&talk, "snd1", ends[0], &loop), 0);
    memset(asked, 0, sizeof(asked));
    capture_start(&capture);
}

static void teardown(void)
{
    (void)capture_end(&capture);
    isolate_link_end(&talk);
    isolate_link_fini(&talk);
    for (size_t i = 0; i < ASKS; i++)
        free(asked[i].reply);
    fd_close(&process);
    loop_fini(&loop);
}

/* Runs the loop until nothing is ready. */
static void step(void)
{
    struct pollfd ready = {.fd = loop.epoll_fd, .events = POLLIN};

    while (poll(&ready, 1, 0) > 0) {
        loop_stop(&loop); /* one round */
        ck_assert_int_eq(loop_run(&loop), 0);
    }
}

static void done(struct virtio_command *command)
{
    struct asked *one = container_of(command, struct asked, command);

    ck_assert(!one->done);
    one->done = true;
    ck_assert_int_eq(fclose(command->reply), 0);
}

static void ask(struct asked *one, const char *word)
{
    one->words[0] = word;
    one->command = (struct virtio_command){
        .words = one->words, .reply = open_memstream(&one->reply, &one->size), .done = done};
    ck_assert_ptr_nonnull(one->command.reply);
    isolate_link_command(&talk, &one->command);
}

static void say(const char *text)
{
    ck_assert_int_eq(send(process, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
    step();
}

static const char *heard(void)
{
    static char text[CONTROL_LINE_MAX];
    ssize_t len = recv(process, text, sizeof(text) - 1, MSG_DONTWAIT);

    text[MAX(len, 0)] = '\0';
    return text;
}

static void time_is_up(void)
{
    timebase_monotonic.arm(&timebase_monotonic, talk.timer.fd, 0);
    struct pollfd up = {.fd = talk.timer.fd, .events = POLLIN};
    ck_assert_int_eq(poll(&up, 1, 10000), 1);
    step();
}

static const struct {
    const char *line, *reply;
    int result;
} answers[] = {
    {"{\"ok\":true}\n", "", 0},
    {"{\"ok\":true,\"told\":[]}\n", "", 0},
    {"{\"ok\":true,\"told\":[\"0 mic plugged\",\"\xc3\xa4\"]}\n", "0 mic plugged\n\xc3\xa4\n", 0},
    {"{\"ok\":false,\"error\":\"there is no jack\"}\n", "there is no jack", -EREMOTEIO},
};

START_TEST(answer_is_the_processs)
{
    ask(&asked[0], "jack");
    ck_assert_str_eq(heard(), "{\"do\":[\"snd1\",\"jack\"]}\n");
    ck_assert(!asked[0].done);
    say(answers[_i].line);
    ck_assert(asked[0].done);
    ck_assert_str_eq(asked[0].reply, answers[_i].reply);
    ck_assert_int_eq(asked[0].command.result, answers[_i].result);
}
END_TEST

START_TEST(it_is_asked_one_thing_at_a_time)
{
    ask(&asked[0], "a");
    ask(&asked[1], "b");
    ask(&asked[2], "c");
    ck_assert_str_eq(heard(), "{\"do\":[\"snd1\",\"a\"]}\n");
    say("{\"ok\":true,\"told\":[\"A\"");
    ck_assert(!asked[0].done);
    say("]}\n");
    ck_assert(asked[0].done && !asked[1].done);
    ck_assert_str_eq(heard(), "{\"do\":[\"snd1\",\"b\"]}\n");
    say("{\"ok\":true,\"told\":[\"B\"]}\n");
    ck_assert_str_eq(heard(), "{\"do\":[\"snd1\",\"c\"]}\n");
    ck_assert_str_eq(asked[0].reply, "A\n");
    ck_assert_str_eq(asked[1].reply, "B\n");
    ck_assert(!asked[2].done);
}
END_TEST

/* A control client gives no more than 64 words; here they are too long for a line. */
START_TEST(what_cannot_be_asked_is_refused_and_the_next_is_asked)
{
    static char large[CONTROL_LINE_MAX];

    memset(large, 'x', sizeof(large) - 1);
    ask(&asked[0], "a");
    ask(&asked[1], large);
    ask(&asked[2], "c");
    (void)heard();
    say("{\"ok\":true}\n");
    ck_assert(asked[1].done && !asked[2].done);
    ck_assert_str_eq(asked[1].reply, "that is too much for one line");
    ck_assert_int_eq(asked[1].command.result, -E2BIG);
    ck_assert_str_eq(heard(), "{\"do\":[\"snd1\",\"c\"]}\n");
}
END_TEST

static const char *const lies[] = {
    "hello\n",
    "\n",
    "[]\n",
    "{}\n",
    "{\"ok\":1}\n",
    "{\"ok\":true,\"ok\":true}\n",
    "{\"ok\":true,\"told\":{}}\n",
    "{\"ok\":true,\"told\":[1]}\n",
    "{\"ok\":true,\"told\":[\"a\",\"\\u001b[2J\"]}\n",
    "{\"ok\":true,\"told\":[\"a\\nb\"]}\n",
    "{\"ok\":false}\n",
    "{\"ok\":false,\"error\":\"a\\nb\"}\n",
    "{\"event\":\"paused\"}\n",
    "{\"event\":\"end\",\"message\":1}\n",
    "{\"event\":\"end\",\"message\":\"a\\nb\"}\n",
    "{\"event\":\"end\"}\n{\"event\":\"end\"}\n",
    "{\"event\":\"results\"}\n",
    "{\"event\":\"results\",\"told\":[{\"expect\":\"a\",\"passed\":1,\"why\":\"\"}]}\n",
    ("{\"event\":\"results\",\"told\":[]}\n{\"event\":\"results\",\"told\":[]}\n"
     "{\"event\":\"results\",\"told\":[]}\n"),
    "{\"ok\":true}\n{\"ok\":true}\n", /* one too many */
};

START_TEST(lie_is_the_end_of_the_conversation)
{
    ask(&asked[0], "a");
    say(lies[_i]);
    ck_assert(asked[0].done);
    ck_assert_int_eq(talk.socket.fd, -1);
    ck_assert_str_eq(capture_look(&capture),
                     "linnet: warn: snd1: its process says what makes no sense, and is not "
                     "listened to any more\n");
    ask(&asked[1], "b");
    ck_assert(asked[1].done);
    ck_assert_int_eq(asked[1].command.result, -EPIPE);
    ck_assert_str_eq(asked[1].reply, "snd1: its process says what makes no sense");
}
END_TEST

/* An answer that nobody wants, however long, is not kept. */
START_TEST(line_without_end_is_not_kept)
{
    static char piece[65536];
    size_t sent = 0;

    memset(piece, ' ', sizeof(piece));
    ask(&asked[0], "a");
    while (sent < 4 * ISOLATE_ANSWER_BYTES_MAX && talk.socket.fd >= 0) {
        ssize_t n = send(process, piece, sizeof(piece), MSG_NOSIGNAL | MSG_DONTWAIT);
        sent += (size_t)MAX(n, 0);
        step();
    }
    ck_assert_int_eq(talk.socket.fd, -1);
    ck_assert_uint_le(talk.in_size, ISOLATE_ANSWER_BYTES_MAX + 2 * sizeof(piece));
    ck_assert_str_eq(asked[0].reply, "snd1: its process says too much");
}
END_TEST

START_TEST(longest_answer_is_taken)
{
    static char text[ISOLATE_ANSWER_BYTES_MAX];
    size_t sent = 0, len = sizeof(text) - 1;

    memset(text, 'x', len);
    memcpy(text, "{\"ok\":true,\"told\":[\"", 20);
    memcpy(text + len - 4, "\"]}\n", 4);
    ask(&asked[0], "a");
    while (sent < len) {
        ssize_t n = send(process, text + sent, len - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        sent += (size_t)MAX(n, 0);
        step();
    }
    ck_assert(asked[0].done);
    ck_assert_int_eq(asked[0].command.result, 0);
    ck_assert_uint_eq(asked[0].size, len - 20 - 4 + 1);
}
END_TEST

START_TEST(process_that_hangs_is_waited_for_no_longer_than_that)
{
    ask(&asked[0], "a");
    ask(&asked[1], "b");
    time_is_up();
    ck_assert(asked[0].done && asked[1].done);
    ck_assert_str_eq(asked[0].reply, "snd1: its process does not answer");
    ask(&asked[2], "c");
    ck_assert_str_eq(asked[2].reply, "snd1: its process does not answer");
    ck_assert_str_eq(heard(), "{\"do\":[\"snd1\",\"a\"]}\n");
    ck_assert_str_eq(capture_look(&capture), "");
}
END_TEST

START_TEST(process_that_is_late_is_asked_again)
{
    ask(&asked[0], "a");
    time_is_up();
    ck_assert(asked[0].done);
    say("{\"ok\":true,\"told\":[\"A\"]}\n");
    (void)heard();
    ask(&asked[1], "b");
    ck_assert_str_eq(heard(), "{\"do\":[\"snd1\",\"b\"]}\n");
    say("{\"ok\":true,\"told\":[\"B\"]}\n");
    ck_assert_str_eq(asked[1].reply, "B\n");
}
END_TEST

START_TEST(process_that_reads_nothing_is_not_waited_for)
{
    static const char noise[4096];

    while (send(talk.socket.fd, noise, sizeof(noise), MSG_NOSIGNAL | MSG_DONTWAIT) > 0)
        continue;
    ask(&asked[0], "a");
    ck_assert(asked[0].done);
    ck_assert_str_eq(asked[0].reply, "snd1: its process does not listen");
}
END_TEST

START_TEST(process_that_dies_is_known_to_have_ended)
{
    ask(&asked[0], "a");
    ask(&asked[1], "b");
    fd_close(&process);
    step();
    ck_assert(asked[0].done && asked[1].done);
    ask(&asked[2], "c");
    for (size_t i = 0; i < ASKS; i++)
        ck_assert_str_eq(asked[i].reply, "snd1: its process has ended");
    ck_assert_str_eq(capture_look(&capture), ""); /* the device says it */
}
END_TEST

/* What it says is of its device, whatever it says. */
START_TEST(results_are_the_last_that_were_told_and_of_that_device)
{
    say("{\"event\":\"results\",\"told\":[{\"file\":\"a.wav\"}]}\n");
    ck_assert_uint_eq(talk.results.count, 1);
    ck_assert_str_eq(talk.results.at[0].what, "a.wav");
    say("{\"event\":\"results\",\"told\":[{\"expect\":\"freq=440\",\"passed\":false,"
        "\"why\":\"heard 1\",\"who\":\"snd0\"}]}\n");
    ck_assert_uint_eq(talk.results.count, 1);
    ck_assert_int_eq(talk.results.at[0].kind, RESULT_EXPECT);
    ck_assert_str_eq(talk.results.at[0].who, "snd1");
    ck_assert_str_eq(talk.results.at[0].what, "freq=440");
    ck_assert_str_eq(talk.results.at[0].why, "heard 1");
    ck_assert(!talk.results.at[0].passed && !talk.ended);
}
END_TEST

/* With no loop: the last words of one that has ended. */
START_TEST(last_words_are_heard)
{
    static const char words[] =
        "{\"event\":\"results\",\"told\":[{\"port\":7,\"name\":\"tcp:22\"}]}\n"
        "{\"event\":\"end\",\"status\":0}\n";

    ask(&asked[0], "a");
    ck_assert_int_eq(send(process, words, strlen(words), 0), (ssize_t)strlen(words));
    fd_close(&process);
    isolate_link_end(&talk);
    ck_assert(talk.ended);
    ck_assert_uint_eq(talk.results.count, 1);
    ck_assert_uint_eq(talk.results.at[0].port, 7);
    ck_assert_str_eq(asked[0].reply, "snd1: its process has ended");
}
END_TEST

/* As the machine has them for devices inside. */
START_TEST(one_that_there_is_not_reads_nothing)
{
    struct isolate_link none = {0};
    int before = dup(STDIN_FILENO);

    ck_assert_int_eq(dup2(process, STDIN_FILENO), STDIN_FILENO);
    ck_assert_int_eq(send(talk.socket.fd, "x", 1, 0), 1);
    isolate_link_read(&none);
    ck_assert_str_eq(heard(), "x"); /* descriptor 0 is not its */
    isolate_link_fini(&none);
    ck_assert_int_eq(dup2(before, STDIN_FILENO), STDIN_FILENO);
    (void)close(before);
}
END_TEST

/* -- results as text -- */

START_TEST(results_read_back)
{
    struct results told = {0}, read = {0};

    results_port(&told, "tcp:22", 65535);
    results_file(&told, "\xc3\xa4 \"b\".wav");
    results_file(&told, "\xff"); /* that is no text */
    results_file(&told, "a\nb");
    results_expect(&told, "snd0", "freq=440", true, NULL);
    results_expect(&told, "snd0", "level=-3", false, "silence");
    json_t *list = control_results_list(&told);
    ck_assert_int_eq(control_results_read(list, "snd2", &read), 0);
    json_decref(list);
    ck_assert_uint_eq(read.count, 4);
    ck_assert_uint_eq(read.at[0].port, 65535);
    ck_assert_str_eq(read.at[0].what, "tcp:22");
    ck_assert_str_eq(read.at[1].what, told.at[1].what);
    ck_assert(read.at[2].passed && read.at[2].why == NULL);
    ck_assert_str_eq(read.at[3].who, "snd2");
    ck_assert_str_eq(read.at[3].why, "silence");
    results_append(&read, &told);
    ck_assert_uint_eq(read.count, 10);
    ck_assert_str_eq(read.at[9].why, "silence");
    results_fini(&told);
    results_fini(&read);
}
END_TEST

START_TEST(results_out_of_bounds_are_refused)
{
    static const char *const items[] = {"1",
                                        "[]",
                                        "{}",
                                        "{\"file\":1}",

                                        "{\"port\":7}",
                                        "{\"port\":0,\"name\":\"a\"}",
                                        "{\"port\":65536,\"name\":\"a\"}",
                                        "{\"port\":\"7\",\"name\":\"a\"}",
                                        "{\"expect\":\"a\",\"passed\":true}",
                                        "{\"expect\":\"a\",\"why\":\"\"}",
                                        "{\"expect\":\"\\u0007\",\"passed\":true,\"why\":\"\"}"};
    struct results results = {0};
    json_t *list = json_array(), *file = json_pack("{s:s}", "file", "a");

    for (size_t i = 0; i < ARRAY_SIZE(items); i++) {
        json_t *bad = json_array();
        (void)json_array_append_new(bad, json_loads(items[i], JSON_DECODE_ANY, NULL));
        ck_assert_int_eq(control_results_read(bad, "a", &results), -EPROTO);
        json_decref(bad);
    }
    ck_assert_int_eq(control_results_read(NULL, "a", &results), -EPROTO);
    ck_assert_uint_eq(results.count, 0);
    for (size_t i = 0; i < CONTROL_RESULTS_MAX; i++)
        (void)json_array_append(list, file);
    ck_assert_int_eq(control_results_read(list, "a", &results), 0);
    ck_assert_uint_eq(results.count, CONTROL_RESULTS_MAX);
    (void)json_array_append(list, file);
    ck_assert_int_eq(control_results_read(list, "a", &results), -EPROTO);
    ck_assert_uint_eq(results.count, CONTROL_RESULTS_MAX);
    json_decref(list);
    json_decref(file);
    results_fini(&results);
}
END_TEST

Suite *isolate_link_suite(void)
{
    Suite *suite = suite_create("isolate_link");
    TCase *tcase = tcase_create("conversation"), *text = tcase_create("results");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, answer_is_the_processs, 0, ARRAY_SIZE(answers));
    tcase_add_test(tcase, it_is_asked_one_thing_at_a_time);
    tcase_add_test(tcase, what_cannot_be_asked_is_refused_and_the_next_is_asked);
    tcase_add_loop_test(tcase, lie_is_the_end_of_the_conversation, 0, ARRAY_SIZE(lies));
    tcase_add_test(tcase, line_without_end_is_not_kept);
    tcase_add_test(tcase, longest_answer_is_taken);
    tcase_add_test(tcase, process_that_hangs_is_waited_for_no_longer_than_that);
    tcase_add_test(tcase, process_that_is_late_is_asked_again);
    tcase_add_test(tcase, process_that_reads_nothing_is_not_waited_for);
    tcase_add_test(tcase, process_that_dies_is_known_to_have_ended);
    tcase_add_test(tcase, results_are_the_last_that_were_told_and_of_that_device);
    tcase_add_test(tcase, last_words_are_heard);
    tcase_add_test(tcase, one_that_there_is_not_reads_nothing);
    suite_add_tcase(suite, tcase);
    tcase_add_test(text, results_read_back);
    tcase_add_test(text, results_out_of_bounds_are_refused);
    suite_add_tcase(suite, text);
    return suite;
}
