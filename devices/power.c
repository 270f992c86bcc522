/* SPDX-License-Identifier: BSD-3-Clause */
/* See power.h. vCPU threads, under the range's bus lock; no state. */
#include "devices/power.h"

#include <string.h>

#define SLEEP_ENABLE     0x20 /* sleep control: SLP_EN */
#define SLEEP_TYPE_SHIFT 2
#define SLEEP_TYPE_MASK  0x07

#define I8042_RESET 0xfe /* pulse output line 0, which is the CPU's reset */

#define PVPANIC_PANICKED 0x01

static void power_read(void *ctx, uint64_t off, void *ret_buf, size_t len)
{
    (void)ctx;
    (void)off;
    memset(ret_buf, 0, len); /* sleep status: never woken, because never asleep */
}

static void power_write(void *ctx, uint64_t off, const void *buf, size_t len)
{
    struct power *power = ctx;
    uint8_t value = *(const uint8_t *)buf;

    (void)len;
    if (off == POWER_RESET && value == POWER_RESET_VALUE)
        power->event(power, POWER_EVENT_RESET);
    if (off == POWER_SLEEP_CONTROL && (value & SLEEP_ENABLE) != 0 &&
        (value >> SLEEP_TYPE_SHIFT & SLEEP_TYPE_MASK) == POWER_S5_TYPE)
        power->event(power, POWER_EVENT_OFF);
}

const struct bus_ops power_ops = {.read = power_read, .write = power_write};

/* Status 0: input buffer empty, so that a driver which wants the reset pulse sends it at once. */
static void i8042_read(void *ctx, uint64_t off, void *ret_buf, size_t len)
{
    (void)ctx;
    (void)off;
    memset(ret_buf, 0, len);
}

static void i8042_write(void *ctx, uint64_t off, const void *buf, size_t len)
{
    struct power *power = ctx;

    (void)off;
    (void)len;
    if (*(const uint8_t *)buf == I8042_RESET)
        power->event(power, POWER_EVENT_RESET);
}

const struct bus_ops i8042_ops = {.read = i8042_read, .write = i8042_write};

static void pvpanic_read(void *ctx, uint64_t off, void *ret_buf, size_t len)
{
    (void)ctx;
    (void)off;
    memset(ret_buf, PVPANIC_PANICKED, len); /* the events we understand */
}

static void pvpanic_write(void *ctx, uint64_t off, const void *buf, size_t len)
{
    struct power *power = ctx;

    (void)off;
    (void)len;
    if ((*(const uint8_t *)buf & PVPANIC_PANICKED) != 0)
        power->event(power, POWER_EVENT_PANIC);
}

const struct bus_ops pvpanic_ops = {.read = pvpanic_read, .write = pvpanic_write};
