/* SPDX-License-Identifier: BSD-3-Clause */
/* See alsa_player.h. */
#include "tests/alsa_player.h"

#include "tests/fake_card.h"
#include "tests/fake_helper.h"
#include "vmm/base/timebase.h"
#include "vmm/config/opts.h"

#include <check.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>

#define CHUNK_FRAMES 4096

static const struct opt rows[] = {
    {.name = "device", .value = "default", .help = "PCM"},
    {0},
};

struct opts *player_opts(const char *device)
{
    struct opts *opts;

    ck_assert_int_eq(opts_create(rows, &opts), 0);
    ck_assert_int_eq(opts_set(opts, "", "device", device), 0);
    return opts;
}

int player_create(const struct opts *opts, enum pcm_direction direction, struct host **ret_host)
{
    const struct host_setup setup = {
        .opts = opts,
        .name = "test",
        .direction = direction,
    };

    return host_create(&host_alsa, &setup, ret_host);
}

static void on_wake(struct host *host)
{
    struct player *player = host->wake_ctx;

    player->wakes++;
}

static void on_opened(struct host *host, int r)
{
    struct player *player = host->wake_ctx;

    player->opening = r;
}

static void on_played(struct host *host, const void *frames, size_t count)
{
    struct player *player = host->wake_ctx;
    const uint32_t *frame = frames;

    for (size_t i = 0; i < count; i++)
        ck_assert_uint_eq(frame[i], ++player->played);
}

static void on_timer(struct watch *watch, uint32_t epoll_events)
{
    uint64_t count;

    (void)epoll_events;
    (void)!read(watch->fd, &count, sizeof(count));
}

/* One round of loop_run(), waiting until `limit_ms` at most. */
static void one_round(struct player *player, int limit_ms)
{
    struct epoll_event event;
    int count = epoll_wait(player->loop.epoll_fd, &event, 1, limit_ms);

    if (count == 1) {
        struct watch *watch = event.data.ptr;
        watch->ready(watch, event.events);
    }
}

unsigned player_step(struct player *player)
{
    unsigned before = player->wakes;
    struct pollfd pfd = {.fd = player->loop.epoll_fd, .events = POLLIN};

    fake_helper_step();
    for (unsigned rounds = 0; rounds < 1000 && poll(&pfd, 1, 0) > 0; rounds++)
        one_round(player, 0);
    ck_assert_int_eq(poll(&pfd, 1, 0), 0); /* or it spins */
    return player->wakes - before;
}

/* Has the helper do what it was told, if it is stepped. */
static int done(struct player *player, ssize_t r)
{
    if (player->is_stepped)
        (void)player_step(player);
    return (int)r;
}

void player_init_opts(struct player *player, struct opts *opts, enum pcm_direction direction)
{
    *player = (struct player){.timer = {.ready = on_timer}, .direction = direction};
    player->is_stepped = fake_helper_stepped() != NULL;
    player->timebase = player->is_stepped ? fake_helper_stepped() : &timebase_monotonic;
    ck_assert_int_eq(loop_init(&player->loop), 0);
    player->timer.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    ck_assert_int_ge(player->timer.fd, 0);
    ck_assert_int_eq(loop_add(&player->loop, &player->timer, EPOLLIN), 0);
    ck_assert_int_eq(player_create(opts, direction, &player->host), 0);
    opts_destroy(opts);
    player->host->loop = &player->loop;
    player->host->timebase = player->timebase;
    player->host->wake = on_wake;
    player->host->opened = on_opened;
    player->host->played = on_played;
    player->host->wake_ctx = player;
}

void player_init(struct player *player, const char *device, enum pcm_direction direction)
{
    player_init_opts(player, player_opts(device), direction);
}

void player_fini(struct player *player)
{
    if (player->host == NULL)
        return;
    player_close(player);
    player->host->class->destroy(player->host);
    fd_close(&player->timer.fd);
    loop_fini(&player->loop);
    *player = (struct player){0};
}

int player_open(struct player *player, uint32_t rate_hz, uint32_t period_frames,
                uint32_t buffer_frames)
{
    const struct pcm_params params = {
        .format = pcm_format_by_name("S16"),
        .rate_hz = rate_hz,
        .channels = 2,
        .frame_bytes = 4,
        .period_frames = period_frames,
        .buffer_frames = buffer_frames,
    };

    player->next = player->played = 0;
    player->opening = player->host->class->open(player->host, &params);
    if (player->is_stepped)
        (void)player_step(player);
    while (player->opening == -EINPROGRESS && !player->is_stepped)
        one_round(player, -1);
    player->is_open = player->opening == 0 || player->opening == -EINPROGRESS;
    return player->opening;
}

void player_close(struct player *player)
{
    if (player->is_open)
        player->host->class->close(player->host);
    player->is_open = false;
    (void)done(player, 0);
}

int player_start(struct player *player)
{
    player->due_ns = timebase_monotonic.now_ns(&timebase_monotonic);
    return done(player, player->host->class->start(player->host));
}

int player_stop(struct player *player)
{
    return done(player, player->host->class->stop(player->host));
}

ssize_t player_write(struct player *player, size_t frames)
{
    static uint32_t buf[CHUNK_FRAMES];

    frames = MIN(frames, (size_t)CHUNK_FRAMES);
    for (size_t i = 0; i < frames; i++)
        buf[i] = (uint32_t)(player->next + i + 1);
    ssize_t count = player->host->class->write(player->host, buf, frames);
    if (count > 0)
        player->next += (uint64_t)count;
    player->limit = MAX(player->limit, player->next);
    return done(player, count);
}

ssize_t player_read(struct player *player, uint32_t *ret_frames, size_t frames)
{
    ssize_t count = player->host->class->read(player->host, ret_frames, frames);

    if (count > 0)
        player->next += (uint64_t)count;
    return done(player, count);
}

int player_look(struct player *player)
{
    (void)done(player, 0);
    int r = player->host->class->position(player->host, &player->position);

    if (r == 0 && player->direction == PCM_OUTPUT)
        ck_assert_uint_eq(player->played, player->position.consumed_frames);
    return r;
}

uint64_t player_remaining(struct player *player, uint64_t frame)
{
    return player->host->class->remaining_ns(player->host, frame);
}

void player_check(struct player *player, uint64_t consumed_frames, uint64_t moved_frames)
{
    ck_assert_int_eq(player_look(player), 0);
    ck_assert_uint_eq(player->position.consumed_frames, consumed_frames);
    ck_assert_uint_eq(player->direction == PCM_OUTPUT ? player->next : consumed_frames,
                      moved_frames);
}

void fake_card_check_heard(uint64_t count)
{
    ck_assert_uint_eq(fake_card.heard_frames, count);
    for (size_t i = 0; i < count; i++)
        ck_assert_uint_eq(fake_card.heard[i], i + 1);
}

static ssize_t fetch(struct player *player)
{
    static uint32_t buf[CHUNK_FRAMES];
    uint64_t at = player->next;
    ssize_t count =
        player_read(player, buf, (size_t)MIN(player->limit - at, (uint64_t)CHUNK_FRAMES));

    for (ssize_t i = 0; i < count && at + (uint64_t)i < player->captured_max; i++)
        player->captured[at + (uint64_t)i] = buf[i];
    return count;
}

void player_serve(struct player *player)
{
    bool plays = player->direction == PCM_OUTPUT;
    ssize_t count = player_look(player);

    count = count == 0 ? 1 : count;
    while (count > 0 && player->next < player->limit)
        count =
            plays ? player_write(player, (size_t)(player->limit - player->next)) : fetch(player);
    player->error = (int)MIN(count, 0l);
}

static uint64_t done_frames(const struct player *player)
{
    return player->direction == PCM_INPUT ? player->next : player->position.consumed_frames;
}

bool player_run(struct player *player, uint32_t period_frames, unsigned limit_ms)
{
    uint64_t end_ns = timebase_monotonic.now_ns(&timebase_monotonic) + limit_ms * 1000000ull;

    for (;;) {
        uint64_t now_ns = timebase_monotonic.now_ns(&timebase_monotonic);
        if (player->due_ns > 0 && now_ns > player->due_ns)
            player->late_ns = MAX(player->late_ns, now_ns - player->due_ns);
        player->due_ns = 0;
        player_serve(player);
        if (player->error < 0 || done_frames(player) >= player->limit || now_ns >= end_ns)
            return player->error == 0 && done_frames(player) >= player->limit;
        uint64_t message = (done_frames(player) / period_frames + 1) * period_frames;
        uint64_t left_ns = player_remaining(player, MIN(message, player->limit));
        player->due_ns = left_ns == TIME_NEVER ? end_ns : MIN(now_ns + left_ns, end_ns);
        timebase_monotonic.arm(&timebase_monotonic, player->timer.fd, player->due_ns);
        one_round(player, -1);
    }
}
