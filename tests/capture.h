/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the code under test writes to standard error, for tests of messages. One capture at a time;
 * a test's own assertions belong outside of it. Linked into every test program.
 */
#pragma once

#include "vmm/base/base.h"

#include <check.h>
#include <string.h>

struct capture {
    int saved_fd; /* the real standard error */
    int mem_fd;
    char text[16384];
};

void capture_start(struct capture *capture);
/* What was written so far, in capture->text. */
const char *capture_look(struct capture *capture);
/* Puts standard error back. What was written is in capture->text (returned), cut to its size. */
const char *capture_end(struct capture *capture);

/* True if text is one line of log_error(): nothing before, behind or unprintable within. */
bool capture_is_one_error(const char *text);
/* Wants that, with `says` in it. */
#define ck_assert_one_error(text, says)                                                            \
    do {                                                                                           \
        const char *said_ = (text);                                                                \
        ck_assert_msg(capture_is_one_error(said_) && strstr(said_, says) != NULL,                  \
                      "not one line of error with \"%s\": %s", says, said_);                       \
    } while (0)
