/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One value of one row: from text to a number or a checked word, the words for what a row takes,
 * and numbers back to text. See opts.h.
 */
#include "vmm/base/text.h"
#include "vmm/base/timebase.h"
#include "vmm/config/opts.h"

#include <inttypes.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define NAME_BYTES_MAX 64
#define MIB            (UINT64_C(1) << 20)

/* Smallest first; ends with {0}. */
struct unit {
    const char *name;
    uint64_t factor;
};

static const struct unit no_units[] = {{0}};
static const struct unit size_units[] = {
    {"K", UINT64_C(1) << 10}, {"M", MIB}, {"G", UINT64_C(1) << 30}, {"T", UINT64_C(1) << 40}, {0},
};
static const struct unit duration_units[] = {
    {"ms", MS_NS}, {"s", SECOND_NS}, {"m", 60 * SECOND_NS}, {"h", 3600 * SECOND_NS}, {0},
};

static const struct unit *row_units(const struct opt *row)
{
    if (row->type == OPT_SIZE)
        return size_units;
    return row->type == OPT_DURATION ? duration_units : no_units;
}

/* What a number without a unit counts. */
static uint64_t row_plain_factor(const struct opt *row)
{
    if (row->type == OPT_DURATION)
        return SECOND_NS;
    return (row->flags & OPT_PLAIN_MIB) != 0 ? MIB : 1;
}

static bool is_number(const struct opt *row)
{
    return row->type == OPT_INT || row->type == OPT_SIZE || row->type == OPT_DURATION;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Largest number: what JSON's integers hold, for every reader of them. */
static uint64_t row_max(const struct opt *row)
{
    return row->max != 0 ? row->max : INT64_MAX;
}

int opt_number_parse(const struct opt *row, const char *text, uint64_t *ret_number)
{
    const struct unit *unit = row_units(row);
    uint64_t number = 0, factor = row_plain_factor(row);
    bool over = false;

    if (text[0] == '-' && is_digit(text[1]))
        return -ERANGE;
    if (!is_digit(*text))
        return -EINVAL;
    for (; is_digit(*text); text++)
        over = over || ckd_mul(&number, number, 10) ||
               ckd_add(&number, number, (uint64_t)(*text - '0'));
    if (*text != '\0') {
        while (unit->name != NULL && strcasecmp(unit->name, text) != 0)
            unit++;
        if (unit->name == NULL)
            return -EINVAL;
        factor = unit->factor;
    }
    if (over || ckd_mul(&number, number, factor) || number < row->min || number > row_max(row))
        return -ERANGE;
    if (row->multiple != 0 && number % row->multiple != 0)
        return -EDOM;
    *ret_number = number;
    return 0;
}

static int bool_parse(const char *text, uint64_t *ret_number)
{
    static const char *const words[][3] = {{"off", "no", "false"}, {"on", "yes", "true"}};

    for (size_t value = 0; value < ARRAY_SIZE(words); value++) {
        for (size_t i = 0; i < ARRAY_SIZE(words[value]); i++) {
            if (strcmp(text, words[value][i]) == 0) {
                *ret_number = value;
                return 0;
            }
        }
    }
    return -EINVAL;
}

static int choice_parse(const struct opt *row, const char *text, uint64_t *ret_number)
{
    for (size_t i = 0; row->choices[i] != NULL; i++) {
        const char *colon = strchr(row->choices[i], ':');
        size_t len = colon == NULL ? 0 : (size_t)(colon - row->choices[i]) + 1;
        bool same = colon == NULL ? strcmp(text, row->choices[i]) == 0
                                  : strncmp(text, row->choices[i], len) == 0 && text[len] != '\0';
        if (same) {
            *ret_number = i;
            return 0;
        }
    }
    return -EINVAL;
}

static int name_check(const char *text)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

    if (text[0] == '\0' || text[0] == '.' || text[0] == '_' || text[0] == '-')
        return -EINVAL;
    return text[strspn(text, letters)] == '\0' ? 0 : -EINVAL;
}

static size_t row_bytes_max(const struct opt *row)
{
    if (row->type == OPT_NAME)
        return NAME_BYTES_MAX;
    if (row->type == OPT_STRING && row->max != 0)
        return (size_t)row->max;
    return OPTS_VALUE_MAX;
}

/* No more than the row allows. */
static int all_cpus(const struct opt *row, uint64_t *ret_number)
{
    cpu_set_t set;

    /* fails where there are more than such a set holds: more than any row allows */
    uint64_t count =
        sched_getaffinity(0, sizeof(set), &set) < 0 ? row->max : (uint64_t)CPU_COUNT(&set);
    *ret_number = MIN(count, row->max);
    return 0;
}

/* -E2BIG too long, -EILSEQ not clean text, else as opt_number_parse(). */
static int value_parse(const struct opt *row, const char *text, uint64_t *ret_number)
{
    size_t len = strnlen(text, row_bytes_max(row) + 1);

    _Static_assert(OPTS_VALUE_MAX < PATH_MAX, "a path that is taken can be opened");
    if (len > row_bytes_max(row))
        return -E2BIG;
    if (!text_is_clean(text, len))
        return -EILSEQ;
    switch (row->type) {
    case OPT_STRING:
        return 0;
    case OPT_PATH:
        return len > 0 ? 0 : -EINVAL;
    case OPT_NAME:
        return name_check(text);
    case OPT_BOOL:
        return bool_parse(text, ret_number);
    case OPT_CHOICE:
        return choice_parse(row, text, ret_number);
    case OPT_INT:
        if ((row->flags & OPT_ALL_CPUS) != 0 && strcmp(text, "all") == 0)
            return all_cpus(row, ret_number);
        return opt_number_parse(row, text, ret_number);
    case OPT_SIZE:
    case OPT_DURATION:
        return opt_number_parse(row, text, ret_number);
    }
    assert(false);
    return -EINVAL;
}

/* `; did you mean "x"?`, or nothing. */
static const char *choice_hint(const struct opt *row, const char *text, char *buf, size_t size)
{
    struct text_nearest nearest;

    buf[0] = '\0';
    if (row->type != OPT_CHOICE)
        return buf;
    text_nearest_init(&nearest, text);
    for (size_t i = 0; row->choices[i] != NULL; i++)
        text_nearest_offer(&nearest, row->choices[i]);
    if (nearest.best != NULL)
        (void)snprintf(buf, size, "; did you mean \"%s\"?", nearest.best);
    return buf;
}

int opt_value_parse(const struct opt *row, const char *prefix, const char *text,
                    uint64_t *ret_number)
{
    char quote[TEXT_QUOTE_SIZE], wants[OPT_WANTS_SIZE], hint[64];
    int r = value_parse(row, text, ret_number);

    if (r == 0)
        return 0;
    (void)text_quote(quote, text);
    (void)opt_wants(row, wants);
    (void)choice_hint(row, text, hint, sizeof(hint));
    switch (r) {
    case -E2BIG:
        return opts_error("%s%s: too long; at most %zu bytes are taken", prefix, row->name,
                          row_bytes_max(row));
    case -EILSEQ:
        return opts_error("%s%s: %s has control characters or is not UTF-8; give plain text",
                          prefix, row->name, quote);
    case -ERANGE:
        return opts_error("%s%s: %s is out of range; give %s", prefix, row->name, quote, wants);
    case -EDOM:
        return opts_error("%s%s: %s is between two steps; give %s", prefix, row->name, quote,
                          wants);
    default:
        return opts_error("%s%s: %s will not do; give %s%s", prefix, row->name, quote, wants, hint);
    }
}

const char *opt_number_text(const struct opt *row, uint64_t number, char buf[OPT_NUMBER_SIZE])
{
    const struct unit *best = NULL;

    for (const struct unit *unit = row_units(row); unit->name != NULL; unit++)
        if (number % unit->factor == 0)
            best = unit;
    if (number == 0 || best == NULL)
        (void)snprintf(buf, OPT_NUMBER_SIZE, "%" PRIu64, number);
    else
        (void)snprintf(buf, OPT_NUMBER_SIZE, "%" PRIu64 "%s", number / best->factor, best->name);
    return buf;
}

const char *opt_range(const struct opt *row, char buf[OPT_RANGE_SIZE])
{
    char min[OPT_NUMBER_SIZE], max[OPT_NUMBER_SIZE];

    buf[0] = '\0';
    if (!is_number(row) || (row->min == 0 && row->max == 0))
        return buf;
    (void)opt_number_text(row, row->min, min);
    if (row->max != 0)
        (void)snprintf(buf, OPT_RANGE_SIZE, "%s to %s", min, opt_number_text(row, row->max, max));
    else
        (void)snprintf(buf, OPT_RANGE_SIZE, "%s or more", min);
    return buf;
}

/* "stdio, none or file:PATH" */
static void choice_wants(const struct opt *row, char *buf, size_t size)
{
    size_t len = 0;

    for (size_t i = 0; row->choices[i] != NULL && len < size; i++) {
        const char *joint = i == 0 ? "" : row->choices[i + 1] == NULL ? " or " : ", ";
        len += (size_t)snprintf(buf + len, size - len, "%s%s", joint, row->choices[i]);
    }
}

const char *opt_wants(const struct opt *row, char buf[OPT_WANTS_SIZE])
{
    static const char *const words[] = {
        [OPT_STRING] = "text",
        [OPT_PATH] = "the name of a file",
        [OPT_NAME] = "up to 64 letters, digits, '.', '_' or '-', a letter or digit first",
        [OPT_INT] = "a whole number",
        [OPT_SIZE] = "a whole number with K, M, G or T",
        [OPT_DURATION] = "a whole number with ms, s, m or h",
        [OPT_BOOL] = "on or off",
    };
    char range[OPT_RANGE_SIZE], step[OPT_NUMBER_SIZE];
    size_t len;

    if (row->type == OPT_CHOICE) {
        choice_wants(row, buf, OPT_WANTS_SIZE);
        return buf;
    }
    (void)opt_range(row, range);
    len = (size_t)snprintf(buf, OPT_WANTS_SIZE, "%s%s%s", words[row->type],
                           range[0] == '\0' ? "" : ", ", range);
    if (row->multiple != 0)
        (void)snprintf(buf + len, OPT_WANTS_SIZE - len, ", in steps of %s",
                       opt_number_text(row, row->multiple, step));
    if ((row->flags & OPT_ALL_CPUS) != 0)
        (void)snprintf(buf + len, OPT_WANTS_SIZE - len, ", or all");
    return buf;
}
