/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of devices/snd/command.c: what people and programs on the host ask of a sound card. */
#include "tests/devices/snd/sound_rig.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

static struct rig rig;

/* What the device answers to the words; *ret_result is 0 or -errno. */
static char reply[20000];
static int result;

static void done(struct virtio_command *command)
{
    (void)fclose(command->reply);
    result = command->result;
}

/* Asks; the answer is there at once, or after a step of the worker. */
static int ask(const char *text)
{
    static char line[5000];
    const char *words[16] = {0};
    struct virtio_command command = {.words = words, .done = done};
    unsigned count = 0;

    ck_assert_uint_lt(strlen(text), sizeof(line));
    strcpy(line, text);
    for (char *word = strtok(line, "|"); word != NULL; word = strtok(NULL, "|"))
        words[count++] = word;
    memset(reply, 0, sizeof(reply));
    command.reply = fmemopen(reply, sizeof(reply), "w");
    result = 1;
    virtio_command(rig.dev, &command);
    rig_step(&rig);
    ck_assert_int_le(result, 0);
    return result;
}

START_TEST(jacks_are_listed_and_moved)
{
    rig_start(&rig, "host=null,jacks=headphone+mic:unplugged");
    ck_assert_int_eq(ask("jack"), 0);
    ck_assert_str_eq(reply, "0 headphone plugged\n1 mic unplugged\n");
    ck_assert_int_eq(ask("jack|0|unplug"), 0);
    ck_assert_str_eq(reply, "");
    ck_assert_int_eq(ask("jack|mic|plug"), 0);
    ck_assert_uint_eq(rig.snd->events.pending, 2);
    ck_assert_int_eq(ask("jack"), 0);
    ck_assert_str_eq(reply, "0 headphone unplugged\n1 mic plugged\n");
    rig_end(&rig);
}
END_TEST

START_TEST(device_without_a_driver_is_asked_at_once)
{
    ck_assert_int_eq(rig_create(&rig, "host=null,jacks=headphone,controls=on"), 0);
    ck_assert_int_eq(ask("jack|headphone|unplug"), 0);
    ck_assert_int_eq(ask("ctl|0|128"), 0);
    ck_assert_int_eq(ask("jack"), 0);
    ck_assert_str_eq(reply, "0 headphone unplugged\n");
    ck_assert_int_eq(ask("ctl|0"), 0);
    ck_assert_str_eq(reply, "0 'Master Playback Volume' 128,128\n");
    virtio_destroy(rig.dev);
    memory_destroy(&rig.mem);
}
END_TEST

static const struct {
    const char *ask, *value; /* as it is told afterwards */
} sets[] = {
    {"Master Playback Volume|50%", "0 'Master Playback Volume' 128,128\n"},
    {"Master Playback Volume|100,200", "0 'Master Playback Volume' 100,200\n"},
    {"Master Playback Volume|0%,100%", "0 'Master Playback Volume' 0,256\n"},
    {"0|33%", "0 'Master Playback Volume' 84,84\n"},
    {"Master Playback Switch|off", "1 'Master Playback Switch' off\n"},
    {"Master Playback Switch|0", "1 'Master Playback Switch' off\n"},
    {"0|14,20", "0 'Master Playback Volume' 14,20\n"},
};

START_TEST(element_is_set_by_text)
{
    char line[200];

    rig_start(&rig, "host=null,controls=on");
    (void)snprintf(line, sizeof(line), "ctl|%s", sets[_i].ask);
    ck_assert_int_eq(ask(line), 0);
    ck_assert_str_eq(reply, "");
    *strrchr(line, '|') = '\0';
    ck_assert_int_eq(ask(line), 0);
    ck_assert_str_eq(reply, sets[_i].value);
    rig_end(&rig);
}
END_TEST

/* As a card of the host may have them. */
START_TEST(elements_have_their_own_language)
{
    static const char colours[][WIRE_CTL_ITEM_BYTES] = {"Red", "Green", "Blue"};
    struct ctl *ctl;

    rig_start(&rig, "host=null,controls=on");
    ctl = &rig.snd->ctls.item[0];
    ctl->info.limits.integer.min = to_le32(10);
    ctl->info.limits.integer.max = to_le32(30);
    ctl->info.limits.integer.step = to_le32(2);
    ck_assert_int_eq(ask("ctl|0|75%,76%"), 0);
    ck_assert_int_eq(ask("ctl|0"), 0);
    ck_assert_str_eq(reply, "0 'Master Playback Volume' 26,26\n"); /* steps next to 25, 25.2 */
    ck_assert_int_lt(ask("ctl|0|11"), 0);
    ctl->info.head.type = to_le32(3); /* an enumeration */
    ctl->info.limits.enumerated.items = to_le32(3);
    memcpy(ctl->items, colours, sizeof(colours));
    ck_assert_int_eq(ask("ctl|0|green,2"), 0);
    ck_assert_int_eq(ask("ctl|0"), 0);
    ck_assert_str_eq(reply, "0 'Master Playback Volume' Green,Blue\n");
    ck_assert_int_lt(ask("ctl|0|Black"), 0);
    ck_assert_int_lt(ask("ctl|0|3"), 0);
    ctl->info.head.access = to_le32(1);
    ck_assert_int_eq(ask("ctl|0|Red"), -EPERM);
    rig_end(&rig);
}
END_TEST

START_TEST(elements_are_listed)
{
    rig_start(&rig, "host=null,controls=on,source=tone");
    ck_assert_int_eq(ask("ctl"), 0);
    ck_assert_str_eq(reply, "0 'Master Playback Volume' 256,256\n1 'Master Playback Switch' on\n"
                            "2 'Capture Volume' 256,256\n3 'Capture Switch' on\n");
    rig_end(&rig);
}
END_TEST

static const char *const wrong[] = {
    "jack|0",
    "jack|0|pull",
    "jack|0|plug|now",
    "jack|1|plug",
    "jack|mic|plug",
    "jack|00|plug",
    "jack|-1|plug",
    "ctl|Nothing",
    "ctl|11",
    "ctl|Master|Playback|Volume",
    "ctl|0|257",
    "ctl|0|-1",
    "ctl|0|1,2,3",
    "ctl|0|,",
    "ctl|0|1,",
    "ctl|0|one",
    "ctl|0|1 ",
    "ctl|0|101%",
    "ctl|0|-1%",
    "ctl|0|50%%",
    "ctl|0|50%5",
    "ctl|0|%",
    "ctl|0|99999999999%",
    "ctl|0|99999999999999999999",
    "ctl|0|4294967424", /* 128 in 32 bits */
    "ctl|1|2",
    "ctl|1|50%",
    "ctl|1|maybe",
    "volume",
    "Jack",
};

START_TEST(what_can_not_be_is_refused_in_a_line)
{
    rig_start(&rig, "host=null,jacks=headphone,controls=on");
    ck_assert_int_lt(ask(wrong[_i]), 0);
    ck_assert_uint_gt(strlen(reply), 0);
    ck_assert_ptr_null(strchr(reply, '\n'));
    ck_assert_uint_eq(rig.snd->events.pending, 0);
    rig_end(&rig);
}
END_TEST

Suite *command_suite(void);
Suite *command_suite(void)
{
    Suite *suite = suite_create("snd/command");
    TCase *tcase = tcase_create("command");

    tcase_add_test(tcase, jacks_are_listed_and_moved);
    tcase_add_test(tcase, device_without_a_driver_is_asked_at_once);
    tcase_add_loop_test(tcase, element_is_set_by_text, 0, ARRAY_SIZE(sets));
    tcase_add_test(tcase, elements_have_their_own_language);
    tcase_add_test(tcase, elements_are_listed);
    tcase_add_loop_test(tcase, what_can_not_be_is_refused_in_a_line, 0, ARRAY_SIZE(wrong));
    suite_add_tcase(suite, tcase);
    return suite;
}
