/* SPDX-License-Identifier: BSD-3-Clause */
/* What the guest is told to run, from the words of a command line. */
#include "vmm/run/run.h"

#include "tests/capture.h"
#include "tests/vmm/run/folder.h"
#include "vmm/machine.h"

static struct config *config;
static struct run run;
static struct bytes file;
static struct capture capture;

static void setup(void)
{
    folder_make();
    ck_assert_int_eq(clearenv(), 0);
    ck_assert_int_eq(config_create(machine_device_kinds(), &config), 0);
}

static void teardown(void)
{
    bytes_free(&file);
    config_destroy(config);
    folder_remove();
}

static void configure(char **words)
{
    ck_assert_int_eq(config_parse_args(config, words), 0);
    run = (struct run){.command = config->command};
}

static int make(char **words)
{
    configure(words);
    return run_file_make(&run, config, &file);
}

#define WORDS(...) ((char *[]){__VA_ARGS__ __VA_OPT__(, )(char *) "--", (char *)"cmd", NULL})

/* The strings of a kind, with '|' behind each. */
static const char *strings(int kind)
{
    static char text[4096];
    const char *at = (const char *)file.at, *end = at + file.size;

    text[0] = '\0';
    for (; at < end; at += strlen(at) + 1) {
        if (*at != kind)
            continue;
        (void)strcat(text, at + 1);
        (void)strcat(text, "|");
    }
    return text;
}

START_TEST(words_of_the_command_arrive_as_they_are)
{
    char all[256] = "";

    for (int i = 1; i < 256; i++)
        all[i - 1] = (char)i;
    char *words[] = {(char *)"--root", (char *)"none", (char *)"--", (char *)"sh", all,
                     (char *)"",       (char *)"--",   NULL};
    ck_assert_int_eq(make(words), 0);
    const char *at = strings(RUN_ARG);
    ck_assert_int_eq(strncmp(at, "sh|", 3), 0);
    ck_assert_mem_eq(at + 3, all, 255);
    ck_assert_str_eq(at + 3 + 255, "||--|");
}
END_TEST

START_TEST(long_command_is_whole)
{
    char *word = calloc(1, 200001);

    ck_assert_ptr_nonnull(word);
    memset(word, 'w', 200000);
    char *words[] = {(char *)"--root", (char *)"none", (char *)"--", word, NULL};
    ck_assert_int_eq(make(words), 0);
    ck_assert_uint_gt(file.size, 200000);
    ck_assert_ptr_nonnull(memmem(file.at, file.size, word, 200001));
    free(word);
}
END_TEST

START_TEST(environment_is_a_short_list)
{
    (void)setenv("PATH", "/bin", 1);
    (void)setenv("LC_TIME", "C", 1);
    (void)setenv("SECRET", "x", 1);
    (void)setenv("PATHS", "x", 1);
    ck_assert_int_eq(make(WORDS((char *)"--root=none")), 0);
    ck_assert_str_eq(strings(RUN_ENV), "PATH=/bin|LC_TIME=C|");
}
END_TEST

START_TEST(environment_is_what_is_said)
{
    (void)setenv("PATH", "/bin", 1);
    (void)setenv("MORE", "\x01\xff", 1);
    (void)setenv("SECRET", "x", 1);
    ck_assert_int_eq(make(WORDS((char *)"--env", (char *)"MORE", (char *)"--env", (char *)"PATH=/x",
                                (char *)"--env", (char *)"a=b,c=d", (char *)"--env",
                                (char *)"PATH=/y", (char *)"--env", (char *)"UNSET")),
                     0);
    ck_assert_str_eq(strings(RUN_ENV), "MORE=\x01\xff|a=b,c=d|PATH=/y|");
}
END_TEST

START_TEST(environment_is_all_of_it_with_a_star)
{
    (void)setenv("SECRET", "x", 1);
    ck_assert_int_eq(make(WORDS((char *)"--env", (char *)"*")), 0);
    ck_assert_str_eq(strings(RUN_ENV), "SECRET=x|");
}
END_TEST

START_TEST(working_directory_is_tried_unless_it_is_said)
{
    char cwd[PATH_MAX + 1];

    ck_assert_int_eq(make(WORDS((char *)"--root=none")), 0);
    ck_assert_ptr_nonnull(getcwd(cwd, PATH_MAX));
    (void)strcat(cwd, "|");
    ck_assert_str_eq(strings(RUN_CWD_TRY), cwd);
    ck_assert_str_eq(strings(RUN_CWD), "");
    bytes_free(&file);
    ck_assert_int_eq(make(WORDS((char *)"--cwd", (char *)"/x")), 0);
    ck_assert_str_eq(strings(RUN_CWD), "/x|");
    ck_assert_str_eq(strings(RUN_CWD_TRY), "");
}
END_TEST

START_TEST(cards_with_the_hosts_network_get_an_address)
{
    ck_assert_int_eq(make(WORDS((char *)"--net", (char *)"socket,path=x", (char *)"--net",
                                (char *)"user", (char *)"--net", (char *)"user")),
                     0);
    ck_assert_str_eq(strings(RUN_DHCP), "eth1|eth2|");
    ck_assert_str_eq(strings(RUN_SYSTEMD), "");
}
END_TEST

START_TEST(systemd_is_asked_for)
{
    ck_assert_int_eq(make(WORDS((char *)"--systemd")), 0);
    ck_assert_str_eq(strings(RUN_SYSTEMD), "|");
}
END_TEST

START_TEST(folders_are_shares_with_places)
{
    char rw[PATH_MAX + 16], ro[2 * PATH_MAX], places[3 * PATH_MAX];

    file_write_text("out/x", "");
    (void)snprintf(rw, sizeof(rw), "%s/out/../out", folder);
    (void)snprintf(ro, sizeof(ro), "%s:/mnt/a b", folder);
    ck_assert_int_eq(make(WORDS((char *)"--rw", rw, (char *)"--ro", ro)), 0);
    ck_assert_str_eq(strings(RUN_ROOT), "share|");
    ck_assert_str_eq(strings(RUN_SHARE_RO), "linnet.ro0|");
    ck_assert_str_eq(strings(RUN_SHARE_RW), "linnet.rw0|");
    (void)snprintf(places, sizeof(places), "/mnt/a b|%s/out|", folder);
    ck_assert_str_eq(strings(RUN_AT), places);
}
END_TEST

START_TEST(modules_elsewhere_in_the_root_are_bound_to_their_place)
{
    file_write_text("r/kernels/lib/modules/6.1/modules.dep", "");
    (void)strcpy(run.kernel.release, "6.1");
    configure(WORDS((char *)"--root", (char *)(uintptr_t)in_folder("r")));
    (void)strcpy(run.kernel.release, "6.1");
    (void)strcpy(run.kernel.modules, in_folder("r/kernels/lib/modules/6.1"));
    ck_assert_int_eq(run_file_make(&run, config, &file), 0);
    ck_assert_str_eq(strings(RUN_BIND), "/kernels/lib/modules/6.1|");
    ck_assert_str_eq(strings(RUN_AT), "/lib/modules/6.1|");
}
END_TEST

START_TEST(modules_at_their_place_are_left_there)
{
    file_write_text("r/lib/modules/6.1/modules.dep", "");
    configure(WORDS((char *)"--root", (char *)(uintptr_t)in_folder("r")));
    (void)strcpy(run.kernel.release, "6.1");
    (void)strcpy(run.kernel.modules, in_folder("r/lib/modules/6.1"));
    ck_assert_int_eq(run_file_make(&run, config, &file), 0);
    ck_assert_str_eq(strings(RUN_BIND), "");
}
END_TEST

static const struct {
    const char *option, *value, *said;
} wrong[] = {
    {"--rw", "/", "--rw /: "},
    {"--rw", "/..", "--rw /: "},
    {"--rw", "/nowhere/at/all", "--rw /nowhere/at/all: No such file"},
    {"--ro", "/nowhere:/x", "--ro /nowhere: No such file"},
    {"--rw", "/tmp:x", "--rw /tmp:x: the folder in the guest begins with /"},
};

START_TEST(folder_that_will_not_do_is_one_line)
{
    char *words[] = {(char *)(uintptr_t)wrong[_i].option, (char *)(uintptr_t)wrong[_i].value,
                     (char *)"--", (char *)"cmd", NULL};

    configure(words);
    capture_start(&capture);
    int r = run_file_make(&run, config, &file);
    const char *text = capture_end(&capture);
    ck_assert_int_eq(r, -EINVAL);
    ck_assert_one_error(text, wrong[_i].said);
}
END_TEST

static const char *const for_commands[] = {
    "--root=/x", "--cwd=/", "--user=x",       "--tty=on",        "--ro=/",
    "--rw=/x",   "--env=A", "--modules=none", "--boot-limit=1s", "--systemd"};

START_TEST(option_of_a_command_needs_one)
{
    char *words[] = {(char *)(uintptr_t)for_commands[_i], (char *)"kernel", NULL};

    ck_assert_int_eq(config_parse_args(config, words), 0);
    capture_start(&capture);
    int r = run_refuse_options(config);
    const char *text = capture_end(&capture);
    ck_assert_int_eq(r, -EINVAL);
    ck_assert_one_error(text, "");
}
END_TEST

Suite *run_file_suite(void);
Suite *run_file_suite(void)
{
    Suite *suite = suite_create("run_file");
    TCase *tc = tcase_create("run file");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, words_of_the_command_arrive_as_they_are);
    tcase_add_test(tc, long_command_is_whole);
    tcase_add_test(tc, environment_is_a_short_list);
    tcase_add_test(tc, environment_is_what_is_said);
    tcase_add_test(tc, environment_is_all_of_it_with_a_star);
    tcase_add_test(tc, working_directory_is_tried_unless_it_is_said);
    tcase_add_test(tc, cards_with_the_hosts_network_get_an_address);
    tcase_add_test(tc, systemd_is_asked_for);
    tcase_add_test(tc, folders_are_shares_with_places);
    tcase_add_test(tc, modules_elsewhere_in_the_root_are_bound_to_their_place);
    tcase_add_test(tc, modules_at_their_place_are_left_there);
    tcase_add_loop_test(tc, folder_that_will_not_do_is_one_line, 0, ARRAY_SIZE(wrong));
    tcase_add_loop_test(tc, option_of_a_command_needs_one, 0, ARRAY_SIZE(for_commands));
    suite_add_tcase(suite, tc);
    return suite;
}
