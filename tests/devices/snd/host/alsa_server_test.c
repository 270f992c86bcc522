/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * host=alsa with a sound server, PulseAudio, in real time: it is stopped in the middle of a sound,
 * and goes on. The whole device plays, so that what the guest sees is measured. Skipped where there
 * is no PulseAudio, or no plugin of it for alsa-lib (in Debian libasound2-plugins).
 */
#include "devices/snd/lib/alsa.h"
#include "tests/capture.h"
#include "tests/devices/snd/sound_rig.h"
#include "tests/entries.h"

#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

Suite *alsa_server_suite(void);

#define PERIODS      4
#define PERIOD_BYTES 4800 /* 25 ms: S16, stereo, 48 kHz */
#define PERIOD_NS    (25 * RIG_MS)

/* A server is given up after 250 ms, and opening it is waited for no longer than 500 ms. The rest
 * is for a machine that has much to do; the server is stopped for three seconds. */
#define LATE_NS (1500 * RIG_MS)

/* For what does not take long on any machine but one that hangs. */
#define HANGS_MS 20000

static uint64_t now_ns(void)
{
    return timebase_monotonic.now_ns(&timebase_monotonic);
}

/* -- the server -- */

static char dir[] = "/tmp/linnet-pulse-XXXXXX";
static pid_t server;

/* argv ends with NULL. Hears and says nothing. */
static pid_t spawn(const char *const argv[])
{
    pid_t pid = fork();

    ck_assert_int_ge(pid, 0);
    if (pid > 0)
        return pid;
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = 0; fd <= 2; fd++)
        (void)dup2(null, fd);
    (void)execvp(argv[0], (char *const *)(uintptr_t)argv);
    _exit(127);
}

/* 0, or why not. */
static int server_answers(void)
{
    snd_pcm_t *pcm;
    int r = alsa.pcm_open(&pcm, "pulse", SND_PCM_STREAM_PLAYBACK, SND_PCM_NONBLOCK);

    return r == 0 ? alsa.pcm_close(pcm) : r;
}

/* True if it runs, with a card that plays to nobody. */
static bool server_start(void)
{
    char native[128], address[128];
    const char *const argv[] = {"pulseaudio",
                                "-n",
                                "--daemonize=no",
                                "--use-pid-file=no",
                                "--exit-idle-time=-1",
                                "--disable-shm",
                                "-Lmodule-null-sink norewinds=1",
                                native,
                                NULL};
    int r = -ECONNREFUSED;

    ck_assert_int_eq(alsa_load(), 0);
    ck_assert_ptr_nonnull(mkdtemp(dir));
    (void)snprintf(native, sizeof(native),
                   "-Lmodule-native-protocol-unix socket=%s/native auth-anonymous=1 "
                   "auth-cookie-enabled=0",
                   dir);
    (void)snprintf(address, sizeof(address), "unix:%s/native", dir);
    (void)setenv("PULSE_SERVER", address, 1);
    (void)setenv("PULSE_RUNTIME_PATH", dir, 1);
    (void)setenv("PULSE_STATE_PATH", dir, 1);
    server = spawn(argv);
    for (unsigned ms = 0; ms < HANGS_MS && r == -ECONNREFUSED; ms += 50, usleep(50000)) {
        r = server_answers();
        if (waitpid(server, NULL, WNOHANG) == server)
            return false;
    }
    return r == 0;
}

static void server_end(void)
{
    const char *const argv[] = {"rm", "-r", dir, NULL};

    if (kill(server, SIGKILL) == 0)
        (void)waitpid(server, NULL, 0);
    (void)waitpid(spawn(argv), NULL, 0);
}

/* -- the guest -- */

static struct rig rig;

static struct {
    uint64_t completed_ns; /* when a period came back last */
    uint64_t late_ns;      /* the most by which one came later than a period after that */
    uint64_t answer_ns;    /* the longest that a request took */
} seen;

static void offer(void)
{
    (void)rig_play(&rig, 0, rig_alloc(&rig, PERIOD_BYTES), PERIOD_BYTES);
}

static void command(uint32_t code)
{
    uint64_t begin_ns = now_ns();

    ck_assert_uint_eq(rig_command(&rig, code, 0), RIG_OK);
    seen.answer_ns = MAX(seen.answer_ns, now_ns() - begin_ns);
}

/* Has its periods played, for so long or until the log says so. */
static bool play(unsigned ms, struct capture *capture, const char *until)
{
    uint64_t end_ns = now_ns() + ms * RIG_MS;
    struct rig_done done;

    while (now_ns() < end_ns) {
        if (until != NULL && strstr(capture_look(capture), until) != NULL)
            return true;
        usleep(1000);
        uint64_t now = now_ns();
        seen.late_ns = MAX(seen.late_ns, now - MIN(seen.completed_ns + PERIOD_NS, now));
        while (rig_done(&rig, RIG_TX, &done)) {
            ck_assert_uint_eq(done.status, RIG_OK);
            seen.completed_ns = now;
            offer();
        }
    }
    return false;
}

/* -- tests -- */

/* True if there are so many; ends of threads may still be on their way. */
static bool come_down_to(const char *path, unsigned count)
{
    for (unsigned ms = 0; ms < HANGS_MS && entries_count(path) > count; ms += 10)
        usleep(10000);
    return entries_count(path) == count;
}

static void prepare_and_start(void)
{
    command(RIG_PREPARE);
    for (unsigned i = 0; i < PERIODS; i++)
        offer();
    command(RIG_START);
    seen.completed_ns = now_ns();
}

/* A second of sound; then the server is stopped for three, in which the guest begins anew. */
static bool play_through(struct capture *capture)
{
    prepare_and_start();
    (void)play(1000, capture, NULL);
    (void)kill(server, SIGSTOP);
    (void)play(1500, capture, NULL);
    command(RIG_STOP);
    command(RIG_RELEASE);
    while (rig_done_count(&rig, RIG_TX) > 0)
        continue;
    prepare_and_start();
    (void)play(1500, capture, NULL);
    (void)kill(server, SIGCONT);
    bool back = play(HANGS_MS, capture, "\"pulse\" is back");
    (void)play(1000, capture, NULL);
    command(RIG_STOP);
    command(RIG_RELEASE);
    return back;
}

START_TEST(server_that_is_stopped_holds_up_nobody_and_is_heard_again)
{
    struct capture capture;

    if (!server_start()) {
        printf("SKIP alsa_server: no PulseAudio here, or no plugin of it for alsa-lib\n");
        (void)fflush(stdout);
        server_end();
        return;
    }
    unsigned threads = entries_count("/proc/self/task"), fds = entries_count("/proc/self/fd");
    rig_start_live(&rig, "host=alsa,device=pulse");
    ck_assert_uint_eq(
        rig_set_params(&rig, 0, PERIODS * PERIOD_BYTES, PERIOD_BYTES, 2, RIG_S16, RIG_48000),
        RIG_OK);
    capture_start(&capture);
    bool back = play_through(&capture);
    const char *text = capture_end(&capture);
    rig_end(&rig);
    server_end();
    printf("alsa_server: late %u ms, answers %u ms\n", (unsigned)(seen.late_ns / RIG_MS),
           (unsigned)(seen.answer_ns / RIG_MS));
    ck_assert_msg(back, "%s", text);
    ck_assert_msg(strstr(text, "\"pulse\" failed: Connection timed out") != NULL, "%s", text);
    ck_assert_uint_lt(seen.late_ns, LATE_NS);
    ck_assert_uint_lt(seen.answer_ns, LATE_NS);
    ck_assert(come_down_to("/proc/self/task", threads));
    ck_assert(come_down_to("/proc/self/fd", fds));
}
END_TEST

Suite *alsa_server_suite(void)
{
    Suite *suite = suite_create("alsa_server");
    TCase *tests = tcase_create("all");

    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, server_that_is_stopped_holds_up_nobody_and_is_heard_again);
    suite_add_tcase(suite, tests);
    return suite;
}
