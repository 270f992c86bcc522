/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A device that another process's machine uses: one more transport, whose registers are the
 * messages of vhost-user. The other process (QEMU, crosvm, cloud-hypervisor), the front-end, shares
 * its guest's RAM and an eventfd for each direction of each ring; so a request goes from its guest
 * to the device's worker and back with no message at all.
 *
 *   main: loop, messages                            worker: rings
 *    | ring stopped, started, changed, memory
 *    +-- virtio_pause() ---------------------------> stands still
 *    |   changes what it works on                    :
 *    +-- virtio_resume() --------------------------> goes on
 *
 * The device stands still (paused, virtio/device.h) but while there is a ring that is started and
 * enabled and nothing about it changes. So all that is done here to a device is done by main, and
 * there is one thing to decide when it is to go on, in rings.c: whether it is the same life. A
 * front-end stops and starts all rings when its machine is paused, too; then the device has all it
 * had. Else it is reset first.
 *
 * Offered: MQ, REPLY_ACK, BACKEND_REQ, CONFIG, RESET_DEVICE, CONFIGURE_MEM_SLOTS. Not: dirty
 * logging (migration), IOTLB, in-flight regions, STATUS, device state, postcopy, shared memory.
 *
 * The front-end is hostile: what breaks a rule is answered by an error where an answer was asked
 * for, else it ends the connection, and the next front-end is served.
 */
#pragma once

#include "virtio/transport.h"
#include "virtio/vhost_user/wire.h"

/* As the front-end said. The eventfds are its, too. */
struct vhost_user_ring {
    struct vhost_user_backend *backend;
    struct watch kick; /* owned fd; in the loop of the queue's worker */
    int call, error;   /* owned; -1: none. Under the lock */
    bool started, enabled;
    bool aside; /* the device goes on without it, and has nothing of it under way: see rings.c */
    bool has_address;
    uint32_t size, base;
    struct vhost_user_address address;
};

struct vhost_user_backend {
    struct virtio_transport transport;
    struct virtio_device *dev; /* borrowed */
    struct memory *mem;        /* borrowed; dev->mem */
    struct loop *loop;         /* borrowed; main's */
    /* The front-end left, or was left. */
    void (*left)(struct vhost_user_backend *backend);

    struct watch socket; /* owned; -1: no front-end */
    struct vhost_user_receiver rx;
    struct vhost_user_message reply;
    uint64_t features, protocol; /* negotiated */

    struct vhost_user_ring *ring; /* owned, one for each queue */
    bool standing;                /* the device is paused, */
    bool none_works;              /* because no ring works, as when the machine is paused */
    uint64_t stood_at_ns;

    pthread_mutex_t lock; /* for what workers use, too: calls, and these */
    int channel;          /* owned; -1: none. Where CONFIG_CHANGE goes */
    bool suspended;       /* no ring works: no news */
    bool news;            /* that would have come meanwhile */
};

/* Main. Connects the device, whose workers run and whose memory `mem` is. -errno; fini may follow
 * in any case, also of a zeroed one. */
int vhost_user_backend_init(struct vhost_user_backend *backend, struct virtio_device *dev,
                            struct memory *mem, struct loop *loop);
/* After the device is destroyed. */
void vhost_user_backend_fini(struct vhost_user_backend *backend);

/* Serves the front-end at the other end of `fd`, which is taken. There is none yet. -errno. */
int vhost_user_backend_serve(struct vhost_user_backend *backend, int fd);
/* Leaves it; the device is idle, its memory gone. Accepts that there is none. */
void vhost_user_backend_leave(struct vhost_user_backend *backend);

static inline bool vhost_user_backend_busy(const struct vhost_user_backend *backend)
{
    return backend->socket.fd >= 0;
}
