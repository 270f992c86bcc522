/* SPDX-License-Identifier: BSD-3-Clause */
/* See report.h. */
#include "devices/snd/report.h"

#include <inttypes.h>
#include <jansson.h>

#define NS_PER_MS 1e6
#define NS_PER_US 1e3

/* How fast the host's clock runs against ours, in millionths; NAN-free: false if nothing is known.
 */
static bool drift_ppm(const struct stream *stream, double *ret_ppm)
{
    const struct stream_counts *counts = &stream->counts;
    const double least_ns = 1e9; /* shorter spans tell of periods, not of clocks */

    if (stream->clock_kind != CLOCK_KIND_HOST || (double)counts->span_ns < least_ns)
        return false;
    double frames_ns = (double)counts->span_frames * 1e9 / stream->params.rate_hz;
    *ret_ppm = (frames_ns / (double)counts->span_ns - 1) * 1e6;
    return true;
}

static json_t *channel_json(const struct listener_channel *channel)
{
    return json_pack("{s:b, s:f, s:f, s:f, s:f, s:I, s:I, s:I}", "silent", channel->silent,
                     "freq_hz", channel->freq_hz, "peak_dbfs", channel->peak_dbfs, "rms_dbfs",
                     channel->rms_dbfs, "dc", channel->dc, "gaps", (json_int_t)channel->gap_count,
                     "clicks", (json_int_t)channel->click_count, "clipped",
                     (json_int_t)channel->clipped_frames);
}

/* Adds below what so many per cent of the completions were late, in us: powers of two. */
static int late_add(json_t *object, const char *key, const struct stream_counts *counts,
                    unsigned percent)
{
    uint64_t all = 0, seen = 0;
    unsigned bin = 0;

    for (unsigned i = 0; i < STREAM_LATE_BINS; i++)
        all += counts->late[i];
    if (all == 0)
        return json_object_set_new(object, key, json_null());
    while ((seen += counts->late[bin]) * 100 < all * percent)
        bin++;
    return json_object_set_new(object, key, json_integer((json_int_t)1 << bin));
}

/* Adds what the ear heard. */
static int heard_add(json_t *object, struct ear *ear)
{
    struct listener_report report;
    json_t *channels = json_array();
    char hash[24];
    int r = 0;

    if (!ear_report(ear, &report)) {
        json_decref(channels);
        return 0;
    }
    for (unsigned i = 0; i < report.channels; i++)
        r |= json_array_append_new(channels, channel_json(&report.channel[i]));
    (void)snprintf(hash, sizeof(hash), "%016" PRIx64, report.hash);
    r |= json_object_set_new(object, "hash", json_string(hash));
    r |= json_object_set_new(object, "heard_frames", json_integer((json_int_t)report.frames));
    r |= json_object_set_new(object, "heard", channels);
    return r == 0 ? 0 : -ENOMEM;
}

static int params_add(json_t *object, const struct stream *stream)
{
    if (stream->params.format == NULL)
        return 0;
    return json_object_update_new(
        object, json_pack("{s:s, s:I, s:I, s:I, s:I}", "format", stream->params.format->name,
                          "rate_hz", (json_int_t)stream->params.rate_hz, "channels",
                          (json_int_t)stream->params.channels, "period_frames",
                          (json_int_t)stream->params.period_frames, "buffer_frames",
                          (json_int_t)stream->params.buffer_frames));
}

static json_t *stream_json(struct stream *stream)
{
    const struct stream_counts *counts = &stream->counts;
    const struct host *host = stream->host;
    double ppm = 0;
    bool drifts = drift_ppm(stream, &ppm);
    json_t *object = json_pack(
        "{s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:f, s:o}", "stream", stream->name,
        "host", host->class->name, "frames", (json_int_t)counts->frames, "messages",
        (json_int_t)counts->messages, "bad_messages", (json_int_t)counts->bad_messages, "xruns",
        (json_int_t)counts->xruns, "host_xruns", (json_int_t)host->xruns, "lost_frames",
        (json_int_t)host->lost_frames, "stalls", (json_int_t)counts->stalls, "stalled_ms",
        (double)counts->stalled_ns / NS_PER_MS, "late_max_us",
        (double)counts->late_max_ns / NS_PER_US, "drift_ppm",
        drifts ? json_real(ppm) : json_null());

    if (object != NULL && (late_add(object, "late_p50_us", counts, 50) < 0 ||
                           late_add(object, "late_p99_us", counts, 99) < 0 ||
                           params_add(object, stream) < 0 || heard_add(object, &stream->ear) < 0)) {
        json_decref(object);
        return NULL;
    }
    return object;
}

int report_write(struct stream *stream, FILE *out)
{
    json_t *object = stream_json(stream);
    int r = 0;

    if (object == NULL)
        return -ENOMEM;
    if (json_dumpf(object, out, JSON_COMPACT) < 0 || fputc('\n', out) == EOF || fflush(out) != 0)
        r = -EIO;
    json_decref(object);
    return r;
}

void report_log(const struct stream *stream)
{
    const struct stream_counts *counts = &stream->counts;
    const struct host *host = stream->host;

    log_info("%s: %" PRIu64 " frames, %" PRIu64 " underruns of the guest, %" PRIu64
             " of the host, %" PRIu64 " frames lost, %" PRIu64
             " stalls, latest period %.3f ms late",
             stream->name, counts->frames, counts->xruns, host->xruns, host->lost_frames,
             counts->stalls, (double)counts->late_max_ns / NS_PER_MS);
}
