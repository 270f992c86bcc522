/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The first process of a guest that runs a command: `linnet run -- CMD`. linnet carries this
 * program inside, and gives it to the guest in an initramfs that it makes at each start, beside the
 * modules and the run file (wire.h). It loads the modules, opens the console ports, mounts what CMD
 * is to see as its root, starts CMD, copies its input and output, and tells its status.
 *
 * Static, with musl; nothing of the root is needed but what CMD itself needs. It never ends: linnet
 * ends the machine when the status has come.
 *
 * With --systemd it becomes the root's systemd instead of starting CMD, and runs once more as a
 * service of that (systemd.c), which has the ports from then on: a port that was closed stays so.
 */
#include "vmm/run/guest/guest.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* -- the run file -- */

const char *run_string(const struct guest *guest, int kind, const char *after)
{
    const char *end = guest->strings + guest->size;
    const char *at = after == NULL ? guest->strings : after + strlen(after) + 1;

    for (; at < end; at += strlen(at) + 1)
        if (*at == kind)
            return at + 1;
    return NULL;
}

static void run_read(struct guest *guest, const char *path)
{
    auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st = {0};

    if (fd >= 0 && fstat(fd, &st) == 0)
        guest->strings = calloc(1, (size_t)st.st_size + 1);
    if (guest->strings == NULL || read(fd, guest->strings, (size_t)st.st_size) != st.st_size)
        unfit(guest, "%s: %s", path, strerror(errno));
    guest->size = (size_t)st.st_size;
    (void)unlink(path);
}

/* -- telling linnet -- */

void ctl_send(struct guest *guest, int type, const void *bytes, size_t size)
{
    uint8_t message[CTL_HEAD_BYTES + CTL_SIZE_MAX] = {(uint8_t)type, (uint8_t)size};
    struct pollfd ready = {.fd = guest->port[CTL], .events = POLLOUT};

    assert(size <= CTL_SIZE_MAX);
    if (size > 0)
        memcpy(message + CTL_HEAD_BYTES, bytes, size);
    while (write(guest->port[CTL], message, CTL_HEAD_BYTES + size) < 0 && errno == EAGAIN)
        (void)poll(&ready, 1, -1);
}

static void log_kernel(const char *text)
{
    auto_close int fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);

    if (fd >= 0)
        (void)dprintf(fd, "<3>linnet: %s\n", text);
}

_Noreturn void unfit(struct guest *guest, const char *fmt, ...)
{
    char text[CTL_SIZE_MAX + 1];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    log_kernel(text);
    if (guest->port[CTL] < 0 && run_string(guest, RUN_SYSTEMD, NULL) != NULL)
        guest->port[CTL] = port_ctl_open();
    for (int i = 0; i < CTL; i++)
        fd_close(&guest->port[i]);
    if (guest->port[CTL] < 0)
        (void)reboot(RB_POWER_OFF);
    else
        ctl_send(guest, CTL_UNFIT, text, strlen(text));
    for (;;)
        (void)pause(); /* linnet ends the machine */
}

/* -- */

static void tell_end(struct guest *guest, int status)
{
    uint8_t number = (uint8_t)(WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));

    sync();
    ctl_send(guest, WIFSIGNALED(status) ? CTL_KILLED : CTL_EXITED, &number, sizeof(number));
}

static _Noreturn void run_command(struct guest *guest)
{
    struct command command;

    ctl_send(guest, CTL_STARTED, NULL, 0); /* it may end the machine at once */
    command_start(guest, &command);
    tell_end(guest, command_serve(guest, &command));
    for (;;)
        (void)pause(); /* linnet ends the machine */
}

/* systemd has the root ready. It says SIGTERM as the guest goes down, to CMD as well: what becomes
 * of that is still to be told. */
static _Noreturn void service_main(struct guest *guest)
{
    (void)signal(SIGTERM, SIG_IGN);
    run_read(guest, SERVICE_RUN_FILE);
    ports_open(guest);
    ctl_send(guest, CTL_HELLO, NULL, 0);
    run_command(guest);
}

int main(void)
{
    struct guest guest = {.port = {-1, -1, -1, -1}};

    (void)signal(SIGPIPE, SIG_IGN);
    if (getpid() != 1)
        service_main(&guest);
    (void)mount("dev", "/dev", "devtmpfs", MS_NOSUID, "mode=755");
    (void)mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
    (void)mount("sys", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
    run_read(&guest, "/" RUN_FILE);
    modules_load(&guest);
    bool systemd = run_string(&guest, RUN_SYSTEMD, NULL) != NULL;
    if (!systemd) {
        ports_open(&guest);
        ctl_send(&guest, CTL_HELLO, NULL, 0);
    }
    const char *name = run_string(&guest, RUN_HOST, NULL);
    if (name != NULL)
        (void)sethostname(name, strlen(name));
    root_enter(&guest);
    network_up(&guest);
    if (systemd)
        systemd_become(&guest);
    run_command(&guest);
}
