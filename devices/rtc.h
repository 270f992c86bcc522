/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Real-time clock PL031 (Arm DDI 0224): seconds since 1970, from the host's clock; what the guest
 * sets is kept as a distance from that. Alarms can be set and read, and never go off: the machine's
 * description gives it no interrupt, and drivers then offer no alarm.
 */
#pragma once

#include "vmm/base/bus.h"

#define RTC_SIZE 0x1000

/* All zero: shows the host's time. */
struct rtc {
    uint32_t offset_s; /* added to the host's time, modulo 2^32 */
    uint32_t match, mask;
};

extern const struct bus_ops rtc_ops; /* ctx: struct rtc *; a 32-bit register each 4 bytes */
