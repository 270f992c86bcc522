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
#include "devices/snd/lib/sndfile.h"
#include "vmm/base/log.h"
#include "vmm/config/opts.h"

#include <math.h>
#include <string.h>

struct source_host {
    struct host host;
    SNDFILE *file; /* owned */
    SF_INFO info;
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
    if (host == NULL)
        return;
    struct source_host *source = source_host(host);
    if (source->resampler != NULL)
        (void)src.delete(source->resampler); /* gives NULL */
    if (source->file != NULL)
        (void)sf.close(source->file); /* was only read */
    free(source);
}

/* The formats whose numbers a file of numbers can give. */
static uint64_t number_formats(void)
{
    uint64_t formats = 0;

    for (unsigned code = 0; code < PCM_FORMAT_COUNT; code++) {
        const struct pcm_format *format = pcm_format_by_code(code);
        if (format != NULL && format->kind != PCM_KIND_OPAQUE)
            formats |= 1ull << code;
    }
    return formats;
}

/* The resampler wants more: gives frames from where the file is, from its beginning if it loops; 0
 * is the end. */
static long source_feed(void *ctx, float **ret_frames)
{
    struct source_host *source = ctx;
    sf_count_t count = ARRAY_SIZE(source->fed) / (unsigned)source->info.channels;
    sf_count_t got = sf.readf_float(source->file, source->fed, count);

    if (got <= 0 && source->loops && sf.seek(source->file, 0, SEEK_SET) == 0)
        got = sf.readf_float(source->file, source->fed, count);
    *ret_frames = source->fed;
    return (long)MAX(got, 0);
}

/* Opens the file: 0, or -EINVAL after a line. */
static int file_open(struct source_host *source, const char *path)
{
    if (path == NULL)
        return opts_error("--snd source-path: source=file needs the name of a sound file");
    source->file = sf.open(path, SFM_READ, &source->info);
    if (source->file == NULL)
        return opts_error("--snd source-path: %s: %s", path, sf.strerror(NULL));
    (void)sf.command(source->file, SFC_SET_SCALE_FLOAT_INT_READ, NULL, SF_FALSE);
    if (source->info.channels > WIRE_CHANNELS_MAX)
        return opts_error("--snd source-path: %s: %d channels are more than %d", path,
                          source->info.channels, WIRE_CHANNELS_MAX);
    return 0;
}

/* What a guest may record at: the file's rate, and with a resampler all that it can make of it. */
static uint64_t rates_supported(const struct source_host *source)
{
    uint32_t file_hz = (uint32_t)source->info.samplerate;
    uint64_t rates = 0;

    for (unsigned code = 0; code < PCM_RATE_COUNT; code++)
        if (pcm_rate_hz(code) == file_hz ||
            (source->resampler != NULL && src.is_valid_ratio((double)pcm_rate_hz(code) / file_hz)))
            rates |= 1ull << code;
    return rates;
}

static int source_init(struct source_host *source, const struct host_setup *setup)
{
    const char *path = opts_str(setup->opts, "source-path");
    int error = 0;
    int r = library_load(&sf_library);

    if (r == 0)
        r = file_open(source, path);
    if (r == 0 && opts_bool(setup->opts, "source-resample"))
        r = library_load(&src_library);
    if (r < 0)
        return r;
    if (opts_bool(setup->opts, "source-resample"))
        source->resampler = src.callback_new(source_feed, SRC_SINC_MEDIUM_QUALITY,
                                             source->info.channels, &error, source);
    if (error != 0)
        return log_error(-ENOMEM, "%s: resampler: %s", setup->name, src.strerror(error));
    uint64_t rates = rates_supported(source);
    if (rates == 0)
        return opts_error("--snd source-path: %s: virtio-snd has no rate of %d Hz%s", path,
                          source->info.samplerate,
                          source->resampler != NULL ? "" : "; source-resample=on gives others");
    if ((rates & setup->rates) == 0 && opts_given(setup->opts, "rates") &&
        source->resampler == NULL)
        return opts_error("--snd rates: %s has %d Hz; source-resample=on gives others", path,
                          source->info.samplerate);
    source->host.caps = (struct host_caps){.formats = number_formats(),
                                           .rates = rates,
                                           .channels_min = (uint32_t)source->info.channels,
                                           .channels_max = (uint32_t)source->info.channels};
    return 0;
}

static int source_create(const struct host_setup *setup, struct host **ret_host)
{
    struct source_host *source = calloc(1, sizeof(*source));

    if (source == NULL)
        return log_error(-ENOMEM, "%s", setup->name);
    source->host.class = &host_source;
    source->host.name = setup->name;
    source->loops = opts_bool(setup->opts, "source-loop");
    int r = source_init(source, setup);
    if (r < 0)
        source_destroy(&source->host);
    else
        *ret_host = &source->host;
    return r;
}

static int source_open(struct host *host, const struct pcm_params *params)
{
    struct source_host *source = source_host(host);

    source->params = *params;
    if (sf.seek(source->file, 0, SEEK_SET) < 0)
        return log_error(0, "%s: begin again: %s", host->name, sf.strerror(source->file)), -EIO;
    if (source->resampler != NULL)
        (void)src.reset(source->resampler); /* fails for NULL only */
    return 0;
}

static void source_close(struct host *host)
{
    (void)host;
}

/* Reads up to `frames` frames as the stream's format: how many there were. */
static sf_count_t frames_read(struct source_host *source, uint8_t *out, size_t frames)
{
    const struct pcm_format *format = source->params.format;
    const size_t channels = source->params.channels;
    int32_t block[2048];
    size_t done = 0;

    if (format->kind == PCM_KIND_FLOAT && format->sample_bytes == 4)
        return sf.readf_float(source->file, (float *)(void *)out, (sf_count_t)frames);
    if (format->kind == PCM_KIND_FLOAT)
        return sf.readf_double(source->file, (double *)(void *)out, (sf_count_t)frames);
    while (done < frames) {
        size_t count = MIN(frames - done, ARRAY_SIZE(block) / channels);
        sf_count_t got = sf.readf_int(source->file, block, (sf_count_t)count);
        if (got <= 0)
            break;
        pcm_from_s32(format, block, out + done * source->params.frame_bytes,
                     (size_t)got * channels);
        done += (size_t)got;
    }
    return (sf_count_t)done;
}

/* Writes numbers whose full scale is 1.0 as samples of a format, rounded. Changes them. */
static void samples_put(const struct pcm_format *format, float *numbers, uint8_t *out, size_t count)
{
    const float half = exp2f(-(float)format->sample_bits); /* of the last bit */
    int32_t whole[2048];

    assert(count <= ARRAY_SIZE(whole));
    if (format->kind == PCM_KIND_FLOAT) {
        for (size_t i = 0; i < count; i++, out += format->sample_bytes) {
            double wide = (double)numbers[i];
            bool is_wide = format->sample_bytes == sizeof(wide);
            memcpy(out, is_wide ? (const void *)&wide : &numbers[i], format->sample_bytes);
        }
        return;
    }
    for (size_t i = 0; i < count; i++)
        numbers[i] += half;
    src.float_to_int_array(numbers, whole, (int)count); /* clips */
    pcm_from_s32(format, whole, out, count);
}

/* The same as frames_read(), at the stream's rate. */
static sf_count_t frames_resampled(struct source_host *source, uint8_t *out, size_t frames)
{
    const size_t channels = source->params.channels;
    const double ratio = (double)source->params.rate_hz / source->info.samplerate;
    float block[2048];
    size_t done = 0;

    while (done < frames) {
        size_t count = MIN(frames - done, ARRAY_SIZE(block) / channels);
        long got = src.callback_read(source->resampler, ratio, (long)count, block);
        if (got <= 0)
            break;
        samples_put(source->params.format, block, out + done * source->params.frame_bytes,
                    (size_t)got * channels);
        done += (size_t)got;
    }
    return (sf_count_t)done;
}

/* From the beginning again and again if the file loops, and has any frames left. */
static sf_count_t frames_looped(struct source_host *source, uint8_t *out, size_t frames)
{
    bool at_begin = false;
    size_t done = 0;

    for (;;) {
        sf_count_t got =
            frames_read(source, out + done * source->params.frame_bytes, frames - done);
        done += (size_t)MAX(got, 0);
        if (done == frames || !source->loops || (got <= 0 && at_begin) ||
            sf.seek(source->file, 0, SEEK_SET) < 0)
            return (sf_count_t)done;
        at_begin = true;
    }
}

static ssize_t source_read(struct host *host, void *ret_buf, size_t frames)
{
    struct source_host *source = source_host(host);
    const struct pcm_params *params = &source->params;
    bool resamples = params->rate_hz != (uint32_t)source->info.samplerate;
    uint8_t *out = ret_buf;
    sf_count_t got =
        resamples ? frames_resampled(source, out, frames) : frames_looped(source, out, frames);

    pcm_silence(params->format, out + (size_t)got * params->frame_bytes,
                (frames - (size_t)got) * params->channels);
    return (ssize_t)frames;
}

const struct host_class host_source = {
    .name = "file",
    .help = "a sound file, by libsndfile",
    .create = source_create,
    .destroy = source_destroy,
    .open = source_open,
    .close = source_close,
    .read = source_read,
};
