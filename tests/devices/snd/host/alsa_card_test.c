/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * host=alsa with cards of the kernel, in real time: snd-aloop's, at whose other end arecord and
 * aplay listen and speak, and snd-dummy's. The rig (tests/rig) has both. Elsewhere each test says
 * that it was skipped.
 *
 * A busy machine may let this process, or any other, stand still for as long as it likes. So the
 * tests wait for what happens, not for times; the other ends have buffers for all there is; and how
 * late this process got to look after its PCM is measured: where it was not, nothing may have gone
 * wrong; where it was, no more than that accounts for. No frame is ever lost.
 */
#include "devices/snd/pcm/clock.h"
#include "tests/alsa_player.h"
#include "tests/capture.h"
#include "vmm/config/opts.h"

#include <check.h>
#include <fcntl.h>
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

#define CAPTURED_MAX (20u * RATE)

/* For what does not take long on any machine but one that hangs. */
#define HANGS_MS 120000

/* Looks that come this much too late may have let a ring run dry: the shortest has 300 ms, of which
 * 200 are left when a look is due. */
#define STALL_NS 100000000ull

static struct player player;

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

/* A shell's command; `fd` becomes its standard input (0) or output (1). */
static pid_t spawn(const char *command, int fd, int as)
{
    pid_t pid = fork();

    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        if (fd == as || dup2(fd, as) == as)
            (void)execl("/bin/sh", "sh", "-c", command, NULL);
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

#define OTHER_END                                                                                  \
    "-q -D plughw:CARD=Loopback,DEV=1 -t raw -f S16_LE -c 2 -r 48000 --period-time=100000"

/* Ten seconds are as much as snd-aloop has room for. */
static const char record_command[] = "exec arecord --buffer-time=10000000 " OTHER_END;
static const char play_command[] = "exec aplay --buffer-time=4000000 " OTHER_END;

/* A recording, as long as it is mapped. */
struct recording {
    const uint32_t *frames;
    size_t count;
};

static struct recording recording_map(int fd)
{
    off_t size = lseek(fd, 0, SEEK_END);
    struct recording recording = {.count = (size_t)size / sizeof(recording.frames[0])};

    if (recording.count == 0)
        return recording;
    recording.frames = mmap(NULL, (size_t)size, PROT_READ, MAP_SHARED, fd, 0);
    ck_assert(recording.frames != MAP_FAILED);
    return recording;
}

static void recording_unmap(struct recording *recording)
{
    if (recording->count > 0)
        (void)munmap((void *)(uintptr_t)recording->frames, recording->count * 4);
    recording->count = 0;
}

/* True if the last `behind` frames of the recording came after frame `last`. */
static bool has_heard(int fd, uint32_t last, size_t behind)
{
    struct recording recording = recording_map(fd);
    bool heard = false;

    for (size_t i = 0; i + behind < recording.count && !heard; i++)
        heard = recording.frames[i] == last;
    recording_unmap(&recording);
    return heard;
}

/* Returns when it records. */
static struct other_end record_begin(void)
{
    struct other_end end = {.fd = memory_file()};

    end.pid = spawn(record_command, end.fd, 1);
    while (!has_heard(end.fd, 0, 0))
        usleep(10000);
    return end;
}

/* What it has heard, up to frame `last` and 200 ms behind it, if that comes. */
static struct recording record_end(struct other_end *end, uint32_t last)
{
    for (unsigned ms = 0; ms < HANGS_MS / 10 && !has_heard(end->fd, last, RATE / 5); ms += 50)
        usleep(50000);
    (void)kill(end->pid, SIGINT);
    (void)waitpid(end->pid, NULL, 0);
    struct recording recording = recording_map(end->fd);
    fd_close(&end->fd);
    return recording;
}

/* What was made of frames 1, 2, ... `count`. */
struct heard {
    uint32_t last;  /* the latest of them */
    size_t missing; /* not there */
    size_t old;     /* there again, between new ones or behind the last */
    unsigned gaps;  /* places between frames that have silence, or old ones */
};

static struct heard listen(const struct recording *recording, uint32_t count)
{
    struct heard heard = {0};
    bool in_gap = false;
    uint32_t next = 1;

    for (size_t i = 0; i < recording->count; i++) {
        uint32_t frame = recording->frames[i];
        ck_assert_msg(frame <= count, "frame %zu of the recording is %u", i, frame);
        if (frame >= next) {
            heard.missing += frame - next;
            heard.gaps += in_gap && next > 1;
            next = frame + 1;
        }
        in_gap = frame + 1 < next;
        heard.old += in_gap && frame > 0;
    }
    heard.last = next - 1;
    heard.missing += count - heard.last;
    return heard;
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

/* Asserts that all frames were heard in order, with `gaps` at most, and one for each time that this
 * process let the ring run dry. The host counts those; and also the end of the sound, if it saw two
 * of the guest's periods in the ring and then none. A card without interrupts plays old sound when
 * it has run dry, whatever we do. */
static void check_heard(const struct heard *heard, uint32_t period, unsigned gaps)
{
    uint64_t xruns = player.host->xruns;

    if (xruns > 0) {
        printf("alsa_card: %u ms late: %u xruns, %u gaps, %zu old frames\n",
               (unsigned)(player.late_ns / 1000000), (unsigned)xruns, heard->gaps, heard->old);
        (void)fflush(stdout);
    }
    ck_assert_uint_eq(heard->missing, 0);
    ck_assert_uint_le(heard->gaps, gaps + xruns);
    if (player.late_ns < frames_to_ns(period / 2, RATE))
        ck_assert_uint_eq(xruns, 0);
    if (player.late_ns < STALL_NS)
        ck_assert_uint_eq(heard->old, 0);
}

/* PCMs, and the guest's periods and buffers: most are long, because the rig stands still at times.
 * What a mix had not mixed when it ran dry is lost. */
static const struct {
    const char *device;
    uint32_t period, buffer;
    bool mixes;
} ways[] = {
    {"hw:CARD=Loopback,DEV=0", 4800, 24000, false},
    {"hw:CARD=Loopback,DEV=0", 480, 14400, false},
    {"hw:CARD=Loopback,DEV=0", 5000, 15000, false},
    {"plughw:CARD=Loopback,DEV=0", 4800, 19200, false},
    {"plug:'dmix:CARD=Loopback,DEV=0'", 1024, 16384, true},
};

/* Plays all frames; with `pause`, the guest says STOP in the middle, and START. */
static void play_way(int way, bool pause)
{
    start_playback(ways[way].device, ways[way].period, ways[way].buffer);
    player.limit = FRAMES;
    if (pause) {
        (void)player_run(&player, ways[way].period, 500); /* far from all, however late it is */
        ck_assert_int_eq(player_stop(&player), 0);
        ck_assert_int_eq(player_look(&player), 0);
        uint64_t stood = player.position.consumed_frames;
        ck_assert_uint_lt(stood, FRAMES);
        usleep(300000);
        ck_assert_int_eq(player_look(&player), 0);
        ck_assert_uint_eq(player.position.consumed_frames, stood);
        player_serve(&player);
        ck_assert_int_eq(player_start(&player), 0);
    }
    ck_assert(player_run(&player, ways[way].period, HANGS_MS));
    end_playback();
}

static void check_way(int way, bool pause)
{
    struct other_end end = record_begin();

    play_way(way, pause);
    struct recording recording = record_end(&end, FRAMES);
    struct heard heard = listen(&recording, FRAMES);
    if (ways[way].mixes && player.host->xruns > 0 && player.late_ns >= STALL_NS)
        heard.missing = 0;
    check_heard(&heard, ways[way].period, pause ? 1 : 0);
    recording_unmap(&recording);
    player_fini(&player);
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

/* True if the process stands still. */
static bool is_stopped(pid_t pid)
{
    char path[32], text[256] = "";

    (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    (void)!read(fd, text, sizeof(text) - 1);
    fd_close(&fd);
    const char *name_end = strrchr(text, ')');
    return name_end != NULL && name_end[1] == ' ' && name_end[2] == 'T';
}

/* A process that waits for this one to stop, and lets it go on when its ring has run dry. */
static pid_t rouse_when_dry(void)
{
    const pid_t sleeper = getpid();
    pid_t pid = fork();

    ck_assert_int_ge(pid, 0);
    if (pid > 0)
        return pid;
    while (!is_stopped(sleeper))
        usleep(1000);
    usleep(2 * BUFFER * 1000ull / RATE * 1000);
    (void)kill(sleeper, SIGCONT);
    _exit(0);
}

/* It is stopped, with a full ring, for longer than that lasts. */
START_TEST(process_stopped_in_mid_sound_loses_no_frame)
{
    if (skipped("process_stopped_in_mid_sound_loses_no_frame", _i, "Loopback"))
        return;
    struct other_end end = record_begin();
    start_playback("hw:CARD=Loopback,DEV=0", PERIOD, BUFFER);
    player.limit = FRAMES;
    (void)player_run(&player, PERIOD, 500);
    pid_t pid = rouse_when_dry();
    player_serve(&player);
    uint64_t xruns = player.host->xruns;
    player.due_ns = 0;
    ck_assert_int_eq(raise(SIGSTOP), 0);
    player_serve(&player);
    ck_assert_uint_eq(player.host->xruns, xruns + 1);
    ck_assert(player_run(&player, PERIOD, HANGS_MS));
    end_playback();
    (void)waitpid(pid, NULL, 0);
    struct recording recording = record_end(&end, FRAMES);
    struct heard heard = listen(&recording, FRAMES);
    player.host->xruns--; /* that one was meant */
    check_heard(&heard, PERIOD, 1);
    recording_unmap(&recording);
    player_fini(&player);
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
        ck_assert(player_run(&player, PERIOD, HANGS_MS));
        usleep(200000);
    }
    end_playback();
    struct recording recording = record_end(&end, 5 * BUFFER);
    struct heard heard = listen(&recording, 5 * BUFFER);
    check_heard(&heard, PERIOD, 4);
    recording_unmap(&recording);
    player_fini(&player);
}
END_TEST

/* Of the other end's PCM. */
static bool other_end_is_prepared(void)
{
    char text[32] = "";
    int fd = open("/proc/asound/Loopback/pcm1p/sub0/status", O_RDONLY | O_CLOEXEC);

    ck_assert_int_ge(fd, 0);
    (void)!read(fd, text, sizeof(text) - 1);
    fd_close(&fd);
    return strncmp(text, "state: PREPARED", 15) == 0;
}

/* Frames from *next to `end`, into a pipe. */
static void feed(int fd, uint32_t *next, uint32_t end)
{
    uint32_t frames[PERIOD];

    while (*next < end) {
        size_t count = MIN((size_t)(end - *next), (size_t)PERIOD);
        for (size_t i = 0; i < count; i++)
            frames[i] = (*next)++;
        ck_assert_int_eq(write(fd, frames, count * 4), (ssize_t)count * 4);
    }
}

/* Starts aplay, which begins when its pipe is closed: the ring has room for all that comes. */
static struct other_end play_begin(uint32_t *ret_next)
{
    struct other_end end;
    int fds[2];

    ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
    ck_assert_int_ge(fcntl(fds[1], F_SETPIPE_SZ, 1 << 20), FRAMES * 4);
    *ret_next = 1;
    feed(fds[1], ret_next, PERIOD); /* it looks for a header before it opens its PCM */
    end = (struct other_end){.pid = spawn(play_command, fds[0], 0), .fd = fds[1]};
    fd_close(&fds[0]);
    while (!other_end_is_prepared())
        usleep(10000);
    return end;
}

/* aplay at the other end. */
START_TEST(recording_has_every_frame_once)
{
    if (skipped("recording_has_every_frame_once", _i, "Loopback"))
        return;
    static uint32_t captured[CAPTURED_MAX];
    struct recording recording = {.frames = captured};
    uint32_t next;
    memset(captured, 0, sizeof(captured));
    struct other_end end = play_begin(&next);
    player_init(&player, ways[_i].device, PCM_INPUT);
    player.captured = captured;
    player.captured_max = CAPTURED_MAX;
    ck_assert_int_eq(player_open(&player, RATE, PERIOD, BUFFER), 0);
    ck_assert_int_eq(player_start(&player), 0);
    feed(end.fd, &next, FRAMES + 1);
    fd_close(&end.fd);
    for (unsigned i = 0; i < CAPTURED_MAX / RATE && listen(&recording, FRAMES).last < FRAMES; i++) {
        player.limit += RATE;
        ck_assert(player_run(&player, PERIOD, HANGS_MS));
        recording.count = (size_t)player.limit;
    }
    (void)waitpid(end.pid, NULL, 0);
    struct heard heard = listen(&recording, FRAMES);
    ck_assert(heard.missing == 0 || player.host->lost_frames > 0);
    if (player.late_ns < STALL_NS) { /* else what came while nobody looked is lost */
        ck_assert_uint_eq(heard.last, FRAMES);
        ck_assert_uint_eq(player.host->lost_frames, 0);
        check_heard(&heard, PERIOD, 0);
    }
    player_fini(&player);
}
END_TEST

/* Plays for a second, and looks where the card is: never ahead of the clock, nor behind it by more
 * than a period unless the ring has run dry because this process was late. */
static void check_card_clock(void)
{
    const struct timebase *clock = &timebase_monotonic;
    const int64_t slack = RATE / 100;

    uint64_t before_ns = clock->now_ns(&timebase_monotonic);
    start_playback("hw:CARD=Dummy", PERIOD, BUFFER);
    uint64_t begun_ns = clock->now_ns(&timebase_monotonic);
    player.limit = UINT32_MAX;
    (void)player_run(&player, PERIOD, 1000);
    uint64_t then_ns = clock->now_ns(&timebase_monotonic);
    ck_assert_int_eq(player_look(&player), 0);
    uint64_t now_ns = clock->now_ns(&timebase_monotonic);
    int64_t frames = (int64_t)player.position.consumed_frames;
    ck_assert_int_le(frames, (int64_t)((now_ns - before_ns) * RATE / 1000000000) + slack);
    if (player.late_ns < STALL_NS && then_ns - begun_ns < 1100000000)
        ck_assert_int_ge(frames,
                         (int64_t)((then_ns - begun_ns) * RATE / 1000000000) - PERIOD - slack);
}

/* The card's clock is real time, a stop stands still, and a start goes on. */
START_TEST(dummy_card_plays_in_real_time)
{
    if (skipped("dummy_card_plays_in_real_time", _i, "Dummy"))
        return;
    check_card_clock();
    player_serve(&player);
    ck_assert_int_eq(player_stop(&player), 0);
    ck_assert_int_eq(player_look(&player), 0);
    uint64_t stood = player.position.consumed_frames;
    usleep(200000);
    ck_assert_int_eq(player_look(&player), 0);
    ck_assert_uint_eq(player.position.consumed_frames, stood);
    player_serve(&player);
    ck_assert_int_eq(player_start(&player), 0);
    player.limit = stood + RATE;
    ck_assert(player_run(&player, PERIOD, HANGS_MS));
    end_playback();
    player_fini(&player);
}
END_TEST

/* Has the card's driver let go of it ("unbind") or take it ("bind"), as if it were plugged. In a
 * process of its own, which has no part of the card open: unbinding waits until nobody has. */
static pid_t driver(const char *action)
{
    char command[128];

    (void)snprintf(command, sizeof(command),
                   "echo snd_aloop.0 >/sys/bus/platform/drivers/snd_aloop/%s", action);
    return spawn(command, STDERR_FILENO, STDERR_FILENO);
}

START_TEST(card_that_is_unplugged_and_plugged_in_again_plays)
{
    if (skipped("card_that_is_unplugged_and_plugged_in_again_plays", _i, "Loopback"))
        return;
    struct capture capture;
    int status;
    start_playback("hw:CARD=Loopback,DEV=0", PERIOD, BUFFER);
    player.limit = UINT32_MAX;
    (void)player_run(&player, PERIOD, 200);
    pid_t pid = driver("unbind");
    capture_start(&capture);
    bool played = player_run(&player, PERIOD, HANGS_MS);
    int error = player.error;
    (void)player_stop(&player);
    player_close(&player);
    int reopened = player_open(&player, RATE, PERIOD, BUFFER);
    (void)waitpid(pid, &status, 0);
    int unbound = status;
    (void)waitpid(driver("bind"), &status, 0);
    int back = -ENODEV;
    for (unsigned ms = 0; ms < HANGS_MS && back < 0; ms += 100, usleep(100000))
        back = player_open(&player, RATE, PERIOD, BUFFER);
    int started = player_start(&player);
    player.limit = FRAMES / 4;
    bool plays = player_run(&player, PERIOD, HANGS_MS);
    const char *text = capture_end(&capture);
    ck_assert_int_eq(unbound, 0);
    ck_assert_int_eq(status, 0);
    ck_assert(!played);
    ck_assert_int_eq(error, -ENODEV);
    ck_assert_int_lt(reopened, 0);
    ck_assert_int_eq(back, 0);
    ck_assert_msg(strstr(text, "No such device") != NULL && strstr(text, "is back") != NULL, "%s",
                  text);
    ck_assert_int_eq(started, 0);
    ck_assert(plays);
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
    struct opts *opts = player_opts(device);
    start_playback(device, PERIOD, BUFFER);
    capture_start(&capture);
    int r = player_create(opts, PCM_OUTPUT, &second);
    const char *text = capture_end(&capture);
    opts_destroy(opts);
    ck_assert_int_eq(r, -EBUSY);
    ck_assert_ptr_null(second);
    ck_assert_one_error(text, "another program has it");
    ck_assert_msg(strstr(text, device) != NULL, "%s", text);
    player_fini(&player);
}
END_TEST

Suite *alsa_card_suite(void)
{
    Suite *suite = suite_create("alsa_card");
    TCase *tests = tcase_create("all");
    int way_count = (int)ARRAY_SIZE(ways);

    tcase_set_timeout(tests, 4 * HANGS_MS / 1000);
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
