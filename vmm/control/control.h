/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The control socket (--control PATH): people and programs on this host ask the running machine for
 * something, in the language of control_line.h. Main thread, on its loop; commands to a device are
 * served on the device's worker, and answered when it has done so. Nothing that a client does, or
 * does not do, holds up the machine or another client: each has one request under way, and nothing
 * more is read from it before it has taken the answer.
 *
 * The socket is the user's own (mode 0600). One that a dead machine left behind is taken over.
 */
#pragma once

#include "virtio/device.h"

struct control;

/* What the commands are about; borrowed. */
struct control_vm {
    const char *name;
    unsigned cpus;
    uint64_t memory_bytes;
    unsigned device_count;
    struct virtio_device *const *devices;
    void (*quit)(struct control_vm *vm); /* the machine shall end */
    /* The guest stands still, its time too, until it is resumed. 0; -EALREADY if it is so already;
     * another -errno after a line: then the machine ends. */
    int (*pause)(struct control_vm *vm);
    int (*resume)(struct control_vm *vm);
};

/* -errno after a line; -EINVAL if the user should give another PATH. */
int control_create(const char *path, struct loop *loop, struct control_vm *vm,
                   struct control **ret_control);
/* Removes the socket. The devices are idle: no command is under way. Accepts NULL. */
void control_destroy(struct control *control);
