/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A network for who is not root: passt (https://passt.top), a process of its own that gives the
 * guest the host's network by ordinary sockets, answers its DHCP, DNS and IPv6 router requests, and
 * has sandboxed itself before it looks at the first frame. Started before there is guest RAM or
 * KVM, it keeps nothing of ours but one end of a socket, and ends when the other one is closed,
 * however we end.
 */
#include "devices/net/host.h"

#include "vmm/base/log.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define USER_MTU      65520 /* passt's own largest; it cuts packets for the host's network */
#define ARGS_MAX      (12 + 2 * FORWARDS_MAX)
#define START_MS_MAX  10000
#define WORDS_MAX     4096 /* of passt's, when it fails */
#define PASST_MISSING 127

/* -- ports -- */

/* Looks whether passt will get the ports, and takes a free one for each port 0. */
static int forwards_make(const char *name, const struct opts *opts, struct forwards *ret_forwards)
{
    int r = 0;

    *ret_forwards = (struct forwards){.count = 0};
    if (opts_has(opts, "forward"))
        r = forwards_parse(name, opts_str(opts, "forward"), UINT16_MAX, ret_forwards);
    for (unsigned i = 0; i < ret_forwards->count && r == 0; i++) {
        auto_close int fd = forward_bind(name, &ret_forwards->item[i]);
        r = MIN(fd, 0);
    }
    return r;
}

/* -- passt -- */

/* In the child: becomes passt, with nothing of ours but `socket` and where it says what fails. */
static void become_passt(char *const args[], int socket, int words)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    sigset_t none;

    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0 ||
        dup2(words, STDERR_FILENO) < 0 || dup2(socket, STDERR_FILENO + 1) < 0 ||
        close_range(STDERR_FILENO + 2, ~0u, 0) < 0)
        _exit(1);
    (void)execvp(args[0], args);
    _exit(errno == ENOENT ? PASST_MISSING : 1);
}

/* What the child says until it has started: then it goes on as a child of nobody's, and lets go of
 * what it was given to speak with. -ETIMEDOUT if it does not start. */
static int hear_out(int fd, char ret_words[WORDS_MAX])
{
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    size_t len = 0;

    for (;;) {
        int r = poll(&ready, 1, START_MS_MAX);
        ssize_t got = r > 0 ? read(fd, ret_words + len, WORDS_MAX - 1 - len) : 0;
        if (r == 0)
            return -ETIMEDOUT;
        if ((r < 0 || got < 0) && errno == EINTR)
            continue;
        if (got <= 0) {
            ret_words[len] = '\0';
            return got < 0 || r < 0 ? -errno : 0;
        }
        len += (size_t)got;
        if (len > WORDS_MAX / 2) { /* the last words are what counts */
            memmove(ret_words, ret_words + len - WORDS_MAX / 2, WORDS_MAX / 2);
            len = WORDS_MAX / 2;
        }
    }
}

static const char *last_line(char *words)
{
    size_t len = strlen(words);

    while (len > 0 && words[len - 1] == '\n')
        words[--len] = '\0';
    const char *line = strrchr(words, '\n');
    return line == NULL ? words : line + 1;
}

static int passt_failed(const char *name, int status, char *words)
{
    if (WIFEXITED(status) && WEXITSTATUS(status) == PASST_MISSING)
        return log_error(-ENOENT,
                         "%s user: passt is missing; install it (sudo apt install passt), "
                         "or give tap or socket",
                         name);
    return log_error(-EIO, "%s user: passt: \"%s\"", name, last_line(words));
}

/* Starts passt with one end of a socket: the other. */
static int passt_start(const char *name, char *const args[], int *ret_fd)
{
    int ends[2], words[2], status = 0, room = INT_MAX / 2;
    char said[WORDS_MAX] = "";

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return log_error(-errno, "%s user", name);
    *ret_fd = ends[0];
    auto_close int socket = ends[1];
    /* Frames that do not fit it throws away: as much as the host allows. */
    (void)setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
    if (pipe2(words, O_CLOEXEC) < 0)
        return log_error(-errno, "%s user", name);
    auto_close int hear = words[0], say = words[1];
    pid_t pid = fork();
    if (pid == 0)
        become_passt(args, socket, say);
    fd_close(&say);
    fd_close(&socket);
    if (pid < 0)
        return log_error(-errno, "%s user", name);
    int r = hear_out(hear, said);
    if (r < 0)
        (void)kill(pid, SIGKILL);
    (void)waitpid(pid, &status, 0);
    if (r < 0)
        return log_error(r, "%s user: passt does not start", name);
    return status != 0 ? passt_failed(name, status, said) : 0;
}

/* -- opening -- */

static int start(const char *name, const struct opts *opts, const struct forwards *forwards,
                 int *ret_fd)
{
    char fd[8], mtu[24], ports[FORWARDS_MAX][sizeof(forwards->item[0].address) + 16];
    unsigned long given = opts_u64(opts, "mtu");
    char *args[ARGS_MAX] = {"passt", "--quiet", "--fd", fd, "--mtu", mtu};
    unsigned count = 6, tcp = 0, udp = 0;

    (void)snprintf(fd, sizeof(fd), "%d", STDERR_FILENO + 1);
    (void)snprintf(mtu, sizeof(mtu), "%lu", given == 0 ? USER_MTU : given);
    for (unsigned i = 0; i < forwards->count; i++) {
        const struct forward *item = &forwards->item[i];
        (void)snprintf(ports[i], sizeof(ports[i]), "%s/%u:%u", item->address, item->from, item->to);
        args[count++] = item->udp ? "-u" : "-t";
        args[count++] = ports[i];
        *(item->udp ? &udp : &tcp) += 1;
    }
    if (tcp > 0 && udp == 0) { /* else passt opens the same ports for UDP */
        args[count++] = "-u";
        args[count++] = "none";
    }
    assert(count < ARGS_MAX);
    return passt_start(name, args, ret_fd);
}

static void describe(struct net_host *host)
{
    size_t size = sizeof(host->about), len = (size_t)snprintf(host->about, size, "user");

    for (unsigned i = 0; i < host->forwards.count && len < size; i++) {
        const struct forward *item = &host->forwards.item[i];
        len += (size_t)snprintf(host->about + len, size - len, ", %s %s port %u to %u",
                                item->udp ? "udp" : "tcp", item->address, item->from, item->to);
    }
}

int user_open(const char *name, const struct opts *opts, struct net_host **ret_host)
{
    struct forwards forwards;
    int fd = -1;
    int r = forwards_make(name, opts, &forwards);

    if (r == 0)
        r = start(name, opts, &forwards, &fd);
    if (r < 0) {
        fd_close(&fd);
        return r;
    }
    r = stream_open(fd, ret_host);
    if (r < 0)
        return r;
    (*ret_host)->mtu = USER_MTU;
    (*ret_host)->forwards = forwards;
    describe(*ret_host);
    return 0;
}
