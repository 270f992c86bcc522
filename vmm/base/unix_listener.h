/* SPDX-License-Identifier: BSD-3-Clause */
/* A Unix socket that others connect to, as a file: made, kept from being another's, removed. Main
 * thread. */
#pragma once

#include "vmm/base/base.h"

#include <sys/types.h>
#include <sys/un.h>

struct unix_listener {
    int fd;     /* owned; -1: none */
    char *path; /* owned; NULL: there is no file of ours */
    dev_t dev;  /* which file is ours */
    ino_t ino;
};

/* For `option` (which messages name): makes a socket at `path`, mode 0600, and listens. One that a
 * dead machine left is taken over; one in use, or what is no socket, is left alone. -errno after a
 * line, -EINVAL if the user should give another PATH; unix_unlisten() undoes what was done.
 * *ret_listener has fd -1 and path NULL. */
int unix_listen(const char *option, const char *path, struct unix_listener *ret_listener);
void unix_unlisten(struct unix_listener *listener);

/* The address of the socket `path`, for both ends: 0, or -ENAMETOOLONG. */
int unix_address(const char *path, struct sockaddr_un *ret_address);
