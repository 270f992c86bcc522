/* SPDX-License-Identifier: BSD-3-Clause */
/* The control socket as a file: made, kept from being another's, removed. Main thread. */
#pragma once

#include "vmm/base/base.h"

#include <sys/types.h>
#include <sys/un.h>

struct control_listener {
    int fd;     /* owned; -1: none */
    char *path; /* owned; NULL: there is no file of ours */
    dev_t dev;  /* which file is ours */
    ino_t ino;
};

/* Makes a socket at `path`, mode 0600, and listens. One that a dead machine left is taken over; one
 * in use, or what is no socket, is left alone. -errno after a line, -EINVAL if the user should give
 * another PATH; control_unlisten() undoes what was done. *ret_listener has fd -1 and path NULL. */
int control_listen(const char *path, struct control_listener *ret_listener);
void control_unlisten(struct control_listener *listener);

/* The address of the socket `path`, for both ends: 0, or -ENAMETOOLONG. */
int control_address(const char *path, struct sockaddr_un *ret_address);
