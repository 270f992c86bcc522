/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The sound device alone under load, in real time: a scripted guest plays 10 ms periods on many
 * streams at once, and a loopback answers. Prints "name value unit" rows. Needs no KVM.
 *
 *   snd_load [SECONDS]
 *
 * Lateness is from a period's deadline, by the device's clock, to the moment at which the guest's
 * thread has seen it completed. (That clock is read from another thread: it is written when a
 * stream starts and when the device counts a stall, and a wrong number then and there is all that
 * can come of it.)
 */
#include "tests/devices/snd/sound_rig.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#define STREAMS_MAX 64
#define PERIODS     4 /* in a stream's buffer */
#define LATE_MAX    100000
#define FRAME_BYTES 4
#define RATE_HZ     48000

static struct rig rig;

/* A message slot: descriptor `head` always carries the same one. */
struct slot {
    uint32_t stream;
    gpa_t data;
};
static struct slot slots[2][STREAMS_MAX * PERIODS]; /* tx, rx */

static uint64_t periods_ended[STREAMS_MAX];

static uint64_t late_ns[LATE_MAX];
static size_t late_count;

static void must(bool holds, const char *what)
{
    if (holds)
        return;
    (void)fprintf(stderr, "snd_load: %s\n", what);
    exit(1);
}

static uint64_t now_ns(void)
{
    return timebase_monotonic.now_ns(&timebase_monotonic);
}

/* -- the guest -- */

static void request(const void *bytes, uint32_t len)
{
    struct fake_ring *ring = &rig.drv.ring[RIG_CONTROL];
    gpa_t in = rig_alloc(&rig, len), out = rig_alloc(&rig, 4);
    const struct fake_piece pieces[] = {{in, len, 0}, {out, 4, FAKE_WRITE}};
    uint32_t id, used;

    must(memory_write(&rig.mem, in, bytes, len) == 0, "guest memory");
    fake_used_event_set(ring, ring->used_seen);
    fake_offer(ring, fake_chain(ring, pieces, 2));
    fake_write(&rig.drv, FAKE_QUEUE_NOTIFY, RIG_CONTROL);
    must(fake_wait_used(&rig.drv, RIG_CONTROL, &id, &used), "no answer to a request");
    must(rig_load32(&rig, out) == RIG_OK, "a request failed");
}

static void command(uint32_t code, uint32_t stream)
{
    const le32 bytes[] = {to_le32(code), to_le32(stream)};

    request(bytes, sizeof(bytes));
}

static void prepare(uint32_t stream, uint32_t period_frames)
{
    const struct {
        le32 code, stream, buffer_bytes, period_bytes, features;
        uint8_t channels, format, rate, padding;
    } bytes = {to_le32(RIG_SET_PARAMS),
               to_le32(stream),
               to_le32(PERIODS * period_frames * FRAME_BYTES),
               to_le32(period_frames * FRAME_BYTES),
               to_le32(0),
               2,
               RIG_S16,
               RIG_48000,
               0};

    request(&bytes, sizeof(bytes));
    command(RIG_PREPARE, stream);
}

/* Gives slot `head` of tx (0) or rx (1) to the device; kicks if it wants that. */
static void offer(unsigned rx, uint16_t head)
{
    struct fake_ring *ring = &rig.drv.ring[RIG_TX + rx];
    uint16_t old = ring->avail_idx;

    fake_offer(ring, head);
    if (fake_kick_wanted(ring, old, true))
        fake_write(&rig.drv, FAKE_QUEUE_NOTIFY, RIG_TX + rx);
}

/* Makes the slots of a stream: one descriptor each, with an indirect table behind it. */
static void slots_make(unsigned rx, uint32_t stream, uint16_t first, uint32_t period_frames)
{
    struct fake_ring *ring = &rig.drv.ring[RIG_TX + rx];
    const le32 id = to_le32(stream);
    gpa_t header = rig_alloc(&rig, 4);

    must(memory_write(&rig.mem, header, &id, 4) == 0, "guest memory");
    for (uint16_t head = first; head < first + PERIODS; head++) {
        gpa_t table = rig_alloc(&rig, 48), data = rig_alloc(&rig, period_frames * FRAME_BYTES);
        const struct fake_piece pieces[] = {
            {header, 4, FAKE_NEXT},
            {data, period_frames * FRAME_BYTES, (uint16_t)(FAKE_NEXT | (rx ? FAKE_WRITE : 0))},
            {rig_alloc(&rig, 8), 8, FAKE_WRITE}};
        for (uint32_t i = 0; i < 3; i++)
            fake_desc(&rig.mem, table, i, pieces[i], (uint16_t)(i + 1));
        fake_desc(&rig.mem, ring->desc, head, (struct fake_piece){table, 48, FAKE_INDIRECT}, 0);
        slots[rx][head] = (struct slot){.stream = stream, .data = data};
    }
}

static void device_make(const char *options)
{
    must(rig_create(&rig, options) == 0, "no device");
    virtio_loop(rig.dev)->timebase = &timebase_monotonic;
    fake_driver_init(&rig.drv, rig.dev, 0x10000);
    must(virtio_start(rig.dev) == 0, "no threads");
    /* Split rings: slots_make() fills their descriptors by hand. */
    must(fake_start(&rig.drv, ~(FAKE_RING_PACKED | FAKE_IN_ORDER)) == 15,
         "the driver does not start");
}

/* -- many streams -- */

/* When so many periods of a stream have been played. */
static uint64_t deadline_ns(uint32_t stream, uint64_t periods, uint32_t period_frames)
{
    return clock_when(&rig.snd->pcm.streams[stream].clock, 0, periods * period_frames);
}

static void note_end(uint32_t stream, uint32_t period_frames)
{
    uint64_t due = deadline_ns(stream, ++periods_ended[stream], period_frames), now = now_ns();

    if (late_count < LATE_MAX)
        late_ns[late_count++] = now > due ? now - due : 0;
}

/* Takes what came back and offers it again, until nothing is left. */
static uint64_t take_played(void)
{
    struct fake_ring *ring = &rig.drv.ring[RIG_TX];
    uint64_t count = 0;
    uint32_t id, used;

    do {
        for (; fake_used(ring, &id, &used); count++) {
            note_end(slots[0][id].stream, RATE_HZ / 100);
            offer(0, (uint16_t)id);
        }
        fake_used_event_set(ring, ring->used_seen);
        __sync_synchronize(); /* the wish for an interrupt is out before the last look */
    } while (fake_used_idx(ring) != ring->used_seen);
    return count;
}

static int by_size(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

    return (left > right) - (left < right);
}

static uint64_t cpu_us(void)
{
    struct rusage usage;

    (void)getrusage(RUSAGE_SELF, &usage);
    return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
           (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static void counts_print(uint32_t streams)
{
    uint64_t xruns = 0, stalls = 0, worst = 0;

    for (uint32_t s = 0; s < streams; s++) {
        const struct stream_counts *counts = &rig.snd->pcm.streams[s].counts;
        xruns += counts->xruns;
        stalls += counts->stalls;
        worst = MAX(worst, counts->late_max_ns); /* a stall has moved the deadline we go by */
    }
    printf("snd.%u_streams.xruns %llu 1\n", streams, (unsigned long long)xruns);
    printf("snd.%u_streams.stalls %llu 1\n", streams, (unsigned long long)stalls);
    qsort(late_ns, late_count, sizeof(late_ns[0]), by_size);
    printf("snd.%u_streams.late_p50 %.1f us\n", streams, (double)late_ns[late_count / 2] / 1e3);
    printf("snd.%u_streams.late_p99 %.1f us\n", streams,
           (double)late_ns[late_count - 1 - late_count / 100] / 1e3);
    worst = MAX(worst, late_ns[late_count - 1]);
    printf("snd.%u_streams.late_max %.1f us\n", streams, (double)worst / 1e3);
}

static void many_streams(uint32_t streams, uint64_t seconds)
{
    char options[64];

    (void)snprintf(options, sizeof(options), "host=null,streams=%u", streams);
    device_make(options);
    late_count = 0;
    for (uint32_t s = 0; s < streams; s++) {
        prepare(s, RATE_HZ / 100);
        slots_make(0, s, (uint16_t)(s * PERIODS), RATE_HZ / 100);
        for (uint16_t i = 0; i < PERIODS; i++)
            offer(0, (uint16_t)(s * PERIODS + i));
    }
    for (uint32_t s = 0; s < streams; s++) {
        periods_ended[s] = 0;
        command(RIG_START, s);
    }
    uint64_t begin = now_ns(), cpu = cpu_us(), played = 0;
    while (now_ns() - begin < seconds * 1000 * RIG_MS) {
        played += take_played();
        (void)fake_wait_irq(&rig.drv, 100);
    }
    cpu = cpu_us() - cpu;
    must(played > 0, "nothing was played");
    counts_print(streams);
    printf("snd.%u_streams.cpu %.1f us/s\n", streams, (double)cpu / (double)(seconds * streams));
    rig_end(&rig);
}

/* -- loopback -- */

/* The guest's playback: at times a period begins with a loud frame, the one before which
 * *ret_periods are. */
static void loopback_played(bool *under_way, uint64_t *ret_periods)
{
    struct fake_ring *ring = &rig.drv.ring[RIG_TX];
    uint32_t id, used;

    for (; fake_used(ring, &id, &used); periods_ended[0]++) {
        uint32_t mark = !*under_way;
        if (mark != 0)
            *ret_periods = periods_ended[0] + PERIODS;
        *under_way = true;
        must(memory_write(&rig.mem, slots[0][id].data, &mark, 4) == 0, "guest memory");
        offer(0, (uint16_t)id);
    }
    fake_used_event_set(ring, ring->used_seen);
}

/* Whether a loud frame was recorded. */
static bool loopback_recorded(uint32_t period_frames)
{
    struct fake_ring *ring = &rig.drv.ring[RIG_RX];
    bool loud = false;
    uint32_t id, used;

    while (fake_used(ring, &id, &used)) {
        const uint32_t *frames =
            memory_at(&rig.mem, slots[1][id].data, period_frames * FRAME_BYTES);
        for (uint32_t i = 0; i < period_frames; i++)
            loud |= frames[i] != 0;
        offer(1, (uint16_t)id);
    }
    fake_used_event_set(ring, ring->used_seen);
    return loud;
}

/* From the moment at which a frame is played to that at which the guest has it recorded. */
static void loopback_latency(uint32_t period_frames)
{
    uint64_t period_ns = frames_to_ns(period_frames, RATE_HZ);
    uint64_t worst = 0, sum = 0, count = 0, periods = 0, begin = now_ns();
    bool under_way = false;

    device_make("host=loopback");
    for (uint32_t s = 0; s < 2; s++) {
        prepare(s, period_frames);
        slots_make(s, s, 0, period_frames);
        for (uint16_t i = 0; i < PERIODS; i++)
            offer(s, i);
    }
    periods_ended[0] = 0;
    command(RIG_START, 1);
    command(RIG_START, 0);
    while (count < 50) {
        loopback_played(&under_way, &periods);
        if (loopback_recorded(period_frames)) {
            uint64_t took = now_ns() - deadline_ns(0, periods, period_frames);
            worst = MAX(worst, took);
            sum += took;
            count++;
            under_way = false;
        }
        (void)fake_wait_irq(&rig.drv, 2);
        must(now_ns() - begin < 60000 * RIG_MS, "the loopback does not answer");
    }
    printf("snd.loopback.%.1fms.mean %.2f ms\n", (double)period_ns / 1e6,
           (double)sum / (double)count / 1e6);
    printf("snd.loopback.%.1fms.max %.2f ms\n", (double)period_ns / 1e6, (double)worst / 1e6);
    rig_end(&rig);
}

int main(int argc, char *argv[])
{
    static const uint32_t periods[] = {48, 120, 240, 480};
    uint64_t seconds = argc > 1 ? strtoull(argv[1], NULL, 10) : 10;

    must(seconds > 0 && seconds < 3600, "give seconds");
    many_streams(1, seconds);
    many_streams(16, seconds);
    many_streams(64, seconds);
    for (size_t i = 0; i < ARRAY_SIZE(periods); i++)
        loopback_latency(periods[i]);
    return 0;
}
