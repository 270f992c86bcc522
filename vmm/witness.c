/* SPDX-License-Identifier: BSD-3-Clause */
/* See witness.h. */
#include "vmm/witness.h"

#include "virtio/events.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

/* A file or a terminal: what waits for a reader would have the end of the run wait, too. */
static int file_open(struct witness_file *file, const struct opts *options, const char *option)
{
    struct stat there;

    *file = (struct witness_file){.option = option, .path = opts_str(options, option)};
    if (!opts_has(options, option))
        return 0;
    auto_close int fd =
        open(file->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0666);
    if (fd < 0 && errno != ENXIO)
        return opts_error("--%s %s: %s", option, file->path, strerror(errno));
    if (fd < 0 || fstat(fd, &there) < 0 || S_ISFIFO(there.st_mode) || S_ISSOCK(there.st_mode))
        return opts_error("--%s %s: is a pipe; give it a file", option, file->path);
    (void)fcntl(fd, F_SETFL, 0); /* of our own open file: a full terminal is waited for */
    file->out = fdopen(fd, "w");
    if (file->out == NULL)
        return log_error(-errno, "--%s %s", option, file->path);
    (void)fd_take(&fd);
    return 0;
}

int witness_open(struct witness *witness, const struct opts *options)
{
    const char *transcript = opts_str(options, "transcript"), *trace = opts_str(options, "trace");
    int r;

    if (transcript != NULL && trace != NULL && strcmp(transcript, trace) == 0)
        return opts_error("--trace %s: is the file of --transcript, too; give it another name",
                          trace);
    r = file_open(&witness->transcript_file, options, "transcript");
    return r < 0 ? r : file_open(&witness->trace_file, options, "trace");
}

static bool ends_in_jsonl(const char *path)
{
    size_t len = strlen(path);

    return len >= 6 && strcmp(path + len - 6, ".jsonl") == 0;
}

static int sinks_make(struct witness *witness)
{
    const struct witness_file *file = &witness->transcript_file;
    int r = 0;

    if (file->out != NULL) {
        r = transcript_init(&witness->transcript, file->out, ends_in_jsonl(file->path),
                            &witness->told);
        events_add(&witness->events, &witness->transcript.sink);
    }
    if (r == 0 && witness->trace_file.out != NULL) {
        r = trace_init(&witness->trace, &witness->told);
        events_add(&witness->events, &witness->trace.sink);
    }
    return r;
}

int witness_start(struct witness *witness, struct virtio_device *const *devices,
                  const unsigned *slots, unsigned count, const bool *pci)
{
    if (witness->transcript_file.out == NULL && witness->trace_file.out == NULL)
        return 0;
    witness->told = (struct told_devices){devices, count, pci};
    int r = events_init(&witness->events, witness->transcript_file.out != NULL);
    if (r == 0)
        r = sinks_make(witness);
    if (r == 0)
        r = events_start(&witness->events);
    if (r < 0)
        return log_error(r, "--transcript, --trace");
    witness->running = true;
    for (unsigned i = 0; i < count && r == 0; i++)
        r = virtio_events_tell(devices[i], &witness->events, (uint8_t)i, slots[i]);
    return r;
}

/* r: what is known to have failed. */
static int file_close(struct witness_file *file, int r)
{
    if (file->out == NULL)
        return 0;
    bool failed = ferror(file->out) != 0;
    if (fclose(file->out) == EOF && r == 0)
        r = -errno;
    if (failed && r == 0)
        r = -EIO;
    file->out = NULL;
    return r < 0 ? log_error(r, "--%s %s: is not complete", file->option, file->path) : 0;
}

int witness_end(struct witness *witness)
{
    if (witness->running) {
        events_stop(&witness->events);
        if (witness->trace_file.out != NULL)
            trace_write(&witness->trace, witness->trace_file.out);
    }
    witness->running = false;
    transcript_fini(&witness->transcript);
    int r = file_close(&witness->transcript_file, witness->transcript.error);
    int r_trace = file_close(&witness->trace_file, 0);
    return r < 0 ? r : r_trace;
}

void witness_close(struct witness *witness)
{
    (void)witness_end(witness); /* it told */
    events_fini(&witness->events);
    trace_fini(&witness->trace);
}
