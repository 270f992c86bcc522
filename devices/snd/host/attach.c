/* SPDX-License-Identifier: BSD-3-Clause */
/* See attach.h. */
#include "devices/snd/host/attach.h"

#include "vmm/base/log.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>

/* How long the end of the program waits for an open() that hangs. */
#define FINI_WAIT_S 2

/* -- the thread -- */

static void *open_main(void *arg)
{
    struct attach *attach = arg;

    attach->result = attach->host->class->open(attach->host, &attach->opening_params);
    (void)eventfd_write(attach->done.fd, 1); /* cannot be full: one write for each thread */
    return NULL;
}

static int open_begin(struct attach *attach)
{
    attach->opening_params = attach->params;
    int r = thread_start_abandonable(&attach->thread, open_main, attach);
    if (r < 0)
        return log_error(r, "%s: thread to open the host", attach->host->name);
    attach->state = ATTACH_OPENING;
    return 0;
}

static bool same_params(const struct pcm_params *a, const struct pcm_params *b)
{
    return a->format == b->format && a->rate_hz == b->rate_hz && a->channels == b->channels &&
           a->period_frames == b->period_frames && a->buffer_frames == b->buffer_frames;
}

/* The thread is over, and joined. Opens again if what was opened is not what is wanted by now. */
static void thread_done(struct attach *attach)
{
    int r = attach->result;

    attach->state = r < 0 ? ATTACH_CLOSED : ATTACH_OPEN;
    bool stale = !attach->wanted || !same_params(&attach->params, &attach->opening_params);
    if (stale && attach->state == ATTACH_OPEN) {
        attach->host->class->close(attach->host);
        attach->state = ATTACH_CLOSED;
    }
    if (!attach->wanted)
        return;
    if (stale)
        r = open_begin(attach);
    if (attach->state == ATTACH_OPENING)
        return;
    attach->wanted = r == 0;
    attach->opened(attach, r);
}

static void done_ready(struct watch *watch, uint32_t epoll_events)
{
    struct attach *attach = container_of(watch, struct attach, done);
    eventfd_t count;

    (void)epoll_events;
    (void)eventfd_read(watch->fd, &count);
    (void)pthread_join(attach->thread, NULL); /* it has nothing left to do */
    thread_done(attach);
}

/* -- life -- */

int attach_init(struct attach *attach)
{
    attach->done.ready = done_ready;
    attach->done.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return attach->done.fd < 0 ? -errno : 0;
}

void attach_fini(struct attach *attach)
{
    struct timespec deadline;

    if (attach->state == ATTACH_OPENING) {
        (void)clock_gettime(CLOCK_REALTIME, &deadline);
        deadline.tv_sec += FINI_WAIT_S;
        if (pthread_timedjoin_np(attach->thread, NULL, &deadline) != 0)
            return; /* hangs in the host, and with it all that it uses until the process ends */
        attach->state = attach->result < 0 ? ATTACH_CLOSED : ATTACH_OPEN;
    }
    if (attach->host != NULL) {
        attach_close(attach);
        attach->host->class->destroy(attach->host);
    }
    attach->host = NULL;
    fd_close(&attach->done.fd);
}

int attach_activate(struct attach *attach, struct loop *loop)
{
    attach->host->loop = loop;
    return loop_add(loop, &attach->done, EPOLLIN);
}

void attach_reset(struct attach *attach)
{
    attach_close(attach);
    loop_remove(&attach->done);
}

/* -- opening and closing -- */

int attach_open(struct attach *attach, const struct pcm_params *params)
{
    const struct host_class *class = attach->host->class;

    assert(attach->state != ATTACH_OPEN);
    attach->params = *params;
    if (!class->open_blocks) {
        int r = class->open(attach->host, params);
        if (r == 0)
            attach->state = ATTACH_OPEN;
        attach->wanted = r == 0;
        return r;
    }
    attach->wanted = true;
    int r = attach->state == ATTACH_OPENING ? 0 : open_begin(attach);
    attach->wanted = r == 0;
    return r < 0 ? r : -EINPROGRESS;
}

void attach_close(struct attach *attach)
{
    attach->wanted = false;
    if (attach->state != ATTACH_OPEN)
        return;
    attach->host->class->close(attach->host);
    attach->state = ATTACH_CLOSED;
}
