/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A control socket with nothing behind it but two devices, for tests of what it says to clients.
 * The test is all of the clients, and runs the loop between their steps: one thread.
 */
#pragma once

#include "vmm/control/control.h"

/* What tests look at, or set. */
struct control_rig {
    char path[64]; /* of the socket */
    struct loop loop;
    struct control_vm vm; /* "box", 2 CPUs, devices talker0 and mute0 */
    struct control *control;
    struct timebase timebase;
    uint64_t now_ns; /* what it tells */
    bool paused;     /* what vm.pause() and vm.resume() make of it */
    int pause_fails; /* -errno of both; 0: they work */
    unsigned quits;
    uid_t peer_uid;                        /* whom the kernel says the clients are */
    bool hold;                             /* keeps what devices are asked for in `held` */
    struct virtio_command *held;           /* the last one */
    const struct virtio_device *held_with; /* whom it asked */
};

extern struct control_rig control_rig;

/* Fixtures. */
void control_rig_setup(void);
void control_rig_teardown(void);

/* Runs the loop until nothing is ready. */
void control_rig_step(void);
/* Has the device answer what it was asked, and held. */
void control_rig_release(const char *reply, int result);

/* A client: its fd, which the test closes. */
int control_rig_client(void);
/* Sends text, and steps. */
void control_rig_say(int fd, const char *text);
/* What has come back; "" if nothing has, "gone" if the other end has hung up. */
const char *control_rig_heard(int fd);
