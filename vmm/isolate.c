/* SPDX-License-Identifier: BSD-3-Clause */
/* See isolate.h. */
#include "vmm/isolate.h"

#include "vmm/base/exit_status.h"
#include "vmm/base/log.h"

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
    .help = "serve it in a process of its own (linnet device); if that dies the machine goes on",
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

/* In the child: becomes the program, which keeps these. What else is open and not for programs that
 * are executed is closed by that. A terminal's signals are for our parent. */
static void become(const char *program, char *const args[], const int kept[2], pid_t parent)
{
    sigset_t none;

    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)setpgid(0, 0);
    if (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 || getppid() != parent)
        _exit(EXIT_HOST_ERROR);
    if (fcntl(kept[0], F_SETFD, 0) < 0 || fcntl(kept[1], F_SETFD, 0) < 0)
        _exit(EXIT_HOST_ERROR);
    (void)execv(program, args);
    _exit(EXIT_HOST_ERROR);
}

/* Starts it with its ends of the sockets: 0 or -errno. */
static int run(struct isolate *isolate, const char *program, unsigned index, char *keys,
               const int theirs[2])
{
    const pid_t parent = getpid();
    char fd[12], control_fd[12], number[12];
    auto_free char *kind = strdup(isolate->class->name), *level = strdup(log_level_name());

    (void)snprintf(fd, sizeof(fd), "%d", theirs[0]);
    (void)snprintf(control_fd, sizeof(control_fd), "%d", theirs[1]);
    (void)snprintf(number, sizeof(number), "%u", index);
    char *args[] = {"linnet", "device", kind,  "--fd", fd,  "--control-fd", control_fd, "--index",
                    number,   "--log",  level, keys,   NULL};
    if (kind == NULL || level == NULL || keys == NULL)
        return -ENOMEM;
    pid_t pid = fork();
    if (pid == 0)
        become(program, args, theirs, parent);
    if (pid < 0)
        return -errno;
    isolate->pid = pid;
    return 0;
}

/* Two sockets, each with an end for either: 0 or -errno. */
static int make_sockets(int ours[2], int theirs[2])
{
    for (size_t i = 0; i < 2; i++) {
        int ends[2];
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
            return -errno;
        ours[i] = ends[0];
        theirs[i] = ends[1];
    }
    return 0;
}

int isolate_start(struct isolate *isolate, const char *program, unsigned index,
                  const struct opts *opts, struct loop *loop, int *ret_fd)
{
    auto_free char *keys = opts_text(opts, isolate->class->opts);
    int ours[] = {-1, -1}, theirs[] = {-1, -1};
    int r = make_sockets(ours, theirs);

    (void)snprintf(isolate->name, sizeof(isolate->name), "%s%u", isolate->class->name, index);
    if (r == 0)
        r = run(isolate, program, index, keys, theirs);
    if (r == 0)
        r = isolate_link_init(&isolate->link, isolate->name, fd_take(&ours[1]), loop);
    if (r == 0)
        *ret_fd = fd_take(&ours[0]);
    for (size_t i = 0; i < 2; i++) {
        fd_close(&ours[i]);
        fd_close(&theirs[i]);
    }
    if (r < 0) {
        (void)log_error(r, "%s: process", isolate->name);
        (void)isolate_end(isolate, 0);
    }
    return r;
}

void isolate_report(const struct isolate *isolate)
{
    (void)kill(isolate->pid, SIGUSR1); /* nobody has waited for it: it is there, or was */
}

/* Whether it ended in time. What it says until then is heard, or it might wait for that. */
static bool wait_for(struct isolate_link *link, pid_t pid, int wait_ms)
{
    auto_close int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    uint64_t now = monotonic_ns(), end = now + (unsigned)wait_ms * MS_NS;
    struct pollfd news[] = {{.fd = fd, .events = POLLIN}, {.events = POLLIN}};

    for (; fd >= 0 && now < end; now = monotonic_ns()) {
        news[1].fd = link->socket.fd;
        (void)poll(news, ARRAY_SIZE(news), (int)((end - now + MS_NS - 1) / MS_NS));
        if (news[0].revents != 0)
            return true;
        isolate_link_read(link);
    }
    return false;
}

/* What an exit status says of the device. */
static int verdict(const struct isolate *isolate, int status)
{
    switch (status) {
    case EXIT_EXPECTATION:
        return -EPROTO;
    case EXIT_BAD_ARGUMENTS:
        return -EINVAL;
    case 0:
        if (isolate->link.ended)
            return 0;
        return log_error(-EIO, "%s: its process did not say what came of it", isolate->name);
    default:
        return -EIO;
    }
}

int isolate_end(struct isolate *isolate, int wait_ms)
{
    const pid_t pid = isolate->pid;
    int status = 0;

    if (pid == 0)
        return 0;
    isolate->pid = 0;
    bool in_time = wait_for(&isolate->link, pid, wait_ms);
    if (!in_time)
        (void)kill(pid, SIGKILL);
    (void)waitpid(pid, &status, 0);
    isolate_link_end(&isolate->link);
    if (!in_time)
        return log_plain(-ETIMEDOUT, "%s: its process did not end and was killed", isolate->name);
    if (WIFSIGNALED(status))
        return log_plain(-EIO, "%s: its process died of signal %d", isolate->name,
                         WTERMSIG(status));
    return verdict(isolate, WEXITSTATUS(status));
}

void isolate_fini(struct isolate *isolate)
{
    isolate_link_fini(&isolate->link);
}
