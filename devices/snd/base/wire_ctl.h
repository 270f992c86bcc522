/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Control elements as they lie in guest memory (virtio 1.4 §5.14.6.10): packed, little endian.
 * Constants too: control elements are younger than Debian's <linux/virtio_snd.h>. Copied in and
 * out, never pointed at.
 */
#pragma once

#include "devices/snd/base/wire.h"

#define WIRE_F_CTLS 0 /* feature bit: the card has control elements */

/* Requests and the event. */
#define WIRE_R_CTL_INFO        0x0300
#define WIRE_R_CTL_ENUM_ITEMS  0x0301
#define WIRE_R_CTL_READ        0x0302
#define WIRE_R_CTL_WRITE       0x0303
#define WIRE_R_CTL_TLV_READ    0x0304
#define WIRE_R_CTL_TLV_WRITE   0x0305
#define WIRE_R_CTL_TLV_COMMAND 0x0306
#define WIRE_EVT_CTL_NOTIFY    0x1200

/* What an element is for: (role << 1) + direction, 0 if none of these. */
#define WIRE_CTL_ROLE(role, direction) ((role) << 1 | (direction))
enum { WIRE_CTL_ROLE_VOLUME = 1, WIRE_CTL_ROLE_MUTE = 2 };

enum wire_ctl_type {
    WIRE_CTL_BOOLEAN,
    WIRE_CTL_INTEGER,
    WIRE_CTL_INTEGER64,
    WIRE_CTL_ENUMERATED,
    WIRE_CTL_BYTES,
    WIRE_CTL_IEC958,
    WIRE_CTL_TYPES,
};

/* Access, as a set of bits. */
#define WIRE_CTL_READ        (1u << 0)
#define WIRE_CTL_WRITE       (1u << 1)
#define WIRE_CTL_VOLATILE    (1u << 2)
#define WIRE_CTL_INACTIVE    (1u << 3)
#define WIRE_CTL_TLV_READ    (1u << 4)
#define WIRE_CTL_TLV_WRITE   (1u << 5)
#define WIRE_CTL_TLV_COMMAND (1u << 6)

/* What an event says has changed. */
#define WIRE_CTL_VALUE 1u
#define WIRE_CTL_INFO  2u
#define WIRE_CTL_TLV   4u

struct wire_ctl_hdr {
    struct wire_hdr hdr;
    le32 control_id;
};
_Static_assert(sizeof(struct wire_ctl_hdr) == 8, "§5.14.6.10");

#define WIRE_CTL_NAME_BYTES 44
#define WIRE_CTL_ITEM_BYTES 64

struct wire_ctl_head {
    le32 hda_fn_nid;
    le32 role;
    le32 type;
    le32 access;
    le32 count;
    le32 index;
    uint8_t name[WIRE_CTL_NAME_BYTES];
};
_Static_assert(sizeof(struct wire_ctl_head) == 68, "§5.14.6.10.1");

/* What the values may be. Without 64-bit members, so that the structure around it has no holes. */
union wire_ctl_limits {
    struct {
        le32 min, max, step;
    } integer;
    struct {
        le32 min[2], max[2], step[2]; /* low half first */
    } integer64;
    struct {
        le32 items;
    } enumerated;
};
_Static_assert(sizeof(union wire_ctl_limits) == 24, "§5.14.6.10.1");

static inline void to_halves(int64_t number, le32 ret_halves[2])
{
    ret_halves[0] = to_le32((uint32_t)number);
    ret_halves[1] = to_le32((uint32_t)((uint64_t)number >> 32));
}

static inline int64_t from_halves(const le32 halves[2])
{
    return (int64_t)(from_le32(halves[0]) | (uint64_t)from_le32(halves[1]) << 32);
}

struct wire_ctl_info {
    struct wire_ctl_head head;
    union wire_ctl_limits limits;
};
_Static_assert(sizeof(struct wire_ctl_info) == 92, "§5.14.6.10.1");

/* The same as 64-bit Linux 6.12 reads it: its compiler aligns the union to 8 bytes (SND-82). */
struct wire_ctl_info_padded {
    struct wire_ctl_head head;
    uint8_t padding[4];
    union wire_ctl_limits limits;
};
_Static_assert(sizeof(struct wire_ctl_info_padded) == 96, "as Linux has it");

struct wire_iec958 {
    uint8_t status[24];
    uint8_t subcode[147];
    uint8_t pad;
    uint8_t dig_subframe[4];
};
_Static_assert(sizeof(struct wire_iec958) == 176, "§5.14.6.10.3");

union wire_ctl_value {
    le32 integer[128];
    le64 integer64[64];
    le32 enumerated[128];
    uint8_t bytes[512];
    struct wire_iec958 iec958;
};
_Static_assert(sizeof(union wire_ctl_value) == 512, "§5.14.6.10.3");

struct wire_ctl_tlv {
    le32 type;
    le32 length; /* of what follows, in bytes */
};
_Static_assert(sizeof(struct wire_ctl_tlv) == 8, "§5.14.6.10.4");

#define WIRE_CTL_TLV_BYTES_MAX 65536
