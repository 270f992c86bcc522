/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory balloon (virtio 1.2 §5.5): the guest's driver hands pages over, which go back to the host
 * until the guest wants them again.
 *
 *   inflateq, deflateq   arrays of page numbers: what is to be in the balloon, and no more
 *   statsq               what the guest knows of its memory; it asks nothing by itself
 *   reportingq           free memory, in large pieces: given back, and the guest's at any moment
 *
 * A page that comes back needs nothing of us: it is made anew, zeroed, when the guest touches it.
 * So deflate requests are only returned, and there is no list of what is in the balloon. What the
 * guest says of a page in use is its own loss.
 *
 * One worker, without locks. Free page hinting (for migration) and page poisoning are not offered.
 */
#include "devices/registry.h"

#include <inttypes.h>
#include <linux/virtio_balloon.h>
#include <linux/virtio_config.h>
#include <string.h>

/* Page numbers taken of one request; Linux sends 256. */
#define PFNS_MAX       1024
#define PFN_SHIFT      12
#define PIECES_MAX     64 /* of a report; Linux sends 32 */
#define STAT_ROWS_MAX  64
#define STATS_QUEUE    2
#define STAT_NAMES_MAX 16

struct balloon_config {
    le32 num_pages; /* that the host wants to have */
    le32 actual;    /* that the driver has given */
    le32 free_page_hint_cmd_id, poison_val;
};
_Static_assert(sizeof(struct balloon_config) == sizeof(struct virtio_balloon_config), "§5.5.4");

struct balloon_stat {
    le16 tag;
    le64 val;
} __attribute__((packed));

struct balloon {
    struct virtio_device dev;
    struct balloon_config config;
    bool holding; /* the driver's statistics buffer: returned when somebody asks */
    struct chain held;
    uint64_t stats[STAT_NAMES_MAX];
    uint16_t known; /* a bit for each that the driver has told */
};

static const char *const stat_names[STAT_NAMES_MAX] = {
    [VIRTIO_BALLOON_S_SWAP_IN] = "swap-in",
    [VIRTIO_BALLOON_S_SWAP_OUT] = "swap-out",
    [VIRTIO_BALLOON_S_MAJFLT] = "major-faults",
    [VIRTIO_BALLOON_S_MINFLT] = "minor-faults",
    [VIRTIO_BALLOON_S_MEMFREE] = "free",
    [VIRTIO_BALLOON_S_MEMTOT] = "total",
    [VIRTIO_BALLOON_S_AVAIL] = "available",
    [VIRTIO_BALLOON_S_CACHES] = "caches",
    [VIRTIO_BALLOON_S_HTLB_PGALLOC] = "hugetlb-allocations",
    [VIRTIO_BALLOON_S_HTLB_PGFAIL] = "hugetlb-failures",
};

static struct balloon *balloon_of(struct virtio_device *dev)
{
    return container_of(dev, struct balloon, dev);
}

/* -- pages -- */

/* Neighbouring pages, in either direction: one call to the host for all of them. */
struct run {
    uint64_t first, count;
};

static void run_discard(const struct memory *mem, struct run *run)
{
    const uint64_t len = run->count << PFN_SHIFT;
    const void *host = memory_at(mem, run->first << PFN_SHIFT, len);

    if (run->count > 0 && host != NULL)
        memory_discard(mem, host, len);
    run->count = 0;
}

static void run_add(const struct memory *mem, struct run *run, uint32_t pfn)
{
    if (memory_at(mem, (gpa_t)pfn << PFN_SHIFT, 1u << PFN_SHIFT) == NULL)
        return; /* not RAM */
    if (run->count > 0 && pfn == run->first + run->count) {
        run->count++;
        return;
    }
    if (run->count > 0 && pfn + 1ull == run->first) {
        run->first--;
        run->count++;
        return;
    }
    run_discard(mem, run);
    *run = (struct run){pfn, 1};
}

static void inflate(struct balloon *balloon, struct chain *req)
{
    struct run run = {0};
    le32 pfn;

    for (unsigned i = 0; i < PFNS_MAX && chain_read(req, &pfn, sizeof(pfn)) == 0; i++)
        run_add(balloon->dev.mem, &run, from_le32(pfn));
    run_discard(balloon->dev.mem, &run);
}

/* What is reported is what the driver would have us write to. */
static void take_report(struct balloon *balloon, struct chain *req)
{
    struct iovec pieces[PIECES_MAX];
    int count = chain_write_iov(req, chain_writable(req), pieces, PIECES_MAX);

    for (int i = 0; i < count; i++)
        memory_discard(balloon->dev.mem, pieces[i].iov_base, pieces[i].iov_len);
    req->written = 0;
}

/* -- statistics -- */

static void take_stats(struct balloon *balloon, struct chain *req)
{
    struct balloon_stat row;

    for (unsigned i = 0; i < STAT_ROWS_MAX && chain_read(req, &row, sizeof(row)) == 0; i++) {
        uint16_t tag = from_le16(row.tag);
        if (tag >= STAT_NAMES_MAX || stat_names[tag] == NULL)
            continue;
        balloon->stats[tag] = from_le64(row.val);
        balloon->known |= (uint16_t)(1u << tag);
    }
}

/* Returns the buffer: the driver fills it anew. */
static void ask_stats(struct balloon *balloon)
{
    struct virtq *vq = &balloon->dev.queue[STATS_QUEUE];

    if (!balloon->holding)
        return;
    balloon->holding = false;
    virtq_push(vq, &balloon->held);
    virtio_signal(&balloon->dev, vq);
}

/* The one that the driver has offered waits until somebody asks; of several the last. */
static void hold_stats(struct balloon *balloon, struct chain *req)
{
    take_stats(balloon, req);
    ask_stats(balloon);
    balloon->held = *req;
    balloon->holding = true;
}

/* -- queues -- */

/* Linux numbers only the queues that it uses, so where it leaves one out, reports come in the place
 * of that. Queue 3 would be free page hinting, which is not offered. */
static bool is_stats(const struct balloon *balloon, const struct virtq *vq)
{
    return vq->index == STATS_QUEUE && virtio_has(&balloon->dev, VIRTIO_BALLOON_F_STATS_VQ);
}

static void balloon_notify(struct virtio_device *dev, struct virtq *vq)
{
    struct balloon *balloon = balloon_of(dev);
    struct chain req;
    int r;

    while ((r = virtq_pop(vq, &req)) > 0) {
        if (is_stats(balloon, vq)) {
            hold_stats(balloon, &req);
            continue;
        }
        if (vq->index == 0)
            inflate(balloon, &req);
        else if (vq->index >= STATS_QUEUE && virtio_has(dev, VIRTIO_BALLOON_F_REPORTING))
            take_report(balloon, &req);
        virtq_push(vq, &req);
    }
    if (r < 0)
        virtio_fail(dev, r, "request");
    virtio_signal(dev, vq);
}

static void balloon_config_write(struct virtio_device *dev, size_t off, const void *buf, size_t len)
{
    const size_t actual = offsetof(struct balloon_config, actual);

    if (off >= actual && off + len <= actual + sizeof(le32))
        virtio_config_take(dev, off, buf, len);
}

static void balloon_reset(struct virtio_device *dev)
{
    struct balloon *balloon = balloon_of(dev);
    const le32 none = to_le32(0);

    balloon->holding = false;
    balloon->known = 0;
    virtio_config_take(dev, offsetof(struct balloon_config, actual), &none, sizeof(none));
}

static void balloon_queue_reset(struct virtio_device *dev, struct virtq *vq)
{
    if (vq->index == STATS_QUEUE)
        balloon_of(dev)->holding = false;
}

/* -- commands -- */

static void set_size(struct balloon *balloon, uint64_t bytes)
{
    const le32 pages = to_le32((uint32_t)MIN(bytes >> PFN_SHIFT, (uint64_t)UINT32_MAX));

    virtio_config_set(&balloon->dev, offsetof(struct balloon_config, num_pages), &pages,
                      sizeof(pages));
}

static int serve_size(struct balloon *balloon, const char *word, FILE *reply)
{
    static const struct opt row = {
        "size", NULL, "", OPT_SIZE, .flags = OPT_PLAIN_MIB, .multiple = 1u << PFN_SHIFT};
    uint64_t bytes;

    if (opt_number_parse(&row, word, &bytes) < 0 || bytes > balloon->dev.mem->size)
        return virtio_refuse(reply, -EINVAL,
                             "give a size up to that of the machine's memory, such as 256M");
    set_size(balloon, bytes);
    return 0;
}

static uint64_t pages_bytes(le32 pages)
{
    return (uint64_t)from_le32(pages) << PFN_SHIFT;
}

static void serve_stats(struct balloon *balloon, FILE *reply)
{
    (void)fprintf(reply, "size %" PRIu64 "\nactual %" PRIu64 "\n",
                  pages_bytes(balloon->config.num_pages), pages_bytes(balloon->config.actual));
    for (unsigned tag = 0; tag < STAT_NAMES_MAX; tag++)
        if ((balloon->known >> tag & 1) != 0)
            (void)fprintf(reply, "%s %" PRIu64 "\n", stat_names[tag], balloon->stats[tag]);
    ask_stats(balloon);
}

/* size SIZE: what the balloon is to take. stats: what it has, and what the guest has told when it
 * was last asked; asks it anew. */
static int balloon_command(struct virtio_device *dev, const char *const words[], FILE *reply)
{
    struct balloon *balloon = balloon_of(dev);

    if (strcmp(words[0], "size") == 0 && words[1] != NULL && words[2] == NULL)
        return serve_size(balloon, words[1], reply);
    if (strcmp(words[0], "stats") != 0 || words[1] != NULL)
        return virtio_refuse(reply, -EINVAL, "a balloon takes `size SIZE` and `stats`");
    serve_stats(balloon, reply);
    return 0;
}

/* -- the class -- */

static int balloon_create(struct virtio_device *dev, const struct opts *opts)
{
    struct balloon *balloon = balloon_of(dev);

    dev->config = (uint8_t *)&balloon->config;
    dev->config_size = sizeof(balloon->config);
    if (opts_bool(opts, "reporting"))
        dev->features |= 1ull << VIRTIO_BALLOON_F_REPORTING;
    balloon->config.num_pages = to_le32((uint32_t)(opts_bytes(opts, "size") >> PFN_SHIFT));
    return 0;
}

static const struct opt balloon_opts[] = {
    {"size", "0", "memory that the guest is to hand over; `linnet control` changes it", OPT_SIZE,
     .flags = OPT_PLAIN_MIB, .max = UINT64_C(1) << 40, .multiple = 1u << PFN_SHIFT},
    {"reporting", "on", "what the guest has freed goes back to this host by itself", OPT_BOOL},
    {0},
};

const struct virtio_class virtio_balloon = {
    .name = "balloon",
    .help = "memory balloon: the guest's unused memory goes back to this host",
    .id = VIRTIO_ID_BALLOON,
    .features = 1ull << VIRTIO_F_IN_ORDER | 1ull << VIRTIO_BALLOON_F_STATS_VQ |
                1ull << VIRTIO_BALLOON_F_DEFLATE_ON_OOM,
    .queue_count = 5,
    .limits = {.size = 128, .chain_descs = 128, .held_iovs = 256},
    .instance_size = sizeof(struct balloon),
    .instance_offset = offsetof(struct balloon, dev),
    .opts = balloon_opts,
    .create = balloon_create,
    .reset = balloon_reset,
    .queue_reset = balloon_queue_reset,
    .notify = balloon_notify,
    .config_write = balloon_config_write,
    .command = balloon_command,
};
