/* SPDX-License-Identifier: BSD-3-Clause */
/* See isolate.h. */
#include "vmm/isolate.h"

#include "vmm/base/log.h"
#include "vmm/exit_status.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static const struct opt key = {
    .name = "isolate",
    .help = "serve it by a process of its own, with which the machine goes on or without: linnet "
            "device",
    .type = OPT_BOOL,
};

/* What the guest maps has to be in this process, and so has what shares streams with it (console).
 */
const struct opt *isolate_key(const struct virtio_class *class)
{
    bool stays = class->placed != NULL || class->lends_queues || class->add != NULL;

    return stays ? NULL : &key;
}

bool isolate_wanted(const struct opts *opts)
{
    return opt_find(opts->table, key.name) != NULL && opts_bool(opts, key.name);
}

/* In the child: becomes the program, which keeps `socket`. What else is open and not for programs
 * that are executed is closed by that. A terminal's signals are for our parent. */
static void become(const char *program, char *const args[], int socket, pid_t parent)
{
    sigset_t none;

    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)setpgid(0, 0);
    if (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 || getppid() != parent)
        _exit(EXIT_HOST_ERROR);
    if (fcntl(socket, F_SETFD, 0) < 0)
        _exit(EXIT_HOST_ERROR);
    (void)execv(program, args);
    _exit(EXIT_HOST_ERROR);
}

int isolate_start(struct isolate *isolate, const char *program, const struct virtio_class *class,
                  unsigned index, const struct opts *opts, int *ret_fd)
{
    auto_free char *keys = opts_text(opts, class->opts);
    const pid_t parent = getpid();
    char fd[12], number[12];
    int ends[2];

    (void)snprintf(isolate->name, sizeof(isolate->name), "%s%u", class->name, index);
    if (keys == NULL)
        return log_error(-ENOMEM, "%s", isolate->name);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return log_error(-errno, "%s: socket", isolate->name);
    (void)snprintf(fd, sizeof(fd), "%d", ends[1]);
    (void)snprintf(number, sizeof(number), "%u", index);
    char *name = strdup(class->name);
    char *args[] = {"linnet", "device", name, "--fd", fd, "--index", number, keys, NULL};
    isolate->pid = name == NULL ? -1 : fork();
    if (isolate->pid == 0)
        become(program, args, ends[1], parent);
    int r = isolate->pid < 0 ? -errno : 0;
    free(name);
    fd_close(&ends[1]);
    if (r < 0) {
        isolate->pid = 0;
        fd_close(&ends[0]);
        return log_error(r, "%s: process", isolate->name);
    }
    *ret_fd = ends[0];
    return 0;
}

/* Whether it ended in time. */
static bool wait_for(pid_t pid, int wait_ms)
{
    auto_close int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    struct pollfd ended = {.fd = fd, .events = POLLIN};

    return fd >= 0 && poll(&ended, 1, wait_ms) == 1;
}

int isolate_end(struct isolate *isolate, int wait_ms)
{
    const pid_t pid = isolate->pid;
    int status = 0;

    if (pid == 0)
        return 0;
    isolate->pid = 0;
    bool in_time = wait_for(pid, wait_ms);
    if (!in_time)
        (void)kill(pid, SIGKILL);
    (void)waitpid(pid, &status, 0);
    if (!in_time) {
        (void)log_error(0, "%s: its process did not end and was killed", isolate->name);
        return -ETIMEDOUT;
    }
    if (WIFSIGNALED(status)) {
        (void)log_error(0, "%s: its process died of signal %d", isolate->name, WTERMSIG(status));
        return -EIO;
    }
    switch (WEXITSTATUS(status)) {
    case 0:
        return 0;
    case EXIT_EXPECTATION:
        return -EPROTO;
    case EXIT_BAD_ARGUMENTS:
        return -EINVAL;
    default:
        return -EIO;
    }
}
