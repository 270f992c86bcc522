/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A bus: sorted address ranges, each answered by a device model. There are two in a VM on x86
 * (MMIO and port I/O), one elsewhere. Ranges are added before vCPUs run and stay; then any vCPU
 * thread may dispatch. Each range has a lock, held during its handler, so that a handler sees one
 * access at a time unless it takes care of that itself. A worker thread never takes it.
 */
#pragma once

#include "vmm/base/base.h"

#include <pthread.h>

struct bus_ops {
    /* Access at `off` within the range, 1 to 8 bytes, guest's byte order = little endian in buf.
     * The access lies wholly inside the range. */
    void (*read)(void *ctx, uint64_t off, void *ret_buf, size_t len);
    void (*write)(void *ctx, uint64_t off, const void *buf, size_t len);
    bool locks; /* the handlers lock for themselves: several may run at a time */
};

#define BUS_RANGES_MAX 64

struct bus_range {
    gpa_t base;
    uint64_t size;
    const struct bus_ops *ops;
    void *ctx;
    pthread_mutex_t lock;
};

struct bus {
    unsigned count;
    struct bus_range *range[BUS_RANGES_MAX]; /* sorted by base, owned */
};

void bus_init(struct bus *bus);
void bus_fini(struct bus *bus);

/* -EEXIST if it would overlap, -ENOSPC if the table is full. */
int bus_add(struct bus *bus, gpa_t base, uint64_t size, const struct bus_ops *ops, void *ctx);

/* Nobody home: reads give all ones, writes vanish; the result says whether somebody was. */
bool bus_read(struct bus *bus, gpa_t addr, void *ret_buf, size_t len);
bool bus_write(struct bus *bus, gpa_t addr, const void *buf, size_t len);
