/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where the registers of a virtio device are: behind virtio-mmio, or in the BAR of a PCI function
 * (virtio 1.2 §4.1, §4.2). Nothing else here knows which.
 */
#pragma once

#include "guests/hostile/machine.h"

/* Addresses have their upper half 4 bytes behind. */
enum reg {
    REG_DEVICE_FEATURES_SEL,
    REG_DEVICE_FEATURES,
    REG_DRIVER_FEATURES_SEL,
    REG_DRIVER_FEATURES,
    REG_STATUS,
    REG_QUEUE_SEL,
    REG_QUEUE_MAX,
    REG_QUEUE_SIZE,
    REG_QUEUE_DESC,
    REG_QUEUE_AVAIL,
    REG_QUEUE_USED,
    REG_QUEUE_READY,
    REGS,
};

struct place {
    uint16_t off;
    uint8_t bytes;
};

struct transport {
    uint32_t id;                /* of the device, 0: there is none */
    const struct place *places; /* of each register */
    uint64_t regs;
    uint32_t regs_bytes, much_used_bytes; /* ... that are there, and most of which do something */
    uint64_t config;                      /* the device's configuration space */
    uint64_t doorbell;                    /* of queue 0 */
    uint32_t doorbell_bytes;              /* from one queue's to the next one's; 0: one for all */
    /* Of a PCI function: its configuration space, else 0; in that two capabilities, MSI-X and the
     * window into the BAR; where the BAR was at first, and the table of messages in it. */
    uint64_t function;
    uint32_t msix, window;
    uint64_t bar, table;
};

/* What is in a slot; of PCI the function of that number on bus 0. */
struct transport transport_mmio(unsigned slot);
struct transport transport_pci(unsigned slot);

uint32_t reg_read(const struct transport *at, enum reg reg);
void reg_write(const struct transport *at, enum reg reg, uint32_t value);
void address_write(const struct transport *at, enum reg reg, uint64_t address);
void doorbell_ring(const struct transport *at, uint32_t queue);

/* Whether 8 bytes from there on have some of a ring's address: a part of one that is written by
 * dice might be the program's, so they are written in halves. */
bool touches_address(const struct transport *at, uint32_t off);

/* Before a start: a PCI function is where it was found, answers, and sends messages. */
void transport_mend(const struct transport *at);
/* Messages for the queues and for changes, which come when the device has been reset. */
void transport_vectors(const struct transport *at, uint32_t queue_count);
/* Whatever a PCI function can be told: where its BAR is, whether it answers, its messages. */
void transport_spoil(const struct transport *at, struct dice *dice);
