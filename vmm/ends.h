/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the text on the guest's serial console says about its end: --until, --fail-on, and that its
 * kernel has panicked. Lines are matched as they grow, so that a prompt without a line's end
 * counts, too.
 *
 * A panic is told twice: "Kernel panic - not syncing: WHY", then registers and stacks, and at last
 * "---[ end Kernel panic ..." if the kernel stays where it is. With panic=N it resets instead, and
 * that reset was a panic.
 *
 * The console's thread feeds it; the others look after that has ended.
 */
#pragma once

#include "vmm/config/opts.h"

#include <regex.h>

#define ENDS_LINE_SIZE 1024 /* the rest of a longer line is not looked at */

enum ends_verdict {
    ENDS_NOT,
    ENDS_UNTIL,   /* --until has matched */
    ENDS_FAIL_ON, /* --fail-on has */
    ENDS_PANIC,   /* the kernel panicked, and says no more */
};

struct ends {
    struct ends_pattern {
        regex_t regex;
        bool set;
    } until, fail_on;
    char line[ENDS_LINE_SIZE];
    size_t len, looked_at; /* of the line: bytes, and as many when it was matched last */
    bool panicked;         /* the kernel has begun to say so */
    bool panic_line;       /* by the line that is not at its end yet */
    enum ends_verdict verdict;
    char text[ENDS_LINE_SIZE]; /* the line that decided, or began the panic, as clean text */
};

/* From the options "until" and "fail-on". -EINVAL after a line if one is no regular expression.
 * ends_fini() may follow in any case. */
int ends_init(struct ends *ends, const struct opts *options);
void ends_fini(struct ends *ends);

/* More text: the verdict, once there is one. `pause`: nothing more is there just now, so a line
 * that has not ended is looked at, too. */
enum ends_verdict ends_feed(struct ends *ends, const uint8_t *text, size_t len, bool pause);
