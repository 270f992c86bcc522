/* SPDX-License-Identifier: BSD-3-Clause */
/* Control elements as a driver asks for them, and sets them. Numbers are the specification's. */
#pragma once

#include "tests/devices/snd/sound_rig.h"

#include <check.h>
#include <string.h>

enum {
    CTL_INFO = 0x300,
    CTL_ENUM_ITEMS = 0x301,
    CTL_READ = 0x302,
    CTL_WRITE = 0x303,
    CTL_TLV_READ = 0x304,
    CTL_TLV_WRITE = 0x305,
    CTL_TLV_COMMAND = 0x306,
};

/* Types, and access bits. */
enum { BOOLEAN, INTEGER, INTEGER64, ENUMERATED, BYTES, IEC958 };
enum { READ = 1, WRITE = 2, VOLATILE = 4, INACTIVE = 8, TLV_READ = 16, TLV_WRITE = 32 };
enum { TLV_ALL = 112 };

/* A request with `len` bytes behind its header: the status, which is all of the answer. */
static inline uint32_t ctl_send(struct rig *rig, uint32_t code, uint32_t id, const void *data,
                                uint32_t len)
{
    static uint8_t request[8 + 70000];
    const le32 header[2] = {to_le32(code), to_le32(id)};
    uint32_t used;

    ck_assert_uint_le(len, sizeof(request) - 8);
    memcpy(request, header, 8);
    if (len > 0)
        memcpy(request + 8, data, len);
    uint32_t status = rig_control(rig, request, 8 + len, NULL, 4, &used);
    ck_assert_uint_eq(used, 4);
    return status;
}

/* Sets the first two values of an element. */
static inline uint32_t ctl_write(struct rig *rig, uint32_t id, uint32_t first, uint32_t second)
{
    const le32 values[128] = {to_le32(first), to_le32(second)};

    return ctl_send(rig, CTL_WRITE, id, values, sizeof(values)); /* Linux sends all of the union */
}

/* Value number `at` of an element. */
static inline uint32_t ctl_read(struct rig *rig, uint32_t id, unsigned at)
{
    uint8_t reply[4 + 512];
    const le32 header[2] = {to_le32(CTL_READ), to_le32(id)};

    ck_assert_uint_eq(rig_control(rig, header, 8, reply, sizeof(reply), NULL), RIG_OK);
    return rig_le32(reply + 4 + (size_t)4 * at);
}
