/* SPDX-License-Identifier: BSD-3-Clause */
/* Large arrays that cost nothing as far as they are not touched. */
#pragma once

#include "vmm/base/base.h"

/* Zeroed memory of small pages, whatever the host would rather have, in a mapping of its own. NULL:
 * there is none. */
void *sparse_map(size_t bytes);
/* Accepts NULL. */
void sparse_unmap(void *at, size_t bytes);
