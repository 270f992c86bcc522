/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fuzzes the serial port: what a guest does to its registers while a host types and reads. An
 * operation is a byte: its low three bits are a register or a length, the others say what.
 *
 * Beyond memory safety: what the guest sends comes out, all of it and in order; what is typed
 * arrives in order, unless the guest throws it away; status registers say nothing impossible.
 */
#include "devices/serial.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

#define OPS_MAX      5000
#define SENT_MAX     8192 /* OPS_MAX times one, and then some */
#define DATA         0
#define LCR          3
#define MCR          4
#define LSR          5
#define MSR          6
#define DLAB         0x80
#define LOOPBACK     0x10
#define LSR_EVER     0x61
#define LSR_IDLE     0x60
#define LSR_READY    0x01
#define TYPED_PERIOD 251 /* typed bytes count up to it: what follows what is known */

struct run {
    struct serial uart;
    uint8_t lcr, mcr; /* as written */
    uint8_t sent[SENT_MAX];
    size_t sent_len, seen_len;
    uint8_t typed;
};

static uint8_t get(struct run *run, uint64_t reg)
{
    uint8_t value = 0;

    serial_ops.read(&run->uart, reg, &value, 1);
    return value;
}

static void put(struct run *run, uint64_t reg, uint8_t value)
{
    if (reg == DATA && (run->lcr & DLAB) == 0 && (run->mcr & LOOPBACK) == 0)
        run->sent[run->sent_len++] = value;
    if (reg == LCR)
        run->lcr = value;
    if (reg == MCR)
        run->mcr = value;
    serial_ops.write(&run->uart, reg, &value, 1);
}

static void type(struct run *run, size_t len)
{
    uint8_t bytes[8];
    size_t room = serial_input_room(&run->uart);

    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)((run->typed + i) % TYPED_PERIOD);
    size_t taken = serial_input(&run->uart, bytes, len);
    must(taken == (len < room ? len : room), "as much is taken as there is room for");
    run->typed = (uint8_t)((run->typed + taken) % TYPED_PERIOD);
}

/* The host reads up to `len` bytes. */
static void hear(struct run *run, size_t len)
{
    const uint8_t *bytes;
    size_t there = serial_output(&run->uart, &bytes);

    must(serial_output_waiting(&run->uart) == run->sent_len - run->seen_len, "nothing is lost");
    len = len < there ? len : there;
    must(memcmp(bytes, run->sent + run->seen_len, len) == 0, "what comes out was sent");
    run->seen_len += len;
    serial_output_done(&run->uart, len);
}

/* Takes all that is in the FIFO: it counts up, as it was typed, where no loopback put other things
 * in between. */
static void drain(struct run *run, bool looped)
{
    uint8_t last = 0;

    put(run, LCR, 3);
    for (unsigned i = 0; (get(run, LSR) & LSR_READY) != 0; i++) {
        uint8_t byte = get(run, DATA);
        must(i < SERIAL_INPUT_BYTES + SERIAL_FIFO_BYTES, "input comes to an end");
        must(looped || i == 0 || byte == (last + 1) % TYPED_PERIOD, "input comes in order");
        last = byte;
    }
}

static void run_one(struct run *run, struct input *in, bool *looped)
{
    uint8_t op = take_byte(in);
    uint64_t reg = op % SERIAL_SIZE;

    switch (op >> 3) {
    case 0:
        type(run, reg + 1);
        break;
    case 1:
        hear(run, reg * 100 + 1);
        break;
    case 2:
        drain(run, *looped);
        *looped = (run->mcr & LOOPBACK) != 0;
        break;
    case 3:
    case 4:
    case 5:
    case 6:
        (void)get(run, reg);
        break;
    default:
        put(run, reg, take_byte(in));
        break;
    }
    *looped = *looped || (run->mcr & LOOPBACK) != 0;
    uint8_t lsr = get(run, LSR);
    must((lsr & ~LSR_EVER) == 0 && (lsr & LSR_IDLE) == LSR_IDLE, "it is idle: little is sent");
    must((run->mcr & LOOPBACK) != 0 || get(run, MSR) == 0xb0, "the line is there");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct run run;
    struct input in = {data, size};
    bool looped = false;

    run = (struct run){0};
    must(serial_init(&run.uart) == 0, "a port");
    for (unsigned op = 0; in.left > 0 && op < OPS_MAX; op++)
        run_one(&run, &in, &looped);
    hear(&run, SENT_MAX);
    must(run.seen_len == run.sent_len, "all comes out");
    serial_fini(&run.uart);
    return 0;
}
