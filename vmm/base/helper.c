/* SPDX-License-Identifier: BSD-3-Clause */
/* See helper.h. */
#include "vmm/base/helper.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

/* How long a helper may live on when we have died: the last sound is heard. */
#define ORPHAN_S 4

/* -- in the helper -- */

/* We have died. One that does not hang ends by itself. */
static void orphaned(int signal)
{
    (void)signal;
    (void)alarm(ORPHAN_S); /* nobody handles SIGALRM */
}

/* What a terminal or a service manager says to all of us is for the parent, which then ends us. */
static void signals_set(void)
{
    static const int ignored[] = {SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGTSTP, SIGPIPE};
    struct sigaction action = {.sa_handler = SIG_IGN};
    sigset_t none;

    for (size_t i = 0; i < ARRAY_SIZE(ignored); i++)
        (void)sigaction(ignored[i], &action, NULL);
    action.sa_handler = orphaned;
    (void)sigaction(SIGUSR1, &action, NULL);
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* All but the standard ones and these. */
static void fds_close(int socket, int kept)
{
    int last = MAX(socket, kept);

    for (int fd = STDERR_FILENO + 1; fd < last; fd++)
        if (fd != socket && fd != kept)
            (void)close(fd);
    (void)close_range((unsigned)last + 1, ~0u, 0);
}

/* -- in the parent -- */

int helper_start(struct helper *helper, const char *name, int fd,
                 void (*run)(int socket, const void *arg), const void *arg)
{
    const pid_t parent = getpid();
    int ends[2];

    *helper = (struct helper){.socket = -1};
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        return -errno;
    helper->pid = fork();
    if (helper->pid == 0) {
        signals_set();
        (void)prctl(PR_SET_NAME, name);
        (void)prctl(PR_SET_PDEATHSIG, SIGUSR1);
        fds_close(ends[1], fd);
        if (getppid() == parent)
            run(ends[1], arg);
        _exit(0);
    }
    int r = helper->pid < 0 ? -errno : 0;
    fd_close(&ends[1]);
    if (r < 0)
        fd_close(&ends[0]);
    else
        (void)fcntl(ends[0], F_SETFL, O_NONBLOCK); /* can't fail */
    helper->pid = MAX(helper->pid, 0);
    helper->socket = ends[0];
    return r;
}

int helper_wait(const struct helper *helper, void *ret_message, size_t size, int wait_ms)
{
    struct pollfd ready = {.fd = helper->socket, .events = POLLIN};

    if (poll(&ready, 1, wait_ms) == 0)
        return -ETIMEDOUT;
    return helper_take(ready.fd, ret_message, size) == (ssize_t)size ? 0 : -EPIPE;
}

int helper_end(struct helper *helper, int wait_ms)
{
    struct pollfd hung_up = {.fd = helper->socket};
    int r = 0;

    if (helper->pid == 0)
        return 0;
    (void)shutdown(helper->socket, SHUT_WR); /* fails if it has ended */
    if (helper->socket >= 0 && poll(&hung_up, 1, wait_ms) == 0)
        r = -ETIMEDOUT;
    (void)kill(helper->pid, SIGKILL); /* it has let go of the socket, so nothing is left to do */
    (void)waitpid(helper->pid, NULL, 0);
    fd_close(&helper->socket);
    helper->pid = 0;
    return r;
}

/* -- both -- */

int helper_send(int socket, const void *message, size_t len)
{
    assert(len <= HELPER_BYTES_MAX);
    return send(socket, message, len, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

ssize_t helper_take(int socket, void *ret_message, size_t room)
{
    ssize_t len = recv(socket, ret_message, room, MSG_DONTWAIT);

    if (len < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -EPIPE;
    return len == 0 ? -EPIPE : len;
}
