/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of vmm/device.c as a process, with front-ends that come and go; its words are tried by
 * tests/cli. */
#include "vmm/device.h"

#include "tests/capture.h"
#include "tests/child.h"
#include "virtio/vhost_user/wire.h"
#include "vmm/base/timebase.h"
#include "vmm/base/unix_listener.h"

#include <check.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

Suite *device_process_suite(void);

#define RAM_BYTES 0x10000

static struct capture capture;
static struct vhost_user_receiver rx;
static struct vhost_user_message msg;
static char path[64];
static int listener;
static pid_t child;

static void setup(void)
{
    struct sockaddr_un address;

    (void)snprintf(path, sizeof(path), "/tmp/linnet-device-test-%d", (int)getpid());
    ck_assert_int_eq(unix_address(path, &address), 0);
    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
    ck_assert_int_eq(listen(listener, 4), 0);
    capture_start(&capture);
}

static void teardown(void)
{
    (void)close(listener);
    (void)unlink(path);
    (void)capture_end(&capture);
}

/* child_fork() with these as its standard input and, unless it is -1, output. */
static pid_t child_fork_with(int in, int out)
{
    int saved[] = {dup(STDIN_FILENO), dup(STDOUT_FILENO)};

    ck_assert_int_eq(dup2(in, STDIN_FILENO), STDIN_FILENO);
    if (out >= 0)
        ck_assert_int_eq(dup2(out, STDOUT_FILENO), STDOUT_FILENO);
    pid_t pid = child_fork();
    for (int i = 0; pid > 0 && i < 2; i++) {
        (void)dup2(saved[i], i);
        (void)close(saved[i]);
    }
    return pid;
}

/* `linnet device KIND --fd 0 KEYS` with that descriptor as standard input. */
static void start(char *kind, char *keys, int fd)
{
    char *argv[] = {kind, "--fd", "0", keys, NULL};

    child = child_fork_with(fd, -1);
    if (child == 0)
        _exit(device_main(argv));
}

static int ended(void)
{
    int status;

    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(WIFEXITED(status), "signal %d", WTERMSIG(status));
    return WEXITSTATUS(status);
}

static int come(void)
{
    struct sockaddr_un address;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ck_assert_int_eq(unix_address(path, &address), 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static void say(int fd, uint32_t request, uint32_t size)
{
    msg.header = (struct vhost_user_header){request, 1, size};
    ck_assert_int_eq(vhost_user_send(fd, &msg, 0), 0);
    msg.fd_count = 0;
}

/* Whether it is served: an answer, or the end of the connection. */
static bool is_served(int fd)
{
    uint64_t deadline_ns = timebase_monotonic.now_ns(&timebase_monotonic) + 20 * SECOND_NS;

    msg.header = (struct vhost_user_header){VHOST_USER_GET_FEATURES, 1, 0};
    (void)vhost_user_send(fd, &msg, 0);
    int r = vhost_user_receive_until(fd, &rx, deadline_ns);
    ck_assert_int_ne(r, -ETIMEDOUT);
    return r == 1;
}

/* proves: VU-46 */
START_TEST(front_ends_are_served_one_after_the_other_until_sigterm)
{
    start("rng", NULL, listener);
    int first = come();
    ck_assert(is_served(first));
    int second = come();
    ck_assert(!is_served(second));
    (void)close(second);
    ck_assert(is_served(first));
    (void)close(first);
    int third; /* it may come before the first is known to have left */
    while (!is_served(third = come()))
        (void)close(third);
    ck_assert_int_eq(kill(child, SIGTERM), 0);
    ck_assert_int_eq(ended(), 0);
    (void)close(third);
    ck_assert_ptr_nonnull(strstr(capture_look(&capture), "rng0: one more front-end has come"));
}
END_TEST

/* proves: VU-46 */
START_TEST(one_that_was_given_is_the_only_one)
{
    int ends[2];

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    start("rng", NULL, ends[1]);
    (void)close(ends[1]);
    ck_assert(is_served(ends[0]));
    (void)close(ends[0]);
    ck_assert_int_eq(ended(), 0);
    ck_assert_str_eq(capture_look(&capture), "");
}
END_TEST

START_TEST(expectation_that_is_not_met_is_the_status)
{
    int ends[2];

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    start("snd", "host=null,expect=freq=440", ends[1]);
    (void)close(ends[1]);
    ck_assert(is_served(ends[0]));
    (void)close(ends[0]);
    ck_assert_int_eq(ended(), 38);
}
END_TEST

/* What it has said on its control socket; waits for `lines` of them. */
static const char *told(int fd, unsigned lines)
{
    static char text[4096];
    size_t len = 0;

    for (text[0] = '\0'; lines > 0;) {
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        ck_assert_int_eq(poll(&ready, 1, 20000), 1);
        ssize_t got = recv(fd, text + len, 1, 0);
        ck_assert_int_eq(got, 1);
        lines -= text[len++] == '\n';
    }
    text[len] = '\0';
    return text;
}

/* `linnet device` as linnet run has it for a device with isolate, to whom it says what came of it.
 */
START_TEST(whoever_has_its_control_socket_asks_it_and_is_told_its_results)
{
    static const char ask[] = "{\"do\":[\"snd3\",\"jack\"]}\n{\"do\":\"pause\"}\n";
    int ends[2], control[2];

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, control), 0);
    char *argv[] = {"snd", "--fd",    "0", "--control-fd",
                    "1",   "--index", "3", "host=null,jacks=mic,expect=freq=440",
                    NULL};
    child = child_fork_with(ends[1], control[1]);
    if (child == 0)
        _exit(device_main(argv));
    (void)close(ends[1]);
    (void)close(control[1]);
    ck_assert_str_eq(told(control[0], 1), "{\"event\":\"results\",\"told\":[]}\n");
    ck_assert(is_served(ends[0]));
    ck_assert_int_eq(send(control[0], ask, strlen(ask), 0), (ssize_t)strlen(ask));
    ck_assert_str_eq(told(control[0], 2),
                     "{\"ok\":true,\"told\":[\"0 mic plugged\"]}\n"
                     "{\"ok\":false,\"error\":\"that is asked of the machine that it is a device "
                     "of\"}\n");
    (void)close(ends[0]);
    const char *end = told(control[0], 2);
    ck_assert_ptr_nonnull(strstr(end, "{\"event\":\"results\",\"told\":[{\"expect\":\"freq=440\","
                                      "\"passed\":false,\"why\":\"expected freq 440"));
    ck_assert_ptr_nonnull(
        strstr(end, "{\"event\":\"end\",\"status\":38,\"message\":\"snd3 out0: expected freq"));
    ck_assert_int_eq(ended(), 38);
    (void)close(control[0]);
}
END_TEST

START_TEST(driver_and_device_are_written_down)
{
    char file[80], text[4096] = "";
    int ends[2];

    (void)snprintf(file, sizeof(file), "%s.transcript", path);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    char *argv[] = {"rng", "--fd", "0", "--transcript", file, NULL};
    child = child_fork_with(ends[1], -1);
    if (child == 0)
        _exit(device_main(argv));
    (void)close(ends[1]);
    ck_assert(is_served(ends[0]));
    (void)close(ends[0]);
    ck_assert_int_eq(ended(), 0);
    FILE *in = fopen(file, "re");
    ck_assert_ptr_nonnull(in);
    (void)!fread(text, 1, sizeof(text) - 1, in);
    (void)fclose(in);
    (void)unlink(file);
    ck_assert_ptr_nonnull(strstr(text, "rng0      found      entropy, id 4, vhost-user"));
    ck_assert_ptr_nonnull(strstr(text, "accepted bits 32 to 63: VERSION_1"));
}
END_TEST

/* A ring of 16 in memory of ours, which is then cut off. */
static void start_ring(int fd, int ram)
{
    int event = eventfd(0, EFD_CLOEXEC);

    msg.payload.u64 = 1ull << 32; /* so the ring is enabled */
    say(fd, VHOST_USER_SET_FEATURES, 8);
    msg.payload.table =
        (struct vhost_user_table){.count = 1, .region = {{.size = RAM_BYTES, .user = 0}}};
    msg.fd[msg.fd_count++] = ram;
    say(fd, VHOST_USER_SET_MEM_TABLE, 40);
    msg.payload.state = (struct vhost_user_state){0, 16};
    say(fd, VHOST_USER_SET_VRING_NUM, 8);
    msg.payload.address = (struct vhost_user_address){.desc = 0, .avail = 0x1000, .used = 0x2000};
    say(fd, VHOST_USER_SET_VRING_ADDR, 40);
    ck_assert(is_served(fd));
    ck_assert_int_eq(ftruncate(ram, 0), 0);
    msg.payload.u64 = 0;
    msg.fd[msg.fd_count++] = event;
    say(fd, VHOST_USER_SET_VRING_KICK, 8);
    (void)close(event);
}

/* proves: VU-19 */
START_TEST(memory_that_is_cut_off_ends_it_with_a_line)
{
    int ram = memfd_create("ram", MFD_CLOEXEC);

    ck_assert_int_eq(ftruncate(ram, RAM_BYTES), 0);
    start("rng", NULL, listener);
    int fd = come();
    start_ring(fd, ram);
    ck_assert_int_eq(ended(), 1);
    ck_assert_str_eq(capture_look(&capture),
                     "linnet: error: the front-end took back memory that it shares\n");
    (void)close(fd);
    (void)close(ram);
}
END_TEST

Suite *device_process_suite(void)
{
    Suite *suite = suite_create("device_process");
    TCase *tcase = tcase_create("front-ends");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, front_ends_are_served_one_after_the_other_until_sigterm);
    tcase_add_test(tcase, one_that_was_given_is_the_only_one);
    tcase_add_test(tcase, expectation_that_is_not_met_is_the_status);
    tcase_add_test(tcase, whoever_has_its_control_socket_asks_it_and_is_told_its_results);
    tcase_add_test(tcase, driver_and_device_are_written_down);
    tcase_add_test(tcase, memory_that_is_cut_off_ends_it_with_a_line);
    suite_add_tcase(suite, tcase);
    return suite;
}
