/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A device tree for x86_64 kernels that read one beside the ACPI tables (CONFIG_OF; Android's do):
 * handed over in boot_params.setup_data as SETUP_DTB (Documentation/arch/x86/boot.rst). It has the
 * facts of the machine, /chosen, and what the user's overlays add. Devices stand in it disabled:
 * ACPI is where drivers find them, and none shall be found twice.
 */
#pragma once

#include "arch/x86_64/boot.h"

/* After kernel and initrd: puts the tree below the initrd, if one is wanted. -errno, logged. */
int x86_64_tree_load(struct load *load);
