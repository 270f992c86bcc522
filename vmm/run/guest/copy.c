/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * While CMD runs: its input and output between ports and pipes (or a terminal), signals and window
 * sizes from linnet, and the end of every orphan.
 */
#include "vmm/run/guest/guest.h"

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>

#define QUIET_MS                                                                                   \
    200 /* CMD has ended, something else still holds its output: so long it may be silent */

/* Bytes on their way; each end is owned, -1 when closed. */
struct flow {
    int from, to;
    size_t at, len;
    uint8_t bytes[32768]; /* as much as a port takes at once */
};

static struct flow flows[3];

/* No more comes: what is here still goes out. */
static void flow_end_input(struct flow *flow)
{
    fd_close(&flow->from);
    if (flow->len == 0)
        fd_close(&flow->to);
}

/* Nobody takes it: the other side shall know. */
static void flow_end(struct flow *flow)
{
    flow->len = 0;
    flow_end_input(flow);
}

static void flow_read(struct flow *flow)
{
    ssize_t n = read(flow->from, flow->bytes, sizeof(flow->bytes));

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    flow->at = 0;
    flow->len = n > 0 ? (size_t)n : 0;
    if (n <= 0) /* EIO is the end of a terminal */
        flow_end_input(flow);
}

static void flow_write(struct flow *flow)
{
    ssize_t n = write(flow->to, flow->bytes + flow->at, flow->len);

    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        flow_end(flow);
    } else if (n > 0) {
        flow->at += (size_t)n;
        flow->len -= (size_t)n;
        if (flow->len == 0 && flow->from < 0)
            fd_close(&flow->to);
    }
}

/* -- poll -- */

#define WATCHED (2 * ARRAY_SIZE(flows) + 2)

/* A source is looked at only while there is room: one that has ended would be ready for ever. */
static void flow_watch(const struct flow *flow, struct pollfd watched[2])
{
    watched[0] = (struct pollfd){.fd = flow->len == 0 ? flow->from : -1, .events = POLLIN};
    watched[1] = (struct pollfd){.fd = flow->to, .events = flow->len > 0 ? POLLOUT : 0};
}

static void flow_serve(struct flow *flow, const struct pollfd watched[2])
{
    if (watched[1].revents & (POLLHUP | POLLERR)) {
        flow_end(flow);
        return;
    }
    if (watched[0].revents != 0)
        flow_read(flow);
    if (flow->len > 0) /* most often there is room: no need to ask first */
        flow_write(flow);
}

/* CMD has ended. True when no more of its output is to be waited for. */
static bool is_drained(bool quiet)
{
    for (size_t i = OUT; i <= ERR; i++)
        if (flows[i].to >= 0 && (!quiet || flows[i].len > 0))
            return false;
    return true;
}

/* -- what linnet says -- */

static uint8_t heard[CTL_HEAD_BYTES + CTL_SIZE_MAX];
static size_t heard_len;

static uint64_t number(const uint8_t *bytes)
{
    uint64_t value;

    memcpy(&value, bytes, sizeof(value)); /* guests are little-endian, as le64 is */
    return value;
}

static void obey(const struct command *command, int terminal)
{
    const uint8_t *bytes = heard + CTL_HEAD_BYTES;

    if (heard[0] == CTL_SIGNAL && heard[1] == 1)
        (void)kill(-command->pid, bytes[0]);
    if (heard[0] == CTL_WINDOW && heard[1] == 4 && command->tty) {
        struct winsize window = {.ws_row = (uint16_t)(bytes[0] | bytes[1] << 8),
                                 .ws_col = (uint16_t)(bytes[2] | bytes[3] << 8)};
        (void)ioctl(terminal, TIOCSWINSZ, &window); /* the kernel sends SIGWINCH */
    }
    if (heard[0] == CTL_CLOCK && heard[1] == 16) {
        const struct timespec now = {.tv_sec = (time_t)number(bytes),
                                     .tv_nsec = (long)number(bytes + 8)};
        (void)clock_settime(CLOCK_REALTIME, &now);
    }
}

static void ctl_serve(struct guest *guest, const struct command *command, int terminal)
{
    size_t want = heard_len < CTL_HEAD_BYTES ? CTL_HEAD_BYTES : CTL_HEAD_BYTES + heard[1];
    ssize_t n = read(guest->port[CTL], heard + heard_len, want - heard_len);

    if (n > 0)
        heard_len += (size_t)n;
    if (heard_len < CTL_HEAD_BYTES || heard_len < CTL_HEAD_BYTES + (size_t)heard[1])
        return;
    obey(command, terminal);
    heard_len = 0;
}

/* -- children -- */

/* Reaps all that ended. True if CMD was one of them; its status in *ret_status. */
static bool reap(const struct command *command, int *ret_status)
{
    bool ended = false;
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (pid != command->pid)
            continue;
        ended = true;
        *ret_status = status;
    }
    return ended;
}

static int children_watch(void)
{
    sigset_t set;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGCHLD);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

int command_serve(struct guest *guest, struct command *command)
{
    struct pollfd watched[WATCHED];
    struct signalfd_siginfo info;
    int children = children_watch(), status = 0;
    bool ended = reap(command, &status), quiet = false;

    flows[IN] = (struct flow){.from = fd_take(&guest->port[IN]), .to = fd_take(&command->in)};
    flows[OUT] = (struct flow){.from = fd_take(&command->out), .to = fd_take(&guest->port[OUT])};
    flows[ERR] = (struct flow){.from = fd_take(&command->err), .to = fd_take(&guest->port[ERR])};
    while (!ended || !is_drained(quiet)) {
        for (size_t i = 0; i < ARRAY_SIZE(flows); i++)
            flow_watch(&flows[i], watched + 2 * i);
        watched[WATCHED - 2] = (struct pollfd){.fd = guest->port[CTL], .events = POLLIN};
        watched[WATCHED - 1] = (struct pollfd){.fd = children, .events = POLLIN};
        bool waiting = ended && is_drained(true); /* for a holder of CMD's output */
        quiet = poll(watched, WATCHED, waiting ? QUIET_MS : -1) == 0;
        for (size_t i = 0; i < ARRAY_SIZE(flows); i++)
            flow_serve(&flows[i], watched + 2 * i);
        if (watched[WATCHED - 2].revents & POLLIN)
            ctl_serve(guest, command, flows[OUT].from);
        while (read(children, &info, sizeof(info)) > 0)
            ended = reap(command, &status) || ended;
    }
    for (size_t i = 0; i < ARRAY_SIZE(flows); i++) {
        fd_close(&flows[i].from);
        fd_close(&flows[i].to);
    }
    return status;
}
