/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a disk asks of the host's files, many things at once: an engine takes operations and gives
 * them back finished, in any order. There are two, io_uring and, where that is denied, a few
 * threads; both are made before the guest runs. The device's worker.
 *
 *   blk_engine_submit() ...  blk_engine_flush()     fd is readable     blk_engine_reap() until NULL
 *
 * The memory that an operation names stays as it is until it is reaped; its contents are the
 * guest's and may change at any time.
 */
#pragma once

#include "vmm/base/base.h"

#include <sys/uio.h>

#define BLK_OPS_MAX 256 /* under way at once */

enum blk_op_kind {
    BLK_OP_READ,     /* preadv(2) */
    BLK_OP_WRITE,    /* pwritev(2) */
    BLK_OP_ALLOCATE, /* fallocate(2) */
    BLK_OP_DISCARD,  /* ioctl(2) BLKDISCARD, of a block device */
    BLK_OP_SYNC,     /* fdatasync(2) */
};

struct blk_op {
    enum blk_op_kind kind;
    int mode; /* of ALLOCATE */
    unsigned file;
    uint64_t offset;
    uint64_t bytes; /* of ALLOCATE and DISCARD; else what the iovecs say */
    struct iovec *iov;
    unsigned iov_count;
    int64_t result;      /* a count of bytes, 0, or -errno */
    struct blk_op *next; /* the engine's */
};

#define BLK_FILES_MAX 3

struct blk_engine;
struct blk_engine_ops {
    void (*submit)(struct blk_engine *engine, struct blk_op *op);
    bool (*flush)(struct blk_engine *engine);
    struct blk_op *(*reap)(struct blk_engine *engine);
    void (*destroy)(struct blk_engine *engine);
};

struct blk_engine {
    const struct blk_engine_ops *ops;
    int fd; /* the engine's: readable while there is something to reap */
};

/* Main. For operations on these files (-1: none of that number), which stay open. -errno, logged.
 * `name` is the device's. */
int blk_engine_create(const char *name, const int files[BLK_FILES_MAX],
                      struct blk_engine **ret_engine);
/* That of threads alone: -errno, not logged. */
int blk_pool_create(const char *name, const int files[BLK_FILES_MAX],
                    struct blk_engine **ret_engine);
/* Main. Nothing is under way. Accepts NULL. */
static inline void blk_engine_destroy(struct blk_engine *engine)
{
    if (engine != NULL)
        engine->ops->destroy(engine);
}

/* What DISCARD does, and waits for: 0 or -errno. Any thread. */
int blk_engine_discard(int fd, const struct blk_op *op);

/* At most BLK_OPS_MAX at once. Begins at flush, or before. */
static inline void blk_engine_submit(struct blk_engine *engine, struct blk_op *op)
{
    engine->ops->submit(engine, op);
}

/* False: the host has no memory for some of them now. Flush again soon. */
static inline bool blk_engine_flush(struct blk_engine *engine)
{
    return engine->ops->flush(engine);
}

/* The next one that has finished, or NULL. */
static inline struct blk_op *blk_engine_reap(struct blk_engine *engine)
{
    return engine->ops->reap(engine);
}
