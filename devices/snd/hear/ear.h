/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The ear of a stream: hears what is played or recorded, and says at the end whether it was what
 * the user expected (--snd expect=...). What is judged is what a recording would hold: one sound
 * as long as format, rate and channels stay the same, without silence that the device made.
 *
 * Worker; create, judge at the end, and destroy: main, the worker joined.
 */
#pragma once

#include "devices/snd/base/format.h"
#include "devices/snd/hear/expect.h"

struct ear {
    const char *name; /* log prefix, borrowed */
    bool judges;      /* there is an expectation */
    bool reports;     /* somebody wants to know what was heard */
    struct expect expect;
    struct listener *listener; /* owned; NULL: nothing was heard in this format */
    struct pcm_params params;  /* of what it hears */
    unsigned judged;           /* sounds so far, */
    unsigned failed;           /* and those that were not as expected */
};

/* Reads expect=, if it is given. 0, or -EINVAL after a line. */
int ear_init(struct ear *ear, const char *name, const char *expect);
void ear_fini(struct ear *ear);

/* What follows is in this format; judges what was before, if it was another. */
void ear_tune(struct ear *ear, const struct pcm_params *params);
/* Hears frames. Without memory for it, says so once and hears nothing. */
void ear_hear(struct ear *ear, const void *frames, size_t count);

/* What was heard in the present format; false if nothing was. */
bool ear_report(struct ear *ear, struct listener_report *ret_report);

/* The end: 0, or -EPROTO if some sound was not as expected (said in a line each). */
int ear_judge(struct ear *ear);
/* For a device of which no stream played anything: is that as expected? */
int ear_judge_nothing(struct ear *ear);
