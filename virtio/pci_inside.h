/* SPDX-License-Identifier: BSD-3-Clause */
/* Between pci.c, the function with its configuration space, and pci_bar.c, what its BAR holds. */
#pragma once

#include "virtio/pci.h"

#define BAR_COMMON       0x0000
#define BAR_COMMON_BYTES 0x40
#define BAR_ISR          0x0100
#define BAR_ISR_BYTES    1
#define BAR_DEVICE       0x0400
#define BAR_DEVICE_BYTES 0xc00
#define BAR_NOTIFY_BYTES 0x1000
#define BAR_TABLE        0x2000
#define BAR_PENDING      0x3000

/* All of [off, off + len) is in a structure that a virtio capability names. */
bool pci_bar_in_structure(size_t off, size_t len);
