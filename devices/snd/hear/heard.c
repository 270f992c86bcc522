/* SPDX-License-Identifier: BSD-3-Clause */
/* See heard.h. Jansson quotes what is text in JSON. */
#include "devices/snd/hear/heard.h"

#include <inttypes.h>
#include <jansson.h>

/* Shorter silence at the ends is a wave that begins at zero. */
#define EDGE_SECONDS_MIN 0.001

#define PITCH_SIZE 48

static double seconds(const struct listener_report *report, uint64_t frames)
{
    return (double)frames / report->rate_hz;
}

/* -- for people -- */

static void print_line(FILE *out, const char *label, const char *text)
{
    (void)fprintf(out, "  %-10s %s\n", label, text);
}

static const char *pitch_text(const struct listener_channel *channel, char buf[PITCH_SIZE])
{
    if (channel->silent)
        return "silence";
    if (channel->freq_hz == 0)
        return "no pitch";
    (void)snprintf(buf, PITCH_SIZE, "%.2f Hz (%.*f %%)", channel->freq_hz,
                   channel->share < 0.9995 ? 1 : 0, channel->share * 100);
    return buf;
}

static void print_channel(const struct listener_report *report, unsigned index, FILE *out)
{
    const struct listener_channel *channel = &report->channel[index];
    char label[24], pitch[PITCH_SIZE];

    (void)snprintf(label, sizeof(label), "channel %u", index + 1);
    (void)fprintf(out, "  %-10s %-20s peak %7.2f dBFS, rms %7.2f dBFS", label,
                  pitch_text(channel, pitch), channel->peak_dbfs, channel->rms_dbfs);
    if (seconds(report, channel->lead_frames) >= EDGE_SECONDS_MIN && !channel->silent)
        (void)fprintf(out, ", silent for %.4f s before", seconds(report, channel->lead_frames));
    if (seconds(report, channel->trail_frames) >= EDGE_SECONDS_MIN)
        (void)fprintf(out, ", silent for %.4f s after", seconds(report, channel->trail_frames));
    (void)fputc('\n', out);
}

/* A line of marks for each channel that has some, or "none". */
static void print_marks(const struct listener_report *report, bool gaps, FILE *out)
{
    const char *label = gaps ? "gaps" : "clicks";
    bool any = false;

    for (unsigned c = 0; c < report->channels; c++) {
        const struct listener_channel *channel = &report->channel[c];
        const struct listener_marks *marks = gaps ? &channel->gaps : &channel->clicks;

        if (marks->count == 0)
            continue;
        (void)fprintf(out, "  %-10s %" PRIu64 " in channel %u:", any ? "" : label, marks->count,
                      c + 1);
        for (uint64_t i = 0; i < MIN(marks->count, (uint64_t)LISTENER_MARKS_MAX); i++) {
            (void)fprintf(out, "%s %.4f s", i > 0 ? "," : "",
                          seconds(report, marks->first[i].at_frame));
            if (gaps)
                (void)fprintf(out, " for %.1f ms", 1e3 * seconds(report, marks->first[i].frames));
        }
        (void)fputs(marks->count > LISTENER_MARKS_MAX ? ", ...\n" : "\n", out);
        any = true;
    }
    if (!any)
        print_line(out, label, "none");
}

void heard_print(const struct heard *heard, FILE *out)
{
    const struct listener_report *report = &heard->report;

    (void)fprintf(out, "%s\n", heard->path);
    print_line(out, "format", heard->format);
    (void)fprintf(out, "  %-10s %" PRIu64 " (%.4f s)%s\n", "frames", report->frames,
                  seconds(report, report->frames), report->frames == 0 ? ": no sound" : "");
    (void)fprintf(out, "  %-10s %u Hz\n", "rate", report->rate_hz);
    (void)fprintf(out, "  %-10s %u\n", "channels", report->channels);
    for (unsigned c = 0; c < report->channels && report->frames > 0; c++)
        print_channel(report, c, out);
    print_marks(report, true, out);
    print_marks(report, false, out);
    if (heard->judged)
        print_line(out, "verdict", heard->as_expected ? "as expected" : heard->verdict);
    if (heard->same.path)
        (void)fprintf(out, "  identical to what was played: %s\n", heard->same.line);
}

/* -- for programs -- */

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

/* A member whose value is text. */
static int print_text(FILE *out, const char *key, const char *text)
{
    json_t *string = json_string(text);

    if (string == NULL)
        return -ENOMEM;
    (void)fprintf(out, "\"%s\":", key);
    (void)json_dumpf(string, out,
                     JSON_ENCODE_ANY); /* what is wrong with `out` is seen at its end */
    (void)fputc(',', out);
    json_decref(string);
    return 0;
}

int heard_print_json(const struct heard *heard, FILE *out)
{
    (void)fputc('{', out);
    int r = print_text(out, "file", heard->path);
    r |= print_text(out, "format", heard->format);
    if (heard->judged)
        r |= print_text(out, "verdict", heard->as_expected ? "as expected" : heard->verdict);
    if (heard->same.path != NULL)
        r |= print_text(out, "identical", heard->same.line);
    (void)fprintf(out, "\"rate_hz\":%u,", heard->report.rate_hz);
    heard_json(&heard->report, out);
    (void)fputs("}\n", out);
    return r < 0 ? -ENOMEM : 0;
}
