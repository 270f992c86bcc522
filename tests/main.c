/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs the unit tests: all suites, or those named on the command line, and prints Check's summary.
 * With `--packed` first the fake driver takes packed rings of devices, and IN_ORDER, where else it
 * takes neither. Exit status 0 if all passed, 1 if not, 2 if a suite is unknown. Check reads
 * CK_FORK, CK_VERBOSITY and its other variables itself.
 *
 * make writes suites.h from the names of the files: tests/virtio/queue_test.c has to define
 * `Suite *queue_suite(void)`, or the program does not link. So no suite can be forgotten, and two
 * files of one name are found out.
 */
#include "tests/fake_driver.h"
#include "vmm/base/base.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#define SUITE(name) Suite *name##_suite(void);
#include "suites.h"
#undef SUITE

/*
 * Check writes down each assertion that holds, so that it can tell of the last one before a crash.
 * Here (by --wrap) one that holds again and again is written down once: a loop over a MiB of bytes
 * would take a second.
 */
void __real__mark_point(const char *file, int line);
void __wrap__mark_point(const char *file, int line);

void __wrap__mark_point(const char *file, int line)
{
    static _Thread_local const char *last_file;
    static _Thread_local int last_line;

    if (file == last_file && line == last_line)
        return;
    last_file = file;
    last_line = line;
    __real__mark_point(file, line);
}

static const struct {
    const char *name;
    Suite *(*make)(void);
} suites[] = {
#define SUITE(name) {#name, name##_suite},
#include "suites.h"
#undef SUITE
};

static Suite *suite_by_name(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(suites); i++)
        if (strcmp(suites[i].name, name) == 0)
            return suites[i].make();
    return NULL;
}

int main(int argc, char *argv[])
{
    SRunner *runner = srunner_create(NULL);
    int status = 0;

    if (argc > 1 && strcmp(argv[1], "--packed") == 0) {
        fake_layout = FAKE_RING_PACKED | FAKE_IN_ORDER;
        argc--;
        argv++;
    }
    for (size_t i = 0; argc < 2 && i < ARRAY_SIZE(suites); i++)
        srunner_add_suite(runner, suites[i].make());
    for (int i = 1; i < argc; i++) {
        Suite *suite = suite_by_name(argv[i]);
        if (suite == NULL) {
            fprintf(stderr, "no suite %s\n", argv[i]);
            status = 2;
        } else {
            srunner_add_suite(runner, suite);
        }
    }
    if (status == 0) {
        srunner_run_all(runner, CK_ENV);
        status = srunner_ntests_failed(runner) > 0 ? 1 : 0;
    }
    srunner_free(runner);
    return status;
}
