/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of devices/snd/host/host_file.c: later takes, and what may stand in their way. */
#include "tests/alloc_fail.h"
#include "tests/capture.h"
#include "tests/devices/snd/host/recording.h"

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

static uint8_t period[1920];

/* A recording with one period of 480 frames in it, stopped. */
static void record_period(struct rig *rig, const char *name)
{
    recording_pattern(period, sizeof(period), 1);
    rig_start(rig, recording_options(name, ""));
    rig_prepare(rig, 0);
    ck_assert_uint_eq(rig_command(rig, RIG_START, 0), RIG_OK);
    recording_play(rig, period, sizeof(period));
    ck_assert_uint_eq(rig_command(rig, RIG_STOP, 0), RIG_OK);
    ck_assert_uint_eq(rig_command(rig, RIG_RELEASE, 0), RIG_OK);
}

/* Wants a take in another format, which fails in one line with a word in it. */
static void other_format_fails(struct rig *rig, const char *word)
{
    struct capture capture;

    ck_assert_uint_eq(rig_set_params(rig, 0, 3840, 1920, 1, RIG_S32, 6), RIG_OK);
    capture_start(&capture);
    uint32_t status = rig_command(rig, RIG_PREPARE, 0);
    const char *said = capture_end(&capture);
    ck_assert_uint_eq(status, RIG_IO_ERR);
    ck_assert_ptr_eq(strchr(said, '\n') + 1, said + strlen(said));
    ck_assert_ptr_nonnull(strstr(said, "take 2 cannot be recorded"));
    ck_assert_ptr_nonnull(strstr(said, word));
}

/* The format that worked is recorded on, into the take that it has. */
static void first_format_goes_on(struct rig *rig, const char *name)
{
    uint8_t recorded[2 * sizeof(period)];
    SF_INFO info;

    rig_prepare(rig, 0);
    ck_assert_uint_eq(rig_command(rig, RIG_START, 0), RIG_OK);
    recording_play(rig, period, sizeof(period));
    ck_assert_int_eq(virtio_finish(rig->dev), 0);
    rig_end(rig);
    SNDFILE *file = recording_reopen(name, &info);
    ck_assert_int_eq(info.frames, 960);
    ck_assert_int_eq(sf_read_raw(file, recorded, sizeof(recorded)), sizeof(recorded));
    ck_assert_mem_eq(recorded, period, sizeof(period));
    ck_assert_mem_eq(recorded + sizeof(period), period, sizeof(period));
    (void)sf_close(file);
}

/* A file that another process records into keeps each of its bytes. */
START_TEST(take_that_another_records_is_left_alone)
{
    struct stat status;
    struct rig rig;

    int fd = open(recording_path("p.2.wav"), O_RDWR | O_CREAT, 0600);
    ck_assert_int_eq(ftruncate(fd, 100000), 0);
    ck_assert_int_eq(flock(fd, LOCK_EX), 0);
    record_period(&rig, "p.wav");
    other_format_fails(&rig, "something else is recording");
    other_format_fails(&rig, "something else is recording");
    first_format_goes_on(&rig, "p.wav");
    ck_assert_int_eq(fstat(fd, &status), 0);
    ck_assert_int_eq(status.st_size, 100000);
    (void)close(fd);
}
END_TEST

START_TEST(take_that_can_not_be_opened_fails_prepare)
{
    struct rig rig;

    ck_assert_int_eq(mkdir(recording_path("p.2.wav"), 0700), 0);
    record_period(&rig, "p.wav");
    other_format_fails(&rig, strerror(EISDIR));
    first_format_goes_on(&rig, "p.wav");
}
END_TEST

/* Nobody gave us the names of later takes: what they lead to is not ours to empty. */
START_TEST(take_is_not_a_link_nor_a_pipe)
{
    struct stat status;
    struct rig rig;

    int fd = open(recording_path("other"), O_RDWR | O_CREAT, 0600);
    ck_assert_int_eq(ftruncate(fd, 100000), 0);
    if (_i == 0)
        ck_assert_int_eq(symlink("other", recording_path("p.2.wav")), 0);
    else
        ck_assert_int_eq(mkfifo(recording_path("p.2.wav"), 0600), 0);
    record_period(&rig, "p.wav");
    other_format_fails(&rig, strerror(_i == 0 ? ELOOP : EINVAL));
    first_format_goes_on(&rig, "p.wav");
    ck_assert_int_eq(fstat(fd, &status), 0);
    ck_assert_int_eq(status.st_size, 100000);
    (void)close(fd);
}
END_TEST

/* Later takes are made in the folder that was open when the machine began. */
START_TEST(takes_stay_in_a_folder_that_is_renamed)
{
    char moved[PATH_MAX + 8];
    struct rig rig;

    (void)snprintf(moved, sizeof(moved), "%s-moved", recording_folder);
    record_period(&rig, "p.wav");
    ck_assert_int_eq(rename(recording_folder, moved), 0);
    ck_assert_uint_eq(rig_set_params(&rig, 0, 3840, 1920, 1, RIG_S32, 6), RIG_OK);
    ck_assert_uint_eq(rig_command(&rig, RIG_PREPARE, 0), RIG_OK);
    ck_assert_int_eq(rename(moved, recording_folder), 0);
    ck_assert_int_eq(access(recording_path("p.2.wav"), F_OK), 0);
    rig_end(&rig);
}
END_TEST

START_TEST(takes_are_results_by_name)
{
    struct results results = {0};
    struct rig rig;

    record_period(&rig, "p.wav");
    ck_assert_uint_eq(rig_set_params(&rig, 0, 3840, 1920, 1, RIG_S32, 6), RIG_OK);
    ck_assert_uint_eq(rig_command(&rig, RIG_PREPARE, 0), RIG_OK);
    ck_assert_int_eq(virtio_finish(rig.dev), 0);
    rig.dev->class->results(rig.dev, &results);
    ck_assert_uint_eq(results.count, 2);
    ck_assert_str_eq(results.at[0].what, recording_path("p.wav"));
    ck_assert_str_eq(results.at[1].what, recording_path("p.2.wav"));
    results_fini(&results);
    rig_end(&rig);
}
END_TEST

/* The worker makes it, while the guest runs. */
START_TEST(later_take_needs_no_memory)
{
    struct rig rig;

    record_period(&rig, "p.wav");
    ck_assert_uint_eq(rig_set_params(&rig, 0, 3840, 1920, 1, RIG_S32, 6), RIG_OK);
    alloc_fail_after(0);
    uint32_t status = rig_command(&rig, RIG_PREPARE, 0);
    ck_assert(!alloc_fail_stop());
    ck_assert_uint_eq(status, RIG_OK);
    ck_assert_int_eq(access(recording_path("p.2.wav"), F_OK), 0);
    rig_end(&rig);
}
END_TEST

START_TEST(guest_that_insists_does_not_flood_the_log)
{
    struct capture capture;
    unsigned lines = 0;
    struct rig rig;

    ck_assert_int_eq(mkdir(recording_path("p.2.wav"), 0700), 0);
    record_period(&rig, "p.wav");
    ck_assert_uint_eq(rig_set_params(&rig, 0, 3840, 1920, 1, RIG_S32, 6), RIG_OK);
    capture_start(&capture);
    for (unsigned i = 0; i < 1000; i++)
        (void)rig_command(&rig, RIG_PREPARE, 0);
    for (const char *at = capture_end(&capture); (at = strchr(at, '\n')) != NULL; at++)
        lines++;
    ck_assert_uint_ge(lines, 1);
    ck_assert_uint_le(lines, 100);
    rig_end(&rig);
}
END_TEST

Suite *host_file_take_suite(void);
Suite *host_file_take_suite(void)
{
    Suite *suite = suite_create("snd/host_file_take");
    TCase *tcase = tcase_create("takes that can't be");

    tcase_add_checked_fixture(tcase, recording_folder_make, recording_folder_remove);
    tcase_add_test(tcase, take_that_another_records_is_left_alone);
    tcase_add_test(tcase, take_that_can_not_be_opened_fails_prepare);
    tcase_add_loop_test(tcase, take_is_not_a_link_nor_a_pipe, 0, 2);
    tcase_add_test(tcase, takes_stay_in_a_folder_that_is_renamed);
    tcase_add_test(tcase, takes_are_results_by_name);
    tcase_add_test(tcase, later_take_needs_no_memory);
    tcase_add_test(tcase, guest_that_insists_does_not_flood_the_log);
    suite_add_tcase(suite, tcase);
    return suite;
}
