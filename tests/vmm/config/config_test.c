/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of vmm/config/config.c: the command line, files named on it, --help. */
#include "tests/vmm/config/config_kinds.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

Suite *config_suite(void);

#define WORDS_MAX 20

/* Parses words that are separated by '|', and keeps what was said in capture.text. */
static int parse(const char *line)
{
    char buf[512], *argv[WORDS_MAX + 1] = {NULL}, *rest = buf;
    int r;

    ck_assert_uint_lt(strlen(line), sizeof(buf));
    strcpy(buf, line);
    for (size_t i = 0; i < WORDS_MAX && rest != NULL; i++)
        argv[i] = strsep(&rest, "|");
    ck_assert_ptr_null(rest);
    capture_start(&capture);
    r = config_parse_args(config, argv);
    (void)capture_end(&capture);
    return r;
}

/* -- the command line -- */

START_TEST(kernel_alone_has_every_default)
{
    ck_assert_int_eq(parse("bzImage"), 0);
    ck_assert_str_eq(capture.text, "");
    ck_assert_str_eq(opts_str(config->options, "kernel"), "bzImage");
    ck_assert_ptr_null(opts_str(config->options, "initrd"));
    ck_assert_str_eq(opts_str(config->options, "append"), "");
    ck_assert_uint_eq(opts_bytes(config->options, "mem"), 536870912);
    ck_assert_uint_eq(opts_u64(config->options, "cpus"), 1);
    ck_assert_uint_eq(opts_choice(config->options, "serial"), 0);
    ck_assert_str_eq(opts_str(config->options, "serial"), "stdio");
    ck_assert_str_eq(opts_str(config->options, "name"), "linnet");
    ck_assert_uint_eq(opts_ns(config->options, "time-limit"), 0);
    ck_assert_str_eq(opts_str(config->options, "kvm"), "hardware");
    ck_assert_str_eq(opts_str(config->options, "log"), "info");
    ck_assert(!opts_bool(config->options, "print-config"));
    ck_assert(!opts_bool(config->options, "version"));
    ck_assert(!opts_has(config->options, "help"));
    ck_assert_uint_eq(config_count(config, "rng"), 0);
    ck_assert_uint_eq(config_count(config, "snd"), 0);
}
END_TEST

START_TEST(all_options_are_read_from_the_command_line)
{
    ck_assert_int_eq(
        parse("--initrd|i.cpio|--append=a=b -- c|--mem|6G|--cpus=64|--serial|file:out.log|"
              "--name|vm-1|--time-limit|1500ms|--kvm|any|--log=debug|k"),
        0);
    ck_assert_str_eq(opts_str(config->options, "kernel"), "k");
    ck_assert_str_eq(opts_str(config->options, "initrd"), "i.cpio");
    ck_assert_str_eq(opts_str(config->options, "append"), "a=b -- c");
    ck_assert_uint_eq(opts_bytes(config->options, "mem"), 6442450944);
    ck_assert_uint_eq(opts_u64(config->options, "cpus"), 64);
    ck_assert_uint_eq(opts_choice(config->options, "serial"), CONFIG_SERIAL_FILE);
    ck_assert_str_eq(opts_choice_arg(config->options, "serial"), "out.log");
    ck_assert_str_eq(opts_str(config->options, "name"), "vm-1");
    ck_assert_uint_eq(opts_ns(config->options, "time-limit"), 1500000000);
    ck_assert_uint_eq(opts_choice(config->options, "kvm"), CONFIG_KVM_ANY);
    ck_assert_str_eq(opts_str(config->options, "log"), "debug");
}
END_TEST

START_TEST(option_given_again_replaces)
{
    ck_assert_int_eq(parse("--mem|1G|k|--mem=2G|--kernel|k2"), 0);
    ck_assert_uint_eq(opts_bytes(config->options, "mem"), 2147483648);
    ck_assert_str_eq(opts_str(config->options, "kernel"), "k2");
}
END_TEST

START_TEST(devices_add_up_in_order)
{
    ck_assert_int_eq(parse("--snd|host=file,path=a.wav|--rng|k|--snd=loop,streams=8"), 0);
    ck_assert_uint_eq(config_count(config, "snd"), 2);
    ck_assert_uint_eq(config_count(config, "rng"), 1);
    ck_assert_str_eq(opts_str(config_device(config, "snd", 0), "path"), "a.wav");
    ck_assert_uint_eq(opts_choice(config_device(config, "snd", 0), "host"), 1);
    ck_assert(opts_bool(config_device(config, "snd", 1), "loop"));
    ck_assert_uint_eq(opts_u64(config_device(config, "snd", 1), "streams"), 8);
    ck_assert_str_eq(opts_str(config_device(config, "rng", 0), "source"), "/dev/urandom");
}
END_TEST

/* Which word behind a device's option is its value, and which is the kernel. */
static const struct {
    const char *line, *kernel, *path;
} value_rows[] = {
    {"--snd|path=a|k", "k", "a"},
    {"--snd=path=a|k", "k", "a"},
    {"--snd|loop,path=a|k", "k", "a"},
    {"--snd|path=a|--plain=|k|--", "k", "a"},
    {"--snd|path=a|--plain|k", "k", "a"},
    {"--snd|loop|k", "k", NULL},
    {"--snd|k", "k", NULL},
    {"--snd=|path", "path", NULL}, /* a kernel with a key's name */
    {"--snd|./path", "./path", NULL},
    {"--snd|path/a", "path/a", NULL},
    {"--snd|./a=b", "./a=b", NULL},
    {"--snd|paths", "paths", NULL},
    {"--snd|-", "-", NULL},
    {"k|--snd", "k", NULL},
    {"--snd|--mem|1G|k", "k", NULL},
};

START_TEST(word_behind_a_device_is_its_value_when_it_looks_so)
{
    ck_assert_int_eq(parse(value_rows[_i].line), 0);
    ck_assert_str_eq(opts_str(config->options, "kernel"), value_rows[_i].kernel);
    ck_assert_uint_eq(config_count(config, "snd"), 1);
    ck_assert_pstr_eq(opts_str(config_device(config, "snd", 0), "path"), value_rows[_i].path);
}
END_TEST

/* A device's plain argument stands in the place of the first "key=value". */
static const struct {
    const char *line, *to, *kernel;
    bool fast;
} plain_rows[] = {
    {"--link|here|k", "here", "k", false},          {"--link|here,fast|k", "here", "k", true},
    {"--link=here,fast=off|k", "here", "k", false}, {"--link|'a,b',fast|k", "a,b", "k", true},
    {"--link|fast,to=here|k", "here", "k", true},   {"--link=|k", "nowhere", "k", false},
};

START_TEST(plain_argument_of_a_device_is_its_first_value)
{
    static const struct opt link_opts[] = {
        {.name = "to", .value = "nowhere", .help = "where", .flags = OPT_POSITIONAL},
        {.name = "fast", .value = "off", .help = "how", .type = OPT_BOOL},
        {0}};
    static const struct config_device_kind kinds[] = {{"link", "a link", link_opts, 2}, {0}};
    const struct opts *opts;

    config_destroy(config);
    ck_assert_int_eq(config_create(kinds, &config), 0);
    ck_assert_int_eq(parse(plain_rows[_i].line), 0);
    opts = config_device(config, "link", 0);
    ck_assert_str_eq(opts_str(opts, "to"), plain_rows[_i].to);
    ck_assert_int_eq(opts_bool(opts, "fast"), plain_rows[_i].fast);
    ck_assert_str_eq(opts_str(config->options, "kernel"), plain_rows[_i].kernel);
}
END_TEST

static const struct {
    const char *line, *said;
} error_rows[] = {
    {"--mem|1G", "KERNEL: missing; name the kernel to boot"},
    {"--plain", "KERNEL: missing"},
    {"", "kernel: \"\" will not do; give the name of a file"},
    {"--append|console=ttyS0|quiet|k",
     "KERNEL: given twice, \"quiet\" and \"k\"; put a value with spaces in quotes"},
    {"--mme|1G|k", "\"--mme\": no such option; did you mean --mem?"},
    {"--mme=1G|k", "\"--mme=1G\": no such option; did you mean --mem?"},
    {"--sdn|k", "\"--sdn\": no such option; did you mean --snd?"},
    {"--memory|1G|k", "\"--memory\": no such option; --help lists all"},
    {"-mem|1G|k", "\"-mem\": no such option; did you mean --mem?"},
    {"-m|1G|k", "\"-m\": no such option; did you mean --mem?"},
    {"-h", "\"-h\": no such option; did you mean --help?"},
    {"--xyzzy", "\"--xyzzy\": no such option; --help lists all"},
    {"---", "\"---\": no such option"},
    {"--=1", "\"--=1\": no such option"},
    {"k|--mem", "--mem: needs a value; write --mem=VALUE"},
    {"--mem|--cpus|2|k", "--mem: needs a value; write --mem=VALUE"},
    {"--mem|0|k", "--mem: \"0\" is out of range; give a whole number with K, M, G or T, 16M to 1T"},
    {"--mem|15M|k", "--mem: \"15M\" is out of range"},
    {"--mem|lots|k", "--mem: \"lots\" will not do"},
    {"--cpus|0|k", "--cpus: \"0\" is out of range; give a whole number, 1 to 64, or all"},
    {"--cpus|65|k", "--cpus: \"65\" is out of range; give a whole number, 1 to 64, or all"},
    {"--serial|fil:x|k",
     "--serial: \"fil:x\" will not do; give stdio, stderr, keep, none or file:FILE"},
    {"--kvm|hw|k", "--kvm: \"hw\" will not do; give hardware or any"},
    {"--log|inof|k", "did you mean \"info\"?"},
    {"--name|a/b|k", "--name: \"a/b\" will not do"},
    {"--time-limit|never|k", "--time-limit: \"never\" will not do"},
    {"--time-limit|8761h|k", "--time-limit: \"8761h\" is out of range"},
    {"--initrd||k", "--initrd: \"\" will not do; give the name of a file"},
    {"--print-config=maybe|k", "--print-config: \"maybe\" will not do; give on or off"},
    {"--help=html", "--help: \"html\" will not do; give text or markdown"},
    {"--config|/nonexistent/x.json|k",
     "--config: \"/nonexistent/x.json\": No such file or directory; give a JSON file"},
    {"--config|/|k", "--config: \"/\": Is a directory; give a JSON file that can be read"},
    {"--rng|sorce=x|k", "--rng \"sorce\": no such key; did you mean \"source\"?"},
    {"--snd|streams=9|k", "--snd streams: \"9\" is out of range; give a whole number, 1 to 8"},
    {"--snd|expect=freq=440,tol=1|k", "--snd \"tol\": no such key; known keys: host, path, "
                                      "streams, ring, wait, loop, expect (a comma "
                                      "in a value is written ,,)"},
    {"--disk|k", "--disk path: missing; give the name of a file (image)"},
    {"--disk=k", "--disk \"k\": no such key"},
    {"--plain=x|k", "--plain \"x\": no such key; known keys: none"},
    {"--rng|--rng|k", "--rng: one too many; a machine has at most 1 of rng"},
    {"a\nb|--mem", "kernel: \"a?b\" has control characters or is not UTF-8"},
    {"--a\nb", "\"--a?b\": no such option"},
};

START_TEST(wrong_words_are_refused_in_one_line)
{
    ck_assert_int_eq(parse(error_rows[_i].line), -EINVAL);
    ck_assert_one_error(capture.text, error_rows[_i].said);
}
END_TEST

START_TEST(help_and_version_end_the_parsing)
{
    ck_assert_int_eq(parse("--help|--bogus"), 0);
    ck_assert_str_eq(opts_str(config->options, "help"), "text");
    ck_assert_int_eq(parse("--help=markdown|--bogus"), 0);
    ck_assert_str_eq(opts_str(config->options, "help"), "markdown");
}
END_TEST

START_TEST(version_needs_no_kernel)
{
    ck_assert_int_eq(parse("--version|--bogus"), 0);
    ck_assert(opts_bool(config->options, "version"));
}
END_TEST

START_TEST(print_config_needs_no_kernel_but_sees_mistakes_behind_it)
{
    ck_assert_int_eq(parse("--print-config|--mem|1G"), 0);
    ck_assert(opts_bool(config->options, "print-config"));
    ck_assert_int_eq(parse("--print-config|--bogus"), -EINVAL);
}
END_TEST

START_TEST(append_of_2047_bytes_is_taken_and_one_more_is_not)
{
    char word[2049], *argv[] = {(char[]){"--append"}, word, (char[]){"k"}, NULL};
    int r;

    memset(word, 'a', sizeof(word));
    word[2048] = '\0';
    capture_start(&capture);
    r = config_parse_args(config, argv);
    (void)capture_end(&capture);
    ck_assert_int_eq(r, -EINVAL);
    ck_assert_str_eq(capture.text,
                     "linnet: error: --append: too long; at most 2047 bytes are taken\n");
    word[2047] = '\0';
    ck_assert_int_eq(config_parse_args(config, argv), 0);
    ck_assert_uint_eq(strlen(opts_str(config->options, "append")), 2047);
}
END_TEST

/* -- files -- */

/* Writes text into a file of this test's own; remove it with unlink(). */
static void file_make(char path[32], const char *text, size_t len)
{
    auto_close int fd = -1;

    strcpy(path, "/tmp/linnet-test-XXXXXX");
    fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text, len), (ssize_t)len);
}

static const struct {
    const char *before, *after;
    uint64_t mem_mib, cpus;
} order_rows[] = {
    {"", "", 1024, 2},
    {"", "|--mem|3G", 3072, 2},
    {"--mem|3G|", "", 1024, 2},
    {"--mem|3G|", "|--cpus|7", 1024, 7},
    {"--mem|3G|--cpus|5|", "|--mem|2G", 2048, 2},
};

START_TEST(all_cpus_are_those_that_we_may_run_on)
{
    cpu_set_t before, one;

    ck_assert_int_eq(sched_getaffinity(0, sizeof(before), &before), 0);
    ck_assert_int_eq(parse("--cpus|all|k"), 0);
    ck_assert_int_eq((int)opts_u64(config->options, "cpus"), MIN(CPU_COUNT(&before), 64));
    CPU_ZERO(&one);
    CPU_SET((size_t)sched_getcpu(), &one);
    ck_assert_int_eq(sched_setaffinity(0, sizeof(one), &one), 0);
    ck_assert_int_eq(config_load_json(config, "vm.json", "{\"cpus\": \"all\"}", 15), 0);
    ck_assert_int_eq(sched_setaffinity(0, sizeof(before), &before), 0);
    ck_assert_uint_eq(opts_u64(config->options, "cpus"), 1);
}
END_TEST

START_TEST(what_comes_later_wins)
{
    static const char json[] = "{\"kernel\": \"k\", \"mem\": \"1G\", \"cpus\": 2, \"snd\": [{}]}";
    char path[32], line[256];

    file_make(path, json, sizeof(json) - 1);
    (void)snprintf(line, sizeof(line), "%s--config|%s%s", order_rows[_i].before, path,
                   order_rows[_i].after);
    ck_assert_int_eq(parse(line), 0);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_uint_eq(opts_bytes(config->options, "mem"), order_rows[_i].mem_mib * 1048576);
    ck_assert_uint_eq(opts_u64(config->options, "cpus"), order_rows[_i].cpus);
    ck_assert_str_eq(opts_str(config->options, "kernel"), "k");
}
END_TEST

/* A machine, a kernel, a test: what a later file says wins, what it does not say stays. */
START_TEST(files_compose)
{
    static const char base[] = "{\"kernel\": \"k\", \"mem\": \"1G\", \"snd\": [{\"path\": \"a\"}]}";
    static const char kernel[] =
        "{\"kernel\": \"k6.1\", \"cpus\": 2, \"snd\": [{\"path\": \"b\"}]}";
    char paths[2][32], line[256];

    file_make(paths[0], base, sizeof(base) - 1);
    file_make(paths[1], kernel, sizeof(kernel) - 1);
    (void)snprintf(line, sizeof(line), "--config|%s|--config|%s", paths[_i], paths[1 - _i]);
    ck_assert_int_eq(parse(line), 0);
    ck_assert_int_eq(unlink(paths[0]), 0);
    ck_assert_int_eq(unlink(paths[1]), 0);
    ck_assert_str_eq(opts_str(config->options, "kernel"), _i == 0 ? "k6.1" : "k");
    ck_assert_uint_eq(opts_bytes(config->options, "mem"), 1 << 30);
    ck_assert_uint_eq(opts_u64(config->options, "cpus"), 2);
    ck_assert_uint_eq(config_count(config, "snd"), 2);
    ck_assert_str_eq(opts_str(config_device(config, "snd", 0), "path"), _i == 0 ? "a" : "b");
    ck_assert_str_eq(opts_str(config_device(config, "snd", 1), "path"), _i == 0 ? "b" : "a");
}
END_TEST

START_TEST(devices_of_the_command_line_follow_those_of_the_file)
{
    static const char json[] = "{\"kernel\": \"k\", \"snd\": [{\"path\": \"a\"}]}";
    char path[32], line[256];

    file_make(path, json, sizeof(json) - 1);
    (void)snprintf(line, sizeof(line), "--config=%s|other|--snd|path=b", path);
    ck_assert_int_eq(parse(line), 0);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_str_eq(opts_str(config->options, "kernel"), "other");
    ck_assert_uint_eq(config_count(config, "snd"), 2);
    ck_assert_str_eq(opts_str(config_device(config, "snd", 0), "path"), "a");
    ck_assert_str_eq(opts_str(config_device(config, "snd", 1), "path"), "b");
}
END_TEST

START_TEST(file_of_1_mib_is_read_and_one_more_byte_is_not)
{
    static char json[1048578];
    char path[32];

    (void)snprintf(json, sizeof(json), "%-1048577s", "{\"cpus\": 3}");
    file_make(path, json, 1048576);
    int r = config_load_file(config, path);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(r, 0);
    ck_assert_uint_eq(opts_u64(config->options, "cpus"), 3);
    file_make(path, json, 1048577);
    capture_start(&capture);
    r = config_load_file(config, path);
    (void)capture_end(&capture);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(r, -EINVAL);
    ck_assert_one_error(capture.text, "too long; at most 1048576 bytes are taken");
}
END_TEST

static void *write_all(void *arg)
{
    const int *fd = arg;
    char json[20000];

    (void)snprintf(json, sizeof(json), "%-19998s}", "{\"cpus\": 3");
    (void)!write(*fd, json, sizeof(json) - 1); /* what is read tells */
    (void)close(*fd);
    return NULL;
}

/* A pipe of one page gives no more at a time: `--config <(make-config)`. */
START_TEST(file_that_comes_in_pieces_is_read)
{
    int fds[2];
    char path[32];
    pthread_t writer;

    ck_assert_int_eq(pipe(fds), 0);
    ck_assert_int_ge(fcntl(fds[1], F_SETPIPE_SZ, 4096), 0);
    (void)snprintf(path, sizeof(path), "/dev/fd/%d", fds[0]);
    ck_assert_int_eq(pthread_create(&writer, NULL, write_all, &fds[1]), 0);
    int r = config_load_file(config, path);
    (void)close(fds[0]);
    ck_assert_int_eq(pthread_join(writer, NULL), 0);
    ck_assert_int_eq(r, 0);
    ck_assert_uint_eq(opts_u64(config->options, "cpus"), 3);
}
END_TEST

/* -- help -- */

static void help(char *buf, size_t size,
                 void (*write_help)(const struct config_device_kind *, FILE *))
{
    FILE *out = fmemopen(buf, size, "w");

    ck_assert_ptr_nonnull(out);
    write_help(config_kinds, out);
    ck_assert_int_eq(fclose(out), 0);
}

START_TEST(help_names_every_option_and_key_within_80_columns)
{
    static char text[16384];
    char word[64];

    help(text, sizeof(text), config_help);
    for (const struct opt *row = config->options->table; row->name != NULL; row++) {
        (void)snprintf(word, sizeof(word), "--%s", row->name);
        ck_assert_msg(strstr(text, word) != NULL, "%s", word);
    }
    ck_assert_ptr_nonnull(strstr(text, "\n  --mem SIZE              memory of the guest"));
    ck_assert_ptr_nonnull(strstr(text, "(16M to 1T, default 512M)\n"));
    ck_assert_ptr_nonnull(strstr(text, "\n  --snd KEYS              a sound device (up to 2)\n"
                                       "    host=alsa|file|null   where (default null)\n"));
    ck_assert_ptr_nonnull(strstr(text, "\n    path=FILE             image (required)\n"));
    ck_assert_ptr_nonnull(
        strstr(text, "\n  --plain                 a device without keys (up to 2)\n"));
    ck_assert_ptr_nonnull(strstr(text, "36 watchdog"));
    for (const char *line = text; *line != '\0'; line += strcspn(line, "\n") + 1)
        ck_assert_msg(strcspn(line, "\n") <= 80, "%s", line);
}
END_TEST

START_TEST(markdown_names_every_option_and_key)
{
    static char text[16384];
    char word[64];

    help(text, sizeof(text), config_help_markdown);
    for (const struct opt *row = config->options->table + 1; row->name != NULL; row++) {
        (void)snprintf(word, sizeof(word), "\n| `--%s", row->name);
        ck_assert_msg(strstr(text, word) != NULL, "%s", word);
    }
    ck_assert_ptr_nonnull(strstr(text, "\n| `KERNEL` | kernel to boot"));
    ck_assert_ptr_nonnull(strstr(text, "\n### `--snd`: a sound device (up to 2)\n"));
    ck_assert_ptr_nonnull(
        strstr(text, "\n| `source=FILE` | file to read from |  | `/dev/urandom` |\n"));
    ck_assert_ptr_nonnull(
        strstr(text, "\n### `--plain`: a device without keys (up to 2)\n\nNo keys.\n"));
}
END_TEST

/* -- commands -- */

START_TEST(what_is_behind_two_dashes_is_a_command)
{
    char *words[] = {(char *)"--cpus", (char *)"2",  (char *)"--",    (char *)"ls",
                     (char *)"--mem",  (char *)"--", (char *)"a b\n", NULL};

    ck_assert_int_eq(config_parse_args(config, words), 0);
    ck_assert_ptr_eq(config->command, words + 3);
    ck_assert(!opts_given(config->options, "kernel"));
    ck_assert(!opts_given(config->options, "mem"));
    ck_assert_uint_eq(opts_u64(config->options, "cpus"), 2);
}
END_TEST

START_TEST(nothing_behind_two_dashes_is_no_command)
{
    char *words[] = {(char *)"kernel", (char *)"--", NULL};

    ck_assert_int_eq(config_parse_args(config, words), 0);
    ck_assert_ptr_null(config->command);
}
END_TEST

static const struct opt set_opts[] = {
    {.name = "set", .help = "what", .flags = OPT_REQUIRED | OPT_POSITIONAL}, {0}};
static const struct config_device_kind plain_kinds[] = {
    {.name = "env", .help = "text", .opts = set_opts, .count_max = 4, .plain = true}, {0}};

START_TEST(text_of_a_plain_kind_is_taken_as_it_is)
{
    char *words[] = {(char *)"--env", (char *)"set=a,b", (char *)"--env=x='1',,", (char *)"k",
                     NULL};
    struct config *plain;

    ck_assert_int_eq(config_create(plain_kinds, &plain), 0);
    ck_assert_int_eq(config_parse_args(plain, words), 0);
    ck_assert_str_eq(opts_str(config_device(plain, "env", 0), "set"), "set=a,b");
    ck_assert_str_eq(opts_str(config_device(plain, "env", 1), "set"), "x='1',,");
    config_destroy(plain);
}
END_TEST

START_TEST(plain_kind_needs_its_text)
{
    char *words[] = {(char *)"--env", (char *)"--", (char *)"ls", NULL};
    struct config *plain;

    ck_assert_int_eq(config_create(plain_kinds, &plain), 0);
    capture_start(&capture);
    int r = config_parse_args(plain, words);
    const char *text = capture_end(&capture);
    ck_assert_int_eq(r, -EINVAL);
    ck_assert_one_error(text, "");
    config_destroy(plain);
}
END_TEST

Suite *config_suite(void)
{
    Suite *suite = suite_create("config");
    TCase *tcase = tcase_create("config");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, kernel_alone_has_every_default);
    tcase_add_test(tcase, all_options_are_read_from_the_command_line);
    tcase_add_test(tcase, option_given_again_replaces);
    tcase_add_test(tcase, devices_add_up_in_order);
    tcase_add_loop_test(tcase, word_behind_a_device_is_its_value_when_it_looks_so, 0,
                        ARRAY_SIZE(value_rows));
    tcase_add_loop_test(tcase, plain_argument_of_a_device_is_its_first_value, 0,
                        ARRAY_SIZE(plain_rows));
    tcase_add_loop_test(tcase, wrong_words_are_refused_in_one_line, 0, ARRAY_SIZE(error_rows));
    tcase_add_test(tcase, help_and_version_end_the_parsing);
    tcase_add_test(tcase, version_needs_no_kernel);
    tcase_add_test(tcase, print_config_needs_no_kernel_but_sees_mistakes_behind_it);
    tcase_add_test(tcase, append_of_2047_bytes_is_taken_and_one_more_is_not);
    tcase_add_test(tcase, all_cpus_are_those_that_we_may_run_on);
    tcase_add_loop_test(tcase, what_comes_later_wins, 0, ARRAY_SIZE(order_rows));
    tcase_add_loop_test(tcase, files_compose, 0, 2);
    tcase_add_test(tcase, devices_of_the_command_line_follow_those_of_the_file);
    tcase_add_test(tcase, file_of_1_mib_is_read_and_one_more_byte_is_not);
    tcase_add_test(tcase, file_that_comes_in_pieces_is_read);
    tcase_add_test(tcase, help_names_every_option_and_key_within_80_columns);
    tcase_add_test(tcase, markdown_names_every_option_and_key);
    tcase_add_test(tcase, what_is_behind_two_dashes_is_a_command);
    tcase_add_test(tcase, nothing_behind_two_dashes_is_no_command);
    tcase_add_test(tcase, text_of_a_plain_kind_is_taken_as_it_is);
    tcase_add_test(tcase, plain_kind_needs_its_text);
    suite_add_tcase(suite, tcase);
    return suite;
}
