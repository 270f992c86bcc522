/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tests of vmm/control/control.c and control_line.c: the socket, good, slow and hostile clients.
 * The test is all of them, and runs the loop between their steps.
 */
#include "tests/capture.h"
#include "vmm/control/control.h"
#include "vmm/control/control_line.h"

#include <check.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

static char folder[] = "/tmp/linnet-control-XXXXXX", path[64];
static struct memory mem;
static struct loop loop;
static struct control *control;
static struct virtio_device *devices[2];
static unsigned quits;

/* A device that answers with its words, a line each; "fail" fails. */
static int echo_words(struct virtio_device *dev, const char *const words[], FILE *reply)
{
    (void)dev;
    for (size_t i = 0; words[i] != NULL; i++)
        (void)fprintf(reply, "[%s]\n", words[i]);
    return strcmp(words[0], "fail") == 0 ? -EINVAL : 0;
}

static const struct virtio_class talker = {.name = "talker",
                                           .id = 42,
                                           .queue_count = 1,
                                           .queue_size = 16,
                                           .count_max = 1,
                                           .instance_size = sizeof(struct virtio_device),
                                           .command = echo_words};
static const struct virtio_class mute = {.name = "mute",
                                         .id = 42,
                                         .queue_count = 1,
                                         .queue_size = 16,
                                         .count_max = 1,
                                         .instance_size = sizeof(struct virtio_device)};

static void quit(struct control_vm *vm)
{
    (void)vm;
    quits++;
}

static struct control_vm vm = {.name = "box",
                               .cpus = 2,
                               .memory_bytes = 1 << 20,
                               .device_count = 2,
                               .devices = devices,
                               .quit = quit};

static void setup(void)
{
    ck_assert_ptr_nonnull(mkdtemp(folder));
    (void)snprintf(path, sizeof(path), "%s/s", folder);
    ck_assert_int_eq(memory_create(&mem, 1 << 20, 0, 1 << 20, 1 << 20), 0);
    ck_assert_int_eq(loop_init(&loop), 0);
    ck_assert_int_eq(virtio_create(&talker, 0, &mem, NULL, &devices[0]), 0);
    ck_assert_int_eq(virtio_create(&mute, 0, &mem, NULL, &devices[1]), 0);
    ck_assert_int_eq(control_create(path, &loop, &vm, &control), 0);
    quits = 0;
}

static void teardown(void)
{
    virtio_destroy(devices[0]);
    virtio_destroy(devices[1]);
    control_destroy(control);
    loop_fini(&loop);
    memory_destroy(&mem);
    ck_assert_int_eq(access(path, F_OK), -1); /* it is gone with its machine */
    (void)rmdir(folder);
    strcpy(folder, "/tmp/linnet-control-XXXXXX");
}

/* Runs the loop until nothing is ready. */
static void step(void)
{
    struct pollfd pollfd = {.fd = loop.epoll_fd, .events = POLLIN};

    for (unsigned rounds = 0; poll(&pollfd, 1, 20) > 0; rounds++) {
        ck_assert_uint_lt(rounds, 100000);
        loop_stop(&loop); /* one round */
        ck_assert_int_eq(loop_run(&loop), 0);
    }
}

static int client(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct sockaddr_un address;

    ck_assert_int_eq(control_address(path, &address), 0);
    ck_assert_int_eq(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static void say(int fd, const char *text)
{
    ck_assert_int_eq(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
    step();
}

/* What has come back; "" if nothing has, "gone" if the other end has hung up. */
static const char *heard(int fd)
{
    static char text[10000];
    ssize_t len = recv(fd, text, sizeof(text) - 1, 0);

    if (len == 0 || (len < 0 && errno != EAGAIN))
        return "gone";
    text[MAX(len, 0)] = '\0';
    return text;
}

/* -- requests -- */

static const struct {
    const char *request, *answer;
} talks[] = {
    {"talker0 a b\n", " [a]\n [b]\nok\n"},
    {"talker0 a b\r\n", " [a]\n [b]\nok\n"},
    {"  talker0 a  b \n", " [a]\n [b]\nok\n"},
    {"talker0 'a  b' 'it''s' ''\n", " [a  b]\n [it's]\n []\nok\n"},
    {"talker0 a\ntalker0 b\n", " [a]\nok\n [b]\nok\n"},
    {"talker0 \xc3\xa4\n", " [\xc3\xa4]\nok\n"},
    {"help\n", " status\n quit\n help\n talker0 WORD...\nok\n"},
    {"talker0 fail b\n", "error: [fail]\n"},
    {"mute0 a\n", "error: mute0 takes no commands\n"},
    {"talker0\n", "error: talker0: say what it shall do\n"},
    {"talker1 a\n", "error: 'talker1' is no command and no device; `help` lists both\n"},
    {"status now\n", "error: 'status' is no command and no device; `help` lists both\n"},
    {"\n", "error: say something; `help` lists what\n"},
    {"talker0 'a\n", "error: a quote is not closed, or text follows it\n"},
    {"talker0 'a'b\n", "error: a quote is not closed, or text follows it\n"},
    {"talker0 \x1b[2J\n", "error: plain text, please: no control characters, UTF-8\n"},
    {"talker0 \xff\n", "error: plain text, please: no control characters, UTF-8\n"},
};

START_TEST(request_is_answered)
{
    int fd = client();

    say(fd, talks[_i].request);
    ck_assert_str_eq(heard(fd), talks[_i].answer);
    say(fd, "talker0 more\n"); /* and the conversation goes on */
    ck_assert_str_eq(heard(fd), " [more]\nok\n");
    (void)close(fd);
    step();
}
END_TEST

START_TEST(zero_bytes_are_no_text)
{
    int fd = client();

    ck_assert_int_eq(send(fd, "talker0 a\0b\n", 12, 0), 12);
    step();
    ck_assert_str_eq(heard(fd), "error: plain text, please: no control characters, UTF-8\n");
    (void)close(fd);
}
END_TEST

START_TEST(status_tells_what_it_is)
{
    char want[200], got[300];
    int fd = client();

    say(fd, "status\n");
    (void)snprintf(got, sizeof(got), "%s", heard(fd));
    char *uptime = strstr(got, "\"uptime_ms\":");
    ck_assert_ptr_nonnull(uptime);
    char *end = strchr(uptime, ',');
    ck_assert_ptr_nonnull(end);
    memmove(uptime, end + 1, strlen(end)); /* all but that is known */
    (void)snprintf(want, sizeof(want),
                   " {\"name\":\"box\",\"pid\":%d,\"cpus\":2,\"memory_bytes\":1048576,"
                   "\"devices\":[\"talker0\",\"mute0\"]}\nok\n",
                   (int)getpid());
    ck_assert_str_eq(got, want);
    (void)close(fd);
}
END_TEST

START_TEST(quit_is_answered_and_done)
{
    int fd = client();

    say(fd, "quit\n");
    ck_assert_uint_eq(quits, 1);
    ck_assert_str_eq(heard(fd), "ok\n");
    (void)close(fd);
}
END_TEST

START_TEST(line_may_come_in_pieces)
{
    int fd = client();

    for (const char *at = "talker0 a\n"; *at != '\0'; at++) {
        ck_assert_str_eq(heard(fd), "");
        say(fd, (const char[]){*at, '\0'});
    }
    ck_assert_str_eq(heard(fd), " [a]\nok\n");
    (void)close(fd);
}
END_TEST

START_TEST(longest_line_is_taken_and_a_longer_one_is_the_last)
{
    static char line[CONTROL_LINE_MAX + 2];
    int fd = client();

    memset(line, 'a', sizeof(line));
    memcpy(line, "talker0 ", 8);
    line[CONTROL_LINE_MAX - 1] = '\n';
    line[CONTROL_LINE_MAX] = '\0';
    say(fd, line);
    ck_assert_uint_eq(strlen(heard(fd)), 2 + (CONTROL_LINE_MAX - 9) + 2 + 3);
    line[CONTROL_LINE_MAX - 1] = 'a';
    say(fd, line);
    ck_assert_str_eq(heard(fd), "error: the line is too long\n");
    ck_assert_str_eq(heard(fd), "gone");
    (void)close(fd);
}
END_TEST

START_TEST(too_many_words_are_refused)
{
    char line[400] = "talker0";
    int fd = client();

    for (unsigned i = 0; i < CONTROL_WORDS_MAX; i++)
        strcat(line, " x");
    say(fd, strcat(line, "\n"));
    ck_assert_str_eq(heard(fd), "error: too many words\n");
    (void)close(fd);
}
END_TEST

/* -- clients -- */

/* It asks again and again, and never reads: it is no longer read from, and others are served. */
START_TEST(client_that_does_not_read_holds_up_nobody)
{
    int slow = client(), other = client();
    size_t asked = 0;
    ssize_t sent;

    while ((sent = send(slow, "help\nhelp\nhelp\nhelp\n", 20, MSG_NOSIGNAL)) > 0) {
        asked += (size_t)sent;
        ck_assert_uint_lt(asked, 100 << 20);
        step();
    }
    ck_assert_int_eq(errno, EAGAIN);
    say(other, "talker0 a\n");
    ck_assert_str_eq(heard(other), " [a]\nok\n");
    (void)close(slow);
    step();
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
    ck_assert_str_eq(heard(fds[16]), "error: too many clients; try again\n");
    ck_assert_str_eq(heard(fds[16]), "gone");
    for (unsigned i = 0; i < 16; i++) {
        say(fds[i], "talker0 a\n");
        ck_assert_str_eq(heard(fds[i]), " [a]\nok\n");
    }
    (void)close(fds[3]);
    step();
    (void)close(fds[16]);
    fds[16] = client();
    say(fds[16], "talker0 b\n");
    ck_assert_str_eq(heard(fds[16]), " [b]\nok\n");
    fds[3] = fds[16];
    for (unsigned i = 0; i < 16; i++)
        (void)close(fds[i]);
    step();
}
END_TEST

START_TEST(client_that_hangs_up_is_forgotten)
{
    for (unsigned i = 0; i < 100; i++) {
        int fd = client();
        if (i % 4 != 0)
            ck_assert_int_eq(send(fd, "talker0 a\nhelp\nstat", i % 20, 0), i % 20);
        if (i % 3 == 0)
            step();
        if (i % 5 == 0)
            (void)shutdown(fd, SHUT_WR);
        (void)close(fd);
        step();
    }
    int fd = client();
    say(fd, "talker0 a\n");
    ck_assert_str_eq(heard(fd), " [a]\nok\n");
    (void)close(fd);
}
END_TEST

/* Out of fds, a client is turned away; the loop comes to rest. */
START_TEST(client_is_turned_away_when_fds_are_out)
{
    struct rlimit old, few;
    int waiting = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct sockaddr_un address;

    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
    ck_assert_int_eq(control_address(path, &address), 0);
    int free_fd = dup(0);
    (void)close(free_fd);
    few = (struct rlimit){(rlim_t)free_fd, old.rlim_max};
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
    int connected = connect(waiting, (const struct sockaddr *)&address, sizeof(address));
    step();
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
    ck_assert_int_eq(connected, 0);
    ck_assert_str_eq(heard(waiting), "gone");
    (void)close(waiting);
    int fd = client();
    say(fd, "talker0 a\n");
    ck_assert_str_eq(heard(fd), " [a]\nok\n");
    (void)close(fd);
}
END_TEST

/* -- the socket -- */

START_TEST(socket_is_the_users_own)
{
    struct stat st;

    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_uint_eq(st.st_mode & 07777, 0600);
}
END_TEST

/* Makes a second one there: the result, and that it was said in a line. */
static int second(const char *there)
{
    struct capture capture;
    struct control *another;

    capture_start(&capture);
    int r = control_create(there, &loop, &vm, &another);
    const char *said = capture_end(&capture);
    if (r == 0) {
        ck_assert_str_eq(said, "");
        control_destroy(another);
        return 0;
    }
    ck_assert_msg(capture_is_one_error(said), "%s", said);
    ck_assert_ptr_nonnull(strstr(said, "--control "));
    return r;
}

START_TEST(socket_in_use_is_left_alone)
{
    ck_assert_int_eq(second(path), -EADDRINUSE);
    int fd = client();
    say(fd, "talker0 a\n");
    ck_assert_str_eq(heard(fd), " [a]\nok\n");
    (void)close(fd);
}
END_TEST

START_TEST(stale_socket_is_taken_over)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char stale[80];
    struct sockaddr_un address;

    (void)snprintf(stale, sizeof(stale), "%s/stale", folder);
    ck_assert_int_eq(control_address(stale, &address), 0);
    ck_assert_int_eq(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    (void)close(fd); /* whoever it was died of SIGKILL */
    ck_assert_int_eq(second(stale), 0);
    ck_assert_int_eq(access(stale, F_OK), -1);
}
END_TEST

START_TEST(what_is_no_socket_is_left_alone)
{
    char file[80], deep[80], longest[200];

    (void)snprintf(file, sizeof(file), "%s/file", folder);
    FILE *out = fopen(file, "w");
    ck_assert_ptr_nonnull(out);
    (void)fclose(out);
    ck_assert_int_eq(second(file), -EEXIST);
    ck_assert_int_eq(access(file, F_OK), 0);
    ck_assert_int_eq(unlink(file), 0);
    ck_assert_int_eq(symlink("nowhere", file), 0);
    ck_assert_int_eq(second(file), -EEXIST);
    ck_assert_int_eq(unlink(file), 0);
    ck_assert_int_eq(second(folder), -EEXIST);
    (void)snprintf(deep, sizeof(deep), "%s/no/s", folder);
    ck_assert_int_eq(second(deep), -ENOENT);
    memset(longest, 'x', sizeof(longest));
    longest[108] = '\0'; /* sun_path has 108 bytes with its NUL */
    ck_assert_int_eq(second(longest), -EINVAL);
}
END_TEST

/* Another machine's socket came into its place: that one stays. */
START_TEST(socket_of_another_is_not_removed)
{
    char mine[80];
    struct control *other;

    (void)snprintf(mine, sizeof(mine), "%s/other", folder);
    ck_assert_int_eq(control_create(mine, &loop, &vm, &other), 0);
    ck_assert_int_eq(unlink(mine), 0);
    FILE *out = fopen(mine, "w");
    ck_assert_ptr_nonnull(out);
    (void)fclose(out);
    control_destroy(other);
    ck_assert_int_eq(unlink(mine), 0);
}
END_TEST

/* -- lines -- */

START_TEST(words_survive_the_line)
{
    char *const words[] = {(char[]){"snd0"}, (char[]){""},     (char[]){"a b"},
                           (char[]){"it's"}, (char[]){"'''"},  (char[]){"\"x\""},
                           (char[]){"a\\b"}, (char[]){"=50%"}, NULL};
    char line[CONTROL_LINE_MAX];
    const char *cut[CONTROL_WORDS_MAX + 1];

    int len = control_join(words, line);
    ck_assert_int_gt(len, 0);
    ck_assert_int_eq(line[len - 1], '\n');
    line[len - 1] = '\0';
    ck_assert_int_eq(control_split(line, cut), 8);
    for (unsigned i = 0; i < 8; i++)
        ck_assert_str_eq(cut[i], words[i]);
    ck_assert_ptr_null(cut[8]);
}
END_TEST

START_TEST(words_that_do_not_fit_are_refused)
{
    static char large[CONTROL_LINE_MAX + 1], line[CONTROL_LINE_MAX];
    char *words[] = {large, NULL, NULL};

    memset(large, 'x', CONTROL_LINE_MAX);
    ck_assert_int_eq(control_join(words, line), -E2BIG);
    large[CONTROL_LINE_MAX - 1] = '\0';
    ck_assert_int_eq(control_join(words, line), CONTROL_LINE_MAX);
    words[1] = (char[]){"y"};
    ck_assert_int_eq(control_join(words, line), -E2BIG);
    words[0] = (char[]){"a\nb"};
    ck_assert_int_eq(control_join(words, line), -EINVAL);
    words[0] = NULL;
    ck_assert_int_eq(control_join(words, line), -EINVAL);
}
END_TEST

Suite *control_socket_suite(void);
Suite *control_socket_suite(void)
{
    Suite *suite = suite_create("control_socket");
    TCase *tcase = tcase_create("requests"), *clients = tcase_create("clients");
    TCase *files = tcase_create("files"), *lines = tcase_create("lines");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase, request_is_answered, 0, ARRAY_SIZE(talks));
    tcase_add_test(tcase, zero_bytes_are_no_text);
    tcase_add_test(tcase, status_tells_what_it_is);
    tcase_add_test(tcase, quit_is_answered_and_done);
    tcase_add_test(tcase, line_may_come_in_pieces);
    tcase_add_test(tcase, longest_line_is_taken_and_a_longer_one_is_the_last);
    tcase_add_test(tcase, too_many_words_are_refused);
    tcase_add_checked_fixture(clients, setup, teardown);
    tcase_set_timeout(clients, 30);
    tcase_add_test(clients, client_that_does_not_read_holds_up_nobody);
    tcase_add_test(clients, client_beyond_the_last_is_told_so);
    tcase_add_test(clients, client_that_hangs_up_is_forgotten);
    tcase_add_test(clients, client_is_turned_away_when_fds_are_out);
    tcase_add_checked_fixture(files, setup, teardown);
    tcase_add_test(files, socket_is_the_users_own);
    tcase_add_test(files, socket_in_use_is_left_alone);
    tcase_add_test(files, stale_socket_is_taken_over);
    tcase_add_test(files, what_is_no_socket_is_left_alone);
    tcase_add_test(files, socket_of_another_is_not_removed);
    tcase_add_test(lines, words_survive_the_line);
    tcase_add_test(lines, words_that_do_not_fit_are_refused);
    suite_add_tcase(suite, tcase);
    suite_add_tcase(suite, clients);
    suite_add_tcase(suite, files);
    suite_add_tcase(suite, lines);
    return suite;
}
