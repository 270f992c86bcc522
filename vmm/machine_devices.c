/* SPDX-License-Identifier: BSD-3-Clause */
/* Makes a machine's virtio devices from its options, and finds the slot of each: see machine.h. */
#include "vmm/machine_inside.h"

#include "devices/registry.h"
#include "vmm/base/log.h"

#include <string.h>

#define OPTIONS_OF_CLASS_MAX 32

/* A device whose type is known only now. Those before it have their slots. */
static int find_slot(struct machine *machine, unsigned at)
{
    const struct virtio_device *dev = machine->virtio[at];
    uint32_t taken = 0;

    for (unsigned i = 0; i < at; i++)
        taken |= 1u << machine->virtio_slot[i];
    int slot = virtio_slot_free(dev->id, taken);
    if (slot < 0)
        return opts_error("--%s: one too many; no slot is left for a device of type %u",
                          dev->class->name, dev->id);
    machine->virtio_slot[at] = (unsigned)slot;
    return 0;
}

/* One instance from each option, or where the class has it so from all of them. */
static int create_class(struct machine *machine, const struct virtio_slots *slots)
{
    const struct virtio_class *class = slots->class;
    unsigned count = config_count(machine->config, class->name);
    const struct opts *opts[OPTIONS_OF_CLASS_MAX];
    int r = 0;

    assert(count <= OPTIONS_OF_CLASS_MAX);
    for (unsigned i = 0; i < count; i++)
        opts[i] = config_device(machine->config, class->name, i);
    const unsigned step = class->add != NULL ? count : 1;
    for (unsigned i = 0; i < count && r == 0; i += step) {
        unsigned at = machine->virtio_count;
        if (at == VIRTIO_DEVICES_MAX)
            return opts_error("--%s: one too many; a machine has at most %u devices", class->name,
                              VIRTIO_DEVICES_MAX);
        machine->virtio_pci[at] =
            transport_of(machine->config, &opts[i], step) == CONFIG_TRANSPORT_PCI;
        r = virtio_create(class, i, &machine->mem, &opts[i], step, &machine->virtio[at]);
        machine->virtio_count += r == 0;
        machine->virtio_slot[at] = slots->first + i;
        if (r == 0 && slots->first == VIRTIO_SLOT_FREE)
            r = find_slot(machine, at);
    }
    return r;
}

/* Standard input and output are one's alone. */
static int check_stdio(const struct machine *machine)
{
    bool serial = opts_choice(machine->config->options, "serial") == CONFIG_SERIAL_STDIO;
    bool port = false;

    for (unsigned i = 0; i < config_count(machine->config, "console"); i++)
        port |= strcmp(opts_str(config_device(machine->config, "console", i), "to"), "stdio") == 0;
    if (port && machine->run != NULL)
        return opts_error("--console to: stdio: standard input and output are the command's");
    if (port && serial)
        return opts_error("--console to: stdio: the serial console has it; add --serial none, "
                          "stderr or file:FILE");
    return 0;
}

int machine_create_virtio(struct machine *machine)
{
    int r = check_stdio(machine);

    for (size_t i = 0; virtio_slots[i].class != NULL && r == 0; i++)
        r = create_class(machine, &virtio_slots[i]);
    return r;
}
