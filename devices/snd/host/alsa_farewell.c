/* SPDX-License-Identifier: BSD-3-Clause */
/* See alsa_farewell.h. */
#include "devices/snd/host/alsa_farewell.h"

#include "vmm/base/loop.h"
#include "vmm/base/timebase.h"

#include <poll.h>
#include <pthread.h>
#include <time.h>

#define LINGER_NS_MAX (2000 * MS_NS)
/* For a PCM that is late with its last frames, or a bit longer than it said. */
#define DRAIN_NS_MAX  (200 * MS_NS)
#define DRAIN_POLL_MS 5
/* Longer than all that, at the end of the program. */
#define LAST_S 4

struct alsa_farewell {
    pthread_t thread;
    struct alsa_pcm pcm; /* owned */
    uint64_t linger_ns;
};

static void sleep_ns(uint64_t ns)
{
    struct timespec left = {.tv_sec = (time_t)(ns / (1000 * MS_NS)),
                            .tv_nsec = (long)(ns % (1000 * MS_NS))};

    while (nanosleep(&left, &left) < 0 && errno == EINTR)
        continue;
}

/* True while the PCM has not played out all that it has. */
static bool still_plays(struct alsa_pcm *pcm)
{
    struct alsa_look look;

    if (snd_pcm_drain(pcm->handle) != -EAGAIN)
        return false;
    /* dmix does not drain without blocking, but it does run dry. */
    return alsa_pcm_look(pcm, &look) == 0 &&
           (look.state == SND_PCM_STATE_RUNNING || look.state == SND_PCM_STATE_DRAINING);
}

static void *farewell_main(void *arg)
{
    struct alsa_farewell *farewell = arg;

    if (farewell->linger_ns > 0) {
        /* First the time, then the drain: there are PCMs that cut off what has left their ring. */
        sleep_ns(MIN(farewell->linger_ns, LINGER_NS_MAX));
        uint64_t end = timebase_monotonic.now_ns(&timebase_monotonic) + DRAIN_NS_MAX;
        while (still_plays(&farewell->pcm) && timebase_monotonic.now_ns(&timebase_monotonic) < end)
            (void)poll(NULL, 0, DRAIN_POLL_MS); /* a pause; cut short by a signal is fine */
    }
    alsa_pcm_close(&farewell->pcm);
    return NULL;
}

void alsa_farewell_begin(struct alsa_pcm *pcm, uint64_t linger_ns,
                         struct alsa_farewell **ret_farewell)
{
    struct alsa_farewell *farewell = calloc(1, sizeof(*farewell));

    *ret_farewell = NULL;
    if (farewell != NULL && pcm->handle != NULL) {
        *farewell = (struct alsa_farewell){.pcm = *pcm, .linger_ns = linger_ns};
        if (thread_start_abandonable(&farewell->thread, farewell_main, farewell) == 0) {
            *ret_farewell = farewell;
            *pcm = (struct alsa_pcm){0};
            return;
        }
    }
    free(farewell);
    alsa_pcm_close(pcm);
}

void alsa_farewell_end(struct alsa_farewell **farewell)
{
    if (*farewell == NULL)
        return;
    (void)pthread_join((*farewell)->thread, NULL); /* fails on our own bugs only */
    free(*farewell);
    *farewell = NULL;
}

int alsa_farewell_last(struct alsa_farewell **farewell)
{
    struct timespec deadline;

    if (*farewell == NULL)
        return 0;
    (void)clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += LAST_S;
    int r = pthread_timedjoin_np((*farewell)->thread, NULL, &deadline);
    if (r == 0)
        free(*farewell);
    *farewell = NULL;
    return -r;
}
