/* SPDX-License-Identifier: BSD-3-Clause */
/* See isolate_link.h. */
#include "vmm/isolate_link.h"

#include "vmm/base/text.h"
#include "vmm/control/control_request.h"
#include "vmm/control/control_results.h"

#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define READ_BYTES     65536 /* at a time */
#define RESULTS_TOLD   2     /* when the device is made, and when it is finished */
#define NO_ANSWER      "its process does not answer"
#define MAKES_NO_SENSE "its process says what makes no sense"

/* -- commands -- */

/* The first one is done. */
static void finish(struct isolate_link *link, int result)
{
    struct virtio_command *command = link->commands;

    link->commands = command->next;
    if (link->commands == NULL)
        link->commands_end = &link->commands;
    command->result = result;
    command->done(command); /* it is gone */
}

static void refuse_all(struct isolate_link *link, const char *why)
{
    while (link->commands != NULL)
        finish(link, virtio_refuse(link->commands->reply, -EPIPE, "%s: %s", link->name, why));
}

/* Hears and says no more. */
static void give_up(struct isolate_link *link, const char *why)
{
    loop_remove(&link->socket);
    loop_remove(&link->timer);
    fd_close(&link->socket.fd);
    link->lost = why;
    link->late = false;
    link->in_len = 0;
    refuse_all(link, why);
}

/* Asks for the first one: true if that was sent. It has read all that we sent before. */
static bool ask(struct isolate_link *link)
{
    const char *words[CONTROL_WORDS_MAX + 2] = {link->name};
    char line[CONTROL_LINE_MAX];
    size_t count = 0;

    for (; count < CONTROL_WORDS_MAX && link->commands->words[count] != NULL; count++)
        words[count + 1] = link->commands->words[count];
    int len = control_request_write(words, line);
    if (len < 0) {
        finish(link, virtio_refuse(link->commands->reply, len, "that is too much for one line"));
        return false;
    }
    if (send(link->socket.fd, line, (size_t)len, MSG_NOSIGNAL | MSG_DONTWAIT) != len) {
        give_up(link, "its process does not listen");
        return false;
    }
    timebase_arm_in(&timebase_monotonic, link->timer.fd, ISOLATE_ANSWER_NS);
    return true;
}

static void ask_next(struct isolate_link *link)
{
    while (link->commands != NULL && !ask(link))
        continue;
}

void isolate_link_command(struct isolate_link *link, struct virtio_command *command)
{
    bool first = link->commands == NULL;

    command->next = NULL;
    *link->commands_end = command;
    link->commands_end = &command->next;
    if (link->socket.fd < 0 || link->late)
        refuse_all(link, link->late ? NO_ANSWER : link->lost);
    else if (first)
        ask_next(link);
}

static void timer_ready(struct watch *watch, uint32_t epoll_events)
{
    struct isolate_link *link = container_of(watch, struct isolate_link, timer);
    uint64_t count;

    (void)epoll_events;
    if (read(watch->fd, &count, sizeof(count)) != sizeof(count) || link->commands == NULL)
        return;
    link->late = true;
    refuse_all(link, NO_ANSWER);
}

/* -- what it says -- */

static bool is_clean_text(const json_t *value)
{
    const char *text = json_string_value(value);

    return text != NULL && text_is_clean(text, json_string_length(value));
}

/* The answer to the first command. */
static int take_answer(struct isolate_link *link, const json_t *object)
{
    const json_t *told = json_object_get(object, "told"), *why = json_object_get(object, "error");
    const json_t *verdict = json_object_get(object, "ok");
    bool ok = json_is_true(verdict);
    size_t count = json_array_size(told);

    if (!json_is_boolean(verdict))
        return -EPROTO;
    if (link->late) {
        link->late = false;
        return 0; /* nobody waits for it any more */
    }
    if (link->commands == NULL || (ok ? told != NULL && !json_is_array(told) : !is_clean_text(why)))
        return -EPROTO;
    for (size_t i = 0; ok && i < count; i++)
        if (!is_clean_text(json_array_get(told, i)))
            return -EPROTO;
    for (size_t i = 0; ok && i < count; i++)
        (void)fprintf(link->commands->reply, "%s\n", json_string_value(json_array_get(told, i)));
    if (!ok)
        (void)virtio_refuse(link->commands->reply, 0, "%s", json_string_value(why));
    timebase_arm_in(&timebase_monotonic, link->timer.fd, TIME_NEVER);
    finish(link, ok ? 0 : -EREMOTEIO);
    ask_next(link);
    return 0;
}

static int take_results(struct isolate_link *link, const json_t *object)
{
    results_fini(&link->results);
    if (link->results_told++ == RESULTS_TOLD)
        return -EPROTO;
    return control_results_read(json_object_get(object, "told"), link->name, &link->results);
}

static int take_end(struct isolate_link *link, const json_t *object)
{
    const json_t *message = json_object_get(object, "message");

    if (link->ended || (message != NULL && !is_clean_text(message)))
        return -EPROTO;
    link->ended = true;
    if (message != NULL)
        log_was_told(json_string_value(message));
    return 0;
}

static int take_line(struct isolate_link *link, const char *line, size_t len)
{
    json_t *object = json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL);
    const char *event = json_string_value(json_object_get(object, "event"));
    int r = -EPROTO;

    if (event == NULL)
        r = take_answer(link, object);
    else if (strcmp(event, "results") == 0)
        r = take_results(link, object);
    else if (strcmp(event, "end") == 0)
        r = take_end(link, object);
    json_decref(object);
    return r;
}

static void take_lines(struct isolate_link *link)
{
    char *at = link->in, *end;

    while ((end = memchr(at, '\n', link->in_len)) != NULL) {
        int r = take_line(link, at, (size_t)(end - at));
        if (link->socket.fd < 0)
            return;
        if (r < 0) {
            log_warn("%s: " MAKES_NO_SENSE ", and is not listened to any more", link->name);
            return give_up(link, MAKES_NO_SENSE);
        }
        link->in_len -= (size_t)(end + 1 - at);
        at = end + 1;
    }
    memmove(link->in, at, link->in_len);
}

/* Room for one more piece: false if the line is too long. */
static bool make_room(struct isolate_link *link)
{
    size_t size = link->in_len + READ_BYTES;

    if (link->in_len > ISOLATE_ANSWER_BYTES_MAX)
        return false;
    char *in = size > link->in_size ? realloc(link->in, size) : link->in;
    if (in == NULL)
        return false;
    link->in = in;
    link->in_size = MAX(size, link->in_size);
    return true;
}

/* True if something has come. */
static bool read_piece(struct isolate_link *link)
{
    if (link->name == NULL || link->socket.fd < 0)
        return false;
    if (!make_room(link)) {
        give_up(link, "its process says too much");
        return false;
    }
    ssize_t got = recv(link->socket.fd, link->in + link->in_len, READ_BYTES, MSG_DONTWAIT);
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
        give_up(link, "its process has ended");
    if (got <= 0)
        return false;
    link->in_len += (size_t)got;
    take_lines(link);
    return true;
}

/* It can't say more than that at once without being given up. */
void isolate_link_read(struct isolate_link *link)
{
    for (size_t i = 0; i <= ISOLATE_ANSWER_BYTES_MAX / READ_BYTES && read_piece(link); i++)
        continue;
}

static void socket_ready(struct watch *watch, uint32_t epoll_events)
{
    (void)epoll_events;
    (void)read_piece(container_of(watch, struct isolate_link, socket)); /* others have their turn */
}

/* -- life -- */

int isolate_link_init(struct isolate_link *link, const char *name, int fd, struct loop *loop)
{
    *link = (struct isolate_link){.name = name,
                                  .socket = {.fd = fd, .ready = socket_ready},
                                  .timer = {.fd = timebase_timer(), .ready = timer_ready}};
    link->commands_end = &link->commands;
    int r = link->timer.fd < 0 ? link->timer.fd : loop_add(loop, &link->socket, EPOLLIN);
    return r < 0 ? r : loop_add(loop, &link->timer, EPOLLIN);
}

void isolate_link_end(struct isolate_link *link)
{
    isolate_link_read(link);
    if (link->socket.fd >= 0)
        give_up(link, "its process has ended");
}

void isolate_link_fini(struct isolate_link *link)
{
    if (link->name == NULL)
        return;
    loop_remove(&link->socket);
    loop_remove(&link->timer);
    fd_close(&link->socket.fd);
    fd_close(&link->timer.fd);
    free(link->in);
    results_fini(&link->results);
    *link = (struct isolate_link){0};
}
