/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Persistent memory (virtio 1.4 "PMEM Device"): a file of the host that the guest sees as memory
 * and may only read. Machines that have the same file share its pages, which are those of the
 * host's page cache, and a guest that mounts it with DAX has no copy of its own.
 *
 *   file   |---------------------------|  what it has, to the end of a page
 *   window |---------------------------|00000000000|  up to a multiple of 2 MiB: zeroes
 *
 * What the guest writes there is lost, so a flush is told to have failed. A file that is cut off
 * ends the machine when the guest touches what is gone (vmm/vcpu.c): nothing here reads it.
 *
 * One worker. VIRTIO_PMEM_F_SHMEM_REGION is not offered: config space says where the window is.
 */
#include "devices/blk/lock.h"
#include "devices/registry.h"

#include <fcntl.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pmem.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define ALIGN_BYTES    ((uint64_t)2 << 20)
#define SIZE_BYTES_MAX ((uint64_t)1 << 40)

struct pmem_config {
    le64 start, size;
};
_Static_assert(sizeof(struct pmem_config) == sizeof(struct virtio_pmem_config), "config space");

struct pmem {
    struct virtio_device dev;
    struct pmem_config config;
    int fd;       /* owned; locked */
    void *window; /* owned */
};

static struct pmem *pmem_of(struct virtio_device *dev)
{
    return container_of(dev, struct pmem, dev);
}

/* -- requests -- */

static void serve(struct chain *req)
{
    const le32 failed = to_le32(UINT32_MAX); /* -1 */
    le32 type;

    if (chain_read(req, &type, sizeof(type)) == 0 && from_le32(type) == VIRTIO_PMEM_REQ_TYPE_FLUSH)
        (void)chain_write(req, &failed,
                          sizeof(failed)); /* without room for it there is no answer */
}

static void pmem_notify(struct virtio_device *dev, struct virtq *vq)
{
    struct chain req;
    int r;

    while ((r = virtq_pop(vq, &req)) > 0) {
        serve(&req);
        virtq_push(vq, &req);
    }
    if (r < 0)
        virtio_fail(dev, r, "request");
    virtio_signal(dev, vq);
}

/* -- its life -- */

static int open_file(struct pmem *pmem, const char *path, uint64_t *ret_size)
{
    struct stat st;

    pmem->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (pmem->fd < 0 || fstat(pmem->fd, &st) < 0)
        return opts_error("--pmem path: %s: %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return opts_error("--pmem path: %s is not a regular file", path);
    if (st.st_size == 0)
        return opts_error("--pmem path: %s is empty; give an image", path);
    if ((uint64_t)st.st_size > SIZE_BYTES_MAX)
        return opts_error("--pmem path: %s has more than 1T", path);
    *ret_size = (uint64_t)st.st_size;
    return blk_lock(pmem->fd, "--pmem path", path, false);
}

/* Zeroes, over which the file lies. */
static int map_file(struct pmem *pmem, const char *path, uint64_t size)
{
    const uint64_t whole = round_up(size, ALIGN_BYTES);
    void *zeroes = mmap(NULL, whole, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (zeroes == MAP_FAILED)
        return log_error(-errno, "--pmem path: %s: map", path);
    pmem->window = zeroes;
    pmem->dev.window = zeroes;
    pmem->dev.window_size = whole;
    pmem->config.size = to_le64(whole);
    const void *file = mmap(zeroes, size, PROT_READ, MAP_SHARED | MAP_FIXED, pmem->fd, 0);
    if (file == MAP_FAILED)
        return log_error(-errno, "--pmem path: %s: map", path);
    return 0;
}

static int pmem_create(struct virtio_device *dev, const struct opts *opts)
{
    struct pmem *pmem = pmem_of(dev);
    const char *path = opts_str(opts, "path");
    uint64_t size;

    dev->config = (uint8_t *)&pmem->config;
    dev->config_size = sizeof(pmem->config);
    int r = open_file(pmem, path, &size);
    return r < 0 ? r : map_file(pmem, path, size);
}

static void pmem_placed(struct virtio_device *dev, gpa_t base)
{
    pmem_of(dev)->config.start = to_le64(base);
}

static void pmem_destroy(struct virtio_device *dev)
{
    struct pmem *pmem = pmem_of(dev);

    if (pmem->window != NULL)
        (void)munmap(pmem->window, dev->window_size); /* fails on our own bugs only */
    fd_close(&pmem->fd);
}

static const struct opt pmem_opts[] = {
    {.name = "path",
     .help = "image; in the guest /dev/pmem0 and so on, to be mounted with `-o ro,dax`",
     .type = OPT_PATH,
     .arg = "FILE",
     .flags = OPT_REQUIRED | OPT_POSITIONAL},
    {0},
};

const struct virtio_class virtio_pmem = {
    .name = "pmem",
    .help = "image that the guest reads as memory, and shares with other machines (virtio-pmem)",
    .id = VIRTIO_ID_PMEM,
    .features = 1ull << VIRTIO_F_IN_ORDER,
    .queue_count = 1,
    .limits = {.size = 64, .chain_descs = 8},
    .instance_size = sizeof(struct pmem),
    .instance_offset = offsetof(struct pmem, dev),
    .opts = pmem_opts,
    .create = pmem_create,
    .placed = pmem_placed,
    .destroy = pmem_destroy,
    .notify = pmem_notify,
};
