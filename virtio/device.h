/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a virtio device is (virtio 1.2 §2): a class (the model, const), an instance, its queues, and
 * a life. This is all that a device model needs; what stands between it and a guest is in
 * virtio/transport.h.
 *
 *                          DRIVER_OK                      virtio_pause()
 *   create()               activate()                     pause()
 *   --------> [ idle ] ----------------> [ active ] ----------------> [ paused ]
 *               ^  ^                    notify(), own                    |
 *               |  |     reset()        watches | ^       resume()       |
 *               |  '----------------------------+ '----------------------'
 *               |     Status 0, FAILED          |         virtio_resume()
 *               |                               | virtio_fail()
 *               |        reset()                v
 *               '------------------------ [ needs reset ]
 *                        Status 0         queues are dead
 *
 * The VM ends: reset() unless idle, then finish(), destroy().
 *
 * Threads. Main makes a device's workers before the guest runs and joins them after. Each runs a
 * loop for its queues and waits there while it has none. What is asked for is left with the first
 * worker, which has the others stand still meanwhile (virtio/worker.c):
 *
 *   vCPU            main             first worker                 other workers
 *    | register      | command        | loop: its queues           | loop: their queues
 *    |               |                |                            |
 *    +-- asks -------+-- asks ------->|                            |
 *    : waits         | (pause: waits) +-- stand still ------------>|
 *    :               |                | activate(), command() ...  :
 *    |<------------- done ------------+-- go on ------------------>|
 *    |               |                |                            |
 *
 *   callback                                        thread            who runs beside it
 *   create, start, finish, results, destroy         main              nobody: no queue is served
 *   notify; `ready` of watches in a worker's loop   that worker       the same of other workers
 *   activate, reset, queue_reset, pause, resume,    the first worker  nobody
 *   config_write, report, command
 *
 * So a device with one worker, which is what most want, needs no lock and no atomic at all. With
 * several, what notify() shares between queues of different workers needs one; the other callbacks
 * may touch anything, other workers' loops, too.
 *
 * While the guest runs, callbacks allocate nothing, open nothing and wait for nobody but a plain
 * file: what they need is made by create().
 */
#pragma once

#include "virtio/queue.h"
#include "vmm/base/log.h"
#include "vmm/base/loop.h"
#include "vmm/base/results.h"
#include "vmm/base/thread.h"
#include "vmm/config/opts.h"

#include <linux/virtio_ids.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

/* Core and transport features (§6), offered for every device: VERSION_1, INDIRECT_DESC, EVENT_IDX,
 * RING_PACKED and RING_RESET. */
#define VIRTIO_CORE_FEATURES (1ull << 32 | 1ull << 28 | 1ull << 29 | 1ull << 34 | 1ull << 40)

struct events;
struct virtio_device;
struct virtio_transport;

/* A model. NULL callbacks mean nothing to do. */
struct virtio_class {
    const char *name;     /* option name and log prefix */
    const char *help;     /* one line for --help */
    uint32_t id;          /* device type, virtio 1.2 §5; create may change dev->id */
    uint64_t features;    /* offered beyond VIRTIO_CORE_FEATURES; create may change dev->features.
                           * IN_ORDER: requests of a queue are always used as they came */
    uint16_t queue_count; /* create may change dev->queue_count */
    struct virtq_limits limits; /* of each queue; create may change dev->limits */
    bool lends_queues;          /* another process serves them: virtq_lend(), and no notify() */
    uint64_t fill_queues; /* bit q: the driver keeps buffers there, which fill up in their order */
    size_t instance_size; /* of the struct that embeds struct virtio_device, */
    size_t instance_offset; /* offsetof(that struct, dev) */
    const struct opt *opts; /* ends with {0}; drives parsing and --help */

    /* Opens host resources, sets dev->config, and dev->worker_count if it is to be more than one:
     * queue q is served by worker q modulo worker_count. -errno after saying what is wrong. */
    int (*create)(struct virtio_device *dev, const struct opts *opts);
    /* Most classes have none: each option makes an instance. Else create() takes the first option,
     * and this each further one, of up to opts_max in all: one instance has them all. */
    int (*add)(struct virtio_device *dev, const struct opts *opts);
    unsigned opts_max;
    /* Also after a failed create. */
    void (*destroy)(struct virtio_device *dev);
    /* Starts threads beside the workers'. All devices are made by then: what create() forks is not
     * the child of a process with threads. -errno after a line. */
    int (*start)(struct virtio_device *dev);

    /* The driver is ready: features are final, queues are started. May add watches. */
    int (*activate)(struct virtio_device *dev);
    /* Queues are still started: removes watches, forgets requests; none of their memory is touched
     * once it returns. Also after an activation that failed, perhaps before activate(). */
    void (*reset)(struct virtio_device *dev);
    /* One queue is to stop while the others go on: as reset(), for its requests alone, but those
     * that are soon done may also be answered. NULL: notify() keeps none. The queue may start
     * again, perhaps with another size and in other memory; notify() follows. */
    void (*queue_reset)(struct virtio_device *dev, struct virtq *vq);
    /* The driver kicked this queue, or it is the first look after it was started. */
    void (*notify)(struct virtio_device *dev, struct virtq *vq);

    /* Guest time stands still: until resume() no watch is served and no queue looked at. To do:
     * what goes on by itself outside stops, and nothing is forgotten. */
    void (*pause)(struct virtio_device *dev);
    /* It stood still for that long: what was due then is due so much later. Does not come if
     * reset() came. */
    void (*resume)(struct virtio_device *dev, uint64_t paused_ns);

    /* The driver wrote [off, off + len) of config space, inside dev->config; NULL: it is read only.
     * Takes it over by virtio_config_take(), or not. */
    void (*config_write)(struct virtio_device *dev, size_t off, const void *buf, size_t len);
    /* On SIGUSR1, while active: tells what there is to tell, one line a thing. */
    void (*report)(struct virtio_device *dev);
    /* Does what somebody outside the guest asks for, in words (at least one, then NULL), and writes
     * what there is to tell into `reply`; also while idle or paused. On failure -errno, and in
     * `reply` one line that says why: virtio_refuse(). */
    int (*command)(struct virtio_device *dev, const char *const words[], FILE *reply);
    /* The guest will see dev->window from guest address `base` on. Main, before it runs. */
    void (*placed)(struct virtio_device *dev, gpa_t base);
    /* The VM ended: closes recordings, judges expectations. 0, or -EPROTO if an expectation failed
     * (said in a line), or -errno. */
    int (*finish)(struct virtio_device *dev);
    /* Says what programs want to know (vmm/base/results.h): when all devices are made, and again
     * when the VM has ended, after finish(), each time all of it. */
    void (*results)(struct virtio_device *dev, struct results *results);
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

/* What may be asked of the first worker, one at a time. */
enum virtio_request {
    VIRTIO_REQUEST_NONE,
    VIRTIO_REQUEST_ACTIVATE,
    VIRTIO_REQUEST_QUIESCE, /* the driver gave up */
    VIRTIO_REQUEST_RESET,
    VIRTIO_REQUEST_QUEUE_START,
    VIRTIO_REQUEST_QUEUE_STOP,
    VIRTIO_REQUEST_QUEUE_RESET, /* the same, and its set-up is forgotten */
    VIRTIO_REQUEST_CONFIG_WRITE,
    VIRTIO_REQUEST_PAUSE,
    VIRTIO_REQUEST_RESUME,
};

/* Serves the queues of a group. */
struct virtio_worker {
    struct virtio_device *dev;
    struct loop loop; /* watches that activate() adds may be in any worker's */
    struct thread thread;
    struct watch mail; /* owned eventfd: somebody wants something */
};

struct virtio_device {
    /* fixed after create */
    const struct virtio_class *class;
    char name[16];  /* "snd0": log prefix and thread name */
    unsigned index; /* among the instances of its class */
    const struct memory *mem;
    uint32_t id;
    struct virtq_limits limits;
    uint64_t features; /* offered */
    uint16_t queue_count, worker_count;
    struct virtq *queue;          /* array, owned */
    struct virtio_worker *worker; /* array, owned */
    struct virtio_transport *transport;
    struct events *events; /* borrowed; NULL: nobody wants to know. virtio/events.h */
    uint8_t events_number; /* what it is called there */

    bool in_kernel; /* the host's kernel serves queues of it, which needs a machine of our own.
                       create sets it, or leaves it */

    /* memory of this host that the guest sees beside its RAM, and may only read: create sets it, or
     * leaves it zeroed */
    const void *window;
    uint64_t window_size; /* a multiple of 2 MiB */

    pthread_mutex_t lock; /* for what follows; no callback is called with it held */
    pthread_cond_t changed;
    uint8_t *config; /* device config space, lent by the instance; NULL if none */
    size_t config_size;
    uint32_t config_generation;
    uint64_t features_written; /* by the driver so far */
    bool features_odd;         /* it wrote bits from 64 on, none of which is ever offered */
    uint64_t driver_features;  /* accepted; final once FEATURES_OK is set */
    _Atomic uint32_t status;   /* §2.1; NEEDS_RESET is set without the lock */
    bool active;               /* the workers own the queues */
    bool paused;
    bool halted;    /* by pause(), which resume() is to end: it was active, and no reset() came */
    bool started;   /* the workers' threads run; else whoever asks for something does it */
    bool exclusive; /* the first worker wants the others to stand still */
    unsigned standing;           /* how many do */
    enum virtio_request request; /* NONE: done, or nothing asked */
    uint16_t request_queue;      /* of QUEUE_* */
    uint64_t paused_ns;          /* of RESUME */
    size_t write_off, write_len; /* of CONFIG_WRITE */
    uint8_t write_bytes[8];
    bool report_wanted;
    struct virtio_command *commands, **commands_end; /* oldest first */

    struct log_limit log_limit; /* for messages that the guest provokes; any thread */
};

/* -- main -- */

/* Makes an instance from its options, of which only a class with add() takes more than one:
 * allocates, calls class->create, makes queues and workers, but no thread yet. On failure nothing
 * is left. `opts` are borrowed for the call. */
int virtio_create(const struct virtio_class *class, unsigned index, const struct memory *mem,
                  const struct opts *const opts[], unsigned count, struct virtio_device **ret_dev);
/* Starts the workers' threads: before vCPUs run. Without it, or after virtio_finish(), what is
 * asked of the device is done by the thread that asks. Logged. */
int virtio_start(struct virtio_device *dev);
/* vCPUs stand still: nothing happens in the device from now until it is resumed, but commands. */
void virtio_pause(struct virtio_device *dev);
/* The guest's clocks stood still for that long. */
void virtio_resume(struct virtio_device *dev, uint64_t paused_ns);
/* vCPUs are gone: resets the device, also if it is paused, joins the workers, then
 * class->finish(). */
int virtio_finish(struct virtio_device *dev);
/* The same without class->finish(), then destroys. Accepts NULL. */
void virtio_destroy(struct virtio_device *dev);

/* Any thread but the device's: has class->report() called soon. */
void virtio_report(struct virtio_device *dev);
/* Any thread but the device's: has the device do it soon, see struct virtio_command. Borrowed until
 * done. None is left when virtio_finish() or virtio_destroy() returns. */
void virtio_command(struct virtio_device *dev, struct virtio_command *command);

/* -- the device model -- */

/* Where activate() adds the watches of a device with one worker. */
static inline struct loop *virtio_loop(struct virtio_device *dev)
{
    return &dev->worker[0].loop;
}

static inline bool virtio_has(const struct virtio_device *dev, unsigned feature_bit)
{
    return (dev->driver_features >> feature_bit & 1) != 0;
}

/* Sends the used buffer notification (§2.7.7) if the driver wants one. The queue's worker. */
void virtio_signal(struct virtio_device *dev, struct virtq *vq);

/* For command(): writes that line into the reply, and returns r, which is a negative errno. */
int virtio_refuse(FILE *reply, int r, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Whoever a queue is lent to tells by the eventfd call->fd that it has used a request of it: its
 * worker watches that, and `ready` is to call virtio_call(), which tells the driver. Nobody reads
 * the eventfd. Where the transport has the means the driver is told without it (KVM takes the
 * events, and mostly nobody wakes up). Its worker; virtio_call_remove() accepts one not added. */
int virtio_call_add(struct virtio_device *dev, struct virtq *vq, struct watch *call);
void virtio_call_remove(struct virtio_device *dev, struct virtq *vq, struct watch *call);
void virtio_call(struct virtio_device *dev, const struct virtq *vq);

/* Changes config space and, unless no driver has begun to look at the device, tells it (§2.5,
 * config change notification). Any thread. */
void virtio_config_set(struct virtio_device *dev, size_t off, const void *buf, size_t len);
/* The same for what the driver wrote itself: no news to it. */
void virtio_config_take(struct virtio_device *dev, size_t off, const void *buf, size_t len);

/* The driver broke the rules beyond repair, or nothing honest can be answered: DEVICE_NEEDS_RESET,
 * a config change notification, and no queue is touched again until reset. Logged, rate limited. r
 * is a negative errno, `what` a word or two. Any worker. */
void virtio_fail(struct virtio_device *dev, int r, const char *what);

/* True once the device failed: start nothing new. Any worker. */
static inline bool virtio_failed(const struct virtio_device *dev)
{
    return (atomic_load_explicit(&dev->status, memory_order_relaxed) & 64) != 0;
}
