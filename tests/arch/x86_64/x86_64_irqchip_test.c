/* SPDX-License-Identifier: BSD-3-Clause */
/* What a VM is given on x86 before it has vCPUs. */
#include "arch/arch.h"
#include "tests/arch/kvm_fixture.h"

#include <string.h>

static struct platform platform;

static void setup(void)
{
    kvm_fixture_setup();
    platform = (struct platform){.cpu_count = 1};
}

static struct kvm_enable_cap quirk;
static struct kvm_ioeventfd dropped;

static int quirk_noted(const struct fake_call *call)
{
    memcpy(&quirk, call->arg, sizeof(quirk));
    return 0;
}

static uint8_t pic_mask[2];

static int irqchip_noted(const struct fake_call *call)
{
    const struct kvm_irqchip *chip = call->arg;

    ck_assert_uint_le(chip->chip_id, 1); /* the two PICs */
    pic_mask[chip->chip_id] = chip->chip.pic.imr;
    return 0;
}

static int ioeventfd_noted(const struct fake_call *call)
{
    memcpy(&dropped, call->arg, sizeof(dropped));
    return 0;
}

START_TEST(any_ram_fits_a_vm_of_type_0)
{
    unsigned long type = 1;

    ck_assert_int_eq(arch_vm_type(&kvm, 1ull << 46, &type), 0);
    ck_assert_uint_eq(type, 0);
}
END_TEST

START_TEST(controllers_come_behind_what_intel_wants)
{
    ck_assert_int_eq(arch_vm_init(&kvm, &platform), 0);
    ck_assert_int_eq(arch_vm_ready(&kvm, &platform, NULL), 0);
    ck_assert_uint_eq(fake_kvm_count(KVM_CREATE_IRQCHIP), 1);
    ck_assert_uint_lt(fake_kvm_first(KVM_SET_TSS_ADDR), fake_kvm_first(KVM_CREATE_IRQCHIP));
    ck_assert_uint_lt(fake_kvm_first(KVM_SET_IDENTITY_MAP_ADDR),
                      fake_kvm_first(KVM_CREATE_IRQCHIP));
    ck_assert_uint_eq(fake_kvm_call(fake_kvm_first(KVM_SET_TSS_ADDR))->number, 0xfffbd000);
    ck_assert_uint_eq(fake_kvm_count(KVM_CREATE_PIT2), 0);
}
END_TEST

/* Else GSI 5 comes as vector 5, too, to kernels that never mask the old controller. */
START_TEST(lint0_starts_masked)
{
    fake_kvm_answer(KVM_ENABLE_CAP, quirk_noted);
    ck_assert_int_eq(arch_vm_init(&kvm, &platform), 0);
    ck_assert_uint_eq(quirk.cap, KVM_CAP_DISABLE_QUIRKS);
    ck_assert_uint_eq(quirk.args[0], 1); /* KVM_X86_QUIRK_LINT0_REENABLED */
}
END_TEST

/* Else an edge that the IOAPIC ignores counts as one that was taken. */
START_TEST(pic_takes_no_interrupt)
{
    fake_kvm_answer(KVM_SET_IRQCHIP, irqchip_noted);
    ck_assert_int_eq(arch_vm_init(&kvm, &platform), 0);
    ck_assert_uint_eq(pic_mask[0], 0xff);
    ck_assert_uint_eq(pic_mask[1], 0xff);
}
END_TEST

START_TEST(writes_to_the_address_port_of_pci_are_dropped)
{
    fake_kvm_answer(KVM_IOEVENTFD, ioeventfd_noted);
    ck_assert_int_eq(arch_vm_init(&kvm, &platform), 0);
    ck_assert_uint_eq(dropped.addr, 0xcf8);
    ck_assert_uint_eq(dropped.len, 4);
    ck_assert_uint_eq(dropped.flags, 2);              /* a port; whatever is written */
    ck_assert_int_eq(fcntl(dropped.fd, F_GETFD), -1); /* KVM has its own hold on it */
}
END_TEST

static struct kvm_msi msi;

static int msi_noted(const struct fake_call *call)
{
    memcpy(&msi, call->arg, sizeof(msi));
    return 1;
}

START_TEST(message_goes_to_the_local_apics)
{
    fake_kvm_answer(KVM_SIGNAL_MSI, msi_noted);
    arch_message(&kvm, 0x1fee01000, 0x4055);
    ck_assert_uint_eq(msi.address_lo, 0xfee01000);
    ck_assert_uint_eq(msi.address_hi, 1);
    ck_assert_uint_eq(msi.data, 0x4055);
    ck_assert_uint_eq(msi.flags, 0);
}
END_TEST

START_TEST(message_of_an_irqfd_goes_there_too)
{
    struct kvm_irq_routing_entry entry = {0};

    ck_assert(arch_message_route(0x1fee01000, 0x4055, &entry));
    ck_assert_uint_eq(entry.type, 2);
    ck_assert_uint_eq(entry.u.msi.address_lo, 0xfee01000);
    ck_assert_uint_eq(entry.u.msi.address_hi, 1);
    ck_assert_uint_eq(entry.u.msi.data, 0x4055);
}
END_TEST

/* Lines 0 to 15 are pins of the two PICs and of the IOAPIC, which is the third chip; to 23 its. */
START_TEST(lines_go_where_kvm_has_them_first)
{
    struct kvm_irq_routing_entry entry[ARCH_LINE_ROUTES_MAX];

    ck_assert_uint_eq(arch_line_routes(entry), 40);
    for (unsigned i = 0; i < 40; i++) {
        ck_assert_uint_eq(entry[i].type, 1);
        ck_assert_uint_eq(entry[i].flags, 0);
        ck_assert_uint_eq(entry[i].gsi, i < 16 ? i : i - 16);
        ck_assert_uint_eq(entry[i].u.irqchip.irqchip, i < 8 ? 0 : i < 16 ? 1 : 2);
        ck_assert_uint_eq(entry[i].u.irqchip.pin, i < 8 ? i : i < 16 ? i - 8 : i - 16);
    }
}
END_TEST

START_TEST(each_ioctl_that_fails_is_told)
{
    unsigned failed = kvm_fixture_fail_each(arch_vm_init, &platform);

    ck_assert_uint_eq(failed, 7);
}
END_TEST

START_TEST(eventfd_that_fails_is_told)
{
    wrap_fail_after(WRAP_EVENTFD, 0, EMFILE);
    capture_start(&capture);
    int r = arch_vm_init(&kvm, &platform);
    capture_end(&capture);
    wrap_stop(WRAP_EVENTFD);
    ck_assert_int_eq(r, -EMFILE);
    ck_assert_one_error(capture.text, "");
}
END_TEST

static const struct {
    unsigned cpus;
    int host_max;
    const char *line; /* NULL: they fit */
} counts[] = {
    {255, 0, NULL},
    {256, 0, "--cpus 256: this machine has at most 255"},
    {4, 4, NULL},
    {5, 4, "--cpus 5: this host's KVM allows at most 4"},
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

Suite *x86_64_irqchip_suite(void);
Suite *x86_64_irqchip_suite(void)
{
    Suite *suite = suite_create("x86_64_irqchip");
    TCase *tcase = tcase_create("irqchip");

    tcase_add_checked_fixture(tcase, setup, kvm_fixture_teardown);
    tcase_add_test(tcase, any_ram_fits_a_vm_of_type_0);
    tcase_add_test(tcase, controllers_come_behind_what_intel_wants);
    tcase_add_test(tcase, lint0_starts_masked);
    tcase_add_test(tcase, pic_takes_no_interrupt);
    tcase_add_test(tcase, writes_to_the_address_port_of_pci_are_dropped);
    tcase_add_test(tcase, message_goes_to_the_local_apics);
    tcase_add_test(tcase, message_of_an_irqfd_goes_there_too);
    tcase_add_test(tcase, lines_go_where_kvm_has_them_first);
    tcase_add_test(tcase, each_ioctl_that_fails_is_told);
    tcase_add_test(tcase, eventfd_that_fails_is_told);
    tcase_add_loop_test(tcase, cpus_that_do_not_fit_are_refused, 0, ARRAY_SIZE(counts));
    suite_add_tcase(suite, tcase);
    return suite;
}
