/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * For a guest whose reads are measured: disk_read DISK SIZE COUNT reads COUNT times SIZE bytes past
 * the guest's cache, each from another multiple of SIZE, in an order that is the same every time.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    size_t size = argc == 4 ? strtoul(argv[2], NULL, 10) : 0;
    unsigned long count = argc == 4 ? strtoul(argv[3], NULL, 10) : 0;
    int fd = argc == 4 ? open(argv[1], O_RDONLY | O_DIRECT) : -1;
    off_t blocks = fd < 0 || size == 0 ? 0 : lseek(fd, 0, SEEK_END) / (off_t)size;
    uint32_t dice = 1;
    void *buf;

    if (blocks == 0 || posix_memalign(&buf, 4096, size) != 0)
        return 1;
    for (unsigned long i = 0; i < count; i++) {
        dice = dice * 1664525 + 1013904223;
        if (pread(fd, buf, size, (off_t)(dice >> 8) % blocks * (off_t)size) != (ssize_t)size) {
            (void)fprintf(stderr, "disk_read: %s\n", strerror(errno));
            return 1;
        }
    }
    return 0;
}
