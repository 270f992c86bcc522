/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Console device (virtio 1.2 §5.3) with several ports: byte streams by name, /dev/virtio-ports/NAME
 * in a Linux guest (or vport0pN). What a port is on the host is in port.c; here are the control
 * queues, by which ports are announced, named and opened:
 *
 *   driver                        device
 *   DEVICE_READY 1  ------------>
 *                   <------------ DEVICE_ADD          for each port
 *   PORT_READY 1    ------------>
 *                   <------------ PORT_OPEN 1 if somebody is at the other end, PORT_NAME
 *   PORT_OPEN 1, 0  ------------> a process has opened, closed it
 *                   <------------ PORT_OPEN 1, 0      somebody came, left
 *
 * What is to be said is a few bits for each port, not a list, so that nothing is lost or grows
 * while the driver has no buffer for it. One worker. No port is a console of the kernel's
 * (CONSOLE_PORT, SIZE): the serial port is one.
 */
#include "devices/console/port.h"
#include "devices/registry.h"

#include <linux/virtio_config.h>
#include <linux/virtio_console.h>
#include <string.h>

#define PORTS_MAX 24

enum { RECEIVE_CONTROL = 2, SEND_CONTROL = 3 };
/* What is to be said of a port, in this order: who finds it by its name and reads gets no end of
 * file for an answer. */
enum { TELL_ADD = 1, TELL_OPEN = 2, TELL_NAME = 4 };

struct console_config {
    le16 cols, rows;
    le32 max_nr_ports, emerg_wr;
};

struct control {
    le32 id;
    le16 event, value;
};

struct console {
    struct virtio_device dev;
    struct console_config config;
    unsigned count;
    struct {
        struct port port;
        uint8_t tell; /* TELL_* not yet said */
        bool added;   /* and not again */
        bool ready;   /* the driver has it */
    } ports[PORTS_MAX];
};

static struct console *console_of(struct virtio_device *dev)
{
    return container_of(dev, struct console, dev);
}

/* Whose a queue is that is none of the two for control. */
static unsigned port_of_queue(unsigned queue)
{
    return queue < RECEIVE_CONTROL ? 0 : queue / 2 - 1;
}

/* -- what the device says -- */

/* False if the driver has no buffer for it. One that is too small gets less, one that is none
 * nothing. */
static bool say(struct console *console, unsigned id, uint16_t event, uint16_t value,
                const char *name)
{
    const struct control control = {to_le32(id), to_le16(event), to_le16(value)};
    struct virtq *vq = &console->dev.queue[RECEIVE_CONTROL];
    struct chain req;
    int r;

    while ((r = virtq_pop(vq, &req)) > 0) {
        bool fits = chain_write(&req, &control, sizeof(control)) == 0;
        if (fits)
            (void)chain_write(&req, name, MIN(strlen(name), (size_t)chain_writable(&req)));
        virtq_push(vq, &req);
        if (fits)
            return true;
    }
    if (r < 0)
        virtio_fail(&console->dev, r, "control");
    return false;
}

/* Says the first thing of those that there are to say of a port; false if it is still to say. */
static bool say_next(struct console *console, unsigned id)
{
    const struct port *port = &console->ports[id].port;
    uint8_t *tell = &console->ports[id].tell, first = (uint8_t)(*tell & -*tell);
    bool said;

    if (first == TELL_ADD)
        said = say(console, id, VIRTIO_CONSOLE_PORT_ADD, 1, "");
    else if (first == TELL_OPEN)
        said = say(console, id, VIRTIO_CONSOLE_PORT_OPEN, port_connected(port), "");
    else
        said = say(console, id, VIRTIO_CONSOLE_PORT_NAME, 1, port->name);
    if (said)
        *tell &= (uint8_t)~first;
    return said;
}

static void say_all(struct console *console)
{
    bool said = virtio_has(&console->dev, VIRTIO_CONSOLE_F_MULTIPORT);

    for (unsigned id = 0; id < console->count && said; id++)
        while (console->ports[id].tell != 0 && said)
            said = say_next(console, id);
    virtio_signal(&console->dev, &console->dev.queue[RECEIVE_CONTROL]);
    for (unsigned id = 0; id < console->count; id++)
        if ((console->ports[id].tell & TELL_OPEN) == 0 && port_listen(&console->ports[id].port) < 0)
            virtio_fail(&console->dev, -EIO, "socket");
}

static void port_changed(struct port *port)
{
    struct console *console = console_of(port->dev);
    unsigned id = port_of_queue(port->rx);

    if (console->ports[id].ready)
        console->ports[id].tell |= TELL_OPEN;
    say_all(console);
}

/* -- what the driver says -- */

static void hear_port(struct console *console, unsigned id, uint16_t event, bool on)
{
    if (event == VIRTIO_CONSOLE_PORT_READY) {
        console->ports[id].ready = on;
        console->ports[id].tell = on ? TELL_NAME | TELL_OPEN : 0;
        if (!on)
            port_guest(&console->ports[id].port, false);
    } else if (event == VIRTIO_CONSOLE_PORT_OPEN && console->ports[id].ready) {
        port_guest(&console->ports[id].port, on);
    }
}

static void hear(struct console *console, const struct control *control)
{
    uint32_t id = from_le32(control->id);
    uint16_t event = from_le16(control->event);
    bool on = from_le16(control->value) == 1;

    if (event != VIRTIO_CONSOLE_DEVICE_READY) {
        if (id < console->count && console->ports[id].added)
            hear_port(console, id, event, on);
        return;
    }
    for (unsigned i = 0; on && i < console->count; i++) {
        if (!console->ports[i].added)
            console->ports[i].tell = TELL_ADD;
        console->ports[i].added = true;
    }
}

static void hear_all(struct console *console, struct virtq *vq)
{
    struct control control;
    struct chain req;
    int r;

    while ((r = virtq_pop(vq, &req)) > 0) {
        bool whole = chain_read(&req, &control, sizeof(control)) == 0;
        virtq_push(vq, &req);
        if (whole)
            hear(console, &control);
    }
    if (r < 0)
        virtio_fail(&console->dev, r, "control");
    virtio_signal(&console->dev, vq);
    say_all(console);
}

static void console_notify(struct virtio_device *dev, struct virtq *vq)
{
    struct console *console = console_of(dev);

    if (vq->index == RECEIVE_CONTROL)
        say_all(console);
    else if (vq->index == SEND_CONTROL)
        hear_all(console, vq);
    else if (vq->index % 2 == 0)
        port_receive(&console->ports[port_of_queue(vq->index)].port);
    else
        port_send(&console->ports[port_of_queue(vq->index)].port);
}

/* -- its life -- */

/* Without MULTIPORT there is port 0 alone, and it is open. */
static int console_activate(struct virtio_device *dev)
{
    struct console *console = console_of(dev);
    int r = 0;

    for (unsigned i = 0; i < console->count && r == 0; i++)
        r = port_listen(&console->ports[i].port);
    if (r == 0 && !virtio_has(dev, VIRTIO_CONSOLE_F_MULTIPORT))
        port_guest(&console->ports[0].port, true);
    return r;
}

static void console_reset(struct virtio_device *dev)
{
    struct console *console = console_of(dev);

    /* What the driver wrote last goes out as far as that takes no waiting. Ports that end by that
     * have others listen. */
    for (unsigned i = 0; i < console->count; i++)
        port_send(&console->ports[i].port);
    for (unsigned i = 0; i < console->count; i++) {
        port_reset(&console->ports[i].port);
        console->ports[i].tell = 0;
        console->ports[i].added = console->ports[i].ready = false;
    }
}

static void console_queue_reset(struct virtio_device *dev, struct virtq *vq)
{
    if (vq->index != RECEIVE_CONTROL && vq->index != SEND_CONTROL)
        port_queue_reset(&console_of(dev)->ports[port_of_queue(vq->index)].port, vq);
}

static int console_add(struct virtio_device *dev, const struct opts *opts)
{
    struct console *console = console_of(dev);
    const char *name = opts_str(opts, "name");
    unsigned id = console->count;
    struct port *port = &console->ports[id].port;

    for (unsigned i = 0; i < id; i++)
        if (strcmp(console->ports[i].port.name, name) == 0)
            return opts_error("--console name: there are two of %s", name);
    for (unsigned i = 0; i < id && opts_choice(opts, "to") == TO_STDIO; i++)
        if (console->ports[i].port.to == TO_STDIO)
            return opts_error("--console to: stdio: port %s has it", console->ports[i].port.name);
    console->count++;
    console->config.max_nr_ports = to_le32(console->count);
    dev->queue_count = (uint16_t)(console->count == 1 ? 4 : 2 * console->count + 2);
    port->dev = dev;
    port->rx = (uint16_t)(id == 0 ? 0 : 2 * id + 2);
    port->tx = (uint16_t)(port->rx + 1);
    port->changed = port_changed;
    return port_open(port, opts);
}

static int console_create(struct virtio_device *dev, const struct opts *opts)
{
    struct console *console = console_of(dev);

    dev->config = (uint8_t *)&console->config;
    dev->config_size = sizeof(console->config);
    return console_add(dev, opts);
}

static int console_finish(struct virtio_device *dev)
{
    const struct console *console = console_of(dev);
    int r = 0;

    for (unsigned i = 0; i < console->count; i++)
        if (console->ports[i].port.lost)
            r = -EIO;
    return r;
}

static void console_destroy(struct virtio_device *dev)
{
    struct console *console = console_of(dev);

    for (unsigned i = 0; i < console->count; i++)
        port_close(&console->ports[i].port);
}

/* -- commands -- */

static int read_ring(const struct console *console, const char *name, FILE *reply)
{
    for (unsigned i = 0; i < console->count; i++) {
        if (strcmp(console->ports[i].port.name, name) != 0)
            continue;
        int r = port_print(&console->ports[i].port, reply);
        return r < 0 ? virtio_refuse(reply, r, "that port keeps nothing (--console to=ring)") : 0;
    }
    return virtio_refuse(reply, -ENOENT, "there is no port of that name");
}

/* ports: a line each. read NAME: what its ring holds. */
static int console_command(struct virtio_device *dev, const char *const words[], FILE *reply)
{
    const struct console *console = console_of(dev);

    if (strcmp(words[0], "read") == 0 && words[1] != NULL && words[2] == NULL)
        return read_ring(console, words[1], reply);
    if (strcmp(words[0], "ports") != 0 || words[1] != NULL)
        return virtio_refuse(reply, -EINVAL, "consoles take `ports` and `read NAME`");
    for (unsigned i = 0; i < console->count; i++) {
        const struct port *port = &console->ports[i].port;
        (void)fprintf(reply, "%s: %s here, %s in the guest\n", port->name,
                      port_connected(port) ? "open" : "closed",
                      port->guest_open ? "open" : "closed");
    }
    return 0;
}

/* -- the class -- */

static const struct opt console_opts[] = {
    {"name", NULL, "what the guest finds it by: /sys/class/virtio-ports/*/name", OPT_NAME,
     .flags = OPT_REQUIRED},
    {"to", "null",
     "where its bytes go: null nowhere; ring keeps the last 64 KiB for `linnet control`; file and "
     "fifo a file, a FIFO; pty a terminal of this host; socket whoever connects; stdio standard "
     "output (with --serial none, stderr or file:FILE); fd an inherited socket. The last four also "
     "send to the guest",
     OPT_CHOICE, .choices = port_choices},
    {0},
};

const struct virtio_class virtio_console = {
    .name = "console",
    .help = "byte stream by name, a port of the machine's console device (virtio-console)",
    .id = VIRTIO_ID_CONSOLE,
    .features = 1ull << VIRTIO_F_IN_ORDER | 1ull << VIRTIO_CONSOLE_F_MULTIPORT,
    .queue_count = 4,
    .limits = {.size = 64, .chain_descs = PORT_PIECES_MAX, .held_iovs = PORT_PIECES_MAX},
    .instance_size = sizeof(struct console),
    .instance_offset = offsetof(struct console, dev),
    .opts = console_opts,
    .create = console_create,
    .add = console_add,
    .opts_max = PORTS_MAX,
    .destroy = console_destroy,
    .activate = console_activate,
    .reset = console_reset,
    .queue_reset = console_queue_reset,
    .notify = console_notify,
    .command = console_command,
    .finish = console_finish,
};
