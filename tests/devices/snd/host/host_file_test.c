/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tests of devices/snd/host/host_file.c: what the guest plays through the queues against what
 * libsndfile reads from the recording.
 */
#include "devices/snd/host/wav.h"
#include "tests/capture.h"
#include "tests/child.h"
#include "tests/devices/snd/host/recording.h"

#include <check.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sndfile.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* -- what it can do -- */

/* proves: SND-34 */
START_TEST(channels_and_formats_offered_are_those_that_the_file_can_hold)
{
    struct rig rig;

    rig_start(&rig, recording_options("a.wav", ",formats=all,channels=1-18"));
    ck_assert_uint_eq(rig.snd->pcm.streams[0].info.channels_max, 18);
    ck_assert_uint_eq(from_le64(rig.snd->pcm.streams[0].info.formats), 0x1ffff8);
    rig_end(&rig);
}
END_TEST

/* -- every format -- */

static const struct {
    uint8_t code;
    unsigned bytes;
    uint32_t meaning; /* bits of the container that mean something */
    int subtype;
} formats[] = {
    {3, 1, 0xff, SF_FORMAT_PCM_U8}, /* WAV has no signed bytes */
    {4, 1, 0xff, SF_FORMAT_PCM_U8},        {5, 2, 0xffff, SF_FORMAT_PCM_16},
    {6, 2, 0xffff, SF_FORMAT_PCM_16},      {7, 3, 0x3ffff, SF_FORMAT_PCM_24},
    {11, 3, 0xffffff, SF_FORMAT_PCM_24},   {12, 3, 0xffffff, SF_FORMAT_PCM_24},
    {13, 4, 0xfffff, SF_FORMAT_PCM_24},    {15, 4, 0xffffff, SF_FORMAT_PCM_24},
    {17, 4, 0xffffffff, SF_FORMAT_PCM_32}, {18, 4, 0xffffffff, SF_FORMAT_PCM_32},
};

#define S24_ROW 8

/* The number that a sample's bytes stand for at full scale of 32 bits, written out anew. */
static int32_t number(const uint8_t *bytes, size_t at)
{
    const uint32_t meaning = formats[at].meaning;
    const unsigned bits = 32 - (unsigned)__builtin_clz(meaning);
    const bool is_unsigned = formats[at].code % 2 == 0; /* as it happens */
    uint64_t raw = 0;

    for (unsigned i = 0; i < formats[at].bytes; i++)
        raw |= (uint64_t)bytes[i] << 8 * i;
    raw &= meaning;
    int64_t half = (int64_t)1 << (bits - 1);
    int64_t signed_value = is_unsigned            ? (int64_t)raw - half
                           : (int64_t)raw >= half ? (int64_t)raw - 2 * half
                                                  : (int64_t)raw;
    return (int32_t)(signed_value * ((int64_t)1 << (32 - bits)));
}

START_TEST(integer_samples_arrive_bit_for_bit)
{
    uint8_t bytes[4 * 2 * 480];
    uint32_t len = formats[_i].bytes * 2 * 480;
    int32_t samples[2 * 480];
    struct rig rig;
    SF_INFO info;

    recording_pattern(bytes, len, 42);
    rig_start(&rig, recording_options("f.wav", ",formats=all,rates=all,channels=1-8"));
    ck_assert_uint_eq(rig_set_params(&rig, 0, 2 * len, len, 2, formats[_i].code, 6), RIG_OK);
    ck_assert_uint_eq(rig_command(&rig, RIG_PREPARE, 0), RIG_OK);
    ck_assert_uint_eq(rig_command(&rig, RIG_START, 0), RIG_OK);
    recording_play(&rig, bytes, len);
    rig_end(&rig);

    SNDFILE *file = recording_reopen("f.wav", &info);
    ck_assert_int_eq(info.samplerate, 44100);
    ck_assert_int_eq(info.channels, 2);
    ck_assert_int_eq(info.format & SF_FORMAT_SUBMASK, formats[_i].subtype);
    ck_assert_int_eq(info.frames, 480);
    ck_assert_int_eq(sf_read_int(file, samples, 960), 960);
    (void)sf_close(file);
    for (size_t i = 0; i < 960; i++)
        ck_assert_int_eq(samples[i], number(bytes + i * formats[_i].bytes, (size_t)_i));
}
END_TEST

/* More samples than are converted at a time, and that number is no multiple of the channels. */
START_TEST(long_period_of_three_channels_arrives_whole)
{
    int32_t in[3 * 1024], out[3 * 1024];
    struct rig rig;
    SF_INFO info;

    recording_pattern((uint8_t *)in, sizeof(in), 11);
    rig_start(&rig, recording_options("f.wav", ",formats=all,channels=1-8"));
    ck_assert_uint_eq(rig_set_params(&rig, 0, 2 * sizeof(in), sizeof(in), 3, 17, 6), RIG_OK);
    ck_assert_uint_eq(rig_command(&rig, RIG_PREPARE, 0), RIG_OK);
    ck_assert_uint_eq(rig_command(&rig, RIG_START, 0), RIG_OK);
    recording_play(&rig, in, sizeof(in));
    rig_end(&rig);

    SNDFILE *file = recording_reopen("f.wav", &info);
    ck_assert_int_eq(info.frames, 1024);
    ck_assert_int_eq(sf_read_int(file, out, 3 * 1024), 3 * 1024);
    (void)sf_close(file);
    ck_assert_mem_eq(in, out, sizeof(in));
}
END_TEST

/* T19 for all layouts: blocks inside the recorder must not cut frames. */
START_TEST(any_number_of_channels_arrives_whole)
{
    const uint32_t channels = (uint32_t)_i + 1, frames = 1200, len = frames * channels * 4;
    uint8_t *bytes = malloc(len);
    int32_t *samples = malloc(len);
    struct rig rig;
    SF_INFO info;

    ck_assert(bytes != NULL && samples != NULL);
    recording_pattern(bytes, len, channels);
    rig_start(&rig, recording_options("n.wav", ",channels=1-8"));
    ck_assert_uint_eq(rig_set_params(&rig, 0, len, len, (uint8_t)channels, RIG_S24, 7), RIG_OK);
    ck_assert_uint_eq(rig_command(&rig, RIG_PREPARE, 0), RIG_OK);
    ck_assert_uint_eq(rig_command(&rig, RIG_START, 0), RIG_OK);
    recording_play(&rig, bytes, len);
    ck_assert_int_eq(virtio_finish(rig.dev), 0);
    rig_end(&rig);

    SNDFILE *file = recording_reopen("n.wav", &info);
    ck_assert_int_eq(info.channels, (int)channels);
    ck_assert_int_eq(info.frames, frames);
    ck_assert_int_eq(sf_read_int(file, samples, frames * channels), frames * channels);
    (void)sf_close(file);
    for (size_t i = 0; i < frames * channels; i++)
        ck_assert_int_eq(samples[i], number(bytes + i * 4, S24_ROW));
    free(samples);
    free(bytes);
}
END_TEST

START_TEST(floating_point_samples_arrive_bit_for_bit)
{
    float in[960], out[960];
    struct rig rig;
    SF_INFO info;

    recording_pattern((uint8_t *)in, sizeof(in), 7); /* also infinities and not-a-numbers */
    rig_start(&rig, recording_options("f.wav", ""));
    ck_assert_uint_eq(rig_set_params(&rig, 0, 2 * sizeof(in), sizeof(in), 2, RIG_FLOAT, 7), RIG_OK);
    ck_assert_uint_eq(rig_command(&rig, RIG_PREPARE, 0), RIG_OK);
    ck_assert_uint_eq(rig_command(&rig, RIG_START, 0), RIG_OK);
    recording_play(&rig, in, sizeof(in));
    rig_end(&rig);

    SNDFILE *file = recording_reopen("f.wav", &info);
    ck_assert_int_eq(info.format & SF_FORMAT_SUBMASK, SF_FORMAT_FLOAT);
    ck_assert_int_eq(sf_read_float(file, out, 960), 960);
    (void)sf_close(file);
    ck_assert_mem_eq(in, out, sizeof(in));
}
END_TEST

/* -- what goes into the file and what does not -- */

/* T17, T18: everything that was reported as played is in the file, and nothing else. */
START_TEST(plays_with_equal_parameters_make_one_recording)
{
    int16_t in[3][960], out[3 * 960];
    struct rig rig;
    SF_INFO info;

    rig_start(&rig, recording_options("a.wav", ""));
    for (uint32_t play = 0; play < 3; play++) {
        recording_pattern((uint8_t *)in[play], sizeof(in[0]), play);
        rig_prepare(&rig, 0);
        ck_assert_uint_eq(rig_command(&rig, RIG_START, 0), RIG_OK);
        rig_advance(&rig, 5000 * RIG_MS); /* nothing comes: no silence in the file */
        recording_play(&rig, in[play], sizeof(in[0]));
        ck_assert_uint_eq(rig_command(&rig, RIG_STOP, 0), RIG_OK);
        ck_assert_uint_eq(rig_command(&rig, RIG_RELEASE, 0), RIG_OK);
    }
    rig_restart(&rig); /* nor does a reset of the device end it */
    rig_end(&rig);

    SNDFILE *file = recording_reopen("a.wav", &info);
    ck_assert_int_eq(info.frames, 3 * 480);
    ck_assert_int_eq(sf_read_short(file, out, 3 * 960), 3 * 960);
    (void)sf_close(file);
    ck_assert_mem_eq(in, out, sizeof(out));
}
END_TEST

START_TEST(another_format_begins_a_new_take)
{
    uint8_t bytes[1920];
    struct rig rig;
    SF_INFO info;

    recording_pattern(bytes, sizeof(bytes), 1);
    rig_start(&rig, recording_options("t.wav", ",formats=all"));
    rig_prepare(&rig, 0);
    ck_assert_uint_eq(rig_command(&rig, RIG_START, 0), RIG_OK);
    recording_play(&rig, bytes, sizeof(bytes));
    ck_assert_uint_eq(rig_command(&rig, RIG_STOP, 0), RIG_OK);
    ck_assert_uint_eq(rig_command(&rig, RIG_RELEASE, 0), RIG_OK);
    ck_assert_uint_eq(rig_set_params(&rig, 0, 3840, 1920, 1, RIG_U8, 6), RIG_OK);
    ck_assert_uint_eq(rig_command(&rig, RIG_PREPARE, 0), RIG_OK);
    ck_assert_uint_eq(rig_command(&rig, RIG_START, 0), RIG_OK);
    recording_play(&rig, bytes, sizeof(bytes));
    rig_end(&rig);

    (void)sf_close(recording_reopen("t.wav", &info));
    ck_assert_int_eq(info.frames, 480);
    (void)sf_close(recording_reopen("t.2.wav", &info));
    ck_assert_int_eq(info.frames, 1920);
    ck_assert_int_eq(info.samplerate, 44100);
    ck_assert_int_eq(info.channels, 1);
    ck_assert_int_eq(info.format & SF_FORMAT_SUBMASK, SF_FORMAT_PCM_U8);
}
END_TEST

/* What makes a new take: each of the three alone, and nothing else. */
START_TEST(take_ends_with_its_format_rate_or_channels)
{
    static const struct {
        uint8_t channels, format, rate;
        uint32_t period_bytes;
        bool another;
    } next[] = {{2, RIG_S32, 7, 1920, true},
                {2, RIG_S16, 6, 1920, true},
                {1, RIG_S16, 7, 1920, true},
                {2, RIG_S16, 7, 960, false}};
    uint8_t bytes[1920];
    struct rig rig;

    recording_pattern(bytes, sizeof(bytes), 1);
    rig_start(&rig, recording_options("e.wav", ""));
    rig_prepare(&rig, 0);
    ck_assert_uint_eq(rig_command(&rig, RIG_START, 0), RIG_OK);
    recording_play(&rig, bytes, sizeof(bytes));
    ck_assert_uint_eq(rig_command(&rig, RIG_STOP, 0), RIG_OK);
    ck_assert_uint_eq(rig_command(&rig, RIG_RELEASE, 0), RIG_OK);
    ck_assert_uint_eq(rig_set_params(&rig, 0, 2 * next[_i].period_bytes, next[_i].period_bytes,
                                     next[_i].channels, next[_i].format, next[_i].rate),
                      RIG_OK);
    ck_assert_uint_eq(rig_command(&rig, RIG_PREPARE, 0), RIG_OK);
    ck_assert_int_eq(access(recording_path("e.2.wav"), F_OK) == 0, next[_i].another);
    rig_end(&rig);
}
END_TEST

START_TEST(old_recording_is_replaced)
{
    uint8_t bytes[1920];
    struct rig rig;
    SF_INFO info;

    recording_pattern(bytes, sizeof(bytes), 1);
    int fd = open(recording_path("o.wav"), O_WRONLY | O_CREAT, 0600);
    ck_assert_int_eq(ftruncate(fd, 100000), 0);
    (void)close(fd);
    rig_start(&rig, recording_options("o.wav", ""));
    rig_prepare(&rig, 0);
    ck_assert_uint_eq(rig_command(&rig, RIG_START, 0), RIG_OK);
    recording_play(&rig, bytes, sizeof(bytes));
    rig_end(&rig);
    (void)sf_close(recording_reopen("o.wav", &info));
    ck_assert_int_eq(info.frames, 480);
}
END_TEST

START_TEST(another_format_before_any_frame_changes_the_first_take)
{
    struct rig rig;
    SF_INFO info;
    struct stat stat_buf;

    rig_start(&rig, recording_options("t.wav", ""));
    rig_prepare(&rig, 0);
    ck_assert_uint_eq(rig_set_params(&rig, 0, 3840, 1920, 1, RIG_S32, 6), RIG_OK);
    ck_assert_uint_eq(rig_command(&rig, RIG_PREPARE, 0), RIG_OK);
    rig_end(&rig);

    (void)sf_close(recording_reopen("t.wav", &info));
    ck_assert_int_eq(info.frames, 0);
    ck_assert_int_eq(info.format & SF_FORMAT_SUBMASK, SF_FORMAT_PCM_32);
    ck_assert_int_lt(stat(recording_path("t.2.wav"), &stat_buf), 0);
}
END_TEST

START_TEST(each_stream_has_its_file)
{
    uint8_t bytes[1920];
    struct rig rig;
    SF_INFO info;

    recording_pattern(bytes, sizeof(bytes), 1);
    rig_start(&rig, recording_options("m.wav", ",streams=2"));
    rig_prepare(&rig, 1);
    ck_assert_uint_eq(rig_command(&rig, RIG_START, 1), RIG_OK);
    (void)rig_play(&rig, 1, rig_alloc(&rig, 1920), 1920);
    rig_advance(&rig, 10 * RIG_MS);
    ck_assert_uint_eq(rig_done_count(&rig, RIG_TX), 1);
    rig_end(&rig);

    (void)sf_close(recording_reopen("m.wav", &info));
    ck_assert_int_eq(info.frames, 0);
    (void)sf_close(recording_reopen("m-s1.wav", &info));
    ck_assert_int_eq(info.frames, 480);
}
END_TEST

START_TEST(recording_holds_what_was_heard_before_a_stop)
{
    int16_t in[960], out[960];
    struct rig rig;
    SF_INFO info;

    recording_pattern((uint8_t *)in, sizeof(in), 5);
    rig_start(&rig, recording_options("s.wav", ""));
    rig_prepare(&rig, 0);
    gpa_t data = rig_alloc(&rig, sizeof(in));
    ck_assert_int_eq(memory_write(&rig.mem, data, in, sizeof(in)), 0);
    (void)rig_play(&rig, 0, data, sizeof(in));
    ck_assert_uint_eq(rig_command(&rig, RIG_START, 0), RIG_OK);
    rig_advance(&rig, 5 * RIG_MS);
    ck_assert_uint_eq(rig_command(&rig, RIG_STOP, 0), RIG_OK);
    rig_advance(&rig, 5 * RIG_MS);
    ck_assert_uint_eq(rig_command(&rig, RIG_RELEASE, 0), RIG_OK);
    rig_end(&rig);

    SNDFILE *file = recording_reopen("s.wav", &info);
    ck_assert_int_eq(info.frames, 240);
    ck_assert_int_eq(sf_read_short(file, out, 960), 480);
    (void)sf_close(file);
    ck_assert_mem_eq(in, out, 960);
}
END_TEST

/* As if hours had been recorded: a hole in the file, which is a lot of silence. */
START_TEST(recording_beyond_4_gib_becomes_rf64)
{
    const struct pcm_params params = {
        .format = pcm_format_by_code(5), .rate_hz = 48000, .channels = 2, .frame_bytes = 4};
    const uint64_t most = (UINT32_MAX - 84) / 4; /* frames in a WAV file, behind 84 bytes */
    const uint64_t frames[] = {most - 1, most, most + 1, 5ull << 28};
    static const int majors[] = {SF_FORMAT_WAV, SF_FORMAT_WAV, SF_FORMAT_RF64, SF_FORMAT_RF64};
    const int16_t last[2] = {1234, -4321};
    le32 words[WAV_HEADER_WORDS];
    int16_t got[2];
    SF_INFO info;

    wav_header(&params, frames[_i], words);
    int fd = open(recording_path("big.wav"), O_WRONLY | O_CREAT, 0600);
    ck_assert_int_eq(pwrite(fd, words, sizeof(words), 0), 92);
    ck_assert_int_eq(pwrite(fd, last, 4, (off_t)(92 + 4 * (frames[_i] - 1))), 4);
    (void)close(fd);
    SNDFILE *file = recording_reopen("big.wav", &info);
    ck_assert_int_eq(info.format, majors[_i] | SF_FORMAT_PCM_16);
    ck_assert_int_eq(info.frames, (sf_count_t)frames[_i]);
    ck_assert_int_eq(sf_seek(file, -1, SEEK_END), (sf_count_t)frames[_i] - 1);
    ck_assert_int_eq(sf_readf_short(file, got, 1), 1);
    ck_assert_mem_eq(got, last, 4);
    (void)sf_close(file);
}
END_TEST

/* -- killed -- */

/* Plays numbered periods until it is killed; *done counts those that the guest got back. */
static void record_until_killed(const char *name, _Atomic uint32_t *done)
{
    static const char *const clocks[] = {",clock=free", ",clock=auto"};
    int16_t samples[960];
    struct rig rig;

    rig_start(&rig, recording_options(name, clocks[name[0] % 2]));
    rig_prepare(&rig, 0);
    ck_assert_uint_eq(rig_command(&rig, RIG_START, 0), RIG_OK);
    for (uint32_t period = 0; period < 30000; period++) {
        for (uint32_t i = 0; i < 960; i++)
            samples[i] = (int16_t)(period + i);
        recording_play(&rig, samples, sizeof(samples));
        atomic_store(done, period + 1);
    }
    _exit(0);
}

/* Lets the guest get `periods` back, and some more: how many it had when all was killed. */
static uint32_t record_and_kill(const char *name, uint32_t periods, useconds_t more_us)
{
    void *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    _Atomic uint32_t *done = shared;
    int status;

    ck_assert_ptr_ne(shared, MAP_FAILED);
    pid_t child = child_fork();
    if (child == 0)
        record_until_killed(name, done);
    while (atomic_load(done) < periods)
        (void)usleep(100);
    (void)usleep(more_us);
    ck_assert_int_eq(kill(child, SIGKILL), 0);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFSIGNALED(status));
    periods = atomic_load(done);
    (void)munmap(shared, 4096);
    return periods;
}

START_TEST(killed_recording_holds_every_completed_period)
{
    char name[16];
    int16_t out[960];
    SF_INFO info;

    (void)snprintf(name, sizeof(name), "%c.wav", 'a' + _i);
    uint32_t periods = record_and_kill(name, 3, 1000u + 613u * (unsigned)_i);
    (void)sf_close(recording_reopen(name, &info));
    ck_assert_int_gt(info.frames, 480ll * periods - 4800); /* the header may lag by 100 ms */
    ck_assert_int_le(info.frames, 480ll * (periods + 1));
    FILE *file = fopen(recording_path(name), "rb");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(fseek(file, 92, SEEK_SET), 0);
    for (uint32_t period = 0; period < periods; period++) {
        ck_assert_uint_eq(fread(out, 2, 960, file), 960);
        ck_assert_int_eq(out[0], (int16_t)period);
        ck_assert_int_eq(out[959], (int16_t)(period + 959));
    }
    (void)fclose(file);
}
END_TEST

/* What is read of the file while it is being written. */
START_TEST(header_counts_ten_times_a_second_and_when_the_sound_stops)
{
    static const uint8_t bytes[1920];
    struct rig rig;
    SF_INFO info;

    rig_start(&rig, recording_options("live.wav", ""));
    rig_prepare(&rig, 0);
    ck_assert_uint_eq(rig_command(&rig, RIG_START, 0), RIG_OK);
    for (unsigned period = 1; period <= 25; period++) {
        recording_play(&rig, bytes, sizeof(bytes));
        (void)sf_close(recording_reopen("live.wav", &info));
        ck_assert_int_eq(info.frames, 4800 * (period / 10));
    }
    ck_assert_uint_eq(rig_command(&rig, RIG_STOP, 0), RIG_OK);
    (void)sf_close(recording_reopen("live.wav", &info));
    ck_assert_int_eq(info.frames, 25 * 480);
    ck_assert_uint_eq(rig_command(&rig, RIG_START, 0), RIG_OK);
    recording_play(&rig, bytes, sizeof(bytes));
    fake_write(&rig.drv, FAKE_STATUS, 0); /* the guest is gone */
    (void)sf_close(recording_reopen("live.wav", &info));
    ck_assert_int_eq(info.frames, 26 * 480);
    rig_end(&rig);
}
END_TEST

/* -- trouble -- */

START_TEST(full_disk_ends_the_recording_and_not_the_guest)
{
    const struct rlimit limit = {10002, RLIM_INFINITY}; /* in the middle of a frame */
    const struct rlimit none = {RLIM_INFINITY, RLIM_INFINITY};
    struct capture capture;
    struct stat stat_buf;
    uint8_t bytes[1920];
    struct rig rig;
    SF_INFO info;

    (void)signal(SIGXFSZ, SIG_IGN);
    recording_pattern(bytes, sizeof(bytes), 1);
    rig_start(&rig, recording_options("full.wav", ""));
    rig_prepare(&rig, 0);
    ck_assert_uint_eq(rig_command(&rig, RIG_START, 0), RIG_OK);
    capture_start(&capture);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    for (unsigned i = 0; i < 10; i++)
        recording_play(&rig, bytes, sizeof(bytes));
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &none), 0);
    const char *said = capture_end(&capture);
    ck_assert_ptr_nonnull(strstr(said, "full.wav"));
    ck_assert_one_error(said, "");
    ck_assert_int_eq(virtio_finish(rig.dev), -EFBIG);
    /* 92 bytes of header: 2477 frames fit. */
    ck_assert_uint_eq(rig.snd->pcm.streams[0].host->lost_frames, 4800 - 2477);
    rig_end(&rig);

    (void)sf_close(recording_reopen("full.wav", &info));
    ck_assert_int_eq(info.frames, 2477);
    ck_assert_int_eq(stat(recording_path("full.wav"), &stat_buf), 0);
    ck_assert_int_eq(stat_buf.st_size, 92 + 4 * 2477);
}
END_TEST

/* Options that must be refused with one line that has the word. */
static const struct {
    const char *options, *word;
    int result;
} refusals[] = {
    {"host=file", "path", -EINVAL},
    {"host=file,path=/nonexistent/a.wav", "/nonexistent/a.wav", -ENOENT},
    {"host=file,path=/proc", "end its name in .wav", -EINVAL},
    {"host=file,path=/tmp/noending", "end its name in .wav", -EINVAL},
    {"host=file,path=/tmp/a.xyz", "end its name in .wav", -EINVAL},
    {"host=file,path=/tmp.wav/a", "end its name in .wav", -EINVAL},
    {"host=file,path=/proc/version.wav", "/proc/version.wav", -ENOENT},
    {"host=file,path=/tmp/x.flac", "end its name in .wav", -EINVAL},
    {"host=file,path=/tmp/x.wav,formats=DSD_U8", "formats", -EINVAL},
};

START_TEST(unusable_path_is_refused_in_one_line)
{
    struct capture capture;
    struct rig rig;

    capture_start(&capture);
    int r = rig_create(&rig, refusals[_i].options);
    const char *said = capture_end(&capture);
    ck_assert_int_eq(r, refusals[_i].result);
    ck_assert_ptr_nonnull(strstr(said, refusals[_i].word));
    ck_assert_one_error(said, "");
    (void)unlink("/tmp/x.wav");
}
END_TEST

START_TEST(two_recordings_into_one_file_are_refused)
{
    struct capture capture;
    struct rig first, second;

    rig_start(&first, recording_options("l.wav", ""));
    capture_start(&capture);
    int r = rig_create(&second, recording_options("l.wav", ""));
    const char *said = capture_end(&capture);
    ck_assert_int_eq(r, -EBUSY);
    ck_assert_ptr_nonnull(strstr(said, "l.wav"));
    ck_assert_one_error(said, "");
    rig_end(&first);
}
END_TEST

Suite *host_file_suite(void);
Suite *host_file_suite(void)
{
    Suite *suite = suite_create("snd/host_file");
    TCase *content = tcase_create("content");
    TCase *killed = tcase_create("killed");
    TCase *trouble = tcase_create("trouble");

    tcase_add_test(content, channels_and_formats_offered_are_those_that_the_file_can_hold);
    tcase_add_checked_fixture(content, recording_folder_make, recording_folder_remove);
    tcase_add_loop_test(content, integer_samples_arrive_bit_for_bit, 0, ARRAY_SIZE(formats));
    tcase_add_test(content, long_period_of_three_channels_arrives_whole);
    tcase_add_loop_test(content, any_number_of_channels_arrives_whole, 0, 8);
    tcase_add_test(content, floating_point_samples_arrive_bit_for_bit);
    tcase_add_test(content, plays_with_equal_parameters_make_one_recording);
    tcase_add_test(content, another_format_begins_a_new_take);
    tcase_add_loop_test(content, take_ends_with_its_format_rate_or_channels, 0, 4);
    tcase_add_test(content, old_recording_is_replaced);
    tcase_add_test(content, another_format_before_any_frame_changes_the_first_take);
    tcase_add_test(content, each_stream_has_its_file);
    tcase_add_test(content, recording_holds_what_was_heard_before_a_stop);
    tcase_add_loop_test(content, recording_beyond_4_gib_becomes_rf64, 0, 4);
    tcase_add_checked_fixture(killed, recording_folder_make, recording_folder_remove);
    tcase_set_timeout(killed, 60);
    tcase_add_loop_test(killed, killed_recording_holds_every_completed_period, 0, 14);
    tcase_add_test(killed, header_counts_ten_times_a_second_and_when_the_sound_stops);
    tcase_add_checked_fixture(trouble, recording_folder_make, recording_folder_remove);
    tcase_add_test(trouble, full_disk_ends_the_recording_and_not_the_guest);
    tcase_add_loop_test(trouble, unusable_path_is_refused_in_one_line, 0, ARRAY_SIZE(refusals));
    tcase_add_test(trouble, two_recordings_into_one_file_are_refused);
    suite_add_tcase(suite, content);
    suite_add_tcase(suite, killed);
    suite_add_tcase(suite, trouble);
    return suite;
}
