/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a stream did, as one line: JSON into the file of report=FILE, else for people into the log.
 * Worker (on SIGUSR1); main at the end, the worker joined.
 */
#pragma once

#include "devices/snd/snd.h"

/* One JSON object on a line; 0, -ENOMEM or -EIO. */
int report_write(struct stream *stream, FILE *out);
/* One line in the log. */
void report_log(const struct stream *stream);
