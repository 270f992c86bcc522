/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fuzzes the clock's registers: a byte says what happens, the next ones with what.
 *
 *   0  the guest reads (offset, length)      2  time passes (seconds, of the host's clock; 255 is
 *   1  the guest writes (offset, value)         back), and the alarm's timer goes off if it is due
 *
 * Beyond memory safety: an interrupt is raised only when an alarm becomes visible unmasked, and
 * without one there is none.
 */
#include "devices/rtc.h"
#include "tests/fuzz/fuzz.h"

#include <sys/epoll.h>

static uint64_t wall_ns, now_ns, deadline_ns;
static struct rtc rtc;

static uint64_t fake_wall_ns(void)
{
    return wall_ns;
}

static uint64_t fake_now_ns(struct timebase *timebase)
{
    (void)timebase;
    return now_ns;
}

static void fake_arm(struct timebase *timebase, int fd, uint64_t ns)
{
    (void)timebase;
    must(fd == rtc.timer.fd && ns > now_ns, "the timer is armed for later");
    deadline_ns = ns;
}

static struct timebase fake_time = {fake_now_ns, fake_arm};

static uint32_t reg(uint64_t off)
{
    le32 value;

    rtc_ops.read(&rtc, off, &value, sizeof(value));
    return from_le32(value);
}

static bool edge(void)
{
    uint64_t count = 0;

    return read(rtc.irq.fd, &count, sizeof(count)) > 0;
}

static void guest_writes(struct input *in)
{
    uint64_t off = (take_byte(in) % 16) * 4ull;
    uint32_t value = take_byte(in);

    if (value >= 0x80) /* near the clock's time, where alarms are */
        value = reg(0) + value - 0xc0;
    le32 wire = to_le32(value);
    rtc_ops.write(&rtc, off, &wire, sizeof(wire));
}

static void guest_reads(struct input *in)
{
    uint8_t bytes[8];
    uint64_t off = take_byte(in) * 16ull;
    size_t len = 1 + take_byte(in) % 8u;

    rtc_ops.read(&rtc, MIN(off, RTC_SIZE - len), bytes, len);
}

static void time_passes(struct input *in)
{
    uint64_t seconds = take_byte(in);

    now_ns += seconds * SECOND_NS;
    wall_ns += (seconds == 255 ? -UINT64_C(100) : seconds) * SECOND_NS;
    if (now_ns >= deadline_ns) {
        deadline_ns = TIME_NEVER;
        rtc.timer.ready(&rtc.timer, EPOLLIN);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};

    wall_ns = UINT64_C(2000000000) * SECOND_NS;
    now_ns = SECOND_NS;
    deadline_ns = TIME_NEVER;
    must(rtc_init(&rtc, &fake_time) == 0, "the clock is made");
    rtc.wall_ns = fake_wall_ns;
    while (in.left > 0) {
        bool pending = reg(0x18) != 0;
        switch (take_byte(&in) % 3) {
        case 0:
            guest_reads(&in);
            break;
        case 1:
            guest_writes(&in);
            break;
        default:
            time_passes(&in);
            break;
        }
        must(edge() == (!pending && reg(0x18) != 0), "an edge for each alarm, and none without");
        must(reg(0x18) == (reg(0x14) & reg(0x10)), "what shows is what is not masked");
    }
    rtc_fini(&rtc);
    return 0;
}
