/* SPDX-License-Identifier: BSD-3-Clause */
/* See fault.h. No state of its own. */
#include "devices/snd/pcm/fault.h"

#include "vmm/config/opts.h"

#include <string.h>

/* What may follow a fault's name. */
#define NUMBER   1 /* =N */
#define DURATION 2 /* =TIME */
#define MOMENT   4 /* @TIME */

static const struct {
    const char *name;
    unsigned takes, needs; /* needs: one of these */
} kinds[] = {
    [FAULT_XRUN] = {"xrun", MOMENT, MOMENT},
    [FAULT_STALL] = {"stall", DURATION | MOMENT, DURATION},
    [FAULT_DROP] = {"drop", NUMBER | MOMENT, NUMBER | MOMENT},
    [FAULT_IO_ERR] = {"io-err", NUMBER | MOMENT, NUMBER | MOMENT},
    [FAULT_LATENCY] = {"latency", DURATION | MOMENT, DURATION},
};

/* As rows of options, so that numbers and times are written as everywhere else. */
static const struct opt number_row = {.name = "fault", .type = OPT_INT, .min = 1, .max = INT32_MAX};
static const struct opt time_row = {
    .name = "fault", .type = OPT_DURATION, .max = 24 * 3600 * 1000000000ull};

#define WORD_BYTES_MAX 64

/* Reads text[0..len) as a value of a row. */
static int value_parse(const struct opt *row, const char *text, size_t len, uint64_t *ret_value)
{
    char word[WORD_BYTES_MAX];

    if (len >= sizeof(word))
        return opts_error("--snd fault: '%.*s...' is too long", 20, text);
    memcpy(word, text, len);
    word[len] = '\0';
    return opt_value_parse(row, "--snd ", word, ret_value);
}

static int kind_parse(const char *text, size_t len, enum fault_kind *ret_kind)
{
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        if (strlen(kinds[i].name) == len && strncmp(kinds[i].name, text, len) == 0) {
            *ret_kind = (enum fault_kind)i;
            return 0;
        }
    }
    return opts_error("--snd fault: '%.*s' is none; there are xrun@TIME, stall=TIME@TIME, drop=N, "
                      "io-err=N, latency=TIME",
                      (int)MIN(len, 40u), text);
}

/* One "NAME[=VALUE][@TIME]" of `len` bytes. */
static int fault_parse(const char *text, size_t len, struct fault *ret_fault)
{
    const char *end = text + len;
    const char *at = memchr(text, '@', len);
    const char *name_end = at != NULL ? at : end;
    const char *equals = memchr(text, '=', (size_t)(name_end - text));
    const char *value_end = name_end;
    struct fault fault = {0};
    unsigned given = 0;

    int r = kind_parse(text, (size_t)((equals != NULL ? equals : name_end) - text), &fault.kind);
    if (r < 0)
        return r;
    unsigned takes = kinds[fault.kind].takes;
    if (equals != NULL) {
        bool number = (takes & NUMBER) != 0;
        given |= number ? NUMBER : DURATION;
        r = value_parse(number ? &number_row : &time_row, equals + 1,
                        (size_t)(value_end - equals - 1), number ? &fault.number : &fault.value_ns);
    }
    if (r == 0 && at != NULL) {
        given |= MOMENT;
        r = value_parse(&time_row, at + 1, (size_t)(end - at - 1), &fault.at_ns);
    }
    if (r < 0)
        return r;
    bool both = (given & NUMBER) != 0 && (given & MOMENT) != 0;
    if ((given & ~takes) != 0 || (given & kinds[fault.kind].needs) == 0 || both)
        return opts_error("--snd fault: '%.*s' says too little or too much; like xrun@1s, "
                          "stall=300ms@2s, drop=7, io-err@3s, latency=50ms",
                          (int)MIN(len, 40u), text);
    *ret_fault = fault;
    return 0;
}

int faults_parse(const char *text, struct faults *ret_faults)
{
    struct faults faults = {0};

    for (;; text++) {
        size_t len = strcspn(text, ",");
        if (faults.count == FAULTS_MAX)
            return opts_error("--snd fault: more than %d", FAULTS_MAX);
        int r = fault_parse(text, len, &faults.item[faults.count++]);
        if (r < 0)
            return r;
        text += len;
        if (*text == '\0')
            break;
    }
    *ret_faults = faults;
    return 0;
}

const struct fault *faults_next(struct faults *faults, uint64_t ns)
{
    faults->number++;
    faults->time_ns += ns;
    for (unsigned i = 0; i < faults->count; i++) {
        struct fault *fault = &faults->item[i];
        bool now =
            fault->number > 0 ? fault->number <= faults->number : fault->at_ns < faults->time_ns;
        if (fault->done || !now)
            continue;
        fault->done = true;
        return fault;
    }
    return NULL;
}
