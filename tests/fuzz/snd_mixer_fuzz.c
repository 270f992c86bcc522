/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fuzzes control elements that are a host card's (controls=host): requests, good and malformed,
 * while the card (tests/fake_mixer.h) changes, refuses or goes away, and its helper
 * (tests/fake_helper.h) hangs. An operation is a byte, then its arguments; see run_one().
 *
 * Beyond memory safety: every request is answered exactly once and at once, with a status that
 * exists and no more bytes than fit; an event tells of an element that there is.
 */
#include "tests/devices/snd/sound_rig.h"
#include "tests/fake_helper.h"
#include "tests/fake_mixer.h"
#include "vmm/base/log.h"

#include <stdio.h>
#include <string.h>

#define ELEMENTS    3 /* of the guest: those of the card that the wire can have */
#define OPS_MAX     150
#define ROOM_MAX    1020
#define REQUEST_MAX 640
#define OPEN_MAX    100 /* requests since all were answered: their descriptors are not reused */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
    const uint8_t *data;
    size_t left;
};

struct guest {
    struct rig rig;
    unsigned open, sent;
    struct {
        gpa_t reply;
        uint32_t room;
        bool is_open;
    } asked[RIG_CHAINS_MAX];            /* by head */
    gpa_t event_buffer[RIG_CHAINS_MAX]; /* by head */
    unsigned events;
};

static void must(bool holds, const char *what)
{
    if (holds)
        return;
    (void)fprintf(stderr, "does not hold: %s\n", what);
    abort();
}

/* The next bytes of the input, zeros behind its end. */
static void take(struct input *in, void *ret_bytes, size_t len)
{
    size_t have = MIN(len, in->left);

    memset(ret_bytes, 0, len);
    if (have > 0)
        memcpy(ret_bytes, in->data, have);
    in->data += have;
    in->left -= have;
}

static uint8_t take_byte(struct input *in)
{
    uint8_t byte;

    take(in, &byte, 1);
    return byte;
}

/* -- what comes back -- */

static void take_answers(struct guest *guest)
{
    uint8_t reply[ROOM_MAX];
    uint32_t head, used;

    while (fake_used(&guest->rig.drv.ring[RIG_CONTROL], &head, &used)) {
        must(guest->asked[head].is_open, "a request is answered once");
        uint32_t room = guest->asked[head].room;
        uint32_t status = room < 4 ? 0 : rig_load32(&guest->rig, guest->asked[head].reply);
        must(used <= room, "an answer fits its room");
        must(room < 4 ? used == 0 : used >= 4, "there is a status if there is room for one");
        must(room < 4 || (status >= RIG_OK && status <= RIG_IO_ERR), "the status exists");
        must(room < 4 || status == RIG_OK || used == 4, "an error is a status alone");
        must(memory_read(&guest->rig.mem, guest->asked[head].reply, reply, room) == 0, "rig");
        for (uint32_t i = used; i < room; i++)
            must(reply[i] == 0xee, "nothing is written behind the used length");
        guest->asked[head].is_open = false;
        guest->open--;
    }
}

static void take_events(struct guest *guest)
{
    uint8_t event[8];
    uint32_t head, used;

    while (fake_used(&guest->rig.drv.ring[RIG_EVENT], &head, &used)) {
        must(used == 8, "an event is whole");
        must(memory_read(&guest->rig.mem, guest->event_buffer[head], event, 8) == 0, "rig");
        must(memcmp(event, (uint8_t[]){0, 0x12, 0, 0}, 4) == 0, "it tells of an element");
        must(event[4] < ELEMENTS && event[5] == 0, "the element exists");
        must(event[6] != 0 && event[6] < 8 && event[7] == 0, "what of it exists");
        guest->events--;
    }
}

static void look(struct guest *guest)
{
    rig_step(&guest->rig);
    take_answers(guest);
    take_events(guest);
}

static void settle(struct guest *guest)
{
    look(guest);
    must(guest->open == 0, "a request is answered");
    guest->sent = 0;
}

/* -- operations -- */

static void request(struct guest *guest, struct input *in)
{
    uint8_t bytes[REQUEST_MAX] = {take_byte(in) % 8, 0x03, 0, 0, take_byte(in) % (ELEMENTS + 2)};
    uint32_t len = 8 + take_byte(in) * 4u % (REQUEST_MAX - 7), room = take_byte(in) * 4u;
    uint32_t cut = take_byte(in) % len;
    gpa_t addr = rig_alloc(&guest->rig, len), reply = rig_alloc(&guest->rig, ROOM_MAX);
    const struct fake_piece pieces[] = {
        {addr, cut, 0}, {addr + cut, len - cut, 0}, {reply, room, FAKE_WRITE}};
    unsigned skipped = cut == 0 ? 1 : 0;

    take(in, bytes + 8, take_byte(in));
    if (guest->sent == OPEN_MAX)
        settle(guest);
    must(memory_write(&guest->rig.mem, addr, bytes, len) == 0, "rig");
    memset(memory_at(&guest->rig.mem, reply, ROOM_MAX), 0xee, ROOM_MAX);
    struct fake_ring *ring = &guest->rig.drv.ring[RIG_CONTROL];
    uint16_t head = fake_chain(ring, pieces + skipped, (room > 0 ? 3 : 2) - skipped);
    guest->asked[head].reply = reply;
    guest->asked[head].room = room;
    guest->asked[head].is_open = true;
    guest->open++;
    guest->sent++;
    fake_offer(ring, head);
    fake_write(&guest->rig.drv, FAKE_QUEUE_NOTIFY, RIG_CONTROL);
}

static void offer(struct guest *guest)
{
    struct fake_ring *ring = &guest->rig.drv.ring[RIG_EVENT];
    const struct fake_piece piece = {rig_alloc(&guest->rig, 8), 8, FAKE_WRITE};

    if (guest->events == OPEN_MAX)
        return;
    uint16_t head = fake_chain(ring, &piece, 1);
    guest->event_buffer[head] = piece.addr;
    guest->events++;
    fake_offer(ring, head);
    fake_write(&guest->rig.drv, FAKE_QUEUE_NOTIFY, RIG_EVENT);
}

static void restart(struct guest *guest)
{
    rig_restart(&guest->rig);
    memset(guest->asked, 0, sizeof(guest->asked));
    guest->open = guest->sent = guest->events = 0;
}

static void run_one(struct guest *guest, struct input *in)
{
    union fake_value value;
    unsigned element;

    switch (take_byte(in) % 11) {
    case 0:
        element = take_byte(in) % FAKE_ELEMENTS;
        take(in, &value, 16);
        fake_mixer_change(element, &value);
        break;
    case 1:
        element = take_byte(in) % FAKE_ELEMENTS;
        fake_mixer_remove(element);
        break;
    case 2:
        fake_mixer_fail(-(take_byte(in) % 40));
        break;
    case 3:
        fake_helper_hang(take_byte(in) % 2 == 1);
        break;
    case 4:
        fake_mixer_unplug(take_byte(in) % 2 == 1);
        break;
    case 5:
        offer(guest);
        break;
    case 6:
        rig_advance(&guest->rig, take_byte(in) * 4 * RIG_MS);
        break;
    case 7:
        restart(guest);
        break;
    default:
        request(guest, in);
        break;
    }
    look(guest);
    settle(guest);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct guest guest;
    struct input in = {data, size};

    fake_layout = size > 0 && data[size - 1] % 2 != 0 ? FAKE_RING_PACKED : 0;
    log_set_level(LOG_LEVEL_ERROR); /* what a card does wrong is told as warnings */
    guest = (struct guest){0};
    fake_mixer_init();
    fake_helper_begin(&timebase_monotonic);
    rig_start(&guest.rig, "host=null,controls=host,mixer=fake");
    guest.rig.others = fake_helper_step;
    for (unsigned op = 0; in.left > 0 && op < OPS_MAX; op++)
        run_one(&guest, &in);
    settle(&guest);
    fake_helper_hang(false);
    rig_end(&guest.rig);
    fake_mixer_fini();
    return 0;
}
