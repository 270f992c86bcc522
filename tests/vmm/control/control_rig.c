/* SPDX-License-Identifier: BSD-3-Clause */
/* See control_rig.h. */
#include "tests/vmm/control/control_rig.h"

#include "tests/fake_driver.h"
#include "vmm/base/unix_listener.h"

#include <check.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define FOLDER "/tmp/linnet-control-XXXXXX"

struct control_rig control_rig;

static char folder[] = FOLDER;
static struct memory mem;
static struct virtio_device *devices[2];

/* A device that answers with its words, a line each; "fail" fails, "quiet" says nothing. */
static int echo_words(struct virtio_device *dev, const char *const words[], FILE *reply)
{
    (void)dev;
    if (strcmp(words[0], "quiet") == 0)
        return 0;
    if (strcmp(words[0], "silent-fail") == 0)
        return -EBUSY;
    for (size_t i = 0; words[i] != NULL; i++)
        (void)fprintf(reply, "[%s]\n", words[i]);
    return strcmp(words[0], "fail") == 0 ? -EINVAL : 0;
}

static const struct virtio_class talker = {.name = "talker",
                                           .id = 42,
                                           .queue_count = 1,
                                           .limits = {.size = 16, .chain_descs = 16},
                                           .instance_size = sizeof(struct virtio_device),
                                           .command = echo_words};
static const struct virtio_class mute = {.name = "mute",
                                         .id = 42,
                                         .queue_count = 1,
                                         .limits = {.size = 16, .chain_descs = 16},
                                         .instance_size = sizeof(struct virtio_device)};

static int set_paused(bool paused)
{
    if (control_rig.pause_fails < 0)
        return control_rig.pause_fails;
    if (control_rig.paused == paused)
        return -EALREADY;
    control_rig.paused = paused;
    return 0;
}

static int vm_pause(struct control_vm *vm)
{
    (void)vm;
    return set_paused(true);
}

static int vm_resume(struct control_vm *vm)
{
    (void)vm;
    return set_paused(false);
}

static void vm_quit(struct control_vm *vm)
{
    (void)vm;
    control_rig.quits++;
}

static uint64_t now_ns(struct timebase *timebase)
{
    (void)timebase;
    return control_rig.now_ns;
}

/* The program's calls, by --wrap. */
void __real_virtio_command(struct virtio_device *dev, struct virtio_command *command);
void __wrap_virtio_command(struct virtio_device *dev, struct virtio_command *command);
int __real_getsockopt(int fd, int level, int name, void *value, socklen_t *size);
int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *size);

void __wrap_virtio_command(struct virtio_device *dev, struct virtio_command *command)
{
    if (!control_rig.hold) {
        __real_virtio_command(dev, command);
        return;
    }
    control_rig.held = command;
    control_rig.held_with = dev;
}

int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *size)
{
    int r = __real_getsockopt(fd, level, name, value, size);

    if (r == 0 && name == SO_PEERCRED)
        ((struct ucred *)value)->uid = control_rig.peer_uid;
    return r;
}

void control_rig_setup(void)
{
    strcpy(folder, FOLDER);
    ck_assert_ptr_nonnull(mkdtemp(folder));
    control_rig = (struct control_rig){
        .peer_uid = geteuid(),
        .timebase = {.now_ns = now_ns},
        .now_ns = 5000000000,
    };
    (void)snprintf(control_rig.path, sizeof(control_rig.path), "%s/s", folder);
    ck_assert_int_eq(memory_create(&mem, 1 << 20, &(struct memory_layout){0, 1 << 20, 1 << 20},
                                   MEMORY_PAGES_AUTO),
                     0);
    ck_assert_int_eq(loop_init(&control_rig.loop), 0);
    ck_assert_int_eq(fake_create(&talker, 0, &mem, NULL, &devices[0]), 0);
    ck_assert_int_eq(fake_create(&mute, 0, &mem, NULL, &devices[1]), 0);
    control_rig.vm = (struct control_vm){
        .timebase = &control_rig.timebase,
        .name = "box",
        .cpus = 2,
        .memory_bytes = 1 << 20,
        .device_count = 2,
        .devices = devices,
        .pause = vm_pause,
        .resume = vm_resume,
        .quit = vm_quit,
    };
    ck_assert_int_eq(
        control_create(control_rig.path, &control_rig.loop, &control_rig.vm, &control_rig.control),
        0);
}

void control_rig_teardown(void)
{
    virtio_destroy(devices[0]);
    virtio_destroy(devices[1]);
    control_destroy(control_rig.control);
    loop_fini(&control_rig.loop);
    memory_destroy(&mem);
    ck_assert_int_eq(rmdir(folder), 0); /* the socket is gone with its machine */
}

void control_rig_step(void)
{
    struct pollfd pollfd = {.fd = control_rig.loop.epoll_fd, .events = POLLIN};

    for (unsigned rounds = 0; poll(&pollfd, 1, 0) > 0; rounds++) {
        ck_assert_uint_lt(rounds, 100000);
        loop_stop(&control_rig.loop); /* one round */
        ck_assert_int_eq(loop_run(&control_rig.loop), 0);
    }
}

void control_rig_release(const char *reply, int result)
{
    ck_assert_ptr_nonnull(control_rig.held);
    (void)fputs(reply, control_rig.held->reply);
    control_rig.held->result = result;
    control_rig.held->done(control_rig.held);
    control_rig.held = NULL;
}

int control_rig_client(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct sockaddr_un address;

    ck_assert_int_eq(unix_address(control_rig.path, &address), 0);
    ck_assert_int_eq(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

void control_rig_say(int fd, const char *text)
{
    ck_assert_int_eq(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
    control_rig_step();
}

const char *control_rig_heard(int fd)
{
    static char text[10000];
    ssize_t len = recv(fd, text, sizeof(text) - 1, 0);

    if (len == 0 || (len < 0 && errno != EAGAIN))
        return "gone";
    text[MAX(len, 0)] = '\0';
    return text;
}
