/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where events come from: a client of the device's socket, or a node of this host's evdev. Both
 * send records; those up to a SYN_REPORT are a group, which the guest gets whole, when it has
 * buffers for it. Until then nothing more is read: a client that sends on has to wait, and the
 * host's kernel says when it had to drop something.
 *
 *   socket   8 bytes: type, code (le16), value (le32), as virtio has them (§5.8.6)
 *   evdev    struct input_event
 *
 * What does not fit the device is left out; a group that is too long is dropped. Which keys are
 * down is kept twice, as the source has it and as the guest knows it: after a loss, and when the
 * source goes away, the guest is told the difference.
 *
 * On the device's worker, but for source_open() and source_close().
 */
#pragma once

#include "devices/input/abilities.h"
#include "vmm/base/loop.h"

/* Events of a group, SYN_REPORT included: as many buffers as Linux's driver has in the queue. */
#define GROUP_EVENTS_MAX 64
#define SOURCE_BYTES     1536 /* of records read ahead: a multiple of both sizes */

struct input;

/* As the guest gets it. */
struct event {
    le16 type, code;
    le32 value;
};

static inline struct event event_of(uint16_t type, uint16_t code, uint32_t value)
{
    return (struct event){to_le16(type), to_le16(code), to_le32(value)};
}

struct source {
    struct input *input; /* whose it is */
    struct watch host;   /* owned fd; -1: nobody is there */
    bool evdev;
    uint8_t bytes[SOURCE_BYTES]; /* read, of which [at, len) are still to be looked at */
    size_t at, len;
    struct event group[GROUP_EVENTS_MAX];
    unsigned count;
    bool whole;    /* the group is, and waits for the guest */
    bool skipping; /* what comes before the next SYN_REPORT is lost */
    bool settling; /* the guest is to be told which keys are down */
    bool lifting;  /* and that no finger touches */
    uint8_t down[ABILITIES_KEYS], told[ABILITIES_KEYS]; /* keys: at the source, in the guest */
};

/* Nobody is there, and all was said. */
static inline bool source_free(const struct source *source)
{
    return source->host.fd < 0 && !source->whole && !source->settling;
}

/* A new source; its descriptor does not block, and is owned from now on. Any fd may be closed twice
 * by source_close(). */
void source_open(struct source *source, struct input *input, int fd, bool evdev);
void source_close(struct source *source);

/* The guest has a driver: begins to read. -errno. */
int source_start(struct source *source);
/* It has none any more. What it was not given is dropped, but for the state of keys. */
void source_stop(struct source *source);
/* Goes on: the source has news, or the guest has buffers. */
void source_serve(struct source *source);
/* The guest lights a lamp, or beeps. Dropped if the source does not take it. */
void source_tell(struct source *source, const struct event *event);
