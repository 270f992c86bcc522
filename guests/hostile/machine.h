/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the program knows of the machine: RAM and registers as numbers, a console, how it ends, and
 * dice. Each CPU has dice of its own; all else is shared, and nothing is locked.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* -- dice -- */

struct dice {
    uint64_t state; /* never 0 */
};

void dice_seed(struct dice *dice, uint64_t seed);
uint64_t roll_64(struct dice *dice);
uint32_t roll(struct dice *dice, uint32_t below);
bool one_in(struct dice *dice, uint32_t n);
/* Numbers that break programs: bounds, powers of two and what is beside them, any. As a length
 * never one that reaches from low RAM to the program. */
uint32_t evil_32(struct dice *dice);
/* Addresses: in the arena, at the end of RAM, in its holes, in device registers, at the ends of 32
 * and 64 bits; never of the program. */
uint64_t evil_address(struct dice *dice);

/* -- memory -- */

#define LAPIC 0xfee00000ULL

/* From here to the end of RAM all is for devices to read and write, wherever they are told to. */
#define ARENA 0x2200000ULL

extern uint64_t ram_end;

#define POKE(bits)                                                                                 \
    static inline void poke##bits(uint64_t address, uint##bits##_t value)                          \
    {                                                                                              \
        *(volatile uint##bits##_t *)address = value;                                               \
    }                                                                                              \
    static inline uint##bits##_t peek##bits(uint64_t address)                                      \
    {                                                                                              \
        return *(volatile uint##bits##_t *)address;                                                \
    }
POKE(8)
POKE(16)
POKE(32)
POKE(64)
#undef POKE

/* A piece of the arena of so many bytes, up to 64 KiB, for one message. */
uint64_t arena_piece(struct dice *dice, uint32_t bytes);

/* -- ports, console, time, the end -- */

#define PORT_SERIAL 0x3f8

static inline void out8(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline void out16(uint16_t port, uint16_t value)
{
    __asm__ volatile("outw %0, %1" : : "a"(value), "Nd"(port));
}

static inline void out32(uint16_t port, uint32_t value)
{
    __asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port));
}

static inline uint32_t in8(uint16_t port)
{
    uint8_t value;

    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline uint32_t in32(uint16_t port)
{
    uint32_t value;

    __asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline uint64_t clock(void)
{
    uint32_t low, high;

    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

/* In cycles of CPUs as they are: at least that long, at most some times longer. */
#define MILLISECOND 4000000ULL

void wait(uint64_t cycles);
/* Whatever was done to the serial port before. */
void say(const char *text);
void say_number(uint64_t number);
/* By ACPI: exit status 0. */
_Noreturn void power_off(void);
/* Something was not as it must be: says what, and ends by the panic port: exit status 34. */
_Noreturn void complain(const char *what);
_Noreturn void stop(void);
