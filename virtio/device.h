/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a virtio device is (virtio 1.2 §2): a class (the model, const), an instance, its queues, and
 * a life:
 *
 *                        DRIVER_OK, virtio_activate()
 *   create --> [idle] ------------------------------> [active: the worker owns the queues]
 *                ^                                       |            | virtio_fail(),
 *                |  write 0 to Status, virtio_reset()    v            v virtio_quiesce()
 *                +---------------------------------------+<--- [needs reset: queues are dead]
 *
 * Threads. main: create, destroy. vCPU threads, one at a time under the device's bus lock:
 * registers, virtio_activate(), virtio_reset(). The worker: notify(), and every watch that the
 * device added to dev->worker.loop. virtio_reset() joins the worker before it returns, so a device
 * needs no lock. Four things are touched by both sides: `status` and `isr` (atomics), the config
 * bytes (config_lock) and the mail of commands (mail_lock).
 */
#pragma once

#include "virtio/queue.h"
#include "vmm/base/irq.h"
#include "vmm/base/log.h"
#include "vmm/base/loop.h"
#include "vmm/config/opts.h"

#include <linux/virtio_ids.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#define VIRTIO_QUEUES_MAX 16

/* Core and transport features (§6), offered for every device: VERSION_1, INDIRECT_DESC and
 * EVENT_IDX. */
#define VIRTIO_CORE_FEATURES (1ull << 32 | 1ull << 28 | 1ull << 29)

struct virtio_device;

/* A model. NULL callbacks mean nothing to do. */
struct virtio_class {
    const char *name;  /* option name and log prefix */
    const char *help;  /* one line for --help */
    uint32_t id;       /* device type, virtio 1.2 §5 */
    uint64_t features; /* offered beyond VIRTIO_CORE_FEATURES; create may change dev->features */
    uint16_t queue_count;
    uint16_t queue_size;    /* largest, power of two, up to VIRTQ_SIZE_MAX */
    uint8_t slot_first;     /* first transport slot of this class: address and interrupt follow */
    uint8_t count_max;      /* instances in a VM; they have slots slot_first ... + count_max - 1 */
    size_t instance_size;   /* of the struct that embeds struct virtio_device, `dev` first or not */
    size_t instance_offset; /* offsetof(that struct, dev) */
    const struct opt *opts; /* ends with {0}; drives parsing and --help */
    /* main: open host resources, set dev->config; -errno after saying what is wrong */
    int (*create)(struct virtio_device *dev, const struct opts *opts);
    /* main, worker joined: also after a failed create */
    void (*destroy)(struct virtio_device *dev);
    /* vCPU thread, no worker yet: features are final, queues are started; may add watches */
    int (*activate)(struct virtio_device *dev);
    /* vCPU thread or main, worker joined, queues still started: remove watches, forget requests.
     * Also after a failed activation: perhaps without queues, perhaps before activate() */
    void (*reset)(struct virtio_device *dev);
    /* worker: the driver kicked this queue, or it is the first look after DRIVER_OK */
    void (*notify)(struct virtio_device *dev, struct virtq *vq);
    /* vCPU thread: the driver wrote [off, off + len) of config space, inside dev->config; NULL:
     * config is read only */
    void (*config_write)(struct virtio_device *dev, size_t off, const void *buf, size_t len);
    /* main, after the VM ended and the worker was joined: close recordings, judge expectations.
     * 0, or -EPROTO if an expectation failed (said in a line), or -errno. */
    int (*finish)(struct virtio_device *dev);
    /* worker: on SIGUSR1, tell what there is to tell, one line a thing */
    void (*report)(struct virtio_device *dev);
    /* worker, or whoever holds the inactive device: does what somebody outside the guest asks for,
     * in words (at least one, then NULL), and writes what there is to tell into `reply`. On failure
     * -errno, and in `reply` one line that says why */
    int (*command)(struct virtio_device *dev, const char *const words[], FILE *reply);
};

/* Something asked of a device from outside the guest. */
struct virtio_command {
    struct virtio_command *next; /* the device's, until done */
    const char *const *words;    /* ends with NULL */
    FILE *reply;
    int result; /* 0 or -errno: set when done */
    /* Called once, on the thread that served it, perhaps within virtio_command(). */
    void (*done)(struct virtio_command *command);
};

struct virtio_device {
    const struct virtio_class *class;
    char name[16];  /* "snd0": log prefix and thread name */
    unsigned index; /* among the instances of its class */
    const struct memory *mem;
    struct irq irq;       /* owned; the transport's one line */
    struct worker worker; /* runs from activation to reset */

    uint64_t features;        /* offered; fixed after create */
    uint64_t driver_features; /* accepted; final once FEATURES_OK is set */
    _Atomic uint32_t status;  /* §2.1: written on the vCPU thread; the worker adds NEEDS_RESET */
    _Atomic uint32_t isr;     /* bit 0 used buffer, bit 1 config change: worker sets, vCPU clears */

    pthread_mutex_t config_lock;
    uint8_t *config; /* device config space, lent by the instance; NULL if none */
    size_t config_size;
    uint32_t config_generation; /* under config_lock */

    bool active; /* vCPU thread: worker runs */
    struct virtq queue[VIRTIO_QUEUES_MAX];
    struct watch kick[VIRTIO_QUEUES_MAX];
    struct watch report_watch; /* eventfd: virtio_report() */
    struct watch mail_watch;   /* eventfd: virtio_command() */
    pthread_mutex_t mail_lock; /* also held by who serves commands while the device is inactive, */
    bool mail_open;            /* under it: the worker serves them */
    struct virtio_command *mail, **mail_end; /* under it: waiting for the worker, oldest first */
    struct log_limit log_limit;              /* worker: for messages that the guest provokes */
};

/* -- main thread -- */

/* Makes an instance: allocates, creates queues' eventfds and irq, calls class->create. On failure
 * nothing is left. `opts` is borrowed for the call. */
int virtio_create(const struct virtio_class *class, unsigned index, const struct memory *mem,
                  const struct opts *opts, struct virtio_device **ret_dev);
/* Resets, then destroys. Accepts NULL. */
void virtio_destroy(struct virtio_device *dev);
/* Resets (joins the worker), then class->finish(). */
int virtio_finish(struct virtio_device *dev);
/* Any thread: has the worker call class->report(), if it runs. */
void virtio_report(struct virtio_device *dev);

/* Any thread but the worker: has the device do it, at once or soon; see struct virtio_command.
 * Borrowed until done. None is left when virtio_finish() or virtio_destroy() returns. */
void virtio_command(struct virtio_device *dev, struct virtio_command *command);

/* -- the transport, on a vCPU thread under the bus lock -- */

/* DRIVER_OK was set: starts the queues that are ready and the worker, which scans every queue once
 * (buffers may be waiting without a kick). Failure makes the device need a reset. */
void virtio_activate(struct virtio_device *dev);
/* Joins the worker and stops the queues; requests are forgotten. The status stays: only a reset
 * brings the device back. Does nothing if the worker does not run. */
void virtio_quiesce(struct virtio_device *dev);
/* Status was set to 0, or power-on: joins the worker, forgets all that the driver set up. When it
 * returns no notification follows and no queue is touched. */
void virtio_reset(struct virtio_device *dev);
/* Reads config space; bytes past its end are 0. Writes outside it vanish. ret_generation may be
 * NULL, len 0. */
void virtio_config_read(struct virtio_device *dev, size_t off, void *ret_buf, size_t len,
                        uint32_t *ret_generation);
void virtio_config_guest_write(struct virtio_device *dev, size_t off, const void *buf, size_t len);

/* -- the device model -- */

/* Changes config space and, unless it has not begun to look at the device, tells the driver (§2.5,
 * config change notification). Any thread. */
void virtio_config_set(struct virtio_device *dev, size_t off, const void *buf, size_t len);

/* Sends the used buffer notification (§2.7.7) if the driver wants one. Worker. */
void virtio_signal(struct virtio_device *dev, struct virtq *vq);

/* True once the device failed: start nothing new. Worker. */
static inline bool virtio_failed(const struct virtio_device *dev)
{
    return (atomic_load_explicit(&dev->status, memory_order_relaxed) & 64) != 0;
}

/* The driver broke the rules beyond repair, or nothing honest can be answered: DEVICE_NEEDS_RESET,
 * a config change notification, and no queue is touched again until reset. Logged, rate limited. r
 * is a negative errno, `what` a word or two. Worker, or vCPU thread while inactive. */
void virtio_fail(struct virtio_device *dev, int r, const char *what);

static inline bool virtio_has(const struct virtio_device *dev, unsigned feature_bit)
{
    return (dev->driver_features >> feature_bit & 1) != 0;
}
