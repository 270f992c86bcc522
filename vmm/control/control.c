/* SPDX-License-Identifier: BSD-3-Clause */
/* See control.h: what may be asked. */
#include "vmm/control/control.h"

#include "vmm/base/text.h"
#include "vmm/base/unix_listener.h"
#include "vmm/control/control_clients.h"
#include "vmm/control/control_results.h"

#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#define END_PATIENCE_MS 2000 /* for what clients are owed at the end */

/* What a client has asked, until it is answered. */
struct request {
    struct control *control;
    struct control_client *client;
    struct control_request line;
    /* Asked of a device (the client is busy): */
    struct virtio_command command;
    char *reply; /* owned: what command.reply wrote */
    size_t reply_size;
    atomic_bool served; /* the device's thread has done it: all is main's again */
};

struct control {
    struct control_vm *vm;
    bool paused;
    uint64_t start_ms;
    struct unix_listener socket;
    struct watch served_watch; /* eventfd: a device has served a request */
    struct control_clients clients;
    struct request requests[CONTROL_CLIENTS_MAX]; /* of each client one */
};

static uint64_t now_ms(struct control_vm *vm)
{
    return vm->timebase->now_ns(vm->timebase) / MS_NS;
}

/* -- answers and events -- */

/* Takes `told`; NULL: there is nothing to tell. */
static void answer(struct request *request, json_t *told)
{
    control_tell(request->client,
                 json_pack("{s:O*, s:b, s:o*}", "id", request->line.id, "ok", 1, "told", told));
    control_request_fini(&request->line);
}

static void refuse(struct request *request, const char *why)
{
    control_refuse(request->client, request->line.id, why);
    control_request_fini(&request->line);
}

/* Takes the event; NULL: there is no memory for it. */
static void tell_event(struct control *control, json_t *event)
{
    for (unsigned i = 0; i < CONTROL_CLIENTS_MAX; i++)
        if (control->clients.item[i].wants_events)
            control_tell(&control->clients.item[i], json_incref(event));
    json_decref(event);
}

/* -- asked of the machine -- */

/* A device's process has no processors of the guest's, and no memory. */
static json_t *number_if_any(uint64_t val)
{
    return val > 0 ? json_integer((json_int_t)val) : NULL;
}

static void serve_status(struct request *request)
{
    const struct control *control = request->control;
    const struct control_vm *vm = control->vm;
    json_t *devices = json_array();

    for (unsigned i = 0; i < vm->device_count; i++)
        (void)json_array_append_new(devices,
                                    json_string(vm->devices[i]->name)); /* but for memory */
    json_t *status =
        json_pack("{s:s, s:s, s:i, s:I, s:o*, s:o*, s:o}", "name", vm->name, "state",
                  control->paused ? "paused" : "running", "pid", (int)getpid(), "uptime_ms",
                  (json_int_t)(now_ms(control->vm) - control->start_ms), "cpus",
                  number_if_any(vm->cpus), "memory_bytes", number_if_any(vm->memory_bytes),
                  "devices", devices); /* takes the references, also when it fails */
    answer(request, status);
}

static void stand(struct request *request, bool paused)
{
    struct control *control = request->control;
    struct control_vm *vm = control->vm;

    if (vm->pause == NULL)
        return refuse(request, "that is asked of the machine that it is a device of");
    int r = (paused ? vm->pause : vm->resume)(vm);
    if (r == -EALREADY)
        return refuse(request, paused ? "it is paused already" : "it is not paused");
    if (r == 0 || !paused) { /* a resume that fails goes on, too */
        control->paused = paused;
        tell_event(control, json_pack("{s:s}", "event", paused ? "paused" : "resumed"));
    }
    if (r < 0)
        return refuse(request, strerror(-r));
    answer(request, NULL);
}

static void serve_pause(struct request *request)
{
    stand(request, true);
}

static void serve_resume(struct request *request)
{
    stand(request, false);
}

static void serve_quit(struct request *request)
{
    request->control->vm->quit(request->control->vm);
    answer(request, NULL);
}

static void serve_events(struct request *request)
{
    request->client->wants_events = true;
    answer(request, NULL);
}

static void serve_help(struct request *request);

static const struct {
    const char *word;
    void (*serve)(struct request *request);
} own_requests[] = {
    {"status", serve_status}, {"pause", serve_pause},   {"resume", serve_resume},
    {"quit", serve_quit},     {"events", serve_events}, {"help", serve_help},
};

/* Whose commands a device takes. */
static const struct virtio_class *class_of(struct control_vm *vm, unsigned device)
{
    return vm->class_of != NULL ? vm->class_of(vm, device) : vm->devices[device]->class;
}

static void serve_help(struct request *request)
{
    struct control_vm *vm = request->control->vm;
    json_t *lines = json_array();

    for (size_t i = 0; i < ARRAY_SIZE(own_requests); i++)
        if (vm->pause != NULL ||
            (own_requests[i].serve != serve_pause && own_requests[i].serve != serve_resume))
            (void)json_array_append_new(lines, json_string(own_requests[i].word));
    for (unsigned i = 0; i < vm->device_count; i++)
        if (class_of(vm, i)->command != NULL)
            (void)json_array_append_new(lines, json_sprintf("%s WORD...", vm->devices[i]->name));
    answer(request, lines);
}

/* -- asked of a device -- */

/* On the thread that served it. */
static void device_served(struct virtio_command *command)
{
    struct request *request = container_of(command, struct request, command);
    int fd = request->control->served_watch.fd;

    atomic_store(&request->served, true);
    (void)eventfd_write(fd, 1);
}

static void device_ask(struct request *request, unsigned device)
{
    struct control_vm *vm = request->control->vm;

    request->command = (struct virtio_command){
        .words = request->line.words + 1,
        .reply = open_memstream(&request->reply, &request->reply_size),
        .done = device_served,
    };
    if (request->command.reply == NULL)
        return refuse(request, strerror(ENOMEM));
    request->served = false;
    request->client->busy = true;
    if (vm->command != NULL)
        vm->command(vm, device, &request->command);
    else
        virtio_command(vm->devices[device], &request->command);
}

/* What a device wrote, as a list of its lines. NULL: nothing. */
static json_t *lines_of(const char *text)
{
    json_t *lines = *text != '\0' ? json_array() : NULL;

    for (; *text != '\0'; text += strcspn(text, "\n"), text += *text == '\n')
        (void)json_array_append_new(lines, control_line(text)); /* but for memory */
    return lines;
}

/* Answers what devices have served. */
static void answer_served(struct control *control)
{
    for (unsigned i = 0; i < CONTROL_CLIENTS_MAX; i++) {
        struct request *request = &control->requests[i];
        if (!request->client->busy || !request->served)
            continue;
        int r = fclose(request->command.reply) == 0 ? request->command.result : -ENOMEM;
        if (r == 0)
            answer(request, lines_of(request->reply));
        else
            refuse(request,
                   r == -ENOMEM || *request->reply == '\0' ? strerror(-r) : request->reply);
        free(request->reply);
        request->client->busy = false;
    }
}

static void served_ready(struct watch *watch, uint32_t epoll_events)
{
    struct control *control = container_of(watch, struct control, served_watch);
    eventfd_t count;

    (void)epoll_events;
    (void)eventfd_read(watch->fd, &count);
    answer_served(control);
    control_clients_settle(&control->clients);
}

/* -- lines -- */

static void refuse_unknown(struct request *request)
{
    const struct control_vm *vm = request->control->vm;
    char quote[TEXT_QUOTE_SIZE], why[CONTROL_WHY_SIZE];
    struct text_nearest nearest;

    text_nearest_init(&nearest, request->line.words[0]);
    for (size_t i = 0; i < ARRAY_SIZE(own_requests); i++)
        text_nearest_offer(&nearest, own_requests[i].word);
    for (unsigned i = 0; i < vm->device_count; i++)
        text_nearest_offer(&nearest, vm->devices[i]->name);
    bool near = nearest.best != NULL;
    (void)snprintf(why, sizeof(why), "%s: no such request or device; %s%s%s",
                   text_quote(quote, request->line.words[0]), near ? "did you mean " : "help lists",
                   near ? nearest.best : " them", near ? "?" : "");
    refuse(request, why);
}

static void request_serve(struct request *request)
{
    const struct control *control = request->control;
    const char *const *words = request->line.words;

    for (size_t i = 0; i < ARRAY_SIZE(own_requests); i++)
        if (strcmp(words[0], own_requests[i].word) == 0)
            return words[1] == NULL ? own_requests[i].serve(request)
                                    : refuse(request, "nothing can follow this word");
    for (unsigned i = 0; i < control->vm->device_count; i++) {
        if (strcmp(words[0], control->vm->devices[i]->name) != 0)
            continue;
        if (words[1] == NULL)
            return refuse(request, "say what the device shall do");
        if (control->paused) /* the guest would see nothing of it before */
            return refuse(request, "the machine is paused; resume it first");
        return device_ask(request, i);
    }
    refuse_unknown(request);
}

static void serve(struct control_client *client, const char *line, size_t len)
{
    struct control *control = container_of(client->clients, struct control, clients);
    struct request *request = &control->requests[client - control->clients.item];
    char why[CONTROL_WHY_SIZE];

    if (control_request_parse(line, len, &request->line, why) < 0)
        refuse(request, why);
    else
        request_serve(request);
}

/* -- all of it -- */

int control_create(const char *path, struct loop *loop, struct control_vm *vm,
                   struct control **ret_control)
{
    struct control *control = calloc(1, sizeof(*control));

    if (control == NULL)
        return log_error(-ENOMEM, "--control");
    control->vm = vm;
    control->start_ms = now_ms(vm);
    control->clients.serve = serve;
    for (unsigned i = 0; i < CONTROL_CLIENTS_MAX; i++) {
        control->requests[i].control = control;
        control->requests[i].client = &control->clients.item[i];
    }
    control->socket.fd = -1;
    control->served_watch = (struct watch){.fd = -1, .ready = served_ready};
    int r = path != NULL ? unix_listen("--control", path, &control->socket) : 0;
    if (r == 0) {
        control->served_watch.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        r = control->served_watch.fd < 0 ? -errno : loop_add(loop, &control->served_watch, EPOLLIN);
        if (r == 0)
            r = control_clients_init(&control->clients, loop, control->socket.fd);
        if (r < 0)
            (void)log_error(r, "--control");
    }
    if (r < 0) {
        control_destroy(control);
        return r;
    }
    *ret_control = control;
    return 0;
}

int control_take(struct control *control, int fd)
{
    struct control_client *client = control_clients_add(&control->clients, fd);

    if (client == NULL)
        return -EMFILE;
    client->wants_events = true;
    return 0;
}

void control_tell_results(struct control *control, const struct results *results)
{
    if (control == NULL)
        return;
    tell_event(control,
               json_pack("{s:s, s:o}", "event", "results", "told", control_results_list(results)));
    for (unsigned i = 0; i < CONTROL_CLIENTS_MAX; i++)
        control_send(&control->clients.item[i]);
}

void control_end(struct control *control, int exit_status, const char *message)
{
    if (control == NULL)
        return;
    answer_served(control);
    tell_event(control, json_pack("{s:s, s:i, s:o*}", "event", "end", "status", exit_status,
                                  "message", *message != '\0' ? control_line(message) : NULL));
    control_clients_flush(&control->clients, END_PATIENCE_MS);
}

void control_destroy(struct control *control)
{
    if (control == NULL)
        return;
    answer_served(control);
    control_clients_fini(&control->clients);
    loop_remove(&control->served_watch);
    fd_close(&control->served_watch.fd);
    unix_unlisten(&control->socket);
    free(control);
}
