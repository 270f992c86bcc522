/* SPDX-License-Identifier: BSD-3-Clause */
/* See control_client.h: sends one request, writes what comes back as text. */
#include "vmm/control/control_client.h"

#include "vmm/base/exit_status.h"
#include "vmm/base/log.h"
#include "vmm/base/unix_listener.h"
#include "vmm/control/control_request.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

/* A machine answers at once; a stopped one not at all. */
#define ANSWER_SECONDS_MAX 10

static void print_usage(FILE *out)
{
    fputs(
        "Usage: linnet control SOCKET WORD...\n\n"
        "Asks the machine, or linnet device, that was started with --control SOCKET:\n\n"
        "  status                     what it is, and whether it runs\n"
        "  pause                      it stands still: processors, devices, its time\n"
        "  resume                     it goes on\n"
        "  quit                       stop it\n"
        "  events                     write what happens to it, until it ends\n"
        "  help                       what it takes\n"
        "  snd0 jack                  jacks of the first sound card\n"
        "  snd0 jack 0 unplug         pull the plug; plug puts it in\n"
        "  snd0 ctl                   its mixer controls\n"
        "  snd0 ctl NAME VALUE        set one\n\n"
        "The answer goes to standard output. Exit status: 0 it was done, 1 it was not (a line\n"
        "says why), 35 this can't be asked. Programs write to the socket themselves, a line\n"
        "each: {\"do\": [\"snd0\", \"jack\"]} is answered with {\"ok\": true, \"told\": [...]} or\n"
        "{\"ok\": false, \"error\": \"...\"}.\n",
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
    if (unix_address(path, &address) < 0)
        return log_error(-ENAMETOOLONG, "%s: a socket's name has up to %zu bytes", path,
                         sizeof(address.sun_path) - 1);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
        return log_error(-errno, "%s: no machine was started with --control %s, or it is gone",
                         path, path);
    return fd_take(&fd);
}

/* A line: text as it is, all else as JSON. */
static void print_value(const json_t *value)
{
    if (json_is_string(value))
        (void)fputs(json_string_value(value), stdout); /* a failure is told at the end */
    else
        (void)json_dumpf(value, stdout, JSON_ENCODE_ANY);
    (void)putchar('\n');
}

static void print_told(json_t *told)
{
    const char *key;
    json_t *value;
    size_t i;

    json_array_foreach(told, i, value)
    {
        print_value(value);
    }
    json_object_foreach(told, key, value)
    {
        (void)printf("%-12s ", key);
        print_value(value);
    }
}

/* Reads the answer and writes it: an exit status. */
static int read_answer(FILE *in, const char *path)
{
    errno = 0;
    json_t *answer = json_loadf(in, JSON_DISABLE_EOF_CHECK, NULL);
    const char *why = json_string_value(json_object_get(answer, "error"));
    bool done = json_is_true(json_object_get(answer, "ok"));

    if (done)
        print_told(json_object_get(answer, "told"));
    else if (why != NULL)
        (void)log_error(0, "%s", why);
    else if (errno == EAGAIN)
        (void)log_error(0, "%s: no answer within %d s", path, ANSWER_SECONDS_MAX);
    else
        (void)log_error(0, "%s: the machine ended before it answered", path);
    json_decref(answer);
    return done ? 0 : EXIT_HOST_ERROR;
}

/* Writes events until the machine ends. */
static void read_events(FILE *in)
{
    const struct timeval for_ever = {0};
    json_t *event;

    (void)setsockopt(fileno(in), SOL_SOCKET, SO_RCVTIMEO, &for_ever, sizeof(for_ever));
    while ((event = json_loadf(in, JSON_DISABLE_EOF_CHECK, NULL)) != NULL) {
        print_value(event);
        (void)fflush(stdout); /* whoever waits for it shall have it */
        json_decref(event);
    }
}

static int ask(const char *path, const char *line, size_t len, bool events)
{
    auto_close int fd = connect_to(path);

    if (fd < 0)
        return EXIT_HOST_ERROR;
    FILE *in = send(fd, line, len, MSG_NOSIGNAL) < 0 && errno != EPIPE ? NULL : fdopen(fd, "r");
    if (in == NULL) /* EPIPE: it may have said why, and gone */
        return log_error(-errno, "%s", path), EXIT_HOST_ERROR;
    (void)fd_take(&fd); /* the stream closes it */
    int status = read_answer(in, path);
    if (status == 0 && events)
        read_events(in);
    (void)fclose(in); /* was read only */
    if (fflush(stdout) != 0)
        return log_error(-errno, "standard output"), EXIT_HOST_ERROR;
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
    int len = control_request_write((const char *const *)argv + 1, line);
    if (len < 0) {
        (void)log_error(0, "control: %s",
                        len == -E2BIG ? "that is too much for one line"
                                      : "the words have control characters, or are no UTF-8");
        return EXIT_BAD_ARGUMENTS;
    }
    return ask(argv[0], line, (size_t)len, strcmp(argv[1], "events") == 0);
}
