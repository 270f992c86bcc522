/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What an interrupt costs the thread that sends it to a guest, by means: run by bench/irq.sh in the
 * rig's counting machine, whose thread clock counts instructions. The guest is a few instructions
 * on one CPU, and sleeps until the interrupt comes, as one that plays sound does: then the thread
 * of its CPU is woken, which is in the figure. Or it is busy, and that is the bare sending.
 *
 *   line     a pin of the IOAPIC, pulsed as the transport over mmio does it
 *   message  KVM_SIGNAL_MSI, as the transport over PCI does it
 *   irqfd    an eventfd with a route to the same message: how others who serve a queue send it
 *
 * x86_64 only. Prints "name value unit" rows.
 */
#include "arch/arch.h"
#include "vmm/vcpu.h"

#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>

#define ROUNDS   100
#define PATIENCE 100000 /* looks at a guest that has an interrupt to take */

#define RAM_BYTES 0x10000
#define CODE      0x1000
#define HANDLER   0x1100
#define TAKEN     0x2000 /* how many interrupts the guest has taken */
#define GDT       0x3000
#define IDT       0x4000
#define STACK     0x8000
#define VECTOR    0x40
#define SND_SLOT  1
#define IRQFD_GSI 30 /* not the IOAPIC's */

#define APIC_ADDR     0xfee00000
#define APIC_SPURIOUS 0xf0
#define APIC_ENABLED  0x100

static const uint8_t code[] = {
    0xfb,       /* 1: sti */
    0xf4,       /* hlt; or nop, where the guest is to be busy */
    0xeb, 0xfc, /* jmp 1b */
};

static const uint8_t handler[] = {
    0xff, 0x05, 0x00, 0x20, 0x00, 0x00,                         /* incl TAKEN */
    0xc7, 0x05, 0xb0, 0x00, 0xe0, 0xfe, 0x00, 0x00, 0x00, 0x00, /* movl $0, end of interrupt */
    0xcf,                                                       /* iret */
};

static struct memory mem;
static struct kvm kvm = {.fd = -1, .vm_fd = -1, .irqchip_fd = -1};
static struct loop loop;
static struct irq irq;
static int irqfd;

static void must(bool holds, const char *what)
{
    if (holds)
        return;
    (void)fprintf(stderr, "irq_cost: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* -- the guest -- */

static void put(gpa_t addr, const void *bytes, size_t len)
{
    must(memory_write(&mem, addr, bytes, len) == 0, "guest memory");
}

/* Flat segments, 1 of code and 2 of data, and one gate. */
static void tables_make(void)
{
    static const uint64_t gdt[] = {0, 0x00cf9b000000ffff, 0x00cf93000000ffff};
    const uint64_t gate = HANDLER | 8 << 16 | UINT64_C(0x8e00) << 32;

    put(GDT, gdt, sizeof(gdt));
    put(IDT + VECTOR * sizeof(gate), &gate, sizeof(gate));
}

static int registers_set(const struct vcpu *vcpu)
{
    const struct kvm_segment text = {
        .limit = UINT32_MAX, .selector = 8, .type = 11, .present = 1, .db = 1, .s = 1, .g = 1};
    const struct kvm_segment data = {
        .limit = UINT32_MAX, .selector = 16, .type = 3, .present = 1, .db = 1, .s = 1, .g = 1};
    struct kvm_regs regs = {.rip = CODE, .rsp = STACK, .rflags = 2};
    struct kvm_sregs sregs;
    int r = kvm_ioctl(vcpu->fd, KVM_GET_SREGS, &sregs);

    sregs.cs = text;
    sregs.ds = sregs.es = sregs.ss = data;
    sregs.cr0 |= 1; /* protected mode */
    sregs.gdt = (struct kvm_dtable){.base = GDT, .limit = 23};
    sregs.idt = (struct kvm_dtable){.base = IDT, .limit = 8 * (VECTOR + 1) - 1};
    if (r == 0)
        r = kvm_ioctl(vcpu->fd, KVM_SET_SREGS, &sregs);
    return r == 0 ? kvm_ioctl(vcpu->fd, KVM_SET_REGS, &regs) : r;
}

/* As a kernel would have left it: the local APIC on, and the first pin of a device open. */
static int interrupts_set(const struct vcpu *vcpu, uint32_t pin)
{
    struct kvm_irqchip chip = {.chip_id = KVM_IRQCHIP_IOAPIC};
    struct kvm_lapic_state apic;
    uint32_t spurious = APIC_ENABLED | 0xff;
    int r = kvm_ioctl(vcpu->fd, KVM_GET_LAPIC, &apic);

    memcpy(apic.regs + APIC_SPURIOUS, &spurious, sizeof(spurious));
    if (r == 0)
        r = kvm_ioctl(vcpu->fd, KVM_SET_LAPIC, &apic);
    if (r == 0)
        r = kvm_ioctl(kvm.vm_fd, KVM_GET_IRQCHIP, &chip);
    chip.chip.ioapic.redirtbl[pin].bits = VECTOR; /* fixed, edges, CPU 0 */
    return r == 0 ? kvm_ioctl(kvm.vm_fd, KVM_SET_IRQCHIP, &chip) : r;
}

/* Routes are set all at once: that of the line, too. */
static int irqfd_make(uint32_t pin)
{
    const struct kvm_irq_routing_entry entries[] = {
        {.gsi = pin,
         .type = KVM_IRQ_ROUTING_IRQCHIP,
         .u.irqchip = {.irqchip = KVM_IRQCHIP_IOAPIC, .pin = pin}},
        {.gsi = IRQFD_GSI,
         .type = KVM_IRQ_ROUTING_MSI,
         .u.msi = {.address_lo = APIC_ADDR, .data = VECTOR}},
    };
    struct kvm_irqfd request = {.gsi = IRQFD_GSI};
    auto_free struct kvm_irq_routing *routes = calloc(1, sizeof(*routes) + sizeof(entries));

    irqfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (routes == NULL || irqfd < 0)
        return -errno;
    routes->nr = ARRAY_SIZE(entries);
    memcpy(routes->entries, entries, sizeof(entries));
    request.fd = (uint32_t)irqfd;
    int r = kvm_ioctl(kvm.vm_fd, KVM_SET_GSI_ROUTING, routes);
    return r == 0 ? kvm_ioctl(kvm.vm_fd, KVM_IRQFD, &request) : r;
}

static void ended(struct vcpu_env *env, enum vm_end how)
{
    (void)env;
    must(how == VM_RUNNING, "the guest has ended");
}

static void guest_start(struct vcpu_env *vcpus)
{
    const struct memory_layout layout = {0, 0, 0};
    struct platform platform = {.cpu_count = 1, .mem = &mem};
    const uint32_t pin = arch_layout->virtio_irqs[SND_SLOT];

    must(memory_create(&mem, RAM_BYTES, &layout, MEMORY_PAGES_OFF) == 0, "memory");
    put(CODE, code, sizeof(code));
    put(HANDLER, handler, sizeof(handler));
    tables_make();
    must(kvm_open(&kvm) == 0 && kvm_create_vm(&kvm, 0) == 0, "KVM");
    must(kvm_add_memory(&kvm, &mem) == 0 && arch_vm_init(&kvm, &platform) == 0, "a machine");
    *vcpus = (struct vcpu_env){.kvm = &kvm, .mem = &mem, .end = ended};
    must(vcpus_create(vcpus, 1) == 0 && registers_set(vcpus->vcpu) == 0 &&
             interrupts_set(vcpus->vcpu, pin) == 0,
         "a CPU");
    must(loop_init(&loop) == 0 && irq_init(&irq) == 0 &&
             kvm_irq_connect(&kvm, &irq, &loop, arch_layout->irq_line_first + pin) == 0,
         "a line");
    must(irqfd_make(pin) == 0, "an irqfd");
    must(vcpus_start(vcpus) == 0, "its thread");
    vcpus_resume(vcpus);
}

/* -- the means -- */

static void by_line(void)
{
    irq_raise(&irq);
}

static void by_message(void)
{
    arch_message(&kvm, APIC_ADDR, VECTOR);
}

static void by_irqfd(void)
{
    (void)eventfd_write(irqfd, 1);
}

static void by_nothing(void)
{
}

/* -- the count -- */

static uint64_t thread_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * SECOND_NS + (uint64_t)now.tv_nsec;
}

static uint32_t taken_count(void)
{
    return __atomic_load_n((const uint32_t *)memory_at(&mem, TAKEN, 4), __ATOMIC_ACQUIRE);
}

/* The guest sleeps again some time after it has taken one. */
static void guest_wait(uint32_t count)
{
    const struct timespec a_while = {.tv_nsec = 200000};
    int left = PATIENCE;

    do
        (void)nanosleep(&a_while, NULL);
    while (taken_count() != count && --left > 0);
    must(left > 0, "the guest takes no interrupt");
}

static uint64_t cost(void (*send)(void), bool arrives)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < ROUNDS; i++) {
        uint32_t before = taken_count();
        uint64_t begin = thread_ns();
        send();
        sum += thread_ns() - begin;
        guest_wait(before + arrives);
    }
    return sum / ROUNDS;
}

static void rows(const char *guest)
{
    static const struct {
        const char *name;
        void (*send)(void);
    } means[] = {{"line", by_line}, {"message", by_message}, {"irqfd", by_irqfd}};
    uint64_t clock = cost(by_nothing, false);

    for (size_t i = 0; i < ARRAY_SIZE(means); i++)
        printf("interrupt.%s.%s %llu instructions\n", guest, means[i].name,
               (unsigned long long)(cost(means[i].send, true) - clock));
}

int main(void)
{
    struct vcpu_env vcpus;

    guest_start(&vcpus);
    rows("asleep");
    uint32_t before = taken_count();
    put(CODE + 1, "\x90", 1);
    by_message(); /* wakes it up for good */
    guest_wait(before + 1);
    rows("busy");
    vcpus_destroy(&vcpus);
    irq_fini(&irq);
    loop_fini(&loop);
    kvm_close(&kvm);
    memory_destroy(&mem);
    return 0;
}
