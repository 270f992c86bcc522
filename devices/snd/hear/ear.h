/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The ears of a device: each hears what a stream plays or records, and says at the end whether it
 * was what the user expected (--snd expect=...), or in between what it was (report=). What is
 * judged is what a recording would hold: one sound as long as format, rate and channels stay the
 * same, without silence that the device made.
 *
 *   the device's worker                            a thread of their own
 *   ear_tune() ear_hear() ear_ask() ---> [ ring ] ---> listener ---> lines in the log, told()
 *
 * Listening takes fifty times as long as playing, so it is not done by who plays. The worker never
 * waits: while guest and ear run free, who plays asks ear_is_behind(). The thread wakes up when
 * there is something to do for some time, allocates nothing, and ends before the last words, for
 * which main does the rest itself.
 */
#pragma once

#include "devices/snd/base/format.h"
#include "devices/snd/base/wire.h"
#include "devices/snd/hear/expect.h"
#include "devices/snd/hear/ring.h"
#include "vmm/base/thread.h"

struct ear {
    const char *name;  /* log prefix, borrowed; NULL: deaf */
    struct ears *ears; /* borrowed: where it is one of */
    struct expect expect;
    bool judges;      /* there is an expectation */
    struct ring ring; /* what is still to be heard */

    /* Worker. */
    uint32_t frame_bytes; /* of what it is given; 0: that is not to be heard */
    bool lost;            /* the ring was full: what follows is not all that was played */

    /* The thread of the ears; main once it has ended. */
    struct listener *listener;  /* owned */
    struct pcm_params hears;    /* what the listener is tuned to */
    bool heard;                 /* anything since then */
    unsigned judged, failed;    /* sounds so far, and those that were not as expected */
    char why[EXPECT_LINE_SIZE]; /* of the first of these */
};

struct ears {
    unsigned count;
    struct ear *ear; /* owned; one for each stream */
    struct thread thread;
    int wake_fd; /* owned: eventfd */
    atomic_bool awake, stopping;
    /* Answers ear_ask(): `question` as it was asked, what was heard in the present format up to
     * then, or NULL. The thread, or main. */
    void (*told)(void *ctx, const void *question, const struct listener_report *heard);
    void *ctx;
};

/* Main. Makes so many ears, all deaf. 0 or -ENOMEM; ears_fini() accepts what a failed init left, or
 * a zeroed struct. */
int ears_init(struct ears *ears, unsigned count);
void ears_fini(struct ears *ears);

/* Main. Opens an ear, for what a stream offers; `expect`, if there is one, is what it judges by. 0,
 * or -errno after a line. */
int ear_open(struct ears *ears, unsigned index, const char *name, const char *expect,
             const struct wire_pcm_info *offer);

/* Main. Lets the ears hear, if any is open; ears_stop() joins their thread, and hears what is left.
 */
int ears_start(struct ears *ears, const char *device);
void ears_stop(struct ears *ears);
/* Hears what waits. Main, the thread stopped. */
void ears_hear(struct ears *ears);

/* Worker: what follows is in this format. */
void ear_tune(struct ear *ear, const struct pcm_params *params);
/* Worker: hears frames. */
void ear_hear(struct ear *ear, const void *frames, size_t count);
/* Worker, or main while there is none: ears->told() is wanted. */
void ear_ask(struct ear *ear, const void *question, uint32_t len);
/* Worker: who can wait should let the ear get on. */
bool ear_is_behind(const struct ear *ear);

/* Main, the thread stopped: 0, or -EPROTO if some sound was not as expected (said in a line each).
 * If none was heard by those that judge, that is what is judged. */
int ears_judge(struct ears *ears);
