/* SPDX-License-Identifier: BSD-3-Clause */
/* Who executes guest code: the CPU counts bits, an emulator gives up or counts wrong. */
#include "tests/arch/kvm_fixture.h"

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
    ck_assert(capture_is_one_error(capture.text));
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
        ck_assert(capture_is_one_error(capture.text));
    }
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
    return suite;
}
