/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The sound device's messages as they lie in guest memory (virtio 1.4 §5.14): packed, little
 * endian. Constants come from <linux/virtio_snd.h> where Debian's has them; control elements are
 * younger than that header. Copied in and out, never pointed at.
 */
#pragma once

#include "vmm/base/base.h"

#include <linux/virtio_snd.h>

/* Queues: VIRTIO_SND_VQ_CONTROL, _EVENT, _TX, _RX. */

struct wire_config {
    le32 jacks;
    le32 streams;
    le32 chmaps;
    le32 controls; /* there only if VIRTIO_SND_F_CTLS is offered */
};
_Static_assert(sizeof(struct wire_config) == 16, "§5.14.4");

struct wire_hdr {
    le32 code;
};
_Static_assert(sizeof(struct wire_hdr) == 4, "§5.14.6");

struct wire_query {
    struct wire_hdr hdr;
    le32 start_id;
    le32 count;
    le32 size; /* of the driver's item structure */
};
_Static_assert(sizeof(struct wire_query) == 16, "§5.14.6.1");

struct wire_event {
    struct wire_hdr hdr;
    le32 data;
};
_Static_assert(sizeof(struct wire_event) == 8, "§5.14.6");

struct wire_pcm_hdr {
    struct wire_hdr hdr;
    le32 stream_id;
};
_Static_assert(sizeof(struct wire_pcm_hdr) == 8, "§5.14.6.6");

struct wire_pcm_info {
    le32 hda_fn_nid;
    le32 features;
    le64 formats;
    le64 rates;
    uint8_t direction;
    uint8_t channels_min;
    uint8_t channels_max;
    uint8_t padding[5];
};
_Static_assert(sizeof(struct wire_pcm_info) == 32, "§5.14.6.6.2");

struct wire_pcm_params {
    struct wire_pcm_hdr pcm;
    le32 buffer_bytes;
    le32 period_bytes;
    le32 features;
    uint8_t channels;
    uint8_t format;
    uint8_t rate;
    uint8_t padding;
};
_Static_assert(sizeof(struct wire_pcm_params) == 24, "§5.14.6.6.3");

/* An I/O message: this header readable, frames in one direction or the other, this status as the
 * last 8 writable bytes. */
struct wire_pcm_xfer {
    le32 stream_id;
};
_Static_assert(sizeof(struct wire_pcm_xfer) == 4, "§5.14.6.8");

struct wire_pcm_status {
    le32 status;
    le32 latency_bytes;
};
_Static_assert(sizeof(struct wire_pcm_status) == 8, "§5.14.6.8");

#define WIRE_CHANNELS_MAX 18 /* VIRTIO_SND_CHMAP_MAX_SIZE */

struct wire_chmap_info {
    le32 hda_fn_nid;
    uint8_t direction;
    uint8_t channels;
    uint8_t positions[WIRE_CHANNELS_MAX];
};
_Static_assert(sizeof(struct wire_chmap_info) == 24, "§5.14.6.9.1");

struct wire_jack_info {
    le32 hda_fn_nid;
    le32 features;
    le32 hda_reg_defconf;
    le32 hda_reg_caps;
    uint8_t connected;
    uint8_t padding[7];
};
_Static_assert(sizeof(struct wire_jack_info) == 24, "§5.14.6.4.1");
