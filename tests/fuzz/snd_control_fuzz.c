/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fuzzes the sound device's control queue: a program of requests, good and malformed, with playback
 * and time in between. An operation is a byte, then its arguments; see run_one().
 *
 * Beyond memory safety: every request is answered exactly once and at once, with a status that
 * exists and no more bytes than fit; every message comes back at most once.
 */
#include "tests/devices/snd/sound_rig.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

#define STREAMS  4
#define OPS_MAX  200
#define ROOM_MAX 1000
#define HELD_MAX 60 /* messages that may be outstanding: their descriptors are not reused */

/* The next bytes of the input, zeros behind its end. */
static void take(struct input *in, void *ret_bytes, size_t len)
{
    uint8_t *byte = ret_bytes;

    while (len-- > 0)
        *byte++ = take_byte(in);
}

static void check_reply(struct rig *rig, const void *request, uint32_t len, uint32_t room)
{
    uint8_t reply[ROOM_MAX];
    uint32_t used;
    uint32_t status = rig_control(rig, request, len, reply, room, &used);

    must(used <= room, "a reply fits its room");
    must(room < 4 ? used == 0 : used >= 4, "there is a status if there is room for one");
    must(room < 4 || (status >= RIG_OK && status <= RIG_IO_ERR), "the status exists");
    must(room < 4 || status == RIG_OK || used == 4, "an error is a status alone");
    for (uint32_t i = used; i < room; i++)
        must(reply[i] == 0xee, "nothing is written behind the used length");
}

static void raw_request(struct rig *rig, struct input *in)
{
    uint8_t request[64];
    uint32_t len = take_byte(in) % (sizeof(request) + 1), room = take_byte(in);

    take(in, request, len);
    check_reply(rig, request, len, room);
}

static void query(struct rig *rig, struct input *in)
{
    static const uint32_t codes[] = {RIG_JACK_INFO, RIG_PCM_INFO, RIG_CHMAP_INFO, 0x300};
    le32 request[4] = {to_le32(codes[take_byte(in) % 4])};
    uint32_t room = take_byte(in) * 4u;

    take(in, &request[1], 12);
    check_reply(rig, request, sizeof(request), MIN(room, (uint32_t)ROOM_MAX));
}

/* A control element's request: enough bytes for any value. */
static void element(struct rig *rig, struct input *in)
{
    uint8_t request[600] = {0};
    uint32_t len = 8 + take_byte(in) * 2u, room = take_byte(in) * 4u;

    request[0] = take_byte(in) % 8;
    request[1] = 0x03;
    request[4] = take_byte(in) % 24;
    take(in, request + 8, take_byte(in));
    check_reply(rig, request, len, MIN(room, (uint32_t)ROOM_MAX));
}

static void remap(struct rig *rig, struct input *in)
{
    const le32 request[4] = {to_le32(RIG_JACK_REMAP), to_le32(take_byte(in) % 4u),
                             to_le32(take_byte(in) % 18u), to_le32(take_byte(in) % 18u)};

    check_reply(rig, request, sizeof(request), 4);
}

static void set_params(struct rig *rig, struct input *in)
{
    uint8_t request[24] = {0x01, 0x01};

    request[4] = take_byte(in) % STREAMS;
    take(in, request + 8, 16);
    check_reply(rig, request, sizeof(request), 4);
}

static void command(struct rig *rig, struct input *in)
{
    const le32 request[2] = {to_le32(RIG_PREPARE + take_byte(in) % 4u),
                             to_le32(take_byte(in) % (STREAMS + 1u))};

    check_reply(rig, request, sizeof(request), 4);
}

static unsigned take_completions(struct rig *rig)
{
    struct rig_done done;
    unsigned count = 0;

    for (; rig_done(rig, RIG_TX, &done); count++)
        must(done.status == RIG_OK || done.status == RIG_IO_ERR, "a message's status exists");
    return count;
}

/* One operation; `held` messages are outstanding. */
static void run_one(struct rig *rig, struct input *in, unsigned *held)
{
    uint32_t stream;

    switch (take_byte(in) % 10) {
    case 0:
        raw_request(rig, in);
        break;
    case 1:
        query(rig, in);
        break;
    case 2:
        set_params(rig, in);
        break;
    case 3:
        command(rig, in);
        break;
    case 4:
        stream = take_byte(in) % (STREAMS + 1u);
        if (*held < HELD_MAX) {
            (void)rig_play(rig, stream, rig_alloc(rig, 1920), 1920);
            ++*held;
        }
        break;
    case 5:
        rig_advance(rig, take_byte(in) * RIG_MS / 4);
        break;
    case 6:
        rig_stall(rig, take_byte(in) * 10 * RIG_MS);
        break;
    case 7:
        element(rig, in);
        break;
    case 8:
        remap(rig, in);
        break;
    default:
        rig_restart(rig);
        *held = 0;
        break;
    }
    unsigned completed = take_completions(rig);
    must(completed <= *held, "a message comes back once");
    *held -= completed;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct rig rig;
    struct input in = {data, size};
    unsigned held = 0;

    fake_layout = take_layout(&in);
    rig_start(&rig, size > 0 && data[0] % 2 == 1
                        ? "streams=3,capture=1,formats=all,rates=all,channels=1-8,clock=free"
                        : "streams=3,source=tone,controls=on,jacks=line-out+mic:unplugged");
    for (unsigned op = 0; in.left > 0 && op < OPS_MAX; op++)
        run_one(&rig, &in, &held);
    rig_end(&rig);
    return 0;
}
