/* SPDX-License-Identifier: BSD-3-Clause */
/* See session.h. */
#include "vmm/run/session.h"

#include "vmm/base/exit_status.h"
#include "vmm/base/log.h"
#include "vmm/base/timebase.h"
#include "vmm/terminal.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>

/* With CMD after SIGTERM: less than any runner has before KILL. With a guest whose init is gone. */
#define PATIENCE_NS (2 * SECOND_NS)

/* -- to the guest -- */

/* A guest that does not read what it is told does not get it. */
static void tell_guest(struct session *session, int type, const void *bytes, size_t size)
{
    uint8_t message[CTL_HEAD_BYTES + CTL_SIZE_MAX] = {(uint8_t)type, (uint8_t)size};

    assert(size <= CTL_SIZE_MAX);
    memcpy(message + CTL_HEAD_BYTES, bytes, size);
    (void)send(session->messages.fd, message, CTL_HEAD_BYTES + size, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void tell_window(struct session *session)
{
    struct winsize window;

    if (!session->run->tty || ioctl(STDIN_FILENO, TIOCGWINSZ, &window) < 0 || window.ws_row == 0)
        return;
    le16 size[2] = {to_le16(window.ws_row), to_le16(window.ws_col)};
    tell_guest(session, CTL_WINDOW, size, sizeof(size));
}

static void timer_set(struct session *session, uint64_t in_ns)
{
    timebase_arm_in(&timebase_monotonic, session->timer.fd, in_ns == 0 ? TIME_NEVER : in_ns);
}

bool session_signal(struct session *session, int signal)
{
    uint8_t number = (uint8_t)signal;
    bool ends = signal != SIGUSR1 && signal != SIGUSR2;

    if (signal == SIGWINCH) {
        tell_window(session);
        return true;
    }
    if (!session->ctl.started || session->ctl.end != 0)
        return !ends;
    if (signal == SIGINT || signal == SIGTERM) {
        if (session->asked)
            return false;
        session->asked = true;
    }
    if (signal == SIGTERM)
        timer_set(session, PATIENCE_NS);
    tell_guest(session, CTL_SIGNAL, &number, sizeof(number));
    return true;
}

void session_resumed(struct session *session)
{
    struct timespec now;

    if (session->run == NULL || !session->ctl.hello)
        return;
    (void)clock_gettime(CLOCK_REALTIME, &now); /* cannot fail */
    const le64 time[2] = {to_le64((uint64_t)now.tv_sec), to_le64((uint64_t)now.tv_nsec)};
    tell_guest(session, CTL_CLOCK, time, sizeof(time));
}

/* -- from the guest -- */

/* Output is whole when its port is closed and all of it is written. */
static void end_if_complete(struct session *session)
{
    int end = session->ctl.end;
    bool ran = end == CTL_EXITED || end == CTL_KILLED;

    if (end == 0 || (ran && (!atomic_load(&session->pump[RUN_OUT].blocker.ended) ||
                             !atomic_load(&session->pump[RUN_ERR].blocker.ended))))
        return;
    session->end(session, VM_COMMAND);
}

static void command_started(struct session *session)
{
    timer_set(session, 0);
    if (!session->run->tty || !isatty(STDIN_FILENO))
        return;
    if (terminal_raw() == 0)
        session->raw = true;
    tell_window(session); /* it may have changed since the run file was written */
}

static void unfit(struct session *session, const char *why)
{
    session->ctl.end = CTL_UNFIT;
    (void)snprintf(session->ctl.text, sizeof(session->ctl.text), "%s", why);
}

/* How many bytes came; 0: none come now, or ever. */
static size_t hear(struct session *session)
{
    bool hello = session->ctl.hello, started = session->ctl.started;
    uint8_t bytes[CTL_HEAD_BYTES + CTL_SIZE_MAX];
    ssize_t n = recv(session->messages.fd, bytes, sizeof(bytes), MSG_DONTWAIT);

    if (n == 0) { /* most often because the guest goes down, which is told soon */
        loop_remove(&session->messages);
        session->gone = true;
        timer_set(session, PATIENCE_NS);
    }
    if (n <= 0)
        return 0;
    if (ctl_hear(&session->ctl, bytes, (size_t)n) < 0)
        unfit(session, "what it said over " PORT_CTL " is no message");
    uint64_t now_ns = monotonic_ns();
    if (!hello && session->ctl.hello) {
        session->hello_ns = now_ns;
        timer_set(session, 0);
    }
    if (!started && session->ctl.started) {
        session->started_ns = now_ns;
        command_started(session);
    }
    return (size_t)n;
}

static void messages_ready(struct watch *watch, uint32_t epoll_events)
{
    struct session *session = container_of(watch, struct session, messages);

    (void)epoll_events;
    (void)hear(session);
    end_if_complete(session);
}

static void news_ready(struct watch *watch, uint32_t epoll_events)
{
    struct session *session = container_of(watch, struct session_news, watch)->session;
    eventfd_t count;

    (void)epoll_events;
    (void)eventfd_read(watch->fd, &count);
    if (atomic_load(&session->quit))
        session->end(session, VM_QUIT);
    end_if_complete(session);
}

static void timer_ready(struct watch *watch, uint32_t epoll_events)
{
    struct session *session = container_of(watch, struct session, timer);
    uint64_t count;

    (void)epoll_events;
    (void)!read(watch->fd, &count, sizeof(count));
    if (session->gone && session->ctl.end == 0) {
        unfit(session, "linnet's init in it was killed");
        session->end(session, VM_COMMAND);
        return;
    }
    session->end(session, session->asked ? VM_SIGNAL : VM_BOOT_LIMIT);
}

/* -- standard streams -- */

/* The input thread. */
static size_t take_keys(struct pump *pump, uint8_t *keys, size_t count)
{
    struct session *session = container_of(pump, struct session, pump[RUN_IN]);
    bool quit = false;

    count = terminal_take_escapes(&session->escaped, keys, count, &quit);
    if (quit) {
        atomic_store(&session->quit, true);
        irq_raise(&pump->blocker.news);
    }
    return count;
}

static int pumps_start(struct session *session, struct loop *loop)
{
    int r = 0;

    for (int i = 0; i < RUN_CTL && r == 0; i++) {
        struct pump *pump = &session->pump[i];
        pump->stream = i;
        pump->socket = session->run->ours[i];
        pump->is_input = i == RUN_IN;
        if (i == RUN_IN && session->run->tty && isatty(STDIN_FILENO))
            pump->keys = take_keys;
        r = pump_start(pump);
        if (r < 0)
            break;
        session->news[i] = (struct session_news){
            .watch = {.fd = pump->blocker.news.fd, .ready = news_ready}, .session = session};
        r = loop_add(loop, &session->news[i].watch, EPOLLIN);
    }
    return r;
}

int session_start(struct session *session, const struct run *run, struct loop *loop,
                  uint64_t boot_limit_ns)
{
    session->run = run;
    session->messages = (struct watch){.fd = run->ours[RUN_CTL], .ready = messages_ready};
    session->timer = (struct watch){.fd = timebase_timer(), .ready = timer_ready};
    int r = session->timer.fd < 0 ? session->timer.fd : 0;
    if (r == 0)
        r = loop_add(loop, &session->timer, EPOLLIN);
    if (r == 0)
        r = loop_add(loop, &session->messages, EPOLLIN);
    if (r < 0)
        return log_error(r, "the command's session");
    timer_set(session, boot_limit_ns);
    return pumps_start(session, loop);
}

/* -- the end -- */

static const struct {
    int status;
    const char *why; /* "... before CMD ended"; NULL: somebody else says it */
} ends[] = {
    [VM_RUNNING] = {RUN_STATUS_FAILED, NULL},
    [VM_POWEROFF] = {RUN_STATUS_FAILED, "the guest powered off"},
    [VM_RESET] = {EXIT_RESET, "the guest was reset"},
    [VM_CRASHED] = {EXIT_CRASHED, "the guest crashed"},
    [VM_PANICKED] = {EXIT_PANICKED, "the guest's kernel panicked"},
    [VM_HOST_ERROR] = {RUN_STATUS_FAILED, NULL},
    [VM_WATCHDOG] = {EXIT_WATCHDOG, NULL},
    [VM_TIME_LIMIT] = {EXIT_TIME_LIMIT, NULL},
    [VM_BOOT_LIMIT] = {EXIT_TIME_LIMIT, "--boot-limit was over"},
    [VM_QUIT] = {RUN_STATUS_FAILED, "the machine was stopped"},
    [VM_SIGNAL] = {RUN_STATUS_FAILED, NULL},
    [VM_UNTIL] = {EXIT_POWEROFF, NULL},
    [VM_FAIL_ON] = {EXIT_EXPECTATION, NULL},
    [VM_COMMAND] = {RUN_STATUS_FAILED, NULL},
};

int session_status(const struct session *session, enum vm_end how)
{
    return session->ctl.end != 0 ? ctl_status(&session->ctl) : ends[how].status;
}

static void tell_end(const struct session *session, enum vm_end how)
{
    const struct ctl *ctl = &session->ctl;
    const char *name = session->run->command[0];

    if (ctl->end == CTL_NOT_RUN && ctl->number == ENOENT)
        (void)log_error(0, "%s: not found in the guest (127)", name);
    else if (ctl->end == CTL_NOT_RUN)
        (void)log_error(0, "%s: cannot be run in the guest: %s (126)", name, strerror(ctl->number));
    else if (ctl->end == CTL_UNFIT)
        (void)log_error(0, "the guest cannot run %s: %s", name, ctl->text);
    else if (ctl->end == 0 && ends[how].why != NULL)
        (void)log_error(0, "%s before %s %s", ends[how].why, name,
                        ctl->started ? "ended" : "could begin");
}

/* What has come by now, which is all that the guest has said: it runs no more. Who else has the
 * other end (a console in a process of its own) may go on for ever. */
static void hear_last(struct session *session)
{
    int came = 0; /* at most what a socket holds */
    size_t left, n = 1;

    (void)ioctl(session->messages.fd, FIONREAD, &came); /* it is a socket */
    for (left = (size_t)came; left > 0 && n > 0 && session->ctl.end == 0; left -= MIN(n, left))
        n = hear(session);
}

bool session_stop(struct session *session, enum vm_end how)
{
    if (session->run == NULL)
        return true;
    hear_last(session);
    for (int i = RUN_CTL - 1; i >= 0; i--) {
        loop_remove(&session->news[i].watch);
        pump_stop(&session->pump[i]);
    }
    loop_remove(&session->messages);
    loop_remove(&session->timer);
    fd_close(&session->timer.fd);
    if (session->raw)
        terminal_restore();
    session->raw = false;
    tell_end(session, how);
    session->run = NULL;
    return session->ctl.end != 0;
}
