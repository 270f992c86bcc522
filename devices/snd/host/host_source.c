/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * source=file: records from any sound file that libsndfile reads. See host.h. Each PREPARE begins
 * at the file's first frame; at its end comes silence, or the first frame again (source-loop=on).
 *
 * The guest gets the file's channels, nothing is mixed, and the file's rate; with
 * source-resample=on other rates, too, by libsamplerate. Formats: all that are numbers; at the
 * file's rate one that is as wide as the file's own gets its samples bit for bit.
 */
#include "devices/snd/host/host.h"

#include "devices/snd/base/wire.h"
#include "devices/snd/lib/samplerate.h"
#include "devices/snd/lib/sound_file.h"
#include "vmm/base/log.h"
#include "vmm/config/opts.h"

struct source_host {
    struct host host;
    struct sound_file file;
    bool loops;
    struct pcm_params params;

    SRC_STATE *resampler; /* owned; NULL: not asked for */
    float fed[2048];      /* what it was given last */
};

static struct source_host *source_host(struct host *host)
{
    return container_of(host, struct source_host, host);
}

static void source_destroy(struct host *host)
{
    struct source_host *source = source_host(host);

    if (source->resampler != NULL)
        (void)src.delete(source->resampler); /* gives NULL */
    sound_close(&source->file);
    free(source);
}

/* Reads up to `frames` frames of the file into its block, from its beginning again if it loops: how
 * many, 0 at the end. */
static size_t file_next(struct source_host *source, size_t frames)
{
    int got = sound_read(&source->file, frames);

    if (got == 0 && source->loops && sound_rewind(&source->file) == 0)
        got = sound_read(&source->file, frames);
    if (got < 0)
        log_guest(&source->host.log_limit, "%s: silence, as the file cannot be read: %s",
                  source->host.name, sound_error(&source->file));
    return (size_t)MAX(got, 0);
}

/* The resampler wants more; 0 is the end. */
static long source_feed(void *ctx, float **ret_frames)
{
    struct source_host *source = ctx;
    const unsigned channels = source->file.channels;
    size_t got = file_next(source, ARRAY_SIZE(source->fed) / channels);

    for (size_t i = 0; i < got * channels; i++)
        source->fed[i] = (float)source->file.block[i];
    *ret_frames = source->fed;
    return (long)got;
}

/* What a guest may record at: the file's rate, and with a resampler all that it can make of it. */
static uint64_t rates_supported(const struct source_host *source)
{
    uint32_t file_hz = source->file.rate_hz;
    uint64_t rates = 0;

    for (unsigned code = 0; code < PCM_RATE_COUNT; code++)
        if (pcm_rate_hz(code) == file_hz ||
            (source->resampler != NULL && src.is_valid_ratio((double)pcm_rate_hz(code) / file_hz)))
            rates |= 1ull << code;
    return rates;
}

static int source_create(struct host *host, const struct host_setup *setup)
{
    struct source_host *source = source_host(host);
    const char *path = opts_str(setup->opts, "source-path");
    const struct sound_file *file = &source->file;
    int error = 0;

    source->loops = opts_bool(setup->opts, "source-loop");
    if (path == NULL)
        return opts_error("--snd source-path: source=file needs the name of a sound file");
    if (sound_open(&source->file, "--snd source-path: ", path) < 0)
        return -EINVAL;
    if (file->channels > WIRE_CHANNELS_MAX)
        return opts_error("--snd source-path: %s: %u channels are more than %d", path,
                          file->channels, WIRE_CHANNELS_MAX);
    if (opts_bool(setup->opts, "source-resample")) {
        int r = library_load(&src_library);
        if (r < 0)
            return r;
        source->resampler = src.callback_new(source_feed, SRC_SINC_MEDIUM_QUALITY,
                                             (int)file->channels, &error, source);
    }
    if (error != 0)
        return log_error(-ENOMEM, "%s: resampler: %s", setup->name, src.strerror(error));
    uint64_t rates = rates_supported(source);
    if (rates == 0)
        return opts_error("--snd source-path: %s: virtio-snd has no rate of %u Hz%s", path,
                          file->rate_hz,
                          source->resampler != NULL ? "" : "; source-resample=on gives others");
    if ((rates & setup->rates) == 0 && opts_given(setup->opts, "rates") &&
        source->resampler == NULL)
        return opts_error("--snd rates: %s has %u Hz; source-resample=on gives others", path,
                          file->rate_hz);
    host->caps = (struct host_caps){.formats = pcm_formats(true),
                                    .rates = rates,
                                    .channels_min = file->channels,
                                    .channels_max = file->channels};
    return 0;
}

static int source_open(struct host *host, const struct pcm_params *params)
{
    struct source_host *source = source_host(host);

    source->params = *params;
    if (sound_rewind(&source->file) < 0) {
        log_guest(&host->log_limit, "%s: begin again: %s", host->name, sound_error(&source->file));
        return -EIO;
    }
    if (source->resampler != NULL)
        (void)src.reset(source->resampler); /* fails for NULL only */
    return 0;
}

/* The same as file_next(), at the stream's rate. */
static size_t stream_next(struct source_host *source, size_t frames)
{
    const double ratio = (double)source->params.rate_hz / source->file.rate_hz;
    const unsigned channels = source->file.channels;
    float block[2048];

    if (source->params.rate_hz == source->file.rate_hz)
        return file_next(source, frames);
    frames = MIN(frames, ARRAY_SIZE(block) / channels);
    long got = src.callback_read(source->resampler, ratio, (long)frames, block);
    for (long i = 0; i < got * (long)channels; i++)
        source->file.block[i] = (double)block[i];
    return (size_t)MAX(got, 0);
}

static ssize_t source_read(struct host *host, void *ret_buf, size_t frames)
{
    struct source_host *source = source_host(host);
    const struct pcm_params *params = &source->params;
    uint8_t *out = ret_buf;
    size_t done = 0, got;

    while (done < frames && (got = stream_next(source, frames - done)) > 0) {
        pcm_from_double(params->format, source->file.block, out + done * params->frame_bytes,
                        got * params->channels);
        done += got;
    }
    pcm_silence(params->format, out + done * params->frame_bytes,
                (frames - done) * params->channels);
    return (ssize_t)frames;
}

const struct host_class host_source = {
    .name = "file",
    .instance_size = sizeof(struct source_host),
    .create = source_create,
    .destroy = source_destroy,
    .open = source_open,
    .read = source_read,
};
