/* SPDX-License-Identifier: BSD-3-Clause */
/* See control_client.h: sends one line, writes what comes back. */
#include "vmm/control/control_client.h"

#include "vmm/base/log.h"
#include "vmm/base/text.h"
#include "vmm/control/control_line.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#define EXIT_NOT_DONE      1
#define EXIT_BAD_ARGUMENTS 35

/* A machine answers at once; a stopped one not at all. */
#define ANSWER_SECONDS_MAX 10

static void print_usage(FILE *out)
{
    fputs("Usage: linnet control SOCKET WORD...\n\n"
          "Asks the machine that was started with --control SOCKET:\n\n"
          "  status                     what it is, as JSON\n"
          "  quit                       stop it\n"
          "  help                       what it takes\n"
          "  snd0 jack                  jacks of the first sound card\n"
          "  snd0 jack 0 unplug         pull the plug; plug puts it in\n"
          "  snd0 ctl                   its mixer controls\n"
          "  snd0 ctl NAME VALUE        set one\n\n"
          "The answer goes to standard output; exit status 1 if it could not be done.\n",
          out);
}

/* Connects: an fd, or -errno after a line. */
static int connect_to(const char *path)
{
    const struct timeval patience = {.tv_sec = ANSWER_SECONDS_MAX};
    auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_un address;

    if (fd < 0)
        return log_error(-errno, "%s", path);
    if (control_address(path, &address) < 0)
        return log_error(-ENAMETOOLONG, "%s: a socket's name has up to %zu bytes", path,
                         sizeof(address.sun_path) - 1);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
        int r = -errno;
        return log_error(r, "%s: no machine was started with --control %s, or it is gone", path,
                         path);
    }
    return fd_take(&fd);
}

static int send_all(int fd, const char *line, size_t len)
{
    while (len > 0) {
        ssize_t sent = send(fd, line, len, MSG_NOSIGNAL);
        if (sent < 0)
            return -errno;
        line += sent;
        len -= (size_t)sent;
    }
    return 0;
}

/* Writes the answer: an exit status. */
static int answer_print(FILE *in, const char *path)
{
    auto_free char *line = NULL;
    size_t size = 0;
    ssize_t len;

    errno = 0;
    while ((len = getline(&line, &size, in)) > 0) {
        if (line[len - 1] == '\n')
            line[len - 1] = '\0';
        if (line[0] == ' ')
            puts(line + 1);
        else if (strcmp(line, CONTROL_OK) == 0)
            return 0;
        else
            return log_error(0, "%s",
                             strncmp(line, CONTROL_ERROR, strlen(CONTROL_ERROR)) == 0
                                 ? line + strlen(CONTROL_ERROR)
                                 : line),
                   EXIT_NOT_DONE;
    }
    if (errno == EAGAIN)
        return log_error(0, "%s: no answer within %d s", path, ANSWER_SECONDS_MAX), EXIT_NOT_DONE;
    return log_error(0, "%s: the machine ended before it answered", path), EXIT_NOT_DONE;
}

static int ask(const char *path, const char *line, size_t len)
{
    auto_close int fd = connect_to(path);

    if (fd < 0)
        return EXIT_NOT_DONE;
    int r = send_all(fd, line, len);
    if (r < 0 && r != -EPIPE) /* it may have said why, and gone */
        return log_error(r, "%s", path), EXIT_NOT_DONE;
    FILE *in = fdopen(fd, "r");
    if (in == NULL)
        return log_error(-errno, "%s", path), EXIT_NOT_DONE;
    (void)fd_take(&fd); /* the stream closes it */
    int status = answer_print(in, path);
    (void)fclose(in); /* was read only */
    if (fflush(stdout) != 0)
        return log_error(-errno, "standard output"), EXIT_NOT_DONE;
    return status;
}

int control_main(int argc, char **argv)
{
    char line[CONTROL_LINE_MAX];

    if (argc > 0 && strcmp(argv[0], "--help") == 0) {
        print_usage(stdout);
        return 0;
    }
    if (argc < 2) {
        (void)log_error(0, "control: give a socket and what to do: linnet control SOCKET status");
        return EXIT_BAD_ARGUMENTS;
    }
    int len = control_join(argv + 1, line);
    if (len < 0) {
        (void)log_error(0, "control: %s",
                        len == -E2BIG ? "that is too much for one line"
                                      : "the words have control characters");
        return EXIT_BAD_ARGUMENTS;
    }
    return ask(argv[0], line, (size_t)len);
}
