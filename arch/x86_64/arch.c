/* SPDX-License-Identifier: BSD-3-Clause */
/* Makes x86_64 the architecture of this program: see arch.h. Any thread. */
#include "arch/x86_64/x86_64.h"

const struct arch_layout *const arch_layout = &x86_64_layout;

int arch_load(const struct platform *platform, const struct image *kernel,
              const struct image *initrd, struct arch_entry *ret_entry)
{
    return x86_64_load(platform, kernel, initrd, ret_entry);
}
