/* SPDX-License-Identifier: BSD-3-Clause */
/* The files that a configuration names to boot from, and what becomes of them. Main thread. */
#pragma once

#include "arch/arch.h"
#include "vmm/config/config.h"

/* Loads kernel, initrd, device tree and overlays into the platform's RAM; writes the device tree
 * that the guest gets to --dump-dtb. `made` (NULL: none) is taken in the place of --initrd. -errno,
 * logged. */
int boot_load(const struct config *config, const struct image *made, struct platform *platform,
              struct arch_entry *ret_entry);

/* The kind "dtbo" of configurations. */
extern const struct config_device_kind boot_overlay_kind;
