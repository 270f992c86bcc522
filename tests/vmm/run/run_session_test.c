/* SPDX-License-Identifier: BSD-3-Clause */
/* A command's life with a guest that is a test's own: it writes into the ports' sockets. */
#include "vmm/run/session.h"

#include "tests/capture.h"

#include <check.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>

static struct run run;
static int device[RUN_PORTS];
static struct session session;
static struct loop loop;
static struct capture capture;
static int saved[3], out[2], in[2];
static enum vm_end ended;
static unsigned ends;

static void end(struct session *which, enum vm_end how)
{
    ck_assert_ptr_eq(which, &session);
    if (ends++ == 0)
        ended = how;
    loop_stop(&loop);
}

/* Standard input and output are pipes of ours; what else is written is not looked at. */
static void setup(void)
{
    static char *command[] = {(char *)"cmd", NULL};
    int fds[2];

    (void)signal(SIGPIPE, SIG_IGN);
    for (int fd = 0; fd < 2; fd++)
        saved[fd] = fcntl(fd, F_DUPFD_CLOEXEC, 10);
    ck_assert_int_eq(pipe2(in, O_CLOEXEC), 0);
    ck_assert_int_eq(pipe2(out, O_CLOEXEC), 0);
    ck_assert_int_eq(dup2(in[0], STDIN_FILENO), STDIN_FILENO);
    ck_assert_int_eq(dup2(out[1], STDOUT_FILENO), STDOUT_FILENO);
    fd_close(&in[0]);
    fd_close(&out[1]);
    run = (struct run){.command = command};
    for (int i = 0; i < RUN_PORTS; i++) {
        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        run.ours[i] = fds[0];
        device[i] = fds[1];
    }
    ck_assert_int_eq(loop_init(&loop), 0);
    ends = 0;
    session = (struct session){.end = end};
    ck_assert_int_eq(session_start(&session, &run, &loop, 0), 0);
}

static void teardown(void)
{
    (void)session_stop(&session, VM_SIGNAL);
    loop_fini(&loop);
    for (int fd = 0; fd < 2; fd++) {
        ck_assert_int_eq(dup2(saved[fd], fd), fd);
        fd_close(&saved[fd]);
    }
    fd_close(&in[1]);
    fd_close(&out[0]);
    for (int i = 0; i < RUN_PORTS; i++) {
        fd_close(&run.ours[i]);
        fd_close(&device[i]);
    }
}

static void guest_says(const char *bytes, size_t size)
{
    ck_assert_int_eq(write(device[RUN_CTL], bytes, size), (ssize_t)size);
}

static void guest_closes_output(void)
{
    ck_assert_int_eq(shutdown(device[RUN_OUT], SHUT_WR), 0);
    ck_assert_int_eq(shutdown(device[RUN_ERR], SHUT_WR), 0);
}

/* Serves what is ready, without waiting. */
static void serve(void)
{
    loop_stop(&loop);
    ck_assert_int_eq(loop_run(&loop), 0);
}

START_TEST(status_ends_the_machine_when_output_is_written)
{
    char bytes[8] = "";

    guest_says("h\0b\0x\1\5", 7);
    ck_assert_int_eq(write(device[RUN_OUT], "text", 4), 4);
    serve();
    ck_assert_uint_eq(ends, 0); /* there may be more output */
    guest_closes_output();
    ck_assert_int_eq(loop_run(&loop), 0); /* end() stops it */
    ck_assert_int_eq(ended, VM_COMMAND);
    ck_assert_int_eq(read(out[0], bytes, sizeof(bytes)), 4);
    ck_assert_str_eq(bytes, "text");
    ck_assert(session_stop(&session, VM_COMMAND));
    ck_assert_int_eq(session_status(&session, VM_COMMAND), 5);
}
END_TEST

START_TEST(command_that_cannot_be_run_ends_it_at_once)
{
    guest_says("h\0n\1\2", 5);
    ck_assert_int_eq(loop_run(&loop), 0);
    ck_assert_int_eq(ended, VM_COMMAND);
    capture_start(&capture);
    ck_assert(session_stop(&session, VM_COMMAND));
    const char *text = capture_end(&capture);
    ck_assert_str_eq(text, "linnet: error: cmd: not found in the guest (127)\n");
    ck_assert_int_eq(session_status(&session, VM_COMMAND), 127);
}
END_TEST

START_TEST(guest_that_speaks_nonsense_is_ended)
{
    guest_says("nonsense", 8);
    ck_assert_int_eq(loop_run(&loop), 0);
    ck_assert_int_eq(ended, VM_COMMAND);
    capture_start(&capture);
    (void)session_stop(&session, VM_COMMAND);
    const char *text = capture_end(&capture);
    ck_assert_one_error(text, "");
    ck_assert_int_eq(session_status(&session, VM_COMMAND), 125);
}
END_TEST

static const struct {
    enum vm_end how;
    int status;
    const char *said; /* NULL: somebody else says it */
} no_status[] = {
    {VM_POWEROFF, 125, "the guest powered off before cmd ended"},
    {VM_RESET, 32, "the guest was reset before cmd ended"},
    {VM_CRASHED, 33, "the guest crashed before cmd ended"},
    {VM_PANICKED, 34, "the guest's kernel panicked before cmd ended"},
    {VM_TIME_LIMIT, 37, NULL},
    {VM_BOOT_LIMIT, 37, "--boot-limit was over before cmd ended"},
    {VM_HOST_ERROR, 125, NULL},
    {VM_QUIT, 125, "the machine was stopped before cmd ended"},
};

START_TEST(end_without_a_status_is_told)
{
    guest_says("h\0b\0", 4);
    serve();
    capture_start(&capture);
    bool complete = session_stop(&session, no_status[_i].how);
    const char *text = capture_end(&capture);
    ck_assert(!complete);
    ck_assert_int_eq(session_status(&session, no_status[_i].how), no_status[_i].status);
    if (no_status[_i].said == NULL)
        ck_assert_str_eq(text, "");
    else
        ck_assert_one_error(text, no_status[_i].said);
}
END_TEST

static void *speak_for_ever(void *unused)
{
    static const char hello[2] = "h";
    char bytes[4096];

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = hello[i % 2];
    while (send(device[RUN_CTL], bytes, sizeof(bytes), MSG_NOSIGNAL) > 0) {
    }
    return unused;
}

static void *stop_behind_others(void *unused)
{
    const struct sched_param param = {0};

    ck_assert_int_eq(pthread_setschedparam(pthread_self(), SCHED_IDLE, &param), 0);
    ck_assert(!session_stop(&session, VM_QUIT));
    return unused;
}

/* Whoever has the other end of the port: it has the same processor, and goes before. */
START_TEST(who_never_stops_speaking_is_not_heard_out)
{
    pthread_t speaks, stops;
    cpu_set_t before, one;
    int held = 0;

    CPU_ZERO(&one);
    CPU_SET((size_t)sched_getcpu(), &one);
    ck_assert_int_eq(sched_getaffinity(0, sizeof(before), &before), 0);
    ck_assert_int_eq(sched_setaffinity(0, sizeof(one), &one), 0);
    ck_assert_int_eq(pthread_create(&speaks, NULL, speak_for_ever, NULL), 0);
    while (held < 65536)
        ck_assert_int_eq(ioctl(run.ours[RUN_CTL], FIONREAD, &held), 0);
    capture_start(&capture);
    ck_assert_int_eq(pthread_create(&stops, NULL, stop_behind_others, NULL), 0);
    ck_assert_int_eq(pthread_join(stops, NULL), 0);
    (void)capture_end(&capture);
    ck_assert(session.ctl.hello);
    ck_assert_int_eq(shutdown(device[RUN_CTL], SHUT_RDWR), 0);
    ck_assert_int_eq(pthread_join(speaks, NULL), 0);
    ck_assert_int_eq(sched_setaffinity(0, sizeof(before), &before), 0);
}
END_TEST

/* The guest powered off, but its last words were on their way. */
START_TEST(status_on_its_way_counts)
{
    char bytes[8] = "";

    guest_says("h\0b\0x\1\0", 7);
    ck_assert_int_eq(write(device[RUN_OUT], "last", 4), 4);
    ck_assert(session_stop(&session, VM_POWEROFF));
    ck_assert_int_eq(session_status(&session, VM_POWEROFF), 0);
    ck_assert_int_eq(read(out[0], bytes, sizeof(bytes)), 4);
}
END_TEST

START_TEST(signal_goes_to_the_command_and_the_second_is_ours)
{
    char bytes[8];

    ck_assert(!session_signal(&session, SIGINT)); /* nothing runs yet */
    guest_says("h\0b\0", 4);
    serve();
    ck_assert(session_signal(&session, SIGUSR1));
    ck_assert(session_signal(&session, SIGINT));
    ck_assert_int_eq(read(device[RUN_CTL], bytes, sizeof(bytes)), 6);
    ck_assert_mem_eq(bytes, "s\1\12s\1\2", 6);
    ck_assert(!session_signal(&session, SIGTERM));
}
END_TEST

/* Not time(), which may be behind. */
static time_t seconds_now(void)
{
    struct timespec now;

    ck_assert_int_eq(clock_gettime(CLOCK_REALTIME, &now), 0);
    return now.tv_sec;
}

/* Once init is there; then the time of day. */
START_TEST(resumed_guest_is_told_the_time)
{
    uint8_t bytes[32];
    le64 seconds;

    session_resumed(&(struct session){0});
    session_resumed(&session);
    ck_assert_int_lt(recv(device[RUN_CTL], bytes, sizeof(bytes), MSG_DONTWAIT), 0);
    session.ctl.hello = true;
    const time_t before = seconds_now();
    session_resumed(&session);
    ck_assert_int_eq(recv(device[RUN_CTL], bytes, sizeof(bytes), MSG_DONTWAIT), 18);
    ck_assert_mem_eq(bytes, "c\x10", 2);
    memcpy(&seconds, bytes + 2, sizeof(seconds));
    ck_assert_int_ge((time_t)from_le64(seconds), before);
    ck_assert_int_le((time_t)from_le64(seconds), seconds_now());
}
END_TEST

START_TEST(command_that_does_not_heed_sigterm_is_ended)
{
    guest_says("h\0b\0", 4);
    serve();
    ck_assert(session_signal(&session, SIGTERM));
    ck_assert_int_eq(loop_run(&loop), 0); /* two seconds */
    ck_assert_int_eq(ended, VM_SIGNAL);
}
END_TEST

START_TEST(guest_that_is_not_ready_in_time_is_ended)
{
    (void)session_stop(&session, VM_SIGNAL);
    session = (struct session){.end = end};
    ck_assert_int_eq(session_start(&session, &run, &loop, 1000000), 0);
    ck_assert_int_eq(loop_run(&loop), 0);
    ck_assert_int_eq(ended, VM_BOOT_LIMIT);
}
END_TEST

/* Its port is closed, and the guest stays. */
START_TEST(guest_without_its_init_is_ended)
{
    guest_says("h\0b\0", 4);
    ck_assert_int_eq(shutdown(device[RUN_CTL], SHUT_WR), 0);
    ck_assert_int_eq(loop_run(&loop), 0); /* two seconds */
    ck_assert_int_eq(ended, VM_COMMAND);
    capture_start(&capture);
    (void)session_stop(&session, VM_COMMAND);
    const char *text = capture_end(&capture);
    ck_assert_str_eq(text,
                     "linnet: error: the guest cannot run cmd: linnet's init in it was killed\n");
    ck_assert_int_eq(session_status(&session, VM_COMMAND), 125);
}
END_TEST

/* Its port is closed because it goes down. */
START_TEST(guest_that_ends_with_its_init_ends_as_it_does)
{
    guest_says("h\0b\0", 4);
    ck_assert_int_eq(shutdown(device[RUN_CTL], SHUT_WR), 0);
    serve();
    capture_start(&capture);
    (void)session_stop(&session, VM_RESET);
    const char *text = capture_end(&capture);
    ck_assert_str_eq(text, "linnet: error: the guest was reset before cmd ended\n");
    ck_assert_int_eq(session_status(&session, VM_RESET), 32);
}
END_TEST

Suite *run_session_suite(void);
Suite *run_session_suite(void)
{
    Suite *suite = suite_create("run_session");
    TCase *tc = tcase_create("session");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, status_ends_the_machine_when_output_is_written);
    tcase_add_test(tc, command_that_cannot_be_run_ends_it_at_once);
    tcase_add_test(tc, guest_that_speaks_nonsense_is_ended);
    tcase_add_loop_test(tc, end_without_a_status_is_told, 0, ARRAY_SIZE(no_status));
    tcase_add_test(tc, who_never_stops_speaking_is_not_heard_out);
    tcase_add_test(tc, status_on_its_way_counts);
    tcase_add_test(tc, signal_goes_to_the_command_and_the_second_is_ours);
    tcase_add_test(tc, resumed_guest_is_told_the_time);
    tcase_add_test(tc, command_that_does_not_heed_sigterm_is_ended);
    tcase_add_test(tc, guest_without_its_init_is_ended);
    tcase_add_test(tc, guest_that_ends_with_its_init_ends_as_it_does);
    tcase_add_test(tc, guest_that_is_not_ready_in_time_is_ended);
    suite_add_tcase(suite, tc);
    return suite;
}
