/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tests of the command `linnet listen` (devices/snd/hear/listen.c, heard.c, lib/sound_file.c): run
 * as main() runs it, on files written by libsndfile and by sox, looking at status, output and
 * messages.
 */
#include "tests/devices/snd/hear/listen_run.h"

Suite *listen_suite(void);

/* The samples of a 32-bit WAV. */
static void write_ints(const char *path, const int *samples, int count)
{
    SNDFILE *file = create_file(path, SF_FORMAT_WAV | SF_FORMAT_PCM_32, 48000, 1);

    ck_assert_int_eq(sf_writef_int(file, samples, count), count);
    ck_assert_int_eq(sf_close(file), 0);
}

/* -- telling -- */

START_TEST(a_tone_is_told_line_by_line)
{
    write_tone("tone.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, 48000, 2, 96000);
    ck_assert_int_eq(run("--same-as tone.wav tone.wav"), 0);
    ck_assert_str_eq(out, "tone.wav\n"
                          "  format     WAV (Microsoft), Signed 16 bit PCM\n"
                          "  frames     96000 (2.0000 s)\n"
                          "  rate       48000 Hz\n"
                          "  channels   2\n"
                          "  channel 1  440.00 Hz (100 %)    peak   -6.02 dBFS, rms   -9.03 dBFS\n"
                          "  channel 2  880.00 Hz (100 %)    peak   -6.02 dBFS, rms   -9.03 dBFS\n"
                          "  gaps       none\n"
                          "  clicks     none\n"
                          "  identical to what was played: yes\n");
    ck_assert_str_eq(err.text, "");
}
END_TEST

/* Two tones of 1 s with 10 ms of silence between, dropped into by a sample of another value. */
START_TEST(gaps_clicks_and_edges_are_told_with_their_places)
{
    SNDFILE *file = create_file("odd.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_24, 48000, 1);

    for (int i = 0; i < 110000; i++) {
        double sample = i < 1000 || (i >= 50000 && i < 50480) || i >= 100000
                            ? 0
                            : 0.3 + 0.5 * cos(2 * M_PI * 440 * i / 48000);

        sample += i == 72000 ? -0.2 : 0;
        ck_assert_int_eq(sf_writef_double(file, &sample, 1), 1);
    }
    ck_assert_int_eq(sf_close(file), 0);
    ck_assert_int_eq(run("odd.wav"), 0);
    ck_assert_ptr_nonnull(strstr(out, "  gaps       1 in channel 1: 1.0417 s for 10.0 ms\n"));
    ck_assert_ptr_nonnull(strstr(out, "  clicks     1 in channel 1: 1.5000 s\n"));
    ck_assert_ptr_nonnull(strstr(out, ", silent for 0.0208 s before, silent for 0.2083 s after\n"));
}
END_TEST

/* Containers and encodings, as libsndfile names them. */
static const struct {
    const char *path;
    int format;
    const char *name;
} formats[] = {
    {"a.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_U8, "WAV (Microsoft), Unsigned 8 bit PCM"},
    {"a.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_24, "WAV (Microsoft), Signed 24 bit PCM"},
    {"a.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_32, "WAV (Microsoft), Signed 32 bit PCM"},
    {"a.wav", SF_FORMAT_WAV | SF_FORMAT_FLOAT, "WAV (Microsoft), 32 bit float"},
    {"a.wav", SF_FORMAT_WAV | SF_FORMAT_DOUBLE, "WAV (Microsoft), 64 bit float"},
    {"a.wav", SF_FORMAT_WAV | SF_FORMAT_ULAW, "WAV (Microsoft), U-Law"},
    {"a.rf64", SF_FORMAT_RF64 | SF_FORMAT_PCM_16, "RF64 (RIFF 64), Signed 16 bit PCM"},
    {"a.flac", SF_FORMAT_FLAC | SF_FORMAT_PCM_16,
     "FLAC (Free Lossless Audio Codec), Signed 16 bit PCM"},
    {"a.aiff", SF_FORMAT_AIFF | SF_FORMAT_PCM_16, "AIFF (Apple/SGI), Signed 16 bit PCM"},
    {"a.ogg", SF_FORMAT_OGG | SF_FORMAT_VORBIS, "OGG (OGG Container format), Vorbis"},
};

START_TEST(formats_that_libsndfile_reads_are_heard)
{
    write_tone(formats[_i].path, formats[_i].format, 48000, 2, 96000);
    char line[128];

    (void)snprintf(line, sizeof(line),
                   "--expect freq=440/880,seconds=2,level=-6,gaps=0,clicks=0 %s", formats[_i].path);
    ck_assert_int_eq(run(line), 0);
    ck_assert_str_eq(err.text, "");
    ck_assert_msg(strstr(out, formats[_i].name) != NULL, "%s", out);
    ck_assert_ptr_nonnull(strstr(out, "  verdict    as expected\n"));
}
END_TEST

/* Sounds of another maker. */
static const struct {
    const char *make, *expect;
} sox_sounds[] = {
    {"synth 2 sine 440 vol 0.5", "freq=440,tol=0.05,seconds=2±0,level=-6.02±0.07,gaps=0,clicks=0"},
    {"synth 2 square 440 vol 0.5", "freq=440,tol=0.05,level=-5±2,gaps=0,clicks=0"},
    {"synth 2 sawtooth 440 vol 0.5", "freq=440,tol=0.05,gaps=0,clicks=0"},
    {"synth 2 whitenoise vol 0.5", "freq=0,gaps=0,clicks=0"},
    {"synth 2 sine 20 vol 0.9", "freq=20,tol=0.05,gaps=0,clicks=0"},
    {"synth 1 sine 440 vol 0.5 pad 0.01@0.5", "freq=440,gaps=1,clicks=0,seconds=1.01"},
    {"synth 1 sine 440 vol 0.5 pad 0.5 0.5", "freq=440,gaps=0,clicks=0,seconds=2"},
    {"trim 0 1", "silence,seconds=1"},
    {"synth 3 sine 440 vol 2", "freq=440,level=0±0.07,gaps=0,clicks=0"},
};

START_TEST(sounds_made_by_sox_are_as_they_were_made)
{
    static const struct {
        const char *from, *to;
    } kinds[] = {{"-r 48000 -c 2", "-b 16"},
                 {"-r 44100 -c 1", "-b 24"},
                 {"-r 8000 -c 8", "-b 8"},
                 {"-r 192000 -c 1", "-b 32"},
                 {"-r 48000 -c 1", "-r 44100 -b 16"}}; /* resampled: rings before it begins */
    char command[256];

    for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
        (void)snprintf(command, sizeof(command), "sox -R -D -V1 %s -n %s sox.wav %s", kinds[k].from,
                       kinds[k].to, sox_sounds[_i].make);
        shell(command);
        (void)snprintf(command, sizeof(command), "--expect %s sox.wav", sox_sounds[_i].expect);
        ck_assert_msg(run(command) == 0, "%s %s: %s", kinds[k].to, sox_sounds[_i].make, err.text);
    }
}
END_TEST

START_TEST(no_frames_are_said_plainly)
{
    ck_assert_int_eq(sf_close(create_file("none.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, 8000, 1)),
                     0);
    ck_assert_int_eq(run("none.wav"), 0);
    ck_assert_ptr_nonnull(strstr(out, "  frames     0 (0.0000 s): no sound\n"));
    ck_assert_int_eq(run("--expect gaps=0 none.wav"), 38);
    ck_assert_str_eq(
        err.text, "linnet: error: none.wav: expected gaps in a sound, heard nothing: 0 frames\n");
    ck_assert_int_eq(run("--same-as none.wav none.wav"), 0);
}
END_TEST

START_TEST(floats_that_are_no_numbers_are_the_same_as_themselves)
{
    float samples[4800];
    SNDFILE *file = create_file("nan.wav", SF_FORMAT_WAV | SF_FORMAT_FLOAT, 48000, 1);

    for (int i = 0; i < 4800; i++)
        samples[i] = 1.5f * (float)sin(2 * M_PI * 440 * i / 48000);
    samples[100] = NAN;
    samples[200] = INFINITY;
    samples[300] = -INFINITY;
    ck_assert_int_eq(sf_writef_float(file, samples, 4800), 4800);
    ck_assert_int_eq(sf_close(file), 0);
    ck_assert_int_eq(run("--same-as nan.wav nan.wav"), 0);
    ck_assert_ptr_nonnull(strstr(out, "peak    3.52 dBFS"));
    ck_assert_ptr_nonnull(strstr(out, "played: yes\n"));
}
END_TEST

/* -- expectations and files that differ -- */

START_TEST(what_is_not_as_expected_ends_with_38_and_a_line)
{
    write_tone("tone.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, 48000, 1, 96000);
    ck_assert_int_eq(run("--expect freq=880 tone.wav"), 38);
    ck_assert_one_error(err.text, "linnet: error: tone.wav: expected freq 880 ±1 Hz, heard 440.00");
    ck_assert_ptr_nonnull(strstr(out, "  verdict    expected freq 880 ±1 Hz, heard 440.00"));
}
END_TEST

START_TEST(the_first_frame_that_differs_is_told)
{
    int samples[3000], other[3000];

    for (int i = 0; i < 3000; i++)
        samples[i] = other[i] = i * 700001;
    other[2345]++; /* in the last of 32 bits */
    write_ints("a.wav", samples, 3000);
    write_ints("b.wav", other, 3000);
    ck_assert_int_eq(run("--same-as a.wav a.wav"), 0);
    ck_assert_int_eq(run("--same-as a.wav b.wav"), 38);
    ck_assert_ptr_nonnull(strstr(
        out, "  identical to what was played: no: from frame 2345 (0.0489 s), where channel 1"));
    ck_assert_one_error(err.text, "");
}
END_TEST

START_TEST(a_file_that_is_the_beginning_of_the_other_is_told)
{
    write_tone("long.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, 48000, 2, 20000);
    write_tone("short.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, 48000, 2, 12345);
    ck_assert_int_eq(run("--same-as long.wav short.wav"), 38);
    ck_assert_ptr_nonnull(strstr(out, "no: it ends after 12345 frames, all the same\n"));
    ck_assert_int_eq(run("--same-as short.wav long.wav"), 38);
    ck_assert_ptr_nonnull(strstr(out, "no: all 12345 frames of that are here, then more follow\n"));
}
END_TEST

/* Values are compared, whatever they are stored in: 16 bits fit into each of these. */
START_TEST(the_same_values_in_another_format_are_identical)
{
    static const int encodings[] = {SF_FORMAT_PCM_16, SF_FORMAT_PCM_24, SF_FORMAT_PCM_32,
                                    SF_FORMAT_FLOAT, SF_FORMAT_DOUBLE};
    short samples[2000];

    for (int i = 0; i < 2000; i++)
        samples[i] = (short)(i * 32 - 32768 + i % 3);
    for (size_t k = 0; k < ARRAY_SIZE(encodings); k++) {
        SNDFILE *file =
            create_file(k == 0 ? "a.wav" : "b.wav", SF_FORMAT_WAV | encodings[k], 48000, 2);

        (void)sf_command(file, SFC_SET_SCALE_INT_FLOAT_WRITE, NULL, SF_TRUE);
        ck_assert_int_eq(sf_writef_short(file, samples, 1000), 1000);
        ck_assert_int_eq(sf_close(file), 0);
        ck_assert_int_eq(run(k == 0 ? "--same-as a.wav a.wav" : "--same-as a.wav b.wav"), 0);
    }
}
END_TEST

START_TEST(other_channels_or_rates_are_not_identical)
{
    write_tone("a.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, 48000, 1, 100);
    write_tone("b.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, 48000, 2, 100);
    write_tone("c.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, 44100, 1, 100);
    ck_assert_int_eq(run("--same-as a.wav b.wav"), 38);
    ck_assert_ptr_nonnull(
        strstr(out, "no: 48000 Hz, channels: 2, instead of 48000 Hz, channels: 1\n"));
    ck_assert_int_eq(run("--same-as a.wav c.wav"), 38);
    ck_assert_ptr_nonnull(
        strstr(out, "no: 44100 Hz, channels: 1, instead of 48000 Hz, channels: 1\n"));
}
END_TEST

Suite *listen_suite(void)
{
    Suite *suite = suite_create("listen");
    TCase *telling = tcase_create("telling"), *judging = tcase_create("judging");
    TCase *all[] = {telling, judging};

    for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
        tcase_add_checked_fixture(all[i], make_folder, remove_folder);
        tcase_set_timeout(all[i], 60);
        suite_add_tcase(suite, all[i]);
    }
    tcase_add_test(telling, a_tone_is_told_line_by_line);
    tcase_add_test(telling, gaps_clicks_and_edges_are_told_with_their_places);
    tcase_add_loop_test(telling, formats_that_libsndfile_reads_are_heard, 0, ARRAY_SIZE(formats));
    tcase_add_loop_test(telling, sounds_made_by_sox_are_as_they_were_made, 0,
                        ARRAY_SIZE(sox_sounds));
    tcase_add_test(telling, no_frames_are_said_plainly);
    tcase_add_test(telling, floats_that_are_no_numbers_are_the_same_as_themselves);

    tcase_add_test(judging, what_is_not_as_expected_ends_with_38_and_a_line);
    tcase_add_test(judging, the_first_frame_that_differs_is_told);
    tcase_add_test(judging, a_file_that_is_the_beginning_of_the_other_is_told);
    tcase_add_test(judging, the_same_values_in_another_format_are_identical);
    tcase_add_test(judging, other_channels_or_rates_are_not_identical);

    return suite;
}
