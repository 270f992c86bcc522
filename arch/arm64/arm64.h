/* SPDX-License-Identifier: BSD-3-Clause */
/* The pure half of arm64 under a name of its own, for tests on any host; arch.c makes it arch.h's
 * where the host is one. */
#pragma once

#include "arch/arch.h"

extern const struct arch_layout arm64_layout;

/* As arch_load(). */
int arm64_load(const struct platform *platform, const struct image *kernel,
               const struct image *initrd, struct arch_entry *ret_entry);
