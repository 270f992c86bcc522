/* SPDX-License-Identifier: BSD-3-Clause */
/* What was heard in a sound file, for people and for programs. Main thread. */
#pragma once

#include "devices/snd/hear/expect.h"
#include "devices/snd/hear/listener.h"
#include "devices/snd/lib/sound_file.h"

#include <stdio.h>

/* How a file compares with the one it should be the same as. */
struct heard_same {
    const char *path; /* of the other file; NULL: it was not asked */
    bool identical;
    char line[EXPECT_LINE_SIZE]; /* "yes", or "no: " and why not */
};

struct heard {
    const char *path;
    char format[SOUND_FORMAT_SIZE];
    struct listener_report report;
    struct heard_same same;
    bool judged; /* there was an expectation */
    bool as_expected;
    char verdict[EXPECT_LINE_SIZE]; /* "expected ..., heard ..."; empty if as expected */
};

/* A block of aligned lines. */
void heard_print(const struct heard *heard, FILE *out);
/* One JSON object on one line; 0 or -ENOMEM. */
int heard_print_json(const struct heard *heard, FILE *out);
/* What was heard, as members of a JSON object: also for a stream's report. Allocates nothing, any
 * thread. */
void heard_json(const struct listener_report *report, FILE *out);
