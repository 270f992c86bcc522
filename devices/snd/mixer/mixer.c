/* SPDX-License-Identifier: BSD-3-Clause */
/* See mixer.h. The lock is held for a few copies only, never while alsa-lib is asked. */
#include "devices/snd/mixer/mixer.h"

#include "vmm/base/log.h"
#include "vmm/base/loop.h"

#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>

/* How often a card that is gone is looked for. */
#define RETRY_MS 1000
/* How long the end of the program waits for a card that hangs. */
#define FINI_WAIT_S 2

#define FDS_MAX    4
#define EVENTS_MAX 64 /* taken in a row */

struct mixer {
    char *name;
    struct alsa_ctl card; /* the thread's, once it runs */
    pthread_t thread;
    bool has_thread;
    int send_fd, done_fd; /* eventfds: to the thread, to the user */

    pthread_mutex_t lock; /* for what follows */
    bool stop;
    struct mixer_job *todo, **todo_end;
    struct mixer_job *done, **done_end;
    struct mixer_news *news; /* of each element */
};

/* -- both sides -- */

static struct mixer *unconst(const struct mixer *mixer)
{
    return (struct mixer *)(uintptr_t)mixer;
}

/* Takes a whole list, or its first. */
static struct mixer_job *list_take(struct mixer_job **list, struct mixer_job ***end, bool all)
{
    struct mixer_job *job = *list;

    if (job == NULL)
        return NULL;
    *list = all ? NULL : job->next;
    if (*list == NULL)
        *end = list;
    return job;
}

void mixer_send(struct mixer *mixer, struct mixer_job *job)
{
    job->next = NULL;
    (void)pthread_mutex_lock(&mixer->lock);
    *mixer->todo_end = job;
    mixer->todo_end = &job->next;
    (void)pthread_mutex_unlock(&mixer->lock);
    (void)eventfd_write(mixer->send_fd, 1); /* full: the thread will look anyway */
}

struct mixer_job *mixer_done(struct mixer *mixer)
{
    (void)pthread_mutex_lock(&mixer->lock);
    struct mixer_job *job = list_take(&mixer->done, &mixer->done_end, true);
    (void)pthread_mutex_unlock(&mixer->lock);
    return job;
}

bool mixer_news(const struct mixer *mixer, unsigned id, struct mixer_news *ret_news)
{
    struct mixer_news *news = &mixer->news[id];
    bool is_new;

    (void)pthread_mutex_lock(&unconst(mixer)->lock);
    is_new = news->mask != 0;
    if (is_new)
        *ret_news = *news;
    news->mask = 0;
    (void)pthread_mutex_unlock(&unconst(mixer)->lock);
    return is_new;
}

const struct alsa_ctl *mixer_card(const struct mixer *mixer)
{
    return &mixer->card;
}

int mixer_done_fd(const struct mixer *mixer)
{
    return mixer->done_fd;
}

/* -- the thread -- */

/* Asks the card what of an element `mask` says, and leaves it as news. */
static int element_look(struct mixer *mixer, unsigned id, unsigned mask)
{
    struct mixer_news *news = &mixer->news[id];
    union wire_ctl_value value;
    int r = 0;

    if ((mask & WIRE_CTL_INFO) != 0 && alsa_ctl_look(&mixer->card, id) < 0)
        mask = WIRE_CTL_INFO; /* it was removed; its access says so */
    uint32_t access = from_le32(mixer->card.elem[id].info.head.access);
    if ((mask & WIRE_CTL_VALUE) != 0 && (access & WIRE_CTL_READ) != 0)
        r = alsa_ctl_read(&mixer->card, id, &value);
    else
        mask &= ~WIRE_CTL_VALUE;
    if (r < 0)
        mask &= ~WIRE_CTL_VALUE;
    (void)pthread_mutex_lock(&mixer->lock);
    news->mask |= mask;
    news->access = access;
    if ((mask & WIRE_CTL_VALUE) != 0)
        news->value = value;
    (void)pthread_mutex_unlock(&mixer->lock);
    return r;
}

static int tlv_read(struct mixer *mixer, struct mixer_job *job)
{
    const size_t room = sizeof(struct wire_ctl_tlv) + WIRE_CTL_TLV_BYTES_MAX;

    job->tlv = calloc(1, room);
    if (job->tlv == NULL)
        return -ENOMEM;
    ssize_t len = alsa_ctl_tlv_read(&mixer->card, job->id, job->tlv, room);
    job->tlv_bytes = (size_t)MAX(len, 0);
    return (int)MIN(len, 0);
}

static int job_do(struct mixer *mixer, struct mixer_job *job)
{
    int r;

    if (mixer->card.handle == NULL)
        return -ENODEV;
    switch (job->kind) {
    case MIXER_READ:
        return element_look(mixer, job->id, WIRE_CTL_VALUE);
    case MIXER_WRITE:
        r = alsa_ctl_write(&mixer->card, job->id, &job->value);
        (void)element_look(mixer, job->id, WIRE_CTL_VALUE); /* what has become of it */
        return r;
    default:
        return tlv_read(mixer, job);
    }
}

/* True until it is to end. */
static bool jobs_do(struct mixer *mixer)
{
    eventfd_t count;

    (void)eventfd_read(mixer->send_fd, &count);
    (void)pthread_mutex_lock(&mixer->lock);
    while (mixer->todo != NULL && !mixer->stop) {
        struct mixer_job *job = list_take(&mixer->todo, &mixer->todo_end, false);
        (void)pthread_mutex_unlock(&mixer->lock);
        job->result = job_do(mixer, job);
        job->next = NULL;
        (void)pthread_mutex_lock(&mixer->lock);
        *mixer->done_end = job;
        mixer->done_end = &job->next;
        (void)eventfd_write(mixer->done_fd, 1);
    }
    bool goes_on = !mixer->stop;
    (void)pthread_mutex_unlock(&mixer->lock);
    return goes_on;
}

/* Takes the card's events; a flood of them does not keep jobs waiting. `failed`: its fd says that
 * the card is gone. */
static void events_take(struct mixer *mixer, bool failed)
{
    unsigned id, mask, taken = 0;
    int r = 1;

    for (; taken < EVENTS_MAX && r > 0; taken += r > 0) {
        r = alsa_ctl_event(&mixer->card, &id, &mask);
        if (r > 0 && mask != 0)
            (void)element_look(mixer, id, mask);
    }
    if (taken > 0)
        (void)eventfd_write(mixer->done_fd, 1);
    else if (failed && r == 0)
        r = -ENODEV;
    if (r >= 0)
        return;
    log_warn("mixer \"%s\" is gone (%s); the guest goes on without it until it is back",
             mixer->name, snd_strerror(r));
    alsa_ctl_close(&mixer->card);
}

/* The card may have been plugged in again. */
static void card_retry(struct mixer *mixer)
{
    if (alsa_ctl_open(&mixer->card, mixer->name) < 0)
        return;
    log_info("mixer \"%s\" is back", mixer->name);
    for (unsigned id = 0; id < mixer->card.count; id++)
        (void)element_look(mixer, id, WIRE_CTL_VALUE | WIRE_CTL_INFO);
    (void)eventfd_write(mixer->done_fd, 1);
}

static void *mixer_main(void *arg)
{
    struct mixer *mixer = arg;
    struct pollfd fds[1 + FDS_MAX];

    while (jobs_do(mixer)) {
        bool is_open = mixer->card.handle != NULL;
        int count = 0;
        fds[0] = (struct pollfd){.fd = mixer->send_fd, .events = POLLIN};
        if (is_open)
            count = snd_ctl_poll_descriptors(mixer->card.handle, fds + 1, FDS_MAX);
        if (poll(fds, 1 + (nfds_t)MAX(count, 0), is_open ? -1 : RETRY_MS) == 0)
            card_retry(mixer);
        else if (count > 0)
            events_take(mixer, (fds[1].revents & (POLLERR | POLLHUP | POLLNVAL)) != 0);
    }
    return NULL;
}

/* -- life -- */

int mixer_open(const char *name, unsigned count_max, struct mixer **ret_mixer)
{
    struct mixer *mixer = calloc(1, sizeof(*mixer));

    *ret_mixer = mixer;
    if (mixer == NULL)
        return -ENOMEM;
    mixer->todo_end = &mixer->todo;
    mixer->done_end = &mixer->done;
    (void)pthread_mutex_init(&mixer->lock, NULL);
    mixer->name = strdup(name);
    mixer->send_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    mixer->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (mixer->name == NULL || mixer->send_fd < 0 || mixer->done_fd < 0)
        return mixer->name == NULL ? -ENOMEM : -EMFILE;
    int r = alsa_ctl_open(&mixer->card, name);
    if (r == 0)
        r = alsa_ctl_list(&mixer->card, count_max);
    if (r < 0)
        return r;
    mixer->news = calloc(mixer->card.count, sizeof(mixer->news[0]));
    if (mixer->news == NULL)
        return -ENOMEM;
    for (unsigned id = 0; id < mixer->card.count; id++)
        (void)element_look(mixer, id, WIRE_CTL_VALUE);
    return 0;
}

int mixer_start(struct mixer *mixer)
{
    int r = thread_start_abandonable(&mixer->thread, mixer_main, mixer);

    mixer->has_thread = r == 0;
    return r;
}

static bool thread_end(struct mixer *mixer)
{
    struct timespec deadline;

    (void)pthread_mutex_lock(&mixer->lock);
    mixer->stop = true;
    (void)pthread_mutex_unlock(&mixer->lock);
    (void)eventfd_write(mixer->send_fd, 1);
    (void)clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += FINI_WAIT_S;
    return pthread_timedjoin_np(mixer->thread, NULL, &deadline) == 0;
}

bool mixer_destroy(struct mixer *mixer)
{
    if (mixer == NULL)
        return true;
    if (mixer->has_thread && !thread_end(mixer))
        return false;
    alsa_ctl_fini(&mixer->card);
    fd_close(&mixer->send_fd);
    fd_close(&mixer->done_fd);
    (void)pthread_mutex_destroy(&mixer->lock);
    free(mixer->news);
    free(mixer->name);
    free(mixer);
    return true;
}
