/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fuzzes the sound device's event queue: buffers good and bad, while jacks, control elements and
 * streams have something to tell. An operation is a byte, then its arguments; see run_one().
 *
 * Beyond memory safety: a buffer comes back at most once, with an event that exists or empty; an
 * event is only in a buffer that may hold one; control and audio go on whatever the buffers are.
 */
#include "tests/devices/snd/sound_rig.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

#define STREAMS      2
#define JACKS        3
#define ELEMENTS     2
#define OPS_MAX      200
#define HELD_MAX     60 /* messages that may be outstanding: their descriptors are not reused */
#define BUFFERS_MAX  100
#define PERIOD_BYTES 1920

/* What the guest knows of its buffers. */
struct guest {
    struct rig rig;
    unsigned held;
    unsigned buffers;
    struct {
        gpa_t addr;
        bool offered, good;
    } buffer[RIG_CHAINS_MAX]; /* by head */
};

/* A buffer of up to 15 bytes, perhaps read-only, perhaps with a readable part. */
static void offer(struct guest *guest, struct input *in)
{
    struct fake_ring *ring = &guest->rig.drv.ring[RIG_EVENT];
    uint32_t len = take_byte(in) % 16;
    unsigned kind = take_byte(in) % 4;
    gpa_t addr = rig_alloc(&guest->rig, 64);
    const struct fake_piece piece = {addr, len, kind == 0 ? 0 : FAKE_WRITE};
    const struct fake_piece mixed[] = {{addr + 32, 4, 0}, {addr, len, FAKE_WRITE}};

    if (guest->buffers >= BUFFERS_MAX || len == 0)
        return;
    uint16_t head = kind == 1 ? fake_chain(ring, mixed, 2) : fake_chain(ring, &piece, 1);
    guest->buffer[head].addr = addr;
    guest->buffer[head].offered = true;
    guest->buffer[head].good = kind > 1 && len >= 8;
    guest->buffers++;
    fake_offer(ring, head);
}

static void check_event(const struct guest *guest, gpa_t addr)
{
    uint32_t code = rig_load32(&guest->rig, addr), data = rig_load32(&guest->rig, addr + 4);
    bool is_jack = (code == 0x1000 || code == 0x1001) && data < JACKS;
    bool is_xrun = code == 0x1101 && data < STREAMS;
    bool is_ctl =
        code == 0x1200 && (data & 0xffff) < ELEMENTS && data >> 16 >= 1 && data >> 16 <= 7;

    must(is_jack || is_xrun || is_ctl, "an event exists");
}

static void take_events(struct guest *guest)
{
    uint32_t head, used;

    while (fake_used(&guest->rig.drv.ring[RIG_EVENT], &head, &used)) {
        must(head < RIG_CHAINS_MAX && guest->buffer[head].offered, "a buffer comes back once");
        must(used == (guest->buffer[head].good ? 8 : 0), "events are in good buffers");
        guest->buffer[head].offered = false;
        guest->buffers--;
        if (used == 8)
            check_event(guest, guest->buffer[head].addr);
    }
}

static void set_element(struct guest *guest, struct input *in)
{
    uint8_t request[8 + 512] = {0x03, 0x03};

    request[4] = take_byte(in) % (ELEMENTS + 1);
    request[8] = take_byte(in);
    request[12] = take_byte(in);
    (void)rig_control(&guest->rig, request, sizeof(request), NULL, 4, NULL);
}

static void command(struct guest *guest, struct input *in)
{
    uint32_t stream = take_byte(in) % STREAMS;
    unsigned which = take_byte(in) % 5;
    uint8_t request[24] = {
        0x01, 0x01, 0, 0, (uint8_t)stream, 0,        0, 0, 0x00, 0x1e, 0, 0, 0x80, 0x07, 0, 0, 16,
        0,    0,    0, 2, RIG_S16,         RIG_48000};

    if (which == 4)
        (void)rig_control(&guest->rig, request, 24, NULL, 4, NULL); /* wants to know of xruns */
    else
        (void)rig_command(&guest->rig, RIG_PREPARE + which, stream);
}

static void play(struct guest *guest, struct input *in)
{
    uint32_t stream = take_byte(in) % STREAMS;

    if (guest->held >= HELD_MAX)
        return;
    (void)rig_play(&guest->rig, stream, rig_alloc(&guest->rig, PERIOD_BYTES), PERIOD_BYTES);
    guest->held++;
}

static void restart(struct guest *guest)
{
    rig_restart(&guest->rig);
    guest->held = guest->buffers = 0;
    memset(guest->buffer, 0, sizeof(guest->buffer));
}

static void run_one(struct guest *guest, struct input *in)
{
    struct rig_done done;
    uint8_t arg;

    switch (take_byte(in) % 9) {
    case 0:
    case 1:
        offer(guest, in);
        break;
    case 2:
        fake_write(&guest->rig.drv, FAKE_QUEUE_NOTIFY, RIG_EVENT);
        rig_step(&guest->rig);
        break;
    case 3:
        arg = take_byte(in);
        jack_plug(&guest->rig.snd->jacks, arg % JACKS, arg >= 128);
        break;
    case 4:
        set_element(guest, in);
        break;
    case 5:
        command(guest, in);
        break;
    case 6:
        play(guest, in);
        break;
    case 7:
        rig_advance(&guest->rig, take_byte(in) * RIG_MS);
        break;
    default:
        if (take_byte(in) == 0)
            restart(guest);
        break;
    }
    take_events(guest);
    while (rig_done(&guest->rig, RIG_TX, &done))
        guest->held--;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct guest guest;
    struct input in = {data, size};

    fake_layout = take_layout(&in);
    guest = (struct guest){0};
    rig_start(&guest.rig, "host=null,streams=2,jacks=headphone+mic+hdmi:unplugged,controls=on");
    for (unsigned op = 0; in.left > 0 && op < OPS_MAX; op++)
        run_one(&guest, &in);
    must(rig_command(&guest.rig, RIG_STOP, STREAMS) == RIG_BAD_MSG, "control requests are served");
    rig_end(&guest.rig);
    return 0;
}
