/* SPDX-License-Identifier: BSD-3-Clause */
/* Features and first registers of arm64 vCPUs, and what is said of one that crashed. */
#include "vmm/vcpu.h"

#include "tests/arch/kvm_fixture.h"

#include <string.h>

static struct memory mem;
static struct bus mmio;
static struct vcpu_env env;
static struct vcpu *vcpu, *second;

static struct kvm_vcpu_init init;
static struct {
    uint64_t id, value;
} regs[4];
static unsigned reg_count;

static int preferred(const struct fake_call *call)
{
    struct kvm_vcpu_init *target = call->arg;

    memset(target, 0xff, sizeof(*target)); /* features of its own count for nothing */
    target->target = KVM_ARM_TARGET_GENERIC_V8;
    return 0;
}

static int init_noted(const struct fake_call *call)
{
    memcpy(&init, call->arg, sizeof(init));
    return 0;
}

static int reg_noted(const struct fake_call *call)
{
    const struct kvm_one_reg *reg = call->arg;

    assert(reg_count < ARRAY_SIZE(regs));
    regs[reg_count].id = reg->id;
    memcpy(&regs[reg_count++].value, (const void *)(uintptr_t)reg->addr, 8);
    return 0;
}

static void setup(void)
{
    kvm_fixture_setup();
    bus_init(&mmio);
    ck_assert_int_eq(memory_create(&mem, 1 << 20,
                                   &(struct memory_layout){0x40000000, 0x40000000, 0x40000000},
                                   MEMORY_PAGES_OFF),
                     0);
    fake_kvm_answer(KVM_ARM_PREFERRED_TARGET, preferred);
    fake_kvm_answer(KVM_ARM_VCPU_INIT, init_noted);
    fake_kvm_answer(KVM_SET_ONE_REG, reg_noted);
    reg_count = 0;
    env = (struct vcpu_env){.kvm = &kvm, .mem = &mem, .mmio = &mmio};
    ck_assert_int_eq(vcpus_create(&env, 2), 0);
    vcpu = &env.vcpu[0];
    second = &env.vcpu[1];
}

static void teardown(void)
{
    vcpus_destroy(&env);
    bus_fini(&mmio);
    memory_destroy(&mem);
    kvm_fixture_teardown();
}

static const struct arch_entry entry = {
    .kind = ENTRY_LINUX_ARM64, .pc = 0x40200000, .arg = 0x44000000};

/* booting.rst: x0 the device tree; the rest is KVM's reset state. */
START_TEST(first_vcpu_starts_at_the_entry)
{
    ck_assert_int_eq(arch_vcpu_init(vcpu, 1, &entry), 0);
    ck_assert_uint_eq(init.target, KVM_ARM_TARGET_GENERIC_V8);
    ck_assert_uint_eq(init.features[0], 1u << KVM_ARM_VCPU_PSCI_0_2);
    ck_assert_uint_eq(reg_count, 2);
    ck_assert_uint_eq(regs[0].id, 0x6030000000100040); /* pc */
    ck_assert_uint_eq(regs[0].value, 0x40200000);
    ck_assert_uint_eq(regs[1].id, 0x6030000000100000); /* x0 */
    ck_assert_uint_eq(regs[1].value, 0x44000000);
    ck_assert_uint_eq(fake_kvm_count(KVM_ARM_VCPU_FINALIZE), 0);
}
END_TEST

START_TEST(other_vcpus_are_off)
{
    ck_assert_int_eq(arch_vcpu_init(second, 2, &entry), 0);
    ck_assert_uint_eq(init.features[0], 1u << KVM_ARM_VCPU_PSCI_0_2 | 1u << KVM_ARM_VCPU_POWER_OFF);
    ck_assert_uint_eq(reg_count, 0);
}
END_TEST

static const struct {
    long caps[2];
    uint32_t feature_bits;
} features[] = {
    {{KVM_CAP_ARM_PMU_V3}, 1u << KVM_ARM_VCPU_PMU_V3},
    {{KVM_CAP_ARM_SVE}, 1u << KVM_ARM_VCPU_SVE},
    {{KVM_CAP_ARM_PTRAUTH_ADDRESS}, 0}, /* both or none */
    {{KVM_CAP_ARM_PTRAUTH_ADDRESS, KVM_CAP_ARM_PTRAUTH_GENERIC},
     1u << KVM_ARM_VCPU_PTRAUTH_ADDRESS | 1u << KVM_ARM_VCPU_PTRAUTH_GENERIC},
};

START_TEST(what_the_host_can_give_is_taken)
{
    for (unsigned i = 0; i < 2; i++)
        fake_kvm_cap(features[_i].caps[i], 1);
    ck_assert_int_eq(arch_vcpu_init(vcpu, 1, &entry), 0);
    ck_assert_uint_eq(init.features[0] & ~(1u << KVM_ARM_VCPU_PSCI_0_2), features[_i].feature_bits);
    ck_assert_uint_eq(fake_kvm_count(KVM_ARM_VCPU_FINALIZE),
                      features[_i].feature_bits == 1u << KVM_ARM_VCPU_SVE);
}
END_TEST

static const unsigned long needed[] = {KVM_ARM_PREFERRED_TARGET, KVM_ARM_VCPU_INIT,
                                       KVM_ARM_VCPU_FINALIZE, KVM_SET_ONE_REG};

START_TEST(each_ioctl_that_fails_is_told)
{
    fake_kvm_cap(KVM_CAP_ARM_SVE, 1);
    fake_kvm_fail(needed[_i], 0, EIO);
    capture_start(&capture);
    int r = arch_vcpu_init(vcpu, 1, &entry);
    capture_end(&capture);
    ck_assert_int_eq(r, -EIO);
    ck_assert_one_error(capture.text, "");
}
END_TEST

static uint8_t abort_pending;

static int events_noted(const struct fake_call *call)
{
    const struct kvm_vcpu_events *events = call->arg;

    abort_pending = events->exception.ext_dabt_pending;
    return events->exception.serror_pending == 0 ? 0 : -EINVAL;
}

START_TEST(access_that_kvm_cannot_decode_is_an_abort_of_the_guests)
{
    fake_kvm_answer(KVM_SET_VCPU_EVENTS, events_noted);
    abort_pending = 0;
    vcpu->run->exit_reason = KVM_EXIT_ARM_NISV;
    ck_assert(arch_vcpu_exit(vcpu));
    ck_assert_uint_eq(abort_pending, 1);
    fake_kvm_fail(KVM_SET_VCPU_EVENTS, 0, EINVAL);
    ck_assert(!arch_vcpu_exit(vcpu));
}
END_TEST

START_TEST(no_other_exit_is_its_own)
{
    vcpu->run->exit_reason = KVM_EXIT_DEBUG;
    ck_assert(!arch_vcpu_exit(vcpu));
}
END_TEST

/* -- a crash -- */

static int reg_of_a_crash(const struct fake_call *call)
{
    const struct kvm_one_reg *reg = call->arg;
    uint64_t value = 0xfeed;

    if (reg->id == 0x6030000000100040)
        value = 0x40001000;
    else if (reg->id == 0x603000000010003c) /* x30 */
        return -EINVAL;                     /* cannot be read: shown as 0 */
    memcpy((void *)(uintptr_t)reg->addr, &value, sizeof(value));
    return 0;
}

START_TEST(dump_has_registers_and_code)
{
    ck_assert_int_eq(memory_write(&mem, 0x40001000, "\x1f\x20\x03\xd5", 4), 0);
    fake_kvm_answer(KVM_GET_ONE_REG, reg_of_a_crash);
    capture_start(&capture);
    arch_vcpu_dump(vcpu);
    capture_end(&capture);
    ck_assert_ptr_nonnull(strstr(capture.text, "pc=0000000040001000"));
    ck_assert_ptr_nonnull(strstr(capture.text, "x29=000000000000feed"));
    ck_assert_ptr_nonnull(strstr(capture.text, "x30=0000000000000000"));
    ck_assert_ptr_nonnull(strstr(capture.text, "code: d503201f 00000000"));
}
END_TEST

Suite *arm64_vcpu_suite(void);
Suite *arm64_vcpu_suite(void)
{
    Suite *suite = suite_create("arm64_vcpu");
    TCase *tcase = tcase_create("vcpu");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, first_vcpu_starts_at_the_entry);
    tcase_add_test(tcase, other_vcpus_are_off);
    tcase_add_loop_test(tcase, what_the_host_can_give_is_taken, 0, ARRAY_SIZE(features));
    tcase_add_loop_test(tcase, each_ioctl_that_fails_is_told, 0, ARRAY_SIZE(needed));
    tcase_add_test(tcase, access_that_kvm_cannot_decode_is_an_abort_of_the_guests);
    tcase_add_test(tcase, no_other_exit_is_its_own);
    tcase_add_test(tcase, dump_has_registers_and_code);
    suite_add_tcase(suite, tcase);
    return suite;
}
