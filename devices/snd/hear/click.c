/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Clicks: errors of linear prediction that stand out. click.h says what counts and what does not.
 */
#include "devices/snd/hear/click.h"

#include <math.h>
#include <string.h>

#define ORDER CLICK_ORDER

#define STANDS_OUT     12.0
#define QUANTILE       0.75
#define PEAK_SHARE_MIN 4e-3
#define STEP_16        (1.0 / 32768)
#define STEP_8         (1.0 / 128)
#define STEPS_MIN      4

/* Beside an event, what is so much smaller is quiet, and so is what is silent. */
#define QUIET_SHARE 0.05
#define QUIET_MAX   1e-4

/* An edge of the waveform: its like, up to 4 times larger or smaller, comes 1 to 3 periods of the
 * strongest pitch (which may be the second or third harmonic) before or after it. */
#define SIMILAR_SIZE_MAX 4.0
#define PERIODS_MAX      3
#define PERIOD_SLACK     0.03

/* Its like may be weaker than a click must be. */
#define COMPANION_SHARE 0.5

/* Errors are counted by powers of two from 2^-64 on. */
#define BUCKET_FIRST (-64)
#define BUCKETS      96

/* Errors of one discontinuity reach over the length of the predictor. */
#define EVENT_REACH (ORDER + 2)

/* Far beyond any that predicts: what rounding has left of the matrix, or no number at all. Errors
 * stay finite without. */
#define WEIGHT_MAX 1e100

/* -- prediction -- */

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

/* Least squares over samples[ORDER..frames). sums[j][k] is the product of the samples j and k
 * before each, summed up; each row but the first follows from the one above it. */
static void fit(const double *samples, size_t frames, double ret_weight[ORDER])
{
    double sums[ORDER + 1][ORDER + 1], matrix[ORDER][ORDER], right[ORDER];

    for (size_t k = 0; k <= ORDER; k++) {
        sums[0][k] = 0;
        for (size_t i = ORDER; i < frames; i++)
            sums[0][k] += samples[i] * samples[i - k];
    }
    for (size_t j = 1; j <= ORDER; j++) {
        for (size_t k = j; k <= ORDER; k++)
            sums[j][k] = sums[j - 1][k - 1] + samples[ORDER - j] * samples[ORDER - k] -
                         samples[frames - j] * samples[frames - k];
    }
    /* A pure tone needs two of the weights only; the ridge makes the others as small as can be. */
    for (size_t j = 0; j < ORDER; j++) {
        right[j] = sums[0][j + 1];
        for (size_t k = 0; k <= j; k++)
            matrix[j][k] = sums[k + 1][j + 1];
        matrix[j][j] += sums[0][0] * 1e-9 + 1e-20;
    }
    solve(matrix, right, ret_weight);
    for (size_t k = 0; k < ORDER; k++)
        if (!(fabs(ret_weight[k]) <= WEIGHT_MAX))
            memset(ret_weight, 0, ORDER * sizeof(ret_weight[0]));
}

static double error_of(const struct click_block *block, const double *sample)
{
    double error = *sample;

    for (size_t k = 0; k < ORDER; k++)
        error -= block->weight[k] * sample[-1 - (ptrdiff_t)k];
    return error;
}

void click_fit(const double *samples, size_t block_frames, size_t first, size_t end,
               struct click_block *blocks)
{
    for (size_t b = first; b < end; b++) {
        struct click_block *block = &blocks[b];
        const double *at = samples + b * block_frames;

        block->peak = 0;
        block->error = b == 0 ? INFINITY : 0; /* nothing was before it */
        for (size_t i = 0; i < block_frames; i++) {
            block->peak = MAX(block->peak, fabs(at[i]));
            if (b > 0)
                block->error = MAX(block->error, fabs(error_of(block - 1, at + i)));
        }
        fit(at, block_frames, block->weight);
    }
}

/* Goes by the lowest limit that a search could have, and by errors that a search could only find to
 * be smaller: where none is above it, a search has no candidate. */
bool click_none(const struct click_block blocks[CLICK_BLOCKS])
{
    double peak = 0, error = 0;

    for (size_t b = 0; b < CLICK_BLOCKS; b++) {
        peak = MAX(peak, blocks[b].peak);
        error = MAX(error, blocks[b].error);
    }
    return error <= COMPANION_SHARE * MAX(peak * PEAK_SHARE_MIN, STEPS_MIN * STEP_16);
}

/* Fills in the errors; false if there are too few samples to say anything. */
static bool predict(const struct click_window *window)
{
    const size_t blocks = MIN(window->frames / window->block_frames, (size_t)CLICK_BLOCKS);

    for (size_t i = ORDER; i < window->frames && blocks >= 2; i++) {
        size_t b = MIN(i / window->block_frames, blocks - 1);
        double before = error_of(&window->blocks[b > 0 ? b - 1 : b + 1], window->samples + i);
        double after =
            error_of(&window->blocks[b + 1 < blocks ? b + 1 : b - 1], window->samples + i);

        window->errors[i] = fabs(before) < fabs(after) ? before : after;
    }
    return blocks >= 2;
}

/* -- what stands out -- */

/* What QUANTILE of the errors stay below, to a power of two; in one pass, whatever they are. */
static double usual_error(const struct click_window *window)
{
    size_t buckets[BUCKETS] = {0}, seen = 0, bucket = 0;

    for (size_t i = ORDER; i < window->frames; i++) {
        double size = MAX(fabs(window->errors[i]), ldexp(1, BUCKET_FIRST));
        buckets[MIN(ilogb(size) - BUCKET_FIRST, BUCKETS - 1)]++;
    }
    while ((double)(seen += buckets[bucket]) < (double)(window->frames - ORDER) * QUANTILE)
        bucket++;
    return ldexp(1, (int)bucket + 1 + BUCKET_FIRST);
}

static double error_limit(const struct click_window *window)
{
    double peak = 0, step = STEP_8;

    for (size_t i = 0; i < window->frames; i++) {
        double steps = window->samples[i] / STEP_8;
        peak = MAX(peak, fabs(window->samples[i]));
        step = steps == rint(steps) ? step : STEP_16;
    }
    double limit = MAX(peak * PEAK_SHARE_MIN, step * STEPS_MIN);
    return MAX(limit, STANDS_OUT * usual_error(window));
}

/* Gathers errors above `limit` into events; none, if there are too many. */
static void gather(const struct click_window *window, double limit, struct click_events *events)
{
    struct click_event *event = NULL;

    events->count = 0;
    for (size_t i = ORDER; i < window->frames; i++) {
        double error = window->errors[i];

        if (fabs(error) <= limit)
            continue;
        if (event == NULL || i - event->end > EVENT_REACH) {
            if (events->count == CLICK_EVENTS_MAX) {
                events->count = 0;
                return;
            }
            event = &events->event[events->count++];
            *event = (struct click_event){.at = i, .size = error};
        }
        event->end = i + 1;
        event->size = fabs(error) > fabs(event->size) ? error : event->size;
    }
}

/* True if edge_frames samples from `from` on are below `level`, but for ORDER of them; outside the
 * window there is silence. */
static bool is_quiet(const struct click_window *window, ptrdiff_t from, double level)
{
    ptrdiff_t end = MIN(from + (ptrdiff_t)window->edge_frames + ORDER, (ptrdiff_t)window->frames);
    size_t loud = 0;

    for (ptrdiff_t i = MAX(from, 0); i < end; i++)
        loud += fabs(window->samples[i]) > MAX(level, QUIET_MAX);
    return loud <= ORDER;
}

/* True where sound begins or ends, unless both within a millisecond. Quiet is what vanishes beside
 * the event: resampled sound rings a little before it begins. */
static bool is_edge_of_sound(const struct click_window *window, const struct click_event *event)
{
    ptrdiff_t run = (ptrdiff_t)window->edge_frames, at = (ptrdiff_t)event->at;
    double level = fabs(event->size) * QUIET_SHARE;
    bool before = is_quiet(window, at - run - ORDER, level);

    return before ? !is_quiet(window, at + run, level) : is_quiet(window, at, level);
}

/* True if one of the events is what this one would be some periods earlier or later. */
static bool is_periodic(const struct click_events *events, const struct click_event *event,
                        double period_frames)
{
    const double slack = MAX(2.0, period_frames * PERIOD_SLACK);

    for (size_t i = 0; i < events->count && period_frames > 0; i++) {
        const struct click_event *other = &events->event[i];
        double distance = fabs((double)other->at - (double)event->at);
        double periods = round(distance / period_frames), ratio = other->size / event->size;

        if (periods >= 1 && periods <= PERIODS_MAX &&
            fabs(distance - periods * period_frames) <= slack && ratio <= SIMILAR_SIZE_MAX &&
            ratio >= 1 / SIMILAR_SIZE_MAX)
            return true;
    }
    return false;
}

void click_search(const struct click_window *window, struct click_events *ret_events)
{
    struct click_events all; /* candidates */

    ret_events->count = 0;
    if (!predict(window))
        return;
    const double limit = error_limit(window);

    gather(window, limit * COMPANION_SHARE, &all);
    for (size_t i = 0; i < all.count; i++) {
        const struct click_event *event = &all.event[i];

        if (fabs(event->size) > limit && event->end - event->at <= window->frames / 4 &&
            event->at >= ORDER + window->edge_frames && !is_edge_of_sound(window, event) &&
            !is_periodic(&all, event, window->period_frames))
            ret_events->event[ret_events->count++] = *event;
    }
}
