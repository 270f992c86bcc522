/* SPDX-License-Identifier: BSD-3-Clause */
/* See pump.h. */
#include "vmm/base/pump.h"

#include "vmm/base/log.h"

#include <poll.h>
#include <sys/socket.h>

#define PUMP_BYTES    65536
#define BACKGROUND_MS 200

static void wait_ready(int fd, short events, int timeout_ms)
{
    struct pollfd ready = {.fd = fd, .events = events};

    (void)poll(&ready, 1, timeout_ms);
}

/* Writes all, to a stream or (flags) a socket. False when nobody takes it. */
static bool put(struct pump *pump, const uint8_t *bytes, size_t size)
{
    while (size > 0 && !atomic_load(&pump->blocker.giving_up)) {
        ssize_t n = pump->is_input ? send(pump->socket, bytes, size, MSG_NOSIGNAL)
                                   : write(pump->stream, bytes, size);
        if (n < 0 && errno == EAGAIN) /* somebody made our stream so */
            wait_ready(pump->stream, POLLOUT, -1);
        else if (n < 0 && errno != EINTR)
            return false;
        if (n <= 0)
            continue;
        bytes += n;
        size -= (size_t)n;
        blocker_progress(&pump->blocker);
    }
    return size == 0;
}

/* -- the threads -- */

/* A read would stop a process that is in the background of its terminal. */
static bool is_in_background(int fd)
{
    pid_t group = tcgetpgrp(fd);

    return group >= 0 && group != getpgrp();
}

static void input_main(struct pump *pump)
{
    uint8_t bytes[PUMP_BYTES];

    while (!atomic_load(&pump->blocker.giving_up)) {
        if (is_in_background(pump->stream)) {
            wait_ready(-1, 0, BACKGROUND_MS);
            continue;
        }
        ssize_t n = read(pump->stream, bytes, sizeof(bytes));
        if (n < 0 && errno == EAGAIN)
            wait_ready(pump->stream, POLLIN, -1);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        size_t size = n > 0 ? (size_t)n : 0;
        if (size > 0 && pump->keys != NULL)
            size = pump->keys(pump, bytes, size);
        if (n <= 0 || !put(pump, bytes, size))
            break;
    }
    (void)shutdown(pump->socket, SHUT_WR); /* CMD reads the end of its input */
}

static void output_main(struct pump *pump)
{
    uint8_t bytes[PUMP_BYTES];

    while (!atomic_load(&pump->blocker.giving_up)) {
        ssize_t n = recv(pump->socket, bytes, sizeof(bytes), 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0 || !put(pump, bytes, (size_t)n))
            break;
    }
    (void)shutdown(pump->socket, SHUT_RDWR); /* CMD's next write tells it that nobody reads */
}

static void pump_main(struct blocker *blocker)
{
    struct pump *pump = container_of(blocker, struct pump, blocker);

    if (pump->is_input)
        input_main(pump);
    else
        output_main(pump);
}

/* -- main -- */

int pump_start(struct pump *pump)
{
    static const char *const names[] = {"stdin", "stdout", "stderr"};
    int r = blocker_start(&pump->blocker, names[pump->stream], pump_main);

    return r < 0 ? log_error(r, "%s", names[pump->stream]) : 0;
}

void pump_stop(struct pump *pump)
{
    if (!blocker_running(&pump->blocker))
        return;
    blocker_end(&pump->blocker);
    if (!pump->is_input)
        (void)shutdown(pump->socket, SHUT_RD); /* what is in it can be read, then its end */
    blocker_stop(&pump->blocker, pump->is_input ? 0 : PUMP_PATIENCE_MS);
}
