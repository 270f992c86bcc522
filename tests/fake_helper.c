/* SPDX-License-Identifier: BSD-3-Clause */
/* See fake_helper.h. */
#include "tests/fake_helper.h"

#include "devices/snd/host/alsa_serve.h"
#include "devices/snd/mixer/mixer.h"
#include "vmm/base/helper.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#define HELPERS_MAX 8
/* More than any has to do at once. */
#define ROUNDS_MAX 1000

int __real_helper_start(struct helper *helper, const char *name, int fd,
                        void (*run)(int socket, const void *arg), const void *arg)
    __attribute__((weak));
int __real_helper_end(struct helper *helper, int wait_ms) __attribute__((weak));
int __wrap_helper_start(struct helper *helper, const char *name, int fd,
                        void (*run)(int socket, const void *arg), const void *arg);
int __wrap_helper_end(struct helper *helper, int wait_ms);

static struct {
    struct timebase *timebase;
    bool hangs;
    int refusal;
    struct {
        bool is_there, is_mixer;
        int socket, ours;
        struct alsa_serve pcm;
        struct mixer mixer;
        uint64_t wait_ns;
    } helper[HELPERS_MAX]; /* number n has the process id -1 - n */
} fake;

void fake_helper_begin(struct timebase *timebase)
{
    fake.timebase = timebase;
    fake.hangs = false;
}

struct timebase *fake_helper_stepped(void)
{
    return fake.timebase;
}

bool fake_helper_is_asked(void)
{
    struct pollfd kicked = {.fd = fake.helper[0].socket, .events = POLLIN};

    return poll(&kicked, 1, 0) == 1;
}

int fake_helper_socket(void)
{
    return fake.helper[0].socket;
}

int fake_helper_ours(void)
{
    return fake.helper[0].ours;
}

struct alsa_shared *fake_helper_shared(void)
{
    return fake.helper[0].pcm.job.shared;
}

void fake_helper_hang(bool hangs)
{
    fake.hangs = hangs;
}

void fake_helper_refuse(int error)
{
    fake.refusal = error;
}

/* What goes with a process. */
static void memory_free(unsigned i)
{
    struct mixer *mixer = &fake.helper[i].mixer;

    alsa_pcm_close(&fake.helper[i].pcm.pcm);
    if (mixer->card != NULL)
        (void)snd_hctl_close(mixer->card);
    snd_ctl_elem_info_free(mixer->info);
    snd_ctl_elem_value_free(mixer->value);
    fake.helper[i].pcm = (struct alsa_serve){0};
    fake.helper[i].mixer = (struct mixer){0};
}

static void end(unsigned i)
{
    memory_free(i);
    fd_close(&fake.helper[i].socket);
    fake.helper[i].is_there = false;
}

void fake_helper_kill(void)
{
    for (unsigned i = 0; i < HELPERS_MAX; i++)
        if (fake.helper[i].is_there)
            end(i);
}

/* True until it has ended. */
static bool round_do(unsigned i)
{
    struct alsa_serve *pcm = &fake.helper[i].pcm;
    struct mixer *mixer = &fake.helper[i].mixer;

    if (fake.helper[i].is_mixer) {
        if (!mixer->ended)
            mixer_round(mixer, 0);
        return !mixer->ended;
    }
    fake.helper[i].wait_ns = alsa_serve_round(pcm, 0);
    return !pcm->ended;
}

static void step(unsigned i)
{
    struct pollfd asked = {.fd = fake.helper[i].socket, .events = POLLIN};
    unsigned rounds = 0;
    bool goes_on;

    do {
        assert(rounds < ROUNDS_MAX);
        rounds++;
        goes_on = round_do(i);
    } while (goes_on && poll(&asked, 1, 0) > 0);
    if (!goes_on)
        end(i);
    else /* its time is up */
        (void)round_do(i);
}

void fake_helper_step(void)
{
    for (unsigned i = 0; i < HELPERS_MAX; i++)
        if (fake.helper[i].is_there && !fake.hangs)
            step(i);
}

uint64_t fake_helper_wait(void)
{
    uint64_t wait = TIME_NEVER;

    for (unsigned i = 0; i < HELPERS_MAX; i++)
        if (fake.helper[i].is_there)
            wait = MIN(wait, fake.helper[i].wait_ns);
    return wait;
}

int __wrap_helper_start(struct helper *helper, const char *name, int fd,
                        void (*run)(int socket, const void *arg), const void *arg)
{
    unsigned i = 0;
    int ends[2];

    if (fake.refusal != 0)
        return fake.refusal;
    if (fake.timebase == NULL)
        return __real_helper_start(helper, name, fd, run, arg);
    while (fake.helper[i].is_there) {
        i++;
        assert(i < HELPERS_MAX);
    }
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0 ||
        fcntl(ends[0], F_SETFL, O_NONBLOCK) < 0)
        return -errno;
    *helper = (struct helper){.pid = -1 - (pid_t)i, .socket = ends[0]};
    fake.helper[i].is_there = true;
    fake.helper[i].is_mixer = run == mixer_serve;
    fake.helper[i].socket = ends[1];
    fake.helper[i].ours = ends[0];
    if (run == mixer_serve)
        mixer_begin(&fake.helper[i].mixer, ends[1], arg);
    else
        alsa_serve_begin(&fake.helper[i].pcm, ends[1], arg);
    fake.helper[i].pcm.timebase = fake.timebase;
    return 0;
}

int __wrap_helper_end(struct helper *helper, int wait_ms)
{
    if (helper->pid >= 0)
        return __real_helper_end(helper, wait_ms);
    unsigned i = (unsigned)(-1 - helper->pid);
    int r = fake.hangs ? -ETIMEDOUT : 0;

    (void)shutdown(helper->socket, SHUT_WR);
    if (fake.helper[i].is_there && !fake.hangs)
        step(i);
    if (fake.helper[i].is_there)
        end(i);
    fd_close(&helper->socket);
    helper->pid = 0;
    return r;
}
