/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The engine that is a few threads, for hosts that deny io_uring; see engine.h. They are made
 * before the guest runs and take operations in order from one list.
 */
#include "devices/blk/engine.h"
#include "vmm/base/thread.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>

#define POOL_THREADS 4

struct op_list {
    struct blk_op *first, **end;
};

struct pool {
    struct blk_engine engine; /* fd: owned eventfd */
    int files[BLK_FILES_MAX];
    struct thread thread[POOL_THREADS];
    pthread_mutex_t lock; /* for what follows */
    pthread_cond_t news;  /* something to do, or stopping */
    struct op_list todo, done;
    bool stopping;
};

static void list_init(struct op_list *list)
{
    *list = (struct op_list){NULL, &list->first};
}

static void list_add(struct op_list *list, struct blk_op *op)
{
    op->next = NULL;
    *list->end = op;
    list->end = &op->next;
}

static struct blk_op *list_take(struct op_list *list)
{
    struct blk_op *op = list->first;

    if (op == NULL)
        return NULL;
    list->first = op->next;
    if (op->next == NULL)
        list->end = &list->first;
    return op;
}

/* -- on its threads -- */

int blk_engine_discard(int fd, const struct blk_op *op)
{
    uint64_t range[2] = {op->offset, op->bytes};

    return ioctl(fd, BLKDISCARD, range) < 0 ? -errno : 0;
}

static void op_run(const struct pool *pool, struct blk_op *op)
{
    int fd = pool->files[op->file], iovs = (int)op->iov_count;
    off_t offset = (off_t)op->offset;
    ssize_t r = -1;

    switch (op->kind) {
    case BLK_OP_READ:
        r = preadv(fd, op->iov, iovs, offset);
        break;
    case BLK_OP_WRITE:
        r = pwritev(fd, op->iov, iovs, offset);
        break;
    case BLK_OP_ALLOCATE:
        r = fallocate(fd, op->mode, offset, (off_t)op->bytes);
        break;
    case BLK_OP_DISCARD:
        op->result = blk_engine_discard(fd, op);
        return;
    case BLK_OP_SYNC:
        r = fdatasync(fd);
        break;
    }
    op->result = r < 0 ? -errno : r;
}

static void pool_run(void *arg)
{
    struct pool *pool = arg;

    (void)pthread_mutex_lock(&pool->lock); /* default kinds: none of these can fail */
    while (!pool->stopping) {
        struct blk_op *op = list_take(&pool->todo);
        if (op == NULL) {
            (void)pthread_cond_wait(&pool->news, &pool->lock);
            continue;
        }
        (void)pthread_mutex_unlock(&pool->lock);
        op_run(pool, op);
        (void)pthread_mutex_lock(&pool->lock);
        list_add(&pool->done, op);
        (void)eventfd_write(pool->engine.fd, 1); /* EAGAIN: it is readable already */
    }
    (void)pthread_mutex_unlock(&pool->lock);
}

/* -- on the worker -- */

static struct pool *pool_of(struct blk_engine *engine)
{
    return container_of(engine, struct pool, engine);
}

static void pool_submit(struct blk_engine *engine, struct blk_op *op)
{
    struct pool *pool = pool_of(engine);

    (void)pthread_mutex_lock(&pool->lock);
    list_add(&pool->todo, op);
    (void)pthread_cond_signal(&pool->news);
    (void)pthread_mutex_unlock(&pool->lock);
}

static bool pool_flush(struct blk_engine *engine)
{
    (void)engine;
    return true;
}

static struct blk_op *pool_reap(struct blk_engine *engine)
{
    struct pool *pool = pool_of(engine);
    eventfd_t count;

    (void)pthread_mutex_lock(&pool->lock);
    struct blk_op *op = list_take(&pool->done);
    if (op == NULL)
        (void)eventfd_read(engine->fd, &count); /* EAGAIN: it was 0 */
    (void)pthread_mutex_unlock(&pool->lock);
    return op;
}

static void pool_destroy(struct blk_engine *engine)
{
    struct pool *pool = pool_of(engine);

    (void)pthread_mutex_lock(&pool->lock);
    pool->stopping = true;
    (void)pthread_cond_broadcast(&pool->news);
    (void)pthread_mutex_unlock(&pool->lock);
    for (unsigned i = 0; i < POOL_THREADS; i++)
        thread_join(&pool->thread[i]);
    (void)pthread_cond_destroy(&pool->news);
    (void)pthread_mutex_destroy(&pool->lock);
    fd_close(&pool->engine.fd);
    free(pool);
}

static const struct blk_engine_ops pool_ops = {
    .submit = pool_submit, .flush = pool_flush, .reap = pool_reap, .destroy = pool_destroy};

int blk_pool_create(const char *name, const int files[BLK_FILES_MAX],
                    struct blk_engine **ret_engine)
{
    struct pool *pool = calloc(1, sizeof(*pool));
    char thread_name[32];

    if (pool == NULL)
        return -ENOMEM;
    (void)pthread_mutex_init(&pool->lock, NULL); /* default kinds: cannot fail */
    (void)pthread_cond_init(&pool->news, NULL);
    list_init(&pool->todo);
    list_init(&pool->done);
    for (unsigned i = 0; i < BLK_FILES_MAX; i++)
        pool->files[i] = files[i];
    pool->engine = (struct blk_engine){&pool_ops, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    int r = pool->engine.fd < 0 ? -errno : 0;
    for (unsigned i = 0; i < POOL_THREADS && r == 0; i++) {
        (void)snprintf(thread_name, sizeof(thread_name), "%s-io%u", name, i);
        r = thread_start(&pool->thread[i], THREAD_WORKER, thread_name, pool_run, pool);
    }
    if (r < 0)
        pool_destroy(&pool->engine);
    else
        *ret_engine = &pool->engine;
    return r;
}
