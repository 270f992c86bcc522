/* SPDX-License-Identifier: BSD-3-Clause */
/* See bus.h. */
#include "vmm/base/bus.h"

#include <string.h>

void bus_init(struct bus *bus)
{
    bus->count = 0;
}

void bus_fini(struct bus *bus)
{
    for (unsigned i = 0; i < bus->count; i++) {
        (void)pthread_mutex_destroy(&bus->range[i]->lock);
        free(bus->range[i]);
    }
    bus->count = 0;
}

/* Index of the first range whose base is above addr. */
static unsigned bus_above(const struct bus *bus, gpa_t addr)
{
    unsigned low = 0, high = bus->count;

    while (low < high) {
        unsigned mid = low + (high - low) / 2;
        if (bus->range[mid]->base > addr)
            high = mid;
        else
            low = mid + 1;
    }
    return low;
}

int bus_add(struct bus *bus, gpa_t base, uint64_t size, const struct bus_ops *ops, void *ctx)
{
    unsigned at = bus_above(bus, base);

    assert(size > 0 && size - 1 <= UINT64_MAX - base);
    if (bus->count == BUS_RANGES_MAX)
        return -ENOSPC;
    if (at > 0 && base - bus->range[at - 1]->base < bus->range[at - 1]->size)
        return -EEXIST;
    if (at < bus->count && bus->range[at]->base - base < size)
        return -EEXIST;
    struct bus_range *range = calloc(1, sizeof(*range));
    if (range == NULL)
        return -ENOMEM;
    *range = (struct bus_range){.base = base, .size = size, .ops = ops, .ctx = ctx};
    int r = pthread_mutex_init(&range->lock, NULL);
    if (r != 0) {
        free(range);
        return -r;
    }
    memmove(&bus->range[at + 1], &bus->range[at], (bus->count - at) * sizeof(bus->range[0]));
    bus->range[at] = range;
    bus->count++;
    return 0;
}

static struct bus_range *bus_find(const struct bus *bus, gpa_t addr, size_t len)
{
    unsigned above = bus_above(bus, addr);

    if (above == 0)
        return NULL;
    struct bus_range *range = bus->range[above - 1];
    uint64_t off = addr - range->base;
    return off < range->size && len <= range->size - off ? range : NULL;
}

static void range_lock(struct bus_range *range)
{
    if (!range->ops->locks)
        (void)pthread_mutex_lock(&range->lock); /* default kind: cannot fail */
}

static void range_unlock(struct bus_range *range)
{
    if (!range->ops->locks)
        (void)pthread_mutex_unlock(&range->lock);
}

bool bus_read(struct bus *bus, gpa_t addr, void *ret_buf, size_t len)
{
    struct bus_range *range = bus_find(bus, addr, len);

    memset(ret_buf, 0xff, len);
    if (range == NULL)
        return false;
    range_lock(range);
    range->ops->read(range->ctx, addr - range->base, ret_buf, len);
    range_unlock(range);
    return true;
}

bool bus_write(struct bus *bus, gpa_t addr, const void *buf, size_t len)
{
    struct bus_range *range = bus_find(bus, addr, len);

    if (range == NULL)
        return false;
    range_lock(range);
    range->ops->write(range->ctx, addr - range->base, buf, len);
    range_unlock(range);
    return true;
}
