/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The control socket (--control PATH): people and programs on this host ask the running machine for
 * something, in the language of control_request.h. Main thread, on its loop; what a device is asked
 * for is done on the device's worker, and answered when it is done.
 *
 * Nothing that a client does, or does not do, holds up the machine or another client: a round of
 * the loop takes at most one request of each, and a client's next one waits until it has read the
 * answer. One that asks for events and does not read them is closed. Clients are of the machine's
 * own user, or root: the socket has mode 0600, and each one's uid is looked at.
 */
#pragma once

#include "virtio/device.h"
#include "vmm/base/timebase.h"

struct control;

/* What the requests are about; borrowed. */
struct control_vm {
    struct timebase *timebase; /* of "uptime_ms" */
    const char *name;
    unsigned cpus;         /* 0: has none, */
    uint64_t memory_bytes; /* or none */
    unsigned device_count;
    struct virtio_device *const *devices;
    /* Where other processes serve some of the devices: whose commands one takes, and has it do
     * one, as virtio_command(). NULL: they are all served here. */
    const struct virtio_class *(*class_of)(struct control_vm *vm, unsigned device);
    void (*command)(struct control_vm *vm, unsigned device, struct virtio_command *command);
    /* machine_pause() and machine_resume(): the guest stands still, its time too, in between. 0;
     * -EALREADY if it is so already; another -errno after a line, and then it runs. NULL: this is
     * a device's process, and its machine is another's. */
    int (*pause)(struct control_vm *vm);
    int (*resume)(struct control_vm *vm);
    void (*quit)(struct control_vm *vm); /* the machine shall end, paused or not */
};

/* -errno after a line; -EINVAL if the user should give another PATH. NULL: there is no socket to
 * come to. */
int control_create(const char *path, struct loop *loop, struct control_vm *vm,
                   struct control **ret_control);
/* One more client, at the other end of `fd`, which is taken: it hears events, too. -errno. */
int control_take(struct control *control, int fd);
/* What there is to tell programs now, as an event. Accepts NULL. */
void control_tell_results(struct control *control, const struct results *results);
/* Answers what is answered, and tells clients how the machine ended. The loop runs no more, and the
 * devices are idle. Who reads slowly is waited for, for two seconds. `message`: why, or "". Accepts
 * NULL. */
void control_end(struct control *control, int exit_status, const char *message);
/* Removes the socket. The devices are idle: no request is under way. Accepts NULL. */
void control_destroy(struct control *control);
