/* SPDX-License-Identifier: BSD-3-Clause */
/* See loop.h. */
#include "vmm/base/loop.h"

#include "vmm/base/log.h"

#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#define REST_NS SECOND_NS

static void stop_ready(struct watch *watch, uint32_t epoll_events)
{
    struct loop *loop = container_of(watch, struct loop, stop);
    uint64_t count;

    (void)epoll_events;
    (void)!read(watch->fd, &count, sizeof(count)); /* EAGAIN if another stop was taken with it */
    loop->stopping = true;
}

int loop_init(struct loop *loop)
{
    int r;

    *loop = (struct loop){.epoll_fd = -1,
                          .stop = {.fd = -1, .ready = stop_ready},
                          .timebase = &timebase_monotonic,
                          .alarm_ns = TIME_NEVER,
                          .rest_ns = TIME_NEVER};
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    loop->stop.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (loop->epoll_fd < 0 || loop->stop.fd < 0)
        r = -errno;
    else
        r = loop_add(loop, &loop->stop, EPOLLIN);
    if (r < 0)
        loop_fini(loop);
    return r;
}

void loop_fini(struct loop *loop)
{
    fd_close(&loop->stop.fd);
    fd_close(&loop->epoll_fd);
}

int loop_add(struct loop *loop, struct watch *watch, uint32_t epoll_events)
{
    struct epoll_event event = {.events = epoll_events, .data.ptr = watch};

    assert(watch->loop == NULL);
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, watch->fd, &event) < 0)
        return -errno;
    watch->loop = loop;
    return 0;
}

int loop_change(struct watch *watch, uint32_t epoll_events)
{
    struct epoll_event event = {.events = epoll_events, .data.ptr = watch};

    assert(watch->loop != NULL);
    return epoll_ctl(watch->loop->epoll_fd, EPOLL_CTL_MOD, watch->fd, &event) < 0 ? -errno : 0;
}

void loop_remove(struct watch *watch)
{
    struct loop *loop = watch->loop;

    if (loop == NULL)
        return;
    (void)epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL); /* gone if already closed */
    for (int i = 0; i < loop->batch_count; i++)
        if (loop->batch[i] == watch)
            loop->batch[i] = NULL;
    for (struct watch **at = &loop->resting; *at != NULL; at = &(*at)->next_resting)
        if (*at == watch) {
            *at = watch->next_resting;
            break;
        }
    watch->loop = NULL;
}

void loop_alarm(struct loop *loop, uint64_t alarm_ns, void (*alarm)(struct loop *loop, void *ctx),
                void *ctx)
{
    loop->alarm_ns = alarm_ns;
    loop->alarm = alarm;
    loop->alarm_ctx = ctx;
}

static uint64_t alarm_left_ns(const struct loop *loop)
{
    if (loop->alarm_ns == TIME_NEVER)
        return TIME_NEVER;
    uint64_t now = loop->timebase->now_ns(loop->timebase);
    return loop->alarm_ns - MIN(loop->alarm_ns, now);
}

/* Calls an alarm that is due: how long until the next one. One that is due at once comes after
 * a look at the watches. */
static uint64_t alarm_serve(struct loop *loop)
{
    uint64_t left = alarm_left_ns(loop);

    if (left > 0)
        return left;
    loop->alarm_ns = TIME_NEVER;
    loop->alarm(loop, loop->alarm_ctx);
    return alarm_left_ns(loop);
}

/* -- who comes -- */

/* Left as it is, the socket would wake us again at once, for as long as it is so. */
static void rest(struct watch *listener, int r)
{
    struct loop *loop = listener->loop;

    if (!loop->rest_told)
        log_warn("somebody who connects has to wait: %s", strerror(-r));
    loop->rest_told = true;
    if (loop_change(listener, 0) < 0)
        return; /* it cannot fail */
    listener->next_resting = loop->resting;
    loop->resting = listener;
    loop->rest_ns = MIN(loop->rest_ns, loop->timebase->now_ns(loop->timebase) + REST_NS);
}

int loop_accept(struct watch *listener)
{
    int fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    int r = fd < 0 ? -errno : fd;

    if (r >= 0)
        listener->loop->rest_told = false;
    else if (r != -EAGAIN && r != -ECONNABORTED)
        rest(listener, r);
    return r;
}

/* Ends the rest that is over: how long until then. */
static uint64_t rest_serve(struct loop *loop)
{
    if (loop->rest_ns == TIME_NEVER)
        return TIME_NEVER;
    uint64_t now = loop->timebase->now_ns(loop->timebase);
    if (now < loop->rest_ns)
        return loop->rest_ns - now;
    loop->rest_ns = TIME_NEVER;
    for (struct watch *watch = loop->resting; watch != NULL; watch = watch->next_resting)
        (void)loop_change(watch, EPOLLIN); /* as above */
    loop->resting = NULL;
    return TIME_NEVER;
}

/* As epoll_wait(), to the nanosecond. */
static int wait_ns(const struct loop *loop, struct epoll_event events[LOOP_BATCH_MAX], uint64_t ns)
{
    const struct timespec left = {.tv_sec = (time_t)(ns / SECOND_NS),
                                  .tv_nsec = (long)(ns % SECOND_NS)};
    struct pollfd any = {.fd = loop->epoll_fd, .events = POLLIN};

    if (ns == TIME_NEVER)
        return epoll_wait(loop->epoll_fd, events, LOOP_BATCH_MAX, -1);
    int n = epoll_pwait2(loop->epoll_fd, events, LOOP_BATCH_MAX, &left, NULL);
    if (n >= 0 || (errno != ENOSYS && errno != EPERM))
        return n;
    (void)ppoll(&any, 1, &left, NULL); /* Linux before 5.11, or a container that knows no better */
    return epoll_wait(loop->epoll_fd, events, LOOP_BATCH_MAX, 0);
}

int loop_run(struct loop *loop)
{
    struct epoll_event events[LOOP_BATCH_MAX];

    loop->stopping = false;
    while (!loop->stopping) {
        uint64_t rest_left = rest_serve(loop), left = alarm_serve(loop);
        int n = wait_ns(loop, events, MIN(left, rest_left));
        if (n < 0 && errno != EINTR)
            return -errno;
        loop->batch_count = MAX(n, 0);
        for (int i = 0; i < loop->batch_count; i++)
            loop->batch[i] = events[i].data.ptr;
        for (int i = 0; i < loop->batch_count; i++) {
            struct watch *watch = loop->batch[i];
            if (watch != NULL)
                watch->ready(watch, events[i].events);
        }
        loop->batch_count = 0;
    }
    return 0;
}

void loop_stop(struct loop *loop)
{
    const uint64_t one = 1;

    (void)!write(loop->stop.fd, &one, sizeof(one)); /* fails only when a stop is already pending */
}
