/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A sound device with a scripted guest in front of it and simulated time behind it. The device's
 * worker is stopped after activation and its loop is run by the test, step by step, so nothing
 * sleeps and nothing races. Numbers here are the specification's, not our headers'.
 */
#pragma once

#include "devices/snd/card.h"
#include "devices/snd/snd.h"
#include "tests/fake_driver.h"

#define RIG_MS 1000000ull /* ns */

/* Codes (virtio 1.4 §5.14.6). */
enum {
    RIG_JACK_INFO = 0x0001,
    RIG_JACK_REMAP = 0x0002,
    RIG_PCM_INFO = 0x0100,
    RIG_SET_PARAMS = 0x0101,
    RIG_PREPARE = 0x0102,
    RIG_RELEASE = 0x0103,
    RIG_START = 0x0104,
    RIG_STOP = 0x0105,
    RIG_CHMAP_INFO = 0x0200,
    RIG_OK = 0x8000,
    RIG_BAD_MSG = 0x8001,
    RIG_NOT_SUPP = 0x8002,
    RIG_IO_ERR = 0x8003,
};

enum { RIG_CONTROL, RIG_EVENT, RIG_TX, RIG_RX };

/* Formats and rates by code. */
enum { RIG_U8 = 4, RIG_S16 = 5, RIG_S24 = 15, RIG_S32 = 17, RIG_FLOAT = 19 };
enum { RIG_5512 = 0, RIG_11025 = 2, RIG_44100 = 6, RIG_48000 = 7 };

#define RIG_CHAINS_MAX 1024

struct rig {
    struct memory mem;
    struct virtio_device *dev;
    struct snd *snd;
    struct fake_driver drv;

    struct timebase timebase; /* the device's, simulated */
    bool is_live;             /* no: in real time, on the worker's own thread */
    uint64_t now_ns;
    void (*others)(void); /* who else is stepped; NULL: nobody */

    gpa_t heap;                         /* next free guest memory */
    gpa_t status_of[4][RIG_CHAINS_MAX]; /* by queue and head: address of the status */
};

/* Makes a device from "key=value,...", its driver has set DRIVER_OK. */
void rig_start(struct rig *rig, const char *options);
/* The same up to creation: the result of fake_create(); nothing to end if < 0. */
int rig_create(struct rig *rig, const char *options);
/* The same in real time: the worker runs. Nothing is stepped then, and no time simulated. */
void rig_start_live(struct rig *rig, const char *options);
void rig_end(struct rig *rig);
/* Status 0, then up to DRIVER_OK again. */
void rig_restart(struct rig *rig);

/* Runs the worker's loop until nothing is ready. */
void rig_step(struct rig *rig);
/* Lets time pass, with each alarm at its time. */
void rig_advance(struct rig *rig, uint64_t ns);
/* Lets time pass while the worker is not scheduled; then it runs. */
void rig_stall(struct rig *rig, uint64_t ns);
/* Nanoseconds until the worker's next alarm; UINT64_MAX: none. */
uint64_t rig_next_alarm(const struct rig *rig);

/* Guest memory of `len` bytes, zeroed. */
gpa_t rig_alloc(struct rig *rig, uint64_t len);
uint32_t rig_load32(const struct rig *rig, gpa_t addr);
/* A number as it stands on the wire. */
uint32_t rig_le32(const uint8_t *bytes);

/* Sends a control request of `len` bytes with `reply_len` bytes of room (0xee before): the status
 * replied, 0 if there was no reply. *ret_used: used length; ret_reply: the room. Either may be
 * NULL. If another thread must do something first (open a host), it is waited for. */
uint32_t rig_control(struct rig *rig, const void *request, uint32_t len, void *ret_reply,
                     uint32_t reply_len, uint32_t *ret_used);
/* Sends one, and does not wait for the answer: where its status will be. */
gpa_t rig_ask(struct rig *rig, const void *request, uint32_t len);
uint32_t rig_command(struct rig *rig, uint32_t code, uint32_t stream);
uint32_t rig_set_params(struct rig *rig, uint32_t stream, uint32_t buffer_bytes,
                        uint32_t period_bytes, uint8_t channels, uint8_t format, uint8_t rate);
/* SET_PARAMS (S16, stereo, 48 kHz, 4 periods of 10 ms), PREPARE; checked. */
void rig_prepare(struct rig *rig, uint32_t stream);

/* Queues pieces as they are, kicks, steps: the head. */
uint16_t rig_send(struct rig *rig, unsigned queue, const struct fake_piece *pieces, unsigned count);
/* Queues a playback message of `len` bytes of data at `data`: the head. */
uint16_t rig_play(struct rig *rig, uint32_t stream, gpa_t data, uint32_t len);

/* Queues a capture message with `len` bytes of room at `data` (0xee before): the head. */
uint16_t rig_record(struct rig *rig, uint32_t stream, gpa_t data, uint32_t len);

/* One completed I/O message. */
struct rig_done {
    uint16_t head;
    uint32_t used_len;
    uint32_t status, latency_bytes;
};
/* Next completion of a queue; false if there is none. */
bool rig_done(struct rig *rig, unsigned queue, struct rig_done *ret_done);
/* How many there are; they are taken. All must be OK. */
unsigned rig_done_count(struct rig *rig, unsigned queue);
