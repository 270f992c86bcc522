/* SPDX-License-Identifier: BSD-3-Clause */
/* See alsa_ring.h. */
#include "devices/snd/host/alsa_ring.h"

#include "vmm/base/timebase.h"

/* How often a suspended PCM is asked to resume. */
#define RESUME_NS (10 * MS_NS)
/* A frame that is not consumed when it should be is looked for again after this, and less often the
 * later it gets. */
#define LATE_NS     (MS_NS / 4)
#define LATE_NS_MAX (50 * MS_NS)
/* Where the fds are exact, the time is for the case that they fail us: a quarter period more,
 * within these. */
#define SPARE_NS_MIN (1 * MS_NS)
#define SPARE_NS_MAX (50 * MS_NS)
/* A sound server that is stopped moves no frame, and its PCM does not tell: after this it is given
 * up, or after the ring's time less a period. Servers may move all but two periods at once, and
 * Linux waits for any frame for 1.1 times the ring's time. */
#define STUCK_NS (250 * MS_NS)

static bool plays(const struct alsa_ring *ring)
{
    return ring->pcm.direction == PCM_OUTPUT;
}

static uint64_t now_ns(void)
{
    return timebase_monotonic.now_ns(&timebase_monotonic);
}

void alsa_ring_init(struct alsa_ring *ring, const struct pcm_params *params)
{
    ring->format = params->format;
    ring->look_frames = MAX(params->period_frames, ring->pcm.period_frames);
    ring->state = ALSA_IDLE;
    ring->wanted = false;
    ring->moved = ring->consumed = ring->base = ring->owed = ring->promised = 0;
    ring->latency_frames = 0;
    ring->stuck_ns = 0;
    ring->at_ns = now_ns();
}

/* -- the PCM's state -- */

/* Runs, from what is in the ring now. */
static int begin(struct alsa_ring *ring)
{
    int r = alsa_pcm_ask(&ring->pcm, ALSA_START);

    /* Some plugins start by themselves. */
    if (r < 0 && alsa_pcm_ask(&ring->pcm, ALSA_STATE) != SND_PCM_STATE_RUNNING)
        return r;
    ring->state = ALSA_MOVING;
    ring->stuck_ns = 0;
    ring->at_ns = now_ns();
    return 0;
}

static int prepare(struct alsa_ring *ring)
{
    int r = alsa_pcm_ask(&ring->pcm, ALSA_PREPARE);

    if (r < 0)
        return r;
    ring->state = ALSA_IDLE;
    ring->base = ring->moved + ring->owed;
    return 0;
}

/* What is in the ring is lost, or there is nothing. Playback waits for the next frame: preparing
 * could cut off what has left the ring and is not heard yet. */
static int start_over(struct alsa_ring *ring)
{
    ring->state = ALSA_DRY;
    if (plays(ring)) {
        ring->moved = ring->consumed;
        return 0;
    }
    ring->host->lost_frames += ring->consumed - ring->moved - ring->owed;
    ring->owed = ring->consumed - ring->moved;
    int r = prepare(ring);
    return r == 0 && ring->wanted ? begin(ring) : r;
}

static int resume(struct alsa_ring *ring)
{
    int r = alsa_pcm_ask(&ring->pcm, ALSA_RESUME);

    if (r == -EAGAIN) {
        ring->state = ALSA_SUSPENDED;
        return 0;
    }
    if (r == 0 && alsa_pcm_ask(&ring->pcm, ALSA_STATE) == SND_PCM_STATE_RUNNING) {
        ring->state = ALSA_MOVING;
        return 0;
    }
    log_info("%s: \"%s\" was suspended; it is started anew", ring->host->name, ring->device);
    ring->host->xruns++;
    return start_over(ring);
}

/* Frames that may pass before the ring has run dry (over), as of the last look. */
static uint64_t spare_frames(const struct alsa_ring *ring)
{
    uint64_t held =
        plays(ring) ? ring->moved - ring->consumed : ring->consumed - ring->moved - ring->owed;

    return plays(ring) ? held : ring->pcm.buffer_frames - MIN(held, ring->pcm.buffer_frames);
}

/* The PCM stopped by itself, with `spare` frames to spare at the last look. */
static void note_xrun(struct alsa_ring *ring, uint64_t spare)
{
    const char *name = ring->host->name;

    /* A stream that serves its PCM looks at least once a period. If none did for longer than that,
     * the worker did not get to run. Else the guest was late; that is told by the stream. */
    if (ring->state != ALSA_MOVING || spare * 2 <= (uint64_t)ring->look_frames * 3)
        return;
    ring->host->xruns++;
    if (spare_frames(ring) > 0)
        log_guest(&ring->log_limit, "%s: \"%s\" stopped by itself; it is started anew", name,
                  ring->device);
    else
        log_guest(&ring->log_limit, "%s: this machine was too busy for \"%s\": the sound has a gap",
                  name, ring->device);
}

/* Time in which nobody looked does not count: maybe nobody on this machine got to run. */
static void note_standstill(struct alsa_ring *ring, uint64_t at_ns)
{
    bool could_move = !plays(ring) || ring->moved > ring->consumed;
    uint64_t passed_ns = at_ns - MIN(ring->at_ns, at_ns);

    if (ring->state == ALSA_MOVING && could_move)
        ring->stuck_ns += MIN(passed_ns, LATE_NS_MAX);
}

static bool is_stuck(const struct alsa_ring *ring)
{
    uint32_t step_frames = ring->pcm.buffer_frames - ring->pcm.period_frames;
    uint64_t limit_ns = MAX(frames_to_ns(step_frames, ring->pcm.rate_hz), STUCK_NS);

    return ring->pcm.guard != NULL && ring->stuck_ns >= limit_ns;
}

/* Takes over the PCM's numbers. */
static void settle(struct alsa_ring *ring, const struct alsa_look *now)
{
    uint64_t queued = ring->pcm.buffer_frames - now->avail_frames;
    uint64_t in_ring = plays(ring) ? queued : now->avail_frames;
    uint64_t consumed = plays(ring) ? ring->moved - MIN(queued, ring->moved - ring->consumed)
                                    : ring->moved + ring->owed + now->avail_frames;

    if (consumed > ring->consumed) {
        alsa_wait_worked(&ring->wait);
        ring->stuck_ns = 0;
    } else {
        note_standstill(ring, now->at_ns);
    }
    ring->consumed = MAX(consumed, ring->consumed);
    ring->latency_frames = now->delay_frames > in_ring ? now->delay_frames - (uint32_t)in_ring : 0;
    ring->at_ns = now->at_ns;
}

static int state_result(snd_pcm_state_t state)
{
    switch (state) {
    case SND_PCM_STATE_PREPARED:
    case SND_PCM_STATE_RUNNING:
    case SND_PCM_STATE_DRAINING:
    case SND_PCM_STATE_PAUSED:
        return 0;
    case SND_PCM_STATE_SUSPENDED:
        return -ESTRPIPE;
    case SND_PCM_STATE_DISCONNECTED:
        return -ENODEV;
    default:
        return -EPIPE;
    }
}

/* Finds out where the PCM is, and gets it going again where that is needed. */
static int look(struct alsa_ring *ring)
{
    uint64_t spare = spare_frames(ring);
    struct alsa_look now;

    if (ring->state == ALSA_DRY)
        return 0;
    int r = alsa_pcm_look(&ring->pcm, &now);
    if (r == 0) {
        settle(ring, &now);
        r = is_stuck(ring) ? -ETIMEDOUT : state_result(now.state);
    }
    if (r == -ESTRPIPE)
        return resume(ring);
    if (r != -EPIPE)
        return r;
    note_xrun(ring, spare);
    return start_over(ring);
}

/* -- waiting -- */

static void woken(struct alsa_wait *wait)
{
    struct alsa_ring *ring = container_of(wait, struct alsa_ring, wait);

    ring->host->wake(ring->host);
}

/* The frame at which the PCM's fds fire if nothing is written (read) until then. */
static uint64_t wake_frame(const struct alsa_ring *ring)
{
    uint64_t period = ring->pcm.period_frames;

    if (!plays(ring))
        return ring->moved + ring->owed + period;
    uint64_t end = ring->moved + period;
    return end > ring->pcm.fill_frames ? end - ring->pcm.fill_frames : 0;
}

static void arm(struct alsa_ring *ring)
{
    if (ring->wanted && ring->state == ALSA_MOVING && ring->consumed < wake_frame(ring))
        alsa_wait_arm(&ring->wait);
}

/* True if the fds tell of `frame` at once: the PCM looks at itself when its own periods end. */
static bool fds_tell(const struct alsa_ring *ring, uint64_t frame)
{
    uint64_t wake = wake_frame(ring);

    return ring->wait.armed && frame >= wake && wake >= ring->base &&
           (wake - ring->base) % ring->pcm.period_frames == 0;
}

uint64_t alsa_ring_remaining_ns(const struct alsa_ring *ring, uint64_t frame)
{
    if (frame <= ring->consumed)
        return 0;
    if (ring->state == ALSA_SUSPENDED)
        return RESUME_NS;
    if (ring->promised != ring->moved)
        return LATE_NS; /* the next position tells the stream to write them again */
    if (ring->state != ALSA_MOVING)
        return TIME_NEVER;
    uint64_t due_ns = frames_to_ns(frame - ring->consumed, ring->pcm.rate_hz);
    uint64_t passed_ns = now_ns() - ring->at_ns;
    if (passed_ns >= due_ns)
        return MIN(MAX((passed_ns - due_ns) / 4, LATE_NS), LATE_NS_MAX);
    uint64_t left_ns = due_ns - passed_ns;
    if (fds_tell(ring, frame)) {
        uint64_t period_ns = frames_to_ns(ring->pcm.period_frames, ring->pcm.rate_hz);
        left_ns += MIN(MAX(period_ns / 4, SPARE_NS_MIN), SPARE_NS_MAX);
    }
    return left_ns;
}

/* -- moving frames -- */

/* 1 if the PCM may be asked to move frames now, prepared if it must be; 0 if not; -errno. */
static int ready(struct alsa_ring *ring)
{
    int r = ring->state == ALSA_DRY ? prepare(ring) : 0;

    return r < 0 ? r : ring->state != ALSA_RUNOUT && ring->state != ALSA_SUSPENDED;
}

/* Of `frames`, those that go into the ring as far as it may be filled. */
static size_t fitting(const struct alsa_ring *ring, size_t frames)
{
    uint64_t queued = ring->moved - ring->consumed;

    if (ring->pcm.fill_frames == ring->pcm.buffer_frames)
        return frames; /* alsa-lib sees to that */
    return (size_t)MIN((uint64_t)frames, ring->pcm.fill_frames - queued);
}

ssize_t alsa_ring_write(struct alsa_ring *ring, const void *buf, size_t frames)
{
    ssize_t count = -EPIPE;

    /* Once more if the PCM has run dry meanwhile; but not if frames before these are lost. */
    for (int attempt = 0; attempt < 2 && count == -EPIPE; attempt++) {
        int r = ring->promised == ring->moved ? ready(ring) : 0;
        if (r <= 0)
            return r;
        count = alsa_pcm_write(&ring->pcm, buf, fitting(ring, frames));
        r = count == -EPIPE || count == -ESTRPIPE ? look(ring) : 0;
        if (r < 0)
            return r;
    }
    if (count < 0)
        return count == -EPIPE || count == -ESTRPIPE ? 0 : count;
    ring->moved += (uint64_t)count;
    ring->promised = ring->moved;
    if (ring->wanted && ring->state == ALSA_IDLE && ring->moved > ring->consumed) {
        int r = begin(ring);
        if (r < 0)
            return r;
    }
    if (count > 0) /* or the fds have been of no use just now, and would fire again */
        arm(ring);
    return count;
}

ssize_t alsa_ring_read(struct alsa_ring *ring, void *ret_buf, size_t frames)
{
    size_t owed = (size_t)MIN((uint64_t)frames, ring->owed);
    ssize_t count = 0;
    int r = ready(ring);

    if (r < 0)
        return r;
    pcm_silence(ring->format, ret_buf, owed * ring->pcm.channels);
    ring->owed -= owed;
    ring->moved += owed;
    if (r > 0 && owed < frames)
        count = alsa_pcm_read(&ring->pcm, (char *)ret_buf + owed * ring->pcm.frame_bytes,
                              frames - owed);
    if (count == -EPIPE || count == -ESTRPIPE)
        count = look(ring);
    if (count < 0)
        return count;
    ring->moved += (uint64_t)count;
    ring->consumed = MAX(ring->consumed, ring->moved + ring->owed);
    if (count > 0)
        arm(ring);
    return (ssize_t)owed + count;
}

int alsa_ring_position(struct alsa_ring *ring, struct host_position *ret_position)
{
    int r = ring->state != ALSA_RUNOUT ? look(ring) : 0;

    if (r < 0)
        return r;
    ring->promised = ring->moved;
    *ret_position = (struct host_position){
        .consumed_frames = ring->consumed,
        .accepted_frames = plays(ring) ? ring->moved : ring->consumed,
        .latency_frames = ring->latency_frames,
    };
    return 0;
}

/* -- starting and stopping -- */

/* Lets a PCM that was stopped while it ran go on. */
static int go_on(struct alsa_ring *ring)
{
    if (ring->state == ALSA_PAUSED) {
        if (alsa_pcm_ask(&ring->pcm, ALSA_GO_ON) < 0) {
            (void)alsa_pcm_ask(&ring->pcm, ALSA_DROP); /* start_over() copes with any state */
            return start_over(ring);
        }
        ring->state = ALSA_MOVING;
        return look(ring);
    }
    if (ring->state != ALSA_RUNOUT)
        return 0;
    int r = look(ring); /* has run dry, most likely, and that is nobody's fault */
    if (ring->state == ALSA_RUNOUT)
        ring->state = ALSA_MOVING;
    return r;
}

int alsa_ring_start(struct alsa_ring *ring)
{
    ring->wanted = true;
    int r = go_on(ring);
    if (r < 0)
        return r;
    alsa_wait_begin(&ring->wait, &ring->pcm, ring->host->loop, woken);
    if (ring->state == ALSA_IDLE && (!plays(ring) || ring->moved > ring->consumed))
        r = begin(ring);
    if (r == 0)
        arm(ring);
    return r;
}

int alsa_ring_stop(struct alsa_ring *ring)
{
    ring->wanted = false;
    alsa_wait_end(&ring->wait);
    if (ring->state == ALSA_SUSPENDED) {
        (void)alsa_pcm_ask(&ring->pcm, ALSA_DROP); /* start_over() copes with any state */
        return start_over(ring);
    }
    int r = ring->state == ALSA_MOVING ? look(ring) : 0;
    if (r < 0 || ring->state != ALSA_MOVING)
        return r;
    if (plays(ring) && ring->moved == ring->consumed) {
        ring->state = ALSA_RUNOUT; /* its last frames may be on their way to the loudspeaker */
        return 0;
    }
    r = ring->pcm.can_pause ? alsa_pcm_ask(&ring->pcm, ALSA_PAUSE) : -ENOSYS;
    if (r == -ETIMEDOUT)
        return r;
    if (r == 0) {
        ring->state = ALSA_PAUSED;
        return 0;
    }
    if (plays(ring) && !ring->pcm.is_card) {
        ring->state = ALSA_RUNOUT; /* dropping leaves in the mix what dmix has mixed */
        return 0;
    }
    (void)alsa_pcm_ask(&ring->pcm, ALSA_DROP); /* start_over() copes with any state */
    return start_over(ring);
}

void alsa_ring_end(struct alsa_ring *ring)
{
    alsa_wait_end(&ring->wait);
    ring->wanted = false;
    if (plays(ring) && (ring->state == ALSA_MOVING || ring->state == ALSA_RUNOUT))
        (void)look(ring); /* a PCM that fails now is closed all the same */
}

uint64_t alsa_ring_tail_ns(const struct alsa_ring *ring)
{
    uint64_t tail_ns = frames_to_ns(ring->latency_frames, ring->pcm.rate_hz);

    if (!plays(ring) || ring->moved != ring->consumed)
        return 0;
    return tail_ns - MIN(tail_ns, now_ns() - ring->at_ns);
}
