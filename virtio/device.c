/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A device's creation and end, and its news to the driver, see device.h. What the driver sets up is
 * in status.c, who does the work in worker.c, the rings are queue.c.
 */
#include "virtio/events.h"
#include "virtio/transport.h"
#include "virtio/worker.h"

#include <linux/virtio_config.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

/* -- news -- */

static void nobody_queue_news(struct virtio_transport *transport, const struct virtq *vq)
{
    (void)transport;
    (void)vq;
}

static void nobody_news(struct virtio_transport *transport)
{
    (void)transport;
}

/* Before there is one, and once it is gone. */
static const struct virtio_transport_ops nobody_ops = {
    .queue_news = nobody_queue_news, .config_news = nobody_news, .reset = nobody_news};
static struct virtio_transport nobody = {.ops = &nobody_ops};

void virtio_connect(struct virtio_device *dev, struct virtio_transport *transport)
{
    dev->transport = transport;
}

void virtio_signal(struct virtio_device *dev, struct virtq *vq)
{
    if (!virtq_should_signal(vq))
        return;
    note(dev, EVENT_INTERRUPT, vq->index, 0, 0);
    dev->transport->ops->queue_news(dev->transport, vq);
}

static void config_news(struct virtio_device *dev)
{
    note(dev, EVENT_CONFIG_NEWS, 0, 0, 0);
    dev->transport->ops->config_news(dev->transport);
}

static void tell_calls(struct virtio_device *dev, const struct virtq *vq, int fd)
{
    if (dev->transport->ops->queue_calls != NULL)
        dev->transport->ops->queue_calls(dev->transport, vq, fd);
}

int virtio_call_add(struct virtio_device *dev, struct virtq *vq, struct watch *call)
{
    int r = loop_add(&dev->worker[vq->index % dev->worker_count].loop, call, EPOLLIN | EPOLLET);

    if (r == 0)
        tell_calls(dev, vq, call->fd);
    return r;
}

void virtio_call_remove(struct virtio_device *dev, struct virtq *vq, struct watch *call)
{
    if (call->loop == NULL)
        return;
    tell_calls(dev, vq, -1);
    loop_remove(call);
}

void virtio_call(struct virtio_device *dev, const struct virtq *vq)
{
    dev->transport->ops->queue_news(dev->transport, vq);
}

void virtio_fail(struct virtio_device *dev, int r, const char *what)
{
    uint32_t old = atomic_fetch_or(&dev->status, VIRTIO_CONFIG_S_NEEDS_RESET);

    for (unsigned i = 0; i < dev->queue_count; i++)
        virtq_kill(&dev->queue[i]);
    if ((old & VIRTIO_CONFIG_S_NEEDS_RESET) != 0)
        return;
    log_guest(&dev->log_limit, "%s: needs a reset: %s: %s", dev->name, what, strerror(-r));
    note_data(dev, EVENT_FAIL, (uint32_t)-r, 0, what, strlen(what));
    if ((old & VIRTIO_CONFIG_S_DRIVER_OK) != 0)
        config_news(dev);
}

static void config_change(struct virtio_device *dev, size_t off, const void *buf, size_t len,
                          bool news)
{
    assert(off <= dev->config_size && len <= dev->config_size - off);
    virtio_lock(dev);
    memcpy(dev->config + off, buf, len);
    dev->config_generation++;
    /* Locked: a reset is either before, or forgets this. */
    if (news && atomic_load(&dev->status) != 0)
        config_news(dev);
    virtio_unlock(dev);
}

void virtio_config_set(struct virtio_device *dev, size_t off, const void *buf, size_t len)
{
    config_change(dev, off, buf, len, true);
}

void virtio_config_take(struct virtio_device *dev, size_t off, const void *buf, size_t len)
{
    config_change(dev, off, buf, len, false);
}

int virtio_refuse(FILE *reply, int r, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    (void)vfprintf(reply, fmt, args);
    va_end(args);
    return r;
}

/* -- asked for by main -- */

static void ask_and_wait(struct virtio_device *dev, enum virtio_request request)
{
    virtio_lock(dev);
    virtio_settle(dev);
    workers_ask(dev, request);
    virtio_settle(dev);
    virtio_unlock(dev);
}

void virtio_pause(struct virtio_device *dev)
{
    assert(!dev->paused);
    ask_and_wait(dev, VIRTIO_REQUEST_PAUSE);
}

void virtio_resume(struct virtio_device *dev, uint64_t paused_ns)
{
    assert(dev->paused);
    dev->paused_ns = paused_ns; /* read when asked for only */
    ask_and_wait(dev, VIRTIO_REQUEST_RESUME);
}

void virtio_report(struct virtio_device *dev)
{
    virtio_lock(dev);
    dev->report_wanted = true;
    workers_wake(dev);
    virtio_unlock(dev);
}

void virtio_command(struct virtio_device *dev, struct virtio_command *command)
{
    command->next = NULL;
    virtio_lock(dev);
    *dev->commands_end = command;
    dev->commands_end = &command->next;
    workers_wake(dev);
    virtio_unlock(dev);
}

/* -- creation and end -- */

static int queues_init(struct virtio_device *dev)
{
    int r = 0;

    dev->queue = calloc(dev->queue_count, sizeof(dev->queue[0]));
    if (dev->queue == NULL)
        return -ENOMEM;
    for (uint16_t i = 0; i < dev->queue_count && r == 0; i++)
        r = virtq_init(&dev->queue[i], dev->mem, i, &dev->limits);
    return r;
}

static void destroy(struct virtio_device *dev)
{
    if (dev->class->destroy != NULL)
        dev->class->destroy(dev);
    virtio_events_forget(dev);
    for (unsigned i = 0; dev->queue != NULL && i < dev->queue_count; i++)
        virtq_fini(&dev->queue[i]);
    free(dev->queue);
    workers_fini(dev);
    (void)pthread_cond_destroy(&dev->changed);
    (void)pthread_mutex_destroy(&dev->lock);
    free((uint8_t *)dev - dev->class->instance_offset);
}

/* The class first: it knows how many queues and workers this instance has. */
static int make(struct virtio_device *dev, const struct opts *const opts[], unsigned count)
{
    int r = dev->class->create == NULL ? 0 : dev->class->create(dev, opts[0]);

    for (unsigned i = 1; i < count && r == 0; i++)
        r = dev->class->add(dev, opts[i]);
    if (r < 0)
        return r;
    assert(dev->worker_count > 0 && dev->queue_count > 0);
    r = queues_init(dev);
    if (r == 0)
        r = workers_init(dev);
    return r < 0 ? log_error(r, "%s: queues", dev->name) : 0;
}

int virtio_create(const struct virtio_class *class, unsigned index, const struct memory *mem,
                  const struct opts *const opts[], unsigned count, struct virtio_device **ret_dev)
{
    assert(class->instance_offset + sizeof(struct virtio_device) <= class->instance_size);

    uint8_t *instance = calloc(1, class->instance_size);
    if (instance == NULL)
        return log_error(-ENOMEM, "%s%u", class->name, index);
    struct virtio_device *dev = (void *)(instance + class->instance_offset);
    dev->class = class;
    dev->index = index;
    dev->mem = mem;
    dev->id = class->id;
    dev->features = class->features | VIRTIO_CORE_FEATURES;
    if (class->lends_queues)
        dev->features &= ~(1ull << VIRTIO_F_RING_RESET); /* see worker.c */
    dev->limits = class->limits;
    dev->queue_count = class->queue_count;
    dev->worker_count = 1;
    dev->transport = &nobody;
    dev->commands_end = &dev->commands;
    (void)pthread_mutex_init(&dev->lock, NULL); /* default kinds: cannot fail */
    (void)pthread_cond_init(&dev->changed, NULL);
    (void)snprintf(dev->name, sizeof(dev->name), "%s%u", class->name, index);
    int r = make(dev, opts, count);
    if (r < 0)
        destroy(dev);
    else
        *ret_dev = dev;
    return r;
}

int virtio_start(struct virtio_device *dev)
{
    int r = dev->class->start != NULL ? dev->class->start(dev) : 0;

    if (r < 0)
        return r;
    r = workers_start(dev);
    return r < 0 ? log_error(r, "%s: threads", dev->name) : 0;
}

/* Leaves an idle device that has no threads. */
static void end(struct virtio_device *dev)
{
    virtio_lock(dev);
    virtio_settle(dev);
    virtio_status_write(dev, 0);
    virtio_settle(dev);
    virtio_unlock(dev);
    workers_stop(dev);
}

int virtio_finish(struct virtio_device *dev)
{
    end(dev);
    return dev->class->finish == NULL ? 0 : dev->class->finish(dev);
}

void virtio_destroy(struct virtio_device *dev)
{
    if (dev == NULL)
        return;
    end(dev);
    destroy(dev);
}
