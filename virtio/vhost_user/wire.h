/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Messages of vhost-user as they are on the socket, for both ends (QEMU's
 * docs/interop/vhost-user.rst): a header, a payload of up to 4 KiB, and file descriptors, which
 * travel with the first byte. All numbers are in the byte order of this host.
 *
 *   +---------+-------------------------------+------+=========+
 *   | request | flags: version 1, reply, need | size | payload |
 *   +---------+-------------------------------+------+=========+
 *       4                   4                    4       size
 *
 * A message goes out by one sendmsg(), because some read header and payload by one call each and
 * want all of it. It may come in by any split. Who sits at the other end is not trusted: sizes and
 * numbers of descriptors are bounded here, what they mean is for the caller to check.
 */
#pragma once

#include "vmm/base/base.h"

#define VHOST_USER_PAYLOAD_MAX 4096
#define VHOST_USER_FDS_MAX     32

/* Flags. */
#define VHOST_USER_VERSION_MASK 3u
#define VHOST_USER_VERSION      1u
#define VHOST_USER_REPLY        4u
#define VHOST_USER_NEED_REPLY   8u

/* Of the virtio features: the next two messages exist. Never offered to a guest. */
#define VHOST_USER_F_PROTOCOL_FEATURES 30

enum vhost_user_protocol_feature {
    VHOST_USER_PROTOCOL_F_MQ = 0,
    VHOST_USER_PROTOCOL_F_REPLY_ACK = 3,
    VHOST_USER_PROTOCOL_F_BACKEND_REQ = 5,
    VHOST_USER_PROTOCOL_F_CONFIG = 9,
    VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD = 12,
    VHOST_USER_PROTOCOL_F_RESET_DEVICE = 13,
    VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS = 15,
    VHOST_USER_PROTOCOL_F_STATUS = 16,
    VHOST_USER_PROTOCOL_F_DEVICE_STATE = 19,
};

/* From the front-end. */
enum vhost_user_request {
    VHOST_USER_GET_FEATURES = 1,
    VHOST_USER_SET_FEATURES = 2,
    VHOST_USER_SET_OWNER = 3,
    VHOST_USER_RESET_OWNER = 4,
    VHOST_USER_SET_MEM_TABLE = 5,
    VHOST_USER_SET_VRING_NUM = 8,
    VHOST_USER_SET_VRING_ADDR = 9,
    VHOST_USER_SET_VRING_BASE = 10,
    VHOST_USER_GET_VRING_BASE = 11,
    VHOST_USER_SET_VRING_KICK = 12,
    VHOST_USER_SET_VRING_CALL = 13,
    VHOST_USER_SET_VRING_ERR = 14,
    VHOST_USER_GET_PROTOCOL_FEATURES = 15,
    VHOST_USER_SET_PROTOCOL_FEATURES = 16,
    VHOST_USER_GET_QUEUE_NUM = 17,
    VHOST_USER_SET_VRING_ENABLE = 18,
    VHOST_USER_SET_BACKEND_REQ_FD = 21,
    VHOST_USER_GET_CONFIG = 24,
    VHOST_USER_SET_CONFIG = 25,
    VHOST_USER_GET_INFLIGHT_FD = 31,
    VHOST_USER_SET_INFLIGHT_FD = 32,
    VHOST_USER_RESET_DEVICE = 34,
    VHOST_USER_GET_MAX_MEM_SLOTS = 36,
    VHOST_USER_ADD_MEM_REG = 37,
    VHOST_USER_REM_MEM_REG = 38,
    VHOST_USER_SET_STATUS = 39,
    VHOST_USER_GET_STATUS = 40,
};

/* From the back-end, on a socket of its own. */
enum vhost_user_backend_request {
    VHOST_USER_BACKEND_CONFIG_CHANGE = 2,
};

struct vhost_user_header {
    uint32_t request, flags, size; /* of the payload, in bytes */
};
_Static_assert(sizeof(struct vhost_user_header) == 12, "rst: Message Specification");

struct vhost_user_state {
    uint32_t index, num;
};
_Static_assert(sizeof(struct vhost_user_state) == 8, "rst: A vring state description");

/* Addresses are the front-end's: user addresses of the memory table. */
struct vhost_user_address {
    uint32_t index, flags; /* bit 0: log */
    uint64_t desc, used, avail, log;
};
_Static_assert(sizeof(struct vhost_user_address) == 40, "rst: A vring address description");

/* Of a u64 that comes with a ring's descriptor. */
#define VHOST_USER_RING_MASK  0xffu
#define VHOST_USER_RING_NO_FD 0x100u

struct vhost_user_region {
    uint64_t guest, size, user, offset; /* the last: of its first byte in the descriptor */
};
_Static_assert(sizeof(struct vhost_user_region) == 32, "rst: Memory region description");

#define VHOST_USER_REGIONS_MAX VHOST_USER_FDS_MAX /* in one table: each has a descriptor */

struct vhost_user_table {
    uint32_t count, pad;
    struct vhost_user_region region[VHOST_USER_REGIONS_MAX]; /* `count` of them are sent */
};

struct vhost_user_one_region {
    uint64_t pad;
    struct vhost_user_region region;
};
_Static_assert(sizeof(struct vhost_user_one_region) == 40, "rst: Single memory region");

#define VHOST_USER_CONFIG_MAX 256

struct vhost_user_config {
    uint32_t offset, size, flags;         /* flags 1: migration */
    uint8_t bytes[VHOST_USER_CONFIG_MAX]; /* `size` of them are sent */
};
#define VHOST_USER_CONFIG_HEADER offsetof(struct vhost_user_config, bytes)
_Static_assert(VHOST_USER_CONFIG_HEADER == 12, "rst: Virtio device config space");

struct vhost_user_message {
    struct vhost_user_header header;
    union {
        uint64_t u64;
        struct vhost_user_state state;
        struct vhost_user_address address;
        struct vhost_user_table table;
        struct vhost_user_one_region one_region;
        struct vhost_user_config config;
        uint8_t bytes[VHOST_USER_PAYLOAD_MAX];
    } payload;
    int fd[VHOST_USER_FDS_MAX];
    unsigned fd_count;
};

/* A message with that payload size and no descriptors; the payload is for the caller to fill. */
void vhost_user_begin(struct vhost_user_message *msg, uint32_t request, uint32_t size);

/* Sends header, payload and msg->fd (which stay the caller's) whole, waiting until deadline_ns
 * (CLOCK_MONOTONIC; 0: not at all) for the other end to make room. 0, -ETIMEDOUT, -EPIPE, ... */
int vhost_user_send(int fd, const struct vhost_user_message *msg, uint64_t deadline_ns);

/* Where a message is gathered. Zeroed is empty. */
struct vhost_user_receiver {
    struct vhost_user_message msg;
    size_t have; /* bytes of it; a whole one goes when the next is asked for */
};

/*
 * Reads on, without waiting: 1 when a whole message is in rx->msg, until the next call. Its
 * descriptors (all CLOEXEC) are closed by that, unless they were taken by fd_take(). 0: there is no
 * more just now. -ENODATA: the other end has closed, and no message was begun. Another -errno:
 * there is no sense in reading on, -EPROTO for a message that breaks the bounds, has another
 * version, or descriptors where none belong.
 */
int vhost_user_receive(int fd, struct vhost_user_receiver *rx);
/* The same, but waits until deadline_ns (CLOCK_MONOTONIC) for a whole message: 1, -ETIMEDOUT ... */
int vhost_user_receive_until(int fd, struct vhost_user_receiver *rx, uint64_t deadline_ns);
/* Closes what has not been taken. */
void vhost_user_receiver_fini(struct vhost_user_receiver *rx);
