/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of the sound device behind a vhost-user front-end: what becomes of streams and events when
 * rings stop and start. Time is simulated, and the worker's loop run by the test. */
#include "devices/snd/snd.h"
#include "tests/devices/snd/host/recording.h"
#include "tests/fake_front.h"

#include <check.h>
#include <string.h>

Suite *backend_snd_suite(void);

#define FEATURES     (1ull << 32 | 1ull << 30 | 1ull << 28)
#define PROTOCOL     0xa229
#define PERIOD_BYTES 1920u /* 10 ms of S16, stereo, 48 kHz */
#define PERIODS      12u
#define REQUEST      0x100000 /* guest addresses */
#define REPLY        0x101000
#define EVENTS       0x102000
#define MESSAGES     0x110000 /* of a period each, a page apart */

static struct fake_front front;
static uint8_t played[PERIODS * PERIOD_BYTES];

/* -- a driver -- */

static void begin(const char *options)
{
    struct opts *opts;

    ck_assert_int_eq(opts_create(virtio_snd.opts, &opts), 0);
    ck_assert_int_eq(opts_parse(opts, "--snd ", options), 0);
    fake_front_init(&front, &virtio_snd, opts, false);
    opts_destroy(opts);
    fake_front_connect(&front);
    (void)fake_front_ask(&front, VHOST_USER_GET_FEATURES);
    fake_front_say_u64(&front, VHOST_USER_SET_PROTOCOL_FEATURES, PROTOCOL);
    fake_front_rings(&front, 64);
}

static void start(const uint32_t base[4])
{
    fake_front_say_u64(&front, VHOST_USER_SET_FEATURES, FEATURES);
    fake_front_say_table(&front);
    for (uint32_t i = 0; i < 4; i++) {
        fake_front_say_ring(&front, VHOST_USER_SET_VRING_NUM, i, 64);
        fake_front_say_ring(&front, VHOST_USER_SET_VRING_BASE, i, base[i]);
        fake_front_say_address(&front, i);
        fake_front_say_fd(&front, VHOST_USER_SET_VRING_KICK, i, front.kick[i]);
        fake_front_say_fd(&front, VHOST_USER_SET_VRING_CALL, i, front.call[i]);
    }
    for (uint32_t i = 0; i < 4; i++)
        fake_front_say_ring(&front, VHOST_USER_SET_VRING_ENABLE, i, 1);
}

static void stop(uint32_t ret_base[4])
{
    for (uint32_t i = 0; i < 4; i++)
        fake_front_say_ring(&front, VHOST_USER_SET_VRING_ENABLE, i, 0);
    for (uint32_t i = 0; i < 4; i++) {
        fake_front_say_ring(&front, VHOST_USER_GET_VRING_BASE, i, 0);
        ck_assert(fake_front_hears(&front));
        ret_base[i] = front.rx.msg.payload.state.num;
    }
}

static const uint32_t nothing[4] = {0};

static uint32_t control(const uint32_t *words, uint32_t count)
{
    const struct fake_piece pieces[] = {{REQUEST, 4 * count, 0}, {REPLY, 4, FAKE_WRITE}};
    uint32_t id, len, status = 0;

    ck_assert_int_eq(memory_write(&front.ram, REQUEST, words, 4 * count), 0);
    fake_offer(&front.ring[0], fake_chain(&front.ring[0], pieces, 2));
    fake_front_kick(&front, 0);
    ck_assert(fake_front_used(&front, 0, &id, &len));
    ck_assert_int_eq(memory_read(&front.ram, REPLY, &status, 4), 0);
    return status;
}

static uint32_t command(uint32_t code)
{
    const uint32_t words[] = {code, 0};

    return control(words, 2);
}

/* S16, stereo, 48 kHz, buffer of four periods. */
static void prepare(void)
{
    const uint32_t words[] = {RIG_SET_PARAMS, 0, 4 * PERIOD_BYTES,
                              PERIOD_BYTES,   0, 2 | RIG_S16 << 8 | RIG_48000 << 16};

    ck_assert_uint_eq(control(words, 6), RIG_OK);
    ck_assert_uint_eq(command(RIG_PREPARE), RIG_OK);
}

/* Hands over period n. */
static void hand_over(unsigned n)
{
    const gpa_t at = MESSAGES + n * 4096;
    const uint32_t stream = 0;
    const struct fake_piece pieces[] = {
        {at, 4, 0}, {at + 4, PERIOD_BYTES, 0}, {at + 2048, 8, FAKE_WRITE}};

    ck_assert_int_eq(memory_write(&front.ram, at, &stream, 4), 0);
    ck_assert_int_eq(memory_write(&front.ram, at + 4, played + n * PERIOD_BYTES, PERIOD_BYTES), 0);
    fake_offer(&front.ring[2], fake_chain(&front.ring[2], pieces, 3));
    fake_front_kick(&front, 2);
}

static unsigned done(void)
{
    uint32_t id, len;
    unsigned count = 0;

    while (fake_used(&front.ring[2], &id, &len))
        count++;
    return count;
}

/* Plays periods [from, to), four ahead. */
static void play(unsigned from, unsigned to)
{
    unsigned returned = from;

    for (unsigned n = from; n < to || returned < to;) {
        if (n < to && n < returned + 4)
            hand_over(n++);
        else
            fake_front_advance(&front, MS_NS);
        returned += done();
    }
}

/* -- recordings -- */

/* Frames of a recording, which are those played, and no more. */
static void is_recorded(const char *name, unsigned periods)
{
    static int16_t frames[2 * PERIODS * PERIOD_BYTES];
    SF_INFO info;
    SNDFILE *file = recording_reopen(name, &info);

    ck_assert_int_eq(info.frames, periods * PERIOD_BYTES / 4);
    ck_assert_int_eq(sf_readf_short(file, frames, info.frames), info.frames);
    ck_assert_mem_eq(frames, played, periods * PERIOD_BYTES);
    (void)sf_close(file);
}

static void setup(void)
{
    recording_folder_make();
    recording_pattern(played, sizeof(played), 1);
}

static void teardown(void)
{
    fake_front_fini(&front);
    recording_folder_remove();
}

/* proves: VU-30 */
START_TEST(pause_of_the_machine_loses_and_doubles_no_frame)
{
    uint32_t base[4];

    begin(recording_options("take.wav", ""));
    start(nothing);
    prepare();
    for (unsigned n = 0; n < 4; n++)
        hand_over(n);
    ck_assert_uint_eq(command(RIG_START), RIG_OK);
    fake_front_advance(&front, 15 * MS_NS);
    unsigned returned = done();
    stop(base);
    ck_assert_uint_eq(base[2], 4); /* taken; most of them not returned */
    fake_front_advance(&front, 10 * SECOND_NS);
    ck_assert_uint_eq(done(), 0);
    start(base);
    while (returned < 4) {
        fake_front_advance(&front, MS_NS);
        returned += done();
        ck_assert_uint_lt(front.now_ns, 11 * SECOND_NS + 100 * MS_NS); /* each in its time */
    }
    ck_assert_uint_eq(command(RIG_STOP), RIG_OK);
    ck_assert_uint_eq(command(RIG_RELEASE), RIG_OK);
    fake_front_leave(&front);
    fake_front_step(&front);
    is_recorded("take.wav", 4);
}
END_TEST

/* proves: VU-31 */
START_TEST(reset_of_the_guest_ends_its_streams)
{
    uint32_t base[4];

    begin(recording_options("take.wav", ""));
    start(nothing);
    prepare();
    ck_assert_uint_eq(command(RIG_START), RIG_OK);
    play(0, 6);
    stop(base);
    fake_front_rings(&front, 64);
    start(nothing);
    ck_assert_uint_ne(command(RIG_START), RIG_OK); /* it was never prepared */
    fake_front_leave(&front);
    fake_front_step(&front);
    is_recorded("take.wav", 6);
}
END_TEST

/* The guest's buffers for events are there before DRIVER_OK, and a front-end takes them for used.
 */
static void offer_events(void)
{
    const struct fake_piece piece = {EVENTS, 8, FAKE_WRITE};

    for (unsigned i = 0; i < 4; i++)
        fake_offer(&front.ring[1], fake_chain(&front.ring[1], &piece, 1));
}

static void unplugged(struct virtio_command *command)
{
    ck_assert_int_eq(command->result, 0);
}

/* proves: VU-45 */
START_TEST(events_are_not_lost_to_a_base_that_skips_their_buffers)
{
    static const char *const words[] = {"jack", "headphone", "unplug", NULL};
    const uint32_t base[4] = {0, 4, 0, 0};
    uint32_t id, len, event[2];

    begin("host=null,jacks=headphone");
    offer_events();
    start(base);
    struct virtio_command command = {.words = words, .reply = stderr, .done = unplugged};
    virtio_command(front.dev, &command);
    ck_assert(fake_front_used(&front, 1, &id, &len));
    ck_assert_uint_eq(len, 8);
    ck_assert_int_eq(memory_read(&front.ram, EVENTS, event, 8), 0);
    ck_assert_uint_eq(event[0], 0x1001); /* JACK_DISCONNECTED */
}
END_TEST

/* proves: VU-44 */
START_TEST(controls_are_offered_by_option_only)
{
    begin("host=null");
    ck_assert_uint_eq(fake_front_ask(&front, VHOST_USER_GET_FEATURES) & 1, 0);
    fake_front_fini(&front);
    begin("host=null,controls=on");
    ck_assert_uint_eq(fake_front_ask(&front, VHOST_USER_GET_FEATURES) & 1, 1);
}
END_TEST

/* proves: VU-37 */
START_TEST(config_space_of_sound_is_not_written)
{
    begin("host=null");
    front.flags = VHOST_USER_NEED_REPLY;
    front.msg.payload.config = (struct vhost_user_config){.size = 4};
    fake_front_say(&front, VHOST_USER_SET_CONFIG, 16);
    ck_assert_uint_eq(fake_front_ack(&front), 1);
}
END_TEST

Suite *backend_snd_suite(void)
{
    Suite *suite = suite_create("backend_snd");
    TCase *tcase = tcase_create("sound");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, pause_of_the_machine_loses_and_doubles_no_frame);
    tcase_add_test(tcase, reset_of_the_guest_ends_its_streams);
    tcase_add_test(tcase, events_are_not_lost_to_a_base_that_skips_their_buffers);
    tcase_add_test(tcase, controls_are_offered_by_option_only);
    tcase_add_test(tcase, config_space_of_sound_is_not_written);
    suite_add_tcase(suite, tcase);
    return suite;
}
