/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fuzzes sound files that a user has from elsewhere, as `linnet listen` hears and source=file reads
 * them. libsndfile parses; what it says of a file is ours to bound. Beyond memory safety: a file is
 * refused, or has channels and a rate within our limits; reading comes to an end or goes on at its
 * beginning; a guest gets all the frames that it asked for.
 */
#include "devices/snd/hear/listener.h"
#include "devices/snd/host/host.h"
#include "devices/snd/lib/sound_file.h"
#include "devices/snd/snd.h"
#include "tests/fuzz/fuzz.h"
#include "vmm/config/opts.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define BLOCKS_MAX   32
#define READS        4
#define READ_FRAMES  1000
#define CHANNELS_MAX 32

/* Hearing takes long. */
#define HEARD_HZ_MAX       8000
#define HEARD_CHANNELS_MAX 2

static void listen(const char *path)
{
    static struct listener_report report;
    struct listener *listener = NULL;
    struct sound_file file;
    int frames = 1;

    if (sound_open(&file, "", path) == 0) {
        must(file.channels >= 1 && file.channels <= SOUND_CHANNELS_MAX, "channels");
        must(file.rate_hz >= 1 && file.rate_hz <= SOUND_RATE_HZ_MAX, "rate");
        if (file.rate_hz <= HEARD_HZ_MAX && file.channels <= HEARD_CHANNELS_MAX)
            must(listener_create(file.rate_hz, file.channels, &listener) == 0, "a listener");
        for (unsigned i = 0; i < BLOCKS_MAX && frames > 0; i++) {
            frames = sound_read(&file, SOUND_BLOCK_FRAMES);
            must(frames <= SOUND_BLOCK_FRAMES, "a block has room for what is read");
            if (listener != NULL && frames > 0)
                listener_feed(listener, file.block, (size_t)frames);
        }
    }
    if (listener != NULL)
        listener_report(listener, &report);
    listener_destroy(listener);
    sound_close(&file);
}

static void record(struct host *host)
{
    static uint8_t frames[READ_FRAMES * CHANNELS_MAX * 8];

    must(host->caps.channels_max <= CHANNELS_MAX && host->caps.rates != 0, "what it can do");
    for (unsigned code = 0; code < PCM_FORMAT_COUNT; code++) {
        struct pcm_params params = {.format = pcm_format_by_code(code),
                                    .rate_hz =
                                        pcm_rate_hz((unsigned)__builtin_ctzll(host->caps.rates)),
                                    .channels = host->caps.channels_max,
                                    .period_frames = READ_FRAMES,
                                    .buffer_frames = READ_FRAMES};
        if ((host->caps.formats >> code & 1) == 0)
            continue;
        params.frame_bytes = params.channels * params.format->sample_bytes;
        if (host->class->open(host, &params) < 0)
            continue;
        for (unsigned i = 0; i < READS; i++)
            must(host->class->read(host, frames, READ_FRAMES) == READ_FRAMES, "all frames");
    }
}

static void source(const char *path, const char *more)
{
    struct host_setup setup = {.name = "fuzz", .direction = PCM_INPUT};
    struct host *host = NULL;
    struct opts *opts;

    must(opts_create(virtio_snd.opts, &opts) == 0, "options");
    must(opts_set(opts, "", "source-path", path) == 0 && opts_parse(opts, "", more) == 0,
         "options");
    setup.opts = opts;
    if (host_create(&host_source, &setup, &host) == 0) {
        record(host);
        host_source.destroy(host);
    }
    opts_destroy(opts);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64];
    int fd = memfd_create("fuzz.wav", MFD_CLOEXEC);

    must(fd >= 0 && write(fd, data, size) == (ssize_t)size, "a file in memory");
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    listen(path);
    source(path, "source-loop=on");
    source(path, "source-loop=off");
    (void)close(fd);
    return 0;
}
