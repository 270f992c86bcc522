/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What linnet returns: crosvm's numbers where it has them. The README's table says the same. With
 * `linnet run -- CMD`, CMD's own status comes before these, and RUN_STATUS_* (vmm/run/run.h) is in
 * the place of 1 and 35.
 */
#pragma once

enum exit_status {
    EXIT_POWEROFF = 0,
    EXIT_HOST_ERROR = 1,
    EXIT_RESET = 32,
    EXIT_CRASHED = 33,
    EXIT_PANICKED = 34,
    EXIT_BAD_ARGUMENTS = 35,
    EXIT_WATCHDOG = 36,
    EXIT_TIME_LIMIT = 37,
    EXIT_EXPECTATION = 38,
};
