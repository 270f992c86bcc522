/* SPDX-License-Identifier: BSD-3-Clause */
/* Starts CMD: as which user, where, with what as its standard input, output and error. */
#include "vmm/run/guest/guest.h"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>

extern char **environ;

/* What the child could not do, over a pipe that closes when it has become CMD. */
struct failure {
    int number; /* errno */
    enum { AT_EXEC, AT_CWD, AT_USER } at;
};

static char **strings_of(const struct guest *guest, int kind)
{
    size_t count = 0, i = 0;
    const char *string;

    for (string = NULL; (string = run_string(guest, kind, string)) != NULL;)
        count++;
    char **list = calloc(count + 1, sizeof(*list));
    for (string = NULL; list != NULL && (string = run_string(guest, kind, string)) != NULL;)
        list[i++] = (char *)(uintptr_t)string;
    return list;
}

/* -- user -- */

/* "UID" or "UID:GID" in `text`, or a name of the guest's own /etc/passwd. */
static int become(const char *text)
{
    char *end;
    unsigned long uid = strtoul(text, &end, 10), gid = uid;
    bool number = end != text && (*end == '\0' || *end == ':');
    const struct passwd *user = number ? getpwuid((uid_t)uid) : getpwnam(text);

    if (!number && user == NULL)
        return -ENOENT;
    if (user != NULL) {
        uid = user->pw_uid;
        gid = user->pw_gid;
        if (setenv("HOME", user->pw_dir, 1) < 0 || setenv("USER", user->pw_name, 1) < 0 ||
            setenv("LOGNAME", user->pw_name, 1) < 0 || setenv("SHELL", user->pw_shell, 1) < 0)
            return -errno;
    }
    if (number && *end == ':')
        gid = strtoul(end + 1, NULL, 10);
    int r = user != NULL ? initgroups(user->pw_name, (gid_t)gid) : setgroups(0, NULL);
    if (r < 0 || setgid((gid_t)gid) < 0 || setuid((uid_t)uid) < 0)
        return -errno;
    return 0;
}

/* -- the child -- */

static int go_where(const struct guest *guest)
{
    const char *must = run_string(guest, RUN_CWD, NULL),
               *tried = run_string(guest, RUN_CWD_TRY, NULL);
    const char *where = must != NULL ? must : tried != NULL ? tried : "/";

    if (chdir(where) < 0) {
        if (must != NULL)
            return -errno;
        where = "/";
        (void)chdir(where);
    }
    return setenv("PWD", where, 1) < 0 ? -errno : 0;
}

static _Noreturn void child_fail(int report, int r, int at)
{
    struct failure failure = {.number = -r, .at = at};

    (void)!write(report, &failure, sizeof(failure)); /* nobody else to tell */
    _exit(1);
}

static _Noreturn void child_main(const struct guest *guest, const int fds[3], bool tty, int report)
{
    const char *user = run_string(guest, RUN_USER, NULL);
    char **args = strings_of(guest, RUN_ARG);
    sigset_t none;
    int r;

    (void)setsid();
    if (tty)
        (void)ioctl(fds[0], TIOCSCTTY, 0);
    for (int fd = 0; fd < 3; fd++)
        (void)dup2(fds[fd], fd);
    environ = strings_of(guest, RUN_ENV);
    if (environ == NULL || args == NULL)
        child_fail(report, -ENOMEM, AT_EXEC);
    r = user == NULL ? 0 : become(user);
    if (r < 0)
        child_fail(report, r, AT_USER);
    r = go_where(guest);
    if (r < 0)
        child_fail(report, r, AT_CWD);
    (void)signal(SIGPIPE, SIG_DFL);
    (void)signal(SIGTERM, SIG_DFL);
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)execvp(args[0], args);
    child_fail(report, -errno, AT_EXEC);
}

/* -- init -- */

/* fds[0] is for reading. Those of the child are closed when it becomes CMD, once they are copied.
 */
static void pipe_make(struct guest *guest, int fds[2])
{
    if (pipe2(fds, O_CLOEXEC) < 0)
        unfit(guest, "pipe: %s", strerror(errno));
}

static void unblock(int fd)
{
    if (fd >= 0)
        (void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

static void tty_make(struct guest *guest, const char *size, struct command *command, int child[3])
{
    struct winsize window = {0};
    struct termios mode;

    if (sscanf(size, "%hu %hu", &window.ws_row, &window.ws_col) != 2)
        window = (struct winsize){.ws_row = 24, .ws_col = 80};
    command->in = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (command->in < 0 || grantpt(command->in) < 0 || unlockpt(command->in) < 0)
        unfit(guest, "terminal: %s", strerror(errno));
    command->out = fcntl(command->in, F_DUPFD_CLOEXEC, 3);
    child[0] = open(ptsname(command->in), O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (child[0] < 0 || tcgetattr(child[0], &mode) < 0)
        unfit(guest, "terminal: %s", strerror(errno));
    mode.c_iflag |= IUTF8;
    (void)tcsetattr(child[0], TCSANOW, &mode);
    (void)ioctl(child[0], TIOCSWINSZ, &window);
    child[1] = fcntl(child[0], F_DUPFD_CLOEXEC, 3);
    child[2] = fcntl(child[0], F_DUPFD_CLOEXEC, 3);
    fd_close(&guest->port[ERR]); /* all output is the terminal's */
}

static void pipes_make(struct guest *guest, struct command *command, int child[3])
{
    int in[2], out[2], err[2];

    pipe_make(guest, in);
    pipe_make(guest, out);
    pipe_make(guest, err);
    child[0] = in[0];
    command->in = in[1];
    command->out = out[0];
    child[1] = out[1];
    command->err = err[0];
    child[2] = err[1];
}

static void tell_failure(struct guest *guest, const struct failure *failure)
{
    uint8_t number = (uint8_t)failure->number;

    if (failure->at == AT_CWD)
        unfit(guest, "--cwd %s: %s", run_string(guest, RUN_CWD, NULL), strerror(failure->number));
    if (failure->at == AT_USER)
        unfit(guest, "--user %s: %s in the guest", run_string(guest, RUN_USER, NULL),
              failure->number == ENOENT ? "no such user" : strerror(failure->number));
    ctl_send(guest, CTL_NOT_RUN, &number, sizeof(number));
    for (;;)
        (void)pause(); /* linnet ends the machine */
}

void command_start(struct guest *guest, struct command *command)
{
    const char *tty = run_string(guest, RUN_TTY, NULL);
    struct failure failure;
    int child[3], report[2];

    *command = (struct command){.in = -1, .out = -1, .err = -1, .tty = tty != NULL};
    if (tty != NULL)
        tty_make(guest, tty, command, child);
    else
        pipes_make(guest, command, child);
    pipe_make(guest, report);
    command->pid = fork();
    if (command->pid < 0)
        unfit(guest, "fork: %s", strerror(errno));
    if (command->pid == 0)
        child_main(guest, child, command->tty, report[1]);
    fd_close(&report[1]);
    for (int i = 0; i < 3; i++)
        fd_close(&child[i]);
    if (read(report[0], &failure, sizeof(failure)) == sizeof(failure))
        tell_failure(guest, &failure);
    fd_close(&report[0]);
    unblock(command->in);
    unblock(command->out);
    unblock(command->err);
}
