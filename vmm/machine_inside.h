/* SPDX-License-Identifier: BSD-3-Clause */
/* What a machine is made of: for machine.c, which builds it, and machine_run.c. */
#pragma once

#include "arch/arch.h"
#include "devices/power.h"
#include "devices/rtc.h"
#include "devices/serial.h"
#include "devices/watchdog.h"
#include "virtio/mmio.h"
#include "vmm/config/transport.h"
#include "vmm/console.h"
#include "vmm/control/control.h"
#include "vmm/isolate.h"
#include "vmm/machine.h"
#include "vmm/pci_bus.h"
#include "vmm/run/session.h"
#include "vmm/terminal.h"
#include "vmm/vcpu.h"
#include "vmm/wake.h"
#include "vmm/witness.h"

#define VIRTIO_DEVICES_MAX 32

/* What a device is behind. */
struct transport {
    struct mmio mmio; /* one of these two is in use */
    struct pci pci;
};

struct machine {
    const struct config *config;
    struct kvm kvm;
    struct memory mem;
    struct bus mmio, pio;
    struct platform platform;
    struct irq *irq[PLATFORM_DEVICES_MAX]; /* of each row of platform; NULL: none */
    char *cmdline;                         /* owned */
    struct serial serial;
    int serial_fd; /* owned; -1: standard output or none */
    bool serial_made;
    struct console console;
    struct ends ends; /* the console's thread's, then main's */
    struct power power;
    struct rtc rtc;
    struct watchdog watchdog;
    unsigned virtio_count;
    struct virtio_device *virtio[VIRTIO_DEVICES_MAX];
    unsigned virtio_slot[VIRTIO_DEVICES_MAX];
    bool virtio_pci[VIRTIO_DEVICES_MAX]; /* what each is behind */
    struct transport transport[VIRTIO_DEVICES_MAX];
    struct pci_bus pci;
    struct isolate isolate[VIRTIO_DEVICES_MAX]; /* of devices that are processes of their own */
    gpa_t window[VIRTIO_DEVICES_MAX];           /* where the guest sees it; 0: it has none */
    struct vcpu_env vcpus;

    const struct run *run; /* borrowed; NULL: no command */
    struct session session;

    struct witness witness;
    struct loop loop;
    struct control_vm control_vm;
    struct control *control; /* owned; NULL: nobody asked for it */
    struct terminal terminal;
    struct wake wake;
    _Atomic int end; /* enum vm_end; vCPU threads and main, the first one stays */

    uint64_t began_ns; /* when vCPUs were let go first; main, as all that follows */
    bool paused;
    struct arch_time time; /* the guest's, while paused */
    uint64_t paused_at_ns;
};

/* Main, before there is guest RAM or KVM: some devices fork helpers, which are to have none of it.
 * -errno after a line; what was made is machine->virtio. */
int machine_create_virtio(struct machine *machine);

/* What parts of a machine call to end it, or to have it do something. */
void machine_connect(struct machine *machine);
/* Makes the control socket, if one is wanted. Logged. */
int machine_control(struct machine *machine);
