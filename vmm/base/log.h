/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Messages for people, on standard error, one line an event: "linnet: WORD: text". Standard output
 * is the guest's. A healthy run logs nothing at the default level (info). Any thread may call; each
 * line is one write(2), or lost where nobody reads. Control characters in the text are shown as
 * '?', so nothing a guest or a file name contains can forge a second line or reach the terminal.
 */
#pragma once

#include "vmm/base/base.h"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };
/* By level, as --log takes them; ends with NULL. */
extern const char *const log_level_names[];

/* Shows messages up to this level. Set at start-up, before threads exist. */
void log_set_level(enum log_level level);

/* The first error that was told, without "linnet: error: "; "" if none was. Main, once no other
 * thread runs. */
const char *log_first_error(void);
/* Another process of ours has told that error. Any thread. */
void log_was_told(const char *error);
/* What log_set_level() has, by name. */
const char *log_level_name(void);

/* Logs an error and returns r, so that `return log_error(r, ...)` ends a function. When r is a
 * negative errno its text is appended; pass 0 for none (then 0 is returned). */
int log_error(int r, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* The same where the text of r would add nothing. */
#define log_plain(r, ...) (log_error(0, __VA_ARGS__), (r))

void log_warn(const char *fmt, ...) PRINTF_LIKE(1, 2);
void log_info(const char *fmt, ...) PRINTF_LIKE(1, 2);
void log_debug(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* Budget for messages that a guest can provoke: LOG_LIMIT_BURST at once, then one a second. Zeroed
 * is full. Any thread. */
struct log_limit {
    uint64_t last_ns; /* CLOCK_MONOTONIC of the last refill */
    unsigned spent;
    unsigned dropped; /* told with the next message that gets through */
};
#define LOG_LIMIT_BURST 8

/* A warning that a guest provoked. */
void log_guest(struct log_limit *limit, const char *fmt, ...) PRINTF_LIKE(2, 3);
