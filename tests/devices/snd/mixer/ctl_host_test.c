/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tests of devices/snd/mixer/ctl_host.c and mixer.c: the mixer of a card of the host,
 * as the driver sees and sets it. The card is tests/fake_mixer.h, the helper is stepped
 * (tests/fake_helper.h). Numbers are the specification's.
 */
#include "devices/snd/mixer/mixer.h"
#include "tests/capture.h"
#include "tests/devices/snd/mixer/ctl_guest.h"
#include "tests/fake_helper.h"
#include "tests/fake_mixer.h"
#include "vmm/base/helper.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

Suite *ctl_host_suite(void);

/* The guest's numbers of the card's elements: those of the mixer that the wire can have, in the
 * order of alsa-lib's mixers. */
enum { SWITCH, VOLUME, SOURCE, ELEMENTS };

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

/* What people on the host say. */
static int command(const char *const words[], char *ret_reply, size_t room)
{
    FILE *reply = fmemopen(ret_reply, room, "w");

    ck_assert_ptr_nonnull(reply);
    int r = virtio_snd.command(rig.dev, words, reply);
    (void)fclose(reply);
    return r;
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
    [VOLUME] = {"Master Playback Volume", INTEGER, READ | WRITE | TLV_READ, 2, 0, {0, 150, 0}},
    [SWITCH] = {"Master Playback Switch", BOOLEAN, READ | WRITE, 1, 0, {0}},
    [SOURCE] = {"Capture Source", ENUMERATED, READ | WRITE, 1, 0, {3}},
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

/* A write is answered at once; if the card does not have it so, the guest is told. */
START_TEST(value_that_the_card_refuses_goes_back)
{
    gpa_t first = offer(), second = offer();

    fake_helper_hang(true);
    fake_mixer_fail(-EINVAL);
    ck_assert_uint_eq(ctl_write(&rig, VOLUME, 1, 1), RIG_OK);
    check_event(first, VOLUME, 1);
    ck_assert_uint_eq(ctl_read(&rig, VOLUME, 0), 1);
    fake_helper_hang(false);
    becomes(VOLUME, 50);
    check_event(second, VOLUME, 1);
    fake_mixer_fail(0);
    ck_assert_uint_eq(ctl_write(&rig, VOLUME, 1, 1), RIG_OK);
    becomes(VOLUME, 1);
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
    const union fake_value value = {.integer = {-10, 20}}, item = {.item = 1};
    gpa_t first = offer(), second = offer();

    fake_mixer_change(FAKE_VOLUME, &value);
    check_event(first, VOLUME, 1);
    ck_assert_uint_eq(ctl_read(&rig, VOLUME, 0), 40);
    ck_assert_uint_eq(ctl_read(&rig, VOLUME, 1), 70);
    fake_mixer_change(FAKE_SOURCE, &item);
    check_event(second, SOURCE, 1);
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

/* More writes than its socket takes are refused. */
/* proves: SND-10 */
START_TEST(card_that_hangs_holds_up_nothing)
{
    unsigned taken = 0;

    fake_helper_hang(true);
    while (taken < 10000 && ctl_write(&rig, VOLUME, taken % 2, 0) == RIG_OK)
        taken++;
    ck_assert_uint_gt(taken, 10);
    ck_assert_uint_lt(taken, 10000);
    ck_assert_uint_eq(ctl_read(&rig, VOLUME, 0), (taken - 1) % 2);
    rig_restart(&rig);
    fake_helper_hang(false);
    rig_step(&rig);
    ck_assert_uint_eq(ctl_write(&rig, VOLUME, 3, 3), RIG_OK);
    becomes(VOLUME, 3);
    ck_assert_int_eq(fake_mixer_value(FAKE_VOLUME).integer[0], -47);
}
END_TEST

START_TEST(helper_that_dies_leaves_the_values_and_one_line)
{
    struct capture capture;

    capture_start(&capture);
    fake_helper_kill();
    rig_step(&rig);
    uint32_t later = ctl_write(&rig, VOLUME, 8, 8);
    uint32_t left = ctl_read(&rig, VOLUME, 0);
    const char *text = capture_end(&capture);
    ck_assert_uint_eq(later, RIG_IO_ERR);
    ck_assert_uint_eq(left, 50);
    ck_assert_str_eq(text,
                     "linnet: warn: snd0: the host's mixer is gone; the guest goes on without "
                     "it\n");
    rig_restart(&rig);
    ck_assert_uint_eq(ctl_read(&rig, VOLUME, 0), 50);
}
END_TEST

/* A helper that says what can not be is as one that is gone. */
START_TEST(nonsense_of_the_helper_is_its_end)
{
    const struct mixer_value wrong[] = {
        {.id = ELEMENTS},
        {.id = VOLUME, .value.number[0] = to_le32(151)},
        {.id = SWITCH, .value.number[0] = to_le32(2)},
    };
    struct capture capture;

    capture_start(&capture);
    fake_helper_hang(true);
    ck_assert_int_eq(helper_send(fake_helper_socket(), &wrong[_i], sizeof(wrong[0])), 0);
    rig_step(&rig);
    uint32_t later = ctl_write(&rig, VOLUME, 8, 8);
    const char *text = capture_end(&capture);
    ck_assert_uint_eq(later, RIG_IO_ERR);
    ck_assert_ptr_nonnull(strstr(text, "is gone"));
    ck_assert_uint_eq(ctl_read(&rig, VOLUME, 0), 50);
}
END_TEST

START_TEST(card_that_is_gone_keeps_its_values)
{
    static const char *const quiet[] = {"ctl", "0", "off", NULL};
    struct capture capture;
    char reply[256] = "";

    ck_assert_uint_eq(ctl_write(&rig, SWITCH, 1, 1), RIG_OK);
    capture_start(&capture);
    fake_mixer_unplug(true);
    rig_step(&rig);
    uint32_t left = ctl_read(&rig, VOLUME, 0);
    uint32_t status = ctl_write(&rig, VOLUME, 8, 8);
    int set = command(quiet, reply, sizeof(reply));
    const char *text = capture_end(&capture);
    ck_assert_uint_eq(left, 50);
    ck_assert_uint_eq(status, RIG_IO_ERR);
    ck_assert_int_eq(set, -EIO);
    ck_assert_str_eq(reply, "the host's mixer is gone");
    ck_assert_ptr_nonnull(strstr(text, "is gone"));
}
END_TEST

/* A driver takes one of its elements away: it keeps its value, and the others go on. */
START_TEST(element_that_is_removed_holds_up_nobody)
{
    fake_mixer_remove(FAKE_VOLUME);
    rig_step(&rig);
    ck_assert_uint_eq(ctl_write(&rig, VOLUME, 8, 8), RIG_OK);
    becomes(VOLUME, 8);
    ck_assert_int_eq(fake_mixer_value(FAKE_VOLUME).integer[0], 0);
    ck_assert_uint_eq(ctl_write(&rig, SWITCH, 1, 0), RIG_OK);
    ck_assert_int_eq(fake_mixer_value(FAKE_SWITCH).integer[0], 1);
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
    ck_assert_one_error(text, why);
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

START_TEST(people_set_them_too)
{
    const char *const set[] = {"ctl", "Master Playback Volume", "100%", NULL};
    const char *const get[] = {"ctl", "Master Playback Volume", NULL};
    char reply[256] = "";

    ck_assert_int_eq(command(set, reply, sizeof(reply)), 0);
    rig_step(&rig);
    ck_assert_int_eq(command(get, reply, sizeof(reply)), 0);
    ck_assert_ptr_nonnull(strstr(reply, "150,150"));
    ck_assert_int_eq(fake_mixer_value(FAKE_VOLUME).integer[1], 100);
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
    tcase_add_test(tests, values_that_can_not_be_never_get_to_the_card);
    tcase_add_test(tests, values_of_the_card_are_brought_within_its_limits);
    tcase_add_test(tests, metadata_are_the_cards);
    tcase_add_test(tests, metadata_are_read_only);
    tcase_add_test(tests, changes_on_the_host_are_told);
    tcase_add_test(tests, change_by_the_guest_is_told_once);
    tcase_add_test(tests, value_that_the_card_refuses_goes_back);
    tcase_add_test(tests, card_that_hangs_holds_up_nothing);
    tcase_add_test(tests, helper_that_dies_leaves_the_values_and_one_line);
    tcase_add_loop_test(tests, nonsense_of_the_helper_is_its_end, 0, 3);
    tcase_add_test(tests, card_that_is_gone_keeps_its_values);
    tcase_add_test(tests, element_that_is_removed_holds_up_nobody);
    tcase_add_test(tests, people_set_them_too);
    tcase_add_checked_fixture(options, options_setup, options_teardown);
    tcase_add_test(options, options_that_make_no_sense_are_refused);
    suite_add_tcase(suite, tests);
    suite_add_tcase(suite, options);
    return suite;
}
