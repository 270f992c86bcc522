/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * host=file: a recording of what was played, by libsndfile. See host.h.
 *
 * One file per stream: the first has the name the user gave, stream 1 gets "-s1" before the ending.
 * What the guest plays is appended, as long as format, rate and channels stay the same; when they
 * change, a new take begins: NAME.2.wav, NAME.3.wav. Silence that the device made is never in it.
 *
 * Before a period is reported as played its frames have left this process, and the header says
 * how many there are. So the file is valid, and complete to that period, if we are killed
 * at any moment. This holds for containers without compression (WAV, RF64, W64, AIFF, AU, CAF,
 * raw). FLAC gets its last block of 4,096 frames, and its length, at a proper end; what was there
 * before can be read without.
 *
 * When the disk is full the recording ends with its last whole frame; the guest plays on. Two
 * recordings into one file are refused by a lock. A take that cannot be fails its PREPARE, and the
 * one before it can go on. Later takes are made through a descriptor of the folder.
 */
#include "devices/snd/host/host.h"

#include "devices/snd/base/wire.h"
#include "devices/snd/lib/sndfile.h"
#include "vmm/config/opts.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/file.h>
#include <sys/stat.h>

#define TAKES_MAX 1000

/* The header that libsndfile gives a WAV file, and what in it counts frames and bytes. */
#define WAV_BYTES     112
#define WAV_RIFF_SIZE 4
#define WAV_ALIGN     64
#define WAV_FACT      92
#define WAV_FRAMES    100
#define WAV_DATA      104
#define WAV_DATA_SIZE 108

struct take {
    int fd;                    /* owned, locked; -1: none */
    SNDFILE *file;             /* owned, on fd; NULL: none, or it failed */
    struct pcm_params params;  /* as long as `file` is there */
    uint64_t frames;           /* recorded */
    uint32_t frame_bytes;      /* in the file, if this is its header, which we keep; else 0 */
    uint8_t header[WAV_BYTES]; /* (libsndfile asks how long the file is, and makes it anew) */
};

struct file_host {
    struct host host;
    char path[PATH_MAX]; /* of take 1 */
    int folder_fd;       /* owned: where all takes are */
    const struct container *container;

    unsigned stream_index;
    unsigned number; /* of the present take */
    struct take take;
    int error; /* the first one, -errno */
};

/* -- names -- */

/* Containers by ending. RF64 is an ordinary WAV file until it reaches 4 GiB. */
static const struct container {
    const char *ending;
    int format;
    bool live; /* its header can be kept up to date */
} containers[] = {
    {"wav", SF_FORMAT_RF64, true},  {"wave", SF_FORMAT_RF64, true},  {"rf64", SF_FORMAT_RF64, true},
    {"w64", SF_FORMAT_W64, true},   {"caf", SF_FORMAT_CAF, true},    {"aif", SF_FORMAT_AIFF, true},
    {"aiff", SF_FORMAT_AIFF, true}, {"au", SF_FORMAT_AU, true},      {"snd", SF_FORMAT_AU, true},
    {"raw", SF_FORMAT_RAW, true},   {"flac", SF_FORMAT_FLAC, false},
};

static const struct container *container_of_path(const char *path)
{
    const char *ending = strrchr(path, '.');

    for (size_t i = 0; i < ARRAY_SIZE(containers) && ending != NULL; i++)
        if (strcasecmp(ending + 1, containers[i].ending) == 0)
            return &containers[i];
    return NULL;
}

/* "dir/tone.wav" -> "tone-s1.2.wav": stream 0 and take 1 show nothing. */
static int name_make(const struct file_host *file, unsigned take, char ret_name[NAME_MAX + 1])
{
    const char *slash = strrchr(file->path, '/');
    const char *name = slash != NULL ? slash + 1 : file->path, *ending = strrchr(name, '.');
    char in_stream[16] = "", in_take[16] = "";

    if (file->stream_index > 0)
        (void)snprintf(in_stream, sizeof(in_stream), "-s%u", file->stream_index);
    if (take > 1)
        (void)snprintf(in_take, sizeof(in_take), ".%u", take);
    int len = snprintf(ret_name, NAME_MAX + 1, "%.*s%s%s%s", (int)(ending - name), name, in_stream,
                       in_take, ending);
    return len <= NAME_MAX ? 0 : -ENAMETOOLONG;
}

static int folder_open(struct file_host *file)
{
    char folder[PATH_MAX] = ".";
    const char *slash = strrchr(file->path, '/');

    if (slash != NULL)
        (void)snprintf(folder, sizeof(folder), "%.*s", (int)(slash - file->path) + 1, file->path);
    file->folder_fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return file->folder_fd < 0 ? log_error(-errno, "--snd path: %s", file->path) : 0;
}

/* -- formats -- */

static int subtype(const struct file_host *file, const struct pcm_format *format)
{
    /* WAV has no signed bytes; the same numbers fit its unsigned ones. AIFF and AU: the reverse. */
    const SF_INFO exact = {
        .format = file->container->format | format->sndfile, .samplerate = 48000, .channels = 1};
    int other = format->sndfile == SF_FORMAT_PCM_S8 ? SF_FORMAT_PCM_U8 : SF_FORMAT_PCM_S8;
    SF_INFO swapped = exact;

    if (format->sndfile == 0)
        return 0;
    if (sf.format_check(&exact))
        return format->sndfile;
    swapped.format = file->container->format | other;
    return format->sample_bits == 8 && format->kind != PCM_KIND_OPAQUE && sf.format_check(&swapped)
               ? other
               : 0;
}

static uint64_t formats_supported(const struct file_host *file)
{
    uint64_t set = 0;

    for (unsigned code = 0; code < PCM_FORMAT_COUNT; code++) {
        const struct pcm_format *format = pcm_format_by_code(code);
        if (format != NULL && subtype(file, format) != 0)
            set |= 1ull << code;
    }
    return set;
}

/* Most channels that a frame of the file can have: 8 in FLAC, for one. */
static uint32_t channels_supported(const struct file_host *file, uint64_t formats)
{
    const struct pcm_format *format = pcm_format_by_code((unsigned)__builtin_ctzll(formats));
    SF_INFO info = {.format = file->container->format | subtype(file, format), .samplerate = 48000};

    for (info.channels = WIRE_CHANNELS_MAX; info.channels > 1; info.channels--)
        if (sf.format_check(&info))
            break;
    return (uint32_t)info.channels;
}

/* -- one take -- */

static void take_close(struct take *take)
{
    if (take->file != NULL)
        (void)sf.close(take->file); /* data was written and checked before */
    take->file = NULL;
    fd_close(&take->fd);
}

/* Has the file's header say what is in the file: 0, or -EIO. Each period, so three numbers in it
 * are set if it is the one that we know. */
static int header_update(struct take *take)
{
    off_t end = take->frame_bytes > 0 ? lseek(take->fd, 0, SEEK_CUR) : 0;

    if (end < WAV_BYTES || end > UINT32_MAX) {
        (void)sf.command(take->file, SFC_UPDATE_HEADER_NOW, NULL, 0);
        return 0;
    }
    const uint32_t bytes = (uint32_t)end - WAV_BYTES;
    const le32 riff = to_le32((uint32_t)end - 8), data = to_le32(bytes),
               frames = to_le32(bytes / take->frame_bytes);
    memcpy(take->header + WAV_RIFF_SIZE, &riff, sizeof(riff));
    memcpy(take->header + WAV_FRAMES, &frames, sizeof(frames));
    memcpy(take->header + WAV_DATA_SIZE, &data, sizeof(data));
    return pwrite(take->fd, take->header, WAV_BYTES, 0) == WAV_BYTES ? 0 : -EIO;
}

/* Takes over the header of an empty recording, if it is one that header_update() knows. */
static void header_adopt(struct take *take)
{
    uint8_t *header = take->header;

    if (lseek(take->fd, 0, SEEK_CUR) != WAV_BYTES ||
        pread(take->fd, header, WAV_BYTES, 0) != WAV_BYTES || memcmp(header, "RIFF", 4) != 0 ||
        memcmp(header + WAV_FACT, "fact", 4) != 0 || memcmp(header + WAV_DATA, "data", 4) != 0)
        return;
    take->frame_bytes = header[WAV_ALIGN]; /* 18 channels of 8 bytes are the most */
}

/* Begins an empty recording in take->fd, which holds none or an empty one. */
static int take_begin(const struct file_host *file, struct take *take,
                      const struct pcm_params *params)
{
    SF_INFO info = {.samplerate = (int)params->rate_hz,
                    .channels = (int)params->channels,
                    .format = file->container->format | subtype(file, params->format)};

    if (file->container->format == SF_FORMAT_RAW)
        info.format |= SF_ENDIAN_LITTLE;
    if (take->file != NULL)
        (void)sf.close(take->file); /* it was empty */
    *take = (struct take){.fd = take->fd, .params = *params};
    if (ftruncate(take->fd, 0) < 0 || lseek(take->fd, 0, SEEK_SET) < 0)
        return -errno;
    take->file = sf.open_fd(take->fd, SFM_WRITE, &info, SF_FALSE);
    if (take->file == NULL)
        return -EIO;
    (void)sf.command(take->file, SFC_RF64_AUTO_DOWNGRADE, NULL, SF_TRUE);
    (void)sf.command(take->file, SFC_SET_ADD_PEAK_CHUNK, NULL, SF_FALSE);
    if (file->container->live)
        (void)header_update(take);
    header_adopt(take);
    return 0;
}

/* Opens the file of a take, makes sure that it is ours alone, and begins. What the user did not
 * name himself is no link to elsewhere. */
static int take_open(const struct file_host *file, unsigned number, const char *name,
                     const struct pcm_params *params, struct take *take)
{
    int flags = O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
    struct stat stat;

    take->fd = openat(file->folder_fd, name, number > 1 ? flags | O_NOFOLLOW : flags, 0666);
    if (take->fd < 0 || fstat(take->fd, &stat) < 0)
        return -errno;
    if (!S_ISREG(stat.st_mode))
        return -EINVAL;
    return flock(take->fd, LOCK_EX | LOCK_NB) < 0 ? -EBUSY : take_begin(file, take, params);
}

/* Begins take `number`, which takes the place of the present one if that works. */
static int take_next(struct file_host *file, unsigned number, const struct pcm_params *params)
{
    struct take take = {.fd = -1};
    char name[NAME_MAX + 1] = "";
    int r = name_make(file, number, name);

    if (r == 0)
        r = take_open(file, number, name, params, &take);
    if (r < 0) {
        take_close(&take);
        return r;
    }
    take_close(&file->take);
    file->take = take;
    file->number = number;
    return 0;
}

static bool continues(const struct take *take, const struct pcm_params *params)
{
    return take->file != NULL && pcm_params_alike(&take->params, params);
}

static const char *why(int r)
{
    return r == -EBUSY ? "something else is recording into this file" : strerror(-r);
}

/* -- the host -- */

static int file_open(struct host *host, const struct pcm_params *params)
{
    struct file_host *file = container_of(host, struct file_host, host);
    bool is_empty = file->take.frames == 0;
    unsigned number = is_empty ? file->number : file->number + 1;
    int r;

    if (file->error < 0 || continues(&file->take, params))
        return 0;
    if (is_empty)
        r = take_begin(file, &file->take, params);
    else
        r = number <= TAKES_MAX ? take_next(file, number, params) : -EMFILE;
    if (r < 0)
        log_guest(&host->log_limit, "%s: %s: take %u cannot be recorded: %s", host->name,
                  file->path, number, why(r));
    return r;
}

/* The recording ends with its last whole frame. Told once; the guest plays on. */
static void take_fail(struct file_host *file)
{
    struct take *take = &file->take;
    sf_count_t frames = (sf_count_t)take->frames;

    file->error = errno != 0 ? -errno : -EIO;
    (void)log_error(file->error, "%s: recording ends after %llu frames: %s", file->host.name,
                    (unsigned long long)take->frames, file->path);
    if (file->container->live) {
        (void)sf.command(take->file, SFC_FILE_TRUNCATE, &frames, sizeof(frames));
        (void)sf.command(take->file, SFC_UPDATE_HEADER_NOW, NULL, 0);
    }
    take_close(take);
}

/* Hands `samples` samples to libsndfile as the type that keeps every bit of them, in whole
 * frames: how many it took. */
static sf_count_t samples_write(const struct take *take, const uint8_t *buf, size_t samples)
{
    const struct pcm_format *format = take->params.format;
    int32_t chunk[2048];
    size_t chunk_max = ARRAY_SIZE(chunk) - ARRAY_SIZE(chunk) % take->params.channels;
    sf_count_t done = 0;

    if (format->kind == PCM_KIND_OPAQUE)
        return sf.write_raw(take->file, buf, (sf_count_t)samples);
    if (format->kind == PCM_KIND_FLOAT && format->sample_bytes == 4)
        return sf.write_float(take->file, (const float *)(const void *)buf, (sf_count_t)samples);
    if (format->kind == PCM_KIND_FLOAT)
        return sf.write_double(take->file, (const double *)(const void *)buf, (sf_count_t)samples);
    if (format->sample_bits == 16 && format->kind == PCM_KIND_SIGNED)
        return sf.write_short(take->file, (const short *)(const void *)buf, (sf_count_t)samples);
    while (samples > 0) {
        size_t count = MIN(samples, chunk_max);
        pcm_to_s32(format, buf, chunk, count);
        sf_count_t wrote = sf.write_int(take->file, chunk, (sf_count_t)count);
        done += wrote;
        if (wrote < (sf_count_t)count)
            break;
        buf += count * format->sample_bytes;
        samples -= count;
    }
    return done;
}

static ssize_t file_write(struct host *host, const void *buf, size_t frames)
{
    struct file_host *file = container_of(host, struct file_host, host);
    struct take *take = &file->take;
    size_t whole = 0;

    if (file->error == 0) {
        errno = 0;
        sf_count_t wrote = samples_write(take, buf, frames * take->params.channels);
        whole = (size_t)MAX(wrote, 0) / take->params.channels;
        take->frames += whole;
        if (whole < frames || (file->container->live && header_update(take) < 0))
            take_fail(file);
    }
    host->lost_frames += frames - whole;
    return (ssize_t)frames;
}

static int file_finish(struct host *host)
{
    struct file_host *file = container_of(host, struct file_host, host);

    take_close(&file->take);
    return file->error;
}

static void file_destroy(struct host *host)
{
    struct file_host *file = container_of(host, struct file_host, host);

    take_close(&file->take);
    fd_close(&file->folder_fd);
    free(file);
}

/* Parameters for an empty recording, so that the file is valid before anything is played. */
static struct pcm_params first_params(const struct host_setup *setup, uint64_t formats)
{
    uint64_t offered = formats & setup->formats;
    unsigned code = (unsigned)__builtin_ctzll(offered != 0 ? offered : formats);

    return (struct pcm_params){.format = pcm_format_by_code(code), .rate_hz = 48000, .channels = 2};
}

static int file_create(struct host *host, const struct host_setup *setup)
{
    struct file_host *file = container_of(host, struct file_host, host);
    const char *path = opts_str(setup->opts, "path");

    file->stream_index = setup->stream_index;
    file->folder_fd = file->take.fd = -1;
    if (library_load(&sf_library) < 0)
        return -ENOPKG;
    if (path == NULL)
        return opts_error("--snd path: host=file needs the name of a recording, path=FILE.wav");
    if (strlen(path) >= sizeof(file->path))
        return log_error(-ENAMETOOLONG, "--snd path");
    memcpy(file->path, path, strlen(path));
    file->container = container_of_path(path);
    if (file->container == NULL)
        return opts_error("--snd path: %s: the ending does not name a kind of sound file; "
                          ".wav, .flac, .w64, .caf, .aiff, .au and .raw do",
                          path);
    host->caps = (struct host_caps){
        .formats = formats_supported(file), .rates = (1u << PCM_RATE_COUNT) - 1, .channels_min = 1};
    if (host->caps.formats == 0)
        return opts_error("--snd path: %s: this kind of file can't hold what a guest plays", path);
    host->caps.channels_max = channels_supported(file, host->caps.formats);
    const struct pcm_params params = first_params(setup, host->caps.formats);
    int r = folder_open(file);
    if (r == 0 && (r = take_next(file, 1, &params)) < 0)
        (void)log_error(0, "--snd path: %s: %s", path, why(r));
    return r;
}

const struct host_class host_file = {
    .name = "file",
    .instance_size = sizeof(struct file_host),
    .create = file_create,
    .destroy = file_destroy,
    .open = file_open, /* and no close: what is played next may continue the take */
    .write = file_write,
    .finish = file_finish,
};
