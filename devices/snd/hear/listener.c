/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The listener: cuts what it is fed into channels and windows, and gathers what the parts say.
 * listener.h draws them.
 *
 * A channel's window slides by half its length. Clicks are searched in all of it but counted in the
 * middle half only, so that there is something on both sides to compare with; the first window
 * counts from its beginning and the unfinished last one to its end.
 */
#include "devices/snd/hear/listener.h"

#include "devices/snd/hear/click.h"
#include "devices/snd/hear/spectrum.h"

#include <math.h>
#include <string.h>

/* A window is the power of two that holds so much: 0.17 s at 48 kHz. */
#define WINDOW_SECONDS_MIN (1.0 / 7.5)
#define WINDOW_FRAMES_MIN  256

/* Less of the power than this in the strongest pitch is noise, not pitch. */
#define TONE_SHARE_MIN 0.02

/* A tone this pure has no edges of its own: what breaks it is a click, however regular. (A triangle
 * has 0.985, a square wave 0.81.) */
#define PURE_SHARE_MIN 0.99

/* Fewer waves than this in a window are no pitch. */
#define TONE_WAVES_MIN 2

#define MAGNITUDE_MAX 1e6 /* 120 dBFS: beyond is no sound but garbage */

/* Clipping: the largest value of 16 bits, and the height of the step onto a flat top. A sine that
 * just fits has flat tops too, but goes onto them by a step or two. */
#define FULL_SCALE    (32767.0 / 32768)
#define CLIP_RUN_MIN  3
#define CLIP_STEP_MIN (4.0 / 32768)

#define CLICK_SECONDS_APART 0.001

struct level {
    double peak, sum, square_sum;
    uint64_t invalid, clipped;
    double last;          /* sample */
    uint64_t at_top;      /* samples in a row at full scale, not beyond */
    double step_onto_top; /* by which that run began */
};

struct clicks {
    uint64_t count;
    uint64_t counted_to; /* frame up to which windows were counted */
    uint64_t end_frame;  /* behind the latest click */
    struct listener_mark marks[LISTENER_MARKS_MAX];
};

struct channel {
    struct level level;
    struct silence silence;
    struct spectrum spectrum;
    struct click_trail trail;
    struct clicks clicks;
    double *window; /* owned; the latest samples */
};

struct listener {
    uint32_t rate_hz;
    unsigned channels, channels_max;
    uint64_t frames; /* heard */
    size_t window_frames, window_frames_max;
    size_t filled; /* samples in each channel's window */
    struct spectrum_bench bench;
    struct click_finder finder;
    struct channel channel[];
};

static size_t window_size(uint32_t rate_hz)
{
    size_t frames = WINDOW_FRAMES_MIN;

    while ((double)frames < rate_hz * WINDOW_SECONDS_MIN)
        frames *= 2;
    return frames;
}

void listener_tune(struct listener *listener, uint32_t rate_hz, unsigned channels)
{
    size_t window_frames = window_size(rate_hz);

    assert(window_frames <= listener->window_frames_max && channels <= listener->channels_max);
    listener->rate_hz = rate_hz;
    listener->channels = channels;
    listener->frames = listener->filled = 0;
    listener->window_frames = window_frames;
    spectrum_bench_tune(&listener->bench, window_frames);
    click_finder_tune(&listener->finder, rate_hz);
    for (unsigned c = 0; c < channels; c++) {
        struct channel *channel = &listener->channel[c];

        channel->level = (struct level){0};
        channel->trail = (struct click_trail){0};
        channel->clicks = (struct clicks){0};
        silence_init(&channel->silence, rate_hz);
        spectrum_clear(&channel->spectrum, window_frames);
    }
}

static int channel_init(struct channel *channel, size_t frames_max)
{
    channel->window = calloc(frames_max, sizeof(double));
    return channel->window ? spectrum_init(&channel->spectrum, frames_max) : -ENOMEM;
}

int listener_create(uint32_t rate_hz, unsigned channels, struct listener **ret_listener)
{
    if (rate_hz < 1 || rate_hz > LISTENER_RATE_HZ_MAX || channels < 1 ||
        channels > LISTENER_CHANNELS_MAX)
        return -EINVAL;

    struct listener *listener = calloc(1, sizeof(*listener) + channels * sizeof(struct channel));

    if (!listener)
        return -ENOMEM;
    listener->channels_max = channels;
    listener->window_frames_max = window_size(rate_hz);

    int r = spectrum_bench_init(&listener->bench, listener->window_frames_max);

    if (r == 0)
        r = click_finder_init(&listener->finder, listener->window_frames_max);
    for (unsigned c = 0; c < channels && r == 0; c++)
        r = channel_init(&listener->channel[c], listener->window_frames_max);
    if (r < 0) {
        listener_destroy(listener);
        return r;
    }
    listener_tune(listener, rate_hz, channels);
    *ret_listener = listener;
    return 0;
}

void listener_destroy(struct listener *listener)
{
    if (!listener)
        return;
    for (unsigned c = 0; c < listener->channels_max; c++) {
        spectrum_fini(&listener->channel[c].spectrum);
        free(listener->channel[c].window);
    }
    click_finder_fini(&listener->finder);
    spectrum_bench_fini(&listener->bench);
    free(listener);
}

static uint64_t clipped_in_run(const struct level *level)
{
    return level->at_top >= CLIP_RUN_MIN && level->step_onto_top > CLIP_STEP_MIN ? level->at_top
                                                                                 : 0;
}

static void level_feed(struct level *level, double sample)
{
    double magnitude = fabs(sample);

    level->peak = MAX(level->peak, magnitude);
    level->sum += sample;
    level->square_sum += sample * sample;
    if (magnitude > 1)
        level->clipped++;
    if (magnitude >= FULL_SCALE && magnitude <= 1) {
        if (level->at_top == 0)
            level->step_onto_top = fabs(sample - level->last);
        level->at_top++;
    } else if (level->at_top > 0) {
        level->clipped += clipped_in_run(level);
        level->at_top = 0;
    }
    level->last = sample;
}

/* Takes one sample; what is no number is heard as 0. */
static void channel_feed(struct channel *channel, size_t at, double sample)
{
    if (!(fabs(sample) <= MAGNITUDE_MAX)) { /* also true of NaN */
        channel->level.invalid++;
        sample = 0;
    }
    level_feed(&channel->level, sample);
    silence_feed(&channel->silence, sample);
    channel->window[at] = sample;
}

static void count_click(struct clicks *clicks, uint64_t at, uint64_t end, uint32_t rate_hz)
{
    double apart = rate_hz * CLICK_SECONDS_APART;

    if (clicks->count == 0 || (double)at - (double)clicks->end_frame > apart) {
        if (clicks->count < LISTENER_MARKS_MAX)
            clicks->marks[clicks->count] = (struct listener_mark){.at_frame = at};
        clicks->count++;
    }
    clicks->end_frame = end;
}

/* Searches the channel's window, whose first sample is frame `start`, and counts clicks from where
 * the last search ended up to frame `to`. */
static void search_clicks(struct listener *listener, const struct channel *channel, uint64_t start,
                          uint64_t to, struct spectrum_pitch pitch, struct clicks *clicks)
{
    struct click_finder *finder = &listener->finder;
    bool has_edges = pitch.frequency > 0 && pitch.share < PURE_SHARE_MIN;

    click_finder_scan(finder, channel->window, listener->filled,
                      has_edges ? 1 / pitch.frequency : 0);
    for (size_t i = 0; i < finder->event_count; i++) {
        uint64_t at = start + finder->events[i].at;

        if (at >= clicks->counted_to && at < to)
            count_click(clicks, at, start + finder->events[i].end, listener->rate_hz);
    }
    clicks->counted_to = to;
}

/* All windows are full: looks at them and slides them on by half. */
static void end_windows(struct listener *listener)
{
    size_t half = listener->window_frames / 2;
    uint64_t start = listener->frames - listener->window_frames;
    size_t fresh = start == 0 ? listener->window_frames : half;

    for (unsigned c = 0; c < listener->channels; c++) {
        struct channel *channel = &listener->channel[c];
        struct spectrum_pitch pitch =
            spectrum_add(&channel->spectrum, &listener->bench, channel->window);

        if (click_trail_is_smooth(&channel->trail, channel->window, listener->window_frames, fresh))
            channel->clicks.counted_to = start + half + half / 2;
        else
            search_clicks(listener, channel, start, start + half + half / 2, pitch,
                          &channel->clicks);
        memcpy(channel->window, channel->window + half, half * sizeof(double));
    }
    listener->filled = half;
}

void listener_feed(struct listener *listener, const double *samples, size_t frames)
{
    while (frames > 0) {
        size_t count = MIN(frames, listener->window_frames - listener->filled);

        for (unsigned c = 0; c < listener->channels; c++) {
            for (size_t i = 0; i < count; i++)
                channel_feed(&listener->channel[c], listener->filled + i,
                             samples[i * listener->channels + c]);
        }
        listener->filled += count;
        listener->frames += count;
        if (listener->filled == listener->window_frames)
            end_windows(listener);
        samples += count * listener->channels;
        frames -= count;
    }
}

static double dbfs(double magnitude)
{
    return magnitude > 0 ? MAX(20 * log10(magnitude), LISTENER_DBFS_MIN) : LISTENER_DBFS_MIN;
}

static void report_clicks(struct listener *listener, const struct channel *channel,
                          struct listener_channel *ret)
{
    struct clicks clicks = channel->clicks; /* a copy: feeding may go on */
    struct spectrum_pitch pitch =
        spectrum_read(&channel->spectrum, &listener->bench, channel->window, listener->filled);

    size_t heard = MIN(listener->frames, (uint64_t)listener->window_frames);

    if (!ret->silent && pitch.share >= TONE_SHARE_MIN &&
        pitch.frequency * (double)heard >= TONE_WAVES_MIN) {
        ret->freq_hz = pitch.frequency * listener->rate_hz;
        ret->share = pitch.share;
    }
    pitch = spectrum_look(&listener->bench, channel->window, listener->filled);
    search_clicks(listener, channel, listener->frames - listener->filled, listener->frames, pitch,
                  &clicks);
    ret->click_count = clicks.count;
    memcpy(ret->clicks, clicks.marks, sizeof(ret->clicks));
}

static void report_channel(struct listener *listener, const struct channel *channel,
                           struct listener_channel *ret)
{
    const struct level *level = &channel->level;
    const struct silence *silence = &channel->silence;
    double frames = (double)MAX(listener->frames, (uint64_t)1);

    *ret = (struct listener_channel){
        .silent = !silence->sounded,
        .peak_dbfs = dbfs(level->peak),
        .rms_dbfs = dbfs(sqrt(level->square_sum / frames)),
        .dc = level->sum / frames,
        .lead_frames = silence->sounded ? silence->lead_frames : listener->frames,
        .trail_frames = silence_trail_frames(silence),
        .gap_count = silence->gap_count,
        .gap_longest_frames = silence->gap_longest_frames,
        .clipped_frames = level->clipped + clipped_in_run(level),
        .invalid_frames = level->invalid,
    };
    memcpy(ret->gaps, silence->gaps, sizeof(ret->gaps));
    report_clicks(listener, channel, ret);
}

void listener_report(struct listener *listener, struct listener_report *ret_report)
{
    *ret_report = (struct listener_report){
        .frames = listener->frames,
        .rate_hz = listener->rate_hz,
        .channels = listener->channels,
        .silent = true,
    };
    for (unsigned c = 0; c < listener->channels; c++) {
        report_channel(listener, &listener->channel[c], &ret_report->channel[c]);
        ret_report->silent &= ret_report->channel[c].silent;
    }
}
