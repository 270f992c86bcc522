/* SPDX-License-Identifier: BSD-3-Clause */
/* See alsa_wait.h. */
#include "devices/snd/host/alsa_wait.h"

#include <poll.h>
#include <string.h>
#include <sys/epoll.h>

/* More wake-ups than this without any frame moved, and the fds are not worth listening to. */
#define FUTILE_MAX 64

/* poll() and epoll have the same numbers for the same events. */
_Static_assert(POLLIN == EPOLLIN && POLLOUT == EPOLLOUT && POLLERR == EPOLLERR, "poll and epoll");

/* What it means that fd number `index` is ready: as alsa_pcm_fired(). */
static int meaning(const struct alsa_wait *wait, ptrdiff_t index, uint32_t epoll_events)
{
    struct pollfd fds[ALSA_FDS_MAX];

    memcpy(fds, wait->pcm->fds, sizeof(fds));
    /* alsa-lib wants to know of all fds at once; most PCMs have but one. */
    if (wait->fd_count > 1 && poll(fds, wait->fd_count, 0) < 0)
        return 0;
    fds[index].revents = (short)epoll_events;
    return alsa_pcm_fired(wait->pcm, fds);
}

static void fd_ready(struct watch *watch, uint32_t epoll_events)
{
    struct alsa_watch *ready = container_of(watch, struct alsa_watch, watch);
    struct alsa_wait *wait = ready->wait;

    wait->futile++;
    wait->armed = false;
    if (meaning(wait, ready - wait->watches, epoll_events) == 0)
        alsa_wait_arm(wait);
    if (!wait->armed)
        wait->woken(wait);
}

void alsa_wait_begin(struct alsa_wait *wait, struct alsa_pcm *pcm, struct loop *loop,
                     void (*woken)(struct alsa_wait *wait))
{
    alsa_wait_end(wait);
    *wait = (struct alsa_wait){.pcm = pcm, .loop = loop, .woken = woken, .fd_count = pcm->fd_count};
    for (unsigned i = 0; i < wait->fd_count; i++)
        wait->watches[i] = (struct alsa_watch){
            .watch = {.fd = pcm->fds[i].fd, .ready = fd_ready},
            .wait = wait,
        };
}

void alsa_wait_end(struct alsa_wait *wait)
{
    for (unsigned i = 0; i < wait->fd_count; i++)
        loop_remove(&wait->watches[i].watch);
    wait->fd_count = 0;
    wait->armed = false;
}

void alsa_wait_arm(struct alsa_wait *wait)
{
    if (wait->armed || wait->fd_count == 0 || wait->futile > FUTILE_MAX)
        return;
    for (unsigned i = 0; i < wait->fd_count; i++) {
        struct watch *watch = &wait->watches[i].watch;
        uint32_t events = (uint32_t)(uint16_t)wait->pcm->fds[i].events | EPOLLONESHOT;
        int r =
            watch->loop == NULL ? loop_add(wait->loop, watch, events) : loop_change(watch, events);
        if (r < 0) { /* what epoll can't watch (a file, say) is always ready */
            alsa_wait_end(wait);
            return;
        }
    }
    wait->armed = true;
}

void alsa_wait_worked(struct alsa_wait *wait)
{
    wait->futile = 0;
}
