/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where the serial port's output goes: standard output or a file. A thread of its own writes, and
 * waits as long as the reader takes: no vCPU does, nor main, and no fd is made non-blocking, which
 * would be so for other programs on the same terminal, too. See devices/serial.h for what a guest
 * sees of a slow reader.
 *
 * At the end all that the guest wrote goes out before console_stop() returns, unless nobody reads.
 */
#pragma once

#include "devices/serial.h"
#include "vmm/base/blocker.h"
#include "vmm/ends.h"

#define CONSOLE_PATIENCE_MS 2000

#define CONSOLE_KEPT_BYTES 65536
#define CONSOLE_TAIL_LINES 40 /* a panic with its stacks */

struct console {
    struct serial *serial; /* borrowed */
    int fd;                /* borrowed; -1: what comes is kept, or dropped */
    char *kept;            /* owned: the last of it, a ring of CONSOLE_KEPT_BYTES; NULL: none */
    uint64_t kept_total;   /* bytes that came */
    uint64_t first_ns;     /* when the first came, CLOCK_MONOTONIC; 0: none has */
    struct ends *ends;     /* borrowed; NULL: nobody wants to know what is said */
    /* It said that the machine is to end: on the console's thread, once or more. */
    void (*said)(struct console *console);
    int patience_ms; /* at the end: how long a reader that takes nothing is waited for */
    struct blocker blocker;
};

/* Main, before the guest runs; `ends` and `said` may be set. 0 or -errno, logged. */
int console_start(struct console *console, struct serial *serial, int fd);
/* Before it starts: the last CONSOLE_KEPT_BYTES of the output are kept in memory, too. 0 or
 * -ENOMEM, logged. */
int console_keep(struct console *console);
/* Main, when the guest runs no more. Accepts zeroed consoles, and those that did not start. */
void console_stop(struct console *console);
/* After that: the last lines that were kept, to standard error. Does nothing if none are. */
void console_tell_tail(const struct console *console);
/* The same, as they came: all that was kept. The caller frees it; NULL, *ret_len 0: nothing. */
char *console_copy(const struct console *console, size_t *ret_len);
void console_fini(struct console *console);
