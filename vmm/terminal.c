/* SPDX-License-Identifier: BSD-3-Clause */
/* See terminal.h. Main thread; the saved mode is file-scope because signal handlers need it. */
#include "vmm/terminal.h"

#include "vmm/base/log.h"

#include <signal.h>
#include <sys/epoll.h>
#include <termios.h>

#define KEY_ESCAPE 0x01 /* Ctrl-A */
#define READ_BYTES 256

static struct termios saved_mode;
static volatile sig_atomic_t saved_valid;

void terminal_restore(void)
{
    if (saved_valid)
        (void)tcsetattr(STDIN_FILENO, TCSANOW, &saved_mode); /* async-signal-safe */
    saved_valid = 0;
}

/* SA_RESETHAND: returning to the fault, or raising again, now ends the process as it should. */
static void fatal_handler(int signal)
{
    terminal_restore();
    (void)raise(signal);
}

static void restore_on_death(void)
{
    const int fatal[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGSYS, SIGQUIT};
    struct sigaction action = {.sa_handler = fatal_handler, .sa_flags = (int)SA_RESETHAND};

    for (size_t i = 0; i < ARRAY_SIZE(fatal); i++)
        (void)sigaction(fatal[i], &action, NULL); /* valid signals: cannot fail */
    (void)atexit(terminal_restore);               /* no room: the normal way out still restores */
}

int terminal_raw(void)
{
    struct termios raw;

    if (tcgetattr(STDIN_FILENO, &saved_mode) < 0)
        return -errno;
    raw = saved_mode;
    cfmakeraw(&raw);
    raw.c_oflag |= OPOST; /* linnet's own lines on the same terminal still end at the margin */
    saved_valid = 1;
    restore_on_death();
    return tcsetattr(STDIN_FILENO, TCSANOW, &raw) < 0 ? -errno : 0;
}

/* One key after Ctrl-A. True if it is for the guest. */
static bool escape_key(uint8_t *key, bool *ret_quit)
{
    switch (*key) {
    case 'x':
    case 'X':
        *ret_quit = true;
        return false;
    case 'a':
    case KEY_ESCAPE:
        *key = KEY_ESCAPE;
        return true;
    case 'h':
    case '?':
        log_info("Ctrl-A x stops the machine, Ctrl-A a sends Ctrl-A");
        return false;
    default:
        return true;
    }
}

size_t terminal_take_escapes(bool *escaped, uint8_t *keys, size_t count, bool *ret_quit)
{
    size_t kept = 0;

    for (size_t i = 0; i < count; i++) {
        uint8_t key = keys[i];
        if (!*escaped && key == KEY_ESCAPE) {
            *escaped = true;
            continue;
        }
        if (!*escaped || escape_key(&key, ret_quit))
            keys[kept++] = key;
        *escaped = false;
    }
    return kept;
}

static void keys_to_guest(struct terminal *terminal, uint8_t *keys, size_t len)
{
    bool quit = false;

    if (terminal->raw)
        len = terminal_take_escapes(&terminal->escaped, keys, len, &quit);
    if (quit)
        terminal->quit(terminal);
    (void)serial_input(terminal->serial, keys, len); /* no more was read than has room */
}

/* Reads once. False: there is no room, or nothing comes now or ever. */
static bool input_read(struct terminal *terminal)
{
    uint8_t keys[READ_BYTES];
    size_t room = serial_input_room(terminal->serial);

    if (room == 0)
        return false;
    ssize_t n = read(terminal->input.fd, keys, MIN(room, sizeof(keys)));
    if (n > 0)
        keys_to_guest(terminal, keys, (size_t)n);
    else if (n == 0 || (errno != EAGAIN && errno != EINTR))
        terminal->ended = true; /* the guest just gets no more keys */
    return n > 0;
}

/* Removes its watch until there is room: a pipe that was closed would report that for ever. */
static void input_ready(struct watch *watch, uint32_t epoll_events)
{
    struct terminal *terminal = container_of(watch, struct terminal, input);

    (void)epoll_events;
    (void)input_read(terminal);
    if (terminal->ended || serial_input_room(terminal->serial) == 0)
        loop_remove(watch);
}

/* Takes input from now on, or again. */
static int input_resume(struct terminal *terminal)
{
    int r = 0;

    if (terminal->ended || terminal->input.loop != NULL)
        return 0;
    r = loop_add(terminal->drained.loop, &terminal->input, EPOLLIN);
    if (r != -EPERM)
        return r;
    while (input_read(terminal)) /* a plain file, /dev/null: it is always ready */
        ;
    return 0;
}

static void drained_ready(struct watch *watch, uint32_t epoll_events)
{
    struct terminal *terminal = container_of(watch, struct terminal, drained);
    uint64_t count;

    (void)epoll_events;
    (void)!read(watch->fd, &count, sizeof(count));
    if (input_resume(terminal) < 0)
        terminal->ended = true;
}

int terminal_open(struct terminal *terminal, struct loop *loop, struct serial *serial)
{
    int r;

    terminal->serial = serial;
    terminal->input = (struct watch){.fd = STDIN_FILENO, .ready = input_ready};
    terminal->drained = (struct watch){.fd = serial->drained.fd, .ready = drained_ready};
    if (isatty(STDIN_FILENO)) {
        r = terminal_raw();
        if (r < 0)
            return log_error(r, "make the terminal raw");
        terminal->raw = true;
    }
    r = loop_add(loop, &terminal->drained, EPOLLIN);
    if (r == 0)
        r = input_resume(terminal);
    if (r == -EBADF) /* closed: no keys, that is all */
        return 0;
    return r < 0 ? log_error(r, "watch standard input") : 0;
}

void terminal_close(struct terminal *terminal)
{
    loop_remove(&terminal->input);
    loop_remove(&terminal->drained);
    if (terminal->raw)
        terminal_restore();
    terminal->raw = false;
}
