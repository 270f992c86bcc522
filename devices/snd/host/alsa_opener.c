/* SPDX-License-Identifier: BSD-3-Clause */
/* See alsa_opener.h. */
#include "devices/snd/host/alsa_opener.h"

#include "vmm/base/log.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>

/* How long the end of the program waits for an open() that hangs. */
#define FINI_WAIT_S 2

/* -- the thread -- */

static void *open_main(void *arg)
{
    struct opener *opener = arg;

    opener->result = opener->open(opener->host, &opener->opening_params);
    (void)eventfd_write(opener->done.fd, 1); /* cannot be full: one write for each thread */
    return NULL;
}

static int open_begin(struct opener *opener)
{
    opener->opening_params = opener->params;
    int r = thread_start_abandonable(&opener->thread, open_main, opener);
    if (r < 0)
        return log_error(r, "%s: thread to open the host", opener->host->name);
    opener->state = OPENER_OPENING;
    return 0;
}

static bool same_params(const struct pcm_params *a, const struct pcm_params *b)
{
    return a->format == b->format && a->rate_hz == b->rate_hz && a->channels == b->channels &&
           a->period_frames == b->period_frames && a->buffer_frames == b->buffer_frames;
}

/* The thread is over and somebody waits. Opens again if what was opened is not what is wanted. */
static void done_ready(struct watch *watch, uint32_t epoll_events)
{
    struct opener *opener = container_of(watch, struct opener, done);
    eventfd_t count;

    (void)epoll_events;
    (void)eventfd_read(watch->fd, &count);
    (void)pthread_join(opener->thread, NULL); /* it has nothing left to do */
    int r = opener->result;
    opener->state = r < 0 ? OPENER_CLOSED : OPENER_OPEN;
    if (!same_params(&opener->params, &opener->opening_params)) {
        if (r == 0)
            opener->close(opener->host);
        opener->state = OPENER_CLOSED;
        r = open_begin(opener);
        if (r == 0)
            return;
    }
    opener->wanted = false;
    loop_remove(&opener->done);
    opener->host->opened(opener->host, r);
}

/* -- life -- */

int opener_init(struct opener *opener)
{
    opener->done.ready = done_ready;
    opener->done.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return opener->done.fd < 0 ? -errno : 0;
}

bool opener_fini(struct opener *opener)
{
    struct timespec deadline;

    if (opener->state == OPENER_OPENING) {
        (void)clock_gettime(CLOCK_REALTIME, &deadline);
        deadline.tv_sec += FINI_WAIT_S;
        if (pthread_timedjoin_np(opener->thread, NULL, &deadline) != 0)
            return false;
        opener->state = opener->result < 0 ? OPENER_CLOSED : OPENER_OPEN;
    }
    opener_close(opener);
    fd_close(&opener->done.fd);
    return true;
}

/* -- opening and closing -- */

int opener_open(struct opener *opener, const struct pcm_params *params)
{
    opener->params = *params;
    int r = opener->state == OPENER_OPENING ? 0 : open_begin(opener);
    if (r == 0 && !opener->wanted)
        r = loop_add(opener->host->loop, &opener->done, EPOLLIN);
    opener->wanted = r == 0;
    return r < 0 ? r : -EINPROGRESS;
}

void opener_close(struct opener *opener)
{
    loop_remove(&opener->done);
    opener->wanted = false;
    if (opener->state != OPENER_OPEN)
        return;
    opener->close(opener->host);
    opener->state = OPENER_CLOSED;
}
