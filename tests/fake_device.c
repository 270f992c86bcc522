/* SPDX-License-Identifier: BSD-3-Clause */
/* See fake_device.h. */
#include "tests/fake_device.h"

#include <string.h>

static int echo_create(struct virtio_device *dev, const struct opts *opts)
{
    struct echo *echo = echo_of(dev);

    (void)opts;
    for (uint8_t i = 0; i < ECHO_CONFIG_BYTES; i++)
        echo->config[i] = (uint8_t)(0xa0 + i);
    dev->config = echo->config;
    dev->config_size = sizeof(echo->config);
    return 0;
}

static int echo_activate(struct virtio_device *dev)
{
    echo_of(dev)->activated++;
    return echo_of(dev)->activate_result;
}

static void echo_reset(struct virtio_device *dev)
{
    struct chain req;

    if (echo_of(dev)->pops)
        (void)virtq_pop(&dev->queue[0], &req); /* nothing, if all is well */
    echo_of(dev)->held_count = 0;
    echo_of(dev)->reset++;
}

static void echo_queue_reset(struct virtio_device *dev, struct virtq *vq)
{
    (void)vq; /* tests have one of them hold requests */
    echo_of(dev)->held_count = 0;
    echo_of(dev)->queue_reset++;
}

static void echo_serve(struct chain *req)
{
    uint8_t piece[64];

    for (;;) {
        uint32_t len = MIN(chain_readable(req), chain_writable(req));
        len = MIN(len, (uint32_t)sizeof(piece));
        if (len == 0)
            return;
        (void)chain_read(req, piece, len); /* both are there */
        (void)chain_write(req, piece, len);
    }
}

static void echo_notify(struct virtio_device *dev, struct virtq *vq)
{
    struct echo *echo = echo_of(dev);
    struct chain req;
    int r;

    echo->notified++;
    while ((r = virtq_pop(vq, &req)) > 0) {
        echo->taken++;
        if (echo->fail) {
            virtio_fail(dev, -EIO, "told to");
            virtio_fail(dev, -EIO, "told to"); /* once more changes nothing */
        } else if (echo->hold) {
            echo->held[echo->held_count++ % ECHO_HELD_MAX] = req;
        } else {
            echo_serve(&req);
            virtq_push(vq, &req);
        }
    }
    if (r < 0)
        virtio_fail(dev, r, "request");
    virtio_signal(dev, vq);
}

static void echo_config_write(struct virtio_device *dev, size_t off, const void *buf, size_t len)
{
    virtio_config_set(dev, off, buf, len);
    echo_of(dev)->config_written++;
}

static int echo_finish(struct virtio_device *dev)
{
    return echo_of(dev)->finish_result;
}

static void echo_report(struct virtio_device *dev)
{
    echo_of(dev)->reported++;
}

static const struct opt echo_opts[] = {{0}};

const struct virtio_class echo_class = {
    .name = "echo",
    .help = "for tests",
    .id = 42,
    .features = 1u << 0 | 1u << 5,
    .queue_count = 2,
    .limits = {.size = 256, .chain_descs = 1024},
    .instance_size = sizeof(struct echo),
    .instance_offset = offsetof(struct echo, dev),
    .opts = echo_opts,
    .create = echo_create,
    .activate = echo_activate,
    .reset = echo_reset,
    .queue_reset = echo_queue_reset,
    .notify = echo_notify,
    .config_write = echo_config_write,
    .finish = echo_finish,
    .report = echo_report,
};
