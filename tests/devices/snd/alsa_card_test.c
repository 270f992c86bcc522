/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * host=alsa with cards of the kernel, in real time: snd-aloop's, at whose other end arecord and
 * aplay listen and speak, and snd-dummy's. The rig (tests/rig) has both. Elsewhere each test says
 * that it was skipped.
 */
#include "devices/snd/clock.h"
#include "tests/alsa_player.h"
#include "tests/capture.h"
#include "vmm/opts.h"

#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

Suite *alsa_card_suite(void);

#define RATE   48000
#define PERIOD 4800 /* 100 ms */
#define BUFFER (4 * PERIOD)
#define FRAMES (2 * RATE)

#define RECORDED_MAX (20u * RATE)

static struct player player;
static uint32_t recorded[RECORDED_MAX];

static bool file_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

/* True if there is no such card; says so once for a test that comes several times (`index`). */
static bool skipped(const char *test, int index, const char *card)
{
    char path[64];

    (void)snprintf(path, sizeof(path), "/proc/asound/%s", card);
    if (file_exists(path))
        return false;
    if (index > 0)
        return true;
    printf("SKIP alsa_card/%s: no ALSA card '%s' here\n", test, card);
    (void)fflush(stdout);
    return true;
}

/* -- the other end: aplay, arecord -- */

struct other_end {
    pid_t pid;
    int fd; /* its recording, or what it plays */
};

/* argv ends with NULL; `fd` becomes its standard input (0) or output (1). */
static pid_t spawn(char *const argv[], int fd, int as)
{
    pid_t pid = fork();

    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        if (fd == as || dup2(fd, as) == as)
            (void)execvp(argv[0], argv);
        _exit(127);
    }
    return pid;
}

static int memory_file(void)
{
    int fd = memfd_create("sound", MFD_CLOEXEC);

    ck_assert_int_ge(fd, 0);
    return fd;
}

static const char *const record_argv[] = {
    "arecord", "-q", "-D",    "plughw:CARD=Loopback,DEV=1", "-t", "raw", "-f", "S16_LE", "-c",
    "2",       "-r", "48000", "--buffer-time=500000",       NULL};
static const char *const play_argv[] = {
    "aplay", "-q",    "-D", "plughw:CARD=Loopback,DEV=1", "-t", "raw", "-f", "S16_LE", "-c", "2",
    "-r",    "48000", NULL};

static off_t file_size(int fd)
{
    return lseek(fd, 0, SEEK_END);
}

/* Returns when it records. */
static struct other_end record_begin(void)
{
    struct other_end end = {.fd = memory_file()};

    end.pid = spawn((char *const *)(uintptr_t)record_argv, end.fd, 1);
    for (unsigned i = 0; i < 500 && file_size(end.fd) == 0; i++)
        usleep(10000);
    ck_assert_int_gt(file_size(end.fd), 0);
    return end;
}

/* What it has heard, in `recorded`: frames. */
static size_t record_end(struct other_end *end)
{
    usleep(300000); /* what is on its way */
    (void)kill(end->pid, SIGINT);
    (void)waitpid(end->pid, NULL, 0);
    ssize_t len = pread(end->fd, recorded, sizeof(recorded), 0);
    fd_close(&end->fd);
    ck_assert_int_gt(len, 0);
    return (size_t)len / sizeof(recorded[0]);
}

/* Asserts that `recorded` has frames 1 to `count`, each once, in order, and silence in at most
 * `gaps` places between them. Where they end. */
static size_t check_recorded(size_t recorded_frames, uint32_t count, unsigned gaps)
{
    unsigned gaps_seen = 0;
    uint32_t next = 1;
    size_t i;

    for (i = 0; i < recorded_frames && next <= count; i++) {
        if (recorded[i] == 0) {
            gaps_seen += next > 1 && recorded[i - 1] != 0;
            continue;
        }
        ck_assert_msg(recorded[i] == next, "frame %zu of the recording is %u, not %u", i,
                      recorded[i], next);
        next++;
    }
    ck_assert_uint_eq(next, count + 1);
    ck_assert_uint_le(gaps_seen, gaps);
    return i;
}

/* Of what the host played: the same, and nothing behind it. */
static void check_played(size_t recorded_frames, uint32_t count, unsigned gaps)
{
    for (size_t i = check_recorded(recorded_frames, count, gaps); i < recorded_frames; i++)
        ck_assert_msg(recorded[i] == 0, "frame %zu of the recording is %u, not silence", i,
                      recorded[i]);
}

/* -- tests -- */

static void start_playback(const char *device, uint32_t period, uint32_t buffer)
{
    player_init(&player, device, PCM_OUTPUT);
    ck_assert_int_eq(player_open(&player, RATE, period, buffer), 0);
    player.limit = buffer;
    player_serve(&player);
    ck_assert_int_eq(player_start(&player), 0);
}

static void end_playback(void)
{
    ck_assert_int_eq(player_stop(&player), 0);
    player_close(&player);
    ck_assert_int_eq(player.host->class->finish(player.host), 0);
}

/* PCMs, and the guest's periods and buffers: most are long, because the rig stands still at times.
 */
static const struct {
    const char *device;
    uint32_t period, buffer;
} ways[] = {
    {"hw:CARD=Loopback,DEV=0", 4800, 24000},          {"hw:CARD=Loopback,DEV=0", 480, 14400},
    {"hw:CARD=Loopback,DEV=0", 5000, 15000},          {"plughw:CARD=Loopback,DEV=0", 4800, 19200},
    {"plug:'dmix:CARD=Loopback,DEV=0'", 1024, 16384},
};

/* Plays all frames; with `pause`, the guest says STOP in the middle, and START. */
static void play_way(int way, bool pause)
{
    struct host_position position;

    start_playback(ways[way].device, ways[way].period, ways[way].buffer);
    player.limit = FRAMES;
    if (pause) {
        (void)player_run(&player, ways[way].period, 500);
        ck_assert_int_eq(player_stop(&player), 0);
        ck_assert_int_eq(player_look(&player, &position), 0);
        uint64_t stood = position.consumed_frames;
        ck_assert_uint_lt(stood, FRAMES);
        usleep(300000);
        ck_assert_int_eq(player_look(&player, &position), 0);
        ck_assert_uint_eq(position.consumed_frames, stood);
        player_serve(&player);
        ck_assert_int_eq(player_start(&player), 0);
    }
    ck_assert(player_run(&player, ways[way].period, 20000));
    end_playback();
}

/* Plays, and checks what was heard. Another time (at most three) if the machine stood still for
 * longer than the ring lasts: a card without interrupts plays old sound, whatever we do. */
static void check_way(int way, bool pause)
{
    uint64_t xruns = 1;

    for (unsigned i = 0; i < 3 && xruns > 0; i++) {
        struct other_end end = record_begin();
        play_way(way, pause);
        size_t count = record_end(&end);
        xruns = player.host->xruns;
        if (xruns == 0)
            check_played(count, FRAMES, pause ? 1 : 0);
        player_fini(&player);
    }
    ck_assert_uint_eq(xruns, 0);
}

START_TEST(loopback_hears_every_frame_once)
{
    if (skipped("loopback_hears_every_frame_once", _i, "Loopback"))
        return;
    check_way(_i, false);
}
END_TEST

/* STOP and START of the guest, with more in the ring than was played. */
START_TEST(loopback_hears_every_frame_once_around_a_pause)
{
    if (skipped("loopback_hears_every_frame_once_around_a_pause", _i, "Loopback"))
        return;
    check_way(_i, true);
}
END_TEST

/* The process is stopped for longer than the ring lasts. */
static int play_to_the_end(void)
{
    start_playback("hw:CARD=Loopback,DEV=0", PERIOD, BUFFER);
    player.limit = FRAMES;
    bool done = player_run(&player, PERIOD, 30000);
    end_playback();
    bool counted = player.host->xruns > 0;
    player_fini(&player);
    return !done ? 2 : counted ? 0 : 3;
}

START_TEST(process_stopped_in_mid_sound_loses_no_frame)
{
    if (skipped("process_stopped_in_mid_sound_loses_no_frame", _i, "Loopback"))
        return;
    int status;
    struct other_end end = record_begin();
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0)
        _exit(play_to_the_end());
    usleep(700000);
    ck_assert_int_eq(kill(pid, SIGSTOP), 0);
    usleep(1000000);
    ck_assert_int_eq(kill(pid, SIGCONT), 0);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    check_played(record_end(&end), FRAMES, 1);
}
END_TEST

/* The guest is late again and again, by more than the ring lasts. */
START_TEST(guest_that_is_late_loses_no_frame)
{
    if (skipped("guest_that_is_late_loses_no_frame", _i, "Loopback"))
        return;
    struct other_end end = record_begin();
    start_playback("hw:CARD=Loopback,DEV=0", PERIOD, BUFFER);
    for (uint64_t limit = BUFFER; limit <= 5 * BUFFER; limit += BUFFER) {
        player.limit = limit;
        ck_assert(player_run(&player, PERIOD, 5000));
        usleep(200000);
    }
    end_playback();
    check_played(record_end(&end), 5 * BUFFER, 4);
    ck_assert_uint_eq(player.host->xruns, 0);
    player_fini(&player);
}
END_TEST

/* aplay at the other end. */
START_TEST(recording_has_every_frame_once)
{
    if (skipped("recording_has_every_frame_once", _i, "Loopback"))
        return;
    struct other_end end = {.fd = memory_file()};
    for (uint32_t i = 0; i < FRAMES; i++)
        recorded[i] = i + 1;
    ck_assert_int_eq(write(end.fd, recorded, (size_t)FRAMES * 4), (ssize_t)FRAMES * 4);
    ck_assert_int_eq(lseek(end.fd, 0, SEEK_SET), 0);
    player_init(&player, ways[_i].device, PCM_INPUT);
    player.captured = recorded;
    player.captured_max = (size_t)FRAMES * 3;
    memset(recorded, 0, sizeof(recorded));
    ck_assert_int_eq(player_open(&player, RATE, PERIOD, BUFFER), 0);
    ck_assert_int_eq(player_start(&player), 0);
    end.pid = spawn((char *const *)(uintptr_t)play_argv, end.fd, 0);
    player.limit = (uint64_t)FRAMES * 3;
    ck_assert(player_run(&player, PERIOD, 20000));
    (void)waitpid(end.pid, NULL, 0);
    fd_close(&end.fd);
    check_recorded((size_t)FRAMES * 3, FRAMES, 0);
    ck_assert_uint_eq(player.host->xruns, 0);
    ck_assert_uint_eq(player.host->lost_frames, 0);
    player_fini(&player);
}
END_TEST

/* The card's clock is real time, a stop stands still, and a start goes on. */
START_TEST(dummy_card_plays_in_real_time)
{
    if (skipped("dummy_card_plays_in_real_time", _i, "Dummy"))
        return;
    struct host_position position;
    start_playback("hw:CARD=Dummy", PERIOD, BUFFER);
    uint64_t before_ns = timebase_monotonic.now_ns(&timebase_monotonic);
    player.limit = RATE;
    ck_assert(player_run(&player, PERIOD, 10000));
    uint64_t took_ns = timebase_monotonic.now_ns(&timebase_monotonic) - before_ns;
    ck_assert_uint_ge(took_ns, 980000000);
    ck_assert_uint_le(took_ns, 1500000000);
    player.limit += BUFFER;
    player_serve(&player);
    usleep(20000);
    ck_assert_int_eq(player_stop(&player), 0);
    ck_assert_int_eq(player_look(&player, &position), 0);
    uint64_t stood = position.consumed_frames;
    usleep(200000);
    ck_assert_int_eq(player_look(&player, &position), 0);
    ck_assert_uint_eq(position.consumed_frames, stood);
    player_serve(&player);
    ck_assert_int_eq(player_start(&player), 0);
    ck_assert(player_run(&player, PERIOD, 5000));
    end_playback();
    player_fini(&player);
}
END_TEST

/* Has the card's driver let go of it ("unbind") or take it ("bind"), as if it were plugged. In a
 * process of its own, which has no part of the card open: unbinding waits until nobody has. */
static pid_t driver(const char *action)
{
    char command[128];
    char *const argv[] = {(char[]){"sh"}, (char[]){"-c"}, command, NULL};

    (void)snprintf(command, sizeof(command),
                   "echo snd_aloop.0 >/sys/bus/platform/drivers/snd_aloop/%s", action);
    return spawn(argv, STDERR_FILENO, STDERR_FILENO);
}

START_TEST(card_that_is_unplugged_and_plugged_in_again_plays)
{
    if (skipped("card_that_is_unplugged_and_plugged_in_again_plays", _i, "Loopback"))
        return;
    struct capture capture;
    int status;
    start_playback("hw:CARD=Loopback,DEV=0", PERIOD, BUFFER);
    player.limit = 20 * FRAMES;
    (void)player_run(&player, PERIOD, 200);
    pid_t pid = driver("unbind");
    capture_start(&capture);
    bool played = player_run(&player, PERIOD, 5000);
    int error = player.error;
    (void)player_stop(&player);
    player_close(&player);
    int reopened = player_open(&player, RATE, PERIOD, BUFFER);
    (void)waitpid(pid, &status, 0);
    int unbound = status;
    (void)waitpid(driver("bind"), &status, 0);
    int back = -ENODEV;
    for (unsigned i = 0; i < 50 && back < 0; i++, usleep(100000))
        back = player_open(&player, RATE, PERIOD, BUFFER);
    const char *text = capture_end(&capture);
    ck_assert_int_eq(unbound, 0);
    ck_assert_int_eq(status, 0);
    ck_assert(!played);
    ck_assert_int_eq(error, -ENODEV);
    ck_assert_int_lt(reopened, 0);
    ck_assert_int_eq(back, 0);
    ck_assert_msg(strstr(text, "is gone") != NULL && strstr(text, "is back") != NULL, "%s", text);
    ck_assert_int_eq(player_start(&player), 0);
    player.limit = FRAMES / 4;
    ck_assert(player_run(&player, PERIOD, 5000));
    end_playback();
    player_fini(&player);
}
END_TEST

/* While another has it. */
START_TEST(busy_card_is_refused)
{
    if (skipped("busy_card_is_refused", _i, "Loopback"))
        return;
    static const char device[] = "hw:CARD=Loopback,DEV=0,SUBDEV=3";
    struct capture capture;
    struct host *second = NULL;
    struct opts *opts = player_opts(device, "off");
    start_playback(device, PERIOD, BUFFER);
    capture_start(&capture);
    int r = player_create(opts, PCM_OUTPUT, &second);
    const char *text = capture_end(&capture);
    opts_destroy(opts);
    ck_assert_int_eq(r, -EBUSY);
    ck_assert_ptr_null(second);
    ck_assert_msg(capture_is_one_error(text), "%s", text);
    ck_assert_msg(strstr(text, "another program has it") != NULL, "%s", text);
    ck_assert_msg(strstr(text, device) != NULL, "%s", text);
    player_fini(&player);
}
END_TEST

Suite *alsa_card_suite(void)
{
    Suite *suite = suite_create("alsa_card");
    TCase *tests = tcase_create("all");
    int way_count = (int)ARRAY_SIZE(ways);

    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, loopback_hears_every_frame_once, 0, way_count);
    tcase_add_loop_test(tests, loopback_hears_every_frame_once_around_a_pause, 0, way_count);
    tcase_add_test(tests, process_stopped_in_mid_sound_loses_no_frame);
    tcase_add_test(tests, guest_that_is_late_loses_no_frame);
    tcase_add_loop_test(tests, recording_has_every_frame_once, 2, 4);
    tcase_add_test(tests, dummy_card_plays_in_real_time);
    tcase_add_test(tests, card_that_is_unplugged_and_plugged_in_again_plays);
    tcase_add_test(tests, busy_card_is_refused);
    suite_add_tcase(suite, tests);
    return suite;
}
