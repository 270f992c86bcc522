/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Locks of images: one machine writes one, or many read it. An open file description's lock
 * (fcntl(2)), which other programs for virtual machines use, too, and which ends with the process.
 */
#pragma once

#include "vmm/base/base.h"

/* Main. Locks all of the file, which `option` names, until it is closed; -errno after a line that
 * names who has it. */
int blk_lock(int fd, const char *option, const char *path, bool writing);
