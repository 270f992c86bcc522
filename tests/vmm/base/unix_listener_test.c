/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of vmm/base/unix_listener.c: the socket as a file. */
#include "tests/capture.h"
#include "tests/vmm/control/control_rig.h"
#include "vmm/base/unix_listener.h"

#include <check.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

Suite *unix_listener_suite(void);

static char folder[64]; /* the rig's */

static void setup(void)
{
    control_rig_setup();
    strcpy(folder, control_rig.path);
    *strrchr(folder, '/') = '\0';
}

START_TEST(socket_is_the_users_own)
{
    struct stat st;

    ck_assert_int_eq(stat(control_rig.path, &st), 0);
    ck_assert_uint_eq(st.st_mode & 07777, 0600);
}
END_TEST

/* Makes a second one there: the result, and that it was said in a line. */
static int second(const char *there)
{
    struct capture capture;
    struct control *another;

    capture_start(&capture);
    int r = control_create(there, &control_rig.loop, &control_rig.vm, &another);
    const char *said = capture_end(&capture);
    if (r == 0) {
        ck_assert_str_eq(said, "");
        control_destroy(another);
        return 0;
    }
    ck_assert_one_error(said, "--control ");
    ck_assert_ptr_nonnull(strstr(said, "; give a")); /* nother name, or a shorter one */
    return r;
}

START_TEST(socket_in_use_is_left_alone)
{
    ck_assert_int_eq(second(control_rig.path), -EADDRINUSE);
    int fd = control_rig_client();
    control_rig_say(fd, "{\"do\":[\"talker0\",\"quiet\"]}\n");
    ck_assert_str_eq(control_rig_heard(fd), "{\"ok\":true}\n");
    (void)close(fd);
}
END_TEST

START_TEST(stale_socket_is_taken_over)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char stale[80];
    struct sockaddr_un address;

    (void)snprintf(stale, sizeof(stale), "%s/stale", folder);
    ck_assert_int_eq(unix_address(stale, &address), 0);
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
    ck_assert_int_eq(control_create(mine, &control_rig.loop, &control_rig.vm, &other), 0);
    ck_assert_int_eq(unlink(mine), 0);
    FILE *out = fopen(mine, "w");
    ck_assert_ptr_nonnull(out);
    (void)fclose(out);
    control_destroy(other);
    ck_assert_int_eq(unlink(mine), 0);
}
END_TEST

Suite *unix_listener_suite(void)
{
    Suite *suite = suite_create("unix_listener");
    TCase *tcase = tcase_create("all");

    tcase_add_checked_fixture(tcase, setup, control_rig_teardown);
    tcase_add_test(tcase, socket_is_the_users_own);
    tcase_add_test(tcase, socket_in_use_is_left_alone);
    tcase_add_test(tcase, stale_socket_is_taken_over);
    tcase_add_test(tcase, what_is_no_socket_is_left_alone);
    tcase_add_test(tcase, socket_of_another_is_not_removed);
    suite_add_tcase(suite, tcase);
    return suite;
}
