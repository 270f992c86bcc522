/* SPDX-License-Identifier: BSD-3-Clause */
/* See report.h. The JSON is of our own names and numbers only, nothing that needs to be quoted. */
#include "devices/snd/report.h"

#include "vmm/base/log.h"

#include <inttypes.h>

void report_note(const struct stream *stream, struct report *ret_report)
{
    *ret_report = (struct report){.stream = stream->name,
                                  .host = stream->host->class->name,
                                  .params = stream->params,
                                  .counts = stream->counts,
                                  .host_xruns = stream->host->xruns,
                                  .lost_frames = stream->host->lost_frames};
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
                  counts->stalls, (double)counts->stalled_ns / 1e6,
                  (double)counts->late_max_ns / 1e3);
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
             counts->stalls, (double)counts->late_max_ns / 1e6);
}
