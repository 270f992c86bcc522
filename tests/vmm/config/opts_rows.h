/* SPDX-License-Identifier: BSD-3-Clause */
/* A row of every type, for the tests of options. */
#pragma once

#include "vmm/config/opts.h"

#define KIB UINT64_C(1024)
#define MIB UINT64_C(1048576)
#define GIB UINT64_C(1073741824)
#define TIB UINT64_C(1099511627776)

static const char *const host_choices[] = {"alsa", "file:PATH", "null", NULL};

static const struct opt every_type[] = {
    {.name = "text", .value = "none", .help = "some text"},
    {.name = "short", .help = "a short text", .max = 4},
    {.name = "path", .help = "a file", .type = OPT_PATH},
    {.name = "label", .help = "a name", .type = OPT_NAME},
    {.name = "rate", .value = "48000", .help = "a rate", .type = OPT_INT, .min = 1, .max = 768000},
    {.name = "big", .help = "any number", .type = OPT_INT},
    {.name = "size", .value = "64K", .help = "bytes", .type = OPT_SIZE},
    {.name = "mem",
     .value = "512M",
     .help = "memory",
     .type = OPT_SIZE,
     .flags = OPT_PLAIN_MIB,
     .min = 16 * MIB,
     .max = TIB,
     .multiple = MIB},
    {.name = "wait", .value = "1s", .help = "a time", .type = OPT_DURATION, .max = 3600000000000},
    {.name = "loop", .help = "again", .type = OPT_BOOL},
    {.name = "mix", .value = "on", .help = "mixed", .type = OPT_BOOL},
    {.name = "host", .value = "null", .help = "where", .type = OPT_CHOICE, .choices = host_choices},
    {0},
};

/* The form of the style guide: positions, and most of a row left out. */
static const struct opt rng_opts[] = {{"source", "/dev/urandom", "file to read entropy from"}, {0}};
