/* SPDX-License-Identifier: BSD-3-Clause */
/* See sound_rig.h. */
#include "tests/devices/snd/sound_rig.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

/* Fails the test, in whatever program this is: fuzz harnesses have no Check. */
#define must(holds) must_((holds), #holds, __LINE__)
static void must_(bool holds, const char *what, int line)
{
    if (holds)
        return;
    (void)fprintf(stderr, "sound_rig.c:%d: does not hold: %s\n", line, what);
    abort();
}

#define RAM_BYTES (64ull << 20)
#define RING_ADDR 0x10000
#define HEAP_ADDR 0x100000

/* Longer than any answer takes on a machine that has much to do. */
#define ANSWER_MS 20000

/* -- simulated time -- */

static uint64_t sim_now_ns(struct timebase *timebase)
{
    return container_of(timebase, struct rig, timebase)->now_ns;
}

uint64_t rig_next_alarm(const struct rig *rig)
{
    uint64_t alarm_ns = virtio_loop(rig->dev)->alarm_ns;

    return alarm_ns == TIME_NEVER ? TIME_NEVER : MAX(alarm_ns, rig->now_ns) - rig->now_ns;
}

void rig_step(struct rig *rig)
{
    struct loop *loop = virtio_loop(rig->dev);

    if (rig->is_live)
        return;
    for (unsigned rounds = 0; rounds < 10000; rounds++) {
        struct pollfd pollfd = {.fd = loop->epoll_fd, .events = POLLIN};
        ears_hear(&rig->snd->ears);
        if (rig->others != NULL)
            rig->others();
        if (poll(&pollfd, 1, 0) == 0 && rig_next_alarm(rig) > 0)
            return;
        loop_stop(loop); /* one round */
        must(loop_run(loop) == 0);
    }
    must(false); /* the worker never came to rest */
}

void rig_advance(struct rig *rig, uint64_t ns)
{
    uint64_t end = rig->now_ns + ns;

    rig_step(rig);
    for (uint64_t next; (next = rig_next_alarm(rig)) <= end - rig->now_ns; rig_step(rig))
        rig->now_ns += next;
    rig->now_ns = end;
}

void rig_stall(struct rig *rig, uint64_t ns)
{
    rig->now_ns += ns;
    rig_step(rig);
}

/* -- life -- */

int rig_create(struct rig *rig, const char *options)
{
    *rig = (struct rig){
        .timebase = {.now_ns = sim_now_ns}, .now_ns = 1000 * RIG_MS, .heap = HEAP_ADDR};
    must(memory_create(&rig->mem, RAM_BYTES, &(struct memory_layout){0, RAM_BYTES, RAM_BYTES},
                       MEMORY_PAGES_AUTO) == 0);
    int r = fake_make(&virtio_snd, &rig->mem, options, &rig->dev);
    if (r < 0) {
        memory_destroy(&rig->mem);
        return r;
    }
    rig->snd = container_of(rig->dev, struct snd, dev);
    virtio_loop(rig->dev)->timebase = &rig->timebase;
    return 0;
}

static void drive(struct rig *rig)
{
    must(fake_start(&rig->drv, UINT64_MAX) == 15);
    rig_step(rig);
}

void rig_start(struct rig *rig, const char *options)
{
    must(rig_create(rig, options) == 0);
    ears_stop(&rig->snd->ears); /* they hear in steps, too */
    fake_driver_init(&rig->drv, rig->dev, RING_ADDR);
    drive(rig);
}

void rig_start_live(struct rig *rig, const char *options)
{
    must(rig_create(rig, options) == 0);
    rig->is_live = true;
    virtio_loop(rig->dev)->timebase = &timebase_monotonic;
    must(virtio_start(rig->dev) == 0);
    fake_driver_init(&rig->drv, rig->dev, RING_ADDR);
    must(fake_start(&rig->drv, UINT64_MAX) == 15);
}

void rig_restart(struct rig *rig)
{
    fake_write(&rig->drv, FAKE_STATUS, 0);
    rig->drv.ring_addr = RING_ADDR;
    drive(rig);
}

void rig_end(struct rig *rig)
{
    virtio_destroy(rig->dev);
    fake_driver_fini(&rig->drv);
    memory_destroy(&rig->mem);
}

/* -- guest memory -- */

gpa_t rig_alloc(struct rig *rig, uint64_t len)
{
    gpa_t addr = rig->heap;

    if (addr + len > RAM_BYTES)
        addr = HEAP_ADDR; /* around: old buffers are done with by then */
    rig->heap = (addr + len + 63) & ~63ull;
    void *host = memory_at(&rig->mem, addr, len);
    must(host != NULL);
    memset(host, 0, len);
    return addr;
}

uint32_t rig_load32(const struct rig *rig, gpa_t addr)
{
    le32 val;

    must(memory_read(&rig->mem, addr, &val, sizeof(val)) == 0);
    return from_le32(val);
}

uint32_t rig_le32(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
           (uint32_t)bytes[3] << 24;
}

static gpa_t put(struct rig *rig, const void *buf, uint32_t len)
{
    gpa_t addr = rig_alloc(rig, MAX(len, 1u));

    must(memory_write(&rig->mem, addr, buf, len) == 0);
    return addr;
}

/* -- control -- */

uint32_t rig_control(struct rig *rig, const void *request, uint32_t len, void *ret_reply,
                     uint32_t reply_len, uint32_t *ret_used)
{
    gpa_t reply = rig_alloc(rig, MAX(reply_len, 4u));
    const struct fake_piece pieces[] = {{put(rig, request, len), len, 0},
                                        {reply, reply_len, FAKE_WRITE}};
    uint32_t id, used;

    memset(memory_at(&rig->mem, reply, MAX(reply_len, 4u)), 0xee, MAX(reply_len, 4u));
    uint16_t head = rig_send(rig, RIG_CONTROL, pieces, 2);
    for (unsigned ms = 0; !fake_used(&rig->drv.ring[RIG_CONTROL], &id, &used); ms++) {
        must(ms < ANSWER_MS);
        (void)poll(NULL, 0, 1);
        rig_step(rig);
    }
    must(id == head);
    if (ret_used != NULL)
        *ret_used = used;
    if (ret_reply != NULL)
        must(memory_read(&rig->mem, reply, ret_reply, reply_len) == 0);
    return used >= 4 ? rig_load32(rig, reply) : 0;
}

gpa_t rig_ask(struct rig *rig, const void *request, uint32_t len)
{
    gpa_t reply = rig_alloc(rig, 4);
    const struct fake_piece pieces[] = {{put(rig, request, len), len, 0}, {reply, 4, FAKE_WRITE}};

    (void)rig_send(rig, RIG_CONTROL, pieces, 2);
    return reply;
}

uint32_t rig_command(struct rig *rig, uint32_t code, uint32_t stream)
{
    const le32 request[] = {to_le32(code), to_le32(stream)};
    uint32_t used;
    uint32_t status = rig_control(rig, request, sizeof(request), NULL, 4, &used);

    must(used == 4);
    return status;
}

uint32_t rig_set_params(struct rig *rig, uint32_t stream, uint32_t buffer_bytes,
                        uint32_t period_bytes, uint8_t channels, uint8_t format, uint8_t rate)
{
    const struct {
        le32 code, stream, buffer_bytes, period_bytes, features;
        uint8_t channels, format, rate, padding;
    } request = {to_le32(RIG_SET_PARAMS),
                 to_le32(stream),
                 to_le32(buffer_bytes),
                 to_le32(period_bytes),
                 to_le32(0),
                 channels,
                 format,
                 rate,
                 0};

    return rig_control(rig, &request, sizeof(request), NULL, 4, NULL);
}

void rig_prepare(struct rig *rig, uint32_t stream)
{
    must(rig_set_params(rig, stream, 4 * 1920, 1920, 2, RIG_S16, RIG_48000) == RIG_OK);
    must(rig_command(rig, RIG_PREPARE, stream) == RIG_OK);
}

/* -- messages -- */

uint16_t rig_send(struct rig *rig, unsigned queue, const struct fake_piece *pieces, unsigned count)
{
    struct fake_ring *ring = &rig->drv.ring[queue];
    uint16_t head = fake_chain(ring, pieces, count);

    fake_offer(ring, head);
    fake_write(&rig->drv, FAKE_QUEUE_NOTIFY, queue);
    rig_step(rig);
    return head;
}

uint16_t rig_play(struct rig *rig, uint32_t stream, gpa_t data, uint32_t len)
{
    const le32 header = to_le32(stream);
    gpa_t status = rig_alloc(rig, 8);
    const struct fake_piece pieces[] = {
        {put(rig, &header, 4), 4, 0}, {data, len, 0}, {status, 8, FAKE_WRITE}};

    memset(memory_at(&rig->mem, status, 8), 0xee, 8);
    uint16_t head = rig_send(rig, RIG_TX, pieces, 3);
    rig->status_of[RIG_TX][head] = status;
    return head;
}

uint16_t rig_record(struct rig *rig, uint32_t stream, gpa_t data, uint32_t len)
{
    const le32 header = to_le32(stream);
    gpa_t status = rig_alloc(rig, 8);
    const struct fake_piece pieces[] = {
        {put(rig, &header, 4), 4, 0}, {data, len, FAKE_WRITE}, {status, 8, FAKE_WRITE}};

    memset(memory_at(&rig->mem, data, len), 0xee, len);
    memset(memory_at(&rig->mem, status, 8), 0xee, 8);
    uint16_t head = rig_send(rig, RIG_RX, pieces, 3);
    rig->status_of[RIG_RX][head] = status;
    return head;
}

bool rig_done(struct rig *rig, unsigned queue, struct rig_done *ret_done)
{
    uint32_t id;

    if (!fake_used(&rig->drv.ring[queue], &id, &ret_done->used_len))
        return false;
    ret_done->head = (uint16_t)id;
    ret_done->status = rig_load32(rig, rig->status_of[queue][id]);
    ret_done->latency_bytes = rig_load32(rig, rig->status_of[queue][id] + 4);
    return true;
}

unsigned rig_done_count(struct rig *rig, unsigned queue)
{
    struct rig_done done;
    unsigned count = 0;

    while (rig_done(rig, queue, &done)) {
        must(done.status == RIG_OK);
        count++;
    }
    return count;
}
