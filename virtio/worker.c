/* SPDX-License-Identifier: BSD-3-Clause */
/* See worker.h. */
#include "virtio/worker.h"

#include "virtio/events.h"
#include "virtio/transport.h"

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

void virtio_lock(struct virtio_device *dev)
{
    (void)pthread_mutex_lock(&dev->lock); /* default kind: none of these can fail */
}

void virtio_unlock(struct virtio_device *dev)
{
    (void)pthread_mutex_unlock(&dev->lock);
}

static void wait_change(struct virtio_device *dev)
{
    (void)pthread_cond_wait(&dev->changed, &dev->lock);
}

static void tell_change(struct virtio_device *dev)
{
    (void)pthread_cond_broadcast(&dev->changed);
}

/* -- queues -- */

void virtio_queue_serve(struct virtio_device *dev, struct virtq *vq)
{
    if (virtio_failed(dev))
        return;
    uint64_t began_ns = dev->events != NULL ? events_now() : 0;
    virtq_round(vq);
    if (dev->class->notify != NULL)
        dev->class->notify(dev, vq);
    if (dev->events != NULL)
        queue_event_kick(dev, vq, began_ns);
}

static void kick_ready(struct watch *watch, uint32_t epoll_events)
{
    (void)epoll_events;
    virtio_queue_serve(container_of(watch->loop, struct virtio_worker, loop)->dev,
                       container_of(watch, struct virtq, kick));
}

static int queues_start(struct virtio_device *dev)
{
    int r = 0;

    for (unsigned i = 0; i < dev->queue_count && r == 0; i++)
        if (dev->queue[i].config.ready)
            r = (dev->class->lends_queues ? virtq_lend : virtq_start)(&dev->queue[i],
                                                                      dev->driver_features);
    return r;
}

/*
 * It is kicked once: buffers may be waiting in it since before it was started. Each kick is an edge
 * of its own, so that nobody has to read the eventfd: how many there were is of no interest.
 */
static int queue_watch(struct virtio_device *dev, struct virtq *vq)
{
    struct loop *loop = &dev->worker[vq->index % dev->worker_count].loop;

    vq->kick.ready = kick_ready;
    virtq_kick(vq);
    return loop_add(loop, &vq->kick, EPOLLIN | EPOLLET);
}

static int queues_watch(struct virtio_device *dev)
{
    int r = 0;

    for (unsigned i = 0; i < dev->queue_count && r == 0; i++)
        if (dev->queue[i].running && !dev->queue[i].lent)
            r = queue_watch(dev, &dev->queue[i]);
    return r;
}

/* -- what the first worker is asked for -- */

static void quiesce(struct virtio_device *dev)
{
    if (!dev->active)
        return;
    if (dev->class->reset != NULL)
        dev->class->reset(dev);
    for (unsigned i = 0; i < dev->queue_count; i++) {
        loop_remove(&dev->queue[i].kick);
        virtq_stop(&dev->queue[i]);
    }
    dev->active = dev->halted = false;
}

/* What is served elsewhere starts and stops as a whole. */
static bool refuse_lent(struct virtio_device *dev)
{
    bool lends = dev->class->lends_queues;

    for (unsigned i = 0; i < dev->queue_count; i++)
        lends |= dev->queue[i].lent && dev->queue[i].running;
    if (!lends)
        return false;
    quiesce(dev);
    virtio_fail(dev, -EOPNOTSUPP, "one of its queues started or stopped");
    return true;
}

/* What the driver set up wrongly is the end until a reset, as it is for all queues at DRIVER_OK. */
static void queue_start(struct virtio_device *dev, struct virtq *vq)
{
    if (virtio_failed(dev) || refuse_lent(dev))
        return;
    int r = virtq_start(vq, dev->driver_features);
    if (r == 0)
        r = queue_watch(dev, vq);
    if (r < 0)
        virtio_fail(dev, r, "queue set-up");
}

static void queue_stop(struct virtio_device *dev, struct virtq *vq)
{
    if (!vq->running || refuse_lent(dev))
        return;
    if (dev->class->queue_reset != NULL)
        dev->class->queue_reset(dev, vq);
    loop_remove(&vq->kick);
    virtq_stop(vq);
}

static void activate(struct virtio_device *dev)
{
    const char *what = "queue set-up";
    int r = queues_start(dev);

    dev->active = true;
    if (r == 0 && dev->class->activate != NULL) {
        what = "activation";
        r = dev->class->activate(dev);
    }
    if (r == 0) {
        what = "events of queues";
        r = queues_watch(dev);
    }
    note(dev, EVENT_ACTIVE, 0, (uint32_t)-r, 0);
    if (r < 0) {
        quiesce(dev);
        virtio_fail(dev, r, what);
    }
}

static void request_serve(struct virtio_device *dev)
{
    const struct virtio_class *class = dev->class;
    struct virtq *vq = &dev->queue[dev->request_queue];

    switch (dev->request) {
    case VIRTIO_REQUEST_ACTIVATE:
        activate(dev);
        break;
    case VIRTIO_REQUEST_QUIESCE:
    case VIRTIO_REQUEST_RESET:
        quiesce(dev);
        break;
    case VIRTIO_REQUEST_QUEUE_START:
        queue_start(dev, vq);
        break;
    case VIRTIO_REQUEST_QUEUE_STOP:
    case VIRTIO_REQUEST_QUEUE_RESET:
        queue_stop(dev, vq);
        break;
    case VIRTIO_REQUEST_CONFIG_WRITE:
        class->config_write(dev, dev->write_off, dev->write_bytes, dev->write_len);
        break;
    case VIRTIO_REQUEST_PAUSE:
        dev->halted = dev->active;
        if (dev->halted && class->pause != NULL)
            class->pause(dev);
        break;
    case VIRTIO_REQUEST_RESUME:
        if (dev->halted && class->resume != NULL)
            class->resume(dev, dev->paused_ns);
        break;
    case VIRTIO_REQUEST_NONE:
        break;
    }
}

/* Locked again: the request is done. */
static void request_finish(struct virtio_device *dev)
{
    struct virtq_config *config = &dev->queue[dev->request_queue].config;

    if (dev->request == VIRTIO_REQUEST_RESET)
        status_reset(dev);
    if (dev->request == VIRTIO_REQUEST_QUEUE_STOP)
        config->ready = false;
    if (dev->request == VIRTIO_REQUEST_QUEUE_RESET)
        *config = (struct virtq_config){0};
    if (dev->request == VIRTIO_REQUEST_PAUSE || dev->request == VIRTIO_REQUEST_RESUME)
        dev->paused = dev->request == VIRTIO_REQUEST_PAUSE;
    dev->request = VIRTIO_REQUEST_NONE;
    tell_change(dev);
}

static void command_serve(struct virtio_device *dev, struct virtio_command *command)
{
    if (dev->class->command != NULL) {
        command->result = dev->class->command(dev, command->words, command->reply);
    } else {
        (void)fprintf(command->reply, "%s takes no commands", dev->name);
        command->result = -ENOTSUP;
    }
    command->done(command); /* it is gone */
}

static struct virtio_command *command_take(struct virtio_device *dev)
{
    struct virtio_command *command = dev->commands;

    dev->commands = command->next;
    if (dev->commands == NULL)
        dev->commands_end = &dev->commands;
    return command;
}

/* Locked, but not while it calls the class. One thing that was asked for; false: there is none. */
static bool serve_one(struct virtio_device *dev)
{
    if (dev->commands != NULL) {
        struct virtio_command *command = command_take(dev);
        virtio_unlock(dev);
        command_serve(dev, command);
        virtio_lock(dev);
    } else if (dev->report_wanted) {
        dev->report_wanted = false;
        virtio_unlock(dev);
        if (dev->active && dev->class->report != NULL)
            dev->class->report(dev);
        virtio_lock(dev);
    } else if (dev->request != VIRTIO_REQUEST_NONE) {
        virtio_unlock(dev);
        request_serve(dev);
        virtio_lock(dev);
        request_finish(dev);
    } else {
        return false;
    }
    return true;
}

/* -- standing still -- */

/* The first worker, locked. Returns when the others are in others_stand(). */
static void others_stop(struct virtio_device *dev)
{
    dev->exclusive = true;
    for (unsigned i = 1; i < dev->worker_count; i++)
        (void)eventfd_write(dev->worker[i].mail.fd, 1); /* EAGAIN: it will look anyway */
    while (dev->standing < dev->worker_count - 1u)
        wait_change(dev);
}

static void others_go(struct virtio_device *dev)
{
    dev->exclusive = false;
    tell_change(dev);
}

static void others_stand(struct virtio_device *dev)
{
    virtio_lock(dev);
    dev->standing++;
    tell_change(dev);
    while (dev->exclusive)
        wait_change(dev);
    dev->standing--;
    virtio_unlock(dev);
}

static void serve(struct virtio_device *dev)
{
    virtio_lock(dev);
    others_stop(dev);
    for (;;) {
        if (serve_one(dev))
            continue;
        if (!dev->paused)
            break;
        wait_change(dev);
    }
    others_go(dev);
    virtio_unlock(dev);
}

static void mail_ready(struct watch *watch, uint32_t epoll_events)
{
    struct virtio_worker *worker = container_of(watch, struct virtio_worker, mail);
    eventfd_t count;

    (void)epoll_events;
    (void)eventfd_read(watch->fd, &count);
    if (worker == worker->dev->worker)
        serve(worker->dev);
    else
        others_stand(worker->dev);
}

void workers_wake(struct virtio_device *dev)
{
    if (!dev->started) {
        while (serve_one(dev))
            continue;
        return;
    }
    (void)eventfd_write(dev->worker[0].mail.fd, 1); /* EAGAIN: it will look anyway */
    tell_change(dev);                               /* it may be waiting in a pause */
}

void workers_ask(struct virtio_device *dev, enum virtio_request request)
{
    assert(dev->request == VIRTIO_REQUEST_NONE);
    dev->request = request;
    workers_wake(dev);
}

void virtio_settle(struct virtio_device *dev)
{
    while (dev->request != VIRTIO_REQUEST_NONE)
        wait_change(dev);
}

/* -- life -- */

static void worker_main(void *arg)
{
    struct virtio_worker *worker = arg;
    int r = loop_run(&worker->loop);

    if (r < 0)
        (void)log_error(r, "%s: event loop", worker->thread.name);
}

int workers_init(struct virtio_device *dev)
{
    int r = 0;

    dev->worker = calloc(dev->worker_count, sizeof(dev->worker[0]));
    if (dev->worker == NULL)
        return -ENOMEM;
    for (unsigned i = 0; i < dev->worker_count; i++)
        dev->worker[i] = (struct virtio_worker){.dev = dev,
                                                .loop = {.epoll_fd = -1, .stop.fd = -1},
                                                .mail = {.fd = -1, .ready = mail_ready}};
    for (unsigned i = 0; i < dev->worker_count && r == 0; i++) {
        struct virtio_worker *worker = &dev->worker[i];
        worker->mail.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (worker->mail.fd < 0)
            return -errno;
        r = loop_init(&worker->loop);
        if (r == 0)
            r = loop_add(&worker->loop, &worker->mail, EPOLLIN);
    }
    return r;
}

void workers_fini(struct virtio_device *dev)
{
    for (unsigned i = 0; dev->worker != NULL && i < dev->worker_count; i++) {
        loop_fini(&dev->worker[i].loop);
        fd_close(&dev->worker[i].mail.fd);
    }
    free(dev->worker);
    dev->worker = NULL;
}

/* The first one first: it may be waiting for the others to stand still. */
static void threads_join(struct virtio_device *dev)
{
    for (unsigned i = 0; i < dev->worker_count; i++) {
        if (thread_running(&dev->worker[i].thread))
            loop_stop(&dev->worker[i].loop);
        thread_join(&dev->worker[i].thread);
    }
}

int workers_start(struct virtio_device *dev)
{
    char name[sizeof(dev->name) + 4];
    int r = 0;

    for (unsigned i = 0; i < dev->worker_count && r == 0; i++) {
        (void)snprintf(name, sizeof(name), i == 0 ? "%s" : "%s.%u", dev->name, i);
        r = thread_start(&dev->worker[i].thread, THREAD_WORKER, name, worker_main, &dev->worker[i]);
    }
    if (r < 0)
        threads_join(dev);
    dev->started = r == 0; /* no lock: nobody knows of the device yet */
    return r;
}

void workers_stop(struct virtio_device *dev)
{
    if (!dev->started)
        return;
    virtio_lock(dev);
    dev->paused = false;
    tell_change(dev);
    virtio_unlock(dev);
    threads_join(dev);
    virtio_lock(dev);
    dev->started = false;
    workers_wake(dev); /* what they did not come to */
    virtio_unlock(dev);
}
