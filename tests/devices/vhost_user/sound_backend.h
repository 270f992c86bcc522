/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A back-end that behaves as vhost-device-sound with --backend null, by its documentation and what
 * its sources do (rust-vmm/vhost-device, and rust-vmm/vhost, on which it is built), on a thread of
 * its own:
 *
 *   offers     VERSION_1, NOTIFY_ON_EMPTY, INDIRECT_DESC, EVENT_IDX; of the protocol MQ and CONFIG:
 *              no acknowledgements, no channel, no RESET_DEVICE
 *   queues     4, of 64 entries at most
 *   config     no jacks, 2 streams, 1 map; since 2025 also 0 controls. Who asks for more bytes than
 *              there are gets none, who writes is left
 *   minds      one SET_OWNER; no features but those offered; memory before addresses; messages
 *              of what was agreed upon only: who breaks one of these rules is left
 *   serves     split rings, by what the wire said of them. What is played is returned at once,
 *              whatever the stream's state; buffers to capture and for events are kept for ever
 */
#pragma once

#include "virtio/vhost_user/wire.h"

#include <pthread.h>

#define SOUND_RINGS 4

struct sound_ring {
    uint32_t size;
    uint16_t next_avail, next_used;
    uint64_t desc, avail, used; /* guest addresses */
    int kick, call;             /* owned; -1: none */
    bool enabled;
    unsigned taken;
};

struct sound_backend {
    uint32_t config_bytes; /* 12 or 16: set by the test before it runs */
    pthread_t thread;
    /* looked at by the test after sound_backend_stop() */
    int fd;             /* owned */
    const char *broken; /* rule that the front-end broke; NULL: none */
    bool owned;
    uint64_t features, protocol;
    struct vhost_user_table table;
    uint8_t *at[VHOST_USER_REGIONS_MAX]; /* where its regions are mapped, from their offset 0 */
    struct sound_ring ring[SOUND_RINGS];
    unsigned starts; /* how often all rings were enabled */
    uint64_t played; /* bytes */
};

/* The front-end's end of the socket. */
int sound_backend_start(struct sound_backend *backend);
/* After the front-end has left: waits for its end. */
void sound_backend_stop(struct sound_backend *backend);
