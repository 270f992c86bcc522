/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * 16550A UART (National Semiconductor PC16550D data sheet), eight registers, as stock drivers know
 * it on x86 (I/O ports) and arm64 (ns16550a, MMIO), with a buffer on each side that a guest cannot
 * clear:
 *
 *   host --serial_input()--> [4 KiB] --> [receive FIFO, 16 bytes] --> guest
 *   host <--serial_output()-- [1 MiB] <------------------------------ guest
 *
 * Input waits in its buffer until the guest listens (RTS, or the receiver's interrupt), as it does
 * at the other end of a line with flow control: what was typed before a driver opened the port is
 * not lost.
 *
 * No vCPU ever waits for the host. When much output waits for a slow reader, the transmitter is
 * busy: THRE and TEMT are clear, and its interrupt comes once there is room. So drivers wait as for
 * a slow line, and nothing is lost, while the rest of the guest, its sound for one, runs on. A
 * kernel's own messages go out after 10 ms a byte all the same: the buffer has room for hours of
 * those. A guest that looks at nothing loses what does not fit.
 */
#pragma once

#include "vmm/base/bus.h"
#include "vmm/base/irq.h"

#define SERIAL_SIZE              8
#define SERIAL_FIFO_BYTES        16
#define SERIAL_INPUT_BYTES       4096       /* power of two, as the next */
#define SERIAL_OUTPUT_BYTES      (1u << 20) /* touched only as far as output piles up */
#define SERIAL_OUTPUT_BUSY_BYTES (1u << 16) /* so much waiting, and the transmitter is busy */

struct serial {
    struct irq irq;       /* owned */
    struct irq drained;   /* owned; raised when input that was full has room again */
    struct irq written;   /* owned; raised when there is output where there was none */
    pthread_mutex_t lock; /* registers: vCPUs; input: main; output: the console's thread */
    uint8_t ier, lcr, mcr, scr, dll, dlm;
    bool fifo_on;
    bool thr_empty_pending; /* THRE interrupt not yet taken by reading IIR */
    bool discards;          /* output is thrown away */
    uint8_t fifo[SERIAL_FIFO_BYTES];
    uint8_t input[SERIAL_INPUT_BYTES];
    uint8_t *output; /* owned */
    unsigned fifo_head, fifo_tail, input_head, input_tail, output_head,
        output_tail; /* free running */
    uint64_t lost;   /* bytes of output that did not fit, not told yet */
};

extern const struct bus_ops serial_ops; /* ctx: struct serial * */

/* -ENOMEM or another -errno; serial_fini() may follow in any case. */
int serial_init(struct serial *serial);
void serial_fini(struct serial *serial);

/* Bytes for the guest. Returns how many fitted; offer the rest again later. */
size_t serial_input(struct serial *serial, const uint8_t *bytes, size_t len);
/* Room for input in bytes; when it is 0, `drained` will be raised once there is some. */
size_t serial_input_room(struct serial *serial);

/* What the guest has sent: how many bytes are at *ret_bytes, 0 for none; they stay there until
 * serial_output_done() takes some of them away. One thread. */
size_t serial_output(struct serial *serial, const uint8_t **ret_bytes);
void serial_output_done(struct serial *serial, size_t len);
/* All that waits, in bytes. */
size_t serial_output_waiting(struct serial *serial);
/* Bytes that were lost since the last call. */
uint64_t serial_output_lost(struct serial *serial);
/* Nobody listens: output is thrown away from here on. */
void serial_output_discard(struct serial *serial);
