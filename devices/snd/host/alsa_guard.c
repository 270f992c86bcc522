/* SPDX-License-Identifier: BSD-3-Clause */
/* See alsa_guard.h. */
#include "devices/snd/host/alsa_guard.h"

#include "vmm/base/log.h"
#include "vmm/base/loop.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

/* How long a call may take. The guest gives a request of its own, which may take a few of these
 * calls, a second. */
#define CALL_NS 250000000l

/* Frames for one call. The device moves no more at once. */
#define BUF_BYTES 16384

/* Threads that may wait for calls to come back. */
#define GIVEN_UP_MAX 8

struct alsa_guard {
    pthread_t thread;
    struct alsa_pcm pcm; /* the thread's; to be closed by it if given up */

    pthread_mutex_t lock; /* for what follows */
    pthread_cond_t moved;
    enum {
        IDLE,     /* nothing is asked */
        CALLED,   /* the thread makes the call */
        DONE,     /* the result is there */
        GIVEN_UP, /* nobody waits for the call any more */
        LEFT,     /* the owner has forgotten the PCM, too */
        QUIT,     /* the thread is to end */
    } state;
    struct alsa_call call;
    long result;
    _Alignas(8) char buf[BUF_BYTES];
};

/* Threads that still wait for a call: any thread. */
static _Atomic unsigned given_up;

/* -- the thread -- */

/* Nobody but the thread knows of it any more. */
static void guard_free(struct alsa_guard *guard)
{
    (void)pthread_cond_destroy(&guard->moved);
    (void)pthread_mutex_destroy(&guard->lock);
    free(guard);
}

static void call_make(struct alsa_guard *guard)
{
    (void)pthread_mutex_unlock(&guard->lock);
    long result = alsa_pcm_do(&guard->pcm, &guard->call);
    (void)pthread_mutex_lock(&guard->lock);
    guard->result = result;
    if (guard->state == CALLED)
        guard->state = DONE;
    (void)pthread_cond_broadcast(&guard->moved);
}

static void *guard_main(void *arg)
{
    struct alsa_guard *guard = arg;

    (void)pthread_mutex_lock(&guard->lock);
    while (guard->state != QUIT && guard->state != LEFT) {
        if (guard->state == CALLED)
            call_make(guard);
        else
            (void)pthread_cond_wait(&guard->moved, &guard->lock);
    }
    bool left = guard->state == LEFT;
    (void)pthread_mutex_unlock(&guard->lock);
    if (!left)
        return NULL;
    alsa_pcm_close(&guard->pcm);
    guard_free(guard);
    atomic_fetch_sub(&given_up, 1);
    return NULL;
}

/* -- its owner -- */

/* Waits until the call is done. Locked. */
static bool call_wait(struct alsa_guard *guard)
{
    struct timespec end;
    int r = 0;

    (void)clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_nsec += CALL_NS;
    end.tv_sec += end.tv_nsec / 1000000000;
    end.tv_nsec %= 1000000000;
    while (guard->state == CALLED && r == 0)
        r = pthread_cond_timedwait(&guard->moved, &guard->lock, &end);
    return guard->state == DONE;
}

long alsa_guard_call(struct alsa_guard *guard, struct alsa_call *call)
{
    size_t frames = MIN(call->frames, (size_t)BUF_BYTES / guard->pcm.frame_bytes);
    size_t frame_bytes = guard->pcm.frame_bytes;
    long result = -ETIMEDOUT;

    (void)pthread_mutex_lock(&guard->lock);
    if (guard->state == IDLE) {
        guard->call = *call;
        guard->call.buf = guard->buf;
        guard->call.frames = frames;
        if (call->op == ALSA_WRITE)
            memcpy(guard->buf, call->buf, frames * frame_bytes);
        guard->state = CALLED;
        (void)pthread_cond_broadcast(&guard->moved);
        if (call_wait(guard)) {
            result = guard->result;
            call->look = guard->call.look;
            if (call->op == ALSA_READ && result > 0)
                memcpy(call->buf, guard->buf, (size_t)result * frame_bytes);
        }
        guard->state = guard->state == DONE ? IDLE : GIVEN_UP;
    }
    (void)pthread_mutex_unlock(&guard->lock);
    return result;
}

static struct alsa_guard *guard_make(const struct alsa_pcm *pcm)
{
    struct alsa_guard *guard = calloc(1, sizeof(*guard));
    pthread_condattr_t attr;

    if (guard == NULL)
        return NULL;
    guard->pcm = *pcm;
    (void)pthread_mutex_init(&guard->lock, NULL);
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&guard->moved, &attr);
    (void)pthread_condattr_destroy(&attr);
    return guard;
}

/* A PCM of a card, or with one behind it, does as it says. */
static bool needs_guard(const struct alsa_pcm *pcm)
{
    snd_pcm_info_t *info;

    snd_pcm_info_alloca(&info);
    return !pcm->is_card &&
           (snd_pcm_info(pcm->handle, info) < 0 || snd_pcm_info_get_card(info) < 0);
}

int alsa_guard_begin(struct alsa_pcm *pcm)
{
    if (!needs_guard(pcm))
        return 0;
    if (atomic_load(&given_up) >= GIVEN_UP_MAX)
        return -EHOSTDOWN;
    struct alsa_guard *guard = guard_make(pcm);
    int r = guard == NULL ? -ENOMEM : thread_start_abandonable(&guard->thread, guard_main, guard);
    if (r < 0 && guard != NULL)
        guard_free(guard);
    if (r == 0)
        pcm->guard = guard;
    return r;
}

void alsa_guard_prioritize(struct alsa_guard *guard)
{
    struct sched_param param;
    int policy = sched_getscheduler(0);

    /* Both fail on our own bugs only: it is this thread's, and permitted. */
    if (policy >= 0 && sched_getparam(0, &param) == 0)
        (void)pthread_setschedparam(guard->thread, policy, &param);
}

void alsa_guard_end(struct alsa_pcm *pcm)
{
    struct alsa_guard *guard = pcm->guard;

    if (guard == NULL)
        return;
    (void)pthread_mutex_lock(&guard->lock);
    pthread_t thread = guard->thread;
    bool is_lost = guard->state == GIVEN_UP;
    guard->state = is_lost ? LEFT : QUIT;
    if (is_lost)
        atomic_fetch_add(&given_up, 1);
    (void)pthread_cond_broadcast(&guard->moved);
    (void)pthread_mutex_unlock(&guard->lock);
    *pcm = (struct alsa_pcm){.guard = NULL};
    if (is_lost) {
        (void)pthread_detach(thread);
        return;
    }
    (void)pthread_join(thread, NULL); /* at once: nothing is asked of it */
    *pcm = guard->pcm;
    guard_free(guard);
}
