/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Expectations: what a sound should be, written by a person, and whether what the listener heard is
 * that.
 *
 *   freq=440,tol=1,seconds=2,gaps=0,level=-6±1,clicks=0,channels=2,rate=48000
 *   freq=440/880          a value for each channel
 *   level=-6+-1           the same as ±
 *   silence
 *
 * No state; any thread may call.
 */
#pragma once

#include "devices/snd/hear/listener.h"

#include <stdio.h>

#define EXPECT_KEYS 10

/* Room for the one line that judging gives. */
#define EXPECT_LINE_SIZE 256

struct expect_value {
    bool given;
    unsigned count; /* 1: for every channel; else one for each */
    double tolerance;
    double want[LISTENER_CHANNELS_MAX];
};

/* By row of the table of keys, which is in expect.c. */
struct expect {
    struct expect_value value[EXPECT_KEYS];
};

/* Reads "key=value,...". 0, or -EINVAL or -ENOMEM after a line, which begins with `prefix` and
 * names the key and the remedy. */
int expect_parse(const char *text, const char *prefix, struct expect *ret_expect);

/* True if the sound is as expected, else ret_line says "expected ..., heard ..." of the first thing
 * that is not. */
bool expect_judge(const struct expect *expect, const struct listener_report *report,
                  char ret_line[EXPECT_LINE_SIZE]);

/* The keys, as part of --help. */
void expect_help(FILE *out);
