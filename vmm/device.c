/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See device.h. The main thread reads front-ends' messages, the device's workers do the rest. One
 * front-end is served at a time, and after it the next, until a signal ends the process; the device
 * is reset in between. With --fd and a socket that is connected there is only that one.
 */
#include "vmm/device.h"

#include "devices/registry.h"
#include "virtio/vhost_user/backend.h"
#include "vmm/base/exit_status.h"
#include "vmm/base/text.h"
#include "vmm/base/unix_listener.h"
#include "vmm/config/config.h"
#include "vmm/control/control.h"
#include "vmm/wake.h"
#include "vmm/witness.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#define OPTIONS_MAX 32 /* of a class that takes several */

static const struct opt device_options[] = {
    {.name = "socket-path",
     .help = "make a socket there and serve the front-ends that connect, one after the other",
     .type = OPT_PATH,
     .arg = "SOCKET"},
    {.name = "fd",
     .help = "take this open descriptor instead: a socket that listens, or one that is connected "
             "to a front-end, with which the process ends",
     .type = OPT_INT,
     .max = INT32_MAX},
    {.name = "control",
     .help = "make a socket there, by which linnet control asks the device for something",
     .type = OPT_PATH,
     .arg = "SOCKET"},
    {.name = "control-fd",
     .help = "take this open descriptor, too: a socket that is connected to whoever asks",
     .type = OPT_INT,
     .max = INT32_MAX},
    {.name = "transcript",
     .help = "write what driver and device say to each other into FILE, as linnet run does",
     .type = OPT_PATH,
     .arg = "FILE"},
    {.name = "trace",
     .help = "write a timeline of kicks, requests and interrupts into FILE, as linnet run does",
     .type = OPT_PATH,
     .arg = "FILE"},
    {.name = "index", .value = "0", .help = "its number, as in snd0", .type = OPT_INT, .max = 31},
    {.name = "log",
     .value = "info",
     .help = "what is told on standard error",
     .type = OPT_CHOICE,
     .choices = log_level_names,
     .arg = "LEVEL"},
    {.name = "help", .help = "write this, or the keys of KIND, and exit", .type = OPT_BOOL},
    {0},
};

struct service {
    struct opts *options;
    const struct virtio_class *class; /* NULL: not said */
    struct opts *keys[OPTIONS_MAX];
    unsigned keys_count;

    struct memory mem; /* the front-end's */
    struct loop loop;
    struct wake wake;
    struct virtio_device *dev;
    struct vhost_user_backend backend;
    struct unix_listener listener; /* fd -1: there is none */
    struct watch accept;           /* its fd is the listener's, or --fd's */
    bool only_one;

    struct control_vm control_vm;
    struct control *control; /* owned; NULL: nobody asked for it */
    struct witness witness;
};

/* -- words -- */

static int unknown_kind(const char *word)
{
    char quote[TEXT_QUOTE_SIZE];
    struct text_nearest nearest;

    text_nearest_init(&nearest, word);
    for (size_t i = 0; virtio_slots[i].class != NULL; i++)
        text_nearest_offer(&nearest, virtio_slots[i].class->name);
    (void)text_quote(quote, word);
    if (nearest.best == NULL)
        return opts_error("device %s: no such kind; linnet device --help lists all", quote);
    return opts_error("device %s: no such kind; did you mean %s?", quote, nearest.best);
}

/* What must see the guest's other devices, or give it memory, stays with the machine. */
static int take_kind(struct service *service, const char *word)
{
    size_t i = 0;

    while (virtio_slots[i].class != NULL && strcmp(virtio_slots[i].class->name, word) != 0)
        i++;
    if (virtio_slots[i].class == NULL)
        return unknown_kind(word);
    service->class = virtio_slots[i].class;
    if (service->class->placed != NULL)
        return opts_error("device %s: can't be a process of its own, because the guest maps its "
                          "memory; give linnet run --%s",
                          word, word);
    if (service->class->lends_queues)
        return opts_error("device %s: that is a front-end; give linnet run --%s", word, word);
    return 0;
}

/* One instance from all of them where the class has it so, else there is one. */
static int take_keys(struct service *service, const char *word)
{
    const struct virtio_class *class = service->class;
    const struct config_device_kind kind = {.name = class->name, .opts = class->opts};
    char prefix[64];

    if (service->keys_count == MIN(MAX(class->opts_max, 1u), (unsigned)OPTIONS_MAX))
        return opts_error("device %s: one word of keys too many; write key=value,key=value",
                          class->name);
    int r = opts_create(class->opts, &service->keys[service->keys_count]);
    if (r < 0)
        return r;
    struct opts *keys = service->keys[service->keys_count++];
    (void)snprintf(prefix, sizeof(prefix), "--%s ", class->name);
    r = config_parse_device(&kind, keys, prefix, word);
    return r < 0 ? r : opts_check(keys, prefix);
}

static int take_words(struct service *service, char **argv)
{
    int r = 0;

    for (int i = 0; argv[i] != NULL && r >= 0;) {
        const struct opt *row;
        char quote[TEXT_QUOTE_SIZE];
        r = opts_take(service->options, argv, &i, &row);
        if (r != 0)
            continue;
        if (argv[i][0] == '-')
            return opts_error("device %s: no such option; linnet device --help lists all",
                              text_quote(quote, argv[i]));
        r = service->class == NULL ? take_kind(service, argv[i]) : take_keys(service, argv[i]);
        i++;
    }
    return MIN(r, 0);
}

static int check_words(struct service *service)
{
    bool path = opts_given(service->options, "socket-path"),
         fd = opts_given(service->options, "fd");

    if (service->class == NULL)
        return opts_error("device: no kind; give one that linnet device --help lists");
    if (path == fd)
        return opts_error("device %s: give --socket-path SOCKET or --fd N%s", service->class->name,
                          path ? ", not both" : "");
    return service->keys_count == 0 ? take_keys(service, "") : 0;
}

static void print_help(const struct virtio_class *class)
{
    (void)fputs("Usage: linnet device KIND --socket-path SOCKET [KEYS]\n\n"
                "Serves one virtio device to the machine of another program (QEMU, crosvm,\n"
                "cloud-hypervisor), by vhost-user. KEYS are those of linnet run: the same\n"
                "key=value,key=value.\n\n",
                stdout);
    opts_help_options(stdout, device_options);
    (void)fputs(class == NULL ? "\nKinds:\n" : "\nKeys:\n", stdout);
    if (class != NULL)
        opts_help_keys(stdout, class->opts);
    for (size_t i = 0; class == NULL && virtio_slots[i].class != NULL; i++)
        if (virtio_slots[i].class->placed == NULL && !virtio_slots[i].class->lends_queues)
            opts_help_row(stdout, 2, virtio_slots[i].class->name, virtio_slots[i].class->help);
    (void)fputs(
        "\nExit status: 0 it was told to end, or its one front-end has left; 1 the host or\n"
        "linnet failed, 35 bad arguments, 38 an expectation failed.\n",
        stdout);
}

/* -- front-ends -- */

static void accept_ready(struct watch *watch, uint32_t epoll_events)
{
    struct service *service = container_of(watch, struct service, accept);
    auto_close int fd = loop_accept(watch);

    (void)epoll_events;
    if (fd < 0)
        return; /* it has left again, or waits */
    if (vhost_user_backend_busy(&service->backend)) {
        log_guest(&service->dev->log_limit,
                  "%s: one more front-end has come and is sent away: it serves one at a time",
                  service->dev->name);
        return;
    }
    int r = vhost_user_backend_serve(&service->backend, fd_take(&fd));
    if (r < 0)
        (void)log_error(r, "%s: watch the front-end", service->dev->name);
}

static void left(struct vhost_user_backend *backend)
{
    struct service *service = container_of(backend, struct service, backend);

    if (service->only_one)
        loop_stop(&service->loop);
}

static int socket_option(int fd, int option)
{
    int value = -1;
    socklen_t len = sizeof(value);

    return getsockopt(fd, SOL_SOCKET, option, &value, &len) < 0 ? -1 : value;
}

static int watch_accept(struct service *service, int fd)
{
    service->accept = (struct watch){.fd = fd, .ready = accept_ready};
    int r = loop_add(&service->loop, &service->accept, EPOLLIN);
    return r < 0 ? log_error(r, "%s: watch the socket", service->dev->name) : 0;
}

/* The socket that is open as the number of an option: -EINVAL after a line if there is none. */
static int take_fd(const struct service *service, const char *option)
{
    int fd = (int)opts_u64(service->options, option);

    if (socket_option(fd, SO_DOMAIN) != AF_UNIX || socket_option(fd, SO_TYPE) != SOCK_STREAM)
        return opts_error("--%s %d: no open Unix stream socket; give the number of one", option,
                          fd);
    (void)fcntl(fd, F_SETFD, FD_CLOEXEC); /* it is open */
    return fd;
}

static int open_fd(struct service *service)
{
    int fd = take_fd(service, "fd");

    if (fd < 0)
        return fd;
    if (socket_option(fd, SO_ACCEPTCONN) == 1)
        return watch_accept(service, fd);
    service->only_one = true;
    int r = vhost_user_backend_serve(&service->backend, fd);
    return r < 0 ? log_error(r, "--fd %d", fd) : 0;
}

static int open_socket(struct service *service)
{
    if (opts_given(service->options, "fd"))
        return open_fd(service);
    int r =
        unix_listen("--socket-path", opts_str(service->options, "socket-path"), &service->listener);
    return r < 0 ? r : watch_accept(service, service->listener.fd);
}

/* -- who asks, and who looks on -- */

static void control_quit(struct control_vm *vm)
{
    loop_stop(&container_of(vm, struct service, control_vm)->loop);
}

static void tell_results(struct service *service)
{
    struct results results = {0};

    if (service->dev->class->results != NULL)
        service->dev->class->results(service->dev, &results);
    control_tell_results(service->control, &results);
    results_fini(&results);
}

static int open_control(struct service *service)
{
    const struct opts *options = service->options;
    bool taken = opts_given(options, "control-fd");

    if (!taken && !opts_has(options, "control"))
        return 0;
    service->control_vm = (struct control_vm){.timebase = &timebase_monotonic,
                                              .name = service->dev->name,
                                              .device_count = 1,
                                              .devices = &service->dev,
                                              .quit = control_quit};
    int fd = taken ? take_fd(service, "control-fd") : 0;
    int r = fd < 0 ? fd
                   : control_create(opts_str(options, "control"), &service->loop,
                                    &service->control_vm, &service->control);
    if (r == 0 && taken) {
        r = control_take(service->control, fd);
        if (r < 0)
            (void)log_error(r, "--control-fd %d", fd);
    }
    if (r == 0)
        tell_results(service);
    return r;
}

static int open_witness(struct service *service)
{
    static const unsigned slot = EVENT_NO_SLOT;

    return witness_start(&service->witness, &service->dev, &slot, 1, NULL);
}

/* -- life -- */

static void ended(struct wake *wake, bool by_signal)
{
    (void)by_signal;
    loop_stop(&container_of(wake, struct service, wake)->loop);
}

static void report(struct wake *wake)
{
    virtio_report(container_of(wake, struct service, wake)->dev);
}

/* On whichever thread looked: the front-end has cut off a file of its memory. */
static void bus_error(int signal)
{
    static const char text[] = "linnet: error: the front-end took back memory that it shares\n";

    (void)signal;
    (void)!write(STDERR_FILENO, text, sizeof(text) - 1);
    _exit(EXIT_HOST_ERROR);
}

static int start(struct service *service)
{
    wake_init(&service->wake, &timebase_monotonic);
    service->wake.ended = ended;
    service->wake.report = report;
    memory_init_shared(&service->mem);
    int r = witness_open(&service->witness, service->options);
    if (r == 0)
        r = loop_init(&service->loop);
    if (r == 0)
        r = wake_on_signals(&service->wake, &service->loop);
    if (r == 0)
        r = virtio_create(service->class, (unsigned)opts_u64(service->options, "index"),
                          &service->mem, (const struct opts *const *)service->keys,
                          service->keys_count, &service->dev);
    if (r == 0 && service->dev->in_kernel)
        r = opts_error("device %s: the kernel serves machines of linnet run only; leave vhost out",
                       service->class->name);
    if (r < 0)
        return r;
    (void)signal(SIGBUS, bus_error);
    r = open_witness(service);
    if (r == 0)
        r = virtio_start(service->dev);
    service->backend.left = left;
    if (r == 0)
        r = vhost_user_backend_init(&service->backend, service->dev, &service->mem, &service->loop);
    if (r == 0)
        r = open_control(service);
    return r == 0 ? open_socket(service) : r;
}

static int status_of(int r)
{
    return r == 0         ? 0
           : r == -EINVAL ? EXIT_BAD_ARGUMENTS
           : r == -EPROTO ? EXIT_EXPECTATION
                          : EXIT_HOST_ERROR;
}

static int serve(struct service *service)
{
    int r = start(service);

    if (r < 0)
        return status_of(r);
    r = loop_run(&service->loop);
    service->only_one = false; /* it ends already */
    vhost_user_backend_leave(&service->backend);
    unix_unlisten(&service->listener);
    int written = witness_end(&service->witness); /* the driver is gone */
    int finished = virtio_finish(service->dev);
    if (r < 0)
        (void)log_error(r, "event loop");
    int status = status_of(r < 0 ? r : finished < 0 ? finished : written);
    tell_results(service);
    control_end(service->control, status, log_first_error());
    return status;
}

static void service_fini(struct service *service)
{
    vhost_user_backend_leave(&service->backend);
    (void)witness_end(&service->witness); /* it told */
    virtio_destroy(service->dev);
    witness_close(&service->witness);
    control_destroy(service->control);
    vhost_user_backend_fini(&service->backend);
    unix_unlisten(&service->listener);
    wake_fini(&service->wake);
    loop_fini(&service->loop);
    memory_destroy(&service->mem);
    while (service->keys_count > 0)
        opts_destroy(service->keys[--service->keys_count]);
    opts_destroy(service->options);
}

int device_main(char **argv)
{
    struct service service = {.loop = {.epoll_fd = -1, .stop = {.fd = -1}},
                              .listener = {.fd = -1},
                              .wake = {.signals = {.fd = -1}, .time_limit = {.fd = -1}},
                              .backend = {.socket = {.fd = -1}}};
    int status = 0;

    (void)prctl(PR_SET_NAME, "linnet"); /* started as /proc/self/exe it would be "exe" */
    int r = opts_create(device_options, &service.options);

    if (r == 0)
        r = take_words(&service, argv);
    if (r == 0 && opts_bool(service.options, "help")) {
        print_help(service.class);
    } else {
        if (r == 0)
            r = check_words(&service);
        if (r == 0)
            log_set_level((enum log_level)opts_choice(service.options, "log"));
        status = r < 0 ? status_of(r) : serve(&service);
    }
    service_fini(&service);
    return status;
}
