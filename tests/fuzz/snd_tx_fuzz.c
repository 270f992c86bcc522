/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fuzzes the sound device's tx, rx and event queues: chains of any shape while streams are in any
 * state, with a loopback between them, or a tone to record, and events to be told. An operation is
 * a byte, then its arguments; see run_one().
 *
 * Beyond memory safety: a ring stays usable or the device needs a reset; what comes back was sent,
 * its used length fits, and nothing comes back twice.
 */
#include "tests/devices/snd/sound_rig.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

#define OPS_MAX    200
#define PIECES_MAX 12

#define QUEUES 3 /* from the event queue on: event, tx, rx */

struct sent {
    bool outstanding[QUEUES][256]; /* by head */
    uint64_t writable[QUEUES][256];
};

static uint32_t take_length(struct input *in)
{
    static const uint32_t usual[] = {0,  1,    3,    4,    5,    7,    8,   9,
                                     12, 1919, 1920, 1921, 1928, 7680, 7681};
    uint8_t pick = take_byte(in);

    if (pick < ARRAY_SIZE(usual))
        return usual[pick];
    if (pick == 255)
        return 0xffffffff;
    return pick * 16u;
}

/* A piece: mostly in RAM, at times not. Its first bytes say which stream. */
static struct fake_piece take_piece(struct rig *rig, struct input *in, gpa_t area)
{
    uint8_t shape = take_byte(in);
    struct fake_piece piece = {.len = take_length(in)};
    const le32 stream = to_le32(shape >> 2 & 3);

    piece.flags = (shape & 1) != 0 ? FAKE_WRITE : 0;
    piece.addr = area + (shape >> 4) * 100u;
    if (shape == 0xfe)
        piece.addr = ~(uint64_t)0 - take_byte(in);
    else if (shape == 0xfc)
        piece.addr = rig->mem.size - take_byte(in);
    else if ((shape & 2) != 0)
        (void)memory_write(&rig->mem, piece.addr, &stream, sizeof(stream));
    return piece;
}

static void send_chain(struct rig *rig, struct input *in, struct sent *sent)
{
    struct fake_piece pieces[PIECES_MAX];
    unsigned queue = take_byte(in) % QUEUES, count = take_byte(in) % PIECES_MAX + 1u;
    struct fake_ring *ring = &rig->drv.ring[RIG_EVENT + queue];
    gpa_t area = rig_alloc(rig, 16384);
    uint64_t writable = 0;

    for (unsigned i = 0; i < count; i++) {
        pieces[i] = take_piece(rig, in, area);
        writable += (pieces[i].flags & FAKE_WRITE) != 0 ? pieces[i].len : 0;
    }
    uint16_t head = count > 2
                        ? fake_chain_indirect(ring, rig_alloc(rig, 16 * PIECES_MAX), pieces, count)
                        : fake_chain(ring, pieces, count);
    if (sent->outstanding[queue][head])
        return; /* its turn has not come: a driver would wait */
    sent->outstanding[queue][head] = true;
    sent->writable[queue][head] = writable;
    fake_offer(ring, head);
    fake_write(&rig->drv, FAKE_QUEUE_NOTIFY, RIG_EVENT + queue);
    rig_step(rig);
}

static void check_used(struct rig *rig, struct sent *sent)
{
    uint32_t id, len;

    for (unsigned queue = 0; queue < QUEUES; queue++) {
        while (fake_used(&rig->drv.ring[RIG_EVENT + queue], &id, &len)) {
            must(id < 256 && sent->outstanding[queue][id], "what comes back was sent, once");
            must(len <= sent->writable[queue][id], "a used length fits");
            sent->outstanding[queue][id] = false;
        }
    }
}

static void run_one(struct rig *rig, struct input *in, struct sent *sent)
{
    uint8_t op = take_byte(in);

    if (op < 150) {
        send_chain(rig, in, sent);
    } else if (op < 190) {
        rig_advance(rig, take_byte(in) * RIG_MS / 4);
    } else if (op < 230) {
        const le32 request[2] = {to_le32(RIG_PREPARE + take_byte(in) % 4u),
                                 to_le32(take_byte(in) % 4u)};
        (void)rig_control(rig, request, sizeof(request), NULL, 4, NULL);
    } else if (op < 245) {
        (void)rig_set_params(rig, take_byte(in) % 4u, 7680, 1920, 2, RIG_S16, RIG_48000);
    } else if (op < 250) {
        jack_plug(&rig->snd->jacks, take_byte(in) % 2u, op % 2 == 0);
    } else {
        rig_restart(rig);
        *sent = (struct sent){0};
    }
    check_used(rig, sent);
    if ((fake_read(&rig->drv, FAKE_STATUS) & 64) != 0) {
        rig_restart(rig);
        *sent = (struct sent){0};
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char loopback[] = "host=loopback,streams=2,capture=2,jacks=headphone+mic";
    static const char tone[] = "host=null,source=tone,streams=2,capture=2,controls=on,"
                               "jacks=headphone+mic,fault='drop=3,stall=20ms@1s,io-err@2s'";
    static struct rig rig;
    static struct sent sent;
    struct input in = {data, size};

    fake_layout = take_layout(&in);
    sent = (struct sent){0};
    rig_start(&rig, size > 0 && data[0] % 2 == 1 ? tone : loopback);
    rig_prepare(&rig, 0);
    rig_prepare(&rig, 2);
    for (unsigned op = 0; in.left > 0 && op < OPS_MAX; op++)
        run_one(&rig, &in, &sent);
    rig_end(&rig);
    return 0;
}
