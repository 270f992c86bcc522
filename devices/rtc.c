/* SPDX-License-Identifier: BSD-3-Clause */
/* See rtc.h. vCPU threads, one access at a time under the range's bus lock. */
#include "devices/rtc.h"

#include <string.h>
#include <time.h>

/* Registers (DDI 0224 §3.2). */
#define RTC_DATA       0x000 /* seconds, read only */
#define RTC_MATCH      0x004
#define RTC_LOAD       0x008 /* sets the seconds */
#define RTC_CONTROL    0x00c /* bit 0: runs; it always does */
#define RTC_MASK       0x010
#define RTC_PERIPH_ID  0xfe0 /* identification: eight registers of a byte */
#define CONTROL_ENABLE 1
#define MASK_ALARM     1

static const uint8_t identification[] = {
    0x31, 0x10, 0x04, 0x00, /* PL031, by Arm */
    0x0d, 0xf0, 0x05, 0xb1, /* a PrimeCell */
};

static uint32_t host_seconds(void)
{
    return (uint32_t)time(NULL);
}

static uint32_t reg_read(const struct rtc *rtc, uint64_t reg)
{
    if (reg >= RTC_PERIPH_ID)
        return identification[(reg - RTC_PERIPH_ID) / sizeof(uint32_t)];
    switch (reg) {
    case RTC_DATA:
        return host_seconds() + rtc->offset_s;
    case RTC_MATCH:
        return rtc->match;
    case RTC_LOAD:
        return host_seconds() + rtc->offset_s;
    case RTC_CONTROL:
        return CONTROL_ENABLE;
    case RTC_MASK:
        return rtc->mask;
    default: /* no interrupt is pending; what is left is reserved */
        return 0;
    }
}

static void rtc_read(void *ctx, uint64_t off, void *ret_buf, size_t len)
{
    const struct rtc *rtc = ctx;
    uint64_t within = off % sizeof(uint32_t);
    le32 value = to_le32(reg_read(rtc, off - within));

    memset(ret_buf, 0, len);
    memcpy(ret_buf, (const uint8_t *)&value + within, MIN(len, sizeof(value) - within));
}

static void rtc_write(void *ctx, uint64_t off, const void *buf, size_t len)
{
    struct rtc *rtc = ctx;
    le32 wire;

    if (len != sizeof(wire)) /* registers are written whole */
        return;
    memcpy(&wire, buf, sizeof(wire));
    switch (off) {
    case RTC_MATCH:
        rtc->match = from_le32(wire);
        break;
    case RTC_LOAD:
        rtc->offset_s = from_le32(wire) - host_seconds();
        break;
    case RTC_MASK:
        rtc->mask = from_le32(wire) & MASK_ALARM;
        break;
    default:
        break;
    }
}

const struct bus_ops rtc_ops = {.read = rtc_read, .write = rtc_write};
