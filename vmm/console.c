/* SPDX-License-Identifier: BSD-3-Clause */
/* See console.h. */
#include "vmm/console.h"

#include "vmm/base/log.h"
#include "vmm/base/timebase.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>

#define WRITE_BYTES_MAX 4096 /* what a pipe takes at once: a slow reader is seen to read */

/* Waits until `fd` is ready, a kick comes, or patience_ms (-1: any time) are over: 0 then. */
static int wait_for(int fd, short events, int patience_ms)
{
    struct pollfd ready = {.fd = fd, .events = events};

    return poll(&ready, 1, patience_ms);
}

/* -- the console's thread -- */

static void keep(struct console *console, const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; console->kept != NULL && i < len; i++)
        console->kept[console->kept_total++ % CONSOLE_KEPT_BYTES] = (char)bytes[i];
}

/* How many bytes are done with. */
static size_t put(struct console *console, const uint8_t *bytes, size_t len)
{
    if (console->fd < 0)
        return len;
    ssize_t n = write(console->fd, bytes, MIN(len, (size_t)WRITE_BYTES_MAX));

    if (n >= 0)
        return (size_t)n;
    if (errno == EAGAIN)
        (void)wait_for(console->fd, POLLOUT, -1);
    if (errno == EAGAIN || errno == EINTR)
        return 0;
    log_warn("serial console: output failed (%s), it is thrown away from here on", strerror(errno));
    serial_output_discard(console->serial);
    return 0;
}

/* What was put, and with len 0 that nothing more is there just now. */
static void look(struct console *console, const uint8_t *bytes, size_t len)
{
    keep(console, bytes, len);
    if (console->ends != NULL && ends_feed(console->ends, bytes, len, len == 0) != ENDS_NOT)
        console->said(console);
}

static void console_main(struct blocker *blocker)
{
    struct console *console = container_of(blocker, struct console, blocker);
    const uint8_t *bytes;
    eventfd_t count;

    while (!atomic_load(&blocker->giving_up)) {
        bool ending = atomic_load(&blocker->ending); /* before the look: nothing comes after it */
        size_t len = serial_output(console->serial, &bytes);
        if (len == 0)
            look(console, NULL, 0);
        if (len == 0 && ending)
            break;
        if (len == 0) {
            (void)wait_for(console->serial->written.fd, POLLIN, -1);
            (void)eventfd_read(console->serial->written.fd, &count);
            continue;
        }
        if (console->first_ns == 0)
            console->first_ns = monotonic_ns();
        len = put(console, bytes, len);
        look(console, bytes, len);
        serial_output_done(console->serial, len);
        blocker_progress(blocker);
    }
}

/* -- main -- */

int console_start(struct console *console, struct serial *serial, int fd)
{
    console->serial = serial;
    console->fd = fd;
    console->patience_ms = CONSOLE_PATIENCE_MS;
    console->kept_total = console->first_ns = 0;
    int r = blocker_start(&console->blocker, "console", console_main);
    return r < 0 ? log_error(r, "serial console") : 0;
}

int console_keep(struct console *console)
{
    console->kept = calloc(1, CONSOLE_KEPT_BYTES);
    return console->kept == NULL ? log_error(-ENOMEM, "serial console") : 0;
}

void console_stop(struct console *console)
{
    if (!blocker_running(&console->blocker))
        return;
    blocker_end(&console->blocker);
    irq_raise(&console->serial->written);
    blocker_stop(&console->blocker, console->patience_ms);
    uint64_t lost = serial_output_lost(console->serial) + serial_output_waiting(console->serial);
    if (lost > 0)
        log_warn("serial console: nobody read it, %llu bytes are lost", (unsigned long long)lost);
}

/* Where the last CONSOLE_TAIL_LINES lines of what was kept begin. */
static uint64_t tail_start(const struct console *console)
{
    uint64_t end = console->kept_total, at = end;
    uint64_t first = end > CONSOLE_KEPT_BYTES ? end - CONSOLE_KEPT_BYTES : 0;
    unsigned lines = 0;

    for (; at > first; at--) {
        if (console->kept[(at - 1) % CONSOLE_KEPT_BYTES] == '\n' && at != end)
            lines++;
        if (lines == CONSOLE_TAIL_LINES)
            break;
    }
    return at;
}

/* A line of a guest is a stranger's: no control character of it reaches the terminal. */
void console_tell_tail(const struct console *console)
{
    if (console->kept == NULL || console->kept_total == 0)
        return;
    /* A panic begins with why, and its stacks may be longer than what is told. */
    bool panicked = console->ends != NULL && console->ends->panicked;
    log_info("the last lines of the guest's console%s%s:", panicked ? ", which says " : "",
             panicked ? console->ends->text : "");
    for (uint64_t at = tail_start(console); at < console->kept_total; at++) {
        char c = console->kept[at % CONSOLE_KEPT_BYTES];
        if (c != '\r')
            (void)fputc(c == '\n' || c == '\t' || (c >= ' ' && c != 0x7f) ? c : '?', stderr);
    }
}

char *console_copy(const struct console *console, size_t *ret_len)
{
    size_t len = console->kept == NULL ? 0 : MIN(console->kept_total, (uint64_t)CONSOLE_KEPT_BYTES);
    char *text = len == 0 ? NULL : malloc(len);

    for (size_t i = 0; text != NULL && i < len; i++)
        text[i] = console->kept[(console->kept_total - len + i) % CONSOLE_KEPT_BYTES];
    *ret_len = text == NULL ? 0 : len;
    return text;
}

void console_fini(struct console *console)
{
    console_stop(console);
    free(console->kept);
    console->kept = NULL;
}
