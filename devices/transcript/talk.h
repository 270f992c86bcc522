/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What drivers and devices say to each other, in words: a table for each class of devices, with the
 * names that the specification has and the functions of Linux's driver (6.12, drivers/virtio/,
 * sound/virtio/ ...) in which a message is likely made or taken. For --transcript only; one thread.
 *
 * Messages are the guest's bytes, of which an event has some: what is missing reads 0.
 */
#pragma once

#include "vmm/base/events.h"

/* What is said of an event. */
struct saying {
    char text[240];
    size_t len;
    const char *section;  /* of the specification; "": none */
    const char *function; /* of Linux */
    const char *key;      /* what this is one more of, where there may be many; NULL: tell each */
};

/* Adds to the text; what has no room is cut off. */
void say(struct saying *saying, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* The name of a number in a table, or the number. */
struct word {
    uint32_t number;
    const char *name;
};
void say_word(struct saying *saying, const struct word *words, size_t count, uint32_t number);
/* Text of the guest's, up to a NUL. */
struct bytes {
    const uint8_t *at;
    size_t len;
};
void say_text(struct saying *saying, struct bytes bytes, size_t off, size_t len);

/* What the driver sent; the beginning of what the device answered; its last bytes. */
struct bytes bytes_sent(const struct event *event);
struct bytes bytes_answer(const struct event *event);
struct bytes bytes_end(const struct event *event);
/* Little endian numbers in them, 0 where there are none. */
uint8_t bytes_8(struct bytes bytes, size_t off);
uint16_t bytes_16(struct bytes bytes, size_t off);
uint32_t bytes_32(struct bytes bytes, size_t off);
uint64_t bytes_64(struct bytes bytes, size_t off);

static inline bool is_pop(const struct event *event)
{
    return event->kind == EVENT_POP;
}

/* A class of devices. */
struct talk {
    uint32_t id;
    const char *name, *section, *probe;
    const char *const *features; /* names by bit, up to NULL; "" where there is none */
    const char *const *queues;   /* names by index, up to NULL, */
    /* or this: the name of one of `queues` */
    void (*queue)(char ret_name[24], unsigned queue, unsigned queues);
    /* Of EVENT_POP and EVENT_PUSH: text, function, key, and the section where it is not that of the
     * class. `queues`: how many the device has. */
    void (*message)(struct saying *saying, const struct event *event, unsigned queues);
};

extern const struct talk talk_snd, talk_blk, talk_net, talk_console, talk_rng, talk_balloon,
    talk_vsock, talk_fs, talk_input, talk_pmem;

/* By device id; one that knows no messages, if it is unknown. */
const struct talk *talk_of(uint32_t id);
/* Its words for the lot of events. */
void talk_say(const struct talk *talk, struct saying *saying, const struct event *event,
              unsigned queues, bool pci);
/* The name of a queue. */
void talk_queue(const struct talk *talk, char ret_name[24], unsigned queue, unsigned queues);
