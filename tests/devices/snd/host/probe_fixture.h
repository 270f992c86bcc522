/* SPDX-License-Identifier: BSD-3-Clause */
/* What tests of streams with a probe (probe_host.h) for a host begin with: one device each. */
#pragma once

#include "tests/devices/snd/host/probe_host.h"

#include <check.h>

#define PERIOD_BYTES 1920 /* 10 ms of S16 stereo at 48 kHz */
#define PERIOD_NS    (10 * RIG_MS)

static struct rig rig;
static struct probe probe;

/* A device whose stream 0 has the probe as its host. */
static inline void set_up(const char *options, bool own_clock)
{
    rig_start(&rig, options);
    probe_install(&probe, &rig, 0, own_clock);
}

static inline void tear_down(void)
{
    rig_end(&rig);
    probe_fini(&probe);
}

/* A command for stream 0, which must be done. */
static inline void command(uint32_t code)
{
    ck_assert_uint_eq(rig_command(&rig, code, 0), RIG_OK);
}
