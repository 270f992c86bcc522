/* SPDX-License-Identifier: BSD-3-Clause */
/* See fault.h. No state of its own. */
#include "devices/snd/pcm/fault.h"

#include "vmm/base/text.h"
#include "vmm/config/opts.h"

#include <string.h>

/* As rows of options, so that numbers and times are written as everywhere else. */
static const struct opt number_row = {.name = "fault", .type = OPT_INT, .min = 1, .max = INT32_MAX};
static const struct opt time_row = {
    .name = "fault", .type = OPT_DURATION, .max = 24 * 3600 * 1000000000ull};

/* What a fault's value is: a time is always there, a number stands in the place of a moment. */
static const struct {
    const char *name;
    const struct opt *value;
} kinds[] = {
    [FAULT_XRUN] = {"xrun", NULL},
    [FAULT_STALL] = {"stall", &time_row},
    [FAULT_DROP] = {"drop", &number_row},
    [FAULT_IO_ERR] = {"io-err", &number_row},
    [FAULT_LATENCY] = {"latency", &time_row},
};

/* One "NAME[=VALUE][@TIME]". */
static int fault_parse(const char *text, struct fault *ret_fault)
{
    char word[TEXT_WORD_SIZE], *moment = word, *value, *name;
    struct fault fault = {0};
    size_t kind = 0;
    int r = 0;

    (void)strcpy(word, text);
    value = strsep(&moment, "@");
    name = strsep(&value, "=");
    while (kind < ARRAY_SIZE(kinds) && strcmp(name, kinds[kind].name) != 0)
        kind++;
    if (kind == ARRAY_SIZE(kinds))
        return opts_error("--snd fault: '%s' is none; there are xrun@TIME, stall=TIME@TIME, "
                          "drop=N, io-err=N, latency=TIME",
                          text);
    const struct opt *row = kinds[kind].value;
    if ((row == NULL && value != NULL) ||
        (row == &time_row ? value == NULL : (value == NULL) == (moment == NULL)))
        return opts_error("--snd fault: '%s' says too little or too much; like xrun@1s, "
                          "stall=300ms@2s, drop=7, io-err@3s, latency=50ms",
                          text);
    fault.kind = (enum fault_kind)kind;
    if (value != NULL)
        r = opt_value_parse(row, "--snd ", value,
                            row == &number_row ? &fault.number : &fault.value_ns);
    if (r == 0 && moment != NULL)
        r = opt_value_parse(&time_row, "--snd ", moment, &fault.at_ns);
    *ret_fault = fault;
    return r;
}

int faults_parse(const char *text, struct faults *ret_faults)
{
    char word[TEXT_WORD_SIZE];
    int r = 0;

    *ret_faults = (struct faults){0};
    while (r == 0 && text_word(&text, ',', word))
        r = ret_faults->count < FAULTS_MAX
                ? fault_parse(word, &ret_faults->item[ret_faults->count++])
                : opts_error("--snd fault: more than %d", FAULTS_MAX);
    return r;
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
