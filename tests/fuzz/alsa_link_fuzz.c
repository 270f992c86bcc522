/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fuzzes what host=alsa and its helper tell each other, both ways: messages and counts in shared
 * memory that the other side would never send, in between of calls as a stream makes them and of a
 * card (tests/fake_card.h) that plays, records, stops and goes away. An operation is a byte, then
 * its arguments; see run_one().
 *
 * Beyond memory safety: a position never goes back, nor ahead of what was written; no call takes or
 * gives more than it was asked for; what is told as played fits what was written.
 */
#include "devices/snd/host/alsa_link.h"
#include "devices/snd/host/host.h"
#include "tests/fake_card.h"
#include "tests/fake_helper.h"
#include "tests/fuzz/fuzz.h"
#include "vmm/base/helper.h"
#include "vmm/base/log.h"
#include "vmm/config/opts.h"

#include <poll.h>
#include <string.h>

#define OPS_MAX    300
#define FRAMES_MAX 1024
#define BUFFER     960

static const struct opt rows[] = {
    {.name = "device", .value = "fake", .help = "PCM"},
    {0},
};

static struct user {
    struct host *host;
    struct loop loop;
    uint64_t now_ns;
    bool plays, is_open, is_opening;
    uint64_t moved, consumed, played; /* frames since the last open() */
} user;

static uint64_t now_ns(struct timebase *timebase)
{
    (void)timebase;
    return user.now_ns;
}

static struct timebase timebase = {.now_ns = now_ns};

static void on_opened(struct host *host, int r)
{
    (void)host;
    must(user.is_opening, "an open() is told once");
    user.is_opening = false;
    user.is_open = r == 0;
}

static void on_wake(struct host *host)
{
    (void)host;
}

static void on_played(struct host *host, const void *frames, size_t count)
{
    static uint8_t copy[BUFFER * 4];

    (void)host;
    must(count <= BUFFER, "the ring has an end");
    memcpy(copy, frames, count * 4); /* each byte can be read */
    user.played += count;
    must(user.played <= user.moved, "what was played was written");
}

static uint64_t take_number(struct input *in)
{
    uint64_t number = 0;

    for (unsigned bytes = take_byte(in) % 9; bytes > 0; bytes--)
        number = number << 8 | take_byte(in);
    return number;
}

/* -- as a stream does -- */

static void open_host(struct input *in)
{
    const struct pcm_params params = {
        .format = pcm_format_by_name("S16"),
        .rate_hz = 48000,
        .channels = 2,
        .frame_bytes = 4,
        .period_frames = take_byte(in) % 2 == 0 ? BUFFER / 4 : BUFFER / 2,
        .buffer_frames = BUFFER,
    };

    if (user.is_open || user.is_opening)
        return;
    user.moved = user.consumed = user.played = 0;
    int r = user.host->class->open(user.host, &params);
    must(r < 0, "opening takes its time");
    user.is_opening = r == -EINPROGRESS;
}

static void close_host(void)
{
    if (user.is_open || user.is_opening)
        user.host->class->close(user.host);
    user.is_open = user.is_opening = false;
}

static void move(struct input *in)
{
    static uint8_t frames[FRAMES_MAX * 4];
    size_t count = take_byte(in) * 4u;

    if (!user.is_open)
        return;
    ssize_t r = user.plays ? user.host->class->write(user.host, frames, count)
                           : user.host->class->read(user.host, frames, count);
    must(r <= (ssize_t)count, "no more is moved than was asked for");
    user.moved += (uint64_t)MAX(r, 0);
}

static void look(void)
{
    struct host_position position;

    if (!user.is_open || user.host->class->position(user.host, &position) < 0)
        return;
    must(position.consumed_frames >= user.consumed, "the position does not go back");
    must(!user.plays || position.consumed_frames <= user.moved, "nor ahead");
    must(user.plays || position.consumed_frames <= user.moved + BUFFER, "the ring has an end");
    user.consumed = position.consumed_frames;
    (void)user.host->class->remaining_ns(user.host, user.consumed + 100);
}

/* -- lies -- */

static void lie_in_memory(struct input *in)
{
    struct alsa_shared *shared = fake_helper_shared();
    uint8_t which = take_byte(in) % 7;
    uint64_t number = take_number(in);

    switch (which) {
    case 0:
        atomic_store(&shared->our_frames, number);
        break;
    case 1:
        atomic_store(&shared->card_frames, number);
        break;
    case 2:
        atomic_fetch_add(&shared->card_frames, number);
        break;
    case 3:
        atomic_store(&shared->wants_kick, (uint32_t)number);
        break;
    case 4:
        atomic_store(&shared->latency_frames, (uint32_t)number);
        break;
    case 5:
        atomic_store(&shared->stops, number);
        break;
    default:
        atomic_store(&shared->lost_frames, number);
        break;
    }
}

static void lie_by_message(int socket, bool to_helper, struct input *in)
{
    struct pollfd room = {.fd = socket, .events = POLLOUT};
    struct alsa_request request = {
        .word = take_byte(in) % 9,
        .serial = take_byte(in) % 4,
        .format = take_byte(in) % 30,
        .params = {.rate_hz = (uint32_t)take_number(in),
                   .channels = (uint32_t)take_number(in),
                   .period_frames = (uint32_t)take_number(in),
                   .buffer_frames = (uint32_t)take_number(in)},
    };
    const struct pcm_format *format = pcm_format_by_code(request.format);

    /* Mostly true, or nothing would be opened. */
    request.params.frame_bytes = format != NULL && request.serial != 3
                                     ? format->sample_bytes * request.params.channels
                                     : request.params.rate_hz;
    const struct alsa_answer answer = {request.serial, (int32_t)take_number(in)};
    const void *message = to_helper ? (const void *)&request : &answer;
    size_t size = to_helper ? sizeof(request) : sizeof(answer);
    size_t len = take_byte(in) % 8 == 0 ? take_byte(in) % size : size;

    if (len > 0 && poll(&room, 1, 0) == 1 && (room.revents & POLLOUT) != 0)
        (void)helper_send(socket, message, len);
}

/* -- all of it -- */

static void loop_step(void)
{
    struct pollfd ready = {.fd = user.loop.epoll_fd, .events = POLLIN};

    for (unsigned rounds = 0; rounds < 1000 && poll(&ready, 1, 0) > 0; rounds++) {
        loop_stop(&user.loop);
        must(loop_run(&user.loop) == 0, "the loop runs");
    }
}

static void run_one(struct input *in, int socket)
{
    switch (take_byte(in) % 14) {
    case 0:
        open_host(in);
        break;
    case 1:
        close_host();
        break;
    case 2:
        if (user.is_open)
            (void)user.host->class->start(user.host);
        break;
    case 3:
        if (user.is_open)
            (void)user.host->class->stop(user.host);
        break;
    case 4:
        move(in);
        break;
    case 5:
        look();
        break;
    case 6:
        if (fake_card.is_open)
            fake_card_run(take_byte(in) * 4u);
        break;
    case 7:
        user.now_ns += take_byte(in) * 4 * MS_NS;
        break;
    case 8:
        lie_in_memory(in);
        break;
    case 9:
        lie_by_message(fake_helper_socket(), false, in); /* as the helper, to us */
        break;
    case 10:
        lie_by_message(socket, true, in); /* as us, to the helper */
        break;
    case 11:
        fake_helper_hang(take_byte(in) % 2 == 1);
        break;
    case 12:
        if (fake_card.is_open && fake_card.running)
            fake_card_trip();
        break;
    default:
        loop_step();
        break;
    }
    if (!user.plays || fake_card.heard_frames < FAKE_CARD_HEARD_FRAMES / 2)
        fake_helper_step();
    fake_card.heard_frames = 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    struct opts *opts;

    log_set_level(LOG_LEVEL_ERROR); /* what goes wrong is told as warnings */
    user = (struct user){.now_ns = 1000 * SECOND_NS, .plays = take_byte(&in) % 2 == 0};
    fake_card_init();
    fake_card.can_pause = take_byte(&in) % 2 == 0;
    fake_helper_begin(&timebase);
    must(opts_create(rows, &opts) == 0 && loop_init(&user.loop) == 0, "there is memory");
    const struct host_setup setup = {
        .opts = opts,
        .name = "fuzz",
        .direction = user.plays ? PCM_OUTPUT : PCM_INPUT,
    };
    must(host_create(&host_alsa, &setup, &user.host) == 0, "the card is there");
    user.host->loop = &user.loop;
    user.host->timebase = &timebase;
    user.host->opened = on_opened;
    user.host->wake = on_wake;
    user.host->played = on_played;
    for (unsigned op = 0; in.left > 0 && op < OPS_MAX; op++)
        run_one(&in, fake_helper_ours());
    fake_helper_hang(false);
    close_host();
    user.host->class->destroy(user.host);
    loop_fini(&user.loop);
    opts_destroy(opts);
    fake_helper_begin(NULL);
    fake_card_fini();
    return 0;
}
