/* SPDX-License-Identifier: BSD-3-Clause */
/* Which kernel KERNEL means, and where its modules are. Main thread. */
#pragma once

#include "vmm/base/base.h"

#include <limits.h>

#define RELEASE_SIZE 128

struct run_kernel {
    char file[PATH_MAX];
    char release[RELEASE_SIZE]; /* as uname -r tells it; "": not known */
    char modules[PATH_MAX];     /* see modules_open(); "": none were found */
};

/*
 * `word` is a kernel, a build tree, an unpacked package or a release; NULL: the newest of
 * root/boot that can be read. `root` is "" but in tests. `modules` is a folder of modules, or one
 * with lib/modules/RELEASE in it; NULL: they are looked for beside the kernel, then in root. 0 or
 * -EINVAL, logged.
 */
int run_kernel_find(const char *root, const char *word, const char *modules,
                    struct run_kernel *ret_kernel);

/* The release that a kernel's file tells: false if it tells none. */
bool run_kernel_release(const char *file, char ret_release[RELEASE_SIZE]);
