/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * host=file: a recording of what was played, as a WAV file. See host.h.
 *
 * One file per stream: the first has the name the user gave, stream 1 gets "-s1" before the ending.
 * What the guest plays is appended, as long as format, rate and channels stay the same; when they
 * change, a new take begins: NAME.2.wav, NAME.3.wav. Silence that the device made is never in it.
 *
 * Before a period is reported as played its frames have left this process: one call, nothing
 * allocated. The header, which says how many there are, follows ten times a second and when the
 * sound stops. So if we are killed at any moment the file is valid, and at most the last tenth of a
 * second is in it without being counted.
 *
 * When the disk is full the recording ends with its last whole frame; the guest plays on. Two
 * recordings into one file are refused by a lock. A take that cannot be fails its PREPARE, and the
 * one before it can go on. Later takes are made through a descriptor of the folder.
 */
#include "devices/snd/host/host.h"
#include "devices/snd/host/wav.h"
#include "vmm/config/opts.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/file.h>
#include <sys/stat.h>

#define TAKES_MAX        1000
#define HEADERS_A_SECOND 10

struct take {
    int fd;                   /* owned, locked; -1: none */
    struct pcm_params params; /* of what is played */
    struct pcm_params stored; /* and what that is in the file */
    uint64_t frames;          /* recorded */
    uint64_t counted;         /* of these, by the header */
};

struct file_host {
    struct host host;
    char path[PATH_MAX]; /* of take 1 */
    int folder_fd;       /* owned: where all takes are */

    unsigned stream_index;
    unsigned number; /* of the present take */
    struct take take;
    int error; /* the first one, -errno */
};

/* -- names -- */

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

/* -- one take -- */

/* Where frame `frame` is in the file. */
static off_t place(const struct take *take, uint64_t frame)
{
    return (off_t)(WAV_HEADER_BYTES + frame * take->stored.frame_bytes);
}

/* How many bytes arrived at place `at` of the file; if not all, errno says why. */
static size_t put(const struct take *take, const void *bytes, size_t len, off_t at)
{
    size_t done = 0;
    ssize_t wrote;

    errno = ENOSPC;
    do {
        wrote = pwrite(take->fd, (const uint8_t *)bytes + done, len - done, at + (off_t)done);
        done += (size_t)MAX(wrote, 0);
    } while (wrote > 0 && done < len);
    return done;
}

/* Has the header say how much is in the file: 0, or -errno. */
static int header_update(struct take *take)
{
    le32 words[WAV_HEADER_WORDS];

    take->counted = take->frames;
    wav_header(&take->stored, take->frames, words);
    return put(take, words, sizeof(words), 0) == sizeof(words) ? 0 : -errno;
}

/* Begins an empty recording in take->fd. */
static int take_begin(struct take *take, const struct pcm_params *params)
{
    *take = (struct take){.fd = take->fd, .params = *params, .stored = wav_params(params)};
    return ftruncate(take->fd, 0) < 0 ? -errno : header_update(take);
}

/* Opens the file of a take, makes sure that it is ours alone, and begins. What the user did not
 * name himself is no link to elsewhere. */
static int take_open(const struct file_host *file, unsigned number, const struct pcm_params *params,
                     struct take *take)
{
    int flags = O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
    char name[NAME_MAX + 1] = "";
    struct stat stat;
    int r = name_make(file, number, name);

    if (r < 0)
        return r;
    take->fd = openat(file->folder_fd, name, number > 1 ? flags | O_NOFOLLOW : flags, 0666);
    if (take->fd < 0 || fstat(take->fd, &stat) < 0)
        return -errno;
    if (!S_ISREG(stat.st_mode))
        return -EINVAL;
    return flock(take->fd, LOCK_EX | LOCK_NB) < 0 ? -EBUSY : take_begin(take, params);
}

/* Begins take `number`, which takes the place of the present one if that works. */
static int take_next(struct file_host *file, unsigned number, const struct pcm_params *params)
{
    struct take take = {.fd = -1};
    int r = take_open(file, number, params, &take);

    fd_close(r < 0 ? &take.fd : &file->take.fd);
    if (r < 0)
        return r;
    file->take = take;
    file->number = number;
    return 0;
}

static const char *why(int r)
{
    return r == -EBUSY ? "something else is recording into this file" : strerror(-r);
}

/* The recording ends with its last whole frame. Told once; the guest plays on. */
static void take_fail(struct file_host *file, int error)
{
    struct take *take = &file->take;

    file->error = error;
    (void)log_error(error, "%s: recording ends after %llu frames: %s", file->host.name,
                    (unsigned long long)take->frames, file->path);
    if (ftruncate(take->fd, place(take, take->frames)) < 0 || header_update(take) < 0)
        log_debug("%s: nor can it be cut there", file->host.name);
    fd_close(&take->fd);
}

/* Appends frames as they are in the file: 0, or -errno after those that fit. */
static int append(struct take *take, const void *bytes, size_t frames)
{
    const size_t len = frames * take->stored.frame_bytes;
    size_t done = put(take, bytes, len, place(take, take->frames));

    take->frames += done / take->stored.frame_bytes;
    return done == len ? 0 : -errno;
}

/* The same for frames as they were played. */
static int record(struct take *take, const uint8_t *played, size_t frames)
{
    const struct pcm_params *params = &take->params;
    double numbers[1024];
    uint8_t bytes[sizeof(numbers)];
    int r = 0;

    if (params->format == take->stored.format)
        return append(take, played, frames);
    for (size_t now; frames > 0 && r == 0; frames -= now, played += now * params->frame_bytes) {
        now = MIN(frames, ARRAY_SIZE(numbers) / params->channels);
        pcm_to_double(params->format, played, numbers, now * params->channels);
        pcm_from_double(take->stored.format, numbers, bytes, now * params->channels);
        r = append(take, bytes, now);
    }
    return r;
}

/* -- the host -- */

static int file_open(struct host *host, const struct pcm_params *params)
{
    struct file_host *file = container_of(host, struct file_host, host);
    struct take *take = &file->take;
    unsigned number = take->frames == 0 ? file->number : file->number + 1;
    int r;

    if (file->error < 0 || pcm_params_alike(&take->params, params))
        return 0;
    if (take->frames == 0)
        r = take_begin(take, params);
    else
        r = number <= TAKES_MAX ? take_next(file, number, params) : -EMFILE;
    if (r < 0)
        log_guest(&host->log_limit, "%s: %s: take %u cannot be recorded: %s", host->name,
                  file->path, number, why(r));
    return r;
}

static ssize_t file_write(struct host *host, const void *buf, size_t frames)
{
    struct file_host *file = container_of(host, struct file_host, host);
    struct take *take = &file->take;
    const uint64_t before = take->frames;

    if (file->error == 0) {
        int r = record(take, buf, frames);
        if (r == 0 && take->frames - take->counted >= take->params.rate_hz / HEADERS_A_SECOND)
            r = header_update(take);
        if (r < 0)
            take_fail(file, r);
    }
    host->lost_frames += frames - (take->frames - before);
    return (ssize_t)frames;
}

/* All that there is counts. */
static int file_stop(struct host *host)
{
    struct file_host *file = container_of(host, struct file_host, host);

    if (file->error == 0 && file->take.counted < file->take.frames) {
        int r = header_update(&file->take);
        if (r < 0)
            take_fail(file, r);
    }
    return 0; /* the guest plays on */
}

/* What is played next may continue the take. */
static void file_close(struct host *host)
{
    (void)file_stop(host);
}

static int file_finish(struct host *host)
{
    (void)file_stop(host);
    return container_of(host, struct file_host, host)->error;
}

static void file_results(struct host *host, struct results *results)
{
    const struct file_host *file = container_of(host, struct file_host, host);
    const char *slash = strrchr(file->path, '/');
    const size_t folder_len = slash != NULL ? (size_t)(slash + 1 - file->path) : 0;

    for (unsigned number = 1; number <= file->number; number++) {
        char name[NAME_MAX + 1] = "", path[PATH_MAX + NAME_MAX + 1];
        if (name_make(file, number, name) < 0)
            break;
        (void)snprintf(path, sizeof(path), "%.*s%s", (int)folder_len, file->path, name);
        results_file(results, path);
    }
}

static void file_destroy(struct host *host)
{
    struct file_host *file = container_of(host, struct file_host, host);

    fd_close(&file->take.fd);
    fd_close(&file->folder_fd);
    free(file);
}

static int file_create(struct host *host, const struct host_setup *setup)
{
    struct file_host *file = container_of(host, struct file_host, host);
    const char *path = opts_str(setup->opts, "path");
    /* Of an empty recording, so that the file is valid before anything is played. */
    const struct pcm_params params = {
        .format = pcm_format_by_code(VIRTIO_SND_PCM_FMT_S16), .rate_hz = 48000, .channels = 2};

    file->stream_index = setup->stream_index;
    file->folder_fd = file->take.fd = -1;
    host->caps = host_caps_any();
    if (path == NULL)
        return opts_error("--snd path: host=file needs the name of a recording, path=FILE.wav");
    const char *ending = strrchr(path, '.');
    if (ending == NULL || strcasecmp(ending, ".wav") != 0)
        return opts_error("--snd path: %s: a recording is a WAV file, so end its name in .wav",
                          path);
    if (strlen(path) >= sizeof(file->path))
        return log_error(-ENAMETOOLONG, "--snd path");
    memcpy(file->path, path, strlen(path));
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
    .open = file_open,
    .close = file_close,
    .stop = file_stop,
    .write = file_write,
    .finish = file_finish,
    .results = file_results,
};
