/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Clicks: errors of linear prediction that stand out. click.h says what counts and what does not.
 */
#include "devices/snd/hear/click.h"

#include <math.h>
#include <string.h>

#define ORDER CLICK_ORDER

/* A block must hold so many samples to fit a predictor to it. */
#define BLOCK_FRAMES_MIN (4 * ORDER)

#define STANDS_OUT      12.0
#define QUANTILE        0.75
#define PEAK_SHARE_MIN  4e-3
#define ERROR_MIN       3e-5 /* one step of a 16-bit file */
#define STEPS_MIN       4
#define EDGE_SECONDS    0.001
#define EDGE_FRAMES_MIN 8

#define QUIET_MAX 1e-4 /* -80 dBFS */

/* Beside an event, what is so much smaller is quiet. */
#define QUIET_SHARE 0.05

/* An edge of the waveform: its like, up to 4 times larger or smaller, comes 1 to 3 periods of the
 * strongest pitch (which may be the second or third harmonic) before or after it. */
#define SIMILAR_SIZE_MAX 4.0
#define PERIODS_MAX      3
#define PERIOD_SLACK     0.03

/* Its like may be weaker than a click must be. */
#define COMPANION_SHARE 0.5

/* Eight buckets for each power of two from 2^-64 to 2^32, cut from a double's bits. */
#define BUCKET_SHIFT 49
#define BUCKET_FIRST ((1023 - 64) * 8)
#define BUCKETS      ((64 + 32) * 8)

/* Errors of one discontinuity reach over the length of the predictor. */
#define EVENT_REACH (ORDER + 2)

int click_finder_init(struct click_finder *finder, size_t frames_max)
{
    finder->frames_max = frames_max;
    finder->errors = calloc(frames_max, sizeof(double));
    return finder->errors ? 0 : -ENOMEM;
}

void click_finder_tune(struct click_finder *finder, uint32_t rate_hz)
{
    finder->run_frames = MAX((size_t)ceil(rate_hz * EDGE_SECONDS), (size_t)EDGE_FRAMES_MIN);
}

void click_finder_fini(struct click_finder *finder)
{
    free(finder->errors);
    *finder = (struct click_finder){0};
}

/* The bucket of a magnitude: its exponent and the upper bits of its mantissa, from 2^-64 up. */
static size_t bucket_of(double magnitude)
{
    uint64_t bits;

    memcpy(&bits, &magnitude, sizeof(bits));
    bits >>= BUCKET_SHIFT;
    return bits <= BUCKET_FIRST ? 0 : (size_t)MIN(bits - BUCKET_FIRST, BUCKETS - (uint64_t)1);
}

/* What QUANTILE of errors[0..count) stay below by magnitude, to an eighth; in one pass, whatever
 * the values are. */
static double usual_error(const double *errors, size_t count)
{
    size_t buckets[BUCKETS] = {0}, seen = 0, bucket = 0;

    for (size_t i = 0; i < count; i++)
        buckets[bucket_of(fabs(errors[i]))]++;
    while ((double)(seen += buckets[bucket]) < (double)count * QUANTILE)
        bucket++;

    uint64_t bits = (uint64_t)(bucket + 1 + BUCKET_FIRST) << BUCKET_SHIFT;
    double upper_edge;

    memcpy(&upper_edge, &bits, sizeof(upper_edge));
    return bucket == 0 ? 0 : upper_edge;
}

/* Solves matrix * ret = right by Cholesky's method; both are overwritten. The matrix is symmetric
 * and was made positive definite by its caller. */
static void solve(double matrix[ORDER][ORDER], double right[ORDER], double ret[ORDER])
{
    for (size_t i = 0; i < ORDER; i++) {
        for (size_t j = 0; j <= i; j++) {
            double sum = matrix[i][j];

            for (size_t k = 0; k < j; k++)
                sum -= matrix[i][k] * matrix[j][k];
            matrix[i][j] = i == j ? sqrt(MAX(sum, 1e-300)) : sum / matrix[j][j];
        }
    }
    for (size_t i = 0; i < ORDER; i++) {
        for (size_t k = 0; k < i; k++)
            right[i] -= matrix[i][k] * right[k];
        right[i] /= matrix[i][i];
    }
    for (size_t i = ORDER; i-- > 0;) {
        for (size_t k = i + 1; k < ORDER; k++)
            right[i] -= matrix[k][i] * ret[k];
        ret[i] = right[i] / matrix[i][i];
    }
}

static double predict(const struct click_predictor *predictor, const double *next)
{
    double sum = 0;

    for (size_t k = 0; k < ORDER; k++)
        sum += predictor->weight[k] * next[-1 - (ptrdiff_t)k];
    return sum;
}

/* Products of a block's samples i and i - lag, summed over i: sums[j][k] is that of the samples j
 * and k before each of block[ORDER..frames). Each row but the first follows from the one above it.
 */
static void sum_products(const double *block, size_t frames, double sums[ORDER + 1][ORDER + 1])
{
    for (size_t k = 0; k <= ORDER; k++) {
        sums[0][k] = 0;
        for (size_t i = ORDER; i < frames; i++)
            sums[0][k] += block[i] * block[i - k];
    }
    for (size_t j = 1; j <= ORDER; j++) {
        for (size_t k = j; k <= ORDER; k++)
            sums[j][k] = sums[j - 1][k - 1] + block[ORDER - j] * block[ORDER - k] -
                         block[frames - j] * block[frames - k];
    }
}

/* Least squares over block[ORDER..frames), without samples whose error is above error_max (errors
 * NULL: with all). */
static void fit(const double *block, size_t frames, const double *errors, double error_max,
                struct click_predictor *ret)
{
    double sums[ORDER + 1][ORDER + 1], matrix[ORDER][ORDER], right[ORDER];

    sum_products(block, frames, sums);
    for (size_t i = ORDER; i < frames && errors; i++) {
        for (size_t j = 0; j <= ORDER && fabs(errors[i]) > error_max; j++) {
            for (size_t k = j; k <= ORDER; k++)
                sums[j][k] -= block[i - j] * block[i - k];
        }
    }
    /* A pure tone needs two of the weights only; the ridge makes the others as small as can be. */
    for (size_t j = 0; j < ORDER; j++) {
        right[j] = sums[0][j + 1];
        for (size_t k = 0; k <= j; k++)
            matrix[j][k] = sums[k + 1][j + 1];
        matrix[j][j] += sums[0][0] * 1e-9 + 1e-20;
    }
    solve(matrix, right, ret->weight);
}

/* Fits to a block; a second time without what stands out, so that a click does not bend it. */
static void fit_block(struct click_finder *finder, const double *block, size_t frames,
                      struct click_predictor *ret)
{
    double *errors = finder->errors;
    double largest = 0;

    fit(block, frames, NULL, 0, ret);
    for (size_t i = ORDER; i < frames; i++) {
        errors[i] = block[i] - predict(ret, block + i);
        largest = MAX(largest, fabs(errors[i]));
    }
    double limit = STANDS_OUT / 2 * usual_error(errors + ORDER, frames - ORDER);

    if (largest > limit)
        fit(block, frames, errors, limit, ret);
}

/* Fills finder->errors; false if there are too few samples to say anything. */
static bool predict_window(struct click_finder *finder, const double *samples, size_t frames)
{
    size_t blocks = MIN(frames / BLOCK_FRAMES_MIN, (size_t)CLICK_BLOCKS);
    struct click_predictor predictors[CLICK_BLOCKS];

    if (blocks < 2)
        return false;
    size_t block_frames = frames / blocks;

    for (size_t b = 0; b < blocks; b++)
        fit_block(finder, samples + b * block_frames, block_frames, &predictors[b]);
    for (size_t i = 0; i < ORDER; i++)
        finder->errors[i] = 0;
    for (size_t i = ORDER; i < frames; i++) {
        size_t b = MIN(i / block_frames, blocks - 1);
        double before = samples[i] - predict(&predictors[b > 0 ? b - 1 : b + 1], samples + i);
        double after =
            samples[i] - predict(&predictors[b + 1 < blocks ? b + 1 : b - 1], samples + i);

        finder->errors[i] = fabs(before) < fabs(after) ? before : after;
    }
    return true;
}

/* True if all samples are multiples of 1/steps, as those of a format of so many steps are. */
static bool is_of_format(const double *samples, size_t frames, double steps)
{
    for (size_t i = 0; i < frames; i++) {
        double value = samples[i] * steps;

        if (value != (double)(int64_t)value)
            return false;
    }
    return true;
}

/* The smallest change of a signal that stands still most of the time, as a coarse format made
 * larger or smaller does, else 0. (A square wave does so too, hence the limit.) */
static double staircase_step(const double *samples, size_t frames)
{
    double step = 1.0 / 128;
    size_t still = 0;

    for (size_t i = 1; i < frames; i++) {
        double change = fabs(samples[i] - samples[i - 1]);

        if (change > 0)
            step = MIN(step, change);
        else
            still++;
    }
    return still > frames / 2 ? step : 0;
}

/* The step by which rounding moves samples: 8 bits, 16 bits, or as seen. */
static double rounding_step(const double *samples, size_t frames)
{
    if (is_of_format(samples, frames, 128))
        return 1.0 / 128;
    if (is_of_format(samples, frames, 32768))
        return 1.0 / 32768;
    return staircase_step(samples, frames);
}

static double error_limit(struct click_finder *finder, const double *samples, size_t frames)
{
    double limit = STANDS_OUT * usual_error(finder->errors + ORDER, frames - ORDER);
    double peak = 0;

    for (size_t i = 0; i < frames; i++)
        peak = MAX(peak, fabs(samples[i]));
    limit = MAX(limit, peak * PEAK_SHARE_MIN);
    limit = MAX(limit, rounding_step(samples, frames) * STEPS_MIN);
    return MAX(limit, ERROR_MIN);
}

/* Goes by the lowest limit that a search could have, and by errors that a search could only find to
 * be smaller: where none is above it, a search has no candidate. */
bool click_trail_is_smooth(struct click_trail *trail, const double *samples, size_t frames,
                           size_t fresh)
{
    size_t block_frames = frames / CLICK_BLOCKS, old = CLICK_BLOCKS - fresh / block_frames;
    double peak, error;

    memmove(trail->block, trail->block + CLICK_BLOCKS - old, old * sizeof(trail->block[0]));
    for (size_t b = old; b < CLICK_BLOCKS; b++) {
        const double *block = samples + b * block_frames;

        peak = 0;
        error = b == 0 ? INFINITY : 0; /* nothing was before it */
        for (size_t i = b == 0 ? ORDER : 0; i < block_frames; i++) {
            peak = MAX(peak, fabs(block[i]));
            error = MAX(error, fabs(block[i] - predict(&trail->latest, block + i)));
        }
        trail->block[b].peak = peak;
        trail->block[b].error = error;
        fit(block, block_frames, NULL, 0, &trail->latest);
    }
    peak = error = 0;
    for (size_t b = 0; b < CLICK_BLOCKS; b++) {
        peak = MAX(peak, trail->block[b].peak);
        error = MAX(error, trail->block[b].error);
    }
    return error <= COMPANION_SHARE * MAX(peak * PEAK_SHARE_MIN, ERROR_MIN);
}

/* Gathers errors above `limit` into events; false if there are too many. */
static bool gather_events(struct click_finder *finder, size_t frames, double limit)
{
    struct click_event *event = NULL;

    finder->event_count = 0;
    for (size_t i = ORDER; i < frames; i++) {
        double error = finder->errors[i];

        if (fabs(error) <= limit)
            continue;
        if (!event || i - event->end > EVENT_REACH) {
            if (finder->event_count == CLICK_EVENTS_MAX)
                return false;
            event = &finder->events[finder->event_count++];
            *event = (struct click_event){.at = i, .size = error};
        }
        event->end = i + 1;
        if (fabs(error) > fabs(event->size))
            event->size = error;
    }
    return true;
}

/* True if samples[from..from + run_frames) are below `level`, but for ORDER of them; outside the
 * window there is silence. */
static bool is_quiet(const struct click_finder *finder, const double *samples, size_t frames,
                     ptrdiff_t from, double level)
{
    ptrdiff_t end = MIN(from + (ptrdiff_t)finder->run_frames + ORDER, (ptrdiff_t)frames);
    size_t loud = 0;

    for (ptrdiff_t i = MAX(from, 0); i < end; i++)
        loud += fabs(samples[i]) > MAX(level, QUIET_MAX);
    return loud <= ORDER;
}

/* True where sound begins or ends, unless both within a millisecond. Quiet is what vanishes beside
 * the event: resampled sound rings a little before it begins. */
static bool is_edge_of_sound(const struct click_finder *finder, const double *samples,
                             size_t frames, const struct click_event *event)
{
    ptrdiff_t run = (ptrdiff_t)finder->run_frames, at = (ptrdiff_t)event->at;
    double level = fabs(event->size) * QUIET_SHARE;
    bool before = is_quiet(finder, samples, frames, at - run - ORDER, level);
    bool after = is_quiet(finder, samples, frames, at, level);
    bool soon_after = is_quiet(finder, samples, frames, at + run, level);

    return before ? !soon_after : after;
}

/* True if `other` is what `event` would be some periods earlier or later. */
static bool is_companion(const struct click_event *event, const struct click_event *other,
                         double period_frames)
{
    double slack = MAX(2.0, period_frames * PERIOD_SLACK);
    double distance = fabs((double)other->at - (double)event->at);
    double periods = round(distance / period_frames);
    double ratio = other->size / event->size;

    return periods >= 1 && periods <= PERIODS_MAX &&
           fabs(distance - periods * period_frames) <= slack && ratio <= SIMILAR_SIZE_MAX &&
           ratio >= 1 / SIMILAR_SIZE_MAX;
}

static bool is_periodic(const struct click_finder *finder, const struct click_event *event,
                        double period_frames)
{
    for (size_t i = 0; i < finder->event_count && period_frames > 0; i++) {
        if (is_companion(event, &finder->events[i], period_frames))
            return true;
    }
    return false;
}

void click_finder_scan(struct click_finder *finder, const double *samples, size_t frames,
                       double period_frames)
{
    bool keep[CLICK_EVENTS_MAX];
    size_t kept = 0;

    assert(frames <= finder->frames_max);
    finder->event_count = 0;
    if (!predict_window(finder, samples, frames))
        return;

    double limit = error_limit(finder, samples, frames);

    if (!gather_events(finder, frames, limit * COMPANION_SHARE)) {
        finder->event_count = 0;
        return;
    }
    for (size_t i = 0; i < finder->event_count; i++) {
        const struct click_event *event = &finder->events[i];

        keep[i] = fabs(event->size) > limit && event->end - event->at <= frames / 4 &&
                  event->at >= ORDER + finder->run_frames &&
                  !is_edge_of_sound(finder, samples, frames, event) &&
                  !is_periodic(finder, event, period_frames);
    }
    for (size_t i = 0; i < finder->event_count; i++) {
        if (keep[i])
            finder->events[kept++] = finder->events[i];
    }
    finder->event_count = kept;
}
