/* SPDX-License-Identifier: BSD-3-Clause */
/* Makes arm64 the architecture of this program: see arch.h. Any thread. */
#include "arch/arm64/arm64.h"

const struct arch_layout *const arch_layout = &arm64_layout;

int arch_load(const struct platform *platform, const struct image *kernel,
              const struct image *initrd, struct arch_entry *ret_entry)
{
    return arm64_load(platform, kernel, initrd, ret_entry);
}
