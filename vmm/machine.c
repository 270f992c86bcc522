/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Builds a machine: see machine.h. machine_create() reads as the boot sequence; machine_destroy()
 * undoes it in reverse.
 */
#include "vmm/machine_inside.h"

#include "devices/registry.h"
#include "vmm/base/log.h"
#include "vmm/base/timebase.h"
#include "vmm/boot.h"
#include "vmm/hugepages.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#define WINDOW_ALIGN ((gpa_t)1 << 30) /* Linux adds memory by 128 MiB */

/* -- configuration -- */

const struct config_device_kind *machine_device_kinds(void)
{
    static struct config_device_kind kinds[VIRTIO_DEVICES_MAX + 8]; /* filled once, by main */
    size_t i;

    if (kinds[0].name != NULL)
        return kinds;
    for (i = 0; virtio_slots[i].class != NULL; i++)
        kinds[i] = (struct config_device_kind){
            .name = virtio_slots[i].class->name,
            .help = virtio_slots[i].class->help,
            .opts =
                transport_add_key(virtio_slots[i].class->opts, isolate_key(virtio_slots[i].class)),
            .count_max = MAX(virtio_slots[i].count, virtio_slots[i].class->opts_max),
        };
    kinds[i++] = boot_overlay_kind;
    for (size_t j = 0; run_kinds[j].name != NULL; j++)
        kinds[i++] = run_kinds[j];
    return kinds;
}

/* -- building -- */

static uint64_t mem_bytes(const struct machine *machine)
{
    return opts_bytes(machine->config->options, "mem");
}

/* Where RAM ends. */
static gpa_t ram_end(const struct machine *machine)
{
    const struct memory_layout *ram = &arch_layout->ram;
    gpa_t end = ram->base + mem_bytes(machine);

    return end <= ram->hole_start ? end : end + (ram->hole_end - ram->hole_start);
}

/* Places devices' windows behind RAM and its hole, in the order of slots, each at a multiple of
 * WINDOW_ALIGN. Where the last one ends, or RAM. */
static gpa_t place_windows(struct machine *machine)
{
    gpa_t end = ram_end(machine), next = MAX(end, arch_layout->ram.hole_end);

    for (unsigned i = 0; i < machine->virtio_count; i++) {
        struct virtio_device *dev = machine->virtio[i];
        if (dev->window_size == 0)
            continue;
        machine->window[i] = (next + WINDOW_ALIGN - 1) & ~(WINDOW_ALIGN - 1);
        next = end = machine->window[i] + dev->window_size;
        dev->class->placed(dev, machine->window[i]);
    }
    return end;
}

static int add_windows(struct machine *machine)
{
    int r = 0;

    for (unsigned i = 0; i < machine->virtio_count && r == 0; i++)
        if (machine->window[i] != 0)
            r = kvm_add_window(&machine->kvm, i, machine->window[i], machine->virtio[i]->window,
                               machine->virtio[i]->window_size);
    return r;
}

static int make_kvm(struct machine *machine)
{
    unsigned long type = 0;
    int r = kvm_open(&machine->kvm);

    if (r == 0)
        r = arch_vm_type(&machine->kvm, place_windows(machine), &type);
    return r < 0 ? r : kvm_create_vm(&machine->kvm, type);
}

static int make_memory(struct machine *machine)
{
    const struct opts *options = machine->config->options;
    int r = memory_create(&machine->mem, mem_bytes(machine), &arch_layout->ram,
                          (enum memory_pages)opts_choice(options, "hugepages"));

    if (r < 0)
        return hugepages_refused(r, options);
    r = kvm_add_memory(&machine->kvm, &machine->mem);
    return r < 0 ? r : add_windows(machine);
}

static int make_serial(struct machine *machine)
{
    const struct opts *options = machine->config->options;
    int r = serial_init(&machine->serial);

    machine->serial_made = true;
    if (r < 0)
        return log_error(r, "serial port");
    if (opts_choice(options, "serial") == CONFIG_SERIAL_KEEP || record_wanted(machine->config))
        r = console_keep(&machine->console);
    if (r < 0)
        return r;
    switch (opts_choice(options, "serial")) {
    case CONFIG_SERIAL_STDIO:
        return console_start(&machine->console, &machine->serial, STDOUT_FILENO);
    case CONFIG_SERIAL_STDERR:
        return console_start(&machine->console, &machine->serial, STDERR_FILENO);
    case CONFIG_SERIAL_FILE:
        machine->serial_fd =
            open(opts_choice_arg(options, "serial"),
                 O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0666);
        if (machine->serial_fd < 0)
            return log_error(-errno, "--serial file:%s", opts_choice_arg(options, "serial"));
        return console_start(&machine->console, &machine->serial, machine->serial_fd);
    default:
        return console_start(&machine->console, &machine->serial, -1);
    }
}

static int make_rtc(struct machine *machine)
{
    int r = rtc_init(&machine->rtc, &timebase_monotonic);

    if (r == 0)
        r = loop_add(&machine->loop, &machine->rtc.timer, EPOLLIN);
    return r < 0 ? log_error(r, "real-time clock") : 0;
}

static int make_watchdog(struct machine *machine)
{
    int r = watchdog_init(&machine->watchdog, &timebase_monotonic);

    if (r == 0)
        r = loop_add(&machine->loop, &machine->watchdog.timer, EPOLLIN);
    return r < 0 ? log_error(r, "watchdog") : 0;
}

static struct platform_device *new_row(struct machine *machine)
{
    assert(machine->platform.device_count < PLATFORM_DEVICES_MAX);
    return &machine->platform.device[machine->platform.device_count++];
}

/* Puts a device that is in no virtio slot on its bus, with its interrupt. */
static int add_fixed(struct machine *machine, const struct platform_device *device)
{
    const struct {
        const struct bus_ops *ops;
        void *ctx;
        struct irq *irq;
        int (*make)(struct machine *machine);
    } rows[] =
        {
            [PLATFORM_SERIAL] = {&serial_ops, &machine->serial, &machine->serial.irq},
            [PLATFORM_POWER] = {&power_ops, &machine->power},
            [PLATFORM_RESET] = {&i8042_ops, &machine->power},
            [PLATFORM_PANIC] = {&pvpanic_ops, &machine->power},
            [PLATFORM_RTC] = {&rtc_ops, &machine->rtc, &machine->rtc.irq, make_rtc},
            [PLATFORM_WATCHDOG] = {&watchdog_ops, &machine->watchdog, .make = make_watchdog},
        },
      *row = &rows[device->kind];
    struct bus *bus = device->port_io ? &machine->pio : &machine->mmio;

    machine->irq[machine->platform.device_count] = row->irq;
    *new_row(machine) = *device;
    int r = row->make != NULL ? row->make(machine) : 0;
    if (r < 0)
        return r;
    r = bus_add(bus, device->base, device->size, row->ops, row->ctx);
    return r < 0 ? log_error(r, "device at 0x%llx", (unsigned long long)device->base) : 0;
}

/* Puts a virtio device in its slot: registers, interrupt, and an eventfd for each queue's kick. */
static int add_mmio(struct machine *machine, struct virtio_device *dev, struct mmio *transport,
                    unsigned slot)
{
    struct platform_device *row = new_row(machine);

    *row = (struct platform_device){
        .kind = PLATFORM_VIRTIO,
        .index = slot,
        .base = arch_layout->virtio_base + slot * arch_layout->virtio_stride,
        .size = MMIO_SIZE,
        .irq = arch_layout->virtio_irqs[slot],
    };
    int r = mmio_init(transport, dev);
    if (r == 0)
        r = bus_add(&machine->mmio, row->base, row->size, &mmio_ops, transport);
    if (r < 0)
        return log_error(r, "%s at 0x%llx", dev->name, (unsigned long long)row->base);
    machine->irq[row - machine->platform.device] = &transport->irq;
    for (uint32_t q = 0; q < dev->queue_count && r == 0; q++)
        r = kvm_ioeventfd(&machine->kvm, dev->queue[q].kick.fd, row->base + MMIO_QUEUE_NOTIFY, q);
    if (r == 0)
        r = kvm_ioeventfd(&machine->kvm, transport->ack_fd, row->base + MMIO_INTERRUPT_ACK,
                          MMIO_ACK_QUEUES);
    return r;
}

/* The bus, before its devices. */
static int make_pci(struct machine *machine)
{
    const gpa_t config = arch_layout->pci_config, window = arch_layout->pci_window;

    *new_row(machine) =
        (struct platform_device){.kind = PLATFORM_PCI, .base = config, .size = PCI_ECAM_BYTES};
    pci_bus_init(&machine->pci, &machine->kvm, window, arch_layout->pci_window_size);
    int r = bus_add(&machine->mmio, config, PCI_ECAM_BYTES, &pci_ecam_ops, &machine->pci);
    if (r == 0)
        r = bus_add(&machine->mmio, window, arch_layout->pci_window_size, &pci_window_ops,
                    &machine->pci);
    return r < 0 ? log_error(r, "PCI bus") : 0;
}

static int add_virtio(struct machine *machine, unsigned i)
{
    struct transport *transport = &machine->transport[i];
    struct virtio_device *dev = machine->virtio[i];
    unsigned slot = machine->virtio_slot[i];

    assert(slot < arch_layout->virtio_slots);
    if (!machine->virtio_pci[i])
        return add_mmio(machine, dev, &transport->mmio, slot);
    int r = pci_bus_add(&machine->pci, slot, dev, &transport->pci);
    return r < 0 ? log_error(r, "%s on the PCI bus", dev->name) : 0;
}

static int make_devices(struct machine *machine)
{
    int r = make_serial(machine);

    for (unsigned i = 0; i < arch_layout->fixed_count && r == 0; i++)
        r = add_fixed(machine, &arch_layout->fixed[i]);
    if (r == 0 && opts_bool(machine->config->options, "watchdog"))
        r = add_fixed(machine, arch_layout->watchdog);
    if (r == 0 && transport_used(machine->config, CONFIG_TRANSPORT_PCI))
        r = make_pci(machine);
    for (unsigned i = 0; i < machine->virtio_count && r == 0; i++)
        r = add_virtio(machine, i);
    return r;
}

/* The user's words come last, so they win. With a command the kernel is quiet, a panic is the end
 * at once, and ciphers are not tested at each boot: a third of what running `true` would take. */
static int make_cmdline(struct machine *machine)
{
    const char *append = opts_str(machine->config->options, "append");
    const char *space = append[0] != '\0' ? " " : "";
    const char *more = machine->run != NULL ? " quiet panic=-1 cryptomgr.notests=1" : "";

    if (asprintf(&machine->cmdline, "%s%s%s%s", arch_layout->console_arg, more, space, append) <
        0) {
        machine->cmdline = NULL;
        return log_error(-ENOMEM, "command line");
    }
    if (strlen(machine->cmdline) >= arch_layout->cmdline_bytes_max)
        return log_error(-EINVAL, "--append: the command line may have %zu bytes",
                         arch_layout->cmdline_bytes_max - 1);
    machine->platform.cmdline = machine->cmdline;
    return 0;
}

static int make_vcpus(struct machine *machine, const struct arch_entry *entry)
{
    struct vcpu_env *vcpus = &machine->vcpus;
    int r = vcpus_create(vcpus, machine->platform.cpu_count);

    for (unsigned i = 0; i < vcpus->count && r == 0; i++)
        r = arch_vcpu_init(&vcpus->vcpu[i], vcpus->count, entry);
    if (r == 0)
        r = arch_vm_ready(&machine->kvm, &machine->platform, vcpus->vcpu);
    for (unsigned i = 0; i < machine->platform.device_count && r == 0; i++)
        if (machine->irq[i] != NULL)
            r = kvm_irq_connect(&machine->kvm, machine->irq[i], &machine->loop,
                                arch_layout->irq_line_first + machine->platform.device[i].irq);
    return r;
}

/* Will a stock kernel run here? */
static int check_kvm(struct machine *machine)
{
    enum arch_kvm_kind kind = ARCH_KVM_HARDWARE;
    int r = 0;

    if (opts_choice(machine->config->options, "kvm") == CONFIG_KVM_HARDWARE)
        r = arch_vcpu_probe(&machine->vcpus.vcpu[0], &kind);
    if (r == 0 && kind == ARCH_KVM_EMULATING)
        r = log_error(-ENODEV, KVM_DEVICE " only emulates: this host gives no hardware "
                                          "virtualization, and a stock kernel will not boot (use "
                                          "another host, or --kvm any for small test guests)");
    return r;
}

/* All there will be: the guest causes none. */
static int start_threads(struct machine *machine)
{
    int r = witness_start(&machine->witness, machine->virtio, machine->virtio_slot,
                          machine->virtio_count, machine->virtio_pci);

    machine->vcpus.events = witness_events(&machine->witness);
    if (r == 0)
        r = vcpus_start(&machine->vcpus);

    for (unsigned i = 0; i < machine->virtio_count && r == 0; i++)
        r = virtio_start(machine->virtio[i]);
    return r;
}

static int load(struct machine *machine, struct arch_entry *ret_entry)
{
    struct image made = {.name = "initramfs"};

    if (machine->run == NULL)
        return boot_load(machine->config, NULL, &machine->platform, ret_entry);
    made.bytes = machine->run->initramfs.at;
    made.size = machine->run->initramfs.size;
    return boot_load(machine->config, &made, &machine->platform, ret_entry);
}

static int start_session(struct machine *machine)
{
    if (machine->run == NULL)
        return 0;
    return session_start(&machine->session, machine->run, &machine->loop,
                         opts_ns(machine->config->options, "boot-limit"));
}

int machine_create(const struct config *config, struct run *run, struct machine **ret_machine)
{
    struct machine *machine = calloc(1, sizeof(*machine));
    struct arch_entry entry;
    int r;

    if (machine == NULL)
        return log_error(-ENOMEM, "machine");
    machine->config = config;
    machine->run = run;
    machine->kvm = (struct kvm){.fd = -1, .vm_fd = -1, .irqchip_fd = -1};
    machine->serial_fd = -1;
    wake_init(&machine->wake, &timebase_monotonic);
    machine->platform.cpu_count = (unsigned)opts_u64(config->options, "cpus");
    machine->platform.mem = &machine->mem;
    machine->platform.direct = opts_choice(config->options, "unpack") == CONFIG_UNPACK_HOST;
    machine->vcpus = (struct vcpu_env){
        .kvm = &machine->kvm, .mem = &machine->mem, .mmio = &machine->mmio, .pio = &machine->pio};
    machine_connect(machine);
    bus_init(&machine->mmio);
    bus_init(&machine->pio);
    r = ends_init(&machine->ends, config->options);
    if (r == 0)
        r = witness_open(&machine->witness, config->options);
    if (r == 0)
        r = loop_init(&machine->loop);
    if (r == 0)
        r = wake_on_signals(&machine->wake, &machine->loop);
    if (r == 0)
        r = machine_create_virtio(machine);
    if (r == 0)
        r = make_kvm(machine);
    if (r == 0)
        r = make_memory(machine);
    if (r == 0)
        r = arch_vm_init(&machine->kvm, &machine->platform);
    if (r == 0)
        r = make_devices(machine);
    if (r == 0)
        r = make_cmdline(machine);
    if (r == 0)
        r = load(machine, &entry);
    if (r == 0)
        r = make_vcpus(machine, &entry);
    if (r == 0)
        r = check_kvm(machine);
    if (r == 0 && opts_ns(config->options, "time-limit") > 0)
        r = wake_after(&machine->wake, &machine->loop, opts_ns(config->options, "time-limit"));
    if (r == 0)
        r = machine_control(machine);
    if (r == 0)
        r = start_session(machine);
    if (r == 0)
        r = start_threads(machine);
    if (r < 0) {
        machine_destroy(machine);
        return r;
    }
    *ret_machine = machine;
    return 0;
}

void machine_destroy(struct machine *machine)
{
    if (machine == NULL)
        return;
    vcpus_destroy(&machine->vcpus);
    terminal_close(&machine->terminal);
    (void)session_stop(&machine->session, VM_HOST_ERROR);
    (void)witness_end(&machine->witness); /* it told */
    bus_fini(&machine->mmio);
    bus_fini(&machine->pio);
    while (machine->virtio_count > 0) {
        virtio_destroy(machine->virtio[--machine->virtio_count]);
        (void)isolate_end(&machine->isolate[machine->virtio_count], ISOLATE_MS_MAX);
        isolate_fini(&machine->isolate[machine->virtio_count]);
        mmio_fini(&machine->transport[machine->virtio_count].mmio);
        pci_fini(&machine->transport[machine->virtio_count].pci);
    }
    witness_close(&machine->witness);
    control_destroy(machine->control);
    console_fini(&machine->console);
    ends_fini(&machine->ends);
    rtc_fini(&machine->rtc);
    watchdog_fini(&machine->watchdog);
    if (machine->serial_made)
        serial_fini(&machine->serial);
    fd_close(&machine->serial_fd);
    wake_fini(&machine->wake);
    loop_fini(&machine->loop);
    kvm_close(&machine->kvm);
    memory_destroy(&machine->mem);
    free(machine->cmdline);
    free(machine);
}
