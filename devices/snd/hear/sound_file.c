/* SPDX-License-Identifier: BSD-3-Clause */
/* See sound_file.h. libsndfile does the work; this gives its errors a file name and a remedy. */
#include "devices/snd/hear/sound_file.h"

#include "devices/snd/hear/listener.h"
#include "vmm/base/log.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* Opens a regular file: nothing that blocks, and libsndfile wants to seek. */
static int open_regular(const char *path)
{
    struct stat status;
    auto_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (fd < 0)
        return log_error(-errno, "%s: cannot be opened", path);
    if (fstat(fd, &status) < 0)
        return log_error(-errno, "%s: cannot be looked at", path);
    if (S_ISDIR(status.st_mode))
        return (void)log_error(0, "%s: is a directory; name a sound file in it", path), -EISDIR;
    if (!S_ISREG(status.st_mode))
        return (void)log_error(0, "%s: not a regular file; save the sound to a file first", path),
               -ESPIPE;
    if (status.st_size == 0)
        return (void)log_error(0, "%s: empty, not even a header: nothing was recorded", path),
               -ENODATA;
    return fd_take(&fd);
}

static int check_limits(const char *path, const SF_INFO *info)
{
    if (info->channels < 1 || info->channels > LISTENER_CHANNELS_MAX)
        return (void)log_error(0, "%s: has %d channels; up to %d can be heard", path,
                               info->channels, LISTENER_CHANNELS_MAX),
               -EFBIG;
    if (info->samplerate < 1 || info->samplerate > LISTENER_RATE_HZ_MAX)
        return (void)log_error(0, "%s: has a rate of %d Hz; 1 to %d can be heard", path,
                               info->samplerate, LISTENER_RATE_HZ_MAX),
               -EFBIG;
    return 0;
}

int sound_open(struct sound_file *file, const char *path)
{
    SF_INFO info = {0};
    int fd;

    *file = (struct sound_file){.path = path};
    fd = library_load(&sf_library);
    if (fd == 0)
        fd = open_regular(path);
    if (fd < 0)
        return fd;
    file->handle = sf.open_fd(fd, SFM_READ, &info, SF_TRUE); /* closes fd, also when it fails */
    if (!file->handle) {
        (void)log_error(
            0, "%s: not a sound file, or cut off in its header (%s); WAV, FLAC, ... are read", path,
            sf.strerror(NULL));
        return -EILSEQ;
    }

    int r = check_limits(path, &info);

    if (r < 0)
        return r;
    file->rate_hz = (uint32_t)info.samplerate;
    file->channels = (unsigned)info.channels;
    file->format = info.format;
    file->block = calloc(SOUND_BLOCK_FRAMES, file->channels * sizeof(double));
    return file->block ? 0 : log_error(-ENOMEM, "%s", path);
}

void sound_close(struct sound_file *file)
{
    if (file->handle)
        (void)sf.close(file->handle); /* it was only read */
    free(file->block);
    *file = (struct sound_file){0};
}

static int read_error(const struct sound_file *file)
{
    (void)log_error(0, "%s: reading failed: %s", file->path, sf.strerror(file->handle));
    return -EIO;
}

int sound_read(struct sound_file *file)
{
    sf_count_t frames = sf.readf_double(file->handle, file->block, SOUND_BLOCK_FRAMES);

    if (frames <= 0 && sf.error(file->handle) != SF_ERR_NO_ERROR)
        return read_error(file);
    return (int)MAX(frames, (sf_count_t)0);
}

/* libsndfile's name for a container or an encoding. */
static const char *format_name(int format)
{
    SF_FORMAT_INFO info = {.format = format};

    return sf.command(NULL, SFC_GET_FORMAT_INFO, &info, sizeof(info)) == 0 && info.name ? info.name
                                                                                        : "unknown";
}

const char *sound_format(const struct sound_file *file, char buf[SOUND_FORMAT_SIZE])
{
    (void)snprintf(buf, SOUND_FORMAT_SIZE, "%s, %s", format_name(file->format & SF_FORMAT_TYPEMASK),
                   format_name(file->format & SF_FORMAT_SUBMASK));
    return buf;
}
