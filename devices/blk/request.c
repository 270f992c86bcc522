/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Requests of a disk (virtio 1.2 §5.2.6): what the driver wants is read once and checked wholly,
 * before the first byte moves. Then
 *
 *   start -> [ operation ] -> go on -> [ operation ] -> ... -> [ sync ] -> answer
 *
 * where an operation is the next range, or what is left of it after a short one, and sync comes
 * where a write has to be stable when it is answered. Data goes between the host's file and the
 * guest's memory where it lies.
 */
#include "devices/blk/blk.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/virtio_blk.h>
#include <string.h>

struct header {
    le32 type, reserved;
    le64 sector;
};
_Static_assert(sizeof(struct header) == 16, "virtio 1.2 §5.2.6");

/* A reset, a pause and the end of the machine wait for the operations that are under way. What is
 * left of a request then, whose buffers may overlap (so one of 4 GiB costs a guest nothing), is
 * dropped, or after a pause goes on: no more than that much of one is waited for. It is more than
 * what drivers ask for at once, so that of theirs nothing is left. */
#define OP_BYTES_MAX (16u << 20)

/* A type that there is not. */
#define VIRTIO_BLK_T_UNKNOWN UINT32_MAX

struct segment {
    le64 sector;
    le32 num_sectors, flags;
};
_Static_assert(sizeof(struct segment) == 16, "virtio 1.2 §5.2.6");

/* -- the end -- */

static void give_back(struct blk *blk, struct blk_request *request)
{
    virtq_push(request->vq, &request->chain);
    blk->pushed |= 1u << request->vq->index;
    request->next = blk->free;
    blk->free = request;
}

/* The status is the last writable byte, wherever the data ends. The used length counts it if it
 * comes right behind what was written; of a read that failed, only what came. */
static void answer(struct blk *blk, struct blk_request *request, uint8_t status)
{
    struct chain *chain = &request->chain;
    uint32_t filled = request->type == VIRTIO_BLK_T_IN ? (uint32_t)request->done : chain->written;
    uint32_t status_at = chain->written + chain_writable(chain) - 1;

    (void)chain_skip_writable(chain, chain_writable(chain) - 1); /* they are there, */
    (void)chain_write(chain, &status, 1);                        /* and so is this one */
    chain->written = filled == status_at ? filled + 1 : filled;
    give_back(blk, request);
}

static const char *op_name(const struct blk_op *op)
{
    static const char *const names[] = {[BLK_OP_READ] = "read",
                                        [BLK_OP_WRITE] = "write",
                                        [BLK_OP_ALLOCATE] = "discard or zeroes",
                                        [BLK_OP_DISCARD] = "discard",
                                        [BLK_OP_SYNC] = "flush"};

    return names[op->kind];
}

/* The host could not do it. */
static void fail(struct blk *blk, struct blk_request *request, int64_t r)
{
    const struct blk_op *op = &request->op;

    if ((op->kind == BLK_OP_ALLOCATE || op->kind == BLK_OP_DISCARD) && r == -EOPNOTSUPP) {
        answer(blk, request, VIRTIO_BLK_S_UNSUPP);
        return;
    }
    blk->sync_failed |= op->kind == BLK_OP_SYNC;
    log_guest(&blk->dev.log_limit, "%s: %s at byte %llu: %s", blk->dev.name, op_name(op),
              (unsigned long long)op->offset, r == 0 ? "the file has ended" : strerror((int)-r));
    answer(blk, request, VIRTIO_BLK_S_IOERR);
}

/* -- operations -- */

static void op_begin(struct blk *blk, struct blk_op *op)
{
    blk->under_way++;
    blk_engine_submit(blk->engine, op);
}

/* Data between the guest and the file that has this part of the range. */
static void op_data(struct blk *blk, struct blk_request *request, const struct blk_range *range)
{
    bool reading = request->type == VIRTIO_BLK_T_IN;
    struct blk_image *image = &blk->image;
    struct blk_op *op = &request->op;
    uint64_t len = MIN(range->bytes, OP_BYTES_MAX);
    int count;

    op->kind = reading ? BLK_OP_READ : BLK_OP_WRITE;
    op->file = reading ? blk_image_source(image, range->offset, &len) : blk_image_target(image);
    op->iov = request->iov;
    if (reading)
        count = chain_write_iov(&request->chain, (size_t)len, op->iov, BLK_DESCS_MAX);
    else
        count = chain_read_iov(&request->chain, (size_t)len, op->iov, BLK_DESCS_MAX);
    assert(count > 0); /* as many bytes are there, in fewer pieces than a chain has descriptors */
    op->iov_count = (unsigned)count;
    op->bytes = len;
    if (op->file == BLK_FILE_IMAGE &&
        blk_image_is_direct(image, range->offset, op->iov, op->iov_count))
        op->file = BLK_FILE_DIRECT;
}

/* Zeroes where the filesystem can't make them. */
static void op_zeroes_by_hand(struct blk_request *request, const struct blk_range *range)
{
    static const uint8_t zeroes[65536];
    struct blk_op *op = &request->op;
    struct iovec piece = {.iov_len = sizeof(zeroes)};
    const void *from = zeroes;

    memcpy(&piece.iov_base, &from, sizeof(from)); /* which pwritev(2) only reads */
    op->kind = BLK_OP_WRITE;
    op->iov = request->iov;
    op->bytes = 0;
    for (op->iov_count = 0; op->iov_count < BLK_DESCS_MAX && op->bytes < range->bytes;) {
        piece.iov_len = MIN(sizeof(zeroes), range->bytes - op->bytes);
        op->iov[op->iov_count++] = piece;
        op->bytes += piece.iov_len;
    }
}

static void op_allocate(struct blk *blk, struct blk_request *request, const struct blk_range *range)
{
    bool zeroes = request->type == VIRTIO_BLK_T_WRITE_ZEROES;
    struct blk_op *op = &request->op;

    op->file = blk_image_target(&blk->image);
    if (request->by_hand) {
        op_zeroes_by_hand(request, range);
        return;
    }
    /* Of devices many discard that can't zero, which is what punching a hole asks for. */
    op->kind = !zeroes && blk->image.device && op->file == BLK_FILE_IMAGE ? BLK_OP_DISCARD
                                                                          : BLK_OP_ALLOCATE;
    op->mode = FALLOC_FL_KEEP_SIZE |
               (zeroes && !range->unmap ? FALLOC_FL_ZERO_RANGE : FALLOC_FL_PUNCH_HOLE);
    op->bytes = range->bytes;
}

/* Begins what comes next, or answers. */
static void next_op(struct blk *blk, struct blk_request *request)
{
    struct blk_op *op = &request->op;

    while (request->range_at < request->range_count && request->range[request->range_at].bytes == 0)
        request->range_at++;
    if (request->range_at < request->range_count) {
        const struct blk_range *range = &request->range[request->range_at];
        op->offset = range->offset;
        if (request->type == VIRTIO_BLK_T_IN || request->type == VIRTIO_BLK_T_OUT)
            op_data(blk, request, range);
        else
            op_allocate(blk, request, range);
    } else if (request->sync && blk->sync_failed) {
        answer(blk, request, VIRTIO_BLK_S_IOERR);
        return;
    } else if (request->sync && blk->image.written == NULL) {
        request->sync = false;
        op->kind = BLK_OP_SYNC;
        op->file = BLK_FILE_IMAGE;
        op->offset = 0;
    } else {
        answer(blk, request, VIRTIO_BLK_S_OK);
        return;
    }
    request->run_bytes = op->bytes;
    op_begin(blk, op);
}

/* A short one: the rest of it again. */
static void op_rest(struct blk *blk, struct blk_op *op, uint64_t count)
{
    op->offset += count;
    op->bytes -= count;
    while (count > 0) {
        uint64_t len = MIN(count, (uint64_t)op->iov->iov_len);
        op->iov->iov_base = (uint8_t *)op->iov->iov_base + len;
        op->iov->iov_len -= len;
        count -= len;
        if (op->iov->iov_len == 0) {
            op->iov++;
            op->iov_count--;
        }
    }
    if (op->file == BLK_FILE_DIRECT)
        op->file = BLK_FILE_IMAGE; /* it may have ended anywhere */
    op_begin(blk, op);
}

/* What the last operation was to do is done. */
static void run_done(struct blk *blk, struct blk_request *request)
{
    struct blk_range *range = &request->range[request->range_at];

    if (request->type == VIRTIO_BLK_T_OUT || request->type == VIRTIO_BLK_T_WRITE_ZEROES)
        blk_image_wrote(&blk->image, range->offset, request->run_bytes);
    range->offset += request->run_bytes;
    range->bytes -= request->run_bytes;
}

static uint64_t bytes_left(const struct blk_request *request)
{
    uint64_t bytes = 0;

    for (unsigned i = request->range_at; i < request->range_count; i++)
        bytes += request->range[i].bytes;
    return bytes;
}

static void go_on_or_wait(struct blk *blk, struct blk_request *request)
{
    if (!blk->holding || bytes_left(request) <= OP_BYTES_MAX) {
        next_op(blk, request);
        return;
    }
    request->next = blk->held;
    blk->held = request;
}

void blk_requests_resume(struct blk *blk, const struct virtq *reset)
{
    struct blk_request *request;

    while ((request = blk->held) != NULL) {
        blk->held = request->next;
        if (request->vq != reset) {
            next_op(blk, request);
            continue;
        }
        request->next = blk->free;
        blk->free = request;
    }
}

void blk_request_go_on(struct blk *blk, struct blk_op *op)
{
    struct blk_request *request = container_of(op, struct blk_request, op);
    bool data = op->kind == BLK_OP_READ || op->kind == BLK_OP_WRITE;
    int64_t r = op->result;

    blk->under_way--;
    if (blk->dropping)
        return;
    if (r == -EINTR) {
        op_begin(blk, op);
    } else if (r == -EOPNOTSUPP && op->kind == BLK_OP_ALLOCATE &&
               request->type == VIRTIO_BLK_T_WRITE_ZEROES) {
        request->by_hand = true;
        next_op(blk, request);
    } else if (r < 0 || (r == 0 && data)) {
        fail(blk, request, r);
    } else if (data && (uint64_t)r < op->bytes) {
        request->done += (uint64_t)r;
        op_rest(blk, op, (uint64_t)r);
    } else {
        request->done += data ? (uint64_t)r : 0;
        if (op->kind != BLK_OP_SYNC)
            run_done(blk, request);
        go_on_or_wait(blk, request);
    }
}

/* -- the beginning -- */

/* A part of the disk that the driver names, in sectors: 0, or -EINVAL if it is not on the disk. */
static int range_take(const struct blk *blk, uint64_t sector, uint64_t bytes,
                      struct blk_range *ret_range)
{
    uint64_t sectors = blk->image.bytes / BLK_SECTOR_BYTES;

    if (sector > sectors || bytes / BLK_SECTOR_BYTES > sectors - sector ||
        bytes % BLK_SECTOR_BYTES != 0)
        return -EINVAL;
    *ret_range = (struct blk_range){sector * BLK_SECTOR_BYTES, bytes};
    return 0;
}

static int start_read(struct blk *blk, struct blk_request *request, uint64_t sector)
{
    struct chain *chain = &request->chain;

    if (chain_readable(chain) > 0)
        return VIRTIO_BLK_S_IOERR;
    request->range_count = 1;
    return range_take(blk, sector, chain_writable(chain) - 1, request->range) < 0
               ? VIRTIO_BLK_S_IOERR
               : VIRTIO_BLK_S_OK;
}

static int start_write(struct blk *blk, struct blk_request *request, uint64_t sector)
{
    struct chain *chain = &request->chain;

    if (blk->image.read_only || chain_writable(chain) != 1)
        return VIRTIO_BLK_S_IOERR;
    request->sync = blk->config.writeback == 0;
    request->range_count = 1;
    return range_take(blk, sector, chain_readable(chain), request->range) < 0 ? VIRTIO_BLK_S_IOERR
                                                                              : VIRTIO_BLK_S_OK;
}

/* Its sector and data mean nothing (§5.2.6.1). */
static int start_flush(struct blk *blk, struct blk_request *request, uint64_t sector)
{
    (void)sector;
    if (!virtio_has(&blk->dev, VIRTIO_BLK_F_FLUSH))
        return VIRTIO_BLK_S_UNSUPP;
    request->sync = !blk->image.read_only;
    return VIRTIO_BLK_S_OK;
}

static int start_id(struct blk *blk, struct blk_request *request, uint64_t sector)
{
    struct chain *chain = &request->chain;

    (void)sector;
    if (chain_writable(chain) < BLK_SERIAL_BYTES + 1)
        return VIRTIO_BLK_S_IOERR;
    return chain_write(chain, blk->serial, BLK_SERIAL_BYTES);
}

/* DISCARD and WRITE_ZEROES: a list of ranges, all of which are looked at before the first is
 * touched. */
static int start_ranges(struct blk *blk, struct blk_request *request, uint64_t sector)
{
    bool zeroes = request->type == VIRTIO_BLK_T_WRITE_ZEROES;
    size_t size = chain_readable(&request->chain);
    struct segment segment;

    (void)sector;
    if (blk->image.read_only)
        return VIRTIO_BLK_S_IOERR;
    if (!virtio_has(&blk->dev, zeroes ? VIRTIO_BLK_F_WRITE_ZEROES : VIRTIO_BLK_F_DISCARD))
        return VIRTIO_BLK_S_UNSUPP;
    if (size == 0 || size % sizeof(segment) != 0 || size / sizeof(segment) > BLK_RANGES_MAX ||
        chain_writable(&request->chain) != 1)
        return VIRTIO_BLK_S_IOERR;
    while (chain_read(&request->chain, &segment, sizeof(segment)) == 0) {
        uint32_t sectors = from_le32(segment.num_sectors), flags = from_le32(segment.flags);
        if ((flags & ~(uint32_t)VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP) != 0 || (flags != 0 && !zeroes))
            return VIRTIO_BLK_S_UNSUPP;
        if (sectors > BLK_RANGE_SECTORS_MAX ||
            range_take(blk, from_le64(segment.sector), (uint64_t)sectors * BLK_SECTOR_BYTES,
                       &request->range[request->range_count]) < 0)
            return VIRTIO_BLK_S_IOERR;
        request->range[request->range_count++].unmap = flags != 0;
    }
    request->sync = zeroes && blk->config.writeback == 0;
    return VIRTIO_BLK_S_OK;
}

static const struct {
    uint32_t type;
    /* Checks the request and fills its ranges; a status. */
    int (*start)(struct blk *blk, struct blk_request *request, uint64_t sector);
} types[] = {
    {VIRTIO_BLK_T_IN, start_read},        {VIRTIO_BLK_T_OUT, start_write},
    {VIRTIO_BLK_T_FLUSH, start_flush},    {VIRTIO_BLK_T_GET_ID, start_id},
    {VIRTIO_BLK_T_DISCARD, start_ranges}, {VIRTIO_BLK_T_WRITE_ZEROES, start_ranges},
};

static int start(struct blk *blk, struct blk_request *request)
{
    struct header header;

    if (chain_read(&request->chain, &header, sizeof(header)) < 0)
        return VIRTIO_BLK_S_IOERR;
    request->type = from_le32(header.type);
    for (size_t i = 0; i < ARRAY_SIZE(types); i++)
        if (types[i].type == request->type)
            return types[i].start(blk, request, from_le64(header.sector));
    return VIRTIO_BLK_S_UNSUPP;
}

/* There is one: each has an operation under way. */
static struct blk_request *request_take(struct blk *blk)
{
    struct blk_request *request = blk->free;

    if (request != NULL)
        blk->free = request->next;
    else
        request = &blk->requests[blk->touched++];
    assert(blk->touched <= BLK_OPS_MAX);
    return request;
}

void blk_request_start(struct blk *blk, struct virtq *vq, const struct chain *chain)
{
    struct blk_request *request = request_take(blk);

    request->chain = *chain;
    request->vq = vq;
    if (chain_writable(chain) == 0) { /* nowhere to say what became of it */
        give_back(blk, request);
        return;
    }
    request->type = VIRTIO_BLK_T_UNKNOWN;
    request->sync = request->by_hand = false;
    request->done = 0;
    request->range_count = request->range_at = 0;
    int status = start(blk, request);
    if (status == VIRTIO_BLK_S_OK)
        next_op(blk, request);
    else
        answer(blk, request, (uint8_t)status);
}
