/* SPDX-License-Identifier: BSD-3-Clause */
/* Tests of devices/snd/hear/expect.c: what can be written, what is refused and how, what is judged
 * how.
 */
#include "devices/snd/hear/expect.h"

#include "tests/capture.h"

#include <check.h>
#include <string.h>

Suite *expect_suite(void);

/* Two channels of a clean tone, 2 s of 440 Hz and 880 Hz at half of full scale. */
static struct listener_report clean_report(void)
{
    struct listener_report report = {.frames = 96000, .rate_hz = 48000, .channels = 2};

    for (unsigned c = 0; c < 2; c++)
        report.channel[c] = (struct listener_channel){
            .freq_hz = 440.0 * (c + 1), .share = 1, .peak_dbfs = -6.02, .rms_dbfs = -9.03};
    return report;
}

static struct listener_report silent_report(uint64_t frames)
{
    struct listener_report report = {
        .frames = frames, .rate_hz = 48000, .channels = 2, .silent = true};

    for (unsigned c = 0; c < 2; c++)
        report.channel[c] =
            (struct listener_channel){.silent = true, .peak_dbfs = -200, .rms_dbfs = -200};
    return report;
}

/* What judging says: "" if all is as expected. */
static const char *judge(const char *text, const struct listener_report *report)
{
    static char line[EXPECT_LINE_SIZE];
    struct expect expect;

    line[0] = '\0';
    ck_assert_int_eq(expect_parse(text, "expect: ", &expect), 0);
    ck_assert(expect_judge(&expect, report, line) == (line[0] == '\0'));
    return line;
}

/* -- judging -- */

static const char *const passing[] = {
    "freq=440/880,tol=1,seconds=2,gaps=0,level=-6±1,clicks=0,channels=2,rate=48000,frames=96000",
    "freq=441/879",       /* 1 Hz is allowed */
    "freq=443/877,tol=3", /* as given */
    "tol=3,freq=443/877", /* in any order */
    "freq=445/885±5",
    "freq=445/885+-5",
    "freq=4.4e2/880.0",
    "level=-5.02", /* 1 dB is allowed */
    "level=-6.02±0",
    "level=-6.02/-6.02+-0.001",
    "seconds=2.005", /* 5 ms are allowed */
    "seconds=1.5±0.5",
    "gaps=0/0",
    "gaps=1±1",
    "channels=2±0",
    "rate=48001±1",
};

START_TEST(what_is_as_expected_passes)
{
    struct listener_report report = clean_report();

    ck_assert_str_eq(judge(passing[_i], &report), "");
}
END_TEST

static const struct {
    const char *text, *line;
} failing[] = {
    {"freq=440", "expected freq 440 ±1 Hz, heard 880.000 Hz in channel 2"},
    {"freq=441.5/880", "expected freq 441.5 ±1 Hz, heard 440.000 Hz in channel 1"},
    {"freq=440/880.2,tol=0.1", "expected freq 880.2 ±0.1 Hz, heard 880.000 Hz in channel 2"},
    {"freq=440/880/1320", "expected freq for each of 3 channels, heard 2"},
    {"seconds=2.0051", "expected seconds 2.0051 ±0.005 s, heard 2.000 s"},
    {"seconds=1.999±0", "expected seconds 1.999 s, heard 2.000 s"},
    {"frames=96001", "expected frames 96001, heard 96000"},
    {"channels=1", "expected channels 1, heard 2"},
    {"rate=44100", "expected rate 44100 Hz, heard 48000 Hz"},
    {"level=-5", "expected level -5 ±1 dBFS, heard -6.020 dBFS in channel 1"},
    {"gaps=1", "expected gaps 1, heard 0 in channel 1"},
    {"clicks=0/2", "expected clicks 2, heard 0 in channel 2"},
    {"silence", "expected silence, heard sound of up to -6.02 dBFS"},
    {"gaps=1,rate=1", "expected rate 1 Hz, heard 48000 Hz"}, /* the plainest cause first */
};

START_TEST(what_is_not_as_expected_is_told_in_a_line)
{
    struct listener_report report = clean_report();

    ck_assert_str_eq(judge(failing[_i].text, &report), failing[_i].line);
}
END_TEST

START_TEST(gaps_and_clicks_are_told_with_their_place)
{
    struct listener_report report = clean_report();

    report.channel[1].gaps.count = 2;
    report.channel[1].gaps.first[0] = (struct listener_mark){.at_frame = 24000, .frames = 480};
    report.channel[1].clicks.count = 20;
    report.channel[1].clicks.first[0].at_frame = 36000;
    ck_assert_str_eq(judge("gaps=0", &report),
                     "expected gaps 0, heard 2 in channel 2 (the first at 0.5000 s for 10.0 ms)");
    ck_assert_str_eq(judge("clicks=0", &report),
                     "expected clicks 0, heard 20 in channel 2 (the first at 0.7500 s)");
    ck_assert_str_eq(judge("clicks=0/20,gaps=0/2", &report), "");
}
END_TEST

START_TEST(a_silent_channel_has_no_pitch)
{
    struct listener_report report = clean_report();

    report.channel[1] = silent_report(1).channel[1];
    ck_assert_str_eq(judge("freq=440", &report),
                     "expected freq 440 ±1 Hz, heard none in channel 2 (silence)");
    ck_assert_str_eq(judge("freq=440/0,gaps=0,clicks=0", &report), "");
}
END_TEST

START_TEST(silence_passes_as_silence_only)
{
    struct listener_report report = silent_report(96000);

    ck_assert_str_eq(judge("silence", &report), "");
    ck_assert_str_eq(judge("silence,seconds=2,channels=2", &report), "");
    ck_assert_str_eq(judge("gaps=0", &report), "expected gaps in a sound, heard only silence");
    ck_assert_str_eq(judge("clicks=0", &report), "expected clicks in a sound, heard only silence");
    ck_assert_str_eq(judge("level=-200", &report), "expected level in a sound, heard only silence");
    ck_assert_str_eq(judge("freq=440", &report),
                     "expected freq 440 ±1 Hz, heard none in channel 1 (silence)");
}
END_TEST

START_TEST(no_frames_are_no_sound)
{
    struct listener_report report = silent_report(0);

    ck_assert_str_eq(judge("gaps=0", &report), "expected gaps in a sound, heard nothing: 0 frames");
    ck_assert_str_eq(judge("seconds=2", &report), "expected seconds 2 ±0.005 s, heard 0.000 s");
    ck_assert_str_eq(judge("frames=0", &report), "");
}
END_TEST

START_TEST(a_pitch_that_was_not_heard_is_not_one_of_low_frequency)
{
    struct listener_report report = clean_report();

    report.channel[0].freq_hz = 0; /* noise */
    ck_assert_str_eq(judge("freq=0/880", &report), "");
    ck_assert_str_eq(judge("freq=0.5/880", &report),
                     "expected freq 0.5 ±1 Hz, heard none in channel 1 (no pitch)");
    ck_assert_str_eq(judge("freq=440/880", &report),
                     "expected freq 440 ±1 Hz, heard none in channel 1 (no pitch)");
}
END_TEST

/* -- what is refused -- */

static const struct {
    const char *text, *why;
} refused[] = {
    {"", "empty; write key=value,... such as freq=440,gaps=0"},
    {",", "a key is missing at a comma"},
    {"freq=440,", "a key is missing at a comma"},
    {"frq=440", "\"frq\": no such key; did you mean \"freq\"?"},
    {"Gaps=2", "did you mean \"gaps\"?"},
    {"=2", "a key is missing before ="},
    {"volume=2",
     "known keys: silence, channels, rate, seconds, frames, freq, tol, level, gaps, clicks"},
    {"freq", "freq: needs a value"},
    {"freq=", "freq: \"\": give a number from 0 to 1000000, or one for each channel, as N/N, and "
              "±N if it may be off by so much"},
    {"freq=abc", "freq: \"abc\": give a number from 0 to 1000000, or one for each channel, as N/N, "
                 "and ±N if it may be off by so much"},
    {"freq=440Hz", "freq: \"440Hz\": give a number from 0 to 1000000, or one for each channel, as "
                   "N/N, and ±N if it may be off by so much"},
    {"freq= 440", "freq: \" 440\": give a number from 0 to 1000000, or one for each channel, as "
                  "N/N, and ±N if it may be off by so much"},
    {"freq=nan", "freq: \"nan\": give a number from 0 to 1000000, or one for each channel, as N/N, "
                 "and ±N if it may be off by so much"},
    {"freq=inf", "freq: \"inf\": give a number from 0 to 1000000, or one for each channel, as N/N, "
                 "and ±N if it may be off by so much"},
    {"freq=0x1b8", "freq: \"0x1b8\": give a number from 0 to 1000000, or one for each channel, as "
                   "N/N, and ±N if it may be off by so much"},
    {"freq=-0x1", "freq: \"-0x1\": give a number from 0 to 1000000, or one for each channel, as "
                  "N/N, and ±N if it may be off by so much"},
    {"freq=-1", "freq: \"-1\": give a number from 0 to 1000000, or one for each channel, as N/N, "
                "and ±N if it may be off by so much"},
    {"freq=1e999", "freq: \"1e999\": give a number from 0 to 1000000, or one for each channel, as "
                   "N/N, and ±N if it may be off by so much"},
    {"freq=1000001", "freq: \"1000001\": give a number from 0 to 1000000, or one for each channel, "
                     "as N/N, and ±N if it may be off by so much"},
    {"freq=440/", "freq: \"440/\": give a number from 0 to 1000000, or one for each channel, as "
                  "N/N, and ±N if it may be off by so much"},
    {"freq=/440", "freq: \"/440\": give a number from 0 to 1000000, or one for each channel, as "
                  "N/N, and ±N if it may be off by so much"},
    {"freq=440±", "freq: \"440±\": give a number from 0 to 1000000, or one for each channel, as "
                  "N/N, and ±N if it may be off by so much"},
    {"freq=440±-1", "freq: \"440±-1\": give a number from 0 to 1000000, or one for each channel, "
                    "as N/N, and ±N if it may be off by so much"},
    {"freq=440±1±1", "freq: \"440±1±1\": give a number from 0 to 1000000, or one for each channel, "
                     "as N/N, and ±N if it may be off by so much"},
    {"freq=440,,gaps=0", "freq: \"440,gaps=0\": give a number from 0 to 1000000, or one for each "
                         "channel, as N/N, and ±N if it may be off by so much"},
    {"freq=440,freq=440", "freq: given twice"},
    {"silence,silence", "silence: given twice"},
    {"tol=1", "tol: is the tolerance of freq, which is missing; add freq=N"},
    {"freq=440,tol=x", "tol: \"x\": give a number from 0 to 1000000, and"},
    {"silence=maybe", "silence"},
    {"gaps=1.5", "gaps: \"1.5\": give a whole number from 0 up, or one for each channel"},
    {"gaps=-1", "gaps: \"-1\": give a whole number from 0 up"},
    {"seconds=-0.1", "seconds: \"-0.1\": give a number from 0 up, and"},
    {"channels=0", "channels: \"0\": give a whole number from 1 to 32, and"},
    {"channels=33", "channels: \"33\": give a whole number from 1 to 32, and"},
    {"rate=0", "rate: \"0\": give a whole number from 1 to 1000000, and"},
    {"rate=44100/48000", "rate: \"44100/48000\": give a whole number"},
    {"level=121", "level: \"121\": give a number from -200 to 120, or"},
    {"freq=1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18/19/20/21/22/23/24/25/26/27/28/29/30/31/32/"
     "33",
     "freq: "},
    {"a\nb\033=1", "no such key"},
    {"freq=1\n2", "freq: "},
};

START_TEST(what_makes_no_sense_is_refused_with_key_and_remedy)
{
    struct expect expect = {.value[0].count = 77};
    struct capture capture;

    capture_start(&capture);
    int r = expect_parse(refused[_i].text, "--expect: ", &expect);
    const char *said = capture_end(&capture);
    ck_assert_int_eq(r, -EINVAL);
    ck_assert_one_error(said, "--expect: ");
    ck_assert_msg(strstr(said, refused[_i].why) != NULL, "%s", said);
    ck_assert_uint_eq(expect.value[0].count, 77); /* untouched */
}
END_TEST

START_TEST(help_tells_each_key_once)
{
    static const char *const names[] = {"silence", "channels=", "rate=",  "seconds=", "frames=",
                                        "freq=",   "tol=",      "level=", "gaps=",    "clicks="};
    char text[8192] = "";
    FILE *out = fmemopen(text, sizeof(text), "w");

    ck_assert_ptr_nonnull(out);
    expect_help(out);
    ck_assert_int_eq(fclose(out), 0);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        ck_assert_msg(strstr(text, names[i]) != NULL, "no %s in %s", names[i], text);
}
END_TEST

Suite *expect_suite(void)
{
    Suite *suite = suite_create("expect");
    TCase *judging = tcase_create("judging"), *refusing = tcase_create("refusing");

    tcase_add_loop_test(judging, what_is_as_expected_passes, 0, ARRAY_SIZE(passing));
    tcase_add_loop_test(judging, what_is_not_as_expected_is_told_in_a_line, 0, ARRAY_SIZE(failing));
    tcase_add_test(judging, gaps_and_clicks_are_told_with_their_place);
    tcase_add_test(judging, a_silent_channel_has_no_pitch);
    tcase_add_test(judging, silence_passes_as_silence_only);
    tcase_add_test(judging, no_frames_are_no_sound);
    tcase_add_test(judging, a_pitch_that_was_not_heard_is_not_one_of_low_frequency);
    suite_add_tcase(suite, judging);

    tcase_add_loop_test(refusing, what_makes_no_sense_is_refused_with_key_and_remedy, 0,
                        ARRAY_SIZE(refused));
    tcase_add_test(refusing, help_tells_each_key_once);
    suite_add_tcase(suite, refusing);
    return suite;
}
