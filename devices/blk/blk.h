/* SPDX-License-Identifier: BSD-3-Clause */
/* A disk's state, which blk.c (the device) and request.c (what the driver asks for) share. Main
 * makes it, its one worker has it while the device is active. */
#pragma once

#include "devices/blk/image.h"
#include "devices/registry.h"

#define BLK_SERIAL_BYTES 20

/* Discards and zeroes: how many ranges one request may name, and how long each may be. */
#define BLK_RANGES_MAX        16
#define BLK_RANGE_SECTORS_MAX (1u << 21) /* 1 GiB */

#define BLK_QUEUES_MAX 16
#define BLK_QUEUE_SIZE 256
/* Pieces of data that a request may have, and descriptors: header, data, status. */
#define BLK_SEGMENTS_MAX 254
#define BLK_DESCS_MAX    (BLK_SEGMENTS_MAX + 4)

/* Configuration space (virtio 1.2 §5.2.4), as far as there is anything in it. */
struct blk_config {
    le64 capacity; /* in sectors */
    le32 size_max, seg_max;
    uint8_t geometry[4];
    le32 blk_size;
    uint8_t physical_block_exp, alignment_offset;
    le16 min_io_size;
    le32 opt_io_size; /* both in blocks */
    uint8_t writeback, unused0;
    le16 num_queues;
    le32 max_discard_sectors, max_discard_seg, discard_sector_alignment;
    le32 max_write_zeroes_sectors, max_write_zeroes_seg;
    uint8_t write_zeroes_may_unmap, unused1[3];
    le32 max_secure_erase_sectors; /* none is offered */
};
_Static_assert(sizeof(struct blk_config) == 64, "virtio 1.2 §5.2.4");

struct blk_range {
    uint64_t offset, bytes; /* inside the disk */
    bool unmap;             /* zeroes that may be no longer in the file */
};

/* A request under way: its ranges are done one after the other, each in as many operations as it
 * takes, one at a time. */
struct blk_request {
    struct blk_op op;
    struct chain chain;
    struct virtq *vq;
    uint32_t type;
    bool sync;          /* at the end what was written must be stable */
    bool by_hand;       /* WRITE_ZEROES: the filesystem can't, so zeroes are written */
    uint64_t run_bytes; /* what the operation was to do when it began */
    uint64_t done;      /* bytes of data, of the whole request */
    unsigned range_count, range_at;
    struct blk_range range[BLK_RANGES_MAX];
    struct blk_request *next; /* of its list */
    struct iovec iov[BLK_DESCS_MAX];
};

struct blk {
    struct virtio_device dev;
    struct blk_image image;
    struct blk_engine *engine; /* owned */
    struct watch finished;     /* its fd */
    struct blk_config config;
    char serial[BLK_SERIAL_BYTES];

    struct blk_request *requests; /* owned: BLK_OPS_MAX, mapped, touched as used */
    struct blk_request *free;     /* list */
    struct blk_request *held;     /* list: began before a pause, and go on after it */
    unsigned touched;             /* requests from here on were never used */
    unsigned under_way;
    bool short_of_requests; /* one waits in a ring */
    bool dropping;          /* a reset: nothing new begins */
    bool holding;           /* a pause, a queue's reset: nor does what is left of long requests */
    bool sync_failed;       /* what the host once lost it will not find again */
    uint32_t pushed;        /* a bit for each queue whose driver is to be told */
};

/* A new request of this queue: begun, or answered at once. There is a free one. */
void blk_request_start(struct blk *blk, struct virtq *vq, const struct chain *chain);
/* An operation of its has finished: the request goes on, or is answered, or held. */
void blk_request_go_on(struct blk *blk, struct blk_op *op);
/* Those that were held go on, but those of a queue that was reset (NULL: of none). */
void blk_requests_resume(struct blk *blk, const struct virtq *reset);
