/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Stores two registers at once to a physical address, which KVM of an arm64 host can't decode:
 *
 *   pair ADDRESS
 *
 * Exit status 1: it can't be tried; 0: it was stored, or lost. SIGBUS is what should come of it
 * where there is no RAM that can be written to.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

int main(int argc, char **argv)
{
    int fd = open("/dev/mem", O_RDWR | O_SYNC);

    if (argc != 2 || fd < 0)
        return perror("pair: /dev/mem"), 1;
    void *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, strtol(argv[1], NULL, 0));
    if (at == MAP_FAILED)
        return perror("pair: mmap"), 1;
    __asm__ volatile("stp xzr, xzr, [%0]" : : "r"(at) : "memory");
    return 0;
}
