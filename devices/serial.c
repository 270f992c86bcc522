/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See serial.h. Baud rate, parity and modem lines but RTS are accepted and mean nothing; loopback
 * mode works, because drivers probe with it. Any thread, under the lock, but where serial.h says.
 */
#include "devices/serial.h"

#include <string.h>

/* Register offsets (DLAB switches the first two) and bits that we act on. */
enum { REG_DATA, REG_IER, REG_IIR_FCR, REG_LCR, REG_MCR, REG_LSR, REG_MSR, REG_SCR };
#define IER_RX_READY    0x01
#define IER_THR_EMPTY   0x02
#define IER_MASK        0x0f
#define IIR_NONE        0x01
#define IIR_THR_EMPTY   0x02
#define IIR_RX_READY    0x04
#define IIR_FIFO_ON     0xc0
#define FCR_ENABLE      0x01
#define FCR_CLEAR_RX    0x02
#define LCR_DLAB        0x80
#define MCR_MASK        0x1f
#define MCR_RTS         0x02
#define MCR_LOOPBACK    0x10
#define LSR_RX_READY    0x01
#define LSR_THR_EMPTY   0x20
#define LSR_IDLE        0x40
#define MSR_CTS_DSR_DCD 0xb0

int serial_init(struct serial *serial)
{
    *serial = (struct serial){.irq.fd = -1, .drained.fd = -1, .written.fd = -1};
    int r = pthread_mutex_init(&serial->lock, NULL);
    if (r != 0)
        return -r;
    serial->output = malloc(SERIAL_OUTPUT_BYTES);
    if (serial->output == NULL)
        return -ENOMEM;
    r = irq_init(&serial->irq);
    if (r == 0)
        r = irq_init(&serial->drained);
    return r < 0 ? r : irq_init(&serial->written);
}

void serial_fini(struct serial *serial)
{
    irq_fini(&serial->written);
    irq_fini(&serial->drained);
    irq_fini(&serial->irq);
    free(serial->output);
    (void)pthread_mutex_destroy(&serial->lock);
}

static unsigned fifo_count(const struct serial *serial)
{
    return serial->fifo_tail - serial->fifo_head;
}

static unsigned input_count(const struct serial *serial)
{
    return serial->input_tail - serial->input_head;
}

static unsigned output_count(const struct serial *serial)
{
    return serial->output_tail - serial->output_head;
}

static bool transmitter_busy(const struct serial *serial)
{
    return output_count(serial) >= SERIAL_OUTPUT_BUSY_BYTES;
}

/* The interrupt of highest priority that is pending and enabled, as IIR shows it. */
static uint8_t iir_pending(const struct serial *serial)
{
    if ((serial->ier & IER_RX_READY) != 0 && fifo_count(serial) > 0)
        return IIR_RX_READY;
    if ((serial->ier & IER_THR_EMPTY) != 0 && serial->thr_empty_pending)
        return IIR_THR_EMPTY;
    return IIR_NONE;
}

/* The line is an edge: pulse whenever something is pending, the driver polls IIR until it is not.
 */
static void irq_update(struct serial *serial)
{
    if (iir_pending(serial) != IIR_NONE)
        irq_raise(&serial->irq);
}

/* -- input -- */

/* Does the guest listen? In loopback mode the line is cut. */
static bool receiving(const struct serial *serial)
{
    return (serial->mcr & MCR_LOOPBACK) == 0 &&
           ((serial->mcr & MCR_RTS) != 0 || (serial->ier & IER_RX_READY) != 0);
}

/* One more byte comes in by the line; false: there is no room (an overrun on the real part). */
static bool fifo_push(struct serial *serial, uint8_t byte)
{
    if (fifo_count(serial) >= (serial->fifo_on ? SERIAL_FIFO_BYTES : 1u))
        return false;
    serial->fifo[serial->fifo_tail++ % SERIAL_FIFO_BYTES] = byte;
    return true;
}

static void fifo_fill(struct serial *serial)
{
    bool was_full = input_count(serial) == SERIAL_INPUT_BYTES;

    while (receiving(serial) && input_count(serial) > 0 &&
           fifo_push(serial, serial->input[serial->input_head % SERIAL_INPUT_BYTES]))
        serial->input_head++;
    if (was_full && input_count(serial) < SERIAL_INPUT_BYTES)
        irq_raise(&serial->drained);
}

size_t serial_input(struct serial *serial, const uint8_t *bytes, size_t len)
{
    (void)pthread_mutex_lock(&serial->lock);
    size_t n = MIN(len, (size_t)(SERIAL_INPUT_BYTES - input_count(serial)));
    for (size_t i = 0; i < n; i++)
        serial->input[serial->input_tail++ % SERIAL_INPUT_BYTES] = bytes[i];
    fifo_fill(serial);
    irq_update(serial);
    (void)pthread_mutex_unlock(&serial->lock);
    return n;
}

size_t serial_input_room(struct serial *serial)
{
    (void)pthread_mutex_lock(&serial->lock);
    size_t room = SERIAL_INPUT_BYTES - input_count(serial);
    (void)pthread_mutex_unlock(&serial->lock);
    return room;
}

/* -- output -- */

static void output_push(struct serial *serial, uint8_t byte)
{
    unsigned count = output_count(serial);

    if (serial->discards)
        return;
    if (count == SERIAL_OUTPUT_BYTES) {
        serial->lost++;
        return;
    }
    serial->output[serial->output_tail++ % SERIAL_OUTPUT_BYTES] = byte;
    if (count == 0)
        irq_raise(&serial->written);
}

size_t serial_output(struct serial *serial, const uint8_t **ret_bytes)
{
    (void)pthread_mutex_lock(&serial->lock);
    unsigned at = serial->output_head % SERIAL_OUTPUT_BYTES;
    size_t len = MIN(output_count(serial), SERIAL_OUTPUT_BYTES - at);
    *ret_bytes = serial->output + at;
    (void)pthread_mutex_unlock(&serial->lock);
    return len;
}

void serial_output_done(struct serial *serial, size_t len)
{
    (void)pthread_mutex_lock(&serial->lock);
    bool was_busy = transmitter_busy(serial);
    assert(len <= output_count(serial));
    serial->output_head += (unsigned)len;
    if (output_count(serial) == 0) /* begin anew: no more memory is touched than ever waited */
        serial->output_head = serial->output_tail = 0;
    if (was_busy && !transmitter_busy(serial)) {
        serial->thr_empty_pending = true;
        irq_update(serial);
    }
    (void)pthread_mutex_unlock(&serial->lock);
}

size_t serial_output_waiting(struct serial *serial)
{
    (void)pthread_mutex_lock(&serial->lock);
    size_t waiting = output_count(serial);
    (void)pthread_mutex_unlock(&serial->lock);
    return waiting;
}

uint64_t serial_output_lost(struct serial *serial)
{
    (void)pthread_mutex_lock(&serial->lock);
    uint64_t lost = serial->lost;
    serial->lost = 0;
    (void)pthread_mutex_unlock(&serial->lock);
    return lost;
}

void serial_output_discard(struct serial *serial)
{
    (void)pthread_mutex_lock(&serial->lock);
    serial->discards = true;
    (void)pthread_mutex_unlock(&serial->lock);
    serial_output_done(serial, serial_output_waiting(serial));
}

/* -- registers -- */

static uint8_t data_read(struct serial *serial)
{
    if (fifo_count(serial) == 0)
        return 0;
    uint8_t byte = serial->fifo[serial->fifo_head++ % SERIAL_FIFO_BYTES];
    fifo_fill(serial);
    irq_update(serial);
    return byte;
}

static uint8_t iir_read(struct serial *serial)
{
    uint8_t iir = iir_pending(serial);

    if (iir == IIR_THR_EMPTY)
        serial->thr_empty_pending = false;
    return (uint8_t)(iir | (serial->fifo_on ? IIR_FIFO_ON : 0));
}

static uint8_t lsr_read(const struct serial *serial)
{
    uint8_t lsr = fifo_count(serial) > 0 ? LSR_RX_READY : 0;

    return transmitter_busy(serial) ? lsr : lsr | LSR_THR_EMPTY | LSR_IDLE;
}

static uint8_t msr_read(const struct serial *serial)
{
    uint8_t mcr = serial->mcr;

    if ((mcr & MCR_LOOPBACK) == 0)
        return MSR_CTS_DSR_DCD;
    /* Loopback: RTS to CTS, DTR to DSR, OUT1 to RI, OUT2 to DCD. */
    return (uint8_t)((mcr & 0x02) << 3 | (mcr & 0x01) << 5 | (mcr & 0x0c) << 4);
}

static uint8_t reg_read(struct serial *serial, uint64_t reg)
{
    bool dlab = (serial->lcr & LCR_DLAB) != 0;

    switch (reg) {
    case REG_DATA:
        return dlab ? serial->dll : data_read(serial);
    case REG_IER:
        return dlab ? serial->dlm : serial->ier;
    case REG_IIR_FCR:
        return iir_read(serial);
    case REG_LCR:
        return serial->lcr;
    case REG_MCR:
        return serial->mcr;
    case REG_LSR:
        return lsr_read(serial);
    case REG_MSR:
        return msr_read(serial);
    default:
        return serial->scr;
    }
}

static void data_write(struct serial *serial, uint8_t byte)
{
    if ((serial->mcr & MCR_LOOPBACK) != 0)
        (void)fifo_push(serial, byte);
    else
        output_push(serial, byte);
    serial->thr_empty_pending = !transmitter_busy(serial);
    irq_update(serial);
}

static void ier_write(struct serial *serial, uint8_t value)
{
    uint8_t added = (uint8_t)(value & ~serial->ier);

    serial->ier = value & IER_MASK;
    if ((added & IER_THR_EMPTY) != 0 && !transmitter_busy(serial))
        serial->thr_empty_pending = true;
    fifo_fill(serial);
    irq_update(serial);
}

/* Switching the FIFOs on or off clears them, too. */
static void fcr_write(struct serial *serial, uint8_t value)
{
    bool on = (value & FCR_ENABLE) != 0;

    if (on != serial->fifo_on || (value & FCR_CLEAR_RX) != 0)
        serial->fifo_head = serial->fifo_tail;
    serial->fifo_on = on;
    fifo_fill(serial);
    irq_update(serial);
}

static void reg_write(struct serial *serial, uint64_t reg, uint8_t value)
{
    bool dlab = (serial->lcr & LCR_DLAB) != 0;

    switch (reg) {
    case REG_DATA:
        if (dlab)
            serial->dll = value;
        else
            data_write(serial, value);
        break;
    case REG_IER:
        if (dlab)
            serial->dlm = value;
        else
            ier_write(serial, value);
        break;
    case REG_IIR_FCR:
        fcr_write(serial, value);
        break;
    case REG_LCR:
        serial->lcr = value;
        break;
    case REG_MCR:
        serial->mcr = value & MCR_MASK;
        fifo_fill(serial);
        irq_update(serial);
        break;
    case REG_SCR:
        serial->scr = value;
        break;
    default: /* LSR and MSR are read only */
        break;
    }
}

static void serial_read(void *ctx, uint64_t off, void *ret_buf, size_t len)
{
    struct serial *serial = ctx;
    uint8_t *bytes = ret_buf;

    (void)pthread_mutex_lock(&serial->lock);
    bytes[0] = reg_read(serial, off); /* registers are a byte wide; the rest stays all ones */
    (void)pthread_mutex_unlock(&serial->lock);
    (void)len;
}

static void serial_write(void *ctx, uint64_t off, const void *buf, size_t len)
{
    struct serial *serial = ctx;
    const uint8_t *bytes = buf;

    (void)pthread_mutex_lock(&serial->lock);
    reg_write(serial, off, bytes[0]);
    (void)pthread_mutex_unlock(&serial->lock);
    (void)len;
}

const struct bus_ops serial_ops = {.read = serial_read, .write = serial_write};
