/* SPDX-License-Identifier: BSD-3-Clause */
/* The command `linnet listen`: says what is in a sound file, and whether it is what it should be.
 */
#pragma once

#include "vmm/base/base.h"

/* Exit status: 0 fine; 38 an expectation failed or files differ; 1 a file could not be read or
 * written; 35 bad arguments. argv[0] is "listen", argv ends with NULL. Main thread. */
int listen_main(int argc, char **argv);
