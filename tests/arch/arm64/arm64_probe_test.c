/* SPDX-License-Identifier: BSD-3-Clause */
/* Does KVM run guest code: a few instructions tell. */
#include "tests/arch/kvm_fixture.h"

#define STORE(where, what)                                                                         \
    {                                                                                              \
        .reason = KVM_EXIT_MMIO, .write = true, .size = 4, .addr = (where), .data = (what)         \
    }

static const struct {
    struct fake_exit exit;
    enum arch_kvm_kind kind;
} answers[] = {
    {STORE(0x80000, 56), ARCH_KVM_HARDWARE}, /* zeroes before 0xff */
    {STORE(0x80000, 55), ARCH_KVM_EMULATING},
    {STORE(0x80004, 56), ARCH_KVM_EMULATING},
    {{.reason = KVM_EXIT_MMIO, .size = 4, .addr = 0x80000, .data = 56}, ARCH_KVM_EMULATING},
    {{.reason = KVM_EXIT_INTERNAL_ERROR}, ARCH_KVM_EMULATING},
};

START_TEST(answer_tells_who_runs_the_guest)
{
    enum arch_kvm_kind kind;

    fake_kvm_script(0, &answers[_i].exit, 1);
    ck_assert_int_eq(arch_probe(&kind), 0);
    ck_assert_int_eq(kind, answers[_i].kind);
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
    ck_assert_uint_eq(failed, 8); /* API, size of the run page, VM, RAM, vCPU, three to start it */
}
END_TEST

Suite *arm64_probe_suite(void);
Suite *arm64_probe_suite(void)
{
    Suite *suite = suite_create("arm64_probe");
    TCase *tcase = tcase_create("probe");

    tcase_add_checked_fixture(tcase, fake_kvm_start, fake_kvm_stop);
    tcase_add_loop_test(tcase, answer_tells_who_runs_the_guest, 0, ARRAY_SIZE(answers));
    tcase_add_test(tcase, each_ioctl_that_fails_is_told);
    suite_add_tcase(suite, tcase);
    return suite;
}
