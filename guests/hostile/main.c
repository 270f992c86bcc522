/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A guest that means harm: two CPUs that do to their virtio devices, at the same time and by dice,
 * what no driver does. Command line: "seed=N rounds=N"; with the same seed each CPU throws the
 * same, but how the two meet is up to the host.
 *
 * It runs bare, entered by its PVH note, without interrupts, and uses no instruction that KVM's
 * emulator lacks. When it is done every device must still work, its own program must be as it was,
 * and it powers off. Else it says what is wrong and ends by the panic port.
 */
#include "guests/hostile/others.h"
#include "guests/hostile/sound.h"

#include <linux/virtio_config.h>

#define ROUNDS 3000 /* of each CPU */

#define LAPIC_ICR         (LAPIC + 0x300)
#define ICR_INIT          0xc4500 /* to all but the sender: an emulating KVM loses one to an id */
#define ICR_START_UP      0xc4600
#define TRAMPOLINE        0x8000ULL /* where the second CPU begins */
#define START_TRIES       100
#define CMDLINE_BYTES_MAX 2048

/* Xen's start_info, as far as it matters. */
struct start_info {
    uint32_t magic, version, flags, module_count;
    uint64_t modules, cmdline, rsdp, memmap;
    uint32_t memmap_count, reserved;
};

struct memmap_entry {
    uint64_t address, bytes;
    uint32_t type, reserved;
};
#define MEMMAP_RAM 1

extern const uint8_t trampoline[], trampoline_end[], fixed_start[], fixed_end[];

static uint64_t seed, rounds = ROUNDS;
static volatile bool second_runs, second_done;

void cpu_main(unsigned cpu, const struct start_info *info);

/* -- what is done to a device -- */

static void any_register(struct device *dev, struct dice *dice)
{
    uint32_t span = one_in(dice, 8) ? dev->at.regs_bytes : dev->at.much_used_bytes;
    uint32_t off = roll(dice, span) & (one_in(dice, 4) ? ~0u : ~3u);
    uint32_t how = roll(dice, 8);
    uint64_t at;

    if (how > 2 && touches_address(&dev->at, off))
        off &= ~3u, how = 7;
    at = dev->at.regs + off;
    switch (how) {
    case 0:
        (void)peek8(at);
        break;
    case 1:
        (void)peek64(at);
        break;
    case 2:
        (void)peek32(at);
        break;
    case 3:
        poke8(at, (uint8_t)evil_32(dice));
        break;
    case 4:
        poke16(at, (uint16_t)evil_32(dice));
        break;
    case 5:
        poke64(at, evil_address(dice));
        break;
    default:
        poke32(at, evil_32(dice));
        break;
    }
}

static void any_config(struct device *dev, struct dice *dice)
{
    uint64_t config = dev->at.config;

    for (uint32_t i = 0; i < 20; i++) {
        (void)peek8(config + i);
        (void)peek16(config + i);
        (void)peek32(config + i);
        (void)peek64(config + i);
    }
    poke32(config + roll(dice, 0x100), evil_32(dice));
}

static void any_port(struct device *dev, struct dice *dice)
{
    uint16_t port = (uint16_t)(PORT_SERIAL + roll(dice, 8));

    (void)dev;
    switch (roll(dice, 6)) {
    case 0:
        (void)in32(port);
        break;
    case 1:
        out32(port, evil_32(dice));
        break;
    case 2:
        out16(port, (uint16_t)evil_32(dice));
        break;
    case 3: /* where nothing is */
        out32((uint16_t)(0x700 + roll(dice, 0x400)), evil_32(dice));
        (void)in32((uint16_t)(0x700 + roll(dice, 0xf800)));
        break;
    case 4:
        (void)in8(port);
        break;
    default:
        out8(port, (uint8_t)evil_32(dice));
        break;
    }
}

static void many_kicks(struct device *dev, struct dice *dice)
{
    for (uint32_t i = roll(dice, 64); i > 0; i--)
        doorbell_ring(&dev->at, roll(dice, dev->queue_count + 1));
    doorbell_ring(&dev->at, evil_32(dice));
}

static void some_resets(struct device *dev, struct dice *dice)
{
    for (uint32_t i = roll(dice, 3); i > 0; i--)
        reg_write(&dev->at, REG_STATUS, 0);
    device_start(dev);
}

/* Of a PCI function; the next start of its device mends it. */
static void any_function(struct device *dev, struct dice *dice)
{
    if (dev->at.function != 0)
        transport_spoil(&dev->at, dice);
}

static void some_messages(struct device *dev, struct dice *dice)
{
    if (dev->at.id == VIRTIO_ID_SOUND) {
        for (uint32_t i = roll(dice, 8); i > 0; i--)
            sound_messages(dev, dice);
        return;
    }
    other_messages(dev, dice);
}

static void some_scribbles(struct device *dev, struct dice *dice)
{
    for (uint32_t i = roll(dice, 8); i > 0; i--)
        queue_scribble(dev, roll(dice, dev->queue_count), dice);
}

static void some_time(struct device *dev, struct dice *dice)
{
    (void)dev;
    wait(roll(dice, 4) * MILLISECOND / 2);
}

static const struct {
    uint32_t weight;
    void (*attack)(struct device *dev, struct dice *dice);
} attacks[] = {
    {100, some_messages}, {5, some_scribbles}, {4, any_register},       {2, any_config},
    {8, any_port},        {4, many_kicks},     {8, device_start_badly}, {8, some_resets},
    {20, some_time},      {8, any_function},
};

static void attack(struct device *dev, struct dice *dice)
{
    uint32_t sum = 0, at;

    for (unsigned i = 0; i < ARRAY_SIZE(attacks); i++)
        sum += attacks[i].weight;
    if ((reg_read(&dev->at, REG_STATUS) & VIRTIO_CONFIG_S_NEEDS_RESET) != 0 && !one_in(dice, 4))
        device_start(dev);
    at = roll(dice, sum);
    for (unsigned i = 0; i < ARRAY_SIZE(attacks); i++) {
        if (at < attacks[i].weight) {
            attacks[i].attack(dev, dice);
            return;
        }
        at -= attacks[i].weight;
    }
}

static void attacks_run(unsigned cpu)
{
    struct dice dice;

    dice_seed(&dice, 2 * seed + cpu);
    for (uint64_t i = 0; i < rounds; i++)
        attack(&devices[roll(&dice, device_count)], &dice);
}

/* -- before and after -- */

static uint64_t number_after(const char *text, const char *name, uint64_t otherwise)
{
    for (; *text != '\0'; text++) {
        const char *at = text, *word = name;
        while (*word != '\0' && *at == *word)
            at++, word++;
        if (*word != '\0')
            continue;
        uint64_t number = 0;
        for (; *at >= '0' && *at <= '9'; at++)
            number = number * 10 + (uint64_t)(*at - '0');
        return number;
    }
    return otherwise;
}

static void machine_look(const struct start_info *info)
{
    const struct memmap_entry *map = (const struct memmap_entry *)info->memmap;
    const char *words = (const char *)info->cmdline;

    for (uint32_t i = 0; i < info->memmap_count; i++)
        if (map[i].type == MEMMAP_RAM && map[i].address < ARENA)
            ram_end = map[i].address + map[i].bytes;
    seed = number_after(words, "seed=", 1);
    rounds = number_after(words, "rounds=", ROUNDS);
    devices_find();
}

static void second_start(void)
{
    uint64_t bytes = (uint64_t)trampoline_end - (uint64_t)trampoline;

    for (uint64_t i = 0; i < bytes; i++)
        poke8(TRAMPOLINE + i, trampoline[i]);
    for (int i = 0; i < START_TRIES && !second_runs; i++) {
        poke32(LAPIC_ICR, ICR_INIT);
        wait(10 * MILLISECOND);
        poke32(LAPIC_ICR, ICR_START_UP | TRAMPOLINE >> 12);
        wait(10 * MILLISECOND);
    }
    if (!second_runs)
        complain("the second CPU does not start");
}

static uint64_t program_sum(void)
{
    uint64_t sum = 0;

    for (uint64_t at = (uint64_t)fixed_start; at < (uint64_t)fixed_end; at++)
        sum = sum * 31 + peek8(at);
    return sum;
}

static void devices_still_work(void)
{
    for (unsigned i = 0; i < device_count; i++)
        transport_mend(&devices[i].at); /* one's BAR may be where another one's belongs */
    for (unsigned i = 0; i < device_count; i++) {
        struct device *dev = &devices[i];
        device_start(dev);
        if (!(dev->at.id == VIRTIO_ID_SOUND ? sound_answers(dev) : other_answers(dev))) {
            say_number(dev->at.id);
            complain("a device of that kind does not answer any more");
        }
        reg_write(&dev->at, REG_STATUS, 0);
        uint64_t start = clock();
        while (reg_read(&dev->at, REG_STATUS) != 0)
            if (clock() - start > 10000 * MILLISECOND)
                complain("a device is not to be reset");
    }
}

void cpu_main(unsigned cpu, const struct start_info *info)
{
    if (cpu != 0) {
        second_runs = true;
        attacks_run(cpu);
        second_done = true;
        stop();
    }
    machine_look(info);
    uint64_t sum = program_sum();
    second_start();
    attacks_run(cpu);
    while (!second_done)
        wait(MILLISECOND);
    if (program_sum() != sum)
        complain("somebody wrote where nobody was told to");
    devices_still_work();
    say("\nhostile: ");
    say_number(queue_used_total());
    say(" chains came back\n");
    power_off();
}
