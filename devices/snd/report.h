/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a stream did, as one line: JSON into the file of report=FILE, else for people into the log.
 * The state of the stream is noted by who owns it; the line is written where its ear listens, so
 * that what was heard and what was counted are of the same moment.
 */
#pragma once

#include "devices/snd/hear/listener.h"
#include "devices/snd/pcm/pcm.h"

#include <stdio.h>

struct report {
    const char *stream, *host; /* names, borrowed */
    struct pcm_params params;
    struct stream_counts counts;
    uint64_t host_xruns, lost_frames;
};

/* Worker, or main while it is parked. */
void report_note(const struct stream *stream, struct report *ret_report);

/* One JSON object on a line; `heard` may be NULL. Any thread, allocates nothing. 0 or -EIO. */
int report_write(const struct report *report, const struct listener_report *heard, FILE *out);
/* One line in the log. */
void report_log(const struct report *report);
