/* SPDX-License-Identifier: BSD-3-Clause */
/* Makes a machine's virtio devices from its options, and finds the slot of each: see machine.h. */
#include "vmm/machine_inside.h"

#include "devices/registry.h"

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

/* A device that a process of its own serves has its name and its slot all the same. */
static int create_isolated(struct machine *machine, const struct virtio_class *class,
                           unsigned index, const struct opts *opts, unsigned at)
{
    struct isolate *isolate = &machine->isolate[at];
    struct virtio_device **dev = &machine->virtio[at];
    char keys[64];
    struct opts *mine;
    int fd;
    int r = opts_create(virtio_isolated.opts, &mine);

    isolate->class = class;

    if (r < 0)
        return r;
    r = isolate_start(isolate, "/proc/self/exe", index, opts, &machine->loop, &fd);
    if (r == 0) {
        (void)snprintf(keys, sizeof(keys), "kind=%u,fd=%d", class->id, fd);
        (void)opts_parse(mine, "", keys); /* they are good */
        const struct opts *const all[] = {mine};
        r = virtio_create(&virtio_isolated, index, &machine->mem, all, 1, dev);
    }
    opts_destroy(mine);
    if (r == 0) {
        memcpy((*dev)->name, isolate->name, sizeof(isolate->name));
        return 0;
    }
    int said = isolate_end(isolate, ISOLATE_MS_MAX);
    isolate_fini(isolate);
    return said < 0 ? said : r;
}

static int create_one(struct machine *machine, const struct virtio_class *class, unsigned index,
                      const struct opts *const opts[], unsigned count)
{
    unsigned at = machine->virtio_count;

    if (opts[0] != NULL && isolate_wanted(opts[0]))
        return create_isolated(machine, class, index, opts[0], at);
    return virtio_create(class, index, &machine->mem, opts, count, &machine->virtio[at]);
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
        r = create_one(machine, class, i, &opts[i], step);
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
