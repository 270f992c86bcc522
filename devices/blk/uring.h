/* SPDX-License-Identifier: BSD-3-Clause */
/* liburing, see vmm/base/library.h. Loaded by main; the worker of a disk calls it. */
#pragma once

#include "vmm/base/library.h"

#include <liburing.h>

#define URING_FUNCTIONS(F)                                                                         \
    F(io_uring_, queue_init)                                                                       \
    F(io_uring_, queue_exit)                                                                       \
    F(io_uring_, register_files)                                                                   \
    F(io_uring_, unregister_files)                                                                 \
    F(io_uring_, register_iowq_max_workers)                                                        \
    F(io_uring_, submit)                                                                           \
    F(io_uring_, peek_batch_cqe)

struct uring {
    URING_FUNCTIONS(LIBRARY_FIELD)
};
extern struct uring uring;
extern const struct library uring_library;
