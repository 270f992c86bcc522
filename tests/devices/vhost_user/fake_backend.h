/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A vhost-user back-end for tests, on a thread of its own: answers what it is asked, remembers what
 * it heard, and lies where a test says so. It serves no ring: that is for the test, which has the
 * eventfds.
 */
#pragma once

#include "virtio/vhost_user/wire.h"

#include <pthread.h>
#include <stdatomic.h>

#define FAKE_RINGS 8

/* Protocol features. */
#define FAKE_MQ           (1u << 0)
#define FAKE_ACK          (1u << 3)
#define FAKE_CHANNEL      (1u << 5)
#define FAKE_HAS_CONFIG   (1u << 9)
#define FAKE_RESET_DEVICE (1u << 13)
#define FAKE_ALL          (FAKE_MQ | FAKE_ACK | FAKE_CHANNEL | FAKE_HAS_CONFIG | FAKE_RESET_DEVICE)

enum fake_lie {
    LIE_NONE,
    LIE_CLOSE,         /* the connection, in the place of an answer */
    LIE_SILENT,        /* no answer */
    LIE_REFUSE,        /* 1 where an acknowledgement is wanted */
    LIE_OTHER_REQUEST, /* an answer to something else */
    LIE_NO_REPLY,      /* an answer that does not say that it is one */
    LIE_VERSION,       /* of another version */
    LIE_SHORT,         /* a payload that is too short, */
    LIE_LONG,          /* too long, */
    LIE_HUGE,          /* longer than any */
    LIE_DESCRIPTOR,    /* with a descriptor */
    LIE_TWICE,         /* answered once more */
    LIE_CONTENT,       /* another ring, another place, no queues */
};

struct fake_vring {
    uint32_t num, base;
    struct vhost_user_address address;
    int kick, call; /* -1: none */
    bool started, enabled;
};

struct fake_backend {
    /* set by the test before it runs */
    uint64_t features, protocol, queues;
    uint32_t config_size;    /* bytes that it has, */
    uint32_t config_at_once; /* and tells at once */
    bool echoes;             /* config byte 2 is what is written to byte 0 */
    const char *path;        /* where it listens; NULL: it is connected */
    unsigned late_ms;        /* before it does */
    bool narrow;             /* the other end's socket holds few messages */
    atomic_uint slow_ms;     /* it takes for each message; at any time */
    /* by the test at any time, with fake_backend_lie() */
    uint32_t lie_at;
    enum fake_lie lie;
    /* the rest is looked at with the lock held, see fake_backend_hears() */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t thread;
    int fd, listen_fd; /* owned */
    uint8_t config[VHOST_USER_CONFIG_MAX];
    char heard[2048]; /* requests: " 3 1 15 16" */
    size_t heard_len;
    uint64_t features_set, protocol_set;
    struct vhost_user_table table;
    int ram[VHOST_USER_FDS_MAX]; /* owned, one for each of its regions */
    int channel;                 /* owned; -1: none */
    struct fake_vring ring[FAKE_RINGS];
    uint32_t stop_base; /* where it says that it stopped */
    bool gone;          /* the other end has closed */
};

/* Offers a sound device's worth, and everything of the protocol. */
void fake_backend_init(struct fake_backend *backend);
/* Starts it; the other end of its socket, or -1 if it listens. */
int fake_backend_start(struct fake_backend *backend);
/* Closes all that it has, and joins it. */
void fake_backend_stop(struct fake_backend *backend);

/* From now on `lie` at each `request`. */
void fake_backend_lie(struct fake_backend *backend, uint32_t request, enum fake_lie lie);
/* Waits until what it heard since the last call ends with that; false after 5 s. */
bool fake_backend_hears(struct fake_backend *backend, const char *words);
/* Waits until the other end has closed; false after 5 s. */
bool fake_backend_left(struct fake_backend *backend);
/* It dies. */
void fake_backend_die(struct fake_backend *backend);
/* How often it has heard that since the last fake_backend_hears(). */
unsigned fake_backend_count(struct fake_backend *backend, const char *word);
/* Says something unasked: on the channel, or the socket itself. */
void fake_backend_say(struct fake_backend *backend, bool on_channel, uint32_t request,
                      uint32_t flags);
