/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The init of the guest whose boot is measured: says that it is there, then reboots at once.
 */
#include <sys/reboot.h>
#include <unistd.h>

int main(void)
{
    static const char hello[] = "bench: init\n";

    (void)!write(STDOUT_FILENO, hello, sizeof(hello) - 1); /* the run checks that it came */
    (void)reboot(RB_AUTOBOOT);
    return 1; /* the kernel panics, and the run sees that */
}
