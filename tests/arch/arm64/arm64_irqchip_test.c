/* SPDX-License-Identifier: BSD-3-Clause */
/* What a VM is given on arm64 before and after it has vCPUs: addresses, a GIC, counters. */
#include "arch/arch.h"
#include "tests/arch/kvm_fixture.h"
#include "vmm/vcpu.h"

#include <string.h>

static struct platform platform;
static int device_fd; /* one of KVM's */

/* The attributes set, oldest first. */
static struct attr {
    uint32_t group;
    uint64_t attr, value;
} attrs[16];
static unsigned attr_count;
static uint32_t types_known[2]; /* of devices */
static int region_error;        /* of REDIST_REGION, which came with Linux 4.18 */

static int attr_noted(const struct fake_call *call)
{
    const struct kvm_device_attr *set = call->arg;
    struct attr *attr = &attrs[attr_count++];

    assert(attr_count <= ARRAY_SIZE(attrs));
    *attr = (struct attr){set->group, set->attr, 0};
    if (set->addr != 0)
        memcpy(&attr->value, (const void *)(uintptr_t)set->addr,
               set->group == KVM_DEV_ARM_VGIC_GRP_ADDR ? 8 : 4);
    return set->group == KVM_DEV_ARM_VGIC_GRP_ADDR &&
                   set->attr == KVM_VGIC_V3_ADDR_TYPE_REDIST_REGION
               ? -region_error
               : 0;
}

static int device_made(const struct fake_call *call)
{
    struct kvm_create_device *device = call->arg;

    if (device->type != types_known[0] && device->type != types_known[1])
        return -ENODEV;
    device->fd = (uint32_t)device_fd;
    return 0;
}

static void setup(void)
{
    kvm_fixture_setup();
    device_fd = kvm_ioctl_number(kvm.vm_fd, KVM_CREATE_VCPU, 0);
    platform = (struct platform){.cpu_count = 3};
    attr_count = 0;
    region_error = 0;
    types_known[0] = KVM_DEV_TYPE_ARM_VGIC_V3;
    types_known[1] = KVM_DEV_TYPE_ARM_VGIC_V2;
    fake_kvm_answer(KVM_CREATE_DEVICE, device_made);
    fake_kvm_answer(KVM_SET_DEVICE_ATTR, attr_noted);
}

static void teardown(void)
{
    if (kvm.irqchip_fd < 0)
        fd_close(&device_fd); /* nobody wanted it */
    kvm_fixture_teardown();
}

static void attr_is(unsigned n, uint32_t group, uint64_t attr, uint64_t value)
{
    ck_assert_uint_lt(n, attr_count);
    ck_assert_uint_eq(attrs[n].group, group);
    ck_assert_uint_eq(attrs[n].attr, attr);
    ck_assert_uint_eq(attrs[n].value, value);
}

/* -- addresses -- */

static const struct {
    gpa_t ram_end;
    int cap; /* KVM_CAP_ARM_VM_IPA_SIZE */
    int r;
    unsigned long type;
} types[] = {
    {0x60000000, 0, 0, 0}, /* an old kernel: 40 bits, and no way to ask for others */
    {0x10000000000, 0, 0, 0},       {0x10000000001, 0, -EINVAL, 0}, {0x60000000, 48, 0, 32},
    {0x100000000, 48, 0, 32},       {0x100000001, 48, 0, 33},       {0x10040000000, 48, 0, 41},
    {0x1040000000, 36, -EINVAL, 0},
};

static uint32_t cap_enabled;

static int cap_noted(const struct fake_call *call)
{
    const struct kvm_enable_cap *enable = call->arg;

    cap_enabled = enable->cap;
    return -EINVAL; /* a kernel before 5.5: it goes without */
}

START_TEST(undecoded_accesses_are_asked_for_where_they_can_be_answered)
{
    fake_kvm_answer(KVM_ENABLE_CAP, cap_noted);
    cap_enabled = 0;
    ck_assert_int_eq(arch_vm_init(&kvm, &platform), 0);
    ck_assert_uint_eq(cap_enabled, 0);
    fake_kvm_cap(KVM_CAP_ARM_INJECT_EXT_DABT, 1);
    ck_assert_int_eq(arch_vm_init(&kvm, &platform), 0);
    ck_assert_uint_eq(cap_enabled, KVM_CAP_ARM_NISV_TO_USER);
}
END_TEST

START_TEST(vm_has_addresses_for_its_ram)
{
    unsigned long type = 99;

    fake_kvm_cap(KVM_CAP_ARM_VM_IPA_SIZE, types[_i].cap);
    capture_start(&capture);
    int r = arch_vm_type(&kvm, types[_i].ram_end, &type);
    capture_end(&capture);
    ck_assert_int_eq(r, types[_i].r);
    ck_assert_uint_eq(type, r < 0 ? 99 : types[_i].type);
    ck_assert_int_eq(capture_is_one_error(capture.text), r < 0);
}
END_TEST

/* -- GIC -- */

START_TEST(gicv3_is_taken_where_there_is_one)
{
    ck_assert_int_eq(arch_vm_init(&kvm, &platform), 0);
    ck_assert_uint_eq(platform.irqchip, 3);
    ck_assert_uint_eq(attr_count, 3);
    attr_is(0, 0, 2, 0x08000000);                     /* distributor */
    attr_is(1, 0, 5, 0x080a0000 | (uint64_t)3 << 52); /* three redistributors */
    attr_is(2, 3, 0, 512);                            /* interrupts */
}
END_TEST

static const int region_errors[] = {ENXIO, ENODEV};

START_TEST(old_kernel_has_one_region_of_redistributors)
{
    region_error = region_errors[_i];
    ck_assert_int_eq(arch_vm_init(&kvm, &platform), 0);
    attr_is(2, 0, 3, 0x080a0000);
}
END_TEST

START_TEST(gicv2_is_taken_where_there_is_no_other)
{
    types_known[0] = 0;
    ck_assert_int_eq(arch_vm_init(&kvm, &platform), 0);
    ck_assert_uint_eq(platform.irqchip, 2);
    attr_is(0, 0, 0, 0x08000000);
    attr_is(1, 0, 1, 0x08010000); /* CPU interface */
    attr_is(2, 3, 0, 512);
}
END_TEST

START_TEST(host_without_a_gic_is_told)
{
    types_known[0] = types_known[1] = 0;
    capture_start(&capture);
    int r = arch_vm_init(&kvm, &platform);
    capture_end(&capture);
    ck_assert_int_eq(r, -ENODEV);
    ck_assert_one_error(capture.text, "neither a GICv3 nor a GICv2");
}
END_TEST

static const struct {
    unsigned after; /* attributes */
    int error;
    const char *word;
} refused[] = {
    {0, EINVAL, "place the GICv3"},
    {1, EINVAL, "place the GICv3"},
    {1, E2BIG, "place the GICv3"},
    {2, EBUSY, "512 interrupts"},
};

START_TEST(gic_that_cannot_be_placed_is_told)
{
    fake_kvm_fail(KVM_SET_DEVICE_ATTR, refused[_i].after, refused[_i].error);
    capture_start(&capture);
    int r = arch_vm_init(&kvm, &platform);
    capture_end(&capture);
    ck_assert_int_eq(r, -refused[_i].error);
    ck_assert_one_error(capture.text, refused[_i].word);
}
END_TEST

static const struct {
    unsigned cpus;
    int host_max;
    const char *line; /* NULL: they fit */
} counts[] = {
    {123, 0, NULL}, /* the next redistributor would lie on the serial port */
    {124, 0, "--cpus 124: this machine has at most 123"},
    {8, 8, NULL},
    {9, 8, "--cpus 9: this host's KVM allows at most 8"},
};

START_TEST(cpus_that_do_not_fit_are_refused)
{
    platform.cpu_count = counts[_i].cpus;
    fake_kvm_cap(KVM_CAP_MAX_VCPUS, counts[_i].host_max);
    capture_start(&capture);
    int r = arch_vm_init(&kvm, &platform);
    capture_end(&capture);
    ck_assert_int_eq(r, counts[_i].line == NULL ? 0 : -EINVAL);
    ck_assert(counts[_i].line == NULL || strstr(capture.text, counts[_i].line) != NULL);
}
END_TEST

/* -- behind the vCPUs -- */

START_TEST(gic_starts_and_each_vcpu_has_its_counters)
{
    struct vcpu vcpus[3] = {{.fd = kvm.vm_fd}, {.fd = kvm.vm_fd}, {.fd = kvm.vm_fd}};

    fake_kvm_cap(KVM_CAP_ARM_PMU_V3, 1);
    ck_assert_int_eq(arch_vm_init(&kvm, &platform), 0);
    ck_assert(platform.pmu);
    attr_count = 0;
    ck_assert_int_eq(arch_vm_ready(&kvm, &platform, vcpus), 0);
    ck_assert_uint_eq(attr_count, 7);
    attr_is(0, 4, 0, 0);                                               /* init */
    attr_is(5, KVM_ARM_VCPU_PMU_V3_CTRL, KVM_ARM_VCPU_PMU_V3_IRQ, 23); /* PPI 7 */
    attr_is(6, KVM_ARM_VCPU_PMU_V3_CTRL, KVM_ARM_VCPU_PMU_V3_INIT, 0);
}
END_TEST

START_TEST(start_that_fails_is_told)
{
    struct vcpu vcpus[3] = {{.fd = kvm.vm_fd}, {.fd = kvm.vm_fd}, {.fd = kvm.vm_fd}};

    fake_kvm_cap(KVM_CAP_ARM_PMU_V3, 1);
    ck_assert_int_eq(arch_vm_init(&kvm, &platform), 0);
    fake_kvm_fail(KVM_SET_DEVICE_ATTR, (unsigned)_i, EIO);
    capture_start(&capture);
    int r = arch_vm_ready(&kvm, &platform, vcpus);
    capture_end(&capture);
    ck_assert_int_eq(r, -EIO);
    ck_assert_one_error(capture.text, "");
}
END_TEST

/* -- messages -- */

static unsigned line_count;
static struct kvm_irq_level line[8];

static int line_noted(const struct fake_call *call)
{
    memcpy(&line[line_count++ % 8], call->arg, sizeof(line[0]));
    return 0;
}

static const struct {
    uint64_t addr;
    uint32_t data;
    bool taken;
} written[] = {
    {0x09040040, 96, true},   {0x09040040, 511, true},         {0x09040040, 95, false},
    {0x09040040, 512, false}, {0x09040040, UINT32_MAX, false}, {0x09040044, 96, false},
    {0, 96, false},           {0x109040040, 96, false},
};

/* The guest fills in the table of messages: only its own interrupts are in reach. */
START_TEST(message_is_an_edge_of_the_interrupt_that_it_names)
{
    line_count = 0;
    fake_kvm_answer(KVM_IRQ_LINE, line_noted);
    arch_message(&kvm, written[_i].addr, written[_i].data);
    ck_assert_uint_eq(line_count, written[_i].taken ? 2 : 0);
    for (unsigned i = 0; i < line_count; i++) {
        ck_assert_uint_eq(line[i].irq, 1u << 24 | written[_i].data); /* an SPI, by its INTID */
        ck_assert_uint_eq(line[i].level, i == 0);
    }
}
END_TEST

START_TEST(message_of_an_irqfd_is_the_pin_of_its_interrupt)
{
    struct kvm_irq_routing_entry entry = {0};

    ck_assert_int_eq(arch_message_route(written[_i].addr, written[_i].data, &entry),
                     written[_i].taken);
    if (!written[_i].taken)
        return;
    ck_assert_uint_eq(entry.type, 1);
    ck_assert_uint_eq(entry.u.irqchip.irqchip, 0);
    ck_assert_uint_eq(entry.u.irqchip.pin, written[_i].data - 32); /* an SPI */
    ck_assert_uint_eq(arch_line_routes(&entry), 0);
}
END_TEST

Suite *arm64_irqchip_suite(void);
Suite *arm64_irqchip_suite(void)
{
    Suite *suite = suite_create("arm64_irqchip");
    TCase *tcase = tcase_create("irqchip");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase, vm_has_addresses_for_its_ram, 0, ARRAY_SIZE(types));
    tcase_add_test(tcase, undecoded_accesses_are_asked_for_where_they_can_be_answered);
    tcase_add_test(tcase, gicv3_is_taken_where_there_is_one);
    tcase_add_loop_test(tcase, old_kernel_has_one_region_of_redistributors, 0,
                        ARRAY_SIZE(region_errors));
    tcase_add_test(tcase, gicv2_is_taken_where_there_is_no_other);
    tcase_add_test(tcase, host_without_a_gic_is_told);
    tcase_add_loop_test(tcase, gic_that_cannot_be_placed_is_told, 0, ARRAY_SIZE(refused));
    tcase_add_loop_test(tcase, cpus_that_do_not_fit_are_refused, 0, ARRAY_SIZE(counts));
    tcase_add_test(tcase, gic_starts_and_each_vcpu_has_its_counters);
    tcase_add_loop_test(tcase, start_that_fails_is_told, 0, 3);
    tcase_add_loop_test(tcase, message_is_an_edge_of_the_interrupt_that_it_names, 0,
                        ARRAY_SIZE(written));
    tcase_add_loop_test(tcase, message_of_an_irqfd_is_the_pin_of_its_interrupt, 0,
                        ARRAY_SIZE(written));
    suite_add_tcase(suite, tcase);
    return suite;
}
