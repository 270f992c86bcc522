/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A vhost-user front-end, scripted by tests, and behind the socket the back-end with its device,
 * all on one thread but the device's workers, if it has any: fake_front_step() has the back-end
 * read what was said. Time, as the back-end sees it, is simulated.
 */
#pragma once

#include "tests/fake_driver.h"
#include "virtio/vhost_user/backend.h"

#define FRONT_RINGS_MAX 8
#define FRONT_RAM_BYTES (4u << 20)
#define FRONT_USER      0x7f5500000000ull /* what it calls guest address 0 */

struct fake_front {
    /* the front-end */
    struct memory ram; /* its guest's */
    int socket;        /* -1: it has left */
    int channel;       /* where the back-end tells news; -1: none */
    struct vhost_user_receiver rx;
    struct vhost_user_message msg; /* the next one to be said */
    struct fake_ring ring[FRONT_RINGS_MAX];
    int kick[FRONT_RINGS_MAX], call[FRONT_RINGS_MAX], error[FRONT_RINGS_MAX];
    uint32_t flags; /* of each message, beside the version */

    /* the back-end */
    struct memory mem;
    struct loop loop;
    struct virtio_device *dev;
    struct vhost_user_backend backend;
    bool has_threads; /* else the test runs the worker's loop */
    struct timebase timebase;
    uint64_t now_ns;
};

/* A device with those options (NULL: none at all) behind a back-end that nobody uses yet. */
void fake_front_init(struct fake_front *front, const struct virtio_class *class,
                     const struct opts *opts, bool has_threads);
void fake_front_fini(struct fake_front *front);

void fake_front_connect(struct fake_front *front);
void fake_front_leave(struct fake_front *front);
/* The back-end has closed the connection. */
bool fake_front_is_left(struct fake_front *front);

/* The back-end does what there is to do, and then, without threads, the worker. */
void fake_front_step(struct fake_front *front);
void fake_front_advance(struct fake_front *front, uint64_t ns);

/* Says front->msg (its payload and descriptors are filled in), and steps. */
void fake_front_say(struct fake_front *front, uint32_t request, size_t size);
void fake_front_say_u64(struct fake_front *front, uint32_t request, uint64_t val);
void fake_front_say_ring(struct fake_front *front, uint32_t request, uint32_t index, uint32_t num);
/* With that descriptor, or none (-1, said by bit 8). */
void fake_front_say_fd(struct fake_front *front, uint32_t request, uint32_t index, int fd);
/* Takes the answer: false if there is none. It is in front->rx.msg. */
bool fake_front_hears(struct fake_front *front);
/* Asks what has no payload, and is answered by a number; UINT64_MAX if it is not answered. */
uint64_t fake_front_ask(struct fake_front *front, uint32_t request);
/* The answer to a message said with VHOST_USER_NEED_REPLY. */
uint64_t fake_front_ack(struct fake_front *front);

/* The whole of RAM as one region. */
void fake_front_say_table(struct fake_front *front);
void fake_front_say_address(struct fake_front *front, uint32_t index);

/* Rings of that size, zeroed, in RAM. */
void fake_front_rings(struct fake_front *front, uint16_t size);
void fake_front_kick(struct fake_front *front, uint32_t index);
/* How often it was called since the last look. */
uint64_t fake_front_calls(int fd);
/* Waits for the next used entry, by calls; false if none came. */
bool fake_front_used(struct fake_front *front, uint32_t index, uint32_t *ret_id, uint32_t *ret_len);
