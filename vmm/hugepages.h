/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Huge pages of this host: what there is, and what to do about what there is not. Main thread.
 */
#pragma once

#include "vmm/config/opts.h"

/* Says in a line why RAM as the options want it (--mem, --hugepages) could not be made, given what
 * memory_create() returned, and returns that. */
int hugepages_refused(int r, const struct opts *options);

/* What guests can have, in a line. True if it is more than nothing. */
bool hugepages_tell(char *ret_text, size_t size);
