/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tests of `linnet listen` on what it cannot read or understand: one line, and the status that says
 * whose fault it is.
 */
#include "tests/devices/snd/hear/listen_run.h"

#include <fcntl.h>
#include <sys/stat.h>

Suite *listen_bad_suite(void);

static void write_bytes(const char *path, const void *bytes, size_t len)
{
    FILE *file = fopen(path, "we");

    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(bytes, 1, len, file), len);
    ck_assert_int_eq(fclose(file), 0);
}

/* -- bad files -- */

START_TEST(files_that_cannot_be_read_end_with_1_and_a_line)
{
    static const struct {
        const char *line, *told;
    } rows[] = {
        {"missing.wav", "missing.wav: cannot be opened: No such file or directory\n"},
        {"folder", "folder: not a regular file; name a sound file\n"},
        {"/dev/null", "/dev/null: not a regular file; name a sound file\n"},
        {"pipe", "pipe: not a regular file; name a sound file\n"},
        {"empty.wav", "empty.wav: empty, not even a header: nothing was recorded\n"},
        {"text.wav", "text.wav: not a sound file, or cut off in its header ("},
        {"cut.wav", "cut.wav: not a sound file, or cut off in its header ("},
        {"wide.wav",
         "wide.wav: has 33 channels and a rate of 8000 Hz; up to 32 and 1000000 are taken\n"},
        {"--same-as missing.wav a.wav", "missing.wav: cannot be opened"},
        {"--same-as empty.wav a.wav", "empty.wav: empty"},
    };
    char header[44];
    FILE *file;

    write_tone("a.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, 48000, 1, 48000);
    ck_assert_int_eq(sf_close(create_file("wide.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, 8000, 33)),
                     0);
    ck_assert_int_eq(mkdir("folder", 0700), 0);
    ck_assert_int_eq(mkfifo("pipe", 0600), 0);
    write_bytes("empty.wav", "", 0);
    write_bytes("text.wav", "a line of text, no sound\n", 25);
    file = fopen("a.wav", "re");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fread(header, 1, sizeof(header), file), sizeof(header));
    (void)fclose(file);
    write_bytes("cut.wav", header, 30);
    for (size_t k = 0; k < ARRAY_SIZE(rows); k++) {
        ck_assert_msg(run(rows[k].line) == 1, "%s", rows[k].line);
        ck_assert_one_error(err.text, "");
        ck_assert_msg(
            strncmp(err.text + strlen("linnet: error: "), rows[k].told, strlen(rows[k].told)) == 0,
            "%s: %s", rows[k].line, err.text);
    }
}
END_TEST

/* A WAV cut off anywhere: refused, or heard as far as it goes. */
START_TEST(a_file_cut_off_anywhere_is_heard_as_far_as_it_goes)
{
    static char bytes[2000];
    FILE *file;

    write_tone("a.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, 48000, 2, 400);
    file = fopen("a.wav", "re");
    ck_assert_ptr_nonnull(file);
    size_t len = fread(bytes, 1, sizeof(bytes), file);

    (void)fclose(file);
    ck_assert_uint_eq(len, 44 + 1600);
    /* Not within the data's length, 40 to 44: there libsndfile decides. */
    for (size_t cut = 0; cut < len; cut += cut < 40 ? 1 : cut == 40 ? 4 : 37) {
        int status;

        write_bytes("cut.wav", bytes, cut);
        status = run("--same-as a.wav cut.wav");
        ck_assert_msg(status == (cut < 44 ? 1 : 38), "%zu: %d %s", cut, status, err.text);
        ck_assert_one_error(err.text, "");
    }
}
END_TEST

START_TEST(standard_output_that_is_full_ends_with_1)
{
    char *argv[] = {(char[]){"listen"}, (char[]){"a.wav"}, NULL};
    int full, saved_fd, status;

    write_tone("a.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, 48000, 1, 480);
    (void)fflush(stdout);
    saved_fd = dup(STDOUT_FILENO);
    full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    ck_assert_int_ge(full, 0);
    ck_assert_int_eq(dup2(full, STDOUT_FILENO), STDOUT_FILENO);
    capture_start(&err);
    status = listen_main(2, argv);
    (void)capture_end(&err);
    ck_assert_int_eq(dup2(saved_fd, STDOUT_FILENO), STDOUT_FILENO);
    (void)close(saved_fd);
    (void)close(full);
    clearerr(stdout);
    ck_assert_int_eq(status, 1);
    ck_assert_one_error(err.text, "No space left on device");
}
END_TEST

START_TEST(memory_that_runs_out_ends_with_1_and_a_line)
{
    bool failed = true;
    unsigned failures = 0;

    write_tone("a.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, 48000, 2, 4800);
    for (unsigned n = 0; n < 200 && failed; n++) {
        int status = run_short("--same-as a.wav --expect gaps=0 a.wav", n, &failed);

        ck_assert_msg(status == (failed ? 1 : 0), "%u: %d %s", n, status, err.text);
        ck_assert_msg(capture_is_one_error(err.text) == failed, "%u: %s", n, err.text);
        failures += failed;
    }
    ck_assert(!failed);
    ck_assert_uint_gt(failures, 10);
}
END_TEST

/* -- bad arguments -- */

static const struct {
    const char *line, *told;
} wrong[] = {
    {"", "no FILE to listen to; write linnet listen FILE"},
    {"--expect gaps=0", "no FILE to listen to; write linnet listen FILE"},
    {"--frobnicate a.wav", "--frobnicate: no such option; linnet listen --help lists all"},
    {"-j a.wav", "-j: no such option;"},
    {"a.wav b.wav", "b.wav: one FILE at a time; a.wav is the first"},
    {"--expect", "--expect: needs a value;"},
    {"--expect frequ=440 a.wav", "--expect: \"frequ\": no such key; did you mean \"freq\"?"},
    {"--expect freq=fast a.wav", "--expect: freq: \"fast\": give a number from 0 to 1000000"},
    {"--expect= a.wav", "--expect: empty; write key=value,..."},
    {"\"\"", "\"\": not a file name of printable UTF-8; rename the file"},
    {"a\033[2Jb.wav", "a?[2Jb.wav: not a file name of printable UTF-8; rename the file"},
    {"a\xff.wav", "a"},
};

START_TEST(bad_arguments_end_with_35_and_a_line)
{
    ck_assert_int_eq(run(wrong[_i].line), 35);
    ck_assert_one_error(err.text, "");
    ck_assert_msg(
        strncmp(err.text + strlen("linnet: error: "), wrong[_i].told, strlen(wrong[_i].told)) == 0,
        "%s", err.text);
    ck_assert_str_eq(out, "");
}
END_TEST

START_TEST(help_tells_options_keys_and_statuses)
{
    static const char *const told[] = {"--expect LIST", "--same-as FILE", "freq=N", "38", "35"};

    ck_assert_int_eq(run("--help"), 0);
    for (size_t i = 0; i < ARRAY_SIZE(told); i++)
        ck_assert_msg(strstr(out, told[i]) != NULL, "no %s in %s", told[i], out);
    ck_assert_str_eq(err.text, "");
}
END_TEST

Suite *listen_bad_suite(void)
{
    Suite *suite = suite_create("listen_bad");
    TCase *tcase = tcase_create("listen_bad");

    tcase_add_checked_fixture(tcase, make_folder, remove_folder);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, files_that_cannot_be_read_end_with_1_and_a_line);
    tcase_add_test(tcase, a_file_cut_off_anywhere_is_heard_as_far_as_it_goes);
    tcase_add_test(tcase, memory_that_runs_out_ends_with_1_and_a_line);
    tcase_add_test(tcase, standard_output_that_is_full_ends_with_1);
    tcase_add_loop_test(tcase, bad_arguments_end_with_35_and_a_line, 0, ARRAY_SIZE(wrong));
    tcase_add_test(tcase, help_tells_options_keys_and_statuses);
    suite_add_tcase(suite, tcase);
    return suite;
}
