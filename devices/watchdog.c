/* SPDX-License-Identifier: BSD-3-Clause */
/* See watchdog.h. */
#include "devices/watchdog.h"

#include <string.h>

/* The other registers (DDI 0270 §3.2). */
#define VALUE         0x004 /* what the count is at, read only */
#define RAW           0x010 /* bit 0: it has been at 0 once, read only */
#define MASKED        0x014
#define LOCK          0xc00
#define LOCK_KEY      0x1acce551 /* opens it; anything else closes it */
#define PERIPH_ID     0xfe0      /* identification: eight registers of a byte */
#define CONTROL_MASK  (WATCHDOG_CONTROL_COUNTS | WATCHDOG_CONTROL_ENDS)
#define LOAD_AT_FIRST UINT32_MAX
#define TICK_NS       (SECOND_NS / WATCHDOG_HZ)

static const uint8_t identification[] = {
    0x05, 0x18, 0x14, 0x00, /* SP805, by Arm */
    0x0d, 0xf0, 0x05, 0xb1, /* a PrimeCell */
};

static bool counts(const struct watchdog *watchdog)
{
    return (watchdog->control & WATCHDOG_CONTROL_COUNTS) != 0;
}

static uint64_t ticks_of_a_round(const struct watchdog *watchdog)
{
    return (uint64_t)watchdog->load + 1;
}

/* Since it was fed. */
static uint64_t ticks(const struct watchdog *watchdog)
{
    uint64_t now_ns = watchdog->stood_ns != 0 ? watchdog->stood_ns
                                              : watchdog->timebase->now_ns(watchdog->timebase);

    return counts(watchdog) ? (now_ns - watchdog->fed_ns) / TICK_NS : 0;
}

static void arm(struct watchdog *watchdog)
{
    bool ends = watchdog->control == CONTROL_MASK && watchdog->stood_ns == 0 && !watchdog->ended;
    uint64_t end_ns = watchdog->fed_ns + 2 * ticks_of_a_round(watchdog) * TICK_NS;

    watchdog->timebase->arm(watchdog->timebase, watchdog->timer.fd, ends ? end_ns : TIME_NEVER);
}

static void feed(struct watchdog *watchdog)
{
    watchdog->fed_ns = watchdog->timebase->now_ns(watchdog->timebase);
    arm(watchdog);
}

static void timer_ready(struct watch *watch, uint32_t events)
{
    struct watchdog *watchdog = container_of(watch, struct watchdog, timer);
    uint64_t count;

    (void)events;
    (void)pthread_mutex_lock(&watchdog->lock);
    (void)!read(watch->fd, &count, sizeof(count)); /* armed anew meanwhile: nothing to take away */
    bool ends = watchdog->control == CONTROL_MASK && watchdog->stood_ns == 0 && !watchdog->ended &&
                ticks(watchdog) >= 2 * ticks_of_a_round(watchdog);
    watchdog->ended |= ends;
    (void)pthread_mutex_unlock(&watchdog->lock);
    if (ends)
        watchdog->hungry(watchdog);
}

/* -- registers -- */

static uint32_t reg_read(const struct watchdog *watchdog, uint64_t reg)
{
    const uint64_t round = ticks_of_a_round(watchdog), at = ticks(watchdog);

    if (reg >= PERIPH_ID)
        return identification[(reg - PERIPH_ID) / sizeof(uint32_t)];
    switch (reg) {
    case WATCHDOG_LOAD:
        return watchdog->load;
    case VALUE:
        return watchdog->load - (uint32_t)(at % round);
    case WATCHDOG_CONTROL:
        return watchdog->control;
    case RAW:
    case MASKED:
        return at >= round;
    case LOCK:
        return watchdog->locked;
    default: /* reserved, write only */
        return 0;
    }
}

static void watchdog_read(void *ctx, uint64_t off, void *ret_buf, size_t len)
{
    struct watchdog *watchdog = ctx;
    uint64_t within = off % sizeof(uint32_t);

    (void)pthread_mutex_lock(&watchdog->lock);
    le32 value = to_le32(reg_read(watchdog, off - within));
    (void)pthread_mutex_unlock(&watchdog->lock);
    memset(ret_buf, 0, len);
    memcpy(ret_buf, (const uint8_t *)&value + within, MIN(len, sizeof(value) - within));
}

static void reg_write(struct watchdog *watchdog, uint64_t reg, uint32_t value)
{
    if (reg == LOCK)
        watchdog->locked = value != LOCK_KEY;
    if (watchdog->locked)
        return;
    switch (reg) {
    case WATCHDOG_LOAD: /* also takes back the warning, which a real one does not */
        watchdog->load = value;
        feed(watchdog);
        break;
    case WATCHDOG_CONTROL: {
        bool counted = counts(watchdog);
        watchdog->control = value & CONTROL_MASK;
        if (counts(watchdog) && !counted)
            feed(watchdog);
        else
            arm(watchdog);
        break;
    }
    case WATCHDOG_CLEAR:
        feed(watchdog);
        break;
    default:
        break;
    }
}

static void watchdog_write(void *ctx, uint64_t off, const void *buf, size_t len)
{
    struct watchdog *watchdog = ctx;
    le32 wire;

    if (len != sizeof(wire)) /* registers are written whole */
        return;
    memcpy(&wire, buf, sizeof(wire));
    (void)pthread_mutex_lock(&watchdog->lock);
    reg_write(watchdog, off, from_le32(wire));
    (void)pthread_mutex_unlock(&watchdog->lock);
}

const struct bus_ops watchdog_ops = {.read = watchdog_read, .write = watchdog_write};

/* -- life -- */

int watchdog_init(struct watchdog *watchdog, struct timebase *timebase)
{
    *watchdog = (struct watchdog){
        .timebase = timebase,
        .hungry = watchdog->hungry,
        .timer = {.fd = -1, .ready = timer_ready},
        .lock = PTHREAD_MUTEX_INITIALIZER,
        .load = LOAD_AT_FIRST,
    };
    int r = timebase_timer();
    if (r < 0)
        return r;
    watchdog->timer.fd = r;
    return 0;
}

void watchdog_fini(struct watchdog *watchdog)
{
    if (watchdog->timebase == NULL)
        return;
    loop_remove(&watchdog->timer);
    fd_close(&watchdog->timer.fd);
    watchdog->timebase = NULL;
}

void watchdog_pause(struct watchdog *watchdog)
{
    if (watchdog->timebase == NULL)
        return;
    (void)pthread_mutex_lock(&watchdog->lock);
    watchdog->stood_ns = watchdog->timebase->now_ns(watchdog->timebase);
    arm(watchdog);
    (void)pthread_mutex_unlock(&watchdog->lock);
}

void watchdog_resume(struct watchdog *watchdog)
{
    if (watchdog->timebase == NULL)
        return;
    (void)pthread_mutex_lock(&watchdog->lock);
    watchdog->fed_ns += watchdog->timebase->now_ns(watchdog->timebase) - watchdog->stood_ns;
    watchdog->stood_ns = 0;
    arm(watchdog);
    (void)pthread_mutex_unlock(&watchdog->lock);
}
