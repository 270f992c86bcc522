/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See dsdt.h. Stock Linux finds virtio-mmio by LNRO0005, PCI by PNP0A03, and the serial port needs
 * its device (PNP0501) or user space cannot write to it.
 *
 * Processors are devices, too, for the sake of _CST: it gives Linux a cpuidle driver, and with that
 * a governor. Without one its idle loop (6.12.y) keeps the tick after any interrupt that is none,
 * so that each wakes the vCPU twice.
 *
 * Does not describe: buttons.
 */
#include "arch/x86_64/dsdt.h"
#include "arch/x86_64/layout.h"
#include "devices/power.h"

#include <stdio.h>

#define EISAID_PNP0501 0x0105d041 /* as a compiler of ACPI source packs them */
#define EISAID_PNP0A03 0x030ad041
#define EISAID_PNP0C02 0x020cd041

static void dsdt_resources(struct aml *aml, const struct platform_device *dev)
{
    aml_name(aml, "_CRS");
    size_t crs = aml_resources_open(aml);
    if (dev->port_io) {
        assert(dev->base <= UINT16_MAX && dev->size <= UINT8_MAX);
        aml_resource_ports(aml, (uint16_t)dev->base, (uint8_t)dev->size);
    } else {
        assert(dev->base <= UINT32_MAX && dev->size <= UINT32_MAX);
        aml_resource_memory(aml, (uint32_t)dev->base, (uint32_t)dev->size);
    }
    if (dev->irq != 0)
        aml_resource_irq(aml, dev->irq, dev->kind == PLATFORM_VIRTIO);
    aml_resources_close(aml, crs);
}

/* What a kind of device is to ACPI; kinds without a row are not in the DSDT. */
struct identity {
    enum platform_kind kind;
    char letter;     /* its devices are named letter + index in three digits */
    uint32_t eisaid; /* 0: hid is used */
    const char *hid;
    bool coherent; /* masters the bus, coherently */
};

static const struct identity identities[] = {
    {PLATFORM_SERIAL, 'S', EISAID_PNP0501, NULL, false},
    {PLATFORM_VIRTIO, 'V', 0, "LNRO0005", true},
    {PLATFORM_PANIC, 'P', 0, "QEMU0001", false},
};

static void dsdt_device(struct aml *aml, const struct platform_device *dev)
{
    const struct identity *id = NULL;
    char name[5];

    for (size_t i = 0; i < ARRAY_SIZE(identities) && id == NULL; i++)
        if (identities[i].kind == dev->kind)
            id = &identities[i];
    if (id == NULL)
        return;
    assert(dev->index <= 999);
    (void)snprintf(name, sizeof(name), "%c%03u", id->letter, dev->index % 1000);
    size_t device = aml_device_open(aml, name);
    aml_name(aml, "_HID");
    if (id->hid != NULL)
        aml_string(aml, id->hid);
    else
        aml_int(aml, id->eisaid);
    aml_name(aml, "_UID");
    aml_int(aml, dev->index);
    if (id->coherent) {
        aml_name(aml, "_CCA");
        aml_int(aml, 1);
    }
    dsdt_resources(aml, dev);
    aml_close(aml, device);
}

/* A processor, with one idle state: C1, which is HLT (ACPI 6.5 §8.4.1.1). Its latency is said to be
 * the least there is, so that Linux halts whenever it is idle: it would poll where the latency is
 * more than half of what it expects to sleep, or more than a program has asked for. */
static void dsdt_processor(struct aml *aml, unsigned index)
{
    char name[5];

    assert(index <= 999);
    (void)snprintf(name, sizeof(name), "C%03u", index % 1000);
    size_t device = aml_device_open(aml, name);
    aml_name(aml, "_HID");
    aml_string(aml, "ACPI0007");
    aml_name(aml, "_UID"); /* as in the MADT */
    aml_int(aml, index);
    aml_name(aml, "_CST");
    size_t states = aml_package_open(aml, 2);
    aml_int(aml, 1);
    size_t state = aml_package_open(aml, 4);
    size_t how = aml_resources_open(aml);
    aml_resource_fixed_hardware(aml);
    aml_resources_close(aml, how);
    aml_int(aml, 1); /* C1 */
    aml_int(aml, 1); /* us */
    aml_int(aml, 0); /* mW: unknown */
    aml_close(aml, state);
    aml_close(aml, states);
    aml_close(aml, device);
}

/* The PCI bus. Linux finds a root bridge by PNP0A03. It has no _PRT, for no device has a pin, and
 * no _OSC, for there is nothing to negotiate. Its configuration space is in the MCFG, which Linux
 * 6.1 believes only if a PNP0C02 device reserves the same addresses. */
static void dsdt_pci(struct aml *aml, const struct platform_device *config)
{
    size_t device = aml_device_open(aml, "PCI0");
    aml_name(aml, "_HID");
    aml_int(aml, EISAID_PNP0A03);
    aml_name(aml, "_UID");
    aml_int(aml, 0);
    aml_name(aml, "_CCA");
    aml_int(aml, 1);
    aml_name(aml, "_CRS");
    size_t crs = aml_resources_open(aml);
    aml_resource_buses(aml, 0, 0);
    aml_resource_window(aml, LAYOUT_PCI_WINDOW, LAYOUT_PCI_WINDOW_SIZE);
    aml_resources_close(aml, crs);
    aml_close(aml, device);

    device = aml_device_open(aml, "RES0");
    aml_name(aml, "_HID");
    aml_int(aml, EISAID_PNP0C02);
    aml_name(aml, "_CRS");
    crs = aml_resources_open(aml);
    aml_resource_memory(aml, (uint32_t)config->base, (uint32_t)config->size);
    aml_resources_close(aml, crs);
    aml_close(aml, device);
}

void dsdt_write(struct aml *aml, const struct platform *platform)
{
    const struct platform_device *pci = platform_find(platform, PLATFORM_PCI);
    size_t scope = aml_scope_open(aml, "_SB_");

    for (unsigned i = 0; i < platform->cpu_count; i++)
        dsdt_processor(aml, i);
    for (unsigned i = 0; i < platform->device_count; i++)
        dsdt_device(aml, &platform->device[i]);
    if (pci != NULL)
        dsdt_pci(aml, pci);
    aml_close(aml, scope);
    if (platform_find(platform, PLATFORM_POWER) != NULL) {
        aml_name(aml, "_S5_");
        size_t package = aml_package_open(aml, 4);
        aml_int(aml, POWER_S5_TYPE); /* for the sleep control register */
        for (unsigned i = 0; i < 3; i++)
            aml_int(aml, 0);
        aml_close(aml, package);
    }
}
