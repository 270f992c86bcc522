/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fuzzes the vhost-user back-end: a front-end that says anything, in any order, with the sound
 * device behind it, whose worker runs in steps. A byte says what comes:
 *
 *   0 to 3     the whole start of rings as QEMU has it, of all of them
 *   4, 5       stop of all rings, as for a pause
 *   6          kicks, and time passes
 *   7          leaves, and another one comes
 *   8 to 63    a raw message: request, flags, size, payload, how many descriptors
 *   64 to 255  a message of the right size for request N, with words of small numbers
 *
 * Beyond memory safety: at the end a front-end with manners is served as if nothing had been, and
 * no descriptor is left open.
 */
#include "devices/snd/snd.h"
#include "tests/fake_front.h"
#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <string.h>

#define FEATURES  (1ull << 32 | 1ull << 30 | 1ull << 28)
#define RINGS     4u
#define STEPS_MAX 200

/* What there is, with the size of its payload and whether a descriptor comes with it. */
static const struct {
    uint8_t request, size, fds;
} known[] = {
    {1, 0, 0},   {2, 8, 0},   {3, 0, 0},  {4, 0, 0},   {5, 40, 1},  {8, 8, 0},  {9, 40, 0},
    {10, 8, 0},  {11, 8, 0},  {12, 8, 1}, {13, 8, 1},  {14, 8, 1},  {15, 0, 0}, {16, 8, 0},
    {17, 0, 0},  {18, 8, 0},  {21, 0, 1}, {24, 20, 0}, {25, 16, 0}, {34, 0, 0}, {36, 0, 0},
    {37, 40, 1}, {38, 40, 0}, {12, 8, 0}, {13, 8, 0},  {5, 72, 2},
};

static unsigned open_count(void)
{
    DIR *entries = opendir("/proc/self/fd");
    unsigned count = 0;

    must(entries != NULL, "/proc");
    while (readdir(entries) != NULL)
        count++;
    (void)closedir(entries);
    return count;
}

static void start(struct fake_front *front)
{
    fake_front_say_u64(front, 2, FEATURES);
    fake_front_say_table(front);
    for (uint32_t i = 0; i < RINGS; i++) {
        fake_front_say_ring(front, 8, i, 16);
        fake_front_say_ring(front, 10, i, 0);
        fake_front_say_address(front, i);
        fake_front_say_fd(front, 12, i, front->kick[i]);
        fake_front_say_fd(front, 13, i, front->call[i]);
    }
    for (uint32_t i = 0; i < RINGS; i++)
        fake_front_say_ring(front, 18, i, 1);
}

static void connect_again(struct fake_front *front)
{
    fake_front_leave(front);
    fake_front_step(front);
    fake_front_connect(front);
    fake_front_say_u64(front, 16, 0xa229);
    fake_front_rings(front, 16);
}

static void stop(struct fake_front *front)
{
    for (uint32_t i = 0; i < RINGS; i++)
        fake_front_say_ring(front, 18, i, 0);
    for (uint32_t i = 0; i < RINGS; i++)
        fake_front_say_ring(front, 11, i, 0);
}

static void add_fds(struct fake_front *front, unsigned count)
{
    for (unsigned i = 0; i < count && i < VHOST_USER_FDS_MAX; i++)
        front->msg.fd[front->msg.fd_count++] = i % 2 == 0 ? front->ram.fd : front->kick[i % 8];
}

static void say_raw(struct fake_front *front, struct input *in)
{
    uint32_t request = take_byte(in), size = take_byte(in) * 4u;

    front->flags = take_byte(in) & 12u;
    for (uint32_t i = 0; i < size; i++)
        front->msg.payload.bytes[i] = take_byte(in);
    add_fds(front, take_byte(in) % 34u);
    fake_front_say(front, request, size);
}

/* Words that are small, or near what means something. */
static uint64_t take_number(struct input *in)
{
    static const uint64_t numbers[] = {0,          1,
                                       16,         64,
                                       4096,       FRONT_RAM_BYTES,
                                       FRONT_USER, FRONT_USER + 0x10000,
                                       FEATURES,   0xa229,
                                       UINT32_MAX, UINT64_MAX};
    uint8_t byte = take_byte(in);

    return byte < 128 ? byte : numbers[byte % ARRAY_SIZE(numbers)] + byte / 16 - 8;
}

static void say_known(struct fake_front *front, struct input *in, unsigned which)
{
    uint32_t size = known[which].size;

    for (uint32_t at = 0; at < size; at += 4) {
        uint64_t number = take_number(in);
        memcpy(front->msg.payload.bytes + at, &number, 4); /* half of what comes is overwritten */
        memcpy(front->msg.payload.bytes + at, &number, MIN(size - at, 8u));
    }
    add_fds(front, known[which].fds);
    front->flags = which % 2 == 0 ? 8 : 0;
    fake_front_say(front, known[which].request, size);
}

static void step(struct fake_front *front, struct input *in)
{
    uint8_t what = take_byte(in);

    if (what < 4)
        start(front);
    else if (what < 6)
        stop(front);
    else if (what == 6)
        for (uint32_t i = 0; i < RINGS; i++)
            fake_front_kick(front, i);
    else if (what == 7)
        connect_again(front);
    else if (what < 64)
        say_raw(front, in);
    else
        say_known(front, in, what % ARRAY_SIZE(known));
    if (what == 6)
        fake_front_advance(front, 20 * MS_NS);
    while (fake_front_hears(front))
        continue;
    if (fake_front_is_left(front))
        connect_again(front);
}

/* One request of the control queue: it is answered. */
static void is_served(struct fake_front *front)
{
    const struct fake_piece pieces[] = {{0x200000, 8, 0}, {0x200100, 4, FAKE_WRITE}};
    const uint32_t request[] = {0x0103, 99}; /* RELEASE of no stream */
    uint32_t id, len, status;

    connect_again(front);
    front->flags = 0;
    start(front);
    must(memory_write(&front->ram, 0x200000, request, sizeof(request)) == 0, "RAM");
    fake_offer(&front->ring[0], fake_chain(&front->ring[0], pieces, 2));
    fake_front_kick(front, 0);
    must(fake_front_used(front, 0, &id, &len) && len == 4, "an answer");
    must(memory_read(&front->ram, 0x200100, &status, 4) == 0 && status == 0x8001, "BAD_MSG");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    struct fake_front front;
    struct opts *opts;
    unsigned open_before;

    log_set_level(LOG_LEVEL_ERROR); /* what a front-end does wrong is told as warnings */
    must(opts_create(virtio_snd.opts, &opts) == 0, "options");
    must(opts_parse(opts, "--snd ", "host=null,source=tone") == 0, "options");
    open_before = open_count();
    fake_front_init(&front, &virtio_snd, opts, false);
    fake_front_connect(&front);
    fake_front_rings(&front, 16);
    for (unsigned i = 0; in.left > 0 && i < STEPS_MAX; i++)
        step(&front, &in);
    is_served(&front);
    fake_front_fini(&front);
    opts_destroy(opts);
    must(open_count() == open_before, "nothing is left open");
    return 0;
}
