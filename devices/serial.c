/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See serial.h. Output goes to the host by write(2) on the vCPU's thread: nothing is buffered, so
 * nothing is lost when the VM dies, and a reader that is slow slows the guest's console instead of
 * losing its text. Baud rate, parity and modem lines are accepted and mean nothing; loopback mode
 * works, because drivers probe with it.
 */
#include "devices/serial.h"

#include "vmm/base/log.h"

#include <poll.h>
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
#define MCR_LOOPBACK    0x10
#define LSR_RX_READY    0x01
#define LSR_THR_EMPTY   0x20
#define LSR_IDLE        0x40
#define MSR_CTS_DSR_DCD 0xb0

int serial_init(struct serial *serial, int out_fd)
{
    *serial = (struct serial){.out_fd = out_fd, .irq.fd = -1, .drained.fd = -1};
    int r = pthread_mutex_init(&serial->lock, NULL);
    if (r != 0)
        return -r;
    r = irq_init(&serial->irq);
    return r < 0 ? r : irq_init(&serial->drained);
}

void serial_fini(struct serial *serial)
{
    irq_fini(&serial->drained);
    irq_fini(&serial->irq);
    (void)pthread_mutex_destroy(&serial->lock);
}

static unsigned input_count(const struct serial *serial)
{
    return serial->input_tail - serial->input_head;
}

/* The interrupt of highest priority that is pending and enabled, as IIR shows it. */
static uint8_t iir_pending(const struct serial *serial)
{
    if ((serial->ier & IER_RX_READY) != 0 && input_count(serial) > 0)
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

static size_t input_push(struct serial *serial, const uint8_t *bytes, size_t len)
{
    size_t n = MIN(len, (size_t)(SERIAL_INPUT_BYTES - input_count(serial)));

    for (size_t i = 0; i < n; i++)
        serial->input[serial->input_tail++ % SERIAL_INPUT_BYTES] = bytes[i];
    return n;
}

size_t serial_input(struct serial *serial, const uint8_t *bytes, size_t len)
{
    (void)pthread_mutex_lock(&serial->lock);
    size_t n = input_push(serial, bytes, len);
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

/* One byte out. A signal means that the VM is being stopped: then the byte may be lost. */
static void output(struct serial *serial, uint8_t byte)
{
    if (serial->out_fd < 0 || serial->broken)
        return;
    while (write(serial->out_fd, &byte, 1) < 0) {
        struct pollfd ready = {.fd = serial->out_fd, .events = POLLOUT};
        if (errno == EAGAIN && poll(&ready, 1, -1) >= 0)
            continue;
        if (errno == EINTR)
            return;
        serial->broken = true;
        log_warn("serial console: output failed (%s), it is thrown away from here on",
                 strerror(errno));
        return;
    }
}

static uint8_t data_read(struct serial *serial)
{
    if (input_count(serial) == 0)
        return 0;
    if (input_count(serial) == SERIAL_INPUT_BYTES)
        irq_raise(&serial->drained);
    uint8_t byte = serial->input[serial->input_head++ % SERIAL_INPUT_BYTES];
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
        return LSR_THR_EMPTY | LSR_IDLE | (input_count(serial) > 0 ? LSR_RX_READY : 0);
    case REG_MSR:
        return msr_read(serial);
    default:
        return serial->scr;
    }
}

/* The byte has left: the holding register is empty again. */
static void data_sent(struct serial *serial)
{
    serial->thr_empty_pending = true;
    irq_update(serial);
}

static void ier_write(struct serial *serial, uint8_t value)
{
    uint8_t added = (uint8_t)(value & ~serial->ier);

    serial->ier = value & IER_MASK;
    if ((added & IER_THR_EMPTY) != 0) /* the holding register is always empty */
        serial->thr_empty_pending = true;
    irq_update(serial);
}

static void reg_write(struct serial *serial, uint64_t reg, uint8_t value)
{
    bool dlab = (serial->lcr & LCR_DLAB) != 0;

    switch (reg) {
    case REG_DATA: /* data that is not looped back went out already */
        if (dlab) {
            serial->dll = value;
            break;
        }
        if ((serial->mcr & MCR_LOOPBACK) != 0)
            (void)input_push(serial, &value, 1); /* full: an overrun, as on the real part */
        data_sent(serial);
        break;
    case REG_IER:
        if (dlab)
            serial->dlm = value;
        else
            ier_write(serial, value);
        break;
    case REG_IIR_FCR:
        serial->fifo_on = (value & FCR_ENABLE) != 0;
        if ((value & FCR_CLEAR_RX) != 0)
            serial->input_head = serial->input_tail;
        break;
    case REG_LCR:
        serial->lcr = value;
        break;
    case REG_MCR:
        serial->mcr = value & MCR_MASK;
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

    /* Outside the lock, so that a terminal that takes nothing does not stop the main thread. The
     * registers looked at here change on vCPU threads only, one at a time under the bus lock. */
    if (off == REG_DATA && (serial->lcr & LCR_DLAB) == 0 && (serial->mcr & MCR_LOOPBACK) == 0)
        output(serial, bytes[0]);
    (void)pthread_mutex_lock(&serial->lock);
    reg_write(serial, off, bytes[0]);
    (void)pthread_mutex_unlock(&serial->lock);
    (void)len;
}

const struct bus_ops serial_ops = {.read = serial_read, .write = serial_write};
