/* SPDX-License-Identifier: BSD-3-Clause */
/* See probe_host.h. */
#include "tests/devices/snd/host/probe_host.h"

#include <check.h>
#include <string.h>

static struct probe *probe_of(struct host *host)
{
    return container_of(host, struct probe, host);
}

static int probe_open(struct host *host, const struct pcm_params *params)
{
    struct probe *probe = probe_of(host);

    probe->opens++;
    probe->frame_bytes = params->frame_bytes;
    probe->consumed = probe->accepted = 0;
    probe->first_frame = probe->played = probe->got_frames;
    return probe->open_result;
}

static void probe_close(struct host *host)
{
    probe_of(host)->closes++;
}

static int probe_start(struct host *host)
{
    probe_of(host)->starts++;
    return probe_of(host)->start_result;
}

static int probe_stop(struct host *host)
{
    probe_of(host)->stops++;
    return probe_of(host)->stop_result;
}

static ssize_t probe_write(struct host *host, const void *buf, size_t frames)
{
    struct probe *probe = probe_of(host);

    if (probe->write_result < 0)
        return probe->write_result;
    if (probe->class.own_clock)
        frames = MIN(frames, probe->capacity - (probe->accepted - probe->consumed));
    ck_assert_uint_le(probe->got_frames + frames, PROBE_FRAMES_MAX);
    memcpy(probe->got + probe->got_frames * probe->frame_bytes, buf, frames * probe->frame_bytes);
    probe->got_frames += frames;
    probe->accepted += frames;
    return (ssize_t)frames;
}

static ssize_t probe_read(struct host *host, void *ret_buf, size_t frames)
{
    struct probe *probe = probe_of(host);
    uint8_t *out = ret_buf;

    if (probe->write_result < 0)
        return probe->write_result;
    if (probe->class.own_clock)
        frames = MIN(frames, probe->consumed - probe->accepted);
    for (size_t i = 0; i < frames * probe->frame_bytes; i++)
        out[i] = probe->next_sample++;
    probe->accepted += frames;
    return (ssize_t)frames;
}

static int probe_position(struct host *host, struct host_position *ret_position)
{
    struct probe *probe = probe_of(host);
    uint64_t end = MIN(probe->first_frame + probe->consumed, probe->got_frames);

    if (end > probe->played)
        host->played(host, probe->got + probe->played * probe->frame_bytes, end - probe->played);
    probe->played = MAX(probe->played, end);
    *ret_position = (struct host_position){.consumed_frames = probe->consumed,
                                           .latency_frames = probe->latency};
    return probe->position_result;
}

static uint64_t probe_remaining_ns(struct host *host, uint64_t frame)
{
    return (frame - probe_of(host)->consumed) * 1000000000 / 48000;
}

static void probe_destroy(struct host *host)
{
    (void)host; /* the test's */
}

void probe_install(struct probe *probe, struct rig *rig, unsigned stream_index, bool own_clock)
{
    struct stream *stream = &rig->snd->pcm.streams[stream_index];

    *probe = (struct probe){
        .class = {.name = "probe",
                  .own_clock = own_clock,
                  .reopens = true,
                  .destroy = probe_destroy,
                  .open = probe_open,
                  .close = probe_close,
                  .start = probe_start,
                  .stop = probe_stop,
                  .write = probe_write,
                  .read = probe_read,
                  .position = probe_position,
                  .remaining_ns = probe_remaining_ns},
        .got = malloc((size_t)PROBE_FRAMES_MAX * 8),
        .capacity = 480,
    };
    ck_assert_ptr_nonnull(probe->got);
    struct host *old = stream->host;
    probe->host = *old;
    probe->host.class = &probe->class;
    old->class->destroy(old);
    stream->host = &probe->host;
    if (own_clock)
        stream->clock_kind = CLOCK_KIND_HOST;
}

void probe_fini(struct probe *probe)
{
    free(probe->got);
}
