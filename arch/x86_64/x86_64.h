/* SPDX-License-Identifier: BSD-3-Clause */
/* The pure half of x86_64 under a name of its own, for tests on any host; arch.c makes it arch.h's
 * where the host is one. */
#pragma once

#include "arch/arch.h"

extern const struct arch_layout x86_64_layout;

/* As arch_load(). */
int x86_64_load(const struct platform *platform, const struct image *kernel,
                const struct image *initrd, struct arch_entry *ret_entry);
