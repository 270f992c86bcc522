/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The life of a virtio device, see device.h (virtio 1.2 §2.1 to §2.5, §3). The transport in front
 * of it is mmio.c; the rings are queue.c.
 *
 * Does not know suspend, shared memory regions, or features that need one another: no class offers
 * such.
 */
#include "virtio/device.h"

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#define ISR_USED   1u
#define ISR_CONFIG 2u

/* The bit is set before the line is pulsed; mmio.h says why no event is lost. */
static void notify_driver(struct virtio_device *dev, uint32_t isr_bit)
{
    (void)atomic_fetch_or(&dev->isr, isr_bit);
    irq_raise(&dev->irq);
}

/* -- the worker -- */

static void kick_ready(struct watch *watch, uint32_t epoll_events)
{
    struct worker *worker = container_of(watch->loop, struct worker, loop);
    struct virtio_device *dev = container_of(worker, struct virtio_device, worker);
    struct virtq *vq = &dev->queue[watch - dev->kick];
    eventfd_t count;

    (void)epoll_events;
    (void)eventfd_read(watch->fd, &count); /* how many kicks is of no interest */
    if (virtio_failed(dev))
        return;
    virtq_round(vq);
    if (dev->class->notify != NULL)
        dev->class->notify(dev, vq);
}

static void report_ready(struct watch *watch, uint32_t epoll_events)
{
    struct virtio_device *dev = container_of(watch, struct virtio_device, report_watch);
    eventfd_t count;

    (void)epoll_events;
    (void)eventfd_read(watch->fd, &count);
    if (dev->class->report != NULL)
        dev->class->report(dev);
}

/* -- commands from outside the guest -- */

static void command_serve(struct virtio_device *dev, struct virtio_command *command)
{
    if (dev->class->command != NULL) {
        command->result = dev->class->command(dev, command->words, command->reply);
    } else {
        (void)fprintf(command->reply, "%s takes no commands", dev->name);
        command->result = -ENOTSUP;
    }
    command->done(command);
}

static struct virtio_command *mail_take(struct virtio_device *dev)
{
    struct virtio_command *list = dev->mail;

    dev->mail = NULL;
    dev->mail_end = &dev->mail;
    return list;
}

static void mail_serve(struct virtio_device *dev, struct virtio_command *list)
{
    while (list != NULL) {
        struct virtio_command *command = list;
        list = command->next; /* it is gone when it is done */
        command_serve(dev, command);
    }
}

static void mail_ready(struct watch *watch, uint32_t epoll_events)
{
    struct virtio_device *dev = container_of(watch, struct virtio_device, mail_watch);
    eventfd_t count;

    (void)epoll_events;
    (void)eventfd_read(watch->fd, &count);
    (void)pthread_mutex_lock(&dev->mail_lock);
    struct virtio_command *list = mail_take(dev);
    (void)pthread_mutex_unlock(&dev->mail_lock);
    mail_serve(dev, list);
}

void virtio_command(struct virtio_device *dev, struct virtio_command *command)
{
    command->next = NULL;
    (void)pthread_mutex_lock(&dev->mail_lock);
    if (dev->mail_open) {
        *dev->mail_end = command;
        dev->mail_end = &command->next;
        (void)eventfd_write(dev->mail_watch.fd, 1);
    } else {
        command_serve(dev, command); /* in the lock: nobody activates the device meanwhile */
    }
    (void)pthread_mutex_unlock(&dev->mail_lock);
}

/* -- signals to the driver -- */

void virtio_signal(struct virtio_device *dev, struct virtq *vq)
{
    if (virtq_should_signal(vq))
        notify_driver(dev, ISR_USED);
}

void virtio_fail(struct virtio_device *dev, int r, const char *what)
{
    uint32_t old = atomic_fetch_or(&dev->status, VIRTIO_CONFIG_S_NEEDS_RESET);

    for (unsigned i = 0; i < dev->class->queue_count; i++)
        virtq_kill(&dev->queue[i]);
    if ((old & VIRTIO_CONFIG_S_NEEDS_RESET) != 0)
        return;
    log_guest(&dev->log_limit, "%s: needs a reset: %s: %s", dev->name, what, strerror(-r));
    if ((old & VIRTIO_CONFIG_S_DRIVER_OK) != 0)
        notify_driver(dev, ISR_CONFIG);
}

/* -- activation and reset -- */

static int queues_start(struct virtio_device *dev)
{
    for (unsigned i = 0; i < dev->class->queue_count; i++) {
        struct virtq *vq = &dev->queue[i];
        if (!vq->config.ready)
            continue;
        int r = virtq_start(vq, virtio_has(dev, VIRTIO_RING_F_EVENT_IDX),
                            virtio_has(dev, VIRTIO_RING_F_INDIRECT_DESC));
        if (r < 0)
            return r;
    }
    return 0;
}

/* Watches what wakes the worker. Each queue is kicked once: buffers may be waiting in it since
 * before DRIVER_OK. */
static int watches_add(struct virtio_device *dev)
{
    struct loop *loop = &dev->worker.loop;
    int r = loop_add(loop, &dev->report_watch, EPOLLIN);

    if (r == 0)
        r = loop_add(loop, &dev->mail_watch, EPOLLIN);
    for (unsigned i = 0; r == 0 && i < dev->class->queue_count; i++) {
        if (!dev->queue[i].running)
            continue;
        r = loop_add(loop, &dev->kick[i], EPOLLIN);
        virtq_kick(&dev->queue[i]);
    }
    return r;
}

void virtio_activate(struct virtio_device *dev)
{
    const uint32_t hopeless = VIRTIO_CONFIG_S_NEEDS_RESET | VIRTIO_CONFIG_S_FAILED;
    const char *what = "queue set-up";

    if (dev->active || (atomic_load(&dev->status) & hopeless) != 0)
        return;
    (void)pthread_mutex_lock(&dev->mail_lock);
    dev->active = true;
    dev->mail_open = true;
    int r = queues_start(dev);
    if (r == 0 && dev->class->activate != NULL) {
        what = "activation";
        r = dev->class->activate(dev);
    }
    if (r == 0) {
        what = "start of the worker";
        r = watches_add(dev);
    }
    if (r == 0)
        r = worker_start(&dev->worker, dev->name);
    (void)pthread_mutex_unlock(&dev->mail_lock);
    if (r < 0) {
        virtio_quiesce(dev);
        virtio_fail(dev, r, what);
    }
}

void virtio_quiesce(struct virtio_device *dev)
{
    if (!dev->active)
        return;
    worker_stop(&dev->worker);
    (void)pthread_mutex_lock(&dev->mail_lock);
    if (dev->class->reset != NULL)
        dev->class->reset(dev);
    loop_remove(&dev->report_watch);
    loop_remove(&dev->mail_watch);
    for (unsigned i = 0; i < dev->class->queue_count; i++) {
        loop_remove(&dev->kick[i]);
        virtq_stop(&dev->queue[i]);
    }
    dev->active = false;
    dev->mail_open = false;
    mail_serve(dev, mail_take(dev)); /* the worker did not come to these */
    (void)pthread_mutex_unlock(&dev->mail_lock);
}

void virtio_reset(struct virtio_device *dev)
{
    virtio_quiesce(dev);
    dev->driver_features = 0;
    for (unsigned i = 0; i < dev->class->queue_count; i++)
        dev->queue[i].config = (struct virtq_config){0};
    (void)pthread_mutex_lock(&dev->config_lock); /* see virtio_config_set() */
    atomic_store(&dev->status, 0);
    atomic_store(&dev->isr, 0);
    (void)pthread_mutex_unlock(&dev->config_lock);
}

/* -- config space -- */

/* How many of `len` bytes from `off` on are inside config space. */
static size_t config_clip(const struct virtio_device *dev, size_t off, size_t len)
{
    return off < dev->config_size ? MIN(len, dev->config_size - off) : 0;
}

void virtio_config_read(struct virtio_device *dev, size_t off, void *ret_buf, size_t len,
                        uint32_t *ret_generation)
{
    size_t inside = config_clip(dev, off, len);

    if (len > 0)
        memset(ret_buf, 0, len);
    (void)pthread_mutex_lock(&dev->config_lock);
    if (inside > 0)
        memcpy(ret_buf, dev->config + off, inside);
    if (ret_generation != NULL)
        *ret_generation = dev->config_generation;
    (void)pthread_mutex_unlock(&dev->config_lock);
}

void virtio_config_guest_write(struct virtio_device *dev, size_t off, const void *buf, size_t len)
{
    size_t inside = config_clip(dev, off, len);

    if ((atomic_load(&dev->status) & VIRTIO_CONFIG_S_FEATURES_OK) == 0)
        return;
    if (inside > 0 && dev->class->config_write != NULL)
        dev->class->config_write(dev, off, buf, inside);
}

void virtio_config_set(struct virtio_device *dev, size_t off, const void *buf, size_t len)
{
    assert(off <= dev->config_size && len <= dev->config_size - off);
    (void)pthread_mutex_lock(&dev->config_lock);
    memcpy(dev->config + off, buf, len);
    dev->config_generation++;
    /* In the lock: a reset on another thread is either before, or clears this. */
    if (atomic_load(&dev->status) != 0)
        notify_driver(dev, ISR_CONFIG);
    (void)pthread_mutex_unlock(&dev->config_lock);
}

/* -- creation -- */

static int eventfd_open(int *ret_fd)
{
    *ret_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return *ret_fd < 0 ? -errno : 0;
}

/* Everything but what the class makes. On failure core_fini() undoes it. */
static int core_init(struct virtio_device *dev)
{
    const struct virtio_class *class = dev->class;
    int r = irq_init(&dev->irq);

    if (r == 0)
        r = worker_init(&dev->worker);
    if (r == 0)
        r = eventfd_open(&dev->report_watch.fd);
    if (r == 0)
        r = eventfd_open(&dev->mail_watch.fd);
    for (unsigned i = 0; r == 0 && i < class->queue_count; i++) {
        r = eventfd_open(&dev->kick[i].fd);
        dev->queue[i].kick_fd = dev->kick[i].fd;
    }
    return r;
}

/* What core_init() touches, so that it may fail anywhere. */
static void core_clear(struct virtio_device *dev)
{
    const struct virtio_class *class = dev->class;

    (void)pthread_mutex_init(&dev->config_lock, NULL); /* default kind: cannot fail */
    dev->irq.fd = -1;
    dev->worker.loop.epoll_fd = dev->worker.loop.stop.fd = -1;
    dev->report_watch = (struct watch){.fd = -1, .ready = report_ready};
    (void)pthread_mutex_init(&dev->mail_lock, NULL); /* the same */
    dev->mail_watch = (struct watch){.fd = -1, .ready = mail_ready};
    dev->mail_end = &dev->mail;
    for (uint16_t i = 0; i < class->queue_count; i++) {
        dev->kick[i] = (struct watch){.fd = -1, .ready = kick_ready};
        dev->queue[i] = (struct virtq){
            .mem = dev->mem, .index = i, .size_max = class->queue_size, .kick_fd = -1};
    }
}

static void core_fini(struct virtio_device *dev)
{
    worker_fini(&dev->worker);
    fd_close(&dev->report_watch.fd);
    fd_close(&dev->mail_watch.fd);
    for (unsigned i = 0; i < dev->class->queue_count; i++)
        fd_close(&dev->kick[i].fd);
    irq_fini(&dev->irq);
    (void)pthread_mutex_destroy(&dev->config_lock);
    (void)pthread_mutex_destroy(&dev->mail_lock);
    free((uint8_t *)dev - dev->class->instance_offset);
}

int virtio_create(const struct virtio_class *class, unsigned index, const struct memory *mem,
                  const struct opts *opts, struct virtio_device **ret_dev)
{
    assert(class->queue_count <= VIRTIO_QUEUES_MAX && class->queue_size <= VIRTQ_SIZE_MAX);
    assert(class->instance_offset + sizeof(struct virtio_device) <= class->instance_size);

    uint8_t *instance = calloc(1, class->instance_size);
    if (instance == NULL)
        return log_error(-ENOMEM, "%s%u", class->name, index);
    struct virtio_device *dev = (void *)(instance + class->instance_offset);
    dev->class = class;
    dev->index = index;
    dev->mem = mem;
    dev->features = class->features | VIRTIO_CORE_FEATURES;
    (void)snprintf(dev->name, sizeof(dev->name), "%s%u", class->name, index);
    core_clear(dev);
    int r = core_init(dev);
    if (r < 0) {
        core_fini(dev);
        return log_error(r, "%s%u: event descriptors", class->name, index);
    }
    r = class->create == NULL ? 0 : class->create(dev, opts);
    if (r < 0) {
        virtio_destroy(dev);
        return r;
    }
    *ret_dev = dev;
    return 0;
}

void virtio_destroy(struct virtio_device *dev)
{
    if (dev == NULL)
        return;
    virtio_reset(dev);
    if (dev->class->destroy != NULL)
        dev->class->destroy(dev);
    core_fini(dev);
}

int virtio_finish(struct virtio_device *dev)
{
    virtio_reset(dev);
    return dev->class->finish == NULL ? 0 : dev->class->finish(dev);
}

void virtio_report(struct virtio_device *dev)
{
    (void)eventfd_write(dev->report_watch.fd, 1);
}
