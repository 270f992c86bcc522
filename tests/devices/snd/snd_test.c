/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of devices/snd/snd.c with its real worker, and with vCPUs that race. */
#include "tests/devices/snd/sound_rig.h"

#include <check.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>

#define PERIOD_BYTES 384 /* 2 ms of S16 stereo at 48 kHz */

static struct rig rig;

static void set_up(const char *options)
{
    ck_assert_int_eq(rig_create(&rig, options), 0);
    virtio_loop(rig.dev)->timebase = &timebase_monotonic;
    fake_driver_init(&rig.drv, rig.dev, 0x10000);
    ck_assert_int_eq(virtio_start(rig.dev), 0);
    ck_assert_uint_eq(fake_start(&rig.drv, FAKE_VERSION_1 | FAKE_INDIRECT_DESC), 15);
}

/* Sends pieces and waits for them to come back, by interrupt: the used length. */
static uint32_t call(const struct fake_piece *pieces, unsigned count)
{
    uint32_t id, used;

    fake_offer(&rig.drv.ring[RIG_CONTROL], fake_chain(&rig.drv.ring[RIG_CONTROL], pieces, count));
    fake_write(&rig.drv, FAKE_QUEUE_NOTIFY, RIG_CONTROL);
    ck_assert(fake_wait_used(&rig.drv, RIG_CONTROL, &id, &used));
    return used;
}

static void command(uint32_t code, uint32_t stream)
{
    const le32 request[] = {to_le32(code), to_le32(stream)};
    gpa_t in = rig_alloc(&rig, 8), out = rig_alloc(&rig, 4);
    const struct fake_piece pieces[] = {{in, 8, 0}, {out, 4, FAKE_WRITE}};

    ck_assert_int_eq(memory_write(&rig.mem, in, request, 8), 0);
    ck_assert_uint_eq(call(pieces, 2), 4);
    ck_assert_uint_eq(rig_load32(&rig, out), RIG_OK);
}

static void prepare(uint32_t stream)
{
    const struct {
        le32 code, stream, buffer_bytes, period_bytes, features;
        uint8_t channels, format, rate, padding;
    } request = {to_le32(RIG_SET_PARAMS),
                 to_le32(stream),
                 to_le32(8 * PERIOD_BYTES),
                 to_le32(PERIOD_BYTES),
                 to_le32(0),
                 2,
                 RIG_S16,
                 RIG_48000,
                 0};
    gpa_t in = rig_alloc(&rig, sizeof(request)), out = rig_alloc(&rig, 4);
    const struct fake_piece pieces[] = {{in, sizeof(request), 0}, {out, 4, FAKE_WRITE}};

    ck_assert_int_eq(memory_write(&rig.mem, in, &request, sizeof(request)), 0);
    ck_assert_uint_eq(call(pieces, 2), 4);
    ck_assert_uint_eq(rig_load32(&rig, out), RIG_OK);
    command(RIG_PREPARE, stream);
}

static void play(uint32_t stream)
{
    const le32 id = to_le32(stream);
    gpa_t header = rig_alloc(&rig, 4), data = rig_alloc(&rig, PERIOD_BYTES);
    gpa_t status = rig_alloc(&rig, 8);
    const struct fake_piece pieces[] = {
        {header, 4, 0}, {data, PERIOD_BYTES, 0}, {status, 8, FAKE_WRITE}};
    struct fake_ring *ring = &rig.drv.ring[RIG_TX];

    ck_assert_int_eq(memory_write(&rig.mem, header, &id, 4), 0);
    uint16_t head = fake_chain(ring, pieces, 3);
    rig.status_of[RIG_TX][head] = status;
    fake_offer(ring, head);
    fake_write(&rig.drv, FAKE_QUEUE_NOTIFY, RIG_TX);
}

/* As fast as the guest feeds it: so that no time matters. */
START_TEST(plays_by_interrupts)
{
    uint32_t id, used;

    set_up("host=null,clock=free");
    prepare(0);
    for (unsigned i = 0; i < 8; i++)
        play(0);
    command(RIG_START, 0);
    for (unsigned i = 0; i < 200; i++) {
        ck_assert(fake_wait_used(&rig.drv, RIG_TX, &id, &used));
        ck_assert_uint_eq(used, 8);
        ck_assert_uint_eq(rig_load32(&rig, rig.status_of[RIG_TX][id]), RIG_OK);
        play(0);
    }
    command(RIG_STOP, 0);
    command(RIG_RELEASE, 0);
    rig_end(&rig);
}
END_TEST

struct vcpu {
    atomic_bool stop;
    atomic_uint kicks;
};

static void *kick(void *arg)
{
    struct vcpu *vcpu = arg;

    while (!atomic_load(&vcpu->stop))
        fake_write(&rig.drv, FAKE_QUEUE_NOTIFY, atomic_fetch_add(&vcpu->kicks, 1) % 5);
    return NULL;
}

/* H8, T10: a vCPU resets the device while another kicks it and periods are due. */
START_TEST(reset_races_with_kicks_and_periods)
{
    struct vcpu vcpu = {0};
    pthread_t thread;

    set_up("host=null,streams=2");
    ck_assert_int_eq(pthread_create(&thread, NULL, kick, &vcpu), 0);
    for (unsigned i = 0; i < 40; i++) {
        for (uint32_t stream = 0; stream < 2; stream++) {
            prepare(stream);
            play(stream);
            play(stream);
            command(RIG_START, stream);
        }
        for (unsigned kicks = vcpu.kicks; vcpu.kicks - kicks < 20 * i;)
            (void)sched_yield();
        fake_write(&rig.drv, FAKE_STATUS, 0);
        ck_assert_uint_eq(fake_read(&rig.drv, FAKE_STATUS), 0);
        rig.drv.ring_addr = 0x10000;
        ck_assert_uint_eq(fake_start(&rig.drv, FAKE_VERSION_1 | FAKE_INDIRECT_DESC), 15);
    }
    atomic_store(&vcpu.stop, true);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    rig_end(&rig);
}
END_TEST

/* A guest that writes its rings and buffers all the time, with all that there is in the device. */
static void *scribble(void *arg)
{
    _Atomic bool *stop = arg;
    uint32_t x = 1;

    while (!atomic_load(stop)) {
        x = x * 1664525 + 1013904223;
        uint32_t word = x;
        (void)memory_write(&rig.mem, 0x100000 + (x >> 8) % 0x8000, &word, 1);
    }
    return NULL;
}

/* H9: whatever is rewritten after it was offered, the device goes on or asks for a reset. */
START_TEST(rewritten_buffers_do_no_harm)
{
    _Atomic bool stop = false;
    pthread_t thread;

    set_up("host=null");
    prepare(0);
    gpa_t in = rig_alloc(&rig, 24), out = rig_alloc(&rig, 4), data = rig_alloc(&rig, 4096);
    command(RIG_START, 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, scribble, &stop), 0);
    for (unsigned i = 0; i < 2000; i++) {
        const struct fake_piece request[] = {{in, 24, 0}, {out, 4, FAKE_WRITE}};
        const struct fake_piece message[] = {
            {in, 4, 0}, {data, PERIOD_BYTES, 0}, {data + 2048, 8, FAKE_WRITE}};
        fake_offer(&rig.drv.ring[RIG_CONTROL], fake_chain(&rig.drv.ring[RIG_CONTROL], request, 2));
        if (i % 8 == 0)
            fake_offer(&rig.drv.ring[RIG_TX], fake_chain(&rig.drv.ring[RIG_TX], message, 3));
        fake_write(&rig.drv, FAKE_QUEUE_NOTIFY, i % 4);
        (void)sched_yield();
    }
    atomic_store(&stop, true);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    fake_write(&rig.drv, FAKE_STATUS, 0);
    ck_assert_uint_eq(fake_read(&rig.drv, FAKE_STATUS), 0);
    rig_end(&rig);
}
END_TEST

Suite *snd_suite(void);
Suite *snd_suite(void)
{
    Suite *suite = suite_create("snd/snd");
    TCase *tcase = tcase_create("threads");

    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, plays_by_interrupts);
    tcase_add_test(tcase, reset_races_with_kicks_and_periods);
#ifndef __SANITIZE_THREAD__ /* it races on purpose */
    tcase_add_test(tcase, rewritten_buffers_do_no_harm);
#else
    (void)rewritten_buffers_do_no_harm;
#endif
    suite_add_tcase(suite, tcase);
    return suite;
}
