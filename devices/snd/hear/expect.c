/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Expectations, from one table: a row is a key with its limits, its usual tolerance and where a
 * report has what was heard. expect.h shows the language.
 */
#include "devices/snd/hear/expect.h"

#include "vmm/base/text.h"
#include "vmm/config/opts.h"

#include <math.h>
#include <string.h>

#define ITEM_BYTES_MAX   512
#define NUMBER_SIZE      32
#define DETAIL_SIZE      96
#define COUNT_MAX        1e15
#define PLUS_MINUS       "±"
#define PLUS_MINUS_ASCII "+-"

enum scope {
    OF_SOUND,   /* one value for the whole sound */
    OF_CHANNEL, /* one for all channels, or one for each */
    A_WORD,     /* stands alone */
    A_TOLERANCE /* of the row named by `of` */
};

struct key {
    const char *name;
    enum scope scope;
    const char *unit;
    const char *of;
    double min, max;
    double tolerance; /* when the user gives none */
    bool whole;
    bool needs_sound; /* in pure silence there is nothing to judge */
    /* NAN: none, which is as expected if 0 is. */
    double (*heard)(const struct listener_report *report, unsigned channel);
    /* Adds where and how to a failure's line; NULL: nothing to add. */
    void (*detail)(const struct listener_report *report, unsigned channel, char ret[DETAIL_SIZE]);
    const char *help;
};

static double heard_loudest(const struct listener_report *report, unsigned channel)
{
    double loudest = LISTENER_DBFS_MIN;

    (void)channel; /* of all */
    for (unsigned c = 0; c < report->channels; c++)
        loudest = MAX(loudest, report->channel[c].peak_dbfs);
    return loudest;
}

static double heard_channels(const struct listener_report *report, unsigned channel)
{
    (void)channel;
    return report->channels;
}

static double heard_rate(const struct listener_report *report, unsigned channel)
{
    (void)channel;
    return report->rate_hz;
}

static double heard_seconds(const struct listener_report *report, unsigned channel)
{
    (void)channel;
    return (double)report->frames / report->rate_hz;
}

static double heard_frames(const struct listener_report *report, unsigned channel)
{
    (void)channel;
    return (double)report->frames;
}

static double heard_freq(const struct listener_report *report, unsigned channel)
{
    double freq = report->channel[channel].freq_hz;

    return freq > 0 ? freq : NAN;
}

static double heard_level(const struct listener_report *report, unsigned channel)
{
    return report->channel[channel].peak_dbfs;
}

static double heard_gaps(const struct listener_report *report, unsigned channel)
{
    return (double)report->channel[channel].gap_count;
}

static double heard_clicks(const struct listener_report *report, unsigned channel)
{
    return (double)report->channel[channel].click_count;
}

static void detail_freq(const struct listener_report *report, unsigned channel,
                        char ret[DETAIL_SIZE])
{
    const struct listener_channel *heard = &report->channel[channel];

    if (heard->silent || heard->freq_hz == 0)
        (void)snprintf(ret, DETAIL_SIZE, " (%s)", heard->silent ? "silence" : "no pitch");
}

static void detail_gaps(const struct listener_report *report, unsigned channel,
                        char ret[DETAIL_SIZE])
{
    const struct listener_channel *heard = &report->channel[channel];

    if (heard->gap_count > 0)
        (void)snprintf(ret, DETAIL_SIZE, " (the first at %.4f s for %.1f ms)",
                       (double)heard->gaps[0].at_frame / report->rate_hz,
                       1e3 * (double)heard->gaps[0].frames / report->rate_hz);
}

static void detail_clicks(const struct listener_report *report, unsigned channel,
                          char ret[DETAIL_SIZE])
{
    const struct listener_channel *heard = &report->channel[channel];

    if (heard->click_count > 0)
        (void)snprintf(ret, DETAIL_SIZE, " (the first at %.4f s)",
                       (double)heard->clicks[0].at_frame / report->rate_hz);
}

/* Judged in this order: what explains the most comes first. */
static const struct key keys[] = {
    {.name = "silence",
     .scope = A_WORD,
     .heard = heard_loudest,
     .help = "nothing above -80 dBFS in any channel"},
    {.name = "channels",
     .scope = OF_SOUND,
     .min = 1,
     .max = LISTENER_CHANNELS_MAX,
     .whole = true,
     .heard = heard_channels,
     .help = "channels of the sound"},
    {.name = "rate",
     .scope = OF_SOUND,
     .unit = " Hz",
     .min = 1,
     .max = LISTENER_RATE_HZ_MAX,
     .whole = true,
     .heard = heard_rate,
     .help = "frames per second"},
    {.name = "seconds",
     .scope = OF_SOUND,
     .unit = " s",
     .max = COUNT_MAX,
     .tolerance = 0.005,
     .heard = heard_seconds,
     .help = "length; within 5 ms if no ± is given"},
    {.name = "frames",
     .scope = OF_SOUND,
     .max = COUNT_MAX,
     .whole = true,
     .heard = heard_frames,
     .help = "length in frames"},
    {.name = "freq",
     .scope = OF_CHANNEL,
     .unit = " Hz",
     .max = LISTENER_RATE_HZ_MAX,
     .tolerance = 1,
     .heard = heard_freq,
     .detail = detail_freq,
     .help = "strongest pitch in Hz, within 1 Hz if no ± or tol is given; 0: no pitch"},
    {.name = "tol",
     .scope = A_TOLERANCE,
     .of = "freq",
     .max = LISTENER_RATE_HZ_MAX,
     .help = "tolerance of freq in Hz"},
    {.name = "level",
     .scope = OF_CHANNEL,
     .unit = " dBFS",
     .min = LISTENER_DBFS_MIN,
     .max = 120,
     .tolerance = 1,
     .needs_sound = true,
     .heard = heard_level,
     .help = "peak in dBFS (a full-scale sine has 0), within 1 dB if no ± is given"},
    {.name = "gaps",
     .scope = OF_CHANNEL,
     .max = COUNT_MAX,
     .whole = true,
     .needs_sound = true,
     .heard = heard_gaps,
     .detail = detail_gaps,
     .help = "stretches of 1 ms and more below -80 dBFS, with sound before and after"},
    {.name = "clicks",
     .scope = OF_CHANNEL,
     .max = COUNT_MAX,
     .whole = true,
     .needs_sound = true,
     .heard = heard_clicks,
     .detail = detail_clicks,
     .help = "places where the wave does not go on as it should"},
};
_Static_assert(ARRAY_SIZE(keys) <= EXPECT_KEYS_MAX, "struct expect has room for each key");

/* -- parsing -- */

#define REFUSE(why, ...) ((void)snprintf((why), EXPECT_LINE_SIZE, __VA_ARGS__), -EINVAL)

static const struct key *find_key(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        if (strcmp(keys[i].name, name) == 0)
            return &keys[i];
    }
    return NULL;
}

static int refuse_unknown(const char *name, char why[EXPECT_LINE_SIZE])
{
    char quoted[TEXT_QUOTE_SIZE], all[EXPECT_LINE_SIZE / 2] = "";
    struct text_nearest nearest;

    text_nearest_init(&nearest, name);
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        size_t len = strlen(all);

        text_nearest_offer(&nearest, keys[i].name);
        (void)snprintf(all + len, sizeof(all) - len, "%s%s", i > 0 ? ", " : "", keys[i].name);
    }
    if (nearest.best)
        return REFUSE(why, "unknown key %s; did you mean %s?", text_quote(quoted, name),
                      nearest.best);
    return REFUSE(why, "unknown key %s; there are %s", text_quote(quoted, name), all);
}

/* Reads a plain decimal number that starts at *text and ends at any of `ends` or at the text's end;
 * leaves *text there. */
static bool take_number(const char **text, const char *ends, double *ret_number)
{
    char *end;

    if (strspn(*text, "+-.0123456789") == 0 || strpbrk(*text, "xXpP"))
        return false;

    double number = strtod(*text, &end);

    if (end == *text || !isfinite(number) || (*end != '\0' && !strchr(ends, *end)))
        return false;
    *text = end;
    *ret_number = number;
    return true;
}

static int refuse_value(const struct key *key, const char *value, char why[EXPECT_LINE_SIZE])
{
    char quoted[TEXT_QUOTE_SIZE], range[2 * NUMBER_SIZE] = "from 0 up";

    if (key->max < COUNT_MAX)
        (void)snprintf(range, sizeof(range), "%.10g to %.10g", key->min, key->max);
    return REFUSE(why, "%s: %s is not a %s, %s", key->name, text_quote(quoted, value),
                  key->whole ? "whole number" : "number", range);
}

static bool is_allowed(const struct key *key, double number)
{
    return number >= key->min && number <= key->max && (!key->whole || number == floor(number));
}

/* Splits "value±tolerance" at the sign, which becomes the value's end; NULL: there is none. */
static char *split_tolerance(char *value)
{
    static const char *const signs[] = {PLUS_MINUS, PLUS_MINUS_ASCII};

    for (size_t i = 0; i < ARRAY_SIZE(signs); i++) {
        char *sign = strstr(value, signs[i]);

        if (sign) {
            *sign = '\0';
            return sign + strlen(signs[i]);
        }
    }
    return NULL;
}

static int parse_tolerance(const struct key *key, const char *text, struct expect_value *value,
                           char why[EXPECT_LINE_SIZE])
{
    char quoted[TEXT_QUOTE_SIZE];
    const char *at = text;

    if (!take_number(&at, "", &value->tolerance) || value->tolerance < 0)
        return REFUSE(why, "%s: tolerance %s is not a number from 0 up", key->name,
                      text_quote(quoted, text));
    return 0;
}

static int parse_numbers(const struct key *key, const char *text, struct expect_value *value,
                         char why[EXPECT_LINE_SIZE])
{
    const char *at = text;

    for (;;) {
        double number;

        if (!take_number(&at, "/", &number) || !is_allowed(key, number))
            return refuse_value(key, text, why);
        if (value->count == (key->scope == OF_CHANNEL ? LISTENER_CHANNELS_MAX : 1))
            return REFUSE(why, "%s: takes %s", key->name,
                          key->scope == OF_CHANNEL ? "at most 32 values" : "one value");
        value->want[value->count++] = number;
        if (*at == '\0')
            return 0;
        at++;
    }
}

static int parse_value(const struct key *key, char *text, struct expect_value *value,
                       char why[EXPECT_LINE_SIZE])
{
    if (key->scope == A_WORD)
        return text ? REFUSE(why, "%s: takes no value; write %s alone", key->name, key->name) : 0;
    if (!text || *text == '\0')
        return REFUSE(why, "%s: needs a value; write %s=NUMBER", key->name, key->name);
    if (key->scope == A_TOLERANCE)
        return parse_tolerance(key, text, value, why);
    value->tolerance = key->tolerance;

    char *tolerance = split_tolerance(text);
    int r = parse_numbers(key, text, value, why);

    return r == 0 && tolerance ? parse_tolerance(key, tolerance, value, why) : r;
}

static int parse_item(char *item, struct expect *expect, char why[EXPECT_LINE_SIZE])
{
    char *text = strchr(item, '=');

    if (text)
        *text++ = '\0';

    const struct key *key = find_key(item);

    if (!key)
        return refuse_unknown(item, why);

    struct expect_value *value = &expect->values[key - keys];

    if (value->given)
        return REFUSE(why, "%s: given twice", key->name);
    value->given = true;
    return parse_value(key, text, value, why);
}

/* A tolerance given as a key of its own goes to the key it belongs to. */
static int hand_tolerances(struct expect *expect, char why[EXPECT_LINE_SIZE])
{
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        if (keys[i].scope != A_TOLERANCE || !expect->values[i].given)
            continue;

        struct expect_value *value = &expect->values[find_key(keys[i].of) - keys];

        if (!value->given)
            return REFUSE(why, "%s: is the tolerance of %s, which is missing; add %s=NUMBER",
                          keys[i].name, keys[i].of, keys[i].of);
        value->tolerance = expect->values[i].tolerance;
    }
    return 0;
}

int expect_parse(const char *text, struct expect *ret_expect, char ret_why[EXPECT_LINE_SIZE])
{
    struct expect expect = {0};
    const char *at = text;
    int r;

    for (;;) {
        char item[ITEM_BYTES_MAX + 1];
        size_t len = strcspn(at, ",");

        if (len == 0)
            return REFUSE(ret_why, "empty %s; write key=value,... such as freq=440,gaps=0",
                          *text == '\0' ? "list" : "place between commas");
        if (len > ITEM_BYTES_MAX)
            return REFUSE(ret_why, "an entry is longer than %d bytes", ITEM_BYTES_MAX);
        memcpy(item, at, len);
        item[len] = '\0';
        r = parse_item(item, &expect, ret_why);
        if (r < 0)
            return r;
        if (at[len] == '\0')
            break;
        at += len + 1;
    }
    r = hand_tolerances(&expect, ret_why);
    if (r == 0)
        *ret_expect = expect;
    return r;
}

/* -- judging -- */

static const char *number_text(double number, bool exact, const char *unit, char buf[NUMBER_SIZE])
{
    if (isnan(number))
        return "none";
    (void)snprintf(buf, NUMBER_SIZE, exact ? "%.10g%s" : "%.3f%s", number, unit ? unit : "");
    return buf;
}

static bool judge_number(const struct key *key, const struct expect_value *value,
                         const struct listener_report *report, unsigned channel,
                         char line[EXPECT_LINE_SIZE])
{
    double want = value->want[value->count > 1 ? channel : 0];
    double heard = key->heard(report, channel);
    char texts[3][NUMBER_SIZE], tolerance[NUMBER_SIZE + 4] = "", where[NUMBER_SIZE] = "";
    char detail[DETAIL_SIZE] = "";

    if (isnan(heard) ? want == 0 : fabs(heard - want) <= value->tolerance)
        return true;
    if (value->tolerance > 0)
        (void)snprintf(tolerance, sizeof(tolerance), " " PLUS_MINUS "%s",
                       number_text(value->tolerance, true, NULL, texts[2]));
    if (key->scope == OF_CHANNEL && report->channels > 1)
        (void)snprintf(where, sizeof(where), " in channel %u", channel + 1);
    if (key->detail)
        key->detail(report, channel, detail);
    (void)snprintf(line, EXPECT_LINE_SIZE, "expected %s %s%s%s, heard %s%s%s", key->name,
                   number_text(want, true, NULL, texts[0]), tolerance, key->unit ? key->unit : "",
                   number_text(heard, key->whole, key->unit, texts[1]), where, detail);
    return false;
}

static bool judge_word(const struct listener_report *report, const struct key *key,
                       char line[EXPECT_LINE_SIZE])
{
    if (report->silent)
        return true;
    (void)snprintf(line, EXPECT_LINE_SIZE, "expected %s, heard sound of up to %.2f dBFS", key->name,
                   key->heard(report, 0));
    return false;
}

static bool judge_key(const struct key *key, const struct expect_value *value,
                      const struct listener_report *report, char line[EXPECT_LINE_SIZE])
{
    unsigned channels = key->scope == OF_CHANNEL ? report->channels : 1;

    if (key->scope == A_TOLERANCE)
        return true;
    if (key->scope == A_WORD)
        return judge_word(report, key, line);
    if (key->needs_sound && report->silent) {
        (void)snprintf(line, EXPECT_LINE_SIZE, "expected %s in a sound, heard %s", key->name,
                       report->frames > 0 ? "only silence" : "nothing: 0 frames");
        return false;
    }
    if (value->count > 1 && value->count != report->channels) {
        (void)snprintf(line, EXPECT_LINE_SIZE, "expected %s for each of %u channels, heard %u",
                       key->name, value->count, report->channels);
        return false;
    }
    for (unsigned c = 0; c < channels; c++) {
        if (!judge_number(key, value, report, c, line))
            return false;
    }
    return true;
}

bool expect_judge(const struct expect *expect, const struct listener_report *report,
                  char ret_line[EXPECT_LINE_SIZE])
{
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        if (expect->values[i].given && !judge_key(&keys[i], &expect->values[i], report, ret_line))
            return false;
    }
    return true;
}

void expect_help(FILE *out)
{
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        char left[NUMBER_SIZE];

        (void)snprintf(left, sizeof(left), "%s%s", keys[i].name,
                       keys[i].scope == A_WORD       ? ""
                       : keys[i].scope == OF_CHANNEL ? "=N[/N...]"
                                                     : "=N");
        opts_help_row(out, 4, left, keys[i].help);
    }
}
