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
#define WIRE_R_CTL_INFO       0x0300
#define WIRE_R_CTL_ENUM_ITEMS 0x0301
#define WIRE_R_CTL_READ       0x0302
#define WIRE_R_CTL_WRITE      0x0303
#define WIRE_R_CTL_TLV_READ   0x0304
#define WIRE_R_CTL_LAST       0x0306
#define WIRE_EVT_CTL_NOTIFY   0x1200

/* What an element is for: (role << 1) + direction, 0 if none of these. */
#define WIRE_CTL_ROLE(role, direction) ((role) << 1 | (direction))
enum { WIRE_CTL_ROLE_VOLUME = 1, WIRE_CTL_ROLE_MUTE = 2 };

/* Of those that there are, the ones whose values are 32-bit numbers. */
enum wire_ctl_type { WIRE_CTL_BOOLEAN = 0, WIRE_CTL_INTEGER = 1, WIRE_CTL_ENUMERATED = 3 };

/* Access, as a set of bits. */
#define WIRE_CTL_READ     (1u << 0)
#define WIRE_CTL_WRITE    (1u << 1)
#define WIRE_CTL_INACTIVE (1u << 3)
#define WIRE_CTL_TLV_READ (1u << 4)

#define WIRE_CTL_VALUE 1u /* what an event says has changed */

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

/* What the values may be. */
union wire_ctl_limits {
    struct {
        le32 min, max, step;
    } integer;
    struct {
        le32 items;
    } enumerated;
    uint8_t bytes[24];
};
_Static_assert(sizeof(union wire_ctl_limits) == 24, "§5.14.6.10.1");

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

struct wire_ctl_value {
    le32 number[128];
};
_Static_assert(sizeof(struct wire_ctl_value) == 512, "§5.14.6.10.3");

struct wire_ctl_tlv {
    le32 type;
    le32 length; /* of what follows, in bytes */
};
_Static_assert(sizeof(struct wire_ctl_tlv) == 8, "§5.14.6.10.4");
