/* SPDX-License-Identifier: BSD-3-Clause */
/* Overlays on a device tree: what applies, and what is said of what does not. dtc makes them. */
#include "arch/tree.h"
#include "tests/capture.h"
#include "tests/fake_kernel.h"

#include <check.h>
#include <libfdt.h>
#include <stdio.h>
#include <string.h>

static struct tree tree;
static struct capture capture;

/* A machine of two devices, one with a label. */
static void setup(void)
{
    const struct tree_chosen chosen = {.bootargs = "quiet"};

    ck_assert_int_eq(tree_init(&tree), 0);
    (void)tree_open(&tree, NULL, "");
    tree_cell_counts(&tree, 2, 2);
    (void)tree_open_at(&tree, "uart", "serial", 0x1000);
    tree_string(&tree, "compatible", "ns16550a");
    tree_close(&tree);
    (void)tree_open_at(&tree, NULL, "rtc", 0x2000);
    tree_close(&tree);
    tree_written(&tree);
    ck_assert_int_eq(tree_choose(&tree, &chosen), 0);
}

static void teardown(void)
{
    tree_fini(&tree);
}

/* Compiles source text. */
static struct file compile(const char *source)
{
    char path[] = "/tmp/linnet-dts-XXXXXX", line[256];
    struct file file = {calloc(1, 65536), 0};
    int fd = mkstemp(path);

    ck_assert_ptr_nonnull(file.bytes);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq((int)write(fd, source, strlen(source)), (int)strlen(source));
    ck_assert_int_eq(close(fd), 0);
    (void)snprintf(line, sizeof(line), "dtc -q -@ -I dts -O dtb %s", path);
    FILE *dtc = popen(line, "r");
    ck_assert_ptr_nonnull(dtc);
    file.size = fread(file.bytes, 1, 65536, dtc);
    ck_assert_msg(pclose(dtc) == 0, "dtc fails, or is not installed");
    (void)unlink(path);
    return file;
}

static int apply(const struct file *file)
{
    struct image image = {"my.dtbo", file->bytes, file->size};

    capture_start(&capture);
    int r = tree_overlay(&tree, &image);
    (void)capture_end(&capture);
    return r;
}

static void applied(const char *source)
{
    struct file file = compile(source);

    ck_assert_int_eq(apply(&file), 0);
    ck_assert_str_eq(capture.text, "");
    file_free(&file);
}

static void file_refused(const struct file *file, const char *says)
{
    ck_assert_int_eq(apply(file), -EINVAL);
    ck_assert_one_error(capture.text, says);
}

static void refused(const char *source, const char *says)
{
    struct file file = compile(source);

    file_refused(&file, says);
    file_free(&file);
}

static const char *string_at(const char *path, const char *name)
{
    int node = fdt_path_offset(tree.fdt, path);

    return node < 0 ? NULL : fdt_getprop(tree.fdt, node, name, NULL);
}

START_TEST(overlay_by_label_changes_the_node)
{
    applied("/dts-v1/; /plugin/; &uart { status = \"disabled\"; };");
    ck_assert_str_eq(string_at("/serial@1000", "status"), "disabled");
    ck_assert_str_eq(string_at("/serial@1000", "compatible"), "ns16550a");
}
END_TEST

START_TEST(overlay_by_path_adds_a_node)
{
    applied("/dts-v1/; /plugin/; &{/} { firmware { android { compatible = \"android,firmware\"; }; "
            "}; };");
    ck_assert_str_eq(string_at("/firmware/android", "compatible"), "android,firmware");
}
END_TEST

START_TEST(overlays_apply_one_after_another)
{
    applied("/dts-v1/; /plugin/; &{/} { extra: extra { word = \"one\"; }; };");
    applied("/dts-v1/; /plugin/; &extra { word = \"two\"; };");
    ck_assert_str_eq(string_at("/extra", "word"), "two");
}
END_TEST

START_TEST(overlay_may_change_chosen)
{
    applied("/dts-v1/; /plugin/; &{/chosen} { bootargs = \"loud\"; };");
    ck_assert_str_eq(string_at("/chosen", "bootargs"), "loud");
}
END_TEST

START_TEST(overlay_with_an_unknown_label_names_fragment_and_label)
{
    refused("/dts-v1/; /plugin/; &uart { a; }; &ethernet { b; };",
            "my.dtbo: fragment@1: the device tree has no label ethernet");
    refused("/dts-v1/; /plugin/; &uart { clocks = <&pll 1>; };",
            "my.dtbo: fragment@0: the device tree has no label pll");
    ck_assert_ptr_null(string_at("/serial@1000", "a")); /* nothing was changed */
}
END_TEST

START_TEST(overlay_with_an_unknown_path_names_fragment_and_path)
{
    refused("/dts-v1/; /plugin/; &{/rtc@2000} { a; }; &{/soc/i2c@5} { b; };",
            "my.dtbo: fragment@1: the device tree has no node /soc/i2c@5");
}
END_TEST

START_TEST(overlay_without_a_target_is_named)
{
    refused("/dts-v1/; / { fragment@7 { __overlay__ { a; }; }; };",
            "my.dtbo: fragment@7: has neither target nor target-path");
}
END_TEST

START_TEST(overlay_without_a_fragment_is_none)
{
    refused("/dts-v1/; / { node { a; }; };", "without a fragment; is it an overlay?");
}
END_TEST

START_TEST(overlay_with_a_target_that_is_no_phandle_does_not_apply)
{
    refused("/dts-v1/; / { fragment@0 { target = <77>; __overlay__ { a; }; }; };",
            "my.dtbo: fragment@0: the device tree has no phandle 0x4d");
}
END_TEST

#define WITH_LOCAL_FIXUPS(name, places)                                                            \
    "/dts-v1/; / { fragment@0 { target-path = \"/\"; __overlay__ { sub { x = <0 1>; }; }; };"      \
    "__local_fixups__ { fragment@0 { __overlay__ { sub { " name " = " places "; }; }; }; }; };"

START_TEST(overlay_with_local_fixups_outside_of_a_property_is_refused)
{
    applied(WITH_LOCAL_FIXUPS("x", "<0 4>"));
    refused(WITH_LOCAL_FIXUPS("x", "<0 5>"), "my.dtbo: damaged: __local_fixups__");
    refused(WITH_LOCAL_FIXUPS("x", "<0xffffffff>"), "my.dtbo: damaged: __local_fixups__");
    refused(WITH_LOCAL_FIXUPS("y", "<0>"), "my.dtbo: damaged: __local_fixups__");
    refused("/dts-v1/; / { fragment@0 { target-path = \"/\"; __overlay__ { x = [00]; }; };"
            "__local_fixups__ { fragment@0 { __overlay__ { x = <0>; }; }; }; };",
            "my.dtbo: damaged: __local_fixups__");
    refused("/dts-v1/; / { fragment@0 { target-path = \"/\"; __overlay__ { x = <0>; }; };"
            "__local_fixups__ { fragment@0 { __overlay__ { sub { x = <0>; }; }; }; }; };",
            "my.dtbo: damaged: __local_fixups__");
}
END_TEST

/* What is not looked for before: a fix-up behind the property that it mends, or without a place. */
static const char *const bad_fixups[] = {"/fragment@0:target:100", "/fragment@0"};

START_TEST(overlay_that_libfdt_cannot_apply_is_refused)
{
    char source[256];

    (void)snprintf(source, sizeof(source),
                   "/dts-v1/; / { fragment@0 { target = <0xffffffff>; __overlay__ { a; }; };"
                   "__fixups__ { uart = \"%s\"; }; };",
                   bad_fixups[_i]);
    refused(source, "does not apply to the device tree (FDT_ERR_");
}
END_TEST

START_TEST(overlay_that_is_no_device_tree_is_refused)
{
    const struct file text = {(uint8_t *)(uintptr_t) "/dts-v1/; /plugin/;", 19};

    file_refused(&text, "my.dtbo: not a device tree overlay (.dtbo); compile one with dtc");
}
END_TEST

START_TEST(overlay_cut_anywhere_is_refused)
{
    struct file file = compile("/dts-v1/; /plugin/; &uart { status = \"disabled\"; };");
    size_t size = file.size;

    for (file.size = 4; file.size < size; file.size += 5)
        file_refused(&file, "my.dtbo: a device tree, but damaged (FDT_ERR_TRUNCATED)");
    file_free(&file);
}
END_TEST

START_TEST(overlay_nested_too_deep_is_refused)
{
    char source[2048] = "/dts-v1/; /plugin/; &uart { ";

    for (unsigned i = 0; i < 70; i++)
        strcat(source, "n { ");
    for (unsigned i = 0; i < 70; i++)
        strcat(source, "}; ");
    strcat(source, "};");
    refused(source, "my.dtbo: nodes nested more than 64 deep");
}
END_TEST

START_TEST(overlay_as_a_whole_tree_is_refused)
{
    struct file file = compile("/dts-v1/; /plugin/; &uart { a; };");
    struct image image = {"my.dtb", file.bytes, file.size};

    capture_start(&capture);
    int r = tree_read(&tree, &image);
    (void)capture_end(&capture);
    ck_assert_int_eq(r, -EINVAL);
    ck_assert_ptr_nonnull(strstr(capture.text, "my.dtb: an overlay, not a whole device tree"));
    file_free(&file);
}
END_TEST

START_TEST(tree_of_more_than_2_mib_is_refused)
{
    const size_t size = (2 << 20) + 4096;
    uint8_t *bytes = calloc(1, size), *big = calloc(1, 2 << 20);
    struct image image = {"my.dtb", bytes, size};

    ck_assert(bytes != NULL && big != NULL);
    ck_assert_int_eq(fdt_create_empty_tree(bytes, (int)size), 0);
    ck_assert_int_eq(fdt_setprop(bytes, 0, "big", big, 2 << 20), 0);
    capture_start(&capture);
    int r = tree_read(&tree, &image);
    (void)capture_end(&capture);
    ck_assert_int_eq(r, -EINVAL);
    ck_assert_ptr_nonnull(strstr(capture.text, "a device tree may have 2 MiB"));
    free(big);
    free(bytes);
}
END_TEST

Suite *tree_suite(void);
Suite *tree_suite(void)
{
    Suite *suite = suite_create("tree");
    TCase *tcase = tcase_create("tree");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, overlay_by_label_changes_the_node);
    tcase_add_test(tcase, overlay_by_path_adds_a_node);
    tcase_add_test(tcase, overlays_apply_one_after_another);
    tcase_add_test(tcase, overlay_may_change_chosen);
    tcase_add_test(tcase, overlay_with_an_unknown_label_names_fragment_and_label);
    tcase_add_test(tcase, overlay_with_an_unknown_path_names_fragment_and_path);
    tcase_add_test(tcase, overlay_without_a_target_is_named);
    tcase_add_test(tcase, overlay_without_a_fragment_is_none);
    tcase_add_test(tcase, overlay_with_a_target_that_is_no_phandle_does_not_apply);
    tcase_add_test(tcase, overlay_with_local_fixups_outside_of_a_property_is_refused);
    tcase_add_loop_test(tcase, overlay_that_libfdt_cannot_apply_is_refused, 0,
                        (int)ARRAY_SIZE(bad_fixups));
    tcase_add_test(tcase, overlay_that_is_no_device_tree_is_refused);
    tcase_add_test(tcase, overlay_cut_anywhere_is_refused);
    tcase_add_test(tcase, overlay_nested_too_deep_is_refused);
    tcase_add_test(tcase, overlay_as_a_whole_tree_is_refused);
    tcase_add_test(tcase, tree_of_more_than_2_mib_is_refused);
    suite_add_tcase(suite, tcase);
    return suite;
}
