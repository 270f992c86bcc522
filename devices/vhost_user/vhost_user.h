/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A device that another process serves (vhost-user, QEMU's docs/interop/vhost-user.rst): that
 * process, the back-end, is given guest RAM and the eventfds of each queue, and works on the rings
 * by itself. What is left for us, the front-end, is to be the device for the transport: features,
 * config space, status, and to tell the driver what the back-end calls for.
 *
 *   guest     KVM              our worker                     back-end
 *     |        |                   | ---- memfd, eventfds ----> |   at DRIVER_OK
 *     |-kick-->|--- ioeventfd ------------- kick eventfd -----> |   past us
 *     |        |                   |                            |   takes, answers
 *     |<-------|<--- interrupt --- | <------ call eventfd ----- |   or KVM hears it, past us
 *
 * The back-end may read and write all of guest RAM: that is what vhost-user is. Beyond that it is
 * not trusted: what it answers is checked, it has a deadline for each exchange, and what it does
 * wrong is the end of this device, which then needs a reset, and of the connection, never of the
 * machine. Once the connection is gone every later activation fails.
 */
#pragma once

#include "virtio/device.h"
#include "virtio/vhost_user/wire.h"

#define VU_QUEUES_MAX 64
#define VU_ID_MAX     63 /* PCI device IDs end there */
#define VU_PIECE      4  /* bytes of config space to ask for, where all at once is too much */

/* What is known of a device type without asking. */
struct vu_kind {
    const char *name; /* as our own class for it is called; NULL: it has a number only */
    uint32_t id;
    uint16_t queues_min, queues_max; /* a back-end must have; more are of no use */
    uint16_t queue_size;             /* largest */
    uint16_t config_bytes;           /* of config space, a multiple of VU_PIECE; 0: there is none */
    uint16_t writable_off, writable_len; /* what a driver may write of it */
    bool config_needed;                  /* or: the device is of use without, */
    uint64_t config_features;            /* and then has none of these features */
};

struct vhost_user;

/* A message of a script, see session.c. */
struct vu_step {
    const char *name; /* NULL ends a script */
    uint32_t request;
    enum { VU_ONCE, VU_RINGS, VU_PIECES } times;
    uint64_t needs, without; /* protocol features: all of these, none of those */
    void (*fill)(const struct vhost_user *vu, unsigned i, struct vhost_user_message *msg);
    /* The answer, whose size is right: 0 or -errno. NULL: there is none but an acknowledgement. */
    int (*take)(struct vhost_user *vu, unsigned i, const struct vhost_user_message *reply);
};

struct vu_session {
    const struct vu_step *steps; /* NULL: nothing is under way */
    unsigned step, i;
    bool waiting; /* for the answer to it */
    bool full;    /* it is still to be sent: the back-end takes no more now */
    uint64_t deadline_ns;
    void (*done)(struct vhost_user *vu); /* NULL: nothing to do */
    const char *last;                    /* message that was sent */
};

struct vhost_user {
    struct virtio_device dev;
    struct vu_kind kind;
    uint64_t patience_ns; /* for each exchange, and for the back-end to come up */
    struct watch link;    /* owned socket; -1: the back-end is gone */
    bool link_full;       /* it is watched for room, too */
    struct watch channel; /* owned socket, on which it speaks unasked; -1: it does not */
    int channel_other;    /* owned: its end, until it has it */
    struct watch call[VU_QUEUES_MAX]; /* owned eventfds */
    struct vhost_user_receiver rx, channel_rx;
    struct vu_session session;

    uint64_t features, protocol;  /* offered by the back-end; agreed upon */
    uint16_t queues;              /* that it says it has; 0: it does not say */
    bool rings_on;                /* it has the rings, or a part of them */
    uint32_t base[VU_QUEUES_MAX]; /* where each goes on: as in VRING_BASE */

    uint8_t config[VHOST_USER_CONFIG_MAX], fresh[VHOST_USER_CONFIG_MAX];
    unsigned piece_bytes, pieces; /* config space is asked for in these */
    unsigned got;                 /* bytes of `fresh` */
    size_t write_off, write_len;
    uint8_t write_bytes[8];
    bool config_changed; /* it says so, and was not asked yet */

    unsigned calls_left;                       /* of this period */
    uint64_t calls_since;                      /* when it began */
    uint64_t calls_again_ns, channel_again_ns; /* not listened to until then; or TIME_NEVER */
};

static inline struct vhost_user *vu_of(struct virtio_device *dev)
{
    return container_of(dev, struct vhost_user, dev);
}

static inline bool vu_has(const struct vhost_user *vu, unsigned protocol_feature)
{
    return (vu->protocol >> protocol_feature & 1) != 0;
}

/* -- kind.c -- */

/* Finds the kind of that name or number: 0, or -EINVAL after a line. */
int vu_kind_find(const char *text, struct vu_kind *ret_kind);

/* -- create.c; main -- */

extern const struct opt vu_opts[];

/* Connects to the back-end that the options name, asks what it is, and makes the device like that:
 * 0, or -errno after a line. What was opened is the device's to close. */
int vu_meet(struct vhost_user *vu, const struct opts *opts);

/* -- connect.c; main -- */

/* A socket that is connected to the back-end at `path`, which may take that long to come up.
 * -EINVAL after a line. */
int vu_connect(const char *path, uint64_t wait_ns, int *ret_fd);

/* -- session.c; main, then the worker -- */

extern const struct vu_step vu_hello[];    /* who is there */
extern const struct vu_step vu_start[];    /* takes the rings, from `base` on */
extern const struct vu_step vu_stop[];     /* leaves them, and says where */
extern const struct vu_step vu_new_life[]; /* forgets what was */
extern const struct vu_step vu_config[];   /* config space into `fresh` */
extern const struct vu_step vu_write[];    /* write_bytes to config space */

/* Begins a script, nothing else being under way: 1 when it is done, 0 while an answer, or room in
 * the socket (session.full), is due by session.deadline_ns, or -errno. */
int vu_session_begin(struct vhost_user *vu, const struct vu_step *steps,
                     void (*done)(struct vhost_user *vu));
/* Reads what has come, and goes on with it: the same. Nothing is due unless a script is under way.
 */
int vu_session_read(struct vhost_user *vu);
/* There is room in the socket: the same. */
int vu_session_send(struct vhost_user *vu);
/* Waits for the end of what is under way: 0 or -errno. */
int vu_session_finish(struct vhost_user *vu);
/* Both. */
int vu_session_run(struct vhost_user *vu, const struct vu_step *steps);

/* What an exchange came to, in words. */
const char *vu_error(int r);
