/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * 16550A UART (National Semiconductor PC16550D data sheet), eight registers, as stock drivers know
 * it on x86 (I/O ports) and arm64 (ns16550a, MMIO).
 */
#pragma once

#include "vmm/base/bus.h"
#include "vmm/base/irq.h"

#define SERIAL_SIZE        8
#define SERIAL_INPUT_BYTES 4096 /* between the terminal and the guest, power of two */

struct serial {
    int out_fd;         /* borrowed; -1: output is thrown away */
    struct irq irq;     /* owned */
    struct irq drained; /* owned; raised when input that was full has room again, for main's loop */
    pthread_mutex_t lock; /* input comes from main, registers from vCPUs */
    uint8_t ier, lcr, mcr, scr, dll, dlm;
    bool fifo_on;
    bool thr_empty_pending; /* THRE interrupt not yet taken by reading IIR */
    bool broken;            /* output failed for good; told once */
    uint8_t input[SERIAL_INPUT_BYTES];
    unsigned input_head, input_tail; /* free running */
};

extern const struct bus_ops serial_ops; /* ctx: struct serial * */

int serial_init(struct serial *serial, int out_fd);
void serial_fini(struct serial *serial);

/* Main: bytes for the guest. Returns how many fitted; offer the rest again later. */
size_t serial_input(struct serial *serial, const uint8_t *bytes, size_t len);
/* Main: room for input in bytes; when it is 0, `drained` will be raised once there is some. */
size_t serial_input_room(struct serial *serial);
