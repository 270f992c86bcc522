/* SPDX-License-Identifier: BSD-3-Clause */
/* See log.h. The level, and whether somebody reads, are the mutable state of this file. */
#include "vmm/base/log.h"

#include "vmm/base/timebase.h"

#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define LINE_BYTES_MAX 1024 /* less than a pipe with room takes at once */
#define PATIENCE_MS    100  /* for a reader that is slow */

static enum log_level log_level_shown = LOG_LEVEL_INFO;
static pthread_mutex_t line_lock = PTHREAD_MUTEX_INITIALIZER; /* for lines, and: */
static char first_error[LINE_BYTES_MAX];
static bool unread; /* under log_line()'s lock: the last line was lost, its like do not wait */

const char *const log_level_names[] = {
    [LOG_LEVEL_ERROR] = "error",
    [LOG_LEVEL_WARN] = "warn",
    [LOG_LEVEL_INFO] = "info",
    [LOG_LEVEL_DEBUG] = "debug",
    NULL,
};

void log_set_level(enum log_level level)
{
    log_level_shown = level;
}

/* Appends to line[0..*len) and keeps one byte free for the newline. */
static void line_append(char *line, size_t *len, const char *fmt, va_list args) PRINTF_LIKE(3, 0);
static void line_append(char *line, size_t *len, const char *fmt, va_list args)
{
    size_t room = LINE_BYTES_MAX - 1 - *len;
    int n = vsnprintf(line + *len, room, fmt, args);

    if (n > 0)
        *len += MIN((size_t)n, room - 1);
}

static void line_append_str(char *line, size_t *len, const char *fmt, ...) PRINTF_LIKE(3, 4);
static void line_append_str(char *line, size_t *len, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    line_append(line, len, fmt, args);
    va_end(args);
}

/* Does standard error take a line? Who logs may be a vCPU, which waits for nobody outside: where
 * nobody reads, the line is lost, and the machine can still be stopped. One thread at a time: what
 * has room for one line may not have it for two. */
static bool line_is_taken(void)
{
    struct pollfd ready = {.fd = STDERR_FILENO, .events = POLLOUT};
    int n;

    do
        n = poll(&ready, 1, unread ? 0 : PATIENCE_MS);
    while (n < 0 && errno == EINTR);
    unread = n == 0;
    return n != 0;
}

static void log_line(enum log_level level, int r, const char *fmt, va_list args) PRINTF_LIKE(3, 0);
static void log_line(enum log_level level, int r, const char *fmt, va_list args)
{
    char line[LINE_BYTES_MAX];
    size_t len = 0;
    int saved = errno;

    if (level > log_level_shown)
        return;
    line_append_str(line, &len, "linnet: %s: ", log_level_names[level]);
    const size_t behind = len; /* what every line begins with */
    line_append(line, &len, fmt, args);
    if (r < 0)
        line_append_str(line, &len, ": %s", strerror(-r));
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
            line[i] = '?';
    line[len++] = '\n';
    (void)pthread_mutex_lock(&line_lock);
    if (level == LOG_LEVEL_ERROR && first_error[0] == '\0')
        (void)snprintf(first_error, sizeof(first_error), "%.*s", (int)(len - 1 - behind),
                       line + behind);
    if (line_is_taken())
        (void)!write(STDERR_FILENO, line, len); /* nowhere left to report a failure */
    (void)pthread_mutex_unlock(&line_lock);
    errno = saved;
}

const char *log_first_error(void)
{
    return first_error;
}

void log_was_told(const char *error)
{
    (void)pthread_mutex_lock(&line_lock);
    if (first_error[0] == '\0')
        (void)snprintf(first_error, sizeof(first_error), "%s", error);
    (void)pthread_mutex_unlock(&line_lock);
}

const char *log_level_name(void)
{
    return log_level_names[log_level_shown];
}

int log_error(int r, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    log_line(LOG_LEVEL_ERROR, r, fmt, args);
    va_end(args);
    return r;
}

void log_warn(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    log_line(LOG_LEVEL_WARN, 0, fmt, args);
    va_end(args);
}

void log_info(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    log_line(LOG_LEVEL_INFO, 0, fmt, args);
    va_end(args);
}

void log_debug(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    log_line(LOG_LEVEL_DEBUG, 0, fmt, args);
    va_end(args);
}

/* Takes one message from the budget; one comes back each second. */
static bool limit_take(struct log_limit *limit)
{
    uint64_t now_ns = timebase_monotonic.now_ns(&timebase_monotonic);
    uint64_t refill = (now_ns - limit->last_ns) / SECOND_NS;

    if (refill > 0) {
        limit->spent -= (unsigned)MIN((uint64_t)limit->spent, refill);
        limit->last_ns = now_ns;
    }
    if (limit->spent >= LOG_LIMIT_BURST) {
        limit->dropped++;
        return false;
    }
    limit->spent++;
    return true;
}

void log_guest(struct log_limit *limit, const char *fmt, ...)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* for all limits */
    unsigned dropped = 0;
    va_list args;

    (void)pthread_mutex_lock(&lock);
    bool shown = limit_take(limit);
    if (shown) {
        dropped = limit->dropped;
        limit->dropped = 0;
    }
    (void)pthread_mutex_unlock(&lock);
    if (!shown)
        return;
    if (dropped > 0)
        log_warn("%u messages of the guest's doing were left out", dropped);
    va_start(args, fmt);
    log_line(LOG_LEVEL_WARN, 0, fmt, args);
    va_end(args);
}
