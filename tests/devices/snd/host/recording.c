/* SPDX-License-Identifier: BSD-3-Clause */
/* See recording.h. */
#include "tests/devices/snd/host/recording.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

char recording_folder[PATH_MAX];

void recording_folder_make(void)
{
    const char *tmp = getenv("TMPDIR");

    (void)snprintf(recording_folder, sizeof(recording_folder), "%s/snd-XXXXXX",
                   tmp != NULL ? tmp : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(recording_folder));
}

void recording_folder_remove(void)
{
    char command[PATH_MAX + 16];

    (void)snprintf(command, sizeof(command), "rm -rf '%s'", recording_folder);
    ck_assert_int_eq(system(command), 0);
}

const char *recording_path(const char *name)
{
    static char paths[4][PATH_MAX + 64];
    static unsigned next;
    char *path = paths[next++ % 4];

    (void)snprintf(path, sizeof(paths[0]), "%s/%s", recording_folder, name);
    return path;
}

const char *recording_options(const char *name, const char *more)
{
    static char text[PATH_MAX + 256];

    (void)snprintf(text, sizeof(text), "host=file,path=%s/%s%s", recording_folder, name, more);
    return text;
}

void recording_pattern(uint8_t *bytes, uint32_t len, uint32_t seed)
{
    uint32_t x = seed * 2654435761u + 1;

    for (uint32_t i = 0; i < len; i++) {
        x = x * 1664525 + 1013904223;
        bytes[i] = (uint8_t)(x >> 24);
    }
}

void recording_play(struct rig *rig, const void *bytes, uint32_t len)
{
    struct rig_done done;
    gpa_t data = rig_alloc(rig, len);

    ck_assert_int_eq(memory_write(&rig->mem, data, bytes, len), 0);
    (void)rig_play(rig, 0, data, len);
    rig_advance(rig, 200 * RIG_MS);
    ck_assert(rig_done(rig, RIG_TX, &done));
    ck_assert_uint_eq(done.status, RIG_OK);
}

SNDFILE *recording_reopen(const char *name, SF_INFO *ret_info)
{
    SNDFILE *file;

    *ret_info = (SF_INFO){0};
    file = sf_open(recording_path(name), SFM_READ, ret_info);
    if (file == NULL)
        ck_abort_msg("%s: %s", name, sf_strerror(NULL));
    return file;
}
