/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * source=file: records from any sound file that libsndfile reads. See host.h. Each PREPARE begins
 * at the file's first frame; at its end comes silence, or the first frame again (source-loop=on).
 *
 * The guest gets the file's channels and rate, nothing is mixed or resampled: the guest's own ALSA
 * does that. Formats: all that are numbers; one that is as wide as the file's own gets its samples
 * bit for bit.
 */
#include "devices/snd/host/host.h"

#include "devices/snd/base/wire.h"
#include "devices/snd/lib/sound_file.h"
#include "vmm/base/log.h"
#include "vmm/config/opts.h"

struct source_host {
    struct host host;
    struct sound_file file;
    bool loops;
    struct pcm_params params;
};

static struct source_host *source_host(struct host *host)
{
    return container_of(host, struct source_host, host);
}

static void source_destroy(struct host *host)
{
    struct source_host *source = source_host(host);

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

static int source_create(struct host *host, const struct host_setup *setup)
{
    struct source_host *source = source_host(host);
    const char *path = opts_str(setup->opts, "source-path");
    const struct sound_file *file = &source->file;

    source->loops = opts_bool(setup->opts, "source-loop");
    if (path == NULL)
        return opts_error("--snd source-path: source=file needs the name of a sound file");
    if (sound_open(&source->file, "--snd source-path: ", path) < 0)
        return -EINVAL;
    if (file->channels > WIRE_CHANNELS_MAX)
        return opts_error("--snd source-path: %s: %u channels are more than %d", path,
                          file->channels, WIRE_CHANNELS_MAX);
    int rate = pcm_rate_by_hz(file->rate_hz);
    if (rate < 0)
        return opts_error("--snd source-path: %s: virtio-snd has no rate of %u Hz; "
                          "resample it, as by sox FILE -r 48000 NEW.wav",
                          path, file->rate_hz);
    host->caps = (struct host_caps){.formats = pcm_formats(),
                                    .rates = 1ull << rate,
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
    return 0;
}

static ssize_t source_read(struct host *host, void *ret_buf, size_t frames)
{
    struct source_host *source = source_host(host);
    const struct pcm_params *params = &source->params;
    uint8_t *out = ret_buf;
    size_t done = 0, got;

    while (done < frames && (got = file_next(source, frames - done)) > 0) {
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
