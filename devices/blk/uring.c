/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The engine that is a ring shared with the host's kernel, io_uring(7); see engine.h. The ring's
 * own descriptor is what the worker's loop watches. What can't be done at once is done by threads
 * of the kernel's, a few.
 */
#include "devices/blk/uring.h"

#include "devices/blk/engine.h"
#include "vmm/base/log.h"

#include <string.h>

/* Of the kernel's threads: for plain files, and for what may wait without end. */
#define KERNEL_THREADS_MAX 8

struct uring uring;
const struct library uring_library = LIBRARY("liburing.so.2", "liburing2", uring, URING_FUNCTIONS);

struct uring_engine {
    struct blk_engine engine;
    struct io_uring ring;
    int files[BLK_FILES_MAX];
};

static struct uring_engine *uring_of(struct blk_engine *engine)
{
    return container_of(engine, struct uring_engine, engine);
}

static struct io_uring *ring_of(struct blk_engine *engine)
{
    return &uring_of(engine)->ring;
}

static void uring_submit(struct blk_engine *engine, struct blk_op *op)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(ring_of(engine));
    const struct iovec *iov = op->iov;
    int file = (int)op->file;

    assert(sqe != NULL); /* there is one for each of BLK_OPS_MAX */
    switch (op->kind) {
    case BLK_OP_READ:
        if (op->iov_count == 1) /* of some MiB at most */
            io_uring_prep_read(sqe, file, iov->iov_base, (unsigned)iov->iov_len, op->offset);
        else
            io_uring_prep_readv(sqe, file, iov, op->iov_count, op->offset);
        break;
    case BLK_OP_WRITE:
        if (op->iov_count == 1) /* of some MiB at most */
            io_uring_prep_write(sqe, file, iov->iov_base, (unsigned)iov->iov_len, op->offset);
        else
            io_uring_prep_writev(sqe, file, iov, op->iov_count, op->offset);
        break;
    case BLK_OP_ALLOCATE:
        io_uring_prep_fallocate(sqe, file, op->mode, (off_t)op->offset, (off_t)op->bytes);
        break;
    case BLK_OP_DISCARD: /* which the ring can't do before Linux 6.12: the worker waits for it */
        op->result = blk_engine_discard(uring_of(engine)->files[op->file], op);
        io_uring_prep_nop(sqe);
        break;
    case BLK_OP_SYNC:
        io_uring_prep_fsync(sqe, file, IORING_FSYNC_DATASYNC);
        break;
    }
    io_uring_sqe_set_flags(sqe, IOSQE_FIXED_FILE);
    io_uring_sqe_set_data(sqe, op);
}

static bool uring_flush(struct blk_engine *engine)
{
    struct io_uring *ring = ring_of(engine);

    while (io_uring_sq_ready(ring) > 0)
        if (uring.submit(ring) <= 0)
            return false;
    return true;
}

static struct blk_op *uring_reap(struct blk_engine *engine)
{
    struct io_uring *ring = ring_of(engine);
    struct io_uring_cqe *cqe;

    if (uring.peek_batch_cqe(ring, &cqe, 1) == 0)
        return NULL;
    struct blk_op *op = io_uring_cqe_get_data(cqe);
    if (op->kind != BLK_OP_DISCARD)
        op->result = cqe->res;
    io_uring_cq_advance(ring, 1);
    return op;
}

static void uring_destroy(struct blk_engine *engine)
{
    /* The ring itself ends later, on a thread of the kernel's, and with it the files' locks. */
    (void)uring.unregister_files(ring_of(engine)); /* if there are none, that is as well */
    uring.queue_exit(ring_of(engine));
    free(uring_of(engine));
}

static const struct blk_engine_ops uring_ops = {
    .submit = uring_submit, .flush = uring_flush, .reap = uring_reap, .destroy = uring_destroy};

static int uring_create(const int files[BLK_FILES_MAX], struct blk_engine **ret_engine)
{
    unsigned threads_max[2] = {KERNEL_THREADS_MAX, KERNEL_THREADS_MAX};
    struct uring_engine *made = calloc(1, sizeof(*made));

    if (made == NULL)
        return -ENOMEM;
    int r = uring.queue_init(BLK_OPS_MAX, &made->ring, 0);
    if (r < 0) {
        free(made);
        return r;
    }
    memcpy(made->files, files, sizeof(made->files));
    made->engine = (struct blk_engine){.ops = &uring_ops, .fd = made->ring.ring_fd};
    r = uring.register_files(&made->ring, files, BLK_FILES_MAX);
    if (r == 0)
        r = uring.register_iowq_max_workers(&made->ring, threads_max);
    if (r < 0)
        uring_destroy(&made->engine);
    else
        *ret_engine = &made->engine;
    return r;
}

int blk_engine_create(const char *name, const int files[BLK_FILES_MAX],
                      struct blk_engine **ret_engine)
{
    int r = library_load(&uring_library);

    if (r < 0)
        return r;
    r = uring_create(files, ret_engine);
    if (r == 0)
        return 0;
    log_debug("%s: io_uring: %s; threads do it", name, strerror(-r));
    r = blk_pool_create(name, files, ret_engine);
    return r < 0 ? log_error(r, "%s: threads", name) : 0;
}
