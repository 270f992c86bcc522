/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tests of devices/snd/mixer/ctl_host.c, mixer.c and alsa_ctl.c: the mixer of a card of the host,
 * as the driver sees and sets it. The card is tests/fake_mixer.h, the helper is stepped
 * (tests/fake_helper.h). Numbers are the specification's.
 */
#include "tests/capture.h"
#include "tests/devices/snd/mixer/ctl_guest.h"
#include "tests/fake_helper.h"
#include "tests/fake_mixer.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

Suite *ctl_host_suite(void);

/* The guest's numbers of the card's elements: those of the mixer that the wire can have. */
enum { VOLUME, SWITCH, SOURCE, BIG, METER, OTHER_SWITCH, ELEMENTS };

#define OPTIONS "host=null,controls=host,mixer=fake"

static struct rig rig;

static void setup(void)
{
    fake_mixer_init();
    fake_helper_begin(&timebase_monotonic);
    rig_start(&rig, OPTIONS);
    rig.others = fake_helper_step;
}

static void teardown(void)
{
    fake_helper_hang(false);
    rig_end(&rig);
    fake_helper_begin(NULL);
    fake_mixer_fini();
}

/* -- requests -- */

#define REPLY_BYTES 600

/* A request that is under way. */
struct asked {
    uint16_t head;
    gpa_t reply;
};

/* A request with `len` bytes behind its header. */
static struct asked ask(uint32_t code, uint32_t id, const void *data, uint32_t len)
{
    const le32 header[2] = {to_le32(code), to_le32(id)};
    struct asked asked = {.reply = rig_alloc(&rig, REPLY_BYTES)};
    gpa_t request = rig_alloc(&rig, 8 + len);
    const struct fake_piece pieces[] = {{request, 8 + len, 0},
                                        {asked.reply, REPLY_BYTES, FAKE_WRITE}};

    ck_assert_int_eq(memory_write(&rig.mem, request, header, 8), 0);
    ck_assert_int_eq(memory_write(&rig.mem, request + 8, len > 0 ? data : "", len), 0);
    asked.head = rig_send(&rig, RIG_CONTROL, pieces, 2);
    return asked;
}

static bool is_answered(uint32_t *ret_head, uint32_t *ret_used)
{
    rig_step(&rig);
    return fake_used(&rig.drv.ring[RIG_CONTROL], ret_head, ret_used);
}

/* The answer: its status. ret_reply: what follows, or NULL. */
static uint32_t answer(const struct asked *asked, uint8_t *ret_reply, uint32_t *ret_used)
{
    uint32_t head = 0, used = 0;

    ck_assert(is_answered(&head, &used));
    ck_assert_uint_eq(head, asked->head);
    ck_assert_uint_ge(used, 4);
    if (ret_reply != NULL)
        ck_assert_int_eq(memory_read(&rig.mem, asked->reply + 4, ret_reply, used - 4), 0);
    if (ret_used != NULL)
        *ret_used = used;
    return rig_load32(&rig, asked->reply);
}

/* An element reads so when the helper has told. */
static void becomes(uint32_t id, uint32_t word)
{
    rig_step(&rig);
    ck_assert_uint_eq(ctl_read(&rig, id, 0), word);
}

/* -- events -- */

/* Gives the device a buffer for an event. */
static gpa_t offer(void)
{
    gpa_t addr = rig_alloc(&rig, 8);
    const struct fake_piece piece = {addr, 8, FAKE_WRITE};
    struct fake_ring *ring = &rig.drv.ring[RIG_EVENT];

    fake_offer(ring, fake_chain(ring, &piece, 1));
    fake_write(&rig.drv, FAKE_QUEUE_NOTIFY, RIG_EVENT);
    rig_step(&rig);
    return addr;
}

/* The event in that buffer. */
static void check_event(gpa_t addr, uint32_t id, uint32_t mask)
{
    uint32_t head, used;

    rig_step(&rig);
    ck_assert(fake_used(&rig.drv.ring[RIG_EVENT], &head, &used));
    ck_assert_uint_eq(rig_load32(&rig, addr), 0x1200);
    ck_assert_uint_eq(rig_load32(&rig, addr + 4), mask << 16 | id);
}

static void check_no_event(void)
{
    uint32_t head, used;

    rig_step(&rig);
    ck_assert(!fake_used(&rig.drv.ring[RIG_EVENT], &head, &used));
}

/* -- information -- */

static const struct {
    const char *name;
    uint32_t type, access, count, index;
    uint32_t limits[6]; /* as words of the union */
} elements[ELEMENTS] = {
    {"Master Playback Volume", INTEGER, READ | WRITE | TLV_READ, 2, 0, {0, 150, 0}},
    {"Master Playback Switch", BOOLEAN, READ | WRITE, 1, 0, {0}},
    {"Capture Source", ENUMERATED, READ | WRITE, 1, 0, {3}},
    {"Big", INTEGER64, READ | WRITE, 2, 0, {0, (uint32_t)-256, 0, 256, 0, 0}},
    {"Meter", INTEGER, READ | VOLATILE, 1, 0, {0, 99, 0}},
    {"Master Playback Switch", BOOLEAN, READ | WRITE, 1, 1, {0}},
};

/* proves: SND-76, SND-80, SND-81 */
START_TEST(elements_of_the_mixer_are_the_guests)
{
    const le32 request[4] = {to_le32(CTL_INFO), to_le32(0), to_le32(ELEMENTS), to_le32(92)};
    uint8_t reply[4 + ELEMENTS * 92];

    ck_assert_uint_eq(fake_features(&rig.drv) & 1, 1);
    ck_assert_uint_eq(fake_read(&rig.drv, FAKE_CONFIG + 12), ELEMENTS);
    ck_assert_uint_eq(rig_control(&rig, request, 16, reply, sizeof(reply), NULL), RIG_OK);
    for (unsigned id = 0; id < ELEMENTS; id++) {
        const uint8_t *info = reply + 4 + (size_t)id * 92;
        ck_assert_uint_eq(rig_le32(info + 8), elements[id].type);
        ck_assert_uint_eq(rig_le32(info + 12), elements[id].access);
        ck_assert_uint_eq(rig_le32(info + 16), elements[id].count);
        ck_assert_uint_eq(rig_le32(info + 20), elements[id].index);
        ck_assert_str_eq((const char *)info + 24, elements[id].name);
        for (unsigned word = 0; word < 6; word++)
            ck_assert_uint_eq(rig_le32(info + 68 + (size_t)4 * word), elements[id].limits[word]);
    }
}
END_TEST

/* proves: SND-83 */
START_TEST(items_have_their_names)
{
    static const char *const names[] = {"Line", "Mic", "-"};
    const struct asked asked = ask(CTL_ENUM_ITEMS, SOURCE, NULL, 0);
    uint8_t reply[REPLY_BYTES];
    uint32_t used;

    ck_assert_uint_eq(answer(&asked, reply, &used), RIG_OK);
    ck_assert_uint_eq(used, 4 + 3 * 64);
    for (unsigned i = 0; i < 3; i++)
        ck_assert_str_eq((const char *)reply + (size_t)64 * i, names[i]);
    ck_assert_uint_eq(ctl_send(&rig, CTL_ENUM_ITEMS, SWITCH, NULL, 0), RIG_NOT_SUPP);
}
END_TEST

/* -- values -- */

/* The range is shifted to begin at 0. */
/* proves: SND-84, SND-85 */
START_TEST(integer_is_read_and_written)
{
    ck_assert_uint_eq(ctl_read(&rig, VOLUME, 0), 50);
    ck_assert_uint_eq(ctl_write(&rig, VOLUME, 0, 150), RIG_OK);
    ck_assert_int_eq(fake_mixer_value(FAKE_VOLUME).integer[0], -50);
    ck_assert_int_eq(fake_mixer_value(FAKE_VOLUME).integer[1], 100);
    ck_assert_uint_eq(ctl_read(&rig, VOLUME, 0), 0);
    ck_assert_uint_eq(ctl_read(&rig, VOLUME, 1), 150);
}
END_TEST

START_TEST(boolean_and_enumerated_are_written)
{
    ck_assert_uint_eq(ctl_write(&rig, SWITCH, 1, 0), RIG_OK);
    ck_assert_int_eq(fake_mixer_value(FAKE_SWITCH).integer[0], 1);
    ck_assert_uint_eq(ctl_read(&rig, SWITCH, 0), 1);
    ck_assert_uint_eq(ctl_write(&rig, SOURCE, 2, 0), RIG_OK);
    ck_assert_uint_eq(fake_mixer_value(FAKE_SOURCE).item, 2);
    ck_assert_uint_eq(ctl_read(&rig, SOURCE, 0), 2);
}
END_TEST

START_TEST(integer64_is_written)
{
    const le64 value[64] = {to_le64((uint64_t) - (1ll << 40)), to_le64(5ull << 32)};
    const struct asked asked = ask(CTL_READ, BIG, NULL, 0);
    uint8_t reply[REPLY_BYTES];
    uint32_t used;

    ck_assert_uint_eq(answer(&asked, reply, &used), RIG_OK);
    ck_assert_uint_eq(used, 4 + 16);
    ck_assert_uint_eq(ctl_send(&rig, CTL_WRITE, BIG, value, sizeof(value)), RIG_OK);
    ck_assert_int_eq(fake_mixer_value(FAKE_BIG).integer64[0], -(1ll << 40));
    ck_assert_int_eq(fake_mixer_value(FAKE_BIG).integer64[1], 5ll << 32);
    ck_assert_uint_eq(ctl_read(&rig, BIG, 3), 5);
}
END_TEST

/* Each read asks the card. */
/* proves: SND-87 */
START_TEST(volatile_element_is_always_asked_for)
{
    uint32_t first = ctl_read(&rig, METER, 0);

    ck_assert_uint_eq(ctl_read(&rig, METER, 0), first + 1);
    ck_assert_uint_eq(ctl_read(&rig, METER, 0), first + 2);
    (void)offer();
    check_no_event();
    ck_assert_uint_eq(ctl_write(&rig, METER, 1, 0), RIG_NOT_SUPP);
}
END_TEST

/* proves: SND-86 */
START_TEST(values_that_can_not_be_never_get_to_the_card)
{
    ck_assert_uint_eq(ctl_write(&rig, VOLUME, 151, 0), RIG_BAD_MSG);
    ck_assert_uint_eq(ctl_write(&rig, VOLUME, 0, (uint32_t)-1), RIG_BAD_MSG);
    ck_assert_uint_eq(ctl_write(&rig, SWITCH, 2, 0), RIG_BAD_MSG);
    ck_assert_uint_eq(ctl_write(&rig, SOURCE, 3, 0), RIG_BAD_MSG);
    ck_assert_uint_eq(ctl_send(&rig, CTL_WRITE, VOLUME, NULL, 0), RIG_BAD_MSG);
    ck_assert_uint_eq(ctl_write(&rig, ELEMENTS, 0, 0), RIG_BAD_MSG);
    ck_assert_int_eq(fake_mixer_value(FAKE_VOLUME).integer[0], 0);
    ck_assert_int_eq(fake_mixer_value(FAKE_SWITCH).integer[0], 0);
    ck_assert_uint_eq(fake_mixer_value(FAKE_SOURCE).item, 0);
}
END_TEST

START_TEST(card_that_refuses_a_value_is_an_error)
{
    fake_mixer_fail(-EINVAL);
    ck_assert_uint_eq(ctl_write(&rig, VOLUME, 1, 1), RIG_IO_ERR);
    ck_assert_uint_eq(ctl_read(&rig, VOLUME, 0), 50);
    fake_mixer_fail(0);
    ck_assert_uint_eq(ctl_write(&rig, VOLUME, 1, 1), RIG_OK);
}
END_TEST

/* A card that says what its limits don't allow. */
START_TEST(values_of_the_card_are_brought_within_its_limits)
{
    const union fake_value loud = {.integer = {1000, -1000}}, item = {.item = 77};

    fake_mixer_change(FAKE_VOLUME, &loud);
    becomes(VOLUME, 150);
    ck_assert_uint_eq(ctl_read(&rig, VOLUME, 1), 0);
    fake_mixer_change(FAKE_SOURCE, &item);
    becomes(SOURCE, 2);
}
END_TEST

/* -- metadata -- */

/* proves: SND-88, SND-89, SND-90 */
START_TEST(metadata_are_the_cards)
{
    static const uint32_t want[] = {
        3, 48, 0, 50, 1, 8, (uint32_t)-9000, 100, 50, 150, 1, 8, (uint32_t)-4000, 40};
    const struct asked asked = ask(CTL_TLV_READ, VOLUME, NULL, 0);
    uint8_t reply[REPLY_BYTES];
    uint32_t used;

    ck_assert_uint_eq(answer(&asked, reply, &used), RIG_OK);
    ck_assert_uint_eq(used, 4 + 56);
    for (unsigned i = 0; i < 14; i++)
        ck_assert_uint_eq(rig_le32(reply + (size_t)4 * i), want[i]);
    ck_assert_uint_eq(ctl_send(&rig, CTL_TLV_READ, SWITCH, NULL, 0), RIG_NOT_SUPP);
}
END_TEST

/* What a guest writes there would go to the driver of the host's card. */
START_TEST(metadata_are_read_only)
{
    const le32 tlv[] = {to_le32(7), to_le32(4), to_le32(0xabcd), to_le32(0)};

    ck_assert_uint_eq(ctl_send(&rig, CTL_TLV_WRITE, VOLUME, tlv, 12), RIG_NOT_SUPP);
    ck_assert_uint_eq(ctl_send(&rig, CTL_TLV_COMMAND, VOLUME, tlv, 12), RIG_NOT_SUPP);
}
END_TEST

/* -- events -- */

/* proves: SND-91, SND-92 */
START_TEST(changes_on_the_host_are_told)
{
    const union fake_value value = {.integer = {-10, 20}};
    gpa_t first = offer(), second = offer();

    fake_mixer_change(FAKE_VOLUME, &value);
    check_event(first, VOLUME, 1);
    ck_assert_uint_eq(ctl_read(&rig, VOLUME, 0), 40);
    ck_assert_uint_eq(ctl_read(&rig, VOLUME, 1), 70);
    fake_mixer_access(FAKE_SWITCH, SND_CTL_EXT_ACCESS_READWRITE | SND_CTL_EXT_ACCESS_INACTIVE);
    check_event(second, SWITCH, 2);
    ck_assert_uint_eq(ctl_write(&rig, SWITCH, 1, 0), RIG_OK); /* without effect (SND-87) */
    ck_assert_int_eq(fake_mixer_value(FAKE_SWITCH).integer[0], 0);
}
END_TEST

/* The stock driver tells its programs by the event only. */
START_TEST(change_by_the_guest_is_told_once)
{
    gpa_t event = offer();

    ck_assert_uint_eq(ctl_write(&rig, SWITCH, 1, 0), RIG_OK);
    check_event(event, SWITCH, 1);
    (void)offer();
    ck_assert_uint_eq(ctl_write(&rig, SWITCH, 1, 0), RIG_OK);
    ck_assert_uint_eq(ctl_read(&rig, SWITCH, 0), 1);
    check_no_event();
}
END_TEST

/* -- trouble -- */

/* proves: SND-10 */
START_TEST(card_that_hangs_holds_up_nothing)
{
    struct capture capture;

    fake_helper_hang(true);
    const struct asked asked = ask(CTL_WRITE, VOLUME, (le32[128]){{0}}, 512);
    uint32_t head, used;
    ck_assert(!is_answered(&head, &used));
    ck_assert_uint_eq(ctl_read(&rig, VOLUME, 0), 50); /* as it was last */
    rig_prepare(&rig, 0);
    ck_assert_uint_eq(rig_command(&rig, RIG_START, 0), RIG_OK);
    rig_advance(&rig, 400 * RIG_MS);
    ck_assert(!is_answered(&head, &used));
    capture_start(&capture);
    rig_advance(&rig, 200 * RIG_MS);
    const char *text = capture_end(&capture);
    ck_assert_uint_eq(answer(&asked, NULL, NULL), RIG_IO_ERR);
    ck_assert_msg(strstr(text, "mixer does not answer") != NULL, "%s", text);
    fake_helper_hang(false);
    becomes(VOLUME, 0); /* it has got there after all */
    ck_assert_uint_eq(ctl_write(&rig, VOLUME, 3, 3), RIG_OK);
}
END_TEST

/* More requests than are kept; and a driver that goes while they wait. */
START_TEST(requests_are_bounded_and_forgotten_at_reset)
{
    uint32_t head, used;
    unsigned refused = 0;

    fake_helper_hang(true);
    for (unsigned i = 0; i < 70; i++) {
        (void)ask(CTL_WRITE, VOLUME, (le32[128]){{0}}, 512);
        refused += is_answered(&head, &used);
    }
    ck_assert_uint_eq(refused, 70 - 64);
    rig_restart(&rig);
    fake_helper_hang(false);
    becomes(VOLUME, 0);
    ck_assert(!is_answered(&head, &used));
    ck_assert_uint_eq(ctl_write(&rig, VOLUME, 3, 3), RIG_OK);
}
END_TEST

START_TEST(card_that_is_gone_keeps_its_values_until_it_is_back)
{
    const union fake_value value = {.integer = {1, 1}};
    struct capture capture;

    capture_start(&capture);
    fake_mixer_unplug(true);
    rig_step(&rig);
    uint32_t left = ctl_read(&rig, VOLUME, 0);
    uint32_t status = ctl_write(&rig, VOLUME, 8, 8);
    fake_mixer_change(FAKE_VOLUME, &value);
    fake_mixer_unplug(false);
    rig_step(&rig);
    rig_step(&rig);
    uint32_t back = ctl_read(&rig, VOLUME, 0);
    const char *text = capture_end(&capture);
    ck_assert_uint_eq(left, 50);
    ck_assert_uint_eq(status, RIG_IO_ERR);
    ck_assert_uint_eq(back, 51);
    ck_assert_msg(strstr(text, "is gone") != NULL && strstr(text, "is back") != NULL, "%s", text);
}
END_TEST

START_TEST(helper_that_dies_leaves_the_values_and_one_line)
{
    struct capture capture;

    fake_helper_hang(true);
    const struct asked asked = ask(CTL_WRITE, VOLUME, (le32[128]){{0}}, 512);
    capture_start(&capture);
    fake_helper_kill();
    rig_step(&rig);
    uint32_t status = answer(&asked, NULL, NULL);
    uint32_t later = ctl_write(&rig, VOLUME, 8, 8);
    uint32_t left = ctl_read(&rig, VOLUME, 0);
    const char *text = capture_end(&capture);
    ck_assert_uint_eq(status, RIG_IO_ERR);
    ck_assert_uint_eq(later, RIG_IO_ERR);
    ck_assert_uint_eq(left, 50);
    ck_assert_str_eq(text, "linnet: warn: snd0: the process that has the host's mixer ended; the "
                           "guest goes on without it\n");
    rig_restart(&rig);
    ck_assert_uint_eq(ctl_read(&rig, VOLUME, 0), 50);
}
END_TEST

/* -- options, and the control socket -- */

static void options_setup(void)
{
    fake_mixer_init();
    fake_helper_begin(&timebase_monotonic);
}

static void options_teardown(void)
{
    fake_helper_begin(NULL);
    fake_mixer_fini();
}

static int refused(const char *options, const char *why)
{
    struct capture capture;
    struct rig other;

    capture_start(&capture);
    int r = rig_create(&other, options);
    const char *text = capture_end(&capture);
    ck_assert_msg(capture_is_one_error(text), "%s", text);
    ck_assert_msg(strstr(text, why) != NULL, "%s", text);
    return r;
}

START_TEST(options_that_make_no_sense_are_refused)
{
    ck_assert_int_eq(refused("host=null,controls=host", "mixer="), -EINVAL);
    ck_assert_int_eq(refused("host=null,controls=on,mixer=fake", "controls=host"), -EINVAL);
    fake_mixer_unplug(true);
    ck_assert_int_eq(refused(OPTIONS, "\"fake\""), -ENODEV);
    fake_helper_refuse(-EAGAIN);
    ck_assert_int_eq(refused(OPTIONS, "\"fake\""), -EAGAIN);
    fake_helper_refuse(0);
}
END_TEST

static int command(const char *const words[], char *ret_reply, size_t room)
{
    FILE *reply = fmemopen(ret_reply, room, "w");

    ck_assert_ptr_nonnull(reply);
    int r = virtio_snd.command(rig.dev, words, reply);
    (void)fclose(reply);
    return r;
}

START_TEST(people_set_them_too)
{
    const char *const set[] = {"ctl", "Master Playback Volume", "100%", NULL};
    const char *const get[] = {"ctl", "Master Playback Volume", NULL};
    const char *const meter[] = {"ctl", "Meter", "1", NULL};
    char reply[256] = "";

    ck_assert_int_eq(command(set, reply, sizeof(reply)), 0);
    rig_step(&rig);
    ck_assert_int_eq(command(get, reply, sizeof(reply)), 0);
    ck_assert_ptr_nonnull(strstr(reply, "150,150"));
    ck_assert_int_eq(fake_mixer_value(FAKE_VOLUME).integer[1], 100);
    ck_assert_int_eq(command(meter, reply, sizeof(reply)), -EPERM);
}
END_TEST

Suite *ctl_host_suite(void)
{
    Suite *suite = suite_create("ctl_host");
    TCase *tests = tcase_create("mixer"), *options = tcase_create("options");

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, elements_of_the_mixer_are_the_guests);
    tcase_add_test(tests, items_have_their_names);
    tcase_add_test(tests, integer_is_read_and_written);
    tcase_add_test(tests, boolean_and_enumerated_are_written);
    tcase_add_test(tests, integer64_is_written);
    tcase_add_test(tests, volatile_element_is_always_asked_for);
    tcase_add_test(tests, values_that_can_not_be_never_get_to_the_card);
    tcase_add_test(tests, card_that_refuses_a_value_is_an_error);
    tcase_add_test(tests, values_of_the_card_are_brought_within_its_limits);
    tcase_add_test(tests, metadata_are_the_cards);
    tcase_add_test(tests, metadata_are_read_only);
    tcase_add_test(tests, changes_on_the_host_are_told);
    tcase_add_test(tests, change_by_the_guest_is_told_once);
    tcase_add_test(tests, card_that_hangs_holds_up_nothing);
    tcase_add_test(tests, requests_are_bounded_and_forgotten_at_reset);
    tcase_add_test(tests, card_that_is_gone_keeps_its_values_until_it_is_back);
    tcase_add_test(tests, helper_that_dies_leaves_the_values_and_one_line);
    tcase_add_test(tests, people_set_them_too);
    tcase_add_checked_fixture(options, options_setup, options_teardown);
    tcase_add_test(options, options_that_make_no_sense_are_refused);
    suite_add_tcase(suite, tests);
    suite_add_tcase(suite, options);
    return suite;
}
