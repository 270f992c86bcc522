/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fuzzes the watchdog's registers: a byte says what happens, the next ones with what.
 *
 *   0  the guest reads (offset, length)      2  time passes, and the timer fires, due or not
 *   1  the guest writes (offset, value)      3  the machine is paused, or resumed
 *
 * Beyond memory safety: it bites once at most, never while it is stopped or the machine paused, and
 * its count is never beyond what was loaded.
 */
#include "devices/watchdog.h"
#include "tests/fuzz/fuzz.h"

#include <sys/epoll.h>

static uint64_t now_ns;
static unsigned bites;
static bool paused;
static struct watchdog dog;

static uint64_t fake_now_ns(struct timebase *timebase)
{
    (void)timebase;
    return now_ns;
}

static void fake_arm(struct timebase *timebase, int fd, uint64_t ns)
{
    (void)timebase;
    must(fd == dog.timer.fd && (ns == TIME_NEVER || !paused), "no alarm while paused");
}

static struct timebase fake_time = {fake_now_ns, fake_arm};

static uint32_t reg(uint64_t off)
{
    le32 value;

    watchdog_ops.read(&dog, off, &value, sizeof(value));
    return from_le32(value);
}

static void bites_now(struct watchdog *watchdog)
{
    must(!paused && reg(WATCHDOG_CONTROL) == 3 && watchdog == &dog, "it runs");
    bites++;
}

static void guest_writes(struct input *in)
{
    static const uint16_t offsets[] = {0, 4, 8, 0xc, 0x10, 0xc00, 0xfe0, 0x1};
    static const uint32_t values[] = {0x1acce551, 0xffffffff, 3, 1000};
    uint8_t off = take_byte(in), value = take_byte(in);
    le32 wire = to_le32(value < 0x80 ? value : values[value % ARRAY_SIZE(values)]);

    watchdog_ops.write(&dog, offsets[off % ARRAY_SIZE(offsets)], &wire, sizeof(wire));
}

static void guest_reads(struct input *in)
{
    uint8_t bytes[8];
    uint64_t off = take_byte(in) * 16ull;
    size_t len = 1 + take_byte(in) % 8u;

    watchdog_ops.read(&dog, MIN(off, WATCHDOG_SIZE - len), bytes, len);
}

static void pause_or_resume(void)
{
    if (paused) {
        paused = false;
        watchdog_resume(&dog);
    } else {
        paused = true;
        watchdog_pause(&dog);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};

    now_ns = SECOND_NS;
    bites = 0;
    paused = false;
    dog = (struct watchdog){.hungry = bites_now};
    must(watchdog_init(&dog, &fake_time) == 0, "the watchdog is made");
    while (in.left > 0) {
        switch (take_byte(&in) % 4) {
        case 0:
            guest_reads(&in);
            break;
        case 1:
            guest_writes(&in);
            break;
        case 2:
            now_ns += (uint64_t)take_byte(&in) * 100 * MS_NS;
            dog.timer.ready(&dog.timer, EPOLLIN);
            break;
        default:
            pause_or_resume();
            break;
        }
        must(bites <= 1, "once");
        must(reg(4) <= reg(0), "the count is within bounds");
    }
    watchdog_fini(&dog);
    return 0;
}
