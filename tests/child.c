/* SPDX-License-Identifier: BSD-3-Clause */
/* See child.h. */
#include "tests/child.h"

#include <check.h>
#include <fcntl.h>
#include <unistd.h>

#define FDS_MAX 1024

pid_t child_fork(void)
{
    pid_t pid = fork();

    ck_assert_int_ge(pid, 0);
    if (pid > 0)
        return pid;
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = STDERR_FILENO + 1; fd < FDS_MAX; fd++)
        if (fd != null && fcntl(fd, F_GETFD) >= 0 && dup2(null, fd) < 0)
            _exit(1);
    return pid;
}
