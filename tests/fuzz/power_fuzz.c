/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fuzzes the devices that end a machine: accesses of a byte that says which and how, one for the
 * offset, and up to eight bytes. Beyond memory safety: no read ends anything, and a write ends it
 * only with the values that the specifications name.
 */
#include "devices/power.h"
#include "tests/fuzz/fuzz.h"

static int ended; /* enum power_event; -1: not */

static void event(struct power *power, enum power_event how)
{
    (void)power;
    ended = (int)how;
}

/* ACPI 6.5 §4.8.3.7: SLP_EN, and 5 as the type; the FADT's reset value; the i8042's pulse; pvpanic.
 */
static int end_of(unsigned device, uint64_t off, uint8_t value)
{
    if (device == 0 && off == POWER_SLEEP_CONTROL && (value & 0x3c) == 0x34)
        return POWER_EVENT_OFF;
    if (device == 0 && off == POWER_RESET && value == POWER_RESET_VALUE)
        return POWER_EVENT_RESET;
    if (device == 1 && value == 0xfe)
        return POWER_EVENT_RESET;
    if (device == 2 && (value & 1) != 0)
        return POWER_EVENT_PANIC;
    return -1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct bus_ops *const ops[] = {&power_ops, &i8042_ops, &pvpanic_ops};
    static const uint64_t sizes[] = {POWER_SIZE, 1, 2};
    struct power power = {.event = event};
    struct input in = {data, size};

    while (in.left > 0) {
        uint8_t how = take_byte(&in), bytes[8];
        unsigned device = how % 3;
        uint64_t off = take_byte(&in) % sizes[device];
        size_t len = MIN(1 + (how >> 4) % 8u, sizes[device] - off);
        for (size_t i = 0; i < len; i++)
            bytes[i] = take_byte(&in);
        int want = (how & 8) != 0 ? end_of(device, off, bytes[0]) : -1;
        ended = -1;
        if ((how & 8) != 0)
            ops[device]->write(&power, off, bytes, len);
        else
            ops[device]->read(&power, off, bytes, len);
        must(ended == want, "it ends by what is meant to end it");
    }
    return 0;
}
