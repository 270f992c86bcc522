/* SPDX-License-Identifier: BSD-3-Clause */
/* A device's process: how it is started, what it is told, and what becomes of its end. The program
 * is a script here. */
#include "vmm/isolate.h"

#include "devices/registry.h"
#include "tests/capture.h"
#include "vmm/config/transport.h"

#include <check.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

static char folder[32], program[48], told[48];
static struct isolate isolate;
static struct loop loop;
static struct opts *opts;
static struct capture capture;
static int fd;

static void setup(void)
{
    strcpy(folder, "/tmp/linnet-isolate-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    (void)snprintf(program, sizeof(program), "%s/p", folder);
    (void)snprintf(told, sizeof(told), "%s/told", folder);
    ck_assert_int_eq(
        opts_create(transport_add_key(virtio_blk.opts, isolate_key(&virtio_blk)), &opts), 0);
    isolate = (struct isolate){.class = &virtio_blk};
    ck_assert_int_eq(loop_init(&loop), 0);
}

static void teardown(void)
{
    isolate_fini(&isolate);
    loop_fini(&loop);
    opts_destroy(opts);
    (void)unlink(program);
    (void)unlink(told);
    ck_assert_int_eq(rmdir(folder), 0);
}

/* Starts a shell that does this, for disk 2. */
static void start(const char *keys, const char *script)
{
    FILE *out = fopen(program, "we");

    ck_assert_ptr_nonnull(out);
    (void)fprintf(out,
                  "#!/bin/bash\ncd %s\nto=$6\nend() { eval \"echo '{\\\"event\\\":\\\"end\\\"}' "
                  ">&$to\"; }\n%s\n",
                  folder, script);
    ck_assert_int_eq(fclose(out), 0);
    ck_assert_int_eq(chmod(program, 0700), 0);
    ck_assert_int_eq(opts_parse(opts, "", keys), 0);
    ck_assert(isolate_wanted(opts));
    ck_assert_int_eq(isolate_start(&isolate, program, 2, opts, &loop, &fd), 0);
}

/* What it comes to when its socket is closed; what is said is in capture.text. */
static int end(int wait_ms)
{
    (void)close(fd);
    capture_start(&capture);
    int r = isolate_end(&isolate, wait_ms);
    (void)capture_end(&capture);
    ck_assert_int_eq(isolate.pid, 0);
    return r;
}

START_TEST(only_who_asks_for_it_is_isolated)
{
    struct opts *none;

    ck_assert(!isolate_wanted(opts));
    ck_assert_int_eq(opts_create(virtio_pmem.opts, &none), 0);
    ck_assert(!isolate_wanted(none));
    opts_destroy(none);
    ck_assert_ptr_null(isolate_key(&virtio_pmem));
    ck_assert_ptr_null(isolate_key(&virtio_console));
    ck_assert_ptr_null(isolate_key(&virtio_vhost_user));
    ck_assert_int_eq(isolate_end(&isolate, 0), 0);
}
END_TEST

/* The words that were given, whatever is in them, and nothing else of ours is open. */
START_TEST(program_is_told_which_device_it_is)
{
    char text[512] = "", want[512];
    auto_close int secret = memfd_create("secret", MFD_CLOEXEC);

    ck_assert_int_ge(secret, 0);
    start("path='a,b''c d',serial=it's,isolate,ro,transport=pci",
          "printf '%s\\n' \"$@\" $(ls -l /proc/$$/fd | grep -c secret) >told; end");
    ck_assert_int_eq(end(10000), 0);
    int in = open(told, O_RDONLY | O_CLOEXEC);
    ck_assert_int_gt(read(in, text, sizeof(text) - 1), 0);
    (void)close(in);
    const char *fd_at = strstr(text, "--fd\n"), *control_at = strstr(text, "--control-fd\n");
    ck_assert(fd_at != NULL && control_at != NULL);
    (void)snprintf(want, sizeof(want),
                   "device\ndisk\n--fd\n%d\n--control-fd\n%d\n--index\n2\n--log\n%s\n"
                   "path='a,b''c d',ro='on',serial='it''s'\n",
                   atoi(fd_at + 5), atoi(control_at + 13), log_level_name());
    ck_assert_msg(strncmp(text, want, strlen(want)) == 0, "%s, not %s", text, want);
    ck_assert_str_eq(text + strlen(want), "0\n");
}
END_TEST

START_TEST(socket_leads_to_it)
{
    char text[8] = "";

    start("path=x,isolate", "eval \"echo hello >&$4\"; eval \"read line <&$4\"; end");
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    ck_assert_int_eq(poll(&ready, 1, 30000), 1);
    ck_assert_int_eq(read(fd, text, sizeof(text)), 6);
    ck_assert_str_eq(text, "hello\n");
    ck_assert_int_eq(end(10000), 0); /* it sees the end */
    ck_assert_str_eq(capture.text, "");
}
END_TEST

START_TEST(exit_status_is_the_devices_verdict)
{
    static const struct {
        const char *script;
        int want;
    } rows[] = {{"end; exit 0", 0},   {"exit 0", -EIO}, /* and did not say so */
                {"exit 38", -EPROTO}, {"exit 35", -EINVAL}, {"exit 1", -EIO}, {"exit 125", -EIO}};

    start("path=x,isolate", rows[_i].script);
    ck_assert_int_eq(end(10000), rows[_i].want);
    const char *said =
        _i == 1 ? "linnet: error: disk2: its process did not say what came of it: Input/output "
                  "error\n"
                : "";
    ck_assert_str_eq(capture.text, said); /* the rest is for it to say */
}
END_TEST

/* More than a socket holds, and nobody reads while the device is finished. */
START_TEST(last_words_may_be_long)
{
    start("path=x,isolate", "eval \"printf '%900000s' '' >&$to\"; end");
    ck_assert_int_eq(end(10000), 0);
}
END_TEST

/* SIGUSR1, which is what linnet device reports on. */
START_TEST(report_is_asked_of_the_process)
{
    char ready;

    start("path=x,isolate",
          "trap 'kill %1; end; exit 38' USR1; sleep 1000 & eval \"echo >&$4\"; wait");
    ck_assert_int_eq(read(fd, &ready, 1), 1);
    isolate_report(&isolate);
    ck_assert_int_eq(end(10000), -EPROTO);
    ck_assert(isolate.link.ended);
}
END_TEST

START_TEST(process_that_died_is_told)
{
    start("path=x,isolate", "kill -KILL $$");
    ck_assert_int_eq(end(10000), -EIO);
    ck_assert_one_error(capture.text, "disk2: its process died of signal 9");
}
END_TEST

START_TEST(process_that_hangs_is_killed)
{
    start("path=x,isolate", "trap '' TERM; exec sleep 1000");
    pid_t pid = isolate.pid;
    ck_assert_int_eq(end(100), -ETIMEDOUT);
    ck_assert_one_error(capture.text, "disk2: its process did not end and was killed");
    ck_assert_int_eq(kill(pid, 0), -1);
}
END_TEST

START_TEST(program_that_is_not_there_fails)
{
    ck_assert_int_eq(opts_parse(opts, "", "path=x,isolate"), 0);
    ck_assert_int_eq(isolate_start(&isolate, "/absent", 2, opts, &loop, &fd), 0);
    ck_assert_int_eq(end(10000), -EIO);
}
END_TEST

Suite *isolate_suite(void);
Suite *isolate_suite(void)
{
    Suite *suite = suite_create("isolate");
    TCase *tcase = tcase_create("processes");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, only_who_asks_for_it_is_isolated);
    tcase_add_test(tcase, program_is_told_which_device_it_is);
    tcase_add_test(tcase, socket_leads_to_it);
    tcase_add_loop_test(tcase, exit_status_is_the_devices_verdict, 0, 6);
    tcase_add_test(tcase, last_words_may_be_long);
    tcase_add_test(tcase, report_is_asked_of_the_process);
    tcase_add_test(tcase, process_that_died_is_told);
    tcase_add_test(tcase, process_that_hangs_is_killed);
    tcase_add_test(tcase, program_that_is_not_there_fails);
    suite_add_tcase(suite, tcase);
    return suite;
}
