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

#define QUIET_MAX      1e-4 /* -80 dBFS */
#define GAP_SECONDS    0.001
#define GAP_FRAMES_MIN 8

/* Less of the power than this in the strongest pitch is noise, not pitch. */
#define TONE_SHARE_MIN 0.02

/* A tone this pure has no edges of its own: what breaks it is a click, however regular. (A triangle
 * has 0.985, a square wave 0.81.) */
#define PURE_SHARE_MIN 0.99

/* Fewer waves than this in a window are no pitch. */
#define TONE_WAVES_MIN 3

#define MAGNITUDE_MAX 1e6 /* 120 dBFS: beyond is no sound but garbage */

#define CLICK_SECONDS_APART 0.001

struct clicks {
    struct listener_marks marks;
    uint64_t counted_to; /* frame up to which windows were counted */
    uint64_t end_frame;  /* behind the latest click */
};

struct channel {
    double peak, square_sum;
    bool sounded;
    uint64_t lead_frames;
    uint64_t quiet; /* silent samples since the last loud one */
    struct listener_marks gaps;
    struct clicks clicks;
    struct click_block blocks[CLICK_BLOCKS]; /* of the window, as far as they were fitted */
    double *window; /* in listener->scratch: the latest samples, window_frames_max */
    double *power;  /* behind them, as many: spectra, summed up */
};

struct listener {
    uint32_t rate_hz;
    unsigned channels, channels_max;
    uint64_t frames;      /* heard */
    uint64_t edge_frames; /* of silence: a gap at least, or the edge of a sound */
    size_t window_frames, window_frames_max;
    size_t filled; /* samples in each channel's window */
    struct spectrum spectrum;
    double *scratch; /* owned, window_frames_max; behind it the channels' windows and spectra */
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
    const size_t window_frames = window_size(rate_hz), max = listener->window_frames_max;

    assert(window_frames <= max && channels <= listener->channels_max);
    listener->rate_hz = rate_hz;
    listener->channels = channels;
    listener->frames = listener->filled = 0;
    listener->edge_frames = MAX((uint64_t)ceil(rate_hz * GAP_SECONDS), (uint64_t)GAP_FRAMES_MIN);
    listener->window_frames = window_frames;
    for (unsigned c = 0; c < channels; c++) {
        double *window = listener->scratch + (1 + 2 * (size_t)c) * max;
        memset(window + max, 0, (max / 2 + 1) * sizeof(double));
        listener->channel[c] = (struct channel){.window = window, .power = window + max};
    }
}

int listener_create(uint32_t rate_hz, unsigned channels, struct listener **ret_listener)
{
    if (rate_hz < 1 || rate_hz > LISTENER_RATE_HZ_MAX || channels < 1 ||
        channels > LISTENER_CHANNELS_MAX)
        return -EINVAL;

    struct listener *listener = calloc(1, sizeof(*listener) + channels * sizeof(struct channel));

    if (!listener)
        return -ENOMEM;
    const size_t max = listener->window_frames_max = window_size(rate_hz);

    listener->channels_max = channels;
    listener->scratch = calloc((1 + 2 * channels) * max, sizeof(double));
    int r = listener->scratch != NULL ? spectrum_init(&listener->spectrum, max) : -ENOMEM;
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
    spectrum_fini(&listener->spectrum);
    free(listener->scratch);
    free(listener);
}

static void mark(struct listener_marks *marks, uint64_t at_frame, uint64_t frames)
{
    if (marks->count < LISTENER_MARKS_MAX)
        marks->first[marks->count] = (struct listener_mark){.at_frame = at_frame, .frames = frames};
    marks->count++;
}

/* Takes sample number `frame`. */
static void channel_feed(struct channel *channel, uint64_t frame, uint64_t gap_frames_min,
                         double sample)
{
    channel->peak = MAX(channel->peak, fabs(sample));
    channel->square_sum += sample * sample;
    if (fabs(sample) <= QUIET_MAX) {
        channel->quiet++;
        return;
    }
    if (!channel->sounded)
        channel->lead_frames = channel->quiet;
    else if (channel->quiet >= gap_frames_min)
        mark(&channel->gaps, frame - channel->quiet, channel->quiet);
    channel->sounded = true;
    channel->quiet = 0;
}

/* The pitch of a window's samples alone. */
static struct spectrum_pitch window_pitch(struct listener *listener, const struct channel *channel)
{
    memset(listener->scratch, 0, (listener->window_frames_max / 2 + 1) * sizeof(double));
    spectrum_add(&listener->spectrum, channel->window, listener->filled, listener->scratch);
    return spectrum_pitch(&listener->spectrum, listener->scratch, listener->filled);
}

/* Searches the channel's window, whose first sample is frame `start`, and counts clicks from where
 * the last search ended up to frame `to`. */
static void search_clicks(struct listener *listener, const struct channel *channel, uint64_t start,
                          uint64_t to, struct clicks *clicks)
{
    struct spectrum_pitch pitch = window_pitch(listener, channel);
    bool has_edges = pitch.frequency > 0 && pitch.share < PURE_SHARE_MIN;
    double apart = listener->rate_hz * CLICK_SECONDS_APART;
    struct click_window window = {.samples = channel->window,
                                  .frames = listener->filled,
                                  .block_frames = listener->window_frames / CLICK_BLOCKS,
                                  .blocks = channel->blocks,
                                  .edge_frames = listener->edge_frames,
                                  .period_frames = has_edges ? 1 / pitch.frequency : 0,
                                  .errors = listener->scratch};
    struct click_events events;

    click_search(&window, &events);
    for (size_t i = 0; i < events.count; i++) {
        uint64_t at = start + events.event[i].at;

        if (at < clicks->counted_to || at >= to)
            continue;
        if (clicks->marks.count == 0 || (double)at - (double)clicks->end_frame > apart)
            mark(&clicks->marks, at, 0);
        clicks->end_frame = start + events.event[i].end;
    }
}

/* Fits the blocks that are whole now. */
static void fit_blocks(struct listener *listener, struct channel *channel)
{
    const size_t block_frames = listener->window_frames / CLICK_BLOCKS;
    const bool is_first = listener->frames == listener->filled;

    click_fit(channel->window, block_frames, is_first ? 0 : CLICK_BLOCKS / 2,
              listener->filled / block_frames, channel->blocks);
}

/* All windows are full: looks at them and slides them on by half. */
static void end_windows(struct listener *listener)
{
    const size_t frames = listener->window_frames, half = frames / 2;
    const uint64_t start = listener->frames - frames, to = start + half + half / 2;

    for (unsigned c = 0; c < listener->channels; c++) {
        struct channel *channel = &listener->channel[c];

        spectrum_add(&listener->spectrum, channel->window, frames, channel->power);
        fit_blocks(listener, channel);
        if (!click_none(channel->blocks))
            search_clicks(listener, channel, start, to, &channel->clicks);
        channel->clicks.counted_to = to;
        memcpy(channel->window, channel->window + half, half * sizeof(double));
        memcpy(channel->blocks, channel->blocks + CLICK_BLOCKS / 2,
               CLICK_BLOCKS / 2 * sizeof(channel->blocks[0]));
    }
    listener->filled = half;
}

void listener_feed(struct listener *listener, const double *samples, size_t frames)
{
    const unsigned channels = listener->channels;

    for (size_t count; frames > 0; frames -= count, samples += count * channels) {
        count = MIN(frames, listener->window_frames - listener->filled);
        for (unsigned c = 0; c < channels; c++) {
            struct channel *channel = &listener->channel[c];
            double *window = channel->window + listener->filled;
            for (size_t i = 0; i < count; i++) {
                double sample = samples[i * channels + c];
                window[i] = fabs(sample) <= MAGNITUDE_MAX ? sample : 0; /* 0 for NaN, too */
                channel_feed(channel, listener->frames + i, listener->edge_frames, window[i]);
            }
        }
        listener->filled += count;
        listener->frames += count;
        if (listener->filled == listener->window_frames)
            end_windows(listener);
    }
}

static double dbfs(double magnitude)
{
    return magnitude > 0 ? MAX(20 * log10(magnitude), LISTENER_DBFS_MIN) : LISTENER_DBFS_MIN;
}

/* Of whole windows, or of what there is of the first one. */
static void report_pitch(struct listener *listener, const struct channel *channel,
                         struct listener_channel *ret)
{
    const size_t heard = MIN(listener->frames, (uint64_t)listener->window_frames);
    struct spectrum_pitch pitch = heard < listener->window_frames
                                      ? window_pitch(listener, channel)
                                      : spectrum_pitch(&listener->spectrum, channel->power, heard);

    if (ret->silent || pitch.share < TONE_SHARE_MIN ||
        pitch.frequency * (double)heard < TONE_WAVES_MIN)
        return;
    ret->freq_hz = pitch.frequency * listener->rate_hz;
    ret->share = pitch.share;
}

static void report_channel(struct listener *listener, struct channel *channel,
                           struct listener_channel *ret)
{
    struct clicks clicks = channel->clicks; /* a copy: feeding may go on */
    double frames = (double)MAX(listener->frames, (uint64_t)1);

    fit_blocks(listener, channel);
    search_clicks(listener, channel, listener->frames - listener->filled, listener->frames,
                  &clicks);
    *ret = (struct listener_channel){
        .silent = !channel->sounded,
        .peak_dbfs = dbfs(channel->peak),
        .rms_dbfs = dbfs(sqrt(channel->square_sum / frames)),
        .lead_frames = channel->sounded ? channel->lead_frames : listener->frames,
        .trail_frames = channel->sounded ? channel->quiet : 0,
        .gaps = channel->gaps,
        .clicks = clicks.marks,
    };
    report_pitch(listener, channel, ret);
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
