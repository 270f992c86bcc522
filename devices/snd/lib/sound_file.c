/* SPDX-License-Identifier: BSD-3-Clause */
/* See sound_file.h. libsndfile does the work; this gives its errors a file name and a remedy. */
#include "devices/snd/lib/sound_file.h"

#include "vmm/base/library.h"
#include "vmm/base/log.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#define SF_FUNCTIONS(F)                                                                            \
    F(sf_, open_fd)                                                                                \
    F(sf_, close) F(sf_, command) F(sf_, error) F(sf_, strerror) F(sf_, seek) F(sf_, readf_double)

static struct {
    SF_FUNCTIONS(LIBRARY_FIELD)
} sf;
static const struct library sf_library =
    LIBRARY("libsndfile.so.1", "libsndfile1", sf, SF_FUNCTIONS);

/* Opens a regular file: nothing that blocks, and libsndfile wants to seek. */
static int open_regular(const char *prefix, const char *path)
{
    struct stat status;
    auto_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (fd < 0 || fstat(fd, &status) < 0)
        return log_error(-errno, "%s%s: cannot be opened", prefix, path);
    if (!S_ISREG(status.st_mode))
        return log_plain(-EISDIR, "%s%s: not a regular file; name a sound file", prefix, path);
    if (status.st_size == 0)
        return log_plain(-ENODATA, "%s%s: empty, not even a header: nothing was recorded", prefix,
                         path);
    return fd_take(&fd);
}

int sound_open(struct sound_file *file, const char *prefix, const char *path)
{
    SF_INFO info = {0};
    int fd;

    *file = (struct sound_file){0};
    fd = library_load(&sf_library);
    if (fd == 0)
        fd = open_regular(prefix, path);
    if (fd < 0)
        return fd;
    file->handle = sf.open_fd(fd, SFM_READ, &info, SF_TRUE); /* closes fd, also when it fails */
    if (!file->handle)
        return log_plain(-EILSEQ,
                         "%s%s: not a sound file, or cut off in its header (%s); WAV, FLAC, ... "
                         "are read",
                         prefix, path, sf.strerror(NULL));
    if (info.channels < 1 || info.channels > SOUND_CHANNELS_MAX || info.samplerate < 1 ||
        info.samplerate > SOUND_RATE_HZ_MAX)
        return log_plain(
            -EFBIG, "%s%s: has %d channels and a rate of %d Hz; up to %d and %d are taken", prefix,
            path, info.channels, info.samplerate, SOUND_CHANNELS_MAX, SOUND_RATE_HZ_MAX);
    file->rate_hz = (uint32_t)info.samplerate;
    file->channels = (unsigned)info.channels;
    file->format = info.format;
    file->block = calloc(SOUND_BLOCK_FRAMES, file->channels * sizeof(double));
    return file->block ? 0 : log_error(-ENOMEM, "%s%s", prefix, path);
}

void sound_close(struct sound_file *file)
{
    if (file->handle)
        (void)sf.close(file->handle); /* it was only read */
    free(file->block);
    *file = (struct sound_file){0};
}

int sound_read(struct sound_file *file, size_t frames)
{
    sf_count_t count = (sf_count_t)MIN(frames, (size_t)SOUND_BLOCK_FRAMES);
    sf_count_t got = sf.readf_double(file->handle, file->block, count);

    return got <= 0 && sf.error(file->handle) != SF_ERR_NO_ERROR ? -EIO : (int)MAX(got, 0);
}

int sound_rewind(struct sound_file *file)
{
    return sf.seek(file->handle, 0, SEEK_SET) == 0 ? 0 : -EIO;
}

const char *sound_error(const struct sound_file *file)
{
    return sf.strerror(file->handle);
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
