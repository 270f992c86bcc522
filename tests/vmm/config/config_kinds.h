/* SPDX-License-Identifier: BSD-3-Clause */
/* What tests of configurations begin with: one of devices that do not exist. */
#pragma once

#include "tests/capture.h"
#include "vmm/config/config.h"

#include <check.h>

static const char *const host_choices[] = {"alsa", "file", "null", NULL};
static const struct opt rng_opts[] = {
    {.name = "source", .value = "/dev/urandom", .help = "file to read from", .type = OPT_PATH},
    {0},
};
static const struct opt snd_opts[] = {
    {.name = "host", .value = "null", .help = "where", .type = OPT_CHOICE, .choices = host_choices},
    {.name = "path", .help = "file to record into", .type = OPT_PATH},
    {.name = "streams", .value = "1", .help = "outputs", .type = OPT_INT, .min = 1, .max = 8},
    {.name = "ring", .value = "64K", .help = "bytes", .type = OPT_SIZE, .max = 1048576},
    {.name = "wait", .value = "20ms", .help = "time", .type = OPT_DURATION, .max = 60000000000},
    {.name = "loop", .help = "again", .type = OPT_BOOL},
    {.name = "expect", .help = "what must be heard"},
    {0},
};
static const struct opt disk_opts[] = {
    {.name = "path", .help = "image", .type = OPT_PATH, .flags = OPT_REQUIRED},
    {0},
};
static const struct config_device_kind config_kinds[] = {
    {"rng", "random numbers", rng_opts, 1},
    {"snd", "a sound device", snd_opts, 2},
    {"disk", "a disk", disk_opts, 64},
    {"plain", "a device without keys", NULL, 2},
    {0},
};

static struct config *config;
static struct capture capture;

static inline void setup(void)
{
    ck_assert_int_eq(config_create(config_kinds, &config), 0);
}

static inline void teardown(void)
{
    config_destroy(config);
    config = NULL;
}
