/* SPDX-License-Identifier: BSD-3-Clause */
/* Who executes guest code: the CPU counts bits, an emulator gives up or counts wrong. */
#include "tests/arch/kvm_fixture.h"
#include "vmm/vcpu.h"

#include <string.h>

static const struct {
    struct fake_exit exit;
    enum arch_kvm_kind kind;
} answers[] = {
    {{.reason = KVM_EXIT_IO, .write = true, .size = 1, .addr = 0x10, .data = 8}, ARCH_KVM_HARDWARE},
    {{.reason = KVM_EXIT_IO, .write = true, .size = 1, .addr = 0x10, .data = 7},
     ARCH_KVM_EMULATING},
    {{.reason = KVM_EXIT_IO, .write = true, .size = 1, .addr = 0x11, .data = 8},
     ARCH_KVM_EMULATING},
    {{.reason = KVM_EXIT_INTERNAL_ERROR, .data = KVM_INTERNAL_ERROR_EMULATION}, ARCH_KVM_EMULATING},
    {{.reason = KVM_EXIT_HLT}, ARCH_KVM_EMULATING},
};

START_TEST(answer_tells_who_runs_the_guest)
{
    enum arch_kvm_kind kind;

    fake_kvm_script(0, &answers[_i].exit, 1);
    ck_assert_int_eq(arch_probe(&kind), 0);
    ck_assert_int_eq(kind, answers[_i].kind);
}
END_TEST

START_TEST(signal_does_not_disturb_it)
{
    const struct fake_exit exits[] = {{.error = EINTR}, {.error = EAGAIN}, answers[0].exit};
    enum arch_kvm_kind kind;

    fake_kvm_script(0, exits, ARRAY_SIZE(exits));
    ck_assert_int_eq(arch_probe(&kind), 0);
    ck_assert_int_eq(kind, ARCH_KVM_HARDWARE);
}
END_TEST

START_TEST(run_that_fails_is_told)
{
    const struct fake_exit exit = {.error = EFAULT};
    enum arch_kvm_kind kind;

    fake_kvm_script(0, &exit, 1);
    capture_start(&capture);
    int r = arch_probe(&kind);
    capture_end(&capture);
    ck_assert_int_eq(r, -EFAULT);
    ck_assert_one_error(capture.text, "");
}
END_TEST

START_TEST(each_ioctl_that_fails_is_told)
{
    unsigned failed = 0;

    for (unsigned n = 0; n < 20; n++) {
        enum arch_kvm_kind kind;
        fake_kvm_stop();
        fake_kvm_start();
        fake_kvm_script(0, &answers[0].exit, 1);
        fake_kvm_fail_one(n, EIO);
        capture_start(&capture);
        int r = arch_probe(&kind);
        capture_end(&capture);
        ck_assert(r == 0 || r == -EIO);
        ck_assert_int_eq(capture_is_one_error(capture.text), r < 0);
        failed += r < 0;
    }
    ck_assert_uint_eq(failed,
                      8); /* API, size of the run page, VM, RAM, vCPU, three for registers */
}
END_TEST

START_TEST(memory_that_cannot_be_mapped_is_told)
{
    for (unsigned n = 0; n < 2; n++) { /* RAM, the run page (behind the fake's own) */
        enum arch_kvm_kind kind;
        fake_kvm_script(0, &answers[0].exit, 1);
        wrap_fail_after(WRAP_MMAP, n, ENOMEM);
        capture_start(&capture);
        int r = arch_probe(&kind);
        capture_end(&capture);
        wrap_stop(WRAP_MMAP);
        ck_assert_int_eq(r, -ENOMEM);
        ck_assert_one_error(capture.text, "");
    }
}
END_TEST

/* -- on a vCPU that is to run a kernel afterwards -- */

static struct memory mem;
static struct vcpu_env env;
static struct kvm_regs regs; /* of the vCPU */

static int regs_get(const struct fake_call *call)
{
    *(struct kvm_regs *)call->arg = regs;
    return 0;
}

static int regs_set(const struct fake_call *call)
{
    regs = *(const struct kvm_regs *)call->arg;
    return 0;
}

static void setup_vcpu(void)
{
    kvm_fixture_setup();
    ck_assert_int_eq(memory_create(&mem, 1 << 20, &arch_layout->ram, MEMORY_PAGES_OFF), 0);
    memset(memory_at(&mem, 0, 1 << 20), 0x5a, 1 << 20);
    env = (struct vcpu_env){.kvm = &kvm, .mem = &mem};
    ck_assert_int_eq(vcpus_create(&env, 1), 0);
    fake_kvm_answer(KVM_GET_REGS, regs_get);
    fake_kvm_answer(KVM_SET_REGS, regs_set);
    regs = (struct kvm_regs){.rip = 0x1000000, .rsi = 0x7000, .rflags = 2};
}

static void teardown_vcpu(void)
{
    vcpus_destroy(&env);
    memory_destroy(&mem);
    kvm_fixture_teardown();
}

static void assert_as_before(void)
{
    const uint8_t *ram = memory_at(&mem, 0, 1 << 20);

    for (size_t i = 0; i < 1 << 20; i++)
        if (ram[i] != 0x5a)
            ck_abort_msg("RAM at 0x%zx was changed", i);
    ck_assert_uint_eq(regs.rip, 0x1000000);
    ck_assert_uint_eq(regs.rsi, 0x7000);
    ck_assert_uint_eq(env.vcpu[0].run->immediate_exit, 0);
}

static void look_at_code(void)
{
    static const uint8_t popcnt[] = {0xf3, 0x0f, 0xb8, 0xc0};
    const uint8_t *at = memory_at(&mem, regs.rip, 16);

    ck_assert_ptr_nonnull(at);
    ck_assert_ptr_nonnull(memmem(at, 16, popcnt, sizeof(popcnt)));
}

START_TEST(vcpu_is_as_before_once_it_has_answered)
{
    struct fake_exit exit = answers[_i].exit;
    enum arch_kvm_kind kind;

    exit.during = look_at_code;
    fake_kvm_script(0, &exit, 1);
    ck_assert_int_eq(arch_vcpu_probe(&env.vcpu[0], &kind), 0);
    ck_assert_int_eq(kind, answers[_i].kind);
    ck_assert_uint_eq(fake_kvm_completed(0), 1);
    assert_as_before();
}
END_TEST

static const struct {
    unsigned long request;
    unsigned after;
} vcpu_failures[] = {{KVM_GET_REGS, 0}, {KVM_SET_REGS, 0}, {KVM_SET_REGS, 1}};

START_TEST(vcpu_that_cannot_be_asked_is_told)
{
    enum arch_kvm_kind kind;

    fake_kvm_script(0, &answers[0].exit, 1);
    fake_kvm_fail(vcpu_failures[_i].request, vcpu_failures[_i].after, EIO);
    capture_start(&capture);
    int r = arch_vcpu_probe(&env.vcpu[0], &kind);
    capture_end(&capture);
    ck_assert_int_eq(r, -EIO);
    ck_assert_one_error(capture.text, "");
}
END_TEST

Suite *x86_64_probe_suite(void);
Suite *x86_64_probe_suite(void)
{
    Suite *suite = suite_create("x86_64_probe");
    TCase *tcase = tcase_create("probe");

    tcase_add_checked_fixture(tcase, fake_kvm_start, fake_kvm_stop);
    tcase_add_loop_test(tcase, answer_tells_who_runs_the_guest, 0, ARRAY_SIZE(answers));
    tcase_add_test(tcase, signal_does_not_disturb_it);
    tcase_add_test(tcase, run_that_fails_is_told);
    tcase_add_test(tcase, each_ioctl_that_fails_is_told);
    tcase_add_test(tcase, memory_that_cannot_be_mapped_is_told);
    suite_add_tcase(suite, tcase);
    tcase = tcase_create("a machine's vCPU");
    tcase_add_checked_fixture(tcase, setup_vcpu, teardown_vcpu);
    tcase_add_loop_test(tcase, vcpu_is_as_before_once_it_has_answered, 0, ARRAY_SIZE(answers));
    tcase_add_loop_test(tcase, vcpu_that_cannot_be_asked_is_told, 0, ARRAY_SIZE(vcpu_failures));
    suite_add_tcase(suite, tcase);
    return suite;
}
