/* SPDX-License-Identifier: BSD-3-Clause */
/* See report.h. The JSON is of our own names and numbers only, nothing that needs to be quoted. */
#include "devices/snd/report.h"

#include "vmm/base/log.h"

#include <inttypes.h>

#define NS_PER_MS 1e6
#define NS_PER_US 1e3

void report_note(const struct stream *stream, struct report *ret_report)
{
    *ret_report = (struct report){.stream = stream->name,
                                  .host = stream->host->class->name,
                                  .params = stream->params,
                                  .counts = stream->counts,
                                  .host_xruns = stream->host->xruns,
                                  .lost_frames = stream->host->lost_frames};
}

/* Below what so many per cent of the completions were late, in us: powers of two. */
static void print_late(const struct stream_counts *counts, unsigned percent, FILE *out)
{
    uint64_t all = 0, seen = 0;
    unsigned bin = 0;

    for (unsigned i = 0; i < STREAM_LATE_BINS; i++)
        all += counts->late[i];
    if (all == 0) {
        (void)fprintf(out, ",\"late_p%u_us\":null", percent);
        return;
    }
    while ((seen += counts->late[bin]) * 100 < all * percent)
        bin++;
    (void)fprintf(out, ",\"late_p%u_us\":%" PRIu64, percent, UINT64_C(1) << bin);
}

int report_write(const struct report *report, const struct listener_report *heard, FILE *out)
{
    const struct stream_counts *counts = &report->counts;
    const struct pcm_params *params = &report->params;

    (void)fprintf(out,
                  "{\"stream\":\"%s\",\"host\":\"%s\",\"frames\":%" PRIu64 ",\"messages\":%" PRIu64
                  ",\"bad_messages\":%" PRIu64 ",\"xruns\":%" PRIu64 ",\"host_xruns\":%" PRIu64
                  ",\"lost_frames\":%" PRIu64 ",\"stalls\":%" PRIu64
                  ",\"stalled_ms\":%.3f,\"late_max_us\":%.3f",
                  report->stream, report->host, counts->frames, counts->messages,
                  counts->bad_messages, counts->xruns, report->host_xruns, report->lost_frames,
                  counts->stalls, (double)counts->stalled_ns / NS_PER_MS,
                  (double)counts->late_max_ns / NS_PER_US);
    print_late(counts, 50, out);
    print_late(counts, 99, out);
    if (params->format != NULL)
        (void)fprintf(out,
                      ",\"format\":\"%s\",\"rate_hz\":%u,\"channels\":%u,\"period_frames\":%u,"
                      "\"buffer_frames\":%u",
                      params->format->name, params->rate_hz, params->channels,
                      params->period_frames, params->buffer_frames);
    if (heard != NULL) {
        (void)fputc(',', out);
        heard_json(heard, out);
    }
    (void)fputs("}\n", out);
    return fflush(out) == 0 ? 0 : -EIO;
}

void report_log(const struct report *report)
{
    const struct stream_counts *counts = &report->counts;

    log_info("%s: %" PRIu64 " frames, %" PRIu64 " underruns of the guest, %" PRIu64
             " of the host, %" PRIu64 " frames lost, %" PRIu64
             " stalls, latest period %.3f ms late",
             report->stream, counts->frames, counts->xruns, report->host_xruns, report->lost_frames,
             counts->stalls, (double)counts->late_max_ns / NS_PER_MS);
}
