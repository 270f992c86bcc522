/* SPDX-License-Identifier: BSD-3-Clause */
/* See control.h: the socket, its clients, and the commands to the machine itself. */
#include "vmm/control/control.h"

#include "vmm/base/text.h"
#include "vmm/control/control_line.h"
#include "vmm/control/control_listen.h"

#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>

#define CLIENTS_MAX 16

struct client;

/* A command under way. */
struct request {
    struct virtio_command command;
    struct control *control;
    struct client *client;     /* main: NULL when it is gone */
    struct request *next_done; /* under control->lock */
    char *text;                /* owned: what `command.reply` wrote */
    size_t text_size;
    const char *words[CONTROL_WORDS_MAX + 1];
    char line[CONTROL_LINE_MAX]; /* `words` point into it */
};

struct client {
    struct watch watch; /* owned fd */
    struct control *control;
    struct request *request; /* under way; NULL: none */
    char *out;               /* owned: the answer, as far as it is not sent */
    size_t out_size, out_sent;
    bool closing; /* after the answer */
    size_t in_len;
    char in[CONTROL_LINE_MAX];
};

struct control {
    struct loop *loop;
    struct control_vm *vm;
    uint64_t start_ns;
    struct control_listener socket;
    struct watch listener; /* borrows its fd */
    int spare_fd;          /* given up for a moment to turn a client away when fds are out */
    struct client *clients[CLIENTS_MAX]; /* owned; NULL: free */

    struct watch done_watch; /* eventfd */
    pthread_mutex_t lock;
    struct request *done; /* under lock: served, to be answered */
};

static uint64_t now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* always there */
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* -- requests -- */

static void request_destroy(struct request *request)
{
    if (request->command.reply != NULL)
        (void)fclose(request->command.reply); /* memory */
    free(request->text);
    free(request);
}

/* On the thread that served it. */
static void request_done(struct virtio_command *command)
{
    struct request *request = container_of(command, struct request, command);
    struct control *control = request->control;

    (void)pthread_mutex_lock(&control->lock);
    request->next_done = control->done;
    control->done = request;
    (void)pthread_mutex_unlock(&control->lock);
    (void)eventfd_write(control->done_watch.fd, 1);
}

static struct request *request_create(struct control *control, struct client *client)
{
    struct request *request = calloc(1, sizeof(*request));

    if (request == NULL)
        return NULL;
    request->control = control;
    request->client = client;
    request->command.words = request->words;
    request->command.done = request_done;
    request->command.reply = open_memstream(&request->text, &request->text_size);
    if (request->command.reply == NULL) {
        free(request);
        return NULL;
    }
    return request;
}

/* -- the machine's own commands: what they write into reply, and 0 or -errno -- */

static int serve_status(struct control *control, FILE *reply)
{
    const struct control_vm *vm = control->vm;
    json_t *devices = json_array();
    int r = devices == NULL ? -ENOMEM : 0;

    for (unsigned i = 0; i < vm->device_count && r == 0; i++)
        r = json_array_append_new(devices, json_string(vm->devices[i]->name)) < 0 ? -ENOMEM : 0;
    json_t *status =
        json_pack("{s:s, s:i, s:I, s:I, s:I, s:o}", "name", vm->name, "pid", (int)getpid(),
                  "uptime_ms", (json_int_t)((now_ns() - control->start_ns) / 1000000), "cpus",
                  (json_int_t)vm->cpus, "memory_bytes", (json_int_t)vm->memory_bytes, "devices",
                  devices); /* takes the reference, also when it fails */
    if (status == NULL || json_dumpf(status, reply, JSON_COMPACT) < 0)
        r = -ENOMEM;
    json_decref(status);
    return r;
}

static int serve_help(struct control *control, FILE *reply)
{
    (void)fputs("status\nquit\nhelp\n", reply);
    for (unsigned i = 0; i < control->vm->device_count; i++)
        if (control->vm->devices[i]->class->command != NULL)
            (void)fprintf(reply, "%s WORD...\n", control->vm->devices[i]->name);
    return 0;
}

static int serve_nothing(struct control *control, FILE *reply)
{
    (void)control;
    (void)reply;
    return 0;
}

static const struct {
    const char *word;
    int (*serve)(struct control *control, FILE *reply);
    bool quits;
} own_commands[] = {
    {"status", serve_status, false},
    {"help", serve_help, false},
    {"quit", serve_nothing, true},
};

static struct virtio_device *device_by_name(const struct control *control, const char *name)
{
    for (unsigned i = 0; i < control->vm->device_count; i++)
        if (strcmp(control->vm->devices[i]->name, name) == 0)
            return control->vm->devices[i];
    return NULL;
}

/* -- answers -- */

static void client_destroy(struct client *client)
{
    struct control *control = client->control;

    for (unsigned i = 0; i < CLIENTS_MAX; i++)
        if (control->clients[i] == client)
            control->clients[i] = NULL;
    if (client->request != NULL)
        client->request->client = NULL; /* it is still with its device */
    loop_remove(&client->watch);
    fd_close(&client->watch.fd);
    free(client->out);
    free(client);
}

/* Makes the answer: what the command wrote, each line behind a blank, and how it went. */
static int answer_make(struct client *client, int result, const char *text)
{
    FILE *out = open_memstream(&client->out, &client->out_size);

    if (out == NULL)
        return -ENOMEM;
    client->out_sent = 0;
    if (result < 0) {
        int len = (int)strcspn(text, "\n");
        (void)fprintf(out, CONTROL_ERROR "%.*s\n", len, len > 0 ? text : strerror(-result));
    }
    while (result == 0 && *text != '\0') {
        size_t len = strcspn(text, "\n");
        (void)fprintf(out, " %.*s\n", (int)len, text);
        text += len + (text[len] == '\n');
    }
    if (result == 0)
        (void)fputs(CONTROL_OK "\n", out);
    if (fclose(out) != 0)
        return -ENOMEM;
    return 0;
}

/* Sends what can be sent; -errno if the client is gone. */
static int client_send(struct client *client)
{
    while (client->out != NULL) {
        ssize_t sent = send(client->watch.fd, client->out + client->out_sent,
                            client->out_size - client->out_sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0)
            return errno == EAGAIN ? 0 : -errno;
        client->out_sent += (size_t)sent;
        if (client->out_sent < client->out_size)
            continue;
        free(client->out);
        client->out = NULL;
    }
    return client->closing ? -EPIPE : 0;
}

static bool has_line(const struct client *client)
{
    return memchr(client->in, '\n', client->in_len) != NULL;
}

/* Waits for what can go on now. Destroys the client if it is done with. */
static void client_wait(struct client *client, int r)
{
    bool sends = client->out != NULL || has_line(client);
    uint32_t events = client->request != NULL ? 0 : sends ? EPOLLOUT : EPOLLIN;

    if (r == 0)
        r = loop_change(&client->watch, events);
    if (r < 0)
        client_destroy(client);
}

/* Answers at once, as far as the client takes it. */
static int client_answer(struct client *client, int result, const char *text)
{
    int r = answer_make(client, result, text);

    return r < 0 ? r : client_send(client);
}

static int request_answer(struct request *request)
{
    struct client *client = request->client;
    int r = 0;

    (void)fclose(request->command.reply); /* memory; `text` is valid now */
    request->command.reply = NULL;
    if (client != NULL) {
        client->request = NULL;
        r = client_answer(client, request->command.result,
                          request->text != NULL ? request->text : "");
    }
    request_destroy(request);
    return r;
}

static void done_ready(struct watch *watch, uint32_t epoll_events)
{
    struct control *control = container_of(watch, struct control, done_watch);
    eventfd_t count;

    (void)epoll_events;
    (void)eventfd_read(watch->fd, &count);
    (void)pthread_mutex_lock(&control->lock);
    struct request *list = control->done;
    control->done = NULL;
    (void)pthread_mutex_unlock(&control->lock);
    while (list != NULL) {
        struct request *request = list;
        struct client *client = request->client;
        list = request->next_done;
        int r = request_answer(request);
        if (client != NULL)
            client_wait(client, r);
    }
}

/* -- lines -- */

/* Serves the words of a request: 0, or -errno if the client is gone. */
static int request_serve(struct request *request)
{
    struct control *control = request->control;
    struct virtio_command *command = &request->command;

    for (size_t i = 0; i < ARRAY_SIZE(own_commands); i++) {
        if (strcmp(request->words[0], own_commands[i].word) != 0 || request->words[1] != NULL)
            continue;
        command->result = own_commands[i].serve(control, command->reply);
        int r = request_answer(request);
        if (own_commands[i].quits)
            control->vm->quit(control->vm);
        return r;
    }
    struct virtio_device *dev = device_by_name(control, request->words[0]);
    if (dev != NULL && request->words[1] != NULL) {
        request->client->request = request;
        command->words = request->words + 1;
        virtio_command(dev, command);
        return 0;
    }
    (void)fprintf(command->reply,
                  dev != NULL ? "%s: say what it shall do"
                              : "'%s' is no command and no device; `help` lists both",
                  request->words[0]);
    command->result = -EINVAL;
    return request_answer(request);
}

/* Takes one line (of `len` bytes with its newline) off the client's input and serves it. */
static int line_serve(struct client *client, size_t len)
{
    struct request *request = request_create(client->control, client);
    int count = -EILSEQ;

    if (request == NULL)
        return -ENOMEM;
    memcpy(request->line, client->in, len - 1);
    client->in_len -= len;
    memmove(client->in, client->in + len, client->in_len);
    size_t text_len = len > 1 && request->line[len - 2] == '\r' ? len - 2 : len - 1;
    if (text_is_clean(request->line, text_len)) {
        request->line[text_len] = '\0';
        count = control_split(request->line, request->words);
    }
    if (count > 0)
        return request_serve(request);
    (void)fputs(count == 0         ? "say something; `help` lists what"
                : count == -E2BIG  ? "too many words"
                : count == -EILSEQ ? "plain text, please: no control characters, UTF-8"
                                   : "a quote is not closed, or text follows it",
                request->command.reply);
    request->command.result = -EINVAL;
    return request_answer(request);
}

/* Reads what fits: 0, or -errno if the client is done with. */
static int client_read(struct client *client)
{
    size_t room = sizeof(client->in) - client->in_len;
    ssize_t got = recv(client->watch.fd, client->in + client->in_len, room, MSG_DONTWAIT);

    if (got < 0)
        return errno == EAGAIN ? 0 : -errno;
    if (got == 0)
        return -EPIPE;
    client->in_len += (size_t)got;
    if (client->in_len < sizeof(client->in) || has_line(client))
        return 0;
    client->closing = true; /* where the next line begins is not known */
    client->in_len = 0;
    return client_answer(client, -E2BIG, "the line is too long");
}

static void client_ready(struct watch *watch, uint32_t epoll_events)
{
    struct client *client = container_of(watch, struct client, watch);
    int r = (epoll_events & EPOLLERR) != 0 ? -EPIPE : 0;

    if (r == 0 && (epoll_events & (EPOLLHUP | EPOLLIN)) == EPOLLHUP)
        r = -EPIPE; /* gone, and nothing is left to read: no use in an answer */
    if (r == 0 && client->out != NULL)
        r = client_send(client);
    else if (r == 0 && client->request == NULL && !has_line(client))
        r = client_read(client);
    if (r == 0 && client->out == NULL && client->request == NULL && has_line(client)) {
        const char *end = memchr(client->in, '\n', client->in_len);
        r = line_serve(client, (size_t)(end - client->in) + 1);
    }
    client_wait(client, r);
}

/* -- clients come -- */

static void client_add(struct control *control, int fd)
{
    static const char full[] = CONTROL_ERROR "too many clients; try again\n";
    struct client *client = NULL;
    unsigned at = 0;

    while (at < CLIENTS_MAX && control->clients[at] != NULL)
        at++;
    if (at < CLIENTS_MAX)
        client = calloc(1, sizeof(*client));
    if (client == NULL) {
        (void)send(fd, full, sizeof(full) - 1, MSG_NOSIGNAL | MSG_DONTWAIT); /* best effort */
        fd_close(&fd);
        return;
    }
    client->control = control;
    client->watch = (struct watch){.fd = fd, .ready = client_ready};
    control->clients[at] = client;
    if (loop_add(control->loop, &client->watch, EPOLLIN) < 0)
        client_destroy(client);
}

static void listener_ready(struct watch *watch, uint32_t epoll_events)
{
    struct control *control = container_of(watch, struct control, listener);
    int fd = accept4(watch->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    (void)epoll_events;
    if (fd >= 0) {
        client_add(control, fd);
    } else if (errno == EMFILE || errno == ENFILE) {
        /* Left alone, the client would wake us for ever. */
        fd_close(&control->spare_fd);
        fd = accept4(watch->fd, NULL, NULL, SOCK_CLOEXEC);
        fd_close(&fd);
        control->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    }
}

/* -- all of it -- */

int control_create(const char *path, struct loop *loop, struct control_vm *vm,
                   struct control **ret_control)
{
    struct control *control = calloc(1, sizeof(*control));

    if (control == NULL)
        return log_error(-ENOMEM, "--control");
    control->loop = loop;
    control->vm = vm;
    control->start_ns = now_ns();
    (void)pthread_mutex_init(&control->lock, NULL); /* default kind: cannot fail */
    control->socket.fd = -1;
    control->done_watch = (struct watch){.fd = -1, .ready = done_ready};
    control->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC); /* none: works without */
    control->done_watch.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int r = control->done_watch.fd < 0 ? -errno : loop_add(loop, &control->done_watch, EPOLLIN);
    if (r < 0)
        (void)log_error(r, "--control");
    else
        r = control_listen(path, &control->socket);
    if (r == 0) {
        control->listener = (struct watch){.fd = control->socket.fd, .ready = listener_ready};
        r = loop_add(loop, &control->listener, EPOLLIN);
    }
    if (r < 0) {
        control_destroy(control);
        return r;
    }
    *ret_control = control;
    return 0;
}

void control_destroy(struct control *control)
{
    if (control == NULL)
        return;
    while (control->done != NULL) {
        struct request *request = control->done;
        control->done = request->next_done;
        if (request->client != NULL)
            request->client->request = NULL;
        request_destroy(request);
    }
    for (unsigned i = 0; i < CLIENTS_MAX; i++)
        if (control->clients[i] != NULL)
            client_destroy(control->clients[i]);
    loop_remove(&control->listener);
    loop_remove(&control->done_watch);
    control_unlisten(&control->socket);
    fd_close(&control->done_watch.fd);
    fd_close(&control->spare_fd);
    (void)pthread_mutex_destroy(&control->lock);
    free(control);
}
