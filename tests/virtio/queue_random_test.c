/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Seeded random programs of a driver and a device on one queue, against an oracle that knows only
 * the rules: what was offered comes out once and in order, bytes arrive where they belong, used
 * entries say who and how much, and each side is woken exactly when it asked to be. The oracle
 * keeps plain arrays and counts without wrapping.
 */
#include "virtio/queue.h"

#include "tests/fake_driver.h"

#include <check.h>
#include <string.h>

#define RING       0x10000
#define TABLES     0x40000 /* one of PIECES_MAX entries per head */
#define DATA       0x100000
#define DATA_BYTES 4096 /* per head */
#define PIECES_MAX 12
#define SIZE_MAX_  64
#define STEPS      40000

/* One request as the oracle knows it, by head. */
struct request {
    bool offered; /* the driver may not touch it */
    unsigned piece_count, slots;
    struct fake_piece pieces[PIECES_MAX];
    uint32_t readable, writable;
    uint8_t content[DATA_BYTES]; /* of the readable part */
    /* the device's side */
    bool taken;
    struct chain chain;
    uint8_t reply[DATA_BYTES];
    uint32_t reply_len;
};

struct program {
    uint64_t random;
    struct memory mem;
    struct virtq vq;
    struct fake_ring ring;
    uint16_t size;
    bool event_idx, indirect, packed;
    uint32_t cycle;                      /* slots after which a position comes round again */
    struct request req[SIZE_MAX_];       /* by head; of a split ring head i has descriptor i only */
    uint64_t offered, taken, used, seen; /* counts, never wrapping */
    uint64_t order[STEPS + 1];           /* heads in the order offered */
    uint64_t used_order[STEPS + 1];      /* heads in the order pushed */
    unsigned slots_out;                  /* of chains that are out */
    uint64_t used_slots, seen_slots;     /* counts, never wrapping */
    uint64_t decided;                    /* slots used at the last decision to notify */
    uint64_t used_event;                 /* the slot that the driver asked to hear of */
    bool quiet;                          /* avail.flags bit 0 */
    bool rest;                           /* the next offer has to kick */
    bool asked;                          /* driver_ask() */
};

static uint32_t pick(struct program *p, uint32_t below)
{
    p->random = p->random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(p->random >> 33) % below;
}

/* Check's own macros are too slow for inner loops. */
static void must(bool truth, const char *what)
{
    if (!truth)
        ck_abort_msg("%s", what);
}

static uint8_t *host(struct program *p, gpa_t addr, uint64_t len)
{
    uint8_t *at = memory_at(&p->mem, addr, len);

    must(at != NULL, "the program's own mistake");
    return at;
}

/* -- the driver -- */

/* Lays out a request in the head's own memory: pieces one after the other, some with gaps. */
static void request_make(struct program *p, struct request *req, uint16_t head)
{
    gpa_t at = DATA + (gpa_t)head * DATA_BYTES;
    unsigned readable_pieces = pick(p, PIECES_MAX / 2 + 1);

    *req = (struct request){.offered = true, .piece_count = 1 + pick(p, PIECES_MAX)};
    for (unsigned i = 0; i < req->piece_count; i++) {
        uint32_t len = pick(p, 4) == 0 ? pick(p, 300) : pick(p, 20);
        bool writable = i >= readable_pieces;
        req->pieces[i] = (struct fake_piece){at, len, writable ? FAKE_WRITE : 0};
        for (uint32_t b = 0; b < len; b++)
            host(p, at, len + 1)[b] = (uint8_t)pick(p, 256);
        if (writable) {
            req->writable += len;
        } else {
            memcpy(req->content + req->readable, host(p, at, len + 1), len);
            req->readable += len;
        }
        at += len + (pick(p, 2) == 0 ? 0 : pick(p, 8));
    }
}

/* Only the first so many pieces. */
static void request_cut(struct request *req, unsigned count)
{
    req->piece_count = MIN(count, req->piece_count);
    req->readable = req->writable = 0;
    for (unsigned i = 0; i < req->piece_count; i++)
        *((req->pieces[i].flags & FAKE_WRITE) != 0 ? &req->writable : &req->readable) +=
            req->pieces[i].len;
}

/* Any head of a split ring that is free; the one that a packed ring gives. */
static void driver_offer(struct program *p)
{
    uint16_t head = p->packed ? fake_next_id(&p->ring) : (uint16_t)pick(p, p->size);
    struct request *req = &p->req[head];
    uint16_t old = p->ring.avail_idx;

    if (req->offered || p->slots_out == p->size)
        return;
    request_make(p, req, head);
    if (!p->indirect) /* in a split ring every head has one descriptor of its own */
        request_cut(req, p->packed ? p->size - p->slots_out : 1);
    p->ring.next_desc = head;
    if (p->indirect)
        ck_assert_uint_eq(fake_chain_indirect(&p->ring, TABLES + head * PIECES_MAX * 16u,
                                              req->pieces, req->piece_count),
                          head);
    else
        ck_assert_uint_eq(fake_chain(&p->ring, req->pieces, req->piece_count), head);
    req->slots = p->packed && !p->indirect ? req->piece_count : 1;
    p->slots_out += req->slots;
    fake_offer(&p->ring, head);
    p->order[p->offered++] = head;
    bool wanted = fake_kick_wanted(&p->ring, old, p->event_idx);
    if (wanted != p->rest && p->offered < 65536) /* an old event index comes round after that */
        ck_abort_msg("offer %lu: kick %s", p->offered, wanted ? "at work" : "missing at rest");
    if (p->event_idx)
        p->rest = false; /* by the index, one kick is all; by the flag, until the device looks */
}

/* What the reply holds up to its length is where the writable pieces are; beyond nothing changed.
 */
static void reply_check(struct program *p, const struct request *req)
{
    uint32_t off = 0;

    for (unsigned i = 0; i < req->piece_count; i++) {
        if ((req->pieces[i].flags & FAKE_WRITE) == 0)
            continue;
        uint32_t len = MIN(req->pieces[i].len, req->reply_len - off);
        ck_assert_int_eq(memcmp(host(p, req->pieces[i].addr, len + 1), req->reply + off, len), 0);
        off += len;
    }
    ck_assert_uint_eq(off, req->reply_len);
}

static void driver_reap(struct program *p)
{
    uint32_t id, len;

    if (!fake_used(&p->ring, &id, &len)) {
        ck_assert_uint_eq(p->seen, p->used);
        return;
    }
    ck_assert_uint_lt(p->seen, p->used);
    ck_assert_uint_eq(id, p->used_order[p->seen++]);
    struct request *req = &p->req[id];
    ck_assert_uint_eq(len, req->reply_len);
    reply_check(p, req);
    req->offered = false;
    p->slots_out -= req->slots;
    p->seen_slots += req->slots;
}

static void driver_ask(struct program *p)
{
    p->asked = true;
    p->quiet = pick(p, 2) == 0;
    fake_avail_flags_set(&p->ring, p->quiet);
    p->used_event = p->seen_slots + pick(p, p->size);
    uint16_t off = (uint16_t)(p->used_event % p->size);
    bool wrap = p->used_event / p->size % 2 == 0;
    if (!p->packed)
        fake_used_event_set(&p->ring, (uint16_t)p->used_event);
    else if (p->event_idx)
        fake_driver_event_set(&p->ring, off | (wrap ? 0x8000 : 0), 2);
}

/* -- the device -- */

static void content_check(struct program *p, struct request *req)
{
    uint8_t got[DATA_BYTES];
    uint32_t off = 0;

    ck_assert_uint_eq(chain_readable(&req->chain), req->readable);
    ck_assert_uint_eq(chain_writable(&req->chain), req->writable);
    while (off < req->readable) {
        uint32_t len = MIN(1 + pick(p, 40), req->readable - off);
        if (pick(p, 4) == 0) {
            must(chain_skip(&req->chain, len) == 0, "skip");
        } else {
            must(chain_read(&req->chain, got, len) == 0, "read");
            must(memcmp(got, req->content + off, len) == 0, "bytes read");
        }
        off += len;
    }
    ck_assert_int_eq(chain_read(&req->chain, got, 1), -EPROTO);
}

static void device_take(struct program *p)
{
    struct chain chain;

    virtq_round(&p->vq);
    int r = virtq_pop(&p->vq, &chain);
    ck_assert_int_eq(r, p->taken < p->offered);
    p->rest = r == 0;
    if (r == 0)
        return;
    uint64_t head = p->order[p->taken++];
    ck_assert_uint_eq(chain.id, head);
    p->req[head].taken = true;
    p->req[head].chain = chain;
    content_check(p, &p->req[head]);
}

static void device_answer(struct program *p)
{
    uint16_t head = (uint16_t)pick(p, p->size);
    struct request *req = &p->req[head];

    if (!req->taken)
        return;
    req->reply_len = pick(p, 3) == 0 ? req->writable : pick(p, req->writable + 1);
    for (uint32_t off = 0; off < req->reply_len;) {
        uint32_t len = MIN(1 + pick(p, 60), req->reply_len - off);
        bool zero = pick(p, 5) == 0;
        for (uint32_t i = 0; i < len; i++)
            req->reply[off + i] = zero ? 0 : (uint8_t)pick(p, 256);
        must((zero ? chain_zero(&req->chain, len)
                   : chain_write(&req->chain, req->reply + off, len)) == 0,
             "write");
        off += len;
    }
    req->taken = false;
    virtq_push(&p->vq, &req->chain);
    p->used_order[p->used++] = head;
    p->used_slots += req->slots;
}

/* By the letter of §2.7.7.2 and §2.8.10: was an entry placed where the driver asked for since the
 * last look? A packed ring's driver that never asked for a place hears of all. */
static bool notify_expected(const struct program *p)
{
    if (!p->event_idx)
        return p->used_slots > p->decided && !p->quiet;
    if (p->packed && !p->asked)
        return p->used_slots > p->decided;
    for (uint64_t i = p->decided; i < p->used_slots; i++)
        if (i % p->cycle == p->used_event % p->cycle)
            return true;
    return false;
}

static void device_notify(struct program *p)
{
    bool expected = notify_expected(p);

    ck_assert_int_eq(virtq_should_signal(&p->vq), expected);
    p->decided = p->used_slots;
}

/* -- programs -- */

static void program_run(struct program *p)
{
    static void (*const step[])(struct program *) = {
        driver_offer, driver_offer, driver_offer, driver_reap,   driver_reap,   driver_ask,
        device_take,  device_take,  device_take,  device_answer, device_answer, device_notify,
    };

    for (unsigned i = 0; i < STEPS; i++)
        step[pick(p, ARRAY_SIZE(step))](p);
    ck_assert_uint_gt(p->seen, 100);
}

static struct program program;

START_TEST(random_program_agrees_with_oracle)
{
    static const uint16_t sizes[] = {1, 2, 3, 7, 24, 33, 64};
    struct program *p = &program;

    memset(p, 0, sizeof(*p));
    p->random = (uint64_t)_i + 1;
    p->event_idx = (_i & 1) != 0;
    p->indirect = (_i & 2) != 0;
    p->packed = _i >= 28;
    p->size = (uint16_t)(p->packed ? sizes[_i % 7] : 1u << (_i % 7));
    p->cycle = p->packed ? 2u * p->size : 65536;
    const uint64_t features =
        fake_queue_features(p->event_idx, p->indirect) | (p->packed ? FAKE_RING_PACKED : 0);
    fake_memory(&p->mem, 0x200000);
    fake_ring_init(&p->ring, &p->mem, p->size, RING, features);
    const struct virtq_limits limits = {.size = SIZE_MAX_, .chain_descs = 1024};
    ck_assert_int_eq(virtq_init(&p->vq, &p->mem, 0, &limits), 0);
    p->vq.config = (struct virtq_config){.size = p->size,
                                         .ready = true,
                                         .desc = p->ring.desc,
                                         .driver = p->ring.avail,
                                         .device = p->ring.used};
    ck_assert_int_eq(virtq_start(&p->vq, features), 0);
    device_take(p);
    program_run(p);
    virtq_stop(&p->vq);
    virtq_fini(&p->vq);
    memory_destroy(&p->mem);
}
END_TEST

Suite *queue_random_suite(void);
Suite *queue_random_suite(void)
{
    Suite *suite = suite_create("queue_random");
    TCase *tcase = tcase_create("programs");

    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, random_program_agrees_with_oracle, 0, 56);
    suite_add_tcase(suite, tcase);
    return suite;
}
