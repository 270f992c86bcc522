/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of vmm/config/transport.c: what all devices are behind, and one that is not. */
#include "vmm/config/transport.h"

#include "tests/capture.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

Suite *transport_suite(void);

static const struct opt disk_opts[] = {
    {.name = "path", .help = "image", .type = OPT_PATH, .flags = OPT_POSITIONAL},
    {0},
};
static const struct opt cable_opts[] = {{.name = "to", .help = "where"}, {0}};
static struct config_device_kind kinds[] = {
    {.name = "rng", .help = "random numbers", .count_max = 1},
    {.name = "disk", .help = "a disk", .opts = disk_opts, .count_max = 4},
    {.name = "cable", .help = "no virtio device", .opts = cable_opts, .count_max = 1},
    {0},
};
static struct config *config;
static struct capture capture;

static void setup(void)
{
    kinds[0].opts = transport_add_key(NULL, NULL);
    kinds[1].opts = transport_add_key(disk_opts, NULL);
    ck_assert_int_eq(config_create(kinds, &config), 0);
}

static void teardown(void)
{
    config_destroy(config);
}

/* Up to three words before the kernel. */
static int parse(const char *first, const char *second, const char *third)
{
    const char *words[] = {"k", first, second, third, NULL};

    capture_start(&capture);
    int r = config_parse_args(config, (char **)(uintptr_t)words);
    (void)capture_end(&capture);
    return r;
}

static enum config_transport of(const char *kind, unsigned index)
{
    const struct opts *opts = config_device(config, kind, index);

    return transport_of(config, &opts, 1);
}

START_TEST(devices_are_behind_the_machines)
{
    ck_assert_int_eq(parse("--rng", "--disk=a", NULL), 0);
    ck_assert_int_eq(of("rng", 0), CONFIG_TRANSPORT_MMIO);
    ck_assert_int_eq(of("disk", 0), CONFIG_TRANSPORT_MMIO);
    ck_assert(transport_used(config, CONFIG_TRANSPORT_MMIO));
    ck_assert(!transport_used(config, CONFIG_TRANSPORT_PCI));
    ck_assert_int_eq(parse("--transport=pci", NULL, NULL), 0);
    ck_assert_int_eq(of("rng", 0), CONFIG_TRANSPORT_PCI);
    ck_assert(!transport_used(config, CONFIG_TRANSPORT_MMIO));
}
END_TEST

START_TEST(device_says_what_it_is_behind)
{
    ck_assert_int_eq(parse("--rng=transport=pci", "--disk=a", "--disk=b,transport=mmio"), 0);
    ck_assert_int_eq(of("rng", 0), CONFIG_TRANSPORT_PCI);
    ck_assert_int_eq(of("disk", 0), CONFIG_TRANSPORT_MMIO);
    ck_assert(transport_used(config, CONFIG_TRANSPORT_MMIO));
    ck_assert(transport_used(config, CONFIG_TRANSPORT_PCI));
    ck_assert_str_eq(opts_str(config_device(config, "disk", 1), "path"), "b"); /* as before */
    ck_assert_int_eq(parse("--transport=pci", NULL, NULL), 0);
    ck_assert_int_eq(of("disk", 0), CONFIG_TRANSPORT_PCI);
    ck_assert_int_eq(of("disk", 1), CONFIG_TRANSPORT_MMIO);
    ck_assert(transport_used(config, CONFIG_TRANSPORT_MMIO));
}
END_TEST

/* As a console's ports are one device. */
START_TEST(last_of_several_options_wins)
{
    const struct opts *opts[3];

    ck_assert_int_eq(parse("--disk=a,transport=mmio", "--disk=b,transport=pci", "--disk=c"), 0);
    for (unsigned i = 0; i < 3; i++)
        opts[i] = config_device(config, "disk", i);
    ck_assert_int_eq(transport_of(config, opts, 3), CONFIG_TRANSPORT_PCI);
    ck_assert_int_eq(transport_of(config, opts, 1), CONFIG_TRANSPORT_MMIO);
}
END_TEST

START_TEST(unknown_transport_is_one_line)
{
    static const char *const words[] = {"--rng=transport=isa", "--transport=isa"};

    ck_assert_int_eq(parse(words[_i], NULL, NULL), -EINVAL);
    ck_assert_one_error(capture.text, "transport");
    ck_assert_ptr_nonnull(strstr(capture.text, "mmio or pci"));
}
END_TEST

/* Printed, it reads back; in --help there is one row for all. */
START_TEST(key_is_part_of_the_configuration_and_told_once)
{
    char *text = NULL;
    size_t len = 0;

    ck_assert_int_eq(parse("--rng=transport=pci", "--cable=to=x", NULL), 0);
    FILE *out = open_memstream(&text, &len);
    ck_assert_int_eq(config_print(config, out), 0);
    (void)fclose(out);
    ck_assert_ptr_nonnull(strstr(text, "\"rng\""));
    teardown();
    setup();
    ck_assert_int_eq(config_load_json(config, "again", text, len), 0);
    free(text);
    ck_assert_int_eq(of("rng", 0), CONFIG_TRANSPORT_PCI);

    out = open_memstream(&text, &len);
    config_help(kinds, out);
    (void)fclose(out);
    ck_assert_ptr_nonnull(strstr(text, "--transport mmio|pci"));
    ck_assert_ptr_null(strstr(text, "\n    transport="));
    free(text);
}
END_TEST

Suite *transport_suite(void)
{
    Suite *suite = suite_create("transport");
    TCase *tcase = tcase_create("all");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, devices_are_behind_the_machines);
    tcase_add_test(tcase, device_says_what_it_is_behind);
    tcase_add_test(tcase, last_of_several_options_wins);
    tcase_add_loop_test(tcase, unknown_transport_is_one_line, 0, 2);
    tcase_add_test(tcase, key_is_part_of_the_configuration_and_told_once);
    suite_add_tcase(suite, tcase);
    return suite;
}
