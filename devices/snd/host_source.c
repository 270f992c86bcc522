/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * source=file: records from any sound file that libsndfile reads. See host.h. Each PREPARE begins
 * at the file's first frame; at its end comes silence, or the first frame again (source-loop=on).
 *
 * The guest gets the file's rate and channels, nothing is resampled or mixed. Formats: all that are
 * numbers; one that is as wide as the file's own gets its samples bit for bit.
 */
#include "devices/snd/host.h"

#include "devices/snd/wire.h"
#include "vmm/log.h"
#include "vmm/opts.h"

#include <sndfile.h>
#include <string.h>

struct source_host {
    struct host host;
    SNDFILE *file; /* owned */
    SF_INFO info;
    bool loops;
    struct pcm_params params;
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
    if (source->file != NULL)
        (void)sf_close(source->file); /* was only read */
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

static int source_init(struct source_host *source, const struct opts *opts)
{
    const char *path = opts_str(opts, "source-path");

    if (path == NULL)
        return opts_error("--snd source-path: source=file needs the name of a sound file");
    source->file = sf_open(path, SFM_READ, &source->info);
    if (source->file == NULL)
        return opts_error("--snd source-path: %s: %s", path, sf_strerror(NULL));
    (void)sf_command(source->file, SFC_SET_SCALE_FLOAT_INT_READ, NULL, SF_FALSE);
    int rate = pcm_rate_by_hz((uint32_t)source->info.samplerate);
    if (rate < 0)
        return opts_error(
            "--snd source-path: %s: virtio-snd has no rate of %d Hz; resample the file", path,
            source->info.samplerate);
    if (source->info.channels > WIRE_CHANNELS_MAX)
        return opts_error("--snd source-path: %s: %d channels are more than %d", path,
                          source->info.channels, WIRE_CHANNELS_MAX);
    source->host.caps = (struct host_caps){.formats = number_formats(),
                                           .rates = 1ull << rate,
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
    int r = source_init(source, setup->opts);
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
    if (sf_seek(source->file, 0, SEEK_SET) < 0)
        return log_error(0, "%s: begin again: %s", host->name, sf_strerror(source->file)), -EIO;
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
        return sf_readf_float(source->file, (float *)(void *)out, (sf_count_t)frames);
    if (format->kind == PCM_KIND_FLOAT)
        return sf_readf_double(source->file, (double *)(void *)out, (sf_count_t)frames);
    while (done < frames) {
        size_t count = MIN(frames - done, ARRAY_SIZE(block) / channels);
        sf_count_t got = sf_readf_int(source->file, block, (sf_count_t)count);
        if (got <= 0)
            break;
        pcm_from_s32(format, block, out + done * source->params.frame_bytes,
                     (size_t)got * channels);
        done += (size_t)got;
    }
    return (sf_count_t)done;
}

static ssize_t source_read(struct host *host, void *ret_buf, size_t frames)
{
    struct source_host *source = source_host(host);
    uint8_t *out = ret_buf;
    size_t left = frames;

    while (left > 0) {
        sf_count_t got = frames_read(source, out, left);
        out += (size_t)MAX(got, 0) * source->params.frame_bytes;
        left -= (size_t)MAX(got, 0);
        if (left == 0 || !source->loops || source->info.frames <= 0 ||
            sf_seek(source->file, 0, SEEK_SET) < 0)
            break;
    }
    pcm_silence(source->params.format, out, left * source->params.channels);
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
