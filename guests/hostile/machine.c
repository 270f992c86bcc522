/* SPDX-License-Identifier: BSD-3-Clause */
/* See machine.h. */
#include "guests/hostile/machine.h"

#define PORT_PANIC    0x505
#define PANICKED      1
#define PORT_SLEEP    0x600 /* ACPI's sleep control register */
#define SLEEP_S5      (1 << 5 | 5 << 2)
#define SLOTS         0xd0000000ULL
#define PCI_WINDOW    0xe1000000ULL
#define LOW_RAM_BYTES 0x80000 /* where no length from evil_32() reaches the program */

uint64_t ram_end;

/* -- dice: xorshift64* -- */

void dice_seed(struct dice *dice, uint64_t seed)
{
    dice->state = seed * 0x9e3779b97f4a7c15 + 0x1234567;
    for (int i = 0; i < 4; i++)
        (void)roll_64(dice);
}

uint64_t roll_64(struct dice *dice)
{
    uint64_t x = dice->state;

    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    dice->state = x;
    return x * 0x2545f4914f6cdd1d;
}

uint32_t roll(struct dice *dice, uint32_t below)
{
    return (uint32_t)((roll_64(dice) >> 32) * below >> 32);
}

bool one_in(struct dice *dice, uint32_t n)
{
    return roll(dice, n) == 0;
}

uint32_t evil_32(struct dice *dice)
{
    static const uint32_t known[] = {0,      1,      2,       3,          4,          7,
                                     8,      9,      15,      16,         31,         32,
                                     64,     255,    256,     1024,       0x1000,     0x7fff,
                                     0x8000, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff};
    uint32_t value;

    switch (roll(dice, 4)) {
    case 0:
        value = roll(dice, 0x10000);
        break;
    case 1:
        value = (1u << roll(dice, 32)) + roll(dice, 3) - 1;
        break;
    case 2:
        value = (uint32_t)roll_64(dice);
        break;
    default:
        value = known[roll(dice, ARRAY_SIZE(known))];
        break;
    }
    return value < LOW_RAM_BYTES ? value : value | 0x80000000;
}

uint64_t evil_address(struct dice *dice)
{
    uint32_t little = roll(dice, 0x200);

    switch (roll(dice, 9)) {
    case 0:
        return ram_end - little;
    case 1:
        return ram_end + little;
    case 2:
        return (one_in(dice, 2) ? SLOTS : PCI_WINDOW) + roll(dice, 0x20000);
    case 3:
        return LAPIC + little;
    case 4:
        return 0xc0000000 - 0x100 + little;
    case 5:
        return 0x100000000 - 0x100 + little;
    case 6:
        return 0 - (uint64_t)little;
    case 7:
        return roll_64(dice) | 1ULL << 40;
    default:
        return arena_piece(dice, 0x10000) + little;
    }
}

/* -- memory -- */

#define RINGS_BYTES 0x800000 /* device.c has these */

uint64_t arena_piece(struct dice *dice, uint32_t bytes)
{
    uint64_t start = ARENA + RINGS_BYTES;

    return start + (uint64_t)roll(dice, (uint32_t)(ram_end - start) - bytes) / 16 * 16;
}

/* -- time, console, the end -- */

void wait(uint64_t cycles)
{
    uint64_t start = clock();

    while (clock() - start < cycles)
        __asm__ volatile("pause");
}

static void say_byte(char byte)
{
    out8(PORT_SERIAL, (uint8_t)byte);
}

void say(const char *text)
{
    out8(PORT_SERIAL + 3, 3); /* LCR: 8 bits, and no access to the divisor */
    out8(PORT_SERIAL + 4, 0); /* MCR: no loopback */
    out8(PORT_SERIAL + 1, 0); /* IER */
    while (*text != '\0')
        say_byte(*text++);
}

void say_number(uint64_t number)
{
    char digits[21];
    unsigned at = sizeof(digits) - 1;

    digits[at] = '\0';
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    say(digits + at);
}

void stop(void)
{
    for (;;)
        __asm__ volatile("cli; hlt");
}

void power_off(void)
{
    out8(PORT_SLEEP, SLEEP_S5);
    stop();
}

void complain(const char *what)
{
    say("\nhostile: ");
    say(what);
    say("\n");
    out8(PORT_PANIC, PANICKED);
    stop();
}
