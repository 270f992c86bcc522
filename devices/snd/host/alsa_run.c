/* SPDX-License-Identifier: BSD-3-Clause */
/* See alsa_run.h. */
#include "devices/snd/host/alsa_run.h"

#include <sys/eventfd.h>

/* How often a suspended PCM is asked to resume. */
#define RESUME_NS (10 * MS_NS)
/* How long after the time at which it should be a period is looked for again, if the fds should
 * have told: a quarter of it, within these. */
#define SPARE_NS_MIN (1 * MS_NS)
#define SPARE_NS_MAX (50 * MS_NS)
/* More wake-ups than this without any frame moved, and the fds are not worth listening to. */
#define FUTILE_MAX 64

static bool plays(const struct alsa_run *run)
{
    return run->pcm.direction == PCM_OUTPUT;
}

static uint64_t now_ns(const struct alsa_run *run)
{
    return run->timebase->now_ns(run->timebase);
}

/* -- the shared ring -- */

/* The other side's count, brought within what can be. */
static uint64_t their_frames(const struct alsa_run *run)
{
    uint64_t frames = atomic_load(&run->shared->our_frames);
    uint64_t room = run->pcm.params.buffer_frames;
    uint64_t least = plays(run) ? run->moved : run->moved - MIN(run->moved, room);
    uint64_t most = plays(run) ? run->consumed + room : run->moved;

    least = MAX(least, run->first);
    return MAX(MIN(frames, most), least);
}

/* Where the next frame to move lies; *frames is cut to what lies there in one piece. */
static uint8_t *ring_at(const struct alsa_run *run, uint64_t *frames)
{
    uint64_t room = run->pcm.params.buffer_frames;
    uint64_t at = (run->moved - run->first) % room;

    *frames = MIN(*frames, room - at);
    return run->shared->ring + at * run->pcm.params.frame_bytes;
}

/* Says where the PCM is, and if a period of the guest's has ended, or all there is. */
static void publish(struct alsa_run *run)
{
    struct alsa_shared *shared = run->shared;
    uint32_t period = run->pcm.params.period_frames;
    bool ended = (run->consumed - run->first) / period > (run->told - run->first) / period;
    bool is_dry = plays(run) && run->consumed == run->moved && run->told < run->consumed;

    atomic_store_explicit(&shared->at_ns, run->at_ns, memory_order_relaxed);
    atomic_store_explicit(&shared->latency_frames, run->latency_frames, memory_order_relaxed);
    atomic_store_explicit(&shared->card_frames, run->consumed, memory_order_release);
    if (!ended && !is_dry)
        return;
    run->told = run->consumed;
    (void)eventfd_write(run->news_fd, 1);
}

/* -- the PCM's state -- */

/* Runs, from what is in the ring now. */
static int begin(struct alsa_run *run)
{
    int r = alsa_result(alsa.pcm_start(run->pcm.handle));

    /* Some plugins start by themselves. */
    if (r < 0 && alsa.pcm_state(run->pcm.handle) != SND_PCM_STATE_RUNNING)
        return r;
    run->state = ALSA_MOVING;
    run->at_ns = now_ns(run);
    return 0;
}

static int prepare(struct alsa_run *run)
{
    int r = alsa_result(alsa.pcm_prepare(run->pcm.handle));

    if (r == 0)
        run->state = ALSA_IDLE;
    return r;
}

/* What is in the PCM's ring is lost, or there is nothing. Playback waits for the next frame:
 * preparing could cut off what has left the ring and is not heard yet. */
static int start_over(struct alsa_run *run)
{
    run->state = ALSA_DRY;
    run->moved = run->consumed;
    if (plays(run))
        return 0;
    int r = prepare(run);
    return r == 0 && run->wanted ? begin(run) : r;
}

/* The same, unasked. */
static int restart(struct alsa_run *run)
{
    atomic_fetch_add(&run->shared->restarts, plays(run) && run->moved > run->consumed);
    return start_over(run);
}

static int resume(struct alsa_run *run)
{
    int r = alsa.pcm_resume(run->pcm.handle);

    run->state = r == -EAGAIN ? ALSA_SUSPENDED : ALSA_MOVING;
    if (r == 0 && alsa.pcm_state(run->pcm.handle) != SND_PCM_STATE_RUNNING)
        r = -EIO;
    return r == 0 || r == -EAGAIN ? 0 : restart(run);
}

/* Takes over the PCM's numbers. */
static void settle(struct alsa_run *run, const struct alsa_look *now)
{
    uint32_t in_ring = now->avail_frames;

    if (plays(run)) {
        in_ring = run->pcm.buffer_frames - now->avail_frames;
        uint64_t queued = MIN((uint64_t)in_ring, run->moved - run->consumed);
        run->futile = run->moved - queued > run->consumed ? 0 : run->futile;
        run->consumed = run->moved - queued;
    }
    run->latency_frames = now->delay_frames > in_ring ? now->delay_frames - in_ring : 0;
    run->at_ns = now->at_ns;
}

/* Finds out where the PCM is, and gets it going again where that is needed. */
static int look(struct alsa_run *run)
{
    struct alsa_look now;

    if (run->state == ALSA_DRY)
        return 0;
    int r = alsa_pcm_look(&run->pcm, run->timebase, &now);
    if (r < 0)
        return r;
    settle(run, &now);
    switch (now.state) {
    case SND_PCM_STATE_PREPARED:
    case SND_PCM_STATE_RUNNING:
    case SND_PCM_STATE_DRAINING:
    case SND_PCM_STATE_PAUSED:
        return 0;
    case SND_PCM_STATE_SUSPENDED:
        return resume(run);
    case SND_PCM_STATE_DISCONNECTED:
        return -ENODEV;
    default:
        atomic_fetch_add(&run->shared->lost_frames, plays(run) ? 0 : now.avail_frames);
        return restart(run);
    }
}

/* -- moving frames -- */

/* One piece; the result is as alsa_pcm_write()'s. */
static ssize_t move_piece(struct alsa_run *run)
{
    uint64_t theirs = their_frames(run), frames;
    ssize_t r = 0;

    if (plays(run)) {
        frames = MIN(theirs - run->moved, run->pcm.fill_frames - (run->moved - run->consumed));
        if (frames > 0 && run->state == ALSA_DRY)
            r = prepare(run);
    } else {
        frames = run->pcm.params.buffer_frames - (run->moved - theirs);
    }
    uint8_t *at = ring_at(run, &frames);
    if (r < 0 || frames == 0)
        return r;
    r = plays(run) ? alsa_pcm_write(&run->pcm, at, frames) : alsa_pcm_read(&run->pcm, at, frames);
    run->moved += (uint64_t)MAX(r, 0);
    if (!plays(run) && r > 0) {
        run->consumed = run->moved;
        run->futile = 0;
    }
    return r;
}

/* Moves what can be moved, twice if the PCM has run dry or over meanwhile. */
static int pump(struct alsa_run *run)
{
    int stops = 0;
    ssize_t r = 1;

    while (r > 0 && run->state != ALSA_RUNOUT && run->state != ALSA_SUSPENDED &&
           run->state != ALSA_PAUSED) {
        r = move_piece(run);
        if ((r == -EPIPE || r == -ESTRPIPE) && stops++ == 0) {
            r = look(run);
            r = r == 0 ? 1 : r;
        }
    }
    if (r < 0)
        return r == -EPIPE || r == -ESTRPIPE ? 0 : (int)r;
    bool can_start = run->state == ALSA_IDLE && (!plays(run) || run->moved > run->consumed);
    return run->wanted && can_start ? begin(run) : 0;
}

/* A card that has much to play is not worth a kick for each period: it looks when one ends. Nor is
 * one that has room for its recording. */
static bool wants_kick(const struct alsa_run *run)
{
    if (!plays(run))
        return run->moved - their_frames(run) == run->pcm.params.buffer_frames;
    return run->state != ALSA_MOVING || run->moved - run->consumed < 3ull * run->pcm.period_frames;
}

int alsa_run_serve(struct alsa_run *run, bool with_look)
{
    int r = with_look ? look(run) : 0;

    if (r == 0)
        r = pump(run);
    if (r == 0) {
        atomic_store(&run->shared->wants_kick, wants_kick(run));
        r = pump(run); /* what came before it was known */
    }
    if (r == 0)
        publish(run);
    return r;
}

/* -- waiting -- */

/* The frame that is waited for: where a period of the guest's ends, or all that the PCM has. */
static uint64_t next_frame(const struct alsa_run *run)
{
    uint32_t period = run->pcm.params.period_frames;
    uint64_t end = run->consumed - (run->consumed - run->first) % period + period;

    return plays(run) ? MIN(end, run->moved) : end;
}

/* Has the fds fire there. True: they will be in time, for the PCM's periods end there, too. */
static bool fds_set(struct alsa_run *run, uint64_t frame)
{
    struct alsa_pcm *pcm = &run->pcm;
    uint64_t wake = plays(run)
                        ? pcm->buffer_frames - MIN(run->moved - frame, (uint64_t)pcm->buffer_frames)
                        : frame - run->consumed;

    if (pcm->fd_count == 0 || run->futile > FUTILE_MAX)
        return false;
    if (alsa_pcm_wake_at(pcm, (uint32_t)MIN(MAX(wake, 1ull), (uint64_t)pcm->buffer_frames)) < 0)
        run->futile = FUTILE_MAX + 1;
    return pcm->period_frames == pcm->params.period_frames;
}

/* False: there is nothing to play, or no room to record, until a kick. The fds would fire all the
 * time. */
static bool can_move(const struct alsa_run *run)
{
    return plays(run) ? run->moved > run->consumed : !wants_kick(run);
}

static uint64_t moving_wait(struct alsa_run *run)
{
    const struct pcm_params *params = &run->pcm.params;
    uint64_t frame = next_frame(run), now = now_ns(run);

    if (!can_move(run))
        return TIME_NEVER;
    bool fds_tell = fds_set(run, frame);
    uint64_t due = run->at_ns + frames_to_ns(frame - run->consumed, params->rate_hz);
    uint64_t spare = frames_to_ns(params->period_frames, params->rate_hz) / 4;
    spare = MIN(MAX(spare, SPARE_NS_MIN), SPARE_NS_MAX);
    if (now >= due) /* it is late, or its pointer coarse */
        return spare;
    return due - now + (fds_tell ? spare : 0);
}

bool alsa_run_listens(const struct alsa_run *run)
{
    return run->state == ALSA_MOVING && can_move(run) && run->futile <= FUTILE_MAX;
}

uint64_t alsa_run_wait(struct alsa_run *run)
{
    if (run->state == ALSA_SUSPENDED)
        return RESUME_NS;
    return run->state == ALSA_MOVING ? moving_wait(run) : TIME_NEVER;
}

/* -- starting and stopping -- */

int alsa_run_start(struct alsa_run *run)
{
    run->wanted = true;
    if (run->state == ALSA_RUNOUT)
        run->state = ALSA_MOVING;
    if (run->state != ALSA_PAUSED)
        return 0;
    run->state = ALSA_MOVING;
    if (alsa.pcm_pause(run->pcm.handle, 0) == 0)
        return 0;
    (void)alsa.pcm_drop(run->pcm.handle); /* start_over() copes with any state */
    return start_over(run);
}

int alsa_run_stop(struct alsa_run *run)
{
    run->wanted = false;
    int r = look(run);
    if (r == 0 && !plays(run))
        r = pump(run); /* what was recorded before the stop */
    publish(run);
    if (r < 0 || (run->state != ALSA_MOVING && run->state != ALSA_SUSPENDED))
        return r;
    if (plays(run) && run->moved == run->consumed) {
        run->state = ALSA_RUNOUT; /* its last frames may be on their way to the loudspeaker */
        return 0;
    }
    bool pauses =
        run->pcm.can_pause && run->state == ALSA_MOVING && alsa.pcm_pause(run->pcm.handle, 1) == 0;
    if (pauses || (plays(run) && !run->pcm.is_card)) {
        run->state = pauses ? ALSA_PAUSED : ALSA_RUNOUT; /* dmix: dropped, its mix is heard */
        return 0;
    }
    (void)alsa.pcm_drop(run->pcm.handle); /* start_over() copes with any state */
    return start_over(run);
}

int alsa_run_open(struct alsa_run *run, uint64_t first, bool is_fresh)
{
    run->first = run->moved = run->consumed = run->told = first;
    run->state = is_fresh ? ALSA_IDLE : ALSA_DRY;
    run->at_ns = now_ns(run);
    run->futile = 0;
    int r = plays(run) || is_fresh ? 0 : prepare(run);
    publish(run);
    return r;
}

int alsa_run_close(struct alsa_run *run)
{
    run->wanted = false;
    int r = look(run);
    if (r < 0 || run->state == ALSA_DRY || (plays(run) && run->moved == run->consumed))
        return r;
    (void)alsa.pcm_drop(run->pcm.handle); /* what follows begins with a prepare() */
    run->state = ALSA_DRY;
    return 0;
}
