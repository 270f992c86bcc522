/* SPDX-License-Identifier: BSD-3-Clause */
/* See msix.h. */
#include "virtio/msix.h"

#include "virtio/pci.h"

#include <linux/pci_regs.h>
#include <string.h>

int msix_init(struct msix *msix, uint16_t count, struct pci_host *host)
{
    assert(count > 0 && count <= MSIX_VECTORS_MAX);
    *msix = (struct msix){.host = host, .count = count};
    (void)pthread_mutex_init(&msix->lock, NULL); /* default kind: cannot fail */
    msix->entry = calloc(count, sizeof(msix->entry[0]));
    msix->source = calloc(count, sizeof(msix->source[0]));
    if (msix->entry == NULL || msix->source == NULL)
        return -ENOMEM;
    for (uint16_t i = 0; i < count; i++) {
        msix->entry[i].control = to_le32(PCI_MSIX_ENTRY_CTRL_MASKBIT);
        msix->source[i] = (struct msix_source){.vector = MSIX_NO_VECTOR, .fd = -1};
    }
    return 0;
}

void msix_fini(struct msix *msix)
{
    if (msix->count == 0)
        return;
    free(msix->entry);
    free(msix->source);
    (void)pthread_mutex_destroy(&msix->lock);
    *msix = (struct msix){0};
}

static void msix_lock(struct msix *msix)
{
    (void)pthread_mutex_lock(&msix->lock); /* default kind: cannot fail */
}

static void msix_unlock(struct msix *msix)
{
    (void)pthread_mutex_unlock(&msix->lock);
}

static void set_pending(struct msix *msix, uint16_t vector, bool pending)
{
    le64 *word = &msix->pending[vector / 64];
    uint64_t bit = UINT64_C(1) << vector % 64;

    *word = to_le64(pending ? from_le64(*word) | bit : from_le64(*word) & ~bit);
}

static bool is_masked(const struct msix *msix, uint16_t vector)
{
    return !msix->enabled || msix->masked ||
           (from_le32(msix->entry[vector].control) & PCI_MSIX_ENTRY_CTRL_MASKBIT) != 0;
}

static uint64_t address_of(const struct msix_entry *entry)
{
    return (uint64_t)from_le32(entry->address_high) << 32 | from_le32(entry->address_low);
}

/* Sends it, or leaves it pending. */
static void deliver(struct msix *msix, uint16_t vector)
{
    const struct msix_entry *entry = &msix->entry[vector];
    bool masked = is_masked(msix, vector);

    set_pending(msix, vector, masked);
    if (!masked)
        msix->host->message(msix->host, address_of(entry), from_le32(entry->data));
}

/* Whatever decides it has changed: does the bus hear the source's eventfd, and for which message?
 * Once it is unbound what it heard was sent. */
static void bind(struct msix *msix, struct msix_source *source)
{
    bool was_bound = source->bound;

    source->bound = false;
    if (source->fd >= 0 && source->vector < msix->count && !is_masked(msix, source->vector)) {
        const struct msix_entry *entry = &msix->entry[source->vector];
        source->bound =
            msix->host->bind(msix->host, source->fd, address_of(entry), from_le32(entry->data));
    } else if (was_bound) {
        msix->host->unbind(msix->host, source->fd);
    }
}

/* Those whose vectors are among [first, end). */
static void bind_all(struct msix *msix, size_t first, size_t end)
{
    for (uint16_t i = 0; i < msix->count; i++)
        if (msix->source[i].vector >= first && msix->source[i].vector < end)
            bind(msix, &msix->source[i]);
}

/* Those of [first, end) that are due. */
static void deliver_pending(struct msix *msix, size_t first, size_t end)
{
    for (size_t v = first; v < end; v++)
        if ((from_le64(msix->pending[v / 64]) >> v % 64 & 1) != 0)
            deliver(msix, (uint16_t)v);
}

void msix_control(struct msix *msix, bool enabled, bool masked)
{
    msix_lock(msix);
    if (!enabled) /* what was due is forgotten: the driver has turned to other means */
        memset(msix->pending, 0, sizeof(msix->pending));
    msix->enabled = enabled;
    msix->masked = masked;
    bind_all(msix, 0, msix->count);
    deliver_pending(msix, 0, msix->count);
    msix_unlock(msix);
}

uint16_t msix_vector(const struct msix *msix, unsigned source)
{
    return msix->source[source].vector;
}

void msix_vector_set(struct msix *msix, unsigned source, uint64_t vector)
{
    msix_lock(msix);
    msix->source[source].vector = vector < msix->count ? (uint16_t)vector : MSIX_NO_VECTOR;
    bind(msix, &msix->source[source]);
    msix_unlock(msix);
}

void msix_lend(struct msix *msix, unsigned source, int fd)
{
    struct msix_source *lent = &msix->source[source];

    msix_lock(msix);
    if (lent->bound)
        msix->host->unbind(msix->host, lent->fd);
    lent->bound = false;
    lent->fd = fd;
    bind(msix, lent);
    msix_unlock(msix);
}

bool msix_signal(struct msix *msix, unsigned source)
{
    const struct msix_source *of = &msix->source[source];

    msix_lock(msix);
    bool enabled = msix->enabled;
    if (enabled && of->vector < msix->count && !of->bound)
        deliver(msix, of->vector);
    msix_unlock(msix);
    return enabled;
}

/* How many of `len` bytes from `off` on are among `size`. */
static size_t inside(size_t off, size_t len, size_t size)
{
    return off < size ? MIN(len, size - off) : 0;
}

void msix_table_read(struct msix *msix, size_t off, void *ret_buf, size_t len)
{
    size_t n = inside(off, len, msix->count * sizeof(msix->entry[0]));

    memset(ret_buf, 0, len);
    msix_lock(msix);
    if (n > 0)
        memcpy(ret_buf, (const uint8_t *)msix->entry + off, n);
    msix_unlock(msix);
}

void msix_table_write(struct msix *msix, size_t off, const void *buf, size_t len)
{
    size_t n = inside(off, len, msix->count * sizeof(msix->entry[0]));

    if (n == 0)
        return;
    size_t first = off / MSIX_ENTRY_BYTES, end = (off + n - 1) / MSIX_ENTRY_BYTES + 1;
    msix_lock(msix);
    memcpy((uint8_t *)msix->entry + off, buf, n);
    for (size_t v = first; v < end; v++) /* the other bits are reserved */
        msix->entry[v].control =
            to_le32(from_le32(msix->entry[v].control) & PCI_MSIX_ENTRY_CTRL_MASKBIT);
    bind_all(msix, first, end);
    deliver_pending(msix, first, end);
    msix_unlock(msix);
}

void msix_pending_read(struct msix *msix, size_t off, void *ret_buf, size_t len)
{
    size_t size = (msix->count + 63U) / 64 * MSIX_PENDING_WORD;
    size_t n = inside(off, len, size);

    memset(ret_buf, 0, len);
    msix_lock(msix);
    if (n > 0)
        memcpy(ret_buf, (const uint8_t *)msix->pending + off, n);
    msix_unlock(msix);
}
