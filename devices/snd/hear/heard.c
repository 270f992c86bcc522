/* SPDX-License-Identifier: BSD-3-Clause */
/* See heard.h. Jansson writes the JSON. */
#include "devices/snd/hear/heard.h"

#include <inttypes.h>
#include <jansson.h>
#include <string.h>

/* Shorter silence at the ends is a wave that begins at zero. */
#define EDGE_SECONDS_MIN 0.001

#define DC_MIN 0.0005

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
    if (channel->dc > DC_MIN || channel->dc < -DC_MIN)
        (void)fprintf(out, ", DC %+.4f", channel->dc);
    if (seconds(report, channel->lead_frames) >= EDGE_SECONDS_MIN && !channel->silent)
        (void)fprintf(out, ", silent for %.4f s before", seconds(report, channel->lead_frames));
    if (seconds(report, channel->trail_frames) >= EDGE_SECONDS_MIN)
        (void)fprintf(out, ", silent for %.4f s after", seconds(report, channel->trail_frames));
    if (channel->clipped_frames > 0)
        (void)fprintf(out, ", %" PRIu64 " frames clipped", channel->clipped_frames);
    if (channel->invalid_frames > 0)
        (void)fprintf(out, ", %" PRIu64 " samples are no numbers", channel->invalid_frames);
    (void)fputc('\n', out);
}

/* A line of marks for each channel that has some, or "none". */
static void print_marks(const struct listener_report *report, bool gaps, FILE *out)
{
    const char *label = gaps ? "gaps" : "clicks";
    bool any = false;

    for (unsigned c = 0; c < report->channels; c++) {
        const struct listener_channel *channel = &report->channel[c];
        const struct listener_mark *marks = gaps ? channel->gaps : channel->clicks;
        uint64_t count = gaps ? channel->gap_count : channel->click_count;

        if (count == 0)
            continue;
        (void)fprintf(out, "  %-10s %" PRIu64 " in channel %u:", any ? "" : label, count, c + 1);
        for (uint64_t i = 0; i < MIN(count, (uint64_t)LISTENER_MARKS_MAX); i++) {
            (void)fprintf(out, "%s %.4f s", i > 0 ? "," : "", seconds(report, marks[i].at_frame));
            if (gaps)
                (void)fprintf(out, " for %.1f ms", 1e3 * seconds(report, marks[i].frames));
        }
        (void)fputs(count > LISTENER_MARKS_MAX ? ", ...\n" : "\n", out);
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

/* A number, or null where there is none to tell. */
static json_t *number_or_null(bool known, double number)
{
    return known ? json_real(number) : json_null();
}

static json_t *integer(uint64_t number)
{
    return json_integer((json_int_t)number);
}

static json_t *marks_json(const struct listener_mark *marks, uint64_t count)
{
    json_t *array = json_array();

    for (uint64_t i = 0; i < MIN(count, (uint64_t)LISTENER_MARKS_MAX); i++)
        (void)json_array_append_new(array,
                                    json_pack("{s:o, s:o}", "at_frame", integer(marks[i].at_frame),
                                              "frames", integer(marks[i].frames)));
    return array;
}

static json_t *channel_json(const struct listener_channel *channel)
{
    return json_pack(
        "{s:b, s:o, s:f, s:o, s:o, s:f, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "silent",
        channel->silent, "freq_hz", number_or_null(channel->freq_hz > 0, channel->freq_hz), "share",
        channel->share, "peak_dbfs",
        number_or_null(channel->peak_dbfs > LISTENER_DBFS_MIN, channel->peak_dbfs), "rms_dbfs",
        number_or_null(channel->rms_dbfs > LISTENER_DBFS_MIN, channel->rms_dbfs), "dc", channel->dc,
        "lead_frames", integer(channel->lead_frames), "trail_frames",
        integer(channel->trail_frames), "gap_count", integer(channel->gap_count),
        "gap_longest_frames", integer(channel->gap_longest_frames), "gaps",
        marks_json(channel->gaps, channel->gap_count), "click_count", integer(channel->click_count),
        "clicks", marks_json(channel->clicks, channel->click_count), "clipped_frames",
        integer(channel->clipped_frames), "invalid_frames", integer(channel->invalid_frames));
}

static json_t *report_json(const struct listener_report *report)
{
    json_t *object, *channels = json_array();

    for (unsigned c = 0; c < report->channels; c++)
        (void)json_array_append_new(channels, channel_json(&report->channel[c]));
    object = json_pack("{s:o, s:f, s:o, s:b, s:o}", "frames", integer(report->frames), "seconds",
                       seconds(report, report->frames), "rate_hz", integer(report->rate_hz),
                       "silent", report->silent, "channels", channels);
    return object;
}

int heard_print_json(const struct heard *heard, FILE *out)
{
    json_t *object = json_pack("{s:s, s:s}", "file", heard->path, "format", heard->format);

    (void)json_object_update_new(object, report_json(&heard->report));
    if (heard->judged)
        (void)json_object_set_new(
            object, "expect",
            json_pack("{s:b, s:s}", "ok", heard->as_expected, "told", heard->verdict));
    if (heard->same.path)
        (void)json_object_set_new(object, "same_as",
                                  json_pack("{s:s, s:b, s:s}", "file", heard->same.path,
                                            "identical", heard->same.identical, "told",
                                            heard->same.line));

    char *text = object ? json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;

    json_decref(object);
    if (!text)
        return -ENOMEM;
    (void)fprintf(out, "%s\n", text);
    free(text);
    return 0;
}
