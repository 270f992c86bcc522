/* SPDX-License-Identifier: BSD-3-Clause */
/* The input device's parts: see input.c. On its worker. */
#pragma once

#include "devices/input/source.h"
#include "virtio/device.h"
#include "vmm/base/unix_listener.h"

#define CLIENTS_MAX 4

struct input {
    struct virtio_device dev;
    struct input_config config;
    struct abilities abilities;
    struct unix_listener listener; /* the socket's file, */
    struct watch door; /* and the same descriptor: watched while there is room for one */
    struct source source[CLIENTS_MAX];   /* clients; or the first one is a node of evdev */
    bool active;                         /* the guest has a driver */
    struct chain held[GROUP_EVENTS_MAX]; /* buffers of the guest's that wait for events */
    unsigned held_count;
};

/* Gives a group to the guest; false, and nothing was given, if it lacks buffers. */
bool input_give(struct input *input, const struct event *events, unsigned count);
/* A source has gone, and all was said of it. */
void input_source_free(struct input *input);
