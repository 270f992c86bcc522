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
 * recordings into one file are refused by a lock.
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

struct file_host {
    struct host host;
    char path[PATH_MAX]; /* of take 1 */
    int container;       /* SF_FORMAT_WAV ... */
    bool live;           /* the container's header is kept up to date */

    unsigned stream_index;
    unsigned take;
    int fd;                   /* owned: the take, locked */
    off_t at;                 /* where libsndfile is in it */
    SNDFILE *file;            /* owned: on fd; NULL after a failure */
    struct pcm_params params; /* of the take */
    uint64_t frames;          /* in the take */
    int error;                /* the first one, -errno */
};

/* -- names -- */

/* Containers by ending; what libsndfile also knows goes by its own list of major formats. RF64 is
 * an ordinary WAV file until it reaches 4 GiB. */
static const struct {
    const char *ending;
    int container;
} containers[] = {
    {"wav", SF_FORMAT_RF64}, {"wave", SF_FORMAT_RF64}, {"aif", SF_FORMAT_AIFF},
    {"snd", SF_FORMAT_AU},   {"ogg", SF_FORMAT_OGG},
};

static int container_of_path(const char *path)
{
    const char *ending = strrchr(path, '.');
    SF_FORMAT_INFO info;
    int count = 0;

    if (ending == NULL || strchr(ending, '/') != NULL)
        return -EINVAL;
    ending++;
    for (size_t i = 0; i < ARRAY_SIZE(containers); i++)
        if (strcasecmp(ending, containers[i].ending) == 0)
            return containers[i].container;
    (void)sf.command(NULL, SFC_GET_FORMAT_MAJOR_COUNT, &count, sizeof(count));
    for (int i = 0; i < count; i++) {
        info = (SF_FORMAT_INFO){.format = i};
        if (sf.command(NULL, SFC_GET_FORMAT_MAJOR, &info, sizeof(info)) == 0 &&
            strcasecmp(ending, info.extension) == 0)
            return info.format;
    }
    return -EINVAL;
}

/* "dir/tone.wav" -> "dir/tone-s1.2.wav": stream 0 and take 1 show nothing. */
static int name_make(char ret_name[PATH_MAX], const char *path, unsigned stream, unsigned take)
{
    size_t stem = (size_t)(strrchr(path, '.') - path);
    char in_stream[16] = "", in_take[16] = "";

    if (stream > 0)
        (void)snprintf(in_stream, sizeof(in_stream), "-s%u", stream);
    if (take > 1)
        (void)snprintf(in_take, sizeof(in_take), ".%u", take);
    int len = snprintf(ret_name, PATH_MAX, "%.*s%s%s%s", (int)stem, path, in_stream, in_take,
                       path + stem);
    return len < PATH_MAX ? 0 : -ENAMETOOLONG;
}

/* -- formats -- */

static int subtype(const struct file_host *file, const struct pcm_format *format)
{
    /* WAV has no signed bytes; the same numbers fit its unsigned ones. AIFF and AU: the reverse. */
    const SF_INFO exact = {
        .format = file->container | format->sndfile, .samplerate = 48000, .channels = 1};
    int other = format->sndfile == SF_FORMAT_PCM_S8 ? SF_FORMAT_PCM_U8 : SF_FORMAT_PCM_S8;
    SF_INFO swapped = exact;

    if (format->sndfile == 0)
        return 0;
    if (sf.format_check(&exact))
        return format->sndfile;
    swapped.format = file->container | other;
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
    SF_INFO info = {.format = file->container | subtype(file, format), .samplerate = 48000};

    for (info.channels = WIRE_CHANNELS_MAX; info.channels > 1; info.channels--)
        if (sf.format_check(&info))
            break;
    return (uint32_t)info.channels;
}

/* -- the take's bytes, as libsndfile asks for them. It goes to the header and back every period;
 * here that needs no system call. -- */

static sf_count_t bytes_length(void *ctx)
{
    struct stat stat;

    return fstat(((const struct file_host *)ctx)->fd, &stat) < 0 ? -1 : stat.st_size;
}

static sf_count_t bytes_tell(void *ctx)
{
    return ((const struct file_host *)ctx)->at;
}

static sf_count_t bytes_seek(sf_count_t offset, int whence, void *ctx)
{
    struct file_host *file = ctx;

    if (whence == SEEK_CUR)
        offset += file->at;
    else if (whence == SEEK_END)
        offset += bytes_length(file);
    if (offset < 0)
        return -1;
    file->at = offset;
    return offset;
}

static sf_count_t bytes_read(void *ret_buf, sf_count_t count, void *ctx)
{
    struct file_host *file = ctx;
    ssize_t len = pread(file->fd, ret_buf, (size_t)count, file->at);

    file->at += MAX(len, 0);
    return MAX(len, 0);
}

static sf_count_t bytes_write(const void *buf, sf_count_t count, void *ctx)
{
    struct file_host *file = ctx;
    sf_count_t done = 0;

    while (done < count) {
        ssize_t len =
            pwrite(file->fd, (const uint8_t *)buf + done, (size_t)(count - done), file->at);
        if (len < 0 && errno == EINTR)
            continue;
        if (len <= 0)
            break;
        file->at += len;
        done += len;
    }
    return done;
}

/* -- one take -- */

static void take_close(struct file_host *file)
{
    if (file->file != NULL)
        (void)sf.close(file->file); /* data was written and checked before */
    file->file = NULL;
    fd_close(&file->fd);
}

/* Begins an empty recording in file->fd. */
static int take_begin(struct file_host *file, const struct pcm_params *params)
{
    SF_VIRTUAL_IO bytes = {bytes_length, bytes_seek, bytes_read, bytes_write, bytes_tell};
    SF_INFO info = {.samplerate = (int)params->rate_hz,
                    .channels = (int)params->channels,
                    .format = file->container | subtype(file, params->format)};

    if (file->container == SF_FORMAT_RAW)
        info.format |= SF_ENDIAN_LITTLE;
    if (file->file != NULL)
        (void)sf.close(file->file); /* it was empty */
    file->file = NULL;
    if (ftruncate(file->fd, 0) < 0)
        return -errno;
    file->at = 0;
    file->file = sf.open_virtual(&bytes, SFM_WRITE, &info, file);
    if (file->file == NULL)
        return -EIO;
    (void)sf.command(file->file, SFC_RF64_AUTO_DOWNGRADE, NULL, SF_TRUE);
    (void)sf.command(file->file, SFC_SET_ADD_PEAK_CHUNK, NULL, SF_FALSE);
    if (file->live)
        (void)sf.command(file->file, SFC_UPDATE_HEADER_NOW, NULL, 0);
    file->params = *params;
    file->frames = 0;
    return 0;
}

/* Opens and locks the file of the take file->take, and empties it. Says what is wrong. */
static int take_open(struct file_host *file, const struct pcm_params *params)
{
    char name[PATH_MAX];
    int r = name_make(name, file->path, file->stream_index, file->take);

    if (r < 0)
        return log_error(r, "--snd path: %s", file->path);
    file->fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY, 0666);
    if (file->fd < 0)
        return log_error(-errno, "--snd path: %s", name);
    if (flock(file->fd, LOCK_EX | LOCK_NB) < 0) {
        (void)log_error(0, "--snd path: %s: something else is recording into this file", name);
        return -EBUSY;
    }
    r = take_begin(file, params);
    return r < 0 ? log_error(r, "--snd path: %s", name) : 0;
}

static bool same_take(const struct pcm_params *a, const struct pcm_params *b)
{
    return a->format == b->format && a->rate_hz == b->rate_hz && a->channels == b->channels;
}

/* -- the host -- */

static int file_open(struct host *host, const struct pcm_params *params)
{
    struct file_host *file = container_of(host, struct file_host, host);

    if (file->error < 0 || same_take(&file->params, params))
        return 0;
    if (file->frames == 0)
        return take_begin(file, params);
    if (file->take == TAKES_MAX)
        return log_error(-EMFILE, "%s: %s: take %d was the last", host->name, file->path,
                         TAKES_MAX);
    take_close(file);
    file->take++;
    return take_open(file, params);
}

static void file_close(struct host *host)
{
    (void)host; /* the take stays open: what is played next may continue it */
}

/* The recording ends with its last whole frame. Told once; the guest plays on. */
static void take_fail(struct file_host *file)
{
    sf_count_t frames = (sf_count_t)file->frames;

    file->error = errno != 0 ? -errno : -EIO;
    (void)log_error(file->error, "%s: recording ends after %llu frames: %s", file->host.name,
                    (unsigned long long)file->frames, file->path);
    if (file->live) {
        /* libsndfile goes to the end of that frame; to cut the file there is for us to do. */
        (void)sf.command(file->file, SFC_FILE_TRUNCATE, &frames, sizeof(frames));
        (void)!ftruncate(file->fd, file->at); /* else it is longer than its header says */
        (void)sf.command(file->file, SFC_UPDATE_HEADER_NOW, NULL, 0);
    }
    take_close(file);
}

/* Hands `samples` samples to libsndfile as the type that keeps every bit of them, in whole
 * frames: how many it took. */
static sf_count_t samples_write(struct file_host *file, const uint8_t *buf, size_t samples)
{
    const struct pcm_format *format = file->params.format;
    int32_t chunk[2048];
    size_t chunk_max = ARRAY_SIZE(chunk) - ARRAY_SIZE(chunk) % file->params.channels;
    sf_count_t done = 0;

    if (format->kind == PCM_KIND_OPAQUE)
        return sf.write_raw(file->file, buf, (sf_count_t)samples);
    if (format->kind == PCM_KIND_FLOAT && format->sample_bytes == 4)
        return sf.write_float(file->file, (const float *)(const void *)buf, (sf_count_t)samples);
    if (format->kind == PCM_KIND_FLOAT)
        return sf.write_double(file->file, (const double *)(const void *)buf, (sf_count_t)samples);
    if (format->sample_bits == 16 && format->kind == PCM_KIND_SIGNED)
        return sf.write_short(file->file, (const short *)(const void *)buf, (sf_count_t)samples);
    while (samples > 0) {
        size_t count = MIN(samples, chunk_max);
        pcm_to_s32(format, buf, chunk, count);
        sf_count_t wrote = sf.write_int(file->file, chunk, (sf_count_t)count);
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
    size_t samples = frames * file->params.channels;

    if (file->error == 0) {
        errno = 0;
        sf_count_t wrote = samples_write(file, buf, samples);
        size_t whole = (size_t)MAX(wrote, 0) / file->params.channels;
        file->frames += whole;
        if (whole < frames)
            take_fail(file);
        else if (file->live)
            (void)sf.command(file->file, SFC_UPDATE_HEADER_NOW, NULL, 0);
        host->lost_frames += frames - whole;
    } else {
        host->lost_frames += frames;
    }
    return (ssize_t)frames;
}

static int file_finish(struct host *host)
{
    struct file_host *file = container_of(host, struct file_host, host);

    take_close(file);
    return file->error;
}

static void file_destroy(struct host *host)
{
    if (host == NULL)
        return;
    struct file_host *file = container_of(host, struct file_host, host);
    take_close(file);
    free(file);
}

/* Parameters for an empty recording, so that the file is valid before anything is played. */
static struct pcm_params first_params(const struct host_setup *setup, uint64_t formats)
{
    uint64_t offered = formats & setup->formats;
    unsigned code = (unsigned)__builtin_ctzll(offered != 0 ? offered : formats);

    return (struct pcm_params){.format = pcm_format_by_code(code), .rate_hz = 48000, .channels = 2};
}

/* Everything but memory. On failure file_destroy() undoes it. */
static int file_init(struct file_host *file, const struct host_setup *setup)
{
    const char *path = opts_str(setup->opts, "path");

    if (library_load(&sf_library) < 0)
        return -ENOPKG;
    if (path == NULL)
        return opts_error("--snd path: host=file needs the name of a recording, path=FILE.wav");
    if (strlen(path) >= sizeof(file->path))
        return log_error(-ENAMETOOLONG, "--snd path");
    memcpy(file->path, path, strlen(path));
    file->container = container_of_path(path);
    if (file->container < 0)
        return opts_error("--snd path: %s: the ending does not name a kind of sound file; "
                          ".wav, .flac, .w64, .caf, .aiff, .au and .raw do",
                          path);
    file->live = file->container != SF_FORMAT_FLAC && file->container != SF_FORMAT_OGG &&
                 file->container != SF_FORMAT_MPEG;
    file->host.caps = (struct host_caps){
        .formats = formats_supported(file), .rates = (1u << PCM_RATE_COUNT) - 1, .channels_min = 1};
    if (file->host.caps.formats == 0)
        return opts_error("--snd path: %s: this kind of file can't hold what a guest plays", path);
    file->host.caps.channels_max = channels_supported(file, file->host.caps.formats);
    const struct pcm_params params = first_params(setup, file->host.caps.formats);
    return take_open(file, &params);
}

static int file_create(const struct host_setup *setup, struct host **ret_host)
{
    struct file_host *file = calloc(1, sizeof(*file));

    if (file == NULL)
        return log_error(-ENOMEM, "%s", setup->name);
    file->host.class = &host_file;
    file->host.name = setup->name;
    file->stream_index = setup->stream_index;
    file->take = 1;
    file->fd = -1;
    int r = file_init(file, setup);
    if (r < 0)
        file_destroy(&file->host);
    else
        *ret_host = &file->host;
    return r;
}

const struct host_class host_file = {
    .name = "file",
    .help = "a recording, by libsndfile",
    .create = file_create,
    .destroy = file_destroy,
    .open = file_open,
    .close = file_close,
    .write = file_write,
    .finish = file_finish,
};
