/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Expectations. Their keys are options like any others; a second table says what numbers each takes
 * and how it is judged. expect.h shows the language.
 */
#include "devices/snd/hear/expect.h"

#include "vmm/base/text.h"
#include "vmm/config/opts.h"

#include <math.h>
#include <string.h>

#define NUMBER_SIZE 32
#define DETAIL_SIZE 96
#define COUNT_MAX   1e15
#define PLUS_MINUS  "±"

/* Judged in this order: what explains the most comes first. */
enum key { SILENCE, CHANNELS, RATE, SECONDS, FRAMES, FREQ, TOL, LEVEL, GAPS, CLICKS };

static const struct opt options[] = {
    [SILENCE] = {"silence", .type = OPT_BOOL, .help = "nothing above -80 dBFS in any channel"},
    [CHANNELS] = {"channels", .arg = "N", .help = "channels of the sound"},
    [RATE] = {"rate", .arg = "N", .help = "frames per second"},
    [SECONDS] = {"seconds", .arg = "N", .help = "length; within 5 ms if no ± is given"},
    [FRAMES] = {"frames", .arg = "N", .help = "length in frames"},
    [FREQ] = {"freq", .arg = "N[/N...]",
              .help = "strongest pitch in Hz, within 1 Hz if no ± or tol is given; 0: no pitch"},
    [TOL] = {"tol", .arg = "N", .help = "tolerance of freq in Hz"},
    [LEVEL] = {"level", .arg = "N[/N...]",
               .help = "peak in dBFS (a full-scale sine has 0), within 1 dB if no ± is given"},
    [GAPS] = {"gaps", .arg = "N[/N...]",
              .help = "stretches of 1 ms and more below -80 dBFS, with sound before and after"},
    [CLICKS] = {"clicks", .arg = "N[/N...]",
                .help = "places where the wave does not go on as it should"},
    {0},
};
_Static_assert(ARRAY_SIZE(options) == EXPECT_KEYS + 1, "struct expect has room for each key");

static const struct rule {
    double min, max;
    double tolerance; /* when the user gives none */
    const char *unit;
    bool whole;
    bool each;        /* one for all channels, or one for each */
    bool needs_sound; /* in pure silence there is nothing to judge */
} rules[EXPECT_KEYS] = {
    [CHANNELS] = {1, LISTENER_CHANNELS_MAX, .whole = true},
    [RATE] = {1, LISTENER_RATE_HZ_MAX, .unit = " Hz", .whole = true},
    [SECONDS] = {0, COUNT_MAX, 0.005, " s"},
    [FRAMES] = {0, COUNT_MAX, .whole = true},
    [FREQ] = {0, LISTENER_RATE_HZ_MAX, 1, " Hz", .each = true},
    [TOL] = {0, LISTENER_RATE_HZ_MAX},
    [LEVEL] = {LISTENER_DBFS_MIN, 120, 1, " dBFS", .each = true, .needs_sound = true},
    [GAPS] = {0, COUNT_MAX, .whole = true, .each = true, .needs_sound = true},
    [CLICKS] = {0, COUNT_MAX, .whole = true, .each = true, .needs_sound = true},
};

/* -- parsing -- */

/* Reads "440", "440/880" or "440±1". */
static bool value_parse(const struct rule *rule, const char *text, struct expect_value *value)
{
    const char *at = text;
    char *end;

    if (text[strspn(text, "0123456789.eE+-/" PLUS_MINUS)] != '\0') /* such as "nan" and "0x10" */
        return false;
    value->tolerance = rule->tolerance;
    do {
        if (value->count == (rule->each ? LISTENER_CHANNELS_MAX : 1))
            return false;
        double want = value->want[value->count++] = strtod(at, &end);
        if (end == at || want < rule->min || want > rule->max ||
            (rule->whole && want != floor(want)))
            return false;
        at = end + 1;
    } while (*end == '/');
    if (*end == '\0')
        return true;
    if (strncmp(end, PLUS_MINUS, 2) != 0 && strncmp(end, "+-", 2) != 0)
        return false;
    at = end + 2;
    value->tolerance = strtod(at, &end);
    return end > at && *end == '\0' && value->tolerance >= 0;
}

static int key_parse(enum key key, const char *prefix, const char *text, struct expect_value *value)
{
    const struct rule *rule = &rules[key];
    char quoted[TEXT_QUOTE_SIZE], most[NUMBER_SIZE] = "up";

    value->given = true;
    if (value_parse(rule, text, value))
        return 0;
    if (rule->max < COUNT_MAX)
        (void)snprintf(most, sizeof(most), "to %.10g", rule->max);
    return opts_error("%s%s: %s: give a %s from %.10g %s%s, and ±N if it may be off by so much",
                      prefix, options[key].name, text_quote(quoted, text),
                      rule->whole ? "whole number" : "number", rule->min, most,
                      rule->each ? ", or one for each channel, as N/N" : "");
}

int expect_parse(const char *text, const char *prefix, struct expect *ret_expect)
{
    struct expect expect = {0};
    struct opts *opts = NULL;
    bool any = false;
    int r = opts_create(options, &opts);

    if (r == 0)
        r = opts_parse(opts, prefix, text);
    for (enum key key = 0; key < EXPECT_KEYS && r == 0; key++) {
        if (!opts_given(opts, options[key].name))
            continue;
        any = true;
        if (key == SILENCE)
            expect.value[key].given = opts_bool(opts, "silence");
        else
            r = key_parse(key, prefix, opts_str(opts, options[key].name), &expect.value[key]);
    }
    if (r == 0 && !any)
        r = opts_error("%sempty; write key=value,... such as freq=440,gaps=0", prefix);
    if (r == 0 && expect.value[TOL].given && !expect.value[FREQ].given)
        r = opts_error("%stol: is the tolerance of freq, which is missing; add freq=N", prefix);
    if (expect.value[TOL].given)
        expect.value[FREQ].tolerance = expect.value[TOL].want[0];
    if (r == 0)
        *ret_expect = expect;
    opts_destroy(opts);
    return r;
}

void expect_help(FILE *out)
{
    opts_help_keys(out, options);
}

/* -- judging -- */

/* NAN: none, which is as expected if 0 is. Also where and how it was heard, for a failure's line.
 */
static double heard(enum key key, const struct listener_report *report, unsigned channel,
                    char ret_detail[DETAIL_SIZE])
{
    const struct listener_channel *one = &report->channel[channel];
    const double rate = report->rate_hz;

    ret_detail[0] = '\0';
    switch (key) {
    case CHANNELS:
        return report->channels;
    case RATE:
        return rate;
    case SECONDS:
        return (double)report->frames / rate;
    case FRAMES:
        return (double)report->frames;
    case FREQ:
        if (one->freq_hz == 0)
            (void)snprintf(ret_detail, DETAIL_SIZE, one->silent ? " (silence)" : " (no pitch)");
        return one->freq_hz > 0 ? one->freq_hz : NAN;
    case LEVEL:
        return one->peak_dbfs;
    case GAPS:
        if (one->gaps.count > 0)
            (void)snprintf(ret_detail, DETAIL_SIZE, " (the first at %.4f s for %.1f ms)",
                           (double)one->gaps.first[0].at_frame / rate,
                           1e3 * (double)one->gaps.first[0].frames / rate);
        return (double)one->gaps.count;
    default:
        if (one->clicks.count > 0)
            (void)snprintf(ret_detail, DETAIL_SIZE, " (the first at %.4f s)",
                           (double)one->clicks.first[0].at_frame / rate);
        return (double)one->clicks.count;
    }
}

static bool judge_number(enum key key, const struct expect_value *value,
                         const struct listener_report *report, unsigned channel,
                         char line[EXPECT_LINE_SIZE])
{
    const struct rule *rule = &rules[key];
    double want = value->want[value->count > 1 ? channel : 0], is;
    char tolerance[NUMBER_SIZE + 4] = "", number[NUMBER_SIZE] = "none", where[NUMBER_SIZE] = "";
    const char *unit = rule->unit != NULL ? rule->unit : "";
    char more[DETAIL_SIZE];

    is = heard(key, report, channel, more);
    if (isnan(is) ? want == 0 : fabs(is - want) <= value->tolerance)
        return true;
    if (value->tolerance > 0)
        (void)snprintf(tolerance, sizeof(tolerance), " " PLUS_MINUS "%.10g", value->tolerance);
    if (!isnan(is))
        (void)snprintf(number, sizeof(number), rule->whole ? "%.10g%s" : "%.3f%s", is, unit);
    if (rule->each && report->channels > 1)
        (void)snprintf(where, sizeof(where), " in channel %u", channel + 1);
    (void)snprintf(line, EXPECT_LINE_SIZE, "expected %s %.10g%s%s, heard %s%s%s", options[key].name,
                   want, tolerance, unit, number, where, more);
    return false;
}

static bool judge_silence(const struct listener_report *report, char line[EXPECT_LINE_SIZE])
{
    double loudest = LISTENER_DBFS_MIN;

    for (unsigned c = 0; c < report->channels; c++)
        loudest = MAX(loudest, report->channel[c].peak_dbfs);
    if (!report->silent)
        (void)snprintf(line, EXPECT_LINE_SIZE, "expected silence, heard sound of up to %.2f dBFS",
                       loudest);
    return report->silent;
}

static bool judge_key(enum key key, const struct expect_value *value,
                      const struct listener_report *report, char line[EXPECT_LINE_SIZE])
{
    const char *name = options[key].name;
    unsigned channels = rules[key].each ? report->channels : 1;

    if (key == SILENCE)
        return judge_silence(report, line);
    if (rules[key].needs_sound && report->silent) {
        (void)snprintf(line, EXPECT_LINE_SIZE, "expected %s in a sound, heard %s", name,
                       report->frames > 0 ? "only silence" : "nothing: 0 frames");
        return false;
    }
    if (value->count > 1 && value->count != report->channels) {
        (void)snprintf(line, EXPECT_LINE_SIZE, "expected %s for each of %u channels, heard %u",
                       name, value->count, report->channels);
        return false;
    }
    for (unsigned c = 0; c < channels; c++)
        if (!judge_number(key, value, report, c, line))
            return false;
    return true;
}

bool expect_judge(const struct expect *expect, const struct listener_report *report,
                  char ret_line[EXPECT_LINE_SIZE])
{
    for (enum key key = 0; key < EXPECT_KEYS; key++)
        if (expect->value[key].given && key != TOL &&
            !judge_key(key, &expect->value[key], report, ret_line))
            return false;
    return true;
}
