/* SPDX-License-Identifier: BSD-3-Clause */
/* --root disk: which file system is on the first disk, and where. Main thread. */
#pragma once

struct run_disk {
    const char *type;   /* as mount(8) has it */
    const char *device; /* of the guest: the whole disk, or its first partition */
};

/* 0; -errno, logged: the file can't be read, or has no file system that is known here (-EINVAL). */
int run_disk_find(const char *path, struct run_disk *ret_disk);
