/* SPDX-License-Identifier: BSD-3-Clause */
/* What was heard, as text; see listener.h. */
#include "devices/snd/hear/listener.h"

#include <inttypes.h>

/* Shorter silence at the ends is a wave that begins at zero. */
#define EDGE_SECONDS_MIN 0.001

static double seconds(const struct listener_report *report, uint64_t frames)
{
    return (double)frames / report->rate_hz;
}

static void print_edge(const struct listener_report *report, uint64_t frames, const char *where,
                       FILE *out)
{
    if (seconds(report, frames) >= EDGE_SECONDS_MIN)
        (void)fprintf(out, ", silent for %.4f s %s", seconds(report, frames), where);
}

static void print_channel(const struct listener_report *report, unsigned index, FILE *out)
{
    const struct listener_channel *channel = &report->channel[index];
    char pitch[48] = "no pitch";

    if (channel->freq_hz > 0)
        (void)snprintf(pitch, sizeof(pitch), "%.2f Hz (%.*f %%)", channel->freq_hz,
                       channel->share < 0.9995 ? 1 : 0, channel->share * 100);
    (void)fprintf(out, "  channel %-2u %-20s peak %7.2f dBFS, rms %7.2f dBFS", index + 1,
                  channel->silent ? "silence" : pitch, channel->peak_dbfs, channel->rms_dbfs);
    if (!channel->silent)
        print_edge(report, channel->lead_frames, "before", out);
    print_edge(report, channel->trail_frames, "after", out);
    (void)fputc('\n', out);
}

/* A line for each channel that has some, or "none". */
static void print_marks(const struct listener_report *report, bool gaps, FILE *out)
{
    const char *head = gaps ? "  gaps       " : "  clicks     ";
    bool any = false;

    for (unsigned c = 0; c < report->channels; c++) {
        const struct listener_channel *channel = &report->channel[c];
        const struct listener_marks *marks = gaps ? &channel->gaps : &channel->clicks;

        if (marks->count == 0)
            continue;
        (void)fprintf(out, "%-13s%" PRIu64 " in channel %u:", any ? "" : head, marks->count, c + 1);
        for (uint64_t i = 0; i < MIN(marks->count, (uint64_t)LISTENER_MARKS_MAX); i++) {
            const struct listener_mark *mark = &marks->first[i];
            (void)fprintf(out, "%s %.4f s", i > 0 ? "," : "", seconds(report, mark->at_frame));
            if (mark->frames > 0)
                (void)fprintf(out, " for %.1f ms", 1e3 * seconds(report, mark->frames));
        }
        (void)fputs(marks->count > LISTENER_MARKS_MAX ? ", ...\n" : "\n", out);
        any = true;
    }
    if (!any)
        (void)fprintf(out, "%snone\n", head);
}

void heard_print(const struct listener_report *report, FILE *out)
{
    (void)fprintf(out,
                  "  frames     %" PRIu64 " (%.4f s)%s\n"
                  "  rate       %u Hz\n"
                  "  channels   %u\n",
                  report->frames, seconds(report, report->frames),
                  report->frames == 0 ? ": no sound" : "", report->rate_hz, report->channels);
    for (unsigned c = 0; c < report->channels && report->frames > 0; c++)
        print_channel(report, c, out);
    print_marks(report, true, out);
    print_marks(report, false, out);
}

void heard_json(const struct listener_report *report, FILE *out)
{
    (void)fprintf(out, "\"heard_frames\":%" PRIu64 ",\"heard\":[", report->frames);
    for (unsigned c = 0; c < report->channels; c++) {
        const struct listener_channel *channel = &report->channel[c];
        (void)fprintf(out,
                      "%s{\"silent\":%s,\"freq_hz\":%.6f,\"share\":%.6f,\"peak_dbfs\":%.3f,"
                      "\"rms_dbfs\":%.3f,\"lead_frames\":%" PRIu64 ",\"trail_frames\":%" PRIu64
                      ",\"gaps\":%" PRIu64 ",\"clicks\":%" PRIu64 "}",
                      c > 0 ? "," : "", channel->silent ? "true" : "false", channel->freq_hz,
                      channel->share, channel->peak_dbfs, channel->rms_dbfs, channel->lead_frames,
                      channel->trail_frames, channel->gaps.count, channel->clicks.count);
    }
    (void)fputc(']', out);
}
