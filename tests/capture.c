/* SPDX-License-Identifier: BSD-3-Clause */
/* See capture.h. */
#include "tests/capture.h"

#include <string.h>
#include <sys/mman.h>

void capture_start(struct capture *capture)
{
    capture->saved_fd = dup(STDERR_FILENO);
    capture->mem_fd = memfd_create("capture", MFD_CLOEXEC);
    assert(capture->saved_fd >= 0);
    assert(capture->mem_fd >= 0);
    int fd = dup2(capture->mem_fd, STDERR_FILENO);
    assert(fd == STDERR_FILENO);
}

const char *capture_look(struct capture *capture)
{
    ssize_t len = pread(capture->mem_fd, capture->text, sizeof(capture->text) - 1, 0);

    assert(len >= 0);
    capture->text[len] = '\0';
    return capture->text;
}

const char *capture_end(struct capture *capture)
{
    int fd = dup2(capture->saved_fd, STDERR_FILENO);

    assert(fd == STDERR_FILENO);
    (void)capture_look(capture);
    fd_close(&capture->mem_fd);
    fd_close(&capture->saved_fd);
    return capture->text;
}

bool capture_is_one_error(const char *text)
{
    static const char begin[] = "linnet: error: ";
    size_t len = strlen(text);

    if (strncmp(text, begin, sizeof(begin) - 1) != 0 || text[len - 1] != '\n')
        return false;
    for (size_t i = 0; i < len - 1; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            return false;
    return true;
}
