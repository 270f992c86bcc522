/* SPDX-License-Identifier: BSD-3-Clause */
/* See ear.h. */
#include "devices/snd/hear/ear.h"

#include "vmm/base/log.h"

#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>

/* So much wakes the thread: a third of a second of 16 bits, stereo. */
#define WAKE_BYTES (64u << 10)
/* And so much is behind. */
#define BEHIND_BYTES (256u << 10)

#define LINES_MAX 8

enum record { RECORD_TUNE, RECORD_FRAMES, RECORD_QUESTION };

/* -- life -- */

int ears_init(struct ears *ears, unsigned count)
{
    ears->wake_fd = -1;
    ears->ear = calloc(count, sizeof(ears->ear[0]));
    ears->count = ears->ear != NULL ? count : 0;
    return ears->ear != NULL ? 0 : -ENOMEM;
}

void ears_fini(struct ears *ears)
{
    if (ears->ear == NULL)
        return;
    ears_stop(ears);
    fd_close(&ears->wake_fd);
    for (unsigned i = 0; i < ears->count; i++) {
        listener_destroy(ears->ear[i].listener);
        ring_fini(&ears->ear[i].ring);
    }
    free(ears->ear);
    ears->ear = NULL;
}

/* Makes the listener, for each rate that is offered. */
static int listener_make(struct ear *ear, const struct wire_pcm_info *offer)
{
    uint32_t most_hz = 0;

    for (unsigned code = 0; code < PCM_RATE_COUNT; code++)
        if ((from_le64(offer->rates) >> code & 1) != 0)
            most_hz = MAX(most_hz, pcm_rate_hz(code));
    return listener_create(most_hz, offer->channels_max, &ear->listener);
}

int ear_open(struct ears *ears, unsigned index, const char *name, const char *expect,
             const struct wire_pcm_info *offer)
{
    struct ear *ear = &ears->ear[index];
    int r = expect != NULL ? expect_parse(expect, "--snd expect: ", &ear->expect) : 0;

    if (r < 0)
        return r;
    ear->judges = expect != NULL;
    ear->name = name;
    ear->ears = ears;
    r = ring_init(&ear->ring);
    if (r == 0)
        r = listener_make(ear, offer);
    return r == -ENOMEM ? log_error(r, "%s: ear", name) : r;
}

/* -- what was put into the ring -- */

/* Judges what was heard up to now. A guest makes as many sounds as it likes: the first few that are
 * not as expected are told, and how many there were at the end. */
static void judge(struct ear *ear)
{
    struct listener_report report;
    char line[EXPECT_LINE_SIZE];

    listener_report(ear->listener, &report);
    ear->judged++;
    if (!ear->judges || expect_judge(&ear->expect, &report, line))
        return;
    if (ear->failed == 0)
        (void)strcpy(ear->why, line);
    if (ear->failed++ < LINES_MAX)
        (void)log_error(0, "%s: %s", ear->name, line);
}

static void tune(struct ear *ear, const struct pcm_params *params)
{
    if (pcm_params_alike(&ear->hears, params))
        return;
    if (ear->heard)
        judge(ear);
    ear->heard = false;
    ear->hears = *params;
    listener_tune(ear->listener, params->rate_hz, params->channels);
}

static void hear(struct ear *ear, const uint8_t *bytes, size_t len)
{
    const struct pcm_params *params = &ear->hears;
    double block[64 * LISTENER_CHANNELS_MAX];
    const size_t block_frames = ARRAY_SIZE(block) / params->channels;

    ear->heard = true;
    for (size_t frames = len / params->frame_bytes, now; frames > 0; frames -= now) {
        now = MIN(frames, block_frames);
        pcm_to_double(params->format, bytes, block, now * params->channels);
        listener_feed(ear->listener, block, now);
        bytes += now * params->frame_bytes;
    }
}

static void answer(struct ear *ear, const void *question)
{
    struct listener_report report;

    if (ear->heard)
        listener_report(ear->listener, &report);
    ear->ears->told(ear->ears->ctx, question, ear->heard ? &report : NULL);
}

void ears_hear(struct ears *ears)
{
    const struct ring_record *record;

    for (struct ear *ear = ears->ear; ear < ears->ear + ears->count; ear++)
        while ((record = ring_oldest(&ear->ring)) != NULL) {
            if (record->kind == RECORD_TUNE)
                tune(ear, (const struct pcm_params *)(const void *)record->bytes);
            else if (record->kind == RECORD_FRAMES)
                hear(ear, record->bytes, record->len);
            else
                answer(ear, record->bytes);
            ring_take(&ear->ring, record);
        }
}

/* -- the thread -- */

static void wake(struct ears *ears)
{
    if (!atomic_exchange(&ears->awake, true))
        (void)eventfd_write(ears->wake_fd, 1); /* cannot fail: it counts to two at most */
}

static void ears_run(void *arg)
{
    struct ears *ears = arg;
    eventfd_t count;

    while (!atomic_load(&ears->stopping)) {
        (void)eventfd_read(ears->wake_fd, &count); /* EINTR: there is no harm in a look */
        atomic_store(&ears->awake, false);
        ears_hear(ears);
    }
}

int ears_start(struct ears *ears, const char *device)
{
    bool any = false;
    char name[16];

    for (unsigned i = 0; i < ears->count; i++)
        any |= ears->ear[i].name != NULL;
    if (!any)
        return 0;
    ears->wake_fd = eventfd(0, EFD_CLOEXEC);
    if (ears->wake_fd < 0)
        return log_error(-errno, "%s: ears", device);
    (void)snprintf(name, sizeof(name), "%.10s ear", device);
    int r = thread_start(&ears->thread, THREAD_LISTENER, name, ears_run, ears);
    return r < 0 ? log_error(r, "%s: ears", device) : 0;
}

void ears_stop(struct ears *ears)
{
    if (thread_running(&ears->thread)) {
        atomic_store(&ears->stopping, true);
        (void)eventfd_write(ears->wake_fd, 1);
        thread_join(&ears->thread);
    }
    ears_hear(ears);
}

/* -- the worker's side -- */

/* What does not fit (false) is lost, and so is the judgement. */
static bool put(struct ear *ear, enum record kind, const void *record, size_t len)
{
    bool fits = ring_put(&ear->ring, kind, record, (uint32_t)len);

    if (!fits && !ear->lost) {
        (void)log_error(0, "%s: the ear is too far behind to hear all that is played", ear->name);
        ear->lost = true;
    }
    if (kind == RECORD_QUESTION || ring_used(&ear->ring) >= WAKE_BYTES)
        wake(ear->ears);
    return fits;
}

void ear_tune(struct ear *ear, const struct pcm_params *params)
{
    /* Frames must not be taken for those of the format before. */
    bool hears = ear->name != NULL && put(ear, RECORD_TUNE, params, sizeof(*params));

    ear->frame_bytes = hears ? params->frame_bytes : 0;
}

void ear_hear(struct ear *ear, const void *frames, size_t count)
{
    const uint8_t *at = frames;
    const size_t frame_bytes = ear->frame_bytes;

    for (size_t now; frame_bytes > 0 && count > 0; count -= now, at += now * frame_bytes) {
        now = MIN(count, RING_RECORD_BYTES / frame_bytes);
        (void)put(ear, RECORD_FRAMES, at, now * frame_bytes);
    }
}

void ear_ask(struct ear *ear, const void *question, uint32_t len)
{
    (void)put(ear, RECORD_QUESTION, question, len);
}

bool ear_is_behind(const struct ear *ear)
{
    return ear->name != NULL && ring_used(&ear->ring) > BEHIND_BYTES;
}

int ears_judge(struct ears *ears)
{
    struct ear *judge_of_none = NULL;
    bool judged = false, failed = false;

    for (struct ear *ear = ears->ear; ear < ears->ear + ears->count; ear++) {
        if (ear->heard)
            judge(ear);
        ear->heard = false;
        if (ear->failed > LINES_MAX)
            (void)log_error(0, "%s: %u sounds in all were not as expected", ear->name, ear->failed);
        judged |= ear->judged > 0 && ear->judges;
        failed |= ear->failed > 0 || ear->lost;
        judge_of_none = ear->judges && judge_of_none == NULL ? ear : judge_of_none;
    }
    if (!judged && judge_of_none != NULL) {
        judge(judge_of_none);
        failed = judge_of_none->failed > 0;
    }
    return failed ? -EPROTO : 0;
}
