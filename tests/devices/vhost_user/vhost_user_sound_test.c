/* SPDX-License-Identifier: BSD-3-Clause */
/* Our front-end with a back-end that does as vhost-device-sound does (sound_backend.h), and a
 * driver that does as Linux's virtio_snd: a whole card, from its discovery to its end. */
#include "devices/registry.h"

#include "tests/capture.h"
#include "tests/devices/vhost_user/sound_backend.h"
#include "tests/entries.h"
#include "tests/fake_driver.h"

#include <check.h>
#include <string.h>

#define RINGS        0x10000
#define HIGH         0x100000000 /* where RAM goes on */
#define REQUEST      0x100000
#define ANSWER       0x101000
#define PERIODS      (HIGH + 0x10000) /* a page each */
#define PERIOD_BYTES 1920u
#define EVENTS       0x102000
#define OK           0x8000u

enum { CONTROL, EVENT, TX, RX };

static struct memory mem;
static struct virtio_device *dev;
static struct fake_driver drv;
static struct sound_backend backend;
static struct capture capture;
static unsigned open_before;

static void setup(void)
{
    open_before = entries_count("/proc/self/fd");
    capture_start(&capture);
    backend = (struct sound_backend){.config_bytes = 12};
    ck_assert_int_eq(memory_create(&mem, 0x400000, &(struct memory_layout){0, 0x200000, HIGH},
                                   MEMORY_PAGES_AUTO),
                     0);
}

static void make(void)
{
    struct opts *opts;
    char keys[64];

    (void)snprintf(keys, sizeof(keys), "kind=snd,fd=%d", sound_backend_start(&backend));
    ck_assert_int_eq(opts_create(virtio_vhost_user.opts, &opts), 0);
    ck_assert_int_eq(opts_parse(opts, "", keys), 0);
    ck_assert_msg(fake_create(&virtio_vhost_user, 0, &mem, opts, &dev) == 0, "%s",
                  capture_look(&capture));
    opts_destroy(opts);
    fake_driver_init(&drv, dev, RINGS);
    ck_assert_int_eq(virtio_start(dev), 0);
}

/* It was a good front-end to the end, and nobody had anything to say. */
static void end(void)
{
    virtio_destroy(dev);
    fake_driver_fini(&drv);
    sound_backend_stop(&backend);
    ck_assert_msg(backend.broken == NULL, "broken: %s", backend.broken);
    ck_assert_str_eq(capture_look(&capture), "");
}

static void teardown(void)
{
    memory_destroy(&mem);
    (void)capture_end(&capture);
    ck_assert_uint_eq(entries_count("/proc/self/fd"), open_before);
}

/* -- the driver -- */

static void offer(uint16_t queue, const struct fake_piece *pieces, unsigned count)
{
    struct fake_ring *ring = &drv.ring[queue];

    fake_used_event_set(ring, ring->used_seen);
    fake_offer(ring, fake_chain(ring, pieces, count));
    fake_write(&drv, FAKE_QUEUE_NOTIFY, queue);
}

/* The status of the answer, which has `room` bytes behind that. */
static uint32_t control(const uint32_t *words, uint32_t count, uint32_t room)
{
    const struct fake_piece pieces[] = {
        {REQUEST, 4 * count, 0}, {ANSWER, 4, FAKE_WRITE}, {ANSWER + 4, room, FAKE_WRITE}};
    uint32_t id, len, status = 0;

    ck_assert_int_eq(memory_write(&mem, REQUEST, words, 4ull * count), 0);
    offer(CONTROL, pieces, room > 0 ? 3 : 2);
    ck_assert(fake_wait_used(&drv, CONTROL, &id, &len));
    ck_assert_int_eq(memory_read(&mem, ANSWER, &status, 4), 0);
    ck_assert_uint_eq(len, status == OK ? 4 + room : 4);
    return status;
}

static uint32_t command(uint32_t code, uint32_t stream)
{
    const uint32_t words[4] = {code, stream};

    return control(words, 2, 0);
}

/* S16, stereo, 48 kHz. */
static void prepare(uint32_t stream)
{
    const uint32_t words[6] = {0x0101,       stream, 4 * PERIOD_BYTES,
                               PERIOD_BYTES, 0,      2 | 5u << 8 | 7u << 16};

    ck_assert_uint_eq(control(words, 6, 0), OK);
    ck_assert_uint_eq(command(0x0102, stream), OK);
}

static void play(unsigned n)
{
    const gpa_t at = PERIODS + n % 16 * 4096;
    const struct fake_piece pieces[] = {
        {at, 4, 0}, {at + 4, PERIOD_BYTES, 0}, {at + 2048, 8, FAKE_WRITE}};
    uint32_t id, len, status[2];

    memset(memory_at(&mem, at, 4096), 0, 4096);
    offer(TX, pieces, 3);
    ck_assert(fake_wait_used(&drv, TX, &id, &len));
    ck_assert_uint_eq(len, 8);
    ck_assert_int_eq(memory_read(&mem, at + 2048, status, 8), 0);
    ck_assert_uint_eq(status[0], OK);
}

/* A buffer that stays with the back-end. */
static void lend(uint16_t queue)
{
    const struct fake_piece pieces[] = {{EVENTS, 4, 0}, {EVENTS + 8, 8, FAKE_WRITE}};

    offer(queue, queue == EVENT ? pieces + 1 : pieces, queue == EVENT ? 1 : 2);
}

static const uint64_t features[] = {FAKE_VERSION_1, FAKE_VERSION_1 | FAKE_EVENT_IDX,
                                    FAKE_VERSION_1 | FAKE_EVENT_IDX | FAKE_INDIRECT_DESC};

static void start(unsigned i)
{
    ck_assert_uint_eq(fake_start(&drv, features[i]), 15);
    lend(EVENT);
}

static void take(unsigned periods)
{
    prepare(0);
    play(0);
    ck_assert_uint_eq(command(0x0104, 0), OK);
    for (unsigned i = 1; i < periods; i++)
        play(i);
    ck_assert_uint_eq(command(0x0105, 0), OK);
    ck_assert_uint_eq(command(0x0103, 0), OK);
}

/* -- tests -- */

/* NOTIFY_ON_EMPTY is not for a driver of today's. */
/* proves: VU-48 */
START_TEST(card_is_what_the_back_end_says)
{
    static const uint32_t fields[5] = {0, 2, 1, 0, 0};

    backend.config_bytes = _i == 0 ? 12 : 16;
    make();
    ck_assert_uint_eq(fake_read(&drv, FAKE_DEVICE_ID), 25);
    ck_assert_uint_eq(fake_features(&drv), FAKE_VERSION_1 | FAKE_EVENT_IDX | FAKE_INDIRECT_DESC);
    for (uint32_t i = 0; i < 5; i++)
        ck_assert_uint_eq(fake_read(&drv, FAKE_CONFIG + 4 * i), fields[i]);
    ck_assert_uint_eq(dev->config_size, backend.config_bytes);
    for (uint32_t i = 0; i < 5; i++) {
        fake_write(&drv, FAKE_QUEUE_SEL, i);
        ck_assert_uint_eq(fake_read(&drv, FAKE_QUEUE_SIZE_MAX), i < 4 ? 64 : 0);
    }
    end();
}
END_TEST

/* proves: VU-24, VU-48 */
START_TEST(driver_finds_streams_and_plays)
{
    const uint32_t ask[4] = {0x0100, 0, 2, 32}, ask_more[4] = {0x0100, 1, 2, 32};
    const uint32_t remap[4] = {0x0002};
    uint8_t info[64];

    make();
    start((unsigned)_i);
    ck_assert_uint_eq(control(ask, 4, 64), OK);
    ck_assert_int_eq(memory_read(&mem, ANSWER + 4, info, 64), 0);
    ck_assert_uint_eq(info[24], 0); /* played */
    ck_assert_uint_eq(info[32 + 24], 1);
    ck_assert_uint_eq(info[26], 6); /* channels */
    ck_assert_uint_eq(control(ask_more, 4, 64), 0x8001);
    ck_assert_uint_eq(control(remap, 4, 0), 0x8002);
    ck_assert_uint_eq(command(0x0102, 2), 0x8001); /* PREPARE what is not there */
    take(100);
    fake_write(&drv, FAKE_STATUS, 0);
    ck_assert_uint_eq(fake_read(&drv, FAKE_STATUS), 0);
    end();
    ck_assert_uint_eq(backend.played, 100 * PERIOD_BYTES);
    ck_assert_uint_eq(backend.ring[EVENT].taken, 1);
}
END_TEST

/* It keeps what is to be captured, and is asked to go on where it was. */
/* proves: VU-25, VU-48 */
START_TEST(pause_goes_on_where_it_was)
{
    make();
    start((unsigned)_i);
    prepare(0);
    for (unsigned i = 0; i < 50; i++) {
        play(i);
        if (i < 20)
            lend(RX);
        if (i % 7 != 0)
            continue;
        virtio_pause(dev);
        virtio_resume(dev, 1000);
    }
    ck_assert_uint_eq(command(0x0105, 0), OK);
    end();
    ck_assert_uint_eq(backend.starts, 9);
    ck_assert_uint_eq(backend.played, 50 * PERIOD_BYTES);
    ck_assert_uint_eq(backend.ring[RX].taken, 20);
}
END_TEST

/* Without RESET_DEVICE a reset is that the rings are taken back, and begin at 0 again. */
/* proves: VU-09, VU-31, VU-48 */
START_TEST(driver_comes_and_goes)
{
    make();
    for (unsigned i = 0; i < 3; i++) {
        drv.ring_addr = RINGS;
        start((unsigned)_i);
        lend(RX); /* is forgotten by the driver */
        take(5 + i);
        fake_write(&drv, FAKE_STATUS, 0);
        ck_assert_uint_eq(fake_read(&drv, FAKE_STATUS), 0);
    }
    end();
    ck_assert_uint_eq(backend.starts, 3);
    ck_assert_uint_eq(backend.played, 18 * PERIOD_BYTES);
}
END_TEST

/* Nothing of a sound device's config space is written: it would be the end. */
/* proves: VU-37 */
START_TEST(driver_that_writes_config_space_is_not_heard)
{
    make();
    start(0);
    fake_write(&drv, FAKE_CONFIG + 4, 7);
    ck_assert_uint_eq(fake_read(&drv, FAKE_CONFIG + 4), 2);
    take(3);
    end();
}
END_TEST

Suite *vhost_user_sound_suite(void);
Suite *vhost_user_sound_suite(void)
{
    Suite *suite = suite_create("vhost_user_sound");
    TCase *tcase = tcase_create("as vhost-device-sound");
    const int layouts = ARRAY_SIZE(features);

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase, card_is_what_the_back_end_says, 0, 2);
    tcase_add_loop_test(tcase, driver_finds_streams_and_plays, 0, layouts);
    tcase_add_loop_test(tcase, pause_goes_on_where_it_was, 0, layouts);
    tcase_add_loop_test(tcase, driver_comes_and_goes, 0, layouts);
    tcase_add_test(tcase, driver_that_writes_config_space_is_not_heard);
    suite_add_tcase(suite, tcase);
    return suite;
}
