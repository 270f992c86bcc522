/* SPDX-License-Identifier: BSD-3-Clause */
/* See rtc.h. */
#include "devices/rtc.h"

#include <string.h>
#include <time.h>

/* Registers (DDI 0224 §3.2). */
#define RTC_DATA       0x000 /* seconds, read only */
#define RTC_MATCH      0x004
#define RTC_LOAD       0x008 /* sets the seconds */
#define RTC_CONTROL    0x00c /* bit 0: runs; it always does */
#define RTC_MASK       0x010 /* bit 0: the alarm interrupts */
#define RTC_RAW        0x014 /* bit 0: it went off */
#define RTC_MASKED     0x018 /* both */
#define RTC_CLEAR      0x01c
#define RTC_PERIPH_ID  0xfe0 /* identification: eight registers of a byte */
#define CONTROL_ENABLE 1
#define ALARM          1

static const uint8_t identification[] = {
    0x31, 0x10, 0x04, 0x00, /* PL031, by Arm */
    0x0d, 0xf0, 0x05, 0xb1, /* a PrimeCell */
};

static uint64_t wall_now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now); /* cannot fail */
    return (uint64_t)now.tv_sec * SECOND_NS + (uint64_t)now.tv_nsec;
}

static uint32_t seconds_at(const struct rtc *rtc, uint64_t wall_ns)
{
    return (uint32_t)(wall_ns / SECOND_NS) + rtc->offset_s;
}

static uint32_t seconds(const struct rtc *rtc)
{
    return seconds_at(rtc, rtc->wall_ns());
}

/* -- the alarm -- */

static void alarm_off(struct rtc *rtc)
{
    rtc->armed = false;
    if (rtc->raised)
        return;
    rtc->raised = true;
    if (rtc->unmasked)
        irq_raise(&rtc->irq);
}

/* Arms the timer for the beginning of the second that the alarm is set to: now at the earliest, in
 * 136 years at the latest. */
static void alarm_arm(struct rtc *rtc)
{
    const uint64_t wall_ns = rtc->wall_ns();
    const uint32_t left_s = rtc->match - seconds_at(rtc, wall_ns);

    rtc->armed = left_s > 0;
    if (!rtc->armed) {
        alarm_off(rtc);
        return;
    }
    rtc->timebase->arm(rtc->timebase, rtc->timer.fd,
                       rtc->timebase->now_ns(rtc->timebase) + left_s * SECOND_NS -
                           wall_ns % SECOND_NS);
}

/* The host's clock may have been set meanwhile: back, then it is not yet time. */
static void timer_ready(struct watch *watch, uint32_t events)
{
    struct rtc *rtc = container_of(watch, struct rtc, timer);
    uint64_t count;

    (void)events;
    (void)pthread_mutex_lock(&rtc->lock);
    (void)!read(watch->fd, &count, sizeof(count)); /* armed anew meanwhile: nothing to take away */
    if (rtc->armed && (int32_t)(seconds(rtc) - rtc->match) < 0)
        alarm_arm(rtc);
    else if (rtc->armed)
        alarm_off(rtc);
    (void)pthread_mutex_unlock(&rtc->lock);
}

/* -- registers -- */

static uint32_t reg_read(const struct rtc *rtc, uint64_t reg)
{
    if (reg >= RTC_PERIPH_ID)
        return identification[(reg - RTC_PERIPH_ID) / sizeof(uint32_t)];
    switch (reg) {
    case RTC_DATA:
    case RTC_LOAD:
        return seconds(rtc);
    case RTC_MATCH:
        return rtc->match;
    case RTC_CONTROL:
        return CONTROL_ENABLE;
    case RTC_MASK:
        return rtc->unmasked ? ALARM : 0;
    case RTC_RAW:
        return rtc->raised ? ALARM : 0;
    case RTC_MASKED:
        return rtc->raised && rtc->unmasked ? ALARM : 0;
    default: /* reserved */
        return 0;
    }
}

static void rtc_read(void *ctx, uint64_t off, void *ret_buf, size_t len)
{
    struct rtc *rtc = ctx;
    uint64_t within = off % sizeof(uint32_t);

    (void)pthread_mutex_lock(&rtc->lock);
    le32 value = to_le32(reg_read(rtc, off - within));
    (void)pthread_mutex_unlock(&rtc->lock);
    memset(ret_buf, 0, len);
    memcpy(ret_buf, (const uint8_t *)&value + within, MIN(len, sizeof(value) - within));
}

static void reg_write(struct rtc *rtc, uint64_t reg, uint32_t value)
{
    switch (reg) {
    case RTC_MATCH:
        rtc->match = value;
        alarm_arm(rtc);
        break;
    case RTC_LOAD:
        rtc->offset_s += value - seconds(rtc);
        alarm_arm(rtc);
        break;
    case RTC_MASK: {
        bool unmasked = (value & ALARM) != 0;
        if (rtc->raised && unmasked && !rtc->unmasked)
            irq_raise(&rtc->irq);
        rtc->unmasked = unmasked;
        break;
    }
    case RTC_CLEAR:
        if ((value & ALARM) != 0)
            rtc->raised = false;
        break;
    default:
        break;
    }
}

static void rtc_write(void *ctx, uint64_t off, const void *buf, size_t len)
{
    struct rtc *rtc = ctx;
    le32 wire;

    if (len != sizeof(wire)) /* registers are written whole */
        return;
    memcpy(&wire, buf, sizeof(wire));
    (void)pthread_mutex_lock(&rtc->lock);
    reg_write(rtc, off, from_le32(wire));
    (void)pthread_mutex_unlock(&rtc->lock);
}

const struct bus_ops rtc_ops = {.read = rtc_read, .write = rtc_write};

/* -- lifecycle -- */

int rtc_init(struct rtc *rtc, struct timebase *timebase)
{
    *rtc = (struct rtc){
        .timebase = timebase,
        .wall_ns = wall_now_ns,
        .lock = PTHREAD_MUTEX_INITIALIZER,
        .timer = {.fd = -1, .ready = timer_ready},
        .irq.fd = -1,
    };
    int r = timebase_timer();
    if (r < 0)
        return r;
    rtc->timer.fd = r;
    return irq_init(&rtc->irq);
}

void rtc_fini(struct rtc *rtc)
{
    if (rtc->timebase == NULL)
        return;
    loop_remove(&rtc->timer);
    fd_close(&rtc->timer.fd);
    irq_fini(&rtc->irq);
    rtc->timebase = NULL;
}
